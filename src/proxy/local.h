/* SPDX-License-Identifier: Apache-2.0
 * proxy/local.h - one worker's view of the services: the shared objects of model.h with what only
 * this worker knows beside them. Nothing here is locked or shared.
 */
#ifndef BASCULE_PROXY_LOCAL_H
#define BASCULE_PROXY_LOCAL_H

#include "core/mirror.h"
#include "proxy/balance.h"
#include "proxy/budget.h"

struct bsc_worker;

struct bsc_local_service {
    struct bsc_service *shared;
    bool removed; /* no longer routed to; freed with its last request */
    bool has_split;
    struct bsc_split split; /* the current one: every claim reads it here */
    unsigned instance_count;
    struct bsc_local_instance **instances; /* those of the roster */
    struct bsc_roster *roster;             /* whose arrangements the choices borrow; NULL: none */
    struct bsc_choice choices[BSC_SLOT_COUNT];
    struct bsc_list held;                   /* exchanges that wait, oldest first */
    struct bsc_list queued[BSC_SLOT_COUNT]; /* those that wait for an instance below its limit */
    struct bsc_list queues;                 /* in worker->queues while one of these is not empty */
    /* Of requests drawn for the mirror, since a record was put into the ring. */
    uint32_t mirror_unseen[BSC_UNSEEN_COUNT], mirror_dropped;
    unsigned active;   /* requests of this worker that are not ended */
    unsigned retrying; /* of them, those that were sent more than once */
    struct bsc_budget retries, rescues;
    unsigned
        rescues_late; /* that are left of those for what is in flight when the traffic leaves */
};

enum {
    BSC_RETRY_SHARE = BSC_BUDGET_ONE / 5, /* retries are at most 20 % of requests */
    BSC_RETRIES_SAVED = 256,              /* for the moment an instance dies */
    BSC_RETRIES_AT_FIRST = 3
};

/* Takes a whole update over, between two requests. */
void bsc_local_apply(struct bsc_worker *worker, const struct bsc_update *update);

struct bsc_local_service *bsc_local_find(const struct bsc_worker *worker, uint32_t index);
/* One request more or less; the service goes with its last one when it was removed. */
void bsc_local_service_enter(struct bsc_local_service *service);
void bsc_local_service_leave(struct bsc_local_service *service);

void bsc_local_earn_rescue(struct bsc_local_service *service);

/* How the instance did with a claim, for ejecting it. */
enum bsc_outcome {
    BSC_OUTCOME_UNKNOWN, /* the client left, or it was not the instance's fault */
    BSC_OUTCOME_GOOD,
    BSC_OUTCOME_BAD,
    BSC_OUTCOME_EXCUSED, /* bad for the instance, but no error by the service's rules */
    BSC_OUTCOME_CHARGED  /* good for it, but an error by them */
};

/* Claims are counted here, for balancing, and in the instance's gauge, for draining. */
void bsc_local_claim(struct bsc_worker *worker, struct bsc_local_service *service,
                     struct bsc_local_instance *instance);
void bsc_local_release(struct bsc_worker *worker, struct bsc_local_service *service,
                       struct bsc_local_instance *instance, enum bsc_outcome outcome);

#endif
