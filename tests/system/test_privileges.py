#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Who the children of a daemon are that root has started, and which system calls they may make."""

import ctypes
import os
import platform
import pwd
import re
import signal
import socket
import subprocess
import tempfile
import unittest

import tcpdtest
from tcpdproc import end, kill_child, wait_children
from tcpdtest import TCPD, poll_until, service

EX_NOPERM, EX_CONFIG = 77, 78
NO_CAPABILITY = {name: "0" * 16 for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}


def has_seccomp():
    done = subprocess.run([TCPD, "-V"], stdout=subprocess.PIPE, encoding="ascii", check=True)
    return "no seccomp" not in done.stdout


def default_user():
    """Whom children become when no user is named."""
    try:
        return pwd.getpwnam("tcpd")
    except KeyError:
        return pwd.getpwnam("nobody")


def status(pid):
    """The fields of /proc/PID/status."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return dict(re.findall(r"^(\w+):\s*(.*?)\s*$", file.read(), re.MULTILINE))


def set_configuration(daemon, name, value):
    """Puts one setting at the end of the daemon's configuration, in the place of an earlier one."""
    with open(daemon.config, encoding="utf-8") as file:
        lines = [line for line in file if not line.startswith(f"{name} = ")]
    daemon.write("tcpd.conf", "".join(lines) + f'{name} = "{value}";\n')


def echoes(client):
    client.sendall(b"hello")
    client.expect(b"hello")


class Case(tcpdtest.TestCase):
    def assert_is(self, pid, user, groups=None):
        """The process is that user, has its groups and no privilege of any kind."""
        found = status(pid)
        if groups is None:
            groups = os.getgrouplist(user.pw_name, user.pw_gid)
        self.assertEqual(found["Uid"].split(), [str(user.pw_uid)] * 4)
        self.assertEqual(found["Gid"].split(), [str(user.pw_gid)] * 4)
        self.assertEqual(set(map(int, found["Groups"].split())), set(groups))
        self.assertEqual({name: found[name] for name in NO_CAPABILITY}, NO_CAPABILITY)
        self.assert_is_shut_in(pid)

    def assert_is_shut_in(self, pid):
        found = status(pid)
        self.assertEqual(found["NoNewPrivs"], "1")
        self.assertEqual(found["Seccomp"], "2" if has_seccomp() else "0")
        for thread in os.listdir(f"/proc/{pid}/task"):
            self.assertEqual(status(f"{pid}/task/{thread}")["Seccomp"], found["Seccomp"])
        with open(f"/proc/{pid}/limits", encoding="ascii") as file:
            self.assertRegex(file.read(), r"Max core file size +[01] +[01] ")


