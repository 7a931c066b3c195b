/* SPDX-License-Identifier: MIT */
/* A script at work on one connection.  Nothing here blocks. */
#ifndef TCPD_TCPC_SCRIPT_RUN_H
#define TCPD_TCPC_SCRIPT_RUN_H

#include "base/error.h"
#include "tcpc/script.h"
#include "tcpc/story.h"
#include "tcpc/wire.h"

#define SCRIPT_HELD_MAX ((size_t)64 * 1024) /* of what came and was not expected yet */

enum script_result { SCRIPT_GOING, SCRIPT_PASSED, SCRIPT_FAILED };

struct script_run {
    const struct script *script;
    struct wire *wire; /* borrowed */
    const struct story *story;
    size_t at;         /* the step */
    bool entered;      /* it has begun */
    uint64_t until;    /* when its time is up, clock_now(); 0: never */
    size_t step_sent;  /* of what it sends */
    int broken;        /* errno of the connection */
    bool peer_done;    /* the peer has taken leave */
    uint64_t asked;    /* when the first byte was sent, or the connection was there */
    uint64_t answered; /* when the first byte came; 0: none has */
    uint64_t sent, received;
    const char *first; /* who took leave first; NULL: nobody */
    size_t held;
    char bytes[SCRIPT_HELD_MAX + 1]; /* and a NUL, for script_match */
};

/* Begins on a connection that is established. */
void script_run_begin(struct script_run *run, const struct script *script, struct wire *wire,
                      const struct story *story);

/* Does what can be done now.  SCRIPT_FAILED comes with a sentence that names file and line. */
enum script_result script_run_turn(struct script_run *run, struct error *error);

/* What to poll for before the next turn; at run->until it is due anyway. */
short script_run_events(const struct script_run *run);

/* Runs it to its end, waiting. */
enum script_result script_run_all(struct script_run *run, struct error *error);

#endif
