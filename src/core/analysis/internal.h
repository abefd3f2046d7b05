/* SPDX-License-Identifier: Apache-2.0
 * core/analysis/internal.h - the judge's two files among themselves. */
#ifndef BASCULE_CORE_ANALYSIS_INTERNAL_H
#define BASCULE_CORE_ANALYSIS_INTERNAL_H

#include "core/analysis/judge.h"

/* Without a coin p50 and p90 are compared: a p99 of a short time is one hiccup. */
enum { BSC_BEFORE_QUANTILES = 2 };

/* Of E and of the steady test's alpha, by enum bsc_metric_kind. */
extern const double bsc_metric_shares[BSC_METRIC_COUNT];

/* Are both versions drawn for at the same time? */
bool bsc_judge_has_coin(const struct bsc_judge *judge);
/* ln of the mean E; `proven_only`: a metric with too few slices counts nothing. */
double bsc_judge_log_e(const struct bsc_judge *judge, bool proven_only);
/* Always valid: at most 1. */
double bsc_judge_p(const struct bsc_judge *judge);
unsigned bsc_judge_slices_needed(const struct bsc_judge *judge, enum bsc_metric_kind metric);
double bsc_judge_steady_alpha(const struct bsc_judge *judge, enum bsc_metric_kind metric);
/* The rate of errors beyond which the candidate is worse than what was before. */
double bsc_judge_before_limit(const struct bsc_judge *judge);

#endif
