/* SPDX-License-Identifier: MIT */
/*
 * Starting one program.  The new process shares the memory of the spawner until it executes, and
 * the spawner waits for that: nothing is copied, and what went wrong is told through that memory.
 */
#ifndef TCPD_SPAWNER_LAUNCH_H
#define TCPD_SPAWNER_LAUNCH_H

#include "base/error.h"
#include "conf/conf.h"
#include "conn/listener.h"
#include "conn/spawn.h"

#include <sys/types.h>

#define RECIPE_VARIABLES 8   /* for each connection, besides those of the configuration */
#define RECIPE_TEXT      128 /* the longest of them, with a NUL */

/* What is the same for all programs of a service, made once. */
struct recipe {
    const struct conf_service *service; /* NULL: it runs none */
    const struct conf_program *program;
    char **arguments;
    char **environment;         /* the configuration's, room for the others, NULL */
    char (*texts)[RECIPE_TEXT]; /* of the others */
    uint32_t running;           /* programs that somebody has asked for and is to be told of */
    int null;                   /* /dev/null, for standard error; -1: not needed */
    int sandbox;                /* a ruleset of Landlock; -1: none */
    bool becomes;               /* another user or group than the spawner's */
    bool drops;                 /* capabilities that the spawner has */
};

/* What keeps every program of this service from being started is an error. */
int recipe_init(struct recipe *recipe, const struct conf_service *service, struct error *error);

/* Also after recipe_init has failed. */
void recipe_fini(struct recipe *recipe);

/* The variables of a connection. */
void recipe_describe(struct recipe *recipe, const struct spawn_request *request,
                     const struct listener *listener);

/*
 * Makes the process and waits until it executes the program.  `socket` becomes its standard input
 * and output; `errors` its standard error.  Returns its pid, or -1 with a sentence.
 */
pid_t launch(const struct recipe *recipe, int socket, int errors, struct error *error);

/*
 * Sends a signal to the group of a program, and to itself should it have left that, as setpgid(2)
 * lets it.  The pid is one that nobody has waited for.
 */
void launch_signal(pid_t pid, int number);

/* As far as launch goes before it executes, and whether it could: for the test of a configuration.
 */
int launch_try(const struct recipe *recipe, struct error *error);

#endif
