# SPDX-License-Identifier: MIT
"""What the system tests are written with: a real tcpd on loopback, and clients for it.

    class Echo(tcpdtest.TestCase):
        def test_comes_back(self):
            daemon = self.tcpd("echo")
            client = daemon.connect("echo")
            client.sendall(b"hello")
            client.expect(b"hello")

    if __name__ == "__main__":
        tcpdtest.main()

self.tcpd() writes a configuration into a directory of its own, starts $TCPD on it, and waits until
it has said that it is started.  Every service listens on port 0.  At the end of the test the daemon
is told to stop, has to leave with status 0, and its last line has to account for every connection.

Nothing here sleeps for a fixed time to let something happen: every wait is for a condition, and
ends in a failure after a while.  TCPD_TEST_SLOW multiplies that while, for a daemon that runs under
valgrind; for one built with a sanitizer it is 3 when it is not set.
"""

import contextlib
import ctypes
import faulthandler
import fcntl
import json
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import unittest

TCPD = os.environ.get("TCPD", "./tcpd")


def is_sanitized(program):
    """Whether the program was built with a sanitizer."""
    try:
        with open(program, "rb") as file:
            code = file.read()
    except OSError:
        return False
    return b"__asan_init" in code or b"__tsan_init" in code


SLOW = float(os.environ.get("TCPD_TEST_SLOW") or (3 if is_sanitized(TCPD) else 1))
WAIT = 10 * SLOW  # seconds until what must happen has failed to happen

# For tests of how much memory or CPU time the daemon takes: valgrind and the sanitizers take more.
measures = unittest.skipIf(SLOW > 1, "what is measured would not be the daemon's own")


def poll_until(condition, timeout=WAIT, what="the condition"):
    """Calls condition() until it returns something true, and returns that."""
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:g} s in vain for {what}")
        time.sleep(0.005)


def wait_still(value, quiet=0.3, timeout=WAIT):
    """Calls value() until it has given the same for `quiet` seconds, and returns that."""
    last = [value(), time.monotonic()]
    def is_still():
        now = value()
        if now != last[0]:
            last[:] = now, time.monotonic()
        return time.monotonic() - last[1] >= quiet * SLOW
    poll_until(is_still, timeout, "a value that stays the same")
    return last[0]


# --- Configurations ---


def service(name, kind=None, listen="127.0.0.1:0", **settings):
    """A service for self.tcpd(); its type is its name when no other is given."""
    return {"name": name, "type": kind or name, "listen": listen, **settings}


