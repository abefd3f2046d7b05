/* SPDX-License-Identifier: Apache-2.0
 * proxy/queue.h - requests that wait because every instance of their slot has as many as it may.
 *
 * The limit holds over all workers: each instance counts its requests in a number that they share,
 * touched only where the service has a limit. The queues are the workers' own, first come first
 * served; their lengths together are bounded. Who frees a place wakes a worker that waits, in turn,
 * by a bit for each (bsc_hold_count.waiting).
 */
#ifndef BASCULE_PROXY_QUEUE_H
#define BASCULE_PROXY_QUEUE_H

#include "proxy/exchange.h"

/* Takes one of `limit` places on the instance; false: there is none left. */
bool bsc_queue_take_place(struct bsc_local_instance *instance, unsigned limit);
/* Gives it back, and wakes who waits for one. */
void bsc_queue_give_place(struct bsc_worker *worker, struct bsc_local_service *service,
                          struct bsc_local_instance *instance);

/* Must the exchange wait behind others, although there may be a place? */
bool bsc_queue_is_behind(const struct bsc_exchange *exchange);
/* Waits in the queue of exchange->slot, or answers that it is full. */
bool bsc_queue_enter(struct bsc_worker *worker, struct bsc_exchange *exchange);
/* Nothing happens when it does not wait. `placed`: because it got a place. */
void bsc_queue_leave(struct bsc_worker *worker, struct bsc_exchange *exchange, bool placed);

/* Everybody in the service's queues looks again. */
void bsc_queue_wake(struct bsc_worker *worker, struct bsc_local_service *service);
/* Another worker rang: whoever is first in any queue looks again. */
void bsc_queue_ring(struct bsc_worker *worker);

#endif
