/* SPDX-License-Identifier: MIT */
/* The life of a connection, with services made for the test and a socket pair for the network. */
#include "conn/conn.h"

#include "base/clock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct loop loop;
/* A thread's slot with room for one service. */
static _Alignas(64) char score[sizeof(struct thread_slot) + sizeof(struct counters)];
#define own_slot ((struct thread_slot *)(void *)score)
#define counters (own_slot->services[0])
static struct conn_set set;
static unsigned gone_count;
static int peer; /* the other end of the connection, non-blocking */
static struct conn *opened;

/* What the service under test has seen. */
static struct {
    unsigned opened, data, eof, room, closed;
    char kept[256]; /* what the last data() was given */
    size_t length;  /* … and how much */
    size_t total;   /* bytes used in all */
    size_t eof_length;
} seen;

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

static struct service service;
static struct listener listener;

static void set_up(void)
{
    const struct service *services[] = {&service};
    service.name = "test";
    cr_assert_eq(loop_init(&loop, NULL), 0);
    loop.turn_end = turn_end;
    set = (struct conn_set){.loop = &loop, .slot = own_slot, .gone = gone};
    service.timeouts.linger = 50 * CLOCK_MS;
    cr_assert_eq(conn_set_init(&set, services, 1, NULL), 0);
}

static void tear_down(void)
{
    conn_set_cut(&set);
    conn_set_sweep(&set);
    conn_set_fini(&set);
    loop_fini(&loop);
}

TestSuite(conn, .init = set_up, .fini = tear_down, .timeout = 60);

/* One turn that never waits. */
static void turn(void)
{
    loop_wake(&loop);
    loop.stop = false;
    loop_run(&loop);
}

static void turns(int count)
{
    while (count-- > 0)
        turn();
}

/* Time-outs and buffers of the services need the clocks made again. */
static void set_timeouts(struct timeouts timeouts)
{
    const struct service *services[] = {&service};
    service.timeouts = timeouts;
    conn_set_fini(&set);
    cr_assert_eq(conn_set_init(&set, services, 1, NULL), 0);
}

