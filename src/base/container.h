/* SPDX-License-Identifier: MIT */
#ifndef TCPD_BASE_CONTAINER_H
#define TCPD_BASE_CONTAINER_H

#include <stddef.h>

/* The struct that holds the member which pointer points to. */
#define container_of(pointer, type, member)                                                        \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif
