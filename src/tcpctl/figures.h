/* SPDX-License-Identifier: MIT */
/* What top shows: the daemon's last answers, rates out of two of them, and an order. */
#ifndef TCPD_TCPCTL_FIGURES_H
#define TCPD_TCPCTL_FIGURES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* {0}: nothing was asked yet. */
struct figures {
    json_t *status, *services, *connections; /* the answers, or NULL */
    uint64_t time;                           /* when they came */
    bool has_rates;                          /* since the daemon has answered twice */
    double accepted, received, sent;         /* each second, by all services */
};

/*
 * Takes new answers over.  Each service gets the members accepted_rate, received_rate and
 * sent_rate, when the same daemon has told of it before.
 */
void figures_take(struct figures *figures, json_t *status, json_t *services, json_t *connections,
                  uint64_t now);

void figures_free(struct figures *figures);

/* An order of the connections, and the key that chooses it. */
struct figures_order {
    int key;
    const char *name;
    const char *member;
    bool text; /* else a number, and the greatest comes first */
};

extern const struct figures_order figures_orders[]; /* the last one has no name */

const struct figures_order *figures_order_find(int key); /* NULL: the key means nothing here */

/*
 * The connections in that order, or the opposite one; those that are equal stay as they came.
 * *count becomes their number.  For free(3), and good as long as the figures are.
 */
const json_t **figures_sort(const struct figures *figures, const struct figures_order *order,
                            bool reverse, size_t *count);

#endif
