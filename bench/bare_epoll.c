/* SPDX-License-Identifier: MIT */
/*
 * The limit: an epoll loop that does nothing but recv and send.  No limits, no time-outs, no
 * counters, no log, no buffers: a peer that does not read stops the whole thread.
 *
 *   bare_epoll PORT [THREADS [refuse]]
 *
 * Each thread has a listener of its own on that port (SO_REUSEPORT) and serves what it accepts, or,
 * as the limit of one that refuses, resets it.
 */
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_MAX 128
#define SCRATCH    65536

static bool refuses;

static int listen_on(uint16_t port)
{
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 4096)) {
        perror("bare_epoll: cannot listen");
        exit(1);
    }
    return fd;
}

static void watch(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void reset(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(fd);
}

static void accept_one(int epoll, int listener)
{
    int fd = accept4(listener, NULL, NULL, 0);
    if (fd >= 0 && refuses)
        reset(fd);
    else if (fd >= 0)
        watch(epoll, fd);
}

static void echo(int fd, char *scratch)
{
    ssize_t length = recv(fd, scratch, SCRATCH, 0);
    if (length <= 0 || send(fd, scratch, (size_t)length, MSG_NOSIGNAL) != length)
        close(fd);
}

static void *serve(void *argument)
{
    int listener = *(int *)argument, epoll = epoll_create1(0);
    struct epoll_event events[EVENTS_MAX];
    char scratch[SCRATCH];
    watch(epoll, listener);
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++)
            if (events[i].data.fd == listener)
                accept_one(epoll, listener);
            else
                echo(events[i].data.fd, scratch);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    struct rlimit limit;
    pthread_t thread;
    int listeners[64];
    int port = argc > 1 ? atoi(argv[1]) : 0, threads = argc > 2 ? atoi(argv[2]) : 1;
    refuses = argc > 3 && strcmp(argv[3], "refuse") == 0;
    if (port < 1 || port > 65535 || threads < 1 || threads > 64) {
        fputs("Usage: bare_epoll PORT [THREADS [refuse]]\n", stderr);
        return 64;
    }
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    for (int i = 0; i < threads; i++)
        listeners[i] = listen_on((uint16_t)port);
    for (int i = 1; i < threads; i++)
        if (pthread_create(&thread, NULL, serve, &listeners[i]))
            return 1;
    serve(&listeners[0]);
}
