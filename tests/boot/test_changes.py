# SPDX-License-Identifier: MIT
"""Reload and upgrade of the running service: what systemd sees of it, and who is kept."""

import re

from booted import (CONFIG, ECHO, SAVED, TCPCTL, TCPD, BootTest, Callers, Talker, ask, main_pid,
                    poll_until, run, show, status, systemctl)


class Changes(BootTest):
    def setUp(self):
        super().setUp()
        systemctl("start", "tcpd")
        self.pid = main_pid()
        self.talker = Talker()
        self.talker.talk()
        self.addCleanup(self.talker.close)

    def check_same(self, generation):
        """It is the same master, whose generation is this one, and nobody was lost."""
        self.assertEqual(ask()["generation"], generation)
        self.wait_show("ActiveState", "active")
        self.assertEqual(main_pid(), self.pid)
        self.assertEqual(show("NRestarts"), "0")
        self.talker.talk()
        self.check_echo()

    # Reload.

    def test_reload(self):
        self.configure(ECHO + 'listen = [ "127.0.0.1:6007", "127.0.0.1:6008" ];')
        systemctl("reload", "tcpd")
        self.assertRegex(status(), 'Status: "Generation 2: 1 services on 2 addresses"')
        self.check_same(2)
        self.check_echo(("127.0.0.1", 6008))
        self.wait_journal(r"^- service greet$")
        self.wait_journal(r"^\+ listener 127\.0\.0\.1:6008 \(echo\)$")
        self.check_humble()

    def test_control_socket_elsewhere(self):
        """The drop-in of the manual."""
        other = "/run/tcpd/other.sock"
        self.configure(ECHO + 'listen = "127.0.0.1:6007";',
                       settings=f'control = {{ socket = "{other}"; }};')
        systemctl("reload", "tcpd")
        self.assertNotEqual(systemctl("reload", "tcpd", check=False)[0], 0)
        self.unit("tcpd.service.d/control.conf",
                  f"[Service]\nExecReload=\nExecReload={TCPCTL} -s {other} reload\n")
        systemctl("reload", "tcpd")
        self.assertRegex(show("StatusText"), "^Generation 3: 1 services")

    def test_reload_by_signal(self):
        systemctl("kill", "--kill-who=main", "--signal=HUP", "tcpd")
        poll_until(lambda: ask()["generation"] == 2, "the new generation")
        self.check_same(2)

    def test_bad_reload(self):
        self.configure(ECHO + 'listen = "127.0.0.1:6007"; typo = 1;')
        for _ in range(2):
            self.assertNotEqual(systemctl("reload", "tcpd", check=False)[0], 0)
            self.assertRegex(status(), r"ExecReload=.* reload \(code=exited, status=1/FAILURE\)")
            self.assertRegex(status(), rf'Status: "Generation 1: .*; the last reload failed: '
                                       rf'{re.escape(CONFIG)}:3: error: .*typo')
            self.check_same(1)
        poll_until(lambda: f"{CONFIG}:3: error: " in self.journal("--identifier=tcpctl"),
                   "what tcpctl said in the journal")
        self.configure(ECHO + 'listen = "127.0.0.1:6007";')
        systemctl("reload", "tcpd")
        self.assertRegex(status(), 'Status: "Generation 2: 1 services on 1 addresses"')
        self.check_same(2)

    def test_many_reloads(self):
        """One after the other, every other one bad, while connections come and go."""
        with open(CONFIG, encoding="utf-8") as file:
            good = file.read()
        with Callers() as callers:
            for i in range(5):
                with open(CONFIG, "w", encoding="utf-8") as file:
                    file.write("nonsense\n")
                self.assertNotEqual(systemctl("reload", "tcpd", check=False)[0], 0)
                with open(CONFIG, "w", encoding="utf-8") as file:
                    file.write(good)
                systemctl("reload", "tcpd")
                self.check_same(i + 2)
            poll_until(lambda: callers.served > 100, "a hundred connections")
        self.assertEqual(callers.lost, [])

    # Upgrade.

    def check_upgraded(self, version, other, generation):
        self.assertEqual(ask()["version"], other)
        self.check_same(generation)
        self.assertRegex(status(), f'Status: "Generation {generation}: 7 services on 7 addresses"')
        self.wait_journal(f"^upgraded from={version} to={other} pid={self.pid}$")
        self.check_humble()

    def test_upgrade_by_signal(self):
        version, other, binary = self.other_build()
        self.install_binary(binary)
        systemctl("kill", "--kill-who=main", "--signal=USR2", "tcpd")
        poll_until(lambda: ask()["generation"] == 2, "the new generation")
        self.check_upgraded(version, other, 2)

    def test_upgrade_by_tcpctl(self):
        version, other, binary = self.other_build()
        with Callers() as callers, open(SAVED + TCPD, "rb") as file:
            self.install_binary(binary)
            self.assertIn(other, run(TCPCTL, "upgrade")[1])
            self.check_upgraded(version, other, 2)
            self.install_binary(file.read())
            run(TCPCTL, "upgrade")
            self.check_upgraded(other, version, 3)
            poll_until(lambda: callers.served > 20, "twenty connections")
        self.assertEqual(callers.lost, [])
        # What comes after an upgrade is as before.
        systemctl("reload", "tcpd")
        self.check_same(4)
        self.assertGreater(int(show("WatchdogUSec").rstrip("s")), 0)
        self.talker.finish()
        systemctl("stop", "tcpd")
        self.assertEqual(show("Result"), "success")

    def test_broken_binaries(self):
        _, other, binary = self.other_build()
        broken = ((b"#!/bin/false\n", 0o755), (b"#!/bin/true\n", 0o755), (b"nonsense\n", 0o755),
                  (binary[:20000], 0o755), (binary, 0o644))
        for content, mode in broken:
            with self.subTest(begins=content[:20], mode=oct(mode)):
                self.install_binary(content, mode)
                returned, said = run(TCPCTL, "upgrade", check=False)
                self.assertEqual(returned, 1, said)
                self.assertIn("cannot take over", said)
                self.assertRegex(status(), "Status: .*; the last upgrade failed: ")
                self.check_same(1)
        self.install_binary(binary)
        run(TCPCTL, "upgrade")
        self.assertEqual(ask()["version"], other)
        self.assertNotIn("failed", show("StatusText"))
        self.check_same(2)
