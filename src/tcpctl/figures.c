/* SPDX-License-Identifier: MIT */
#include "tcpctl/figures.h"

#include "base/clock.h"
#include "tcpctl/field.h"
#include "tcpctl/heap.h"

#include <stdlib.h>
#include <string.h>

const struct figures_order figures_orders[] = {
    {'a', "age", "age", false},
    {'i', "idle", "idle", false},
    {'r', "received", "received", false},
    {'s', "sent", "sent", false},
    {'t', "retransmits", "retransmits", false},
    {'n', "service", "service", true},
    {'p', "peer", "peer", true},
    {0, NULL, NULL, false},
};

const struct figures_order *figures_order_find(int key)
{
    for (const struct figures_order *order = figures_orders; order->name; order++) {
        if (order->key == key)
            return order;
    }
    return NULL;
}

/* --- Rates --- */

static const json_t *services_of(const json_t *answer)
{
    return json_object_get(answer, "services");
}

static const json_t *find_service(const json_t *answer, const char *name)
{
    const json_t *services = services_of(answer);
    for (size_t i = 0; i < json_array_size(services); i++) {
        const json_t *service = json_array_get(services, i);
        if (strcmp(field_text(service, "name"), name) == 0)
            return service;
    }
    return NULL;
}

static double rate(const json_t *before, const json_t *now, const char *member, double seconds)
{
    double more = field_number(now, member) - field_number(before, member);
    return more > 0 ? more / seconds : 0;
}

static void rate_service(struct figures *figures, const json_t *before, json_t *now, double seconds)
{
    double accepted = rate(before, now, "accepted", seconds);
    double received = rate(before, now, "received", seconds);
    double sent = rate(before, now, "sent", seconds);
    json_object_set_new(now, "accepted_rate", json_real(accepted));
    json_object_set_new(now, "received_rate", json_real(received));
    json_object_set_new(now, "sent_rate", json_real(sent));
    figures->accepted += accepted;
    figures->received += received;
    figures->sent += sent;
}

static void rate_services(struct figures *figures, json_t *answer, double seconds)
{
    figures->accepted = figures->received = figures->sent = 0;
    const json_t *services = services_of(answer);
    for (size_t i = 0; i < json_array_size(services); i++) {
        json_t *now = json_array_get(services, i);
        const json_t *before = find_service(figures->services, field_text(now, "name"));
        if (before)
            rate_service(figures, before, now, seconds);
    }
}

void figures_take(struct figures *figures, json_t *status, json_t *services, json_t *connections,
                  uint64_t now)
{
    figures->has_rates = figures->status && now > figures->time &&
                         field_number(figures->status, "pid") == field_number(status, "pid");
    if (figures->has_rates)
        rate_services(figures, services, (double)(now - figures->time) / (double)CLOCK_S);
    json_decref(figures->status);
    json_decref(figures->services);
    json_decref(figures->connections);
    figures->status = status;
    figures->services = services;
    figures->connections = connections;
    figures->time = now;
}

void figures_free(struct figures *figures)
{
    json_decref(figures->status);
    json_decref(figures->services);
    json_decref(figures->connections);
    *figures = (struct figures){0};
}

/* --- Order --- */

/* What a connection is compared by, looked up once and not at each comparison. */
struct entry {
    const json_t *connection;
    const char *text;
    double number;
    size_t place;
};

struct direction {
    bool text, reverse;
};

static int compare_numbers(double a, double b)
{
    return (a > b) - (a < b);
}

static int compare(const void *left, const void *right, void *context)
{
    const struct entry *a = left, *b = right;
    const struct direction *direction = context;
    int result = direction->text ? strcmp(a->text, b->text) : compare_numbers(b->number, a->number);
    if (result)
        return direction->reverse ? -result : result;
    return (a->place > b->place) - (a->place < b->place);
}

const json_t **figures_sort(const struct figures *figures, const struct figures_order *order,
                            bool reverse, size_t *count)
{
    const json_t *connections = json_object_get(figures->connections, "connections");
    *count = json_array_size(connections);
    struct entry *entries = heap_grow(NULL, *count, sizeof *entries);
    for (size_t i = 0; i < *count; i++) {
        const json_t *connection = json_array_get(connections, i);
        entries[i] = (struct entry){connection, field_text(connection, order->member),
                                    field_number(connection, order->member), i};
    }
    struct direction direction = {order->text, reverse};
    qsort_r(entries, *count, sizeof *entries, compare, &direction);
    const json_t **sorted = heap_grow(NULL, *count, sizeof(json_t *));
    for (size_t i = 0; i < *count; i++)
        sorted[i] = entries[i].connection;
    free(entries);
    return sorted;
}
