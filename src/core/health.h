/* SPDX-License-Identifier: Apache-2.0
 * core/health.h - from single probe results to "healthy" and "ill" (HAProxy's rise and fall).
 *
 * Pure. Times are milliseconds on the boot clock.
 */
#ifndef BASCULE_CORE_HEALTH_H
#define BASCULE_CORE_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "core/spec.h"

enum bsc_health_state {
    BSC_HEALTH_UNKNOWN, /* new: no verdict yet, gets no traffic */
    BSC_HEALTH_HEALTHY,
    BSC_HEALTH_ILL,
};

enum { BSC_PROBE_DETAIL_BYTES = 256 };

struct bsc_health {
    enum bsc_health_state state;
    unsigned passes, failures; /* in a row, up to now */
    int64_t next_probe_ms;     /* when the next probe is due */
    bool probing;              /* one is under way */
    bool last_passed;
    int64_t last_duration_us;
    char last_detail[BSC_PROBE_DETAIL_BYTES]; /* "200 in 3 ms", "connection refused", ... */
};

/* A new instance: first probe at once; of RUNNING, whose only one always passes, when its time is
 * over. */
void bsc_health_init(struct bsc_health *health, const struct bsc_health_spec *spec, int64_t now_ms);

/* Takes one result; returns true when the state changed. Until the first pass probes follow each
 * other quickly (50 ms, growing to the interval), afterwards every interval. */
bool bsc_health_result(struct bsc_health *health, const struct bsc_health_spec *spec, bool passed,
                       const char *detail, int64_t duration_us, int64_t now_ms);

/* Enough of `total` instances healthy? min_healthy_percent is rounded up; at least one. */
bool bsc_health_enough(const struct bsc_health_spec *spec, unsigned healthy, unsigned total);

const char *bsc_health_state_name(enum bsc_health_state state);

#endif
