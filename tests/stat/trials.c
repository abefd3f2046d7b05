/* SPDX-License-Identifier: Apache-2.0
 * trials.c - what A/B tests promise, measured over many of them, each looked at all the time.
 *
 * usage: trials [--full] [--seed N] [--only TEXT]
 *   --full   1,000 tests of each kind instead of 15
 *   --only   the kinds whose name holds TEXT
 *
 * Users come one by one, are drawn by their share, do something now or later, and some of them
 * again. After every few users the very code of production rules. A line a kind; exit status 1 when
 * one is not as it must be.
 */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/analysis/trial.h"
#include "random.h"

enum { USERS = 20000, LOOK_EVERY = 50 };

struct kind {
    const char *name;
    double weight;
    double live, candidate; /* how probable it is that a user reaches the goal */
    double price, noise;    /* of what those users pay; 0: nothing is counted */
    double dearer;          /* times that with the candidate; 0: 1 */
    double again;           /* how probable it is that they pay once more, and so on */
    double lost;            /* share of the candidate's users who are never seen */
    bool drifting;          /* the goal is reached by more and less users as time goes by */
    unsigned decide;
    double wrong;   /* at most so many decide for who is not better, or at all where none is */
    double right;   /* at least so many decide for who is; 0: none is */
    double stopped; /* at least so many find that users are lost */
};

static const struct kind kinds[] = {
    { .name = "A/A, 5 %", .weight = .5, .live = .05, .candidate = .05, .wrong = .05 },
    { .name = "A/A, 30 %, a tenth of the users",
      .weight = .1,
      .live = .3,
      .candidate = .3,
      .wrong = .05 },
    { .name = "A/A, drifting",
      .weight = .5,
      .live = .1,
      .candidate = .1,
      .drifting = true,
      .wrong = .05 },
    { .name = "A/A, revenue, some buy again and again",
      .weight = .5,
      .live = .1,
      .candidate = .1,
      .price = 40,
      .noise = .7,
      .again = .5,
      .decide = BSC_TRIAL_VALUE,
      .wrong = .05 },
    { .name = "A/A, revenue, a tenth of the users",
      .weight = .1,
      .live = .2,
      .candidate = .2,
      .price = 40,
      .noise = 1,
      .decide = BSC_TRIAL_VALUE,
      .wrong = .05 },
    { .name = "5 % -> 7 %",
      .weight = .5,
      .live = .05,
      .candidate = .07,
      .wrong = .01,
      .right = .9 },
    { .name = "10 % -> 8 %",
      .weight = .5,
      .live = .1,
      .candidate = .08,
      .wrong = .01,
      .right = .9 },
    { .name = "revenue +25 %",
      .weight = .5,
      .live = .2,
      .candidate = .2,
      .price = 40,
      .noise = .7,
      .dearer = 1.25,
      .decide = BSC_TRIAL_VALUE,
      .wrong = .01,
      .right = .9 },
    { .name = "one of five users of the candidate is lost",
      .weight = .5,
      .live = .05,
      .candidate = .05,
      .lost = .2,
      .wrong = .05,
      .stopped = .85 },
};

struct outcome {
    enum bsc_trial_verdict verdict;
    uint64_t users;
    bool covered; /* the interval held the truth all the time */
};

static double paid_by(struct random *random, const struct kind *kind, bool candidate)
{
    double paid = 0, price = kind->price * (candidate && kind->dearer > 0 ? kind->dearer : 1);
    do
        paid += price * exp(kind->noise * random_normal(random) - kind->noise * kind->noise / 2);
    while (random_unit(random) < kind->again);
    return paid;
}

static void one_user(struct random *random, const struct kind *kind, unsigned number,
                     struct bsc_trial_tally *tally)
{
    bool candidate = random_unit(random) < kind->weight;
    double rate = candidate ? kind->candidate : kind->live;
    if (kind->drifting)
        rate *= 1 + .9 * sin(number / 700.0);
    if (candidate && random_unit(random) < kind->lost)
        return;
    struct bsc_cohort_user user = { .key = number + 1 };
    struct bsc_trial_fact fact = { .user = user.key, .candidate = candidate };
    bsc_trial_count(tally, &user, true, &fact);
    if (random_unit(random) >= rate)
        return;
    fact.goals = 1;
    fact.valued = kind->price > 0;
    fact.value = fact.valued ? paid_by(random, kind, candidate) : 0;
    bsc_trial_count(tally, &user, false, &fact);
}

