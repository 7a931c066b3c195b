/* SPDX-License-Identifier: MIT */
#include "tcpc/script_run.h"

#include "base/clock.h"
#include "tcpc/escape.h"
#include "tcpc/trace.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define WANTED_SHOWN 128
#define CAME_SHOWN   200 /* the last bytes of what came */

enum outcome { DONE, WAIT, FAILED };

void script_run_begin(struct script_run *run, const struct script *script, struct wire *wire,
                      const struct story *story)
{
    memset(run, 0, offsetof(struct script_run, bytes));
    run->script = script;
    run->wire = wire;
    run->story = story;
    run->asked = clock_now();
}

/* --- what went wrong --- */

static bool is_printable(const char *text)
{
    while (*text >= ' ' && *text < 0x7f)
        text++;
    return *text == '\0';
}

/* A regular expression as the user wrote it, as long as that is harmless. */
static const char *wanted(const struct script_step *step, char text[static WANTED_SHOWN])
{
    char escaped[WANTED_SHOWN - 2];
    const char *shown = step->bytes;
    if (step->verb == SCRIPT_END)
        return "the peer's end";
    if (step->verb == SCRIPT_EXPECT || !is_printable(shown) || step->length >= sizeof escaped)
        shown = escape(step->bytes, step->length, escaped, sizeof escaped);
    if (step->verb == SCRIPT_EXPECT)
        snprintf(text, WANTED_SHOWN, "\"%s\"", shown);
    else
        snprintf(text, WANTED_SHOWN, "/%s/", shown);
    return text;
}

static const char *came(const struct script_run *run, char text[static CAME_SHOWN * ESCAPE_MAX])
{
    char escaped[CAME_SHOWN * ESCAPE_MAX - 8];
    size_t length = run->held < CAME_SHOWN ? run->held : CAME_SHOWN;
    if (run->held == 0)
        return "nothing";
    escape(run->bytes + run->held - length, length, escaped, CAME_SHOWN);
    snprintf(text, CAME_SHOWN * ESCAPE_MAX, "%s\"%s\"", length < run->held ? "... " : "", escaped);
    return text;
}

static const char *doing(const struct script_step *step, char text[static WANTED_SHOWN])
{
    char escaped[WANTED_SHOWN - 16];
    if (step->verb == SCRIPT_SHUTDOWN)
        return "shutdown";
    snprintf(text, WANTED_SHOWN, "sending \"%s\"",
             escape(step->bytes, step->length, escaped, sizeof escaped));
    return text;
}

static enum outcome fail(const struct script_run *run, const char *why, struct error *error)
{
    const struct script_step *step = &run->script->steps[run->at];
    char what[WANTED_SHOWN], got[CAME_SHOWN * ESCAPE_MAX], place[256] = "";
    bool expects =
        step->verb == SCRIPT_EXPECT || step->verb == SCRIPT_REGEX || step->verb == SCRIPT_END;
    if (run->script->name)
        snprintf(place, sizeof place, "%.200s:%u: ", run->script->name, step->line);
    if (expects)
        error_set(error, 0, "%sexpected %s, but %s, and what came is %s", place, wanted(step, what),
                  why, came(run, got));
    else
        error_set(error, 0, "%s%s: %s", place, doing(step, what), why);
    return FAILED;
}

static enum outcome fail_late(const struct script_run *run, struct error *error)
{
    char why[64];
    double seconds = (double)run->script->steps[run->at].time / (double)CLOCK_S;
    snprintf(why, sizeof why, "%g s are over", seconds);
    return fail(run, why, error);
}

static enum outcome fail_broken(const struct script_run *run, struct error *error)
{
    char why[256];
    snprintf(why, sizeof why, "the connection broke: %.200s", wire_reason(run->wire, run->broken));
    return fail(run, why, error);
}

/* --- what comes --- */

static void took_leave(struct script_run *run, const char *who)
{
    if (!run->first)
        run->first = who;
}

static void peer_finished(struct script_run *run)
{
    run->peer_done = true;
    took_leave(run, "the peer");
    story_tell_facts(run->story, STORY_PEER_FINISHED, story_bytes(run->story, run->received),
                     "%s after %" PRIu64 " bytes", wire_peer_farewell(run->wire), run->received);
}

/* True when something came, or the end. */
static bool receive(struct script_run *run)
{
    if (run->peer_done || run->broken || run->held == SCRIPT_HELD_MAX)
        return false;
    ssize_t n = wire_recv(run->wire, run->bytes + run->held, SCRIPT_HELD_MAX - run->held);
    if (n < 0 && errno == EAGAIN)
        return false;
    if (n < 0)
        run->broken = errno;
    if (n <= 0) {
        if (n == 0)
            peer_finished(run);
        return true;
    }
    if (!run->answered) {
        run->answered = clock_now();
        story_tell_facts(run->story, STORY_FIRST_BYTE, story_bytes(run->story, (uint64_t)n),
                         "from the peer, in a piece of %zd", n);
    }
    run->received += (uint64_t)n;
    run->held += (size_t)n;
    return true;
}

static void drop(struct script_run *run, size_t length)
{
    run->held -= length;
    memmove(run->bytes, run->bytes + length, run->held);
}

/* --- the verbs --- */

