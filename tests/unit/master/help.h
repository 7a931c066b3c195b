/* SPDX-License-Identifier: MIT */
/* A loop that is turned by hand, a control socket in a folder of its own, and clients of it. */
#ifndef TESTS_UNIT_MASTER_HELP_H
#define TESTS_UNIT_MASTER_HELP_H

#include "io/loop.h"
#include "master/control.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct loop loop;
static struct control *control;
static char folder[64], path[96], other_path[96];

static inline void stop_turning(struct loop *turned)
{
    turned->stop = true;
}

/* Sockets between the loop and a test in the same process: what there is to do is there at once. */
static inline void turn(unsigned times)
{
    while (times--) {
        loop.stop = false;
        loop_wake(&loop);
        loop_run(&loop);
    }
}

/* As many turns as it takes 17 clients to come in and to be answered. */
static inline void turn_all(void)
{
    turn(64);
}

/* As turn, with the clock ahead by that much. */
static inline void later(uint64_t duration)
{
    timers_run(&loop.timers, clock_now() + duration);
    turn(4);
}

static inline void make_control(const struct control_command *commands)
{
    struct error error = {0};
    snprintf(folder, sizeof folder, "/tmp/test_control.XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    cr_assert_eq(chmod(folder, 0755), 0);
    snprintf(path, sizeof path, "%s/socket", folder);
    snprintf(other_path, sizeof other_path, "%s/other", folder);
    cr_assert_eq(loop_init(&loop, &error), 0, "%s", error.text);
    loop.turn_end = stop_turning;
    control = control_new(&loop, commands, &loop, &error);
    cr_assert_not_null(control, "%s", error.text);
}

static inline void end_control(void)
{
    control_free(control);
    loop_fini(&loop);
    unlink(path);
    unlink(other_path);
    rmdir(folder);
}

static inline struct control_settings at(const char *socket, mode_t mode)
{
    return (struct control_settings){.socket = socket, .mode = mode};
}

static inline void listen_at(const char *socket, mode_t mode)
{
    struct error error = {0};
    struct control_settings settings = at(socket, mode);
    cr_assert_eq(control_listen(control, &settings, &error), 0, "%s", error.text);
}

static inline struct sockaddr_un address_of(const char *socket)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", socket);
    return address;
}

static inline int new_socket(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(fd, 0);
    return fd;
}

static inline int connect_to(const char *socket)
{
    struct sockaddr_un address = address_of(socket);
    int fd = new_socket();
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0, "%s: %s", socket,
                 strerror(errno));
    return fd;
}

static inline void say_bytes(int fd, const void *bytes, size_t length)
{
    cr_assert_eq(send(fd, bytes, length, MSG_NOSIGNAL), (ssize_t)length);
}

static inline void say(int fd, const char *text)
{
    say_bytes(fd, text, strlen(text));
}

/* What has come and was not read yet, without waiting; "" when there is nothing, "EOF", "RESET". */
static inline const char *heard(int fd)
{
    static char text[16384];
    ssize_t length = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
    if (length == 0)
        return "EOF";
    if (length < 0)
        return errno == EAGAIN ? "" : "RESET";
    text[length] = '\0';
    return text;
}

static inline const char *ask(int fd, const char *request)
{
    say(fd, request);
    turn_all();
    return heard(fd);
}

static inline unsigned descriptors(void)
{
    unsigned count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += dup2(fd, fd) == fd;
    return count;
}

#endif
