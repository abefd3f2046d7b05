/* SPDX-License-Identifier: Apache-2.0
 * load/tally.c - see tally.h. */
#include "load/tally.h"

#include <assert.h>

static void add(struct bsc_load_tally *tally, uint64_t latency_us, bool error)
{
    tally->requests++;
    tally->errors += error;
    tally->sum_us += latency_us;
    if (latency_us > tally->max_us)
        tally->max_us = latency_us;
    tally->latency[bsc_histogram_bucket(latency_us)]++;
}

void bsc_load_count(struct bsc_load_counts *counts, unsigned request, int64_t at_us,
                    uint64_t latency_us, enum bsc_load_failure failure, unsigned status)
{
    add(&counts->all, latency_us, failure != BSC_LOAD_FINE);
    add(&counts->requests[request], latency_us, failure != BSC_LOAD_FINE);
    counts->failures[failure]++;
    if (status < BSC_LOAD_STATUSES)
        counts->statuses[status]++;
    int64_t part = counts->planned_us > 0 ? at_us * BSC_LOAD_PARTS / counts->planned_us : 0;
    part = part < 0 ? 0 : part < BSC_LOAD_PARTS ? part : BSC_LOAD_PARTS - 1;
    counts->parts[part][bsc_histogram_bucket(latency_us)]++;
}

static double quantile(const uint64_t counts[static BSC_HISTOGRAM_BUCKETS], double q)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < BSC_HISTOGRAM_BUCKETS; i++)
        total += counts[i];
    double wanted = q * (double)total, seen = 0;
    for (unsigned i = 0; i < BSC_HISTOGRAM_BUCKETS; i++) {
        double here = (double)counts[i];
        if (here > 0 && seen + here >= wanted) {
            double low = i ? (double)bsc_histogram_upper_us(i - 1) : 0;
            double high = (double)bsc_histogram_upper_us(i);
            return low + (high - low) * (wanted - seen) / here;
        }
        seen += here;
    }
    return 0;
}

double bsc_load_quantile_us(const struct bsc_load_tally *tally, double q)
{
    double value = quantile(tally->latency, q), most = (double)tally->max_us;
    return value < most ? value : most;
}

bool bsc_load_drift(const struct bsc_load_counts *counts, double *out)
{
    double sorted[BSC_LOAD_PARTS];
    unsigned count = 0;
    for (unsigned i = 0; i < BSC_LOAD_PARTS; i++) {
        double p95 = quantile(counts->parts[i], 0.95);
        if (p95 <= 0)
            continue;
        unsigned at = count++;
        for (; at > 0 && sorted[at - 1] > p95; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = p95;
    }
    if (count < BSC_LOAD_PARTS / 2)
        return false;
    double median = (sorted[(count - 1) / 2] + sorted[count / 2]) / 2;
    *out = sorted[count - 1] / median - 1;
    return true;
}

double bsc_load_rate(const struct bsc_load_counts *counts)
{
    if (counts->elapsed_us <= 0)
        return 0;
    return (double)(counts->all.requests - counts->all.errors) * 1e6 / (double)counts->elapsed_us;
}

bool bsc_load_error_rate(const struct bsc_load_counts *counts, double *out)
{
    if (!counts->all.requests)
        return false;
    *out = (double)counts->all.errors / (double)counts->all.requests;
    return true;
}

const char *bsc_load_failure_text(enum bsc_load_failure failure)
{
    static const char *const texts[BSC_LOAD_FAILURES] = {
        [BSC_LOAD_FINE] = "answered",
        [BSC_LOAD_STATUS] = "another status than expected",
        [BSC_LOAD_TIMED_OUT] = "no complete answer in time",
        [BSC_LOAD_REFUSED] = "no connection",
        [BSC_LOAD_RESET] = "connection broken",
        [BSC_LOAD_TLS] = "TLS failed",
        [BSC_LOAD_MALFORMED] = "answer is not HTTP",
        [BSC_LOAD_OTHER] = "failed otherwise",
        [BSC_LOAD_UNSENT] = "not sent: every user still waited for an answer",
    };
    assert(failure < BSC_LOAD_FAILURES);
    return texts[failure];
}
