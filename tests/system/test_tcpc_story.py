#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What tcpc -v and --json tell of a connection."""

import json
import re
import socket
import subprocess
import threading
import unittest

from tcpctest import PATIENCE, TCPC, Greeter, closed_port, tcpc


class VerboseTest(unittest.TestCase):
    def steps(self, text):
        """The steps with their times checked to be in order and taken away."""
        times, steps = [], []
        for line in text.splitlines():
            match = re.fullmatch(r"tcpc: +(\d+\.\d{6}) (.*)", line)
            self.assertTrue(match, line)
            times.append(float(match.group(1)))
            steps.append(match.group(2))
        self.assertEqual(times, sorted(times))
        return steps

    def serve(self, talk):
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)

        def run():
            with listener.accept()[0] as sock:
                sock.settimeout(PATIENCE)
                talk(sock)
        threading.Thread(target=run, daemon=True).start()
        return str(listener.getsockname()[1])

    def verbose(self, port, data):
        return subprocess.run([TCPC, "-v", "127.0.0.1", port], input=data, timeout=PATIENCE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              check=False)

    def assert_steps(self, text, patterns):
        steps = self.steps(text)
        self.assertEqual(len(steps), len(patterns), steps)
        for step, pattern in zip(steps, patterns):
            self.assertRegex(step, "^%s$" % pattern)

    def test_each_step_when_this_side_closes_first(self):
        def talk(sock):
            while sock.recv(100):
                pass
            sock.sendall(b"answer")
        port = self.serve(talk)
        done = self.verbose(port, "question")
        self.assertEqual((done.returncode, done.stdout), (0, "answer"))
        there = r"127\.0\.0\.1:" + port
        self.assert_steps(done.stderr, [
            r"resolving: 127\.0\.0\.1 port " + port,
            "resolved: 1 of 1 is " + there,
            "trying: " + there,
            r"connected: to %s from 127\.0\.0\.1:\d+, handshake \d+\.\d{3} ms" % there,
            "input: ended",
            "half-closed: FIN after 8 bytes",
            "first byte: from the peer, in a piece of 6",
            "peer finished: FIN after 6 bytes",
            r"kernel: RTT \d+\.\d{3} ms \(least \d+\.\d{3}, variation \d+\.\d{3}\), "
            r"0 segments retransmitted, \d+ bytes acknowledged, [67] received, "
            r"in \d+ and \d+ segments",
            "closed: sent 8, received 6 bytes; first to close: this side"])

    def test_the_peer_closes_first(self):
        port = self.serve(lambda sock: sock.sendall(b"bye"))
        process = subprocess.Popen([TCPC, "-v", "127.0.0.1", port], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertEqual(process.wait(PATIENCE), 0)
        steps = self.steps(process.stderr.read())
        process.communicate()
        self.assertEqual([steps[-3], steps[-1]],
                         ["peer finished: FIN after 3 bytes",
                          "closed: sent 0, received 3 bytes; first to close: the peer"])

    def test_a_reset_is_a_step(self):
        def talk(sock):
            sock.recv(1)  # the rest stays unread, so that closing is a reset
            sock.close()
        port = self.serve(talk)
        process = subprocess.Popen([TCPC, "-v", "127.0.0.1", port], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        process.stdin.write("x" * 1000)
        process.stdin.flush()
        self.assertEqual(process.wait(PATIENCE), 1)
        said = process.stderr.read()
        process.communicate()
        self.assertIn("reset: Connection reset by peer; 0 bytes not sent", said)
        self.assertIn("first to close: the peer, by a reset", said)

    def test_a_failed_address_is_a_step(self):
        port = closed_port()
        done = tcpc("-v", "127.0.0.1", port)
        self.assertIn("failed: 127.0.0.1:%s: Connection refused" % port, done.stderr)


class JsonTest(unittest.TestCase):
    def told(self, done):
        return json.loads(done.stderr.splitlines()[-1])

    def test_all_that_verbose_says_is_one_object_at_the_end(self):
        port = Greeter(self, ("127.0.0.1", 0)).port
        done = tcpc("--json", "-v", "127.0.0.1", port)
        self.assertEqual((done.returncode, done.stdout), (0, "hello\n"))
        told = self.told(done)
        lines = [re.sub(r"^tcpc: +[0-9.]+ ", "", line) for line in done.stderr.splitlines()[:-1]]
        self.assertEqual([f"{step['step']}: {step['details']}" for step in told["steps"]], lines)
        self.assertGreater(len(lines), 8)
        self.assertEqual(told["target"], f"127.0.0.1 port {port}")
        self.assertEqual(told["addresses"], [f"127.0.0.1:{port}"])
        self.assertEqual(told["connection"]["remote"], f"127.0.0.1:{port}")
        self.assertGreater(told["connection"]["handshake_ms"], 0)
        self.assertEqual((told["sent"], told["received"], told["status"]), (0, 6, 0))
        self.assertEqual(told["first_to_close"], "this side")
        self.assertGreater(told["kernel"]["rtt_ms"], 0)
        self.assertEqual(told["kernel"]["retransmitted_segments"], 0)

    def test_alone_it_is_one_line(self):
        port = Greeter(self, ("127.0.0.1", 0)).port
        for options in ([], ["-z"]):
            done = tcpc("--json", *options, "127.0.0.1", port)
            self.assertEqual(done.stderr.count("\n"), 1)
            self.assertEqual(self.told(done)["status"], 0)

    def test_failures(self):
        port = closed_port()
        done = tcpc("--json", "127.0.0.1", port)
        told = self.told(done)
        self.assertEqual(told["status"], 1)
        self.assertIn("Connection refused", told["error"])
        self.assertEqual(told["steps"][-1]["step"], "failed")
        done = tcpc("--json", "127.0.0.1", "no-such-service")
        self.assertIn("give the port as a number", self.told(done)["error"])


if __name__ == "__main__":
    unittest.main()
