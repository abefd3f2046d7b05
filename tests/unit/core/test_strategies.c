/* SPDX-License-Identifier: Apache-2.0
 * What canary, rolling and recreate compile to: every step with its undo, and what there is
 * when it is done. */
#include <string.h>

#include "core/rollout.h"
#include "plan_text.h"

#define SHARE " / give blue this share of the traffic back\n"
#define AGAIN " / start the instances in blue again and check them\n"

static void a_canary_grows_with_its_share_and_is_watched_after_each_step(void **unused)
{
    (void)unused;
    struct bsc_spec spec = spec_of(BSC_STRATEGY_CANARY);
    struct bsc_plan_ask ask = ask_of(&spec);
    assert_plan(&ask, &idle,
                "4+1 0 start 1 instance in green" STOP "4+1 0 check the health of green\n"
                "4+1 500 give green 5 % of the traffic" BACK "4+1 500 watch green for 30s\n"
                "4+1 2500 give green 25 % of the traffic" BACK "4+1 2500 watch green for 30s\n"
                "4+2 2500 start 1 instance in green\n4+2 2500 check the health of green\n"
                "4+2 5000 give green 50 % of the traffic" BACK "4+2 5000 watch green for 30s\n"
                "4+4 5000 start 2 instances in green\n4+4 5000 check the health of green\n"
                "4+4 10000 give green 100 % of the traffic" BACK "4+4 10000 watch green for 30s\n"
                "4+4 10000 commit: green becomes stable\n"
                "4+4 10000 wait until nothing is in flight in blue\n");
}

static const struct bsc_match_rule beta = { BSC_MATCH_HEADER, BSC_MATCH_PRESENT, "X-Beta", NULL };

static void chosen_users_come_first_and_stay_until_the_whole(void **unused)
{
    (void)unused;
    struct bsc_spec spec = spec_of(BSC_STRATEGY_CANARY);
    spec.deploy.match = (struct bsc_match_spec){ 1, &beta };
    spec.deploy.steps = (struct bsc_canary_steps){ 1, { 5000 } };
    struct bsc_plan_ask ask = ask_of(&spec);
    assert_plan(&ask, &idle,
                "4+1 0 start 1 instance in green" STOP "4+1 0 check the health of green\n"
                "4+1 0m send the users that match rules choose to green" BACK
                "4+1 0m watch green for 30s\n"
                "4+2 0m start 1 instance in green\n4+2 0m check the health of green\n"
                "4+2 5000m give green 50 % of the traffic" BACK "4+2 5000m watch green for 30s\n"
                "4+4 5000m start 2 instances in green\n4+4 5000m check the health of green\n"
                "4+4 10000 give green 100 % of the traffic" BACK "4+4 10000 watch green for 30s\n"
                "4+4 10000 commit: green becomes stable\n"
                "4+4 10000 wait until nothing is in flight in blue\n");
}

static void rules_are_in_force_from_their_step_to_the_whole_and_never_on_the_way_back(void **unused)
{
    (void)unused;
    struct bsc_spec spec = spec_of(BSC_STRATEGY_CANARY);
    spec.deploy.match = (struct bsc_match_spec){ 1, &beta };
    struct bsc_plan_ask ask = ask_of(&spec);
    struct bsc_plan plan;
    struct bsc_error error;
    assert_int_equal(bsc_plan_compile(&ask, &idle, &plan, &error), BSC_OK);
    unsigned match = 2, whole = 0;
    assert_int_equal(plan.steps[match].kind, BSC_STEP_MATCH);
    while (plan.steps[whole].weight_bp < BSC_WEIGHT_FULL_BP)
        whole++;
    for (unsigned turn = 0; turn < plan.count; turn++) {
        struct bsc_plan walked = plan;
        struct bsc_walk walk = { 0 };
        bsc_walk_handle(&walk, &walked, BSC_WALK_BEGIN);
        while (walk.cursor < turn)
            bsc_walk_handle(&walk, &walked, BSC_WALK_DONE);
        assert_int_equal(bsc_walk_matches(&walk, &walked), turn >= match && turn < whole);
        if (walk.status != BSC_ROLLOUT_RUNNING)
            continue;
        bool moved = turn >= match;
        bsc_walk_handle(&walk, &walked, BSC_WALK_FAIL);
        while (walk.status == BSC_ROLLOUT_UNDOING) {
            assert_false(bsc_walk_matches(&walk, &walked));
            bsc_walk_handle(&walk, &walked, BSC_WALK_DONE);
        }
        assert_false(bsc_walk_matches(&walk, &walked));
        assert_int_equal(walk.status, moved ? BSC_ROLLOUT_ROLLED_BACK : BSC_ROLLOUT_FAILED);
    }
}

