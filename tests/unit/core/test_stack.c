/* SPDX-License-Identifier: Apache-2.0
 * Services that are released together: in which order they start, and what their plans are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "core/plan.h"
#include "core/stack.h"

static const struct bsc_slots idle = { .live = BSC_BLUE,
                                       .state = { BSC_SLOT_LIVE, BSC_SLOT_IDLE },
                                       .checked = { true, false } };
static const struct bsc_slots ready = { .live = BSC_BLUE,
                                        .state = { BSC_SLOT_LIVE, BSC_SLOT_READY },
                                        .checked = { true, true } };
static const struct bsc_slots standby = { .live = BSC_BLUE,
                                          .state = { BSC_SLOT_LIVE, BSC_SLOT_STANDBY },
                                          .checked = { true, true } };
static const char *const on_db[] = { "db" }, *const on_api[] = { "api", "elsewhere" },
                         *const on_web[] = { "web" };

static struct bsc_spec named(const char *name, unsigned count, const char *const *depends_on)
{
    return (struct bsc_spec){ .name = name, .depends_on = { count, depends_on } };
}

static void what_others_depend_on_starts_before_them(void **unused)
{
    (void)unused;
    struct bsc_spec api = named("api", 1, on_db), db = named("db", 0, NULL),
                    web = named("web", 2, on_api);
    struct bsc_stack_member members[] = { { .spec = &api }, { .spec = &db }, { .spec = &web } };
    assert_null(bsc_stack_order(members, 3));
    assert_int_equal(members[0].rank, 1);
    assert_int_equal(members[1].rank, 0);
    assert_int_equal(members[2].rank, 2);
    assert_ptr_equal(members[2].before, &members[0]);
    assert_null(bsc_stack_find(members, 3, "elsewhere"));
    assert_null(bsc_stack_order(members, 0));
}

static void a_circle_is_found_and_can_be_walked(void **unused)
{
    (void)unused;
    struct bsc_spec api = named("api", 1, on_web), db = named("db", 1, on_web),
                    web = named("web", 2, on_api);
    struct bsc_stack_member members[] = { { .spec = &api }, { .spec = &db }, { .spec = &web } };
    const struct bsc_stack_member *first = bsc_stack_order(members, 3);
    assert_non_null(first);
    assert_ptr_not_equal(first, &members[1]); /* it only leads there */
    assert_ptr_equal(first->before->before, first);
    api.depends_on.count = 0; /* one that is outside, before them */
    db.depends_on = (struct bsc_strings){ 1, on_web };
    web.depends_on = (struct bsc_strings){ 1, on_db };
    first = bsc_stack_order(members, 3);
    assert_ptr_not_equal(first, &members[0]);
    assert_ptr_equal(first->before->before, first);
}

static void assert_plan(const struct bsc_plan_ask *ask, const struct bsc_slots *slots,
                        const char *wanted)
{
    struct bsc_plan plan;
    struct bsc_error error;
    struct bsc_text text = { 0 };
    assert_int_equal(bsc_plan_compile(ask, slots, &plan, &error), BSC_OK);
    for (unsigned i = 0; i < plan.count; i++)
        bsc_text_printf(&text, "%s%s", i ? " " : "", bsc_step_kind_name(plan.steps[i].kind));
    assert_string_equal(bsc_text_get(&text), wanted);
    bsc_text_deinit(&text);
}

static struct bsc_spec worker(enum bsc_order order)
{
    return (struct bsc_spec){ .replicas = 1, .deploy = { .order = order, .bake_ms = 1000 } };
}

static void a_worker_takes_over_with_the_commit(void **unused)
{
    (void)unused;
    struct bsc_spec start_first = worker(BSC_ORDER_START_FIRST);
    struct bsc_plan_ask ask = { .spec = &start_first, .live = &start_first };
    assert_plan(&ask, &idle, "start check bake commit stop");
    ask.kind = BSC_PLAN_STAGE;
    assert_plan(&ask, &idle, "start check");
    ask.kind = BSC_PLAN_REVERT; /* what was live before is not on trial */
    assert_plan(&ask, &idle, "start check commit stop");
    ask.kind = BSC_PLAN_SWITCH;
    assert_plan(&ask, &ready, "check bake commit stop");
    ask = (struct bsc_plan_ask){ .spec = &start_first }; /* the first release */
    assert_plan(&ask, &idle, "start check commit");
}

