/* SPDX-License-Identifier: MIT */
#include "conn/access.h"

#include <stdlib.h>

#define NO_RULE PREFIX_NONE

/* Filling. */

void access_list_init(struct access_list *list, struct access_rule *rules, struct access_id *ids,
                      struct prefix_node *nodes)
{
    *list = (struct access_list){.given = true, .rules = rules, .ids = ids};
    prefix_set_init(&list->prefixes, nodes);
}

/* Returns its index. */
static uint32_t add_rule(struct access_list *list, const struct access_rule *rule)
{
    list->rules[list->count] = *rule;
    return list->count++;
}

void access_list_add_prefix(struct access_list *list, const struct access_rule *rule,
                            const struct prefix *prefix)
{
    prefix_set_add(&list->prefixes, prefix, add_rule(list, rule));
}

/* Users and groups stand in one array: groups behind all users. */
static uint64_t key_of(bool is_group, uint32_t id)
{
    return (uint64_t)is_group << 32 | id;
}

void access_list_add_id(struct access_list *list, const struct access_rule *rule, bool is_group,
                        uint32_t id)
{
    list->ids[list->id_count++] =
        (struct access_id){.key = key_of(is_group, id), .rule = add_rule(list, rule)};
    list->has_groups = list->has_groups || is_group;
}

static int compare_ids(const void *left, const void *right)
{
    const struct access_id *a = left, *b = right;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    return (a->rule > b->rule) - (a->rule < b->rule);
}

void access_list_end(struct access_list *list)
{
    uint32_t kept = 0;
    if (list->id_count > 0)
        qsort(list->ids, list->id_count, sizeof *list->ids, compare_ids);
    for (uint32_t i = 0; i < list->id_count; i++)
        if (kept == 0 || list->ids[kept - 1].key != list->ids[i].key)
            list->ids[kept++] = list->ids[i];
    list->id_count = kept;
}

/* Asking. */

static uint32_t find_id(const struct access_list *list, uint64_t key)
{
    uint32_t low = 0, high = list->id_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (list->ids[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low < list->id_count && list->ids[low].key == key ? list->ids[low].rule : NO_RULE;
}

static uint32_t find_unix(const struct access_list *list, const struct access_peer *peer)
{
    uint32_t rule = find_id(list, key_of(false, peer->uid));
    for (unsigned i = 0; list->has_groups && rule == NO_RULE && i < peer->gid_count; i++)
        rule = find_id(list, key_of(true, peer->gids[i]));
    return rule;
}

/* The rule that matches best, or NULL. */
static const struct access_rule *match(const struct access_list *list,
                                       const struct access_peer *peer)
{
    if (!list->given)
        return NULL;
    uint32_t rule = peer->address->family == AF_UNIX
                        ? find_unix(list, peer)
                        : prefix_set_find(&list->prefixes, peer->address);
    return rule != NO_RULE ? &list->rules[rule] : NULL;
}

struct access_verdict access_judge(const struct access *access, const struct access_peer *peer)
{
    bool has_lists = access->allow.given || access->deny.given;
    if (has_lists && peer->address->family == AF_UNIX && !peer->known)
        return (struct access_verdict){false, ACCESS_BY_NOTHING, NULL};
    const struct access_rule *rule = match(&access->deny, peer);
    if (rule)
        return (struct access_verdict){false, ACCESS_BY_DENY, rule};
    if (!access->allow.given)
        return (struct access_verdict){true, ACCESS_BY_NOTHING, NULL};
    rule = match(&access->allow, peer);
    return (struct access_verdict){rule != NULL, ACCESS_BY_ALLOW, rule};
}

bool access_trusts(const struct prefix_set *trusted, const struct addr *peer)
{
    if (peer->family == AF_UNIX)
        return true;
    return trusted && prefix_set_find(trusted, peer) != PREFIX_NONE;
}