static void a_full_promotion_skips_choosing_users(void **unused)
{
    (void)unused;
    struct bsc_spec spec = spec_of(BSC_STRATEGY_CANARY);
    spec.deploy.match = (struct bsc_match_spec){ 1, &beta };
    struct bsc_plan_ask ask = ask_of(&spec);
    struct bsc_plan plan;
    struct bsc_walk walk = { 0 };
    struct bsc_error error;
    assert_int_equal(bsc_plan_compile(&ask, &idle, &plan, &error), BSC_OK);
    bsc_walk_handle(&walk, &plan, BSC_WALK_BEGIN);
    bsc_walk_handle(&walk, &plan, BSC_WALK_PROMOTE_FULL);
    while (walk.status == BSC_ROLLOUT_RUNNING) {
        assert_false(bsc_walk_matches(&walk, &plan));
        bsc_walk_handle(&walk, &plan, BSC_WALK_DONE);
    }
    assert_int_equal(walk.status, BSC_ROLLOUT_PROMOTED);
    assert_int_equal(plan.steps[2].state, BSC_STEP_SKIPPED);
}

static void a_canary_of_full_size_starts_once(void **unused)
{
    (void)unused;
    struct bsc_spec spec = spec_of(BSC_STRATEGY_CANARY);
    spec.deploy.steps = (struct bsc_canary_steps){ 1, { 1 } };
    spec.deploy.scale = BSC_SCALE_FULL;
    spec.deploy.bake_ms = 1000;
    spec.deploy.standby_ms = 0;
    struct bsc_plan_ask ask = ask_of(&spec);
    assert_plan(&ask, &idle,
                "4+4 0 start 4 instances in green" STOP "4+4 0 check the health of green\n"
                "4+4 1 give green 0.01 % of the traffic" BACK "4+4 1 watch green for 1s\n"
                "4+4 10000 give green 100 % of the traffic" BACK "4+4 10000 watch green for 1s\n"
                "4+4 10000 commit: green becomes stable\n"
                "4+4 10000 wait until nothing is in flight in blue\n"
                "0+4 10000 stop the instances in blue\n");
}

static void a_canary_of_a_fixed_size_keeps_it_until_the_end(void **unused)
{
    (void)unused;
    struct bsc_spec spec = spec_of(BSC_STRATEGY_CANARY);
    spec.deploy.scale = BSC_SCALE_FIXED;
    spec.deploy.scale_instances = 3;
    struct bsc_plan_ask ask = ask_of(&spec);
    struct bsc_plan plan;
    unsigned whole[] = { 4, 4 };
    assert_int_equal(bsc_plan_compile(&ask, &idle, &plan, NULL), BSC_OK);
    for (unsigned i = 0; i < plan.count; i++) {
        struct bsc_plan_capacity after = bsc_plan_capacity_after(&plan, i, whole);
        assert_int_equal(after.instances[BSC_GREEN], after.weight_bp == 10000 || i >= 8 ? 4 : 3);
    }
}

static void what_was_staged_for_a_canary_is_there_in_whole(void **unused)
{
    (void)unused;
    struct bsc_spec spec = spec_of(BSC_STRATEGY_CANARY);
    spec.deploy.steps.count = 1;
    struct bsc_plan_ask ask = ask_of(&spec);
    ask.kind = BSC_PLAN_STAGE;
    assert_plan(&ask, &idle,
                "4+4 0 start 4 instances in green" STOP "4+4 0 check the health of green\n");
    ask.kind = BSC_PLAN_SWITCH;
    assert_plan(&ask, &ready,
                "4+4 0 check the health of green\n"
                "4+4 500 give green 5 % of the traffic" BACK "4+4 500 watch green for 30s\n"
                "4+4 10000 give green 100 % of the traffic" BACK "4+4 10000 watch green for 30s\n"
                "4+4 10000 commit: green becomes stable\n"
                "4+4 10000 wait until nothing is in flight in blue\n");
}

