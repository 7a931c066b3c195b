/* SPDX-License-Identifier: MIT */
#include "conf/option.h"

#include "conf/kind.h"
#include "conf/unknown.h"
#include "conf/value.h"

#include "base/clock.h"

#include <stddef.h>
#include <string.h>
#include <syslog.h>

#define FIELD(type, member) .offset = offsetof(type, member), .size = sizeof(((type *)NULL)->member)

#define MINUTE (60 * CLOCK_S)
#define HOUR   (60 * MINUTE)
#define YEAR   (8760 * HOUR)

#define CONNECTIONS_MAX 10000000

/* The columns of each kind of option: what it takes besides its name and its field. */
#define NUMBER(low, high)   .kind = &kind_number, .min = (low), .max = (high)
#define DURATION(low, high) .kind = &kind_duration, .min = (low), .max = (high)
#define CHOICE(table)       .kind = &kind_choice, .choices = (table)
#define STRING(check)       .kind = &kind_string, .wrong = (check)
#define WORD(check)         .kind = &kind_word, .wrong = (check)

/* kern is missing: the kernel's alone. */
static const struct choice facilities[] = {
    {"auth", LOG_AUTH},     {"authpriv", LOG_AUTHPRIV},
    {"cron", LOG_CRON},     {"daemon", LOG_DAEMON},
    {"ftp", LOG_FTP},       {"local0", LOG_LOCAL0},
    {"local1", LOG_LOCAL1}, {"local2", LOG_LOCAL2},
    {"local3", LOG_LOCAL3}, {"local4", LOG_LOCAL4},
    {"local5", LOG_LOCAL5}, {"local6", LOG_LOCAL6},
    {"local7", LOG_LOCAL7}, {"lpr", LOG_LPR},
    {"mail", LOG_MAIL},     {"news", LOG_NEWS},
    {"syslog", LOG_SYSLOG}, {"user", LOG_USER},
    {"uucp", LOG_UUCP},     {NULL, 0},
};

static const struct choice levels[] = {
    {"error", LOG_ERR}, {"warning", LOG_WARNING}, {"notice", LOG_NOTICE},
    {"info", LOG_INFO}, {"debug", LOG_DEBUG},     {NULL, 0},
};

static const struct choice targets[] = {
    {"syslog", LOG_TARGET_SYSLOG},
    {"stderr", LOG_TARGET_STDERR},
    {"none", LOG_TARGET_NONE},
    {NULL, 0},
};

static const struct choice overloads[] = {
    {"wait", OVERLOAD_WAIT},
    {"reset", OVERLOAD_RESET},
    {NULL, 0},
};

static const struct option pool_options[] = {
    {"processes", NUMBER(1, 64), .standard = "1", FIELD(struct conf, pool.processes)},
    {"threads", NUMBER(1, POOL_THREADS_MAX), .or_zero = true, .standard = "0",
     FIELD(struct conf, pool.threads)},
    {"queue", NUMBER(1, 65536), .standard = "1024", FIELD(struct conf, pool.queue)},
    {"generations", NUMBER(1, 64), .standard = "16", FIELD(struct conf, pool.generations)},
    {"hang_timeout", DURATION(100 * CLOCK_MS, HOUR), .or_zero = true, .standard = "0",
     FIELD(struct conf, pool.hang_timeout)},
    {"start_timeout", DURATION(100 * CLOCK_MS, HOUR), .standard = "10s",
     FIELD(struct conf, pool.start_timeout)},
    {.name = NULL},
};

/* Both are looked up by identity.c. */
static const struct option top_options[] = {
    {"user", WORD(value_user_wrong), FIELD(struct conf, identity.user)},
    {"group", WORD(value_group_wrong), FIELD(struct conf, identity.group)},
    {.name = NULL},
};

/* The group is looked up by control.c. */
static const struct option control_options[] = {
    {"socket", WORD(value_control_wrong), .standard = "/run/tcpd/control.sock",
     FIELD(struct conf, control.socket)},
    {"mode", .kind = &kind_mode, .standard = "0660", FIELD(struct conf, control.mode)},
    {"group", WORD(value_group_wrong), .standard = "tcpd", FIELD(struct conf, control.group)},
    {.name = NULL},
};

