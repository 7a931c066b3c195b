/* SPDX-License-Identifier: MIT */
/* Connections that are given away, with the test in the place of the spawner. */
#include "conn/conn.h"

#include "base/clock.h"
#include "conn/record.h"
#include "conn/spawn.h"
#include "io/sock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct loop loop;
static _Alignas(64) char score[sizeof(struct thread_slot) + sizeof(struct counters)];
#define own_slot ((struct thread_slot *)(void *)score)
#define counters (own_slot->services[0])
static struct conn_set set;
static int spawner; /* the other end of the channel, non-blocking */
static unsigned gone_count;
static uint64_t last_number;

static const struct service_ops gives = {.speaks_first = true, .gives_away = true};
static struct program program = {.name = "program"};
static struct service service = {.name = "test", .ops = &gives, .program = &program};
static struct listener listener = {.fd = -1, .service = &service, .address = {.family = AF_UNIX}};

static void turn_end(struct loop *turning)
{
    conn_set_sweep(&set);
    turning->stop = true;
}

static void gone(struct conn_set *gone_set, const struct service *of, const struct addr *peer)
{
    (void)gone_set;
    (void)of;
    (void)peer;
    gone_count++;
}

static void set_up(void)
{
    int ends[2];
    const struct service *services[] = {&service};
    cr_assert_eq(loop_init(&loop, NULL), 0);
    loop.turn_end = turn_end;
    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends), 0);
    spawner = ends[1];
    set = (struct conn_set){.loop = &loop, .slot = own_slot, .gone = gone, .spawner = ends[0]};
    service.timeouts = (struct timeouts){.linger = CLOCK_S, .lifetime = 3600 * CLOCK_S};
    cr_assert_eq(conn_set_init(&set, services, 1, NULL), 0);
}

static void tear_down(void)
{
    close(spawner);
    loop_wake(&loop);
    loop.stop = false;
    loop_run(&loop); /* nobody is left to give back */
    conn_set_cut(&set);
    conn_set_sweep(&set);
    cr_expect_eq(counters.programs, 0);
    cr_expect_eq(set.open, 0);
    conn_set_fini(&set);
    loop_fini(&loop);
}

TestSuite(away, .init = set_up, .fini = tear_down, .timeout = 60);

static void turn(void)
{
    for (int i = 0; i < 3; i++) {
        loop_wake(&loop);
        loop.stop = false;
        loop_run(&loop);
    }
}