@unittest.skipUnless(os.geteuid() == 0, "not root")
class Root(Case):
    def test_children_are_an_ordinary_user(self):
        daemon = self.tcpd("echo", pool={"processes": 2})
        children = wait_children(daemon, 2)
        for pid in children:
            self.assert_is(pid, default_user())
        self.assertEqual(status(daemon.pid)["Uid"].split(), ["0"] * 4)
        echoes(daemon.connect("echo"))

    def test_nobody_else_sees_its_memory(self):
        daemon = self.tcpd("echo")
        child, = daemon.children()
        self.assertEqual(os.stat(f"/proc/{child}/maps").st_uid, 0)
        user = default_user()
        done = subprocess.run(["cat", f"/proc/{child}/maps"], user=user.pw_uid, group=user.pw_gid,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        self.assertEqual(done.stdout, b"")

    def test_named(self):
        user = pwd.getpwnam("daemon")
        daemon = self.tcpd("echo", user="daemon")
        self.assert_is(daemon.children()[0], user)

    def test_named_group(self):
        bin_ = pwd.getpwnam("bin")
        daemon = self.tcpd("echo", user="daemon", group="bin")
        found = status(daemon.children()[0])
        self.assertEqual(found["Uid"].split(), [str(pwd.getpwnam("daemon").pw_uid)] * 4)
        self.assertEqual(found["Gid"].split(), [str(bin_.pw_gid)] * 4)
        self.assertIn(str(bin_.pw_gid), found["Groups"].split())

    def test_the_groups_of_who_starts_it_are_not_kept(self):
        daemon = self.tcpd("echo", prefix=["setpriv", "--groups", "0,1,2,3"])
        self.assert_is(daemon.children()[0], default_user())

    def test_root_by_name(self):
        daemon = self.tcpd("echo", user="root")
        self.assert_is(daemon.children()[0], pwd.getpwnam("root"))
        echoes(daemon.connect("echo"))

    def test_capability_of_an_ordinary_user(self):
        """A port below 1024 for who may have one; its children have nothing of it."""
        user = pwd.getpwnam("nobody")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            number = 200 + probe.getsockname()[1] % 700
        prefix = ["setpriv", "--reuid", str(user.pw_uid), "--regid", str(user.pw_gid),
                  "--clear-groups", "--inh-caps", "+net_bind_service",
                  "--ambient-caps", "+net_bind_service"]
        daemon = self.as_user(prefix, service("echo", listen=f"127.0.0.1:{number}"))
        daemon.wait_started()
        found = status(daemon.children()[0])
        for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            self.assertEqual(found[name], "0" * 16)
        self.assertNotEqual(status(daemon.pid)["CapEff"], "0" * 16)
        self.assert_is_shut_in(daemon.children()[0])
        echoes(daemon.connect("echo"))

    def as_user(self, prefix, *services, **settings):
        """A daemon that somebody else starts; its folder is open to everybody."""
        class Opened(tcpdtest.Tcpd):
            def write(self, name, text):
                path = super().write(name, text)
                os.chmod(self.folder, 0o777)
                os.chmod(path, 0o666)
                return path

        opened = Opened(*services, prefix=prefix, **settings)
        self.daemons.append(opened)
        self.addCleanup(self._end, opened)
        return opened

    def test_ordinary_user(self):
        user = pwd.getpwnam("nobody")
        prefix = ["setpriv", "--reuid", str(user.pw_uid), "--regid", str(user.pw_gid),
                  "--clear-groups"]
        daemon = self.as_user(prefix, "echo")
        daemon.wait_started()
        found = status(daemon.children()[0])
        self.assertEqual(found["Uid"].split(), [str(user.pw_uid)] * 4)
        self.assert_is_shut_in(daemon.children()[0])
        echoes(daemon.connect("echo"))
        daemon.stop()
        for name, start in (("nobody", None), ("root", EX_NOPERM)):
            with self.subTest(user=name):
                daemon = self.as_user(prefix, "echo", user=name)
                tested = subprocess.run([*prefix, TCPD, "-t", "-c", daemon.config],
                                        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                        encoding="utf-8", check=True).stderr
                warning = re.search(r":1: warning: user: children cannot be the user \"root\"",
                                    tested)
                self.assertEqual(bool(warning), start is not None, tested)
                if start is None:
                    daemon.wait_started()
                    daemon.stop()
                    continue
                self.assertEqual(daemon.wait_left(), start)
                self.assertIn('cannot be the user "root": that needs a tcpd started as root',
                              daemon.log())

    def test_unknown(self):
        for what in "user", "group":
            with self.subTest(what=what):
                daemon = self.tcpd("echo", wait=False, **{what: "no-such-name"})
                self.assertEqual(daemon.wait_left(), EX_CONFIG)
                self.assertIn(f":1: error: {what}: there is no {what} \"no-such-name\"",
                              daemon.log())

    def test_reload_with_another_user(self):
        daemon = self.tcpd("echo", user="daemon")
        before = daemon.connect("echo")
        echoes(before)
        old, = daemon.children()
        set_configuration(daemon, "user", "bin")
        self.assertEqual(set(daemon.done("reload")["settings"]), {"user", "group"})
        new, = set(daemon.children()) - {old}
        self.assert_is(new, pwd.getpwnam("bin"))
        self.assert_is(old, pwd.getpwnam("daemon"))
        echoes(before)
        echoes(daemon.connect("echo"))

    def test_reload_with_an_unknown_one(self):
        daemon = self.tcpd("echo", user="daemon")
        set_configuration(daemon, "user", "no-such-name")
        self.assertIn("no-such-name", daemon.refused("reload")["errors"][0])
        self.assert_is(daemon.children()[0], pwd.getpwnam("daemon"))

    def test_who_replaces_a_crashed_child(self):
        daemon = self.tcpd("echo", user="daemon")
        old, = daemon.children()
        kill_child(daemon, old)
        new, = wait_children(daemon, 1, without=[old])
        poll_until(lambda: status(new)["NoNewPrivs"] == "1")
        echoes(daemon.connect("echo"))
        self.assert_is(new, pwd.getpwnam("daemon"))

    def test_a_child_that_cannot_become_the_user(self):
        """Root without the right to change the user: no child, and a daemon that says why."""
        prefix = ["setpriv", "--bounding-set", "-setuid", "--inh-caps", "-setuid"]
        daemon = self.tcpd("echo", user="daemon", prefix=prefix, wait=False)
        self.assertNotEqual(daemon.wait_left(), 0)
        self.assertIn('cannot become the user "daemon"', daemon.log())

    def test_unix_socket_and_log(self):
        folder = tempfile.mkdtemp(prefix="tcpd-test-")
        self.addCleanup(os.rmdir, folder)
        path = os.path.join(folder, "socket")
        daemon = self.tcpd(service("echo", listen={"address": f"unix:{path}", "mode": "0600"}))
        client = daemon.connect("echo")
        echoes(client)
        client.close()
        closed = poll_until(daemon.closed)[0]
        self.assertEqual(closed["in"], 5)


class Tracer:
    """ptrace(2), as far as it takes to make another process's thread do a system call."""

    ATTACH, DETACH, GETREGS, SETREGS = 16, 17, 12, 13
    RAX, RDI, ORIG_RAX, RIP, COUNT = 10, 14, 15, 16, 27  # in struct user_regs_struct

    def __init__(self):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p,
                                     ctypes.c_void_p]
        self.libc.ptrace.restype = ctypes.c_long

    def ask(self, request, pid, data=None):
        if self.libc.ptrace(request, pid, None, data) == -1:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def call(self, pid, number):
        """The thread sleeps in a system call; it goes on with this one, with zeros, instead."""
        self.ask(self.ATTACH, pid)
        os.waitpid(pid, 0x40000000)  # __WALL: a thread
        registers = (ctypes.c_ulong * self.COUNT)()
        self.ask(self.GETREGS, pid, registers)
        registers[self.RAX] = number
        registers[self.RDI] = 0
        registers[self.ORIG_RAX] = 2**64 - 1  # nothing is to be begun again
        registers[self.RIP] -= 2              # the instruction `syscall` once more
        self.ask(self.SETREGS, pid, registers)
        self.ask(self.DETACH, pid)


