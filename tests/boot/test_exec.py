# SPDX-License-Identifier: MIT
"""Programs of services under tcpd.service: as tcpd itself, and with exec.conf as others."""

import socket

from booted import WAIT, BootTest, poll_until, show, systemctl

WHO = ('type = "exec"; command = [ "/bin/sh", "-c", '
       '"id -un; cat /proc/$$/status; echo word >&2; echo x >/tmp/tcpd-exec && echo written" ]; ')


def ask(port):
    with socket.create_connection(("127.0.0.1", port), WAIT) as client:
        text = b""
        while True:
            piece = client.recv(1 << 16)
            if not piece:
                return text.decode()
            text += piece


class Exec(BootTest):
    def fields(self, text):
        return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)

    def check_program(self, port, user):
        said = ask(port)
        self.assertEqual(said.split()[:1], [user], said)
        fields = self.fields(said)
        for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            self.assertEqual(int(fields[name], 16), 0, name)
        return said

    def test_as_it_is(self):
        self.configure('name = "who"; listen = "127.0.0.1:6100"; ' + WHO)
        systemctl("start", "tcpd")
        self.check_humble()
        self.assertIn("written", self.check_program(6100, "tcpd"))
        self.wait_journal(r"^program service=who pid=\d+ stderr=word$")
        self.wait_journal(r"^closed service=who .*reason=done pid=\d+ exit=0")
        self.wait_journal(r"^timeouts\.idle does not hold for programs")

    def test_strict_sandbox(self):
        self.configure('name = "caged"; listen = "127.0.0.1:6101"; sandbox = "strict"; ' + WHO)
        systemctl("start", "tcpd", check=False)
        if show("ActiveState") != "active":
            # Of a process that has ended, the journal may not know any more which unit it was of.
            poll_until(lambda: "needs Landlock" in self.journal("--priority=err"), "the reason")
            self.skipTest("the container has no Landlock")
        self.assertNotIn("written", self.check_program(6101, "tcpd"))

    def test_as_others(self):
        self.example("exec.conf")
        self.configure('name = "who"; listen = "127.0.0.1:6100"; user = "nobody"; ' + WHO,
                       'name = "own"; listen = "127.0.0.1:79"; ' + WHO,
                       'name = "cat"; type = "exec"; command = "/bin/cat"; user = "daemon"; '
                       'listen = "127.0.0.1:6102"; timeouts = { idle = "300ms"; }; ')
        systemctl("start", "tcpd")
        self.check_program(6100, "nobody")
        self.check_program(79, "tcpd")
        self.assertEqual(ask(6102), "")
        self.wait_journal(r"^closed service=cat .*reason=idle pid=\d+ signal=15")

    def test_another_user_without_the_right(self):
        self.configure('name = "who"; listen = "127.0.0.1:6100"; user = "nobody"; ' + WHO)
        systemctl("start", "tcpd", check=False)
        self.wait_journal(r'programs cannot be the user "nobody"')
