# SPDX-License-Identifier: MIT
"""The log: what its lines hold, levels, and syslog down to the datagram."""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile

import tcpdtest

PRIORITIES = {"error": 3, "warning": 4, "notice": 5, "info": 6, "debug": 7}
FACILITIES = {"user": 1, "daemon": 3, "local3": 19, "local7": 23}


class SystemLog:
    """Stands in for the system's log.  Reads only when it is asked for what it has got."""

    def __init__(self, test):
        folder = tempfile.mkdtemp(prefix="tcpd-test-")
        test.addCleanup(shutil.rmtree, folder)
        os.chmod(folder, 0o755)  # children are another user when the test is root
        self.path = os.path.join(folder, "log")
        self.datagrams = []
        self.socket = None
        self.listen()
        test.addCleanup(self.close)

    def listen(self):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o666)

    def close(self):
        self.socket.close()

    def restart(self):
        """Goes away and comes back, as a system log does that is upgraded."""
        self.text()
        self.close()
        os.unlink(self.path)
        self.listen()

    def text(self):
        while True:
            try:
                self.datagrams.append(self.socket.recv(1 << 16, socket.MSG_DONTWAIT).decode())
            except BlockingIOError:
                return "\n".join(self.datagrams)


def connect_as_soon_as_possible(path):
    """A client of a daemon that does not tell when it listens."""
    def connect():
        try:
            return tcpdtest.connect("unix:" + path)
        except (FileNotFoundError, ConnectionRefusedError):
            return None
    return tcpdtest.poll_until(connect)


class Lines(tcpdtest.TestCase):
    def test_closed(self):
        daemon = self.tcpd("echo")
        client = daemon.connect("echo")
        client.sendall(b"hello")
        client.expect(b"hello")
        client.finish()
        client.expect_eof()
        daemon.wait_log(
            rf"^tcpd\[\d+\] info: closed service=echo peer={client.name} "
            rf"local={daemon.address('echo')} duration_ms=\d+ in=5 out=5 reason=eof$")

    def test_pid_is_that_of_the_process(self):
        daemon = self.tcpd("echo")
        daemon.connect("echo").close()
        child = daemon.children()[0]
        daemon.wait_log(rf"^tcpd\[{child}\] info: closed ")
        daemon.wait_log(rf"^tcpd\[{daemon.pid}\] notice: started ")

    def test_start_and_stop(self):
        daemon = self.tcpd("echo", "greet")
        daemon.connect("echo").close()
        daemon.stop()
        events = re.findall(r"\] notice: (\w+)", daemon.log())
        self.assertEqual([event for event in events if event != "limits"],
                         ["listening", "listening", "started", "stopping", "stopped"])

    def test_nothing_is_lost_at_the_stop(self):
        daemon = self.tcpd("daytime")
        clients = [daemon.connect("daytime") for _ in range(100)]
        for client in clients:
            client.recv_until_eof()
        daemon.stop()
        self.assertEqual({line["peer"] for line in daemon.closed()},
                         {client.name for client in clients})

    def test_ident(self):
        daemon = self.tcpd("echo", log={"ident": "my-tcpd"})
        daemon.wait_log(rf"^my-tcpd\[{daemon.pid}\] notice: started ")


class Levels(tcpdtest.TestCase):
    def serve_once(self, says_started, **log):
        """The log of a daemon that served one connection; it may have said nothing at all."""
        folder = tempfile.mkdtemp(prefix="tcpd-test-")
        self.addCleanup(shutil.rmtree, folder)
        path = os.path.join(folder, "socket")
        daemon = self.tcpd(tcpdtest.service("echo", listen="unix:" + path), log=log, wait=False)
        if says_started:
            daemon.wait_started()
        with connect_as_soon_as_possible(path) as client:
            client.sendall(b"hello")
            client.finish()
            client.recv_until_eof()
        daemon.signal(signal.SIGTERM)
        self.assertEqual(daemon.wait_left(), 0)
        return daemon.log()

    def test_info(self):
        log = self.serve_once(True, level="info")
        for event in "listening", "started", "closed", "stopped":
            self.assertRegex(log, rf"\b{event} ")

    def test_notice(self):
        log = self.serve_once(True, level="notice")
        self.assertRegex(log, r"\bstarted ")
        self.assertNotRegex(log, r"\bclosed service")

    def test_warning(self):
        self.assertEqual(self.serve_once(False, level="warning"), "")

    def test_access_off(self):
        log = self.serve_once(True, level="info", access=False)
        self.assertRegex(log, r"\bstarted ")
        self.assertNotRegex(log, r"\bclosed service")

    def test_none(self):
        self.assertEqual(self.serve_once(False, target="none"), "")


