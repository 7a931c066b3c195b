# SPDX-License-Identifier: MIT
"""limits.connections, of the daemon and of a service, and both kinds of overload."""

import os
import time

import tcpdtest


def is_served(client):
    """Whether echo answers within a moment; to be asked again with the same client."""
    if not client.asked:
        client.sendall(b"x")
        client.asked = True
    if client.has_input(within=0.2):
        client.expect(b"x")
        client.asked = False
        return True
    return False


tcpdtest.Client.asked = False


class Wait(tcpdtest.TestCase):
    """overload = "wait": who comes too many stays in the kernel's queue."""

    def check_limit(self, daemon, name, limit):
        """Exactly `limit` are served, and who leaves makes room for who waits."""
        inside = [daemon.connect(name) for _ in range(limit)]
        for client in inside:
            self.assertTrue(is_served(client))
        outside = [daemon.connect(name) for _ in range(3)]
        for client in outside:
            self.assertFalse(is_served(client))
        for client in outside:
            inside.pop().close()
            tcpdtest.poll_until(lambda client=client: is_served(client))
            inside.append(client)
        for client in inside:
            client.close()
        self.assertNotIn("rejected service", daemon.log())

    def test_of_the_daemon(self):
        self.check_limit(self.tcpd("echo", limits={"connections": 4}), "echo", 4)

    def test_of_the_daemon_over_all_children(self):
        daemon = self.tcpd("echo", limits={"connections": 5}, pool={"processes": 3})
        self.check_limit(daemon, "echo", 5)

    def test_of_a_service(self):
        limited = tcpdtest.service("few", "echo", limits={"connections": 2})
        daemon = self.tcpd(limited, "echo")
        inside = [daemon.connect("few") for _ in range(2)]
        for client in inside:
            self.assertTrue(is_served(client))
        waits = daemon.connect("few")
        self.assertFalse(is_served(waits))
        for _ in range(5):
            self.assertTrue(is_served(daemon.connect("echo")), "the other service is not full")
        inside[0].close()
        tcpdtest.poll_until(lambda: is_served(waits))

    def test_the_sum_of_services_is_the_daemons(self):
        daemon = self.tcpd("echo", tcpdtest.service("more", "echo"), limits={"connections": 3})
        inside = [daemon.connect("echo"), daemon.connect("more"), daemon.connect("echo")]
        for client in inside:
            self.assertTrue(is_served(client))
        waits = daemon.connect("more")
        self.assertFalse(is_served(waits))
        inside[0].close()
        tcpdtest.poll_until(lambda: is_served(waits))

    @tcpdtest.measures
    def test_waiting_costs_nothing(self):
        daemon = self.tcpd("echo", limits={"connections": 1})
        inside = daemon.connect("echo")
        self.assertTrue(is_served(inside))
        outside = [daemon.connect("echo") for _ in range(50)]
        for client in outside:
            client.sendall(b"x")
        child = daemon.children()[0]
        tcpdtest.wait_still(lambda: switches_of(child), quiet=1)
        before = tcpdtest.cpu_of(child)
        inside.has_input(within=1)
        self.assertLessEqual(tcpdtest.cpu_of(child) - before, 0.02)
        inside.close()
        for client in outside:  # in the order in which they came
            client.expect(b"x")
            client.close()

    def test_a_waiting_client_that_gives_up(self):
        daemon = self.tcpd("echo", limits={"connections": 1})
        inside = daemon.connect("echo")
        self.assertTrue(is_served(inside))
        for _ in range(20):
            daemon.connect("echo").reset()
        last = daemon.connect("echo")
        self.assertFalse(is_served(last))
        inside.close()
        tcpdtest.poll_until(lambda: is_served(last))

    def test_full_queue_of_the_pool(self):
        """pool.queue bounds what waits for a worker; the rest waits in the kernel's queue."""
        daemon = self.tcpd("echo", pool={"queue": 1, "threads": 1})
        clients = [daemon.connect("echo") for _ in range(100)]
        for client in clients:
            client.sendall(b"x")
        for client in clients:
            client.expect(b"x")


