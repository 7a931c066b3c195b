/* SPDX-License-Identifier: MIT */
/* The list of connections, slice by slice, and killing one of them. */
#include "conn/conn.h"

#include "base/clock.h"
#include "conn/record.h"
#include "io/sock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

enum { SERVICES = 2, MOST = 1000 };

static struct loop loop;
static struct thread_slot *slot;
static struct conn_set set;
static unsigned gone_count;
static char folder[64], path[96];
static int peers[MOST]; /* by the number of the connection, less 1 */
static unsigned opened_count;

static size_t echo(struct conn *conn, const char *bytes, size_t length)
{
    conn_send(conn, bytes, length);
    return length;
}

static size_t finish(struct conn *conn, const char *bytes, size_t length)
{
    (void)bytes;
    conn_finish(conn);
    return length;
}

static const struct service_ops echoes = {.data = echo}, finishes = {.data = finish};
static struct service services[SERVICES] = {
    {.name = "one", .index = 0, .id = 7, .ops = &echoes},
    {.name = "two", .index = 1, .id = 1900, .ops = &finishes},
};

static void turn_end(struct loop *turning)
{
    conn_set_sweep(&set);
    turning->stop = true;
}

static void gone(struct conn_set *gone_set, const struct service *service,
                 const struct addr *gone_peer)
{
    (void)gone_set;
    (void)gone_peer;
    (void)service;
    gone_count++;
}

static void make_set(struct timeouts timeouts)
{
    const struct service *pointers[] = {&services[0], &services[1]};
    services[0].timeouts = services[1].timeouts = timeouts;
    conn_set_fini(&set);
    cr_assert_eq(conn_set_init(&set, pointers, SERVICES, NULL), 0);
}

static void set_up(void)
{
    struct rlimit limit;
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    snprintf(folder, sizeof folder, "/tmp/test_list.XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/socket", folder);
    slot = calloc(1, sizeof *slot + SERVICES * sizeof *slot->services);
    cr_assert_not_null(slot);
    cr_assert_eq(loop_init(&loop, NULL), 0);
    loop.turn_end = turn_end;
    set = (struct conn_set){.loop = &loop, .slot = slot, .gone = gone};
    make_set((struct timeouts){.idle = 640 * CLOCK_S, .linger = CLOCK_S});
}

static void tear_down(void)
{
    conn_set_cut(&set);
    conn_set_sweep(&set);
    conn_set_fini(&set);
    loop_fini(&loop);
    free(slot);
    unlink(path);
    rmdir(folder);
}

TestSuite(list, .init = set_up, .fini = tear_down, .timeout = 60);

static void turns(int count)
{
    while (count-- > 0) {
        loop_wake(&loop);
        loop.stop = false;
        loop_run(&loop);
    }
}

/* Each test has one, which lives as long as its connections. */
static struct listener listener;

static void listen_on(const char *text, const struct service *service)
{
    struct error error = {0};
    listener = (struct listener){.service = service};
    cr_assert_eq(addr_parse(&listener.address, text, NULL), 0);
    listener.fd = sock_listen(&listener.address, 64, NULL, 0600, &error);
    cr_assert_geq(listener.fd, 0, "%s", error.text);
    if (listener.address.family != AF_UNIX) {
        struct addr bound;
        sock_local(listener.fd, &bound);
        listener.address.port = bound.port;
    }
}

/* A connection to a listener, accepted a while ago. */
static void connect_to(const struct addr *address, uint64_t ago)
{
    struct sockaddr_storage storage;
    socklen_t length = addr_to_sockaddr(address, &storage);
    int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(fd, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&storage, length), 0);
    peers[opened_count] = fd;
    struct handover handover = {.accepted = clock_now() - ago, .number = ++opened_count};
    length = sizeof storage;
    handover.fd =
        accept4(listener.fd, (struct sockaddr *)&storage, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    cr_assert_geq(handover.fd, 0);
    addr_from_sockaddr(&handover.peer, &storage);
    cr_assert_eq(loop_offer(&loop, handover.fd, conn_first_events(listener.service)), 0);
    loop.now = clock_now();
    conn_open(&set, &listener, &handover);
}

