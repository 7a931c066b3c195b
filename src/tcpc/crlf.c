/* SPDX-License-Identifier: MIT */
#include "tcpc/crlf.h"

size_t crlf_feed(bool *after_return, const char *bytes, size_t length, char *out)
{
    char *end = out;
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] == '\n' && !*after_return)
            *end++ = '\r';
        *end++ = bytes[i];
        *after_return = bytes[i] == '\r';
    }
    return (size_t)(end - out);
}
