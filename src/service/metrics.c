/* SPDX-License-Identifier: MIT */
#include "service/metrics.h"

#include "base/addresses.h"
#include "base/clock.h"
#include "base/places.h"
#include "base/tally.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ESCAPED_MAX (2 * 32 + 1) /* a service's name or a version, every byte escaped */

_Static_assert(SCOREBOARD_NAME <= 33, "fits into ESCAPED_MAX");
_Static_assert(sizeof(((struct daemon_score *)0)->version) <= 32, "fits into ESCAPED_MAX");
/* 24 reasons, or 12 buckets with sum and count, a line of at most 200 bytes each, and HELP and TYPE
 * besides. */
_Static_assert(METRICS_PIECE_MIN >= (size_t)32 * 200, "a step fits into a piece");

struct text {
    char *bytes;
    size_t length, size;
};

struct family;

/* What is printed in one step: the samples of a family, of one service where it has services. */
struct step {
    struct text *text;
    const struct family *family;
    const struct scoreboard *scoreboard;
    unsigned id;
    char service[ESCAPED_MAX]; /* its name as the value of a label */
};

/* A family of samples; `at` is where its numbers stand in what it is printed from. */
struct family {
    const char *name, *type, *help;
    void (*print)(const struct step *step);
    size_t at;
    bool has_services;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length =
        vsnprintf(text->bytes + text->length, text->size - text->length, format, arguments);
    va_end(arguments);
    if (length > 0 && (size_t)length < text->size - text->length)
        text->length += (size_t)length;
}

/* As the value of a label between its quotes. */
static void escape(char escaped[ESCAPED_MAX], const char *value, size_t max)
{
    size_t length = 0;
    for (size_t i = 0; i < max && value[i] && length < ESCAPED_MAX - 2; i++) {
        bool is_newline = value[i] == '\n';
        if (is_newline || value[i] == '\\' || value[i] == '"')
            escaped[length++] = '\\';
        escaped[length++] = is_newline ? 'n' : value[i];
    }
    escaped[length] = '\0';
}

static uint64_t number_at(const void *numbers, size_t at)
{
    return counter_get((const uint64_t *)(const void *)((const char *)numbers + at));
}

/* Of the daemon. */

static const struct daemon_score *daemon_of(const struct step *step)
{
    return &step->scoreboard->head->daemon;
}

static void print_number(const struct step *step)
{
    add(step->text, "%s %" PRIu64 "\n", step->family->name,
        number_at(daemon_of(step), step->family->at));
}

static void print_build(const struct step *step)
{
    char version[ESCAPED_MAX];
    escape(version, daemon_of(step)->version, sizeof daemon_of(step)->version);
    add(step->text, "%s{version=\"%s\"} 1\n", step->family->name, version);
}

/* The number of those that failed stands as far behind in its array as that of those done. */
static void print_changes(const struct step *step)
{
    size_t failed =
        offsetof(struct daemon_score, changes_failed) - offsetof(struct daemon_score, changes_done);
    const char *name = step->family->name;
    add(step->text, "%s{result=\"ok\"} %" PRIu64 "\n", name,
        number_at(daemon_of(step), step->family->at));
    add(step->text, "%s{result=\"failed\"} %" PRIu64 "\n", name,
        number_at(daemon_of(step), step->family->at + failed));
}

/* The two clocks run at one rate, so this moves only when the machine's time is set. */
static void print_start(const struct step *step)
{
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    uint64_t now = (uint64_t)wall.tv_sec * CLOCK_S + (uint64_t)wall.tv_nsec;
    uint64_t age = clock_now() - number_at(daemon_of(step), step->family->at);
    uint64_t started = (now - age + CLOCK_MS / 2) / CLOCK_MS;
    add(step->text, "%s %" PRIu64 ".%03" PRIu64 "\n", step->family->name, started / 1000,
        started % 1000);
}

static void print_tally(const struct step *step)
{
    struct tally tally;
    tally_daemon(step->scoreboard, &tally);
    add(step->text, "%s %" PRIu64 "\n", step->family->name, number_at(&tally, step->family->at));
}

/* Histograms. */

/* Nanoseconds as seconds, exactly, without zeros that say nothing. */
static void format_seconds(char seconds[32], uint64_t ns)
{
    int length = snprintf(seconds, 32, "%" PRIu64 ".%09" PRIu64, ns / CLOCK_S, ns % CLOCK_S);
    while (seconds[length - 1] == '0')
        length--;
    if (seconds[length - 1] == '.')
        length--;
    seconds[length] = '\0';
}

/* `labels` is empty or ends with a comma; `braces` is the same in braces, or empty. */
struct labels {
    char inner[ESCAPED_MAX + 16], braces[ESCAPED_MAX + 16];
};

