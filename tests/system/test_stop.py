# SPDX-License-Identifier: MIT
"""TERM and INT: what is open is finished, nothing is lost, and then the daemon leaves."""

import os
import random
import re
import signal
import tempfile
import threading
import time

import tcpdproc
import tcpdtest
from tcpdproc import SLOW, is_gone, poll_until, processes, wait_gone, wait_quiet
from tcpdtest import WAIT

MIB = 1 << 20
QUEUED = 3000


def pattern(length):
    return random.Random(length).randbytes(length)


class Stop(tcpdtest.TestCase):
    def begin_stop(self, daemon, number=signal.SIGTERM):
        daemon.signal(number)
        daemon.wait_log(r"stopping open=")

    def is_refused(self, daemon, name):
        try:
            tcpdtest.connect(daemon.address(name)).close()
            return False
        except ConnectionError:
            return True

    def check_left(self, daemon, pids, status=0):
        self.assertEqual(daemon.wait_left(), status)
        wait_gone(pids, WAIT)

    # What is open.

    def test_answer_in_flight(self):
        """8 MiB on their way back to a slow reader at TERM: not a byte is missing."""
        daemon = self.tcpd("echo", timeouts={"drain": "1h"})
        pids = processes(daemon)
        client = daemon.connect("echo", receive_buffer=1 << 16)
        data = pattern(8 * MIB)
        sender = threading.Thread(target=lambda: (client.sendall(data), client.finish()))
        sender.start()
        received = bytearray(client.recv_exact(MIB // 4))
        self.begin_stop(daemon)
        poll_until(lambda: self.is_refused(daemon, "echo"), WAIT, "new connects to be refused")
        while True:
            part = client.recv(1 << 16)
            if not part:
                break
            received += part
        sender.join(WAIT)
        self.assertTrue(received == data, f"{len(received)} bytes came back, not the same")
        self.check_left(daemon, pids)
        daemon.check_accounts()
        self.assertEqual(daemon.wait_closed(client)["reason"], "eof")

    def test_dialogue(self):
        """A dialogue goes on as if nothing were."""
        daemon = self.tcpd("greet", timeouts={"drain": "1h"})
        pids = processes(daemon)
        client = daemon.connect("greet")
        client.expect(b"Welcome!\nWhat's your name?")
        client.sendall(b"Alice\n")
        client.expect(b"Hello Alice!\nWhat's your name?")
        self.begin_stop(daemon)
        poll_until(lambda: self.is_refused(daemon, "greet"), WAIT, "new connects to be refused")
        client.sendall(b"Bob\n")
        client.expect(b"Hello Bob!\nWhat's your name?")
        client.sendall(b"exit\n")
        client.expect(b"Good bye!\n")
        client.expect_eof()
        client.close()
        self.check_left(daemon, pids)
        daemon.check_accounts()

    def test_endless_and_idle(self):
        """What does not end by itself is cut when timeouts.drain is over."""
        daemon = self.tcpd("echo", "chargen", timeouts={"drain": "1s"})
        pids = processes(daemon)
        idle = daemon.connect("echo")
        idle.sendall(b"x")
        idle.expect(b"x")
        endless = daemon.connect("chargen")
        endless.recv_exact(1000)
        begin = time.monotonic()
        self.begin_stop(daemon)

        def drink():
            try:
                while endless.recv(1 << 16):
                    pass
            except ConnectionError:
                pass

        reader = threading.Thread(target=drink)
        reader.start()
        self.check_left(daemon, pids)
        lasted = time.monotonic() - begin
        reader.join(WAIT)
        self.assertGreater(lasted, 0.9)
        self.assertLess(lasted, 1.6 + SLOW)
        self.assertEqual(daemon.wait_closed(idle)["reason"], "drain")
        self.assertEqual(daemon.wait_closed(endless)["reason"], "drain")
        self.assertEqual(daemon.accounts()["active"], 0)
        self.assertEqual((daemon.accounts()["accepted"], daemon.accounts()["closed"]), (2, 2))

    def test_no_limit_to_the_drain(self):
        """drain = 0 waits for the last connection, however long that takes."""
        daemon = self.tcpd("echo", timeouts={"drain": 0})
        pids = processes(daemon)
        client = daemon.connect("echo")
        client.sendall(b"x")
        client.expect(b"x")
        self.begin_stop(daemon)
        wait_quiet(pids)
        client.sendall(b"y")
        client.expect(b"y")
        client.finish()
        client.expect_eof()
        self.check_left(daemon, pids)
        self.assertEqual(daemon.wait_closed(client)["reason"], "eof")
        daemon.check_accounts()

    # Who is not in yet.

    def queued_at_term(self, count, **settings):
        """Clients that wait in the kernel's queue, because the children are stopped, when TERM
        comes: which of them are answered?"""
        tcpdproc.use_all_descriptors()
        daemon = self.tcpd("echo", timeouts={"drain": "1h"}, log={"level": "notice"}, **settings)
        pids = processes(daemon)
        for child in daemon.children():
            os.kill(child, signal.SIGSTOP)
            poll_until(lambda pid=child: tcpdproc.state(pid) == "T", WAIT, "a child to stop")
        clients = [daemon.connect("echo") for _ in range(count)]
        for client in clients:
            client.sendall(b"x")
        self.begin_stop(daemon)
        for child in pids[1:]:
            os.kill(child, signal.SIGCONT)
        lost = 0
        for client in clients:
            try:
                client.expect(b"x")
            except (ConnectionError, AssertionError):
                lost += 1
            client.close()
        self.assertEqual(lost, 0, f"of {count} connections that were queued at TERM")
        self.check_left(daemon, pids)
        self.assertEqual(daemon.accounts()["accepted"], count)
        daemon.check_accounts()

    def test_queued(self):
        self.queued_at_term(200)

    def test_queued_with_two_processes(self):
        self.queued_at_term(200, pool={"processes": 2})

    def test_queued_beyond_the_pool(self):
        """More of them than pool.queue holds."""
        self.queued_at_term(QUEUED)

    def test_queued_beyond_a_small_pool(self):
        self.queued_at_term(200, pool={"threads": 2, "queue": 4})

    def test_nothing_is_open(self):
        """Then there is nothing to wait for, whatever it listens on."""
        daemon = self.tcpd(tcpdtest.service("echo", listen=[
            "127.0.0.1:0", f"unix:{self.folder()}/echo.sock"]))
        pids = processes(daemon)
        for address in daemon.addresses("echo"):
            client = tcpdtest.connect(address)
            client.sendall(b"x")
            client.expect(b"x")
            client.finish()
            client.expect_eof()
            client.close()
        begin = time.monotonic()
        daemon.signal(signal.SIGTERM)
        self.check_left(daemon, pids)
        self.assertLess(time.monotonic() - begin, 0.5 * SLOW)

    def test_unix_socket_is_removed(self):
        daemon = self.tcpd(tcpdtest.service("echo", listen=f"unix:{self.folder()}/echo.sock"))
        path = daemon.address("echo")[len("unix:"):]
        client = daemon.connect("echo")
        client.sendall(b"x")
        client.expect(b"x")
        self.begin_stop(daemon)
        poll_until(lambda: not os.path.exists(path), WAIT, "the socket file to be removed")
        client.sendall(b"y")
        client.expect(b"y")
        client.finish()
        client.expect_eof()
        self.assertEqual(daemon.wait_left(), 0)

    def folder(self):
        folder = tempfile.TemporaryDirectory(prefix="tcpd-stop-")
        self.addCleanup(folder.cleanup)
        return folder.name

    # Signals.

    def test_interrupt(self):
        daemon = self.tcpd("echo")
        client = daemon.connect("echo")
        client.sendall(b"x")
        client.expect(b"x")
        pids = processes(daemon)
        self.begin_stop(daemon, signal.SIGINT)
        client.sendall(b"y")
        client.expect(b"y")
        client.close()
        self.check_left(daemon, pids)
        daemon.check_accounts()

    def test_interrupt_from_a_terminal(self):
        """Ctrl-C goes to the whole process group: the children leave it to the master."""
        daemon = self.tcpd("echo")
        client = daemon.connect("echo")
        client.sendall(b"x")
        client.expect(b"x")
        pids = processes(daemon)
        for pid in pids[1:]:
            os.kill(pid, signal.SIGINT)
            os.kill(pid, signal.SIGTERM)
        self.begin_stop(daemon, signal.SIGINT)
        client.sendall(b"y")
        client.expect(b"y")
        client.close()
        self.check_left(daemon, pids)
        daemon.check_accounts()

    def test_second_one(self):
        for second in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(second=second.name):
                daemon = self.tcpd("echo", pool={"processes": 2}, timeouts={"drain": "1h"})
                pids = processes(daemon)
                client = daemon.connect("echo")
                client.sendall(b"x")
                client.expect(b"x")
                self.begin_stop(daemon)
                wait_quiet(pids)
                self.assertFalse(any(map(is_gone, pids[:1])))
                begin = time.monotonic()
                daemon.signal(second)
                self.check_left(daemon, pids)
                self.assertLess(time.monotonic() - begin, 1 * SLOW)
                account = daemon.accounts()
                self.assertEqual((account["accepted"], account["active"]), (1, 0))

    def test_during_start(self):
        """At whatever moment TERM comes, nobody is left behind."""
        moments = random.Random(4)
        statuses = {}
        for _ in range(30):
            daemon = self.tcpd("echo", wait=False, pool={"processes": 2})
            until = time.monotonic() + moments.uniform(0, 0.03) * SLOW
            seen = set()
            while time.monotonic() < until:
                seen.update(daemon.children())
            seen.update(daemon.children())
            daemon.signal(signal.SIGTERM)
            status = daemon.wait_left()
            statuses[status] = statuses.get(status, 0) + 1
            wait_gone(seen, WAIT)
            # Before it listens for signals, a signal has its way.
            self.assertIn(status, (0, -signal.SIGTERM), daemon.log())
            if status == 0:
                self.assertRegex(daemon.log(), r"[:\]] stopped accepted=0 ")
                self.check_order(daemon.log())
        print(f"statuses: {statuses}", end=" ")

    def check_order(self, log):
        """It does not say that it is started after it has said that it stops."""
        events = re.findall(r"[:\]] (started|stopping|stopped)\b", log)
        self.assertIn(events, (["started", "stopping", "stopped"], ["stopping", "stopped"]))

    def test_child_that_hangs(self):
        """The master does not wait for ever: it ends what does not leave by itself."""
        daemon = self.tcpd("echo", timeouts={"drain": "200ms"})
        pids = processes(daemon)
        os.kill(pids[1], signal.SIGSTOP)
        self.begin_stop(daemon)
        daemon.wait_log("did not leave in time")
        self.check_left(daemon, pids)

    HARMLESS = (signal.SIGUSR1, signal.SIGPIPE, signal.SIGCHLD, signal.SIGWINCH, signal.SIGALRM)

    def test_harmless_signals_one_by_one(self):
        for number in self.HARMLESS:
            with self.subTest(signal=number.name):
                daemon = self.tcpd("echo")
                for pid in processes(daemon):
                    os.kill(pid, number)
                wait_quiet(processes(daemon), quiet=0.1)
                client = daemon.connect("echo")
                client.sendall(b"x")
                client.expect(b"x")
                self.assertEqual(daemon.lines("child_died"), [])
                daemon.stop()

    def test_signals_at_random(self):
        """300 of them at master and children, with somebody connecting all the time."""
        daemon = self.tcpd("echo", pool={"processes": 2})
        pids = processes(daemon)
        dice = random.Random(300)
        for _ in range(300):
            os.kill(dice.choice([pids[0], *pids]), dice.choice(self.HARMLESS))
            if dice.random() < 0.3:
                client = daemon.connect("echo")
                client.sendall(b"x")
                client.expect(b"x")
                client.close()
        self.assertIsNone(daemon.process.poll())
        self.assertEqual(daemon.children(), pids[1:], "a child was lost")
        daemon.stop()
        wait_gone(pids, WAIT)

    def test_signals_at_random_with_an_end(self):
        """Harmless ones before, during and after a stop; it ends as the stop ends."""
        for seed in range(5):
            daemon = self.tcpd("echo", pool={"processes": 2}, timeouts={"drain": "100ms"})
            pids = processes(daemon)
            client = daemon.connect("echo")
            client.sendall(b"x")
            client.expect(b"x")
            dice = random.Random(seed)
            numbers = [dice.choice(self.HARMLESS) for _ in range(60)]
            numbers.insert(dice.randrange(60), signal.SIGTERM)
            for number in numbers:
                if daemon.process.poll() is None:
                    daemon.signal(number)
                for pid in pids[1:]:
                    if daemon.process.poll() is None and number != signal.SIGTERM:
                        try:
                            os.kill(pid, number)
                        except ProcessLookupError:
                            pass
            self.check_left(daemon, pids)
            daemon.check_accounts()
            daemon.close_clients()


if __name__ == "__main__":
    tcpdtest.main()
