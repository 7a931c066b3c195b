/* SPDX-License-Identifier: MIT */
/* -o PATH=VALUE */
#include "conf/help.h"

#include "base/clock.h"

TestSuite(conf_override, .init = enter_folder, .fini = leave_folder, .timeout = 60);

#define TWO                                                                                        \
    "log = { level = \"info\"; };\n"                                                               \
    "services = ( { name = \"greet\"; type = \"greet\"; listen = \":6000\"; },\n"                  \
    "             { name = \"echo\"; type = \"echo\"; listen = \":6007\"; } );\n"

static struct loaded load_one(const char *path, const char *value)
{
    struct conf_override override = {path, value};
    return load_with(TWO, &override, 1);
}

static void expect_refused(const char *path, const char *value, const char *part)
{
    struct loaded loaded = load_one(path, value);
    char start[128];
    snprintf(start, sizeof(start), "-o %s: error: ", path);
    cr_assert_eq(loaded.report.errors, 1, "%zu errors for %s=%s", loaded.report.errors, path,
                 value);
    cr_assert(says(&loaded, start, part), "got: %s", loaded.report.messages[0]);
    unload(&loaded);
}

Test(conf_override, takes_the_place_of_a_setting)
{
    struct loaded loaded = load_one("log.level", "debug");
    cr_assert_not_null(loaded.conf);
    cr_expect_eq(loaded.conf->log.level, LOG_DEBUG);
    unload(&loaded);
}

Test(conf_override, makes_what_is_missing)
{
    const struct conf_override overrides[] = {
        {"pool.queue", "5"}, {"services.echo.timeouts.idle", "7s"}, {"log.access", "false"}};
    struct loaded loaded = load_with(TWO, overrides, 3);
    cr_assert_not_null(loaded.conf);
    cr_expect_eq(loaded.conf->pool.queue, 5);
    cr_expect_eq(loaded.conf->services[0].service.timeouts.idle, 300 * CLOCK_S);
    cr_expect_eq(loaded.conf->services[1].service.timeouts.idle, 7 * CLOCK_S);
    cr_expect_not(loaded.conf->log.access);
    unload(&loaded);
}

Test(conf_override, finds_services_by_name_and_by_index)
{
    const struct conf_override overrides[] = {
        {"services.greet.listen", "[::1]:0"},
        {"services.[1].listen", "[ \"127.0.0.1:1\", \"127.0.0.1:2\" ]"},
        {"services[1].type", "\"discard\""}};
    struct loaded loaded = load_with(TWO, overrides, 3);
    cr_assert_not_null(loaded.conf, "%s", loaded.report.messages[0]);
    cr_expect_eq(loaded.conf->services[0].listens[0].address.family, AF_INET6);
    cr_expect_str_eq(loaded.conf->services[0].listens[0].file, "-o services.greet.listen");
    cr_expect_eq(loaded.conf->services[0].listens[0].line, 0);
    cr_expect_eq(loaded.conf->services[1].listen_count, 2);
    cr_expect_str_eq(loaded.conf->services[1].service.ops->type, "discard");
    unload(&loaded);
}

Test(conf_override, takes_groups_and_lists)
{
    struct loaded loaded =
        load_one("services", "( { name = \"only\"; type = \"time\"; listen = \":37\"; } )");
    cr_assert_not_null(loaded.conf);
    cr_expect_eq(loaded.conf->service_count, 1);
    cr_expect_str_eq(loaded.conf->services[0].service.name, "only");
    unload(&loaded);
    loaded = load_one("timeouts", "{ idle = 1; drain = \"2s\"; }");
    cr_assert_not_null(loaded.conf);
    cr_expect_eq(loaded.conf->drain, 2 * CLOCK_S);
    unload(&loaded);
}

Test(conf_override, the_last_of_equal_ones_counts)
{
    const struct conf_override overrides[] = {{"pool.queue", "5"}, {"pool.queue", "6"}};
    struct loaded loaded = load_with(TWO, overrides, 2);
    cr_expect_eq(loaded.conf->pool.queue, 6);
    unload(&loaded);
}

Test(conf_override, include_is_read_after_it)
{
    write_file("a.inc", "services = ( { name = \"a\"; type = \"echo\"; listen = \":1\"; } );");
    const struct conf_override overrides[] = {{"services.a.limits.connections", "9"},
                                              {"include", "a.inc"}};
    struct loaded loaded = load_with(TWO, overrides, 2);
    cr_assert_not_null(loaded.conf, "%s", loaded.report.messages[0]);
    cr_expect_eq(loaded.conf->services[2].service.limits.connections, 9);
    unload(&loaded);
}

Test(conf_override, mistakes_name_the_option)
{
    expect_refused("log.level", "loud", "log.level: expected one of");
    expect_refused("pool.queue", "5000000000", "pool.queue: expected an integer from 1 to 65536");
    expect_refused("pool.queue", "many", "pool.queue: expected an integer, got a string \"many\"");
    expect_refused("pool.queue", "", "expected an integer, got a string \"\"");
    expect_refused("lgo.level", "debug", "lgo: unknown setting; did you mean \"log\"?");
    expect_refused("log", "stderr", "log: expected a group");
    expect_refused("services.[1].listen", "7", "services.echo.listen: expected a string");
    expect_refused("services.echo.listen", ":6000", "taken by services.greet.listen");
}

Test(conf_override, paths_that_lead_nowhere_are_refused)
{
    expect_refused("services.[2].listen", ":1", "services has 2 elements, [0] is the first");
    expect_refused("services.ecoh.listen", ":1",
                   "no element named \"ecoh\"; did you mean \"echo\"");
    expect_refused("services.zzzzz.listen", ":1", "known here: greet, echo");
    expect_refused("log.level.x", "1", "log.level is a string: it has no x");
    expect_refused("log.[0]", "1", "log is a group { }: it has no [0]");
    expect_refused("", "1", "no path: write");
    expect_refused("log..level", "1", "no path: write");
    expect_refused("services.[x].listen", "1", "no path: write");
    expect_refused("services.[99999999999].listen", "1", "no path: write");
    expect_refused("services.[0", "1", "no path: write");
}

Test(conf_override, values_that_begin_like_libconfig_must_be)
{
    expect_refused("log.ident", "\"open", "the value cannot be understood: a string");
    expect_refused("log", "{ level = \"info\";", "the value cannot be understood");
    expect_refused("services", "( ", "the value cannot be understood");
    expect_refused("log", "{ }; pool = { }", "the value cannot be understood: it is more than one");
    expect_refused("log.ident", "@include \"/\"", "log.ident: expected 1 to 32");
}

Test(conf_override, control_socket)
{
    struct loaded loaded = load_one("control.socket", "/run/x");
    cr_assert_not_null(loaded.conf);
    cr_expect_str_eq(loaded.conf->control.socket, "/run/x");
    cr_expect_str_eq(loaded.conf->control_file, "-o control.socket");
    cr_expect_eq(loaded.conf->control_line, 0);
    unload(&loaded);
    struct loaded none = load_one("control.socket", "");
    cr_assert_not_null(none.conf);
    cr_expect_str_eq(none.conf->control.socket, "");
    unload(&none);
    expect_refused("control.group", "no-such-group-here", "there is no group");
    expect_refused("pool.hang_timeout", "1ms", "expected a duration");
}
