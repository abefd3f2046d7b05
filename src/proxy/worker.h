/* SPDX-License-Identifier: Apache-2.0
 * proxy/worker.h - one thread of the data plane: an epoll loop with everything that it needs.
 *
 * Workers share nothing but what comes through their inboxes. The control thread makes them, posts
 * updates and reads two numbers that say how far they are; all other members belong to the
 * worker's own thread.
 */
#ifndef BASCULE_PROXY_WORKER_H
#define BASCULE_PROXY_WORKER_H

#include <pthread.h>

#include "proxy/connection.h"
#include "proxy/counters.h"
#include "proxy/http1.h"
#include "proxy/inbox.h"
#include "proxy/limiter.h"
#include "proxy/local.h"
#include "proxy/options.h"

enum {
    BSC_PROBE_MS = 500,  /* after a client's FIN, until it is asked whether it is still there */
    BSC_FRESH_MS = 1000, /* idle at most so long: good enough for what cannot be replayed */
    BSC_AVOID_MS = 1000  /* an instance that could not be connected to */
};

/* One socket that this worker accepts from. */
struct bsc_listener {
    struct bsc_handle handle;
    bool exclusive, paused;
    const struct bsc_listen *listen;
    struct bsc_role role;   /* of connections from now on */
    uint32_t service_index; /* where role.service was last found */
    struct bsc_list node;
};

struct bsc_mirror;

struct bsc_worker {
    unsigned number, count; /* this one, of how many */
    pthread_t thread;
    struct bsc_inbox inbox;
    struct bsc_handle inbox_handle;
    int news;                        /* eventfd of the control thread: an update is through */
    _Atomic bool idle_retired;       /* retired and without a client */
    _Atomic bool trips;              /* some split has tripped (rescue.h) */
    _Atomic bool suspects;           /* some instance has had too many errors in a row (eject.h) */
    struct bsc_worker *const *peers; /* all workers, this one too, by number */

    int epoll;
    int64_t now_us, now_ms; /* read once a turn of the loop */
    struct bsc_shard *shard;
    struct bsc_access_log *access; /* of all workers; this one's ring is its own */
    struct bsc_mirror *mirror;     /* of all workers ... */
    bool mirrors;                  /* ... and this is the one that sends the copies (mirror.h) */
    _Atomic bool mirrored;         /* it has something to tell */
    struct bsc_slab taps;
    struct bsc_random random;
    struct bsc_wheel wheel;
    struct bsc_buffers buffers;
    struct bsc_slab clients, upstreams, exchanges, tls_sessions;
    struct bsc_list queues; /* services with requests that wait for an instance (queue.h) */
    struct bsc_h2 *h2;
    struct bsc_told *told;  /* users of A/B tests; NULL: there was none yet */
    struct bsc_list later;  /* connections that want another turn */
    struct bsc_list graves; /* connections closed in this turn */

    const struct bsc_routes *routes;   /* borrowed until an update brings others */
    const struct bsc_options *options; /* likewise; never NULL */
    struct bsc_tls_side *tls;          /* its own part of the certificates; NULL: none yet */
    struct bsc_local_service **services;
    size_t service_count, service_capacity;

    struct bsc_list listeners, dead_listeners;
    struct bsc_limiter *limiter; /* of all workers */
    uint64_t buffer_bytes;       /* that it may lend */

    struct bsc_list all_clients;       /* with a socket of their own */
    unsigned client_count, client_max; /* more wait in the listen queue */
    unsigned client_share;             /* what there are descriptors for */
    bool scarce;                       /* no client is kept between two requests */
    int64_t scarce_until_ms, scarce_log_ms;
    bool paused;
    struct bsc_timer pause; /* end of a pause that no closing connection ends */
    bool retiring;
    int64_t leave_by_ms;     /* then this proxy ends, when it is retiring */
    struct bsc_list lasting; /* exchanges that are told before that (farewell.h) */
    struct bsc_slab lastings;

    struct bsc_request request; /* the heads that are being looked at */
    struct bsc_response response;
};

struct bsc_worker_options {
    unsigned number, count;
    struct bsc_worker *const *peers; /* filled before the first update is posted */
    struct bsc_shard *shard;
    int news;
    unsigned client_max;
    const struct bsc_options *options; /* the first ones, lent */
    struct bsc_access_log *access;
    struct bsc_mirror *mirror;
    bool mirrors;                /* it sends the copies, and has no clients */
    struct bsc_limiter *limiter; /* of all workers */
};
enum bsc_status bsc_worker_start(const struct bsc_worker_options *options, struct bsc_worker **out,
                                 struct bsc_error *error) BSC_MUST_CHECK;

/* For the files of the worker's own thread. */

/* So much is under way that nothing new may begin. */
static inline bool bsc_worker_overloaded(const struct bsc_worker *worker)
{
    return worker->buffers.lent_bytes > worker->buffer_bytes;
}

void bsc_worker_later(struct bsc_worker *worker, struct bsc_connection *connection);
/* Tells the control thread to look for instances to eject. */
void bsc_worker_suspect(struct bsc_worker *worker);
/* Tells it that there are findings of the mirror. */
void bsc_worker_mirrored(struct bsc_worker *worker);
/* Tells it that a split has tripped. */
void bsc_worker_trip(struct bsc_worker *worker);
/* A client connection more (+1) or less (-1). */
void bsc_worker_count_client(struct bsc_worker *worker, int by);
void bsc_worker_bury(struct bsc_worker *worker, struct bsc_connection *connection);

#endif
