/* SPDX-License-Identifier: MIT */
#include "master/sockets.h"

#include "base/log.h"
#include "io/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int sockets_init(struct sockets *sockets, struct error *error)
{
    *sockets = (struct sockets){0};
    if (inherit(&sockets->inheritance))
        return error_set(error, 0, "cannot take the sockets that the service manager has passed");
    return 0;
}

/* Which socket an address is: its text, and what else makes it another. */

/* Port 0 is a new port for each time that a service lists it: `nth` tells them apart. */
static char *make_key(const struct service *service, const struct listen *listen, unsigned nth)
{
    char text[ADDR_TEXT_MAX];
    char *key = NULL;
    const char *interface = listen->interface ? listen->interface : "";
    addr_format(&listen->address, text);
    int length = listen->address.family != AF_UNIX && listen->address.port == 0
                     ? asprintf(&key, "%s%%%s %s %u", text, interface, service->name, nth)
                     : asprintf(&key, "%s%%%s", text, interface);
    return length < 0 ? NULL : key;
}

static struct socket *find_by_key(const struct sockets *sockets, const char *key)
{
    for (unsigned i = 0; i < sockets->count; i++)
        if (strcmp(sockets->list[i].key, key) == 0)
            return &sockets->list[i];
    return NULL;
}

static struct socket *find_by_fd(const struct sockets *sockets, int fd)
{
    for (unsigned i = 0; i < sockets->count; i++)
        if (sockets->list[i].fd == fd)
            return &sockets->list[i];
    return NULL;
}

/* Putting in and taking out. */

int sockets_adopt(struct sockets *sockets, const struct socket *socket)
{
    size_t size = (sockets->count + 1) * sizeof *sockets->list;
    struct socket *list = realloc(sockets->list, size);
    if (!list)
        return -1;
    list[sockets->count++] = *socket;
    sockets->list = list;
    return 0;
}

static void close_socket(struct socket *socket)
{
    if (socket->address.family == AF_UNIX)
        unlink(socket->address.path);
    close(socket->fd);
    free(socket->path);
    free(socket->key);
}

static void close_all_in(struct sockets *sockets, enum socket_state state)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < sockets->count; i++) {
        if (sockets->list[i].state == state)
            close_socket(&sockets->list[i]);
        else
            sockets->list[kept++] = sockets->list[i];
    }
    sockets->count = kept;
}

static int keep_opened(struct sockets *sockets, struct socket *socket)
{
    if (socket->key && sockets_adopt(sockets, socket) == 0)
        return 0;
    close_socket(socket);
    return -1;
}

/* Opening one. */

static int bind_new(struct sockets *sockets, const struct listen *listen, const char *key,
                    struct error *error)
{
    struct socket socket = {.state = SOCKET_FRESH,
                            .address = listen->address,
                            .options = {listen->backlog, listen->mode}};
    socket.fd =
        sock_listen(&listen->address, listen->backlog, listen->interface, listen->mode, error);
    if (socket.fd < 0)
        return -1;
    if (listen->address.family != AF_UNIX)
        sock_local(socket.fd, &socket.address);
    if (listen->address.family == AF_UNSPEC)
        socket.address.family = AF_UNSPEC; /* it is still every address of both families */
    socket.path = listen->address.path ? strdup(listen->address.path) : NULL;
    socket.address.path = socket.path;
    socket.key = strdup(key);
    if (keep_opened(sockets, &socket))
        return error_set(error, ENOMEM, "cannot keep a listener");
    return socket.fd;
}

/* A socket passed to us that is bound to a listed address is that listener. */
static struct inherited *find_inherited(const struct sockets *sockets, const struct addr *address)
{
    struct addr bound = *address;
    if (bound.family == AF_UNSPEC)
        bound.family = AF_INET6;
    for (unsigned i = 0; i < sockets->inheritance.count; i++)
        if (addr_equal(&sockets->inheritance.sockets[i].address, &bound))
            return &sockets->inheritance.sockets[i];
    return NULL;
}

static int append(struct listeners *listeners, int fd, const struct service *service,
                  const struct addr *address)
{
    size_t size = (listeners->count + 1) * sizeof *listeners->list;
    struct listener *list = realloc(listeners->list, size);
    if (!list)
        return -1;
    list[listeners->count] = (struct listener){fd, listeners->count, service, *address};
    listeners->count++;
    sock_limit_unsent(fd);
    listeners->list = list;
    if (!service->program || !service->program->takes_listener)
        fcntl(fd, F_SETFL, O_NONBLOCK); /* a program may have had it before, to its own liking */
    return 0;
}

static int take_inherited(struct inherited *inherited, struct listeners *listeners,
                          const struct service *service, struct error *error)
{
    inherited->taken = true;
    if (append(listeners, inherited->fd, service, &inherited->address))
        return error_set(error, ENOMEM, "cannot keep a listener");
    return 0;
}

/* "systemd:NAME": every socket that bears the name, of which there must be one. */
static int take_by_name(struct sockets *sockets, struct listeners *listeners,
                        const struct service *service, const struct listen *listen,
                        struct error *error)
{
    unsigned before = listeners->count;
    for (unsigned i = 0; i < sockets->inheritance.count; i++) {
        struct inherited *inherited = &sockets->inheritance.sockets[i];
        if (strcmp(inherited->name, listen->inherited) == 0 &&
            take_inherited(inherited, listeners, service, error))
            return -1;
    }
    if (listeners->count > before)
        return 0;
    return error_set(error, 0,
                     "the service manager has passed no socket named \"%s\" "
                     "(FileDescriptorName= in the socket unit)",
                     listen->inherited);
}

