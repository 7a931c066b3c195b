/* SPDX-License-Identifier: MIT */
/*
 * The configuration: a file becomes a validated struct conf, or a list of all
 * that is wrong with it.  The only user of libconfig.
 */
#ifndef TCPD_CONF_CONF_H
#define TCPD_CONF_CONF_H

#include "base/error.h"
#include "base/log.h"
#include "conn/service.h"
#include "io/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/*
 * One address of a service.  Where something stands is a file and a line; with a value from -o
 * the file is "-o PATH" and the line 0.
 */
struct listen {
    struct addr address; /* path and all, owned by the conf; family AF_UNSPEC with inherited set */
    const char *inherited; /* "systemd:NAME": the NAME; else NULL */
    int backlog;           /* for listen(2); means nothing for an inherited socket */
    const char *interface; /* SO_BINDTODEVICE, or NULL */
    mode_t mode;           /* of a unix socket's file */
    const char *file;      /* where it stands in the configuration */
    unsigned line;
};

/* Who a child is, or the program of a service. */
struct conf_identity {
    char user[64];  /* a name; "": nobody was named, and whoever has started the daemon it is */
    char group[64]; /* likewise */
    uid_t uid;
    gid_t gid;
    gid_t *groups; /* the supplementary ones, when it changes */
    size_t group_count;
    bool changes;     /* the master is root; false: a child stays what the master is */
    const char *file; /* where user, or else group, stands; NULL: nowhere */
    unsigned line;
    const char *path; /* "user" or "group" */
};

/* Where the standard error of a program goes. */
enum program_stderr { PROGRAM_STDERR_LOG, PROGRAM_STDERR_SOCKET, PROGRAM_STDERR_NULL };

enum program_sandbox { PROGRAM_SANDBOX_NONE, PROGRAM_SANDBOX_STRICT };

#define PROGRAM_LIMIT_UNSET UINT64_MAX

/* Bounds as setrlimit(2) has them, or PROGRAM_LIMIT_UNSET. */
struct program_limits {
    uint64_t nofile, as, cpu, nproc, core, fsize;
};

/* What a service of the type exec runs for a connection. */
struct conf_program {
    struct program program; /* what the service knows of it */
    const char **command;   /* the file and its arguments; ends with NULL */
    const char *argv0;
    struct conf_identity identity;
    const char *directory;
    const char *chroot;       /* or NULL */
    const char **environment; /* "NAME=value"; ends with NULL */
    size_t environment_count;
    mode_t umask;
    int32_t nice;
    struct program_limits limits;
    uint32_t instances; /* at once; 0: as many as limits.connections allows */
    enum program_stderr errors;
    bool wait;
    bool count_bytes;
    uint64_t kill_timeout; /* ns between SIGTERM and SIGKILL */
    enum program_sandbox sandbox;
    const char **writable; /* in the sandbox; ends with NULL */
    const char *file;      /* where the command stands */
    unsigned line;
};

struct conf_service {
    struct service service;
    struct listen *listens;
    size_t listen_count;       /* at least 1 */
    struct access access;      /* service.access points here, or is NULL */
    struct prefix_set trusted; /* what service.trusted points to, when it was set */
    const char **trusted_texts;
    size_t trusted_count;
    struct conf_program program; /* service.program points into it, or is NULL */
    const char *file;
    unsigned line;
};

struct memory;
struct node;
struct conf_snapshot;

