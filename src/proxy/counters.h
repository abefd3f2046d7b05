/* SPDX-License-Identifier: Apache-2.0
 * proxy/counters.h - the shared memory in which the proxy counts and the controller reads.
 *
 * One memfd a proxy process, sealed against shrinking and growing; one shard a worker, each with a
 * single writer, so counting takes no lock and no atomic read-modify-write (relaxed stores only).
 * Memory that no cell uses is never touched and costs nothing. The controller chooses the indices:
 * a `cell` for each (service, slot, split generation), a `gauge` for each instance. An index is
 * reused only when nothing is charged to it any more (a gauge: started == finished; a cell: claimed
 * == requests) and the controller folded what it held; a new owner's base values are read before it
 * is handed out, so counters never need to be cleared.
 */
#ifndef BASCULE_PROXY_COUNTERS_H
#define BASCULE_PROXY_COUNTERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/histogram.h"

enum {
    BSC_COUNTERS_VERSION = 7,
    BSC_COUNTERS_WORKERS_MAX = 64,
    BSC_RESCUE_CAUSES = 5,
    BSC_CELLS = 65536,               /* indices 0 .. BSC_CELLS-1 */
    BSC_CELL_NOBODY = BSC_CELLS - 1, /* never handed out: what nobody is charged with */
    BSC_GAUGES = 65536,              /* index 0 is never handed out: "no instance" */
};

/* Identities are hashed under this first, and then under the key of a rollout (identity.h): who
 * tells of a user by another way must do the same. */
#define BSC_IDENTITY_KEY "bascule instance"

typedef _Atomic uint64_t bsc_counter;

struct bsc_cell {
    bsc_counter claimed;  /* units begun: a request chose this cell; claimed - requests still run */
    bsc_counter answered; /* units whose answer's head came, or that ended without */
    bsc_counter requests; /* units: charged when the request ended, after retries in the slot */
    bsc_counter errors;   /* of them: reset, time-out, no healthy instance, status (blame.h) */
    bsc_counter status[6]; /* by class: [2] is 2xx; [0] no answer was sent */
    bsc_counter no_instance, connect_failed, reset, timed_out; /* causes of errors */
    bsc_counter client_left; /* the client went away first (499); not an error */
    bsc_counter retries;
    /* Failed here and answered well by stable: by enum bsc_cause, [0] a status of 5xx. */
    bsc_counter rescued[BSC_RESCUE_CAUSES];
    bsc_counter rescue_failed;       /* stable failed them, too */
    bsc_counter rescue_refused;      /* not tried: nothing healthy in stable, or too many at once */
    bsc_counter queued;              /* every instance had enough: they waited, or wanted to ... */
    bsc_counter queue_refused;       /* ... but others filled the queue already */
    bsc_counter queue_timed_out;     /* ... and none came free in time */
    bsc_counter ejections;           /* of instances; the control thread's, in the first shard */
    bsc_counter bytes_in, bytes_out; /* body bytes from and to clients */
    bsc_counter latency_sum_us;
    bsc_counter latency[BSC_HISTOGRAM_BUCKETS]; /* request head complete to answer head */
};

/* In flight on an instance = started - finished, summed over shards (and over generations). */
struct bsc_gauge {
    bsc_counter started, finished;
    bsc_counter errors; /* of those that finished */
};

/* With affinity: a bit for each bucket of users that had an error in the cell of the same index. It
 * is set once and never cleared: who reads it looks for new ones. */
enum { BSC_BAD_WORDS = 157 }; /* for 10,000 buckets */
struct bsc_bad_buckets {
    bsc_counter words[BSC_BAD_WORDS];
};

/* What is told of a user of an A/B test (trial.h). */
struct bsc_fact {
    uint64_t user;  /* a keyed hash */
    uint64_t trial; /* the rollout */
    bool green;     /* the slot that the user is drawn for; else blue */
    uint8_t goals;  /* a bit for each that was reached */
    bool valued;    /* with a number, which comes once */
    double value;
};

