/* SPDX-License-Identifier: Apache-2.0
 * adapters/router_service.c - the wanted state of the services; see router_internal.h.
 *
 * One publish may change several things, and each line takes effect as it comes. The order keeps
 * requests from being lost in between: instances that the new split needs come before it, those
 * that only the old one needs go after it; requests are held before anything moves and let go
 * after. Of several services that are published together all splits are one line, which a worker
 * takes between two requests. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/router_internal.h"
#include "base/arena.h"

static size_t position(const struct bsc_router_proxy *router, const char *name)
{
    size_t low = 0, high = router->service_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(router->services[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct bsc_routed *bsc_routed_find(const struct bsc_router_proxy *router, const char *name)
{
    size_t at = position(router, name);
    bool found = at < router->service_count && !strcmp(router->services[at]->name, name);
    return found ? router->services[at] : NULL;
}

static struct bsc_routed *insert(struct bsc_router_proxy *router, const char *name)
{
    size_t at = position(router, name);
    router->services = bsc_grow(router->services, &router->service_capacity,
                                router->service_count + 1, sizeof *router->services);
    memmove(router->services + at + 1, router->services + at,
            (router->service_count - at) * sizeof *router->services);
    router->service_count++;
    struct bsc_routed *routed = bsc_alloc(sizeof *routed);
    routed->name = bsc_copy(name);
    router->services[at] = routed;
    return routed;
}

/* -- endpoints ------------------------------------------------------------------------------- */

struct endpoints {
    struct bsc_routed_endpoint *items;
    size_t count;
};

static void endpoints_free(struct bsc_router_proxy *router, struct endpoints *endpoints)
{
    for (size_t i = 0; i < endpoints->count; i++) {
        bsc_gauge_release(router, endpoints->items[i].gauge);
        bsc_upstream_way_release(router, endpoints->items[i].way);
        free(endpoints->items[i].server_name);
        free(endpoints->items[i].id);
        free(endpoints->items[i].address);
    }
    free(endpoints->items);
    *endpoints = (struct endpoints){ 0 };
}

static struct endpoints endpoints_copy(struct bsc_router_proxy *router,
                                       const struct bsc_endpoint *from, unsigned count)
{
    struct endpoints copy = { bsc_alloc(count * sizeof *copy.items), count };
    for (unsigned i = 0; i < count; i++)
        copy.items[i] =
            (struct bsc_routed_endpoint){ .id = bsc_copy(from[i].id),
                                          .address = bsc_copy(from[i].address),
                                          .slot = from[i].slot,
                                          .speech = from[i].speech,
                                          .way = bsc_upstream_way_acquire(router, from[i].tls),
                                          .server_name = bsc_upstream_server_name(from[i].tls,
                                                                                  from[i].address),
                                          .healthy = from[i].healthy,
                                          .leaving = from[i].leaving,
                                          .weight = from[i].weight ? from[i].weight : 1 };
    return copy;
}

static enum bsc_status acquire_gauges(struct bsc_router_proxy *router, struct endpoints *endpoints,
                                      struct bsc_error *error)
{
    for (size_t i = 0; i < endpoints->count; i++) {
        endpoints->items[i].gauge = bsc_gauge_acquire(router, endpoints->items[i].id);
        if (!endpoints->items[i].gauge)
            return bsc_error_set(error, BSC_FAILED, "more than %d instances", BSC_GAUGES - 1);
    }
    return BSC_OK;
}

static struct bsc_routed_endpoint *endpoint_find(struct bsc_routed_endpoint *items, size_t count,
                                                 const char *id)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(items[i].id, id))
            return &items[i];
    return NULL;
}

/* The body with what either list has, healthy where either says so, leaving where both do. */
static enum bsc_status write_union(const struct bsc_routed *old, const struct endpoints *new,
                                   struct bsc_text *out, struct bsc_error *error)
{
    size_t count = new->count;
    struct bsc_routed_endpoint *all = bsc_alloc((count + old->endpoint_count) * sizeof *all);
    if (count)
        memcpy(all, new->items, count * sizeof *all);
    for (size_t i = 0; i < old->endpoint_count; i++) {
        struct bsc_routed_endpoint *same = endpoint_find(all, new->count, old->endpoints[i].id);
        if (!same) {
            all[count++] = old->endpoints[i];
            continue;
        }
        same->healthy = same->healthy || old->endpoints[i].healthy;
        same->leaving = same->leaving && old->endpoints[i].leaving;
    }
    enum bsc_status status = bsc_wire_instances(old->name, all, count, out, error);
    free(all);
    return status;
}

