#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""tcpc on a terminal: the line editor, its keys, its history, and a peer that means harm."""

import fcntl
import os
import pty
import re
import select
import shutil
import signal
import socket
import stat
import struct
import subprocess
import tempfile
import termios
import threading
import time
import unittest

TCPC = os.path.abspath(os.environ.get("TCPC", "./tcpc"))
PATIENCE = 20  # seconds after which a condition counts as never met
HAS_EDITOR = b"line editor: none" not in subprocess.run(
    [TCPC, "--version"], stdout=subprocess.PIPE, timeout=PATIENCE, check=True).stdout


class Screen:
    """A small terminal: enough of one to know which rows a user would see."""

    def __init__(self, columns):
        self.columns, self.rows, self.row, self.column = columns, [""], 0, 0

    def put(self, char):
        if self.column == self.columns:
            self.move(self.row + 1, 0)
        line = self.rows[self.row].ljust(self.column)
        self.rows[self.row] = line[:self.column] + char + line[self.column + 1:]
        self.column += 1

    def move(self, row, column):
        self.row, self.column = max(row, 0), min(max(column, 0), self.columns - 1)
        while len(self.rows) <= self.row:
            self.rows.append("")

    def control(self, parameters, final):
        count = int(parameters.split(";")[0] or "1") if parameters[:1].isdigit() else 1
        row = self.rows[self.row]
        if final in "ABCD":
            rows, columns = {"A": (-1, 0), "B": (1, 0), "C": (0, 1), "D": (0, -1)}[final]
            self.move(self.row + rows * count, self.column + columns * count)
        elif final == "G":
            self.move(self.row, count - 1)
        elif final in "JK":
            self.rows[self.row] = row[:self.column]
            if final == "J":
                del self.rows[self.row + 1:]
        elif final == "P":
            self.rows[self.row] = row[:self.column] + row[self.column + count:]
        elif final == "@":
            self.rows[self.row] = row[:self.column] + " " * count + row[self.column:]
        elif final not in "mhl":
            raise AssertionError("the screen does not know CSI %s%s" % (parameters, final))

    def feed(self, text):
        pattern = r"\x1b\[([?0-9;]*)([@-~])|\x1b[=>]|\x1b\([B0]|[\s\S]"
        for match in re.finditer(pattern, text):
            if match.group(2):
                self.control(match.group(1), match.group(2))
            elif match.group() == "\r":
                self.move(self.row, 0)
            elif match.group() == "\n":
                self.move(self.row + 1, self.column)
            elif match.group() == "\b":
                self.move(self.row, self.column - 1)
            elif match.group() == "\t":
                self.move(self.row, (self.column | 7) + 1)
            elif match.group() >= " ":
                self.put(match.group())
        return self

    def text(self):
        return "\n".join(row.rstrip() for row in self.rows)


class Session:
    """tcpc on a pseudo-terminal, connected to a server in this process."""

    def __init__(self, test, *options, columns=60, stderr=None):
        self.test, self.columns, self.seen, self.received = test, columns, b"", b""
        self.finished = False  # nothing more to read from the peer's side of the connection
        listener = socket.create_server(("127.0.0.1", 0))
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        environment = dict(os.environ, TERM="xterm", LC_ALL="C.UTF-8", HOME=test.home,
                           XDG_STATE_HOME=test.state)
        port = str(listener.getsockname()[1])
        self.process = subprocess.Popen(
            [TCPC, *options, "127.0.0.1", port], stdin=slave, stdout=slave,
            stderr=stderr or slave, env=environment, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        listener.settimeout(PATIENCE)
        self.peer = listener.accept()[0]
        self.peer.setblocking(False)
        listener.close()
        test.addCleanup(self.close)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.peer.close()
        os.close(self.master)
        os.close(self.slave)

    def pump(self, seconds=0.05):
        """Reads what has come on the screen and at the peer."""
        ends = [self.master] if self.finished else [self.master, self.peer]
        ready = select.select(ends, [], [], seconds)[0]
        if self.master in ready:
            self.seen += os.read(self.master, 65536)
        if self.peer in ready:
            data = self.peer.recv(65536)
            self.received += data
            self.finished = not data

    def hang_up(self, reset=False):
        """The peer closes; in order, or by a reset."""
        if reset:
            self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.peer.close()
        self.finished = True

    def wait(self, condition, what):
        limit = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > limit:
                self.test.fail("never: %s; screen %r, peer got %r" %
                               (what, self.screen(), self.received))
            self.pump()

    def screen(self):
        return Screen(self.columns).feed(self.seen.decode("utf-8", "replace")).text()

    def wait_screen(self, text):
        self.wait(lambda: text in self.screen(), "%r on the screen" % text)

    def wait_received(self, data):
        self.wait(lambda: self.received == data, "%r at the peer" % data)

    def editing(self):
        return not termios.tcgetattr(self.slave)[3] & termios.ICANON

    def type(self, keys):
        if HAS_EDITOR:  # the mode changes when the editor begins; keys before that would be flushed
            self.wait(self.editing, "the editor has the terminal")
        os.write(self.master, keys)

    def wait_fin(self):
        self.wait(lambda: self.finished, "a FIN at the peer")

    def wait_exit(self):
        self.wait(lambda: self.process.poll() is not None, "tcpc leaves")
        while select.select([self.master], [], [], 0)[0]:
            self.pump(0)
        return self.process.returncode


class HomeTest(unittest.TestCase):
    """Gives each session a home of its own."""

    def setUp(self):
        self.home = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.home)
        self.state = os.path.join(self.home, "state")


