/* SPDX-License-Identifier: Apache-2.0
 * proxy/local.c - see local.h. */
#include "proxy/local.h"

#include <stdlib.h>

#include "base/arena.h"
#include "proxy/exchange.h"
#include "proxy/farewell.h"
#include "proxy/queue.h"
#include "proxy/rescue.h"
#include "proxy/roster.h"
#include "proxy/upstream.h"
#include "proxy/worker.h"

static void free_if_unused(struct bsc_local_instance *instance)
{
    if (instance->listed || instance->active || instance->idle_count)
        return;
    bsc_instance_release(instance->shared);
    SSL_SESSION_free(instance->session);
    free(instance);
}

void bsc_local_claim(struct bsc_worker *worker, struct bsc_local_service *service,
                     struct bsc_local_instance *instance)
{
    instance->active++;
    service->choices[instance->shared->slot].active++;
    bsc_counter_add(&worker->shard->gauges[instance->shared->gauge].started, 1);
}

/* Counts what failed where all workers see it. As long as nothing fails this only reads. */
static void judge(struct bsc_worker *worker, const struct bsc_ejection *ejection,
                  struct bsc_instance *instance, enum bsc_outcome outcome)
{
    if (outcome == BSC_OUTCOME_GOOD || outcome == BSC_OUTCOME_CHARGED) {
        if (atomic_load_explicit(&instance->errors_in_row, memory_order_relaxed))
            atomic_store_explicit(&instance->errors_in_row, 0, memory_order_relaxed);
    } else if (outcome == BSC_OUTCOME_BAD || outcome == BSC_OUTCOME_EXCUSED) {
        unsigned row =
            1 + atomic_fetch_add_explicit(&instance->errors_in_row, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&instance->errors, 1, memory_order_relaxed);
        if (row == ejection->errors)
            bsc_worker_suspect(worker);
    }
}

void bsc_local_release(struct bsc_worker *worker, struct bsc_local_service *service,
                       struct bsc_local_instance *instance, enum bsc_outcome outcome)
{
    instance->active--;
    service->choices[instance->shared->slot].active--;
    bsc_counter_add(&worker->shard->gauges[instance->shared->gauge].finished, 1);
    if (worker->mirrors) /* nobody is left out for what copies met */
        outcome = BSC_OUTCOME_UNKNOWN;
    if (outcome == BSC_OUTCOME_BAD || outcome == BSC_OUTCOME_CHARGED)
        bsc_counter_add(&worker->shard->gauges[instance->shared->gauge].errors, 1);
    judge(worker, &service->shared->ejection, instance->shared, outcome);
    free_if_unused(instance);
}

static void unlist(struct bsc_worker *worker, const struct bsc_local_service *service,
                   struct bsc_local_instance *instance)
{
    if (instance->active && service->shared && !instance->leave_by_ms)
        bsc_farewell_instance(worker, instance, service->shared->drain_ms);
    instance->listed = false;
    bsc_upstream_close_idle(worker, instance);
    free_if_unused(instance);
}

static void forget_instances(struct bsc_worker *worker, struct bsc_local_service *service)
{
    for (unsigned i = 0; i < service->instance_count; i++)
        unlist(worker, service, service->instances[i]);
    for (int slot = 0; slot < BSC_SLOT_COUNT; slot++) {
        free(service->choices[slot].items);
        service->choices[slot] = (struct bsc_choice){ .active = service->choices[slot].active };
    }
    free(service->instances);
    bsc_roster_release(service->roster);
    service->roster = NULL;
    service->instances = NULL;
    service->instance_count = 0;
}

static void free_service(struct bsc_local_service *service)
{
    bsc_service_release(service->shared);
    bsc_split_deinit(&service->split);
    free(service);
}

void bsc_local_service_enter(struct bsc_local_service *service)
{
    service->active++;
    bsc_budget_earn(&service->retries, BSC_RETRY_SHARE, BSC_RETRIES_SAVED);
    if (service->split.rescue)
        bsc_local_earn_rescue(service);
}

void bsc_local_service_leave(struct bsc_local_service *service)
{
    if (--service->active == 0 && service->removed)
        free_service(service);
}

/* Takes the instance out of the old list when it is the same one: its connections and claims go
 * on. The order is mostly the same, so the search starts at `hint`. */
static struct bsc_local_instance *take_same(struct bsc_local_service *service, unsigned hint,
                                            const struct bsc_instance *shared)
{
    for (unsigned i = 0; i < service->instance_count; i++) {
        unsigned at = (hint + i) % service->instance_count;
        struct bsc_local_instance *old = service->instances[at];
        if (old && bsc_instance_same(old->shared, shared)) {
            service->instances[at] = NULL;
            return old;
        }
    }
    struct bsc_local_instance *fresh = bsc_alloc(sizeof *fresh);
    bsc_list_init(&fresh->idle);
    bsc_list_init(&fresh->sessions);
    fresh->shared = bsc_instance_acquire((struct bsc_instance *)(uintptr_t)shared);
    return fresh;
}

