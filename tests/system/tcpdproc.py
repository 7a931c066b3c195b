# SPDX-License-Identifier: MIT
"""What the tests of resilience see of the daemon's processes from outside, and do to them."""

import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import tcpdtest
from tcpdtest import SLOW, WAIT, poll_until

BINARY = os.environ.get("TCPD_BINARY") or tcpdtest.TCPD  # the program itself, under valgrind too


def _what_it_runs_under():
    if os.environ.get("TCPD_BINARY"):
        return "valgrind"
    with open(BINARY, "rb") as file:
        code = file.read()
    for name, symbol in (("asan", b"__asan_init"), ("tsan", b"__tsan_init"),
                         ("ubsan", b"__ubsan_handle")):
        if symbol in code:
            return name
    return ""


RUNS_UNDER = _what_it_runs_under()


def needs_own_threads(test):
    """For a test that would see a thread or a system call of the sanitizer's or of valgrind's."""
    return unittest.skipIf(RUNS_UNDER in ("tsan", "valgrind"),
                           f"{RUNS_UNDER} has threads and system calls of its own")(test)


def needs_own_memory(test):
    """For a test of figures that a sanitizer or valgrind changes."""
    return unittest.skipIf(RUNS_UNDER, f"{RUNS_UNDER} needs memory and time of its own")(test)


# --- How the daemon is started ---


def run_after(code, *arguments):
    """A prefix for Tcpd: a Python that runs `code`, with sys.argv[1:] as the arguments, and then
    becomes what follows."""
    code = (f"import os, sys\n{code}\ncommand = sys.argv[{1 + len(arguments)}:]\n"
            "os.execvp(command[0], command)")
    return [sys.executable, "-c", code, *map(str, arguments)]


def with_descriptors(limit):
    """A prefix for Tcpd: RLIMIT_NOFILE, soft and hard."""
    return run_after("import resource\n"
                     f"resource.setrlimit(resource.RLIMIT_NOFILE, ({limit}, {limit}))")


