/* SPDX-License-Identifier: Apache-2.0
 * What each strategy compiles to: steps, their order, their undos, their words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
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
static const struct bsc_slots standby = { .live = BSC_BLUE,
                                          .state = { BSC_SLOT_LIVE, BSC_SLOT_STANDBY },
                                          .checked = { true, true } };

static struct bsc_spec plain(void)
{
    return (struct bsc_spec){
        .replicas = 2,
        .health = { .deadline_ms = 60000 },
        .deploy = { .standby_ms = 600000, .drain_ms = 30000, .switch_ms = 5000 },
    };
}

static struct bsc_spec full(void)
{
    struct bsc_spec spec = plain();
    spec.deploy.standby_ms = 0;
    spec.deploy.bake_ms = 90000;
    spec.deploy.pre_deploy.command.shell = spec.deploy.pre_deploy.undo.shell = "migrate";
    spec.deploy.pre_deploy.timeout_ms = 7000;
    static const char *const argv[] = { "tell" };
    spec.deploy.post_promote.command.argv = (struct bsc_strings){ 1, argv };
    spec.deploy.post_promote.timeout_ms = 8000;
    return spec;
}

/* Over a live release of the same specification. */
static enum bsc_status compile(enum bsc_plan_kind kind, const struct bsc_spec *spec,
                               const struct bsc_slots *slots, bool occupied, struct bsc_plan *plan,
                               struct bsc_error *error)
{
    struct bsc_plan_ask ask = { .kind = kind, .spec = spec, .live = spec, .occupied = occupied };
    return bsc_plan_compile(&ask, slots, plan, error);
}

/* The whole plan as text, one step a line with its undo behind it. */
static void assert_plan(enum bsc_plan_kind kind, const struct bsc_spec *spec,
                        const struct bsc_slots *slots, bool occupied, const char *wanted)
{
    struct bsc_plan plan;
    struct bsc_error error;
    struct bsc_text text = { 0 };
    assert_int_equal(compile(kind, spec, slots, occupied, &plan, &error), BSC_OK);
    for (unsigned i = 0; i < plan.count; i++) {
        char step[160], undo[160];
        assert_int_equal(plan.steps[i].state, BSC_STEP_PENDING);
        bsc_step_describe(&plan.steps[i], step, sizeof step);
        bsc_step_describe_undo(&plan.steps[i], undo, sizeof undo);
        bsc_text_printf(&text, "%s%s%s\n", step, undo[0] ? " / " : "", undo);
    }
    assert_string_equal(bsc_text_get(&text), wanted);
    bsc_text_deinit(&text);
}

static void a_deploy_starts_checks_switches_and_drains(void **unused)
{
    (void)unused;
    struct bsc_spec spec = plain();
    assert_plan(BSC_PLAN_DEPLOY, &spec, &idle, false,
                "start 2 instances in green / drain and stop the instances in green\n"
                "check the health of green\n"
                "give green 100 % of the traffic / give blue all the traffic back\n"
                "commit: green becomes stable\n"
                "wait until nothing is in flight in blue\n");
}

static void a_deploy_with_everything_has_every_step_in_its_place(void **unused)
{
    (void)unused;
    struct bsc_spec spec = full();
    assert_plan(BSC_PLAN_DEPLOY, &spec, &standby, true,
                "run the pre_deploy hook / run the undo of the pre_deploy hook\n"
                "stop the instances in green\n"
                "start 2 instances in green / drain and stop the instances in green\n"
                "check the health of green\n"
                "give green 100 % of the traffic / give blue all the traffic back\n"
                "watch green for 1m30s\n"
                "commit: green becomes stable\n"
                "wait until nothing is in flight in blue\n"
                "stop the instances in blue\n"
                "run the post_promote hook\n");
}

