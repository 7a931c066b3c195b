/* SPDX-License-Identifier: MIT */
#include "tcpc/crlf.h"

#include <criterion/criterion.h>
#include <string.h>

/* In pieces of each size, the outcome must be the same. */
static void becomes(const char *text, const char *expected)
{
    size_t length = strlen(text);
    for (size_t piece = 1; piece <= length; piece++) {
        char out[256], *end = out;
        bool after_return = false;
        for (size_t at = 0; at < length; at += piece) {
            size_t part = length - at < piece ? length - at : piece;
            size_t wrote = crlf_feed(&after_return, text + at, part, end);
            cr_assert_leq(wrote, part * CRLF_GROWTH);
            end += wrote;
        }
        *end = '\0';
        cr_expect_str_eq(out, expected, "in pieces of %zu", piece);
    }
}

Test(crlf, lines)
{
    becomes("one\ntwo\n\n", "one\r\ntwo\r\n\r\n");
    becomes("one\r\ntwo\n", "one\r\ntwo\r\n");
    becomes("\r\r\n\n\r", "\r\r\n\r\n\r");
    becomes("no end", "no end");
}
