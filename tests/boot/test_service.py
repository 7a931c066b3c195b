# SPDX-License-Identifier: MIT
"""tcpd.service as it is installed: start, status, stop, and a configuration that is not valid."""

import re
import subprocess
import time

from booted import (CONFIG, ECHO, TCPCTL, BootTest, Talker, processes, run, show, status,
                    systemctl)


class Service(BootTest):
    def test_units(self):
        for unit in ("tcpd.service", "tcpd.socket"):
            path = show("FragmentPath", unit)
            self.assertEqual(run("systemd-analyze", "verify", "--man=no", path), (0, ""))

    def test_exposure(self):
        for example, most in ((None, 1.1), ("exec.conf", 1.9), ("low-ports.conf", 1.5),
                              ("isolated.conf", 0.3)):
            with self.subTest(example=example):
                if example:
                    self.example(example)
                said = run("systemd-analyze", "security", "--no-pager", "tcpd")[1]
                exposure = re.search(r"Overall exposure level for tcpd.service: ([\d.]+)", said)
                self.assertLessEqual(float(exposure[1]), most)
                self.tidy()
                self.added.clear()

    def test_life(self):
        systemctl("enable", "tcpd")
        systemctl("start", "tcpd")
        self.assertEqual(show("ActiveState"), "active")
        self.assertRegex(status(), r"Active: active \(running\)")
        self.assertRegex(status(), 'Status: "Generation 1: 7 services on 7 addresses"')
        self.check_humble()
        greeting = subprocess.run(["tcpc", "127.0.0.1", "6000"], input="Anna\nexit\n",
                                  stdout=subprocess.PIPE, encoding="utf-8", timeout=10, check=True)
        self.assertIn("Hello Anna!", greeting.stdout)
        self.check_echo()
        self.wait_journal(r"^listening service=greet address=127\.0\.0\.1:6000$")
        self.wait_journal(r"^closed service=greet peer=127\.0\.0\.1:\d+ .*reason=done$")
        systemctl("restart", "tcpd")
        self.check_echo()
        systemctl("stop", "tcpd")
        self.assertEqual(show("ActiveState"), "inactive")
        self.assertEqual(show("Result"), "success")
        self.assertEqual(processes(), [])
        systemctl("disable", "tcpd")

    def test_stopped_by_others(self):
        """Who has stopped it does not want it back."""
        for command in ([TCPCTL, "stop"], ["systemctl", "kill", "--kill-who=main", "tcpd"]):
            with self.subTest(command=command):
                systemctl("start", "tcpd")
                run(*command)
                self.wait_show("ActiveState", "inactive")
                self.assertEqual(show("SubState"), "dead")
                self.assertEqual(show("Result"), "success")
                self.assertEqual(show("NRestarts"), "0")

    def test_long_drain(self):
        """systemd waits for as long as the configuration says, and not only TimeoutStopSec=."""
        self.unit("tcpd.service.d/stop.conf", "[Service]\nTimeoutStopSec=500ms\n")
        self.configure(ECHO + 'listen = "127.0.0.1:6007";',
                       settings='timeouts = { drain = "2s"; };')
        systemctl("start", "tcpd")
        caller = Talker()
        caller.talk()
        start = time.monotonic()
        systemctl("stop", "--no-block", "tcpd")
        self.wait_show("ActiveState", "deactivating")
        while time.monotonic() < start + 1.5:
            caller.talk()
        self.wait_show("ActiveState", "inactive")
        self.assertEqual(show("Result"), "success")
        self.wait_journal(r"^closed service=echo .*reason=drain$")
        caller.close()

    def test_bad_configuration(self):
        self.configure('name = "greet"; typo = "greet";')
        self.assertNotEqual(systemctl("start", "tcpd", check=False)[0], 0)
        self.assertEqual(show("ActiveState"), "failed")
        self.assertEqual(show("SubState"), "failed")  # and not "auto-restart"
        self.assertEqual(show("ExecMainStatus"), "78")
        self.assertEqual(show("NRestarts"), "0")
        self.wait_journal(rf"^{CONFIG}:3: error: ")

    def test_port_that_is_not_permitted(self):
        self.configure(ECHO + 'listen = ":79";')
        self.assertNotEqual(systemctl("start", "tcpd", check=False)[0], 0)
        self.assertEqual(show("SubState"), "failed")
        self.assertEqual(show("ExecMainStatus"), "77")
        self.wait_journal(rf"^cannot start: {CONFIG}:3: service echo: .*: Permission denied$")

    def test_filter_that_does_not_let_children_start(self):
        self.unit("tcpd.service.d/filter.conf", "[Service]\nSystemCallFilter=~seccomp\n")
        self.assertNotEqual(systemctl("start", "tcpd", check=False)[0], 0)
        self.wait_journal(r"ended before it was ready \(signal 31\); SystemCallFilter= of the unit "
                          "has to let seccomp through")
        systemctl("stop", "tcpd")
