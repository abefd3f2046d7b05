/* SPDX-License-Identifier: Apache-2.0
 * adapters/router_views.c - what others read of the router: figures and generations; see
 * router_proxy.h. */
#include "adapters/router_internal.h"

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
