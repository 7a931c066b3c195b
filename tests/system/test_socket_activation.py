# SPDX-License-Identifier: MIT
"""The listening sockets that a service manager passes."""

import functools
import os
import re
import shutil
import socket
import stat
import subprocess
import tempfile
import unittest
import unittest.mock

import tcpdproc
import tcpdtest
from tcpdtest import WAIT


def setUpModule():
    done = subprocess.run([tcpdtest.TCPD, "-V"], stdout=subprocess.PIPE, encoding="utf-8",
                          timeout=2 * WAIT, check=False)
    if re.search(r"\bno systemd\b", done.stdout):
        raise unittest.SkipTest("built without systemd")


def passing(sockets):
    """A prefix for Tcpd: passes the sockets, (name, socket) each, as systemd does."""
    return tcpdproc.run_after(
        "numbers = [int(word) for word in sys.argv[1].split()]\n"
        "high = [os.dup2(number, 200 + i) for i, number in enumerate(numbers)]\n"
        "for i, number in enumerate(high):\n"
        "    os.dup2(number, 3 + i)\n"
        "    os.close(number)\n"
        "os.closerange(3 + len(high), 256)\n"
        "if numbers:\n"
        "    os.environ['LISTEN_FDS'] = str(len(numbers))\n"
        "    os.environ['LISTEN_PID'] = str(os.getpid())\n"
        "    os.environ['LISTEN_FDNAMES'] = sys.argv[2]\n",
        " ".join(str(passed.fileno()) for _, passed in sockets),
        ":".join(name for name, _ in sockets))


