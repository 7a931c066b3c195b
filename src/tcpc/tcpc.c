/* SPDX-License-Identifier: MIT */
/* tcpc, the TCP client: connect, talk, say how it went. */
#include "config.h"

#include "base/clock.h"
#include "tcpc/advice.h"
#include "tcpc/capture.h"
#include "tcpc/edit.h"
#include "tcpc/ends.h"
#include "tcpc/happy.h"
#include "tcpc/header.h"
#include "tcpc/kernel.h"
#include "tcpc/options.h"
#include "tcpc/relay.h"
#include "tcpc/resolve.h"
#include "tcpc/signals.h"
#include "tcpc/story.h"
#include "tcpc/terminal.h"
#include "tcpc/trace.h"

#include <inttypes.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define EXIT_FAILED 1 /* no connection, or one that was reset */

static int complain(const char *sentence)
{
    fprintf(stderr, "tcpc: %s\n", sentence);
    return EXIT_FAILED;
}

static void tell_addresses(const struct story *story, const struct address_list *list)
{
    char text[ADDR_TEXT_MAX];
    for (size_t i = 0; i < list->count; i++) {
        addr_format(&list->addrs[i], text);
        story_tell_facts(story, STORY_RESOLVED, json_pack("{s:s}", "address", text),
                         "%zu of %zu is %s", i + 1, list->count, text);
    }
}

/* From name to connected socket; -1 with the whole sentence. */
static int establish(const struct options *options, const struct story *story, struct error *error)
{
    struct address_list list;
    struct error why;
    char name[TARGET_TEXT_MAX];
    uint64_t deadline = options->timeout ? story->start + options->timeout : 0;
    target_format(&options->target, name);
    story_tell(story, STORY_RESOLVING, "%s", name);
    if (resolve(&list, &options->target, options->family, deadline, error))
        return -1;
    happy_order(list.addrs, list.count);
    tell_addresses(story, &list);
    int fd = happy_connect(list.addrs, list.count, deadline, story, &why);
    if (fd < 0)
        error_set(error, 0, "cannot connect to %.200s: %s; %s", name, why.text,
                  advice_for_errno(why.errnum));
    return fd;
}

static void tell_closed(const struct story *story, uint64_t sent, uint64_t received,
                        const char *first)
{
    story_tell_facts(story, STORY_CLOSED,
                     json_pack("{s:I, s:I, s:s}", "sent", (json_int_t)sent, "received",
                               (json_int_t)received, "first", first),
                     "sent %" PRIu64 ", received %" PRIu64 " bytes; first to close: %s", sent,
                     received, first);
}

/* Nothing for a unix socket.  finished: the peer has sent its FIN, which the kernel counts too. */
static void tell_kernel(const struct story *story, int fd, bool finished)
{
    struct kernel kernel;
    if (!kernel_ask(fd, &kernel))
        return;
    double rtt = kernel.rtt / 1e3, variance = kernel.rtt_variance / 1e3; /* milliseconds */
    uint64_t in = kernel.bytes_in - finished;
    story_tell_facts(
        story, STORY_KERNEL,
        json_pack("{s:f, s:f, s:I, s:I, s:I, s:I, s:I}", "rtt_ms", rtt, "rtt_variance_ms", variance,
                  "segments_out", (json_int_t)kernel.segments_out, "bytes_out",
                  (json_int_t)kernel.bytes_out, "segments_in", (json_int_t)kernel.segments_in,
                  "bytes_in", (json_int_t)in, "retransmits", (json_int_t)kernel.retransmits),
        "rtt %.3f ms, varying by %.3f ms; %" PRIu32 " segments with %" PRIu64 " bytes out, %" PRIu32
        " with %" PRIu64 " in; %" PRIu32 " retransmits",
        rtt, variance, kernel.segments_out, kernel.bytes_out, kernel.segments_in, in,
        kernel.retransmits);
}

static int judge(const struct options *options, const struct relay *relay)
{
    char name[TARGET_TEXT_MAX];
    if (relay->broken) {
        fprintf(stderr, "tcpc: the connection to %s was reset: %s; %s\n",
                target_format(&options->target, name), strerrordesc_np(relay->broken),
                advice_for_errno(relay->broken));
        return EXIT_FAILED;
    }
    if (relay->failure.text[0])
        return complain(relay->failure.text);
    return EX_OK;
}

static void run(struct relay *relay, struct story *story, bool editing)
{
    if (editing && terminal_run(relay, story))
        return;
    while (relay_turn(relay) != RELAY_OVER)
        continue;
}

/* The ladder has its last rungs only after the close. */
static int finish_trace(const struct story *story, int signals, int status)
{
    struct error error;
    if (trace_close(story->trace, signals, &error))
        return complain(error.text);
    return status;
}

static void close_connection(const struct story *story, int fd, bool finished, bool reset)
{
    tell_kernel(story, fd, finished && !reset);
    trace_closing(story->trace, fd, reset);
    close(fd);
}

static int talk(const struct options *options, struct story *story, int fd)
{
    static struct relay relay; /* too big for the stack */
    struct error error;
    bool editing = terminal_is_there();
    int signals = signals_open(editing, &error);
    if (signals < 0)
        return complain(error.text);
    relay_init(&relay, fd, signals, story);
    relay.half_close = options->half_close;
    run(&relay, story, editing);
    relay_fini(&relay);
    close_connection(story, fd, relay.peer_done, relay.broken != 0);
    tell_closed(story, relay.sent, relay.received, relay.first ? relay.first : "this side");
    int status = finish_trace(story, signals, judge(options, &relay));
    close(signals);
    if (relay.signal)
        signals_die(relay.signal);
    return status;
}

static int report_zero(const struct options *options, const struct story *story, int fd)
{
    char name[TARGET_TEXT_MAX];
    double milliseconds = (double)story_time(story) / (double)CLOCK_MS;
    close_connection(story, fd, false, false);
    tell_closed(story, 0, 0, "this side");
    printf("%s is open: connected in %.3f ms\n", target_format(&options->target, name),
           milliseconds);
    return finish_trace(story, -1, EX_OK);
}

static int open_trace(const struct options *options, struct story *story, struct error *error)
{
    if (!options->trace.draw && !options->trace.pcap)
        return 0;
    story->trace = trace_open(&options->trace, story, error);
    return story->trace ? 0 : -1;
}

static int run_connection(const struct options *options)
{
    struct story story;
    struct error error;
    story_begin(&story, options->verbose);
    story.json = options->json;
    if (ends_fill(&error) || open_trace(options, &story, &error))
        return complain(error.text);
    int fd = establish(options, &story, &error);
    if (fd < 0 || header_send(options, fd, &error))
        return finish_trace(&story, -1, complain(error.text));
    return options->zero ? report_zero(options, &story, fd) : talk(options, &story, fd);
}

static int print_version(void)
{
    printf("tcpc (tcpd) %s\nline editor: %s\ncapture: %s\n", PACKAGE_VERSION, editor_name(),
           capture_name());
    return EX_OK;
}

static int print_help(void)
{
    options_help(stdout);
    return EX_OK;
}

int main(int argc, char **argv)
{
    struct options options;
    struct error error;
    setlocale(LC_CTYPE, ""); /* what can be printed depends on it, and nothing else here */
    signals_ignore_pipe();
    if (options_parse(&options, argc, argv, &error)) {
        fprintf(stderr, "tcpc: %s\nTry \"tcpc --help\".\n", error.text);
        return EX_USAGE;
    }
    if (options.task == OPTIONS_HELP)
        return print_help();
    if (options.task == OPTIONS_VERSION)
        return print_version();
    return run_connection(&options);
}
