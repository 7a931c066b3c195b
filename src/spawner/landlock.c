/* SPDX-License-Identifier: MIT */
/* libc has no functions for these system calls.  What a kernel can restrict, it is asked for. */
#include "spawner/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Rights that newer kernels know and the header may not; <linux/landlock.h> has these bits. */
#define REFER     (UINT64_C(1) << 13)
#define TRUNCATE  (UINT64_C(1) << 14)
#define IOCTL_DEV (UINT64_C(1) << 15)

#define ALL_OF_ABI_1 ((UINT64_C(1) << 13) - 1)
#define READ                                                                                       \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define OF_A_FILE                                                                                  \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE |   \
     TRUNCATE | IOCTL_DEV)

/* By the version of the kernel's interface, from 1. */
static uint64_t known_rights(long abi)
{
    return ALL_OF_ABI_1 | (abi >= 2 ? REFER : 0) | (abi >= 3 ? TRUNCATE : 0) |
           (abi >= 5 ? IOCTL_DEV : 0);
}

static int allow(int ruleset, const char *root, const char *path, uint64_t rights,
                 struct error *error)
{
    char whole[2 * PATH_MAX];
    struct stat file;
    snprintf(whole, sizeof whole, "%s%s", root ? root : "", path);
    struct landlock_path_beneath_attr beneath = {.parent_fd = open(whole, O_PATH | O_CLOEXEC)};
    if (beneath.parent_fd < 0)
        return error_set(error, errno, "%.200s cannot be opened for a sandbox", whole);
    beneath.allowed_access = rights;
    if (fstat(beneath.parent_fd, &file) == 0 && !S_ISDIR(file.st_mode))
        beneath.allowed_access &= OF_A_FILE;
    long failed = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
    int errnum = errno;
    close(beneath.parent_fd);
    return failed ? error_set(error, errnum, "%.200s cannot be allowed in a sandbox", whole) : 0;
}

static int fill(int ruleset, const char *root, const char *const *writable, uint64_t rights,
                struct error *error)
{
    static const char null[] = "/dev/null";
    struct error ignored;
    if (allow(ruleset, root, "/", READ, error))
        return -1;
    for (; *writable; writable++)
        if (allow(ruleset, root, *writable, rights, error))
            return -1;
    allow(ruleset, root, null, LANDLOCK_ACCESS_FS_WRITE_FILE, &ignored); /* a chroot may lack it */
    return 0;
}

int landlock_make(const char *root, const char *const *writable, struct error *error)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 1)
        return error_set(error, errno,
                         "sandbox = \"strict\" needs Landlock, which is not to be had here");
    struct landlock_ruleset_attr attributes = {.handled_access_fs = known_rights(abi)};
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
    if (ruleset < 0)
        return error_set(error, errno, "cannot make a sandbox");
    if (fill(ruleset, root, writable, attributes.handled_access_fs, error) == 0)
        return ruleset;
    close(ruleset);
    return -1;
}

int landlock_enter(int ruleset)
{
    return (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
}
