/* SPDX-License-Identifier: Apache-2.0
 * How much load there is when, and when each request is due. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "load/shape.h"

#define SHAPE(start, ...)                                                                        \
    {                                                                                            \
        start, sizeof((struct bsc_load_stage[]){ __VA_ARGS__ }) / sizeof(struct bsc_load_stage), \
            (const struct bsc_load_stage[])                                                      \
        {                                                                                        \
            __VA_ARGS__                                                                          \
        }                                                                                        \
    }

static void a_level_goes_in_straight_lines_and_jumps(void **unused)
{
    (void)unused;
    struct bsc_load_shape shape = SHAPE(10, { 1000, 20 }, { 0, 100 }, { 2000, 100 }, { 1000, 0 });
    assert_int_equal(bsc_load_shape_us(&shape), 4000000);
    assert_float_equal(bsc_load_shape_peak(&shape), 100, 1e-9);
    assert_float_equal(bsc_load_shape_at(&shape, 0), 10, 1e-9);
    assert_float_equal(bsc_load_shape_at(&shape, 500000), 15, 1e-9);
    assert_float_equal(bsc_load_shape_at(&shape, 1000000), 100, 1e-9);
    assert_float_equal(bsc_load_shape_at(&shape, 3500000), 50, 1e-9);
    assert_float_equal(bsc_load_shape_at(&shape, 9000000), 0, 1e-9);
}

static void a_constant_rate_is_due_at_equal_distances(void **unused)
{
    (void)unused;
    struct bsc_load_shape shape = SHAPE(100, { 1000, 100 });
    for (uint64_t i = 0; i < 100; i++)
        assert_in_range(bsc_load_shape_due_us(&shape, i), i ? i * 10000 - 1 : 0, i * 10000 + 1);
    assert_true(bsc_load_shape_due_us(&shape, 100) == INT64_MAX);
}

static void a_ramp_gives_as_many_requests_as_the_area_below_it(void **unused)
{
    (void)unused;
    struct bsc_load_shape shape = SHAPE(0, { 10000, 100 }, { 0, 200 }, { 1000, 200 }, { 4000, 0 });
    uint64_t count = 0;
    int64_t before_us = -1, due_us;
    for (; (due_us = bsc_load_shape_due_us(&shape, count)) != INT64_MAX; count++) {
        assert_true(due_us >= before_us);
        assert_true(due_us <= bsc_load_shape_us(&shape));
        before_us = due_us;
    }
    assert_in_range(count, 1099, 1101); /* 500 + 200 + 400 */
    /* A quarter of the ramp's requests are due at half of its time. */
    assert_in_range(bsc_load_shape_due_us(&shape, 125), 4999000, 5001000);
}

static void stages_without_load_are_waited_out(void **unused)
{
    (void)unused;
    struct bsc_load_shape shape = SHAPE(0, { 3000, 0 }, { 0, 10 }, { 1000, 10 });
    assert_in_range(bsc_load_shape_due_us(&shape, 0), 2999999, 3000001);
    assert_in_range(bsc_load_shape_due_us(&shape, 9), 3899999, 3900001);
    assert_true(bsc_load_shape_due_us(&shape, 10) == INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_level_goes_in_straight_lines_and_jumps),
        cmocka_unit_test(a_constant_rate_is_due_at_equal_distances),
        cmocka_unit_test(a_ramp_gives_as_many_requests_as_the_area_below_it),
        cmocka_unit_test(stages_without_load_are_waited_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
