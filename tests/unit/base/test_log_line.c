/* SPDX-License-Identifier: MIT */
/* Lines of key=value: what a peer had a hand in can neither end a value nor a line. */
#include "base/log.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct log_line line;

static void expect(const char *wanted)
{
    cr_assert_eq(line.length, strlen(wanted), "%.*s", (int)line.length, line.text);
    cr_assert_eq(memcmp(line.text, wanted, line.length), 0, "%.*s", (int)line.length, line.text);
}

Test(log_line, plain_values)
{
    log_begin(&line, "closed");
    log_add(&line, "service", "echo");
    log_add(&line, "peer", "[fe80::1%eth0]:80");
    log_add(&line, "list", "a,b+c@d/e_f-g");
    expect("closed service=echo peer=[fe80::1%eth0]:80 list=a,b+c@d/e_f-g");
}

Test(log_line, numbers)
{
    log_begin(&line, "n");
    log_add_number(&line, "a", 0);
    log_add_number(&line, "b", 10);
    log_add_number(&line, "c", UINT64_MAX);
    expect("n a=0 b=10 c=18446744073709551615");
}

Test(log_line, quoted_values)
{
    log_begin(&line, "q");
    log_add(&line, "empty", "");
    log_add(&line, "blank", "a b");
    log_add(&line, "equals", "a=b");
    log_add(&line, "quote", "a\"b\\c");
    expect("q empty=\"\" blank=\"a b\" equals=\"a=b\" quote=\"a\\x22b\\x5cc\"");
}

Test(log_line, bytes_that_cannot_be_printed)
{
    log_begin(&line, "b");
    log_add_bytes(&line, "v", "\0\n\x1b[2J\x7f\x80\xff", 9);
    expect("b v=\"\\x00\\x0a\\x1b[2J\\x7f\\x80\\xff\"");
}

/* For each byte: alone it is either itself, in quotes, or an escape in quotes. */
Test(log_line, every_byte)
{
    static const char plain[] = "._:/@%+,-[]";
    for (int byte = 0; byte < 256; byte++) {
        char value = (char)byte, wanted[32];
        bool alnum = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                     (byte >= 'a' && byte <= 'z');
        if (alnum || (byte && strchr(plain, byte)))
            snprintf(wanted, sizeof wanted, "e v=%c", byte);
        else if (byte >= 0x20 && byte <= 0x7e && byte != '"' && byte != '\\')
            snprintf(wanted, sizeof wanted, "e v=\"%c\"", byte);
        else
            snprintf(wanted, sizeof wanted, "e v=\"\\x%02x\"", byte);
        log_begin(&line, "e");
        log_add_bytes(&line, "v", &value, 1);
        expect(wanted);
    }
}

Test(log_line, long_values_are_cut)
{
    char value[400], wanted[400] = "l v=";
    memset(value, 'x', sizeof value);
    memset(wanted + 4, 'x', 256);
    log_begin(&line, "l");
    log_add_bytes(&line, "v", value, sizeof value);
    expect(wanted);
}

Test(log_line, a_full_line_takes_no_more)
{
    char value[256];
    memset(value, '\n', sizeof value); /* four bytes each */
    log_begin(&line, "f");
    for (int i = 0; i < 10; i++)
        log_add_bytes(&line, "v", value, sizeof value);
    log_add_number(&line, "n", 1);
    cr_assert_eq(line.length, sizeof line.text);
}

Test(log_line, levels)
{
    struct log_settings settings = {.target = LOG_TARGET_STDERR, .level = LOG_WARNING};
    cr_assert(log_wants(LOG_NOTICE), "before log_open");
    cr_assert_not(log_wants(LOG_INFO), "before log_open");
    cr_assert_eq(log_open(&settings, NULL), 0);
    cr_assert(log_wants(LOG_ERR) && log_wants(LOG_WARNING));
    cr_assert_not(log_wants(LOG_NOTICE));
    settings.target = LOG_TARGET_NONE;
    cr_assert_eq(log_open(&settings, NULL), 0);
    cr_assert_not(log_wants(LOG_ERR));
    log_close();
}
