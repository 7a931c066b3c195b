#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The daemon and broken configurations: status 78, the right line, a sentence that helps.

Each file tests/corpus/conf/NAME.conf says in its first lines what is to be said about it:

    # expect LINE: a part of the sentence

A file that cannot hold such lines has them, without "# expect ", in NAME.expect.
TCPD is the daemon (default ./tcpd), srcdir the source tree (default .).
"""
import os
import pathlib
import resource
import socket
import subprocess
import sys
import tempfile
import unittest

TCPD = os.path.abspath(os.environ.get("TCPD", "./tcpd"))
SOURCE = pathlib.Path(os.environ.get("srcdir", ".")).resolve()
CORPUS = SOURCE / "tests" / "corpus" / "conf"
SAMPLE = SOURCE / "etc" / "tcpd.conf"
SECONDS = float(os.environ.get("TCPD_TEST_SECONDS", "5"))
EX_OK, EX_CONFIG = 0, 78
ECHO = 'services = ( { name = "echo"; type = "echo"; listen = "%s"; } );\n'


def tcpd(*arguments, folder=None, prepare=None):
    """Runs the daemon to its end; to hang is an error."""
    return subprocess.run(
        [TCPD, *map(str, arguments)],
        cwd=folder,
        preexec_fn=prepare,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        timeout=SECONDS,
        check=False,
    )


def expectations(path):
    """What the corpus says about one of its files: pairs of a line and a text."""
    beside = path.with_suffix(".expect")
    if beside.exists():
        lines = beside.read_text(encoding="utf-8").splitlines()
    else:
        marks = path.read_text(encoding="utf-8").splitlines()
        lines = [mark[len("# expect ") :] for mark in marks if mark.startswith("# expect ")]
    return [tuple(part.strip() for part in line.split(":", 1)) for line in lines]


class Corpus(unittest.TestCase):
    def test_there_are_enough(self):
        self.assertGreaterEqual(len(list(CORPUS.glob("*.conf"))), 60)

    def test_each_mistake_is_told(self):
        for path in sorted(CORPUS.glob("*.conf")):
            with self.subTest(path.name):
                self.check(path)

    def check(self, path):
        ran = tcpd("-t", "-c", path.name, folder=CORPUS)
        self.assertEqual(ran.returncode, EX_CONFIG, ran.stderr)
        self.assertEqual(ran.stdout, "")
        expected = expectations(path)
        self.assertTrue(expected, "the file does not say what it expects")
        errors = [line for line in ran.stderr.splitlines() if ": error: " in line]
        for line, text in expected:
            start = f"{path.name}:{line}: error: "
            found = [e for e in errors if e.startswith(start) and text in e]
            self.assertTrue(found, f"no line {start}...{text}... in\n{ran.stderr}")
        self.assertEqual(len(errors), len(expected), ran.stderr)
        for error in errors:
            self.assertRegex(error, r"^[^:]+:[0-9]+: error: [^ :]+: .{10,}$")
            self.assertTrue(error.isprintable(), repr(error))


class MadeHere(unittest.TestCase):
    """What a repository cannot hold."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def refused(self, text, *expected, arguments=()):
        if text is not None:
            (self.folder / "x.conf").write_text(text, encoding="utf-8")
        ran = tcpd("-t", "-c", "x.conf", *arguments, folder=self.folder)
        self.assertEqual(ran.returncode, EX_CONFIG, ran.stderr)
        for part in expected:
            self.assertIn(part, ran.stderr)

    def test_missing(self):
        self.refused(None, "x.conf:1: error: file: cannot be opened: No such file or directory")

    def test_folder(self):
        (self.folder / "x.conf").mkdir()
        self.refused(None, "x.conf:1: error: file: is a directory")

    def test_fifo(self):
        os.mkfifo(self.folder / "x.conf")
        self.refused(None, "x.conf:1: error: file: is a FIFO")

    def test_socket(self):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.folder / "x.conf"))
            self.refused(None, "x.conf:1: error: file: is a socket")

    def test_endless_device(self):
        (self.folder / "x.conf").symlink_to("/dev/zero")
        self.refused(None, "x.conf:1: error: file: is a character device")

    def test_symlink_to_itself(self):
        (self.folder / "x.conf").symlink_to("x.conf")
        self.refused(None, "x.conf:1: error: file: cannot be opened")

    def test_unreadable(self):
        (self.folder / "x.conf").write_text(ECHO % ":0", encoding="utf-8")
        (self.folder / "x.conf").chmod(0)
        if os.access(self.folder / "x.conf", os.R_OK):
            self.skipTest("root reads everything")
        self.refused(None, "x.conf:1: error: file: cannot be opened: Permission denied")

    def test_huge(self):
        with open(self.folder / "x.conf", "wb") as out:
            out.truncate(1 << 33)
        self.refused(None, "x.conf:1: error: file: is larger than 4 MiB")

    def test_includes(self):
        (self.folder / "a.inc").mkdir()
        os.mkfifo(self.folder / "b.inc")
        (self.folder / "c.inc").symlink_to("x.conf")
        (self.folder / "d.inc").write_text('include = "x.conf";\n', encoding="utf-8")
        self.refused(
            '\ninclude = "*.inc";\n' + ECHO % ":0",
            "x.conf:2: error: include: a.inc is a directory",
            "x.conf:2: error: include: b.inc is a FIFO",
            "x.conf:2: error: include: c.inc was read already",
            "d.inc:1: error: include: an included file holds nothing but services",
        )

    def test_directive_that_would_end_libconfig(self):
        for target in (".", "/", "x.conf", "/dev/zero", "missing"):
            with self.subTest(target):
                self.refused(
                    f'\n@include "{target}"\n' + ECHO % ":0",
                    "x.conf:2: error: syntax: no @-directive is read here",
                )

    def test_settings_in_one_group_without_end(self):
        text = "".join(f"setting_{i} = 1;\n" for i in range(20000))
        self.refused(text, "x.conf:1001: error: syntax: more than 1000 settings in one group")

    def test_deep_nesting(self):
        self.refused("a = " + "(" * 100000, "x.conf:1: error: syntax: more than 16 groups")
        self.refused("a = " + "{ a = " * 100000, "x.conf:1: error: syntax: more than 16 groups")

    def test_mistakes_of_an_override(self):
        self.refused(
            ECHO % ":0",
            "-o log.level: error: log.level: expected one of",
            "-o pool.queue: error: pool.queue: expected an integer from 1 to 65536, got an integer"
            " 4294967297",
            '-o services.ehco.listen: error: services.ehco.listen: services has no element named'
            ' "ehco"; did you mean "echo"?',
            arguments=(
                *("-o", "log.level=loud"),
                *("-o", "pool.queue=4294967297"),
                *("-o", "services.ehco.listen=:1"),
            ),
        )


