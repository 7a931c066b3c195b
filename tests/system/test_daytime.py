# SPDX-License-Identifier: MIT
"""Daytime (RFC 867): one line that tells the time, and the end."""

import datetime

import tcpdtest


class Daytime(tcpdtest.TestCase):
    def line(self, daemon):
        client = daemon.connect("daytime")
        line = client.recv_until_eof()
        self.assertEqual(line.count(b"\r\n"), 1)
        self.assertTrue(line.endswith(b"\r\n"))
        return line.decode("ascii").rstrip()

    def test_tells_the_time(self):
        text, _, zone = self.line(self.tcpd("daytime")).rpartition("-")
        told = datetime.datetime.strptime(text, "%A, %B %d, %Y %H:%M:%S")
        self.assertLess(abs((datetime.datetime.now() - told).total_seconds()), 2)
        self.assertRegex(zone, r"^[A-Z+0-9-]+$")

    def test_in_the_zone_of_the_daemon(self):
        daemon = self.tcpd("daytime", prefix=["env", "TZ=XYZ-5"])  # five hours east of Greenwich
        text, _, zone = self.line(daemon).rpartition("-")
        told = datetime.datetime.strptime(text, "%A, %B %d, %Y %H:%M:%S")
        now = datetime.datetime.now(datetime.timezone(datetime.timedelta(hours=5)))
        self.assertEqual(zone, "XYZ")
        self.assertLess(abs((now.replace(tzinfo=None) - told).total_seconds()), 2)

    def test_needs_no_question_and_minds_none(self):
        daemon = self.tcpd("daytime")
        client = daemon.connect("daytime")
        client.sendall(b"what time is it?\n" * 1000)
        self.assertTrue(client.recv_until_eof().endswith(b"\r\n"))
        client.close()
        self.assertEqual(daemon.wait_closed(client)["reason"], "done")

    def test_half_close_first(self):
        client = self.tcpd("daytime").connect("daytime")
        client.finish()
        self.assertTrue(client.recv_until_eof().endswith(b"\r\n"))


if __name__ == "__main__":
    tcpdtest.main()
