/* SPDX-License-Identifier: MIT */
#include "master/inherit.h"

#include "io/sock.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static void find_path(struct inherited *inherited)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    socklen_t length = sizeof un;
    if (getsockname(inherited->fd, (struct sockaddr *)&un, &length) == 0)
        memcpy(inherited->path, un.sun_path, strnlen(un.sun_path, sizeof inherited->path - 1));
}

/* The table moves when it grows: a path is found again in its new place. */
static void point_to_paths(struct inheritance *inheritance)
{
    for (unsigned i = 0; i < inheritance->count; i++)
        if (inheritance->sockets[i].address.family == AF_UNIX)
            inheritance->sockets[i].address.path = inheritance->sockets[i].path;
}

/* It may have come without the two flags that all of ours have. */
int inherit_take(struct inheritance *inheritance, int fd, const char *name)
{
    struct inherited *sockets =
        realloc(inheritance->sockets, (inheritance->count + 1) * sizeof *sockets);
    char *copy = strdup(name);
    if (sockets)
        inheritance->sockets = sockets;
    if (!sockets || !copy) {
        free(copy);
        return -1;
    }
    struct inherited *inherited = &sockets[inheritance->count++];
    *inherited = (struct inherited){.fd = fd, .name = copy};
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    sock_local(fd, &inherited->address);
    if (inherited->address.family == AF_UNIX)
        find_path(inherited);
    point_to_paths(inheritance);
    return 0;
}

void inherit_fini(struct inheritance *inheritance)
{
    for (unsigned i = 0; i < inheritance->count; i++)
        free(inheritance->sockets[i].name);
    free(inheritance->sockets);
}
