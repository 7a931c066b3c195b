/* SPDX-License-Identifier: MIT */
#include "tcpc/resolve.h"

#include "base/clock.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>

/*
 * RFC 8305, section 3, asks for AAAA and A at once and starts with whichever
 * is there after 50 ms.  The C library asks for both at once too, but hands
 * them over together, so there is nothing to start early with; in return
 * /etc/hosts, nsswitch.conf and gai.conf hold for tcpc as for every other program.
 *
 * The lookup cannot be told to give up.  So a thread makes it, and when the
 * deadline comes first the thread is left behind: it may still write here,
 * hence static.
 */
static struct question {
    const char *host, *port;
    struct addrinfo hints;
    struct addrinfo *answer; /* written by the thread alone, read when it has ended */
    int code;                /* likewise: 0 or EAI_... */
    int errnum;              /* likewise: errno, when the code is EAI_SYSTEM */
    bool answered;           /* guarded by the lock */
} question;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t answered = PTHREAD_COND_INITIALIZER;

static const struct {
    int code;
    const char *advice;
} advices[] = {
    {EAI_NONAME, "check the spelling, or give an address"},
    {EAI_NODATA, "the name exists but has no such address: try without -4 and -6"},
    {EAI_ADDRFAMILY, "it has no address of that family: try without -4 and -6"},
    {EAI_AGAIN, "the name server does not answer: try again, or give an address"},
    {EAI_FAIL, "the name server failed: try again, or give an address"},
    {EAI_SERVICE, "no such service in /etc/services: give the port as a number"},
};

static const char *advice_for(int code)
{
    for (size_t i = 0; i < sizeof advices / sizeof *advices; i++) {
        if (advices[i].code == code)
            return advices[i].advice;
    }
    return "give an address instead of the name";
}

static int refuse(const struct target *target, int code, struct error *error)
{
    const char *why = code == EAI_SYSTEM ? strerrordesc_np(errno) : gai_strerror(code);
    return error_set(error, 0, "cannot find %s port %s: %s; %s", target->host, target->port, why,
                     advice_for(code));
}

static int late(const struct target *target, struct error *error)
{
    return error_set(error, ETIMEDOUT,
                     "cannot find %s port %s: no name server answered within the time of "
                     "--timeout; give it more, or give an address",
                     target->host, target->port);
}

static void *look_up(void *unused)
{
    (void)unused;
    question.code = getaddrinfo(question.host, question.port, &question.hints, &question.answer);
    question.errnum = errno;
    pthread_mutex_lock(&lock);
    question.answered = true;
    pthread_mutex_unlock(&lock);
    pthread_cond_signal(&answered);
    return NULL;
}

static bool wait_until(uint64_t deadline)
{
    struct timespec moment = {.tv_sec = (time_t)(deadline / CLOCK_S),
                              .tv_nsec = (long)(deadline % CLOCK_S)};
    int failed = 0;
    pthread_mutex_lock(&lock);
    while (!question.answered && !failed)
        failed = pthread_cond_clockwait(&answered, &lock, CLOCK_MONOTONIC, &moment);
    bool in_time = question.answered;
    pthread_mutex_unlock(&lock);
    return in_time;
}

/* True when the thread has its answer before the deadline. */
static bool wait_answer(pthread_t thread, uint64_t deadline)
{
    if (!deadline || wait_until(deadline))
        return pthread_join(thread, NULL) == 0;
    pthread_detach(thread);
    return false;
}

/* What is an address already needs no name server and no thread. */
static bool look_up_numeric(void)
{
    struct addrinfo numeric = question.hints;
    numeric.ai_flags |= AI_NUMERICHOST;
    return getaddrinfo(question.host, question.port, &numeric, &question.answer) == 0;
}

/* Returns 0 with the answer, EAI_INPROGRESS at the deadline, or why there is none. */
static int ask(uint64_t deadline)
{
    pthread_t thread;
    if (look_up_numeric())
        return 0;
    errno = pthread_create(&thread, NULL, look_up, NULL);
    if (errno != 0)
        return EAI_SYSTEM;
    if (!wait_answer(thread, deadline))
        return EAI_INPROGRESS;
    errno = question.errnum;
    return question.code;
}

static void collect(struct address_list *list, const struct addrinfo *answer)
{
    list->count = 0;
    for (; answer && list->count < RESOLVE_MAX; answer = answer->ai_next) {
        struct sockaddr_storage storage = {.ss_family = AF_UNSPEC};
        if (answer->ai_family != AF_INET && answer->ai_family != AF_INET6)
            continue;
        memcpy(&storage, answer->ai_addr, answer->ai_addrlen);
        addr_from_sockaddr(&list->addrs[list->count++], &storage);
    }
}

static int resolve_unix(struct address_list *list, const struct target *target, struct error *error)
{
    size_t length = strlen(target->path);
    if (length == 0 || length >= sizeof((struct sockaddr_un *)0)->sun_path)
        return error_set(error, 0,
                         "the path of a unix socket has 1 to %zu characters, this one has %zu",
                         sizeof((struct sockaddr_un *)0)->sun_path - 1, length);
    list->count = 1;
    list->addrs[0] = (struct addr){.family = AF_UNIX, .path = target->path};
    return 0;
}

int resolve(struct address_list *list, const struct target *target, int family, uint64_t deadline,
            struct error *error)
{
    if (target->path)
        return resolve_unix(list, target, error);
    question = (struct question){.host = target->host,
                                 .port = target->port,
                                 .hints = {.ai_family = family, .ai_socktype = SOCK_STREAM}};
    int code = ask(deadline);
    if (code == EAI_INPROGRESS)
        return late(target, error);
    if (code != 0)
        return refuse(target, code, error);
    collect(list, question.answer);
    freeaddrinfo(question.answer);
    return list->count ? 0 : refuse(target, EAI_NODATA, error);
}
