/* SPDX-License-Identifier: MIT */
#include "traffic/dialogue.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WELCOME  "Welcome!\n"
#define QUESTION "What's your name?"
#define GOOD_BYE "Good bye!\n"

#define MESSAGE_MAX 128 /* bytes, with the NUL */

/* Of changing length; the pid tells it from what another generator says at the same time. */
static size_t write_message(char text[static MESSAGE_MAX], uint64_t number, unsigned message)
{
    static const char padding[] = "the quick brown fox jumps over the lazy dog";
    uint64_t length = (number * 7 + message * 13) % sizeof padding;
    return (size_t)snprintf(text, MESSAGE_MAX, "%d-%" PRIu64 "-%u %.*s", (int)getpid(), number,
                            message, (int)length, padding);
}

static void add_out(struct exchange *exchange, const char *bytes, size_t length)
{
    memcpy(exchange->out + exchange->out_length, bytes, length);
    exchange->out_length += length;
}

static void add_in(struct exchange *exchange, const char *bytes, size_t length)
{
    memcpy(exchange->in + exchange->in_length, bytes, length);
    exchange->in_length += length;
}

static void echo_ask(struct exchange *exchange, uint64_t number, unsigned message)
{
    char text[MESSAGE_MAX];
    size_t length = write_message(text, number, message);
    add_out(exchange, text, length);
    add_in(exchange, text, length);
}

static void greet_open(struct exchange *exchange)
{
    add_in(exchange, WELCOME QUESTION, strlen(WELCOME QUESTION));
}

static void greet_ask(struct exchange *exchange, uint64_t number, unsigned message)
{
    char name[MESSAGE_MAX];
    size_t length = write_message(name, number, message);
    add_out(exchange, name, length);
    add_out(exchange, "\n", 1);
    add_in(exchange, "Hello ", 6);
    add_in(exchange, name, length);
    add_in(exchange, "!\n" QUESTION, strlen("!\n" QUESTION));
}

static void greet_leave(struct exchange *exchange)
{
    add_out(exchange, "exit\n", 5);
    add_in(exchange, GOOD_BYE, strlen(GOOD_BYE));
}

static const struct dialogue dialogues[] = {
    {.name = "echo", .ask = echo_ask},
    {.name = "greet", .open = greet_open, .ask = greet_ask, .leave = greet_leave},
};

const struct dialogue *dialogue_find(const char *name, size_t length)
{
    for (size_t i = 0; i < sizeof dialogues / sizeof *dialogues; i++)
        if (strlen(dialogues[i].name) == length && !memcmp(dialogues[i].name, name, length))
            return &dialogues[i];
    return NULL;
}
