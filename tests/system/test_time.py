# SPDX-License-Identifier: MIT
"""Time (RFC 868): the seconds since 1900 in four bytes, and the end."""

import struct
import time

import tcpdtest

FROM_1900_TO_1970 = 2208988800


class Time(tcpdtest.TestCase):
    def check(self, client):
        seconds, = struct.unpack("!I", client.recv_until_eof())
        now = (int(time.time()) + FROM_1900_TO_1970) % (1 << 32)
        self.assertLessEqual(abs(now - seconds), 2)

    def test_tells_the_time(self):
        daemon = self.tcpd("time")
        client = daemon.connect("time")
        self.check(client)
        client.close()
        closed = daemon.wait_closed(client)
        self.assertEqual((closed["in"], closed["out"], closed["reason"]), (0, 4, "done"))

    def test_half_close_first(self):
        client = self.tcpd("time").connect("time")
        client.finish()
        self.check(client)


if __name__ == "__main__":
    tcpdtest.main()
