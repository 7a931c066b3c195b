/* SPDX-License-Identifier: MIT */
/* The spawner in a process of its own, with the test in the places of master and worker: what a
 * worker that has been taken over may try. */
#include "spawner/spawner.h"

#include "child/child.h"
#include "conn/spawn.h"
#include "io/sock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WAIT = 20000 /* ms */ };

static struct conf *conf;
static struct listener listener;
static int master, worker; /* our ends */
static pid_t spawner;
static uint64_t beat;

static const char configuration[] =
    "limits = { connections = 100; };\n"
    "services = ( { name = \"echo\"; type = \"echo\"; listen = \"127.0.0.1:0\"; },\n"
    "  { name = \"cat\"; type = \"exec\"; listen = \"127.0.0.1:0\"; command = \"/bin/cat\";\n"
    "    instances = 2; stderr = \"null\"; } );\n";

static void read_configuration(void)
{
    char path[] = "/tmp/test_spawner.XXXXXX";
    struct conf_report report;
    int file = mkstemp(path);
    cr_assert_eq(write(file, configuration, strlen(configuration)), (ssize_t)strlen(configuration));
    close(file);
    conf = conf_load(path, NULL, 0, &report);
    unlink(path);
    cr_assert_not_null(conf, "%s", report.count ? report.messages[0] : "");
    conf_report_free(&report);
}

static bool is_ready(int fd)
{
    struct pollfd pollfd = {.fd = fd, .events = POLLIN};
    return poll(&pollfd, 1, WAIT) == 1;
}

static void set_up(void)
{
    int orders[2], link[2];
    struct message ready;
    read_configuration();
    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, orders), 0);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, link), 0);
    spawner = fork();
    cr_assert_geq(spawner, 0);
    if (spawner == 0) {
        struct spawner_link links[] = {{link[1], 0}};
        struct spawner_setup setup = {.conf = conf,
                                      .listeners = &listener,
                                      .listener_count = 1,
                                      .generation = 1,
                                      .beat = &beat,
                                      .channel = orders[1],
                                      .links = links,
                                      .link_count = 1};
        close(orders[0]);
        close(link[0]);
        _exit(spawner_run(&setup));
    }
    close(orders[1]);
    close(link[1]);
    master = orders[0];
    worker = link[0];
    cr_assert(is_ready(master));
    cr_assert_eq(recv(master, &ready, sizeof ready, 0), (ssize_t)sizeof ready);
    cr_assert_eq(ready.order, CHILD_READY);
}

/* It leaves in order, whatever was tried. */
static void tear_down(void)
{
    int status;
    struct message leave = {.order = SPAWNER_LEAVE};
    close(worker);
    cr_assert_eq(sock_pass(master, &leave, sizeof leave, -1), 0);
    cr_assert_eq(waitpid(spawner, &status, 0), spawner);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(master);
    conf_free(conf);
}

TestSuite(spawner, .init = set_up, .fini = tear_down, .timeout = 60);

static struct spawn_answer answered(enum spawn_order order)
{
    struct spawn_answer answer;
    int descriptor;
    cr_assert(is_ready(worker));
    cr_assert_eq(sock_take(worker, &answer, sizeof answer, &descriptor), (ssize_t)sizeof answer);
    cr_assert_eq(answer.order, order);
    if (descriptor >= 0)
        close(descriptor);
    return answer;
}

