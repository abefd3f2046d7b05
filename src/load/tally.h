/* SPDX-License-Identifier: Apache-2.0
 * load/tally.h - what a load test counts, in memory that does not grow with the requests. Pure.
 */
#ifndef BASCULE_LOAD_TALLY_H
#define BASCULE_LOAD_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/histogram.h"

/* Why a request has no answer, or one that is an error. */
enum bsc_load_failure {
    BSC_LOAD_FINE,
    BSC_LOAD_STATUS,    /* another status than is expected */
    BSC_LOAD_TIMED_OUT, /* no complete answer in `timeout` */
    BSC_LOAD_REFUSED,   /* no connection */
    BSC_LOAD_RESET,     /* the connection broke */
    BSC_LOAD_TLS,
    BSC_LOAD_MALFORMED, /* the answer is no HTTP */
    BSC_LOAD_OTHER,
    BSC_LOAD_UNSENT, /* it was due, but every user waited for an answer until the end */
    BSC_LOAD_FAILURES
};

struct bsc_load_tally {
    uint64_t requests, errors;
    uint64_t sum_us, max_us;
    uint64_t latency[BSC_HISTOGRAM_BUCKETS];
};

enum { BSC_LOAD_PARTS = 10, BSC_LOAD_STATUSES = 600 };

struct bsc_load_counts {
    struct bsc_load_tally all;
    struct bsc_load_tally *requests; /* one for each request of the scenario; its owner's */
    uint64_t parts[BSC_LOAD_PARTS][BSC_HISTOGRAM_BUCKETS]; /* latency in each tenth of the time */
    uint64_t statuses[BSC_LOAD_STATUSES];
    uint64_t failures[BSC_LOAD_FAILURES];
    uint64_t bytes;   /* of answers' bodies */
    uint64_t delayed; /* open: were sent late, as every user waited for an answer */
    uint64_t logins;
    int64_t elapsed_us; /* how long requests were begun */
    int64_t planned_us;
};

/* One request that ended. `at_us`: when it was begun or due, since the start. */
void bsc_load_count(struct bsc_load_counts *counts, unsigned request, int64_t at_us,
                    uint64_t latency_us, enum bsc_load_failure failure, unsigned status);

/* By linear interpolation in the bucket, and never above the largest value. 0: no value. */
double bsc_load_quantile_us(const struct bsc_load_tally *tally, double q);

/* How far the p95 of the worst tenth of the time is above that of the median tenth: 0.2 is 20 %.
 * False: fewer than five tenths have requests. */
bool bsc_load_drift(const struct bsc_load_counts *counts, double *out);

/* Answers without error a second. */
double bsc_load_rate(const struct bsc_load_counts *counts);
/* 0 .. 1; false: no request ended. */
bool bsc_load_error_rate(const struct bsc_load_counts *counts, double *out);

const char *bsc_load_failure_text(enum bsc_load_failure failure);

#endif
