/* SPDX-License-Identifier: Apache-2.0
 * engine/command.c - what users ask for: core/command.h says whether a command wins over what is
 * under way, then it is done here or in one of the files command_*.c.
 */
#include <stdarg.h>
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

enum bsc_status bsc_busy_error(const struct bsc_engine *engine, const struct bsc_service *service,
                               struct bsc_error *error)
{
    if (bsc_group_awaits(service))
        return bsc_error_set(error, BSC_BUSY,
                             "%s is busy: it is released as part of %s (g%llu) as soon as what is "
                             "under way there is taken back",
                             service->name, service->row.next.group.name,
                             (unsigned long long)service->row.next.group.id);
    const struct bsc_rollout_row *row = &service->rollout->row;
    char step[160] = "";
    if (row->walk.cursor < row->plan.count)
        bsc_step_describe(&row->plan.steps[row->walk.cursor], step, sizeof step);
    bsc_error_set(error, BSC_BUSY, "%s is busy: rollout r%llu (%s to %s) is at step %u of %u, %s%s",
                  service->name, (unsigned long long)row->id, bsc_plan_kind_name(row->kind),
                  bsc_slot_name(row->slot), row->walk.cursor + 1, row->plan.count,
                  row->walk.status == BSC_ROLLOUT_UNDOING ? "being undone: " : "", step);
    if (!bsc_group_of(service))
        return BSC_BUSY;
    char group[BSC_REASON_BYTES];
    size_t used = strlen(error->text);
    bsc_group_text(engine, &row->group, service, group, sizeof group);
    snprintf(error->text + used, sizeof error->text - used, "; it is released as part of %s",
             group);
    return BSC_BUSY;
}

enum bsc_situation bsc_service_situation(const struct bsc_service *service)
{
    if (bsc_group_awaits(service))
        return BSC_UNDOING; /* of others: it begins when that is done */
    if (!bsc_service_busy(service))
        return BSC_AT_REST;
    const struct bsc_rollout_row *row = &service->rollout->row;
    const struct bsc_step *step = &row->plan.steps[row->walk.cursor];
    if (row->walk.status == BSC_ROLLOUT_UNDOING)
        return BSC_UNDOING;
    if (row->walk.status == BSC_ROLLOUT_PROMOTED)
        return step->kind == BSC_STEP_HOOK ? BSC_TIDYING_HOOK : BSC_TIDYING;
    if (row->kind == BSC_PLAN_ROLLBACK || row->kind == BSC_PLAN_REVERT)
        return BSC_GOING_BACK;
    if (row->walk.paused)
        return BSC_PAUSED;
    if (bsc_plan_holds(&row->plan))
        return BSC_HOLDING;
    if (step->kind == BSC_STEP_GATE && step->gate == BSC_GATE_APPROVAL)
        return BSC_AWAITING;
    return bsc_step_watches(step) ? BSC_BAKING : BSC_AT_WORK;
}

void bsc_reply_ruled(struct bsc_engine *engine, const struct bsc_event *event,
                     enum bsc_status status, uint64_t rollout, enum bsc_rule rule,
                     const char *format, ...)
{
    char text[BSC_ERROR_TEXT_BYTES];
    bool told = rule == BSC_RULE_WAY_BACK || rule == BSC_RULE_NEWER || rule == BSC_RULE_ONE ||
                rule == BSC_RULE_COMMITTED ||
                rule == BSC_RULE_WAITING; /* the others say so themselves */
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    bsc_reply(engine, event->token, status, rollout, "%s%s%s%s", text, told ? " (" : "",
              told ? bsc_rule_text(rule) : "", told ? ")" : "");
}

