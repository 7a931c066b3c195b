/* SPDX-License-Identifier: MIT */
/*
 * The connection at work: bytes from standard input to the peer and from the
 * peer to standard output, both at once.  Neither direction waits for the other; each
 * holds at most BYTES_MAX and stops reading when that is full.
 */
#ifndef TCPD_TCPC_RELAY_H
#define TCPD_TCPC_RELAY_H

#include "base/error.h"
#include "tcpc/bytes.h"
#include "tcpc/ends.h"
#include "tcpc/story.h"
#include "tcpc/visible.h"
#include "tcpc/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum relay_input {
    RELAY_INPUT_BYTES, /* standard input is read and sent as it comes */
    RELAY_INPUT_KEYS,  /* somebody else reads it: tell when a key is there */
    RELAY_INPUT_IDLE,  /* leave it alone for now */
    RELAY_INPUT_ENDED,
};

enum relay_event {
    RELAY_GOING,
    RELAY_KEY,  /* standard input is readable (RELAY_INPUT_KEYS) */
    RELAY_OVER, /* nothing more will happen */
};

struct relay {
    struct wire *wire; /* connected; borrowed */
    int signals;       /* from signals_open; borrowed */
    const struct story *story;
    struct output output;
    enum relay_input input;
    bool patient;            /* input may still bring something after the peer has finished */
    bool half_close;         /* whether the end of input is passed on to the peer */
    bool half_closed;        /* our farewell is sent */
    bool peer_done;          /* nothing more comes from the peer: its farewell or an error */
    bool hung_up;            /* poll has nothing more to tell about the connection */
    bool stopped;            /* a signal, or an end of ours is gone */
    int broken;              /* errno that ended the connection, or 0 */
    int signal;              /* the signal that ended it, or 0 */
    uint64_t input_time;     /* when input last brought something, or the peer finished */
    uint64_t sent, received; /* bytes of the connection */
    const char *first;       /* who finished first, in words; NULL: nobody yet */
    struct error failure;    /* an end of ours that failed; text empty if none did */
    bool harmless;           /* what is written is made harmless for a terminal, or shown (hex) */
    bool crlf;               /* a newline of the input is sent as CR LF */
    bool after_return;       /* the input's last byte was a CR */
    struct visible visible;
    /* Takes over writing when set; takes all that it is given. */
    void (*print)(void *context, const char *bytes, size_t length);
    /* Hears of a signal that does not end the connection. */
    void (*signalled)(void *context, int signal);
    void *context;
    struct bytes up, down;
};

/* Begins with nothing queued, and with standard input to be sent as it comes. */
void relay_init(struct relay *relay, struct wire *wire, int signals, const struct story *story);

/* Shows what is not printable, whatever standard output is. */
void relay_show(struct relay *relay);

void relay_fini(struct relay *relay);

/* Waits until something can be done, and does it. */
enum relay_event relay_turn(struct relay *relay);

/* Queues bytes for the peer and returns how many found room. */
size_t relay_push(struct relay *relay, const char *bytes, size_t length);

/* Input has ended: what is queued is sent, then (half_close) a FIN. */
void relay_end_input(struct relay *relay);

#endif
