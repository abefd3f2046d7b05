/* SPDX-License-Identifier: Apache-2.0
 * core/analysis/latency.c - see latency.h. */
#include "core/analysis/latency.h"

const double bsc_quantiles[BSC_QUANTILES] = { 0.5, 0.9, 0.99 };

void bsc_baseline_freeze(struct bsc_baseline *baseline, uint64_t units, uint64_t errors,
                         const uint64_t *latency)
{
    *baseline = (struct bsc_baseline){ .units = units, .errors = errors };
    for (unsigned i = 0; i < BSC_HISTOGRAM_BUCKETS; i++)
        baseline->answers += latency[i];
    if (baseline->answers < BSC_BASELINE_ANSWERS_MIN)
        return;
    for (unsigned q = 0; q < BSC_QUANTILES; q++)
        baseline->quantile_us[q] = bsc_histogram_quantile(latency, bsc_quantiles[q]);
}

unsigned bsc_latency_limit(uint64_t quantile_us, double slower)
{
    return bsc_histogram_bucket((uint64_t)((double)quantile_us * slower));
}

uint64_t bsc_latency_above(const uint64_t *latency, unsigned limit)
{
    uint64_t above = 0;
    for (unsigned i = limit + 1; i < BSC_HISTOGRAM_BUCKETS; i++)
        above += latency[i];
    return above;
}
