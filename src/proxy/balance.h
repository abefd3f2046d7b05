/* SPDX-License-Identifier: Apache-2.0
 * proxy/balance.h - which slot and which instance a request goes to. Pure.
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
    unsigned active; /* claims of this worker */
    bool healthy;
    bool listed;            /* in the roster; else freed with its last claim */
    int64_t avoid_until_ms; /* it could not be connected to: others first */
};

/* The healthy instances of one slot. */
struct bsc_choice {
    unsigned count;
    struct bsc_local_instance **items;
    unsigned cursor; /* of round robin */
};

/* Tosses the coin. Exactly one slot at weight 0 needs no toss. */
enum bsc_slot bsc_balance_slot(const struct bsc_split *split, struct bsc_random *random);

/* NULL when there is none. `except` and those that could not be connected to recently are taken
 * only when there is nothing else. */
struct bsc_local_instance *bsc_balance_instance(struct bsc_choice *choice, enum bsc_balancing how,
                                                const struct bsc_local_instance *except,
                                                int64_t now_ms);

#endif
