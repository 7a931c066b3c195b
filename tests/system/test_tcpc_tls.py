#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""tcpc --tls with Python's ssl and openssl s_server: every byte, farewells, and what is told."""

import fcntl
import json
import os
import select
import socket
import ssl
import struct
import subprocess
import termios
import threading
import time
import unittest

import tcpdtest
from tcpctest import MIB, PATIENCE, TCPC, read_all
from tcpdtest import poll_until
from tlstest import BULK, Server, TlsTest, say_goodbye, server_context, tell

SANITIZED = tcpdtest.is_sanitized(TCPC)


class BytesTest(TlsTest):
    def test_both_sides_send_all_before_they_read(self):
        def talk(sock):
            # Python's ssl is not for two threads at once: the answer is sent in pieces between.
            got, at = b"", 0
            sock.setblocking(False)
            ended = False
            while not ended or at < len(BULK):
                time.sleep(0 if ended else 0.0001)
                try:
                    piece = b"" if ended else sock.recv(MIB)
                    ended = ended or not piece
                    got += piece
                except ssl.SSLWantReadError:
                    pass
                try:
                    if at < len(BULK):
                        at += sock.send(BULK[at:at + 100000])
                except ssl.SSLWantWriteError:
                    pass
            say_goodbye(sock)
            return got
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with self.subTest(version=version):
                server = Server(self, talk, server_context(version=version))
                done = self.tcpc(server.port, data=BULK)
                self.assertEqual((done.returncode, done.stderr), (0, b""))
                self.assertTrue(done.stdout == BULK, "what came back is something else")
                self.assertTrue(server.finish() == BULK, "what arrived is something else")

    def test_what_is_decrypted_already_is_not_forgotten(self):
        """A record finds room in part, and nothing comes behind it: poll is silent."""
        release = threading.Event()
        self.addCleanup(release.set)
        for size in range(430000, 540000, 5000):  # around what a pipe and tcpc hold
            def talk(sock, size=size):
                for at in range(0, size, 10000):  # so that no record ends where a buffer does
                    sock.sendall(bytes(min(10000, size - at)))
                release.wait(PATIENCE)
            process = self.start(Server(self, talk, server_context()).port)
            tcpdtest.wait_still(lambda pipe=process.stdout: fcntl.ioctl(pipe, termios.FIONREAD,
                                                                        bytes(4)), quiet=0.05)
            left = size
            while left > 0:
                self.assertTrue(select.select([process.stdout], [], [], PATIENCE / 4)[0],
                                f"the last {left} of {size} bytes do not come")
                left -= len(os.read(process.stdout.fileno(), left))

    def test_memory_stays_bounded_while_the_reader_stops(self):
        def flood(sock):
            sent = 0
            sock.settimeout(1)
            try:
                while sent < 256 * MIB:
                    sent += sock.send(BULK[:MIB])
            except (socket.timeout, ssl.SSLWantWriteError):
                pass
            return sent
        server = Server(self, flood, server_context())
        process = self.start(server.port)
        self.assertLess(server.finish(), 64 * MIB)
        with open("/proc/%d/status" % process.pid, encoding="ascii") as file:
            resident = [line for line in file if line.startswith("RssAnon")]
        self.assertLess(int(resident[0].split()[1]), 102400 if SANITIZED else 6144)

    def test_the_header_of_the_proxy_protocol_comes_first(self):
        seen = []

        def before(raw):
            while not seen or not seen[-1].endswith(b"\n"):
                seen.append((seen[-1] if seen else b"") + raw.recv(1))
        server = Server(self, tell(b"hi"), server_context(), before)
        done = self.tcpc(server.port, "--proxy-protocol", "1", "--insecure")
        self.assertEqual(done.stdout, b"hi")
        self.assertRegex(seen[-1], rb"^PROXY TCP4 127\.0\.0\.1 ")

    def test_a_key_update_in_the_middle_is_answered(self):
        process, port = self.openssl_server("-tls1_3", "-nbio")
        client = self.start(port)

        def type_at_server(line):
            process.stdin.write(line)
            process.stdin.flush()
            poll_until(lambda: fcntl.ioctl(process.stdin, termios.FIONREAD, bytes(4)) == bytes(4),
                       what="openssl reads what is typed")
        type_at_server(b"first\n")
        self.assertEqual(client.stdout.readline(), b"first\n")
        type_at_server(b"K\n")  # and this side has to answer with a new key of its own
        type_at_server(b"second\n")
        self.assertEqual(client.stdout.readline(), b"second\n")
        client.stdin.write(b"with the new key\n")
        client.stdin.close()
        self.assertIn(b"with the new key", process.stdout.read())

    @tcpdtest.measures
    def test_it_uses_no_processor_while_nothing_happens(self):
        release = threading.Event()

        def full(sock):
            sock.settimeout(0.5)
            try:
                while True:
                    sock.send(BULK)
            except (socket.timeout, ssl.SSLError):
                release.wait(PATIENCE)

        def half_closed(sock):
            read_all(sock)
            release.wait(PATIENCE)
        processes = [self.start(Server(self, full, server_context()).port),
                     self.start(Server(self, half_closed, server_context()).port,
                                stdin=subprocess.DEVNULL)]
        time.sleep(1)  # all have come to rest: the second that follows is what is measured
        before = [tcpdtest.cpu_of(process.pid) for process in processes]
        time.sleep(1)
        after = [tcpdtest.cpu_of(process.pid) for process in processes]
        release.set()
        self.assertLess(sum(after) - sum(before), 0.2)


