# SPDX-License-Identifier: MIT
"""The tools of the benchmark: the load generator notices a server that is wrong, and the servers
that tcpd is compared with are right."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
import unittest

import tcpdtest

sys.path.insert(0, os.path.join(os.environ.get("srcdir", "."), "bench"))
import measure  # noqa: E402
import servers  # noqa: E402


def load(port, mode, *options):
    """What bench/load says and its exit status."""
    done = subprocess.run([measure.Load.program, mode, *map(str, options), f"127.0.0.1:{port}"],
                          capture_output=True, text=True, timeout=60 * tcpdtest.SLOW, check=False)
    return done.stdout + done.stderr, done.returncode


def serve(answer):
    """A server whose connections answer each message with answer(message, bytes before it);
    None closes.  Returns its port."""

    def echo(client):
        before = 0
        with client, contextlib.suppress(ConnectionError):
            while message := client.recv(65536):
                reply = answer(message, before)
                if reply is None:
                    return
                client.sendall(reply)
                before += len(message)

    def accept():
        while True:
            client, _ = listener.accept()
            threading.Thread(target=echo, args=(client,), daemon=True).start()

    listener = socket.create_server(("127.0.0.1", 0), backlog=100)
    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


class Notices(unittest.TestCase):
    """Connections are opened with one message of 64 bytes each; what is wrong comes later."""

    def refused(self, answer, words, mode="request", options=("-c", 2, "-n", 100)):
        said, status = load(serve(answer), mode, *options)
        self.assertEqual(status, 1, said)
        self.assertIn(words, said)

    def test_a_right_server(self):
        said, status = load(serve(lambda message, _: message), "request", "-c", 2, "-n", 100)
        self.assertEqual(status, 0, said)
        self.assertIn(" done=100 bytes=6400 ", said)

    def test_a_changed_byte(self):
        def change(message, before):
            return message if before < 640 else message[:-1] + bytes([message[-1] ^ 1])

        self.refused(change, "wrong bytes")
        self.refused(change, "wrong bytes", "bulk", ("-s", "1M"))

    def test_a_lost_byte(self):
        def lose(message, before):
            return message[1:] if 640 <= before < 900 else message

        self.refused(lose, "wrong bytes", options=("-c", 1, "-d", 4, "-n", 100))

    def test_a_byte_too_many(self):
        self.refused(lambda message, before: message + b"!" if before == 640 else message,
                     "wrong bytes")

    def test_bytes_of_another_connection(self):
        first = []

        def mix(message, before):
            first.append(message)
            return message if before < 640 else first[0]

        self.refused(mix, "wrong bytes")

    def test_an_early_end(self):
        self.refused(lambda message, before: message if before < 640 else None, "closed")
        self.refused(lambda message, before: None, "closed", "short", ("-c", 2, "-n", 10))

    def test_nobody_there(self):
        for mode in ("request", "short"):
            said, status = load(measure.free_port(), mode, "-c", 1, "-n", 10)
            self.assertEqual(status, 1, said)
            self.assertIn("Connection refused", said)

    def test_wrong_usage(self):
        for wrong in (["nonsense"], ["request", "-c", "0"], ["request", "-s", "1X"],
                      ["request", "-q", "text"]):
            said, status = load(1, *wrong)
            self.assertEqual(status, 64, said)


class Servers(unittest.TestCase):
    MODES = [("request", "-c", 10, "-n", 1000), ("request", "-d", 8, "-n", 1000, "-t", 2, "-c", 4),
             ("short", "-c", 10, "-n", 200), ("bulk", "-s", "8M"), ("hold", "-c", 50)]

    def check(self, server, *more):
        with server.start() as running:
            for mode in [*self.MODES, *more]:
                said, status = load(running.port, *mode)
                self.assertEqual(status, 0, f"{mode}: {said}")

    def test_tcpd(self):
        self.check(servers.tcpd(), ("request", "-c", 10, "-n", 1000, "-w", 20, "-i", 20))

    def test_tcpd_with_its_log(self):
        self.check(servers.tcpd(threads=2, access=True))

    def test_bare_epoll(self):
        self.check(servers.bare_epoll(2))

    def test_bare_thread(self):
        self.check(servers.bare_thread())

    def test_lesson(self):
        self.check(servers.lesson())


class Refusals(unittest.TestCase):
    COUNT = 500

    def attack(self, port, host=servers.GUARDED):
        with measure.Beside("flood", servers.ATTACKER, host, port, self.COUNT, 20) as attack:
            attack.process.wait()
        return attack.said["done"]

    def test_each_rule_refuses(self):
        for rule in servers.RULES:
            with self.subTest(rule), servers.tcpd_refusing(rule).start() as running:
                inside = servers.use_up(running.port)
                self.assertEqual(self.attack(running.port), self.COUNT)
                if inside:
                    inside.close()

    def test_the_limit_refuses(self):
        with servers.bare_refusing().start() as running:
            self.assertEqual(self.attack(running.port, measure.HOST), self.COUNT)

    def test_who_is_served_is_noticed(self):
        port = serve(lambda message, _: message)
        done = subprocess.run([os.path.join(measure.Beside.folder, "flood"), "127.0.0.1",
                               "127.0.0.1", str(port), "10", "1"], capture_output=True, text=True,
                              check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("not refused", done.stderr)

    @tcpdtest.measures
    def test_a_burner_takes_what_it_shall(self):
        with measure.Beside("burn", 0.1, 0.1) as burner:
            measure.wait_until(lambda: burner.cpu() > 0.05, "the burner to burn")
            begun, before = time.monotonic(), burner.cpu()
            time.sleep(1)
            share = (burner.cpu() - before) / (time.monotonic() - begun)
        self.assertAlmostEqual(share, 0.2, delta=0.1)


class Run(unittest.TestCase):
    @tcpdtest.measures
    def test_quick_cases(self):
        run = os.path.join(os.path.dirname(servers.__file__), "run")
        done = subprocess.run([sys.executable, run, "--quick", "shares", "start_up"], timeout=60,
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("| tcpd, services: 1000 |", done.stdout)


if __name__ == "__main__":
    tcpdtest.main()
