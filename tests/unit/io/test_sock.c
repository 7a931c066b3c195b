/* SPDX-License-Identifier: MIT */
/* Listening sockets: their options, unix socket files, and the reset. */
#include "io/sock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char folder[64], path[96];

static void set_up(void)
{
    snprintf(folder, sizeof folder, "/tmp/test_sock.XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/socket", folder);
}

static void tear_down(void)
{
    unlink(path);
    rmdir(folder);
}

TestSuite(sock, .init = set_up, .fini = tear_down, .timeout = 30);

static struct addr parsed(const char *text)
{
    struct addr addr;
    cr_assert_eq(addr_parse(&addr, text, NULL), 0, "%s", text);
    return addr;
}

static int listen_on(const char *text)
{
    struct error error = {0};
    struct addr addr = parsed(text);
    int fd = sock_listen(&addr, 16, NULL, 0, &error);
    cr_assert_geq(fd, 0, "%s", error.text);
    return fd;
}

static int option(int fd, int level, int name)
{
    int value = -1;
    socklen_t length = sizeof value;
    cr_assert_eq(getsockopt(fd, level, name, &value, &length), 0);
    return value;
}

Test(sock, options_of_a_listener)
{
    int fd = listen_on("127.0.0.1:0");
    cr_expect(fcntl(fd, F_GETFL) & O_NONBLOCK);
    cr_expect(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    cr_expect_neq(option(fd, SOL_SOCKET, SO_REUSEADDR), 0);
    cr_expect_neq(option(fd, IPPROTO_TCP, TCP_NODELAY), 0);
    cr_expect_neq(option(fd, SOL_SOCKET, SO_ACCEPTCONN), 0);
    close(fd);
}

/* A client of a listener on loopback. */
static int connect_to(int listener)
{
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&storage, &length), 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&storage, length), 0);
    return fd;
}

Test(sock, an_accepted_socket_inherits_no_delay)
{
    int listener = listen_on("127.0.0.1:0"), client = connect_to(listener);
    int fd = accept4(listener, NULL, NULL, 0);
    cr_assert_geq(fd, 0);
    cr_assert_neq(option(fd, IPPROTO_TCP, TCP_NODELAY), 0);
    close(fd);
    close(client);
    close(listener);
}

/* A peer that reads nothing takes its window, and the kernel of ours not much more. */
Test(sock, what_nobody_reads_is_limited)
{
    static const char bytes[16 * 1024];
    int listener = listen_on("127.0.0.1:0");
    sock_limit_unsent(listener);
    int client = connect_to(listener);
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    cr_assert_geq(fd, 0);
    cr_assert_eq(option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT), SOCK_UNSENT_MAX);
    int unsent;
    while (sock_send(fd, bytes, sizeof bytes) > 0)
        ;
    cr_assert_eq(errno, EAGAIN);
    cr_assert_eq(ioctl(fd, SIOCOUTQNSD, &unsent), 0);
    cr_assert_leq(unsent, 2 * SOCK_UNSENT_MAX, "%d", unsent);
    close(fd);
    close(client);
    close(listener);
}

Test(sock, where_a_socket_is_bound)
{
    struct addr address;
    int fd = listen_on("127.0.0.1:0");
    sock_local(fd, &address);
    cr_assert_eq(address.family, AF_INET);
    cr_assert_neq(address.port, 0);
    close(fd);
}

Test(sock, one_family_or_both)
{
    int probe = socket(AF_INET6, SOCK_STREAM, 0);
    if (probe < 0)
        cr_skip_test("there is no IPv6 here");
    close(probe);
    int both = listen_on(":0"), one = listen_on("[::]:0");
    cr_assert_eq(option(both, IPPROTO_IPV6, IPV6_V6ONLY), 0);
    cr_assert_eq(option(one, IPPROTO_IPV6, IPV6_V6ONLY), 1);
    close(both);
    close(one);
}

static int fails_to_listen(const char *text, const char *interface, struct error *error)
{
    struct addr addr = parsed(text);
    return sock_listen(&addr, 16, interface, 0600, error);
}

Test(sock, an_address_in_use)
{
    char text[ADDR_TEXT_MAX];
    struct addr address;
    struct error error;
    int fd = listen_on("127.0.0.1:0");
    sock_local(fd, &address);
    cr_assert_eq(fails_to_listen(addr_format(&address, text), NULL, &error), -1);
    cr_assert_eq(error.errnum, EADDRINUSE);
    cr_assert_not_null(strstr(error.text, text), "%s", error.text);
    close(fd);
}

Test(sock, an_interface_that_is_not_there)
{
    struct error error;
    cr_assert_eq(fails_to_listen("127.0.0.1:0", "no-such-if", &error), -1);
    cr_assert_not_null(strstr(error.text, "no-such-if"));
}

