#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""tcpc's command line, and how it gets its connection or says why not."""

import os
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import tcpdtest
from tcpctest import PATIENCE, TCPC, Greeter, closed_port, tcpc


def can_unshare():
    """Whether this user gets namespaces in which it may mount and has a network."""
    try:
        return subprocess.run(["unshare", "-rmn", "sh", "-c",
                               "ip link set lo up && mount --bind /etc/hosts /etc/hosts"],
                              stderr=subprocess.DEVNULL, timeout=PATIENCE,
                              check=False).returncode == 0
    except OSError:
        return False


CAN_UNSHARE = can_unshare()


class BlackHole:
    """A listener whose queue is full: a SYN gets no answer."""

    def __init__(self, test):
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(0)
        self.port = str(self.listener.getsockname()[1])
        test.addCleanup(self.listener.close)
        for _ in range(4):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(self.listener.getsockname())
            test.addCleanup(sock.close)


class UsageTest(unittest.TestCase):
    def assert_usage(self, arguments, words):
        done = tcpc(*arguments)
        self.assertEqual((done.returncode, done.stdout), (64, ""), arguments)
        self.assertTrue(done.stderr.startswith("tcpc: "), done.stderr)
        self.assertIn(words, done.stderr)

    def test_what_is_wrong_is_said(self):
        for arguments, words in (
                ([], "no host and port"),
                (["localhost"], '"localhost" lacks its port'),
                (["localhost", "1", "2"], '"2" is one argument too many'),
                (["localhost", "0"], "the port 0 is not between 1 and 65535"),
                (["localhost", "65616"], "the port 65616 is not between"),
                (["localhost", "-1"], "unknown option -1"),
                (["localhost:"], "the port is empty"),
                ([":7"], "the host is empty"),
                (["::1:7"], "or its brackets"),
                (["[::1]"], "lacks its port"),
                (["-x", "localhost", "7"], "unknown option -x"),
                (["-zx", "localhost", "7"], "unknown option -x"),
                (["--nonsense", "localhost", "7"], "unknown option --nonsense"),
                (["--zero=1", "localhost", "7"], "the option --zero takes no argument"),
                (["localhost", "7", "-w"], "the option --timeout wants TIME"),
                (["-w", "soon", "localhost", "7"], '"soon" is not a time'),
                (["-w", "-1", "localhost", "7"], '"-1" is not a time')):
            with self.subTest(arguments=arguments):
                self.assert_usage(arguments, words)

    def test_help_names_every_option_and_version_the_editor(self):
        done = tcpc("--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for option in ("-4", "-6", "-w, --timeout TIME", "-N, --shutdown", "--no-shutdown",
                       "-z, --zero", "-v, --verbose", "-V, --version", "-h, --help"):
            self.assertIn(option, done.stdout)
        done = tcpc("-V")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"^tcpc \(tcpd\) \S+\nline editor: (libedit|none)\n"
                         r"TLS: (OpenSSL .*|none)\ncapture: (libpcap .*|none)\n$")


