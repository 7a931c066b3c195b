/* SPDX-License-Identifier: MIT */
#include "tcpc/escape.h"

#include <criterion/criterion.h>
#include <string.h>

#define ESCAPES(bytes, size, expected)                                                             \
    do {                                                                                           \
        char text[size];                                                                           \
        cr_expect_str_eq(escape(bytes, sizeof bytes - 1, text, sizeof text), expected);            \
    } while (0)

Test(escape, what_is_printable_stays)
{
    ESCAPES("Hello, it's me", 64, "Hello, it's me");
    ESCAPES("", 4, "");
}

Test(escape, the_rest_is_seen)
{
    ESCAPES("a\r\n\t\"\\\0\033\x7f\xc3", 64, "a\\r\\n\\t\\\"\\\\\\x00\\x1b\\x7f\\xc3");
}

Test(escape, what_does_not_fit_is_cut_between_characters)
{
    ESCAPES("12345678", 9, "12345678");
    ESCAPES("123456789", 9, "12345...");
    ESCAPES("1234\xff\xff", 10, "1234...");
    ESCAPES("\xff\xff", 4, "...");
}

static int back(const char *text, size_t *used)
{
    const char *at = text;
    int byte = unescape(&at, strlen(text));
    *used = (size_t)(at - text);
    return byte;
}

Test(escape, and_back)
{
    for (int byte = 0; byte < 256; byte++) {
        char one = (char)byte, text[8];
        size_t used;
        escape(&one, 1, text, sizeof text);
        int result = text[0] == '\\' ? back(text + 1, &used) : text[0];
        cr_expect_eq((unsigned char)result, byte, "%s", text);
    }
}

Test(escape, what_is_no_escape)
{
    const char *wrong[] = {"", "q", "x", "x1", "x1g", "X11", "1"};
    size_t used;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_expect_eq(back(wrong[i], &used), -1, "%s", wrong[i]);
        cr_expect_eq(used, 0);
    }
    cr_expect_eq(back("x1f2", &used), 0x1f);
    cr_expect_eq(used, 3);
}
