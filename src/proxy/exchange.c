/* SPDX-License-Identifier: Apache-2.0
 * proxy/exchange.c - see exchange.h. */
#include "proxy/exchange.h"

#include <string.h>
#include <sys/socket.h>

#include "proxy/access.h"
#include "proxy/access_log.h"
#include "proxy/bytes.h"
#include "proxy/farewell.h"
#include "proxy/forwarded.h"
#include "proxy/head.h"
#include "proxy/identity.h"
#include "proxy/mirror.h"
#include "proxy/queue.h"
#include "proxy/tls_transport.h"
#include "proxy/tunnel.h"
#include "proxy/worker.h"

enum { PREVIEW_AFTER_S = 5 };

static const char interim_100[] = "HTTP/1.1 100 Continue\r\n\r\n";

const char *bsc_exchange_write_id(uint64_t id, char out[static BSC_EXCHANGE_ID_BYTES])
{
    *bsc_bytes_put_hex(out, id) = '\0';
    return out;
}

/* Random, and never zero. */
static void write_trace(struct bsc_random *random, enum bsc_tracing tracing,
                        char out[static BSC_TRACEPARENT_BYTES])
{
    uint64_t trace[2] = { bsc_random_next(random), bsc_random_next(random) | 1 };
    bsc_traceparent_write(trace, bsc_random_next(random) | 1, tracing == BSC_TRACING_SAMPLED, out);
}

/* Writes the head that goes upstream; it does not depend on the instance. */
static bool build_request(struct bsc_worker *worker, struct bsc_exchange *exchange,
                          const char *bytes)
{
    const struct bsc_request *request = &worker->request;
    const struct bsc_options *options = worker->options;
    const struct bsc_client *carrier = exchange->client->carrier;
    char id[BSC_EXCHANGE_ID_BYTES], trace[BSC_TRACEPARENT_BYTES];
    exchange->id = bsc_random_next(&worker->random); /* unless the client sent one fit for logs */
    bool new_trace = options->tracing != BSC_TRACING_PASS && !bsc_traceparent_valid(request, bytes);
    if (new_trace)
        write_trace(&worker->random, options->tracing, trace);
    struct bsc_forwarding with = {
        .client = exchange->client->address,
        .scheme = carrier->secure ? "https" : "http",
        .certificate = carrier->secure ? bsc_tls_subject(&carrier->connection) : NULL,
        .host = exchange->service->shared->name,
        .request_id = bsc_exchange_write_id(exchange->id, id),
        .traceparent = new_trace ? trace : NULL,
        .trusted = exchange->by_proxy,
        .close = exchange->service->shared->edge.proxy_version != BSC_PROXY_NONE
    };
    size_t needed = (size_t)(request->head.bytes - request->head.start) + BSC_HEAD_ADDED_BYTES;
    struct bsc_buffer *out = bsc_buffer_lend(&worker->buffers, needed);
    out->end = (uint32_t)bsc_request_build(request, bytes, &with, out->bytes, out->capacity);
    exchange->request.out = out;
    exchange->client_id = bsc_request_id(&request->head, bytes) != NULL;
    return out->end != 0;
}

/* Who asks, when a proxy before us may have passed it on. */
static void find_client(struct bsc_worker *worker, struct bsc_exchange *exchange, const char *bytes)
{
    const struct bsc_options *options = worker->options;
    const char *peer = exchange->client->address;
    if (!bsc_ip_parse(peer, strlen(peer), &exchange->behind) ||
        !bsc_networks_have(options->trusted, options->trusted_count, &exchange->behind))
        return;
    exchange->by_proxy = true;
    bsc_forwarded_client(&worker->request, bytes, options->trusted, options->trusted_count,
                         &exchange->behind);
}

const char *bsc_exchange_address(const struct bsc_exchange *exchange,
                                 char buffer[static INET6_ADDRSTRLEN])
{
    if (!exchange->by_proxy)
        return exchange->client->address;
    bsc_ip_format(&exchange->behind, buffer);
    return buffer;
}

