/* SPDX-License-Identifier: Apache-2.0
 * proxy/admit.h - what a connection or a request must pass before it may go anywhere, and what is
 * given up when descriptors run out (docs/decisions/0013-limits-of-clients.md).
 */
#ifndef BASCULE_PROXY_ADMIT_H
#define BASCULE_PROXY_ADMIT_H

#include "proxy/client.h"

/* False: its address has enough connections. */
bool bsc_admit_client(struct bsc_worker *worker, struct bsc_client *client);
void bsc_admit_leave(struct bsc_worker *worker, struct bsc_client *client);

/* The head in worker->request is within limits that are narrower than the parser's. */
bool bsc_admit_head(const struct bsc_worker *worker, struct bsc_fault *fault);

/* The number of clients changed: whether they have become too many to be kept between requests. */
void bsc_admit_look(struct bsc_worker *worker);
/* Closes something idle, for the descriptor. `client`: for a client, so it must be a client's.
 * False: there is nothing. */
bool bsc_admit_reclaim(struct bsc_worker *worker, bool client);

#endif
