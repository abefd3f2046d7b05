/* SPDX-License-Identifier: Apache-2.0
 * core/analysis/metric.h - one kind of event (an error, a slow answer) of both versions, with the
 * tests that watch it.
 */
#ifndef BASCULE_CORE_ANALYSIS_METRIC_H
#define BASCULE_CORE_ANALYSIS_METRIC_H

#include "core/analysis/eprocess.h"
#include "core/analysis/interval.h"
#include "core/analysis/runs.h"
#include "core/analysis/steady.h"

enum { BSC_WORST_WINDOWS = 2 };

/* What both versions did in a time. */
struct bsc_tally {
    uint64_t candidate, live;
};

struct bsc_metric {
    struct bsc_eprocess process;
    struct bsc_steady steady;
    struct bsc_run run;      /* of the candidate as a whole, where instances are not told apart */
    unsigned slices;         /* in which the candidate had events that counted */
    struct bsc_tally window; /* events in the window that is open */
    struct bsc_tally total;  /* events since the step began */
    /* The candidate's worst windows since the step began: events, and the units of that window. */
    uint64_t worst_events[BSC_WORST_WINDOWS], worst_units[BSC_WORST_WINDOWS];
};

void bsc_metric_init(struct bsc_metric *metric);
/* A new step: totals and worst windows begin anew, the tests go on. */
void bsc_metric_step(struct bsc_metric *metric);
/* Events seen since the last sample. */
void bsc_metric_count(struct bsc_metric *metric, const struct bsc_tally *events);
/* What is left of them after thinning, for the e-process: see bsc_eprocess_add. */
void bsc_metric_test(struct bsc_metric *metric, double weight, double tolerated,
                     const struct bsc_tally *events);
/* The window closes: `units` of it. `compare`: both versions' rates may be compared. */
void bsc_metric_close(struct bsc_metric *metric, const struct bsc_tally *units, double tolerated,
                      bool compare);
/* The candidate's rate since the step began without its worst windows: what one burst cannot make.
 */
struct bsc_interval bsc_metric_lasting(const struct bsc_metric *metric, uint64_t units,
                                       double alpha);

#endif