/* Returns the peer's end of a connection that is given away. */
static int give(struct spawn_request request)
{
    int ends[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    request.order = SPAWN_START;
    cr_assert_eq(sock_pass(worker, &request, sizeof request, ends[0]), 0);
    close(ends[0]);
    return ends[1];
}

static void expect_alive(int peer)
{
    char byte = 0;
    cr_assert_eq(write(peer, "x", 1), 1);
    cr_assert_eq(read(peer, &byte, 1), 1);
    cr_assert_eq(byte, 'x');
}

Test(spawner, a_program_and_its_end)
{
    answered(SPAWN_HELLO);
    int peer = give((struct spawn_request){.service = 1, .slot = 7, .number = 8});
    struct spawn_answer started = answered(SPAWN_STARTED);
    cr_expect_eq(started.slot, 7);
    cr_expect_eq(started.number, 8);
    expect_alive(peer);
    close(peer);
    struct spawn_answer ended = answered(SPAWN_ENDED);
    cr_expect_eq(ended.pid, started.pid);
    cr_expect_eq(ended.status, 0);
    cr_expect_gt(ended.maxrss_kb, 0);
}

Test(spawner, what_the_configuration_does_not_name)
{
    answered(SPAWN_HELLO);
    static const struct spawn_request bad[] = {
        {.service = 0},                /* echo runs nothing */
        {.service = 2},                /* there is none */
        {.service = UINT32_MAX},       /* … */
        {.service = 1, .listener = 1}, /* nor such a listener */
        {.service = 1, .listener = UINT32_MAX},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int peer = give(bad[i]);
        answered(SPAWN_FAILED);
        close(peer);
    }
    struct spawn_request without = {.order = SPAWN_START, .service = 1};
    cr_assert_eq(sock_pass(worker, &without, sizeof without, -1), 0);
    answered(SPAWN_FAILED);
}

Test(spawner, more_than_may_run)
{
    answered(SPAWN_HELLO);
    int peers[3];
    for (unsigned i = 0; i < 3; i++)
        peers[i] = give((struct spawn_request){.service = 1, .slot = i, .number = i});
    answered(SPAWN_STARTED);
    answered(SPAWN_STARTED);
    cr_expect_eq(answered(SPAWN_FAILED).number, 2);
    close(peers[0]);
    answered(SPAWN_ENDED);
    close(peers[2]);
    peers[2] = give((struct spawn_request){.service = 1, .slot = 3, .number = 3});
    answered(SPAWN_STARTED);
    expect_alive(peers[1]);
    expect_alive(peers[2]);
}

Test(spawner, only_its_own_are_ended)
{
    answered(SPAWN_HELLO);
    int peer = give((struct spawn_request){.service = 1, .slot = 1, .number = 1});
    pid_t pid = answered(SPAWN_STARTED).pid;
    struct spawn_request others[] = {
        {.order = SPAWN_END, .service = 1, .slot = 1, .number = 2},
        {.order = SPAWN_END, .service = 1, .slot = 2, .number = 1},
        {.order = SPAWN_END, .service = 1, .slot = 9, .number = 9, .pid = getpid()},
        {.order = SPAWN_END, .service = 9, .slot = 9, .number = 9, .pid = pid},
        {.order = SPAWN_SYNC},
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        cr_assert_eq(sock_pass(worker, &others[i], sizeof others[i], -1), 0);
    answered(SPAWN_SYNC);
    expect_alive(peer);
    /* What it does not know it passes on, for the master to judge. */
    struct message passed;
    cr_assert_eq(recv(master, &passed, sizeof passed, 0), (ssize_t)sizeof passed);
    cr_expect_eq(passed.order, SPAWNER_END_ORPHAN);
    cr_expect_eq(passed.value, (uint64_t)getpid());
    struct spawn_request own = {.order = SPAWN_END, .service = 1, .slot = 1, .number = 1};
    cr_assert_eq(sock_pass(worker, &own, sizeof own, -1), 0);
    struct spawn_answer ended = answered(SPAWN_ENDED);
    cr_expect(WIFSIGNALED(ended.status) && WTERMSIG(ended.status) == SIGTERM);
    close(peer);
}

/* Who does not listen is not heard any more: then not more is kept for it than channels hold. */
Test(spawner, one_that_does_not_listen)
{
    answered(SPAWN_HELLO);
    struct spawn_request sync = {.order = SPAWN_SYNC};
    unsigned sent = 0, silent = 0;
    while (silent < 20 && sent < 1000000) {
        if (sock_pass(worker, &sync, sizeof sync, -1) == 0) {
            sent++;
            silent = 0;
        } else {
            silent++;
            usleep(10000);
        }
    }
    cr_expect_lt(sent, 100000);
    while (sent-- > 0)
        answered(SPAWN_SYNC);
}

Test(spawner, rubbish)
{
    char bytes[300];
    answered(SPAWN_HELLO);
    memset(bytes, 0xff, sizeof bytes);
    cr_assert_eq(send(worker, bytes, 1, 0), 1);
    cr_assert_eq(send(worker, bytes, sizeof(struct spawn_request), 0),
                 (ssize_t)sizeof(struct spawn_request));
    struct spawn_request sync = {.order = SPAWN_SYNC};
    cr_assert_eq(sock_pass(worker, &sync, sizeof sync, -1), 0);
    answered(SPAWN_SYNC);
}