static enum outcome do_send(struct script_run *run, const struct script_step *step,
                            struct error *error)
{
    if (run->sent == 0 && !run->answered)
        run->asked = clock_now();
    while (run->step_sent < step->length) {
        ssize_t n =
            wire_send(run->wire, step->bytes + run->step_sent, step->length - run->step_sent);
        if (n < 0 && errno != EAGAIN) {
            run->broken = errno;
            return fail_broken(run, error);
        }
        if (n < 0)
            return WAIT;
        run->step_sent += (size_t)n;
        run->sent += (uint64_t)n;
    }
    return DONE;
}

static enum outcome do_expect(struct script_run *run, const struct script_step *step,
                              struct error *error)
{
    size_t end;
    for (;;) {
        run->bytes[run->held] = '\0';
        if (script_match(step, run->bytes, run->held, &end)) {
            drop(run, end);
            return DONE;
        }
        if (run->held == SCRIPT_HELD_MAX) /* what is expected is far shorter than a half */
            drop(run, SCRIPT_HELD_MAX / 2);
        if (run->broken)
            return fail_broken(run, error);
        if (run->peer_done)
            return fail(run, "the peer finished", error);
        if (!receive(run))
            return WAIT;
    }
}

static enum outcome do_end(struct script_run *run, struct error *error)
{
    while (!run->peer_done) {
        if (run->broken)
            return fail_broken(run, error);
        if (run->held == SCRIPT_HELD_MAX)
            drop(run, SCRIPT_HELD_MAX / 2);
        if (!receive(run))
            return WAIT;
    }
    return DONE;
}

static enum outcome do_shutdown(struct script_run *run, struct error *error)
{
    if (wire_finish(run->wire) != 0) {
        if (errno == EAGAIN)
            return WAIT;
        run->broken = errno;
        return fail_broken(run, error);
    }
    took_leave(run, "this side");
    story_tell_facts(run->story, STORY_HALF_CLOSED, story_bytes(run->story, run->sent),
                     "%s after %" PRIu64 " bytes", wire_own_farewell(run->wire), run->sent);
    return DONE;
}

static enum outcome act(struct script_run *run, const struct script_step *step, struct error *error)
{
    switch (step->verb) {
    case SCRIPT_SEND:
        return do_send(run, step, error);
    case SCRIPT_EXPECT:
    case SCRIPT_REGEX:
        return do_expect(run, step, error);
    case SCRIPT_END:
        return do_end(run, error);
    case SCRIPT_SHUTDOWN:
        return do_shutdown(run, error);
    case SCRIPT_SLEEP:
        return run->until && clock_now() < run->until ? WAIT : DONE;
    case SCRIPT_CLOSE:
        break;
    }
    return DONE; /* it is the last step: whoever has the connection closes it */
}

static void enter(struct script_run *run, const struct script_step *step)
{
    static const char *const names[] = {
        [SCRIPT_SEND] = "send",  [SCRIPT_EXPECT] = "expect",     [SCRIPT_REGEX] = "expect",
        [SCRIPT_END] = "expect", [SCRIPT_SHUTDOWN] = "shutdown", [SCRIPT_CLOSE] = "close",
        [SCRIPT_SLEEP] = "sleep"};
    if (run->entered)
        return;
    run->entered = true;
    run->step_sent = 0;
    run->until = step->time ? clock_now() + step->time : 0;
    if (run->script->name)
        story_tell(run->story, STORY_SCRIPT, "%.200s:%u: %s", run->script->name, step->line,
                   names[step->verb]);
}

enum script_result script_run_turn(struct script_run *run, struct error *error)
{
    while (run->at < run->script->count) {
        const struct script_step *step = &run->script->steps[run->at];
        enter(run, step);
        enum outcome outcome = act(run, step, error);
        if (outcome == WAIT && run->until && clock_now() >= run->until)
            outcome = fail_late(run, error);
        if (outcome == WAIT)
            return SCRIPT_GOING;
        if (outcome == FAILED)
            return SCRIPT_FAILED;
        run->at++;
        run->entered = false;
    }
    return SCRIPT_PASSED;
}

short script_run_events(const struct script_run *run)
{
    enum script_verb verb = run->script->steps[run->at].verb;
    if (verb == SCRIPT_SEND || verb == SCRIPT_SHUTDOWN)
        return wire_send_events(run->wire);
    return verb == SCRIPT_SLEEP ? 0 : wire_receive_events(run->wire);
}

/* A connection from which nothing is wanted is left out: poll would tell of its end for ever. */
static void wait_turn(const struct script_run *run)
{
    short events = script_run_events(run);
    struct trace *trace = run->wire->trace;
    struct pollfd ready[] = {{.fd = events ? run->wire->fd : -1, .events = events},
                             {.fd = trace_fd(trace), .events = POLLIN}};
    uint64_t now = clock_now();
    uint64_t left = run->until > now ? (run->until - now + CLOCK_MS - 1) / CLOCK_MS : 0;
    int most = run->until ? (int)(left < 86400000 ? left : 86400000) : -1;
    poll(ready, 2, trace_patience(trace, most));
    trace_look(trace);
}

enum script_result script_run_all(struct script_run *run, struct error *error)
{
    enum script_result result;
    while ((result = script_run_turn(run, error)) == SCRIPT_GOING)
        wait_turn(run);
    return result;
}
