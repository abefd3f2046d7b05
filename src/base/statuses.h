/* SPDX-License-Identifier: Apache-2.0
 * base/statuses.h - a set of statuses of HTTP, from 100 to 599. Pure. */
#ifndef BASCULE_BASE_STATUSES_H
#define BASCULE_BASE_STATUSES_H

#include <stdbool.h>
#include <stdint.h>

enum { BSC_STATUS_LOW = 100, BSC_STATUS_HIGH = 599, BSC_STATUS_WORDS = BSC_STATUS_HIGH / 64 + 1 };

struct bsc_statuses {
    uint64_t words[BSC_STATUS_WORDS]; /* all zero: none */
};

/* False for what is no status, too. */
static inline bool bsc_statuses_have(const struct bsc_statuses *set, unsigned status)
{
    return status <= BSC_STATUS_HIGH && (set->words[status / 64] >> status % 64 & 1);
}

/* From `low` to `high`, both within the range above. */
void bsc_statuses_add(struct bsc_statuses *set, unsigned low, unsigned high);
void bsc_statuses_add_all(struct bsc_statuses *set, const struct bsc_statuses *others);
void bsc_statuses_remove_all(struct bsc_statuses *set, const struct bsc_statuses *others);
bool bsc_statuses_empty(const struct bsc_statuses *set);
/* The first run of neighbours that begins at `from` or above; false: there is none. */
bool bsc_statuses_run(const struct bsc_statuses *set, unsigned from, unsigned *low, unsigned *high);

#endif
