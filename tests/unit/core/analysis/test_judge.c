/* SPDX-License-Identifier: Apache-2.0
 * Tests of core/analysis/judge.h: the tests joined, and what is said. How often it errs and how
 * soon it sees is measured in tests/stat. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <math.h>
#include <string.h>

#include <cmocka.h>

#include "core/analysis/judge.h"

static struct bsc_judge judge;
static struct bsc_sample sample;
static struct bsc_instance_sample instances[BSC_JUDGED_INSTANCES_MAX + 2];
static uint64_t latency[2][BSC_HISTOGRAM_BUCKETS], bad[2][BSC_BUCKET_WORDS];

/* A service of which 10,000 requests were answered in 20 ms, 1 % of them with an error. */
static void begin_with(unsigned weight_bp, const struct bsc_judge_options *options)
{
    struct bsc_baseline baseline;
    uint64_t before[BSC_HISTOGRAM_BUCKETS] = { 0 };
    before[bsc_histogram_bucket(20000)] = 10000;
    bsc_baseline_freeze(&baseline, 10000, 100, before);
    memset(latency, 0, sizeof latency);
    memset(bad, 0, sizeof bad);
    memset(instances, 0, sizeof instances);
    sample = (struct bsc_sample){ .at_ms = 1000,
                                  .generation = 1,
                                  .weight_bp = weight_bp,
                                  .candidate = { .latency = latency[0] },
                                  .live = { .latency = latency[1] },
                                  .instances = instances,
                                  .instance_count = 2 };
    instances[0].key = 1;
    instances[1].key = 2;
    bsc_judge_init(&judge, options, &baseline);
    bsc_judge_feed(&judge, &sample);
}

static void begin(unsigned weight_bp)
{
    struct bsc_judge_options options = bsc_judge_options_default();
    begin_with(weight_bp, &options);
}

static void add(struct bsc_slot_sample *slot, unsigned units, unsigned errors, uint64_t us)
{
    slot->units += units;
    slot->errors += errors;
    slot->begun += units;
    slot->answered += units;
    if (slot->latency)
        latency[slot == &sample.live][bsc_histogram_bucket(us)] += units;
}

/* 50 ms in which the versions answered so many, with so many errors of instance `on`. */
static void pass(unsigned candidate, unsigned errors, unsigned on, unsigned live,
                 unsigned live_errors)
{
    sample.at_ms += BSC_SAMPLE_MS;
    add(&sample.candidate, candidate, errors, 20000);
    add(&sample.live, live, live_errors, 20000);
    if (on < BSC_JUDGED_INSTANCES_MAX + 2)
        instances[on].errors += errors;
    bsc_judge_feed(&judge, &sample);
}

enum { NOBODY = 1000 };

static struct bsc_judgement ruling(void)
{
    struct bsc_judgement out;
    bsc_judge_rule(&judge, &out);
    return out;
}

static void says(const char *wanted)
{
    char text[512];
    struct bsc_judgement it = ruling();
    bsc_judgement_text(&it, "v2", "v1", text, sizeof text);
    if (!strstr(text, wanted))
        fail_msg("\"%s\" is not in \"%s\"", wanted, text);
}

static void no_data_is_inconclusive(void **unused)
{
    (void)unused;
    begin(500);
    assert_int_equal(ruling().finding, BSC_FINDING_INCONCLUSIVE);
    assert_int_equal(ruling().needed_ms, -1);
    says("0 of 100 requests, and none comes");
}

static void little_data_says_how_much_is_missing_and_how_long_that_takes(void **unused)
{
    (void)unused;
    begin(500);
    for (unsigned i = 0; i < 20; i++)
        pass(i < 12, 0, NOBODY, 10, 0);
    struct bsc_judgement it = ruling();
    assert_int_equal(it.finding, BSC_FINDING_INCONCLUSIVE);
    assert_int_equal(it.units.candidate, 12);
    assert_true(it.needed_ms > 7000 && it.needed_ms < 7500); /* 88 more, 12 a second */
    says("12 of 100 requests, about 8s at this rate");
    for (unsigned i = 0; i < 20 * 600; i++)
        pass(0, 0, NOBODY, 10, 0);
    says("12 of 100 requests, about 1h14m at this rate");
}

