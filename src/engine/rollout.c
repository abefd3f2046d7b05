/* SPDX-License-Identifier: Apache-2.0
 * engine/rollout.c - walks a rollout along its plan, and leaves slots and records as it ended.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/internal.h"

bool bsc_rollout_open(const struct bsc_service *service)
{
    return service->rollout && !bsc_rollout_ended(service->rollout->row.walk.status);
}

bool bsc_service_busy(const struct bsc_service *service)
{
    return service->rollout &&
           !bsc_walk_over(&service->rollout->row.walk, &service->rollout->row.plan);
}

static const char *rollout_version(const struct bsc_service *service)
{
    const struct bsc_release *release = bsc_release_find(service, service->rollout->row.release);
    return release ? bsc_version_text(release->row.spec) : "a forgotten release";
}

struct bsc_rollout *bsc_rollout_begin(struct bsc_engine *engine, struct bsc_service *service,
                                      enum bsc_plan_kind kind, const struct bsc_release *release,
                                      const struct bsc_plan *plan, uint64_t id, const char *actor)
{
    struct bsc_rollout *old = service->rollout;
    if (old && old->dirty) { /* its tail was cut just now */
        struct bsc_rollout_row *copy = bsc_alloc(sizeof *copy);
        *copy = old->row;
        bsc_change_add(engine, BSC_PUT_ROLLOUT)->rollout = copy;
    }
    bsc_rollout_free(old);
    enum bsc_slot slot = bsc_slots_staging(&service->row.slots);
    struct bsc_rollout *rollout = service->rollout = bsc_alloc(sizeof *rollout);
    rollout->row = (struct bsc_rollout_row){
        .id = id ? id : bsc_id_next(engine),
        .service = service->name,
        .kind = kind,
        .strategy = release->row.spec->deploy.strategy,
        .release = release->row.id,
        .record = service->records[slot].id,
        .slot = slot,
        .plan = *plan,
        .started_ms = bsc_wall(engine),
    };
    if (service->row.weight_bp[slot] == 0)
        bsc_affinity_renew(engine, service);
    snprintf(rollout->row.actor, sizeof rollout->row.actor, "%s", actor ? actor : "bascule");
    bsc_audit(engine, service, rollout->row.id, bsc_plan_kind_name(kind), actor, "%s to %s",
              rollout_version(service), bsc_slot_name(slot));
    return rollout;
}

static void slot_empty(struct bsc_service *service, enum bsc_slot slot)
{
    service->row.release[slot] = 0;
    service->row.record[slot] = 0;
    service->records[slot] = (struct bsc_record){ 0 };
}

/* The candidate's slot after a rollout that did not make it: failed, empty, or as it was. */
static void leave_slot(struct bsc_engine *engine, struct bsc_service *service,
                       const struct bsc_rollout_row *row)
{
    struct bsc_slots *slots = &service->row.slots;
    bool cancelled =
        row->walk.status == BSC_ROLLOUT_CANCELLED || row->walk.status == BSC_ROLLOUT_SUPERSEDED;
    enum bsc_slot staging = bsc_slots_staging(slots);
    if (row->kind == BSC_PLAN_ROLLBACK) { /* the standby is what it was, its time begins anew */
        bsc_standby_begin(engine, service, bsc_slots_staging(&service->row.slots));
        return;
    }
    if (row->kind == BSC_PLAN_SWITCH && cancelled) {
        if (slots->state[staging] == BSC_SLOT_STANDBY) {
            slots->state[staging] = BSC_SLOT_READY;
            slots->checked[staging] = true;
        }
        return;
    }
    (void)!bsc_staging_fail(engine, service);
    if (cancelled && bsc_slots_apply(slots, BSC_SLOT_EMPTY, NULL) == BSC_OK)
        slot_empty(service, staging);
}

