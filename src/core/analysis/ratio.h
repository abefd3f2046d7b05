/* SPDX-License-Identifier: Apache-2.0
 * core/analysis/ratio.h - how the risk of one version compares with that of the other, both ways.
 *
 * Events come in of which each was the candidate's with the probability `weight`, if both versions
 * do as well. The e-process of eprocess.h, with 24 alternatives above and as many below: the mean
 * of all 48 likelihood ratios is a nonnegative supermartingale under "the candidate's risk is
 * `ratio` times the live version's", so it reaches 1/alpha with a probability of at most alpha,
 * however often one looks. The ratios that it does not refuse are an interval which holds the true
 * one at all times, with probability 1 - alpha. As the weight never changes, two counts are all
 * that it needs to know. Effects of users are small beside those of failures, so the alternatives
 * are: from 1.02 to 16, more of them where they are small.
 */
#ifndef BASCULE_CORE_ANALYSIS_RATIO_H
#define BASCULE_CORE_ANALYSIS_RATIO_H

#include <stdint.h>

struct bsc_ratio {
    double low, middle, high; /* 0 and INFINITY: nothing is known */
};

/* ln E against `ratio`, which is above 0; `weight` is inside of 0..1. */
double bsc_ratio_log_e(uint64_t candidate, uint64_t live, double weight, double ratio);
struct bsc_ratio bsc_ratio_of(uint64_t candidate, uint64_t live, double weight, double alpha);
/* How much ln E grows with each event on average, when the ratio is what it looks like now. */
double bsc_ratio_growth(uint64_t candidate, uint64_t live, double weight);

#endif
