/* SPDX-License-Identifier: Apache-2.0
 * Tests of core/analysis/confidence.h, and of what the judge makes of it. How often it errs is
 * measured in tests/stat. */
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

static void begin(unsigned weight_bp, double margin, double ceiling)
{
    struct bsc_judge_options options = bsc_judge_options_default();
    options.margin = margin;
    options.ceiling = ceiling;
    sample = (struct bsc_sample){ .at_ms = 1000, .generation = 1, .weight_bp = weight_bp };
    bsc_judge_init(&judge, &options, NULL);
    bsc_judge_feed(&judge, &sample);
}

/* So many tenths of a second, in each of which the versions answered 50 requests. */
static void pass(unsigned tenths, unsigned candidate_errors, unsigned live_errors)
{
    for (unsigned i = 0; i < tenths; i++) {
        sample.at_ms += 100;
        sample.candidate.units += 50;
        sample.live.units += 50;
        sample.candidate.errors += candidate_errors;
        sample.live.errors += live_errors;
        bsc_judge_feed(&judge, &sample);
    }
}

static void says(const char *wanted)
{
    char text[512];
    struct bsc_judgement it;
    bsc_judge_rule(&judge, &it);
    bsc_judgement_text(&it, "v2", "v1", text, sizeof text);
    if (!strstr(text, wanted))
        fail_msg("\"%s\" is not in \"%s\"", wanted, text);
}

static void the_turned_e_process_is_a_fair_game_at_the_margin(void **unused)
{
    (void)unused;
    struct bsc_eprocess candidate, live;
    double weight = 0.2, margin = 1.25, share = weight * margin / (weight * margin + 1 - weight);
    bsc_eprocess_init(&candidate);
    bsc_eprocess_init(&live);
    bsc_eprocess_add_below(&candidate, weight, margin, 1, 0);
    bsc_eprocess_add_below(&live, weight, margin, 0, 1);
    double mean =
        share * exp(bsc_eprocess_log(&candidate)) + (1 - share) * exp(bsc_eprocess_log(&live));
    assert_true(fabs(mean - 1) < 1e-12);
    assert_true(bsc_eprocess_log(&live) > 0);
}

static void a_version_without_errors_beside_one_that_has_some_is_shown_to_be_no_worse(void **unused)
{
    (void)unused;
    begin(5000, 1.25, 0);
    pass(10, 0, 1);
    assert_false(bsc_judge_confident(&judge));
    says("it is not shown yet to fail less than 1.25 times as many");
    pass(60, 0, 1);
    assert_true(bsc_judge_confident(&judge));
    says("it is shown to be no worse than the margin");
}

static void many_errors_of_both_are_compared_over_windows(void **unused)
{
    (void)unused;
    begin(5000, 1.25, 0);
    pass(290, 2, 2);
    assert_false(bsc_judge_confident(&judge));
    pass(20, 2, 2);
    assert_true(bsc_judge_confident(&judge));
}

static void windows_without_enough_errors_show_nothing(void **unused)
{
    (void)unused;
    begin(5000, 1.25, 0);
    for (unsigned i = 0; i < 40; i++) { /* one of the live version in a second */
        pass(9, 0, 0);
        pass(1, i % 2, 1);
    }
    assert_true(judge.confidence.expected < BSC_CONFIDENCE_EXPECTED);
    assert_false(bsc_judge_confident(&judge));
}

static void a_run_of_errors_of_the_live_version_shows_little(void **unused)
{
    (void)unused;
    begin(5000, 1.25, 0);
    pass(2, 0, 50);
    assert_int_equal(judge.confidence.slices, 1);
    assert_false(bsc_judge_confident(&judge));
}

static void without_errors_only_a_ceiling_can_show_something(void **unused)
{
    (void)unused;
    begin(5000, 1.25, 0);
    pass(600, 0, 0);
    assert_false(bsc_judge_confident(&judge));
    begin(5000, 1.25, 0.02);
    pass(5, 0, 0);
    assert_false(bsc_judge_confident(&judge));
    pass(30, 0, 0);
    assert_true(bsc_judge_confident(&judge));
}

static void nothing_is_shown_where_nothing_is_asked_or_no_coin_is_tossed(void **unused)
{
    (void)unused;
    begin(5000, 0, 0.02);
    pass(100, 0, 1);
    assert_false(bsc_judge_confident(&judge));
    begin(10000, 1.25, 0);
    pass(100, 0, 1);
    assert_false(bsc_judge_confident(&judge));
    says("no harm seen");
    begin(5000, 1.25, 0);
    sample.drawing = BSC_DRAWN_BY_USER;
    sample.generation++;
    pass(100, 0, 1);
    assert_false(bsc_judge_confident(&judge));
}

static void windows_that_one_version_was_not_asked_in_are_none(void **unused)
{
    (void)unused;
    struct bsc_confidence confidence = { 0 };
    const struct bsc_tally errors = { 0, 1 };
    bsc_confidence_close(&confidence, 1.25, &errors, &(struct bsc_tally){ 0, 10 });
    bsc_confidence_close(&confidence, 1.25, &errors, &(struct bsc_tally){ 10, 0 });
    assert_int_equal(confidence.steady.windows, 0);
    bsc_confidence_close(&confidence, 1.25, &errors, &(struct bsc_tally){ 10, 10 });
    assert_int_equal(confidence.steady.windows, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_turned_e_process_is_a_fair_game_at_the_margin),
        cmocka_unit_test(a_version_without_errors_beside_one_that_has_some_is_shown_to_be_no_worse),
        cmocka_unit_test(many_errors_of_both_are_compared_over_windows),
        cmocka_unit_test(windows_without_enough_errors_show_nothing),
        cmocka_unit_test(a_run_of_errors_of_the_live_version_shows_little),
        cmocka_unit_test(without_errors_only_a_ceiling_can_show_something),
        cmocka_unit_test(nothing_is_shown_where_nothing_is_asked_or_no_coin_is_tossed),
        cmocka_unit_test(windows_that_one_version_was_not_asked_in_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
