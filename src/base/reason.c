/* SPDX-License-Identifier: MIT */
#include "base/reason.h"

#define REASON_NAME(name, text) text,

const char *close_reason_name(enum close_reason reason)
{
    static const char *const names[] = {CLOSE_REASONS(REASON_NAME)};
    return names[reason];
}

const char *reject_reason_name(enum reject_reason reason)
{
    static const char *const names[] = {REJECT_REASONS(REASON_NAME)};
    return names[reason];
}
