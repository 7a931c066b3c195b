/* SPDX-License-Identifier: MIT */
#include "tcpc/state.h"

static const char *const names[STATES] = {
    [STATE_UNKNOWN] = "",
    [STATE_CLOSED] = "CLOSED",
    [STATE_SYN_SENT] = "SYN_SENT",
    [STATE_SYN_RCVD] = "SYN_RCVD",
    [STATE_ESTABLISHED] = "ESTABLISHED",
    [STATE_FIN_WAIT_1] = "FIN_WAIT_1",
    [STATE_FIN_WAIT_2] = "FIN_WAIT_2",
    [STATE_CLOSE_WAIT] = "CLOSE_WAIT",
    [STATE_CLOSING] = "CLOSING",
    [STATE_LAST_ACK] = "LAST_ACK",
    [STATE_TIME_WAIT] = "TIME_WAIT",
};

/*
 * The figure of RFC 9293 as a table.  An end whose beginning was not seen is taken for
 * a listener.  A reset ends every state.
 */
static const enum state table[STATES][STATE_INPUTS] = {
    [STATE_UNKNOWN] = {[STATE_SENDS_SYN] = STATE_SYN_SENT,
                       [STATE_SENDS_SYN_ACK] = STATE_SYN_RCVD,
                       [STATE_SENDS_RST] = STATE_CLOSED},
    [STATE_SYN_SENT] = {[STATE_SENDS_SYN_ACK] = STATE_SYN_RCVD,
                        [STATE_SENDS_RST] = STATE_CLOSED,
                        [STATE_GETS_SYN_ACK] = STATE_ESTABLISHED,
                        [STATE_GETS_RST] = STATE_CLOSED},
    [STATE_SYN_RCVD] = {[STATE_SENDS_FIN] = STATE_FIN_WAIT_1,
                        [STATE_SENDS_RST] = STATE_CLOSED,
                        [STATE_GETS_SYN_ACK] = STATE_ESTABLISHED,
                        [STATE_GETS_ACK_OF_SYN] = STATE_ESTABLISHED,
                        [STATE_GETS_FIN] = STATE_CLOSE_WAIT,
                        [STATE_GETS_RST] = STATE_CLOSED},
    [STATE_ESTABLISHED] = {[STATE_SENDS_FIN] = STATE_FIN_WAIT_1,
                           [STATE_SENDS_RST] = STATE_CLOSED,
                           [STATE_GETS_FIN] = STATE_CLOSE_WAIT,
                           [STATE_GETS_RST] = STATE_CLOSED},
    [STATE_FIN_WAIT_1] = {[STATE_SENDS_RST] = STATE_CLOSED,
                          [STATE_GETS_ACK_OF_FIN] = STATE_FIN_WAIT_2,
                          [STATE_GETS_FIN] = STATE_CLOSING,
                          [STATE_GETS_RST] = STATE_CLOSED},
    [STATE_FIN_WAIT_2] = {[STATE_SENDS_RST] = STATE_CLOSED,
                          [STATE_GETS_FIN] = STATE_TIME_WAIT,
                          [STATE_GETS_RST] = STATE_CLOSED},
    [STATE_CLOSE_WAIT] = {[STATE_SENDS_FIN] = STATE_LAST_ACK,
                          [STATE_SENDS_RST] = STATE_CLOSED,
                          [STATE_GETS_RST] = STATE_CLOSED},
    [STATE_CLOSING] = {[STATE_SENDS_RST] = STATE_CLOSED,
                       [STATE_GETS_ACK_OF_FIN] = STATE_TIME_WAIT,
                       [STATE_GETS_RST] = STATE_CLOSED},
    [STATE_LAST_ACK] = {[STATE_SENDS_RST] = STATE_CLOSED,
                        [STATE_GETS_ACK_OF_FIN] = STATE_CLOSED,
                        [STATE_GETS_RST] = STATE_CLOSED},
    [STATE_TIME_WAIT] = {[STATE_GETS_RST] = STATE_CLOSED},
};

enum state state_next(enum state state, enum state_input input)
{
    return table[state][input];
}

const char *state_name(enum state state)
{
    return names[state];
}
