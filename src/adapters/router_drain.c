/* SPDX-License-Identifier: Apache-2.0
 * adapters/router_drain.c - waiting until nothing is in flight; see router_internal.h.
 *
 * An instance may be stopped when every generation has swapped to a state that sends nothing there,
 * when no request that went there before is still running, and when a proxy that starts from the
 * supervisor's snapshot would not send anything there either. */
#include <stdlib.h>

#include "adapters/router_internal.h"
#include "base/arena.h"

enum { LOOK_MS = 15 };

struct drain {
    struct bsc_list link;
    bsc_token token;
    uint64_t line; /* the newest one when it was asked for */
    char **ids;
    unsigned count;
};

static void destroy(struct drain *drain)
{
    bsc_list_remove(&drain->link);
    for (unsigned i = 0; i < drain->count; i++)
        free(drain->ids[i]);
    free(drain->ids);
    free(drain);
}

static bool is_drained(const struct bsc_router_proxy *router, const struct drain *drain)
{
    if (!bsc_router_everywhere(router, drain->line) || router->snapshots.taken_line < drain->line)
        return false;
    for (unsigned i = 0; i < drain->count; i++) {
        const struct bsc_gauge_use *use = bsc_gauge_find(router, drain->ids[i]);
        if (use && bsc_gauge_in_flight(router, use) > 0)
            return false;
    }
    return true;
}

static void on_timer(uv_timer_t *timer)
{
    struct bsc_router_proxy *router = timer->data;
    struct bsc_list *next;
    for (struct bsc_list *at = router->drains.list.next; at != &router->drains.list; at = next) {
        struct drain *drain = BSC_CONTAINER(at, struct drain, link);
        next = at->next;
        if (!is_drained(router, drain))
            continue;
        bsc_outbox_put(router->outbox,
                       &(struct bsc_event){ .kind = BSC_EVENT_DRAINED, .token = drain->token });
        destroy(drain);
    }
    if (bsc_list_empty(&router->drains.list))
        uv_timer_stop(timer);
}

void bsc_drain_add(struct bsc_router_proxy *router, const char *const *ids, unsigned count,
                   bsc_token token)
{
    struct drain *drain = bsc_alloc(sizeof *drain);
    drain->token = token;
    drain->line = router->line;
    drain->ids = bsc_alloc(count * sizeof *drain->ids);
    drain->count = count;
    for (unsigned i = 0; i < count; i++)
        drain->ids[i] = bsc_copy(ids[i]);
    bool first = bsc_list_empty(&router->drains.list);
    bsc_list_add_tail(&router->drains.list, &drain->link);
    if (first)
        uv_timer_start(router->drains.timer, on_timer, 0, LOOK_MS);
}

void bsc_drain_cancel(struct bsc_router_proxy *router, bsc_token token)
{
    struct bsc_list *next;
    for (struct bsc_list *at = router->drains.list.next; at != &router->drains.list; at = next) {
        struct drain *drain = BSC_CONTAINER(at, struct drain, link);
        next = at->next;
        if (drain->token == token)
            destroy(drain);
    }
}

void bsc_drains_init(struct bsc_router_proxy *router)
{
    bsc_list_init(&router->drains.list);
    router->drains.timer = bsc_alloc(sizeof *router->drains.timer);
    router->drains.timer->data = router;
    uv_timer_init(router->loop, router->drains.timer);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

void bsc_drains_deinit(struct bsc_router_proxy *router)
{
    struct bsc_list *node;
    while ((node = bsc_list_pop(&router->drains.list)))
        destroy(BSC_CONTAINER(node, struct drain, link));
    uv_close((uv_handle_t *)router->drains.timer, on_closed);
}
