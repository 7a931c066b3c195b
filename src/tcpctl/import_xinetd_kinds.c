/* SPDX-License-Identifier: MIT */
/* The attributes of xinetd.conf(5), and what each of them becomes. */
#include "tcpctl/import_machine.h"
#include "tcpctl/import_program.h"
#include "tcpctl/import_words.h"
#include "tcpctl/import_xinetd.h"

#include "conf/nearest.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NUMBER_MAX 10000000 /* what the settings take */
#define CPS_MAX    1000000
#define MEMORY_MAX (1UL << 46)
#define UNLIMITED  "UNLIMITED"

static void mistake(struct xinetd *xinetd, const struct xinetd_attribute *attribute,
                    const char *wanted)
{
    import_error(xinetd->import, attribute->place, "%s: \"%s\" stands where %s is wanted",
                 attribute->name, attribute->values.items[0], wanted);
}

static void set_number(struct xinetd *xinetd, const char *name, unsigned long number)
{
    import_set(xinetd->import, xinetd->entry, name,
               memory_print(xinetd->import->memory, "%lu", number));
}

static bool is_program(const struct xinetd *xinetd)
{
    return import_find(xinetd->entry, "command") != NULL;
}

/* Sets the setting to a number of at least 1; UNLIMITED is none. */
static void take_number(struct xinetd *xinetd, const struct xinetd_attribute *attribute,
                        const char *setting)
{
    unsigned long number;
    const char *text = attribute->values.items[0];
    if (strcasecmp(text, UNLIMITED) == 0)
        return;
    if (import_number(text, NUMBER_MAX, &number) && number > 0)
        set_number(xinetd, setting, number);
    else
        mistake(xinetd, attribute, "a number above 0 or UNLIMITED");
}

/* A built-in service has connections where a program has processes.  xinetd refuses the others. */
static void take_instances(struct xinetd *xinetd, const struct xinetd_attribute *attribute)
{
    take_number(xinetd, attribute, is_program(xinetd) ? "instances" : "limits.connections");
    if (strcasecmp(attribute->values.items[0], UNLIMITED) != 0 &&
        !import_find(xinetd->entry, "wait"))
        import_set_text(xinetd->import, xinetd->entry, "limits.overload", "reset");
}

static void take_per_source(struct xinetd *xinetd, const struct xinetd_attribute *attribute)
{
    take_number(xinetd, attribute, "limits.per_address");
}

static void take_cps(struct xinetd *xinetd, const struct xinetd_attribute *attribute)
{
    unsigned long number;
    if (!import_number(attribute->values.items[0], CPS_MAX, &number)) {
        mistake(xinetd, attribute, "a number of connections a second");
        return;
    }
    if (number == 0)
        return;
    import_rate(xinetd->import, xinetd->entry, number, 's');
    import_note_at(xinetd->import, xinetd->entry, attribute->place,
                   "cps: tcpd counts for each client address, not for all together, and refuses "
                   "only that one, for as long as it is too fast");
}

static void take_user(struct xinetd *xinetd, const struct xinetd_attribute *attribute)
{
    if (is_program(xinetd))
        import_user(xinetd->import, xinetd->entry, attribute->place, attribute->values.items[0]);
}

static void take_group(struct xinetd *xinetd, const struct xinetd_attribute *attribute)
{
    if (is_program(xinetd))
        import_group(xinetd->import, xinetd->entry, attribute->place, attribute->values.items[0]);
}

static void take_groups(struct xinetd *xinetd, const struct xinetd_attribute *attribute)
{
    if (is_program(xinetd) && strcasecmp(attribute->values.items[0], "no") == 0)
        import_note_at(xinetd->import, xinetd->entry, attribute->place,
                       "groups: a program of tcpd has the supplementary groups of its user");
}

static void take_nice(struct xinetd *xinetd, const struct xinetd_attribute *attribute)
{
    char *end;
    const char *text = attribute->values.items[0];
    long nice = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || nice < -20 || nice > 19)
        mistake(xinetd, attribute, "a number from -20 to 19");
    else if (is_program(xinetd))
        import_set(xinetd->import, xinetd->entry, "nice",
                   memory_print(xinetd->import->memory, "%ld", nice));
}