static void enough_data_without_harm_is_good(void **unused)
{
    (void)unused;
    begin(1000);
    for (unsigned i = 0; i < 100; i++)
        pass(1, 0, NOBODY, 9, 0);
    struct bsc_judgement it = ruling();
    assert_int_equal(it.finding, BSC_FINDING_GOOD);
    assert_int_equal(it.needed_ms, 0);
    assert_true(it.candidate.high > 0.05 && it.candidate.high < 0.1);
    says("no harm seen: v2 fails 0 % of 100 requests (at most 8.8 %), v1 fails 0 %");
}

static void a_version_that_fails_is_harm_by_the_fast_test(void **unused)
{
    (void)unused;
    begin(500);
    for (unsigned i = 0; i < 60 && !bsc_judge_harm(&judge); i++)
        pass(2, 1, i % 2, 38, i % 3 == 0);
    struct bsc_judgement it = ruling();
    assert_int_equal(it.finding, BSC_FINDING_HARM);
    assert_int_equal(it.proof, BSC_PROOF_FAST);
    assert_int_equal(it.proved, BSC_METRIC_ERRORS);
    assert_true(it.slices >= it.slices_needed);
    assert_int_equal(it.slices_needed, 8);
    assert_true(it.p < 0.005 && it.e > 200);
    says("v2 fails 50 % of its requests (");
    says("v1 fails ");
    says("at the same time (p = ");
}

static void harm_once_found_stays(void **unused)
{
    (void)unused;
    begin(500);
    for (unsigned i = 0; i < 60; i++)
        pass(2, 1, i % 2, 38, 0);
    assert_int_equal(ruling().proof, BSC_PROOF_FAST);
    for (unsigned i = 0; i < 2000; i++)
        pass(2, 0, NOBODY, 38, 20);
    assert_int_equal(ruling().finding, BSC_FINDING_HARM);
    assert_true(ruling().p < 0.005);
}

static void one_run_of_errors_is_one_event(void **unused)
{
    (void)unused;
    begin(500);
    for (unsigned i = 0; i < 4; i++)
        pass(100, 100, 0, 900, 0);
    assert_int_equal(ruling().slices, 1);
    assert_false(bsc_judge_harm(&judge));
}

static void errors_without_an_instance_are_one_more_instance(void **unused)
{
    (void)unused;
    begin(500);
    for (unsigned i = 0; i < 5; i++)
        pass(3, 3, NOBODY, 10, 0);
    assert_int_equal(ruling().slices, 1);
    instances[0].errors += 1;
    pass(3, 2, NOBODY, 10, 0); /* one of them was of an instance */
    assert_int_equal(ruling().slices, 3);
}

static void an_instance_charged_for_an_older_split_is_not_counted(void **unused)
{
    (void)unused;
    begin(500);
    instances[0].errors += 5;
    pass(3, 0, NOBODY, 10, 0);
    assert_int_equal(ruling().slices, 0);
    instances[0].errors = 1; /* its counter went back */
    pass(3, 0, NOBODY, 10, 0);
    assert_int_equal(ruling().slices, 0);
}

static void more_instances_than_there_is_room_for_share_what_is_left(void **unused)
{
    (void)unused;
    begin(500);
    sample.instance_count = BSC_JUDGED_INSTANCES_MAX + 2;
    for (unsigned i = 0; i < sample.instance_count; i++)
        instances[i].key = 100 + i;
    pass(1, 0, NOBODY, 10, 0);
    pass(1, 1, BSC_JUDGED_INSTANCES_MAX, 10, 0);
    pass(1, 1, BSC_JUDGED_INSTANCES_MAX + 1, 10, 0);
    assert_int_equal(ruling().slices, 1);
    pass(1, 1, 7, 10, 0);
    assert_int_equal(ruling().slices, 2);
}

