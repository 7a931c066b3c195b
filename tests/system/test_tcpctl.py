#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""tcpctl against a daemon of the test's own: every command, every option, rubbish for answers."""

import copy
import os
import pty
import select
import shutil
import socket
import subprocess
import threading
import time
import unittest

import tcpdtest
from fakedaemon import CONNECTIONS, RELOAD, STATUS, FakeDaemon

TCPCTL = os.path.abspath(os.environ.get("TCPCTL", "./tcpctl"))
PATIENCE = 60
EVIL = "\x1b]0;owned\x07\x1b[2J\u009b6n\u202egnp \x7f\rx"


class ControlTest(unittest.TestCase):
    def setUp(self):
        self.daemon = FakeDaemon(self)

    def run_tcpctl(self, *words, socket_path=None, stdout=subprocess.PIPE, locale="C.UTF-8",
                   **environment):
        kept = {k: v for k, v in os.environ.items() if k != "TCPD_CONTROL"}
        place = ["-s", socket_path or self.daemon.path] if socket_path != "" else []
        return subprocess.run([TCPCTL, *place, *words], stdout=stdout, stderr=subprocess.PIPE,
                              env={**kept, "LC_ALL": locale, **environment}, timeout=PATIENCE,
                              check=False)

    def expect(self, *words, status=0, **options):
        """The lines that it prints; nothing may be on stderr when it is done well."""
        result = self.run_tcpctl(*words, **options)
        self.assertEqual(result.returncode, status, result)
        if status == 0:
            self.assertEqual(result.stderr, b"")
        return result.stdout.decode().split("\n")[:-1]

    def complaint(self, status, *words, **options):
        """What it says on stderr when it fails; then stdout stays empty."""
        result = self.run_tcpctl(*words, **options)
        self.assertEqual((result.returncode, result.stdout), (status, b""), result)
        self.assertTrue(result.stderr.startswith(b"tcpctl: "), result.stderr)
        return result.stderr.decode()


