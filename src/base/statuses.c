/* SPDX-License-Identifier: Apache-2.0
 * base/statuses.c - see statuses.h. */
#include "base/statuses.h"

#include <assert.h>

void bsc_statuses_add(struct bsc_statuses *set, unsigned low, unsigned high)
{
    assert(BSC_STATUS_LOW <= low && high <= BSC_STATUS_HIGH);
    for (unsigned status = low; status <= high; status++)
        set->words[status / 64] |= (uint64_t)1 << status % 64;
}

void bsc_statuses_add_all(struct bsc_statuses *set, const struct bsc_statuses *others)
{
    for (unsigned i = 0; i < BSC_STATUS_WORDS; i++)
        set->words[i] |= others->words[i];
}

void bsc_statuses_remove_all(struct bsc_statuses *set, const struct bsc_statuses *others)
{
    for (unsigned i = 0; i < BSC_STATUS_WORDS; i++)
        set->words[i] &= ~others->words[i];
}

bool bsc_statuses_empty(const struct bsc_statuses *set)
{
    unsigned low, high;
    return !bsc_statuses_run(set, 0, &low, &high);
}

bool bsc_statuses_run(const struct bsc_statuses *set, unsigned from, unsigned *low, unsigned *high)
{
    unsigned status = from;
    while (status <= BSC_STATUS_HIGH && !bsc_statuses_have(set, status))
        status++;
    *low = status;
    while (bsc_statuses_have(set, status))
        status++;
    *high = status - 1;
    return status > *low;
}
