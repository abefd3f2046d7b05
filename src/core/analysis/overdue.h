/* SPDX-License-Identifier: Apache-2.0
 * core/analysis/overdue.h - requests that have no answer yet and should have.
 *
 * What began before t - limit and has no answer at t is slow, whenever it will be answered. Only
 * counters are known, so this is a lower bound: all that began by then, less all that was answered
 * by now. A version that hangs is seen as soon as the limit has passed, and not when its requests
 * time out. Limits of more than about six seconds are not looked at.
 */
#ifndef BASCULE_CORE_ANALYSIS_OVERDUE_H
#define BASCULE_CORE_ANALYSIS_OVERDUE_H

#include "core/analysis/metric.h"

enum { BSC_OVERDUE_SAMPLES = 128 };

struct bsc_overdue {
    unsigned count, next;
    int64_t at_ms[BSC_OVERDUE_SAMPLES];
    struct bsc_tally begun[BSC_OVERDUE_SAMPLES];
};

void bsc_overdue_note(struct bsc_overdue *overdue, int64_t at_ms, const struct bsc_tally *begun);
/* How many of those that had begun by `before_ms` are not among the `answered`; 0 when that is
 * longer ago than what was noted. */
struct bsc_tally bsc_overdue_of(const struct bsc_overdue *overdue, int64_t before_ms,
                                const struct bsc_tally *answered);

#endif
