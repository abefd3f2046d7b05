/* SPDX-License-Identifier: Apache-2.0
 * proxy/admit.c - what a connection or a request must pass before it may go anywhere. */
#include "proxy/admit.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "proxy/exchange.h"
#include "proxy/h2.h"
#include "proxy/limiter.h"
#include "proxy/worker.h"

enum {
    SCARCE_EIGHTHS = 7,    /* of the clients that may be there at once */
    SCARCE_MS = 1000,      /* after a system call said that there is no descriptor */
    SCARCE_LOG_MS = 60000, /* at most one line in so long */
    RETRY_OVERLOADED_S = 1,
    RETRY_MAX_S = 255,
    RECLAIM_IDLE_MS = 1000,
    RECLAIM_LOOKS = 64 /* at clients, for one that is idle */
};

bool bsc_admit_client(struct bsc_worker *worker, struct bsc_client *client)
{
    const struct bsc_options *options = worker->options;
    struct bsc_ip ip;
    if (!options->address_connections_max ||
        !bsc_ip_parse(client->address, strlen(client->address), &ip) ||
        bsc_networks_have(options->trusted, options->trusted_count, &ip))
        return true;
    client->counted = bsc_limiter_connect(worker->limiter, &ip, options->address_connections_max);
    if (!client->counted)
        bsc_counter_add(&worker->shard->connections_refused, 1);
    return client->counted;
}

void bsc_admit_leave(struct bsc_worker *worker, struct bsc_client *client)
{
    struct bsc_ip ip;
    if (client->counted && bsc_ip_parse(client->address, strlen(client->address), &ip))
        bsc_limiter_disconnect(worker->limiter, &ip);
    client->counted = false;
}

bool bsc_admit_head(const struct bsc_worker *worker, struct bsc_fault *fault)
{
    const struct bsc_options *options = worker->options;
    const struct bsc_head *head = &worker->request.head;
    if ((unsigned)head->fields_at - head->start > options->line_bytes + 2) {
        *fault = (struct bsc_fault){ 414, "The request line is too long." };
        return false;
    }
    bool fits = head->bytes <= options->head_bytes && head->field_count <= options->fields_max;
    for (size_t i = 0; fits && i < head->field_count; i++) {
        const struct bsc_field *field = &head->fields[i];
        fits =
            (unsigned)field->value.at + field->value.size - field->name.at <= options->line_bytes;
    }
    *fault = (struct bsc_fault){ 431, "The request's head is too large." };
    return fits;
}

/* Microseconds until the client's next request is within the rates; 0: this one is. Who asks too
 * often for what is below a path uses nothing of the service's rate up. */
static int64_t over_rate_us(struct bsc_worker *worker, const struct bsc_exchange *exchange)
{
    const struct bsc_edge *edge = &exchange->service->shared->edge;
    int64_t wait_us = 0;
    struct bsc_ip ip = exchange->behind;
    const char *peer = exchange->client->address;
    if (!exchange->by_proxy && !bsc_ip_parse(peer, strlen(peer), &ip))
        return 0;
    if (exchange->rate_path) {
        const struct bsc_edge_path *path = &edge->paths[exchange->rate_path - 1];
        wait_us =
            bsc_limiter_request(worker->limiter, &ip, path->scope, &path->rate, worker->now_us);
    }
    if (!wait_us && edge->rate.requests)
        wait_us =
            bsc_limiter_request(worker->limiter, &ip, edge->scope, &edge->rate, worker->now_us);
    return wait_us;
}

static BSC_COLD bool limit_rate(struct bsc_worker *worker, struct bsc_exchange *exchange,
                                int64_t wait_us)
{
    int64_t wait_s = (wait_us + 999999) / 1000000;
    exchange->retry_after_s = (uint8_t)(wait_s > RETRY_MAX_S ? RETRY_MAX_S : wait_s);
    bsc_counter_add(&worker->shard->rate_limited, 1);
    return bsc_exchange_own(worker, exchange, 429, "rate-limited",
                            "You ask for this service too often.");
}

bool bsc_exchange_admit(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    const struct bsc_edge *edge = &exchange->service->shared->edge;
    if (bsc_worker_overloaded(worker)) {
        exchange->retry_after_s = RETRY_OVERLOADED_S;
        bsc_counter_add(&worker->shard->overloaded, 1);
        return bsc_exchange_own(worker, exchange, 503, "overloaded",
                                "The proxy has no memory left for this request.");
    }
    if (edge->rate.requests || exchange->rate_path) {
        int64_t wait_us = over_rate_us(worker, exchange);
        if (wait_us)
            return limit_rate(worker, exchange, wait_us);
    }
    if (!exchange->request.complete) {
        uint64_t most = edge->body_bytes ? edge->body_bytes : worker->options->body_bytes;
        exchange->request.most = most ? most : UINT64_MAX;
        if (exchange->request.left > exchange->request.most)
            return bsc_exchange_too_large(worker, exchange);
    }
    return bsc_exchange_go(worker, exchange);
}

bool bsc_exchange_late(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    exchange->keep_alive = false;
    return bsc_exchange_own(worker, exchange, 408, "request-timeout",
                            "The request's body did not arrive in time.");
}

bool bsc_exchange_too_large(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    exchange->keep_alive = false;
    return bsc_exchange_own(worker, exchange, 413, "body-too-large",
                            "The request's body is larger than this service takes.");
}

