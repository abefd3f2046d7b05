/* SPDX-License-Identifier: Apache-2.0
 * engine/command.c - what users ask for: each command is allowed or refused here, then a plan runs.
 *
 * Abort and rollback win over everything else, a lock included; a deploy or a switch waits for
 * nobody: while a rollout is open it is refused. The tail of a promoted rollout (draining the old
 * version) gives way to the next command, but for a hook that still runs.
 */
#include <stdio.h>
#include <string.h>

#include "core/expand.h"
#include "engine/internal.h"

static struct bsc_service *command_service(struct bsc_engine *engine, const struct bsc_event *event)
{
    struct bsc_service *service = event->service ? bsc_service_find(engine, event->service) : NULL;
    if (!service)
        bsc_reply(engine, event->token, BSC_NOT_FOUND, 0, "no service is called '%s'",
                  event->service ? event->service : "");
    else if (service->row.removed)
        bsc_reply(engine, event->token, BSC_STATE, 0,
                  "%s was taken out of the configuration and is being stopped", service->name);
    else
        return service;
    return NULL;
}

static enum bsc_status busy_error(const struct bsc_service *service, struct bsc_error *error)
{
    const struct bsc_rollout_row *row = &service->rollout->row;
    char step[160] = "";
    if (row->walk.cursor < row->plan.count)
        bsc_step_describe(&row->plan.steps[row->walk.cursor], step, sizeof step);
    return bsc_error_set(error, BSC_BUSY,
                         "%s is busy: rollout r%llu (%s to %s) is at step %u of %u, %s%s",
                         service->name, (unsigned long long)row->id, bsc_plan_kind_name(row->kind),
                         bsc_slot_name(row->slot), row->walk.cursor + 1, row->plan.count,
                         row->walk.status == BSC_ROLLOUT_UNDOING ? "being undone: " : "", step);
}

static bool tail_runs_hook(const struct bsc_service *service)
{
    const struct bsc_rollout_row *row = &service->rollout->row;
    return row->plan.steps[row->walk.cursor].kind == BSC_STEP_HOOK;
}

/* May a new rollout begin? */
static enum bsc_status may_begin(const struct bsc_service *service, struct bsc_error *error)
{
    if (bsc_rollout_open(service) || (bsc_service_busy(service) && tail_runs_hook(service)))
        return busy_error(service, error);
    return BSC_OK;
}

/* May a new version be released? */
static enum bsc_status may_release(const struct bsc_service *service, struct bsc_error *error)
{
    enum bsc_status status = bsc_lock_check(service, error);
    return status == BSC_OK ? may_begin(service, error) : status;
}

/* The release to go back to: the one named, else the one that was live last and was not taken back.
 * What was there before bascule can't be started again, so it counts only while it stands by.
 * NULL: there is none, and `error` says why. */
static const struct bsc_release *rollback_target(const struct bsc_service *service,
                                                 const char *version, struct bsc_error *error)
{
    enum bsc_slot live = service->row.slots.live, staging = bsc_slot_other(live);
    bool standby = service->row.slots.state[staging] == BSC_SLOT_STANDBY;
    const struct bsc_release *best = NULL;
    for (size_t i = 0; i < service->release_count; i++) {
        const struct bsc_release *release = &service->releases[i];
        bool here = standby && service->row.release[staging] == release->row.id;
        if (release->row.id == service->row.release[live] || (!release->row.live_ms && !here) ||
            (!release->row.spec->version && !here))
            continue;
        if (version
                ? !release->row.spec->version || strcmp(release->row.spec->version, version) != 0
                : release->row.rejected)
            continue;
        if (!best || release->row.live_ms >= best->row.live_ms || here)
            best = release;
        if (here)
            break;
    }
    if (best)
        return best;
    const struct bsc_release *standing = bsc_release_find(service, service->row.release[staging]);
    if (!version && standby && standing && standing->row.rejected && standing->row.spec->version)
        bsc_error_set(error, BSC_NO_ROLLBACK,
                      "%s has nothing to go back to but %s, which a rollback took back: "
                      "'bascule rollback %s %s' goes there all the same",
                      service->name, standing->row.spec->version, service->name,
                      standing->row.spec->version);
    else if (version)
        bsc_error_set(error, BSC_NO_ROLLBACK,
                      "%s: no release of version '%s' that was live is kept", service->name,
                      version);
    else
        bsc_error_set(error, BSC_NO_ROLLBACK,
                      "%s has nothing to go back to: no earlier release that was live is kept",
                      service->name);
    return NULL;
}

