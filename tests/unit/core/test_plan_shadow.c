/* SPDX-License-Identifier: Apache-2.0
 * What the strategy shadow compiles to: every step with its undo, and what there is when it is
 * done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "core/plan.h"

static const struct bsc_slots idle = { .live = BSC_BLUE,
                                       .state = { BSC_SLOT_LIVE, BSC_SLOT_IDLE },
                                       .checked = { true, false } };
static const struct bsc_slots ready = { .live = BSC_BLUE,
                                        .state = { BSC_SLOT_LIVE, BSC_SLOT_READY },
                                        .checked = { true, true } };

static struct bsc_spec spec_of(enum bsc_strategy strategy)
{
    return (struct bsc_spec){
        .replicas = 4,
        .health = { .deadline_ms = 60000 },
        .deploy = { .strategy = strategy,
                    .standby_ms = 600000,
                    .drain_ms = 30000,
                    .switch_ms = 5000,
                    .steps = { 3, { 500, 2500, 5000 } },
                    .batch = { 2, false } },
    };
}

static struct bsc_plan_ask ask_of(const struct bsc_spec *spec)
{
    return (struct bsc_plan_ask){ .kind = BSC_PLAN_DEPLOY, .spec = spec, .live = spec };
}

/* One step a line: what there is in blue and green when it is done, "h" while requests are held,
 * "m" while match rules are in force. */
static void assert_plan(const struct bsc_plan_ask *ask, const struct bsc_slots *slots,
                        const char *wanted)
{
    struct bsc_plan plan;
    struct bsc_error error;
    struct bsc_text text = { 0 };
    unsigned whole[] = { ask->live ? ask->live->replicas : 0, ask->spec->replicas };
    assert_int_equal(bsc_plan_compile(ask, slots, &plan, &error), BSC_OK);
    for (unsigned i = 0; i < plan.count; i++) {
        struct bsc_plan_capacity after = bsc_plan_capacity_after(&plan, i, whole);
        char step[160], undo[160];
        bsc_step_describe(&plan.steps[i], step, sizeof step);
        bsc_step_describe_undo(&plan.steps[i], undo, sizeof undo);
        bsc_text_printf(&text, "%u+%u %u%s%s %s%s%s\n", after.instances[BSC_BLUE],
                        after.instances[BSC_GREEN], after.weight_bp, after.matched ? "m" : "",
                        after.held ? "h" : "", step, undo[0] ? " / " : "", undo);
    }
    assert_string_equal(bsc_text_get(&text), wanted);
    bsc_text_deinit(&text);
}

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
