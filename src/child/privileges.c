/* SPDX-License-Identifier: MIT */
#include "child/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WORDS _LINUX_CAPABILITY_U32S_3

/* Giving up. */

/* While the process still may.  Without the right to, what is left there cannot be had either:
 * no_new_privs sees to that. */
static void empty_bounding_set(void)
{
    for (unsigned long capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0;
         capability++)
        prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
}

static int become(const struct conf_identity *identity, struct error *error)
{
    uid_t uid = identity->uid;
    gid_t gid = identity->gid;
    if (setgroups(identity->group_count, identity->groups))
        return error_set(error, errno, "cannot give up the groups of root");
    if (setresgid(gid, gid, gid))
        return error_set(error, errno, "cannot become the group \"%s\" (%u)", identity->group, gid);
    if (setresuid(uid, uid, uid))
        return error_set(error, errno, "cannot become the user \"%s\" (%u)", identity->user, uid);
    return 0;
}

static bool has_capabilities(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[WORDS] = {0};
    if (syscall(SYS_capget, &header, data))
        return true;
    for (unsigned i = 0; i < WORDS; i++)
        if (data[i].effective | data[i].permitted | data[i].inheritable)
            return true;
    return false;
}

/* Who has none may be under a filter that does not let capset(2) through: see tcpd.service. */
static int drop_capabilities(struct error *error)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[WORDS] = {0};
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (has_capabilities() && syscall(SYS_capset, &header, none))
        return error_set(error, errno, "cannot give up capabilities");
    return 0;
}

/*
 * What is in memory is nobody's business: 1 as the limit means no core for a pipe in
 * kernel.core_pattern too, for which 0 means nothing.  Where the user has changed, no process
 * of the same user may look inside either; else it could look inside the master as well.
 */
static int hide_memory(const struct conf_identity *identity, struct error *error)
{
    struct rlimit none = {1, 1};
    if (setrlimit(RLIMIT_CORE, &none)) {
        none = (struct rlimit){0, 0};
        if (setrlimit(RLIMIT_CORE, &none))
            return error_set(error, errno, "cannot do without a core");
    }
    if (identity->changes && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
        return error_set(error, errno, "cannot hide the memory from others");
    return 0;
}

/* Verifying. */

static int compare(const void *a, const void *b)
{
    gid_t left = *(const gid_t *)a;
    gid_t right = *(const gid_t *)b;
    return (left > right) - (left < right);
}

/* In any order: the kernel sorts them. */
static bool has_groups(const struct conf_identity *identity)
{
    size_t count = identity->group_count;
    gid_t *wanted = calloc(2 * count + 1, sizeof *wanted);
    gid_t *actual = wanted + count;
    if (!wanted)
        return false;
    bool same = getgroups(0, NULL) == (int)count && getgroups((int)count, actual) == (int)count;
    if (same && count > 0) {
        memcpy(wanted, identity->groups, count * sizeof *wanted);
        qsort(wanted, count, sizeof *wanted, compare);
        qsort(actual, count, sizeof *actual, compare);
        same = memcmp(wanted, actual, count * sizeof *wanted) == 0;
    }
    free(wanted);
    return same;
}

static bool has_ids(const struct conf_identity *identity)
{
    uid_t uid[3];
    gid_t gid[3];
    if (getresuid(&uid[0], &uid[1], &uid[2]) || getresgid(&gid[0], &gid[1], &gid[2]))
        return false;
    for (int i = 0; i < 3; i++)
        if (uid[i] != identity->uid || gid[i] != identity->gid)
            return false;
    return true;
}

static bool can_be_root_again(const struct conf_identity *identity)
{
    return identity->uid != 0 && (setresuid(0, 0, 0) == 0 || setuid(0) == 0 || seteuid(0) == 0);
}

static int verify(const struct conf_identity *identity, struct error *error)
{
    if (identity->changes && (!has_ids(identity) || !has_groups(identity)))
        return error_set(error, 0, "it is not the user \"%s\" with the groups it should have",
                         identity->user);
    if (identity->changes && can_be_root_again(identity))
        return error_set(error, 0, "it could become root again");
    if (has_capabilities())
        return error_set(error, 0, "it still has capabilities");
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        return error_set(error, 0, "it could get privileges by executing a program");
    return 0;
}

int privileges_drop(const struct conf_identity *identity, struct error *error)
{
    empty_bounding_set();
    if (identity->changes && become(identity, error))
        return -1;
    if (drop_capabilities(error) || hide_memory(identity, error))
        return -1;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return error_set(error, errno, "cannot give up privileges for good");
    return verify(identity, error);
}

/* The spawner. */

bool privileges_are_there(void)
{
    return has_capabilities();
}

int privileges_reduce(struct error *error)
{
    static const int kept[] = {CAP_SETUID,     CAP_SETGID,       CAP_KILL,
                               CAP_SYS_CHROOT, CAP_SYS_RESOURCE, CAP_SYS_NICE};
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[WORDS] = {0};
    uint32_t mask = 0;
    if (geteuid() != 0)
        return 0;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        mask |= CAP_TO_MASK(kept[i]); /* all in the first word */
    if (syscall(SYS_capget, &header, data))
        return error_set(error, errno, "cannot ask for capabilities");
    data[0].effective &= mask;
    data[0].permitted &= mask;
    data[0].inheritable = 0;
    data[1] = (struct __user_cap_data_struct){0};
    if (syscall(SYS_capset, &header, data))
        return error_set(error, errno, "cannot give up capabilities");
    return 0;
}
