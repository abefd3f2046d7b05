/* SPDX-License-Identifier: Apache-2.0
 * Tests of core/analysis: eprocess.h, interval.h, steady.h, runs.h, latency.h, metric.h, overdue.h.
 * The numbers are those of tests/stat/reference.py, which shares no code and no shortcut with them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <math.h>

#include <cmocka.h>

#include "core/analysis/latency.h"
#include "core/analysis/metric.h"
#include "core/analysis/overdue.h"

static double log_e(double weight, double tolerated, uint64_t candidate, uint64_t live)
{
    struct bsc_eprocess process;
    bsc_eprocess_init(&process);
    bsc_eprocess_add(&process, weight, tolerated, candidate, live);
    return bsc_eprocess_log(&process);
}

static void near(double found, double wanted, double slack)
{
    if (fabs(found - wanted) > slack)
        fail_msg("%.17g is not %.17g", found, wanted);
}

static void the_e_process_has_the_values_of_its_formula(void **unused)
{
    (void)unused;
    near(log_e(0.05, 1, 3, 10), 1.6148711987351008, 1e-12);
    near(log_e(0.5, 1, 5, 1), 1.0479578304783845, 1e-12);
    near(log_e(0.25, 1.2, 2, 7), -1.8831318878653442, 1e-12);
    near(log_e(0.0001, 1, 1, 0), 2.6003085124668637, 1e-12);
    near(log_e(0.9999, 1, 1, 0), 7.65188932410596e-05, 1e-12);
}

static void events_one_by_one_are_what_they_are_together(void **unused)
{
    (void)unused;
    struct bsc_eprocess process;
    bsc_eprocess_init(&process);
    for (unsigned i = 0; i < 13; i++)
        bsc_eprocess_add(&process, 0.05, 1, i % 4 == 1, i % 4 != 1);
    near(bsc_eprocess_log(&process), log_e(0.05, 1, 3, 10), 1e-12);
}

/* The expectation of one more event under the null hypothesis is what E was before. */
static void the_e_process_is_a_fair_game(void **unused)
{
    (void)unused;
    static const double weights[] = { 1e-6, 0.01, 0.3, 0.5, 0.97, 0.999999 };
    for (unsigned i = 0; i < sizeof weights / sizeof *weights; i++) {
        double w = weights[i], before = exp(log_e(w, 1, 4, 6));
        double share = w / (w + 1 - w);
        near(share * exp(log_e(w, 1, 5, 6)) + (1 - share) * exp(log_e(w, 1, 4, 7)), before,
             1e-9 * before);
    }
}

static void more_events_of_the_candidate_speak_against_it_and_those_of_the_live_version_for_it(
    void **unused)
{
    (void)unused;
    for (uint64_t i = 0; i < 50; i++) {
        assert_true(log_e(0.1, 1, i + 1, 20) > log_e(0.1, 1, i, 20));
        assert_true(log_e(0.1, 1, 20, i + 1) < log_e(0.1, 1, 20, i));
        assert_true(log_e(0.1, 1.5, i + 1, 20) < log_e(0.1, 1, i + 1, 20));
    }
}

static void without_a_coin_the_e_process_says_nothing(void **unused)
{
    (void)unused;
    near(log_e(0, 1, 1000, 0), 0, 1e-15);
    near(log_e(1, 1, 1000, 0), 0, 1e-15);
    near(log_e(0.5, 1, 0, 0), 0, 1e-15);
}

static void huge_counts_and_extreme_weights_stay_finite(void **unused)
{
    (void)unused;
    const uint64_t huge = (uint64_t)1 << 40;
    static const double weights[] = { 1e-4, 0.5, 1 - 1e-4 };
    for (unsigned i = 0; i < 3; i++) {
        assert_true(isfinite(log_e(weights[i], 1, huge, 0)));
        assert_true(isfinite(log_e(weights[i], 1, 0, huge)));
        assert_true(isfinite(log_e(weights[i], 1, huge, huge)));
        assert_true(log_e(weights[i], 1, huge, 0) > 1e6);
    }
}

