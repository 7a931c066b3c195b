#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""tcpc --trace in every situation: the ladder line by line, times left out."""

import re
import signal
import time

import tcpdtest
import tracing
import wire
from tracing import Client, TraceTest, drawn, ladder, needs_capture


OPENING = drawn("""
        client 10.9.0.1:PPPPP                              10.9.0.2:7 server
        SYN_SENT     --------------- SYN seq=0 --------------->
        ESTABLISHED  <---------- SYN,ACK seq=0 ack=1 ----------  SYN_RCVD
                     ------------ ACK seq=1 ack=1 ------------>  ESTABLISHED
        """)


@needs_capture
class Situations(TraceTest):
    """A peer that does what no kernel would do on demand."""

    def begin(self, *options, host="10.9.0.2", window=60000):
        self.peer = self.script(host)
        self.peer.window = window
        self.client = Client(self, "--trace", *options, host, "7")
        self.peer.accept()

    def end(self, status=0):
        got, text = self.client.wait()
        self.assertEqual(got, status, text)
        return text

    def assert_talk(self, text, expected):
        """A ladder that begins with a handshake as they all do, which is not repeated here."""
        lines = ladder(text)
        self.assertEqual(lines[:len(OPENING)], OPENING)
        self.assertEqual(lines[-1], "captured on wire, without a loss")
        self.assert_lines(lines[len(OPENING):-1], expected)

    def converse(self):
        """A question and its answer."""
        self.client.write(b"hi\n")
        self.peer.expect("PSH,ACK", b"hi\n")
        self.peer.send("PSH,ACK", b"hello\n")
        self.peer.expect("ACK")
        self.assertEqual(self.client.process.stdout.read1(), b"hello\n")

    def test_the_client_closes_first(self):
        self.begin()
        self.converse()
        self.client.finish()
        self.peer.expect("FIN,ACK")
        self.peer.send("ACK")
        self.peer.send("FIN,ACK")
        self.peer.expect("ACK")
        self.assert_talk(self.end(), """
                     ------- PSH,ACK seq=1 ack=1 len=3 ------->
                     <------- PSH,ACK seq=1 ack=4 len=6 -------
                     ------------ ACK seq=4 ack=7 ------------>
        FIN_WAIT_1   ---------- FIN,ACK seq=4 ack=7 ---------->
        FIN_WAIT_2   <------------ ACK seq=7 ack=5 ------------  CLOSE_WAIT
                     <---------- FIN,ACK seq=7 ack=5 ----------  LAST_ACK
        TIME_WAIT    ------------ ACK seq=5 ack=8 ------------>  CLOSED
        handshake: N ms
        client to server: 6 segments, 3 bytes
        server to client: 4 segments, 6 bytes
        retransmits: client 0, server 0; duplicate ACKs: client 0, server 0
        first to close: the client
        TIME_WAIT: the client's port PPPPP is held for 60 s
        """)

    def test_the_server_closes_first(self):
        self.begin()
        self.converse()
        self.peer.send("FIN,ACK")
        self.peer.expect("ACK")  # before standard input has been silent for long enough
        self.peer.expect("FIN,ACK")
        self.peer.send("ACK")
        self.assert_talk(self.end(), """
                     ------- PSH,ACK seq=1 ack=1 len=3 ------->
                     <------- PSH,ACK seq=1 ack=4 len=6 -------
                     ------------ ACK seq=4 ack=7 ------------>
                     <---------- FIN,ACK seq=7 ack=4 ----------  FIN_WAIT_1
        CLOSE_WAIT   ------------ ACK seq=4 ack=8 ------------>  FIN_WAIT_2
        LAST_ACK     ---------- FIN,ACK seq=4 ack=8 ---------->
        CLOSED       <------------ ACK seq=8 ack=5 ------------  TIME_WAIT
        handshake: N ms
        client to server: 6 segments, 3 bytes
        server to client: 4 segments, 6 bytes
        retransmits: client 0, server 0; duplicate ACKs: client 0, server 0
        first to close: the server
        TIME_WAIT: at the server; the client's port PPPPP is free
        """)

    def test_an_answer_that_ends_the_connection_in_one_segment(self):
        self.begin()
        self.client.finish()
        self.peer.expect("FIN,ACK")
        self.peer.send("FIN,PSH,ACK", b"bye\n")
        self.peer.expect("ACK")
        self.assert_talk(self.end(), """
        FIN_WAIT_1   ---------- FIN,ACK seq=1 ack=1 ---------->
        FIN_WAIT_2   <----- FIN,PSH,ACK seq=1 ack=2 len=4 -----  CLOSE_WAIT
                                                                 LAST_ACK
        TIME_WAIT    ------------ ACK seq=2 ack=6 ------------>  CLOSED
        handshake: N ms
        client to server: 4 segments, 0 bytes
        server to client: 2 segments, 4 bytes
        retransmits: client 0, server 0; duplicate ACKs: client 0, server 0
        first to close: the client
        TIME_WAIT: the client's port PPPPP is held for 60 s
        """)

    def test_both_close_at_once(self):
        self.begin()
        self.client.finish()
        fin = self.peer.expect("FIN,ACK")
        self.peer.send("FIN,ACK", ack=fin.seq)  # sent before the other one has arrived
        self.peer.expect("ACK")
        self.peer.send("ACK")
        self.assert_talk(self.end(), """
        FIN_WAIT_1   ---------- FIN,ACK seq=1 ack=1 ---------->
                     <---------- FIN,ACK seq=1 ack=1 ----------  FIN_WAIT_1
        CLOSING      ------------ ACK seq=2 ack=2 ------------>  CLOSING
                                                                 TIME_WAIT
        TIME_WAIT    <------------ ACK seq=2 ack=2 ------------
        handshake: N ms
        client to server: 4 segments, 0 bytes
        server to client: 3 segments, 0 bytes
        retransmits: client 0, server 0; duplicate ACKs: client 0, server 0
        first to close: both at once
        TIME_WAIT: the client's port PPPPP is held for 60 s, and the server waits too
        """)

    def test_half_close_with_data_back(self):
        self.begin()
        self.client.write(b"list\n")
        self.client.finish()
        self.peer.expect("PSH,ACK", b"list\n")
        self.peer.expect("FIN,ACK")
        self.peer.send("ACK")
        for line in (b"one\n", b"two\n"):
            self.peer.send("PSH,ACK", line)
            self.peer.expect("ACK")
        self.peer.send("FIN,ACK")
        self.peer.expect("ACK")
        self.assert_talk(self.end(), """
                     ------- PSH,ACK seq=1 ack=1 len=5 ------->
        FIN_WAIT_1   ---------- FIN,ACK seq=6 ack=1 ---------->
        FIN_WAIT_2   <------------ ACK seq=1 ack=7 ------------  CLOSE_WAIT
                     <------- PSH,ACK seq=1 ack=7 len=4 -------
                     ------------ ACK seq=7 ack=5 ------------>
                     <------- PSH,ACK seq=5 ack=7 len=4 -------
                     ------------ ACK seq=7 ack=9 ------------>
                     <---------- FIN,ACK seq=9 ack=7 ----------  LAST_ACK
        TIME_WAIT    ----------- ACK seq=7 ack=10 ------------>  CLOSED
        handshake: N ms
        client to server: 7 segments, 5 bytes
        server to client: 5 segments, 8 bytes
        retransmits: client 0, server 0; duplicate ACKs: client 0, server 0
        first to close: the client
        TIME_WAIT: the client's port PPPPP is held for 60 s
        """)

    def test_the_server_resets(self):
        self.begin()
        self.converse()
        self.peer.send("RST,ACK")
        self.assert_talk(self.end(1), """
                     ------- PSH,ACK seq=1 ack=1 len=3 ------->
                     <------- PSH,ACK seq=1 ack=4 len=6 -------
                     ------------ ACK seq=4 ack=7 ------------>
        CLOSED       <---------- RST,ACK seq=7 ack=4 ----------  CLOSED
        handshake: N ms
        client to server: 4 segments, 3 bytes
        server to client: 3 segments, 6 bytes
        retransmits: client 0, server 0; duplicate ACKs: client 0, server 0
        first to close: nobody; reset by the server
        TIME_WAIT: none after a reset; the client's port PPPPP is free
        """)

    def test_the_client_resets(self):
        """Nobody reads its output any more, so it closes, and what comes then comes too late."""
        self.begin()
        self.client.process.stdout.close()
        self.peer.send("PSH,ACK", b"hello\n")
        self.peer.expect("ACK")
        self.peer.expect("FIN,ACK")
        self.peer.send("PSH,ACK", b"again\n")
        self.peer.expect("RST")
        self.assert_talk(self.end(), """
                     <------- PSH,ACK seq=1 ack=1 len=6 -------
                     ------------ ACK seq=1 ack=7 ------------>
        FIN_WAIT_1   ---------- FIN,ACK seq=1 ack=7 ---------->
        FIN_WAIT_2   <------- PSH,ACK seq=7 ack=2 len=6 -------  CLOSE_WAIT
        CLOSED       --------------- RST seq=2 --------------->  CLOSED
        handshake: N ms
        client to server: 5 segments, 0 bytes
        server to client: 3 segments, 12 bytes
        retransmits: client 0, server 0; duplicate ACKs: client 0, server 0
        first to close: the client; reset by the client
        TIME_WAIT: none after a reset; the client's port PPPPP is free
        """)

    def test_interrupted(self):
        """It is gone only when the last rung is drawn, and by the signal."""
        self.begin()
        self.converse()
        self.client.process.terminate()
        self.peer.expect("FIN,ACK")
        self.peer.send("FIN,ACK")
        self.peer.expect("ACK")
        self.assert_talk(self.end(-signal.SIGTERM), """
                     ------- PSH,ACK seq=1 ack=1 len=3 ------->
                     <------- PSH,ACK seq=1 ack=4 len=6 -------
                     ------------ ACK seq=4 ack=7 ------------>
        FIN_WAIT_1   ---------- FIN,ACK seq=4 ack=7 ---------->
        FIN_WAIT_2   <---------- FIN,ACK seq=7 ack=5 ----------  CLOSE_WAIT
                                                                 LAST_ACK
        TIME_WAIT    ------------ ACK seq=5 ack=8 ------------>  CLOSED
        handshake: N ms
        client to server: 6 segments, 3 bytes
        server to client: 3 segments, 6 bytes
        retransmits: client 0, server 0; duplicate ACKs: client 0, server 0
        first to close: the client
        TIME_WAIT: the client's port PPPPP is held for 60 s
        """)

    def test_refused(self):
        self.peer = self.script()
        self.client = Client(self, "--trace", "10.9.0.2", "7")
        self.peer.expect("SYN")
        self.peer.send("RST,ACK", seq=0)
        self.assert_ladder(self.end(1), """
        client 10.9.0.1:PPPPP                              10.9.0.2:7 server
        SYN_SENT     --------------- SYN seq=0 --------------->
        CLOSED       <---------- RST,ACK seq=0 ack=1 ----------  CLOSED
        handshake: refused
        client to server: 1 segment, 0 bytes
        server to client: 1 segment, 0 bytes
        retransmits: client 0, server 0; duplicate ACKs: client 0, server 0
        first to close: nobody; reset by the server
        TIME_WAIT: none after a reset; the client's port PPPPP is free
        captured on wire, without a loss
        """)

    def test_an_answer_only_to_the_second_syn(self):
        self.peer = self.script()
        self.client = Client(self, "--trace", "10.9.0.2", "7")
        self.peer.expect("SYN")
        self.peer.accept()
        self.client.finish()
        self.peer.expect("FIN,ACK")
        self.peer.send("FIN,ACK")
        self.peer.expect("ACK")
        self.assert_ladder(self.end(), """
        client 10.9.0.1:PPPPP                              10.9.0.2:7 server
        SYN_SENT     --------------- SYN seq=0 --------------->
                     ------ SYN seq=0 (retransmission) ------->
        ESTABLISHED  <---------- SYN,ACK seq=0 ack=1 ----------  SYN_RCVD
                     ------------ ACK seq=1 ack=1 ------------>  ESTABLISHED
        FIN_WAIT_1   ---------- FIN,ACK seq=1 ack=1 ---------->
        FIN_WAIT_2   <---------- FIN,ACK seq=1 ack=2 ----------  CLOSE_WAIT
                                                                 LAST_ACK
        TIME_WAIT    ------------ ACK seq=2 ack=2 ------------>  CLOSED
        handshake: N ms
        client to server: 5 segments, 0 bytes
        server to client: 2 segments, 0 bytes
        retransmits: client 1, server 0; duplicate ACKs: client 0, server 0
        first to close: the client
        TIME_WAIT: the client's port PPPPP is held for 60 s
        captured on wire, without a loss
        """)

    def test_what_is_not_acknowledged_is_sent_again(self):
        self.begin()
        self.client.write(b"hi\n")
        self.peer.expect("PSH,ACK", b"hi\n")
        self.peer.expect("PSH,ACK", b"hi\n")
        self.peer.send("ACK")
        self.client.finish()
        self.peer.expect("FIN,ACK")
        self.peer.send("FIN,ACK")
        self.peer.expect("ACK")
        self.assert_talk(self.end(), """
                     ------- PSH,ACK seq=1 ack=1 len=3 ------->
                     ------- PSH,ACK seq=1 ack=1 len=3 ------->
                                  (retransmission)
                     <------------ ACK seq=1 ack=4 ------------
        FIN_WAIT_1   ---------- FIN,ACK seq=4 ack=1 ---------->
        FIN_WAIT_2   <---------- FIN,ACK seq=1 ack=5 ----------  CLOSE_WAIT
                                                                 LAST_ACK
        TIME_WAIT    ------------ ACK seq=5 ack=2 ------------>  CLOSED
        handshake: N ms
        client to server: 6 segments, 3 bytes
        server to client: 3 segments, 0 bytes
        retransmits: client 1, server 0; duplicate ACKs: client 0, server 0
        first to close: the client
        TIME_WAIT: the client's port PPPPP is held for 60 s
        """)

    def test_a_gap_makes_duplicate_acknowledgements(self):
        begun = time.monotonic()
        self.begin()
        round_trip = time.monotonic() - begun
        self.peer.send("PSH,ACK", b"first\n")
        self.peer.expect("ACK")
        lost = self.peer.seq
        for word in (b"third\n", b"fourth\n"):
            self.peer.seq += 7 if word[:1] == b"t" else 0
            self.peer.send("PSH,ACK", word)
            self.peer.expect("ACK")
        time.sleep(round_trip)  # sooner, it would count as overtaken
        self.peer.send("PSH,ACK", b"second\n", seq=lost)
        self.peer.expect("ACK")
        self.client.finish()
        self.peer.expect("FIN,ACK")
        self.peer.send("FIN,ACK")
        self.peer.expect("ACK")
        self.assert_talk(self.end(), """
                     <------- PSH,ACK seq=1 ack=1 len=6 -------
                     ------------ ACK seq=1 ack=7 ------------>
                     <------ PSH,ACK seq=14 ack=1 len=6 -------
                     ---- ACK seq=1 ack=7 (duplicate ACK) ---->
                     <------ PSH,ACK seq=20 ack=1 len=7 -------
                     --- ACK seq=1 ack=7 (duplicate ACK 2) --->
                     <------- PSH,ACK seq=7 ack=1 len=7 -------
                                  (retransmission)
                     ----------- ACK seq=1 ack=27 ------------>
        FIN_WAIT_1   --------- FIN,ACK seq=1 ack=27 ---------->
        FIN_WAIT_2   <--------- FIN,ACK seq=27 ack=2 ----------  CLOSE_WAIT
                                                                 LAST_ACK
        TIME_WAIT    ----------- ACK seq=2 ack=28 ------------>  CLOSED
        handshake: N ms
        client to server: 8 segments, 0 bytes
        server to client: 6 segments, 26 bytes
        retransmits: client 0, server 1; duplicate ACKs: client 2, server 0
        first to close: the client
        TIME_WAIT: the client's port PPPPP is held for 60 s
        """)

    def test_a_window_that_closes_and_opens(self):
        self.begin()
        self.client.write(b"one\n")
        self.peer.expect("PSH,ACK", b"one\n")
        self.peer.send("ACK", window=0)
        self.client.write(b"two\n")
        self.peer.expect("ACK")  # a probe, after a while
        self.peer.send("ACK", window=0)
        self.peer.send("ACK", window=1000)
        self.peer.expect("PSH,ACK", b"two\n")
        self.peer.send("ACK", window=1000)
        self.client.finish()
        self.peer.expect("FIN,ACK")
        self.peer.send("FIN,ACK", window=1000)
        self.peer.expect("ACK")
        self.assert_talk(self.end(), """
                     ------- PSH,ACK seq=1 ack=1 len=4 ------->
                     <----- ACK seq=1 ack=5 (zero window) -----
                     ---- ACK seq=4 ack=1 (window probe) ----->
                     <----- ACK seq=1 ack=5 (zero window) -----
                     <---- ACK seq=1 ack=5 (window opens) -----
                     ------- PSH,ACK seq=5 ack=1 len=4 ------->
                     <------------ ACK seq=1 ack=9 ------------
        FIN_WAIT_1   ---------- FIN,ACK seq=9 ack=1 ---------->
        FIN_WAIT_2   <--------- FIN,ACK seq=1 ack=10 ----------  CLOSE_WAIT
                                                                 LAST_ACK
        TIME_WAIT    ----------- ACK seq=10 ack=2 ------------>  CLOSED
        handshake: N ms
        client to server: 7 segments, 8 bytes
        server to client: 6 segments, 0 bytes
        retransmits: client 0, server 0; duplicate ACKs: client 0, server 0
        first to close: the client
        TIME_WAIT: the client's port PPPPP is held for 60 s
        """)

    def test_ipv6_and_numbers_as_they_are(self):
        self.begin("--absolute", host="fd09::2")
        first = self.peer.ack
        self.client.finish()
        self.peer.expect("FIN,ACK")
        self.peer.send("FIN,ACK")
        self.peer.expect("ACK")
        text = self.end()
        for number, name in ((first - 1, "ISN+0"), (first + 1, "ISN+2"), (first, "ISN+1")):
            text = re.sub(r"=%d\b" % (number % 2 ** 32),
                          "=" + name.ljust(len(str(number % 2 ** 32)), "."), text)
        text = re.sub(r"ISN(..)\.*", r"ISN\1", text)
        words = [re.sub("-+", "-", line) for line in ladder(text)]
        self.assert_lines(words, """
        client [fd09::1]:PPPPP                            [fd09::2]:7 server
        SYN_SENT     - SYN seq=ISN+0 ->
        ESTABLISHED  <- SYN,ACK seq=1000000 ack=ISN+1 -  SYN_RCVD
                     - ACK seq=ISN+1 ack=1000001 ->  ESTABLISHED
        FIN_WAIT_1   - FIN,ACK seq=ISN+1 ack=1000001 ->
        FIN_WAIT_2   <- FIN,ACK seq=1000001 ack=ISN+2 -  CLOSE_WAIT
                                                                 LAST_ACK
        TIME_WAIT    - ACK seq=ISN+2 ack=1000002 ->  CLOSED
        handshake: N ms
        client to server: 4 segments, 0 bytes
        server to client: 2 segments, 0 bytes
        retransmits: client 0, server 0; duplicate ACKs: client 0, server 0
        first to close: the client
        TIME_WAIT: the client's port PPPPP is held for 60 s
        captured on wire, without a loss
        """)


setUpModule = tracing.prepare

if __name__ == "__main__":
    wire.enter_namespace()
    tcpdtest.main()