/* Many, over socket pairs. */
static void open_pairs(const struct listener *of, unsigned count)
{
    while (count-- > 0) {
        int fds[2];
        cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
        peers[opened_count] = fds[1];
        struct handover handover = {
            .fd = fds[0], .accepted = clock_now(), .number = ++opened_count};
        cr_assert_eq(loop_offer(&loop, fds[0], EPOLLIN), 0);
        conn_open(&set, of, &handover);
    }
}

static const struct conn_record *the_record(void)
{
    size_t from = 0;
    loop.now = clock_now();
    cr_assert_eq(conn_set_list(&set, CONN_ANY_SERVICE, &from), 1);
    cr_assert(conn_set_walked(&set, from));
    return (const struct conn_record *)(const void *)set.scratch;
}

static void say(const char *text)
{
    cr_assert_eq(write(peers[0], text, strlen(text)), (ssize_t)strlen(text));
    turns(3);
}

Test(list, a_tcp_connection)
{
    char text[ADDR_TEXT_MAX], wanted[ADDR_TEXT_MAX];
    listen_on("127.0.0.1:0", &services[0]);
    connect_to(&listener.address, 5 * CLOCK_S);
    say("hello");
    const struct conn_record *record = the_record();
    cr_expect_eq(record->size, sizeof *record);
    cr_expect_eq(record->service, 7);
    cr_expect_eq(record->number, 1);
    cr_expect_geq(record->age, 5 * CLOCK_S);
    cr_expect_lt(record->age, 60 * CLOCK_S);
    cr_expect_lt(record->idle, 4 * CLOCK_S, "as the kernel knows: the stamp is of the accept");
    cr_expect_eq(record->received, 5);
    cr_expect_eq(record->sent, 5);
    cr_expect_str_eq(conn_phase_name(record->phase), "open");
    cr_expect_eq(record->tcp_state, 1, "ESTABLISHED");
    cr_expect_gt(record->rtt, 0);
    cr_expect_eq(record->retransmits, 0);
    struct addr peer;
    sock_local(peers[0], &peer);
    cr_expect_str_eq(conn_peer_format(&record->peer, text), addr_format(&peer, wanted));
    cr_expect_str_eq(conn_local_format(&record->local, record->path, text),
                     addr_format(&listener.address, wanted));
}

Test(list, behind_a_wildcard_the_address_is_the_real_one)
{
    char text[ADDR_TEXT_MAX], wanted[32];
    struct addr address;
    listen_on("0.0.0.0:0", &services[0]);
    snprintf(wanted, sizeof wanted, "127.0.0.2:%u", listener.address.port);
    cr_assert_eq(addr_parse(&address, wanted, NULL), 0);
    connect_to(&address, 0);
    const struct conn_record *record = the_record();
    cr_expect_str_eq(conn_local_format(&record->local, record->path, text), wanted);
}

Test(list, a_unix_connection)
{
    char text[ADDR_TEXT_MAX], wanted[ADDR_TEXT_MAX];
    snprintf(wanted, sizeof wanted, "unix:%s", path);
    listen_on(wanted, &services[0]);
    connect_to(&listener.address, 0);
    const struct conn_record *record = the_record();
    cr_expect_eq(record->tcp_state, 0);
    cr_expect_str_eq(conn_local_format(&record->local, record->path, text), wanted);
    snprintf(wanted, sizeof wanted, "unix:pid=%d,uid=%u,gid=%u", getpid(), geteuid(), getegid());
    cr_expect_str_eq(conn_peer_format(&record->peer, text), wanted);
}

/* Over a unix socket, of which the kernel tells nothing: a byte when it is 200 ms old. */
static void expect_idle_from_the_last_byte(struct timeouts timeouts, uint64_t inexact)
{
    char name[ADDR_TEXT_MAX];
    make_set(timeouts);
    snprintf(name, sizeof name, "unix:%s", path);
    listen_on(name, &services[0]);
    connect_to(&listener.address, 0);
    uint64_t begun = loop.now;
    while (clock_now() - begun < 200 * CLOCK_MS)
        turns(1);
    cr_expect_geq(the_record()->idle, 200 * CLOCK_MS);
    uint64_t before = clock_now();
    say("x");
    cr_expect_leq(the_record()->idle, clock_now() - before + inexact);
}

