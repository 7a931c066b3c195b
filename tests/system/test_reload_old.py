# SPDX-License-Identifier: MIT
"""What becomes of an old generation: it ends with its last connection, unless it is bounded."""

import os
import signal
import time

import tcpdchange
import tcpdproc
import tcpdtest
from tcpdchange import echoes, generation, generations, reload, wait_alone
from tcpdproc import SLOW
from tcpdtest import WAIT, poll_until


class Old(tcpdtest.TestCase):
    def held(self, daemon):
        """A connection of the generation that serves now."""
        client = daemon.connect("echo")
        echoes(client)
        return client

    def age(self, daemon, count):
        """One connection of each of the generations 1 to `count`; the last one serves."""
        clients = [self.held(daemon)]
        for _ in range(count - 1):
            daemon.done("reload")
            clients.append(self.held(daemon))
        return clients

    def test_long_connections_stay(self):
        """Through reloads of all kinds, and each generation ends with its last one."""
        daemon = self.tcpd("echo", timeouts={"drain": 0.2}, pool={"processes": 2})
        clients = self.age(daemon, 5)
        tcpdchange.spoil(daemon)
        daemon.refused("reload")
        found = generations(daemon)
        self.assertEqual(sorted(found), [1, 2, 3, 4, 5])
        self.assertEqual([found[number]["open"] for number in sorted(found)], [1] * 5)
        self.assertEqual([found[number]["state"] for number in sorted(found)],
                         ["draining"] * 4 + ["current"])
        daemon.wait_log(r"child_left generation=4 ")  # the one that held nothing
        for client in clients:
            echoes(client)
        clients[1].finish()
        clients[1].expect_eof()
        poll_until(lambda: sorted(generations(daemon)) == [1, 3, 4, 5], WAIT,
                   "generation 2 to end")
        for client in clients[0], *clients[2:]:
            echoes(client)

    def test_old_ones_accept_nobody(self):
        daemon = self.tcpd("echo")
        self.age(daemon, 2)
        for _ in range(50):
            with daemon.connect("echo") as client:
                echoes(client)
        poll_until(lambda: generations(daemon)[2]["open"] == 1, WAIT, "them to be gone")
        self.assertEqual(generations(daemon)[1]["open"], 1)
        [old] = [one["pid"] for one in generations(daemon)[1]["children"]]
        self.assertNotRegex(daemon.log(), rf"tcpd\[{old}\] info: closed")

    def test_retire(self):
        """timeouts.retire of the new configuration bounds it; drain has nothing to do with it."""
        daemon = self.tcpd("echo", timeouts={"drain": 0.05})
        old = self.held(daemon)
        begin = time.monotonic()
        reload(daemon, "echo", timeouts={"retire": 0.5, "drain": 0.05})
        old.expect_eof()
        took = time.monotonic() - begin
        self.assertGreater(took, 0.45)
        self.assertLess(took, 0.5 + 1 * SLOW)
        self.assertEqual(daemon.wait_closed(old)["reason"], "drain")
        wait_alone(daemon)

    def test_retire_is_off(self):
        daemon = self.tcpd("echo", timeouts={"retire": 0.3})
        old = self.held(daemon)
        reload(daemon, "echo", timeouts={"retire": 0})
        self.assertFalse(old.has_input(0.6))
        echoes(old)

    def test_bound_on_generations(self):
        """The oldest is cut, and the others go on."""
        daemon = self.tcpd("echo", pool={"generations": 3})
        clients = self.age(daemon, 5)
        for number, client in enumerate(clients[:2], 1):
            client.expect_eof()
            self.assertEqual(daemon.wait_closed(client)["reason"], "drain")
            daemon.wait_log(rf"generation_cut generation={number} open=1 generations=4")
        for client in clients[2:]:
            echoes(client)
        poll_until(lambda: sorted(generations(daemon)) == [3, 4, 5], WAIT, "the cut ones to end")
        self.assertEqual(len(daemon.lines("generation_cut")), 2)

    def test_only_one_generation(self):
        daemon = self.tcpd("echo", pool={"generations": 1})
        clients = self.age(daemon, 3)
        for client in clients[:2]:
            client.expect_eof()
        echoes(clients[2])

    def test_stop_gives_all_the_same_time(self):
        daemon = self.tcpd("echo", timeouts={"drain": 0.8})
        clients = self.age(daemon, 3)
        children = daemon.children()
        begin = time.monotonic()
        daemon.signal(signal.SIGTERM)
        daemon.wait_log("stopping open=3")
        for client in clients:
            echoes(client)
        clients[1].finish()
        clients[1].expect_eof()
        for client in clients[0], clients[2]:
            client.expect_eof()
            self.assertGreater(time.monotonic() - begin, 0.75)
            self.assertEqual(daemon.wait_closed(client)["reason"], "drain")
        self.assertEqual(daemon.wait_left(), 0)
        self.assertLess(time.monotonic() - begin, 0.8 + 1.5 * SLOW)
        tcpdproc.wait_gone(children)
        daemon.check_accounts()

    def test_stop_makes_a_retirement_shorter(self):
        daemon = self.tcpd("echo", timeouts={"retire": "1h", "drain": 0.3})
        [old, new] = self.age(daemon, 2)
        daemon.signal(signal.SIGTERM)
        for client in old, new:
            client.expect_eof()
        self.assertEqual(daemon.wait_left(), 0)
        daemon.check_accounts()

    def test_stop_tells_what_is_left(self):
        daemon = self.tcpd("echo", timeouts={"drain": 0.5})
        self.age(daemon, 3)
        answer = daemon.ask("stop")
        self.assertEqual(answer[0]["open"], 3)
        self.assertEqual(answer[0]["services"], [{"name": "echo", "active": 3}])
        self.assertEqual(answer[-1]["ok"], True)
        self.assertEqual(daemon.wait_left(), 0)

    def test_a_child_of_an_old_one_dies(self):
        """It is not replaced; what it held is lost, and nothing else."""
        daemon = self.tcpd("echo", pool={"processes": 2})
        clients = self.age(daemon, 2)
        [victim] = [child["pid"] for child in generations(daemon)[1]["children"] if child["open"]]
        os.kill(victim, signal.SIGKILL)
        daemon.wait_log(rf"child_died generation=1 child=\d pid={victim} signal=9 lost=1")
        wait_alone(daemon)
        echoes(clients[1])
        self.assertEqual(daemon.done("status")["child_restarts"], 0)
        self.assertEqual(tcpdchange.services(daemon)["echo"]["lost"], 1)
        self.assertEqual(generation(daemon), 2)
        self.assertEqual(tcpdproc.end(daemon)["active"], 0)


if __name__ == "__main__":
    tcpdtest.main()
