/* SPDX-License-Identifier: MIT */
/* Requests on the control socket: the proper ones, rubbish, and those that are not permitted. */
#include "master/commands.h"
#include "master/rubbish.h"

#include <grp.h>
#include <sys/wait.h>

TestSuite(control, .init = begin_control, .fini = end_control, .timeout = 60);

Test(control, a_request_and_its_answer)
{
    int fd = connect_to(path);
    cr_expect_str_eq(ask(fd, ECHO), ECHOED);
    cr_expect_str_eq(ask(fd, "{\"command\":\"echo\"}\r\n"), OK);
    cr_expect_str_eq(ask(fd, ECHO), ECHOED);
    close(fd);
}

Test(control, byte_by_byte)
{
    int fd = connect_to(path);
    for (const char *c = ECHO; *c; c++) {
        cr_expect_str_empty(heard(fd));
        say_bytes(fd, c, 1);
        turn(2);
    }
    cr_expect_str_eq(heard(fd), ECHOED);
    close(fd);
}

Test(control, one_after_the_other)
{
    int fd = connect_to(path);
    cr_expect_str_empty(ask(fd, LATER ECHO LATER ECHO "{\"comm"));
    cr_assert_eq(waiting_count, 1);
    control_progress(waiting[0], json_pack("{s:b,s:i}", "progress", 1, "open", 5));
    turn_all();
    cr_expect_str_eq(heard(fd), "{\"progress\":true,\"open\":5}\n");
    control_answer(waiting[0], ok());
    turn_all();
    cr_assert_eq(waiting_count, 2);
    cr_expect_str_eq(heard(fd), OK ECHOED);
    control_answer(waiting[1], ok());
    cr_expect_str_eq(heard(fd), OK, "what the socket takes is sent at once");
    cr_expect_str_eq(ask(fd, "and\":\"echo\"}\n"), ECHOED OK);
    cr_expect_eq(gone_count, 0);
    close(fd);
}

Test(control, rubbish_is_answered_and_harms_nobody)
{
    int fd = connect_to(path);
    for (size_t i = 0; i < RUBBISH_COUNT; i++) {
        size_t length = rubbish_length(&rubbish[i]);
        say_bytes(fd, rubbish[i].line, length);
        turn_all();
        expect_refused(fd, rubbish[i].error);
    }
    cr_expect_str_eq(ask(fd, ECHO), ECHOED);
    close(fd);
}

/* Whatever follows from random bytes, the next client is served. */
Test(control, random_bytes)
{
    static const char alphabet[] = "{}[]\":,\\\n0e-u\0\xff\xc3 command echo";
    unsigned state = 1;
    for (int round = 0; round < 300; round++) {
        char bytes[6000];
        int fd = connect_to(path);
        for (size_t i = 0; i < sizeof bytes; i++) {
            state = state * 1103515245 + 12345;
            bytes[i] = alphabet[(state >> 16) % sizeof alphabet];
        }
        say_bytes(fd, bytes, 1 + state % sizeof bytes);
        turn(4);
        close(fd);
        turn(4);
    }
    int fd = connect_to(path);
    cr_expect_str_eq(ask(fd, ECHO), ECHOED);
    close(fd);
}

Test(control, deep_nesting)
{
    char line[CONTROL_REQUEST_MAX];
    int fd = connect_to(path);
    memset(line, '[', sizeof line);
    line[sizeof line - 1] = '\n';
    say_bytes(fd, line, sizeof line);
    turn_all();
    expect_refused(fd, "not JSON");
    close(fd);
}

/* A request of so many bytes with its newline. */
static void say_long(int fd, size_t length)
{
    char *line = malloc(length);
    memset(line, ' ', length);
    memcpy(line, "{\"command\":\"echo\"}", 18);
    line[length - 1] = '\n';
    say_bytes(fd, line, length);
    free(line);
    turn_all();
}

Test(control, as_long_as_a_line_may_be)
{
    int fd = connect_to(path);
    say_long(fd, CONTROL_REQUEST_MAX);
    cr_expect_str_eq(heard(fd), OK);
    cr_expect_str_eq(ask(fd, ECHO), ECHOED);
    close(fd);
}

Test(control, a_line_too_long_is_answered_and_ends)
{
    static const size_t lengths[] = {CONTROL_REQUEST_MAX + 1, 50000};
    for (size_t i = 0; i < 2; i++) {
        int fd = connect_to(path);
        say_long(fd, lengths[i]);
        expect_refused(fd, "longer than 4096 bytes");
        cr_expect_str_eq(heard(fd), "EOF");
        close(fd);
    }
}

