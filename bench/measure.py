# SPDX-License-Identifier: MIT
"""What the benchmark and the check of the counts measure with: servers that run, what /proc knows
of them, load for them, and the counts of strace and callgrind."""

import collections
import contextlib
import ctypes
import functools
import glob
import os
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time

HOST = "127.0.0.1"
PATIENCE = 20  # seconds until what must happen has failed to happen


class Failure(Exception):
    """A server or the load generator did not do what it should."""


def wait_until(condition, what, patience=PATIENCE):
    """Calls condition() until it returns something true, and returns that."""
    deadline = time.monotonic() + patience
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise Failure(f"waited {patience:g} s in vain for {what}")
        time.sleep(0.001)
    return result


def free_port(count=1):
    """The first of so many free ones, which the kernel gives to nobody meanwhile (ip(7))."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        lowest = int(file.read().split()[0])
    for port in random.sample(range(lowest // 2, lowest - count), 100):
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            for i in range(count):
                stack.enter_context(socket.create_server((HOST, port + i)))
            return port
    raise Failure(f"no free port below {lowest}")


def prepare_child():
    """In a child before it executes: SIGKILL when the benchmark itself dies, and all the
    descriptors that there may be."""
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def read(path):
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""


# --- A tree of processes as /proc shows it ---


def children_of(pid):
    tasks = glob.glob(f"/proc/{pid}/task/*/children")
    return [int(child) for task in tasks for child in read(task).split()]


def tree_of(pid):
    """The process and all below it."""
    return [pid] + [below for child in children_of(pid) for below in tree_of(child)]


def memory_of(pid):
    """Resident bytes."""
    text = read(f"/proc/{pid}/statm")
    return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE") if text else 0


def precise_cpu_of(pid, task="*"):
    """Seconds of CPU of the threads that live, or of one of them, to the nanosecond."""
    tasks = glob.glob(f"/proc/{pid}/task/{task}/schedstat")
    return sum(int((read(task).split() or [0])[0]) for task in tasks) / 1e9


def whole_cpu_of(pid):
    """Seconds of CPU with those of ended threads and children, which are told in steps of 10 ms."""
    after_name = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    if not after_name:
        return 0
    user, system, *ended = [int(ticks) / os.sysconf("SC_CLK_TCK") for ticks in after_name[11:15]]
    return max(user + system, precise_cpu_of(pid)) + sum(ended)


def descriptors_of(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except (FileNotFoundError, ProcessLookupError):
        return 0


def watched_by_epoll(pid):
    """For each epoll instance of a process the number of descriptors in it."""
    infos = map(read, glob.glob(f"/proc/{pid}/fdinfo/*"))
    return [info.count("tfd:") for info in infos if "tfd:" in info]


# --- A server that runs ---


class Running:
    """A server in the foreground, with a folder of its own.

    `argv` is a function of that folder and of the port on loopback that the server shall take."""

    def __init__(self, argv, prefix=(), short_lived=False, host=HOST, speaks_echo=False):
        self.folder = tempfile.mkdtemp(prefix="tcpd-bench-")
        self.address, self.speaks_echo = (host, free_port()), speaks_echo
        self.prefix, self.short_lived = prefix, short_lived
        self.uncounted = set()  # processes that are none of the tools' business
        argv = [*(part.replace("FOLDER", self.folder) for part in prefix),
                *argv(self.folder, self.address[1])]
        self.started = time.monotonic()
        with open(self.path("output"), "wb") as output:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=output, preexec_fn=prepare_child)
        try:
            wait_until(self.answers, f"{argv[0]} to listen")
            self.took = time.monotonic() - self.started  # to be there
        except Failure as failure:
            said = read(self.path("output"))[-2000:]
            self.stop()
            raise Failure(f"{failure}\n{said}") from None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def path(self, name):
        return os.path.join(self.folder, name)

    def answers(self):
        """Whether it accepts a connection, and echoes a byte if it speaks echo."""
        if self.process.poll() is not None:
            raise Failure(f"the server left with status {self.process.returncode}")
        try:
            with socket.create_connection(self.address, PATIENCE) as client:
                if self.speaks_echo:
                    client.sendall(b"e")
                    return client.recv(1) == b"e"
                return True
        except OSError:
            return False

    @property
    def port(self):
        return self.address[1]

    @property
    def pid(self):
        """The server's own process: under strace it is a child."""
        if self.prefix and self.prefix[0] == "strace":
            return wait_until(lambda: children_of(self.process.pid), "strace's child")[0]
        return self.process.pid

    def tree(self):
        return tree_of(self.pid)

    def cpu(self):
        return sum(map(whole_cpu_of if self.short_lived else precise_cpu_of, self.tree()))

    def memory(self):
        return sum(map(memory_of, self.tree()))

    def descriptors(self):
        return sum(map(descriptors_of, self.tree()))

    def settle(self):
        """Waits until it opens and closes nothing any more: it has started, or all have left."""
        last = [self.descriptors(), time.monotonic()]

        def is_still():
            now = self.descriptors()
            if now != last[0]:
                last[:] = now, time.monotonic()
            return time.monotonic() - last[1] > 0.3

        wait_until(is_still, "the server to settle")

    def end(self):
        """In order, so that strace and callgrind write what they have counted."""
        os.kill(self.pid, signal.SIGTERM)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.process.args[0]} does not end") from None

    def stop(self):
        """In order or not, nothing of it is left."""
        try:
            if self.process.poll() is None:
                self.end()
        except (Failure, ProcessLookupError):
            for pid in self.tree():
                os.kill(pid, signal.SIGKILL)
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


