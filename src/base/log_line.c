/* SPDX-License-Identifier: MIT */
/* The text of a line: key=value, with whatever a peer may have had a hand in made harmless. */
#include "base/log.h"

#include <string.h>

#define VALUE_MAX 256

/* The bytes of a value that needs no quotes. */
static const bool is_plain_byte[256] = {
    ['%'] = true,         ['+' ... ':'] = true, /* + , - . / digits : */
    ['@' ... '['] = true,                       /* @ letters [ */
    [']'] = true,         ['_'] = true,         ['a' ... 'z'] = true,
};

static bool must_be_escaped(unsigned char byte)
{
    return byte < 0x20 || byte > 0x7e || byte == '"' || byte == '\\';
}

static void put(struct log_line *line, const char *bytes, size_t length)
{
    size_t room = sizeof line->text - line->length;
    if (length > room)
        length = room;
    memcpy(line->text + line->length, bytes, length);
    line->length += length;
}

static void put_escaped(struct log_line *line, unsigned char byte)
{
    static const char hex[] = "0123456789abcdef";
    char escape[4] = {'\\', 'x', hex[byte >> 4], hex[byte & 15]};
    put(line, escape, sizeof escape);
}

static void put_key(struct log_line *line, const char *key)
{
    put(line, " ", 1);
    put(line, key, strlen(key));
    put(line, "=", 1);
}

static bool is_plain(const unsigned char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!is_plain_byte[bytes[i]])
            return false;
    return length > 0;
}

void log_begin(struct log_line *line, const char *event)
{
    line->length = 0;
    put(line, event, strlen(event));
}

void log_add_bytes(struct log_line *line, const char *key, const void *value, size_t length)
{
    const unsigned char *bytes = value;
    if (length > VALUE_MAX)
        length = VALUE_MAX;
    put_key(line, key);
    if (is_plain(bytes, length)) {
        put(line, value, length);
        return;
    }
    put(line, "\"", 1);
    for (size_t i = 0; i < length; i++)
        if (must_be_escaped(bytes[i]))
            put_escaped(line, bytes[i]);
        else
            put(line, (const char *)bytes + i, 1);
    put(line, "\"", 1);
}

void log_add(struct log_line *line, const char *key, const char *value)
{
    log_add_bytes(line, key, value, strlen(value));
}

void log_add_number(struct log_line *line, const char *key, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + value % 10);
    while ((value /= 10) != 0);
    put_key(line, key);
    put(line, digits + at, sizeof digits - at);
}
