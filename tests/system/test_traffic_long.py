# SPDX-License-Identifier: MIT
"""The long connections of the traffic generator, and what it is told while it runs."""

import os
import subprocess
import threading

import faulty
import tcpdtest
import traffic
from faulty import GOOD, IMPATIENT, Server, echo, greet, reset, ways
from tcpdtest import poll_until


class Long(faulty.Case):
    def check(self, server, name, phase, error="", **options):
        """Every long connection to the server fails in that way."""
        load = self.load(server.target(), rate=0, lasting=8, interval=0.01, **options)
        if phase != "end":
            poll_until(lambda: sum(load.mark()["long"]["failed"].values()) == 8)
        report = load.stop()
        self.assertEqual(report["long"]["failed"], {**GOOD, name: 8})
        self.assertEqual(ways(report), {("long", name, phase, error): 8})
        self.assertEqual(load.process.returncode, 1)
        return report

    @staticmethod
    def after(messages, then):
        """Echoes so many messages and does something else."""
        def serve(client):
            for _ in range(messages):
                client.sendall(client.recv(65536))
            then(client)

        return serve

    def test_wrong_answer(self):
        def wrong(client):
            client.sendall(b"?" + client.recv(65536)[1:])
            echo(client)

        report = self.check(Server(self, self.after(5, wrong)), "wrong", "answer")
        self.assertEqual(report["long"]["messages"], 8 * 5)

    def test_the_answer_before(self):
        def again(client):
            message = client.recv(65536)
            client.sendall(message)
            client.recv(65536)
            client.sendall(message)
            echo(client)

        self.check(Server(self, self.after(5, again)), "wrong", "answer")

    def test_no_answer(self):
        over = threading.Event()
        self.addCleanup(over.set)
        self.check(Server(self, self.after(5, lambda client: over.wait())), "timeout", "answer",
                   slow=IMPATIENT)

    def at_rest(self, then):
        return self.after(1, lambda client: (then(client), echo(client)))

    def quiet(self, server, name, error=""):
        """What happens while nothing is asked is noticed then, not with the next message."""
        load = self.load(server.target(), rate=0, lasting=8, interval=60)
        poll_until(lambda: sum(load.mark()["long"]["failed"].values()) == 8)
        report = load.stop()
        self.assertEqual(report["long"]["failed"], {**GOOD, name: 8})
        self.assertLessEqual(set(ways(report)), {("long", name, "rest", error),
                                                 ("long", name, "answer", error)})

    def test_closed_at_rest(self):
        self.quiet(Server(self, self.after(1, lambda client: None)), "closed_early")

    def test_reset_at_rest(self):
        self.quiet(Server(self, self.after(1, reset)), "reset", "ECONNRESET")

    def test_unasked_at_rest(self):
        self.quiet(Server(self, self.at_rest(lambda client: client.sendall(b"!"))), "wrong")

    def test_no_orderly_end(self):
        def at_end(client):
            echo(client)
            reset(client)

        self.check(Server(self, at_end), "reset", "end", "ECONNRESET")

    def test_ends_of_greet(self):
        """Some say exit, the others half-close, and both ends are seen."""
        said = []

        def listen(client):
            client.sendall(b"Welcome!\nWhat's your name?")
            while name := client.recv(65536):
                said.append(name)
                if name == b"exit\n":
                    client.sendall(b"Good bye!\n")
                    return
                client.sendall(b"Hello " + name[:-1] + b"!\nWhat's your name?")
            said.append(b"")

        load = self.load(Server(self, listen).target("greet"), rate=0, lasting=8)
        load.assert_clean()
        self.assertEqual((said.count(b"exit\n"), said.count(b"")), (4, 4))
        names = [name for name in said if name not in (b"exit\n", b"")]
        self.assertEqual(len(names), len(set(names)), "a name came twice")


class Survivors(faulty.Case):
    def test_are_opened_again(self):
        server = Server(self, Long.after(3, reset), every=2)
        load = self.load(server.target(), rate=0, lasting=10, interval=0.01, survivors=True)
        now = poll_until(lambda: (now := load.mark())["long"]["broken"] >= 5 and now)
        self.assertEqual(now["long"]["failed"], GOOD)
        poll_until(lambda: load.mark()["long"]["open"] == 10, what="all to be open again")
        report = load.stop()
        self.assertEqual(load.process.returncode, 0, load.said())
        self.assertEqual(report["targets"][0]["long"]["broken"], report["long"]["broken"])
        self.assertGreater(report["long"]["opened"], 10)
        self.assertEqual(report["long"]["opened"],
                         report["long"]["ok"] + report["long"]["broken"])

    def test_short_ones(self):
        server = Server(self, lambda client: client.recv(65536), every=4)
        report, load = self.run_short(server.target(), survivors=True)
        self.assertEqual(report["short"]["broken"], server.faults)
        self.assertEqual(report["short"]["ok"], server.accepted - server.faults)
        self.assertEqual((load.process.returncode, load.said()), (0, ""))

    def test_refused_is_no_break(self):
        path = os.path.join(self.folder(), "s")
        report, load = self.run_short(f"echo:unix:{path}", survivors=True)
        self.assertEqual(report["short"]["failed"]["refused"], report["short"]["opened"])
        self.assertEqual(load.process.returncode, 1)

    def test_wrong_is_no_break(self):
        server = Server(self, lambda client: client.sendall(b"?" * len(client.recv(999))))
        report, load = self.run_short(server.target(), survivors=True)
        self.assertEqual(report["short"]["failed"]["wrong"], server.accepted)
        self.assertEqual(load.process.returncode, 1)