static void a_stage_ends_when_the_slot_is_ready(void **unused)
{
    (void)unused;
    struct bsc_spec spec = full();
    spec.replicas = 1;
    assert_plan(BSC_PLAN_STAGE, &spec, &idle, false,
                "run the pre_deploy hook / run the undo of the pre_deploy hook\n"
                "start 1 instance in green / drain and stop the instances in green\n"
                "check the health of green\n");
}

static void a_switch_checks_again_and_runs_no_pre_deploy_hook(void **unused)
{
    (void)unused;
    struct bsc_spec spec = full();
    assert_plan(BSC_PLAN_SWITCH, &spec, &ready, true,
                "check the health of green\n"
                "give green 100 % of the traffic / give blue all the traffic back\n"
                "watch green for 1m30s\n"
                "commit: green becomes stable\n"
                "wait until nothing is in flight in blue\n"
                "stop the instances in blue\n"
                "run the post_promote hook\n");
}

static void a_rollback_to_a_standby_switches_at_once(void **unused)
{
    (void)unused;
    struct bsc_spec spec = full();
    spec.deploy.standby_ms = 1;
    assert_plan(BSC_PLAN_ROLLBACK, &spec, &standby, true,
                "give green 100 % of the traffic / give blue all the traffic back\n"
                "commit: green becomes stable\n"
                "wait until nothing is in flight in blue\n");
}

static void a_revert_starts_the_old_release_again_and_checks_it(void **unused)
{
    (void)unused;
    struct bsc_spec spec = full();
    assert_plan(BSC_PLAN_REVERT, &spec, &standby, true,
                "stop the instances in green\n"
                "start 2 instances in green / drain and stop the instances in green\n"
                "check the health of green\n"
                "give green 100 % of the traffic / give blue all the traffic back\n"
                "commit: green becomes stable\n"
                "wait until nothing is in flight in blue\n"
                "stop the instances in blue\n");
}

static void steps_carry_the_time_limits_of_the_specification(void **unused)
{
    (void)unused;
    static const struct {
        enum bsc_step_kind kind;
        int64_t timeout_ms, duration_ms;
        unsigned weight_bp;
    } wanted[] = {
        { BSC_STEP_HOOK, 7000, 0, 0 },      { BSC_STEP_STOP, 0, 0, 0 },
        { BSC_STEP_START, 60000, 0, 0 },    { BSC_STEP_CHECK, 60000, 0, 0 },
        { BSC_STEP_SPLIT, 5000, 0, 10000 }, { BSC_STEP_BAKE, 0, 90000, 0 },
        { BSC_STEP_COMMIT, 0, 0, 0 },       { BSC_STEP_DRAIN, 30000, 0, 0 },
        { BSC_STEP_STOP, 0, 0, 0 },         { BSC_STEP_HOOK, 8000, 0, 0 },
    };
    struct bsc_spec spec = full();
    struct bsc_plan plan;
    assert_int_equal(compile(BSC_PLAN_DEPLOY, &spec, &standby, true, &plan, NULL), BSC_OK);
    assert_int_equal(plan.count, sizeof wanted / sizeof *wanted);
    for (unsigned i = 0; i < plan.count; i++) {
        assert_int_equal(plan.steps[i].kind, wanted[i].kind);
        assert_int_equal(plan.steps[i].timeout_ms, wanted[i].timeout_ms);
        assert_int_equal(plan.steps[i].duration_ms, wanted[i].duration_ms);
        assert_int_equal(plan.steps[i].weight_bp, wanted[i].weight_bp);
    }
    assert_int_equal(plan.steps[0].hook, BSC_HOOK_PRE_DEPLOY);
    assert_int_equal(plan.steps[9].hook, BSC_HOOK_POST_PROMOTE);
}

static void a_static_service_has_as_many_instances_as_addresses_in_the_slot(void **unused)
{
    (void)unused;
    static const char *const targets[] = { "10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80" };
    struct bsc_spec spec = plain();
    struct bsc_plan plan;
    spec.runtime = BSC_RUNTIME_STATIC;
    spec.targets[BSC_GREEN] = (struct bsc_strings){ 3, targets };
    assert_int_equal(compile(BSC_PLAN_DEPLOY, &spec, &idle, false, &plan, NULL), BSC_OK);
    assert_int_equal(plan.steps[0].instances, 3);
}

