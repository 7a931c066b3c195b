# SPDX-License-Identifier: MIT
"""The example isolated.conf: an empty root, no network, and it serves all the same."""

import os

from booted import (CONFIG, SAVED, TCPCTL, BootTest, Talker, ask, main_pid, run, show,
                    status, systemctl)


class Isolated(BootTest):
    def setUp(self):
        super().setUp()
        self.example("isolated.conf")
        systemctl("start", "tcpd.socket")

    def test_what_is_there(self):
        self.check_echo()
        pid = main_pid()
        with open(f"/proc/{pid}/net/dev", encoding="ascii") as file:
            interfaces = [line.split(":")[0].strip() for line in file if ":" in line]
        self.assertEqual(interfaces, ["lo"])
        self.assertNotEqual(os.readlink(f"/proc/{pid}/ns/net"), os.readlink("/proc/1/ns/net"))
        root = f"/proc/{pid}/root"
        self.assertFalse(os.path.samefile(root, "/"))
        for hidden in ("/home", "/srv", "/opt", "/boot", "/var/lib", "/run/dbus"):
            self.assertFalse(os.path.exists(root + hidden), hidden)
        self.check_humble()

    def test_life(self):
        self.check_echo()
        pid = main_pid()
        self.assertRegex(status(), 'Status: "Generation 1: 7 services on 7 addresses"')
        self.wait_journal(r"^closed service=echo peer=127\.0\.0\.1:\d+ .*reason=eof$")
        talker = Talker()
        talker.talk()
        systemctl("reload", "tcpd")
        talker.talk()
        self.check_echo()
        version, other, binary = self.other_build()
        self.install_binary(binary)
        run(TCPCTL, "upgrade")
        talker.talk()
        self.check_echo()
        self.assertEqual(ask()["generation"], 3)
        self.assertEqual(ask()["version"], other)
        self.assertEqual(main_pid(), pid)
        talker.finish()
        systemctl("stop", "tcpd")
        self.assertEqual(show("Result"), "success")
        self.assertEqual(show("ActiveState", "tcpd.socket"), "active")
        self.check_echo()  # and it is back

    def test_address_of_its_own(self):
        """tcpd has no way to make a socket: the reload says so, and the old generation serves."""
        self.check_echo()
        with open(SAVED + CONFIG, encoding="utf-8") as file:
            shipped = file.read()
        with open(CONFIG + ".new", "w", encoding="utf-8") as file:
            file.write(shipped.replace("127.0.0.1:6007", "127.0.0.1:6008"))
        os.rename(CONFIG + ".new", CONFIG)
        self.assertNotEqual(systemctl("reload", "tcpd", check=False)[0], 0)
        self.assertRegex(status(), rf"the last reload failed: {CONFIG}:\d+: service echo: "
                                   "cannot make a socket: Address family not supported")
        self.assertEqual(ask()["generation"], 1)
        self.check_echo()
