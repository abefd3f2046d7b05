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

/* A hook's own time limit is kept by its shim; this is for a shim that does not answer. */
static const int64_t hook_spare_ms = 30000;

static struct bsc_step *current(const struct bsc_service *service)
{
    struct bsc_rollout *rollout = service->rollout;
    return &rollout->row.plan.steps[rollout->row.walk.cursor];
}

static bool expired(const struct bsc_engine *engine, const struct bsc_rollout *rollout)
{
    return rollout->step_until_ms && bsc_now(engine) >= rollout->step_until_ms;
}

void bsc_hook_id(const struct bsc_rollout *rollout, bool undo, char out[static BSC_ID_BYTES])
{
    const struct bsc_step *step = &rollout->row.plan.steps[rollout->row.walk.cursor];
    snprintf(out, BSC_ID_BYTES, "%s-hook-%llu-%u%s", rollout->row.service,
             (unsigned long long)rollout->row.id, (unsigned)(step - rollout->row.plan.steps),
             undo ? "-undo" : "");
}

/* Its end is told whoever started it; the token says that it is waited for. */
void bsc_hook_await(struct bsc_engine *engine, struct bsc_service *service)
{
    struct bsc_rollout *rollout = service->rollout;
    int64_t limit_ms = current(service)->timeout_ms;
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

/* The slot is empty, or holds what this step created before the controller was started anew. */
static void begin_start(struct bsc_engine *engine, struct bsc_service *service)
{
    const struct bsc_rollout_row *row = &service->rollout->row;
    const struct bsc_release *release = bsc_release_find(service, row->release);
    if (!bsc_instances_count(service, row->slot))
        bsc_instances_create(engine, service, release, row->slot);
}

static void begin_split(struct bsc_engine *engine, struct bsc_service *service)
{
    struct bsc_rollout *rollout = service->rollout;
    struct bsc_slots *slots = &service->row.slots;
    const struct bsc_step *step = current(service);
    if (slots->live != rollout->row.slot) {
        struct bsc_error error;
        enum bsc_slot_event event = slots->state[rollout->row.slot] == BSC_SLOT_STANDBY
                                        ? BSC_SLOT_ROLLBACK
                                        : BSC_SLOT_SWITCH;
        if (bsc_slots_apply(slots, event, &error) != BSC_OK) {
            snprintf(rollout->row.reason, sizeof rollout->row.reason, "%s", error.text);
            bsc_rollout_blame(service, error.status, 0, 0);
            return; /* no token: judged as failed */
        }
    }
    bsc_weight_set(engine, service, rollout->row.slot, step->weight_bp);
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

static void begin_commit(struct bsc_engine *engine, struct bsc_service *service)
{
    struct bsc_rollout *rollout = service->rollout;
    enum bsc_slot candidate = rollout->row.slot, old = bsc_slot_other(candidate);
    bool undo = rollout->row.kind == BSC_PLAN_ROLLBACK || rollout->row.kind == BSC_PLAN_REVERT;
    const struct bsc_release *release = bsc_release_find(service, rollout->row.release);
    if (bsc_rescues(service)) { /* no more, and what the proxies may have done about it ends */
        service->row.generation++;
        bsc_publish(engine, service, false);
    }
    service->row.stable = candidate;
    release_mark_live(engine, service, candidate, undo);
    bsc_record_go_live(&service->records[candidate],
                       service->records[old].id ? &service->records[old] : NULL, undo,
                       bsc_wall(engine));
    service->record_dirty[candidate] = true;
    service->record_dirty[old] = service->records[old].id != 0;
    if (!service->row.release[old]) /* the first release: nothing was there before */
        (void)!bsc_slots_apply(&service->row.slots, BSC_SLOT_EMPTY, NULL);
    bsc_standby_begin(engine, service, old);
    rollout->row.ended_ms = bsc_wall(engine);
    bsc_audit(engine, service, rollout->row.id, "promoted", NULL, "%s is live in %s",
              bsc_version_text(release->row.spec), bsc_slot_name(candidate));
    bsc_touch_row(engine, service);
}

static void begin_drain(struct bsc_engine *engine, struct bsc_service *service)
{
    struct bsc_effect *effect = bsc_effect_add(engine, BSC_EFFECT_DRAIN, service);
    effect->token = service->rollout->step_token = bsc_token_next(engine, service);
}

void bsc_step_begin(struct bsc_engine *engine, struct bsc_service *service)
{
    struct bsc_rollout *rollout = service->rollout;
    const struct bsc_step *step = current(service);
    if (step->timeout_ms)
        rollout->step_until_ms = bsc_now(engine) + step->timeout_ms;
    switch (step->kind) {
    case BSC_STEP_HOOK:
        bsc_hook_begin(engine, service, false);
        break;
    case BSC_STEP_START:
        begin_start(engine, service);
        break;
    case BSC_STEP_SPLIT:
        begin_split(engine, service);
        break;
    case BSC_STEP_BAKE:
        rollout->step_until_ms = bsc_now(engine) + step->duration_ms;
        break;
    case BSC_STEP_COMMIT:
        begin_commit(engine, service);
        break;
    case BSC_STEP_DRAIN:
        begin_drain(engine, service);
        break;
    case BSC_STEP_STOP:
        bsc_instances_retire(engine, service, step->slot, 0);
        break;
    default:
        break;
    }
}

/* An instance of the candidate that will not come up whatever one waits. */
static const struct bsc_instance *hopeless(const struct bsc_service *service)
{
    const struct bsc_rollout_row *row = &service->rollout->row;
    for (size_t i = 0; i < service->instance_count; i++) {
        const struct bsc_instance *instance = &service->instances[i];
        if (instance->row.release != row->release || instance->row.slot != row->slot)
            continue;
        if (instance->never_started || instance->exits >= BSC_EXITS_MAX ||
            (instance->row.phase == BSC_INSTANCE_RESTARTING &&
             instance->restart_at_ms == INT64_MAX))
            return instance;
    }
    return NULL;
}

static void hopeless_text(const struct bsc_engine *engine, const struct bsc_service *service,
                          const struct bsc_instance *instance, char *reason, size_t size)
{
    char tail[BSC_TAIL_BYTES];
    bsc_tail(engine, bsc_instance_spec(service, instance)->runtime, instance->row.id, tail);
    snprintf(reason, size, "%s %s%s%s%s", instance->row.id,
             instance->never_started ? "could not be started: " : "", instance->last_exit,
             instance->exits > 1 ? " (again and again)" : "", tail[0] ? "" : "; it wrote nothing");
    size_t used = strlen(reason);
    if (tail[0] && used < size)
        snprintf(reason + used, size - used, "; its last output:\n%s", tail);
}

/* The candidate is not as healthy as it must be: the rollout fails for that. */
static enum bsc_verdict fail_health(struct bsc_service *service)
{
    const struct bsc_rollout_row *row = &service->rollout->row;
    unsigned healthy, total;
    bsc_slot_healthy(service, row->slot, row->release, &healthy, &total);
    bsc_rollout_blame(service, BSC_UNHEALTHY, healthy, total);
    return BSC_FAIL;
}

static enum bsc_verdict judge_start(const struct bsc_engine *engine, struct bsc_service *service,
                                    char *reason, size_t size)
{
    const struct bsc_rollout *rollout = service->rollout;
    const struct bsc_instance *bad = hopeless(service);
    unsigned running = 0;
    for (size_t i = 0; i < service->instance_count; i++) {
        const struct bsc_instance *instance = &service->instances[i];
        running += instance->row.release == rollout->row.release &&
                   instance->row.slot == rollout->row.slot &&
                   instance->row.phase == BSC_INSTANCE_RUNNING;
    }
    if (bad) {
        hopeless_text(engine, service, bad, reason, size);
        return fail_health(service);
    }
    unsigned wanted = current(service)->instances;
    if (running >= wanted)
        return BSC_DONE;
    snprintf(reason, size, "%u of %u instances run", running, wanted);
    return expired(engine, rollout) ? fail_health(service) : BSC_WAIT;
}

static enum bsc_verdict judge_check(struct bsc_engine *engine, struct bsc_service *service,
                                    char *reason, size_t size)
{
    const struct bsc_rollout *rollout = service->rollout;
    unsigned healthy, total;
    const struct bsc_instance *bad = hopeless(service);
    if (bad) {
        hopeless_text(engine, service, bad, reason, size);
        return fail_health(service);
    }
    if (bsc_slot_healthy(service, rollout->row.slot, rollout->row.release, &healthy, &total)) {
        if (service->row.slots.state[rollout->row.slot] == BSC_SLOT_DEPLOYING)
            (void)!bsc_slots_apply(&service->row.slots, BSC_SLOT_DEPLOYED, NULL);
        (void)!bsc_slots_apply(&service->row.slots, BSC_SLOT_CHECK_PASSED, NULL);
        bsc_touch_row(engine, service);
        return BSC_DONE;
    }
    if (!expired(engine, rollout)) {
        snprintf(reason, size, "%u of %u instances healthy", healthy, total);
        return BSC_WAIT;
    }
    char limit[BSC_DURATION_BYTES], health[BSC_REASON_BYTES];
    bsc_slot_health_text(engine, service, rollout->row.slot, rollout->row.release, health,
                         sizeof health);
    snprintf(reason, size, "health check failed after %s: %s",
             bsc_duration_format(current(service)->timeout_ms, limit), health);
    return fail_health(service);
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
        return fail_health(service); /* it went down meanwhile, or while nobody watched */
    }
    if (rollout->step_refused) {
        snprintf(reason, size, "the switch failed: %s", rollout->waiting);
        bsc_rollout_blame(service, BSC_NO_SWITCH, 0, 0);
        return BSC_FAIL;
    }
    if (bsc_published(service, rollout->step_token)) {
        service->records[rollout->row.slot].switched_at_ms = bsc_wall(engine);
        service->record_dirty[rollout->row.slot] = service->records[rollout->row.slot].id != 0;
        return BSC_DONE;
    }
    snprintf(reason, size, "the proxy has not acknowledged the switch");
    if (!expired(engine, rollout))
        return BSC_WAIT;
    char limit[BSC_DURATION_BYTES];
    snprintf(reason, size, "the switch timed out: the proxy has not acknowledged it within %s",
             bsc_duration_format(current(service)->timeout_ms, limit));
    bsc_rollout_blame(service, BSC_TIMEOUT, 0, 0);
    return BSC_FAIL;
}

void bsc_split_refused(struct bsc_service *service, const struct bsc_event *event)
{
    struct bsc_rollout *rollout = service->rollout;
    if (!bsc_rollout_open(service) || rollout->row.walk.status != BSC_ROLLOUT_RUNNING ||
        rollout->step_token != event->token || current(service)->kind != BSC_STEP_SPLIT)
        return;
    rollout->step_refused = true;
    snprintf(rollout->waiting, sizeof rollout->waiting, "%s",
             event->text ? event->text : "the proxy did not take it");
}

static enum bsc_verdict judge_bake(struct bsc_engine *engine, struct bsc_service *service,
                                   char *reason, size_t size)
{
    const struct bsc_rollout *rollout = service->rollout;
    unsigned healthy, total;
    if (!bsc_slot_healthy(service, rollout->row.slot, rollout->row.release, &healthy, &total)) {
        bsc_slot_health_text(engine, service, rollout->row.slot, rollout->row.release, reason,
                             size);
        return fail_health(service);
    }
    if (expired(engine, rollout))
        return BSC_DONE;
    snprintf(reason, size, "watching, %u of %u instances healthy", healthy, total);
    return BSC_WAIT;
}

static enum bsc_verdict judge_drain(struct bsc_engine *engine, struct bsc_service *service,
                                    char *reason, size_t size)
{
    const struct bsc_rollout *rollout = service->rollout;
    const struct bsc_step *step = current(service);
    if (rollout->step_answered || !step->timeout_ms)
        return BSC_DONE;
    if (expired(engine, rollout)) {
        bsc_audit(engine, service, rollout->row.id, "drain", NULL,
                  "requests were still in flight in %s at the deadline", bsc_slot_name(step->slot));
        return BSC_DONE;
    }
    snprintf(reason, size, "requests are in flight in %s", bsc_slot_name(step->slot));
    return BSC_WAIT;
}

static void stopping_text(unsigned left, char *reason, size_t size)
{
    snprintf(reason, size, "%u instance%s stopping", left, left == 1 ? " is" : "s are");
}

static enum bsc_verdict judge_stop(struct bsc_engine *engine, struct bsc_service *service,
                                   char *reason, size_t size)
{
    const struct bsc_step *step = current(service);
    unsigned left = bsc_instances_count(service, step->slot);
    if (left) {
        stopping_text(left, reason, size);
        return BSC_WAIT;
    }
    if (step->slot != service->rollout->row.slot)
        bsc_staging_empty(engine, service);
    return BSC_DONE;
}

static enum bsc_verdict judge_hook(struct bsc_engine *engine, struct bsc_service *service,
                                   char *reason, size_t size)
{
    struct bsc_rollout *rollout = service->rollout;
    if (rollout->step_unknown)
        snprintf(reason, size,
                 "the machine went down while the %s hook ran: look whether it did its work; "
                 "'bascule abort %s' ends the rollout",
                 bsc_hook_name(current(service)->hook), service->name);
    else
        snprintf(reason, size, "the %s hook runs", bsc_hook_name(current(service)->hook));
    if (rollout->step_answered)
        snprintf(reason, size, "the %s hook failed: %s", bsc_hook_name(current(service)->hook),
                 rollout->waiting);
    if (rollout->step_answered)
        return rollout->waiting[0] ? BSC_FAIL : BSC_DONE;
    if (!expired(engine, rollout))
        return BSC_WAIT;
    if (!rollout->step_unknown)
        snprintf(reason, size, "the %s hook did not end in time",
                 bsc_hook_name(current(service)->hook));
    bsc_rollout_blame(service, BSC_TIMEOUT, 0, 0);
    return BSC_FAIL;
}

enum bsc_verdict bsc_step_judge(struct bsc_engine *engine, struct bsc_service *service,
                                char *reason, size_t size)
{
    switch (current(service)->kind) {
    case BSC_STEP_HOOK:
        return judge_hook(engine, service, reason, size);
    case BSC_STEP_START:
        return judge_start(engine, service, reason, size);
    case BSC_STEP_CHECK:
        return judge_check(engine, service, reason, size);
    case BSC_STEP_SPLIT:
        return judge_split(engine, service, reason, size);
    case BSC_STEP_BAKE:
        return judge_bake(engine, service, reason, size);
    case BSC_STEP_DRAIN:
        return judge_drain(engine, service, reason, size);
    case BSC_STEP_STOP:
        return judge_stop(engine, service, reason, size);
    case BSC_STEP_COMMIT:
    case BSC_STEP_KIND_COUNT:
        break;
    }
    return BSC_DONE;
}

void bsc_step_undo(struct bsc_engine *engine, struct bsc_service *service)
{
    struct bsc_rollout *rollout = service->rollout;
    struct bsc_slots *slots = &service->row.slots;
    switch (current(service)->undo) {
    case BSC_UNDO_STOP:
        bsc_instances_retire(engine, service, rollout->row.slot, 0);
        break;
    case BSC_UNDO_SPLIT:
        if (slots->live == rollout->row.slot)
            (void)!bsc_slots_apply(slots, BSC_SLOT_ROLLBACK, NULL);
        bsc_weight_set(engine, service, service->row.stable, BSC_WEIGHT_FULL_BP);
        rollout->step_token = bsc_publish(engine, service, true);
        bsc_touch_row(engine, service);
        break;
    case BSC_UNDO_HOOK:
        bsc_hook_begin(engine, service, true);
        break;
    case BSC_UNDO_NOTHING:
        break;
    }
}

enum bsc_verdict bsc_step_judge_undo(struct bsc_engine *engine, struct bsc_service *service,
                                     char *reason, size_t size)
{
    struct bsc_rollout *rollout = service->rollout;
    unsigned left;
    switch (current(service)->undo) {
    case BSC_UNDO_STOP:
        left = bsc_instances_count(service, rollout->row.slot);
        stopping_text(left, reason, size);
        return left ? BSC_WAIT : BSC_DONE;
    case BSC_UNDO_SPLIT:
        snprintf(reason, size, "the proxy has not acknowledged that the traffic went back");
        return bsc_published(service, rollout->step_token) ? BSC_DONE : BSC_WAIT;
    case BSC_UNDO_HOOK:
        return judge_hook(engine, service, reason, size);
    case BSC_UNDO_NOTHING:
        break;
    }
    return BSC_DONE;
}

/* The end of a hook. One that nobody waits for any more was stopped by an abort. */
void bsc_hook_exited(struct bsc_engine *engine, struct bsc_service *service,
                     const struct bsc_event *event)
{
    struct bsc_rollout *rollout = service->rollout;
    char id[BSC_ID_BYTES] = "", how[128];
    bool busy = bsc_service_busy(service);
    if (busy && current(service)->kind == BSC_STEP_HOOK)
        bsc_hook_id(rollout, rollout->row.walk.status == BSC_ROLLOUT_UNDOING, id);
    if (busy && !strcmp(id, event->id) && !rollout->step_answered) {
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
