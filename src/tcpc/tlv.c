/* SPDX-License-Identifier: MIT */
#include "tcpc/tlv.h"

#include "tcpc/escape.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX    ((size_t)3) /* type and length */
#define SHOWN_MAX 80

static const struct {
    const char *name;
    int type;
} types[] = {
    {"alpn", 0x01},      {"authority", 0x02}, {"crc32c", 0x03}, {"noop", 0x04},
    {"unique-id", 0x05}, {"ssl", 0x20},       {"netns", 0x30},
};

static int complain(const char *argument, const char *what, struct error *error)
{
    char shown[SHOWN_MAX];
    return error_set(error, 0, "--proxy-tlv: %s in \"%s\"", what,
                     escape(argument, strlen(argument), shown, sizeof shown));
}

/* -1: no such type. */
static int find_type(const char *text, size_t length)
{
    char *end;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strlen(types[i].name) == length && strncmp(types[i].name, text, length) == 0)
            return types[i].type;
    }
    if (!isdigit((unsigned char)text[0]))
        return -1;
    unsigned long number = strtoul(text, &end, 0);
    return end == text + length && number <= 0xff ? (int)number : -1;
}

static int add_byte(struct tlv_list *list, int byte)
{
    if (list->length == TLV_MAX)
        return -1;
    list->bytes[list->length++] = (unsigned char)byte;
    return 0;
}

/* What is wrong with the value, or NULL. */
static const char *add_hex(struct tlv_list *list, const char *digits)
{
    for (; *digits; digits += 2) {
        char pair[3] = {digits[0], digits[1], '\0'};
        if (!isxdigit((unsigned char)pair[0]) || !isxdigit((unsigned char)pair[1]))
            return "there are no pairs of hexadecimal digits";
        if (add_byte(list, (int)strtoul(pair, NULL, 16)))
            return "there is more than a header has room for";
    }
    return NULL;
}

static const char *add_text(struct tlv_list *list, const char *text)
{
    while (*text) {
        int byte = (unsigned char)*text++;
        if (byte == '\\')
            byte = unescape(&text, strlen(text));
        if (byte < 0)
            return "there is a backslash that begins none of \\n, \\r, \\t, \\\\, \\xHH";
        if (add_byte(list, byte))
            return "there is more than a header has room for";
    }
    return NULL;
}

static const char *add_value(struct tlv_list *list, int type, const char *value)
{
    size_t start = list->length;
    if (add_byte(list, type) || add_byte(list, 0) || add_byte(list, 0))
        return "there is more than a header has room for";
    const char *wrong =
        strncmp(value, "hex:", 4) == 0 ? add_hex(list, value + 4) : add_text(list, value);
    size_t length = list->length - start - PREFIX;
    list->bytes[start + 1] = (unsigned char)(length >> 8);
    list->bytes[start + 2] = (unsigned char)length;
    return wrong;
}

int tlv_add(struct tlv_list *list, const char *argument, struct error *error)
{
    const char *equals = strchr(argument, '=');
    if (strcmp(argument, "crc32c") == 0) {
        list->checksum = true;
        return 0;
    }
    if (!equals)
        return complain(argument, "there is no \"=\"", error);
    int type = find_type(argument, (size_t)(equals - argument));
    if (type < 0)
        return complain(argument,
                        "the type is neither 0x00 to 0xff nor one of alpn, authority, crc32c, "
                        "noop, unique-id, ssl, netns",
                        error);
    const char *wrong = add_value(list, type, equals + 1);
    return wrong ? complain(argument, wrong, error) : 0;
}
