#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What tcpc --trace draws, held against tcpdump, as a picture, and on a terminal."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import tempfile
import termios
import unittest
import xml.etree.ElementTree

import tcpdtest
import tracing
import wire
from screen import Screen
from tcpdtest import poll_until
from tracing import (HAS_EDITOR, PATIENCE, TCPC, Client, TraceTest, acknowledge_the_end,
                     needs_capture, rungs_of)


@needs_capture
class Compared(TraceTest):
    """What others see of the same connection."""

    def test_tcpdump_has_the_same_segments(self):
        if not wire.is_root():
            self.skipTest("tcpdump wants to set groups")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        theirs, ours = os.path.join(folder.name, "theirs"), os.path.join(folder.name, "ours")
        dump = subprocess.Popen(["tcpdump", "-i", "lo", "-U", "-w", theirs, "-Z", "root", "tcp"],
                                stderr=subprocess.PIPE, text=True)
        self.addCleanup(dump.stderr.close)
        self.addCleanup(dump.wait)
        self.addCleanup(dump.kill)
        while "listening on" not in (line := dump.stderr.readline()):
            self.assertTrue(line, "tcpdump has ended")
        self.serve(lambda sock: sock.sendall(sock.recv(99) * 20000))
        client = Client(self, "--trace", "--absolute", "--pcap", ours, "127.0.0.1", "7")
        client.write(b"hi\n")
        answer = client.process.stdout.read(60000)
        client.finish()
        status, text = client.wait()
        self.assertEqual((status, answer), (0, b"hi\n" * 20000), text)
        count = sum(int(n) for n in re.findall(r"(?:server|client): (\d+) segments", text))
        poll_until(lambda: len(wire.packets_of(theirs)) >= count, PATIENCE, "tcpdump's last packet")
        dump.send_signal(signal.SIGINT)
        dump.wait(PATIENCE)
        packets = wire.packets_of(ours)
        self.assertEqual(packets, wire.packets_of(theirs))
        self.assertEqual(len(packets), count)
        self.assertEqual([re.findall(r"\S+(?= seq)|\w+=\d+", rung)
                          for rung in rungs_of(text) if "seq=" in rung],
                         [self.words_of(wire.Segment(packet)) for packet in packets])

    @staticmethod
    def words_of(segment):
        words = [segment.flags, f"seq={segment.seq}"]
        if "ACK" in segment.flags:
            words.append(f"ack={segment.ack}")
        return words + ([f"len={len(segment.data)}"] if segment.data else [])

    def test_the_picture_shows_the_same(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "ladder.svg")
            self.serve(acknowledge_the_end)
            client = Client(self, f"--trace={path}", "127.0.0.1", "7")
            client.finish()
            self.assertEqual(client.wait(), (0, ""))
            root = xml.etree.ElementTree.parse(path).getroot()
        texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
        texts = [text for text in texts if not re.fullmatch(r"[0-9.]+", text)]
        self.assertEqual(texts[:2] + texts[4:-7], [
            "client", "server", "SYN seq=0", "SYN_SENT", "SYN,ACK seq=0 ack=1", "ESTABLISHED",
            "SYN_RCVD", "ACK seq=1 ack=1", "ESTABLISHED", "FIN,ACK seq=1 ack=1", "FIN_WAIT_1",
            "ACK seq=1 ack=2", "FIN_WAIT_2", "CLOSE_WAIT", "FIN,ACK seq=1 ack=2", "LAST_ACK",
            "ACK seq=2 ack=2", "TIME_WAIT", "CLOSED"])
        self.assertEqual(texts[3], "127.0.0.1:7")
        self.assertEqual(texts[-3], "first to close: the client")
        arrows = [element for element in root.iter("{http://www.w3.org/2000/svg}path")
                  if element.get("class").startswith("arrow")]
        self.assertEqual([arrow.get("class") for arrow in arrows],
                         ["arrow syn", "arrow syn", "arrow data", "arrow fin", "arrow data",
                          "arrow fin", "arrow data"])
        bottom = max(int(element.get("y")) for element in
                     root.iter("{http://www.w3.org/2000/svg}text"))
        self.assertGreater(int(root.get("height")), bottom)

    def test_what_cannot_be_written(self):
        for option, words in (
                ("--trace=/nowhere/x.svg", "--trace: cannot write /nowhere/x.svg: No such file"),
                ("--pcap=/nowhere/x", "--pcap: cannot write /nowhere/x: No such file"),
                ("--trace=x.png", "--trace=FILE.svg, not \"x.png\"")):
            status, text = Client(self, option, "127.0.0.1", "7").wait()
            self.assertIn(status, (1, 64))
            self.assertIn(words, text)
        status, text = Client(self, "--absolute", "127.0.0.1", "7").wait()
        self.assertEqual((status, text[:30]), (64, "tcpc: --absolute wants --trace"))


