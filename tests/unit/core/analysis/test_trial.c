/* SPDX-License-Identifier: Apache-2.0
 * test_trial.c - A/B tests: each user once, the two-sided test, its interval, and what is said. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "core/analysis/trial.h"

static void is_near(double found, double wanted, double within)
{
    if (!(fabs(found - wanted) <= within))
        fail_msg("%g is not %g", found, wanted);
}

static struct bsc_trial_options two_goals(void)
{
    return (
        struct bsc_trial_options){ .weight = .5, .alpha = .05, .minimum_users = 100, .goals = 2 };
}

static struct bsc_trial_tally of_users(uint64_t candidate, uint64_t live, uint64_t candidate_goals,
                                       uint64_t live_goals)
{
    return (struct bsc_trial_tally){
        .candidate = { .users = candidate, .converted = { candidate_goals } },
        .live = { .users = live, .converted = { live_goals } },
    };
}

static enum bsc_trial_verdict verdict_of(const struct bsc_trial_tally *tally,
                                         const struct bsc_trial_options *options)
{
    return bsc_trial_judge(tally, options);
}

static void rule(const struct bsc_trial_tally *tally, const struct bsc_trial_options *options,
                 struct bsc_trial_ruling *out)
{
    bsc_trial_rule(tally, options, bsc_trial_judge(tally, options), out);
}

static void a_cohort_has_each_user_once_however_many_come(void **unused)
{
    (void)unused;
    struct bsc_cohort cohort = { 0 };
    assert_null(bsc_cohort_find(&cohort, 7));
    for (uint64_t key = 0; key < 5000; key++) {
        size_t wanted = bsc_cohort_wanted(&cohort);
        if (wanted != cohort.capacity)
            free(bsc_cohort_move(&cohort, bsc_alloc(wanted * sizeof(struct bsc_cohort_user)),
                                 wanted));
        if (key == 1) /* it shares a place with 0 */
            continue;
        assert_null(bsc_cohort_find(&cohort, key * 0x9e3779b97f4a7c15U));
        bsc_cohort_add(&cohort, key * 0x9e3779b97f4a7c15U)->value = (double)key;
    }
    assert_int_equal(cohort.count, 4999);
    assert_true(cohort.count * 4 <= cohort.capacity * 3);
    for (uint64_t key = 2; key < 5000; key++)
        is_near(bsc_cohort_find(&cohort, key * 0x9e3779b97f4a7c15U)->value, (double)key, 0);
    assert_ptr_equal(bsc_cohort_find(&cohort, 0), bsc_cohort_find(&cohort, 1));
    free(cohort.places);
}

static void keys_that_want_the_same_place_stand_side_by_side(void **unused)
{
    (void)unused;
    struct bsc_cohort cohort = { 0 };
    free(bsc_cohort_move(&cohort, bsc_alloc(8 * sizeof(struct bsc_cohort_user)), 8));
    struct bsc_cohort_user *first = bsc_cohort_add(&cohort, 7),
                           *second = bsc_cohort_add(&cohort, 15);
    assert_ptr_equal(bsc_cohort_find(&cohort, 7), first);
    assert_ptr_equal(bsc_cohort_find(&cohort, 15), second);
    assert_null(bsc_cohort_find(&cohort, 23));
    free(cohort.places);
}

static void a_cohort_that_is_full_takes_nobody(void **unused)
{
    (void)unused;
    struct bsc_cohort cohort = { .capacity = (size_t)1 << 21, .count = BSC_COHORT_MAX };
    assert_int_equal(bsc_cohort_wanted(&cohort), 0);
    cohort.count--;
    assert_int_equal(bsc_cohort_wanted(&cohort), cohort.capacity);
}

