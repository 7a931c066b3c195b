/* SPDX-License-Identifier: MIT */
#include "tcpc/tls_story.h"

#include "base/clock.h"

static void tell_certificate(const struct story *story, const struct tls_info *info, size_t i)
{
    const struct tls_certificate *one = &info->chain[i];
    story_tell(story, STORY_CERTIFICATE, "%zu of %zu is %s from %s, valid %s to %s, for %s", i + 1,
               info->count, one->subject, one->issuer, one->not_before, one->not_after, one->names);
}

static json_t *certificate_json(const struct tls_certificate *one)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s}", "subject", one->subject, "issuer", one->issuer,
                     "not_before", one->not_before, "not_after", one->not_after, "names",
                     one->names);
}

static json_t *tls_json(const struct tls_info *info, double milliseconds)
{
    json_t *chain = json_array();
    for (size_t i = 0; i < info->count; i++)
        json_array_append_new(chain, certificate_json(&info->chain[i]));
    return json_pack("{s:s, s:s, s:s?, s:s, s:b, s:f, s:o}", "version", info->version, "cipher",
                     info->cipher, "alpn", info->alpn[0] ? info->alpn : NULL, "verification",
                     info->verified, "insecure", !info->trusted, "handshake_ms", milliseconds,
                     "certificates", chain);
}

void tls_tell(const struct story *story, const struct tls *tls, uint64_t taken)
{
    static struct tls_info info; /* too big for the stack */
    double milliseconds = (double)taken / (double)CLOCK_MS;
    if (!story_heard(story))
        return;
    tls_describe(tls, &info);
    story_tell(story, STORY_TLS, "%s, %s, ALPN %s, handshake %.3f ms", info.version, info.cipher,
               info.alpn[0] ? info.alpn : "none", milliseconds);
    for (size_t i = 0; i < info.count; i++)
        tell_certificate(story, &info, i);
    story_tell(story, STORY_TLS, "verification: %s%s", info.verified,
               info.trusted ? "" : " (--insecure)");
    story_fact(story, "tls", tls_json(&info, milliseconds));
}
