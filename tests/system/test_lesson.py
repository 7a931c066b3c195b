#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""docs/tcp-lesson.md and its translation: what they show is what happens, times and ports aside."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree

import tcpdtest
import wire
from tcpdtest import TCPD, poll_until

TCPC = os.path.abspath(os.environ.get("TCPC", "./tcpc"))
SOURCE = os.path.abspath(os.environ.get("srcdir", "."))
PATIENCE = 30
ATTEMPTS = 5
SVG = "{http://www.w3.org/2000/svg}"


def read(name):
    with open(os.path.join(SOURCE, "docs", name), encoding="utf-8") as file:
        return file.read()


def examples(text):
    """The blocks of the page: of each, the commands with what they print."""
    blocks = []
    for block in re.findall(r"^```console\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        parts = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
        blocks.append([part.split("\n", 1) for part in parts])
    return blocks


def comparable(output):
    """The same for every run of the same conversation.

    Not the same are times and ports; and an acknowledgement may travel alone, or with what its
    sender has to say next, so a segment that bears nothing else does not count.  The states that
    the ends enter do, wherever they stand."""
    client, server, rest = [], [], []
    for line in output.split("\n"):
        rung = re.match(r"[ 0-9.]{10}  ([A-Z_0-9 ]{11})  (.{42})(?:  ([A-Z_0-9]+))?$", line)
        if not rung:
            line = re.sub(r"(handshake: )[0-9.]+|\d+(?= segments?)|(127\.0\.0\.1:|port )\d{5}",
                          r"\1\2N", line)
            line = re.sub(" +", " ", line).strip()
            rest += [line] if rest[-1:] != [line] else []  # as many as there were attempts
            continue
        client += rung.group(1).split()
        server += (rung.group(3) or "").split()
        words = rung.group(2).strip("─ ")
        if not re.match(r"(← ─+ )?ACK seq=\d+ ack=\d+$", words.replace("←─", "← ─")):
            rest.append(re.sub("[ ─]+", " ", words))
    return client, server, rest


class Lesson(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        path = os.path.join(cls.folder, "log")
        with open(path, "wb") as log:
            cls.daemon = subprocess.Popen(
                [TCPD, "-f", "-c", os.path.join(SOURCE, "etc", "tcpd.conf"),
                 "-o", "log.target=stderr", "-o", f"control.socket={cls.folder}/control"],
                stdin=subprocess.DEVNULL, stderr=log, preexec_fn=tcpdtest.die_with_parent)

        def started():
            if cls.daemon.poll() is not None:
                raise AssertionError("the daemon has left")
            with open(path, encoding="utf-8") as log:
                return " started " in log.read()
        poll_until(started, PATIENCE, "the daemon of the lesson")

    @classmethod
    def tearDownClass(cls):
        cls.daemon.terminate()
        cls.daemon.wait(PATIENCE)
        shutil.rmtree(cls.folder)

    def execute(self, command):
        """What the command prints on a terminal."""
        environment = {**os.environ, "LC_ALL": "C.UTF-8",
                       "PATH": os.path.dirname(TCPC) + ":" + os.environ["PATH"]}
        done = subprocess.run(["sh", "-c", command], stdout=subprocess.PIPE, cwd=self.folder,
                              stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
                              encoding="utf-8", env=environment, timeout=PATIENCE, check=False)
        return done.stdout

    def settle(self, attempt, wanted):
        """Where somebody pauses in the lesson, a machine with too much to do may not notice: then
        it is done again.  What the page claims wrongly will never come out."""
        for _ in range(ATTEMPTS - 1):
            if attempt() == wanted:
                return
        self.assertEqual(attempt(), wanted)

    def test_what_it_shows_is_what_happens(self):
        blocks = examples(read("tcp-lesson.md"))
        self.assertGreater(len(blocks), 4)
        for block in blocks:
            self.settle(lambda: [comparable(self.execute(command)) for command, _ in block],
                        [comparable(output) for _, output in block])

    def test_its_picture_is_what_is_drawn(self):
        command, = re.findall(r"^\$ (.*--trace=tcp-lesson.svg.*)$", read("tcp-lesson.md"),
                              re.MULTILINE)

        def attempt():
            self.execute(command)
            return self.texts_of(os.path.join(self.folder, "tcp-lesson.svg"))
        self.settle(attempt, self.texts_of(os.path.join(SOURCE, "docs", "tcp-lesson.svg")))

    @staticmethod
    def texts_of(path):
        root = xml.etree.ElementTree.parse(path).getroot()
        texts = [element.text for element in root.iter(SVG + "text")]
        return sorted(re.sub(r"127\.0\.0\.1:\d{5}|port \d{5}|\d+ segments|: [0-9.]+ ms", "N", text)
                      for text in texts if not re.match(r"[0-9.]+$|ACK ", text))

    def test_the_translation_shows_the_same(self):
        self.assertEqual(examples(read("tcp-lesson.zh.md")), examples(read("tcp-lesson.md")))


if __name__ == "__main__":
    wire.enter_namespace("ss")
    if b"capture: none" in subprocess.run([TCPC, "--version"], stdout=subprocess.PIPE,
                                          check=True).stdout:
        wire.skip_all("tcpc was built without libpcap")
    if not wire.is_root():
        wire.skip_all("in this user's namespace the daemon's children cannot give up their groups")
    tcpdtest.main()
