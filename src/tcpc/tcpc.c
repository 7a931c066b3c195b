/* SPDX-License-Identifier: MIT */
/* tcpc, the TCP client: connect, talk, say how it went. */
#include "config.h"

#include "base/clock.h"
#include "tcpc/advice.h"
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
#include "tcpc/wire.h"

#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define EXIT_FAILED 1 /* no connection, one that was reset, or one not as the script says */

static int complain(const struct story *story, const char *sentence)
{
    fprintf(stderr, "tcpc: %s\n", sentence);
    story_fact(story, "error", story_text(sentence));
    return EXIT_FAILED;
}

static void tell_addresses(const struct story *story, const struct address_list *list)
{
    char text[ADDR_TEXT_MAX];
    json_t *addresses = json_array();
    for (size_t i = 0; i < list->count; i++) {
        story_tell(story, STORY_RESOLVED, "%zu of %zu is %s", i + 1, list->count,
                   addr_format(&list->addrs[i], text));
        json_array_append_new(addresses, story_text(text));
    }
    story_fact(story, "addresses", addresses);
}

/* From name to connected socket; -1 with the whole sentence. */
static int establish(const struct options *options, const struct story *story, uint64_t deadline,
                     struct error *error)
{
    struct address_list list;
    struct error why;
    char name[TARGET_TEXT_MAX];
    target_format(&options->target, name);
    story_tell(story, STORY_RESOLVING, "%s", name);
    story_fact(story, "target", story_text(name));
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

/* All that comes before the first byte of the user's. */
static int open_wire(const struct options *options, const struct tls_context *tls,
                     const struct story *story, struct wire *wire, struct error *error)
{
    struct error why;
    char name[TARGET_TEXT_MAX];
    uint64_t deadline = options->timeout ? story->start + options->timeout : 0;
    wire->fd = establish(options, story, deadline, error);
    if (wire->fd < 0 || header_send(options, wire->fd, error))
        return -1;
    if (tls && wire_secure(wire, tls, deadline, story, &why))
        return error_set(error, 0, "no TLS with %.200s: %.300s",
                         target_format(&options->target, name), why.text);
    return 0;
}

static void tell_closed(const struct story *story, uint64_t sent, uint64_t received,
                        const char *first)
{
    first = first ? first : "this side";
    story_tell(story, STORY_CLOSED,
               "sent %" PRIu64 ", received %" PRIu64 " bytes; first to close: %s", sent, received,
               first);
    story_fact(story, "sent", json_integer((json_int_t)sent));
    story_fact(story, "received", json_integer((json_int_t)received));
    story_fact(story, "first_to_close", story_text(first));
}

static int judge(const struct options *options, const struct relay *relay)
{
    char name[TARGET_TEXT_MAX], sentence[ERROR_TEXT_MAX * 2];
    target_format(&options->target, name);
    if (!relay->broken)
        return relay->failure.text[0] ? complain(relay->story, relay->failure.text) : EX_OK;
    if (relay->wire->tls && relay->broken == EPROTO)
        snprintf(sentence, sizeof sentence, "the TLS connection to %s failed: %s", name,
                 wire_reason(relay->wire, relay->broken));
    else
        snprintf(sentence, sizeof sentence, "the connection to %s was reset: %s; %s", name,
                 strerrordesc_np(relay->broken), advice_for_errno(relay->broken));
    return complain(relay->story, sentence);
}

static void run(struct relay *relay, struct story *story, bool editing)
{
    if (editing && terminal_run(relay, story))
        return;
    while (relay_turn(relay) != RELAY_OVER)
        continue;
}

static int talk(const struct options *options, struct story *story, struct wire *wire, int *died)
{
    static struct relay relay; /* too big for the stack */
    struct error error;
    bool editing = terminal_is_there();
    int signals = signals_open(editing, &error);
    if (signals < 0)
        return complain(story, error.text);
    relay_init(&relay, wire, signals, story);
    relay.half_close = options->half_close;
    relay.crlf = options->crlf;
    if (options->hex)
        relay_show(&relay);
    run(&relay, story, editing);
    relay_fini(&relay);
    close(signals);
    kernel_tell(story, wire->fd);
    int status = judge(options, &relay);
    wire_close(wire);
    tell_closed(story, relay.sent, relay.received, relay.first);
    *died = relay.signal;
    return status;
}

static int report_zero(const struct options *options, const struct story *story, struct wire *wire)
{
    char name[TARGET_TEXT_MAX];
    double milliseconds = (double)story_time(story) / (double)CLOCK_MS;
    kernel_tell(story, wire->fd);
    wire_close(wire);
    tell_closed(story, 0, 0, NULL);
    printf("%s is open: connected in %.3f ms\n", target_format(&options->target, name),
           milliseconds);
    return EX_OK;
}

/* One connection from name to end.  *died: the signal that ended it, if one did. */
static int run_wire(const struct options *options, const struct tls_context *tls,
                    struct story *story, int *died)
{
    struct wire wire = {.fd = -1};
    struct error error;
    if (open_wire(options, tls, story, &wire, &error)) {
        wire_close(&wire);
        return complain(story, error.text);
    }
    return options->zero ? report_zero(options, story, &wire) : talk(options, story, &wire, died);
}

static int run_connection(const struct options *options, const struct tls_context *tls)
{
    struct story story;
    int died = 0;
    story_begin(&story, options->verbose, options->json);
    int status = run_wire(options, tls, &story, &died);
    story_fact(&story, "status", json_integer(status));
    story_end(&story, stderr);
    if (died)
        signals_die(died);
    return status;
}

static int run_task(const struct options *options)
{
    static const struct story silent;
    struct tls_context *tls = NULL;
    struct error error;
    if (ends_fill(&error))
        return complain(&silent, error.text);
    if (options->use_tls)
        tls = tls_context_open(&options->tls, options->target.path ? NULL : options->target.host,
                               &error);
    if (options->use_tls && !tls)
        return complain(&silent, error.text);
    int status = run_connection(options, tls);
    if (tls)
        tls_context_close(tls);
    return status;
}

static int print_version(void)
{
    printf("tcpc (tcpd) %s\nline editor: %s\nTLS: %s\n", PACKAGE_VERSION, editor_name(),
           tls_library());
    return EX_OK;
}

static int print_help(void)
{
    options_help(stdout);
    return EX_OK;
}

int main(int argc, char **argv)
{
    static struct options options; /* with room for a whole header */
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
    return run_task(&options);
}
