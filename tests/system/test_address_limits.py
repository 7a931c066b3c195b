# SPDX-License-Identifier: MIT
"""limits.per_address and limits.rate: exact over all children and generations."""

import contextlib
import os
import shutil
import signal
import socket
import tempfile
import threading
import time

import tcpdchange
import tcpdproc
import tcpdtest
from tcpdtest import poll_until


def answered(client):
    """Whether echo serves this client; a reset may come as early as in connect."""
    try:
        client.sendall(b"x")
        return client.recv(1) == b"x"
    except (ConnectionResetError, BrokenPipeError):
        return False


class AddressLimits(tcpdtest.TestCase):
    def come(self, daemon, source="127.0.0.1", name="echo"):
        """A client from that address, or None: it was sent away."""
        family = socket.AF_INET6 if ":" in source else socket.AF_INET
        port = int(daemon.address(name).rsplit(":", 1)[1])
        client = tcpdtest.Client(family, socket.SOCK_STREAM)
        daemon.clients.append(client)
        try:
            client.bind((source, 0))
            client.connect(("::1" if family == socket.AF_INET6 else "127.0.0.1", port))
        except ConnectionResetError:
            return None
        return client if answered(client) else None

    def rejected(self, daemon, reason, name="echo"):
        return [line for line in daemon.lines("rejected")
                if (line["service"], line["reason"]) == (name, reason)]

    # per_address

    def test_always_the_tenth_and_never_an_eleventh(self):
        """With four processes, and a reload in the middle."""
        daemon = self.tcpd(tcpdtest.service("echo", limits={"per_address": 10}),
                           pool={"processes": 4})
        inside = [self.come(daemon) for _ in range(6)]
        daemon.done("reload")
        inside += [self.come(daemon) for _ in range(4)]
        self.assertNotIn(None, inside)
        for _ in range(20):
            self.assertIsNone(self.come(daemon))
        self.assertIsNotNone(self.come(daemon, "127.0.0.2"), "another address")
        poll_until(lambda: self.rejected(daemon, "per_address"))
        for round_ in range(4):
            gone = inside.pop(0)
            gone.close()
            daemon.wait_closed(gone)
            inside.append(poll_until(lambda: self.come(daemon)))
            self.assertIsNone(self.come(daemon), f"round {round_}")

    def test_forty_at_once(self):
        """All children decide at the same time, those of an old generation among them."""
        daemon = self.tcpd(tcpdtest.service("echo", limits={"per_address": 10}),
                           pool={"processes": 4})
        for round_ in range(5):
            reload = threading.Thread(target=daemon.done, args=["reload"])
            reload.start()
            served = [self.come_at_once(daemon) for _ in range(40)]
            reload.join()
            served = [client for client in served if client and answered(client)]
            self.assertEqual(len(served), 10, f"round {round_}")
            daemon.close_clients()
            poll_until(lambda: daemon.done("status")["open"] == 0)

    def come_at_once(self, daemon):
        """A client that is not waited for."""
        try:
            return daemon.connect("echo")
        except ConnectionResetError:
            return None

    def test_a_killed_child_gives_its_share_back(self):
        daemon = self.tcpd(tcpdtest.service("echo", limits={"per_address": 3}))
        inside = [self.come(daemon) for _ in range(3)]
        self.assertNotIn(None, inside)
        self.assertIsNone(self.come(daemon))
        before = daemon.children()
        poll_until(lambda: daemon.done("status")["open"] == 3, what="the place of the refused one")
        os.kill(before[0], signal.SIGKILL)
        poll_until(lambda: daemon.children() and daemon.children() != before)
        inside = [poll_until(lambda: self.come(daemon)) for _ in range(3)]
        self.assertIsNone(self.come(daemon))
        account = tcpdproc.end(daemon)
        self.assertEqual((account["lost"], account["active"]), (3, 0))

    def test_of_the_daemon_and_of_a_service(self):
        daemon = self.tcpd(tcpdtest.service("echo", limits={"per_address": 2}),
                           tcpdtest.service("more", "echo"), limits={"per_address": 3})
        self.assertIsNotNone(self.come(daemon))
        self.assertIsNotNone(self.come(daemon))
        self.assertIsNone(self.come(daemon), "the service's")
        self.assertIsNotNone(self.come(daemon, name="more"), "nothing was lost by the refusal")
        self.assertIsNone(self.come(daemon, name="more"), "the daemon's")

    def test_ipv6(self):
        daemon = self.tcpd(tcpdtest.service("echo", listen="[::1]:0", limits={"per_address": 1}))
        self.assertIsNotNone(self.come(daemon, "::1"))
        self.assertIsNone(self.come(daemon, "::1"))

    def test_mapped_is_ipv4(self):
        """A dual-stack listener sees IPv4 clients as IPv6: they count as what they are."""
        daemon = self.tcpd(tcpdtest.service("echo", listen=":0", limits={"per_address": 1}))
        self.assertIsNotNone(self.come(daemon, "127.0.0.1"))
        self.assertIsNone(self.come(daemon, "127.0.0.1"))
        self.assertIsNotNone(self.come(daemon, "127.0.0.2"), "not by a prefix of ::ffff")

    def test_trial(self):
        limits = {"per_address": 1, "enforce": False}
        daemon = self.tcpd(tcpdtest.service("echo", limits=limits))
        inside = [self.come(daemon) for _ in range(3)]
        self.assertNotIn(None, inside)
        poll_until(lambda: len(daemon.lines("would_reject")) == 2)
        self.assertEqual(daemon.lines("would_reject")[0]["reason"], "per_address")
        self.assertFalse(daemon.lines("rejected"))
        for client in inside:
            client.close()
            daemon.wait_closed(client)
        self.assertIsNotNone(self.come(daemon))
        self.assertEqual(len(daemon.lines("would_reject")), 2, "the count went on to be true")
        labels = '{service="echo",reason="per_address"}'
        self.assertIn(f"tcpd_connections_would_reject_total{labels} 2", self.metrics(daemon))
        self.assertIn(f"tcpd_connections_rejected_total{labels} 0", self.metrics(daemon))

    def metrics(self, daemon):
        return daemon.done("metrics")["text"].splitlines()

    def test_a_hundred_thousand_later_every_entry_is_gone(self):
        """The whole number with TCPD_TEST_SOAK; of 50,000 addresses, over four processes, with
        reloads in the middle, and some that are refused."""
        count = 100_000 if tcpdchange.SOAK else 10_000
        daemon = self.tcpd(tcpdtest.service("echo", limits={"per_address": 1, "rate": "1000/s"}),
                           pool={"processes": 4})
        target = tcpdtest.target_of(daemon.address("echo"))[1]
        for number in range(count):
            source = f"127.0.{number // 250 % 200}.{number % 250 + 1}", 0
            self.visit(target, source, number % 10 == 0)
            if number % (count // 4) == 1:
                daemon.done("reload")
        poll_until(lambda: "tcpd_addresses 0" in self.metrics(daemon))
        poll_until(lambda: daemon.done("status")["open"] == 0)
        account = tcpdproc.end(daemon)
        self.assertEqual((account["accepted"], account["rejected"]), (count, count // 10))

    def visit(self, target, source, twice):
        """One that is served, and one of the same address that is not, as long as that is there."""
        with socket.create_connection(target, tcpdtest.WAIT, source) as client:
            client.sendall(b"x")
            self.assertEqual(client.recv(1), b"x")
            if twice:
                with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                    with socket.create_connection(target, tcpdtest.WAIT, source) as other:
                        other.sendall(b"x")
                        self.fail(f"got {other.recv(1)}")

    # rate

    def test_burst(self):
        daemon = self.tcpd(tcpdtest.service("echo", limits={"rate": "1/h", "burst": 4}))
        served = [self.come(daemon) for _ in range(8)]
        self.assertEqual([client is not None for client in served], [True] * 4 + [False] * 4)
        self.assertIsNotNone(self.come(daemon, "127.0.0.2"))
        poll_until(lambda: self.rejected(daemon, "rate"))
        daemon.done("reload")
        self.assertIsNone(self.come(daemon), "a reload forgets nothing")

    def test_rate(self):
        """Over a while, about as many as the rate allows, and never more."""
        daemon = self.tcpd(tcpdtest.service("echo", limits={"rate": "20/s", "burst": 2}))
        begun = time.monotonic()
        served = 0
        while served < 12:
            client = self.come(daemon)
            served += client is not None
            if client:
                client.close()
            self.assertLess(time.monotonic() - begun, tcpdtest.WAIT)
        self.assertGreater(time.monotonic() - begun, 9 / 20)

    def test_unix_peers_have_no_address(self):
        folder = tempfile.mkdtemp(prefix="tcpd-limits-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        path = os.path.join(folder, "echo.sock")
        daemon = self.tcpd(tcpdtest.service("echo", listen=f"unix:{path}",
                                            limits={"per_address": 1, "rate": "1/h"}))
        clients = [daemon.connect("echo") for _ in range(3)]
        self.assertEqual([answered(client) for client in clients], [True] * 3)


if __name__ == "__main__":
    tcpdtest.main()
