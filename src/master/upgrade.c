/* SPDX-License-Identifier: MIT */
#include "master/upgrade.h"

#include "base/container.h"
#include "base/log.h"
#include "master/descriptors.h"
#include "master/handover.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define TRIAL_TIME (10 * CLOCK_S)
#define HEIR       "tcpd-heir " /* what a binary that can take over says, with its version */

/* Which binary. */

static bool is_the_same(const char *path, const char *other)
{
    struct stat a, b;
    return stat(path, &a) == 0 && stat(other, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

/* A name without a slash was looked up in PATH (execvp(3)). */
static char *search(const char *name, const char *running)
{
    const char *path = getenv("PATH");
    char *copy = strdup(path ? path : "");
    char *rest = NULL, *found = NULL;
    for (char *folder = copy ? strtok_r(copy, ":", &rest) : NULL; folder && !found;
         folder = strtok_r(NULL, ":", &rest)) {
        if (folder[0] != '/' || asprintf(&found, "%s/%s", folder, name) < 0)
            found = NULL;
        if (found && !is_the_same(found, running)) {
            free(found);
            found = NULL;
        }
    }
    free(copy);
    return found;
}

char *upgrade_find_binary(const char *argv0)
{
    char running[PATH_MAX] = "";
    char *path = NULL;
    if (readlink("/proc/self/exe", running, sizeof running - 1) < 0)
        return NULL;
    if (argv0 && strchr(argv0, '/'))
        path = daemon_absolute_path(argv0);
    else if (argv0)
        path = search(argv0, running);
    if (path && is_the_same(path, running))
        return path;
    free(path);
    return strdup(running);
}

/* In the trial's process: the new binary checks what it would be given. */

static void execute(const struct master *master, char **argv, int handover)
{
    char number[16];
    snprintf(number, sizeof number, "%d", handover);
    setenv(HANDOVER_VARIABLE, number, 1);
    execv(master->binary, argv);
    unsetenv(HANDOVER_VARIABLE);
}

static int try_binary(void *argument)
{
    const struct master *master = argument;
    char **given = master->options->argv;
    char check[] = "-t";
    size_t count = 0;
    sigset_t none;
    while (given[count])
        count++;
    char **argv = calloc(count + 2, sizeof *argv);
    if (!argv)
        return EX_OSERR;
    memcpy(argv, given, count * sizeof *argv);
    argv[count] = check;
    descriptors_inherit(master->changes.text, true);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execute(master, argv, master->changes.text);
    printf("%s: %s\n", master->binary, strerrordesc_np(errno));
    fflush(stdout);
    return EX_UNAVAILABLE;
}

int master_check_heir(const struct master_options *options)
{
    const char *variable = getenv(HANDOVER_VARIABLE);
    struct error error = {0};
    struct handed handed;
    if (handover_read(&handed, atoi(variable), options, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return EX_CONFIG;
    }
    conf_free(handed.conf);
    handover_read_fini(&handed);
    printf("%s%s\n", HEIR, options->version);
    return EX_OK;
}

bool master_is_heir(void)
{
    return getenv(HANDOVER_VARIABLE) != NULL;
}

/* In the running master. */

void upgrade_begin(struct master *master)
{
    struct changes *changes = &master->changes;
    struct error error = {0};
    changes->step = CHANGE_TRIAL;
    if (!master->binary)
        error_set(&error, 0, "it is not known which file this daemon was started from");
    else
        changes->text = handover_write(master, &error);
    if (changes->text < 0 ||
        trial_start(&changes->trial, try_binary, master, changes->text, TRIAL_TIME, &error))
        change_refused(master, error.text, NULL, 0);
}

/* Returns only when it fails: whoever waits is told, and the old binary goes on. */
static void become_heir(struct master *master)
{
    struct error error = {0};
    int handover = handover_write(master, &error); /* children may have come and gone meanwhile */
    if (handover >= 0) {
        handover_inherit(master, handover, true);
        log_close();
        execute(master, master->options->argv, handover);
        error_set(&error, errno, "cannot execute %s", master->binary);
        handover_inherit(master, handover, false);
        close(handover);
        log_open(&master->current->conf->log, NULL);
    }
    change_refused(master, error.text, NULL, 0);
}

static void refuse(struct master *master, const char *why)
{
    struct trial *trial = &master->changes.trial;
    char sentence[ERROR_TEXT_MAX + PATH_MAX];
    char *rest = NULL;
    const char *line = strtok_r(trial->text, "\n", &rest);
    snprintf(sentence, sizeof sentence, "%s cannot take over: %s; the old one goes on",
             master->binary, why);
    change_refused(master, sentence, &line, line ? 1 : 0);
}

void upgrade_tried(struct master *master, const struct error *verdict)
{
    const char *text = master->changes.trial.text;
    const char *heir = strstr(text, HEIR);
    if (verdict->text[0])
        refuse(master, verdict->text);
    else if (!heir || (heir != text && heir[-1] != '\n'))
        refuse(master, "it is no tcpd that knows how");
    else
        become_heir(master);
}

/* In the heir. */

struct conf *upgrade_adopt(struct master *master, struct error *error)
{
    int fd = atoi(getenv(HANDOVER_VARIABLE));
    struct handed handed;
    unsetenv(HANDOVER_VARIABLE);
    if (handover_read(&handed, fd, master->options, error))
        return NULL;
    close(fd);
    int failed = handover_adopt(master, &handed, error);
    handover_read_fini(&handed);
    if (!failed)
        return handed.conf;
    conf_free(handed.conf);
    return NULL;
}

void upgrade_go_on(struct master *master, struct conf *conf)
{
    struct daemon_score *daemon = &master->scoreboard->head->daemon;
    log_say(LOG_NOTICE, "upgraded from=%s to=%s pid=%d", master->was, master->options->version,
            getpid());
    snprintf(daemon->version, sizeof daemon->version, "%s", master->options->version);
    for (struct generation *generation = master->generations; generation;
         generation = generation->next)
        generation_reap(generation);
    orphans_reap(master);
    supervise(master, conf);
    change_start(master, conf);
}

json_t *upgrade_answer(const struct master *master, const struct conf *before)
{
    (void)before;
    return json_pack("{s:b,s:i,s:s,s:s}", "ok", 1, "generation", (int)master->changes.next->number,
                     "version", master->options->version, "was", master->was);
}
