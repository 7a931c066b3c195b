/* SPDX-License-Identifier: MIT */
#include "tcpc/happy.h"

#include "tcpc/resolve.h"
#include "tcpc/trace.h"

#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct attempt {
    int fd;         /* -1: not started, or over */
    int errnum;     /* why it failed; 0 while it has not */
    uint64_t begun; /* clock_now() when it was started */
};

struct race {
    const struct addr *addrs;
    size_t count;
    size_t started;      /* attempts begun so far, from the first address on */
    size_t running;      /* of these, not yet decided */
    uint64_t next_start; /* when the next one may begin */
    int winner;          /* index, or -1 */
    int last_errnum;
    const struct story *story;
    struct attempt attempts[RESOLVE_MAX];
};

/* Takes the next address of another family out of the list; the rest keeps its order. */
static struct addr take_other(struct addr *addrs, size_t from, size_t count, sa_family_t family)
{
    size_t i = from;
    while (i < count && addrs[i].family == family)
        i++;
    if (i == count)
        i = from; /* only this family is left */
    struct addr taken = addrs[i];
    memmove(&addrs[from + 1], &addrs[from], (i - from) * sizeof *addrs);
    return taken;
}

void happy_order(struct addr *addrs, size_t count)
{
    for (size_t i = 1; i < count; i++)
        addrs[i] = take_other(addrs, i, count, addrs[i - 1].family);
}

static void tell_failed(const struct race *race, size_t i, const char *why)
{
    char text[ADDR_TEXT_MAX];
    addr_format(&race->addrs[i], text);
    story_tell_facts(race->story, STORY_FAILED,
                     json_pack("{s:o, s:s}", "address", story_text(text), "reason", why), "%s: %s",
                     text, why);
}

static void attempt_failed(struct race *race, size_t i, int errnum)
{
    struct attempt *attempt = &race->attempts[i];
    if (attempt->fd >= 0) {
        trace_closing(race->story->trace, attempt->fd, false);
        close(attempt->fd);
    }
    attempt->fd = -1;
    attempt->errnum = errnum;
    race->last_errnum = errnum;
    race->running--;
    race->next_start = 0; /* RFC 8305, section 5: a failure starts the next at once */
    tell_failed(race, i, strerrordesc_np(errnum));
}

static void tell_connected(const struct race *race, size_t i)
{
    char remote[ADDR_TEXT_MAX], local[ADDR_TEXT_MAX];
    struct sockaddr_storage storage = {.ss_family = AF_UNSPEC};
    socklen_t length = sizeof storage;
    struct addr own;
    getsockname(race->attempts[i].fd, (struct sockaddr *)&storage, &length);
    addr_from_sockaddr(&own, &storage);
    double milliseconds = (double)(clock_now() - race->attempts[i].begun) / (double)CLOCK_MS;
    addr_format(&race->addrs[i], remote);
    addr_format(&own, local);
    story_tell(race->story, STORY_CONNECTED, "to %s from %s, handshake %.3f ms", remote, local,
               milliseconds);
    story_fact(race->story, "connection",
               json_pack("{s:o, s:o, s:f}", "remote", story_text(remote), "local",
                         story_text(local), "handshake_ms", milliseconds));
}

static void attempt_won(struct race *race, size_t i)
{
    race->winner = (int)i;
    race->running--;
    tell_connected(race, i);
}

