/* SPDX-License-Identifier: MIT */
/*
 * only_from and no_access.  As xinetd 2.3.15 has it, and tcpd, no_access counts whatever only_from
 * says, be it the better match or not.
 */
#include "tcpctl/import_machine.h"
#include "tcpctl/import_words.h"
#include "tcpctl/import_xinetd.h"

#include "io/prefix.h"

#include <arpa/inet.h>
#include <string.h>

/* Clears the bits behind the length: xinetd takes them, and does not look at them. */
static void cut(struct prefix *prefix)
{
    for (unsigned bit = prefix->length; bit < 128; bit++)
        prefix->bytes[bit / 8] &= (uint8_t) ~(0x80U >> bit % 8);
}

/* Zeros at the end of an IPv4 address stand for anything: 10.1.0.0 is 10.1.0.0/16. */
static uint8_t length_of(const struct prefix *prefix)
{
    if (prefix->family == AF_INET6)
        return 128;
    uint8_t length = 32;
    while (length > 0 && prefix->bytes[length / 8 - 1] == 0)
        length = (uint8_t)(length - 8);
    return length;
}

/* An address, or an address and the length of a prefix. */
static bool read_prefix(struct import *import, const char *text, struct prefix *prefix)
{
    const char *slash = strchr(text, '/');
    size_t size = slash ? (size_t)(slash - text) : strlen(text);
    const char *address = memory_copy(import->memory, text, size);
    *prefix = (struct prefix){.family = AF_INET};
    if (inet_pton(AF_INET, address, prefix->bytes) != 1) {
        prefix->family = AF_INET6;
        if (inet_pton(AF_INET6, address, prefix->bytes) != 1)
            return false;
    }
    unsigned long length = length_of(prefix);
    if (slash && !import_number(slash + 1, prefix->family == AF_INET ? 32 : 128, &length))
        return false;
    prefix->length = (uint8_t)length;
    cut(prefix);
    return true;
}

/* To xinetd the IPv4-mapped addresses, ::ffff:0:0/96, are part of a prefix like any others. */
static bool covers_ipv4(const struct prefix *prefix)
{
    struct prefix mapped = {
        .family = AF_INET6, .length = prefix->length, .bytes = {[10] = 255, 255}};
    cut(&mapped);
    return prefix->family == AF_INET6 && prefix->length <= 96 &&
           memcmp(mapped.bytes, prefix->bytes, sizeof mapped.bytes) == 0;
}

static bool add_prefix(struct xinetd *xinetd, const char *setting, const char *text)
{
    struct prefix prefix;
    char printed[PREFIX_TEXT_MAX];
    if (!read_prefix(xinetd->import, text, &prefix))
        return false;
    import_set_more(xinetd->import, xinetd->entry, setting, prefix_format(&prefix, printed));
    if (covers_ipv4(&prefix))
        import_set_more(xinetd->import, xinetd->entry, setting, "0.0.0.0/0");
    return true;
}

/* "10.0.{1,2}" is 10.0.1.0/24 and 10.0.2.0/24. */
static bool add_factorised(struct xinetd *xinetd, const char *setting, const char *text)
{
    struct memory *memory = xinetd->import->memory;
    const char *brace = strchr(text, '{');
    unsigned parts = 1;
    for (const char *at = text; at < brace; at++)
        parts += *at == '.';
    size_t length = strlen(text);
    if (text[length - 1] != '}' || parts > 4)
        return false;
    static const char *const zeros[] = {"", ".0.0.0", ".0.0", ".0", ""};
    for (const char *at = brace + 1; at < text + length;) {
        size_t size = strcspn(at, ",}");
        const char *one = memory_print(memory, "%.*s%.*s%s/%u", (int)(brace - text), text,
                                       (int)size, at, zeros[parts], 8 * parts);
        if (!add_prefix(xinetd, setting, one))
            return false;
        at += size + 1;
    }
    return true;
}

/* Whether it could be said. */
static bool add(struct xinetd *xinetd, const char *setting, const char *text)
{
    if (strchr(text, '{'))
        return add_factorised(xinetd, setting, text);
    return add_prefix(xinetd, setting, text);
}

/* Who is left out of this list cannot come in: less than xinetd allows, and safe. */
void xinetd_take_only_from(struct xinetd *xinetd, const struct xinetd_attribute *attribute)
{
    import_set_none(xinetd->import, xinetd->entry, "access.allow");
    for (size_t i = 0; i < attribute->values.count; i++) {
        const char *text = attribute->values.items[i];
        if (!add(xinetd, "access.allow", text))
            import_note_at(xinetd->import, xinetd->entry, attribute->place,
                           "only_from: \"%s\" is no address: tcpd looks up no names, so nobody is "
                           "let in for it",
                           text);
    }
}

/* Who is left out of that list could come in. */
void xinetd_take_no_access(struct xinetd *xinetd, const struct xinetd_attribute *attribute)
{
    for (size_t i = 0; i < attribute->values.count; i++) {
        const char *text = attribute->values.items[i];
        if (!add(xinetd, "access.deny", text))
            import_bar(xinetd->import, xinetd->entry, attribute->place,
                       "no_access: \"%s\" is no address: tcpd looks up no names, so it could not "
                       "keep out whom this is for",
                       text);
    }
}
