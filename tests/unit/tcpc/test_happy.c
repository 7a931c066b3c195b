/* SPDX-License-Identifier: MIT */
#include "tcpc/happy.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* --- the order (RFC 8305, section 4) --- */

/* "6a6b4a": family and a letter for each address, before and after. */
static void orders(const char *before, const char *after)
{
    struct addr addrs[16];
    char result[33] = "";
    size_t count = strlen(before) / 2;
    for (size_t i = 0; i < count; i++) {
        addrs[i] = (struct addr){.family = before[2 * i] == '6' ? AF_INET6 : AF_INET};
        addrs[i].bytes[0] = (uint8_t)before[2 * i + 1];
    }
    happy_order(addrs, count);
    for (size_t i = 0; i < count; i++) {
        result[2 * i] = addrs[i].family == AF_INET6 ? '6' : '4';
        result[2 * i + 1] = (char)addrs[i].bytes[0];
    }
    cr_expect_str_eq(result, after, "%s became %s", before, result);
}

Test(happy, families_take_turns_and_keep_their_order)
{
    orders("", "");
    orders("6a", "6a");
    orders("6a4b", "6a4b");
    orders("4a6b", "4a6b");
    orders("6a6b4c4d", "6a4c6b4d");
    orders("4a4b4c6d", "4a6d4b4c");
    orders("6a6b6c6d4e", "6a4e6b6c6d");
    orders("6a6b6c", "6a6b6c");
    orders("4a6b6c6d4e4f", "4a6b4e6c4f6d");
}

/* --- the race --- */

struct heard {
    char lines[4096];
};

static void hear(void *context, const char *line)
{
    struct heard *heard = context;
    strncat(heard->lines, line, sizeof heard->lines - strlen(heard->lines) - 1);
}

static struct story listen_to(struct heard *heard)
{
    heard->lines[0] = '\0';
    return (struct story){.aloud = true, .start = clock_now(), .print = hear, .context = heard};
}

/* A socket on a port of the system's choice; backlog below 0: nobody listens. */
static int open_end(struct addr *addr, sa_family_t family, int backlog)
{
    struct addr any = {.family = family};
    struct sockaddr_storage storage;
    any.bytes[family == AF_INET ? 0 : 15] = family == AF_INET ? 127 : 1;
    any.bytes[3] = family == AF_INET;
    socklen_t length = addr_to_sockaddr(&any, &storage);
    int fd = socket(family, SOCK_STREAM, 0);
    cr_assert_geq(fd, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&storage, length), 0);
    if (backlog >= 0)
        cr_assert_eq(listen(fd, backlog), 0);
    length = sizeof storage;
    getsockname(fd, (struct sockaddr *)&storage, &length);
    addr_from_sockaddr(addr, &storage);
    return fd;
}

/* A listener whose queue is full, so that a SYN gets no answer. */
static void open_black_hole(struct addr *addr)
{
    open_end(addr, AF_INET, 0);
    struct sockaddr_storage storage;
    socklen_t length = addr_to_sockaddr(addr, &storage);
    for (int i = 0; i < 4; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(fd, (struct sockaddr *)&storage, length);
    }
}

static uint16_t connected_port(int fd)
{
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage;
    struct addr addr;
    cr_assert_eq(getpeername(fd, (struct sockaddr *)&storage, &length), 0);
    addr_from_sockaddr(&addr, &storage);
    return addr.port;
}

Test(happy, a_refused_family_falls_back_at_once, .timeout = 10)
{
    struct addr addrs[2];
    struct heard heard;
    struct story story = listen_to(&heard);
    open_end(&addrs[0], AF_INET6, -1);
    open_end(&addrs[1], AF_INET, 5);
    uint64_t begun = clock_now();
    int fd = happy_connect(addrs, 2, 0, &story, NULL);
    cr_assert_geq(fd, 0);
    cr_expect_eq(connected_port(fd), addrs[1].port);
    cr_expect_lt(clock_now() - begun, HAPPY_DELAY / 2);
    cr_expect(strstr(heard.lines, "failed: [::1]"), "%s", heard.lines);
}

