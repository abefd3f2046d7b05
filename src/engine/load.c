/* SPDX-License-Identifier: Apache-2.0
 * engine/load.c - the way back: after a start, a crash, or a commit that failed.
 *
 * Memory is made of what is stored; the runtimes say what really runs; every instance and every
 * rollout is then brought on from where it is recorded to be. Nothing here assumes that an effect
 * of the recorded step has or has not happened: effects are idempotent.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "engine/internal.h"

static const int64_t retry_first_ms = 1000, retry_longest_ms = 5000;

void bsc_memory_clear(struct bsc_engine *engine)
{
    while (engine->services)
        bsc_service_delete(engine, engine->services);
    engine->number_count = 0;
    engine->touched_count = 0;
}

/* The traffic of open rollouts goes back to stable before anything is read again, where stable can
 * take it: the one effect that may precede its record. */
static void give_back(struct bsc_engine *engine)
{
    for (struct bsc_service *s = engine->services; s; s = s->next) {
        if (!bsc_rollout_open(s) || s->row.removed || !bsc_stable_is_whole(s) ||
            (s->row.weight_bp[s->row.stable] == BSC_WEIGHT_FULL_BP &&
             !bsc_plan_matches(&s->rollout->row.plan)))
            continue;
        s->row.weight_bp[s->row.stable] = BSC_WEIGHT_FULL_BP;
        s->row.weight_bp[bsc_slot_other(s->row.stable)] = 0;
        s->row.generation++;
        bsc_effect_add(engine, BSC_EFFECT_PUBLISH, s)->token = bsc_token_next(engine, s);
    }
    for (size_t i = 0; i < engine->effect_count; i++)
        bsc_effect_perform(engine, &engine->effects[i]);
    bsc_transaction_clear(engine);
}

void bsc_load_begin(struct bsc_engine *engine)
{
    bool was_ready = engine->phase == BSC_PHASE_READY;
    engine->phase = BSC_PHASE_LOADING;
    if (was_ready)
        give_back(engine);
    engine->load_token = bsc_token_next(engine, NULL);
    engine->ports.store.ops->load(engine->ports.store.self, engine->load_token);
}

void bsc_load_later(struct bsc_engine *engine, enum bsc_status status, const char *text)
{
    int64_t pause = engine->retry_pause_ms ? engine->retry_pause_ms * 2 : retry_first_ms;
    engine->retry_pause_ms = pause < retry_longest_ms ? pause : retry_longest_ms;
    engine->retry_ms = bsc_now(engine) + engine->retry_pause_ms;
    engine->phase = BSC_PHASE_BROKEN;
    engine->store_status = status;
    snprintf(engine->store_text, sizeof engine->store_text, "%s", text);
    if (engine->terminating)
        bsc_terminate_blindly(engine);
    if (engine->on_ready)
        engine->on_ready(engine->on_ready_argument, status, text);
}

static void load_services(struct bsc_engine *engine, const struct bsc_stored_state *state)
{
    for (unsigned i = 0; i < state->service_count; i++) {
        const struct bsc_service_row *row = &state->services[i];
        struct bsc_service *service = bsc_service_add(engine, row->name);
        service->row = *row;
        service->row.name = service->name;
        bsc_spec_acquire((struct bsc_spec *)(uintptr_t)row->spec);
        if (row->standby_until_ms) {
            int64_t left = row->standby_until_ms - bsc_wall(engine);
            service->standby_at_ms = bsc_now(engine) + (left > 0 ? left : 0);
        }
    }
    for (unsigned i = 0; i < state->release_count; i++) {
        struct bsc_service *service = bsc_service_find(engine, state->releases[i].service);
        if (!service)
            continue;
        service->releases = bsc_grow(service->releases, &service->release_capacity,
                                     service->release_count + 1, sizeof *service->releases);
        struct bsc_release *release = &service->releases[service->release_count++];
        *release = (struct bsc_release){ .row = state->releases[i] };
        release->row.service = service->name;
        bsc_spec_acquire((struct bsc_spec *)(uintptr_t)release->row.spec);
    }
}

