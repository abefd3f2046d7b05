/* SPDX-License-Identifier: Apache-2.0
 * proxy/balance.c - see balance.h. */
#include "proxy/balance.h"

enum {
    WHOLE_BP = 10000,
    BOUND_PERCENT = 125,
    BOUND_LEAST = 4,  /* so few requests in flight are no load, wherever they are */
    RING_STEPS = 128, /* after so many points of the ring nobody has room, most likely */
    WILLING = 0,
    SLOW,
    UNREACHABLE,
    FAILED,
    FULL
};

enum bsc_slot bsc_balance_slot_of(const struct bsc_split *split, unsigned bucket)
{
    return bucket < split->weight_bp[BSC_GREEN] ? BSC_GREEN : BSC_BLUE;
}

enum bsc_slot bsc_balance_slot(const struct bsc_split *split, struct bsc_random *random)
{
    unsigned green_bp = split->weight_bp[BSC_GREEN];
    if (green_bp == 0)
        return BSC_BLUE;
    if (green_bp >= WHOLE_BP)
        return BSC_GREEN;
    return bsc_balance_slot_of(split, bsc_random_below(random, WHOLE_BP));
}

/* Its chance grows in a straight line from none to the whole. With an identity the toss is the
 * same every time, so that the clients come over one after the other and stay. */
static bool starts_slowly(const struct bsc_local_instance *instance,
                          const struct bsc_placing *placing)
{
    int64_t since_ms = placing->now_ms - instance->slow_from_ms;
    if (!instance->slow_from_ms || since_ms >= placing->slow_start_ms)
        return false;
    uint32_t toss = placing->has_identity ? (uint32_t)(placing->identity & 0xffffffff)
                                          : (uint32_t)(bsc_random_next(placing->random) >> 32);
    return (int64_t)((uint64_t)toss * (uint64_t)placing->slow_start_ms >> 32) >= since_ms;
}

static unsigned reluctance(const struct bsc_choice *choice,
                           const struct bsc_local_instance *instance,
                           const struct bsc_placing *placing)
{
    if (placing->requests_max &&
        atomic_load_explicit(&instance->shared->in_flight, memory_order_relaxed) >=
            placing->requests_max)
        return FULL;
    if (instance == placing->except)
        return FAILED;
    if (instance->avoid_until_ms > placing->now_ms)
        return UNREACHABLE;
    if (choice->slow_until_ms > placing->now_ms && starts_slowly(instance, placing))
        return SLOW;
    return WILLING;
}

/* Less loaded, for what it can carry. */
static bool less_loaded(const struct bsc_local_instance *a, const struct bsc_local_instance *b)
{
    return (uint64_t)a->active * b->weight < (uint64_t)b->active * a->weight;
}

/* Looks at everybody: nobody that came first was willing. */
static struct bsc_local_instance *least_reluctant(struct bsc_choice *choice,
                                                  const struct bsc_placing *placing)
{
    struct bsc_local_instance *best = NULL;
    unsigned best_reluctance = FULL, best_at = 0;
    for (unsigned i = 0; i < choice->count; i++) {
        unsigned at = (choice->cursor + i) % choice->count;
        struct bsc_local_instance *instance = choice->items[at];
        unsigned now = reluctance(choice, instance, placing);
        if (now > best_reluctance || now == FULL ||
            (best && now == best_reluctance &&
             (placing->how == BSC_BALANCING_ROUND_ROBIN || !less_loaded(instance, best))))
            continue;
        best = instance;
        best_reluctance = now;
        best_at = at;
    }
    if (best && !choice->arrangement->turn_count)
        choice->cursor = best_at + 1 < choice->count ? best_at + 1 : 0;
    return best;
}

static struct bsc_local_instance *next_in_turn(struct bsc_choice *choice,
                                               const struct bsc_placing *placing)
{
    const struct bsc_arrangement *arrangement = choice->arrangement;
    unsigned period = arrangement->turn_count ? arrangement->turn_count : choice->count;
    unsigned at = choice->cursor;
    for (unsigned i = 0; i < choice->count; i++) {
        struct bsc_local_instance *instance =
            choice->items[arrangement->turn_count ? arrangement->turns[at] : at];
        at = at + 1 < period ? at + 1 : 0;
        if (reluctance(choice, instance, placing) == WILLING) {
            choice->cursor = at;
            return instance;
        }
    }
    return least_reluctant(choice, placing);
}

/* One at random, as often as its weight says. */
static unsigned draw(const struct bsc_choice *choice, struct bsc_random *random)
{
    const struct bsc_arrangement *arrangement = choice->arrangement;
    if (!arrangement->turn_count)
        return bsc_random_below(random, choice->count);
    return arrangement->turns[bsc_random_below(random, arrangement->turn_count)];
}

/* The better one of two (Mitzenmacher 2001): nearly as even as asking all, in constant time, and
 * workers that do not know of each other do not all run to the same instance. */
static struct bsc_local_instance *better_of_two(struct bsc_choice *choice,
                                                const struct bsc_placing *placing)
{
    unsigned first = draw(choice, placing->random), second = draw(choice, placing->random);
    if (first == second)
        second = first + 1 < choice->count ? first + 1 : 0;
    struct bsc_local_instance *a = choice->items[first], *b = choice->items[second];
    bool a_willing = reluctance(choice, a, placing) == WILLING;
    bool b_willing = reluctance(choice, b, placing) == WILLING;
    if (a_willing && (!b_willing || !less_loaded(b, a)))
        return a;
    return b_willing ? b : least_reluctant(choice, placing);
}

/* Consistent hashing with bounded loads (Mirrokni, Thorup and Zadimoghaddam 2018). */
static bool has_room(const struct bsc_choice *choice, const struct bsc_local_instance *instance)
{
    if (instance->active < BOUND_LEAST)
        return true;
    uint64_t total = (uint64_t)choice->active + 1;
    return (uint64_t)instance->active * choice->weight_sum * 100 <
           total * instance->weight * BOUND_PERCENT;
}

static struct bsc_local_instance *on_the_ring(struct bsc_choice *choice,
                                              const struct bsc_placing *placing)
{
    const struct bsc_arrangement *arrangement = choice->arrangement;
    uint32_t hash = (uint32_t)(placing->identity >> 32);
    unsigned low = 0, high = arrangement->ring_count;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (arrangement->ring[middle].hash < hash)
            low = middle + 1;
        else
            high = middle;
    }
    for (unsigned i = 0; i < RING_STEPS; i++) {
        if (low >= arrangement->ring_count)
            low = 0;
        struct bsc_local_instance *instance = choice->items[arrangement->ring[low++].at];
        if (reluctance(choice, instance, placing) == WILLING &&
            (placing->sticky || has_room(choice, instance)))
            return instance;
    }
    return least_reluctant(choice, placing);
}

struct bsc_local_instance *bsc_balance_instance(struct bsc_choice *choice,
                                                const struct bsc_placing *placing)
{
    if (choice->count < 2) {
        bool any = choice->count && reluctance(choice, choice->items[0], placing) != FULL;
        return any ? choice->items[0] : NULL;
    }
    if (placing->has_identity && choice->arrangement->ring_count)
        return on_the_ring(choice, placing);
    if (placing->how == BSC_BALANCING_LEAST_REQUESTS)
        return better_of_two(choice, placing);
    return next_in_turn(choice, placing);
}
