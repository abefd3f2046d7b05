/* SPDX-License-Identifier: Apache-2.0
 * engine/step_gate.c - what must be so before a new version gets traffic, or all of it.
 *
 * A kind of gate is a row of the table: how it begins, how it is judged, whether it runs a command
 * (step_hook.c sees to that one's life). Like any step a gate may begin twice, and what takes the
 * rollout back does not wait for it.
 */
#include <stdio.h>

#include "engine/internal.h"

struct gate_ops {
    void (*begin)(struct bsc_engine *engine, struct bsc_service *service,
                  const struct bsc_gate *gate);
    enum bsc_verdict (*judge)(struct bsc_engine *engine, struct bsc_service *service,
                              const struct bsc_gate *gate, char *reason, size_t size);
    /* When it looks again; NULL: when something happens. */
    int64_t (*next_ms)(const struct bsc_service *service, const struct bsc_gate *gate);
    bool command; /* begin and judge are those of a command */
};

static const struct gate_ops ops[BSC_GATE_KIND_COUNT] = {
    [BSC_GATE_SMOKE] = { .command = true },
    [BSC_GATE_PROBE] = { bsc_gate_probe_begin, bsc_gate_probe_judge, bsc_gate_probe_next_ms,
                         false },
    [BSC_GATE_APPROVAL] = { bsc_approval_begin, bsc_approval_judge, NULL, false },
    [BSC_GATE_LOAD] = { .command = true },
    [BSC_GATE_QUERY] = { bsc_gate_query_begin, bsc_gate_query_judge, bsc_gate_query_next_ms,
                         false },
};

const struct bsc_gate *bsc_gate_current(const struct bsc_service *service)
{
    const struct bsc_step *step = bsc_step_current(service);
    const struct bsc_release *release = bsc_release_find(service, service->rollout->row.release);
    if (step->kind != BSC_STEP_GATE || !release)
        return NULL;
    const struct bsc_gates *gates = &release->row.spec->deploy.gates;
    return step->item < gates->count ? &gates->items[step->item] : NULL;
}

bool bsc_gate_commands(const struct bsc_gate *gate)
{
    return ops[gate->kind].command;
}

void bsc_gate_begin(struct bsc_engine *engine, struct bsc_service *service)
{
    const struct bsc_gate *gate = bsc_gate_current(service);
    if (!gate)
        return; /* judged as failed */
    if (bsc_gate_commands(gate))
        bsc_hook_begin(engine, service, false);
    else
        ops[gate->kind].begin(engine, service, gate);
}

/* A candidate that falls ill is not waited for; its judge fails the rollout by itself. */
enum bsc_verdict bsc_gate_judge(struct bsc_engine *engine, struct bsc_service *service,
                                char *reason, size_t size)
{
    const struct bsc_gate *gate = bsc_gate_current(service);
    if (!gate) {
        snprintf(reason, size, "the release has no such gate");
        return BSC_FAIL;
    }
    enum bsc_verdict verdict = bsc_gate_commands(gate)
                                   ? bsc_hook_judge(engine, service, reason, size)
                                   : ops[gate->kind].judge(engine, service, gate, reason, size);
    if (verdict != BSC_WAIT)
        return verdict;
    char ill[BSC_REASON_BYTES] = "";
    if (bsc_step_judge_held(engine, service, ill, sizeof ill) != BSC_FAIL)
        return BSC_WAIT;
    snprintf(reason, size, "while the gate '%s' was to be passed: %s", gate->name, ill);
    return BSC_FAIL;
}

int64_t bsc_gate_next_ms(const struct bsc_service *service)
{
    const struct bsc_gate *gate = bsc_gate_current(service);
    if (!gate || !ops[gate->kind].next_ms || bsc_rollout_held(service) ||
        service->rollout->row.walk.status != BSC_ROLLOUT_RUNNING)
        return INT64_MAX;
    return ops[gate->kind].next_ms(service, gate);
}
