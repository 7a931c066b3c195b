/* SPDX-License-Identifier: MIT */
#include "tcpctl/text.h"

#include "tcpctl/heap.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

/* What is beyond belief shall not be longer than its place. */
static double at_most(double value, double most)
{
    return value < most ? value : most;
}

char *text_size(double bytes, char out[static TEXT_NUMBER_MAX])
{
    static const char units[] = " KMGTPE";
    size_t unit = 0;
    double value = at_most(bytes, 1e21);
    while (value >= (unit ? 999.5 : 1024) && units[unit + 1]) {
        value /= 1024;
        unit++;
    }
    if (unit == 0)
        snprintf(out, TEXT_NUMBER_MAX, "%.0f", value);
    else
        snprintf(out, TEXT_NUMBER_MAX, value < 99.95 ? "%.1f%c" : "%.0f%c", value, units[unit]);
    return out;
}

/* A time is cut and never rounded up; 0.29 * 1000 shall be 290 all the same. */
static unsigned whole(double value)
{
    return (unsigned)(value + 1e-9);
}

/* Two units that follow each other, such as hours and minutes, and their letters. */
static void put_pair(char *out, double seconds, unsigned big, unsigned small, const char *letters)
{
    unsigned long long pieces = (unsigned long long)(seconds / small);
    unsigned in_one = big / small;
    snprintf(out, TEXT_NUMBER_MAX, "%llu%c%02llu%c", pieces / in_one, letters[0], pieces % in_one,
             letters[1]);
}

char *text_duration(double seconds, char out[static TEXT_NUMBER_MAX])
{
    if (!(seconds >= 0) || seconds > 1e12)
        strcpy(out, "-");
    else if (seconds < 1)
        snprintf(out, TEXT_NUMBER_MAX, "%ums", whole(seconds * 1000));
    else if (seconds < 10)
        snprintf(out, TEXT_NUMBER_MAX, "%u.%us", whole(seconds), whole(seconds * 10) % 10);
    else if (seconds < 60)
        snprintf(out, TEXT_NUMBER_MAX, "%us", whole(seconds));
    else if (seconds < 3600)
        put_pair(out, seconds, 60, 1, "ms");
    else if (seconds < 86400)
        put_pair(out, seconds, 3600, 60, "hm");
    else
        put_pair(out, seconds, 86400, 3600, "dh");
    return out;
}

char *text_milliseconds(double milliseconds, char out[static TEXT_NUMBER_MAX])
{
    int digits = milliseconds < 1 ? 3 : milliseconds < 99.95 ? 1 : 0;
    snprintf(out, TEXT_NUMBER_MAX, "%.*fms", digits, at_most(milliseconds, 1e12));
    return out;
}

char *text_rate(double rate, char out[static TEXT_NUMBER_MAX])
{
    bool fine = rate > 0 && rate < 9.95;
    snprintf(out, TEXT_NUMBER_MAX, "%.*f", fine, at_most(rate, 1e15));
    return out;
}

/* Nearly all that comes, and the same in every locale. */
static bool is_plain(char byte)
{
    return byte >= ' ' && byte <= '~';
}

/* The length of the character at the start; *seen tells whether it is seen as itself. */
static size_t next_character(const char *text, bool *seen)
{
    mbstate_t state = {0};
    wchar_t character;
    if (is_plain(*text)) {
        *seen = true;
        return 1;
    }
    size_t length = mbrtowc(&character, text, strlen(text), &state);
    if (length == (size_t)-1 || length == (size_t)-2) {
        *seen = false;
        return 1;
    }
    *seen = iswprint((wint_t)character) && wcwidth(character) > 0;
    return length;
}

static char *put_hexes(char *out, const char *bytes, size_t length)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        *out++ = '\\';
        *out++ = 'x';
        *out++ = digits[byte >> 4];
        *out++ = digits[byte & 15];
    }
    return out;
}

char *text_clean(const char *text)
{
    char *clean = heap_grow(NULL, strlen(text) + 1, 4);
    char *out = clean;
    while (*text) {
        bool seen;
        size_t length = next_character(text, &seen);
        if (seen)
            out = mempcpy(out, text, length);
        else
            out = put_hexes(out, text, length);
        text += length;
    }
    *out = '\0';
    return clean;
}

/* Steps over one character of a clean text; *width becomes the columns that it takes. */
static size_t step(const char *text, size_t *width)
{
    mbstate_t state = {0};
    wchar_t character;
    if (is_plain(*text)) {
        *width = 1;
        return 1;
    }
    size_t length = mbrtowc(&character, text, strlen(text), &state);
    bool known = length != (size_t)-1 && length != (size_t)-2;
    int columns = known ? wcwidth(character) : 1;
    *width = columns > 0 ? (size_t)columns : 0;
    return known ? length : 1;
}

size_t text_fit(const char *text, size_t columns)
{
    const char *start = text;
    while (*text) {
        size_t width;
        size_t length = step(text, &width);
        if (width > columns)
            break;
        columns -= width;
        text += length;
    }
    return (size_t)(text - start);
}

size_t text_width(const char *text)
{
    size_t sum = 0;
    while (*text) {
        size_t width;
        text += step(text, &width);
        sum += width;
    }
    return sum;
}

void text_say(FILE *file, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    char *text = heap_vprint(format, values);
    va_end(values);
    char *clean = text_clean(text);
    fprintf(file, "%s\n", clean);
    free(clean);
    free(text);
}
