# SPDX-License-Identifier: MIT
"""access.allow and access.deny: who is refused, for every form of an address, and the trial."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import prometheus
import tcpdtest
from tcpdtest import needs_ipv6

# What a client of another user does: says "x" and tells what came back.
CLIENT = """
import os, socket, sys
path, uid, gid, groups = sys.argv[1], *map(eval, sys.argv[2:5])
os.setgroups(groups)
os.setgid(gid)
os.setuid(uid)
with socket.socket(socket.AF_UNIX) as client:
    client.settimeout(20)
    try:
        client.connect(path)
        client.sendall(b"x")
        print(client.recv(1).decode() or "end")
    except (ConnectionResetError, BrokenPipeError):
        print("end")
"""


class Access(tcpdtest.TestCase):
    def echo(self, listen="127.0.0.1:0", **access):
        return tcpdtest.service("echo", listen=listen, access=access)

    def serves(self, address, source=None):
        """Whether a client gets its byte back, or else a reset, which may be as early as in
        connect."""
        try:
            with tcpdtest.Client(self.family(address)) as client:
                if source:
                    client.bind((source, 0))
                client.connect(tcpdtest.target_of(address)[1])
                client.sendall(b"x")
                answer = client.recv(1)
        except (ConnectionResetError, BrokenPipeError):
            return False
        self.assertEqual(answer, b"x", "an orderly end is no reset")
        return True

    def family(self, address):
        return tcpdtest.target_of(address)[0]

    def rejected(self, daemon, reason="access", kind="rejected"):
        text = daemon.done("metrics")["text"]
        samples = prometheus.parse(text)
        return int(samples[f'tcpd_connections_{kind}_total{{service="echo",reason="{reason}"}}'])


class Rules(Access):
    def test_no_lists(self):
        daemon = self.tcpd(self.echo(enforce=True))
        self.assertTrue(self.serves(daemon.address("echo")))

    def test_deny(self):
        daemon = self.tcpd(self.echo(deny=["127.0.0.2", "127.1.0.0/16"]))
        address = daemon.address("echo")
        for source, served in (("127.0.0.1", True), ("127.0.0.2", False), ("127.0.0.3", True),
                               ("127.1.2.3", False), ("127.2.0.1", True)):
            self.assertEqual(self.serves(address, source), served, source)
        self.assertEqual(self.rejected(daemon), 2)
        self.assertEqual(self.rejected(daemon, kind="would_reject"), 0)

    def test_allow(self):
        daemon = self.tcpd(self.echo(allow="127.0.0.0/30"))
        address = daemon.address("echo")
        self.assertTrue(self.serves(address, "127.0.0.3"))
        self.assertFalse(self.serves(address, "127.0.0.4"))

    def test_deny_goes_before_allow(self):
        daemon = self.tcpd(self.echo(allow=["127.0.0.0/8", "127.0.0.9"], deny="127.0.0.8/29"))
        address = daemon.address("echo")
        self.assertTrue(self.serves(address, "127.0.0.7"))
        self.assertFalse(self.serves(address, "127.0.0.9"))
        self.assertTrue(self.serves(address, "127.0.0.16"))

    def test_an_empty_allow_is_nobody(self):
        daemon = self.tcpd(self.echo(allow=[]), tcpdtest.service("discard"))
        self.assertFalse(self.serves(daemon.address("echo")))
        self.assertFalse(daemon.connect("discard").has_input(within=0.1), "it is of one service")

    @needs_ipv6
    def test_ipv6(self):
        for access, served in (({"deny": "::1"}, False), ({"deny": "::/127"}, False),
                               ({"allow": "::1"}, True), ({"allow": "2001:db8::/32"}, False),
                               ({"allow": "0.0.0.0/0"}, False), ({"deny": "0.0.0.0/0"}, True)):
            daemon = self.tcpd(self.echo("[::1]:0", **access))
            self.assertEqual(self.serves(daemon.address("echo")), served, access)
            daemon.stop()

    @needs_ipv6
    def test_mapped(self):
        """A client of IPv4 is one, on a socket of both families too, however the rule says it."""
        for access, served in (({"deny": "127.0.0.0/8"}, False),
                               ({"deny": "::ffff:127.0.0.0/104"}, False),
                               ({"allow": "127.0.0.1"}, True), ({"deny": "::/0"}, True),
                               ({"allow": "::ffff:0:0/96"}, True), ({"allow": "::/0"}, False)):
            daemon = self.tcpd(self.echo(":0", **access))
            port = daemon.address("echo").rpartition(":")[2]
            self.assertEqual(self.serves(f"127.0.0.1:{port}"), served, access)
            of_ipv6 = ("::/0" in access.values()) == ("allow" in access)
            self.assertEqual(self.serves(f"[::1]:{port}"), of_ipv6, access)
            daemon.stop()

    def test_a_reload_changes_it(self):
        """Who is in stays in; who comes meets the new lists."""
        daemon = self.tcpd(self.echo(deny="10.0.0.0/8"))
        address = daemon.address("echo")
        inside = daemon.connect("echo")
        inside.sendall(b"1")
        inside.expect(b"1")
        for access, served in (({"deny": "127.0.0.0/8"}, False), ({"allow": "127.0.0.1"}, True),
                               ({"allow": []}, False), ({}, True)):
            text = tcpdtest.configuration([self.echo(**access)], {})
            daemon.write("tcpd.conf", text)
            changes = daemon.done("reload")
            self.assertIn("echo", str(changes))
            self.assertEqual(self.serves(address), served, access)
        inside.sendall(b"2")
        inside.expect(b"2")
        self.assertEqual(self.rejected(daemon), 2, "over all generations")

    def test_a_hundred_thousand_prefixes(self):
        deny = [f"10.{i >> 8}.{i & 255}.0/{length}" for i in range(50000) for length in (24, 25)]
        daemon = self.tcpd(self.echo(deny=deny + ["127.0.0.77"]))
        self.assertTrue(self.serves(daemon.address("echo"), "127.0.0.76"))
        self.assertFalse(self.serves(daemon.address("echo"), "127.0.0.77"))


class Refusals(Access):
    def test_log(self):
        daemon = self.tcpd(self.echo(deny="127.0.0.2"))
        with tcpdtest.Client(socket.AF_INET) as client:
            client.bind(("127.0.0.2", 0))
            try:
                client.connect(tcpdtest.target_of(daemon.address("echo"))[1])
            except ConnectionResetError:
                pass
            name = "%s:%d" % client.getsockname()
            line = tcpdtest.poll_until(lambda: daemon.lines("rejected"))[0]
        self.assertEqual(line, {"service": "echo", "peer": name, "reason": "access"})
        daemon.stop()
        self.assertEqual(daemon.closed(), [])
        self.assertEqual(daemon.accounts()["accepted"], 0)
        self.assertEqual(daemon.accounts()["rejected"], 1)

    def test_the_log_is_bounded(self):
        daemon = self.tcpd(self.echo(deny="127.0.0.2", enforce=True))
        begun = time.monotonic()
        for _ in range(300):
            self.assertFalse(self.serves(daemon.address("echo"), "127.0.0.2"))
        seconds = time.monotonic() - begun
        self.assertEqual(self.rejected(daemon), 300)
        lines = daemon.lines("rejected")
        self.assertGreaterEqual(len(lines), 1)
        self.assertLessEqual(len(lines), 5 * (seconds + 2))

    def test_no_place_is_taken(self):
        """More of them than there are places, and then the one that is let in."""
        daemon = self.tcpd(self.echo(deny="127.0.0.2"), limits={"connections": 2})
        address = daemon.address("echo")
        for _ in range(20):
            self.assertFalse(self.serves(address, "127.0.0.2"))
        inside = [daemon.connect("echo") for _ in range(2)]
        for client in inside:
            client.sendall(b"x")
            client.expect(b"x")

    def test_the_reason_at_a_limit(self):
        """overload = "reset": who is not let in is refused for that, whether there is room or
        not; a trial refuses nobody."""
        for enforce, reason in (True, "access"), (False, "connections"):
            daemon = self.tcpd(self.echo(deny="127.0.0.2", enforce=enforce),
                               limits={"connections": 1, "overload": "reset"})
            inside = daemon.connect("echo")
            inside.sendall(b"x")
            inside.expect(b"x")
            self.assertFalse(self.serves(daemon.address("echo"), "127.0.0.2"))
            self.assertEqual(self.rejected(daemon, reason), 1)
            self.assertFalse(self.serves(daemon.address("echo"), "127.0.0.1"))
            self.assertEqual(self.rejected(daemon, "connections"), 1 if enforce else 2)
            inside.close()
            daemon.stop()

    def test_trial(self):
        daemon = self.tcpd(self.echo(deny="127.0.0.2", enforce=False))
        for _ in range(50):
            self.assertTrue(self.serves(daemon.address("echo"), "127.0.0.2"))
        self.assertTrue(self.serves(daemon.address("echo"), "127.0.0.1"))
        self.assertEqual(self.rejected(daemon), 0)
        self.assertEqual(self.rejected(daemon, kind="would_reject"), 50)
        line = tcpdtest.poll_until(lambda: daemon.lines("would_reject"))[0]
        self.assertRegex(line.pop("peer"), r"^127\.0\.0\.2:\d+$")
        self.assertEqual(line, {"service": "echo", "reason": "access"})
        self.assertEqual(daemon.lines("rejected"), [])
        daemon.stop()
        self.assertEqual(daemon.accounts()["accepted"], 51)


@unittest.skipUnless(os.geteuid() == 0, "only root can be other users")
class Unix(Access):
    """Peers of unix sockets, by user and group."""

    USER, GROUP, OTHER = 12345, 23456, 34567

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="tcpd-test-")
        self.addCleanup(shutil.rmtree, self.folder)
        os.chmod(self.folder, 0o755)
        self.path = os.path.join(self.folder, "socket")

    def start(self, **access):
        return self.tcpd(self.echo({"address": "unix:" + self.path, "mode": "0666"}, **access))

    def serves_as(self, uid, gid, groups=()):
        ran = subprocess.run([sys.executable, "-c", CLIENT, self.path, str(uid), str(gid),
                              repr(groups)], capture_output=True, text=True, check=True)
        self.assertIn(ran.stdout, ("x\n", "end\n"))
        return ran.stdout == "x\n"

    def test_allow_user(self):
        self.start(allow=[f"uid:{self.USER}", "uid:root"])
        self.assertTrue(self.serves_as(self.USER, self.OTHER))
        self.assertTrue(self.serves_as(0, 0))
        self.assertFalse(self.serves_as(self.OTHER, self.OTHER))
        self.assertFalse(self.serves_as(self.OTHER, self.USER), "a group is no user")

    def test_allow_group(self):
        self.start(allow=f"gid:{self.GROUP}")
        self.assertTrue(self.serves_as(self.USER, self.GROUP))
        self.assertFalse(self.serves_as(self.GROUP, self.OTHER), "a user is no group")
        self.assertTrue(self.serves_as(self.USER, self.OTHER, [1, self.GROUP, 7]))
        self.assertFalse(self.serves_as(self.USER, self.OTHER, [1, 7]))
        self.assertFalse(self.serves_as(self.USER, self.OTHER))

    def test_deny_group(self):
        daemon = self.start(deny=f"gid:{self.GROUP}", allow=f"uid:{self.USER}")
        self.assertTrue(self.serves_as(self.USER, self.OTHER))
        self.assertFalse(self.serves_as(self.USER, self.OTHER, [1, self.GROUP]))
        self.assertFalse(self.serves_as(self.USER, self.GROUP))
        lines = tcpdtest.poll_until(lambda: daemon.lines("rejected"))
        self.assertRegex(lines[0]["peer"], f"^unix:pid=[0-9]+,uid={self.USER},gid={self.OTHER}$")
        self.assertEqual(self.rejected(daemon), 2)

    def test_as_many_groups_as_there_can_be(self):
        most = int(os.sysconf("SC_NGROUPS_MAX"))
        self.start(allow=f"gid:{100000 + most - 1}")
        self.assertTrue(self.serves_as(self.USER, self.OTHER, range(100000, 100000 + most)))
        self.assertFalse(self.serves_as(self.USER, self.OTHER, range(100000, 100000 + most - 1)))

    def test_prefixes_are_not_for_them(self):
        daemon = self.start(deny=["0.0.0.0/0", "::/0"])
        self.assertTrue(self.serves_as(self.USER, self.OTHER))
        daemon.stop()
        self.start(allow=["0.0.0.0/0", "::/0"])
        self.assertFalse(self.serves_as(self.USER, self.OTHER))

    def test_trial(self):
        daemon = self.start(allow=[], enforce=False)
        self.assertTrue(self.serves_as(self.USER, self.OTHER))
        self.assertEqual(self.rejected(daemon, kind="would_reject"), 1)
        line = tcpdtest.poll_until(lambda: daemon.lines("would_reject"))[0]
        self.assertIn(f"uid={self.USER},", line["peer"])


if __name__ == "__main__":
    tcpdtest.main()
