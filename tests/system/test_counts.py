# SPDX-License-Identifier: MIT
"""What a request, a connection and an idle connection cost, in counts that the noise of a machine
does not touch: system calls (strace), user instructions (callgrind), bytes of resident memory.

Fifty clients go in step: what they send meets a child that is stopped, so that it finds all of it
at once when it goes on.  docs/BENCHMARKS.md tells the same figures under free-running load."""

import os
import platform
import resource
import signal
import socket
import sys
import unittest

import tcpdtest

sys.path.insert(0, os.path.join(os.environ.get("srcdir", "."), "bench"))
import measure  # noqa: E402

CLIENTS = 50
MESSAGE = b"m" * 64
HELD = 8000

# The most that each may cost: a little above what is reached.
BOUNDS = {
    "system calls for a request": 2.1,
    "system calls for a connection": 7.5,
    "system calls but waits for a connection that comes alone": 6.5,
    "instructions for a request": 250,
    "instructions for a connection": 2200,
    "instructions for a connection with its line in the log": 5000,
    "bytes for an idle connection": 256,
    "system calls for a refusal": 3.5,
    "instructions for a refusal": 1500,
}

REFUSING = {  # by a list, and by the table of addresses
    "access": {"access": {"deny": ["127.0.0.1"]}},
    "rate": {"limits": {"rate": "1/h"}},
}


