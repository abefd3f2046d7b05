/* SPDX-License-Identifier: Apache-2.0
 * api/view_trial.c - what an A/B test has found, as JSON; see view.h.
 */
#include <math.h>

#include "api/view.h"

/* null: not known. */
static json_t *millionths(double number)
{
    static const double largest = 9e12;
    if (!isfinite(number) || fabs(number) > largest)
        return json_null();
    return json_integer((json_int_t)llround(number * 1e6));
}

static json_t *view_rate(const struct bsc_interval *rate, uint64_t converted)
{
    return json_pack("{s:I, s:o, s:o, s:o}", "users", (json_int_t)converted, "rate_ppm",
                     millionths(rate->rate), "low_ppm", millionths(rate->low), "high_ppm",
                     millionths(rate->high));
}

static json_t *view_goal(const struct bsc_trial_ruling *ruling, unsigned index, const char *name)
{
    const struct bsc_trial_goal *goal = &ruling->goals[index];
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "name", name, "candidate",
                     view_rate(&goal->candidate, ruling->tally.candidate.converted[index]), "live",
                     view_rate(&goal->live, ruling->tally.live.converted[index]), "lift_ppm",
                     millionths(goal->ratio.middle - 1), "lift_low_ppm",
                     millionths(goal->ratio.low - 1), "lift_high_ppm",
                     millionths(goal->ratio.high - 1), "p_ppm", millionths(goal->p));
}

static json_t *view_value(const struct bsc_trial_ruling *ruling, const char *header)
{
    const struct bsc_trial_value *value = &ruling->value;
    return json_pack("{s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "header", header,
                     "candidate_users", (json_int_t)ruling->tally.candidate.valued, "live_users",
                     (json_int_t)ruling->tally.live.valued, "candidate_millionths",
                     millionths(value->candidate), "live_millionths", millionths(value->live),
                     "difference_millionths", millionths(value->difference), "low_millionths",
                     millionths(value->low), "high_millionths", millionths(value->high));
}

json_t *bsc_api_view_trial(const struct bsc_trial *trial, const struct bsc_ab_spec *ab)
{
    struct bsc_trial_options options = bsc_trial_options_of(ab);
    struct bsc_trial_ruling ruling;
    char text[BSC_REASON_BYTES];
    bsc_trial_rule(&trial->tally, &options, trial->verdict, &ruling);
    bsc_trial_text(&ruling, &options, bsc_trial_decider(ab), text, sizeof text);
    bool foreseen = trial->verdict == BSC_TRIAL_OPEN && ruling.needed_users >= 0;
    json_t *goals = json_array();
    for (unsigned i = 0; i < ab->goal_count; i++)
        json_array_append_new(goals, view_goal(&ruling, i, ab->goals[i].name));
    return json_pack(
        "{s:s, s:b, s:s, s:s, s:I, s:I, s:I, s:I, s:o, s:o, s:I, s:I, s:o, s:o}", "verdict",
        bsc_trial_verdict_name(trial->verdict), "over", (int)trial->over, "text", text, "decide",
        bsc_trial_decider(ab), "alpha_bp", (json_int_t)ab->alpha_bp, "share_bp",
        (json_int_t)ab->share_bp, "candidate_users", (json_int_t)trial->tally.candidate.users,
        "live_users", (json_int_t)trial->tally.live.users, "mismatch_p_ppm",
        millionths(ruling.mismatch_p), "needed_users",
        foreseen ? json_integer(ruling.needed_users) : json_null(), "lost", (json_int_t)trial->lost,
        "untaken", (json_int_t)trial->untaken, "goals", goals, "value",
        ab->value_header ? view_value(&ruling, ab->value_header) : json_null());
}
