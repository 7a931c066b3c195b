/* SPDX-License-Identifier: MIT */
/* What the files of the spawner know of it.  All functions: its only thread. */
#ifndef TCPD_SPAWNER_STATE_H
#define TCPD_SPAWNER_STATE_H

#include "base/error.h"
#include "child/beat.h"
#include "conn/spawn.h"
#include "io/loop.h"
#include "spawner/launch.h"
#include "spawner/spawner.h"

#include <stdbool.h>
#include <sys/resource.h>

#define PID_BUCKETS 1024

struct spawner {
    const struct spawner_setup *setup;
    struct loop loop;
    struct watch channel; /* to the master; fd -1: it is gone */
    struct watch signals; /* a signalfd: SIGCHLD */
    struct beat beat;
    struct timer flush;     /* of the log */
    int diagnosis;          /* to ask the kernel for sockets of programs; -1: nobody asks */
    struct recipe *recipes; /* by the index of the service */
    struct link *links;
    struct running *programs[PID_BUCKETS];
    unsigned running; /* programs */
    bool leaving;     /* no order comes any more */
};

/* The channel of one worker. */
struct link {
    struct watch watch;
    struct spawner *spawner;
    struct link *next;
    struct running *programs;
    struct unsent *unsent, **unsent_end; /* answers that the channel did not take */
};

/* One that runs. */
struct running {
    struct spawner *spawner;
    struct recipe *recipe;
    struct link *link;          /* of who is to be told; NULL: nobody any more */
    struct running *next, **at; /* in the link's list */
    struct running *next_of_bucket;
    struct outlet *outlet; /* its standard error; NULL: goes elsewhere */
    struct timer kill;     /* until SIGKILL */
    struct timer idle;     /* until the next look at its socket */
    struct spawn_request request;
    struct addr local, peer; /* of its socket, when that is looked at */
    uint64_t born;           /* clock_now() */
    pid_t pid;
    bool ending;  /* it was sent SIGTERM */
    bool is_idle; /* … for that */
};

/* link.c */

/* Takes over a channel; greets: whoever is at the other end has had another spawner before. */
int link_open(struct spawner *spawner, int fd, bool greets, struct error *error);

/* Tells the worker, now or as soon as it takes it; with a descriptor, which is closed here, or -1.
 */
void link_tell(struct link *link, const struct spawn_answer *answer, int descriptor);

/* Nothing is heard from there any more: what runs for it is ended. */
void link_close(struct link *link);

/* program.c */

/* Starts one on a socket, which is the callee's; tells the link what has become of it. */
void program_start(struct link *link, const struct spawn_request *request, int socket);

/* SIGTERM to its group, and SIGKILL when the time of its service, or of one in a hurry, is up. */
void program_end(struct running *program, bool hurry);

/* ns between the two. */
uint64_t program_grace(const struct conf_program *program, bool hurry);

struct running *program_find(struct link *link, uint32_t slot, uint64_t number);

/* idle.c: begins to look whether anything goes over its socket. */
void program_watch(struct running *program);

/* After SIGCHLD. */
void programs_reap(struct spawner *spawner);

void programs_end(struct spawner *spawner, bool at_once);

/* outlet.c: standard error, line by line into the log */

struct outlet *outlet_open(struct loop *loop, const char *service, int *other_end);
void outlet_belongs_to(struct outlet *outlet, pid_t pid);
void outlet_close(struct outlet *outlet);

/* spawner.c */

/* Something has ended: perhaps it was the last. */
void spawner_may_leave(struct spawner *spawner);

#endif
