#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""tcpc -e and --script: what is said, what is expected, and where it went wrong."""

import json
import os
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import tcpdtest
from tcpdtest import SLOW

TCPC = os.path.abspath(os.environ.get("TCPC", "./tcpc"))
PATIENCE = 60


def read_all(sock):
    pieces = []
    while True:
        piece = sock.recv(65536)
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)


class ScriptTest(unittest.TestCase):
    def serve(self, talk):
        """The port of a server whose one connection talks, and what that returned, later."""
        listener = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(PATIENCE)
        result = []

        def run():
            with listener.accept()[0] as sock:
                sock.settimeout(PATIENCE)
                try:
                    result.append(talk(sock))
                except OSError as error:
                    result.append(error)
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self.addCleanup(listener.close)
        self.addCleanup(lambda: thread.join(PATIENCE))

        def finish():
            thread.join(PATIENCE)
            return result[0]
        return str(listener.getsockname()[1]), finish

    def run_tcpc(self, port, *options):
        return subprocess.run([TCPC, *options, "127.0.0.1", port], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE,
                              check=False, text=True)

    def passes(self, talk, script, *options):
        port, finish = self.serve(talk)
        done = self.run_tcpc(port, "-e", script, *options)
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)
        return finish()

    def fails(self, talk, script, sentence):
        port, _ = self.serve(talk)
        done = self.run_tcpc(port, "-e", script)
        self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertRegex(done.stderr, "^tcpc: " + sentence)


class PassTest(ScriptTest):
    def test_a_conversation(self):
        def talk(sock):
            sock.sendall(b"220 welcome\r\n")
            first = sock.recv(100)
            sock.sendall(b"250-one\r\n250 t")
            time.sleep(0.05)  # so that what is expected comes in pieces
            sock.sendall(b"wo\r\n")
            return first + read_all(sock)
        got = self.passes(talk, r'''expect "220 "; send "EHLO x\r\n"
                                    expect /^250 .*two/; send "\x00\xff"; shutdown; expect eof''')
        self.assertEqual(got, b"EHLO x\r\n\x00\xff")

    def test_what_was_expected_is_used_up(self):
        self.passes(lambda sock: (sock.sendall(b"one one"), read_all(sock)),
                    'expect "one"; expect /one/')
        self.fails(lambda sock: sock.sendall(b"one"), 'expect "one"; expect "one"', "-e:1: ")

    def test_what_is_expected_may_come_after_much_else(self):
        self.passes(lambda sock: (sock.sendall(b"x" * 1000000 + b"needle"), read_all(sock)),
                    'expect "needle"')
        self.passes(lambda sock: (sock.sendall(b"x\n" * 500000 + b"needle7"), read_all(sock)),
                    "expect /e[0-9]/")

    def test_much_is_sent(self):
        def talk(sock):
            sock.sendall(b"y" * 30000)
            return len(read_all(sock))
        text = "z" * 100000  # of one argument no more than 128 KiB are allowed
        self.assertEqual(self.passes(talk, f'send "{text}"; send "{text[:20000]}"; shutdown; '
                                           'expect eof'), 120000)

    def test_shutdown_is_a_fin_and_close_ends_it(self):
        def talk(sock):
            got = read_all(sock)
            sock.sendall(b"late")
            return got
        self.assertEqual(self.passes(talk, 'send "x"; shutdown; expect "late"; close'), b"x")
        self.assertEqual(self.passes(read_all, "close"), b"")

    def test_sleep_sleeps(self):
        begun = time.monotonic()
        self.passes(read_all, "sleep 300ms")
        self.assertGreaterEqual(time.monotonic() - begun, 0.3)

    @tcpdtest.measures
    def test_waiting_uses_no_processor(self):
        script = 'sleep 1s; timeout 1s; expect "never"'
        port, _ = self.serve(lambda sock: None)  # its end is there from the beginning on
        before = os.times()
        self.run_tcpc(port, "-e", script)
        after = os.times()
        used = after.children_user + after.children_system
        self.assertLess(used - before.children_user - before.children_system, 0.2)

    def test_a_file(self):
        with tempfile.NamedTemporaryFile("w", suffix=".tcpc") as file:
            file.write('# hello\nexpect "name? "\nsend "Ada\\n"\n')
            file.flush()
            port, finish = self.serve(lambda sock: (sock.sendall(b"name? "), read_all(sock))[1])
            self.assertEqual(self.run_tcpc(port, "--script", file.name).returncode, 0)
            self.assertEqual(finish(), b"Ada\n")
            port, _ = self.serve(lambda sock: sock.sendall(b"bye"))
            done = self.run_tcpc(port, "--script", file.name)
            self.assertEqual(done.returncode, 1)
            self.assertEqual(done.stderr, f'tcpc: {file.name}:2: expected "name? ", but the peer '
                                          'finished, and what came is "bye"\n')

    def test_verbose_and_json_tell_of_each_statement(self):
        port, _ = self.serve(lambda sock: (sock.sendall(b"hi"), read_all(sock)))
        done = self.run_tcpc(port, "-v", "--json", "-e", 'expect "hi"\nsend "x"; close')
        lines = done.stderr.splitlines()
        told = json.loads(lines[-1])
        steps = [step["text"] for step in told["steps"] if step["step"] == "script"]
        self.assertEqual(steps, ["-e:1: expect", "-e:2: send", "-e:2: close"])
        self.assertEqual((told["sent"], told["received"], told["status"]), (1, 2, 0))
        self.assertEqual(len([line for line in lines if " script: -e:" in line]), 3)


