# SPDX-License-Identifier: MIT
"""The status service: HTTP with /metrics, /healthz and /readyz."""

import email.utils
import http.client
import os
import re
import shutil
import signal
import subprocess
import time
import unittest

import prometheus
import tcpdchange
import tcpdproc
import tcpdtest
from tcpdtest import poll_until, service

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MANY = 300  # services: their metrics are more than a connection's buffers hold


def request(path="/healthz", method="GET", version="1.1", fields="", body=""):
    host = "Host: status\r\n" if version == "1.1" else ""
    return f"{method} {path} HTTP/{version}\r\n{host}{fields}\r\n{body}".encode("latin-1")


def read_chunks(client):
    body = b""
    while True:
        length = int(client.recv_until(b"\r\n"), 16)
        body += client.recv_exact(length)
        client.expect(b"\r\n")
        if length == 0:
            return body


class Answer:
    """Reads exactly one answer: status, fields by their names in lower case, body."""

    def __init__(self, client, is_head=False):
        head = client.recv_until(b"\r\n\r\n").decode("ascii")
        line, *fields = head[:-4].split("\r\n")
        match = re.fullmatch(r"HTTP/1\.1 (\d{3}) ([A-Za-z ]+)", line)
        if not match:
            raise AssertionError(f"not a status line: {line!r}")
        self.status = int(match.group(1))
        self.fields = {}
        for field in fields:
            name, value = re.fullmatch(r"([A-Za-z-]+): (\S.*)", field).groups()
            if name.lower() in self.fields:
                raise AssertionError(f"a field twice: {head!r}")
            self.fields[name.lower()] = value
        self.body = b"" if is_head else self._read_body(client)
        self.text = self.body.decode("ascii")

    def _read_body(self, client):
        if "transfer-encoding" in self.fields:
            if self.fields["transfer-encoding"] != "chunked" or "content-length" in self.fields:
                raise AssertionError(f"framing in doubt: {self.fields}")
            return read_chunks(client)
        if "content-length" in self.fields:
            return client.recv_exact(int(self.fields["content-length"]))
        return client.recv_until_eof()

    def closes(self):
        return self.fields.get("connection") == "close"


def ask(client, *args, **kwargs):
    client.sendall(request(*args, **kwargs))
    return Answer(client, kwargs.get("method") == "HEAD")


def metrics(daemon):
    """What the daemon has counted, asked on a connection of its own."""
    with daemon.connect("status") as client:
        answer = ask(client, "/metrics", fields="Connection: close\r\n")
        client.expect_eof()
    if answer.status != 200:
        raise AssertionError(f"/metrics: {answer.status} {answer.text}")
    return prometheus.parse(answer.text)


def of(name, wanted, **labels):
    """The key of a sample."""
    return f"tcpd_{name}" + "{" + ",".join(
        f'{label}="{value}"' for label, value in {"service": wanted, **labels}.items()) + "}"