static const struct option log_options[] = {
    {"target", CHOICE(targets), .standard = "syslog", FIELD(struct conf, log.target)},
    {"facility", CHOICE(facilities), .standard = "daemon", FIELD(struct conf, log.facility)},
    {"socket", WORD(value_socket_wrong), .standard = "/dev/log", FIELD(struct conf, log.socket)},
    {"ident", WORD(value_ident_wrong), .standard = "tcpd", FIELD(struct conf, log.ident)},
    {"level", CHOICE(levels), .standard = "info", FIELD(struct conf, log.level)},
    {"access", .kind = &kind_switch, .standard = "true", FIELD(struct conf, log.access)},
    {.name = NULL},
};

/* Of one client address: the same at the top, for all services together, and in a service. */
#define ADDRESS_LIMITS(type)                                                                       \
    {"per_address", NUMBER(1, CONNECTIONS_MAX), .or_zero = true, .standard = "0",                  \
     FIELD(type, limits.per_address)},                                                             \
        {"rate", .kind = &kind_rate, .standard = "", FIELD(type, limits.rate)},                    \
        {"burst", NUMBER(1, 1000000), .or_zero = true, .standard = "0",                            \
         FIELD(type, limits.burst)},                                                               \
    {                                                                                              \
        "enforce", .kind = &kind_switch, .standard = "true", FIELD(type, limits.enforce)           \
    }

static const struct option daemon_limits[] = {
    ADDRESS_LIMITS(struct conf),
    {"ipv6_prefix", NUMBER(1, 128), .standard = "64", FIELD(struct conf, limits.ipv6_prefix)},
    {"connections", NUMBER(1, CONNECTIONS_MAX), .standard = "100000",
     FIELD(struct conf, limits.connections)},
    {"overload", CHOICE(overloads), .standard = "wait", FIELD(struct conf, limits.overload)},
    {"handshakes", NUMBER(1, CONNECTIONS_MAX), .or_zero = true, .standard = "0",
     FIELD(struct conf, limits.handshakes)},
    {"queue_delay", DURATION(CLOCK_MS, MINUTE), .or_zero = true, .standard = "0",
     FIELD(struct conf, limits.queue_delay)},
    {.name = NULL},
};

static const struct option service_limits[] = {
    ADDRESS_LIMITS(struct service),
    {"connections", NUMBER(1, CONNECTIONS_MAX), .or_zero = true, .standard = "0",
     FIELD(struct service, limits.connections)},
    {"overload", CHOICE(overloads), FIELD(struct service, limits.overload)},
    {.name = NULL},
};

/* The same at the top, with defaults, and in a service, where it inherits them. */
#define TIMEOUTS(type, idle_, write_, lifetime_, linger_, handshake_)                              \
    {"idle", DURATION(CLOCK_MS, YEAR), .or_zero = true, .standard = (idle_),                       \
     FIELD(type, timeouts.idle)},                                                                  \
        {"write", DURATION(CLOCK_MS, YEAR), .or_zero = true, .standard = (write_),                 \
         FIELD(type, timeouts.write)},                                                             \
        {"lifetime", DURATION(CLOCK_MS, YEAR), .or_zero = true, .standard = (lifetime_),           \
         FIELD(type, timeouts.lifetime)},                                                          \
        {"linger", DURATION(CLOCK_MS, HOUR), .standard = (linger_), FIELD(type, timeouts.linger)}, \
    {                                                                                              \
        "handshake", DURATION(CLOCK_MS, HOUR), .standard = (handshake_),                           \
                                               FIELD(type, timeouts.handshake)                     \
    }

static const struct option daemon_timeouts[] = {
    TIMEOUTS(struct conf, "5m", "60s", "0", "5s", "10s"),
    {"drain", DURATION(CLOCK_MS, 24 * HOUR), .or_zero = true, .standard = "30s",
     FIELD(struct conf, drain)},
    {"retire", DURATION(CLOCK_MS, YEAR), .or_zero = true, .standard = "0",
     FIELD(struct conf, retire)},
    {.name = NULL},
};

static const struct option service_timeouts[] = {
    TIMEOUTS(struct service, NULL, NULL, NULL, NULL, NULL),
    {.name = NULL},
};

const struct section option_daemon[] = {
    {"", top_options},
    {"pool", pool_options},
    {"log", log_options},
    {"control", control_options},
    {"limits", daemon_limits},
    {"timeouts", daemon_timeouts},
    {.name = NULL},
};

const struct section option_service[] = {
    {"limits", service_limits},
    {"timeouts", service_timeouts},
    {.name = NULL},
};

static const struct choice proxy_protocols[] = {
    {"off", PROXY_PROTOCOL_OFF},
    {"required", PROXY_PROTOCOL_REQUIRED},
    {NULL, 0},
};

