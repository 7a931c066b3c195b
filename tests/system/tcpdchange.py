# SPDX-License-Identifier: MIT
"""What the tests of reloads, upgrades and crashes see of a daemon that changes while it runs."""

import collections
import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import threading

import tcpdproc
import tcpdtest
from tcpdtest import SLOW, TCPD, WAIT, NoAnswer, poll_until

# How long the tests that run under load go on: the rule is a few seconds, and TCPD_TEST_SOAK, in
# seconds, makes it the whole exercise.
SOAK = float(os.environ.get("TCPD_TEST_SOAK") or 0)


# --- The configuration ---


def rewrite(daemon, *services, **settings):
    """Another configuration in the place of the daemon's own, all at once."""
    daemon.write("new.conf", tcpdtest.configuration(services, settings))
    os.rename(os.path.join(daemon.folder, "new.conf"), daemon.config)


def spoil(daemon, text="log = { level = \"loud\"; };\n"):
    """A configuration that is not valid, all at once."""
    daemon.write("new.conf", text)
    os.rename(os.path.join(daemon.folder, "new.conf"), daemon.config)


def reload(daemon, *services, **settings):
    """Reloads another configuration; returns the answer."""
    rewrite(daemon, *services, **settings)
    return daemon.done("reload")


# --- What it says of itself ---


def services(daemon):
    """All services by their names."""
    return {service["name"]: service for service in daemon.done("services")["services"]}


def address(daemon, name):
    """The first address of a service as it is now."""
    return services(daemon)[name]["addresses"][0]


def generation(daemon):
    return daemon.done("status")["generation"]


def generations(daemon):
    """Those that live, by their numbers."""
    return {one["number"]: one for one in daemon.done("status")["generations"]}


def wait_alone(daemon, timeout=WAIT):
    """Waits until no generation but the current one lives, and returns its number."""
    def alone():
        found = generations(daemon)
        return max(found) if len(found) == 1 else None
    return poll_until(alone, timeout, "the old generations to end")


def echoes(client, text=b"still there?"):
    """A connection to echo that is open and goes on."""
    client.sendall(text)
    client.expect(text)


# --- What the kernel says ---


def _inodes_of_sockets(pid):
    return {link[len("socket:["):-1] for link in tcpdproc.descriptors(pid).values()
            if link.startswith("socket:[")}


def _listening_tcp(pid, family):
    """Port and inode of each socket in the state LISTEN."""
    with open(f"/proc/{pid}/net/{family}", encoding="ascii") as file:
        for line in file.readlines()[1:]:
            words = line.split()
            if words[3] == "0A":
                yield words[1], words[9]


def _listening_unix(pid):
    with open(f"/proc/{pid}/net/unix", encoding="ascii") as file:
        for line in file.readlines()[1:]:
            words = line.split()
            if len(words) > 7 and words[3] == "00010000":  # it listens
                yield words[7], words[6]


def listeners(daemon):
    """The inode of every listening socket of the master, by its address as the kernel writes it."""
    own = _inodes_of_sockets(daemon.pid)
    found = [*_listening_tcp(daemon.pid, "tcp"), *_listening_tcp(daemon.pid, "tcp6"),
             *_listening_unix(daemon.pid)]
    return {where: inode for where, inode in found if inode in own}


def backlog(port):
    """Of a listener on 127.0.0.1 (the send queue, as ss(8) shows it)."""
    with subprocess.Popen(["ss", "-Hltn", f"sport = :{port}"], stdout=subprocess.PIPE,
                          text=True) as ss:
        return int(ss.communicate()[0].split()[2])


def descriptors(pid):
    """How many descriptors of each kind a process has."""
    kinds = [re.sub(r":\[\d+\]", "", link) for link in tcpdproc.descriptors(pid).values()]
    return collections.Counter(kinds)


def wait_descriptors(pid, wanted, timeout=WAIT):
    """Waits until a process has these descriptors again: those who ask leave in their own time."""
    found = []

    def as_wanted():
        found[:] = [descriptors(pid)]
        return found[0] == wanted

    try:
        poll_until(as_wanted, timeout)
    except AssertionError:
        raise AssertionError(f"descriptors: {dict(wanted)} became {dict(found[0])}") from None


# --- Counters ---