class Commands(ControlTest):
    def test_status(self):
        self.assertEqual(self.expect("status"), [
            "tcpd 0.1.0 is serving, pid 4711, up 1h02m",
            "configuration   /etc/tcpd.conf",
            "generation      7",
            "pool            1 process, 2 threads",
            "connections     12 open, at most 100000",
            "services        3 on 4 addresses",
            "log             level info, 6 lines dropped",
            "reloads         3 done, 1 failed",
            "upgrades        2 done, 0 failed",
            "child restarts  5",
            "last change     reload, 3.2s ago, failed: the file is bad",
            "",
            "GENERATION  STATE       AGE  OPEN  CHILD   PID  STATE     OPEN",
            "         7  current   1m30s     2  7.0    4712  serving      2",
            "         7  current   1m30s     2  7.1    4713  starting     0",
            "         6  draining  1d01h    10  -         -  -            -",
        ])

    def test_status_before_the_first_change(self):
        status = copy.deepcopy(STATUS)
        del status["last_change"]
        self.daemon.answers["status"] = [status]
        self.assertFalse([line for line in self.expect("status") if "last change" in line])

    def test_services(self):
        self.assertEqual(self.expect("services"), [
            "NAME   TYPE   STATE      ACTIVE  ACCEPTED  REJECTED  LOST  RECEIVED  SENT  ADDRESSES",
            "echo   echo   accepting       1   1234567         8     2     12.3K   100  "
            "127.0.0.1:7, [::1]:7",
            "greet  greet  drained         0         0         0     0         0     0  "
            "unix:/run/greet",
        ])

    def test_connections(self):
        self.assertEqual(self.expect("connections"), [
            "ID       SERVICE  PEER             PHASE        AGE   IDLE  RECEIVED  SENT  "
            "TCP              RTT  RETRANSMITS",
            "7.0.123  echo     127.0.0.1:40112  open       1h02m  350ms         6  3.0M  "
            "ESTABLISHED  0.043ms            4",
            "6.0.9    greet    unix:            lingering    12s   5.2s      2.0K     0  "
            "-                  -            -",
        ])
        self.assertEqual(self.daemon.requests, [{"command": "connections"}])

    def test_connections_of_a_service(self):
        self.daemon.answers["connections"] = [{"ok": True, "connections": []}]
        self.assertEqual(self.expect("connections", "echo"), [
            "ID  SERVICE  PEER  PHASE  AGE  IDLE  RECEIVED  SENT  TCP  RTT  RETRANSMITS"])
        self.assertEqual(self.daemon.requests, [{"command": "connections", "service": "echo"}])

    def test_connections_that_are_incomplete(self):
        self.daemon.answers["connections"] = [
            {"ok": True, "connections": CONNECTIONS, "missing": ["child 6.0 did not answer"]}]
        result = self.run_tcpctl("connections")
        self.assertEqual(result.returncode, 0)
        self.assertEqual(result.stdout.count(b"\n"), 3)
        self.assertEqual(result.stderr, b"tcpctl: incomplete: child 6.0 did not answer\n")

    def test_kill(self):
        self.assertEqual(self.expect("kill", "7.0.123"), ["killed 7.0.123"])
        self.assertEqual(self.daemon.requests, [{"command": "kill", "id": "7.0.123"}])

    def test_explain(self):
        self.assertEqual(self.expect("explain", "10.6.6.7", "echo", "::1"), [
            "10.6.6.7 would now be refused by echo",
            '  because of services.echo.access.deny "10.6.6.0/24" at /etc/tcpd.conf:31, '
            "reason access",
            "  but for a trial of limits.rate at -o limits.rate, reason rate",
            "  echo is drained",
            "",
            "SETTING              NOW   LIMIT  UNIT         STANDS AT",
            "limits.queue_delay  21ms    50ms  seconds      /etc/tcpd.conf:9",
            "limits.connections    12  100000  connections  default",
            "limits.per_address     -       -  connections  default",
        ])
        self.assertEqual(self.daemon.requests, [{"command": "explain", "address": "10.6.6.7",
                                                 "service": "echo", "proxy": "::1"}])
        told = {"ok": True, "address": "::2", "proxy": "::1", "service": "echo",
                "access": {"setting": "a.allow", "at": "f:1", "entry": "::/8", "allowed": True}}
        for decision, words in (("admitted", "admitted to"), ("queued", "queued for")):
            self.daemon.answers["explain"] = [{**told, "decision": decision}]
            self.assertEqual(self.expect("explain", "::2", "echo")[:2],
                             [f"::2 by way of ::1 would now be {words} echo",
                              '  let in by a.allow "::/8" at f:1'])

    def test_reload(self):
        self.assertEqual(self.expect("reload"), [
            "+ service a", "- service b", "~ service c", "+ listener 127.0.0.1:80 (a)",
            "- listener 127.0.0.1:81 (b)", "~ setting pool.threads", "generation 8 serves"])

    def test_reload_of_what_is_the_same(self):
        nothing = {"added": [], "removed": [], "changed": []}
        self.daemon.answers["reload"] = [{**RELOAD, "services": nothing, "listeners": nothing,
                                          "settings": []}]
        self.assertEqual(self.expect("reload"), ["nothing changed", "generation 8 serves"])

    def test_upgrade(self):
        self.assertEqual(self.expect("upgrade"),
                         ["upgraded from 0.1.0 to 0.2.0, generation 9 serves"])

    def test_stop_returns_when_the_daemon_has_left(self):
        self.daemon.closes.clear()
        process = subprocess.Popen([TCPCTL, "-s", self.daemon.path, "stop"],
                                   stdout=subprocess.PIPE)
        self.addCleanup(process.stdout.close)
        self.assertEqual(process.stdout.readline(), b"3 connections left: echo 2, greet 1\n")
        self.assertEqual(process.stdout.readline(), b"1 connection left: echo 1\n")
        # The final answer came in one piece with these lines, and yet it waits for the end.
        self.assertEqual(select.select([process.stdout], [], [], 0.3)[0], [])
        self.assertIsNone(process.poll())
        self.daemon.leave()
        self.assertEqual(process.stdout.read(), b"tcpd has left\n")
        self.assertEqual(process.wait(PATIENCE), 0)

    def test_drain_tells_what_is_left_when_it_changes(self):
        wanted = ["2 connections left: echo 2", "1 connection left: echo 1",
                  "drained: no connection is left"]
        self.assertEqual(self.expect("drain"), wanted)
        self.assertEqual(self.expect("drain", "echo"), wanted)
        self.assertEqual(self.daemon.requests,
                         [{"command": "drain"}, {"command": "drain", "service": "echo"}])

    def test_log(self):
        self.assertEqual(self.expect("log", "debug"), ["log level debug, was info"])
        self.assertEqual(self.daemon.requests, [{"command": "log", "level": "debug"}])

    def test_metrics(self):
        self.assertEqual(self.expect("metrics"),
                         ["# HELP a b", "# TYPE a counter", 'a{b="c"} 1'])

    def test_json_is_what_the_daemon_said(self):
        lines = b'{"progress":true,"x": 1.10}\n{ "ok" : true, "unknown":"\xc3\xa4" }\n'
        for command in (["status"], ["services"], ["connections"], ["kill", "1.0.1"], ["reload"],
                        ["upgrade"], ["stop"], ["drain"], ["log", "info"], ["metrics"]):
            with self.subTest(command):
                self.daemon.answers[command[0]] = lines
                result = self.run_tcpctl("--json", *command)
                self.assertEqual((result.returncode, result.stdout, result.stderr),
                                 (0, lines, b""))


