/* SPDX-License-Identifier: Apache-2.0
 * core/analysis/cohort.c - see cohort.h. */
#include "core/analysis/cohort.h"

#include <assert.h>

/* 0 marks a free place. */
static uint64_t kept(uint64_t key)
{
    return key ? key : 1;
}

/* Where it is, or would be. The keys are hashes already. */
static struct bsc_cohort_user *place_of(const struct bsc_cohort *cohort, uint64_t key)
{
    size_t mask = cohort->capacity - 1;
    for (size_t at = key & mask;; at = (at + 1) & mask)
        if (!cohort->places[at].key || cohort->places[at].key == key)
            return &cohort->places[at];
}

size_t bsc_cohort_wanted(const struct bsc_cohort *cohort)
{
    if (cohort->count >= BSC_COHORT_MAX)
        return 0;
    if (cohort->count < cohort->capacity / 4 * 3)
        return cohort->capacity;
    return cohort->capacity ? cohort->capacity * 2 : BSC_COHORT_FIRST;
}

struct bsc_cohort_user *bsc_cohort_move(struct bsc_cohort *cohort, struct bsc_cohort_user *places,
                                        size_t capacity)
{
    struct bsc_cohort old = *cohort;
    cohort->places = places;
    cohort->capacity = capacity;
    for (size_t i = 0; i < old.capacity; i++)
        if (old.places[i].key)
            *place_of(cohort, old.places[i].key) = old.places[i];
    return old.places;
}

struct bsc_cohort_user *bsc_cohort_find(const struct bsc_cohort *cohort, uint64_t key)
{
    if (!cohort->count)
        return NULL;
    struct bsc_cohort_user *user = place_of(cohort, kept(key));
    return user->key ? user : NULL;
}

struct bsc_cohort_user *bsc_cohort_add(struct bsc_cohort *cohort, uint64_t key)
{
    struct bsc_cohort_user *user = place_of(cohort, kept(key));
    assert(!user->key && cohort->count < cohort->capacity);
    user->key = kept(key);
    cohort->count++;
    return user;
}
