/* SPDX-License-Identifier: MIT */
#include "conf/lookup.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_MAX (4U * 1024 * 1024) /* for all members of one group */

/* What is looked up, and what was found. */
struct question {
    const char *name;
    gid_t gid;
    uid_t found_uid;
    gid_t found_gid;
    char *found_name; /* if there is room for it */
    size_t size;
};

/* Looks once, in a buffer of this size; ERANGE: it is too small. */
typedef int looker(struct question *question, char *buffer, size_t size);

static int look_for_user(struct question *question, char *buffer, size_t size)
{
    struct passwd user;
    struct passwd *found = NULL;
    int result = getpwnam_r(question->name, &user, buffer, size, &found);
    if (result == 0 && found == NULL)
        return ENOENT;
    if (result == 0) {
        question->found_uid = user.pw_uid;
        question->found_gid = user.pw_gid;
    }
    return result;
}

static int look_for_group(struct question *question, char *buffer, size_t size)
{
    struct group group;
    struct group *found = NULL;
    int result = getgrnam_r(question->name, &group, buffer, size, &found);
    if (result == 0 && found == NULL)
        return ENOENT;
    if (result == 0)
        question->found_gid = group.gr_gid;
    return result;
}

static int look_for_name(struct question *question, char *buffer, size_t size)
{
    struct group group;
    struct group *found = NULL;
    int result = getgrgid_r(question->gid, &group, buffer, size, &found);
    if (result != 0)
        return result;
    if (found == NULL || strlen(group.gr_name) >= question->size)
        return ENOENT;
    snprintf(question->found_name, question->size, "%s", group.gr_name);
    return 0;
}

static int ask(looker *look, struct question *question)
{
    int result = ERANGE;
    for (size_t size = 4096; result == ERANGE && size <= BUFFER_MAX; size *= 4) {
        char *buffer = malloc(size);
        if (buffer == NULL)
            return ENOMEM;
        result = look(question, buffer, size);
        free(buffer);
    }
    return result;
}

int lookup_user(const char *name, uid_t *uid, gid_t *primary)
{
    struct question question = {.name = name};
    int result = ask(look_for_user, &question);
    if (result == 0) {
        *uid = question.found_uid;
        *primary = question.found_gid;
    }
    return result;
}

int lookup_group(const char *name, gid_t *gid)
{
    struct question question = {.name = name};
    int result = ask(look_for_group, &question);
    if (result == 0)
        *gid = question.found_gid;
    return result;
}

int lookup_group_name(gid_t gid, char *name, size_t size)
{
    struct question question = {.gid = gid, .found_name = name, .size = size};
    return ask(look_for_name, &question);
}
