/* SPDX-License-Identifier: MIT */
#include "conf/source.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static const struct kind {
    mode_t type;
    const char *name;
} kinds[] = {
    {S_IFDIR, "a directory"},        {S_IFIFO, "a FIFO"},         {S_IFSOCK, "a socket"},
    {S_IFCHR, "a character device"}, {S_IFBLK, "a block device"},
};

static int refuse_kind(mode_t mode, struct error *error)
{
    const char *name = "no regular file";
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if ((mode & S_IFMT) == kinds[i].type)
            name = kinds[i].name;
    }
    return error_set(error, 0, "is %s: only a regular file is read", name);
}

/* Reads until the end or until the buffer is full. */
static ssize_t read_all(int fd, char *buffer, size_t size)
{
    size_t length = 0;
    while (length < size) {
        ssize_t got = read(fd, buffer + length, size - length);
        if (got == 0)
            break;
        if (got > 0)
            length += (size_t)got;
        else if (errno != EINTR)
            return -1;
    }
    return (ssize_t)length;
}

static unsigned line_of(const char *text, const char *at)
{
    unsigned line = 1;
    for (; text < at; text++)
        line += *text == '\n';
    return line;
}

/* Reads the whole file into a buffer of SOURCE_MAX + 1 bytes and checks that it is text. */
static int read_text(int fd, char *buffer, size_t *length, unsigned *line, struct error *error)
{
    ssize_t got = read_all(fd, buffer, SOURCE_MAX + 1);
    if (got < 0)
        return error_set(error, errno, "cannot be read");
    if (got > SOURCE_MAX)
        return error_set(error, 0, "is larger than 4 MiB: split it, and name the parts in include");
    const char *nul = memchr(buffer, '\0', (size_t)got);
    if (nul != NULL) {
        *line = line_of(buffer, nul);
        return error_set(error, 0, "holds a NUL byte: a configuration is text");
    }
    *length = (size_t)got;
    return 0;
}

static char *read_regular(int fd, size_t *length, unsigned *line, struct error *error)
{
    char *buffer = malloc(SOURCE_MAX + 1);
    if (buffer == NULL)
        err(EX_OSERR, "the configuration");
    if (read_text(fd, buffer, length, line, error) == 0)
        return buffer;
    free(buffer);
    return NULL;
}

/* O_NONBLOCK: opening a FIFO or a device must not wait for its other end. */
char *source_read(const char *file, size_t *length, struct stat *id, unsigned *line,
                  struct error *error)
{
    *line = 1;
    int fd = open(file, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 && errno == ENXIO)
        refuse_kind(S_IFSOCK, error);
    else if (fd < 0)
        error_set(error, errno, "cannot be opened");
    if (fd < 0)
        return NULL;
    char *text = NULL;
    if (fstat(fd, id) != 0)
        error_set(error, errno, "cannot be read");
    else if (!S_ISREG(id->st_mode))
        refuse_kind(id->st_mode, error);
    else
        text = read_regular(fd, length, line, error);
    close(fd);
    return text;
}

/* A drop-in folder need not exist; one that cannot be read is a mistake. */
static int glob_refuses(const char *path, int errnum)
{
    (void)path;
    return errnum != ENOENT && errnum != ENOTDIR;
}

static const char **copy_names(struct memory *memory, const glob_t *found)
{
    const char **names = memory_take(memory, (found->gl_pathc + 1) * sizeof(*names));
    for (size_t i = 0; i < found->gl_pathc; i++)
        names[i] = memory_copy(memory, found->gl_pathv[i], strlen(found->gl_pathv[i]));
    return names;
}

const char **source_match(struct memory *memory, const char *pattern, struct error *error)
{
    glob_t found = {0};
    const char **names = NULL;
    int result = glob(pattern, 0, glob_refuses, &found);
    if (result == GLOB_NOSPACE)
        err(EX_OSERR, "the configuration");
    if (result == GLOB_ABORTED)
        error_set(error, 0, "leads through a folder that cannot be read");
    else if (result == GLOB_NOMATCH)
        names = memory_take(memory, sizeof(*names));
    else if (found.gl_pathc > INCLUDES_MAX)
        error_set(error, 0, "matches %zu files: the most is %d", found.gl_pathc, INCLUDES_MAX);
    else
        names = copy_names(memory, &found);
    globfree(&found);
    return names;
}
