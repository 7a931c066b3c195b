/* SPDX-License-Identifier: MIT */
/* One line of what the daemon answers. */
#ifndef TCPD_TCPCTL_ANSWER_H
#define TCPD_TCPCTL_ANSWER_H

#include "base/error.h"

#include <jansson.h>
#include <stddef.h>

enum answer_kind {
    ANSWER_PROGRESS, /* others will follow */
    ANSWER_DONE,
    ANSWER_REFUSED,
    ANSWER_NONSENSE, /* no answer at all */
};

/* Reads a line; *answer is for json_decref(), and NULL with ANSWER_NONSENSE and its sentence. */
enum answer_kind answer_parse(const char *line, size_t length, json_t **answer,
                              struct error *error);

/* The request as a line with its newline; for free(3).  NULL: no memory. */
char *answer_request(const json_t *request);

#endif
