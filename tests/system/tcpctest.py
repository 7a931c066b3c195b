# SPDX-License-Identifier: MIT
"""What the tests of tcpc share: tcpc itself, and a server that greets."""

import contextlib
import os
import socket
import subprocess
import threading

TCPC = os.path.abspath(os.environ.get("TCPC", "./tcpc"))
PATIENCE = 30


def tcpc(*arguments, **more):
    return subprocess.run([TCPC, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=PATIENCE, check=False, text=True, **more)


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return str(listener.getsockname()[1])


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
