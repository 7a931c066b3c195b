/* SPDX-License-Identifier: MIT */
#include "tcpctl/client.h"

#include "tcpctl/heap.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define READ_AT_ONCE 65536

/* Why there may be nobody to ask, and what helps. */
static const struct {
    int errnum;
    const char *text;
} advices[] = {
    {ENOENT, "there is no such socket; is tcpd running, and is this its control.socket?"},
    {ECONNREFUSED, "nobody listens there; is tcpd running?"},
    {EACCES, "not permitted; be root, or a member of the group in control.group"},
    {EAGAIN, "tcpd does not take the connection; too many others are asking it"},
};

static int refuse(const char *path, int errnum, struct error *error)
{
    for (size_t i = 0; i < sizeof advices / sizeof *advices; i++) {
        if (advices[i].errnum == errnum)
            return error_set(error, 0, "cannot ask tcpd at %.300s: %s", path, advices[i].text);
    }
    return error_set(error, errnum, "cannot ask tcpd at %.300s", path);
}

/* A socket that is not 0, 1 or 2, even when one of these is closed: what is printed goes there. */
static int open_socket(int timeout_ms)
{
    int type = SOCK_STREAM | SOCK_CLOEXEC | (timeout_ms == 0 ? SOCK_NONBLOCK : 0);
    int fd = socket(AF_UNIX, type, 0);
    if (fd < 0 || fd > STDERR_FILENO)
        return fd;
    int higher = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    close(fd);
    return higher;
}

static int connect_to(int fd, const char *path, int timeout_ms)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, path);
    struct timeval limit = {timeout_ms / 1000, timeout_ms % 1000 * 1000};
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit))
        return -1;
    return connect(fd, (const struct sockaddr *)&address, sizeof address);
}

int client_open(struct client *client, const char *path, int timeout_ms, struct error *error)
{
    *client = (struct client){.fd = open_socket(timeout_ms)};
    if (client->fd >= 0 && connect_to(client->fd, path, timeout_ms) == 0)
        return 0;
    int errnum = errno;
    client_close(client);
    return refuse(path, errnum, error);
}

int client_send(struct client *client, const char *line, size_t length, struct error *error)
{
    while (length) {
        ssize_t sent = send(client->fd, line, length, MSG_NOSIGNAL);
        if (sent < 0 && (errno == EPIPE || errno == ECONNRESET))
            return 0;
        if (sent < 0 && errno != EINTR)
            return error_set(error, errno, "cannot send the command to tcpd");
        if (sent > 0) {
            line += sent;
            length -= (size_t)sent;
        }
    }
    return 0;
}

/* Hands out a line that has arrived whole. */
static bool split_line(struct client *client, char **line, size_t *length)
{
    char *newline = NULL;
    if (client->scanned < client->end)
        newline = memchr(client->buffer + client->scanned, '\n', client->end - client->scanned);
    if (!newline) {
        client->scanned = client->end;
        return false;
    }
    *newline = '\0';
    *line = client->buffer + client->start;
    *length = (size_t)(newline - *line);
    client->start = client->scanned = client->start + *length + 1;
    return true;
}

static void drop_what_was_handed_out(struct client *client)
{
    if (client->start == 0)
        return;
    client->end -= client->start;
    client->scanned -= client->start;
    memmove(client->buffer, client->buffer + client->start, client->end);
    client->start = 0;
}

static void make_room(struct client *client)
{
    drop_what_was_handed_out(client);
    if (client->room - client->end >= READ_AT_ONCE)
        return;
    client->room = 2 * client->room + READ_AT_ONCE;
    client->buffer = heap_grow(client->buffer, client->room, 1);
}

/* Reads what is there, if anything is.  Returns false when reading failed. */
static bool read_some(struct client *client, struct error *error)
{
    make_room(client);
    char *place = client->buffer + client->end;
    ssize_t count = recv(client->fd, place, READ_AT_ONCE, MSG_DONTWAIT);
    if (count > 0)
        client->end += (size_t)count;
    else if (count == 0 || errno == ECONNRESET)
        client->finished = true;
    else if (errno != EAGAIN && errno != EINTR) {
        error_set(error, errno, "cannot read what tcpd answers");
        return false;
    }
    return true;
}

enum client_result client_take(struct client *client, char **line, size_t *length,
                               struct error *error)
{
    if (split_line(client, line, length))
        return CLIENT_LINE;
    if (!client->finished && !read_some(client, error))
        return CLIENT_FAILED;
    if (split_line(client, line, length))
        return CLIENT_LINE;
    if (client->end - client->start > CLIENT_LINE_MAX) {
        error_set(error, 0, "a line of tcpd's answer is longer than %d MiB", CLIENT_LINE_MAX >> 20);
        return CLIENT_FAILED;
    }
    return client->finished ? CLIENT_END : CLIENT_NOTHING;
}

enum client_result client_receive(struct client *client, int timeout_ms, char **line,
                                  size_t *length, struct error *error)
{
    enum client_result result = client_take(client, line, length, error);
    while (result == CLIENT_NOTHING) {
        struct pollfd wanted = {.fd = client->fd, .events = POLLIN};
        int ready = poll(&wanted, 1, timeout_ms);
        if (ready == 0) {
            error_set(error, 0, "tcpd has not answered for %d s; does it hang?", timeout_ms / 1000);
            return CLIENT_FAILED;
        }
        result = client_take(client, line, length, error);
    }
    return result;
}

void client_close(struct client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    free(client->buffer);
    *client = (struct client){.fd = -1};
}
