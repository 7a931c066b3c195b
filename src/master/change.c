/* SPDX-License-Identifier: MIT */
/*
 * Changes of the running daemon, one after the other.  What a change does is in
 * reload.c and upgrade.c; here is who waits for what, and how it ends.
 */
#include "base/container.h"
#include "base/log.h"
#include "master/notify.h"
#include "master/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TRY_AGAIN CLOCK_S

static const struct {
    const char *name;
    void (*begin)(struct master *master);
    void (*tried)(struct master *master, const struct error *verdict);
    json_t *(*answer)(const struct master *master, const struct conf *before);
} kinds[CHANGE_KINDS] = {
    [CHANGE_RELOAD] = {"reload", reload_begin, reload_tried, reload_answer},
    [CHANGE_UPGRADE] = {"upgrade", upgrade_begin, upgrade_tried, upgrade_answer},
};

static void trial_over(struct trial *trial, const struct error *verdict)
{
    struct master *master = trial->owner;
    kinds[master->changes.first->kind].tried(master, verdict);
}

void change_begin_next(struct master *master)
{
    struct changes *changes = &master->changes;
    if (!changes->first || changes->step != CHANGE_NONE || !master->current || master->stopping)
        return;
    changes->trial.loop = &master->loop;
    changes->trial.owner = master;
    changes->trial.over = trial_over;
    changes->text = -1;
    notify_reloading();
    kinds[changes->first->kind].begin(master);
}

/* Asking. */

static void client_gone(struct control_client *client, void *waiter)
{
    struct master *master = waiter;
    for (struct change *change = master->changes.first; change; change = change->next)
        if (change->client == client)
            change->client = NULL;
}

static bool is_wanted_already(const struct master *master, enum change_kind kind)
{
    const struct change *last = master->changes.first;
    while (last && last->next)
        last = last->next;
    /* The first is under way: what it was asked to read may have changed since. */
    return last && last != master->changes.first && last->kind == kind && !last->client;
}

void change_ask(struct master *master, enum change_kind kind, struct control_client *client)
{
    struct change **last = &master->changes.first;
    if (!client && is_wanted_already(master, kind))
        return;
    struct change *change = calloc(1, sizeof *change);
    if (!change) {
        if (client)
            control_fail(client, "out of memory", NULL, 0);
        return;
    }
    *change = (struct change){.kind = kind, .client = client};
    if (client)
        control_wait(client, client_gone, master);
    while (*last)
        last = &(*last)->next;
    *last = change;
    change_begin_next(master);
}

/* The first of them is the upgrade that has brought us here: it is under way. */
void change_adopt(struct master *master, enum change_kind kind, struct control_client *client)
{
    struct change **last = &master->changes.first;
    struct change *change = calloc(1, sizeof *change);
    master->changes.step = CHANGE_START;
    master->changes.text = -1;
    if (!change) {
        if (client)
            control_fail(client, "out of memory", NULL, 0);
        return;
    }
    *change = (struct change){.kind = kind, .client = client};
    if (client)
        control_wait(client, client_gone, master);
    while (*last)
        last = &(*last)->next;
    *last = change;
}

/* Ending. */

static void forget_first(struct master *master)
{
    struct changes *changes = &master->changes;
    struct change *first = changes->first;
    changes->first = first->next;
    free(first);
    if (changes->text >= 0)
        close(changes->text);
    changes->text = -1;
    changes->next = NULL;
    changes->step = CHANGE_NONE;
}

/* The service manager knows of it before whoever has asked does. */
static void note(struct master *master, enum change_kind kind, bool done, const char *error)
{
    struct daemon_score *daemon = &master->scoreboard->head->daemon;
    struct change_outcome *last = &master->changes.last;
    counter_add(done ? &daemon->changes_done[kind] : &daemon->changes_failed[kind], 1);
    *last = (struct change_outcome){true, done, kind, clock_now(), ""};
    snprintf(last->error, sizeof last->error, "%s", error);
    master_say_status(master);
}

/* A generation that another binary has forked is good only until the next one. */
static void try_again(struct timer *timer, uint64_t now)
{
    (void)now;
    change_ask(container_of(timer, struct master, changes.again), CHANGE_RELOAD, NULL);
}

static void go_on(struct master *master)
{
    change_begin_next(master);
    if (master->current && !master->current->conf && !master->changes.first)
        timer_start(&master->changes.again, timers_fifo(&master->loop.timers, TRY_AGAIN, try_again),
                    clock_now());
}

void change_done(struct master *master, json_t *answer)
{
    struct change *first = master->changes.first;
    note(master, first->kind, true, "");
    if (first->client)
        control_answer(first->client, answer);
    else
        json_decref(answer);
    forget_first(master);
    go_on(master);
}

void change_refused(struct master *master, const char *sentence, const char *const *errors,
                    size_t count)
{
    struct change *first = master->changes.first;
    log_say(LOG_ERR, "%s failed: %s", kinds[first->kind].name, sentence);
    for (size_t i = 0; i < count; i++)
        log_say(LOG_ERR, "%s", errors[i]);
    note(master, first->kind, false, count ? errors[0] : sentence);
    if (master->current && master->current->conf)
        master_listen_control(master, master->current->conf, &(struct error){0});
    if (first->client)
        control_fail(first->client, sentence, errors, count);
    forget_first(master);
    go_on(master);
}

void change_cancel_all(struct master *master)
{
    struct changes *changes = &master->changes;
    trial_cancel(&changes->trial);
    while (changes->first) {
        if (changes->first->client)
            control_fail(changes->first->client, "the daemon is stopping", NULL, 0);
        forget_first(master);
    }
}

/* The generation that a change has started. */

void change_start(struct master *master, struct conf *conf)
{
    struct error error = {0};
    struct generation *next = NULL;
    master->changes.step = CHANGE_START;
    if (master_listen_control(master, conf, &error) == 0)
        next = serve_new_generation(master, conf, &error);
    if (!next) {
        conf_free(conf);
        change_refused(master, error.text, NULL, 0);
        return;
    }
    master->changes.next = next;
    generation_start(next);
}

void change_ready(struct master *master)
{
    struct generation *before = master->current;
    struct generation *next = master->changes.next;
    const struct change *first = master->changes.first;
    json_t *answer = first->client ? kinds[first->kind].answer(master, before->conf) : NULL;
    log_say(LOG_NOTICE, "%s done generation=%u", kinds[first->kind].name, next->number);
    serve_with(master, next);
    change_done(master, answer);
}

void change_failed(struct master *master)
{
    master->changes.step = CHANGE_UNDO;
    sockets_drop_fresh(&master->sockets);
}

/* Its last child has gone: everything is as it was before the change. */
void change_over(struct master *master, struct generation *generation)
{
    if (master->changes.next != generation)
        return;
    char why[sizeof generation->why.text];
    snprintf(why, sizeof why, "%s", generation->why.text);
    change_refused(master, why, NULL, 0);
}
