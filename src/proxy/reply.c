/* SPDX-License-Identifier: Apache-2.0
 * proxy/reply.c - the upstream's answer on its way to the client. */
#include <string.h>

#include "proxy/exchange.h"
#include "proxy/farewell.h"
#include "proxy/head.h"
#include "proxy/identity.h"
#include "proxy/mirror.h"
#include "proxy/tunnel.h"
#include "proxy/worker.h"

static bool pass_body(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    struct bsc_connection *upstream = &exchange->upstream->connection;
    switch (bsc_flow_run(worker, &exchange->answer, upstream, &exchange->client->connection)) {
    case BSC_FLOWED_DONE:
        bsc_exchange_end(worker, exchange, true);
        return false;
    case BSC_FLOWED_AGAIN:
        bsc_worker_later(worker, upstream);
        break;
    case BSC_FLOWED_WAIT:
        break;
    case BSC_FLOWED_SINK_BROKEN:
        return bsc_exchange_leave(worker, exchange);
    case BSC_FLOWED_SOURCE_ENDED:
    case BSC_FLOWED_SOURCE_BROKEN:
    case BSC_FLOWED_MALFORMED:
    case BSC_FLOWED_TOO_LARGE: /* is said of requests only */
        exchange->cause = BSC_CAUSE_RESET;
        bsc_exchange_end(worker, exchange, false);
        return false;
    }
    if ((!exchange->client->connection.writable || exchange->stalled_us) &&
        bsc_exchange_reader_late(worker, exchange))
        return bsc_exchange_cut_reader(worker, exchange);
    bsc_timer_set(&worker->wheel, &upstream->timer,
                  worker->now_ms + exchange->service->shared->idle_ms);
    return true;
}

/* The line that gives the client its cookie; 0: none. */
static size_t cookie_line(const struct bsc_worker *worker, const struct bsc_exchange *exchange,
                          char line[static BSC_COOKIE_LINE_BYTES])
{
    const struct bsc_service *service = exchange->service->shared;
    const struct bsc_buffer *in = exchange->upstream->connection.in;
    if (bsc_response_interim(&worker->response) || !service->cookie ||
        !bsc_identity_may_set_cookie(&worker->response, in->bytes + in->begin))
        return 0;
    return bsc_identity_cookie_line(service, exchange->cookie, line);
}

/* What users ask for under the same address must not be answered out of a cache with it. */
static size_t unstored_line(const struct bsc_worker *worker,
                            char line[static BSC_COOKIE_LINE_BYTES])
{
    static const char no_store[] = "Cache-Control: no-store\r\n";
    if (bsc_response_interim(&worker->response))
        return 0;
    memcpy(line, no_store, sizeof no_store - 1);
    return sizeof no_store - 1;
}

/* Writes the response that is in worker->response for the client; false: no room. */
static bool build_head(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    const struct bsc_buffer *in = exchange->upstream->connection.in;
    const struct bsc_response *response = &worker->response;
    struct bsc_answering with = { .minor = exchange->minor, .keep_alive = exchange->keep_alive };
    char line[BSC_COOKIE_LINE_BYTES];
    if (exchange->give_cookie || exchange->unstored) {
        with.added = line;
        with.added_size =
            exchange->unstored ? unstored_line(worker, line) : cookie_line(worker, exchange, line);
    }
    size_t needed = (size_t)(response->head.bytes - response->head.start) + BSC_HEAD_ADDED_BYTES;
    struct bsc_buffer *out = exchange->answer.out;
    if (!out) {
        out = exchange->answer.out = bsc_buffer_lend(&worker->buffers, needed);
        exchange->answer.sent = 0;
    }
    size_t size = bsc_response_build(response, in->bytes + in->begin, &with, out->bytes + out->end,
                                     out->capacity - out->end);
    out->end += (uint32_t)size;
    return size != 0;
}

/* Sends what is left of an interim response. */
static bool pass_rest(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    struct bsc_connection *client = &exchange->client->connection;
    struct bsc_flow *answer = &exchange->answer;
    if (!client->writable)
        return true;
    ssize_t sent = bsc_connection_send(worker, client, answer->out->bytes + answer->sent,
                                       bsc_flow_unsent(answer), NULL, 0);
    if (sent < 0)
        return bsc_exchange_leave(worker, exchange);
    answer->sent += (uint32_t)sent;
    if (!bsc_flow_unsent(answer))
        bsc_buffer_return(&worker->buffers, &answer->out);
    return true;
}

/* An interim response is passed on at once; only one waits at a time. */
static bool pass_interim(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    if (exchange->minor == 0)
        return true;
    if (!build_head(worker, exchange))
        return bsc_exchange_fail(worker, exchange, 502, BSC_CAUSE_RESET, "bad-answer",
                                 "The instance's answer is too long.");
    return pass_rest(worker, exchange);
}

static bool begin_tunnel(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    if (!exchange->upgrade || !exchange->request.done || !build_head(worker, exchange))
        return bsc_exchange_fail(worker, exchange, 502, BSC_CAUSE_RESET, "bad-answer",
                                 "The instance switched protocols without being asked to.");
    bsc_flow_stop_keeping(worker, &exchange->request);
    bsc_tunnel_begin(worker, exchange);
    if (exchange->websocket)
        bsc_lasting_begin(worker, exchange, true);
    return true;
}