class ConnectTest(unittest.TestCase):
    def test_every_form_of_target(self):
        port = Greeter(self, ("127.0.0.1", 0)).port
        for target in (["127.0.0.1", port], ["127.0.0.1:" + port], ["localhost", port],
                       ["localhost:" + port]):
            with self.subTest(target=target):
                done = tcpc(*target)
                self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "hello\n", ""))

    @tcpdtest.needs_ipv6
    def test_ipv6_with_and_without_brackets(self):
        port = Greeter(self, ("::1", 0), socket.AF_INET6).port
        for target in (["::1", port], ["[::1]", port], ["[::1]:" + port], ["-6", "::1", port]):
            with self.subTest(target=target):
                done = tcpc(*target)
                self.assertEqual((done.returncode, done.stdout), (0, "hello\n"))

    def test_a_unix_socket(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "socket")
            Greeter(self, path, socket.AF_UNIX)
            done = tcpc("-v", "unix:" + path)
            self.assertEqual((done.returncode, done.stdout), (0, "hello\n"))
            self.assertNotIn("kernel:", done.stderr)  # which knows nothing of the kind
            done = tcpc("unix:" + path + ".not")
            self.assertEqual(done.returncode, 1)
            self.assertIn("No such file", done.stderr)
        self.assertIn("unix socket has 1 to 107", tcpc("unix:/" + "x" * 200).stderr)

    def test_only_that_family(self):
        port = Greeter(self, ("127.0.0.1", 0)).port
        self.assertEqual(tcpc("-4", "127.0.0.1", port).returncode, 0)
        done = tcpc("-6", "127.0.0.1", port)
        self.assertEqual(done.returncode, 1)
        self.assertIn("try without -4 and -6", done.stderr)
        self.assertEqual(tcpc("-4", "::1", port).returncode, 1)

    def test_refused_names_host_port_address_and_the_way_out(self):
        port = closed_port()
        done = tcpc("localhost", port)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertRegex(done.stderr, r"^tcpc: cannot connect to localhost port %s: .*"
                                      r"127\.0\.0\.1:%s: Connection refused; nothing listens there"
                         % (port, port))

    def test_a_name_that_does_not_exist(self):
        done = tcpc("-w", "10s", "no-such-host.invalid", "7")
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot find no-such-host.invalid port 7: ", done.stderr)

    def test_a_service_that_does_not_exist(self):
        done = tcpc("127.0.0.1", "no-such-service")
        self.assertEqual(done.returncode, 1)
        self.assertIn("give the port as a number", done.stderr)

    def test_timeout_bounds_the_establishment(self):
        port = BlackHole(self).port
        begun = time.monotonic()
        done = tcpc("-w", "300ms", "-v", "127.0.0.1", port)
        taken = time.monotonic() - begun
        self.assertEqual(done.returncode, 1)
        self.assertIn("127.0.0.1:%s: no answer in time; a firewall" % port, done.stderr)
        self.assertGreaterEqual(taken, 0.3)
        self.assertLess(taken, 3)

    def test_timeout_does_not_bound_the_conversation(self):
        release = threading.Event()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            def serve():
                sock = listener.accept()[0]
                with sock:
                    sock.recv(1)
                    release.wait(PATIENCE)
                    sock.sendall(b"late")
            threading.Thread(target=serve, daemon=True).start()
            process = subprocess.Popen(
                [TCPC, "-w", "100ms", "127.0.0.1", str(listener.getsockname()[1])],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
            with self.assertRaises(subprocess.TimeoutExpired):
                process.wait(0.5)
            release.set()
            self.assertEqual(process.communicate(timeout=PATIENCE)[0], b"late")
            self.assertEqual(process.returncode, 0)

    @unittest.skipUnless(CAN_UNSHARE, "no namespaces here")
    def test_the_other_family_is_tried_when_one_is_refused(self):
        port = Greeter(self, ("127.0.0.1", 0)).port
        with tempfile.NamedTemporaryFile("w") as hosts:
            hosts.write("::1 both.example\n127.0.0.1 both.example\n")
            hosts.flush()
            script = 'mount --bind "$0" /etc/hosts && exec "$1" -v both.example "$2"'
            done = subprocess.run(["unshare", "-rm", "sh", "-c", script, hosts.name, TCPC, port],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                                  stderr=subprocess.PIPE, timeout=PATIENCE, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, "hello\n"), done.stderr)
        self.assertIn("failed: [::1]:%s: Connection refused" % port, done.stderr)

    @unittest.skipUnless(CAN_UNSHARE, "no namespaces here")
    def test_timeout_bounds_a_name_server_that_is_silent(self):
        """A network of its own, in which a socket takes the questions and answers none."""
        program = ("import socket, subprocess, sys, time\n"
                   "silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                   "silent.bind(('127.0.0.1', 53))\n"
                   "begun = time.monotonic()\n"
                   "status = subprocess.call([sys.argv[1], '-w', '400ms', 'a.example', '7'])\n"
                   "print(status, time.monotonic() - begun, len(silent.recv(512)) > 0)\n")
        script = ('ip link set lo up && mount --bind "$0" /etc/resolv.conf && '
                  'exec /usr/bin/python3 -c "$2" "$1"')
        with tempfile.NamedTemporaryFile("w") as resolv:
            resolv.write("nameserver 127.0.0.1\n")
            resolv.flush()
            done = subprocess.run(["unshare", "-rmn", "sh", "-c", script, resolv.name, TCPC,
                                   program], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  timeout=PATIENCE, check=False, text=True)
        status, taken, asked = done.stdout.split()
        self.assertEqual((status, asked), ("1", "True"))
        self.assertGreaterEqual(float(taken), 0.4)
        self.assertLess(float(taken), 3)
        self.assertIn("no name server answered within the time of --timeout", done.stderr)

    def zero_arrives(self):
        """tcpc -z says that it was connected; whether its peer saw it come and go."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        port = str(listener.getsockname()[1])
        done = tcpc("-z", "127.0.0.1", port)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout,
                         r"^127\.0\.0\.1 port %s is open: connected in \d+\.\d{3} ms\n$" % port)
        listener.settimeout(PATIENCE / 5)
        try:
            with listener.accept()[0] as sock:
                sock.settimeout(PATIENCE)
                return sock.recv(10) == b""
        except socket.timeout:
            return False

    def test_zero_connects_says_so_and_closes(self):
        # Twice, on a machine busy with other tests, accept saw nothing, which is not explained.
        self.assertTrue(self.zero_arrives() or self.zero_arrives())
        self.assertEqual(tcpc("-z", "127.0.0.1", closed_port()).returncode, 1)

    def test_zero_reads_nothing_from_standard_input(self):
        port = Greeter(self, ("127.0.0.1", 0)).port
        reader, writer = os.pipe()
        os.write(writer, b"mine")
        done = subprocess.run([TCPC, "-z", "127.0.0.1", port], stdin=reader, timeout=PATIENCE,
                              stdout=subprocess.DEVNULL, check=False)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(os.read(reader, 10), b"mine")
        os.close(reader)
        os.close(writer)


class ProxyTest(unittest.TestCase):
    """The header that tcpc sends, as bytes; whether tcpd takes it, test_proxy_protocol.py tells."""

    def header(self, *options):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            process = subprocess.Popen(
                [TCPC, "--proxy-protocol", "2", "--proxy-source", "192.0.2.1:258",
                 "--proxy-destination", "192.0.2.2:772", *options, "127.0.0.1",
                 str(listener.getsockname()[1])], stdin=subprocess.DEVNULL)
            got = b""
            with listener.accept()[0] as sock:
                while True:
                    piece = sock.recv(65536)
                    if not piece:
                        break
                    got += piece
            self.assertEqual(process.wait(PATIENCE), 0)
        self.assertEqual(got[:14], b"\r\n\r\n\0\r\nQUIT\n\x21\x11")
        self.assertEqual(int.from_bytes(got[14:16], "big"), len(got) - 16)
        self.assertEqual(got[16:28], bytes((192, 0, 2, 1, 192, 0, 2, 2, 1, 2, 3, 4)))
        return got

    def test_elements_stand_behind_the_addresses_in_their_order(self):
        self.assertEqual(self.header()[28:], b"")
        got = self.header("--proxy-tlv", "0x02=example.org", "--proxy-tlv", "alpn=h2",
                          "--proxy-tlv", "0xe0=hex:00ff", "--proxy-tlv", "unique-id=a\\x00b")
        self.assertEqual(got[28:], b"\x02\0\x0bexample.org\x01\0\2h2\xe0\0\2\0\xff\x05\0\3a\0b")

    def test_the_checksum_is_the_one_of_the_whole_header(self):
        got = self.header("--proxy-tlv", "crc32c", "--proxy-tlv", "noop=xyz")
        self.assertEqual(got[28:-4], b"\x04\0\3xyz\x03\0\4")
        crc = 0xffffffff
        for byte in got[:-4] + bytes(4):
            crc ^= byte
            for _ in range(8):
                crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
        self.assertEqual(int.from_bytes(got[-4:], "big"), crc ^ 0xffffffff)

    def test_what_is_wrong_is_said(self):
        for options, words in ((["--proxy-tlv", "2=x"], "--proxy-tlv wants --proxy-protocol 2"),
                               (["--proxy-protocol", "1", "--proxy-tlv", "2=x"],
                                "--proxy-tlv wants --proxy-protocol 2"),
                               (["--proxy-tlv", "2"], 'there is no "=" in "2"'),
                               (["--proxy-tlv", "nonsense=x"], "the type is neither"),
                               (["--proxy-tlv", "0xe0=" + "x" * 4030], "more than a header has")):
            done = tcpc(*options, "127.0.0.1", "1")
            self.assertEqual(done.returncode, 64)
            self.assertIn(words, done.stderr)


if __name__ == "__main__":
    unittest.main()
