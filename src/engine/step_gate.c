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
    bool command; /* begin and judge are those of a command */
};

static const struct gate_ops ops[BSC_GATE_KIND_COUNT] = {
    [BSC_GATE_SMOKE] = { .command = true },
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

enum bsc_verdict bsc_gate_judge(struct bsc_engine *engine, struct bsc_service *service,
                                char *reason, size_t size)
{
    const struct bsc_gate *gate = bsc_gate_current(service);
    if (!gate) {
        snprintf(reason, size, "the release has no such gate");
        return BSC_FAIL;
    }
    if (bsc_gate_commands(gate))
        return bsc_hook_judge(engine, service, reason, size);
    return ops[gate->kind].judge(engine, service, gate, reason, size);
}