const struct option option_proxy_protocol[] = {
    {"proxy_protocol", CHOICE(proxy_protocols), .standard = "off",
     FIELD(struct service, proxy_protocol)},
    {.name = NULL},
};

static const struct choice program_errors[] = {
    {"log", PROGRAM_STDERR_LOG},
    {"socket", PROGRAM_STDERR_SOCKET},
    {"null", PROGRAM_STDERR_NULL},
    {NULL, 0},
};

static const struct choice program_sandboxes[] = {
    {"none", PROGRAM_SANDBOX_NONE},
    {"strict", PROGRAM_SANDBOX_STRICT},
    {NULL, 0},
};

/* User and group are looked up by identity.c; lists and the environment are read by exec.c. */
const struct option option_program[] = {
    {"argv0", STRING(value_argument_wrong), FIELD(struct conf_program, argv0)},
    {"user", WORD(value_user_wrong), FIELD(struct conf_program, identity.user)},
    {"group", WORD(value_group_wrong), FIELD(struct conf_program, identity.group)},
    {"directory", STRING(value_path_wrong), .standard = "/", FIELD(struct conf_program, directory)},
    {"chroot", STRING(value_path_wrong), FIELD(struct conf_program, chroot)},
    {"umask", .kind = &kind_mode, .standard = "0022", FIELD(struct conf_program, umask)},
    {"nice", .kind = &kind_integer, .min = (uint64_t)-20, .max = 19,
     FIELD(struct conf_program, nice)},
    {"instances", NUMBER(1, CONNECTIONS_MAX), .or_zero = true, .standard = "0",
     FIELD(struct conf_program, instances)},
    {"stderr", CHOICE(program_errors), .standard = "log", FIELD(struct conf_program, errors)},
    {"wait", .kind = &kind_switch, .standard = "false", FIELD(struct conf_program, wait)},
    {"kill_timeout", DURATION(CLOCK_MS, HOUR), .standard = "5s",
     FIELD(struct conf_program, kill_timeout)},
    {"count_bytes", .kind = &kind_switch, .standard = "false",
     FIELD(struct conf_program, count_bytes)},
    {"sandbox", CHOICE(program_sandboxes), .standard = "none", FIELD(struct conf_program, sandbox)},
    {.name = NULL},
};

#define RESOURCE(resource)                                                                         \
    {                                                                                              \
#resource, .kind = &kind_limit, FIELD(struct conf_program, limits.resource)                \
    }

static const struct option rlimit_options[] = {
    RESOURCE(nofile), RESOURCE(as),    RESOURCE(cpu),  RESOURCE(nproc),
    RESOURCE(core),   RESOURCE(fsize), {.name = NULL},
};

const struct section option_rlimits = {"rlimits", rlimit_options};

const struct option option_listen[] = {
    {"backlog", NUMBER(1, 65535), .standard = "4096", FIELD(struct listen, backlog)},
    {"interface", STRING(value_interface_wrong), FIELD(struct listen, interface)},
    {"mode", .kind = &kind_mode, .standard = "0660", FIELD(struct listen, mode)},
    {.name = NULL},
};

const struct option option_access[] = {
    {"enforce", .kind = &kind_switch, .standard = "true", FIELD(struct access, enforce)},
    {.name = NULL},
};

void option_defaults(struct memory *memory, const struct section *sections, void *base)
{
    for (; sections->name != NULL; sections++) {
        for (const struct option *option = sections->options; option->name != NULL; option++)
            option_default(memory, option, base);
    }
}

const struct option *option_find(const struct section *section, const char *name)
{
    const struct option *option = section->options;
    while (option->name != NULL && strcmp(option->name, name) != 0)
        option++;
    return option->name != NULL ? option : NULL;
}

static void report_unknown(struct reading *reading, const struct section *section,
                           const struct node *node)
{
    const char *known[16] = {NULL};
    for (size_t i = 0; section->options[i].name != NULL && i < 15; i++)
        known[i] = section->options[i].name;
    unknown_setting(reading, node, section->name, known);
}

void option_read_section(struct reading *reading, const struct section *section,
                         const struct node *node, void *base)
{
    if (node->type != NODE_GROUP) {
        node_error(reading, node, "expected a group { }, got %s",
                   node_print(reading->memory, node));
        return;
    }
    for (const struct node *child = node->first; child != NULL; child = child->next) {
        const struct option *option = option_find(section, child->name);
        if (option != NULL)
            option_read(reading, option, child, base);
        else
            report_unknown(reading, section, child);
    }
}
