/* SPDX-License-Identifier: Apache-2.0
 * load/run.h - runs a scenario and counts what comes of it.
 *
 * With a rate, latency counts from when a request was due and not from when it could be sent: a
 * service that stalls cannot hide how long its users waited.
 */
#ifndef BASCULE_LOAD_RUN_H
#define BASCULE_LOAD_RUN_H

#include "load/scenario.h"

struct bsc_load_progress {
    int64_t now_us, end_us; /* since the start; `end_us`: when the last request is begun */
    unsigned busy;          /* requests under way */
    double target;          /* users or requests a second that are wanted now */
    bool logging_in;
};

struct bsc_load_options {
    int stop_fd;     /* ends the run early when it can be read; -1: none */
    int64_t tick_us; /* how often on_tick is told */
    void (*on_tick)(void *argument, const struct bsc_load_progress *progress,
                    const struct bsc_load_counts *counts);
    void *argument;
};

/* counts->requests: zeroed, one for each request. Fails when a user can't log in, or this machine
 * has no more descriptors; what requests met is in the counts. *stopped: it was ended early. */
enum bsc_status bsc_load_run(const struct bsc_load_scenario *scenario,
                             const struct bsc_load_options *options, struct bsc_load_counts *counts,
                             bool *stopped, struct bsc_error *error) BSC_MUST_CHECK;

#endif
