/* SPDX-License-Identifier: MIT */
#include "tcpctl/figures.h"

#include "base/clock.h"
#include "tcpctl/field.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static void take(struct figures *figures, int pid, int accepted, int received, uint64_t now)
{
    json_t *services =
        json_pack("{s:[{s:s,s:i,s:i,s:i},{s:s}]}", "services", "name", "echo", "accepted", accepted,
                  "received", received, "sent", 2 * received, "name", "greet");
    figures_take(figures, json_pack("{s:i}", "pid", pid), services, json_object(), now);
}

static double rate_of(const struct figures *figures, const char *member)
{
    return field_number(json_array_get(json_object_get(figures->services, "services"), 0), member);
}

Test(figures, rates_come_from_two_answers)
{
    struct figures figures = {0};
    take(&figures, 1, 100, 1000, CLOCK_S);
    cr_expect_not(figures.has_rates);
    take(&figures, 1, 110, 1500, 3 * CLOCK_S);
    cr_assert(figures.has_rates);
    cr_expect_float_eq(figures.accepted, 5, 1e-9);
    cr_expect_float_eq(figures.received, 250, 1e-9);
    cr_expect_float_eq(figures.sent, 500, 1e-9);
    cr_expect_float_eq(rate_of(&figures, "received_rate"), 250, 1e-9);
    take(&figures, 1, 90, 1500, 4 * CLOCK_S); /* no counter goes back; if it does, it is no rate */
    cr_expect_eq(figures.accepted, 0);
    figures_free(&figures);
}

Test(figures, another_daemon_begins_anew)
{
    struct figures figures = {0};
    take(&figures, 1, 100, 1000, CLOCK_S);
    take(&figures, 2, 300, 3000, 2 * CLOCK_S);
    cr_expect_not(figures.has_rates);
    take(&figures, 2, 301, 3000, 2 * CLOCK_S); /* in no time */
    cr_expect_not(figures.has_rates);
    figures_free(&figures);
}

static void sorts(const struct figures *figures, int key, bool reverse, const char *wanted)
{
    size_t count;
    char found[8] = "";
    const json_t **sorted = figures_sort(figures, figures_order_find(key), reverse, &count);
    cr_assert_eq(count, 4);
    for (size_t i = 0; i < count; i++)
        found[i] = *field_text(sorted[i], "id");
    cr_expect_str_eq(found, wanted, "%c: %s", key, found);
    free(sorted);
}

Test(figures, connections_are_sorted)
{
    struct figures figures = {0};
    json_t *connections = json_loads(
        "{\"connections\":["
        "{\"id\":\"a\",\"service\":\"s\",\"peer\":\"3\",\"age\":1.5,\"received\":5,\"sent\":1},"
        "{\"id\":\"b\",\"service\":\"r\",\"peer\":\"1\",\"age\":9,\"received\":5,\"sent\":9},"
        "{\"id\":\"c\",\"service\":\"s\",\"peer\":\"2\",\"age\":1.25,\"received\":7,\"sent\":5,"
        "\"retransmits\":1,\"idle\":1},"
        "{\"id\":\"d\"}]}",
        0, NULL);
    cr_assert(connections);
    figures_take(&figures, json_object(), json_object(), connections, 1);
    sorts(&figures, 'a', false, "bacd");
    sorts(&figures, 'a', true, "dcab");
    sorts(&figures, 'i', false, "cabd");
    sorts(&figures, 'r', false, "cabd");
    sorts(&figures, 's', false, "bcad");
    sorts(&figures, 't', false, "cabd");
    sorts(&figures, 'n', false, "dbac");
    sorts(&figures, 'p', false, "dbca");
    cr_expect_null(figures_order_find('q'));
    cr_expect_null(figures_order_find(0));
    figures_free(&figures);
}

Test(figures, nothing_is_sorted_as_well)
{
    struct figures figures = {0};
    size_t count = 1;
    free(figures_sort(&figures, figures_orders, false, &count));
    cr_expect_eq(count, 0);
}
