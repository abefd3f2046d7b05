/* SPDX-License-Identifier: Apache-2.0
 * Gates and the late hooks: where they stand in the plan of each strategy, what a walk makes of
 * them, and what a release keeps of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "core/expand.h"
#include "core/rollout.h"

static const struct bsc_slots idle = { .live = BSC_BLUE,
                                       .state = { BSC_SLOT_LIVE, BSC_SLOT_IDLE },
                                       .checked = { true, false } };
static const struct bsc_slots ready = { .live = BSC_BLUE,
                                        .state = { BSC_SLOT_LIVE, BSC_SLOT_READY },
                                        .checked = { true, true } };
static const struct bsc_slots standby = { .live = BSC_BLUE,
                                          .state = { BSC_SLOT_LIVE, BSC_SLOT_STANDBY },
                                          .checked = { true, true } };

static struct bsc_query_spec budget = { .name = "budget",
                                        .command.shell = "left ${VERSION}",
                                        .accept = { .text = "> 0" } };

static const struct bsc_gate gates[] = {
    { .name = "smoke", .kind = BSC_GATE_SMOKE, .timeout_ms = 1000, .command.shell = "${VERSION}" },
    { .name = "go", .kind = BSC_GATE_APPROVAL, .approval = "good", .when = BSC_GATE_BEFORE_FULL },
    { .name = "probe", .kind = BSC_GATE_PROBE, .probe = { .path = "/", .host = "h" } },
    { .name = "load", .kind = BSC_GATE_LOAD, .load = "/l", .when = BSC_GATE_BEFORE_FULL },
    { .name = "budget", .kind = BSC_GATE_QUERY, .query = &budget, .timeout_ms = 2000 },
};

static struct bsc_spec spec_of(enum bsc_strategy strategy)
{
    return (struct bsc_spec){
        .replicas = 2,
        .deploy = { .strategy = strategy,
                    .standby_ms = 1,
                    .steps = { 1, { 5000 } },
                    .scale = BSC_SCALE_FULL,
                    .batch = { 1, false },
                    .gates = { 5, gates },
                    .post_switch.command.shell = "purge",
                    .on_rollback.command.shell = "tell" },
    };
}

/* The kinds of the steps, a gate with its number, a hook with its name. */
static void assert_steps(const struct bsc_plan_ask *ask, const struct bsc_slots *now,
                         const char *wanted)
{
    struct bsc_plan plan;
    struct bsc_text text = { 0 };
    assert_int_equal(bsc_plan_compile(ask, now, &plan, NULL), BSC_OK);
    for (unsigned i = 0; i < plan.count; i++) {
        const struct bsc_step *step = &plan.steps[i];
        bsc_text_printf(&text, "%s%s", i ? " " : "", bsc_step_kind_name(step->kind));
        if (step->kind == BSC_STEP_GATE) {
            bsc_text_printf(&text, "-%u", step->item);
            assert_int_equal(step->gate, gates[step->item].kind);
            assert_int_equal(step->timeout_ms, gates[step->item].timeout_ms);
            assert_int_equal(step->undo, BSC_UNDO_NOTHING);
        }
        if (step->kind == BSC_STEP_HOOK)
            bsc_text_printf(&text, "-%s", bsc_hook_name(step->hook));
    }
    assert_string_equal(bsc_text_get(&text), wanted);
    bsc_text_deinit(&text);
}

