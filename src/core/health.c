/* SPDX-License-Identifier: Apache-2.0
 * core/health.c - see health.h. */
#include "core/health.h"

#include <stdio.h>
#include <string.h>

enum { FIRST_PROBES_MS = 50 };

void bsc_health_init(struct bsc_health *health, const struct bsc_health_spec *spec, int64_t now_ms)
{
    int64_t first_ms = spec->kind == BSC_PROBE_RUNNING ? spec->running_ms : 0;
    *health =
        (struct bsc_health){ .state = BSC_HEALTH_UNKNOWN, .next_probe_ms = now_ms + first_ms };
}

/* A new instance that does not answer yet is asked again soon: 50 ms, 100 ms, 200 ms ... */
static int64_t pause_ms(const struct bsc_health *health, const struct bsc_health_spec *spec)
{
    if (health->state != BSC_HEALTH_UNKNOWN || health->passes)
        return spec->interval_ms;
    int64_t pause = FIRST_PROBES_MS;
    for (unsigned i = 1; i < health->failures && pause < spec->interval_ms; i++)
        pause *= 2;
    return pause < spec->interval_ms ? pause : spec->interval_ms;
}

bool bsc_health_result(struct bsc_health *health, const struct bsc_health_spec *spec, bool passed,
                       const char *detail, int64_t duration_us, int64_t now_ms)
{
    enum bsc_health_state before = health->state;
    health->probing = false;
    health->last_passed = passed;
    health->last_duration_us = duration_us;
    snprintf(health->last_detail, sizeof health->last_detail, "%s", detail ? detail : "");
    if (passed) {
        health->passes++;
        health->failures = 0;
        if (health->passes >= (spec->kind == BSC_PROBE_RUNNING ? 1 : spec->rise))
            health->state = BSC_HEALTH_HEALTHY;
    } else {
        health->failures++;
        health->passes = 0;
        if (health->state == BSC_HEALTH_HEALTHY && health->failures >= spec->fall)
            health->state = BSC_HEALTH_ILL;
    }
    if (spec->kind == BSC_PROBE_RUNNING) { /* until it ends, which nobody has to ask for */
        health->next_probe_ms = INT64_MAX;
        return health->state != before;
    }
    health->next_probe_ms = now_ms - duration_us / 1000 + pause_ms(health, spec);
    if (health->next_probe_ms <= now_ms)
        health->next_probe_ms = now_ms + 1;
    return health->state != before;
}

bool bsc_health_enough(const struct bsc_health_spec *spec, unsigned healthy, unsigned total)
{
    unsigned needed = (total * spec->min_healthy_percent + 99) / 100;
    return healthy >= (needed ? needed : 1);
}

const char *bsc_health_state_name(enum bsc_health_state state)
{
    static const char *const names[] = { "unknown", "healthy", "ill" };
    return names[state];
}
