/* SPDX-License-Identifier: MIT */
#include "tcpc/script.h"

#include "base/clock.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct script script;
static struct error error;

static void parse(const char *text)
{
    cr_assert_eq(script_parse(&script, "file", text, strlen(text), &error), 0, "%s: %s", text,
                 error.text);
    cr_assert_eq(script_compile(&script, &error), 0, "%s: %s", text, error.text);
}

static void is_step(size_t i, enum script_verb verb, unsigned line, const char *bytes)
{
    cr_assert_lt(i, script.count);
    cr_expect_eq(script.steps[i].verb, verb, "step %zu", i);
    cr_expect_eq(script.steps[i].line, line, "step %zu: line %u", i, script.steps[i].line);
    if (bytes)
        cr_expect_str_eq(script.steps[i].bytes, bytes);
}

Test(script, statements)
{
    parse("# a comment; send \"x\"\n"
          "send \"a\\r\\n\\x41\\\"#;\" ; expect \"b\" # why\n"
          "\n"
          "\texpect /^2[0-9]+\\/x\\.$/; sleep 1.5s\r\n"
          "shutdown;;expect eof\n"
          "close");
    cr_assert_eq(script.count, 7);
    is_step(0, SCRIPT_SEND, 2, "a\r\nA\"#;");
    is_step(1, SCRIPT_EXPECT, 2, "b");
    is_step(2, SCRIPT_REGEX, 4, "^2[0-9]+/x\\.$");
    is_step(3, SCRIPT_SLEEP, 4, NULL);
    is_step(4, SCRIPT_SHUTDOWN, 5, NULL);
    is_step(5, SCRIPT_END, 5, NULL);
    is_step(6, SCRIPT_CLOSE, 6, NULL);
    cr_expect_eq(script.steps[3].time, CLOCK_S * 3 / 2);
    script_free(&script);
}

Test(script, a_timeout_holds_for_what_follows)
{
    parse("expect \"a\"\ntimeout 250ms\nexpect \"b\"; send \"c\"\ntimeout 0; expect eof");
    cr_expect_eq(script.steps[0].time, SCRIPT_TIMEOUT_S * CLOCK_S);
    cr_expect_eq(script.steps[1].time, 250 * CLOCK_MS);
    cr_expect_eq(script.steps[2].time, 250 * CLOCK_MS);
    cr_expect_eq(script.steps[3].time, 0);
    script_free(&script);
}

Test(script, bytes_of_all_kinds_can_be_sent)
{
    parse("send \"\\0\\xff\"");
    cr_expect_eq(script.steps[0].length, 2);
    cr_expect_arr_eq(script.steps[0].bytes, "\0\xff", 2);
    script_free(&script);
}

static void refuses(const char *text, const char *words)
{
    int result = script_parse(&script, "file", text, strlen(text), &error);
    if (result == 0)
        result = script_compile(&script, &error);
    cr_expect_eq(result, -1, "%s", text);
    cr_expect(strstr(error.text, words) == error.text, "%s: %s", text, error.text);
    script_free(&script);
}

Test(script, what_is_wrong_is_said_with_its_line)
{
    refuses("\nexpct \"a\"", "file:2: \"expct \\\"a\\\"\" begins no statement");
    refuses("send a", "file:1: \"text\" is expected, not \"a\"");
    refuses("send", "file:1: \"text\" is expected, not \"\"");
    refuses("send /a/", "file:1: \"text\" is expected");
    refuses("expect 7", "file:1: \"text\", /regex/ or eof is expected");
    refuses("expect eofs", "file:1: \"text\", /regex/ or eof is expected");
    refuses("send \"a\n\"", "file:1: the closing quote is missing");
    refuses("expect /a", "file:1: the closing slash is missing");
    refuses("send \"\\q\"", "file:1: a backslash begins none of");
    refuses("send \"\\x4\"", "file:1: a backslash begins none of");
    refuses("send \"a\" \"b\"", "file:1: \"\\\"b\\\"\" is too much");
    refuses("shutdown now", "file:1: \"now\" is too much");
    refuses("expect \"\"", "file:1: what is expected has 1 to 4096 bytes, this has 0");
    refuses("expect //", "file:1: what is expected has 1 to");
    refuses("expect /a(/", "file:1: this is no regular expression: ");
    refuses("expect /\\x00/", "file:1: a backslash in a regular expression");
    refuses("sleep", "file:1: \"\" is not a time");
    refuses("\n\ntimeout soon", "file:3: \"soon\" is not a time");
    refuses("close\nsend \"a\"", "file:2: nothing can follow close");
    refuses("\x1b[2J", "file:1: \"\\x1b[2J\" begins no statement");
}

static bool matches(const char *expectation, const char *bytes, size_t length, size_t expected_end)
{
    char text[128];
    size_t end = SIZE_MAX;
    snprintf(text, sizeof text, "expect %s", expectation);
    parse(text);
    bool matched = script_match(&script.steps[0], bytes, length, &end);
    cr_expect(!matched || end == expected_end, "%s: %zu", expectation, end);
    script_free(&script);
    return matched;
}

#define MATCHES(expectation, bytes, end)                                                           \
    cr_expect(matches(expectation, bytes, sizeof bytes - 1, end), "%s", expectation)
#define DIFFERS(expectation, bytes)                                                                \
    cr_expect(!matches(expectation, bytes, sizeof bytes - 1, 0), "%s", expectation)

Test(script, matching)
{
    MATCHES("\"220\"", "xx220 welcome", 5);
    MATCHES("\"a\\0b\"", "1a\0b2", 4);
    DIFFERS("\"220\"", "22 0");
    DIFFERS("\"220\"", "");
    MATCHES("/^220 .*ready/", "hello\n220 is ready now\n", 18);
    DIFFERS("/^220$/", "1220\n2201\n");
    MATCHES("/a.c/",
            "a\xff"
            "c",
            3); /* no character in UTF-8, yet a byte */
    MATCHES("/b/", "a\0b", 3);
    MATCHES("/a\\x2ab/", "a*b", 3); /* an escaped byte is that byte, and no operator */
    DIFFERS("/a\\x2ab/", "aab");
    MATCHES("/(one|two)\\r\\n/", "two\r\n", 5);
}
