/* SPDX-License-Identifier: MIT */
/* What a reload would change. */
#include "conf/help.h"

#include "conf/diff.h"

#include <time.h>

TestSuite(conf_diff, .init = enter_folder, .fini = leave_folder, .timeout = 60);

static struct conf *valid(const char *text)
{
    struct loaded loaded = load(text);
    cr_assert_not_null(loaded.conf, "%s", loaded.report.messages[0]);
    conf_report_free(&loaded.report);
    return loaded.conf;
}

/* Every change in one text: "+service a\n-listener :1 (a)\n*setting log.level\n". */
static void print_changes(const struct conf_diff *diff, char *text, size_t size)
{
    static const char *const kinds[] = {"service", "listener", "setting"};
    static const char hows[] = {'+', '-', '*'};
    size_t length = 0;
    text[0] = '\0';
    for (size_t i = 0; i < diff->count; i++) {
        const struct conf_change *change = &diff->changes[i];
        length += (size_t)snprintf(text + length, size - length, "%c%s %s\n", hows[change->how],
                                   kinds[change->kind], change->what);
        cr_assert_lt(length, size);
    }
}

static void expect_changes(const char *before, const char *after, const char *expected)
{
    struct conf *old = valid(before);
    struct conf *new = valid(after);
    struct conf_diff diff;
    conf_diff(old, new, &diff);
    conf_free(old); /* nothing of the diff may point there */
    conf_free(new);
    char text[4096];
    print_changes(&diff, text, sizeof(text));
    cr_expect_str_eq(text, expected);
    conf_diff_free(&diff);
    cr_expect_eq(diff.count, 0);
}

#define SERVICE(name, listen, more)                                                                \
    "{ name = \"" name "\"; type = \"echo\"; listen = (" listen "); " more "}"
#define SERVICES(list) "services = ( " list " );\n"

Test(conf_diff, nothing)
{
    expect_changes(ECHO, "// the same, said otherwise\npool = { processes = 1; };\n" ECHO, "");
}

Test(conf_diff, services_come_and_go)
{
    expect_changes(SERVICES(SERVICE("a", "\":1\"", "") "," SERVICE("b", "\":2\"", "") "," SERVICE(
                       "c", "\":3\"", "")),
                   SERVICES(SERVICE("z", "\":4\"", "") "," SERVICE("b", "\":2\"", "") "," SERVICE(
                       "d", "\":5\"", "")),
                   "+service z\n+service d\n-service a\n-service c\n"
                   "+listener :4 (z)\n+listener :5 (d)\n-listener :1 (a)\n-listener :3 (c)\n");
}

Test(conf_diff, order_means_nothing)
{
    expect_changes(SERVICES(SERVICE("a", "\":1\", \"127.0.0.1:0\", \":2\"",
                                    "") "," SERVICE("b", "\":3\"", "")),
                   SERVICES(SERVICE("b", "\":3\"",
                                    "") "," SERVICE("a", "\":2\", \":1\", \"127.0.0.1:0\"", "")),
                   "");
}

Test(conf_diff, service_changes_by_each_setting_but_its_listeners)
{
    const char *before = SERVICES(SERVICE("a", "\":1\"", ""));
    expect_changes(before, SERVICES(SERVICE("a", "\":1\"", "limits = { connections = 1; };")),
                   "*service a\n");
    expect_changes(before, SERVICES(SERVICE("a", "\":1\"", "access = { allow = [ ]; };")),
                   "*service a\n");
    expect_changes(SERVICES(SERVICE("a", "\":1\"", "access = { deny = \"::1\"; };")),
                   SERVICES(SERVICE("a", "\":1\"", "access = { deny = \"::2\"; };")),
                   "*service a\n");
    expect_changes(before, SERVICES(SERVICE("a", "\":1\"", "timeouts = { linger = 1; };")),
                   "*service a\n");
    expect_changes(before,
                   "services = ( { name = \"a\"; type = \"discard\"; listen = \":1\"; } );\n",
                   "*service a\n");
    expect_changes(before, SERVICES(SERVICE("a", "\":2\"", "")),
                   "+listener :2 (a)\n-listener :1 (a)\n");
}

Test(conf_diff, service_changes_with_what_it_inherits)
{
    expect_changes(ECHO, "timeouts = { idle = 7; };\n" ECHO,
                   "*service echo\n*setting timeouts.idle\n");
}

Test(conf_diff, listener_changes_by_its_options)
{
#define UNIX(more) "{ address = \"unix:/run/a\"; " more "}"
#define TCP(more)  "{ address = \"127.0.0.1:80\"; " more "}"
    expect_changes(SERVICES(SERVICE("a", UNIX("") "," TCP(""), "")),
                   SERVICES(SERVICE("a", UNIX("mode = \"0600\"; ") "," TCP("backlog = 5; "), "")),
                   "*listener unix:/run/a (a)\n*listener 127.0.0.1:80 (a)\n");
    expect_changes(SERVICES(SERVICE("a", TCP(""), "")),
                   SERVICES(SERVICE("a", TCP("interface = \"lo\"; "), "")),
                   "*listener 127.0.0.1:80 (a)\n");
}

