/* SPDX-License-Identifier: MIT */
#include "conf/nearest.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#define NAME_MAX_LENGTH 32 /* longer ones are compared with nothing */
#define FAR             1000

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned low = a < b ? a : b;
    return low < c ? low : c;
}

static int same(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/*
 * cost[i][j] is the distance of the first i letters of a and the first j of
 * b.  Swapped neighbours count as one mistake: "tpye" is near "type".
 */
unsigned nearest_distance(const char *a, const char *b)
{
    size_t rows = strlen(a);
    size_t columns = strlen(b);
    if (rows > NAME_MAX_LENGTH || columns > NAME_MAX_LENGTH)
        return FAR;
    unsigned cost[NAME_MAX_LENGTH + 1][NAME_MAX_LENGTH + 1];
    for (size_t i = 0; i <= rows; i++)
        cost[i][0] = (unsigned)i;
    for (size_t j = 0; j <= columns; j++)
        cost[0][j] = (unsigned)j;
    for (size_t i = 1; i <= rows; i++) {
        for (size_t j = 1; j <= columns; j++) {
            unsigned change = cost[i - 1][j - 1] + !same(a[i - 1], b[j - 1]);
            cost[i][j] = least(cost[i - 1][j] + 1, cost[i][j - 1] + 1, change);
            if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
                cost[i][j] = least(cost[i][j], cost[i - 2][j - 2] + 1, FAR);
        }
    }
    return cost[rows][columns];
}

/* One mistake in three letters still looks like the name; more is a guess. */
static unsigned tolerance(const char *name)
{
    size_t length = strlen(name);
    return length < 3 ? 0 : (unsigned)(length + 1) / 3;
}

const char *nearest(const char *name, const char *const *names)
{
    const char *best = NULL;
    unsigned best_distance = tolerance(name) + 1;
    for (; *names != NULL; names++) {
        unsigned distance = nearest_distance(name, *names);
        if (distance < best_distance) {
            best = *names;
            best_distance = distance;
        }
    }
    return best;
}