/* -- changes --------------------------------------------------------------------------------- */

static bool same_text(const struct bsc_text *a, const struct bsc_text *b)
{
    return a->size == b->size && (!a->size || !memcmp(a->data, b->data, a->size));
}

static void replace_text(struct bsc_text *old, struct bsc_text *new)
{
    bsc_text_deinit(old);
    *old = *new;
    *new = (struct bsc_text){ 0 };
}

/* The line just sent is one of its own. */
static void note_line(const struct bsc_router_proxy *router, struct bsc_routed *routed, bool *first)
{
    if (*first)
        routed->first_line = router->line;
    *first = false;
    routed->line = router->line;
}

static void emit(struct bsc_router_proxy *router, struct bsc_routed *routed, bool *first,
                 const struct bsc_text *body)
{
    bsc_router_emit(router, body);
    note_line(router, routed, first);
}

/* All that a publish brings. */
struct change {
    struct bsc_routed *routed;
    bool fresh;  /* it was not known before */
    bool serves; /* the line of the service is another, and is still to be sent */
    bool first;  /* none of its lines was sent yet */
    struct bsc_text service, between, instances;
    struct endpoints endpoints;
    struct bsc_cell_use *cells[BSC_CELL_KINDS]; /* NULL: the split stays */
    json_t *match;
    bool splits;
    bool rescues; /* only what the split says of rescues is another */
};

/* `candidate`: whose the cell for match rules is, where there are some. */
static enum bsc_status take_cells(struct bsc_router_proxy *router, struct bsc_routed *routed,
                                  uint64_t split, enum bsc_slot candidate, struct change *change,
                                  struct bsc_error *error)
{
    unsigned kinds = change->match ? BSC_CELL_KINDS : BSC_SLOT_COUNT;
    change->splits = true;
    for (unsigned kind = 0; kind < kinds; kind++) {
        enum bsc_slot slot = kind == BSC_CELL_CHOSEN ? candidate : (enum bsc_slot)kind;
        change->cells[kind] = bsc_cell_acquire(router, routed, kind, slot, split);
        if (!change->cells[kind])
            return bsc_error_set(error, BSC_FAILED, "all counters are in use");
    }
    return BSC_OK;
}

static void change_deinit(struct bsc_router_proxy *router, struct change *change)
{
    bsc_text_deinit(&change->service);
    bsc_text_deinit(&change->between);
    bsc_text_deinit(&change->instances);
    endpoints_free(router, &change->endpoints);
    for (unsigned kind = 0; kind < BSC_CELL_KINDS; kind++)
        bsc_cell_retire(router, change->cells[kind]);
    json_decref(change->match);
}

static bool is_new_split(const struct bsc_routed *routed, const struct bsc_routing *routing)
{
    return routed->refused || !routed->cells[0] || routed->generation != routing->generation ||
           !routed->match != !routing->match ||
           memcmp(routed->weight_bp, routing->weight_bp, sizeof routed->weight_bp) != 0;
}

static enum bsc_status change_prepare(struct bsc_router_proxy *router, struct bsc_routed *routed,
                                      const struct bsc_routing *routing, struct change *change,
                                      struct bsc_error *error)
{
    enum bsc_status status = bsc_wire_service(routing, &change->service, error);
    change->match = bsc_wire_match(routing->match);
    change->endpoints = endpoints_copy(router, routing->endpoints, routing->endpoint_count);
    if (status != BSC_OK || !router->begun)
        return status;
    status = acquire_gauges(router, &change->endpoints, error);
    if (status == BSC_OK)
        status = bsc_wire_instances(routed->name, change->endpoints.items, change->endpoints.count,
                                    &change->instances, error);
    change->rescues =
        routed->rescue != routing->rescue || (routing->rescue && routed->stable != routing->stable);
    if (status != BSC_OK || !is_new_split(routed, routing))
        return status;
    status = write_union(routed, &change->endpoints, &change->between, error);
    if (status == BSC_OK)
        status = take_cells(router, routed, routing->generation, routing->candidate, change, error);
    return status;
}

