#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""tcpc --repeat and --parallel: how often, how many at a time, and what is summed up."""

import json
import os
import re
import selectors
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

import certificates
from tcpdtest import poll_until

TCPC = os.path.abspath(os.environ.get("TCPC", "./tcpc"))
PATIENCE = 60
HAS_TLS = b"TLS: none" not in subprocess.run([TCPC, "-V"], stdout=subprocess.PIPE,
                                             check=False).stdout


class Server:
    """Answers what each connection says in a function; counts connections, and how many at once."""

    def __init__(self, test, answer=lambda number, data: data, greeting=b"", backlog=512):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        self.port = str(self.listener.getsockname()[1])
        self.answer, self.greeting = answer, greeting
        self.count, self.most, self.sizes = 0, 0, []
        self.open = {}
        self.stopped = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        test.addCleanup(self.stop)

    def stop(self):
        self.stopped = True
        self.thread.join(PATIENCE)
        self.listener.close()

    def end(self, selector, sock):
        selector.unregister(sock)
        self.sizes.append(self.open.pop(sock)[1])
        sock.close()

    def serve(self, selector, sock):
        number, size = self.open[sock]
        try:
            data = sock.recv(65536)
            answer = self.answer(number, data) if data else None
            self.open[sock] = number, size + len(data)
            if answer is not None:
                sock.sendall(answer)
            else:
                self.end(selector, sock)
        except OSError:
            self.end(selector, sock)

    def run(self):
        with selectors.DefaultSelector() as selector:
            selector.register(self.listener, selectors.EVENT_READ)
            while not self.stopped:
                for key, _ in selector.select(0.05):
                    if key.fileobj is not self.listener:
                        self.serve(selector, key.fileobj)
                        continue
                    sock = self.listener.accept()[0]
                    if self.greeting:
                        sock.sendall(self.greeting)
                    self.open[sock] = self.count, 0
                    self.count += 1
                    self.most = max(self.most, len(self.open))
                    selector.register(sock, selectors.EVENT_READ)


class RepeatTest(unittest.TestCase):
    def run_tcpc(self, port, *options, data=b"", **more):
        return subprocess.run([TCPC, *options, "127.0.0.1", port], input=data,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE,
                              check=False, **more)

    def summary(self, *arguments, status=0, **more):
        done = self.run_tcpc(*arguments, "--json", **more)
        self.assertEqual((done.returncode, done.stderr), (status, b""), done)
        return json.loads(done.stdout)