static void a_user_counts_once_and_each_goal_once(void **unused)
{
    (void)unused;
    struct bsc_trial_tally tally = { 0 };
    struct bsc_cohort_user user = { .key = 3 };
    struct bsc_trial_fact seen = { .user = 3, .candidate = true };
    assert_true(bsc_trial_count(&tally, &user, true, &seen));
    assert_false(bsc_trial_count(&tally, &user, false, &seen));
    seen.goals = 3;
    assert_true(bsc_trial_count(&tally, &user, false, &seen));
    assert_false(bsc_trial_count(&tally, &user, false, &seen));
    seen.goals = 7;
    assert_true(bsc_trial_count(&tally, &user, false, &seen));
    assert_int_equal(tally.candidate.users, 1);
    assert_int_equal(tally.candidate.converted[0], 1);
    assert_int_equal(tally.candidate.converted[2], 1);
    assert_int_equal(tally.live.users, 0);
}

static void numbers_of_a_user_add_up_and_count_as_one(void **unused)
{
    (void)unused;
    struct bsc_trial_tally tally = { 0 };
    struct bsc_cohort_user user = { .key = 3 };
    struct bsc_trial_fact paid = { .user = 3, .valued = true, .value = 10 };
    assert_true(bsc_trial_count(&tally, &user, true, &paid));
    paid.value = 5;
    assert_true(bsc_trial_count(&tally, &user, false, &paid));
    assert_int_equal(tally.live.valued, 1);
    is_near(tally.live.sum, 15, 1e-9);
    is_near(tally.live.squares, 225, 1e-9);
    is_near(user.value, 15, 1e-9);
}

/* A fact that says otherwise can't be: the key of the test draws each user the same way always. */
static void a_user_stays_in_the_version_that_was_seen_first(void **unused)
{
    (void)unused;
    struct bsc_trial_tally tally = { 0 };
    struct bsc_cohort_user user = { .key = 3 };
    struct bsc_trial_fact fact = { .user = 3, .candidate = true, .goals = 1 };
    bsc_trial_count(&tally, &user, true, &(struct bsc_trial_fact){ .user = 3 });
    bsc_trial_count(&tally, &user, false, &fact);
    assert_int_equal(tally.live.converted[0], 1);
    assert_int_equal(tally.candidate.users, 0);
}

static void evidence_is_one_where_nothing_happened_and_grows_both_ways(void **unused)
{
    (void)unused;
    is_near(bsc_ratio_log_e(0, 0, .5, 1), 0, 1e-12);
    assert_true(bsc_ratio_log_e(100, 100, .5, 1) < 0);
    assert_true(bsc_ratio_log_e(150, 50, .5, 1) > log(1e6));
    is_near(bsc_ratio_log_e(150, 50, .5, 1), bsc_ratio_log_e(50, 150, .5, 1), 1e-9);
    is_near(bsc_ratio_log_e(30, 170, .1, 1), bsc_ratio_log_e(170, 30, .9, 1), 1e-9);
    assert_true(bsc_ratio_log_e(200, 100, .5, 2) < 0);
}

/* Of n events that come as the ratio says, no test with one alternative grows faster than the
 * divergence; the mean of 48 may lose their number, and a little where none of them fits. */
static void small_and_large_lifts_find_an_alternative_that_fits(void **unused)
{
    (void)unused;
    for (double ratio = 1.025; ratio < 12; ratio *= 1.09)
        for (double weight = .1; weight < 1; weight += .4) {
            double share = weight * ratio / (weight * ratio + 1 - weight);
            double best =
                share * log(share / weight) + (1 - share) * log((1 - share) / (1 - weight));
            double events = 50 / best;
            double found = bsc_ratio_log_e((uint64_t)(share * events),
                                           (uint64_t)((1 - share) * events), weight, 1);
            assert_true(found > .95 * 50 - log(48) - 2);
        }
}

/* Under the ratio itself E is 1 on average, whatever is drawn. */
static void the_mean_of_the_evidence_is_one(void **unused)
{
    (void)unused;
    const unsigned n = 12;
    for (double ratio = .25; ratio <= 4; ratio *= 2) {
        double weight = .3, share = weight * ratio / (weight * ratio + 1 - weight), mean = 0;
        for (unsigned k = 0; k <= n; k++) {
            double ways = exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1));
            mean += ways * pow(share, k) * pow(1 - share, n - k) *
                    exp(bsc_ratio_log_e(k, n - k, weight, ratio));
        }
        is_near(mean, 1, 1e-9);
    }
}

