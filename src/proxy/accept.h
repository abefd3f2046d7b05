/* SPDX-License-Identifier: Apache-2.0
 * proxy/accept.h - a worker's listening sockets.
 *
 * Worker w of W serves every socket i with i mod W = w, so fewer workers than sockets strand
 * nobody; more workers than sockets share them. Listeners are never shut down: the supervisor and
 * other generations hold the same sockets open.
 */
#ifndef BASCULE_PROXY_ACCEPT_H
#define BASCULE_PROXY_ACCEPT_H

#include "proxy/worker.h"

/* Accepts there in this role, or in this role from now on. */
void bsc_accept_add(struct bsc_worker *worker, const struct bsc_listen *listen,
                    const struct bsc_role *role);
/* NULL: all of them. After this the worker does not touch the descriptors any more. */
void bsc_accept_remove(struct bsc_worker *worker, const struct bsc_listen *listen);
void bsc_accept_event(struct bsc_worker *worker, struct bsc_listener *listener);
/* Accepts again when it had stopped and there is room for a connection. */
void bsc_accept_resume(struct bsc_worker *worker);

#endif
