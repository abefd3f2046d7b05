/* SPDX-License-Identifier: Apache-2.0
 * core/analysis/metric.c - see metric.h. */
#include "core/analysis/metric.h"

#include <string.h>

void bsc_metric_init(struct bsc_metric *metric)
{
    *metric = (struct bsc_metric){ .slices = 0 };
    bsc_eprocess_init(&metric->process);
}

void bsc_metric_step(struct bsc_metric *metric)
{
    metric->window = metric->total = (struct bsc_tally){ 0 };
    memset(metric->worst_events, 0, sizeof metric->worst_events);
    memset(metric->worst_units, 0, sizeof metric->worst_units);
}

static void add(struct bsc_tally *sum, const struct bsc_tally *other)
{
    sum->candidate += other->candidate;
    sum->live += other->live;
}

void bsc_metric_count(struct bsc_metric *metric, const struct bsc_tally *events)
{
    add(&metric->window, events);
    add(&metric->total, events);
}

void bsc_metric_test(struct bsc_metric *metric, double weight, double tolerated,
                     const struct bsc_tally *events)
{
    metric->slices += (unsigned)events->candidate;
    bsc_eprocess_add(&metric->process, weight, tolerated, events->candidate, events->live);
}

static void keep_worst(struct bsc_metric *metric, uint64_t units)
{
    uint64_t events = metric->window.candidate;
    for (unsigned i = 0; i < BSC_WORST_WINDOWS; i++) {
        uint64_t other_events = metric->worst_events[i], other_units = metric->worst_units[i];
        if (events <= other_events)
            continue;
        metric->worst_events[i] = events;
        metric->worst_units[i] = units;
        events = other_events;
        units = other_units;
    }
}

void bsc_metric_close(struct bsc_metric *metric, const struct bsc_tally *units, double tolerated,
                      bool compare)
{
    if (compare && units->candidate && units->live)
        bsc_steady_add(&metric->steady,
                       (double)metric->window.candidate / (double)units->candidate -
                           tolerated * (double)metric->window.live / (double)units->live);
    keep_worst(metric, units->candidate);
    metric->window = (struct bsc_tally){ 0 };
}

struct bsc_interval bsc_metric_lasting(const struct bsc_metric *metric, uint64_t units,
                                       double alpha)
{
    uint64_t events = metric->total.candidate;
    for (unsigned i = 0; i < BSC_WORST_WINDOWS; i++) {
        events -= metric->worst_events[i];
        units -= metric->worst_units[i];
    }
    return bsc_interval_of(events, units, alpha);
}
