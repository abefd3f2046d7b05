/* SPDX-License-Identifier: Apache-2.0
 * proxy/local.c - see local.h. */
#include "proxy/local.h"

#include <stdlib.h>

#include "base/arena.h"
#include "proxy/exchange.h"
#include "proxy/upstream.h"
#include "proxy/worker.h"

static void free_if_unused(struct bsc_local_instance *instance)
{
    if (instance->listed || instance->active || instance->idle_count)
        return;
    bsc_instance_release(instance->shared);
    free(instance);
}

void bsc_local_instance_claim(struct bsc_worker *worker, struct bsc_local_instance *instance)
{
    instance->active++;
    bsc_counter_add(&worker->shard->gauges[instance->shared->gauge].started, 1);
}

void bsc_local_instance_release(struct bsc_worker *worker, struct bsc_local_instance *instance)
{
    instance->active--;
    bsc_counter_add(&worker->shard->gauges[instance->shared->gauge].finished, 1);
    free_if_unused(instance);
}

static void unlist(struct bsc_worker *worker, struct bsc_local_instance *instance)
{
    instance->listed = false;
    bsc_upstream_close_idle(worker, instance);
    free_if_unused(instance);
}

static void forget_instances(struct bsc_worker *worker, struct bsc_local_service *service)
{
    for (unsigned i = 0; i < service->instance_count; i++)
        unlist(worker, service->instances[i]);
    for (int slot = 0; slot < BSC_SLOT_COUNT; slot++) {
        free(service->choices[slot].items);
        service->choices[slot] = (struct bsc_choice){ 0 };
    }
    free(service->instances);
    service->instances = NULL;
    service->instance_count = 0;
}

static void free_service(struct bsc_local_service *service)
{
    bsc_service_release(service->shared);
    free(service);
}

void bsc_local_service_enter(struct bsc_local_service *service)
{
    service->active++;
    if (service->retry_fifths < BSC_RETRY_FIFTHS_MAX)
        service->retry_fifths++;
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
    fresh->shared = bsc_instance_acquire((struct bsc_instance *)(uintptr_t)shared);
    return fresh;
}

static void choose_from(struct bsc_local_service *service, enum bsc_slot slot)
{
    struct bsc_choice *choice = &service->choices[slot];
    choice->count = 0;
    free(choice->items);
    choice->items = bsc_alloc(service->instance_count * sizeof(struct bsc_local_instance *));
    for (unsigned i = 0; i < service->instance_count; i++)
        if (service->instances[i]->healthy && service->instances[i]->shared->slot == slot)
            choice->items[choice->count++] = service->instances[i];
    if (choice->cursor >= choice->count)
        choice->cursor = 0;
}

static void take_roster(struct bsc_worker *worker, struct bsc_local_service *service,
                        const struct bsc_roster *roster)
{
    struct bsc_local_instance **instances =
        bsc_alloc(roster->count * sizeof(struct bsc_local_instance *));
    for (unsigned i = 0; i < roster->count; i++) {
        instances[i] = take_same(service, i, roster->items[i].instance);
        instances[i]->listed = true;
        instances[i]->healthy = roster->items[i].healthy;
    }
    for (unsigned i = 0; i < service->instance_count; i++)
        if (service->instances[i])
            unlist(worker, service->instances[i]);
    free(service->instances);
    service->instances = instances;
    service->instance_count = roster->count;
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
    if (service->active == 0)
        free_service(service);
    else
        bsc_exchange_wake_held(worker, service);
}

static struct bsc_local_service *create_service(void)
{
    struct bsc_local_service *service = bsc_alloc(sizeof *service);
    bsc_list_init(&service->held);
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
        if (service->shared->traffic != BSC_TRAFFIC_HOLD)
            bsc_exchange_wake_held(worker, service);
    }
    if (change->whole)
        service->has_split = false;
    if (change->roster)
        take_roster(worker, service, change->roster);
    if (change->has_split)
        service->split = change->split;
    service->has_split |= change->has_split;
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
