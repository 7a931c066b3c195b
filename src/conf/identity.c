/* SPDX-License-Identifier: MIT */
#include "conf/identity.h"

#include "conf/lookup.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GROUPS_MAX 65536 /* of one user: what the kernel takes */

static void note_place(struct conf_identity *identity, const struct node *user,
                       const struct node *group)
{
    const struct node *node = user != NULL ? user : group;
    if (node == NULL)
        return;
    identity->file = node->place.source->name;
    identity->line = node->place.line;
    identity->path = node->name;
}

/* At the setting, or, if there is none, at the beginning of the group. */
static void complain(struct reading *reading, const struct node *group, const char *what,
                     const char *name, int why)
{
    const struct node *node = node_child(group, what);
    struct place place = node != NULL ? node->place : group->place;
    const char *path = node != NULL ? node_path(reading->memory, node) : what;
    if (why == ENOENT)
        reading_error(reading, place, path, "there is no %s \"%s\" on this machine", what, name);
    else
        reading_error(reading, place, path, "the %s \"%s\" cannot be looked up: %s", what, name,
                      strerror(why));
}

/* All groups that the system's data base has for the user. */
static void find_groups(struct reading *reading, struct conf_identity *identity)
{
    int count = 64;
    int room;
    do {
        room = count;
        identity->groups = memory_take(reading->memory, (size_t)room * sizeof(gid_t));
        if (getgrouplist(identity->user, identity->gid, identity->groups, &count) >= 0)
            break;
        count = count > room ? count : room * 2;
    } while (count <= GROUPS_MAX);
    identity->group_count = (size_t)(count < room ? count : room);
}

static int find_default_user(struct conf_identity *identity)
{
    static const char *const names[] = {"tcpd", "nobody"};
    int result = ENOENT;
    for (size_t i = 0; result == ENOENT && i < sizeof(names) / sizeof(names[0]); i++) {
        strcpy(identity->user, names[i]);
        result = lookup_user(names[i], &identity->uid, &identity->gid);
    }
    return result;
}

/* A user that was not named is whom root must not be, or who runs the master. */
static int find_user(struct conf_identity *identity)
{
    if (identity->user[0] != '\0')
        return lookup_user(identity->user, &identity->uid, &identity->gid);
    return identity->changes ? find_default_user(identity) : 0;
}

static int find_group(struct conf_identity *identity)
{
    if (identity->group[0] != '\0')
        return lookup_group(identity->group, &identity->gid);
    if (!identity->changes)
        identity->gid = getegid();
    else if (lookup_group_name(identity->gid, identity->group, sizeof(identity->group)) != 0)
        identity->group[0] = '\0';
    return 0;
}

/* `group`: where user and group may stand. */
static void resolve(struct reading *reading, const struct node *group,
                    struct conf_identity *identity)
{
    note_place(identity, node_child(group, "user"), node_child(group, "group"));
    int no_user = find_user(identity);
    int no_group = find_group(identity);
    if (no_user != 0)
        complain(reading, group, "user", identity->user, no_user);
    if (no_group != 0)
        complain(reading, group, "group", identity->group, no_group);
    if (identity->changes && no_user == 0 && no_group == 0)
        find_groups(reading, identity);
}

void identity_resolve(struct reading *reading, const struct node *root)
{
    struct conf_identity *identity = &reading->conf->identity;
    identity->changes = geteuid() == 0;
    identity->uid = geteuid();
    resolve(reading, root, identity);
}

static bool is_named(const struct conf_identity *identity)
{
    return identity->user[0] != '\0' || identity->group[0] != '\0';
}

/* One that has the right to, without being root, becomes somebody else as well. */
void identity_resolve_program(struct reading *reading, const struct node *service,
                              struct conf_identity *identity)
{
    const struct conf_identity *standard = &reading->conf->identity;
    if (!is_named(identity)) {
        *identity = *standard;
        return;
    }
    if (identity->user[0] == '\0')
        strcpy(identity->user, standard->user);
    identity->uid = standard->uid;
    identity->changes = true;
    resolve(reading, service, identity);
    identity->changes = geteuid() == 0 || identity->uid != geteuid() || identity->gid != getegid();
}

static bool may_become_others(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
    uint32_t needed = CAP_TO_MASK(CAP_SETUID) | CAP_TO_MASK(CAP_SETGID);
    return syscall(SYS_capget, &header, data) == 0 && (data[0].effective & needed) == needed;
}

int conf_identity_check(const struct conf_identity *identity, const char *what, struct error *error)
{
    bool is_user = identity->uid == geteuid();
    if (geteuid() == 0 || may_become_others() || (is_user && identity->gid == getegid()))
        return 0;
    error_set(error, 0, "%s cannot be the %s \"%s\": that needs a tcpd started as root", what,
              is_user ? "group" : "user", is_user ? identity->group : identity->user);
    error->errnum = EPERM;
    return -1;
}
