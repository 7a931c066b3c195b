# SPDX-License-Identifier: MIT
"""The settings of a service that runs programs: what is refused, and what a reload makes of it."""

import os
import subprocess
import tempfile
import unittest

import tcpdchange
import tcpdtest
from exectest import program
from tcpdtest import configuration, service

EX_CONFIG = 78
IS_ROOT = os.geteuid() == 0


class Conf(tcpdtest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="tcpd-test-")
        self.addCleanup(folder.cleanup)
        os.chmod(folder.name, 0o755)
        self.folder = folder.name

    def run_tcpd(self, *services, option="-t"):
        path = os.path.join(self.folder, "tcpd.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(configuration(services, {"limits": {"connections": 10}}))
        return subprocess.run([tcpdtest.TCPD, option, "-c", path], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False)

    def refused(self, one, path, message):
        ran = self.run_tcpd(one)
        self.assertEqual(ran.returncode, EX_CONFIG, ran.stdout)
        self.assertRegex(ran.stderr, rf":\d+: error: services\.{one['name']}{path}: {message}")
        self.assertEqual(ran.stderr.count(": error: "), 1, ran.stderr)

    def accepted(self, *services):
        ran = self.run_tcpd(*services)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        return ran

    def test_commands_that_cannot_be_executed(self):
        plain = os.path.join(self.folder, "plain")
        with open(plain, "w", encoding="utf-8"):
            pass
        os.chmod(plain, 0o644)
        self.refused(program("a", "/nowhere/program"), r"\.command",
                     "/nowhere/program: the command cannot be executed: No such file or directory")
        self.refused(program("a", plain), r"\.command",
                     f"{plain}: the command cannot be executed: Permission denied")
        self.refused(program("a", self.folder), r"\.command",
                     f"{self.folder}: the command cannot be executed: Is a directory")
        self.refused(program("a", "/bin/cat", directory="/nowhere"), r"\.command",
                     "/bin/cat: its directory cannot be entered: No such file or directory")

    def test_commands_that_make_no_sense(self):
        absolute = "expected the absolute path of a program and its arguments"
        self.refused(program("a", "cat"), r"\.command", absolute)
        self.refused(program("a"), r"\.command", absolute)
        self.refused(service("a", "exec"), "", r"command is missing: add command = \[")
        self.refused(service("a", "exec", command=("/bin/cat", 7)), r"\.command\.\[1\]",
                     "expected a string")
        self.accepted(service("a", "exec", command="/bin/cat"))

    def test_settings(self):
        cat = ("a", "/bin/cat")
        for setting, value, message in (
                ("directory", "relative", "expected an absolute path"),
                ("chroot", "", "expected an absolute path"),
                ("argv0", "", "expected a string that is not empty"),
                ("umask", "22", "expected permissions"),
                ("nice", 20, "expected an integer from -20 to 19"),
                ("nice", -21, "expected an integer from -20 to 19"),
                ("instances", -1, "expected an integer from 1 to 10000000, or 0"),
                ("stderr", "logg", r'expected one of .*did you mean "log"'),
                ("wait", 1, "expected a boolean"),
                ("kill_timeout", 0, "expected a duration"),
                ("sandbox", "tight", "expected one of"),
                ("environment", "LANG=C", "expected a group"),
                ("user", "no-such-user", 'there is no user "no-such-user"'),
                ("group", "no-such-group", 'there is no group "no-such-group"'),
                ("writable", ["/tmp"], "without a sandbox everything is"),
                ("rlimit", {}, r'unknown setting; did you mean "rlimits"\?')):
            with self.subTest(setting=setting, value=value):
                self.refused(program(*cat, **{setting: value}), rf"\.{setting}", message)
        for limit, value in (("nofile", -1), ("as", "64k"), ("cpu", "never"), ("core", "1T"),
                             ("fsize", "99999999999999999999")):
            with self.subTest(limit=limit, value=value):
                self.refused(program(*cat, rlimits={limit: value}), rf"\.rlimits\.{limit}",
                             "expected a number")
        self.refused(program(*cat, rlimits={"stack": 1}), r"\.rlimits\.stack", "unknown setting")
        for name in ("LISTEN_FDS", "NOTIFY_SOCKET", "WATCHDOG_USEC", "PROTO", "TCPREMOTEIP",
                     "TCPCONNNUM"):
            with self.subTest(name=name):
                self.refused(program(*cat, environment={name: "x"}), rf"\.environment\.{name}",
                             "this variable is tcpd's own")

    def test_for_another_type(self):
        self.refused(service("a", "echo", command=["/bin/cat"]), r"\.command",
                     'this is for a service of the type "exec" only')

    def test_wait(self):
        cat = ("a", "/bin/cat")
        self.accepted(program(*cat, wait=True))
        for settings, message in (
                ({"access": {"allow": ["127.0.0.1"]}}, "there can be no access"),
                ({"limits": {"per_address": 1}}, "no limits for a client address"),
                ({"count_bytes": True}, "there can be no count_bytes"),
                ({"listen": ["127.0.0.1:0", "[::1]:0"]}, "give it one address")):
            with self.subTest(settings=settings):
                self.refused(program(*cat, wait=True, **settings), r"\.wait", f".*{message}")

    def test_the_dump_means_the_same(self):
        first = self.run_tcpd(program(
            "a", "/bin/sh", "-c", 'echo "x"\necho', argv0="-sh", directory="/tmp", umask="0077",
            nice=5, instances=40, stderr="null", kill_timeout="250ms", count_bytes=True,
            environment={"LANG": "C", "X": 'a"b'}, sandbox="strict", writable=["/tmp"],
            rlimits={"nofile": 64, "as": "1G", "core": 0, "fsize": "unlimited", "cpu": 3600,
                     "nproc": "1K"}), option="-T")
        self.assertEqual(first.returncode, 0, first.stderr)
        for part in ('command = [ "/bin/sh", "-c", "echo \\"x\\"\\x0aecho" ];', "nice = 5;",
                     'as = 1073741824;', 'fsize = "unlimited";', 'writable = [ "/tmp" ];',
                     'environment = { LANG = "C"; X = "a\\"b"; };', "instances = 40;"):
            self.assertIn(part, first.stdout)
        path = os.path.join(self.folder, "second.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(first.stdout)
        second = subprocess.run([tcpdtest.TCPD, "-T", "-c", path], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual((second.returncode, second.stdout), (0, first.stdout), second.stderr)

    @unittest.skipUnless(IS_ROOT, "only root may enter another root")
    def test_chroot(self):
        self.refused(program("a", "/bin/cat", chroot="/nowhere"), r"\.command",
                     "/bin/cat: its chroot cannot be entered: No such file or directory")
        self.refused(program("a", "/bin/cat", chroot=self.folder), r"\.command",
                     "/bin/cat: the command cannot be executed: No such file or directory")

    @unittest.skipUnless(IS_ROOT, "only root can be others")
    def test_what_the_user_may_not_execute(self):
        path = os.path.join(self.folder, "private")
        with open("/bin/true", "rb") as file, open(path, "wb") as copy:
            copy.write(file.read())
        os.chmod(path, 0o700)
        self.refused(program("a", path, user="nobody"), r"\.command",
                     f"{path}: the command cannot be executed: Permission denied")
        self.accepted(program("a", path, user="root"))

    @unittest.skipIf(IS_ROOT, "root may be anybody")
    def test_another_user_without_the_right(self):
        ran = self.accepted(program("a", "/bin/cat", user="root"))
        self.assertRegex(ran.stderr, r'warning: services\.a\.user: programs cannot be the user '
                                     r'"root": that needs a tcpd started as root')

    def test_a_reload_with_a_bad_command_changes_nothing(self):
        daemon = self.tcpd(program("cat", "/bin/cat"))
        tcpdchange.rewrite(daemon, program("cat", "/nowhere/program"))
        answer = daemon.refused("reload")
        self.assertIn("/nowhere/program: the command cannot be executed", str(answer))
        client = daemon.connect("cat")
        client.sendall(b"word")
        client.expect(b"word")


if __name__ == "__main__":
    tcpdtest.main()