static void load_rest(struct bsc_engine *engine, const struct bsc_stored_state *state)
{
    for (unsigned i = 0; i < state->instance_count; i++) {
        struct bsc_service *service = bsc_service_find(engine, state->instances[i].service);
        if (!service)
            continue;
        struct bsc_instance *instance = bsc_instance_new(service);
        instance->row = state->instances[i];
        instance->row.service = service->name;
    }
    for (unsigned i = 0; i < state->rollout_count; i++) {
        struct bsc_service *service = bsc_service_find(engine, state->rollouts[i].service);
        if (!service || !state->rollouts[i].started_ms ||
            (service->rollout && service->rollout->row.id > state->rollouts[i].id))
            continue;
        bsc_rollout_free(service->rollout);
        service->rollout = bsc_alloc(sizeof *service->rollout);
        service->rollout->row = state->rollouts[i];
        service->rollout->row.service = service->name;
    }
    for (unsigned i = 0; i < state->mirror_count; i++)
        for (struct bsc_service *s = engine->services; s; s = s->next) {
            if (!s->rollout || s->rollout->row.id != state->mirrors[i].rollout)
                continue;
            s->rollout->mirror = bsc_alloc(sizeof *s->rollout->mirror);
            *s->rollout->mirror = *state->mirrors[i].report;
        }
    for (unsigned i = 0; i < state->trial_count; i++)
        for (struct bsc_service *s = engine->services; s; s = s->next)
            if (s->rollout && s->rollout->row.id == state->trials[i].rollout)
                bsc_trial_load(s->rollout, &state->trials[i]);
    for (unsigned i = 0; i < state->record_count; i++) {
        struct bsc_service *service = bsc_service_find(engine, state->records[i].service);
        const struct bsc_record *record = &state->records[i].record;
        if (service && service->row.record[record->slot] == record->id)
            service->records[record->slot] = *record;
    }
}

void bsc_load_done(struct bsc_engine *engine, const struct bsc_event *event)
{
    if (event->token != engine->load_token || engine->phase != BSC_PHASE_LOADING)
        return;
    if (event->status != BSC_OK) {
        bsc_load_later(engine, event->status, event->text);
        return;
    }
    bsc_memory_clear(engine);
    engine->settings = event->state->settings;
    if (!engine->settings.next_id)
        engine->settings = (struct bsc_settings){ .next_id = 1, .next_sequence = 1 };
    load_services(engine, event->state);
    load_rest(engine, event->state);
    engine->phase = BSC_PHASE_LISTING;
    bsc_found_ask(engine);
}

static void found_clear(struct bsc_engine *engine)
{
    for (size_t i = 0; i < engine->found_count; i++)
        free(engine->found[i].text);
    engine->found_count = 0;
}

void bsc_found_ask(struct bsc_engine *engine)
{
    found_clear(engine);
    engine->lists_awaited = 0;
    for (unsigned i = 0; i < BSC_RUNTIME_COUNT; i++) {
        const struct bsc_runtime *runtime = &engine->ports.runtimes[i];
        engine->lists_awaited |= 1u << i;
        runtime->ops->list(runtime->self, engine->load_token);
    }
}

bool bsc_found_add(struct bsc_engine *engine, const struct bsc_event *event)
{
    for (unsigned i = 0; i < event->found_count; i++) {
        const struct bsc_found *found = &event->found[i];
        engine->found = bsc_grow(engine->found, &engine->found_capacity, engine->found_count + 1,
                                 sizeof *engine->found);
        struct bsc_found_copy *copy = &engine->found[engine->found_count++];
        *copy = (struct bsc_found_copy){ .pid = found->pid,
                                         .wait_status = found->wait_status,
                                         .text = bsc_copy(found->text),
                                         .runtime = event->runtime };
        snprintf(copy->id, sizeof copy->id, "%s", found->id);
    }
    engine->lists_awaited &= ~(1u << event->runtime);
    return !engine->lists_awaited;
}

static struct bsc_found_copy *found_of(struct bsc_engine *engine, const char *id)
{
    for (size_t i = 0; i < engine->found_count; i++)
        if (!strcmp(engine->found[i].id, id)) {
            engine->found[i].claimed = true;
            return &engine->found[i];
        }
    return NULL;
}

static void recover_instance(struct bsc_engine *engine, struct bsc_service *service,
                             struct bsc_instance *instance)
{
    const struct bsc_spec *spec = bsc_instance_spec(service, instance);
    const struct bsc_found_copy *found = found_of(engine, instance->row.id);
    bool is_static = spec->runtime == BSC_RUNTIME_STATIC;
    bool runs = is_static || (found && found->pid);
    instance->pid = found ? found->pid : 0;
    bsc_health_init(&instance->health, &spec->health, bsc_now(engine));
    if (instance->row.healthy)
        instance->health.state = BSC_HEALTH_HEALTHY;
    switch (instance->row.phase) {
    case BSC_INSTANCE_STARTING:
    case BSC_INSTANCE_RESTARTING:
        bsc_instance_start(engine, service, instance); /* what runs answers that it does */
        break;
    case BSC_INSTANCE_RUNNING:
        if (runs)
            break;
        instance->row.healthy = false;
        instance->health.state = BSC_HEALTH_UNKNOWN;
        bsc_audit(engine, service, 0, "exit", NULL, "%s ended while nobody watched",
                  instance->row.id);
        bsc_instance_start(engine, service, instance);
        break;
    default: /* draining and stopping: bsc_instances_recover */
        break;
    }
}