class Resources(tcpdtest.TestCase):
    def setUp(self):
        self.daemon = self.tcpd("status")
        self.client = self.daemon.connect("status")

    def test_metrics(self):
        answer = ask(self.client, "/metrics")
        self.assertEqual((answer.status, answer.fields["content-type"]), (200, METRICS_TYPE))
        self.assertEqual(answer.fields["cache-control"], "no-store")
        date = email.utils.parsedate_to_datetime(answer.fields["date"]).timestamp()
        self.assertLess(abs(date - time.time()), 5 * tcpdtest.SLOW)
        samples = prometheus.parse(answer.text)
        self.assertLess(abs(samples["tcpd_start_time_seconds"] - time.time()), 60 * tcpdtest.SLOW)
        self.assertEqual(samples["tcpd_generation"], 1)
        self.assertGreater(samples["tcpd_connections_limit"], 0)
        version = re.search(r"started version=(\S+)", self.daemon.log()).group(1)
        self.assertEqual(samples[f'tcpd_build_info{{version="{version}"}}'], 1)

    def test_the_manual_names_what_is_printed(self):
        with open(os.path.join(os.environ["srcdir"], "man", "tcpd.8"), encoding="utf-8") as file:
            page = re.search(r"^\.Ss Metrics$(.*?)^\.Sh ", file.read(), re.M | re.S).group(1)
        told = set(re.findall(r"tcpd_[a-z_]*[a-z]\b(?!_)", page))
        said = set(re.findall(r"^# HELP (\w+)", ask(self.client, "/metrics").text, re.M))
        self.assertEqual(told, said)

    def test_health_and_readiness(self):
        for path in ("/healthz", "/readyz"):
            answer = ask(self.client, path)
            self.assertEqual((answer.status, answer.text), (200, "ok\n"))
            self.assertEqual(answer.fields["content-type"], "text/plain; charset=utf-8")

    def test_index_names_the_others(self):
        answer = ask(self.client, "/")
        self.assertEqual(answer.status, 200)
        for path in re.findall(r'href="([^"]+)"', answer.text):
            self.assertEqual(ask(self.client, path).status, 200, path)
        self.assertEqual(answer.text.count("href"), 3)

    def test_query_is_ignored(self):
        self.assertEqual(ask(self.client, "/healthz?a=b/c").text, "ok\n")

    def test_head_is_the_head_of_get(self):
        for path in ("/", "/healthz", "/readyz", "/nothing"):
            get, head = ask(self.client, path), ask(self.client, path, method="HEAD")
            for fields in (get.fields, head.fields):
                del fields["date"]
            self.assertEqual((head.status, head.fields), (get.status, get.fields))
        head = ask(self.client, "/metrics", method="HEAD")
        self.assertEqual((head.status, head.fields["content-type"]), (200, METRICS_TYPE))
        self.assertEqual(ask(self.client).status, 200)

    def test_a_client_of_the_library(self):
        client = http.client.HTTPConnection(*self.daemon.address("status").split(":"))
        for path, status in (("/metrics", 200), ("/healthz", 200), ("/no", 404)):
            for method in ("GET", "HEAD"):
                client.request(method, path)
                answer = client.getresponse()
                self.assertEqual((answer.status, bool(answer.read())), (status, method == "GET"))
        client.close()
        self.assertEqual(metrics(self.daemon)[of("connections_accepted_total", "status")], 2 + 1)

    @unittest.skipUnless(shutil.which("curl"), "there is no curl")
    def test_curl(self):
        url = f"http://{self.daemon.address('status')}"
        said = subprocess.run(["curl", "-sSf", f"{url}/metrics"], check=True, capture_output=True)
        prometheus.parse(said.stdout.decode())
        said = subprocess.run(["curl", "-sS", "-w", "%{http_code} ", "-d", "x=y",
                               f"{url}/readyz", f"{url}/healthz"],
                              check=True, capture_output=True)
        self.assertEqual(said.stdout, b"Method Not Allowed\n405 " * 2)


class Connections(tcpdtest.TestCase):
    def setUp(self):
        self.daemon = self.tcpd("status", pool={"threads": 1})
        self.client = self.daemon.connect("status")

    def reason(self):
        return self.daemon.wait_closed(self.client)["reason"]

    def test_stays(self):
        for _ in range(100):
            answer = ask(self.client)
            self.assertFalse(answer.closes())
        self.client.close()
        self.assertEqual(self.reason(), "eof")

    def test_close(self):
        self.assertTrue(ask(self.client, fields="Connection: close\r\n").closes())
        self.client.expect_eof()
        self.client.close()
        self.assertEqual(self.reason(), "done")

    def test_1_0_closes(self):
        self.assertTrue(ask(self.client, version="1.0").closes())
        self.client.expect_eof()

    def test_1_0_stays_when_asked_to(self):
        for _ in range(3):
            answer = ask(self.client, version="1.0", fields="Connection: keep-alive\r\n")
            self.assertEqual(answer.fields["connection"], "keep-alive")
        self.assertTrue(ask(self.client, version="1.0").closes())
        self.client.expect_eof()

    def test_pipelined(self):
        asked = [("/healthz", "ok\n"), ("/nothing", "Not Found\n"), ("/metrics", "# HELP")] * 100
        sender = tcpdtest.Sender(self.client, b"".join(request(path) for path, _ in asked))
        for path, begin in asked:
            self.assertTrue(Answer(self.client).text.startswith(begin), path)
        sender.join()
        self.assertFalse(self.client.has_input(within=0.05))

    def test_pipelined_before_the_first_answer_and_then_the_end(self):
        sent = request("/metrics") * 20 + request("/readyz") + request("/healthz", method="HEAD")
        self.client.sendall(sent)
        self.client.finish()
        for _ in range(20):
            prometheus.parse(Answer(self.client).text)
        self.assertEqual(Answer(self.client).text, "ok\n")
        self.assertEqual(Answer(self.client, is_head=True).status, 200)
        self.client.expect_eof()
        self.assertEqual(self.reason(), "eof")

    def test_half_close_behind_a_request(self):
        self.client.sendall(request())
        self.client.finish()
        self.assertEqual(Answer(self.client).text, "ok\n")
        self.client.expect_eof()

    def test_half_close_in_a_request(self):
        self.client.sendall(request()[:-3])
        self.client.finish()
        answer = Answer(self.client)
        self.assertEqual((answer.status, answer.closes()), (400, True))
        self.client.expect_eof()

    def test_half_close_without_a_request(self):
        self.client.finish()
        self.client.expect_eof()

    def test_byte_by_byte(self):
        for byte in request("/readyz"):
            self.client.sendall(bytes([byte]))
        self.assertEqual(Answer(self.client).status, 200)

    def test_bodies_are_skipped(self):
        for length in (0, 1, 5, 65536):
            body = "GET / HTTP/1.1\r\n\r\n" * 10000
            fields = f"Content-Length: {length}\r\n"
            answer = ask(self.client, method="POST", fields=fields, body=body[:length])
            self.assertEqual((answer.status, answer.closes()), (405, False))
        self.assertEqual(ask(self.client).text, "ok\n")

    def test_a_body_that_is_too_long_is_not_waited_for(self):
        self.client.sendall(request(method="PUT", fields="Content-Length: 10000000\r\n"))
        self.assertTrue(Answer(self.client).closes())
        tcpdtest.Sender(self.client, bytes(1 << 20), finish=True).join()
        self.client.expect_eof()

    def test_nothing_is_done_between_requests(self):
        """A connection that waits for a request has no turns."""
        ask(self.client, "/metrics")
        self.client.sendall(request() * 10 + b"GET /healthz HT")
        for _ in range(10):
            Answer(self.client)
        tcpdproc.wait_quiet(tcpdproc.processes(self.daemon))
        self.client.sendall(b"TP/1.0\r\n\r\n")
        self.assertEqual(Answer(self.client).status, 200)


