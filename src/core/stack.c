/* SPDX-License-Identifier: Apache-2.0
 * core/stack.c - see stack.h. */
#include "core/stack.h"

#include <string.h>

struct bsc_stack_member *bsc_stack_find(struct bsc_stack_member *members, unsigned count,
                                        const char *name)
{
    unsigned low = 0, high = count;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        int order = strcmp(members[middle].spec->name, name);
        if (!order)
            return &members[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* Above all that it depends on, as far as those have come; true: that raised it. */
static bool raise(struct bsc_stack_member *members, unsigned count, struct bsc_stack_member *member)
{
    bool raised = false;
    for (unsigned i = 0; i < member->spec->depends_on.count; i++) {
        struct bsc_stack_member *below =
            bsc_stack_find(members, count, member->spec->depends_on.items[i]);
        if (!below || below->rank < member->rank)
            continue;
        member->rank = below->rank + 1;
        member->before = below;
        raised = true;
    }
    return raised;
}

const struct bsc_stack_member *bsc_stack_order(struct bsc_stack_member *members, unsigned count)
{
    bool raised = true;
    for (unsigned i = 0; i < count; i++) {
        members[i].rank = 0;
        members[i].before = NULL;
    }
    /* The longest way has fewer steps than there are members, unless it goes in a circle. */
    for (unsigned pass = 0; raised && pass <= count; pass++) {
        raised = false;
        for (unsigned i = 0; i < count; i++)
            raised = raise(members, count, &members[i]) || raised;
    }
    if (!raised)
        return NULL;
    const struct bsc_stack_member *member = members;
    while (member->rank < count) /* so high leads only a circle */
        member++;
    for (unsigned i = 0; i < count; i++)
        member = member->before;
    return member;
}