static void the_interval_holds_what_the_evidence_does_not_refuse(void **unused)
{
    (void)unused;
    struct bsc_ratio ratio = bsc_ratio_of(1200, 1000, .5, .05);
    is_near(ratio.middle, 1.2, 1e-9);
    assert_true(ratio.low > 1 && ratio.low < 1.2 && ratio.high > 1.2 && ratio.high < 1.5);
    is_near(bsc_ratio_log_e(1200, 1000, .5, ratio.low), log(20), 1e-6);
    is_near(bsc_ratio_log_e(1200, 1000, .5, ratio.high), log(20), 1e-6);
    ratio = bsc_ratio_of(110, 1000, .1, .05); /* of a tenth of the users */
    is_near(ratio.middle, .99, 1e-9);
    assert_true(ratio.low < 1 && ratio.high > 1);
}

static void without_events_an_interval_is_open(void **unused)
{
    (void)unused;
    struct bsc_ratio ratio = bsc_ratio_of(0, 0, .5, .05);
    assert_true(ratio.low == 0 && isinf(ratio.high));
    ratio = bsc_ratio_of(40, 0, .5, .05);
    assert_true(ratio.low > 1 && isinf(ratio.middle) && isinf(ratio.high));
    ratio = bsc_ratio_of(0, 40, .5, .05);
    assert_true(ratio.low == 0 && ratio.middle == 0 && ratio.high < 1 && ratio.high > 0);
}

static void growth_is_that_of_the_ratio_seen(void **unused)
{
    (void)unused;
    is_near(bsc_ratio_growth(100, 100, .5), 0, 1e-12);
    is_near(bsc_ratio_growth(100, 0, .5), log(2), 1e-12);
    is_near(bsc_ratio_growth(0, 100, .5), log(2), 1e-12);
    assert_true(bsc_ratio_growth(10, 90, .5) > 0);
}

static void the_version_that_users_do_more_with_wins(void **unused)
{
    (void)unused;
    struct bsc_trial_options options = two_goals();
    struct bsc_trial_tally better = of_users(1000, 1000, 200, 100);
    struct bsc_trial_tally worse = of_users(1000, 1000, 100, 200);
    struct bsc_trial_tally same = of_users(1000, 1000, 100, 101);
    assert_int_equal(verdict_of(&better, &options), BSC_TRIAL_CANDIDATE);
    assert_int_equal(verdict_of(&worse, &options), BSC_TRIAL_LIVE);
    assert_int_equal(verdict_of(&same, &options), BSC_TRIAL_OPEN);
    options.decide = 1; /* nobody reached the other goal */
    assert_int_equal(verdict_of(&better, &options), BSC_TRIAL_OPEN);
}

static void few_users_decide_nothing(void **unused)
{
    (void)unused;
    struct bsc_trial_options options = two_goals();
    struct bsc_trial_tally few = of_users(99, 120, 60, 10), other = of_users(120, 99, 60, 10);
    struct bsc_trial_ruling ruling;
    assert_int_equal(verdict_of(&few, &options), BSC_TRIAL_OPEN);
    assert_int_equal(verdict_of(&other, &options), BSC_TRIAL_OPEN);
    rule(&few, &options, &ruling);
    assert_int_equal(ruling.needed_users, 2); /* one more of each version, on average */
}

