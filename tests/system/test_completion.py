#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What a real bash offers for half a line of tcpd, tcpctl and tcpc."""

import fcntl
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import tempfile
import termios
import time
import unittest

import tcpdtest
from fakedaemon import FakeDaemon
from tcpdtest import poll_until

FOLDER = os.path.abspath(os.path.join(os.environ.get("srcdir", "."), "etc", "completion"))
PROGRAMS = {"tcpd": os.path.abspath(os.environ.get("TCPD", "./tcpd")),
            "tcpctl": os.path.abspath(os.environ.get("TCPCTL", "./tcpctl")),
            "tcpc": os.path.abspath(os.environ.get("TCPC", "./tcpc"))}
BASH = shutil.which("bash")

# Sets what readline sets, and calls the function that `complete` has registered.
SCRIPT = r"""
source "$1" || exit 99
specification=$(complete -p "${2##*/}") || exit 98
[[ $specification =~ -F\ ([^ ]+) ]] || exit 97
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
"${BASH_REMATCH[1]}" "$1" "${@: -1}" "${@: -2:1}"
[ ${#COMPREPLY[@]} = 0 ] || printf '%s\n' "${COMPREPLY[@]}"
"""


@unittest.skipUnless(BASH, "there is no bash")
class CompletionTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def complete(self, program, *words, **environment):
        """What is offered for the last word; "=" is a word of its own, as readline has it."""
        result = subprocess.run(
            [BASH, "--norc", "--noprofile", "-c", SCRIPT, "bash", os.path.join(FOLDER, program),
             PROGRAMS[program], *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            cwd=self.folder, env={**os.environ, **environment}, timeout=60, check=False)
        self.assertEqual((result.returncode, result.stderr), (0, b""), result)
        return sorted(result.stdout.decode().split("\n")[:-1])

    def options_of(self, program):
        """What its --help tells of: each option in both spellings."""
        told = subprocess.run([PROGRAMS[program], "--help"], stdout=subprocess.PIPE, timeout=60,
                              check=True).stdout.decode()
        return sorted(word for line in told.split("\n") if re.match(r" +-", line)
                      for word in re.findall(r"(?:^|[ ,])(--?[A-Za-z0-9][a-z0-9-]*)",
                                             line.strip().split("  ")[0]))

    def make_files(self):
        for name in ("one.conf", "two words.conf"):
            with open(os.path.join(self.folder, name), "wb"):
                pass

    def expect_files(self, program, *options):
        self.make_files()
        for option in options:
            for words in ([option], [option, "="] if option.startswith("--") else [option]):
                self.assertEqual(self.complete(program, *words, "o"), ["one.conf"])
                self.assertEqual(self.complete(program, *words, "t"), ["two words.conf"])
                self.assertEqual(self.complete(program, *words, "x"), [])
            if option.startswith("--"):
                self.assertEqual(self.complete(program, option, "="),
                                 ["one.conf", "two words.conf"])


class Tcpd(CompletionTest):
    def test_options(self):
        self.assertEqual(self.complete("tcpd", "-"), self.options_of("tcpd"))
        self.assertEqual(self.complete("tcpd", "-f", "--c"), ["--config"])
        self.assertEqual(self.complete("tcpd", "-o", ""), [])

    def test_files(self):
        self.expect_files("tcpd", "-c", "--config", "-p", "--pid-file")


class Tcpc(CompletionTest):
    def test_options(self):
        self.assertEqual(self.complete("tcpc", "-"), self.options_of("tcpc"))
        self.assertEqual(self.complete("tcpc", "-z", "--no"), ["--no-shutdown"])
        self.assertEqual(self.complete("tcpc", "-w", ""), [])
        self.assertEqual(self.complete("tcpc", "--timeout", "=", ""), [])
        for option in ("-w", "-e", "--repeat", "--parallel", "--alpn", "--proxy-tlv"):
            self.assertEqual(self.complete("tcpc", option, ""), [])
        self.assertEqual(self.complete("tcpc", "--min-version", "1.3"), ["1.3"])
        self.assertEqual(self.complete("tcpc", "--proxy-protocol", "=", ""), ["1", "2"])

    def test_files(self):
        self.expect_files("tcpc", "--cafile", "--cert", "--key", "--pcap", "--script")
        self.assertEqual(self.complete("tcpc", "--trace", "=", "o"), ["one.conf"])
        self.assertEqual(self.complete("tcpc", "--trace", "="), ["one.conf", "two words.conf"])

    def test_hosts_and_ports(self):
        hosts = os.path.join(self.folder, "hosts")
        with open(hosts, "w", encoding="ascii") as file:
            file.write("192.0.2.1 alpha.example\n192.0.2.2 beta.example\n")
        for before in ([], ["-v"], ["-w", "2s"], ["--trace"], ["--trace", "=", "x.svg"],
                       ["--pcap", "x"], ["--pcap", "=", "x"], ["--cafile", "=", "x"]):
            self.assertEqual(self.complete("tcpc", *before, "alp", HOSTFILE=hosts),
                             ["alpha.example"])
            if os.path.exists("/etc/services"):
                self.assertIn("telnet", self.complete("tcpc", *before, "alpha.example", "teln"))
        self.assertEqual(self.complete("tcpc", "alpha.example", "79", ""), [])


class Tcpctl(CompletionTest):
    def setUp(self):
        super().setUp()
        self.daemon = FakeDaemon(self)

    def ask(self, *words, **environment):
        return self.complete("tcpctl", *words, TCPD_CONTROL=self.daemon.path, **environment)

    def test_options_and_commands(self):
        self.assertEqual(self.ask("-"), self.options_of("tcpctl"))
        self.assertEqual(self.ask("status", "--j"), ["--json"])
        told = subprocess.run([PROGRAMS["tcpctl"], "--help"], stdout=subprocess.PIPE, timeout=60,
                              check=True).stdout.decode()
        commands = re.findall(r"^  ([a-z-]+) ", told.partition("Commands:")[2], re.MULTILINE)
        self.assertEqual(len(commands), 13)
        for before in ([], ["--json"], ["-s", "x"], ["--socket", "=", "x"], ["-i", "2"]):
            self.assertEqual(self.ask(*before, ""), sorted(commands))
        self.assertEqual(self.ask("re"), ["reload"])
        self.assertEqual(self.ask("status", ""), [])
        self.assertEqual(self.ask("top", "-i", ""), [])
        self.assertEqual(self.daemon.requests, [])

    def test_files(self):
        self.expect_files("tcpctl", "-s", "--socket")

    def test_what_is_imported(self):
        self.expect_files("tcpctl", "import-inetd")
        self.make_files()
        self.assertEqual(self.ask("import-inetd", "-f", "xinetd", "one.conf", "tw"),
                         ["two words.conf"])
        formats = ["inetd", "inetutils", "tcpserver", "xinetd"]
        for words in (["-f"], ["--format"], ["--format", "="], ["import-inetd", "-f"]):
            self.assertEqual(self.ask(*words, ""), formats)
        self.assertEqual(self.ask("-f", "xinetd", "imp"), ["import-inetd"])

    def test_levels(self):
        self.assertEqual(self.ask("log", ""), ["debug", "error", "info", "notice", "warning"])
        self.assertEqual(self.ask("log", "i"), ["info"])
        self.assertEqual(self.ask("log", "info", ""), [])

    def test_services_of_the_running_daemon(self):
        self.assertEqual(self.ask("drain", ""), ["echo", "greet"])
        self.assertEqual(self.ask("--json", "connections", "g"), ["greet"])
        self.assertEqual(self.ask("drain", "echo", ""), [])
        self.assertEqual(self.ask("explain", "::1", ""), ["echo", "greet"])
        self.assertEqual(self.ask("explain", "::1", "g"), ["greet"])
        self.assertEqual(self.ask("explain", "::1", "echo", ""), [])

    def test_users_for_a_unix_socket(self):
        self.assertEqual(self.ask("explain", "uni"), ["unix"])
        self.assertIn("root", self.ask("explain", "ro"))

    def test_connections_of_the_running_daemon(self):
        self.assertEqual(self.ask("kill", ""), ["6.0.9", "7.0.123"])
        self.assertEqual(self.ask("kill", "7."), ["7.0.123"])

    def test_the_socket_of_the_line_is_asked(self):
        for place in (["-s", self.daemon.path], ["--socket", "=", self.daemon.path],
                      ["-s", "~/control.sock"]):
            self.assertEqual(
                self.complete("tcpctl", *place, "drain", "", TCPD_CONTROL="/nonexistent",
                              HOME=self.daemon.folder), ["echo", "greet"])

    def test_without_spaces_in_the_json(self):
        answer = b'{"ok":true,"services":[{"name":"a-1"},{"name":"b_2"}]}\n'
        self.daemon.answers["services"] = answer
        self.assertEqual(self.ask("drain", ""), ["a-1", "b_2"])

    def test_nothing_of_an_answer_is_run(self):
        marker = os.path.join(self.folder, "marker")
        evil = f"$(touch {marker})`touch {marker}`"
        self.daemon.answers["services"] = [{"ok": True, "services": [
            {"name": evil, "x": '"name":"y"'}, {"name": "echo"}]}]
        self.assertEqual(self.ask("drain", ""), ["echo"])
        self.assertFalse(os.path.exists(marker))

    def test_no_daemon_is_no_offer(self):
        self.daemon.leave()
        for command in ("drain", "kill", "connections"):
            self.assertEqual(self.ask(command, ""), [])

    def test_a_refusal_is_no_offer(self):
        self.daemon.answers["services"] = [{"ok": False, "error": "not permitted"}]
        self.assertEqual(self.ask("drain", ""), [])

    def test_a_silent_daemon_does_not_hold_the_shell(self):
        self.daemon.answers["services"] = b""
        start = time.monotonic()
        self.assertEqual(self.ask("drain", ""), [])
        self.assertLess(time.monotonic() - start, 9)

    def test_keys_typed_at_a_prompt(self):
        """With readline, which cuts the line into words in its own way."""
        os.symlink(PROGRAMS["tcpctl"], os.path.join(self.folder, "tcpctl"))
        master, slave = pty.openpty()
        wide = struct.pack("4H", 24, 1000, 0, 0)  # no line is wrapped, however long the paths are
        fcntl.ioctl(slave, termios.TIOCSWINSZ, wide)
        shell = subprocess.Popen(
            [BASH, "--norc", "--noprofile", "-i"], stdin=slave, stdout=slave, stderr=slave,
            cwd=self.folder, start_new_session=True,
            env={**os.environ, "TERM": "dumb", "PS1": "> ", "INPUTRC": "/dev/null",
                 "PATH": self.folder + ":" + os.environ["PATH"]})
        os.close(slave)
        self.addCleanup(os.close, master)
        self.addCleanup(shell.wait)
        self.addCleanup(shell.kill)
        seen = bytearray()
        def type_and_see(keys, wanted):
            os.write(master, keys)
            def met():
                if select.select([master], [], [], 0.02)[0]:
                    seen.extend(os.read(master, 65536))
                return wanted in seen
            poll_until(met, what=str(wanted))
        place = self.daemon.path.encode()
        type_and_see(b"source " + os.fsencode(FOLDER) + b"/tcpctl; echo rea''dy\n", b"\nready")
        type_and_see(b"tcpctl --socket=" + place[:-2] + b"\t", b"--socket=" + place + b" ")
        type_and_see(b"dr\t", b" drain ")
        type_and_see(b"gr\t", b" drain greet ")


if __name__ == "__main__":
    tcpdtest.main()
