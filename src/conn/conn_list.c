/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "conn/conn.h"
#include "conn/record.h"
#include "conn/state.h"
#include "io/sock.h"

#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#define SLICE_WATCHES 4096 /* looked at in one go: a table with holes takes time as well */
#define SLICE_CONNS   240

_Static_assert(SLICE_CONNS * sizeof(struct conn_record) <= CONN_SCRATCH, "they are put there");

/*
 * The walk through the table of the loop, where a connection keeps its place as long as it lives,
 * and then through that of those given away.
 */

#define AWAYS_FROM (SIZE_MAX / 2)

static size_t slice_end(const struct conn_set *set, size_t *from)
{
    size_t count = set->loop->watch_count;
    if (*from < AWAYS_FROM && *from >= count)
        *from = AWAYS_FROM;
    size_t end = *from < AWAYS_FROM ? count : AWAYS_FROM + conn_set_aways(set);
    return *from < end && end - *from > SLICE_WATCHES ? *from + SLICE_WATCHES : end;
}

static struct conn *conn_at(const struct conn_set *set, size_t at)
{
    if (at >= AWAYS_FROM)
        return conn_set_away(set, at - AWAYS_FROM);
    struct watch *watch = set->loop->watches[at];
    return watch && watch->ready == conn_ready ? (struct conn *)watch : NULL;
}

bool conn_set_walked(const struct conn_set *set, size_t from)
{
    size_t aways = conn_set_aways(set);
    return from >= AWAYS_FROM ? from >= AWAYS_FROM + aways
                              : aways == 0 && from >= set->loop->watch_count;
}

/* What there is to say of one. */

static struct conn_end end_of(const struct addr *addr)
{
    struct conn_end end = {.family = addr->family, .port = addr->port, .scope = addr->scope};
    memcpy(end.bytes, addr->bytes, sizeof end.bytes);
    return end;
}

/* Only behind a wildcard the kernel has to be asked which of the machine's addresses it was. */
static struct conn_end local_end(const struct conn *conn)
{
    struct addr local = conn->listener->address;
    if (addr_is_wildcard(&local))
        sock_local(conn->watch.fd, &local);
    return end_of(&local);
}

static struct conn_end real_peer(const struct conn *conn, const struct addr *peer)
{
    return conn->listener->address.family == AF_UNIX ? conn_unix_peer(conn->watch.fd)
                                                     : end_of(peer);
}

void conn_ends(const struct conn *conn, struct ends *ends)
{
    const struct claim *claim = conn->claim;
    if (conn->phase == CONN_AWAY) {
        *ends = conn->away->ends;
    } else if (claim && claim->has_addresses) {
        *ends =
            (struct ends){end_of(&conn->peer), end_of(&claim->local), real_peer(conn, &claim->via)};
    } else {
        *ends = (struct ends){real_peer(conn, &conn->peer), local_end(conn), {0}};
    }
}

static void record_ends(const struct conn *conn, struct conn_record *record)
{
    struct ends ends;
    const char *path = conn->listener->address.path;
    conn_ends(conn, &ends);
    record->peer = ends.peer;
    record->local = ends.local;
    if (record->local.family == AF_UNIX)
        memcpy(record->path, path ? path : "", path ? strnlen(path, CONN_PATH_MAX - 1) : 0);
}

/* The socket is the program's: what goes over it is not known here. */
static void record_program(const struct conn *conn, struct conn_record *record)
{
    if (conn->phase != CONN_AWAY)
        return;
    snprintf(record->program, sizeof record->program, "%s", conn_service(conn)->program->name);
    record->program_pid = (uint32_t)conn->away->pid;
    record->idle = record->received = 0;
}

/*
 * The time-out's stamp is at most its slack too old.  Within that the kernel knows better; beyond
 * it means something else: it counts what it sends once more, and what nobody has read yet.
 */
static uint64_t idle_of(const struct conn *conn, const struct tcp_info *info)
{
    const struct timer *timer = &conn->activity;
    uint64_t since = timer->since > conn->accepted ? timer->since : conn->accepted;
    uint64_t most = conn_now(conn) > since ? conn_now(conn) - since : 0;
    uint64_t slack = timer->fifo ? timer->fifo->slack : 0;
    uint64_t least = most > slack ? most - slack : 0;
    uint32_t kernel = info->tcpi_last_data_sent < info->tcpi_last_data_recv
                          ? info->tcpi_last_data_sent
                          : info->tcpi_last_data_recv;
    uint64_t idle = info->tcpi_state ? kernel * CLOCK_MS : most;
    return idle < least ? least : idle > most ? most : idle;
}

static void record(const struct conn *conn, struct conn_record *record)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    memset(record, 0, sizeof *record);
    record_ends(conn, record);
    if (conn->listener->address.family != AF_UNIX &&
        getsockopt(conn->watch.fd, IPPROTO_TCP, TCP_INFO, &info, &length))
        info = (struct tcp_info){0};
    record->size = sizeof *record;
    record->service = conn_service(conn)->id;
    record->number = conn->number;
    record->age = conn_now(conn) - conn->accepted;
    record->idle = idle_of(conn, &info);
    record->received = conn->received;
    record->sent = conn->sent;
    record->phase = conn->phase;
    record->tcp_state = info.tcpi_state;
    record->rtt = info.tcpi_rtt;
    record->retransmits = info.tcpi_total_retrans;
    record_program(conn, record);
}

unsigned conn_set_list(struct conn_set *set, uint64_t service, size_t *from)
{
    struct conn_record *records = (struct conn_record *)(void *)set->scratch;
    size_t end = slice_end(set, from);
    unsigned count = 0;
    for (; *from < end && count < SLICE_CONNS; (*from)++) {
        const struct conn *conn = conn_at(set, *from);
        if (conn && (service == CONN_ANY_SERVICE || service == conn_service(conn)->id))
            record(conn, &records[count++]);
    }
    return count;
}

/* Whatever its phase, and the reason that led there. */
static void kill_conn(struct conn *conn)
{
    if (conn->phase == CONN_AWAY) {
        conn_call_back(conn, CLOSE_KILLED, false);
        return;
    }
    sock_reset_at_close(conn->watch.fd);
    if (conn_is_live(conn))
        conn->phase = CONN_FINISHING;
    conn->reason = CLOSE_KILLED;
    conn_cut(conn);
}

bool conn_set_kill(struct conn_set *set, uint64_t number, size_t *from)
{
    size_t end = slice_end(set, from);
    for (; *from < end; (*from)++) {
        struct conn *conn = conn_at(set, *from);
        if (conn && conn->number == number) {
            kill_conn(conn);
            return true;
        }
    }
    return false;
}
