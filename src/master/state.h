/* SPDX-License-Identifier: MIT */
/* What the files of master/ know of the master.  All functions: the master's only thread. */
#ifndef TCPD_MASTER_STATE_H
#define TCPD_MASTER_STATE_H

#include "base/clock.h"
#include "base/error.h"
#include "base/scoreboard.h"
#include "conf/conf.h"
#include "io/loop.h"
#include "master/control.h"
#include "master/daemon.h"
#include "master/generation.h"
#include "master/inquiry.h"
#include "master/master.h"
#include "master/sockets.h"
#include "master/trial.h"

#include <stdbool.h>

/* A reload or an upgrade that somebody has asked for. */
struct change {
    enum change_kind kind;
    struct control_client *client; /* who waits for the answer; NULL: it was a signal */
    struct change *next;
};

/* The first of the queue is under way, and this is how far it has come. */
enum change_step {
    CHANGE_NONE,
    CHANGE_TRIAL, /* a process of its own tries what the master is about to do */
    CHANGE_START, /* the new generation starts */
    CHANGE_UNDO,  /* … and did not get ready: its children end */
};

struct changes {
    struct change *first;
    enum change_step step;
    struct trial trial;
    int text;                /* a memfd: the configuration that the trial has read; -1: none */
    struct generation *next; /* in CHANGE_START and CHANGE_UNDO */
    struct timer again;      /* after an upgrade that did not come to a generation of its own */
    struct change_outcome {  /* of the last that ended */
        bool any, done;
        enum change_kind kind;
        uint64_t at; /* clock_now() */
        char error[256];
    } last;
};

/* Whether all children give signs of life. */
struct supervision {
    struct timer timer;
    uint64_t every;    /* ns between two looks; 0: nobody looks */
    uint64_t hang;     /* ns without a sign of life; 0: not looked at */
    uint64_t watchdog; /* ns that the service manager waits for ours; 0: it does not */
    uint64_t last;     /* clock_now() of the last look */
    uint64_t fed;      /* … and of our last sign of life */
};

struct master {
    const struct master_options *options;
    struct pid_file pid_file;
    struct loop loop;
    struct watch signals; /* a signalfd */
    struct sockets sockets;
    struct scoreboard *scoreboard;
    struct generation *generations; /* all of them, the newest first */
    struct generation *current;     /* the one that serves; NULL: none yet */
    unsigned number;                /* of the newest */
    struct changes changes;
    struct supervision supervision;
    struct control *control;
    struct inquiries *inquiries;
    struct orphan
        *orphans; /* programs that are to end and have lost their spawner: see orphans.c */
    struct drain_wait *drain_waits; /* who waits for a drain: see drain.c */
    struct timer progress;          /* tells them how far it is */
    struct timer retired;           /* nobody accepts from retired sockets after that */
    struct timer flush;
    char was[32]; /* after an upgrade: the version before */
    char *binary; /* what an upgrade executes; owned */
    char *config; /* what a reload reads, an absolute path; owned */
    bool stopping;
    bool log_is_on_stderr;
    int status; /* to leave with */
};

/* master.c */

/* Writes what the log's ring holds, and again later when the target is slow. */
void master_flush_log(struct master *master);

/* SIGTERM: nobody comes in any more, and the daemon leaves when the last connection has ended. */
void master_stop(struct master *master);

/* One line for the service manager and for status. */
void master_say_status(struct master *master);

/* Makes the control socket what the configuration says. */
int master_listen_control(struct master *master, const struct conf *conf, struct error *error);

/* What keeps the daemon from serving at all; returns the status to leave with. */
int master_fail_to_start(struct master *master, int status, const struct error *error);

/* Makes the log what the configuration says. */
int master_open_log(struct master *master, const struct conf *conf, struct error *error);

/* serve.c: which generation serves, and what becomes of the others */

/* A new generation for this configuration, its sockets open, not started.  Owns conf on success. */
struct generation *serve_new_generation(struct master *master, struct conf *conf,
                                        struct error *error);

/* Puts one that was handed over among the others. */
void serve_adopt(struct master *master, struct generation *generation);

/* From now on this generation serves, and the one before drains. */
void serve_with(struct master *master, struct generation *generation);

/* Nothing is served any more: all generations drain. */
void serve_nothing(struct master *master, uint64_t drain);

/* Some sockets are retired: they close when the last call of all children is over. */
void serve_close_retired_later(struct master *master);

/* At the end of a turn: frees those that are over. */
void serve_sweep(struct master *master);

/* change.c: one change after the other */

/* A change is wanted; a signal's is left out when the last of the queue is the same. */
void change_ask(struct master *master, enum change_kind kind, struct control_client *client);

/* Begins with the first of the queue when nothing else is under way and something serves. */
void change_begin_next(struct master *master);

/* The daemon stops: nothing is changed any more. */
void change_cancel_all(struct master *master);

/* What has become of the generation that a change has started. */
void change_ready(struct master *master);
void change_failed(struct master *master);
void change_over(struct master *master, struct generation *generation);

/* After an upgrade: one that was asked for before it. */
void change_adopt(struct master *master, enum change_kind kind, struct control_client *client);

/* For reload.c and upgrade.c: the configuration is good; owns conf. */
void change_start(struct master *master, struct conf *conf);

/* For reload.c and upgrade.c: the first change of the queue has ended.  `answer` is stolen. */
void change_done(struct master *master, json_t *answer);
void change_refused(struct master *master, const char *sentence, const char *const *errors,
                    size_t count);

/* reload.c */
void reload_begin(struct master *master);
void reload_tried(struct master *master, const struct error *verdict);
/* The answer to who has asked; `before`: what the generation before was made from, or NULL. */
json_t *reload_answer(const struct master *master, const struct conf *before);

/* upgrade.c */
void upgrade_begin(struct master *master);
void upgrade_tried(struct master *master, const struct error *verdict);
json_t *upgrade_answer(const struct master *master, const struct conf *before);

/* supervise.c: hanging children, and the service manager's watchdog */

/* For a generation of this configuration: ns between its children's signs of life. */
uint64_t supervise_beat(const struct master *master, const struct conf *conf);
/* Begins to look, or goes on with other times. */
void supervise(struct master *master, const struct conf *conf);

/* orphans.c: programs whose spawner has died */

/* After SIGCHLD, when all others have been waited for; and when a spawner is ready. */
void orphans_reap(struct master *master);

/* SIGTERM, and SIGKILL after `grace` ns.  What is no such program is left alone. */
void orphans_end(struct master *master, pid_t pid, uint64_t grace);

/* Tells the spawner when there is no such program any more. */
void orphans_check(const struct master *master, const struct child_slot *spawner, pid_t pid);

void orphans_forget_all(struct master *master);

/* commands.c: what the control socket offers */
extern const struct control_command commands[];

#endif
