/* SPDX-License-Identifier: Apache-2.0
 * core/analysis/runs.c - see runs.h. */
#include "core/analysis/runs.h"

#include <math.h>

bool bsc_run_counts(struct bsc_run *run, int64_t at_ms)
{
    if (run->any && at_ms - run->last_ms < BSC_SLICE_MS)
        return false;
    *run = (struct bsc_run){ .any = true, .last_ms = at_ms };
    return true;
}

/* A misfortune of one instance hits the candidate with probability `weight`, or as one of its
 * instances would; of one instance alone nothing is known, it is taken for one of two. */
unsigned bsc_runs_needed(double alpha, double weight, unsigned instances)
{
    double chance = fmax(weight, 1.0 / (instances > 2 ? instances : 2));
    if (chance >= 1)
        return UINT32_MAX;
    return (unsigned)fmin(ceil(log(alpha) / log(chance)), 1e9);
}