static void serve(const struct service_ops *ops)
{
    int fds[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    peer = fds[1];
    service.ops = ops;
    listener = (struct listener){.fd = -1, .service = &service, .address = {.family = AF_UNIX}};
    cr_assert_eq(loop_offer(&loop, fds[0], conn_first_events(&service)), 0);
    struct handover handover = {.fd = fds[0], .accepted = clock_now()};
    loop.now = clock_now();
    conn_open(&set, &listener, &handover);
}

static void say(const char *text)
{
    cr_assert_eq(write(peer, text, strlen(text)), (ssize_t)strlen(text));
    turns(3);
}

static void expect(const char *wanted)
{
    char text[512];
    ssize_t length = read(peer, text, sizeof text);
    cr_assert_eq(length, (ssize_t)strlen(wanted));
    cr_assert_eq(memcmp(text, wanted, (size_t)length), 0);
}

static void expect_end(void)
{
    char byte;
    cr_assert_eq(read(peer, &byte, 1), 0);
}

static void expect_nothing(void)
{
    char byte;
    cr_assert_eq(read(peer, &byte, 1), -1);
    cr_assert_eq(errno, EAGAIN);
}

/* Gone, counted once, its place given back, `close` called once. */
static void expect_closed(enum close_reason reason)
{
    uint64_t all = 0;
    for (int i = 0; i < CLOSE_REASON_COUNT; i++)
        all += counters.closed[i];
    cr_assert_eq(all, 1);
    cr_assert_eq(counters.closed[reason], 1);
    cr_assert_eq(seen.closed, 1);
    cr_assert_eq(gone_count, 1);
    cr_assert_eq(set.open, 0);
}

static void wait_closed(void)
{
    uint64_t until = clock_now() + 5 * CLOCK_S;
    while (set.open > 0 && clock_now() < until)
        turn();
}

/* Services. */

static void note_open(struct conn *conn)
{
    opened = conn;
    seen.opened++;
}

static void note_close(struct conn *conn)
{
    (void)conn;
    seen.closed++;
}

static void note_data(const char *bytes, size_t length)
{
    seen.data++;
    seen.length = length;
    memcpy(seen.kept, bytes, length < sizeof seen.kept ? length : sizeof seen.kept);
}

static size_t echo(struct conn *conn, const char *bytes, size_t length)
{
    note_data(bytes, length);
    seen.total += length;
    conn_send(conn, bytes, length);
    return length;
}

static const struct service_ops echoes = {.open = note_open, .data = echo, .close = note_close};

/* Uses whole lines only. */
static size_t lines(struct conn *conn, const char *bytes, size_t length)
{
    note_data(bytes, length);
    const char *newline = memrchr(bytes, '\n', length);
    if (!newline)
        return 0;
    size_t used = (size_t)(newline - bytes) + 1;
    conn_send(conn, bytes, used);
    return used;
}

static void note_eof(struct conn *conn, const char *bytes, size_t length)
{
    seen.eof++;
    seen.eof_length = length;
    if (length > 0)
        conn_send(conn, bytes, length);
    conn_finish(conn);
}

static const struct service_ops reads_lines = {
    .open = note_open, .data = lines, .eof = note_eof, .close = note_close};

/* Data and its end. */

Test(conn, bytes_come_back)
{
    serve(&echoes);
    cr_assert_eq(seen.opened, 1);
    say("hello");
    expect("hello");
    cr_assert_eq(counters.received, 5);
    cr_assert_eq(counters.sent, 5);
    shutdown(peer, SHUT_WR);
    turns(3);
    expect_end();
    expect_closed(CLOSE_EOF);
}

Test(conn, what_is_not_used_comes_again_with_more)
{
    serve(&reads_lines);
    say("one");
    cr_assert_eq(seen.length, 3);
    say(" and two");
    cr_assert_eq(seen.length, 11);
    cr_assert_eq(memcmp(seen.kept, "one and two", 11), 0);
    expect_nothing();
    say("\nthr");
    expect("one and two\n");
    say("ee\n");
    cr_assert_eq(memcmp(seen.kept, "three\n", 6), 0);
    expect("three\n");
}

Test(conn, what_is_left_is_told_with_the_end)
{
    serve(&reads_lines);
    say("line\nrest");
    shutdown(peer, SHUT_WR);
    turns(3);
    cr_assert_eq(seen.eof, 1);
    cr_assert_eq(seen.eof_length, 4);
    expect("line\nrest");
    expect_end();
    expect_closed(CLOSE_EOF);
}

Test(conn, an_end_without_a_byte)
{
    serve(&reads_lines);
    close(peer);
    turns(3);
    cr_assert_eq(seen.eof, 1);
    cr_assert_eq(seen.eof_length, 0);
    expect_closed(CLOSE_EOF);
}

Test(conn, a_service_that_leaves_a_full_buffer_is_at_fault)
{
    static char chunk[32 * 1024];
    memset(chunk, 'x', sizeof chunk);
    serve(&reads_lines);
    for (int i = 0; i < 20 && set.open; i++) {
        cr_assert_neq(send(peer, chunk, sizeof chunk, MSG_NOSIGNAL), 0);
        turns(3);
    }
    expect_closed(CLOSE_ERROR);
    cr_assert_leq(seen.length, CONN_INPUT_MAX + 64 * 1024);
}

/* Output that waits. */

Test(conn, output_that_waits_stops_reading)
{
    static char chunk[64 * 1024];
    ssize_t taken;
    size_t sent = 0, back = 0;
    serve(&echoes);
    for (int idle = 0; idle < 10;) {
        taken = send(peer, chunk, sizeof chunk, MSG_NOSIGNAL);
        sent += taken > 0 ? (size_t)taken : 0;
        idle = taken > 0 ? 0 : idle + 1;
        turn();
    }
    cr_assert_eq(conn_room(opened), 0);
    cr_assert_lt(seen.total, sent, "the rest waits in the kernel");
    cr_assert_leq(seen.total - counters.sent, CONN_OUTPUT_HIGH + sizeof chunk);
    while (back < sent) {
        taken = recv(peer, chunk, sizeof chunk, 0);
        back += taken > 0 ? (size_t)taken : 0;
        turn();
    }
    cr_assert_eq(seen.total, sent);
    cr_assert_eq(conn_room(opened), CONN_OUTPUT_HIGH);
    say("on");
    expect("on");
}

static size_t flood(struct conn *conn, const char *bytes, size_t length)
{
    static char chunk[64 * 1024];
    (void)bytes;
    for (int i = 0; i < 100; i++)
        conn_send(conn, chunk, sizeof chunk);
    cr_assert_not(conn_is_open(conn));
    return length;
}

Test(conn, a_service_that_does_not_look_at_room_is_at_fault)
{
    static const struct service_ops floods = {.data = flood, .close = note_close};
    serve(&floods);
    say("x");
    expect_closed(CLOSE_ERROR);
}

static void fill(struct conn *conn)
{
    static char chunk[1000];
    seen.room++;
    conn_send(conn, chunk, conn_room(conn) < sizeof chunk ? conn_room(conn) : sizeof chunk);
}

Test(conn, room_is_asked_for_as_long_as_the_peer_takes_it)
{
    static const struct service_ops fills = {
        .speaks_first = true, .data = echo, .room = fill, .close = note_close};
    char chunk[4096];
    serve(&fills);
    turns(1000);
    unsigned stuck = seen.room;
    turns(10);
    cr_assert_eq(seen.room, stuck, "the peer takes nothing");
    for (int i = 0; i < 400; i++) {
        cr_assert_neq(recv(peer, chunk, sizeof chunk, 0), 0);
        turn();
    }
    cr_assert_gt(seen.room, stuck);
}

/* Finishing. */

static size_t answer_and_finish(struct conn *conn, const char *bytes, size_t length)
{
    echo(conn, bytes, length);
    conn_finish(conn);
    conn_finish(conn);
    cr_assert_not(conn_is_open(conn));
    conn_send(conn, "never sent", 10);
    return 0;
}

static const struct service_ops finishes = {
    .open = note_open, .data = answer_and_finish, .eof = note_eof, .close = note_close};

Test(conn, finish_sends_all_then_the_end_and_awaits_the_peers)
{
    serve(&finishes);
    say("bye");
    expect("bye");
    expect_end();
    cr_assert_eq(set.open, 1, "the peer has not finished");
    say("more");
    say("and more");
    cr_assert_eq(seen.data, 1, "nothing goes to the service any more");
    cr_assert_eq(counters.received, 3);
    shutdown(peer, SHUT_WR);
    turns(3);
    cr_assert_eq(seen.eof, 0);
    expect_closed(CLOSE_DONE);
}

Test(conn, the_peers_end_is_not_awaited_for_ever)
{
    serve(&finishes);
    uint64_t begun = clock_now();
    say("bye");
    wait_closed();
    cr_assert_geq(clock_now() - begun, 50 * CLOCK_MS);
    expect_closed(CLOSE_DONE);
}

Test(conn, the_end_comes_behind_what_waits)
{
    static char chunk[64 * 1024];
    size_t back = 0;
    set_timeouts((struct timeouts){.linger = 5 * CLOCK_S});
    serve(&echoes);
    while (conn_room(opened) > 0) {
        ssize_t taken = send(peer, chunk, sizeof chunk, MSG_NOSIGNAL);
        (void)taken;
        turn();
    }
    size_t used = seen.total;
    conn_finish(opened);
    for (ssize_t taken; (taken = recv(peer, chunk, sizeof chunk, 0)) != 0;) {
        back += taken > 0 ? (size_t)taken : 0;
        turn();
    }
    cr_assert_eq(back, used);
    cr_assert_eq(seen.total, used);
}

static void finish_at_once(struct conn *conn)
{
    note_open(conn);
    conn_send(conn, "hi", 2);
    conn_finish(conn);
}

Test(conn, finish_within_open)
{
    static const struct service_ops short_lived = {
        .speaks_first = true, .open = finish_at_once, .data = echo, .close = note_close};
    serve(&short_lived);
    turn();
    expect("hi");
    expect_end();
    close(peer);
    turns(3);
    cr_assert_eq(seen.data, 0);
    expect_closed(CLOSE_DONE);
}

/* What goes wrong. */

Test(conn, a_reset)
{
    serve(&echoes);
    say("unread"); /* closed with the echo unread, a unix socket resets */
    close(peer);
    turns(3);
    expect_closed(CLOSE_RESET);
}

Test(conn, a_peer_that_is_gone_before_it_is_greeted)
{
    static const struct service_ops greets = {
        .speaks_first = true, .open = finish_at_once, .data = echo, .close = note_close};
    int fds[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    close(fds[1]);
    service.ops = &greets;
    listener = (struct listener){.fd = -1, .service = &service, .address = {.family = AF_UNIX}};
    loop_offer(&loop, fds[0], conn_first_events(&service));
    conn_open(&set, &listener, &(struct handover){.fd = fds[0], .accepted = clock_now()});
    turns(3);
    expect_closed(CLOSE_RESET);
}

Test(conn, the_cut)
{
    serve(&echoes);
    conn_set_cut(&set);
    conn_set_sweep(&set);
    expect_end();
    expect_closed(CLOSE_DRAIN);
}

/* Time-outs. */

Test(conn, idle)
{
    set_timeouts((struct timeouts){.idle = 400 * CLOCK_MS, .linger = 10 * CLOCK_MS});
    serve(&echoes);
    uint64_t begun = clock_now(), last = begun;
    while (clock_now() - begun < 800 * CLOCK_MS) {
        say("x");
        expect("x");
        last = clock_now();
    }
    cr_assert_eq(set.open, 1, "it was never idle");
    wait_closed();
    cr_assert_geq(clock_now() - last, 400 * CLOCK_MS);
    expect_closed(CLOSE_IDLE);
}

Test(conn, lifetime)
{
    set_timeouts((struct timeouts){.lifetime = 60 * CLOCK_MS, .linger = 10 * CLOCK_MS});
    serve(&echoes);
    uint64_t begun = clock_now();
    while (set.open > 0 && clock_now() - begun < 5 * CLOCK_S) {
        if (send(peer, "x", 1, MSG_NOSIGNAL) < 0)
            break;
        turn();
    }
    wait_closed();
    cr_assert_geq(clock_now() - begun, 59 * CLOCK_MS);
    expect_closed(CLOSE_LIFETIME);
}

Test(conn, write)
{
    static char chunk[64 * 1024];
    set_timeouts((struct timeouts){
        .idle = 3600 * CLOCK_S, .write = 60 * CLOCK_MS, .linger = 3600 * CLOCK_S});
    serve(&echoes);
    for (int i = 0; i < 50; i++) {
        cr_assert_neq(send(peer, chunk, sizeof chunk, MSG_NOSIGNAL), 0);
        turn();
    }
    wait_closed();
    expect_closed(CLOSE_WRITE_TIMEOUT);
}

/* A service with more to say has no output waiting when the kernel took all of it: still, a peer
 * that takes nothing is one. */
Test(conn, write_of_a_service_that_never_ends)
{
    static const struct service_ops fills = {
        .speaks_first = true, .data = echo, .room = fill, .close = note_close};
    set_timeouts((struct timeouts){
        .idle = 3600 * CLOCK_S, .write = 60 * CLOCK_MS, .linger = 3600 * CLOCK_S});
    serve(&fills);
    wait_closed();
    expect_closed(CLOSE_WRITE_TIMEOUT);
}

/* Answers each byte with three pieces, one in a turn; the next byte has to wait for that. */
static unsigned pieces_left;

static void send_piece(struct conn *conn)
{
    seen.room++;
    conn_want_room(conn, pieces_left > 1);
    if (pieces_left == 0)
        return;
    conn_send(conn, ".", 1);
    if (--pieces_left == 0 && seen.eof > 0)
        conn_finish(conn);
}

static void finish_after_pieces(struct conn *conn, const char *bytes, size_t length)
{
    (void)bytes;
    seen.eof++;
    seen.eof_length = length;
    if (pieces_left == 0)
        conn_finish(conn);
}

static size_t answer_in_pieces(struct conn *conn, const char *bytes, size_t length)
{
    note_data(bytes, length);
    if (pieces_left > 0)
        return 0;
    pieces_left = 3;
    send_piece(conn);
    return 1;
}

static void wants_no_room(struct conn *conn)
{
    note_open(conn);
    conn_want_room(conn, false);
}

static const struct service_ops answers_in_pieces = {.open = wants_no_room,
                                                     .data = answer_in_pieces,
                                                     .eof = finish_after_pieces,
                                                     .room = send_piece,
                                                     .close = note_close};

Test(conn, room_is_not_asked_for_when_the_service_does_not_want_it)
{
    serve(&answers_in_pieces);
    turns(20);
    cr_assert_eq(seen.room, 0);
    say("x");
    turns(20);
    expect("...");
    cr_assert_eq(seen.room, 3);
}

Test(conn, input_waits_for_the_pieces_and_the_end_for_the_input)
{
    serve(&answers_in_pieces);
    cr_assert_eq(write(peer, "xyz", 3), 3);
    shutdown(peer, SHUT_WR);
    turns(40);
    expect(".........");
    expect_end();
    cr_assert_eq(seen.eof, 1);
    cr_assert_eq(seen.eof_length, 0);
    expect_closed(CLOSE_EOF);
}

/* More input than may be kept is no fault while the service has something to send. */
Test(conn, a_service_in_the_middle_of_its_pieces_may_leave_a_full_buffer)
{
    static char chunk[4096];
    serve(&answers_in_pieces);
    say("x");
    turns(20);
    pieces_left = 200;
    conn_want_room(opened, true);
    for (int i = 0; i < 100; i++) {
        cr_assert_neq(send(peer, chunk, sizeof chunk, MSG_NOSIGNAL), 0);
        turn();
    }
    cr_assert_eq(set.open, 1);
}

/* State, and time-outs of the service's own. */

struct sleepy {
    struct timer timer;
    bool slept;
};

static void slept(struct timer *timer, uint64_t now)
{
    struct sleepy *sleepy = (struct sleepy *)timer;
    (void)now;
    sleepy->slept = true;
    conn_resume(conn_of(sleepy));
}

static size_t answer_later(struct conn *conn, const char *bytes, size_t length)
{
    struct sleepy *sleepy = conn_state(conn);
    note_data(bytes, length);
    if (sleepy->slept)
        return echo(conn, bytes, length);
    timer_start(&sleepy->timer, timers_fifo(conn_timers(conn), 30 * CLOCK_MS, slept),
                conn_now(conn));
    return 0;
}

static void stop_sleeping(struct conn *conn)
{
    struct sleepy *sleepy = conn_state(conn);
    timer_stop(&sleepy->timer);
    seen.closed++;
}

static const struct service_ops sleeps = {.state_size = sizeof(struct sleepy),
                                          .open = note_open,
                                          .data = answer_later,
                                          .close = stop_sleeping};

Test(conn, resume_gives_what_was_kept)
{
    static const struct sleepy zero;
    serve(&sleeps);
    cr_assert_eq(memcmp(conn_state(opened), &zero, sizeof zero), 0);
    cr_assert_eq(conn_of(conn_state(opened)), opened);
    cr_assert_eq(conn_service(opened), &service);
    uint64_t begun = clock_now();
    say("hello");
    while (seen.total == 0 && clock_now() - begun < 5 * CLOCK_S)
        turn();
    cr_assert_geq(clock_now() - begun, 30 * CLOCK_MS);
    expect("hello");
}

Test(conn, a_timer_of_the_service_goes_with_it)
{
    serve(&sleeps);
    say("hello");
    shutdown(peer, SHUT_RDWR);
    wait_closed();
    uint64_t begun = clock_now();
    while (clock_now() - begun < 60 * CLOCK_MS)
        turn();
    expect_closed(CLOSE_EOF);
}
