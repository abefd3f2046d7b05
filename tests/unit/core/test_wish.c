/* SPDX-License-Identifier: Apache-2.0
 * What one deployment may wish otherwise, and how shares of the traffic are written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/wish.h"

static void shares_are_read_down_to_a_hundredth_of_a_percent(void **unused)
{
    (void)unused;
    static const struct {
        const char *text;
        unsigned share_bp; /* 0: refused */
    } cases[] = {
        { "5", 500 },       { "5%", 500 }, { " 12.5 % ", 1250 }, { "0.01", 1 },
        { "99.99%", 9999 }, { "0.1", 10 }, { "050", 5000 },      { "", 0 },
        { "0", 0 },         { "0.00", 0 }, { "100", 0 },         { "100.01", 0 },
        { "0.001", 0 },     { "5.", 0 },   { ".5", 0 },          { "5%%", 0 },
        { "-5", 0 },        { "5 6", 0 },  { "1000", 0 },        { "five", 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned share_bp = 0;
        bool good = bsc_share_parse(cases[i].text, strlen(cases[i].text), &share_bp);
        assert_int_equal(good, cases[i].share_bp != 0);
        if (good)
            assert_int_equal(share_bp, cases[i].share_bp);
    }
}

static void every_share_is_read_as_it_is_written(void **unused)
{
    (void)unused;
    for (unsigned share_bp = 1; share_bp < BSC_WEIGHT_FULL_BP; share_bp++) {
        char text[BSC_SHARE_BYTES];
        unsigned read;
        bsc_share_format(share_bp, text);
        assert_true(bsc_share_parse(text, strlen(text), &read));
        assert_int_equal(read, share_bp);
    }
}

static void steps_rise_and_are_few(void **unused)
{
    (void)unused;
    struct bsc_canary_steps steps;
    struct bsc_error error;
    assert_int_equal(bsc_canary_steps_parse("5, 25%,50.5", &steps, &error), BSC_OK);
    assert_int_equal(steps.count, 3);
    assert_int_equal(steps.weight_bp[0], 500);
    assert_int_equal(steps.weight_bp[2], 5050);
    static const char *const wrong[] = { "",
                                         "5,",
                                         "5,5",
                                         "25,5",
                                         "5;25",
                                         "5,100",
                                         "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21",
                                         "this is far too long to be one of the percentages" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(bsc_canary_steps_parse(wrong[i], &steps, &error), BSC_INVALID);
        assert_non_null(strstr(error.text, "rising percentages"));
    }
}

static void a_wish_changes_only_what_it_names(void **unused)
{
    (void)unused;
    struct bsc_spec spec = { .deploy = { .strategy = BSC_STRATEGY_CANARY, .bake_ms = 7 } };
    struct bsc_deploy_wish wish = { 0 };
    struct bsc_error error;
    assert_int_equal(bsc_deploy_wish_apply(&wish, &spec, &error), BSC_OK);
    assert_int_equal(spec.deploy.strategy, BSC_STRATEGY_CANARY);
    assert_int_equal(spec.deploy.bake_ms, 7);
    wish.has_bake = true;
    wish.steps = (struct bsc_canary_steps){ 1, { 42 } };
    assert_int_equal(bsc_deploy_wish_apply(&wish, &spec, &error), BSC_OK);
    assert_int_equal(spec.deploy.bake_ms, 0);
    assert_int_equal(spec.deploy.steps.weight_bp[0], 42);
}

static void steps_are_for_a_canary(void **unused)
{
    (void)unused;
    struct bsc_spec spec = { .deploy = { .strategy = BSC_STRATEGY_CANARY } };
    struct bsc_deploy_wish wish = { .has_strategy = true,
                                    .strategy = BSC_STRATEGY_ROLLING,
                                    .steps = { 1, { 42 } } };
    struct bsc_error error;
    assert_int_equal(bsc_deploy_wish_apply(&wish, &spec, &error), BSC_INVALID);
    assert_non_null(strstr(error.text, "canary"));
}

static void answers_of_tcp_are_not_compared(void **unused)
{
    (void)unused;
    struct bsc_spec spec = { .speech = BSC_SPEECH_TCP };
    struct bsc_deploy_wish wish = { .has_strategy = true, .strategy = BSC_STRATEGY_SHADOW };
    struct bsc_error error;
    assert_int_equal(bsc_deploy_wish_apply(&wish, &spec, &error), BSC_INVALID);
    assert_non_null(strstr(error.text, "speaks tcp"));
    spec.speech = BSC_SPEECH_HTTP1;
    assert_int_equal(bsc_deploy_wish_apply(&wish, &spec, &error), BSC_OK);
}

static void an_amount_is_a_number_or_a_share_of_the_whole(void **unused)
{
    (void)unused;
    assert_int_equal(bsc_amount_of((struct bsc_amount){ 3, false }, 4, true), 3);
    assert_int_equal(bsc_amount_of((struct bsc_amount){ 9, false }, 4, true), 4);
    assert_int_equal(bsc_amount_of((struct bsc_amount){ 30, true }, 4, true), 2);
    assert_int_equal(bsc_amount_of((struct bsc_amount){ 30, true }, 4, false), 1);
    assert_int_equal(bsc_amount_of((struct bsc_amount){ 100, true }, 4, true), 4);
}

static void one_instance_always_stays(void **unused)
{
    (void)unused;
    struct bsc_spec spec = { .deploy = { .max_unavailable = { 2, false } } };
    assert_int_equal(bsc_spec_capacity(&spec, 4), 2);
    assert_int_equal(bsc_spec_capacity(&spec, 2), 1);
    assert_int_equal(bsc_spec_capacity(&spec, 1), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_are_read_down_to_a_hundredth_of_a_percent),
        cmocka_unit_test(every_share_is_read_as_it_is_written),
        cmocka_unit_test(steps_rise_and_are_few),
        cmocka_unit_test(a_wish_changes_only_what_it_names),
        cmocka_unit_test(answers_of_tcp_are_not_compared),
        cmocka_unit_test(steps_are_for_a_canary),
        cmocka_unit_test(an_amount_is_a_number_or_a_share_of_the_whole),
        cmocka_unit_test(one_instance_always_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
