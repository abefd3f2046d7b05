/* SPDX-License-Identifier: Apache-2.0
 * engine/gate_approval.c - a person says that a new version may have the traffic, or may not.
 *
 * The answer ends the step in the transaction that it comes in, so nothing of it is stored but who
 * gave it. Its time stands still while the rollout is paused.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "engine/internal.h"

void bsc_approval_begin(struct bsc_engine *engine, struct bsc_service *service,
                        const struct bsc_gate *gate)
{
    bsc_audit(engine, service, service->rollout->row.id, "approval", NULL,
              "'%s' is to be approved: 'bascule approve %s' or 'bascule reject %s'", gate->approval,
              service->name, service->name);
    if (gate->timeout_ms)
        bsc_step_clock(engine, service);
}

/* Told once; then it is waited for without end. */
static void hold_on(struct bsc_engine *engine, struct bsc_service *service,
                    const struct bsc_gate *gate)
{
    struct bsc_rollout *rollout = service->rollout;
    char limit[BSC_DURATION_BYTES];
    rollout->step_until_ms = 0;
    if (rollout->overtime)
        return;
    rollout->overtime = true;
    bsc_audit(engine, service, rollout->row.id, "approval", NULL,
              "'%s' was not approved within %s; it is waited for on", gate->approval,
              bsc_duration_format(gate->timeout_ms, limit));
    bsc_touch(engine, service);
}

enum bsc_verdict bsc_approval_judge(struct bsc_engine *engine, struct bsc_service *service,
                                    const struct bsc_gate *gate, char *reason, size_t size)
{
    struct bsc_rollout *rollout = service->rollout;
    char limit[BSC_DURATION_BYTES];
    bsc_duration_format(gate->timeout_ms, limit);
    if (rollout->step_answered) {
        snprintf(reason, size, "%s", rollout->waiting);
        return *reason ? BSC_FAIL : BSC_DONE;
    }
    if (bsc_step_expired(engine, rollout) && gate->on_timeout == BSC_GATE_ABORT) {
        snprintf(reason, size, "the gate '%s' timed out: nobody approved '%s' within %s",
                 gate->name, gate->approval, limit);
        bsc_rollout_blame(service, BSC_TIMEOUT, 0, 0);
        return BSC_FAIL;
    }
    if (bsc_step_expired(engine, rollout))
        hold_on(engine, service, gate);
    snprintf(reason, size, "the gate '%s' waits%s%s for an approval, '%s': bascule approve %s",
             gate->name, rollout->overtime ? ", for longer than " : "",
             rollout->overtime ? limit : "", gate->approval, service->name);
    return BSC_WAIT;
}

void bsc_approve_command(struct bsc_engine *engine, struct bsc_service *service,
                         const struct bsc_event *event, enum bsc_rule rule)
{
    struct bsc_rollout *rollout = service->rollout;
    const struct bsc_gate *gate = bsc_gate_current(service);
    const char *comment = event->text ? event->text : "", *colon = *comment ? ": " : "";
    const char *actor = event->actor ? event->actor : "bascule";
    unsigned long long id = rollout->row.id;
    if (!gate || gate->kind != BSC_GATE_APPROVAL || bsc_rollout_held(service)) {
        bsc_reply(engine, event->token, BSC_STATE, 0, "r%llu waits for no approval now", id);
        return;
    }
    bool yes = event->kind == BSC_EVENT_APPROVE;
    bsc_audit(engine, service, id, yes ? "approved" : "rejected", actor, "'%s'%s%s", gate->approval,
              colon, comment);
    bsc_reply_ruled(engine, event, BSC_OK, id, rule, "r%llu: '%s' is %s", id, gate->approval,
                    yes ? "approved" : "rejected, the rollout is taken back");
    rollout->step_answered = true;
    rollout->waiting[0] = '\0';
    if (!yes)
        snprintf(rollout->waiting, sizeof rollout->waiting, "'%s' was rejected by %s%s%s",
                 gate->approval, actor, colon, comment);
    bsc_touch(engine, service);
}