class Errors(tcpdtest.TestCase):
    def setUp(self):
        self.daemon = self.tcpd("status")

    def check(self, sent, status, closes=True):
        client = self.daemon.connect("status")
        client.sendall(sent)
        answer = Answer(client)
        self.assertEqual((answer.status, answer.closes()), (status, closes), sent[:80])
        self.assertNotIn(b"MARK", answer.body)
        self.assertNotIn("MARK", str(answer.fields))
        if closes:
            client.expect_eof()
        else:
            self.assertEqual(ask(client).status, 200)
        client.close()
        return answer

    def test_not_found(self):
        for path in ("/MARK", "/metrics/", "/metrics/MARK", "//metrics", "/" + "MARK" * 500,
                     "/../metrics", "/%6Detrics", "/metrics%00"):
            self.check(request(path), 404, closes=False)

    def test_methods(self):
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "MARK", "get"):
            answer = self.check(request("/metrics", method), 405, closes=False)
            self.assertEqual(answer.fields["allow"], "GET, HEAD")

    def test_malformed(self):
        for sent in (b"MARK\r\n\r\n", b"GET /MARK\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n",
                     request(fields="Host: MARK\r\n"), request(fields=" MARK: x\r\n"),
                     request(fields="A: x\r\n MARK\r\n"), request(fields="MARK : x\r\n"),
                     request(fields="A: MARK\rMARK\r\n"), request(fields="A: MARK\0\r\n"),
                     request("/MARK\x7f"), request(fields="Content-Length: MARK\r\n"),
                     request(fields="Content-Length: 1\r\nContent-Length: 2\r\n"),
                     b"\x16\x03\x01\x02\x00\x01\n\n"):
            self.check(sent, 400)

    def test_too_long(self):
        self.check(b"GET /" + b"MARK" * 3000, 414)
        self.check(request(fields="A: " + "MARK" * 3000 + "\r\n"), 431)
        self.check(request(fields="A: MARK\r\n" * 3000), 431)
        self.check(b"\r\n" * 8192, 431)

    def test_versions(self):
        self.check(b"GET /MARK HTTP/2.0\r\n\r\n", 505)
        self.check(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505)

    def test_chunked_requests(self):
        chunked = "Transfer-Encoding: chunked\r\n"
        self.check(request(method="POST", fields=chunked, body="4\r\nMARK\r\n0\r\n\r\n"), 405)
        self.check(request(fields=chunked + "Content-Length: 3\r\n"), 400)
        self.check(request(fields="Transfer-Encoding: gzip, chunked\r\n"), 501)

    def test_what_comes_behind_an_error_is_no_request(self):
        client = self.daemon.connect("status")
        client.sendall(b"MARK\r\n\r\n" + request())
        self.assertEqual(Answer(client).status, 400)
        client.expect_eof()


