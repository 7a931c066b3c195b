/* SPDX-License-Identifier: MIT */
#include "master/inherit.h"

#include "io/sock.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

static void find_path(struct inherited *inherited)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    socklen_t length = sizeof un;
    if (getsockname(inherited->fd, (struct sockaddr *)&un, &length) == 0)
        memcpy(inherited->path, un.sun_path, strnlen(un.sun_path, sizeof inherited->path - 1));
    inherited->address.path = inherited->path;
}

/* It may have come without the two flags that all of ours have. */
static void take(struct inherited *inherited, int fd, char *name)
{
    *inherited = (struct inherited){.fd = fd, .name = name};
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    sock_local(fd, &inherited->address);
    if (inherited->address.family == AF_UNIX)
        find_path(inherited);
}

int inherit(struct inheritance *inheritance)
{
    char **names = NULL;
    int count = sd_listen_fds_with_names(1, &names);
    *inheritance = (struct inheritance){0};
    if (count <= 0)
        return count < 0 ? -1 : 0;
    inheritance->sockets = calloc((size_t)count, sizeof *inheritance->sockets);
    for (int i = 0; i < count; i++) {
        if (inheritance->sockets &&
            sd_is_socket(SD_LISTEN_FDS_START + i, AF_UNSPEC, SOCK_STREAM, 1) > 0)
            take(&inheritance->sockets[inheritance->count++], SD_LISTEN_FDS_START + i, names[i]);
        else
            free(names[i]);
    }
    free(names);
    return inheritance->sockets ? 0 : -1;
}

void inherit_fini(struct inheritance *inheritance)
{
    for (unsigned i = 0; i < inheritance->count; i++)
        free(inheritance->sockets[i].name);
    free(inheritance->sockets);
}
