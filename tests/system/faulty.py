# SPDX-License-Identifier: MIT
"""Servers that fail on purpose, for the tests of the traffic generator."""

import contextlib
import shutil
import socket
import struct
import tempfile
import threading

import tcpdtest
import traffic
from tcpdtest import SLOW, poll_until

IMPATIENT = 0.1 * SLOW  # time-outs of half a second
GOOD = {"refused": 0, "reset": 0, "closed_early": 0, "wrong": 0, "timeout": 0}
END = struct.pack("ii", 1, 0)  # SO_LINGER: RST instead of FIN


def echo(client):
    """What is right."""
    while message := client.recv(65536):
        client.sendall(message)


def greet(client):
    client.sendall(b"Welcome!\nWhat's your name?")
    names = b""
    while message := client.recv(65536):
        names += message
        while b"\n" in names:
            name, _, names = names.partition(b"\n")
            if name == b"exit":
                client.sendall(b"Good bye!\n")
                return
            client.sendall(b"Hello " + name + b"!\nWhat's your name?")


def reset(client):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, END)
    client.close()


class Server:
    """Serves each connection in a thread of its own; every `every`th one by `fault`, the rest by
    `right`.  `faults` counts the former."""

    def __init__(self, test, fault=None, every=1, right=echo, address=("127.0.0.1", 0),
                 family=socket.AF_INET, start=True):
        self.listener = socket.socket(family, socket.SOCK_STREAM)
        self.listener.bind(address)
        self.listener.listen(4096)
        self.fault, self.every, self.right = fault, every, right
        self.accepted = self.faults = 0
        test.addCleanup(self.listener.close)
        if start:
            self.start()

    def start(self):
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            is_faulty = self.fault and self.accepted % self.every == 0
            self.faults += bool(is_faulty)
            threading.Thread(target=self._serve, args=(client, is_faulty), daemon=True).start()

    def _serve(self, client, is_faulty):
        with client, contextlib.suppress(OSError):
            (self.fault if is_faulty else self.right)(client)

    def target(self, dialogue="echo"):
        name = self.listener.getsockname()
        if isinstance(name, str):
            return f"{dialogue}:unix:{name}"
        return f"{dialogue}:[{name[0]}]:{name[1]}" if ":" in name[0] else \
            f"{dialogue}:{name[0]}:{name[1]}"


def ways(report):
    """The ways in which it has failed, each with its number."""
    return {(one["kind"], one["class"], one["phase"], one["errno"]): one["count"]
            for one in report["failures"]}


class Without:
    """A client that is never sent some bytes."""

    def __init__(self, client, without):
        self.client, self.without, self.kept_back = client, without, 0

    def recv(self, size):
        return self.client.recv(size)

    def sendall(self, message):
        if message == self.without:
            self.kept_back += 1
        else:
            self.client.sendall(message)


class Case(tcpdtest.TestCase):
    def folder(self):
        folder = tempfile.mkdtemp(prefix="tcpd-traffic-")
        self.addCleanup(shutil.rmtree, folder)
        return folder

    def load(self, *targets, rate=200, lasting=0, slow=SLOW, **options):
        return traffic.start(self, targets, rate=rate, lasting=lasting, slow=slow, **options)

    def run_short(self, *targets, count=40, **options):
        """The last report of a generator that has opened so many short connections at least."""
        load = self.load(*targets, **options)
        poll_until(lambda: load.mark()["short"]["opened"] >= count, what="so many connections")
        return load.stop(), load

    def check_short(self, server, name, *found, dialogue="echo", slow=SLOW):
        """Every fault of the server is one failure of that class, in one of these (phase, errno),
        and nothing else has failed."""
        report, load = self.run_short(server.target(dialogue), slow=slow)
        self.assertEqual(load.process.returncode, 1)
        self.assertGreater(server.faults, 0)
        self.assertEqual(report["short"]["failed"], {**GOOD, name: server.faults})
        self.assertEqual(report["short"]["ok"], server.accepted - server.faults)
        self.assertEqual(report["short"]["opened"], server.accepted)
        self.assertLessEqual(set(ways(report)), {("short", name, *way) for way in found})
        self.assertEqual(sum(ways(report).values()), server.faults)
        self.assertRaises(AssertionError, load.assert_clean)
        return report
