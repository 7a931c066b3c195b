# SPDX-License-Identifier: MIT
"""tcpctl explain, and that every rule says the same of every form of one address: what it tells is
what becomes of a client that comes."""

import json
import os
import pwd
import re
import shutil
import socket
import struct
import subprocess
import tempfile
import unittest

import tcpdtest
from tcpdtest import poll_until

TCPCTL = os.environ.get("TCPCTL", "./tcpctl")
ASK = """
import socket, sys
with socket.socket(socket.AF_UNIX) as asker:
    asker.connect(sys.argv[1])
    asker.sendall(sys.argv[2].encode() + b"\\n")
    print(asker.makefile().readline())
"""
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def header_1(source):
    family = b"TCP6" if ":" in source else b"TCP4"
    destination = b"::1" if ":" in source else b"127.0.0.1"
    return b"PROXY %s %s %s 5 6\r\n" % (family, source.encode(), destination)


def header_2(source):
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    body = socket.inet_pton(family, source) * 2 + struct.pack("!HH", 5, 6)
    kind = 0x21 if ":" in source else 0x11
    return SIGNATURE + struct.pack("!BBH", 0x21, kind, len(body)) + body


class Form:
    """A way for one client to come: `listen`, the address that it binds, the header that it sends,
    and how explain is told of it."""

    def __init__(self, name, listen, source=None, header=b"", says=None, proxy=None):
        self.name, self.listen, self.source, self.header = name, listen, source, header
        self.says, self.proxy = says or source, proxy

    @property
    def settings(self):
        if not self.header:
            return {}
        return {"proxy_protocol": "required", "trusted": ["127.0.0.1", "::1"]}


V4, V6 = "127.0.0.9", "::1"
FORMS = [
    Form("IPv4", "127.0.0.1:0", V4),
    Form("IPv4 on a socket for both", ":0", V4),
    Form("mapped", ":0", V4, says="::ffff:127.0.0.9"),
    Form("mapped, in brackets with a port", ":0", V4, says="[::ffff:127.0.0.9]:80"),
    Form("PROXY 1", "127.0.0.1:0", "127.0.0.1", header_1(V4), V4, "127.0.0.1"),
    Form("PROXY 1 over IPv6", "[::1]:0", "::1", header_1(V4), V4, "::1"),
    Form("PROXY 1, mapped", "127.0.0.1:0", "127.0.0.1", header_1("::ffff:7f00:9"), V4,
         "127.0.0.1:7"),
    Form("PROXY 2", "127.0.0.1:0", "127.0.0.1", header_2(V4), V4 + ":80", "127.0.0.1"),
    Form("PROXY 2, mapped", "127.0.0.1:0", "127.0.0.1", header_2("::ffff:127.0.0.9"), V4, None),
]
FORMS_6 = [
    Form("IPv6", "[::1]:0", V6),
    Form("IPv6, in brackets with a port", ":0", V6, says="[::1]:80"),
    Form("PROXY 1", "127.0.0.1:0", "127.0.0.1", header_1(V6), V6, "127.0.0.1"),
    Form("PROXY 2", "[::1]:0", "::1", header_2(V6), "0:0:0:0::1", "[::1]"),
]

# Rules: the settings of the service, how many come in before, the decision, and the rule.
RULES = [
    ("nothing", {}, 3, "admitted", None),
    ("allow", {"access": {"allow": ["127.0.0.8/29", "::1"]}}, 0, "admitted", None),
    ("allow another", {"access": {"allow": ["10.0.0.0/8", "2001:db8::/32"]}}, 0, "refused",
     "access.allow"),
    ("deny", {"access": {"deny": ["127.0.0.9", "::1"]}}, 0, "refused", "access.deny"),
    ("deny mapped", {"access": {"deny": ["::ffff:127.0.0.0/104", "::/0"]}}, 0, "refused",
     "access.deny"),
    ("deny on trial", {"access": {"deny": ["127.0.0.9", "::1"], "enforce": False}}, 0, "admitted",
     None),
    ("per_address", {"limits": {"per_address": 2}}, 2, "refused", "limits.per_address"),
    ("per_address with room", {"limits": {"per_address": 2}}, 1, "admitted", None),
    ("rate", {"limits": {"rate": "1/h", "burst": 2}}, 2, "refused", "limits.rate"),
    ("rate with a token", {"limits": {"rate": "1/h", "burst": 2}}, 1, "admitted", None),
    ("rate on trial", {"limits": {"rate": "1/h", "burst": 2, "enforce": False}}, 2, "admitted",
     None),
    ("connections", {"limits": {"connections": 2, "overload": "reset"}}, 2, "refused",
     "limits.connections"),
    ("connections, waiting", {"limits": {"connections": 2}}, 2, "queued", "limits.connections"),
    ("connections on trial", {"limits": {"connections": 2, "enforce": False}}, 2, "admitted",
     None),
]