static void a_new_generation_and_counters_that_went_back_begin_anew(void **unused)
{
    (void)unused;
    begin(500);
    pass(10, 1, 0, 100, 5);
    struct bsc_eprocess before = judge.metrics[0].process;
    sample.generation = 2;
    sample.weight_bp = 2500;
    sample.candidate.units = sample.candidate.begun = sample.candidate.answered = 400;
    sample.candidate.errors = 300;
    pass(1, 1, 0, 1, 0); /* all that stands there is a beginning */
    assert_memory_equal(&before, &judge.metrics[0].process, sizeof before);
    assert_int_equal(judge.units.candidate, 10);
    struct bsc_slot_sample *const slots[] = { &sample.candidate, &sample.live };
    for (unsigned i = 0; i < 2; i++) {
        slots[i]->begun = 0;
        pass(50, 25, 0, 1, 0);
        slots[i]->errors = 0;
        pass(50, 0, 0, 1, 0);
    }
    assert_memory_equal(&before, &judge.metrics[0].process, sizeof before);
    assert_int_equal(judge.units.candidate, 10);
    pass(3, 0, 0, 30, 2);
    assert_int_equal(judge.units.candidate, 13);
}

static void a_small_harm_is_found_by_the_steady_test(void **unused)
{
    (void)unused;
    begin(2500);
    for (unsigned i = 0; i < 20 * 120 && !bsc_judge_harm(&judge); i++)
        pass(250, 5, 0, 750, 7 + i % 2); /* 2 % beside 1 % */
    assert_int_equal(ruling().proof, BSC_PROOF_STEADY);
    assert_true(ruling().difference > 0.009 && ruling().bound < 0.01);
    says("v2 fails 2 % of its requests");
    says("at the same time, over 30 seconds");
}

static void a_tolerated_risk_is_no_harm(void **unused)
{
    (void)unused;
    struct bsc_judge_options options = bsc_judge_options_default();
    options.tolerated = 3;
    begin_with(2500, &options);
    for (unsigned i = 0; i < 20 * 120; i++)
        pass(250, 5, 0, 750, 7 + i % 2);
    assert_int_equal(ruling().finding, BSC_FINDING_GOOD);
}

/* -- slow answers ---------------------------------------------------------------------------- */

static void pass_slowly(unsigned count, uint64_t us, unsigned live, uint64_t live_us)
{
    sample.at_ms += BSC_SAMPLE_MS;
    add(&sample.candidate, count, 0, us);
    add(&sample.live, live, 0, live_us);
    bsc_judge_feed(&judge, &sample);
}

static void a_slower_version_is_harm(void **unused)
{
    (void)unused;
    begin(1000);
    for (unsigned i = 0; i < 20 * 20 && !bsc_judge_harm(&judge); i++)
        pass_slowly(2, 40000, 18, 20000);
    assert_int_equal(ruling().proof, BSC_PROOF_FAST);
    assert_int_equal(ruling().proved, BSC_METRIC_SLOW);
    for (unsigned i = 0; i < 20; i++)
        pass_slowly(2, 40000, 18, 20000);
    says("v2 is slower than v1: 100 % of its answers take longer than 26 ms, and 0 % of those of "
         "v1 at the same time; its p50 is 41 ms, the other's 20 ms");
}

static void what_slows_both_down_alarms_nobody(void **unused)
{
    (void)unused;
    begin(1000);
    for (unsigned i = 0; i < 20 * 60; i++)
        pass_slowly(2, 400000, 18, 400000);
    assert_int_equal(ruling().finding, BSC_FINDING_GOOD);
}

static void latency_can_be_left_out(void **unused)
{
    (void)unused;
    struct bsc_judge_options options = bsc_judge_options_default();
    options.latency = false;
    begin_with(1000, &options);
    for (unsigned i = 0; i < 20 * 60; i++)
        pass_slowly(2, 400000, 18, 20000);
    assert_int_equal(ruling().finding, BSC_FINDING_GOOD);
}

static void without_a_known_latency_only_errors_are_judged(void **unused)
{
    (void)unused;
    begin(1000);
    sample.live.latency = NULL;
    for (unsigned i = 0; i < 20 * 60; i++)
        pass_slowly(2, 400000, 18, 20000);
    assert_int_equal(ruling().finding, BSC_FINDING_GOOD);
    assert_int_equal(ruling().live_us[0], 0);
    struct bsc_judge_options options = bsc_judge_options_default();
    bsc_judge_init(&judge, &options, NULL);
    sample.live.latency = latency[1];
    sample.candidate.latency = NULL;
    for (unsigned i = 0; i < 20 * 60; i++)
        pass_slowly(2, 400000, 18, 20000);
    assert_int_equal(ruling().finding, BSC_FINDING_GOOD);
    assert_int_equal(ruling().candidate_us[0], 0);
}

