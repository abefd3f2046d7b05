/* SPDX-License-Identifier: Apache-2.0
 * Tests of core/histogram.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/histogram.h"

static void every_value_lies_at_or_below_the_upper_edge_of_its_bucket(void **unused)
{
    (void)unused;
    for (uint64_t value = 0; value < 3600000000ull; value += value / 37 + 1) {
        unsigned bucket = bsc_histogram_bucket(value);
        assert_true(bucket < BSC_HISTOGRAM_BUCKETS);
        assert_true(value <= bsc_histogram_upper_us(bucket));
        if (bucket)
            assert_true(value > bsc_histogram_upper_us(bucket - 1));
    }
}

static void an_edge_is_at_most_a_sixteenth_above_the_value(void **unused)
{
    (void)unused;
    for (uint64_t value = 1; value < 3600000000ull; value += value / 41 + 1) {
        uint64_t upper = bsc_histogram_upper_us(bsc_histogram_bucket(value));
        assert_true((upper - value) * 16 <= value);
    }
}

static void values_beyond_an_hour_count_as_an_hour(void **unused)
{
    (void)unused;
    unsigned hour = bsc_histogram_bucket(3600000000ull);
    assert_int_equal(bsc_histogram_bucket(UINT64_MAX), hour);
    assert_true(hour < BSC_HISTOGRAM_BUCKETS);
}

static void quantiles_of_a_known_distribution_are_right(void **unused)
{
    (void)unused;
    uint64_t counts[BSC_HISTOGRAM_BUCKETS] = { 0 };
    for (uint64_t value = 1; value <= 1000; value++)
        counts[bsc_histogram_bucket(value * 100)]++;
    uint64_t median = bsc_histogram_quantile(counts, 0.5);
    uint64_t p99 = bsc_histogram_quantile(counts, 0.99);
    assert_true(median >= 50000 && median <= 50000 * 17 / 16);
    assert_true(p99 >= 99000 && p99 <= 99000 * 17 / 16);
    assert_int_equal(bsc_histogram_quantile(counts, 0),
                     bsc_histogram_upper_us(bsc_histogram_bucket(100)));
    assert_int_equal(bsc_histogram_quantile(counts, 1),
                     bsc_histogram_upper_us(bsc_histogram_bucket(100000)));
}

static void a_quantile_between_two_values_is_the_upper_one(void **unused)
{
    (void)unused;
    uint64_t counts[BSC_HISTOGRAM_BUCKETS] = { [3] = 1, [5] = 1, [20] = 1 };
    assert_int_equal(bsc_histogram_quantile(counts, 0.3), bsc_histogram_upper_us(3));
    assert_int_equal(bsc_histogram_quantile(counts, 0.5), bsc_histogram_upper_us(5));
    assert_int_equal(bsc_histogram_quantile(counts, 0.7), bsc_histogram_upper_us(20));
}

static void a_histogram_without_values_has_no_quantile(void **unused)
{
    (void)unused;
    uint64_t counts[BSC_HISTOGRAM_BUCKETS] = { 0 };
    assert_int_equal(bsc_histogram_quantile(counts, 0.5), 0);
}

static void a_quantile_beyond_its_range_is_the_first_or_the_last_value(void **unused)
{
    (void)unused;
    uint64_t counts[BSC_HISTOGRAM_BUCKETS] = { [3] = 1, [20] = 1 };
    assert_int_equal(bsc_histogram_quantile(counts, 0.0), bsc_histogram_upper_us(3));
    assert_int_equal(bsc_histogram_quantile(counts, 1.0), bsc_histogram_upper_us(20));
    assert_int_equal(bsc_histogram_quantile(counts, 1.5), bsc_histogram_upper_us(20));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_lies_at_or_below_the_upper_edge_of_its_bucket),
        cmocka_unit_test(an_edge_is_at_most_a_sixteenth_above_the_value),
        cmocka_unit_test(values_beyond_an_hour_count_as_an_hour),
        cmocka_unit_test(quantiles_of_a_known_distribution_are_right),
        cmocka_unit_test(a_quantile_between_two_values_is_the_upper_one),
        cmocka_unit_test(a_histogram_without_values_has_no_quantile),
        cmocka_unit_test(a_quantile_beyond_its_range_is_the_first_or_the_last_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
