/* SPDX-License-Identifier: MIT */
#include "master/trial.h"

#include "base/clock.h"
#include "base/container.h"
#include "base/log.h"
#include "master/descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The end. */

static void clear(struct trial *trial)
{
    timer_stop(&trial->deadline);
    if (trial->output.fd >= 0) {
        loop_remove(trial->loop, &trial->output);
        close(trial->output.fd);
    }
    trial->output.fd = -1;
    trial->pid = 0;
}

static void judge(const struct trial *trial, struct error *verdict)
{
    *verdict = (struct error){0};
    if (trial->timed_out)
        error_set(verdict, 0, "it took too long and was ended");
    else if (WIFSIGNALED(trial->status))
        error_set(verdict, 0, "it was ended by signal %d (%s)", WTERMSIG(trial->status),
                  sigabbrev_np(WTERMSIG(trial->status)));
    else if (WEXITSTATUS(trial->status) != 0)
        error_set(verdict, 0, "it left with status %d", WEXITSTATUS(trial->status));
}

/* It may have left a child that holds the pipe: the end of the process is what counts. */
static void conclude(struct trial *trial)
{
    struct error verdict;
    judge(trial, &verdict);
    clear(trial);
    char *text = trial->text;
    trial->over(trial, &verdict);
    free(text);
    if (trial->text == text)
        trial->text = NULL;
}

/* What it says. */

static bool take_output(struct trial *trial)
{
    char ignored[512];
    size_t room = TRIAL_OUTPUT_MAX - trial->length;
    ssize_t length = room > 0 ? read(trial->output.fd, trial->text + trial->length, room)
                              : read(trial->output.fd, ignored, sizeof ignored);
    if (length <= 0)
        return length < 0 && errno == EINTR;
    if (room > 0)
        trial->length += (size_t)length;
    trial->text[trial->length] = '\0';
    return true;
}

static void output_ready(struct watch *watch, uint32_t events)
{
    struct trial *trial = container_of(watch, struct trial, output);
    (void)events;
    if (take_output(trial) || errno == EAGAIN)
        return;
    loop_remove(trial->loop, watch);
    close(watch->fd);
    watch->fd = -1;
}

static void deadline_over(struct timer *timer, uint64_t now)
{
    struct trial *trial = container_of(timer, struct trial, deadline);
    (void)now;
    trial->timed_out = true;
    kill(-trial->pid, SIGKILL);
    kill(trial->pid, SIGKILL);
}

void trial_reap(struct trial *trial)
{
    if (trial->pid <= 0 || waitpid(trial->pid, &trial->status, WNOHANG) != trial->pid)
        return;
    for (size_t i = 0; trial->output.fd >= 0 && i < TRIAL_OUTPUT_MAX && take_output(trial); i++)
        ;
    conclude(trial);
}

void trial_cancel(struct trial *trial)
{
    if (trial->pid <= 0)
        return;
    kill(-trial->pid, SIGKILL);
    kill(trial->pid, SIGKILL);
    waitpid(trial->pid, NULL, 0);
    clear(trial);
    free(trial->text);
    trial->text = NULL;
}

/* The beginning. */

static _Noreturn void become_trial(int (*run)(void *), void *argument, int output, int keep)
{
    setpgid(0, 0); /* what it may start is ended with it */
    log_forked();
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    descriptors_close_all_but(&keep, keep >= 0 ? 1 : 0);
    _exit(run(argument));
}

static int watch_output(struct trial *trial, uint64_t duration)
{
    trial->output.ready = output_ready;
    trial->output.events = EPOLLIN;
    if (loop_add(trial->loop, &trial->output))
        return -1;
    timer_start(&trial->deadline, timers_fifo(&trial->loop->timers, duration, deadline_over),
                clock_now());
    return 0;
}

int trial_start(struct trial *trial, int (*run)(void *argument), void *argument, int keep,
                uint64_t duration, struct error *error)
{
    int ends[2] = {-1, -1};
    trial->timed_out = false;
    trial->length = 0;
    trial->text = calloc(1, TRIAL_OUTPUT_MAX + 1);
    if (!trial->text || pipe2(ends, O_CLOEXEC | O_NONBLOCK)) {
        free(trial->text);
        trial->text = NULL;
        return error_set(error, errno, "cannot make a pipe");
    }
    fcntl(ends[1], F_SETFL, 0);
    trial->output.fd = ends[0];
    trial->pid = fork();
    if (trial->pid == 0)
        become_trial(run, argument, ends[1], keep);
    close(ends[1]);
    if (trial->pid > 0 && watch_output(trial, duration) == 0)
        return 0;
    error_set(error, errno, "cannot start a process for the trial");
    trial->output.fd = -1;
    close(ends[0]);
    trial_cancel(trial);
    return -1;
}