static void leave_record(struct bsc_engine *engine, struct bsc_service *service,
                         const struct bsc_rollout_row *row)
{
    struct bsc_record *record = &service->records[row->slot];
    if (!record->id || record->id != row->record)
        return;
    switch (row->walk.status) {
    case BSC_ROLLOUT_STAGED:
        record->status = BSC_RECORD_READY;
        break;
    case BSC_ROLLOUT_ROLLED_BACK:
        record->status = BSC_RECORD_ROLLED_BACK;
        record->rolled_back_at_ms = bsc_wall(engine);
        break;
    case BSC_ROLLOUT_FAILED:
        record->status = BSC_RECORD_FAILED;
        break;
    case BSC_ROLLOUT_CANCELLED:
        record->status = row->kind == BSC_PLAN_SWITCH ? BSC_RECORD_READY : BSC_RECORD_FAILED;
        break;
    case BSC_ROLLOUT_SUPERSEDED:
        record->status = row->kind == BSC_PLAN_SWITCH ? BSC_RECORD_READY : BSC_RECORD_REPLACED;
        break;
    default:
        return;
    }
    if (record->status != BSC_RECORD_READY) {
        snprintf(record->reason, sizeof record->reason, "%s", row->reason);
        record->error = row->error;
    }
    bsc_change_add(engine, BSC_PUT_RECORD)->record.service = service->name;
    engine->changes[engine->change_count - 1].record.record = *record;
}

static void finish(struct bsc_engine *engine, struct bsc_service *service)
{
    struct bsc_rollout *rollout = service->rollout;
    struct bsc_rollout_row *row = &rollout->row;
    bsc_analysis_end(rollout);
    bsc_trial_end(rollout);
    if (!row->ended_ms)
        row->ended_ms = bsc_wall(engine);
    if (row->walk.status == BSC_ROLLOUT_PROMOTED)
        return;
    leave_record(engine, service, row);
    if (row->walk.status != BSC_ROLLOUT_STAGED)
        leave_slot(engine, service, row);
    bsc_audit(engine, service, row->id, bsc_rollout_status_name(row->walk.status), NULL, "%s%s%s",
              rollout_version(service), row->reason[0] ? ": " : "", row->reason)
        ->error = row->error;
    bsc_touch_row(engine, service);
}

static void audit_step(struct bsc_engine *engine, struct bsc_service *service, bool undo)
{
    const struct bsc_rollout_row *row = &service->rollout->row;
    const struct bsc_step *step = &row->plan.steps[row->walk.cursor];
    char text[160];
    if (undo)
        bsc_step_describe_undo(step, text, sizeof text);
    else
        bsc_step_describe(step, text, sizeof text);
    bsc_audit(engine, service, row->id, undo ? "undo" : "step", NULL, "%s", text);
}

/* An abort does not wait for the command `hook` that runs just now; "": none does. */
static void leave_step(struct bsc_engine *engine, struct bsc_service *service,
                       const struct bsc_step *step, const char *hook)
{
    struct bsc_rollout *rollout = service->rollout;
    if (step->kind == BSC_STEP_BAKE || step->kind == BSC_STEP_GATE)
        bsc_queries_end(engine, rollout);
    if (step->kind == BSC_STEP_DRAIN && rollout->step_token && !rollout->step_answered)
        engine->ports.router.ops->cancel(engine->ports.router.self, rollout->step_token);
    if (step->kind == BSC_STEP_MIRROR)
        bsc_step_leave_mirror(engine, service);
    if (*hook && rollout->step_token && !rollout->step_answered) {
        struct bsc_effect *effect = bsc_effect_add(engine, BSC_EFFECT_STOP, service);
        effect->runtime = BSC_RUNTIME_PROCESS;
        effect->grace_ms = service->row.spec->grace_ms;
        effect->token = bsc_token_next(engine, service);
        snprintf(effect->id, sizeof effect->id, "%s", hook);
    }
}

/* Behind the commit nothing fails any more: what goes wrong there is told, but the version is live.
 * Of a rollback any failure but one of time is told as that of the rollback. */
