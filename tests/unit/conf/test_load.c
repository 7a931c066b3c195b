/* SPDX-License-Identifier: MIT */
/* What a valid file becomes. */
#include "conf/help.h"

#include "base/clock.h"

#include <grp.h>

TestSuite(conf_load, .init = enter_folder, .fini = leave_folder, .timeout = 60);

Test(conf_load, defaults_are_those_of_the_manual)
{
    struct loaded loaded = load(ECHO);
    const struct conf *conf = loaded.conf;
    cr_assert_not_null(conf);
    cr_expect_eq(conf->pool.processes, 1);
    cr_expect_geq(conf->pool.threads, 1);
    cr_expect_eq(conf->pool.queue, 1024);
    cr_expect_eq(conf->pool.generations, 16);
    cr_expect_eq(conf->pool.hang_timeout, 0);
    cr_expect_eq(conf->pool.start_timeout, 10 * CLOCK_S);
    cr_expect_str_eq(conf->control.socket, "/run/tcpd/control.sock");
    cr_expect_eq(conf->control.mode, 0660);
    cr_expect_null(conf->control_file);
    cr_expect_eq(conf->log.target, LOG_TARGET_SYSLOG);
    cr_expect_eq(conf->log.facility, LOG_DAEMON);
    cr_expect_str_eq(conf->log.ident, "tcpd");
    cr_expect_eq(conf->log.level, LOG_INFO);
    cr_expect(conf->log.access);
    cr_expect_not(conf->log.tee);
    cr_expect_eq(conf->limits.connections, 100000);
    cr_expect_eq(conf->limits.overload, OVERLOAD_WAIT);
    cr_expect_eq(conf->timeouts.idle, 300 * CLOCK_S);
    cr_expect_eq(conf->timeouts.write, 60 * CLOCK_S);
    cr_expect_eq(conf->timeouts.lifetime, 0);
    cr_expect_eq(conf->timeouts.linger, 5 * CLOCK_S);
    cr_expect_eq(conf->drain, 30 * CLOCK_S);
    cr_expect_eq(conf->retire, 0);
    cr_expect_eq(conf->limits_line, 1);
    unload(&loaded);
}

Test(conf_load, service_has_what_it_needs)
{
    struct loaded loaded = load("\n" ECHO);
    cr_assert_not_null(loaded.conf);
    cr_assert_eq(loaded.conf->service_count, 1);
    const struct conf_service *service = &loaded.conf->services[0];
    cr_expect_str_eq(service->service.name, "echo");
    cr_expect_str_eq(service->service.ops->type, "echo");
    cr_expect_eq(service->service.index, 0);
    cr_expect_eq(service->service.limits.connections, 0);
    cr_expect_str_eq(service->file, "test.conf");
    cr_expect_eq(service->line, 2);
    cr_assert_eq(service->listen_count, 1);
    cr_expect_eq(service->listens[0].address.port, 6007);
    cr_expect_eq(service->listens[0].backlog, 4096);
    unload(&loaded);
}

Test(conf_load, services_inherit_what_stands_below_them)
{
    struct loaded loaded =
        load("services = (\n"
             "  { name = \"a\"; type = \"echo\"; listen = \":1\"; },\n"
             "  { name = \"b\"; type = \"echo\"; listen = \":2\";\n"
             "    limits = { connections = 7; overload = \"wait\"; }; timeouts = { idle = 3; }; }\n"
             ");\n"
             "limits = { connections = 50; overload = \"reset\"; };\n"
             "timeouts = { idle = \"250ms\"; write = \"2h\"; };\n");
    cr_assert_not_null(loaded.conf);
    const struct service *a = &loaded.conf->services[0].service;
    const struct service *b = &loaded.conf->services[1].service;
    cr_expect_eq(a->limits.connections, 0);
    cr_expect_eq(a->limits.overload, OVERLOAD_RESET);
    cr_expect_eq(a->timeouts.idle, 250 * CLOCK_MS);
    cr_expect_eq(b->limits.connections, 7);
    cr_expect_eq(b->limits.overload, OVERLOAD_WAIT);
    cr_expect_eq(b->timeouts.idle, 3 * CLOCK_S);
    cr_expect_eq(b->timeouts.write, 7200 * CLOCK_S);
    cr_expect_eq(b->index, 1);
    cr_expect_eq(loaded.conf->limits_line, 6);
    unload(&loaded);
}

