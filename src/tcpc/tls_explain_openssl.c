/* SPDX-License-Identifier: MIT */
/* What OpenSSL says when it fails, as a sentence for who has not written it. */
#include "tcpc/tls_state.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>

/* Reasons that need nothing but their number.  "the peer ..." or "it ...": a whole sentence. */
static const struct {
    int reason;
    const char *sentence;
} sentences[] = {
    {SSL_R_WRONG_VERSION_NUMBER, "the peer does not speak TLS: it answered with something else"},
    {SSL_R_HTTP_REQUEST, "the peer does not speak TLS: it answered with something else"},
    {SSL_R_PACKET_LENGTH_TOO_LONG, "the peer does not speak TLS: it answered with something else"},
    {SSL_R_UNEXPECTED_MESSAGE, "the peer is no TLS server: its answer is none of a server's"},
    {SSL_R_UNSUPPORTED_PROTOCOL,
     "there is no common version of TLS: the peer's is older than --min-version allows"},
    {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION,
     "there is no common version of TLS: the peer takes none of --min-version or later"},
    {SSL_R_TLSV1_ALERT_INSUFFICIENT_SECURITY,
     "there is no common cipher: the peer wants stronger ones"},
    {SSL_R_DH_KEY_TOO_SMALL, "the peer's Diffie-Hellman key is too short to be safe"},
    {SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL,
     "there is no common protocol: the peer speaks none of --alpn"},
    {SSL_R_TLSV1_UNRECOGNIZED_NAME,
     "the peer does not know the name it was asked for: see --servername"},
    {SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED,
     "the peer wants a certificate from this side: give it by --cert"},
    {SSL_R_TLSV1_ALERT_UNKNOWN_CA,
     "the peer does not know the authority of this side's certificate (--cert)"},
    {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, "the peer refuses this side's certificate (--cert)"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, "the peer refuses this side's certificate (--cert)"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, "this side's certificate (--cert) is revoked"},
    {SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE,
     "the peer cannot use the kind of this side's certificate (--cert)"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, "this side's certificate (--cert) has expired"},
    {SSL_R_TLSV1_ALERT_ACCESS_DENIED, "the peer denies access to this side's certificate"},
    {SSL_R_TLSV1_ALERT_INTERNAL_ERROR, "the peer met an error of its own: see its log"},
    {SSL_R_NO_PROTOCOLS_AVAILABLE, "this OpenSSL has no version of TLS that --min-version allows"},
};

static const char *sentence_for(int reason)
{
    for (size_t i = 0; i < sizeof sentences / sizeof *sentences; i++) {
        if (sentences[i].reason == reason)
            return sentences[i].sentence;
    }
    return NULL;
}

/* --- what is wrong with a certificate --- */

static void explain_time(const char *words, const ASN1_TIME *time, char *text, size_t size)
{
    char moment[32];
    tls_print_time(time, moment, sizeof moment);
    snprintf(text, size, "the certificate %s %s", words, moment);
}

static void explain_name(const struct tls *tls, char *text, size_t size)
{
    char names[384];
    tls_print_names(tls->culprit, names, sizeof names);
    snprintf(text, size, "the certificate is not for %.200s but for %s", tls->context->name, names);
}

static void explain_authority(const struct tls *tls, char *text, size_t size)
{
    char issuer[256];
    tls_print_name(X509_get_issuer_name(tls->culprit), issuer, sizeof issuer);
    snprintf(text, size, "the certificate is from an unknown authority (%s): see --cafile", issuer);
}

static void explain_culprit(const struct tls *tls, char *text, size_t size)
{
    switch (tls->wrong) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        explain_time("expired on", X509_get0_notAfter(tls->culprit), text, size);
        return;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        explain_time("is not valid before", X509_get0_notBefore(tls->culprit), text, size);
        return;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        snprintf(text, size,
                 "the certificate is self-signed: if it is the right one, give it "
                 "by --cafile");
        return;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        explain_name(tls, text, size);
        return;
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        explain_authority(tls, text, size);
        return;
    default:
        snprintf(text, size, "the certificate cannot be trusted: %s",
                 X509_verify_cert_error_string(tls->wrong));
    }
}

void tls_explain_verification(const struct tls *tls, char *text, size_t size)
{
    if (tls->wrong == X509_V_OK)
        snprintf(text, size, "ok");
    else if (tls->culprit)
        explain_culprit(tls, text, size);
    else
        snprintf(text, size, "the certificate cannot be trusted: %s",
                 X509_verify_cert_error_string(tls->wrong));
}

/* --- what is wrong with the handshake, or with what came after it --- */

static void explain_end(struct tls *tls)
{
    if (tls->established)
        error_set(&tls->error, 0,
                  "the peer's bytes were cut short: the connection ended without the close_notify "
                  "that says that all was sent");
    else
        error_set(&tls->error, 0,
                  "the peer closed the connection during the TLS handshake: it may not speak TLS");
}

/* Alert 40 says no more than that; what the peer had asked for says why. */
static void explain_refusal(struct tls *tls)
{
    bool wanted = tls->asked && !tls->context->has_certificate;
    error_set(&tls->error, 0, "%s",
              wanted ? "the peer wants a certificate from this side: give it by --cert"
                     : "the peer refuses the handshake: there is no common cipher, or something "
                       "else that it wants is missing");
}

static void explain_reason(struct tls *tls, unsigned long code)
{
    int reason = ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0;
    const char *sentence = reason ? sentence_for(reason) : NULL;
    const char *words = ERR_reason_error_string(code);
    tls->objected = reason != SSL_R_UNEXPECTED_EOF_WHILE_READING;
    if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
        tls_explain_verification(tls, tls->error.text, sizeof tls->error.text);
    else if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        explain_end(tls);
    else if (reason == SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE)
        explain_refusal(tls);
    else
        error_set(&tls->error, 0, "%s%s", sentence ? "" : "OpenSSL says: ",
                  sentence ? sentence : (words ? words : "nothing"));
}

void tls_explain(struct tls *tls)
{
    int errnum = errno;
    unsigned long code = ERR_peek_error();
    if (code)
        explain_reason(tls, code);
    else if (errnum)
        error_set(&tls->error, errnum, "the TLS handshake broke");
    else
        explain_end(tls);
}
