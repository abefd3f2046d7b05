/* SPDX-License-Identifier: Apache-2.0
 * proxy/retry.c - a request that is sent again, in the slot that it has. */
#include "proxy/bytes.h"
#include "proxy/rescue.h"
#include "proxy/worker.h"

enum {
    RETRYING_AT_LEAST = 3,
    CHEAP = BSC_RETRY_CONNECT | BSC_RETRY_RESET /* hardly any load on who failed */
};

static bool has_idempotency_key(const struct bsc_head *head, const char *bytes)
{
    static const char name[] = "idempotency-key";
    for (size_t i = 0; i < head->field_count; i++)
        if (head->fields[i].id == BSC_FIELD_OTHER &&
            bsc_bytes_equal(bytes + head->fields[i].name.at, head->fields[i].name.size, name,
                            sizeof name - 1))
            return true;
    return false;
}

static bool may_repeat(const struct bsc_retry_policy *policy, const struct bsc_request *request,
                       const char *bytes)
{
    if (request->idempotent)
        return true;
    if (request->method != BSC_METHOD_POST && request->method != BSC_METHOD_PATCH)
        return false;
    return policy->unsafe == BSC_RETRY_UNSAFE_ALWAYS ||
           (policy->unsafe == BSC_RETRY_UNSAFE_KEYED && has_idempotency_key(&request->head, bytes));
}

void bsc_exchange_keep_body(const struct bsc_worker *worker, struct bsc_exchange *exchange,
                            const char *bytes)
{
    const struct bsc_retry_policy *policy = &exchange->service->shared->retry;
    const struct bsc_request *request = &worker->request;
    if (!may_repeat(policy, request, bytes) ||
        (request->head.framing == BSC_FRAMING_LENGTH && request->head.length > policy->body_bytes))
        return;
    exchange->replayable = exchange->request.keep_out = true;
    exchange->request.keep_left = policy->body_bytes;
}

bool bsc_exchange_repeatable(const struct bsc_exchange *exchange)
{
    const struct bsc_flow *request = &exchange->request;
    if (exchange->tcp)
        return exchange->phase != BSC_EXCHANGE_TUNNEL;
    if (!request->out || request->past)
        return false;
    if (exchange->replayable && request->keep_out)
        return true;
    /* Nobody has seen any of it, or the instance says that it did nothing (RFC 9113 section 8.7).
     */
    return request->sent == request->out->begin ||
           (exchange->upstream && exchange->upstream->connection.untouched);
}

/* A retry stays in its slot. What the candidate failed after the traffic left it, or has tripped,
 * is for stable to answer: a rescue. */
static bool may_stay(const struct bsc_exchange *exchange)
{
    const struct bsc_split *split = &exchange->service->split;
    return exchange->pinned || !split->rescue || exchange->slot == split->stable ||
           bsc_split_serves(split, exchange->slot);
}

/* Takes a retry out of the budget (docs/decisions/0004-retry-budget.md). */
static bool spend_retry(struct bsc_exchange *exchange, unsigned kind)
{
    struct bsc_local_service *service = exchange->service;
    bool few = kind & CHEAP && service->retrying - exchange->retrying < RETRYING_AT_LEAST;
    if (!bsc_budget_spend(&service->retries) && !few)
        return false;
    if (!exchange->retrying)
        service->retrying++;
    exchange->retrying = true;
    return true;
}

static bool may_retry(struct bsc_exchange *exchange, unsigned kind)
{
    const struct bsc_retry_policy *policy = &exchange->service->shared->retry;
    if (exchange->mirrored) /* only on a kept connection that was about to end */
        return kind == BSC_RETRY_RESET && exchange->upstream && exchange->upstream->reused &&
               bsc_exchange_repeatable(exchange);
    return policy->on & kind && may_stay(exchange) && bsc_exchange_repeatable(exchange) &&
           exchange->tries < policy->attempts && !exchange->service->removed &&
           spend_retry(exchange, kind);
}

bool bsc_exchange_again(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    if (exchange->upstream)
        bsc_upstream_close(worker, exchange->upstream);
    exchange->upstream = NULL;
    exchange->request.done = false;
    exchange->request_stuck = exchange->answer_begun = false;
    if (exchange->request.out)
        exchange->request.sent = exchange->request.out->begin;
    return bsc_exchange_claim(worker, exchange);
}

static void count_retry(struct bsc_worker *worker, const struct bsc_exchange *exchange)
{
    if (!exchange->rescued)
        bsc_counter_add(&worker->shard->cells[exchange->cell].retries, 1);
}

bool bsc_exchange_retry(struct bsc_worker *worker, struct bsc_exchange *exchange, unsigned status,
                        enum bsc_cause cause, const char *reason, const char *text)
{
    static const unsigned kinds[] = { [BSC_CAUSE_CONNECT] = BSC_RETRY_CONNECT,
                                      [BSC_CAUSE_RESET] = BSC_RETRY_RESET,
                                      [BSC_CAUSE_TIME_OUT] = BSC_RETRY_TIMEOUT };
    if (exchange->answer_begun || !may_retry(exchange, kinds[cause]))
        return bsc_exchange_fail(worker, exchange, status, cause, reason, text);
    count_retry(worker, exchange);
    return bsc_exchange_again(worker, exchange);
}

/* The instance's connection, when its whole answer is there already and nobody wants it. */
static void keep_upstream(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    struct bsc_connection *upstream = &exchange->upstream->connection;
    const struct bsc_head *head = &worker->response.head;
    uint64_t size = head->bytes + (head->framing == BSC_FRAMING_LENGTH ? head->length : 0);
    bool whole = head->framing == BSC_FRAMING_LENGTH || head->framing == BSC_FRAMING_NONE;
    if (!whole || !head->keep_alive || !exchange->request.done ||
        bsc_buffer_size(upstream->in) != size)
        return;
    bsc_connection_consume(worker, upstream, (uint32_t)size);
    upstream->scan = (struct bsc_head_scan){ 0 };
    bsc_upstream_keep(worker, exchange->upstream);
    exchange->upstream = NULL;
}

bool bsc_exchange_reconsider(struct bsc_worker *worker, struct bsc_exchange *exchange, bool *alive)
{
    unsigned status = worker->response.status;
    unsigned kind = status == 502   ? BSC_RETRY_502
                    : status == 503 ? BSC_RETRY_503
                    : status == 504 ? BSC_RETRY_504
                                    : 0;
    if (may_retry(exchange, kind))
        count_retry(worker, exchange);
    else if ((status != 500 && !kind) || !bsc_rescue_begin(worker, exchange, status))
        return false;
    keep_upstream(worker, exchange);
    *alive = bsc_exchange_again(worker, exchange);
    return true;
}
