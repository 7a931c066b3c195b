/* SPDX-License-Identifier: MIT */
/* Lists of things that hold their own links.  A link that is all zero is in no list. */
#ifndef TCPD_TRAFFIC_LIST_H
#define TCPD_TRAFFIC_LIST_H

#include <stddef.h>

struct link {
    struct link *prev, *next;
};

struct list {
    struct link ends; /* next: the first, prev: the last */
};

#define LIST_OWNER(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

static inline void list_init(struct list *list)
{
    list->ends.prev = list->ends.next = &list->ends;
}

static inline struct link *list_first(const struct list *list)
{
    return list->ends.next == &list->ends ? NULL : list->ends.next;
}

/* Takes it out of whatever list it is in. */
static inline void list_remove(struct link *link)
{
    if (!link->next)
        return;
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->prev = link->next = NULL;
}

/* To the end of the list, from wherever it was. */
static inline void list_append(struct list *list, struct link *link)
{
    list_remove(link);
    link->prev = list->ends.prev;
    link->next = &list->ends;
    link->prev->next = list->ends.prev = link;
}

#endif
