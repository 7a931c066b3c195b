/* SPDX-License-Identifier: MIT */
#include "tcpc/signals.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const struct {
    int signal;
    bool editing; /* only while a line editor has the terminal */
} wanted[] = {
    {SIGINT, false}, {SIGTERM, false}, {SIGHUP, false},
    {SIGTSTP, true}, {SIGCONT, true},  {SIGWINCH, true},
};

void signals_ignore_pipe(void)
{
    signal(SIGPIPE, SIG_IGN);
}

/* nohup(1) and a shell's "&" have signals ignored; that wish is kept. */
static bool is_ignored(int signal)
{
    struct sigaction action;
    return sigaction(signal, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

int signals_open(bool editing, struct error *error)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        if ((editing || !wanted[i].editing) && !is_ignored(wanted[i].signal))
            sigaddset(&set, wanted[i].signal);
    }
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return error_set(error, errno, "cannot block signals");
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0)
        return error_set(error, errno, "cannot watch for signals");
    return fd;
}

int signals_take(int fd)
{
    struct signalfd_siginfo info;
    if (read(fd, &info, sizeof info) != (ssize_t)sizeof info)
        return 0;
    return (int)info.ssi_signo;
}

void signals_die(int signal)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    raise(signal); /* waits until it is unblocked */
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}
