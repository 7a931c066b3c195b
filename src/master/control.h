/* SPDX-License-Identifier: MIT */
/*
 * The control socket: a unix socket on which tcpctl and programs see and steer
 * the daemon, with one JSON object a line in both directions.
 *
 * A request is {"command":"NAME", ...}, at most CONTROL_REQUEST_MAX bytes with its newline.  The
 * answer is any number of lines {"progress":true, ...}, then exactly one final
 * line, {"ok":true, ...} or {"ok":false,"error":"..."}.  A client may then ask
 * again; what it sends before stays in its socket unread, so that at most one request
 * of a client is under way.
 *
 * What local users send is as hostile as what comes from the network, so everything has a bound:
 *  - CONTROL_CLIENTS_MAX clients.  One more takes the place of the one that has been idle
 *    for the longest, of those whose answer is not under way; without such a one it is turned away.
 *  - CONTROL_PATIENCE for a client to complete a line, from when it came or had its last
 *    answer, and to take anything of what is sent to it.  To wait for an answer is
 *    free of charge.
 *  - CONTROL_OUTPUT_MAX bytes that wait to be sent to one client.
 * A client beyond them is disconnected.
 *
 * All functions: the thread that runs the loop.
 */
#ifndef TCPD_MASTER_CONTROL_H
#define TCPD_MASTER_CONTROL_H

#include "base/clock.h"
#include "base/error.h"
#include "io/loop.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define CONTROL_REQUEST_MAX 4096
#define CONTROL_CLIENTS_MAX 16
#define CONTROL_OUTPUT_MAX  ((size_t)64 << 20)
#define CONTROL_PATIENCE    (10 * CLOCK_S)

struct control;        /* the listening socket and its clients */
struct control_client; /* to a command: its request, to be answered now or later */

/* A row of the table of commands, which ends with a row without a name. */
struct control_command {
    const char *name;
    /* Only for root, the daemon's own user and members of the group; others get an error instead,
     * and each use stands in the log. */
    bool steers;
    /*
     * Begins what the request asks for: *request is an object, borrowed for the time of the call
     * (json_incref what is kept).  Before it returns it either gives the final answer
     * (control_answer, control_fail) or says that it comes later (control_wait).
     */
    void (*run)(struct control_client *client, const json_t *request, void *owner);
};

/* Where the socket is and who may connect to it; all is copied. */
struct control_settings {
    const char *socket; /* absolute path, shorter than 108 bytes; "": none */
    mode_t mode;        /* of its file */
    gid_t gid;          /* group of its file, whose members may steer */
    bool has_group;     /* else its group is the daemon's own, and only root and the daemon's user
                           may steer */
};

/* Without a socket yet.  The table must live as long; owner is passed to `run`. */
struct control *control_new(struct loop *loop, const struct control_command *commands, void *owner,
                            struct error *error);

/*
 * Disconnects all clients, of which each that waits is told (control_wait), and closes the
 * socket; its file stays unless control_close came first.  Before loop_fini.  NULL is allowed.
 */
void control_free(struct control *control);

/*
 * Opens the socket, or makes an open one what the settings say: on the same
 * path it stays open, and its file gets the mode and the group; on another one the
 * old socket is closed and removed when the new one is open.  An empty path closes
 * it.  Clients stay connected through all of this.
 *
 * A missing folder is made (one, of mode 0755).  The file of a dead daemon is
 * replaced; a live one is an error.  Never are more users let in than the settings allow.
 * On -1 everything is as it was before, and the sentence names the path and the way out.
 */
int control_listen(struct control *control, const struct control_settings *settings,
                   struct error *error);

/* Closes the socket, and with `unlink` removes its file if it is still the one.  Clients stay. */
void control_close(struct control *control, bool unlink);

/*
 * What a command does with its client.  None of these ends the client's memory: that happens only
 * in a later turn of the loop, and in control_free.  So they may be called in any order of
 * events, also for one whose peer has just left.  After the final answer the pointer is no longer
 * the caller's.
 *
 * A line is stolen (its reference is the callee's).  NULL is allowed, so that the result
 * of json_pack can be passed on as it is: as progress it is nothing, as an answer one that says
 * that none could be made.
 */

/* Sends a line and goes on waiting.  `line` has "progress":true from the caller. */
void control_progress(struct control_client *client, json_t *line);

/* Sends the final line, which has "ok" from the caller.  What the socket takes of it has been
 * sent when this returns. */
void control_answer(struct control_client *client, json_t *line);

/*
 * Sends the final line {"ok":false,"error":sentence,"errors":[...]}; without `errors` when count
 * is 0.  What is not UTF-8 in them is replaced.
 */
void control_fail(struct control_client *client, const char *sentence, const char *const *errors,
                  size_t count);

/*
 * The answer comes later.  Called in `run` by whoever keeps the pointer to the client.  Should the
 * client be disconnected before its final answer, `gone` is called, once, and the
 * pointer is no longer valid when it returns; nothing may be sent to it in there.  `gone` is
 * never called inside of another function of this header but control_free.  May be called again,
 * to pass the client on to someone else.
 */
void control_wait(struct control_client *client,
                  void (*gone)(struct control_client *client, void *waiter), void *waiter);

/*
 * The clients that wait for this waiter, one after the other: the first with `after` NULL; NULL:
 * no more.  They may be answered on the way.
 */
struct control_client *control_next_waiting(const struct control *control, const void *waiter,
                                            const struct control_client *after);

/*
 * Handing over to another image of this process (execve(2)).  Descriptors are close-on-exec, and
 * whoever executes takes that away from those that it hands over.
 */

/* The listening socket; -1: there is none. */
int control_listener_fd(const struct control *control);

/* Path of the listening socket; "": there is none. */
const char *control_path(const struct control *control);

/*
 * The socket of a client that waits.  What it sent behind the request that is under way is still
 * in the socket.  -1: part of a line has yet to be sent, and nobody else could go on there.
 */
int control_client_fd(const struct control_client *client);

/* The sockets of clients at rest: all that they were told is sent, and what they have asked since
 * is in the socket.  Returns how many. */
unsigned control_idle_fds(const struct control *control, int fds[static CONTROL_CLIENTS_MAX]);

/* In the new image: such a client.  -1: the descriptor is still the caller's. */
int control_adopt_idle(struct control *control, int fd, struct error *error);

/*
 * In the new image: a listening socket with the path it was opened on, before the first
 * control_listen (which then finds it open, and sets mode and group).  The descriptor is the
 * control's, close-on-exec and non-blocking, from then on; on -1 it is still the caller's.
 */
int control_adopt(struct control *control, int fd, const char *path, struct error *error);

/*
 * In the new image: a client that waits for an answer, as after `run`.  The caller says
 * control_wait or answers before it returns to the loop.  NULL with an error: the descriptor
 * is still the caller's.
 */
struct control_client *control_adopt_client(struct control *control, int fd, struct error *error);

#endif
