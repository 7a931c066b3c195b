# SPDX-License-Identifier: MIT
"""The start in the background, the pid file, the command line, and what the processes are."""

import ctypes
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time

import tcpdproc
import tcpdtest
from tcpdproc import descriptors, is_gone, poll_until, wait_gone
from tcpdtest import TCPD, WAIT

EX_USAGE, EX_OSERR, EX_NOPERM, EX_CONFIG = 64, 71, 77, 78

PR_SET_CHILD_SUBREAPER = 36


class Background:
    """A daemon without -f: in a folder of its own, with a unix socket and a pid file."""

    def __init__(self, test, *options, text=None, pid_file="tcpd.pid", prefix=(), **settings):
        self.folder = tempfile.mkdtemp(prefix="tcpd-start-")
        test.addCleanup(self.remove)
        self.path = os.path.join(self.folder, "echo.sock")
        self.pid_file = os.path.join(self.folder, pid_file)
        self.config = os.path.join(self.folder, "tcpd.conf")
        settings.setdefault("log", {"target": "none"})
        services = [tcpdtest.service("echo", listen=f"unix:{self.path}")]
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(text or tcpdtest.configuration(services, settings))
        self.command = [*prefix, TCPD, "-c", self.config, "-p", self.pid_file, *options]
        self.known = set()

    def start(self, **options):
        """Runs the starter; returns how it ended."""
        begin = time.monotonic()
        done = subprocess.run(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=2 * WAIT, check=False, **options)
        self.started_in = time.monotonic() - begin
        if done.returncode == 0 and os.path.exists(self.pid_file):
            self.known.add(self.pid())
        return done

    def pid(self):
        with open(self.pid_file, encoding="ascii") as file:
            return int(file.read())

    def connect(self):
        return tcpdtest.connect(f"unix:{self.path}")

    def stop(self, number=signal.SIGTERM):
        pid = self.pid()
        os.kill(pid, number)
        wait_gone([pid])

    def remove(self):
        for pid in self.known:
            if not is_gone(pid) and tcpdproc.title(pid) == "tcpd: master":
                os.kill(pid, signal.SIGTERM)
                wait_gone([pid])
        shutil.rmtree(self.folder, ignore_errors=True)


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


