#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The PROXY protocol: nothing before the header, its addresses afterwards, and no mercy."""

import contextlib
import glob
import os
import re
import shutil
import socket
import struct
import subprocess
import tempfile
import time

import tcpdproc
import tcpdtest

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
SECONDS = 0.3 * tcpdtest.SLOW


def v2(body, command=1, family=0x11):
    return SIGNATURE + struct.pack("!BBH", 0x20 | command, family, len(body)) + body


def v2_of(family, source, source_port, destination, port):
    body = socket.inet_pton(family, source) + socket.inet_pton(family, destination)
    kind = 0x11 if family == socket.AF_INET else 0x21
    return v2(body + struct.pack("!HH", source_port, port), family=kind)


TELLING = [  # header, the peer that it tells, the local address
    (b"PROXY TCP4 192.0.2.1 198.51.100.2 56231 443\r\n", "192.0.2.1:56231", "198.51.100.2:443"),
    (b"PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n", "[2001:db8::1]:1", "[2001:db8::2]:2"),
    (v2_of(socket.AF_INET, "192.0.2.7", 7, "198.51.100.9", 9), "192.0.2.7:7", "198.51.100.9:9"),
    (v2_of(socket.AF_INET6, "2001:db8::7", 7, "::1", 9), "[2001:db8::7]:7", "[::1]:9"),
]
TELLING_NOTHING = [
    b"PROXY UNKNOWN\r\n",
    b"PROXY UNKNOWN ffff:: ffff:: 1 2\r\n",
    v2(b"", command=0, family=0),
    v2(b"whatever", command=0, family=0),
    v2(b"", family=0),
    v2(bytes(216), family=0x31),
]
WRONG = [
    b"GET / HTTP/1.0\r\n\r\n",
    b"proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
    b"PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n",
    b"PROXY TCP4 ::1 ::1 1 2\r\n",
    b"PROXY UNKNOWN " + 100 * b"x",
    v2(b"abc"),
    v2(bytes(12), command=2),
    SIGNATURE + b"\x21\x11\xff\xff",
    v2(bytes(12) + b"\x03\x00\x04\0\0\0\0"),
]


def behind(kind="echo", **settings):
    return tcpdtest.service(kind, proxy_protocol="required",
                            **{"trusted": ["127.0.0.0/8", "::1"], **settings})


