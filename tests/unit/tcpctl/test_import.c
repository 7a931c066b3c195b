/* SPDX-License-Identifier: MIT */
#include "tcpctl/import.h"

#include "tcpctl/import_program.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct import import;
static char *printed;

static void set_up(void)
{
    import = (struct import){.memory = memory_new()};
    printed = NULL;
}

static void tear_down(void)
{
    memory_free(import.memory);
    free(printed);
}

TestSuite(import, .init = set_up, .fini = tear_down);

/* Checks and prints what was read, as a text. */
static const char *result(void)
{
    size_t length;
    free(printed);
    printed = NULL;
    FILE *out = open_memstream(&printed, &length);
    import_check(&import);
    import_print(&import, out);
    fclose(out);
    return printed;
}

static const char *warnings(void)
{
    size_t length;
    free(printed);
    printed = NULL;
    FILE *out = open_memstream(&printed, &length);
    import_warn(&import, out);
    fclose(out);
    return printed;
}

static struct import_entry *add(const char *name, const char *address)
{
    struct import_entry *entry = import_add(&import, (struct import_place){"f", 7}, "the line");
    cr_assert(import_builtin(&import, entry, "echo"));
    entry->name = name;
    import_list_add(&import, &entry->listens, address);
    return entry;
}

Test(import, an_entry_is_printed_in_groups)
{
    struct import_entry *entry = add("a", "127.0.0.1:7");
    import_set_more(&import, entry, "access.allow", "10.0.0.0/8");
    import_set(&import, entry, "limits.burst", "5");
    import_set_more(&import, entry, "access.deny", "::1");
    import_set_more(&import, entry, "access.deny", "::2");
    import_set_text(&import, entry, "limits.rate", "5/s");
    import_set(&import, entry, "limits.burst", "6");
    cr_expect_str_eq(result(), "// Made by tcpctl import-inetd: see tcpd-from-inetd(7).\n"
                               "\n"
                               "services = (\n"
                               "\n"
                               "  // f:7: the line\n"
                               "  { name = \"a\";\n"
                               "    type = \"echo\";\n"
                               "    listen = \"127.0.0.1:7\";\n"
                               "    access = { allow = [ \"10.0.0.0/8\" ]; deny = [ \"::1\", "
                               "\"::2\" ]; };\n"
                               "    limits = { burst = 6; rate = \"5/s\"; }; }\n"
                               ");\n");
}

Test(import, only_what_is_served_is_followed_by_a_comma)
{
    add("a", "127.0.0.1:7");
    add("b", "127.0.0.1:7");
    import_note(&import, import_add(&import, (struct import_place){"f", 8}, "none"), "why");
    add("c", "127.0.0.1:8");
    add("d", "0.0.0.0:8");
    const char *text = result();
    const char *comma = strstr(text, "127.0.0.1:7\"; },\n");
    cr_assert(comma, "%s", text);
    cr_expect_not(strstr(strchr(comma, '\n'), "},"), "%s", text);
    cr_expect(strstr(text, "// f:7: a has 127.0.0.1:7 already (f:7)"), "%s", text);
    cr_expect(strstr(text, "  // { name = \"b\";\n  //   type"), "%s", text);
    cr_expect(strstr(text, "  // f:8: none\n  // f:8: why\n\n"), "%s", text);
}

Test(import, strings_are_in_quotes_and_comments_end_with_their_line)
{
    struct import_entry *entry = add("a", "127.0.0.1:7");
    import_set_text(&import, entry, "argv0", "a\"b\\c\nd\x01");
    import_note(&import, entry, "a\nb\x1b*/");
    const char *text = result();
    cr_expect(strstr(text, "argv0 = \"a\\\"b\\\\c\\x0ad\\x01\";"), "%s", text);
    cr_expect(strstr(text, "  // f:7: a\\x0ab\\x1b*/\n"), "%s", text);
}

