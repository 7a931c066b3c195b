/* SPDX-License-Identifier: MIT */
#include "master/commands_explain.h"

#include "base/places.h"
#include "conf/nearest.h"
#include "conf/value.h"
#include "master/explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETTING_MAX 96 /* services.NAME.limits.connections */

/* A question with its answer. */
struct told {
    const struct explain_question *question;
    const struct explanation *explanation;
};

/* The limits: what each has counted, and how much that may be; 0: it is off. */

struct figures {
    uint64_t now, limit;
    bool counted; /* false: nobody has counted anything */
};

static const struct service *service_of(const struct told *told)
{
    return &told->question->service->service;
}

static const struct scoreboard *scoreboard_of(const struct told *told)
{
    return told->explanation->house.scoreboard;
}

static struct figures of_delay(const struct told *told)
{
    return (struct figures){explain_wait(told->explanation),
                            told->explanation->house.limits.queue_delay,
                            told->explanation->children > 0};
}

static struct figures of_queue(const struct told *told)
{
    const struct room *room = &told->explanation->room;
    return (struct figures){room->length, told->question->generation->conf->pool.queue,
                            told->explanation->children > 0};
}

static struct figures of_daemon(const struct told *told)
{
    return (struct figures){places_held_by_all(scoreboard_of(told)),
                            told->explanation->house.limits.connections, true};
}

static struct figures of_machine(const struct told *told)
{
    return (struct figures){places_held_by_all(scoreboard_of(told)),
                            told->explanation->house.machine, true};
}

static struct figures of_service(const struct told *told)
{
    return (struct figures){places_held(scoreboard_of(told), service_of(told)->id),
                            service_of(told)->limits.connections, true};
}

static struct figures of_programs(const struct told *told)
{
    const struct program *program = service_of(told)->program;
    return (struct figures){places_held(scoreboard_of(told), service_of(told)->id), program->most,
                            true};
}

static struct figures of_handshakes(const struct told *told)
{
    return (struct figures){places_held_before_service(scoreboard_of(told)),
                            told->explanation->house.limits.handshakes, true};
}

static const struct address_demand *demand_of(const struct told *told, bool of_service)
{
    const struct demands *demands = &told->explanation->demands;
    for (unsigned i = 0; i < demands->count; i++)
        if ((demands->list[i].key.scope != ADDRESS_DAEMON) == of_service)
            return &demands->list[i];
    return NULL;
}

static struct figures of_address(const struct told *told, bool of_service)
{
    const struct address_demand *demand = demand_of(told, of_service);
    if (!demand || !demand->limits.connections)
        return (struct figures){0};
    return (struct figures){addresses_held(scoreboard_of(told), &demand->key),
                            demand->limits.connections, true};
}

static struct figures of_rate(const struct told *told, bool of_service)
{
    const struct address_demand *demand = demand_of(told, of_service);
    if (!demand || !demand->limits.interval)
        return (struct figures){0};
    return (struct figures){addresses_tokens(scoreboard_of(told), &demand->key, &demand->limits,
                                             told->explanation->now),
                            demand->limits.burst, true};
}

static struct figures of_daemon_address(const struct told *told)
{
    return of_address(told, false);
}

static struct figures of_service_address(const struct told *told)
{
    return of_address(told, true);
}

static struct figures of_daemon_rate(const struct told *told)
{
    return of_rate(told, false);
}

static struct figures of_service_rate(const struct told *told)
{
    return of_rate(told, true);
}

/* The rules and where they come from. */

static const struct source {
    bool of_service;
    const char *group, *name; /* of the setting; group NULL: it is in none, or is no setting */
    struct figures (*figures)(const struct told *told); /* NULL: it is no limit */
    const char *unit;                                   /* of its figures */
} sources[RULE_COUNT] = {
    [RULE_QUEUE_DELAY] = {false, "limits", "queue_delay", of_delay, "seconds"},
    [RULE_QUEUE] = {false, "pool", "queue", of_queue, "sockets"},
    [RULE_CONNECTIONS] = {false, "limits", "connections", of_daemon, "connections"},
    [RULE_MACHINE] = {false, NULL, "RLIMIT_NOFILE", of_machine, "connections"},
    [RULE_SERVICE_CONNECTIONS] = {true, "limits", "connections", of_service, "connections"},
    [RULE_INSTANCES] = {true, NULL, "instances", of_programs, "programs"},
    [RULE_HANDSHAKES] = {false, "limits", "handshakes", of_handshakes, "connections"},
    [RULE_TRUSTED] = {true, NULL, "trusted", NULL, NULL},
    [RULE_ACCESS] = {true, "access", NULL, NULL, NULL},
    [RULE_PER_ADDRESS] = {false, "limits", "per_address", of_daemon_address, "connections"},
    [RULE_RATE] = {false, "limits", "rate", of_daemon_rate, "tokens"},
    [RULE_SERVICE_PER_ADDRESS] = {true, "limits", "per_address", of_service_address, "connections"},
    [RULE_SERVICE_RATE] = {true, "limits", "rate", of_service_rate, "tokens"},
    [RULE_TABLE] = {false, NULL, "the table of client addresses", NULL, NULL},
};

