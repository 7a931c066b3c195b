/* SPDX-License-Identifier: MIT */
/* Commands for a control socket of a test, one for each way to answer. */
#ifndef TESTS_UNIT_MASTER_COMMANDS_H
#define TESTS_UNIT_MASTER_COMMANDS_H

#include "master/control.h"
#include "master/help.h"

static struct control_client *waiting[CONTROL_CLIENTS_MAX];
static unsigned waiting_count, gone_count, steered;
static struct control_client *last_gone;

static void run_echo(struct control_client *client, const json_t *request, void *owner)
{
    json_t *text = json_object_get(request, "text"), *line = json_pack("{s:b}", "ok", 1);
    cr_assert_eq(owner, &loop);
    if (text)
        json_object_set(line, "text", text);
    control_answer(client, line);
}

static void gone(struct control_client *client, void *waiter)
{
    cr_assert_eq(waiter, waiting);
    last_gone = client;
    gone_count++;
}

static void run_later(struct control_client *client, const json_t *request, void *owner)
{
    (void)request;
    (void)owner;
    waiting[waiting_count++ % CONTROL_CLIENTS_MAX] = client;
    control_wait(client, gone, waiting);
}

/* A string of so many bytes. */
static inline json_t *big(size_t size)
{
    char *bytes = malloc(size);
    memset(bytes, 'x', size);
    json_t *string = json_stringn_nocheck(bytes, size);
    free(bytes);
    return json_pack("{s:b, s:o}", "ok", 1, "text", string);
}

static void run_big(struct control_client *client, const json_t *request, void *owner)
{
    (void)owner;
    control_answer(client, big((size_t)json_integer_value(json_object_get(request, "size"))));
}

static void run_steer(struct control_client *client, const json_t *request, void *owner)
{
    (void)request;
    (void)owner;
    steered++;
    control_answer(client, json_pack("{s:b}", "ok", 1));
}

static void run_silent(struct control_client *client, const json_t *request, void *owner)
{
    (void)client;
    (void)request;
    (void)owner;
}

static void run_fail(struct control_client *client, const json_t *request, void *owner)
{
    static const char *const errors[] = {"a:1: error: x", "b\xff"};
    (void)request;
    (void)owner;
    control_fail(client, "it \xc3\xa4 \xe2\x82 failed", errors, 2);
}

static void run_none(struct control_client *client, const json_t *request, void *owner)
{
    (void)request;
    (void)owner;
    control_progress(client, NULL);
    control_answer(client, NULL);
    control_answer(client, json_pack("{s:b}", "ok", 1));
}

static const struct control_command commands[] = {
    {"echo", false, run_echo},     {"later", false, run_later},
    {"big", false, run_big},       {"steer", true, run_steer},
    {"silent", false, run_silent}, {"fail", false, run_fail},
    {"none", false, run_none},     {0},
};

static void begin_control(void)
{
    make_control(commands);
    listen_at(path, 0600);
}

#define ECHO   "{\"command\":\"echo\",\"text\":\"a\"}\n"
#define ECHOED "{\"ok\":true,\"text\":\"a\"}\n"
#define LATER  "{\"command\":\"later\"}\n"
#define OK     "{\"ok\":true}\n"

static inline json_t *ok(void)
{
    return json_pack("{s:b}", "ok", 1);
}

static void expect_refused(int fd, const char *what)
{
    const char *answer = heard(fd);
    cr_expect(strncmp(answer, "{\"ok\":false,\"error\":\"", 21) == 0 && strstr(answer, what) &&
                  strcmp(answer + strlen(answer) - 3, "\"}\n") == 0,
              "%s, and not: %s", what, answer);
}

#endif
