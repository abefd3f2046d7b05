/* SPDX-License-Identifier: Apache-2.0
 * engine/step.c - what each kind of step does, when it is done, and how it is undone.
 *
 * Judging only looks at what is so now, so it does not matter which event led there, and a step
 * that is begun again after a crash ends like one that was not interrupted.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "engine/internal.h"

struct bsc_step *bsc_step_current(const struct bsc_service *service)
{
    struct bsc_rollout *rollout = service->rollout;
    return &rollout->row.plan.steps[rollout->row.walk.cursor];
}

bool bsc_step_expired(const struct bsc_engine *engine, const struct bsc_rollout *rollout)
{
    return rollout->step_until_ms && bsc_now(engine) >= rollout->step_until_ms;
}

/* All the traffic makes the candidate live; for a part of it, it must be what could be switched to.
 */
static enum bsc_status take_traffic(struct bsc_service *service, const struct bsc_step *step,
                                    struct bsc_error *error)
{
    struct bsc_slots *slots = &service->row.slots;
    enum bsc_slot candidate = service->rollout->row.slot;
    if (slots->live == candidate)
        return BSC_OK;
    if (step->weight_bp < BSC_WEIGHT_FULL_BP)
        return bsc_slots_can(slots, BSC_SLOT_SWITCH, error);
    return bsc_slots_apply(
        slots, slots->state[candidate] == BSC_SLOT_STANDBY ? BSC_SLOT_ROLLBACK : BSC_SLOT_SWITCH,
        error);
}

static void begin_split(struct bsc_engine *engine, struct bsc_service *service)
{
    struct bsc_rollout *rollout = service->rollout;
    const struct bsc_step *step = bsc_step_current(service);
    struct bsc_error error;
    if (take_traffic(service, step, &error) != BSC_OK) {
        snprintf(rollout->row.reason, sizeof rollout->row.reason, "%s", error.text);
        bsc_rollout_blame(service, error.status, 0, 0);
        return; /* no token: judged as failed */
    }
    if (!bsc_weight_set(engine, service, rollout->row.slot, step->weight_bp) &&
        step->kind == BSC_STEP_MATCH)
        service->row.generation++; /* what the rules choose is counted from now on */
    rollout->step_token = bsc_publish(engine, service, false);
    bsc_touch_row(engine, service);
}

static void release_mark_live(struct bsc_engine *engine, struct bsc_service *service,
                              enum bsc_slot candidate, bool undo)
{
    struct bsc_release *release = bsc_release_find(service, service->row.release[candidate]);
    struct bsc_release *old =
        bsc_release_find(service, service->row.release[bsc_slot_other(candidate)]);
    release->row.live_ms = bsc_wall(engine);
    release->row.rejected = false;
    release->row.group = service->rollout->row.group.id;
    release->dirty = true;
    if (old && undo) {
        old->row.rejected = true;
        old->dirty = true;
    }
}

void bsc_standby_begin(struct bsc_engine *engine, struct bsc_service *service, enum bsc_slot slot)
{
    const struct bsc_release *release =
        bsc_release_find(service, service->row.release[bsc_slot_other(slot)]);
    int64_t standby_ms = release ? release->row.spec->deploy.standby_ms : 0;
    service->row.standby_until_ms = service->standby_at_ms = 0;
    if (service->row.slots.state[slot] != BSC_SLOT_STANDBY || !standby_ms)
        return;
    service->row.standby_until_ms = bsc_wall(engine) + standby_ms;
    service->standby_at_ms = bsc_now(engine) + standby_ms;
}

/* Nothing of it stands by: it is history, and what goes back to it starts it again. */
static void forget_stopped(struct bsc_engine *engine, struct bsc_service *service,
                           enum bsc_slot slot)
{
    if (!service->row.release[slot] || bsc_instances_staying(service, slot))
        return;
    if (service->record_dirty[slot]) {
        struct bsc_change *change = bsc_change_add(engine, BSC_PUT_RECORD);
        change->record.service = service->name;
        change->record.record = service->records[slot];
        service->record_dirty[slot] = false;
    }
    bsc_staging_empty(engine, service);
}