/* "services.echo.limits.rate" */
static void name_setting(const struct told *told, const struct source *source, const char *name,
                         char setting[static SETTING_MAX])
{
    snprintf(setting, SETTING_MAX, "%s%s%s%s%s%s", source->of_service ? "services." : "",
             source->of_service ? service_of(told)->name : "", source->of_service ? "." : "",
             source->group ? source->group : "", source->group ? "." : "", name);
}

/* {"setting": …, "at": …} */
static json_t *tell_setting(const struct told *told, const struct source *source, const char *name)
{
    char setting[SETTING_MAX], where[CONF_WHERE_MAX];
    bool stands = source->group || source->of_service;
    name_setting(told, source, name, setting);
    if (stands)
        conf_where(told->question->generation->conf,
                   source->of_service ? told->question->service : NULL, source->group, name, where);
    return json_pack("{s:s,s:s}", "setting", setting, "at", stands ? where : "the system");
}

/* The entry of a list that has decided, or the list of which none has matched. */
static json_t *tell_lists(const struct told *told)
{
    const struct access_verdict *lists = &told->explanation->lists;
    const char *name = lists->by == ACCESS_BY_ALLOW ? "allow" : "deny";
    char where[CONF_WHERE_MAX];
    json_t *list = tell_setting(told, &sources[RULE_ACCESS], name);
    if (lists->rule) {
        conf_where_print(lists->rule->file, lists->rule->line, where);
        json_object_set_new(list, "entry", json_string(lists->rule->text));
        json_object_set_new(list, "at", json_string(where));
    }
    return list;
}

/* As the log has it: whom a service behind proxies does not trust is closed and not rejected. */
static const char *reason_of(enum rule rule)
{
    return rule == RULE_TRUSTED ? close_reason_name(CLOSE_PROXY_PROTOCOL)
                                : reject_reason_name(verdict_reason(rule));
}

static json_t *tell_rule(const struct told *told, enum rule rule)
{
    json_t *answer = rule == RULE_ACCESS ? tell_lists(told)
                                         : tell_setting(told, &sources[rule], sources[rule].name);
    json_object_set_new(answer, "reason", json_string(reason_of(rule)));
    return answer;
}

/* Which limits are told of: those that could stand against this client. */
static bool concerns(const struct told *told, enum rule rule)
{
    bool by_address = rule == RULE_PER_ADDRESS || rule == RULE_RATE ||
                      rule == RULE_SERVICE_PER_ADDRESS || rule == RULE_SERVICE_RATE;
    if (by_address)
        return told->question->client->address.family != AF_UNIX;
    if (rule == RULE_INSTANCES)
        return service_of(told)->program;
    return rule != RULE_HANDSHAKES || service_has_handshake(service_of(told));
}

static json_t *number(const struct source *source, uint64_t value)
{
    if (strcmp(source->unit, "seconds") == 0)
        return json_real((double)(value / 1000) / 1e6);
    return json_integer((json_int_t)value);
}

static json_t *tell_limit(const struct told *told, const struct source *source)
{
    struct figures figures = source->figures(told);
    json_t *limit = tell_setting(told, source, source->name);
    json_object_set_new(limit, "unit", json_string(source->unit));
    if (figures.counted)
        json_object_set_new(limit, "now", number(source, figures.now));
    if (figures.limit)
        json_object_set_new(limit, "limit", number(source, figures.limit));
    return limit;
}

static json_t *tell_limits(const struct told *told)
{
    json_t *list = json_array();
    for (enum rule rule = RULE_NONE; rule < RULE_COUNT; rule++)
        if (sources[rule].figures && concerns(told, rule))
            json_array_append_new(list, tell_limit(told, &sources[rule]));
    return list;
}

static json_t *tell_trials(const struct told *told)
{
    json_t *list = json_array();
    for (uint32_t left = told->explanation->verdict.trials; left; left &= left - 1)
        json_array_append_new(list, tell_rule(told, (enum rule)__builtin_ctz(left)));
    return list;
}

/* What else there is to know. */

__attribute__((format(printf, 2, 3))) static void note(json_t *notes, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    json_array_append_new(notes, json_string(text));
}

static json_t *tell_notes(const struct told *told)
{
    const struct explanation *explanation = told->explanation;
    const char *name = service_of(told)->name;
    json_t *notes = json_array();
    if (explanation->closed)
        note(notes, "%s: nobody accepts connections", explanation->closed);
    if (explanation->children == 0)
        note(notes, "no child process accepts connections now");
    if (!explanation->reachable)
        note(notes, "%s has no address to which such a client could connect", name);
    if (service_has_handshake(service_of(told)) && !told->question->proxy)
        note(notes, "%s is behind proxies: this is about a client of a proxy that is trusted",
             name);
    if (explanation->late > 0 && explanation->late < explanation->children)
        note(notes,
             "the workers of %u of %u child processes are late: connections are left to the others",
             explanation->late, explanation->children);
    return notes;
}

/* The answer. */

static const char *const decisions[] = {
    [DECISION_ADMITTED] = "admitted", [DECISION_QUEUED] = "queued", [DECISION_REFUSED] = "refused"};

