# SPDX-License-Identifier: MIT
"""Time-outs: never early, not much late, for the daemon and for one service, and off with 0."""

import time

import tcpdtest


class Timeouts(tcpdtest.TestCase):
    def check(self, daemon, client, reason, seconds):
        """The connection, opened just now, ends for this reason after this time."""
        begun = time.monotonic()
        client.recv_until_eof()
        passed = time.monotonic() - begun
        client.close()
        closed = daemon.wait_closed(client)
        self.assertEqual(closed["reason"], reason)
        self.assertGreaterEqual(closed["duration_ms"], int(seconds * 1000))
        self.assertLess(passed, seconds + 2 * tcpdtest.SLOW)

    def test_idle(self):
        daemon = self.tcpd("echo", timeouts={"idle": "400ms"})
        self.check(daemon, daemon.connect("echo"), "idle", 0.4)

    def test_idle_counts_from_the_last_byte(self):
        daemon = self.tcpd("echo", timeouts={"idle": 0.6 * tcpdtest.SLOW})
        client = daemon.connect("echo")
        until = time.monotonic() + 2 * tcpdtest.SLOW
        while time.monotonic() < until:
            client.sendall(b"x")
            client.expect(b"x")
            client.has_input(within=0.05 * tcpdtest.SLOW)
        self.assertEqual(daemon.closed(), [])
        self.check(daemon, client, "idle", 2.5 * tcpdtest.SLOW)

    def test_bytes_of_the_peer_alone_are_activity(self):
        daemon = self.tcpd("discard", timeouts={"idle": 0.6 * tcpdtest.SLOW})
        client = daemon.connect("discard")
        until = time.monotonic() + 2 * tcpdtest.SLOW
        while time.monotonic() < until:
            client.sendall(b"x")
            self.assertFalse(client.has_input(within=0.05 * tcpdtest.SLOW))
        self.assertEqual(daemon.closed(), [])

    def test_idle_off(self):
        daemon = self.tcpd("echo", timeouts={"idle": 0})
        client = daemon.connect("echo")
        self.assertFalse(client.has_input(within=1))
        client.sendall(b"x")
        client.expect(b"x")

    def test_lifetime(self):
        """Activity does not prolong it."""
        daemon = self.tcpd("chargen", timeouts={"lifetime": "500ms", "idle": "10ms"})
        self.check(daemon, daemon.connect("chargen"), "lifetime", 0.5)

    def test_lifetime_of_a_silent_connection(self):
        daemon = self.tcpd("discard", timeouts={"lifetime": "300ms"})
        self.check(daemon, daemon.connect("discard"), "lifetime", 0.3)

    def test_lifetime_off(self):
        daemon = self.tcpd("discard", timeouts={"lifetime": 0})
        client = daemon.connect("discard")
        self.assertFalse(client.has_input(within=0.5))

    def test_write(self):
        """The peer sends and does not read."""
        daemon = self.tcpd("echo", timeouts={"write": "500ms", "idle": "1h"})
        client = daemon.connect("echo", receive_buffer=4096)
        sender = tcpdtest.Sender(client, bytes(64 << 20))
        closed = daemon.wait_closed(client)
        self.assertEqual(closed["reason"], "write_timeout")
        self.assertGreaterEqual(closed["duration_ms"], 500)
        tcpdtest.poll_until(lambda: sender.error)

    def test_write_is_for_a_peer_that_takes_nothing(self):
        """One that takes little is slow, not dead: the system's buffer drains all the time, though
        for longer than the time-out it stays so full that nothing more fits in."""
        write = 1 * tcpdtest.SLOW
        daemon = self.tcpd("echo", timeouts={"write": write})
        client = daemon.connect("echo", receive_buffer=4096)
        tcpdtest.Sender(client, bytes(64 << 20))
        tcpdtest.wait_still(client.unread)
        until = time.monotonic() + 5 * write
        while time.monotonic() < until:
            self.assertTrue(client.recv(1024))
            time.sleep(0.05)  # this is how slow it is
        self.assertEqual(daemon.closed(), [])
        client.reset()

    def test_write_off(self):
        daemon = self.tcpd("echo", timeouts={"write": 0, "idle": "1h"})
        client = daemon.connect("echo", receive_buffer=4096)
        sender = tcpdtest.Sender(client, bytes(64 << 20))
        tcpdtest.wait_still(lambda: sender.sent, quiet=1)
        self.assertEqual(daemon.closed(), [])
        client.reset()

    def test_write_off_leaves_idle(self):
        daemon = self.tcpd("echo", timeouts={"write": 0, "idle": "500ms", "linger": "100ms"})
        client = daemon.connect("echo", receive_buffer=4096)
        tcpdtest.Sender(client, bytes(64 << 20))
        self.assertEqual(daemon.wait_closed(client)["reason"], "idle")

    def test_idle_with_unread_answers_ends(self):
        """After an idle time-out the peer's FIN is awaited for no longer than linger says."""
        daemon = self.tcpd("echo", timeouts={"idle": "300ms", "linger": "200ms"})
        client = daemon.connect("echo")
        closed = daemon.wait_closed(client)
        self.assertEqual(closed["reason"], "idle")
        self.assertGreaterEqual(closed["duration_ms"], 500)
        client.expect_eof()

    def test_a_service_overrides_the_daemon(self):
        daemon = self.tcpd(
            tcpdtest.service("short", "echo", timeouts={"idle": "200ms"}),
            tcpdtest.service("long", "echo"),
            tcpdtest.service("never", "echo", timeouts={"idle": 0}),
            timeouts={"idle": "1s"})
        clients = {name: daemon.connect(name) for name in ("short", "long", "never")}
        self.assertTrue(clients["short"].has_input(within=tcpdtest.WAIT))
        self.assertTrue(clients["long"].has_input(within=tcpdtest.WAIT))
        self.assertFalse(clients["never"].has_input(within=0.5))
        for client in clients.values():
            client.close()
        closed = {name: daemon.wait_closed(client) for name, client in clients.items()}
        self.assertEqual({name: line["reason"] for name, line in closed.items()},
                         {"short": "idle", "long": "idle", "never": "eof"})
        self.assertGreaterEqual(closed["long"]["duration_ms"], 1000)

    def test_many_at_once(self):
        """Every one of them, each at its time, though they were opened at different ones."""
        daemon = self.tcpd("echo", timeouts={"idle": "500ms"})
        clients = []
        for _ in range(50):
            clients.append(daemon.connect("echo"))
            clients[-1].sendall(b"x")
            clients[-1].expect(b"x")
        for client in clients:
            client.expect_eof()
            client.close()
        for client in clients:
            closed = daemon.wait_closed(client)
            self.assertEqual(closed["reason"], "idle")
            self.assertGreaterEqual(closed["duration_ms"], 500)

    def test_silent_from_the_first_moment(self):
        """A peer that never says a word wakes nobody, and is still looked after."""
        daemon = self.tcpd("echo", timeouts={"idle": "300ms"}, pool={"threads": 2})
        clients = [daemon.connect("echo") for _ in range(20)]
        for client in clients:
            self.check(daemon, client, "idle", 0.3)


if __name__ == "__main__":
    tcpdtest.main()
