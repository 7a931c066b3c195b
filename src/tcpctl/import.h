/* SPDX-License-Identifier: MIT */
/*
 * What the files of other super-servers say, on its way to a configuration of tcpd.  A reader for
 * each format makes entries, one printer writes them.  All memory is of the one import.
 */
#ifndef TCPD_TCPCTL_IMPORT_H
#define TCPD_TCPCTL_IMPORT_H

#include "conf/memory.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct import_place {
    const char *file; /* as it was named; "-" is standard input */
    unsigned line;    /* from 1 */
};

struct import_list {
    const char **items;
    size_t count;
};

/* One setting of a service.  Text stands in quotes already, as the configuration has it. */
struct import_setting {
    struct import_setting *next;
    const char *name; /* "user", or in a group of the service: "access.allow" */
    bool is_list;
    struct import_list values; /* exactly one when it is no list */
};

/* What tcpd does not do, or does otherwise, and where it was asked for. */
struct import_note {
    struct import_note *next;
    struct import_place place;
    const char *text;
};

/* What one line, or one block of lines, comes to. */
struct import_entry {
    struct import_entry *next;
    struct import_place place;
    const char *source; /* the line itself, to be shown */
    struct import_note *notes;
    bool is_service;          /* else the notes are all */
    bool barred;              /* it stands in a comment, and the notes tell why */
    bool disabled;            /* the input has it switched off: barred, and nobody is warned */
    const char *name;         /* of the service; made fit and unique by import_check */
    const char *base;         /* the name before a number made it unique; by import_check */
    const char *path;         /* of its program; NULL: it is built in */
    const char *user, *group; /* of the program; NULL: nobody was named */
    struct import_list listens;
    const char *listen_options; /* "backlog = 20;", or NULL */
    struct import_setting *settings;
};

struct import {
    struct memory *memory;
    struct import_entry *entries, *last;
    unsigned errors; /* that were said on standard error: the input is not what it should be */
};

/* A mistake in the input: printed at once, and nothing comes of the import. */
void import_error(struct import *import, struct import_place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A new entry at the end, with a copy of the source line. */
struct import_entry *import_add(struct import *import, struct import_place place,
                                const char *source);

/* What is lost or different, at the place of the entry or at one within it. */
void import_note(struct import *import, struct import_entry *entry, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void import_note_at(struct import *import, struct import_entry *entry, struct import_place place,
                    const char *format, ...) __attribute__((format(printf, 4, 5)));

void import_list_add(struct import *import, struct import_list *list, const char *text);

/* The text in quotes, as libconfig reads it. */
const char *import_quote(struct import *import, const char *text);

/* Sets a setting: a text, which is quoted, or a number or a boolean as it is. */
void import_set_text(struct import *import, struct import_entry *entry, const char *name,
                     const char *text);
void import_set(struct import *import, struct import_entry *entry, const char *name,
                const char *value);

/* Adds a text to a setting that is a list; import_set_none makes it an empty one. */
void import_set_more(struct import *import, struct import_entry *entry, const char *name,
                     const char *text);
void import_set_none(struct import *import, struct import_entry *entry, const char *name);

/* Takes away all whose names start so; whether there were any. */
bool import_unset(struct import_entry *entry, const char *start);

/* NULL: it is not set. */
const struct import_setting *import_find(const struct import_entry *entry, const char *name);

/*
 * The readers: text of the file of that name, with a NUL behind.  They add entries and say errors.
 * That of inetd.conf knows the dialect of GNU inetutils too, which differs in families and quotes.
 */
void import_inetd(struct import *import, const char *file, const char *text);
void import_inetutils(struct import *import, const char *file, const char *text);
void import_xinetd(struct import *import, const char *file, const char *text);
void import_tcpserver(struct import *import, const char *file, const char *text);

/* The reader of the format, by its name or by what the text looks like. */
typedef void import_reader(struct import *import, const char *file, const char *text);
import_reader *import_reader_named(const char *name); /* NULL: there is none */
import_reader *import_reader_for(const char *text);

/* A file, or standard input for "-", read whole; NULL and an error that was said. */
const char *import_read(struct import *import, struct import_place place, const char *file);

/*
 * When all is read: makes the names fit and unique, and bars what this machine could not run, so
 * that what is printed is valid here.
 */
void import_check(struct import *import);

/* The configuration, and the warnings, a line each. */
void import_print(const struct import *import, FILE *out);
void import_warn(const struct import *import, FILE *out);

struct options;

/* The command: reads the files, prints.  Returns an exit status. */
int import_run(const struct options *options);

#endif
