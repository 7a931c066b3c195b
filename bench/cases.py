# SPDX-License-Identifier: MIT
"""What is measured.  Each case returns a Table; a figure that could not be had is None."""

import contextlib
import dataclasses
import os
import statistics
import sys
import time

import measure
import pipes
import servers
from measure import CALLGRIND, STRACE, Load


@dataclasses.dataclass
class Table:
    name: str  # of the chart, too
    title: str
    columns: list
    rows: list = dataclasses.field(default_factory=list)  # (server, note, figures...)
    remark: str = ""


@dataclasses.dataclass
class Effort:
    """How much of everything: a full run, or a quick one."""
    rounds: int = 5
    requests: int = 200000
    connections: int = 20000
    gigabytes: int = 2
    idle: int = 9000
    held: int = 18000
    rest: int = 5  # seconds until memory is looked at: some tidy up late
    slow: int = 5000
    refusals: int = 30000
    counted: tuple = (1000, 6000)
    peers: bool = True


QUICK = Effort(rounds=2, requests=60000, connections=5000, gigabytes=1, idle=4000, held=4000,
               rest=1, slow=1000, refusals=10000, counted=(500, 2000), peers=False)


def say(text):
    print(f"  … {text}", file=sys.stderr, flush=True)


missed = set()


def present(candidates):
    """Those that are installed; a word, once, for each that is not."""
    for server in candidates:
        if not server.is_there() and server.name not in missed:
            missed.add(server.name)
            say(f"{server.name} is skipped: there is no {server.program}")
    return [server for server in candidates if server.is_there()]


# --- Servers take turns ---


def take_turns(candidates, rounds, mode, *options):
    """For each server the results of its turns: A B C, A B C, …  One that fails is left out."""
    running, results = {}, {}
    try:
        for server in candidates:
            running[server.name] = server.start()
            results[server.name] = []
        for number in range(rounds + 1):
            for server in [server for server in candidates if server.name in results]:
                try:
                    turn = measure.under_load(running[server.name], mode, *options, *server.ask)
                except measure.Failure as failure:
                    say(f"{server.name} is left out: {failure}")
                    del results[server.name]
                    continue
                if number > 0:  # the first round warms up
                    results[server.name].append(turn)
    finally:
        for server in running.values():
            server.stop()
    return results


def spread(values):
    return (statistics.median(values), min(values), max(values))


def paired(results, name, reference, key):
    """The ratios to the reference, each of two turns of one round."""
    return spread([mine[key] / theirs[key] if theirs[key] else 0
                   for mine, theirs in zip(results[name], results[reference])])


# What stands behind a ratio: the column, the figure of a turn, and what to multiply it by.
FIGURES = [("CPU, µs", "cpu_us", 1), ("rate, 1/s", "rate", 1), ("p50, µs", "p50_us", 1),
           ("p99, µs", "p99_us", 1)]


def compare(name, title, candidates, rounds, mode, *options, figures=FIGURES, remark=""):
    """Ratios of CPU to the first candidate, and what is behind them."""
    say(title)
    results = take_turns(candidates, rounds, mode, *options)
    table = Table(name, title, ["CPU, ratio", *[column for column, _, _ in figures]], remark=remark)
    for server in candidates:
        turns = results.get(server.name)
        row = [None] * len(table.columns)
        if turns:
            row = [paired(results, server.name, candidates[0].name, "cpu_us"),
                   *[factor * statistics.median(turn[key] for turn in turns)
                     for _, key, factor in figures]]
        table.rows.append((server.name, server.note, *row))
    return table


# --- The cases ---


def echo(effort):
    peers = [servers.bare_thread(), servers.memcached(), servers.redis(), servers.nginx(),
             servers.haproxy(), servers.socat(), servers.lesson()] if effort.peers else []
    return compare("echo", "Echo of 64 bytes, 50 connections",
                   present([servers.bare_epoll(), servers.tcpd(), *peers]), effort.rounds,
                   "request", "-n", effort.requests, "-l", 10)


def echo_many(effort):
    peers = [servers.bare_thread(), servers.memcached(), servers.redis()] if effort.peers else []
    return compare("echo_many", "Echo of 64 bytes, 500 connections",
                   present([servers.bare_epoll(), servers.tcpd(), *peers]), effort.rounds,
                   "request", "-c", 500, "-n", effort.requests, "-l", 10)


def echo_beside_idle(effort):
    return compare("echo_idle", f"Echo of 64 bytes, 50 connections, {effort.idle} silent beside",
                   [servers.bare_epoll(), servers.tcpd()], effort.rounds,
                   "request", "-i", effort.idle, "-n", effort.requests, "-l", 10)


