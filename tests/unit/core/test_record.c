/* SPDX-License-Identifier: Apache-2.0
 * Records of the history: how one becomes live and what that makes of the one before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/record.h"

static void the_one_before_is_replaced(void **unused)
{
    (void)unused;
    struct bsc_record old = { .id = 1, .status = BSC_RECORD_LIVE, .switched_at_ms = 10 };
    struct bsc_record next = { .id = 2, .status = BSC_RECORD_READY };
    bsc_record_go_live(&next, &old, false, 20);
    assert_int_equal(next.status, BSC_RECORD_LIVE);
    assert_int_equal(next.switched_at_ms, 20);
    assert_int_equal(next.rolled_back_at_ms, 0);
    assert_int_equal(old.status, BSC_RECORD_REPLACED);
    assert_int_equal(old.switched_at_ms, 10);
    assert_int_equal(old.rolled_back_at_ms, 0);
}

static void an_undone_one_is_rolled_back_now(void **unused)
{
    (void)unused;
    struct bsc_record old = { .id = 1, .status = BSC_RECORD_LIVE, .switched_at_ms = 10 };
    struct bsc_record next = { .id = 2, .status = BSC_RECORD_IN_PROGRESS };
    bsc_record_go_live(&next, &old, true, 20);
    assert_int_equal(next.status, BSC_RECORD_LIVE);
    assert_int_equal(old.status, BSC_RECORD_ROLLED_BACK);
    assert_int_equal(old.rolled_back_at_ms, 20);
}

static void the_first_has_none_before_it(void **unused)
{
    (void)unused;
    struct bsc_record next = { .id = 1, .status = BSC_RECORD_READY };
    bsc_record_go_live(&next, NULL, false, 20);
    assert_int_equal(next.status, BSC_RECORD_LIVE);
}

static void one_that_was_not_live_keeps_its_ending(void **unused)
{
    (void)unused;
    static const enum bsc_record_status endings[] = { BSC_RECORD_FAILED, BSC_RECORD_REPLACED,
                                                      BSC_RECORD_ROLLED_BACK };
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        struct bsc_record old = { .id = 1, .status = endings[i] }, next = { .id = 2 };
        bsc_record_go_live(&next, &old, true, 20);
        assert_int_equal(old.status, endings[i]);
        assert_int_equal(old.rolled_back_at_ms, 0);
    }
}

/* The traffic moves first and is watched; the record becomes live later. */
static void the_time_of_the_switch_is_that_of_the_traffic(void **unused)
{
    (void)unused;
    struct bsc_record next = { .id = 1, .status = BSC_RECORD_READY, .switched_at_ms = 15 };
    bsc_record_go_live(&next, NULL, false, 20);
    assert_int_equal(next.switched_at_ms, 15);
}

static void names_are_read_back(void **unused)
{
    (void)unused;
    enum bsc_record_status status;
    for (unsigned i = 0; i < BSC_RECORD_STATUS_COUNT; i++) {
        status = BSC_RECORD_STATUS_COUNT;
        assert_true(
            bsc_record_status_parse(bsc_record_status_name((enum bsc_record_status)i), &status));
        assert_int_equal(status, i);
    }
    assert_false(bsc_record_status_parse("rolled_back", &status));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_one_before_is_replaced),
        cmocka_unit_test(an_undone_one_is_rolled_back_now),
        cmocka_unit_test(the_first_has_none_before_it),
        cmocka_unit_test(one_that_was_not_live_keeps_its_ending),
        cmocka_unit_test(the_time_of_the_switch_is_that_of_the_traffic),
        cmocka_unit_test(names_are_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
