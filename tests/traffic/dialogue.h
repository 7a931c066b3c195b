/* SPDX-License-Identifier: MIT */
/*
 * What is said to a service and what it has to answer, byte by byte.  Written down a second time
 * on purpose: nothing here comes from the services themselves.
 */
#ifndef TCPD_TRAFFIC_DIALOGUE_H
#define TCPD_TRAFFIC_DIALOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes to send, and those that have to come back for them: as many, no others. */
struct exchange {
    size_t out_length, in_length;
    size_t sent, got; /* how far it has come */
    char out[192], in[320];
};

/* Each adds its part to an exchange. */
struct dialogue {
    const char *name;
    void (*open)(struct exchange *exchange); /* what the server says by itself; NULL: nothing */
    /* Message `message` of connection `number`: no two are the same. */
    void (*ask)(struct exchange *exchange, uint64_t number, unsigned message);
    void (*leave)(struct exchange *exchange); /* makes the server close; NULL: nothing does */
};

/* By the first `length` bytes of a name; NULL: there is none. */
const struct dialogue *dialogue_find(const char *name, size_t length);

static inline bool exchange_is_done(const struct exchange *exchange)
{
    return exchange->sent == exchange->out_length && exchange->got == exchange->in_length;
}

#endif
