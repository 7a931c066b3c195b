/* SPDX-License-Identifier: MIT */
/* A real child, without a master: for tests that speak to it over the channel. */
#ifndef TESTS_UNIT_CHILD_HELP_H
#define TESTS_UNIT_CHILD_HELP_H

#include "base/clock.h"
#include "base/scoreboard.h"
#include "child/channel.h"
#include "child/child.h"
#include "io/sock.h"
#include "service/registry.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* The program that includes this says how it fails. */
#ifndef demand
#error "define demand(condition) first"
#endif

enum { FAMILY_SERVICES = 2 };

/* Two services, "tcp" and "unix", which both echo; ids are not indices. */
struct family {
    char folder[64], path[96];
    struct scoreboard *scoreboard;
    struct board *board;
    struct conf_service services[FAMILY_SERVICES];
    struct conf conf;
    struct listener listeners[FAMILY_SERVICES];
};

struct fake_master {
    pid_t child;
    int channel;
};

static inline void family_board(struct family *family)
{
    static const char *const strangers[] = {"stranger"};
    static const char *const names[] = {"tcp", "unix"};
    struct board_plan plan = {
        .generation = 1, .children = 1, .threads = 1, .services = 1, .names = strangers};
    family->scoreboard = scoreboard_new(16, NULL);
    demand(family->scoreboard);
    struct board *other = board_new(family->scoreboard, &plan, NULL);
    demand(other);
    board_free(other);
    plan = (struct board_plan){.generation = 2,
                               .children = 4,
                               .threads = family->conf.pool.threads,
                               .services = FAMILY_SERVICES,
                               .listeners = FAMILY_SERVICES,
                               .names = names};
    family->board = board_new(family->scoreboard, &plan, NULL);
    demand(family->board);
    for (unsigned i = 0; i < FAMILY_SERVICES; i++)
        family->services[i].service = (struct service){.name = names[i],
                                                       .ops = registry_find("echo"),
                                                       .index = i,
                                                       .id = family->board->ids[i]};
}

static inline void family_listen(struct family *family, unsigned i, const char *text)
{
    struct listener *listener = &family->listeners[i];
    listener->service = &family->services[i].service;
    demand(addr_parse(&listener->address, text, NULL) == 0);
    listener->fd = sock_listen(&listener->address, 4096, NULL, 0600, NULL);
    demand(listener->fd >= 0);
    if (listener->address.family != AF_UNIX)
        sock_local(listener->fd, &listener->address);
}

static inline void family_make(struct family *family, unsigned threads)
{
    char name[ADDR_TEXT_MAX];
    struct rlimit limit;
    demand(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    demand(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    *family = (struct family){.conf = {.pool = {.processes = 1, .threads = threads, .queue = 64},
                                       .services = family->services,
                                       .service_count = FAMILY_SERVICES}};
    snprintf(family->folder, sizeof family->folder, "/tmp/tcpd-child.XXXXXX");
    demand(mkdtemp(family->folder));
    snprintf(family->path, sizeof family->path, "%s/socket", family->folder);
    snprintf(name, sizeof name, "unix:%s", family->path);
    family_board(family);
    family_listen(family, 0, "127.0.0.1:0");
    family_listen(family, 1, name);
    family->listeners[1].address.path = family->path;
}

static inline void family_free(struct family *family)
{
    unlink(family->path);
    rmdir(family->folder);
    board_free(family->board);
    scoreboard_free(family->scoreboard);
}

/* Waits for an answer, whatever it is. */
static inline struct message child_answer(const struct fake_master *master)
{
    struct pollfd pollfd = {.fd = master->channel, .events = POLLIN};
    struct message message;
    int descriptor;
    demand(poll(&pollfd, 1, 60000) == 1);
    demand(channel_receive(master->channel, &message, &descriptor) == CHANNEL_MESSAGE);
    demand(descriptor == -1);
    return message;
}

static inline struct fake_master child_start(const struct family *family, unsigned index)
{
    int ends[2];
    struct fake_master master;
    demand(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    master = (struct fake_master){.child = fork(), .channel = ends[0]};
    if (master.child == 0) {
        struct child_setup setup = {.conf = &family->conf,
                                    .listeners = family->listeners,
                                    .listener_count = FAMILY_SERVICES,
                                    .board = family->board,
                                    .index = index,
                                    .connections = 100000,
                                    .channel = ends[1]};
        close(ends[0]);
        _exit(child_run(&setup));
    }
    demand(master.child > 0);
    close(ends[1]);
    demand(child_answer(&master).order == CHILD_READY);
    return master;
}

static inline int child_exit_status(const struct fake_master *master)
{
    int status = -1;
    demand(waitpid(master->child, &status, 0) == master->child);
    return status;
}

static inline void child_kill(const struct fake_master *master)
{
    kill(master->child, SIGKILL);
    waitpid(master->child, NULL, 0);
    close(master->channel);
}

/* A file as the master makes it. */
static inline int list_file(void)
{
    int file = memfd_create("list", MFD_CLOEXEC);
    demand(file >= 0);
    demand(fcntl(file, F_SETFL, O_APPEND) == 0);
    return file;
}

static inline void child_order(const struct fake_master *master, struct message message, int file)
{
    demand(channel_send(master->channel, &message, file) == 0);
}

/* A connection that has been served: it echoes. */
static inline int connect_to(const struct family *family, unsigned service)
{
    char byte = 'x';
    struct sockaddr_storage storage;
    socklen_t length = addr_to_sockaddr(&family->listeners[service].address, &storage);
    int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    demand(fd >= 0);
    demand(connect(fd, (struct sockaddr *)&storage, length) == 0);
    demand(send(fd, &byte, 1, MSG_NOSIGNAL) == 1);
    demand(recv(fd, &byte, 1, 0) == 1);
    return fd;
}

#endif
