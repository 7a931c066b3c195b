/* SPDX-License-Identifier: MIT */
/* What a child answers about its connections; the test is the master, and the client. */
#include <criterion/criterion.h>

#define demand(condition) cr_assert(condition)
#include "child/help.h"
#include "conn/record.h"

#include <dirent.h>

enum { MOST = 3000, THREADS = 3 };

static struct family family;
static struct fake_master master;
static int clients[MOST];
static unsigned client_count;

static void set_up(void)
{
    family_make(&family, THREADS);
    master = child_start(&family, 0);
}

static void tear_down(void)
{
    if (master.child > 0)
        child_kill(&master);
    family_free(&family);
}

TestSuite(inquiry, .init = set_up, .fini = tear_down, .timeout = 120);

static void open_clients(unsigned count, unsigned service)
{
    while (count-- > 0)
        clients[client_count++] = connect_to(&family, service);
}

static struct message ask_for_list(uint64_t request, uint64_t value, int file)
{
    child_order(&master, (struct message){.order = CHILD_LIST, .request = request, .value = value},
                file);
    return child_answer(&master);
}

static uint64_t kill_one(uint64_t number)
{
    struct message order = {.order = CHILD_KILL, .request = number + 5, .value = number};
    child_order(&master, order, -1);
    struct message done = child_answer(&master);
    cr_assert_eq(done.order, CHILD_DONE);
    cr_assert_eq(done.request, number + 5);
    return done.value;
}

/* All records of a file, each of which must be whole; returns how many. */
static unsigned read_records(int file, struct conn_record *records, unsigned room)
{
    ssize_t length = pread(file, records, room * sizeof *records, 0);
    cr_assert_geq(length, 0);
    cr_assert_eq((size_t)length % sizeof *records, 0);
    for (unsigned i = 0; i < (size_t)length / sizeof *records; i++) {
        cr_assert_eq(records[i].size, sizeof *records);
        cr_assert(records[i].service == 1 || records[i].service == 2);
        cr_assert_eq(records[i].received, 1);
        cr_assert_not_null(conn_phase_name(records[i].phase));
    }
    return (unsigned)((size_t)length / sizeof *records);
}

/* A list that has everyone of `count` once. */
static void expect_list(uint64_t value, unsigned count)
{
    static struct conn_record records[MOST];
    static bool seen[MOST + 1];
    static uint64_t request = 1000;
    int file = list_file();
    memset(seen, 0, sizeof seen);
    struct message done = ask_for_list(++request, value, file);
    cr_assert_eq(done.order, CHILD_DONE);
    cr_assert_eq(done.request, request);
    cr_assert_eq(done.value, count);
    cr_assert_eq(read_records(file, records, MOST), count);
    for (unsigned i = 0; i < count; i++) {
        cr_assert_leq(records[i].number, client_count);
        cr_assert_not(seen[records[i].number]);
        seen[records[i].number] = true;
        cr_assert(value == 0 || records[i].service == value - 1);
    }
    close(file);
}

Test(inquiry, lists_of_all_and_of_a_service)
{
    expect_list(0, 0);
    open_clients(900, 0);
    open_clients(300, 1);
    expect_list(0, 1200);
    expect_list(family.board->ids[0] + 1, 900);
    expect_list(family.board->ids[1] + 1, 300);
    expect_list(1, 0);
    expect_list(UINT64_MAX, 0);
}

Test(inquiry, a_kill)
{
    char byte;
    open_clients(20, 0);
    cr_assert_eq(kill_one(21), 0);
    cr_assert_eq(kill_one(0), 0);
    cr_assert_eq(kill_one(UINT64_MAX), 0);
    for (uint64_t number = 1; number <= 10; number++)
        cr_assert_eq(kill_one(number), 1);
    cr_assert_eq(kill_one(10), 0);
    expect_list(0, 10);
    for (unsigned i = 0; i < 20; i++) {
        cr_assert(i < 10 || send(clients[i], "y", 1, MSG_NOSIGNAL) == 1);
        cr_assert_eq(recv(clients[i], &byte, 1, 0), i < 10 ? -1 : 1);
        cr_assert(i >= 10 || errno == ECONNRESET);
    }
}

