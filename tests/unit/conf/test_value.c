/* SPDX-License-Identifier: MIT */
/* The small languages inside values. */
#include "conf/lexer.h"
#include "conf/nearest.h"
#include "conf/number.h"
#include "conf/value.h"

#include <criterion/criterion.h>
#include <string.h>

Test(conf_value, durations)
{
    static const struct {
        const char *text;
        uint64_t ns;
    } good[] = {
        {"250ms", 250000000},
        {"30s", 30000000000},
        {"5m", 300000000000},
        {"1h", 3600000000000},
        {"0s", 0},
        {"007s", 7000000000},
        {"18446744073s", 18446744073000000000U},
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        uint64_t ns;
        cr_expect(value_duration(good[i].text, &ns), "%s", good[i].text);
        cr_expect_eq(ns, good[i].ns, "%s", good[i].text);
    }
}

Test(conf_value, durations_that_are_none)
{
    static const char *const bad[] = {
        "",
        " 5s",
        "5 s",
        "5s ",
        "5",
        "s",
        "-1s",
        "+1s",
        "1e3s",
        "1.5s",
        "5S",
        "5d",
        "5us",
        "0x5s",
        "18446744074s",
        "5124096h",
        "99999999999999999999s",
        "18446744073709551616ms",
        "5mm",
    };
    uint64_t ns;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_expect_not(value_duration(bad[i], &ns), "%s", bad[i]);
    cr_expect_not(value_seconds(-1, &ns));
    cr_expect_not(value_seconds(INT64_MAX, &ns));
    cr_expect_not(value_seconds(INT64_MIN, &ns));
    cr_expect(value_seconds(0, &ns));
}

Test(conf_value, durations_are_printed_in_the_largest_unit)
{
    char text[DURATION_TEXT_MAX];
    cr_expect_str_eq(value_duration_print(0, text), "0");
    cr_expect_str_eq(value_duration_print(1000000, text), "1ms");
    cr_expect_str_eq(value_duration_print(1500000000, text), "1500ms");
    cr_expect_str_eq(value_duration_print(90000000000, text), "90s");
    cr_expect_str_eq(value_duration_print(7200000000000, text), "2h");
}

Test(conf_value, limits)
{
    static const struct {
        const char *text;
        uint64_t limit;
    } good[] = {
        {"0", 0},
        {"64K", 65536},
        {"1M", 1048576},
        {"2G", 2147483648},
        {"18446744073709551613", UINT64_MAX - 2},
        {"17179869183G", 17179869183ULL << 30},
        {"unlimited", VALUE_UNLIMITED},
    };
    static const char *const bad[] = {
        "",
        " 1",
        "1 ",
        "-1",
        "1k",
        "1KB",
        "K",
        "1KK",
        "1T",
        "0x10",
        "Unlimited",
        "1.5M",
        "1e3",
        "18446744073709551614",
        "18446744073709551616",
        "17179869184G",
    };
    uint64_t limit;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        cr_expect(value_limit(good[i].text, &limit), "%s", good[i].text);
        cr_expect_eq(limit, good[i].limit, "%s", good[i].text);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_expect_not(value_limit(bad[i], &limit), "%s", bad[i]);
}

