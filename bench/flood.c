/* SPDX-License-Identifier: MIT */
/*
 * Connects from one address as fast as it can to a server that refuses it, and sees to it that it
 * was refused: each connection has to end without a byte.
 *
 *   flood SOURCE ADDRESS PORT COUNT SECONDS
 *
 * Says "ready" when the first one was refused; ends after so many, so many seconds or when its
 * standard input does, and prints one line of key=value.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define IN_FLIGHT  256 /* connections that may wait to be refused */
#define LOOK_EVERY 64  /* connections between two looks at the clock and the input */
#define PATIENCE   3   /* seconds in which one that is refused must have ended */

struct flood {
    struct sockaddr_in source, server;
    unsigned long count;
    double seconds;
    int open[IN_FLIGHT]; /* a ring; 0: none */
    unsigned long made, refused;
};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int complain(const char *what)
{
    perror(what);
    return -1;
}

/* Without a port: the kernel chooses it at connect(2). */
static int connect_one(const struct flood *flood)
{
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    struct timeval patience = {.tv_sec = PATIENCE};
    if (fd < 0)
        return complain("flood: socket");
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (bind(fd, (const struct sockaddr *)&flood->source, sizeof flood->source))
        return complain("flood: bind");
    if (connect(fd, (const struct sockaddr *)&flood->server, sizeof flood->server) &&
        errno != ECONNRESET)
        return complain("flood: connect");
    return fd;
}

/* Waits for the end if it has not come yet. */
static int end_one(struct flood *flood, int *fd)
{
    char byte;
    ssize_t length = *fd ? recv(*fd, &byte, 1, 0) : 0;
    if (length > 0 || (length < 0 && errno != ECONNRESET && errno != ENOTCONN)) {
        fprintf(stderr, "flood: a connection was not refused\n");
        return -1;
    }
    flood->refused += *fd != 0;
    if (*fd)
        close(*fd);
    *fd = 0;
    return 0;
}

static int next_one(struct flood *flood)
{
    int *slot = &flood->open[flood->made++ % IN_FLIGHT];
    if (end_one(flood, slot))
        return -1;
    *slot = connect_one(flood);
    return *slot < 0 ? -1 : 0;
}

static bool is_told_to_end(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&input, 1, 0) != 0;
}

static int run(struct flood *flood)
{
    double until = now() + flood->seconds;
    bool is_over = false;
    while (!is_over) {
        if (next_one(flood))
            return -1;
        is_over = flood->made == flood->count ||
                  (flood->made % LOOK_EVERY == 0 && (now() > until || is_told_to_end()));
    }
    for (unsigned i = 0; i < IN_FLIGHT; i++)
        if (end_one(flood, &flood->open[i]))
            return -1;
    return 0;
}

/* The first one alone, which shows that there is somebody who refuses. */
static int begin(struct flood *flood)
{
    if (next_one(flood) || end_one(flood, &flood->open[0]))
        return -1;
    flood->made = flood->refused = 0;
    puts("ready");
    return fflush(stdout);
}

static double cpu(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static int parse(struct flood *flood, int argc, char **argv)
{
    *flood = (struct flood){.source.sin_family = AF_INET, .server.sin_family = AF_INET};
    if (argc != 6 || inet_pton(AF_INET, argv[1], &flood->source.sin_addr) != 1 ||
        inet_pton(AF_INET, argv[2], &flood->server.sin_addr) != 1)
        return -1;
    flood->server.sin_port = htons((uint16_t)atoi(argv[3]));
    flood->count = strtoul(argv[4], NULL, 10);
    flood->seconds = atof(argv[5]);
    return flood->server.sin_port && flood->count && flood->seconds > 0 ? 0 : -1;
}

int main(int argc, char **argv)
{
    struct flood flood;
    if (parse(&flood, argc, argv)) {
        fputs("Usage: flood SOURCE ADDRESS PORT COUNT SECONDS\n", stderr);
        return 64;
    }
    if (begin(&flood))
        return 1;
    double begun = now(), cpu_before = cpu();
    if (run(&flood))
        return 1;
    double took = now() - begun;
    printf("mode=flood done=%lu seconds=%.6f rate=%.1f own_cpu=%.6f\n", flood.refused, took,
           (double)flood.refused / took, cpu() - cpu_before);
    return 0;
}
