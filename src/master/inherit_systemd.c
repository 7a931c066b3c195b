/* SPDX-License-Identifier: MIT */
#include "master/inherit.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

int inherit(struct inheritance *inheritance)
{
    char **names = NULL;
    int count = sd_listen_fds_with_names(1, &names);
    int failed = count < 0 ? -1 : 0;
    *inheritance = (struct inheritance){0};
    for (int i = 0; i < count; i++) {
        int fd = SD_LISTEN_FDS_START + i;
        if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) > 0 &&
            inherit_take(inheritance, fd, names[i]))
            failed = -1;
        free(names[i]);
    }
    free(names);
    return failed;
}