static const char *prefix_of(const struct told *told, char buffer[static PREFIX_TEXT_MAX])
{
    const struct addr *address = &told->question->client->address;
    bool is_ipv6 = address->family == AF_INET6;
    struct address_key key;
    uint16_t length = is_ipv6 ? (uint16_t)told->explanation->house.limits.ipv6_prefix : 32;
    address_key(&key, address->family, address->bytes, length, ADDRESS_DAEMON);
    struct prefix prefix = {.family = address->family, .length = (uint8_t)length};
    memcpy(prefix.bytes, key.bytes, sizeof prefix.bytes);
    return prefix_format(&prefix, buffer);
}

static json_t *tell(const struct told *told)
{
    const struct explanation *explanation = told->explanation;
    const struct peer *client = told->question->client, *proxy = told->question->proxy;
    char text[ADDR_TEXT_MAX], prefix[PREFIX_TEXT_MAX];
    enum decision decision = explanation->closed ? DECISION_REFUSED : explanation->verdict.decision;
    json_t *answer =
        json_pack("{s:b,s:s,s:s,s:s}", "ok", 1, "service", service_of(told)->name, "address",
                  peer_format(client, text), "decision", decisions[decision]);
    if (proxy)
        json_object_set_new(answer, "proxy", json_string(peer_format(proxy, text)));
    if (client->address.family != AF_UNIX)
        json_object_set_new(answer, "prefix", json_string(prefix_of(told, prefix)));
    if (!explanation->closed && explanation->verdict.rule != RULE_NONE)
        json_object_set_new(answer, "rule", tell_rule(told, explanation->verdict.rule));
    if (explanation->lists.by != ACCESS_BY_NOTHING) {
        json_t *lists = tell_lists(told);
        json_object_set_new(lists, "allowed", json_boolean(explanation->lists.allowed));
        json_object_set_new(answer, "access", lists);
    }
    json_object_set_new(answer, "trials", tell_trials(told));
    json_object_set_new(answer, "limits", tell_limits(told));
    json_object_set_new(answer, "notes", tell_notes(told));
    return answer;
}

/* The question. */

static void refuse_service(struct control_client *client, const struct conf *conf, const char *name)
{
    char sentence[256];
    const char **names = calloc(conf->service_count + 1, sizeof *names);
    for (size_t i = 0; names && i < conf->service_count; i++)
        names[i] = conf->services[i].service.name;
    const char *near = names ? nearest(name, names) : NULL;
    if (near)
        snprintf(sentence, sizeof sentence, "there is no service \"%.64s\"; did you mean \"%s\"?",
                 name, near);
    else
        snprintf(sentence, sizeof sentence,
                 "there is no service \"%.64s\"; tcpctl services lists them", name);
    free(names);
    control_fail(client, sentence, NULL, 0);
}

static const struct conf_service *find_service(const struct conf *conf, const char *name)
{
    for (size_t i = 0; i < conf->service_count; i++)
        if (strcmp(conf->services[i].service.name, name) == 0)
            return &conf->services[i];
    return NULL;
}

/* A member of the request: -1 with an error when it is there and no client. */
static int take_peer(const json_t *request, const char *member, struct peer *peer, bool *there,
                     struct error *error)
{
    const json_t *value = json_object_get(request, member);
    *there = value != NULL;
    if (!value)
        return 0;
    if (!json_is_string(value))
        return error_set(error, 0, "\"%s\" must be an address", member);
    return peer_parse(peer, json_string_value(value), error);
}

static void answer(struct control_client *client, const struct master *master,
                   const struct explain_question *question)
{
    struct explanation explanation;
    struct told told = {question, &explanation};
    explain(master, question, &explanation);
    control_answer(client, tell(&told));
}

static void refuse_proxy(struct control_client *client, const char *name)
{
    char sentence[256];
    snprintf(sentence, sizeof sentence,
             "%s is not behind proxies: nobody tells it who its clients are", name);
    control_fail(client, sentence, NULL, 0);
}

void commands_explain(struct control_client *client, const json_t *request, void *owner)
{
    const struct master *master = owner;
    const struct generation *generation = master->current;
    const char *name = json_string_value(json_object_get(request, "service"));
    struct peer who, proxy;
    bool has_who, has_proxy;
    struct error error;
    if (!generation->conf) {
        control_fail(client, "the upgrade is still under way: ask again", NULL, 0);
        return;
    }
    const struct conf_service *service = name ? find_service(generation->conf, name) : NULL;
    if (take_peer(request, "address", &who, &has_who, &error) ||
        take_peer(request, "proxy", &proxy, &has_proxy, &error))
        control_fail(client, error.text, NULL, 0);
    else if (!name || !has_who)
        control_fail(client, "\"address\" and \"service\" are wanted", NULL, 0);
    else if (!service)
        refuse_service(client, generation->conf, name);
    else if (has_proxy && !service_has_handshake(&service->service))
        refuse_proxy(client, name);
    else
        answer(client, master,
               &(struct explain_question){generation, service, &who, has_proxy ? &proxy : NULL});
}
