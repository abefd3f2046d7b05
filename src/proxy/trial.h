/* SPDX-License-Identifier: Apache-2.0
 * proxy/trial.h - what users of an A/B test do: found in requests and their answers, told to the
 * controller.
 *
 * Which version a user gets is affinity's work (identity.h). Here a user is a 64-bit hash of the
 * identity under the rollout's key. Each worker tells of a user when a request of theirs is
 * answered, once for each thing there is to tell, as far as its memory reaches: 65,536 users, later
 * ones push out others, who are told of again. The controller counts everybody once. A number is
 * told each time. Facts lie in the worker's ring of shared memory (counters.h); nothing is
 * allocated or locked, and a service without a test costs a branch.
 *
 * Counted is who has shown an identity. Who gets the proxy's cookie with this very answer is, once
 * it comes back: otherwise each request of a client that keeps no cookies would be a user.
 */
#ifndef BASCULE_PROXY_TRIAL_H
#define BASCULE_PROXY_TRIAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct bsc_exchange;
struct bsc_worker;

enum { BSC_GOALS_WATCHED = 8 };

struct bsc_watched_goal {
    char *path;
    size_t path_size;
    bool prefix;
    char *method; /* NULL: any */
    unsigned status_low, status_high;
    char *header, *value; /* of the answer; NULL: any */
};

/* Immutable, the service's. */
struct bsc_trial_rules {
    uint64_t id;         /* of the rollout */
    uint64_t generation; /* of the split that divides its users: nothing counts under another */
    unsigned goal_count;
    struct bsc_watched_goal goals[BSC_GOALS_WATCHED];
    char *value_header; /* of answers: a number; NULL: none */
};

/* *out is NULL without `object`; the caller's. */
enum bsc_status bsc_trial_rules_parse(const json_t *object, struct bsc_trial_rules **out,
                                      struct bsc_error *error) BSC_MUST_CHECK;
void bsc_trial_rules_destroy(struct bsc_trial_rules *rules); /* NULL is allowed */

/* A plain decimal number such as "12", "-3.50"; of a size that money has. */
bool bsc_trial_number_parse(const char *bytes, size_t size, double *out);
/* Which goals a request may reach: a bit for each. `target` is path and query. */
unsigned bsc_trial_goals_of(const struct bsc_trial_rules *rules, const char *method,
                            size_t method_size, const char *target, size_t target_size);

/* What a worker has told of users. */
struct bsc_told;
struct bsc_told *bsc_told_create(void);
void bsc_told_destroy(struct bsc_told *told); /* NULL is allowed */
/* Is there anything new in `bits` about the user? It is told then. */
bool bsc_told_add(struct bsc_told *told, uint64_t user, unsigned bits);

/* The request in worker->request is identified. */
void bsc_trial_ask(struct bsc_worker *worker, struct bsc_exchange *exchange, const char *bytes);
/* Its answer's head is in worker->response; `bytes` are what it was read from. */
void bsc_trial_answer(struct bsc_worker *worker, struct bsc_exchange *exchange, const char *bytes);
/* It ended; perhaps without an answer. */
void bsc_trial_end(struct bsc_worker *worker, struct bsc_exchange *exchange);

#endif
