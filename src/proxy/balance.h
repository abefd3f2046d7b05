/* SPDX-License-Identifier: Apache-2.0
 * proxy/balance.h - which slot and which instance a request goes to. Pure.
 *
 * Counts are those of this worker: the kernel spreads connections evenly, and reading what other
 * cores write would cost every request more than it brings.
 */
#ifndef BASCULE_PROXY_BALANCE_H
#define BASCULE_PROXY_BALANCE_H

#include "proxy/model.h"
#include "proxy/random.h"

/* What a worker knows of an instance besides the shared object. */
struct bsc_local_instance {
    struct bsc_instance *shared;
    struct bsc_list idle; /* upstream connections kept for reuse, newest first */
    unsigned idle_count;
    struct bsc_list sessions; /* of HTTP/2, that take requests */
    unsigned session_count;
    unsigned active; /* claims of this worker */
    unsigned weight;
    bool open;              /* gets requests: healthy, and not ejected */
    bool listed;            /* in the roster; else freed with its last claim */
    int64_t avoid_until_ms; /* it could not be connected to: others first */
    int64_t leave_by_ms;    /* clients that last leave within that time; 0: they may stay */
    int64_t slow_from_ms;   /* of its slow start; 0: none */
    /* Of those that speak TLS (upstream_tls.c). */
    SSL_SESSION *session; /* to be resumed; NULL: none */
    unsigned era;         /* grows when older connections are no longer to be kept */
    int64_t told_ms;      /* when the last failed handshake was logged */
};

/* The instances of one slot that get requests. */
struct bsc_choice {
    unsigned count;
    struct bsc_local_instance **items;
    unsigned cursor; /* of round robin */
    unsigned active; /* claims of this worker, ended instances included */
    unsigned weight_sum;
    int64_t slow_until_ms; /* nobody starts slowly after that */
    const struct bsc_arrangement *arrangement;
};

/* How one request is to be placed. */
struct bsc_placing {
    enum bsc_balancing how;
    bool has_identity;
    bool sticky;       /* at any load; otherwise no instance gets more than 1.25 times its share */
    uint64_t identity; /* decides, when there is one and `how` is hash or it is sticky */
    const struct bsc_local_instance *except; /* it just failed: the last resort */
    int64_t now_ms, slow_start_ms;
    unsigned requests_max; /* 0: no limit */
    struct bsc_random *random;
};

/* Tosses the coin. Exactly one slot at weight 0 needs no toss. */
enum bsc_slot bsc_balance_slot(const struct bsc_split *split, struct bsc_random *random);
/* The slot of a bucket (0 .. 9999): green has the lowest ones. So whoever is in either slot stays
 * there while its weight grows, and a slot of weight 0 has nobody. */
enum bsc_slot bsc_balance_slot_of(const struct bsc_split *split, unsigned bucket);

/* NULL when there is none, or none below the limit. `except`, those that could not be connected to
 * recently and those that start slowly are taken only when there is nothing else. */
struct bsc_local_instance *bsc_balance_instance(struct bsc_choice *choice,
                                                const struct bsc_placing *placing);

#endif