class Activation(tcpdtest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="tcpd-activation-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def listener(self, address=None):
        """A listening socket of the test's: TCP on a free port, or a unix socket."""
        if address is None:
            family, address = socket.AF_INET, ("127.0.0.1", 0)
        elif address.startswith("["):
            family, address = socket.AF_INET6, ("::1", 0)
        else:
            family = socket.AF_UNIX
        made = socket.socket(family, socket.SOCK_STREAM)
        self.addCleanup(made.close)
        made.bind(address)
        made.listen(128)
        return made

    def start(self, sockets, *services, **settings):
        """A daemon with these sockets, which Popen would close without being told of them."""
        keeping = functools.partial(subprocess.Popen,
                                    pass_fds=[passed.fileno() for _, passed in sockets])
        with unittest.mock.patch("subprocess.Popen", keeping):
            return self.tcpd(*services, prefix=passing(sockets), **settings)

    def check_echo(self, address):
        client = tcpdtest.connect(address)
        client.sendall(b"hello")
        client.expect(b"hello")
        client.close()

    def test_by_name(self):
        first, second, other = self.listener(), self.listener("["), self.listener()
        daemon = self.start([("one", first), ("two", second), ("one", other)],
                            tcpdtest.service("echo", listen="systemd:one"),
                            tcpdtest.service("greet", listen="systemd:two"))
        addresses = [tcpdtest.name_of(passed) for passed in (first, second, other)]
        self.assertEqual(daemon.addresses("echo"), [addresses[0], addresses[2]])
        self.assertEqual(daemon.addresses("greet"), [addresses[1]])
        self.check_echo(addresses[0])
        self.check_echo(addresses[2])
        client = tcpdtest.connect(addresses[1])
        client.expect(b"Welcome!\n")
        client.close()

    def test_by_address(self):
        """A listed address that a passed socket is bound to is that socket."""
        passed = self.listener()
        address = tcpdtest.name_of(passed)
        daemon = self.start([("whatever", passed)], tcpdtest.service("echo", listen=address))
        self.assertEqual(daemon.addresses("echo"), [address])
        self.check_echo(address)
        # Not a second socket beside it: what the daemon accepts from is the test's own.
        inode = os.fstat(passed.fileno()).st_ino
        for pid in tcpdproc.processes(daemon):
            self.assertIn(f"socket:[{inode}]", tcpdproc.descriptors(pid).values())

    def test_queue_survives(self):
        """Who has connected before the daemon was there is served; so is who comes after it."""
        passed = self.listener()
        address = tcpdtest.name_of(passed)
        early = tcpdtest.connect(address)
        early.sendall(b"early")
        daemon = self.start([("echo", passed)], tcpdtest.service("echo", listen="systemd:echo"))
        early.expect(b"early")
        early.close()
        daemon.stop()
        late = tcpdtest.connect(address)
        late.sendall(b"late")
        daemon = self.start([("echo", passed)], tcpdtest.service("echo", listen="systemd:echo"))
        late.expect(b"late")
        late.close()

    def test_unix_socket_stays(self):
        """The socket file is the service manager's."""
        path = os.path.join(self.folder, "sock")
        passed = self.listener(path)
        for listen in ("systemd:echo", f"unix:{path}"):
            with self.subTest(listen=listen):
                daemon = self.start([("echo", passed)], tcpdtest.service("echo", listen=listen))
                self.assertEqual(daemon.addresses("echo"), [f"unix:{path}"])
                self.check_echo(f"unix:{path}")
                daemon.stop()
                self.assertTrue(stat.S_ISSOCK(os.stat(path).st_mode))

    def test_non_blocking_and_not_inherited(self):
        passed = self.listener()
        self.assertTrue(passed.getblocking())
        daemon = self.start([("echo", passed)], tcpdtest.service("echo", listen="systemd:echo"))
        inode = os.fstat(passed.fileno()).st_ino
        for pid in tcpdproc.processes(daemon):
            [fd] = [fd for fd, link in tcpdproc.descriptors(pid).items()
                    if link == f"socket:[{inode}]"]
            with open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii") as file:
                flags = int(re.search(r"flags:\s*([0-7]+)", file.read())[1], 8)
            self.assertTrue(flags & os.O_NONBLOCK, "blocking")
            self.assertTrue(flags & os.O_CLOEXEC, "inherited by programs")

    def test_name_that_was_not_passed(self):
        passed = self.listener()
        keep = [passed.fileno()]
        config = os.path.join(self.folder, "tcpd.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(tcpdtest.configuration(
                [tcpdtest.service("echo", listen="systemd:other")], {}))
        done = subprocess.run([*passing([("echo", passed)]), tcpdtest.TCPD, "-f", "-c", config],
                              pass_fds=keep, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=2 * WAIT, check=False)
        self.assertEqual(done.returncode, 71)
        self.assertIn(b'has passed no socket named "other"', done.stderr)

    def test_socket_that_nobody_wants(self):
        wanted, unused = self.listener(), self.listener()
        daemon = self.start([("echo", wanted), ("unused", unused)],
                            tcpdtest.service("echo", listen="systemd:echo"))
        self.assertRegex(daemon.log(), 'warning: no service listens on the socket "unused"')
        inode = os.fstat(unused.fileno()).st_ino
        [child] = daemon.children()
        self.assertNotIn(f"socket:[{inode}]", tcpdproc.descriptors(child).values())

    def test_for_somebody_else(self):
        """With the pid of another process the variables are not meant for us."""
        passed = self.listener()
        address = tcpdtest.name_of(passed)
        passed.close()
        daemon = self.tcpd(tcpdtest.service("echo", listen=address),
                           prefix=tcpdproc.run_after(
                               "os.environ.update(LISTEN_PID='1', LISTEN_FDS='1')"))
        self.assertEqual(daemon.addresses("echo"), [address])

    def test_variables_are_gone(self):
        if tcpdproc.RUNS_UNDER == "valgrind":
            self.skipTest("what /proc tells is valgrind's environment")
        passed = self.listener()
        daemon = self.start([("echo", passed)], tcpdtest.service("echo", listen="systemd:echo"))
        for pid in tcpdproc.processes(daemon):
            with open(f"/proc/{pid}/environ", "rb") as file:
                environment = file.read()
            for name in (b"LISTEN_FDS", b"LISTEN_PID", b"LISTEN_FDNAMES"):
                self.assertFalse(name in environment, name)


if __name__ == "__main__":
    tcpdtest.main()