static void the_candidate_is_the_slot_that_is_not_live(void **unused)
{
    (void)unused;
    struct bsc_slots green_live = { .live = BSC_GREEN, .state = { BSC_SLOT_IDLE, BSC_SLOT_LIVE } };
    struct bsc_spec spec = plain();
    spec.deploy.standby_ms = 0;
    assert_plan(BSC_PLAN_DEPLOY, &spec, &green_live, false,
                "start 2 instances in blue / drain and stop the instances in blue\n"
                "check the health of blue\n"
                "give blue 100 % of the traffic / give green all the traffic back\n"
                "commit: blue becomes stable\n"
                "wait until nothing is in flight in green\n"
                "stop the instances in green\n");
}

static void what_the_slots_do_not_allow_is_not_planned(void **unused)
{
    (void)unused;
    static const struct {
        enum bsc_plan_kind kind;
        enum bsc_slot_state state;
        enum bsc_status refusal;
    } refused[] = {
        { BSC_PLAN_DEPLOY, BSC_SLOT_DEPLOYING, BSC_BUSY },
        { BSC_PLAN_STAGE, BSC_SLOT_DEPLOYING, BSC_BUSY },
        { BSC_PLAN_REVERT, BSC_SLOT_DEPLOYING, BSC_BUSY },
        { BSC_PLAN_SWITCH, BSC_SLOT_IDLE, BSC_STATE },
        { BSC_PLAN_SWITCH, BSC_SLOT_READY, BSC_STATE }, /* not checked */
        { BSC_PLAN_ROLLBACK, BSC_SLOT_READY, BSC_NO_ROLLBACK },
        { BSC_PLAN_ROLLBACK, BSC_SLOT_IDLE, BSC_NO_ROLLBACK },
    };
    struct bsc_spec spec = plain();
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct bsc_slots slots = { .state = { BSC_SLOT_LIVE, refused[i].state } };
        struct bsc_plan plan;
        struct bsc_error error;
        assert_int_equal(compile(refused[i].kind, &spec, &slots, false, &plan, &error),
                         refused[i].refusal);
        assert_string_not_equal(error.text, "");
    }
}

static void gates_stand_before_the_traffic_but_not_before_what_comes_back(void **unused)
{
    (void)unused;
    static const struct bsc_gate gates[] = {
        { .name = "late", .when = BSC_GATE_BEFORE_FULL, .timeout_ms = 3000 },
        { .name = "early", .when = BSC_GATE_BEFORE_SWITCH, .timeout_ms = 4000 },
    };
    struct bsc_spec spec = plain();
    spec.deploy.gates = (struct bsc_gates){ 2, gates };
    struct bsc_plan plan;
    struct bsc_error error;
    assert_int_equal(compile(BSC_PLAN_DEPLOY, &spec, &idle, false, &plan, &error), BSC_OK);
    assert_int_equal(plan.steps[2].kind, BSC_STEP_GATE);
    assert_int_equal(plan.steps[2].item, 1);
    assert_int_equal(plan.steps[2].timeout_ms, 4000);
    assert_int_equal(plan.steps[3].kind, BSC_STEP_GATE);
    assert_int_equal(plan.steps[3].item, 0);
    assert_int_equal(plan.steps[3].timeout_ms, 3000);
    assert_int_equal(plan.steps[4].kind, BSC_STEP_SPLIT);
    char text[160];
    bsc_step_describe(&plan.steps[2], text, sizeof text);
    assert_non_null(strstr(text, "pass gate 2: "));
    assert_int_equal(compile(BSC_PLAN_ROLLBACK, &spec, &standby, true, &plan, &error), BSC_OK);
    for (unsigned i = 0; i < plan.count; i++)
        assert_int_not_equal(plan.steps[i].kind, BSC_STEP_GATE);
}