class Header(tcpdtest.TestCase):
    def talk(self, daemon, client, text=b"hello"):
        client.sendall(text)
        client.expect(text)
        client.finish()
        client.expect_eof()

    def check_line(self, daemon, client, peer, local):
        """The peer is the one that the header tells; the connection's own address is behind via."""
        line = tcpdtest.poll_until(
            lambda: [line for line in daemon.closed() if line.get("via") == client.name])[0]
        self.assertEqual((line["peer"], line["local"], line["reason"]), (peer, local, "eof"))
        return line

    def test_what_it_tells(self):
        daemon = self.tcpd(behind())
        for header, peer, local in TELLING:
            with self.subTest(header):
                client = daemon.connect("echo")
                client.sendall(header)
                self.talk(daemon, client)
                line = self.check_line(daemon, client, peer, local)
                self.assertEqual((line["in"], line["out"]), (5, 5), "the header does not count")

    def come(self, daemon, source, header=None):
        """A served client whom the header tells of, or None: it was reset."""
        client = daemon.connect("echo")
        try:
            client.sendall(header or b"PROXY TCP4 %s 198.51.100.2 5 6\r\n" % source)
            client.sendall(b"x")
            return client if client.recv(1) == b"x" else None
        except (ConnectionResetError, BrokenPipeError):
            return None

    def test_access_is_asked_about_who_is_told_of(self):
        """Not about the proxy; about itself when it speaks for nobody."""
        daemon = self.tcpd(behind(access={"allow": ["192.0.2.0/24"]}))
        self.assertIsNotNone(self.come(daemon, b"192.0.2.1"))
        self.assertIsNone(self.come(daemon, b"203.0.113.1"))
        line = tcpdtest.poll_until(lambda: daemon.lines("rejected"))[0]
        self.assertEqual((line["peer"], line["reason"]), ("203.0.113.1:5", "access"))
        proxies = [client.name for client in daemon.clients]
        self.assertEqual(line["via"], proxies[1])
        self.assertIsNone(self.come(daemon, b"", header=b"PROXY UNKNOWN\r\n"))
        tcpdtest.poll_until(
            lambda: [line["reason"] for line in daemon.closed()].count("rejected") == 2)
        itself = daemon.lines("rejected")[1]
        self.assertEqual((itself["peer"], itself.get("via")), (daemon.clients[2].name, None))

    def test_limits_are_of_who_is_told_of(self):
        daemon = self.tcpd(behind(limits={"per_address": 2}))
        inside = [self.come(daemon, b"192.0.2.1") for _ in range(2)]
        self.assertNotIn(None, inside)
        for _ in range(3):
            self.assertIsNone(self.come(daemon, b"192.0.2.1"))
        self.assertIsNotNone(self.come(daemon, b"192.0.2.2"), "through the same proxy")
        inside[0].close()
        tcpdtest.poll_until(lambda: self.come(daemon, b"192.0.2.1"))
        self.assertIsNone(self.come(daemon, b"192.0.2.1"))
        daemon.close_clients()
        tcpdtest.poll_until(lambda: "tcpd_addresses 0" in daemon.done("metrics")["text"])

    def test_byte_by_byte(self):
        daemon = self.tcpd(behind())
        for header, peer, local in TELLING:
            client = daemon.connect("echo")
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in header:
                client.sendall(bytes([byte]))
            self.talk(daemon, client)
            self.check_line(daemon, client, peer, local)

    def test_cut_anywhere(self):
        """The second piece is sent when the daemon has taken the first, and has data behind it."""
        daemon = self.tcpd(behind())
        for header, peer, local in TELLING:
            for cut in range(1, len(header), 5):
                client = daemon.connect("echo")
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                client.sendall(header[:cut])
                self.assertFalse(client.has_input(within=0.002))
                client.sendall(header[cut:] + b"data")
                client.expect(b"data")
                client.finish()
                client.expect_eof()
                self.check_line(daemon, client, peer, local)

    def test_header_and_data_in_one_segment(self):
        daemon = self.tcpd(behind())
        for header in [header for header, _, _ in TELLING] + TELLING_NOTHING:
            client = daemon.connect("echo")
            client.sendall(header + b"hello")
            client.expect(b"hello")

    def test_without_addresses_the_connection_has_its_own(self):
        daemon = self.tcpd(behind())
        for header in TELLING_NOTHING:
            client = daemon.connect("echo")
            client.sendall(header)
            self.talk(daemon, client)
            line = daemon.wait_closed(client)
            self.assertEqual((line["local"], line["reason"]), (daemon.address("echo"), "eof"))
            self.assertNotIn("via", line)

    def test_a_second_header_is_data(self):
        daemon = self.tcpd(behind())
        for header, peer, local in TELLING:
            client = daemon.connect("echo")
            client.sendall(header + TELLING[0][0])
            client.expect(TELLING[0][0])
            client.finish()
            client.expect_eof()
            self.check_line(daemon, client, peer, local)

    def test_a_service_that_speaks_first_waits(self):
        daemon = self.tcpd(behind("greet"))
        for header, _, _ in TELLING:
            client = daemon.connect("greet")
            client.sendall(header[:-1])
            self.assertFalse(client.has_input(within=SECONDS))
            client.sendall(header[-1:])
            self.assertTrue(client.recv_until(b"\n"))

    def test_a_service_that_only_speaks(self):
        daemon = self.tcpd(behind("daytime"))
        client = daemon.connect("daytime")
        self.assertFalse(client.has_input(within=SECONDS))
        client.sendall(TELLING[0][0])
        self.assertTrue(client.recv_until_eof())

    def test_connections_tells_the_client(self):
        daemon = self.tcpd(behind())
        client = daemon.connect("echo")
        client.sendall(b"PROXY")
        listed = lambda: daemon.done("connections")["connections"]
        one = tcpdtest.poll_until(lambda: [c for c in listed() if c["phase"] == "header"])[0]
        self.assertEqual(one["peer"], client.name)
        client.sendall(TELLING[0][0][5:] + b"x")
        client.expect(b"x")
        one = listed()[0]
        self.assertEqual((one["phase"], one["peer"], one["local"]), ("open", *TELLING[0][1:]))
        self.assertEqual(one["received"], 1)

    def test_kill_before_the_header(self):
        daemon = self.tcpd(behind())
        client = daemon.connect("echo")
        client.sendall(b"PROXY")
        listed = tcpdtest.poll_until(lambda: daemon.done("connections")["connections"])
        daemon.done("kill", id=listed[0]["id"])
        client.expect_reset()
        self.assertEqual(daemon.wait_closed(client)["reason"], "killed")

    def test_unix_socket(self):
        """Its mode says who may connect; nobody else has to be trusted."""
        path = os.path.join(tcpdtest.tempfile.mkdtemp(prefix="tcpd-proxy-"), "socket")
        self.addCleanup(shutil.rmtree, os.path.dirname(path), ignore_errors=True)
        service = tcpdtest.service("echo", listen="unix:" + path, proxy_protocol="required")
        daemon = self.tcpd(service)
        client = daemon.connect("echo")
        client.sendall(TELLING[0][0] + b"hello")
        client.expect(b"hello")
        self.assertEqual(daemon.done("connections")["connections"][0]["peer"], TELLING[0][1])
        client.close()
        line = daemon.wait_closed(TELLING[0][1])
        self.assertRegex(line["via"], r"^unix:pid=\d+")

    def test_off_is_off(self):
        daemon = self.tcpd(tcpdtest.service("echo", proxy_protocol="off"))
        client = daemon.connect("echo")
        client.sendall(TELLING[0][0])
        client.expect(TELLING[0][0])


