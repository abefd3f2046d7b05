/* SPDX-License-Identifier: Apache-2.0
 * cli/monitor.h - looks at error rate and latency, out of bascule's counters or of Prometheus.
 */
#ifndef BASCULE_CLI_MONITOR_H
#define BASCULE_CLI_MONITOR_H

#include "cli/run.h"
#include "load/tally.h"

/* What grew between two looks at the counters of one service. */
struct bsc_monitor_counted {
    long long controller; /* another one counts from the beginning */
    struct bsc_load_tally tally;
};

/* One look. What is not known is NAN. */
struct bsc_monitor_look {
    double errors_percent, p95_ms;
    uint64_t requests; /* counters only */
};

/* Adds what the answer of /v1/services/NAME/counters holds, of `slot` or (NULL) of both. Pure. */
void bsc_monitor_read(const json_t *answer, const char *slot, struct bsc_monitor_counted *out);
/* What happened between `before` and `now`. Pure. */
struct bsc_monitor_look bsc_monitor_between(const struct bsc_monitor_counted *before,
                                            const struct bsc_monitor_counted *now);

/* Reads the counters of a service or (NULL) of all into *out. A failure is printed, false returned
 * and *exit_status set. */
bool bsc_monitor_ask(struct bsc_cli *cli, const char *service, const char *slot,
                     struct bsc_monitor_counted *out, int *exit_status);

#endif
