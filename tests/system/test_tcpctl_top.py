#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""tcpctl top on a pseudo-terminal: what a user sees, after each key and each change of size."""

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
import unittest

import tcpdtest
from fakedaemon import CONNECTIONS, SERVICES, STATUS, FakeDaemon
from screen import AS_A_JOB, Screen
from tcpdtest import SLOW, WAIT, cpu_of, poll_until

TCPCTL = os.path.abspath(os.environ.get("TCPCTL", "./tcpctl"))
HAS_TOP = b"top: none" not in subprocess.run([TCPCTL, "--version"], stdout=subprocess.PIPE,
                                             timeout=WAIT, check=True).stdout
DOWN, UP, PAGE_DOWN, PAGE_UP = b"\x1b[B", b"\x1b[A", b"\x1b[6~", b"\x1b[5~"  # of a vt220


class Top:
    """tcpctl top, with the screen that it draws."""

    def __init__(self, test, daemon, *options, rows=24, columns=130, terminal="vt100", runner=()):
        self.test, self.screen, self.seen = test, Screen(rows, columns), b""
        self.decoder = codecs.getincrementaldecoder("utf-8")()
        self.master, self.slave = pty.openpty()
        self.set_size(rows, columns)
        self.before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            [*runner, TCPCTL, "-s", daemon.path, "top", *options], stdin=self.slave,
            stdout=self.slave, stderr=self.slave,
            env=dict(os.environ, TERM=terminal, LC_ALL="C.UTF-8"),
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        test.addCleanup(self.close)

    def close(self):
        self.process.kill()
        self.process.wait()
        for fd in (self.master, self.slave):
            if fd is not None:
                os.close(fd)

    def set_size(self, rows, columns):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, rows, columns):
        self.pump(0)
        self.screen.resize(rows, columns)
        self.set_size(rows, columns)

    def pump(self, seconds=0.02):
        while select.select([self.master], [], [], seconds)[0]:
            data = os.read(self.master, 65536)
            self.seen += data
            self.screen.feed(self.decoder.decode(data))
            seconds = 0

    def type(self, keys):
        os.write(self.master, keys)

    def wait(self, condition, what):
        def met():
            self.pump()
            return condition()
        try:
            return poll_until(met, what=what)
        except AssertionError as error:
            raise AssertionError(f"{error}; on the screen:\n{self.screen.text()}") from None

    def wait_for(self, pattern):
        return self.wait(lambda: re.search(pattern, self.screen.text(), re.MULTILINE), pattern)

    def ids(self):
        """The connections on the screen, in their order."""
        return re.findall(r"^\d+\.\d+\.(\d+) ", self.screen.text(), re.MULTILINE)

    def wait_ids(self, wanted):
        self.wait(lambda: self.ids() == wanted, f"the connections {wanted}")

    def drawing(self):
        return not termios.tcgetattr(self.slave)[3] & termios.ICANON

    def wait_exit(self):
        self.wait(lambda: self.process.poll() is not None, "the end of tcpctl")
        self.test.assertEqual(termios.tcgetattr(self.slave), self.before)
        return self.process.returncode


