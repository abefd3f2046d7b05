/* SPDX-License-Identifier: Apache-2.0
 * core/analysis/interval.h - between which values a rate lies, however often one asks.
 *
 * A confidence sequence for k events in n units: p is inside while
 * B(1 + k, 1 + n - k) < p^k (1 - p)^(n - k) / alpha (Robbins' mixture with a uniform prior). The
 * probability that it ever leaves the true rate outside is at most alpha.
 */
#ifndef BASCULE_CORE_ANALYSIS_INTERVAL_H
#define BASCULE_CORE_ANALYSIS_INTERVAL_H

#include <stdint.h>

struct bsc_interval {
    double low, rate, high; /* 0..1; without units 0, 0, 1 */
};

/* `events` above `units` count as `units`. */
struct bsc_interval bsc_interval_of(uint64_t events, uint64_t units, double alpha);

/* ln B(x, y) for x, y >= 1, also of large numbers, whose ln Gamma has no digits left for the
 * difference. */
double bsc_log_beta(double x, double y);

#endif
