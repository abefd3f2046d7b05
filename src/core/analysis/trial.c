/* SPDX-License-Identifier: Apache-2.0
 * core/analysis/trial.c - see trial.h. */
#include "core/analysis/trial.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/analysis/steady.h"

/* So many users of each version must have a number: means of fewer are no bells. */
static const uint64_t value_least = 50;
/* Of the users themselves: a false alarm stops a sound test, so it is rarer. */
static const double mismatch_alpha = 0.001;
/* Fewer events say nothing of how many will be needed, and more are not waited for. */
static const uint64_t foresee_events = 10;
static const double foresee_most = 1e9;

bool bsc_trial_count(struct bsc_trial_tally *tally, struct bsc_cohort_user *user, bool fresh,
                     const struct bsc_trial_fact *fact)
{
    if (fresh)
        user->candidate = fact->candidate;
    struct bsc_trial_arm *arm = user->candidate ? &tally->candidate : &tally->live;
    uint8_t goals = fact->goals & (uint8_t)~user->goals;
    arm->users += fresh;
    for (unsigned g = 0; g < BSC_TRIAL_GOALS_MAX; g++)
        arm->converted[g] += goals >> g & 1;
    user->goals |= goals;
    if (fact->valued) {
        arm->valued += !user->valued;
        user->valued = true;
        arm->sum += fact->value;
        arm->squares += fact->value * (2 * user->value + fact->value);
        user->value += fact->value;
    }
    return fresh || goals || fact->valued;
}

static double p_of(double log_e)
{
    return fmin(1, exp(-log_e));
}

static double p_of_goal(const struct bsc_trial_tally *tally,
                        const struct bsc_trial_options *options, unsigned g)
{
    return p_of(bsc_ratio_log_e(tally->candidate.converted[g], tally->live.converted[g],
                                options->weight, 1));
}

static void rule_goal(const struct bsc_trial_tally *tally, const struct bsc_trial_options *options,
                      unsigned g, struct bsc_trial_goal *out)
{
    uint64_t candidate = tally->candidate.converted[g], live = tally->live.converted[g];
    *out = (struct bsc_trial_goal){
        .candidate = bsc_interval_of(candidate, tally->candidate.users, options->alpha),
        .live = bsc_interval_of(live, tally->live.users, options->alpha),
        .ratio = bsc_ratio_of(candidate, live, options->weight, options->alpha),
        .p = p_of_goal(tally, options, g),
    };
}

static double mean_of(const struct bsc_trial_arm *arm)
{
    return arm->users ? arm->sum / (double)arm->users : 0;
}

/* The sum of squared distances from `mean`. Of numbers that differ in their last digits only, there
 * is nothing left of it but what was lost by rounding: then it is rather too large. */
static double squares_from(const struct bsc_trial_arm *arm, double mean)
{
    static const double rounding = 1e-12;
    double squares = arm->squares - mean * (2 * arm->sum - (double)arm->users * mean);
    return fmax(squares, rounding * arm->squares);
}

/* Of the difference of the means. Each version's own spread alone would be too small just when it
 * matters: without those few users who pay the most a small version's mean is low, and its spread
 * is low as well, so it would lose too often. If the versions do not differ, a third of their own
 * and two thirds of everybody's, in the shares of both, bound the chance of any difference without
 * a word about how numbers are distributed (Delyon 2009: exp(y - y^2/6) <= 1 + y + y^2/3, with the
 * draws of the users for the only chance). If they do differ, their own is the right one. */
static double variance_of(const struct bsc_trial_arm *candidate, const struct bsc_trial_arm *live)
{
    double x = (double)candidate->users, y = (double)live->users;
    double mean = (candidate->sum + live->sum) / (x + y);
    double of_candidate = squares_from(candidate, mean), of_live = squares_from(live, mean);
    double own = of_candidate / (x * x) + of_live / (y * y);
    double shared = (of_candidate + of_live) / (x * y);
    return (own + 2 * fmax(own, shared)) / 3;
}

