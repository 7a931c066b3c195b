# SPDX-License-Identifier: MIT
"""Sockets that systemd has opened: tcpd.socket, others by their name, and ports below 1024."""

import os

from booted import (CONFIG, ECHO, TCPCTL, BootTest, Callers, Talker, ask, main_pid, poll_until,
                    run, show, status, systemctl)

NET_BIND_SERVICE = 1 << 10


class Sockets(BootTest):
    def check_served_before_it_runs(self, address=("127.0.0.1", 6007)):
        """A connection starts the daemon, and what it has said by then is answered."""
        self.assertEqual(show("ActiveState"), "inactive")
        self.check_echo(address)
        self.wait_show("ActiveState", "active")

    def test_adopted_by_address(self):
        """As both are installed; stopped, the sockets stay, and start it again."""
        systemctl("start", "tcpd.socket")
        self.check_served_before_it_runs()
        self.assertRegex(status(), "TriggeredBy: .* tcpd.socket")
        self.assertNotIn("no service listens on the socket", self.journal())
        self.check_humble()
        systemctl("stop", "tcpd")
        self.assertEqual(show("ActiveState", "tcpd.socket"), "active")
        self.check_served_before_it_runs()

    def test_queued_while_it_is_not_there(self):
        """It cannot start, connections wait; it can, and all of them are served."""
        systemctl("start", "tcpd.socket")
        self.unit("tcpd.service.d/late.conf",
                  "[Service]\nExecStartPre=/bin/sh -c 'while [ ! -e /run/tcpd/go ]; do sleep .1; "
                  "done'\n")
        waiting = [Talker() for _ in range(20)]
        for talker in waiting:
            talker.sendall(b"early\n")
        self.wait_show("ActiveState", "activating")
        with open("/run/tcpd/go", "w", encoding="ascii"):
            pass
        for talker in waiting:
            self.assertEqual(talker.recv(6), b"early\n")
            talker.finish()

    def test_nothing_is_lost(self):
        """Restart, reload and upgrade, and connections one after the other."""
        systemctl("start", "tcpd.socket", "tcpd")
        with Callers() as callers:
            for _ in range(3):
                for command in (["systemctl", "restart", "tcpd"], ["systemctl", "reload", "tcpd"],
                                [TCPCTL, "upgrade"]):
                    served = callers.served
                    run(*command)
                    poll_until(lambda: callers.served > served + 5, "they go on")
        self.assertEqual(callers.lost, [])

    def test_taken_out_and_back(self):
        """A socket of systemd's is never closed: what a reload leaves out, the next one finds."""
        systemctl("start", "tcpd.socket", "tcpd")
        pid = main_pid()
        with open(CONFIG, encoding="utf-8") as file:
            shipped = file.read()
        self.configure('name = "greet"; type = "greet"; listen = "127.0.0.1:6000";')
        systemctl("reload", "tcpd")
        self.assertIn("no service listens on the socket", self.journal())
        early = Talker()
        early.sendall(b"early\n")
        with open(CONFIG, "w", encoding="utf-8") as file:
            file.write(shipped)
        systemctl("reload", "tcpd")
        self.assertEqual(early.recv(6), b"early\n")
        early.finish()
        self.assertEqual(main_pid(), pid)

    def test_unix_socket(self):
        """Its file is systemd's as well."""
        path = "/run/echo.sock"
        self.unit("tcpd-unix.socket", f"[Socket]\nListenStream={path}\nSocketUser=tcpd\n"
                                      "Service=tcpd.service\n")
        self.configure(ECHO + f'listen = "unix:{path}";')
        systemctl("start", "tcpd-unix.socket")
        file = os.stat(path).st_ino
        self.check_served_before_it_runs(path)
        systemctl("restart", "tcpd")
        self.check_echo(path)
        systemctl("stop", "tcpd")
        self.assertEqual(os.stat(path).st_ino, file)
        self.check_served_before_it_runs(path)

    # Ports below 1024.

    def test_low_port_by_name(self):
        """From a unit of its own beside tcpd.socket, as that one describes it."""
        self.unit("tcpd-finger.socket", "[Socket]\nService=tcpd.service\nListenStream=79\n"
                                        "FileDescriptorName=finger\n")
        self.configure(ECHO + 'listen = "127.0.0.1:6007";',
                       'name = "finger"; type = "echo"; listen = "systemd:finger";')
        systemctl("start", "tcpd-finger.socket")
        self.check_served_before_it_runs(("127.0.0.1", 79))
        self.check_echo()
        self.check_humble()
        run(TCPCTL, "upgrade")
        self.assertEqual(ask()["generation"], 2)
        self.check_echo(("127.0.0.1", 79))

    def test_low_port_by_address(self):
        """The socket unit with other addresses; ":79" is both families in both files."""
        self.unit("tcpd.socket.d/ports.conf", "[Socket]\nListenStream=\nListenStream=79\n")
        self.configure(ECHO + 'listen = ":79";')
        systemctl("start", "tcpd.socket")
        self.check_served_before_it_runs(("127.0.0.1", 79))
        self.check_humble()

    def test_low_port_by_capability(self):
        """Bound by tcpd itself: at start, at a reload, and after an upgrade."""
        self.example("low-ports.conf")
        self.configure(ECHO + 'listen = ":79";')
        systemctl("start", "tcpd")
        self.check_echo(("127.0.0.1", 79))
        self.configure(ECHO + 'listen = [ ":79", ":80" ];')
        systemctl("reload", "tcpd")
        self.check_echo(("127.0.0.1", 80))
        run(TCPCTL, "upgrade")
        self.configure(ECHO + 'listen = [ ":79", ":80", ":81" ];')
        systemctl("reload", "tcpd")
        self.check_echo(("127.0.0.1", 81))
        self.check_humble(NET_BIND_SERVICE)
