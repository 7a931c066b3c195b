/* SPDX-License-Identifier: MIT */
/* What a TLS connection is, in words; all that a certificate says is a stranger's. */
#include "tcpc/tls_state.h"

#include "tcpc/escape.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

void tls_print_name(const X509_NAME *name, char *text, size_t size)
{
    BIO *memory = BIO_new(BIO_s_mem());
    char *bytes = NULL;
    text[0] = '\0';
    if (!memory)
        return;
    X509_NAME_print_ex(memory, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
    long length = BIO_get_mem_data(memory, &bytes);
    if (length > 0)
        escape(bytes, (size_t)length, text, size);
    BIO_free(memory);
}

static const char *general_name(const GENERAL_NAME *name, char *text, size_t size)
{
    const ASN1_STRING *value = NULL;
    char address[INET6_ADDRSTRLEN];
    if (name->type == GEN_DNS) {
        value = name->d.dNSName;
        return escape(ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value), text, size);
    }
    if (name->type != GEN_IPADD)
        return NULL;
    value = name->d.iPAddress;
    int family = ASN1_STRING_length(value) == 4 ? AF_INET : AF_INET6;
    if (ASN1_STRING_length(value) != 4 && ASN1_STRING_length(value) != 16)
        return NULL;
    inet_ntop(family, ASN1_STRING_get0_data(value), address, sizeof address);
    snprintf(text, size, "%s", address);
    return text;
}

static void append(char *text, size_t size, const char *more)
{
    size_t length = strlen(text);
    snprintf(text + length, size - length, "%s%s", length ? ", " : "", more);
}

void tls_print_names(const X509 *certificate, char *text, size_t size)
{
    char one[256];
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    text[0] = '\0';
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const char *name = general_name(sk_GENERAL_NAME_value(names, i), one, sizeof one);
        if (name && strlen(text) + strlen(name) + 8 < size)
            append(text, size, name);
        else if (name) {
            append(text, size, "...");
            break;
        }
    }
    GENERAL_NAMES_free(names);
    if (!text[0])
        snprintf(text, size, "no name at all");
}

void tls_print_time(const ASN1_TIME *time, char *text, size_t size)
{
    struct tm moment;
    if (!ASN1_TIME_to_tm(time, &moment) || !strftime(text, size, "%Y-%m-%dT%H:%M:%SZ", &moment))
        snprintf(text, size, "an unreadable moment");
}

static void describe_certificate(const X509 *certificate, struct tls_certificate *told)
{
    tls_print_name(X509_get_subject_name(certificate), told->subject, sizeof told->subject);
    tls_print_name(X509_get_issuer_name(certificate), told->issuer, sizeof told->issuer);
    tls_print_names(certificate, told->names, sizeof told->names);
    tls_print_time(X509_get0_notBefore(certificate), told->not_before, sizeof told->not_before);
    tls_print_time(X509_get0_notAfter(certificate), told->not_after, sizeof told->not_after);
}

void tls_describe(const struct tls *tls, struct tls_info *info)
{
    const unsigned char *alpn;
    unsigned length;
    STACK_OF(X509) *chain = SSL_get_peer_cert_chain(tls->ssl);
    memset(info, 0, sizeof *info);
    ERR_clear_error();
    snprintf(info->version, sizeof info->version, "%s", SSL_get_version(tls->ssl));
    snprintf(info->cipher, sizeof info->cipher, "%s", SSL_get_cipher_name(tls->ssl));
    SSL_get0_alpn_selected(tls->ssl, &alpn, &length);
    if (length)
        escape(alpn, length, info->alpn, sizeof info->alpn);
    info->trusted = !tls->context->insecure;
    tls_explain_verification(tls, info->verified, sizeof info->verified);
    for (int i = 0; i < sk_X509_num(chain) && info->count < TLS_CHAIN_MAX; i++)
        describe_certificate(sk_X509_value(chain, i), &info->chain[info->count++]);
}
