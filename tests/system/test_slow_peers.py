# SPDX-License-Identifier: MIT
"""Slow peers in thousands: they cost nobody else anything, and each is cut at its time-out.

Half-open (silent, or silent in the middle of a PROXY header), a byte at a time (of a header that
never ends, or for ever) and with a window of zero (nothing is read of what the server sends), as
many of each as there are of the others.  Some hundred of each in make check; five thousand each,
which is the most that one process may hold, with TCPD_TEST_SOAK."""

import collections
import contextlib
import re
import select
import socket
import time

import tcpdchange
import tcpdproc
import tcpdtest
import traffic
from tcpdtest import SLOW, poll_until

EACH = 5000 if tcpdchange.SOAK else int(500 / SLOW)  # of the three kinds
STRETCH = 5 if tcpdchange.SOAK else min(SLOW, 2)  # until all are there, nobody may be cut
WORST = 100 * SLOW  # ms, of the probe's answers
NOISE = 5  # or so many times as long as from a daemon without slow peers, on a machine that is busy
LATE = 1.0 * STRETCH  # s, how much later than its time-out the last one may be cut
BYTES_EVERY = 0.5 * STRETCH  # s, between two bytes of one peer
PACE = 2500  # peers a second that come
FILLING = bytes(16 * 1024)

# Two ways to be slow for each kind: what it is, the service, the reason why it is cut, the time-out
# in seconds, what it begins with, whether a byte follows now and then, whether it goes on to send
# until nothing fits in.
Way = collections.namedtuple("Way", "name service reason timeout begin drips fills")
WAYS = [
    Way("silent", "silent", "idle", 3, b"", False, False),
    Way("half a header", "header", "handshake_timeout", 3, b"PROXY TCP4 192.", False, False),
    Way("a header by bytes", "header", "handshake_timeout", 3, b"PROXY UNKNOWN ", True, False),
    Way("a byte at a time", "drip", "lifetime", 4, b"", True, False),
    Way("chargen unread", "flood", "write_timeout", 2, b"", False, False),
    Way("echo unread", "back", "write_timeout", 2, b"", False, True),
]

# What one of them may add to the daemon's resident memory.  A connection at rest takes 256 bytes
# at most (test_counts.py), the header that has not ended is kept in a buffer, and what waits to be
# sent is at most twice CONN_OUTPUT_HIGH (src/conn/conn.h).
REST, HEADER, OUTPUT = 256, 256, 2 * 64 * 1024
MEMORY = {"silent": REST, "header": REST + HEADER, "drip": REST, "flood": REST + OUTPUT,
          "back": REST + OUTPUT}
KERNEL = 256 * 1024  # what it takes over for a peer that reads nothing: see SOCK_UNSENT_MAX


def timeouts_of(reason, way_timeout):
    """Long ones, but for the one that this service is about."""
    name = {"handshake_timeout": "handshake", "write_timeout": "write"}.get(reason, reason)
    return {"idle": "1h", "write": "1h", "lifetime": "1h", "handshake": "1h",
            name: float(way_timeout * STRETCH)}


def services():
    made = {}
    for way in WAYS:
        kind = {"flood": "chargen", "silent": "discard"}.get(way.service, "echo")
        made[way.service] = tcpdtest.service(way.service, kind,
                                             timeouts=timeouts_of(way.reason, way.timeout))
    made["header"].update(proxy_protocol="required", trusted=["127.0.0.0/8"])
    return [*made.values(), tcpdtest.service("echo")]


class Crowd:
    """All slow peers, moved by one thread."""

    def __init__(self, daemon):
        self.targets = {way: tcpdtest.target_of(daemon.address(way.service))[1] for way in WAYS}
        self.poll = select.epoll()
        self.peers = {}  # by descriptor: socket, way, when it came
        self.filled = {}  # by descriptor: when it could send something the last time
        self.cut = collections.defaultdict(list)  # by way: after how many seconds
        self.stuck = collections.defaultdict(list)  # and how many of them it could send nothing
        self.dripping = collections.deque()  # when it is due, descriptor

    def come(self, way):
        peer = socket.socket()
        if way.reason == "write_timeout":
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        peer.connect(self.targets[way])
        peer.setblocking(False)
        peer.send(way.begin)
        now = time.monotonic()
        self.peers[peer.fileno()] = (peer, way, now)
        self.poll.register(peer, select.EPOLLRDHUP | (select.EPOLLOUT if way.fills else 0))
        if way.drips:
            self.dripping.append((now + BYTES_EVERY, peer.fileno()))

    def leave(self, fd):
        """The daemon has cut it."""
        peer, way, begun = self.peers.pop(fd)
        now = time.monotonic()
        self.cut[way].append(now - begun)
        self.stuck[way].append(now - self.filled.pop(fd, begun))
        peer.close()

    def fill(self, fd):
        with contextlib.suppress(OSError):  # a reset: the next event tells
            self.peers[fd][0].send(FILLING)
            self.filled[fd] = time.monotonic()

    def drip(self):
        """In the order in which they came, so that it is an even rain."""
        now = time.monotonic()
        while self.dripping and self.dripping[0][0] <= now:
            due, fd = self.dripping.popleft()
            if fd in self.peers and self.peers[fd][1].drips:
                with contextlib.suppress(OSError):
                    self.peers[fd][0].send(b"x")
                self.dripping.append((due + BYTES_EVERY, fd))

    def turn(self):
        self.drip()
        for fd, events in self.poll.poll(0.02):
            if events & (select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR):
                self.leave(fd)
            else:
                self.fill(fd)

    def close(self):
        for peer, _, _ in self.peers.values():
            peer.close()
        self.poll.close()