class TerminalTest(HomeTest):
    def test_a_typed_line_arrives_and_the_answer_is_seen(self):
        session = Session(self)
        session.type(b"Ada\r")
        session.wait_received(b"Ada\n")
        session.peer.sendall(b"Hello Ada!\r\n")
        session.wait_screen("Hello Ada!")

    def test_control_d_half_closes_and_the_rest_is_still_read(self):
        session = Session(self)
        session.type(b"one\r")
        session.wait_received(b"one\n")
        session.type(b"\x04")
        session.wait_fin()
        self.assertIsNone(session.process.poll())
        session.peer.sendall(b"late answer\n")
        session.wait_screen("late answer")
        session.hang_up()
        self.assertEqual(session.wait_exit(), 0)

    def test_no_shutdown_keeps_the_connection_open_both_ways(self):
        session = Session(self, "--no-shutdown")
        session.type(b"\x04")
        session.peer.sendall(b"still here\n")
        session.wait_screen("still here")
        self.assertFalse(select.select([session.peer], [], [], 0.2)[0], "a FIN was sent")
        session.hang_up()
        self.assertEqual(session.wait_exit(), 0)

    def test_control_c_leaves_and_gives_the_terminal_back(self):
        session = Session(self)
        session.type(b"half a li")
        session.wait_screen("half a li")
        os.write(session.master, b"\x03")
        self.assertEqual(session.wait_exit(), -signal.SIGINT)
        self.assertEqual(termios.tcgetattr(session.slave), session.before)
        session.wait_fin()
        self.assertEqual(session.received, b"")

    def test_it_leaves_when_the_peer_finishes_without_waiting_for_a_key(self):
        session = Session(self)
        session.type(b"x")
        session.wait_screen("x")
        session.peer.sendall(b"bye\n")
        session.peer.shutdown(socket.SHUT_WR)
        self.assertEqual(session.wait_exit(), 0)
        self.assertIn("bye", session.screen())
        self.assertEqual(termios.tcgetattr(session.slave), session.before)

    def test_a_reset_is_said_and_is_a_failure(self):
        session = Session(self)
        session.type(b"x\r")
        session.wait_received(b"x\n")
        session.hang_up(reset=True)
        self.assertEqual(session.wait_exit(), 1)
        self.assertIn("was reset", session.screen().replace("\n", ""))

    def test_escape_sequences_of_the_peer_are_harmless(self):
        session = Session(self)
        session.peer.sendall(b"\x1b]0;owned\x07\x1b[2J\x9b5n\xc2\x9b6n\x1b[6n\x00\x7f "
                             b"\xe2\x80\xaegnp.\xc3\xa4\xe2\x82\xac END\n")
        session.wait_screen("END")
        for harm in (b"\x1b]", b"\x1b[2J", b"\x1b[6n", b"\x07", b"\x9b5n", b"\xc2\x9b",
                     b"\xe2\x80\xae"):
            self.assertNotIn(harm, session.seen)
        self.assertIn("^[]0;owned^G^[[2J", session.screen())
        self.assertIn("ä€".encode(), session.seen)

    def test_crlf_ends_typed_lines_as_the_internet_does(self):
        session = Session(self, "--crlf")
        session.type(b"GET / HTTP/1.0\r")
        session.wait_received(b"GET / HTTP/1.0\r\n")

    def test_hex_shows_what_is_not_printable(self):
        session = Session(self, "--hex")
        session.peer.sendall(b"\x1b[2Jone\ttwo\\\r\nEND\n")
        session.wait_screen("\\x1b[2Jone\\x09two\\x5c\\x0d\nEND")


