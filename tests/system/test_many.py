# SPDX-License-Identifier: MIT
"""Ten thousand connections at once."""

import re
import select
import socket
import time

import tcpdproc
import tcpdtest
from tcpdproc import RUNS_UNDER
from tcpdtest import WAIT, poll_until

WANTED = 10000
OWN = 200  # descriptors of the test itself and of the daemon
MESSAGE = b"one of many"


def how_many():
    """As many as the limits of both sides allow, at most WANTED."""
    return min(WANTED, tcpdproc.use_all_descriptors() - OWN)


class Crowd:
    """Many clients in one thread."""

    def __init__(self, address):
        self.target = tcpdtest.target_of(address)[1]
        self.sockets = {}

    def connect(self, count):
        for _ in range(count):
            client = socket.create_connection(self.target, WAIT)
            client.setblocking(False)
            self.sockets[client.fileno()] = client

    def talk(self):
        """Each sends, and has to have it back."""
        missing = {}
        with select.epoll(len(self.sockets)) as poll:
            for fd, client in self.sockets.items():
                poll.register(fd, select.EPOLLIN)
                missing[fd] = len(MESSAGE)
                client.sendall(MESSAGE)
            deadline = time.monotonic() + 6 * WAIT
            while missing:
                if time.monotonic() > deadline:
                    raise AssertionError(f"{len(missing)} of {len(self.sockets)} have no answer")
                for fd, _ in poll.poll(WAIT):
                    self._take(fd, missing)

    def _take(self, fd, missing):
        part = self.sockets[fd].recv(len(MESSAGE))
        at = len(MESSAGE) - missing[fd]
        if not part or not MESSAGE[at:].startswith(part):
            raise AssertionError(f"expected {MESSAGE[at:]!r}, got {part!r}")
        missing[fd] -= len(part)
        if missing[fd] == 0:
            del missing[fd]

    def close(self):
        for client in self.sockets.values():
            client.close()
        self.sockets.clear()


def watched_by_each_worker(pid):
    """The number of sockets in the epoll set of each worker, as /proc tells; the set that holds
    the listener is the acceptor's."""
    links = tcpdproc.descriptors(pid)
    numbers = []
    for fd, link in links.items():
        if "eventpoll" in link:
            with open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii") as file:
                watched = [int(tfd) for tfd in re.findall(r"^tfd:\s*(\d+)", file.read(), re.M)]
            numbers.append(sum(1 for tfd in watched if links.get(tfd, "").startswith("socket:")))
    return sorted(numbers)


class Many(tcpdtest.TestCase):
    def run_with(self, processes, threads):
        count = how_many()
        if count < 100:
            self.skipTest(f"only {count} connections fit into the hard RLIMIT_NOFILE")
        if RUNS_UNDER == "valgrind":
            count = min(count, 500)
        daemon = self.tcpd("echo", pool={"processes": processes, "threads": threads},
                           log={"level": "notice"})
        children = daemon.children()
        crowd = Crowd(daemon.address("echo"))
        self.addCleanup(crowd.close)

        descriptors = [len(tcpdproc.descriptors(pid)) for pid in children]

        # One round of a tenth warms up what is kept for later.
        crowd.connect(count // 10)
        crowd.talk()
        crowd.close()
        self.wait_descriptors(children, descriptors)
        memory = [tcpdtest.memory_of(pid) for pid in children]

        begin = time.monotonic()
        crowd.connect(count)
        crowd.talk()
        print(f"{count} connections answered in {time.monotonic() - begin:.2f} s "
              f"(processes: {processes})", end=" ")
        self.check_shares(children, count, threads)
        crowd.talk()
        full = [tcpdtest.memory_of(pid) for pid in children]
        self.assertEqual(daemon.children(), children, "a child was lost")

        crowd.close()
        self.wait_descriptors(children, descriptors)
        if not RUNS_UNDER:
            for pid, before, most in zip(children, memory, full):
                self.assertLess(tcpdtest.memory_of(pid), before + (4 << 20), "bytes of memory")
                self.assertLess(most - before, count * 2048 + (4 << 20), "bytes of memory")
        account = tcpdproc.end(daemon)
        total = count + count // 10
        self.assertEqual((account["accepted"], account["closed"], account["active"]),
                         (total, total, 0))

    def wait_descriptors(self, children, wanted):
        poll_until(lambda: [len(tcpdproc.descriptors(pid)) for pid in children] == wanted, WAIT,
                   f"the children to have {wanted} descriptors again")

    def check_shares(self, children, count, threads):
        """No worker has more than 1.3 times its share of what its child holds."""
        held = 0
        for pid in children:
            workers = watched_by_each_worker(pid)[-threads:]
            share = sum(workers) / threads
            held += sum(workers)
            if share > 100:
                self.assertLess(max(workers), 1.3 * share, f"the workers of a child: {workers}")
        self.assertGreaterEqual(held, count)

    def test_one_process(self):
        self.run_with(1, 2)

    def test_two_processes(self):
        self.run_with(2, 2)


if __name__ == "__main__":
    tcpdtest.main()
