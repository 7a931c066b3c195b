/* SPDX-License-Identifier: MIT */
/* The listening socket, and who gets in. */
#include "master/control.h"

#include "base/container.h"
#include "base/log.h"
#include "io/sock.h"
#include "master/control_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of linux/socket.h, for building with headers older than the kernel.  -1: known to none. */
#if !defined SO_PASSRIGHTS && (defined __sparc__ || defined __hppa__)
#define SO_PASSRIGHTS (-1)
#elif !defined SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

#define RETRY (100 * CLOCK_MS) /* to accept, when there was no descriptor left */

/* Coming in. */

/* One that is not heard out: it must not take a place from those who are. */
static void turn_away(int fd)
{
    static const char answer[] =
        "{\"ok\":false,\"error\":\"too many clients: each of the control socket's places is "
        "taken by one that waits for an answer\"}\n";
    if (sock_send(fd, answer, sizeof answer - 1) < 0)
        log_say(LOG_DEBUG, "a client of the control socket left before it was turned away");
    close(fd);
}

static struct control_client *idle_for_longest(const struct control *control)
{
    struct control_client *found = NULL;
    for (unsigned i = 0; i < control->count; i++) {
        struct control_client *client = control->clients[i];
        if (!client->waits && (!found || client->active < found->active))
            found = client;
    }
    return found;
}

static void welcome(struct control *control, int fd)
{
    struct error error;
    struct control_client *idle =
        control->count == CONTROL_CLIENTS_MAX ? idle_for_longest(control) : NULL;
    if (idle)
        control_client_end(idle);
    if (control->count == CONTROL_CLIENTS_MAX) {
        turn_away(fd);
    } else if (!control_client_new(control, fd, &error)) {
        log_say(LOG_WARNING, "control socket: %s", error.text);
        close(fd);
    }
}

static void retry_due(struct timer *timer, uint64_t now)
{
    struct control *control = container_of(timer, struct control, retry);
    (void)now;
    loop_change(control->loop, &control->listener, EPOLLIN);
}

/* The connection stays in the kernel's queue, and without a pause the loop would spin on it. */
static void pause_accepting(struct control *control, int errnum)
{
    struct error why;
    error_set(&why, errnum, "control socket: cannot accept");
    if (!control->short_of_descriptors)
        log_say(LOG_WARNING, "%s", why.text);
    control->short_of_descriptors = true;
    loop_change(control->loop, &control->listener, 0);
    timer_start(&control->retry, control->retry_fifo, clock_now());
}

static bool is_shortage(int errnum)
{
    return errnum == EMFILE || errnum == ENFILE || errnum == ENOBUFS || errnum == ENOMEM;
}

/* One in a turn: whoever connects without end leaves those who are in time to be heard. */
static void listener_ready(struct watch *watch, uint32_t events)
{
    struct control *control = container_of(watch, struct control, listener);
    (void)events;
    int fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        control->short_of_descriptors = false;
        welcome(control, fd);
    } else if (is_shortage(errno)) {
        pause_accepting(control, errno);
    }
}

/* Opening and closing. */

struct control *control_new(struct loop *loop, const struct control_command *commands, void *owner,
                            struct error *error)
{
    struct control *control = calloc(1, sizeof *control);
    if (control) {
        *control = (struct control){.listener = {listener_ready, -1, EPOLLIN},
                                    .loop = loop,
                                    .commands = commands,
                                    .owner = owner,
                                    .retry_fifo = timers_fifo(&loop->timers, RETRY, retry_due)};
        if (control->retry_fifo && control_client_timers(control) == 0)
            return control;
    }
    free(control);
    error_set(error, ENOMEM, "control socket");
    return NULL;
}

void control_free(struct control *control)
{
    if (!control)
        return;
    while (control->count)
        control_client_end(control->clients[control->count - 1]);
    control_close(control, false);
    free(control);
}

void control_close(struct control *control, bool unlink)
{
    if (control->listener.fd < 0)
        return;
    if (unlink)
        control_file_remove(&control->file);
    timer_stop(&control->retry);
    loop_remove(control->loop, &control->listener);
    close(control->listener.fd);
    control->listener.fd = -1;
    control->file = (struct control_file){0};
}

