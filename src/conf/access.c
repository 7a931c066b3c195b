/* SPDX-License-Identifier: MIT */
#include "conf/access.h"

#include "conf/kind.h"
#include "conf/lookup.h"
#include "conf/unknown.h"
#include "conf/value.h"

#include <errno.h>
#include <string.h>

#define ENTRIES_IN_A_LINE 6 /* when printed */

const char *const access_settings[] = {"allow", "deny", "enforce", NULL};

static int find_user(const char *name, uint32_t *id)
{
    gid_t primary;
    return lookup_user(name, id, &primary);
}

static int find_group(const char *name, uint32_t *id)
{
    return lookup_group(name, id);
}

/* How a unix peer is named. */
static const struct account {
    const char *start;
    const char *noun;
    bool is_group;
    int (*find)(const char *name, uint32_t *id);
} accounts[] = {
    {"uid:", "user", false, find_user},
    {"gid:", "group", true, find_group},
};

#define ACCOUNT_COUNT (sizeof(accounts) / sizeof(accounts[0]))

static const struct account *account_of(const char *text)
{
    for (size_t i = 0; i < ACCOUNT_COUNT; i++) {
        if (strncmp(text, accounts[i].start, strlen(accounts[i].start)) == 0)
            return &accounts[i];
    }
    return NULL;
}

/* A number as it is, a name by asking the system. */
static bool find_id(struct reading *reading, const struct node *node, const struct account *account,
                    uint32_t *id)
{
    const char *name = node->text + strlen(account->start);
    if (value_id(name, id))
        return true;
    if (name[0] == '\0' || name[strspn(name, "0123456789")] == '\0') {
        node_error(reading, node,
                   "expected %s and the name of a %s or a number from 0 to 4294967294, got %s",
                   account->start, account->noun, node_print(reading->memory, node));
        return false;
    }
    int result = account->find(name, id);
    if (result == ENOENT)
        node_error(reading, node, "there is no %s \"%.64s\" on this machine", account->noun, name);
    else if (result != 0)
        node_error(reading, node, "the %s \"%.64s\" cannot be looked up: %s", account->noun, name,
                   strerror(result));
    return result == 0;
}

static void read_account(struct reading *reading, const struct node *node,
                         const struct account *account, struct access_list *list,
                         const struct access_rule *rule)
{
    uint32_t id;
    if (find_id(reading, node, account, &id))
        access_list_add_id(list, rule, account->is_group, id);
}

static void read_prefix(struct reading *reading, const struct node *node, struct access_list *list,
                        const struct access_rule *rule)
{
    struct prefix prefix;
    struct error error;
    if (prefix_parse(&prefix, node->text, &error) == 0)
        access_list_add_prefix(list, rule, &prefix);
    else
        node_error(reading, node, "%s", error.text);
}

/* The tree lives as long as the configuration does, so a rule may borrow its text. */
static void read_entry(struct reading *reading, const struct node *node, struct access_list *list)
{
    if (node->type != NODE_STRING) {
        node_error(reading, node, "expected a string, such as \"10.0.0.0/8\" or \"uid:0\", got %s",
                   node_print(reading->memory, node));
        return;
    }
    const struct access_rule rule = {node->text, node->place.source->name, node->place.line};
    const struct account *account = account_of(node->text);
    if (account != NULL)
        read_account(reading, node, account, list, &rule);
    else
        read_prefix(reading, node, list, &rule);
}

static void read_list(struct reading *reading, const struct node *node, struct access_list *list)
{
    bool many = node->type == NODE_LIST || node->type == NODE_ARRAY;
    unsigned count = many ? node->count : 1;
    struct memory *memory = reading->memory;
    access_list_init(list, memory_take(memory, count * sizeof(struct access_rule)),
                     memory_take(memory, count * sizeof(struct access_id)),
                     memory_take(memory, PREFIX_SET_NODES(count) * sizeof(struct prefix_node)));
    if (!many)
        read_entry(reading, node, list);
    for (const struct node *child = many ? node->first : NULL; child != NULL; child = child->next)
        read_entry(reading, child, list);
    access_list_end(list);
}

void access_prepare(struct reading *reading, struct conf_service *service)
{
    option_default(reading->memory, option_access, &service->access);
}

void access_read(struct reading *reading, const struct node *node, struct conf_service *service)
{
    struct access *access = &service->access;
    if (node->type != NODE_GROUP) {
        node_error(reading, node, "expected a group { }, got %s",
                   node_print(reading->memory, node));
        return;
    }
    for (const struct node *child = node->first; child != NULL; child = child->next) {
        if (strcmp(child->name, "allow") == 0)
            read_list(reading, child, &access->allow);
        else if (strcmp(child->name, "deny") == 0)
            read_list(reading, child, &access->deny);
        else if (strcmp(child->name, option_access->name) == 0)
            option_read(reading, option_access, child, access);
        else
            unknown_setting(reading, child, "access", access_settings);
    }
    if (access->allow.given || access->deny.given)
        service->service.access = access;
}

static void print_list(FILE *out, const char *name, const struct access_list *list)
{
    if (!list->given)
        return;
    fprintf(out, " %s = [", name);
    for (uint32_t i = 0; i < list->count; i++) {
        bool begins_line = i > 0 && i % ENTRIES_IN_A_LINE == 0;
        fprintf(out, "%s%s", i > 0 ? "," : "", begins_line ? "\n        " : " ");
        option_print_string(out, list->rules[i].text);
    }
    fputs(" ];", out);
}

void access_print(FILE *out, const struct access *access)
{
    print_list(out, "allow", &access->allow);
    print_list(out, "deny", &access->deny);
    fputc(' ', out);
    option_print(out, option_access, access);
}
