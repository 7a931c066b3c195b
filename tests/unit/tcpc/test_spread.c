/* SPDX-License-Identifier: MIT */
#include "tcpc/spread.h"

#include <criterion/criterion.h>

static void near(uint64_t value, uint64_t expected)
{
    cr_expect_geq(value, expected);
    cr_expect_leq(value, expected + expected / 64, "%ju for %ju", (uintmax_t)value,
                  (uintmax_t)expected);
}

Test(spread, each_time_is_known_to_one_part_in_64)
{
    for (uint64_t time = 1; time < UINT64_MAX / 3; time = time * 3 + 1) {
        static struct spread spread;
        spread = (struct spread){0};
        spread_add(&spread, time);
        spread_add(&spread, UINT64_MAX);
        near(spread_percentile(&spread, 50), time);
        cr_expect_eq(spread_percentile(&spread, 99), UINT64_MAX);
    }
}

Test(spread, percentiles_of_a_thousand)
{
    static struct spread spread;
    for (uint64_t i = 1000; i > 0; i--)
        spread_add(&spread, i * 1000000);
    near(spread_percentile(&spread, 50), 500000000);
    near(spread_percentile(&spread, 90), 900000000);
    near(spread_percentile(&spread, 99), 990000000);
    cr_expect_eq(spread_percentile(&spread, 100), 1000000000);
    cr_expect_eq(spread.most, 1000000000);
}

Test(spread, nothing)
{
    static struct spread spread;
    cr_expect_eq(spread_percentile(&spread, 50), 0);
    json_t *object = spread_json(&spread);
    cr_expect(json_is_null(object));
}

Test(spread, the_histogram_counts_each_once)
{
    static struct spread spread;
    for (uint64_t time = 1; time < 5000000000; time = time * 5 / 4 + 1)
        spread_add(&spread, time);
    json_t *object = spread_json(&spread), *row;
    size_t i;
    json_int_t sum = 0;
    json_array_foreach (json_object_get(object, "histogram"), i, row)
        sum += json_integer_value(json_object_get(row, "count"));
    cr_expect_eq(sum, (json_int_t)spread.count);
    json_decref(object);
}
