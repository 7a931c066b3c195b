/* SPDX-License-Identifier: MIT */
#include "tcpc/escape.h"

#include <stdio.h>
#include <string.h>

static const struct {
    char letter;
    char byte;
} letters[] = {
    {'n', '\n'}, {'r', '\r'}, {'t', '\t'}, {'0', '\0'}, {'a', '\a'},  {'b', '\b'},
    {'f', '\f'}, {'v', '\v'}, {'e', 033},  {'"', '"'},  {'\\', '\\'},
};

#define SHORT_FORMS "\n\r\t\"\\" /* these have a letter when they are written, too */

static char letter_of(unsigned char byte)
{
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++) {
        if ((unsigned char)letters[i].byte == byte)
            return letters[i].letter;
    }
    return '\0';
}

static size_t put(unsigned char byte, char out[static ESCAPE_MAX + 1])
{
    if (byte && strchr(SHORT_FORMS, byte))
        return (size_t)snprintf(out, ESCAPE_MAX + 1, "\\%c", letter_of(byte));
    if (byte >= 0x20 && byte < 0x7f)
        return (size_t)snprintf(out, ESCAPE_MAX + 1, "%c", byte);
    return (size_t)snprintf(out, ESCAPE_MAX + 1, "\\x%02x", byte);
}

const char *escape(const void *bytes, size_t length, char *out, size_t size)
{
    const unsigned char *at = bytes;
    size_t end = 0, cut = 0; /* cut: where "..." fits behind */
    for (size_t i = 0; i < length; i++) {
        char one[ESCAPE_MAX + 1];
        size_t n = put(at[i], one);
        if (end + n >= size) {
            memcpy(out + cut, "...", 4);
            return out;
        }
        memcpy(out + end, one, n);
        end += n;
        if (end + 4 <= size)
            cut = end;
    }
    out[end] = '\0';
    return out;
}

static int digit(char c)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *found = c ? strchr(digits, c) : NULL;
    return found ? (int)(found - digits) % 16 : -1;
}

static int unescape_hex(const char **text, size_t left)
{
    int high = left > 2 ? digit((*text)[1]) : -1;
    int low = left > 2 ? digit((*text)[2]) : -1;
    if (high < 0 || low < 0)
        return -1;
    *text += 3;
    return high << 4 | low;
}

int unescape(const char **text, size_t left)
{
    if (left > 0 && **text == 'x')
        return unescape_hex(text, left);
    for (size_t i = 0; left > 0 && i < sizeof letters / sizeof *letters; i++) {
        if (letters[i].letter == **text) {
            ++*text;
            return (unsigned char)letters[i].byte;
        }
    }
    return -1;
}
