# SPDX-License-Identifier: MIT
"""A child or the master dies: what is lost is what the dead one held, and nothing else."""

import os
import re
import signal
import threading
import time

import tcpdproc
import tcpdtest
from tcpdproc import SLOW, RUNS_UNDER, is_gone, kill_child, poll_until, wait_children, wait_gone
from tcpdtest import WAIT

ANSWERED_AFTER = 0.2  # seconds within which somebody is served again
CRASHES = 10

# What a child dies of.  A sanitizer reports SEGV as a fault of the program.
DEATHS = [signal.SIGKILL, signal.SIGABRT, signal.SIGBUS, signal.SIGSEGV]
if RUNS_UNDER in ("asan", "tsan", "ubsan"):
    DEATHS = DEATHS[:2]


class Connecting(threading.Thread):
    """Connects, has one answer and leaves, again and again."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.address = address
        self.ending = threading.Event()
        self.answered, self.lost, self.failed = [], 0, []  # the first: when
        self.start()

    def run(self):
        while not self.ending.is_set():
            try:
                client = tcpdtest.connect(self.address)
            except OSError as error:
                self.failed.append(error)
                continue
            try:
                client.sendall(b"x")
                client.expect(b"x")
                self.answered.append(time.monotonic())
            except (OSError, AssertionError):
                self.lost += 1  # the dead child held it
            finally:
                client.close()

    def end(self):
        self.ending.set()
        self.join(WAIT)


class Crash(tcpdtest.TestCase):
    def connecting(self, daemon, count):
        threads = [Connecting(daemon.address("echo")) for _ in range(count)]
        for thread in threads:
            self.addCleanup(thread.end)
        return threads

    def test_child_under_load(self):
        daemon = self.tcpd("echo")
        threads = self.connecting(daemon, 4)
        deaths = []
        for _ in range(3):
            answered = [len(thread.answered) for thread in threads]
            poll_until(lambda: all(len(thread.answered) > before + 20
                                   for thread, before in zip(threads, answered)),
                       WAIT, "everyone to be served")
            [child] = daemon.children()
            deaths.append(time.monotonic())
            os.kill(child, signal.SIGKILL)
            wait_children(daemon, 1, without=[child])
            poll_until(lambda: any(thread.answered and thread.answered[-1] > deaths[-1]
                                   for thread in threads), WAIT, "the next answer")
        for thread in threads:
            thread.end()
        self.assertEqual([thread.failed for thread in threads], [[]] * 4, "failed connects")
        self.assertLessEqual(sum(thread.lost for thread in threads), 3 * len(threads))
        first = deaths[0]  # the later ones are made good with a back-off
        after = min(at for thread in threads for at in thread.answered if at > first + 0.001)
        print(f"served again after {1000 * (after - first):.0f} ms", end=" ")
        self.assertLess(after - first, ANSWERED_AFTER * SLOW)
        account = tcpdproc.end(daemon)
        self.assertEqual(len(daemon.lines("child_died")), 3)
        # Places are given back; what a dead child held, which may have been answered and not yet
        # closed, stays accepted and is never closed.
        self.assertEqual(account["active"], 0)
        self.assertGreaterEqual(account["accepted"],
                                sum(len(thread.answered) for thread in threads))
        self.assertLessEqual(account["closed"], account["accepted"])
        self.assertLessEqual(account["accepted"] - account["closed"], 2 * 3 * len(threads))

    def test_next_connection(self):
        """Nobody is connecting when it dies: who comes first is answered at once."""
        daemon = self.tcpd("echo")
        [child] = daemon.children()
        begin = time.monotonic()
        os.kill(child, signal.SIGKILL)
        client = daemon.connect("echo")
        client.sendall(b"x")
        client.expect(b"x")
        self.assertLess(time.monotonic() - begin, ANSWERED_AFTER * SLOW)

    def test_other_child_is_untouched(self):
        daemon = self.tcpd("echo", pool={"processes": 2})
        clients = [daemon.connect("echo") for _ in range(40)]
        for client in clients:
            client.sendall(b"before")
            client.expect(b"before")
        children = daemon.children()
        held = {pid: self.held_by(pid) for pid in children}
        self.assertEqual(sum(map(len, held.values())), 40, f"who holds what: {held}")
        victim = max(children, key=lambda pid: len(held[pid]))
        kill_child(daemon, victim)
        wait_children(daemon, 2, without=[victim])
        lost = 0
        for client in clients:
            if client.getsockname()[1] in held[victim]:
                lost += 1
                with self.assertRaises((ConnectionError, AssertionError)):
                    client.sendall(b"after")
                    client.expect(b"after")
            else:
                client.sendall(b"after")
                client.expect(b"after")
        self.assertGreater(lost, 0)
        account = tcpdproc.end(daemon)
        self.assertEqual((account["accepted"], account["closed"], account["active"]),
                         (40, 40 - lost, 0))

    def held_by(self, pid):
        """The ports of the peers of a process's connections."""
        inodes = {link[len("socket:["):-1] for link in tcpdproc.descriptors(pid).values()
                  if link.startswith("socket:[")}
        ports = set()
        with open(f"/proc/{pid}/net/tcp", encoding="ascii") as file:
            for line in file.readlines()[1:]:
                words = line.split()
                port = int(words[2].rpartition(":")[2], 16)
                if words[9] in inodes and port:
                    ports.add(port)
        return ports

    def test_place_is_given_back(self):
        """The places under a limit that a dead child held are free again."""
        daemon = self.tcpd(tcpdtest.service("echo", limits={"connections": 3}),
                           pool={"processes": 2})
        holder, other = daemon.children()
        os.kill(other, signal.SIGSTOP)
        held = [daemon.connect("echo") for _ in range(3)]
        for client in held:
            client.sendall(b"x")
            client.expect(b"x")
        os.kill(other, signal.SIGCONT)
        waiting = daemon.connect("echo")
        waiting.sendall(b"y")
        self.assertFalse(waiting.has_input(0.3))
        kill_child(daemon, holder)
        waiting.expect(b"y")
        wait_children(daemon, 2, without=[holder])
        account = tcpdproc.end(daemon)
        self.assertEqual((account["accepted"], account["closed"], account["active"]), (4, 1, 0))

    def test_ten_in_a_row(self):
        """Each early death makes the next start later; the master lives and serves."""
        daemon = self.tcpd("echo")
        for crash in range(CRASHES):
            [child] = wait_children(daemon, 1)
            poll_until(lambda pid=child: tcpdproc.title(pid).startswith("tcpd: child"), WAIT,
                       "the child to begin")
            kill_child(daemon, child, DEATHS[crash % len(DEATHS)])
        poll_until(lambda: len(daemon.lines("child_died")) == CRASHES, WAIT, "the last death")
        client = daemon.connect("echo")  # the kernel's queue holds it
        client.sendall(b"x")
        client.expect(b"x")
        waits = [int(ms) for ms in re.findall(r"the next one starts in (\d+) ms", daemon.log())]
        self.assertEqual(waits, [100, 200, 400, 800, 1600, 3200, 3200, 3200, 3200])
        client.close()
        died = daemon.lines("child_died")
        self.assertEqual(len(died), CRASHES)
        self.assertEqual({line["pid"] for line in died} & set(daemon.children()), set())
        account = tcpdproc.end(daemon)
        self.assertEqual((account["accepted"], account["closed"], account["active"]), (1, 1, 0))

    def test_stop_during_back_off(self):
        """A child that is not there yet keeps nobody waiting."""
        daemon = self.tcpd("echo")
        for _ in range(4):
            [child] = wait_children(daemon, 1)
            kill_child(daemon, child)
        daemon.wait_log(r"starts in 400 ms")
        tcpdproc.end(daemon)
        self.assertEqual(daemon.children(), [])

    def test_signals_that_children_die_of(self):
        for number in DEATHS:
            with self.subTest(signal=number.name):
                daemon = self.tcpd("echo")
                [child] = daemon.children()
                kill_child(daemon, child, number)
                client = daemon.connect("echo")
                client.sendall(b"x")
                client.expect(b"x")
                daemon.wait_log("child_died ")  # the new child may answer before the line is out
                [line] = daemon.lines("child_died")
                self.assertEqual(line["pid"], child)
                self.assertEqual(line["signal"], number)
                daemon.stop()

    def test_children_ignored_by_the_starter(self):
        """SIG_IGN for CHLD is inherited, and would make the kernel reap our children."""
        daemon = self.tcpd("echo", prefix=tcpdproc.run_after(
            "import signal\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)"))
        [child] = daemon.children()
        kill_child(daemon, child)
        wait_children(daemon, 1, without=[child])

    # The master.

    def kill_master(self, daemon):
        children = daemon.children()
        self.addCleanup(tcpdproc.kill_left, children)
        daemon.process.kill()
        daemon.process.wait()
        return children

    def test_master_without_connections(self):
        daemon = self.tcpd("echo", pool={"processes": 2}, timeouts={"drain": "1h"})
        wait_gone(self.kill_master(daemon), WAIT)

    def test_master_with_a_connection(self):
        """What is open is finished; nobody else is let in; then the children leave."""
        daemon = self.tcpd("echo", pool={"processes": 2}, timeouts={"drain": "1h"})
        client = daemon.connect("echo")
        client.sendall(b"before")
        client.expect(b"before")
        children = self.kill_master(daemon)

        def is_refused():
            try:
                tcpdtest.connect(daemon.address("echo")).close()
                return False
            except ConnectionRefusedError:
                return True

        poll_until(is_refused, WAIT, "the port to be free")
        client.sendall(b"after")
        client.expect(b"after")
        self.assertTrue(any(not is_gone(pid) for pid in children))
        client.finish()
        client.expect_eof()
        wait_gone(children, WAIT)

    def test_master_with_a_connection_that_stays(self):
        daemon = self.tcpd("echo", timeouts={"drain": "1s"})
        client = daemon.connect("echo")
        client.sendall(b"before")
        client.expect(b"before")
        children = self.kill_master(daemon)
        wait_gone(children, WAIT)
        self.assertEqual(daemon.wait_closed(client)["reason"], "drain")


if __name__ == "__main__":
    tcpdtest.main()
