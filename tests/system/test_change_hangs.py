# SPDX-License-Identifier: MIT
"""What a reload or an upgrade waits for never comes: after ten seconds it is given up, and nobody
else has waited."""

import signal
import time

import tcpdproc
import tcpdtest
from tcpdchange import Installed, descriptors, echoes, generation, wait_descriptors
from tcpdproc import SLOW, Strace
from tcpdtest import WAIT, poll_until

GIVEN_UP_AFTER = 10


class Hangs(tcpdtest.TestCase):
    def is_at_your_service(self, daemon):
        """It answers at once, clients and those who steer it."""
        begin = time.monotonic()
        with daemon.connect("echo") as client:
            echoes(client)
        self.assertEqual(generation(daemon), 1)
        self.assertLess(time.monotonic() - begin, 1 * SLOW)

    def trial_of(self, daemon, children):
        """The process that tries what is asked for."""
        return poll_until(lambda: set(daemon.children()) - set(children), WAIT, "the trial").pop()

    def check_given_up(self, daemon, wanted, begin, what):
        daemon.wait_log(rf"error: {what} failed: .*it took too long and was ended",
                        GIVEN_UP_AFTER + WAIT)
        self.assertGreater(time.monotonic() - begin, GIVEN_UP_AFTER - 1)
        self.is_at_your_service(daemon)
        wait_descriptors(daemon.pid, wanted)
        self.assertEqual(tcpdtest.zombies_of(daemon.pid), [])

    def test_file_and_binary(self):
        """A file system that never answers, and a binary that does nothing: at the same time, as
        both take their time."""
        installed = Installed(self)
        reloaded = self.tcpd("echo")
        upgraded = self.tcpd("echo", program=installed.path)
        all_of = {daemon: (descriptors(daemon.pid), daemon.children())
                  for daemon in (reloaded, upgraded)}
        strace = Strace(self, [reloaded.pid], "-e", "trace=openat", "-P", reloaded.config,
                        "-e", "inject=openat:signal=SIGSTOP")
        installed.put_script("#!/bin/sh\nsleep 1000\n")
        begin = time.monotonic()
        reloaded.signal(signal.SIGHUP)
        upgraded.signal(signal.SIGUSR2)
        trials = [self.trial_of(daemon, all_of[daemon][1]) for daemon in all_of]
        poll_until(lambda: tcpdproc.state(trials[0]) == "T" or strace.lines(), WAIT,
                   "the file to be read")
        sleeping = poll_until(lambda: children_of(trials[1]), WAIT, "the script to sleep")
        for daemon in all_of:
            self.is_at_your_service(daemon)
        self.check_given_up(reloaded, all_of[reloaded][0], begin, "reload")
        self.check_given_up(upgraded, all_of[upgraded][0], begin, "upgrade")
        tcpdproc.wait_gone([*trials, *sleeping])
        strace.stop()
        installed.put(installed.next)
        self.assertEqual(reloaded.done("reload")["generation"], 2)
        self.assertEqual(upgraded.done("upgrade")["version"], installed.next)

    def test_stop_meanwhile(self):
        """It does not wait for what hangs, and leaves nothing of it."""
        installed = Installed(self)
        daemon = self.tcpd("echo", program=installed.path)
        children = daemon.children()
        installed.put_script("#!/bin/sh\nsleep 1000\n")
        daemon.signal(signal.SIGUSR2)
        trial = self.trial_of(daemon, children)
        sleeping = poll_until(lambda: children_of(trial), WAIT, "the script to sleep")
        daemon.signal(signal.SIGTERM)
        self.assertEqual(daemon.wait_left(), 0)
        daemon.check_accounts()
        tcpdproc.wait_gone([trial, *sleeping])


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


if __name__ == "__main__":
    tcpdtest.main()