/* At once when it stands by with enough healthy instances, else it is started again. */
static enum bsc_plan_kind rollback_kind(const struct bsc_service *service,
                                        const struct bsc_release *target)
{
    enum bsc_slot staging = bsc_slots_staging(&service->row.slots);
    unsigned healthy, total;
    if (service->row.slots.state[staging] == BSC_SLOT_STANDBY &&
        service->row.release[staging] == target->row.id &&
        bsc_slot_healthy(service, staging, target->row.id, &healthy, &total))
        return BSC_PLAN_ROLLBACK;
    return BSC_PLAN_REVERT;
}

static bool occupied(const struct bsc_service *service)
{
    return bsc_instances_count(service, bsc_slots_staging(&service->row.slots)) != 0;
}

static struct bsc_plan_ask plan_ask(const struct bsc_service *service, enum bsc_plan_kind kind,
                                    const struct bsc_spec *spec)
{
    const struct bsc_release *live =
        bsc_release_find(service, service->row.release[service->row.slots.live]);
    return (struct bsc_plan_ask){
        .kind = kind,
        .spec = spec,
        .live = live ? live->row.spec : NULL,
        .occupied = occupied(service),
    };
}

/* What was ready in the staging slot and never went live is history now. */
static void replace_record(struct bsc_engine *engine, struct bsc_service *service,
                           const char *reason)
{
    enum bsc_slot slot = bsc_slots_staging(&service->row.slots);
    struct bsc_record *record = &service->records[slot];
    if (!record->id || record->status != BSC_RECORD_READY)
        return;
    record->status = BSC_RECORD_REPLACED;
    snprintf(record->reason, sizeof record->reason, "%s", reason);
    struct bsc_change *change = bsc_change_add(engine, BSC_PUT_RECORD);
    change->record.service = service->name;
    change->record.record = *record;
}

/* A deployment begins in the staging slot: it takes the slot over, with a record of its own. */
static void take_slot(struct bsc_engine *engine, struct bsc_service *service,
                      const struct bsc_release *release)
{
    enum bsc_slot slot = bsc_slots_staging(&service->row.slots);
    const char *version = release->row.spec->version;
    replace_record(engine, service, "replaced before it went live");
    service->row.release[slot] = release->row.id;
    service->records[slot] = (struct bsc_record){
        .id = bsc_id_next(engine),
        .slot = slot,
        .status = BSC_RECORD_IN_PROGRESS,
        .deployed_at_ms = bsc_wall(engine),
    };
    snprintf(service->records[slot].version, sizeof service->records[slot].version, "%s",
             version ? version : "");
    service->row.record[slot] = service->records[slot].id;
    service->record_dirty[slot] = true;
    service->row.standby_until_ms = service->standby_at_ms = 0;
    bsc_touch_row(engine, service);
}

static void begin(struct bsc_engine *engine, struct bsc_service *service, enum bsc_plan_kind kind,
                  const struct bsc_release *release, const struct bsc_event *event)
{
    struct bsc_plan plan;
    struct bsc_error error;
    struct bsc_plan_ask ask = plan_ask(service, kind, release->row.spec);
    enum bsc_strategy strategy = bsc_plan_strategy(&ask);
    if (bsc_plan_compile(&ask, &service->row.slots, &plan, &error) != BSC_OK) {
        bsc_reply(engine, event->token, error.status, 0, "%s: %s", service->name, error.text);
        return;
    }
    if (bsc_service_busy(service))
        bsc_rollout_event(engine, service, BSC_WALK_CUT, NULL);
    if (service->check_reply)
        bsc_reply(engine, service->check_reply, BSC_BUSY, 0, "a rollout of %s has begun",
                  service->name);
    service->check_reply = 0;
    if (kind == BSC_PLAN_DEPLOY || kind == BSC_PLAN_STAGE || kind == BSC_PLAN_REVERT)
        (void)!bsc_slots_apply(&service->row.slots, BSC_SLOT_DEPLOY, NULL);
    if (kind != BSC_PLAN_SWITCH)
        take_slot(engine, service, release);
    struct bsc_rollout *rollout =
        bsc_rollout_begin(engine, service, kind, release, &plan, event->actor);
    rollout->row.strategy = strategy;
    bsc_reply(engine, event->token, BSC_OK, rollout->row.id, "%s", bsc_plan_kind_name(kind));
    bsc_rollout_event(engine, service, BSC_WALK_BEGIN, NULL);
    bsc_releases_prune(engine, service); /* not earlier: the new release has no name before */
}