/* What tells of the difference are the users with a number: they are the clock of the sequence, so
 * it is the same however long after their first visit they pay. */
static void rule_value(const struct bsc_trial_tally *tally, const struct bsc_trial_options *options,
                       struct bsc_trial_value *out)
{
    const struct bsc_trial_arm *candidate = &tally->candidate, *live = &tally->live;
    double bound = INFINITY;
    if (candidate->valued >= value_least && live->valued >= value_least) {
        uint64_t valued = candidate->valued + live->valued;
        double squares = variance_of(candidate, live) * (double)valued * (double)(valued - 1);
        struct bsc_steady steady = { .windows = valued, .squares = squares };
        bound = bsc_steady_bound(&steady, options->alpha / 2);
    }
    *out = (struct bsc_trial_value){ .candidate = mean_of(candidate), .live = mean_of(live) };
    out->difference = out->candidate - out->live;
    out->low = out->difference - bound;
    out->high = out->difference + bound;
}

/* Users until E is large enough, at the rate and with the ratio of now. */
static double foresee_goal(const struct bsc_trial_tally *tally,
                           const struct bsc_trial_options *options)
{
    uint64_t candidate = tally->candidate.converted[options->decide];
    uint64_t live = tally->live.converted[options->decide], events = candidate + live;
    double growth = bsc_ratio_growth(candidate, live, options->weight);
    if (events < foresee_events || growth <= 0)
        return INFINITY;
    double left = -log(options->alpha) - bsc_ratio_log_e(candidate, live, options->weight, 1);
    double users = (double)(tally->candidate.users + tally->live.users);
    return fmax(left, 0) / growth * users / (double)events;
}

/* The bound shrinks with the square root of the users. */
static double foresee_value(const struct bsc_trial_tally *tally,
                            const struct bsc_trial_value *value)
{
    double bound = value->high - value->difference, size = fabs(value->difference);
    double users = (double)(tally->candidate.users + tally->live.users);
    if (isinf(bound) || size <= 0)
        return INFINITY;
    return fmax(bound / size * (bound / size) - 1, 0) * users;
}

static double missing(uint64_t users, uint64_t wanted, double share)
{
    return users < wanted ? (double)(wanted - users) / share : 0;
}

static void foresee(const struct bsc_trial_options *options, struct bsc_trial_ruling *out)
{
    const struct bsc_trial_tally *tally = &out->tally;
    double needed = options->decide == BSC_TRIAL_VALUE ? foresee_value(tally, &out->value)
                                                       : foresee_goal(tally, options);
    needed = fmax(needed, missing(tally->candidate.users, options->minimum_users, options->weight));
    needed = fmax(needed, missing(tally->live.users, options->minimum_users, 1 - options->weight));
    out->needed_users = needed < foresee_most ? (int64_t)ceil(needed) : -1;
}

static enum bsc_trial_verdict decide(const struct bsc_trial_tally *tally,
                                     const struct bsc_trial_options *options)
{
    if (tally->candidate.users < options->minimum_users ||
        tally->live.users < options->minimum_users)
        return BSC_TRIAL_OPEN;
    if (options->decide == BSC_TRIAL_VALUE) {
        struct bsc_trial_value value;
        rule_value(tally, options, &value);
        if (value.low > 0)
            return BSC_TRIAL_CANDIDATE;
        return value.high < 0 ? BSC_TRIAL_LIVE : BSC_TRIAL_OPEN;
    }
    double candidate = (double)tally->candidate.converted[options->decide];
    double live = (double)tally->live.converted[options->decide];
    if (p_of_goal(tally, options, options->decide) > options->alpha)
        return BSC_TRIAL_OPEN;
    return candidate * (1 - options->weight) > live * options->weight ? BSC_TRIAL_CANDIDATE
                                                                      : BSC_TRIAL_LIVE;
}

static double mismatch_of(const struct bsc_trial_tally *tally,
                          const struct bsc_trial_options *options)
{
    return p_of(bsc_ratio_log_e(tally->candidate.users, tally->live.users, options->weight, 1));
}

