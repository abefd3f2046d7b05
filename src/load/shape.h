/* SPDX-License-Identifier: Apache-2.0
 * load/shape.h - how much load there is when: users or requests a second over time. Pure.
 *
 * A shape begins at `start` and goes in a straight line to the target of each stage. A stage
 * without duration is a jump.
 */
#ifndef BASCULE_LOAD_SHAPE_H
#define BASCULE_LOAD_SHAPE_H

#include <stdint.h>

struct bsc_load_stage {
    int64_t duration_ms;
    double target;
};

struct bsc_load_shape {
    double start;
    unsigned count;
    const struct bsc_load_stage *stages;
};

int64_t bsc_load_shape_us(const struct bsc_load_shape *shape); /* how long it is */
double bsc_load_shape_peak(const struct bsc_load_shape *shape);
/* The target at a time since the start; that of the last stage when it is over. */
double bsc_load_shape_at(const struct bsc_load_shape *shape, int64_t at_us);

/* When request `index` (from 0) is due, the shape being a rate: the moment at which so many are due
 * altogether, so the first one is due at once. INT64_MAX: not within the shape. */
int64_t bsc_load_shape_due_us(const struct bsc_load_shape *shape, uint64_t index);
/* How many are due altogether. */
uint64_t bsc_load_shape_requests(const struct bsc_load_shape *shape);

#endif