/* Streams of messages may be silent for long; who asks for trailers sends such. */
bool bsc_exchange_body_late(const struct bsc_worker *worker, const struct bsc_exchange *exchange)
{
    const struct bsc_options *options = worker->options;
    int64_t elapsed_us = worker->now_us - exchange->body_us;
    if (options->request_ms && elapsed_us >= options->request_ms * 1000)
        return true;
    int64_t grace_us = options->rate_grace_ms * 1000;
    if (!options->body_rate || exchange->streams || elapsed_us <= grace_us)
        return false;
    uint64_t wanted = (uint64_t)(elapsed_us - grace_us) / 1000 * options->body_rate / 1000;
    return exchange->request.data_bytes < wanted;
}

/* Of the answer's body, what the client's connection has taken. */
static uint64_t taken(const struct bsc_exchange *exchange)
{
    uint64_t waiting =
        bsc_buffer_size(exchange->upstream->connection.in) + bsc_flow_unsent(&exchange->answer);
    uint64_t bytes = exchange->answer.data_bytes;
    return bytes > waiting ? bytes - waiting : 0;
}

/* Only the time counts in which the answer waited for its reader: an instance that sends nothing is
 * not the client's fault. One measurement follows the other, so that no haste is saved up. */
bool bsc_exchange_reader_late(const struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    const struct bsc_options *options = worker->options;
    bool waits = !exchange->client->connection.writable;
    if (!exchange->stalled_us && !exchange->slow_us)
        exchange->slow_bytes = taken(exchange);
    if (exchange->stalled_us)
        exchange->slow_us += worker->now_us - exchange->stalled_us;
    exchange->stalled_us = waits ? worker->now_us : 0;
    if (!waits || !options->read_rate || exchange->slow_us < options->rate_grace_ms * 1000)
        return false;
    uint64_t wanted = (uint64_t)exchange->slow_us / 1000 * options->read_rate / 1000;
    bool late = taken(exchange) - exchange->slow_bytes < wanted;
    exchange->slow_us = 0;
    exchange->slow_bytes = taken(exchange);
    return late;
}

bool bsc_exchange_cut_reader(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    exchange->reason = "slow-reader";
    exchange->client_left = exchange->cut = true;
    bsc_exchange_end(worker, exchange, false);
    return false;
}

/* -- running out of descriptors -------------------------------------------------------------- */

static void become_scarce(struct bsc_worker *worker)
{
    if (worker->now_ms >= worker->scarce_log_ms) {
        worker->scarce_log_ms = worker->now_ms + SCARCE_LOG_MS;
        bsc_log_warning("worker %u is short of descriptors with %u clients: connections are closed "
                        "after each answer, idle ones first",
                        worker->number, worker->client_count);
    }
    bsc_counter_add(&worker->shard->scarce, !worker->scarce);
    worker->scarce = true;
}

void bsc_admit_look(struct bsc_worker *worker)
{
    bool many = worker->client_count * 8 >= worker->client_max * SCARCE_EIGHTHS;
    if (many)
        become_scarce(worker);
    else if (worker->scarce && worker->now_ms >= worker->scarce_until_ms)
        worker->scarce = false;
}

/* It asked nothing for a while, and is not asking now. */
static bool has_waited(const struct bsc_worker *worker, const struct bsc_client *client)
{
    char byte;
    const struct bsc_connection *connection = &client->connection;
    int64_t since_ms = connection->timer.deadline_ms - worker->options->keep_alive_ms;
    if (connection->phase == BSC_CLIENT_SESSION)
        since_ms = bsc_h2_idle_since_ms(worker, client);
    else if (connection->phase != BSC_CLIENT_IDLE)
        return false;
    return !connection->readable && !bsc_buffer_size(connection->in) &&
           worker->now_ms - since_ms >= RECLAIM_IDLE_MS &&
           recv(connection->handle.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == -1 &&
           (errno == EAGAIN || errno == EWOULDBLOCK);
}

/* The oldest of some clients that waits for a request of its own. */
static bool close_idle_client(struct bsc_worker *worker)
{
    for (unsigned i = 0; i < RECLAIM_LOOKS && !bsc_list_empty(&worker->all_clients); i++) {
        struct bsc_client *client =
            BSC_CONTAINER(worker->all_clients.next, struct bsc_client, node);
        bsc_list_remove(&client->node);
        bsc_list_add_tail(&worker->all_clients, &client->node);
        if (!has_waited(worker, client))
            continue;
        bsc_counter_add(&worker->shard->idle_closed, 1);
        bsc_client_close(worker, client, false);
        return true;
    }
    return false;
}

static bool close_idle_upstream(struct bsc_worker *worker)
{
    for (size_t i = 0; i < worker->service_count; i++) {
        struct bsc_local_service *service = worker->services[i];
        for (unsigned k = 0; service && k < service->instance_count; k++)
            if (bsc_upstream_close_oldest(worker, service->instances[k])) {
                bsc_counter_add(&worker->shard->idle_closed, 1);
                return true;
            }
    }
    return false;
}

bool bsc_admit_reclaim(struct bsc_worker *worker, bool client)
{
    worker->scarce_until_ms = worker->now_ms + SCARCE_MS;
    become_scarce(worker);
    return (!client && close_idle_upstream(worker)) || close_idle_client(worker);
}
