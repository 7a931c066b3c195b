# SPDX-License-Identifier: MIT
"""Echo (RFC 862): bulk, byte for byte, with readers that are slow and writers that are fast."""

import random

import tcpdtest

MIB = 1 << 20
BULK = random.Random(862).randbytes(64 * MIB)


class Echo(tcpdtest.TestCase):
    def receive(self, client, data):
        """All of `data`, and the end behind it."""
        view, at = memoryview(data), 0
        while at < len(data):
            part = client.recv(MIB)
            self.assertNotEqual(part, b"", f"the end came after {at} bytes")
            self.assertTrue(part == view[at:at + len(part)], f"other bytes came back at {at}")
            at += len(part)
        client.expect_eof()

    def test_a_few_bytes(self):
        client = self.tcpd("echo").connect("echo")
        for message in b"hello", b"\0\xff\r\n", b"x" * 3000:
            client.sendall(message)
            client.expect(message)

    def test_bulk(self):
        daemon = self.tcpd("echo")
        client = daemon.connect("echo")
        sender = tcpdtest.Sender(client, BULK, finish=True)
        self.receive(client, BULK)
        sender.join()
        closed = daemon.wait_closed(client)
        self.assertEqual((closed["in"], closed["out"]), (len(BULK), len(BULK)))
        self.assertEqual(closed["reason"], "eof")

    def test_bulk_with_a_reader_that_stops_for_a_while(self):
        daemon = self.tcpd("echo")
        client = daemon.connect("echo")
        sender = tcpdtest.Sender(client, BULK, finish=True)
        sent = tcpdtest.wait_still(lambda: sender.sent)
        self.assertLess(sent, len(BULK), "the daemon has taken everything, whoever reads it")
        self.receive(client, BULK)
        sender.join()
        self.assertEqual(daemon.wait_closed(client)["in"], len(BULK))

    @tcpdtest.measures
    def test_memory_while_nobody_reads(self):
        daemon = self.tcpd("echo")
        child = daemon.children()[0]
        before = tcpdtest.memory_of(child)
        senders = [tcpdtest.Sender(daemon.connect("echo", receive_buffer=4096), BULK)
                   for _ in range(8)]
        tcpdtest.wait_still(lambda: [sender.sent for sender in senders])
        self.assertLess((tcpdtest.memory_of(child) - before) / len(senders), MIB / 2)
        for sender in senders:
            sender.client.reset()

    def test_sixteen_at_once(self):
        daemon = self.tcpd("echo")
        parts = [BULK[i * MIB:(i + 1) * MIB] for i in range(16)]
        clients = [daemon.connect("echo") for _ in parts]
        senders = [tcpdtest.Sender(client, part, finish=True)
                   for client, part in zip(clients, parts)]
        for client, part in zip(clients, parts):
            self.receive(client, part)
        for sender in senders:
            sender.join()

    def test_all_workers_serve(self):
        """Connections are spread over the pool: as many threads as are asked for have work."""
        daemon = self.tcpd("echo", pool={"threads": 4, "processes": 2})
        clients = [daemon.connect("echo") for _ in range(64)]
        for client in clients:
            client.sendall(b"x")
        for client in clients:
            client.expect(b"x")


if __name__ == "__main__":
    tcpdtest.main()