class CountTest(RepeatTest):
    def test_so_many_times_and_never_more_at_once(self):
        server = Server(self, greeting=b"hi", answer=lambda number, data: (time.sleep(0.001),
                                                                          data)[1])
        told = self.summary(server.port, "--repeat", "300", "--parallel", "7", "-e",
                            'expect "hi"; send "abc"; expect "abc"')
        self.assertEqual((told["ok"], told["failed"], told["wanted"], told["parallel"]),
                         (300, 0, 300, 7))
        poll_until(lambda: len(server.sizes) == 300, what="the last end")
        self.assertEqual((server.count, set(server.sizes)), (300, {3}))
        self.assertGreater(server.most, 3)
        # The server hears of an end later than the next one begins, but not by much.
        self.assertLessEqual(server.most, 14)

    def test_one_at_a_time_by_default(self):
        server = Server(self)
        told = self.summary(server.port, "--repeat", "20", "-e",
                            'send "x"; expect "x"; shutdown; expect eof')
        self.assertEqual((told["ok"], told["parallel"], server.most), (20, 1, 1))

    def test_what_standard_input_says_is_said_each_time(self):
        server = Server(self)
        data = os.urandom(100000)
        told = self.summary(server.port, "--repeat", "20", "--parallel", "4", data=data)
        self.assertEqual(told["ok"], 20)
        poll_until(lambda: len(server.sizes) == 20, what="the last end")
        self.assertEqual(server.sizes, [100000] * 20)

    def test_with_nothing_to_say_it_only_connects(self):
        for options in ([], ["-z"]):
            server = Server(self)
            told = self.summary(server.port, "--repeat", "50", "--parallel", "10", *options)
            self.assertEqual((told["ok"], told["answer"]), (50, None))
            poll_until(lambda: len(server.sizes) == 50, what="the last end")
            self.assertEqual(set(server.sizes), {0})

    def test_zero_leaves_standard_input_alone(self):
        server = Server(self)
        self.summary(server.port, "--repeat", "2", "-z", data=b"mine")
        poll_until(lambda: len(server.sizes) == 2, what="the last end")
        self.assertEqual(server.sizes, [0, 0])

    def test_a_unix_socket_and_a_name_of_two_addresses(self):
        server = Server(self)
        done = subprocess.run([TCPC, "--repeat", "10", "-z", "localhost", server.port],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE,
                              check=False)
        self.assertEqual(done.returncode, 0, done)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "socket")
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(path)
                listener.listen(10)
                done = subprocess.run([TCPC, "--repeat", "5", "-z", "unix:" + path],
                                      stdout=subprocess.PIPE, timeout=PATIENCE, check=False)
                self.assertEqual(done.returncode, 0, done)

    @unittest.skipUnless(HAS_TLS and certificates.OPENSSL, "no TLS, or no openssl")
    def test_tls(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        authority = certificates.Authority(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.sign("good"))
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)

        def run():
            while True:
                try:
                    with context.wrap_socket(listener.accept()[0], server_side=True) as sock:
                        sock.sendall(sock.recv(100))
                        sock.unwrap()
                except ssl.SSLError:
                    pass
                except OSError:
                    return
        threading.Thread(target=run, daemon=True).start()
        arguments = [str(listener.getsockname()[1]), "-t", "--repeat", "20", "--parallel", "3",
                     "-e", 'send "x"; expect "x"; expect eof']
        told = self.summary(*arguments, "--cafile", authority.file)
        self.assertEqual((told["ok"], told["failures"]), (20, []))
        told = self.summary(*arguments, status=1)
        self.assertEqual(told["failed"], 20)
        self.assertIn("TLS: the certificate is from an unknown authority",
                      told["failures"][0]["reason"])


