/* SPDX-License-Identifier: MIT */
#include "tcpctl/import_words.h"

#include <criterion/criterion.h>
#include <string.h>

static struct import import;

static void set_up(void)
{
    import = (struct import){.memory = memory_new()};
}

static void tear_down(void)
{
    memory_free(import.memory);
}

TestSuite(words, .init = set_up, .fini = tear_down);

/* The words with | behind each, as one text. */
static const char *joined(const struct import_list *words)
{
    const char *text = "";
    for (size_t i = 0; i < words->count; i++)
        text = memory_print(import.memory, "%s%s|", text, words->items[i]);
    return text;
}

Test(words, between_blanks)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"", ""},           {" \t\r", ""},           {"a", "a|"},
        {" a\tb ", "a|b|"}, {"\"a b\"", "\"a|b\"|"}, {"1 2 3 4 5 6 7 8 9", "1|2|3|4|5|6|7|8|9|"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct import_list words = import_words(&import, cases[i].text);
        cr_expect_str_eq(joined(&words), cases[i].words);
    }
}

Test(words, of_a_shell)
{
    static const struct {
        const char *text, *words, *rest;
    } cases[] = {
        {"", "", ""},
        {"a 'b c' \"d e\"", "a|b c|d e|", ""},
        {"a'b'\"c\"d", "abcd|", ""},
        {"'' \"\" x", "||x|", ""},
        {"a\\ b \\' \\\\", "a b|'|\\|", ""},
        {"a\\", "a\\|", ""},
        {"'a\\'", "a\\|", ""},
        {"\"a\\\"\\\\\\$\\`\\n\"", "a\"\\$`\\n|", ""},
        {"a '$b|' \\$c", "a|$b||$c|", ""},
        {"a $b", "a|", "$b"},
        {"a b$c d", "a|", "b$c d"},
        {"a 2>&1 | b", "a|", "2>&1 | b"},
        {"a & b", "a|", "& b"},
        {"a *", "a|", "*"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct import_list words = {0};
        const char *rest;
        struct import_place place = {"x", 1};
        cr_expect_eq(
            import_shell_words(&import, place, cases[i].text, IMPORT_SHELL_SPECIALS, &words, &rest),
            0);
        cr_expect_str_eq(joined(&words), cases[i].words, "%s", cases[i].text);
        cr_expect_str_eq(rest, cases[i].rest, "%s", cases[i].text);
    }
}

Test(words, without_specials_nothing_is_a_shells)
{
    struct import_list words = {0};
    const char *rest;
    import_shell_words(&import, (struct import_place){"x", 1}, "*:79 \"$a\" $b|", "", &words,
                       &rest);
    cr_expect_str_eq(joined(&words), "*:79|$a|$b||");
    cr_expect_str_eq(rest, "");
}

Test(words, quotes_that_are_wrong)
{
    static const char *const texts[] = {"'a", "\"a", "a \"", "\"$a\"", "\"`a`\"", "\"a\\"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct import_list words = {0};
        const char *rest;
        cr_expect_eq(import_shell_words(&import, (struct import_place){"x", 1}, texts[i],
                                        IMPORT_SHELL_SPECIALS, &words, &rest),
                     -1, "%s", texts[i]);
        cr_expect_eq(import.errors, i + 1);
    }
}

Test(words, numbers)
{
    unsigned long number;
    cr_expect(import_number("0", 5, &number) && number == 0);
    cr_expect(import_number("5", 5, &number) && number == 5);
    cr_expect(import_number("007", 9, &number) && number == 7);
    cr_expect_not(import_number("6", 5, &number));
    cr_expect_not(import_number("", 5, &number));
    cr_expect_not(import_number(" 1", 5, &number));
    cr_expect_not(import_number("+1", 5, &number));
    cr_expect_not(import_number("-1", ~0UL, &number));
    cr_expect_not(import_number("1x", 5, &number));
    cr_expect_not(import_number("99999999999999999999999", ~0UL, &number));
}

Test(words, lines)
{
    struct import_lines lines = {.at = "a\n\n b\\\nc", .place = {.file = "x"}};
    cr_assert(import_lines_next(&import, &lines));
    cr_expect_str_eq(lines.line, "a");
    cr_expect_eq(lines.place.line, 1);
    cr_assert(import_lines_next(&import, &lines));
    cr_expect_str_eq(lines.line, "");
    cr_assert(import_lines_next(&import, &lines));
    cr_expect_str_eq(lines.line, " b\\");
    cr_assert(import_lines_join(&import, &lines, 2));
    cr_expect_str_eq(lines.line, " bc");
    cr_expect_eq(lines.place.line, 4);
    cr_expect_not(import_lines_join(&import, &lines, 3));
    cr_expect_not(import_lines_next(&import, &lines));
}
