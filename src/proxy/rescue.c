/* SPDX-License-Identifier: Apache-2.0
 * proxy/rescue.c - see rescue.h. */
#include "proxy/rescue.h"

#include "proxy/queue.h"
#include "proxy/worker.h"

enum {
    RESCUES_SAVED = 256,
    RESCUES_LATE = 256, /* of what was in flight there when the traffic left */
    LEAST_OF_ONE = 3    /* what a worker may rescue at first, however many workers there are */
};

void bsc_rescue_take_split(const struct bsc_worker *worker, struct bsc_local_service *service,
                           const struct bsc_split *split)
{
    bool same = service->has_split && service->split.rescue &&
                service->split.generation == split->generation;
    struct bsc_split old = { 0 };
    bsc_split_set(&old, &service->split);
    bsc_split_set(&service->split, split);
    if (same)
        bsc_split_succeed(&service->split, &old);
    bsc_split_deinit(&old);
    if (same)
        return;
    unsigned least = (split->rescue_least + worker->count - 1) / worker->count;
    service->rescues.credit = (least > LEAST_OF_ONE ? least : LEAST_OF_ONE) * BSC_BUDGET_ONE;
    service->rescues_late = RESCUES_LATE;
}

void bsc_local_earn_rescue(struct bsc_local_service *service)
{
    bsc_budget_earn(&service->rescues, service->split.rescue_share, RESCUES_SAVED);
}

static void trip(struct bsc_worker *worker, struct bsc_local_service *service)
{
    bsc_split_trip(&service->split);
    bsc_queue_wake(worker, service);
    atomic_store(&service->shared->hold->tripped, service->split.generation + 1);
    bsc_worker_trip(worker);
}

/* The one that finds nothing left is rescued like those that are in flight: nothing follows them.
 */
static bool spend(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    struct bsc_local_service *service = exchange->service;
    if (!service->choices[service->split.stable].count)
        return false;
    bool left = !bsc_split_serves(&service->split, exchange->slot);
    if (!left && bsc_budget_spend(&service->rescues))
        return true;
    if (!left)
        trip(worker, service);
    return service->rescues_late > 0 && service->rescues_late--;
}

bool bsc_rescue_begin(struct bsc_worker *worker, struct bsc_exchange *exchange, unsigned status)
{
    const struct bsc_split *split = &exchange->service->split;
    if (!exchange->service->has_split || !split->rescue || !exchange->charged ||
        exchange->rescued || exchange->pinned || exchange->slot == split->stable ||
        exchange->service->removed || exchange->service->shared->traffic != BSC_TRAFFIC_SERVE ||
        !bsc_exchange_repeatable(exchange) ||
        !bsc_exchange_erred(exchange, (enum bsc_cause)exchange->cause, status))
        return false;
    if (!spend(worker, exchange)) {
        bsc_counter_add(&worker->shard->cells[exchange->cell].rescue_refused, 1);
        return false;
    }
    bsc_queue_leave(worker, exchange, false);
    exchange->rescued = true;
    exchange->failed_status = (uint16_t)status;
    exchange->failed_cause = exchange->cause;
    exchange->failed_tries = exchange->tries;
    exchange->failed_us = worker->now_us;
    exchange->cause = BSC_CAUSE_NONE;
    exchange->status = 0;
    exchange->answered_us = 0;
    exchange->slot = (uint8_t)split->stable;
    exchange->tries = 1; /* stable's own retries begin, on a new connection */
    return true;
}

void bsc_rescue_count(struct bsc_worker *worker, const struct bsc_exchange *exchange)
{
    struct bsc_cell *cell = &worker->shard->cells[exchange->cell];
    if (exchange->client_left)
        return;
    if (bsc_exchange_erred(exchange, (enum bsc_cause)exchange->cause, exchange->status))
        bsc_counter_add(&cell->rescue_failed, 1);
    else
        bsc_counter_add(&cell->rescued[exchange->failed_cause], 1);
}