static bool begin_answer(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    const struct bsc_response *response = &worker->response;
    enum bsc_framing outgoing = bsc_response_framing(response, exchange->minor);
    exchange->status = response->status;
    exchange->answered_us = worker->now_us;
    bsc_exchange_charge_head(worker, exchange);
    if (exchange->trial)
        bsc_trial_answer(worker, exchange,
                         exchange->upstream->connection.in->bytes +
                             exchange->upstream->connection.in->begin);
    if (response->status == 101)
        return begin_tunnel(worker, exchange);
    exchange->reusable = response->head.keep_alive &&
                         response->head.framing != BSC_FRAMING_UNTIL_CLOSE &&
                         !exchange->upstream->introduced;
    /* An answer before the end of the request: whether the rest will come is not known. */
    exchange->keep_alive = exchange->keep_alive && exchange->request.done && !worker->retiring &&
                           outgoing != BSC_FRAMING_UNTIL_CLOSE;
    if (!build_head(worker, exchange)) {
        exchange->status = 0;
        return bsc_exchange_fail(worker, exchange, 502, BSC_CAUSE_RESET, "bad-answer",
                                 "The head of the instance's answer is too long.");
    }
    if (exchange->answer.tap)
        bsc_mirror_keep_request(worker, exchange);
    bsc_flow_stop_keeping(worker, &exchange->request);
    bsc_flow_begin(&exchange->answer, (enum bsc_framing)response->head.framing,
                   response->head.length);
    if (response->head.framing == BSC_FRAMING_UNTIL_CLOSE && outgoing == BSC_FRAMING_CHUNKED)
        exchange->answer.recoding = BSC_RECODE_TO_CHUNKED;
    if (response->head.framing == BSC_FRAMING_CHUNKED && outgoing == BSC_FRAMING_UNTIL_CLOSE)
        exchange->answer.recoding = BSC_RECODE_TO_DATA;
    exchange->phase = BSC_EXCHANGE_ANSWERING;
    const struct bsc_buffer *in = exchange->upstream->connection.in;
    if ((response->head.framing == BSC_FRAMING_CHUNKED ||
         response->head.framing == BSC_FRAMING_UNTIL_CLOSE) &&
        bsc_lasting_is_event_stream(response, in->bytes + in->begin))
        bsc_lasting_begin(worker, exchange, false);
    return true;
}

enum read {
    READ_SOME, /* more is awaited */
    READ_OVER, /* no longer from this instance: the request went elsewhere, or was answered */
    READ_GONE  /* the exchange is */
};

static enum read over_if(bool alive)
{
    return alive ? READ_OVER : READ_GONE;
}

/* Parses what is there. */
static enum read read_heads(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    struct bsc_connection *upstream = &exchange->upstream->connection;
    while (exchange->phase == BSC_EXCHANGE_WAITING && bsc_buffer_size(upstream->in) &&
           !bsc_flow_unsent(&exchange->answer)) {
        struct bsc_fault fault;
        exchange->answer_begun = true;
        switch (bsc_response_parse(&upstream->scan, upstream->in->bytes + upstream->in->begin,
                                   bsc_buffer_size(upstream->in), (enum bsc_method)exchange->method,
                                   &worker->response, &fault)) {
        case BSC_PARSE_MORE:
            return READ_SOME;
        case BSC_PARSE_REFUSED:
            return over_if(bsc_exchange_fail(worker, exchange, 502, BSC_CAUSE_RESET, "bad-answer",
                                             fault.text));
        case BSC_PARSE_DONE:
            break;
        }
        bool interim = bsc_response_interim(&worker->response), alive;
        if (worker->response.status >= 500 && bsc_exchange_reconsider(worker, exchange, &alive))
            return over_if(alive);
        if (!(interim ? pass_interim(worker, exchange) : begin_answer(worker, exchange)))
            return READ_GONE;
        if (!exchange->upstream || &exchange->upstream->connection != upstream)
            return READ_OVER;
        upstream->scan = (struct bsc_head_scan){ 0 };
        bsc_connection_consume(worker, upstream, worker->response.head.bytes);
    }
    return READ_SOME;
}

bool bsc_exchange_answer(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    while (exchange->phase == BSC_EXCHANGE_WAITING) {
        struct bsc_connection *upstream = &exchange->upstream->connection;
        struct bsc_connection *client = &exchange->client->connection;
        if (bsc_flow_unsent(&exchange->answer)) { /* an interim response still goes out */
            if (!client->writable)
                return !client->broken || bsc_exchange_leave(worker, exchange);
            if (!pass_rest(worker, exchange))
                return false;
            continue;
        }
        enum read read = read_heads(worker, exchange);
        if (read != READ_SOME)
            return read == READ_OVER;
        if (exchange->phase != BSC_EXCHANGE_WAITING || bsc_flow_unsent(&exchange->answer))
            continue;
        switch (bsc_connection_receive(worker, upstream)) {
        case BSC_RECEIVED_BYTES:
            continue;
        case BSC_RECEIVED_WAIT:
            return true;
        case BSC_RECEIVED_ENDED:
        case BSC_RECEIVED_BROKEN:
            if (exchange->upstream->secure)
                bsc_upstream_judge(worker, exchange->upstream, exchange->instance);
            if (upstream->unsecured)
                return bsc_exchange_unsecured(worker, exchange);
            return bsc_exchange_retry(worker, exchange, 502, BSC_CAUSE_RESET, "upstream-reset",
                                      "The instance closed the connection before it answered.");
        }
    }
    return exchange->phase != BSC_EXCHANGE_ANSWERING || pass_body(worker, exchange);
}
