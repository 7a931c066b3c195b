/* SPDX-License-Identifier: MIT */
#include "service/http.h"

#include <string.h>
#include <strings.h>

/* A part of the request: not ended by a NUL. */
struct span {
    const char *start;
    size_t length;
};

/* What has been seen in the fields. */
struct fields {
    unsigned hosts, lengths, codings;
    bool close, keep_alive, expects;
};

static const struct {
    enum http_status status;
    const char *phrase;
} phrases[] = {
    {HTTP_OK, "OK"},
    {HTTP_BAD_REQUEST, "Bad Request"},
    {HTTP_NOT_FOUND, "Not Found"},
    {HTTP_METHOD_NOT_ALLOWED, "Method Not Allowed"},
    {HTTP_URI_TOO_LONG, "URI Too Long"},
    {HTTP_HEAD_TOO_LARGE, "Request Header Fields Too Large"},
    {HTTP_NOT_IMPLEMENTED, "Not Implemented"},
    {HTTP_UNAVAILABLE, "Service Unavailable"},
    {HTTP_VERSION_NOT_SUPPORTED, "HTTP Version Not Supported"},
};

const char *http_phrase(enum http_status status)
{
    size_t i = 0;
    while (phrases[i].status != status)
        i++;
    return phrases[i].phrase;
}

