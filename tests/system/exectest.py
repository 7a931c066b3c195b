# SPDX-License-Identifier: MIT
"""Services that run programs: what their tests have in common."""

import os

import tcpdtest

PYTHON = "/usr/bin/python3"  # which every user can read


# A program that leaves the group that tcpd has given to it; SIGTERM is nothing to a stubborn one.
LEAVER = """
import os, signal, time
os.setpgid(0, os.getpgid(os.getppid()))
if {stubborn}:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.write(1, b"\\n")
time.sleep(1000)
"""


def program(name, *command, **settings):
    """A service that runs a command for each connection."""
    return tcpdtest.service(name, "exec", command=list(command), **settings)


def script(name, text, **settings):
    """One that runs a script of Python, which needs nothing of the environment."""
    return program(name, PYTHON, "-S", "-E", "-c", text, **settings)


def spawners(daemon):
    """The pids of the spawners, by their titles."""
    return [pid for pid in daemon.children() if title_of(pid).startswith("tcpd: spawner")]


def title_of(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().rstrip(b"\0").decode()
    except OSError:
        return ""


def is_alive(pid):
    """Whether a process is there, and no zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_dead(pid, timeout=tcpdtest.WAIT):
    tcpdtest.poll_until(lambda: not is_alive(pid), timeout, f"the end of process {pid}")


def running(daemon):
    """The connections whose programs are known to run."""
    return [one for one in daemon.done("connections")["connections"] if "program_pid" in one]


def wait_running(daemon, count=1):
    """Waits for so many programs; returns their connections."""
    def found():
        now = running(daemon)
        return now if len(now) == count else None
    return tcpdtest.poll_until(found, tcpdtest.WAIT, f"{count} programs")


def descriptors(pid):
    return set(os.listdir(f"/proc/{pid}/fd"))
