/* SPDX-License-Identifier: MIT */
/* Memory for a program that asks, prints and leaves: running out of it ends the program. */
#ifndef TCPD_TCPCTL_HEAP_H
#define TCPD_TCPCTL_HEAP_H

#include <stdarg.h>
#include <stddef.h>

/* As realloc(3), for count pieces of size bytes; never NULL. */
void *heap_grow(void *pointer, size_t count, size_t size);

/* What printf(3) would print; for free(3). */
char *heap_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *heap_vprint(const char *format, va_list values) __attribute__((format(printf, 1, 0)));

#endif
