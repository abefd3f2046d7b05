/* SPDX-License-Identifier: Apache-2.0
 * Rise and fall, and when the next probe is due. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/health.h"

static const struct bsc_health_spec spec = {
    .interval_ms = 1000, .timeout_ms = 500, .rise = 2, .fall = 3, .min_healthy_percent = 60
};

static bool probe(struct bsc_health *health, bool passed, int64_t now_ms)
{
    return bsc_health_result(health, &spec, passed, passed ? "200" : "503", 0, now_ms);
}

static void the_first_probe_is_due_at_once(void **unused)
{
    (void)unused;
    struct bsc_health health;
    bsc_health_init(&health, &spec, 5000);
    assert_int_equal(health.next_probe_ms, 5000);
    assert_int_equal(health.state, BSC_HEALTH_UNKNOWN);
    assert_false(health.probing);
}

static void it_takes_rise_passes_in_a_row_to_become_healthy(void **unused)
{
    (void)unused;
    struct bsc_health health;
    bsc_health_init(&health, &spec, 0);
    assert_false(probe(&health, true, 0));
    assert_false(probe(&health, false, 1));
    assert_false(probe(&health, true, 2));
    assert_int_equal(health.state, BSC_HEALTH_UNKNOWN);
    assert_true(probe(&health, true, 3));
    assert_int_equal(health.state, BSC_HEALTH_HEALTHY);
}

static void it_takes_fall_failures_in_a_row_to_become_ill_and_rise_to_come_back(void **unused)
{
    (void)unused;
    struct bsc_health health;
    bsc_health_init(&health, &spec, 0);
    probe(&health, true, 0);
    probe(&health, true, 1);
    assert_false(probe(&health, false, 2));
    assert_false(probe(&health, false, 3));
    assert_false(probe(&health, true, 4));
    assert_false(probe(&health, false, 5));
    assert_false(probe(&health, false, 6));
    assert_true(probe(&health, false, 7));
    assert_int_equal(health.state, BSC_HEALTH_ILL);
    assert_false(probe(&health, false, 8));
    assert_false(probe(&health, true, 9));
    assert_true(probe(&health, true, 10));
    assert_int_equal(health.state, BSC_HEALTH_HEALTHY);
}

static void a_new_instance_that_fails_is_asked_soon_and_then_less_often(void **unused)
{
    (void)unused;
    static const int64_t pauses[] = { 50, 100, 200, 400, 800, 1000, 1000 };
    struct bsc_health health;
    int64_t now = 0;
    bsc_health_init(&health, &spec, now);
    for (size_t i = 0; i < sizeof pauses / sizeof *pauses; i++) {
        probe(&health, false, now);
        assert_int_equal(health.next_probe_ms - now, pauses[i]);
        now = health.next_probe_ms;
    }
    assert_int_equal(health.state, BSC_HEALTH_UNKNOWN); /* never healthy is not yet ill */
}

static void quick_probes_are_never_slower_than_the_interval(void **unused)
{
    (void)unused;
    struct bsc_health_spec quick = spec;
    struct bsc_health health;
    quick.interval_ms = 20;
    bsc_health_init(&health, &spec, 0);
    bsc_health_result(&health, &quick, false, "503", 0, 0);
    assert_int_equal(health.next_probe_ms, 20);
}

static void after_the_first_pass_probes_follow_the_interval(void **unused)
{
    (void)unused;
    struct bsc_health health;
    bsc_health_init(&health, &spec, 0);
    probe(&health, false, 0);
    probe(&health, true, 50);
    assert_int_equal(health.next_probe_ms, 1050);
    probe(&health, true, 1050);
    assert_int_equal(health.next_probe_ms, 2050);
    probe(&health, false, 2050);
    assert_int_equal(health.next_probe_ms, 3050);
}

static void the_interval_counts_from_the_start_of_a_probe(void **unused)
{
    (void)unused;
    struct bsc_health health;
    bsc_health_init(&health, &spec, 0);
    bsc_health_result(&health, &spec, true, "200", 300000, 300);
    assert_int_equal(health.next_probe_ms, 1000);
    bsc_health_result(&health, &spec, true, "200", 5000000, 6000); /* later than its own interval */
    assert_int_equal(health.next_probe_ms, 6001);
}

/* One that ends is told of by others. */
static void what_nobody_asks_is_healthy_when_it_has_run_for_long_enough(void **unused)
{
    (void)unused;
    struct bsc_health_spec runs = spec;
    struct bsc_health health;
    runs.kind = BSC_PROBE_RUNNING;
    runs.running_ms = 5000;
    bsc_health_init(&health, &runs, 100);
    assert_int_equal(health.next_probe_ms, 5100);
    assert_true(bsc_health_result(&health, &runs, true, "it runs", 0, 5100));
    assert_int_equal(health.state, BSC_HEALTH_HEALTHY);
    assert_int_equal(health.next_probe_ms, INT64_MAX);
}

static void the_last_answer_is_kept_in_bounds(void **unused)
{
    (void)unused;
    char text[1000];
    struct bsc_health health;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    bsc_health_init(&health, &spec, 0);
    health.probing = true;
    bsc_health_result(&health, &spec, false, text, 7, 0);
    assert_false(health.probing);
    assert_false(health.last_passed);
    assert_int_equal(health.last_duration_us, 7);
    assert_int_equal(strlen(health.last_detail), BSC_PROBE_DETAIL_BYTES - 1);
    bsc_health_result(&health, &spec, true, NULL, 7, 0);
    assert_string_equal(health.last_detail, "");
}

static void enough_is_rounded_up_and_never_none(void **unused)
{
    (void)unused;
    assert_false(bsc_health_enough(&spec, 1, 2)); /* 60 % of 2 is 1.2 */
    assert_true(bsc_health_enough(&spec, 2, 2));
    assert_true(bsc_health_enough(&spec, 3, 5));
    assert_false(bsc_health_enough(&spec, 2, 5));
    assert_false(bsc_health_enough(&spec, 0, 0));
    struct bsc_health_spec lax = { .min_healthy_percent = 1 };
    assert_false(bsc_health_enough(&lax, 0, 3));
    assert_true(bsc_health_enough(&lax, 1, 3));
}

static void states_have_names(void **unused)
{
    (void)unused;
    assert_string_equal(bsc_health_state_name(BSC_HEALTH_UNKNOWN), "unknown");
    assert_string_equal(bsc_health_state_name(BSC_HEALTH_HEALTHY), "healthy");
    assert_string_equal(bsc_health_state_name(BSC_HEALTH_ILL), "ill");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_probe_is_due_at_once),
        cmocka_unit_test(it_takes_rise_passes_in_a_row_to_become_healthy),
        cmocka_unit_test(it_takes_fall_failures_in_a_row_to_become_ill_and_rise_to_come_back),
        cmocka_unit_test(a_new_instance_that_fails_is_asked_soon_and_then_less_often),
        cmocka_unit_test(quick_probes_are_never_slower_than_the_interval),
        cmocka_unit_test(after_the_first_pass_probes_follow_the_interval),
        cmocka_unit_test(the_interval_counts_from_the_start_of_a_probe),
        cmocka_unit_test(what_nobody_asks_is_healthy_when_it_has_run_for_long_enough),
        cmocka_unit_test(the_last_answer_is_kept_in_bounds),
        cmocka_unit_test(enough_is_rounded_up_and_never_none),
        cmocka_unit_test(states_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