Test(conf_load, listen_in_every_form)
{
    struct loaded loaded =
        load("services = ( { name = \"a\"; type = \"echo\"; listen = (\n"
             "  \"127.0.0.1:0\",\n"
             "  \"[::1]:6000\",\n"
             "  \":7\",\n"
             "  \"unix:/run/a.sock\",\n"
             "  \"systemd:web\",\n"
             "  { address = \"unix:/run/b.sock\"; mode = \"0600\"; backlog = 5; },\n"
             "  { address = \"10.0.0.1:9\"; interface = \"eth0\"; }\n"
             "); }, { name = \"b\"; type = \"echo\"; listen = [ \":8\",\n \"127.0.0.1:0\"\n ]; },\n"
             "  { name = \"c\"; type = \"echo\"; listen = { address = \":10\"; }; } );\n");
    cr_assert_not_null(loaded.conf, "%s", loaded.report.messages[0]);
    const struct listen *listens = loaded.conf->services[0].listens;
    cr_assert_eq(loaded.conf->services[0].listen_count, 7);
    cr_expect_eq(listens[0].address.family, AF_INET);
    cr_expect_eq(listens[0].line, 2);
    cr_expect_eq(listens[1].address.family, AF_INET6);
    cr_expect_eq(listens[1].address.port, 6000);
    cr_expect_eq(listens[2].address.family, AF_UNSPEC);
    cr_expect_null(listens[2].inherited);
    cr_expect_str_eq(listens[3].address.path, "/run/a.sock");
    cr_expect_eq(listens[3].mode, 0660);
    cr_expect_eq(listens[4].address.family, AF_UNSPEC);
    cr_expect_str_eq(listens[4].inherited, "web");
    cr_expect_eq(listens[5].mode, 0600);
    cr_expect_eq(listens[5].backlog, 5);
    cr_expect_str_eq(listens[6].interface, "eth0");
    cr_expect_eq(listens[6].line, 8);
    cr_expect_eq(loaded.conf->services[1].listens[1].line, 10);
    cr_expect_eq(loaded.conf->services[2].listen_count, 1);
    unload(&loaded);
}

Test(conf_load, interfaces_keep_equal_addresses_apart)
{
    expect_valid("services = ( { name = \"a\"; type = \"echo\"; listen = (\n"
                 "{ address = \":7\"; interface = \"eth0\"; },\n"
                 "{ address = \":7\"; interface = \"eth1\"; } ); } );\n");
    expect_error("services = ( { name = \"a\"; type = \"echo\"; listen = (\n"
                 "{ address = \":7\"; interface = \"eth0\"; },\n"
                 "\":7\" ); } );\n",
                 "test.conf:3: error: services.a.listen.[1]: ", "is taken by");
}

Test(conf_load, zero_threads_become_the_cpus)
{
    struct loaded zero = load("pool = { threads = 0; };\n" ECHO);
    struct loaded three = load("pool = { threads = 3; };\n" ECHO);
    cr_expect_gt(zero.conf->pool.threads, 0);
    cr_expect_eq(three.conf->pool.threads, 3);
    unload(&zero);
    unload(&three);
}

Test(conf_load, syntax_of_libconfig_is_taken_whole)
{
    expect_valid("# one\n// two\n/* three\n */ pool : { processes = 0x2L, queue = 10 }\r\n"
                 "log = { access = TRUE; ident = \"tc\" \"pd\"; } " ECHO "# no newline behind");
}

