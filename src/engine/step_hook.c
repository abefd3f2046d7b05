/* SPDX-License-Identifier: Apache-2.0
 * engine/step_hook.c - the commands of a rollout: hooks, their undo, and gates that run one.
 *
 * Each runs under a shim, so its exit status outlives the controller: one that was under way is
 * found again and never started twice.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "engine/internal.h"

/* A command's own time limit is kept by its shim; this is for a shim that does not answer. */
static const int64_t hook_spare_ms = 30000;

/* The version that a rollback has left: the one that was live last. */
static struct bsc_release *left_behind(const struct bsc_service *service)
{
    struct bsc_release *found = NULL;
    for (size_t i = 0; i < service->release_count; i++) {
        struct bsc_release *release = &service->releases[i];
        if (release->row.id != service->rollout->row.release && release->row.rejected &&
            (!found || release->row.live_ms > found->row.live_ms))
            found = release;
    }
    return found;
}

struct bsc_release *bsc_hook_release(const struct bsc_service *service)
{
    const struct bsc_rollout_row *row = &service->rollout->row;
    const struct bsc_step *step = bsc_step_current(service);
    if (step->kind == BSC_STEP_HOOK && step->hook == BSC_HOOK_ON_ROLLBACK &&
        row->walk.status == BSC_ROLLOUT_PROMOTED)
        return left_behind(service);
    return bsc_release_find(service, row->release);
}

static const struct bsc_hook_spec *spec_of(const struct bsc_spec *spec, enum bsc_hook hook)
{
    const struct bsc_hook_spec *const hooks[BSC_HOOK_COUNT] = {
        [BSC_HOOK_PRE_DEPLOY] = &spec->deploy.pre_deploy,
        [BSC_HOOK_POST_PROMOTE] = &spec->deploy.post_promote,
        [BSC_HOOK_POST_SWITCH] = &spec->deploy.post_switch,
        [BSC_HOOK_ON_ROLLBACK] = &spec->deploy.on_rollback,
    };
    return hooks[hook];
}

const struct bsc_command *bsc_hook_command(const struct bsc_spec *spec, const struct bsc_step *step,
                                           bool undo)
{
    if (step->kind == BSC_STEP_GATE)
        return &spec->deploy.gates.items[step->item].command;
    const struct bsc_hook_spec *hook = spec_of(spec, step->hook);
    return undo && step->hook != BSC_HOOK_ON_ROLLBACK ? &hook->undo : &hook->command;
}

bool bsc_hook_runs(const struct bsc_service *service)
{
    if (!bsc_service_busy(service) || bsc_rollout_held(service))
        return false;
    const struct bsc_step *step = bsc_step_current(service);
    const struct bsc_gate *gate = bsc_gate_current(service);
    assert(service->rollout && step);
    bool undoing = service->rollout->row.walk.status == BSC_ROLLOUT_UNDOING;
    if (step->kind != BSC_STEP_HOOK || !bsc_hook_release(service))
        return gate && bsc_gate_commands(gate);
    return step->hook != BSC_HOOK_ON_ROLLBACK || step->undo != BSC_UNDO_HOOK || undoing;
}

void bsc_hook_id(const struct bsc_rollout *rollout, bool undo, char out[static BSC_ID_BYTES])
{
    const struct bsc_step *step = &rollout->row.plan.steps[rollout->row.walk.cursor];
    snprintf(out, BSC_ID_BYTES, "%s-%s-%llu-%u%s", rollout->row.service,
             bsc_step_kind_name(step->kind), (unsigned long long)rollout->row.id,
             (unsigned)(step - rollout->row.plan.steps), undo ? "-undo" : "");
}

bool bsc_service_command(const struct bsc_service *service, char out[static BSC_ID_BYTES])
{
    if (!bsc_hook_runs(service) || !service->rollout->step_token || service->rollout->step_answered)
        return false;
    bsc_hook_id(service->rollout, service->rollout->row.walk.status == BSC_ROLLOUT_UNDOING, out);
    return true;
}

