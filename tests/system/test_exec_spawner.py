# SPDX-License-Identifier: MIT
"""The spawner: replaced when it dies, kept as long as its programs run."""

import os
import signal
import socket
import subprocess
import threading

import tcpdchange
import tcpdtest
from exectest import (LEAVER, is_alive, program, running, script, spawners, title_of, wait_dead,
                      wait_running)
from tcpdtest import SLOW, WAIT, poll_until

CAT = ("/bin/sh", "-c", "echo; exec cat")


class Load:
    """Eight who connect to a service that says "word", again and again, until the block ends."""

    def __init__(self, address):
        self.family, self.target = tcpdtest.target_of(address)
        self.good = self.lost = 0
        self.lock, self.over = threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self.run) for _ in range(8)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def ask(self):
        said = b""
        try:
            with socket.socket(self.family) as client:
                client.settimeout(2 * WAIT)
                client.connect(self.target)
                while part := client.recv(16):
                    said += part
        except ConnectionError:
            pass
        return said

    def run(self):
        while not self.over.is_set():
            is_good = self.ask() == b"word\n"
            with self.lock:
                self.good += is_good
                self.lost += not is_good

    def wait_served(self, count):
        before = self.good
        poll_until(lambda: self.good >= before + count, 3 * WAIT, f"{count} that are served")


class Spawner(tcpdtest.TestCase):

    def cat(self, daemon, name="cat"):
        client = daemon.connect(name)
        client.recv_until(b"\n")
        return client

    def spawner(self, daemon):
        """The one of the generation that serves."""
        title = f"tcpd: spawner {tcpdchange.generation(daemon)}"
        return poll_until(lambda: [pid for pid in daemon.children() if title_of(pid) == title],
                          WAIT, title)[0]

    def replaced(self, daemon, old):
        """Waits for another one; returns it."""
        wait_dead(old)
        return poll_until(lambda: [pid for pid in spawners(daemon) if pid != old], WAIT,
                          "another spawner")[0]

    def talks(self, client):
        client.sendall(b"word\n")
        client.expect(b"word\n")

    def test_only_where_it_is_needed(self):
        daemon = self.tcpd("echo")
        self.assertEqual(spawners(daemon), [])
        self.assertNotIn("spawner", daemon.done("status")["generations"][0])
        tcpdchange.reload(daemon, "echo", program("cat", *CAT))
        spawner, = spawners(daemon)
        self.assertEqual(daemon.done("status")["generations"][0]["spawner"],
                         {"state": "serving", "pid": spawner})
        shown = subprocess.run([os.environ["TCPCTL"], "-s", daemon.control_path, "status"],
                               stdout=subprocess.PIPE, check=True, text=True).stdout
        self.assertRegex(shown, rf"(?m)^ +2 .* spawner +{spawner}  serving")
        tcpdchange.reload(daemon, "echo")
        poll_until(lambda: spawners(daemon) == [], WAIT, "no spawner")

    def test_it_holds_no_listener(self):
        daemon = self.tcpd(program("cat", *CAT), "echo")
        spawner, = spawners(daemon)
        listening = set(tcpdchange.listeners(daemon).values())
        held = {os.readlink(f"/proc/{spawner}/fd/{fd}") for fd in os.listdir(f"/proc/{spawner}/fd")}
        self.assertTrue(listening)
        self.assertFalse({f"socket:[{inode}]" for inode in listening} & held)

    def test_programs_outlive_it(self):
        daemon = self.tcpd(program("cat", *CAT, kill_timeout=0.3), "echo")
        clients = [self.cat(daemon) for _ in range(3)]
        pids = {one["peer"]: one["program_pid"] for one in wait_running(daemon, 3)}
        old, = spawners(daemon)
        os.kill(old, signal.SIGKILL)
        self.replaced(daemon, old)
        daemon.wait_log(r"spawner_died .*signal=9\b")
        for client in clients:
            self.talks(client)
        self.assertEqual(len(running(daemon)), 3)
        # One ends by itself, another one is ended, and both are told as ever.
        clients[0].finish()
        clients[0].expect_eof()
        line = daemon.wait_closed(clients[0])
        self.assertEqual((line["reason"], line["exit"], line["pid"]),
                         ("done", 0, pids[clients[0].name]))
        self.assertIn("maxrss_kb", line)
        one, = [one for one in running(daemon) if one["peer"] == clients[1].name]
        daemon.done("kill", id=one["id"])
        clients[1].expect_eof()
        line = daemon.wait_closed(clients[1])
        self.assertEqual((line["reason"], line["signal"]), ("killed", 15))
        self.talks(clients[2])
        self.cat(daemon).close()

    def test_one_that_ignores_its_end(self):
        """And has left its group."""
        daemon = self.tcpd(script("stubborn", LEAVER.format(stubborn=True), kill_timeout=0.3))
        client = self.cat(daemon, "stubborn")
        one, = wait_running(daemon)
        old, = spawners(daemon)
        os.kill(old, signal.SIGKILL)
        self.replaced(daemon, old)
        poll_until(lambda: daemon.done("kill", id=one["id"]), WAIT, "the order")
        client.expect_eof()
        line = daemon.wait_closed(client)
        self.assertEqual((line["reason"], line["signal"]), ("killed", 9))

    def test_who_waits_is_served_by_the_next(self):
        daemon = self.tcpd(program("cat", *CAT))
        old, = spawners(daemon)
        os.kill(old, signal.SIGSTOP)
        clients = [daemon.connect("cat") for _ in range(5)]
        poll_until(lambda: len(daemon.done("connections")["connections"]) == 5, WAIT,
                   "five that wait")
        os.kill(old, signal.SIGKILL)
        for client in clients:
            client.recv_until(b"\n")
            self.talks(client)

    def test_one_that_hangs(self):
        daemon = self.tcpd(program("cat", *CAT), pool={"hang_timeout": 0.4 * SLOW})
        client = self.cat(daemon)
        wait_running(daemon)
        old, = spawners(daemon)
        os.kill(old, signal.SIGSTOP)
        daemon.wait_log(rf"spawner_hung generation=1 pid={old}\b")
        self.replaced(daemon, old)
        self.talks(client)
        self.cat(daemon).close()

    def test_killed_under_load(self):
        daemon = self.tcpd(program("echo", "/bin/echo", "word"), "greet",
                           pool={"processes": 2, "threads": 2})
        with Load(daemon.address("echo")) as load:
            for kill in range(1, 4):
                load.wait_served(30)
                os.kill(self.spawner(daemon), signal.SIGKILL)
                poll_until(lambda kill=kill: len(daemon.lines("spawner_died")) == kill, WAIT,
                           "its end to be told")
            load.wait_served(30)
        poll_until(lambda: tcpdchange.services(daemon)["echo"]["active"] == 0, WAIT, "nobody left")
        poll_until(lambda: len(daemon.closed()) == load.good + load.lost, WAIT,
                   "a line for each connection")
        errors = [line for line in daemon.closed() if line["reason"] == "error"]
        # Each of the eight can lose one request at each of the three.
        self.assertLessEqual(load.lost, 24)
        self.assertLessEqual(len(errors), 24)
        poll_until(lambda: not tcpdtest.zombies_of(daemon.pid), WAIT, "no zombies")

    def test_reloads_under_load(self):
        daemon = self.tcpd(program("echo", "/bin/echo", "word"),
                           pool={"processes": 2, "threads": 2})
        with Load(daemon.address("echo")) as load:
            for number in range(5):
                load.wait_served(20)
                tcpdchange.reload(daemon, program("echo", "/bin/echo", "word",
                                                  environment={"N": str(number)}),
                                  pool={"processes": 2, "threads": 2})
            load.wait_served(20)
        self.assertEqual(load.lost, 0)
        tcpdchange.wait_alone(daemon)
        poll_until(lambda: len(spawners(daemon)) == 1, WAIT, "the old spawners to leave")

    def test_reload(self):
        daemon = self.tcpd(program("cat", *CAT))
        client = self.cat(daemon)
        old = self.spawner(daemon)
        tcpdchange.reload(daemon, program("cat", *CAT, environment={"NEW": "1"}))
        self.talks(client)
        self.assertEqual(len(spawners(daemon)), 2)
        new = self.spawner(daemon)
        client.close()
        wait_dead(old)
        tcpdchange.wait_alone(daemon)
        self.assertEqual(spawners(daemon), [new])

    def test_the_spawner_of_an_old_generation_dies(self):
        daemon = self.tcpd(program("cat", *CAT))
        client = self.cat(daemon)
        old = self.spawner(daemon)
        tcpdchange.reload(daemon, program("cat", *CAT, environment={"NEW": "1"}))
        os.kill(old, signal.SIGKILL)
        wait_dead(old)
        self.talks(client)
        client.finish()
        client.expect_eof()
        self.assertEqual(daemon.wait_closed(client)["exit"], 0)
        tcpdchange.wait_alone(daemon)

    def test_a_spawner_that_cannot_start(self):
        daemon = self.tcpd(program("cat", *CAT))
        tcpdchange.rewrite(daemon, program("cat", *CAT, sandbox="strict",
                                           writable=["/nowhere/to/be/found"]))
        answer = daemon.refused("reload")
        self.assertIn("/nowhere/to/be/found", str(answer))
        self.cat(daemon).close()


