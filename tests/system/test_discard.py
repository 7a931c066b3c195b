# SPDX-License-Identifier: MIT
"""Discard (RFC 863): takes everything and says nothing."""

import tcpdtest


class Discard(tcpdtest.TestCase):
    def test_takes_everything(self):
        daemon = self.tcpd("discard")
        client = daemon.connect("discard")
        data = bytes(16 << 20)
        tcpdtest.Sender(client, data, finish=True).join()
        client.expect_eof()
        closed = daemon.wait_closed(client)
        self.assertEqual((closed["in"], closed["out"], closed["reason"]), (len(data), 0, "eof"))

    def test_says_nothing(self):
        client = self.tcpd("discard").connect("discard")
        client.sendall(b"is anybody there?\n")
        self.assertFalse(client.has_input(within=0.3))
        client.finish()
        client.expect_eof()


if __name__ == "__main__":
    tcpdtest.main()
