/* SPDX-License-Identifier: Apache-2.0
 * core/analysis/latency.h - "slower than the live version" as an event like an error.
 *
 * The live version's quantiles are frozen before the candidate gets traffic. An answer is slow at a
 * quantile when its head came later than `slower` times that; thresholds lie on edges of histogram
 * buckets, so that they are counted exactly and alike for both versions.
 */
#ifndef BASCULE_CORE_ANALYSIS_LATENCY_H
#define BASCULE_CORE_ANALYSIS_LATENCY_H

#include <stdint.h>

#include "core/histogram.h"

enum { BSC_QUANTILES = 3, BSC_BASELINE_ANSWERS_MIN = 100 };

extern const double bsc_quantiles[BSC_QUANTILES]; /* 0.5, 0.9, 0.99 */

/* What is kept of the live version before the candidate gets traffic: stored with the rollout. */
struct bsc_baseline {
    uint64_t units, errors;
    uint64_t answers;                    /* with a latency; few: there are no quantiles */
    uint64_t quantile_us[BSC_QUANTILES]; /* upper edges of buckets; 0: unknown */
};

/* `latency`: BSC_HISTOGRAM_BUCKETS counts. */
void bsc_baseline_freeze(struct bsc_baseline *baseline, uint64_t units, uint64_t errors,
                         const uint64_t *latency);

/* The last bucket that is not slow: that of `slower` (>= 1) times the quantile. */
unsigned bsc_latency_limit(uint64_t quantile_us, double slower);
/* How many of the counts lie in buckets above `limit`. */
uint64_t bsc_latency_above(const uint64_t *latency, unsigned limit);

#endif