/* Every number at and beyond its bounds. */
static const struct range {
    const char *group, *name, *service;
    long long low, high;
    bool zero;
} ranges[] = {
    {"pool", "processes", NULL, 1, 64, false},
    {"pool", "threads", NULL, 1, 256, true},
    {"pool", "queue", NULL, 1, 65536, false},
    {"pool", "generations", NULL, 1, 64, false},
    {"pool", "hang_timeout", NULL, 1, 3600, true},
    {"pool", "start_timeout", NULL, 1, 3600, false},
    {"limits", "connections", NULL, 1, 10000000, false},
    {"limits", "connections", "echo", 1, 10000000, true},
    {"limits", "per_address", "echo", 1, 10000000, true},
    {"limits", "burst", NULL, 1, 1000000, true},
    {"limits", "ipv6_prefix", NULL, 1, 128, false},
    {"limits", "handshakes", NULL, 1, 10000000, true},
    {"limits", "queue_delay", NULL, 1, 60, true},
    {"timeouts", "idle", NULL, 1, 31536000, true},
    {"timeouts", "write", "echo", 1, 31536000, true},
    {"timeouts", "lifetime", NULL, 1, 31536000, true},
    {"timeouts", "linger", NULL, 1, 3600, false},
    {"timeouts", "drain", NULL, 1, 86400, true},
    {"timeouts", "retire", NULL, 1, 31536000, true},
};

static void expect_number(const struct range *range, const char *number, bool valid)
{
    char text[512];
    if (range->service != NULL)
        snprintf(text, sizeof(text),
                 "services = ( { name = \"echo\"; type = \"echo\"; listen = \":7\";\n"
                 "%s = { %s = %s; }; } );\n",
                 range->group, range->name, number);
    else
        snprintf(text, sizeof(text), ECHO "%s = { %s = %s; };\n", range->group, range->name,
                 number);
    char start[128];
    snprintf(start, sizeof(start), "test.conf:2: error: %s%s%s.%s: expected ",
             range->service != NULL ? "services.echo" : "", range->service != NULL ? "." : "",
             range->group, range->name);
    if (valid)
        expect_valid(text);
    else
        expect_error(text, start, number);
}

Test(conf_load, every_number_has_its_range)
{
    static const char *const never[] = {
        "-1",         "2147483648",           "3000000000",           "4294967295",  "4294967296",
        "0xFFFFFFFF", "9223372036854775807L", "9223372036854775808L", "-2147483649", "4294967297L",
        "1.0",        "99999999999999999999"};
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        const struct range *range = &ranges[i];
        char number[32];
        snprintf(number, sizeof(number), "%lld", range->low);
        expect_number(range, number, true);
        snprintf(number, sizeof(number), "%lld", range->high);
        expect_number(range, number, true);
        snprintf(number, sizeof(number), "0x%llXL", (unsigned long long)range->high);
        expect_number(range, number, true);
        snprintf(number, sizeof(number), "%lld", range->high + 1);
        expect_number(range, number, false);
        expect_number(range, "0", range->zero);
        for (size_t j = 0; j < sizeof(never) / sizeof(never[0]); j++)
            expect_number(range, never[j], false);
    }
}

Test(conf_load, control_socket)
{
    struct loaded loaded = load("\ncontrol = {\n socket = \"/x/y\"; mode = \"0600\"; };\n" ECHO);
    cr_assert_not_null(loaded.conf);
    cr_expect_str_eq(loaded.conf->control.socket, "/x/y");
    cr_expect_eq(loaded.conf->control.mode, 0600);
    cr_expect_str_eq(loaded.conf->control_file, "test.conf");
    cr_expect_eq(loaded.conf->control_line, 3);
    unload(&loaded);
    struct loaded none = load("control = { socket = \"\"; };\n" ECHO);
    cr_assert_not_null(none.conf);
    cr_expect_str_eq(none.conf->control.socket, "");
    unload(&none);
}

/* A path of this length in the place of the control socket. */
static void expect_path(size_t length, bool valid)
{
    char path[256];
    memset(path, 'x', length);
    path[0] = '/';
    path[length] = '\0';
    char text[512];
    snprintf(text, sizeof(text), "control = { socket = \"%s\"; };\n" ECHO, path);
    if (valid)
        expect_valid(text);
    else
        expect_error(text, "test.conf:1: error: control.socket: expected ", "at most 107 bytes");
}

Test(conf_load, control_socket_fits_into_an_address)
{
    expect_path(107, true);
    expect_path(108, false);
    expect_path(200, false);
}