class Refusals(ControlTest):
    def test_the_message_and_every_error_are_on_stderr(self):
        errors = ["/etc/tcpd.conf:3: error: pool.thread: unknown", "/etc/tcpd.conf:4: error: b: c"]
        self.daemon.answers["reload"] = [{"ok": False, "error": "it is not valid",
                                          "errors": errors}]
        self.assertEqual(self.complaint(1, "reload"),
                         "tcpctl: it is not valid\n" + "".join(e + "\n" for e in errors))

    def test_a_refusal_as_json_is_on_both(self):
        self.daemon.answers["kill"] = b'{"ok":false,"error":"there is no connection 1.0.1"}\n'
        result = self.run_tcpctl("kill", "1.0.1", "--json")
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stdout, self.daemon.answers["kill"])
        self.assertEqual(result.stderr, b"tcpctl: there is no connection 1.0.1\n")
        self.daemon.answers["kill"] = [{"ok": False}]
        self.assertEqual(self.complaint(1, "kill", "1"), "tcpctl: -\n")


class CommandLine(ControlTest):
    def test_where_the_socket_is(self):
        nowhere = "/nonexistent/control.sock"
        for option in (["-s", self.daemon.path], ["--socket", self.daemon.path],
                       ["--socket=" + self.daemon.path]):
            self.expect(*option, "status", socket_path="", TCPD_CONTROL=nowhere)
        self.expect("status", socket_path="", TCPD_CONTROL=self.daemon.path)
        self.expect("status", "-s", self.daemon.path, socket_path="")
        self.assertIn(nowhere, self.complaint(69, "status", socket_path="", TCPD_CONTROL=nowhere))
        if not os.path.exists("/run/tcpd/control.sock"):
            for settings in ({}, {"TCPD_CONTROL": ""}):
                self.assertIn("at /run/tcpd/control.sock: there is no such socket",
                              self.complaint(69, "status", socket_path="", **settings))

    def test_help_and_version(self):
        for word in ("-h", "--help"):
            lines = self.expect(word)
            self.assertTrue(lines[0].startswith("Usage: tcpctl "))
            for name in self.daemon.answers:
                self.assertTrue([line for line in lines if line.startswith("  " + name + " ")],
                                name)
        for word in ("-V", "--version"):
            self.assertRegex("\n".join(self.expect(word)), r"^tcpctl \(tcpd\) \d.*\ntop: \w+$")
        self.assertEqual(self.daemon.connects, 0)

    def test_wrong_usage(self):
        for words, said in (
                ([], "which command?"),
                (["statsu"], 'there is no command "statsu"; is it "status"?'),
                (["xyzzy"], 'there is no command "xyzzy"\n'),
                (["explode\x1b[2J"], '"explode\\x1b[2J"'),
                (["kill"], "kill wants ID"),
                (["kill", ""], "kill wants ID"),
                (["log"], "log wants LEVEL"),
                (["status", "all"], 'status takes no argument: what is "all"?'),
                (["kill", "1.0.1", "1.0.2"], 'kill takes one argument: what is "1.0.2"?'),
                (["drain", "echo", "greet"], 'what is "greet"?'),
                (["--jsn", "status"], "unknown option --jsn"),
                (["-x", "status"], "unknown option -x"),
                (["status", "--json=1"], "the option --json=1 takes no argument"),
                (["status", "-s"], "the option -s wants an argument"),
                (["status", "--socket="], "--socket wants a path"),
                (["status", "-i", "2"], "--interval is of use to top only"),
                (["top", "--json"], "top is for people"),
                (["top", "-i", "0"], "--interval takes 0.1 to 3600 seconds"),
                (["top", "--interval", "nan"], "--interval takes 0.1 to 3600 seconds"),
                (["top", "-i", "2s"], "--interval takes 0.1 to 3600 seconds"),
                (["kill", "x" * 5000], "that is no ID: it is too long"),
                (["kill", b"\xff"], "that is no ID: it is not UTF-8")):
            with self.subTest(words):
                self.assertIn(said, self.complaint(64, *words))
        self.assertEqual(self.daemon.connects, 0)

    def test_top_wants_a_terminal(self):
        if "top: none" in self.expect("--version"):
            self.assertIn("without ncurses", self.complaint(1, "top"))
        else:
            self.assertIn("top wants a terminal", self.complaint(64, "top"))


