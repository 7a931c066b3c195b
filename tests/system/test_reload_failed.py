# SPDX-License-Identifier: MIT
"""A reload that fails: the running daemon goes on as if nobody had asked, and says why."""

import os
import re
import resource
import signal
import socket
import unittest

import tcpdchange
import tcpdproc
import tcpdtest
from tcpdchange import descriptors, echoes, generation, listeners, reload, rewrite, spoil, \
    wait_descriptors
from tcpdproc import Strace
from tcpdtest import WAIT, poll_until, service

FAILURES = 100
INVALID = "the configuration is not valid; the running one stays"


class Unharmed:
    """What a daemon is before a change that fails, and what it has to be afterwards."""

    def __init__(self, test, daemon):
        self.test, self.daemon = test, daemon
        self.client = daemon.connect("echo")
        echoes(self.client)
        self.before = self._now()
        self.descriptors = descriptors(daemon.pid)

    def _now(self):
        status = self.daemon.done("status")
        current = [one for one in status["generations"] if one["state"] == "current"]
        return (status["generation"], status["processes"], status["log_level"],
                [child["pid"] for child in current[0]["children"]], listeners(self.daemon),
                [name for name in os.listdir(self.daemon.folder) if name.endswith(".sock")])

    def check(self):
        poll_until(lambda: len(tcpdchange.generations(self.daemon)) == 1, WAIT,
                   "what was started to end")
        self.test.assertEqual(self._now(), self.before)
        echoes(self.client)
        with self.daemon.connect("echo") as client:
            echoes(client)
        wait_descriptors(self.daemon.pid, self.descriptors)
        self.test.assertEqual(tcpdtest.zombies_of(self.daemon.pid), [])


class BadFile(tcpdtest.TestCase):
    def fails(self, daemon, unharmed, errors, sentence=INVALID):
        """A reload that is refused with these errors (regular expressions), which are logged."""
        failed = daemon.done("status")["reloads"]["failed"]
        answer = daemon.refused("reload")
        self.assertRegex(answer["error"], sentence)
        self.assertEqual(len(answer.get("errors", [])), len(errors), answer)
        for found, wanted in zip(answer.get("errors", []), errors):
            self.assertRegex(found, wanted)
            daemon.wait_log(f"error: {re.escape(found)}$")
        daemon.wait_log("error: reload failed: " + re.escape(answer["error"]))
        status = daemon.done("status")
        self.assertEqual(status["reloads"], {"ok": 0, "failed": failed + 1})
        self.assertEqual((status["last_change"]["what"], status["last_change"]["ok"]),
                         ("reload", False))
        self.assertIn(status["last_change"]["error"],
                      [answer["error"], *answer.get("errors", [])])
        unharmed.check()

    def test_all_errors_with_their_lines(self):
        daemon = self.tcpd("echo")
        unharmed = Unharmed(self, daemon)
        spoil(daemon, 'log = { level = "loud"; };\n\npool = { treads = 2; };\n'
                      'services = ( { name = "a"; type = "ecco"; listen = "127.0.0.1:0"; } );\n')
        path = re.escape(daemon.config)
        self.fails(daemon, unharmed, [rf"^{path}:1: error: log\.level: ",
                                      rf"^{path}:3: error: pool\.treads: .*threads",
                                      rf"^{path}:4: error: services\.a\.type: .*echo"])

    def test_syntax(self):
        daemon = self.tcpd("echo")
        unharmed = Unharmed(self, daemon)
        spoil(daemon, "services = (\n")
        self.fails(daemon, unharmed, [rf"^{re.escape(daemon.config)}:\d+: error: syntax: "])

    def test_in_an_included_file(self):
        daemon = self.tcpd("echo")
        unharmed = Unharmed(self, daemon)
        part = daemon.write("part.inc", "\n\nlog = { level = 3; };\n")
        rewrite(daemon, "echo", include=part)
        self.fails(daemon, unharmed, [rf"^{re.escape(part)}:\d+: error: "])

    def test_no_file(self):
        daemon = self.tcpd("echo")
        unharmed = Unharmed(self, daemon)
        os.unlink(daemon.config)
        self.fails(daemon, unharmed, ["No such file"])

    def test_fifo(self):
        """Nobody ever writes into it."""
        daemon = self.tcpd("echo")
        unharmed = Unharmed(self, daemon)
        os.unlink(daemon.config)
        os.mkfifo(daemon.config)
        self.fails(daemon, unharmed, [re.escape(daemon.config) + r":\d+: error: "])

    def test_folder(self):
        daemon = self.tcpd("echo")
        unharmed = Unharmed(self, daemon)
        os.unlink(daemon.config)
        os.mkdir(daemon.config)
        self.fails(daemon, unharmed, [re.escape(daemon.config) + r":\d+: error: "])

    def test_huge_file(self):
        daemon = self.tcpd("echo")
        unharmed = Unharmed(self, daemon)
        memory = tcpdtest.memory_of(daemon.pid)
        rewrite(daemon, "echo")
        with open(daemon.config, "ab") as file:
            file.truncate(1 << 34)  # zeros, that take no room on the disk
        self.fails(daemon, unharmed, [re.escape(daemon.config) + r":\d+: error: "])
        self.assertLess(tcpdtest.memory_of(daemon.pid) - memory, 8 << 20)

    def test_hup_is_told_in_the_log(self):
        daemon = self.tcpd("echo")
        unharmed = Unharmed(self, daemon)
        spoil(daemon)
        daemon.signal(signal.SIGHUP)
        daemon.wait_log(rf"error: {re.escape(daemon.config)}:1: error: log\.level: ")
        unharmed.check()

    def test_good_again(self):
        daemon = self.tcpd("echo")
        spoil(daemon)
        daemon.refused("reload")
        self.assertEqual(reload(daemon, "echo", "greet")["generation"], 2)


