/* SPDX-License-Identifier: Apache-2.0
 * proxy/balance.c - see balance.h. */
#include "proxy/balance.h"

enum { WHOLE_BP = 10000 };

enum bsc_slot bsc_balance_slot(const struct bsc_split *split, struct bsc_random *random)
{
    unsigned green_bp = split->weight_bp[BSC_GREEN];
    if (green_bp == 0)
        return BSC_BLUE;
    if (green_bp >= WHOLE_BP)
        return BSC_GREEN;
    return bsc_random_below(random, WHOLE_BP) < green_bp ? BSC_GREEN : BSC_BLUE;
}

/* Lower is better: those to avoid, then the one that just failed, come last. */
static unsigned reluctance(const struct bsc_local_instance *instance,
                           const struct bsc_local_instance *except, int64_t now_ms)
{
    if (instance == except)
        return 2;
    return instance->avoid_until_ms > now_ms;
}

struct bsc_local_instance *bsc_balance_instance(struct bsc_choice *choice, enum bsc_balancing how,
                                                const struct bsc_local_instance *except,
                                                int64_t now_ms)
{
    struct bsc_local_instance *best = NULL;
    unsigned best_at = 0, best_reluctance = 0;
    for (unsigned i = 0; i < choice->count; i++) {
        unsigned at = choice->cursor + i;
        if (at >= choice->count)
            at -= choice->count;
        struct bsc_local_instance *candidate = choice->items[at];
        unsigned candidate_reluctance = reluctance(candidate, except, now_ms);
        if (best && candidate_reluctance >= best_reluctance &&
            (candidate_reluctance > best_reluctance || how == BSC_BALANCING_ROUND_ROBIN ||
             candidate->active >= best->active))
            continue;
        best = candidate;
        best_at = at;
        best_reluctance = candidate_reluctance;
        if (how == BSC_BALANCING_ROUND_ROBIN && best_reluctance == 0)
            break;
    }
    if (best)
        choice->cursor = best_at + 1 < choice->count ? best_at + 1 : 0;
    return best;
}