def state_of(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return file.read().rpartition(")")[2].split()[0]


def connection(number, **members):
    return {**CONNECTIONS[0], "id": f"7.0.{number}", **members}


@unittest.skipUnless(HAS_TOP, "built without ncurses")
class TopTest(unittest.TestCase):
    def setUp(self):
        self.daemon = FakeDaemon(self)

    def top(self, *options, **settings):
        return Top(self, self.daemon, *options, **settings)

    def set_connections(self, connections):
        self.daemon.answers["connections"] = [{"ok": True, "connections": connections}]


class Shown(TopTest):
    def test_head_services_connections_and_help(self):
        top = self.top()
        top.wait_for("q: leave")
        top.wait_ids(["123", "9"])
        lines = top.screen.text().split("\n")
        self.assertEqual(lines[0], "tcpd 0.1.0  serving  pid 4711  up 1h02m  generation 7  "
                                   "12 open of at most 100000")
        self.assertEqual(lines[1], "accepted -  received -  sent -")
        self.assertEqual(lines[3:6], [
            "SERVICE  STATE      ACTIVE  ACCEPTED  A/S  REJECTED  RECEIVED  R/S  SENT  S/S",
            "echo     accepting       1   1234567    -         8     12.3K    -   100    -",
            "greet    drained         0         0    -         0         0    -     0    -"])
        self.assertEqual(lines[7], "2 connections by age, from number 1")
        self.assertRegex(lines[8], "^ID +SERVICE +PEER +PHASE +AGE +IDLE +RECEIVED +SENT +TCP ")
        self.assertRegex(lines[9], r"^7\.0\.123 +echo +127\.0\.0\.1:40112 +open +1h02m +350ms ")
        self.assertTrue(lines[23].startswith("sort by: a age, i idle, r received, s sent, "
                                             "t retransmits, n service, p peer, again: reverse"))
        self.assertEqual([request["command"] for request in self.daemon.requests],
                         ["status", "services", "connections"])
        top.type(b"q")
        self.assertEqual(top.wait_exit(), 0)

    def test_rates_come_from_two_answers(self):
        def services(_):
            looks = sum(request["command"] == "services" for request in self.daemon.requests)
            echo = dict(SERVICES[0], accepted=1000 * looks, received=(looks << 20), sent=0)
            return [{"ok": True, "services": [echo, SERVICES[1]]}]
        self.daemon.answers["services"] = services
        top = self.top("--interval", "0.2")
        top.wait_for(r"^accepted \d{3,}/s  received \d\.\dM/s  sent 0/s")
        top.wait_for(r"^echo .* \d{3,} +8 +\d+\.\dM +\d\.\dM +0 +0$")
        top.wait_for(r"^greet +drained +0 +0 +0 +0 +0 +0 +0 +0$")

    def test_escapes_of_the_daemon_are_harmless(self):
        evil = "\x1b]0;owned\x07\x1b[6n\u009b5n\u202e"
        self.daemon.answers["status"] = [dict(STATUS, version=evil, state=evil)]
        self.daemon.answers["services"] = [{"ok": True, "services": [dict(SERVICES[0], name=evil)]}]
        self.set_connections([dict.fromkeys(CONNECTIONS[0], evil)])
        top = self.top()
        top.wait(lambda: top.screen.text().count("\\x1b]0;owned") == 6, "all that it says")
        for harm in (b"\x1b]", b"\x1b[6n", b"\x07", "\u009b".encode(), "\u202e".encode()):
            self.assertNotIn(harm, top.seen)

    def test_more_services_than_fit_leave_room_for_connections(self):
        many = [dict(SERVICES[0], name=f"s{i}") for i in range(50)]
        self.daemon.answers["services"] = [{"ok": True, "services": many}]
        top = self.top()
        top.wait_for("^41 more$")
        top.wait_ids(["123", "9"])


class Keys(TopTest):
    ORDERS = [ # the key, and the order that it gives to connections 1 to 3
        (b"i", ["3", "2", "1"]), (b"r", ["2", "1", "3"]), (b"s", ["2", "3", "1"]),
        (b"t", ["3", "1", "2"]), (b"n", ["1", "3", "2"]), (b"p", ["2", "1", "3"]),
        (b"a", ["1", "2", "3"])]

    def test_each_order_and_its_reverse(self):
        self.set_connections([
            connection(1, age=30, idle=1, received=2, sent=1, retransmits=2, service="a", peer="b"),
            connection(2, age=20, idle=2, received=3, sent=3, retransmits=1, service="c", peer="a"),
            connection(3, age=10, idle=3, received=1, sent=2, retransmits=3, service="b",
                       peer="c")])
        top = self.top("-i", "3600")
        top.wait_ids(["1", "2", "3"])
        for key, order in self.ORDERS:
            top.type(key)
            top.wait_ids(order)
            top.type(key)
            top.wait_ids(order[::-1])
            top.wait_for(r"^3 connections by \w+, reversed, ")
        self.assertEqual(len(self.daemon.requests), 3, "a key asked the daemon")

    def test_space_looks_at_once_and_the_interval_holds(self):
        top = self.top("--interval=3600")
        top.wait_ids(["123", "9"])
        for looks in (2, 3):
            top.type(b" ")
            top.wait(lambda looks=looks: len(self.daemon.requests) == 3 * looks, "another look")
            top.wait_for("^accepted 0/s")

    def test_between_two_looks_it_stays_connected_only_for_a_short_time(self):
        """The daemon has room for few, and sends away who is silent for long."""
        top = self.top("-i", "5.1")
        top.wait_ids(["123", "9"])
        top.type(b" ")
        top.wait_for("^accepted 0/s")
        self.assertEqual(self.daemon.connects, 2)
        top.wait(lambda: self.daemon.gone == 2, "that it leaves")
        top.type(b"q")
        top.wait_exit()
        top = self.top("-i", "0.1")
        top.wait(lambda: len(self.daemon.requests) >= 15, "more looks")
        self.assertEqual(self.daemon.connects, 3)

    def test_the_list_is_scrolled(self):
        self.set_connections([connection(i, age=1000 - i) for i in range(100)])
        top = self.top(terminal="vt220")
        top.wait_ids([str(i) for i in range(14)])
        for keys, first in ((DOWN, 1), (DOWN * 3, 4), (UP, 3), (PAGE_DOWN, 15), (PAGE_UP, 3),
                            (PAGE_UP, 0), (UP, 0), (PAGE_DOWN * 20, 99), (b"a", 99)):
            top.type(keys)
            top.wait(lambda first=first: top.ids()[:1] == [str(first)], f"connection {first}")
        top.wait_for("^100 connections by age, reversed, from number 1$")

    def test_keys_without_a_meaning(self):
        top = self.top("-i", "3600")
        top.wait_ids(["123", "9"])
        top.type(b"xyz\x1b[15~\x00\xff\xc3\xa4\x1b")
        top.type(b"r")
        top.wait_for("by received, from")
        top.type(b"q")
        self.assertEqual(top.wait_exit(), 0)


class Terminal(TopTest):
    def test_it_follows_the_size_of_the_terminal(self):
        top = self.top("-i", "3600")
        top.wait_ids(["123", "9"])
        for rows, columns in ((12, 40), (40, 160), (24, 80)):
            top.resize(rows, columns)
            top.wait(lambda: top.screen.line(-1).startswith("sort by: a age"), "help at the end")
            top.wait_for("^tcpd 0.1.0  serving")
            top.wait_for("^ID +SERVICE +PEER")
        self.assertEqual(len(self.daemon.requests), 3)

    def test_no_size_is_too_small(self):
        top = self.top("-i", "3600")
        top.wait_ids(["123", "9"])
        for rows, columns in ((1, 1), (2, 3), (3, 80), (5, 2), (7, 20), (24, 1)):
            top.resize(rows, columns)
            top.wait(lambda: top.screen.text().strip(), "a screen that is drawn anew")
        top.resize(24, 130)
        top.wait_ids(["123", "9"])

    def test_signals_end_it_and_leave_the_terminal_in_order(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            top = self.top()
            top.wait_ids(["123", "9"])
            if number == signal.SIGINT:
                top.type(b"\x03")
            else:
                top.process.send_signal(number)
            self.assertEqual(top.wait_exit(), -number)

    def test_stopped_and_continued(self):
        top = self.top("-i", "3600", runner=AS_A_JOB)
        top.wait_ids(["123", "9"])
        shell = top.process.pid
        with open(f"/proc/{shell}/task/{shell}/children", encoding="ascii") as file:
            pid = int(file.read())
        top.type(b"\x1a")
        top.wait(lambda: state_of(pid) == "T", "a job that is stopped")
        self.assertEqual(termios.tcgetattr(top.slave), top.before)
        os.kill(pid, signal.SIGCONT)
        top.wait(top.drawing, "the terminal is taken again")
        top.type(b"r")
        top.wait_for("by received, from")
        top.type(b"q")
        self.assertEqual(top.wait_exit(), 0)

    def test_a_terminal_that_hangs_up(self):
        top = self.top("-i", "3600")
        top.wait_ids(["123", "9"])
        os.close(top.slave)
        os.close(top.master)
        top.master = top.slave = None
        self.assertIn(top.process.wait(WAIT), (74, -signal.SIGHUP))  # whichever it sees first

    def test_a_terminal_of_no_known_kind(self):
        top = self.top(terminal="nonsense")
        self.assertEqual(top.wait_exit(), 64)
        self.assertIn(b"tcpctl: top wants a terminal, and a TERM that names its kind", top.seen)


class Trouble(TopTest):
    def test_a_daemon_that_leaves_is_found_again(self):
        top = self.top("-i", "0.2")
        top.wait_ids(["123", "9"])
        self.daemon.leave()
        top.wait_for(r"^trying again: (tcpd has gone away|cannot ask tcpd)")
        top.wait_for(r"^trying again: cannot ask tcpd at /")  # the end may be beyond the screen's
        self.assertEqual(top.ids(), ["123", "9"], "what was known last has gone")
        os.makedirs(self.daemon.folder, exist_ok=True)
        again = FakeDaemon(self, self.daemon.folder)
        again.answers["status"] = [dict(STATUS, version="9.9", pid=1)]
        top.wait_for("^tcpd 9.9 ")
        top.wait(lambda: "trying again" not in top.screen.text(), "an end of the complaint")
        top.type(b"q")
        self.assertEqual(top.wait_exit(), 0)

    def test_it_starts_without_a_daemon_and_q_leaves(self):
        self.daemon.leave()
        top = self.top()
        top.wait_for("^trying again: cannot ask tcpd at /")
        top.type(b"q")
        self.assertEqual(top.wait_exit(), 0)

    def test_a_refusal_is_shown(self):
        self.daemon.answers["connections"] = [{"ok": False, "error": "not permitted: \x1b[2J"}]
        top = self.top("-i", "0.2")
        top.wait_for(r"^trying again: not permitted: \\x1b\[2J$")
        top.wait(lambda: len(self.daemon.requests) > 6, "more questions")
        self.assertEqual(self.daemon.connects, 1)

    def test_rubbish_is_shown_and_tried_again_a_second_later(self):
        for answer, said in (
                (b"rubbish\n", "what answers is not tcpd, or another version"),
                (b'{"ok":true}\n' * 4, "tcpd says something that it was not asked"),
                (b'{"progress":true}\n', "tcpd says something that it was not asked")):
            with self.subTest(answer=answer):
                self.daemon.answers["status"] = answer
                start, before = time.monotonic(), self.daemon.connects
                top = self.top("-i", "0.1")
                top.wait_for(said)
                top.wait(lambda: self.daemon.connects - before >= 3, "three connections")
                self.assertGreater(time.monotonic() - start, 2)
                top.type(b"q")
                self.assertEqual(top.wait_exit(), 0)

    def test_q_leaves_while_the_daemon_is_silent(self):
        self.daemon.answers["services"] = b'{"ok":'
        top = self.top()
        top.wait(lambda: len(self.daemon.requests) == 2, "the second question")
        top.type(b"q")
        self.assertEqual(top.wait_exit(), 0)

    def idle_cpu(self, top):
        """The CPU time that it takes in a second."""
        before, start = cpu_of(top.process.pid), time.monotonic()
        top.wait(lambda: time.monotonic() - start >= 1, "a second to pass")
        return cpu_of(top.process.pid) - before

    def test_it_never_spins(self):
        top = self.top("-i", "3600")
        top.wait_ids(["123", "9"])
        self.assertLess(self.idle_cpu(top), 0.1 * SLOW, "at rest")
        self.daemon.answers["status"] = b'{"ok":'
        top.type(b" ")
        top.wait(lambda: len(self.daemon.requests) == 4, "a question without an answer")
        self.assertLess(self.idle_cpu(top), 0.1 * SLOW, "while the daemon is silent")
        self.daemon.leave()
        top.wait_for("trying again")
        self.assertLess(self.idle_cpu(top), 0.1 * SLOW, "without a daemon")

    def test_one_that_closes_at_once_is_not_hammered(self):
        self.daemon.answers["status"] = b""
        self.daemon.closes.add("status")
        top = self.top("-i", "0.1")
        top.wait_for("^trying again: tcpd has gone away$")
        start, before = time.monotonic(), self.daemon.connects
        top.wait(lambda: self.daemon.connects >= before + 2, "two more attempts")
        self.assertGreater(time.monotonic() - start, 0.9)
        self.assertLess(self.idle_cpu(top), 0.1 * SLOW)


if __name__ == "__main__":
    tcpdtest.main()
