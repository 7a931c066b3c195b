#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""tcpc --trace with peers that are sockets: firewalls, losses, long transfers, several addresses,
and what is left without the privilege to capture."""

import ctypes
import fcntl
import os
import re
import socket
import struct
import tempfile
import unittest

import tcpctest
import tcpdtest
import tlstest
import tracing
import wire
from tracing import (CAPTURES, TCPC, Client, TraceTest, acknowledge_the_end, ladder, needs_capture,
                     rungs_of)


def drop_capture_right():
    """In the child before it executes: what is executed cannot capture, root or not."""
    PR_CAPBSET_DROP, CAP_NET_RAW = 24, 13
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_NET_RAW)


def unsent(sock):
    """Bytes that have not gone out for the first time."""
    SIOCOUTQNSD = 0x894B  # linux/sockios.h
    return struct.unpack("i", fcntl.ioctl(sock, SIOCOUTQNSD, bytes(4)))[0]


class Peers(TraceTest):
    """Peers that are sockets."""

    @needs_capture
    def test_silence_and_a_second_syn(self):
        nft("add rule inet t input tcp dport 9 drop")
        self.addCleanup(nft, "flush chain inet t input")
        client = Client(self, "--trace", "-w", "1500ms", "127.0.0.1", "9")
        status, text = client.wait()
        self.assertEqual(status, 1)
        self.assert_ladder(text, """
        client 127.0.0.1:PPPPP                            127.0.0.1:9 server
        SYN_SENT     --------------- SYN seq=0 --------------->
                     ------ SYN seq=0 (retransmission) ------->
        handshake: no answer
        client to server: 2 segments, 0 bytes
        server to client: 0 segments, 0 bytes
        retransmits: client 1, server 0; duplicate ACKs: client 0, server 0
        first to close: nobody
        TIME_WAIT: not seen
        captured on lo, without a loss
        """)

    @staticmethod
    def count(text, arrow, mark):
        """How many segments bear the mark, drawn or folded."""
        rungs = [rung for rung in rungs_of(text) if arrow in rung]
        folded = re.findall(r"\((\d+) %ss?\)" % mark, "\n".join(rungs))
        return sum("(" + mark in rung for rung in rungs) + sum(map(int, folded))

    @needs_capture
    def test_a_lossy_line(self):
        """Every seventh segment from the server is lost, just before the client gets it."""
        nft("add rule inet t input tcp sport 7 tcp flags & (syn|fin|rst) == 0 "
            "numgen inc mod 7 == 3 drop")
        self.addCleanup(nft, "flush chain inet t input")
        data = os.urandom(100000)

        def talk(sock):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for start in range(0, len(data), 1000):
                sock.sendall(data[start:start + 1000])
                # What waits to be sent would go as one segment.
                tcpdtest.poll_until(lambda: not unsent(sock))
            sock.shutdown(socket.SHUT_WR)
            sock.recv(1)
        self.serve(talk)
        client = Client(self, "--trace", "127.0.0.1", "7")
        client.finish()
        self.assertEqual(client.process.stdout.read(), data)  # as it was sent, nothing in between
        status, text = client.wait()
        self.assertEqual(status, 0, text)
        again = self.count(text, "<", "retransmission")
        self.assertGreater(again, 10, text)  # so that some of them are folded
        self.assertIn("retransmits: client 0, server %d;" % again, text)
        self.assertIn("duplicate ACKs: client %d, server 0\n" % self.count(text, ">",
                                                                          "duplicate ACK"), text)
        self.assertIn("server to client: ", text)
        self.assertIn(" segments, 100000 bytes\n", text)

    @needs_capture
    def test_long_runs_are_folded(self):
        data = os.urandom(1 << 20) * 20

        def talk(sock):
            while sock.recv(1 << 20):
                pass
        self.serve(talk)
        client = Client(self, "--trace", "127.0.0.1", "7")
        client.write(data)
        client.finish()
        status, text = client.wait()
        self.assertEqual(status, 0, text)
        lines = ladder(text)
        self.assertLess(len(lines), 60, text)
        folded = [line for line in lines if ">" in line and "... " in line]
        segments = sum(int(re.search(r"\.\.\. (\d+) segments?, ", line).group(1))
                       for line in folded)
        self.assertGreater(segments, 50, text)
        total, sent = re.search(r"client to server: (\d+) segments, (\d+) bytes", text).groups()
        self.assertEqual(int(sent), len(data))
        arrows = [line for line in lines if re.search(r">(  [A-Z_0-9]+)?$", line)]
        self.assertEqual(segments + len(arrows) - len(folded), int(total), text)
        for word in (r"> *$|>  ESTABLISHED$", r"\.\.\. \d+ segments, \d+ [KM]iB -+>"):
            self.assertRegex("\n".join(lines), re.compile(word, re.MULTILINE))

    @needs_capture
    @unittest.skipUnless(tlstest.HAS_TLS, "this tcpc has no TLS")
    @unittest.skipUnless(tlstest.certificates.OPENSSL, "there is no openssl")
    def test_tls(self):
        """Records are data as any other; what TLS sends has lengths of its own."""
        def talk(sock):
            with tlstest.server_context().wrap_socket(sock, server_side=True) as secure:
                self.assertEqual(tcpctest.read_all(secure), b"question")
                secure.sendall(b"answer")
                tlstest.say_goodbye(secure)
        self.serve(talk)
        client = Client(self, "--trace", "--tls", "--cafile", tlstest.authority().file,
                        "127.0.0.1", "7")
        client.write(b"question")
        client.finish()
        self.assertEqual(client.process.stdout.read(), b"answer")
        status, text = client.wait()
        self.assertEqual(status, 0, text)
        rungs = rungs_of(text)
        flights = [re.search(r"[<>]", rung)[0] for rung in rungs if "len=" in rung]
        self.assertEqual(flights[:2], [">", "<"], text)  # the two hellos
        self.assertGreaterEqual(flights.count(">"), 2, text)
        self.assertGreaterEqual(flights.count("<"), 2, text)
        self.assertEqual(sum("FIN," in rung for rung in rungs), 2, text)
        self.assertIn("captured on lo, without a loss\n", text)
        self.assertNotIn("question", text)

    @needs_capture
    def test_two_addresses(self):
        """The first refuses; each attempt has its heading, and the one that led somewhere its sums.
        """
        with tempfile.NamedTemporaryFile("w") as hosts:
            hosts.write("::1 both\n127.0.0.1 both\n")
            hosts.flush()
            wire.run("mount", "--bind", hosts.name, "/etc/hosts")
            self.addCleanup(wire.run, "umount", "/etc/hosts")
            self.serve(acknowledge_the_end)
            client = Client(self, "--trace", "both", "7")
            client.finish()
            status, text = client.wait()
        self.assertEqual(status, 0, text)
        self.assert_ladder(text, """
        client [::1]:PPPPP                                    [::1]:7 server
        SYN_SENT     --------------- SYN seq=0 --------------->
        CLOSED       <---------- RST,ACK seq=0 ack=1 ----------  CLOSED
        client 127.0.0.1:PPPPP                            127.0.0.1:7 server
        SYN_SENT     --------------- SYN seq=0 --------------->
        ESTABLISHED  <---------- SYN,ACK seq=0 ack=1 ----------  SYN_RCVD
                     ------------ ACK seq=1 ack=1 ------------>  ESTABLISHED
        FIN_WAIT_1   ---------- FIN,ACK seq=1 ack=1 ---------->
        FIN_WAIT_2   <------------ ACK seq=1 ack=2 ------------  CLOSE_WAIT
                     <---------- FIN,ACK seq=1 ack=2 ----------  LAST_ACK
        TIME_WAIT    ------------ ACK seq=2 ack=2 ------------>  CLOSED
        handshake: N ms
        client to server: 4 segments, 0 bytes
        server to client: 3 segments, 0 bytes
        retransmits: client 0, server 0; duplicate ACKs: client 0, server 0
        first to close: the client
        TIME_WAIT: the client's port PPPPP is held for 60 s
        captured on lo, without a loss
        """)

    @needs_capture
    def test_an_address_of_this_machine_is_reached_over_the_loopback(self):
        if tracing.NO_TUN:
            self.skipTest(tracing.NO_TUN)
        for host in ("10.9.0.1", "fd09::1"):
            self.serve(lambda sock: sock.recv(1), host=host)
            client = Client(self, "--trace", host, "7")
            client.finish()
            status, text = client.wait()
            self.assertEqual(status, 0, text)
            self.assertIn("first to close: the client\n", text)
            self.assertIn("captured on lo, without a loss\n", text)

    @needs_capture
    def test_where_no_way_leads_there_is_nothing_to_see(self):
        with tempfile.TemporaryDirectory() as folder:
            client = Client(self, "--trace", "--pcap", os.path.join(folder, "x"), "2001:db8::1",
                            "7")
            status, text = client.wait()
        self.assertEqual(status, 1)
        self.assertIn("Network is unreachable", text)
        self.assertEqual((len(text.splitlines()), ladder(text)), (1, []), text)

    def test_unix_sockets_have_no_segments(self):
        for option in ("--trace", "--pcap=x"):
            client = Client(self, option, "unix:/nowhere")
            status, text = client.wait()
            self.assertEqual(status, 64)
            self.assertEqual(text, "tcpc: %s shows segments of TCP, and a unix socket has none\n"
                             "Try \"tcpc --help\".\n" % option.partition("=")[0])

    def test_many_connections_have_no_ladder(self):
        for option in ("--trace", "--pcap=x"):
            client = Client(self, option, "--repeat", "2", "127.0.0.1", "7")
            self.assertEqual(client.wait(), (
                64, "tcpc: --trace and --pcap show one connection, and --repeat makes many\n"
                "Try \"tcpc --help\".\n"))

    @needs_capture
    def test_a_script_has_a_ladder(self):
        def talk(sock):
            sock.sendall(b"hello\n")
            tracing.acknowledge_the_end(sock)
        self.serve(talk)
        client = Client(self, "--trace", "-e", 'expect "hello"; send "hi"; shutdown; expect eof',
                        "127.0.0.1", "7")
        status, text = client.wait()
        self.assertEqual(status, 0, text)
        self.assertRegex(text, r"<-+ PSH,ACK seq=1 ack=1 len=6 -+\n(.*\n)*"
                         r".*-+ PSH,ACK seq=1 ack=7 len=2 -+>\n(.*\n)*"
                         r".* FIN_WAIT_1 .* FIN,ACK seq=3 ack=7 -+>\n(.*\n)*.* TIME_WAIT ")
        self.assertIn("first to close: the client\n", text)

    @needs_capture
    @unittest.skipUnless(tlstest.HAS_TLS, "this tcpc has no TLS")
    @unittest.skipUnless(tlstest.certificates.OPENSSL, "there is no openssl")
    def test_tls_that_fails(self):
        """An alert, and then the close; a reset, if what the server sent was not all read."""
        server = tlstest.Server(self, tcpctest.read_all, tlstest.server_context())
        client = Client(self, "--trace", "--tls", "--cafile", tlstest.authority().file,
                        "--servername", "www.example.org", "127.0.0.1", server.port)
        status, text = client.wait()
        server.thread.join(tracing.PATIENCE)
        self.assertEqual(status, 1, text)
        self.assertIn("the certificate is not for www.example.org", text)
        self.assertRegex(text, r" ESTABLISHED  <-+ SYN,ACK (.*\n)*"
                         r".* PSH,ACK seq=\d+ ack=\d+ len=\d+ -+>\n"
                         r"(.*\n)*.*  (FIN_WAIT_1|LAST_ACK|CLOSED) ")
        self.assertIn("captured on lo, without a loss\n", text)

    def fall_back(self, talk, *options):
        self.serve(talk)
        client = Client(self, "--trace", *options, "127.0.0.1", "7",
                        preexec_fn=drop_capture_right)
        client.finish()
        return client.wait()

    def test_without_the_privilege(self):
        status, text = self.fall_back(lambda sock: sock.sendall(sock.recv(9) or b"bye\n"))
        self.assertEqual(status, 0)
        self.assertRegex(text, r"^tcpc: cannot capture on lo: .*; what follows is what the kernel "
                         r"tells of this end\n")
        if CAPTURES:
            self.assertIn('tcpc: as root, "setcap cap_net_raw+ep %s" lets everybody capture with '
                          'it\n' % os.path.realpath(TCPC), text)
        # That state may be too short to be seen; and an ACK may travel alone, or with data.
        lines = [re.sub(r"\d+ segments", "N segments", line) for line in ladder(text)
                 if line != "FIN_WAIT_2"]
        self.assert_lines(lines, """
        client 127.0.0.1:PPPPP                            127.0.0.1:7 server
        SYN_SENT
        ESTABLISHED
        FIN_WAIT_1
        TIME_WAIT
        handshake: N ms
        client to server: N segments, 0 bytes
        server to client: N segments, 4 bytes
        retransmits: client 0
        first to close: the client
        TIME_WAIT: the client's port PPPPP is held for 60 s
        not captured: these are the states that the kernel tells of the client
        """)

    def test_a_file_that_cannot_be_filled_is_a_failure(self):
        with tempfile.TemporaryDirectory() as folder:
            status, text = self.fall_back(lambda sock: sock.recv(1), "--pcap",
                                          os.path.join(folder, "x"))
        self.assertEqual(status, 1)
        self.assertIn("--pcap: ", text)

    def test_refused_without_the_privilege(self):
        client = Client(self, "--trace", "127.0.0.1", "9", preexec_fn=drop_capture_right)
        status, text = client.wait()
        self.assertEqual(status, 1)
        self.assert_ladder(text, """
        client 127.0.0.1:PPPPP                            127.0.0.1:9 server
        SYN_SENT
        CLOSED
        handshake: none
        """)


def nft(command):
    wire.run("nft", command)


def setUpModule():
    tracing.prepare()
    nft("add table inet t")
    nft("add chain inet t input { type filter hook input priority 0; }")


if __name__ == "__main__":
    wire.enter_namespace("nft")
    tcpdtest.main()
