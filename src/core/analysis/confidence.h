/* SPDX-License-Identifier: Apache-2.0
 * core/analysis/confidence.h - is it shown that the candidate is not worse than a margin?
 *
 * The tests of harm turned round, for errors of requests that a coin divides. The hypothesis that
 * must fall is "the candidate's risk is at least `margin` times that of the live version": an
 * e-process against relative risks below that (eprocess.h), and a confidence sequence over windows
 * of a second (steady.h), each with half of alpha. Where neither version has errors nothing can be
 * shown about their relation.
 *
 * Errors that are rare are not there in most windows, as if nothing were wrong: the second test
 * says nothing before the candidate would have had BSC_CONFIDENCE_EXPECTED of them at the margin.
 *
 * What comes in runs is thinned where it would help the candidate: all of its own errors count, and
 * of the live version's at most one in 250 ms.
 */
#ifndef BASCULE_CORE_ANALYSIS_CONFIDENCE_H
#define BASCULE_CORE_ANALYSIS_CONFIDENCE_H

#include <stdbool.h>

#include "core/analysis/metric.h"

enum { BSC_CONFIDENCE_EXPECTED = 100 };

struct bsc_confidence {
    struct bsc_eprocess process;
    struct bsc_run run; /* of the live version's errors */
    unsigned slices;    /* in which it had some that counted */
    struct bsc_steady steady;
    double expected; /* errors of the candidate in those windows, if it just reached the margin */
};

/* Errors since the last sample. */
void bsc_confidence_take(struct bsc_confidence *confidence, double weight, double margin,
                         const struct bsc_tally *errors, int64_t at_ms);
/* A window of a second closes, with these errors and units. */
void bsc_confidence_close(struct bsc_confidence *confidence, double margin,
                          const struct bsc_tally *errors, const struct bsc_tally *units);
bool bsc_confidence_shown(const struct bsc_confidence *confidence, double weight, double alpha);

#endif
