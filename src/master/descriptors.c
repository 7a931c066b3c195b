/* SPDX-License-Identifier: MIT */
#include "master/descriptors.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

static int compare(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

void descriptors_close_all_but(int *keep, unsigned count)
{
    unsigned from = STDERR_FILENO + 1;
    qsort(keep, count, sizeof *keep, compare);
    for (unsigned i = 0; i < count; i++) {
        if ((unsigned)keep[i] > from)
            close_range(from, (unsigned)keep[i] - 1, 0);
        from = (unsigned)keep[i] + 1;
    }
    close_range(from, ~0U, 0);
}

void descriptors_inherit(int fd, bool yes)
{
    fcntl(fd, F_SETFD, yes ? 0 : FD_CLOEXEC);
}
