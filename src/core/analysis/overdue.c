/* SPDX-License-Identifier: Apache-2.0
 * core/analysis/overdue.c - see overdue.h. */
#include "core/analysis/overdue.h"

void bsc_overdue_note(struct bsc_overdue *overdue, int64_t at_ms, const struct bsc_tally *begun)
{
    overdue->at_ms[overdue->next] = at_ms;
    overdue->begun[overdue->next] = *begun;
    overdue->next = (overdue->next + 1) % BSC_OVERDUE_SAMPLES;
    if (overdue->count < BSC_OVERDUE_SAMPLES)
        overdue->count++;
}

static uint64_t above(uint64_t begun, uint64_t answered)
{
    return begun > answered ? begun - answered : 0;
}

struct bsc_tally bsc_overdue_of(const struct bsc_overdue *overdue, int64_t before_ms,
                                const struct bsc_tally *answered)
{
    for (unsigned i = 1; i <= overdue->count; i++) { /* newest first */
        unsigned at = (overdue->next + BSC_OVERDUE_SAMPLES - i) % BSC_OVERDUE_SAMPLES;
        if (overdue->at_ms[at] <= before_ms)
            return (struct bsc_tally){ above(overdue->begun[at].candidate, answered->candidate),
                                       above(overdue->begun[at].live, answered->live) };
    }
    return (struct bsc_tally){ 0 };
}
