# SPDX-License-Identifier: MIT
"""The lesson: a server that asks for names, and one, two, three clients at once."""

import tcpdtest

WELCOME = b"Welcome!\n"
PROMPT = b"What's your name?"
BYE = b"Good bye!\n"
TOO_LONG = b"That name is too long. Good bye!\n"
LONGEST = 256


class Greet(tcpdtest.TestCase):
    def setUp(self):
        self.daemon = self.tcpd("greet")

    def guest(self):
        """A client that has been welcomed."""
        client = self.daemon.connect("greet")
        client.expect(WELCOME + PROMPT)
        return client

    def introduce(self, client, message, name):
        client.sendall(message)
        client.expect(b"Hello " + name + b"!\n" + PROMPT)

    def leave(self, client):
        client.sendall(b"exit\n")
        client.expect(BYE)
        client.expect_eof()
        client.close()


class Dialogue(Greet):
    def test_one_client(self):
        client = self.guest()
        self.introduce(client, b"Alice\n", b"Alice")
        self.introduce(client, b"Bob the Second\n", b"Bob the Second")
        self.leave(client)
        closed = self.daemon.wait_closed(client)
        self.assertEqual(closed["reason"], "done")

    def test_three_clients_at_once(self):
        clients = [self.guest() for _ in range(3)]
        for turn in range(3):
            for number, client in enumerate(clients):
                name = b"client %d, turn %d" % (number, turn)
                self.introduce(client, name + b"\n", name)
        for client in reversed(clients):
            self.leave(client)

    def test_listens_on_after_exit(self):
        for _ in range(3):
            self.leave(self.guest())

    def test_empty_name_is_asked_again(self):
        client = self.guest()
        for newline in b"\n", b"\r\n":
            client.sendall(newline)
            client.expect(PROMPT)
        self.introduce(client, b"Alice\n", b"Alice")

    def test_carriage_return_is_part_of_the_newline(self):
        client = self.guest()
        self.introduce(client, b"Alice\r\n", b"Alice")
        client.sendall(b"exit\r\n")
        client.expect(BYE)
        client.expect_eof()

    def test_telnet_sends_a_nul_behind_a_carriage_return(self):
        client = self.guest()
        self.introduce(client, b"Alice\r\0\r\n", b"Alice")
        client.sendall(b"exit\r\0\r\n")
        client.expect(BYE)
        client.expect_eof()

    def test_name_with_every_byte(self):
        client = self.guest()
        name = bytes(set(range(256)) - {ord("\n")})
        self.introduce(client, name + b"\n", name)

    def test_name_that_begins_with_exit(self):
        client = self.guest()
        self.introduce(client, b"exits\n", b"exits")
        self.introduce(client, b"exi\n", b"exi")
        self.introduce(client, b"EXIT\n", b"EXIT")


class Segments(Greet):
    def test_name_in_many_segments(self):
        client = self.guest()
        self.introduce(client, b"first\n", b"first")  # from here on a message is a line
        for byte in b"Alice in many segments":
            client.sendall(bytes([byte]))
        self.assertFalse(client.has_input(within=0.4))  # twice the pause that ends a message
        self.introduce(client, b"\n", b"Alice in many segments")

    def test_pause_ends_no_message_once_a_newline_was_seen(self):
        client = self.guest()
        client.sendall(b"first\nsec")
        client.expect(b"Hello first!\n" + PROMPT)
        self.assertFalse(client.has_input(within=0.5))
        self.introduce(client, b"ond\n", b"second")

    def test_two_hundred_lines_in_one_segment(self):
        client = self.guest()
        names = [b"guest %d" % number for number in range(200)]
        client.sendall(b"".join(name + b"\n" for name in names))
        for name in names:
            client.expect(b"Hello " + name + b"!\n" + PROMPT)

    def test_ten_thousand_lines_and_a_half_close(self):
        client = self.guest()
        names = [b"guest %d" % number for number in range(10000)]
        client.sendall(b"".join(name + b"\n" for name in names) + b"exit\n")
        client.finish()
        for name in names:
            client.expect(b"Hello " + name + b"!\n" + PROMPT)
        client.expect(BYE)
        client.expect_eof()

    def test_nothing_is_answered_behind_exit(self):
        client = self.guest()
        client.sendall(b"Alice\nexit\nBob\n")
        client.expect(b"Hello Alice!\n" + PROMPT + BYE)
        client.expect_eof()

    def test_each_message_in_a_segment_of_its_own(self):
        """So that a client of the lesson gets one message with one recv, mostly.  On a busy machine
        a segment may come twice: of some clients, one has no more than there are messages."""
        def counts():
            client = self.guest()
            before = client.segments()
            self.introduce(client, b"Alice\n", b"Alice")
            return before, client.segments()
        self.assertIn((2, 4), [counts() for _ in range(5)])


