/* SPDX-License-Identifier: Apache-2.0
 * core/analysis/steady.h - the mean of a difference, watched all the time.
 *
 * One value a window of a second: the candidate's rate of events minus the live version's. The
 * variance is estimated from the windows themselves, so bursts widen the bound instead of fooling
 * it. An asymptotic confidence sequence (Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas,
 * arXiv:2103.06476) with rho^2 = 0.02; it says nothing before 30 windows.
 */
#ifndef BASCULE_CORE_ANALYSIS_STEADY_H
#define BASCULE_CORE_ANALYSIS_STEADY_H

#include <stdint.h>

enum { BSC_STEADY_WINDOWS = 30, BSC_WINDOW_MS = 1000 };

struct bsc_steady {
    uint64_t windows;
    double mean, squares; /* the sum of squared distances from the mean (Welford) */
};

void bsc_steady_add(struct bsc_steady *steady, double difference);
/* How far the mean may be above 0 by chance, with probability 1 - alpha at all times at once.
 * INFINITY before there are 30 windows. */
double bsc_steady_bound(const struct bsc_steady *steady, double alpha);

#endif
