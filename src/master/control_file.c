/* SPDX-License-Identifier: MIT */
/* The control socket as a file: made, given to its group, known again, removed. */
#include "io/addr.h"
#include "io/sock.h"
#include "master/control_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG 64

static const char elsewhere[] =
    "set control.socket to a path where tcpd may make files, or to \"\"";
static const char in_use[] = "stop or remove what is there, or set control.socket to another path";
static const char no_group[] =
    "set control.group to a group that tcpd's user is a member of, or to \"\"";

static int fail(struct error *error, const struct error *why, const char *way_out)
{
    error_set(error, 0, "control socket: %s; %s", why->text, way_out);
    if (error)
        error->errnum = why->errnum;
    return -1;
}

/* The object behind the path is held, so that nobody can put another one under our hands. */
static int pin(const char *path, struct stat *status, struct error *why)
{
    int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, status) == 0 && S_ISSOCK(status->st_mode) &&
        status->st_uid == geteuid())
        return fd;
    error_set(why, fd < 0 ? errno : 0, "%s is not the socket that was made there", path);
    if (fd >= 0)
        close(fd);
    return -1;
}

static int set_mode(int fd, mode_t mode)
{
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    return chmod(name, mode);
}

/* While the group changes, the file belongs to its owner alone: never do the members of one group
 * have what was meant for another. */
static int set_group(int fd, const struct stat *status, gid_t gid)
{
    mode_t mode = status->st_mode & 0777;
    if (status->st_gid == gid)
        return 0;
    if (mode & 0077 && set_mode(fd, mode & 0700))
        return -1;
    if (fchownat(fd, "", (uid_t)-1, gid, AT_EMPTY_PATH) == 0)
        return 0;
    int errnum = errno;
    set_mode(fd, mode);
    errno = errnum;
    return -1;
}

int control_file_set(const struct control_file *file, const struct control_settings *settings,
                     struct error *error)
{
    struct error why = {0};
    struct stat status;
    const char *way_out = elsewhere;
    gid_t gid = settings->has_group ? settings->gid : getegid();
    int fd = pin(file->path, &status, &why);
    if (fd < 0)
        return fail(error, &why, elsewhere);
    int failed = set_group(fd, &status, gid);
    if (failed) {
        error_set(&why, errno, "cannot give %s to the group %u", file->path, (unsigned)gid);
        way_out = no_group;
    } else if (fstat(fd, &status) ||
               ((status.st_mode & 0777) != settings->mode && set_mode(fd, settings->mode))) {
        failed = error_set(&why, errno, "cannot set the mode of %s", file->path);
    }
    close(fd);
    return failed ? fail(error, &why, way_out) : 0;
}

int control_file_know(struct control_file *file, const char *path, struct error *error)
{
    struct stat status;
    if (strlen(path) >= sizeof file->path)
        return error_set(error, ENAMETOOLONG, "control socket: %s", path);
    if (lstat(path, &status) || !S_ISSOCK(status.st_mode))
        status = (struct stat){0}; /* somebody has removed it; no file is ever known as that */
    snprintf(file->path, sizeof file->path, "%s", path);
    file->device = status.st_dev;
    file->inode = status.st_ino;
    return 0;
}

bool control_file_is(const struct control_file *file, const char *path)
{
    struct stat status;
    return file->path[0] && lstat(path, &status) == 0 && status.st_dev == file->device &&
           status.st_ino == file->inode;
}

void control_file_remove(const struct control_file *file)
{
    if (control_file_is(file, file->path))
        unlink(file->path);
}

/* Returns 1 when it was made: then it goes again with what fails in it. */
static int make_folder(const char *path, char folder[static 108], struct error *error)
{
    struct error why = {0};
    snprintf(folder, 108, "%s", path);
    char *slash = strrchr(folder, '/');
    if (!slash || slash == folder)
        return 0;
    *slash = '\0';
    mode_t before = umask(0022);
    int failed = mkdir(folder, 0755) ? errno : 0;
    umask(before);
    if (failed == 0 || failed == EEXIST)
        return failed == 0;
    error_set(&why, failed, "cannot make the folder of %s", path);
    return fail(error, &why, elsewhere);
}

/* At first nobody but its owner can use it. */
static int listen_closed(const struct control_settings *settings, struct error *error)
{
    struct error why = {0};
    struct addr address = {.family = AF_UNIX, .path = settings->socket};
    int fd = sock_listen(&address, BACKLOG, NULL, settings->mode & 0700, &why);
    if (fd < 0)
        fail(error, &why, why.errnum == EADDRINUSE ? in_use : elsewhere);
    return fd;
}

int control_file_open(struct control_file *file, const struct control_settings *settings,
                      struct error *error)
{
    char folder[sizeof file->path];
    if (strlen(settings->socket) >= sizeof file->path)
        return error_set(error, 0, "control socket: %s is longer than 107 bytes; %s",
                         settings->socket, elsewhere);
    int made = make_folder(settings->socket, folder, error);
    int fd = made < 0 ? -1 : listen_closed(settings, error);
    if (fd >= 0 && control_file_know(file, settings->socket, error) == 0 &&
        control_file_set(file, settings, error) == 0)
        return fd;
    if (fd >= 0) {
        control_file_remove(file);
        close(fd);
    }
    if (made == 1)
        rmdir(folder);
    return -1;
}
