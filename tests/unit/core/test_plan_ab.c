/* SPDX-License-Identifier: Apache-2.0
 * What an A/B test compiles to, and what it can't do without. */
#include <string.h>

#include "plan_text.h"

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

static void what_users_decide_is_watched(void **unused)
{
    (void)unused;
    struct bsc_spec spec = shop();
    struct bsc_plan_ask ask = ask_of(&spec);
    struct bsc_plan plan;
    unsigned watched = 0;
    assert_int_equal(bsc_plan_compile(&ask, &idle, &plan, NULL), BSC_OK);
    for (unsigned i = 0; i < plan.count; i++)
        if (bsc_step_watches(&plan.steps[i])) {
            assert_int_equal(plan.steps[i].kind, BSC_STEP_TRIAL);
            watched++;
        }
    assert_int_equal(watched, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(users_are_divided_until_they_decided),
        cmocka_unit_test(what_was_staged_for_users_to_decide_is_there),
        cmocka_unit_test(users_who_are_not_known_or_asked_nothing_decide_nothing),
        cmocka_unit_test(what_users_decide_is_watched),
        cmocka_unit_test(the_first_goal_decides_or_the_one_that_is_named_or_the_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
