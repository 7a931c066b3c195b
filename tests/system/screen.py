# SPDX-License-Identifier: MIT
"""What a user would see on a terminal: as much of a vt100 and vt220 as ncurses makes use of."""

import re
import sys

# What a shell does for a job that can be stopped: a process group of its own has the terminal.
AS_A_JOB = [sys.executable, "-c", """if True:
    import os, signal, sys
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    if os.fork() == 0:
        os.setpgid(0, 0)
        os.tcsetpgrp(0, os.getpid())
        os.execv(sys.argv[1], sys.argv[1:])
    sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""]


class Screen:

    SEQUENCE = re.compile(r"\x1b\[([?0-9;]*)([@-~])|\x1b[()][0AB]|\x1b[=>DM]|[^\x1b]")
    unfinished = ""  # the beginning of a sequence

    def __init__(self, rows, columns):
        self.rows, self.columns, self.row, self.column = rows, columns, 0, 0
        self.lines = [[" "] * columns for _ in range(rows)]
        self.top, self.bottom = 0, rows - 1  # what is scrolled

    def resize(self, rows, columns):
        self.__init__(rows, columns)

    def text(self):
        return "\n".join("".join(line).rstrip() for line in self.lines)

    def line(self, number):
        return self.text().split("\n")[number]

    def move(self, row, column):
        self.row = min(max(row, 0), self.rows - 1)
        self.column = min(max(column, 0), self.columns - 1)

    def scroll(self, out_of, into):
        del self.lines[out_of]
        self.lines.insert(into, [" "] * self.columns)

    def down(self):
        if self.row == self.bottom:
            self.scroll(self.top, self.bottom)
        else:
            self.move(self.row + 1, self.column)

    def up(self):
        if self.row == self.top:
            self.scroll(self.bottom, self.top)
        else:
            self.move(self.row - 1, self.column)

    def erase(self, start, end):
        for place in range(max(start, 0), end):
            self.lines[place // self.columns][place % self.columns] = " "

    def shift(self, count, insert):
        """Inserts blanks, or removes characters, at the cursor."""
        line, blanks = self.lines[self.row], [" "] * count
        rest = blanks + line[self.column:] if insert else line[self.column + count:] + blanks
        self.lines[self.row] = (line[:self.column] + rest)[:self.columns]

    def control(self, parameters, final):
        numbers = [int(n or 0) for n in parameters.split(";")] if parameters[:1] != "?" else [0]
        here = self.row * self.columns + min(self.column, self.columns - 1)
        start, end = self.row * self.columns, self.rows * self.columns
        count = max(numbers[0], 1)
        if final == "H":
            self.move(count - 1, (numbers + [1])[1] - 1)
        elif final in "ABCD":
            down, right = {"A": (-1, 0), "B": (1, 0), "C": (0, 1), "D": (0, -1)}[final]
            self.move(self.row + down * count, self.column + right * count)
        elif final == "J":
            self.erase(*{0: (here, end), 1: (0, here + 1), 2: (0, end)}[numbers[0]])
        elif final == "K":
            line_end = start + self.columns
            self.erase(*{0: (here, line_end), 1: (start, here + 1)}[numbers[0]])
        elif final == "X":
            self.erase(here, min(here + count, start + self.columns))
        elif final in "P@":
            self.shift(count, final == "@")
        elif final in "LM":
            for _ in range(count):
                self.scroll(*(self.bottom, self.row) if final == "L" else (self.row, self.bottom))
        elif final == "r":
            self.top, self.bottom = numbers[0] - 1, numbers[1] - 1
            self.move(0, 0)
        elif final not in "mhl":
            raise AssertionError(f"the screen does not know CSI {parameters}{final}")

    def put(self, char):
        if self.column == self.columns:
            self.move(self.row + 1, 0)
        self.lines[self.row][self.column] = char
        self.column += 1

    def act(self, match):
        char = match.group()
        if match.group(2):
            self.control(match.group(1), match.group(2))
        elif char in ("\n", "\x1bD"):
            self.down()
        elif char == "\x1bM":
            self.up()
        elif char in "\r\b\t":
            self.move(self.row, {"\r": 0, "\b": self.column - 1,
                                 "\t": (self.column | 7) + 1}[char])
        elif len(char) == 1 and char >= " ":
            self.put(char)
        elif len(char) == 1 and char not in "\x0e\x0f":
            raise AssertionError(f"the screen does not know {char!r}")

    def feed(self, text):
        text, place = self.unfinished + text, 0
        while match := self.SEQUENCE.match(text, place):
            self.act(match)
            place = match.end()
        self.unfinished = text[place:]
        if len(self.unfinished) > 20:
            raise AssertionError(f"the screen does not know {self.unfinished!r}")
