/* SPDX-License-Identifier: MIT */
/*
 * Status: HTTP for those who watch the daemon.
 *
 *   /metrics   what it has counted, for Prometheus
 *   /healthz   200 as long as it answers
 *   /readyz    200 while the daemon serves, else 503 and a word why
 *
 * Requests are answered one in a turn.  The metrics of many services are more than should be
 * printed in a turn or wait in a buffer: they go out piece by piece, as the peer takes them, and
 * the requests behind them wait.
 */
#include "base/clock.h"
#include "conn/conn.h"
#include "service/builtin.h"
#include "service/http.h"
#include "service/metrics.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define PIECE       ((size_t)16 * 1024) /* of the metrics, in one turn */
#define PIECE_TIME  CLOCK_MS            /* no longer than that, however slow the counting is */
#define FRAMING_MAX 512                 /* the head of an answer, or what is around a chunk */

struct status {
    struct metrics metrics; /* the text in the making */
    uint64_t skip;          /* bytes of a request's body that are still to come */
    bool printing;          /* there is more of the text */
    bool chunked;           /* its pieces have their length before them */
    bool keep;              /* after this answer the connection stays */
};

/* What is to be sent, put together on the stack so that it goes in one piece. */
struct out {
    size_t length;
    char bytes[PIECE + FRAMING_MAX];
};

/* A whole answer. */
struct page {
    enum http_status status;
    const char *type, *body;
    size_t length;
};

__attribute__((format(printf, 2, 3))) static void add(struct out *out, const char *format, ...)
{
    va_list arguments;
    size_t room = sizeof out->bytes - out->length;
    va_start(arguments, format);
    int length = vsnprintf(out->bytes + out->length, room, format, arguments);
    va_end(arguments);
    if (length > 0 && (size_t)length < room)
        out->length += (size_t)length;
}

static void add_bytes(struct out *out, const char *bytes, size_t length)
{
    memcpy(out->bytes + out->length, bytes, length);
    out->length += length;
}

/* The head of an answer. */

static void add_date(struct out *out)
{
    char date[64];
    struct tm tm;
    time_t now = time(NULL);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
    add(out, "Date: %s\r\n", date);
}

static void add_head(struct out *out, enum http_status status, const char *type)
{
    add(out, "HTTP/1.1 %d %s\r\n", (int)status, http_phrase(status));
    add_date(out);
    add(out, "Content-Type: %s\r\nCache-Control: no-store\r\n", type);
    if (status == HTTP_METHOD_NOT_ALLOWED)
        add(out, "Allow: GET, HEAD\r\n");
}

static void end_head(struct out *out, const struct status *state,
                     const struct http_request *request)
{
    if (!state->keep)
        add(out, "Connection: close\r\n");
    else if (request->is_1_0)
        add(out, "Connection: keep-alive\r\n");
    add(out, "\r\n");
}

static void end_answer(struct conn *conn, const struct out *out)
{
    const struct status *state = conn_state(conn);
    conn_send(conn, out->bytes, out->length);
    if (!state->keep && !state->printing)
        conn_finish(conn);
}

/* Answers that are there as a whole. */

static void answer_page(struct conn *conn, const struct http_request *request,
                        const struct page *page)
{
    struct out out = {.length = 0};
    add_head(&out, page->status, page->type);
    add(&out, "Content-Length: %zu\r\n", page->length);
    end_head(&out, conn_state(conn), request);
    if (!request->is_head)
        add_bytes(&out, page->body, page->length);
    end_answer(conn, &out);
}

static void answer_text(struct conn *conn, const struct http_request *request,
                        enum http_status status, const char *text)
{
    struct page page = {status, "text/plain; charset=utf-8", text, strlen(text)};
    answer_page(conn, request, &page);
}

/* An error in its own words: nothing of the request comes back. */
static void answer_error(struct conn *conn, const struct http_request *request)
{
    char text[64];
    snprintf(text, sizeof text, "%s\n", http_phrase(request->status));
    answer_text(conn, request, request->status, text);
}

static void answer_index(struct conn *conn, const struct http_request *request)
{
    static const char html[] = "<!DOCTYPE html>\n"
                               "<html lang=\"en\"><head><title>tcpd</title></head><body>\n"
                               "<h1>tcpd</h1>\n"
                               "<ul>\n"
                               "<li><a href=\"/metrics\">/metrics</a></li>\n"
                               "<li><a href=\"/healthz\">/healthz</a></li>\n"
                               "<li><a href=\"/readyz\">/readyz</a></li>\n"
                               "</ul>\n"
                               "</body></html>\n";
    struct page page = {HTTP_OK, "text/html; charset=utf-8", html, sizeof html - 1};
    answer_page(conn, request, &page);
}

static void answer_health(struct conn *conn, const struct http_request *request)
{
    answer_text(conn, request, HTTP_OK, "ok\n");
}

