/* SPDX-License-Identifier: Apache-2.0
 * proxy/eject.h - leaves an instance out for a while when its answers are bad, although its health
 * checks pass (docs/decisions/0015-sharing-out-requests.md).
 *
 * Two reasons: errors in a row, counted by all workers together; and clearly fewer successes than
 * the other instances of its slot have. Never more than a share of the slot's healthy instances,
 * and never the last one; the slot's weight stays as it is. Every ejection is longer than the one
 * before; calm times make them shorter again. The control thread decides, for all workers.
 */
#ifndef BASCULE_PROXY_EJECT_H
#define BASCULE_PROXY_EJECT_H

#include "proxy/registry.h"

struct bsc_eject_watch {
    void *context;
    /* How many requests an instance has finished, over all workers. */
    uint64_t (*finished)(void *context, const struct bsc_instance *instance);
    /* An instance is ejected (outlier.reason says why), or back. */
    void (*on_news)(void *context, const struct bsc_entry *entry,
                    const struct bsc_instance *instance, bool ejected);
};

/* Looks at one service; when somebody goes or returns the entry gets a new roster, and *changed is
 * set. Returns when to look again (INT64_MAX: not before something happens). */
int64_t bsc_eject_look(struct bsc_entry *entry, const struct bsc_eject_watch *watch, int64_t now_ms,
                       bool *changed);

/* What an instance did since the last comparison. */
struct bsc_eject_sample {
    uint64_t requests, errors;
};
/* Has `samples[at]` clearly fewer successes than the others? */
bool bsc_eject_stands_out(const struct bsc_eject_sample *samples, unsigned count, unsigned at);

#endif
