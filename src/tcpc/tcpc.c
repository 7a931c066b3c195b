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
#include "tcpc/repeat.h"
#include "tcpc/resolve.h"
#include "tcpc/script.h"
#include "tcpc/script_run.h"
#include "tcpc/signals.h"
#include "tcpc/story.h"
#include "tcpc/terminal.h"
#include "tcpc/trace.h"
#include "tcpc/wire.h"

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
        addr_format(&list->addrs[i], text);
        story_tell_facts(story, STORY_RESOLVED, json_pack("{s:o}", "address", story_text(text)),
                         "%zu of %zu is %s", i + 1, list->count, text);
        json_array_append_new(addresses, story_text(text));
    }
    story_fact(story, "addresses", addresses);
}

static int find_addresses(const struct options *options, const struct story *story,
                          uint64_t deadline, struct address_list *list, struct error *error)
{
    char name[TARGET_TEXT_MAX];
    story_tell(story, STORY_RESOLVING, "%s", target_format(&options->target, name));
    story_fact(story, "target", story_text(name));
    if (resolve(list, &options->target, options->family, deadline, error))
        return -1;
    happy_order(list->addrs, list->count);
    tell_addresses(story, list);
    return 0;
}

/* From name to connected socket; -1 with the whole sentence. */
static int establish(const struct options *options, const struct story *story, uint64_t deadline,
                     struct error *error)
{
    struct address_list list;
    struct error why;
    char name[TARGET_TEXT_MAX];
    if (find_addresses(options, story, deadline, &list, error))
        return -1;
    int fd = happy_connect(list.addrs, list.count, deadline, story, &why);
    if (fd < 0)
        error_set(error, 0, "cannot connect to %.200s: %s; %s",
                  target_format(&options->target, name), why.text, advice_for_errno(why.errnum));
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

/* The ladder has its last rungs only after the close. */
static int finish_trace(const struct story *story, int signals, int status)
{
    struct error error;
    if (trace_close(story->trace, signals, &error))
        return complain(story, error.text);
    return status;
}

static void close_connection(const struct story *story, struct wire *wire, bool reset)
{
    kernel_tell(story, wire->fd, reset);
    wire_close(wire, reset);
}

static int judge(const struct options *options, const struct relay *relay)
{
    char name[TARGET_TEXT_MAX], sentence[ERROR_TEXT_MAX * 2];
    target_format(&options->target, name);
    if (!relay->broken)
        return relay->failure.text[0] ? complain(relay->story, relay->failure.text) : EX_OK;
    if (wire_blames_tls(relay->wire, relay->broken))
        snprintf(sentence, sizeof sentence, "the TLS connection to %s failed: %s", name,
                 wire_reason(relay->wire, relay->broken));
    else
        snprintf(sentence, sizeof sentence, "the connection to %s was reset: %s; %s", name,
                 strerrordesc_np(relay->broken), advice_for_errno(relay->broken));
    return complain(relay->story, sentence);
}

static void relay_all(struct relay *relay, struct story *story, bool editing)
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
    if (signals < 0) {
        wire_close(wire, false);
        return finish_trace(story, -1, complain(story, error.text));
    }
    relay_init(&relay, wire, signals, story);
    relay.half_close = options->half_close;
    relay.crlf = options->crlf;
    if (options->hex)
        relay_show(&relay);
    relay_all(&relay, story, editing);
    relay_fini(&relay);
    int status = judge(options, &relay);
    close_connection(story, wire, relay.broken != 0);
    tell_closed(story, relay.sent, relay.received, relay.first);
    status = finish_trace(story, signals, status);
    close(signals);
    *died = relay.signal;
    return status;
}

/* What a script has to say, instead of a user. */
static int act(const struct script *script, struct story *story, struct wire *wire)
{
    static struct script_run run; /* too big for the stack */
    struct error error;
    script_run_begin(&run, script, wire, story);
    enum script_result result = script_run_all(&run, &error);
    close_connection(story, wire, run.broken != 0);
    tell_closed(story, run.sent, run.received, run.first);
    int status = result == SCRIPT_PASSED ? EX_OK : complain(story, error.text);
    return finish_trace(story, -1, status);
}

