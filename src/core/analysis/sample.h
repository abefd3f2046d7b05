/* SPDX-License-Identifier: Apache-2.0
 * core/analysis/sample.h - what the judge is fed with: counters as they stand at a moment.
 *
 * All counters only grow while a split generation lasts, wherever they began: the judge works with
 * differences, and takes the first sample of a generation, and one that went backwards, as a new
 * beginning. A sample every BSC_SAMPLE_MS gives the accuracy that runs.h states; fewer make the
 * tests slower to see harm, and never see more of it than there is.
 */
#ifndef BASCULE_CORE_ANALYSIS_SAMPLE_H
#define BASCULE_CORE_ANALYSIS_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/histogram.h"

enum { BSC_BUCKETS = 10000, BSC_BUCKET_WORDS = (BSC_BUCKETS + 63) / 64 };

/* Of a slot, in this split generation, over all workers and proxies. */
struct bsc_slot_sample {
    uint64_t units, errors; /* that have ended */
    /* Those that began, and those whose answer's head was sent or that ended without. */
    uint64_t begun, answered;
    const uint64_t *latency; /* BSC_HISTOGRAM_BUCKETS counts; NULL: unknown */
    /* With affinity: a bit for each bucket of users that had an error, BSC_BUCKET_WORDS words. */
    const uint64_t *bad_buckets;
};

/* An instance of the candidate, over all split generations. */
struct bsc_instance_sample {
    uint32_t key; /* which one */
    uint64_t errors;
};

enum bsc_drawing {
    BSC_DRAWN_BY_COIN, /* an independent coin a request */
    BSC_DRAWN_BY_USER, /* affinity: a bucket of users stays where it is */
    BSC_DRAWN_BY_RULE  /* some requests are sent there on purpose: nothing can be compared */
};

struct bsc_sample {
    int64_t at_ms;       /* boot clock */
    uint64_t generation; /* of the split */
    unsigned weight_bp;  /* the candidate's share in it */
    enum bsc_drawing drawing;
    struct bsc_slot_sample candidate, live;
    /* Of the candidate, too: units that match rules chose, beside those that its share did. They
     * are not among those of `candidate`, which the rules alone give where it has no share. */
    bool has_chosen;
    struct bsc_slot_sample chosen;
    const struct bsc_instance_sample *instances;
    unsigned instance_count;
};

#endif
