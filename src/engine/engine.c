/* SPDX-License-Identifier: Apache-2.0
 * engine/engine.c - takes events in order, one at a time, and lets each run to its end.
 */
#include "engine/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/internal.h"

int64_t bsc_now(const struct bsc_engine *engine)
{
    return engine->ports.clock.ops->boot_ms(engine->ports.clock.self);
}

int64_t bsc_wall(const struct bsc_engine *engine)
{
    return engine->wall_ms;
}

struct bsc_queued {
    struct bsc_queued *next;
    struct bsc_arena arena;
    struct bsc_event event;
};

static void enqueue(struct bsc_engine *engine, const struct bsc_event *event)
{
    struct bsc_queued *queued = bsc_alloc(sizeof *queued);
    struct bsc_arena *arena = &queued->arena;
    bsc_arena_init(arena);
    queued->event = *event;
    queued->event.actor = bsc_arena_copy(arena, event->actor);
    queued->event.service = bsc_arena_copy(arena, event->service);
    queued->event.release = bsc_arena_copy(arena, event->release);
    queued->event.version = bsc_arena_copy(arena, event->version);
    queued->event.wish.match = bsc_arena_copy(arena, event->wish.match);
    queued->event.text = bsc_arena_copy(arena, event->text);
    queued->event.id = bsc_arena_copy(arena, event->id);
    if (event->report) {
        struct bsc_mirror_report *report = bsc_arena_alloc(arena, sizeof *report);
        *report = *event->report;
        queued->event.report = report;
    }
    if (event->answer) {
        struct bsc_answer_read *answer = bsc_arena_alloc(arena, sizeof *answer);
        *answer = *event->answer;
        answer->text = bsc_arena_copy(arena, answer->text);
        queued->event.answer = answer;
    }
    if (engine->queue_last)
        engine->queue_last->next = queued;
    else
        engine->queue_first = queued;
    engine->queue_last = queued;
}

static struct bsc_queued *dequeue(struct bsc_engine *engine)
{
    struct bsc_queued *queued = engine->queue_first;
    if (!queued)
        return NULL;
    engine->queue_first = queued->next;
    if (!engine->queue_first)
        engine->queue_last = NULL;
    return queued;
}

static void queued_free(struct bsc_queued *queued)
{
    bsc_arena_deinit(&queued->arena);
    free(queued);
}

static bool is_command(enum bsc_event_kind kind)
{
    return kind <= BSC_EVENT_TRAFFIC || kind == BSC_EVENT_TERMINATE;
}

/* What may lead a rollout back by itself. */
static bool is_evidence(enum bsc_event_kind kind)
{
    return kind == BSC_EVENT_COUNTED || kind == BSC_EVENT_MIRRORED || kind == BSC_EVENT_TRIPPED ||
           kind == BSC_EVENT_ANSWERED || kind == BSC_EVENT_FACTS;
}

static bool is_result(enum bsc_event_kind kind)
{
    return kind > BSC_EVENT_TICK && kind < BSC_EVENT_KIND_COUNT;
}

static void published(struct bsc_engine *engine, const struct bsc_event *event)
{
    struct bsc_service *service = bsc_token_service(engine, event->token);
    if (!service)
        return;
    if (event->status != BSC_OK) {
        bsc_publish_refused(engine, service);
        bsc_split_refused(service, event);
        return;
    }
    if (event->token > service->acked_token && event->token > service->doubted_token)
        service->acked_token = event->token;
    if (service->traffic_reply && bsc_published(service, service->traffic_publish)) {
        bsc_reply(engine, service->traffic_reply, BSC_OK, 0, "%s",
                  bsc_traffic_name(service->row.traffic));
        service->traffic_reply = 0;
    }
    if (service->row.removed && bsc_published(service, service->publish_token))
        for (unsigned slot = 0; slot < BSC_SLOT_COUNT; slot++)
            bsc_instances_retire(engine, service, (enum bsc_slot)slot, 0);
    bsc_touch(engine, service);
}