/* Each is the whole of the group `control`, and part of what is said. */
Test(conf_load, control_settings_that_are_wrong)
{
    static const struct {
        const char *setting, *path, *part;
    } cases[] = {
        {"socket = \"x.sock\"", "socket", "or \"\" for none, got a string \"x.sock\""},
        {"socket = \"/run/\"", "socket", "expected the absolute path"},
        {"socket = 1", "socket", "expected a string"},
        {"mode = \"660\"", "mode", "a 0 and three octal digits"},
        {"mode = \"\"", "mode", "a 0 and three octal digits"},
        {"group = 5", "group", "expected a string, got an integer 5"},
        {"group = \"a\\n\"", "group", "expected the name of a group"},
        {"group = \"a:b\"", "group", "expected the name of a group"},
        {"group = \"no-such-group-here\"", "group", "there is no group \"no-such-group-here\""},
        {"owner = \"root\"", "owner", "unknown setting"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[512], start[128];
        snprintf(text, sizeof(text), ECHO "control = { %s; };\n", cases[i].setting);
        snprintf(start, sizeof(start), "test.conf:2: error: control.%s: ", cases[i].path);
        expect_error(text, start, cases[i].part);
    }
}

Test(conf_load, control_group_is_looked_up)
{
    struct loaded root = load("control = { group = \"root\"; };\n" ECHO);
    cr_assert_not_null(root.conf);
    cr_expect(root.conf->control.has_group);
    cr_expect_eq(root.conf->control.gid, 0);
    cr_expect_str_eq(root.conf->control.group, "root");
    unload(&root);
    struct loaded none = load("control = { group = \"\"; };\n" ECHO);
    cr_assert_not_null(none.conf);
    cr_expect_not(none.conf->control.has_group);
    unload(&none);
}

/* Whether this machine has the group or not, the default is fine; asked for, it must exist. */
Test(conf_load, control_group_may_be_missing_by_default_only)
{
    const struct group *group = getgrnam("tcpd");
    struct loaded standard = load(ECHO);
    cr_assert_not_null(standard.conf);
    cr_expect_eq(standard.conf->control.has_group, group != NULL);
    cr_expect_str_eq(standard.conf->control.group, group != NULL ? "tcpd" : "");
    unload(&standard);
    const char *asked = "control = { group = \"tcpd\"; };\n" ECHO;
    if (group != NULL)
        expect_valid(asked);
    else
        expect_error(asked, "test.conf:1: error: control.group: ", "there is no group \"tcpd\"");
}

Test(conf_load, control_socket_is_no_service)
{
    expect_error("services = ( { name = \"a\"; type = \"echo\"; listen = ( \":7\",\n"
                 "\"unix:/run/x\" ); } );\ncontrol = { socket = \"/run/x\"; };\n",
                 "test.conf:2: error: services.a.listen.[1]: ", "taken by control.socket");
    expect_error("services = ( { name = \"a\"; type = \"echo\";\n"
                 "listen = \"unix:/run/tcpd/control.sock\"; } );\n",
                 "test.conf:2: error: services.a.listen: ", "taken by control.socket");
    expect_valid("services = ( { name = \"a\"; type = \"echo\"; listen = ( \":7\",\n"
                 "\"unix:/run/x\" ); } );\ncontrol = { socket = \"\"; };\n");
}

Test(conf_load, messages_come_in_the_order_of_the_file)
{
    struct loaded loaded = load("services = ( { name = \"a\"; type = \"x\"; listen = \":1\"; } );\n"
                                "log = { level = 1; };\n"
                                "pool = { queue = 0; };\n");
    cr_assert_eq(loaded.report.errors, 3);
    cr_expect_eq(strncmp(loaded.report.messages[0], "test.conf:1: ", 13), 0);
    cr_expect_eq(strncmp(loaded.report.messages[1], "test.conf:2: ", 13), 0);
    cr_expect_eq(strncmp(loaded.report.messages[2], "test.conf:3: ", 13), 0);
    unload(&loaded);
}

Test(conf_load, messages_have_a_bound)
{
    FILE *out = fopen("test.conf", "w");
    for (int i = 0; i < 900; i++)
        fprintf(out, "unknown%d = 1;\n", i);
    fclose(out);
    struct loaded loaded = load(NULL);
    cr_expect_eq(loaded.report.errors, 501);
    cr_expect(says(&loaded, "test.conf:500: error: file: ", "401 more errors are not shown"));
    unload(&loaded);
}
