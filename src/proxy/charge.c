/* SPDX-License-Identifier: Apache-2.0
 * proxy/charge.c - what a request leaves in the counters: one unit, when it ended. */
#include "proxy/identity.h"
#include "proxy/rescue.h"
#include "proxy/worker.h"

static bsc_counter *counter_of(struct bsc_cell *cell, enum bsc_cause cause)
{
    switch (cause) {
    case BSC_CAUSE_NO_INSTANCE:
        return &cell->no_instance;
    case BSC_CAUSE_CONNECT:
        return &cell->connect_failed;
    case BSC_CAUSE_RESET:
        return &cell->reset;
    case BSC_CAUSE_TIME_OUT:
        return &cell->timed_out;
    case BSC_CAUSE_NONE:
    case BSC_CAUSE_COUNT:
        break;
    }
    return NULL;
}

/* Of a rescued one the head is stable's. */
void bsc_exchange_charge_head(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    if (!exchange->charged || exchange->rescued || exchange->head_counted)
        return;
    exchange->head_counted = true;
    bsc_counter_add(&worker->shard->cells[exchange->cell].answered, 1);
}

static void mark_user(struct bsc_worker *worker, const struct bsc_exchange *exchange)
{
    const struct bsc_local_service *service = exchange->service;
    if (!exchange->identified || !service->shared->sticky)
        return;
    unsigned bucket = bsc_identity_bucket(service->split.key, exchange->identity);
    bsc_counter *word = &worker->shard->bad[exchange->cell].words[bucket / 64];
    uint64_t bit = (uint64_t)1 << bucket % 64;
    if (!(bsc_counter_get(word) & bit))
        bsc_counter_add(word, bit);
}

bool bsc_exchange_erred(const struct bsc_exchange *exchange, enum bsc_cause cause, unsigned status)
{
    if (cause != BSC_CAUSE_NONE)
        return true;
    if (exchange->phase == BSC_EXCHANGE_OWN) /* nothing that an instance said */
        return status >= 500;
    return bsc_blame_has(&exchange->service->shared->blame, exchange->blame, status);
}

bool bsc_exchange_charged_error(const struct bsc_exchange *exchange)
{
    if (!exchange->charged)
        return false;
    if (exchange->rescued)
        return bsc_exchange_erred(exchange, (enum bsc_cause)exchange->failed_cause,
                                  exchange->failed_status);
    return bsc_exchange_erred(exchange, (enum bsc_cause)exchange->cause, exchange->status);
}

void bsc_exchange_charge(struct bsc_worker *worker, const struct bsc_exchange *exchange)
{
    if (!exchange->charged) {
        if (exchange->phase == BSC_EXCHANGE_OWN)
            bsc_counter_add(&worker->shard->own_answers, 1);
        return;
    }
    struct bsc_cell *cell = &worker->shard->cells[exchange->cell];
    bool rescued = exchange->rescued; /* then the candidate's part is judged, and nothing else */
    bsc_counter *cause = counter_of(cell, rescued ? exchange->failed_cause : exchange->cause);
    unsigned status_class = (rescued ? exchange->failed_status : exchange->status) / 100;
    int64_t answered_us = rescued ? exchange->failed_us : exchange->answered_us;
    if (rescued)
        bsc_rescue_count(worker, exchange);
    if (cause)
        bsc_counter_add(cause, 1);
    if (bsc_exchange_charged_error(exchange)) {
        bsc_counter_add(&cell->errors, 1);
        mark_user(worker, exchange);
    }
    if (!exchange->head_counted)
        bsc_counter_add(&cell->answered, 1);
    if (exchange->client_left && !rescued)
        bsc_counter_add(&cell->client_left, 1);
    bsc_counter_add(&cell->status[status_class], 1);
    if (exchange->request.data_bytes)
        bsc_counter_add(&cell->bytes_in, exchange->request.data_bytes);
    if (exchange->answer.data_bytes && !rescued)
        bsc_counter_add(&cell->bytes_out, exchange->answer.data_bytes);
    if (answered_us) {
        uint64_t latency_us = (uint64_t)(answered_us - exchange->started_us);
        bsc_counter_add(&cell->latency_sum_us, latency_us);
        bsc_counter_add(&cell->latency[bsc_histogram_bucket(latency_us)], 1);
    }
    bsc_counter_add(&cell->requests, 1);
}