/* It was checked before, or its plan would not have come so far. */
static void take_over(struct bsc_engine *engine, struct bsc_service *service)
{
    enum bsc_slot candidate = service->rollout->row.slot;
    (void)!bsc_slots_apply(&service->row.slots, BSC_SLOT_SWITCH, NULL);
    service->records[candidate].switched_at_ms = bsc_wall(engine);
    bsc_weight_set(engine, service, candidate, BSC_WEIGHT_FULL_BP);
    bsc_publish(engine, service, false);
}

static void begin_commit(struct bsc_engine *engine, struct bsc_service *service)
{
    struct bsc_rollout *rollout = service->rollout;
    enum bsc_slot candidate = rollout->row.slot, old = bsc_slot_other(candidate);
    bool undo = rollout->row.kind == BSC_PLAN_ROLLBACK || rollout->row.kind == BSC_PLAN_REVERT;
    const struct bsc_release *release = bsc_release_find(service, rollout->row.release);
    if (service->row.slots.live != candidate) /* a worker: no split made it live */
        take_over(engine, service);
    if (bsc_rescues(service)) /* no more, and what the proxies may have done about it ends */
        service->row.generation++;
    if (bsc_rescues(service) || bsc_analysis_watches(service))
        bsc_publish(engine, service, false);
    bsc_analysis_end(rollout);
    bsc_trial_end(rollout);
    service->row.stable = candidate;
    release_mark_live(engine, service, candidate, undo);
    bsc_record_go_live(&service->records[candidate],
                       service->records[old].id ? &service->records[old] : NULL, undo,
                       bsc_wall(engine));
    service->record_dirty[candidate] = true;
    service->record_dirty[old] = service->records[old].id != 0;
    if (!service->row.release[old]) /* the first release: nothing was there before */
        (void)!bsc_slots_apply(&service->row.slots, BSC_SLOT_EMPTY, NULL);
    forget_stopped(engine, service, old);
    bsc_standby_begin(engine, service, old);
    rollout->row.ended_ms = bsc_wall(engine);
    bsc_audit(engine, service, rollout->row.id, "promoted", NULL, "%s is live in %s",
              bsc_version_text(release->row.spec), bsc_slot_name(candidate));
    bsc_touch_row(engine, service);
}

void bsc_step_begin(struct bsc_engine *engine, struct bsc_service *service)
{
    struct bsc_rollout *rollout = service->rollout;
    const struct bsc_step *step = bsc_step_current(service);
    if (step->timeout_ms)
        rollout->step_until_ms = bsc_now(engine) + step->timeout_ms;
    switch (step->kind) {
    case BSC_STEP_HOOK:
        bsc_hook_begin(engine, service, false);
        break;
    case BSC_STEP_START:
        bsc_step_begin_start(engine, service);
        break;
    case BSC_STEP_SPLIT:
    case BSC_STEP_MATCH:
        begin_split(engine, service);
        break;
    case BSC_STEP_BAKE:
        bsc_step_clock(engine, service);
        bsc_analysis_step(service);
        bsc_queries_begin(engine, service);
        break;
    case BSC_STEP_TRIAL:
        bsc_step_begin_trial(engine, service);
        break;
    case BSC_STEP_COMMIT:
        begin_commit(engine, service);
        break;
    case BSC_STEP_DRAIN:
        bsc_step_begin_drain(engine, service);
        break;
    case BSC_STEP_STOP:
        bsc_step_begin_stop(engine, service);
        break;
    case BSC_STEP_HOLD:
    case BSC_STEP_RESUME: /* that it began is what makes it so */
        rollout->step_token = bsc_publish(engine, service, false);
        break;
    case BSC_STEP_GATE:
        bsc_gate_begin(engine, service);
        break;
    case BSC_STEP_MIRROR:
        bsc_step_begin_mirror(engine, service);
        break;
    case BSC_STEP_CHECK:
    case BSC_STEP_FOLLOW:
    case BSC_STEP_MEET:
    case BSC_STEP_KIND_COUNT:
        break;
    }
}