class Machine(tcpdtest.TestCase):
    """The file is good, and what it wants cannot be had."""

    def taken(self):
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)
        return server.getsockname()[1]

    def test_address_in_use(self):
        """What was opened before it is closed again, and its files are removed."""
        daemon = self.tcpd("echo")
        unharmed = Unharmed(self, daemon)
        port = self.taken()
        path = os.path.join(daemon.folder, "fresh.sock")
        rewrite(daemon, "echo", service("a", "echo", "127.0.0.1:0"),
                service("b", "echo", f"unix:{path}"), service("c", "echo", f"127.0.0.1:{port}"),
                service("d", "echo", "127.0.0.1:0"), pool={"processes": 3})
        answer = daemon.refused("reload")
        self.assertRegex(answer["error"], rf"^{re.escape(daemon.config)}:\d+: service c: "
                                          rf".*127\.0\.0\.1:{port}.*in use")
        daemon.wait_log("error: reload failed: " + re.escape(answer["error"]))
        unharmed.check()

    @tcpdproc.needs_own_memory
    def test_child_that_fails(self):
        """There is no memory for the stacks of its threads."""
        daemon = self.tcpd("echo")
        unharmed = Unharmed(self, daemon)
        limits = resource.prlimit(daemon.pid, resource.RLIMIT_DATA)
        resource.prlimit(daemon.pid, resource.RLIMIT_DATA, (96 << 20, limits[1]))
        path = os.path.join(daemon.folder, "fresh.sock")
        rewrite(daemon, "echo", service("more", "echo", ["127.0.0.1:0", f"unix:{path}"]),
                pool={"processes": 3, "threads": 100})
        answer = daemon.refused("reload")
        self.assertRegex(answer["error"], r"^child \d+\.\d ended before it was ready \(status 71\)")
        self.assertIn("cannot start a worker", daemon.log())
        unharmed.check()
        resource.prlimit(daemon.pid, resource.RLIMIT_DATA, limits)
        daemon.done("reload")
        self.assertEqual(daemon.done("status")["processes"], 3)

    def hold_children(self, daemon):
        """New children stop before they are ready."""
        return Strace(self, [daemon.pid], "-e", "trace=epoll_create1",
                      "-e", "inject=epoll_create1:signal=SIGSTOP")

    def test_child_that_hangs(self):
        daemon = self.tcpd("echo")
        unharmed = Unharmed(self, daemon)
        strace = self.hold_children(daemon)
        rewrite(daemon, "echo", "greet", pool={"processes": 2, "start_timeout": 0.5})
        answer = daemon.refused("reload")
        self.assertRegex(answer["error"],
                         r"^child \d+\.\d was not ready within pool\.start_timeout$")
        strace.stop()
        unharmed.check()
        self.assertEqual(daemon.done("reload")["services"]["added"], ["greet"])

    def test_child_that_is_killed(self):
        """While it gets ready: others of its generation end with it."""
        daemon = self.tcpd("echo")
        unharmed = Unharmed(self, daemon)
        strace = self.hold_children(daemon)
        rewrite(daemon, "echo", "greet", pool={"processes": 3})
        before = set(daemon.children())
        daemon.signal(signal.SIGHUP)
        poll_until(lambda: len(self.starting(daemon)) == 3, WAIT, "three new children")
        os.kill(self.starting(daemon)[1], signal.SIGKILL)
        daemon.wait_log(r"reload failed: child \d+\.1 ended before it was ready \(signal 9\)")
        strace.stop()
        unharmed.check()
        self.assertEqual(set(daemon.children()), before)

    def starting(self, daemon):
        return [child["pid"] for one in tcpdchange.generations(daemon).values()
                for child in one["children"] if child["state"] == "starting"]

    def test_hups_while_one_is_under_way(self):
        """However many they are, one more reload comes of them."""
        daemon = self.tcpd("echo")
        strace = self.hold_children(daemon)
        daemon.signal(signal.SIGHUP)
        [child] = poll_until(lambda: self.starting(daemon), WAIT, "a new child")
        for _ in range(10):
            daemon.signal(signal.SIGHUP)
            for _ in range(2):  # each is seen before the next one is sent
                daemon.done("status")
        strace.stop()
        os.kill(child, signal.SIGKILL)
        poll_until(lambda: sum(daemon.done("status")["reloads"].values()) >= 2, WAIT, "the second")
        daemon.done("reload")
        self.assertEqual(sum(daemon.done("status")["reloads"].values()), 3)

    @unittest.skipIf(tcpdproc.RUNS_UNDER == "asan", "nothing that strace holds can look for leaks")
    def test_served_and_stopped_meanwhile(self):
        """A reload that takes its time holds nobody up, and a stop does not wait for it."""
        daemon = self.tcpd("echo", timeouts={"drain": "1h"})
        strace = self.hold_children(daemon)
        daemon.signal(signal.SIGHUP)
        poll_until(lambda: self.starting(daemon), WAIT, "a new child")
        children = daemon.children()
        with daemon.connect("echo") as client:
            echoes(client)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asker:
            asker.settimeout(WAIT)
            asker.connect(daemon.control_path)
            asker.sendall(b'{"command":"reload"}\n')
            self.assertEqual(generation(daemon), 1)
            daemon.signal(signal.SIGTERM)
            self.assertIn(b"the daemon is stopping", asker.recv(4096))
        self.assertEqual(daemon.wait_left(), 0)
        tcpdproc.wait_gone(children)
        strace.stop()
        daemon.check_accounts()


