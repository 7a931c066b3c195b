# SPDX-License-Identifier: MIT
"""The end of a connection: FIN in either direction first, linger, reset."""

import struct
import time

import tcpdtest


class PeerFinishesFirst(tcpdtest.TestCase):
    def test_still_gets_the_answer(self):
        daemon = self.tcpd("echo")
        client = daemon.connect("echo")
        client.sendall(b"hello")
        client.finish()
        client.expect(b"hello")
        client.expect_eof()
        self.assertEqual(daemon.wait_closed(client)["reason"], "eof")

    def test_bytes_and_fin_at_once(self):
        """What a peer sends and forgets: all of it is there when the daemon looks."""
        daemon = self.tcpd("echo", pool={"threads": 1})
        for _ in range(200):
            client = daemon.connect("echo")
            client.sendall(b"hello")
            client.finish()
            self.assertEqual(client.recv_until_eof(), b"hello")
            client.close()

    def test_answer_that_waits_for_its_reader(self):
        """More than the kernel holds is on its way when the FIN has come."""
        daemon = self.tcpd("greet")
        client = daemon.connect("greet", receive_buffer=4096)
        sender = tcpdtest.Sender(client, b"Alice\n" * (1 << 20), finish=True)
        tcpdtest.wait_still(lambda: sender.sent)
        answers = client.recv_until_eof()
        sender.join()
        self.assertEqual(answers.count(b"Hello Alice!\n"), 1 << 20)
        self.assertEqual(daemon.wait_closed(client)["reason"], "eof")


class TcpdFinishesFirst(tcpdtest.TestCase):
    def test_awaits_the_fin_of_the_peer(self):
        daemon = self.tcpd("daytime", timeouts={"linger": "1m"})
        client = daemon.connect("daytime")
        client.recv_until_eof()
        self.assertEqual(daemon.closed(), [])
        client.sendall(b"one more thing")
        client.close()
        self.assertEqual(daemon.wait_closed(client)["reason"], "done")

    def test_lets_go_of_a_peer_that_never_finishes(self):
        daemon = self.tcpd("daytime", timeouts={"linger": "300ms"})
        client = daemon.connect("daytime")
        client.recv_until_eof()
        closed = daemon.wait_closed(client)
        self.assertEqual(closed["reason"], "done")
        self.assertGreaterEqual(closed["duration_ms"], 300)

    def test_lets_go_of_a_peer_that_never_stops_sending(self):
        """Bytes that are thrown away do not prolong the stay."""
        daemon = self.tcpd("daytime", timeouts={"linger": "500ms"})
        client = daemon.connect("daytime")
        sender = tcpdtest.Sender(client, bytes(1 << 30))
        closed = daemon.wait_closed(client)
        self.assertLess(closed["duration_ms"], 5000 * tcpdtest.SLOW)
        tcpdtest.poll_until(lambda: sender.error)

    def test_unread_input_resets_nothing(self):
        """A close with unread input would send RST, and the peer might lose the last answer."""
        daemon = self.tcpd("greet")
        for _ in range(30):
            client = daemon.connect("greet", receive_buffer=4096)
            client.sendall(b"Alice\n" * 1000 + b"exit\n" + b"garbage " * 10000)
            answers = client.recv_until_eof()  # ConnectionResetError would fail the test
            self.assertTrue(answers.endswith(b"Good bye!\n"))
            self.assertEqual(answers.count(b"Hello Alice!\n"), 1000)
            client.finish()
            self.assertEqual(daemon.wait_closed(client)["reason"], "done")
            client.close()