def bulk(effort):
    peers = [servers.bare_thread(), servers.nginx(), servers.haproxy(),
             servers.socat()] if effort.peers else []
    size = effort.gigabytes
    return compare("bulk", f"Bulk echo of {size} GiB over one connection",
                   present([servers.bare_epoll(), servers.tcpd(), *peers]), effort.rounds,
                   "bulk", "-s", f"{size}G",
                   figures=[("CPU, ms for a GiB", "cpu_us", 0.001 / size),
                            ("GiB/s", "gib_per_s", 1)])


def short(effort):
    peers = [servers.bare_thread(), servers.memcached(2), servers.redis(), servers.nginx(2),
             servers.haproxy(2)] if effort.peers else []
    candidates = [servers.bare_epoll(2), servers.tcpd("tcpd, 1 worker", note="and its acceptor"),
                  servers.bare_epoll(),
                  servers.tcpd("tcpd", 2, note="2 workers, and the acceptor"),
                  servers.tcpd("tcpd, access log", 2, True, "as before"), *peers]
    return compare("short", "Short connections (connect, one echo of 64 bytes, close), 50 at once",
                   present(candidates), effort.rounds, "short", "-n", effort.connections,
                   "-l", 10)


def short_processes(effort):
    """Those that take a process for each connection are slower by another order."""
    candidates = [servers.bare_epoll(2), servers.tcpd("tcpd", 2), servers.xinetd(),
                  servers.tcpserver(), servers.socat(), servers.ncat(), servers.lesson()]
    return compare("short_processes", "Short connections, 10 at once, against a process for each",
                   present(candidates), min(effort.rounds, 3), "short", "-c", 10, "-n", 2000,
                   "-l", 10)


def slow_peers(effort):
    """p99 of 50 connections without and with slow ones beside, in turns."""
    say("slow peers")
    table = Table("slow", f"50 connections beside {effort.slow} slow peers, which send or read a "
                  "byte every five seconds", ["p99, ratio", "p50, µs", "p99, µs", "max, µs"])
    work = ("request", "-n", 2 * effort.requests, "-l", 10)
    for server in (servers.bare_epoll(), servers.tcpd()):
        alone, beside = f"{server.name}, alone", f"{server.name}, beside them"
        results = {alone: [], beside: []}
        with server.start() as running:
            for _ in range(effort.rounds):
                results[alone].append(measure.under_load(running, *work))
                results[beside].append(measure.under_load(running, *work, "-w", effort.slow))
        for side, turns in results.items():
            medians = [statistics.median(turn[key] for turn in turns)
                       for key in ("p50_us", "p99_us", "max_us")]
            table.rows.append((side, "", paired(results, side, alone, "p99_us"), *medians))
    return table


def memory(effort):
    peers = [servers.bare_thread(), servers.memcached(), servers.redis(), servers.nginx(),
             servers.haproxy(), servers.lesson()] if effort.peers else []
    table = Table("memory", "Resident memory of an idle connection, which has spoken once",
                  ["bytes each", "connections", "bytes each, after they left"])
    for server in present([servers.bare_epoll(), servers.tcpd(), *peers]):
        say(f"memory of {server.name}")
        count = min(server.holds, effort.held)
        table.rows.append((server.name, server.note, *held(server, count, effort.rest)))
    return table


def held(server, count, rest):
    """RSS with `count` connections less RSS with none, for each; and the same after they left."""
    with server.start() as running:
        running.settle()
        before = running.memory()
        try:
            with Load(running.port, "hold", "-c", count, *server.ask) as load:
                load.go()
                time.sleep(rest)
                full = running.memory()
                load.end()
            running.settle()
            time.sleep(rest)
        except measure.Failure as failure:
            say(str(failure))
            return None, count, None
        return (full - before) / count, count, (running.memory() - before) / count


def drive(mode, server):
    def work(running, pieces):
        with Load(running.port, mode, "-n", pieces, *server.ask) as load:
            load.go()
            load.end()
        running.settle()

    return work


def count(server, tool, mode, effort):
    if not measure.works(tool):
        return None
    try:
        return measure.counts_of(server.start, tool, drive(mode, server), *effort.counted)
    except measure.Failure as failure:
        say(" ".join(f"{server.name}: {failure}".split()))
        return None