class Again(tcpdtest.TestCase):
    """A hundred failures leave nothing behind: no descriptor, file, process or memory."""

    def write_bad(self, daemon, port, number):
        extra = [service("a", "echo", "127.0.0.1:0"),
                 service("b", "echo", f"unix:{daemon.folder}/fresh.sock")]
        control = {"socket": daemon.control_path}
        if number % 5 == 0:
            spoil(daemon)
        elif number % 5 == 1:
            os.unlink(daemon.config)
        elif number % 5 == 2:
            rewrite(daemon, "echo", *extra, service("c", "echo", f"127.0.0.1:{port}"),
                    control=control)
        elif number % 5 == 3:
            rewrite(daemon, "echo", *extra, control={"socket": "/dev/null/x"})
        else:
            rewrite(daemon, "echo", *extra, pool={"processes": 2, "threads": 100},
                    control=control)

    def test_hundred_times(self):
        first = "/tmp/tcpd-test-%d.sock" % os.getpid()
        daemon = self.tcpd("echo", control={"socket": first}, control_path=first)
        unharmed = Unharmed(self, daemon)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            if not tcpdproc.RUNS_UNDER:
                resource.prlimit(daemon.pid, resource.RLIMIT_DATA,
                                 (96 << 20, resource.RLIM_INFINITY))
            kinds = 4 if tcpdproc.RUNS_UNDER else 5
            for i in range(FAILURES):
                self.write_bad(daemon, taken.getsockname()[1], 5 * (i // kinds) + i % kinds)
                daemon.refused("reload")
        self.assertEqual(daemon.done("status")["reloads"], {"ok": 0, "failed": FAILURES})
        unharmed.check()

    def test_without_descriptors(self):
        """As many as there are, and one more each time, until it is enough."""
        more, done = 0, False
        while not done:
            self.assertLess(more, 64)
            daemon = self.tcpd("echo")
            done = self.reload_with(daemon, more)
            more += 1
        print(f"{more - 1} more than it has are enough", end=" ")
        self.assertGreater(more, 3)

    def reload_with(self, daemon, more):
        """Whether a reload succeeds with so many descriptors besides those that are open."""
        rewrite(daemon, "echo", service("more", "echo", ["127.0.0.1:0", "127.0.0.1:0"]))
        client = daemon.connect("echo")
        wanted = descriptors(daemon.pid)
        limit = sum(wanted.values()) + more
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (limit, limit))
        daemon.signal(signal.SIGHUP)
        done = daemon.wait_log(r"reload (failed|done)").group(1) == "done"
        echoes(client)
        if not done:
            wait_descriptors(daemon.pid, wanted)
        self.assertEqual(tcpdproc.end(daemon)["active"], 0)
        return done


if __name__ == "__main__":
    tcpdtest.main()