def render(value):
    """A value as it is written in a configuration: a dict is a group, a list an array, a tuple a
    list, and a float a number of seconds."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + re.sub(r'(["\\])', r"\\\1", value).replace("\n", r"\n") + '"'
    if isinstance(value, dict):
        return "{ " + " ".join(f"{name} = {render(v)};" for name, v in value.items()) + " }"
    if isinstance(value, list):
        return "[ " + ", ".join(map(render, value)) + " ]"
    if isinstance(value, tuple):
        return "( " + ", ".join(map(render, value)) + " )"
    return f'"{value * 1000:.0f}ms"' if isinstance(value, float) else str(value)


def configuration(services, settings):
    """The text of a configuration file; a service may be given by its name alone."""
    settings = dict(settings)
    settings["log"] = {"target": "stderr", **settings.get("log", {})}
    settings["timeouts"] = {"drain": "5s", **settings.get("timeouts", {})}
    settings["services"] = tuple(service(s) if isinstance(s, str) else s for s in services)
    return "".join(f"{name} = {render(value)};\n" for name, value in settings.items())


def fields(line):
    """The key=value pairs of a line of the log as a dict, whole numbers as int."""
    pairs = re.findall(r' (\w+)=("[^"]*"|\S+)', line)
    return {key: int(text) if text.isdigit() else text.strip('"') for key, text in pairs}


# --- Clients ---

TCPI_DATA_SEGS_IN = 152  # where it stands in struct tcp_info


class Client(socket.socket):
    """A socket that waits for at most WAIT seconds, and knows what it may expect."""

    name = None  # its own address as the daemon's log writes it

    def connect(self, address):
        self.settimeout(WAIT)
        super().connect(address)
        self.name = name_of(self)

    def recv_exact(self, count):
        received = bytearray()
        while len(received) < count:
            part = self.recv(min(count - len(received), 1 << 20))
            if not part:
                raise AssertionError(f"the end came after {len(received)} of {count} bytes: "
                                     f"{bytes(received[-200:])!r}")
            received += part
        return bytes(received)

    def recv_until(self, marker):
        received = bytearray()
        while not received.endswith(marker):
            received += self.recv_exact(1)
        return bytes(received)

    def recv_until_eof(self):
        received = bytearray()
        while True:
            part = self.recv(1 << 20)
            if not part:
                return bytes(received)
            received += part

    def expect(self, wanted):
        received = self.recv_exact(len(wanted))
        if received != wanted:
            raise AssertionError(f"expected {wanted[:200]!r}, got {received[:200]!r}")

    def expect_eof(self):
        rest = self.recv_until_eof()
        if rest:
            raise AssertionError(f"expected the end, got {rest[:200]!r}")

    def expect_reset(self):
        try:
            self.recv_until_eof()
        except ConnectionResetError:
            return
        raise AssertionError("expected a reset, got an orderly end")

    def unread(self):
        """How many bytes have arrived and wait to be read."""
        return struct.unpack("i", fcntl.ioctl(self, termios.FIONREAD, bytes(4)))[0]

    def segments(self):
        """How many segments with data have arrived (tcpi_data_segs_in, see tcp(7))."""
        info = self.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        return struct.unpack_from("I", info, TCPI_DATA_SEGS_IN)[0]

    def has_input(self, within):
        """Whether something, be it the end, can be read before `within` seconds have passed."""
        self.settimeout(within)
        try:
            self.recv(1, socket.MSG_PEEK)
            return True
        except TimeoutError:
            return False
        finally:
            self.settimeout(WAIT)

    def finish(self):
        """Sends FIN: the half-close."""
        self.shutdown(socket.SHUT_WR)

    def reset(self):
        """Closes with RST."""
        self.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()


class Sender(threading.Thread):
    """Sends bytes from a thread of its own, and FIN behind them if `finish`."""

    def __init__(self, client, data, finish=False):
        super().__init__(daemon=True)
        self.client, self.data, self.finish = client, memoryview(data), finish
        self.sent = 0
        self.error = None
        self.start()

    def run(self):
        try:
            while self.sent < len(self.data):
                self.sent += self.client.send(self.data[self.sent:self.sent + (1 << 16)])
            if self.finish:
                self.client.finish()
        except OSError as error:
            self.error = error

    def join(self, timeout=WAIT):
        """Waits until all is sent."""
        super().join(timeout)
        if self.is_alive() or self.error:
            raise AssertionError(f"only {self.sent} of {len(self.data)} bytes could be sent: "
                                 f"{self.error or 'the rest still waits'}")


def has_ipv6():
    """On this machine, and not only in Python."""
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
            return True
    except OSError:
        return False


needs_ipv6 = unittest.skipUnless(has_ipv6(), "there is no IPv6 here")


def free_port():
    """One that nobody gets for a connection or for port 0 while it is not bound (ip(7))."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        lowest = int(file.read().split()[0])
    for port in random.sample(range(lowest // 2, lowest), 100):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError(f"no free port below {lowest}")


def name_of(sock):
    """An address as the log writes it."""
    if sock.family == socket.AF_INET:
        return "%s:%d" % sock.getsockname()
    if sock.family == socket.AF_INET6:
        return "[%s]:%d" % sock.getsockname()[:2]
    return "unix:"


def target_of(address):
    """The family and the socket address for a client of a listener on that address."""
    if address.startswith("unix:"):
        return socket.AF_UNIX, address[len("unix:"):]
    host, port = address.rsplit(":", 1)
    if host.startswith("["):
        host = host.strip("[]")
        return socket.AF_INET6, ("::1" if host == "::" else host, int(port))
    return socket.AF_INET, ("127.0.0.1" if host in ("", "0.0.0.0") else host, int(port))


def connect(address, receive_buffer=None):
    """A Client of whoever listens on "IPv4:PORT", "[IPv6]:PORT", ":PORT" or "unix:/path"."""
    family, target = target_of(address)
    client = Client(family, socket.SOCK_STREAM)
    try:
        if receive_buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client.connect(target)
    except BaseException:
        client.close()
        raise
    return client


# --- The daemon ---


def die_with_parent():
    """In the child before it executes: SIGKILL when the test itself dies."""
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class NoAnswer(AssertionError):
    """The control socket was closed before the answer was complete."""


class Tcpd:
    """A running daemon.  Made by TestCase.tcpd(), which also ends it."""

    def __init__(self, *services, options=(), prefix=(), program=TCPD, read_log=None,
                 control_path=None, **settings):
        """`options`: more of the command line; `prefix`: a command that executes tcpd; `program`:
        another file than $TCPD; `read_log`: where else to look for the log, which is taken from
        stderr; `control_path`: where the settings say that the control socket is."""
        self.folder = tempfile.mkdtemp(prefix="tcpd-test-")
        self.config = self.write("tcpd.conf", configuration(services, settings))
        self.log_file = os.path.join(self.folder, "stderr")
        self.control_path = control_path or os.path.join(self.folder, "control.sock")
        if not control_path:
            options = [*options, "-o", f"control.socket={self.control_path}"]
        self.clients = []
        self.read_log = read_log or self._read_stderr
        with open(self.log_file, "wb") as log:
            self.process = subprocess.Popen(
                [*prefix, program, "-f", "-c", self.config, *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent)
        self.pid = self.process.pid
        self.descriptors = None  # of the master, how many it had when it started

    def write(self, name, text):
        """Writes a file beside the configuration; returns its path."""
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    # The control socket.

    def ask(self, command, timeout=WAIT, **arguments):
        """All lines of the answer to one command, as dictionaries: the last is the final one."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asker:
            asker.settimeout(timeout)
            asker.connect(self.control_path)
            asker.sendall(json.dumps({"command": command, **arguments}).encode() + b"\n")
            answer = []
            for line in asker.makefile():
                answer.append(json.loads(line))
                if "ok" in answer[-1]:
                    break
        if not answer or "ok" not in answer[-1]:
            raise NoAnswer(f"no final answer to {command}: {answer}\n{self.log()}")
        return answer

    def done(self, command, **arguments):
        """The final answer to a command that must be obeyed."""
        answer = self.ask(command, **arguments)[-1]
        if not answer["ok"]:
            raise AssertionError(f"{command}: {answer}\n{self.log()}")
        return answer

    def refused(self, command, **arguments):
        """The final answer to a command that must not be obeyed."""
        answer = self.ask(command, **arguments)[-1]
        if answer["ok"]:
            raise AssertionError(f"{command}: {answer}\n{self.log()}")
        return answer

    # The log.

    def _read_stderr(self):
        with open(self.log_file, encoding="utf-8", errors="backslashreplace") as file:
            return file.read()

    def log(self):
        return self.read_log()

    def wait_log(self, pattern, timeout=WAIT):
        """The match of a regular expression in the log, as soon as there is one."""
        def found():
            match = re.search(pattern, self.log(), re.MULTILINE)
            if not match and self.process.poll() is not None:
                match = re.search(pattern, self.log(), re.MULTILINE)  # what it said at the end
                if not match:
                    raise AssertionError(f"tcpd left with status {self.process.returncode} "
                                         f"without a word like {pattern!r}:\n{self.log()}")
            return match
        return poll_until(found, timeout, f"a line like {pattern!r} in the log")

    def lines(self, event):
        """The fields of all lines of one event, such as "closed" or "rejected"."""
        found = re.findall(rf"^.*[:\]] {event} .*$", self.log(), re.MULTILINE)
        return [fields(line) for line in found]

    def closed(self):
        return self.lines("closed")

    def wait_closed(self, client, timeout=WAIT):
        """The fields of the closed line of a client (or of the peer of that name)."""
        name = getattr(client, "name", client)
        def found():
            return [line for line in self.closed() if line["peer"] == name]
        return poll_until(found, timeout, f"the closed line of {name}")[0]

    # Where it listens.

    def wait_started(self):
        self.wait_log(r"[:\]] started\b", 2 * WAIT)
        with contextlib.suppress(OSError):  # it has left, or is not ours to look at
            self.descriptors = descriptors_of(self.pid)
        return self

    def addresses(self, name):
        """Every address of a service, as logged."""
        return [line["address"] for line in self.lines("listening") if line["service"] == name]

    def address(self, name):
        return self.addresses(name)[0]

    def connect(self, name, **options):
        """A Client of a service; it is closed before the daemon stops."""
        client = connect(self.address(name), **options)
        self.clients.append(client)
        return client

    # Its processes.

    def children(self):
        try:
            with open(f"/proc/{self.pid}/task/{self.pid}/children", encoding="ascii") as file:
                return [int(pid) for pid in file.read().split()]
        except (FileNotFoundError, ProcessLookupError):
            return []

    def signal(self, number):
        self.process.send_signal(number)

    # The end.

    def close_clients(self):
        for client in self.clients:
            client.close()

    def wait_left(self, timeout=2 * WAIT):
        """Waits until the master has left; returns its exit status."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"tcpd still runs after {timeout:g} s:\n{self.log()}") from None

    def check_idle(self):
        """Without clients a daemon that serves holds nothing: no connection, in no service; no
        process that has ended; and no more descriptors than when it had started, if it is still
        what it was then."""
        status = self._status()
        if not status or status["state"] != "serving":
            return
        poll_until(lambda: self.done("status")["open"] == 0 and not self._active(), WAIT,
                   "the last connection to be closed, in the whole and in each service")
        poll_until(lambda: not zombies_of(self.pid), WAIT, "those that have ended to be reaped")
        if status["generation"] == 1 and self.descriptors:
            poll_until(lambda: descriptors_of(self.pid) <= self.descriptors, WAIT,
                       f"no more than the {self.descriptors} descriptors it had when it started")

    def _active(self):
        return [one for one in self.done("services")["services"] if one["active"]]

    def _status(self):
        """None where nobody answers: before it has started, or without a control socket."""
        try:
            answer = self.ask("status")[-1]
        except (OSError, NoAnswer):
            return None
        return answer if answer["ok"] else None

    def stop(self):
        """Tells it to stop, and holds it to what a good end is."""
        self.close_clients()
        self.check_idle()
        self.signal(signal.SIGTERM)
        status = self.wait_left()
        if status != 0:
            raise AssertionError(f"tcpd left with status {status}, not 0:\n{self.log()}")
        self.check_accounts()

    def accounts(self):
        """The fields of the last line, in which the master sums up; None when it has no such."""
        lines = self.lines("stopped")
        return lines[-1] if lines else None

    def check_accounts(self):
        """Every connection that was accepted was closed, and nobody holds a place."""
        last = poll_until(self.accounts, WAIT, "the line that accounts for all connections")
        if last["active"] != 0 or last["accepted"] != last["closed"]:
            raise AssertionError(f"the accounts do not add up: {last}")

    def kill(self):
        """The end of a daemon that a test has given up: no process of it is left."""
        pidfds = []
        for pid in self.children():
            try:
                pidfds.append(os.pidfd_open(pid))
            except ProcessLookupError:
                pass
        self.process.kill()
        self.process.wait()
        for pidfd in pidfds:
            try:
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            except ProcessLookupError:
                pass
            os.close(pidfd)

    def remove(self):
        self.close_clients()
        if self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


# --- What /proc knows of a process ---


def memory_of(pid):
    """The resident memory in bytes."""
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def cpu_of(pid):
    """The seconds of CPU time used so far, of all threads."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        after_name = file.read().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def descriptors_of(pid):
    """How many descriptors a process has."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def zombies_of(pid):
    """Children of a process that have ended and that it has not waited for."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", encoding="ascii") as file:
            after_name = file.read().rpartition(")")[2].split()
            if after_name[0] == "Z" and int(after_name[1]) == pid:
                found.append(int(name))
    return found


# --- Tests ---


class TestCase(unittest.TestCase):
    longMessage = True

    def tcpd(self, *services, wait=True, **settings):
        """Starts a daemon that is stopped, and held to a good end, after the test."""
        daemon = Tcpd(*services, **settings)
        self.daemons.append(daemon)
        self.addCleanup(self._end, daemon)
        return daemon.wait_started() if wait else daemon

    def _end(self, daemon):
        try:
            if daemon.process.poll() is None:
                daemon.stop()
        finally:
            self.logs.append(daemon.log())
            daemon.remove()

    def run(self, result=None):
        """As ever; a test that fails shows the log of its daemons."""
        self.daemons, self.logs = [], []
        before = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > before:
            for log in self.logs:
                print(f"--- the log of tcpd in {self.id()}:\n{log[-20000:]}---", file=sys.stderr)
        return result


def main():
    """Runs the tests of the file; status 77 when every one of them was skipped."""
    faulthandler.dump_traceback_later(400 * SLOW, exit=True)
    result = unittest.main(exit=False, verbosity=2).result
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if result.testsRun <= len(result.skipped) else 0)
