/* SPDX-License-Identifier: Apache-2.0
 * adapters/router_gauges.c - a gauge for each instance; see router_internal.h. */
#include <stdlib.h>
#include <string.h>

#include "adapters/router_internal.h"
#include "base/arena.h"

enum { SWEEP_AT = 64 }; /* so many unused ones are worth a look at what can be handed out again */

/* Where `id` is, or belongs. */
static size_t position(const struct bsc_gauges *gauges, const char *id)
{
    size_t low = 0, high = gauges->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(gauges->uses[middle]->id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct bsc_gauge_use *bsc_gauge_find(const struct bsc_router_proxy *router, const char *id)
{
    size_t at = position(&router->gauges, id);
    bool found = at < router->gauges.count && !strcmp(router->gauges.uses[at]->id, id);
    return found ? router->gauges.uses[at] : NULL;
}

static struct bsc_gauge_use *insert(struct bsc_gauges *gauges, const char *id, unsigned index)
{
    size_t at = position(gauges, id);
    gauges->uses =
        bsc_grow(gauges->uses, &gauges->capacity, gauges->count + 1, sizeof *gauges->uses);
    memmove(gauges->uses + at + 1, gauges->uses + at, (gauges->count - at) * sizeof *gauges->uses);
    gauges->count++;
    struct bsc_gauge_use *use = bsc_alloc(sizeof *use);
    use->id = bsc_copy(id);
    use->index = index;
    gauges->uses[at] = use;
    return use;
}

uint64_t bsc_gauge_in_flight(const struct bsc_router_proxy *router, const struct bsc_gauge_use *use)
{
    uint64_t sum = 0;
    for (struct bsc_list *at = router->generations.next; at != &router->generations;
         at = at->next) {
        uint64_t count =
            bsc_counters_in_flight(BSC_CONTAINER(at, struct bsc_generation, link), use->index);
        sum = count > UINT64_MAX - sum ? UINT64_MAX : sum + count;
    }
    return sum;
}

/* Nothing goes there any more and nothing is in flight: the index may mean another instance. */
static bool is_over(const struct bsc_router_proxy *router, const struct bsc_gauge_use *use)
{
    return !use->holders && bsc_router_everywhere(router, use->line) &&
           bsc_gauge_in_flight(router, use) == 0;
}

static void reclaim(struct bsc_router_proxy *router)
{
    struct bsc_gauges *gauges = &router->gauges;
    size_t kept = 0;
    for (size_t i = 0; i < gauges->count; i++) {
        struct bsc_gauge_use *use = gauges->uses[i];
        if (!is_over(router, use)) {
            gauges->uses[kept++] = use;
            continue;
        }
        gauges->spare = bsc_grow(gauges->spare, &gauges->spare_capacity, gauges->spare_count + 1,
                                 sizeof *gauges->spare);
        gauges->spare[gauges->spare_count++] = use->index;
        free(use->id);
        free(use);
    }
    gauges->count = kept;
}

struct bsc_gauge_use *bsc_gauge_acquire(struct bsc_router_proxy *router, const char *id)
{
    struct bsc_gauges *gauges = &router->gauges;
    struct bsc_gauge_use *use = bsc_gauge_find(router, id);
    if (!use && !gauges->spare_count &&
        (gauges->next >= BSC_GAUGES || gauges->next % SWEEP_AT == 0))
        reclaim(router);
    if (!use && gauges->spare_count)
        use = insert(gauges, id, gauges->spare[--gauges->spare_count]);
    else if (!use && gauges->next < BSC_GAUGES)
        use = insert(gauges, id, gauges->next++);
    if (use)
        use->holders++;
    return use;
}

void bsc_gauge_release(struct bsc_router_proxy *router, struct bsc_gauge_use *use)
{
    if (use && --use->holders == 0)
        use->line = router->line;
}

void bsc_gauge_restore(struct bsc_router_proxy *router, const char *id, unsigned index)
{
    if (!index || index >= BSC_GAUGES || bsc_gauge_find(router, id))
        return;
    insert(&router->gauges, id, index)->line = router->line;
    if (index >= router->gauges.next)
        router->gauges.next = index + 1;
}

void bsc_gauges_deinit(struct bsc_gauges *gauges)
{
    for (size_t i = 0; i < gauges->count; i++) {
        free(gauges->uses[i]->id);
        free(gauges->uses[i]);
    }
    free(gauges->uses);
    free(gauges->spare);
}
