/* SPDX-License-Identifier: MIT */
/* Without OpenSSL: no context ever opens, so the rest is never called. */
#include "tcpc/tls.h"

#include <errno.h>
#include <string.h>

const char *tls_library(void)
{
    return "none";
}

struct tls_context *tls_context_open(const struct tls_wishes *wishes, const char *name,
                                     struct error *error)
{
    (void)wishes, (void)name;
    error_set(error, 0,
              "this tcpc was built without TLS: build it with OpenSSL (Debian: libssl-dev), see "
              "./configure --help");
    return NULL;
}

void tls_context_close(struct tls_context *context)
{
    (void)context;
}

struct tls *tls_open(const struct tls_context *context, int fd, struct error *error)
{
    (void)context, (void)fd;
    error_set(error, ENOSYS, "TLS");
    return NULL;
}

int tls_handshake(struct tls *tls)
{
    (void)tls;
    errno = ENOSYS;
    return -1;
}

ssize_t tls_recv(struct tls *tls, void *bytes, size_t size)
{
    (void)tls, (void)bytes, (void)size;
    errno = ENOSYS;
    return -1;
}

ssize_t tls_send(struct tls *tls, const void *bytes, size_t length)
{
    (void)tls, (void)bytes, (void)length;
    errno = ENOSYS;
    return -1;
}

int tls_finish(struct tls *tls)
{
    (void)tls;
    errno = ENOSYS;
    return -1;
}

short tls_receive_events(const struct tls *tls)
{
    (void)tls;
    return 0;
}

short tls_send_events(const struct tls *tls)
{
    (void)tls;
    return 0;
}

bool tls_pending(const struct tls *tls)
{
    (void)tls;
    return false;
}

const char *tls_reason(const struct tls *tls)
{
    (void)tls;
    return "";
}

bool tls_objected(const struct tls *tls)
{
    (void)tls;
    return false;
}

void tls_describe(const struct tls *tls, struct tls_info *info)
{
    (void)tls;
    memset(info, 0, sizeof *info);
}

void tls_close(struct tls *tls)
{
    (void)tls;
}
