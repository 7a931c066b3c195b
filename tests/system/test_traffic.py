# SPDX-License-Identifier: MIT
"""The traffic generator: it notices every way in which a server can fail, and counts it exactly."""

import contextlib
import os
import re
import socket
import threading

import faulty
import tcpdproc
import tcpdtest
import traffic
from faulty import GOOD, IMPATIENT, Server, echo, greet, reset, ways
from tcpdtest import SLOW, poll_until


class Right(faulty.Case):
    """Servers that do nothing wrong."""

    def test_servers_in_python(self):
        servers = [Server(self), Server(self, right=greet),
                   Server(self, address=os.path.join(self.folder(), "s"), family=socket.AF_UNIX)]
        load = self.load(servers[0].target(), servers[1].target("greet"), servers[2].target(),
                         lasting=9)
        poll_until(lambda: load.mark()["long"]["messages"] > 50)
        report = load.assert_clean()
        self.assertEqual(sum(server.accepted for server in servers),
                         report["short"]["opened"] + report["long"]["opened"])
        for of_target, server in zip(report["targets"], servers):
            self.assertEqual(of_target["long"]["ok"], 3)
            self.assertEqual(of_target["short"]["ok"] + 3, server.accepted)
        self.assertEqual(load.said(), "")

    def test_tcpd(self):
        path = os.path.join(self.folder(), "echo")
        listen = ["127.0.0.1:0", f"unix:{path}", *(["[::1]:0"] if tcpdtest.has_ipv6() else [])]
        daemon = self.tcpd(*(tcpdtest.service(name, listen=listen) for name in ("echo",)),
                           tcpdtest.service("greet", listen=listen[::2]))
        load = traffic.start(self, traffic.targets(daemon, "echo", "greet"), rate=500, lasting=20)
        poll_until(lambda: load.mark()["short"]["ok"] >= 500)
        report = load.assert_clean()
        opened = report["short"]["opened"] + report["long"]["opened"]
        closed = poll_until(lambda: len(daemon.closed()) == opened and daemon.closed())
        self.assertEqual({line["reason"] for line in closed}, {"eof", "done"})

    def test_tcpd_that_loses_a_child(self):
        """What the child held breaks, comes back, and nobody is refused."""
        daemon = self.tcpd("echo", "greet", pool={"processes": 2})
        load = traffic.start(self, traffic.targets(daemon, "echo", "greet"), rate=500, lasting=40,
                             survivors=True)
        held = daemon.done("status")["generations"][0]["children"]
        tcpdproc.kill_child(daemon, max(held, key=lambda child: child["open"])["pid"])
        poll_until(lambda: load.mark()["long"]["broken"], what="a broken connection")
        poll_until(lambda: load.mark()["long"]["open"] == 40, what="all to be open again")
        self.assertLessEqual(load.assert_clean()["long"]["broken"], 40)
        tcpdproc.end(daemon)

    @tcpdtest.measures
    def test_costs_little(self):
        """The load that everything is tested under, with less than half of a core."""
        daemon = self.tcpd("echo", "greet", log={"level": "notice"})
        load = traffic.start(self, traffic.targets(daemon, "echo", "greet"))
        load.mark()
        poll_until(lambda: load.mark()["seconds"] >= 3)
        report = load.assert_clean()
        self.assertGreater(report["short"]["ok"], 0.9 * 2000 * report["seconds"])
        self.assertGreater(report["long"]["messages"], 0.8 * 4000 * report["seconds"])
        self.assertLess(report["cpu_seconds"] / report["seconds"], 0.5)