class FarewellTest(TlsTest):
    def test_the_end_of_input_is_close_notify_then_fin_and_the_answer_is_read(self):
        def talk(sock):
            got = read_all(sock)
            with socket.socket(fileno=os.dup(sock.fileno())) as raw:
                raw.settimeout(PATIENCE)
                fin = raw.recv(1) == b""
            sock.sendall(b"late answer")
            say_goodbye(sock)
            return got, fin
        server = Server(self, talk, server_context())
        done = self.tcpc(server.port, "-v", data=b"question")
        self.assertEqual(server.finish(), (b"question", True))
        self.assertEqual((done.returncode, done.stdout), (0, b"late answer"))
        self.assertIn(b"half-closed: close_notify and FIN after 8 bytes", done.stderr)
        self.assertIn(b"peer finished: close_notify after 11 bytes", done.stderr)

    def test_no_shutdown_says_goodbye_only_at_the_end(self):
        def talk(sock):
            got = sock.recv(100)
            sock.settimeout(0.3)
            with self.assertRaises(socket.timeout):
                sock.recv(1)
            sock.settimeout(PATIENCE)
            sock.sendall(b"answer")
            say_goodbye(sock)
            return got
        server = Server(self, talk, server_context())
        done = self.tcpc(server.port, "--no-shutdown", data=b"question")
        self.assertEqual((server.finish(), done.returncode, done.stdout),
                         (b"question", 0, b"answer"))

    def test_the_peer_leaves_first_and_hears_our_goodbye(self):
        def talk(sock):
            sock.sendall(b"bye")
            sock.unwrap()  # waits for the other one
            return True
        server = Server(self, talk, server_context())
        done = self.tcpc(server.port)
        self.assertEqual((done.returncode, done.stdout, server.finish()), (0, b"bye", True))

    def test_an_end_without_close_notify_is_told(self):
        def talk(sock):
            sock.sendall(b"half of i")
            socket.socket.shutdown(sock, socket.SHUT_WR)
        done = self.tcpc(Server(self, talk, server_context()).port, "--no-shutdown")
        self.assertEqual((done.returncode, done.stdout), (1, b"half of i"))
        self.assertRegex(done.stderr.decode(),
                         r"^tcpc: the TLS connection to 127\.0\.0\.1 port \d+ failed: the peer's "
                         r"bytes were cut short: the connection ended without the close_notify")

    def test_a_reset_is_told(self):
        def talk(sock):
            sock.recv(100)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            socket.socket.close(sock)
        done = self.tcpc(Server(self, talk, server_context()).port, "--no-shutdown", data=b"x")
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"was reset: Connection reset by peer", done.stderr)


class StoryTest(TlsTest):
    def test_verbose_and_json_tell_all_of_it(self):
        context = server_context()
        context.set_alpn_protocols(["h2"])

        def talk(sock):
            read_all(sock)
            sock.sendall(b"answer")
            say_goodbye(sock)
        done = self.tcpc(Server(self, talk, context).port, "-v", "--json", "--alpn", "h2",
                         data=b"question")
        self.assertEqual((done.returncode, done.stdout), (0, b"answer"))
        lines = done.stderr.decode().splitlines()
        told = json.loads(lines[-1])
        text = "\n".join(lines[:-1])
        self.assertRegex(text, r"TLS: TLSv1\.3, TLS_AES_\w+, ALPN h2, handshake \d+\.\d{3} ms\n")
        self.assertRegex(text, r"certificate: 1 of 1 is CN=tcpd test good from CN=tcpd test "
                               r"authority, valid \S+Z to \S+Z, for localhost, 127\.0\.0\.1, ::1\n")
        self.assertIn("TLS: verification: ok\n", text)
        self.assertEqual(len(told["steps"]), len(lines) - 1)
        for step, line in zip(told["steps"], lines):
            self.assertAlmostEqual(float(line.split()[1]), step["time_ms"] / 1000, delta=2e-6)
            self.assertTrue(line.endswith(f": {step['text']}"), line)
        tls = told["tls"]
        self.assertEqual((tls["version"], tls["alpn"], tls["verification"], tls["insecure"]),
                         ("TLSv1.3", "h2", "ok", False))
        self.assertEqual(tls["certificates"][0]["subject"], "CN=tcpd test good")
        self.assertRegex(tls["certificates"][0]["not_after"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")

    def test_json_of_a_handshake_that_failed(self):
        done = self.tcpc(Server(self, read_all, server_context()).port, "--json", trust=False)
        told = json.loads(done.stderr.decode().splitlines()[-1])
        self.assertEqual(told["status"], 1)
        self.assertIn("unknown authority", told["error"])
        self.assertNotIn("tls", told)


if __name__ == "__main__":
    unittest.main()
