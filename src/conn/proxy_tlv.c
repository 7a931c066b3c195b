/* SPDX-License-Identifier: MIT */
#include "conn/proxy_tlv.h"

#include "conn/proxy_protocol.h"

#include <stdint.h>
#include <string.h>

#define PREFIX_LENGTH ((size_t)3) /* type and length */
#define SSL_FIXED     ((size_t)5) /* of the client's flags and the result of the verification */
#define CRC_LENGTH    4
#define POLYNOMIAL    0x82f63b78u /* of CRC32C, its bits in reverse */

uint32_t proxy_crc32c(uint32_t crc, const void *bytes, size_t length)
{
    const unsigned char *at = bytes;
    crc = ~crc;
    while (length-- > 0) {
        crc ^= *at++;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
    }
    return ~crc;
}

struct tlv {
    unsigned type;
    size_t length;
    const unsigned char *value;
};

/* The next one of those up to `end`; false: it does not fit. */
static bool tlv_next(struct tlv *tlv, const unsigned char **at, const unsigned char *end)
{
    size_t left = (size_t)(end - *at);
    if (left < PREFIX_LENGTH)
        return false;
    *tlv = (struct tlv){(*at)[0], (size_t)(*at)[1] << 8 | (*at)[2], *at + PREFIX_LENGTH};
    if (left - PREFIX_LENGTH < tlv->length)
        return false;
    *at += PREFIX_LENGTH + tlv->length;
    return true;
}

/* Values. */

static bool is_text(const struct tlv *tlv)
{
    for (size_t i = 0; i < tlv->length; i++)
        if (tlv->value[i] <= ' ' || tlv->value[i] == 0x7f)
            return false;
    return true;
}

static bool is_ssl(const struct tlv *tlv)
{
    const unsigned char *end = tlv->value + tlv->length;
    const unsigned char *at = tlv->value + SSL_FIXED;
    struct tlv inner;
    while (at < end)
        if (!tlv_next(&inner, &at, end))
            return false;
    return true;
}

enum { TYPE_CRC32C = 3 };

/* How long a value may be, and what it must be besides. */
static const struct rule {
    unsigned type;
    size_t least, most;
    bool (*check)(const struct tlv *tlv);
    const char *wrong;
} rules[] = {
    {0x01, 1, 255, NULL, "an ALPN that is none"},
    {0x02, 1, 255, is_text, "an authority that is no name of a host"},
    {TYPE_CRC32C, CRC_LENGTH, CRC_LENGTH, NULL, "a checksum that has not 4 bytes"},
    {0x05, 0, 128, NULL, "a unique identity of more than 128 bytes"},
    {0x20, SSL_FIXED, SIZE_MAX, is_ssl, "what it tells about TLS is malformed"},
    {0x30, 1, 255, is_text, "a network namespace that is no name"},
};

static const char *value_wrong(const struct tlv *tlv)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        const struct rule *rule = &rules[i];
        bool fits = tlv->length >= rule->least && tlv->length <= rule->most;
        if (rule->type == tlv->type && (!fits || (rule->check && !rule->check(tlv))))
            return rule->wrong;
    }
    return NULL;
}

/* The checksum is made over the whole header, with zeros in its own place. */
static bool is_sum(const unsigned char *header, size_t length, const unsigned char *value)
{
    static const unsigned char zeros[CRC_LENGTH];
    const unsigned char *behind = value + CRC_LENGTH;
    uint32_t said =
        (uint32_t)value[0] << 24 | (uint32_t)value[1] << 16 | (uint32_t)value[2] << 8 | value[3];
    uint32_t crc = proxy_crc32c(0, header, (size_t)(value - header));
    crc = proxy_crc32c(crc, zeros, CRC_LENGTH);
    return proxy_crc32c(crc, behind, length - (size_t)(behind - header)) == said;
}

const char *proxy_tlv_wrong(const unsigned char *header, size_t length, size_t start)
{
    const unsigned char *at = header + start, *end = header + length;
    const unsigned char *sum = NULL;
    struct tlv tlv;
    while (at < end) {
        if (!tlv_next(&tlv, &at, end))
            return "an element behind the addresses does not fit";
        const char *wrong = value_wrong(&tlv);
        if (wrong)
            return wrong;
        if (tlv.type != TYPE_CRC32C)
            continue;
        if (sum)
            return "two checksums";
        sum = tlv.value;
    }
    return sum && !is_sum(header, length, sum) ? "the checksum is wrong" : NULL;
}