Test(import, names_are_made_fit_and_unique)
{
    static const struct {
        const char *name, *address, *fit;
    } cases[] = {
        {"Echo.TCP", ":1", "echo-tcp"},
        {"echo tcp", ":2", "echo-tcp-2"},
        {"echo/tcp", ":3", "echo-tcp-3"},
        {"", ":4", "service"},
        {"\xc3\xa9", ":5", "--"},
        {"0123456789-0123456789-0123456789", ":6", NULL},
        {"7", ":7", "7"},
        {"echo-tcp-4", ":8", "echo-tcp-4"},
        {"Echo_tcp-4", ":9", "echo_tcp-4"},
        {"echo.tcp", ":10", "echo-tcp-5"},
        {"the-first-of-two-long-names-a", ":11", "the-first-of-two-long-names-a"},
        {"the-first-of-two-long-names-a", ":12", "the-first-of-two-long-name-2"},
        {"the-first-of-two-long-names-b", ":13", "the-first-of-two-long-names-b"},
        {"the-first-of-two-long-names-b", ":14", "the-first-of-two-long-name-3"},
    };
    struct import_entry *entries[sizeof cases / sizeof *cases];
    size_t count = sizeof cases / sizeof *cases;
    for (size_t i = 0; i < count; i++)
        entries[i] = add(cases[i].name, cases[i].address);
    import_check(&import);
    for (size_t i = 0; i < count; i++)
        cr_expect_str_eq(entries[i]->name, cases[i].fit ? cases[i].fit : cases[i].name);
}

Test(import, nobody_is_warned_of_what_the_input_has_switched_off)
{
    struct import_entry *entry = add("a", "127.0.0.1:7");
    import_note(&import, entry, "one");
    entry->disabled = true;
    import_note(&import, add("b", "127.0.0.1:8"), "two");
    const char *text = result();
    cr_expect(strstr(text, "  // f:7: one\n  // { name = \"a\";"), "%s", text);
    cr_expect_str_eq(warnings(), "f:7: warning: two\n");
}

Test(import, nothing_at_all)
{
    cr_expect_str_eq(result(), "// Made by tcpctl import-inetd: see tcpd-from-inetd(7).\n"
                               "\n"
                               "// There is nothing that tcpd could serve.\n");
}

Test(import, the_format_is_recognised)
{
    static const struct {
        const char *text;
        import_reader *reader;
    } cases[] = {
        {"", import_inetd},
        {"# service a\n\nfinger stream tcp nowait nobody /bin/cat cat\n", import_inetd},
        {"service stream tcp nowait nobody /bin/cat cat\n", import_inetd},
        {"# x\nservice finger\n{\n", import_xinetd},
        {"service finger {\n", import_xinetd},
        {"\ndefaults\n", import_xinetd},
        {"includedir /etc/xinetd.d\n", import_xinetd},
        {"tcpserver 0 79 x\n", import_tcpserver},
        {"#!/bin/sh\nexec 2>&1\nexec /usr/bin/tcpserver 0 79 x\n", import_tcpserver},
        {"A=b envuidgid nobody tcpserver 0 79 x\n", import_tcpserver},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_eq(import_reader_for(cases[i].text), cases[i].reader, "%s", cases[i].text);
    cr_expect_eq(import_reader_named("inetutils"), import_inetutils);
    cr_expect_null(import_reader_named("Inetd"));
}

Test(import, variables)
{
    struct import_entry *entry = add("a", "127.0.0.1:7");
    struct import_place place = {"f", 9};
    cr_expect_eq(import_variable_name("A_1=b"), 3);
    cr_expect_eq(import_variable_name("1A=b"), 0);
    cr_expect_eq(import_variable_name("=b"), 0);
    cr_expect_eq(import_variable_name("A"), 0);
    cr_expect_eq(import_variable_name("A-B=c"), 0);
    import_variable(&import, entry, place, "A=b=c");
    import_variable(&import, entry, place, "PROTOCOL=x");
    cr_expect_null(entry->notes);
    static const char *const refused[] = {"PROTO=x",      "TCPREMOTEIP=x",   "LISTEN_PID=1",
                                          "_=x",          "NOTIFY_SOCKET=x", "UNIXREMOTEUID=0",
                                          "TCPCONNNUM=1", "WATCHDOG_USEC=1"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        import_variable(&import, entry, place, refused[i]);
    const char *text = result();
    cr_expect(strstr(text, "environment = { A = \"b=c\"; PROTOCOL = \"x\"; };"), "%s", text);
    size_t count = 0;
    for (const struct import_note *note = entry->notes; note; note = note->next)
        count++;
    cr_expect_eq(count, sizeof refused / sizeof *refused);
}