@needs_capture
class OnATerminal(TraceTest):
    """Standard error is a terminal: its width, its colours, its characters, and a line that is
    being typed on it."""

    def begin(self, columns=80, **environment):
        self.master, slave = pty.openpty()
        self.addCleanup(os.close, self.master)
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        self.peer = self.script()
        environment = {**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8", **environment}
        environment = {name: value for name, value in environment.items() if value is not None}
        self.process = subprocess.Popen(
            [TCPC, "--trace", "10.9.0.2", "7"], stdin=slave, stdout=slave, stderr=slave,
            env=environment, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self.addCleanup(self.process.wait)
        self.addCleanup(self.process.kill)
        os.close(slave)
        self.seen = b""
        self.peer.accept()

    def wait_for(self, words):
        def seen():
            if select.select([self.master], [], [], 0.01)[0]:
                self.seen += os.read(self.master, 65536)
            return words in self.seen
        poll_until(seen, PATIENCE, f"{words!r} on the terminal, which has {self.seen!r}")

    def end(self):
        self.peer.send("FIN,ACK")
        self.peer.expect_fin()
        self.peer.send("ACK")
        self.wait_for(b"captured on wire, without a loss")
        self.assertEqual(self.process.wait(PATIENCE), 0)

    def test_as_wide_as_it_is(self):
        for columns in (80, 132):
            with self.subTest(columns=columns):
                self.begin(columns=columns, NO_COLOR="1")
                self.end()
                text = self.seen.decode()
                self.assertRegex(text, "SYN_SENT +\u2500+ SYN seq=0 \u2500+\u2192")
                arrow = re.search("\u2500+ SYN seq=0 \u2500+\u2192", text).group()
                self.assertEqual(len(arrow), columns - 38)
                self.assertNotRegex(text, r"\x1b\[[0-9;]+m")

    def test_colours(self):
        self.begin(NO_COLOR=None)
        self.end()
        text = self.seen.decode()
        for words in ("\x1b[1mSYN_SENT\x1b[0m", "\x1b[32m\u2500", "\x1b[36m\u2190"):
            self.assertIn(words, text)

    def test_ascii(self):
        self.begin(NO_COLOR="1", LC_ALL="C")
        self.end()
        self.assertRegex(self.seen.decode(), "SYN_SENT +-+ SYN seq=0 -+>")

    @unittest.skipUnless(HAS_EDITOR, "tcpc was built without libedit")
    def test_the_line_being_typed_stays(self):
        self.begin(NO_COLOR="1")
        self.wait_for(b"SYN_RCVD")
        os.write(self.master, b"hal")
        self.wait_for(b"hal")
        self.peer.send("PSH,ACK", b"welcome\n")
        self.peer.expect("ACK")
        self.wait_for(b"len=8")
        os.write(self.master, b"lo\r")
        self.peer.expect("PSH,ACK", b"hallo\n")
        self.peer.send("ACK")
        self.end()
        screen = Screen(50, 80)
        screen.feed(self.seen.decode())
        lines = screen.text().split("\n")
        self.assertIn("hallo", lines)
        self.assertIn("welcome", lines)
        self.assertEqual([line for line in lines if "hal" in line], ["hallo"])
        self.assertIn(sum("seq=" in line for line in lines), (10, 11), "\n".join(lines))


setUpModule = tracing.prepare

if __name__ == "__main__":
    wire.enter_namespace("tcpdump")
    tcpdtest.main()
