/* SPDX-License-Identifier: MIT */
#include "tcpc/history.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool history_path(char path[static HISTORY_PATH_MAX], const char *state, const char *home)
{
    int length;
    if (state && state[0] == '/')
        length = snprintf(path, HISTORY_PATH_MAX, "%s/tcpc/history", state);
    else if (home && home[0] == '/')
        length = snprintf(path, HISTORY_PATH_MAX, "%s/.local/state/tcpc/history", home);
    else
        return false;
    return length > 0 && length < HISTORY_PATH_MAX - 16; /* room for the temporary name */
}

bool history_wants(const char *line)
{
    return line[0] != '\0' && line[0] != '\n' && line[0] != ' ' && line[0] != '\t';
}

/* Each folder on the way; what exists already is left as it is, and what fails shows at open. */
static void make_folders(const char *path)
{
    char folder[HISTORY_PATH_MAX];
    for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        size_t length = (size_t)(slash - path);
        memcpy(folder, path, length);
        folder[length] = '\0';
        mkdir(folder, 0700);
    }
}

/* The process id keeps two sessions that end at once apart. */
static void temporary_name(char name[static HISTORY_PATH_MAX], const char *path)
{
    snprintf(name, HISTORY_PATH_MAX, "%s.%d", path, (int)getpid());
}

FILE *history_create(const char *path)
{
    char name[HISTORY_PATH_MAX];
    make_folders(path);
    temporary_name(name, path);
    unlink(name); /* of a session that had our number and crashed */
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return NULL;
    FILE *file = fdopen(fd, "w");
    if (!file)
        close(fd);
    return file;
}

bool history_replace(const char *path, FILE *file)
{
    char name[HISTORY_PATH_MAX];
    temporary_name(name, path);
    bool written = !ferror(file);
    if (fclose(file) != 0)
        written = false;
    if (written && rename(name, path) == 0)
        return true;
    unlink(name);
    return false;
}
