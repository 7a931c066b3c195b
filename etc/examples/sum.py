#!/usr/bin/python3 -u
# SPDX-License-Identifier: MIT
"""Adds the numbers that a client sends, a line each, and answers each with the sum so far.

tcpd runs one of these for each connection: standard input and output are the client.
"""

import os
import sys

print(f"Send numbers, {os.environ.get('TCPREMOTEIP', 'whoever you are')}.")
total = 0
for line in sys.stdin:
    try:
        total += int(line)
        print(total)
    except ValueError:
        print(f"not a number: {line.strip()[:20]}")
        print(f"a line that is no number, of {len(line)} characters", file=sys.stderr)