def worst_of(report):
    return max(report["slowest_ms"], report["slowest_message_ms"])


def memory_of(daemon):
    return sum(map(tcpdtest.memory_of, [daemon.pid, *daemon.children()]))


class SlowPeers(tcpdtest.TestCase):
    def crowd(self, daemon):
        """All of them, the kinds mixed, at a pace that leaves the machine some time."""
        crowd = Crowd(daemon)
        self.addCleanup(crowd.close)
        begun = time.monotonic()
        for number in range(EACH // 2):
            for way in WAYS:
                crowd.come(way)
            while time.monotonic() - begun < number * len(WAYS) / PACE:
                crowd.turn()
        self.assertFalse(crowd.cut, "they are all there at once")
        return crowd

    def check_times(self, crowd, noise):
        """Never before the time-out, and soon after it, or in the seconds that the machine keeps
        everybody waiting.  A peer that has just taken what its window holds gets the time-out to
        write once more."""
        for way in WAYS:
            times, least = sorted(crowd.cut[way]), way.timeout * STRETCH
            stuck = max(crowd.stuck[way])
            most = least * (2 if way.reason == "write_timeout" else 1) + LATE + noise
            print(f"{way.name}: {len(times)} cut after {times[0]:.2f} to {times[-1]:.2f} s")
            self.assertEqual(len(times), EACH // 2, way.name)
            self.assertGreaterEqual(times[0], least - 0.05, way.name)
            self.assertLessEqual(stuck, most, way.name)

    def check_reasons(self, daemon):
        """As the metrics count them, all of them, and as the log tells what it had room for."""
        wanted = collections.Counter()
        for way in WAYS:
            wanted[way.service, way.reason] += EACH // 2
        text = daemon.done("metrics")["text"]
        found = {(service, reason): int(count) for service, reason, count in re.findall(
            r'closed_total\{service="(\w+)",reason="(\w+)"\} (\d+)', text)
            if int(count) and service != "echo"}
        self.assertEqual(found, dict(wanted))
        lines = [line for line in daemon.closed() if line["service"] != "echo"]
        told = collections.Counter((line["service"], line["reason"]) for line in lines)
        dropped = daemon.done("status")["log_dropped"]
        self.assertGreaterEqual(sum(told.values()) + dropped, sum(wanted.values()))
        self.assertEqual(set(told), set(wanted))
        for line in lines:
            least = min(way.timeout for way in WAYS if way.service == line["service"])
            self.assertGreaterEqual(line["duration_ms"], least * STRETCH * 1000 - 50, line)
            if line["reason"] == "write_timeout":
                self.assertLess(line["out"], KERNEL, "what the kernel keeps for one")

    def check_memory(self, before, most):
        bound = sum(EACH // 2 * MEMORY[way.service] for way in WAYS)
        print(f"memory: {(most - before) >> 10} KiB more, at most {bound >> 10} KiB")
        if not tcpdproc.RUNS_UNDER:
            self.assertLess(most - before, bound)

    def test_slow_peers(self):
        if 3 * EACH > tcpdproc.use_all_descriptors() - 200:
            self.skipTest("not so many descriptors")
        daemon = self.tcpd(*services(), limits={"connections": 19000})
        probes = [traffic.start(self, traffic.targets(probed, "echo"), rate=100, lasting=20)
                  for probed in (daemon, self.tcpd("echo"))]
        before = memory_of(daemon)
        for probe in probes:
            probe.mark("nobody is there yet")
        crowd = self.crowd(daemon)
        most = before
        until = time.monotonic() + 6 * STRETCH + tcpdtest.WAIT
        while crowd.peers and time.monotonic() < until:
            crowd.turn()
            most = max(most, memory_of(daemon))
        worst, beside = [worst_of(probe.mark("all are gone")["since"]) for probe in probes]
        for probe in probes:
            probe.assert_clean()
        print(f"{3 * (EACH // 2 * 2)} slow peers; the worst answer to a probe took {worst:.1f} ms, "
              f"and {beside:.1f} ms from a daemon beside, which has none")
        self.check_times(crowd, NOISE * beside / 1000)
        self.check_reasons(daemon)
        self.check_memory(before, most)
        self.assertLess(worst, max(WORST, NOISE * beside))
        poll_until(lambda: "tcpd_addresses 0" in daemon.done("metrics")["text"])


if __name__ == "__main__":
    tcpdtest.main()