static void a_mean_of_several_es_is_that_of_their_values(void **unused)
{
    (void)unused;
    const double values[] = { log(3), log(12), -INFINITY, 5 }, weights[] = { 1, 0.5, 0.5, 0 };
    near(bsc_log_mean(values, weights, 4), log((3 + 6) / 2.0), 1e-12);
    const double large[] = { 5000, 5000 }, alike[] = { 1, 1 };
    near(bsc_log_mean(large, alike, 2), 5000, 1e-9);
    const double nothing[] = { -INFINITY, -INFINITY };
    assert_true(isinf(bsc_log_mean(nothing, alike, 2)));
}

static void beta_functions_are_exact_for_small_and_large_numbers(void **unused)
{
    (void)unused;
    near(bsc_log_beta(1, 1), 0, 1e-11);
    near(bsc_log_beta(1, 10), -2.302585092994047, 1e-11);
    near(bsc_log_beta(3, 4), -4.094344562222101, 1e-11);
    near(bsc_log_beta(1001, 1), -6.908754779315132, 1e-11);
    near(bsc_log_beta(500, 500), -694.988722485713, 1e-9);
    near(bsc_log_beta(11, 90), -34.982133032608886, 1e-10);
    near(bsc_log_beta(1, 0x1p40), -40 * log(2), 1e-9); /* B(1, n) = 1/n */
    near(bsc_log_beta(2, 0x1p40), -80 * log(2), 1e-9); /* B(2, n) = 1/(n (n + 1)) */
}

static void an_interval_has_the_ends_of_its_formula(void **unused)
{
    (void)unused;
    struct bsc_interval it = bsc_interval_of(0, 1000, 0.01);
    near(it.low, 0, 0);
    near(it.high, 1 - pow(0.01 / 1001, 1.0 / 1000), 1e-12);
    it = bsc_interval_of(12, 100, 0.01);
    near(it.low, 0.033294128766840694, 1e-12);
    near(it.rate, 0.12, 1e-15);
    near(it.high, 0.27521971399944334, 1e-12);
    it = bsc_interval_of(50, 1000, 0.005);
    near(it.low, 0.02562406605410402, 1e-12);
    near(it.high, 0.08550104691141966, 1e-12);
    it = bsc_interval_of(500, 10000, 0.01);
    near(it.low, 0.04092794313327428, 1e-11);
    near(it.high, 0.060248707646866365, 1e-11);
    it = bsc_interval_of(1, 1, 0.01);
    near(it.low, 0.005, 1e-12);
    near(it.high, 1, 0);
}

static void an_interval_of_nothing_is_everything(void **unused)
{
    (void)unused;
    struct bsc_interval it = bsc_interval_of(0, 0, 0.01);
    near(it.low, 0, 0);
    near(it.high, 1, 0);
    it = bsc_interval_of(7, 3, 0.01); /* more events than units: read at different moments */
    near(it.rate, 1, 0);
    near(it.high, 1, 0);
}

static void more_units_make_an_interval_narrower(void **unused)
{
    (void)unused;
    double width = 2;
    for (uint64_t n = 10; n <= (uint64_t)1 << 40; n *= 10) {
        struct bsc_interval it = bsc_interval_of(n / 10, n, 0.01);
        assert_true(it.low < it.rate && it.rate < it.high);
        assert_true(it.high - it.low < width);
        width = it.high - it.low;
        struct bsc_interval surer = bsc_interval_of(n / 10, n, 0.001);
        assert_true(surer.low < it.low && surer.high > it.high);
    }
    assert_true(width < 1e-4);
}

static void extreme_counts_keep_an_interval_in_its_bounds(void **unused)
{
    (void)unused;
    const uint64_t huge = (uint64_t)1 << 40;
    struct bsc_interval it = bsc_interval_of(0, huge, 0.01);
    near(it.high, 1 - pow(0.01, 0x1p-40), 1e-9);
    it = bsc_interval_of(huge, huge, 0.01);
    assert_true(it.low > 1 - 1e-9 && it.low < 1);
    it = bsc_interval_of(1, huge, 0.01);
    assert_true(it.low > 0 && it.low < 0x1p-40 && it.high > 0x1p-40 && it.high < 1e-9);
}

static void the_steady_test_has_the_values_of_its_formula(void **unused)
{
    (void)unused;
    struct bsc_steady steady = { 0 };
    for (int i = 0; i < 40; i++) {
        if (i == 30) {
            near(steady.mean, -0.0016666666666666668, 1e-15);
            near(bsc_steady_bound(&steady, 0.01), 0.027491348006153465, 1e-14);
        }
        bsc_steady_add(&steady, ((i * 37) % 11 - 5) / 100.0);
    }
    near(steady.mean, -0.0015, 1e-15);
    near(bsc_steady_bound(&steady, 0.005), 0.023944761378689897, 1e-14);
}

