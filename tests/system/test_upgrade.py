# SPDX-License-Identifier: MIT
"""An upgrade: another binary takes over under the same pid, and one that cannot leaves all as it
was."""

import ctypes
import fcntl
import os
import re
import signal
import subprocess
import time

import tcpdchange
import tcpdproc
import tcpdtest
from tcpdchange import Installed, descriptors, echoes, generation, listeners, \
    rewrite, services, spoil, wait_alone, wait_descriptors
from tcpdtest import WAIT, service

MANY = 20
PR_SET_CHILD_SUBREAPER = 36


class Upgrading(tcpdtest.TestCase):
    def setUp(self):
        self.installed = Installed(self)

    def serve(self, *wanted, **settings):
        return self.tcpd(*wanted, program=self.installed.path, **settings)

    def upgrade(self, daemon, to):
        """A build by its version; returns the answer, which comes from the new one."""
        was = daemon.done("status")["version"]
        self.installed.put(to)
        answer = daemon.done("upgrade")
        self.assertEqual((answer["version"], answer["was"]), (to, was))
        self.assertEqual(daemon.done("status")["version"], to)
        return answer

    def executable(self, daemon):
        return os.stat(f"/proc/{daemon.pid}/exe").st_ino


class Good(Upgrading):
    def test_another_build(self):
        path = os.path.join(self.installed.folder, "echo.sock")
        pid_file = os.path.join(self.installed.folder, "pid")
        daemon = self.serve("echo", "greet", service("unix", "echo", f"unix:{path}"),
                            pool={"processes": 2}, options=["-p", pid_file])
        clients = [daemon.connect(name) for name in ("echo", "unix") for _ in range(5)]
        for client in clients:
            echoes(client)
        before, counted = listeners(daemon), services(daemon)
        uptime = daemon.done("status")["uptime"]
        answer = self.upgrade(daemon, self.installed.next)
        self.assertEqual(answer["generation"], 2)
        self.assertEqual(self.executable(daemon), os.stat(self.installed.path).st_ino)
        self.assertEqual(listeners(daemon), before, "the very same sockets")
        with open(pid_file, encoding="ascii") as file:
            self.assertEqual(int(file.read()), daemon.pid)
            with self.assertRaises(BlockingIOError):  # it is locked as before
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.assertEqual(tcpdproc.title(daemon.pid), "tcpd: master")
        status = daemon.done("status")
        self.assertEqual(status["pid"], daemon.pid)
        self.assertEqual(status["upgrades"], {"ok": 1, "failed": 0})
        self.assertGreater(status["uptime"], uptime)
        self.assertEqual([one["open"] for one in status["generations"]], [0, 10])
        daemon.wait_log(rf"upgraded from={re.escape(self.installed.version)} "
                        rf"to={re.escape(self.installed.next)} pid={daemon.pid}$")
        for client in clients:
            echoes(client)
        new = daemon.connect("echo")
        echoes(new)
        now = services(daemon)
        self.assertEqual(now["echo"]["accepted"], counted["echo"]["accepted"] + 1)
        self.assertEqual(now["echo"]["active"], 6)
        for client in clients:
            client.close()
        wait_alone(daemon)
        echoes(new)
        self.assertEqual(tcpdtest.zombies_of(daemon.pid), [])
        daemon.stop()
        self.assertFalse(os.path.exists(pid_file))
        self.assertFalse(os.path.exists(path))

    def test_usr2(self):
        daemon = self.serve("echo")
        self.installed.put(self.installed.next)
        daemon.signal(signal.SIGUSR2)
        daemon.wait_log(r"upgrade done generation=2$")
        self.assertEqual(daemon.done("status")["version"], self.installed.next)

    def test_many_times(self):
        """Alternating, with descriptors and children as at the start."""
        daemon = self.serve("echo", pool={"processes": 2})
        client = daemon.connect("echo")
        wanted, before = descriptors(daemon.pid), listeners(daemon)
        watch = tcpdchange.Watch(self, daemon, patient=True)
        for i in range(MANY):
            echoes(client)
            self.upgrade(daemon, self.installed.version if i % 2 else self.installed.next)
        watch.assert_clean()
        client.close()
        wait_alone(daemon)
        wait_descriptors(daemon.pid, wanted)
        self.assertEqual(listeners(daemon), before)
        self.assertEqual(tcpdtest.zombies_of(daemon.pid), [])
        self.assertEqual(len(daemon.children()), 2)
        self.assertEqual(daemon.done("status")["upgrades"], {"ok": MANY, "failed": 0})

    def test_descriptors_of_a_child(self):
        """A child of the new binary has what one of the old had, and nothing else."""
        daemon = self.serve("echo")
        wanted = descriptors(daemon.children()[0])
        self.upgrade(daemon, self.installed.next)
        wait_alone(daemon)
        wait_descriptors(daemon.children()[0], wanted)

    def test_reload_after_and_before(self):
        daemon = self.serve("echo")
        rewrite(daemon, "echo", "greet")
        daemon.done("reload")
        self.upgrade(daemon, self.installed.next)
        self.assertEqual(set(services(daemon)), {"echo", "greet"})
        rewrite(daemon, "echo", "discard")
        answer = daemon.done("reload")
        self.assertEqual(answer["services"], {"added": ["discard"], "removed": ["greet"],
                                              "changed": []})
        self.assertEqual(generation(daemon), 4)

    def test_broken_configuration(self):
        """What runs is what is taken over; what stands on the disk is for the next reload."""
        daemon = self.serve("echo", pool={"processes": 2})
        spoil(daemon)
        self.upgrade(daemon, self.installed.next)
        self.assertEqual(daemon.done("status")["processes"], 2)
        echoes(daemon.connect("echo"))
        answer = daemon.refused("reload")
        self.assertRegex(answer["errors"][0],
                         rf"^{re.escape(daemon.config)}:1: error: log\.level: ")
        self.upgrade(daemon, self.installed.version)
        echoes(daemon.connect("echo"))

    def test_configuration_that_is_gone(self):
        daemon = self.serve("echo")
        os.unlink(daemon.config)
        self.upgrade(daemon, self.installed.next)
        echoes(daemon.connect("echo"))

    def test_arguments_are_passed_on(self):
        """-o holds on, also against the file of a later reload."""
        daemon = self.serve("echo", options=["-o", "pool.processes=3"])
        self.upgrade(daemon, self.installed.next)
        self.assertEqual(daemon.done("status")["processes"], 3)
        daemon.done("reload")
        self.assertEqual(daemon.done("status")["processes"], 3)

    def test_old_child_dies_afterwards(self):
        """The new master is its parent as well: it is reaped, and its places are free again."""
        daemon = self.serve(service("echo", limits={"connections": 2}))
        lost = [daemon.connect("echo") for _ in range(2)]
        for client in lost:
            echoes(client)
        [old] = daemon.children()
        self.upgrade(daemon, self.installed.next)
        waiting = daemon.connect("echo")
        waiting.sendall(b"next")
        self.assertFalse(waiting.has_input(0.2))
        os.kill(old, signal.SIGKILL)
        waiting.expect(b"next")
        daemon.wait_log(rf"child_died generation=1 child=0 pid={old} signal=9 lost=2")
        wait_alone(daemon)
        told = services(daemon)["echo"]
        self.assertEqual((told["active"], told["accepted"], told["lost"]), (1, 3, 2))
        self.assertEqual(tcpdtest.zombies_of(daemon.pid), [])
        self.assertEqual(tcpdproc.end(daemon)["active"], 0)

    def test_stop_after_it(self):
        """Children of both binaries have timeouts.drain."""
        daemon = self.serve("echo", timeouts={"drain": 0.5})
        clients = [daemon.connect("echo")]
        echoes(clients[0])
        self.upgrade(daemon, self.installed.next)
        clients.append(daemon.connect("echo"))
        echoes(clients[1])
        begin = time.monotonic()
        daemon.signal(signal.SIGTERM)
        daemon.wait_log("stopping open=2")
        for client in clients:
            echoes(client)
        for client in clients:
            client.expect_eof()
        self.assertGreater(time.monotonic() - begin, 0.45)
        self.assertEqual(daemon.wait_left(), 0)
        daemon.check_accounts()


