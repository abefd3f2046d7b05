/* SPDX-License-Identifier: Apache-2.0
 * trials.c - what A/B tests promise, measured over many of them, each looked at all the time.
 *
 * usage: trials [--full] [--runs N] [--seed N] [--only TEXT]
 *   --full   1,000 tests of each kind instead of 20
 *   --only   the kinds whose name holds TEXT
 *
 * The very code of production counts what an audience does, and rules after every user, later after
 * every half percent more. What must hold is known before: at most alpha of the tests decide for
 * who is not better, at most alpha have an interval that ever lacks the truth, at most one of a
 * thousand stops without a loss; and where there is something to find, so many users come that 95 %
 * find it by calculation. Bounds are those that a binomial count of so many runs passes in one case
 * of a thousand. A line a kind; exit status 1 when one is not as it must be.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audience.h"

static const double chance = .001;   /* of a bound that is passed although all is well */
static const double mismatch = .001; /* the promise for tests that lose nobody */
static const double power = .95, power_deviations = 1.645;

struct kind {
    const char *name;
    struct habits habits;
    unsigned users; /* 0: as many as it takes by calculation */
    double alpha;   /* 0: 5 % */
    bool by_value;  /* the number decides, not the goal */
};

#define HALF .weight = .5
#define REVENUE .live = .1, .candidate = .1, .price = 40, .noise = .7

/* Nothing to find: the versions do not differ. */
static const struct kind same_kinds[] = {
    { "A/A, 5 %", { HALF, .live = .05, .candidate = .05 }, 20000 },
    { "A/A, 5 %, alpha 1 %", { HALF, .live = .05, .candidate = .05 }, 20000, .alpha = .01 },
    { "A/A, 30 %, a tenth", { .weight = .1, .live = .3, .candidate = .3 }, 20000 },
    { "A/A, 20 %, a hundredth", { .weight = .01, .live = .2, .candidate = .2 }, 40000 },
    { "A/A, 20 %, nine tenths", { .weight = .9, .live = .2, .candidate = .2 }, 20000 },
    { "A/A, rare goals: 0.2 %", { HALF, .live = .002, .candidate = .002 }, 40000 },
    { "A/A, drifting", { HALF, .live = .1, .candidate = .1, .pattern = DRIFTING }, 20000 },
    { "A/A, cyclic users", { HALF, .live = .05, .candidate = .05, .pattern = CYCLIC }, 20000 },
    { "A/A, users return, goals reached late",
      { HALF, .live = .1, .candidate = .1, .returns = .6, .again = .3, .late = 2000 },
      20000 },
    { "A/A, drifting, late, a quarter",
      { .weight = .25, .live = .1, .candidate = .1, .late = 1500, .pattern = DRIFTING },
      20000 },
    { "A/A, revenue", { HALF, REVENUE }, 20000, .by_value = true },
    { "A/A, revenue, buy again and again, late",
      { HALF, REVENUE, .again = .5, .late = 2000 },
      20000,
      .by_value = true },
    { "A/A, revenue, half of it is given back",
      { HALF, REVENUE, .refunds = .5, .late = 2000 },
      20000,
      .by_value = true },
    { "A/A, revenue, drifting, late",
      { HALF, REVENUE, .late = 1500, .pattern = DRIFTING },
      20000,
      .by_value = true },
    { "A/A, revenue, cyclic users", { HALF, REVENUE, .pattern = CYCLIC }, 20000, .by_value = true },
    { "A/A, revenue, a tenth", { .weight = .1, REVENUE }, 20000, .by_value = true },
    { "A/A, revenue, a hundredth", { .weight = .01, REVENUE }, 60000, .by_value = true },
    { "A/A, heavy revenue",
      { HALF, .live = .1, .candidate = .1, .price = 40, .noise = 1.5 },
      20000,
      .by_value = true },
    { "A/A, heavy revenue, a tenth",
      { .weight = .1, .live = .1, .candidate = .1, .price = 40, .noise = 1.5 },
      20000,
      .by_value = true },
    { "A/A, heavy revenue, nine tenths",
      { .weight = .9, .live = .1, .candidate = .1, .price = 40, .noise = 1.5 },
      20000,
      .by_value = true },
    { "A/A, heavy revenue, a hundredth",
      { .weight = .01, .live = .1, .candidate = .1, .price = 40, .noise = 1.5 },
      60000,
      .by_value = true },
    { "A/A, revenue without a variance (Pareto 1.5)",
      { HALF, .live = .1, .candidate = .1, .price = 40, .tail = 1.5 },
      20000,
      .by_value = true },
    { "A/A, revenue without a variance, a tenth",
      { .weight = .1, .live = .1, .candidate = .1, .price = 40, .tail = 1.5 },
      20000,
      .by_value = true },
    { "A/A, pages of everybody, again and again",
      { HALF, .pages = 3, .returns = .7, .late = 1500 },
      20000,
      .by_value = true },
    { "A/A, pages of everybody, a tenth",
      { .weight = .1, .pages = 3, .returns = .7, .late = 1500 },
      20000,
      .by_value = true },
};

