# SPDX-License-Identifier: MIT
"""type = "exec": a program for each connection, what it gets and how it ends."""

import json
import os
import socket
import subprocess
import tempfile

import tcpdchange
import tcpdtest
from exectest import descriptors, program, script, wait_running
from tcpdtest import WAIT, poll_until

TELL = """
import json, os
fds = {}
for fd in range(256):
    try:
        fds[fd] = os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        pass
print(json.dumps({"fds": fds, "environment": dict(os.environ), "cwd": os.getcwd(),
                  "group": os.getpgrp() == os.getpid(), "session": os.getsid(0),
                  "blocked": [line for line in open("/proc/self/status") if "Sig" in line]}))
"""


class Exec(tcpdtest.TestCase):

    def told(self, daemon, name="tell"):
        client = daemon.connect(name)
        return client, json.loads(client.recv_until_eof())

    def test_what_a_program_gets(self):
        daemon = self.tcpd(script("tell", TELL, environment={"LANG": "C", "EMPTY": ""}))
        client, told = self.told(daemon)
        told["environment"].pop("LC_CTYPE", None)  # Python's own
        host, port = daemon.address("tell").rsplit(":", 1)
        own_host, own_port = client.name.rsplit(":", 1)
        self.assertEqual(told["environment"], {
            "LANG": "C", "EMPTY": "", "PROTO": "TCP", "TCPLOCALIP": host, "TCPLOCALPORT": port,
            "TCPREMOTEIP": own_host, "TCPREMOTEPORT": own_port, "TCPCONNNUM": "1"})
        self.assertEqual(sorted(told["fds"]), ["0", "1", "2"])
        self.assertTrue(told["fds"]["0"].startswith("socket:"), told)
        self.assertEqual(told["fds"]["0"], told["fds"]["1"])
        self.assertTrue(told["fds"]["2"].startswith("pipe:"), told)
        self.assertEqual(told["cwd"], "/")
        self.assertTrue(told["group"], "no process group of its own")
        self.assertNotEqual(told["session"], os.getsid(0), "the terminal of who has started tcpd")
        masks = {line.split(":")[0]: int(line.split()[1], 16) for line in told["blocked"]
                 if line.split(":")[0] in ("SigBlk", "SigIgn")}
        # Python itself ignores SIGPIPE and SIGXFSZ; libc keeps 32 and 33 to itself.
        self.assertEqual(masks["SigBlk"], 0)
        self.assertEqual(masks["SigIgn"] & ~(1 << 12 | 1 << 24 | 3 << 31), 0)

    def test_what_the_log_tells(self):
        daemon = self.tcpd(program("sh", "/bin/sh", "-c", "exit 7"),
                           program("shot", "/bin/sh", "-c", "kill -9 $$"))
        for name, word, value in (("sh", "exit", 7), ("shot", "signal", 9)):
            client = daemon.connect(name)
            client.expect_eof()
            line = daemon.wait_closed(client)
            self.assertEqual(line["reason"], "done")
            self.assertEqual(line[word], value)
            self.assertIn("cpu_ms", line)
            self.assertGreater(line["maxrss_kb"], 100)
            self.assertNotIn("in", line)
            self.assertNotIn("out", line)

    def test_arguments(self):
        daemon = self.tcpd(
            program("one", "/usr/bin/env", "-i", "/bin/sh", "-c", 'echo "$0 $1"', "a b", "c"),
            program("name", "/bin/sh", "-c", 'echo "$0"'),
            program("other", "/bin/sh", "-c", "tr '\\0' ' ' </proc/$$/cmdline", argv0="-login"))
        self.assertEqual(daemon.connect("one").recv_until_eof(), b"a b c\n")
        self.assertEqual(daemon.connect("name").recv_until_eof(), b"sh\n")
        self.assertIn(b"-login -c", daemon.connect("other").recv_until_eof())

    def test_sort_after_a_half_close(self):
        daemon = self.tcpd(program("sort", "/usr/bin/sort"))
        client = daemon.connect("sort")
        lines = [b"%07d" % (number * 7919 % 1250000) for number in range(1250000)]
        sender = tcpdtest.Sender(client, b"\n".join(lines) + b"\n", finish=True)
        client.settimeout(6 * WAIT)
        received = client.recv_until_eof()
        sender.join()
        self.assertEqual(received, b"\n".join(sorted(lines)) + b"\n")

    def test_dialogues(self):
        daemon = self.tcpd(program("cat", "/bin/cat"), program("bash", "/bin/bash"),
                           program("python", "/usr/bin/python3", "-u", "-c",
                                   "import sys\n"
                                   "for line in sys.stdin: print(line.upper(), end='')"))
        cat = daemon.connect("cat")
        bash = daemon.connect("bash")
        python = daemon.connect("python")
        for _ in range(3):
            cat.sendall(b"hello\n")
            cat.expect(b"hello\n")
            bash.sendall(b"echo $((6 * 7))\n")
            bash.expect(b"42\n")
            python.sendall(b"hello\n")
            python.expect(b"HELLO\n")
        for client in (cat, bash, python):
            client.finish()
            client.expect_eof()
            self.assertEqual(daemon.wait_closed(client)["exit"], 0)

    def test_standard_error(self):
        say = ("echo plain >&2; printf 'esc\\033[1m \"q\"\\n' >&2; printf 'no newline' >&2; "
               "head -c 600 /dev/zero | tr '\\0' x >&2")
        daemon = self.tcpd(program("log", "/bin/sh", "-c", say),
                           program("socket", "/bin/sh", "-c", "echo word >&2", stderr="socket"),
                           program("null", "/bin/sh", "-c", "echo word >&2; readlink /proc/$$/fd/2",
                                   stderr="null"))
        client = daemon.connect("log")
        client.expect_eof()
        pid = daemon.wait_closed(client)["pid"]
        # The line of the close may overtake those of another process.
        poll_until(lambda: len(daemon.lines("program")) >= 5, WAIT, "five lines")
        said = daemon.lines("program")
        self.assertEqual({(line["service"], line["pid"]) for line in said}, {("log", pid)})
        self.assertEqual([line["stderr"] for line in said][:2],
                         ["plain", r"esc\x1b[1m \x22q\x22"])
        self.assertEqual("".join(line["stderr"] for line in said[2:]), "no newline" + 600 * "x")
        self.assertEqual(daemon.connect("socket").recv_until_eof(), b"word\n")
        self.assertEqual(daemon.connect("null").recv_until_eof(), b"/dev/null\n")

    def test_standard_error_of_one_that_lives(self):
        daemon = self.tcpd(program("says", "/bin/sh", "-c",
                                   'while read word; do echo "$word" >&2; done'),
                           program("much", "/bin/sh", "-c",
                                   "head -c 300000 /dev/zero >&2; exec 2>&-; echo done; cat"))
        client = daemon.connect("says")
        for word in "first", "second":
            client.sendall(word.encode() + b"\n")
            poll_until(lambda word=word: word in [line["stderr"] for line in
                                                  daemon.lines("program")], WAIT, word)
        client.close()
        client = daemon.connect("much")
        client.expect(b"done\n")
        client.sendall(b"more")
        client.expect(b"more")

    def test_instances(self):
        daemon = self.tcpd(program("wait", "/bin/cat", instances=2),
                           program("reset", "/bin/cat", instances=1, limits={"overload": "reset"}))
        first, second = daemon.connect("wait"), daemon.connect("wait")
        for client in (first, second):
            client.sendall(b"x")
            client.expect(b"x")
        third = daemon.connect("wait")
        third.sendall(b"y")
        self.assertFalse(third.has_input(0.3))
        first.close()
        third.expect(b"y")
        one = daemon.connect("reset")
        one.sendall(b"x")
        one.expect(b"x")
        with self.assertRaises(ConnectionResetError):
            daemon.connect("reset").recv_until_eof()

    def test_connections_and_metric(self):
        daemon = self.tcpd(program("cat", "/bin/cat"), "status", "echo")
        client = daemon.connect("cat")
        one, = wait_running(daemon)
        self.assertEqual((one["program"], one["phase"], one["peer"]),
                         ("cat", "running", client.name))
        self.assertEqual(os.readlink(f"/proc/{one['program_pid']}/exe"),
                         os.path.realpath("/bin/cat"))
        text = daemon.done("metrics")["text"]
        self.assertIn('tcpd_exec_running{service="cat"} 1\n', text)
        self.assertNotIn('tcpd_exec_running{service="echo"}', text)
        shown = subprocess.run([os.environ["TCPCTL"], "-s", daemon.control_path, "connections"],
                               stdout=subprocess.PIPE, check=True, text=True).stdout
        self.assertRegex(shown.splitlines()[1], rf" cat +{one['program_pid']}$")
        client.close()
        poll_until(lambda: 'tcpd_exec_running{service="cat"} 0\n' in daemon.done("metrics")["text"])

    def test_bytes_are_counted_on_demand(self):
        daemon = self.tcpd(program("cat", "/bin/cat", count_bytes=True),
                           program("early", "/bin/sh", "-c", "echo hello", count_bytes=True))
        client = daemon.connect("cat")
        client.sendall(bytes(12345))
        client.recv_exact(12345)
        client.finish()
        client.expect_eof()
        line = daemon.wait_closed(client)
        self.assertEqual((line["in"], line["out"]), (12345, 12345))
        client = daemon.connect("early")
        client.sendall(b"abc")
        self.assertEqual(client.recv_exact(6), b"hello\n")
        line = daemon.wait_closed(client)
        self.assertEqual((line["in"], line["out"]), (3, 6))
        self.assertIn('tcpd_received_bytes_total{service="cat"} 12345\n',
                      daemon.done("metrics")["text"])

    def test_behind_a_proxy(self):
        settings = {"proxy_protocol": "required", "trusted": ["127.0.0.1"]}
        show = "echo $TCPREMOTEIP $TCPREMOTEPORT $TCPLOCALIP $TCPLOCALPORT; exec cat"
        daemon = self.tcpd(program("sh", "/bin/sh", "-c", show, count_bytes=True, **settings))
        header = b"PROXY TCP4 192.0.2.1 198.51.100.2 56231 443\r\n"
        for pieces in ([header + b"rest\n"], [header[:9], header[9:] + b"rest\n"],
                       [bytes([byte]) for byte in header + b"rest\n"]):
            client = daemon.connect("sh")
            for piece in pieces:
                client.sendall(piece)
            client.expect(b"192.0.2.1 56231 198.51.100.2 443\nrest\n")
            client.finish()
            client.expect_eof()
        poll_until(lambda: len(daemon.closed()) == 3, WAIT, "three lines")
        for line in daemon.closed():
            self.assertEqual((line["peer"], line["local"]),
                             ("192.0.2.1:56231", "198.51.100.2:443"))
            self.assertTrue(line["via"].startswith("127.0.0.1:"))
            self.assertEqual((line["in"], line["out"]), (5, 38))

    def test_unix(self):
        with tempfile.TemporaryDirectory(prefix="tcpd-test-") as folder:
            path = os.path.join(folder, "socket")
            daemon = self.tcpd(program("env", "/usr/bin/env", listen=f"unix:{path}"))
            text = daemon.connect("env").recv_until_eof().decode()
            variables = dict(line.split("=", 1) for line in text.split())
            self.assertEqual(variables, {
                "PROTO": "UNIX", "UNIXLOCALPATH": path, "UNIXREMOTEPID": str(os.getpid()),
                "UNIXREMOTEEUID": str(os.geteuid()), "UNIXREMOTEEGID": str(os.getegid())})
            daemon.stop()

    def test_ipv6(self):
        daemon = self.tcpd(program("env", "/usr/bin/env", listen="[::1]:0"))
        client = daemon.connect("env")
        variables = dict(line.split("=", 1) for line in client.recv_until_eof().decode().split())
        self.assertEqual(variables["TCPREMOTEIP"], "::1")
        self.assertEqual(variables["TCPREMOTEPORT"], client.name.rsplit(":", 1)[1])
        self.assertEqual(variables["TCPLOCALIP"], "::1")

    def test_what_cannot_be_started_is_closed_in_order(self):
        daemon = self.tcpd("echo", program("gone", "/nowhere/program"))
        client = daemon.connect("gone")
        client.sendall(b"never read")
        client.expect_eof()
        client.finish()
        line = daemon.wait_closed(client)
        self.assertEqual(line["reason"], "error")
        failed, = daemon.lines("program_failed")
        self.assertEqual(failed["service"], "gone")
        self.assertIn("/nowhere/program: the command cannot be executed: No such file",
                      failed["error"])

    def test_many_short_programs_leave_nothing(self):
        count = 50000 if tcpdchange.SOAK else 1000
        daemon = self.tcpd(program("true", "/bin/true"), program("cat", "/bin/cat"))
        keep = daemon.connect("cat")
        wait_running(daemon)
        pids = [daemon.pid, *daemon.children()]
        before = {pid: len(descriptors(pid)) for pid in pids}
        address = tcpdtest.target_of(daemon.address("true"))
        for start in range(0, count, 20):
            clients = []
            for _ in range(min(20, count - start)):
                client = socket.socket(address[0])
                client.settimeout(WAIT)
                client.connect(address[1])
                clients.append(client)
            for client in clients:
                self.assertEqual(client.recv(1), b"")
                client.close()
        services = lambda: {one["name"]: one for one in daemon.done("services")["services"]}
        poll_until(lambda: services()["true"]["active"] == 0, WAIT, "no connection")
        self.assertEqual(services()["true"]["accepted"], count)
        for pid in pids:
            poll_until(lambda pid=pid: not tcpdtest.zombies_of(pid), WAIT, "no zombies")
            poll_until(lambda pid=pid: len(descriptors(pid)) <= before[pid], WAIT,
                       "no descriptors more than before")
        keep.close()

    def test_wait(self):
        serve = ("import os, socket\n"
                 "s = socket.socket(fileno=0)\n"
                 "assert os.environ['LISTEN_FDS'] == '1'\n"
                 "assert os.environ['LISTEN_PID'] == str(os.getpid())\n"
                 "assert os.path.sameopenfile(0, 3) and not os.path.exists('/proc/self/fd/4')\n"
                 "for _ in range(2):\n"
                 "    c, a = s.accept()\n"
                 "    c.sendall(b'%d' % os.getpid())\n"
                 "    c.close()\n")
        daemon = self.tcpd(script("wait", serve, wait=True))
        pids = []
        for _ in range(4):
            pids.append(daemon.connect("wait").recv_until_eof())
        self.assertEqual(pids[0], pids[1])
        self.assertEqual(pids[2], pids[3])
        self.assertNotEqual(pids[1], pids[2])
        poll_until(lambda: len(daemon.closed()) == 2, WAIT, "two programs to end")
        self.assertEqual([line["exit"] for line in daemon.closed()], [0, 0])


if __name__ == "__main__":
    tcpdtest.main()
