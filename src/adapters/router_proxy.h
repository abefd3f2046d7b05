/* SPDX-License-Identifier: Apache-2.0
 * adapters/router_proxy.h - the router port on bascule's own proxy processes.
 *
 * Keeps what the engine wants of every service, tells it to each proxy generation (everything when
 * one comes, then what changes), and knows which generation has swapped how far. It also hands out
 * the cells and gauges in which the proxies count (proxy/counters.h) and reads them.
 */
#ifndef BASCULE_ADAPTERS_ROUTER_PROXY_H
#define BASCULE_ADAPTERS_ROUTER_PROXY_H

#include <jansson.h>

#include "adapters/outbox.h"
#include "adapters/supervisor_link.h"
#include "core/histogram.h"
#include "ports/router.h"

struct bsc_router_proxy;

/* `epoch` distinguishes this controller from earlier ones in what it says to proxies. The link must
 * outlive the router, which listens to it for proxies. */
struct bsc_router_proxy *bsc_router_proxy_create(uv_loop_t *loop, struct bsc_supervisor_link *link,
                                                 uint64_t epoch, bsc_deliver deliver,
                                                 void *argument);
void bsc_router_proxy_destroy(struct bsc_router_proxy *router);
/* For bsc_prober_trust; `router` is the router. */
const json_t *bsc_router_proxy_upstream(void *router, const struct bsc_upstream_tls_spec *tls);
struct bsc_router bsc_router_proxy_port(struct bsc_router_proxy *router);

/* What was published so far is everything: from now on proxies are told. Before, a proxy that runs
 * keeps its routes, which it must not lose because a controller starts. Call it once, from a
 * BSC_EVENT_QUERY that was handed in after the engine said that it is ready: what it publishes at
 * its start is committed first, so at the moment of bsc_engine_on_ready it was not published yet.
 */
void bsc_router_proxy_begin(struct bsc_router_proxy *router);

enum { BSC_TOTALS_CAUSES = 5 }; /* a status, no instance, connecting, a reset, a time-out */

/* What was counted, with the meanings of struct bsc_cell, member by member. */
struct bsc_totals {
    uint64_t claimed, answered, requests, errors, status[6];
    uint64_t no_instance, connect_failed, reset, timed_out, client_left, retries;
    uint64_t rescued[BSC_TOTALS_CAUSES], rescue_failed, rescue_refused;
    uint64_t queued, queue_refused, queue_timed_out, ejections;
    uint64_t bytes_in, bytes_out, latency_sum_us;
    uint64_t latency[BSC_HISTOGRAM_BUCKETS];
};

/* Of a service's slot, summed over all workers and generations: since the current split generation
 * began, and since this controller began. Either may be NULL. False: no such service. */
bool bsc_router_proxy_totals(const struct bsc_router_proxy *router, const char *service,
                             enum bsc_slot slot, struct bsc_totals *current,
                             struct bsc_totals *since_start);

/* Of a service, summed over its slots; false: no such service. */
bool bsc_router_proxy_service_figures(const struct bsc_router_proxy *router, const char *service,
                                      struct bsc_router_service_figures *out);

/* Of a slot of a service; false: no such service. */
bool bsc_router_proxy_slot_counters(const struct bsc_router_proxy *router, const char *service,
                                    enum bsc_slot slot, struct bsc_router_slot_counters *out);

/* The addresses that are in force: what the last configuration said that was taken. `index` from 0;
 * false: there are not so many. */
bool bsc_router_proxy_listener(const struct bsc_router_proxy *router, unsigned index,
                               struct bsc_router_listener *out);

/* Of all live generations since each began, and of those that went since this controller began. */
void bsc_router_proxy_figures(const struct bsc_router_proxy *router,
                              struct bsc_router_figures *out);

/* Requests in flight on an instance, over all live generations. */
uint64_t bsc_router_proxy_in_flight(const struct bsc_router_proxy *router, const char *instance);

/* One live generation; `index` from 0, oldest first. False: there are not so many. */
struct bsc_generation_view {
    uint64_t number;
    pid_t pid;
    unsigned workers;
    bool retiring;
};
bool bsc_router_proxy_generation(const struct bsc_router_proxy *router, unsigned index,
                                 struct bsc_generation_view *out);

#endif