def parent_of(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return int(file.read().rpartition(")")[2].split()[1])


def run(*arguments):
    return subprocess.run([TCPD, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, encoding="utf-8", timeout=2 * WAIT, check=False)


class InTheBackground(tcpdtest.TestCase):
    def setUp(self):
        # Daemons become children of the test, which can wait for them.
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)

    def background(self, *options, **settings):
        return Background(self, *options, **settings)

    def test_returns_when_it_listens(self):
        daemon = self.background()
        done = daemon.start()
        client = daemon.connect()  # at once, and only once
        self.addCleanup(client.close)
        client.sendall(b"x")
        client.expect(b"x")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))
        print(f"started in {1000 * daemon.started_in:.0f} ms", end=" ")

    def test_is_on_its_own(self):
        daemon = self.background()
        self.assertEqual(daemon.start().returncode, 0)
        pid = daemon.pid()
        self.assertEqual(parent_of(pid), os.getpid(), "adopted by init, or who stands for it")
        self.assertEqual(os.getsid(pid), pid, "a session of its own")
        for process in [pid, *children_of(pid)]:
            links = descriptors(process)
            self.assertEqual([links[fd] for fd in range(3)], ["/dev/null"] * 3)
        self.assertEqual(tcpdproc.title(pid), "tcpd: master")
        self.assertEqual([tcpdproc.title(child) for child in children_of(pid)],
                         ["tcpd: child 1.0"])

    def test_address_in_use(self):
        first = self.background()
        self.assertEqual(first.start().returncode, 0)
        with open(first.config, encoding="utf-8") as file:
            second = self.background(text=file.read())
        done = second.start()
        self.assertEqual(done.returncode, EX_OSERR)
        self.assertEqual(done.stderr.decode().count("another server listens on"), 1, done.stderr)
        self.assertIn(first.path.encode(), done.stderr)
        poll_until(lambda: not os.path.exists(second.pid_file), WAIT, "the pid file to go")
        first.connect().close()  # it has lost nothing by that

    def test_address_that_nobody_has(self):
        text = ('log = { target = "none"; };\n'
                'services = ( { name = "echo"; type = "echo"; listen = "192.0.2.1:0"; } );\n')
        done = self.background(text=text).start()
        self.assertEqual(done.returncode, EX_OSERR)
        self.assertRegex(done.stderr.decode(),
                         r"tcpd\.conf:2: service echo: cannot listen on 192\.0\.2\.1:0")

    def test_bad_configuration(self):
        daemon = self.background(text="services = ( { nme = 1; } );\n")
        done = daemon.start()
        self.assertEqual(done.returncode, EX_CONFIG)
        self.assertIn(b"tcpd.conf:1: error: ", done.stderr)
        self.assertFalse(os.path.exists(daemon.pid_file))

    def test_child_that_cannot_start(self):
        daemon = self.background(prefix=tcpdproc.with_descriptors(24), pool={"threads": 16})
        done = daemon.start()
        self.assertEqual(done.returncode, EX_OSERR)
        self.assertIn(b"RLIMIT_NOFILE is 24", done.stderr)

    # The pid file.

    def test_pid_file(self):
        daemon = self.background()
        self.assertEqual(daemon.start().returncode, 0)
        pid = daemon.pid()
        self.assertEqual(tcpdproc.title(pid), "tcpd: master")
        self.assertEqual(stat.S_IMODE(os.stat(daemon.pid_file).st_mode) & 0o022, 0)
        daemon.stop()
        self.assertFalse(os.path.exists(daemon.pid_file))
        self.assertFalse(os.path.exists(daemon.path))

    def test_pid_file_is_locked(self):
        daemon = self.background()
        self.assertEqual(daemon.start().returncode, 0)
        pid = daemon.pid()
        for more in ([], ["-f"]):
            done = subprocess.run([*daemon.command, *more], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                                  timeout=2 * WAIT)
            self.assertEqual(done.returncode, EX_OSERR)
            said = done.stderr.decode()
            self.assertEqual(said.count(f"a daemon with pid {pid} runs already"), 1, said)
        self.assertEqual(daemon.pid(), pid)
        daemon.connect().close()

    def test_stale_pid_file(self):
        daemon = self.background()
        self.assertEqual(daemon.start().returncode, 0)
        first = daemon.pid()
        children = children_of(first)
        os.kill(first, signal.SIGKILL)
        wait_gone([first, *children])
        self.assertEqual(daemon.pid(), first)
        self.assertEqual(daemon.start().returncode, 0)
        self.assertNotEqual(daemon.pid(), first)
        daemon.connect().close()

    def test_pid_file_of_something_else(self):
        """A longer text of whoever is not there any more leaves nothing behind."""
        daemon = self.background()
        with open(daemon.pid_file, "w", encoding="ascii") as file:
            file.write("12345678901234567890\nsomething\n")
        self.assertEqual(daemon.start().returncode, 0)
        with open(daemon.pid_file, encoding="ascii") as file:
            self.assertRegex(file.read(), r"\A\d{1,7}\n\Z")

    def test_pid_file_is_a_link(self):
        """A link that somebody has laid there is not followed."""
        daemon = self.background()
        victim = os.path.join(daemon.folder, "victim")
        os.symlink(victim, daemon.pid_file)
        self.assertEqual(daemon.start().returncode, EX_OSERR)
        self.assertFalse(os.path.exists(victim))

    def test_pid_file_cannot_be_written(self):
        daemon = self.background(pid_file="missing/tcpd.pid")
        done = daemon.start()
        self.assertEqual(done.returncode, EX_OSERR)
        self.assertEqual(done.stderr.decode().count("cannot open the pid file"), 1, done.stderr)
        self.assertIn(b"No such file or directory", done.stderr)

    def test_pid_file_is_not_permitted(self):
        if os.geteuid() != 0:
            daemon = self.background()
            os.chmod(daemon.folder, 0o500)
            self.addCleanup(os.chmod, daemon.folder, 0o700)
        else:
            daemon = self.background(prefix=tcpdproc.run_after(
                "os.setgroups([])\nos.setgid(65534)\nos.setuid(65534)"))
            os.chmod(daemon.folder, 0o755)
            if not self.can_run_as_nobody():
                self.skipTest("the program cannot be read by nobody")
        done = daemon.start()
        self.assertEqual(done.returncode, EX_NOPERM, done.stderr)
        self.assertIn(b"Permission denied", done.stderr)

    def can_run_as_nobody(self):
        command = tcpdproc.run_after("os.setgroups([])\nos.setgid(65534)\nos.setuid(65534)")
        try:
            return subprocess.run([*command, TCPD, "-V"], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, check=False).returncode == 0
        except OSError:
            return False

    def test_killed_before_it_is_up(self):
        """A daemon that dies without a word: the starter does not wait for ever."""
        daemon = self.background(pool={"processes": 32, "threads": 16})  # it takes some time
        starter = subprocess.Popen(daemon.command, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + WAIT
        forked = []
        while not forked and starter.poll() is None and time.monotonic() < deadline:
            forked = children_of(starter.pid)  # none once it has been waited for
        if forked:
            children = children_of(forked[0])
            os.kill(forked[0], signal.SIGKILL)
            wait_gone(forked + children)
        self.assertEqual((len(forked), starter.wait(WAIT)), (1, EX_OSERR))

class InTheForeground(tcpdtest.TestCase):
    def test_descriptors(self):
        """A process has what it needs and nothing that is another's."""
        daemon = self.tcpd("echo", "greet", pool={"processes": 2, "threads": 2},
                           options=["-p", os.path.join(tempfile.gettempdir(),
                                                       f"tcpd-fds-{os.getpid()}.pid")])
        for child in daemon.children():
            kinds = self.kinds(child)
            self.assertEqual(kinds, {
                "stdio": 3,
                "listener": 2,
                "channel": 1,  # to the master
                "anon_inode:[eventpoll]": 3,  # of the acceptor and two workers
                "anon_inode:[eventfd]": 4,  # as many, and the one that tells of room
            })
        self.assertEqual(self.kinds(daemon.pid), {
            "stdio": 3,
            "pid file": 1,
            "listener": 2,
            "channel": 2 + 1,  # to the children, and the control socket
            "/memfd:tcpd-scoreboard (deleted)": 1,
            "anon_inode:[eventpoll]": 1,
            "anon_inode:[eventfd]": 2,
            "anon_inode:[signalfd]": 1,
        })

    def test_replaced_child(self):
        """So has a child that took another's place, after many."""
        daemon = self.tcpd("echo", pool={"processes": 2})
        before = [self.kinds(pid) for pid in tcpdproc.processes(daemon)]
        for _ in range(2):
            children = daemon.children()
            tcpdproc.kill_child(daemon, children[0])
            tcpdproc.wait_children(daemon, 2, without=children[:1])
        tcpdproc.wait_quiet(tcpdproc.processes(daemon))
        self.assertEqual([self.kinds(pid) for pid in tcpdproc.processes(daemon)], before)

    def kinds(self, pid):
        """How many descriptors of each kind there are."""
        with open(f"/proc/{pid}/net/tcp", encoding="ascii") as file:
            listening = {line.split()[9] for line in file.readlines()[1:]
                         if line.split()[3] == "0A"}
        found = {}
        for fd, link in descriptors(pid).items():
            inode = link[len("socket:["):-1]
            kind = ("stdio" if fd < 3 else "pid file" if link.endswith(".pid") else
                    "listener" if inode in listening else
                    "channel" if link.startswith("socket:") else link)
            found[kind] = found.get(kind, 0) + 1
        return found

    def test_titles(self):
        daemon = self.tcpd("echo", pool={"processes": 2})
        self.assertEqual(tcpdproc.title(daemon.pid), "tcpd: master")
        self.assertEqual(sorted(map(tcpdproc.title, daemon.children())),
                         ["tcpd: child 1.0", "tcpd: child 1.1"])

    def test_threads_of_a_child(self):
        """The acceptor, the logger, and the fixed pool."""
        daemon = self.tcpd("echo", pool={"threads": 3})
        [child] = daemon.children()
        self.assertEqual(len(tcpdproc.threads(daemon.pid)), 1)
        names = [tcpdproc.name_of_thread(child, thread) for thread in tcpdproc.threads(child)]
        self.assertEqual(sorted(names), ["logger", "tcpd: child 1.0", "worker 0", "worker 1",
                                         "worker 2"])


class CommandLine(tcpdtest.TestCase):
    def test_version(self):
        for option in ("-V", "--version"):
            done = run(option)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertRegex(done.stdout, r"\Atcpd \d+\.\d+\.\d+\nbuilt with: .*libconfig")
            for word in ("greet", "echo", "discard", "chargen", "daytime", "time"):
                self.assertRegex(done.stdout, rf"\bservices:.*\b{word}\b")

    def test_help(self):
        for option in ("-h", "--help"):
            done = run(option)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            for word in ("--config", "--foreground", "--test", "--dump", "--set", "--pid-file",
                         "--version", "--help"):
                self.assertIn(word, done.stdout)

    def test_wrong_usage(self):
        for arguments in (["-x"], ["--no-such-option"], ["-c"], ["extra"], ["-f", "--", "extra"],
                          ["-o", "novalue"], ["-o", "=x"]):
            with self.subTest(arguments=arguments):
                done = run(*arguments)
                self.assertEqual((done.returncode, done.stdout), (EX_USAGE, ""))
                self.assertIn("--help", done.stderr)
                self.assertGreater(len(done.stderr.splitlines()), 1)

    def test_no_configuration(self):
        for more in ([], ["-f"], ["-t"]):
            done = run("-c", "/nonexistent/tcpd.conf", *more)
            self.assertEqual(done.returncode, EX_CONFIG)
            self.assertIn("/nonexistent/tcpd.conf", done.stderr)

    def test_test_binds_nothing(self):
        """-t and -T beside whoever has the address, and nothing is left behind."""
        with socket.socket() as taken, tempfile.TemporaryDirectory() as folder:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            config = os.path.join(folder, "tcpd.conf")
            path = os.path.join(folder, "sock")
            port = taken.getsockname()[1]
            with open(config, "w", encoding="utf-8") as file:
                file.write('services = ( { name = "echo"; type = "echo"; '
                           f'listen = [ "127.0.0.1:{port}", "unix:{path}" ]; }} );\n')
            for option in ("-t", "-T", "--test", "--dump"):
                with self.subTest(option=option):
                    pid_file = os.path.join(folder, "pid")
                    done = run(option, "-c", config, "-p", pid_file)
                    self.assertEqual(done.returncode, 0, done.stderr)
                    self.assertEqual(sorted(os.listdir(folder)), ["tcpd.conf"])
                    if option in ("-t", "--test"):
                        self.assertRegex(done.stdout,
                                         re.escape(config) + ": valid: 1 services on 2 addresses")

    def test_port_without_permission(self):
        if os.geteuid() != 0:
            self.skipTest("only root can be sure that nobody may")
        with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as file:
            if int(file.read()) <= 79:
                self.skipTest("here everybody may")
        drop = tcpdproc.run_after("os.setgroups([])\nos.setgid(65534)\nos.setuid(65534)")
        if subprocess.run([*drop, TCPD, "-V"], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, check=False).returncode != 0:
            self.skipTest("the program cannot be read by nobody")
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            config = os.path.join(folder, "tcpd.conf")
            with open(config, "w", encoding="utf-8") as file:
                file.write('log = { target = "stderr"; };\n'
                           'services = ( { name = "x"; type = "echo"; listen = "127.0.0.1:79"; } '
                           ');\n')
            done = subprocess.run([*drop, TCPD, "-f", "-c", config], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  timeout=2 * WAIT, check=False)
            self.assertEqual(done.returncode, EX_NOPERM, done.stderr)
            self.assertIn(b"cannot listen on 127.0.0.1:79", done.stderr)


if __name__ == "__main__":
    tcpdtest.main()
