/* SPDX-License-Identifier: MIT */
#include "conn/conn.h"
#include "conn/state.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

int conn_set_init(struct conn_set *set, const struct service *const *services, unsigned count,
                  struct error *error)
{
    set->service_count = count;
    set->scratch = malloc(CONN_SCRATCH);
    set->clocks = calloc(count, sizeof *set->clocks);
    int failed = !set->scratch || !set->clocks;
    for (unsigned i = 0; !failed && i < count; i++)
        failed = conn_make_clocks(&set->clocks[services[i]->index], &set->loop->timers,
                                  &services[i]->timeouts);
    if (failed)
        error_set(error, ENOMEM, "cannot make room for connections");
    if (!failed && conn_set_watch_spawner(set, error) == 0)
        return 0;
    conn_set_fini(set);
    return -1;
}

void conn_set_fini(struct conn_set *set)
{
    conn_set_leave_spawner(set);
    free(set->scratch);
    free(set->clocks);
    set->scratch = NULL;
    set->clocks = NULL;
}

const struct scoreboard *conn_scoreboard(const struct conn *conn)
{
    return conn->set->scoreboard;
}

bool conn_drains(const struct conn *conn)
{
    return conn->set->drains;
}

void conn_set_sweep(struct conn_set *set)
{
    if (set->aways)
        conn_set_release(set);
    while (set->dead) {
        struct conn *conn = set->dead;
        set->dead = conn->next_dead;
        const struct service *service = conn->listener->service;
        const struct addr peer = conn->peer;
        bool admitted = !conn->unopened;
        if (conn->watch.fd >= 0)
            close(conn->watch.fd);
        free(conn);
        set->open--;
        set->gone(set, service, admitted ? &peer : NULL);
    }
}

void conn_set_cut(struct conn_set *set)
{
    for (size_t fd = 0; fd < set->loop->watch_count; fd++) {
        struct watch *watch = set->loop->watches[fd];
        if (watch && watch->ready == conn_ready)
            conn_cut((struct conn *)watch);
    }
    for (size_t slot = 0; slot < conn_set_aways(set); slot++) {
        struct conn *conn = conn_set_away(set, slot);
        if (conn)
            conn_cut(conn);
    }
}
