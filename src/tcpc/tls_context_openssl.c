/* SPDX-License-Identifier: MIT */
/* From the command line to a context of OpenSSL. */
#include "tcpc/tls_state.h"

#include "tcpc/escape.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    int version;
    int level; /* of security: below 1.2 nothing works that OpenSSL thinks safe */
} versions[] = {
    {"1.0", TLS1_VERSION, 0},
    {"1.1", TLS1_1_VERSION, 0},
    {"1.2", TLS1_2_VERSION, -1},
    {"1.3", TLS1_3_VERSION, -1},
};

static int set_version(SSL_CTX *shared, const char *name, struct error *error)
{
    char shown[64];
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        if (strcmp(versions[i].name, name) != 0)
            continue;
        if (versions[i].level >= 0)
            SSL_CTX_set_security_level(shared, versions[i].level);
        SSL_CTX_set_min_proto_version(shared, versions[i].version);
        return 0;
    }
    return error_set(error, 0, "--min-version: the versions are 1.0, 1.1, 1.2 and 1.3, not \"%s\"",
                     escape(name, strlen(name), shown, sizeof shown));
}

/* OpenSSL's own words for why a file cannot be used. */
static int refuse_file(const char *option, const char *path, struct error *error)
{
    const char *why = ERR_reason_error_string(ERR_peek_error());
    return error_set(error, 0, "%s: cannot use %.200s: %s", option, path,
                     why ? why : "there is nothing of that kind in it");
}

static int set_authorities(SSL_CTX *shared, const char *cafile, struct error *error)
{
    if (!cafile)
        return SSL_CTX_set_default_verify_paths(shared)
                   ? 0
                   : error_set(error, 0, "the system's authorities cannot be read: try --cafile");
    if (SSL_CTX_load_verify_file(shared, cafile))
        return 0;
    return refuse_file("--cafile", cafile, error);
}

static int set_certificate(SSL_CTX *shared, const struct tls_wishes *wishes, struct error *error)
{
    const char *key = wishes->key ? wishes->key : wishes->certificate;
    if (!wishes->certificate)
        return 0;
    if (SSL_CTX_use_certificate_chain_file(shared, wishes->certificate) != 1)
        return refuse_file("--cert", wishes->certificate, error);
    if (SSL_CTX_use_PrivateKey_file(shared, key, SSL_FILETYPE_PEM) != 1)
        return refuse_file("--key", key, error);
    return 0;
}

/* "h2,http/1.1" as the wire has it: each behind its length. */
static int set_alpn(SSL_CTX *shared, const char *names, struct error *error)
{
    unsigned char wire[256];
    size_t length = names ? strlen(names) : 0, start = 0;
    if (!names)
        return 0;
    if (length >= sizeof wire)
        return error_set(error, 0, "--alpn: at most %zu characters", sizeof wire - 1);
    memcpy(wire + 1, names, length);
    for (size_t i = 0; i <= length; i++) {
        if (i < length && names[i] != ',')
            continue;
        if (i == start)
            return error_set(error, 0, "--alpn: a name is empty in \"%.100s\"", names);
        wire[start] = (unsigned char)(i - start);
        start = i + 1;
    }
    return SSL_CTX_set_alpn_protos(shared, wire, (unsigned)length + 1) == 0
               ? 0
               : error_set(error, 0, "--alpn: OpenSSL does not take \"%.100s\"", names);
}

/* The peer asks for a certificate of ours, and there is none. */
static int note_asked(SSL *ssl, X509 **certificate, EVP_PKEY **key)
{
    struct tls *tls = SSL_get_app_data(ssl);
    (void)certificate, (void)key;
    tls->asked = true;
    return 0;
}

static bool is_address(const char *name)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

static int set_name(struct tls_context *context, const char *name, struct error *error)
{
    size_t length = name ? strlen(name) : 0;
    if (length == 0 && !context->insecure)
        return error_set(error, 0,
                         "--tls cannot know whose certificate to expect: say it by --servername, "
                         "or do without by --insecure");
    if (length >= sizeof context->name)
        return error_set(error, 0, "--servername: a name has at most %zu characters",
                         sizeof context->name - 1);
    if (length > 1 && name[length - 1] == '.') /* the root of the DNS, which no certificate has */
        length--;
    memcpy(context->name, name ? name : "", length);
    context->address = is_address(context->name);
    return 0;
}

static int fill(struct tls_context *context, const struct tls_wishes *wishes, const char *name,
                struct error *error)
{
    SSL_CTX *shared = context->shared;
    context->insecure = wishes->insecure;
    context->has_certificate = wishes->certificate != NULL;
    SSL_CTX_set_options(shared, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(shared, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(shared, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_client_cert_cb(shared, note_asked);
    if (set_version(shared, wishes->min_version ? wishes->min_version : "1.2", error) ||
        set_authorities(shared, wishes->cafile, error) || set_alpn(shared, wishes->alpn, error))
        return -1;
    if (set_certificate(shared, wishes, error))
        return -1;
    return set_name(context, wishes->servername ? wishes->servername : name, error);
}

struct tls_context *tls_context_open(const struct tls_wishes *wishes, const char *name,
                                     struct error *error)
{
    struct tls_context *context = calloc(1, sizeof *context);
    ERR_clear_error();
    if (context)
        context->shared = SSL_CTX_new(TLS_client_method());
    if (!context || !context->shared)
        error_set(error, 0, "OpenSSL cannot be used");
    else if (fill(context, wishes, name, error) == 0)
        return context;
    if (context)
        tls_context_close(context);
    return NULL;
}

void tls_context_close(struct tls_context *context)
{
    SSL_CTX_free(context->shared);
    free(context);
}
