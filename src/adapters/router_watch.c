/* SPDX-License-Identifier: Apache-2.0
 * adapters/router_watch.c - what is counted of a service with a rollout, for the judge.
 *
 * While a candidate gets requests, its counters and those of the live slot are read every 50 ms and
 * told as they stand: of requests that the coin chose, as soon as it is tossed; those that match
 * rules chose before are counted in a cell of their own. What the live slot was like before is read
 * from its cell at the moment in which the candidate gets its first request. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "adapters/router_internal.h"
#include "base/arena.h"
#include "base/clock.h"
#include "core/analysis/runs.h"
#include "core/analysis/sample.h"

static_assert((int)BSC_BAD_WORDS == (int)BSC_BUCKET_WORDS, "a bit for each bucket");

struct bsc_watch {
    uv_timer_t timer; /* armed while a service is watched */
    bsc_deliver deliver;
    void *argument;
    struct bsc_totals totals[BSC_CELL_KINDS];
    uint64_t bad[BSC_SLOT_COUNT][BSC_BAD_WORDS];
    struct bsc_instance_sample *instances;
    size_t instance_capacity;
};

static bool is_watched(const struct bsc_routed *routed)
{
    return routed->watch && (routed->weight_bp[routed->candidate] > 0 || routed->match);
}

/* Its weight is nothing: who gets there was sent by a rule. */
static bool is_by_rule(const struct bsc_routed *routed)
{
    return routed->match && !routed->weight_bp[routed->candidate];
}

static struct bsc_slot_sample read_cell(struct bsc_router_proxy *router,
                                        const struct bsc_routed *routed, unsigned kind)
{
    struct bsc_totals *totals = &router->watch->totals[kind];
    bsc_cells_read(router, routed->cells[kind], totals);
    return (struct bsc_slot_sample){ .units = totals->requests,
                                     .errors = totals->errors,
                                     .begun = totals->claimed,
                                     .answered = totals->answered,
                                     .latency = totals->latency };
}

static struct bsc_slot_sample read_slot(struct bsc_router_proxy *router,
                                        const struct bsc_routed *routed, enum bsc_slot slot)
{
    struct bsc_watch *watch = router->watch;
    bool chosen = is_by_rule(routed) && slot == routed->candidate;
    unsigned kind = chosen ? BSC_CELL_CHOSEN : slot;
    struct bsc_slot_sample sample = read_cell(router, routed, kind);
    if (!routed->sticky)
        return sample;
    sample.bad_buckets = watch->bad[slot];
    for (unsigned w = 0; w < BSC_BAD_WORDS; w++)
        watch->bad[slot][w] = 0;
    for (struct bsc_list *at = router->generations.next; at != &router->generations; at = at->next)
        bsc_counters_bad(BSC_CONTAINER(at, struct bsc_generation, link), routed->cells[kind]->index,
                         watch->bad[slot]);
    return sample;
}

static unsigned read_instances(struct bsc_router_proxy *router, const struct bsc_routed *routed)
{
    struct bsc_watch *watch = router->watch;
    unsigned count = 0;
    watch->instances = bsc_grow(watch->instances, &watch->instance_capacity,
                                routed->endpoint_count + 1, sizeof *watch->instances);
    for (size_t i = 0; i < routed->endpoint_count; i++) {
        const struct bsc_routed_endpoint *endpoint = &routed->endpoints[i];
        if (endpoint->slot != routed->candidate || !endpoint->gauge)
            continue;
        struct bsc_instance_sample *sample = &watch->instances[count++];
        *sample = (struct bsc_instance_sample){ .key = endpoint->gauge->index };
        for (struct bsc_list *at = router->generations.next; at != &router->generations;
             at = at->next)
            sample->errors += bsc_counters_errors(BSC_CONTAINER(at, struct bsc_generation, link),
                                                  endpoint->gauge->index);
    }
    return count;
}

static void tell(struct bsc_router_proxy *router, const struct bsc_routed *routed)
{
    struct bsc_watch *watch = router->watch;
    struct bsc_sample sample = {
        .at_ms = bsc_clock_boot_ms(),
        .generation = routed->generation,
        .weight_bp = routed->weight_bp[routed->candidate],
        .drawing = is_by_rule(routed) ? BSC_DRAWN_BY_RULE
                   : routed->sticky   ? BSC_DRAWN_BY_USER
                                      : BSC_DRAWN_BY_COIN,
        .candidate = read_slot(router, routed, routed->candidate),
        .live = read_slot(router, routed, bsc_slot_other(routed->candidate)),
        .instance_count = read_instances(router, routed),
    };
    sample.instances = watch->instances;
    sample.has_chosen = routed->match && !is_by_rule(routed);
    if (sample.has_chosen)
        sample.chosen = read_cell(router, routed, BSC_CELL_CHOSEN);
    struct bsc_baseline before = routed->baseline;
    char name[BSC_NAME_MAX + 1]; /* the service may be gone before the event is handled */
    snprintf(name, sizeof name, "%s", routed->name);
    watch->deliver(watch->argument,
                   &(struct bsc_event){ .kind = BSC_EVENT_COUNTED,
                                        .service = name,
                                        .sample = &sample,
                                        .baseline = before.units ? &before : NULL });
}

/* What is told may lead to a publish, which changes the table. */
static void on_timer(uv_timer_t *timer)
{
    struct bsc_router_proxy *router = timer->data;
    bool any = false;
    for (size_t i = 0; i < router->service_count; i++) {
        if (!is_watched(router->services[i]))
            continue;
        any = true;
        if (router->services[i]->cells[0]) /* not before begin, which may be a while after this */
            tell(router, router->services[i]);
    }
    if (!any)
        uv_timer_stop(timer);
}

void bsc_watch_publish(struct bsc_router_proxy *router, struct bsc_routed *routed,
                       const struct bsc_routing *routing)
{
    const struct bsc_affinity_spec *affinity = &routing->spec->traffic.affinity;
    enum bsc_slot candidate = routing->candidate, live = bsc_slot_other(candidate);
    bool had = routed->weight_bp[candidate] || routed->match;
    bool began = routing->watch && !had && (routing->weight_bp[candidate] || routing->match);
    if (began && routed->cells[live]) {
        struct bsc_totals totals;
        bsc_cells_read(router, routed->cells[live], &totals);
        bsc_baseline_freeze(&routed->baseline, totals.requests, totals.errors, totals.latency);
    } else if (began || !routing->watch) {
        routed->baseline = (struct bsc_baseline){ 0 };
    }
    routed->watch = routing->watch;
    routed->candidate = candidate;
    routed->sticky = affinity->cookie || affinity->header || affinity->client_address;
    if (routing->watch && !uv_is_active((const uv_handle_t *)&router->watch->timer))
        uv_timer_start(&router->watch->timer, on_timer, BSC_SAMPLE_MS, BSC_SAMPLE_MS);
}

void bsc_watch_init(struct bsc_router_proxy *router, bsc_deliver deliver, void *argument)
{
    struct bsc_watch *watch = router->watch = bsc_alloc(sizeof *watch);
    watch->deliver = deliver;
    watch->argument = argument;
    uv_timer_init(router->loop, &watch->timer);
    watch->timer.data = router;
}

static void on_closed(uv_handle_t *handle)
{
    struct bsc_watch *watch = BSC_CONTAINER((uv_timer_t *)handle, struct bsc_watch, timer);
    free(watch->instances);
    free(watch);
}

void bsc_watch_deinit(struct bsc_router_proxy *router)
{
    uv_close((uv_handle_t *)&router->watch->timer, on_closed);
}
