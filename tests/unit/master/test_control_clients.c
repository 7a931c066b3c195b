/* SPDX-License-Identifier: MIT */
/* The clients of the control socket: how many, for how long, and how they end. */
#include "master/commands.h"

#include <fcntl.h>
#include <sys/resource.h>

TestSuite(control_clients, .init = begin_control, .fini = end_control, .timeout = 60);

Test(control_clients, who_waits_for_a_client_hears_of_its_end)
{
    int with_input = connect_to(path), fd = connect_to(path);
    say(with_input, LATER ECHO);
    say(fd, LATER);
    turn_all();
    cr_assert_eq(waiting_count, 2);
    close(fd);
    turn_all();
    cr_expect_eq(gone_count, 1);
    cr_expect_eq(last_gone, waiting[1]);
    close(with_input);
    turn_all();
    cr_expect_eq(gone_count, 2);
}

/* The peer has left, and the loop has not heard of it yet. */
Test(control_clients, answers_to_one_that_has_just_left)
{
    int fd = connect_to(path);
    ask(fd, LATER);
    close(fd);
    control_progress(waiting[0], ok());
    control_progress(waiting[0], ok());
    control_answer(waiting[0], ok());
    turn_all();
    cr_expect_eq(gone_count, 0);
    fd = connect_to(path);
    cr_expect_str_eq(ask(fd, ECHO), ECHOED);
    close(fd);
}

Test(control_clients, all_are_told_at_the_end)
{
    int fds[2] = {connect_to(path), connect_to(path)};
    say(fds[0], LATER);
    say(fds[1], LATER);
    turn_all();
    cr_assert_eq(waiting_count, 2);
    control_free(control);
    control = NULL;
    cr_expect_eq(gone_count, 2);
    cr_expect_str_eq(heard(fds[0]), "EOF");
    cr_expect_str_eq(heard(fds[1]), "EOF");
    close(fds[0]);
    close(fds[1]);
}

Test(control_clients, those_that_wait_for_one)
{
    int fds[3];
    for (int i = 0; i < 3; i++)
        ask(fds[i] = connect_to(path), LATER);
    cr_assert_eq(waiting_count, 3);
    control_wait(waiting[1], gone, NULL);
    unsigned count = 0;
    struct control_client *client = NULL;
    while ((client = control_next_waiting(control, waiting, client))) {
        control_answer(client, ok());
        count++;
    }
    cr_expect_eq(count, 2);
    cr_expect_eq(control_next_waiting(control, NULL, NULL), waiting[1]);
    control_answer(waiting[1], ok());
    cr_expect_null(control_next_waiting(control, NULL, NULL));
    for (int i = 0; i < 3; i++) {
        cr_expect_str_eq(heard(fds[i]), OK);
        close(fds[i]);
    }
}

Test(control_clients, ten_seconds_for_a_line)
{
    int silent = connect_to(path), slow = connect_to(path), waits = connect_to(path);
    ask(waits, LATER);
    ask(slow, "{\"comm");
    later(9 * CLOCK_S);
    cr_expect_str_empty(ask(slow, "and"), "it has time left");
    cr_expect_str_empty(heard(silent));
    later(11 * CLOCK_S);
    cr_expect_str_eq(heard(silent), "EOF");
    cr_expect_str_eq(heard(slow), "EOF", "a byte now and then buys no time");
    later(3600 * CLOCK_S);
    cr_expect_str_empty(heard(waits));
    cr_expect_eq(gone_count, 0);
    control_answer(waiting[0], ok());
    cr_expect_str_eq(heard(waits), OK);
    later(11 * CLOCK_S);
    cr_expect_str_eq(heard(waits), "EOF");
    close(silent);
    close(slow);
    close(waits);
}

