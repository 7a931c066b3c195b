/* SPDX-License-Identifier: MIT */
#include "tcpc/duration.h"

#include "base/clock.h"

#include <criterion/criterion.h>
#include <inttypes.h>

static void reads(const char *text, uint64_t expected)
{
    uint64_t time = 1;
    struct error error = {.text = ""};
    cr_assert_eq(duration_parse(&time, text, &error), 0, "%s: %s", text, error.text);
    cr_expect_eq(time, expected, "%s: %" PRIu64, text, time);
}

Test(duration, numbers_and_units)
{
    reads("0", 0);
    reads("2", 2 * CLOCK_S);
    reads("250ms", 250 * CLOCK_MS);
    reads("2s", 2 * CLOCK_S);
    reads("5m", 300 * CLOCK_S);
    reads("1h", 3600 * CLOCK_S);
    reads("007", 7 * CLOCK_S);
}

Test(duration, fractions)
{
    reads("0.5", CLOCK_S / 2);
    reads("1.25s", CLOCK_S + CLOCK_S / 4);
    reads("0.5ms", CLOCK_MS / 2);
    reads("1.5h", 5400 * CLOCK_S);
    reads("0.000000001", 1);
    reads("0.000000000999", 0); /* finer than the clock */
    reads("0.99999999999999999999", CLOCK_S - 1);
}

Test(duration, what_is_no_duration)
{
    static const char *const texts[] = {"",    "s",   "ms",    "-1",  "+1",  " 1",  "1 ",
                                        "1x",  "1.s", ".5s",   "1.",  "1e3", "0x1", "1S",
                                        "1 s", "1ss", "1m30s", "1,5", "inf"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        uint64_t time;
        struct error error = {.text = ""};
        cr_expect_eq(duration_parse(&time, texts[i], &error), -1, "\"%s\"", texts[i]);
        cr_expect_neq(error.text[0], '\0');
    }
}

Test(duration, never_wraps)
{
    static const char *const texts[] = {"31536000", "8760h", "18446744073709551616",
                                        "18446744073709551615h", "99999999999999999999999999ms"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        uint64_t time;
        struct error error = {.text = ""};
        cr_expect_eq(duration_parse(&time, texts[i], &error), -1, "\"%s\"", texts[i]);
        cr_expect(strstr(error.text, "too long"), "%s", error.text);
    }
    reads("31535999", UINT64_C(31535999) * CLOCK_S);
}