static void a_version_that_hangs_is_seen_before_its_requests_end(void **unused)
{
    (void)unused;
    begin(1000);
    unsigned i;
    for (i = 0; i < 20 * 20 && !bsc_judge_harm(&judge); i++) {
        sample.candidate.begun += 5;
        pass_slowly(0, 0, 45, 20000);
    }
    assert_int_equal(ruling().proof, BSC_PROOF_FAST);
    assert_int_equal(ruling().proved, BSC_METRIC_SLOW);
    assert_true(i < 20 * 4);
    assert_true(ruling().units.candidate > 100);
}

/* -- without a coin -------------------------------------------------------------------------- */

static void after_the_switch_the_candidate_is_compared_with_what_was_before(void **unused)
{
    (void)unused;
    begin(10000);
    for (unsigned i = 0; i < 20 * 30 && !bsc_judge_harm(&judge); i++)
        pass(50, i % 2 ? 2 : 3, 0, 0, 0); /* 5 %, it was 1 % */
    struct bsc_judgement it = ruling();
    assert_int_equal(it.proof, BSC_PROOF_BEFORE);
    assert_false(it.coin);
    assert_true(it.limit > 0.02 && it.limit < 0.04);
    says("v2 fails 5 % of its requests (");
    says("v1 failed 1 % before it; the limit is ");
}

static void after_the_switch_a_little_more_is_no_harm(void **unused)
{
    (void)unused;
    begin(10000);
    for (unsigned i = 0; i < 20 * 60; i++)
        pass(50, i % 3 == 0 ? 2 : 0, 0, 0, 0); /* 1.3 % */
    assert_int_equal(ruling().finding, BSC_FINDING_GOOD);
    says("no harm seen: v2 fails 1.3 % of 60000 requests");
    says("v1 failed before it 1 %");
}

static void after_the_switch_one_burst_is_no_harm(void **unused)
{
    (void)unused;
    begin(10000);
    for (unsigned i = 0; i < 20 * 30; i++)
        pass(50, i < 6 ? 50 : 0, 0, 0, 0);
    assert_int_equal(ruling().finding, BSC_FINDING_GOOD);
}

static void after_the_switch_few_requests_say_nothing(void **unused)
{
    (void)unused;
    begin(10000);
    for (unsigned i = 0; i < 99; i++)
        pass(1, 1, 0, 0, 0);
    assert_int_equal(ruling().finding, BSC_FINDING_INCONCLUSIVE);
}

static void after_the_switch_twice_the_latency_is_harm(void **unused)
{
    (void)unused;
    begin(10000);
    for (unsigned i = 0; i < 20 * 30 && !bsc_judge_harm(&judge); i++)
        pass_slowly(5, 40000, 0, 0);
    assert_int_equal(ruling().proof, BSC_PROOF_BEFORE);
    assert_true(ruling().proved >= BSC_METRIC_SLOW);
    says("v2 is slower than v1 was before it: its p90 is 41 ms, that of v1 was 20 ms; 100 % of its "
         "answers take longer than 31 ms");
}

static void after_the_switch_latency_is_not_judged_where_it_was_not_known(void **unused)
{
    (void)unused;
    begin(10000);
    struct bsc_judge_options options = bsc_judge_options_default();
    bsc_judge_init(&judge, &options, NULL);
    for (unsigned i = 0; i < 20 * 30; i++)
        pass_slowly(5, 40000, 0, 0);
    assert_int_equal(ruling().finding, BSC_FINDING_GOOD);
}

static void after_the_switch_a_little_slower_is_no_harm(void **unused)
{
    (void)unused;
    begin(10000);
    for (unsigned i = 0; i < 20 * 30; i++)
        pass_slowly(5, 26000, 0, 0);
    assert_int_equal(ruling().finding, BSC_FINDING_GOOD);
}