/* Reads until so many bytes have come, or nothing comes any more. */
static size_t swallow(int fd, size_t wanted)
{
    static char bytes[1 << 16];
    size_t total = 0;
    for (unsigned idle = 0; total < wanted && idle < 4;) {
        size_t room = wanted - total < sizeof bytes ? wanted - total : sizeof bytes;
        ssize_t length = recv(fd, bytes, room, MSG_DONTWAIT);
        if (length == 0)
            break;
        idle = length > 0 ? 0 : idle + 1;
        total += length > 0 ? (size_t)length : 0;
        turn(1);
    }
    return total;
}

Test(control_clients, megabytes_for_a_slow_reader)
{
    const size_t frame = strlen("{\"ok\":true,\"text\":\"\"}\n");
    int fd = connect_to(path);
    say(fd, "{\"command\":\"big\",\"size\":8388608}\n" ECHO);
    turn_all();
    for (int i = 0; i < 6; i++) {
        cr_expect_eq(swallow(fd, 1 << 20), 1 << 20);
        later(9 * CLOCK_S);
    }
    cr_expect_eq(swallow(fd, (2 << 20) + frame), (2 << 20) + frame);
    turn_all();
    cr_expect_str_eq(heard(fd), ECHOED, "the next request comes after the answer");
    close(fd);
}

Test(control_clients, one_that_never_reads)
{
    int fd = connect_to(path), other = connect_to(path);
    say(fd, "{\"command\":\"big\",\"size\":8388608}\n");
    turn_all();
    cr_expect_str_eq(ask(other, ECHO), ECHOED);
    later(11 * CLOCK_S);
    size_t size = swallow(fd, 8 << 20);
    cr_expect(size > 0 && size < 4 << 20, "%zu", size);
    cr_expect_str_eq(heard(fd), "EOF");
    close(fd);
    close(other);
}

Test(control_clients, one_that_waits_and_takes_no_progress)
{
    int fd = connect_to(path);
    ask(fd, LATER);
    control_progress(waiting[0], big(1 << 20));
    turn_all();
    later(9 * CLOCK_S);
    cr_expect_eq(gone_count, 0);
    later(11 * CLOCK_S);
    cr_expect_eq(gone_count, 1);
    close(fd);
}

Test(control_clients, more_than_can_be_kept)
{
    int fd = connect_to(path);
    ask(fd, LATER);
    for (int i = 0; i < 9; i++)
        control_progress(waiting[0], big(8 << 20));
    cr_expect_eq(gone_count, 0, "only the loop ends a client");
    turn_all();
    cr_expect_eq(gone_count, 1);
    close(fd);
    fd = connect_to(path);
    say(fd, "{\"command\":\"big\",\"size\":70000000}\n");
    turn_all();
    cr_expect_str_eq(heard(fd), "EOF");
    close(fd);
}

Test(control_clients, the_seventeenth_takes_the_place_of_the_idlest)
{
    int fds[CONTROL_CLIENTS_MAX + 1];
    for (int i = 0; i < CONTROL_CLIENTS_MAX; i++) {
        fds[i] = connect_to(path);
        turn(4);
    }
    ask(fds[0], LATER);
    cr_expect_str_eq(ask(fds[1], ECHO), ECHOED);
    ask(fds[2], "{");
    fds[CONTROL_CLIENTS_MAX] = connect_to(path);
    cr_expect_str_eq(ask(fds[CONTROL_CLIENTS_MAX], ECHO), ECHOED);
    for (int i = 0; i <= CONTROL_CLIENTS_MAX; i++)
        cr_expect_str_eq(heard(fds[i]), i == 2 ? "EOF" : "", "%d", i);
    for (int i = 0; i <= CONTROL_CLIENTS_MAX; i++)
        close(fds[i]);
}

