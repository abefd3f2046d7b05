/* SPDX-License-Identifier: Apache-2.0
 * engine/gate_query.c - something outside is asked until it has said enough (core/query.h).
 *
 * At once, and again an interval after each answer, or after the time for one. What was counted is
 * not stored: a gate that begins again counts again.
 */
#include <stdio.h>

#include "engine/internal.h"

void bsc_gate_query_begin(struct bsc_engine *engine, struct bsc_service *service,
                          const struct bsc_gate *gate)
{
    (void)gate;
    service->rollout->gate_query = (struct bsc_query_run){ .next_ms = bsc_now(engine) };
}

void bsc_gate_query_answered(struct bsc_engine *engine, struct bsc_service *service,
                             const struct bsc_event *event)
{
    struct bsc_query_run *run = &service->rollout->gate_query;
    const struct bsc_gate *gate = bsc_gate_current(service);
    run->token = 0;
    if (!gate || !gate->query)
        return;
    run->next_ms = bsc_now(engine) + gate->query->interval_ms;
    bsc_query_take(&run->tally, gate->query, event->answer);
    bsc_touch(engine, service);
}

/* When the gate's time is over, what need not say anything holds up nothing. */
static enum bsc_query_state state_of(const struct bsc_query_tally *tally,
                                     const struct bsc_query_spec *query, bool late)
{
    return late ? bsc_query_state(tally, query) : bsc_query_heard(tally, query);
}

enum bsc_verdict bsc_gate_query_judge(struct bsc_engine *engine, struct bsc_service *service,
                                      const struct bsc_gate *gate, char *reason, size_t size)
{
    struct bsc_query_run *run = &service->rollout->gate_query;
    bool late = bsc_step_expired(engine, service->rollout);
    char standing[BSC_REASON_BYTES];
    bsc_query_standing(&run->tally, gate->query, standing, sizeof standing);
    switch (state_of(&run->tally, gate->query, late)) {
    case BSC_QUERY_PASSED:
        bsc_audit(engine, service, service->rollout->row.id, "gate", NULL,
                  "the gate '%s' passed%s: %s", gate->name,
                  gate->query->dry_run ? " (dry run)" : "", standing);
        return BSC_DONE;
    case BSC_QUERY_FAILED:
        snprintf(reason, size, "the gate '%s' failed: %s", gate->name, standing);
        return BSC_FAIL;
    case BSC_QUERY_OPEN:
        break;
    }
    if (late) {
        snprintf(reason, size, "the gate '%s' did not end in time: %s", gate->name, standing);
        bsc_rollout_blame(service, BSC_TIMEOUT, 0, 0);
        return BSC_FAIL;
    }
    snprintf(reason, size, "the gate '%s' asks: %s", gate->name, standing);
    if (run->next_ms <= bsc_now(engine)) {
        run->next_ms = INT64_MAX;
        run->token = bsc_token_next(engine, service);
        bsc_question_ask(engine, service, gate->query, run->token);
    }
    return BSC_WAIT;
}

int64_t bsc_gate_query_next_ms(const struct bsc_service *service, const struct bsc_gate *gate)
{
    (void)gate;
    return service->rollout->gate_query.next_ms;
}