def counts(effort):
    peers = [servers.bare_thread(), servers.memcached(), servers.redis(), servers.nginx(),
             servers.haproxy()] if effort.peers else []
    ours = [servers.tcpd(), servers.tcpd("tcpd, access log", 1, True)]
    table = Table("counts", "Counts: what one request and one short connection cost, 50 at once",
                  ["calls/request", "instructions/request", "calls/connection",
                   "instructions/connection"],
                  remark="Without an access log where nothing else is said; – could not be had: "
                  "memcached does not start under valgrind.")
    names = Table("calls", "System calls of tcpd by name, for each", ["request", "connection"])
    for server in present([servers.bare_epoll(), *ours, *peers]):
        say(f"counts of {server.name}")
        found = [count(server, tool, mode, effort) for mode in ("request", "short")
                 for tool in (STRACE, CALLGRIND)]
        table.rows.append((server.name, server.note,
                           *[sum(each.values()) if each else None for each in found]))
        if server.name == "tcpd" and found[0] and found[2]:
            for name in sorted(set(found[0]) | set(found[2])):
                if max(found[0].get(name, 0), found[2].get(name, 0)) > 0.004:
                    names.rows.append((name, "", found[0].get(name, 0), found[2].get(name, 0)))
    return [table, names]


def workers(effort):
    """One worker and two, driven by a load generator with two threads."""
    processors = len(os.sched_getaffinity(0))
    remark = ("" if processors >= 4 else f"This machine has {processors} processors, which the "
              "load generator shares: the rates do not tell what two workers can do.")
    return compare("workers", "One worker and two, 50 connections",
                   [servers.tcpd("1 worker"), servers.tcpd("2 workers", 2)], effort.rounds,
                   "request", "-t", 2, "-n", effort.requests, "-l", 10, remark=remark)


def shares(effort):
    """How long connections spread over workers: the largest share to the fair one."""
    table = Table("shares", "Share of 1,000 long connections, the largest to the fair one",
                  ["ratio", "connections of each worker"])
    for threads in (2, 4):
        with servers.tcpd(threads=threads).start() as running, \
                Load(running.port, "hold", "-c", 1000) as load:
            load.go()
            child = measure.children_of(running.pid)[0]
            found = sorted(measure.watched_by_epoll(child))[-threads:]
            found = [each - 1 for each in found]  # without the one that wakes the worker
            load.end()
        table.rows.append((f"{threads} workers", "", max(found) * threads / sum(found),
                           " ".join(map(str, found))))
    return table


def start_up(effort):
    """From the start of the program to the first byte echoed."""
    table = Table("start", "From the start to the first echo", ["ms, median", "least", "most"])
    for services in (1, 1000):
        say(f"start with {services} service(s)")
        took = [first_echo(services) * 1000 for _ in range(2 * effort.rounds + 1)]
        table.rows.append((f"tcpd, services: {services}", "", *spread(took)))
    return table


def first_echo(services):
    """All services stand on one port, each on an address of its own; the last one is asked."""
    hosts = [f"127.2.{1 + number // 250}.{1 + number % 250}" for number in range(services)]

    def argv(folder, port):
        every = [servers.echo_service(port, f"echo{n}", host) for n, host in enumerate(hosts)]
        return [servers.TCPD, "-f", "-c", servers.write(folder, "c", servers.tcpd_conf(every))]

    with measure.Running(argv, host=hosts[-1], speaks_echo=True) as running:
        return running.took


# --- Refusals ---


def flood(running, host, count=0):
    """An attack that ends after so many connections, or with what it is beside."""
    most = count or 100_000_000
    return measure.Beside("flood", servers.ATTACKER, host, running.port, most, 60)


def refuse_many(running, host, count):
    """What refusing costs, while nothing else is done."""
    before = running.cpu()
    with flood(running, host, count) as attack:
        attack.process.wait()
    done = attack.said["done"]
    return {"cpu_us": (running.cpu() - before) * 1e6 / done, "rate": attack.said["rate"]}


def refusals(effort):
    say("refusals")
    table = Table("refusals", "Refusals: connections from one address, as fast as one thread makes "
                  "them, nothing else being done", ["CPU, ratio", "CPU, µs", "rate, 1/s"])
    candidates = [servers.bare_refusing(), *map(servers.tcpd_refusing, servers.RULES)]
    running, held, results = {}, [], {server.name: [] for server in candidates}
    try:
        for server in candidates:
            running[server.name] = server.start()
            if server is not candidates[0]:
                held.append(servers.use_up(running[server.name].port))
        for number in range(effort.rounds + 1):
            for server in candidates:
                host = measure.HOST if server is candidates[0] else servers.GUARDED
                turn = refuse_many(running[server.name], host, effort.refusals)
                if number > 0:
                    results[server.name].append(turn)
    finally:
        for server in running.values():
            server.stop()
    for server in candidates:
        turns = results[server.name]
        table.rows.append((server.name, server.note,
                           paired(results, server.name, candidates[0].name, "cpu_us"),
                           *[statistics.median(turn[key] for turn in turns)
                             for key in ("cpu_us", "rate")]))
    return table