/* Swaps the change in; the change holds the old state afterwards. */
static void swap_state(struct bsc_routed *routed, const struct bsc_routing *routing,
                       struct change *change)
{
    struct endpoints old = { routed->endpoints, routed->endpoint_count };
    routed->endpoints = change->endpoints.items;
    routed->endpoint_count = change->endpoints.count;
    change->endpoints = old;
    routed->traffic = routing->traffic;
    routed->generation = routing->generation;
    memcpy(routed->weight_bp, routing->weight_bp, sizeof routed->weight_bp);
    routed->rescue = routing->rescue;
    routed->stable = routing->stable;
    routed->rescue_percent = routing->rescue_percent;
    if (change->splits || !routed->cells[0])
        snprintf(routed->affinity_key, sizeof routed->affinity_key, "%s",
                 routing->affinity_key ? routing->affinity_key : "");
    if (change->splits || !routed->cells[0]) {
        json_t *match = routed->match;
        routed->match = change->match;
        change->match = match;
    }
    for (unsigned kind = 0; change->splits && kind < BSC_CELL_KINDS; kind++) {
        struct bsc_cell_use *use = routed->cells[kind];
        routed->cells[kind] = change->cells[kind];
        change->cells[kind] = use;
    }
}

/* What must be there before the splits. */
static void send_before(struct bsc_router_proxy *router, struct bsc_routed *routed,
                        struct change *change)
{
    if (routed->refused) {
        bsc_text_clear(&routed->service);
        bsc_text_clear(&routed->instances);
        routed->refused = false;
    }
    change->first = true;
    change->serves = !same_text(&routed->service, &change->service);
    bool service_first = !routed->service.size || routed->traffic != BSC_TRAFFIC_SERVE;
    replace_text(&routed->service, &change->service);
    if (change->serves && service_first) {
        emit(router, routed, &change->first, &routed->service);
        change->serves = false;
    }
    if (!change->splits)
        return;
    bsc_text_clear(&routed->split);
    bsc_wire_split(routed, &routed->split);
    if (!same_text(&routed->instances, &change->between)) {
        emit(router, routed, &change->first, &change->between);
        replace_text(&routed->instances, &change->between);
    }
}

/* In one line, however many. */
static void send_splits(struct bsc_router_proxy *router, struct change *changes, unsigned count)
{
    struct bsc_text all = { 0 };
    for (unsigned i = 0; i < count; i++)
        if (changes[i].splits)
            bsc_wire_add_split(&all, &changes[i].routed->split);
    if (all.size) {
        bsc_wire_end_splits(&all);
        bsc_router_emit(router, &all);
    }
    for (unsigned i = 0; i < count && all.size; i++)
        if (changes[i].splits)
            note_line(router, changes[i].routed, &changes[i].first);
    bsc_text_deinit(&all);
}

/* What only the old splits needed goes. */
static void send_after(struct bsc_router_proxy *router, struct bsc_routed *routed,
                       struct change *change)
{
    if (!same_text(&routed->instances, &change->instances))
        emit(router, routed, &change->first, &change->instances);
    replace_text(&routed->instances, &change->instances);
    if (change->rescues && !change->splits) {
        bsc_text_clear(&routed->split);
        bsc_wire_split(routed, &routed->split);
        emit(router, routed, &change->first, &routed->split);
    }
    if (change->serves)
        emit(router, routed, &change->first, &routed->service);
}

static void send_changes(struct bsc_router_proxy *router, struct change *changes, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        send_before(router, changes[i].routed, &changes[i]);
    send_splits(router, changes, count);
    for (unsigned i = 0; i < count; i++)
        send_after(router, changes[i].routed, &changes[i]);
}

/* Nothing is changed when it fails. */
static enum bsc_status prepare_one(struct bsc_router_proxy *router,
                                   const struct bsc_routing *routing, struct change *change,
                                   struct bsc_error *error)
{
    struct bsc_routed *routed = bsc_routed_find(router, routing->spec->name);
    change->fresh = !routed;
    if (!routed)
        routed = insert(router, routing->spec->name);
    change->routed = routed;
    if (routing->rollout && routing->rollout != routed->rollout) {
        routed->rollout = routing->rollout;
        bsc_routed_rescues(router, routed, &routed->before);
    }
    return change_prepare(router, routed, routing, change, error);
}