void bsc_rollout_blame(struct bsc_service *service, enum bsc_status error, unsigned passed,
                       unsigned total)
{
    struct bsc_rollout_row *row = &service->rollout->row;
    bool back = row->kind == BSC_PLAN_ROLLBACK || row->kind == BSC_PLAN_REVERT;
    if (row->error != BSC_OK || row->walk.status == BSC_ROLLOUT_PROMOTED)
        return;
    row->error = back && error != BSC_TIMEOUT ? BSC_NO_ROLLBACK : error;
    row->passed = passed;
    row->total = total;
    service->rollout->dirty = true;
}

/* The first reason stays; what could not be undone is added to it. */
static void add_reason(struct bsc_rollout_row *row, const char *reason, bool undo_failed)
{
    size_t used = strlen(row->reason);
    if (!used)
        snprintf(row->reason, sizeof row->reason, "%s", reason);
    else if (undo_failed)
        snprintf(row->reason + used, sizeof row->reason - used, "; then undoing it: %s", reason);
}

void bsc_rollout_event(struct bsc_engine *engine, struct bsc_service *service,
                       enum bsc_walk_event event, const char *reason)
{
    const struct bsc_walk *walk = &service->rollout->row.walk;
    bool ran = walk->status == BSC_ROLLOUT_RUNNING;
    bsc_rollout_turn(engine, service, event, reason);
    if (ran && walk->status != BSC_ROLLOUT_RUNNING && walk->status != BSC_ROLLOUT_PROMOTED &&
        service->rollout->row.group.id)
        bsc_group_take_back(engine, service);
}

void bsc_rollout_turn(struct bsc_engine *engine, struct bsc_service *service,
                      enum bsc_walk_event event, const char *reason)
{
    struct bsc_rollout *rollout = service->rollout;
    struct bsc_walk *walk = &rollout->row.walk;
    bool undoing = walk->status == BSC_ROLLOUT_UNDOING;
    struct bsc_step *step =
        walk->cursor < rollout->row.plan.count ? &rollout->row.plan.steps[walk->cursor] : NULL;
    if (reason && *reason)
        add_reason(&rollout->row, reason, undoing && event == BSC_WALK_FAIL);
    char hook[BSC_ID_BYTES] = "";
    if (bsc_hook_runs(service))
        bsc_hook_id(rollout, undoing, hook);
    rollout->dirty = true;
    bsc_touch(engine, service);
    enum bsc_walk_action action = bsc_walk_handle(walk, &rollout->row.plan, event);
    if (!walk->paused) {
        rollout->row.paused_ms = 0;
        rollout->row.paused_by[0] = '\0';
    }
    if (action == BSC_ACT_NOTHING)
        return;
    if (step)
        leave_step(engine, service, step, hook);
    rollout->step_token = 0;
    rollout->step_answered = rollout->step_unknown = rollout->step_refused = false;
    rollout->step_until_ms = rollout->row.baked_ms = 0;
    rollout->overtime = false;
    rollout->step_began_ms = bsc_now(engine);
    rollout->waiting[0] = '\0';
    if (action == BSC_ACT_FINISH) {
        finish(engine, service);
        return;
    }
    if (action == BSC_ACT_HOLD)
        return;
    audit_step(engine, service, action == BSC_ACT_UNDO);
    if (action == BSC_ACT_STEP)
        bsc_step_begin(engine, service);
    else
        bsc_step_undo(engine, service);
}

/* Behind the commit there is nothing to undo: the split is a newer one, and what the proxies did
 * ends with it. */
