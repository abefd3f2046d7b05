/* SPDX-License-Identifier: Apache-2.0
 * audience.h - the users of a simulated A/B test: who comes, how they are drawn, what they do and
 * when.
 *
 * Time is counted in users: with each step one more comes, and those who came before may return,
 * reach the goal or pay. What they do goes the way it goes in production: as facts of a keyed hash,
 * told more than once, into a cohort and a tally.
 */
#ifndef BASCULE_STAT_AUDIENCE_H
#define BASCULE_STAT_AUDIENCE_H

#include "core/analysis/trial.h"
#include "random.h"

enum pattern {
    INDEPENDENT,
    DRIFTING, /* more and less users reach the goal, and pay more and less, as time goes by */
    CYCLIC    /* every so manieth user reaches the goal */
};

struct habits {
    double weight;          /* the candidate's share of the users */
    double live, candidate; /* how probable it is that a user reaches the goal */
    double price;           /* that those users pay, a mean; 0: nothing is counted */
    double noise;           /* of what they pay: sigma of a lognormal distribution ... */
    double tail;            /* ... or the index of a Pareto distribution */
    double dearer;          /* times that price with the candidate; 0: 1 */
    double again;           /* how probable it is that they pay once more, and so on */
    double refunds;         /* how probable it is that a payment is given back later */
    double pages;           /* of each visit, a mean, are counted in place of payments; 0: no */
    double returns;         /* how probable it is that a user comes once more, and so on */
    unsigned late;          /* so many others come before a user acts again, a mean; 0: none */
    double lost;            /* share of the candidate's users who are never seen */
    enum pattern pattern;
};

struct audience {
    const struct habits *habits;
    struct random random;
    struct bsc_cohort cohort;
    struct bsc_trial_tally tally;
    struct deed *deeds;   /* that are still to be done */
    unsigned *first;      /* of each step; 0: none */
    unsigned number, end; /* of the user who comes next; how many come */
    unsigned planned, capacity;
};

void audience_begin(struct audience *audience, const struct habits *habits, unsigned users,
                    uint64_t seed);
/* The next user comes, and those who came before act. */
void audience_go_on(struct audience *audience);
void audience_end(struct audience *audience);

/* Of a user's number in that version, in the end, if nothing drifts or is given back. */
double audience_mean(const struct habits *habits, bool candidate);
double audience_variance(const struct habits *habits, bool candidate);

#endif
