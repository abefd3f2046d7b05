/* SPDX-License-Identifier: Apache-2.0
 * core/analysis/trial.h - an A/B test: which version do users do more with?
 *
 * Pure. Users are counted, not requests: who was in the test, who reached a goal, and what was
 * counted for each. A user is drawn for the candidate with the same probability all the time, so of
 * those who reach a goal the candidate has that share, if both versions do as well: ratio.h tests
 * it, and says between which values the lift lies. A number for each user (what they paid) is
 * compared by the means of all users, those without one included, by the confidence sequence of
 * steady.h, two-sided. Whether the users themselves came in the shares that were drawn is tested in
 * the same way: when they did not, something lost those of one version, and nothing is decided.
 *
 * All of it may be looked at at any time: the one goal that decides does so wrongly with a
 * probability of at most alpha, if the versions do not differ.
 */
#ifndef BASCULE_CORE_ANALYSIS_TRIAL_H
#define BASCULE_CORE_ANALYSIS_TRIAL_H

#include "core/analysis/cohort.h"
#include "core/analysis/interval.h"
#include "core/analysis/ratio.h"

enum {
    BSC_TRIAL_GOALS_MAX = 8,
    BSC_TRIAL_VALUE = BSC_TRIAL_GOALS_MAX, /* in place of a goal's number */
};

/* What the users of one version did. */
struct bsc_trial_arm {
    uint64_t users;
    uint64_t converted[BSC_TRIAL_GOALS_MAX];
    uint64_t valued;     /* users for whom something was counted */
    double sum, squares; /* of what was counted for each user, over users */
};

struct bsc_trial_tally {
    struct bsc_trial_arm candidate, live;
};

/* What is told of a user, once or again. */
struct bsc_trial_fact {
    uint64_t user; /* a keyed hash */
    bool candidate;
    uint8_t goals; /* a bit for each */
    bool valued;
    double value; /* beside what was told before */
};

/* Counts it, in the user's place (which bsc_cohort_add made) and in the tally. True: that changed
 * something. */
bool bsc_trial_count(struct bsc_trial_tally *tally, struct bsc_cohort_user *user, bool fresh,
                     const struct bsc_trial_fact *fact);

struct bsc_trial_options {
    double weight;          /* the candidate's share of the users, inside of 0..1 */
    double alpha;           /* of a wrong decision */
    uint64_t minimum_users; /* of each version, before anything is decided */
    unsigned goals;         /* how many there are */
    unsigned decide;        /* which of them decides, or BSC_TRIAL_VALUE */
};

enum bsc_trial_verdict {
    BSC_TRIAL_OPEN,
    BSC_TRIAL_CANDIDATE, /* wins */
    BSC_TRIAL_LIVE,
    BSC_TRIAL_MISMATCH, /* the users did not come in the shares that were drawn */
    BSC_TRIAL_VERDICT_COUNT
};

struct bsc_trial_goal {
    struct bsc_interval candidate, live; /* how many of the users, always valid */
    struct bsc_ratio ratio;              /* of the two rates */
    double p;                            /* of such a difference by chance; at most 1 */
};

/* By the means over all users; without enough of them the interval is infinite. */
struct bsc_trial_value {
    double candidate, live;
    double low, difference, high;
};

struct bsc_trial_ruling {
    enum bsc_trial_verdict verdict;
    struct bsc_trial_tally tally;
    struct bsc_trial_goal goals[BSC_TRIAL_GOALS_MAX];
    struct bsc_trial_value value;
    double mismatch_p;
    int64_t needed_users; /* about so many more until it is decided; -1: nobody knows */
};

/* Is it decided by what was counted until now? A mismatch stays one, and a decision is one at once:
 * the caller keeps it. */
enum bsc_trial_verdict bsc_trial_judge(const struct bsc_trial_tally *tally,
                                       const struct bsc_trial_options *options);
/* What there is to say, with its numbers. */
void bsc_trial_rule(const struct bsc_trial_tally *tally, const struct bsc_trial_options *options,
                    enum bsc_trial_verdict verdict, struct bsc_trial_ruling *out);
/* One plain sentence. `decide` is the name of what decides. */
void bsc_trial_text(const struct bsc_trial_ruling *ruling, const struct bsc_trial_options *options,
                    const char *decide, char *out, size_t size);

const char *bsc_trial_verdict_name(enum bsc_trial_verdict verdict); /* "candidate" */
bool bsc_trial_verdict_parse(const char *name, enum bsc_trial_verdict *out);

#endif
