/* SPDX-License-Identifier: MIT */
/*
 * The load generator.  Each thread has its share of the connections and of the requests, and an
 * epoll loop of its own; it owes nothing to the engine that it measures.
 */
#include "bench/crowd.h"
#include "bench/histogram.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX 256
#define STALL_MS   10000
#define SECOND     UINT64_C(1000000000)

/* One thread and what it has done.  Written by that thread alone while it runs. */
struct load {
    const struct plan *plan;
    struct peer *peers;
    unsigned first, count; /* of the peers: the numbers of its own */
    uint64_t quota;        /* requests that it shall make */
    uint64_t asked, done;
    uint64_t deadline, now;
    unsigned busy; /* peers that wait for an answer */
    int epoll;
    bool failed;
    pthread_t thread;
    struct histogram latency;
};

static uint64_t clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

/* Edges are enough: whoever moves a peer goes on until the socket is empty, or full. */
static int watch(struct load *load, struct peer *peer)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = peer};
    return epoll_ctl(load->epoll, EPOLL_CTL_ADD, peer->fd, &event);
}

/* The work. */

static bool is_over(const struct load *load)
{
    return load->asked >= load->quota || load->now >= load->deadline;
}

static int open_anew(struct load *load, struct peer *peer)
{
    if (peer_connect(peer, load->plan, load->first + load->asked) || watch(load, peer))
        return -1;
    return 0;
}

/* The next requests of a peer that is at rest; none when there is no more to do. */
static int ask(struct load *load, struct peer *peer)
{
    uint64_t left = load->quota - load->asked, asked_at = clock_now();
    if (is_over(load))
        return 0;
    if (load->plan->mode == MODE_SHORT && open_anew(load, peer))
        return -1;
    peer->asked_at = asked_at;
    peer->waiting = left < load->plan->depth ? (unsigned)left : load->plan->depth;
    load->asked += peer->waiting;
    load->busy++;
    peer_ask(peer, load->plan, peer->waiting);
    return peer_send(peer, load->plan);
}

static int answered(struct load *load, struct peer *peer)
{
    histogram_add(&load->latency, clock_now() - peer->asked_at);
    load->done += peer->waiting;
    load->busy--;
    peer->waiting = 0;
    if (load->plan->mode == MODE_SHORT)
        peer_close(peer);
    return ask(load, peer);
}

static int ready(struct load *load, struct peer *peer)
{
    if (peer_send(peer, load->plan) || peer_receive(peer, load->plan, STREAM_SPAN))
        return -1;
    return peer->waiting && peer_is_answered(peer) ? answered(load, peer) : 0;
}

static int turn(struct load *load)
{
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(load->epoll, events, EVENTS_MAX, STALL_MS);
    load->now = clock_now();
    if (count == 0) {
        fprintf(stderr, "load: no answer in ten seconds: %u requests wait\n", load->busy);
        return -1;
    }
    for (int i = 0; i < count; i++)
        if (ready(load, events[i].data.ptr))
            return -1;
    return 0;
}

static int work(struct load *load)
{
    for (unsigned i = 0; i < load->count; i++)
        if (ask(load, &load->peers[i]))
            return -1;
    while (load->busy > 0)
        if (turn(load))
            return -1;
    return 0;
}

static void *load_main(void *argument)
{
    struct load *load = argument;
    load->now = clock_now();
    load->deadline = load->now + load->plan->seconds * SECOND;
    load->failed = work(load) != 0;
    return NULL;
}

/* Before it and after it. */

/* The first request of each is made beforehand: then the server has accepted all of them. */
static int connect_all(struct load *load)
{
    for (unsigned i = 0; i < load->count && load->plan->mode != MODE_SHORT; i++) {
        struct peer *peer = &load->peers[i];
        if (peer_connect(peer, load->plan, load->first + i))
            return -1;
        if (load->plan->mode != MODE_BULK)
            peer_ask(peer, load->plan, 1);
        if (peer_wait(peer, load->plan) || watch(load, peer))
            return -1;
    }
    return 0;
}