static void the_steady_test_says_nothing_before_thirty_windows(void **unused)
{
    (void)unused;
    struct bsc_steady steady = { 0 };
    for (unsigned i = 0; i < 29; i++) {
        assert_true(isinf(bsc_steady_bound(&steady, 0.01)));
        bsc_steady_add(&steady, 1);
    }
    assert_true(isinf(bsc_steady_bound(&steady, 0.01)));
    bsc_steady_add(&steady, 1);
    near(bsc_steady_bound(&steady, 0.01), 0, 1e-12); /* nothing ever varied */
}

static void as_many_slices_are_needed_as_make_an_accident_unlikely(void **unused)
{
    (void)unused;
    assert_int_equal(bsc_runs_needed(0.01, 0.05, 1), 7);
    assert_int_equal(bsc_runs_needed(0.01, 0.05, 0), 7);
    assert_int_equal(bsc_runs_needed(0.01, 0.05, 2), 7);
    assert_int_equal(bsc_runs_needed(0.005, 0.05, 2), 8);
    assert_int_equal(bsc_runs_needed(0.01, 0.05, 10), 2);
    assert_int_equal(bsc_runs_needed(0.01, 0.9, 4), 44);
    assert_int_equal(bsc_runs_needed(0.01, 1, 4), UINT32_MAX);
    assert_int_equal(bsc_runs_needed(0.01, 1 - 1e-16, 4), 1000000000);
}

static void errors_of_a_run_count_once(void **unused)
{
    (void)unused;
    struct bsc_run run = { 0 };
    assert_true(bsc_run_counts(&run, 100));
    assert_false(bsc_run_counts(&run, 150));
    assert_false(bsc_run_counts(&run, 349));
    assert_true(bsc_run_counts(&run, 350));
    assert_false(bsc_run_counts(&run, 400));
}

static void a_baseline_keeps_quantiles_of_enough_answers(void **unused)
{
    (void)unused;
    uint64_t latency[BSC_HISTOGRAM_BUCKETS] = { 0 };
    struct bsc_baseline baseline;
    latency[bsc_histogram_bucket(10000)] = 89;
    latency[bsc_histogram_bucket(90000)] = 10;
    bsc_baseline_freeze(&baseline, 120, 3, latency);
    assert_int_equal(baseline.answers, 99);
    assert_int_equal(baseline.quantile_us[0], 0);
    latency[bsc_histogram_bucket(10000)]++;
    bsc_baseline_freeze(&baseline, 120, 3, latency);
    assert_int_equal(baseline.units, 120);
    assert_int_equal(baseline.errors, 3);
    assert_int_equal(baseline.answers, 100);
    assert_int_equal(bsc_histogram_bucket(baseline.quantile_us[0]), bsc_histogram_bucket(10000));
    assert_int_equal(bsc_histogram_bucket(baseline.quantile_us[1]), bsc_histogram_bucket(10000));
    assert_int_equal(bsc_histogram_bucket(baseline.quantile_us[2]), bsc_histogram_bucket(90000));
}

static void an_answer_is_slow_above_the_edge_of_the_limit(void **unused)
{
    (void)unused;
    uint64_t latency[BSC_HISTOGRAM_BUCKETS] = { 0 };
    unsigned limit = bsc_latency_limit(10000, 1.25);
    assert_int_equal(limit, bsc_histogram_bucket(12500));
    latency[limit] = 5;
    latency[limit + 1] = 3;
    latency[BSC_HISTOGRAM_BUCKETS - 1] = 1;
    assert_int_equal(bsc_latency_above(latency, limit), 4);
    assert_int_equal(bsc_latency_above(latency, BSC_HISTOGRAM_BUCKETS - 1), 0);
}

static void window(struct bsc_metric *metric, uint64_t events)
{
    bsc_metric_count(metric, &(struct bsc_tally){ events, 0 });
    bsc_metric_close(metric, &(struct bsc_tally){ 100, 0 }, 1, true);
}

