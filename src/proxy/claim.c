/* SPDX-License-Identifier: Apache-2.0
 * proxy/claim.c - where a request goes: held, to an instance of the slot that the coin chose, or
 * once more to another one. */
#include <errno.h>

#include "proxy/exchange.h"
#include "proxy/h2.h"
#include "proxy/identity.h"
#include "proxy/queue.h"
#include "proxy/worker.h"

enum { RETRY_AFTER_S = 30 };

void bsc_exchange_match(struct bsc_exchange *exchange, const struct bsc_head *head,
                        const char *bytes)
{
    char address[INET6_ADDRSTRLEN];
    exchange->chosen = bsc_rules_fit(exchange->service->split.rules, head, bytes,
                                     bsc_exchange_address(exchange, address));
}

/* The slot is chosen once, by a rule, by who asks or by the coin. A retry stays in it, unless the
 * traffic left it since. */
static void choose_slot(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    const struct bsc_split *split = &exchange->service->split;
    bool rescued = exchange->rescued && split->rescue && split->stable == exchange->slot;
    if (exchange->charged &&
        (rescued || bsc_split_serves(split, exchange->slot) || exchange->pinned))
        return;
    bool chosen = exchange->chosen && split->rules;
    if (chosen)
        exchange->slot = (uint8_t)split->rules_slot;
    else if (exchange->identified && exchange->service->shared->sticky)
        exchange->slot = (uint8_t)bsc_balance_slot_of(
            split, bsc_identity_bucket(split->key, exchange->identity));
    else
        exchange->slot = (uint8_t)bsc_balance_slot(split, &worker->random);
    if (exchange->charged)
        return;
    exchange->charged = true;
    exchange->cell = chosen ? split->rules_cell : split->cell[exchange->slot];
    bsc_counter_add(&worker->shard->cells[exchange->cell].claimed, 1);
}

static BSC_COLD bool connect_failed(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    if (errno == EMFILE || errno == ENFILE) {
        bsc_exchange_release(worker, exchange, BSC_OUTCOME_UNKNOWN);
        return bsc_exchange_fail(worker, exchange, 503, BSC_CAUSE_CONNECT, "no-descriptors",
                                 "The proxy has no file descriptor left.");
    }
    if (errno == ENOKEY)
        return bsc_exchange_unsecured(worker, exchange);
    return bsc_exchange_unconnected(worker, exchange);
}

/* With a limit, it has a place there already. */
static struct bsc_local_instance *choose_instance(struct bsc_worker *worker,
                                                  const struct bsc_exchange *exchange)
{
    const struct bsc_service *shared = exchange->service->shared;
    struct bsc_choice *choice = &exchange->service->choices[exchange->slot];
    struct bsc_local_instance *instance;
    struct bsc_placing placing = {
        .how = shared->balancing,
        .has_identity = exchange->identified,
        .sticky = shared->sticky,
        .identity = exchange->identity,
        .except = exchange->instance,
        .now_ms = worker->now_ms,
        .slow_start_ms = shared->slow_start_ms,
        .requests_max = shared->requests_max,
        .random = &worker->random,
    };
    do
        instance = bsc_balance_instance(choice, &placing);
    while (instance && placing.requests_max &&
           !bsc_queue_take_place(instance, placing.requests_max));
    return instance;
}

/* Of a try that was given up. */
static enum bsc_outcome given_up(const struct bsc_exchange *exchange)
{
    return exchange->pinned ? BSC_OUTCOME_UNKNOWN : BSC_OUTCOME_BAD;
}

/* The same where instances have a limit: first come, first served. False: the exchange waits, or
 * was answered; *go_on says whether it still lives. */
static bool choose_below_limit(struct bsc_worker *worker, struct bsc_exchange *exchange,
                               struct bsc_local_instance **out, bool *go_on)
{
    bool behind = bsc_queue_is_behind(exchange);
    *out = behind ? NULL : choose_instance(worker, exchange);
    if (*out || !exchange->service->choices[exchange->slot].count)
        return true;
    if (exchange->instance) { /* its own place may be the one that it could have */
        bsc_exchange_release(worker, exchange, given_up(exchange));
        *out = behind ? NULL : choose_instance(worker, exchange);
    }
    if (!*out)
        *go_on = bsc_queue_enter(worker, exchange);
    return *out != NULL;
}

/* A chunked body may yet turn out too long to be kept. */
static enum bsc_upstream_want wanted_connection(struct bsc_exchange *exchange)
{
    if (exchange->tries++ || exchange->tcp || exchange->service->shared->edge.proxy_version)
        return BSC_UPSTREAM_NEW; /* the PROXY protocol names one client a connection */
    return exchange->replayable && exchange->request.framing != BSC_FRAMING_CHUNKED
               ? BSC_UPSTREAM_ANY
               : BSC_UPSTREAM_FRESH;
}