@unittest.skipUnless(HAS_EDITOR, "built without a line editor")
class EditorTest(HomeTest):
    def test_output_does_not_disturb_the_line_being_typed(self):
        session = Session(self)
        session.type(b"half a li")
        session.wait_screen("half a li")
        session.peer.sendall(b"news from the peer\n")
        session.wait_screen("news from the peer\nhalf a li")
        session.type(b"ne\r")
        session.wait_received(b"half a line\n")
        self.assertEqual(session.screen().strip(), "news from the peer\nhalf a line")

    def test_output_does_not_disturb_a_line_longer_than_the_screen(self):
        session = Session(self, columns=20)
        typed = b"0123456789" * 5 + b"abc"
        session.type(typed)
        session.wait_screen("abc")
        session.peer.sendall(b"first\nsecond\n")
        rows = "\n".join(typed[i:i + 20].decode() for i in range(0, len(typed), 20))
        session.wait(lambda: session.screen().strip() == "first\nsecond\n" + rows,
                     "the line below the news")
        session.type(b"\r")
        session.wait_received(typed + b"\n")

    def test_a_question_without_newline_stands_before_the_line(self):
        session = Session(self)
        session.peer.sendall(b"Welcome!\nWhat's your name? ")
        session.wait_screen("What's your name?")
        session.type(b"Ada\r")
        session.wait_received(b"Ada\n")
        session.peer.sendall(b"Hello Ada!\nWhat's your name? ")
        session.wait_screen("Hello Ada!\nWhat's your name?")
        self.assertEqual(session.screen().strip(),
                         "Welcome!\nWhat's your name? Ada\nHello Ada!\nWhat's your name?")

    def test_a_question_in_pieces_is_one_question(self):
        session = Session(self)
        for piece in (b"na", b"me", b"? "):
            session.peer.sendall(piece)
            session.wait_screen(piece.decode().strip())
        session.type(b"x")
        session.wait(lambda: session.screen().strip() == "name? x", "the whole question")

    def test_the_editor_edits(self):
        session = Session(self)
        session.type(b"wrld\x1b[D\x1b[D\x1b[Do\x01hello \x05!\r")
        session.wait_received(b"hello world!\n")

    def test_characters_of_many_bytes_are_typed_and_erased_whole(self):
        session = Session(self)
        session.type("grün€\x7f\r".encode())
        session.wait_received("grün\n".encode())

    def test_output_is_seen_while_a_key_of_many_bytes_is_incomplete(self):
        session = Session(self)
        session.type(b"\x1b")
        session.peer.sendall(b"meanwhile\n")
        session.wait_screen("meanwhile")

    def test_history_is_kept_for_the_next_session_and_for_nobody_else(self):
        session = Session(self)
        for line in (b"first", b"second", b" secret"):
            session.type(line + b"\r")
        session.wait_received(b"first\nsecond\n secret\n")
        session.type(b"\x1b[A\x1b[A\r")
        session.wait_received(b"first\nsecond\n secret\nfirst\n")
        session.hang_up()
        self.assertEqual(session.wait_exit(), 0)
        path = os.path.join(self.state, "tcpc", "history")
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        with open(path, encoding="ascii") as file:
            kept = file.read()
        self.assertIn("second", kept)
        self.assertNotIn("secret", kept)
        self.assertEqual(os.listdir(os.path.dirname(path)), ["history"])
        again = Session(self)
        again.type(b"\x1b[A\x1b[A\r")
        again.wait_received(b"second\n")

    def test_history_that_cannot_be_written_is_no_error(self):
        self.state = "/dev/null/nowhere"
        session = Session(self)
        session.type(b"line\r")
        session.wait_received(b"line\n")
        session.hang_up()
        self.assertEqual(session.wait_exit(), 0)
        self.assertNotIn(b"tcpc:", session.seen)

    def test_verbose_steps_do_not_disturb_the_line(self):
        session = Session(self, "-v")
        session.wait_screen("connected: to 127.0.0.1")
        session.type(b"half a li")
        session.wait_screen("half a li")
        session.peer.sendall(b"x\n")
        session.wait_screen("first byte: from the peer")
        session.wait(lambda: session.screen().endswith("\nx\nhalf a li"), "the line at the end")
        rows = session.screen().split("\n")
        self.assertEqual([row for row in rows if "half" in row], ["half a li"])
        self.assertRegex([row for row in rows if "first byte" in row][0], "^tcpc: ")

    def test_stopped_and_continued_it_goes_on_with_the_line(self):
        session = Session(self)
        session.type(b"half")
        session.wait_screen("half")
        session.process.send_signal(signal.SIGTSTP)
        session.wait(lambda: not session.editing(), "the terminal is given back")
        session.process.send_signal(signal.SIGCONT)
        session.wait(session.editing, "the terminal is taken again")
        session.type(b" done\r")
        session.wait_received(b"half done\n")

    def test_a_flood_while_the_user_types_loses_nothing(self):
        session = Session(self, columns=80)
        session.type(b"typed")
        session.wait_screen("typed")
        lines = b"".join(b"line %06d\n" % i for i in range(20000))
        session.peer.setblocking(True)
        sender = threading.Thread(target=session.peer.sendall, args=(lines,))
        sender.start()
        session.wait(lambda: b"line 019999" in session.seen, "the last line")
        sender.join(PATIENCE)
        found = re.findall(rb"line (\d{6})", session.seen)
        self.assertEqual([int(n) for n in found], list(range(20000)))
        session.peer.setblocking(False)
        session.type(b"\r")
        session.wait_received(b"typed\n")


if __name__ == "__main__":
    unittest.main()
