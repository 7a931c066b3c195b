# SPDX-License-Identifier: MIT
"""limits.queue_delay: new connections are refused while others wait for a worker for too long.

A worker is held up by ptrace(2), which stops one thread and leaves the acceptor alone."""

import contextlib
import ctypes
import os
import signal
import threading
import time
import unittest

import tcpdproc
import tcpdtest
from tcpdtest import poll_until

DELAY = 0.05 * tcpdtest.SLOW
INTERVAL = 0.1

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WALL = 0x40000000  # __WALL of waitpid(2): threads too


def ptrace(request, thread):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    if libc.ptrace(request, thread, None, None) < 0:
        raise unittest.SkipTest(f"ptrace(2) of a thread: {os.strerror(ctypes.get_errno())}")


@contextlib.contextmanager
def held(threads):
    """These threads do nothing until the block ends."""
    try:
        for thread in threads:
            ptrace(PTRACE_SEIZE, thread)
            ptrace(PTRACE_INTERRUPT, thread)
            os.waitpid(thread, WALL)
        yield
    finally:
        for thread in threads:
            with contextlib.suppress(unittest.SkipTest):
                ptrace(PTRACE_DETACH, thread)


def workers(pid):
    return [thread for thread in tcpdproc.threads(pid)
            if tcpdproc.name_of_thread(pid, thread).startswith("worker")]


