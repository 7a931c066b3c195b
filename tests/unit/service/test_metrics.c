/* SPDX-License-Identifier: MIT */
/* The text is what Prometheus takes, and says what was counted. */
#include "service/metrics.h"

#include "base/clock.h"
#include "base/places.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CHILDREN = 2, THREADS = 2, SAMPLES_MAX = 32768, FAMILIES_MAX = 64 };

static struct scoreboard *scoreboard;

static void set_up(void)
{
    scoreboard = scoreboard_new(256, NULL);
    cr_assert_not_null(scoreboard);
}

static void tear_down(void)
{
    scoreboard_free(scoreboard);
}

TestSuite(metrics, .init = set_up, .fini = tear_down, .timeout = 60);

static struct board *make_board(uint32_t generation, unsigned services, const char *const *names)
{
    struct board_plan plan = {generation, CHILDREN, THREADS, services, services, names};
    struct board *board = board_new(scoreboard, &plan, NULL);
    cr_assert_not_null(board);
    return board;
}

/* --- The rules of the text format, as promtool has them. --- */

static struct {
    char *text; /* cut into lines */
    char *samples[SAMPLES_MAX];
    size_t sample_count;
    char *families[FAMILIES_MAX]; /* "name type" */
    size_t family_count;
    bool has_samples[FAMILIES_MAX];
} seen;

static bool is_name(const char *name, size_t length, bool may_have_colon)
{
    for (size_t i = 0; i < length; i++)
        if (!isalpha((unsigned char)name[i]) && name[i] != '_' &&
            !(may_have_colon && name[i] == ':') && !(i > 0 && isdigit((unsigned char)name[i])))
            return false;
    return length > 0;
}

/* Behind a value in quotes, in which only \\, \" and \n are escapes. */
static const char *after_value(const char *at)
{
    cr_assert_eq(*at++, '"');
    for (; *at && *at != '"'; at++)
        if (*at == '\\')
            cr_assert(strchr("\\\"n", *++at), "an unknown escape: %s", at);
    cr_assert_eq(*at, '"');
    return at + 1;
}

static const char *after_labels(const char *at)
{
    if (*at != '{')
        return at;
    do {
        const char *name = ++at;
        at = strchr(at, '=');
        cr_assert_not_null(at);
        cr_assert(is_name(name, (size_t)(at - name), false), "a bad label: %s", name);
        at = after_value(at + 1);
    } while (*at == ',');
    cr_assert_eq(*at, '}', "%s", at);
    return at + 1;
}

static void check_number(const char *text)
{
    char *end;
    cr_assert(isdigit((unsigned char)*text), "a bad number: %s", text);
    strtod(text, &end);
    cr_assert_eq(*end, '\0', "a bad number: %s", text);
}

/* The name of the family is that of the sample, or with a suffix in a histogram. */
static void check_family(const char *sample, size_t length)
{
    static const char *const suffixes[] = {"_bucket", "_sum", "_count"};
    char family[128], type[32];
    cr_assert_gt(seen.family_count, 0, "no HELP and TYPE before %s", sample);
    cr_assert_eq(sscanf(seen.families[seen.family_count - 1], "%127s %31s", family, type), 2);
    seen.has_samples[seen.family_count - 1] = true;
    size_t base = strlen(family);
    cr_assert(length >= base && memcmp(sample, family, base) == 0, "%s below %s", sample, family);
    if (strcmp(type, "histogram") != 0) {
        cr_assert_eq(length, base, "%s below %s", sample, family);
        cr_assert_eq(strcmp(type, "counter") == 0,
                     length > 6 && memcmp(sample + length - 6, "_total", 6) == 0,
                     "a counter ends with _total, and nothing else does: %s", family);
        return;
    }
    bool fine = false;
    for (int i = 0; i < 3; i++)
        fine |= strlen(suffixes[i]) == length - base &&
                memcmp(sample + base, suffixes[i], length - base) == 0;
    cr_assert(fine, "%s below %s", sample, family);
}

static void take_sample(char *line)
{
    size_t length = strcspn(line, "{ ");
    cr_assert(is_name(line, length, true), "a bad name: %s", line);
    check_family(line, length);
    char *value = line + (after_labels(line + length) - line);
    cr_assert_eq(*value, ' ', "%s", line);
    check_number(value + 1);
    *value = '\0'; /* the key; the value is behind it */
    for (size_t i = 0; i < seen.sample_count; i++)
        cr_assert_str_neq(seen.samples[i], line, "twice: %s", line);
    cr_assert_lt(seen.sample_count, SAMPLES_MAX);
    seen.samples[seen.sample_count++] = line;
}