@unittest.skipUnless(os.geteuid() == 0 and platform.machine() == "x86_64", "not root on x86-64")
@unittest.skipUnless(has_seccomp(), "built without seccomp")
class Sandbox(Case):
    CALLS = {"ptrace": 101, "execve": 59, "socket": 41, "clone": 56, "setuid": 105}

    def thread_that_sleeps(self, pid, name):
        """The id of a thread of that name which sleeps in a system call."""
        def sleeps():
            for thread in os.listdir(f"/proc/{pid}/task"):
                if status(f"{pid}/task/{thread}")["Name"].startswith(name):
                    with open(f"/proc/{pid}/task/{thread}/syscall", encoding="ascii") as file:
                        if file.read()[0].isdigit():
                            return int(thread)
            return None
        return poll_until(sleeps)

    def died(self, daemon, count):
        return poll_until(lambda: daemon.lines("child_died")[count:])[0]

    def test_a_forbidden_call_is_the_end_and_is_named(self):
        daemon = self.tcpd("echo")
        for count, (name, number) in enumerate(self.CALLS.items()):
            with self.subTest(call=name):
                child, = daemon.children()
                Tracer().call(self.thread_that_sleeps(child, "tcpd"), number)
                line = self.died(daemon, count)
                self.assertEqual(line["signal"], signal.SIGSYS)
                self.assertEqual(line["syscall"], name)
                self.assertEqual(line["pid"], child)
                self.wait_serves(daemon, child)
        self.assertEqual(end(daemon)["active"], 0)

    def wait_serves(self, daemon, before):
        """Another child has taken the place."""
        wait_children(daemon, 1, without=[before])
        echoes(daemon.connect("echo"))

    def test_in_every_thread(self):
        daemon = self.tcpd("echo", pool={"threads": 2})
        for count, thread in enumerate(("worker 0", "worker 1", "logger")):
            with self.subTest(thread=thread):
                child, = daemon.children()
                Tracer().call(self.thread_that_sleeps(child, thread), self.CALLS["ptrace"])
                self.assertEqual(self.died(daemon, count)["syscall"], "ptrace")
                self.wait_serves(daemon, child)
        self.assertEqual(end(daemon)["active"], 0)

    def test_a_death_of_another_kind_names_no_call(self):
        daemon = self.tcpd("echo")
        child, = daemon.children()
        kill_child(daemon, child)
        self.assertNotIn("syscall", self.died(daemon, 0))


if __name__ == "__main__":
    tcpdtest.main()