COUNTERS = ("accepted", "rejected", "received", "sent", "lost")


class Watch:
    """Asks for all counters again and again, from a thread: none may ever go down.  `patient`: an
    answer may fail to come, from a master that is becoming another one just then."""

    def __init__(self, test, daemon, patient=False):
        self.daemon, self.wrong, self.looks = daemon, [], 0
        self.patient = patient
        self.last = {}
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        test.addCleanup(self.end)

    def _counters(self):
        for name, service in services(self.daemon).items():
            for what in COUNTERS:
                yield f"{name} {what}", service[what]
        status = self.daemon.done("status")
        for change in ("reloads", "upgrades"):
            for result in ("ok", "failed"):
                yield f"{change} {result}", status[change][result]
        for what in ("child_restarts", "children_hung", "log_dropped", "generation", "uptime"):
            yield what, status[what]

    def look(self):
        for what, now in self._counters():
            before = self.last.get(what, 0)
            if now < before:
                self.wrong.append(f"{what} went from {before} to {now}")
            self.last[what] = now
        self.looks += 1

    def _run(self):
        while not self.ending.wait(0.02):
            try:
                self.look()
            except (OSError, AssertionError) as error:
                if self.patient and isinstance(error, (ConnectionError, NoAnswer)):
                    continue
                if not self.ending.is_set():
                    self.wrong.append(repr(error))
                return

    def end(self):
        self.ending.set()
        self.thread.join(2 * WAIT)

    def assert_clean(self):
        """A last look, and what was wrong."""
        self.end()
        if not self.wrong:
            self.look()
        if self.wrong or not self.looks:
            raise AssertionError("\n".join(self.wrong or ["nobody has looked"]))
        return self.last


# --- Builds ---


def version():
    said = subprocess.run([TCPD, "-V"], stdout=subprocess.PIPE, check=True, text=True)
    return said.stdout.split()[1]


class Installed:
    """A file that the daemon is started from, and that is replaced as a package manager does it:
    by another one of that name.  `path` goes to self.tcpd() as its program."""

    def __init__(self, test):
        if tcpdproc.RUNS_UNDER == "valgrind":
            test.skipTest("valgrind executes no other binary")
        self.folder = tempfile.mkdtemp(prefix="tcpd-installed-")
        test.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.path = os.path.join(self.folder, "tcpd")
        self.version = version()
        self.next = self.version[:-1] + ("9" if self.version[-1] != "9" else "8")
        with open(TCPD, "rb") as file:
            self.builds = {self.version: file.read()}
        said = self.version.encode() + b"\0"
        if self.builds[self.version].count(b"\0" + said) < 1:
            raise AssertionError(f"{TCPD} does not hold its version {said!r}")
        self.builds[self.next] = self.builds[self.version].replace(
            b"\0" + said, b"\0" + self.next.encode() + b"\0")
        self.put(self.version)

    def put_bytes(self, content, mode=0o755):
        new = self.path + ".new"
        with open(new, "wb") as file:
            file.write(content)
        os.chmod(new, mode)
        os.rename(new, self.path)

    def put(self, which):
        """One of the two builds, by its version."""
        self.put_bytes(self.builds[which])

    def put_script(self, text):
        self.put_bytes(text.encode())

    def put_copy(self, of):
        with open(shutil.which(of), "rb") as file:
            self.put_bytes(file.read())

    def put_truncated(self):
        self.put_bytes(self.builds[self.next][:200_000])

    def put_nothing(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)

    # What is no tcpd that can take over, and what may be said of it.
    BROKEN = {
        "not executable": (lambda self: self.put_bytes(self.builds[self.next], 0o644),
                           "Permission denied"),
        "truncated": (put_truncated, ""),
        "a script that fails": (lambda self: self.put_script("#!/bin/sh\nexit 1\n"), "status 1"),
        "another program": (lambda self: self.put_copy("true"), "no tcpd that knows how"),
        "rubbish": (lambda self: self.put_bytes(b"\x7fELF" + bytes(1000)), ""),
        "missing": (put_nothing, "No such file"),
    }


def seconds(short, per_soak=1.0):
    """How long a test under load goes on: `short` in make check, a part of SOAK where that is."""
    return SOAK * per_soak if SOAK else short * min(SLOW, 2)
