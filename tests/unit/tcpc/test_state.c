/* SPDX-License-Identifier: MIT */
/* The figure of RFC 9293, section 3.3.2, arrow by arrow. */
#include "tcpc/state.h"

#include <criterion/criterion.h>
#include <string.h>

Test(state, no_name_is_longer_than_its_column)
{
    for (enum state state = STATE_CLOSED; state < STATES; state++) {
        cr_expect_gt(strlen(state_name(state)), 0u);
        cr_expect_leq(strlen(state_name(state)), (size_t)STATE_NAME_MAX);
    }
    cr_expect_str_eq(state_name(STATE_UNKNOWN), "");
}

static void leads(enum state state, enum state_input input, enum state wanted)
{
    cr_expect_eq(state_next(state, input), wanted, "%s and input %d: %s", state_name(state),
                 (int)input, state_name(state_next(state, input)));
}

Test(state, arrows)
{
    leads(STATE_UNKNOWN, STATE_SENDS_SYN, STATE_SYN_SENT);
    leads(STATE_UNKNOWN, STATE_SENDS_SYN_ACK, STATE_SYN_RCVD);
    leads(STATE_SYN_SENT, STATE_GETS_SYN_ACK, STATE_ESTABLISHED);
    leads(STATE_SYN_SENT, STATE_SENDS_SYN_ACK, STATE_SYN_RCVD);
    leads(STATE_SYN_RCVD, STATE_GETS_ACK_OF_SYN, STATE_ESTABLISHED);
    leads(STATE_SYN_RCVD, STATE_SENDS_FIN, STATE_FIN_WAIT_1);
    leads(STATE_ESTABLISHED, STATE_SENDS_FIN, STATE_FIN_WAIT_1);
    leads(STATE_ESTABLISHED, STATE_GETS_FIN, STATE_CLOSE_WAIT);
    leads(STATE_FIN_WAIT_1, STATE_GETS_ACK_OF_FIN, STATE_FIN_WAIT_2);
    leads(STATE_FIN_WAIT_1, STATE_GETS_FIN, STATE_CLOSING);
    leads(STATE_FIN_WAIT_2, STATE_GETS_FIN, STATE_TIME_WAIT);
    leads(STATE_CLOSE_WAIT, STATE_SENDS_FIN, STATE_LAST_ACK);
    leads(STATE_CLOSING, STATE_GETS_ACK_OF_FIN, STATE_TIME_WAIT);
    leads(STATE_LAST_ACK, STATE_GETS_ACK_OF_FIN, STATE_CLOSED);
}

Test(state, a_reset_ends_them_all)
{
    for (enum state state = STATE_SYN_SENT; state < STATES; state++)
        leads(state, STATE_GETS_RST, STATE_CLOSED);
    leads(STATE_CLOSED, STATE_GETS_RST, STATE_UNKNOWN);
}

Test(state, what_means_nothing_changes_nothing)
{
    leads(STATE_ESTABLISHED, STATE_GETS_ACK_OF_SYN, STATE_UNKNOWN);
    leads(STATE_FIN_WAIT_2, STATE_GETS_ACK_OF_FIN, STATE_UNKNOWN);
    leads(STATE_CLOSE_WAIT, STATE_GETS_FIN, STATE_UNKNOWN);
    leads(STATE_TIME_WAIT, STATE_SENDS_FIN, STATE_UNKNOWN);
    leads(STATE_CLOSED, STATE_SENDS_FIN, STATE_UNKNOWN);
}
