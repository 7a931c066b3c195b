# SPDX-License-Identifier: MIT
"""What the tests of tcpc --tls share: certificates, servers with TLS, and tcpc with them."""

import atexit
import functools
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import unittest

import certificates
import tcpctest
from tcpctest import MIB, PATIENCE, TCPC

BULK = os.urandom(MIB) * 8
VERSION = subprocess.run([TCPC, "-V"], stdout=subprocess.PIPE, check=False).stdout.decode()
HAS_TLS = "TLS: none" not in VERSION


@functools.lru_cache(None)
def authority():
    """The one of this run, with a certificate "good"."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    made = certificates.Authority(folder)
    made.sign("good")
    return made


def pair(name):
    return authority().path(name + ".pem"), authority().path(name + ".key")


def server_context(chain=None, version=None, **settings):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*(chain or pair("good")))
    if version:
        context.minimum_version = context.maximum_version = version
    for name, value in settings.items():
        setattr(context, name, value)
    return context


def say_goodbye(sock):
    """close_notify without waiting for the peer's, then FIN.  What still comes is taken: to close
    with bytes that were not read is a reset."""
    sock.setblocking(False)
    try:
        sock.unwrap()
    except (ssl.SSLWantReadError, OSError):
        pass
    sock.settimeout(PATIENCE)
    try:
        socket.socket.shutdown(sock, socket.SHUT_WR)
        while socket.socket.recv(sock, MIB):
            pass
    except OSError:
        pass


def tell(data):
    """A talk: says that, and goodbye."""
    def talk(sock):
        sock.sendall(data)
        say_goodbye(sock)
    return talk


def inside(talk, context, before):
    """That talk, over TLS if there is a context."""
    def talk_inside(raw):
        if before:
            before(raw)
        if not context:
            return talk(raw)
        with context.wrap_socket(raw, server_side=True, suppress_ragged_eofs=False) as sock:
            return talk(sock)
    return talk_inside


class Server(tcpctest.Server):
    """Accepts one connection, with TLS if there is a context, and lets a function talk."""

    def __init__(self, test, talk, context=None, before=None):
        super().__init__(test, inside(talk, context, before))


@unittest.skipUnless(HAS_TLS, "built without TLS")
@unittest.skipUnless(certificates.OPENSSL, "there is no openssl")
class TlsTest(unittest.TestCase):
    def tcpc(self, port, *options, data=b"", host="127.0.0.1", trust=True, **more):
        """`trust`: the authority of these tests counts."""
        trusted = ["--cafile", authority().file] if trust else []
        return subprocess.run([TCPC, "--tls", *trusted, *options, host, str(port)], input=data,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE,
                              check=False, **more)

    def start(self, port, *options, **more):
        streams = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        streams.update(more)
        process = subprocess.Popen([TCPC, "-t", "--cafile", authority().file, *options, "127.0.0.1",
                                    str(port)], **streams)

        def clean():
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream and not stream.closed:
                    stream.close()
        self.addCleanup(clean)
        return process

    def openssl_server(self, *options):
        """openssl s_server; its port."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        certificate, key = pair("good")
        process = subprocess.Popen(
            [certificates.OPENSSL, "s_server", "-accept", f"127.0.0.1:{port}", "-cert",
             certificate, "-key", key, "-naccept", "1", *options], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

        def clean():
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()
        self.addCleanup(clean)
        said = b""
        while b"ACCEPT" not in said:
            said += process.stdout.read1(100)
            self.assertIsNone(process.poll(), said)
        return process, port

    def assert_fails(self, done, sentence):
        self.assertEqual((done.returncode, done.stdout), (1, b""), done)
        self.assertRegex(done.stderr.decode(), r"^tcpc: no TLS with \S+ port \d+: " + sentence)
        self.assertEqual(done.stderr.count(b"\n"), 1, done.stderr)
