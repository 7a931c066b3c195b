# SPDX-License-Identifier: MIT
"""What a service manager is told: sd_notify(3)."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import tcpdproc
import tcpdtest
from tcpdproc import poll_until
from tcpdtest import WAIT


def setUpModule():
    done = subprocess.run([tcpdtest.TCPD, "-V"], stdout=subprocess.PIPE, encoding="utf-8",
                          timeout=2 * WAIT, check=False)
    if re.search(r"\bno systemd\b", done.stdout):
        raise unittest.SkipTest("built without systemd")


class Manager:
    """A socket as NOTIFY_SOCKET names it, with what was sent there."""

    def __init__(self, test, name="notify"):
        folder = tempfile.mkdtemp(prefix="tcpd-notify-")
        test.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        test.addCleanup(self.socket.close)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        abstract = name[0] == "@"
        self.path = f"{name}-{os.getpid()}" if abstract else os.path.join(folder, name)
        self.socket.bind("\0" + self.path[1:] if abstract else self.path)
        self.messages = []  # in their order, each a dictionary with its sender's pid under "pid"

    def environment(self, **more):
        return {"NOTIFY_SOCKET": self.path, **more}

    def prefix(self, **more):
        """For Tcpd."""
        variables = self.environment(**more)
        return tcpdproc.run_after(f"os.environ.update({variables!r})")

    def read(self):
        while True:
            try:
                text, ancillary, _, _ = self.socket.recvmsg(4096, 64, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return self.messages
            [(_, _, credentials)] = ancillary
            message = dict(line.split("=", 1) for line in text.decode().splitlines())
            message["pid"] = int.from_bytes(credentials[:4], sys.byteorder)
            self.messages.append(message)

    def wait(self, key, after=None):
        """The first message with that key, or the first one that came after another message."""
        def found():
            messages = self.read()
            start = messages.index(after) + 1 if after else 0
            return [message for message in messages[start:] if key in message]

        return poll_until(found, WAIT, f"a message with {key}")[0]

    def has(self, key):
        return [message for message in self.read() if key in message]


class Notify(tcpdtest.TestCase):
    def start(self, *services, **settings):
        manager = Manager(self)
        daemon = self.tcpd(*services, prefix=manager.prefix(), **settings)
        return manager, daemon

    def test_ready_and_stopping(self):
        for name in ("notify", "@tcpd-test"):
            with self.subTest(name=name):
                manager = Manager(self, name)
                daemon = self.tcpd("echo", "greet", prefix=manager.prefix())
                ready = manager.wait("READY")
                self.assertEqual(ready["pid"], daemon.pid)
                self.assertRegex(ready["STATUS"], r"2 services on 2 addresses")
                client = daemon.connect("echo")
                client.sendall(b"x")
                client.expect(b"x")
                daemon.signal(signal.SIGTERM)
                stopping = manager.wait("STOPPING")
                self.assertEqual(stopping["pid"], daemon.pid)
                self.assertTrue(stopping["STATUS"])
                client.sendall(b"y")
                client.expect(b"y")
                client.close()
                self.assertEqual(daemon.wait_left(), 0)

    def test_failed_start(self):
        """READY=1 is not said by a daemon that does not listen."""
        manager = Manager(self)
        taken = socket.socket()
        self.addCleanup(taken.close)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        config = os.path.join(os.path.dirname(manager.path), "tcpd.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(tcpdtest.configuration(
                [tcpdtest.service("echo", listen=tcpdtest.name_of(taken))], {}))
        done = subprocess.run([tcpdtest.TCPD, "-f", "-c", config, "-o", "control.socket="],
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=2 * WAIT,
                              check=False, env={**os.environ, **manager.environment()})
        self.assertEqual(done.returncode, 71)
        self.assertEqual(manager.has("READY"), [])

    def test_time_that_a_stop_takes(self):
        """The manager waits for as long as the configuration lets connections finish."""
        for drain, least, most in (("2s", 2, 20), ("3h", 10800, 10820), (0, 2**64 / 1e6, 2**64)):
            with self.subTest(drain=drain):
                manager, daemon = self.start("echo", timeouts={"drain": drain})
                daemon.signal(signal.SIGTERM)
                seconds = int(manager.wait("STOPPING")["EXTEND_TIMEOUT_USEC"]) / 1e6
                self.assertGreaterEqual(seconds, least)
                self.assertLessEqual(seconds, most)
                self.assertEqual(daemon.wait_left(), 0)

    # Changes.

    def check_change(self, manager, before, after):
        """RELOADING with its moment, then READY."""
        reloading = manager.wait("RELOADING", after=before)
        began = int(reloading["MONOTONIC_USEC"]) * 1000
        self.assertGreater(began, after)
        self.assertLessEqual(began, time.monotonic_ns())
        return manager.wait("READY", after=reloading)

    def test_changes(self):
        manager, daemon = self.start("echo")
        said = manager.wait("READY")
        for generation, number in ((2, signal.SIGHUP), (3, signal.SIGUSR2), (4, signal.SIGHUP)):
            now = time.monotonic_ns() - 1000
            daemon.signal(number)
            said = self.check_change(manager, said, now)
            self.assertEqual(said["pid"], daemon.pid)
            self.assertRegex(said["STATUS"], f"^Generation {generation}: 1 services")

    def test_failed_reload(self):
        manager, daemon = self.start("echo")
        ready = manager.wait("READY")
        good = daemon.write("good.conf", tcpdtest.configuration([tcpdtest.service("echo")], {}))
        config = os.path.join(os.path.dirname(good), "tcpd.conf")
        daemon.write("tcpd.conf", 'services = ( { name = "echo"; typo = 1; } );\n')
        now = time.monotonic_ns() - 1000
        daemon.refused("reload")
        # Whoever has asked knows no sooner than the manager does.
        [_, failed] = manager.has("READY")
        self.assertEqual(self.check_change(manager, ready, now), failed)
        self.assertRegex(failed["STATUS"],
                         f"^Generation 1: .* the last reload failed: {re.escape(config)}:1: error")
        os.rename(good, config)
        daemon.done("reload")
        [_, _, done] = manager.has("READY")
        self.assertRegex(done["STATUS"], "^Generation 2: 1 services on 1 addresses$")

    # The watchdog.

    def watched(self, seconds, **settings):
        manager = Manager(self)
        usec = str(int(seconds * 1e6))
        daemon = self.tcpd("echo", prefix=manager.prefix(WATCHDOG_USEC=usec), **settings)
        return manager, daemon

    def test_watchdog(self):
        """It is fed a few times in the time that it waits, whatever else is looked at."""
        seconds = 2 * tcpdtest.SLOW
        for hang in (0, "100ms", "1h"):
            with self.subTest(hang_timeout=hang):
                manager, daemon = self.watched(seconds, pool={"hang_timeout": hang})
                manager.wait("READY")
                begin = len(manager.has("WATCHDOG"))
                start = time.monotonic()
                poll_until(lambda: len(manager.has("WATCHDOG")) >= begin + 4, 2 * WAIT, "4 meals")
                took = time.monotonic() - start
                self.assertGreater(took, seconds * 0.4)
                self.assertLess(took, seconds * 2)
                self.assertEqual({message["pid"] for message in manager.has("WATCHDOG")},
                                 {daemon.pid})

    def test_watchdog_and_an_upgrade(self):
        manager, daemon = self.watched(1 * tcpdtest.SLOW)
        ready = manager.wait("READY")
        daemon.done("upgrade")
        said = manager.wait("READY", after=ready)
        self.assertEqual(manager.wait("WATCHDOG", after=said)["pid"], daemon.pid)

    def test_no_watchdog(self):
        manager, daemon = self.start("echo", pool={"hang_timeout": "100ms"})
        daemon.done("status")
        tcpdproc.span(0.5)
        self.assertEqual(manager.has("WATCHDOG"), [])

    def test_hanging_child(self):
        """On under the watchdog without being asked for; it is replaced, and then all is well."""
        manager, daemon = self.watched(1 * tcpdtest.SLOW)
        [child] = daemon.children()
        os.kill(child, signal.SIGSTOP)
        tcpdproc.wait_gone([child])
        [hung] = poll_until(lambda: daemon.lines("child_hung"), what="the line of its end")
        self.assertEqual(hung["pid"], child)
        last = manager.read()[-1]
        manager.wait("WATCHDOG", after=last)
        client = daemon.connect("echo")
        client.sendall(b"x")
        client.expect(b"x")
        client.close()
        [other] = daemon.children()
        self.assertNotEqual(other, child)


if __name__ == "__main__":
    tcpdtest.main()