static void choose_from(struct bsc_local_service *service, enum bsc_slot slot)
{
    struct bsc_choice *choice = &service->choices[slot];
    unsigned period = service->roster->arrangements[slot].turn_count;
    int64_t slow_start_ms = service->shared ? service->shared->slow_start_ms : 0;
    choice->count = choice->weight_sum = 0;
    choice->slow_until_ms = 0;
    choice->arrangement = &service->roster->arrangements[slot];
    free(choice->items);
    choice->items = bsc_alloc(service->instance_count * sizeof(struct bsc_local_instance *));
    for (unsigned i = 0; i < service->instance_count; i++) {
        struct bsc_local_instance *instance = service->instances[i];
        if (!instance->open || instance->shared->slot != slot)
            continue;
        choice->items[choice->count++] = instance;
        choice->weight_sum += instance->weight;
        if (instance->slow_from_ms &&
            instance->slow_from_ms + slow_start_ms > choice->slow_until_ms)
            choice->slow_until_ms = instance->slow_from_ms + slow_start_ms;
    }
    if (choice->cursor >= (period ? period : choice->count))
        choice->cursor = 0;
}

static void take_leaving(struct bsc_worker *worker, const struct bsc_local_service *service,
                         struct bsc_local_instance *instance, bool leaving)
{
    if (leaving && !instance->leave_by_ms && service->shared)
        bsc_farewell_instance(worker, instance, service->shared->drain_ms);
    else if (!leaving && instance->leave_by_ms)
        bsc_farewell_revoke(worker, instance);
}

static void take_roster(struct bsc_worker *worker, struct bsc_local_service *service,
                        struct bsc_roster *roster)
{
    struct bsc_local_instance **instances =
        bsc_alloc(roster->count * sizeof(struct bsc_local_instance *));
    for (unsigned i = 0; i < roster->count; i++) {
        const struct bsc_roster_item *item = &roster->items[i];
        instances[i] = take_same(service, i, item->instance);
        instances[i]->listed = true;
        instances[i]->open = bsc_roster_item_open(item);
        instances[i]->weight = item->weight;
        instances[i]->slow_from_ms = item->slow_from_ms;
        take_leaving(worker, service, instances[i], item->leaving);
    }
    for (unsigned i = 0; i < service->instance_count; i++)
        if (service->instances[i])
            unlist(worker, service, service->instances[i]);
    free(service->instances);
    service->instances = instances;
    service->instance_count = roster->count;
    bsc_roster_acquire(roster);
    bsc_roster_release(service->roster);
    service->roster = roster;
    choose_from(service, BSC_BLUE);
    choose_from(service, BSC_GREEN);
}

static void remove_service(struct bsc_worker *worker, uint32_t index)
{
    struct bsc_local_service *service = worker->services[index];
    worker->services[index] = NULL;
    if (!service)
        return;
    service->removed = true;
    service->has_split = false;
    forget_instances(worker, service);
    if (service->active == 0) {
        free_service(service);
    } else {
        bsc_exchange_wake_held(worker, service);
        bsc_queue_wake(worker, service);
    }
}

static struct bsc_local_service *create_service(void)
{
    struct bsc_local_service *service = bsc_alloc(sizeof *service);
    bsc_list_init(&service->held);
    bsc_list_init(&service->queued[BSC_BLUE]);
    bsc_list_init(&service->queued[BSC_GREEN]);
    bsc_list_init(&service->queues);
    service->retries.credit = BSC_RETRIES_AT_FIRST * BSC_BUDGET_ONE;
    return service;
}

static void apply_change(struct bsc_worker *worker, const struct bsc_change *change)
{
    if (change->index >= worker->service_count) {
        size_t old = worker->service_count;
        worker->services = bsc_grow(worker->services, &worker->service_capacity, change->index + 1,
                                    sizeof(struct bsc_local_service *));
        worker->service_count = change->index + 1;
        for (size_t i = old; i < worker->service_count; i++)
            worker->services[i] = NULL;
    }
    if (change->remove) {
        remove_service(worker, change->index);
        return;
    }
    struct bsc_local_service *service = worker->services[change->index];
    if (!service)
        service = worker->services[change->index] = create_service();
    if (change->service) {
        bsc_service_release(service->shared);
        service->shared = bsc_service_acquire(change->service);
        if (service->shared->trial && !worker->told)
            worker->told = bsc_told_create();
        if (service->shared->traffic != BSC_TRAFFIC_HOLD)
            bsc_exchange_wake_held(worker, service);
        for (int slot = 0; service->roster && slot < BSC_SLOT_COUNT; slot++)
            choose_from(service, (enum bsc_slot)slot); /* the slow start may have changed */
    }
    if (change->whole)
        service->has_split = false;
    if (change->roster)
        take_roster(worker, service, change->roster);
    if (change->has_split)
        bsc_rescue_take_split(worker, service, &change->split);
    service->has_split |= change->has_split;
    bsc_queue_wake(worker, service);
}

void bsc_local_apply(struct bsc_worker *worker, const struct bsc_update *update)
{
    if (update->routes)
        worker->routes = update->routes;
    for (unsigned i = 0; i < update->change_count; i++)
        apply_change(worker, &update->changes[i]);
}

struct bsc_local_service *bsc_local_find(const struct bsc_worker *worker, uint32_t index)
{
    return index < worker->service_count ? worker->services[index] : NULL;
}
