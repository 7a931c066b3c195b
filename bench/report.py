# SPDX-License-Identifier: MIT
"""The tables of a run, as text for a terminal that is Markdown as well."""

import os
import platform
import subprocess

import measure
import servers


def number(value):
    if value is None:
        return "–"
    if isinstance(value, tuple):  # median, least, most
        return f"{number(value[0])} ({number(value[1])}–{number(value[2])})"
    if isinstance(value, str):
        return value
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 100 else f"{value:.0f}"


def cells(table):
    noted = any(row[1] for row in table.rows)
    head = ["", *table.columns] + (["how"] if noted else [])
    rows = [[name, *map(number, figures)] + ([note] if noted else [])
            for name, note, *figures in table.rows]
    return head, rows


def aligned(line, widths, right):
    return "| " + " | ".join(cell.rjust(width) if is_right else cell.ljust(width)
                             for cell, width, is_right in zip(line, widths, right)) + " |"


def text(table):
    head, rows = cells(table)
    widths = [max(len(line[column]) for line in [head, *rows]) for column in range(len(head))]
    figures = len(table.columns)
    right = [0 < column <= figures for column in range(len(head))]
    rule = "|" + "|".join("-" * (width + 1) + (":" if is_right else "-")
                          for width, is_right in zip(widths, right)) + "|"
    lines = [f"## {table.title}", "", aligned(head, widths, right), rule]
    lines += [aligned(row, widths, right) for row in rows]
    if table.remark:
        lines += ["", table.remark]
    return "\n".join(lines) + "\n"


def processor():
    for line in measure.read("/proc/cpuinfo").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def first_line(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).strip().partition("\n")[0]


def conditions(load_before):
    """What a reader has to know of the machine and of the hour."""
    control = measure.read("/proc/sys/net/ipv4/tcp_congestion_control").strip()
    flags = [flag for flag in os.environ.get("TCPD_BUILT_WITH", "").split() if flag[1] != "W"]
    facts = {
        "program": " ".join([first_line(servers.TCPD, "-V") + ":", *flags]),
        "processors": f"{len(os.sched_getaffinity(0))} × {processor()}",
        "kernel": platform.release(),
        "congestion control": control,
        "load average before": " ".join(f"{value:.2f}" for value in load_before),
        "load average after": " ".join(f"{value:.2f}" for value in os.getloadavg()),
    }
    return "".join(f"* {name}: {value.strip()}\n" for name, value in facts.items())
