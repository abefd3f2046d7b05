/* SPDX-License-Identifier: Apache-2.0
 * adapters/router_cells.c - a cell for each (service, slot, split generation); see
 * router_internal.h.
 *
 * A cell is in use while requests may choose it, then retired until the last request that chose it
 * has ended; then what it holds is added to its service and the index may be handed out again. */
#include <stdlib.h>
#include <string.h>

#include "adapters/router_internal.h"
#include "base/arena.h"
#include "base/clock.h"

enum { QUIET_MS = 10000 }; /* a retired cell rests so long before it can be used again */

static const struct bsc_cell_base *base_of(const struct bsc_cell_use *use, uint64_t generation)
{
    for (size_t i = 0; i < use->base_count; i++)
        if (use->bases[i]->generation == generation)
            return use->bases[i];
    return NULL;
}

/* What a generation counted for this use of the cell. False: nothing. */
static bool read_one(const struct bsc_cell_use *use, const struct bsc_generation *generation,
                     struct bsc_totals *out)
{
    if (!bsc_counters_cell(generation, use->index, out))
        return false;
    const struct bsc_cell_base *base = base_of(use, generation->number);
    if (base)
        bsc_totals_subtract(out, &base->totals);
    return true;
}

void bsc_cells_read(const struct bsc_router_proxy *router, const struct bsc_cell_use *use,
                    struct bsc_totals *out)
{
    struct bsc_totals part;
    *out = use->folded ? *use->folded : (struct bsc_totals){ 0 };
    for (struct bsc_list *at = router->generations.next; at != &router->generations; at = at->next)
        if (read_one(use, BSC_CONTAINER(at, struct bsc_generation, link), &part))
            bsc_totals_add(out, &part);
}

static void add_to(struct bsc_totals **sum, const struct bsc_totals *part)
{
    if (!*sum)
        *sum = bsc_alloc(sizeof **sum);
    bsc_totals_add(*sum, part);
}

static struct bsc_cell_use *use_create(struct bsc_router_proxy *router, unsigned index,
                                       enum bsc_slot slot, struct bsc_routed *owner)
{
    struct bsc_cell_use *use = bsc_alloc(sizeof *use);
    bsc_list_init(&use->link);
    use->index = index;
    use->slot = slot;
    use->owner = owner;
    for (struct bsc_list *at = router->generations.next; at != &router->generations;
         at = at->next) {
        const struct bsc_generation *generation = BSC_CONTAINER(at, struct bsc_generation, link);
        struct bsc_totals now;
        if (!bsc_counters_cell(generation, index, &now))
            continue;
        use->bases =
            bsc_grow(use->bases, &use->base_capacity, use->base_count + 1, sizeof *use->bases);
        struct bsc_cell_base *base = bsc_alloc(sizeof *base);
        *base = (struct bsc_cell_base){ generation->number, now };
        use->bases[use->base_count++] = base;
    }
    return use;
}

static void cell_destroy(struct bsc_cell_use *use)
{
    if (!use)
        return;
    bsc_list_remove(&use->link);
    for (size_t i = 0; i < use->base_count; i++)
        free(use->bases[i]);
    free(use->bases);
    free(use->folded);
    free(use);
}

/* The index of a retired cell that is over, or BSC_CELLS. */
static unsigned reclaim(struct bsc_router_proxy *router)
{
    if (bsc_list_empty(&router->cells.retired))
        return BSC_CELLS;
    struct bsc_cell_use *use = BSC_CONTAINER(router->cells.retired.next, struct bsc_cell_use, link);
    if (bsc_clock_boot_ms() - use->retired_ms < QUIET_MS ||
        !bsc_router_everywhere(router, use->line))
        return BSC_CELLS;
    struct bsc_totals totals;
    bsc_cells_read(router, use, &totals);
    if (totals.claimed > totals.requests) { /* somebody still downloads: look at others first */
        bsc_list_remove(&use->link);
        bsc_list_add_tail(&router->cells.retired, &use->link);
        return BSC_CELLS;
    }
    if (use->owner)
        add_to(&use->owner->ended[use->slot], &totals);
    unsigned index = use->index;
    cell_destroy(use);
    return index;
}