Test(conf_value, modes)
{
    mode_t mode;
    cr_expect(value_mode("0660", &mode));
    cr_expect_eq(mode, 0660);
    static const char *const bad[] = {"", "660", "1777", "0680", "00660", "0x1f", " 066", "-066"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_expect_not(value_mode(bad[i], &mode), "%s", bad[i]);
}

Test(conf_value, names)
{
    cr_expect_null(value_name_wrong("a-b_9"));
    cr_expect_null(value_name_wrong("12345678901234567890123456789012"));
    cr_expect_not_null(value_name_wrong("123456789012345678901234567890123"));
    cr_expect_not_null(value_name_wrong(""));
    cr_expect_not_null(value_name_wrong("a b"));
    cr_expect_not_null(value_name_wrong("A"));
    cr_expect_null(value_interface_wrong("eth0.5@x"));
    cr_expect_not_null(value_interface_wrong(".."));
    cr_expect_not_null(value_interface_wrong("a/b"));
    cr_expect_not_null(value_interface_wrong("1234567890123456"));
    cr_expect_null(value_inherited_wrong("web.socket"));
    cr_expect_not_null(value_inherited_wrong("a:b"));
    cr_expect_not_null(value_inherited_wrong("a b"));
}

Test(conf_value, numbers_are_read_whole)
{
    static const struct {
        const char *text;
        size_t length;
        int64_t number;
        bool integer, fits;
    } cases[] = {
        {"5;", 1, 5, true, true},
        {"-5,", 2, -5, true, true},
        {"+7", 2, 7, true, true},
        {"5000000000", 10, 5000000000, true, true},
        {"5LL", 3, 5, true, true},
        {"5LLL", 3, 5, true, true},
        {"0xFFFFFFFF", 10, 4294967295, true, true},
        {"0xFFL ", 5, 255, true, true},
        {"9223372036854775807", 19, INT64_MAX, true, true},
        {"9223372036854775808", 19, INT64_MAX, true, false},
        {"0x8000000000000000", 18, INT64_MAX, true, false},
        {"99999999999999999999", 20, INT64_MAX, true, false},
        {"0x", 1, 0, true, true},
        {"1.5 ", 3, 0, false, false},
        {".5", 2, 0, false, false},
        {"1.", 2, 0, false, false},
        {"1e3", 3, 0, false, false},
        {"1e", 1, 1, true, true},
        {"-1.5e-3", 7, 0, false, false},
        {".", 0, 0, false, false},
        {"-", 0, 0, false, false},
        {"+.", 0, 0, false, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct scalar scalar = {0};
        cr_expect_eq(number_scan(cases[i].text, &scalar), cases[i].length, "%s", cases[i].text);
        cr_expect_eq(scalar.integer, cases[i].integer, "%s", cases[i].text);
        cr_expect_eq(scalar.fits, cases[i].fits, "%s", cases[i].text);
        cr_expect_eq(scalar.number, cases[i].number, "%s", cases[i].text);
    }
}

Test(conf_value, scalars_are_counted_with_their_lines)
{
    struct memory *memory = memory_new();
    struct scalars scalars = {.most = 7};
    struct error error;
    unsigned line;
    const char *text = "a = 5; # 6\n/* 7\n */ b = [ \"x\" \"y\",\n \"z//\" ];\nc = TRUE; d = 1.5;";
    char *with_end = memory_print(memory, "%s\n", text);
    cr_assert_eq(lexer_scan(memory, with_end, &scalars, &line, &error), 0);
    static const unsigned lines[] = {1, 3, 4, 5, 5};
    cr_assert_eq(scalars.count, 5);
    for (size_t i = 0; i < 5; i++)
        cr_expect_eq(scalars.items[i].line, lines[i]);
    cr_expect(scalars.items[0].integer);
    cr_expect_str_eq(scalars.items[4].text, "1.5");
    memory_free(memory);
}

Test(conf_value, nearest_name)
{
    static const char *const names[] = {"processes", "threads", "queue", "type",
                                        "name",      "on",      NULL};
    cr_expect_str_eq(nearest("thread", names), "threads");
    cr_expect_str_eq(nearest("tpye", names), "type");
    cr_expect_str_eq(nearest("Queue", names), "queue");
    cr_expect_str_eq(nearest("procceses", names), "processes");
    cr_expect_null(nearest("colour", names));
    cr_expect_null(nearest("x", names));
    cr_expect_null(nearest("", names));
    cr_expect_null(nearest("a-name-that-is-longer-than-any-setting-can-be", names));
    cr_expect_eq(nearest_distance("ab", "ba"), 1);
    cr_expect_eq(nearest_distance("", "abc"), 3);
}
