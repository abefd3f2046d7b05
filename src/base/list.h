/* SPDX-License-Identifier: Apache-2.0
 * base/list.h - an intrusive doubly linked ring. The head is a node that belongs to no element.
 */
#ifndef BASCULE_BASE_LIST_H
#define BASCULE_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct bsc_list {
    struct bsc_list *next, *previous;
};

static inline void bsc_list_init(struct bsc_list *list)
{
    list->next = list->previous = list;
}

static inline bool bsc_list_empty(const struct bsc_list *list)
{
    return list->next == list;
}

static inline void bsc_list_add_tail(struct bsc_list *list, struct bsc_list *node)
{
    node->next = list;
    node->previous = list->previous;
    list->previous->next = node;
    list->previous = node;
}

static inline void bsc_list_add_head(struct bsc_list *list, struct bsc_list *node)
{
    bsc_list_add_tail(list->next, node);
}

/* The node is left as a ring of its own, so removing it twice is harmless. */
static inline void bsc_list_remove(struct bsc_list *node)
{
    node->next->previous = node->previous;
    node->previous->next = node->next;
    bsc_list_init(node);
}

/* Takes the first node off the list; NULL when there is none. */
static inline struct bsc_list *bsc_list_pop(struct bsc_list *list)
{
    struct bsc_list *first = list->next;
    if (first == list)
        return NULL;
    list->next = first->next;
    first->next->previous = list;
    bsc_list_init(first);
    return first;
}

#define BSC_CONTAINER(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

#endif