static void the_first_release_goes_straight_to_all_the_traffic(void **unused)
{
    (void)unused;
    for (unsigned strategy = 0; strategy < BSC_STRATEGY_COUNT; strategy++) {
        struct bsc_spec spec = spec_of((enum bsc_strategy)strategy);
        spec.deploy.bake_ms = 1000;
        struct bsc_plan_ask ask = ask_of(&spec);
        ask.live = NULL;
        assert_int_equal(bsc_plan_strategy(&ask), BSC_STRATEGY_BLUE_GREEN);
        assert_plan(&ask, &idle,
                    "0+4 0 start 4 instances in green" STOP "0+4 0 check the health of green\n"
                    "0+4 10000 give green 100 % of the traffic" BACK
                    "0+4 10000 commit: green becomes stable\n"
                    "0+4 10000 wait until nothing is in flight in blue\n");
    }
}

/* How often the version is watched, each time for `wanted_ms`. */
static unsigned watched(enum bsc_strategy strategy, int64_t bake_ms, int64_t wanted_ms)
{
    struct bsc_spec spec = spec_of(strategy);
    spec.deploy.bake_ms = bake_ms;
    struct bsc_plan_ask ask = ask_of(&spec);
    struct bsc_plan plan;
    unsigned count = 0;
    assert_int_equal(bsc_plan_compile(&ask, &idle, &plan, NULL), BSC_OK);
    for (unsigned i = 0; i < plan.count; i++) {
        if (plan.steps[i].kind != BSC_STEP_BAKE)
            continue;
        assert_int_equal(plan.steps[i].duration_ms, wanted_ms);
        count++;
    }
    return count;
}

static void what_is_not_said_is_watched_as_suits_the_strategy(void **unused)
{
    (void)unused;
    assert_int_equal(watched(BSC_STRATEGY_BLUE_GREEN, BSC_BAKE_AUTO, 10000), 1);
    assert_int_equal(watched(BSC_STRATEGY_RECREATE, BSC_BAKE_AUTO, 10000), 1);
    assert_int_equal(watched(BSC_STRATEGY_CANARY, BSC_BAKE_AUTO, 30000), 4);
    assert_int_equal(watched(BSC_STRATEGY_CANARY, 0, 30000), 4);
    assert_int_equal(watched(BSC_STRATEGY_CANARY, 2000, 2000), 4);
    assert_int_equal(watched(BSC_STRATEGY_ROLLING, BSC_BAKE_AUTO, 10000), 1); /* not in between */
    assert_int_equal(watched(BSC_STRATEGY_ROLLING, 2000, 2000), 2);
    assert_int_equal(watched(BSC_STRATEGY_BLUE_GREEN, 0, 0), 0);
}

static void what_comes_back_is_not_watched_again(void **unused)
{
    (void)unused;
    for (unsigned strategy = 0; strategy < BSC_STRATEGY_COUNT; strategy++) {
        struct bsc_spec spec = spec_of((enum bsc_strategy)strategy);
        spec.deploy.bake_ms = 1000;
        struct bsc_plan_ask ask = ask_of(&spec);
        ask.kind = BSC_PLAN_REVERT;
        struct bsc_plan plan;
        assert_int_equal(bsc_plan_compile(&ask, &idle, &plan, NULL), BSC_OK);
        for (unsigned i = 0; i < plan.count; i++)
            assert_int_not_equal(plan.steps[i].kind, BSC_STEP_BAKE);
    }
}

static void a_rolling_release_replaces_batch_by_batch(void **unused)
{
    (void)unused;
    struct bsc_spec spec = spec_of(BSC_STRATEGY_ROLLING);
    struct bsc_plan_ask ask = ask_of(&spec);
    assert_plan(&ask, &idle,
                "4+2 0 start 2 instances in green" STOP "4+2 0 check the health of green\n"
                "4+2 5000 give green 50 % of the traffic" SHARE
                "2+2 5000 drain 2 instances in blue" AGAIN "2+2 5000 stop 2 instances in blue\n"
                "2+4 5000 start 2 instances in green" STOP "2+4 5000 check the health of green\n"
                "2+4 10000 give green 100 % of the traffic" SHARE
                "0+4 10000 drain 2 instances in blue" AGAIN "0+4 10000 stop 2 instances in blue\n"
                "0+4 10000 commit: green becomes stable\n");
}

