/* SPDX-License-Identifier: Apache-2.0
 * proxy/own.c - the proxy's own answer to a request, in place of an instance's. */
#include <string.h>

#include "proxy/exchange.h"
#include "proxy/head.h"
#include "proxy/pages.h"
#include "proxy/queue.h"
#include "proxy/rescue.h"
#include "proxy/tunnel.h"
#include "proxy/worker.h"

bool bsc_exchange_run_own(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    struct bsc_connection *client = &exchange->client->connection;
    switch (bsc_flow_run(worker, &exchange->answer, NULL, client)) {
    case BSC_FLOWED_DONE:
        bsc_exchange_end(worker, exchange, true);
        return false;
    case BSC_FLOWED_WAIT:
    case BSC_FLOWED_AGAIN:
        return true;
    default:
        return bsc_exchange_leave(worker, exchange);
    }
}

/* Room for an own answer, behind what is left of an interim response. */
static struct bsc_buffer *own_room(struct bsc_worker *worker, struct bsc_flow *answer,
                                   size_t needed)
{
    uint32_t unsent = bsc_flow_unsent(answer);
    struct bsc_buffer *out = bsc_buffer_lend(&worker->buffers, unsent + needed);
    if (unsent)
        memcpy(out->bytes, answer->out->bytes + answer->sent, unsent);
    out->end = unsent;
    bsc_buffer_return(&worker->buffers, &answer->out);
    answer->sent = 0;
    return answer->out = out;
}

/* The user's page for it, when there is one that fits; returns its size. */
static size_t find_page(const struct bsc_worker *worker, const struct bsc_exchange *exchange,
                        struct bsc_answer *answer)
{
    const struct bsc_pages *pages = &worker->options->pages;
    const struct bsc_pages *own = exchange->service ? &exchange->service->shared->pages : pages;
    if (!pages->count && !own->count)
        return 0;
    answer->page = bsc_pages_find(own, answer->status, answer->reason, answer->json);
    if (!answer->page)
        answer->page = bsc_pages_find(pages, answer->status, answer->reason, answer->json);
    if (!answer->page)
        return 0;
    size_t size = bsc_answer_page_bytes(answer);
    if (BSC_ANSWER_BYTES + bsc_flow_unsent(&exchange->answer) + size <= BSC_BUFFER_LARGE)
        return size;
    answer->page = NULL;
    return 0;
}

bool bsc_exchange_own(struct bsc_worker *worker, struct bsc_exchange *exchange, unsigned status,
                      const char *reason, const char *text)
{
    bsc_exchange_unhold(worker, exchange);
    bsc_queue_leave(worker, exchange, false);
    if (exchange->upstream)
        bsc_upstream_close(worker, exchange->upstream);
    exchange->upstream = NULL;
    bsc_exchange_release(worker, exchange,
                         exchange->cause && !exchange->pinned ? BSC_OUTCOME_BAD
                                                              : BSC_OUTCOME_UNKNOWN);
    bsc_buffer_return(&worker->buffers, &exchange->request.out);
    if (exchange->tcp)
        return bsc_tcp_refuse(worker, exchange, status, reason);
    if (!bsc_flow_discard(worker, &exchange->request, &exchange->client->connection))
        exchange->keep_alive = false;
    exchange->keep_alive = exchange->keep_alive && !worker->retiring;
    char id[BSC_EXCHANGE_ID_BYTES];
    struct bsc_buffer *location = exchange->location;
    struct bsc_answer answer = { .status = status,
                                 .reason = reason,
                                 .text = text,
                                 .retry_after_s = exchange->retry_after_s,
                                 .location = location ? location->bytes : NULL,
                                 .json = exchange->json,
                                 .head = exchange->method == BSC_METHOD_HEAD,
                                 .keep_alive = exchange->keep_alive,
                                 .minor = exchange->minor };
    if (exchange->id && !exchange->client_id)
        answer.request_id = bsc_exchange_write_id(exchange->id, id);
    size_t needed =
        BSC_ANSWER_BYTES + bsc_buffer_size(location) + find_page(worker, exchange, &answer);
    struct bsc_buffer *out = own_room(worker, &exchange->answer, needed);
    out->end +=
        (uint32_t)bsc_answer_build(&answer, out->bytes + out->end, out->capacity - out->end);
    bsc_buffer_return(&worker->buffers, &exchange->location);
    bsc_flow_begin(&exchange->answer, BSC_FRAMING_NONE, 0);
    exchange->status = (uint16_t)status;
    exchange->reason = reason;
    exchange->answered_us = worker->now_us;
    exchange->phase = BSC_EXCHANGE_OWN;
    exchange->until_ms = worker->now_ms + worker->options->keep_alive_ms;
    bsc_timer_set(&worker->wheel, &exchange->client->connection.timer, exchange->until_ms);
    return bsc_exchange_run_own(worker, exchange);
}

bool bsc_exchange_fail(struct bsc_worker *worker, struct bsc_exchange *exchange, unsigned status,
                       enum bsc_cause cause, const char *reason, const char *text)
{
    exchange->cause = (uint8_t)cause;
    if (bsc_rescue_begin(worker, exchange, status))
        return bsc_exchange_again(worker, exchange);
    return bsc_exchange_own(worker, exchange, status, reason, text);
}
