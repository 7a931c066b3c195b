# SPDX-License-Identifier: MIT
"""Character generator (RFC 864): the pattern, and peers that do not read it."""

import tcpdtest

MIB = 1 << 20
PRINTABLE = bytes(range(0x20, 0x7f))
RING = PRINTABLE * 2
PERIOD = b"".join(RING[at:at + 72] + b"\r\n" for at in range(len(PRINTABLE)))


class Pattern(tcpdtest.TestCase):
    def test_several_periods(self):
        client = self.tcpd("chargen").connect("chargen")
        client.expect(PERIOD * 20)

    def test_starts_anew_for_each_connection(self):
        daemon = self.tcpd("chargen")
        for _ in range(3):
            client = daemon.connect("chargen")
            client.expect(PERIOD[:1000])
            client.close()

    def test_survives_a_reader_that_stops(self):
        client = self.tcpd("chargen").connect("chargen")
        tcpdtest.wait_still(client.unread)
        client.expect(PERIOD * (16 * MIB // len(PERIOD)))

    def test_ends_when_the_peer_has_finished(self):
        daemon = self.tcpd("chargen")
        client = daemon.connect("chargen")
        client.expect(PERIOD)
        client.finish()
        rest = client.recv_until_eof()
        self.assertTrue((PERIOD * (len(rest) // len(PERIOD) + 1)).startswith(rest))
        self.assertEqual(daemon.wait_closed(client)["reason"], "eof")

    def test_ignores_what_it_gets(self):
        client = self.tcpd("chargen").connect("chargen")
        client.sendall(b"x" * MIB)
        client.expect(PERIOD * 10)


class NeverRead(tcpdtest.TestCase):
    @tcpdtest.measures
    def test_memory(self):
        daemon = self.tcpd("chargen")
        child = daemon.children()[0]
        daemon.connect("chargen").recv_exact(MIB)
        before = tcpdtest.memory_of(child)
        clients = [daemon.connect("chargen", receive_buffer=4096) for _ in range(10)]
        tcpdtest.wait_still(lambda: [client.unread() for client in clients])
        self.assertLess((tcpdtest.memory_of(child) - before) / len(clients), MIB / 2)

    def test_write_timeout(self):
        daemon = self.tcpd(tcpdtest.service("chargen", timeouts={"write": "500ms"}))
        clients = [daemon.connect("chargen", receive_buffer=4096) for _ in range(3)]
        for client in clients:
            closed = daemon.wait_closed(client)
            self.assertEqual(closed["reason"], "write_timeout")
            self.assertGreaterEqual(closed["duration_ms"], 500)
            self.assertGreater(closed["out"], 0)
            client.expect_reset()


if __name__ == "__main__":
    tcpdtest.main()