class Counts(tcpdtest.TestCase):
    def test_what_echo_did(self):
        """Any child tells of all of them."""
        daemon = self.tcpd("status", "echo", pool={"processes": 2, "threads": 2})
        open_ones = [daemon.connect("echo") for _ in range(3)]
        for i in range(20):
            client = daemon.connect("echo")
            client.sendall(bytes(100 + i))
            client.recv_exact(100 + i)
            client.close()
            daemon.wait_closed(client)
        for client in open_ones:
            client.sendall(b"x")
            client.expect(b"x")
        size = sum(100 + i for i in range(20)) + 3
        # The peer may have an answer before the thread that sent it has counted it.
        poll_until(lambda: tcpdchange.services(daemon)["echo"]["sent"] == size)
        samples = metrics(daemon)
        for name, value in {
                of("connections_accepted_total", "echo"): 23,
                of("connections_active", "echo"): 3,
                of("connections_closed_total", "echo", reason="eof"): 20,
                of("connections_closed_total", "echo", reason="reset"): 0,
                of("connections_lost_total", "echo"): 0,
                of("received_bytes_total", "echo"): size,
                of("sent_bytes_total", "echo"): size,
                of("connection_duration_seconds_count", "echo"): 20,
                of("connections_active", "status"): 1,
                "tcpd_queue_length": 0,
                "tcpd_queue_wait_seconds_count": 24}.items():
            self.assertEqual(samples[name], value, name)

    def test_rejected(self):
        limits = {"connections": 1, "overload": "reset"}
        daemon = self.tcpd("status", service("echo", limits=limits))
        client = daemon.connect("echo")
        client.sendall(b"x")
        client.expect(b"x")
        for _ in range(3):
            try:
                daemon.connect("echo").expect_reset()
            except ConnectionResetError:
                pass  # as early as in connect
        key = of("connections_rejected_total", "echo", reason="connections")
        poll_until(lambda: metrics(daemon)[key] == 3)

    def test_a_child_that_died(self):
        daemon = self.tcpd("status", "echo")
        clients = [daemon.connect("echo") for _ in range(2)]
        for client in clients:
            client.sendall(b"12345")
            client.expect(b"12345")
        before = metrics(daemon)
        tcpdproc.kill_child(daemon, daemon.children()[0])
        poll_until(lambda: len(daemon.children()) == 1)
        after = metrics(daemon)
        lost = of("connections_lost_total", "echo")
        self.assertEqual((before[lost], after[lost]), (0, 2))
        self.assertEqual(after[of("connections_active", "echo")], 0)
        for key, value in before.items():
            if "_total" in key or "_bucket" in key:
                self.assertGreaterEqual(after[key], value, key)
        tcpdproc.end(daemon)


class Reloads(tcpdtest.TestCase):
    def reload(self, key, value):
        self.daemon.signal(signal.SIGHUP)
        poll_until(lambda: metrics(self.daemon)[key] == value, what=f"{key} {value}")

    def test_counted_and_nothing_goes_back(self):
        self.daemon = daemon = self.tcpd("status", "echo")
        kept, echo = daemon.connect("status"), daemon.connect("echo")
        self.assertFalse(ask(kept).closes())
        echo.sendall(b"x")
        echo.expect(b"x")
        before = metrics(daemon)
        self.reload('tcpd_reloads_total{result="ok"}', 1)
        # Its generation waits for echo, but not for a client that asks for ever.
        poll_until(lambda: ask(kept).closes())
        kept.expect_eof()
        kept.close()
        echo.sendall(b"y")
        echo.expect(b"y")
        echo.close()
        poll_until(lambda: len(daemon.children()) == 1, what="the end of the old generation")
        with open(daemon.config, "a", encoding="utf-8") as file:
            file.write("nonsense = 1;\n")
        self.reload('tcpd_reloads_total{result="failed"}', 1)
        after = metrics(daemon)
        self.assertEqual((before["tcpd_generation"], after["tcpd_generation"]), (1, 2))
        self.assertEqual(after[of("received_bytes_total", "echo")], 2)
        self.assertEqual(after[of("connections_active", "echo")], 0)
        for key, value in before.items():
            if "_total" in key or "_bucket" in key or "_count" in key:
                self.assertGreaterEqual(after[key], value, key)