/* A difference: is it found, and who is said to be better? */
static const struct kind other_kinds[] = {
    { "5 % -> 10 %", { HALF, .live = .05, .candidate = .1 } },
    { "5 % -> 7 %", { HALF, .live = .05, .candidate = .07 } },
    { "10 % -> 8 %", { HALF, .live = .1, .candidate = .08 } },
    { "20 % -> 22 %", { HALF, .live = .2, .candidate = .22 } },
    { "20 % -> 25 %, a tenth", { .weight = .1, .live = .2, .candidate = .25 } },
    { "20 % -> 30 %, a hundredth", { .weight = .01, .live = .2, .candidate = .3 } },
    { "10 % -> 13 %, drifting, late",
      { HALF, .live = .1, .candidate = .13, .late = 500, .pattern = DRIFTING } },
    { "revenue +25 %", { HALF, REVENUE, .dearer = 1.25 }, .by_value = true },
    { "revenue -20 %, a tenth", { .weight = .1, REVENUE, .dearer = .8 }, .by_value = true },
    { "revenue +30 %, a tenth", { .weight = .1, REVENUE, .dearer = 1.3 }, .by_value = true },
    { "heavy revenue +50 %",
      { HALF, .live = .2, .candidate = .2, .price = 40, .noise = 1.2, .dearer = 1.5 },
      .by_value = true },
    { "pages of everybody +10 %", { HALF, .pages = 3, .dearer = 1.1 }, .by_value = true },
};

/* Users of the candidate are never seen: is that found? */
static const struct kind losing_kinds[] = {
    { "5 % of the candidate's users are lost",
      { HALF, .live = .05, .candidate = .05, .lost = .05 } },
    { "20 % of the candidate's users are lost",
      { HALF, .live = .05, .candidate = .05, .lost = .2 } },
    { "20 % of the candidate's users are lost, a tenth",
      { .weight = .1, .live = .05, .candidate = .05, .lost = .2 } },
};

static double alpha_of(const struct kind *kind)
{
    return kind->alpha > 0 ? kind->alpha : .05;
}

static double lift_of(const struct kind *kind)
{
    if (kind->by_value)
        return audience_mean(&kind->habits, true) - audience_mean(&kind->habits, false);
    return kind->habits.candidate - kind->habits.live;
}

/* So many events, each the candidate's with the probability `weight` * `ratio` over that and the
 * rest, take E to 1/`alpha` in 95 % of the cases. One of 48 alternatives is as near to the truth as
 * 12 % of its logarithm, and has at least 1/48 of what E is. */
static double events_needed(double weight, double ratio, double alpha)
{
    double share = weight * ratio / (weight * ratio + 1 - weight), guess = 1.12 * log(ratio);
    double each = log1p(weight * expm1(guess)); /* what every event takes */
    double growth = share * guess - each;
    double deviation = sqrt(share * (1 - share)) * fabs(guess);
    double reach = power_deviations * deviation;
    double root = (reach + sqrt(reach * reach + 4 * growth * log(48 / alpha))) / (2 * growth);
    return root * root;
}

/* A confidence sequence of c standard deviations, and 1.645 more for 95 %. The larger of both
 * variances: that of each version, and that of all users in the shares of each. */
