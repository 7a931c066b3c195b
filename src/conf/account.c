/* SPDX-License-Identifier: MIT */
#include "conf/account.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>

#define BUFFER_MAX (4U * 1024 * 1024) /* for all members of one group */

/* One attempt with a buffer of this size; ERANGE: it is too small. */
typedef int attempt_fn(const char *name, char *buffer, size_t size, uint32_t *id);

static int attempt_user(const char *name, char *buffer, size_t size, uint32_t *id)
{
    struct passwd user, *found = NULL;
    int result = getpwnam_r(name, &user, buffer, size, &found);
    if (result == 0 && found == NULL)
        return ENOENT;
    if (result == 0)
        *id = user.pw_uid;
    return result;
}

static int attempt_group(const char *name, char *buffer, size_t size, uint32_t *id)
{
    struct group group, *found = NULL;
    int result = getgrnam_r(name, &group, buffer, size, &found);
    if (result == 0 && found == NULL)
        return ENOENT;
    if (result == 0)
        *id = group.gr_gid;
    return result;
}

static int find(attempt_fn *attempt, const char *name, uint32_t *id)
{
    int result = ERANGE;
    for (size_t size = 4096; result == ERANGE && size <= BUFFER_MAX; size *= 4) {
        char *buffer = malloc(size);
        if (buffer == NULL)
            return ENOMEM;
        result = attempt(name, buffer, size, id);
        free(buffer);
    }
    return result;
}

int account_user(const char *name, uint32_t *uid)
{
    return find(attempt_user, name, uid);
}

int account_group(const char *name, uint32_t *gid)
{
    return find(attempt_group, name, gid);
}
