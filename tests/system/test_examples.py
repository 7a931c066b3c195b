#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The examples of etc/examples, each as it is, but for its port: the daemon runs it, and a client
talks to it."""

import grp
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import tempfile
import unittest

import tcpdtest
from tcpdtest import TCPD, WAIT, connect, poll_until

SOURCE = pathlib.Path(os.environ.get("srcdir", ".")).resolve()
EXAMPLES = SOURCE / "etc" / "examples"
BUILT = pathlib.Path(os.environ.get("top_builddir", ".")).resolve() / "etc" / "examples"
NAMES = {"count.conf": "count", "finger.conf": "finger", "git-daemon.conf": "git",
         "sum.conf": "sum"}
SUM = f'[ "/usr/bin/python3", "-u", "{EXAMPLES}/sum.py" ]'


def path_of(name):
    return (EXAMPLES if (EXAMPLES / name).exists() else BUILT) / name


def needs(*programs):
    missing = [program for program in programs if not os.access(program, os.X_OK)]
    return unittest.skipIf(missing, f"there is no {' and no '.join(missing)}")


class ExampleTest(tcpdtest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.folder.chmod(0o755)  # programs are another user when the test is root

    def options(self, name, *options):
        """The port is the system's choice; who is not root cannot have others run it."""
        service = NAMES[name]
        settings = [f"services.{service}.listen=127.0.0.1:0", *options]
        if os.geteuid() != 0:
            settings.append(f"services.{service}.user={pwd.getpwuid(os.geteuid()).pw_name}")
        if os.geteuid() != 0 and "group = " in path_of(name).read_text(encoding="utf-8"):
            settings.append(f"services.{service}.group={grp.getgrgid(os.getegid()).gr_name}")
        return [word for setting in settings for word in ("-o", setting)]

    def start(self, name, *options):
        return self.tcpd("time", include=str(path_of(name)), options=self.options(name, *options))

    def closed(self, daemon, client):
        line = daemon.wait_closed(client)
        self.assertEqual(line.get("exit"), 0, line)


class Count(ExampleTest):
    def test_lines_are_counted_when_the_client_has_finished(self):
        daemon = self.start("count.conf")
        client = connect(daemon.address("count"))
        lines = [b"one", b"two", b"one", b"one", b"three", b"two"] * 5000
        sender = tcpdtest.Sender(client, b"".join(line + b"\n" for line in lines), finish=True)
        self.assertEqual([line.split() for line in client.recv_until_eof().splitlines()],
                         [[b"15000", b"one"], [b"10000", b"two"], [b"5000", b"three"]])
        sender.join()
        self.closed(daemon, client)
        client.close()


@needs("/usr/sbin/in.fingerd", "/usr/bin/finger")
class Finger(ExampleTest):
    def test_it_knows_root(self):
        daemon = self.start("finger.conf")
        client = connect(daemon.address("finger"))
        client.sendall(b"root\r\n")
        answer = client.recv_until_eof().decode("ascii", "replace")
        self.assertRegex(answer, r"Login: root\s")
        self.assertIn("Welcome to", answer)
        self.closed(daemon, client)
        client.close()


@needs("/usr/bin/git")
class Git(ExampleTest):
    ENVIRONMENT = {"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C",
                   "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a",
                   "GIT_COMMITTER_EMAIL": "a@b", "GIT_TERMINAL_PROMPT": "0"}

    def git(self, *words):
        ran = subprocess.run(["git", *map(str, words)], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=6 * WAIT,
                             env={**self.ENVIRONMENT, "HOME": str(self.folder)}, check=False)
        self.assertEqual(ran.returncode, 0, ran.stdout.decode())
        return ran.stdout.decode()

    def make_repository(self):
        """Below srv, with a file of a few megabytes that does not get smaller."""
        work = self.folder / "work"
        self.git("init", "-q", "-b", "main", work)
        (work / "bytes").write_bytes(os.urandom(5 << 20))
        (work / "text").write_text("hello\n", encoding="ascii")
        self.git("-C", work, "add", ".")
        self.git("-C", work, "commit", "-q", "-m", "first")
        self.git("clone", "-q", "--bare", work, self.folder / "srv" / "thing.git")
        return work

    def test_a_clone_has_everything(self):
        work = self.make_repository()
        place = self.folder / "srv"
        daemon = self.start("git-daemon.conf", f"services.git.command.[3]=--base-path={place}",
                            f"services.git.command.[5]={place}")
        url = f"git://{daemon.address('git')}/thing.git"
        for name in ("one", "two"):
            self.git("clone", "-q", url, self.folder / name)
            for file in ("bytes", "text"):
                self.assertEqual((self.folder / name / file).read_bytes(),
                                 (work / file).read_bytes())
        self.assertEqual(self.git("-C", self.folder / "one", "rev-parse", "HEAD"),
                         self.git("-C", work, "rev-parse", "HEAD"))
        lines = poll_until(lambda: [line for line in daemon.closed() if line["service"] == "git"]
                           if len(daemon.closed()) >= 2 else None, what="two closed lines")
        self.assertEqual([line.get("exit") for line in lines], [0, 0], lines)


@needs("/usr/bin/python3")
class Sum(ExampleTest):
    def test_numbers_are_added(self):
        daemon = self.start("sum.conf", f"services.sum.command={SUM}")
        client = connect(daemon.address("sum"))
        client.expect(b"Send numbers, 127.0.0.1.\n")
        for number, answer in ((b"40", b"40"), (b"2", b"42"), (b"-50", b"-8")):
            client.sendall(number + b"\n")
            client.expect(answer + b"\n")
        client.sendall(b"many\n")
        client.expect(b"not a number: many\n")
        daemon.wait_log(r"a line that is no number, of 5 characters")
        client.finish()
        client.expect_eof()
        self.closed(daemon, client)
        client.close()

    def test_the_script_is_where_it_is_installed(self):
        text = path_of("sum.conf").read_text(encoding="utf-8")
        self.assertRegex(text, r'"-u", "/.*/examples/sum\.py" \];')


class All(ExampleTest):
    def test_each_is_tested(self):
        found = {path.name.replace(".in", "") for path in EXAMPLES.glob("*.conf*")}
        self.assertEqual(found, set(NAMES))

    def test_each_says_what_it_is_and_how_to_use_it(self):
        for name, service in NAMES.items():
            text = path_of(name).read_text(encoding="utf-8")
            self.assertTrue(text.startswith("// "), name)
            self.assertIn("/etc/tcpd.d", text)
            self.assertEqual(re.findall(r'name = "(.*?)"', text), [service])
            self.assertNotRegex(text, "@[a-z]+@")

    def test_each_is_a_configuration_of_its_own(self):
        for name in NAMES:
            missing = name == "finger.conf" and not shutil.which("/usr/sbin/in.fingerd")
            if missing or (name == "git-daemon.conf" and not shutil.which("/usr/bin/git")):
                continue
            with self.subTest(name):
                options = self.options(name)
                if name == "sum.conf":
                    options += ["-o", f"services.sum.command={SUM}"]
                ran = subprocess.run([os.path.abspath(TCPD), "-t", "-c", path_of(name), *options],
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
                                     check=False)
                self.assertEqual(ran.returncode, 0, ran.stderr.decode())


if __name__ == "__main__":
    tcpdtest.main()
