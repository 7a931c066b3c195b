/* SPDX-License-Identifier: MIT */
#include "tcpc/ends.h"

#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* One write to a file; bounded so that the other direction gets its turn. */
#define FILE_MOST ((size_t)256 * 1024)

int ends_fill(struct error *error)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) >= 0)
            continue;
        if (open("/dev/null", O_RDWR) != fd) /* the lowest free number, which is fd */
            return error_set(error, errno, "cannot open /dev/null for descriptor %d", fd);
    }
    return 0;
}

/*
 * A pipe that is written by more than PIPE_BUF bytes may block even after
 * POLLOUT, and then nothing is read from the peer either: two programs that wait
 * for each other.  Opened once more it is a file description of our own, which may be
 * non-blocking.  Not possible for a pipe of another user: then PIPE_BUF at a time.
 */
static void open_pipe(struct output *output)
{
    int own = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    output->most = own < 0 ? PIPE_BUF : FILE_MOST;
    if (own >= 0)
        output->fd = own;
}

void ends_widen(int fd, int size)
{
    int now = fcntl(fd, F_GETPIPE_SZ);
    if (now > 0 && now < size)
        fcntl(fd, F_SETPIPE_SZ, size);
}

void output_open(struct output *output)
{
    struct stat status;
    *output = (struct output){.fd = STDOUT_FILENO, .most = FILE_MOST};
    if (fstat(STDOUT_FILENO, &status) != 0)
        return;
    output->socket = S_ISSOCK(status.st_mode);
    if (S_ISFIFO(status.st_mode))
        open_pipe(output);
    else if (S_ISCHR(status.st_mode))
        output->most = PIPE_BUF;
}

void output_close(struct output *output)
{
    if (output->fd != STDOUT_FILENO)
        close(output->fd);
    output->fd = -1;
}

ssize_t output_write(const struct output *output, const char *bytes, size_t length)
{
    if (length > output->most)
        length = output->most;
    ssize_t n = output->socket ? send(output->fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL)
                               : write(output->fd, bytes, length);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    return n;
}

bool ends_utf8(void)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}