static void drained(struct bsc_engine *engine, const struct bsc_event *event)
{
    struct bsc_service *service = bsc_token_service(engine, event->token);
    if (!service)
        return;
    if (service->rollout && service->rollout->step_token == event->token)
        service->rollout->step_answered = true;
    for (size_t i = 0; i < service->instance_count; i++)
        if (service->instances[i].drain_token == event->token) {
            service->instances[i].drain_token = 0;
            service->instances[i].drained = true;
        }
    bsc_touch(engine, service);
}

/* Instances that exit by themselves are told without a token. */
static struct bsc_service *service_of_id(struct bsc_engine *engine, const struct bsc_event *event)
{
    struct bsc_service *service = bsc_token_service(engine, event->token);
    if (service)
        return service;
    for (service = engine->services; service; service = service->next) {
        char hook[BSC_ID_BYTES] = "";
        if (bsc_hook_runs(service))
            bsc_hook_id(service->rollout, service->rollout->row.walk.status == BSC_ROLLOUT_UNDOING,
                        hook);
        if (bsc_instance_find(service, event->id) || !strcmp(hook, event->id))
            return service;
    }
    return NULL;
}

static void runtime_event(struct bsc_engine *engine, const struct bsc_event *event)
{
    struct bsc_service *service = service_of_id(engine, event);
    if (!service && event->kind != BSC_EVENT_EXITED)
        return;
    if (!service) { /* a stray that was stopped */
        struct bsc_effect *effect = bsc_effect_add(engine, BSC_EFFECT_FORGET, NULL);
        effect->runtime = event->runtime;
        snprintf(effect->id, sizeof effect->id, "%s", event->id);
        return;
    }
    struct bsc_instance *instance = bsc_instance_find(service, event->id);
    if (!instance && event->kind == BSC_EVENT_EXITED)
        bsc_hook_exited(engine, service, event);
    else if (instance && event->kind == BSC_EVENT_EXITED)
        bsc_instance_exited(engine, service, instance, event);
    else if (instance && event->token == instance->runtime_token &&
             event->kind == BSC_EVENT_STARTING)
        bsc_instance_starting(engine, service, instance, event->text);
    else if (instance && event->token == instance->runtime_token)
        bsc_instance_started(engine, service, instance, event);
}

static void standby_over(struct bsc_engine *engine, struct bsc_service *service)
{
    if (!service->standby_at_ms || service->standby_at_ms > bsc_now(engine) ||
        bsc_rollout_open(service))
        return;
    bsc_audit(engine, service, 0, "standby", NULL, "%s has stood by long enough",
              bsc_slot_name(bsc_slots_staging(&service->row.slots)));
    service->standby_at_ms = service->row.standby_until_ms = 0;
    bsc_staging_empty(engine, service);
}

static void tick(struct bsc_engine *engine)
{
    int64_t now = bsc_now(engine);
    if (engine->phase != BSC_PHASE_READY) {
        if (engine->phase == BSC_PHASE_BROKEN && !engine->terminating && engine->retry_ms <= now)
            bsc_load_begin(engine);
        return;
    }
    for (struct bsc_service *s = engine->services; s; s = s->next)
        if (s->next_ms <= now)
            bsc_look(engine, s);
}

static void probed(struct bsc_engine *engine, const struct bsc_event *event)
{
    struct bsc_service *service = bsc_token_service(engine, event->token);
    if (service)
        bsc_probe_result(engine, service, event);
}

/* What happened elsewhere, and is only noted. */
static void record(struct bsc_engine *engine, const struct bsc_event *event)
{
    bool refused = event->kind == BSC_EVENT_REFUSED;
    bsc_audit(engine, NULL, 0, refused ? "refused" : "certificates", refused ? event->actor : NULL,
              "%s", event->text)
        ->error = refused ? BSC_DENIED : event->status;
}

