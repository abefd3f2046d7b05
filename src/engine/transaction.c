/* SPDX-License-Identifier: Apache-2.0
 * engine/transaction.c - what an event wants stored, done and told; first the one, then the others.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/internal.h"

/* A token is a growing number with the number of its service in the low bits, so that an answer
 * finds its service without a search. */
bsc_token bsc_token_next(struct bsc_engine *engine, const struct bsc_service *service)
{
    engine->last_token += (bsc_token)1 << BSC_SERVICE_BITS;
    return engine->last_token | (service ? service->number + 1 : 0);
}

struct bsc_service *bsc_token_service(const struct bsc_engine *engine, bsc_token token)
{
    size_t number = token & (((bsc_token)1 << BSC_SERVICE_BITS) - 1);
    if (token < engine->load_token) /* the services were numbered anew since */
        return NULL;
    return number && number <= engine->number_count ? engine->numbered[number - 1] : NULL;
}

uint64_t bsc_id_next(struct bsc_engine *engine)
{
    engine->settings_dirty = true;
    return engine->settings.next_id++;
}

void bsc_look(struct bsc_engine *engine, struct bsc_service *service)
{
    if (service->touched)
        return;
    service->touched = true;
    engine->touched = bsc_grow(engine->touched, &engine->touched_capacity,
                               engine->touched_count + 1, sizeof *engine->touched);
    engine->touched[engine->touched_count++] = service;
}

void bsc_touch(struct bsc_engine *engine, struct bsc_service *service)
{
    service->changed = true;
    bsc_look(engine, service);
}

void bsc_touch_row(struct bsc_engine *engine, struct bsc_service *service)
{
    service->dirty = true;
    bsc_touch(engine, service);
}

struct bsc_change *bsc_change_add(struct bsc_engine *engine, enum bsc_change_kind kind)
{
    engine->changes = bsc_grow(engine->changes, &engine->change_capacity, engine->change_count + 1,
                               sizeof *engine->changes);
    struct bsc_change *change = &engine->changes[engine->change_count++];
    memset(change, 0, sizeof *change);
    change->kind = kind;
    return change;
}

struct bsc_effect *bsc_effect_add(struct bsc_engine *engine, enum bsc_effect_kind kind,
                                  struct bsc_service *service)
{
    engine->effects = bsc_grow(engine->effects, &engine->effect_capacity, engine->effect_count + 1,
                               sizeof *engine->effects);
    struct bsc_effect *effect = &engine->effects[engine->effect_count++];
    *effect = (struct bsc_effect){ .kind = kind, .service = service };
    return effect;
}

