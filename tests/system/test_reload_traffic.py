# SPDX-License-Identifier: MIT
"""Reloads under load lose nothing: short connections and long ones, on echo, on greet and on a unix
socket, while a reload comes every half second and every second one has a bad file."""

import ctypes
import os
import shutil
import signal
import socket
import struct
import tempfile
import threading
import unittest

import tcpdchange
import tcpdproc
import tcpdtest
import traffic
from tcpdchange import generation, generations, listeners, rewrite, services, spoil
from tcpdtest import SLOW, WAIT, poll_until, service

RATE, LASTING = (2000, 200) if SLOW == 1 else (400, 60)
SO_ATTACH_FILTER = 26  # asm-generic/socket.h
EVERY = 0.5  # seconds between two reloads


class Loaded(tcpdtest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="tcpd-traffic-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.unix = "unix:" + os.path.join(self.folder, "echo.sock")
        self.settings = {"log": {"level": "notice"}, "pool": {"processes": 2, "generations": 64}}

    def serve(self, *more, **settings):
        self.settings.update(settings)
        return self.tcpd(*self.untouched(), *more, **self.settings)

    def untouched(self, **changed):
        """The services that all connections of the load go to."""
        return [service("echo", **changed), service("greet"),
                service("echo-unix", "echo", self.unix)]

    def load(self, daemon, **options):
        wanted = traffic.targets(daemon, "echo", "greet", "echo-unix")
        self.assertEqual(len(wanted), 3)
        return traffic.start(self, wanted, rate=RATE, lasting=LASTING, **options)

    def run_until(self, seconds, load, step):
        """Calls step(0), step(1), … every half second."""
        begin, i = load.mark()["seconds"], 0
        while True:
            now = load.mark()["seconds"] - begin
            if now >= seconds:
                return i
            if now >= i * EVERY:
                step(i)
                i += 1
            else:
                tcpdproc.span(min(0.05, i * EVERY - now))

    def check_end(self, daemon, load, watch):
        """What is left of a load that is over: nothing."""
        report = load.assert_clean()
        last = watch.assert_clean()
        poll_until(lambda: daemon.done("status")["open"] == 0, WAIT, "the last ones to be closed")
        opened = report["short"]["opened"] + report["long"]["opened"]
        now = services(daemon)
        self.assertEqual(sum(one["accepted"] for one in now.values()), opened)
        self.assertEqual(sum(one["active"] + one["lost"] + one["rejected"]
                             for one in now.values()), 0)
        self.assertGreater(last["echo accepted"], 0)
        tcpdchange.wait_alone(daemon, 2 * WAIT)
        self.assertEqual(tcpdtest.zombies_of(daemon.pid), [])
        print(f"{opened} connections, {report['long']['messages']} messages, longest gap "
              f"{report['longest_gap_ms']:.0f} ms,", end=" ")


class UnderLoad(Loaded):
    def test_good_and_bad(self):
        daemon = self.serve()
        wanted = tcpdchange.descriptors(daemon.pid)
        before = listeners(daemon)
        load, watch = self.load(daemon), tcpdchange.Watch(self, daemon)

        def step(i):
            if i % 2:
                spoil(daemon)
            else:
                rewrite(daemon, *self.untouched(timeouts={"idle": f"{100 + i}s"}),
                        **self.settings)
            if i % 4 < 2:
                daemon.signal(signal.SIGHUP)
                poll_until(lambda: sum(daemon.done("status")["reloads"].values()) == i + 1, WAIT,
                           "the end of the reload")
            elif i % 2:
                daemon.refused("reload")
            else:
                self.assertEqual(daemon.done("reload")["services"]["changed"], ["echo"])
            self.assertEqual(generation(daemon), 1 + (i + 2) // 2)

        steps = self.run_until(tcpdchange.seconds(4), load, step)
        self.assertEqual(daemon.done("status")["reloads"],
                         {"ok": (steps + 1) // 2, "failed": steps // 2})
        self.check_end(daemon, load, watch)
        self.assertEqual(listeners(daemon), before)
        tcpdchange.wait_descriptors(daemon.pid, wanted)
        print(f"{steps} reloads", end=" ")

    def test_listeners_come_and_go(self):
        """Beside those that the load goes to: none of its connections is hurt."""
        port = tcpdtest.free_port()
        other = [service("other", "echo", [f"127.0.0.1:{port}", f"unix:{self.folder}/other"]),
                 service("other", "greet", f"127.0.0.1:{port}"), service("third", "discard"),
                 service("other", "echo", {"address": f"127.0.0.1:{port}", "backlog": 50})]
        daemon = self.serve()
        load, watch = self.load(daemon), tcpdchange.Watch(self, daemon)

        def step(i):
            now = [] if i % 2 else [other[i // 2 % len(other)]]
            rewrite(daemon, *self.untouched(), *now, **self.settings)
            daemon.done("reload")
            if now and now[0]["name"] == "other":
                with tcpdtest.connect(f"127.0.0.1:{port}") as client:
                    client.sendall(b"hello\n")
                    self.assertTrue(client.recv_exact(6))

        self.run_until(tcpdchange.seconds(2, 0.2), load, step)
        load.assert_clean()
        self.assertEqual(watch.assert_clean()["reloads failed"], 0)
        poll_until(lambda: daemon.done("status")["open"] == 0, WAIT, "the last ones to be closed")


def can_filter():
    """Whether a filter can be put on a socket: not every system lets an ordinary user do that."""
    all_pass = struct.pack("HBBI", 0x06, 0, 0, 0xffffffff)  # BPF_RET
    instructions = ctypes.create_string_buffer(all_pass)
    program = struct.pack("HxxxxxxP", 1, ctypes.addressof(instructions))
    with socket.socket() as probe:
        try:
            probe.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
        except PermissionError:
            return False
    return True


class Removed(Loaded):
    """A listener that is loaded itself is removed: who was queued there is served."""

    def setUp(self):
        super().setUp()
        self.port = tcpdtest.free_port()
        self.loaded = service("loaded", "echo", f"127.0.0.1:{self.port}")

    @unittest.skipUnless(can_filter(), "nobody may be kept from beginning to connect here")
    def test_queued_is_served(self):
        """Connections are made as fast as it goes until they are refused; every one of them that
        was made has its answer, and then the same address is there again at once."""
        daemon = self.serve(self.loaded)
        load = self.load(daemon)
        for _ in range(1 + int(tcpdchange.SOAK / 20)):
            crowd = Crowd(self.port)
            self.addCleanup(crowd.end)
            poll_until(lambda: crowd.answered > 100, WAIT, "the crowd")
            rewrite(daemon, *self.untouched(), **self.settings)
            self.assertEqual(daemon.done("reload")["services"]["removed"], ["loaded"])
            poll_until(lambda: crowd.refused, WAIT, "the crowd to be refused")
            rewrite(daemon, *self.untouched(), self.loaded, **self.settings)
            daemon.done("reload")
            with tcpdtest.connect(f"127.0.0.1:{self.port}") as client:
                tcpdchange.echoes(client)
            crowd.end()
            self.assertEqual(crowd.broken, [])
        load.assert_clean()

    def test_begun_is_served(self):
        """Connected, as the client sees it; its kernel keeps the last segment of the handshake back
        for 200 ms, so that the listener goes before the connection is in the kernel's queue."""
        daemon = self.serve(self.loaded)

        def begin():
            for client in clients:
                client.close()
            clients[:] = [late_client(self.port) for _ in range(10)]
            rewrite(daemon, *self.untouched(), **self.settings)
            daemon.done("reload")
            if begun(self.port) == 10:
                return True
            rewrite(daemon, *self.untouched(), self.loaded, **self.settings)
            daemon.done("reload")
            return False

        clients = []
        poll_until(begin, 8 * WAIT, "a reload within those 200 ms")
        poll_until(lambda: begun(self.port) == 0, WAIT, "the end of the handshakes")
        for client in clients:
            with client:
                client.sendall(b"begun")
                self.assertEqual(client.recv(5, socket.MSG_WAITALL), b"begun")

    def test_queued_while_the_children_are_held_up(self):
        """The queue of the kernel is long when the listener goes."""
        daemon = self.serve(self.loaded)
        load = self.load(daemon)
        children = daemon.children()
        for pid in children:
            os.kill(pid, signal.SIGSTOP)
        queued = [tcpdtest.connect(f"127.0.0.1:{self.port}") for _ in range(300)]
        for client in queued:
            self.addCleanup(client.close)
            client.sendall(b"queued")
        rewrite(daemon, *self.untouched(), **self.settings)
        daemon.done("reload")
        self.assertEqual([one["state"] for one in generations(daemon).values()],
                         ["current", "draining"])
        for pid in children:
            os.kill(pid, signal.SIGCONT)
        for client in queued:
            client.expect(b"queued")
            client.close()
        load.assert_clean(late=True)


def late_client(port):
    """The acknowledgement of the server's SYN waits for data to go with it (tcp(7))."""
    client = socket.socket()
    client.settimeout(WAIT)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
    client.connect(("127.0.0.1", port))
    return client


def begun(port):
    """How many handshakes with that port are not over: those in the state SYN_RECV (proc(5))."""
    with open("/proc/net/tcp", encoding="ascii") as file:
        fields = [line.split() for line in file]
    return sum(field[1].endswith(f":{port:04X}") and field[3] == "03" for field in fields)


class Crowd:
    """Connects, has one answer and leaves, from some threads, until it is refused."""

    def __init__(self, port):
        self.port, self.answered, self.refused, self.broken = port, 0, 0, []
        self.ending = threading.Event()
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(4)]
        for thread in self.threads:
            thread.start()

    def _run(self):
        while not self.ending.is_set():
            try:
                client = tcpdtest.connect(f"127.0.0.1:{self.port}")
            except ConnectionRefusedError:
                self.refused += 1
                return
            try:
                with client:
                    tcpdchange.echoes(client)
                    self.answered += 1
            except (OSError, AssertionError) as error:
                self.broken.append(f"{client.name}: {error!r}")

    def end(self):
        self.ending.set()
        for thread in self.threads:
            thread.join(WAIT)


if __name__ == "__main__":
    tcpdtest.main()