static void without_room_above_a_rolling_release_makes_room_below(void **unused)
{
    (void)unused;
    struct bsc_spec spec = spec_of(BSC_STRATEGY_ROLLING);
    spec.replicas = 2;
    spec.deploy.bake_ms = 1000;
    spec.deploy.max_surge = (struct bsc_amount){ 0, true };
    spec.deploy.max_unavailable = (struct bsc_amount){ 1, false };
    struct bsc_plan_ask ask = ask_of(&spec);
    assert_plan(&ask, &idle,
                "1+0 0 drain 1 instance in blue" AGAIN "1+0 0 stop 1 instance in blue\n"
                "1+1 0 start 1 instance in green" STOP "1+1 0 check the health of green\n"
                "1+1 10000 give green 100 % of the traffic" SHARE "1+1 10000 watch green for 1s\n"
                "0+1 10000 drain 1 instance in blue" AGAIN "0+1 10000 stop 1 instance in blue\n"
                "0+2 10000 start 1 instance in green" STOP "0+2 10000 check the health of green\n"
                "0+2 10000 commit: green becomes stable\n");
}

static unsigned larger(unsigned a, unsigned b)
{
    return a > b ? a : b;
}

/* For all small numbers: capacity and limit hold at every step, and it comes to its end. */
static void assert_within_limits(struct bsc_spec *old, struct bsc_spec *next)
{
    struct bsc_plan_ask ask = { .kind = BSC_PLAN_DEPLOY, .spec = next, .live = old };
    struct bsc_plan plan;
    struct bsc_error error;
    unsigned whole[] = { old->replicas, next->replicas };
    unsigned capacity = bsc_spec_capacity(next, next->replicas);
    unsigned surge =
        next->deploy.max_surge.number ? next->deploy.max_surge.number : next->deploy.batch.number;
    if (surge > next->replicas)
        surge = next->replicas;
    if (next->deploy.max_surge.percent)
        surge = 0;
    enum bsc_status status = bsc_plan_compile(&ask, &idle, &plan, &error);
    if (capacity >= next->replicas + surge) {
        assert_int_equal(status, BSC_INVALID);
        return;
    }
    assert_int_equal(status, BSC_OK);
    struct bsc_plan_capacity after = { { old->replicas, 0 }, 0, false };
    for (unsigned i = 0; i < plan.count; i++) {
        after = bsc_plan_capacity_after(&plan, i, whole);
        unsigned all = after.instances[BSC_BLUE] + after.instances[BSC_GREEN];
        assert_true(all >= (capacity < old->replicas ? capacity : old->replicas));
        assert_true(all <= larger(old->replicas, next->replicas + surge));
        assert_true(!after.weight_bp || after.instances[BSC_GREEN]);
        assert_true(after.weight_bp == 10000 || after.instances[BSC_BLUE]);
    }
    assert_int_equal(after.instances[BSC_BLUE], 0);
    assert_int_equal(after.instances[BSC_GREEN], next->replicas);
    assert_int_equal(after.weight_bp, 10000);
}

static void a_rolling_release_never_leaves_its_limits(void **unused)
{
    (void)unused;
    struct bsc_spec old = spec_of(BSC_STRATEGY_ROLLING), next = old;
    for (old.replicas = 1; old.replicas <= 6; old.replicas++)
        for (next.replicas = 1; next.replicas <= 6; next.replicas++)
            for (unsigned batch = 1; batch <= 4; batch++)
                for (unsigned surge = 0; surge <= 3; surge++)
                    for (unsigned gone = 0; gone <= 3; gone++)
                        for (unsigned none = 0; none <= (gone && !surge); none++) {
                            next.deploy.batch = (struct bsc_amount){ batch, false };
                            next.deploy.max_surge = (struct bsc_amount){ surge, none };
                            next.deploy.max_unavailable = (struct bsc_amount){ gone, false };
                            assert_within_limits(&old, &next);
                        }
}