class Commands(faulty.Case):
    def test_mark(self):
        load = self.load(Server(self).target(), lasting=4)
        first = load.mark("first")
        poll_until(lambda: load.mark("next")["short"]["ok"] > 40)
        last = load.mark("last")
        since = load.mark("none")["since"]
        self.assertLess(since["short"]["ok"], 40)
        self.assertGreater(last["short"]["ok"], first["short"]["ok"])
        self.assertEqual(last["long"]["open"], 4)
        load.assert_clean()

    def test_gap(self):
        """The longest time without a completed connection, of the whole and since the mark."""
        go = threading.Event()
        go.set()

        def stop_and_go(client):
            message = client.recv(65536)
            go.wait()
            client.sendall(message)

        load = self.load(Server(self, stop_and_go).target())
        poll_until(lambda: load.mark()["short"]["ok"] > 20)
        go.clear()
        load.mark()
        gap = poll_until(lambda: (now := load.mark()["since"]["longest_gap_ms"]) > 700 and now)
        go.set()
        poll_until(lambda: load.mark()["since"]["short"]["ok"] > 20)
        poll_until(lambda: load.mark()["since"]["longest_gap_ms"] < 500)
        self.assertGreaterEqual(load.assert_clean()["longest_gap_ms"], gap)

    def test_add_and_remove(self):
        first, second = Server(self), Server(self, right=greet)
        load = self.load(first.target(), lasting=6)
        self.assertEqual(load.add(second.target("greet"))["long"]["open"], 6)
        poll_until(lambda: second.accepted > 20)
        removed = load.remove(second.target("greet"))
        self.assertEqual((removed["long"]["ok"], removed["long"]["open"]), (6, 0))
        self.assertEqual((removed["short"]["ok"], removed["short"]["open"]),
                         (removed["short"]["opened"], 0))
        before, at_first = second.accepted, first.accepted
        poll_until(lambda: first.accepted > at_first + 20)
        self.assertEqual(second.accepted, before, "a new one after the removal")
        load.add(second.target("greet"))
        report = load.assert_clean()
        self.assertEqual(report["targets"][1]["long"]["ok"], 12)

    def test_end_of_a_removed_one_is_held_to_order(self):
        def at_end(client):
            echo(client)
            reset(client)

        server = Server(self, at_end)
        load = self.load(Server(self).target(), server.target(), lasting=8, rate=0)
        self.assertEqual(load.remove(server.target())["long"]["failed"], {**GOOD, "reset": 4})
        self.assertEqual(load.stop()["long"]["ok"], 4)
        self.assertEqual(load.process.returncode, 1)

    def test_wrong_commands(self):
        target = Server(self).target()
        load = self.load(target)
        for wrong in (load.add, load.remove):
            with self.assertRaises(AssertionError):
                wrong("echo:nowhere")
        with self.assertRaisesRegex(AssertionError, "is there already"):
            load.add(target)
        load.assert_clean()

    def test_time(self):
        load = self.load(Server(self).target(), lasting=2, seconds=0.5, wait=False)
        self.assertEqual(load.process.wait(load.timeout), 0)
        report = load.assert_clean()
        self.assertEqual(report["end"], "time")
        self.assertGreaterEqual(report["seconds"], 0.5)

    def test_end_of_input(self):
        load = self.load(Server(self).target(), lasting=2)
        load.process.stdin.close()
        self.assertEqual(load.process.wait(load.timeout), 0)
        self.assertEqual(load._wait("end")["end"], "eof")

    def test_wrong_usage(self):
        for wrong in ([], ["--rate=-1", "echo:127.0.0.1:7"], ["--interval=0", "echo:127.0.0.1:7"],
                      ["--nonsense", "echo:127.0.0.1:7"], ["echo"], ["other:127.0.0.1:7"],
                      ["echo:127.0.0.1:70000"], ["echo:127.0.0.1"], ["echo:[::1:7"],
                      ["echo:unix:name"], ["echo:unix:/" + 120 * "x"]):
            done = subprocess.run([traffic.PROGRAM, *wrong], stdin=subprocess.DEVNULL, timeout=60,
                                  capture_output=True, check=False)
            self.assertEqual((done.returncode, done.stdout), (64, b""), wrong)
            self.assertNotEqual(done.stderr, b"", wrong)


if __name__ == "__main__":
    tcpdtest.main()
