# SPDX-License-Identifier: MIT
"""A thousand signals at random moments, during the start, reloads, upgrades and the stop: what was
ordered last is what comes of it, and nothing is left behind."""

import ctypes
import os
import random
import re
import shutil
import signal
import tempfile
import time

import tcpdchange
import tcpdproc
import tcpdtest
from tcpdchange import Installed, echoes, rewrite, spoil
from tcpdtest import SLOW, WAIT, poll_until

SEED = int(os.environ.get("TCPD_TEST_SEED") or time.time_ns() % 1_000_000)
ROUNDS, EACH = 20, 50
if tcpdchange.SOAK:
    ROUNDS *= 3
PR_SET_CHILD_SUBREAPER = 36

HARMLESS = [signal.SIGCHLD, signal.SIGPIPE, signal.SIGALRM, signal.SIGWINCH]
CHANGES = [signal.SIGHUP, signal.SIGUSR2]


def blocks_signals(pid, program):
    """Until it does, one that has just begun dies of them as any other.  TERM is looked at, as the
    libraries of libc block others for a while of their own accord."""
    try:
        if os.readlink(f"/proc/{pid}/exe") != program:
            return False
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            blocked = int(re.search(r"SigBlk:\s*(\w+)", file.read()).group(1), 16)
    except (OSError, AttributeError):
        return False
    return blocked >> (signal.SIGTERM - 1) & 1


class Signals(tcpdtest.TestCase):
    def setUp(self):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)  # an orphan becomes ours
        self.installed = Installed(self)
        self.random = random.Random(SEED)
        print(f"TCPD_TEST_SEED={SEED}", end=" ", flush=True)

    def start(self, name):
        self.installed.put(self.installed.version)
        daemon = self.tcpd("echo", wait=False, program=self.installed.path,
                           timeouts={"drain": 0.3}, pool={"processes": 2, "threads": 1})
        poll_until(lambda: blocks_signals(daemon.pid, self.installed.path), WAIT,
                   f"the start of {name}")
        return daemon

    def shower(self, daemon, count, pause):
        """Signals at random moments, most of them to the master, some to whom it has started."""
        for _ in range(count):
            number = self.random.choice([*CHANGES, *CHANGES, *HARMLESS])
            if number == signal.SIGUSR2:
                self.installed.put(self.random.choice(list(self.installed.builds)))
            others = daemon.children()
            if others and self.random.random() < 0.2:
                self.send(self.random.choice(others), number)
            else:
                self.send(daemon.pid, number)
            tcpdproc.span(self.random.random() * pause)

    def send(self, pid, number):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass

    def status(self, daemon):
        """None while there is nobody to answer: it starts, or becomes another one."""
        try:
            answer = daemon.ask("status")[-1]
            return answer if answer["ok"] else None
        except (OSError, tcpdtest.NoAnswer):
            return None

    def settled(self, daemon, condition, what):
        """The status, when it is as it has to be in the end."""
        def as_ordered():
            self.assertIsNone(daemon.process.poll(), "it has left")
            status = self.status(daemon)
            return status if status and condition(status) else None
        return poll_until(as_ordered, 2 * WAIT, f"{what}; it is {self.status(daemon)}")

    def check_no_harm(self, daemon, children):
        """It has left; so have all that it started, in order."""
        tcpdproc.wait_gone(children, WAIT)
        if tcpdproc.RUNS_UNDER == "asan":
            tcpdproc.wait_gone(orphans({one.pid for one in self.daemons}), WAIT)
        self.assertEqual(orphans({one.pid for one in self.daemons}), [])
        self.assertNotIn("child_died", daemon.log())
        self.assertNotIn("cannot start", daemon.log())

    def wait_obeyed(self, daemon):
        """What is asked for over the control socket comes after all changes that were wanted
        before; and before the second answer, every signal was seen."""
        def reloaded():
            try:
                return daemon.ask("reload")[-1]["ok"]
            except (OSError, tcpdtest.NoAnswer):
                return False  # it became another one when it was asked
        for _ in range(2):
            poll_until(reloaded, 2 * WAIT, "a reload")

    def check_serves(self, daemon):
        """It does all that it did before."""
        self.wait_obeyed(daemon)
        with tcpdtest.connect(tcpdchange.address(daemon, "echo")) as client:
            echoes(client)
        children = daemon.children()
        daemon.stop()
        self.check_no_harm(daemon, children)

    # The last command.

    def end_with_reload(self, daemon, i):
        rewrite(daemon, "echo", "greet", pool={"processes": 1 + i % 3, "threads": 1},
                timeouts={"drain": 0.3})
        self.send(daemon.pid, signal.SIGHUP)
        self.settled(daemon, lambda status: status["processes"] == 1 + i % 3 and
                     status["services"] == 2, "the new configuration to hold")
        self.check_serves(daemon)
        self.assertRegex(daemon.log(), "listening service=greet ")

    def end_with_bad_reload(self, daemon, _):
        self.settled(daemon, lambda status: status["state"] == "serving", "it to serve")
        self.wait_obeyed(daemon)
        before = self.settled(daemon, lambda status: status["generation"], "an answer")
        spoil(daemon)
        self.send(daemon.pid, signal.SIGHUP)
        status = self.settled(daemon, lambda status: status["reloads"]["failed"] >
                              before["reloads"]["failed"], "the reload to fail")
        self.assertEqual((status["generation"], status["services"]), (before["generation"], 1))
        rewrite(daemon, "echo", timeouts={"drain": 0.3})
        self.check_serves(daemon)

    def end_with_upgrade(self, daemon, _):
        self.installed.put(self.installed.next)
        self.send(daemon.pid, signal.SIGUSR2)
        self.settled(daemon, lambda status: status["version"] == self.installed.next,
                     "the other build")
        self.check_serves(daemon)

    def end_with_stop(self, daemon, i):
        """And whatever comes after that; a second one stops at once."""
        children = daemon.children()
        self.send(daemon.pid, signal.SIGTERM)
        self.shower(daemon, 10, 0.002)
        if i % 2:
            self.send(daemon.pid, signal.SIGTERM)
        self.assertEqual(daemon.wait_left(), 0, daemon.log())
        self.check_no_harm(daemon, children)

    def test_thousand(self):
        """Half of the daemons are still starting when the first signals come."""
        ends = [self.end_with_reload, self.end_with_stop, self.end_with_bad_reload,
                self.end_with_upgrade]
        for i in range(ROUNDS):
            end = ends[i % len(ends)]
            with self.subTest(i=i, end=end.__name__, seed=SEED):
                daemon = self.start(f"round {i}")
                if i % 8 >= 4:
                    daemon.wait_started()
                self.shower(daemon, EACH, self.random.choice([0, 0.002, 0.01]) * SLOW)
                end(daemon, i)

    def test_stop_while_it_starts(self):
        """From the first moment on it can be told to stop, and leaves in order."""
        for i in range(10):
            with self.subTest(i=i, seed=SEED):
                daemon = self.start(f"round {i}")
                tcpdproc.span(self.random.random() * 0.01)
                self.end_with_stop(daemon, i)


