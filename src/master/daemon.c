/* SPDX-License-Identifier: MIT */
#include "master/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

/* In the background: a pipe to the process that was started, and its standard error. */
static int starter = -1;
static int starter_stderr = STDERR_FILENO;

/* The process that was started: its part is to say how it went, or to be interrupted. */
static void wait_and_leave(int from_daemon)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    unsigned char status = EX_OSERR; /* the daemon died without a word */
    ssize_t length;
    do
        length = read(from_daemon, &status, 1);
    while (length < 0 && errno == EINTR);
    _exit(status);
}

static void streams_to_null(bool keep_stderr)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return;
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    if (!keep_stderr)
        dup2(null, STDERR_FILENO);
    if (null > STDERR_FILENO)
        close(null);
}

int daemon_detach(bool keep_stderr, struct error *error)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC))
        return error_set(error, errno, "cannot make a pipe");
    pid_t pid = fork();
    if (pid < 0)
        return error_set(error, errno, "cannot go to the background");
    if (pid > 0) {
        close(ends[1]);
        wait_and_leave(ends[0]);
    }
    close(ends[0]);
    starter = ends[1];
    starter_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    setsid();
    if (chdir("/"))
        return error_set(error, errno, "cannot go to /");
    streams_to_null(keep_stderr);
    return 0;
}

void daemon_ready(int status)
{
    unsigned char byte = (unsigned char)status;
    if (starter < 0)
        return;
    while (write(starter, &byte, 1) < 0 && errno == EINTR)
        ;
    close(starter);
    close(starter_stderr);
    starter = starter_stderr = -1;
}

void daemon_complain(const char *sentence)
{
    if (starter_stderr >= 0)
        dprintf(starter_stderr, "tcpd: %s\n", sentence);
}

static int already_running(int fd, const char *path, struct error *error)
{
    char pid[32] = "";
    ssize_t length = pread(fd, pid, sizeof pid - 1, 0);
    pid[length > 0 ? strspn(pid, "0123456789") : 0] = '\0';
    close(fd);
    return error_set(error, 0, "%s is locked: a daemon with pid %s runs already", path,
                     pid[0] ? pid : "unknown");
}

/* Whether the locked file is still the one of that name: its last owner may have removed it. */
static bool is_still_there(int fd, const char *path)
{
    struct stat ours, theirs;
    return fstat(fd, &ours) == 0 && lstat(path, &theirs) == 0 && ours.st_ino == theirs.st_ino &&
           ours.st_dev == theirs.st_dev;
}

char *daemon_absolute_path(const char *path)
{
    char *result = NULL;
    char *folder = path[0] == '/' ? strdup("") : get_current_dir_name();
    if (folder && asprintf(&result, path[0] == '/' ? "%s%s" : "%s/%s", folder, path) < 0)
        result = NULL;
    free(folder);
    return result;
}

static int open_and_lock(const char *path, struct error *error)
{
    for (;;) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
        if (fd < 0)
            return error_set(error, errno, "cannot open the pid file %s", path);
        if (flock(fd, LOCK_EX | LOCK_NB))
            return already_running(fd, path, error);
        if (is_still_there(fd, path))
            return fd;
        close(fd);
    }
}

int daemon_lock_pid_file(struct pid_file *pid_file, const char *path, struct error *error)
{
    pid_file->path = daemon_absolute_path(path);
    if (!pid_file->path)
        return error_set(error, errno, "cannot tell where the pid file %s is", path);
    pid_file->fd = open_and_lock(pid_file->path, error);
    return pid_file->fd < 0 ? -1 : 0;
}

int daemon_write_pid_file(const struct pid_file *pid_file, struct error *error)
{
    char pid[32];
    int length = snprintf(pid, sizeof pid, "%d\n", getpid());
    if (ftruncate(pid_file->fd, 0) || pwrite(pid_file->fd, pid, (size_t)length, 0) != length)
        return error_set(error, errno, "cannot write the pid file %s", pid_file->path);
    return 0;
}

void daemon_remove_pid_file(struct pid_file *pid_file)
{
    if (pid_file->fd >= 0) {
        unlink(pid_file->path);
        close(pid_file->fd);
    }
    free(pid_file->path);
    *pid_file = (struct pid_file){.fd = -1};
}
