/* SPDX-License-Identifier: MIT */
#include "master/listeners.h"

#include "base/log.h"
#include "io/sock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int append(struct listeners *listeners, const struct listener *listener)
{
    struct listener *list =
        realloc(listeners->list, (listeners->count + 1) * sizeof *listeners->list);
    if (!list)
        return -1;
    list[listeners->count++] = *listener;
    listeners->list = list;
    return 0;
}

static int take_inherited(struct listeners *listeners, const struct service *service,
                          struct inherited *inherited, struct error *error)
{
    inherited->taken = true;
    struct listener listener = {inherited->fd, service, inherited->address};
    return append(listeners, &listener) ? error_set(error, ENOMEM, "cannot keep a listener") : 0;
}

/* "systemd:NAME": every socket that bears the name, of which there must be one. */
static int take_by_name(struct listeners *listeners, const struct service *service,
                        const struct listen *listen, struct error *error)
{
    unsigned before = listeners->count;
    for (unsigned i = 0; i < listeners->inheritance.count; i++) {
        struct inherited *inherited = &listeners->inheritance.sockets[i];
        if (strcmp(inherited->name, listen->inherited) == 0 &&
            take_inherited(listeners, service, inherited, error))
            return -1;
    }
    if (listeners->count > before)
        return 0;
    return error_set(error, 0,
                     "%s:%u: service %s: the service manager has passed no socket named \"%s\" "
                     "(FileDescriptorName= in the socket unit)",
                     listen->file, listen->line, service->name, listen->inherited);
}

/* A socket passed to us that is bound to a listed address is that listener. */
static struct inherited *find_by_address(const struct listeners *listeners,
                                         const struct addr *address)
{
    struct addr bound = *address;
    if (bound.family == AF_UNSPEC)
        bound.family = AF_INET6;
    for (unsigned i = 0; i < listeners->inheritance.count; i++)
        if (addr_equal(&listeners->inheritance.sockets[i].address, &bound))
            return &listeners->inheritance.sockets[i];
    return NULL;
}

static int bind_new(struct listeners *listeners, const struct service *service,
                    const struct listen *listen, struct error *error)
{
    struct error why;
    struct listener listener = {.service = service, .address = listen->address};
    listener.fd =
        sock_listen(&listen->address, listen->backlog, listen->interface, listen->mode, &why);
    if (listener.fd < 0) {
        error_set(error, 0, "%s:%u: service %s: %s", listen->file, listen->line, service->name,
                  why.text);
        error->errnum = why.errnum;
        return -1;
    }
    if (listen->address.family != AF_UNIX)
        sock_local(listener.fd, &listener.address);
    if (listen->address.family == AF_UNSPEC)
        listener.address.family = AF_UNSPEC; /* it is still every address of both families */
    if (append(listeners, &listener) == 0)
        return 0;
    close(listener.fd);
    return error_set(error, ENOMEM, "cannot keep a listener");
}

static int open_one(struct listeners *listeners, const struct service *service,
                    const struct listen *listen, struct error *error)
{
    if (listen->inherited)
        return take_by_name(listeners, service, listen, error);
    struct inherited *inherited = find_by_address(listeners, &listen->address);
    if (inherited)
        return take_inherited(listeners, service, inherited, error);
    return bind_new(listeners, service, listen, error);
}

static int open_service(struct listeners *listeners, const struct conf_service *service,
                        struct error *error)
{
    for (size_t i = 0; i < service->listen_count; i++)
        if (open_one(listeners, &service->service, &service->listens[i], error))
            return -1;
    return 0;
}

static void warn_of_unused(const struct listeners *listeners)
{
    for (unsigned i = 0; i < listeners->inheritance.count; i++)
        if (!listeners->inheritance.sockets[i].taken)
            log_say(LOG_WARNING, "no service listens on the socket \"%s\" that was passed to us",
                    listeners->inheritance.sockets[i].name);
}

int listeners_open(struct listeners *listeners, const struct conf *conf, struct error *error)
{
    *listeners = (struct listeners){0};
    if (inherit(&listeners->inheritance))
        return error_set(error, 0, "cannot take the sockets that the service manager has passed");
    for (size_t i = 0; i < conf->service_count; i++)
        if (open_service(listeners, &conf->services[i], error)) {
            int errnum = error->errnum;
            listeners_close(listeners);
            error->errnum = errnum;
            return -1;
        }
    warn_of_unused(listeners);
    return 0;
}

static bool is_inherited(const struct listeners *listeners, int fd)
{
    for (unsigned i = 0; i < listeners->inheritance.count; i++)
        if (listeners->inheritance.sockets[i].fd == fd)
            return true;
    return false;
}

void listeners_close(struct listeners *listeners)
{
    for (unsigned i = 0; i < listeners->count; i++) {
        const struct listener *listener = &listeners->list[i];
        if (is_inherited(listeners, listener->fd))
            continue;
        if (listener->address.family == AF_UNIX)
            unlink(listener->address.path);
        close(listener->fd);
    }
    free(listeners->list);
    inherit_fini(&listeners->inheritance);
    *listeners = (struct listeners){0};
}