static void begin_clock(struct bsc_engine *engine, struct bsc_service *service)
{
    int64_t limit_ms = bsc_step_current(service)->timeout_ms;
    if (limit_ms)
        service->rollout->step_until_ms = bsc_now(engine) + limit_ms + hook_spare_ms;
}

/* Its end is told whoever started it; the token says that it is waited for. */
void bsc_hook_await(struct bsc_engine *engine, struct bsc_service *service)
{
    service->rollout->step_token = bsc_token_next(engine, service);
    begin_clock(engine, service);
}

/* It may ask through the proxy, so it waits until that can answer. */
void bsc_hook_run(struct bsc_engine *engine, struct bsc_service *service, bool undo)
{
    if (bsc_preview_awaited(service)) { /* judging tries again */
        if (!service->rollout->step_until_ms)
            begin_clock(engine, service);
        return;
    }
    bsc_hook_await(engine, service);
    struct bsc_effect *effect = bsc_effect_add(engine, BSC_EFFECT_HOOK, service);
    effect->token = service->rollout->step_token;
    effect->undo = undo;
    bsc_hook_id(service->rollout, undo, effect->id);
}

/* What of the release remembers that it ran; 0: it may run as often as it is asked for. */
static uint64_t once_bit(const struct bsc_service *service, bool undo)
{
    const struct bsc_step *step = bsc_step_current(service);
    const struct bsc_gate *gate = bsc_gate_current(service);
    if (gate)
        return gate->once ? UINT64_C(1) << step->item : 0;
    const struct bsc_hook_spec *hook = spec_of(bsc_hook_release(service)->row.spec, step->hook);
    bool itself = !undo || step->hook == BSC_HOOK_ON_ROLLBACK;
    return hook->once && itself ? UINT64_C(1) << (32 + step->hook) : 0;
}

/* "the pre_deploy hook" */
static void describe(const struct bsc_service *service, char *out, size_t size)
{
    const struct bsc_gate *gate = bsc_gate_current(service);
    if (gate)
        snprintf(out, size, "the gate '%s'", gate->name);
    else
        snprintf(out, size, "the %s hook", bsc_hook_name(bsc_step_current(service)->hook));
}

static void leave_out(struct bsc_engine *engine, struct bsc_service *service, bool passed)
{
    struct bsc_rollout *rollout = service->rollout;
    char what[BSC_NAME_MAX + 32];
    describe(service, what, sizeof what);
    rollout->step_answered = true;
    if (!passed)
        snprintf(rollout->waiting, sizeof rollout->waiting,
                 "it runs once for a release, and began in an earlier rollout of this one without "
                 "passing: deploy the version again");
    else
        bsc_audit(engine, service, rollout->row.id, "once", NULL,
                  "%s is left out: it ran in an earlier rollout of this release", what);
}

void bsc_hook_begin(struct bsc_engine *engine, struct bsc_service *service, bool undo)
{
    if (!bsc_hook_runs(service))
        return; /* judged as done */
    uint64_t bit = once_bit(service, undo);
    struct bsc_release *release = bsc_hook_release(service);
    if (release->row.once_begun & bit) {
        bool told = bsc_step_current(service)->hook == BSC_HOOK_ON_ROLLBACK;
        leave_out(engine, service, release->row.once_passed & bit || told);
        return;
    }
    if (bit) {
        release->row.once_begun |= bit;
        release->dirty = true;
    }
    bsc_hook_run(engine, service, undo);
}

/* What takes a version back does not wait for somebody to look. */
static bool unknown_fails(const struct bsc_service *service)
{
    return bsc_step_current(service)->hook == BSC_HOOK_ON_ROLLBACK;
}

/* A rollback that is to begin next is not kept waiting by what tells of this one. */
static bool overtaken(const struct bsc_service *service)
{
    const struct bsc_successor *next = &service->row.next;
    return service->rollout->row.walk.status == BSC_ROLLOUT_UNDOING && next->rollout &&
           next->kind == BSC_PLAN_REVERT && bsc_step_current(service)->hook == BSC_HOOK_ON_ROLLBACK;
}

