/* SPDX-License-Identifier: MIT */
/* What the files that use OpenSSL share. */
#ifndef TCPD_TCPC_TLS_STATE_H
#define TCPD_TCPC_TLS_STATE_H

#include "tcpc/tls.h"

#include <openssl/ssl.h>

#define TLS_NAME_MAX 256

struct tls_context {
    SSL_CTX *shared;
    char name[TLS_NAME_MAX]; /* what the certificate must be for; empty: anything */
    bool address;            /* that is an IP address */
    bool insecure;
    bool has_certificate; /* one of ours to show */
};

struct tls {
    SSL *ssl;
    const struct tls_context *context;
    short receive_events, send_events;
    bool asked;         /* the peer wants a certificate of ours */
    bool established;   /* the handshake is done */
    bool over;          /* nothing can be sent any more, not even close_notify */
    bool objected;      /* something was wrong other than an early end */
    int wrong;          /* the first X509_V_ERR of the verification, X509_V_OK: none */
    X509 *culprit;      /* the certificate in which that was found; owned */
    struct error error; /* text empty: nothing went wrong */
};

/* Words what the last call into OpenSSL has left behind as tls->error. */
void tls_explain(struct tls *tls);

/* Words a failed verification into text; X509_V_OK is "ok". */
void tls_explain_verification(const struct tls *tls, char *text, size_t size);

/* Printable, bounded: a distinguished name, the names a certificate is for, a moment. */
void tls_print_name(const X509_NAME *name, char *text, size_t size);
void tls_print_names(const X509 *certificate, char *text, size_t size);
void tls_print_time(const ASN1_TIME *time, char *text, size_t size);

#endif