static void print_histogram(const struct step *step, const struct histogram *histogram,
                            const uint64_t *bounds, const struct labels *labels)
{
    const char *name = step->family->name;
    char seconds[32] = "+Inf";
    uint64_t count = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        count += histogram->bucket[i];
        if (bounds[i] == UINT64_MAX)
            break;
        format_seconds(seconds, bounds[i]);
        add(step->text, "%s_bucket{%sle=\"%s\"} %" PRIu64 "\n", name, labels->inner, seconds,
            count);
    }
    add(step->text, "%s_bucket{%sle=\"+Inf\"} %" PRIu64 "\n", name, labels->inner, count);
    format_seconds(seconds, histogram->sum);
    add(step->text, "%s_sum%s %s\n", name, labels->braces, seconds);
    add(step->text, "%s_count%s %" PRIu64 "\n", name, labels->braces, count);
}

static void print_addresses(const struct step *step)
{
    add(step->text, "%s %" PRIu32 "\n", step->family->name,
        addresses_count(step->scoreboard, clock_now()));
}

static void print_wait(const struct step *step)
{
    struct tally tally;
    tally_daemon(step->scoreboard, &tally);
    print_histogram(step, &tally.wait, histogram_waits, &(struct labels){"", ""});
}

/* Of a service. */

static void print_duration(const struct step *step)
{
    struct counters counters;
    struct labels labels;
    tally_service(step->scoreboard, step->id, &counters);
    snprintf(labels.inner, sizeof labels.inner, "service=\"%s\",", step->service);
    snprintf(labels.braces, sizeof labels.braces, "{service=\"%s\"}", step->service);
    print_histogram(step, &counters.duration, histogram_durations, &labels);
}

static void print_counter(const struct step *step)
{
    struct counters counters;
    tally_service(step->scoreboard, step->id, &counters);
    add(step->text, "%s{service=\"%s\"} %" PRIu64 "\n", step->family->name, step->service,
        number_at(&counters, step->family->at));
}

/* Only where programs are run. */
static void print_programs(const struct step *step)
{
    struct counters counters;
    tally_service(step->scoreboard, step->id, &counters);
    if (counters.runs_programs)
        add(step->text, "%s{service=\"%s\"} %" PRIu64 "\n", step->family->name, step->service,
            counters.programs);
}

static void print_active(const struct step *step)
{
    add(step->text, "%s{service=\"%s\"} %" PRIu32 "\n", step->family->name, step->service,
        places_held(step->scoreboard, step->id));
}

static void print_reason(const struct step *step, const char *reason, uint64_t count)
{
    add(step->text, "%s{service=\"%s\",reason=\"%s\"} %" PRIu64 "\n", step->family->name,
        step->service, reason, count);
}

static void print_closed(const struct step *step)
{
    struct counters counters;
    tally_service(step->scoreboard, step->id, &counters);
    for (unsigned i = 0; i < CLOSE_REASON_COUNT; i++)
        print_reason(step, close_reason_name(i), counters.closed[i]);
}

static void print_rejected(const struct step *step)
{
    struct counters counters;
    tally_service(step->scoreboard, step->id, &counters);
    for (unsigned i = 0; i < REJECT_REASON_COUNT; i++)
        print_reason(step, reject_reason_name(i),
                     number_at(&counters, step->family->at + i * sizeof(uint64_t)));
}

/* All families, in the order in which they are printed. */

#define DAEMON(member)  offsetof(struct daemon_score, member), false
#define TALLY(member)   offsetof(struct tally, member), false
#define SERVICE(member) offsetof(struct counters, member), true
#define C               "counter"
#define G               "gauge"
#define H               "histogram"