static void users_who_come_in_other_shares_than_drawn_stop_it(void **unused)
{
    (void)unused;
    struct bsc_trial_options options = two_goals();
    struct bsc_trial_tally lost = of_users(1000, 1300, 200, 100);
    struct bsc_trial_tally sound = of_users(1000, 1050, 200, 100);
    struct bsc_trial_ruling ruling;
    rule(&lost, &options, &ruling);
    assert_int_equal(ruling.verdict, BSC_TRIAL_MISMATCH);
    assert_true(ruling.mismatch_p < .001);
    assert_int_equal(verdict_of(&sound, &options), BSC_TRIAL_CANDIDATE);
    bsc_trial_rule(&sound, &options, BSC_TRIAL_MISMATCH, &ruling); /* it was found before */
    assert_int_equal(ruling.verdict, BSC_TRIAL_MISMATCH);
    assert_int_equal(ruling.needed_users, 0);
}

/* Half of the users paid `price`, give or take 1. */
static struct bsc_trial_arm who_paid(uint64_t users, double price)
{
    double payers = (double)users / 2;
    return (struct bsc_trial_arm){ .users = users,
                                   .valued = users / 2,
                                   .sum = payers * price,
                                   .squares = payers * (price * price + 1) };
}

static void the_mean_over_all_users_may_decide(void **unused)
{
    (void)unused;
    struct bsc_trial_options options = two_goals();
    options.decide = BSC_TRIAL_VALUE;
    struct bsc_trial_tally more = { who_paid(2000, 30), who_paid(2000, 20) };
    struct bsc_trial_tally less = { who_paid(2000, 20), who_paid(2000, 30) };
    struct bsc_trial_tally same = { who_paid(2000, 20.5), who_paid(2000, 20) };
    struct bsc_trial_ruling ruling;
    assert_int_equal(verdict_of(&less, &options), BSC_TRIAL_LIVE);
    rule(&more, &options, &ruling);
    assert_int_equal(ruling.verdict, BSC_TRIAL_CANDIDATE);
    is_near(ruling.value.candidate, 15, 1e-9);
    is_near(ruling.value.difference, 5, 1e-9);
    assert_true(ruling.value.low > 0 && ruling.value.low < 5 && ruling.value.high > 5);
    rule(&same, &options, &ruling);
    assert_int_equal(ruling.verdict, BSC_TRIAL_OPEN);
    assert_true(ruling.needed_users > 4000);
}

static void few_numbers_have_no_interval(void **unused)
{
    (void)unused;
    struct bsc_trial_options options = two_goals();
    options.decide = BSC_TRIAL_VALUE;
    struct bsc_trial_tally few = { who_paid(98, 30), who_paid(2000, 20) }, none = { 0 };
    struct bsc_trial_tally other = { who_paid(2000, 30), who_paid(98, 20) };
    struct bsc_trial_tally equal = { who_paid(200, 30), who_paid(200, 30) };
    struct bsc_trial_tally rare = of_users(200, 200, 0, 0);
    struct bsc_trial_ruling ruling;
    rare.candidate.valued = rare.candidate.sum = rare.candidate.squares = 1;
    rule(&few, &options, &ruling);
    assert_true(isinf(ruling.value.low));
    rule(&other, &options, &ruling);
    assert_true(isinf(ruling.value.high));
    rule(&none, &options, &ruling);
    assert_int_equal(ruling.needed_users, -1);
    rule(&equal, &options, &ruling);
    assert_int_equal(ruling.needed_users, -1);
    rule(&rare, &options, &ruling);
    assert_int_equal(ruling.needed_users, -1);
}

/* A hundred of ten thousand users got the new version, and none of them is one of the few who pay a
 * hundred times what others do: their own spread is small, and says nothing. */
static void a_few_users_without_great_payers_among_them_lose_nothing(void **unused)
{
    (void)unused;
    struct bsc_trial_options options = two_goals();
    options.decide = BSC_TRIAL_VALUE;
    options.weight = .01;
    struct bsc_trial_tally tally = {
        .candidate = { .users = 100, .valued = 100, .sum = 100, .squares = 104 },
        .live = { .users = 9900,
                  .valued = 9900,
                  .sum = 9900 + 99 * 99,
                  .squares = 1.04 * 9801 + 99 * 10000 },
    };
    assert_int_equal(verdict_of(&tally, &options), BSC_TRIAL_OPEN);
    struct bsc_trial_tally turned = { .candidate = tally.live, .live = tally.candidate };
    options.weight = .99;
    assert_int_equal(verdict_of(&turned, &options), BSC_TRIAL_OPEN);
}

