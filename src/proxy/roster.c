/* SPDX-License-Identifier: Apache-2.0
 * proxy/roster.c - see roster.h. */
#include "proxy/roster.h"

#include <stdlib.h>

#include "base/arena.h"
#include "proxy/identity.h"

enum {
    TURNS_MAX = 16384,
    POINTS_MAX = 65536,
    POINTS_EACH = 160, /* the shares of equal instances then differ by about 8 % */
    POINTS_EACH_LEAST = 8
};

struct bsc_roster *bsc_roster_create(unsigned count)
{
    struct bsc_roster *roster = bsc_alloc(sizeof *roster + count * sizeof roster->items[0]);
    roster->references = 1;
    roster->count = count;
    for (unsigned i = 0; i < count; i++)
        roster->items[i].weight = 1;
    return roster;
}

struct bsc_roster *bsc_roster_acquire(struct bsc_roster *roster)
{
    atomic_fetch_add_explicit(&roster->references, 1, memory_order_relaxed);
    return roster;
}

void bsc_roster_release(struct bsc_roster *roster)
{
    if (!roster || atomic_fetch_sub_explicit(&roster->references, 1, memory_order_acq_rel) != 1)
        return;
    for (unsigned i = 0; i < roster->count; i++)
        bsc_instance_release(roster->items[i].instance);
    for (int slot = 0; slot < BSC_SLOT_COUNT; slot++) {
        free(roster->arrangements[slot].turns);
        free(roster->arrangements[slot].ring);
    }
    free(roster);
}

struct bsc_roster *bsc_roster_copy(const struct bsc_roster *roster)
{
    struct bsc_roster *copy = bsc_roster_create(roster->count);
    for (unsigned i = 0; i < roster->count; i++) {
        copy->items[i] = roster->items[i];
        bsc_instance_acquire(copy->items[i].instance);
    }
    return copy;
}

/* The order is mostly the same, so the search starts at `hint`. */
static const struct bsc_roster_item *find(const struct bsc_roster *roster, unsigned hint,
                                          const struct bsc_instance *instance)
{
    for (unsigned i = 0; roster && i < roster->count; i++) {
        const struct bsc_roster_item *item = &roster->items[(hint + i) % roster->count];
        if (item->instance == instance || bsc_instance_same(item->instance, instance))
            return item;
    }
    return NULL;
}

/* Has one of them been healthy for the time of a slow start? */
static bool is_warm(const struct bsc_roster *roster, enum bsc_slot slot, int64_t since_ms)
{
    for (unsigned i = 0; roster && i < roster->count; i++) {
        const struct bsc_roster_item *item = &roster->items[i];
        if (item->instance->slot == slot && bsc_roster_item_open(item) &&
            (!item->risen_ms || item->risen_ms <= since_ms))
            return true;
    }
    return false;
}

/* Whoever is healthy is better than nobody, whatever its answers were. */
static void readmit_the_last(struct bsc_roster *roster)
{
    bool open[BSC_SLOT_COUNT] = { false, false };
    for (unsigned i = 0; i < roster->count; i++)
        open[roster->items[i].instance->slot] |= bsc_roster_item_open(&roster->items[i]);
    for (unsigned i = 0; i < roster->count; i++)
        if (!open[roster->items[i].instance->slot])
            roster->items[i].ejected = false;
}

void bsc_roster_settle(struct bsc_roster *roster, const struct bsc_roster *old,
                       const struct bsc_service *service, int64_t now_ms)
{
    int64_t since_ms = now_ms - (service ? service->slow_start_ms : 0);
    bool warm[BSC_SLOT_COUNT] = { is_warm(old, BSC_BLUE, since_ms),
                                  is_warm(old, BSC_GREEN, since_ms) };
    for (unsigned i = 0; i < roster->count; i++) {
        struct bsc_roster_item *item = &roster->items[i];
        const struct bsc_roster_item *same = find(old, i, item->instance);
        bool risen = item->healthy && !(same && same->healthy);
        if (same && same->instance != item->instance) {
            bsc_instance_release(item->instance);
            item->instance = bsc_instance_acquire(same->instance);
        }
        if (same && !risen) {
            item->risen_ms = same->risen_ms;
            item->slow_from_ms = same->slow_from_ms;
            item->ejected = same->ejected;
        } else if (risen) {
            item->risen_ms = old ? now_ms : 0;
            item->slow_from_ms = warm[item->instance->slot] ? now_ms : 0;
            item->instance->outlier.until_ms = 0;
            atomic_store_explicit(&item->instance->errors_in_row, 0, memory_order_relaxed);
        }
    }
    readmit_the_last(roster);
}