class Upgrade(tcpdtest.TestCase):

    def test_programs_go_on(self):
        installed = tcpdchange.Installed(self)
        daemon = self.tcpd(program("cat", *CAT), program=installed.path)
        client = daemon.connect("cat")
        client.recv_until(b"\n")
        other = daemon.connect("cat")
        other.recv_until(b"\n")
        old, = spawners(daemon)
        installed.put(installed.next)
        daemon.done("upgrade")
        for one in (client, other):
            one.sendall(b"word\n")
            one.expect(b"word\n")
        one, = [one for one in wait_running(daemon, 2) if one["peer"] == other.name]
        daemon.done("kill", id=one["id"])
        other.expect_eof()
        self.assertEqual(daemon.wait_closed(other)["reason"], "killed")
        client.finish()
        client.expect_eof()
        self.assertEqual(daemon.wait_closed(client)["exit"], 0)
        wait_dead(old)
        tcpdchange.wait_alone(daemon)
        third = daemon.connect("cat")
        third.recv_until(b"\n")

    def test_the_spawner_of_another_binary_dies(self):
        installed = tcpdchange.Installed(self)
        daemon = self.tcpd(program("cat", *CAT), program=installed.path)
        client = daemon.connect("cat")
        client.recv_until(b"\n")
        one, = wait_running(daemon)
        old, = spawners(daemon)
        installed.put(installed.next)
        daemon.done("upgrade")
        os.kill(old, signal.SIGKILL)
        # There is nobody to replace it: the record is closed, and the program goes on.
        self.assertEqual(daemon.wait_closed(client)["reason"], "error")
        client.sendall(b"word\n")
        client.expect(b"word\n")
        self.assertTrue(is_alive(one["program_pid"]))
        client.close()
        wait_dead(one["program_pid"])
        tcpdchange.wait_alone(daemon)


if __name__ == "__main__":
    tcpdtest.main()
