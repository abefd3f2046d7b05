/* SPDX-License-Identifier: Apache-2.0
 * proxy/queue.c - see queue.h.
 *
 * No wake-up is lost: a worker sets its bit before it looks for a place for the last time, and
 * whoever frees a place looks for bits after it (all sequentially consistent). Who was woken and
 * does not need the place any more wakes the next one. */
#include "proxy/queue.h"

#include <sys/eventfd.h>

#include "proxy/worker.h"

bool bsc_queue_take_place(struct bsc_local_instance *instance, unsigned limit)
{
    _Atomic unsigned *in_flight = &instance->shared->in_flight;
    unsigned now = atomic_load(in_flight);
    while (now < limit)
        if (atomic_compare_exchange_weak(in_flight, &now, now + 1))
            return true;
    return false;
}

static void look_again(struct bsc_worker *worker, const struct bsc_list *queue)
{
    if (bsc_list_empty(queue))
        return;
    struct bsc_exchange *first = BSC_CONTAINER(queue->next, struct bsc_exchange, held);
    bsc_worker_later(worker, &first->client->connection);
}

/* Wakes the next worker after this one, or this one when no other waits. */
static void pass_on(struct bsc_worker *worker, struct bsc_local_service *service, unsigned slot)
{
    _Atomic uint64_t *waiting = &service->shared->hold->waiting[slot];
    for (uint64_t bits; (bits = atomic_load(waiting));) {
        unsigned next = (worker->number + 1) % 64;
        uint64_t turned = next ? bits >> next | bits << (64 - next) : bits;
        unsigned chosen = (next + (unsigned)__builtin_ctzll(turned)) % 64;
        uint64_t bit = (uint64_t)1 << chosen;
        if (!(atomic_fetch_and(waiting, ~bit) & bit))
            continue; /* somebody else woke it */
        if (chosen == worker->number)
            look_again(worker, &service->queued[slot]);
        else
            eventfd_write(worker->peers[chosen]->inbox.wake, 1);
        return;
    }
}

void bsc_queue_give_place(struct bsc_worker *worker, struct bsc_local_service *service,
                          struct bsc_local_instance *instance)
{
    atomic_fetch_sub(&instance->shared->in_flight, 1);
    pass_on(worker, service, instance->shared->slot);
}

bool bsc_queue_is_behind(const struct bsc_exchange *exchange)
{
    const struct bsc_list *queue = &exchange->service->queued[exchange->slot];
    return !bsc_list_empty(queue) && queue->next != &exchange->held;
}

static uint64_t own_bit(const struct bsc_worker *worker)
{
    return (uint64_t)1 << worker->number;
}

bool bsc_queue_enter(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    struct bsc_local_service *service = exchange->service;
    struct bsc_hold_count *count = service->shared->hold;
    unsigned slot = exchange->slot;
    if (exchange->phase != BSC_EXCHANGE_QUEUED) {
        struct bsc_cell *cell = &worker->shard->cells[exchange->cell];
        bsc_counter_add(&cell->queued, 1);
        if (atomic_fetch_add(&count->queued[slot], 1) >= service->shared->queue_max) {
            atomic_fetch_sub(&count->queued[slot], 1);
            bsc_counter_add(&cell->queue_refused, 1);
            return bsc_exchange_fail(worker, exchange, 503, BSC_CAUSE_NONE, "queue-full",
                                     "Every instance is busy and too many requests are waiting.");
        }
        exchange->phase = BSC_EXCHANGE_QUEUED;
        exchange->until_ms = worker->now_ms + service->shared->queue_ms;
        bsc_list_add_tail(&service->queued[slot], &exchange->held);
        if (bsc_list_empty(&service->queues))
            bsc_list_add_tail(&worker->queues, &service->queues);
        bsc_timer_set(&worker->wheel, &exchange->client->connection.timer, exchange->until_ms);
    }
    if (!(atomic_fetch_or(&count->waiting[slot], own_bit(worker)) & own_bit(worker)))
        look_again(worker, &service->queued[slot]); /* a place may have come free meanwhile */
    return true;
}

void bsc_queue_leave(struct bsc_worker *worker, struct bsc_exchange *exchange, bool placed)
{
    struct bsc_local_service *service = exchange->service;
    if (exchange->phase != BSC_EXCHANGE_QUEUED)
        return;
    struct bsc_hold_count *count = service->shared->hold;
    unsigned slot = exchange->slot;
    exchange->phase = BSC_EXCHANGE_WAITING;
    bsc_list_remove(&exchange->held);
    atomic_fetch_sub(&count->queued[slot], 1);
    if (bsc_list_empty(&service->queued[slot]))
        atomic_fetch_and(&count->waiting[slot], ~own_bit(worker));
    if (bsc_list_empty(&service->queued[BSC_BLUE]) && bsc_list_empty(&service->queued[BSC_GREEN]))
        bsc_list_remove(&service->queues);
    look_again(worker, &service->queued[slot]);
    if (!placed)
        pass_on(worker, service, slot); /* this one may have been woken for a place */
}

void bsc_queue_wake(struct bsc_worker *worker, struct bsc_local_service *service)
{
    for (unsigned slot = 0; slot < BSC_SLOT_COUNT; slot++)
        for (struct bsc_list *node = service->queued[slot].next; node != &service->queued[slot];
             node = node->next)
            bsc_worker_later(worker,
                             &BSC_CONTAINER(node, struct bsc_exchange, held)->client->connection);
}

void bsc_queue_ring(struct bsc_worker *worker)
{
    for (struct bsc_list *node = worker->queues.next; node != &worker->queues; node = node->next) {
        const struct bsc_local_service *service =
            BSC_CONTAINER(node, struct bsc_local_service, queues);
        for (unsigned slot = 0; slot < BSC_SLOT_COUNT; slot++)
            look_again(worker, &service->queued[slot]);
    }
}