static void too_many_batches_are_refused_and_a_way_back_is_not(void **unused)
{
    (void)unused;
    struct bsc_spec spec = spec_of(BSC_STRATEGY_ROLLING);
    struct bsc_plan_ask ask = ask_of(&spec);
    struct bsc_plan plan;
    struct bsc_error error;
    spec.replicas = 500;
    spec.deploy.batch.number = 1;
    assert_int_equal(bsc_plan_compile(&ask, &idle, &plan, &error), BSC_INVALID);
    assert_non_null(strstr(error.text, "deploy.batch"));
    ask.kind = BSC_PLAN_REVERT;
    assert_int_equal(bsc_plan_compile(&ask, &idle, &plan, &error), BSC_OK);
    spec.replicas = 4; /* within its limits it goes by them */
    spec.deploy.batch.number = 0;
    assert_int_equal(bsc_plan_compile(&ask, &idle, &plan, &error), BSC_OK);
    assert_int_equal(plan.steps[0].instances, 1);
    spec.replicas = 1;
    spec.deploy.max_surge = (struct bsc_amount){ 0, true };
    spec.deploy.max_unavailable = (struct bsc_amount){ 1, false };
    assert_int_equal(bsc_plan_compile(&ask, &idle, &plan, &error), BSC_OK);
    ask.kind = BSC_PLAN_DEPLOY;
    assert_int_equal(bsc_plan_compile(&ask, &idle, &plan, &error), BSC_INVALID);
    assert_non_null(strstr(error.text, "max_surge"));
}

static void recreate_holds_requests_while_nothing_runs(void **unused)
{
    (void)unused;
    struct bsc_spec spec = spec_of(BSC_STRATEGY_RECREATE);
    spec.deploy.pre_deploy.command.shell = "migrate";
    struct bsc_plan_ask ask = ask_of(&spec);
    ask.occupied = true;
    assert_plan(&ask, &idle,
                "4+0 0 stop the instances in green\n"
                "4+0 0h hold the requests / let the requests go on\n"
                "4+0 0h wait until nothing is in flight in blue\n"
                "0+0 0h stop the instances in blue" AGAIN "0+0 0h run the pre_deploy hook\n"
                "0+4 0h start 4 instances in green" STOP "0+4 0h check the health of green\n"
                "0+4 10000h give green 100 % of the traffic" BACK
                "0+4 10000 let the requests go on / hold the requests\n"
                "0+4 10000 commit: green becomes stable\n");
}

static void nothing_is_staged_beside_what_is_replaced_in_place(void **unused)
{
    (void)unused;
    static const enum bsc_strategy in_place[] = { BSC_STRATEGY_ROLLING, BSC_STRATEGY_RECREATE };
    for (size_t i = 0; i < sizeof in_place / sizeof *in_place; i++) {
        struct bsc_spec spec = spec_of(in_place[i]);
        struct bsc_plan_ask ask = ask_of(&spec);
        struct bsc_plan plan;
        struct bsc_error error;
        ask.kind = BSC_PLAN_STAGE;
        assert_int_equal(bsc_plan_compile(&ask, &idle, &plan, &error), BSC_INVALID);
        assert_non_null(strstr(error.text, bsc_strategy_name(in_place[i])));
    }
}

/* It was staged as the first release, or by another strategy. */
static void what_is_ready_is_switched_to_at_once_where_nothing_is_staged(void **unused)
{
    (void)unused;
    static const enum bsc_strategy in_place[] = { BSC_STRATEGY_ROLLING, BSC_STRATEGY_RECREATE };
    for (size_t i = 0; i < sizeof in_place / sizeof *in_place; i++) {
        struct bsc_spec spec = spec_of(in_place[i]);
        struct bsc_plan_ask ask = ask_of(&spec);
        ask.kind = BSC_PLAN_SWITCH;
        assert_plan(&ask, &ready,
                    "4+4 0 check the health of green\n"
                    "4+4 10000 give green 100 % of the traffic" BACK
                    "4+4 10000 commit: green becomes stable\n"
                    "4+4 10000 wait until nothing is in flight in blue\n");
    }
}