class Refused(faulty.Case):
    def refused(self, target, error):
        report, load = self.run_short(target)
        self.assertEqual(report["short"]["failed"], {**GOOD, "refused": report["short"]["opened"]})
        self.assertEqual(set(ways(report)), {("short", "refused", "connect", error)})
        self.assertEqual(load.process.returncode, 1)
        lines = load.said().splitlines()
        self.assertEqual(len(lines), 20, "the first ones are printed")
        self.assertRegex(lines[0], rf"^traffic: 0\.\d+ s: {re.escape(target)}: short: refused in "
                                   rf"phase connect, {error}, port \d+, ")

    def test_tcp(self):
        self.refused(f"echo:127.0.0.1:{tcpdtest.free_port()}", "ECONNREFUSED")

    def test_unix(self):
        path = os.path.join(self.folder(), "s")
        self.refused(f"echo:unix:{path}", "ENOENT")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as gone:
            gone.bind(path)
        self.refused(f"echo:unix:{path}", "ECONNREFUSED")

    def test_long_ones(self):
        load = self.load(f"echo:127.0.0.1:{tcpdtest.free_port()}", rate=0, lasting=5)
        report = load.stop()
        self.assertEqual(report["long"]["failed"], {**GOOD, "refused": 5})
        self.assertEqual(load.process.returncode, 1)


class Reset(faulty.Case):
    def test_before_a_byte(self):
        server = Server(self, reset, every=5)
        self.check_short(server, "reset", *((phase, error) for phase in ("connect", "answer")
                                            for error in ("ECONNRESET", "EPIPE")))

    def test_while_the_connect_is_not_looked_at(self):
        """So many are opened at a time that some are reset before epoll tells of them: no connect
        was refused for that."""
        server = Server(self, start=False)

        def accept_and_reset():
            with contextlib.suppress(OSError):
                while True:
                    reset(server.listener.accept()[0])

        threading.Thread(target=accept_and_reset, daemon=True).start()
        report, _ = self.run_short(server.target(), rate=20000, count=2000)
        self.assertEqual(report["short"]["failed"], {**GOOD, "reset": report["short"]["opened"]})

    def test_after_some_bytes(self):
        def some(client):
            client.sendall(client.recv(65536)[:4])
            reset(client)

        report = self.check_short(Server(self, some, every=5), "reset", ("answer", "ECONNRESET"))
        self.assertEqual(set(ways(report)), {("short", "reset", "answer", "ECONNRESET")})

    def test_at_the_end(self):
        def at_end(client):
            echo(client)
            reset(client)

        self.check_short(Server(self, at_end, every=5), "reset", ("end", "ECONNRESET"))

    def test_of_a_greeting(self):
        def at_question(client):
            client.sendall(b"Welcome!\nWhat's your name?")
            client.recv(1)
            reset(client)

        self.check_short(Server(self, at_question, every=5, right=greet), "reset",
                         ("answer", "ECONNRESET"), dialogue="greet")


class ClosedEarly(faulty.Case):
    def test_without_a_byte(self):
        self.check_short(Server(self, lambda client: client.recv(65536), every=5), "closed_early",
                         ("answer", ""))

    def test_before_the_last_byte(self):
        self.check_short(
            Server(self, lambda client: client.sendall(client.recv(65536)[:-1]), every=5),
            "closed_early", ("answer", ""))

    def test_without_good_bye(self):
        """Those that have said exit miss it, the others do not."""
        clients = []

        def rude(client):
            clients.append(faulty.Without(client, b"Good bye!\n"))
            greet(clients[-1])

        report, _ = self.run_short(Server(self, right=rude).target("greet"))
        missing = sum(client.kept_back for client in clients)
        self.assertGreater(missing, 0)
        self.assertEqual(report["short"]["failed"], {**GOOD, "closed_early": missing})
        self.assertEqual(report["short"]["ok"], len(clients) - missing)


class Wrong(faulty.Case):
    def check(self, change, **options):
        def changed(client):
            while message := client.recv(65536):
                client.sendall(change(message))

        self.check_short(Server(self, changed, every=5, **options), "wrong", ("answer", ""),
                         ("end", ""))

    def test_changed_byte(self):
        self.check(lambda message: message[:-1] + bytes([message[-1] ^ 1]))

    def test_byte_too_many(self):
        self.check(lambda message: message + b"!")

    def test_answer_twice(self):
        self.check(lambda message: message + message)

    def test_lost_byte(self):
        self.check(lambda message: message[1:])

    def test_bytes_of_another_connection(self):
        earlier = [b"1-1-1 "]

        def swap(message):
            earlier.append(message)
            return earlier[-2]

        self.check(swap)

    def test_after_the_answer(self):
        def at_end(client):
            echo(client)
            client.sendall(b"!")

        self.check_short(Server(self, at_end, every=5), "wrong", ("answer", ""), ("end", ""))

    def test_another_name(self):
        def to_all(client):
            client.sendall(b"Welcome!\nWhat's your name?")
            client.recv(65536)
            client.sendall(b"Hello Bob!\nWhat's your name?")
            client.recv(65536)

        self.check_short(Server(self, to_all, every=5, right=greet), "wrong", ("answer", ""),
                         dialogue="greet")


