# SPDX-License-Identifier: MIT
"""A daemon with nothing to do makes no system call at all."""

import tcpdproc
import tcpdtest
from tcpdproc import Strace, Syslog, needs_own_threads, processes, span, wait_quiet

SECONDS = 10
CONNECTIONS = 50


class Idle(tcpdtest.TestCase):
    def daemon(self, connections, **settings):
        """Fresh, with so many connections that have been answered and are silent now, whose timers
        are minutes away."""
        daemon = self.tcpd("echo", "greet", pool={"processes": 2, "threads": 2},
                           timeouts={"idle": "10m", "lifetime": "1h"}, **settings)
        for i in range(connections):
            client = daemon.connect("echo" if i % 2 else "greet")
            if i % 2:
                client.sendall(b"hello")
                client.expect(b"hello")
            else:
                client.recv_until(b"name?")
        wait_quiet(processes(daemon))
        return daemon

    def check_silent(self, *daemons):
        pids = [pid for daemon in daemons for pid in processes(daemon)]
        threads = sum(len(tcpdproc.threads(pid)) for pid in pids)
        self.assertEqual(len(pids), 3 * len(daemons))
        strace = Strace(self, pids, "-ttt")
        span(SECONDS)
        seen = strace.lines()
        strace.stop()
        # Of each thread strace shows the one call in which it sleeps.
        calls = {}
        for line in seen:
            thread, _, call = line.partition(" ")
            calls.setdefault(thread, []).append(call.strip())
        self.assertEqual(len(calls), threads, f"not all threads were seen: {calls}")
        busy = {thread: made for thread, made in calls.items() if len(made) > 1}
        self.assertEqual(busy, {}, f"system calls in {SECONDS} s of nothing to do")

    @needs_own_threads
    def test_log_on_stderr(self):
        self.check_silent(self.daemon(0), self.daemon(CONNECTIONS))

    @needs_own_threads
    def test_log_on_syslog(self):
        daemons = []
        for connections in (0, CONNECTIONS):
            syslog = Syslog(self)
            daemons.append(self.daemon(connections, log={"target": "syslog"},
                                       prefix=syslog.prefix, read_log=syslog.read))
        self.check_silent(*daemons)


if __name__ == "__main__":
    tcpdtest.main()
