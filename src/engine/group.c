/* SPDX-License-Identifier: Apache-2.0
 * engine/group.c - services that are released together: all of them or none.
 *
 * A group has no state of its own. Each member walks its own plan, and the rollouts name the group.
 * Members wait for one another at the steps FOLLOW and MEET, from which only this file leads on,
 * and it leads all of them on in one event: so one transaction has the splits of all, or their
 * commits. The same way one member that turns back turns all. A crash finds them on the same side
 * of it.
 */
#include <stdio.h>
#include <string.h>

#include "engine/internal.h"

uint64_t bsc_group_of(const struct bsc_service *service)
{
    return bsc_rollout_open(service) ? service->rollout->row.group.id : 0;
}

bool bsc_group_awaits(const struct bsc_service *service)
{
    return service->row.next.group.id && !bsc_rollout_open(service);
}

static bool runs(const struct bsc_service *service)
{
    return service->rollout->row.walk.status == BSC_ROLLOUT_RUNNING;
}

/* Has it begun to wait in a step of this kind? */
static bool stands_at(const struct bsc_service *service, enum bsc_step_kind kind)
{
    const struct bsc_step *step = bsc_step_current(service);
    return runs(service) && step->kind == kind && step->state == BSC_STEP_RUNNING;
}

/* The first one that `service` must wait for; NULL: it need not wait any more. */
static const struct bsc_service *awaited_first(const struct bsc_engine *engine,
                                               const struct bsc_service *service)
{
    const struct bsc_strings *names = &service->row.spec->depends_on;
    for (unsigned i = 0; i < names->count; i++) {
        const struct bsc_service *below = bsc_service_find(engine, names->items[i]);
        if (!below || bsc_group_of(below) != bsc_group_of(service))
            continue;
        const struct bsc_rollout_row *row = &below->rollout->row;
        if (!runs(below) || !bsc_plan_has_met(&row->plan, row->walk.cursor))
            return below;
    }
    return NULL;
}

/* A member that does not stand at a meeting; NULL: all of them do. */
static const struct bsc_service *missing(const struct bsc_engine *engine, uint64_t group)
{
    for (const struct bsc_service *s = engine->services; s; s = s->next)
        if (bsc_group_of(s) == group && !stands_at(s, BSC_STEP_MEET))
            return s;
    return NULL;
}

/* Was found healthy and is not any more. */
static bool fell_ill(const struct bsc_engine *engine, const struct bsc_service *service,
                     char *reason, size_t size)
{
    const struct bsc_rollout_row *row = &service->rollout->row;
    unsigned healthy, total;
    if (bsc_slot_healthy(service, row->slot, row->release, &healthy, &total))
        return false;
    bsc_slot_health_text(engine, service, row->slot, row->release, reason, size);
    return true;
}

enum bsc_verdict bsc_group_judge(struct bsc_engine *engine, struct bsc_service *service,
                                 char *reason, size_t size)
{
    bool follows = bsc_step_current(service)->kind == BSC_STEP_FOLLOW;
    const struct bsc_service *other =
        follows ? awaited_first(engine, service) : missing(engine, bsc_group_of(service));
    char step[160];
    if (!follows && fell_ill(engine, service, reason, size))
        return bsc_step_fail_health(service);
    if (!other)
        return BSC_WAIT; /* in this very event: see bsc_groups_progress */
    bsc_step_describe(bsc_step_current(other), step, sizeof step);
    snprintf(reason, size, "waits for %s: %s", other->name, step);
    return BSC_WAIT;
}

/* All of them pass the step in one transaction. */
static void pass(struct bsc_engine *engine, uint64_t group)
{
    for (struct bsc_service *s = engine->services; s; s = s->next)
        if (bsc_group_of(s) == group)
            bsc_rollout_event(engine, s, BSC_WALK_DONE, NULL);
    for (struct bsc_service *s = engine->services; s; s = s->next)
        if (s->rollout && s->rollout->row.group.id == group)
            bsc_rollout_progress(engine, s);
}

/* Did it get anywhere? */
static bool progress_member(struct bsc_engine *engine, struct bsc_service *service)
{
    const struct bsc_rollout *rollout = service->rollout;
    const struct bsc_walk before = rollout->row.walk;
    if (bsc_rollout_open(service) && stands_at(service, BSC_STEP_FOLLOW) &&
        !awaited_first(engine, service))
        bsc_rollout_event(engine, service, BSC_WALK_DONE, NULL);
    bsc_rollout_progress(engine, service); /* what it waits for may be another by now */
    return service->rollout != rollout || rollout->row.walk.cursor != before.cursor ||
           rollout->row.walk.status != before.status;
}

