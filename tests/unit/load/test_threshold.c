/* SPDX-License-Identifier: Apache-2.0
 * What is counted of a load test, and the thresholds that judge it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "load/threshold.h"

enum { SECOND_US = 1000000 };

static struct bsc_load_counts *counts_new(void)
{
    struct bsc_load_counts *counts = bsc_alloc(sizeof *counts);
    counts->requests = bsc_alloc(2 * sizeof *counts->requests);
    counts->planned_us = counts->elapsed_us = 10 * SECOND_US;
    return counts;
}

static void counts_free(struct bsc_load_counts *counts)
{
    free(counts->requests);
    free(counts);
}

static void judged(const struct bsc_load_counts *counts, enum bsc_load_metric metric,
                   const char *text, bool met)
{
    struct bsc_load_threshold threshold;
    struct bsc_error error;
    assert_int_equal(bsc_load_threshold_parse(metric, text, &threshold, &error), BSC_OK);
    assert_int_equal(bsc_load_judge(&threshold, counts).met, met);
}

static void quantiles_are_found_within_a_sixteenth(void **unused)
{
    (void)unused;
    struct bsc_load_counts *counts = counts_new();
    for (unsigned i = 1; i <= 1000; i++)
        bsc_load_count(counts, 0, i * 10000, i * 1000, BSC_LOAD_FINE, 200);
    for (unsigned percent = 50; percent < 100; percent += 5) {
        double exact = percent * 10000, found = bsc_load_quantile_us(&counts->all, percent / 100.0);
        assert_true(found > exact * 15 / 16 && found < exact * 17 / 16);
    }
    assert_float_equal(bsc_load_quantile_us(&counts->all, 1), 1000000, 1);
    assert_int_equal(counts->all.max_us, 1000000);
    counts_free(counts);
}

static void thresholds_hold_or_are_broken(void **unused)
{
    (void)unused;
    struct bsc_load_counts *counts = counts_new();
    for (unsigned i = 0; i < 2000; i++)
        bsc_load_count(counts, i % 2, i * 5000, 100000, i % 100 ? BSC_LOAD_FINE : BSC_LOAD_STATUS,
                       i % 100 ? 200 : 503);
    assert_int_equal(counts->statuses[503], 20);
    assert_int_equal(counts->requests[0].errors, 20);
    assert_int_equal(counts->requests[1].errors, 0);
    judged(counts, BSC_LOAD_P95, "< 500ms", true);
    judged(counts, BSC_LOAD_P95, "500ms", true);
    judged(counts, BSC_LOAD_P95, "< 50ms", false);
    judged(counts, BSC_LOAD_P99, "< 900us", false);
    judged(counts, BSC_LOAD_MAX, "<= 100ms", true);
    judged(counts, BSC_LOAD_MAX, "< 100ms", false);
    judged(counts, BSC_LOAD_RATE, "> 197/s", true); /* of 200/s, one in a hundred fails */
    judged(counts, BSC_LOAD_RATE, "> 198/s", false);
    judged(counts, BSC_LOAD_RATE, ">= 198/s", true);
    judged(counts, BSC_LOAD_RATE, "11880/m", true);
    judged(counts, BSC_LOAD_ERRORS, "< 1%", false);
    judged(counts, BSC_LOAD_ERRORS, "1%", true);
    judged(counts, BSC_LOAD_ERRORS, "< 1.1 %", true);
    judged(counts, BSC_LOAD_STABLE, "< 1%", true);
    counts_free(counts);
}

static void without_a_request_nothing_holds(void **unused)
{
    (void)unused;
    struct bsc_load_counts *counts = counts_new();
    judged(counts, BSC_LOAD_P95, "< 500ms", false);
    judged(counts, BSC_LOAD_ERRORS, "< 100%", false);
    judged(counts, BSC_LOAD_RATE, ">= 0/s", false);
    judged(counts, BSC_LOAD_STABLE, "< 1000%", false);
    counts_free(counts);
}

static void a_tenth_that_is_slower_is_not_stable(void **unused)
{
    (void)unused;
    struct bsc_load_counts *counts = counts_new();
    double drift = 0;
    for (unsigned i = 0; i < 1000; i++)
        bsc_load_count(counts, 0, i * 10000, i / 100 == 7 ? 80000 : 20000, BSC_LOAD_FINE, 200);
    assert_true(bsc_load_drift(counts, &drift));
    assert_true(drift > 2.5 && drift < 3.5);
    judged(counts, BSC_LOAD_STABLE, "< 100%", false);
    judged(counts, BSC_LOAD_STABLE, "< 400%", true);
    counts_free(counts);
}

static void limits_are_read_strictly(void **unused)
{
    static const struct {
        enum bsc_load_metric metric;
        const char *text;
    } bad[] = {
        { BSC_LOAD_P95, "" },        { BSC_LOAD_P95, "> 500ms" }, { BSC_LOAD_P95, "500" },
        { BSC_LOAD_P95, "< -5ms" },  { BSC_LOAD_P95, "< 5us5" },  { BSC_LOAD_RATE, "< 10/s" },
        { BSC_LOAD_RATE, "10" },     { BSC_LOAD_RATE, "10/x" },   { BSC_LOAD_RATE, "1000000000/s" },
        { BSC_LOAD_ERRORS, "0.1" },  { BSC_LOAD_ERRORS, "1.%" },  { BSC_LOAD_ERRORS, "> 1%" },
        { BSC_LOAD_STABLE, "10%%" },
    };
    (void)unused;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct bsc_load_threshold threshold;
        struct bsc_error error;
        assert_int_equal(bsc_load_threshold_parse(bad[i].metric, bad[i].text, &threshold, &error),
                         BSC_INVALID);
        assert_non_null(strstr(error.text, "expected a limit such as"));
    }
}

static void a_threshold_reads_like_what_was_written(void **unused)
{
    static const struct {
        enum bsc_load_metric metric;
        const char *text, *shown;
    } cases[] = {
        { BSC_LOAD_P95, "<500ms", "p95 < 500 ms" },
        { BSC_LOAD_P50, "1.5s", "p50 <= 1.50 s" },
        { BSC_LOAD_P50, "< 700us", "p50 < 700 us" },
        { BSC_LOAD_MAX, "< 2ms", "max < 2.0 ms" },
        { BSC_LOAD_RATE, ">1000/s", "rate > 1000/s" },
        { BSC_LOAD_ERRORS, "<0.1%", "errors < 0.1 %" },
        { BSC_LOAD_RATE, "90/m", "rate >= 1.5/s" },
    };
    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bsc_load_threshold threshold;
        struct bsc_text out = { 0 };
        assert_int_equal(bsc_load_threshold_parse(cases[i].metric, cases[i].text, &threshold, NULL),
                         BSC_OK);
        bsc_load_threshold_text(&threshold, &out);
        assert_string_equal(bsc_text_get(&out), cases[i].shown);
        bsc_text_deinit(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_are_found_within_a_sixteenth),
        cmocka_unit_test(thresholds_hold_or_are_broken),
        cmocka_unit_test(without_a_request_nothing_holds),
        cmocka_unit_test(a_tenth_that_is_slower_is_not_stable),
        cmocka_unit_test(limits_are_read_strictly),
        cmocka_unit_test(a_threshold_reads_like_what_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
