/* SPDX-License-Identifier: MIT */
/* Heads of requests, good and bad, whole and in pieces. */
#include "service/http.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define H11 "Host: a\r\n"

static const struct {
    const char *text;
    enum http_status status;
    bool keep;
    const char *path; /* where the status is 200 */
} requests[] = {
    /* Good ones. */
    {"GET / HTTP/1.1\r\n" H11 "\r\n", 200, true, "/"},
    {"GET /metrics HTTP/1.1\r\n" H11 "\r\n", 200, true, "/metrics"},
    {"HEAD /metrics HTTP/1.1\r\n" H11 "\r\n", 200, true, "/metrics"},
    {"GET /metrics?name=x&y HTTP/1.1\r\n" H11 "\r\n", 200, true, "/metrics"},
    {"GET /? HTTP/1.1\r\n" H11 "\r\n", 200, true, "/"},
    {"GET /a/b%20c;d=(e)!~ HTTP/1.1\r\n" H11 "\r\n", 200, true, "/a/b%20c;d=(e)!~"},
    {"GET /metrics HTTP/1.0\r\n\r\n", 200, false, "/metrics"},
    {"GET /metrics HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, true, "/metrics"},
    {"GET /metrics HTTP/1.0\r\nConnection: Keep-Alive, TE\r\n\r\n", 200, true, "/metrics"},
    {"GET /metrics HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n", 200, false,
     "/metrics"},
    {"GET / HTTP/1.1\r\n" H11 "Connection: close\r\n\r\n", 200, false, "/"},
    {"GET / HTTP/1.1\r\n" H11 "Connection: foo ,\tCLOSE\r\n\r\n", 200, false, "/"},
    {"GET / HTTP/1.1\r\n" H11 "Connection: closed\r\n\r\n", 200, true, "/"},
    {"GET / HTTP/1.1\r\n" H11 "Connection:\r\n\r\n", 200, true, "/"},
    {"GET / HTTP/1.1\r\n" H11 "X-Connection: close\r\n\r\n", 200, true, "/"},
    {"GET / HTTP/1.1\r\nhOST: a\r\n\r\n", 200, true, "/"},
    {"GET / HTTP/1.1\r\nHost:\r\n\r\n", 200, true, "/"},
    {"GET / HTTP/1.1\r\nHost:\t [::1]:6080 \t\r\n\r\n", 200, true, "/"},
    {"GET / HTTP/1.1\r\n" H11 "Empty:\r\nAlso-Empty: \t\r\n\r\n", 200, true, "/"},
    {"GET / HTTP/1.1\r\n" H11 "Any: a:b \x80\xff\tc\r\n\r\n", 200, true, "/"},
    {"GET / HTTP/1.1\n" H11 "\n", 200, true, "/"},
    {"GET / HTTP/1.0\n\n", 200, false, "/"},
    {"\r\nGET / HTTP/1.0\r\n\r\n", 200, false, "/"},
    {"\r\n\n\r\nGET / HTTP/1.1\r\n" H11 "\r\n", 200, true, "/"},
    {"GET http://a/metrics HTTP/1.1\r\n" H11 "\r\n", 200, true, "/metrics"},
    {"GET HTTP://a:80/metrics?x HTTP/1.1\r\n" H11 "\r\n", 200, true, "/metrics"},
    {"GET http://a HTTP/1.1\r\n" H11 "\r\n", 200, true, "/"},
    {"GET http://a?/metrics HTTP/1.1\r\n" H11 "\r\n", 200, true, "/"},
    {"GET / HTTP/1.2\r\n" H11 "\r\n", 200, true, "/"},
    {"GET / HTTP/1.1\r\n" H11 "Content-Length: 0\r\n\r\n", 200, true, "/"},
    {"GET / HTTP/1.1\r\n" H11 "Content-Length: 000000000000000000000000000012\r\n\r\n", 200, true,
     "/"},
    {"GET / HTTP/1.1\r\n" H11 "Content-Length: 65536\r\n\r\n", 200, true, "/"},
    {"GET / HTTP/1.1\r\n" H11 "Content-Length: 65537\r\n\r\n", 200, false, "/"},
    {"GET / HTTP/1.1\r\n" H11 "Content-Length: 99999999999999999999999999\r\n\r\n", 200, false,
     "/"},
    {"GET / HTTP/1.1\r\n" H11 "Transfer-Encoding: chunked\r\n\r\n", 200, false, "/"},
    {"GET / HTTP/1.1\r\n" H11 "Transfer-Encoding: Chunked \r\n\r\n", 200, false, "/"},
    {"GET / HTTP/1.1\r\n" H11 "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n", 200, false, "/"},
    /* Other methods. */
    {"POST / HTTP/1.1\r\n" H11 "Content-Length: 5\r\n\r\n", 405, true, NULL},
    {"POST / HTTP/1.1\r\n" H11 "Transfer-Encoding: chunked\r\n\r\n", 405, false, NULL},
    {"OPTIONS * HTTP/1.1\r\n" H11 "\r\n", 405, true, NULL},
    {"OPTIONS / HTTP/1.1\r\n" H11 "\r\n", 405, true, NULL},
    {"TRACE / HTTP/1.1\r\n" H11 "Secret: x\r\n\r\n", 405, true, NULL},
    {"CONNECT a:443 HTTP/1.1\r\n" H11 "\r\n", 405, true, NULL},
    {"PUT /x HTTP/1.0\r\n\r\n", 405, false, NULL},
    {"get / HTTP/1.1\r\n" H11 "\r\n", 405, true, NULL},
    {"GETS / HTTP/1.1\r\n" H11 "\r\n", 405, true, NULL},
    {"!#$%&'*+-.^_`|~9 / HTTP/1.1\r\n" H11 "\r\n", 405, true, NULL},
    {"POST / HTTP/1.1\r\n\r\n", 400, false, NULL},
    /* Request lines that are none. */
    {"GET\r\n\r\n", 400, false, NULL},
    {"GET /\r\n\r\n", 400, false, NULL},
    {" GET / HTTP/1.1\r\n" H11 "\r\n", 400, false, NULL},
    {"GET  / HTTP/1.1\r\n" H11 "\r\n", 400, false, NULL},
    {"GET /  HTTP/1.1\r\n" H11 "\r\n", 400, false, NULL},
    {"GET / HTTP/1.1 \r\n" H11 "\r\n", 400, false, NULL},
    {"GET\t/\tHTTP/1.1\r\n" H11 "\r\n", 400, false, NULL},
    {"GET / x HTTP/1.1\r\n" H11 "\r\n", 400, false, NULL},
    {"GET metrics HTTP/1.1\r\n" H11 "\r\n", 400, false, NULL},
    {"GET * HTTP/1.1\r\n" H11 "\r\n", 400, false, NULL},
    {"GET a:80 HTTP/1.1\r\n" H11 "\r\n", 400, false, NULL},
    {"GET http:///metrics HTTP/1.1\r\n" H11 "\r\n", 400, false, NULL},
    {"GET http://u@a/metrics HTTP/1.1\r\n" H11 "\r\n", 400, false, NULL},
    {"GET https://a/metrics HTTP/1.1\r\n" H11 "\r\n", 400, false, NULL},
    {"GET /#a HTTP/1.1\r\n" H11 "\r\n", 400, false, NULL},
    {"GET /\"<> HTTP/1.1\r\n" H11 "\r\n", 400, false, NULL},
    {"GET /\x80 HTTP/1.1\r\n" H11 "\r\n", 400, false, NULL},
    {"GET /\x7f HTTP/1.1\r\n" H11 "\r\n", 400, false, NULL},
    {"GET /\x01 HTTP/1.1\r\n" H11 "\r\n", 400, false, NULL},
    {"GET /\ra HTTP/1.1\r\n" H11 "\r\n", 400, false, NULL},
    {"GET / HTTP/1.1\r\r\n" H11 "\r\n", 400, false, NULL},
    {"G(T / HTTP/1.1\r\n" H11 "\r\n", 400, false, NULL},
    {"GET / http/1.1\r\n" H11 "\r\n", 400, false, NULL},
    {"GET / HTTP/1\r\n" H11 "\r\n", 400, false, NULL},
    {"GET / HTTP/11\r\n" H11 "\r\n", 400, false, NULL},
    {"GET / HTTP/1.10\r\n" H11 "\r\n", 400, false, NULL},
    {"GET / HTTP/a.1\r\n" H11 "\r\n", 400, false, NULL},
    {"GET / HTTPS/1.1\r\n" H11 "\r\n", 400, false, NULL},
    {"\x16\x03\x01\x02\n\n", 400, false, NULL},
    {"\r\r\nGET / HTTP/1.0\r\n\r\n", 400, false, NULL},
    /* Other versions. */
    {"GET / HTTP/2.0\r\n" H11 "\r\n", 505, false, NULL},
    {"GET / HTTP/0.9\r\n\r\n", 505, false, NULL},
    {"GET / HTTP/3.1\r\n\r\n", 505, false, NULL},
    {"PRI * HTTP/2.0\r\n\r\n", 505, false, NULL},
    /* Host. */
    {"GET / HTTP/1.1\r\n\r\n", 400, false, NULL},
    {"GET / HTTP/1.1\r\n" H11 H11 "\r\n", 400, false, NULL},
    {"GET / HTTP/1.0\r\n" H11 H11 "\r\n", 400, false, NULL},
    {"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400, false, NULL},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, false, NULL},
    {"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400, false, NULL},
    /* Fields that are none. */
    {"GET / HTTP/1.1\r\n" H11 "no colon\r\n\r\n", 400, false, NULL},
    {"GET / HTTP/1.1\r\n" H11 ": x\r\n\r\n", 400, false, NULL},
    {"GET / HTTP/1.1\r\n" H11 "A : x\r\n\r\n", 400, false, NULL},
    {"GET / HTTP/1.1\r\n" H11 "A\t: x\r\n\r\n", 400, false, NULL},
    {"GET / HTTP/1.1\r\n" H11 "A(b): x\r\n\r\n", 400, false, NULL},
    {"GET / HTTP/1.1\r\n" H11 "A\x80: x\r\n\r\n", 400, false, NULL},
    {"GET / HTTP/1.1\r\n" H11 "A: x\r\n y\r\n\r\n", 400, false, NULL},
    {"GET / HTTP/1.1\r\n" H11 "A: x\r\n\ty: z\r\n\r\n", 400, false, NULL},
    {"GET / HTTP/1.1\r\n " H11 "\r\n", 400, false, NULL},
    {"GET / HTTP/1.1\r\n" H11 " \r\n\r\n", 400, false, NULL},
    {"GET / HTTP/1.1\r\n" H11 "A: x\ry\r\n\r\n", 400, false, NULL},
    {"GET / HTTP/1.1\r\n" H11 "A: x\r\r\n\r\n", 400, false, NULL},
    {"GET / HTTP/1.1\r\n" H11 "A: \x01\r\n\r\n", 400, false, NULL},
    {"GET / HTTP/1.1\r\n" H11 "A: \x7f\r\n\r\n", 400, false, NULL},
    /* The length of the body. */
    {"GET / HTTP/1.1\r\n" H11 "Content-Length:\r\n\r\n", 400, false, NULL},
    {"GET / HTTP/1.1\r\n" H11 "Content-Length: -1\r\n\r\n", 400, false, NULL},
    {"GET / HTTP/1.1\r\n" H11 "Content-Length: +1\r\n\r\n", 400, false, NULL},
    {"GET / HTTP/1.1\r\n" H11 "Content-Length: 0x10\r\n\r\n", 400, false, NULL},
    {"GET / HTTP/1.1\r\n" H11 "Content-Length: 1 2\r\n\r\n", 400, false, NULL},
    {"GET / HTTP/1.1\r\n" H11 "Content-Length: 1, 1\r\n\r\n", 400, false, NULL},
    {"GET / HTTP/1.1\r\n" H11 "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, false, NULL},
    {"GET / HTTP/1.1\r\n" H11 "Content-Length: 1\r\ncontent-length: 1\r\n\r\n", 400, false, NULL},
    {"GET / HTTP/1.1\r\n" H11 "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400, false,
     NULL},
    {"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, false, NULL},
    {"GET / HTTP/1.1\r\n" H11 "Transfer-Encoding: gzip\r\n\r\n", 400, false, NULL},
    {"GET / HTTP/1.1\r\n" H11 "Transfer-Encoding:\r\n\r\n", 400, false, NULL},
    {"GET / HTTP/1.1\r\n" H11 "Transfer-Encoding: chunked, gzip\r\n\r\n", 400, false, NULL},
    {"GET / HTTP/1.1\r\n" H11 "Transfer-Encoding: xchunked\r\n\r\n", 400, false, NULL},
    {"GET / HTTP/1.1\r\n" H11 "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
     400, false, NULL},
    {"GET / HTTP/1.1\r\n" H11 "Transfer-Encoding: gzip, chunked\r\n\r\n", 501, false, NULL},
};

enum { REQUESTS = sizeof requests / sizeof *requests };

/* From memory of its own, so that a byte too far is noticed. */
static size_t read_copy(struct http_request *request, const char *text, size_t length)
{
    char *copy = malloc(length ? length : 1);
    cr_assert_not_null(copy);
    memcpy(copy, text, length);
    size_t used = http_read(request, copy, length);
    free(copy);
    return used;
}

static void check(const struct http_request *request, size_t i)
{
    const char *text = requests[i].text;
    cr_assert_eq(request->status, requests[i].status, "%d for: %s", (int)request->status, text);
    cr_assert_eq(request->keep, requests[i].keep, "kept %d: %s", request->keep, text);
    if (requests[i].path)
        cr_assert_str_eq(request->path, requests[i].path, "%s for: %s", request->path, text);
}

Test(http, whole_requests)
{
    struct http_request request;
    for (size_t i = 0; i < REQUESTS; i++) {
        size_t length = strlen(requests[i].text);
        cr_assert_eq(read_copy(&request, requests[i].text, length), length, "%s", requests[i].text);
        check(&request, i);
    }
}

Test(http, no_part_of_a_request_is_one)
{
    struct http_request request;
    for (size_t i = 0; i < REQUESTS; i++)
        for (size_t cut = 0; cut < strlen(requests[i].text); cut++)
            cr_assert_eq(read_copy(&request, requests[i].text, cut), 0, "%zu bytes of: %s", cut,
                         requests[i].text);
}

Test(http, what_follows_is_left_alone)
{
    struct http_request request;
    char text[1024];
    for (size_t i = 0; i < REQUESTS; i++)
        for (size_t j = 0; j < REQUESTS; j++) {
            int length = snprintf(text, sizeof text, "%s%s", requests[i].text, requests[j].text);
            cr_assert_eq(read_copy(&request, text, (size_t)length), strlen(requests[i].text));
            check(&request, i);
        }
}

Test(http, every_byte_of_the_head_replaced_by_every_other)
{
    static const char good[] = "GET /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n";
    struct http_request request;
    char text[sizeof good];
    for (size_t at = 0; at < sizeof good - 1; at++)
        for (int byte = 0; byte < 256; byte++) {
            memcpy(text, good, sizeof good);
            text[at] = (char)byte;
            size_t used = read_copy(&request, text, sizeof good - 1);
            cr_assert_leq(used, sizeof good - 1);
            bool control = byte < ' ' && !strchr("\r\n\t", byte);
            if (byte == 0 || control || byte == 0x7f)
                cr_assert(used == 0 || request.status == HTTP_BAD_REQUEST, "%d at %zu", byte, at);
        }
}

Test(http, the_body_is_told_and_bounded)
{
    static const struct {
        const char *length;
        uint64_t body;
    } bodies[] = {
        {"0", 0}, {"5", 5}, {"0065536", 65536}, {"65537", 0}, {"18446744073709551621", 0}};
    struct http_request request;
    char text[256];
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        int length =
            snprintf(text, sizeof text, "POST / HTTP/1.1\r\n" H11 "Content-Length: %s\r\n\r\n",
                     bodies[i].length);
        cr_assert_eq(read_copy(&request, text, (size_t)length), (size_t)length);
        cr_assert_eq(request.body, bodies[i].body, "%s", bodies[i].length);
    }
}

Test(http, head_and_version_are_told)
{
    struct http_request request;
    static const char head[] = "HEAD / HTTP/1.0\r\n\r\n", get[] = "GET / HTTP/1.1\r\n" H11 "\r\n";
    http_read(&request, head, sizeof head - 1);
    cr_assert(request.is_head && request.is_1_0);
    http_read(&request, get, sizeof get - 1);
    cr_assert(!request.is_head && !request.is_1_0);
}

/* A head of exactly that many bytes, padded in its target or in a field. */
static char *padded(size_t size, bool in_target)
{
    const char *before = in_target ? "GET /" : "GET / HTTP/1.1\r\nHost: a\r\nA: ";
    const char *after = in_target ? " HTTP/1.1\r\nHost: a\r\n\r\n" : "\r\n\r\n";
    char *text = malloc(size + 1);
    cr_assert_not_null(text);
    memset(text, 'x', size);
    memcpy(text, before, strlen(before));
    memcpy(text + size - strlen(after), after, strlen(after) + 1);
    return text;
}

Test(http, too_long)
{
    for (int in_target = 0; in_target < 2; in_target++) {
        struct http_request request;
        char *text = padded(HTTP_HEAD_MAX, in_target);
        cr_assert_eq(http_read(&request, text, HTTP_HEAD_MAX), HTTP_HEAD_MAX);
        cr_assert_eq(request.status, HTTP_OK);
        cr_assert_str_eq(request.path, in_target ? "" : "/", "a long path is none of ours");
        free(text);
        text = padded(HTTP_HEAD_MAX + 100, in_target);
        cr_assert_eq(http_read(&request, text, HTTP_HEAD_MAX - 1), 0);
        for (size_t length = HTTP_HEAD_MAX; length <= HTTP_HEAD_MAX + 100; length++) {
            cr_assert_eq(http_read(&request, text, length), length, "the rest means nothing");
            cr_assert_eq(request.status, in_target ? HTTP_URI_TOO_LONG : HTTP_HEAD_TOO_LARGE);
            cr_assert_not(request.keep);
        }
        free(text);
    }
}

Test(http, empty_lines_without_end)
{
    struct http_request request;
    char text[HTTP_HEAD_MAX];
    memset(text, '\n', sizeof text);
    cr_assert_eq(http_read(&request, text, sizeof text - 1), 0);
    cr_assert_eq(http_read(&request, text, sizeof text), sizeof text);
    cr_assert_eq(request.status, HTTP_HEAD_TOO_LARGE);
}
