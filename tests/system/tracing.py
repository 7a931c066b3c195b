# SPDX-License-Identifier: MIT
"""What the tests of tcpc --trace have in common: tcpc itself, its ladders, and its peers."""

import contextlib
import os
import re
import socket
import subprocess
import threading
import unittest

import wire

TCPC = os.path.abspath(os.environ.get("TCPC", "./tcpc"))
PATIENCE = 30
VERSION = subprocess.run([TCPC, "--version"], stdout=subprocess.PIPE, timeout=PATIENCE, check=True,
                         text=True).stdout
CAPTURES = "capture: none" not in VERSION
HAS_EDITOR = "line editor: none" not in VERSION
needs_capture = unittest.skipUnless(CAPTURES, "tcpc was built without libpcap")


def ladder(text):
    """The lines of a ladder without times, and with PPPPP for the client's ports."""
    for port in re.findall(r"client \S+:(\d+) ", text):
        text = re.sub(r"\b%s\b" % port, "P" * len(port), text)
    text = re.sub(r"handshake: [0-9.]+ ms", "handshake: N ms", text)
    return [line[12:] for line in text.split("\n") if line and not line.startswith("tcpc:")]


def rungs_of(text):
    """The same, but a label that was broken into lines is one again."""
    return re.sub(r"\n[A-Z_0-9 ]{13} *(?=[(a-z])", " ", "\n".join(ladder(text))).split("\n")


def drawn(text):
    """What a test expects, as it is written in the test."""
    return [line[8:] for line in text.split("\n")[1:-1]]


def acknowledge_the_end(sock):
    """Reads to the end, and acknowledges it at once instead of with what is sent next."""
    while sock.recv(65536):
        pass
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


class Client:
    """tcpc with pipes on all three."""

    def __init__(self, test, *arguments, **more):
        environment = {**os.environ, "LC_ALL": "C", **more.pop("environment", {})}
        self.process = subprocess.Popen(
            [TCPC, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=environment, **more)
        self.errors = b""
        self.reader = threading.Thread(target=self.read_errors, daemon=True)
        self.reader.start()
        test.addCleanup(self.end)

    def read_errors(self):
        while piece := os.read(self.process.stderr.fileno(), 65536):
            self.errors += piece

    def end(self):
        self.process.kill()
        self.process.wait()
        self.reader.join(PATIENCE)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            pipe.close()

    def write(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def finish(self):
        self.process.stdin.close()

    def wait(self):
        """Its exit status, and what it said."""
        status = self.process.wait(PATIENCE)
        self.reader.join(PATIENCE)
        return status, self.errors.decode()


TUN, NO_TUN = None, None  # the interface, or why there is none


def prepare():
    """What the tests of a file share, in the namespace that is theirs."""
    global TUN, NO_TUN
    try:
        TUN = wire.Tun()
    except OSError as error:
        NO_TUN = f"no TUN interface: {error}"


class TraceTest(unittest.TestCase):
    maxDiff = None

    def assert_ladder(self, text, expected):
        self.assert_lines(ladder(text), expected)

    def assert_lines(self, lines, expected):
        self.assertEqual(lines, drawn(expected))

    def script(self, host="10.9.0.2"):
        """A peer in the hands of the test."""
        if NO_TUN:
            self.skipTest(NO_TUN)
        return wire.Peer(TUN, host)

    def serve(self, talk, host="127.0.0.1", port=7):
        """A server of the kernel's TCP: one connection, in a thread."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family)

        def run():
            with contextlib.suppress(OSError):  # nobody came
                with listener.accept()[0] as sock:
                    talk(sock)
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self.addCleanup(listener.close)
        self.addCleanup(thread.join, PATIENCE)
        self.addCleanup(listener.shutdown, socket.SHUT_RDWR)
