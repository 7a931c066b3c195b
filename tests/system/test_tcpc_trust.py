#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Whom tcpc --tls trusts, and in which words it explains a handshake that failed."""

import os
import ssl
import subprocess
import threading
import unittest

from tcpctest import MIB, PATIENCE, TCPC, read_all
from tlstest import (HAS_TLS, Server, TlsTest, authority, pair, say_goodbye, server_context,
                     tell)


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
                         env=dict(os.environ, SSL_CERT_FILE=authority().file))
        self.assertEqual((done.returncode, done.stdout), (0, b"trusted"), done.stderr)

    def test_expired(self):
        chain = authority().sign("old", since="200101000000Z", until="200201000000Z")
        self.fails(r"the certificate expired on 2020-02-01T00:00:00Z$", chain)

    def test_not_yet_valid(self):
        chain = authority().sign("early", since="480101000000Z", until="490101000000Z")
        self.fails(r"the certificate is not valid before 2048-01-01T00:00:00Z$", chain)

    def test_self_signed(self):
        chain = authority().self_signed("alone", ["subjectAltName=IP:127.0.0.1"])
        self.fails(r"the certificate is self-signed: ", chain)
        server = Server(self, tell(b"x"), server_context(chain))
        done = self.tcpc(server.port, "--cafile", chain[0])
        self.assertEqual((done.returncode, done.stdout), (0, b"x"), done.stderr)

    def test_a_wrong_name_and_the_names_that_it_has(self):
        self.fails(r"the certificate is not for other\.example but for localhost, 127\.0\.0\.1, "
                   r"::1$", None, "--servername", "other.example")
        chain = authority().sign("elsewhere", "DNS:elsewhere.example,IP:192.0.2.1")
        self.fails(r"the certificate is not for 127\.0\.0\.1 but for elsewhere\.example, "
                   r"192\.0\.2\.1$", chain)

    def test_names_in_a_certificate_are_made_harmless(self):
        chain = authority().sign("evil", "DNS:evil\x1b[2J.example")
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
        context.load_verify_locations(authority().file)
        return context

    def test_a_certificate_of_this_side(self):
        certificate, key = authority().sign("client")
        both = authority().path("both.pem")
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
        certificate, key = authority().self_signed("stranger")
        self.fails(read_all, "the peer (does not know the authority of|refuses) this side's "
                   "certificate", "--cert", certificate, "--key", key,
                   context=self.demanding(ssl.TLSVersion.TLSv1_2))


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
