# SPDX-License-Identifier: MIT
"""Fairness: one connection that never stops does not keep the others of its worker waiting."""

import threading
import time

import tcpdtest

CHUNK = b"greedy " * 8192


class Greedy:
    """Sends to echo without a pause and reads what comes back, in two threads, until stopped."""

    def __init__(self, client):
        self.client, self.stopped, self.echoed = client, False, 0
        self.threads = [threading.Thread(target=work, daemon=True)
                        for work in (self.send, self.read)]
        for thread in self.threads:
            thread.start()

    def send(self):
        while not self.stopped:
            self.client.sendall(CHUNK)
        self.client.finish()

    def read(self):
        while True:
            part = self.client.recv(1 << 18)
            if not part:
                return
            self.echoed += len(part)

    def stop(self):
        self.stopped = True
        for thread in self.threads:
            thread.join(tcpdtest.WAIT)


class Fairness(tcpdtest.TestCase):
    def meet(self, greedy_count):
        """Twenty modest clients on the one worker that the greedy ones keep busy."""
        daemon = self.tcpd("echo", pool={"threads": 1})
        greedy = [Greedy(daemon.connect("echo")) for _ in range(greedy_count)]
        tcpdtest.poll_until(lambda: all(one.echoed > 1 << 20 for one in greedy))
        modest = [daemon.connect("echo") for _ in range(20)]
        slowest, before = 0, [one.echoed for one in greedy]
        for turn in range(20):
            for client in modest:
                message = b"turn %d" % turn
                begun = time.monotonic()
                client.sendall(message)
                client.expect(message)
                slowest = max(slowest, time.monotonic() - begun)
        after = [one.echoed for one in greedy]
        for one in greedy:
            one.stop()
        self.assertLess(slowest, 1 * tcpdtest.SLOW)
        return [b - a for a, b in zip(before, after)]

    def test_one_greedy_connection(self):
        self.assertGreater(min(self.meet(1)), 0)

    def test_eight_greedy_connections(self):
        """… and none of them starves either."""
        self.assertGreater(min(self.meet(8)), 0)

    def test_many_lines_in_one_segment(self):
        """A connection's share of a turn is bounded by what was read in it."""
        daemon = self.tcpd("greet", "echo", pool={"threads": 1})
        greedy = daemon.connect("greet")
        tcpdtest.Sender(greedy, b"Alice\n" * (1 << 20), finish=True)
        reader = threading.Thread(target=greedy.recv_until_eof, daemon=True)
        reader.start()
        client = daemon.connect("echo")
        answered = 0
        while reader.is_alive():
            client.sendall(b"x")
            client.expect(b"x")
            answered += 1
        self.assertGreater(answered, 20)

    def test_new_connections_get_in(self):
        daemon = self.tcpd("chargen", "daytime", pool={"threads": 1})
        stream = daemon.connect("chargen")
        stopped = []
        def drink():
            while not stopped:
                stream.recv(1 << 18)
        reader = threading.Thread(target=drink, daemon=True)
        reader.start()
        for _ in range(50):
            client = daemon.connect("daytime")
            self.assertTrue(client.recv_until_eof())
            client.close()
        stopped.append(True)
        reader.join(tcpdtest.WAIT)


if __name__ == "__main__":
    tcpdtest.main()