static const struct family families[] = {
    {"tcpd_build_info", G, "The version of the daemon; the value is always 1.", print_build,
     DAEMON(version)},
    {"tcpd_start_time_seconds", G, "When the daemon started, in seconds since 1970.", print_start,
     DAEMON(started)},
    {"tcpd_generation", G, "The generation that serves.", print_number, DAEMON(generation)},
    {"tcpd_reloads_total", C, "Reloads of the configuration.", print_changes,
     DAEMON(changes_done[CHANGE_RELOAD])},
    {"tcpd_upgrades_total", C, "Upgrades of the program.", print_changes,
     DAEMON(changes_done[CHANGE_UPGRADE])},
    {"tcpd_child_restarts_total", C, "Child processes that died or hung and were replaced.",
     print_number, DAEMON(child_restarts)},
    {"tcpd_children_hung_total", C, "Child processes that showed no sign of life.", print_number,
     DAEMON(children_hung)},
    {"tcpd_generations_cut_total", C, "Old generations ended to make room for newer ones.",
     print_number, DAEMON(generations_cut)},
    {"tcpd_connections_limit", G, "Connections that may be open at once.", print_number,
     DAEMON(limit)},
    {"tcpd_connections_accepted_total", C, "Connections accepted.", print_counter,
     SERVICE(accepted)},
    {"tcpd_connections_active", G, "Connections open now.", print_active, SERVICE(accepted)},
    {"tcpd_exec_running", G, "Programs that run now.", print_programs, SERVICE(programs)},
    {"tcpd_connections_closed_total", C, "Connections closed, by reason.", print_closed,
     SERVICE(closed)},
    {"tcpd_connections_rejected_total", C, "Connections not taken, by reason.", print_rejected,
     SERVICE(rejected)},
    {"tcpd_connections_would_reject_total", C,
     "Connections served that would not be taken but for a trial, by reason.", print_rejected,
     SERVICE(would_reject)},
    {"tcpd_connections_lost_total", C, "Connections held by a child process when it died.",
     print_counter, SERVICE(lost)},
    {"tcpd_received_bytes_total", C, "Bytes received from peers.", print_counter,
     SERVICE(received)},
    {"tcpd_sent_bytes_total", C, "Bytes sent to peers.", print_counter, SERVICE(sent)},
    {"tcpd_connection_duration_seconds", H, "From accept to close.", print_duration,
     SERVICE(duration)},
    {"tcpd_queue_length", G, "Accepted connections that wait for a worker thread.", print_tally,
     TALLY(queue_length)},
    {"tcpd_queue_wait_seconds", H, "From accept until a worker thread takes the connection.",
     print_wait, TALLY(wait)},
    {"tcpd_addresses", G, "Client addresses whose connections or rate are limited now.",
     print_addresses, DAEMON(generation)},
    {"tcpd_addresses_forgotten_total", C, "Client addresses that had to make room for others.",
     print_number, DAEMON(addresses_forgotten)},
    {"tcpd_log_dropped_total", C, "Lines of the log dropped because it was too slow.", print_tally,
     TALLY(log_dropped)},
};

#define FAMILIES (sizeof families / sizeof *families)

/* Step by step. */

static void print_head(struct text *text, const struct family *family)
{
    add(text, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help, family->name,
        family->type);
}

/* Finds the next service with a name; false: there is none in this family any more. */
static bool find_service(struct metrics *metrics, struct step *step)
{
    char name[SCOREBOARD_NAME];
    while (metrics->id < SCOREBOARD_SERVICES && !tally_name(metrics->scoreboard, metrics->id, name))
        metrics->id++;
    if (metrics->id == SCOREBOARD_SERVICES)
        return false;
    escape(step->service, name, sizeof name);
    step->id = metrics->id++;
    return true;
}

static void end_family(struct metrics *metrics)
{
    metrics->family++;
    metrics->id = 0;
}

static void print_step(struct metrics *metrics, struct text *text)
{
    const struct family *family = &families[metrics->family];
    struct step step = {.text = text, .family = family, .scoreboard = metrics->scoreboard};
    if (metrics->id == 0)
        print_head(text, family);
    if (!family->has_services) {
        family->print(&step);
        end_family(metrics);
    } else if (find_service(metrics, &step)) {
        family->print(&step);
    } else {
        end_family(metrics);
    }
}

void metrics_begin(struct metrics *metrics, const struct scoreboard *scoreboard)
{
    *metrics = (struct metrics){.scoreboard = scoreboard};
}

bool metrics_ended(const struct metrics *metrics)
{
    return metrics->family == FAMILIES;
}

size_t metrics_print(struct metrics *metrics, char *text, size_t size, uint64_t until)
{
    struct text piece = {text, 0, size};
    while (!metrics_ended(metrics) && size - piece.length >= METRICS_PIECE_MIN) {
        print_step(metrics, &piece);
        if (piece.length > 0 && until != METRICS_NO_HURRY && clock_now() >= until)
            break;
    }
    return piece.length;
}

char *metrics_text(const struct scoreboard *scoreboard)
{
    struct metrics metrics;
    size_t size = 4 * METRICS_PIECE_MIN, length = 0;
    char *text = malloc(size);
    metrics_begin(&metrics, scoreboard);
    while (text && !metrics_ended(&metrics)) {
        length += metrics_print(&metrics, text + length, size - length - 1, METRICS_NO_HURRY);
        char *larger = metrics_ended(&metrics) ? text : realloc(text, size *= 2);
        if (!larger)
            free(text);
        text = larger;
    }
    if (text)
        text[length] = '\0';
    return text;
}
