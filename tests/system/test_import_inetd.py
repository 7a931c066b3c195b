#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""tcpctl import-inetd: what inetd, xinetd and tcpserver have becomes a configuration of tcpd.

Each file tests/corpus/inetd/NAME.FORMAT has beside it what has to come of it: NAME.out, on standard
output, and NAME.err, on standard error.  One that is not there is empty; without NAME.out the
import has to fail.
"""

import os
import pathlib
import pwd
import re
import shutil
import stat
import socket
import subprocess
import tempfile
import unittest

import tcpdtest
from tcpdtest import TCPD, connect

TCPCTL = os.path.abspath(os.environ.get("TCPCTL", "./tcpctl"))
SOURCE = pathlib.Path(os.environ.get("srcdir", ".")).resolve()
CORPUS = SOURCE / "tests" / "corpus" / "inetd"
FORMATS = ("inetd", "inetutils", "xinetd", "tcpserver")
EX_OK, EX_USAGE, EX_DATAERR, EX_NOINPUT = 0, 64, 65, 66
ECHO = "6007 stream tcp nowait root internal\n"


def import_inetd(*words, text=None, folder=None, **environment):
    """Runs it to its end, with nobody to ask; to hang is an error."""
    return subprocess.run(
        [TCPCTL, "import-inetd", *words], input=text, cwd=folder, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, timeout=30, check=False,
        env={**os.environ, "PATH": "/bin", "LC_ALL": "C.UTF-8", "TCPD_CONTROL": "/nonexistent",
             **environment})


def check_configuration(text, folder):
    """What tcpd -t says of it as a file that another one includes."""
    (folder / "imported.conf").write_bytes(text)
    (folder / "tcpd.conf").write_text(
        f'include = "imported.conf";\n'
        f'services = ( {{ name = "of-the-test"; type = "echo"; listen = "unix:{folder}/s"; }} );\n',
        encoding="utf-8")
    return subprocess.run([os.path.abspath(TCPD), "-T", "-c", str(folder / "tcpd.conf")],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False)


needs_services = unittest.skipUnless(os.path.exists("/etc/services"), "there is no /etc/services")


def files():
    return sorted(path for path in CORPUS.iterdir() if path.suffix[1:] in FORMATS)


class FolderTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def write(self, name, text):
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)


@needs_services
class Corpus(FolderTest):
    maxDiff = None

    def each(self):
        for path in files():
            with self.subTest(path.name):
                yield path

    def wanted(self, path, suffix):
        beside = path.with_suffix(suffix)
        return beside.read_text(encoding="utf-8") if beside.exists() else ""

    def test_there_are_enough(self):
        self.assertGreaterEqual(len(files()), 40)
        for suffix in FORMATS:
            self.assertTrue([path for path in files() if path.suffix == "." + suffix], suffix)

    def test_what_is_printed(self):
        for path in self.each():
            ran = import_inetd("--format", path.suffix[1:], path.name, folder=CORPUS)
            self.assertEqual(ran.stdout.decode(), self.wanted(path, ".out"))
            self.assertEqual(ran.stderr.decode(), self.wanted(path, ".err"))
            fine = path.with_suffix(".out").exists()
            self.assertEqual(ran.returncode, EX_OK if fine else EX_DATAERR)

    def test_what_is_lost_is_said_in_both_places(self):
        for path in self.each():
            if not path.with_suffix(".out").exists():
                continue
            comments = re.findall(r"^  // (.*)$", self.wanted(path, ".out"), re.MULTILINE)
            for warning in self.wanted(path, ".err").splitlines():
                self.assertRegex(warning, r"^[^:]+:\d+: warning: .{10,}$")
                self.assertIn(warning.replace(" warning:", "", 1), comments)

    def test_mistakes_name_file_and_line(self):
        for path in self.each():
            if path.with_suffix(".out").exists():
                continue
            errors = self.wanted(path, ".err").splitlines()
            self.assertTrue(errors)
            for error in errors:
                self.assertRegex(error, r"^[^:]+:\d+: error: .{10,}$")

    def test_the_format_is_recognised(self):
        for path in self.each():
            if path.suffix == ".inetutils" or "no-brace" in path.name:
                continue
            ran = import_inetd(path.name, folder=CORPUS)
            self.assertEqual(ran.stdout.decode(), self.wanted(path, ".out"))

    def test_it_is_a_configuration(self):
        for path in self.each():
            printed = self.wanted(path, ".out")
            if not printed:
                continue
            ran = check_configuration(printed.encode(), self.folder)
            self.assertEqual(ran.returncode, EX_OK, ran.stderr.decode())
            active = re.findall(r'^  \{ name = "(.*?)";', printed, re.MULTILINE)
            dumped = re.findall(r'^ +name = "(.*?)";', ran.stdout.decode(), re.MULTILINE)
            self.assertEqual(sorted(dumped), sorted([*active, "of-the-test"]))


def unescape(text):
    """What a literal block of a manual page shows."""
    for escape, character in (("\\(dq", '"'), ("\\&", ""), ("\\e", "\\")):
        text = text.replace(escape, character)
    return text


def words(text):
    """A service without its comments and its layout."""
    lines = [re.sub(r"^ *// (?=[{ ])", "", line) for line in text.splitlines()]
    return " ".join(" ".join(line for line in lines if not line.lstrip().startswith("//")).split())


@needs_services
class Page(FolderTest):
    """tcpd-from-inetd(7): its examples are true, and nothing is missing."""

    TEXT = (SOURCE / "man" / "tcpd-from-inetd.7").read_text(encoding="utf-8")
    OPTIONS = "cugUbIxXBlhHpPrRtdDoO1qQv46"
    ATTRIBUTES = """id type flags disable socket_type protocol wait user group instances nice server
        server_args libwrap only_from no_access access_times log_type log_on_success log_on_failure
        rpc_version rpc_number env passenv port redirect bind interface banner banner_success
        banner_fail per_source cps max_load groups mdns umask enabled disabled rlimit_as
        rlimit_files rlimit_cpu rlimit_data rlimit_rss rlimit_stack deny_time""".split()
    FLAGS = """INTERCEPT NORETRY IDONLY NAMEINARGS NODELAY KEEPALIVE NOLIBWRAP SENSOR IPv4 IPv6
        LABELED REUSE""".split()

    def pairs(self):
        """The format, what is imported and what it comes to, of each example."""
        block = r"\.Bd -literal -offset indent\n(.*?)\.Ed\n"
        found = re.findall(r'^\.\\" import (\w+)\n' + block + r".*?" + block, self.TEXT,
                           re.MULTILINE | re.DOTALL)
        return [(name, unescape(given), unescape(wanted)) for name, given, wanted in found]

    def test_there_are_examples_of_each(self):
        self.assertEqual({pair[0] for pair in self.pairs()}, {"inetd", "xinetd", "tcpserver"})
        self.assertEqual(len(self.pairs()), len(re.findall(r'^\.\\" import', self.TEXT, re.M)))

    def test_each_comes_to_what_stands_behind_it(self):
        for name, given, wanted in self.pairs():
            with self.subTest(given):
                ran = import_inetd("--format", name, "-", text=given.encode())
                self.assertEqual(ran.returncode, EX_OK, ran.stderr.decode())
                printed = words(ran.stdout.decode())
                service = re.sub(r"^services = \( | \);$", "", printed)
                self.assertEqual(service, words(wanted))

    def test_each_is_a_configuration(self):
        for _, _, wanted in self.pairs():
            with self.subTest(wanted):
                program = re.search(r'command = \[ "(.*?)"', wanted)
                if program and not os.access(program[1], os.X_OK):
                    continue
                ran = check_configuration(f"services = ( {wanted} );".encode(), self.folder)
                self.assertEqual(ran.returncode, EX_OK, ran.stderr.decode())

    def test_every_attribute_and_option_stands_there(self):
        labels = "\n".join(re.findall(r"^\.It (.*)$", self.TEXT, re.MULTILINE))
        for word in [*self.ATTRIBUTES, *self.FLAGS]:
            self.assertRegex(labels, rf"\b{word}\b")
        for letter in self.OPTIONS:
            self.assertRegex(labels, rf"(?m)^Fl .*\b{letter}\b")

    def test_every_attribute_and_option_is_known(self):
        for word in self.ATTRIBUTES:
            where = "defaults" if word in ("enabled", "disabled") else "service a"
            text = f"{where}\n{{\n{word} = 1\n}}\n"
            ran = import_inetd("-f", "xinetd", "-", text=text.encode())
            self.assertNotIn(b"no attribute", ran.stderr, word)
        for letter in self.OPTIONS:
            text = f"tcpserver -{letter} 7 0 6001 /bin/cat\n"
            ran = import_inetd("-f", "tcpserver", "-", text=text.encode())
            self.assertNotIn(b"an option of tcpserver", ran.stderr, letter)


class Input(FolderTest):
    def refused(self, status, said, *words, **options):
        ran = import_inetd(*words, folder=self.folder, **options)
        self.assertEqual(ran.returncode, status, ran.stderr)
        self.assertIn(said, ran.stderr.decode())
        self.assertEqual(ran.stdout, b"")

    def imported(self, *words, **options):
        ran = import_inetd(*words, folder=self.folder, **options)
        self.assertEqual(ran.returncode, EX_OK, ran.stderr)
        return ran.stdout.decode()

    def test_standard_input(self):
        for words in (["-"], ["-f", "inetd", "-"], ["--format=inetd", "-"]):
            printed = self.imported(*words, text=ECHO.replace("6007", "echo").encode())
            self.assertIn("// <stdin>:1: echo stream tcp", printed)
            self.assertIn('type = "echo";', printed)
        self.refused(EX_DATAERR, "<stdin>:2: error: ", "-", text=b"\nx\n")

    def test_several_files_are_one_configuration(self):
        one = "echo stream tcp4 nowait root internal\n"
        self.write("a.conf", one)
        self.write("b", "service discard\n{\n type = INTERNAL\n"
                        " socket_type = stream\n wait = no\n}\n")
        self.write("c", "tcpserver -u root -RH 127.0.0.1 7 /bin/cat\n")
        printed = self.imported("a.conf", "b", "c", "a.conf")
        self.assertEqual(re.findall(r'^  \{ name = "(.*)";', printed, re.MULTILINE),
                         ["echo", "discard"])
        self.assertIn("// c:1: echo has 127.0.0.1:7 already (a.conf:1)", printed)
        self.assertIn('// { name = "echo-2";', printed)
        ran = check_configuration(printed.encode(), self.folder)
        self.assertEqual(ran.returncode, EX_OK, ran.stderr)

    def test_one_mistake_and_nothing_is_printed(self):
        self.write("a", ECHO)
        self.write("b", "x\n")
        self.refused(EX_DATAERR, "b:1: error: ", "a", "b")

    def test_files_that_cannot_be_read(self):
        self.refused(EX_NOINPUT, "a:1: error: a cannot be read: No such file", "a")
        self.refused(EX_NOINPUT, ":1: error: . cannot be read: Is a directory", ".")
        self.write("zero", b"echo stream\0tcp\n")
        self.refused(EX_NOINPUT, "zero is no text: it has a byte 0", "zero")
        with open(self.folder / "huge", "wb") as file:
            file.truncate(1 << 33)
        self.refused(EX_NOINPUT, "huge cannot be read: it is larger than 1 MiB", "huge")

    def test_wrong_usage(self):
        self.refused(EX_USAGE, "import-inetd wants FILE...")
        self.refused(EX_USAGE, '--format takes inetd, inetutils, xinetd or tcpserver, not "ini"',
                     "--format", "ini", "a")
        self.refused(EX_USAGE, "import-inetd is for people: it has no --json", "--json", "a")
        self.refused(EX_USAGE, "--interval is of use to top only", "-i", "2", "a")
        for words in (["status", "-f", "inetd"], ["top", "--format", "inetd"]):
            ran = subprocess.run([TCPCTL, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 timeout=30, check=False)
            self.assertEqual(ran.returncode, EX_USAGE)
            self.assertIn(b"--format is of use to import-inetd only", ran.stderr)

    def test_a_host_is_looked_up(self):
        found = {ends[4][0] for ends in socket.getaddrinfo("localhost", 6007, socket.AF_INET,
                                                           socket.SOCK_STREAM)}
        self.write("a", "localhost:echo stream tcp4 nowait root internal\n")
        ran = import_inetd("a", folder=self.folder)
        self.assertIn(b'a:1: warning: "localhost" was looked up now and is 127.0.0.1', ran.stderr)
        for address in found:
            self.assertIn(f'"{address}:7"', ran.stdout.decode())

    def test_a_program_that_its_user_cannot_execute(self):
        self.folder.chmod(0o755)
        for folder in self.folder.parents:
            if not folder.stat().st_mode & stat.S_IXOTH:
                self.skipTest(f"{folder} is closed to others")
        path = self.write("program", "#!/bin/sh\n")
        os.mkdir(self.folder / "closed")
        shutil.copy(path, self.folder / "closed")
        self.write("a", f"echo stream tcp nowait daemon {path} program\n"
                   f"discard stream tcp nowait daemon {self.folder}/closed/program program\n")
        own = pwd.getpwuid(os.geteuid()).pw_name
        self.write("b", f"echo stream tcp nowait {own} {path} program\n"
                   f"discard stream tcp nowait {own} {self.folder}/closed/program program\n")
        for mode, folder_mode, served in ((0o755, 0o755, [True, True]),
                                          (0o744, 0o755, [False, True]),
                                          (0o755, 0o744, [True, False]),
                                          (0o700, 0o700, [False, False])):
            os.chmod(path, mode)
            os.chmod(self.folder / "closed" / "program", 0o755)
            os.chmod(self.folder / "closed", folder_mode)
            printed = self.imported("a")
            self.assertEqual([f'\n  {{ name = "{name}"' in printed for name in ("echo", "discard")],
                             served, printed)
            if not served[0]:
                self.assertIn(f'{path}: the user "daemon" cannot execute it', printed)
            self.assertNotIn("cannot execute", self.imported("b"))

    def test_too_many(self):
        lines = [f"127.0.{i // 250}.{i % 250 + 1}:echo stream tcp nowait root internal"
                 for i in range(1025)]
        self.write("a", "\n".join(lines) + "\n")
        self.refused(EX_DATAERR, "a:1025: error: more than 1024 services", "a")
        self.write("a", "\n".join(lines[:1024]) + "\n")
        printed = self.imported("a")
        self.assertEqual(printed.count("{ name = "), 1024)

    def test_files_that_include_each_other_without_end(self):
        (self.folder / "d").mkdir()
        for name in "abc":
            self.write(f"d/{name}", "includedir d\n" * 3)
        self.write("x", "includedir d\n")
        ran = import_inetd("-f", "xinetd", "x", folder=self.folder)
        self.assertEqual(ran.returncode, EX_DATAERR)
        self.assertEqual(ran.stderr.count(b"error: more than 1000 files are included"), 1)

    def test_lines_without_end(self):
        """Joined lines cost what they are long, and not what their number squared is."""
        self.write("a", "echo stream tcp nowait root internal\n" + " x\n" * 300000)
        self.assertIn('type = "echo"', self.imported("a"))
        self.write("a", "tcpserver 0 echo /bin/cat\\\n" + "x\\\n" * 300000 + "\n")
        self.assertIn('listen = "0.0.0.0:7"', self.imported("a"))

    def test_nothing_of_the_input_gets_out_of_its_comment_or_string(self):
        evil = b'x"; type = "echo"; }, { name = "evil\x1b[2J\xe2\x80\xa8\x85\r'
        name = b"a\r\x0b// } ;\x1b]0;x\x07"
        self.write("a", b"echo stream tcp nowait root /bin/cat " + evil + b"\n"
                   b"discard\x1b dgram udp wait root " + name + b" " + name + b"\n")
        printed = self.imported("a")
        self.assertEqual(len(re.findall(r"^ +\{ name =", printed, re.MULTILINE)), 1)
        for line in printed.splitlines():
            self.assertNotIn("\x1b", line)


class Meaning(tcpdtest.TestCase):
    """The daemon does with it what the other one did."""

    def served(self, text, *options):
        """A running daemon with what is imported, on ports that the system chooses."""
        ran = import_inetd("-", text=text.encode())
        self.assertEqual(ran.returncode, EX_OK, ran.stderr)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "imported.conf")
            with open(path, "wb") as file:
                file.write(ran.stdout)
            names = re.findall(r'^  \{ name = "(.*)";', ran.stdout.decode(), re.MULTILINE)
            for name in names:
                options = [*options, "-o", f"services.{name}.listen=127.0.0.1:0"]
            return self.tcpd("time", options=options, include=path)

    def test_built_in(self):
        daemon = self.served("echo stream tcp nowait root internal\n")
        client = connect(daemon.address("echo"))
        client.sendall(b"hello")
        client.expect(b"hello")
        client.close()

    def test_program(self):
        own = subprocess.check_output(["id", "-un"]).decode().strip()
        daemon = self.served(f"finger stream tcp nowait {own} /bin/sh in.sh -c "
                             "read${IFS}x;echo${IFS}$0:$x;echo${IFS}error>&2\n")
        client = connect(daemon.address("finger"))
        client.sendall(b"hello\n")
        self.assertEqual(client.recv_until_eof(), b"in.sh:hello\nerror\n")
        client.close()


if __name__ == "__main__":
    tcpdtest.main()
