/* SPDX-License-Identifier: MIT */
/*
 * As a first lesson on servers has it: a thread for each connection, which blocks in recv.
 *
 *   bare_thread PORT
 */
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define SCRATCH 65536

static int listen_on(uint16_t port)
{
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 4096)) {
        perror("bare_thread: cannot listen");
        exit(1);
    }
    return fd;
}

static void *serve(void *argument)
{
    int fd = (int)(intptr_t)argument;
    char scratch[SCRATCH];
    ssize_t length;
    while ((length = recv(fd, scratch, sizeof scratch, 0)) > 0)
        if (send(fd, scratch, (size_t)length, MSG_NOSIGNAL) != length)
            break;
    close(fd);
    return NULL;
}

/* A connection for which there is no thread is closed. */
static void start(int fd, const pthread_attr_t *detached)
{
    pthread_t thread;
    if (fd >= 0 && pthread_create(&thread, detached, serve, (void *)(intptr_t)fd))
        close(fd);
}

int main(int argc, char **argv)
{
    struct rlimit limit;
    pthread_attr_t detached;
    int port = argc > 1 ? atoi(argv[1]) : 0;
    if (port < 1 || port > 65535) {
        fputs("Usage: bare_thread PORT\n", stderr);
        return 64;
    }
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    int listener = listen_on((uint16_t)port);
    for (;;)
        start(accept(listener, NULL, NULL), &detached);
}