static void take_help(char *line)
{
    size_t length = strcspn(line, " ");
    cr_assert(is_name(line, length, true), "a bad name: %s", line);
    cr_assert_gt(strlen(line + length), 1, "no text: %s", line);
    for (size_t i = 0; i < seen.family_count; i++)
        cr_assert_neq(strncmp(seen.families[i], line, length + 1), 0, "twice: %s", line);
    cr_assert_lt(seen.family_count, FAMILIES_MAX);
    seen.families[seen.family_count++] = line; /* until the line of the type comes */
}

static void take_type(char *line)
{
    size_t length = strcspn(line, " ");
    const char *type = line + length + 1;
    cr_assert_gt(seen.family_count, 0);
    cr_assert_eq(strncmp(seen.families[seen.family_count - 1], line, length + 1), 0,
                 "TYPE follows HELP: %s", line);
    cr_assert(strcmp(type, "counter") == 0 || strcmp(type, "gauge") == 0 ||
              strcmp(type, "histogram") == 0);
    seen.families[seen.family_count - 1] = line;
}

static void take_line(char *line)
{
    if (strncmp(line, "# HELP ", 7) == 0)
        take_help(line + 7);
    else if (strncmp(line, "# TYPE ", 7) == 0)
        take_type(line + 7);
    else
        take_sample(line);
}

/* The value of a sample as it was printed; the key has the labels in the order of the text. */
static const char *value_of(const char *key)
{
    for (size_t i = 0; i < seen.sample_count; i++)
        if (strcmp(seen.samples[i], key) == 0)
            return seen.samples[i] + strlen(key) + 1;
    cr_assert(false, "there is no %s", key);
    return NULL;
}

/* Buckets ascend in bound and count, the last is +Inf, and _count says the same. */
static void check_histograms(void)
{
    double bound = -1;
    uint64_t count = 0;
    for (size_t i = 0; i < seen.sample_count; i++) {
        const char *key = seen.samples[i], *bucket = strstr(key, "_bucket{");
        const char *value = key + strlen(key) + 1;
        if (bucket) {
            double next = strtod(strstr(key, "le=\"") + 4, NULL);
            cr_assert_gt(next, bound, "%s", key);
            cr_assert_geq(strtoull(value, NULL, 10), count, "%s", key);
            bound = next;
            count = strtoull(value, NULL, 10);
        } else if (bound >= 0) {
            cr_assert(strstr(seen.samples[i - 1], "le=\"+Inf\"") && strstr(key, "_sum"), "%s", key);
            key = seen.samples[++i];
            cr_assert(strstr(key, "_count"), "%s", key);
            cr_assert_eq(strtoull(key + strlen(key) + 1, NULL, 10), count, "%s", key);
            bound = -1;
            count = 0;
        }
    }
    cr_assert_lt(bound, 0);
}

static void parse(char *text)
{
    memset(&seen, 0, sizeof seen);
    seen.text = text;
    cr_assert_not_null(text);
    cr_assert_eq(text[strlen(text) - 1], '\n', "the last line ends as well");
    for (char *line = text, *end; *line; line = end + 1) {
        end = strchr(line, '\n');
        *end = '\0';
        take_line(line);
    }
    check_histograms();
}

static void forget(void)
{
    free(seen.text);
}

static void expect(const char *key, const char *value)
{
    cr_assert_str_eq(value_of(key), value, "%s is %s, not %s", key, value_of(key), value);
}

/* --- What it says. --- */

Test(metrics, nothing_counted_yet)
{
    parse(metrics_text(scoreboard));
    expect("tcpd_generation", "0");
    expect("tcpd_reloads_total{result=\"failed\"}", "0");
    expect("tcpd_queue_wait_seconds_bucket{le=\"+Inf\"}", "0");
    expect("tcpd_queue_wait_seconds_sum", "0");
    forget();
}

Test(metrics, the_daemon)
{
    struct daemon_score *daemon = &scoreboard->head->daemon;
    daemon->generation = 7;
    daemon->limit = 100000;
    daemon->changes_done[CHANGE_RELOAD] = 1;
    daemon->changes_failed[CHANGE_RELOAD] = 2;
    daemon->changes_done[CHANGE_UPGRADE] = 3;
    daemon->changes_failed[CHANGE_UPGRADE] = 4;
    daemon->child_restarts = 5;
    daemon->children_hung = 6;
    daemon->generations_cut = UINT64_MAX;
    daemon->log_dropped = 8;
    strcpy(daemon->version, "0.1.0");
    parse(metrics_text(scoreboard));
    expect("tcpd_build_info{version=\"0.1.0\"}", "1");
    expect("tcpd_generation", "7");
    expect("tcpd_connections_limit", "100000");
    expect("tcpd_reloads_total{result=\"ok\"}", "1");
    expect("tcpd_reloads_total{result=\"failed\"}", "2");
    expect("tcpd_upgrades_total{result=\"ok\"}", "3");
    expect("tcpd_upgrades_total{result=\"failed\"}", "4");
    expect("tcpd_child_restarts_total", "5");
    expect("tcpd_children_hung_total", "6");
    expect("tcpd_generations_cut_total", "18446744073709551615");
    expect("tcpd_log_dropped_total", "8");
    forget();
}

