/* SPDX-License-Identifier: Apache-2.0
 * proxy/access.h - notes what the access log will say of a request, or a connection of TCP: its
 * texts while its head is there, its figures when it ended.
 */
#ifndef BASCULE_PROXY_ACCESS_H
#define BASCULE_PROXY_ACCESS_H

#include "proxy/exchange.h"

/* While worker->request and its `bytes` are there, and the exchange knows who asks. Only when the
 * log is on. */
void bsc_access_begin(struct bsc_worker *worker, struct bsc_exchange *exchange, const char *bytes);
/* The same of a connection of TCP. */
void bsc_access_begin_tcp(struct bsc_worker *worker, struct bsc_exchange *exchange);
/* Before the exchange lets go of its instance. Only when it has a note. */
void bsc_access_end(struct bsc_worker *worker, struct bsc_exchange *exchange, bool whole);
/* Something that was no request was answered with `status`. */
void bsc_access_refused(struct bsc_worker *worker, const struct bsc_client *client, unsigned status,
                        const char *reason);

#endif
