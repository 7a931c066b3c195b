# SPDX-License-Identifier: MIT
"""Every form of `listen`, and what is said when an address cannot be had."""

import os
import shutil
import socket
import stat
import subprocess

import tcpdtest
from tcpdtest import needs_ipv6

ADDRESS_IN_USE, NOT_PERMITTED = 71, 77


class Listen(tcpdtest.TestCase):
    def talk(self, address):
        with tcpdtest.connect(address) as client:
            client.sendall(b"hello")
            client.expect(b"hello")
            return client.name

    def echo(self, listen, **settings):
        return tcpdtest.service("echo", listen=listen, **settings)

    def path(self, name="socket"):
        """A path in a directory that goes with the test."""
        folder = tcpdtest.tempfile.mkdtemp(prefix="tcpd-test-")
        self.addCleanup(shutil.rmtree, folder)
        return os.path.join(folder, name)


class Tcp(Listen):
    def test_ipv4(self):
        daemon = self.tcpd(self.echo("127.0.0.1:0"))
        self.assertRegex(daemon.address("echo"), r"^127\.0\.0\.1:[1-9]\d*$")
        self.talk(daemon.address("echo"))

    @needs_ipv6
    def test_ipv6(self):
        daemon = self.tcpd(self.echo("[::1]:0"))
        self.assertRegex(daemon.address("echo"), r"^\[::1\]:[1-9]\d*$")
        name = self.talk(daemon.address("echo"))
        closed = daemon.wait_closed(name)
        self.assertEqual(closed["local"], daemon.address("echo"))

    @needs_ipv6
    def test_ipv6_wildcard_is_ipv6_only(self):
        daemon = self.tcpd(self.echo("[::]:0"))
        port = daemon.address("echo").rpartition(":")[2]
        self.talk(f"[::1]:{port}")
        with self.assertRaises(ConnectionRefusedError):
            self.talk(f"127.0.0.1:{port}")

    @needs_ipv6
    def test_both_families(self):
        """A peer of the other family is logged with the IPv4 address that it has."""
        daemon = self.tcpd(self.echo(":0"))
        address = daemon.address("echo")
        address = address[address.rindex(":"):]
        for host in "127.0.0.1", "[::1]":
            name = self.talk(host + address)
            closed = daemon.wait_closed(name)
            self.assertEqual(closed["local"], host + address)

    def test_list(self):
        daemon = self.tcpd(self.echo(["127.0.0.1:0", "127.0.0.2:0", "127.0.0.1:0"]))
        addresses = daemon.addresses("echo")
        self.assertEqual(len(set(addresses)), 3)
        for address in addresses:
            self.talk(address)

    def test_list_of_groups(self):
        daemon = self.tcpd(self.echo(({"address": "127.0.0.1:0", "backlog": 7}, "127.0.0.1:0")))
        for address in daemon.addresses("echo"):
            self.talk(address)

    def test_backlog(self):
        """What listen(2) was given, as the system tells it."""
        if not shutil.which("ss"):
            self.skipTest("there is no ss")
        daemon = self.tcpd(self.echo({"address": "127.0.0.1:0", "backlog": 7}))
        port = daemon.address("echo").rpartition(":")[2]
        lines = subprocess.run(["ss", "-Hltn", f"sport = :{port}"], capture_output=True, text=True,
                               check=True).stdout
        self.assertEqual(lines.split()[2], "7")

    def test_interface(self):
        daemon = self.tcpd(self.echo({"address": "127.0.0.1:0", "interface": "lo"}), wait=False)
        try:
            daemon.wait_started()
        except AssertionError:
            if daemon.wait_left() == NOT_PERMITTED:
                self.skipTest("no right to bind to an interface")
            raise
        self.talk(daemon.address("echo"))

    def test_restart_on_the_same_port_at_once(self):
        """Connections that are still in TIME_WAIT are no hindrance."""
        daemon = self.tcpd(self.echo("127.0.0.1:0"), "daytime")
        address = daemon.address("echo")
        daemon.connect("daytime").recv_until_eof()
        client = daemon.connect("echo")
        client.sendall(b"x")
        client.expect(b"x")
        daemon.stop()
        self.talk(self.tcpd(self.echo(address)).address("echo"))