class WhileReading(tcpdtest.TestCase):
    """The configuration is just being read for the first time."""

    def signalled(self, number):
        if tcpdproc.RUNS_UNDER or not shutil.which("strace"):
            self.skipTest("it takes strace")
        folder = tempfile.mkdtemp(prefix="tcpd-signals-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        path = os.path.join(folder, "tcpd.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(tcpdtest.configuration(["echo"], {}))
        prefix = ["strace", "-D", "-o", os.path.join(folder, "calls"), "-P", path,
                  "-e", "trace=openat", "-e", f"inject=openat:signal={number.name}:when=1"]
        return self.tcpd("echo", prefix=prefix, options=["-c", path])

    def test_reload(self):
        daemon = self.signalled(signal.SIGHUP)
        daemon.wait_log("reload done generation=2")

    def test_upgrade(self):
        daemon = self.signalled(signal.SIGUSR2)
        daemon.wait_log("upgrade done generation=2")


def orphans(known):
    """What has become a child of the test and is no daemon that it has started itself.  When a
    process is killed in which LeakSanitizer looks, its helper is left; it ends by itself."""
    has_gone = tcpdproc.is_gone if tcpdproc.RUNS_UNDER == "asan" else is_unknown
    with open("/proc/thread-self/children", encoding="ascii") as file:
        children = {int(pid) for pid in file.read().split()}
    return [pid for pid in sorted(children - known) if not has_gone(pid)]


def is_unknown(pid):
    return tcpdproc.state(pid) is None


if __name__ == "__main__":
    tcpdtest.main()
