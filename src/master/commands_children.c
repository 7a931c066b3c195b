/* SPDX-License-Identifier: MIT */
#include "master/commands_children.h"

#include "base/tally.h"
#include "master/connections.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* A client whose question the children have to answer. */
struct asker {
    struct control_client *client;
    struct inquiry *inquiry;
    char id[CONNECTION_ID_MAX]; /* of the connection to kill */
};

static void client_gone(struct control_client *client, void *waiter)
{
    struct asker *asker = waiter;
    (void)client;
    inquiry_cancel(asker->inquiry);
    free(asker);
}

static struct asker *new_asker(struct control_client *client)
{
    struct asker *asker = calloc(1, sizeof *asker);
    if (asker)
        asker->client = client;
    else
        control_fail(client, "out of memory", NULL, 0);
    return asker;
}

/* The inquiry is under way, or the client hears why not. */
static void wait_or_fail(struct asker *asker, const struct error *error)
{
    if (asker->inquiry) {
        control_wait(asker->client, client_gone, asker);
        return;
    }
    control_fail(asker->client, error->text, NULL, 0);
    free(asker);
}

/* The list. */

static void add_children(struct inquiry_child *children, unsigned *count,
                         const struct generation *generation)
{
    for (unsigned i = 0; i < generation->count; i++) {
        const struct child_slot *child = &generation->children[i];
        if (child->state == CHILD_SERVING)
            children[(*count)++] = (struct inquiry_child){
                child, child->channel.fd, generation->number, child->index, child->pid};
    }
}

static struct inquiry_child *all_children(const struct master *master, unsigned *count)
{
    unsigned most = 1;
    for (const struct generation *generation = master->generations; generation;
         generation = generation->next)
        most += generation->count;
    struct inquiry_child *children = calloc(most, sizeof *children);
    *count = 0;
    for (const struct generation *generation = master->generations; children && generation;
         generation = generation->next)
        add_children(children, count, generation);
    return children;
}

static void listed(void *owner, json_t *connections, json_t *missing)
{
    struct asker *asker = owner;
    if (!connections || !missing) {
        control_fail(asker->client, "out of memory", NULL, 0);
        json_decref(connections);
        json_decref(missing);
    } else {
        json_t *answer = json_pack("{s:b,s:o}", "ok", 1, "connections", connections);
        if (json_array_size(missing) > 0)
            json_object_set(answer, "missing", missing);
        json_decref(missing);
        control_answer(asker->client, answer);
    }
    free(asker);
}

/* A service that is known to any generation; false: the client has been told. */
static bool find_service(const struct master *master, struct control_client *client,
                         const json_t *wanted, int *id)
{
    char sentence[160];
    const char *name = json_string_value(wanted);
    *id = name ? tally_find(master->scoreboard, name) : -1;
    if (!wanted || *id >= 0)
        return true;
    snprintf(sentence, sizeof sentence, "there is no service \"%.64s\"; tcpctl services lists them",
             name ? name : "");
    control_fail(client, sentence, NULL, 0);
    return false;
}

void commands_list(struct control_client *client, const json_t *request, void *owner)
{
    struct master *master = owner;
    struct error error = {0};
    unsigned count;
    int service;
    if (!find_service(master, client, json_object_get(request, "service"), &service))
        return;
    struct asker *asker = new_asker(client);
    struct inquiry_child *children = all_children(master, &count);
    if (asker && children)
        asker->inquiry =
            inquiry_list(master->inquiries, children, count, service, listed, asker, &error);
    else
        error_set(&error, ENOMEM, "cannot ask");
    if (asker)
        wait_or_fail(asker, &error);
    free(children);
}

/* Killing. */

static const struct child_slot *find_child(const struct master *master,
                                           const struct connection_id *id)
{
    for (const struct generation *generation = master->generations; generation;
         generation = generation->next)
        if (generation->number == id->generation && id->child < generation->count &&
            generation->children[id->child].state == CHILD_SERVING)
            return &generation->children[id->child];
    return NULL;
}

static void say_there_is_none(struct control_client *client, const char *id)
{
    char sentence[128];
    snprintf(sentence, sizeof sentence, "there is no connection %.64s", id);
    control_fail(client, sentence, NULL, 0);
}

static void killed(void *owner, enum inquiry_kill outcome)
{
    struct asker *asker = owner;
    if (outcome == INQUIRY_KILLED)
        control_answer(asker->client, json_pack("{s:b,s:s}", "ok", 1, "id", asker->id));
    else if (outcome == INQUIRY_NO_SUCH)
        say_there_is_none(asker->client, asker->id);
    else
        control_fail(asker->client, "the child that has it did not answer", NULL, 0);
    free(asker);
}

void commands_kill(struct control_client *client, const json_t *request, void *owner)
{
    struct master *master = owner;
    struct error error = {0};
    struct connection_id id;
    const char *text = json_string_value(json_object_get(request, "id"));
    if (!text || !connection_id_parse(&id, text)) {
        control_fail(client, "\"id\" must be what connections prints, such as 7.0.123", NULL, 0);
        return;
    }
    const struct child_slot *child = find_child(master, &id);
    if (!child) {
        say_there_is_none(client, text);
        return;
    }
    struct asker *asker = new_asker(client);
    if (!asker)
        return;
    snprintf(asker->id, sizeof asker->id, "%s", text);
    struct inquiry_child asked = {child, child->channel.fd, child->generation->number, child->index,
                                  child->pid};
    asker->inquiry = inquiry_kill(master->inquiries, &asked, id.number, killed, asker, &error);
    wait_or_fail(asker, &error);
}
