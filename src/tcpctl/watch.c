/* SPDX-License-Identifier: MIT */
#include "tcpctl/watch.h"

#include "base/clock.h"
#include "tcpctl/answer.h"
#include "tcpctl/field.h"

#include <stdlib.h>
#include <string.h>

#define RETRY  CLOCK_S        /* between two attempts to connect */
#define STAY   (5 * CLOCK_S)  /* who is silent for longer leaves, before the daemon sends it away */
#define ANSWER (10 * CLOCK_S) /* the time that an answer may take */

static const char *const questions[WATCH_QUESTIONS] = {"status", "services", "connections"};

void watch_init(struct watch *watch, const char *socket, uint64_t interval)
{
    *watch = (struct watch){.socket = socket, .interval = interval, .client = {.fd = -1}};
}

static void forget_answers(struct watch *watch)
{
    for (size_t i = 0; i < WATCH_QUESTIONS; i++) {
        json_decref(watch->answers[i]);
        watch->answers[i] = NULL;
    }
}

/* The daemon is lost: what was told of it last stays. */
static bool lose(struct watch *watch, uint64_t now)
{
    client_close(&watch->client);
    forget_answers(watch);
    watch->connected = watch->resting = false;
    watch->due = now + RETRY;
    return true;
}

static bool lose_because(struct watch *watch, uint64_t now, const char *why)
{
    error_set(&watch->trouble, 0, "%s", why);
    return lose(watch, now);
}

static void rest(struct watch *watch, uint64_t now)
{
    uint64_t next = watch->due + watch->interval;
    watch->due = next > now ? next : now + watch->interval;
    watch->resting = true;
    if (watch->interval <= STAY)
        return;
    client_close(&watch->client);
    watch->connected = false;
}

static int ask(struct watch *watch, size_t question, uint64_t now)
{
    json_t *request = json_pack("{s:s}", "command", questions[question]);
    char *line = answer_request(request);
    json_decref(request);
    if (!line)
        return error_set(&watch->trouble, 0, "out of memory");
    int failed = client_send(&watch->client, line, strlen(line), &watch->trouble);
    free(line);
    watch->resting = false;
    watch->asked = question;
    watch->deadline = now + ANSWER;
    return failed;
}

static bool begin(struct watch *watch, uint64_t now)
{
    watch->due = now;
    return ask(watch, 0, now) ? lose(watch, now) : false;
}

static bool connect_again(struct watch *watch, uint64_t now)
{
    if (now < watch->due)
        return false;
    if (client_open(&watch->client, watch->socket, 0, &watch->trouble))
        return lose(watch, now);
    watch->connected = true;
    return begin(watch, now);
}

/* All answers are there. */
static bool complete(struct watch *watch, uint64_t now)
{
    figures_take(&watch->figures, watch->answers[0], watch->answers[1], watch->answers[2], now);
    memset(watch->answers, 0, sizeof watch->answers);
    watch->trouble.text[0] = '\0';
    rest(watch, now);
    return true;
}

static bool refused(struct watch *watch, json_t *answer, uint64_t now)
{
    error_set(&watch->trouble, 0, "%s", field_text(answer, "error"));
    json_decref(answer);
    forget_answers(watch);
    rest(watch, now);
    return true;
}

static bool take_line(struct watch *watch, const char *line, size_t length, uint64_t now)
{
    json_t *answer;
    if (watch->resting)
        return lose_because(watch, now, "tcpd says something that it was not asked");
    enum answer_kind kind = answer_parse(line, length, &answer, &watch->trouble);
    if (kind == ANSWER_NONSENSE)
        return lose(watch, now);
    if (kind == ANSWER_REFUSED)
        return refused(watch, answer, now);
    watch->answers[watch->asked] = answer;
    if (kind == ANSWER_PROGRESS) /* none of the questions takes time */
        return lose_because(watch, now, "tcpd says something that it was not asked");
    if (watch->asked + 1 == WATCH_QUESTIONS)
        return complete(watch, now);
    return ask(watch, watch->asked + 1, now) ? lose(watch, now) : false;
}

/* Ends, since there is one line for each question, and to have another one is to be lost. */
static bool listen_to(struct watch *watch, uint64_t now)
{
    char *line;
    size_t length;
    bool changed = false;
    enum client_result result = CLIENT_LINE;
    while (watch->connected && result == CLIENT_LINE) {
        result = client_take(&watch->client, &line, &length, &watch->trouble);
        if (result == CLIENT_LINE)
            changed |= take_line(watch, line, length, now);
    }
    if (result == CLIENT_FAILED)
        return lose(watch, now);
    if (result == CLIENT_END)
        return lose_because(watch, now, "tcpd has gone away");
    return changed;
}

bool watch_turn(struct watch *watch, uint64_t now)
{
    if (!watch->connected)
        return connect_again(watch, now);
    bool changed = listen_to(watch, now);
    if (!watch->connected)
        return changed;
    if (watch->resting && now >= watch->due)
        changed |= begin(watch, now);
    else if (!watch->resting && now >= watch->deadline)
        changed = lose_because(watch, now, "tcpd does not answer; does it hang?");
    return changed;
}

uint64_t watch_due(const struct watch *watch)
{
    return watch->connected && !watch->resting ? watch->deadline : watch->due;
}

int watch_fd(const struct watch *watch)
{
    return watch->client.fd;
}

void watch_hurry(struct watch *watch, uint64_t now)
{
    if (watch->resting)
        watch->due = now;
}

void watch_fini(struct watch *watch)
{
    client_close(&watch->client);
    forget_answers(watch);
    figures_free(&watch->figures);
}
