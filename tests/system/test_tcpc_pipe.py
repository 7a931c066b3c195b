#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""tcpc between a program and a server: every byte, both ways, and each end's farewell."""

import fcntl
import hashlib
import os
import re
import select
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest

from tcpctest import MIB, PATIENCE, TCPC, Server, read_all

F_GETPIPE_SZ = 1032  # see fcntl(2)
with open(TCPC, "rb") as binary:
    CODE = binary.read()
SANITIZED = b"__asan_" in CODE or b"__tsan_" in CODE  # its own memory is a multiple of tcpc's
BULK = os.urandom(MIB) * 32


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def echo(sock):
    while True:
        piece = sock.recv(MIB)
        if not piece:
            return sock.shutdown(socket.SHUT_WR)
        sock.sendall(piece)


class PipeTest(unittest.TestCase):
    def serve(self, talk):
        return Server(self, talk)

    def run_tcpc(self, server, data=b"", options=(), **more):
        return subprocess.run([TCPC, *options, "127.0.0.1", server.port], input=data,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE,
                              check=False, **more)

    def start(self, server, *options, **more):
        streams = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        streams.update(more)
        process = subprocess.Popen([TCPC, *options, "127.0.0.1", server.port], **streams)

        def clean():
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream and not stream.closed:
                    stream.close()
        self.addCleanup(clean)
        return process

    def assert_same(self, left, right):
        self.assertEqual((len(left), hashlib.sha256(left).digest()),
                         (len(right), hashlib.sha256(right).digest()))

    # --- every byte ---

    def test_bulk_through_echo_comes_back_byte_for_byte(self):
        server = self.serve(echo)
        done = self.run_tcpc(server, BULK)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assert_same(done.stdout, BULK)
        server.finish()

    def test_both_sides_send_all_before_they_read(self):
        """Full duplex: neither waits for the other, in any order of reading."""
        def talk(sock):
            sender = threading.Thread(target=lambda: (sock.sendall(BULK),
                                                      sock.shutdown(socket.SHUT_WR)))
            sender.start()
            got = read_all(sock)
            sender.join()
            return got
        server = self.serve(talk)
        done = self.run_tcpc(server, BULK)
        self.assertEqual(done.returncode, 0)
        self.assert_same(done.stdout, BULK)
        self.assert_same(server.finish(), BULK)

    def test_a_reader_that_stops_loses_nothing_and_upload_goes_on_meanwhile(self):
        received = threading.Event()

        def talk(sock):
            sock.sendall(BULK[:10000])  # so that the pipe is neither empty nor full
            first = sock.recv(MIB)
            sender = threading.Thread(target=lambda: (sock.sendall(BULK[10000:]),
                                                      sock.shutdown(socket.SHUT_WR)))
            sender.start()
            got = first + read_all(sock)
            received.set()
            sender.join()
            return got
        server = self.serve(talk)
        with tempfile.TemporaryFile() as file:
            file.write(BULK)
            file.seek(0)
            process = self.start(server, stdin=file)
            # Standard output is not read at all until the upload has arrived.
            self.assertTrue(received.wait(PATIENCE), "the upload waits for the download")
        self.assert_same(process.stdout.read(), BULK)
        self.assertEqual(process.wait(PATIENCE), 0)
        self.assert_same(server.finish(), BULK)

    def test_memory_stays_bounded_while_the_reader_stops(self):
        def flood(sock):
            sent = 0
            sock.settimeout(1)
            try:
                while sent < 512 * MIB:
                    sent += sock.send(BULK)
            except TimeoutError:
                return sent
            return sent
        server = self.serve(flood)
        process = self.start(server)
        sent = server.finish()  # the server could send no more for a whole second
        self.assertLess(sent, 64 * MIB)
        with open("/proc/%d/status" % process.pid, encoding="ascii") as file:
            resident = [line for line in file if line.startswith("RssAnon")]
        self.assertLess(int(resident[0].split()[1]), 102400 if SANITIZED else 4096)  # KiB

    def test_files_sockets_and_nothing_as_standard_streams(self):
        server = self.serve(echo)
        with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as sink:
            source.write(BULK)
            source.seek(0)
            self.assertEqual(self.start(server, stdin=source, stdout=sink).wait(PATIENCE), 0)
            sink.seek(0)
            self.assert_same(sink.read(), BULK)
        ours, theirs = socket.socketpair()
        ours.settimeout(PATIENCE)
        server = self.serve(echo)
        with ours:
            process = self.start(server, stdin=theirs, stdout=theirs)
            theirs.close()
            sender = threading.Thread(target=lambda: (ours.sendall(BULK),
                                                      ours.shutdown(socket.SHUT_WR)))
            sender.start()
            self.assert_same(read_all(ours), BULK)
            sender.join()
            self.assertEqual(process.wait(PATIENCE), 0)
        server = self.serve(lambda sock: (sock.sendall(b"hello"), read_all(sock))[1])
        process = self.start(server, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.assertEqual(process.wait(PATIENCE), 0)
        self.assertEqual(server.finish(), b"")

    def test_streams_that_are_closed_do_no_harm(self):
        server = self.serve(lambda sock: (sock.sendall(b"hello"), read_all(sock))[1])
        done = subprocess.run(["sh", "-c", 'exec "$0" 127.0.0.1 "$1" <&- >&- 2>&-', TCPC,
                               server.port], timeout=PATIENCE, check=False)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(server.finish(), b"")

    def test_the_pipes_of_others_stay_blocking(self):
        server = self.serve(echo)
        theirs_in, ours_in = os.pipe()
        ours_out, theirs_out = os.pipe()
        process = self.start(server, stdin=theirs_in, stdout=theirs_out)
        os.write(ours_in, b"x")
        self.assertEqual(os.read(ours_out, 10), b"x")
        for fd in (theirs_in, theirs_out):
            self.assertFalse(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK)
            if os.geteuid() == 0:  # others may be out of their share
                self.assertEqual(fcntl.fcntl(fd, F_GETPIPE_SZ), 256 * 1024)
        os.close(ours_in)
        self.assertEqual(process.wait(PATIENCE), 0)
        for fd in (theirs_in, theirs_out, ours_out):
            os.close(fd)

    def test_crlf_sends_a_newline_as_two_bytes_and_leaves_those_that_are(self):
        server = self.serve(read_all)
        lines = b"one\ntwo\r\n\n" * 100000
        self.assertEqual(self.run_tcpc(server, lines, ["--crlf"]).returncode, 0)
        self.assert_same(server.finish(), b"one\r\ntwo\r\n\r\n" * 100000)

    def test_hex_shows_what_is_not_printable(self):
        server = self.serve(lambda sock: (sock.sendall(b"a\tb\\\r\n\x1b[2J\x00\xc3\xbc\xff"),
                                          read_all(sock)))
        done = self.run_tcpc(server, options=["--hex"], env=dict(os.environ, LC_ALL="C.UTF-8"))
        self.assertEqual(done.stdout, b"a\\x09b\\x5c\\x0d\n\\x1b[2J\\x00\xc3\xbc\\xff")
        server = self.serve(lambda sock: (sock.sendall(BULK), read_all(sock)))
        done = self.run_tcpc(server, options=["--hex"], env=dict(os.environ, LC_ALL="C"))
        unshown = re.sub(rb"\\x([0-9a-f]{2})", lambda match: bytes.fromhex(match[1].decode()),
                         done.stdout)
        self.assert_same(unshown, BULK)  # nothing is lost

    # --- each end's farewell ---

    def test_end_of_input_sends_fin_after_the_last_byte_and_goes_on_reading(self):
        server = self.serve(lambda sock: (read_all(sock), sock.sendall(BULK))[0])
        done = self.run_tcpc(server, b"question")
        self.assertEqual(server.finish(), b"question")
        self.assertEqual(done.returncode, 0)
        self.assert_same(done.stdout, BULK)

    def test_no_shutdown_sends_no_fin_and_reads_until_the_peer_closes(self):
        def talk(sock):
            got = sock.recv(100)
            silent = not select.select([sock], [], [], 0.3)[0]
            sock.sendall(b"answer")
            return got, silent
        server = self.serve(talk)
        done = self.run_tcpc(server, b"question", ["--no-shutdown"])
        self.assertEqual(server.finish(), (b"question", True))
        self.assertEqual((done.returncode, done.stdout), (0, b"answer"))

    def test_the_later_of_shutdown_and_no_shutdown_holds(self):
        server = self.serve(read_all)
        done = self.run_tcpc(server, b"x", ["--no-shutdown", "-N"])
        self.assertEqual((done.returncode, server.finish()), (0, b"x"))

    def test_it_leaves_when_the_peer_has_finished_and_input_is_silent(self):
        server = self.serve(lambda sock: (sock.sendall(b"bye"), sock.shutdown(socket.SHUT_WR),
                                          read_all(sock))[2])
        process = self.start(server)
        begun = time.monotonic()
        self.assertEqual(process.stdout.read(), b"bye")
        self.assertLess(time.monotonic() - begun, 10)
        self.assertEqual(process.wait(PATIENCE), 0)
        self.assertEqual(server.finish(), b"")

    def test_a_file_arrives_as_a_whole_though_the_peer_finished_first(self):
        def talk(sock):
            sock.shutdown(socket.SHUT_WR)
            return read_all(sock)
        server = self.serve(talk)
        with tempfile.TemporaryFile() as file:
            file.write(BULK)
            file.seek(0)
            self.assertEqual(self.start(server, stdin=file).wait(PATIENCE), 0)
        self.assert_same(server.finish(), BULK)

    def test_what_the_peer_sent_before_its_fin_is_written_though_the_reader_is_slow(self):
        server = self.serve(lambda sock: sock.sendall(BULK))
        process = self.start(server)
        got = b""
        while True:
            piece = process.stdout.read1(65536)
            if not piece:
                break
            got += piece
            if len(got) < 20 * 65536:
                time.sleep(0.005)  # the slowness that is tested, not a wait for anything
        self.assert_same(got, BULK)
        self.assertEqual(process.wait(PATIENCE), 0)

    def test_a_reset_is_a_failure_that_names_the_peer(self):
        server = self.serve(lambda sock: (sock.recv(100), reset(sock)))
        process = self.start(server)
        process.stdin.write(b"x")
        process.stdin.flush()
        self.assertEqual(process.wait(PATIENCE), 1)
        self.assertRegex(process.stderr.read().decode(),
                         r"^tcpc: the connection to 127\.0\.0\.1 port %s was reset: " % server.port)

    def test_a_reset_is_noticed_while_standard_output_is_full(self):
        def talk(sock):
            sock.settimeout(0.5)
            try:
                while True:
                    sock.send(BULK)
            except TimeoutError:
                reset(sock)
        server = self.serve(talk)
        process = self.start(server)
        server.finish()
        self.assertIn(process.stdout.read()[:100], BULK)
        self.assertEqual(process.wait(PATIENCE), 1)

    def test_bytes_before_a_reset_are_still_written(self):
        server = self.serve(lambda sock: (sock.sendall(b"last words"), sock.recv(1), reset(sock)))
        process = self.start(server)
        self.assertEqual(process.stdout.read(10), b"last words")
        process.stdin.write(b"x")
        process.stdin.flush()
        self.assertEqual(process.wait(PATIENCE), 1)

    def test_a_reader_that_has_seen_enough_ends_it_in_order(self):
        def talk(sock):
            try:
                while True:
                    sock.sendall(BULK)
            except OSError:
                return "closed"
        server = self.serve(talk)
        process = self.start(server)
        process.stdout.read(100)
        process.stdout.close()
        self.assertEqual(process.wait(PATIENCE), 0)
        self.assertEqual(process.stderr.read(), b"")
        self.assertEqual(server.finish(), "closed")

    def test_an_output_that_fails_is_said(self):
        server = self.serve(lambda sock: (sock.sendall(b"x"), read_all(sock)))
        with open("/dev/full", "wb") as full:
            process = self.start(server, stdout=full)
            self.assertEqual(process.wait(PATIENCE), 1)
        self.assertIn(b"cannot write standard output: No space left", process.stderr.read())

    def test_a_signal_ends_it_and_is_passed_on(self):
        talking = threading.Event()
        server = self.serve(lambda sock: (sock.recv(1), talking.set(), read_all(sock))[2])
        process = self.start(server, "-v")
        process.stdin.write(b"x")
        process.stdin.flush()
        self.assertTrue(talking.wait(PATIENCE))
        process.terminate()
        self.assertEqual(process.wait(PATIENCE), -15)
        self.assertIn(b"closed: sent 1", process.stderr.read())
        self.assertEqual(server.finish(), b"")

    def test_it_uses_no_processor_while_nothing_happens(self):
        """After the peer's FIN, after our own, and while an end is full."""
        def ticks(process):
            with open("/proc/%d/stat" % process.pid, encoding="ascii") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            return int(fields[11]) + int(fields[12])
        release = threading.Event()

        def full(sock):
            sock.settimeout(0.5)
            try:
                while True:
                    sock.send(BULK)
            except TimeoutError:
                release.wait(PATIENCE)

        def full_and_reset(sock):
            sock.settimeout(0.2)
            try:
                while True:
                    sock.send(BULK)
            except TimeoutError:
                reset(sock)

        def half_closed(sock):
            read_all(sock)
            release.wait(PATIENCE)
        processes = [self.start(self.serve(full)), self.start(self.serve(full_and_reset)),
                     self.start(self.serve(half_closed), stdin=subprocess.DEVNULL)]
        time.sleep(1)  # all have come to rest: the second that follows is what is measured
        before = [ticks(process) for process in processes]
        time.sleep(1)
        after = [ticks(process) for process in processes]
        release.set()
        for used in (b - a for a, b in zip(before, after)):
            self.assertLessEqual(used, 5)


if __name__ == "__main__":
    unittest.main()