enum bsc_trial_verdict bsc_trial_judge(const struct bsc_trial_tally *tally,
                                       const struct bsc_trial_options *options)
{
    return mismatch_of(tally, options) <= mismatch_alpha ? BSC_TRIAL_MISMATCH
                                                         : decide(tally, options);
}

void bsc_trial_rule(const struct bsc_trial_tally *tally, const struct bsc_trial_options *options,
                    enum bsc_trial_verdict verdict, struct bsc_trial_ruling *out)
{
    *out = (struct bsc_trial_ruling){ .verdict = verdict, .tally = *tally };
    for (unsigned g = 0; g < options->goals; g++)
        rule_goal(tally, options, g, &out->goals[g]);
    rule_value(tally, options, &out->value);
    out->mismatch_p = mismatch_of(tally, options);
    if (verdict == BSC_TRIAL_OPEN)
        foresee(options, out);
}

/* What was found of the goal, or the number, that decides. */
static void describe(const struct bsc_trial_ruling *ruling, const struct bsc_trial_options *options,
                     const char *name, char *out, size_t size)
{
    const struct bsc_trial_value *value = &ruling->value;
    if (options->decide == BSC_TRIAL_VALUE) {
        snprintf(out, size, "%s %.4g a user against %.4g (difference %.4g to %.4g)", name,
                 value->candidate, value->live, value->low, value->high);
        return;
    }
    const struct bsc_trial_goal *goal = &ruling->goals[options->decide];
    snprintf(out, size, "%s %.3g %% against %.3g %% (lift %+.3g %% to %+.3g %%)", name,
             100 * goal->candidate.rate, 100 * goal->live.rate, 100 * (goal->ratio.low - 1),
             100 * (goal->ratio.high - 1));
}

void bsc_trial_text(const struct bsc_trial_ruling *ruling, const struct bsc_trial_options *options,
                    const char *decide, char *out, size_t size)
{
    const struct bsc_trial_tally *tally = &ruling->tally;
    unsigned long long candidate = tally->candidate.users, live = tally->live.users;
    char found[256];
    describe(ruling, options, decide, found, sizeof found);
    switch (ruling->verdict) {
    case BSC_TRIAL_MISMATCH:
        snprintf(out, size,
                 "nothing can be decided: of %llu users the new version has %llu, although %.4g %% "
                 "were drawn for it (p %.2g): find out where those of one version are lost",
                 candidate + live, candidate, 100 * options->weight, ruling->mismatch_p);
        break;
    case BSC_TRIAL_CANDIDATE:
    case BSC_TRIAL_LIVE:
        snprintf(out, size, "the %s version wins after %llu and %llu users: %s",
                 ruling->verdict == BSC_TRIAL_LIVE ? "old" : "new", candidate, live, found);
        break;
    default:
        snprintf(out, size, "undecided after %llu and %llu users: %s", candidate, live, found);
        size_t used = strlen(out);
        if (ruling->needed_users >= 0)
            snprintf(out + used, size - used, "; needs about %lld more users",
                     (long long)ruling->needed_users);
        break;
    }
}

static const char *const verdict_names[BSC_TRIAL_VERDICT_COUNT] = {
    [BSC_TRIAL_OPEN] = "undecided",
    [BSC_TRIAL_CANDIDATE] = "candidate",
    [BSC_TRIAL_LIVE] = "live",
    [BSC_TRIAL_MISMATCH] = "mismatch",
};

const char *bsc_trial_verdict_name(enum bsc_trial_verdict verdict)
{
    return verdict_names[verdict];
}

bool bsc_trial_verdict_parse(const char *name, enum bsc_trial_verdict *out)
{
    for (unsigned i = 0; i < BSC_TRIAL_VERDICT_COUNT; i++)
        if (!strcmp(name, verdict_names[i])) {
            *out = (enum bsc_trial_verdict)i;
            return true;
        }
    return false;
}