Test(conf_diff, listener_moves_to_another_service)
{
    expect_changes(SERVICES(SERVICE("a", "\":1\", \":2\"", "") "," SERVICE("b", "\":3\"", "")),
                   SERVICES(SERVICE("a", "\":1\"", "") "," SERVICE("b", "\":3\", \":2\"", "")),
                   "+listener :2 (b)\n-listener :2 (a)\n");
}

Test(conf_diff, listeners_of_one_name_are_counted)
{
    expect_changes(SERVICES(SERVICE("a", "\"127.0.0.1:0\", \"127.0.0.1:0\"", "")),
                   SERVICES(SERVICE("a", "\"127.0.0.1:0\"", "")), "-listener 127.0.0.1:0 (a)\n");
#define ON(interface) "{ address = \":7\"; interface = \"" interface "\"; }"
    expect_changes(SERVICES(SERVICE("a", ON("eth0") "," ON("eth1"), "")),
                   SERVICES(SERVICE("a", ON("eth1") "," ON("eth2") "," ON("eth3"), "")),
                   "*listener :7 (a)\n+listener :7 (a)\n");
}

Test(conf_diff, inherited_listener)
{
    expect_changes(SERVICES(SERVICE("a", "\":1\"", "")),
                   SERVICES(SERVICE("a", "\":1\", \"systemd:web\"", "")),
                   "+listener systemd:web (a)\n");
}

/* One value other than the default for every setting of the daemon. */
Test(conf_diff, every_setting_takes_part)
{
    expect_changes(
        ECHO,
        "pool = { processes = 2; threads = 199; queue = 1; generations = 2; hang_timeout = 1;\n"
        "  start_timeout = 1; };\n"
        "log = { target = \"none\"; facility = \"user\"; socket = \"/x\"; ident = \"x\";\n"
        "  level = \"error\"; access = false; };\n"
        "control = { socket = \"/x\"; mode = \"0600\"; group = \"root\"; };\n"
        "limits = { connections = 1; overload = \"reset\"; per_address = 1; rate = \"1/h\";\n"
        "  burst = 1; enforce = false; ipv6_prefix = 1; handshakes = 1; queue_delay = 1; };\n"
        "timeouts = { idle = 1; write = 1; lifetime = 1; linger = 1; drain = 1; retire = 1;\n"
        "  handshake = 1; };\n"
        "services = ( { name = \"echo\"; type = \"echo\"; listen = \"127.0.0.1:6007\";\n"
        "  limits = { overload = \"wait\"; };\n"
        "  timeouts = { idle = \"5m\"; write = 60; lifetime = 0; linger = 5; handshake = 10; }; } "
        ");\n",
        "*setting pool.processes\n*setting pool.threads\n*setting pool.queue\n"
        "*setting pool.generations\n*setting pool.hang_timeout\n*setting pool.start_timeout\n"
        "*setting log.target\n*setting log.facility\n*setting log.socket\n*setting log.ident\n"
        "*setting log.level\n*setting log.access\n"
        "*setting control.socket\n*setting control.mode\n*setting control.group\n"
        "*setting limits.per_address\n*setting limits.rate\n*setting limits.burst\n"
        "*setting limits.enforce\n*setting limits.ipv6_prefix\n"
        "*setting limits.connections\n*setting limits.overload\n"
        "*setting limits.handshakes\n*setting limits.queue_delay\n"
        "*setting timeouts.idle\n*setting timeouts.write\n*setting timeouts.lifetime\n"
        "*setting timeouts.linger\n*setting timeouts.handshake\n*setting timeouts.drain\n*setting "
        "timeouts.retire\n");
}

/* A thousand services with two addresses each; every port is shifted, every tenth is changed. */
static struct conf *many(unsigned first_port, unsigned changed)
{
    FILE *out = fopen("test.conf", "w");
    fputs("services = (\n", out);
    for (unsigned i = 0; i < 1000; i++)
        fprintf(out,
                "%s{ name = \"s%u\"; type = \"echo\"; limits = { connections = %u; };\n"
                "listen = [ \"127.0.0.1:%u\", \"127.0.0.2:0\" ]; }\n",
                i == 0 ? "" : ",", i, i % 10 == 0 ? changed : 1, first_port + i);
    fputs(");\n", out);
    fclose(out);
    return valid(NULL);
}

Test(conf_diff, thousand_services_take_no_time)
{
    struct conf *before = many(10000, 1);
    struct conf *after = many(10500, 2);
    struct conf_diff diff;
    clock_t start = clock();
    conf_diff(before, after, &diff);
    long took = (clock() - start) / (CLOCKS_PER_SEC / 1000);
    cr_expect_eq(diff.count, 100 + 1000 + 1000);
    cr_expect(is_sanitized() || took < 100, "%ld ms", took); /* ten times what it takes */
    conf_diff_free(&diff);
    conf_free(before);
    conf_free(after);
}
