/* SPDX-License-Identifier: Apache-2.0
 * core/analysis/cohort.h - the users of an A/B test, each once, however often they come.
 *
 * A table with open addressing in the caller's storage, by a keyed hash of who the user is: nothing
 * else is known of them. Nobody ever leaves.
 */
#ifndef BASCULE_CORE_ANALYSIS_COHORT_H
#define BASCULE_CORE_ANALYSIS_COHORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BSC_COHORT_MAX = 1000000, BSC_COHORT_FIRST = 1024 };

struct bsc_cohort_user {
    uint64_t key;   /* 0: nobody is here */
    double value;   /* of all that was counted for this user */
    uint8_t goals;  /* a bit for each that was reached */
    bool candidate; /* in which version */
    bool valued;    /* something was counted, even if it is 0 */
    bool changed;   /* since it was stored; the caller's */
};

struct bsc_cohort {
    struct bsc_cohort_user *places;
    size_t capacity; /* a power of two; 0: none yet */
    size_t count;
};

/* How many places the next user needs: `capacity` when there is room; 0: there are too many users,
 * and no more are taken. */
size_t bsc_cohort_wanted(const struct bsc_cohort *cohort);
/* Moves everybody to zeroed `places`; returns the old ones, which are the caller's again. */
struct bsc_cohort_user *bsc_cohort_move(struct bsc_cohort *cohort, struct bsc_cohort_user *places,
                                        size_t capacity);
/* NULL: not here. */
struct bsc_cohort_user *bsc_cohort_find(const struct bsc_cohort *cohort, uint64_t key);
/* Who is not here yet. There must be room. */
struct bsc_cohort_user *bsc_cohort_add(struct bsc_cohort *cohort, uint64_t key);

#endif