bool bsc_roster_wants_ring(const struct bsc_service *service)
{
    return service && service->identity != BSC_IDENTITY_NONE;
}

/* -- turns ------------------------------------------------------------------------------------ */

/* A turn of one instance lies where the same distances between all its turns put it. */
struct turn {
    double place;
    uint16_t at;
};

static int compare_turns(const void *a, const void *b)
{
    const struct turn *x = a, *y = b;
    if (x->place != y->place)
        return x->place < y->place ? -1 : 1;
    return (int)x->at - (int)y->at;
}

static unsigned common_divisor(unsigned a, unsigned b)
{
    while (b) {
        unsigned rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static void arrange_turns(struct bsc_arrangement *out, const unsigned *weights, unsigned count)
{
    unsigned divisor = 0, sum = 0, at = 0, most = 0;
    for (unsigned i = 0; i < count; i++) {
        divisor = common_divisor(weights[i], divisor);
        most = weights[i] > most ? weights[i] : most;
        sum += weights[i];
    }
    if (count < 2 || divisor == most) /* all the same */
        return;
    while (sum / divisor > TURNS_MAX) /* very many instances: rounded */
        divisor *= 2;
    struct turn *turns = bsc_alloc((sum / divisor + count) * sizeof *turns);
    for (unsigned i = 0; i < count; i++) {
        unsigned share = weights[i] / divisor ? weights[i] / divisor : 1;
        for (unsigned k = 0; k < share; k++)
            turns[at++] = (struct turn){ (k + 0.5) / share, (uint16_t)i };
    }
    qsort(turns, at, sizeof *turns, compare_turns);
    out->turns = bsc_alloc(at * sizeof out->turns[0]);
    out->turn_count = at;
    for (unsigned i = 0; i < at; i++)
        out->turns[i] = turns[i].at;
    free(turns);
}

/* -- the ring --------------------------------------------------------------------------------- */

static int compare_points(const void *a, const void *b)
{
    const struct bsc_ring_point *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return (int)x->at - (int)y->at;
}

static void arrange_ring(struct bsc_arrangement *out, struct bsc_instance *const *instances,
                         const unsigned *weights, unsigned count)
{
    unsigned sum = 0, points = count * POINTS_EACH < POINTS_MAX ? count * POINTS_EACH : POINTS_MAX;
    for (unsigned i = 0; i < count; i++)
        sum += weights[i];
    out->ring = bsc_alloc((points + count * POINTS_EACH_LEAST) * sizeof out->ring[0]);
    for (unsigned i = 0; i < count; i++) {
        unsigned share = (unsigned)((uint64_t)points * weights[i] / sum);
        uint64_t seed = bsc_identity_hash_text(instances[i]->id);
        if (share < POINTS_EACH_LEAST)
            share = POINTS_EACH_LEAST;
        for (unsigned k = 0; k < share; k++)
            out->ring[out->ring_count++] =
                (struct bsc_ring_point){ bsc_identity_point(seed, k), (uint16_t)i };
    }
    qsort(out->ring, out->ring_count, sizeof out->ring[0], compare_points);
}

void bsc_roster_arrange(struct bsc_roster *roster, bool ring)
{
    unsigned *weights = bsc_alloc((roster->count + 1) * sizeof *weights);
    struct bsc_instance **instances = bsc_alloc((roster->count + 1) * sizeof(void *));
    for (int slot = 0; slot < BSC_SLOT_COUNT; slot++) {
        unsigned count = 0;
        for (unsigned i = 0; i < roster->count; i++) {
            const struct bsc_roster_item *item = &roster->items[i];
            if ((int)item->instance->slot != slot || !bsc_roster_item_open(item))
                continue;
            weights[count] = item->weight;
            instances[count++] = item->instance;
        }
        arrange_turns(&roster->arrangements[slot], weights, count);
        if (ring && count > 1)
            arrange_ring(&roster->arrangements[slot], instances, weights, count);
    }
    free(weights);
    free(instances);
}
