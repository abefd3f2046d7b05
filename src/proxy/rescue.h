/* SPDX-License-Identifier: Apache-2.0
 * proxy/rescue.h - what the candidate of a rollout fails, the stable slot answers.
 *
 * The user sees no error; the candidate is charged with it all the same. Rescues have a budget
 * (docs/decisions/0016-rescues.md). When a worker has used its part up, it sends
 * everything to stable at once, tells the control thread, and that tells the other workers and the
 * controller: the split has tripped. That lasts until the controller sends a newer split.
 */
#ifndef BASCULE_PROXY_RESCUE_H
#define BASCULE_PROXY_RESCUE_H

#include "proxy/exchange.h"

/* The candidate failed the request with `status` (of its answer, or of one of ours). True: it is
 * rescued; bsc_exchange_again sends it to stable. */
bool bsc_rescue_begin(struct bsc_worker *worker, struct bsc_exchange *exchange, unsigned status);
/* A split takes the place of another: what is left of the budget, and of the trip. */
void bsc_rescue_take_split(const struct bsc_worker *worker, struct bsc_local_service *service,
                           const struct bsc_split *split);
/* Counts how a rescue ended. */
void bsc_rescue_count(struct bsc_worker *worker, const struct bsc_exchange *exchange);

#endif
