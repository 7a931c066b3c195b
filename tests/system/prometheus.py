# SPDX-License-Identifier: MIT
"""The text format of Prometheus, read as strictly as promtool does."""

import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"({NAME})(\{{{LABEL}(?:,{LABEL})*\}})? (\d+(?:\.\d+)?)")
META = re.compile(rf"# (HELP|TYPE) ({NAME}) (.+)")
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count")}


def fail(why, line):
    raise AssertionError(f"{why}: {line!r}")


def _meta(line, families):
    """A HELP begins a family, and its TYPE follows."""
    match = META.fullmatch(line) or fail("neither HELP nor TYPE", line)
    what, name, text = match.groups()
    if what == "HELP":
        if name in families:
            fail("a second HELP", line)
        families[name] = None
        return
    if not families or list(families)[-1] != name or families[name]:
        fail("a TYPE that does not follow its HELP", line)
    if text not in ("counter", "gauge", "histogram"):
        fail("an unknown type", line)
    families[name] = text


def _sample(line, families, samples):
    match = SAMPLE.fullmatch(line) or fail("no sample", line)
    name, labels, value = match.groups()
    family = list(families)[-1] if families else fail("no HELP before", line)
    kind = families[family] or fail("no TYPE before", line)
    if name not in [family + suffix for suffix in SUFFIXES.get(kind, ("",))]:
        fail(f"a sample below {family}", line)
    if (kind == "counter") != name.endswith("_total"):
        fail("a counter is called _total, and nothing else is", line)
    key = name + (labels or "")
    if key in samples:
        fail("a second time", line)
    samples[key] = float(value) if "." in value else int(value)


def _check_histograms(families, samples):
    for name in (name for name, kind in families.items() if kind == "histogram"):
        series = {}
        for key, value in samples.items():
            bucket = re.fullmatch(rf'{name}_bucket{{(.*,)?le="([^"]+)"}}', key)
            if bucket:
                labels = (bucket.group(1) or "").rstrip(",")
                series.setdefault(labels, []).append((float(bucket.group(2)), value))
        for labels, buckets in series.items():
            bounds, counts = zip(*buckets)
            braces = f"{{{labels}}}" if labels else ""
            if list(bounds) != sorted(set(bounds)) or bounds[-1] != float("inf"):
                fail("buckets that do not ascend to +Inf", name + braces)
            if list(counts) != sorted(counts) or samples[f"{name}_count{braces}"] != counts[-1]:
                fail("counts that do not add up", name + braces)
            if f"{name}_sum{braces}" not in samples:
                fail("no sum", name + braces)


def parse(text):
    """The samples by their name with labels; AssertionError when a rule is broken."""
    if not text.endswith("\n"):
        fail("the last line does not end", text[-80:])
    families, samples = {}, {}
    for line in text[:-1].split("\n"):
        if line.startswith("#"):
            _meta(line, families)
        else:
            _sample(line, families, samples)
    _check_histograms(families, samples)
    return samples