class SummaryTest(RepeatTest):
    def test_failures_are_counted_by_their_reason(self):
        server = Server(self, answer=lambda number, data: b"bad" if number % 4 == 0 else data)
        told = self.summary(server.port, "--repeat", "40", "--parallel", "2", "-e",
                            'timeout 200ms; send "good"; expect "good"', status=1)
        self.assertEqual((told["ok"], told["failed"]), (30, 10))
        self.assertEqual([failure["count"] for failure in told["failures"]], [10])
        self.assertIn('-e:1: expected "good"', told["failures"][0]["reason"])

    def test_refused(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = str(listener.getsockname()[1])
        done = self.run_tcpc(port, "--repeat", "10", "--parallel", "3", "-z")
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"0 ok, 10 failed\n      10  Connection refused\n", done.stdout)

    def test_not_connected_in_time(self):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            full = []
            for _ in range(4):
                sock = socket.socket()
                sock.setblocking(False)
                sock.connect_ex(listener.getsockname())
                full.append(sock)
            told = self.summary(str(listener.getsockname()[1]), "--repeat", "3", "--parallel", "3",
                                "-z", "-w", "200ms", status=1)
            for sock in full:
                sock.close()
        self.assertEqual(told["failures"],
                         [{"reason": "not connected within the time of --timeout", "count": 3}])

    def test_times_are_those_of_the_server(self):
        def answer(number, data):
            time.sleep(0.06 if number == 50 else 0.002)
            return data
        server = Server(self, answer)
        told = self.summary(server.port, "--repeat", "100", "-e", 'send "x"; expect "x"')
        times = told["answer"]
        self.assertGreaterEqual(times["p50_ms"], 2)
        self.assertLess(times["p50_ms"], 60)
        self.assertGreaterEqual(times["max_ms"], 60)
        self.assertLessEqual(times["p50_ms"], times["p90_ms"])
        self.assertLessEqual(times["p90_ms"], times["p99_ms"])
        self.assertLessEqual(times["p99_ms"], times["max_ms"])
        self.assertEqual(sum(row["count"] for row in times["histogram"]), 100)
        self.assertEqual(sum(row["count"] for row in told["connect"]["histogram"]), 100)

    def test_in_words_with_a_histogram(self):
        server = Server(self)
        for locale, block in (("C", "#"), ("C.UTF-8", "█")):
            done = self.run_tcpc(server.port, "--repeat", "50", "--parallel", "5", data=b"x",
                                 env=dict(os.environ, LC_ALL=locale))
            text = done.stdout.decode()
            self.assertEqual((done.returncode, done.stderr), (0, b""))
            self.assertRegex(text, r"^127\.0\.0\.1 port \d+: 50 of 50 connections, 5 at a time, in "
                                   r"\d+\.\d{3} s \(\d+ a second\)\n50 ok, 0 failed\n\nms ")
            for name in ("connect", "answer"):
                self.assertRegex(text, rf"\n{name}( +\d+\.\d{{3}}){{4}}\n")
                rows = re.search(rf"\n{name}, ms\n((  < .*\n)+)", text).group(1).splitlines()
                counts = [int(row.split()[2]) for row in rows]
                bars = [row.count(block) for row in rows]
                self.assertEqual(sum(counts), 50)
                self.assertEqual(max(bars), 50)
                for count, bar in zip(counts, bars):
                    self.assertEqual(bool(count), bool(bar))

    def test_a_bar_on_a_terminal_while_it_works(self):
        server = Server(self, lambda number, data: (time.sleep(0.005), data)[1])
        process = subprocess.Popen(
            ["script", "-qec", f"{TCPC} --repeat 100 -e 'send \"x\"; expect \"x\"' 127.0.0.1 "
             f"{server.port} >/dev/null", "/dev/null"], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, env=dict(os.environ, LC_ALL="C"))
        said = process.communicate(timeout=PATIENCE)[0].decode()
        self.assertEqual(process.returncode, 0)
        counts = [int(count) for count in re.findall(r"\r\[#* *\] (\d+) of 100, 0 failed", said)]
        self.assertGreater(len(counts), 2, said)
        self.assertEqual(counts, sorted(counts))
        self.assertTrue(said.endswith("\r\x1b[K"), said[-100:])

    def test_a_signal_ends_it_with_a_summary_of_what_was_done(self):
        server = Server(self, lambda number, data: data if number < 5 else b"")
        process = subprocess.Popen([TCPC, "--repeat", "100", "-e", 'send "x"; expect "x"',
                                    "127.0.0.1", server.port], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE)
        poll_until(lambda: server.count == 6, what="the one that gets no answer")
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=PATIENCE)[0]
        self.assertEqual(process.returncode, -signal.SIGINT)
        self.assertIn(b"5 of 100 connections", said)


class UsageTest(RepeatTest):
    def test_numbers_and_their_bounds(self):
        for options, words in ((["--repeat", "0"], "not a number from 1 to 10000000"),
                               (["--repeat", "10000001"], "not a number from 1 to 10000000"),
                               (["--repeat", "99999999999999999999"], "not a number from 1 to"),
                               (["--repeat", "-1"], "not a number"),
                               (["--repeat", "1x"], "not a number"),
                               (["--repeat", " 1"], "not a number"),
                               (["--repeat", "1", "--parallel", "4001"], "from 1 to 4000"),
                               (["--parallel", "2"], "--parallel wants --repeat")):
            done = self.run_tcpc("1", *options)
            self.assertEqual(done.returncode, 64, options)
            self.assertIn(words, done.stderr.decode())

    def test_more_than_the_open_files_that_are_allowed(self):
        done = subprocess.run(["sh", "-c", 'ulimit -n 64 && exec "$0" "$@"', TCPC, "--repeat",
                               "100", "--parallel", "100", "-z", "127.0.0.1", "1"],
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=PATIENCE,
                              check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"--parallel 100 needs 132 open files, and 64 are allowed", done.stderr)


if __name__ == "__main__":
    unittest.main()
