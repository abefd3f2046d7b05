/* SPDX-License-Identifier: Apache-2.0
 * load/threshold.h - what a load test must show: "p95: < 500ms", "rate: '> 1000/s'". Pure.
 */
#ifndef BASCULE_LOAD_THRESHOLD_H
#define BASCULE_LOAD_THRESHOLD_H

#include "base/error.h"
#include "base/text.h"
#include "load/tally.h"

enum bsc_load_metric {
    BSC_LOAD_P50, /* latencies: microseconds, at most */
    BSC_LOAD_P90,
    BSC_LOAD_P95,
    BSC_LOAD_P99,
    BSC_LOAD_MAX,
    BSC_LOAD_RATE,   /* good answers a second, at least */
    BSC_LOAD_ERRORS, /* of all requests, 0 .. 1, at most */
    BSC_LOAD_STABLE, /* bsc_load_drift, at most */
    BSC_LOAD_METRICS
};

struct bsc_load_threshold {
    enum bsc_load_metric metric;
    bool or_equal;
    double limit;
};

struct bsc_load_verdict {
    bool known; /* there was something to judge by */
    bool met;
    double found;
};

extern const char *const bsc_load_metric_names[BSC_LOAD_METRICS];

/* "< 500ms", "<= 500ms" or "500ms"; of a rate "> 1000/s"; of the others "< 0.1%". */
enum bsc_status bsc_load_threshold_parse(enum bsc_load_metric metric, const char *text,
                                         struct bsc_load_threshold *out,
                                         struct bsc_error *error) BSC_MUST_CHECK;
/* What is unknown is not met. */
struct bsc_load_verdict bsc_load_judge(const struct bsc_load_threshold *threshold,
                                       const struct bsc_load_counts *counts);

/* "p95 < 500 ms" */
void bsc_load_threshold_text(const struct bsc_load_threshold *threshold, struct bsc_text *out);
/* "612 ms", "998.2/s", "0.05 %" */
void bsc_load_value_text(enum bsc_load_metric metric, double value, struct bsc_text *out);

enum { BSC_LOAD_RATE_MAX = 100000 };
/* "100/s", "6000/m": requests a second. */
bool bsc_load_rate_parse(const char *text, double *out);

#endif
