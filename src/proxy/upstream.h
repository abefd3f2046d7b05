/* SPDX-License-Identifier: Apache-2.0
 * proxy/upstream.h - connections to instances: made, lent to one exchange at a time, kept.
 */
#ifndef BASCULE_PROXY_UPSTREAM_H
#define BASCULE_PROXY_UPSTREAM_H

#include "proxy/connection.h"
#include "proxy/local.h"
#include "proxy/tls_transport.h"

struct bsc_upstream {
    struct bsc_connection connection; /* first; its exchange is NULL while it is kept */
    struct bsc_local_instance *instance;
    struct bsc_list idle; /* in instance->idle */
    int64_t idle_since_ms;
    bool reused;
    struct bsc_h2_session *session; /* it carries streams, and no exchange of its own */
    bool introduced;                /* it began by saying whose it is: nobody else's */
    bool secure;                    /* the instance speaks TLS ... */
    bool shaking;                   /* ... and the handshake is not done */
    unsigned era;                   /* of the instance, when it was made */
};

enum bsc_upstream_want {
    BSC_UPSTREAM_ANY,   /* a kept one, or a new one */
    BSC_UPSTREAM_FRESH, /* for what cannot be sent twice: kept for a moment only, and seen alive */
    BSC_UPSTREAM_NEW
};

/* NULL when no connection can be made (errno says why). A new one is still connecting unless its
 * `writable` is set. */
struct bsc_upstream *bsc_upstream_get(struct bsc_worker *worker,
                                      struct bsc_local_instance *instance,
                                      enum bsc_upstream_want want);
/* A new one, for whatever purpose. */
struct bsc_upstream *bsc_upstream_connect(struct bsc_worker *worker,
                                          struct bsc_local_instance *instance);
/* Keeps it for the next request. The caller knows that the last answer was complete. */
void bsc_upstream_keep(struct bsc_worker *worker, struct bsc_upstream *upstream);
void bsc_upstream_close(struct bsc_worker *worker, struct bsc_upstream *upstream);
/* Closes the one that waits longest; false: none waits. */
bool bsc_upstream_close_oldest(struct bsc_worker *worker, struct bsc_local_instance *instance);
void bsc_upstream_close_idle(struct bsc_worker *worker, struct bsc_local_instance *instance);

void bsc_upstream_run(struct bsc_worker *worker, struct bsc_upstream *upstream);
void bsc_upstream_event(struct bsc_worker *worker, struct bsc_upstream *upstream, uint32_t events);
void bsc_upstream_timer(struct bsc_worker *worker, struct bsc_upstream *upstream);

/* Nothing arrived, and nothing has ended. */
bool bsc_upstream_silent(struct bsc_worker *worker, struct bsc_upstream *upstream);

/* -- instances that speak TLS (upstream_tls.c) ----------------------------------------------- */

/* The connection will be one of TLS. False: it can't be (no memory, or the controller has not told
 * how). */
bool bsc_upstream_secure(struct bsc_worker *worker, struct bsc_upstream *upstream);
/* Goes on with the handshake of a connection that is there; `upstream->shaking` ends with it.
 * BSC_TLS_FAILED: its connection says how (`unsecured`, `untrusted`). */
enum bsc_tls_progress bsc_upstream_shake(struct bsc_worker *worker, struct bsc_upstream *upstream,
                                         struct bsc_local_instance *instance);
/* Keeps the session for connections to come. */
void bsc_upstream_remember(struct bsc_upstream *upstream, struct bsc_local_instance *instance);
/* The instance broke the connection with an alert that ends a handshake: it saw no request. */
void bsc_upstream_judge(struct bsc_worker *worker, struct bsc_upstream *upstream,
                        struct bsc_local_instance *instance);
/* `next` takes the place of worker->tls: what was agreed on with other certificates is left. */
void bsc_upstream_renew_tls(struct bsc_worker *worker, const struct bsc_tls_side *next);

#endif