static double users_needed(const struct kind *kind)
{
    const struct habits *habits = &kind->habits;
    double w = habits->weight, alpha = alpha_of(kind), lift = lift_of(kind);
    if (habits->lost > 0)
        return events_needed(w, 1 - habits->lost, mismatch) / (1 - w * habits->lost);
    if (!kind->by_value)
        return events_needed(w, habits->candidate / habits->live, alpha) /
               (w * habits->candidate + (1 - w) * habits->live);
    double candidate = audience_variance(habits, true), live = audience_variance(habits, false);
    double own = candidate / w + live / (1 - w);
    double all = (w * candidate + (1 - w) * live + w * (1 - w) * lift * lift) / (w * (1 - w));
    double valued = habits->pages > 0 ? 1 : habits->live, users = 1000;
    for (unsigned i = 0; i < 50; i++) {
        double spread = .02 * users * valued + 1;
        double bound = sqrt(2 * spread / (spread - 1) * log1p(sqrt(spread) / alpha));
        double reach = (bound + power_deviations) / lift;
        users = fmax(reach * reach * fmax(own, all), 120 / valued / fmin(w, 1 - w));
    }
    return users;
}

struct outcome {
    enum bsc_trial_verdict verdict;
    unsigned users; /* until then */
    bool covered;   /* the interval held the truth all the time */
};

struct test {
    const struct kind *kind;
    struct bsc_trial_options options;
    struct audience audience;
    unsigned looks;
    struct outcome outcome;
};

/* Is the true ratio, or difference, inside of the interval? For a ratio that is a question to E,
 * quicker than the interval, which is asked for where it may not be the same and now and then. */
static bool holds(struct test *test)
{
    const struct habits *habits = &test->kind->habits;
    const struct bsc_trial_tally *tally = &test->audience.tally;
    struct bsc_trial_ruling ruling;
    if (test->kind->by_value) {
        double truth = lift_of(test->kind);
        bsc_trial_rule(tally, &test->options, BSC_TRIAL_OPEN, &ruling);
        return ruling.value.low <= truth && truth <= ruling.value.high;
    }
    double truth = habits->candidate / habits->live, most = -log(test->options.alpha);
    double log_e = bsc_ratio_log_e(tally->candidate.converted[0], tally->live.converted[0],
                                   test->options.weight, truth);
    bool inside = log_e < most;
    if (fabs(log_e - most) < .3 || test->looks % 128 == 0) {
        bsc_trial_rule(tally, &test->options, BSC_TRIAL_OPEN, &ruling);
        const struct bsc_ratio *ratio = &ruling.goals[0].ratio;
        inside = inside && ratio->low <= truth && truth <= ratio->high;
    }
    return inside;
}

static void look(struct test *test)
{
    struct outcome *outcome = &test->outcome;
    test->looks++;
    outcome->covered = outcome->covered && holds(test);
    if (outcome->verdict == BSC_TRIAL_OPEN) {
        outcome->verdict = bsc_trial_judge(&test->audience.tally, &test->options);
        outcome->users = test->audience.number;
    }
}

static struct outcome run(const struct kind *kind, unsigned users, uint64_t seed)
{
    struct test test = {
        .kind = kind,
        .options = { .weight = kind->habits.weight,
                     .alpha = alpha_of(kind),
                     .minimum_users = 50,
                     .goals = !kind->by_value,
                     .decide = kind->by_value ? BSC_TRIAL_VALUE : 0 },
        .outcome = { .covered = true },
    };
    audience_begin(&test.audience, &kind->habits, users, seed);
    for (unsigned i = 0, next = 0; i < users; i++) {
        audience_go_on(&test.audience);
        if (i < next && i + 1 < users)
            continue;
        look(&test);
        next = i + 1 + i / 200;
    }
    audience_end(&test.audience);
    return test.outcome;
}

/* The least k that is passed with a probability of at most `chance`, of `n` with `p` each. */
static unsigned at_most(double p, unsigned n)
{
    double left = 1;
    for (unsigned k = 0; k < n; k++) {
        left -= exp(lgamma(n + 1.0) - lgamma(k + 1.0) - lgamma(n - k + 1.0) + k * log(p) +
                    (n - k) * log1p(-p));
        if (left <= chance)
            return k;
    }
    return n;
}

static unsigned at_least(double p, unsigned n)
{
    return n - at_most(1 - p, n);
}

struct counts {
    unsigned right, wrong, stopped, uncovered;
    double users; /* until the tests ended that ended, a sum */
};

