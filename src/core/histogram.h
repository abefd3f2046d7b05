/* SPDX-License-Identifier: Apache-2.0
 * core/histogram.h - log-linear latency histogram, 1 microsecond to 1 hour.
 *
 * 16 buckets an octave (HdrHistogram's layout with 4 significant bits): the relative error of a
 * quantile is at most 1/16. The counts live wherever the caller has them, shared memory included.
 */
#ifndef BASCULE_CORE_HISTOGRAM_H
#define BASCULE_CORE_HISTOGRAM_H

#include <stdint.h>

enum { BSC_HISTOGRAM_BUCKETS = 464 };

/* The bucket of a value; values beyond an hour (3.6e9 us) count as an hour. */
unsigned bsc_histogram_bucket(uint64_t value_us);
/* The largest value that falls into `bucket`. */
uint64_t bsc_histogram_upper_us(unsigned bucket);
/* The upper edge of the bucket that holds quantile `q` (0..1); 0 when there is no value. */
uint64_t bsc_histogram_quantile(const uint64_t counts[static BSC_HISTOGRAM_BUCKETS], double q);

#endif
