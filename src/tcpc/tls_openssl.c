/* SPDX-License-Identifier: MIT */
/* The life of one connection in OpenSSL.  The queue of errors is emptied before each call. */
#include "tcpc/tls_state.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

const char *tls_library(void)
{
    return OpenSSL_version(OPENSSL_VERSION);
}

/* Keeps what was found first, since OpenSSL forgets the certificate when it fails. */
static int note_verification(int good, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls *tls = SSL_get_app_data(ssl);
    X509 *current = X509_STORE_CTX_get_current_cert(store);
    if (good || tls->wrong != X509_V_OK)
        return good;
    tls->wrong = X509_STORE_CTX_get_error(store);
    if (current && X509_up_ref(current))
        tls->culprit = current;
    return good;
}

/* OpenSSL makes a copy, but wants what it copies not to be const. */
static int ask_for(SSL *ssl, const char *name)
{
    char copy[TLS_NAME_MAX];
    snprintf(copy, sizeof copy, "%s", name);
    return SSL_set_tlsext_host_name(ssl, copy) == 1;
}

static int expect_name(const struct tls *tls)
{
    const struct tls_context *context = tls->context;
    X509_VERIFY_PARAM *parameters = SSL_get0_param(tls->ssl);
    if (!context->name[0])
        return 1;
    if (context->address)
        return X509_VERIFY_PARAM_set1_ip_asc(parameters, context->name);
    X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(parameters, context->name, 0) &&
           ask_for(tls->ssl, context->name);
}

static int prepare(struct tls *tls, int fd)
{
    int mode = tls->context->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER;
    if (!SSL_set_fd(tls->ssl, fd) || !expect_name(tls))
        return 0;
    SSL_set_app_data(tls->ssl, tls);
    SSL_set_verify(tls->ssl, mode, note_verification);
    SSL_set_connect_state(tls->ssl);
    return 1;
}

struct tls *tls_open(const struct tls_context *context, int fd, struct error *error)
{
    struct tls *tls = calloc(1, sizeof *tls);
    ERR_clear_error();
    if (tls) {
        tls->context = context;
        tls->receive_events = POLLIN;
        tls->send_events = POLLOUT;
        tls->ssl = SSL_new(context->shared);
    }
    if (tls && tls->ssl && prepare(tls, fd))
        return tls;
    if (tls)
        tls_close(tls);
    error_set(error, 0, "OpenSSL cannot begin a connection");
    return NULL;
}

/* What a call that brought nothing means: 0 for close_notify, else -1 with errno. */
static int conclude(struct tls *tls, int result, short *events)
{
    int errnum = errno;
    int kind = SSL_get_error(tls->ssl, result);
    if (kind == SSL_ERROR_ZERO_RETURN)
        return 0;
    if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE) {
        *events = kind == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
        errno = EAGAIN;
        return -1;
    }
    tls->over = true;
    errno = errnum;
    if (kind == SSL_ERROR_SYSCALL && errnum && tls->established)
        return -1;
    tls_explain(tls);
    errno = EPROTO;
    return -1;
}

int tls_handshake(struct tls *tls)
{
    ERR_clear_error();
    errno = 0;
    int result = SSL_do_handshake(tls->ssl);
    tls->established = result == 1;
    if (result == 1) {
        tls->receive_events = POLLIN;
        return 0;
    }
    if (conclude(tls, result, &tls->receive_events) == 0) { /* close_notify instead of a hello */
        error_set(&tls->error, 0, "the peer took leave during the TLS handshake");
        errno = EPROTO;
    }
    return -1;
}

ssize_t tls_recv(struct tls *tls, void *bytes, size_t size)
{
    size_t received = 0;
    ERR_clear_error();
    errno = 0;
    int result = SSL_read_ex(tls->ssl, bytes, size, &received);
    if (!result)
        return conclude(tls, result, &tls->receive_events);
    tls->receive_events = POLLIN;
    return (ssize_t)received;
}

ssize_t tls_send(struct tls *tls, const void *bytes, size_t length)
{
    size_t sent = 0;
    ERR_clear_error();
    errno = 0;
    int result = SSL_write_ex(tls->ssl, bytes, length, &sent);
    if (!result && conclude(tls, result, &tls->send_events) == 0)
        errno = EPIPE; /* OpenSSL says so when we have said goodbye ourselves */
    if (!result)
        return -1;
    tls->send_events = POLLOUT;
    return (ssize_t)sent;
}

int tls_finish(struct tls *tls)
{
    ERR_clear_error();
    errno = 0;
    int result = tls->over ? 0 : SSL_shutdown(tls->ssl);
    if (result < 0)
        return conclude(tls, result, &tls->send_events);
    tls->send_events = POLLOUT;
    tls->over = true; /* once more would be to wait for the peer's */
    return 0;
}

short tls_receive_events(const struct tls *tls)
{
    return tls->receive_events;
}

short tls_send_events(const struct tls *tls)
{
    return tls->send_events;
}

bool tls_pending(const struct tls *tls)
{
    return SSL_pending(tls->ssl) > 0;
}

const char *tls_reason(const struct tls *tls)
{
    return tls->error.text;
}

bool tls_objected(const struct tls *tls)
{
    return tls->objected;
}

void tls_close(struct tls *tls)
{
    SSL_free(tls->ssl);
    X509_free(tls->culprit);
    free(tls);
}
