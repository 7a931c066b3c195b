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


class StoryTest(unittest.TestCase):
    def serve(self, talk):
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)

        def run():
            with listener.accept()[0] as sock:
                sock.settimeout(PATIENCE)
                talk(sock)
        threading.Thread(target=run, daemon=True).start()
        return str(listener.getsockname()[1])

    def serve_answer(self):
        def talk(sock):
            while sock.recv(100):
                pass
            sock.sendall(b"answer")
        return self.serve(talk)

    def told_of(self, option, port, data):
        return subprocess.run([TCPC, option, "127.0.0.1", port], input=data, timeout=PATIENCE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              check=False)


class VerboseTest(StoryTest):
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

    def assert_steps(self, text, patterns):
        steps = self.steps(text)
        self.assertEqual(len(steps), len(patterns), steps)
        for step, pattern in zip(steps, patterns):
            self.assertRegex(step, "^%s$" % pattern)

    def test_each_step_when_this_side_closes_first(self):
        port = self.serve_answer()
        done = self.told_of("-v", port, "question")
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
            r"kernel: rtt \d+\.\d{3} ms, least \d+\.\d{3}, varying by \d+\.\d{3}; "
            r"\d+ segments with 8 bytes out, 8 acknowledged; \d+ with 6 in; \d+ retransmits",
            "closed: sent 8, received 6 bytes; first to close: this side"])

    def test_the_peer_closes_first(self):
        port = self.serve(lambda sock: sock.sendall(b"bye"))
        process = subprocess.Popen([TCPC, "-v", "127.0.0.1", port], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertEqual(process.wait(PATIENCE), 0)
        steps = self.steps(process.stderr.read())
        process.communicate()
        self.assertEqual(steps[-3], "peer finished: FIN after 3 bytes")
        self.assertRegex(steps[-2], r"^kernel: .* with 0 bytes out, 0 acknowledged; "
                         r"\d+ with 3 in; \d+ retransmits$")
        self.assertEqual(steps[-1], "closed: sent 0, received 3 bytes; first to close: the peer")

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


class JsonTest(StoryTest):
    def told(self, done):
        return json.loads(done.stderr.splitlines()[-1])

    def test_all_that_verbose_says_is_one_object_at_the_end(self):
        port = Greeter(self, ("127.0.0.1", 0)).port
        done = tcpc("--json", "-v", "127.0.0.1", port)
        self.assertEqual((done.returncode, done.stdout), (0, "hello\n"))
        told = self.told(done)
        lines = [re.sub(r"^tcpc: +[0-9.]+ ", "", line) for line in done.stderr.splitlines()[:-1]]
        self.assertEqual([f"{step['step']}: {step['text']}" for step in told["steps"]],
                         [re.sub(r"^[^:]*", lambda name: re.sub("[ -]", "_", name[0]), line)
                          for line in lines])
        self.assertGreater(len(lines), 8)
        self.assertEqual(told["target"], f"127.0.0.1 port {port}")
        self.assertEqual(told["addresses"], [f"127.0.0.1:{port}"])
        self.assertEqual(told["connection"]["remote"], f"127.0.0.1:{port}")
        self.assertGreater(told["connection"]["handshake_ms"], 0)
        self.assertEqual((told["sent"], told["received"], told["status"]), (0, 6, 0))
        self.assertEqual(told["first_to_close"], "this side")
        self.assertGreater(told["kernel"]["rtt_ms"], 0)

    def test_each_step_has_its_facts(self):
        port = self.serve_answer()
        done = self.told_of("--json", port, "question")
        self.assertEqual((done.returncode, done.stdout), (0, "answer"))
        told = self.told(done)
        steps = told["steps"]
        facts = {step["step"]: step for step in steps}
        self.assertEqual([step["step"] for step in steps],
                         ["resolving", "resolved", "trying", "connected", "input", "half_closed",
                          "first_byte", "peer_finished", "kernel", "closed"])
        times = [step["time_ms"] for step in steps]
        self.assertEqual(times, sorted(times))
        self.assertTrue(0 < times[0] and times[-1] < PATIENCE * 1000, times)
        there = "127.0.0.1:" + port
        self.assertEqual((facts["resolved"]["address"], facts["trying"]["address"]), (there, there))
        self.assertRegex(told["connection"]["local"], r"^127\.0\.0\.1:\d+$")
        self.assertEqual(facts["connected"]["text"], "to %(remote)s from %(local)s, handshake "
                         "%(handshake_ms).3f ms" % told["connection"])
        self.assertEqual([facts[name]["bytes"] for name in ("half_closed", "first_byte",
                                                            "peer_finished")], [8, 6, 6])
        kernel = told["kernel"]
        self.assertEqual((kernel["bytes_out"], kernel["bytes_acknowledged"], kernel["bytes_in"]),
                         (8, 8, 6))
        self.assertTrue(0 < kernel["rtt_least_ms"] <= kernel["rtt_ms"] + kernel["rtt_variance_ms"])
        self.assertGreaterEqual(kernel["segments_out"], 4)
        self.assertGreaterEqual(kernel["segments_in"], 3)
        self.assertEqual(kernel["retransmits"] == 0, kernel["retransmitted_bytes"] == 0)
        self.assertGreater(kernel["segment_most"], 500)
        self.assertGreater(kernel["window_segments"], 0)

    def test_a_reset_has_its_facts(self):
        def talk(sock):
            sock.recv(1)  # the rest stays unread, so that closing is a reset
            sock.close()
        port = self.serve(talk)
        process = subprocess.Popen([TCPC, "--json", "127.0.0.1", port], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        process.stdin.write("x" * 1000)
        process.stdin.flush()
        self.assertEqual(process.wait(PATIENCE), 1)
        told = json.loads(process.stderr.read().splitlines()[-1])
        process.communicate()
        reset = [step for step in told["steps"] if step["step"] == "reset"][0]
        self.assertEqual((reset["reason"], reset["unsent"]), ("Connection reset by peer", 0))
        self.assertEqual((told["status"], told["first_to_close"]), (1, "the peer, by a reset"))

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
        failed = told["steps"][-1]
        self.assertEqual((failed["step"], failed["address"], failed["reason"]),
                         ("failed", "127.0.0.1:" + port, "Connection refused"))
        done = tcpc("--json", "127.0.0.1", "no-such-service")
        self.assertIn("give the port as a number", self.told(done)["error"])


if __name__ == "__main__":
    unittest.main()