/* What can't be planned is refused before anything is made of it. */
static enum bsc_status plan_check(const struct bsc_service *service, enum bsc_plan_kind kind,
                                  const struct bsc_spec *spec, struct bsc_error *error)
{
    struct bsc_plan plan;
    struct bsc_plan_ask ask = plan_ask(service, kind, spec);
    return bsc_plan_compile(&ask, &service->row.slots, &plan, error);
}

static void deploy(struct bsc_engine *engine, struct bsc_service *service,
                   const struct bsc_event *event)
{
    enum bsc_plan_kind kind = event->stage ? BSC_PLAN_STAGE : BSC_PLAN_DEPLOY;
    struct bsc_error error;
    struct bsc_spec *spec = NULL;
    if (bsc_version_check(event->version ? event->version : "", &error) != BSC_OK ||
        may_release(service, &error) != BSC_OK ||
        bsc_slots_can(&service->row.slots, BSC_SLOT_DEPLOY, &error) != BSC_OK ||
        bsc_spec_for_version(service->row.spec, event->version, &spec, &error) != BSC_OK ||
        bsc_deploy_wish_apply(&event->wish, spec, &error) != BSC_OK ||
        plan_check(service, kind, spec, &error) != BSC_OK) {
        bsc_reply(engine, event->token, error.status, 0, "%s", error.text);
        bsc_spec_release(spec);
        return;
    }
    if (engine->store_full) {
        bsc_reply(engine, event->token, BSC_NO_SPACE, 0,
                  "the disk is full: nothing can be recorded, so nothing is deployed");
    } else {
        const struct bsc_release *release = bsc_release_new(engine, service, spec);
        begin(engine, service, kind, release, event);
    }
    bsc_spec_release(spec);
}

static void switch_over(struct bsc_engine *engine, struct bsc_service *service,
                        const struct bsc_event *event)
{
    enum bsc_slot staging = bsc_slots_staging(&service->row.slots);
    struct bsc_error error;
    const struct bsc_release *release = bsc_release_find(service, service->row.release[staging]);
    if (may_release(service, &error) != BSC_OK ||
        bsc_slots_can(&service->row.slots, BSC_SLOT_SWITCH, &error) != BSC_OK) {
        bsc_reply(engine, event->token, error.status, 0, "%s", error.text);
        return;
    }
    begin(engine, service, BSC_PLAN_SWITCH, release, event);
}

static void roll_back(struct bsc_engine *engine, struct bsc_service *service,
                      const struct bsc_event *event)
{
    struct bsc_error error;
    if (bsc_rollout_open(service) && !event->version) {
        const struct bsc_rollout_row *row = &service->rollout->row;
        uint64_t id = row->id;
        if (row->kind == BSC_PLAN_ROLLBACK || row->kind == BSC_PLAN_REVERT) { /* asked twice */
            bsc_reply(engine, event->token, BSC_OK, id, "r%llu is rolling back already",
                      (unsigned long long)id);
            return;
        }
        char reason[BSC_ACTOR_BYTES + 32];
        snprintf(reason, sizeof reason, "rolled back by %s", event->actor ? event->actor : "?");
        bsc_reply(engine, event->token, BSC_OK, id, "rolling back r%llu", (unsigned long long)id);
        bsc_rollout_event(engine, service, BSC_WALK_ROLL_BACK, reason);
        return;
    }
    if (bsc_rollout_open(service)) {
        busy_error(service, &error);
        bsc_reply(engine, event->token, error.status, 0, "%s", error.text);
        return;
    }
    const struct bsc_release *target = rollback_target(service, event->version, &error);
    if (!target) {
        bsc_reply(engine, event->token, error.status, 0, "%s", error.text);
        return;
    }
    begin(engine, service, rollback_kind(service, target), target, event);
}

