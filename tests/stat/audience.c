/* SPDX-License-Identifier: Apache-2.0
 * audience.c - see audience.h. */
#include "audience.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What a user will do. */
struct deed {
    struct bsc_trial_fact fact;
    unsigned next; /* of the same step */
};

static void *storage(size_t count, size_t size)
{
    void *out = calloc(count, size);
    if (!out)
        abort();
    return out;
}

void audience_begin(struct audience *audience, const struct habits *habits, unsigned users,
                    uint64_t seed)
{
    *audience = (struct audience){ .habits = habits, .end = users, .planned = 1, .capacity = 1024 };
    random_seed(&audience->random, seed);
    audience->first = storage(users, sizeof *audience->first);
    audience->deeds = storage(audience->capacity, sizeof *audience->deeds);
}

void audience_end(struct audience *audience)
{
    free(audience->first);
    free(audience->deeds);
    free(audience->cohort.places);
}

static void tell(struct audience *audience, const struct bsc_trial_fact *fact)
{
    struct bsc_cohort *cohort = &audience->cohort;
    struct bsc_cohort_user *user = bsc_cohort_find(cohort, fact->user);
    bool fresh = !user;
    if (fresh) {
        size_t wanted = bsc_cohort_wanted(cohort);
        if (wanted != cohort->capacity)
            free(bsc_cohort_move(cohort, storage(wanted, sizeof *user), wanted));
        user = bsc_cohort_add(cohort, fact->user);
    }
    bsc_trial_count(&audience->tally, user, fresh, fact);
}

/* Now, or when so many others came. */
static unsigned delay(struct audience *audience)
{
    double mean = audience->habits->late;
    return mean > 0 ? (unsigned)(-mean * log1p(-random_unit(&audience->random))) : 0;
}

/* Nobody knows what would come after the end. */
static void plan(struct audience *audience, unsigned step, const struct bsc_trial_fact *fact)
{
    if (step <= audience->number) {
        tell(audience, fact);
        return;
    }
    if (step >= audience->end)
        return;
    if (audience->planned == audience->capacity) {
        audience->capacity *= 2;
        audience->deeds = realloc(audience->deeds, audience->capacity * sizeof *audience->deeds);
        if (!audience->deeds)
            abort();
    }
    audience->deeds[audience->planned] =
        (struct deed){ .fact = *fact, .next = audience->first[step] };
    audience->first[step] = audience->planned++;
}

/* Between 0.1 and 1.9, as time goes by. */
static double drift(const struct audience *audience, double period)
{
    return audience->habits->pattern == DRIFTING ? 1 + .9 * sin(audience->number / period) : 1;
}

static double amount(struct audience *audience, bool candidate)
{
    const struct habits *habits = audience->habits;
    struct random *random = &audience->random;
    double price = habits->price * drift(audience, 1100);
    if (candidate && habits->dearer > 0)
        price *= habits->dearer;
    if (habits->tail > 0)
        return price * (1 - 1 / habits->tail) * pow(1 - random_unit(random), -1 / habits->tail);
    return price * exp(habits->noise * random_normal(random) - habits->noise * habits->noise / 2);
}

/* Each page is one more. */
static double pages_of(struct audience *audience, bool candidate)
{
    double pages = audience->habits->pages;
    if (candidate && audience->habits->dearer > 0)
        pages *= audience->habits->dearer;
    return (double)random_poisson(&audience->random, pages);
}

static bool reaches(struct audience *audience, bool candidate)
{
    const struct habits *habits = audience->habits;
    double rate = candidate ? habits->candidate : habits->live;
    if (habits->pattern == CYCLIC)
        return audience->number % (unsigned)lround(1 / rate) == 0;
    return random_unit(&audience->random) < rate * drift(audience, 700);
}

/* The goal, once or with each payment again. */
static void plan_goals(struct audience *audience, struct bsc_trial_fact fact)
{
    const struct habits *habits = audience->habits;
    unsigned step = audience->number;
    fact.goals = 1;
    fact.valued = habits->price > 0;
    do {
        step += delay(audience);
        fact.value = fact.valued ? amount(audience, fact.candidate) : 0;
        plan(audience, step, &fact);
        if (random_unit(&audience->random) < habits->refunds) {
            fact.value = -fact.value;
            plan(audience, step + delay(audience), &fact);
        }
    } while (random_unit(&audience->random) < habits->again);
}

static void plan_visits(struct audience *audience, struct bsc_trial_fact fact)
{
    unsigned step = audience->number;
    fact.valued = audience->habits->pages > 0;
    do {
        fact.value = fact.valued ? pages_of(audience, fact.candidate) : 0;
        plan(audience, step, &fact);
        step += 1 + delay(audience);
    } while (random_unit(&audience->random) < audience->habits->returns);
}

void audience_go_on(struct audience *audience)
{
    struct random *random = &audience->random;
    struct bsc_trial_fact fact = { .user = random_bits(random) };
    fact.candidate = random_unit(random) < audience->habits->weight;
    for (unsigned i = audience->first[audience->number]; i; i = audience->deeds[i].next)
        tell(audience, &audience->deeds[i].fact);
    if (!fact.candidate || random_unit(random) >= audience->habits->lost) {
        plan_visits(audience, fact);
        if (reaches(audience, fact.candidate))
            plan_goals(audience, fact);
    }
    audience->number++;
}

/* The moments of one visit or payment, and how many there are: geometrically many. */
struct moments {
    double mean, variance;
};

static struct moments moments_of(const struct habits *habits, bool candidate)
{
    double price = habits->price, factor = candidate && habits->dearer > 0 ? habits->dearer : 1;
    double rate = candidate ? habits->candidate : habits->live, more = habits->again;
    double square = price * price * exp(habits->noise * habits->noise);
    if (habits->tail > 2)
        square = price * price * (habits->tail - 1) * (habits->tail - 1) /
                 (habits->tail * (habits->tail - 2));
    if (habits->pages > 0) {
        price = habits->pages * factor;
        square = price + price * price;
        factor = rate = 1;
        more = habits->returns;
    }
    double count = 1 / (1 - more), pairs = 2 * more * count * count;
    double mean = rate * count * price, squares = rate * (count * square + pairs * price * price);
    return (struct moments){ factor * mean, factor * factor * (squares - mean * mean) };
}

double audience_mean(const struct habits *habits, bool candidate)
{
    return moments_of(habits, candidate).mean;
}

double audience_variance(const struct habits *habits, bool candidate)
{
    return moments_of(habits, candidate).variance;
}