static void answer_ready(struct conn *conn, const struct http_request *request)
{
    static const char *const words[] = {[DAEMON_STARTING] = "starting\n",
                                        [DAEMON_SERVING] = "ok\n",
                                        [DAEMON_DRAINING] = "draining\n",
                                        [DAEMON_STOPPING] = "stopping\n"};
    uint64_t state = counter_get(&conn_scoreboard(conn)->head->daemon.state);
    const char *word = state < sizeof words / sizeof *words ? words[state] : "unknown\n";
    answer_text(conn, request, state == DAEMON_SERVING ? HTTP_OK : HTTP_UNAVAILABLE, word);
}

/* The metrics. */

static size_t print_piece(struct status *state, char piece[PIECE])
{
    size_t length = metrics_print(&state->metrics, piece, PIECE, clock_now() + PIECE_TIME);
    state->printing = !metrics_ended(&state->metrics);
    return length;
}

/* An empty chunk would be the end. */
static void add_piece(struct out *out, const struct status *state, const char *piece, size_t length)
{
    if (state->chunked && length > 0)
        add(out, "%zx\r\n", length);
    add_bytes(out, piece, length);
    if (state->chunked && length > 0)
        add(out, "\r\n");
    if (state->chunked && !state->printing)
        add(out, "0\r\n\r\n");
}

/* Of a text that goes on, the length is not known: it comes in chunks, or the close ends it. */
static void add_framing(struct out *out, struct status *state, const struct http_request *request,
                        size_t length)
{
    state->chunked = state->printing && !request->is_1_0;
    if (state->chunked)
        add(out, "Transfer-Encoding: chunked\r\n");
    else if (state->printing)
        state->keep = false;
    else
        add(out, "Content-Length: %zu\r\n", length);
    end_head(out, state, request);
}

static void answer_metrics(struct conn *conn, const struct http_request *request)
{
    char piece[PIECE];
    struct out out = {.length = 0};
    struct status *state = conn_state(conn);
    metrics_begin(&state->metrics, conn_scoreboard(conn));
    size_t length = print_piece(state, piece);
    add_head(&out, HTTP_OK, METRICS_TYPE);
    add_framing(&out, state, request, length);
    if (request->is_head)
        state->printing = false;
    else
        add_piece(&out, state, piece, length);
    conn_want_room(conn, state->printing);
    end_answer(conn, &out);
}

static void go_on_with_metrics(struct conn *conn)
{
    char piece[PIECE];
    struct out out = {.length = 0};
    struct status *state = conn_state(conn);
    size_t length = print_piece(state, piece);
    add_piece(&out, state, piece, length);
    conn_want_room(conn, state->printing);
    end_answer(conn, &out);
}

/* Requests. */

static const struct {
    const char *path;
    void (*answer)(struct conn *conn, const struct http_request *request);
} resources[] = {
    {"/", answer_index},
    {"/metrics", answer_metrics},
    {"/healthz", answer_health},
    {"/readyz", answer_ready},
};

static void answer(struct conn *conn, struct http_request *request)
{
    for (size_t i = 0; request->status == HTTP_OK && i < sizeof resources / sizeof *resources; i++)
        if (strcmp(request->path, resources[i].path) == 0) {
            resources[i].answer(conn, request);
            return;
        }
    if (request->status == HTTP_OK)
        request->status = HTTP_NOT_FOUND;
    answer_error(conn, request);
}

static size_t skip_body(struct status *state, size_t length)
{
    size_t skipped = state->skip < length ? (size_t)state->skip : length;
    state->skip -= skipped;
    return skipped;
}

/* Returns how much the head of the request took; 0: it is not there yet. */
static size_t take_request(struct conn *conn, const char *bytes, size_t length)
{
    struct http_request request;
    struct status *state = conn_state(conn);
    size_t used = http_read(&request, bytes, length);
    if (used == 0)
        return 0;
    state->skip = request.body;
    state->keep = request.keep && !conn_drains(conn);
    answer(conn, &request);
    return used;
}

/* A peer that has sent a thousand requests at once waits its turn for each of them. */
static size_t status_data(struct conn *conn, const char *bytes, size_t length)
{
    struct status *state = conn_state(conn);
    size_t used = skip_body(state, length);
    if (used == length || state->printing || conn_room(conn) == 0)
        return used;
    size_t head = take_request(conn, bytes + used, length - used);
    used += head;
    used += skip_body(state, length - used);
    if (head > 0 && used < length)
        conn_want_room(conn, true);
    return used;
}

static void status_room(struct conn *conn)
{
    const struct status *state = conn_state(conn);
    conn_want_room(conn, false);
    if (state->printing)
        go_on_with_metrics(conn);
}

/* The end: of the connection when everything is answered, or of a request that is not whole. */
static void status_eof(struct conn *conn, const char *rest, size_t length)
{
    struct status *state = conn_state(conn);
    struct http_request incomplete = {.status = HTTP_BAD_REQUEST};
    (void)rest;
    state->keep = false;
    if (length > 0)
        answer_error(conn, &incomplete);
    else if (!state->printing)
        conn_finish(conn);
}

static void status_open(struct conn *conn)
{
    conn_want_room(conn, false);
}

const struct service_ops status_service = {
    .type = "status",
    .about = "tells over HTTP how the daemon is and what it has counted",
    .state_size = sizeof(struct status),
    .open = status_open,
    .data = status_data,
    .eof = status_eof,
    .room = status_room,
};