/* Each version's own spread is the right one where they differ, however small one of them is. */
static void a_version_that_few_users_get_and_that_varies_more_has_its_own_spread(void **unused)
{
    (void)unused;
    struct bsc_trial_options options = two_goals();
    options.weight = .01;
    struct bsc_trial_tally tally = {
        .candidate = { .users = 1000, .valued = 1000, .sum = 10000, .squares = 1000 * 200.0 },
        .live = { .users = 99000, .valued = 99000, .sum = 990000, .squares = 99000 * 101.0 },
    };
    struct bsc_trial_ruling ruling;
    rule(&tally, &options, &ruling);
    double deviation = sqrt(100 / 1000.0 + 1 / 99000.0);
    assert_true(ruling.value.high > 3 * deviation && ruling.value.high < 5 * deviation);
}

/* Who never pays says nothing of how much payments vary, nor when it is enough of them. */
static void users_without_a_number_do_not_make_it_surer(void **unused)
{
    (void)unused;
    struct bsc_trial_options options = two_goals();
    struct bsc_trial_tally some = { who_paid(2000, 20), who_paid(2000, 20) }, more = some;
    more.candidate.users = more.live.users = 2000000;
    struct bsc_trial_ruling of_some, of_more;
    rule(&some, &options, &of_some);
    rule(&more, &options, &of_more);
    /* All users pay as much as before, and the squares are those around another mean. */
    is_near(1000 * of_more.value.high / of_some.value.high, sqrt(400.8 / 201), .001);
}

static void numbers_that_differ_in_their_last_digits_only_decide_nothing(void **unused)
{
    (void)unused;
    struct bsc_trial_options options = two_goals();
    struct bsc_trial_tally tally = { 0 };
    options.decide = BSC_TRIAL_VALUE;
    for (unsigned i = 0; i < 2000; i++) {
        struct bsc_cohort_user user = { .key = i + 1 };
        struct bsc_trial_fact fact = { .user = user.key,
                                       .candidate = i % 2,
                                       .valued = true,
                                       .value = 1e9 + i % 2 * 1e-3 + i % 3 * 1e-4 };
        bsc_trial_count(&tally, &user, true, &fact);
    }
    assert_int_equal(verdict_of(&tally, &options), BSC_TRIAL_OPEN);
}

static void what_is_needed_is_said_as_soon_as_it_can_be_told(void **unused)
{
    (void)unused;
    struct bsc_trial_options options = two_goals();
    struct bsc_trial_tally early = of_users(500, 500, 5, 4), equal = of_users(900, 900, 50, 50);
    struct bsc_trial_tally leaning = of_users(1000, 1000, 120, 100);
    struct bsc_trial_tally faint = of_users(100000000, 100000000, 10000000, 10000010);
    struct bsc_trial_ruling ruling;
    rule(&early, &options, &ruling);
    assert_int_equal(ruling.needed_users, -1);
    rule(&equal, &options, &ruling);
    assert_int_equal(ruling.needed_users, -1);
    rule(&faint, &options, &ruling);
    assert_int_equal(ruling.needed_users, -1);
    rule(&leaning, &options, &ruling);
    assert_in_range(ruling.needed_users, 2000, 20000);
}

static void says(const struct bsc_trial_tally *tally, const struct bsc_trial_options *options,
                 const char *wanted)
{
    struct bsc_trial_ruling ruling;
    char text[400];
    rule(tally, options, &ruling);
    bsc_trial_text(&ruling, options, options->decide == BSC_TRIAL_VALUE ? "value" : "signup", text,
                   sizeof text);
    if (!strstr(text, wanted))
        fail_msg("'%s' does not say '%s'", text, wanted);
}