class Refused(Listen):
    def check_refused(self, daemon, status, sentence):
        self.assertEqual(daemon.wait_left(), status)
        self.assertRegex(daemon.log(), sentence)
        self.assertNotIn(" started ", daemon.log())

    def test_address_in_use(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            address = "127.0.0.1:%d" % other.getsockname()[1]
            daemon = self.tcpd("discard", self.echo(address), wait=False)
            self.check_refused(daemon, ADDRESS_IN_USE,
                               rf"tcpd\.conf:\d+: service echo: cannot listen on {address}: "
                               "Address already in use")

    def test_address_of_another_machine(self):
        daemon = self.tcpd(self.echo("192.0.2.1:0"), wait=False)
        self.check_refused(daemon, ADDRESS_IN_USE, r"service echo: cannot listen on 192\.0\.2\.1:0")

    def test_privileged_port_without_the_right(self):
        if self.lowest_free_port() <= 1:
            self.skipTest("every port is free for everyone here")
        prefix = []
        if os.geteuid() == 0:
            if not shutil.which("setpriv"):
                self.skipTest("there is no setpriv to give the right up with")
            prefix = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
        daemon = self.tcpd(self.echo("127.0.0.1:1"), wait=False, prefix=prefix)
        self.check_refused(daemon, NOT_PERMITTED,
                           r"service echo: cannot listen on 127\.0\.0\.1:1: Permission denied")

    def lowest_free_port(self):
        with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as file:
            return int(file.read())

    def test_an_earlier_address_is_given_back(self):
        """Nothing is left of a start that failed, not even the file of a socket."""
        path = self.path()
        daemon = self.tcpd(self.echo(["unix:" + path, "192.0.2.1:0"]), wait=False)
        self.assertEqual(daemon.wait_left(), ADDRESS_IN_USE)
        self.assertFalse(os.path.exists(path))


class Unix(Listen):
    def test_serves(self):
        path = self.path()
        daemon = self.tcpd(self.echo("unix:" + path))
        self.talk("unix:" + path)
        closed = tcpdtest.poll_until(daemon.closed)[0]
        self.assertEqual(closed["local"], "unix:" + path)
        self.assertEqual(closed["peer"], f"unix:pid={os.getpid()},uid={os.geteuid()},"
                                         f"gid={os.getegid()}")
        self.assertEqual((closed["in"], closed["out"], closed["reason"]), (5, 5, "eof"))

    def test_bulk_and_half_close(self):
        path = self.path()
        self.tcpd(self.echo("unix:" + path))
        data = os.urandom(8 << 20)
        with tcpdtest.connect("unix:" + path) as client:
            sender = tcpdtest.Sender(client, data, finish=True)
            self.assertTrue(client.recv_until_eof() == data)
            sender.join()

    def test_mode(self):
        before = os.umask(0o077)  # which is not to count
        self.addCleanup(os.umask, before)
        for mode in "0600", "0666", "0711":
            path = self.path()
            self.tcpd(self.echo({"address": "unix:" + path, "mode": mode}))
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), int(mode, 8))

    def test_default_mode(self):
        path = self.path()
        self.tcpd(self.echo("unix:" + path))
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o660)

    def test_file_is_removed_at_the_stop(self):
        path = self.path()
        daemon = self.tcpd(self.echo("unix:" + path))
        self.assertTrue(os.path.exists(path))
        daemon.stop()
        self.assertFalse(os.path.exists(path))

    def test_abandoned_socket_is_replaced(self):
        path = self.path()
        with socket.socket(socket.AF_UNIX) as abandoned:
            abandoned.bind(path)
            abandoned.listen()
        self.tcpd(self.echo("unix:" + path))
        self.talk("unix:" + path)

    def test_socket_of_a_killed_daemon_is_replaced(self):
        path = self.path()
        daemon = self.tcpd(self.echo("unix:" + path))
        daemon.kill()
        self.assertTrue(os.path.exists(path))
        self.tcpd(self.echo("unix:" + path))
        self.talk("unix:" + path)

    def test_socket_of_a_living_server_is_refused(self):
        path = self.path()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(path)
            other.listen()
            daemon = self.tcpd(self.echo("unix:" + path), wait=False)
            self.assertEqual(daemon.wait_left(), ADDRESS_IN_USE)
            self.assertRegex(daemon.log(), f"service echo: another server listens on {path}")
            self.assertTrue(os.path.exists(path))

    def test_living_server_with_a_full_queue_is_refused(self):
        path = self.path()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(path)
            other.listen(0)
            with tcpdtest.connect("unix:" + path):
                daemon = self.tcpd(self.echo("unix:" + path), wait=False)
                self.assertEqual(daemon.wait_left(), ADDRESS_IN_USE)
                self.assertTrue(os.path.exists(path))

    def test_a_file_that_is_no_socket_is_left_alone(self):
        path = self.path()
        with open(path, "w", encoding="ascii") as file:
            file.write("precious")
        daemon = self.tcpd(self.echo("unix:" + path), wait=False)
        self.assertEqual(daemon.wait_left(), ADDRESS_IN_USE)
        self.assertRegex(daemon.log(), f"{path} exists and is not a socket")
        with open(path, encoding="ascii") as file:
            self.assertEqual(file.read(), "precious")

    def test_beside_tcp(self):
        path = self.path()
        daemon = self.tcpd(self.echo(["unix:" + path, "127.0.0.1:0"]))
        for address in daemon.addresses("echo"):
            self.talk(address)


if __name__ == "__main__":
    tcpdtest.main()