static struct bsc_exchange *create(struct bsc_worker *worker, struct bsc_client *client,
                                   const char *bytes)
{
    const struct bsc_request *request = &worker->request;
    struct bsc_exchange *exchange = bsc_slab_take(&worker->exchanges);
    bsc_list_init(&exchange->held);
    exchange->client = client;
    exchange->started_us = worker->now_us;
    exchange->method = request->method;
    exchange->minor = request->head.minor;
    exchange->keep_alive = request->head.keep_alive && !worker->retiring && !worker->scarce;
    exchange->streams = request->head.te_trailers;
    if (worker->options->requests_max && ++client->requests >= worker->options->requests_max)
        exchange->keep_alive = false;
    exchange->replayable = request->replayable;
    exchange->upgrade = request->head.upgrade.size != 0;
    if (exchange->upgrade)
        exchange->websocket = bsc_bytes_equal(bytes + request->head.upgrade.at,
                                              request->head.upgrade.size, "websocket", 9);
    exchange->json = bsc_request_wants_json(request, bytes);
    exchange->phase = BSC_EXCHANGE_WAITING;
    bsc_flow_begin(&exchange->request, (enum bsc_framing)request->head.framing,
                   request->head.length);
    exchange->request.keep_out = request->replayable;
    client->connection.exchange = exchange;
    if (worker->options->trusted_count)
        find_client(worker, exchange, bytes);
    return exchange;
}

/* Who sends this: for the slot, with affinity, or for the instance. */
static void identify(struct bsc_worker *worker, struct bsc_exchange *exchange, const char *bytes)
{
    const struct bsc_service *service = exchange->service->shared;
    char address[INET6_ADDRSTRLEN];
    exchange->identified =
        bsc_identity_of(service, &worker->request, bytes, bsc_exchange_address(exchange, address),
                        &exchange->identity);
    if (exchange->identified || !service->cookie)
        return;
    exchange->cookie = bsc_random_next(&worker->random);
    exchange->identity = bsc_identity_of_cookie(exchange->cookie);
    exchange->identified = exchange->give_cookie = true;
}

static void find_rate_path(const struct bsc_worker *worker, struct bsc_exchange *exchange,
                           const char *bytes)
{
    const struct bsc_request *request = &worker->request;
    const struct bsc_edge *edge = &exchange->service->shared->edge;
    if (edge->path_count)
        exchange->rate_path =
            (uint8_t)bsc_edge_find(edge, bytes + request->target.at, request->target.size);
}

static bool too_large(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    return bsc_exchange_own(worker, exchange, 431, "bad-request",
                            "The request's head is too large.");
}

/* It belongs to no user: no affinity, no rule, no test looks at it, and it is not copied. */
static void begin_preview(struct bsc_worker *worker, struct bsc_exchange *exchange,
                          const char *bytes, enum bsc_preview_asked asked)
{
    const struct bsc_preview *preview = exchange->service->shared->preview;
    if (!worker->request.replayable)
        bsc_exchange_keep_body(worker, exchange, bytes);
    bool built = build_request(worker, exchange, bytes);
    find_rate_path(worker, exchange, bytes);
    if (bsc_access_log_on(worker->access))
        bsc_access_begin(worker, exchange, bytes);
    bsc_connection_consume(worker, &exchange->client->connection, worker->request.head.bytes);
    exchange->previewed = true;
    if (!built) {
        too_large(worker, exchange);
    } else if (asked == BSC_PREVIEW_DENIED) {
        bsc_exchange_own(worker, exchange, 403, "preview-denied",
                         "The preview's token is another one.");
    } else if (!preview->open) {
        exchange->retry_after_s = PREVIEW_AFTER_S;
        bsc_exchange_own(worker, exchange, 503, "no-preview",
                         "There is nothing to preview: no release of the service is deployed, "
                         "healthy and not yet live.");
    } else {
        exchange->slot = (uint8_t)preview->slot;
        exchange->cell = BSC_CELL_NOBODY;
        exchange->charged = exchange->pinned = true;
        exchange->unstored = asked == BSC_PREVIEW_BY_FIELD;
        bsc_exchange_admit(worker, exchange);
    }
}