# --- Load ---


class Load:
    """bench/load on a server: made, its connections stand; go() is the work; end() closes them."""

    program = os.path.join(os.environ.get("top_builddir", "."), "bench", "load")

    def __init__(self, port, mode, *options):
        argv = [self.program, mode, "-g", *map(str, options), f"{HOST}:{port}"]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        preexec_fn=prepare_child, text=True)
        self.expect("ready")

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            self.process.kill()
        self.process.communicate()

    def expect(self, beginning):
        line = self.process.stdout.readline()
        if not line.startswith(beginning):
            raise Failure(f"bench/load {self.process.args[1]} failed {line}")
        return line

    def go(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        pairs = [pair.split("=") for pair in self.expect("mode=").split()[1:]]
        return {key: float(value) for key, value in pairs}

    def end(self):
        self.process.communicate("\n")
        if self.process.returncode:
            raise Failure(f"bench/load {self.process.args[1]} failed")


class Beside:
    """A program that is busy beside the load, until it is left."""

    folder = os.path.join(os.environ.get("top_builddir", "."), "bench")

    def __init__(self, name, *arguments):
        argv = [os.path.join(self.folder, name), *map(str, arguments)]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        preexec_fn=prepare_child, text=True)
        self.said = {}
        if self.process.stdout.readline() != "ready\n":
            self.process.kill()
            self.process.communicate()
            raise Failure(f"bench/{name} failed")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        line = self.process.communicate()[0]
        pairs = [pair.split("=") for pair in line.split()[1:]]
        self.said = {key: float(value) for key, value in pairs}
        if self.process.returncode:
            raise Failure(f"{self.process.args[0]} left with {self.process.returncode}")

    def cpu(self):
        return precise_cpu_of(self.process.pid)


def under_load(server, mode, *options):
    """The result of the load generator, and the server's CPU for it in microseconds for each."""
    with Load(server.port, mode, *options) as load:
        before = server.cpu()
        result = load.go()
        result["cpu_us"] = (server.cpu() - before) * 1e6 / max(result["done"], 1)
        load.end()
    result["gib_per_s"] = result["bytes"] / result["seconds"] / (1 << 30)
    return result


# --- Counts ---

STRACE = ("strace", "-ff", "-qq", "-s", "0", "-e", "signal=none", "-o", "FOLDER/calls")
CALLGRIND = ("valgrind", "--tool=callgrind", "--trace-children=yes", "-q",
             "--callgrind-out-file=FOLDER/instructions.%p")


@functools.cache
def works(tool):
    """Whether a tool is installed, and may do here what it does."""
    with tempfile.TemporaryDirectory() as folder:
        command = [*(part.replace("FOLDER", folder) for part in tool), "true"]
        try:
            return subprocess.run(command, capture_output=True, check=False).returncode == 0
        except FileNotFoundError:
            return False


def written_by(server, name):
    """What a tool wrote for each process or thread: NAME.NUMBER, but for those not to count."""
    files = glob.glob(server.path(f"{name}.*"))
    return [read(file) for file in files if int(file.rpartition(".")[2]) not in server.uncounted]


def counted_calls(server):
    """System calls by name, after the server's end."""
    return collections.Counter(name for text in written_by(server, "calls")
                               for name in re.findall(r"^(\w+)\(", text, re.MULTILINE))


def counted_instructions(server):
    """User instructions, after the server's end."""
    totals = [re.search(r"^(?:totals|summary): (\d+)", text, re.MULTILINE)
              for text in written_by(server, "instructions")]
    if not any(totals):
        raise Failure("callgrind counted nothing")
    return collections.Counter({"instructions": sum(int(match[1]) for match in totals if match)})


COUNTERS = {STRACE: counted_calls, CALLGRIND: counted_instructions}


def counts_of(start, tool, work, less, more):
    """The counts for one piece of work, by name.

    The server is started twice, and does `less` pieces and then `more` pieces of work: what its
    start and end cost cancels out.  start(tool) makes it, work(server, pieces) drives it."""
    totals = []
    for pieces in (less, more):
        with start(tool) as server:
            work(server, pieces)
            server.end()
            totals.append(COUNTERS[tool](server))
    names = set(totals[0]) | set(totals[1])
    return {name: (totals[1][name] - totals[0][name]) / (more - less) for name in names}