class Background(tcpdtest.Tcpd):
    """Without -f, and with relative paths: of the program, the configuration and the pid file."""

    def __init__(self, test, installed):
        self.folder = installed.folder
        self.control_path = os.path.join(self.folder, "control.sock")
        self.pid_file = os.path.join(self.folder, "pid")
        self.config = self.write("background.conf", tcpdtest.configuration(
            [service("echo", listen=f"unix:{self.folder}/echo.sock")], {"log": {"target": "none"}}))
        test.addCleanup(self.end)
        subprocess.run(["./tcpd", "-c", "background.conf", "-p", "pid",
                        "-o", f"control.socket={self.control_path}"], cwd=self.folder, check=True,
                       stdin=subprocess.DEVNULL, timeout=WAIT)
        with open(self.pid_file, encoding="ascii") as file:
            self.pid = int(file.read())

    def log(self):
        return "(no log)"

    def end(self):
        """After a test that has failed as well."""
        if os.path.exists(self.pid_file):
            with open(self.pid_file, encoding="ascii") as file:
                tcpdproc.kill_left([int(file.read())])


class InTheBackground(Upgrading):
    def test_daemonized(self):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)  # it becomes a child of the test
        daemon = Background(self, self.installed)
        client = tcpdtest.connect(f"unix:{daemon.folder}/echo.sock")
        self.addCleanup(client.close)
        echoes(client)
        self.upgrade(daemon, self.installed.next)
        self.assertEqual(daemon.done("reload")["generation"], 3)
        self.upgrade(daemon, self.installed.version)
        self.assertEqual(daemon.done("status")["config"], daemon.config)
        self.assertEqual(daemon.done("status")["pid"], daemon.pid)
        links = tcpdproc.descriptors(daemon.pid)
        self.assertEqual([links[fd] for fd in range(3)], ["/dev/null"] * 3)
        echoes(client)
        client.close()
        os.kill(daemon.pid, signal.SIGTERM)
        tcpdproc.wait_gone([daemon.pid])
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(daemon.pid, 0)[1]), 0)
        self.assertFalse(os.path.exists(daemon.pid_file))


