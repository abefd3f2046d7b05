/* SPDX-License-Identifier: Apache-2.0
 * What an A/B test compiles to, and what it can't do without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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

#define STOP " / drain and stop the instances in green\n"
#define BACK " / give blue all the traffic back\n"

static struct bsc_spec shop(void)
{
    static const struct bsc_goal_spec goals[] = { { .name = "order" }, { .name = "visit" } };
    struct bsc_spec spec = spec_of(BSC_STRATEGY_AB);
    spec.traffic.affinity.header = "X-User";
    spec.deploy.ab = (struct bsc_ab_spec){
        .share_bp = 3000, .duration_ms = 86400000, .goal_count = 2, .goals = goals
    };
    return spec;
}

static void users_are_divided_until_they_decided(void **unused)
{
    (void)unused;
    struct bsc_spec spec = shop();
    struct bsc_plan_ask ask = ask_of(&spec);
    assert_plan(&ask, &idle,
                "4+4 0 start 4 instances in green" STOP "4+4 0 check the health of green\n"
                "4+4 3000 give green 30 % of the traffic" BACK
                "4+4 3000 let the users of blue and green decide, for 1d at most\n"
                "4+4 10000 give green 100 % of the traffic" BACK
                "4+4 10000 commit: green becomes stable\n"
                "4+4 10000 wait until nothing is in flight in blue\n");
}

static void what_was_staged_for_users_to_decide_is_there(void **unused)
{
    (void)unused;
    struct bsc_spec spec = shop();
    struct bsc_plan_ask ask = ask_of(&spec);
    ask.kind = BSC_PLAN_SWITCH;
    assert_plan(&ask, &ready,
                "4+4 0 check the health of green\n4+4 3000 give green 30 % of the traffic" BACK
                "4+4 3000 let the users of blue and green decide, for 1d at most\n"
                "4+4 10000 give green 100 % of the traffic" BACK
                "4+4 10000 commit: green becomes stable\n"
                "4+4 10000 wait until nothing is in flight in blue\n");
    ask.kind = BSC_PLAN_STAGE;
    assert_plan(&ask, &idle,
                "4+4 0 start 4 instances in green" STOP "4+4 0 check the health of green\n");
}

static void users_who_are_not_known_or_asked_nothing_decide_nothing(void **unused)
{
    (void)unused;
    struct bsc_spec spec = shop();
    struct bsc_plan_ask ask = ask_of(&spec);
    struct bsc_plan plan;
    struct bsc_error error;
    spec.traffic.affinity = (struct bsc_affinity_spec){ .client_address = true };
    assert_int_equal(bsc_plan_compile(&ask, &idle, &plan, &error), BSC_INVALID);
    assert_non_null(strstr(error.text, "affinity.cookie or affinity.header is missing"));
    spec.traffic.affinity = (struct bsc_affinity_spec){ .cookie = "id" };
    assert_int_equal(bsc_plan_compile(&ask, &idle, &plan, &error), BSC_OK);
    spec.deploy.ab.goal_count = 0;
    assert_int_equal(bsc_plan_compile(&ask, &idle, &plan, &error), BSC_INVALID);
    assert_non_null(strstr(error.text, "deploy.ab.goals or deploy.ab.value is missing"));
    spec.deploy.ab.value_header = "X-Order-Total";
    assert_int_equal(bsc_plan_compile(&ask, &idle, &plan, &error), BSC_OK);
}

static void the_first_goal_decides_or_the_one_that_is_named_or_the_number(void **unused)
{
    (void)unused;
    struct bsc_spec spec = shop();
    assert_int_equal(bsc_ab_decides(&spec.deploy.ab), 0);
    spec.deploy.ab.decide = "visit";
    assert_int_equal(bsc_ab_decides(&spec.deploy.ab), 1);
    spec.deploy.ab.decide = "value";
    assert_int_equal(bsc_ab_decides(&spec.deploy.ab), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(users_are_divided_until_they_decided),
        cmocka_unit_test(what_was_staged_for_users_to_decide_is_there),
        cmocka_unit_test(users_who_are_not_known_or_asked_nothing_decide_nothing),
        cmocka_unit_test(the_first_goal_decides_or_the_one_that_is_named_or_the_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
