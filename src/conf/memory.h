/* SPDX-License-Identifier: MIT */
/*
 * All memory of one configuration: taken piece by piece while it is read, given
 * back at once.  Every piece is a block of its own, so that a sanitizer sees its ends.
 * Running out of memory ends the process, as it would inside libconfig.
 */
#ifndef TCPD_CONF_MEMORY_H
#define TCPD_CONF_MEMORY_H

#include <stddef.h>

struct memory;

struct memory *memory_new(void);
void memory_free(struct memory *memory); /* NULL is fine */

/* A zeroed piece; never NULL. */
void *memory_take(struct memory *memory, size_t size);

/* A copy of length bytes of text, with a NUL behind. */
char *memory_copy(struct memory *memory, const char *text, size_t length);

/* What printf(3) would print. */
char *memory_print(struct memory *memory, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
