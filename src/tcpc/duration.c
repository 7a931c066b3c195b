/* SPDX-License-Identifier: MIT */
#include "tcpc/duration.h"

#include "base/clock.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t nanoseconds;
};

static const struct unit units[] = {
    {"", CLOCK_S}, {"ms", CLOCK_MS}, {"s", CLOCK_S}, {"m", 60 * CLOCK_S}, {"h", 3600 * CLOCK_S},
};

static const struct unit *unit_find(const char *name)
{
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(units[i].name, name) == 0)
            return &units[i];
    }
    return NULL;
}

static bool is_digit(char c)
{
    return isdigit((unsigned char)c) != 0;
}

/* The digits before the point.  Stops growing far above what any unit allows. */
static const char *read_whole(const char *text, uint64_t *whole)
{
    for (*whole = 0; is_digit(*text); text++) {
        if (*whole < UINT64_C(100000000000))
            *whole = *whole * 10 + (uint64_t)(*text - '0');
    }
    return text;
}

/* The digits after the point, as billionths; more than nine are finer than the clock. */
static const char *read_fraction(const char *text, uint64_t *billionths)
{
    uint64_t weight = 100000000;
    for (*billionths = 0; is_digit(*text); text++, weight /= 10)
        *billionths += weight * (uint64_t)(*text - '0');
    return text;
}

int duration_parse(uint64_t *nanoseconds, const char *text, struct error *error)
{
    uint64_t whole = 0, billionths = 0;
    const char *end = read_whole(text, &whole);
    bool digits = end != text;
    if (digits && end[0] == '.' && is_digit(end[1]))
        end = read_fraction(end + 1, &billionths);
    const struct unit *unit = unit_find(end);
    if (!digits || !unit)
        return error_set(error, 0,
                         "\"%s\" is not a time: write a number of seconds, or one with a unit "
                         "like 250ms, 2s, 5m or 1h",
                         text);
    if (whole >= DURATION_MAX_S * CLOCK_S / unit->nanoseconds)
        return error_set(error, 0, "\"%s\" is too long: at most 365 days", text);
    *nanoseconds = whole * unit->nanoseconds + unit->nanoseconds / 1000 * billionths / 1000000;
    return 0;
}
