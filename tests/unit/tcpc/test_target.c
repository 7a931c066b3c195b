/* SPDX-License-Identifier: MIT */
#include "tcpc/target.h"

#include <criterion/criterion.h>
#include <string.h>

static void reads(const char *first, const char *second, const char *host, const char *port)
{
    char *arguments[] = {strdup(first), second ? strdup(second) : NULL};
    struct target target;
    struct error error = {.text = ""};
    cr_assert_eq(target_parse(&target, second ? 2 : 1, arguments, &error), 0, "%s: %s", first,
                 error.text);
    cr_expect_str_eq(target.host, host, "%s: host %s", first, target.host);
    cr_expect_str_eq(target.port, port, "%s: port %s", first, target.port);
    cr_expect_null(target.path);
    free(arguments[0]);
    free(arguments[1]);
}

static void refuses(const char *first, const char *second, const char *words)
{
    char *arguments[] = {strdup(first), second ? strdup(second) : NULL};
    struct target target;
    struct error error = {.text = ""};
    cr_assert_eq(target_parse(&target, second ? 2 : 1, arguments, &error), -1, "%s %s", first,
                 second ? second : "");
    cr_expect(strstr(error.text, words), "%s: %s", first, error.text);
    free(arguments[0]);
    free(arguments[1]);
}

Test(target, two_arguments)
{
    reads("localhost", "7", "localhost", "7");
    reads("127.0.0.1", "65535", "127.0.0.1", "65535");
    reads("::1", "7", "::1", "7");
    reads("[::1]", "7", "::1", "7");
    reads("fe80::1%eth0", "7", "fe80::1%eth0", "7");
    reads("example.org", "http", "example.org", "http");
    reads("example.org", "000080", "example.org", "000080");
}

Test(target, one_argument)
{
    reads("localhost:7", NULL, "localhost", "7");
    reads("127.0.0.1:7", NULL, "127.0.0.1", "7");
    reads("[::1]:7", NULL, "::1", "7");
    reads("[fe80::1%eth0]:7", NULL, "fe80::1%eth0", "7");
    reads("localhost:http", NULL, "localhost", "http");
}

Test(target, a_unix_socket_keeps_its_path)
{
    char text[] = "unix:/run/a:b", *arguments[] = {text}, name[TARGET_TEXT_MAX];
    struct target target;
    cr_assert_eq(target_parse(&target, 1, arguments, NULL), 0);
    cr_expect_str_eq(target.path, "/run/a:b");
    cr_expect_str_eq(target_format(&target, name), "unix:/run/a:b");
}

Test(target, what_is_no_target)
{
    refuses("localhost", NULL, "lacks its port");
    refuses("", NULL, "lacks its port");
    refuses("", "7", "the host is empty");
    refuses(":7", NULL, "the host is empty");
    refuses("localhost:", NULL, "the port is empty");
    refuses("localhost", "", "the port is empty");
    refuses("::1", NULL, "or its brackets");
    refuses("::1:7", NULL, "or its brackets");
    refuses("a:b:7", NULL, "neither a name nor an IPv6 address");
    refuses("localhost:7", "7", "neither a name nor an IPv6 address");
    refuses("[::1]", NULL, "lacks its port");
    refuses("[::1", NULL, "lacks its port");
    refuses("[::1]7", NULL, "lacks its port");
    refuses("[localhost]:7", NULL, "is not an IPv6 address");
    refuses("[]:7", NULL, "is not an IPv6 address");
}

Test(target, a_port_is_a_number_from_1_to_65535_or_a_name)
{
    refuses("localhost", "0", "not between 1 and 65535");
    refuses("localhost", "65536", "not between 1 and 65535");
    refuses("localhost", "18446744073709551623", "not between 1 and 65535");
    refuses("localhost", "-7", "no port");
    refuses("localhost", "+7", "no port");
    refuses("localhost", " 7", "no port");
    refuses("localhost", "7x", "no port");
    refuses("localhost", "0x7", "no port");
    refuses("localhost", "7;7", "no port");
    refuses("localhost", "a-name-that-is-longer-than-any-service", "too long");
}

Test(target, names_have_a_bound)
{
    char name[TARGET_HOST_MAX + 1];
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    refuses(name, "7", "too long");
    name[TARGET_HOST_MAX - 1] = '\0';
    reads(name, "7", name, "7");
}

Test(target, the_number_of_arguments)
{
    char a[] = "a", b[] = "1", c[] = "extra", *arguments[] = {a, b, c};
    struct target target;
    struct error error;
    cr_expect_eq(target_parse(&target, 0, arguments, &error), -1);
    cr_expect_eq(target_parse(&target, 3, arguments, &error), -1);
    cr_expect(strstr(error.text, "\"extra\""));
}