/* What of the rollout under way, or of the last one, stands against the command. */
static void rollout_error(const struct bsc_engine *engine, const struct bsc_service *service,
                          const struct bsc_rollout_row *row, enum bsc_command_kind command,
                          struct bsc_ruling ruling, struct bsc_error *error)
{
    unsigned long long id = row->id;
    char step[160];
    if (ruling.rule == BSC_RULE_NOTHING &&
        (command == BSC_COMMAND_APPROVE || command == BSC_COMMAND_REJECT)) {
        bsc_step_describe(&row->plan.steps[row->walk.cursor], step, sizeof step);
        bsc_error_set(error, ruling.status,
                      "r%llu waits for no approval now: it is at step %u of %u, %s", id,
                      row->walk.cursor + 1, row->plan.count, step);
    } else if (ruling.rule == BSC_RULE_NOTHING) { /* promote, and nothing is watched */
        bsc_step_describe(&row->plan.steps[row->walk.cursor], step, sizeof step);
        bsc_error_set(error, ruling.status,
                      "r%llu watches nothing yet that could be ended: it is at step %u of %u, %s; "
                      "'bascule promote %s --full' leaves out what is to be watched later",
                      id, row->walk.cursor + 1, row->plan.count, step, service->name);
    } else if (ruling.rule == BSC_RULE_COMMITTED) {
        bsc_error_set(error, ruling.status,
                      "%s has no rollout to %s: r%llu is promoted already; use rollback",
                      service->name, bsc_command_name(command), id);
    } else if (ruling.rule == BSC_RULE_WAITING) {
        bsc_error_set(error, ruling.status,
                      "requests wait for r%llu: it can be paused when it lets "
                      "them go on, or taken back by 'bascule abort %s'",
                      id, service->name);
    } else if (ruling.status == BSC_BUSY) {
        (void)!bsc_busy_error(engine, service, error);
    } else {
        bsc_error_set(error, ruling.status, "r%llu %s, which nothing holds up", id,
                      row->walk.status == BSC_ROLLOUT_UNDOING ? "is being taken back"
                                                              : "is a rollback");
    }
}

void bsc_refusal_error(const struct bsc_engine *engine, const struct bsc_service *service,
                       enum bsc_command_kind command, struct bsc_ruling ruling,
                       struct bsc_error *error)
{
    const struct bsc_rollout *rollout = service->rollout;
    if (ruling.rule == BSC_RULE_LOCK)
        (void)!bsc_lock_check(service, error);
    else if (bsc_group_awaits(service))
        (void)!bsc_busy_error(engine, service, error);
    else if (!rollout || (ruling.rule == BSC_RULE_NOTHING && !bsc_rollout_open(service)))
        bsc_error_set(error, ruling.status, "%s has no rollout to %s", service->name,
                      bsc_command_name(command));
    else
        rollout_error(engine, service, &rollout->row, command, ruling, error);
    error->status = ruling.status;
}

