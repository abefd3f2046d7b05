/* SPDX-License-Identifier: Apache-2.0
 * core/analysis/runs.h - of the errors that come in a run, one counts.
 *
 * A pause, a crash or a reconnect of one instance makes many errors at once, and they are one
 * misfortune, not many. So an instance of the candidate contributes at most one event in 250 ms.
 * Errors come in samples: with samples every 50 ms two events that count are at least 200 ms apart,
 * and 250 ms on average, so the errors of a run of up to 200 ms count as one. Longer runs count
 * once for each 250 ms that they last. The live version's errors all count, which only makes the
 * test more careful.
 */
#ifndef BASCULE_CORE_ANALYSIS_RUNS_H
#define BASCULE_CORE_ANALYSIS_RUNS_H

#include <stdbool.h>
#include <stdint.h>

enum { BSC_SAMPLE_MS = 50, BSC_SLICE_MS = 250 };

struct bsc_run {
    bool any;
    int64_t last_ms; /* when an event of this instance counted last */
};

/* Errors of this instance were seen at `at_ms`: do they count as an event? */
bool bsc_run_counts(struct bsc_run *run, int64_t at_ms);

/* In how many slices (of any instance) there must be events before they can show harm: so many that
 * it is no accident that all of these misfortunes hit the candidate. */
unsigned bsc_runs_needed(double alpha, double weight, unsigned instances);

#endif