class NoDaemon(ControlTest):
    def no_daemon(self, *words, **options):
        return self.complaint(69, *(words or ["status"]), **options)

    def test_no_socket(self):
        path = self.daemon.path + "x"
        self.assertEqual(self.no_daemon(socket_path=path),
                         f"tcpctl: cannot ask tcpd at {path}: there is no such socket; is tcpd "
                         "running, and is this its control.socket?\n")

    def test_a_socket_that_was_left_behind(self):
        path = os.path.join(self.daemon.folder, "left")
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(path)
        self.assertIn("nobody listens there; is tcpd running?", self.no_daemon(socket_path=path))

    def test_a_path_that_is_too_long(self):
        self.assertIn("File name too long", self.no_daemon(socket_path="/" + "x" * 200))

    @unittest.skipIf(os.geteuid() != 0, "wants to become somebody else")
    def test_not_permitted(self):
        os.chmod(self.daemon.folder, 0o755)
        os.chmod(self.daemon.path, 0o600)
        program = shutil.copy(TCPCTL, self.daemon.folder)
        result = subprocess.run([program, "-s", self.daemon.path, "status"], timeout=PATIENCE,
                                stderr=subprocess.PIPE, check=False, user=65534, group=65534,
                                extra_groups=[], cwd="/")
        self.assertEqual(result.returncode, 69, result)
        self.assertIn(b"not permitted; be root, or a member of the group", result.stderr)

    def test_one_that_goes_away_before_the_end_of_its_answer(self):
        for command in ("status", "reload", "stop", "drain"):
            for answer in (b"", b'{"ok":tr', b'{"ok":true}', b'{"progress":true,"open":0}\n'):
                with self.subTest(command=command, answer=answer):
                    self.daemon.answers[command] = answer
                    self.daemon.closes.add(command)
                    self.assertIn("tcpd has gone away before it had answered",
                                  self.no_daemon(command))

    def test_rubbish(self):
        for answer in (b"\n", b"HTTP/1.1 400 Bad Request\r\n", b"{}\n", b"[]\n", b"3\n", b"null\n",
                       b'{"ok":"yes"}\n', b'{"ok":true}}\n', b'{"progress":false}\n',
                       b'{"ok":true,"a":"\x00"}\n', b'{"ok":true,"a":"\xff"}\n',
                       b'{"ok":true,"a":"\\u0000"}\n', b'{"ok":true,"a":"\x1b[2J"}\n',
                       b"[" * 100000 + b"\n"):
            for option in ([], ["--json"]):
                with self.subTest(answer=answer[:50], option=option):
                    self.daemon.answers["status"] = answer
                    said = self.no_daemon("status", *option)
                    self.assertIn("what answers is not tcpd, or another version: ", said)
                    self.assertNotIn("\x1b", said)

    def test_answers_of_other_types_are_printed_as_far_as_they_go(self):
        for command in (["status"], ["services"], ["connections"], ["kill", "1.0.1"], ["reload"],
                        ["upgrade"], ["drain"], ["log", "info"], ["metrics"]):
            for value in (None, 1, -1.5, "x", [], [[]], [1], {}, [{"children": [[], 3, {}]}]):
                names = ["services", "connections", "listeners", "settings", "generations", "text",
                         "version", "id", "pid", "uptime", "missing", "last_change", "reloads"]
                self.daemon.answers[command[0]] = [{"progress": True, "open": value},
                                                   {"ok": True, **dict.fromkeys(names, value)}]
                with self.subTest(command=command, value=value):
                    self.assertEqual(self.run_tcpctl(*command).returncode, 0)

    def test_a_line_that_never_ends(self):
        block = b" " * (1 << 20)
        self.daemon.answers["status"] = lambda request: b'{"ok":true,' + block * 66
        self.assertIn("a line of tcpd's answer is longer than 64 MiB", self.no_daemon())

    def test_a_long_line_is_fine(self):
        many = [dict(CONNECTIONS[0], id=f"1.0.{i}") for i in range(20000)]
        self.daemon.answers["connections"] = [{"ok": True, "connections": many}]
        lines = self.expect("connections")
        self.assertEqual(len(lines), 20001)
        self.assertEqual(len({len(line) for line in lines}), 1)

    def test_an_answer_in_many_pieces(self):
        def in_pieces(_):
            for byte in b'{"ok":true,"level":"x","was":"y"}':
                self.daemon.connections[-1].sendall(bytes([byte]))
            return b"\n"
        self.daemon.answers["log"] = in_pieces
        self.assertEqual(self.expect("log", "x"), ["log level x, was y"])

    def background(self, command, path=None):
        process = subprocess.Popen([TCPCTL, "-s", path or self.daemon.path, command],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.addCleanup(process.stderr.close)
        return process

    def test_one_that_is_silent(self):
        """After ten seconds it counts as none, but for what may take its time."""
        path = os.path.join(self.daemon.folder, "full")
        commands = ("reload", "upgrade", "drain", "stop")
        self.daemon.answers.update(dict.fromkeys(commands, b""), status=b'{"ok":')
        self.daemon.closes.clear()
        with socket.socket(socket.AF_UNIX) as full, socket.socket(socket.AF_UNIX) as first:
            full.bind(path)
            full.listen(0)
            first.connect(path)
            patient = [self.background(command) for command in commands]
            queued = self.background("status", path)
            start = time.monotonic()
            self.assertIn("tcpd has not answered for 10 s; does it hang?", self.no_daemon())
            self.assertGreater(time.monotonic() - start, 9.9)
            self.assertIn(b"too many others are asking it", queued.stderr.read())
            self.assertEqual(queued.wait(PATIENCE), 69)
        self.assertEqual([process.poll() for process in patient], [None] * 4)
        self.daemon.leave()
        self.assertEqual([process.wait(PATIENCE) for process in patient], [69] * 4)


class Output(ControlTest):
    """What the daemon says does nothing to a terminal, and an output that fails is no crash."""

    def on_a_terminal(self, *words):
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        seen = bytearray()
        reader = threading.Thread(target=self.read_all, args=(master, seen), daemon=True)
        reader.start()
        said = self.run_tcpctl(*words, stdout=slave).stderr
        os.close(slave)
        reader.join(PATIENCE)
        return bytes(seen), said

    @staticmethod
    def read_all(master, seen):
        try:
            while True:
                seen += os.read(master, 65536)
        except OSError: # the other side is closed
            pass

    def evil_answers(self):
        evil = {"ok": True, "services": [dict.fromkeys(CONNECTIONS[0], EVIL)],
                "connections": [dict.fromkeys(CONNECTIONS[0], EVIL)], "missing": [EVIL],
                "text": EVIL + "\n", "last_change": {"what": EVIL, "error": EVIL},
                "settings": [EVIL], "generations": [{"children": [{"state": EVIL}]}],
                "notes": [EVIL], **dict.fromkeys(["rule", "access"], {"setting": EVIL}),
                "limits": [dict.fromkeys(["setting", "unit", "at"], EVIL)],
                "trials": [{"setting": EVIL, "at": EVIL, "entry": EVIL}],
                **dict.fromkeys(["version", "state", "config", "id", "level", "was", "decision",
                                 "address", "service", "proxy"], EVIL)}
        progress = {"progress": True, "open": 1, "services": [{"name": EVIL, "active": 1}]}
        refusal = {"ok": False, "error": EVIL, "errors": [EVIL]}
        return [[progress, evil], [refusal]]

    def test_nothing_acts_on_the_terminal(self):
        for answer in self.evil_answers():
            for command in (["status"], ["services"], ["connections"], ["kill", "1"], ["reload"],
                            ["upgrade"], ["stop"], ["drain"], ["log", "info"], ["metrics"],
                            ["explain", "::1", "echo"], ["--json", "status"]):
                with self.subTest(command=command):
                    self.daemon.answers[command[-1 if command[0] == "--json" else 0]] = answer
                    seen, said = self.on_a_terminal(*command)
                    text = (seen + said).decode().replace("\r\n", "\n")
                    self.assertTrue(text)
                    for harm in "\x1b\x07\u009b\u202e\r":
                        self.assertNotIn(harm, text)

    def test_what_is_harmful_is_shown_as_hex(self):
        self.daemon.answers["kill"] = [{"ok": True, "id": "\x1b[2J \u009b \u202e ä€ \n"}]
        hexes = "\\x1b[2J \\xc2\\x9b \\xe2\\x80\\xae "
        self.assertEqual(self.expect("kill", "1"), ["killed " + hexes + "ä€ \\x0a"])
        self.assertEqual(self.expect("kill", "1", locale="C"),
                         ["killed " + hexes + "\\xc3\\xa4\\xe2\\x82\\xac \\x0a"])

    def test_columns_fit_what_is_wide(self):
        self.daemon.answers["services"] = [{"ok": True, "services": [
            {"name": "漢字", "type": "x"}, {"name": "ä", "type": "x"}, {"name": "a", "type": "x"}]}]
        lines = self.expect("services")
        for line, start in zip(lines, ("NAME  TYPE  ", "漢字  x     ", "ä     x     ", "a     x")):
            self.assertTrue(line.startswith(start), line)

    def test_data_for_a_program_pass_unchanged(self):
        self.daemon.answers["metrics"] = [{"ok": True, "text": "a{b=\"ä\"} 1\n"}]
        result = self.run_tcpctl("metrics", locale="C")
        self.assertEqual(result.stdout, "a{b=\"ä\"} 1\n".encode())

    def test_a_reader_that_leaves_early(self):
        many = [CONNECTIONS[0]] * 5000
        self.daemon.answers["connections"] = [{"ok": True, "connections": many}]
        for option in ([], ["--json"]):
            read, write = os.pipe()
            os.close(read)
            result = self.run_tcpctl("connections", *option, stdout=write)
            os.close(write)
            self.assertEqual((result.returncode, result.stderr), (0, b""))

    def test_a_full_disk(self):
        with open("/dev/full", "wb") as full:
            result = self.run_tcpctl("status", stdout=full)
            self.assertEqual(result.returncode, 74)
            self.assertEqual(result.stderr, b"tcpctl: cannot write to standard output\n")

    def test_a_closed_output_is_not_the_connection(self):
        result = subprocess.run([TCPCTL, "-s", self.daemon.path, "status"], stderr=subprocess.PIPE,
                                timeout=PATIENCE, check=False, preexec_fn=lambda: os.close(1))
        self.assertEqual(result.returncode, 74, result)
        self.assertEqual(self.daemon.requests, [{"command": "status"}])


if __name__ == "__main__":
    tcpdtest.main()