/* The command of a hook or gate that was under way: it still runs, or it ended, or it never began.
 */
static void recover_hook(struct bsc_engine *engine, struct bsc_service *service)
{
    struct bsc_rollout *rollout = service->rollout;
    bool undo = rollout->row.walk.status == BSC_ROLLOUT_UNDOING;
    char id[BSC_ID_BYTES];
    bsc_hook_id(rollout, undo, id);
    const struct bsc_found_copy *found = found_of(engine, id);
    const struct bsc_gate *gate = bsc_gate_current(service);
    bool unknown = found && !found->pid && found->wait_status == BSC_WAIT_UNKNOWN &&
                   !(found->text && *found->text);
    if (!found || (unknown && gate && !gate->once)) { /* what only looks may look again */
        bsc_hook_run(engine, service, undo);
        return;
    }
    if (found->pid) { /* never started again: it may end before that, and would run twice */
        bsc_hook_await(engine, service);
        return;
    }
    if (unknown) {
        bsc_hook_await(engine, service); /* for a person: see bsc_hook_judge */
        rollout->step_unknown = true;
        return;
    }
    struct bsc_event event = {
        .kind = BSC_EVENT_EXITED, .id = id, .wait_status = found->wait_status, .text = found->text
    };
    bsc_hook_exited(engine, service, &event);
}

static void recover_service(struct bsc_engine *engine, struct bsc_service *service)
{
    for (size_t i = 0; i < service->instance_count; i++)
        recover_instance(engine, service, &service->instances[i]);
    if (service->row.removed)
        bsc_unpublish(engine, service);
    else
        bsc_publish(engine, service, false);
    bsc_instances_recover(engine, service);
    if (bsc_hook_runs(service))
        recover_hook(engine, service);
    else
        bsc_rollout_resume(engine, service);
    bsc_touch(engine, service);
}

/* Only so that what runs can be stopped. */
static void find_instances(struct bsc_engine *engine, struct bsc_service *service)
{
    for (size_t i = 0; i < service->instance_count; i++) {
        const struct bsc_found_copy *found = found_of(engine, service->instances[i].row.id);
        service->instances[i].pid = found ? found->pid : 0;
    }
}

/* Whatever runs that nobody wants: left over from a start that was never recorded as wanted, or
 * from a hook that was stopped. */
static void stop_strays(struct bsc_engine *engine)
{
    for (size_t i = 0; i < engine->found_count; i++) {
        const struct bsc_found_copy *found = &engine->found[i];
        if (found->claimed)
            continue;
        struct bsc_effect *effect = bsc_effect_add(engine, BSC_EFFECT_STOP, NULL);
        effect->runtime = found->runtime;
        effect->grace_ms = 1000;
        effect->token = bsc_token_next(engine, NULL);
        snprintf(effect->id, sizeof effect->id, "%s", found->id);
        bsc_log_info("%s runs and nobody wants it: stopping it", found->id);
    }
}

static void recover(struct bsc_engine *engine)
{
    engine->phase = BSC_PHASE_READY;
    engine->unproved = engine->settings_dirty = true;
    for (struct bsc_service *s = engine->services; s; s = s->next)
        if (engine->terminating)
            find_instances(engine, s);
        else
            recover_service(engine, s);
    if (engine->terminating)
        bsc_terminate_stop(engine);
    stop_strays(engine);
    found_clear(engine);
    if (engine->store_failed &&
        !engine->terminating) /* what could not be recorded is not carried on with */
        for (struct bsc_service *s = engine->services; s; s = s->next)
            if (bsc_rollout_open(s) && s->rollout->row.walk.status == BSC_ROLLOUT_RUNNING) {
                char reason[sizeof engine->store_text + 32];
                snprintf(reason, sizeof reason, "the store failed: %s", engine->store_text);
                bsc_rollout_blame(s, engine->store_status, 0, 0);
                bsc_rollout_event(engine, s, BSC_WALK_FAIL, reason);
            }
    engine->store_failed = false;
    if (engine->on_ready)
        engine->on_ready(engine->on_ready_argument, BSC_OK, "");
}

void bsc_load_listed(struct bsc_engine *engine, const struct bsc_event *event)
{
    if (engine->phase != BSC_PHASE_LISTING || event->token != engine->load_token)
        return;
    if (bsc_found_add(engine, event))
        recover(engine);
}