Test(metrics, the_start_is_a_time_of_day)
{
    scoreboard->head->daemon.started = clock_now() - 100 * CLOCK_S;
    double before = (double)time(NULL);
    parse(metrics_text(scoreboard));
    double started = strtod(value_of("tcpd_start_time_seconds"), NULL);
    cr_assert(started >= before - 100.01 && started <= (double)time(NULL) - 98.99, "%f", started);
    forget();
}

Test(metrics, services)
{
    const char *const names[] = {"echo", "greet"};
    struct board *board = make_board(1, 2, names);
    struct counters *one = &board_thread(board, 0, 0)->services[0];
    struct counters *other = &board_thread(board, 1, THREADS)->services[0];
    *one = (struct counters){.accepted = 10, .received = 11, .sent = 12};
    *other = (struct counters){.accepted = 100, .received = UINT64_MAX - 11, .sent = 13};
    one->closed[CLOSE_IDLE] = 4;
    other->closed[CLOSE_IDLE] = 5;
    one->rejected[REJECT_CONNECTIONS] = 6;
    one->rejected[REJECT_ACCESS] = 7;
    other->would_reject[REJECT_ACCESS] = 8;
    scoreboard->head->totals[board->ids[0]].lost = 3;
    board_thread(board, 0, 1)->queue_length = 9;
    board->children[1].log_dropped = 2;
    for (int i = 0; i < 3; i++)
        places_add(board, 1, board->ids[0], false);
    parse(metrics_text(scoreboard));
    expect("tcpd_connections_accepted_total{service=\"echo\"}", "110");
    expect("tcpd_connections_accepted_total{service=\"greet\"}", "0");
    expect("tcpd_connections_active{service=\"echo\"}", "3");
    expect("tcpd_received_bytes_total{service=\"echo\"}", "18446744073709551615");
    expect("tcpd_sent_bytes_total{service=\"echo\"}", "25");
    expect("tcpd_connections_lost_total{service=\"echo\"}", "3");
    expect("tcpd_connections_closed_total{service=\"echo\",reason=\"idle\"}", "9");
    expect("tcpd_connections_closed_total{service=\"echo\",reason=\"eof\"}", "0");
    expect("tcpd_connections_rejected_total{service=\"echo\",reason=\"connections\"}", "6");
    expect("tcpd_connections_rejected_total{service=\"echo\",reason=\"access\"}", "7");
    expect("tcpd_connections_would_reject_total{service=\"echo\",reason=\"access\"}", "8");
    expect("tcpd_queue_length", "9");
    expect("tcpd_log_dropped_total", "2");
    forget();
    board_free(board);
}

Test(metrics, all_reasons)
{
    const char *const names[] = {"echo"};
    char key[128];
    board_free(make_board(1, 1, names));
    parse(metrics_text(scoreboard));
    for (int i = 0; i < CLOSE_REASON_COUNT; i++) {
        snprintf(key, sizeof key, "tcpd_connections_closed_total{service=\"echo\",reason=\"%s\"}",
                 close_reason_name(i));
        expect(key, "0");
    }
    for (int i = 0; i < REJECT_REASON_COUNT; i++) {
        snprintf(key, sizeof key, "tcpd_connections_rejected_total{service=\"echo\",reason=\"%s\"}",
                 reject_reason_name(i));
        expect(key, "0");
        snprintf(key, sizeof key,
                 "tcpd_connections_would_reject_total{service=\"echo\",reason=\"%s\"}",
                 reject_reason_name(i));
        expect(key, "0");
    }
    forget();
}