class Valid(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def dump(self, *arguments):
        ran = tcpd("-T", *arguments, folder=self.folder)
        self.assertEqual(ran.returncode, EX_OK, ran.stderr)
        self.assertNotIn("error", ran.stderr)
        return ran.stdout

    def round_trip(self, *arguments):
        once = self.dump(*arguments)
        (self.folder / "dumped.conf").write_text(once, encoding="utf-8")
        self.assertEqual(self.dump("-c", "dumped.conf"), once)
        return once

    def test_sample_is_valid_and_means_what_it_prints(self):
        printed = self.round_trip("-c", SAMPLE)
        for port in (6000, 6007, 6009, 6013, 6019, 6037):
            self.assertIn(f'"127.0.0.1:{port}"', printed)

    def test_every_form_survives_the_round_trip(self):
        (self.folder / "x.conf").write_text(
            'pool = { processes = 2; threads = 3; generations = 4; hang_timeout = "250ms";\n'
            '  start_timeout = "2m"; };\n'
            'control = { socket = "/run/a\\"c"; mode = "0640"; group = "root"; };\n'
            'log = { target = "none"; facility = "local7"; access = false; };\n'
            'limits = { overload = "reset"; };\n'
            'timeouts = { idle = 0; write = "1500ms"; drain = 0; retire = "36h"; };\n'
            'services = ( { name = "a"; type = "time"; listen = ( "127.0.0.1:0", "[::1]:0",\n'
            '  ":7", { address = "unix:/run/a\\"b"; mode = "0600"; }, "systemd:web",\n'
            '  { address = "127.0.0.1:8"; interface = "lo"; backlog = 9; } );\n'
            '  timeouts = { idle = 5; }; limits = { connections = 3; }; } );\n',
            encoding="utf-8",
        )
        printed = self.round_trip("-c", "x.conf")
        control = 'control = { socket = "/run/a\\"c"; mode = "0640"; group = "root"; };'
        for part in ('hang_timeout = "250ms"', 'start_timeout = "2m"', 'retire = "36h"', control):
            self.assertIn(part, printed)
        for part in ('"unix:/run/a\\"b"', '"systemd:web"', 'interface = "lo"', 'idle = "5s"'):
            self.assertIn(part, printed)

    def test_overrides_are_printed(self):
        printed = self.round_trip(
            *("-c", SAMPLE),
            *("-o", "log.level=debug"),
            *("-o", "pool.generations=3"),
            *("-o", "control.socket="),
            *("-o", "control.group=root"),
            *("-o", "timeouts.retire=1h"),
            *("-o", "services.greet.listen=[::1]:6060"),
            *("-o", "services.[1].timeouts.idle=90"),
            *("-o", 'services.time.listen=[ ":1", ":2" ]'),
        )
        for part in ('generations = 3;', 'socket = "";', 'group = "root";', 'retire = "1h"'):
            self.assertIn(part, printed)
        for part in ('level = "debug"', '"[::1]:6060"', 'idle = "90s"', '":1"', '":2"'):
            self.assertIn(part, printed)

    def test_nothing_is_bound(self):
        """With the address in use, and in a folder where a socket would be seen."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            (self.folder / "x.conf").write_text(
                f'services = ( {{ name = "a"; type = "echo"; listen = [ "127.0.0.1:{port}",'
                f' "unix:{self.folder}/socket" ]; }} );\n',
                encoding="utf-8",
            )
            for option in ("-t", "-T"):
                ran = tcpd(option, "-c", "x.conf", folder=self.folder)
                self.assertEqual(ran.returncode, EX_OK, ran.stderr)
        self.assertEqual([entry.name for entry in self.folder.iterdir()], ["x.conf"])

    def test_machine_is_looked_at(self):
        (self.folder / "x.conf").write_text(
            "limits = { connections = 300; };\n"
            + ECHO % "unix:/no/such/folder/s"
            + 'control = { socket = "/no/such/folder/c"; };\n',
            encoding="utf-8",
        )

        def limit():
            resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))

        ran = tcpd("-t", "-c", "x.conf", folder=self.folder, prepare=limit)
        self.assertEqual(ran.returncode, EX_OK, ran.stderr)
        self.assertIn("x.conf:1: warning: limits.connections: ", ran.stderr)
        self.assertIn("x.conf:2: warning: services.echo.listen: ", ran.stderr)
        self.assertIn("x.conf:3: warning: control.socket: ", ran.stderr)


if __name__ == "__main__":
    sys.exit(unittest.main())
