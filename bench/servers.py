# SPDX-License-Identifier: MIT
"""The servers that take part: tcpd, the bare references, and what Debian has of the kind.

Each runs in the foreground out of a folder that is thrown away, on a free port of the loopback
address; nothing below /etc is read for it that the programs do not insist on."""

import contextlib
import dataclasses
import os
import shutil
import socket
import sys
import threading

import measure

HERE = os.path.dirname(os.path.abspath(__file__))
BUILT = os.environ.get("top_builddir", ".")
TCPD = os.environ.get("TCPD", "./tcpd")


@dataclasses.dataclass
class Server:
    name: str
    argv: object  # of the folder and the port
    program: str = ""  # that has to be installed
    ask: tuple = ()  # options of bench/load, for one that does not speak echo
    short_lived: bool = False  # a thread or process for each connection
    proxies: bool = False  # to the bare epoll loop, whose own cost is not counted
    holds: int = 0  # idle connections that its memory is measured with
    note: str = ""

    def is_there(self):
        return not self.program or bool(shutil.which(self.program))

    def start(self, prefix=()):
        return measure.Running(self.argv, prefix, self.short_lived)


def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    return path


# --- tcpd ---


class LogSink:
    """A log that takes every line and forgets it, on a socket as syslog's."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "log")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.lines = 0
        threading.Thread(target=self.drain, daemon=True).start()

    def drain(self):
        room = bytearray(2048)
        while self.socket.recv_into(room):
            self.lines += 1


def tcpd_conf(services, threads=1, log='target = "none"; access = false;'):
    """As the others, it stays root under root: its folders, and tools, are root's."""
    user = 'user = "root";\n' if os.geteuid() == 0 else ""
    return (f"{user}pool = {{ threads = {threads}; }};\nlog = {{ {log} }};\n"
            f"services = (\n{', '.join(services)}\n);\n")


def echo_service(port, name="echo", host=measure.HOST):
    return f'{{ name = "{name}"; type = "echo"; listen = "{host}:{port}"; }}'


def tcpd(name="tcpd", threads=1, access=False, note=""):
    """Limits, time-outs and counters are at their defaults, which is on."""

    def argv(folder, port):
        log = 'target = "none"; access = false;'
        if access:
            log = f'target = "syslog"; socket = "{LogSink(folder).path}"; access = true;'
        path = write(folder, "tcpd.conf", tcpd_conf([echo_service(port)], threads, log))
        return [TCPD, "-f", "-c", path]

    return Server(name, argv, holds=18000, note=note)


# --- One that refuses ---

ATTACKER = "127.0.0.2"  # who is refused
GUARDED = "127.0.0.3"  # where, on the port on which everybody has echo

RULES = {
    "access list": f'access = {{ deny = [ "{ATTACKER}" ]; }};',
    "rate": 'limits = { rate = "1/h"; burst = 1; };',
    "per address": "limits = { per_address = 1; };",
}


def tcpd_refusing(rule, note=""):
    """Its notices go to a log, as ever: no more than a few a second are about refusals."""

    def argv(folder, port):
        log = f'target = "syslog"; socket = "{LogSink(folder).path}"; access = false;'
        guarded = echo_service(port, "guarded", GUARDED)[:-1] + RULES[rule] + " }"
        services = [guarded, echo_service(port)]  # in order: who can reach echo can reach both
        return [TCPD, "-f", "-c", write(folder, "tcpd.conf", tcpd_conf(services, 1, log))]

    return Server(f"tcpd, {rule}", argv, note=note)


def use_up(port):
    """The one connection that a limit lets in, from the attacker; it is to stay open."""
    with contextlib.suppress(ConnectionResetError):
        return socket.create_connection((GUARDED, port), measure.PATIENCE, (ATTACKER, 0))


def bare_refusing():
    return Server("bare epoll", lambda folder, port: [f"{BUILT}/bench/bare_epoll", str(port), "1",
                                                      "refuse"],
                  note="accepts and resets, whoever it is")


# --- Bare references ---


def bare_epoll(threads=1):
    name = "bare epoll" if threads == 1 else f"bare epoll, {threads} threads"
    return Server(name, lambda folder, port: [f"{BUILT}/bench/bare_epoll", str(port), str(threads)],
                  holds=18000, note="a listener for each thread (SO_REUSEPORT)")


def bare_thread():
    return Server("thread each", lambda folder, port: [f"{BUILT}/bench/bare_thread", str(port)],
                  short_lived=True, holds=2000, note="a thread for each connection, in C")