static enum bsc_verdict judge_split(struct bsc_engine *engine, struct bsc_service *service,
                                    char *reason, size_t size)
{
    struct bsc_rollout *rollout = service->rollout;
    if (!rollout->step_token) {
        snprintf(reason, size, "%s", rollout->row.reason);
        return BSC_FAIL;
    }
    unsigned healthy, total;
    if (!bsc_slot_healthy(service, rollout->row.slot, rollout->row.release, &healthy, &total)) {
        bsc_slot_health_text(engine, service, rollout->row.slot, rollout->row.release, reason,
                             size);
        return bsc_step_fail_health(service); /* it went down meanwhile, or while nobody watched */
    }
    if (rollout->step_refused) {
        snprintf(reason, size, "the switch failed: %s", rollout->waiting);
        bsc_rollout_blame(service, BSC_NO_SWITCH, 0, 0);
        return BSC_FAIL;
    }
    if (bsc_published(service, rollout->step_token)) {
        if (bsc_step_current(service)->weight_bp < BSC_WEIGHT_FULL_BP)
            return BSC_DONE;
        service->records[rollout->row.slot].switched_at_ms = bsc_wall(engine);
        service->record_dirty[rollout->row.slot] = service->records[rollout->row.slot].id != 0;
        return BSC_DONE;
    }
    snprintf(reason, size, "the proxy has not acknowledged the switch");
    if (!bsc_step_expired(engine, rollout))
        return BSC_WAIT;
    char limit[BSC_DURATION_BYTES];
    snprintf(reason, size, "the switch timed out: the proxy has not acknowledged it within %s",
             bsc_duration_format(bsc_step_current(service)->timeout_ms, limit));
    bsc_rollout_blame(service, BSC_TIMEOUT, 0, 0);
    return BSC_FAIL;
}

void bsc_split_refused(struct bsc_service *service, const struct bsc_event *event)
{
    struct bsc_rollout *rollout = service->rollout;
    if (!bsc_rollout_open(service) || rollout->row.walk.status != BSC_ROLLOUT_RUNNING ||
        rollout->step_token != event->token)
        return;
    enum bsc_step_kind kind = bsc_step_current(service)->kind;
    if (kind != BSC_STEP_SPLIT && kind != BSC_STEP_MATCH)
        return;
    rollout->step_refused = true;
    snprintf(rollout->waiting, sizeof rollout->waiting, "%s",
             event->text ? event->text : "the proxy did not take it");
}

static enum bsc_verdict judge_bake(struct bsc_engine *engine, struct bsc_service *service,
                                   char *reason, size_t size)
{
    const struct bsc_rollout *rollout = service->rollout;
    char said[BSC_REASON_BYTES];
    unsigned healthy, total;
    if (!bsc_slot_healthy(service, rollout->row.slot, rollout->row.release, &healthy, &total)) {
        bsc_slot_health_text(engine, service, rollout->row.slot, rollout->row.release, reason,
                             size);
        return bsc_step_fail_health(service);
    }
    enum bsc_query_state queries = bsc_queries_judge(engine, service, said, sizeof said);
    if (queries == BSC_QUERY_FAILED) {
        snprintf(reason, size, "%s", said);
        bsc_rollout_blame(service, BSC_FAILED, 0, 0);
        return BSC_FAIL;
    }
    bool answered = queries == BSC_QUERY_PASSED;
    int used = snprintf(reason, size, "watching, %u of %u instances healthy%s%.100s", healthy,
                        total, answered ? "" : "; ", said);
    return bsc_analysis_bake(engine, service, bsc_step_expired(engine, rollout), answered,
                             reason + used, size - (size_t)used);
}

/* On the way back there is no limit of time: the proxies are told until they take it. */
static enum bsc_verdict judge_hold(const struct bsc_engine *engine, struct bsc_service *service,
                                   char *reason, size_t size)
{
    const struct bsc_rollout *rollout = service->rollout;
    bool held = bsc_plan_holds(&rollout->row.plan);
    if (bsc_published(service, rollout->step_token))
        return BSC_DONE;
    snprintf(reason, size, "the proxy has not acknowledged that requests %s",
             held ? "are held" : "go on");
    if (!bsc_step_expired(engine, rollout))
        return BSC_WAIT;
    bsc_rollout_blame(service, BSC_TIMEOUT, 0, 0);
    return BSC_FAIL;
}

