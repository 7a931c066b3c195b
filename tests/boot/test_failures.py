# SPDX-License-Identifier: MIT
"""A master or a child that hangs or dies: what systemd does of it, and what tcpd by itself."""

import os
import signal

from booted import (TCPCTL, BootTest, Callers, Talker, children, is_gone, main_pid, poll_until,
                    processes, run, show, systemctl)


class Failures(BootTest):
    def start(self, watchdog=None):
        if watchdog:
            self.unit("tcpd.service.d/watchdog.conf", f"[Service]\nWatchdogSec={watchdog}\n")
        systemctl("start", "tcpd")
        return main_pid()

    def check_new_master(self, before):
        """It was restarted once, and of the processes before, none is left."""
        self.wait_active(1)
        self.assertNotIn(main_pid(), before)
        poll_until(lambda: all(is_gone(pid) for pid in before), "what was before is gone")
        self.assertFalse(set(before) & set(processes()))
        self.check_echo()

    def test_watchdog_is_fed(self):
        """For longer than it waits: with the first binary, and with the one after an upgrade."""
        pid = self.start("1s")

        def wait_fed(times):
            for _ in range(times):
                before = show("WatchdogTimestampMonotonic")
                poll_until(lambda: show("WatchdogTimestampMonotonic") != before, "it is fed")

        wait_fed(5)
        run(TCPCTL, "upgrade")
        wait_fed(5)
        systemctl("reload", "tcpd")
        wait_fed(5)
        self.assertEqual(main_pid(), pid)
        self.assertEqual(show("NRestarts"), "0")

    def test_hanging_master(self):
        pid = self.start("2s")
        before = processes()
        os.kill(pid, signal.SIGSTOP)
        self.check_new_master(before)
        self.wait_journal(r"^tcpd\.service: Watchdog timeout")
        self.wait_journal(r"^tcpd\.service: Failed with result 'watchdog'\.$")

    def test_hanging_child(self):
        pid = self.start("2s")
        [child] = children()
        os.kill(child, signal.SIGSTOP)
        self.wait_journal(f"^child_hung generation=1 child=0 pid={child} ")
        self.check_echo()
        poll_until(lambda: is_gone(child), "the one that hung is gone")
        self.assertEqual(main_pid(), pid)
        before = show("WatchdogTimestampMonotonic")
        poll_until(lambda: show("WatchdogTimestampMonotonic") != before, "the watchdog is fed")
        self.assertEqual(show("NRestarts"), "0")

    def test_dead_child(self):
        pid = self.start()
        with Callers() as callers:
            for number in (signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT):
                poll_until(lambda: len(children()) == 1, "one child")
                [child] = children()
                served = callers.served
                os.kill(child, number)
                poll_until(lambda: is_gone(child), "it is gone")
                poll_until(lambda: callers.served > served + 20, "others are served")
        # Those it held are lost; nobody was refused.
        self.assertNotIn("Refused", "".join(callers.lost))
        self.assertEqual(main_pid(), pid)
        self.assertEqual(show("NRestarts"), "0")
        self.assertEqual(show("ActiveState"), "active")

    def test_dead_master(self):
        for number in (signal.SIGKILL, signal.SIGSEGV):
            with self.subTest(signal=number.name):
                self.start()
                before = processes()
                talker = Talker()
                talker.talk()
                os.kill(main_pid(), number)
                self.check_new_master(before)
                talker.close()
                systemctl("stop", "tcpd")
                systemctl("reset-failed", check=False)

    def test_dead_master_behind_a_socket(self):
        """systemd keeps the socket: nobody is refused while tcpd is away."""
        systemctl("start", "tcpd.socket", "tcpd")
        with Callers() as callers:
            poll_until(lambda: callers.served > 20, "twenty connections")
            before = processes()
            os.kill(main_pid(), signal.SIGKILL)
            self.check_new_master(before)
            served = callers.served
            poll_until(lambda: callers.served > served + 20, "and they go on")
        self.assertNotIn("Refused", "".join(callers.lost))
        self.assertLessEqual(len(callers.lost), 1)  # the one that was open
