# SPDX-License-Identifier: MIT
"""A network of the test's own, and a TCP peer in it whose every segment is written by the test.

    wire.enter_namespace()          before anything else: executes the test anew, in a namespace

    peer = wire.Peer(tun, "10.9.0.2", 7)
    peer.accept()                   what any server does for a handshake
    peer.expect("PSH,ACK", b"hi")   the next segment that comes must be this one
    peer.send("ACK")                with the numbers that fit

The peer lives behind a TUN interface, so no kernel answers in its place.
"""

import contextlib
import fcntl
import os
import select
import shutil
import socket
import struct
import subprocess
import sys
import time

PATIENCE = 20  # seconds after which a segment counts as never coming
FLAGS = {"SYN": 2, "FIN": 1, "RST": 4, "PSH": 8, "ACK": 16}
ORDER = ("SYN", "FIN", "RST", "PSH", "ACK")


def skip_all(reason):
    """Ends the test file: the machine cannot do it."""
    print("skipped:", reason)
    sys.exit(77)


def run(*command):
    subprocess.run(command, check=True, timeout=PATIENCE)


def enter_namespace(*programs):
    """Goes on in a network namespace of its own, as root of it, with the loopback up.  What is
    mounted there is nobody else's either."""
    programs = ("unshare", "ip", *programs)
    missing = [name for name in programs if not shutil.which(name)]
    if missing:
        skip_all("there is no " + ", ".join(missing))
    if "TCPD_TEST_NAMESPACE" not in os.environ:
        unshare = ["unshare", "-mn"] if os.geteuid() == 0 else ["unshare", "-rmn"]
        if subprocess.run([*unshare, "true"], stderr=subprocess.DEVNULL, check=False).returncode:
            skip_all("no network namespace for this user")
        os.environ["TCPD_TEST_NAMESPACE"] = "root" if os.geteuid() == 0 else "user"
        os.execvp("unshare", [*unshare, sys.executable, *sys.argv])
    run("ip", "link", "set", "lo", "up")


def is_root():
    """Of the machine, not just of the namespace."""
    return os.environ["TCPD_TEST_NAMESPACE"] == "root"


def flags_of(names):
    return sum(FLAGS[name] for name in names.split(","))


def names_of(flags):
    return ",".join(name for name in ORDER if flags & FLAGS[name])


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Segment:
    """What stands in an IP packet that holds TCP; None stands for any other packet."""

    def __init__(self, packet):
        if packet[0] >> 4 == 4:
            start, end = (packet[0] & 15) * 4, struct.unpack_from("!H", packet, 2)[0]
        else:
            start, end = 40, 40 + struct.unpack_from("!H", packet, 4)[0]
        (self.source, self.destination, self.seq, self.ack, offset,
         flags, self.window) = struct.unpack_from("!HHIIBBH", packet, start)
        self.flags = names_of(flags)
        self.data = packet[start + (offset >> 4) * 4:end]

    @classmethod
    def of(cls, packet):
        protocol = packet[9] if packet[0] >> 4 == 4 else packet[6]
        return cls(packet) if protocol == socket.IPPROTO_TCP else None


class Tun:
    """The interface: 10.9.0.1 and fd09::1 are here, all else of the two networks is the peer.
    OSError where there is none for this user."""

    RTO_MIN = 500  # milliseconds in which a peer can answer before something is sent again
    TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454ca, 0x0001, 0x1000

    def __init__(self):
        self.fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
        fcntl.ioctl(self.fd, self.TUNSETIFF,
                    struct.pack("16sH22x", b"wire", self.IFF_TUN | self.IFF_NO_PI))
        run("ip", "address", "add", "10.9.0.1/32", "dev", "wire")
        run("ip", "address", "add", "fd09::1/128", "dev", "wire", "nodad")
        run("ip", "link", "set", "wire", "up")
        for network in ("10.9.0.0/24", "fd09::/64"):
            run("ip", "route", "add", network, "dev", "wire", "rto_min", f"{self.RTO_MIN}ms")
        self._no_early_retransmission()

    @staticmethod
    def _no_early_retransmission():
        """On a machine with much to do the peer is not as fast as the first round trip was."""
        with contextlib.suppress(OSError), open("/proc/sys/net/ipv4/tcp_early_retrans", "w",
                                                encoding="ascii") as file:
            file.write("0")