enum bsc_verdict bsc_hook_judge(struct bsc_engine *engine, struct bsc_service *service,
                                char *reason, size_t size)
{
    struct bsc_rollout *rollout = service->rollout;
    char what[BSC_NAME_MAX + 32];
    describe(service, what, sizeof what);
    if (!bsc_hook_runs(service) || overtaken(service))
        return BSC_DONE;
    if (rollout->step_answered) {
        snprintf(reason, size, "%s failed: %s", what, rollout->waiting);
        return rollout->waiting[0] ? BSC_FAIL : BSC_DONE;
    }
    if (!rollout->step_token)
        bsc_hook_run(engine, service, rollout->row.walk.status == BSC_ROLLOUT_UNDOING);
    if (rollout->step_unknown)
        snprintf(reason, size,
                 "the machine went down while %s ran: look whether it did its work; "
                 "'bascule abort %s' ends the rollout",
                 what, service->name);
    else if (!rollout->step_token)
        snprintf(reason, size, "%s waits for the proxy to acknowledge the preview", what);
    else
        snprintf(reason, size, "%s runs", what);
    if (rollout->step_unknown && unknown_fails(service)) {
        snprintf(reason, size, "the machine went down while %s ran: look whether it did its work",
                 what);
        return BSC_FAIL;
    }
    if (!bsc_step_expired(engine, rollout))
        return BSC_WAIT;
    if (!rollout->step_unknown && rollout->step_token)
        snprintf(reason, size, "%s did not end in time", what);
    bsc_rollout_blame(service, BSC_TIMEOUT, 0, 0);
    return BSC_FAIL;
}

static void passed(struct bsc_engine *engine, struct bsc_service *service, bool undo,
                   const char *tail)
{
    const struct bsc_rollout *rollout = service->rollout;
    struct bsc_release *release = bsc_hook_release(service);
    uint64_t bit = once_bit(service, undo);
    char what[BSC_NAME_MAX + 32];
    describe(service, what, sizeof what);
    if (bit) {
        release->row.once_passed |= bit;
        release->dirty = true;
    }
    bsc_audit(engine, service, rollout->row.id, bsc_gate_current(service) ? "gate" : "hook", NULL,
              "%s%s passed%s%s", undo ? "undo: " : "", what, *tail ? "; its last output:\n" : "",
              tail);
}

/* One that nobody waits for any more was stopped by an abort. */
void bsc_hook_exited(struct bsc_engine *engine, struct bsc_service *service,
                     const struct bsc_event *event)
{
    struct bsc_rollout *rollout = service->rollout;
    char id[BSC_ID_BYTES] = "", how[128], tail[BSC_TAIL_BYTES];
    bool undo = rollout && rollout->row.walk.status == BSC_ROLLOUT_UNDOING;
    if (bsc_hook_runs(service))
        bsc_hook_id(rollout, undo, id);
    bool awaited = rollout && !strcmp(id, event->id) && !rollout->step_answered;
    if (awaited) {
        rollout->step_answered = true;
        rollout->waiting[0] = '\0';
        bsc_tail(engine, BSC_RUNTIME_PROCESS, event->id, tail);
        if (event->wait_status == 0 && !(event->text && *event->text)) {
            passed(engine, service, undo, tail);
        } else {
            bsc_exit_describe(event, how, sizeof how);
            snprintf(rollout->waiting, sizeof rollout->waiting, "%s%s%s", how,
                     tail[0] ? "; its last output:\n" : "", tail);
        }
    }
    bsc_touch(engine, service);
    /* Nothing is judged any more: the next start finds how it ended, and does not run it again. */
    if (awaited && engine->terminating && once_bit(service, undo))
        return;
    struct bsc_effect *effect = bsc_effect_add(engine, BSC_EFFECT_FORGET, service);
    effect->runtime = BSC_RUNTIME_PROCESS;
    snprintf(effect->id, sizeof effect->id, "%s", event->id);
}