class FailTest(ScriptTest):
    def test_another_answer(self):
        self.fails(lambda sock: (sock.sendall(b"550 no\r\n"), read_all(sock)),
                   'timeout 200ms\n\nexpect "220"',
                   r'-e:3: expected "220", but 0\.2 s are over, and what came is '
                   r'"550 no\\r\\n"\n$')

    def test_no_answer(self):
        self.fails(read_all, "timeout 200ms; expect /x|\\.y/",
                   r"-e:1: expected /x\|\\\.y/, but 0\.2 s are over, and what came is nothing\n$")

    def test_the_peer_ends_it(self):
        self.fails(lambda sock: sock.sendall(b"by"), 'expect "bye"',
                   r'-e:1: expected "bye", but the peer finished, and what came is "by"\n$')

    def test_the_peer_does_not_end_it(self):
        self.fails(lambda sock: (sock.sendall(b"more"), read_all(sock)),
                   "timeout 200ms; expect eof",
                   r"-e:1: expected the peer's end, but 0\.2 s are over, and what came is \"more\"")

    def test_a_reset(self):
        def talk(sock):
            sock.recv(1)
            sock.close()  # the rest is unread
        self.fails(talk, 'send "xyz"; expect "never"',
                   r'-e:1: expected "never", but the connection broke: Connection reset by peer, ')

    def test_a_peer_that_takes_nothing(self):
        text = "x" * 100000
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
            listener.bind(os.path.join(folder, "socket"))
            listener.listen(1)  # and nobody accepts, or reads: what the kernel takes is all
            script = os.path.join(folder, "script")
            with open(script, "w", encoding="ascii") as file:
                file.write("timeout 300ms\n" + f'send "{text}"\n' * 9)
            done = subprocess.run([TCPC, "--script", script, "unix:" + listener.getsockname()],
                                  stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                  timeout=PATIENCE, check=False, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r':\d+: sending "x+\.\.\.": 0\.3 s are over\n$')

    def test_what_came_is_bounded_and_harmless(self):
        port, _ = self.serve(lambda sock: (sock.sendall(b"x" * 100000 + b"\x1b[2J\xff"),
                                           read_all(sock)))
        done = self.run_tcpc(port, "-e", 'timeout %dms; expect "needle"' % (300 * SLOW))
        self.assertLess(len(done.stderr), 500)
        self.assertNotIn("\x1b", done.stderr)
        self.assertIn("and what came is ... \"", done.stderr)

    def test_an_error_in_the_script_is_found_before_connecting(self):
        for script, words in (('send "a', "-e:1: the closing quote is missing"),
                              ("expect /(/", "-e:1: this is no regular expression"),
                              ('close; send "x"', "-e:1: nothing can follow close")):
            done = self.run_tcpc("1", "-v", "-e", script)
            self.assertEqual(done.returncode, 64)
            self.assertIn(words, done.stderr)
            self.assertNotIn("trying", done.stderr)
        done = self.run_tcpc("1", "--script", "/nowhere")
        self.assertEqual(done.returncode, 64)
        self.assertIn("/nowhere: cannot be opened: No such file", done.stderr)
        done = self.run_tcpc("1", "-e", "close", "--crlf")
        self.assertEqual(done.returncode, 64)
        self.assertIn("--crlf and --hex are for", done.stderr)
        for options in (["-e", "close", "--script", "x"], ["-e", "close", "-z"]):
            self.assertEqual(self.run_tcpc("1", *options).returncode, 64)


if __name__ == "__main__":
    unittest.main()