/* The address of a listener borrows its path from the configuration, which lives as long. */
static int take_or_bind(struct sockets *sockets, struct listeners *listeners,
                        const struct service *service, const struct listen *listen, unsigned nth,
                        struct error *error)
{
    char *key = make_key(service, listen, nth);
    if (!key)
        return error_set(error, ENOMEM, "cannot keep a listener");
    struct socket *socket = find_by_key(sockets, key);
    int fd = socket ? socket->fd : bind_new(sockets, listen, key, error);
    free(key);
    if (fd < 0)
        return -1;
    socket = find_by_fd(sockets, fd);
    socket->wanted = (struct socket_options){listen->backlog, listen->mode};
    struct addr address = socket->address;
    address.path = listen->address.path;
    if (append(listeners, fd, service, &address))
        return error_set(error, ENOMEM, "cannot keep a listener");
    return 0;
}

static int open_one(struct sockets *sockets, struct listeners *listeners,
                    const struct service *service, const struct listen *listen, unsigned nth,
                    struct error *error)
{
    if (listen->inherited)
        return take_by_name(sockets, listeners, service, listen, error);
    struct inherited *inherited = find_inherited(sockets, &listen->address);
    if (inherited)
        return take_inherited(inherited, listeners, service, error);
    return take_or_bind(sockets, listeners, service, listen, nth, error);
}

static int open_service(struct sockets *sockets, struct listeners *listeners,
                        const struct conf_service *service, struct error *error)
{
    for (size_t i = 0; i < service->listen_count; i++) {
        const struct listen *listen = &service->listens[i];
        struct error why = {0};
        if (open_one(sockets, listeners, &service->service, listen, (unsigned)i, &why) == 0)
            continue;
        error_set(error, 0, "%s:%u: service %s: %s", listen->file, listen->line,
                  service->service.name, why.text);
        error->errnum = why.errnum;
        return -1;
    }
    return 0;
}

static void warn_of_unused(const struct sockets *sockets)
{
    for (unsigned i = 0; i < sockets->inheritance.count; i++)
        if (!sockets->inheritance.sockets[i].taken)
            log_say(LOG_WARNING, "no service listens on the socket \"%s\" that was passed to us",
                    sockets->inheritance.sockets[i].name);
}

int sockets_open(struct sockets *sockets, const struct conf *conf, struct listeners *listeners,
                 struct error *error)
{
    *listeners = (struct listeners){0};
    for (unsigned i = 0; i < sockets->inheritance.count; i++)
        sockets->inheritance.sockets[i].taken = false;
    for (size_t i = 0; i < conf->service_count; i++)
        if (open_service(sockets, listeners, &conf->services[i], error)) {
            listeners_free(listeners);
            sockets_drop_fresh(sockets);
            return -1;
        }
    warn_of_unused(sockets);
    return 0;
}

/* What becomes of them. */

static bool lists(const struct listeners *listeners, int fd)
{
    for (unsigned i = 0; i < listeners->count; i++)
        if (listeners->list[i].fd == fd)
            return true;
    return false;
}

/* listen(2) may be called again, for another backlog. */
static void apply_options(struct socket *socket)
{
    if (socket->wanted.backlog != socket->options.backlog)
        listen(socket->fd, socket->wanted.backlog);
    if (socket->address.family == AF_UNIX && socket->wanted.mode != socket->options.mode)
        chmod(socket->address.path, socket->wanted.mode);
    socket->options = socket->wanted;
}

/* Who may still be queued at one that retires should not be joined by others: it closes soon.  Not
 * every system lets an ordinary user do that. */
static void set_state(struct socket *socket, enum socket_state state)
{
    bool retired = state == SOCKET_RETIRED;
    if (socket->address.family != AF_UNIX && retired != (socket->state == SOCKET_RETIRED))
        sock_stop_beginnings(socket->fd, retired);
    socket->state = state;
}

void sockets_keep(struct sockets *sockets, const struct listeners *listeners)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < sockets->count; i++) {
        struct socket *socket = &sockets->list[i];
        bool used = lists(listeners, socket->fd);
        set_state(socket, used ? SOCKET_IN_USE : SOCKET_RETIRED);
        if (used)
            apply_options(socket);
        if (!used && socket->address.family == AF_UNIX)
            close_socket(socket);
        else
            sockets->list[kept++] = *socket;
    }
    sockets->count = kept;
}

void sockets_retire(struct sockets *sockets, int fd)
{
    struct socket *socket = find_by_fd(sockets, fd);
    if (!socket)
        return;
    set_state(socket, SOCKET_RETIRED);
    if (socket->address.family != AF_UNIX)
        return;
    close_socket(socket);
    *socket = sockets->list[--sockets->count];
}

void sockets_close_retired(struct sockets *sockets)
{
    close_all_in(sockets, SOCKET_RETIRED);
}

void sockets_drop_fresh(struct sockets *sockets)
{
    close_all_in(sockets, SOCKET_FRESH);
}

static bool is_inherited(const struct sockets *sockets, int fd)
{
    for (unsigned i = 0; i < sockets->inheritance.count; i++)
        if (sockets->inheritance.sockets[i].fd == fd)
            return true;
    return false;
}

bool sockets_is_retired(const struct sockets *sockets, int fd)
{
    const struct socket *socket = find_by_fd(sockets, fd);
    return socket ? socket->state == SOCKET_RETIRED : !is_inherited(sockets, fd);
}

void sockets_fini(struct sockets *sockets)
{
    for (unsigned i = 0; i < sockets->count; i++)
        close_socket(&sockets->list[i]);
    free(sockets->list);
    inherit_fini(&sockets->inheritance);
    *sockets = (struct sockets){0};
}

void listeners_free(struct listeners *listeners)
{
    free(listeners->list);
    *listeners = (struct listeners){0};
}