class WithoutNewline(Greet):
    def test_plain_sequence_of_connect_recv_send_recv(self):
        client = self.daemon.connect("greet")
        client.recv_until(PROMPT)
        for name in b"Alice", b"Bob", b"A name with blanks":
            client.sendall(name)
            client.expect(b"Hello " + name + b"!\n" + PROMPT)
        client.sendall(b"exit")
        client.expect(BYE)
        client.expect_eof()

    def test_name_in_two_segments_without_a_pause(self):
        client = self.guest()
        client.sendall(b"Al")
        client.sendall(b"ice")
        client.expect(b"Hello Alice!\n" + PROMPT)

    def test_last_line_before_the_end(self):
        client = self.guest()
        client.sendall(b"Alice\nBob")
        client.finish()
        client.expect(b"Hello Alice!\n" + PROMPT + b"Hello Bob!\n" + PROMPT)
        client.expect_eof()
        self.assertEqual(self.daemon.wait_closed(client)["reason"], "eof")

    def test_end_without_a_word(self):
        client = self.guest()
        client.finish()
        client.expect_eof()


class LongName(Greet):
    def test_longest_name(self):
        client = self.guest()
        name = b"x" * LONGEST
        self.introduce(client, name + b"\n", name)
        self.introduce(client, name + b"\r\n", name)

    def test_longest_name_without_newline(self):
        client = self.guest()
        name = b"x" * LONGEST
        self.introduce(client, name, name)

    def test_longer_name(self):
        for newline in b"\n", b"\r\n":
            client = self.guest()
            client.sendall(b"x" * (LONGEST + 1) + newline)
            client.expect(TOO_LONG)
            client.expect_eof()

    def test_longer_name_without_newline(self):
        client = self.guest()
        client.sendall(b"x" * (LONGEST + 100))
        client.expect(TOO_LONG)
        client.expect_eof()

    def test_longer_name_without_newline_behind_a_line(self):
        client = self.guest()
        self.introduce(client, b"first\n", b"first")  # from here on no pause ends a message
        client.sendall(b"x" * (LONGEST + 2))
        client.expect(TOO_LONG)
        client.expect_eof()

    def test_longer_name_at_the_end(self):
        client = self.guest()
        client.sendall(b"x" * (LONGEST + 1))
        client.finish()
        client.expect(TOO_LONG)
        client.expect_eof()

    @tcpdtest.measures
    def test_flood_without_newline_grows_no_memory(self):
        child = self.daemon.children()[0]
        self.leave(self.guest())
        before = tcpdtest.memory_of(child)
        for _ in range(3):
            client = self.guest()
            self.flood(client, 10 << 20)
            client.expect(TOO_LONG)
            client.expect_eof()
            client.close()
        self.assertLess(tcpdtest.memory_of(child) - before, 512 * 1024)

    def flood(self, client, size):
        chunk = b"x" * (1 << 16)
        try:
            for _ in range(size // len(chunk)):
                client.sendall(chunk)
        except (BrokenPipeError, ConnectionResetError):
            self.fail("the daemon cut a client that was still sending")


if __name__ == "__main__":
    tcpdtest.main()