/*
 * The kernel is told to refuse descriptors that are sent along (Linux 6.16 and later; before, they
 * are dropped).  To drop the last one of a TCP socket that lingers can block for as long as its
 * sender likes.
 */
static void refuse_descriptors(int fd)
{
    int off = 0;
    if (setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof off))
        log_say(LOG_DEBUG, "control socket: this kernel cannot refuse descriptors");
}

/* Accepted sockets inherit that descriptors are refused.  The new one is watched before the old one
 * goes.  The loop knows it under its descriptor already when it moves to its place, so that this
 * cannot fail. */
static int replace(struct control *control, int fd, const struct control_file *file,
                   struct error *error)
{
    struct watch watch = {listener_ready, fd, EPOLLIN};
    refuse_descriptors(fd);
    if (loop_add(control->loop, &watch))
        return error_set(error, errno, "control socket: cannot watch %s", file->path);
    control_close(control, true);
    control->listener = watch;
    control->file = *file;
    return loop_adopt(control->loop, &control->listener);
}

static int reopen(struct control *control, const struct control_settings *settings,
                  struct error *error)
{
    struct control_file file = {0};
    int fd = control_file_open(&file, settings, error);
    if (fd < 0)
        return -1;
    if (replace(control, fd, &file, error) == 0)
        return 0;
    control_file_remove(&file);
    close(fd);
    return -1;
}

static int keep(struct control *control, const struct control_settings *settings,
                struct error *error)
{
    if (control_file_set(&control->file, settings, error))
        return -1;
    snprintf(control->file.path, sizeof control->file.path, "%s", settings->socket);
    return 0;
}

int control_listen(struct control *control, const struct control_settings *settings,
                   struct error *error)
{
    if (!settings->socket[0])
        control_close(control, true);
    else if (control_file_is(&control->file, settings->socket) ? keep(control, settings, error)
                                                               : reopen(control, settings, error))
        return -1;
    control->has_group = settings->has_group;
    control->gid = settings->gid;
    return 0;
}

/* Handing over. */

int control_listener_fd(const struct control *control)
{
    return control->listener.fd;
}

const char *control_path(const struct control *control)
{
    return control->file.path;
}

static int option(int fd, int name)
{
    int value = -1;
    socklen_t length = sizeof value;
    return getsockopt(fd, SOL_SOCKET, name, &value, &length) ? -1 : value;
}

static int tame(int fd, bool listens, struct error *error)
{
    if (option(fd, SO_DOMAIN) != AF_UNIX || option(fd, SO_TYPE) != SOCK_STREAM ||
        option(fd, SO_ACCEPTCONN) != listens)
        return error_set(error, 0, "control socket: descriptor %d is not what was handed over", fd);
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) || fcntl(fd, F_SETFL, O_NONBLOCK))
        return error_set(error, errno, "control socket: cannot set the flags of a descriptor");
    return 0;
}

int control_adopt(struct control *control, int fd, const char *path, struct error *error)
{
    struct control_file file = {0};
    if (tame(fd, true, error) || control_file_know(&file, path, error))
        return -1;
    return replace(control, fd, &file, error);
}

static struct control_client *adopt(struct control *control, int fd, struct error *error)
{
    if (control->count == CONTROL_CLIENTS_MAX) {
        error_set(error, 0, "control socket: there are %u clients already", control->count);
        return NULL;
    }
    return tame(fd, false, error) ? NULL : control_client_new(control, fd, error);
}

unsigned control_idle_fds(const struct control *control, int fds[static CONTROL_CLIENTS_MAX])
{
    unsigned count = 0;
    for (unsigned i = 0; i < control->count; i++) {
        const struct control_client *client = control->clients[i];
        if (!client->waits && !client->closing && !client->broken && !client->output &&
            client->length == 0)
            fds[count++] = client->watch.fd;
    }
    return count;
}

int control_adopt_idle(struct control *control, int fd, struct error *error)
{
    return adopt(control, fd, error) ? 0 : -1;
}

struct control_client *control_adopt_client(struct control *control, int fd, struct error *error)
{
    struct control_client *client = adopt(control, fd, error);
    if (client)
        control_client_begin(client);
    return client;
}