class Limits(tcpdtest.TestCase):
    """It is a service like the others."""

    def test_idle(self):
        daemon = self.tcpd(service("status", timeouts={"idle": 0.3}))
        silent, asked = daemon.connect("status"), daemon.connect("status")
        ask(asked, "/metrics")
        for client in (silent, asked):
            client.expect_eof()
            client.close()
            self.assertEqual(daemon.wait_closed(client)["reason"], "idle")

    def test_limit(self):
        limits = {"connections": 1, "overload": "reset"}
        daemon = self.tcpd(service("status", limits=limits))
        inside = daemon.connect("status")
        self.assertEqual(ask(inside).status, 200)
        def sent_away():
            try:
                with daemon.connect("status") as client:
                    ask(client)
                    return False
            except (ConnectionResetError, BrokenPipeError):
                return True
        self.assertTrue(sent_away())
        self.assertEqual(ask(inside).status, 200)

    def test_unix_socket(self):
        path = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"tcpd-status-{os.getpid()}")
        daemon = self.tcpd(service("status", listen=f"unix:{path}"))
        self.assertEqual(ask(daemon.connect("status")).text, "ok\n")

    def test_readiness_ends_with_the_order_to_stop(self):
        daemon = self.tcpd("status", "echo")
        kept, late = daemon.connect("status"), daemon.connect("status")
        open_one = daemon.connect("echo")
        open_one.sendall(b"x")
        open_one.expect(b"x")
        self.assertEqual(ask(kept, "/readyz").status, 200)
        self.assertEqual(ask(late, "/readyz").status, 200)
        daemon.signal(signal.SIGTERM)
        daemon.wait_log(r"[:\]] stopping\b")
        answer = ask(kept, "/readyz")
        self.assertEqual((answer.status, answer.text), (503, "stopping\n"))
        poll_until(lambda: self.closes_soon(daemon, late, open_one))
        self.assertEqual(daemon.wait_left(), 0)
        daemon.check_accounts()

    def closes_soon(self, daemon, late, open_one):
        """Once the child knows of the drain, an answer is the last one of its connection."""
        answer = ask(late)
        self.assertEqual(answer.text, "ok\n")
        if not answer.closes():
            return False
        late.expect_eof()
        daemon.close_clients()
        open_one.close()
        return True


class Large(tcpdtest.TestCase):
    """The metrics of many services go out in pieces."""

    def setUp(self):
        names = [f"service-{i}" for i in range(MANY)]
        self.daemon = self.tcpd("status", "echo", *(service(name, "discard") for name in names),
                                pool={"threads": 1}, timeouts={"write": 1.0})

    def test_chunked(self):
        client = self.daemon.connect("status")
        for _ in range(3):
            answer = ask(client, "/metrics")
            self.assertEqual(answer.fields["transfer-encoding"], "chunked")
            samples = prometheus.parse(answer.text)
            self.assertEqual(len([key for key in samples if "_active{" in key]), MANY + 2)
        head = ask(client, "/metrics", method="HEAD")
        self.assertEqual(head.fields["transfer-encoding"], "chunked")
        self.assertEqual(ask(client).text, "ok\n")

    def test_1_0_is_ended_by_the_close(self):
        client = self.daemon.connect("status")
        answer = ask(client, "/metrics", version="1.0", fields="Connection: keep-alive\r\n")
        self.assertNotIn("transfer-encoding", answer.fields)
        self.assertTrue(answer.closes())
        prometheus.parse(answer.text)
        client.expect_eof()

    def test_a_slow_reader_with_more_requests_than_are_kept(self):
        """It gets everything in the end; meanwhile the same thread serves others."""
        client = self.daemon.connect("status", receive_buffer=4096)
        sent = request("/metrics") * 10 + request("/readyz") * 4000
        sender = tcpdtest.Sender(client, sent, finish=True)
        echo = self.daemon.connect("echo")
        for _ in range(10):
            for _ in range(20):
                echo.sendall(b"x")
                echo.expect(b"x")
            prometheus.parse(Answer(client).text)
        for _ in range(4000):
            self.assertEqual(Answer(client).text, "ok\n")
        client.expect_eof()
        sender.join()

    @tcpdproc.needs_own_memory
    def test_memory_of_readers_that_take_nothing(self):
        child = self.daemon.children()[0]
        ask(self.daemon.connect("status"), "/metrics")
        before = tcpdtest.memory_of(child)
        clients = [self.daemon.connect("status", receive_buffer=4096) for _ in range(50)]
        for client in clients:
            client.sendall(request("/metrics") * 50)
        for client in clients:
            self.assertEqual(self.daemon.wait_closed(client)["reason"], "write_timeout")
        self.assertLess(tcpdtest.memory_of(child) - before, 50 * 256 * 1024)


if __name__ == "__main__":
    tcpdtest.main()