static void an_old_release_comes_back_as_the_one_that_leaves_came(void **unused)
{
    (void)unused;
    static const struct {
        enum bsc_strategy leaves, returns, by;
    } cases[] = {
        { BSC_STRATEGY_BLUE_GREEN, BSC_STRATEGY_ROLLING, BSC_STRATEGY_BLUE_GREEN },
        { BSC_STRATEGY_CANARY, BSC_STRATEGY_CANARY, BSC_STRATEGY_BLUE_GREEN },
        { BSC_STRATEGY_ROLLING, BSC_STRATEGY_BLUE_GREEN, BSC_STRATEGY_ROLLING },
        { BSC_STRATEGY_RECREATE, BSC_STRATEGY_BLUE_GREEN, BSC_STRATEGY_RECREATE },
        { BSC_STRATEGY_BLUE_GREEN, BSC_STRATEGY_RECREATE, BSC_STRATEGY_RECREATE },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bsc_spec live = spec_of(cases[i].leaves), spec = spec_of(cases[i].returns);
        struct bsc_plan_ask ask = { .kind = BSC_PLAN_REVERT, .spec = &spec, .live = &live };
        assert_int_equal(bsc_plan_strategy(&ask), cases[i].by);
        ask.kind = BSC_PLAN_ROLLBACK;
        assert_int_equal(bsc_plan_strategy(&ask), BSC_STRATEGY_BLUE_GREEN);
    }
}

static void what_counts_now_is_what_was_done_and_not_undone(void **unused)
{
    (void)unused;
    struct bsc_spec spec = spec_of(BSC_STRATEGY_ROLLING);
    struct bsc_plan_ask ask = ask_of(&spec);
    struct bsc_plan plan;
    assert_int_equal(bsc_plan_compile(&ask, &idle, &plan, NULL), BSC_OK);
    assert_int_equal(bsc_plan_instances(&plan, BSC_BLUE, 4), 4);
    assert_int_equal(bsc_plan_instances(&plan, BSC_GREEN, 4), 0);
    assert_false(bsc_plan_reduces(&plan, BSC_BLUE));
    for (unsigned i = 0; i <= 5; i++) /* up to the second start */
        plan.steps[i].state = BSC_STEP_DONE;
    plan.steps[5].state = BSC_STEP_RUNNING;
    assert_int_equal(bsc_plan_instances(&plan, BSC_BLUE, 4), 2);
    assert_int_equal(bsc_plan_instances(&plan, BSC_GREEN, 4), 4);
    assert_true(bsc_plan_reduces(&plan, BSC_BLUE));
    assert_false(bsc_plan_drains(&plan, BSC_BLUE)); /* a part of it has gone */
    assert_int_equal(bsc_plan_share_before(&plan, 7), 5000);
    assert_int_equal(bsc_plan_share_before(&plan, 2), 0);
    plan.steps[5].state = BSC_STEP_UNDOING;
    assert_int_equal(bsc_plan_instances(&plan, BSC_GREEN, 4), 2);
    plan.steps[3].state = BSC_STEP_UNDOING;
    assert_int_equal(bsc_plan_instances(&plan, BSC_BLUE, 4), 4);
}

static void what_lasts_in_the_old_version_shall_end_from_its_drain_on(void **unused)
{
    (void)unused;
    for (int kind = 0; kind < 2; kind++) {
        struct bsc_spec spec = spec_of(kind ? BSC_STRATEGY_RECREATE : BSC_STRATEGY_BLUE_GREEN);
        struct bsc_plan_ask ask = ask_of(&spec);
        struct bsc_plan plan;
        bool drains = false;
        assert_int_equal(bsc_plan_compile(&ask, &idle, &plan, NULL), BSC_OK);
        for (unsigned i = 0; i < plan.count; i++) {
            assert_int_equal(bsc_plan_drains(&plan, BSC_BLUE), drains);
            plan.steps[i].state = BSC_STEP_RUNNING;
            drains |= plan.steps[i].kind == BSC_STEP_DRAIN;
        }
        assert_true(drains && bsc_plan_drains(&plan, BSC_BLUE));
        assert_false(bsc_plan_drains(&plan, BSC_GREEN));
    }
}

