# SPDX-License-Identifier: MIT
"""How programs end, or are ended: each as documented, and no place is lost."""

import os
import signal
import time

import tcpdtest
from exectest import (LEAVER, descriptors, is_alive, program, running, script, wait_dead,
                      wait_running)
from tcpdtest import SLOW, WAIT, poll_until

STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.write(1, b"ready\\n")
while True:
    time.sleep(1)
"""

# A child that ignores SIGTERM and keeps the socket, and a parent that does not.
FAMILY = """
import os, signal, time
if os.fork() == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.write(1, b"%d\\n" % os.getpid())
    while True:
        time.sleep(1)
time.sleep(1000)
"""


class Ends(tcpdtest.TestCase):

    def started(self, daemon, name):
        client = daemon.connect(name)
        client.recv_until(b"\n")
        one, = [one for one in wait_running(daemon) if one["service"] == name]
        return client, one

    def expect_closed(self, daemon, client, **fields):
        line = daemon.wait_closed(client)
        self.assertEqual({name: line.get(name) for name in fields}, fields, line)
        return line

    def test_kill(self):
        daemon = self.tcpd(program("cat", "/bin/sh", "-c", "echo; exec cat"))
        client, one = self.started(daemon, "cat")
        daemon.done("kill", id=one["id"])
        client.expect_eof()
        self.expect_closed(daemon, client, reason="killed", signal=15, pid=one["program_pid"])

    def test_kill_of_one_that_ignores_it(self):
        daemon = self.tcpd(script("stubborn", STUBBORN, kill_timeout=0.5))
        client, one = self.started(daemon, "stubborn")
        before = time.monotonic()
        daemon.done("kill", id=one["id"])
        client.expect_eof()
        self.assertGreater(time.monotonic() - before, 0.45)
        self.expect_closed(daemon, client, reason="killed", signal=9)

    def test_kill_takes_the_group_along(self):
        daemon = self.tcpd(script("family", FAMILY, kill_timeout=30.0))
        client = daemon.connect("family")
        grandchild = int(client.recv_until(b"\n"))
        one, = wait_running(daemon)
        daemon.done("kill", id=one["id"])
        # The parent ends at once, and what it leaves in its group ends with it.
        client.expect_eof()
        wait_dead(grandchild)
        self.expect_closed(daemon, client, reason="killed", signal=15)

    def test_kill_of_one_that_has_left_its_group(self):
        daemon = self.tcpd(script("leaver", LEAVER.format(stubborn=False), kill_timeout=30.0),
                           script("stubborn", LEAVER.format(stubborn=True), kill_timeout=0.3))
        for name, number in (("leaver", signal.SIGTERM), ("stubborn", signal.SIGKILL)):
            client, one = self.started(daemon, name)
            daemon.done("kill", id=one["id"])
            client.expect_eof()
            self.expect_closed(daemon, client, reason="killed", signal=number)

    def test_one_that_stops_itself(self):
        daemon = self.tcpd(program("stops", "/bin/sh", "-c", "echo; kill -STOP $$; echo",
                                   kill_timeout=30.0))
        client, one = self.started(daemon, "stops")
        daemon.done("kill", id=one["id"])
        client.recv_until_eof()
        self.expect_closed(daemon, client, reason="killed", signal=15)

    def test_lifetime(self):
        daemon = self.tcpd(program("cat", "/bin/cat", timeouts={"lifetime": 0.3}))
        client = daemon.connect("cat")
        client.expect_eof()
        self.assertGreater(self.expect_closed(daemon, client, reason="lifetime",
                                              signal=15)["duration_ms"], 295)

    def test_idle(self):
        daemon = self.tcpd(program("cat", "/bin/cat", timeouts={"idle": 0.5 * SLOW}))
        if "no netlink socket" in daemon.log():
            self.skipTest("sock_diag(7) is not to be had here")
        client, busy = daemon.connect("cat"), daemon.connect("cat")
        deadline = time.monotonic() + 1.5 * SLOW
        while time.monotonic() < deadline:
            busy.sendall(b"x")
            busy.expect(b"x")
            time.sleep(0.02)
        line = self.expect_closed(daemon, client, reason="idle", signal=15)
        self.assertGreaterEqual(line["duration_ms"], 495 * SLOW)
        client.expect_eof()
        self.assertEqual(len(daemon.closed()), 1)
        busy.close()

    def test_idle_with_both_families_and_a_proxy(self):
        settings = {"proxy_protocol": "required", "trusted": ["127.0.0.0/8"]}
        daemon = self.tcpd(program("both", "/bin/cat", listen=":0", timeouts={"idle": 0.3}),
                           program("proxied", "/bin/cat", timeouts={"idle": 0.3}, **settings))
        if "no netlink socket" in daemon.log():
            self.skipTest("sock_diag(7) is not to be had here")
        client = daemon.connect("both")
        client.expect_eof()
        self.expect_closed(daemon, client, reason="idle")
        client = daemon.connect("proxied")
        client.sendall(b"PROXY TCP4 192.0.2.1 198.51.100.2 56231 443\r\n")
        client.expect_eof()
        self.expect_closed(daemon, "192.0.2.1:56231", reason="idle")

    def test_leaves_somebody_behind(self):
        daemon = self.tcpd(script("fork", "import os, time\n"
                                          "if os.fork() == 0:\n"
                                          "    time.sleep(0.3)\n"
                                          "    os.write(1, b'later')\n"))
        client = daemon.connect("fork")
        self.expect_closed(daemon, client, reason="done", exit=0)
        self.assertEqual(client.recv_until_eof(), b"later")
        for pid in daemon.children():
            poll_until(lambda pid=pid: not tcpdtest.zombies_of(pid), WAIT, "no zombies")

    def test_closes_its_input_only(self):
        daemon = self.tcpd(program("sh", "/bin/sh", "-c", "exec <&-; sleep 0.1; echo word"))
        client = daemon.connect("sh")
        client.sendall(b"x")
        self.assertEqual(client.recv_exact(5), b"word\n")
        self.expect_closed(daemon, client, reason="done", exit=0)

    def test_writes_after_the_peer_has_gone(self):
        daemon = self.tcpd(program("yes", "/usr/bin/yes"))
        client = daemon.connect("yes")
        client.recv_exact(2)
        client.reset()
        line = poll_until(daemon.closed, WAIT, "a closed line")[0]
        self.assertEqual(line["reason"], "done")
        # SIGPIPE, or the reset is what write(2) returns.
        self.assertTrue(line.get("signal") == 13 or line.get("exit") == 1, line)

    def test_ends_before_it_has_read(self):
        daemon = self.tcpd(program("true", "/bin/true"))
        for _ in range(20):
            client = daemon.connect("true")
            try:
                client.sendall(bytes(100000))
                client.recv_until_eof()
            except (ConnectionResetError, BrokenPipeError):
                pass
            self.expect_closed(daemon, client, reason="done", exit=0)

    def test_executes_another(self):
        daemon = self.tcpd(program("sh", "/bin/sh", "-c", "exec /bin/sh -c 'exec /bin/echo last'"))
        client = daemon.connect("sh")
        self.assertEqual(client.recv_until_eof(), b"last\n")
        self.expect_closed(daemon, client, reason="done", exit=0)

    def test_stop_lets_programs_finish(self):
        daemon = self.tcpd(program("cat", "/bin/sh", "-c", "echo; exec cat"))
        client, one = self.started(daemon, "cat")
        daemon.signal(signal.SIGTERM)
        daemon.wait_log(r"\bstopping\b")
        client.sendall(b"still there\n")
        client.expect(b"still there\n")
        client.finish()
        client.expect_eof()
        self.assertEqual(daemon.wait_left(), 0)
        self.expect_closed(daemon, client, reason="done", exit=0)
        self.assertFalse(is_alive(one["program_pid"]))

    def test_the_end_of_the_drain(self):
        daemon = self.tcpd(script("stubborn", STUBBORN), program("cat", "/bin/cat"),
                           timeouts={"drain": 0.2})
        stubborn = daemon.connect("stubborn")
        stubborn.recv_until(b"\n")
        cat = daemon.connect("cat")
        pids = [one["program_pid"] for one in wait_running(daemon, 2)]
        daemon.signal(signal.SIGTERM)
        self.assertEqual(daemon.wait_left(), 0)
        daemon.check_accounts()
        self.expect_closed(daemon, cat, reason="drain", signal=15)
        self.expect_closed(daemon, stubborn, reason="drain", signal=9)
        for pid in pids:
            self.assertFalse(is_alive(pid))

    def test_stop_at_once(self):
        daemon = self.tcpd(script("stubborn", STUBBORN))
        _, one = self.started(daemon, "stubborn")
        daemon.signal(signal.SIGTERM)
        daemon.wait_log(r"\bstopping\b")
        daemon.signal(signal.SIGTERM)
        daemon.wait_left()
        wait_dead(one["program_pid"])

    def test_the_child_that_has_given_it_dies(self):
        daemon = self.tcpd(program("cat", "/bin/sh", "-c", "echo; exec cat"), "echo",
                           pool={"processes": 1, "threads": 1})
        client, one = self.started(daemon, "cat")
        child, = [pid for pid in daemon.children() if pid == one["pid"]]
        os.kill(child, signal.SIGKILL)
        client.expect_eof()  # it ends with the child
        wait_dead(one["program_pid"])
        daemon.wait_log(r"child_died .*lost=1\b")
        client, _ = self.started(daemon, "cat")  # the next one has the same spawner
        client.close()
        poll_until(lambda: not running(daemon), WAIT, "no program")
        self.assertIn('tcpd_exec_running{service="cat"} 0\n', daemon.done("metrics")["text"])
        daemon.close_clients()
        daemon.check_idle()
        daemon.signal(signal.SIGTERM)
        self.assertEqual(daemon.wait_left(), 0)

    def test_the_master_dies(self):
        daemon = self.tcpd(program("cat", "/bin/sh", "-c", "echo; exec cat"))
        client, one = self.started(daemon, "cat")
        others = daemon.children()
        os.kill(daemon.pid, signal.SIGKILL)
        daemon.process.wait()
        client.sendall(b"still there\n")
        client.expect(b"still there\n")
        client.close()
        for pid in [one["program_pid"], *others]:
            wait_dead(pid)

    def test_the_spawner_holds_nothing_of_what_has_ended(self):
        daemon = self.tcpd(program("noisy", "/bin/sh", "-c",
                                   "echo noise >&2; (sleep 5 >&2 </dev/null >/dev/null) &"))
        spawner = [pid for pid in daemon.children()]
        before = {pid: len(descriptors(pid)) for pid in spawner}
        for _ in range(5):
            client = daemon.connect("noisy")
            client.expect_eof()
            daemon.wait_closed(client)
        for pid in spawner:
            poll_until(lambda pid=pid: len(descriptors(pid)) <= before[pid], WAIT,
                       "no descriptors more than before")


if __name__ == "__main__":
    tcpdtest.main()
