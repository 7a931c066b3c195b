#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""tcpc as a pipe to a real echo: much, both ways at once, byte for byte.

1 GiB with TCPD_TEST_SOAK, as make check-soak sets it; else as much as takes a second or two."""

import hashlib
import os
import subprocess
import threading

import tcpdtest

TCPC = os.path.abspath(os.environ.get("TCPC", "./tcpc"))
MIB = 1 << 20
SOAK = bool(os.environ.get("TCPD_TEST_SOAK"))
SIZE = (1024 if SOAK else 96) * MIB
PATIENCE = (600 if SOAK else 60) * tcpdtest.SLOW
BLOCK = os.urandom(4 * MIB + 13)  # of an odd length, so that no place repeats a place in a buffer


class Bulk(tcpdtest.TestCase):
    def setUp(self):
        super().setUp()
        host, port = self.tcpd("echo").address("echo").rsplit(":", 1)
        self.process = subprocess.Popen([TCPC, host, port], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(self.process.stderr.close)
        self.addCleanup(self.process.stdout.close)
        self.addCleanup(self.process.wait)
        self.addCleanup(self.process.kill)
        self.sent = hashlib.blake2b()

    def write(self):
        left = SIZE
        with self.process.stdin as pipe:
            while left > 0:
                piece = BLOCK[:left]
                pipe.write(piece)
                self.sent.update(piece)
                left -= len(piece)

    def test_what_comes_back_is_what_was_sent(self):
        writer = threading.Thread(target=self.write, daemon=True)
        watchdog = threading.Timer(PATIENCE, self.process.kill)
        writer.start()
        watchdog.start()
        received, length = hashlib.blake2b(), 0
        while True:
            piece = self.process.stdout.read1(MIB)
            if not piece:
                break
            received.update(piece)
            length += len(piece)
        writer.join()
        status = self.process.wait()
        watchdog.cancel()
        self.assertEqual((status, self.process.stderr.read()), (0, b""))
        self.assertEqual(length, SIZE)
        self.assertEqual(received.digest(), self.sent.digest())


if __name__ == "__main__":
    tcpdtest.main()
