/* SPDX-License-Identifier: MIT */
#include "conn/proxy_protocol.h"

#include "conn/proxy_tlv.h"

#include <arpa/inet.h>
#include <string.h>

static enum proxy_verdict bad(struct proxy_header *header, const char *error)
{
    *header = (struct proxy_header){.error = error};
    return PROXY_BAD;
}

static enum proxy_verdict done(struct proxy_header *header, size_t length)
{
    header->length = length;
    return PROXY_DONE;
}

/* An IPv4-mapped IPv6 address becomes the IPv4 address that it holds. */
static struct addr addr_make(sa_family_t family, const void *bytes, uint16_t port)
{
    struct addr addr;
    struct sockaddr_storage storage = {.ss_family = family};
    if (family == AF_INET)
        memcpy(&((struct sockaddr_in *)&storage)->sin_addr, bytes, 4);
    else
        memcpy(&((struct sockaddr_in6 *)&storage)->sin6_addr, bytes, 16);
    addr_from_sockaddr(&addr, &storage);
    addr.port = port;
    return addr;
}

/* Version 1: a line of text. */

/* How a line begins, and how long it may be with its CR LF. */
static const struct form {
    const char *start;
    size_t most;
    sa_family_t family; /* AF_UNSPEC: what follows means nothing */
} forms[] = {
    {"PROXY TCP4 ", 56, AF_INET},
    {"PROXY TCP6 ", 104, AF_INET6},
    {"PROXY UNKNOWN", 107, AF_UNSPEC},
};

#define FORMS      (sizeof forms / sizeof *forms)
#define FIELD_MAX  ((size_t)40) /* the longest address, with a NUL */
#define LINE_START "PROXY "

/* The form that all bytes agree with so far, the first of several; NULL: none. */
static const struct form *form_find(const char *bytes, size_t length)
{
    for (size_t i = 0; i < FORMS; i++) {
        size_t start = strlen(forms[i].start);
        if (memcmp(bytes, forms[i].start, length < start ? length : start) == 0)
            return &forms[i];
    }
    return NULL;
}

/* The fields of a line that are still to be read; `rest` is NULL after a mistake. */
struct fields {
    const char *rest;
    const char *end;
};

/* The next one as text; it ends with one blank, the last with the line. */
static void field_next(struct fields *fields, bool last, char text[static FIELD_MAX])
{
    text[0] = '\0';
    if (!fields->rest)
        return;
    size_t left = (size_t)(fields->end - fields->rest);
    const char *blank = memchr(fields->rest, ' ', left);
    size_t length = blank ? (size_t)(blank - fields->rest) : left;
    bool fits = length > 0 && length < FIELD_MAX && !memchr(fields->rest, '\0', length);
    if (!fits || last != !blank) {
        fields->rest = NULL;
        return;
    }
    memcpy(text, fields->rest, length);
    text[length] = '\0';
    fields->rest += blank ? length + 1 : length;
}

/* inet_pton(3) takes a dotted IPv4 address at the end of IPv6, and is not asked about others. */
static void read_address(struct fields *fields, sa_family_t family, unsigned char bytes[static 16])
{
    char text[FIELD_MAX];
    field_next(fields, false, text);
    const char *allowed = family == AF_INET ? "0123456789." : "0123456789abcdefABCDEF:";
    if (text[strspn(text, allowed)] != '\0' || inet_pton(family, text, bytes) != 1)
        fields->rest = NULL;
}

static uint16_t read_port(struct fields *fields, bool last)
{
    char text[FIELD_MAX];
    unsigned port = 0;
    field_next(fields, last, text);
    size_t length = strlen(text);
    for (size_t i = 0; i < length && i < 5; i++)
        port = port * 10 + (unsigned)(text[i] - '0');
    if (length > 5 || strspn(text, "0123456789") != length || port > 65535 ||
        (text[0] == '0' && length > 1))
        fields->rest = NULL;
    return (uint16_t)port;
}

/* What stands between the form's start and CR LF. */
static enum proxy_verdict read_line(struct proxy_header *header, const struct form *form,
                                    const char *text, const char *end)
{
    struct fields fields = {text, end};
    unsigned char source[16], destination[16];
    read_address(&fields, form->family, source);
    read_address(&fields, form->family, destination);
    uint16_t source_port = read_port(&fields, false);
    uint16_t destination_port = read_port(&fields, true);
    if (!fields.rest)
        return bad(header, "the line does not hold two addresses and two ports");
    header->source = addr_make(form->family, source, source_port);
    header->destination = addr_make(form->family, destination, destination_port);
    header->has_addresses = true;
    return PROXY_DONE;
}