/* A ring: a fact overwrites the one that was written BSC_FACTS before it, read or not. Who reads is
 * told by `facts` how many were written, and sees from that what it missed. */
enum { BSC_FACTS = 32768 };
struct bsc_fact_place {
    bsc_counter user, trial, what, value;
};

struct bsc_shard {
    bsc_counter connections_opened, connections_closed; /* of clients */
    bsc_counter held, held_refused, held_timed_out;     /* `held`: now */
    bsc_counter own_answers;         /* without a service: 400, 404, 414, 431 ... */
    bsc_counter loops;               /* grows while the worker is alive */
    bsc_counter access_dropped;      /* records that the access log had no room for */
    bsc_counter rate_limited;        /* requests: 429 */
    bsc_counter connections_refused; /* their address had enough */
    bsc_counter overloaded;          /* requests for which there was no memory: 503 */
    bsc_counter scarce;              /* how often descriptors began to run out ... */
    bsc_counter idle_closed;         /* ... and what was closed for others */
    bsc_counter h2_floods;           /* connections of HTTP/2 that asked for too much for nothing */
    bsc_counter h2_refused_streams;  /* requests that came as no request of HTTP/2 may */
    _Alignas(64) struct bsc_gauge gauges[BSC_GAUGES];
    _Alignas(64) struct bsc_cell cells[BSC_CELLS];
    _Alignas(64) struct bsc_bad_buckets bad[BSC_CELLS];
    bsc_counter facts; /* ever written */
    _Alignas(64) struct bsc_fact_place fact_ring[BSC_FACTS];
};

struct bsc_counters {
    uint32_t version, workers;
    uint64_t birth; /* random: which process it was, also where numbers begin anew */
    /* One for each worker, and behind them one for the thread that sends copies of requests: of
     * that only the gauges mean something. */
    _Alignas(4096) struct bsc_shard shards[];
};

static inline uint64_t bsc_counter_get(const bsc_counter *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* For the single writer of the shard. */
static inline void bsc_counter_add(bsc_counter *counter, uint64_t amount)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + amount,
                          memory_order_relaxed);
}

/* For the single writer of the shard. What is written to a place is not seen before the number that
 * gave the place away. */
static inline void bsc_fact_write(struct bsc_shard *shard, const struct bsc_fact *fact)
{
    uint64_t number = bsc_counter_get(&shard->facts), value;
    struct bsc_fact_place *place = &shard->fact_ring[number % BSC_FACTS];
    memcpy(&value, &fact->value, sizeof value);
    atomic_store_explicit(&place->user, fact->user, memory_order_release);
    atomic_store_explicit(&place->trial, fact->trial, memory_order_release);
    atomic_store_explicit(&place->what,
                          (uint64_t)fact->green | (uint64_t)fact->valued << 1 |
                              (uint64_t)fact->goals << 8,
                          memory_order_release);
    atomic_store_explicit(&place->value, value, memory_order_release);
    atomic_store_explicit(&shard->facts, number + 1, memory_order_release);
}

/* Number `number`, which must have been written. False: another one is, or may be, in its place. */
static inline bool bsc_fact_read(const struct bsc_shard *shard, uint64_t number,
                                 struct bsc_fact *out)
{
    const struct bsc_fact_place *place = &shard->fact_ring[number % BSC_FACTS];
    uint64_t what = atomic_load_explicit(&place->what, memory_order_acquire);
    uint64_t value = atomic_load_explicit(&place->value, memory_order_acquire);
    *out = (struct bsc_fact){ .user = atomic_load_explicit(&place->user, memory_order_acquire),
                              .trial = atomic_load_explicit(&place->trial, memory_order_acquire),
                              .green = what & 1,
                              .valued = what >> 1 & 1,
                              .goals = (uint8_t)(what >> 8) };
    memcpy(&out->value, &value, sizeof value);
    return bsc_counter_get(&shard->facts) - number < BSC_FACTS;
}

#endif
