/* SPDX-License-Identifier: MIT */
/* Asks the daemon again and again, without ever waiting for it, and finds it again when it left. */
#ifndef TCPD_TCPCTL_WATCH_H
#define TCPD_TCPCTL_WATCH_H

#include "base/error.h"
#include "tcpctl/client.h"
#include "tcpctl/figures.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WATCH_QUESTIONS 3

struct watch {
    const char *socket;
    uint64_t interval; /* nanoseconds */
    struct client client;
    bool connected;
    bool resting;      /* all questions have been answered */
    size_t asked;      /* the question under way */
    uint64_t due;      /* when the next look, or the next attempt to connect, is due */
    uint64_t deadline; /* of the answer under way */
    json_t *answers[WATCH_QUESTIONS];
    struct figures figures; /* the last that was told */
    struct error trouble;   /* why nothing newer is; its text is empty when all is well */
};

void watch_init(struct watch *watch, const char *socket, uint64_t interval);

/* Does what there is to do now.  Returns whether figures or trouble have changed. */
bool watch_turn(struct watch *watch, uint64_t now);

/* When there is something to do, if watch_fd() is not readable before. */
uint64_t watch_due(const struct watch *watch);

int watch_fd(const struct watch *watch); /* -1: none now */

void watch_hurry(struct watch *watch, uint64_t now); /* the next look is now, if all is well */

void watch_fini(struct watch *watch);

#endif
