# SPDX-License-Identifier: MIT
"""As whom a program runs, and within which bounds; read back from inside."""

import grp
import json
import os
import pwd
import shutil
import tempfile
import unittest

import tcpdtest
from exectest import program, script

IS_ROOT = os.geteuid() == 0
as_root = unittest.skipUnless(IS_ROOT, "only root can be others")

WHO = """
import json, os, resource, sys
mask = os.umask(0)
status = {}
for line in open("/proc/self/status"):
    name, _, value = line.partition(":")
    status[name] = value.split()
print(json.dumps({
    "uid": os.getresuid(), "gid": os.getresgid(), "groups": sorted(os.getgroups()),
    "cwd": os.getcwd(), "umask": mask, "nice": os.nice(0), "environment": dict(os.environ),
    "limits": {name: resource.getrlimit(getattr(resource, "RLIMIT_" + name.upper()))
               for name in ("nofile", "as", "cpu", "nproc", "core", "fsize")},
    "capabilities": {name: int(status[name][0], 16)
                     for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")},
    "no_new_privs": int(status["NoNewPrivs"][0])}))
"""

WRITE = """
import json, os, sys
found = {}
for path in sys.argv[1:]:
    try:
        with open(path, "w") as file:
            file.write("word")
        found[path] = "written"
    except OSError as error:
        found[path] = error.strerror
found["read"] = len(open("/etc/passwd").read()) > 0
found["execute"] = os.system("exec /bin/true") == 0
print(json.dumps(found))
"""


def groups_of(name, gid):
    return sorted({gid, *(entry.gr_gid for entry in grp.getgrall() if name in entry.gr_mem)})


class Users(tcpdtest.TestCase):

    def told(self, daemon, name):
        return json.loads(daemon.connect(name).recv_until_eof())

    def who(self, name, **settings):
        return script(name, WHO, **settings)

    @as_root
    def test_three_users(self):
        users = ("nobody", "daemon", "www-data")
        daemon = self.tcpd(
            self.who("one", user=users[0], directory="/tmp", umask="0077",
                     environment={"NAME": "one"}, rlimits={"nofile": 64, "core": 0}),
            self.who("two", user=users[1], group="adm", directory="/usr", umask="0002", nice=3,
                     environment={"NAME": "two"}, rlimits={"as": "2G", "cpu": 77}),
            self.who("three", user=users[2], environment={"NAME": "three"},
                     rlimits={"fsize": "1M", "nproc": 50}),
            user="nobody")
        expected = {
            "one": {"cwd": "/tmp", "umask": 0o077, "nice": 0},
            "two": {"cwd": "/usr", "umask": 0o002, "nice": 3},
            "three": {"cwd": "/", "umask": 0o022, "nice": 0},
        }
        limits = {"one": {"nofile": 64, "core": 0}, "two": {"as": 2 << 30, "cpu": 77},
                  "three": {"fsize": 1 << 20, "nproc": 50}}
        for name, user in zip(expected, users):
            with self.subTest(name=name):
                told = self.told(daemon, name)
                entry = pwd.getpwnam(user)
                gid = grp.getgrnam("adm").gr_gid if name == "two" else entry.pw_gid
                self.assertEqual(told["uid"], 3 * [entry.pw_uid])
                self.assertEqual(told["gid"], 3 * [gid])
                self.assertEqual(told["groups"], groups_of(user, gid))
                self.assertEqual(told["environment"]["NAME"], name)
                for key, value in expected[name].items():
                    self.assertEqual(told[key], value, key)
                for key, value in limits[name].items():
                    self.assertEqual(told["limits"][key], [value, value], key)
                self.assertEqual(set(told["capabilities"].values()), {0})
                self.assertEqual(told["no_new_privs"], 0)

    def test_without_a_user_of_its_own(self):
        daemon = self.tcpd(self.who("who"))
        told = self.told(daemon, "who")
        user = pwd.getpwuid(os.geteuid())
        if IS_ROOT:  # it is whom the children are, never root
            try:
                user = pwd.getpwnam("tcpd")
            except KeyError:
                user = pwd.getpwnam("nobody")
        self.assertEqual(told["uid"], 3 * [user.pw_uid])
        # tcpd raises its own soft limit; a program gets what select(2) can cope with.
        soft, hard = told["limits"]["nofile"]
        self.assertEqual(soft, min(1024, hard))

    @as_root
    def test_root_has_to_be_named(self):
        daemon = self.tcpd(self.who("root", user="root"),
                           self.who("caged", user="root", sandbox="strict"))
        told = self.told(daemon, "root")
        self.assertEqual(told["uid"], [0, 0, 0])
        self.assertNotEqual(told["capabilities"]["CapEff"], 0)
        told = self.told(daemon, "caged")
        self.assertEqual(told["uid"], [0, 0, 0])
        self.assertEqual(set(told["capabilities"].values()), {0})
        self.assertEqual(told["no_new_privs"], 1)

    @as_root
    @unittest.skipUnless(os.path.islink("/bin"), "/usr is no whole system here")
    def test_chroot(self):
        daemon = self.tcpd(program("caged", "/bin/sh", "-c", "pwd; ls /", chroot="/usr",
                                   directory="/share", user="nobody"))
        told = daemon.connect("caged").recv_until_eof().decode().split()
        self.assertEqual(told, ["/share", *sorted(os.listdir("/usr"))])

    def test_strict_sandbox(self):
        folder = tempfile.mkdtemp(prefix="tcpd-test-")
        self.addCleanup(shutil.rmtree, folder)
        os.chmod(folder, 0o755)
        allowed, refused = os.path.join(folder, "allowed"), os.path.join(folder, "refused")
        for path in (allowed, refused):
            os.mkdir(path)
            os.chmod(path, 0o777)
        paths = [os.path.join(path, "file") for path in (allowed, refused)]
        daemon = self.tcpd(
            script("free", WRITE, argv0="python3"),
            tcpdtest.service("caged", "exec", sandbox="strict", writable=[allowed],
                             command=["/usr/bin/python3", "-S", "-E", "-c", WRITE, *paths,
                                      "/dev/null"]), wait=False)
        daemon.wait_log(r"[:\]] started\b|cannot start")
        if "Landlock" in daemon.log():
            self.skipTest("this kernel has no Landlock")
        self.assertEqual(self.told(daemon, "caged"), {
            paths[0]: "written", paths[1]: "Permission denied", "/dev/null": "written",
            "read": True, "execute": True})


if __name__ == "__main__":
    tcpdtest.main()