static void what_lasts_is_without_the_two_worst_windows(void **unused)
{
    (void)unused;
    struct bsc_metric metric;
    bsc_metric_init(&metric);
    window(&metric, 1);
    window(&metric, 50);
    window(&metric, 2);
    window(&metric, 40);
    window(&metric, 0);
    struct bsc_interval it = bsc_metric_lasting(&metric, 500, 0.01);
    near(it.rate, 3 / 300.0, 1e-15);
    assert_int_equal(metric.steady.windows, 0); /* the live version had no traffic */
    bsc_metric_step(&metric);
    near(bsc_metric_lasting(&metric, 0, 0.01).rate, 0, 0);
}

static void windows_of_both_versions_are_compared(void **unused)
{
    (void)unused;
    struct bsc_metric metric;
    bsc_metric_init(&metric);
    bsc_metric_count(&metric, &(struct bsc_tally){ 5, 20 });
    bsc_metric_close(&metric, &(struct bsc_tally){ 50, 1000 }, 2, true);
    near(metric.steady.mean, 0.1 - 2 * 0.02, 1e-15);
    bsc_metric_close(&metric, &(struct bsc_tally){ 0, 1000 }, 2, true);
    bsc_metric_close(&metric, &(struct bsc_tally){ 50, 1000 }, 2, false);
    assert_int_equal(metric.steady.windows, 1);
}

static void what_began_in_time_and_has_no_answer_is_overdue(void **unused)
{
    (void)unused;
    struct bsc_overdue overdue = { 0 };
    const struct bsc_tally answered = { 4, 30 };
    assert_int_equal(bsc_overdue_of(&overdue, 1000, &answered).live, 0); /* nothing was noted */
    for (unsigned i = 0; i < BSC_OVERDUE_SAMPLES + 10; i++)
        bsc_overdue_note(&overdue, 50 * i, &(struct bsc_tally){ i, 10 * i });
    struct bsc_tally found = bsc_overdue_of(&overdue, 1020, &answered); /* 20 * 50 */
    assert_int_equal(found.candidate, 20 - 4);
    assert_int_equal(found.live, 200 - 30);
    found = bsc_overdue_of(&overdue, 1000, &(struct bsc_tally){ 21, 200 });
    assert_int_equal(found.candidate, 0); /* later ones were answered, too */
    assert_int_equal(found.live, 0);
    found = bsc_overdue_of(&overdue, 9 * 50, &(struct bsc_tally){ 0 });
    assert_int_equal(found.candidate, 0); /* that is forgotten */
    assert_int_equal(bsc_overdue_of(&overdue, 10 * 50, &(struct bsc_tally){ 0 }).candidate, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_e_process_has_the_values_of_its_formula),
        cmocka_unit_test(events_one_by_one_are_what_they_are_together),
        cmocka_unit_test(the_e_process_is_a_fair_game),
        cmocka_unit_test(
            more_events_of_the_candidate_speak_against_it_and_those_of_the_live_version_for_it),
        cmocka_unit_test(without_a_coin_the_e_process_says_nothing),
        cmocka_unit_test(huge_counts_and_extreme_weights_stay_finite),
        cmocka_unit_test(a_mean_of_several_es_is_that_of_their_values),
        cmocka_unit_test(beta_functions_are_exact_for_small_and_large_numbers),
        cmocka_unit_test(an_interval_has_the_ends_of_its_formula),
        cmocka_unit_test(an_interval_of_nothing_is_everything),
        cmocka_unit_test(more_units_make_an_interval_narrower),
        cmocka_unit_test(extreme_counts_keep_an_interval_in_its_bounds),
        cmocka_unit_test(the_steady_test_has_the_values_of_its_formula),
        cmocka_unit_test(the_steady_test_says_nothing_before_thirty_windows),
        cmocka_unit_test(as_many_slices_are_needed_as_make_an_accident_unlikely),
        cmocka_unit_test(errors_of_a_run_count_once),
        cmocka_unit_test(a_baseline_keeps_quantiles_of_enough_answers),
        cmocka_unit_test(an_answer_is_slow_above_the_edge_of_the_limit),
        cmocka_unit_test(what_lasts_is_without_the_two_worst_windows),
        cmocka_unit_test(windows_of_both_versions_are_compared),
        cmocka_unit_test(what_began_in_time_and_has_no_answer_is_overdue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
