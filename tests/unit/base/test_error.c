/* SPDX-License-Identifier: MIT */
/* The sentence of an error, and what does not fit into it. */
#include "base/error.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

Test(error, a_sentence_alone)
{
    struct error error = {.errnum = EIO};
    cr_assert_eq(error_set(&error, 0, "%d and %s", 7, "seven"), -1);
    cr_assert_eq(error.errnum, 0);
    cr_assert_str_eq(error.text, "7 and seven");
}

Test(error, what_the_system_says_follows)
{
    struct error error;
    cr_assert_eq(error_set(&error, ENOENT, "cannot open %s", "x"), -1);
    cr_assert_eq(error.errnum, ENOENT);
    cr_assert_str_eq(error.text, "cannot open x: No such file or directory");
}

Test(error, without_a_listener)
{
    cr_assert_eq(error_set(NULL, ENOENT, "nobody listens"), -1);
}

Test(error, what_does_not_fit_is_cut)
{
    char word[2 * ERROR_TEXT_MAX];
    struct error error;
    memset(word, 'x', sizeof word - 1);
    word[sizeof word - 1] = '\0';
    for (size_t length = ERROR_TEXT_MAX - 10; length <= ERROR_TEXT_MAX + 1; length++) {
        error_set(&error, ENOENT, "%.*s", (int)length, word);
        size_t kept = length < ERROR_TEXT_MAX ? length : ERROR_TEXT_MAX - 1;
        cr_assert_eq(strlen(error.text),
                     ERROR_TEXT_MAX - 1 < length + 27 ? ERROR_TEXT_MAX - 1 : length + 27);
        cr_assert_eq(strspn(error.text, "x"), kept);
    }
}