Test(control_clients, no_place_when_all_wait)
{
    int fds[CONTROL_CLIENTS_MAX];
    for (int i = 0; i < CONTROL_CLIENTS_MAX; i++)
        ask(fds[i] = connect_to(path), LATER);
    cr_assert_eq(waiting_count, CONTROL_CLIENTS_MAX);
    int fd = connect_to(path);
    turn_all();
    expect_refused(fd, "too many clients");
    cr_expect_str_eq(heard(fd), "EOF");
    close(fd);
    close(fds[7]);
    turn_all();
    fd = connect_to(path);
    cr_expect_str_eq(ask(fd, ECHO), ECHOED);
    close(fd);
    for (int i = 0; i < CONTROL_CLIENTS_MAX; i++)
        if (i != 7)
            close(fds[i]);
    turn_all();
    cr_expect_eq(gone_count, CONTROL_CLIENTS_MAX);
}

/* Connecting over and over again does not starve who has something to say. */
Test(control_clients, a_flood_of_clients)
{
    int fds[60];
    for (int i = 0; i < 30; i++)
        fds[i] = connect_to(path);
    turn(4);
    int fd = connect_to(path);
    say(fd, ECHO);
    for (int i = 30; i < 60; i++)
        fds[i] = connect_to(path);
    turn_all();
    turn_all();
    cr_expect_str_eq(heard(fd), ECHOED);
    close(fd);
    for (int i = 0; i < 60; i++)
        close(fds[i]);
}

Test(control_clients, out_of_descriptors)
{
    struct rlimit before, none;
    struct epoll_event event;
    int fd = connect_to(path), lowest = dup(0);
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = (rlim_t)lowest;
    close(lowest);
    say(fd, ECHO);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    turn(4);
    cr_expect_eq(epoll_wait(loop.epoll, &event, 1, 0), 0, "it does not spin");
    later(CLOCK_S);
    cr_expect_eq(epoll_wait(loop.epoll, &event, 1, 0), 0, "nor when it has tried again");
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    cr_expect_str_empty(heard(fd));
    later(CLOCK_S);
    turn_all();
    cr_expect_str_eq(heard(fd), ECHOED);
    close(fd);
}

/* From one image of the process to the next. */

Test(control_clients, a_client_handed_over)
{
    struct error error = {0};
    int fd = connect_to(path);
    ask(fd, LATER ECHO);
    int ours = dup(control_client_fd(waiting[0]));
    struct control *next = control_new(&loop, commands, &loop, &error);
    struct control_client *client = control_adopt_client(next, ours, &error);
    cr_assert_not_null(client, "%s", error.text);
    cr_expect(fcntl(ours, F_GETFD) & FD_CLOEXEC);
    control_wait(client, gone, waiting);
    later(3600 * CLOCK_S);
    cr_expect_eq(gone_count, 0);
    control_answer(client, ok());
    turn_all();
    cr_expect_str_eq(heard(fd), OK ECHOED, "what stood behind the request is not lost");
    control_free(next);
    close(fd);
}

Test(control_clients, an_adopted_client_that_has_left)
{
    int ends[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    struct control_client *client = control_adopt_client(control, ends[0], NULL);
    cr_assert_not_null(client);
    control_wait(client, gone, waiting);
    close(ends[1]);
    turn_all();
    cr_expect_eq(gone_count, 1);
    cr_expect_eq(last_gone, client);
}

Test(control_clients, what_is_no_client_is_not_adopted)
{
    struct error error;
    int listener = control_listener_fd(control), ends[2];
    cr_expect_null(control_adopt_client(control, listener, &error));
    cr_expect_null(control_adopt_client(control, -1, &error));
    cr_assert_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
    cr_expect_null(control_adopt_client(control, ends[0], &error));
    cr_expect(strstr(error.text, "not what was handed over"), "%s", error.text);
    close(ends[0]);
    close(ends[1]);
}

Test(control_clients, a_torn_line_is_not_handed_over)
{
    int fd = connect_to(path);
    ask(fd, LATER);
    cr_expect_geq(control_client_fd(waiting[0]), 0);
    control_progress(waiting[0], big(1 << 20));
    cr_expect_eq(control_client_fd(waiting[0]), -1);
    close(fd);
}
