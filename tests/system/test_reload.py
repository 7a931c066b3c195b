# SPDX-License-Identifier: MIT
"""A reload: what it changes, what stays, and what is said about it."""

import os
import re
import shutil
import signal
import socket
import stat
import tempfile
import threading

import tcpdchange
import tcpdtest
from tcpdchange import address, descriptors, echoes, generation, listeners, reload, rewrite, \
    services, wait_alone
from tcpdtest import WAIT, poll_until, service

NOTHING = {"added": [], "removed": [], "changed": []}
MANY = 100  # more than the scoreboard has boards


class Settings(tcpdtest.TestCase):
    def test_nothing_changed(self):
        daemon = self.tcpd("echo", "greet")
        before = listeners(daemon), descriptors(daemon.pid)
        self.assertEqual(daemon.done("reload"), {
            "ok": True, "generation": 2, "services": NOTHING, "listeners": NOTHING, "settings": []})
        self.assertEqual(generation(daemon), 2)
        daemon.wait_log(r"reload done generation=2$")
        wait_alone(daemon)
        self.assertEqual(listeners(daemon), before[0], "the very same sockets")
        tcpdchange.wait_descriptors(daemon.pid, before[1])
        echoes(daemon.connect("echo"))

    def test_a_setting_of_the_daemon(self):
        daemon = self.tcpd("echo", pool={"processes": 1})
        answer = reload(daemon, "echo", pool={"processes": 2, "threads": 3},
                        log={"level": "debug"})
        self.assertEqual(set(answer["settings"]), {"pool.processes", "pool.threads", "log.level"})
        self.assertEqual(answer["services"], NOTHING)
        status = daemon.done("status")
        self.assertEqual((status["processes"], status["threads"], status["log_level"]),
                         (2, 3, "debug"))
        wait_alone(daemon)
        self.assertEqual(len(daemon.children()), 2)
        echoes(daemon.connect("echo"))

    def test_a_setting_of_a_service(self):
        """It holds for new connections; an old one goes on with what it came under."""
        daemon = self.tcpd("echo", "greet")
        old = daemon.connect("echo")
        echoes(old)
        answer = reload(daemon, service("echo", timeouts={"idle": 0.3}), "greet")
        self.assertEqual(answer["services"], {"added": [], "removed": [], "changed": ["echo"]})
        new = daemon.connect("echo")
        echoes(new)
        new.expect_eof()
        self.assertEqual(daemon.wait_closed(new)["reason"], "idle")
        echoes(old)

    def test_another_type_on_the_same_address(self):
        port = tcpdtest.free_port()
        daemon = self.tcpd(service("one", "echo", f"127.0.0.1:{port}"))
        before = listeners(daemon)
        answer = reload(daemon, service("one", "discard", f"127.0.0.1:{port}"))
        self.assertEqual(answer["services"]["changed"], ["one"])
        self.assertEqual(services(daemon)["one"]["type"], "discard")
        self.assertEqual(listeners(daemon), before)
        client = daemon.connect("one")
        client.sendall(b"gone")
        client.finish()
        client.expect_eof()

    def test_an_override_stays(self):
        """What -o said at the start holds against the file."""
        daemon = self.tcpd("echo", options=["-o", "pool.processes=2"])
        answer = reload(daemon, "echo", pool={"processes": 1})
        self.assertEqual(answer["settings"], [])
        self.assertEqual(daemon.done("status")["processes"], 2)


