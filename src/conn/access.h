/* SPDX-License-Identifier: MIT */
/*
 * Who may come in to a service: the lists of its configuration, and what they say about a peer.
 *
 * A peer is refused if `deny` matches it, or if there is `allow` and that does not.  Of the entries
 * that match an address, the one with the longest prefix counts; of those that match a unix peer,
 * its user's before its groups'.  The lists are filled once and read-only from then on.
 */
#ifndef TCPD_CONN_ACCESS_H
#define TCPD_CONN_ACCESS_H

#include "io/addr.h"
#include "io/prefix.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* An entry of a list, as it stands in the configuration. */
struct access_rule {
    const char *text; /* "10.0.0.0/8", "uid:1000", "gid:adm" */
    const char *file;
    unsigned line; /* 0: from -o, which `file` then names */
};

/* A user or a group in a list. */
struct access_id {
    uint64_t key;  /* see access.c */
    uint32_t rule; /* its index */
};

struct access_list {
    bool given; /* false: the configuration has no such list */
    struct access_rule *rules;
    uint32_t count;
    struct prefix_set prefixes; /* their numbers are indices of rules */
    struct access_id *ids;      /* sorted */
    uint32_t id_count;
    bool has_groups; /* a unix peer has to be asked for its groups */
};

struct access {
    struct access_list allow, deny;
    bool enforce; /* false: a trial, who would be refused is served */
};

/* Who wants to come in. */
struct access_peer {
    const struct addr *address;
    /* Of a unix peer alone: */
    bool known; /* false: the system did not tell who it is; lists let nobody in whom they don't
                   know */
    uid_t uid;
    const gid_t *gids; /* the first is its own, then its supplementary ones */
    unsigned gid_count;
};

enum access_by { ACCESS_BY_NOTHING, ACCESS_BY_ALLOW, ACCESS_BY_DENY };

struct access_verdict {
    bool allowed;
    enum access_by by;              /* the list that decided */
    const struct access_rule *rule; /* in it; NULL: none matched */
};

/*
 * Makes an empty list that is given, in memory of the caller's for `most` entries:
 * so many rules and ids, and PREFIX_SET_NODES(most) nodes.
 */
void access_list_init(struct access_list *list, struct access_rule *rules, struct access_id *ids,
                      struct prefix_node *nodes);

/* Adds an entry.  Of two that mean the same, the first is the one that matches. */
void access_list_add_prefix(struct access_list *list, const struct access_rule *rule,
                            const struct prefix *prefix);
void access_list_add_id(struct access_list *list, const struct access_rule *rule, bool is_group,
                        uint32_t id);

/* After the last entry. */
void access_list_end(struct access_list *list);

/* Whether that peer may tell in a header of the PROXY protocol who its client is.  Who may connect
 * to a unix socket, its mode says; trusted NULL: nobody else may. */
bool access_trusts(const struct prefix_set *trusted, const struct addr *peer);

/* What the lists say.  No side effects, any thread, any process. */
struct access_verdict access_judge(const struct access *access, const struct access_peer *peer);

#endif
