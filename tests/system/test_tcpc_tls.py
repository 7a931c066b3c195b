#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""tcpc --tls with Python's ssl and openssl s_server: bytes, farewells, and failures explained."""

import fcntl
import json
import os
import shutil
import socket
import ssl
import struct
import subprocess
import tempfile
import termios
import threading
import time
import unittest

import certificates
import tcpdtest
from tcpdtest import poll_until

TCPC = os.path.abspath(os.environ.get("TCPC", "./tcpc"))
PATIENCE = 60
MIB = 1 << 20
BULK = os.urandom(MIB) * 8
VERSION = subprocess.run([TCPC, "-V"], stdout=subprocess.PIPE, check=False).stdout.decode()
HAS_TLS = "TLS: none" not in VERSION
SANITIZED = tcpdtest.is_sanitized(TCPC)

authority = None


def setUpModule():
    global authority
    if HAS_TLS and certificates.OPENSSL:
        folder = tempfile.mkdtemp()
        unittest.addModuleCleanup(shutil.rmtree, folder)
        authority = certificates.Authority(folder)
        authority.sign("good")


def pair(name):
    return authority.path(name + ".pem"), authority.path(name + ".key")


def server_context(chain=None, version=None, **settings):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*(chain or pair("good")))
    if version:
        context.minimum_version = context.maximum_version = version
    for name, value in settings.items():
        setattr(context, name, value)
    return context


def read_all(sock):
    """All that comes until close_notify; its absence is an error."""
    pieces = []
    while True:
        piece = sock.recv(MIB)
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)


def say_goodbye(sock):
    """close_notify without waiting for the peer's, then FIN."""
    sock.setblocking(False)
    try:
        sock.unwrap()
    except (ssl.SSLWantReadError, OSError):
        pass
    socket.socket.shutdown(sock, socket.SHUT_WR)


def tell(data):
    """A talk: says that, and goodbye."""
    def talk(sock):
        sock.sendall(data)
        say_goodbye(sock)
    return talk


class Server:
    """Accepts one connection, with TLS if there is a context, and lets a function talk."""

    def __init__(self, test, talk, context=None, before=None):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(PATIENCE)
        self.port = str(self.listener.getsockname()[1])
        self.talk, self.context, self.before = talk, context, before
        self.result, self.error = None, None
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        test.addCleanup(self.listener.close)

    def run(self):
        try:
            with self.listener.accept()[0] as raw:
                raw.settimeout(PATIENCE)
                if self.before:
                    self.before(raw)
                if not self.context:
                    self.result = self.talk(raw)
                    return
                with self.context.wrap_socket(raw, server_side=True,
                                              suppress_ragged_eofs=False) as sock:
                    self.result = self.talk(sock)
        except OSError as error:
            self.error = error

    def finish(self):
        self.thread.join(PATIENCE)
        if self.thread.is_alive():
            raise AssertionError("the server still waits")
        if self.error:
            raise self.error
        return self.result