bool bsc_exchange_claim(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    struct bsc_local_service *service = exchange->service;
    if (!service->has_split)
        return bsc_exchange_own(worker, exchange, 503, "no-instance",
                                "Nothing is released here yet.");
    choose_slot(worker, exchange);
    struct bsc_local_instance *instance;
    bool go_on, limited = service->shared->requests_max != 0;
    if (!limited || exchange->mirrored) /* a copy does not wait in a queue */
        instance = choose_instance(worker, exchange);
    else if (!choose_below_limit(worker, exchange, &instance, &go_on))
        return go_on;
    if (!instance)
        return bsc_exchange_fail(worker, exchange, 503, BSC_CAUSE_NO_INSTANCE, "no-instance",
                                 "No healthy instance can answer now.");
    bsc_local_claim(worker, service, instance);
    bsc_queue_leave(worker, exchange, true);
    /* Only now, so that the request is always in flight somewhere. */
    bsc_exchange_release(worker, exchange, given_up(exchange));
    exchange->instance = instance;
    exchange->placed = limited;
    bool h2 = instance->shared->h2 && !exchange->tcp;
    /* An instance may refuse a stream that was sent already. */
    if (h2)
        exchange->request.keep_out = true;
    enum bsc_upstream_want want = wanted_connection(exchange);
    struct bsc_upstream *upstream =
        h2 ? bsc_h2_upstream_get(worker, instance, service->shared->connect_ms)
           : bsc_upstream_get(worker, instance, want);
    if (!upstream)
        return connect_failed(worker, exchange);
    exchange->upstream = upstream;
    upstream->connection.exchange = exchange;
    if (!upstream->reused && (!upstream->connection.writable || upstream->shaking)) {
        exchange->phase = BSC_EXCHANGE_CONNECTING;
        bsc_timer_set(&worker->wheel, &upstream->connection.timer,
                      worker->now_ms + service->shared->connect_ms);
        return !upstream->connection.writable || bsc_exchange_connecting(worker, exchange);
    }
    return bsc_exchange_connected(worker, exchange);
}

/* Takes a place among the held requests, or answers that there is none. */
static bool hold(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    const struct bsc_service *shared = exchange->service->shared;
    if (atomic_fetch_add(&shared->hold->held, 1) >= shared->hold_max) {
        atomic_fetch_sub(&shared->hold->held, 1);
        bsc_counter_add(&worker->shard->held_refused, 1);
        return bsc_exchange_own(worker, exchange, 503, "hold-full",
                                "Too many requests are waiting for this service.");
    }
    bsc_counter_add(&worker->shard->held, 1);
    exchange->phase = BSC_EXCHANGE_HELD;
    exchange->until_ms = worker->now_ms + shared->hold_ms;
    bsc_list_add_tail(&exchange->service->held, &exchange->held);
    bsc_timer_set(&worker->wheel, &exchange->client->connection.timer, exchange->until_ms);
    return true;
}

bool bsc_exchange_go(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    if (exchange->service->removed)
        return bsc_exchange_own(worker, exchange, 404, "no-route", "The service was removed.");
    switch (exchange->service->shared->traffic) {
    case BSC_TRAFFIC_SERVE:
        return bsc_exchange_claim(worker, exchange);
    case BSC_TRAFFIC_HOLD:
        if (exchange->pinned) /* while users wait is when somebody wants to look */
            return bsc_exchange_claim(worker, exchange);
        return hold(worker, exchange);
    case BSC_TRAFFIC_MAINTENANCE:
        if (exchange->pinned)
            return bsc_exchange_claim(worker, exchange);
        exchange->retry_after_s = RETRY_AFTER_S;
        return bsc_exchange_own(worker, exchange, 503, "maintenance",
                                "The service is under maintenance and will be back soon.");
    case BSC_TRAFFIC_STOP:
        break;
    }
    exchange->keep_alive = false;
    return bsc_exchange_own(worker, exchange, 503, "stopped", "The service is stopped.");
}

void bsc_exchange_unhold(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    if (exchange->phase != BSC_EXCHANGE_HELD)
        return;
    atomic_fetch_sub(&exchange->service->shared->hold->held, 1);
    bsc_counter_add(&worker->shard->held, (uint64_t)-1);
    bsc_list_remove(&exchange->held);
    exchange->phase = BSC_EXCHANGE_WAITING;
}

void bsc_exchange_wake_held(struct bsc_worker *worker, struct bsc_local_service *service)
{
    for (struct bsc_list *node = service->held.next; node != &service->held; node = node->next) {
        struct bsc_exchange *exchange = BSC_CONTAINER(node, struct bsc_exchange, held);
        bsc_worker_later(worker, &exchange->client->connection);
    }
}
