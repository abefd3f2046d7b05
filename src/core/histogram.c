/* SPDX-License-Identifier: Apache-2.0
 * core/histogram.c - see histogram.h. */
#include "core/histogram.h"

enum { STEPS = 16, STEP_BITS = 4 };
static const uint64_t hour_us = 3600000000;

unsigned bsc_histogram_bucket(uint64_t value_us)
{
    if (value_us < STEPS)
        return (unsigned)value_us;
    if (value_us > hour_us)
        value_us = hour_us;
    unsigned octave = 63 - (unsigned)__builtin_clzll(value_us);
    unsigned step = (unsigned)(value_us >> (octave - STEP_BITS)) & (STEPS - 1);
    return (octave - STEP_BITS + 1) * STEPS + step;
}

uint64_t bsc_histogram_upper_us(unsigned bucket)
{
    if (bucket < STEPS)
        return bucket;
    unsigned shift = bucket / STEPS - 1;
    return ((uint64_t)(STEPS + bucket % STEPS + 1) << shift) - 1;
}

uint64_t bsc_histogram_quantile(const uint64_t counts[static BSC_HISTOGRAM_BUCKETS], double q)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < BSC_HISTOGRAM_BUCKETS; i++)
        total += counts[i];
    if (!total)
        return 0;
    double wanted = q * (double)total;
    uint64_t rank = (uint64_t)wanted;
    if ((double)rank < wanted || rank == 0)
        rank++;
    if (rank > total)
        rank = total;
    uint64_t seen = 0;
    unsigned bucket = 0;
    while ((seen += counts[bucket]) < rank)
        bucket++;
    return bsc_histogram_upper_us(bucket);
}