@unittest.skipUnless(HAS_TLS, "built without TLS")
@unittest.skipUnless(certificates.OPENSSL, "there is no openssl")
class TlsTest(unittest.TestCase):
    def tcpc(self, port, *options, data=b"", host="127.0.0.1", trust=True, **more):
        """`trust`: the authority of these tests counts."""
        trusted = ["--cafile", authority.file] if trust else []
        return subprocess.run([TCPC, "--tls", *trusted, *options, host, str(port)], input=data,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE,
                              check=False, **more)

    def start(self, port, *options, **more):
        streams = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        streams.update(more)
        process = subprocess.Popen([TCPC, "-t", "--cafile", authority.file, *options, "127.0.0.1",
                                    str(port)], **streams)

        def clean():
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream and not stream.closed:
                    stream.close()
        self.addCleanup(clean)
        return process

    def openssl_server(self, *options):
        """openssl s_server; its port."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        certificate, key = pair("good")
        process = subprocess.Popen(
            [certificates.OPENSSL, "s_server", "-accept", f"127.0.0.1:{port}", "-cert",
             certificate, "-key", key, "-naccept", "1", *options], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

        def clean():
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()
        self.addCleanup(clean)
        said = b""
        while b"ACCEPT" not in said:
            said += process.stdout.read1(100)
            self.assertIsNone(process.poll(), said)
        return process, port

    def assert_fails(self, done, sentence):
        self.assertEqual((done.returncode, done.stdout), (1, b""), done)
        self.assertRegex(done.stderr.decode(), r"^tcpc: no TLS with \S+ port \d+: " + sentence)
        self.assertEqual(done.stderr.count(b"\n"), 1, done.stderr)


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
        def ticks(process):
            with open("/proc/%d/stat" % process.pid, encoding="ascii") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            return int(fields[11]) + int(fields[12])
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
        before = [ticks(process) for process in processes]
        time.sleep(1)
        after = [ticks(process) for process in processes]
        release.set()
        self.assertLess(sum(after) - sum(before), 20)


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


class TrustTest(TlsTest):
    def fails(self, sentence, chain=None, *options, context=None, **more):
        server = Server(self, read_all, context or server_context(chain))
        self.assert_fails(self.tcpc(server.port, *options, **more), sentence)

    def test_by_default_the_authorities_of_the_system_count(self):
        self.fails(r"the certificate is from an unknown authority \(CN=tcpd test authority\): see "
                   r"--cafile", trust=False)

    def test_the_systems_authorities_are_those_of_openssl(self):
        server = Server(self, tell(b"trusted"), server_context())
        done = self.tcpc(server.port, trust=False,
                         env=dict(os.environ, SSL_CERT_FILE=authority.file))
        self.assertEqual((done.returncode, done.stdout), (0, b"trusted"), done.stderr)

    def test_expired(self):
        chain = authority.sign("old", since="200101000000Z", until="200201000000Z")
        self.fails(r"the certificate expired on 2020-02-01T00:00:00Z$", chain)

    def test_not_yet_valid(self):
        chain = authority.sign("early", since="480101000000Z", until="490101000000Z")
        self.fails(r"the certificate is not valid before 2048-01-01T00:00:00Z$", chain)

    def test_self_signed(self):
        chain = authority.self_signed("alone", ["subjectAltName=IP:127.0.0.1"])
        self.fails(r"the certificate is self-signed: ", chain)
        server = Server(self, tell(b"x"), server_context(chain))
        done = self.tcpc(server.port, "--cafile", chain[0])
        self.assertEqual((done.returncode, done.stdout), (0, b"x"), done.stderr)

    def test_a_wrong_name_and_the_names_that_it_has(self):
        self.fails(r"the certificate is not for other\.example but for localhost, 127\.0\.0\.1, "
                   r"::1$", None, "--servername", "other.example")
        chain = authority.sign("elsewhere", "DNS:elsewhere.example,IP:192.0.2.1")
        self.fails(r"the certificate is not for 127\.0\.0\.1 but for elsewhere\.example, "
                   r"192\.0\.2\.1$", chain)

    def test_names_in_a_certificate_are_made_harmless(self):
        chain = authority.sign("evil", "DNS:evil\x1b[2J.example")
        self.fails(r"the certificate is not for 127\.0\.0\.1 but for evil\\x1b\[2J\.example$",
                   chain)

    def test_servername_is_sent_and_an_address_is_not(self):
        for options, host, expected in (([], "localhost", "localhost"), ([], "127.0.0.1", None),
                                        (["--servername", "localhost"], "127.0.0.1", "localhost")):
            seen = []
            context = server_context()
            context.sni_callback = lambda sock, name, context, seen=seen: seen.append(name)
            server = Server(self, tell(b"x"), context)
            done = self.tcpc(server.port, *options, host=host)
            self.assertEqual((done.returncode, seen), (0, [expected]), done.stderr)

    def test_insecure_takes_any_certificate_and_verbose_says_what_is_wrong(self):
        server = Server(self, tell(b"x"), server_context())
        done = self.tcpc(server.port, "--insecure", "-v", trust=False)
        self.assertEqual((done.returncode, done.stdout), (0, b"x"))
        self.assertRegex(done.stderr, rb"TLS: verification: the certificate is from an unknown "
                                      rb"authority .*\(--insecure\)\n")


class HandshakeTest(TlsTest):
    def fails(self, talk, sentence, *options, context=None):
        self.assert_fails(self.tcpc(Server(self, talk, context).port, *options), sentence)

    def test_a_peer_without_tls(self):
        self.fails(lambda sock: (sock.sendall(b"220 welcome\r\n"), sock.recv(MIB)),
                   "the peer does not speak TLS: it answered with something else")
        self.fails(lambda sock: sock.sendall(sock.recv(MIB)), "the peer is no TLS server")
        self.fails(lambda sock: sock.recv(MIB),
                   "the peer closed the connection during the TLS handshake")

    def test_a_peer_that_says_nothing(self):
        release = threading.Event()
        self.addCleanup(release.set)
        self.fails(lambda sock: release.wait(PATIENCE),
                   "the TLS handshake was not done within the time of --timeout", "-w", "300ms")

    def test_versions(self):
        old = server_context(version=ssl.TLSVersion.TLSv1_2)
        self.fails(read_all, "there is no common version of TLS", "--min-version", "1.3",
                   context=old)
        _, port = self.openssl_server("-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
        self.assert_fails(self.tcpc(port), "there is no common version of TLS")
        _, port = self.openssl_server("-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
        done = self.tcpc(port, "--min-version", "1.1", "-v", "-z")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b"TLS: TLSv1.1, ", done.stderr)

    def test_no_common_cipher(self):
        context = server_context(version=ssl.TLSVersion.TLSv1_2)
        context.set_ciphers("aRSA")  # while the certificate is of the other kind
        self.fails(read_all, "the peer refuses the handshake: there is no common cipher",
                   context=context)

    def test_application_protocols(self):
        context = server_context()
        context.set_alpn_protocols(["b", "a"])
        server = Server(self, lambda sock: tell(sock.selected_alpn_protocol().encode())(sock),
                        context)
        self.assertEqual(self.tcpc(server.port, "--alpn", "a,b,c").stdout, b"b")
        _, port = self.openssl_server("-alpn", "h2")
        self.assert_fails(self.tcpc(port, "--alpn", "imap,pop3"),
                          "there is no common protocol: the peer speaks none of --alpn")

    def demanding(self, version):
        context = server_context(version=version, verify_mode=ssl.CERT_REQUIRED)
        context.load_verify_locations(authority.file)
        return context

    def test_a_certificate_of_this_side(self):
        certificate, key = authority.sign("client")
        both = authority.path("both.pem")
        with open(both, "w", encoding="ascii") as out:
            for path in (certificate, key):
                with open(path, encoding="ascii") as file:
                    out.write(file.read())

        def talk(sock):
            subject = dict(part[0] for part in sock.getpeercert()["subject"])
            sock.sendall(subject["commonName"].encode())
            say_goodbye(sock)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            for options in (["--cert", certificate, "--key", key], ["--cert", both]):
                server = Server(self, talk, self.demanding(version))
                done = self.tcpc(server.port, *options)
                self.assertEqual((done.returncode, done.stdout), (0, b"tcpd test client"),
                                 done.stderr)

    def test_a_certificate_is_wanted_and_there_is_none(self):
        self.fails(read_all, "the peer wants a certificate from this side: give it by --cert",
                   context=self.demanding(ssl.TLSVersion.TLSv1_2))
        # With 1.3 the handshake is over for this side when the other one finds out.
        server = Server(self, read_all, self.demanding(ssl.TLSVersion.TLSv1_3))
        done = self.tcpc(server.port, "--no-shutdown")
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"failed: the peer wants a certificate from this side: give it by --cert",
                      done.stderr)

    def test_a_certificate_that_the_peer_refuses(self):
        certificate, key = authority.self_signed("stranger")
        self.fails(read_all, "the peer (does not know the authority of|refuses) this side's "
                   "certificate", "--cert", certificate, "--key", key,
                   context=self.demanding(ssl.TLSVersion.TLSv1_2))


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
            self.assertAlmostEqual(float(line.split()[1]), step["time"], delta=2e-6)
            self.assertTrue(line.endswith(f" {step['step']}: {step['details']}"), line)
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


class UsageTest(TlsTest):
    def refused(self, status, words, *arguments):
        done = subprocess.run([TCPC, *arguments], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              timeout=PATIENCE, check=False, text=True)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertIn(words, done.stderr)

    def test_what_is_wrong_is_said_before_connecting(self):
        there = ["127.0.0.1", "1"]
        for option in ("--cafile", "--servername", "--alpn", "--cert", "--min-version"):
            self.refused(64, "want --tls", option, "x", *there)
        self.refused(64, "want --tls", "--insecure", *there)
        self.refused(64, "--key wants --cert", "-t", "--key", "x", *there)
        self.refused(1, '--min-version: the versions are 1.0, 1.1, 1.2 and 1.3, not "2"', "-t",
                     "--min-version", "2", *there)
        self.refused(1, "--alpn: a name is empty", "-t", "--alpn", "h2,,x", *there)
        self.refused(1, "--cafile: cannot use /nowhere", "-t", "--cafile", "/nowhere", *there)
        self.refused(1, "--cert: cannot use /nowhere", "-t", "--cert", "/nowhere", *there)
        self.refused(1, "--key: cannot use", "-t", "--cert", pair("good")[0], "--key",
                     pair("authority")[1], *there)
        self.refused(1, "say it by --servername", "-t", "unix:/nowhere")


@unittest.skipIf(HAS_TLS, "built with TLS")
class WithoutTest(unittest.TestCase):
    def test_tls_is_refused_with_a_message(self):
        done = subprocess.run([TCPC, "-t", "localhost", "1"], stderr=subprocess.PIPE,
                              timeout=PATIENCE, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"this tcpc was built without TLS: build it with OpenSSL", done.stderr)


if __name__ == "__main__":
    unittest.main()
