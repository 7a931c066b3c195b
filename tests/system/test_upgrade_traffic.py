# SPDX-License-Identifier: MIT
"""Upgrades under load lose nothing: two builds by turns, and some that are broken in between."""

import itertools
import os
import signal

import tcpdchange
import tcpdtest
import traffic
from tcpdchange import Installed, generation, listeners, services, spoil
from tcpdtest import SLOW, WAIT, poll_until, service

RATE, LASTING = (2000, 200) if SLOW == 1 else (400, 60)
GOOD = 20 if tcpdchange.SOAK else 6
SECONDS = tcpdchange.seconds(4)


class UnderLoad(tcpdtest.TestCase):
    def setUp(self):
        self.installed = Installed(self)
        self.broken = itertools.cycle(Installed.BROKEN)

    def upgrade(self, daemon, i):
        """The next one of the two builds; asked for in the two ways by turns."""
        wanted = self.installed.version if i % 2 else self.installed.next
        self.installed.put(wanted)
        if i % 3:
            self.assertEqual(daemon.done("upgrade")["version"], wanted)
            return
        daemon.signal(signal.SIGUSR2)
        poll_until(lambda: self.upgrades(daemon)["ok"] == i + 1, WAIT, "the upgrade")
        self.assertEqual(daemon.done("status")["version"], wanted)

    def upgrades(self, daemon):
        """An answer may fail to come from a master that becomes another one."""
        def told():
            try:
                return daemon.done("status")["upgrades"]
            except (ConnectionError, tcpdtest.NoAnswer):
                return None
        return poll_until(told)

    def be_refused(self, daemon):
        put, _ = Installed.BROKEN[next(self.broken)]
        put(self.installed)
        daemon.refused("upgrade")

    def test_good_and_broken(self):
        path = os.path.join(self.installed.folder, "echo.sock")
        daemon = self.tcpd("echo", "greet", service("echo-unix", "echo", f"unix:{path}"),
                           program=self.installed.path, log={"level": "notice"},
                           pool={"processes": 2, "generations": 64})
        before, wanted = listeners(daemon), tcpdchange.descriptors(daemon.pid)
        load = traffic.start(self, traffic.targets(daemon, "echo", "greet", "echo-unix"),
                             rate=RATE, lasting=LASTING)
        watch = tcpdchange.Watch(self, daemon, patient=True)
        spoil(daemon)  # what is on the disk does not matter
        broken = 0
        for i in range(GOOD):
            poll_until(lambda at=SECONDS * i / GOOD: load.mark()["seconds"] >= at, SECONDS + WAIT)
            self.upgrade(daemon, i)
            if i % 2:
                self.be_refused(daemon)
                broken += 1
        poll_until(lambda: load.mark()["seconds"] >= SECONDS, SECONDS + WAIT)
        report = load.assert_clean()
        watch.assert_clean()
        self.assertEqual(daemon.done("status")["upgrades"], {"ok": GOOD, "failed": broken})
        self.assertEqual(generation(daemon), 1 + GOOD)
        poll_until(lambda: daemon.done("status")["open"] == 0, WAIT, "the last ones to be closed")
        self.assertEqual(sum(one["accepted"] for one in services(daemon).values()),
                         report["short"]["opened"] + report["long"]["opened"])
        tcpdchange.wait_alone(daemon, 2 * WAIT)
        self.assertEqual(listeners(daemon), before)
        tcpdchange.wait_descriptors(daemon.pid, wanted)
        self.assertEqual(tcpdtest.zombies_of(daemon.pid), [])
        print(f"{report['short']['ok']} short, longest gap {report['longest_gap_ms']:.0f} ms,",
              f"{GOOD} upgrades", end=" ")


if __name__ == "__main__":
    tcpdtest.main()
