# SPDX-License-Identifier: MIT
"""For the tests inside of a booted systemd: the service, its files, its journal, its clients.

Each test begins with what `make install` leaves, nothing of it running, and ends so.
"""

import glob
import json
import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import unittest

WAIT = 20  # seconds until what must happen has failed to happen
CONFIG = "/etc/tcpd.conf"
SYSTEM = "/etc/systemd/system"
SAVED = "/var/lib/tcpd-test/saved"  # what the tests change, as it was installed
SBIN = "/usr/local/sbin"
TCPD = f"{SBIN}/tcpd"
TCPCTL = f"{SBIN}/tcpctl"
[EXAMPLES] = glob.glob("/usr/local/share/doc/*/systemd")

ECHO = 'name = "echo"; type = "echo"; '

# By its name as well: of a line that journald reads when its process has left, it does not find the
# unit any more.
OF_TCPD = ("_SYSTEMD_UNIT=tcpd.service", "+", "UNIT=tcpd.service", "+", "SYSLOG_IDENTIFIER=tcpd")


def poll_until(condition, what, timeout=WAIT):
    """What the condition returns as soon as that is true."""
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(0.02)


def run(*command, check=True):
    """Runs it; returns its status and what it said."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, encoding="utf-8", timeout=3 * WAIT,
                          check=False)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: status {done.returncode}\n{done.stdout}")
    return done.returncode, done.stdout


def systemctl(*arguments, check=True):
    return run("systemctl", *arguments, check=check)


def show(name, unit="tcpd"):
    return systemctl("show", unit, f"--property={name}", "--value")[1].strip()


def status():
    """What `systemctl status` says, whose own status tells whether the unit is active."""
    return systemctl("status", "--full", "--no-pager", "tcpd", check=False)[1]


def ask():
    """What tcpctl says of the daemon."""
    return json.loads(run(TCPCTL, "--json", "status")[1])


def main_pid():
    return int(show("MainPID"))


def processes():
    """All of the service's."""
    group = show("ControlGroup")
    try:
        with open(f"/sys/fs/cgroup{group}/cgroup.procs", encoding="ascii") as file:
            return [int(line) for line in file] if group else []
    except FileNotFoundError:
        return []


def title(pid):
    """Empty: it has ended."""
    try:
        with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def children():
    """Without the spawner, and what it has started."""
    return [pid for pid in processes() if title(pid).startswith("tcpd: child ")]


