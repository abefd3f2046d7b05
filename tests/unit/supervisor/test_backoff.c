/* SPDX-License-Identifier: Apache-2.0
 * What dies once is back at once; what dies again and again is started ever more slowly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "supervisor/backoff.h"

static void quick_deaths_wait_longer_and_longer_up_to_five_seconds(void **unused)
{
    (void)unused;
    struct bsc_backoff backoff = { .settled_ms = 1000 };
    static const int64_t expected[] = { 0, 50, 100, 200, 400, 800, 1600, 3200, 5000, 5000 };
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_int_equal(bsc_backoff_delay(&backoff, 10), expected[i]);
}

static void whoever_had_settled_is_back_at_once(void **unused)
{
    (void)unused;
    struct bsc_backoff backoff = { .settled_ms = 1000 };
    for (int i = 0; i < 8; i++)
        bsc_backoff_delay(&backoff, 10);
    assert_int_equal(bsc_backoff_delay(&backoff, 1000), 0);
    assert_int_equal(bsc_backoff_delay(&backoff, 999), 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quick_deaths_wait_longer_and_longer_up_to_five_seconds),
        cmocka_unit_test(whoever_had_settled_is_back_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
