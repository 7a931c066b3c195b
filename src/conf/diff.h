/* SPDX-License-Identifier: MIT */
/*
 * What differs between two configurations, in words for those who asked for a
 * reload.  Everything that conf_dump prints takes part, whatever it may be.
 */
#ifndef TCPD_CONF_DIFF_H
#define TCPD_CONF_DIFF_H

#include "conf/conf.h"

enum conf_change_kind {
    CONF_SERVICE,  /* changed: in anything but its addresses */
    CONF_LISTENER, /* changed: in anything but the address */
    CONF_SETTING,  /* of the whole daemon; always changed */
};

enum conf_change_how { CONF_ADDED, CONF_REMOVED, CONF_CHANGED };

struct conf_change {
    enum conf_change_kind kind;
    enum conf_change_how how;
    const char *what; /* "echo", "127.0.0.1:80 (echo)" or "pool.threads" */
};

/*
 * Services first, then listeners, then settings.  Of each kind, what was added or changed comes
 * in the order of the new configuration, and behind it what was removed in the order of the old.
 */
struct conf_diff {
    struct conf_change *changes;
    size_t count;          /* 0: both mean the same */
    struct memory *memory; /* holds all of it; nothing belongs to the configurations */
};

/*
 * Fills *diff, which need not be initialized and is freed with conf_diff_free.  A service is
 * known by its name, a listener by its service and address.  Time-outs and overload that a
 * service inherits are its own here too: it changes with them.
 */
void conf_diff(const struct conf *before, const struct conf *after, struct conf_diff *diff);
void conf_diff_free(struct conf_diff *diff);

#endif