static void dispatch(struct bsc_engine *engine, const struct bsc_event *event)
{
    switch (event->kind) {
    case BSC_EVENT_APPLY:
        bsc_apply_command(engine, event);
        break;
    case BSC_EVENT_QUERY:
        event->query(engine, event->argument);
        break;
    case BSC_EVENT_TERMINATE:
        bsc_terminate_command(engine, event);
        break;
    case BSC_EVENT_REFUSED:
    case BSC_EVENT_CERTIFICATES:
        record(engine, event);
        break;
    case BSC_EVENT_ROOM:
        engine->store_full = false;
        break;
    case BSC_EVENT_TICK:
        tick(engine);
        break;
    case BSC_EVENT_LOADED:
        bsc_load_done(engine, event);
        break;
    case BSC_EVENT_LISTED:
        bsc_load_listed(engine, event);
        break;
    case BSC_EVENT_STARTING:
    case BSC_EVENT_STARTED:
    case BSC_EVENT_EXITED:
        runtime_event(engine, event);
        break;
    case BSC_EVENT_PROBED:
        probed(engine, event);
        break;
    case BSC_EVENT_ANSWERED:
        bsc_query_answered(engine, event);
        break;
    case BSC_EVENT_CONFIGURED:
        bsc_apply_configured(engine, event);
        break;
    case BSC_EVENT_PUBLISHED:
        published(engine, event);
        break;
    case BSC_EVENT_DRAINED:
        drained(engine, event);
        break;
    case BSC_EVENT_EJECTED:
    case BSC_EVENT_RETURNED:
        bsc_ejected(engine, event);
        break;
    case BSC_EVENT_TRIPPED:
        bsc_rollout_tripped(engine, event);
        break;
    case BSC_EVENT_COUNTED:
        bsc_analysis_counted(engine, event);
        break;
    case BSC_EVENT_MIRRORED:
        bsc_mirrored(engine, event);
        break;
    case BSC_EVENT_FACTS:
        bsc_trial_facts(engine, event);
        break;
    case BSC_EVENT_COMMITTED:
    case BSC_EVENT_KIND_COUNT:
        break;
    default:
        bsc_command_handle(engine, event);
    }
}

static void progress_service(struct bsc_engine *engine, struct bsc_service *service)
{
    if (service->gone || engine->terminating)
        return;
    bsc_publish_tick(engine, service);
    bsc_instances_tick(engine, service);
    bsc_rollout_progress(engine, service);
    bsc_check_progress(engine, service);
    standby_over(engine, service);
    if (service->row.removed && !service->instance_count)
        bsc_service_forget(engine, service);
}

/* Lets every service that was touched go as far as it can: that may touch it again. */
static void progress(struct bsc_engine *engine)
{
    size_t done = 0;
    do {
        for (; done < engine->touched_count; done++)
            progress_service(engine, engine->touched[done]);
    } while (!engine->terminating && bsc_groups_progress(engine));
    if (engine->terminating)
        bsc_terminate_progress(engine);
}

/* While the store does not work, commands are refused at once instead of waiting for it; so is
 * whatever comes after TERMINATE. */
static void refuse(struct bsc_engine *engine, const struct bsc_event *event)
{
    struct bsc_reply reply = { .status = BSC_UNAVAILABLE, .text = "bascule is stopping" };
    if (engine->phase == BSC_PHASE_BROKEN && !engine->terminating) {
        reply.status = engine->store_status;
        reply.text = engine->store_text;
    }
    if (event->token)
        engine->ports.notifier.ops->reply(engine->ports.notifier.self, event->token, &reply);
}

static bool is_refused(const struct bsc_engine *engine, enum bsc_event_kind kind)
{
    return is_command(kind) && kind != BSC_EVENT_TERMINATE &&
           (engine->phase == BSC_PHASE_BROKEN || engine->terminating);
}

static bool must_wait(const struct bsc_engine *engine, const struct bsc_event *event)
{
    if (engine->commit_token)
        return event->kind != BSC_EVENT_COMMITTED;
    if (engine->phase == BSC_PHASE_LOADING)
        return event->kind != BSC_EVENT_LOADED;
    if (engine->phase == BSC_PHASE_LISTING)
        return event->kind != BSC_EVENT_LISTED;
    return false;
}

/* Results that came while a commit was under way share the next one: a thousand instances that
 * start at once cost a few commits and not a thousand. Nothing of theirs is released before. */
