/* SPDX-License-Identifier: MIT */
#include "conf/memory.h"

#include <err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

struct block {
    struct block *before;
    max_align_t bytes[];
};

struct memory {
    struct block *last;
};

static void *checked(void *pointer)
{
    if (pointer == NULL)
        err(EX_OSERR, "the configuration");
    return pointer;
}

struct memory *memory_new(void)
{
    return checked(calloc(1, sizeof(struct memory)));
}

void memory_free(struct memory *memory)
{
    if (memory == NULL)
        return;
    while (memory->last != NULL) {
        struct block *block = memory->last;
        memory->last = block->before;
        free(block);
    }
    free(memory);
}

void *memory_take(struct memory *memory, size_t size)
{
    struct block *block = checked(calloc(1, sizeof(*block) + size));
    block->before = memory->last;
    memory->last = block;
    return block->bytes;
}

char *memory_copy(struct memory *memory, const char *text, size_t length)
{
    char *copy = memory_take(memory, length + 1);
    memcpy(copy, text, length);
    return copy;
}

char *memory_print(struct memory *memory, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    char *printed;
    int length = vasprintf(&printed, format, values);
    va_end(values);
    if (length < 0)
        err(EX_OSERR, "the configuration");
    char *copy = memory_copy(memory, printed, (size_t)length);
    free(printed);
    return copy;
}
