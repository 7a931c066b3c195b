/* SPDX-License-Identifier: MIT */
#include "tcpctl/who.h"

#include "conf/lookup.h"
#include "conf/value.h"
#include "tcpctl/heap.h"

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define GROUPS_MAX 65536 /* of one process, as Linux has it */

/* Appends to a text, which it frees. */
static char *append(char *text, const char *key, unsigned id)
{
    char *longer = heap_print("%s%s%s%u", text ? text : "", text ? "," : "", key, id);
    free(text);
    return longer;
}

static char *print(uid_t uid, const gid_t *gids, int count)
{
    char *text = append(NULL, "uid:", uid);
    for (int i = 0; i < count; i++)
        text = append(text, "gid:", gids[i]);
    return text;
}

/* Who asks. */
static char *myself(void)
{
    int count = getgroups(0, NULL);
    gid_t *gids = heap_grow(NULL, (size_t)(count > 0 ? count : 0) + 1, sizeof *gids);
    gids[0] = getegid();
    count = getgroups(count, gids + 1);
    char *text = print(geteuid(), gids, 1 + (count > 0 ? count : 0));
    free(gids);
    return text;
}

/* All groups of a user; the first is its own. */
static char *with_groups(const char *name, uid_t uid, gid_t primary)
{
    int count = 64, room;
    gid_t *gids = NULL;
    do {
        room = count;
        gids = heap_grow(gids, (size_t)room, sizeof *gids);
        if (getgrouplist(name, primary, gids, &count) >= 0)
            break;
        count = count > room ? count : room * 2;
    } while (count <= GROUPS_MAX);
    char *text = print(uid, gids, count < room ? count : room);
    free(gids);
    return text;
}

static void tell_missing(struct error *error, const char *noun, const char *name, int why)
{
    if (why == ENOENT)
        error_set(error, 0, "there is no %s \"%.64s\" on this machine", noun, name);
    else
        error_set(error, why, "the %s \"%.64s\" cannot be looked up", noun, name);
}

static char *user(const char *name, struct error *error)
{
    uid_t uid;
    gid_t primary;
    int why = lookup_user(name, &uid, &primary);
    if (why == 0)
        return with_groups(name, uid, primary);
    if (why == ENOENT)
        error_set(error, 0,
                  "\"%.64s\" is no client: write an IPv4 or IPv6 address, or for one on a unix "
                  "socket a user of this machine, uid:USER,gid:GROUP, or unix for yourself",
                  name);
    else
        tell_missing(error, "user", name, why);
    return NULL;
}

static int find_id(bool is_group, const char *name, uint32_t *id)
{
    gid_t primary;
    if (value_id(name, id))
        return 0;
    return is_group ? lookup_group(name, id) : lookup_user(name, id, &primary);
}

/* One part of a list: a user if it is the first, else a group. */
static char *add_part(char *text, const char *part, struct error *error)
{
    bool is_group = text != NULL;
    const char *key = is_group ? "gid:" : "uid:";
    bool begins = strncmp(part, key, strlen(key)) == 0;
    uint32_t id;
    int why = begins ? find_id(is_group, part + strlen(key), &id) : 0;
    if (begins && why == 0)
        return append(text, key, id);
    if (begins)
        tell_missing(error, is_group ? "group" : "user", part + strlen(key), why);
    else
        error_set(error, 0, "\"%.64s\": expected %s and a name or a number", part, key);
    free(text);
    return NULL;
}

static char *list(const char *text, struct error *error)
{
    char *parts = heap_print("%s", text), *rest = parts;
    char *all = NULL;
    do
        all = add_part(all, strsep(&rest, ","), error);
    while (all && rest);
    free(parts);
    return all;
}

/* No user's name has a colon in it, nor begins with a digit. */
static bool is_address(const char *text)
{
    return isdigit((unsigned char)text[0]) || strchr(text, ':');
}

char *who_translate(const char *text, struct error *error)
{
    if (strcmp(text, "unix") == 0)
        return myself();
    if (strncmp(text, "uid:", 4) == 0)
        return list(text, error);
    return is_address(text) ? heap_print("%s", text) : user(text, error);
}