static void stable_is_whole_while_all_of_it_is_only_drained(void **unused)
{
    (void)unused;
    struct bsc_spec spec = spec_of(BSC_STRATEGY_RECREATE);
    struct bsc_plan_ask ask = ask_of(&spec);
    struct bsc_plan plan;
    assert_int_equal(bsc_plan_compile(&ask, &idle, &plan, NULL), BSC_OK);
    plan.steps[0].state = BSC_STEP_DONE;
    plan.steps[1].state = BSC_STEP_FAILED; /* the drain of all: they go on running */
    assert_false(bsc_plan_reduces(&plan, BSC_BLUE));
    assert_int_equal(bsc_plan_instances(&plan, BSC_BLUE, 4), 4);
    plan.steps[2].state = BSC_STEP_FAILED; /* the stop: until it is undone */
    assert_true(bsc_plan_reduces(&plan, BSC_BLUE));
    assert_false(bsc_plan_reduces(&plan, BSC_GREEN));
    assert_int_equal(bsc_plan_instances(&plan, BSC_BLUE, 4), 0);
}

static void requests_are_held_from_the_hold_to_the_resume(void **unused)
{
    (void)unused;
    struct bsc_spec spec = spec_of(BSC_STRATEGY_RECREATE);
    struct bsc_plan_ask ask = ask_of(&spec);
    struct bsc_plan plan;
    assert_int_equal(bsc_plan_compile(&ask, &idle, &plan, NULL), BSC_OK);
    bool held = false;
    for (unsigned i = 0; i < plan.count; i++) {
        plan.steps[i].state = BSC_STEP_RUNNING;
        if (plan.steps[i].kind == BSC_STEP_HOLD || plan.steps[i].kind == BSC_STEP_RESUME)
            held = plan.steps[i].kind == BSC_STEP_HOLD;
        assert_int_equal(bsc_plan_holds(&plan), held);
    }
    for (unsigned i = plan.count; i-- > 0;) {
        plan.steps[i].state = BSC_STEP_UNDOING;
        if (plan.steps[i].kind == BSC_STEP_HOLD || plan.steps[i].kind == BSC_STEP_RESUME)
            held = plan.steps[i].kind == BSC_STEP_RESUME;
        assert_int_equal(bsc_plan_holds(&plan), held);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_canary_grows_with_its_share_and_is_watched_after_each_step),
        cmocka_unit_test(chosen_users_come_first_and_stay_until_the_whole),
        cmocka_unit_test(rules_are_in_force_from_their_step_to_the_whole_and_never_on_the_way_back),
        cmocka_unit_test(a_full_promotion_skips_choosing_users),
        cmocka_unit_test(a_canary_of_full_size_starts_once),
        cmocka_unit_test(a_canary_of_a_fixed_size_keeps_it_until_the_end),
        cmocka_unit_test(what_was_staged_for_a_canary_is_there_in_whole),
        cmocka_unit_test(the_first_release_goes_straight_to_all_the_traffic),
        cmocka_unit_test(what_is_not_said_is_watched_as_suits_the_strategy),
        cmocka_unit_test(what_comes_back_is_not_watched_again),
        cmocka_unit_test(a_rolling_release_replaces_batch_by_batch),
        cmocka_unit_test(without_room_above_a_rolling_release_makes_room_below),
        cmocka_unit_test(a_rolling_release_never_leaves_its_limits),
        cmocka_unit_test(too_many_batches_are_refused_and_a_way_back_is_not),
        cmocka_unit_test(recreate_holds_requests_while_nothing_runs),
        cmocka_unit_test(nothing_is_staged_beside_what_is_replaced_in_place),
        cmocka_unit_test(what_is_ready_is_switched_to_at_once_where_nothing_is_staged),
        cmocka_unit_test(stable_is_whole_while_all_of_it_is_only_drained),
        cmocka_unit_test(an_old_release_comes_back_as_the_one_that_leaves_came),
        cmocka_unit_test(what_counts_now_is_what_was_done_and_not_undone),
        cmocka_unit_test(what_lasts_in_the_old_version_shall_end_from_its_drain_on),
        cmocka_unit_test(requests_are_held_from_the_hold_to_the_resume),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
