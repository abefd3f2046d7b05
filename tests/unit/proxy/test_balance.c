/* SPDX-License-Identifier: Apache-2.0
 * Tests of proxy/balance.h and proxy/random.h. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/balance.h"

static struct bsc_instance shared[3];
static struct bsc_local_instance instances[3];
static struct bsc_local_instance *items[3] = { &instances[0], &instances[1], &instances[2] };
static struct bsc_arrangement arrangement;
static struct bsc_random source;

static struct bsc_choice fresh_choice(void)
{
    for (int i = 0; i < 3; i++)
        instances[i] = (struct bsc_local_instance){ .shared = &shared[i], .weight = 1 };
    return (struct bsc_choice){
        .count = 3, .items = items, .weight_sum = 3, .arrangement = &arrangement
    };
}

static long place(struct bsc_choice *choice, const struct bsc_placing *placing)
{
    struct bsc_local_instance *instance = bsc_balance_instance(choice, placing);
    return instance ? instance - instances : -1;
}

static long chosen(struct bsc_choice *choice, enum bsc_balancing how, int except)
{
    struct bsc_placing placing = { .how = how,
                                   .except = except < 0 ? NULL : &instances[except],
                                   .now_ms = 1000,
                                   .random = &source };
    return place(choice, &placing);
}

static void the_coin_lands_as_often_as_the_weight_says(void **unused)
{
    (void)unused;
    static const unsigned weights_bp[] = { 1, 500, 2500, 5000, 9999 };
    enum { TOSSES = 1000000 };
    struct bsc_random random;
    bsc_random_seed(&random);
    for (unsigned i = 0; i < sizeof weights_bp / sizeof weights_bp[0]; i++) {
        struct bsc_split split = { .weight_bp = { 10000 - weights_bp[i], weights_bp[i] } };
        unsigned green = 0;
        for (unsigned toss = 0; toss < TOSSES; toss++)
            green += bsc_balance_slot(&split, &random) == BSC_GREEN;
        double expected = TOSSES * (weights_bp[i] / 10000.0);
        double deviation = sqrt(expected * (1 - weights_bp[i] / 10000.0));
        assert_true(fabs(green - expected) < 7 * deviation);
    }
}

static void successive_tosses_do_not_depend_on_each_other(void **unused)
{
    (void)unused;
    enum { TOSSES = 1000000 };
    struct bsc_random random;
    struct bsc_split split = { .weight_bp = { 5000, 5000 } };
    bsc_random_seed(&random);
    unsigned same = 0;
    enum bsc_slot before = bsc_balance_slot(&split, &random);
    for (unsigned toss = 0; toss < TOSSES; toss++) {
        enum bsc_slot now = bsc_balance_slot(&split, &random);
        same += now == before;
        before = now;
    }
    assert_true(abs((int)same - TOSSES / 2) < 7 * 500);
}

static void a_slot_without_weight_gets_nothing(void **unused)
{
    (void)unused;
    struct bsc_random random;
    struct bsc_split blue = { .weight_bp = { 10000, 0 } }, green = { .weight_bp = { 0, 10000 } };
    bsc_random_seed(&random);
    for (unsigned toss = 0; toss < 100000; toss++) {
        assert_int_equal(bsc_balance_slot(&blue, &random), BSC_BLUE);
        assert_int_equal(bsc_balance_slot(&green, &random), BSC_GREEN);
    }
}

static void round_robin_takes_turns(void **unused)
{
    (void)unused;
    struct bsc_choice choice = fresh_choice();
    for (int i = 0; i < 9; i++)
        assert_int_equal(chosen(&choice, BSC_BALANCING_ROUND_ROBIN, -1), i % 3);
}

static void the_busiest_of_all_gets_nothing_by_least_requests(void **unused)
{
    (void)unused;
    struct bsc_choice choice = fresh_choice();
    unsigned counts[3] = { 0 };
    instances[0].active = 5;
    instances[1].active = 2;
    instances[2].active = 7;
    for (int i = 0; i < 3000; i++)
        counts[chosen(&choice, BSC_BALANCING_LEAST_REQUESTS, -1)]++;
    assert_int_equal(counts[2], 0);
    assert_true(counts[1] > 1800 && counts[1] < 2200); /* it is in two pairs of three */
}

static void least_requests_keeps_instances_even(void **unused)
{
    (void)unused;
    struct bsc_choice choice = fresh_choice();
    for (int i = 0; i < 3000; i++)
        instances[chosen(&choice, BSC_BALANCING_LEAST_REQUESTS, -1)].active++;
    for (int i = 0; i < 3; i++)
        assert_true(instances[i].active >= 990 && instances[i].active <= 1010);
}

static void the_one_that_failed_and_those_to_avoid_are_the_last_resort(void **unused)
{
    (void)unused;
    for (int how = BSC_BALANCING_ROUND_ROBIN; how <= BSC_BALANCING_LEAST_REQUESTS; how++) {
        struct bsc_choice choice = fresh_choice();
        instances[0].avoid_until_ms = 2000;
        instances[2].active = 9;
        for (int i = 0; i < 4; i++)
            assert_int_equal(chosen(&choice, (enum bsc_balancing)how, 1), 2);
        instances[2].avoid_until_ms = 2000;
        for (int i = 0; i < 4; i++)
            assert_int_not_equal(chosen(&choice, (enum bsc_balancing)how, 1), 1);
        choice.count = 2;
        instances[0].avoid_until_ms = 1000; /* over */
        for (int i = 0; i < 4; i++)
            assert_int_equal(chosen(&choice, (enum bsc_balancing)how, 1), 0);
        choice.count = 1;
        choice.cursor = 0;
        assert_int_equal(chosen(&choice, (enum bsc_balancing)how, 0), 0);
    }
}

static void nothing_comes_out_of_nothing(void **unused)
{
    (void)unused;
    struct bsc_choice choice = { 0 };
    assert_int_equal(chosen(&choice, BSC_BALANCING_ROUND_ROBIN, -1), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_coin_lands_as_often_as_the_weight_says),
        cmocka_unit_test(successive_tosses_do_not_depend_on_each_other),
        cmocka_unit_test(a_slot_without_weight_gets_nothing),
        cmocka_unit_test(round_robin_takes_turns),
        cmocka_unit_test(the_busiest_of_all_gets_nothing_by_least_requests),
        cmocka_unit_test(least_requests_keeps_instances_even),
        cmocka_unit_test(the_one_that_failed_and_those_to_avoid_are_the_last_resort),
        cmocka_unit_test(nothing_comes_out_of_nothing),
    };
    bsc_random_seed(&source);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
