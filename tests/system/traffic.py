# SPDX-License-Identifier: MIT
"""The traffic generator for system tests (tests/traffic): connections that notice what they lose.

    class Reload(tcpdtest.TestCase):
        def test_loses_nothing(self):
            daemon = self.tcpd("echo", "greet")
            load = traffic.start(self, traffic.targets(daemon, "echo", "greet"))
            reload(daemon)
            self.assertLess(load.mark("reloaded")["since"]["longest_gap_ms"], 200)
            load.assert_clean()

start() returns when the first long connections are open and have had an answer.  mark() gives the
counts so far, and under "since" those since the last mark; stop() ends it in order and gives the
last ones.  assert_clean() stops it if need be and holds it to "nothing failed, and it did work".
A test that ends without either stops it as well: start it after the daemon, for it is to end first.
"""

import contextlib
import json
import os
import queue
import subprocess
import tempfile
import threading

import tcpdtest
from tcpdtest import SLOW, WAIT

PROGRAM = os.environ.get("TRAFFIC") or os.path.join(
    os.environ.get("top_builddir", "."), "tests/traffic/traffic")

# What begins the answer to a command; to none of them: what ends it.
ANSWERS = {"mark": "mark", "add": "added", "remove": "removed", "": "end"}


def target(dialogue, address):
    """A target as the generator reads it, of an address as tcpd logs it."""
    host, colon, port = address.rpartition(":")
    if not address.startswith("unix:"):
        host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)
    return f"{dialogue}:{host}{colon}{port}"


def targets(daemon, *names):
    """All addresses of some services of a daemon, whose names begin with their types."""
    found = []
    for name in names:
        dialogue = "greet" if name.startswith("greet") else "echo"
        found += [target(dialogue, address) for address in daemon.addresses(name)]
    return found


def start(test, wanted, wait=True, **options):
    """Starts it for a test; see Traffic for the options."""
    load = Traffic(wanted, **options)
    test.addCleanup(load.end)
    if wait:
        load.wait_ready()
    return load


class Traffic:
    """A running generator.  `rate`: short connections a second, `lasting`: how many long ones,
    `interval`: seconds between their messages, `seconds`: the time it runs for, `survivors`: a
    connection that breaks is no failure, `slow`: what its time-outs are multiplied with, `prefix`:
    a command that executes it."""

    def __init__(self, wanted, rate=2000, lasting=200, interval=0.05, seconds=0, survivors=False,
                 slow=SLOW, prefix=()):
        arguments = [f"--rate={rate:g}", f"--long={lasting}", f"--interval={interval * 1000:g}"]
        if seconds:
            arguments.append(f"--time={seconds:g}")
        if survivors:
            arguments.append("--survivors")
        self.rate, self.lasting = rate, lasting
        self.timeout = WAIT + 20 * slow  # until it has ended: the server may be waited for thrice
        self.report = None  # the last one, when it has ended
        self.stderr = tempfile.TemporaryFile("w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [*prefix, PROGRAM, *arguments, *wanted], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=self.stderr, text=True, bufsize=1,
            env={**os.environ, "TCPD_TEST_SLOW": str(slow)},
            preexec_fn=tcpdtest.die_with_parent)
        self.lines = {key: queue.Queue() for key in ANSWERS.values()}
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        """It is never kept waiting by its output."""
        for text in self.process.stdout:
            line = json.loads(text)
            key = next(iter(line))
            self.lines[ANSWERS[line["command"]] if key == "error" else key].put(line)
        for key in ANSWERS.values():
            self.lines[key].put(None)

    def said(self):
        """What it has complained of so far."""
        self.stderr.seek(0)
        return self.stderr.read()

    def _wait(self, key, value=None):
        try:
            line = self.lines[key].get(timeout=self.timeout)
        except queue.Empty:
            raise AssertionError(f"traffic says no {key!r}:\n{self.said()}") from None
        if line is None:
            self.lines[key].put(None)
            raise AssertionError(f"traffic has ended without {key!r}:\n{self.said()}")
        if "error" in line:
            raise AssertionError(f"{value}: {line['error']}")
        if value is not None and line[key] != value:
            raise AssertionError(f"traffic said {key} of {line[key]!r}, not of {value!r}")
        return line

    def _tell(self, command, value=""):
        if "\n" in value:
            raise ValueError(value)
        self.process.stdin.write(f"{command} {value}".rstrip() + "\n")

    # What a test does with it.

    def wait_ready(self):
        """The report of the moment when every first long connection had an answer, or failed."""
        return self._wait("mark", "ready")

    def mark(self, name="here"):
        """The counts so far."""
        self._tell("mark", name)
        return self._wait("mark", name)

    def add(self, new):
        """One more target; waits until its long connections have had an answer, or failed."""
        self._tell("add", new)
        return self._wait("added", new)

    def remove(self, old):
        """No new connections to a target; waits until the last one has ended, and gives its
        counts."""
        self._tell("remove", old)
        return self._wait("removed", old)

    def stop(self):
        """Ends the long ones in order, waits for what is open, and gives the last report."""
        if self.report is None:
            with contextlib.suppress(BrokenPipeError):  # its time may be over
                self._tell("stop")
            self.report = self._wait("end")
            self.process.wait(self.timeout)
        return self.report

    def assert_clean(self, late=False):
        """It has failed nowhere, and it was no empty exercise.  `late`: it may have skipped short
        connections because too many were open."""
        report = self.stop()
        wrong = []
        for kind, wanted in (("short", self.rate), ("long", self.lasting)):
            counts = report[kind]
            wrong += [f"{kind}: {what} {n}" for what, n in counts["failed"].items() if n]
            if counts["local"]:
                wrong.append(f"{kind}: faults of the generator itself {counts['local']}")
            if counts["late"] and not late:
                wrong.append(f"{kind}: not opened {counts['late']}")
            if wanted and not counts["ok"]:
                wrong.append(f"{kind}: none has come to a good end")
            if not counts["opened"] == sum((counts["ok"], counts["broken"], counts["local"],
                                            *counts["failed"].values())):
                wrong.append(f"{kind}: the counts do not add up: {counts}")
        if self.lasting and not report["long"]["messages"]:
            wrong.append("long: no message was answered")
        if self.process.returncode != 0 and not wrong:
            wrong.append(f"it has left with status {self.process.returncode}")
        if wrong:
            raise AssertionError("\n".join([*wrong, json.dumps(report["failures"]), self.said()]))
        return report

    def end(self):
        """After a test, whatever became of it."""
        try:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
            self.process.wait(self.timeout)
        finally:
            self.process.kill()
            self.process.wait()
            self.reader.join(WAIT)
            self.process.stdout.close()
            self.stderr.close()
