/* SPDX-License-Identifier: Apache-2.0
 * core/analysis/confidence.c - see confidence.h. */
#include "core/analysis/confidence.h"

#include <math.h>

void bsc_confidence_take(struct bsc_confidence *confidence, double weight, double margin,
                         const struct bsc_tally *errors, int64_t at_ms)
{
    bool counts = errors->live && bsc_run_counts(&confidence->run, at_ms);
    confidence->slices += counts;
    bsc_eprocess_add_below(&confidence->process, weight, margin, errors->candidate, counts);
}

void bsc_confidence_close(struct bsc_confidence *confidence, double margin,
                          const struct bsc_tally *errors, const struct bsc_tally *units)
{
    if (!units->candidate || !units->live)
        return;
    double worst = margin * (double)errors->live / (double)units->live;
    bsc_steady_add(&confidence->steady,
                   worst - (double)errors->candidate / (double)units->candidate);
    confidence->expected += worst * (double)units->candidate;
}

bool bsc_confidence_shown(const struct bsc_confidence *confidence, double weight, double alpha)
{
    const struct bsc_steady *steady = &confidence->steady;
    if (confidence->slices >= bsc_runs_needed(alpha / 2, 1 - weight, 1) &&
        bsc_eprocess_log(&confidence->process) >= log(2 / alpha))
        return true;
    return confidence->expected >= BSC_CONFIDENCE_EXPECTED &&
           steady->mean > bsc_steady_bound(steady, alpha / 2);
}