class Peer:
    """One connection of a server that is this script."""

    ISN = 1000000

    def __init__(self, tun, host="10.9.0.2", port=7):
        self.tun, self.host, self.port = tun, host, port
        self.family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.here = socket.inet_pton(self.family, host)
        self.there = socket.inet_pton(self.family, "fd09::1" if ":" in host else "10.9.0.1")
        self.seq, self.ack, self.window, self.client_port = self.ISN, 0, 60000, 0
        while self._read(0):  # what is left of another test
            pass

    def _read(self, timeout):
        if not select.select([self.tun.fd], [], [], timeout)[0]:
            return None
        return os.read(self.tun.fd, 65536)

    def receive(self, timeout=PATIENCE):
        """The next segment to this peer; an AssertionError when none comes."""
        deadline = time.monotonic() + timeout
        while True:
            packet = self._read(max(deadline - time.monotonic(), 0))
            if packet is None:
                raise AssertionError("no segment has come")
            segment = Segment.of(packet)
            if segment and self._is_ours(segment):
                return segment

    def _is_ours(self, segment):
        """Another test's connection may still have something to say."""
        if segment.destination != self.port:
            return False
        return segment.source == self.client_port if self.client_port else segment.flags == "SYN"

    def expect(self, flags, data=b""):
        """The next segment, which must have these flags and data; from now on it is acknowledged
        by what is sent."""
        segment = self.receive()
        if (segment.flags, segment.data) != (flags, data):
            raise AssertionError(f"expected {flags} {data!r}, got {segment.flags} "
                                 f"{segment.data!r}")
        self.client_port = segment.source
        if data or "SYN" in flags or "FIN" in flags:
            self.ack = (segment.seq + len(data) + ("SYN" in flags) + ("FIN" in flags)) % 2 ** 32
        return segment

    def expect_fin(self):
        """The FIN that answers a FIN: a kernel may acknowledge that before, or with it."""
        segment = self.receive()
        while segment.flags == "ACK":
            segment = self.receive()
        if segment.flags != "FIN,ACK":
            raise AssertionError(f"expected FIN,ACK, got {segment.flags}")
        self.ack = (segment.seq + 1) % 2 ** 32

    def send(self, flags, data=b"", *, seq=None, ack=None, window=None):
        """Sends a segment.  Given numbers are used once; else what was sent counts on."""
        window = self.window if window is None else window
        tcp = struct.pack("!HHIIBBHHH", self.port, self.client_port,
                          self.seq if seq is None else seq, self.ack if ack is None else ack,
                          5 << 4, flags_of(flags), window, 0, 0) + data
        pseudo = self.here + self.there + struct.pack("!II", len(tcp), socket.IPPROTO_TCP)
        tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
        os.write(self.tun.fd, self._ip_header(len(tcp)) + tcp)
        if seq is None:
            self.seq += len(data) + ("SYN" in flags) + ("FIN" in flags)

    def _ip_header(self, length):
        if self.family == socket.AF_INET6:
            return struct.pack("!IHBB", 6 << 28, length, socket.IPPROTO_TCP, 64) \
                + self.here + self.there
        header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + length, 0, 0, 64, socket.IPPROTO_TCP,
                             0, self.here, self.there)
        return header[:10] + struct.pack("!H", checksum(header)) + header[12:]

    def accept(self):
        self.expect("SYN")
        self.send("SYN,ACK")
        self.expect("ACK")


def packets_of(path):
    """The IP packets of a file in the format of pcap, as bytes."""
    with open(path, "rb") as file:
        data = file.read()
    link, = struct.unpack_from("I", data, 20)
    skip = {1: 14, 101: 0, 12: 0}[link]
    at, found = 24, []
    while at < len(data):
        length, = struct.unpack_from("I", data, at + 8)
        found.append(data[at + 16 + skip:at + 16 + length])
        at += 16 + length
    return found
