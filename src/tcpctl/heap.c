/* SPDX-License-Identifier: MIT */
#include "tcpctl/heap.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

void *heap_grow(void *pointer, size_t count, size_t size)
{
    void *grown = reallocarray(pointer, count ? count : 1, size);
    if (!grown)
        err(EX_OSERR, "memory");
    return grown;
}

char *heap_vprint(const char *format, va_list values)
{
    char *text;
    if (vasprintf(&text, format, values) < 0)
        err(EX_OSERR, "memory");
    return text;
}

char *heap_print(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    char *text = heap_vprint(format, values);
    va_end(values);
    return text;
}
