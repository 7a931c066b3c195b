/* SPDX-License-Identifier: MIT */
#include "tcpc/resolve.h"

#include "base/clock.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

/*
 * RFC 8305, section 3, asks for AAAA and A at once and starts with whichever
 * is there after 50 ms.  The C library asks for both at once too, but hands
 * them over together, so there is nothing to start early with; in return
 * /etc/hosts, nsswitch.conf and gai.conf hold for tcpc as for every other program.
 *
 * The library writes into the question until it has the answer.  When the
 * deadline comes first, the question must stay where it is: hence static.
 */
static struct gaicb question;
static struct addrinfo hints;

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

static int wait_answer(uint64_t deadline)
{
    const struct gaicb *const list[] = {&question};
    int code = gai_error(&question);
    while (code == EAI_INPROGRESS) {
        uint64_t now = clock_now();
        if (deadline && now >= deadline)
            return EAI_INPROGRESS;
        uint64_t left = deadline ? deadline - now : 3600 * CLOCK_S;
        struct timespec timeout = {.tv_sec = (time_t)(left / CLOCK_S),
                                   .tv_nsec = (long)(left % CLOCK_S)};
        gai_suspend(list, 1, &timeout);
        code = gai_error(&question);
    }
    return code;
}

/* What is an address already needs no name server and no thread. */
static int ask_numeric(struct addrinfo **answer)
{
    struct addrinfo numeric = hints;
    numeric.ai_flags |= AI_NUMERICHOST;
    return getaddrinfo(question.ar_name, question.ar_service, &numeric, answer);
}

static int ask(uint64_t deadline, struct addrinfo **answer)
{
    if (ask_numeric(answer) == 0)
        return 0;
    struct gaicb *list[] = {&question};
    int code = getaddrinfo_a(GAI_NOWAIT, list, 1, NULL);
    if (code == 0)
        code = wait_answer(deadline);
    *answer = question.ar_result;
    return code;
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
    hints = (struct addrinfo){.ai_family = family, .ai_socktype = SOCK_STREAM};
    question =
        (struct gaicb){.ar_name = target->host, .ar_service = target->port, .ar_request = &hints};
    struct addrinfo *answer = NULL;
    int code = ask(deadline, &answer);
    if (code == EAI_INPROGRESS)
        return late(target, error);
    if (code != 0)
        return refuse(target, code, error);
    collect(list, answer);
    freeaddrinfo(answer);
    return list->count ? 0 : refuse(target, EAI_NODATA, error);
}
