/* SPDX-License-Identifier: MIT */
#include "conf/identity.h"

#include "conf/lookup.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
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

/* At the setting, or, if there is none, at the beginning of the file. */
static void complain(struct reading *reading, const struct node *root, const char *what,
                     const char *name, int why)
{
    const struct node *node = node_child(root, what);
    struct place place = node != NULL ? node->place : root->place;
    if (why == ENOENT)
        reading_error(reading, place, what, "there is no %s \"%s\" on this machine", what, name);
    else
        reading_error(reading, place, what, "the %s \"%s\" cannot be looked up: %s", what, name,
                      strerror(why));
}

/* All groups that the system's data base has for the user. */
static void find_groups(struct reading *reading)
{
    struct conf_identity *identity = &reading->conf->identity;
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

void identity_resolve(struct reading *reading, const struct node *root)
{
    struct conf_identity *identity = &reading->conf->identity;
    note_place(identity, node_child(root, "user"), node_child(root, "group"));
    identity->changes = geteuid() == 0;
    identity->uid = geteuid();
    int no_user = find_user(identity);
    int no_group = find_group(identity);
    if (no_user != 0)
        complain(reading, root, "user", identity->user, no_user);
    if (no_group != 0)
        complain(reading, root, "group", identity->group, no_group);
    if (identity->changes && no_user == 0 && no_group == 0)
        find_groups(reading);
}

int conf_identity_check(const struct conf_identity *identity, struct error *error)
{
    bool is_user = identity->uid == geteuid();
    if (geteuid() == 0 || (is_user && identity->gid == getegid()))
        return 0;
    error_set(error, 0, "children cannot be the %s \"%s\": that needs a tcpd started as root",
              is_user ? "group" : "user", is_user ? identity->group : identity->user);
    error->errnum = EPERM;
    return -1;
}