Test(happy, a_silent_address_gets_a_head_start_of_250_ms_and_loses, .timeout = 10)
{
    struct addr addrs[2];
    struct heard heard;
    struct story story = listen_to(&heard);
    open_black_hole(&addrs[0]);
    open_end(&addrs[1], AF_INET, 5);
    uint64_t begun = clock_now();
    int fd = happy_connect(addrs, 2, 0, &story, NULL);
    uint64_t taken = clock_now() - begun;
    cr_assert_geq(fd, 0);
    cr_expect_eq(connected_port(fd), addrs[1].port);
    cr_expect_geq(taken, HAPPY_DELAY);
    cr_expect_lt(taken, 4 * HAPPY_DELAY);
    cr_expect(strstr(heard.lines, "another was faster"), "%s", heard.lines);
    close(fd);
}

Test(happy, the_first_wins_when_it_answers_in_time, .timeout = 10)
{
    struct addr addrs[2];
    struct heard heard;
    struct story story = listen_to(&heard);
    open_end(&addrs[0], AF_INET6, 5);
    open_end(&addrs[1], AF_INET, 5);
    int fd = happy_connect(addrs, 2, 0, &story, NULL);
    cr_assert_geq(fd, 0);
    cr_expect_eq(connected_port(fd), addrs[0].port);
    char unwanted[64], text[ADDR_TEXT_MAX];
    snprintf(unwanted, sizeof unwanted, "trying: %s", addr_format(&addrs[1], text));
    cr_expect_null(strstr(heard.lines, unwanted), "%s", heard.lines);
}

Test(happy, when_all_fail_each_is_named, .timeout = 10)
{
    struct addr addrs[3];
    struct heard heard;
    struct story story = listen_to(&heard);
    struct error error;
    for (int i = 0; i < 3; i++)
        open_end(&addrs[i], i == 1 ? AF_INET : AF_INET6, -1);
    cr_assert_eq(happy_connect(addrs, 3, 0, &story, &error), -1);
    cr_expect_eq(error.errnum, ECONNREFUSED);
    for (int i = 0; i < 3; i++) {
        char expected[256], text[ADDR_TEXT_MAX];
        snprintf(expected, sizeof expected, "%s: Connection refused", addr_format(&addrs[i], text));
        cr_expect(strstr(error.text, expected), "%s", error.text);
    }
}

Test(happy, the_deadline_bounds_all_attempts, .timeout = 10)
{
    struct addr addrs[3];
    struct heard heard;
    struct story story = listen_to(&heard);
    struct error error;
    for (int i = 0; i < 3; i++)
        open_black_hole(&addrs[i]);
    uint64_t begun = clock_now();
    cr_assert_eq(happy_connect(addrs, 3, begun + 350 * CLOCK_MS, &story, &error), -1);
    uint64_t taken = clock_now() - begun;
    cr_expect_geq(taken, 350 * CLOCK_MS);
    cr_expect_lt(taken, 2 * CLOCK_S);
    cr_expect_eq(error.errnum, ETIMEDOUT);
    cr_expect(strstr(error.text, "no answer in time"), "%s", error.text);
    cr_expect(strstr(error.text, "not tried any more"), "%s", error.text);
}

Test(happy, nothing_but_the_winner_stays_open, .timeout = 10)
{
    struct addr addrs[3];
    struct heard heard;
    struct story story = listen_to(&heard);
    open_black_hole(&addrs[0]);
    open_end(&addrs[1], AF_INET6, -1);
    open_end(&addrs[2], AF_INET, 5);
    int lowest = dup(0);
    close(lowest);
    int fd = happy_connect(addrs, 3, 0, &story, NULL);
    cr_assert_geq(fd, 0);
    close(fd);
    int again = dup(0);
    cr_expect_eq(again, lowest);
}