class Explain(tcpdtest.TestCase):
    def come(self, address, form):
        """What becomes of a client of this form: "admitted", "queued" or "refused"."""
        client = tcpdtest.Client(tcpdtest.target_of(address)[0], socket.SOCK_STREAM)
        self.clients.append(client)
        try:
            if form.source:
                client.bind((form.source, 0))
            client.connect(tcpdtest.target_of(address)[1])
            client.sendall(form.header + b"x")
            if not client.has_input(within=0.05) and not client.has_input(within=self.patience):
                return "queued"
            return "admitted" if client.recv(1) == b"x" else "an orderly end"
        except (ConnectionResetError, BrokenPipeError):
            return "refused"

    def setUp(self):
        self.clients = []
        self.patience = 1 * tcpdtest.SLOW

    def tearDown(self):
        while self.clients:
            self.clients.pop().close()

    def explain(self, daemon, address, service, proxy=None):
        proxy = {"proxy": proxy} if proxy else {}
        return daemon.done("explain", address=address, service=service, **proxy)

    def address_of(self, daemon, name, form):
        address = daemon.address(name)
        if address.startswith(":"):
            return ("127.0.0.1" if "." in form.source else "[::1]") + address
        return address

    def check(self, forms):
        """All rules, each as a service of its own for each form."""
        for form in forms:
            services = [tcpdtest.service(f"s{i}", "echo", listen=form.listen,
                                         **{**form.settings, **settings})
                        for i, (_, settings, *_) in enumerate(RULES)]
            daemon = self.tcpd(*services)
            for i, rule in enumerate(RULES):
                with self.subTest(form=form.name, rule=rule[0]):
                    self.check_rule(daemon, f"s{i}", form, *rule[1:])
            self.tearDown()
            daemon.stop()

    def check_rule(self, daemon, service, form, _settings, before, decision, rule):
        address = self.address_of(daemon, service, form)
        self.patience = tcpdtest.WAIT
        for _ in range(before):
            self.assertEqual(self.come(address, form), "admitted")
        if decision == "queued":
            self.patience = 0.1
        told = [self.explain(daemon, form.says, service, form.proxy) for _ in range(3)]
        self.assertEqual(self.own(told[0]), self.own(told[2]), "asking changes nothing")
        self.assertEqual(told[0]["decision"], decision, told[0])
        if rule:
            self.assertEqual(told[0]["rule"]["setting"], f"services.{service}.{rule}")
            self.assertRegex(told[0]["rule"]["at"], r"/tcpd\.conf:\d+$")
        self.assertEqual(self.come(address, form), decision)

    def own(self, told):
        """What is of this service alone: others' clients may still be leaving."""
        limits = [one for one in told["limits"] if one["setting"].startswith("services.")]
        return {**told, "limits": limits}

    def test_ipv4(self):
        self.check(FORMS)

    @tcpdtest.needs_ipv6
    def test_ipv6(self):
        self.check(FORMS_6)

    # Unix peers: the limits for addresses are not for them.

    def unix(self, daemon_access, **limits):
        folder = tempfile.mkdtemp(prefix="tcpd-explain-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        path = os.path.join(folder, "socket")
        echo = tcpdtest.service("echo", listen="unix:" + path, access=daemon_access,
                                limits={"per_address": 1, "rate": "1/h", **limits})
        return self.tcpd(echo)

    def test_unix(self):
        me, group = os.geteuid(), os.getegid()
        form = Form("unix", None, says="unix")
        for access, decision in (({}, "admitted"), ({"allow": f"uid:{me}"}, "admitted"),
                                 ({"allow": f"gid:{group}"}, "admitted"),
                                 ({"deny": f"gid:{group}"}, "refused"),
                                 ({"allow": f"uid:{me + 1}"}, "refused"),
                                 ({"deny": "0.0.0.0/0"}, "admitted"),
                                 ({"allow": [], "enforce": False}, "admitted")):
            with self.subTest(access):
                daemon = self.unix(access)
                for _ in range(2):
                    self.assertEqual(self.come(daemon.address("echo"), form), decision)
                told = self.tcpctl_json(daemon, "unix", "echo")
                self.assertEqual(told["decision"], decision, told)
                self.assertNotIn("per_address", str(told["limits"]))
                named = self.explain(daemon, f"uid:{me},gid:{group}", "echo")
                self.assertEqual(named["decision"], decision)
                self.tearDown()
                daemon.stop()

    def test_unix_connections(self):
        daemon = self.unix({}, connections=1, overload="reset")
        form = Form("unix", None)
        self.patience = tcpdtest.WAIT
        self.assertEqual(self.come(daemon.address("echo"), form), "admitted")
        self.assertEqual(self.explain(daemon, "uid:1", "echo")["decision"], "refused")
        self.assertEqual(self.come(daemon.address("echo"), form), "refused")

    # What it tells.

    def tcpctl(self, daemon, *words, status=0):
        ran = subprocess.run([TCPCTL, "-s", daemon.control_path, *words], check=False,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertEqual(ran.returncode, status, ran)
        return ran.stderr if status else ran.stdout

    def tcpctl_json(self, daemon, *words):
        return json.loads(self.tcpctl(daemon, "--json", "explain", *words))

    def lines_of(self, daemon, text):
        with open(daemon.config, encoding="utf-8") as file:
            return [i for i, line in enumerate(file, 1) if text in line]

    def test_the_places(self):
        """Each entry of a list and each setting by its file and line, -o, or as a default."""
        included = os.path.join(tempfile.mkdtemp(prefix="tcpd-explain-"), "more.conf")
        self.addCleanup(shutil.rmtree, os.path.dirname(included), ignore_errors=True)
        with open(included, "w", encoding="ascii") as file:
            file.write('services = ( { name = "more"; type = "echo"; listen = "127.0.0.1:0";\n'
                       'access = {\n deny = [ "10.0.0.0/8",\n  "10.1.0.0/16" ]; };\n'
                       'limits = {\n  per_address = 5; }; } );\n')
        daemon = self.tcpd("echo", include=included, options=["-o", "limits.per_address=7"],
                           limits={"rate": "20/s"})
        told = self.explain(daemon, "10.1.2.3", "more")
        self.assertEqual(told["rule"], {"setting": "services.more.access.deny", "reason": "access",
                                        "entry": "10.1.0.0/16", "at": f"{included}:4"})
        self.assertEqual(self.explain(daemon, "10.2.2.3", "more")["rule"]["at"], f"{included}:3")
        at = {limit["setting"]: limit["at"] for limit in told["limits"]}
        self.assertEqual(at["services.more.limits.per_address"], f"{included}:6")
        self.assertEqual(at["limits.per_address"], "-o limits.per_address")
        self.assertEqual(at["limits.rate"],
                         f"{daemon.config}:{self.lines_of(daemon, 'rate')[0]}")
        self.assertEqual(at["limits.connections"], "default")

    def test_figures(self):
        daemon = self.tcpd(tcpdtest.service("echo", limits={"connections": 9, "per_address": 5,
                                                            "rate": "1/h", "burst": 4}),
                           limits={"connections": 50, "queue_delay": "50ms", "ipv6_prefix": 56})
        form = FORMS[0]
        for _ in range(3):
            self.assertEqual(self.come(daemon.address("echo"), form), "admitted")
        limits = {limit["setting"]: (limit.get("now"), limit.get("limit"))
                  for limit in self.explain(daemon, V4, "echo")["limits"]}
        self.assertEqual(limits["limits.connections"], (3, 50))
        self.assertEqual(limits["services.echo.limits.connections"], (3, 9))
        self.assertEqual(limits["services.echo.limits.per_address"], (3, 5))
        self.assertEqual(limits["services.echo.limits.rate"], (1, 4))
        self.assertEqual(limits["limits.rate"], (None, None))
        self.assertEqual(limits["limits.queue_delay"], (0.0, 0.05))
        self.assertEqual(limits["pool.queue"], (0, 1024))
        self.assertGreater(limits["RLIMIT_NOFILE"][1], 50)
        self.assertEqual(self.explain(daemon, "2001:db8:0:ff::1", "echo")["prefix"],
                         "2001:db8::/56")

    def test_trials(self):
        limits = {"connections": 1, "per_address": 1, "enforce": False}
        daemon = self.tcpd(tcpdtest.service("echo", limits=limits,
                                            access={"deny": V4, "enforce": False}))
        self.assertEqual(self.come(daemon.address("echo"), FORMS[0]), "admitted")
        told = self.explain(daemon, V4, "echo")
        self.assertEqual((told["decision"], [(trial["setting"], trial["reason"])
                                             for trial in told["trials"]]),
                         ("admitted", [("services.echo.limits.connections", "connections"),
                                       ("services.echo.access.deny", "access"),
                                       ("services.echo.limits.per_address", "per_address")]))

    def test_who_is_trusted(self):
        daemon = self.tcpd(tcpdtest.service("echo", proxy_protocol="required",
                                            trusted=["127.0.0.1"], access={"deny": V4}))
        told = self.explain(daemon, "192.0.2.1", "echo", "127.0.0.2")
        self.assertEqual((told["decision"], told["rule"]["setting"], told["rule"]["reason"]),
                         ("refused", "services.echo.trusted", "proxy_protocol"))
        self.assertRegex(told["rule"]["at"], r"tcpd\.conf:\d+$")
        self.assertEqual(self.explain(daemon, V4, "echo", "127.0.0.1")["rule"]["setting"],
                         "services.echo.access.deny")
        told = self.explain(daemon, "192.0.2.1", "echo")
        self.assertEqual(told["decision"], "admitted")
        self.assertIn("behind proxies", told["notes"][0])

    def test_handshakes(self):
        daemon = self.tcpd(tcpdtest.service("echo", proxy_protocol="required",
                                            trusted=["127.0.0.1"]), limits={"handshakes": 1})
        daemon.connect("echo")
        told = poll_until(lambda: self.not_admitted(daemon))
        self.assertEqual((told["decision"], told["rule"]["setting"]),
                         ("queued", "limits.handshakes"))
        self.assertIn({"setting": "limits.handshakes", "now": 1, "limit": 1,
                       "unit": "connections", "at": told["rule"]["at"]}, told["limits"])

    def not_admitted(self, daemon):
        told = self.explain(daemon, V4, "echo")
        return told if told["decision"] != "admitted" else None

    def test_nobody_listens(self):
        daemon = self.tcpd("echo", "discard")
        daemon.done("drain", service="echo")
        told = self.explain(daemon, V4, "echo")
        self.assertEqual(told["decision"], "refused")
        self.assertIn("drained", told["notes"][0])
        self.assertEqual(self.explain(daemon, V4, "discard")["decision"], "admitted")
        told = self.explain(daemon, "::1", "discard")
        self.assertIn("no address to which", told["notes"][0])

    def test_for_people(self):
        daemon = self.tcpd(tcpdtest.service("echo", access={"deny": ["10.0.0.0/8"]}))
        lines = self.tcpctl(daemon, "explain", "10.1.2.3", "echo").split("\n")
        self.assertEqual(lines[0], "10.1.2.3 would now be refused by echo")
        self.assertRegex(lines[1], r'^  because of services\.echo\.access\.deny "10\.0\.0\.0/8" at '
                                   r'/.*/tcpd\.conf:\d+, reason access$')
        self.assertRegex("\n".join(lines), r"\nSETTING +NOW +LIMIT +UNIT +STANDS AT\n")
        self.assertRegex("\n".join(lines), r"\nlimits\.connections +0 +\d+ +connections +default\n")
        self.assertEqual(self.tcpctl(daemon, "explain", "1.1.1.1", "echo").split("\n")[0],
                         "1.1.1.1 would now be admitted to echo")

    def test_names_of_users(self):
        daemon = self.tcpd("echo")
        user = pwd.getpwuid(os.geteuid()).pw_name
        told = self.tcpctl_json(daemon, user, "echo")["address"]
        self.assertTrue(told.startswith(f"uid:{os.geteuid()},gid:"), told)
        self.assertEqual(self.tcpctl_json(daemon, "uid:root,gid:root,gid:5", "echo")["address"],
                         "uid:0,gid:0,gid:5")
        mine = self.tcpctl_json(daemon, "unix", "echo")["address"]
        self.assertEqual(mine.split(",")[:2], [f"uid:{os.geteuid()}", f"gid:{os.getegid()}"])
        for wrong, why in (("nobody-at-all", "no client"), ("uid:nobody-at-all", "no user"),
                           ("uid:0,gid:nobody-at-all", "no group"), ("uid:0,", "expected gid:"),
                           ("uid:0,uid:1", "expected gid:")):
            self.assertIn(why, self.tcpctl(daemon, "explain", wrong, "echo", status=64))

    def test_wrong_questions(self):
        daemon = self.tcpd("echo", tcpdtest.service("status-of", "status"))
        for arguments, why in (({"address": V4, "service": "ehco"}, 'did you mean "echo"?'),
                               ({"address": V4, "service": "zzzzzz"}, "tcpctl services lists"),
                               ({"address": V4}, "are wanted"), ({"service": "echo"}, "are wanted"),
                               ({"address": 7, "service": "echo"}, "must be an address"),
                               ({"address": V4, "service": "echo", "proxy": V4},
                                "is not behind proxies")):
            self.assertIn(why, daemon.refused("explain", **arguments)["error"])
        for address in ("", "x", "1.2.3", "1.2.3.4.5", ":80", "1.2.3.4:99999", "[::1", "::1]",
                        "::g", "unix:/x", "uid:", "uid:x", "uid:-1", "uid:1,", "uid:1,gid:",
                        "uid:1,uid:2", "uid:4294967295", "uid:00", "1.2.3.4 ", "\u2603" * 300,
                        "uid:1" + ",gid:1" * 300):
            answer = daemon.ask("explain", address=address, service="echo")[-1]
            well = re.fullmatch(r"uid:1(,gid:1)+", address)
            self.assertEqual(answer["ok"], bool(well), (address, answer))

    @unittest.skipUnless(os.geteuid() == 0, "only root can be other users")
    def test_it_may_be_asked_by_who_may_not_steer(self):
        """And it stands not in the log, for it changes nothing."""
        daemon = self.tcpd("echo", control={"mode": "0666"})
        os.chmod(daemon.folder, 0o755)
        for command, arguments, ok in (("explain", {"address": V4, "service": "echo"}, "true"),
                                       ("drain", {}, "false")):
            request = json.dumps({"command": command, **arguments})
            ran = subprocess.run(
                ["/usr/bin/python3", "-c", ASK, daemon.control_path, request], check=True,
                stdout=subprocess.PIPE, text=True, user=65534, group=65534, extra_groups=[])
            self.assertIn(f'"ok":{ok}', ran.stdout.replace(" ", ""))
        self.assertEqual(daemon.lines("control"), [])

    def test_asking_leaves_no_address_behind(self):
        daemon = self.tcpd(tcpdtest.service("echo", limits={"per_address": 1, "rate": "1/s"}))
        for i in range(50):
            self.explain(daemon, f"10.0.0.{i}", "echo")
        self.assertIn("\ntcpd_addresses 0\n", daemon.done("metrics")["text"])


if __name__ == "__main__":
    tcpdtest.main()