def switches_of(pid):
    """How often the threads of a process have gone to sleep: 0 more when none was woken."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/status", encoding="ascii") as file:
            total += sum(int(line.split()[1]) for line in file if "_ctxt_switches" in line)
    return total


class Reset(tcpdtest.TestCase):
    """overload = "reset": who comes too many is sent away at once."""

    def sent_away(self, daemon, name):
        """Whether a new client gets a reset; it may come as early as in connect."""
        try:
            with daemon.connect(name) as client:
                client.sendall(b"x")
                self.assertNotEqual(answer := client.recv(1), b"", "an orderly end is no reset")
                return answer != b"x"
        except (ConnectionResetError, BrokenPipeError):
            return True

    def test_of_the_daemon(self):
        daemon = self.tcpd("echo", limits={"connections": 2, "overload": "reset"})
        self.check_reset(daemon)

    def test_of_a_service(self):
        limits = {"connections": 2, "overload": "reset"}
        daemon = self.tcpd(tcpdtest.service("echo", limits=limits), "discard")
        self.check_reset(daemon)
        self.assertFalse(daemon.connect("discard").has_input(within=0.1))

    def check_reset(self, daemon):
        inside = [daemon.connect("echo") for _ in range(2)]
        for client in inside:
            self.assertTrue(is_served(client))
        self.assertTrue(self.sent_away(daemon, "echo"))
        line = tcpdtest.poll_until(lambda: daemon.lines("rejected"))[0]
        self.assertEqual((line["service"], line["reason"]), ("echo", "connections"))
        self.assertRegex(line["peer"], r"^127\.0\.0\.1:\d+$")
        inside[0].close()
        daemon.wait_closed(inside[0])
        tcpdtest.poll_until(lambda: not self.sent_away(daemon, "echo"))

    def test_log_of_many(self):
        """200 are sent away: a few lines a second, which account for all of them."""
        daemon = self.tcpd("echo", limits={"connections": 1, "overload": "reset"})
        inside = daemon.connect("echo")
        self.assertTrue(is_served(inside))
        begun = time.monotonic()
        for _ in range(200):
            self.assertTrue(self.sent_away(daemon, "echo"))
        seconds = time.monotonic() - begun
        self.assertLessEqual(len(daemon.lines("rejected")), 5 * (seconds + 2))
        inside.close()
        daemon.wait_closed(inside)
        daemon.stop()
        self.assertEqual(daemon.accounts()["rejected"], 200)

    def test_nothing_is_kept_waiting(self):
        daemon = self.tcpd(
            tcpdtest.service("full", "echo", limits={"connections": 1, "overload": "reset"}),
            limits={"overload": "wait"})
        self.assertTrue(is_served(daemon.connect("full")))
        for _ in range(10):
            self.assertTrue(self.sent_away(daemon, "full"))


class Trial(tcpdtest.TestCase):
    """enforce = false: who would have been refused or left waiting is served, and told of."""

    def counts(self, daemon, name="echo", reason="connections"):
        text = daemon.done("metrics")["text"]
        label = f'{{service="{name}",reason="{reason}"}} '
        return [int(text.partition(f"tcpd_connections_{kind}_total{label}")[2].split("\n")[0])
                for kind in ("would_reject", "rejected")]

    def check(self, daemon):
        clients = [daemon.connect("echo") for _ in range(5)]
        for client in clients:
            self.assertTrue(is_served(client))
        self.assertEqual(self.counts(daemon), [3, 0])
        line = tcpdtest.poll_until(lambda: daemon.lines("would_reject"))[0]
        self.assertEqual((line["service"], line["reason"]), ("echo", "connections"))
        for client in clients:
            client.close()
            daemon.wait_closed(client)
        self.assertTrue(is_served(daemon.connect("echo")))
        self.assertEqual(self.counts(daemon), [3, 0], "within the limit it would not be refused")
        daemon.stop()

    def test_of_the_daemon(self):
        for overload in "wait", "reset":
            self.check(self.tcpd("echo", limits={"connections": 2, "overload": overload,
                                                 "enforce": False}))

    def test_of_a_service(self):
        for overload in "wait", "reset":
            limits = {"connections": 2, "overload": overload, "enforce": False}
            self.check(self.tcpd(tcpdtest.service("echo", limits=limits)))

    def test_each_for_its_own(self):
        """The service's is on trial, the daemon's is not."""
        limits = {"connections": 1, "enforce": False}
        daemon = self.tcpd(tcpdtest.service("echo", limits=limits),
                           limits={"connections": 3, "overload": "reset"})
        inside = [daemon.connect("echo") for _ in range(3)]
        for client in inside:
            self.assertTrue(is_served(client))
        with self.assertRaises((ConnectionResetError, BrokenPipeError)):
            is_served(daemon.connect("echo"))
        self.assertEqual(self.counts(daemon), [2, 1])

    def test_never_more_than_there_are_descriptors(self):
        """40 for the child, of which some are its own."""
        prefix = ["sh", "-c", 'ulimit -n 40 && exec "$0" "$@"']
        daemon = self.tcpd("echo", prefix=prefix, pool={"threads": 1},
                           limits={"connections": 2, "overload": "reset", "enforce": False})
        served = 0
        try:
            while served < 40 and is_served(daemon.connect("echo")):
                served += 1
        except (ConnectionResetError, BrokenPipeError):
            pass
        self.assertGreater(served, 2)
        self.assertLess(served, 40)
        self.assertEqual(self.counts(daemon), [served - 2, 1])
        self.assertNotIn("cannot accept", daemon.log())


if __name__ == "__main__":
    tcpdtest.main()
