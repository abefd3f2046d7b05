/* SPDX-License-Identifier: Apache-2.0
 * proxy/budget.h - how much may be sent again: a share of the requests, saved up to a limit.
 *
 * Pure. Every request earns a share of one, what is sent again costs a whole one; so over any time
 * longer than a burst it stays within that share (docs/decisions/0004-retry-budget.md).
 */
#ifndef BASCULE_PROXY_BUDGET_H
#define BASCULE_PROXY_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

enum { BSC_BUDGET_ONE = 10000 }; /* credit that one costs */

struct bsc_budget {
    uint32_t credit;
};

/* A request came. `share`: what it earns, of BSC_BUDGET_ONE; `most` is what can be saved. */
static inline void bsc_budget_earn(struct bsc_budget *budget, uint32_t share, uint32_t most)
{
    if (budget->credit < most * BSC_BUDGET_ONE)
        budget->credit += share;
}

/* Takes one out; false: there is none. */
static inline bool bsc_budget_spend(struct bsc_budget *budget)
{
    if (budget->credit < BSC_BUDGET_ONE)
        return false;
    budget->credit -= BSC_BUDGET_ONE;
    return true;
}

#endif