static void abort_rollout(struct bsc_engine *engine, struct bsc_service *service,
                          const struct bsc_event *event)
{
    if (!bsc_rollout_open(service)) {
        bsc_reply(engine, event->token, BSC_STATE, 0, "%s has no rollout to abort%s", service->name,
                  bsc_service_busy(service) ? ": it is promoted already; use rollback" : "");
        return;
    }
    uint64_t id = service->rollout->row.id;
    char reason[BSC_ACTOR_BYTES + 32];
    snprintf(reason, sizeof reason, "aborted by %s", event->actor ? event->actor : "?");
    bsc_reply(engine, event->token, BSC_OK, id, "aborting r%llu", (unsigned long long)id);
    bsc_audit(engine, service, id, "abort", event->actor, "asked for");
    bsc_rollout_event(engine, service, BSC_WALK_CANCEL, reason);
}

bool bsc_staging_fail(struct bsc_engine *engine, struct bsc_service *service)
{
    enum bsc_slot staging = bsc_slots_staging(&service->row.slots);
    if (bsc_slots_apply(&service->row.slots, BSC_SLOT_CHECK_FAILED, NULL) != BSC_OK)
        return false;
    service->row.standby_until_ms = service->standby_at_ms = 0;
    bsc_instances_retire(engine, service, staging, 0);
    bsc_touch_row(engine, service);
    return true;
}

void bsc_staging_empty(struct bsc_engine *engine, struct bsc_service *service)
{
    enum bsc_slot staging = bsc_slots_staging(&service->row.slots);
    if (bsc_slots_apply(&service->row.slots, BSC_SLOT_EMPTY, NULL) != BSC_OK)
        return;
    service->row.release[staging] = 0;
    service->row.record[staging] = 0;
    service->records[staging] = (struct bsc_record){ 0 };
    service->row.standby_until_ms = service->standby_at_ms = 0;
    bsc_instances_retire(engine, service, staging, 0);
    bsc_touch_row(engine, service);
}

/* What was cleaned up is not gone back to. */
static void forget_release(struct bsc_engine *engine, struct bsc_service *service, uint64_t id)
{
    struct bsc_release *release = bsc_release_find(service, id);
    if (!release)
        return;
    release->row.live_ms = 0;
    release->row.rejected = true;
    release->dirty = true;
    bsc_touch(engine, service);
}

static void clean_up(struct bsc_engine *engine, struct bsc_service *service,
                     const struct bsc_event *event)
{
    enum bsc_slot staging = bsc_slots_staging(&service->row.slots);
    struct bsc_error error;
    uint64_t release = service->row.release[staging];
    if (may_release(service, &error) != BSC_OK ||
        bsc_slots_can(&service->row.slots, BSC_SLOT_EMPTY, &error) != BSC_OK) {
        bsc_reply(engine, event->token, error.status, 0, "%s", error.text);
        return;
    }
    if (bsc_service_busy(service))
        bsc_rollout_event(engine, service, BSC_WALK_CUT, NULL);
    replace_record(engine, service, "cleaned up before it went live");
    bsc_staging_empty(engine, service);
    forget_release(engine, service, release);
    bsc_audit(engine, service, 0, "cleanup", event->actor, "%s emptied", bsc_slot_name(staging));
    bsc_reply(engine, event->token, BSC_OK, 0, "%s is idle", bsc_slot_name(staging));
}

static void set_traffic(struct bsc_engine *engine, struct bsc_service *service,
                        const struct bsc_event *event)
{
    if (service->traffic_reply)
        bsc_reply(engine, service->traffic_reply, BSC_OK, 0, "overtaken by a newer command");
    service->row.traffic = event->traffic;
    service->traffic_publish = bsc_publish(engine, service, false);
    service->traffic_reply = event->token;
    bsc_audit(engine, service, 0, "traffic", event->actor, "%s", bsc_traffic_name(event->traffic));
    bsc_touch_row(engine, service);
}

/* The staging slot of an open rollout is either being deployed or the way back: not to be judged.
 */