class QueueDelay(tcpdtest.TestCase):
    def start(self, threads=1, queue=1024, processes=1, **limits):
        return self.tcpd("echo", pool={"threads": threads, "queue": queue,
                                       "processes": processes},
                         limits={"queue_delay": DELAY, **limits})

    def come(self, daemon):
        """A client that has said "x", or None: it was reset already."""
        try:
            client = daemon.connect("echo")
            client.sendall(b"x")
            return client
        except (ConnectionResetError, BrokenPipeError):
            return None

    def is_refused(self, daemon):
        """Whether a new client is reset.  One that is left to wait is kept for `waiting`."""
        client = self.come(daemon)
        if not client:
            return True
        try:
            if not client.has_input(within=0.02):
                self.waiting.append(client)
                return False
            client.expect(b"x")
            return False
        except ConnectionResetError:
            return True

    def setUp(self):
        self.waiting = []

    def expect_served(self):
        """Those that were let in; of some the refusal may have come late, on a busy machine."""
        served = 0
        for client in self.waiting:
            with contextlib.suppress(ConnectionResetError):
                client.expect(b"x")
                served += 1
        self.assertGreater(served, 0)
        self.waiting = []

    def rejected(self, daemon, kind="rejected"):
        text = daemon.done("metrics")["text"]
        label = f'tcpd_connections_{kind}_total{{service="echo",reason="overload"}} '
        return int(text.partition(label)[2].split("\n")[0])

    def test_begins_and_ends(self):
        daemon = self.start()
        self.assertFalse(self.is_refused(daemon))
        with held(workers(daemon.children()[0])):
            begun = time.monotonic()
            poll_until(lambda: self.is_refused(daemon))
            self.assertGreater(time.monotonic() - begun, DELAY + INTERVAL)
            self.assertTrue(self.waiting)
            for _ in range(20):
                self.assertTrue(self.is_refused(daemon), "until somebody comes for them")
            told = daemon.done("explain", address="127.0.0.1", service="echo")
            self.assertEqual((told["decision"], told["rule"]["setting"], told["rule"]["reason"]),
                             ("refused", "limits.queue_delay", "overload"))
            self.assertGreater(told["limits"][0]["now"], DELAY + INTERVAL)
        line = poll_until(lambda: daemon.lines("rejected"))[0]
        self.assertEqual((line["service"], line["reason"]), ("echo", "overload"))
        self.assertGreaterEqual(self.rejected(daemon), 21)
        self.expect_served()
        told = daemon.done("explain", address="127.0.0.1", service="echo")
        self.assertEqual((told["decision"], told["limits"][0]["now"]), ("admitted", 0))
        before = self.rejected(daemon)
        for _ in range(20):
            self.assertFalse(self.is_refused(daemon), "at once")
        self.assertEqual(self.rejected(daemon), before)
        slow = self.waits_above(daemon, 0.05)
        self.assertGreater(slow, 0, "the histogram shows it")

    def waits_above(self, daemon, seconds):
        text = daemon.done("metrics")["text"]
        def at(label):
            return int(text.partition(f"tcpd_queue_wait_seconds{label} ")[2].split("\n")[0])
        return at("_count") - at(f'_bucket{{le="{seconds:g}"}}')

    def test_off_by_default(self):
        daemon = self.start(queue_delay=0)
        with held(workers(daemon.children()[0])):
            until = time.monotonic() + 3 * (DELAY + INTERVAL)
            while time.monotonic() < until:
                self.assertFalse(self.is_refused(daemon))
        self.assertEqual(self.rejected(daemon), 0)
        self.expect_served()

    def test_one_good_worker_is_enough(self):
        daemon = self.start(threads=2)
        with held(workers(daemon.children()[0])[:1]):
            until = time.monotonic() + 3 * (DELAY + INTERVAL)
            while time.monotonic() < until:
                self.assertFalse(self.is_refused(daemon))
        self.assertEqual(self.rejected(daemon), 0)
        self.expect_served()

    def test_another_child_is_enough(self):
        """The one whose worker is late refuses the first, and leaves the others to the other."""
        daemon = self.start(processes=2)
        one, other = daemon.children()
        with held(workers(one)):
            until = time.monotonic() + 4 * (DELAY + INTERVAL)
            come = 0
            while time.monotonic() < until or come < 100:
                self.is_refused(daemon)
                come += 1
            self.assertLessEqual(self.rejected(daemon), 3)
            told = daemon.done("explain", address="127.0.0.1", service="echo")
            self.assertEqual(told["decision"], "admitted")
            with held(workers(other)):
                poll_until(lambda: self.is_refused(daemon) and self.is_refused(daemon))
        self.expect_served()
        for _ in range(20):
            self.assertFalse(self.is_refused(daemon))

    def test_behind_full_queues(self):
        """Those that wait in the kernel's queue are refused in their turn, though nobody tells the
        acceptor of any room."""
        daemon = self.start(queue=2)
        with held(workers(daemon.children()[0])):
            clients = [self.come(daemon) for _ in range(8)]
            poll_until(lambda: self.rejected(daemon) == 6)
            for client in clients[2:]:
                if client:
                    client.expect_reset()
        for client in clients[:2]:
            client.expect(b"x")
        self.assertFalse(self.is_refused(daemon))

    def test_full_queues_without_it(self):
        daemon = self.start(queue=1, queue_delay=0)
        with held(workers(daemon.children()[0])):
            clients = [self.come(daemon) for _ in range(3)]
            told = poll_until(lambda: self.not_admitted(daemon))
            self.assertEqual((told["decision"], told["rule"]["setting"]), ("queued", "pool.queue"))
        for client in clients:
            client.expect(b"x")

    def not_admitted(self, daemon):
        told = daemon.done("explain", address="127.0.0.1", service="echo")
        return told if told["decision"] != "admitted" else None

    def test_silent_peers_are_no_delay(self):
        """Nobody says anything that would wake the worker, and nobody is sent away: they are
        handed over after half of the delay, and not after the usual 100 ms."""
        daemon = self.start(queue_delay="50ms")
        until = time.monotonic() + 4 * (DELAY + INTERVAL)
        count = 0
        while time.monotonic() < until:
            daemon.connect("echo").has_input(within=0.01)
            count += 1
        poll_until(lambda: f"tcpd_queue_wait_seconds_count {count}\n" in
                   daemon.done("metrics")["text"])
        self.assertEqual(self.rejected(daemon), 0)
        self.assertLess(self.waits_above(daemon, 0.05), count / 4)

    def test_a_stopped_child_is_no_delay(self):
        """What has waited in the kernel's queue meets workers that are well."""
        daemon = self.start()
        child = daemon.children()[0]
        os.kill(child, signal.SIGSTOP)
        timer = threading.Timer(3 * (DELAY + INTERVAL), os.kill, (child, signal.SIGCONT))
        timer.start()
        clients = [self.come(daemon) for _ in range(20)]
        timer.join()
        for client in clients:
            client.expect(b"x")

    def test_trial(self):
        daemon = self.start(enforce=False)
        with held(workers(daemon.children()[0])):
            poll_until(lambda: not self.is_refused(daemon) and
                       self.rejected(daemon, "would_reject"))
        self.expect_served()
        self.assertEqual(self.rejected(daemon), 0)
        self.assertEqual(poll_until(lambda: daemon.lines("would_reject"))[0]["reason"], "overload")

    def test_access_is_told_first(self):
        """Who may not come in at all hears that, not to come again later."""
        echo = tcpdtest.service("echo", access={"deny": "127.0.0.0/8"})
        greet = tcpdtest.service("greet")
        daemon = self.tcpd(echo, greet, pool={"threads": 1}, limits={"queue_delay": DELAY})
        with held(workers(daemon.children()[0])):
            daemon.connect("greet")
            poll_until(lambda: self.is_late(daemon))
            self.come(daemon)
            line = poll_until(lambda: [one for one in daemon.lines("rejected")
                                       if one["service"] == "echo"])[0]
            self.assertEqual(line["reason"], "access")

    def is_late(self, daemon):
        with contextlib.suppress(ConnectionResetError):
            daemon.connect("greet")
        return [one for one in daemon.lines("rejected") if one["reason"] == "overload"]


if __name__ == "__main__":
    tcpdtest.main()
