# SPDX-License-Identifier: MIT
"""Clients as pipes: what a program takes to pass bytes to an echo and what comes back on."""

import os
import shutil
import subprocess
import time

import measure

TCPC = os.path.abspath(os.environ.get("TCPC", "./tcpc"))


def clients(host, port):
    """(name, note, command) of those that are installed.  socat would leave half a second after
    the end of its input, and takes 8 KiB at a time when it is not told otherwise."""
    every = [("tcpc", "", [TCPC, host, port]),
             ("socat", "as it is", ["socat", "-t", "60", "-", f"TCP:{host}:{port}"]),
             ("socat, -b", "256 KiB at a time",
              ["socat", "-t", "60", "-b", "262144", "-", f"TCP:{host}:{port}"]),
             ("ncat", "", ["ncat", host, port])]
    return [client for client in every if shutil.which(client[2][0])]


def through(command, size):
    """Passes so many bytes through; seconds, and seconds of CPU of the client alone."""
    begun = time.monotonic()
    source = subprocess.Popen(["head", "-c", str(size), "/dev/zero"], stdout=subprocess.PIPE)
    client = subprocess.Popen(command, stdin=source.stdout, stdout=subprocess.PIPE,
                              preexec_fn=measure.prepare_child)
    source.stdout.close()
    sink = subprocess.Popen(["wc", "-c"], stdin=client.stdout, stdout=subprocess.PIPE)
    client.stdout.close()
    _, status, usage = os.wait4(client.pid, 0)
    client.returncode = os.waitstatus_to_exitcode(status)
    came = int(sink.communicate()[0])
    source.wait()
    if came != size or client.returncode != 0:
        raise measure.Failure(f"{command[0]} ended with {client.returncode}, and {came} of {size} "
                              "bytes came back")
    return {"seconds": time.monotonic() - begun, "cpu_s": usage.ru_utime + usage.ru_stime}