Test(control, half_close_is_no_farewell)
{
    int now = connect_to(path), then = connect_to(path);
    say(now, ECHO ECHO);
    say(then, LATER);
    shutdown(now, SHUT_WR);
    shutdown(then, SHUT_WR);
    turn_all();
    cr_expect_str_eq(heard(now), ECHOED ECHOED);
    cr_expect_str_eq(heard(now), "EOF");
    cr_assert_eq(waiting_count, 1);
    later(3600 * CLOCK_S);
    cr_expect_eq(gone_count, 0);
    control_answer(waiting[0], ok());
    turn_all();
    cr_expect_str_eq(heard(then), OK);
    cr_expect_str_eq(heard(then), "EOF");
    close(now);
    close(then);
}

Test(control, the_end_in_the_middle_of_a_line)
{
    int fd = connect_to(path);
    say(fd, "{\"command\":\"steer\"}");
    shutdown(fd, SHUT_WR);
    turn_all();
    expect_refused(fd, "newline");
    cr_expect_str_eq(heard(fd), "EOF");
    cr_expect_eq(steered, 0);
    close(fd);
}

Test(control, errors_of_a_command)
{
    int fd = connect_to(path);
    cr_expect_str_eq(ask(fd, "{\"command\":\"fail\"}\n"),
                     "{\"ok\":false,\"error\":\"it ?? ?? failed\","
                     "\"errors\":[\"a:1: error: x\",\"b?\"]}\n");
    ask(fd, "");
    say(fd, "{\"command\":\"silent\"}\n");
    turn_all();
    expect_refused(fd, "gave no answer");
    say(fd, "{\"command\":\"none\"}\n");
    turn_all();
    expect_refused(fd, "no answer could be made");
    cr_expect_str_eq(ask(fd, ECHO), ECHOED);
    close(fd);
}

/* Descriptors that a peer sends along are refused by the kernel, or closed with the message. */
Test(control, descriptors_sent_along)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } ancillary = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    char text[] = ECHO;
    struct iovec part = {text, 10};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &ancillary,
                             .msg_controllen = sizeof ancillary};
    int fd = connect_to(path);
    turn(2);
    unsigned before = descriptors();
    memcpy(CMSG_DATA(&ancillary.header), &fd, sizeof fd);
    ssize_t sent = sendmsg(fd, &message, 0);
    cr_assert(sent == 10 || (sent == -1 && errno == EPERM));
    cr_expect_str_eq(ask(fd, text + (sent == 10 ? 10 : 0)), ECHOED);
    cr_expect_eq(descriptors(), before);
    close(fd);
}

/* Who may steer. */

/* A connected socket that another user has connected. */
static int connect_as(uid_t uid, gid_t gid, const gid_t *groups, size_t count)
{
    struct sockaddr_un address = address_of(path);
    int fd = new_socket(), status = -1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(setgroups(count, groups) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid) ||
              connect(fd, (struct sockaddr *)&address, sizeof address));
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert_eq(status, 0);
    return fd;
}

static bool may_steer(int fd)
{
    const char *answer = ask(fd, "{\"command\":\"steer\"}\n");
    bool may = strcmp(answer, OK) == 0;
    cr_expect(may || strstr(answer, "\"not permitted: steer is for"), "%s", answer);
    cr_expect_str_eq(ask(fd, ECHO), ECHOED, "all who come in may ask");
    close(fd);
    return may;
}

Test(control, root_and_the_own_user_may_steer)
{
    cr_expect(may_steer(connect_to(path)));
    cr_expect_eq(steered, 1);
}

Test(control, who_may_steer)
{
    enum { GROUP = 54321 };
    gid_t groups[100];
    struct control_settings settings = at(path, 0666);
    if (geteuid() != 0)
        cr_skip_test("only root can become another user");
    for (gid_t i = 0; i < 100; i++)
        groups[i] = 1000 + i;
    groups[99] = GROUP;
    cr_assert_eq(control_listen(control, &settings, NULL), 0);
    cr_expect_not(may_steer(connect_as(65534, GROUP, groups, 100)), "there is no group");
    cr_expect_not(may_steer(connect_as(65534, 0, NULL, 0)), "nor is it the daemon's own");
    settings.gid = GROUP;
    settings.has_group = true;
    cr_assert_eq(control_listen(control, &settings, NULL), 0);
    cr_expect(may_steer(connect_as(65534, GROUP, NULL, 0)));
    cr_expect(may_steer(connect_as(65534, 65534, groups, 100)));
    cr_expect(may_steer(connect_as(65534, 65534, groups + 98, 2)));
    cr_expect_not(may_steer(connect_as(65534, 65534, groups, 99)));
    cr_expect_not(may_steer(connect_as(65534, 65534, NULL, 0)));
    cr_expect(may_steer(connect_as(0, 65534, NULL, 0)));
    cr_expect_eq(steered, 4);
}