def seccomp_filters(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return int(re.search(r"^Seccomp_filters:\s*(\d+)$", file.read(), re.MULTILINE)[1])


def is_gone(pid):
    return not os.path.exists(f"/proc/{pid}")


class Talker(socket.socket):
    """A connection to an echo service that stays open."""

    def __init__(self, address=("127.0.0.1", 6007)):
        super().__init__(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        self.settimeout(WAIT)
        self.connect(address)
        self.said = 0

    def talk(self):
        self.said += 1
        text = b"message %d\n" % self.said
        self.sendall(text)
        answer = b""
        while len(answer) < len(text):
            piece = self.recv(len(text) - len(answer))
            if not piece:
                raise AssertionError(f"the connection ended before message {self.said}")
            answer += piece
        assert answer == text, answer

    def finish(self):
        self.shutdown(socket.SHUT_WR)
        assert self.recv(1) == b""
        self.close()


class Callers(threading.Thread):
    """Short connections, one after the other, until they are told to end."""

    def __init__(self, address=("127.0.0.1", 6007)):
        super().__init__(daemon=True)
        self.address, self.served, self.lost, self.ending = address, 0, [], False

    def run(self):
        while not self.ending:
            try:
                caller = Talker(self.address)
                caller.talk()
                caller.finish()
                self.served += 1
            except (OSError, AssertionError) as error:
                self.lost.append(repr(error))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ending = True
        self.join(2 * WAIT)


class BootTest(unittest.TestCase):
    longMessage = True

    def setUp(self):
        for path in (CONFIG, TCPD):
            shutil.copy2(SAVED + path, path + ".saved")
            os.rename(path + ".saved", path)
        systemctl("daemon-reload")
        systemctl("reset-failed")
        journal = run("journalctl", "--lines=0", "--show-cursor")[1]
        self.cursor = re.search(r"cursor: (.*)", journal)[1]
        self.added = []
        self.addCleanup(self.tidy)

    def tidy(self):
        """Stops it all; what was not as it should be fails the test."""
        units = ["tcpd.service", *(os.path.basename(path) for path in self.added
                                   if path.endswith(".socket")), "tcpd.socket"]
        systemctl("stop", *reversed(units), check=False)
        for path in self.added:
            os.unlink(path)
        systemctl("daemon-reload")
        poll_until(lambda: run("pgrep", "-u", "tcpd", "--list-full", check=False)[0] == 1,
                   "nothing of it is left")

    def run(self, result=None):
        """As ever; a test that fails shows the journal."""
        before = len(result.failures) + len(result.errors)
        start = time.monotonic()
        super().run(result)
        if len(result.failures) + len(result.errors) > before:
            print(f"--- the journal in {self.id()}:\n{self.journal('--unit=*')}---")
        else:
            result.stream.write(f"    {time.monotonic() - start:.1f} s\n")
        return result

    # Files.

    def unit(self, path, text):
        """A file below /etc/systemd/system for this test."""
        path = os.path.join(SYSTEM, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        self.added.append(path)
        systemctl("daemon-reload")

    def example(self, name):
        with open(os.path.join(EXAMPLES, name), encoding="utf-8") as file:
            self.unit(f"tcpd.service.d/{name}", file.read())

    def configure(self, *services, settings=""):
        """Another configuration in place of the one there is, as editors do it."""
        with open(CONFIG + ".new", "w", encoding="utf-8") as file:
            file.write(f"{settings}\nservices = (\n")
            file.write(",\n".join(f"  {{ {service} }}" for service in services))
            file.write("\n);\n")
        os.rename(CONFIG + ".new", CONFIG)

    def install_binary(self, content, mode=0o755):
        with open(TCPD + ".new", "wb") as file:
            file.write(content)
        os.chmod(TCPD + ".new", mode)
        os.rename(TCPD + ".new", TCPD)

    def other_build(self):
        """tcpd of another version; returns both versions."""
        version = ask()["version"]
        other = version[:-1] + ("9" if version[-1] != "9" else "8")
        with open(SAVED + TCPD, "rb") as file:
            binary = file.read()
        self.assertIn(f"\0{version}\0".encode(), binary)
        return version, other, binary.replace(f"\0{version}\0".encode(), f"\0{other}\0".encode())

    # What it says.

    def journal(self, *options):
        run("journalctl", "--sync")
        options = options or OF_TCPD
        return run("journalctl", "--output=cat", "--no-pager", f"--after-cursor={self.cursor}",
                   *options)[1]

    def wait_journal(self, pattern):
        return poll_until(lambda: re.search(pattern, self.journal(), re.MULTILINE),
                          f"{pattern!r} in the journal")

    def wait_show(self, name, value):
        poll_until(lambda: show(name) == value, f"{name} is {value}")

    def wait_active(self, restarts):
        """It runs again, after so many restarts."""
        self.wait_show("NRestarts", str(restarts))
        self.wait_show("ActiveState", "active")

    def check_echo(self, address=("127.0.0.1", 6007)):
        caller = Talker(address)
        caller.talk()
        caller.finish()

    def check_humble(self, capabilities=0):
        """No process of it is root, or has or can get a privilege; but for the master, these
        capabilities.  Children are shut in further, by a filter of their own."""
        pids = processes()
        self.assertGreaterEqual(len(pids), 2)  # a master and a child at least
        tcpd = pwd.getpwnam("tcpd").pw_uid
        for pid in pids:
            with open(f"/proc/{pid}/status", encoding="utf-8") as file:
                fields = dict(line.rstrip("\n").split(":\t", 1) for line in file)
            self.assertEqual(fields["Uid"].split(), [str(tcpd)] * 4)
            left = capabilities if pid == main_pid() else 0
            for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
                self.assertEqual(int(fields[name], 16) & ~left, 0, name)
            self.assertEqual(int(fields["CapBnd"], 16) & ~capabilities, 0)
            self.assertEqual(fields["NoNewPrivs"], "1")
        filters = [seccomp_filters(pid) for pid in (main_pid(), children()[0])]
        self.assertEqual(filters[1], filters[0] + 1)


def main():
    """All test_*.py beside this file."""
    os.umask(0o022)
    run("systemd-sysusers")
    run("systemd-tmpfiles", "--create", "tcpd.conf")
    for path in (CONFIG, TCPD):
        os.makedirs(os.path.dirname(SAVED + path), exist_ok=True)
        shutil.copy2(path, SAVED + path)
    folder = os.path.dirname(os.path.abspath(__file__))
    tests = unittest.defaultTestLoader.discover(folder)
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(tests)
    sys.exit(not result.wasSuccessful() or result.testsRun == 0)


if __name__ == "__main__":
    main()