/* No descriptor is left of what failed: the next one has the same number. */
Test(sock, failures_leave_nothing_open)
{
    struct error error;
    int before = dup(0);
    close(before);
    fails_to_listen("192.0.2.1:0", NULL, &error);
    fails_to_listen("127.0.0.1:0", "no-such-if", &error);
    char text[128];
    snprintf(text, sizeof text, "unix:%s/none/socket", folder);
    fails_to_listen(text, NULL, &error);
    int after = dup(0);
    cr_assert_eq(before, after);
    close(after);
}

/* A listener on the unix socket of the test, or -1. */
static int listen_on_path(mode_t mode, struct error *error)
{
    struct addr addr = {.family = AF_UNIX, .path = path};
    return sock_listen(&addr, 16, NULL, mode, error);
}

Test(sock, a_unix_socket_has_its_mode)
{
    static const mode_t modes[] = {0600, 0660, 0666, 0};
    umask(077);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        struct stat status;
        int fd = listen_on_path(modes[i], NULL);
        cr_assert_geq(fd, 0);
        cr_assert_eq(stat(path, &status), 0);
        cr_assert(S_ISSOCK(status.st_mode));
        cr_assert_eq(status.st_mode & 07777, modes[i]);
        close(fd);
        unlink(path);
    }
    cr_assert_eq(umask(0), 077, "the umask is as it was");
}

Test(sock, an_abandoned_unix_socket_is_replaced)
{
    close(listen_on_path(0600, NULL));
    cr_assert_eq(access(path, F_OK), 0);
    int fd = listen_on_path(0600, NULL);
    cr_assert_geq(fd, 0);
    close(fd);
}

Test(sock, a_unix_socket_that_is_served_is_left_alone)
{
    struct error error;
    int fd = listen_on_path(0600, NULL);
    cr_assert_eq(listen_on_path(0600, &error), -1);
    cr_assert_eq(error.errnum, EADDRINUSE);
    cr_assert_eq(access(path, F_OK), 0);
    close(fd);
}

Test(sock, a_file_that_is_no_socket_is_left_alone)
{
    struct error error;
    char text[16] = "";
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    cr_assert_eq(write(fd, "precious", 8), 8);
    close(fd);
    cr_assert_eq(listen_on_path(0600, &error), -1);
    cr_assert_eq(error.errnum, EADDRINUSE);
    fd = open(path, O_RDONLY);
    cr_assert_eq(read(fd, text, sizeof text), 8);
    cr_assert_str_eq(text, "precious");
    close(fd);
}

Test(sock, a_link_is_not_followed)
{
    char target[128];
    struct error error;
    snprintf(target, sizeof target, "%s/target", folder);
    cr_assert_eq(symlink(target, path), 0);
    cr_assert_eq(listen_on_path(0600, &error), -1);
    cr_assert_eq(access(target, F_OK), -1);
}

Test(sock, the_reset)
{
    char byte;
    int listener = listen_on("127.0.0.1:0"), client = connect_to(listener);
    int fd = accept4(listener, NULL, NULL, 0);
    cr_assert_geq(fd, 0);
    sock_reset(fd);
    cr_assert_eq(read(client, &byte, 1), -1);
    cr_assert_eq(errno, ECONNRESET);
    close(client);
    close(listener);
}

/* Connecting that has come as far as it can on loopback; returns its socket. */
static int begin_connection(int listener)
{
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage;
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&storage, &length), 0);
    int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    cr_assert_geq(fd, 0);
    cr_assert(connect(fd, (struct sockaddr *)&storage, length) == 0 || errno == EINPROGRESS);
    return fd;
}

static bool is_established(int fd)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    cr_assert_eq(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length), 0);
    return info.tcpi_state == TCP_ESTABLISHED;
}

Test(sock, stops_beginnings)
{
    int listener = listen_on("127.0.0.1:0");
    int before = begin_connection(listener);
    cr_expect(is_established(before));
    if (sock_stop_beginnings(listener, true)) {
        cr_expect_eq(errno, EPERM);
        cr_skip_test("an ordinary user may not");
    }
    int meanwhile = begin_connection(listener);
    cr_expect_not(is_established(meanwhile), "nobody gets in");
    int accepted = accept(listener, NULL, NULL);
    cr_expect_geq(accepted, 0, "who was in the queue still does");
    cr_expect_eq(write(before, "x", 1), 1);
    char byte = 0;
    cr_expect_eq(read(accepted, &byte, 1), 1);
    cr_expect_eq(byte, 'x', "a connection of that time works");
    cr_expect_lt(accept(listener, NULL, NULL), 0);
    cr_expect_eq(sock_stop_beginnings(listener, false), 0);
    int after = begin_connection(listener);
    cr_expect(is_established(after), "it is as before");
    close(after);
    close(accepted);
    close(meanwhile);
    close(before);
    close(listener);
}