static void gates_stand_before_the_first_of_the_traffic_and_before_the_whole(void **unused)
{
    (void)unused;
    static const struct {
        enum bsc_strategy strategy;
        const char *steps;
    } cases[] = {
        { BSC_STRATEGY_BLUE_GREEN,
          "hook-on_rollback start check gate-0 gate-2 gate-4 gate-1 gate-3 split "
          "hook-post_switch commit drain" },
        { BSC_STRATEGY_CANARY,
          "hook-on_rollback start check gate-0 gate-2 gate-4 split bake gate-1 gate-3 "
          "split hook-post_switch bake commit drain" },
        { BSC_STRATEGY_ROLLING, "hook-on_rollback start check gate-0 gate-2 gate-4 split drain "
                                "stop start check gate-1 gate-3 "
                                "split hook-post_switch drain stop commit" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bsc_spec spec = spec_of(cases[i].strategy);
        struct bsc_plan_ask ask = { .kind = BSC_PLAN_DEPLOY, .spec = &spec, .live = &spec };
        assert_steps(&ask, &idle, cases[i].steps);
    }
}

static void chosen_users_are_traffic_too(void **unused)
{
    (void)unused;
    static const struct bsc_match_rule beta = { BSC_MATCH_HEADER, BSC_MATCH_PRESENT, "X", NULL };
    struct bsc_spec spec = spec_of(BSC_STRATEGY_CANARY);
    spec.deploy.match = (struct bsc_match_spec){ 1, &beta };
    struct bsc_plan_ask ask = { .kind = BSC_PLAN_DEPLOY, .spec = &spec, .live = &spec };
    assert_steps(
        &ask, &idle,
        "hook-on_rollback start check gate-0 gate-2 gate-4 match bake split bake gate-1 gate-3 "
        "split hook-post_switch bake commit drain");
}

static void what_is_staged_passes_all_but_the_approvals_and_a_switch_all(void **unused)
{
    (void)unused;
    struct bsc_gate first[2] = { gates[0], gates[1] };
    struct bsc_spec spec = spec_of(BSC_STRATEGY_BLUE_GREEN);
    first[1].when = BSC_GATE_BEFORE_SWITCH;
    spec.deploy.gates = (struct bsc_gates){ 2, first };
    struct bsc_plan_ask ask = { .kind = BSC_PLAN_STAGE, .spec = &spec, .live = &spec };
    assert_steps(&ask, &idle, "hook-on_rollback start check gate-0");
    ask.kind = BSC_PLAN_SWITCH;
    assert_steps(&ask, &ready,
                 "hook-on_rollback check gate-0 gate-1 split hook-post_switch commit drain");
}

static void nothing_stands_in_the_way_back_and_it_is_told_at_its_end(void **unused)
{
    (void)unused;
    struct bsc_spec spec = spec_of(BSC_STRATEGY_BLUE_GREEN), quiet = spec;
    struct bsc_plan_ask ask = { .kind = BSC_PLAN_ROLLBACK, .spec = &spec, .live = &spec };
    quiet.deploy.on_rollback = (struct bsc_hook_spec){ 0 };
    assert_steps(&ask, &standby, "split commit drain hook-on_rollback");
    ask.live = &quiet;
    assert_steps(&ask, &standby, "split commit drain");
    ask.kind = BSC_PLAN_REVERT;
    assert_steps(&ask, &standby, "start check split commit drain");
}

static void a_version_that_is_recreated_waits_for_nobody(void **unused)
{
    (void)unused;
    struct bsc_spec spec = spec_of(BSC_STRATEGY_RECREATE);
    struct bsc_plan_ask ask = { .kind = BSC_PLAN_DEPLOY, .spec = &spec, .live = &spec };
    struct bsc_plan plan;
    struct bsc_error error;
    assert_int_equal(bsc_plan_compile(&ask, &idle, &plan, &error), BSC_INVALID);
    assert_non_null(strstr(error.text, "approval"));
    ask.kind = BSC_PLAN_REVERT; /* what comes back was approved of */
    assert_int_equal(bsc_plan_compile(&ask, &idle, &plan, &error), BSC_OK);
    ask.kind = BSC_PLAN_DEPLOY;
    spec.deploy.gates.count = 1;
    assert_steps(&ask, &idle,
                 "hook-on_rollback hold drain stop start check gate-0 split resume "
                 "hook-post_switch commit");
}

static void steps_say_what_they_are(void **unused)
{
    (void)unused;
    static const struct {
        struct bsc_step step;
        const char *text, *undo;
    } cases[] = {
        { { .kind = BSC_STEP_GATE, .gate = BSC_GATE_SMOKE }, "pass gate 1: a smoke test", "" },
        { { .kind = BSC_STEP_GATE, .gate = BSC_GATE_PROBE, .item = 1 },
          "pass gate 2: requests to every instance",
          "" },
        { { .kind = BSC_STEP_GATE, .gate = BSC_GATE_APPROVAL }, "pass gate 1: an approval", "" },
        { { .kind = BSC_STEP_GATE, .gate = BSC_GATE_LOAD }, "pass gate 1: a load test", "" },
        { { .kind = BSC_STEP_GATE, .gate = BSC_GATE_QUERY }, "pass gate 1: an external query", "" },
        { { .kind = BSC_STEP_HOOK, .hook = BSC_HOOK_ON_ROLLBACK, .undo = BSC_UNDO_HOOK },
          "have the on_rollback hook ready",
          "run the on_rollback hook" },
        { { .kind = BSC_STEP_HOOK, .hook = BSC_HOOK_ON_ROLLBACK }, "run the on_rollback hook", "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[160], undo[160];
        bsc_step_describe(&cases[i].step, text, sizeof text);
        bsc_step_describe_undo(&cases[i].step, undo, sizeof undo);
        assert_string_equal(text, cases[i].text);
        assert_string_equal(undo, cases[i].undo);
    }
    for (unsigned kind = 0; kind < BSC_GATE_KIND_COUNT; kind++) {
        enum bsc_gate_kind found;
        assert_true(bsc_gate_kind_parse(bsc_gate_kind_name((enum bsc_gate_kind)kind), &found));
        assert_int_equal(found, kind);
    }
}

/* smoke, approval, split, bake, commit */
static struct bsc_plan gated(void)
{
    return (struct bsc_plan){
        .count = 5,
        .steps = { { .kind = BSC_STEP_GATE, .gate = BSC_GATE_SMOKE },
                   { .kind = BSC_STEP_GATE, .gate = BSC_GATE_APPROVAL },
                   { .kind = BSC_STEP_SPLIT,
                     .undo = BSC_UNDO_SPLIT,
                     .weight_bp = BSC_WEIGHT_FULL_BP },
                   { .kind = BSC_STEP_BAKE },
                   { .kind = BSC_STEP_COMMIT } },
    };
}

static void a_promotion_ends_an_approval_and_no_other_gate(void **unused)
{
    (void)unused;
    struct bsc_walk walk = { 0 };
    struct bsc_plan plan = gated();
    assert_int_equal(bsc_walk_handle(&walk, &plan, BSC_WALK_BEGIN), BSC_ACT_STEP);
    assert_int_equal(bsc_walk_handle(&walk, &plan, BSC_WALK_PROMOTE), BSC_ACT_NOTHING);
    assert_int_equal(plan.steps[0].state, BSC_STEP_RUNNING);
    assert_int_equal(bsc_walk_handle(&walk, &plan, BSC_WALK_DONE), BSC_ACT_STEP);
    assert_int_equal(bsc_walk_handle(&walk, &plan, BSC_WALK_PROMOTE), BSC_ACT_STEP);
    assert_int_equal(plan.steps[1].state, BSC_STEP_SKIPPED);
    assert_int_equal(walk.cursor, 2);
}

static void a_promotion_to_the_end_skips_what_waits_and_nothing_that_looks(void **unused)
{
    (void)unused;
    struct bsc_walk walk = { 0 };
    struct bsc_plan plan = gated();
    bsc_walk_handle(&walk, &plan, BSC_WALK_BEGIN);
    assert_int_equal(bsc_walk_handle(&walk, &plan, BSC_WALK_PROMOTE_FULL), BSC_ACT_NOTHING);
    static const enum bsc_step_state states[] = { BSC_STEP_RUNNING, BSC_STEP_SKIPPED,
                                                  BSC_STEP_PENDING, BSC_STEP_SKIPPED,
                                                  BSC_STEP_PENDING };
    for (unsigned i = 0; i < plan.count; i++)
        assert_int_equal(plan.steps[i].state, states[i]);
}

static void an_abort_and_a_failure_at_a_gate_end_it(void **unused)
{
    (void)unused;
    for (unsigned abort = 0; abort < 2; abort++) {
        struct bsc_walk walk = { 0 };
        struct bsc_plan plan = gated();
        bsc_walk_handle(&walk, &plan, BSC_WALK_BEGIN);
        assert_int_equal(bsc_walk_handle(&walk, &plan, abort ? BSC_WALK_CANCEL : BSC_WALK_FAIL),
                         BSC_ACT_FINISH);
        assert_int_equal(walk.status, abort ? BSC_ROLLOUT_CANCELLED : BSC_ROLLOUT_FAILED);
    }
}

static void a_release_has_its_version_in_its_gates(void **unused)
{
    (void)unused;
    struct bsc_spec *file = bsc_spec_create(), *release = NULL;
    struct bsc_gate bad = gates[0];
    file->name = "web";
    file->deploy.gates = (struct bsc_gates){ 5, gates };
    assert_int_equal(bsc_spec_for_version(file, "v2", &release, NULL), BSC_OK);
    const struct bsc_gate *copies = release->deploy.gates.items;
    assert_int_equal(release->deploy.gates.count, 5);
    assert_string_equal(copies[0].command.shell, "v2");
    assert_string_equal(copies[1].approval, "good");
    assert_string_equal(copies[2].probe.host, "h");
    assert_string_equal(copies[3].load, "/l");
    assert_ptr_not_equal(copies[3].load, gates[3].load);
    assert_string_equal(copies[4].query->command.shell, "left v2");
    assert_string_equal(copies[4].query->name, "budget");
    assert_ptr_not_equal(copies[4].query->accept.text, budget.accept.text);
    bsc_spec_release(release);
    bad.command.shell = "${NOBODY}";
    file->deploy.gates = (struct bsc_gates){ 1, &bad };
    assert_int_equal(bsc_spec_for_version(file, "v2", &release, NULL), BSC_INVALID);
    struct bsc_query_spec wrong = { .name = "wrong", .url = "http://${NOBODY}" };
    bad = (struct bsc_gate){ .name = "wrong", .kind = BSC_GATE_QUERY, .query = &wrong };
    assert_int_equal(bsc_spec_for_version(file, "v2", &release, NULL), BSC_INVALID);
    bsc_spec_release(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gates_stand_before_the_first_of_the_traffic_and_before_the_whole),
        cmocka_unit_test(chosen_users_are_traffic_too),
        cmocka_unit_test(what_is_staged_passes_all_but_the_approvals_and_a_switch_all),
        cmocka_unit_test(nothing_stands_in_the_way_back_and_it_is_told_at_its_end),
        cmocka_unit_test(a_version_that_is_recreated_waits_for_nobody),
        cmocka_unit_test(steps_say_what_they_are),
        cmocka_unit_test(a_promotion_ends_an_approval_and_no_other_gate),
        cmocka_unit_test(a_promotion_to_the_end_skips_what_waits_and_nothing_that_looks),
        cmocka_unit_test(an_abort_and_a_failure_at_a_gate_end_it),
        cmocka_unit_test(a_release_has_its_version_in_its_gates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