/* What few services want to know of a head. */
static void look_closer(struct bsc_worker *worker, struct bsc_exchange *exchange, uint32_t index,
                        const char *bytes)
{
    const struct bsc_request *request = &worker->request;
    const struct bsc_service *service = exchange->service->shared;
    const char *target = bytes + request->target.at;
    if (service->identity)
        identify(worker, exchange, bytes);
    if (service->blame.path_count)
        exchange->blame = (uint8_t)bsc_blame_find(&service->blame, target, request->target.size);
    find_rate_path(worker, exchange, bytes);
    if (exchange->service->split.rules)
        bsc_exchange_match(exchange, &request->head, bytes);
    if (service->mirror)
        bsc_mirror_draw(worker, exchange, index, bytes);
    if (service->trial)
        bsc_trial_ask(worker, exchange, bytes);
}

void bsc_exchange_begin(struct bsc_worker *worker, struct bsc_client *client)
{
    const struct bsc_request *request = &worker->request;
    const char *bytes = client->connection.in->bytes + client->connection.in->begin;
    struct bsc_exchange *exchange = create(worker, client, bytes);
    uint32_t index = 0;
    if ((client->carrier->secure || client->carrier->redirect) &&
        !bsc_exchange_enters(worker, exchange, bytes))
        return;
    enum bsc_routing routing = BSC_ROUTING_NONE;
    if (worker->routes)
        routing = bsc_routes_find(worker->routes, bytes + request->host.at, request->host.size,
                                  bytes + request->target.at, request->target.size, &index);
    if (routing == BSC_ROUTING_FOUND)
        exchange->service = bsc_local_find(worker, index);
    bool built = false;
    if (exchange->service) {
        bsc_local_service_enter(exchange->service);
        const struct bsc_preview *preview = exchange->service->shared->preview;
        if (preview) {
            enum bsc_preview_asked asked = bsc_preview_ask(preview, &worker->request, bytes);
            if (asked != BSC_PREVIEW_NOT_ASKED) {
                begin_preview(worker, exchange, bytes, asked);
                return;
            }
        }
        if (!request->replayable)
            bsc_exchange_keep_body(worker, exchange, bytes);
        built = build_request(worker, exchange, bytes);
        if (exchange->service->shared->special || exchange->service->split.rules)
            look_closer(worker, exchange, index, bytes);
    }
    if (bsc_access_log_on(worker->access))
        bsc_access_begin(worker, exchange, bytes);
    bsc_connection_consume(worker, &client->connection, request->head.bytes);
    if (routing == BSC_ROUTING_REFUSED)
        bsc_exchange_own(worker, exchange, 400, "bad-request",
                         "The path has a segment that goes up.");
    else if (!exchange->service)
        bsc_exchange_own(worker, exchange, 404, "no-route",
                         "No service has a route for this host and path.");
    else if (!built)
        too_large(worker, exchange);
    else
        bsc_exchange_admit(worker, exchange);
}

void bsc_exchange_release(struct bsc_worker *worker, struct bsc_exchange *exchange,
                          enum bsc_outcome outcome)
{
    struct bsc_local_instance *instance = exchange->instance;
    if (!instance)
        return;
    exchange->instance = NULL;
    if (exchange->placed)
        bsc_queue_give_place(worker, exchange->service, instance);
    exchange->placed = false;
    bsc_local_release(worker, exchange->service, instance, outcome);
}

/* What its answer says about the instance. */
static enum bsc_outcome outcome_of(const struct bsc_exchange *exchange)
{
    bool error = bsc_exchange_erred(exchange, (enum bsc_cause)exchange->cause, exchange->status);
    bool failed = exchange->cause != BSC_CAUSE_NONE || exchange->status >= 500;
    if ((failed || error) && exchange->pinned) /* nobody is left out for it */
        return BSC_OUTCOME_UNKNOWN;
    if (failed)
        return error ? BSC_OUTCOME_BAD : BSC_OUTCOME_EXCUSED;
    if (!exchange->status)
        return BSC_OUTCOME_UNKNOWN;
    return error ? BSC_OUTCOME_CHARGED : BSC_OUTCOME_GOOD;
}

