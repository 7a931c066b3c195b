/* SPDX-License-Identifier: MIT */
/* What the parts of the control socket share; nobody else includes it. */
#ifndef TCPD_MASTER_CONTROL_STATE_H
#define TCPD_MASTER_CONTROL_STATE_H

#include "io/buffer.h"
#include "master/control.h"

#include <sys/socket.h>

/* The file of the socket, and how to know it again. */
struct control_file {
    char path[108]; /* "": there is none */
    dev_t device;
    ino_t inode;
};

struct control {
    struct watch listener; /* fd -1: there is none */
    struct control_file file;
    bool has_group;
    gid_t gid;
    struct loop *loop;
    const struct control_command *commands;
    void *owner;
    unsigned count; /* of clients */
    struct control_client *clients[CONTROL_CLIENTS_MAX];
    struct timer retry; /* of accept, when there was no descriptor left */
    bool short_of_descriptors;
    struct fifo *retry_fifo, *patience, *soon;
};

struct control_client {
    struct watch watch;
    struct control *control;
    struct ucred peer; /* when it connected */
    uint64_t active;   /* when it last got somewhere */
    struct timer timer;
    bool waits;   /* a request is under way */
    bool closing; /* nothing more is read; ends when the output is sent */
    bool broken;  /* nothing more can be sent; ends as soon as the loop comes to it */
    void (*gone)(struct control_client *client, void *waiter);
    void *waiter;
    struct buffer *output;
    size_t length; /* of input: the begin of a line, never anything behind it */
    char input[CONTROL_REQUEST_MAX];
};

/* control_file.c */

/* Makes the folder and a listening socket; returns its descriptor. */
int control_file_open(struct control_file *file, const struct control_settings *settings,
                      struct error *error);
/* Gives the file another mode and group. */
int control_file_set(const struct control_file *file, const struct control_settings *settings,
                     struct error *error);
/* Notes which file stands at the path now. */
int control_file_know(struct control_file *file, const char *path, struct error *error);
/* Whether the path, in whatever spelling, leads to the file. */
bool control_file_is(const struct control_file *file, const char *path);
void control_file_remove(const struct control_file *file);

/* control_client.c */

/* Makes ready what times them; -1: no memory. */
int control_client_timers(struct control *control);

/* Takes a connection over; on NULL the descriptor is still the caller's. */
struct control_client *control_client_new(struct control *control, int fd, struct error *error);
/* From now on a request is under way. */
void control_client_begin(struct control_client *client);
/* Only from the loop and from control_free. */
void control_client_end(struct control_client *client);
/* An error about what was sent, not the answer of a command. */
void control_client_refuse(struct control_client *client, const char *sentence);

/* control_request.c */

/* One line, without its newline: checked, and run if it is a command. */
void control_request_run(struct control_client *client, const char *line, size_t length);
/* {"ok":false,...}; NULL: no memory. */
json_t *control_request_error(const char *sentence, const char *const *errors, size_t count);

#endif