void bsc_rollout_tripped(struct bsc_engine *engine, const struct bsc_event *event)
{
    struct bsc_service *service = bsc_service_find(engine, event->id);
    struct bsc_rollout *rollout = service ? service->rollout : NULL;
    const char *text = event->text ? event->text : "too many requests failed";
    if (!rollout || service->row.removed)
        return;
    bool now = bsc_rescues(service) && event->generation == service->row.generation;
    bool late = !bsc_stable_is_whole(service) && /* told while the rescuing ended */
                event->generation + 1 == service->row.generation;
    if (rollout->row.walk.status == BSC_ROLLOUT_RUNNING && (now || late)) {
        char reason[BSC_REASON_BYTES];
        snprintf(reason, sizeof reason, "rescue budget used up: %s", text);
        bsc_rollout_blame(service, BSC_FAILED, 0, 0);
        bsc_audit(engine, service, rollout->row.id, "tripped", NULL, "%s", reason)->error =
            rollout->row.error;
        bsc_rollout_event(engine, service, BSC_WALK_FAIL, reason);
    } else if (rollout->row.walk.status == BSC_ROLLOUT_PROMOTED &&
               event->generation + 1 == service->row.generation) {
        bsc_audit(engine, service, rollout->row.id, "tripped", NULL,
                  "rescue budget used up, too late to take it back: %s", text)
            ->error = BSC_FAILED;
        bsc_touch(engine, service);
    }
}

static enum bsc_verdict judge(struct bsc_engine *engine, struct bsc_service *service, char *reason,
                              size_t size)
{
    if (service->rollout->row.walk.status == BSC_ROLLOUT_UNDOING)
        return bsc_step_judge_undo(engine, service, reason, size);
    if (bsc_rollout_held(service))
        return bsc_step_judge_held(engine, service, reason, size);
    return bsc_step_judge(engine, service, reason, size);
}

static void walk_on(struct bsc_engine *engine, struct bsc_service *service)
{
    while (bsc_service_busy(service)) {
        struct bsc_rollout *rollout = service->rollout;
        char reason[BSC_REASON_BYTES] = "";
        enum bsc_verdict verdict = judge(engine, service, reason, sizeof reason);
        if (verdict == BSC_WAIT) {
            if (rollout->row.walk.paused) {
                char why[BSC_REASON_BYTES];
                snprintf(why, sizeof why, "%s", reason);
                bsc_rollout_pause_text(rollout, why, reason, sizeof reason);
            }
            if (strcmp(rollout->waiting, reason) != 0) {
                snprintf(rollout->waiting, sizeof rollout->waiting, "%s", reason);
                bsc_touch(engine, service);
            }
            return;
        }
        if (verdict == BSC_FAIL) {
            bsc_rollout_blame(service, BSC_FAILED, 0, 0); /* nothing more specific was said */
            bsc_audit(engine, service, rollout->row.id, "failed-step", NULL, "%s", reason)->error =
                rollout->row.error ? rollout->row.error : BSC_FAILED;
        }
        bsc_rollout_event(engine, service, verdict == BSC_DONE ? BSC_WALK_DONE : BSC_WALK_FAIL,
                          verdict == BSC_FAIL ? reason : NULL);
    }
}

void bsc_rollout_progress(struct bsc_engine *engine, struct bsc_service *service)
{
    do
        walk_on(engine, service);
    while (bsc_successor_begin(engine, service));
}

void bsc_rollout_resume(struct bsc_engine *engine, struct bsc_service *service)
{
    struct bsc_rollout *rollout = service->rollout;
    if (!bsc_service_busy(service))
        return;
    rollout->step_began_ms = bsc_now(engine);
    if (bsc_rollout_held(service))
        return;
    if (rollout->row.walk.status == BSC_ROLLOUT_UNDOING)
        bsc_step_undo(engine, service);
    else
        bsc_step_begin(engine, service);
}

int64_t bsc_rollout_next_ms(const struct bsc_service *service)
{
    if (!bsc_service_busy(service))
        return INT64_MAX;
    int64_t next_ms = bsc_queries_next_ms(service), until_ms = service->rollout->step_until_ms;
    int64_t round_ms = bsc_gate_next_ms(service);
    if (until_ms && until_ms < next_ms)
        next_ms = until_ms;
    return round_ms < next_ms ? round_ms : next_ms;
}
