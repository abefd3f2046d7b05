/* SPDX-License-Identifier: Apache-2.0
 * adapters/router_views.c - what others read of the router: figures and generations; see
 * router_proxy.h. */
#include "adapters/router_internal.h"

static void totals_of(const struct bsc_router_proxy *router, const struct bsc_routed *routed,
                      struct bsc_totals *out)
{
    *out = (struct bsc_totals){ 0 };
    for (unsigned slot = 0; slot < BSC_SLOT_COUNT; slot++) {
        struct bsc_totals one;
        if (bsc_router_proxy_totals(router, routed->name, (enum bsc_slot)slot, NULL, &one))
            bsc_totals_add(out, &one);
    }
}

/* By enum bsc_cause, [0] a status. */
static struct bsc_router_rescues rescues_of(const struct bsc_totals *totals)
{
    return (struct bsc_router_rescues){ .status = totals->rescued[0],
                                        .no_instance = totals->rescued[1],
                                        .connect_failed = totals->rescued[2],
                                        .reset = totals->rescued[3],
                                        .timed_out = totals->rescued[4],
                                        .failed = totals->rescue_failed,
                                        .refused = totals->rescue_refused };
}

void bsc_routed_rescues(const struct bsc_router_proxy *router, const struct bsc_routed *routed,
                        struct bsc_router_rescues *out)
{
    struct bsc_totals totals;
    totals_of(router, routed, &totals);
    *out = rescues_of(&totals);
}

static struct bsc_router_rescues since(const struct bsc_router_rescues *now,
                                       const struct bsc_router_rescues *before)
{
    return (struct bsc_router_rescues){ .status = now->status - before->status,
                                        .no_instance = now->no_instance - before->no_instance,
                                        .connect_failed =
                                            now->connect_failed - before->connect_failed,
                                        .reset = now->reset - before->reset,
                                        .timed_out = now->timed_out - before->timed_out,
                                        .failed = now->failed - before->failed,
                                        .refused = now->refused - before->refused };
}

bool bsc_router_proxy_service_figures(const struct bsc_router_proxy *router, const char *service,
                                      struct bsc_router_service_figures *out)
{
    const struct bsc_routed *routed = bsc_routed_find(router, service);
    struct bsc_totals totals;
    *out = (struct bsc_router_service_figures){ 0 };
    if (!routed)
        return false;
    totals_of(router, routed, &totals);
    struct bsc_router_rescues now = rescues_of(&totals);
    *out = (struct bsc_router_service_figures){ .requests = totals.requests,
                                                .errors = totals.errors,
                                                .retries = totals.retries,
                                                .queued = totals.queued,
                                                .queue_refused = totals.queue_refused,
                                                .queue_timed_out = totals.queue_timed_out,
                                                .ejections = totals.ejections,
                                                .rollout = routed->rollout,
                                                .rescues = since(&now, &routed->before) };
    return true;
}

bool bsc_router_proxy_slot_counters(const struct bsc_router_proxy *router, const char *service,
                                    enum bsc_slot slot, struct bsc_router_slot_counters *out)
{
    struct bsc_totals totals;
    *out = (struct bsc_router_slot_counters){ 0 };
    if (!bsc_router_proxy_totals(router, service, slot, NULL, &totals))
        return false;
    out->requests = totals.requests;
    out->errors = totals.errors;
    for (unsigned i = 0; i < BSC_HISTOGRAM_BUCKETS; i++)
        out->latency[i] = totals.latency[i];
    return true;
}

bool bsc_router_proxy_totals(const struct bsc_router_proxy *router, const char *service,
                             enum bsc_slot slot, struct bsc_totals *current,
                             struct bsc_totals *since_start)
{
    const struct bsc_routed *routed = bsc_routed_find(router, service);
    struct bsc_totals now = { 0 };
    if (!routed)
        return false;
    if (routed->cells[slot])
        bsc_cells_read(router, routed->cells[slot], &now);
    if (routed->cells[BSC_CELL_CHOSEN] && routed->cells[BSC_CELL_CHOSEN]->slot == slot) {
        struct bsc_totals chosen;
        bsc_cells_read(router, routed->cells[BSC_CELL_CHOSEN], &chosen);
        bsc_totals_add(&now, &chosen);
    }
    if (current)
        *current = now;
    if (!since_start)
        return true;
    if (routed->ended[slot])
        bsc_totals_add(&now, routed->ended[slot]);
    for (struct bsc_list *at = router->cells.retired.next; at != &router->cells.retired;
         at = at->next) {
        const struct bsc_cell_use *use = BSC_CONTAINER(at, struct bsc_cell_use, link);
        struct bsc_totals part;
        if (use->owner != routed || use->slot != slot)
            continue;
        bsc_cells_read(router, use, &part);
        bsc_totals_add(&now, &part);
    }
    *since_start = now;
    return true;
}

void bsc_router_proxy_figures(const struct bsc_router_proxy *router, struct bsc_router_figures *out)
{
    *out = router->gone;
    for (struct bsc_list *at = router->generations.next; at != &router->generations; at = at->next)
        bsc_counters_figures(BSC_CONTAINER(at, struct bsc_generation, link), out);
}

uint64_t bsc_router_proxy_in_flight(const struct bsc_router_proxy *router, const char *instance)
{
    const struct bsc_gauge_use *use = bsc_gauge_find(router, instance);
    return use ? bsc_gauge_in_flight(router, use) : 0;
}

bool bsc_router_proxy_generation(const struct bsc_router_proxy *router, unsigned index,
                                 struct bsc_generation_view *out)
{
    for (struct bsc_list *at = router->generations.next; at != &router->generations;
         at = at->next) {
        const struct bsc_generation *generation = BSC_CONTAINER(at, struct bsc_generation, link);
        if (index--)
            continue;
        *out = (struct bsc_generation_view){ .number = generation->number,
                                             .pid = generation->pid,
                                             .workers = generation->workers,
                                             .retiring = generation->retiring };
        return true;
    }
    return false;
}