static void it_is_said_in_one_sentence(void **unused)
{
    (void)unused;
    struct bsc_trial_options options = two_goals();
    struct bsc_trial_tally better = of_users(1000, 1000, 200, 100), empty = { 0 };
    struct bsc_trial_tally worse = of_users(1000, 1000, 100, 200);
    struct bsc_trial_tally lost = of_users(1000, 1300, 200, 100);
    struct bsc_trial_tally leaning = of_users(1000, 1000, 120, 100);
    says(&better, &options,
         "the new version wins after 1000 and 1000 users: signup 20 % against 10 %");
    says(&worse, &options, "the old version wins");
    says(&lost, &options,
         "nothing can be decided: of 2300 users the new version has 1000, although "
         "50 % were drawn");
    says(&leaning, &options,
         "undecided after 1000 and 1000 users: signup 12 % against 10 % (lift -");
    says(&leaning, &options, "; needs about ");
    says(&empty, &options, "undecided after 0 and 0 users");
    options.decide = BSC_TRIAL_VALUE;
    struct bsc_trial_tally more = { who_paid(2000, 30), who_paid(2000, 20) };
    says(&more, &options, "value 15 a user against 10 (difference ");
    struct bsc_trial_ruling ruling;
    char text[30];
    rule(&empty, &options, &ruling);
    bsc_trial_text(&ruling, &options, "value", text, sizeof text);
    assert_int_equal(strlen(text), sizeof text - 1);
    ruling.needed_users = 5; /* no room to say it */
    bsc_trial_text(&ruling, &options, "value", text, sizeof text);
    assert_int_equal(strlen(text), sizeof text - 1);
    enum bsc_trial_verdict verdict;
    assert_true(bsc_trial_verdict_parse("live", &verdict) && verdict == BSC_TRIAL_LIVE);
    assert_false(bsc_trial_verdict_parse("dead", &verdict));
    assert_string_equal(bsc_trial_verdict_name(BSC_TRIAL_OPEN), "undecided");
    assert_string_equal(bsc_trial_verdict_name(BSC_TRIAL_MISMATCH), "mismatch");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cohort_has_each_user_once_however_many_come),
        cmocka_unit_test(keys_that_want_the_same_place_stand_side_by_side),
        cmocka_unit_test(a_cohort_that_is_full_takes_nobody),
        cmocka_unit_test(a_user_counts_once_and_each_goal_once),
        cmocka_unit_test(numbers_of_a_user_add_up_and_count_as_one),
        cmocka_unit_test(a_user_stays_in_the_version_that_was_seen_first),
        cmocka_unit_test(evidence_is_one_where_nothing_happened_and_grows_both_ways),
        cmocka_unit_test(small_and_large_lifts_find_an_alternative_that_fits),
        cmocka_unit_test(the_mean_of_the_evidence_is_one),
        cmocka_unit_test(the_interval_holds_what_the_evidence_does_not_refuse),
        cmocka_unit_test(without_events_an_interval_is_open),
        cmocka_unit_test(growth_is_that_of_the_ratio_seen),
        cmocka_unit_test(the_version_that_users_do_more_with_wins),
        cmocka_unit_test(few_users_decide_nothing),
        cmocka_unit_test(users_who_come_in_other_shares_than_drawn_stop_it),
        cmocka_unit_test(the_mean_over_all_users_may_decide),
        cmocka_unit_test(few_numbers_have_no_interval),
        cmocka_unit_test(a_few_users_without_great_payers_among_them_lose_nothing),
        cmocka_unit_test(a_version_that_few_users_get_and_that_varies_more_has_its_own_spread),
        cmocka_unit_test(users_without_a_number_do_not_make_it_surer),
        cmocka_unit_test(numbers_that_differ_in_their_last_digits_only_decide_nothing),
        cmocka_unit_test(what_is_needed_is_said_as_soon_as_it_can_be_told),
        cmocka_unit_test(it_is_said_in_one_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
