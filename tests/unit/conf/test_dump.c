/* SPDX-License-Identifier: MIT */
/* What conf_dump prints means what was read. */
#include "conf/help.h"

#include <glob.h>

TestSuite(conf_dump, .init = enter_folder, .fini = leave_folder, .timeout = 60);

static char *dump(const struct conf *conf)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    cr_assert_eq(conf_dump(conf, out), 0);
    fclose(out);
    return text;
}

static bool same_text(const char *a, const char *b)
{
    return (a == NULL && b == NULL) || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static void expect_same_listen(const struct listen *a, const struct listen *b)
{
    cr_expect_eq(a->address.family, b->address.family);
    cr_expect_eq(a->address.port, b->address.port);
    cr_expect_eq(a->address.scope, b->address.scope);
    cr_expect_arr_eq(a->address.bytes, b->address.bytes, sizeof(a->address.bytes));
    cr_expect(same_text(a->address.path, b->address.path));
    cr_expect(same_text(a->inherited, b->inherited));
    cr_expect(same_text(a->interface, b->interface));
    cr_expect_eq(a->backlog, b->backlog);
    cr_expect_eq(a->mode, b->mode);
}

static void expect_same_list(const struct access_list *a, const struct access_list *b)
{
    cr_expect_eq(a->given, b->given);
    cr_assert_eq(a->count, b->count);
    for (uint32_t i = 0; i < a->count; i++)
        cr_expect_str_eq(a->rules[i].text, b->rules[i].text);
}

static void expect_same_service(const struct conf_service *a, const struct conf_service *b)
{
    cr_expect_str_eq(a->service.name, b->service.name);
    cr_expect_eq(a->service.ops, b->service.ops);
    cr_expect_eq(a->service.index, b->service.index);
    cr_expect_eq(a->service.limits.connections, b->service.limits.connections);
    cr_expect_eq(a->service.limits.overload, b->service.limits.overload);
    cr_expect_eq(a->service.access != NULL, b->service.access != NULL);
    cr_expect_eq(a->access.enforce, b->access.enforce);
    expect_same_list(&a->access.allow, &b->access.allow);
    expect_same_list(&a->access.deny, &b->access.deny);
    cr_expect_eq(memcmp(&a->service.timeouts, &b->service.timeouts, sizeof(struct timeouts)), 0);
    cr_assert_eq(a->listen_count, b->listen_count);
    for (size_t i = 0; i < a->listen_count; i++)
        expect_same_listen(&a->listens[i], &b->listens[i]);
}

static void expect_same(const struct conf *a, const struct conf *b)
{
    cr_expect_eq(memcmp(&a->pool, &b->pool, sizeof(a->pool)), 0);
    cr_expect_eq(a->log.target, b->log.target);
    cr_expect_eq(a->log.facility, b->log.facility);
    cr_expect_str_eq(a->log.socket, b->log.socket);
    cr_expect_str_eq(a->log.ident, b->log.ident);
    cr_expect_eq(a->log.level, b->log.level);
    cr_expect_eq(a->log.access, b->log.access);
    cr_expect_eq(a->limits.connections, b->limits.connections);
    cr_expect_eq(a->limits.overload, b->limits.overload);
    cr_expect_eq(a->limits.per_address, b->limits.per_address);
    cr_expect_eq(a->limits.rate, b->limits.rate);
    cr_expect_eq(a->limits.burst, b->limits.burst);
    cr_expect_eq(a->limits.enforce, b->limits.enforce);
    cr_expect_eq(a->limits.ipv6_prefix, b->limits.ipv6_prefix);
    cr_expect_eq(a->limits.handshakes, b->limits.handshakes);
    cr_expect_eq(a->limits.queue_delay, b->limits.queue_delay);
    cr_expect_eq(memcmp(&a->timeouts, &b->timeouts, sizeof(a->timeouts)), 0);
    cr_expect_eq(a->drain, b->drain);
    cr_expect_eq(a->retire, b->retire);
    cr_expect_str_eq(a->control.socket, b->control.socket);
    cr_expect_eq(a->control.mode, b->control.mode);
    cr_expect_str_eq(a->control.group, b->control.group);
    cr_expect_eq(a->control.has_group, b->control.has_group);
    cr_expect_eq(a->control.gid, b->control.gid);
    cr_assert_eq(a->service_count, b->service_count);
    for (size_t i = 0; i < a->service_count; i++)
        expect_same_service(&a->services[i], &b->services[i]);
}

static void expect_round_trip(const char *text)
{
    struct loaded first = load(text);
    cr_assert_not_null(first.conf, "%s", first.report.messages[0]);
    char *once = dump(first.conf);
    struct loaded second = load(once);
    cr_assert_not_null(second.conf, "%s in\n%s", second.report.messages[0], once);
    char *twice = dump(second.conf);
    cr_expect_str_eq(once, twice);
    expect_same(first.conf, second.conf);
    free(once);
    free(twice);
    unload(&first);
    unload(&second);
}

Test(conf_dump, defaults)
{
    expect_round_trip(ECHO);
}

Test(conf_dump, everything_set)
{
    expect_round_trip(
        "pool = { processes = 3; threads = 2; queue = 77; generations = 64;\n"
        "  hang_timeout = \"100ms\"; start_timeout = 7; };\n"
        "control = { socket = \"/run/a \\\"b\"; mode = \"0666\"; group = \"root\"; };\n"
        "log = { target = \"stderr\"; facility = \"local3\"; ident = \"Tcpd.x-1\";\n"
        "  socket = \"/run/a log\";\n"
        "  level = \"debug\"; access = false; };\n"
        "limits = { connections = 10000000; overload = \"reset\"; per_address = 7;\n"
        "  rate = \"600/m\"; burst = 9; enforce = false; ipv6_prefix = 56; handshakes = 33;\n"
        "  queue_delay = \"50ms\"; };\n"
        "timeouts = { idle = 0; write = \"1500ms\"; lifetime = \"8760h\"; linger = 90;\n"
        "  handshake = \"1h\";\n"
        "  drain = \"1m\"; retire = \"90m\"; };\n"
        "services = ( { name = \"a-b_9\"; type = \"chargen\"; listen = ( \"127.0.0.1:0\",\n"
        "  \"127.0.0.1:0\", \"[::]:9\", { address = \"unix:/run/q\\\"\\\\ \\x01x\"; mode = "
        "\"0666\"; },\n"
        "  { address = \":10\"; backlog = 1; interface = \"lo\"; }, \"systemd:a\\\\b\",\n"
        "  \"[::ffff:1.2.3.4]:5\" );\n"
        "  limits = { connections = 3; overload = \"wait\"; };\n"
        "  timeouts = { idle = \"1h\"; write = 0; lifetime = 61; linger = \"1ms\";\n"
        "    handshake = \"250ms\"; };\n"
        "  proxy_protocol = \"required\"; trusted = [ \"10.0.0.0/24\", \"::1\", \"1.2.3.4\",\n"
        "    \"2001:db8::/32\", \"0.0.0.0/0\", \"::/0\", \"9.9.9.9/32\" ]; },\n"
        "  { name = \"b\"; type = \"greet\"; listen = \"[::1]:0\"; } );\n");
}

#define WITH(access)                                                                               \
    "services = ( { name = \"echo\"; type = \"echo\"; listen = \":7\";\n" access " } );\n"

Test(conf_dump, access)
{
    expect_round_trip(WITH("access = { enforce = false; };"));
    expect_round_trip(WITH("access = { allow = \"::1\"; };"));
    expect_round_trip(WITH("access = { allow = [ ]; deny = ( ); };"));
    expect_round_trip(
        WITH("access = { deny = [ \"10.0.0.0/8\", \"::ffff:10.0.0.0/104\", \"uid:root\",\n"
             " \"gid:0\", \"2001:DB8::/32\", \"::/0\", \"1.2.3.4\", \"1.2.3.4\" ];\n"
             " allow = \"0.0.0.0/0\"; enforce = false; };"));
}

/* The fuzzer of configurations begins with these. */
Test(conf_dump, all_of_the_corpus)
{
    char pattern[4096], text[65536];
    snprintf(pattern, sizeof(pattern), "%s/tests/corpus/valid/*.conf", getenv("srcdir"));
    glob_t found;
    cr_assert_eq(glob(pattern, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        FILE *in = fopen(found.gl_pathv[i], "r");
        cr_assert_not_null(in);
        text[fread(text, 1, sizeof(text) - 1, in)] = '\0';
        fclose(in);
        expect_round_trip(text);
    }
    globfree(&found);
}

Test(conf_dump, no_control_socket_and_no_group)
{
    expect_round_trip("control = { socket = \"\"; group = \"\"; };\n" ECHO);
}

Test(conf_dump, says_when_it_cannot_write)
{
    struct loaded loaded = load(ECHO);
    FILE *full = fopen("/dev/full", "w");
    cr_expect_eq(conf_dump(loaded.conf, full), -1);
    fclose(full);
    unload(&loaded);
}
