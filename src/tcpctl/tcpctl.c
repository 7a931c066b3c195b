/* SPDX-License-Identifier: MIT */
/* tcpctl: asks and steers a running tcpd. */
#include "config.h"

#include "tcpctl/commands.h"
#include "tcpctl/options.h"
#include "tcpctl/text.h"
#include "tcpctl/top.h"

#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

static int act(const struct options *options)
{
    if (options->task == OPTIONS_COMMAND)
        return command_run(options);
    if (options->task == OPTIONS_HELP)
        options_help(stdout);
    else
        printf("tcpctl (tcpd) %s\ntop: %s\n", PACKAGE_VERSION, top_made_with());
    return EX_OK;
}

/* The error may be one of long ago, so what errno says now is of no use. */
static bool is_reader_gone(void)
{
    struct pollfd output = {.fd = STDOUT_FILENO};
    return poll(&output, 1, 0) > 0 && (output.revents & (POLLERR | POLLHUP));
}

/* That nobody reads on is no failure: what the daemon did counts.  A full disk is one. */
static int finish(int status)
{
    if ((fflush(stdout) == 0 && !ferror(stdout)) || is_reader_gone())
        return status;
    fputs("tcpctl: cannot write to standard output\n", stderr);
    return status == EX_OK ? EX_IOERR : status;
}

int main(int argc, char **argv)
{
    struct options options;
    struct error error;
    setlocale(LC_CTYPE, ""); /* what can be printed depends on it, and nothing else here */
    signal(SIGPIPE, SIG_IGN);
    if (options_parse(&options, argc, argv, &error)) {
        text_say(stderr, "tcpctl: %s", error.text);
        fputs("Try \"tcpctl --help\".\n", stderr);
        return EX_USAGE;
    }
    return finish(act(&options));
}
