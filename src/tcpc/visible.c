/* SPDX-License-Identifier: MIT */
#include "tcpc/visible.h"

#include <stdint.h>
#include <string.h>

static char *put_hex(char *out, unsigned char byte)
{
    static const char digits[] = "0123456789abcdef";
    *out++ = '\\';
    *out++ = 'x';
    *out++ = digits[byte >> 4];
    *out++ = digits[byte & 15];
    return out;
}

static bool passes(const struct visible *visible, unsigned char byte)
{
    if (byte == '\n')
        return true;
    if (byte == '\t' || byte == '\\')
        return !visible->hex;
    return byte >= 0x20 && byte != 0x7f;
}

static char *put_ascii(const struct visible *visible, char *out, unsigned char byte)
{
    if (passes(visible, byte)) {
        *out++ = (char)byte;
        return out;
    }
    if (visible->hex)
        return put_hex(out, byte);
    *out++ = '^';
    *out++ = (char)(byte ^ 0x40);
    return out;
}

static char *put_hexes(char *out, const unsigned char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        out = put_hex(out, bytes[i]);
    return out;
}

/* How many bytes a character has that begins so; 0: none begins so (RFC 3629, section 4). */
static size_t utf8_length(unsigned char first)
{
    if (first >= 0xc2 && first <= 0xdf)
        return 2;
    if (first >= 0xe0 && first <= 0xef)
        return 3;
    if (first >= 0xf0 && first <= 0xf4)
        return 4;
    return 0;
}

/* Whether the second byte may follow the first: no overlong forms, surrogates or beyond U+10FFFF.
 */
static bool utf8_second(unsigned char first, unsigned char second)
{
    unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    return second >= low && second <= high;
}

static bool utf8_follows(const struct visible *visible, unsigned char byte)
{
    if (visible->held == 1)
        return utf8_second(visible->pending[0], byte);
    return (byte & 0xc0) == 0x80;
}

static uint32_t utf8_decode(const unsigned char *bytes, size_t length)
{
    uint32_t code = bytes[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++)
        code = code << 6 | (bytes[i] & 0x3fu);
    return code;
}

/* Characters that act on the terminal or on the text around them instead of being seen. */
static bool is_harmful(uint32_t code)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {
        {0x0080, 0x009f}, /* C1 controls: 0x9b begins a command as ESC [ does */
        {0x061c, 0x061c}, /* Arabic letter mark: direction */
        {0x200e, 0x200f}, /* direction marks */
        {0x2028, 0x202e}, /* line and paragraph separators, direction overrides */
        {0x2066, 0x2069}, /* direction isolates */
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        if (code >= ranges[i].first && code <= ranges[i].last)
            return true;
    }
    return false;
}

/* Writes what was held back: as it is when it is whole and harmless, else as hex. */
static char *put_pending(struct visible *visible, char *out, bool whole)
{
    size_t length = visible->held;
    visible->held = 0;
    if (!whole || is_harmful(utf8_decode(visible->pending, length)))
        return put_hexes(out, visible->pending, length);
    memcpy(out, visible->pending, length);
    return out + length;
}

static char *put_first(struct visible *visible, char *out, unsigned char byte)
{
    if (byte < 0x80)
        return put_ascii(visible, out, byte);
    if (!visible->utf8 || utf8_length(byte) == 0)
        return put_hex(out, byte);
    visible->pending[0] = byte;
    visible->held = 1;
    return out;
}

static char *put_byte(struct visible *visible, char *out, unsigned char byte)
{
    if (visible->held == 0)
        return put_first(visible, out, byte);
    if (!utf8_follows(visible, byte))
        return put_first(visible, put_pending(visible, out, false), byte);
    visible->pending[visible->held++] = byte;
    if (visible->held == utf8_length(visible->pending[0]))
        return put_pending(visible, out, true);
    return out;
}

static char *put_carriage_return(struct visible *visible, char *out, unsigned char next)
{
    visible->carriage_return = false;
    return next == '\n' ? out : put_ascii(visible, out, '\r');
}

static char *feed_byte(struct visible *visible, char *out, unsigned char byte)
{
    if (visible->carriage_return)
        out = put_carriage_return(visible, out, byte);
    if (byte != '\r' || visible->hex)
        return put_byte(visible, out, byte);
    if (visible->held)
        out = put_pending(visible, out, false);
    visible->carriage_return = true;
    return out;
}

size_t visible_feed(struct visible *visible, const char *bytes, size_t length, char *out)
{
    char *end = out;
    for (size_t i = 0; i < length; i++)
        end = feed_byte(visible, end, (unsigned char)bytes[i]);
    return (size_t)(end - out);
}

size_t visible_finish(struct visible *visible, char *out)
{
    char *end = out;
    if (visible->carriage_return)
        end = put_carriage_return(visible, end, 0);
    if (visible->held)
        end = put_pending(visible, end, false);
    return (size_t)(end - out);
}