void bsc_exchange_end(struct bsc_worker *worker, struct bsc_exchange *exchange, bool whole)
{
    struct bsc_client *client = exchange->client;
    bool tunnel = exchange->phase == BSC_EXCHANGE_TUNNEL;
    if (exchange->answer.tap)
        bsc_mirror_end(worker, exchange, whole);
    if (exchange->lasting)
        bsc_lasting_end(worker, exchange);
    bsc_exchange_charge(worker, exchange);
    if (exchange->trial)
        bsc_trial_end(worker, exchange);
    if (exchange->note)
        bsc_access_end(worker, exchange, whole);
    bsc_exchange_unhold(worker, exchange);
    bsc_queue_leave(worker, exchange, false);
    if (exchange->upstream) {
        if (tunnel && !whole) /* what was cut off must not look complete */
            bsc_connection_close(worker, &exchange->upstream->connection, true);
        if (whole && exchange->reusable && exchange->request.done && !tunnel)
            bsc_upstream_keep(worker, exchange->upstream);
        else
            bsc_upstream_close(worker, exchange->upstream);
    }
    bsc_exchange_release(worker, exchange, outcome_of(exchange));
    if (exchange->service) {
        exchange->service->retrying -= exchange->retrying;
        bsc_local_service_leave(exchange->service);
    }
    bsc_buffer_return(&worker->buffers, &exchange->request.out);
    bsc_buffer_return(&worker->buffers, &exchange->answer.out);
    bool go_on = whole && exchange->keep_alive && exchange->request.done;
    bool reset = !whole && (!exchange->client_left || exchange->cut);
    bsc_slab_give(&worker->exchanges, exchange);
    client->connection.exchange = NULL;
    if (!whole)
        bsc_client_close(worker, client, reset);
    else if (go_on)
        bsc_client_next(worker, client);
    else
        bsc_client_end(worker, client);
}

bool bsc_exchange_leave(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    exchange->client_left = true;
    bsc_exchange_end(worker, exchange, false);
    return false;
}

/* More of the body must come in time. */
static bool await_body(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    struct bsc_connection *upstream = &exchange->upstream->connection;
    int64_t until_ms = worker->now_ms + exchange->service->shared->idle_ms;
    int64_t request_ms = worker->options->request_ms;
    if (!exchange->body_us)
        exchange->body_us = worker->now_us;
    if (upstream->writable && bsc_exchange_body_late(worker, exchange))
        return bsc_exchange_late(worker, exchange);
    if (request_ms && exchange->body_us / 1000 + request_ms < until_ms)
        until_ms = exchange->body_us / 1000 + request_ms + 1;
    bsc_timer_set(&worker->wheel, &upstream->timer, until_ms);
    return true;
}

static bool send_request(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    struct bsc_connection *client = &exchange->client->connection;
    struct bsc_connection *upstream = &exchange->upstream->connection;
    const struct bsc_service *service = exchange->service->shared;
    if (exchange->request.done || exchange->request_stuck)
        return true;
    enum bsc_flowed flowed = bsc_flow_run(worker, &exchange->request, client, upstream);
    switch (flowed) {
    case BSC_FLOWED_AGAIN:
        bsc_worker_later(worker, client);
        break;
    case BSC_FLOWED_DONE:
    case BSC_FLOWED_WAIT:
        break;
    case BSC_FLOWED_SOURCE_ENDED:
    case BSC_FLOWED_SOURCE_BROKEN:
        return bsc_exchange_leave(worker, exchange);
    case BSC_FLOWED_SINK_BROKEN:
        exchange->request_stuck = upstream->readable = true; /* it may have said why */
        return true;
    case BSC_FLOWED_TOO_LARGE:
        if (exchange->phase == BSC_EXCHANGE_WAITING && !exchange->answer_begun)
            return bsc_exchange_too_large(worker, exchange);
        return bsc_exchange_leave(worker, exchange);
    case BSC_FLOWED_MALFORMED:
        if (exchange->phase == BSC_EXCHANGE_WAITING && !exchange->answer_begun)
            return bsc_exchange_own(worker, exchange, 400, "bad-request",
                                    "The body's chunks are malformed.");
        return bsc_exchange_leave(worker, exchange);
    }
    if (exchange->phase != BSC_EXCHANGE_WAITING)
        return true;
    if (flowed != BSC_FLOWED_DONE)
        return await_body(worker, exchange);
    bsc_timer_set(&worker->wheel, &upstream->timer, worker->now_ms + service->answer_ms);
    return true;
}

