/* SPDX-License-Identifier: MIT */
#include "tcpctl/text.h"

#include <criterion/criterion.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

static void is(const char *text, const char *wanted)
{
    cr_expect_str_eq(text, wanted, "\"%s\", not \"%s\"", text, wanted);
}

Test(text, sizes)
{
    char out[TEXT_NUMBER_MAX];
    is(text_size(0, out), "0");
    is(text_size(1, out), "1");
    is(text_size(1023, out), "1023");
    is(text_size(1024, out), "1.0K");
    is(text_size(12600, out), "12.3K");
    is(text_size(99.9 * 1024, out), "99.9K");
    is(text_size(99.96 * 1024, out), "100K");
    is(text_size(999.4 * 1024, out), "999K");
    is(text_size(999.6 * 1024, out), "1.0M");
    is(text_size(1024.0 * 1024, out), "1.0M");
    is(text_size(3.0 * 1024 * 1024 * 1024, out), "3.0G");
    is(text_size(18446744073709551615.0, out), "16.0E");
    is(text_size(-5, out), "-5");
}

Test(text, what_is_beyond_belief_fits)
{
    static const double values[] = {1e300, -1e300, 1e18, -1e18};
    char out[TEXT_NUMBER_MAX];
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        cr_expect_lt(strlen(text_size(values[i], out)), TEXT_NUMBER_MAX);
        cr_expect_lt(strlen(text_duration(values[i], out)), TEXT_NUMBER_MAX);
        cr_expect_lt(strlen(text_milliseconds(values[i], out)), TEXT_NUMBER_MAX);
        cr_expect_lt(strlen(text_rate(values[i], out)), TEXT_NUMBER_MAX);
    }
}

Test(text, durations)
{
    char out[TEXT_NUMBER_MAX];
    is(text_duration(0, out), "0ms");
    is(text_duration(0.35, out), "350ms");
    is(text_duration(0.9994, out), "999ms");
    is(text_duration(0.29, out), "290ms");
    is(text_duration(0.9996, out), "999ms");
    is(text_duration(1, out), "1.0s");
    is(text_duration(3.2, out), "3.2s");
    is(text_duration(9.94, out), "9.9s");
    is(text_duration(9.96, out), "9.9s");
    is(text_duration(10, out), "10s");
    is(text_duration(59.99, out), "59s");
    is(text_duration(60, out), "1m00s");
    is(text_duration(307, out), "5m07s");
    is(text_duration(3599.9, out), "59m59s");
    is(text_duration(3720, out), "1h02m");
    is(text_duration(86399, out), "23h59m");
    is(text_duration(3 * 86400 + 4 * 3600, out), "3d04h");
    is(text_duration(-1, out), "-");
    is(text_duration(1e13, out), "-");
}

Test(text, milliseconds_and_rates)
{
    char out[TEXT_NUMBER_MAX];
    is(text_milliseconds(0.043, out), "0.043ms");
    is(text_milliseconds(12.34, out), "12.3ms");
    is(text_milliseconds(250, out), "250ms");
    is(text_rate(0, out), "0");
    is(text_rate(0.52, out), "0.5");
    is(text_rate(120.4, out), "120");
}

static void cleans(const char *text, const char *wanted)
{
    char *clean = text_clean(text);
    is(clean, wanted);
    free(clean);
}

Test(text, is_clean)
{
    cr_assert(setlocale(LC_CTYPE, "C.UTF-8"));
    cleans("", "");
    cleans("plain \\ text", "plain \\ text");
    cleans("\x1b[2J\x07\x7f\t\r\n", "\\x1b[2J\\x07\\x7f\\x09\\x0d\\x0a");
    cleans("\xc3\xa4\xe2\x82\xac\xe6\xbc\xa2", "\xc3\xa4\xe2\x82\xac\xe6\xbc\xa2");
    cleans("\xc2\x9b", "\\xc2\\x9b");                                     /* C1: CSI */
    cleans("\xe2\x80\xae\xe2\x80\x8f", "\\xe2\\x80\\xae\\xe2\\x80\\x8f"); /* direction */
    cleans("\xff\xc3", "\\xff\\xc3");                                     /* no UTF-8 */
    cleans("\xed\xa0\x80", "\\xed\\xa0\\x80");                            /* a surrogate */
}

Test(text, is_clean_without_utf8)
{
    cleans("a\xc3\xa4", "a\\xc3\\xa4");
}

Test(text, width_and_fit)
{
    cr_assert(setlocale(LC_CTYPE, "C.UTF-8"));
    cr_expect_eq(text_width(""), 0);
    cr_expect_eq(text_width("abc"), 3);
    cr_expect_eq(text_width("\xc3\xa4\xe6\xbc\xa2"), 3); /* of one column, and of two */
    cr_expect_eq(text_fit("abc", 2), 2);
    cr_expect_eq(text_fit("abc", 9), 3);
    cr_expect_eq(text_fit("\xe6\xbc\xa2\xe6\xbc\xa2", 3), 3); /* the second one would be cut */
    cr_expect_eq(text_fit("abc", 0), 0);
}

Test(text, a_line_is_said_clean)
{
    char *said = NULL;
    size_t size;
    FILE *file = open_memstream(&said, &size);
    text_say(file, "%s and %d", "a\nb", 3);
    fclose(file);
    is(said, "a\\x0ab and 3\n");
    free(said);
}