def lesson():
    return Server("Python lesson",
                  lambda folder, port: [sys.executable, f"{HERE}/lesson.py", str(port)],
                  short_lived=True, holds=500, note="a thread for each connection, in Python")


# --- Peers that answer a small request of their own protocol ---


def memcached(threads=1):
    def argv(folder, port):
        return ["memcached", "-u", "root", "-l", measure.HOST, "-p", str(port), "-U", "0",
                "-t", str(threads), "-c", "19000", "-m", "64"]

    return Server("memcached", argv, "memcached", ask=("-q", "mn\r\n", "-a", "MN\r\n"),
                  holds=18000, note="the request is mn, 4 bytes")


def redis():
    def argv(folder, port):
        return ["redis-server", "--bind", measure.HOST, "--port", str(port), "--dir", folder,
                "--save", "", "--appendonly", "no", "--maxclients", "19000", "--daemonize", "no",
                "--protected-mode", "no"]

    text = "m" * 40
    return Server("redis", argv, "redis-server", holds=18000, note="the request is ECHO, 64 bytes",
                  ask=("-q", f"*2\r\n$4\r\nECHO\r\n$40\r\n{text}\r\n", "-a", f"$40\r\n{text}\r\n"))


# --- Proxies to a bare epoll loop ---

behind = []  # that loop, once it is wanted


def upstream():
    if not behind:
        behind.append(bare_epoll().start())
    return f"{measure.HOST}:{behind[0].port}"


def end_upstream():
    while behind:
        behind.pop().stop()


NGINX = """
daemon off;
worker_processes {threads};
worker_rlimit_nofile 20000;
user root;
pid {folder}/pid;
error_log {folder}/error;
{module}
events {{ worker_connections 19900; }}
stream {{ server {{ listen {host}:{port} backlog=4096; proxy_pass {upstream}; }} }}
"""


def nginx(threads=1):
    def argv(folder, port):
        module = "/usr/lib/nginx/modules/ngx_stream_module.so"
        load = f"load_module {module};" if os.path.exists(module) else ""
        text = NGINX.format(threads=threads, folder=folder, module=load, host=measure.HOST,
                            port=port, upstream=upstream())
        return ["nginx", "-p", folder, "-e", f"{folder}/error", "-c",
                write(folder, "nginx.conf", text)]

    return Server("nginx stream", argv, "nginx", proxies=True, holds=9000,
                  note="proxies")


HAPROXY = """
global
    nbthread {threads}
    maxconn 9900
    log /dev/null local0
defaults
    mode tcp
    timeout connect 5s
    timeout client 5m
    timeout server 5m
frontend front
    bind {host}:{port} backlog 4096
    default_backend back
backend back
    server bare {upstream}
"""


def haproxy(threads=1):
    def argv(folder, port):
        text = HAPROXY.format(threads=threads, host=measure.HOST, port=port, upstream=upstream())
        return ["haproxy", "-db", "-f", write(folder, "haproxy.cfg", text)]

    return Server("haproxy", argv, "haproxy", proxies=True, holds=9000,
                  note="proxies")


# --- A process for each connection ---

XINETD = """
defaults
{{
    instances = UNLIMITED
    per_source = UNLIMITED
    cps = 1000000 1
}}
service echo
{{
    type = UNLISTED
    socket_type = stream
    protocol = tcp
    user = root
    server = /bin/cat
    wait = no
    bind = {host}
    port = {port}
}}
"""


def xinetd():
    def argv(folder, port):
        path = write(folder, "xinetd.conf", XINETD.format(host=measure.HOST, port=port))
        return ["xinetd", "-dontfork", "-f", path, "-filelog", f"{folder}/log",
                "-pidfile", f"{folder}/pid"]

    return Server("xinetd", argv, "xinetd", short_lived=True, note="executes cat")


def tcpserver():
    def argv(folder, port):
        return ["tcpserver", "-HRDl0", "-c", "1000", "-b", "1000", measure.HOST, str(port), "cat"]

    return Server("tcpserver", argv, "tcpserver", short_lived=True, note="executes cat")


def socat():
    def argv(folder, port):
        return ["socat", f"TCP-LISTEN:{port},bind={measure.HOST},fork,reuseaddr,backlog=1000",
                "PIPE"]

    return Server("socat", argv, "socat", short_lived=True, note="a process and a pipe")


def ncat():
    def argv(folder, port):
        return ["ncat", "-lk", "-m", "1000", measure.HOST, str(port), "-e", "/bin/cat"]

    return Server("ncat", argv, "ncat", short_lived=True, note="executes cat")
