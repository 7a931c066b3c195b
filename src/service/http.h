/* SPDX-License-Identifier: MIT */
/*
 * The head of an HTTP request, as RFC 9112 has it: read, judged, and nothing of it kept.  For
 * a server of few small resources that needs no request's body.
 *
 * Any thread.
 */
#ifndef TCPD_SERVICE_HTTP_H
#define TCPD_SERVICE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEAD_MAX   8192                /* bytes, of the request line and all fields */
#define HTTP_BODY_MAX   ((uint64_t)1 << 16) /* a longer one is not waited for */
#define HTTP_TARGET_MAX 32 /* of a path that is told; a longer one is no path of ours */

enum http_status {
    HTTP_OK = 200,
    HTTP_BAD_REQUEST = 400,
    HTTP_NOT_FOUND = 404,
    HTTP_METHOD_NOT_ALLOWED = 405,
    HTTP_URI_TOO_LONG = 414,
    HTTP_HEAD_TOO_LARGE = 431,
    HTTP_NOT_IMPLEMENTED = 501,
    HTTP_UNAVAILABLE = 503,
    HTTP_VERSION_NOT_SUPPORTED = 505,
};

struct http_request {
    enum http_status status;        /* HTTP_OK: GET or HEAD of a path; else what to answer */
    char path[HTTP_TARGET_MAX + 1]; /* without the query; "" when it is longer than any of ours */
    bool is_head;                   /* no body in the answer */
    bool is_1_0;                    /* the peer knows no chunks */
    bool keep;                      /* the connection may serve another request */
    uint64_t body;                  /* bytes of it that follow the head, and are to be skipped */
};

/*
 * Reads one head from what has come.  Returns how many bytes it took; 0: there must come more.
 * Empty lines before it belong to it.  Where framing is in doubt, `keep` is false and what follows
 * means nothing.
 */
size_t http_read(struct http_request *request, const char *bytes, size_t length);

/* "Not Found" for 404. */
const char *http_phrase(enum http_status status);

#endif