def start(tool=(), access=False, rule=None):
    """A tcpd with one worker, limits and time-outs as they are by default, or with a rule that
    refuses, under strace or callgrind."""

    def argv(folder, port):
        settings = {"pool": {"threads": 1}, "log": {"access": access}}
        if os.geteuid() == 0:
            settings["user"] = "root"  # the tool writes into the folder from inside the child
        echo = tcpdtest.service("echo", listen=f"127.0.0.1:{port}", **REFUSING.get(rule, {}))
        path = os.path.join(folder, "tcpd.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write(tcpdtest.configuration([echo], settings))
        return [tcpdtest.TCPD, "-f", "-c", path]

    return measure.Running(argv, prefix=tool)


class InStep:
    """Clients of one child."""

    def __init__(self, server):
        self.server, self.clients = server, []
        self.child = measure.wait_until(lambda: measure.children_of(server.pid), "a child")[0]
        server.uncounted = {server.pid}  # the master is told of every stop
        self.wait_open(0)

    def wait_open(self, count):
        """Until the child has so many connections: it is told by its descriptors."""
        if not hasattr(self, "others"):
            self.others = tcpdtest.wait_still(lambda: measure.descriptors_of(self.child))
        measure.wait_until(lambda: measure.descriptors_of(self.child) == self.others + count,
                           f"{count} open connections", 60)

    def while_stopped(self, act):
        os.kill(self.child, signal.SIGSTOP)
        measure.wait_until(lambda: " T (stopped)" in self.state() or "(tracing" in self.state(),
                           "the child to stop")
        act()
        os.kill(self.child, signal.SIGCONT)

    def state(self):
        return measure.read(f"/proc/{self.child}/status").replace("\t", " ")

    def connect(self):
        for _ in range(CLIENTS):
            self.clients.append(tcpdtest.connect(f"127.0.0.1:{self.server.port}"))

    def send(self):
        for client in self.clients:
            client.sendall(MESSAGE)

    def close(self):
        while self.clients:
            self.clients.pop().close()

    def exchange(self):
        self.while_stopped(self.send)
        for client in self.clients:
            client.expect(MESSAGE)

    def open_all(self):
        self.while_stopped(self.connect)
        self.wait_open(CLIENTS)

    def close_all(self):
        self.while_stopped(self.close)
        self.wait_open(0)


def requests(server, rounds):
    clients = InStep(server)
    clients.open_all()
    for _ in range(rounds):
        clients.exchange()
    clients.close_all()


def connections(server, rounds):
    clients = InStep(server)
    for _ in range(rounds):
        clients.open_all()
        clients.exchange()
        clients.close_all()


def connections_alone(server, rounds):
    """One after the other: nothing is shared, and nobody is stopped."""
    clients = InStep(server)
    for _ in range(rounds * CLIENTS):
        client = tcpdtest.connect(f"127.0.0.1:{server.port}")
        client.sendall(MESSAGE)
        client.expect(MESSAGE)
        client.close()
        clients.wait_open(0)


def refusals(server, rounds):
    """Who came to see whether the server is there has used up what the rate lets in."""
    clients = InStep(server)
    for _ in range(rounds):
        clients.while_stopped(clients.connect)
        for client in clients.clients:
            client.expect_reset()
        clients.close()


def counts_are_known():
    """Other compilers' switches, and other machines, make for other instructions."""
    flags = os.environ.get("TCPD_BUILT_WITH", "-O2").split()
    return "-O2" in flags and "--coverage" not in flags and platform.machine() == "x86_64"


needs_known_code = unittest.skipUnless(counts_are_known(), "not built with -O2 for x86_64")


def needs(tool):
    return unittest.skipUnless(measure.works(tool), f"{tool[0]} is not there, or may not trace")


@tcpdtest.measures
class Counts(unittest.TestCase):
    def check(self, what, counts):
        total = sum(counts.values())
        each = ", ".join(f"{name} {n:.2f}" for name, n in sorted(counts.items()) if abs(n) > 0.004)
        print(f"{what}: {total:.2f}, bound {BOUNDS[what]} ({each})", file=sys.stderr)
        self.assertLessEqual(total, BOUNDS[what], what)

    def count(self, what, tool, work, without=None, **settings):
        counts = measure.counts_of(lambda tool: start(tool, **settings), tool, work, 2, 12)
        counts.pop(without, None)
        self.check(what, {name: n / CLIENTS for name, n in counts.items()})

    @needs(measure.STRACE)
    def test_calls_for_a_request(self):
        self.count("system calls for a request", measure.STRACE, requests)

    @needs(measure.STRACE)
    def test_calls_for_a_connection(self):
        self.count("system calls for a connection", measure.STRACE, connections)

    @needs(measure.STRACE)
    def test_calls_for_a_connection_alone(self):
        """Timers wake the acceptor as well, the more often the slower it all is."""
        self.count("system calls but waits for a connection that comes alone", measure.STRACE,
                   connections_alone, without="epoll_wait")

    @needs(measure.CALLGRIND)
    @needs_known_code
    def test_instructions_for_a_request(self):
        self.count("instructions for a request", measure.CALLGRIND, requests)

    @needs(measure.CALLGRIND)
    @needs_known_code
    def test_instructions_for_a_connection(self):
        self.count("instructions for a connection", measure.CALLGRIND, connections)

    @needs(measure.CALLGRIND)
    @needs_known_code
    def test_instructions_for_a_logged_connection(self):
        self.count("instructions for a connection with its line in the log", measure.CALLGRIND,
                   connections, access=True)

    @needs(measure.STRACE)
    def test_calls_for_a_refusal(self):
        for rule in REFUSING:
            with self.subTest(rule):
                self.count("system calls for a refusal", measure.STRACE, refusals, rule=rule)

    @needs(measure.CALLGRIND)
    @needs_known_code
    def test_instructions_for_a_refusal(self):
        for rule in REFUSING:
            with self.subTest(rule):
                self.count("instructions for a refusal", measure.CALLGRIND, refusals, rule=rule)

    def test_memory_of_an_idle_connection(self):
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        held = min(HELD, most - 200)
        with start() as server:
            clients = InStep(server)
            clients.open_all()
            clients.exchange()
            clients.close_all()
            before = server.memory()
            for _ in range(held):
                clients.clients.append(socket.create_connection(("127.0.0.1", server.port)))
                clients.clients[-1].sendall(MESSAGE)
                clients.clients[-1].recv(len(MESSAGE))
            after = server.memory()
            clients.close()
            self.check("bytes for an idle connection", {"resident": (after - before) / held})
            # Not all: the last tables of the loops stand among the connections.
            tcpdtest.poll_until(lambda: server.memory() - before < (after - before) * 0.75,
                                what="the memory to come back")


if __name__ == "__main__":
    tcpdtest.main()
