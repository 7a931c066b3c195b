/* SPDX-License-Identifier: MIT */
#include "tcpc/bytes.h"

#include <criterion/criterion.h>
#include <string.h>

static struct bytes bytes;

Test(bytes, what_goes_in_comes_out_whatever_the_pieces)
{
    unsigned char next_in = 0, next_out = 0;
    size_t total = 0;
    for (unsigned step = 1; total < 8 * BYTES_MAX; step = step * 7 % 65537) {
        size_t room, held;
        char *back = bytes_back(&bytes, &room);
        size_t in = room < step ? room : step;
        for (size_t i = 0; i < in; i++)
            back[i] = (char)next_in++;
        bytes_added(&bytes, in);
        total += in;
        const char *front = bytes_front(&bytes, &held);
        size_t out = held < step / 2 + 1 ? held : step / 2 + 1;
        for (size_t i = 0; i < out; i++)
            cr_assert_eq((unsigned char)front[i], next_out++);
        bytes_drained(&bytes, out);
    }
}

Test(bytes, it_is_bounded_and_never_stuck)
{
    size_t room, held;
    bytes_back(&bytes, &room);
    cr_assert_eq(room, BYTES_MAX);
    bytes_added(&bytes, BYTES_MAX);
    bytes_back(&bytes, &room);
    cr_expect_eq(room, 0);
    bytes_drained(&bytes, BYTES_MAX / 2);
    bytes_back(&bytes, &room);
    cr_expect_eq(room, BYTES_MAX / 2);
    bytes_front(&bytes, &held);
    bytes_drained(&bytes, held);
    cr_expect(bytes_empty(&bytes));
    bytes_back(&bytes, &room);
    cr_expect_eq(room, BYTES_MAX);
}