static void take_umask(struct xinetd *xinetd, const struct xinetd_attribute *attribute)
{
    char *end;
    const char *text = attribute->values.items[0];
    unsigned long umask = strtoul(text, &end, 8);
    if (!strchr("01234567", *text) || *end != '\0' || umask > 0777)
        mistake(xinetd, attribute, "an octal number up to 777");
    else if (is_program(xinetd))
        import_set_text(xinetd->import, xinetd->entry, "umask",
                        memory_print(xinetd->import->memory, "%04lo", umask));
}

static void take_env(struct xinetd *xinetd, const struct xinetd_attribute *attribute)
{
    for (size_t i = 0; is_program(xinetd) && i < attribute->values.count; i++) {
        const char *text = attribute->values.items[i];
        if (import_variable_name(text) > 0)
            import_variable(xinetd->import, xinetd->entry, attribute->place, text);
        else
            import_error(xinetd->import, attribute->place, "env: \"%s\" is no NAME=value", text);
    }
}

static void take_passenv(struct xinetd *xinetd, const struct xinetd_attribute *attribute)
{
    for (size_t i = 0; is_program(xinetd) && i < attribute->values.count; i++)
        import_note_at(xinetd->import, xinetd->entry, attribute->place,
                       "passenv: no variable of tcpd's own is passed on: set %s in environment",
                       attribute->values.items[i]);
}

static void take_flags(struct xinetd *xinetd, const struct xinetd_attribute *attribute)
{
    struct import *import = xinetd->import;
    static const struct {
        const char *word;
        bool is_for_safety;
        const char *lost;
    } flags[] = {
        {"INTERCEPT", true, "tcpd does not come between a program with wait and its clients"},
        {"IDONLY", true, "tcpd asks nobody who the user is (RFC 1413), so it could not refuse"},
        {"KEEPALIVE", false, "a program sets SO_KEEPALIVE itself"},
        {"LABELED", false, "a program has the SELinux context of tcpd"},
    };
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        if (!xinetd_has(xinetd, "flags", flags[i].word))
            continue;
        if (flags[i].is_for_safety)
            import_bar(import, xinetd->entry, attribute->place, "flags: %s: %s", flags[i].word,
                       flags[i].lost);
        else
            import_note_at(import, xinetd->entry, attribute->place, "flags: %s: %s", flags[i].word,
                           flags[i].lost);
    }
}

static void take_access_times(struct xinetd *xinetd, const struct xinetd_attribute *attribute)
{
    import_bar(xinetd->import, xinetd->entry, attribute->place,
               "access_times: tcpd serves at any hour, so it could not refuse");
}

static void take_log(struct xinetd *xinetd, const struct xinetd_attribute *attribute)
{
    if (xinetd_has(xinetd, attribute->name, "USERID"))
        import_note_at(xinetd->import, xinetd->entry, attribute->place,
                       "%s: USERID: tcpd asks nobody who the user is (RFC 1413)", attribute->name);
}

/* Bytes, perhaps in K or M. */
static void take_rlimit_as(struct xinetd *xinetd, const struct xinetd_attribute *attribute)
{
    struct import *import = xinetd->import;
    char *end;
    const char *text = attribute->values.items[0];
    unsigned long number = strtoul(text, &end, 10);
    if (strcasecmp(text, UNLIMITED) == 0 || !is_program(xinetd))
        return;
    bool has_unit = *end != '\0' && strchr("kKmM", *end) && end[1] == '\0';
    if (number == 0 || number > MEMORY_MAX || (*end != '\0' && !has_unit))
        mistake(xinetd, attribute, "a number of bytes, K or M, or UNLIMITED");
    else
        import_set_text(import, xinetd->entry, "rlimits.as",
                        memory_print(import->memory, "%lu%s", number,
                                     !has_unit                    ? ""
                                     : *end == 'k' || *end == 'K' ? "K"
                                                                  : "M"));
}

static void take_rlimit_cpu(struct xinetd *xinetd, const struct xinetd_attribute *attribute)
{
    if (is_program(xinetd))
        take_number(xinetd, attribute, "rlimits.cpu");
}

static void take_rlimit_files(struct xinetd *xinetd, const struct xinetd_attribute *attribute)
{
    if (is_program(xinetd))
        take_number(xinetd, attribute, "rlimits.nofile");
}

#define MANY        .is_many = true
#define SET         .is_many = true, .is_set = true
#define DEFAULTS    .in_defaults = true
#define NO_BANNER   "tcpd sends nothing of its own: let the program, or a shell before it, send it"
#define NO_SUCH_ONE "rlimits has none of that kind: see rlimits.as"

