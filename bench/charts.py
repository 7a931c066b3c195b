# SPDX-License-Identifier: MIT
"""The charts of a run, drawn by gnuplot."""

import os
import shutil
import subprocess

GNUPLOT = """
set terminal svg size {width},{height} font "sans-serif,13" background "white" name "chart"
set output "{path}"
set title "{title}"
set style data histogram
set style histogram {style}
set style fill solid 0.9 noborder
set boxwidth 0.85
set grid ytics linecolor "#dddddd"
set errorbars 0.6 linecolor "#333333" linewidth 1
set border 3 linecolor "#888888"
set xtics nomirror rotate by -25 scale 0 textcolor "black"
set ytics nomirror textcolor "black"
set ylabel "{unit}"
set key top left
{scale}
$data << END
{data}
END
plot {plots}
"""

COLOURS = ["#1f6f8b", "#e07b39"]


def centre(value):
    return value[0] if isinstance(value, tuple) else value


def data_line(label, values):
    numbers = []
    for value in values:
        numbers.append("?" if value is None else f"{centre(value):.6g}")
        if isinstance(value, tuple):
            numbers += [f"{value[1]:.6g}", f"{value[2]:.6g}"]
    return " ".join([f'"{label}"', *numbers])


def draw(path, title, unit, series, rows, logarithmic=False):
    """`rows`: a label and one value for each of the series; a value may be a (median, least,
    most), and then all are."""
    spread = isinstance(rows[0][1], tuple)
    rows = [row for row in rows if all(value is not None for value in row[1:])]
    step = 3 if spread else 1
    plots = []
    for number, name in enumerate(series):
        column = 2 + number * step
        using = f"{column}:{column + 1}:{column + 2}" if spread else f"{column}"
        labels = ":xtic(1)" if number == 0 else ""
        key = f'title "{name}"' if name else "notitle"
        plots.append(f'$data using {using}{labels} {key} linecolor rgb "{COLOURS[number]}"')
    scale = "set logscale y\nset yrange [1:*]" if logarithmic else "set yrange [0:*]"
    script = GNUPLOT.format(
        path=path, title=title, unit=unit, scale=scale, width=760, height=360,
        style="errorbars gap 1 linewidth 1" if spread else "clustered gap 1",
        data="\n".join(data_line(row[0], row[1:]) for row in rows), plots=", ".join(plots))
    subprocess.run(["gnuplot"], input=script, text=True, check=True)


def column(table, index):
    return {row[0]: row[2 + index] for row in table.rows}


def joined(first, second):
    """Rows of those that are in both."""
    return [(name, value, second[name]) for name, value in first.items()
            if value is not None and second.get(name) is not None]


def draw_all(tables, folder):
    """What there are tables for; says so where there is no gnuplot."""
    if not shutil.which("gnuplot"):
        print("no charts: there is no gnuplot")
        return
    os.makedirs(folder, exist_ok=True)
    by_name = {table.name: table for table in tables}
    ratio = "CPU, bare epoll loop = 1"
    for name in ("echo", "echo_many", "short", "short_processes", "bulk"):
        if name in by_name:
            draw(f"{folder}/{name}.svg", by_name[name].title, ratio, [""],
                 [(label, value) for label, value in column(by_name[name], 0).items() if value])
    if "memory" in by_name:
        rows = [(name, max(value, 1)) for name, value in column(by_name["memory"], 0).items()
                if value is not None]
        draw(f"{folder}/memory.svg", by_name["memory"].title, "bytes", [""], rows, True)
    if "counts" in by_name:
        table = by_name["counts"]
        draw(f"{folder}/instructions.svg", "User instructions", "instructions",
             ["a request", "a short connection"], joined(column(table, 1), column(table, 3)), True)
    if "echo" in by_name and "short" in by_name:
        short = column(by_name["short"], 0)
        short["bare epoll"] = short.get("bare epoll, 2 threads")
        draw(f"{folder}/overview.svg", "What a server adds to the work of the kernel", ratio,
             ["echo of 64 bytes", "short connection"],
             joined(column(by_name["echo"], 0), short))