class Syslog:
    """A receiver of what the daemon sends to /dev/log, in a /dev of the daemon's own: a prefix for
    Tcpd, and its read_log.  Skips the test where that cannot be had."""

    MOUNT = r"""
        mount -t tmpfs none "$1"
        for name in null zero full random urandom tty; do
            touch "$1/$name"
            mount --bind "/dev/$name" "$1/$name"
        done
        ln -s "$2" "$1/log"
        mount --rbind "$1" /dev
        shift 2
        exec "$@"
    """

    def __init__(self, test):
        self.folder = tempfile.mkdtemp(prefix="tcpd-syslog-")
        test.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        os.chmod(self.folder, 0o755)  # children are another user when the test is root
        device = os.path.join(self.folder, "dev")
        path = os.path.join(self.folder, "log")
        os.mkdir(device)
        self.prefix = ["unshare", "--mount", "sh", "-ec", self.MOUNT, "sh", device, path]
        try:
            subprocess.run([*self.prefix, "test", "-L", "/dev/log"], check=True,
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
        except (OSError, subprocess.CalledProcessError):
            test.skipTest("a /dev of its own takes unshare(1) and the right to mount")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        test.addCleanup(self._close)
        self.socket.bind(path)
        os.chmod(path, 0o666)
        self.received = []
        threading.Thread(target=self._receive, daemon=True).start()

    def _receive(self):
        """The kernel keeps a few datagrams only: they are taken as they come."""
        while True:
            try:
                self.received.append(self.socket.recv(4096))
            except OSError:
                return

    def _close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def read(self):
        return b"\n".join([*self.received, b""]).decode("utf-8", "backslashreplace")


# --- Processes ---


def descriptors(pid):
    """What each descriptor of a process stands for, by its number."""
    found = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/{pid}/fd/{name}")
        except FileNotFoundError:
            pass  # closed meanwhile
    return found


def title(pid):
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read().rstrip(b"\0").decode()


def state(pid):
    """The letter of proc(5), such as S or Z; None when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None


def is_gone(pid):
    """No process, or one that has ended and that its parent has not waited for yet."""
    return state(pid) in (None, "Z", "X")


def wait_gone(pids, timeout=2 * WAIT):
    poll_until(lambda: all(map(is_gone, pids)), timeout, f"the end of the processes {pids}")


def name_of_thread(pid, thread):
    with open(f"/proc/{pid}/task/{thread}/comm", encoding="ascii") as file:
        return file.read().strip()


def threads(pid):
    """The daemon's threads in a process: not those that TSan starts, which bear another's name."""
    found = sorted(int(name) for name in os.listdir(f"/proc/{pid}/task"))
    return [thread for thread in found if RUNS_UNDER != "tsan" or thread == pid or
            name_of_thread(pid, thread).startswith(("logger", "worker"))]


def processes(daemon):
    """The master and its children."""
    return [daemon.pid, *daemon.children()]


def _switches(pids):
    """How often each thread has gone to sleep: one that does nothing has nothing to add."""
    found = []
    for pid in pids:
        try:
            for thread in threads(pid):
                with open(f"/proc/{pid}/task/{thread}/status", encoding="ascii") as file:
                    found.append(re.findall(r"ctxt_switches:\s*(\d+)", file.read()))
        except (FileNotFoundError, ProcessLookupError):
            found.append(None)  # it has ended
    return found


def wait_quiet(pids, quiet=0.5, timeout=WAIT):
    """Waits until no thread of these processes has run for a while."""
    last = [_switches(pids), time.monotonic()]

    def is_quiet():
        now = _switches(pids)
        if now != last[0]:
            last[:] = [now, time.monotonic()]
        return time.monotonic() - last[1] >= quiet

    poll_until(is_quiet, timeout, f"the processes {pids} to fall asleep")


def use_all_descriptors():
    """Raises the test's own limit on descriptors to the hard one, and returns that."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def kill_child(daemon, pid, number=signal.SIGKILL):
    """Kills a child and waits until the master has taken note."""
    os.kill(pid, number)
    poll_until(lambda: pid not in daemon.children(), WAIT, f"the end of child {pid}")


def kill_left(pids):
    """Ends what a failed test has left of a daemon whose master is gone."""
    for pid in pids:
        if not is_gone(pid) and title(pid).startswith("tcpd: "):
            os.kill(pid, signal.SIGKILL)


def wait_children(daemon, count, without=()):
    """Waits until the daemon has so many children and none of them is of `without`."""

    def there():
        children = daemon.children()
        return children if len(children) == count and not set(children) & set(without) else None

    return poll_until(there, 2 * WAIT, f"{count} children")


def end(daemon, number=signal.SIGTERM):
    """Stops a daemon that may have lost connections in a crash: returns its account."""
    daemon.close_clients()
    daemon.signal(number)
    status = daemon.wait_left()
    if status != 0:
        raise AssertionError(f"tcpd left with status {status}, not 0:\n{daemon.log()}")
    return poll_until(daemon.accounts, WAIT, "the line that accounts for all connections")


# --- System calls ---


class Strace:
    """strace(1), attached to all threads of some processes.  Skips the test where it cannot be."""

    def __init__(self, test, pids, *options):
        if not shutil.which("strace"):
            test.skipTest("there is no strace")
        self.folder = tempfile.mkdtemp(prefix="tcpd-strace-")
        test.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.path = os.path.join(self.folder, "calls")
        self.said = os.path.join(self.folder, "said")
        attach = [word for pid in pids for word in ("-p", str(pid))]
        with open(self.said, "wb") as said:
            self.process = subprocess.Popen(
                ["strace", "-f", "-o", self.path, *options, *attach], stdin=subprocess.DEVNULL,
                stdout=said, stderr=said, preexec_fn=tcpdtest.die_with_parent)
        test.addCleanup(self.stop)
        poll_until(lambda: self._is_attached(test, len(pids)), WAIT, "strace to attach")

    def _is_attached(self, test, count):
        with open(self.said, encoding="utf-8") as file:
            said = file.read()
        if self.process.poll() is not None:
            test.skipTest(f"strace may not attach: {said}")
        return len(re.findall(r"Process \d+ attached", said)) >= count

    def lines(self):
        """The lines so far, without those that only tell how a call ended; each begins with the
        thread."""
        with open(self.path, encoding="utf-8", errors="backslashreplace") as file:
            lines = file.read().splitlines()
        return [line for line in lines if "resumed>" not in line and "+++" not in line]

    def count(self, call):
        return sum(1 for line in self.lines() if f" {call}(" in line)

    def stop(self):
        """Detaches; the traced go on."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(WAIT)


def span(seconds):
    """Lets some time pass that is measured, not waited for."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(min(0.1, max(0, until - time.monotonic())))


def slow_seconds(seconds):
    return seconds * SLOW