class Reset(tcpdtest.TestCase):
    def test_of_a_silent_connection(self):
        daemon = self.tcpd("echo")
        client = daemon.connect("echo")
        client.sendall(b"x")
        client.expect(b"x")
        client.reset()
        self.assertEqual(daemon.wait_closed(client)["reason"], "reset")

    def test_before_a_word(self):
        daemon = self.tcpd("echo")
        for _ in range(50):
            daemon.connect("echo").reset()
        client = daemon.connect("echo")
        client.sendall(b"x")
        client.expect(b"x")

    def test_while_output_waits(self):
        """Nothing is read then: only EPOLLHUP tells that the peer is gone."""
        daemon = self.tcpd("chargen", timeouts={"write": "1h"})
        client = daemon.connect("chargen", receive_buffer=4096)
        tcpdtest.wait_still(client.unread)
        client.reset()
        self.assertEqual(daemon.wait_closed(client)["reason"], "reset")

    def test_after_the_peer_has_finished(self):
        daemon = self.tcpd("greet", timeouts={"write": "1h", "idle": "1h"})
        client = daemon.connect("greet", receive_buffer=4096)
        sender = tcpdtest.Sender(client, b"Alice\n" * 200000, finish=True)
        tcpdtest.wait_still(lambda: sender.sent)
        client.reset()
        self.assertEqual(daemon.wait_closed(client)["reason"], "reset")


class Drain(tcpdtest.TestCase):
    def test_answers_are_complete(self):
        """TERM while answers are on their way: the peer gets every one of them."""
        daemon = self.tcpd("greet", timeouts={"drain": "1m"})
        client = daemon.connect("greet", receive_buffer=4096)
        sender = tcpdtest.Sender(client, b"Alice\n" * 500000, finish=True)
        tcpdtest.wait_still(lambda: sender.sent)
        daemon.process.terminate()
        daemon.wait_log(r"\bstopping\b")
        answers = client.recv_until_eof()
        sender.join()
        self.assertEqual(answers.count(b"Hello Alice!\n"), 500000)
        self.assertEqual(daemon.wait_left(), 0)
        daemon.check_accounts()

    def test_goes_on_serving_what_is_open(self):
        daemon = self.tcpd("echo", timeouts={"drain": "1m"})
        client = daemon.connect("echo")
        client.sendall(b"before")
        client.expect(b"before")
        daemon.process.terminate()
        daemon.wait_log(r"\bstopping\b")
        self.refused(daemon, "echo")
        client.sendall(b"after")
        client.expect(b"after")
        client.close()
        self.assertEqual(daemon.wait_left(), 0)
        daemon.check_accounts()

    def refused(self, daemon, name):
        def is_refused():
            try:
                daemon.connect(name).close()
            except ConnectionRefusedError:
                return True
            except ConnectionResetError:
                pass
            return False
        tcpdtest.poll_until(is_refused, what="a refused connection")

    def test_cuts_at_the_end_of_the_drain(self):
        daemon = self.tcpd("echo", timeouts={"drain": "500ms"})
        client = daemon.connect("echo")
        client.sendall(b"x")
        client.expect(b"x")
        begun = time.monotonic()
        daemon.process.terminate()
        self.assertEqual(daemon.wait_left(), 0)
        self.assertGreaterEqual(time.monotonic() - begun, 0.5)
        self.assertEqual(daemon.wait_closed(client)["reason"], "drain")
        daemon.check_accounts()

    def test_no_drain_time_is_no_bound(self):
        """A duration of 0 is off: the daemon waits for the last connection."""
        daemon = self.tcpd("echo", timeouts={"drain": 0})
        client = daemon.connect("echo")
        client.sendall(b"x")
        client.expect(b"x")
        daemon.process.terminate()
        daemon.wait_log(r"\bstopping\b")
        for number in range(30):
            message = struct.pack("I", number)
            client.sendall(message)
            client.expect(message)
            time.sleep(0.1)  # longer in all than what a child gets beyond a drain
        client.close()
        self.assertEqual(daemon.wait_left(), 0)
        self.assertEqual(daemon.wait_closed(client)["reason"], "eof")

    def test_second_signal_ends_it_at_once(self):
        daemon = self.tcpd("echo", timeouts={"drain": "1h"})
        client = daemon.connect("echo")
        client.sendall(b"x")
        client.expect(b"x")
        daemon.process.terminate()
        daemon.wait_log(r"\bstopping\b")
        daemon.process.terminate()
        self.assertEqual(daemon.wait_left(), 0)


if __name__ == "__main__":
    tcpdtest.main()
