/* SPDX-License-Identifier: Apache-2.0
 * Tests of base/statuses.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/statuses.h"

static void a_set_has_what_was_added_and_nothing_else(void **unused)
{
    (void)unused;
    struct bsc_statuses set = { { 0 } };
    assert_true(bsc_statuses_empty(&set));
    bsc_statuses_add(&set, 500, 599);
    bsc_statuses_add(&set, 429, 429);
    for (unsigned status = 0; status < 2000; status++)
        assert_int_equal(bsc_statuses_have(&set, status),
                         status == 429 || (status >= 500 && status <= 599));
    assert_false(bsc_statuses_empty(&set));
}

static void runs_are_found_in_their_order_and_neighbours_are_one(void **unused)
{
    (void)unused;
    struct bsc_statuses set = { { 0 } };
    unsigned low, high;
    bsc_statuses_add(&set, 599, 599);
    bsc_statuses_add(&set, 100, 100);
    bsc_statuses_add(&set, 300, 350);
    bsc_statuses_add(&set, 351, 400);
    assert_true(bsc_statuses_run(&set, 0, &low, &high));
    assert_int_equal(low, 100);
    assert_int_equal(high, 100);
    assert_true(bsc_statuses_run(&set, high + 1, &low, &high));
    assert_int_equal(low, 300);
    assert_int_equal(high, 400);
    assert_true(bsc_statuses_run(&set, high + 1, &low, &high));
    assert_int_equal(low, 599);
    assert_int_equal(high, 599);
    assert_false(bsc_statuses_run(&set, high + 1, &low, &high));
}

static void sets_are_added_and_taken_away(void **unused)
{
    (void)unused;
    struct bsc_statuses set = { { 0 } }, other = { { 0 } };
    bsc_statuses_add(&set, 500, 599);
    bsc_statuses_add(&other, 503, 503);
    bsc_statuses_remove_all(&set, &other);
    assert_false(bsc_statuses_have(&set, 503));
    assert_true(bsc_statuses_have(&set, 504));
    bsc_statuses_add_all(&set, &other);
    assert_true(bsc_statuses_have(&set, 503));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_has_what_was_added_and_nothing_else),
        cmocka_unit_test(runs_are_found_in_their_order_and_neighbours_are_one),
        cmocka_unit_test(sets_are_added_and_taken_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