bool bsc_exchange_unconnected(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    exchange->instance->avoid_until_ms = worker->now_ms + BSC_AVOID_MS;
    return bsc_exchange_retry(worker, exchange, 502, BSC_CAUSE_CONNECT, "connect-failed",
                              "The instance could not be reached.");
}

/* Sends the request and reads the answer, as far as it goes. */
static bool pass(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    if (!send_request(worker, exchange))
        return false;
    if (exchange->phase == BSC_EXCHANGE_OWN)
        return true;
    if (!bsc_exchange_answer(worker, exchange))
        return false;
    return exchange->phase != BSC_EXCHANGE_TUNNEL || bsc_tunnel_run(worker, exchange);
}

bool bsc_exchange_connected(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    if (!bsc_exchange_introduce(exchange))
        return bsc_exchange_unconnected(worker, exchange);
    if (exchange->tcp)
        return bsc_tcp_connected(worker, exchange);
    exchange->phase = BSC_EXCHANGE_WAITING;
    return pass(worker, exchange);
}

bool bsc_exchange_connecting(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    struct bsc_connection *upstream = &exchange->upstream->connection;
    if (exchange->upstream->shaking)
        return bsc_exchange_connecting_securely(worker, exchange);
    if (upstream->unsecured)
        return bsc_exchange_unsecured(worker, exchange);
    if (upstream->broken || (upstream->ending && !exchange->tcp))
        return bsc_exchange_unconnected(worker, exchange);
    if (!upstream->writable)
        return true;
    if (upstream->readable && !exchange->tcp)
        return bsc_exchange_fail(worker, exchange, 502, BSC_CAUSE_RESET, "bad-answer",
                                 "The instance answered before it was asked.");
    return bsc_exchange_connected(worker, exchange);
}

/* A FIN says that no more will be sent, not that nobody listens any more. A client that has left
 * resets the connection when it is sent something, so after a moment it gets an interim response;
 * one that only closed its half ignores it (RFC 9110 section 15.2). */
static void arm_question(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    exchange->asking = true;
    bsc_timer_set(&worker->wheel, &exchange->client->connection.timer,
                  worker->now_ms + BSC_PROBE_MS);
}

/* Does what waits in the queue of its slot belong elsewhere by now? */
static bool must_leave_queue(const struct bsc_exchange *exchange)
{
    const struct bsc_local_service *service = exchange->service;
    if (service->removed || !service->has_split || service->shared->traffic == BSC_TRAFFIC_STOP)
        return true;
    return !exchange->pinned && (service->shared->traffic != BSC_TRAFFIC_SERVE ||
                                 !bsc_split_serves(&service->split, exchange->slot));
}

/* Tries again when it is its turn; goes elsewhere when the traffic has left its slot. */
static void run_queued(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    if (must_leave_queue(exchange))
        bsc_queue_leave(worker, exchange, false);
    else if (bsc_queue_is_behind(exchange))
        return;
    bsc_exchange_go(worker, exchange);
}