static enum proxy_verdict read_v1(struct proxy_header *header, const char *bytes, size_t length)
{
    const struct form *form = form_find(bytes, length);
    if (!form)
        return bad(header, length > strlen(LINE_START) ? "a line of no known protocol"
                                                       : "no header of the PROXY protocol");
    size_t start = strlen(form->start);
    const char *end = memmem(bytes, length < form->most ? length : form->most, "\r\n", 2);
    if (!end)
        return length < form->most ? PROXY_MORE : bad(header, "the line does not end in time");
    const char *text = bytes + start;
    if (form->family == AF_UNSPEC && text != end && *text != ' ')
        return bad(header, "a line of no known protocol");
    if (form->family != AF_UNSPEC && read_line(header, form, text, end) != PROXY_DONE)
        return PROXY_BAD;
    return done(header, (size_t)(end + 2 - bytes));
}

/* Version 2: binary. */

static const unsigned char signature[] = "\r\n\r\n\0\r\nQUIT\n";

#define SIGNATURE_LENGTH (sizeof signature - 1)
#define FIXED_LENGTH     ((size_t)16)

enum { COMMAND_LOCAL = 0, COMMAND_PROXY = 1 };
enum { FAMILY_UNSPEC, FAMILY_IPV4, FAMILY_IPV6, FAMILY_UNIX, FAMILIES };
enum { TRANSPORT_UNSPEC, TRANSPORT_STREAM, TRANSPORT_DGRAM, TRANSPORTS };

static const size_t block_lengths[FAMILIES] = {0, 12, 36, 216};

/* Each of the fixed bytes is judged as soon as it is there; NULL: right so far. */
static const char *fixed_wrong(const unsigned char *bytes, size_t length)
{
    size_t known = length < SIGNATURE_LENGTH ? length : SIGNATURE_LENGTH;
    if (memcmp(bytes, signature, known) != 0)
        return "no header of the PROXY protocol";
    if (length > 12 && bytes[12] >> 4 != 2)
        return "a version other than 1 and 2";
    if (length > 12 && (bytes[12] & 15) > COMMAND_PROXY)
        return "a command other than LOCAL and PROXY";
    bool local = length > 12 && (bytes[12] & 15) == COMMAND_LOCAL;
    if (length > 13 && !local && (bytes[13] >> 4 >= FAMILIES || (bytes[13] & 15) >= TRANSPORTS))
        return "an unknown family or transport";
    if (length < FIXED_LENGTH)
        return NULL;
    size_t rest = (size_t)bytes[14] << 8 | bytes[15];
    if (FIXED_LENGTH + rest > PROXY_HEADER_MAX)
        return "longer than 4096 bytes";
    return !local && rest < block_lengths[bytes[13] >> 4] ? "too short for its addresses" : NULL;
}

static uint16_t port_at(const unsigned char *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static void take_addresses(struct proxy_header *header, const unsigned char *block, unsigned family)
{
    sa_family_t af = family == FAMILY_IPV4 ? AF_INET : AF_INET6;
    size_t size = family == FAMILY_IPV4 ? 4 : 16;
    header->source = addr_make(af, block, port_at(block + 2 * size));
    header->destination = addr_make(af, block + size, port_at(block + 2 * size + 2));
    header->has_addresses = true;
}

/*
 * LOCAL and an unspecified family: whatever stands in there means nothing.  What is no TCP leaves
 * the connection its own addresses, but has to be well-formed.
 */
static enum proxy_verdict read_block(struct proxy_header *header, const unsigned char *bytes,
                                     size_t length)
{
    unsigned family = bytes[13] >> 4;
    if ((bytes[12] & 15) == COMMAND_LOCAL || family == FAMILY_UNSPEC)
        return done(header, length);
    const char *wrong = proxy_tlv_wrong(bytes, length, FIXED_LENGTH + block_lengths[family]);
    if (wrong)
        return bad(header, wrong);
    if ((bytes[13] & 15) == TRANSPORT_STREAM && family != FAMILY_UNIX)
        take_addresses(header, bytes + FIXED_LENGTH, family);
    return done(header, length);
}

static enum proxy_verdict read_v2(struct proxy_header *header, const unsigned char *bytes,
                                  size_t length)
{
    const char *wrong = fixed_wrong(bytes, length);
    if (wrong)
        return bad(header, wrong);
    if (length < FIXED_LENGTH)
        return PROXY_MORE;
    size_t whole = FIXED_LENGTH + ((size_t)bytes[14] << 8 | bytes[15]);
    return length < whole ? PROXY_MORE : read_block(header, bytes, whole);
}

enum proxy_verdict proxy_read(struct proxy_header *header, const void *bytes, size_t length)
{
    *header = (struct proxy_header){.length = 0};
    if (length == 0)
        return PROXY_MORE;
    if (*(const char *)bytes == '\r')
        return read_v2(header, bytes, length);
    return read_v1(header, bytes, length);
}
