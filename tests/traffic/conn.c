/* SPDX-License-Identifier: MIT */
#include "traffic/conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define RECEIVE_SIZE 1024

enum todo { TODO_OPEN = 1, TODO_ASK = 2, TODO_LEAVE = 4 };

const char *const phase_names[] = {
    [PHASE_NONE] = "none", [PHASE_CONNECT] = "connect", [PHASE_ANSWER] = "answer",
    [PHASE_REST] = "rest", [PHASE_END] = "end",
};

static enum outcome fail(struct conn *conn, enum what what, int error)
{
    conn->what = what;
    conn->error = error;
    return CONN_FAILED;
}

/* Whether an error tells of this machine and not of the server. */
static bool is_local(int error)
{
    return error == EADDRNOTAVAIL || error == EMFILE || error == ENFILE || error == ENOBUFS ||
           error == ENOMEM || error == EAFNOSUPPORT;
}

/* A reset is one even when the connect is not known to have ended: a refusal has another errno. */
static enum outcome fail_call(struct conn *conn, int error)
{
    if (is_local(error))
        return fail(conn, WHAT_LOCAL, error);
    if (error == ETIMEDOUT)
        return fail(conn, WHAT_TIMEOUT, error);
    if (conn->phase == PHASE_CONNECT && error != ECONNRESET)
        return fail(conn, WHAT_REFUSED, error);
    return fail(conn, WHAT_RESET, error);
}

/* --- What is said --- */

static void say(struct conn *conn, enum todo what)
{
    const struct dialogue *dialogue = conn->target->dialogue;
    if (what == TODO_OPEN && dialogue->open)
        dialogue->open(&conn->exchange);
    else if (what == TODO_ASK)
        dialogue->ask(&conn->exchange, conn->number, conn->messages++);
    else if (what == TODO_LEAVE)
        dialogue->leave(&conn->exchange);
}

/* The next exchange.  Returns whether there is one. */
static bool fill(struct conn *conn)
{
    struct exchange *exchange = &conn->exchange;
    exchange->out_length = exchange->in_length = exchange->sent = exchange->got = 0;
    while (conn->todo && (conn->is_eager || exchange->in_length == 0)) {
        unsigned next = conn->todo & -conn->todo;
        conn->todo &= ~next;
        say(conn, next);
    }
    return exchange->in_length > 0;
}

/* That it fails when the server has reset the connection is told by what is received. */
static void finish(struct conn *conn)
{
    if (!conn->leaves && !conn->is_finished)
        shutdown(conn->fd, SHUT_WR);
    conn->is_finished = true;
}

static bool is_lasting(const struct conn *conn)
{
    return conn->kind == KIND_LONG && !conn->is_leaving;
}

static enum outcome flush(struct conn *conn)
{
    struct exchange *exchange = &conn->exchange;
    size_t length = exchange->out_length - exchange->sent;
    if (length == 0)
        return CONN_GOES_ON;
    ssize_t sent = send(conn->fd, exchange->out + exchange->sent, length, MSG_NOSIGNAL);
    if (sent < 0)
        return errno == EAGAIN ? CONN_GOES_ON : fail_call(conn, errno);
    exchange->sent += (size_t)sent;
    if ((size_t)sent == length && conn->is_eager && !is_lasting(conn))
        finish(conn);
    return CONN_GOES_ON;
}

/* An exchange is over: to the next one, to rest or to the end. */
static enum outcome go_on(struct conn *conn)
{
    if (fill(conn)) {
        conn->step++;
        conn->phase = PHASE_ANSWER;
        return flush(conn);
    }
    if (is_lasting(conn)) {
        conn->phase = PHASE_REST;
        return CONN_RESTS;
    }
    conn->step++;
    conn->phase = PHASE_END;
    finish(conn);
    return CONN_GOES_ON;
}

/* --- What comes back --- */

static bool verify(struct conn *conn, const char *bytes, size_t length)
{
    struct exchange *exchange = &conn->exchange;
    if (length > exchange->in_length - exchange->got ||
        memcmp(exchange->in + exchange->got, bytes, length) != 0)
        return false;
    exchange->got += length;
    conn->received += length;
    return true;
}