static int report_zero(const struct options *options, const struct story *story, struct wire *wire)
{
    char name[TARGET_TEXT_MAX];
    double milliseconds = (double)story_time(story) / (double)CLOCK_MS;
    close_connection(story, wire, false);
    tell_closed(story, 0, 0, NULL);
    printf("%s is open: connected in %.3f ms\n", target_format(&options->target, name),
           milliseconds);
    return finish_trace(story, -1, EX_OK);
}

/* One connection from name to end.  *died: the signal that ended it, if one did. */
static int run_wire(const struct options *options, const struct script *script,
                    const struct tls_context *tls, struct story *story, int *died)
{
    struct wire wire = {.fd = -1, .trace = story->trace};
    struct error error;
    if (open_wire(options, tls, story, &wire, &error)) {
        wire_close(&wire, false);
        return finish_trace(story, -1, complain(story, error.text));
    }
    if (script)
        return act(script, story, &wire);
    return options->zero ? report_zero(options, story, &wire) : talk(options, story, &wire, died);
}

static int open_trace(const struct options *options, struct story *story, struct error *error)
{
    if (!options->trace.draw && !options->trace.pcap)
        return 0;
    story->trace = trace_open(&options->trace, story, error);
    return story->trace ? 0 : -1;
}

static int run_connection(const struct options *options, const struct script *script,
                          const struct tls_context *tls)
{
    struct story story;
    struct error error;
    int died = 0;
    story_begin(&story, options->verbose, options->json);
    int status = open_trace(options, &story, &error)
                     ? complain(&story, error.text)
                     : run_wire(options, script, tls, &story, &died);
    story_fact(&story, "status", json_integer(status));
    story_end(&story, stderr);
    if (died)
        signals_die(died);
    return status;
}

static int run_many(const struct options *options, const struct script *script,
                    const struct tls_context *tls)
{
    struct story story;
    struct address_list list;
    struct repeat_end end;
    struct error error;
    story_begin(&story, options->verbose, false);
    uint64_t deadline = options->timeout ? story.start + options->timeout : 0;
    if (find_addresses(options, &story, deadline, &list, &error) ||
        repeat_run(options, &list, script, tls, &end, &error))
        return complain(&story, error.text);
    if (end.signal)
        signals_die(end.signal);
    return end.failed ? EXIT_FAILED : EX_OK;
}

static int run_task(const struct options *options, const struct script *script)
{
    static const struct story silent;
    struct tls_context *tls = NULL;
    struct error error;
    if (options->use_tls)
        tls = tls_context_open(&options->tls, options->target.path ? NULL : options->target.host,
                               &error);
    if (options->use_tls && !tls)
        return complain(&silent, error.text);
    int status =
        options->repeat ? run_many(options, script, tls) : run_connection(options, script, tls);
    if (tls)
        tls_context_close(tls);
    return status;
}

/* The script of the command line, or, to be repeated without one, what standard input says. */
static int load_script(const struct options *options, struct script *script, struct error *error)
{
    const char *text = options->script_text;
    if (options->script_file)
        return script_load(script, options->script_file, error);
    if (text && script_parse(script, "-e", text, strlen(text), error))
        return -1;
    if (text)
        return script_compile(script, error);
    if (options->repeat && !options->zero && !isatty(STDIN_FILENO))
        return script_read_input(script, STDIN_FILENO, error);
    *script = (struct script){0};
    return 0;
}

static int run(const struct options *options)
{
    static const struct story silent;
    struct script script;
    struct error error;
    bool scripted = options->script_file || options->script_text || options->repeat;
    int status = EX_USAGE;
    if (ends_fill(&error) || load_script(options, &script, &error))
        complain(&silent, error.text);
    else
        status = run_task(options, scripted ? &script : NULL);
    script_free(&script);
    return status;
}

static int print_version(void)
{
    printf("tcpc (tcpd) %s\nline editor: %s\nTLS: %s\ncapture: %s\n", PACKAGE_VERSION,
           editor_name(), tls_library(), capture_name());
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
    return run(&options);
}