static void a_worker_is_watched_for_ten_seconds_unless_the_file_says_otherwise(void **unused)
{
    (void)unused;
    struct bsc_spec start_first = worker(BSC_ORDER_START_FIRST);
    struct bsc_plan_ask ask = { .spec = &start_first, .live = &start_first };
    struct bsc_plan plan;
    struct bsc_error error;
    start_first.deploy.bake_ms = BSC_BAKE_AUTO;
    assert_int_equal(bsc_plan_compile(&ask, &idle, &plan, &error), BSC_OK);
    assert_int_equal(plan.steps[2].kind, BSC_STEP_BAKE);
    assert_int_equal(plan.steps[2].duration_ms, 10000);
}

static void a_worker_that_is_stopped_first_comes_back_the_same_way(void **unused)
{
    (void)unused;
    struct bsc_spec stop_first = worker(BSC_ORDER_STOP_FIRST);
    struct bsc_plan_ask ask = { .spec = &stop_first, .live = &stop_first };
    struct bsc_plan plan;
    struct bsc_error error;
    assert_plan(&ask, &idle, "stop start check bake commit");
    assert_int_equal(bsc_plan_compile(&ask, &idle, &plan, &error), BSC_OK);
    assert_int_equal(plan.steps[0].undo, BSC_UNDO_RESTART);
    ask.kind = BSC_PLAN_STAGE;
    assert_int_equal(bsc_plan_compile(&ask, &idle, &plan, &error), BSC_INVALID);
    assert_non_null(strstr(error.text, "stop-first"));
    ask = (struct bsc_plan_ask){ .spec = &stop_first }; /* the first release */
    assert_plan(&ask, &idle, "start check commit");
}

static void what_the_proxy_sends_requests_is_no_worker(void **unused)
{
    (void)unused;
    struct bsc_spec was = worker(BSC_ORDER_STOP_FIRST), is = worker(BSC_ORDER_NONE);
    struct bsc_plan_ask ask = { .spec = &was, .live = &is };
    assert_plan(&ask, &idle, "start check split bake commit drain stop");
    ask = (struct bsc_plan_ask){ .spec = &was, .live = &was, .routed = true };
    assert_plan(&ask, &idle, "start check split bake commit drain stop");
    ask.routed = false;
    ask.kind = BSC_PLAN_ROLLBACK; /* it stands by since it got requests */
    assert_plan(&ask, &standby, "split commit drain stop");
    ask.kind = BSC_PLAN_DEPLOY;
    was.deploy.strategy = BSC_STRATEGY_RECREATE;
    assert_plan(&ask, &idle, "hold drain stop start check split resume bake commit");
}

static void together_they_wait_before_all_before_the_traffic_and_before_the_commit(void **unused)
{
    (void)unused;
    struct bsc_spec web = worker(BSC_ORDER_NONE), jobs = worker(BSC_ORDER_START_FIRST);
    struct bsc_plan_ask ask = { .spec = &web, .live = &web, .together = true };
    struct bsc_plan plan;
    struct bsc_error error;
    assert_plan(&ask, &idle, "follow start check meet split bake meet commit drain stop");
    assert_int_equal(bsc_plan_compile(&ask, &idle, &plan, &error), BSC_OK);
    assert_false(bsc_plan_has_met(&plan, 2));
    assert_true(bsc_plan_has_met(&plan, 3));
    assert_true(bsc_plan_has_met(&plan, 100));
    char text[160];
    bsc_step_describe(&plan.steps[0], text, sizeof text);
    assert_string_equal(text, "wait for what this service depends on");
    bsc_step_describe(&plan.steps[3], text, sizeof text);
    assert_string_equal(text, "wait for the other services of the release");
    ask.together = false;
    assert_int_equal(bsc_plan_compile(&ask, &idle, &plan, &error), BSC_OK);
    assert_false(bsc_plan_has_met(&plan, 100));
    ask.together = true;
    ask.spec = ask.live = &jobs;
    assert_plan(&ask, &idle, "follow start check meet bake meet commit stop");
    web.deploy.strategy = BSC_STRATEGY_RECREATE;
    ask.spec = ask.live = &web;
    assert_int_equal(bsc_plan_compile(&ask, &idle, &plan, &error), BSC_INVALID);
    assert_non_null(strstr(error.text, "--strategy blue-green"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_others_depend_on_starts_before_them),
        cmocka_unit_test(a_circle_is_found_and_can_be_walked),
        cmocka_unit_test(a_worker_takes_over_with_the_commit),
        cmocka_unit_test(a_worker_is_watched_for_ten_seconds_unless_the_file_says_otherwise),
        cmocka_unit_test(a_worker_that_is_stopped_first_comes_back_the_same_way),
        cmocka_unit_test(what_the_proxy_sends_requests_is_no_worker),
        cmocka_unit_test(together_they_wait_before_all_before_the_traffic_and_before_the_commit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
