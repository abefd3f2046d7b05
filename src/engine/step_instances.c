/* SPDX-License-Identifier: Apache-2.0
 * engine/step_instances.c - the steps that start, check, drain and stop instances, and their way
 * back. How many there should be says the plan: bsc_slot_wanted.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "engine/internal.h"

/* Some may be there: this step's, from before the controller was started anew, or earlier ones. */
void bsc_step_begin_start(struct bsc_engine *engine, struct bsc_service *service)
{
    const struct bsc_rollout_row *row = &service->rollout->row;
    bsc_instances_create(engine, service, bsc_release_find(service, row->release), row->slot,
                         bsc_slot_wanted(service, row->slot, row->release));
}

void bsc_step_progress(struct bsc_engine *engine, struct bsc_service *service)
{
    if (!bsc_rollout_open(service) || !service->rollout->step_until_ms)
        return;
    const struct bsc_step *step = bsc_step_current(service);
    if (step->kind == BSC_STEP_START && service->rollout->row.walk.status == BSC_ROLLOUT_RUNNING)
        service->rollout->step_until_ms = bsc_now(engine) + step->timeout_ms;
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

enum bsc_verdict bsc_step_fail_health(struct bsc_service *service)
{
    const struct bsc_rollout_row *row = &service->rollout->row;
    unsigned healthy, total;
    bsc_slot_healthy(service, row->slot, row->release, &healthy, &total);
    bsc_rollout_blame(service, BSC_UNHEALTHY, healthy, total);
    return BSC_FAIL;
}

/* It has a share of the traffic already, and nothing left that could answer. */
static bool broken_down(const struct bsc_service *service, char *reason, size_t size)
{
    const struct bsc_rollout_row *row = &service->rollout->row;
    unsigned healthy, total;
    bsc_slot_healthy(service, row->slot, row->release, &healthy, &total);
    bool serves = service->row.weight_bp[row->slot] || bsc_match_in_force(service);
    if (healthy || !serves || service->row.stable == row->slot)
        return false;
    snprintf(reason, size, "none of the instances in %s is healthy, and it has traffic",
             bsc_slot_name(row->slot));
    return true;
}

enum bsc_verdict bsc_step_judge_start(const struct bsc_engine *engine, struct bsc_service *service,
                                      char *reason, size_t size)
{
    const struct bsc_rollout *rollout = service->rollout;
    const struct bsc_instance *bad = hopeless(service);
    const char *progress = "";
    unsigned running = 0;
    for (size_t i = 0; i < service->instance_count; i++) {
        const struct bsc_instance *instance = &service->instances[i];
        if (instance->row.release != rollout->row.release ||
            instance->row.slot != rollout->row.slot)
            continue;
        running += instance->row.phase == BSC_INSTANCE_RUNNING;
        progress = instance->progress[0] ? instance->progress : progress;
    }
    if (bad) {
        hopeless_text(engine, service, bad, reason, size);
        return bsc_step_fail_health(service);
    }
    unsigned wanted = bsc_step_current(service)->instances;
    if (running >= wanted)
        return BSC_DONE;
    snprintf(reason, size, "%u of %u instances run%s%s", running, wanted, *progress ? "; " : "",
             progress);
    return bsc_step_expired(engine, rollout) ? bsc_step_fail_health(service) : BSC_WAIT;
}

/* Once, also when the step then waits. */
static void take_health(struct bsc_engine *engine, struct bsc_service *service)
{
    struct bsc_slots *slots = &service->row.slots;
    enum bsc_slot slot = service->rollout->row.slot;
    if (slots->state[slot] == BSC_SLOT_READY && slots->checked[slot])
        return;
    if (slots->state[slot] == BSC_SLOT_DEPLOYING)
        (void)!bsc_slots_apply(slots, BSC_SLOT_DEPLOYED, NULL);
    if (slots->live != slot)
        (void)!bsc_slots_apply(slots, BSC_SLOT_CHECK_PASSED, NULL);
    bsc_touch_row(engine, service);
}

enum bsc_verdict bsc_step_judge_check(struct bsc_engine *engine, struct bsc_service *service,
                                      char *reason, size_t size)
{
    const struct bsc_rollout *rollout = service->rollout;
    unsigned healthy, total;
    const struct bsc_instance *bad = hopeless(service);
    if (bad) {
        hopeless_text(engine, service, bad, reason, size);
        return bsc_step_fail_health(service);
    }
    if (broken_down(service, reason, size))
        return bsc_step_fail_health(service);
    if (bsc_slot_healthy(service, rollout->row.slot, rollout->row.release, &healthy, &total)) {
        take_health(engine, service);
        if (!bsc_preview_awaited(service) || bsc_step_expired(engine, rollout))
            return BSC_DONE;
        snprintf(reason, size,
                 "%u of %u instances healthy, and the proxy has not acknowledged "
                 "the preview",
                 healthy, total);
        return BSC_WAIT; /* who is told that it is there may look at once */
    }
    if (!bsc_step_expired(engine, rollout)) {
        snprintf(reason, size, "%u of %u instances healthy", healthy, total);
        return BSC_WAIT;
    }
    char limit[BSC_DURATION_BYTES], health[BSC_REASON_BYTES];
    bsc_slot_health_text(engine, service, rollout->row.slot, rollout->row.release, health,
                         sizeof health);
    snprintf(reason, size, "health check failed after %s: %s",
             bsc_duration_format(bsc_step_current(service)->timeout_ms, limit), health);
    return bsc_step_fail_health(service);
}

/* Was all that was started found healthy, so that whatever is not any more went down since? */
static bool checked(const struct bsc_rollout_row *row)
{
    for (unsigned i = row->walk.cursor; i-- > 0;)
        if (row->plan.steps[i].kind == BSC_STEP_CHECK || row->plan.steps[i].kind == BSC_STEP_START)
            return row->plan.steps[i].kind == BSC_STEP_CHECK;
    return false;
}

enum bsc_verdict bsc_step_judge_held(struct bsc_engine *engine, struct bsc_service *service,
                                     char *reason, size_t size)
{
    const struct bsc_rollout_row *row = &service->rollout->row;
    const struct bsc_instance *bad = hopeless(service);
    unsigned healthy, total;
    if (bad) {
        hopeless_text(engine, service, bad, reason, size);
        return bsc_step_fail_health(service);
    }
    if (broken_down(service, reason, size))
        return bsc_step_fail_health(service);
    if (!checked(row) || bsc_slot_healthy(service, row->slot, row->release, &healthy, &total))
        return BSC_WAIT;
    bsc_slot_health_text(engine, service, row->slot, row->release, reason, size);
    return bsc_step_fail_health(service);
}

/* Whatever the proxies did about a rescue ends with it: stable is about to lose instances. */
void bsc_step_begin_drain(struct bsc_engine *engine, struct bsc_service *service)
{
    if (bsc_step_current(service)->instances) {
        service->row.generation++;
        bsc_publish(engine, service, false);
        bsc_touch_row(engine, service);
        return; /* judging drains as many as may go */
    }
    bsc_instances_leave(engine, service, bsc_step_current(service)->slot);
    struct bsc_effect *effect = bsc_effect_add(engine, BSC_EFFECT_DRAIN, service);
    effect->token = service->rollout->step_token = bsc_token_next(engine, service);
}

static enum bsc_verdict judge_drain_all(struct bsc_engine *engine, struct bsc_service *service,
                                        char *reason, size_t size)
{
    const struct bsc_rollout *rollout = service->rollout;
    const struct bsc_step *step = bsc_step_current(service);
    if (rollout->step_answered || !step->timeout_ms)
        return BSC_DONE;
    if (bsc_step_expired(engine, rollout)) {
        bsc_audit(engine, service, rollout->row.id, "drain", NULL,
                  "requests were still in flight in %s at the deadline", bsc_slot_name(step->slot));
        return BSC_DONE;
    }
    snprintf(reason, size, "requests are in flight in %s", bsc_slot_name(step->slot));
    return BSC_WAIT;
}

/* How many healthy instances the service can spare, of both versions. */
static unsigned spare(const struct bsc_service *service)
{
    const struct bsc_rollout_row *row = &service->rollout->row;
    const struct bsc_release *release = bsc_release_find(service, row->release);
    const struct bsc_release *live =
        bsc_release_find(service, service->row.release[bsc_slot_other(row->slot)]);
    const struct bsc_release *how = row->kind == BSC_PLAN_REVERT && live ? live : release;
    unsigned healthy = 0;
    for (size_t i = 0; i < service->instance_count; i++)
        healthy += service->instances[i].row.phase == BSC_INSTANCE_RUNNING &&
                   service->instances[i].row.healthy;
    unsigned needed =
        bsc_spec_capacity(how->row.spec, bsc_spec_instances(release->row.spec, row->slot));
    return healthy > needed ? healthy - needed : 0;
}

/* A part of stable goes, as soon as the rest of both versions carries the traffic. */
static enum bsc_verdict judge_drain_some(struct bsc_engine *engine, struct bsc_service *service,
                                         char *reason, size_t size)
{
    enum bsc_slot slot = bsc_step_current(service)->slot;
    unsigned left = bsc_slot_wanted(service, slot, service->row.release[slot]);
    if (bsc_instances_staying(service, slot) > left)
        bsc_instances_shrink(engine, service, slot, left, spare(service));
    unsigned staying = bsc_instances_staying(service, slot);
    if (staying > left) {
        snprintf(reason, size, "%u more of %s can go when enough are healthy", staying - left,
                 bsc_slot_name(slot));
        return bsc_step_expired(engine, service->rollout) ? bsc_step_fail_health(service)
                                                          : BSC_WAIT;
    }
    service->rollout->step_until_ms = 0; /* each has a deadline of its own from here on */
    for (size_t i = 0; i < service->instance_count; i++)
        if (service->instances[i].row.slot == slot &&
            service->instances[i].row.phase == BSC_INSTANCE_DRAINING) {
            snprintf(reason, size, "requests are in flight in %s", bsc_slot_name(slot));
            return BSC_WAIT;
        }
    return BSC_DONE;
}

enum bsc_verdict bsc_step_judge_drain(struct bsc_engine *engine, struct bsc_service *service,
                                      char *reason, size_t size)
{
    return bsc_step_current(service)->instances ? judge_drain_some(engine, service, reason, size)
                                                : judge_drain_all(engine, service, reason, size);
}

static enum bsc_verdict await_stopped(const struct bsc_service *service, enum bsc_slot slot,
                                      unsigned wanted, char *reason, size_t size)
{
    unsigned count = bsc_instances_count(service, slot);
    if (count <= wanted)
        return BSC_DONE;
    snprintf(reason, size, "%u instance%s stopping", count - wanted,
             count - wanted == 1 ? " is" : "s are");
    return BSC_WAIT;
}

/* Of a part the drain has begun it. */
void bsc_step_begin_stop(struct bsc_engine *engine, struct bsc_service *service)
{
    const struct bsc_step *step = bsc_step_current(service);
    if (!step->instances)
        bsc_instances_retire(engine, service, step->slot, 0);
}

enum bsc_verdict bsc_step_judge_stop(struct bsc_engine *engine, struct bsc_service *service,
                                     char *reason, size_t size)
{
    const struct bsc_step *step = bsc_step_current(service);
    unsigned left = step->instances
                        ? bsc_slot_wanted(service, step->slot, service->row.release[step->slot])
                        : 0;
    if (await_stopped(service, step->slot, left, reason, size) == BSC_WAIT)
        return BSC_WAIT;
    if (service->rollout->row.walk.status == BSC_ROLLOUT_PROMOTED)
        bsc_staging_empty(engine, service);
    return BSC_DONE;
}

static unsigned candidates_wanted(const struct bsc_service *service)
{
    const struct bsc_rollout_row *row = &service->rollout->row;
    return bsc_slot_wanted(service, row->slot, row->release);
}

void bsc_step_undo_start(struct bsc_engine *engine, struct bsc_service *service)
{
    bsc_instances_shrink(engine, service, service->rollout->row.slot, candidates_wanted(service),
                         UINT_MAX);
}

enum bsc_verdict bsc_step_judge_undo_start(const struct bsc_service *service, char *reason,
                                           size_t size)
{
    return await_stopped(service, service->rollout->row.slot, candidates_wanted(service), reason,
                         size);
}

/* The time for it is that of what is started: the version that comes back. */
void bsc_step_restart(struct bsc_engine *engine, struct bsc_service *service)
{
    enum bsc_slot slot = bsc_step_current(service)->slot;
    uint64_t id = service->row.release[slot];
    const struct bsc_release *release = bsc_release_find(service, id);
    if (!release)
        return;
    bsc_instances_create(engine, service, release, slot, bsc_slot_wanted(service, slot, id));
    service->rollout->step_until_ms = bsc_now(engine) + release->row.spec->health.deadline_ms;
}

enum bsc_verdict bsc_step_judge_restart(const struct bsc_engine *engine,
                                        struct bsc_service *service, char *reason, size_t size)
{
    enum bsc_slot slot = bsc_step_current(service)->slot;
    unsigned healthy, wanted;
    bsc_slot_healthy(service, slot, service->row.release[slot], &healthy, &wanted);
    if (healthy >= wanted)
        return BSC_DONE;
    bsc_slot_health_text(engine, service, slot, service->row.release[slot], reason, size);
    return bsc_step_expired(engine, service->rollout) ? BSC_FAIL : BSC_WAIT;
}