/* Opens a connection; returns the peer's end. */
static int open_one(void)
{
    int ends[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    struct handover handover = {.fd = ends[0], .accepted = clock_now(), .number = ++last_number};
    loop.now = clock_now();
    cr_assert_eq(loop_offer(&loop, ends[0], conn_first_events(&service)), 0);
    conn_open(&set, &listener, &handover);
    return ends[1];
}

/* What the spawner is asked next, and the descriptor with it, or -1. */
static int take(struct spawn_request *request)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec bytes = {request, sizeof *request};
    struct msghdr message = {.msg_iov = &bytes,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    int descriptor = -1;
    cr_assert_eq(recvmsg(spawner, &message, 0), (ssize_t)sizeof *request);
    if (CMSG_FIRSTHDR(&message))
        memcpy(&descriptor, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof descriptor);
    return descriptor;
}

static struct spawn_request expect_asked(enum spawn_order order, uint64_t number)
{
    struct spawn_request request;
    int descriptor = take(&request);
    cr_assert_eq(request.order, order);
    cr_assert_eq(request.number, number);
    cr_assert_eq(descriptor >= 0, order == SPAWN_START);
    if (descriptor >= 0)
        close(descriptor);
    return request;
}

static void expect_not_asked(void)
{
    struct spawn_request request;
    cr_assert_eq(recv(spawner, &request, sizeof request, 0), -1);
    cr_assert_eq(errno, EAGAIN);
}

static void answer(const struct spawn_request *to, enum spawn_order order, pid_t pid)
{
    struct spawn_answer told = {.order = order,
                                .slot = to->slot,
                                .number = to->number,
                                .pid = pid,
                                .status = W_EXITCODE(3, 0)};
    cr_assert_eq(send(spawner, &told, sizeof told, 0), (ssize_t)sizeof told);
    turn();
}

static void tell(enum spawn_order order, pid_t pid)
{
    answer(&(struct spawn_request){0}, order, pid);
}

static bool is_ended(int peer)
{
    char byte;
    return read(peer, &byte, 1) == 0;
}

static void expect_closed(enum close_reason reason, unsigned count)
{
    cr_expect_eq(counters.closed[reason], count);
    cr_expect_eq(gone_count, count);
}

Test(away, the_life_of_one)
{
    int peer = open_one();
    struct spawn_request request;
    int socket = take(&request);
    cr_assert_eq(request.order, SPAWN_START);
    cr_assert_eq(request.number, 1);
    turn();
    cr_assert_eq(write(socket, "x", 1), 1);
    cr_expect_not(is_ended(peer));
    close(socket); /* it was the last descriptor: the worker has none */
    cr_expect(is_ended(peer));
    answer(&request, SPAWN_STARTED, 100);
    cr_expect_eq(counters.programs, 1);
    cr_expect_eq(gone_count, 0);
    answer(&request, SPAWN_ENDED, 100);
    expect_closed(CLOSE_DONE, 1);
    cr_expect_eq(set.open, 0);
    close(peer);
}

Test(away, ended_before_it_is_known_to_have_begun)
{
    int peer = open_one();
    struct spawn_request request = expect_asked(SPAWN_START, 1);
    answer(&request, SPAWN_ENDED, 100);
    expect_closed(CLOSE_DONE, 1);
    cr_expect(is_ended(peer));
    close(peer);
}

/* The socket comes back. */
static void fail(const struct spawn_request *request, int socket)
{
    struct spawn_answer told = {
        .order = SPAWN_FAILED, .slot = request->slot, .number = request->number};
    cr_assert_eq(sock_pass(spawner, &told, sizeof told, socket), 0);
    close(socket);
    turn();
}

Test(away, one_that_cannot_be_started_is_closed_in_order)
{
    int peer = open_one();
    struct spawn_request request;
    int socket = take(&request);
    turn();
    cr_assert_eq(write(peer, "unread", 6), 6);
    fail(&request, socket);
    cr_expect(is_ended(peer), "FIN, and no reset");
    cr_expect_eq(gone_count, 0, "it lingers for the peer's");
    close(peer);
    turn();
    expect_closed(CLOSE_ERROR, 1);
}

Test(away, one_whose_bytes_are_counted_has_its_socket_still)
{
    program.counts_bytes = true;
    int peer = open_one();
    struct spawn_request request;
    int socket = take(&request);
    turn();
    fail(&request, socket);
    cr_expect(is_ended(peer));
    close(peer);
    turn();
    expect_closed(CLOSE_ERROR, 1);
}

Test(away, answers_to_others_are_ignored)
{
    int peer = open_one();
    struct spawn_request request = expect_asked(SPAWN_START, 1);
    struct spawn_request other = request;
    other.number = 7;
    answer(&other, SPAWN_STARTED, 100);
    other.slot = UINT32_MAX;
    answer(&other, SPAWN_ENDED, 100);
    cr_expect_eq(counters.programs, 0);
    cr_expect_eq(gone_count, 0);
    answer(&request, SPAWN_STARTED, 100);
    answer(&request, SPAWN_STARTED, 101);
    cr_expect_eq(counters.programs, 1);
    answer(&request, SPAWN_FAILED, 0);
    cr_expect_eq(gone_count, 0, "it runs");
    close(peer);
}

Test(away, kill_and_drain)
{
    int peer = open_one();
    struct spawn_request request = expect_asked(SPAWN_START, 1);
    answer(&request, SPAWN_STARTED, 100);
    size_t from = 0;
    bool met = false;
    while (!met && !conn_set_walked(&set, from))
        met = conn_set_kill(&set, 1, &from);
    cr_assert(met);
    cr_expect_eq(expect_asked(SPAWN_END, 1).hurry, 0);
    conn_set_cut(&set);
    cr_expect_eq(expect_asked(SPAWN_END, 1).hurry, 1);
    conn_set_cut(&set);
    expect_not_asked();
    answer(&request, SPAWN_ENDED, 100);
    expect_closed(CLOSE_KILLED, 1);
    close(peer);
}

Test(away, lifetime)
{
    const struct service *services[] = {&service};
    conn_set_fini(&set);
    service.timeouts.lifetime = CLOCK_MS;
    cr_assert_eq(conn_set_init(&set, services, 1, NULL), 0);
    int peer = open_one();
    struct spawn_request request = expect_asked(SPAWN_START, 1);
    answer(&request, SPAWN_STARTED, 100);
    struct pollfd asked = {.fd = spawner, .events = POLLIN};
    while (poll(&asked, 1, 1) == 0)
        turn();
    expect_asked(SPAWN_END, 1);
    answer(&request, SPAWN_ENDED, 100);
    expect_closed(CLOSE_LIFETIME, 1);
    close(peer);
}

/* One was answered, one was read and not answered, and one was not read. */
Test(away, another_spawner)
{
    int peers[3];
    struct spawn_request requests[3];
    for (int i = 0; i < 2; i++) {
        peers[i] = open_one();
        requests[i] = expect_asked(SPAWN_START, (uint64_t)i + 1);
    }
    answer(&requests[0], SPAWN_STARTED, 100);
    peers[2] = open_one();
    tell(SPAWN_HELLO, 0);
    requests[2] = expect_asked(SPAWN_START, 3);
    answer(&requests[2], SPAWN_STARTED, 102);
    cr_expect_eq(expect_asked(SPAWN_CHECK, 1).pid, 100);
    expect_asked(SPAWN_SYNC, 0);
    cr_expect_eq(gone_count, 0);
    tell(SPAWN_SYNC, 0);
    expect_closed(CLOSE_ERROR, 1); /* nobody knows of it */
    close(peers[1]);
    tell(SPAWN_ORPHAN_ENDED, 102);
    cr_expect_eq(gone_count, 1, "that one is no orphan");
    tell(SPAWN_ORPHAN_ENDED, 100);
    cr_expect_eq(counters.closed[CLOSE_DONE], 1);
    answer(&requests[2], SPAWN_ENDED, 102);
    cr_expect_eq(counters.closed[CLOSE_DONE], 2);
    close(peers[0]);
    close(peers[2]);
}

Test(away, an_orphan_that_is_to_end)
{
    int peer = open_one();
    struct spawn_request request = expect_asked(SPAWN_START, 1);
    answer(&request, SPAWN_STARTED, 100);
    tell(SPAWN_HELLO, 0);
    expect_asked(SPAWN_CHECK, 1);
    expect_asked(SPAWN_SYNC, 0);
    conn_set_cut(&set);
    cr_expect_eq(expect_asked(SPAWN_END, 1).pid, 100);
    tell(SPAWN_HELLO, 0); /* and that one dies as well */
    expect_asked(SPAWN_CHECK, 1);
    cr_expect_eq(expect_asked(SPAWN_END, 1).pid, 100);
    expect_asked(SPAWN_SYNC, 0);
    tell(SPAWN_ORPHAN_GONE, 100);
    expect_closed(CLOSE_DRAIN, 1);
    close(peer);
}

Test(away, a_spawner_that_does_not_come_back)
{
    int peers[2] = {open_one(), open_one()};
    struct spawn_request request = expect_asked(SPAWN_START, 1);
    answer(&request, SPAWN_STARTED, 100);
    shutdown(spawner, SHUT_RDWR);
    turn();
    close(peers[0]);
    close(peers[1]);
    turn();
    expect_closed(CLOSE_ERROR, 2);
    int late = open_one();
    cr_expect(is_ended(late));
    close(late);
    turn();
    expect_closed(CLOSE_ERROR, 3);
}

enum { MANY = 1500 };

/* More than the channel holds: they wait, and are asked for in order. */
Test(away, a_full_channel)
{
    static int peers[MANY];
    for (int i = 0; i < MANY; i++)
        peers[i] = open_one();
    struct pollfd asked = {.fd = spawner, .events = POLLIN};
    for (uint64_t number = 1; number <= MANY; number++) {
        while (poll(&asked, 1, 1) == 0)
            turn();
        expect_asked(SPAWN_START, number);
    }
    turn();
    expect_not_asked();
    for (int i = 0; i < MANY; i++)
        close(peers[i]);
}

Test(away, one_that_waits_to_be_asked_for_can_be_cut)
{
    static int peers[MANY];
    for (int i = 0; i < MANY; i++)
        peers[i] = open_one();
    conn_set_cut(&set);
    turn();
    unsigned kept = 0;
    struct pollfd asked = {.fd = spawner, .events = POLLIN};
    while (poll(&asked, 1, 50) > 0) {
        struct spawn_request request;
        int descriptor = take(&request);
        kept += descriptor >= 0;
        if (descriptor >= 0)
            close(descriptor);
        turn();
    }
    for (int i = 0; i < MANY; i++)
        close(peers[i]);
    for (int i = 0; i < 20; i++) /* an event for each of them */
        turn();
    cr_expect_gt(kept, 0);
    cr_expect_lt(kept, MANY);
    expect_closed(CLOSE_DRAIN, MANY - kept);
}

Test(away, the_list)
{
    int peer = open_one();
    struct spawn_request request = expect_asked(SPAWN_START, 1);
    const struct conn_record *record = (const struct conn_record *)(const void *)set.scratch;
    for (int pass = 0; pass < 2; pass++) {
        size_t from = 0;
        unsigned count = 0;
        while (!conn_set_walked(&set, from))
            count += conn_set_list(&set, CONN_ANY_SERVICE, &from);
        cr_assert_eq(count, 1);
        cr_expect_str_eq(conn_phase_name(record->phase), "running");
        cr_expect_str_eq(record->program, "program");
        cr_expect_eq(record->program_pid, pass == 0 ? 0 : 100);
        if (pass == 0)
            answer(&request, SPAWN_STARTED, 100);
    }
    close(peer);
}

Test(away, one_that_takes_the_listener_is_not_started_too_often)
{
    program.takes_listener = true;
    int peer = open_one();
    struct spawn_request request;
    int socket = take(&request);
    turn();
    fail(&request, socket);
    cr_expect_eq(gone_count, 0);
    uint64_t began = clock_now();
    while (gone_count == 0 && clock_now() - began < 10 * CLOCK_S)
        turn();
    cr_expect_geq(clock_now() - began, 900 * CLOCK_MS);
    expect_closed(CLOSE_ERROR, 1);
    close(peer);
}