void bsc_exchange_run(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    const struct bsc_connection *client = &exchange->client->connection;
    if (client->broken) {
        bsc_exchange_leave(worker, exchange);
        return;
    }
    if (client->ending && !exchange->asking && exchange->phase <= BSC_EXCHANGE_WAITING) {
        if (exchange->tcp && bsc_tcp_left(exchange)) {
            bsc_exchange_leave(worker, exchange);
            return;
        }
        arm_question(worker, exchange);
    }
    switch ((enum bsc_exchange_phase)exchange->phase) {
    case BSC_EXCHANGE_HELD:
        if (!exchange->service->removed && exchange->service->shared->traffic == BSC_TRAFFIC_HOLD)
            return;
        bsc_exchange_unhold(worker, exchange);
        bsc_exchange_go(worker, exchange);
        return;
    case BSC_EXCHANGE_QUEUED:
        run_queued(worker, exchange);
        return;
    case BSC_EXCHANGE_CONNECTING:
        bsc_exchange_connecting(worker, exchange);
        return;
    case BSC_EXCHANGE_WAITING:
    case BSC_EXCHANGE_ANSWERING:
        pass(worker, exchange);
        return;
    case BSC_EXCHANGE_TUNNEL:
        bsc_tunnel_run(worker, exchange);
        return;
    case BSC_EXCHANGE_OWN:
        bsc_exchange_run_own(worker, exchange);
        return;
    }
}

void bsc_exchange_client_late(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    struct bsc_connection *client = &exchange->client->connection;
    bool held = exchange->phase == BSC_EXCHANGE_HELD || exchange->phase == BSC_EXCHANGE_QUEUED;
    bool own = exchange->phase == BSC_EXCHANGE_OWN;
    if (exchange->mirrored) {
        bsc_mirror_late(worker, exchange);
        return;
    }
    if (exchange->lasting) {
        bsc_farewell_late(worker, exchange);
        return;
    }
    if ((held || own) && worker->now_ms >= exchange->until_ms) {
        if (own) {
            bsc_exchange_leave(worker, exchange);
            return;
        }
        if (exchange->phase == BSC_EXCHANGE_QUEUED) {
            bsc_counter_add(&worker->shard->cells[exchange->cell].queue_timed_out, 1);
            bsc_exchange_fail(worker, exchange, 503, BSC_CAUSE_NONE, "queue-timeout",
                              "Every instance was busy for too long.");
            return;
        }
        bsc_counter_add(&worker->shard->held_timed_out, 1);
        bsc_exchange_own(worker, exchange, 504, "hold-timeout",
                         "The service did not come back in time.");
        return;
    }
    if (held || own)
        bsc_timer_set(&worker->wheel, &client->timer, exchange->until_ms);
    if (!exchange->asking || exchange->asked || exchange->phase > BSC_EXCHANGE_WAITING ||
        exchange->minor == 0 || exchange->answer.out || !client->writable)
        return;
    exchange->asked = true;
    if (bsc_connection_send(worker, client, interim_100, sizeof interim_100 - 1, NULL, 0) < 0)
        bsc_exchange_leave(worker, exchange);
}

void bsc_exchange_upstream_late(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    const struct bsc_connection *client = &exchange->client->connection;
    const struct bsc_connection *upstream = &exchange->upstream->connection;
    switch ((enum bsc_exchange_phase)exchange->phase) {
    case BSC_EXCHANGE_CONNECTING:
        exchange->instance->avoid_until_ms = worker->now_ms + BSC_AVOID_MS;
        bsc_exchange_retry(worker, exchange, 504, BSC_CAUSE_CONNECT, "connect-timeout",
                           "The instance did not accept the connection in time.");
        return;
    case BSC_EXCHANGE_WAITING:
        if (!exchange->request.done && upstream->writable) {
            bsc_exchange_late(worker, exchange);
            return;
        }
        bsc_exchange_retry(worker, exchange, 504, BSC_CAUSE_TIME_OUT, "answer-timeout",
                           "The instance did not answer in time.");
        return;
    case BSC_EXCHANGE_TUNNEL:
        bsc_exchange_end(worker, exchange, false); /* nobody's fault */
        return;
    case BSC_EXCHANGE_ANSWERING:
        if (!client->writable) {
            bsc_exchange_cut_reader(worker, exchange);
            return;
        }
        exchange->cause = BSC_CAUSE_TIME_OUT;
        bsc_exchange_end(worker, exchange, false);
        return;
    case BSC_EXCHANGE_HELD:
    case BSC_EXCHANGE_QUEUED:
    case BSC_EXCHANGE_OWN:
        return;
    }
}