/* The share of thread `index`: what does not divide goes to the first ones. */
static uint64_t share(uint64_t all, unsigned threads, unsigned index)
{
    return all / threads + (index < all % threads);
}

static int load_init(struct load *load, const struct plan *plan, unsigned index, unsigned first)
{
    *load = (struct load){.plan = plan, .first = first, .epoll = epoll_create1(EPOLL_CLOEXEC)};
    load->count = (unsigned)share(plan->connections, plan->threads, index);
    load->quota = share(plan->count, plan->threads, index);
    load->peers = calloc(load->count, sizeof *load->peers);
    return load->epoll >= 0 && load->peers ? connect_all(load) : -1;
}

static void load_fini(struct load *load)
{
    for (unsigned i = 0; i < load->count && load->peers; i++)
        peer_close(&load->peers[i]);
    free(load->peers);
    if (load->epoll > 0)
        close(load->epoll);
}

static int init_all(struct load *loads, const struct plan *plan)
{
    unsigned first = 0;
    for (unsigned i = 0; i < plan->threads; i++) {
        if (load_init(&loads[i], plan, i, first))
            return -1;
        first += loads[i].count;
    }
    return 0;
}

static int run_all(struct load *loads, unsigned threads)
{
    int failed = 0;
    for (unsigned i = 0; i < threads; i++)
        if (pthread_create(&loads[i].thread, NULL, load_main, &loads[i]))
            exit(1);
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(loads[i].thread, NULL);
        failed |= loads[i].failed;
    }
    return failed ? -1 : 0;
}

static void say_result(struct load *loads, const struct plan *plan, uint64_t took)
{
    double seconds = (double)took / (double)SECOND;
    struct histogram *latency = &loads[0].latency;
    uint64_t done = loads[0].done;
    for (unsigned i = 1; i < plan->threads; i++) {
        histogram_merge(latency, &loads[i].latency);
        done += loads[i].done;
    }
    printf("mode=%s connections=%u idle=%u slow=%u threads=%u size=%" PRIu64 " depth=%u",
           plan->name, plan->connections, plan->idle, plan->slow, plan->threads, plan->request.unit,
           plan->depth);
    printf(" done=%" PRIu64 " bytes=%" PRIu64 " seconds=%.6f rate=%.1f", done,
           done * plan->answer.unit, seconds, seconds > 0 ? (double)done / seconds : 0);
    printf(" p50_us=%.1f p99_us=%.1f max_us=%.1f\n",
           (double)histogram_quantile(latency, 0.5) / 1000,
           (double)histogram_quantile(latency, 0.99) / 1000, (double)latency->longest / 1000);
    fflush(stdout);
}

static void wait_for_a_line(void)
{
    int c;
    while ((c = getchar()) != '\n' && c != EOF)
        ;
}

static void say_ready(void)
{
    puts("ready");
    fflush(stdout);
    wait_for_a_line();
}

static int run(struct load *loads, const struct plan *plan)
{
    if (init_all(loads, plan))
        return -1;
    if (plan->gate)
        say_ready();
    uint64_t begin = clock_now();
    if (run_all(loads, plan->threads))
        return -1;
    say_result(loads, plan, clock_now() - begin);
    if (plan->gate)
        wait_for_a_line();
    return 0;
}

static void raise_descriptors(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
    struct plan plan;
    struct crowd crowd = {0};
    raise_descriptors();
    if (plan_parse(&plan, argc, argv))
        return 64;
    struct load *loads = calloc(plan.threads, sizeof *loads);
    int failed = !loads || crowd_begin(&crowd, &plan) || run(loads, &plan);
    for (unsigned i = 0; loads && i < plan.threads; i++)
        load_fini(&loads[i]);
    if (crowd_end(&crowd))
        failed = 1;
    free(loads);
    plan_fini(&plan);
    return failed;
}
