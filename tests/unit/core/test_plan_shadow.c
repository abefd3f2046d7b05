/* SPDX-License-Identifier: Apache-2.0
 * What the strategy shadow compiles to: every step with its undo, and what there is when it is
 * done. */
#include "plan_text.h"

static struct bsc_spec shadow_of(enum bsc_after_shadow then)
{
    struct bsc_spec spec = spec_of(BSC_STRATEGY_SHADOW);
    spec.deploy.steps = (struct bsc_canary_steps){ 1, { 2500 } };
    spec.deploy.shadow =
        (struct bsc_shadow_spec){ .share_bp = 1000, .duration_ms = 600000, .then = then };
    return spec;
}

static void a_shadow_is_shown_copies_before_anything_else(void **unused)
{
    (void)unused;
    struct bsc_spec spec = shadow_of(BSC_AFTER_BLUE_GREEN);
    struct bsc_plan_ask ask = ask_of(&spec);
    assert_plan(&ask, &idle,
                "4+4 0 start 4 instances in green / drain and stop the instances in green\n"
                "4+4 0 check the health of green\n"
                "4+4 0 copy 10 % of the requests to green for 10m / copy no more requests to "
                "green\n"
                "4+4 10000 give green 100 % of the traffic / give blue all the traffic back\n"
                "4+4 10000 commit: green becomes stable\n"
                "4+4 10000 wait until nothing is in flight in blue\n");
    spec = shadow_of(BSC_AFTER_CANARY);
    assert_plan(&ask, &idle,
                "4+4 0 start 4 instances in green / drain and stop the instances in green\n"
                "4+4 0 check the health of green\n"
                "4+4 0 copy 10 % of the requests to green for 10m / copy no more requests to "
                "green\n"
                "4+4 2500 give green 25 % of the traffic / give blue all the traffic back\n"
                "4+4 2500 watch green for 30s\n"
                "4+4 10000 give green 100 % of the traffic / give blue all the traffic back\n"
                "4+4 10000 watch green for 30s\n"
                "4+4 10000 commit: green becomes stable\n"
                "4+4 10000 wait until nothing is in flight in blue\n");
}

static void a_shadow_that_stops_or_is_staged_gets_no_traffic(void **unused)
{
    (void)unused;
    static const char staged[] =
        "4+4 0 start 4 instances in green / drain and stop the instances in green\n"
        "4+4 0 check the health of green\n"
        "4+4 0 copy 10 % of the requests to green for 10m / copy no more requests to green\n";
    struct bsc_spec spec = shadow_of(BSC_AFTER_STOP);
    struct bsc_plan_ask ask = ask_of(&spec);
    assert_plan(&ask, &idle, staged);
    ask.kind = BSC_PLAN_STAGE;
    assert_plan(&ask, &idle, staged);
    ask.kind = BSC_PLAN_SWITCH;
    assert_plan(&ask, &ready,
                "4+4 0 check the health of green\n"
                "4+4 10000 give green 100 % of the traffic / give blue all the traffic back\n"
                "4+4 10000 commit: green becomes stable\n"
                "4+4 10000 wait until nothing is in flight in blue\n");
}

static void requests_are_copied_while_the_step_runs(void **unused)
{
    (void)unused;
    struct bsc_plan plan = { 2, { { .kind = BSC_STEP_CHECK }, { .kind = BSC_STEP_MIRROR } } };
    for (unsigned state = 0; state < BSC_STEP_STATE_COUNT; state++) {
        plan.steps[0].state = plan.steps[1].state = (enum bsc_step_state)state;
        assert_ptr_equal(bsc_plan_mirror(&plan), state == BSC_STEP_RUNNING ? &plan.steps[1] : NULL);
    }
    assert_true(bsc_step_watches(&plan.steps[1]));
    assert_false(bsc_step_watches(&plan.steps[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_shadow_is_shown_copies_before_anything_else),
        cmocka_unit_test(a_shadow_that_stops_or_is_staged_gets_no_traffic),
        cmocka_unit_test(requests_are_copied_while_the_step_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