static bool progress_group(struct bsc_engine *engine, uint64_t group)
{
    bool moved = false, open = false;
    for (struct bsc_service *s = engine->services; s; s = s->next)
        if (!s->gone && bsc_service_busy(s) && s->rollout->row.group.id == group)
            moved = progress_member(engine, s) || moved;
    for (struct bsc_service *s = engine->services; s && !open; s = s->next)
        open = bsc_group_of(s) == group;
    if (moved || !open || missing(engine, group))
        return moved;
    pass(engine, group);
    return true;
}

bool bsc_groups_progress(struct bsc_engine *engine)
{
    uint64_t last = 0;
    bool moved = false;
    for (size_t i = 0; i < engine->touched_count; i++) {
        const struct bsc_service *service = engine->touched[i];
        uint64_t group =
            !service->gone && bsc_service_busy(service) ? service->rollout->row.group.id : 0;
        if (!group || group == last)
            continue;
        last = group;
        moved = progress_group(engine, group) || moved;
    }
    return moved;
}

void bsc_group_take_back(struct bsc_engine *engine, const struct bsc_service *member)
{
    const struct bsc_rollout_row *row = &member->rollout->row;
    static const enum bsc_walk_event events[BSC_ROLLOUT_STATUS_COUNT] = {
        [BSC_ROLLOUT_CANCELLED] = BSC_WALK_CANCEL,
        [BSC_ROLLOUT_SUPERSEDED] = BSC_WALK_SUPERSEDE,
        [BSC_ROLLOUT_ROLLED_BACK] = BSC_WALK_ROLL_BACK,
        [BSC_ROLLOUT_FAILED] = BSC_WALK_ROLL_BACK,
    };
    enum bsc_rollout_status ending =
        row->walk.status == BSC_ROLLOUT_UNDOING ? row->walk.ending : row->walk.status;
    char reason[BSC_REASON_BYTES];
    snprintf(reason, sizeof reason, "taken back together with %s: %.*s", member->name,
             (int)sizeof reason / 2, row->reason);
    for (struct bsc_service *s = engine->services; s; s = s->next) {
        if (s == member || bsc_group_of(s) != row->group.id || !runs(s))
            continue;
        if (row->error != BSC_OK)
            bsc_rollout_blame(s, BSC_FAILED, 0, 0);
        bool ends = ending == BSC_ROLLOUT_SUPERSEDED && !s->row.next.rollout; /* nothing follows */
        bsc_rollout_turn(engine, s, ends ? BSC_WALK_ROLL_BACK : events[ending], reason);
    }
}

static bool waits(const struct bsc_service *service, uint64_t group)
{
    return service->row.next.group.id == group;
}

/* Why they can't begin; BSC_OK: they can. */
static enum bsc_status successors_check(const struct bsc_engine *engine, uint64_t group,
                                        struct bsc_error *error)
{
    for (const struct bsc_service *s = engine->services; s; s = s->next) {
        const struct bsc_release *release =
            waits(s, group) ? bsc_release_find(s, s->row.next.release) : NULL;
        if (!waits(s, group))
            continue;
        if (!release)
            return bsc_error_set(error, BSC_STATE, "the release of %s is not kept any more",
                                 s->name);
        if (bsc_plan_check(s, s->row.next.kind, release->row.spec, true, error) != BSC_OK)
            return bsc_error_wrap(error, "%s", s->name);
    }
    return BSC_OK;
}

bool bsc_group_successors_begin(struct bsc_engine *engine, uint64_t group)
{
    struct bsc_error error;
    struct bsc_service *first = NULL;
    for (struct bsc_service *s = engine->services; s; s = s->next) {
        if (waits(s, group) && bsc_rollout_open(s))
            return false;
        if (waits(s, group) && !first)
            first = s;
    }
    if (successors_check(engine, group, &error) != BSC_OK) {
        (void)bsc_successor_drop(engine, first, BSC_ROLLOUT_FAILED, error.text);
        return false;
    }
    for (struct bsc_service *s = engine->services; s; s = s->next) {
        const struct bsc_successor next = s->row.next;
        if (!waits(s, group))
            continue;
        (void)!bsc_rollout_start(engine, s, next.kind, bsc_release_find(s, next.release),
                                 next.rollout, &next.group, next.actor, &error);
        s->row.next = (struct bsc_successor){ 0 };
        bsc_touch_row(engine, s);
    }
    return true;
}

void bsc_group_text(const struct bsc_engine *engine, const struct bsc_group *group,
                    const struct bsc_service *without, char *out, size_t size)
{
    const char *between = "with ";
    int used = snprintf(out, size, "%s (g%llu, ", group->name, (unsigned long long)group->id);
    for (const struct bsc_service *s = engine->services; s && (size_t)used < size / 2;
         s = s->next) {
        if (s == without || bsc_group_of(s) != group->id)
            continue;
        used += snprintf(out + used, size - (size_t)used, "%s%s", between, s->name);
        between = ", ";
    }
    snprintf(out + used, size - (size_t)used, "%s)", *between == 'w' ? "alone" : "");
}