static void take_over(struct bsc_router_proxy *router, const struct bsc_routing *routings,
                      struct change *changes, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        bsc_watch_publish(router, changes[i].routed, &routings[i]);
        bsc_facts_publish(router, changes[i].routed, &routings[i]);
        swap_state(changes[i].routed, &routings[i], &changes[i]);
    }
    bsc_router_tls_settle(router); /* before the instances that it is for */
    if (router->begun)
        send_changes(router, changes, count);
    else
        for (unsigned i = 0; i < count; i++)
            replace_text(&changes[i].routed->service, &changes[i].service);
}

enum bsc_status bsc_routed_publish(struct bsc_router_proxy *router,
                                   const struct bsc_routing *routings, unsigned count,
                                   struct bsc_routed **out, struct bsc_error *error)
{
    struct change *changes = bsc_alloc(count * sizeof *changes);
    enum bsc_status status = BSC_OK;
    for (unsigned i = 0; i < count && status == BSC_OK; i++)
        status = prepare_one(router, &routings[i], &changes[i], error);
    if (status == BSC_OK)
        take_over(router, routings, changes, count);
    for (unsigned i = 0; i < count; i++) {
        change_deinit(router, &changes[i]); /* after the lines that end the use of what was there */
        if (status != BSC_OK && changes[i].fresh)
            bsc_routed_destroy(router, changes[i].routed);
        else if (out)
            out[i] = changes[i].routed;
    }
    bsc_router_tls_settle(router);
    free(changes);
    return status;
}

enum bsc_status bsc_routed_begin(struct bsc_router_proxy *router, struct bsc_routed *routed,
                                 struct bsc_error *error)
{
    struct endpoints endpoints = { routed->endpoints, routed->endpoint_count };
    enum bsc_status status = acquire_gauges(router, &endpoints, error);
    if (status == BSC_OK)
        status = bsc_wire_instances(routed->name, routed->endpoints, routed->endpoint_count,
                                    &routed->instances, error);
    struct change change = { .match = json_incref(routed->match) };
    if (status == BSC_OK)
        status = take_cells(router, routed, routed->generation, routed->candidate, &change, error);
    if (status == BSC_OK) {
        memcpy(routed->cells, change.cells, sizeof routed->cells);
        memset(change.cells, 0, sizeof change.cells);
        bsc_wire_split(routed, &routed->split);
    }
    change_deinit(router, &change);
    routed->first_line = routed->line = router->line;
    return status;
}

/* -- the end --------------------------------------------------------------------------------- */

void bsc_routed_destroy(struct bsc_router_proxy *router, struct bsc_routed *routed)
{
    size_t at = position(router, routed->name);
    memmove(router->services + at, router->services + at + 1,
            (router->service_count - at - 1) * sizeof *router->services);
    router->service_count--;
    bsc_cells_forget_owner(router, routed);
    for (unsigned kind = 0; kind < BSC_CELL_KINDS; kind++) {
        if (routed->cells[kind])
            routed->cells[kind]->owner = NULL;
        bsc_cell_retire(router, routed->cells[kind]);
    }
    for (unsigned slot = 0; slot < BSC_SLOT_COUNT; slot++)
        free(routed->ended[slot]);
    json_decref(routed->match);
    bsc_facts_forget(routed);
    struct endpoints endpoints = { routed->endpoints, routed->endpoint_count };
    endpoints_free(router, &endpoints);
    bsc_text_deinit(&routed->service);
    bsc_text_deinit(&routed->instances);
    bsc_text_deinit(&routed->split);
    free(routed->name);
    free(routed);
}

void bsc_routed_remove(struct bsc_router_proxy *router, struct bsc_routed *routed)
{
    if (router->begun) {
        struct bsc_text body = { 0 };
        bsc_wire_remove(routed->name, &body);
        bsc_router_emit(router, &body);
        bsc_text_deinit(&body);
    }
    bsc_routed_destroy(router, routed);
    bsc_router_tls_settle(router);
}