static unsigned take_hint(struct bsc_router_proxy *router, const char *service, unsigned kind,
                          uint64_t split)
{
    for (size_t i = 0; i < router->cells.hint_count; i++) {
        struct bsc_cell_hint *hint = &router->cells.hints[i];
        if (hint->kind == kind && hint->split == split && !strcmp(hint->service, service)) {
            unsigned index = hint->index;
            free(hint->service);
            *hint = router->cells.hints[--router->cells.hint_count];
            return index;
        }
    }
    return BSC_CELLS;
}

struct bsc_cell_use *bsc_cell_acquire(struct bsc_router_proxy *router, struct bsc_routed *owner,
                                      unsigned kind, enum bsc_slot slot, uint64_t split)
{
    unsigned index = take_hint(router, owner->name, kind, split);
    if (index == BSC_CELLS)
        index = reclaim(router);
    if (index == BSC_CELLS && router->cells.next < BSC_CELL_NOBODY)
        index = router->cells.next++;
    return index == BSC_CELLS ? NULL : use_create(router, index, slot, owner);
}

void bsc_cell_retire(struct bsc_router_proxy *router, struct bsc_cell_use *use)
{
    if (!use)
        return;
    use->line = router->line;
    use->retired_ms = bsc_clock_boot_ms();
    bsc_list_add_tail(&router->cells.retired, &use->link);
}

void bsc_cell_restore(struct bsc_router_proxy *router, const char *service, unsigned kind,
                      uint64_t split, unsigned index)
{
    struct bsc_cells *cells = &router->cells;
    if (index >= BSC_CELL_NOBODY)
        return;
    cells->hints =
        bsc_grow(cells->hints, &cells->hint_capacity, cells->hint_count + 1, sizeof *cells->hints);
    cells->hints[cells->hint_count++] =
        (struct bsc_cell_hint){ bsc_copy(service), kind, split, index };
    if (index >= cells->next)
        cells->next = index + 1;
}

void bsc_cells_begin(struct bsc_router_proxy *router)
{
    struct bsc_cells *cells = &router->cells;
    for (size_t i = 0; i < cells->hint_count; i++) {
        bsc_cell_retire(router, use_create(router, cells->hints[i].index, BSC_BLUE, NULL));
        free(cells->hints[i].service);
    }
    cells->hint_count = 0;
}

static void fold(struct bsc_cell_use *use, const struct bsc_generation *generation)
{
    struct bsc_totals part;
    if (use && read_one(use, generation, &part))
        add_to(&use->folded, &part);
}

void bsc_cells_fold(struct bsc_router_proxy *router, const struct bsc_generation *generation)
{
    for (size_t i = 0; i < router->service_count; i++)
        for (unsigned kind = 0; kind < BSC_CELL_KINDS; kind++)
            fold(router->services[i]->cells[kind], generation);
    for (struct bsc_list *at = router->cells.retired.next; at != &router->cells.retired;
         at = at->next)
        fold(BSC_CONTAINER(at, struct bsc_cell_use, link), generation);
}

void bsc_cells_forget_owner(struct bsc_router_proxy *router, const struct bsc_routed *owner)
{
    for (struct bsc_list *at = router->cells.retired.next; at != &router->cells.retired;
         at = at->next) {
        struct bsc_cell_use *use = BSC_CONTAINER(at, struct bsc_cell_use, link);
        if (use->owner == owner)
            use->owner = NULL;
    }
}

void bsc_cells_deinit(struct bsc_cells *cells)
{
    struct bsc_list *node;
    while ((node = bsc_list_pop(&cells->retired)))
        cell_destroy(BSC_CONTAINER(node, struct bsc_cell_use, link));
    for (size_t i = 0; i < cells->hint_count; i++)
        free(cells->hints[i].service);
    free(cells->hints);
}