static struct counts runs_of(const struct kind *kind, unsigned users, unsigned runs, uint64_t seed)
{
    struct counts counts = { 0 };
    double lift = lift_of(kind);
    enum bsc_trial_verdict better = lift > 0   ? BSC_TRIAL_CANDIDATE
                                    : lift < 0 ? BSC_TRIAL_LIVE
                                               : BSC_TRIAL_OPEN;
    for (unsigned i = 0; i < runs; i++) {
        struct outcome outcome = run(kind, users, seed + i);
        counts.uncovered += !outcome.covered;
        if (outcome.verdict == BSC_TRIAL_OPEN)
            continue;
        counts.users += outcome.users;
        if (outcome.verdict == BSC_TRIAL_MISMATCH)
            counts.stopped++;
        else if (outcome.verdict == better)
            counts.right++;
        else
            counts.wrong++;
    }
    return counts;
}

/* A bound that stands for itself: what was counted, and how much may be. */
static bool tell(const char *what, unsigned found, bool well, const char *than, unsigned bound)
{
    printf(", %s %u (%s %u)%s", what, found, than, bound, well ? "" : " BAD");
    return well;
}

static bool measure(const struct kind *kind, unsigned runs, uint64_t seed, unsigned *stopped)
{
    unsigned users = kind->users ? kind->users : (unsigned)ceil(users_needed(kind));
    struct counts counts = runs_of(kind, users, runs, seed);
    unsigned ended = counts.right + counts.wrong + counts.stopped;
    unsigned few = at_most(alpha_of(kind), runs), none = at_most(mismatch, runs);
    unsigned most = at_least(power, runs);
    bool well = true;
    printf("%-48s %6u users", kind->name, users);
    if (kind->habits.lost > 0) {
        well = tell("stopped", counts.stopped, counts.stopped >= most, "at least", most);
    } else {
        if (!kind->users)
            well = tell("right", counts.right, counts.right >= most, "at least", most);
        well = tell("wrong", counts.wrong, counts.wrong <= few, "at most", few) && well;
        well = tell("missed", counts.uncovered, counts.uncovered <= few, "at most", few) && well;
        well = tell("stopped", counts.stopped, counts.stopped <= none, "at most", none) && well;
        *stopped += counts.stopped;
    }
    if (ended)
        printf(", after %.0f", counts.users / ended);
    printf("\n");
    return well;
}

struct measured {
    const char *only;
    unsigned runs, tests, stopped; /* of those that lose nobody */
    bool well;
};

static void measure_all(struct measured *all, const struct kind *kinds, size_t count, uint64_t seed)
{
    for (size_t i = 0; i < count; i++) {
        if (!strstr(kinds[i].name, all->only))
            continue;
        all->well = measure(&kinds[i], all->runs, seed + 1000000 * i, &all->stopped) && all->well;
        all->tests += kinds[i].habits.lost > 0 ? 0 : all->runs;
    }
}

#define ALL(kinds) kinds, sizeof(kinds) / sizeof *(kinds)

int main(int argc, char **argv)
{
    struct measured all = { .only = "", .runs = 20, .well = true };
    uint64_t seed = 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--full")) {
            all.runs = 1000;
        } else if (!strcmp(argv[i], "--runs") && i + 1 < argc) {
            all.runs = (unsigned)strtoul(argv[++i], NULL, 10);
        } else if (!strcmp(argv[i], "--seed") && i + 1 < argc) {
            seed = strtoull(argv[++i], NULL, 10);
        } else if (!strcmp(argv[i], "--only") && i + 1 < argc) {
            all.only = argv[++i];
        } else {
            fprintf(stderr, "usage: %s [--full] [--runs N] [--seed N] [--only TEXT]\n", argv[0]);
            return 2;
        }
    }
    printf(
        "%u tests of each kind; wrong: decided for who is not better; missed: an interval lacked "
        "the truth at any look; after: users until the decision, a mean\n",
        all.runs);
    measure_all(&all, ALL(same_kinds), seed);
    measure_all(&all, ALL(other_kinds), seed + 100000000);
    unsigned few = at_most(mismatch, all.tests);
    printf("%u tests that lose nobody", all.tests);
    all.well = tell("stopped", all.stopped, all.stopped <= few, "at most", few) && all.well;
    printf("\n");
    measure_all(&all, ALL(losing_kinds), seed + 200000000);
    return all.well ? 0 : 1;
}
