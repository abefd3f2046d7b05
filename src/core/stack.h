/* SPDX-License-Identifier: Apache-2.0
 * core/stack.h - in which order services that are released together start.
 *
 * Pure. A service starts when those that it depends on are healthy; its rank is the length of the
 * longest way down: 0 for what depends on nothing. Names of services that are not among the members
 * count for nothing.
 */
#ifndef BASCULE_CORE_STACK_H
#define BASCULE_CORE_STACK_H

#include "core/spec.h"

struct bsc_stack_member {
    const struct bsc_spec *spec; /* name and depends_on */
    unsigned rank;
    struct bsc_stack_member *before; /* the highest of those that it depends on; NULL: none */
};

/* NULL: it is no member. The members are sorted by name. */
struct bsc_stack_member *bsc_stack_find(struct bsc_stack_member *members, unsigned count,
                                        const char *name);
/* Fills in rank and before. NULL, or a member of a circle, along which `before` leads. */
const struct bsc_stack_member *bsc_stack_order(struct bsc_stack_member *members, unsigned count);

#endif