class Stderr(tcpdtest.TestCase):
    def test_service_goes_on_when_nobody_reads(self):
        """Standard error is a pipe that is full."""
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        with tempfile.TemporaryDirectory(prefix="tcpd-test-") as folder:
            path, config = os.path.join(folder, "socket"), os.path.join(folder, "tcpd.conf")
            with open(config, "w", encoding="utf-8") as file:
                file.write(tcpdtest.configuration(
                    [tcpdtest.service("daytime", listen="unix:" + path)], {}))
            process = subprocess.Popen([tcpdtest.TCPD, "-f", "-c", config], stderr=writer,
                                       stdin=subprocess.DEVNULL,
                                       preexec_fn=tcpdtest.die_with_parent)
            os.close(writer)
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
            self.serve(path, 3000)
            process.terminate()
            self.assertEqual(process.wait(tcpdtest.WAIT), 0)

    def serve(self, path, count):
        connect_as_soon_as_possible(path).close()
        for _ in range(count):
            with tcpdtest.connect("unix:" + path) as client:
                self.assertTrue(client.recv_until_eof())


class Syslog(tcpdtest.TestCase):
    def setUp(self):
        self.system_log = SystemLog(self)

    def start(self, *services, **log):
        log = {"target": "syslog", "socket": self.system_log.path, **log}
        return self.tcpd(*services, log=log, read_log=self.system_log.text)

    def test_datagrams(self):
        daemon = self.start("echo")
        child = daemon.children()[0]
        client = daemon.connect("echo")
        client.close()
        daemon.wait_closed(client)
        daemon.stop()
        stamp = r"[A-Z][a-z]{2} [ 123]\d \d\d:\d\d:\d\d"
        for datagram in self.system_log.datagrams:
            self.assertRegex(datagram, rf"^<\d+>{stamp} tcpd\[({daemon.pid}|{child})\]: [^\n]+$")

    def test_priorities(self):
        for facility, number in FACILITIES.items():
            daemon = self.start("echo", facility=facility, level="debug")
            client = daemon.connect("echo")
            client.close()
            daemon.wait_closed(client)
            daemon.stop()
            for level, event in ("notice", "started"), ("info", "closed"), ("notice", "stopped"):
                self.assertRegex(self.system_log.text(),
                                 rf"(?m)^<{number * 8 + PRIORITIES[level]}>.*\]: {event} ")
            self.system_log.datagrams.clear()

    def test_priority_of_an_error(self):
        daemon = self.start("echo")
        os.kill(daemon.children()[0], signal.SIGKILL)
        daemon.wait_log(rf"^<{3 * 8 + PRIORITIES['error']}>.*\]: child_died ")

    def test_ident(self):
        daemon = self.start("echo", ident="my-tcpd")
        daemon.wait_log(rf"^<29>.{{15}} my-tcpd\[{daemon.pid}\]: started ")

    def test_full_and_unread(self):
        """Service goes on, and every line that could not be kept is accounted for as soon as
        there is room again, with no other line to wait for."""
        daemon = self.start("daytime")
        address = daemon.address("daytime")
        count = 6000
        for _ in range(count):
            with tcpdtest.connect(address) as client:
                self.assertTrue(client.recv_until_eof())
        def all_accounted_for():
            dropped = sum(line["lines"] for line in daemon.lines("log_dropped"))
            return dropped if len(daemon.closed()) + dropped == count else 0
        self.assertGreater(tcpdtest.poll_until(all_accounted_for), 0)

    def test_is_found_again(self):
        daemon = self.start("echo")
        self.system_log.restart()
        client = daemon.connect("echo")
        client.close()
        daemon.wait_closed(client)

    def test_starts_later_than_the_daemon(self):
        os.unlink(self.system_log.path)
        self.system_log.close()
        daemon = self.tcpd("echo", log={"target": "syslog", "socket": self.system_log.path},
                           wait=False)
        tcpdtest.poll_until(daemon.children)
        self.system_log.listen()
        daemon.read_log = self.system_log.text
        daemon.wait_started()

    def test_a_line_holds_nothing_but_printable_ascii(self):
        daemon = self.start("greet")
        client = daemon.connect("greet")
        client.sendall(bytes(range(256)))
        client.close()
        daemon.wait_closed(client)
        for datagram in self.system_log.datagrams:
            self.assertTrue(datagram.isascii() and datagram.isprintable(), datagram)


if __name__ == "__main__":
    tcpdtest.main()
