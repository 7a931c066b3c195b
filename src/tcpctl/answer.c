/* SPDX-License-Identifier: MIT */
#include "tcpctl/answer.h"

#include "tcpctl/heap.h"

#include <stdlib.h>

static enum answer_kind nonsense(struct error *error, const char *why)
{
    error_set(error, 0, "what answers is not tcpd, or another version: %s", why);
    return ANSWER_NONSENSE;
}

static enum answer_kind kind_of(const json_t *answer)
{
    const json_t *ok = json_object_get(answer, "ok");
    if (json_is_boolean(ok))
        return json_is_true(ok) ? ANSWER_DONE : ANSWER_REFUSED;
    return json_is_true(json_object_get(answer, "progress")) ? ANSWER_PROGRESS : ANSWER_NONSENSE;
}

enum answer_kind answer_parse(const char *line, size_t length, json_t **answer, struct error *error)
{
    json_error_t why;
    *answer = json_loadb(line, length, 0, &why);
    if (!*answer)
        return nonsense(error, why.text);
    enum answer_kind kind = kind_of(*answer);
    if (kind != ANSWER_NONSENSE)
        return kind;
    json_decref(*answer);
    *answer = NULL;
    return nonsense(error, "a line says neither \"ok\" nor \"progress\"");
}

char *answer_request(const json_t *request)
{
    char *text = json_dumps(request, JSON_COMPACT);
    char *line = text ? heap_print("%s\n", text) : NULL;
    free(text);
    return line;
}
