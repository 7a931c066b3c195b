/* SPDX-License-Identifier: MIT */
#include "tcpc/visible.h"

#include <criterion/criterion.h>
#include <string.h>

/* Fed in pieces of each size, the outcome must be the same. */
static void shows_as(struct visible how, const char *bytes, size_t length, const char *expected)
{
    for (size_t piece = 1; piece <= length; piece++) {
        struct visible visible = how;
        char out[1024], *end = out;
        for (size_t at = 0; at < length; at += piece) {
            size_t part = length - at < piece ? length - at : piece;
            size_t wrote = visible_feed(&visible, bytes + at, part, end);
            cr_assert_leq(wrote, VISIBLE_MAX(part));
            end += wrote;
        }
        size_t wrote = visible_finish(&visible, end);
        cr_assert_leq(wrote, VISIBLE_MAX(0));
        end[wrote] = '\0';
        cr_expect_str_eq(out, expected, "in pieces of %zu: %s", piece, out);
    }
}

static void shows(bool utf8, const char *bytes, size_t length, const char *expected)
{
    shows_as((struct visible){.utf8 = utf8}, bytes, length, expected);
}

#define SHOWS(bytes, expected)  shows(true, bytes, sizeof bytes - 1, expected)
#define SHOWS8(bytes, expected) shows(false, bytes, sizeof bytes - 1, expected)

Test(visible, text_passes)
{
    SHOWS("Hello, world!\n\tnext", "Hello, world!\n\tnext");
    SHOWS("gr\u00fc\u00df \u20ac \u4e2d\u6587 \U0001f600",
          "gr\u00fc\u00df \u20ac \u4e2d\u6587 \U0001f600");
}

Test(visible, controls_do_not)
{
    SHOWS("\033[2J\007\b\177\016", "^[[2J^G^H^?^N");
    SHOWS("a\0b", "a^@b");
    SHOWS("\v\f", "^K^L");
}

Test(visible, carriage_returns)
{
    SHOWS("one\r\ntwo\r\n", "one\ntwo\n");
    SHOWS("one\rtwo", "one^Mtwo");
    SHOWS("one\r\r\n", "one^M\n");
    SHOWS("one\r", "one^M");
    SHOWS("\xc3\r\n", "\\xc3\n");
}

Test(visible, bytes_that_are_no_character)
{
    SHOWS("\x80\xbf\xff\xc0\x80", "\\x80\\xbf\\xff\\xc0\\x80");
    SHOWS("\xe2\x82", "\\xe2\\x82");                   /* cut short by the end */
    SHOWS("\xe2\x82!", "\\xe2\\x82!");                 /* or by another character */
    SHOWS("\xe2\xe2\x82\xac", "\\xe2\u20ac");          /* the second begins anew */
    SHOWS("\xe0\x80\x80", "\\xe0\\x80\\x80");          /* overlong */
    SHOWS("\xed\xa0\x80", "\\xed\\xa0\\x80");          /* a surrogate */
    SHOWS("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"); /* beyond the last */
    SHOWS("\xc3\033[2J", "\\xc3^[[2J");                /* hides no escape */
}

Test(visible, c1_controls_and_direction_marks)
{
    SHOWS("\x9b"
          "2J",
          "\\x9b2J");
    SHOWS("\xc2\x9b"
          "2J",
          "\\xc2\\x9b2J");
    SHOWS("\xc2\xa0", "\xc2\xa0");
    SHOWS("\xe2\x80\xae", "\\xe2\\x80\\xae");
    SHOWS("\xe2\x81\xa6", "\\xe2\\x81\\xa6");
    SHOWS("\xe2\x80\x8d", "\xe2\x80\x8d"); /* joins emoji: harmless */
}

Test(visible, a_terminal_without_utf8_gets_ascii)
{
    SHOWS8("gr\xc3\xbc", "gr\\xc3\\xbc");
    SHOWS8("\x9b", "\\x9b");
}

Test(visible, hex_tells_each_byte_from_any_other)
{
    const char bytes[] = "a\tb\\x\r\n\033\0\177gr\u00fc\xff\r";
    shows_as((struct visible){.utf8 = true, .hex = true}, bytes, sizeof bytes - 1,
             "a\\x09b\\x5cx\\x0d\n\\x1b\\x00\\x7fgr\u00fc\\xff\\x0d");
}