class Timeout(faulty.Case):
    def setUp(self):
        self.over = threading.Event()
        self.addCleanup(self.over.set)

    def silent(self, client):
        client.recv(65536)
        self.over.wait()

    def test_no_answer(self):
        self.check_short(Server(self, self.silent, every=5), "timeout", ("answer", ""),
                         slow=IMPATIENT)

    def test_no_end(self):
        def endless(client):
            echo(client)
            self.over.wait()

        self.check_short(Server(self, endless, every=5), "timeout", ("end", ""), slow=IMPATIENT)

    def test_answer_too_late(self):
        def too_late(client):
            message = client.recv(65536)
            self.over.wait(4)  # half a second is allowed
            client.sendall(message)

        if SLOW > 1:
            self.skipTest("what is too late would come in time")
        self.check_short(Server(self, too_late, every=5), "timeout", ("answer", ""),
                         slow=IMPATIENT)

    def test_answer_in_time(self):
        def late(client):
            message = client.recv(65536)
            self.over.wait(1)  # five seconds are allowed
            client.sendall(message)

        report, load = self.run_short(Server(self, late).target(), count=5, rate=20)
        load.assert_clean()
        self.assertGreater(report["slowest_ms"], 1000)

    def test_no_connection(self):
        listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.addCleanup(listener.close)
        first = socket.create_connection(listener.getsockname())  # fills the queue
        self.addCleanup(first.close)
        report, _ = self.run_short("echo:127.0.0.1:%d" % listener.getsockname()[1], rate=50,
                                   slow=IMPATIENT)
        self.assertEqual(report["short"]["failed"]["timeout"], report["short"]["opened"])
        self.assertIn(("short", "timeout", "connect", ""), ways(report))

    def test_full_unix_queue(self):
        """It waits for room as a client that blocks does, and gives up as such."""
        path = os.path.join(self.folder(), "s")
        server = Server(self, address=path, family=socket.AF_UNIX, start=False)
        server.listener.listen(0)
        report, _ = self.run_short(server.target(), slow=IMPATIENT)
        self.assertEqual(report["short"]["failed"]["timeout"], report["short"]["opened"])
        load = self.load(server.target())
        poll_until(lambda: load.mark()["short"]["opened"] > 100)
        server.start()
        load.assert_clean()


class Own(faulty.Case):
    """What is not the server's fault."""

    def test_no_descriptors(self):
        load = self.load(Server(self).target(), rate=0, lasting=30,
                         prefix=tcpdproc.with_descriptors(20))
        report = load.stop()
        self.assertEqual(report["long"]["failed"], GOOD)
        self.assertGreater(report["long"]["local"], 0)
        self.assertEqual(report["long"]["local"] + report["long"]["ok"], 30)
        self.assertEqual(ways(report),
                         {("long", "local", "connect", "EMFILE"): report["long"]["local"]})
        self.assertEqual(load.process.returncode, 2)
        self.assertRaises(AssertionError, load.assert_clean)

    def test_too_many_open(self):
        if tcpdproc.use_all_descriptors() < 5100:
            self.skipTest("too few descriptors")
        server = Server(self, start=False)
        load = self.load(server.target(), rate=20000, slow=2 * IMPATIENT)
        most = poll_until(lambda: (now := load.mark()["short"])["late"] and now)
        report = load.stop()
        self.assertLessEqual(most["open"], 5000)
        self.assertGreater(report["short"]["late"], 0)
        self.assertEqual(report["short"]["failed"]["timeout"], report["short"]["opened"])


if __name__ == "__main__":
    tcpdtest.main()