static const char *const switches[] = {"yes", "no", NULL};
static const char *const socket_types[] = {"stream", "dgram", "raw", "rdm", "seqpacket", NULL};
static const char *const types[] = {"RPC", "INTERNAL", "TCPMUX", "TCPMUXPLUS", "UNLISTED", NULL};
static const char *const flag_words[] = {
    "INTERCEPT", "NORETRY", "IDONLY", "NAMEINARGS", "NODELAY", "KEEPALIVE", "NOLIBWRAP",
    "SENSOR",    "IPv4",    "IPv6",   "LABELED",    "REUSE",   NULL,
};
static const char *const log_words[] = {"PID",      "HOST",    "USERID",  "EXIT",
                                        "DURATION", "TRAFFIC", "ATTEMPT", NULL};

#define WORDS(list) .words = (list)

/* Those without take and lost are looked at elsewhere, or go with one that is. */
const struct xinetd_kind xinetd_kinds[] = {
    {.name = "type", MANY, WORDS(types)},
    {.name = "id"},
    {.name = "socket_type", WORDS(socket_types)},
    {.name = "protocol"},
    {.name = "wait", WORDS(switches)},
    {.name = "port"},
    {.name = "bind", DEFAULTS},
    {.name = "redirect", MANY},
    {.name = "server"},
    {.name = "server_args", MANY},
    {.name = "disable", WORDS(switches)},
    {.name = "disabled", MANY, DEFAULTS, .only_there = true},
    {.name = "enabled", MANY, DEFAULTS, .only_there = true},
    {.name = "rpc_version"},
    {.name = "rpc_number"},
    {.name = "user", .take = take_user},
    {.name = "group", .take = take_group},
    {.name = "groups", DEFAULTS, WORDS(switches), .take = take_groups},
    {.name = "env", SET, .take = take_env},
    {.name = "passenv", SET, DEFAULTS, .take = take_passenv},
    {.name = "umask", DEFAULTS, .take = take_umask},
    {.name = "nice", .take = take_nice},
    {.name = "rlimit_as", .take = take_rlimit_as},
    {.name = "rlimit_cpu", .take = take_rlimit_cpu},
    {.name = "rlimit_files", .take = take_rlimit_files},
    {.name = "rlimit_data", .lost = NO_SUCH_ONE},
    {.name = "rlimit_rss", .lost = NO_SUCH_ONE},
    {.name = "rlimit_stack", .lost = NO_SUCH_ONE},
    {.name = "instances", DEFAULTS, .take = take_instances},
    {.name = "only_from", SET, DEFAULTS, .take = xinetd_take_only_from},
    {.name = "no_access", SET, DEFAULTS, .take = xinetd_take_no_access},
    {.name = "access_times", MANY, .take = take_access_times},
    {.name = "per_source", DEFAULTS, .take = take_per_source},
    {.name = "cps", MANY, DEFAULTS, .take = take_cps},
    {.name = "max_load", DEFAULTS, .lost = "tcpd serves whatever the load is"},
    {.name = "flags", MANY, WORDS(flag_words), .take = take_flags},
    {.name = "log_on_success", SET, DEFAULTS, WORDS(log_words), .take = take_log},
    {.name = "log_on_failure", SET, DEFAULTS, WORDS(log_words), .take = take_log},
    {.name = "log_type",
     MANY,
     DEFAULTS,
     .lost = "there is one log, that of the daemon: see the group log"},
    {.name = "banner", DEFAULTS, .lost = NO_BANNER},
    {.name = "banner_success", DEFAULTS, .lost = NO_BANNER},
    {.name = "banner_fail", DEFAULTS, .lost = "who is refused gets a reset and nothing else"},
    {.name = "libwrap", .lost = "TCP Wrappers are not asked: their rules belong into access"},
    {.name = "mdns", WORDS(switches), .lost = "tcpd announces nothing"},
    {.name = "deny_time", .lost = "tcpd has no SENSOR that shuts out who comes"},
    {.name = NULL},
};

#define KINDS (sizeof xinetd_kinds / sizeof *xinetd_kinds)

const struct xinetd_kind *xinetd_kind_find(const char *name, const char **near)
{
    const char *names[KINDS];
    if (strcasecmp(name, "interface") == 0)
        name = "bind"; /* two names for one thing */
    for (size_t i = 0; i < KINDS; i++) {
        names[i] = xinetd_kinds[i].name;
        if (names[i] && strcasecmp(names[i], name) == 0)
            return &xinetd_kinds[i];
    }
    *near = nearest(name, names);
    return NULL;
}
