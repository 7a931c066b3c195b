# SPDX-License-Identifier: MIT
"""Out of descriptors: new clients wait in the kernel's queue, and the daemon does not spin."""

import os
import resource
import time

import tcpdproc
import tcpdtest
from tcpdproc import Strace, slow_seconds, span, wait_quiet
from tcpdtest import WAIT, poll_until

LIMIT = 64
CLIENTS = 500
SECONDS = 3
ACCEPTS_A_SECOND = 20


def answers(client):
    """Whether what the client has sent came back; it does not wait."""
    return client.has_input(0.001)


class Descriptors(tcpdtest.TestCase):
    def connect_all(self, daemon, count):
        clients = [daemon.connect("echo") for _ in range(count)]
        for client in clients:
            client.sendall(b"hello")
        return clients

    def check_no_spin(self, child):
        """Little CPU time and few system calls while clients wait that cannot be served."""
        before = tcpdtest.cpu_of(child)
        strace = Strace(self, [child], "-e", "trace=accept4,epoll_wait")
        begin = time.monotonic()
        span(SECONDS)
        lasted = time.monotonic() - begin
        accepts, waits = strace.count("accept4"), strace.count("epoll_wait")
        strace.stop()
        self.assertLessEqual(accepts / lasted, ACCEPTS_A_SECOND, "accept calls a second")
        self.assertLessEqual(waits / lasted, 5 * ACCEPTS_A_SECOND, "turns a second")
        used = tcpdtest.cpu_of(child) - before
        self.assertLess(used, slow_seconds(0.1 * lasted), "seconds of CPU time")

    def check_served(self, clients):
        for client in clients:
            client.expect(b"hello")

    def wait_held(self, child):
        """Waits until the child has taken all that it can; returns its number of descriptors."""
        wait_quiet([child])
        return len(tcpdproc.descriptors(child))

    def test_limit_from_the_start(self):
        daemon = self.tcpd("echo", pool={"threads": 2},
                           prefix=tcpdproc.with_descriptors(LIMIT))
        self.assertRegex(daemon.log(), r"limits.connections is cut from 100000 to \d+: "
                                       r"RLIMIT_NOFILE is 64, \d+ of them are tcpd's own")
        [child] = daemon.children()
        clients = self.connect_all(daemon, CLIENTS)
        self.assertLessEqual(self.wait_held(child), LIMIT)
        served = [client for client in clients if answers(client)]
        self.assertGreater(len(served), LIMIT // 2)
        self.assertLess(len(served), LIMIT)
        self.check_no_spin(child)
        self.check_served(served)
        for client in served:  # still held, still served
            client.sendall(b"hello")
        self.check_served(served)
        # Each place that is given back goes to one that waits, until all have had their turn.
        waiting = [client for client in clients if client not in served]
        for client in served:
            client.close()
        while waiting:
            poll_until(lambda: any(map(answers, waiting)), WAIT, "a place for those that wait")
            served = [client for client in waiting if answers(client)]
            self.check_served(served)
            for client in served:
                client.close()
            waiting = [client for client in waiting if client not in served]
        poll_until(lambda: len(daemon.closed()) == CLIENTS, WAIT, "the lines of all clients")

    def test_true_emfile(self):
        """The limit of the running child is lowered, so that accept4 itself fails."""
        # Of another user's process even root may lack the right to lower it.
        user = {"user": "root"} if os.geteuid() == 0 else {}
        daemon = self.tcpd("echo", pool={"threads": 2}, **user)
        [child] = daemon.children()
        held = self.connect_all(daemon, 20)
        self.check_served(held)
        limits = resource.prlimit(child, resource.RLIMIT_NOFILE)
        own = self.wait_held(child)
        resource.prlimit(child, resource.RLIMIT_NOFILE, (own, limits[1]))
        waiting = self.connect_all(daemon, 100)
        daemon.wait_log(r"cannot accept a connection: Too many open files")
        begin = time.monotonic()
        before = daemon.log().count("cannot accept a connection")
        self.check_no_spin(child)
        lines = daemon.log().count("cannot accept a connection") - before
        self.assertLessEqual(lines, time.monotonic() - begin + 1, "lines in the log")
        self.assertGreater(lines, 0, "it said nothing while it could not accept")
        self.assertFalse(any(map(answers, waiting)))
        for client in held:  # still served
            client.sendall(b"hello")
        self.check_served(held)
        # One leaves: one of those that wait comes in.
        held.pop().close()
        poll_until(lambda: any(map(answers, waiting)), WAIT, "the first of those that wait")
        wait_quiet([child], quiet=0.05)
        self.assertEqual(len(list(filter(answers, waiting))), 1)
        # All that were held leave: as many come in.
        for client in held:
            client.close()
        poll_until(lambda: sum(map(answers, waiting)) == 20, WAIT, "the next of those that wait")
        # The limit goes up: nothing in the daemon ends, and yet the rest is served.
        resource.prlimit(child, resource.RLIMIT_NOFILE, limits)
        self.check_served(waiting)


if __name__ == "__main__":
    tcpdtest.main()
