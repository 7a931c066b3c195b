/* SPDX-License-Identifier: MIT */
/* The states of one end of a connection, and what takes it from one to the next (RFC 9293, 3.3.2).
 */
#ifndef TCPD_TCPC_STATE_H
#define TCPD_TCPC_STATE_H

enum state {
    STATE_UNKNOWN, /* nothing was seen of it; and "no change" */
    STATE_CLOSED,
    STATE_SYN_SENT,
    STATE_SYN_RCVD,
    STATE_ESTABLISHED,
    STATE_FIN_WAIT_1,
    STATE_FIN_WAIT_2,
    STATE_CLOSE_WAIT,
    STATE_CLOSING,
    STATE_LAST_ACK,
    STATE_TIME_WAIT,
    STATES,
};

enum state_input {
    STATE_SENDS_SYN,
    STATE_SENDS_SYN_ACK,
    STATE_SENDS_FIN,
    STATE_SENDS_RST,
    STATE_GETS_SYN_ACK, /* which acknowledges its SYN */
    STATE_GETS_ACK_OF_SYN,
    STATE_GETS_FIN,
    STATE_GETS_ACK_OF_FIN,
    STATE_GETS_RST,
    STATE_INPUTS,
};

/* The state that an end enters, or STATE_UNKNOWN when the input means nothing in its state. */
enum state state_next(enum state state, enum state_input input);

/* As RFC 9293 writes it, with "_" for "-": "FIN_WAIT_1"; at most STATE_NAME_MAX characters. */
#define STATE_NAME_MAX 11
const char *state_name(enum state state);

#endif
