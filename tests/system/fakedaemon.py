# SPDX-License-Identifier: MIT
"""A daemon that is none: a unix socket that answers tcpctl as the control protocol says, or worse.

    daemon = FakeDaemon(self)                 answers every command well
    daemon.answers["kill"] = [{"ok": False, "error": "no"}]
    daemon.answers["stop"] = b"rubbish\n"     bytes are sent as they are

An answer may be a function of the request, which returns the one or the other.  daemon.closes
holds the names of the commands after whose answer the connection is closed.
"""

import json
import os
import shutil
import socket
import tempfile
import threading

SERVICES = [
    {"name": "echo", "type": "echo", "state": "accepting", "addresses": ["127.0.0.1:7", "[::1]:7"],
     "active": 1, "accepted": 1234567, "rejected": 8, "received": 12600, "sent": 100, "lost": 2},
    {"name": "greet", "type": "greet", "state": "drained", "addresses": ["unix:/run/greet"],
     "active": 0, "accepted": 0, "rejected": 0, "received": 0, "sent": 0, "lost": 0},
]
CONNECTIONS = [
    {"id": "7.0.123", "service": "echo", "peer": "127.0.0.1:40112", "local": "127.0.0.1:7",
     "generation": 7, "pid": 4712, "phase": "open", "age": 3725.0, "idle": 0.35,
     "received": 6, "sent": 3 << 20, "tcp_state": "ESTABLISHED", "rtt_ms": 0.043, "retransmits": 4},
    {"id": "6.0.9", "service": "greet", "peer": "unix:", "local": "unix:/run/greet",
     "generation": 6, "pid": 4700, "phase": "lingering", "age": 12.5, "idle": 5.25,
     "received": 2048, "sent": 0},
]
STATUS = {
    "ok": True, "version": "0.1.0", "pid": 4711, "uptime": 3725.4, "state": "serving",
    "config": "/etc/tcpd.conf", "generation": 7, "processes": 1, "threads": 2, "open": 12,
    "limit": 100000, "services": 3, "listeners": 4, "log_level": "info",
    "reloads": {"ok": 3, "failed": 1}, "upgrades": {"ok": 2, "failed": 0}, "child_restarts": 5,
    "log_dropped": 6,
    "last_change": {"what": "reload", "ok": False, "age": 3.2, "error": "the file is bad"},
    "generations": [
        {"number": 7, "state": "current", "age": 90.5, "open": 2, "children": [
            {"index": 0, "pid": 4712, "state": "serving", "open": 2},
            {"index": 1, "pid": 4713, "state": "starting", "open": 0}]},
        {"number": 6, "state": "draining", "age": 90000, "open": 10, "children": []}],
}
RELOAD = {
    "ok": True, "generation": 8,
    "services": {"added": ["a"], "removed": ["b"], "changed": ["c"]},
    "listeners": {"added": ["127.0.0.1:80 (a)"], "removed": ["127.0.0.1:81 (b)"]},
    "settings": ["pool.threads"],
}


EXPLAINED = {
    "ok": True, "service": "echo", "address": "10.6.6.7", "prefix": "10.6.6.7",
    "decision": "refused",
    "rule": {"setting": "services.echo.access.deny", "at": "/etc/tcpd.conf:31",
             "entry": "10.6.6.0/24", "reason": "access"},
    "trials": [{"setting": "limits.rate", "at": "-o limits.rate", "reason": "rate"}],
    "limits": [
        {"setting": "limits.queue_delay", "at": "/etc/tcpd.conf:9", "unit": "seconds",
         "now": 0.0215, "limit": 0.05},
        {"setting": "limits.connections", "at": "default", "unit": "connections", "now": 12,
         "limit": 100000},
        {"setting": "limits.per_address", "at": "default", "unit": "connections"}],
    "notes": ["echo is drained"],
}


def left(*services):
    return {"progress": True, "open": sum(count for _, count in services),
            "services": [{"name": name, "active": count} for name, count in services]}


def default_answers():
    return {
        "status": [STATUS],
        "services": [{"ok": True, "services": SERVICES}],
        "connections": [{"ok": True, "connections": CONNECTIONS}],
        "kill": lambda request: [{"ok": True, "id": request["id"]}],
        "log": lambda request: [{"ok": True, "level": request["level"], "was": "info"}],
        "explain": [EXPLAINED],
        "metrics": [{"ok": True, "text": "# HELP a b\n# TYPE a counter\na{b=\"c\"} 1\n"}],
        "reload": [RELOAD],
        "upgrade": [{"progress": True}, {"ok": True, "generation": 9, "version": "0.2.0",
                                         "was": "0.1.0"}],
        "stop": [left(("echo", 2), ("greet", 1)), left(("echo", 1)), {"ok": True}],
        "drain": [left(("echo", 2)), left(("echo", 2)), left(("echo", 1)),
                  {"ok": True, "open": 0}],
    }


class FakeDaemon:
    def __init__(self, test, folder=None):
        self.folder = folder or tempfile.mkdtemp()
        self.path = os.path.join(self.folder, "control.sock")
        self.answers = default_answers()
        self.closes = {"stop"}
        self.requests = []
        self.connects = self.gone = 0  # clients that came, and that have left
        self.connections = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        test.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        test.addCleanup(self.leave)
        threading.Thread(target=self._accept, daemon=True).start()

    def leave(self):
        """Nobody listens there any more, and whoever is connected sees the end."""
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
            os.unlink(self.path)
        except OSError:
            pass
        self.listener.close()
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _accept(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            self.connects += 1
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            with connection, connection.makefile("rb") as lines:
                for line in lines:
                    request = json.loads(line)
                    self.requests.append(request)
                    self._answer(connection, request)
                    if request["command"] in self.closes:
                        break
        except OSError:
            pass
        self.gone += 1

    def _answer(self, connection, request):
        answer = self.answers[request["command"]]
        if callable(answer):
            answer = answer(request)
        if not isinstance(answer, bytes):
            answer = b"".join(json.dumps(line).encode() + b"\n" for line in answer)
        connection.sendall(answer)