/* Characters, whatever the locale. */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alphanumeric(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_in(char c, const char *set)
{
    return c != '\0' && strchr(set, c);
}

static bool is_token_char(char c)
{
    return is_alphanumeric(c) || is_in(c, "!#$%&'*+-.^_`|~");
}

static bool is_host_char(char c)
{
    return is_alphanumeric(c) || is_in(c, "-._~%!$&'()*+,;=:[]");
}

static bool is_target_char(char c)
{
    return c > ' ' && c < 0x7f && !is_in(c, "#\"<>\\^`{|}");
}

static bool is_value_char(char c)
{
    return c == '\t' || (unsigned char)c >= 0x80 || (c >= ' ' && c < 0x7f);
}

static bool all_are(struct span span, bool (*is)(char))
{
    size_t i = 0;
    while (i < span.length && is(span.start[i]))
        i++;
    return i == span.length;
}

static bool equals(struct span span, const char *word)
{
    return span.length == strlen(word) && memcmp(span.start, word, span.length) == 0;
}

static bool equals_in_any_case(struct span span, const char *word)
{
    return span.length == strlen(word) && strncasecmp(span.start, word, span.length) == 0;
}

static struct span skip(struct span span, size_t count)
{
    return (struct span){span.start + count, span.length - count};
}

/* Without blanks and tabs at either end. */
static struct span trim(struct span span)
{
    while (span.length > 0 && is_in(span.start[0], " \t"))
        span = skip(span, 1);
    while (span.length > 0 && is_in(span.start[span.length - 1], " \t"))
        span.length--;
    return span;
}

/* Takes what stands before the mark off *rest, and the mark; all of it when there is no mark. */
static struct span split(struct span *rest, char mark)
{
    const char *at = memchr(rest->start, mark, rest->length);
    struct span first = {rest->start, at ? (size_t)(at - rest->start) : rest->length};
    *rest = skip(*rest, at ? first.length + 1 : first.length);
    return first;
}

/* Takes a line: CR LF ends it, or LF alone, which RFC 9112 lets a recipient take for it. */
static struct span split_line(struct span *rest)
{
    struct span line = split(rest, '\n');
    if (line.length > 0 && line.start[line.length - 1] == '\r')
        line.length--;
    return line;
}

/* What cannot be understood: nobody knows where the next request would begin. */
static void refuse(struct http_request *request, enum http_status status)
{
    request->status = status;
    request->keep = false;
    request->body = 0;
}

/* The request line. */

/* "HTTP/1.1"; a later 1.x is answered as 1.1. */
static enum http_status read_version(struct http_request *request, struct span version)
{
    if (version.length != 8 || memcmp(version.start, "HTTP/", 5) != 0 ||
        !is_digit(version.start[5]) || version.start[6] != '.' || !is_digit(version.start[7]))
        return HTTP_BAD_REQUEST;
    if (version.start[5] != '1')
        return HTTP_VERSION_NOT_SUPPORTED;
    request->is_1_0 = version.start[7] == '0';
    request->keep = !request->is_1_0;
    return HTTP_OK;
}

/* "http://host/path" is what a proxy is sent, and every server has to understand. */
static struct span without_authority(struct span target)
{
    static const char scheme[] = "http://";
    size_t length = sizeof scheme - 1;
    if (target.length < length || strncasecmp(target.start, scheme, length) != 0)
        return target;
    struct span rest = skip(target, length);
    size_t host = 0;
    while (host < rest.length && is_host_char(rest.start[host]))
        host++;
    if (host == 0)
        return (struct span){"", 0};
    return host == rest.length || rest.start[host] == '?' ? (struct span){"/", 1}
                                                          : skip(rest, host);
}

static enum http_status read_path(struct http_request *request, struct span target)
{
    target = without_authority(target);
    if (target.length == 0 || target.start[0] != '/')
        return HTTP_BAD_REQUEST;
    struct span path = split(&target, '?');
    if (path.length <= HTTP_TARGET_MAX)
        memcpy(request->path, path.start, path.length);
    return HTTP_OK;
}

static enum http_status read_request_line(struct http_request *request, struct span line)
{
    struct span method = split(&line, ' ');
    struct span target = split(&line, ' ');
    request->is_head = equals(method, "HEAD");
    if (method.length == 0 || !all_are(method, is_token_char) || target.length == 0 ||
        !all_are(target, is_target_char))
        return HTTP_BAD_REQUEST;
    enum http_status status = read_version(request, line);
    if (status != HTTP_OK)
        return status;
    if (!request->is_head && !equals(method, "GET"))
        return HTTP_METHOD_NOT_ALLOWED;
    return read_path(request, target);
}

/* The fields.  Each reader returns HTTP_OK, or why the request is refused. */

static enum http_status read_host(struct http_request *request, struct fields *fields,
                                  struct span value)
{
    (void)request;
    bool fine = ++fields->hosts == 1 && all_are(value, is_host_char);
    return fine ? HTTP_OK : HTTP_BAD_REQUEST;
}

static enum http_status read_length(struct http_request *request, struct fields *fields,
                                    struct span value)
{
    if (++fields->lengths > 1 || value.length == 0 || !all_are(value, is_digit))
        return HTTP_BAD_REQUEST;
    for (size_t i = 0; i < value.length && request->body <= HTTP_BODY_MAX; i++)
        request->body = request->body * 10 + (uint64_t)(value.start[i] - '0');
    return HTTP_OK;
}

/* "chunked" ends a body of unknown length, which is not waited for; other codings are not known. */
static enum http_status read_coding(struct http_request *request, struct fields *fields,
                                    struct span value)
{
    struct span last = {"", 0};
    bool only = !memchr(value.start, ',', value.length);
    while (value.length > 0)
        last = trim(split(&value, ','));
    if (++fields->codings > 1 || request->is_1_0 || !equals_in_any_case(last, "chunked"))
        return HTTP_BAD_REQUEST;
    return only ? HTTP_OK : HTTP_NOT_IMPLEMENTED;
}

static enum http_status read_connection(struct http_request *request, struct fields *fields,
                                        struct span value)
{
    (void)request;
    while (value.length > 0) {
        struct span option = trim(split(&value, ','));
        fields->close |= equals_in_any_case(option, "close");
        fields->keep_alive |= equals_in_any_case(option, "keep-alive");
    }
    return HTTP_OK;
}

/* Who expects to be asked for the body gets the answer instead, and may still send the body. */
static enum http_status read_expect(struct http_request *request, struct fields *fields,
                                    struct span value)
{
    (void)request;
    (void)value;
    fields->expects = true;
    return HTTP_OK;
}

static const struct {
    const char *name;
    enum http_status (*read)(struct http_request *, struct fields *, struct span value);
} known_fields[] = {
    {"Host", read_host},
    {"Content-Length", read_length},
    {"Transfer-Encoding", read_coding},
    {"Connection", read_connection},
    {"Expect", read_expect},
};

/* A line that begins with a blank would go on with the one before it: obsolete, and a trap. */
static enum http_status read_field(struct http_request *request, struct fields *fields,
                                   struct span line)
{
    if (!memchr(line.start, ':', line.length))
        return HTTP_BAD_REQUEST;
    struct span name = split(&line, ':');
    struct span value = trim(line);
    if (name.length == 0 || !all_are(name, is_token_char) || !all_are(value, is_value_char))
        return HTTP_BAD_REQUEST;
    for (size_t i = 0; i < sizeof known_fields / sizeof *known_fields; i++)
        if (equals_in_any_case(name, known_fields[i].name))
            return known_fields[i].read(request, fields, value);
    return HTTP_OK;
}

static enum http_status read_fields(struct http_request *request, struct fields *fields,
                                    struct span head)
{
    for (;;) {
        struct span line = split_line(&head);
        if (line.length == 0)
            break;
        enum http_status status = read_field(request, fields, line);
        if (status != HTTP_OK)
            return status;
    }
    bool fine =
        (request->is_1_0 || fields->hosts == 1) && !(fields->codings > 0 && fields->lengths > 0);
    return fine ? HTTP_OK : HTTP_BAD_REQUEST;
}

static void decide_keep(struct http_request *request, const struct fields *fields)
{
    if (fields->keep_alive)
        request->keep = true;
    if (fields->close || fields->codings > 0 || fields->expects || request->body > HTTP_BODY_MAX)
        request->keep = false;
    if (!request->keep)
        request->body = 0;
}

/* The whole head. */

static void read_head(struct http_request *request, struct span head)
{
    struct fields fields = {0};
    enum http_status first = read_request_line(request, split_line(&head));
    if (first != HTTP_OK && first != HTTP_METHOD_NOT_ALLOWED) {
        refuse(request, first);
        return;
    }
    enum http_status then = read_fields(request, &fields, head);
    if (then != HTTP_OK) {
        refuse(request, then);
        return;
    }
    request->status = first;
    decide_keep(request, &fields);
}

/* Where the empty line ends that ends the head; 0: not yet there. */
static size_t find_end(struct span text)
{
    struct span rest = text;
    while (memchr(rest.start, '\n', rest.length))
        if (split_line(&rest).length == 0)
            return text.length - rest.length;
    return 0;
}

static struct span without_empty_lines(struct span rest)
{
    while (rest.length > 0 && (rest.start[0] == '\n' ||
                               (rest.start[0] == '\r' && rest.length > 1 && rest.start[1] == '\n')))
        split_line(&rest);
    return rest;
}

size_t http_read(struct http_request *request, const char *bytes, size_t length)
{
    struct span all = {bytes, length < HTTP_HEAD_MAX ? length : HTTP_HEAD_MAX};
    struct span text = without_empty_lines(all);
    *request = (struct http_request){.status = HTTP_OK};
    size_t end = find_end(text);
    if (end > 0) {
        read_head(request, (struct span){text.start, end});
        return all.length - text.length + end;
    }
    if (all.length < HTTP_HEAD_MAX)
        return 0;
    bool in_fields = memchr(all.start, '\n', all.length);
    refuse(request, in_fields ? HTTP_HEAD_TOO_LARGE : HTTP_URI_TOO_LONG);
    return length;
}