static void check(struct bsc_engine *engine, struct bsc_service *service,
                  const struct bsc_event *event)
{
    struct bsc_error error;
    if (bsc_rollout_open(service)) {
        busy_error(service, &error);
        bsc_reply(engine, event->token, error.status, 0, "%s", error.text);
        return;
    }
    bsc_check_command(engine, service, event);
}

void bsc_command_handle(struct bsc_engine *engine, const struct bsc_event *event)
{
    struct bsc_service *service = command_service(engine, event);
    if (!service)
        return;
    switch (event->kind) {
    case BSC_EVENT_DEPLOY:
        deploy(engine, service, event);
        break;
    case BSC_EVENT_SWITCH:
        switch_over(engine, service, event);
        break;
    case BSC_EVENT_ROLLBACK:
        roll_back(engine, service, event);
        break;
    case BSC_EVENT_ABORT:
        abort_rollout(engine, service, event);
        break;
    case BSC_EVENT_CHECK:
        check(engine, service, event);
        break;
    case BSC_EVENT_CLEANUP:
        clean_up(engine, service, event);
        break;
    case BSC_EVENT_LOCK:
        bsc_lock_command(engine, service, event);
        break;
    case BSC_EVENT_UNLOCK:
        bsc_unlock_command(engine, service, event);
        break;
    default:
        set_traffic(engine, service, event);
    }
}

/* What the file says, as the command wishes it. The caller owns it. NULL: it can't be. */
static struct bsc_spec *wished_spec(const struct bsc_service *service, const char *version,
                                    const struct bsc_deploy_wish *wish, struct bsc_error *error)
{
    struct bsc_spec *spec = NULL;
    if (bsc_spec_for_version(service->row.spec, version ? version : "unnamed", &spec, error) ==
            BSC_OK &&
        bsc_deploy_wish_apply(wish, spec, error) == BSC_OK)
        return spec;
    bsc_spec_release(spec);
    return NULL;
}

static struct bsc_spec *acquire(const struct bsc_spec *spec)
{
    return bsc_spec_acquire((struct bsc_spec *)(uintptr_t)spec);
}

/* The release that the command would put into the staging slot. The caller owns it. */
static struct bsc_spec *planned_spec(const struct bsc_service *service, const char *version,
                                     const struct bsc_deploy_wish *wish, struct bsc_planned *out,
                                     struct bsc_error *error)
{
    enum bsc_slot staging = bsc_slots_staging(&service->row.slots);
    const struct bsc_release *release;
    switch (out->kind) {
    case BSC_PLAN_ROLLBACK:
    case BSC_PLAN_REVERT:
        release = rollback_target(service, version, error);
        if (release)
            out->kind = rollback_kind(service, release);
        return release ? acquire(release->row.spec) : NULL;
    case BSC_PLAN_SWITCH:
        release = bsc_release_find(service, service->row.release[staging]);
        return acquire(release ? release->row.spec : service->row.spec);
    default:
        return wished_spec(service, version, wish, error);
    }
}

enum bsc_status bsc_engine_plan(const struct bsc_engine *engine, const char *name,
                                const char *version, const struct bsc_deploy_wish *wish,
                                struct bsc_planned *out, struct bsc_error *error)
{
    const struct bsc_service *service = bsc_service_find(engine, name);
    if (!service)
        return bsc_error_set(error, BSC_NOT_FOUND, "no service is called '%s'", name);
    enum bsc_status status = may_begin(service, error);
    if (status != BSC_OK)
        return status;
    struct bsc_error why;
    struct bsc_spec *spec = planned_spec(service, version, wish, out, &why);
    if (!spec)
        return bsc_error_set(error, why.status, "%s", why.text);
    struct bsc_plan_ask ask = plan_ask(service, out->kind, spec);
    enum bsc_slot staging = bsc_slots_staging(&service->row.slots);
    out->strategy = bsc_plan_strategy(&ask);
    out->whole[staging] = bsc_spec_instances(spec, staging);
    out->whole[service->row.slots.live] =
        ask.live ? bsc_spec_instances(ask.live, service->row.slots.live) : 0;
    status = bsc_plan_compile(&ask, &service->row.slots, &out->plan, error);
    bsc_spec_release(spec);
    return status;
}
