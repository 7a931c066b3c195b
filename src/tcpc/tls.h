/* SPDX-License-Identifier: MIT */
/*
 * TLS over a connection of the caller's.  tls_openssl.c and its companions, or tls_none.c, as
 * configure found; with the latter no context ever opens, so the rest is never called.
 *
 * Nothing here blocks.  What cannot be done now says EAGAIN, and tls_events what to poll for: TLS
 * may have to send something of its own before it can receive, and the other way round.
 */
#ifndef TCPD_TCPC_TLS_H
#define TCPD_TCPC_TLS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* What the command line says; all borrowed, NULL where nothing was said. */
struct tls_wishes {
    const char *cafile;      /* PEM: the authorities that count instead of the system's */
    const char *servername;  /* for SNI, and what the certificate must be for */
    const char *alpn;        /* protocols, separated by commas */
    const char *certificate; /* PEM: our own, with its chain */
    const char *key;         /* PEM: its key; NULL: in the same file */
    const char *min_version; /* "1.0" to "1.3"; NULL: 1.2 */
    bool insecure;           /* whatever the certificate says is good */
};

#define TLS_CHAIN_MAX 10 /* of a longer chain the rest is not told */

/* Texts are printable ASCII: peers choose what stands in their certificates. */
struct tls_certificate {
    char subject[256], issuer[256];
    char names[512]; /* that it is for, separated by ", " */
    char not_before[32], not_after[32];
};

struct tls_info {
    char version[16], cipher[64];
    char alpn[256];     /* empty: none was agreed on */
    char verified[256]; /* what the verification says: "ok", or what is wrong (insecure) */
    bool trusted;
    size_t count; /* of certificates in the chain as the peer sent it, the peer's own first */
    struct tls_certificate chain[TLS_CHAIN_MAX];
};

struct tls_context;
struct tls;

/* For --version: the library and its version, or "none". */
const char *tls_library(void);

/*
 * What all connections share.  `name`: what the certificate must be for when no servername is
 * wished, a host or an address; NULL: nothing is known.  NULL with a sentence; else
 * tls_context_close frees it.
 */
struct tls_context *tls_context_open(const struct tls_wishes *wishes, const char *name,
                                     struct error *error);
void tls_context_close(struct tls_context *context);

/* Over a connected, non-blocking socket, which is borrowed.  NULL with a sentence. */
struct tls *tls_open(const struct tls_context *context, int fd, struct error *error);

/* Takes the handshake as far as it goes.  0: it is done; -1: errno EAGAIN, or tls_reason tells. */
int tls_handshake(struct tls *tls);

/* As recv(2) and send(2).  0 is the peer's close_notify.  -1 with EPROTO: tls_reason tells. */
ssize_t tls_recv(struct tls *tls, void *bytes, size_t size);
ssize_t tls_send(struct tls *tls, const void *bytes, size_t length);

/* Sends close_notify, behind which nothing is sent any more.  0, or -1 with errno, or EAGAIN. */
int tls_finish(struct tls *tls);

/* What to poll for (POLLIN, POLLOUT) before the next tls_recv and tls_send. */
short tls_receive_events(const struct tls *tls);
short tls_send_events(const struct tls *tls);

/* Bytes are there that poll(2) does not know of. */
bool tls_pending(const struct tls *tls);

/* One plain sentence on what went wrong; empty: nothing did. */
const char *tls_reason(const struct tls *tls);

/* Whether that was more than an end that came too early: an alert of the peer, or of this side. */
bool tls_objected(const struct tls *tls);

/* Tells of a connection whose handshake is done. */
void tls_describe(const struct tls *tls, struct tls_info *info);

void tls_close(struct tls *tls);

#endif