static void where_users_are_chosen_by_rule_there_is_no_coin(void **unused)
{
    (void)unused;
    begin(500);
    sample.generation++;
    sample.drawing = BSC_DRAWN_BY_RULE;
    for (unsigned i = 0; i < 20 * 30; i++)
        pass(5, i % 50 == 0, 0, 95, 0); /* 0.4 %, less than before */
    assert_false(ruling().coin);
    assert_true(ruling().by_rule);
    assert_int_equal(ruling().slices, 0);
    says("requests of chosen users (at most");
    bsc_judge_step(&judge);
    says("0 of 100 requests of chosen users, and none comes");
    for (unsigned i = 0; i < 20 * 30; i++)
        pass(5, 2, 0, 95, 0);
    says("v2 fails 40 % of its requests of chosen users");
}

static void without_a_share_of_the_traffic_there_is_no_coin(void **unused)
{
    (void)unused;
    begin(500);
    assert_true(ruling().coin);
    sample.generation++;
    sample.weight_bp = 0;
    pass(0, 0, 0, 95, 0);
    assert_false(ruling().coin);
}

static void a_full_switch_begins_its_own_count(void **unused)
{
    (void)unused;
    begin(5000);
    for (unsigned i = 0; i < 100; i++)
        pass(50, 0, 0, 50, 0);
    sample.generation++;
    sample.weight_bp = 10000;
    pass(0, 0, 0, 0, 0);
    assert_int_equal(ruling().units.candidate, 0);
    assert_int_equal(ruling().finding, BSC_FINDING_INCONCLUSIVE);
    bsc_judge_step(&judge);
    for (unsigned i = 0; i < 100; i++)
        pass(1, 0, 0, 0, 0);
    assert_int_equal(ruling().finding, BSC_FINDING_GOOD);
}

static void a_ceiling_holds_whatever_the_live_version_does(void **unused)
{
    (void)unused;
    struct bsc_judge_options options = bsc_judge_options_default();
    options.ceiling = 0.05;
    begin_with(5000, &options);
    for (unsigned i = 0; i < 20 * 30 && !bsc_judge_harm(&judge); i++)
        pass(50, 5, 0, 50, 5);
    assert_int_equal(ruling().proof, BSC_PROOF_CEILING);
    says("v2 fails 10 % of its requests (");
    says("the ceiling is 5 %");
    begin_with(5000, &options);
    for (unsigned i = 0; i < 20 * 30; i++)
        pass(50, i % 2, 0, 50, i % 2);
    assert_int_equal(ruling().finding, BSC_FINDING_GOOD);
}

/* -- affinity -------------------------------------------------------------------------------- */

static void fail_user(unsigned version, unsigned bucket)
{
    bad[version][bucket / 64] |= (uint64_t)1 << bucket % 64;
}

static void begin_by_user(void)
{
    begin(1000);
    sample.generation++;
    sample.drawing = BSC_DRAWN_BY_USER;
    sample.candidate.bad_buckets = bad[0];
    sample.live.bad_buckets = bad[1];
    fail_user(0, 7);
    fail_user(1, 8);
    bsc_judge_feed(&judge, &sample);
}

static void with_affinity_users_are_counted_and_not_their_requests(void **unused)
{
    (void)unused;
    begin_by_user();
    for (unsigned i = 0; i < 200; i++) {
        fail_user(0, 7); /* the same one again and again */
        pass(10, 5, 0, 90, 0);
    }
    assert_int_equal(ruling().slices, 0);
    assert_true(ruling().by_user);
    fail_user(1, 7); /* charged already: whoever it was, it is one user group */
    fail_user(1, 9);
    pass(10, 0, 0, 90, 2);
    assert_true(ruling().e < 1);
    assert_int_equal(judge.metrics[0].steady.windows, 0);
    assert_int_equal(ruling().finding, BSC_FINDING_GOOD);
}

static void with_affinity_many_users_with_errors_are_harm(void **unused)
{
    (void)unused;
    begin_by_user();
    for (unsigned i = 0; i < 100 && !bsc_judge_harm(&judge); i++) {
        fail_user(0, 100 + i);
        pass_slowly(10, 400000, 90, 20000); /* slow answers of users are not independent */
    }
    assert_int_equal(ruling().proof, BSC_PROOF_FAST);
    assert_int_equal(ruling().proved, BSC_METRIC_ERRORS);
}

