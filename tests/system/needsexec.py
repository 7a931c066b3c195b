# SPDX-License-Identifier: MIT
"""For tests of services of the type exec: they are skipped where tcpd has no such type.

Where every tcpd has it, this file can go, with the lines that name needs_exec.
"""

import os
import subprocess
import tempfile
import unittest

from tcpdtest import TCPD

EXEC = """services = ( { name = "a"; type = "exec"; listen = "127.0.0.1:0";
                        command = [ "/bin/sh" ]; } );\n"""


def _is_known():
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(EXEC)
        file.flush()
        return subprocess.run([TCPD, "-t", "-c", file.name], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, timeout=60, check=False).returncode == 0


needs_exec = unittest.skipUnless(_is_known(), "this tcpd has no services of the type exec")