Test(metrics, histograms)
{
    const char *const names[] = {"echo"};
    struct board *board = make_board(1, 1, names);
    struct histogram *duration = &board_thread(board, 0, 0)->services[0].duration;
    histogram_add(duration, histogram_durations, CLOCK_MS);
    histogram_add(duration, histogram_durations, CLOCK_MS + 1);
    histogram_add(duration, histogram_durations, 61 * CLOCK_S);
    histogram_add(duration, histogram_durations, 7200 * CLOCK_S);
    histogram_add(&board_thread(board, 1, 0)->wait, histogram_waits, 15000);
    parse(metrics_text(scoreboard));
    static const char *const lines[][2] = {
        {"bucket{service=\"echo\",le=\"0.001\"}", "1"},
        {"bucket{service=\"echo\",le=\"0.01\"}", "2"},
        {"bucket{service=\"echo\",le=\"60\"}", "2"},
        {"bucket{service=\"echo\",le=\"600\"}", "3"},
        {"bucket{service=\"echo\",le=\"3600\"}", "3"},
        {"bucket{service=\"echo\",le=\"+Inf\"}", "4"},
        {"count{service=\"echo\"}", "4"},
        {"sum{service=\"echo\"}", "7261.002000001"},
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char key[128];
        snprintf(key, sizeof key, "tcpd_connection_duration_seconds_%s", lines[i][0]);
        expect(key, lines[i][1]);
    }
    expect("tcpd_queue_wait_seconds_bucket{le=\"0.00001\"}", "0");
    expect("tcpd_queue_wait_seconds_bucket{le=\"0.0001\"}", "1");
    expect("tcpd_queue_wait_seconds_sum", "0.000015");
    expect("tcpd_queue_wait_seconds_count", "1");
    forget();
    board_free(board);
}

Test(metrics, values_of_labels_are_escaped)
{
    const char *const names[] = {
        "a\"b\\c\nd", "\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\""};
    char key[256] = "tcpd_connections_active{service=\"";
    board_free(make_board(1, 2, names));
    memset(scoreboard->head->daemon.version, '\\', sizeof scoreboard->head->daemon.version);
    parse(metrics_text(scoreboard));
    expect("tcpd_connections_active{service=\"a\\\"b\\\\c\\nd\"}", "0");
    for (int i = 0; i < 32; i++)
        strcat(key, "\\\"");
    expect(strcat(key, "\"}"), "0");
    forget();
}

/* --- In pieces. --- */

enum { MANY = 300 };

static void make_many(void)
{
    static char names[MANY][SCOREBOARD_NAME];
    const char *pointers[MANY];
    for (int i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "service-%024d", i);
        pointers[i] = names[i];
    }
    struct board *board = make_board(1, MANY, pointers);
    for (int i = 0; i < MANY; i++) { /* the widest numbers, as far as they add up */
        struct counters *counters = &board_thread(board, 0, 0)->services[i];
        memset(counters, 0xff, sizeof *counters);
        memset(&counters->duration, 0x11, sizeof counters->duration);
    }
    board_free(board);
}

static char *print_in_pieces(size_t size, uint64_t until, unsigned *pieces)
{
    struct metrics metrics;
    char *text = calloc(1, 4 << 20);
    size_t length = 0;
    metrics_begin(&metrics, scoreboard);
    for (*pieces = 0; !metrics_ended(&metrics); ++*pieces) {
        size_t printed = metrics_print(&metrics, text + length, size, until);
        cr_assert_leq(printed, size);
        cr_assert(printed > 0 || metrics_ended(&metrics), "progress");
        length += printed;
        cr_assert(length == 0 || text[length - 1] == '\n', "whole lines");
    }
    cr_assert_eq(metrics_print(&metrics, text + length, size, until), 0);
    return text;
}

/* But for the moment of the start, which is rounded. */
static void forget_start(char *text)
{
    char *line = strstr(text, "\ntcpd_start_time_seconds ");
    cr_assert_not_null(line);
    memset(line + 1, '#', strcspn(line + 1, "\n"));
}

Test(metrics, the_same_in_pieces_of_any_size_and_in_any_hurry)
{
    unsigned pieces;
    make_many();
    char *whole = metrics_text(scoreboard);
    forget_start(whole);
    static const size_t sizes[] = {METRICS_PIECE_MIN, METRICS_PIECE_MIN + 7777, 1 << 20};
    for (size_t i = 0; i < 3; i++)
        for (int hurry = 0; hurry < 2; hurry++) {
            char *text = print_in_pieces(sizes[i], hurry ? 0 : METRICS_NO_HURRY, &pieces);
            forget_start(text);
            cr_assert_str_eq(text, whole);
            cr_assert_gt(pieces, hurry ? MANY : i == 2 ? 0 : 30);
            free(text);
        }
    free(whole);
}

Test(metrics, many_services)
{
    make_many();
    parse(metrics_text(scoreboard));
    cr_assert_gt(seen.sample_count, MANY * 20);
    for (size_t i = 0; i < seen.family_count; i++)
        cr_assert(seen.has_samples[i], "%s", seen.families[i]);
    forget();
}