/* -- names and extremes ---------------------------------------------------------------------- */

static void names_are_told(void **unused)
{
    (void)unused;
    assert_string_equal(bsc_finding_name(BSC_FINDING_HARM), "harm");
    assert_string_equal(bsc_proof_name(BSC_PROOF_BEFORE), "before");
    assert_string_equal(bsc_metric_name(BSC_METRIC_SLOW + 2), "p99");
}

static void a_text_that_is_too_long_is_cut(void **unused)
{
    (void)unused;
    char text[12];
    struct bsc_judgement it = { .finding = BSC_FINDING_HARM, .proof = BSC_PROOF_FAST };
    bsc_judgement_text(&it, "a-long-version", "v1", text, sizeof text);
    assert_string_equal(text, "a-long-vers");
    it.proved = BSC_METRIC_SLOW; /* nothing was counted, and nothing is divided by it */
    it.live_us[0] = 9600;
    char slow[256];
    bsc_judgement_text(&it, "v2", "v1", slow, sizeof slow);
    assert_non_null(strstr(slow, "the other's 9.6 ms"));
}

static void huge_counts_stay_finite(void **unused)
{
    (void)unused;
    begin(1);
    sample.candidate.latency = sample.live.latency = NULL;
    for (unsigned i = 0; i < 50; i++)
        pass(1u << 31, 1u << 31, 0, 1u << 31, 0);
    struct bsc_judgement it = ruling();
    assert_int_equal(it.finding, BSC_FINDING_HARM);
    assert_true(isfinite(it.e) && it.p >= 0 && it.p < 1e-6);
    assert_true(it.candidate.low > 0.99 && it.live.high < 0.01);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_data_is_inconclusive),
        cmocka_unit_test(little_data_says_how_much_is_missing_and_how_long_that_takes),
        cmocka_unit_test(enough_data_without_harm_is_good),
        cmocka_unit_test(a_version_that_fails_is_harm_by_the_fast_test),
        cmocka_unit_test(harm_once_found_stays),
        cmocka_unit_test(one_run_of_errors_is_one_event),
        cmocka_unit_test(errors_without_an_instance_are_one_more_instance),
        cmocka_unit_test(an_instance_charged_for_an_older_split_is_not_counted),
        cmocka_unit_test(more_instances_than_there_is_room_for_share_what_is_left),
        cmocka_unit_test(a_new_generation_and_counters_that_went_back_begin_anew),
        cmocka_unit_test(a_small_harm_is_found_by_the_steady_test),
        cmocka_unit_test(a_tolerated_risk_is_no_harm),
        cmocka_unit_test(a_slower_version_is_harm),
        cmocka_unit_test(what_slows_both_down_alarms_nobody),
        cmocka_unit_test(latency_can_be_left_out),
        cmocka_unit_test(without_a_known_latency_only_errors_are_judged),
        cmocka_unit_test(a_version_that_hangs_is_seen_before_its_requests_end),
        cmocka_unit_test(after_the_switch_the_candidate_is_compared_with_what_was_before),
        cmocka_unit_test(after_the_switch_a_little_more_is_no_harm),
        cmocka_unit_test(after_the_switch_one_burst_is_no_harm),
        cmocka_unit_test(after_the_switch_few_requests_say_nothing),
        cmocka_unit_test(after_the_switch_twice_the_latency_is_harm),
        cmocka_unit_test(after_the_switch_latency_is_not_judged_where_it_was_not_known),
        cmocka_unit_test(after_the_switch_a_little_slower_is_no_harm),
        cmocka_unit_test(where_users_are_chosen_by_rule_there_is_no_coin),
        cmocka_unit_test(without_a_share_of_the_traffic_there_is_no_coin),
        cmocka_unit_test(a_full_switch_begins_its_own_count),
        cmocka_unit_test(a_ceiling_holds_whatever_the_live_version_does),
        cmocka_unit_test(with_affinity_users_are_counted_and_not_their_requests),
        cmocka_unit_test(with_affinity_many_users_with_errors_are_harm),
        cmocka_unit_test(names_are_told),
        cmocka_unit_test(a_text_that_is_too_long_is_cut),
        cmocka_unit_test(huge_counts_stay_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
