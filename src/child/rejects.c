/* SPDX-License-Identifier: MIT */
#include "child/rejects.h"

#include "base/clock.h"
#include "base/log.h"
#include "child/admission.h"
#include "conn/record.h"

#define LINES_A_SECOND 5

static bool may_log(struct rejects *rejects, uint64_t now)
{
    if (now - rejects->since >= CLOCK_S) {
        rejects->since = now;
        rejects->logged = 0;
    }
    if (rejects->logged == LINES_A_SECOND)
        return false;
    rejects->logged++;
    return true;
}

static void add_peer(struct log_line *line, const char *name, int fd, const struct addr *peer)
{
    char text[ADDR_TEXT_MAX];
    if (peer->family == AF_UNIX) {
        struct conn_end end = conn_unix_peer(fd);
        log_add(line, name, conn_peer_format(&end, text));
    } else {
        log_add(line, name, addr_format(peer, text));
    }
}

void rejects_log(struct rejects *rejects, const char *event, const struct newcomer *newcomer,
                 enum reject_reason reason)
{
    struct log_line line;
    if (!may_log(rejects, newcomer->now)) {
        rejects->left_out++;
        return;
    }
    log_begin(&line, event);
    log_add(&line, "service", newcomer->service->name);
    add_peer(&line, "peer", newcomer->fd, newcomer->peer);
    if (newcomer->via)
        add_peer(&line, "via", newcomer->fd, newcomer->via);
    log_add(&line, "reason", reject_reason_name(reason));
    if (rejects->left_out)
        log_add_number(&line, "left_out", rejects->left_out);
    rejects->left_out = 0;
    log_end(&line, LOG_NOTICE);
}
