/* SPDX-License-Identifier: Apache-2.0
 * proxy/roster.h - what the control thread makes of a list of instances before workers get it.
 *
 * A roster is filled, settled against the one before it, arranged, and then never changes.
 */
#ifndef BASCULE_PROXY_ROSTER_H
#define BASCULE_PROXY_ROSTER_H

#include "proxy/model.h"

/* Instances that `old` (NULL: none) has, too, are the same objects afterwards, so that what is
 * known of them stays; those that became healthy beside others that are warm begin a slow start
 * (a whole release that is new does not); an ejection ends when the health checks failed and pass
 * again. */
void bsc_roster_settle(struct bsc_roster *roster, const struct bsc_roster *old,
                       const struct bsc_service *service, int64_t now_ms);

/* Does the service need a ring? */
bool bsc_roster_wants_ring(const struct bsc_service *service);

/* Works out turns, and rings when `ring`. */
void bsc_roster_arrange(struct bsc_roster *roster, bool ring);

/* The same instances in a new roster, not arranged. */
struct bsc_roster *bsc_roster_copy(const struct bsc_roster *roster);

/* May it get requests? */
static inline bool bsc_roster_item_open(const struct bsc_roster_item *item)
{
    return item->healthy && !item->ejected;
}

#endif