static unsigned descriptors_of(pid_t pid)
{
    char name[64];
    unsigned count = 0;
    snprintf(name, sizeof name, "/proc/%d/fd", pid);
    DIR *folder = opendir(name);
    cr_assert_not_null(folder);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

/* Those that it takes on are answered in order, the others are not, and it keeps no descriptor. */
Test(inquiry, very_many_at_once)
{
    unsigned before, sent = 0;
    uint64_t answered = 0;
    int file = list_file();
    open_clients(500, 0);
    expect_list(0, 500);
    before = descriptors_of(master.child);
    for (struct message list = {.order = CHILD_LIST}; sent < 500; sent++, list.request++)
        if (channel_send(master.channel, &list, file))
            break;
    cr_assert_gt(sent, 2);
    struct message last = {.order = CHILD_KILL, .request = 1000};
    while (answered != last.request) {
        struct pollfd pollfd = {.fd = master.channel, .events = POLLIN};
        last.request += poll(&pollfd, 1, 20) == 0;
        if (pollfd.revents == 0 && channel_send(master.channel, &last, -1) == 0)
            continue;
        struct message done = child_answer(&master);
        cr_assert(done.request >= answered);
        cr_assert_eq(done.value, done.request > 1000 ? 0 : 500);
        answered = done.request;
    }
    expect_list(0, 500);
    cr_assert_eq(descriptors_of(master.child), before);
}

/* Several processes and threads append to one file. */
Test(inquiry, what_is_appended_does_not_mix)
{
    static struct conn_record records[10 * MOST];
    int file = list_file();
    struct fake_master second = child_start(&family, 1);
    uint64_t told = 0;
    open_clients(1500, 0);
    for (unsigned i = 0; i < 10; i++) {
        child_order(&master, (struct message){.order = CHILD_LIST}, file);
        child_order(&second, (struct message){.order = CHILD_LIST}, file);
    }
    for (unsigned i = 0; i < 10; i++)
        told += child_answer(&master).value + child_answer(&second).value;
    cr_assert_eq(told, 15000);
    cr_assert_eq(read_records(file, records, 10 * MOST), 15000);
    child_kill(&second);
}

/* Nonsense, with a pipe along: its reading end tells when the child has closed the other one. */

static void send_raw(const void *bytes, size_t length, const int *descriptors, unsigned count)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(16 * sizeof(int))];
    } control = {0};
    struct iovec iov = {(void *)(uintptr_t)bytes, length};
    struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
    if (count > 0) {
        header.msg_control = &control;
        header.msg_controllen = CMSG_SPACE(count * sizeof(int));
        control.header = (struct cmsghdr){.cmsg_len = CMSG_LEN(count * sizeof(int)),
                                          .cmsg_level = SOL_SOCKET,
                                          .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.header), descriptors, count * sizeof(int));
    }
    cr_assert_eq(sendmsg(master.channel, &header, MSG_NOSIGNAL), (ssize_t)length);
}

static void expect_ignored(const void *bytes, size_t length, unsigned count)
{
    int pipe_ends[2], many[16];
    char byte;
    cr_assert_eq(pipe2(pipe_ends, O_CLOEXEC), 0);
    for (unsigned i = 0; i < count; i++)
        many[i] = pipe_ends[1];
    send_raw(bytes, length, many, count);
    close(pipe_ends[1]);
    cr_assert_eq(read(pipe_ends[0], &byte, 1), 0, "it is closed in the child too");
    close(pipe_ends[0]);
}

Test(inquiry, nonsense_is_ignored_and_its_descriptors_closed)
{
    char big[200] = {0};
    struct message unknown = {.order = 99}, list = {.order = CHILD_LIST};
    unsigned before = descriptors_of(master.child);
    expect_ignored("x", 1, 1);
    expect_ignored(big, sizeof big, 1);
    expect_ignored(big, sizeof big, 3);
    expect_ignored(&unknown, sizeof unknown, 1);
    expect_ignored(&unknown, sizeof unknown, 0);
    expect_ignored(&unknown, sizeof unknown - 1, 1);
    expect_ignored(&list, sizeof list, 2);
    expect_ignored(&list, sizeof list, 8);
    expect_ignored(&list, sizeof list, 16);
    expect_ignored(&list, sizeof list, 0);
    open_clients(3, 0);
    expect_list(0, 3);
    cr_assert_eq(descriptors_of(master.child), before + 3);
}

/* The pipe fills up where a file would not: what cannot be written is counted, and nothing hangs.
 */
Test(inquiry, a_file_that_takes_nothing)
{
    int file = open("/dev/full", O_WRONLY | O_CLOEXEC);
    open_clients(30, 0);
    cr_assert_eq(ask_for_list(1, 0, file).value, 30);
    expect_list(0, 30);
}

/* Workers that have left have nothing to tell, and keep nobody from being answered. */
Test(inquiry, during_a_drain)
{
    open_clients(50, 0);
    child_order(&master, (struct message){.order = CHILD_DRAIN}, -1);
    cr_assert_eq(child_answer(&master).order, CHILD_STOPPED);
    for (unsigned left = 50; left > 0; left--) {
        expect_list(0, left);
        cr_assert_eq(kill_one(left), 1);
        if (left == 2)
            break;
    }
    expect_list(0, 1);
    shutdown(clients[0], SHUT_WR);
    cr_assert_eq(child_exit_status(&master), 0);
    master.child = 0;
}

/* It may leave with inquiries under way: nobody waits for them any more. */
Test(inquiry, at_the_end)
{
    int file = list_file();
    open_clients(600, 0);
    for (unsigned i = 0; i < 5; i++)
        channel_send(master.channel, &(struct message){.order = CHILD_LIST}, file);
    child_order(&master, (struct message){.order = CHILD_DRAIN, .value = 1}, -1);
    for (unsigned i = 0; i < 5; i++)
        channel_send(master.channel, &(struct message){.order = CHILD_LIST}, file);
    cr_assert_eq(child_exit_status(&master), 0);
    master.child = 0;
}