/* Each write shall leave at once as a segment of its own; fails harmlessly on a unix socket. */
static void set_nodelay(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

int happy_begin(const struct addr *addr, struct trace *trace, uint64_t *begun)
{
    struct sockaddr_storage storage;
    socklen_t length = addr_to_sockaddr(addr, &storage);
    int fd = socket(addr->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    set_nodelay(fd);
    trace_attempt(trace, fd, addr);
    *begun = clock_now();
    if (connect(fd, (struct sockaddr *)&storage, length) == 0 || errno == EINPROGRESS)
        return fd;
    int errnum = errno;
    trace_closing(trace, fd, false);
    close(fd);
    errno = errnum;
    return -1;
}

static void attempt_start(struct race *race)
{
    size_t i = race->started++;
    char text[ADDR_TEXT_MAX];
    addr_format(&race->addrs[i], text);
    story_tell_facts(race->story, STORY_TRYING, json_pack("{s:o}", "address", story_text(text)),
                     "%s", text);
    race->running++;
    race->attempts[i].fd =
        happy_begin(&race->addrs[i], race->story->trace, &race->attempts[i].begun);
    if (race->attempts[i].fd < 0)
        attempt_failed(race, i, errno);
    else
        race->next_start = race->attempts[i].begun + HAPPY_DELAY;
}

static void attempt_check(struct race *race, size_t i)
{
    int errnum = 0;
    socklen_t length = sizeof errnum;
    if (getsockopt(race->attempts[i].fd, SOL_SOCKET, SO_ERROR, &errnum, &length) != 0)
        errnum = errno;
    if (errnum)
        attempt_failed(race, i, errnum);
    else
        attempt_won(race, i);
}

/* Until the next attempt may begin or the deadline, in poll's milliseconds, never too early. */
static int race_patience(const struct race *race, uint64_t deadline)
{
    uint64_t until = deadline ? deadline : UINT64_MAX;
    if (race->started < race->count && race->next_start < until)
        until = race->next_start;
    uint64_t now = clock_now();
    if (until == UINT64_MAX)
        return -1;
    if (until <= now)
        return 0;
    uint64_t milliseconds = (until - now + CLOCK_MS - 1) / CLOCK_MS;
    return milliseconds > 86400000 ? 86400000 : (int)milliseconds;
}

static void race_wait(struct race *race, uint64_t deadline)
{
    struct pollfd polls[RESOLVE_MAX + 1];
    struct trace *trace = race->story->trace;
    for (size_t i = 0; i < race->started; i++)
        polls[i] = (struct pollfd){.fd = race->attempts[i].fd, .events = POLLOUT};
    polls[race->started] = (struct pollfd){.fd = trace_fd(trace), .events = POLLIN};
    int ready =
        poll(polls, race->started + 1, trace_patience(trace, race_patience(race, deadline)));
    trace_look(trace);
    if (ready <= 0)
        return;
    for (size_t i = 0; i < race->started && race->winner < 0; i++) {
        if (polls[i].revents)
            attempt_check(race, i);
    }
}

static bool race_may_start(const struct race *race)
{
    return race->started < race->count && (!race->running || clock_now() >= race->next_start);
}

/* Runs until somebody has won or nobody is left, or the deadline. */
static void race_run(struct race *race, uint64_t deadline)
{
    while (race->winner < 0) {
        if (deadline && clock_now() >= deadline)
            return;
        if (race_may_start(race))
            attempt_start(race);
        else if (race->running)
            race_wait(race, deadline);
        else
            return;
    }
}

static void race_close_losers(struct race *race)
{
    for (size_t i = 0; i < race->started; i++) {
        if ((int)i == race->winner || race->attempts[i].fd < 0)
            continue;
        trace_closing(race->story->trace, race->attempts[i].fd, false);
        close(race->attempts[i].fd);
        tell_failed(race, i, race->winner < 0 ? "no answer in time" : "another was faster");
    }
}

static const char *attempt_reason(const struct race *race, size_t i)
{
    if (i >= race->started)
        return "not tried any more";
    return race->attempts[i].errnum ? strerrordesc_np(race->attempts[i].errnum)
                                    : "no answer in time";
}

static int race_explain(const struct race *race, struct error *error)
{
    char reasons[ERROR_TEXT_MAX - 128] = "", text[ADDR_TEXT_MAX];
    size_t length = 0;
    for (size_t i = 0; i < race->count; i++) {
        int n = snprintf(reasons + length, sizeof reasons - length, "%s%s: %s", i ? "; " : "",
                         addr_format(&race->addrs[i], text), attempt_reason(race, i));
        if (n < 0 || (size_t)n >= sizeof reasons - length)
            break;
        length += (size_t)n;
    }
    error_set(error, 0, "%s", reasons);
    error->errnum = race->running ? ETIMEDOUT : race->last_errnum;
    return -1;
}

int happy_connect(const struct addr *addrs, size_t count, uint64_t deadline,
                  const struct story *story, struct error *error)
{
    assert(count > 0 && count <= RESOLVE_MAX);
    struct race race = {.addrs = addrs, .count = count, .winner = -1, .story = story};
    race_run(&race, deadline);
    race_close_losers(&race);
    if (race.winner < 0)
        return race_explain(&race, error);
    return race.attempts[race.winner].fd;
}
