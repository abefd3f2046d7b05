/* SPDX-License-Identifier: Apache-2.0
 * engine/step_hook.c - the commands of a rollout: hooks, their undo, and gates that run one.
 *
 * Each runs under a shim, so its exit status outlives the controller: one that was under way is
 * found again and never started twice.
 */
#include <stdio.h>
#include <string.h>

#include "engine/internal.h"

/* A hook's own time limit is kept by its shim; this is for a shim that does not answer. */
static const int64_t hook_spare_ms = 30000;

bool bsc_hook_runs(const struct bsc_service *service)
{
    if (!bsc_service_busy(service) || bsc_rollout_held(service))
        return false;
    const struct bsc_gate *gate = bsc_gate_current(service);
    return bsc_step_current(service)->kind == BSC_STEP_HOOK || (gate && bsc_gate_commands(gate));
}

const struct bsc_command *bsc_hook_command(const struct bsc_spec *spec, const struct bsc_step *step,
                                           bool undo)
{
    if (step->kind == BSC_STEP_GATE)
        return &spec->deploy.gates.items[step->item].command;
    const struct bsc_hook_spec *hook =
        step->hook == BSC_HOOK_PRE_DEPLOY ? &spec->deploy.pre_deploy : &spec->deploy.post_promote;
    return undo ? &hook->undo : &hook->command;
}

void bsc_hook_id(const struct bsc_rollout *rollout, bool undo, char out[static BSC_ID_BYTES])
{
    const struct bsc_step *step = &rollout->row.plan.steps[rollout->row.walk.cursor];
    snprintf(out, BSC_ID_BYTES, "%s-%s-%llu-%u%s", rollout->row.service,
             bsc_step_kind_name(step->kind), (unsigned long long)rollout->row.id,
             (unsigned)(step - rollout->row.plan.steps), undo ? "-undo" : "");
}

/* Its end is told whoever started it; the token says that it is waited for. */
void bsc_hook_await(struct bsc_engine *engine, struct bsc_service *service)
{
    struct bsc_rollout *rollout = service->rollout;
    int64_t limit_ms = bsc_step_current(service)->timeout_ms;
    rollout->step_token = bsc_token_next(engine, service);
    if (limit_ms)
        rollout->step_until_ms = bsc_now(engine) + limit_ms + hook_spare_ms;
}

void bsc_hook_begin(struct bsc_engine *engine, struct bsc_service *service, bool undo)
{
    bsc_hook_await(engine, service);
    struct bsc_effect *effect = bsc_effect_add(engine, BSC_EFFECT_HOOK, service);
    effect->token = service->rollout->step_token;
    effect->undo = undo;
    bsc_hook_id(service->rollout, undo, effect->id);
}

/* "the pre_deploy hook" */
static void describe(const struct bsc_service *service, char *out, size_t size)
{
    const struct bsc_step *step = bsc_step_current(service);
    const struct bsc_gate *gate = bsc_gate_current(service);
    if (gate)
        snprintf(out, size, "the gate '%s'", gate->name);
    else
        snprintf(out, size, "the %s hook", bsc_hook_name(step->hook));
}

enum bsc_verdict bsc_hook_judge(struct bsc_engine *engine, struct bsc_service *service,
                                char *reason, size_t size)
{
    struct bsc_rollout *rollout = service->rollout;
    char what[BSC_NAME_MAX + 32];
    describe(service, what, sizeof what);
    if (rollout->step_unknown)
        snprintf(reason, size,
                 "the machine went down while %s ran: look whether it did its work; "
                 "'bascule abort %s' ends the rollout",
                 what, service->name);
    else
        snprintf(reason, size, "%s runs", what);
    if (rollout->step_answered)
        snprintf(reason, size, "%s failed: %s", what, rollout->waiting);
    if (rollout->step_answered)
        return rollout->waiting[0] ? BSC_FAIL : BSC_DONE;
    if (!bsc_step_expired(engine, rollout))
        return BSC_WAIT;
    if (!rollout->step_unknown)
        snprintf(reason, size, "%s did not end in time", what);
    bsc_rollout_blame(service, BSC_TIMEOUT, 0, 0);
    return BSC_FAIL;
}

/* The end of a hook. One that nobody waits for any more was stopped by an abort. */
void bsc_hook_exited(struct bsc_engine *engine, struct bsc_service *service,
                     const struct bsc_event *event)
{
    struct bsc_rollout *rollout = service->rollout;
    char id[BSC_ID_BYTES] = "", how[128];
    if (bsc_hook_runs(service))
        bsc_hook_id(rollout, rollout->row.walk.status == BSC_ROLLOUT_UNDOING, id);
    if (!strcmp(id, event->id) && !rollout->step_answered) {
        bool passed = event->wait_status == 0 && !(event->text && *event->text);
        rollout->step_answered = true;
        rollout->waiting[0] = '\0';
        if (!passed) {
            char tail[BSC_TAIL_BYTES];
            bsc_tail(engine, BSC_RUNTIME_PROCESS, event->id, tail);
            bsc_exit_describe(event, how, sizeof how);
            snprintf(rollout->waiting, sizeof rollout->waiting, "%s%s%s", how,
                     tail[0] ? "; its last output:\n" : "", tail);
        }
    }
    struct bsc_effect *effect = bsc_effect_add(engine, BSC_EFFECT_FORGET, service);
    effect->runtime = BSC_RUNTIME_PROCESS;
    snprintf(effect->id, sizeof effect->id, "%s", event->id);
    bsc_touch(engine, service);
}