static bool joins_previous(const struct bsc_event *event)
{
    switch (event->kind) {
    case BSC_EVENT_TICK:
    case BSC_EVENT_STARTED:
    case BSC_EVENT_EXITED:
    case BSC_EVENT_PROBED:
    case BSC_EVENT_ANSWERED:
    case BSC_EVENT_PUBLISHED:
    case BSC_EVENT_DRAINED:
        return true;
    default:
        return false;
    }
}

static void handle_one(struct bsc_engine *engine, const struct bsc_event *event)
{
    engine->wall_ms = engine->ports.clock.ops->wall_ms(engine->ports.clock.self);
    if (event->kind == BSC_EVENT_COMMITTED) {
        bsc_transaction_committed(engine, event);
        return;
    }
    if (is_refused(engine, event->kind)) {
        refuse(engine, event);
        return;
    }
    if (engine->phase == BSC_PHASE_BROKEN && is_result(event->kind)) {
        bsc_terminate_hear(engine, event);
        return; /* for the rest: about a memory that is going to be read again */
    }
    if (engine->terminating && is_evidence(event->kind))
        return; /* what is stopped is not judged any more: it would begin anew for the way back */
    dispatch(engine, event);
    if (engine->phase != BSC_PHASE_READY)
        return;
    progress(engine);
    bool more =
        engine->queue_first && joins_previous(event) && joins_previous(&engine->queue_first->event);
    if (!more || engine->touched_count >= BSC_BATCH_SERVICES)
        bsc_settle(engine);
}

/* Nobody tells the time while a commit is under way. What became due then is not overtaken by what
 * came then, which would begin the next commit. */
static void look_at_clock(struct bsc_engine *engine)
{
    if (engine->queue_first && bsc_engine_next_ms(engine) <= bsc_now(engine))
        handle_one(engine, &(struct bsc_event){ .kind = BSC_EVENT_TICK });
}

void bsc_engine_handle(struct bsc_engine *engine, const struct bsc_event *event)
{
    if (must_wait(engine, event)) {
        /* Of these the next one says the same and more. */
        if (event->kind != BSC_EVENT_COUNTED && event->kind != BSC_EVENT_FACTS)
            enqueue(engine, event);
        return;
    }
    handle_one(engine, event);
    if (event->kind == BSC_EVENT_COMMITTED)
        look_at_clock(engine);
    while (engine->queue_first && !must_wait(engine, &engine->queue_first->event)) {
        struct bsc_queued *queued = dequeue(engine);
        handle_one(engine, &queued->event);
        queued_free(queued);
    }
}

int64_t bsc_engine_next_ms(const struct bsc_engine *engine)
{
    if (engine->phase == BSC_PHASE_BROKEN)
        return engine->terminating ? INT64_MAX : engine->retry_ms;
    if (engine->phase != BSC_PHASE_READY || engine->commit_token || engine->terminating)
        return INT64_MAX;
    int64_t next = INT64_MAX;
    for (const struct bsc_service *s = engine->services; s; s = s->next)
        if (s->next_ms < next)
            next = s->next_ms;
    return next;
}

void bsc_engine_on_ready(struct bsc_engine *engine,
                         void (*on_ready)(void *argument, enum bsc_status status, const char *text),
                         void *argument)
{
    engine->on_ready = on_ready;
    engine->on_ready_argument = argument;
}

struct bsc_engine *bsc_engine_create(const struct bsc_ports *ports)
{
    struct bsc_engine *engine = bsc_alloc(sizeof *engine);
    engine->ports = *ports;
    engine->port_low = 20000;
    engine->port_high = 31999;
    bsc_load_begin(engine);
    return engine;
}

void bsc_engine_destroy(struct bsc_engine *engine)
{
    if (!engine)
        return;
    bsc_memory_clear(engine);
    for (struct bsc_queued *queued; (queued = dequeue(engine));)
        queued_free(queued);
    bsc_transaction_clear(engine);
    for (size_t i = 0; i < engine->found_count; i++)
        free(engine->found[i].text);
    free(engine->found);
    free(engine->changes);
    free(engine->effects);
    free(engine->touched);
    free(engine->numbered);
    bsc_text_deinit(&engine->file);
    free(engine);
}