static void a_part_of_the_traffic_is_told_in_percent(void **unused)
{
    (void)unused;
    char text[160];
    struct bsc_step split = { .kind = BSC_STEP_SPLIT, .slot = BSC_BLUE, .weight_bp = 250 };
    bsc_step_describe(&split, text, sizeof text);
    assert_string_equal(text, "give blue 2.5 % of the traffic");
}

static void a_step_that_does_not_exist_is_described_by_nothing(void **unused)
{
    (void)unused;
    for (unsigned beyond = 0; beyond < 2; beyond++) {
        char text[160] = "left over", undo[160] = "left over";
        struct bsc_step step = { .kind = (enum bsc_step_kind)(BSC_STEP_KIND_COUNT + beyond),
                                 .undo = (enum bsc_undo)(BSC_UNDO_COUNT + beyond) };
        bsc_step_describe(&step, text, sizeof text);
        bsc_step_describe_undo(&step, undo, sizeof undo);
        assert_string_equal(text, "");
        assert_string_equal(undo, "");
    }
}

/* Every value of an enumeration has a name, and the name is read as the value. */
#define ASSERT_NAMES(type, count, to_name, parse)           \
    do {                                                    \
        type value;                                         \
        for (unsigned i = 0; i < (unsigned)(count); i++) {  \
            assert_true(parse(to_name((type)i), &value));   \
            assert_int_equal(value, i);                     \
        }                                                   \
        assert_false(parse("nothing of the kind", &value)); \
    } while (0)

static void names_are_read_as_they_are_written(void **unused)
{
    (void)unused;
    ASSERT_NAMES(enum bsc_step_kind, BSC_STEP_KIND_COUNT, bsc_step_kind_name, bsc_step_kind_parse);
    ASSERT_NAMES(enum bsc_step_state, BSC_STEP_STATE_COUNT, bsc_step_state_name,
                 bsc_step_state_parse);
    ASSERT_NAMES(enum bsc_plan_kind, BSC_PLAN_KIND_COUNT, bsc_plan_kind_name, bsc_plan_kind_parse);
    ASSERT_NAMES(enum bsc_strategy, BSC_STRATEGY_COUNT, bsc_strategy_name, bsc_strategy_parse);
    ASSERT_NAMES(enum bsc_hook, BSC_HOOK_COUNT, bsc_hook_name, bsc_hook_parse);
    ASSERT_NAMES(enum bsc_gate_kind, BSC_GATE_KIND_COUNT, bsc_gate_kind_name, bsc_gate_kind_parse);
    ASSERT_NAMES(enum bsc_undo, BSC_UNDO_COUNT, bsc_undo_name, bsc_undo_parse);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deploy_starts_checks_switches_and_drains),
        cmocka_unit_test(a_deploy_with_everything_has_every_step_in_its_place),
        cmocka_unit_test(a_stage_ends_when_the_slot_is_ready),
        cmocka_unit_test(a_switch_checks_again_and_runs_no_pre_deploy_hook),
        cmocka_unit_test(a_rollback_to_a_standby_switches_at_once),
        cmocka_unit_test(a_revert_starts_the_old_release_again_and_checks_it),
        cmocka_unit_test(steps_carry_the_time_limits_of_the_specification),
        cmocka_unit_test(a_static_service_has_as_many_instances_as_addresses_in_the_slot),
        cmocka_unit_test(the_candidate_is_the_slot_that_is_not_live),
        cmocka_unit_test(what_the_slots_do_not_allow_is_not_planned),
        cmocka_unit_test(gates_stand_before_the_traffic_but_not_before_what_comes_back),
        cmocka_unit_test(a_part_of_the_traffic_is_told_in_percent),
        cmocka_unit_test(a_step_that_does_not_exist_is_described_by_nothing),
        cmocka_unit_test(names_are_read_as_they_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
