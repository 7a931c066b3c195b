# SPDX-License-Identifier: MIT
"""What the tests of tcpc share: tcpc itself, and servers to talk to."""

import contextlib
import os
import socket
import subprocess
import threading

import tcpdtest

TCPC = os.path.abspath(os.environ.get("TCPC", "./tcpc"))
PATIENCE = 60  # seconds; a test that takes longer has failed
MIB = 1 << 20


def tcpc(*arguments, **more):
    return subprocess.run([TCPC, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=PATIENCE, check=False, text=True, **more)


def closed_port():
    return str(tcpdtest.free_port())


def read_all(sock):
    """All that comes until the peer's FIN, or its close_notify, whose absence is an error."""
    pieces = []
    while True:
        piece = sock.recv(MIB)
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)


class Server:
    """Accepts one connection and lets a function talk; what it returns is the result."""

    def __init__(self, test, talk, family=socket.AF_INET):
        self.listener = socket.create_server(("::1" if family == socket.AF_INET6 else "127.0.0.1",
                                              0), family=family)
        self.listener.settimeout(PATIENCE)
        self.port = str(self.listener.getsockname()[1])
        self.talk, self.result, self.error = talk, None, None
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        test.addCleanup(self.listener.close)

    def run(self):
        try:
            sock = self.listener.accept()[0]
            sock.settimeout(PATIENCE)
            with sock:
                self.result = self.talk(sock)
        except OSError as error:
            self.error = error

    def finish(self):
        self.thread.join(PATIENCE)
        if self.thread.is_alive():
            raise AssertionError("the server still waits")
        if self.error:
            raise self.error
        return self.result


class Greeter:
    """Says hello to every connection and reads it to its end."""

    def __init__(self, test, address, family=socket.AF_INET):
        self.listener = socket.socket(family)
        self.listener.bind(address)
        self.listener.listen(10)
        self.name = self.listener.getsockname()
        threading.Thread(target=self.run, daemon=True).start()
        test.addCleanup(self.listener.close)

    def run(self):
        while True:
            try:
                sock = self.listener.accept()[0]
            except OSError:
                return
            with sock, contextlib.suppress(ConnectionError):
                sock.sendall(b"hello\n")
                while sock.recv(65536):
                    pass

    @property
    def port(self):
        return str(self.name[1])
