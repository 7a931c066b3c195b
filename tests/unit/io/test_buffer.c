/* SPDX-License-Identifier: MIT */
/* Buffers: order is kept through growing and moving, and an empty one does not exist. */
#include "io/buffer.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct buffer *buffer;

static void tear_down(void)
{
    buffer_free(&buffer);
}

TestSuite(buffer, .fini = tear_down);

static void append(const char *text)
{
    cr_assert_eq(buffer_append(&buffer, text, strlen(text)), 0);
}

static void expect(const char *text)
{
    cr_assert_eq(buffer_length(buffer), strlen(text));
    cr_assert_eq(memcmp(buffer_bytes(buffer), text, strlen(text)), 0);
}

Test(buffer, the_empty_one_is_none)
{
    cr_assert_eq(buffer_length(NULL), 0);
    cr_assert_null(buffer_bytes(NULL));
    cr_assert_eq(buffer_append(&buffer, "", 0), 0);
    cr_assert_null(buffer);
    buffer_consume(&buffer, 0);
    buffer_free(&buffer);
    cr_assert_null(buffer);
}

Test(buffer, first_in_first_out)
{
    append("hello ");
    append("world");
    expect("hello world");
    buffer_consume(&buffer, 6);
    expect("world");
    buffer_consume(&buffer, 0);
    expect("world");
    append("!");
    expect("world!");
}

Test(buffer, goes_with_its_last_byte)
{
    append("abc");
    buffer_consume(&buffer, 3);
    cr_assert_null(buffer);
    append("abc");
    buffer_consume(&buffer, 1000);
    cr_assert_null(buffer);
}

Test(buffer, is_small_for_little)
{
    append("x");
    cr_assert_leq(buffer->size + sizeof *buffer, 512);
}

/* Behind a long front that is used up there is room again: the bytes move, memory does not grow. */
Test(buffer, moves_instead_of_growing)
{
    char bytes[400];
    memset(bytes, 'a', sizeof bytes);
    append("start");
    uint32_t size = buffer->size;
    for (int i = 0; i < 1000; i++) {
        cr_assert_eq(buffer_append(&buffer, bytes, sizeof bytes - 200), 0);
        buffer_consume(&buffer, sizeof bytes - 200);
        cr_assert_eq(buffer_length(buffer), 5);
    }
    cr_assert_eq(buffer->size, size);
}

Test(buffer, grows_with_what_it_holds)
{
    char chunk[1000];
    memset(chunk, 'z', sizeof chunk);
    for (int i = 1; i <= 100; i++) {
        cr_assert_eq(buffer_append(&buffer, chunk, sizeof chunk), 0);
        cr_assert_eq(buffer_length(buffer), (size_t)i * sizeof chunk);
        cr_assert_leq(buffer->size + sizeof *buffer, 2 * ((size_t)i * 1000 + 512));
    }
}

Test(buffer, more_than_can_be_is_refused_and_changes_nothing)
{
    append("abc");
    cr_assert_eq(buffer_append(&buffer, "x", (size_t)UINT32_MAX / 4 + 1), -1);
    cr_assert_eq(buffer_append(&buffer, "x", SIZE_MAX), -1);
    expect("abc");
}

/* Against a model: the numbers 0, 1, 2 … go in and come out. */
Test(buffer, any_mixture)
{
    unsigned char bytes[3000];
    unsigned next_in = 0, next_out = 0;
    srand(7);
    for (int i = 0; i < 20000; i++) {
        size_t length = (size_t)rand() % (rand() % 50 ? 100 : sizeof bytes);
        for (size_t j = 0; j < length; j++)
            bytes[j] = (unsigned char)(next_in++ % 251);
        cr_assert_eq(buffer_append(&buffer, bytes, length), 0);
        cr_assert_eq(buffer_length(buffer), next_in - next_out);
        size_t use = (size_t)rand() % (buffer_length(buffer) + 1);
        const unsigned char *front = (const unsigned char *)buffer_bytes(buffer);
        for (size_t j = 0; j < use; j++)
            cr_assert_eq(front[j], (next_out + j) % 251);
        next_out += (unsigned)use;
        buffer_consume(&buffer, use);
        cr_assert_eq(buffer == NULL, next_in == next_out);
    }
}