/* Both versions are named, and what would put the one in the place of the other. */
static void add_way_out(const struct bsc_service *service, const struct bsc_event *event,
                        struct bsc_error *error)
{
    const struct bsc_release *release = bsc_release_find(service, service->rollout->row.release);
    size_t used = strlen(error->text);
    snprintf(error->text + used, sizeof error->text - used,
             "; 'bascule deploy %s %s --supersede' takes %s back first", service->name,
             event->version ? event->version : "VERSION",
             release ? bsc_version_text(release->row.spec) : "it");
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

enum bsc_status bsc_rollout_start(struct bsc_engine *engine, struct bsc_service *service,
                                  enum bsc_plan_kind kind, const struct bsc_release *release,
                                  uint64_t rollout, const struct bsc_group *group,
                                  const char *actor, struct bsc_error *error)
{
    struct bsc_plan plan;
    struct bsc_plan_ask ask = bsc_plan_asked(service, kind, release->row.spec, group != NULL);
    enum bsc_strategy strategy = bsc_plan_strategy(&ask);
    enum bsc_status status = bsc_plan_compile(&ask, &service->row.slots, &plan, error);
    if (status != BSC_OK)
        return bsc_error_wrap(error, "%s", service->name);
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
    struct bsc_rollout_row *row =
        &bsc_rollout_begin(engine, service, kind, release, &plan, rollout, actor)->row;
    row->strategy = strategy;
    if (group)
        row->group = *group;
    bsc_rollout_event(engine, service, BSC_WALK_BEGIN, NULL);
    bsc_releases_prune(engine, service); /* not earlier: the new release has no name before */
    return BSC_OK;
}

void bsc_command_begin(struct bsc_engine *engine, struct bsc_service *service,
                       enum bsc_plan_kind kind, const struct bsc_release *release,
                       const struct bsc_event *event)
{
    struct bsc_error error;
    unsigned long long cut = bsc_service_busy(service) ? service->rollout->row.id : 0;
    if (bsc_rollout_start(engine, service, kind, release, 0, NULL, event->actor, &error) != BSC_OK)
        bsc_reply(engine, event->token, error.status, 0, "%s", error.text);
    else
        bsc_reply_ruled(
            engine, event, BSC_OK, service->rollout->row.id, cut ? BSC_RULE_NEWER : BSC_RULE_FREE,
            cut ? "%s: the rest of r%llu is left" : "%s", bsc_plan_kind_name(kind), cut);
}

static void deploy(struct bsc_engine *engine, struct bsc_service *service,
                   const struct bsc_event *event)
{
    enum bsc_plan_kind kind = event->stage ? BSC_PLAN_STAGE : BSC_PLAN_DEPLOY;
    struct bsc_error error;
    struct bsc_spec *spec = NULL;
    if (bsc_version_check(event->version ? event->version : "", &error) != BSC_OK ||
        bsc_slots_can(&service->row.slots, BSC_SLOT_DEPLOY, &error) != BSC_OK ||
        bsc_spec_for_version(service->row.spec, event->version, &spec, &error) != BSC_OK ||
        bsc_deploy_wish_apply(&event->wish, spec, &error) != BSC_OK ||
        bsc_plan_check(service, kind, spec, false, &error) != BSC_OK) {
        bsc_reply(engine, event->token, error.status, 0, "%s", error.text);
        bsc_spec_release(spec);
        return;
    }
    if (engine->store_full) {
        bsc_reply(engine, event->token, BSC_NO_SPACE, 0,
                  "the disk is full: nothing can be recorded, so nothing is deployed");
    } else {
        const struct bsc_release *release = bsc_release_new(engine, service, spec);
        bsc_command_begin(engine, service, kind, release, event);
    }
    bsc_spec_release(spec);
}

static void switch_over(struct bsc_engine *engine, struct bsc_service *service,
                        const struct bsc_event *event)
{
    enum bsc_slot staging = bsc_slots_staging(&service->row.slots);
    struct bsc_error error;
    const struct bsc_release *release = bsc_release_find(service, service->row.release[staging]);
    if (bsc_slots_can(&service->row.slots, BSC_SLOT_SWITCH, &error) != BSC_OK) {
        bsc_reply(engine, event->token, error.status, 0, "%s", error.text);
        return;
    }
    bsc_command_begin(engine, service, BSC_PLAN_SWITCH, release, event);
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
    if (bsc_slots_can(&service->row.slots, BSC_SLOT_EMPTY, &error) != BSC_OK) {
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

enum bsc_command_kind bsc_command_of(const struct bsc_event *event)
{
    switch (event->kind) {
    case BSC_EVENT_DEPLOY:
        return event->supersede ? BSC_COMMAND_SUPERSEDE : BSC_COMMAND_DEPLOY;
    case BSC_EVENT_RETRY:
        return BSC_COMMAND_RETRY;
    case BSC_EVENT_SWITCH:
        return BSC_COMMAND_SWITCH;
    case BSC_EVENT_PROMOTE:
        return event->to_end ? BSC_COMMAND_PROMOTE_FULL : BSC_COMMAND_PROMOTE;
    case BSC_EVENT_PAUSE:
        return BSC_COMMAND_PAUSE;
    case BSC_EVENT_RESUME:
        return BSC_COMMAND_RESUME;
    case BSC_EVENT_APPROVE:
        return BSC_COMMAND_APPROVE;
    case BSC_EVENT_REJECT:
        return BSC_COMMAND_REJECT;
    case BSC_EVENT_ROLLBACK:
        return event->version ? BSC_COMMAND_ROLLBACK_TO : BSC_COMMAND_ROLLBACK;
    case BSC_EVENT_ABORT:
        return BSC_COMMAND_ABORT;
    case BSC_EVENT_CHECK:
        return BSC_COMMAND_CHECK;
    case BSC_EVENT_CLEANUP:
        return BSC_COMMAND_CLEANUP;
    case BSC_EVENT_LOCK:
        return BSC_COMMAND_LOCK;
    case BSC_EVENT_UNLOCK:
        return BSC_COMMAND_UNLOCK;
    default:
        return BSC_COMMAND_TRAFFIC;
    }
}

/* What is asked of one member of a group that is under way, and steers, is asked of all. */
static bool steers(enum bsc_command_kind command)
{
    return command == BSC_COMMAND_PROMOTE || command == BSC_COMMAND_PROMOTE_FULL ||
           command == BSC_COMMAND_PAUSE || command == BSC_COMMAND_RESUME ||
           command == BSC_COMMAND_ABORT || command == BSC_COMMAND_ROLLBACK;
}

static bool concerns_group(struct bsc_engine *engine, const struct bsc_service *service,
                           const struct bsc_event *event)
{
    struct bsc_event whole = *event;
    if (!bsc_group_of(service) || !steers(bsc_command_of(event)))
        return false;
    whole.release = service->rollout->row.group.name;
    bsc_group_command(engine, &whole);
    return true;
}

/* The way back of a service that waits for its group to begin: it does not. */
static bool ends_waiting(struct bsc_engine *engine, struct bsc_service *service,
                         const struct bsc_event *event)
{
    const struct bsc_successor next = service->row.next;
    char reason[BSC_ACTOR_BYTES + 32];
    if (!bsc_group_awaits(service) ||
        (event->kind != BSC_EVENT_ABORT && event->kind != BSC_EVENT_ROLLBACK))
        return false;
    snprintf(reason, sizeof reason, "%s by %s",
             event->kind == BSC_EVENT_ABORT ? "aborted" : "rolled back",
             event->actor ? event->actor : "?");
    (void)bsc_successor_drop(engine, service, BSC_ROLLOUT_CANCELLED, reason);
    if (event->version)
        return false;
    bsc_reply(engine, event->token, BSC_OK, next.rollout, "%s (g%llu) does not begin",
              next.group.name, (unsigned long long)next.group.id);
    return true;
}

static void refuse(struct bsc_engine *engine, const struct bsc_service *service,
                   const struct bsc_event *event, struct bsc_ruling ruling)
{
    enum bsc_command_kind command = bsc_command_of(event);
    struct bsc_error error;
    bsc_refusal_error(engine, service, command, ruling, &error);
    if (command == BSC_COMMAND_DEPLOY && bsc_rollout_open(service) && !bsc_group_of(service) &&
        ruling.rule == BSC_RULE_ONE)
        add_way_out(service, event, &error);
    bsc_reply_ruled(engine, event, error.status, 0, ruling.rule, "%s", error.text);
}

/* About users, and in no rollout's way. */
static bool concerns_users(struct bsc_engine *engine, struct bsc_service *service,
                           const struct bsc_event *event)
{
    if (event->kind != BSC_EVENT_CONVERT)
        return false;
    bsc_convert_command(engine, service, event);
    return true;
}

static struct bsc_ruling rule_on(const struct bsc_service *service, enum bsc_command_kind command)
{
    if (command == BSC_COMMAND_SUPERSEDE && (bsc_group_of(service) || service->row.next.group.id))
        return (struct bsc_ruling){ BSC_BUSY, BSC_RULE_ONE }; /* only by a whole one */
    return bsc_command_rule(command, bsc_service_situation(service), service->row.lock.at_ms != 0);
}

void bsc_command_handle(struct bsc_engine *engine, const struct bsc_event *event)
{
    if (event->release) {
        bsc_group_command(engine, event);
        return;
    }
    struct bsc_service *service = command_service(engine, event);
    if (!service || concerns_users(engine, service, event) ||
        concerns_group(engine, service, event) || ends_waiting(engine, service, event))
        return;
    enum bsc_command_kind command = bsc_command_of(event);
    struct bsc_ruling ruling = rule_on(service, command);
    if (ruling.status != BSC_OK) {
        refuse(engine, service, event, ruling);
        return;
    }
    switch (command) {
    case BSC_COMMAND_DEPLOY:
        deploy(engine, service, event);
        break;
    case BSC_COMMAND_SUPERSEDE:
        if (bsc_rollout_open(service))
            bsc_supersede_command(engine, service, event, ruling.rule);
        else
            deploy(engine, service, event);
        break;
    case BSC_COMMAND_RETRY:
        bsc_retry_command(engine, service, event);
        break;
    case BSC_COMMAND_SWITCH:
        switch_over(engine, service, event);
        break;
    case BSC_COMMAND_PROMOTE:
    case BSC_COMMAND_PROMOTE_FULL:
        bsc_promote_command(engine, service, event, ruling.rule);
        break;
    case BSC_COMMAND_PAUSE:
        bsc_pause_command(engine, service, event, ruling.rule);
        break;
    case BSC_COMMAND_RESUME:
        bsc_resume_command(engine, service, event, ruling.rule);
        break;
    case BSC_COMMAND_APPROVE:
    case BSC_COMMAND_REJECT:
        bsc_approve_command(engine, service, event, ruling.rule);
        break;
    case BSC_COMMAND_ROLLBACK:
    case BSC_COMMAND_ROLLBACK_TO:
        bsc_rollback_command(engine, service, event, ruling.rule);
        break;
    case BSC_COMMAND_ABORT:
        bsc_abort_command(engine, service, event, ruling.rule);
        break;
    case BSC_COMMAND_CHECK:
        bsc_check_command(engine, service, event);
        break;
    case BSC_COMMAND_CLEANUP:
        clean_up(engine, service, event);
        break;
    case BSC_COMMAND_LOCK:
        bsc_lock_command(engine, service, event);
        break;
    case BSC_COMMAND_UNLOCK:
        bsc_unlock_command(engine, service, event);
        break;
    default:
        set_traffic(engine, service, event);
    }
}