def beside(running, work, busy=None, keeps_busy=()):
    """Echo while something else is busy: what a request costs the worker, and which part of the
    time the other took, in its own process and in the threads that it keeps busy."""
    child = measure.children_of(running.pid)[0]

    def looked():
        acceptor = measure.precise_cpu_of(child, child)
        taken = [busy.cpu()] if busy else []
        return [running.cpu() - acceptor, *taken,
                *[measure.precise_cpu_of(*thread) for thread in keeps_busy]]

    with busy or contextlib.nullcontext(), Load(running.port, *work) as load:
        begun, before = time.monotonic(), looked()
        turn = load.go()
        seconds = time.monotonic() - begun
        worker, *taken = [after - then for after, then in zip(looked(), before)]
        load.end()
    turn["cpu_us"] = worker * 1e6 / turn["done"]
    turn["shares"] = [each / seconds for each in taken]
    turn["taken"] = sum(turn["shares"])
    turn["refused"] = busy.said.get("rate", 0) if busy else 0
    return turn


def beside_refusals(effort):
    """Echo of others: beside an attack that tcpd refuses in the same process; beside something
    that takes as much CPU and does nothing; and beside the same attack on somebody else."""
    say("echo beside refusals")
    names = ["alone", "beside refusals", "beside a burner of as much CPU",
             "beside another server's refusals"]
    results = {name: [] for name in names}
    work = ("request", "-n", effort.requests // 4, "-l", 10)  # short turns: all meet the same noise
    with servers.tcpd_refusing("access list").start() as running, \
            servers.bare_refusing().start() as other:
        child = measure.children_of(running.pid)[0]
        for number in range(3 * effort.rounds + 1):
            turns = [beside(running, work)]
            turns.append(beside(running, work, flood(running, servers.GUARDED),
                                [(child, child)]))
            turns.append(beside(running, work, measure.Beside("burn", *turns[1]["shares"])))
            turns.append(beside(running, work, flood(other, measure.HOST), [(other.pid,)]))
            if number > 0:
                for name, turn in zip(names, turns):
                    results[name].append(turn)
    table = Table("beside_refusals", "Echo of 64 bytes, 50 connections, beside refusals",
                  ["CPU of a request, ratio", "rate, ratio", "p99, ratio", "rate, 1/s", "p50, µs",
                   "p99, µs", "processors taken", "refusals, 1/s"],
                  remark="Ratios are to the turn beside the burner, of the same round.")
    for name, turns in results.items():
        medians = [statistics.median(turn[key] for turn in turns)
                   for key in ("rate", "p50_us", "p99_us", "taken", "refused")]
        ratios = [paired(results, name, names[2], key) for key in ("cpu_us", "rate", "p99_us")]
        table.rows.append((name, "", *ratios, *medians))
    return table


# --- Clients ---


def pipe(effort):
    """Clients in turns through one echo: the ratios are to tcpc."""
    say("clients as pipes")
    size = effort.gigabytes << 30
    table = Table("pipe", f"Clients as a pipe: {effort.gigabytes} GiB each way at once, through "
                  "an echo", ["time, ratio", "CPU, ratio", "GiB/s", "CPU, ms for a GiB"])
    with servers.bare_epoll().start() as running:
        every = pipes.clients(measure.HOST, str(running.port))
        results = {name: [] for name, _, _ in every}
        for number in range(effort.rounds + 1):
            for name, _, command in every:
                turn = pipes.through(command, size)
                if number > 0:  # the first round warms up
                    results[name].append(turn)
    for name, note, _ in every:
        seconds, cpu = [statistics.median(turn[key] for turn in results[name])
                        for key in ("seconds", "cpu_s")]
        table.rows.append((name, note, paired(results, name, "tcpc", "seconds"),
                           paired(results, name, "tcpc", "cpu_s"), effort.gigabytes / seconds,
                           cpu * 1000 / effort.gigabytes))
    return table


QUICK_CASES = [counts, memory, echo, short, bulk, echo_beside_idle, slow_peers,
               refusals, beside_refusals, shares, start_up]
ALL_CASES = [counts, memory, echo, echo_many, echo_beside_idle, short, short_processes, bulk,
             slow_peers, refusals, beside_refusals, workers, shares, start_up, pipe]