static enum outcome take(struct conn *conn, const char *bytes, size_t length)
{
    if (!verify(conn, bytes, length))
        return fail(conn, WHAT_WRONG, 0);
    return exchange_is_done(&conn->exchange) ? go_on(conn) : CONN_GOES_ON;
}

static enum outcome take_end(struct conn *conn)
{
    return conn->phase == PHASE_END ? CONN_ENDED : fail(conn, WHAT_CLOSED_EARLY, 0);
}

/* Until the socket is empty; unless the end waits too, fewer bytes than would fit say so. */
static enum outcome receive(struct conn *conn, bool is_ending)
{
    char bytes[RECEIVE_SIZE];
    enum outcome outcome = CONN_GOES_ON;
    ssize_t length = RECEIVE_SIZE;
    while (outcome != CONN_FAILED && (length == RECEIVE_SIZE || is_ending)) {
        length = recv(conn->fd, bytes, sizeof bytes, 0);
        if (length == 0)
            return take_end(conn);
        if (length < 0)
            return errno == EAGAIN ? outcome : fail_call(conn, errno);
        outcome = take(conn, bytes, (size_t)length);
    }
    return outcome;
}

/* --- From the connect on --- */

/* Short ones take turns: all said at once or each after its answer, and one end or the other. */
static void prepare(struct conn *conn, unsigned variant)
{
    const struct dialogue *dialogue = conn->target->dialogue;
    bool is_short = conn->kind == KIND_SHORT;
    conn->leaves = dialogue->leave && variant & 1;
    conn->is_eager = !is_short || variant & (dialogue->leave ? 2 : 1);
    conn->todo = TODO_OPEN | TODO_ASK;
    if (is_short && conn->leaves)
        conn->todo |= TODO_LEAVE;
    conn->is_leaving = conn->is_finished = false;
    conn->messages = 0;
    conn->received = 0;
    conn->exchange.out_length = conn->exchange.in_length = 0;
    conn->exchange.sent = conn->exchange.got = 0;
}

enum outcome conn_open(struct conn *conn, uint64_t number)
{
    prepare(conn, (unsigned)conn->target->opened++);
    conn->number = number;
    conn->phase = PHASE_CONNECT;
    conn->step++;
    conn->fd = target_socket(conn->target);
    return conn->fd < 0 ? fail_call(conn, errno) : conn_connect(conn);
}

enum outcome conn_connect(struct conn *conn)
{
    const struct target *target = conn->target;
    if (!connect(conn->fd, (const struct sockaddr *)&target->address, target->length) ||
        errno == EINPROGRESS)
        return CONN_GOES_ON;
    return errno == EAGAIN && target->address.ss_family == AF_UNIX ? CONN_AGAIN
                                                                   : fail_call(conn, errno);
}

static enum outcome connected(struct conn *conn)
{
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &length);
    if (error)
        return fail_call(conn, error);
    return go_on(conn);
}

enum outcome conn_ready(struct conn *conn, uint32_t events)
{
    enum outcome outcome;
    if (conn->phase == PHASE_CONNECT)
        outcome = connected(conn);
    else
        outcome = flush(conn);
    if (outcome == CONN_FAILED || !(events & ~(uint32_t)EPOLLOUT))
        return outcome;
    return receive(conn, (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
}

enum outcome conn_ask(struct conn *conn)
{
    conn->todo = TODO_ASK;
    return go_on(conn);
}

enum outcome conn_leave(struct conn *conn)
{
    conn->is_leaving = true;
    conn->todo = conn->leaves ? TODO_LEAVE : 0;
    return go_on(conn);
}

unsigned conn_port(const struct conn *conn)
{
    struct sockaddr_storage own = {0};
    socklen_t length = sizeof own;
    if (conn->fd < 0 || getsockname(conn->fd, (struct sockaddr *)&own, &length))
        return 0;
    if (own.ss_family == AF_INET)
        return ntohs(((struct sockaddr_in *)&own)->sin_port);
    return own.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&own)->sin6_port) : 0;
}

void conn_close(struct conn *conn)
{
    if (conn->fd >= 0)
        close(conn->fd);
    conn->fd = -1;
    conn->phase = PHASE_NONE;
    list_remove(&conn->waiting);
    list_remove(&conn->again);
}
