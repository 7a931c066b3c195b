# SPDX-License-Identifier: MIT
"""Certificates made when a test wants them, by the command openssl."""

import os
import shutil
import subprocess

OPENSSL = shutil.which("openssl")


class Authority:
    """An authority with a folder of its own; each certificate is made once, by its name."""

    def __init__(self, folder):
        self.folder = folder
        self.issue = 0
        self.file = self.self_signed("authority", ["basicConstraints=critical,CA:TRUE"])[0]

    def path(self, name):
        return os.path.join(self.folder, name)

    def openssl(self, *arguments):
        subprocess.run([OPENSSL, *arguments], stdin=subprocess.DEVNULL, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)

    def self_signed(self, name, extensions=(), days=2):
        """The files of certificate and key; a negative number of days: it has expired."""
        certificate, key = self.path(name + ".pem"), self.path(name + ".key")
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                     "-nodes", "-keyout", key, "-out", certificate, "-days", str(days),
                     "-subj", f"/CN=tcpd test {name}",
                     *[word for extension in extensions for word in ("-addext", extension)])
        return certificate, key

    def sign(self, name, names="DNS:localhost,IP:127.0.0.1,IP:::1", since=None, until=None):
        """A certificate of this authority for those names; since and until: YYMMDDHHMMSSZ."""
        certificate, key = self.path(name + ".pem"), self.path(name + ".key")
        request, settings = self.path(name + ".csr"), self.path(name + ".cnf")
        self.openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                     "-nodes", "-keyout", key, "-out", request, "-subj", f"/CN=tcpd test {name}")
        self.issue += 1
        database = self.path(f"database{self.issue}")
        with open(database, "w", encoding="ascii"):
            pass
        with open(settings, "w", encoding="ascii") as file:
            file.write(f"[ca]\ndefault_ca=x\n[x]\ndatabase={database}\n"
                       f"new_certs_dir={self.folder}\n"
                       f"certificate={self.file}\nprivate_key={self.path('authority.key')}\n"
                       "rand_serial=yes\ndefault_md=sha256\npolicy=p\nx509_extensions=e\n"
                       f"[p]\ncommonName=supplied\n[e]\nsubjectAltName={names}\n")
        span = ["-startdate", since] if since else []
        span += ["-enddate", until] if until else ["-days", "2"]
        self.openssl("ca", "-batch", "-notext", "-config", settings, "-in", request, "-out",
                     certificate, *span)
        return certificate, key