class Bad(Upgrading):
    def check(self, name):
        put, reason = Installed.BROKEN[name]
        daemon = self.serve("echo", pool={"processes": 2})
        client = daemon.connect("echo")
        echoes(client)
        wanted, before, exe = descriptors(daemon.pid), listeners(daemon), self.executable(daemon)
        children = daemon.children()
        for i in range(5):
            put(self.installed)
            answer = daemon.refused("upgrade")
            self.assertRegex(answer["error"], rf"^{re.escape(self.installed.path)} cannot take "
                                              r"over: .*; the old one goes on$")
            self.assertIn(reason, " ".join([answer["error"], *answer.get("errors", [])]))
            daemon.wait_log("error: upgrade failed: " + re.escape(answer["error"]))
            self.assertEqual(daemon.done("status")["upgrades"], {"ok": 0, "failed": i + 1})
            self.assertEqual(daemon.done("status")["last_change"]["ok"], False)
        self.assertEqual((listeners(daemon), self.executable(daemon), daemon.children()),
                         (before, exe, children))
        echoes(client)
        echoes(daemon.connect("echo"))
        client.close()
        wait_descriptors(daemon.pid, wanted)
        self.assertEqual(tcpdtest.zombies_of(daemon.pid), [])
        self.assertEqual(generation(daemon), 1)
        self.upgrade(daemon, self.installed.next)  # and one that is good still comes


def add_bad_ones():
    for name in Installed.BROKEN:
        setattr(Bad, "test_" + re.sub(r"\W", "_", name), lambda self, name=name: self.check(name))


add_bad_ones()

if __name__ == "__main__":
    tcpdtest.main()