class Listeners(tcpdtest.TestCase):
    def test_added_and_removed(self):
        first, second = tcpdtest.free_port(), tcpdtest.free_port()
        daemon = self.tcpd("echo", service("a", "discard", f"127.0.0.1:{first}"))
        kept = listeners(daemon)
        answer = reload(daemon, "echo", service("b", "echo", f"127.0.0.1:{second}"))
        self.assertEqual(answer["services"], {"added": ["b"], "removed": ["a"], "changed": []})
        self.assertEqual(answer["listeners"], {"added": [f"127.0.0.1:{second} (b)"],
                                               "removed": [f"127.0.0.1:{first} (a)"],
                                               "changed": []})
        with tcpdtest.connect(f"127.0.0.1:{second}") as client:
            echoes(client)
        self.assertEqual(set(services(daemon)), {"echo", "b"})
        poll_until(lambda: self.is_refused(f"127.0.0.1:{first}"), WAIT, "the old port to be free")
        wait_alone(daemon)
        now = listeners(daemon)
        self.assertEqual(len(now), len(kept))
        self.assertEqual(len(set(now.items()) & set(kept.items())), 2, "echo and the control")

    def is_refused(self, where):
        try:
            tcpdtest.connect(where).close()
            return False
        except ConnectionRefusedError:
            return True

    def test_new_port_0_is_told(self):
        daemon = self.tcpd("echo")
        answer = reload(daemon, "echo", service("two", "echo"))
        self.assertEqual(answer["services"]["added"], ["two"])
        told = address(daemon, "two")
        self.assertRegex(told, r"^127\.0\.0\.1:[1-9]\d*$")
        daemon.wait_log(rf"listening service=two address={re.escape(told)}$")
        self.assertEqual(len(daemon.addresses("echo")), 1, "what was there is not said again")
        echoes(daemon.connect("two"))

    def test_port_0_is_kept(self):
        daemon = self.tcpd("echo", service("two", "echo", ["127.0.0.1:0", "127.0.0.1:0"]))
        before = {name: one["addresses"] for name, one in services(daemon).items()}
        reload(daemon, service("two", "echo", ["127.0.0.1:0", "127.0.0.1:0"],
                               timeouts={"idle": "9s"}), "discard", "echo")
        after = {name: one["addresses"] for name, one in services(daemon).items()}
        self.assertEqual({name: after[name] for name in before}, before)

    def test_removed_service_with_a_connection(self):
        daemon = self.tcpd("echo", "greet")
        client = daemon.connect("greet")
        client.expect(b"Welcome!\nWhat's your name?")
        reload(daemon, "echo")
        told = services(daemon)["greet"]
        self.assertEqual((told["state"], told["active"], told["addresses"]), ("removed", 1, []))
        client.sendall(b"Ann\n")
        client.expect(b"Hello Ann!\nWhat's your name?")
        client.close()
        wait_alone(daemon)
        poll_until(lambda: "greet" not in services(daemon), WAIT, "the service to be forgotten")

    def test_comes_again_with_its_counters(self):
        daemon = self.tcpd("echo", "greet")
        echoes(daemon.connect("echo"))
        before = services(daemon)["echo"]["accepted"]
        reload(daemon, "greet")
        reload(daemon, "greet", "echo")
        self.assertEqual(services(daemon)["echo"]["accepted"], before)
        with tcpdtest.connect(address(daemon, "echo")) as client:
            echoes(client)
        self.assertEqual(services(daemon)["echo"]["accepted"], before + 1)

    def test_queued_on_a_removed_one(self):
        """Who has connected before the reload and was not accepted yet is served."""
        daemon = self.tcpd("echo", "greet")
        [child] = daemon.children()
        os.kill(child, signal.SIGSTOP)
        queued = [daemon.connect("greet") for _ in range(20)]
        for client in queued:
            client.sendall(b"Ann\n")
        reload(daemon, "echo")
        os.kill(child, signal.SIGCONT)
        for client in queued:
            client.recv_until(b"Hello Ann!\n")
            client.close()
        wait_alone(daemon)

    def test_backlog_changes_in_place(self):
        port = tcpdtest.free_port()
        listen = {"address": f"127.0.0.1:{port}", "backlog": 100}
        daemon = self.tcpd(service("echo", listen=listen))
        before = listeners(daemon)
        self.assertEqual(tcpdchange.backlog(port), 100)
        answer = reload(daemon, service("echo", listen={**listen, "backlog": 37}))
        self.assertEqual(answer["listeners"]["changed"], [f"127.0.0.1:{port} (echo)"])
        self.assertEqual(tcpdchange.backlog(port), 37)
        self.assertEqual(listeners(daemon), before)

    def test_mode_changes_in_place(self):
        daemon = self.tcpd("echo")
        path = os.path.join(daemon.folder, "e.sock")
        reload(daemon, "echo", service("e", "echo", {"address": f"unix:{path}", "mode": "0600"}))
        before = listeners(daemon)
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        reload(daemon, "echo", service("e", "echo", {"address": f"unix:{path}", "mode": "0666"}))
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o666)
        self.assertEqual(listeners(daemon), before)
        reload(daemon, "echo")
        poll_until(lambda: not os.path.exists(path), WAIT, "the file to be removed")

    def test_same_address_at_once_again(self):
        """Removed and added again, while an old child may still accept from the first socket."""
        port = tcpdtest.free_port()
        two = service("two", "echo", f"127.0.0.1:{port}")
        daemon = self.tcpd("echo", two)
        for _ in range(5):
            reload(daemon, "echo")
            reload(daemon, "echo", two)
            with tcpdtest.connect(f"127.0.0.1:{port}") as client:
                echoes(client)
        self.assertEqual(generation(daemon), 11)

    def test_control_socket_moves(self):
        folder = tempfile.mkdtemp(prefix="tcpd-control-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        first, second = os.path.join(folder, "first"), os.path.join(folder, "second")
        daemon = self.tcpd("echo", control={"socket": first}, control_path=first)
        answer = reload(daemon, "echo", control={"socket": second})
        self.assertEqual(answer["settings"], ["control.socket"])
        self.assertFalse(os.path.exists(first))
        daemon.control_path = second
        self.assertEqual(generation(daemon), 2)
        rewrite(daemon, "echo", control={"socket": f"{folder}/no/folder/third"})
        self.assertIn(f"{folder}/no/folder", str(daemon.refused("reload")))
        self.assertEqual(generation(daemon), 2, "it is still where it was")


class Asking(tcpdtest.TestCase):
    def test_hup(self):
        daemon = self.tcpd("echo")
        daemon.signal(signal.SIGHUP)
        poll_until(lambda: generation(daemon) == 2, WAIT, "the reload")
        status = daemon.done("status")
        self.assertEqual(status["reloads"], {"ok": 1, "failed": 0})
        self.assertEqual((status["last_change"]["what"], status["last_change"]["ok"]),
                         ("reload", True))

    def test_many_hups_are_one(self):
        """One that is under way, and one for all that came since."""
        daemon = self.tcpd("echo")
        os.kill(daemon.pid, signal.SIGSTOP)
        for _ in range(100):
            daemon.signal(signal.SIGHUP)
        os.kill(daemon.pid, signal.SIGCONT)
        poll_until(lambda: generation(daemon) >= 2, WAIT, "the reload")
        before = tcpdtest.wait_still(lambda: generation(daemon), quiet=0.1)
        self.assertLessEqual(before, 3)
        for _ in range(100):
            daemon.signal(signal.SIGHUP)
        after = tcpdtest.wait_still(lambda: generation(daemon), quiet=0.1)
        self.assertGreater(after, before)
        self.assertLess(after, before + 90)

    def test_reload_while_reload(self):
        """Each who asks is answered, with a generation of his own."""
        daemon = self.tcpd("echo")
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(daemon.done("reload")))
                   for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(2 * WAIT)
        self.assertEqual(sorted(answer["generation"] for answer in answers), list(range(2, 10)))
        self.assertEqual(generation(daemon), 9)

    def test_asked_and_gone(self):
        """Who does not wait for the answer harms nothing."""
        daemon = self.tcpd("echo")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asker:
            asker.connect(daemon.control_path)
            asker.sendall(b'{"command":"reload"}\n')
        poll_until(lambda: generation(daemon) == 2, WAIT, "the reload")

    def test_many_good_ones_leave_no_descriptor(self):
        daemon = self.tcpd("echo", "greet", pool={"processes": 2})
        wanted = descriptors(daemon.pid)
        extra = service("extra", "discard")
        for i in range(MANY):
            reload(daemon, "echo", "greet", *([extra] * (i % 2)), pool={"processes": 1 + i % 3})
        reload(daemon, "echo", "greet", pool={"processes": 2})
        wait_alone(daemon)
        tcpdchange.wait_descriptors(daemon.pid, wanted)
        self.assertEqual(daemon.done("status")["reloads"], {"ok": MANY + 1, "failed": 0})
        self.assertEqual(tcpdtest.zombies_of(daemon.pid), [])


if __name__ == "__main__":
    tcpdtest.main()
