/* SPDX-License-Identifier: Apache-2.0
 * engine/gate_probe.c - every instance of a new version must answer some requests as it should.
 *
 * In rounds: each instance that has not passed often enough is asked once, the next round begins
 * an interval after the last one when all of that have answered. What was counted is not stored: a
 * gate that begins again counts again.
 */
#include <stdio.h>

#include "engine/internal.h"

static bool takes_part(const struct bsc_service *service, const struct bsc_instance *instance)
{
    const struct bsc_rollout_row *row = &service->rollout->row;
    return instance->row.slot == row->slot && instance->row.release == row->release &&
           instance->row.phase == BSC_INSTANCE_RUNNING;
}

void bsc_gate_probe_begin(struct bsc_engine *engine, struct bsc_service *service,
                          const struct bsc_gate *gate)
{
    (void)gate;
    for (size_t i = 0; i < service->instance_count; i++) {
        service->instances[i].gate = (struct bsc_gate_count){ .token = 0 };
    }
    service->rollout->round_ms = bsc_now(engine);
}

static void ask(struct bsc_engine *engine, struct bsc_service *service,
                struct bsc_instance *instance)
{
    struct bsc_effect *effect = bsc_effect_add(engine, BSC_EFFECT_GATE_PROBE, service);
    effect->token = instance->gate.token = bsc_token_next(engine, service);
    snprintf(effect->id, sizeof effect->id, "%s", instance->row.id);
}

void bsc_gate_probed(struct bsc_engine *engine, struct bsc_service *service,
                     struct bsc_instance *instance, const struct bsc_event *event)
{
    struct bsc_gate_count *count = &instance->gate;
    count->token = 0;
    if (event->passed)
        count->passed++;
    else
        count->failed++;
    if (!event->passed)
        snprintf(count->detail, sizeof count->detail, "%s", event->text ? event->text : "");
    bsc_look(engine, service);
}

struct tally {
    unsigned instances, finished, pending;
    unsigned passed, failed;
    const struct bsc_instance *bad; /* failed too often; NULL: none */
};

static struct tally count_up(const struct bsc_service *service, const struct bsc_gate_probe *probe)
{
    struct tally tally = { 0 };
    for (size_t i = 0; i < service->instance_count; i++) {
        const struct bsc_instance *instance = &service->instances[i];
        if (!takes_part(service, instance))
            continue;
        tally.instances++;
        tally.passed += instance->gate.passed;
        tally.failed += instance->gate.failed;
        tally.finished += instance->gate.passed >= probe->count;
        tally.pending += instance->gate.token != 0;
        if (instance->gate.failed > probe->failure_limit)
            tally.bad = instance;
    }
    return tally;
}

static void next_round(struct bsc_engine *engine, struct bsc_service *service,
                       const struct bsc_gate_probe *probe)
{
    service->rollout->round_ms = bsc_now(engine) + probe->interval_ms;
    for (size_t i = 0; i < service->instance_count; i++) {
        struct bsc_instance *instance = &service->instances[i];
        if (takes_part(service, instance) && instance->gate.passed < probe->count)
            ask(engine, service, instance);
    }
}

enum bsc_verdict bsc_gate_probe_judge(struct bsc_engine *engine, struct bsc_service *service,
                                      const struct bsc_gate *gate, char *reason, size_t size)
{
    const struct bsc_gate_probe *probe = &gate->probe;
    struct tally tally = count_up(service, probe);
    if (tally.bad) {
        snprintf(reason, size, "the gate '%s' failed: %s, %u time%s: %s", gate->name,
                 tally.bad->row.id, tally.bad->gate.failed, tally.bad->gate.failed == 1 ? "" : "s",
                 tally.bad->gate.detail);
        return BSC_FAIL;
    }
    if (tally.instances && tally.finished == tally.instances) {
        bsc_audit(engine, service, service->rollout->row.id, "gate", NULL,
                  "the gate '%s' passed: %u requests, %u failed", gate->name,
                  tally.passed + tally.failed, tally.failed);
        return BSC_DONE;
    }
    snprintf(reason, size, "the gate '%s' asks: %u of %u passes, %u failed", gate->name,
             tally.passed, tally.instances * probe->count, tally.failed);
    if (bsc_step_expired(engine, service->rollout)) {
        snprintf(reason, size, "the gate '%s' did not end in time: %u of %u passes, %u failed",
                 gate->name, tally.passed, tally.instances * probe->count, tally.failed);
        bsc_rollout_blame(service, BSC_TIMEOUT, 0, 0);
        return BSC_FAIL;
    }
    if (!tally.pending && bsc_now(engine) >= service->rollout->round_ms)
        next_round(engine, service, probe);
    return BSC_WAIT;
}

int64_t bsc_gate_probe_next_ms(const struct bsc_service *service, const struct bsc_gate *gate)
{
    return count_up(service, &gate->probe).pending ? INT64_MAX : service->rollout->round_ms;
}