Test(list, idle_with_the_time_out)
{
    expect_idle_from_the_last_byte((struct timeouts){.idle = 6400 * CLOCK_MS}, 100 * CLOCK_MS);
}

Test(list, idle_without_a_time_out)
{
    expect_idle_from_the_last_byte((struct timeouts){0}, 0);
}

Test(list, a_phase_that_follows)
{
    listen_on("[::1]:0", &services[1]);
    connect_to(&listener.address, 0);
    say("x");
    cr_expect_str_eq(conn_phase_name(the_record()->phase), "lingering");
    cr_expect_neq(the_record()->tcp_state, 1, "its FIN is sent");
    cr_expect_null(conn_phase_name(3));
    cr_expect_null(conn_phase_name(UINT32_MAX));
}

/* Everyone once, in slices; and the numbers of those of one service. */
static unsigned walk(uint64_t service, unsigned *slices, bool seen[static MOST + 1])
{
    unsigned count = 0;
    *slices = 0;
    for (size_t from = 0; !conn_set_walked(&set, from); (*slices)++) {
        unsigned now = conn_set_list(&set, service, &from);
        const struct conn_record *records = (const void *)set.scratch;
        cr_assert_leq(now, 256);
        for (unsigned i = 0; i < now; i++) {
            cr_assert_not(seen[records[i].number], "twice");
            seen[records[i].number] = true;
        }
        count += now;
    }
    return count;
}

Test(list, slices_and_services)
{
    static struct listener one = {.service = &services[0], .address = {.family = AF_UNIX}};
    static struct listener two = {.service = &services[1], .address = {.family = AF_UNIX}};
    bool all[MOST + 1] = {false}, of_two[MOST + 1] = {false};
    unsigned slices;
    open_pairs(&one, 600);
    open_pairs(&two, 300);
    cr_expect_eq(walk(CONN_ANY_SERVICE, &slices, all), 900);
    cr_expect_geq(slices, 4);
    cr_expect_eq(walk(1900, &slices, of_two), 300);
    cr_expect_not(of_two[600]);
    cr_expect(of_two[601]);
    cr_expect_eq(walk(3, &slices, all), 0, "nobody has that one");
}

static unsigned kill_one(uint64_t number)
{
    size_t from = 0;
    while (!conn_set_walked(&set, from))
        if (conn_set_kill(&set, number, &from))
            return 1;
    return 0;
}

Test(list, a_kill_resets)
{
    char byte;
    listen_on("127.0.0.1:0", &services[0]);
    connect_to(&listener.address, 0);
    connect_to(&listener.address, 0);
    cr_expect_eq(kill_one(3), 0);
    cr_expect_eq(kill_one(1), 1);
    cr_expect_eq(kill_one(1), 0, "it is gone already");
    conn_set_sweep(&set);
    cr_expect_eq(read(peers[0], &byte, 1), -1);
    cr_expect_eq(errno, ECONNRESET);
    cr_expect_eq(slot->services[0].closed[CLOSE_KILLED], 1);
    cr_expect_eq(gone_count, 1);
    cr_expect_eq(set.open, 1);
    cr_expect_eq(the_record()->number, 2);
}

Test(list, a_kill_of_one_that_lingers)
{
    listen_on("127.0.0.1:0", &services[1]);
    connect_to(&listener.address, 0);
    say("x");
    cr_assert_eq(set.open, 1);
    cr_expect_eq(kill_one(1), 1);
    conn_set_sweep(&set);
    cr_expect_eq(set.open, 0);
    cr_expect_eq(slot->services[1].closed[CLOSE_KILLED], 1);
    cr_expect_eq(slot->services[1].closed[CLOSE_DONE], 0);
}
