/* SPDX-License-Identifier: MIT */
#include "master/connections.h"

#include "base/clock.h"
#include "base/tally.h"
#include "conn/record.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Names. */

/* Reads a number without a sign or leading zeros, up to `most`; NULL, or what follows it. */
static const char *parse_number(const char *text, uint64_t most, uint64_t *number)
{
    *number = 0;
    if (*text < '0' || *text > '9' || (text[0] == '0' && text[1] >= '0' && text[1] <= '9'))
        return NULL;
    for (; *text >= '0' && *text <= '9'; text++) {
        uint64_t digit = (uint64_t)(*text - '0');
        if (*number > (most - digit) / 10)
            return NULL;
        *number = *number * 10 + digit;
    }
    return text;
}

bool connection_id_parse(struct connection_id *id, const char *text)
{
    uint64_t generation, child;
    const char *at = parse_number(text, UINT32_MAX, &generation);
    if (at && *at == '.')
        at = parse_number(at + 1, UINT32_MAX, &child);
    else
        return false;
    if (!at || *at != '.' || !(at = parse_number(at + 1, UINT64_MAX, &id->number)) || *at)
        return false;
    id->generation = (uint32_t)generation;
    id->child = (uint32_t)child;
    return true;
}

void connection_id_format(const struct connection_id *id, char text[static CONNECTION_ID_MAX])
{
    snprintf(text, CONNECTION_ID_MAX, "%" PRIu32 ".%" PRIu32 ".%" PRIu64, id->generation, id->child,
             id->number);
}

/* What a record may be. */

static const char *const tcp_states[] = {
    NULL,    "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2",    "TIME_WAIT",
    "CLOSE", "CLOSE_WAIT",  "LAST_ACK", "LISTEN",   "CLOSING",   "NEW_SYN_RECV",
};

static bool is_internet(const struct conn_end *end)
{
    return end->family == AF_INET || end->family == AF_INET6;
}

static bool are_ends(const struct conn_record *record)
{
    if (is_internet(&record->peer))
        return is_internet(&record->local);
    return record->peer.family == AF_UNIX && record->local.family == AF_UNIX &&
           memchr(record->path, '\0', sizeof record->path);
}

static bool is_service(const struct connections *connections, uint32_t id,
                       char name[SCOREBOARD_NAME])
{
    return id < SCOREBOARD_SERVICES &&
           (connections->service < 0 || id == (uint32_t)connections->service) &&
           tally_name(connections->scoreboard, id, name);
}

static bool makes_sense(const struct conn_record *record)
{
    return record->number > 0 && record->idle <= record->age && record->received <= INT64_MAX &&
           record->sent <= INT64_MAX && conn_phase_name(record->phase) && are_ends(record) &&
           record->tcp_state < sizeof tcp_states / sizeof *tcp_states &&
           memchr(record->program, '\0', sizeof record->program) &&
           record->program_pid <= INT32_MAX;
}

/*
 * Takes the record that begins at `offset`, whatever build wrote it: what that one did not know is
 * 0, what we do not know is left.  The file ends at `end`, or before if the child has cut it.
 */
static bool take_record(int file, off_t offset, off_t end, struct conn_record *record)
{
    memset(record, 0, sizeof *record);
    ssize_t length = pread(file, record, sizeof *record, offset);
    if (length < CONN_RECORD_FIRST)
        return false;
    size_t size = record->size;
    size_t known = size < sizeof *record ? size : sizeof *record;
    if (size < CONN_RECORD_FIRST || size > CONN_RECORD_MAX || size % 8 != 0 ||
        size > (size_t)(end - offset) || known > (size_t)length)
        return false;
    memset((char *)record + known, 0, sizeof *record - known);
    return true;
}

/* Out they go. */

/* The path of a unix socket may hold any bytes; JSON is UTF-8. */
static json_t *text_of(char *text)
{
    json_t *string = json_string(text);
    if (string)
        return string;
    for (char *at = text; *at; at++)
        if ((unsigned char)*at >= 0x80)
            *at = '?';
    return json_string(text);
}

/* To the millisecond: more is not known. */
static double seconds(uint64_t ns)
{
    return (double)(ns / CLOCK_MS) / 1000;
}

static json_t *make_object(const struct conn_record *record, const struct connection_id *of,
                           pid_t pid, const char *service)
{
    struct connection_id id = {of->generation, of->child, record->number};
    char name[CONNECTION_ID_MAX], peer[ADDR_TEXT_MAX], local[ADDR_TEXT_MAX];
    connection_id_format(&id, name);
    conn_peer_format(&record->peer, peer);
    conn_local_format(&record->local, record->path, local);
    return json_pack("{s:s, s:s, s:o, s:o, s:I, s:i, s:s, s:f, s:f, s:I, s:I}", "id", name,
                     "service", service, "peer", text_of(peer), "local", text_of(local),
                     "generation", (json_int_t)of->generation, "pid", (int)pid, "phase",
                     conn_phase_name(record->phase), "age", seconds(record->age), "idle",
                     seconds(record->idle), "received", (json_int_t)record->received, "sent",
                     (json_int_t)record->sent);
}

static int add_tcp(json_t *object, const struct conn_record *record)
{
    if (record->tcp_state == 0)
        return 0;
    return json_object_set_new(object, "tcp_state", json_string(tcp_states[record->tcp_state])) ||
           json_object_set_new(object, "rtt_ms", json_real(record->rtt / 1000.0)) ||
           json_object_set_new(object, "retransmits", json_integer(record->retransmits));
}

static int add_program(json_t *object, struct conn_record *record)
{
    if (record->program[0] == '\0')
        return 0;
    if (json_object_set_new(object, "program", text_of(record->program)))
        return -1;
    return record->program_pid == 0
               ? 0
               : json_object_set_new(object, "program_pid", json_integer(record->program_pid));
}

static void append(struct connections *connections, struct conn_record *record,
                   const struct connection_id *of, pid_t pid, const char *service)
{
    json_t *object = make_object(record, of, pid, service);
    if (object && add_tcp(object, record) == 0 && add_program(object, record) == 0 &&
        json_array_append(connections->list, object) == 0) {
        json_decref(object);
        return;
    }
    json_decref(object);
    connections->no_memory = true;
}

enum connections_read connections_read(struct connections *connections, int file,
                                       const struct connection_id *of, pid_t pid, uint64_t *count)
{
    char service[SCOREBOARD_NAME];
    struct conn_record record;
    struct stat stat = {0};
    *count = 0;
    fstat(file, &stat);
    for (off_t offset = 0; offset < stat.st_size; offset += record.size) {
        if (!take_record(file, offset, stat.st_size, &record) || !makes_sense(&record) ||
            !is_service(connections, record.service, service))
            return CONNECTIONS_NONSENSE;
        if (record.size > connections->room || connections->no_memory)
            return CONNECTIONS_TOO_MANY;
        connections->room -= record.size;
        append(connections, &record, of, pid, service);
        ++*count;
    }
    return CONNECTIONS_READ;
}