void bsc_reply(struct bsc_engine *engine, bsc_token token, enum bsc_status status, uint64_t rollout,
               const char *format, ...)
{
    if (!token)
        return;
    struct bsc_text text = { 0 };
    char line[BSC_ERROR_TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    bsc_text_puts(&text, line);
    struct bsc_effect *effect = bsc_effect_add(engine, BSC_EFFECT_REPLY, NULL);
    effect->token = token;
    effect->status = status;
    effect->rollout = rollout;
    effect->text = text.data;
}

void bsc_reply_lines(struct bsc_engine *engine, bsc_token token, enum bsc_status status,
                     const struct bsc_text *lines)
{
    if (!token)
        return;
    struct bsc_effect *effect = bsc_effect_add(engine, BSC_EFFECT_REPLY, NULL);
    effect->token = token;
    effect->status = status;
    effect->lines = true;
    effect->text = bsc_copy(bsc_text_get(lines));
}

struct bsc_audit_row *bsc_audit(struct bsc_engine *engine, const struct bsc_service *service,
                                uint64_t rollout, const char *kind, const char *actor,
                                const char *format, ...)
{
    struct bsc_audit_row *row = bsc_alloc(sizeof *row);
    row->sequence = engine->settings.next_sequence++;
    engine->settings_dirty = true;
    row->at_ms = bsc_wall(engine);
    row->service = service ? service->name : NULL;
    row->rollout = rollout;
    snprintf(row->kind, sizeof row->kind, "%s", kind);
    snprintf(row->actor, sizeof row->actor, "%s", actor && *actor ? actor : "bascule");
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(row->text, sizeof row->text, format, arguments);
    va_end(arguments);
    bsc_effect_add(engine, BSC_EFFECT_AUDIT, NULL)->audit = row;
    return row;
}

/* The rows that differ from what is stored, parents before children. */
static void collect_service(struct bsc_engine *engine, struct bsc_service *service)
{
    if (service->dirty) {
        bsc_change_add(engine, BSC_PUT_SERVICE)->service = service->row;
        service->dirty = false;
    }
    for (size_t i = 0; i < service->release_count; i++)
        if (service->releases[i].dirty) {
            bsc_change_add(engine, BSC_PUT_RELEASE)->release = service->releases[i].row;
            service->releases[i].dirty = false;
        }
    for (unsigned slot = 0; slot < BSC_SLOT_COUNT; slot++)
        if (service->record_dirty[slot]) {
            struct bsc_change *change = bsc_change_add(engine, BSC_PUT_RECORD);
            change->record.service = service->name;
            change->record.record = service->records[slot];
            service->record_dirty[slot] = false;
        }
    if (service->rollout && service->rollout->dirty) {
        struct bsc_rollout_row *copy = bsc_alloc(sizeof *copy);
        *copy = service->rollout->row;
        bsc_change_add(engine, BSC_PUT_ROLLOUT)->rollout = copy;
        service->rollout->dirty = false;
    }
    struct bsc_mirror_report *report =
        service->rollout ? bsc_mirror_to_store(engine, service->rollout) : NULL;
    if (report) {
        struct bsc_change *change = bsc_change_add(engine, BSC_PUT_MIRROR);
        change->mirror.rollout = service->rollout->row.id;
        change->mirror.report = report;
    }
    if (service->rollout)
        bsc_trial_collect(engine, service->rollout);
    for (size_t i = 0; i < service->instance_count; i++)
        if (service->instances[i].dirty) {
            bsc_change_add(engine, BSC_PUT_INSTANCE)->instance = service->instances[i].row;
            service->instances[i].dirty = false;
        }
}

static void collect(struct bsc_engine *engine)
{
    size_t deletes = engine->change_count;
    for (size_t i = 0; i < engine->touched_count; i++)
        collect_service(engine, engine->touched[i]);
    for (size_t i = 0; i < engine->effect_count; i++)
        if (engine->effects[i].kind == BSC_EFFECT_AUDIT)
            bsc_change_add(engine, BSC_ADD_AUDIT)->audit = *engine->effects[i].audit;
    if (engine->settings_dirty)
        bsc_change_add(engine, BSC_PUT_SETTINGS)->settings = engine->settings;
    engine->settings_dirty = false;
    if (!deletes || deletes == engine->change_count)
        return;
    /* What was written down while handling are the deletions: they come last. */
    size_t puts = engine->change_count - deletes;
    struct bsc_change *kept = bsc_alloc(deletes * sizeof *kept);
    memcpy(kept, engine->changes, deletes * sizeof *kept);
    memmove(engine->changes, engine->changes + deletes, puts * sizeof *kept);
    memcpy(engine->changes + puts, kept, deletes * sizeof *kept);
    free(kept);
}

static void changes_clear(struct bsc_engine *engine)
{
    for (size_t i = 0; i < engine->change_count; i++) {
        if (engine->changes[i].kind == BSC_PUT_ROLLOUT)
            free(engine->changes[i].rollout);
        if (engine->changes[i].kind == BSC_PUT_MIRROR)
            free(engine->changes[i].mirror.report);
        if (engine->changes[i].kind == BSC_PUT_TRIAL)
            bsc_trial_row_free(engine->changes[i].trial);
    }
    engine->change_count = 0;
}

static void effect_clear(struct bsc_effect *effect)
{
    free(effect->text);
    free(effect->audit);
}

void bsc_transaction_clear(struct bsc_engine *engine)
{
    for (size_t i = 0; i < engine->effect_count; i++)
        effect_clear(&engine->effects[i]);
    engine->effect_count = 0;
    changes_clear(engine);
}

/* Performs what was wanted. Ports never answer from inside a call, so the list stays as it is. */
static void release_effects(struct bsc_engine *engine)
{
    for (size_t i = 0; i < engine->effect_count; i++) {
        bsc_effect_perform(engine, &engine->effects[i]);
        effect_clear(&engine->effects[i]);
    }
    engine->effect_count = 0;
    for (size_t i = 0; i < engine->touched_count; i++) {
        struct bsc_service *service = engine->touched[i];
        service->touched = false;
        if (service->changed && engine->phase == BSC_PHASE_READY)
            engine->ports.notifier.ops->changed(engine->ports.notifier.self, service->name);
        service->changed = false;
        if (service->gone)
            bsc_service_delete(engine, service);
    }
    engine->touched_count = 0;
}

static void plan_timers(struct bsc_engine *engine)
{
    for (size_t i = 0; i < engine->touched_count; i++) {
        struct bsc_service *service = engine->touched[i];
        int64_t next = bsc_instances_next_ms(service);
        int64_t rollout = bsc_rollout_next_ms(service);
        if (rollout < next)
            next = rollout;
        if (service->standby_at_ms && service->standby_at_ms < next)
            next = service->standby_at_ms;
        if (service->republish_at_ms && service->republish_at_ms < next)
            next = service->republish_at_ms;
        service->next_ms = next;
    }
}

void bsc_settle(struct bsc_engine *engine)
{
    if (engine->commit_token || engine->phase == BSC_PHASE_LOADING)
        return;
    for (size_t i = 0; i < engine->touched_count; i++)
        bsc_preview_renew(engine->touched[i]);
    for (bool again = true; again;) {
        again = false; /* one publish may want others: see make_good */
        for (size_t i = 0; i < engine->touched_count; i++)
            if (engine->touched[i]->publish_wanted) {
                bsc_publish(engine, engine->touched[i], false);
                again = true;
            }
    }
    plan_timers(engine);
    collect(engine);
    for (size_t i = 0; i < engine->effect_count; i++)
        if (engine->effects[i].early)
            bsc_effect_perform(engine, &engine->effects[i]);
    if (!engine->change_count) {
        release_effects(engine);
        return;
    }
    engine->commit_token = bsc_token_next(engine, NULL);
    engine->ports.store.ops->commit(engine->ports.store.self, engine->changes,
                                    (unsigned)engine->change_count, engine->commit_token);
}

static void disappoint(struct bsc_engine *engine, bsc_token *token, enum bsc_status status,
                       const char *text)
{
    struct bsc_reply reply = { .status = status, .text = text };
    if (*token)
        engine->ports.notifier.ops->reply(engine->ports.notifier.self, *token, &reply);
    *token = 0;
}

/* The store did not take it: whoever waits is told so, everything else never happened. */
static void discard(struct bsc_engine *engine, enum bsc_status status, const char *text)
{
    for (size_t i = 0; i < engine->effect_count; i++)
        if (engine->effects[i].kind == BSC_EFFECT_REPLY)
            disappoint(engine, &engine->effects[i].token, status, text);
    for (struct bsc_service *s = engine->services; s; s = s->next) {
        disappoint(engine, &s->check_reply, status, text);
        disappoint(engine, &s->traffic_reply, status, text);
    }
    if (engine->apply)
        disappoint(engine, &engine->apply_reply, status, text);
    engine->apply = NULL;
    bsc_transaction_clear(engine);
    engine->touched_count = 0;
    engine->settings_dirty = false;
    engine->store_full = status == BSC_NO_SPACE;
    engine->store_failed = true;
    engine->store_status = status;
    snprintf(engine->store_text, sizeof engine->store_text, "%s", text);
    if (engine->unproved) /* reading it again at once would go round and round */
        bsc_load_later(engine, status, text);
    else
        bsc_load_begin(engine);
}

void bsc_transaction_committed(struct bsc_engine *engine, const struct bsc_event *event)
{
    if (event->token != engine->commit_token)
        return;
    engine->commit_token = 0;
    if (event->status != BSC_OK) {
        discard(engine, event->status, event->text ? event->text : "store failed");
        return;
    }
    engine->store_full = event->full;
    engine->unproved = false;
    engine->retry_pause_ms = 0;
    changes_clear(engine);
    release_effects(engine);
}