/* Is the true lift, or difference, inside of the interval? */
static bool holds(const struct bsc_trial_tally *tally, const struct bsc_trial_options *options,
                  const struct kind *kind)
{
    struct bsc_trial_ruling ruling;
    if (kind->decide != BSC_TRIAL_VALUE)
        return bsc_ratio_log_e(tally->candidate.converted[0], tally->live.converted[0],
                               kind->weight, kind->candidate / kind->live) < -log(options->alpha);
    double mean = kind->price / (1 - kind->again);
    double truth = mean * (kind->candidate * (kind->dearer > 0 ? kind->dearer : 1) - kind->live);
    bsc_trial_rule(tally, options, BSC_TRIAL_OPEN, &ruling);
    return ruling.value.low <= truth && truth <= ruling.value.high;
}

static struct outcome run(struct random *random, const struct kind *kind)
{
    struct bsc_trial_options options = { .weight = kind->weight,
                                         .alpha = .05,
                                         .minimum_users = 100,
                                         .goals = 1,
                                         .decide = kind->decide };
    struct outcome outcome = { .covered = true };
    struct bsc_trial_tally tally = { 0 };
    for (unsigned i = 0; i < USERS; i++) {
        one_user(random, kind, i, &tally);
        if (i % LOOK_EVERY)
            continue;
        outcome.covered = outcome.covered && holds(&tally, &options, kind);
        if (outcome.verdict == BSC_TRIAL_OPEN) {
            outcome.verdict = bsc_trial_judge(&tally, &options);
            outcome.users = i + 1;
        }
    }
    return outcome;
}

/* What may be counted of `n`, where it should be `share` of them: three standard deviations off, of
 * few at least one. */
static double at_most(double share, unsigned n)
{
    return share + 3 * sqrt(share * (1 - share) / n) + 1.0 / n;
}

static bool measure(struct random *random, const struct kind *kind, unsigned runs)
{
    unsigned counts[BSC_TRIAL_VERDICT_COUNT] = { 0 }, uncovered = 0;
    double users = 0;
    for (unsigned i = 0; i < runs; i++) {
        struct outcome outcome = run(random, kind);
        counts[outcome.verdict]++;
        uncovered += !outcome.covered;
        users += outcome.verdict == BSC_TRIAL_OPEN ? 0 : (double)outcome.users;
    }
    double gain = kind->candidate * (kind->dearer > 0 ? kind->dearer : 1) - kind->live;
    enum bsc_trial_verdict better = gain > 0 ? BSC_TRIAL_CANDIDATE : BSC_TRIAL_LIVE;
    unsigned decided = counts[BSC_TRIAL_CANDIDATE] + counts[BSC_TRIAL_LIVE];
    unsigned right = kind->right > 0 ? counts[better] : 0;
    double n = runs, wrong = (decided - right) / n;
    bool good = wrong <= at_most(kind->wrong, runs) && right / n >= kind->right &&
                counts[BSC_TRIAL_MISMATCH] / n >= kind->stopped &&
                (kind->stopped > 0 || (counts[BSC_TRIAL_MISMATCH] / n <= at_most(.001, runs) &&
                                       uncovered / n <= at_most(.05, runs)));
    double ended = decided + counts[BSC_TRIAL_MISMATCH];
    printf("%-44s right %5.1f %%, wrong %5.1f %%, stopped %5.1f %%, after %6.0f users, interval "
           "missed %4.1f %%%s\n",
           kind->name, 100 * right / n, 100 * wrong, 100 * counts[BSC_TRIAL_MISMATCH] / n,
           ended > 0 ? users / ended : 0, 100 * uncovered / n,
           good ? "" : "  <- not as it must be");
    return good;
}

int main(int argc, char **argv)
{
    struct random random;
    unsigned runs = 15;
    uint64_t seed = 1;
    const char *only = "";
    bool good = true;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--full"))
            runs = 1000;
        else if (!strcmp(argv[i], "--seed") && i + 1 < argc)
            seed = strtoull(argv[++i], NULL, 10);
        else if (!strcmp(argv[i], "--only") && i + 1 < argc)
            only = argv[++i];
    }
    random_seed(&random, seed);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strstr(kinds[i].name, only))
            good &= measure(&random, &kinds[i], runs);
    return good ? 0 : 1;
}