class Examples(tcpdtest.TestCase):
    """The headers of the unit tests on the wire, to a service that speaks first: it says nothing
    before the end of a valid one, and nothing ever after an invalid one."""

    AT_ONCE = 250
    CUT_OFTEN = 160  # bytes at each end of a header within which it is cut everywhere
    CUT_EVERY = 61  # bytes between the cuts in the middle of a long one

    def setUp(self):
        folder = tempfile.mkdtemp(prefix="tcpd-headers-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        os.mkdir(os.path.join(folder, "proxy_protocol"))
        program = os.path.join(os.environ.get("top_builddir", "."), "tests/fuzz/seeds")
        subprocess.run([program, folder, "proxy_protocol"], check=True)
        self.valid, self.invalid = [
            [self.read(path) for path in sorted(glob.glob(f"{folder}/*/{kind}-*"))]
            for kind in ("valid", "invalid")]
        self.assertGreaterEqual(len(self.valid), 60)
        self.assertGreaterEqual(len(self.invalid), 90)
        self.daemon = self.tcpd(behind("greet"), "echo", pool={"threads": 1},
                                log={"access": False})
        self.probe = self.daemon.connect("echo")
        self.opened = 0

    def read(self, path):
        with open(path, "rb") as file:
            return file.read()

    def connect(self):
        client = tcpdtest.connect(self.daemon.address("greet"))
        self.addCleanup(client.close)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.opened += 1
        return client

    def send(self, client, data):
        """What is refused may be reset before all is sent."""
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            client.sendall(data)

    def wait_taken(self):
        """The only worker takes what came before in the turn in which it answers this, if not
        earlier; who has just come may be taken a turn later."""
        for _ in range(2):
            self.probe.sendall(b"!")
            self.probe.expect(b"!")

    def check_silent(self, client):
        """A reset is told once, and afterwards it is an end."""
        client.setblocking(False)
        try:
            self.assertEqual(client.recv(100), b"", "the service has said something")
        except (BlockingIOError, ConnectionResetError):
            pass
        client.settimeout(tcpdtest.WAIT)

    def check_greeted(self, client):
        client.expect(b"Welcome!\nWhat's your name?")
        client.close()

    def check_refused(self, client):
        """Some have no end but that of the connection."""
        with contextlib.suppress(OSError):
            client.finish()
        with contextlib.suppress(ConnectionResetError):
            client.expect_eof()
        client.close()

    def check_pieces(self, pairs, check_end):
        """Two pieces each, many connections at a time."""
        for start in range(0, len(pairs), self.AT_ONCE):
            batch = [(self.connect(), *pair) for pair in pairs[start:start + self.AT_ONCE]]
            for client, first, _ in batch:
                self.send(client, first)
            self.wait_taken()
            for client, _, second in batch:
                if second:
                    self.check_silent(client)
                    self.send(client, second)
            for client, _, _ in batch:
                check_end(client)

    def cuts(self, header):
        """Each header is whole as well."""
        rest = range(self.CUT_OFTEN, max(len(header) - self.CUT_OFTEN, 0))
        return [(header[:at], header[at:]) for at in range(1, len(header) + 1)
                if at not in rest or at % self.CUT_EVERY == 0]

    def check_bytes(self, headers, check_end):
        """A byte to each, and the next one when it is taken."""
        clients = [(self.connect(), header) for header in headers]
        for at in range(max(map(len, headers))):
            for client, header in clients:
                if at < len(header):
                    self.check_silent(client)
                    self.send(client, header[at:at + 1])
            self.wait_taken()
        for client, _ in clients:
            check_end(client)

    def check_accepted(self, accepted):
        """By the metrics: as many began to be served."""
        text = self.daemon.done("metrics")["text"]
        refused = int(re.search(r'"greet",reason="proxy_protocol"\} (\d+)', text)[1])
        self.assertEqual(self.opened - refused, accepted)

    def test_valid_ones_cut_anywhere(self):
        self.check_pieces(sum(map(self.cuts, self.valid), []), self.check_greeted)
        self.check_accepted(self.opened)

    def test_invalid_ones_cut_anywhere(self):
        self.check_pieces(sum(map(self.cuts, self.invalid), []), self.check_refused)
        self.check_accepted(0)

    def test_valid_ones_byte_by_byte(self):
        self.check_bytes(self.valid, self.check_greeted)
        self.check_accepted(len(self.valid))

    def test_invalid_ones_byte_by_byte(self):
        self.check_bytes(self.invalid, self.check_refused)
        self.check_accepted(0)


class Refused(tcpdtest.TestCase):
    def check(self, daemon, client, reason="proxy_protocol"):
        closed = daemon.wait_closed(client)
        self.assertEqual((closed["reason"], closed["in"], closed["out"]), (reason, 0, 0))
        return closed

    def test_wrong(self):
        daemon = self.tcpd(behind())
        for header in WRONG:
            with self.subTest(header):
                client = daemon.connect("echo")
                client.sendall(header)
                client.expect_reset()
                self.assertIn("error", self.check(daemon, client))
        text = daemon.done("metrics")["text"]
        self.assertRegex(text, r'reason="proxy_protocol"\} %d\b' % len(WRONG))

    def test_who_is_not_trusted(self):
        daemon = self.tcpd(behind(trusted=["127.0.0.2"]))
        client = daemon.connect("echo")
        client.expect_reset()
        self.assertIn("not trusted", self.check(daemon, client)["error"])
        trusted = tcpdtest.Client(socket.AF_INET, socket.SOCK_STREAM)
        daemon.clients.append(trusted)
        trusted.bind(("127.0.0.2", 0))
        trusted.connect(tcpdtest.target_of(daemon.address("echo"))[1])
        trusted.sendall(TELLING[0][0] + b"x")
        trusted.expect(b"x")

    def test_the_end_before_the_header(self):
        daemon = self.tcpd(behind("greet"))
        for begin in (b"", b"PROXY TCP4", SIGNATURE):
            client = daemon.connect("greet")
            client.sendall(begin)
            client.finish()
            client.expect_reset()
            self.check(daemon, client)

    def test_too_late(self):
        daemon = self.tcpd(behind("greet", timeouts={"handshake": SECONDS}),
                           timeouts={"idle": "10ms", "handshake": "1h"})
        for begin in (b"", b"PROXY TCP4", SIGNATURE):
            client = daemon.connect("greet")
            client.sendall(begin)
            self.assertEqual(client.recv_until_eof(), b"")
            closed = self.check(daemon, client, "handshake_timeout")
            self.assertGreaterEqual(closed["duration_ms"], int(SECONDS * 1000))

    def test_a_byte_now_and_then_is_too_late_as_well(self):
        daemon = self.tcpd(behind(timeouts={"handshake": 2 * SECONDS}))
        client = daemon.connect("echo")
        begun = time.monotonic()
        try:
            for byte in TELLING[1][0] * 100:
                client.sendall(bytes([byte]) if time.monotonic() - begun < SECONDS else b"")
                if client.has_input(within=0.05):
                    break
        except ConnectionError:
            pass
        self.check(daemon, client, "handshake_timeout")

    def test_drain_cuts_it(self):
        daemon = self.tcpd(behind("greet"), timeouts={"drain": "100ms"})
        client = daemon.connect("greet")
        client.sendall(b"PROXY ")
        tcpdtest.poll_until(lambda: daemon.done("connections")["connections"])
        daemon.signal(tcpdtest.signal.SIGTERM)
        self.assertEqual(daemon.wait_left(), 0)
        self.check(daemon, client, "drain")


class Handshakes(tcpdtest.TestCase):
    """limits.handshakes: connections that have not come to their service yet."""

    def start(self, *services, **limits):
        return self.tcpd(*(services or [behind()]), tcpdtest.service("plain", "echo"),
                         limits={"handshakes": 2, **limits}, pool={"processes": 2})

    def half_open(self, daemon, name="echo"):
        client = daemon.connect(name)
        client.sendall(b"PROXY ")
        return client

    def complete(self, client):
        client.sendall(TELLING[0][0][6:] + b"x")

    def handshakes(self, daemon):
        """As they are counted: the place of one that has left the list is given back a moment
        later."""
        told = daemon.done("explain", address="192.0.2.1", service="echo")
        return next(one["now"] for one in told["limits"] if one["setting"] == "limits.handshakes")

    def fill(self, daemon):
        clients = [self.half_open(daemon) for _ in range(2)]
        tcpdtest.poll_until(lambda: self.handshakes(daemon) == 2)
        return clients

    def test_wait(self):
        daemon = self.start()
        first, second = self.fill(daemon)
        waits = self.half_open(daemon)
        self.complete(waits)
        self.assertFalse(waits.has_input(within=SECONDS))
        self.assertEqual(self.handshakes(daemon), 2)
        plain = daemon.connect("plain")
        plain.sendall(b"no handshake")
        plain.expect(b"no handshake")
        self.complete(first)
        first.expect(b"x")
        waits.expect(b"x")
        third = self.half_open(daemon)
        tcpdtest.poll_until(lambda: self.handshakes(daemon) == 2)
        for client in second, third:
            self.complete(client)
            client.expect(b"x")
        self.assertNotIn("rejected service", daemon.log())

    def is_refused(self, daemon, name="echo"):
        try:
            client = self.half_open(daemon, name)
            self.complete(client)
            client.expect(b"x")
            return False
        except (ConnectionResetError, BrokenPipeError):
            return True

    def test_reset(self):
        daemon = self.start(overload="reset")
        first, second = self.fill(daemon)
        self.assertTrue(self.is_refused(daemon))
        line = tcpdtest.poll_until(lambda: daemon.lines("rejected"))[0]
        self.assertEqual((line["service"], line["reason"]), ("echo", "overload"))
        first.close()
        tcpdtest.poll_until(lambda: self.handshakes(daemon) == 1)
        for _ in range(5):
            self.assertFalse(self.is_refused(daemon))
        self.complete(second)
        second.expect(b"x")

    def test_trial(self):
        daemon = self.start(overload="reset", enforce=False)
        self.fill(daemon)
        self.assertFalse(self.is_refused(daemon))
        line = tcpdtest.poll_until(lambda: daemon.lines("would_reject"))[0]
        self.assertEqual((line["service"], line["reason"]), ("echo", "overload"))

    def test_every_end_gives_it_back(self):
        """A time-out, a reset, an end, a wrong header, a client that may not come in, a peer that
        is not trusted, and the death of the child."""
        strict = behind("echo", access={"deny": "192.0.2.9"}, timeouts={"handshake": SECONDS},
                        trusted="127.0.0.1")
        daemon = self.start(strict, overload="reset")
        for _ in range(3):
            for end in (lambda client: client.recv_until_eof(), lambda client: client.reset(),
                        lambda client: client.finish(), lambda client: client.sendall(b"x" * 20),
                        lambda client: client.sendall(b"TCP4 192.0.2.9 192.0.2.10 1 2\r\n"),
                        self.complete):
                clients = self.fill(daemon)
                self.assertTrue(self.is_refused(daemon))
                for client in clients:
                    end(client)
                tcpdtest.poll_until(lambda: not self.handshakes(daemon))
        for _ in range(3):
            stranger = tcpdtest.Client(socket.AF_INET, socket.SOCK_STREAM)
            daemon.clients.append(stranger)
            stranger.bind(("127.0.0.2", 0))
            stranger.connect(tcpdtest.target_of(daemon.address("echo"))[1])
            daemon.wait_closed(stranger)
        daemon.close_clients()
        tcpdtest.poll_until(lambda: not daemon.done("connections")["connections"])
        self.fill(daemon)
        before = daemon.children()
        for child in before:
            os.kill(child, tcpdtest.signal.SIGKILL)
        tcpdtest.poll_until(lambda: len(set(daemon.children()) - set(before)) == 2)
        self.fill(daemon)
        self.assertEqual(tcpdproc.end(daemon)["lost"], 2)

    def test_over_generations(self):
        daemon = self.start(overload="reset")
        first, _ = self.fill(daemon)
        daemon.done("reload")
        self.assertTrue(self.is_refused(daemon))
        self.complete(first)
        first.expect(b"x")
        self.assertFalse(self.is_refused(daemon))


class Tcpc(tcpdtest.TestCase):
    """The client that sends a header itself."""

    def tcpc(self, *arguments, status=0):
        ran = subprocess.run([os.environ.get("TCPC", "./tcpc"), *arguments], input=b"hello",
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                             timeout=tcpdtest.WAIT)
        self.assertEqual(ran.returncode, status, ran.stderr)
        return ran.stderr.decode() if status else ran.stdout

    def test_addresses_of_its_own(self):
        for version in "12":
            daemon = self.tcpd(behind())
            said = self.tcpc("--proxy-protocol", version, daemon.address("echo"))
            self.assertEqual(said, b"hello")
            line = tcpdtest.poll_until(daemon.closed)[0]
            self.assertEqual((line["peer"], line["local"]), (line["via"], daemon.address("echo")))

    def test_addresses_given(self):
        for version in "12":
            daemon = self.tcpd(behind())
            self.tcpc("--proxy-protocol", version, "--proxy-source", "192.0.2.1:5",
                      "--proxy-destination", "[2001:db8::1]:6", daemon.address("echo"))
            line = daemon.wait_closed("192.0.2.1:5")
            self.assertEqual(line["local"], "[2001:db8::1]:6")

    def test_wrong_usage(self):
        self.assertIn("1 and 2", self.tcpc("--proxy-protocol", "3", "::1", "7", status=64))
        self.assertIn("want --proxy-protocol",
                      self.tcpc("--proxy-source", "1.2.3.4:5", "::1", "7", status=64))
        for wrong in ("1.2.3.4", "unix:/x", ":5", "host:5"):
            self.assertIn("--proxy-source: ", self.tcpc("--proxy-protocol", "1", "--proxy-source",
                                                        wrong, "::1", "7", status=64))


class Haproxy(tcpdtest.TestCase):
    """Through a real one, which tells who its own client is."""

    def through(self, option):
        if not shutil.which("haproxy", path=os.environ["PATH"] + ":/usr/sbin"):
            self.skipTest("there is no haproxy")
        daemon = self.tcpd(behind("greet"), behind())
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.run_haproxy(daemon, option, listener)
            client = daemon.clients[-1]
            there = "%s:%d" % client.getpeername()
            client.sendall(b"hello")
            client.expect(b"hello")
            client.finish()
            client.expect_eof()
        line = daemon.wait_closed(client)
        self.assertNotEqual(line["via"], client.name)
        self.assertEqual(line["local"], there)

    def run_haproxy(self, daemon, option, listener):
        """It inherits the socket, so that there is no race for a port."""
        config = daemon.write("haproxy.cfg", (
            "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n"
            f"  timeout server 60s\nlisten front\n  bind fd@{listener.fileno()}\n"
            f"  server back {daemon.address('echo')} {option}\n"))
        program = shutil.which("haproxy", path=os.environ["PATH"] + ":/usr/sbin")
        process = subprocess.Popen([program, "-db", "-q", "-f", config],
                                   pass_fds=[listener.fileno()], stdin=subprocess.DEVNULL,
                                   preexec_fn=tcpdtest.die_with_parent)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        daemon.clients.append(tcpdtest.connect("%s:%d" % listener.getsockname()))

    def test_version_1(self):
        self.through("send-proxy")

    def test_version_2(self):
        self.through("send-proxy-v2")

    def test_version_2_with_a_checksum_and_an_identity(self):
        self.through("send-proxy-v2 proxy-v2-options crc32c,unique-id")


if __name__ == "__main__":
    tcpdtest.main()