struct conf {
    struct conf_identity identity;
    struct {
        unsigned processes;     /* 1 to 64 */
        unsigned threads;       /* resolved: never 0 */
        unsigned queue;         /* for each worker */
        unsigned generations;   /* alive at once, 1 to 64 */
        uint64_t hang_timeout;  /* ns without a sign of life from a child; 0: off */
        uint64_t start_timeout; /* ns that a child has to get ready */
    } pool;
    struct {
        char socket[108]; /* absolute path, as sockaddr_un has it; "": none */
        mode_t mode;      /* of its file */
        char group[64];   /* name of its group; "": none */
        gid_t gid;        /* of that group, when has_group */
        bool has_group;
    } control;
    struct log_settings log;
    struct limits limits;     /* of the whole daemon; connections is never 0 */
    struct timeouts timeouts; /* what a service has that says nothing else */
    uint64_t drain;           /* ns, timeouts.drain; 0: until the last connection ends */
    uint64_t retire;          /* ns, timeouts.retire; 0: until the last connection ends */
    struct conf_service *services;
    size_t service_count;
    const char *limits_file; /* where limits.connections stands, or else could stand */
    unsigned limits_line;
    const char *control_file; /* where control.socket stands; NULL: nowhere */
    unsigned control_line;
    const struct node *settings;    /* all that was read, with its places: see conf_where */
    struct conf_snapshot *snapshot; /* what all this was read from */
    struct memory *memory;          /* holds all that the above points to */
};

/* One -o PATH=VALUE of the command line. */
struct conf_override {
    const char *path;  /* pool.threads, services.[0].listen or, by its name, services.echo.listen */
    const char *value; /* in libconfig's syntax; what is none is a string */
};

/*
 * All messages of one run, in the order of the files, each "FILE:LINE: error: PATH: MESSAGE" (or
 * warning), with "-o PATH" for FILE:LINE when the value came from there.  PATH is the path of the
 * setting as -o takes it, services.echo.listen; "file" when it is about a file as a whole and
 * "syntax" when it could not be understood.
 */
struct conf_report {
    char **messages;
    size_t count;
    size_t errors; /* how many of them are errors; the others are warnings */
};

/*
 * Reads and checks a file with its includes.  Returns the configuration, which
 * the caller frees with conf_free, or NULL when the report holds an error.
 * Never binds, never changes anything, and, whatever the file may be, never waits (but for the
 * system's answer about users and groups) and never ends the process (short of running out of
 * memory). The report need not be initialized; it is filled in either case and freed with
 * conf_report_free.
 */
struct conf *conf_load(const char *file, const struct conf_override *overrides,
                       size_t override_count, struct conf_report *report);

/*
 * All files as they were when this configuration was read, and what its patterns matched then,
 * as one string of bytes.  -o is not in there.  The caller frees it; never NULL.
 */
char *conf_snapshot_text(const struct conf *conf, size_t *length);

/*
 * As conf_load, but from such a string alone: the files are not looked at.  With the same
 * overrides the configuration is the same, but for what depends on the machine (the CPUs for
 * pool.threads = 0, users and groups), and so is its own snapshot.  What is
 * malformed, or is not all that the configuration asks for and no more, is an error.
 */
struct conf *conf_load_snapshot(const char *text, size_t length,
                                const struct conf_override *overrides, size_t override_count,
                                struct conf_report *report);

void conf_free(struct conf *conf);
void conf_report_free(struct conf_report *report);

/*
 * Whether a process of this one's user may make processes of that identity, children or programs as
 * `what` calls them: 0, or -1 and EPERM in the error.
 */
int conf_identity_check(const struct conf_identity *identity, const char *what,
                        struct error *error);

#define CONF_WHERE_MAX 512 /* enough for conf_where, with its NUL; a longer name is cut */

/*
 * Where the setting `name` stands, at the top or in a service, in a group or, with NULL, in none:
 * "FILE:LINE" or "-o PATH"; "default" when it stands nowhere.  Returns buffer.
 */
const char *conf_where(const struct conf *conf, const struct conf_service *service,
                       const char *group, const char *name, char buffer[static CONF_WHERE_MAX]);

/* The same of a place that was noted: line 0 is that of an -o, which `file` then names. */
const char *conf_where_print(const char *file, unsigned line, char buffer[static CONF_WHERE_MAX]);

/* Holds a valid configuration against the machine and adds warnings to the report. */
void conf_check_machine(const struct conf *conf, struct conf_report *report);

/*
 * Prints the whole effective configuration, defaults included, as a
 * configuration that conf_load accepts and that means the same.  Returns -1 on a write error.
 */
int conf_dump(const struct conf *conf, FILE *out);

#endif