enum bsc_verdict bsc_step_judge(struct bsc_engine *engine, struct bsc_service *service,
                                char *reason, size_t size)
{
    switch (bsc_step_current(service)->kind) {
    case BSC_STEP_HOOK:
        return bsc_hook_judge(engine, service, reason, size);
    case BSC_STEP_START:
        return bsc_step_judge_start(engine, service, reason, size);
    case BSC_STEP_CHECK:
        return bsc_step_judge_check(engine, service, reason, size);
    case BSC_STEP_SPLIT:
    case BSC_STEP_MATCH:
        return judge_split(engine, service, reason, size);
    case BSC_STEP_BAKE:
        return judge_bake(engine, service, reason, size);
    case BSC_STEP_MIRROR:
        return bsc_step_judge_mirror(engine, service, reason, size);
    case BSC_STEP_TRIAL:
        return bsc_step_judge_trial(engine, service, reason, size);
    case BSC_STEP_DRAIN:
        return bsc_step_judge_drain(engine, service, reason, size);
    case BSC_STEP_STOP:
        return bsc_step_judge_stop(engine, service, reason, size);
    case BSC_STEP_HOLD:
    case BSC_STEP_RESUME:
        return judge_hold(engine, service, reason, size);
    case BSC_STEP_GATE:
        return bsc_gate_judge(engine, service, reason, size);
    case BSC_STEP_FOLLOW:
    case BSC_STEP_MEET:
        return bsc_group_judge(engine, service, reason, size);
    case BSC_STEP_COMMIT:
    case BSC_STEP_KIND_COUNT:
        break;
    }
    return BSC_DONE;
}

/* `weight_bp` is left to the candidate. */
static void give_back(struct bsc_engine *engine, struct bsc_service *service, unsigned weight_bp)
{
    struct bsc_rollout *rollout = service->rollout;
    struct bsc_slots *slots = &service->row.slots;
    if (slots->live == rollout->row.slot)
        (void)!bsc_slots_apply(slots, BSC_SLOT_ROLLBACK, NULL);
    if (!bsc_weight_set(engine, service, rollout->row.slot, weight_bp))
        service->row.generation++; /* match rules end with it */
    rollout->step_token = bsc_publish(engine, service, !weight_bp);
    bsc_touch_row(engine, service);
}

void bsc_step_undo(struct bsc_engine *engine, struct bsc_service *service)
{
    struct bsc_rollout *rollout = service->rollout;
    switch (bsc_step_current(service)->undo) {
    case BSC_UNDO_STOP:
        bsc_step_undo_start(engine, service);
        break;
    case BSC_UNDO_SPLIT:
        give_back(engine, service, 0);
        break;
    case BSC_UNDO_SHARE:
        give_back(engine, service,
                  bsc_plan_share_before(&rollout->row.plan, rollout->row.walk.cursor));
        break;
    case BSC_UNDO_HOOK:
        bsc_hook_begin(engine, service, true);
        break;
    case BSC_UNDO_RESTART:
        bsc_step_restart(engine, service);
        break;
    case BSC_UNDO_RESUME:
    case BSC_UNDO_HOLD:
    case BSC_UNDO_MIRROR:
        rollout->step_token = bsc_publish(engine, service, false);
        break;
    case BSC_UNDO_NOTHING:
    case BSC_UNDO_COUNT:
        break;
    }
}

enum bsc_verdict bsc_step_judge_undo(struct bsc_engine *engine, struct bsc_service *service,
                                     char *reason, size_t size)
{
    struct bsc_rollout *rollout = service->rollout;
    switch (bsc_step_current(service)->undo) {
    case BSC_UNDO_STOP:
        return bsc_step_judge_undo_start(service, reason, size);
    case BSC_UNDO_SPLIT:
    case BSC_UNDO_SHARE:
        snprintf(reason, size, "the proxy has not acknowledged that the traffic went back");
        return bsc_published(service, rollout->step_token) ? BSC_DONE : BSC_WAIT;
    case BSC_UNDO_HOOK:
        return bsc_hook_judge(engine, service, reason, size);
    case BSC_UNDO_RESTART:
        return bsc_step_judge_restart(engine, service, reason, size);
    case BSC_UNDO_MIRROR:
        snprintf(reason, size, "the proxy has not acknowledged that nothing is copied any more");
        return bsc_published(service, rollout->step_token) ? BSC_DONE : BSC_WAIT;
    case BSC_UNDO_RESUME:
    case BSC_UNDO_HOLD:
        return judge_hold(engine, service, reason, size);
    case BSC_UNDO_NOTHING:
    case BSC_UNDO_COUNT:
        break;
    }
    return BSC_DONE;
}
