/* SPDX-License-Identifier: Apache-2.0
 * The walk along a plan: every status with every event at every step, undos backwards, the commit
 * as the border. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/rollout.h"

enum { HOOK, START, CHECK, SPLIT, COMMIT, DRAIN, STOP, STEPS };
enum { EVENTS = BSC_WALK_EVENT_COUNT };

static const struct bsc_plan blue_green = {
    .count = STEPS,
    .steps = {
        [HOOK] = { .kind = BSC_STEP_HOOK, .undo = BSC_UNDO_HOOK },
        [START] = { .kind = BSC_STEP_START, .undo = BSC_UNDO_STOP },
        [CHECK] = { .kind = BSC_STEP_CHECK },
        [SPLIT] = { .kind = BSC_STEP_SPLIT, .undo = BSC_UNDO_SPLIT },
        [COMMIT] = { .kind = BSC_STEP_COMMIT },
        [DRAIN] = { .kind = BSC_STEP_DRAIN },
        [STOP] = { .kind = BSC_STEP_STOP },
    },
};

/* A walk whose current step is `step`. */
static void walk_to(struct bsc_walk *walk, struct bsc_plan *plan, unsigned step)
{
    *walk = (struct bsc_walk){ 0 };
    *plan = blue_green;
    assert_int_equal(bsc_walk_handle(walk, plan, BSC_WALK_BEGIN), BSC_ACT_STEP);
    while (walk->cursor < step)
        assert_int_equal(bsc_walk_handle(walk, plan, BSC_WALK_DONE), BSC_ACT_STEP);
}

/* Answers every undo until the end; returns what was undone, last digit first: 3, 1, 0 is 310. */
static unsigned undo_all(struct bsc_walk *walk, struct bsc_plan *plan, enum bsc_walk_action action)
{
    unsigned order = 0;
    for (; action == BSC_ACT_UNDO; action = bsc_walk_handle(walk, plan, BSC_WALK_DONE)) {
        assert_int_equal(walk->status, BSC_ROLLOUT_UNDOING);
        assert_int_equal(plan->steps[walk->cursor].state, BSC_STEP_UNDOING);
        assert_int_not_equal(plan->steps[walk->cursor].undo, BSC_UNDO_NOTHING);
        order = order * 10 + walk->cursor;
    }
    assert_int_equal(action, BSC_ACT_FINISH);
    assert_true(bsc_walk_over(walk, plan));
    return order;
}

static void steps_run_in_their_order_to_promoted(void **unused)
{
    (void)unused;
    struct bsc_walk walk;
    struct bsc_plan plan;
    for (unsigned step = 0; step < STEPS; step++) {
        walk_to(&walk, &plan, step);
        for (unsigned i = 0; i < STEPS; i++)
            assert_int_equal(plan.steps[i].state, i < step    ? BSC_STEP_DONE
                                                  : i == step ? BSC_STEP_RUNNING
                                                              : BSC_STEP_PENDING);
        assert_int_equal(walk.status, step <= COMMIT ? BSC_ROLLOUT_RUNNING : BSC_ROLLOUT_PROMOTED);
        assert_false(bsc_walk_over(&walk, &plan));
        assert_int_equal(bsc_rollout_ended(walk.status), step > COMMIT);
    }
    assert_int_equal(bsc_walk_handle(&walk, &plan, BSC_WALK_DONE), BSC_ACT_FINISH);
    assert_int_equal(walk.status, BSC_ROLLOUT_PROMOTED);
    assert_true(bsc_walk_over(&walk, &plan));
}

static void a_plan_without_a_commit_ends_staged(void **unused)
{
    (void)unused;
    struct bsc_walk walk = { 0 };
    struct bsc_plan plan = blue_green;
    plan.count = SPLIT;
    bsc_walk_handle(&walk, &plan, BSC_WALK_BEGIN);
    bsc_walk_handle(&walk, &plan, BSC_WALK_DONE);
    bsc_walk_handle(&walk, &plan, BSC_WALK_DONE);
    assert_int_equal(bsc_walk_handle(&walk, &plan, BSC_WALK_DONE), BSC_ACT_FINISH);
    assert_int_equal(walk.status, BSC_ROLLOUT_STAGED);
    assert_true(bsc_walk_over(&walk, &plan));
}

static void whatever_ends_a_rollout_early_is_undone_backwards(void **unused)
{
    (void)unused;
    static const unsigned orders[COMMIT + 1] = { 0, 10, 10, 310, 310 };
    static const struct {
        enum bsc_walk_event event;
        enum bsc_rollout_status before_traffic, after_traffic;
    } ends[] = {
        { BSC_WALK_FAIL, BSC_ROLLOUT_FAILED, BSC_ROLLOUT_ROLLED_BACK },
        { BSC_WALK_CANCEL, BSC_ROLLOUT_CANCELLED, BSC_ROLLOUT_CANCELLED },
        { BSC_WALK_ROLL_BACK, BSC_ROLLOUT_ROLLED_BACK, BSC_ROLLOUT_ROLLED_BACK },
        { BSC_WALK_SUPERSEDE, BSC_ROLLOUT_SUPERSEDED, BSC_ROLLOUT_SUPERSEDED },
    };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        for (unsigned step = 0; step <= COMMIT; step++) {
            struct bsc_walk walk;
            struct bsc_plan plan;
            walk_to(&walk, &plan, step);
            enum bsc_walk_action action = bsc_walk_handle(&walk, &plan, ends[i].event);
            assert_int_equal(undo_all(&walk, &plan, action), orders[step]);
            assert_int_equal(walk.status,
                             step >= SPLIT ? ends[i].after_traffic : ends[i].before_traffic);
        }
}

static void what_has_no_undo_ends_at_once(void **unused)
{
    (void)unused;
    struct bsc_walk walk;
    struct bsc_plan plan;
    walk_to(&walk, &plan, HOOK);
    plan.steps[HOOK].undo = BSC_UNDO_NOTHING;
    assert_int_equal(bsc_walk_handle(&walk, &plan, BSC_WALK_FAIL), BSC_ACT_FINISH);
    assert_int_equal(walk.status, BSC_ROLLOUT_FAILED);
    assert_int_equal(plan.steps[HOOK].state, BSC_STEP_FAILED);
}

static void an_undo_that_fails_does_not_keep_the_rest_from_being_undone(void **unused)
{
    (void)unused;
    struct bsc_walk walk;
    struct bsc_plan plan;
    walk_to(&walk, &plan, COMMIT);
    bsc_walk_handle(&walk, &plan, BSC_WALK_CANCEL);
    enum bsc_walk_action action = bsc_walk_handle(&walk, &plan, BSC_WALK_FAIL);
    assert_int_equal(plan.steps[SPLIT].state, BSC_STEP_SKIPPED);
    assert_int_equal(undo_all(&walk, &plan, action), 10);
    assert_int_equal(plan.steps[START].state, BSC_STEP_UNDONE);
}

static void while_undoing_only_a_rollback_changes_the_ending(void **unused)
{
    (void)unused;
    static const enum bsc_walk_event idle[] = { BSC_WALK_CANCEL, BSC_WALK_CUT, BSC_WALK_ROLL_BACK };
    struct bsc_walk walk;
    struct bsc_plan plan;
    walk_to(&walk, &plan, COMMIT);
    bsc_walk_handle(&walk, &plan, BSC_WALK_CANCEL);
    for (size_t i = 0; i < sizeof idle / sizeof *idle; i++) {
        assert_int_equal(walk.ending, BSC_ROLLOUT_CANCELLED);
        assert_int_equal(bsc_walk_handle(&walk, &plan, idle[i]), BSC_ACT_NOTHING);
        assert_int_equal(walk.cursor, SPLIT);
        assert_int_equal(walk.status, BSC_ROLLOUT_UNDOING);
    }
    assert_int_equal(walk.ending, BSC_ROLLOUT_ROLLED_BACK);
    assert_int_equal(bsc_walk_handle(&walk, &plan, BSC_WALK_BEGIN), BSC_ACT_UNDO);
    assert_int_equal(undo_all(&walk, &plan, BSC_ACT_UNDO), 310);
    assert_int_equal(walk.status, BSC_ROLLOUT_ROLLED_BACK);
}

static void an_abort_wins_over_what_would_take_its_place(void **unused)
{
    (void)unused;
    struct bsc_walk walk;
    struct bsc_plan plan;
    walk_to(&walk, &plan, COMMIT);
    bsc_walk_handle(&walk, &plan, BSC_WALK_SUPERSEDE);
    bsc_walk_handle(&walk, &plan, BSC_WALK_CANCEL);
    assert_int_equal(undo_all(&walk, &plan, BSC_ACT_UNDO), 310);
    assert_int_equal(walk.status, BSC_ROLLOUT_CANCELLED);
    walk_to(&walk, &plan, COMMIT);
    bsc_walk_handle(&walk, &plan, BSC_WALK_CANCEL);
    bsc_walk_handle(&walk, &plan, BSC_WALK_SUPERSEDE);
    assert_int_equal(walk.ending, BSC_ROLLOUT_CANCELLED);
}

static void a_running_rollout_is_not_cut(void **unused)
{
    (void)unused;
    for (unsigned step = 0; step <= COMMIT; step++) {
        struct bsc_walk walk, before;
        struct bsc_plan plan;
        walk_to(&walk, &plan, step);
        before = walk;
        assert_int_equal(bsc_walk_handle(&walk, &plan, BSC_WALK_CUT), BSC_ACT_NOTHING);
        assert_memory_equal(&walk, &before, sizeof walk);
    }
}

static void behind_the_commit_nothing_is_undone(void **unused)
{
    (void)unused;
    struct bsc_walk walk;
    struct bsc_plan plan;
    walk_to(&walk, &plan, DRAIN);
    assert_int_equal(bsc_walk_handle(&walk, &plan, BSC_WALK_CANCEL), BSC_ACT_NOTHING);
    assert_int_equal(bsc_walk_handle(&walk, &plan, BSC_WALK_ROLL_BACK), BSC_ACT_NOTHING);
    assert_int_equal(bsc_walk_handle(&walk, &plan, BSC_WALK_BEGIN), BSC_ACT_STEP);
    assert_int_equal(bsc_walk_handle(&walk, &plan, BSC_WALK_FAIL), BSC_ACT_STEP);
    assert_int_equal(plan.steps[DRAIN].state, BSC_STEP_FAILED);
    assert_int_equal(walk.cursor, STOP);
    assert_int_equal(bsc_walk_handle(&walk, &plan, BSC_WALK_FAIL), BSC_ACT_FINISH);
    assert_int_equal(walk.status, BSC_ROLLOUT_PROMOTED);
}

static void an_event_that_does_not_exist_changes_nothing(void **unused)
{
    (void)unused;
    static const unsigned steps[] = { SPLIT, DRAIN };
    for (unsigned i = 0; i < 3; i++) { /* forwards, in the tail, backwards */
        struct bsc_walk walk, before;
        struct bsc_plan plan;
        walk_to(&walk, &plan, i < 2 ? steps[i] : SPLIT);
        if (i == 2)
            bsc_walk_handle(&walk, &plan, BSC_WALK_CANCEL);
        before = walk;
        for (unsigned event = EVENTS; event < EVENTS + 2; event++)
            assert_int_equal(bsc_walk_handle(&walk, &plan, (enum bsc_walk_event)event),
                             BSC_ACT_NOTHING);
        assert_memory_equal(&walk, &before, sizeof walk);
    }
}

static void a_new_rollout_cuts_the_tail(void **unused)
{
    (void)unused;
    struct bsc_walk walk;
    struct bsc_plan plan;
    walk_to(&walk, &plan, DRAIN);
    assert_int_equal(bsc_walk_handle(&walk, &plan, BSC_WALK_CUT), BSC_ACT_FINISH);
    assert_int_equal(walk.status, BSC_ROLLOUT_PROMOTED);
    assert_int_equal(plan.steps[DRAIN].state, BSC_STEP_SKIPPED);
    assert_int_equal(plan.steps[STOP].state, BSC_STEP_SKIPPED);
    assert_true(bsc_walk_over(&walk, &plan));
}

static void nothing_moves_a_rollout_that_is_over(void **unused)
{
    (void)unused;
    for (unsigned status = BSC_ROLLOUT_PROMOTED; status < BSC_ROLLOUT_STATUS_COUNT; status++)
        for (unsigned event = 0; event < EVENTS; event++) {
            struct bsc_plan plan = blue_green, plan_before;
            struct bsc_walk walk = { .status = (enum bsc_rollout_status)status, .cursor = STEPS };
            struct bsc_walk before = walk;
            plan_before = plan;
            assert_int_equal(bsc_walk_handle(&walk, &plan, (enum bsc_walk_event)event),
                             BSC_ACT_NOTHING);
            assert_memory_equal(&walk, &before, sizeof walk);
            assert_memory_equal(&plan, &plan_before, sizeof plan);
            assert_true(bsc_rollout_ended(walk.status));
            assert_true(bsc_walk_over(&walk, &plan));
        }
}

static void any_sequence_of_events_ends_and_ends_once(void **unused)
{
    (void)unused;
    uint64_t random = 7;
    for (unsigned run = 0; run < 5000; run++) {
        struct bsc_walk walk = { 0 };
        struct bsc_plan plan = blue_green;
        enum bsc_rollout_status ended = BSC_ROLLOUT_RUNNING;
        bsc_walk_handle(&walk, &plan, BSC_WALK_BEGIN);
        for (unsigned i = 0; i < 60; i++) {
            random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            unsigned event = (unsigned)(random >> 33) % (EVENTS + 4);
            bsc_walk_handle(&walk, &plan,
                            event < EVENTS ? (enum bsc_walk_event)event : BSC_WALK_DONE);
            if (ended != BSC_ROLLOUT_RUNNING)
                assert_int_equal(walk.status, ended);
            else if (bsc_rollout_ended(walk.status))
                ended = walk.status;
            assert_true(walk.cursor <= plan.count);
        }
        while (!bsc_rollout_ended(walk.status)) { /* paused: somebody goes on */
            bsc_walk_handle(&walk, &plan, BSC_WALK_RESUME);
            bsc_walk_handle(&walk, &plan, BSC_WALK_DONE);
        }
        assert_false(walk.paused);
    }
}

static void a_walk_stands_at_a_step_of_its_plan_until_it_is_over(void **unused)
{
    (void)unused;
    for (unsigned status = 0; status < BSC_ROLLOUT_STATUS_COUNT; status++) {
        struct bsc_walk walk = { .status = status, .ending = BSC_ROLLOUT_FAILED };
        bool over = status != BSC_ROLLOUT_RUNNING && status != BSC_ROLLOUT_UNDOING;
        walk.cursor = STEPS - 1;
        assert_true(bsc_walk_valid(&walk, &blue_green));
        walk.cursor = STEPS;
        assert_int_equal(bsc_walk_valid(&walk, &blue_green), over);
        walk.cursor = STEPS + 1;
        assert_false(bsc_walk_valid(&walk, &blue_green));
    }
    struct bsc_walk back = { .status = BSC_ROLLOUT_UNDOING };
    for (unsigned ending = 0; ending < BSC_ROLLOUT_STATUS_COUNT; ending++) {
        back.ending = ending;
        assert_int_equal(bsc_walk_valid(&back, &blue_green), ending > BSC_ROLLOUT_UNDOING);
    }
    struct bsc_walk running = { 0 };
    assert_false(bsc_walk_valid(&running, &(struct bsc_plan){ 0 }));
}

static void a_pause_lets_the_step_end_and_holds_before_the_next(void **unused)
{
    (void)unused;
    for (unsigned step = 0; step < COMMIT; step++) {
        struct bsc_walk walk;
        struct bsc_plan plan;
        walk_to(&walk, &plan, step);
        assert_int_equal(bsc_walk_handle(&walk, &plan, BSC_WALK_PAUSE), BSC_ACT_NOTHING);
        assert_false(bsc_walk_held(&walk, &plan));
        assert_int_equal(bsc_walk_handle(&walk, &plan, BSC_WALK_DONE), BSC_ACT_HOLD);
        assert_true(bsc_walk_held(&walk, &plan));
        assert_int_equal(walk.cursor, step + 1);
        assert_int_equal(plan.steps[step + 1].state, BSC_STEP_PENDING);
        assert_int_equal(bsc_walk_handle(&walk, &plan, BSC_WALK_DONE), BSC_ACT_NOTHING);
        assert_int_equal(walk.cursor, step + 1);
        assert_int_equal(bsc_walk_handle(&walk, &plan, BSC_WALK_RESUME), BSC_ACT_STEP);
        assert_int_equal(plan.steps[step + 1].state, BSC_STEP_RUNNING);
        assert_int_equal(bsc_walk_handle(&walk, &plan, BSC_WALK_RESUME), BSC_ACT_NOTHING);
    }
}

static void a_pause_holds_up_no_way_back(void **unused)
{
    (void)unused;
    static const enum bsc_walk_event ends[] = { BSC_WALK_FAIL, BSC_WALK_CANCEL,
                                                BSC_WALK_ROLL_BACK };
    static const unsigned orders[COMMIT + 1] = { 0, 0, 10, 10, 310 };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        for (unsigned step = 1; step <= COMMIT; step++) {
            struct bsc_walk walk;
            struct bsc_plan plan;
            walk_to(&walk, &plan, step - 1);
            bsc_walk_handle(&walk, &plan, BSC_WALK_PAUSE);
            bsc_walk_handle(&walk, &plan, BSC_WALK_DONE);
            enum bsc_walk_action action = bsc_walk_handle(&walk, &plan, ends[i]);
            assert_false(walk.paused);
            assert_int_equal(undo_all(&walk, &plan, action), orders[step]);
            assert_int_equal(plan.steps[step].state, BSC_STEP_PENDING);
        }
}

static void what_is_undone_or_promoted_is_not_paused(void **unused)
{
    (void)unused;
    struct bsc_walk walk;
    struct bsc_plan plan;
    walk_to(&walk, &plan, SPLIT);
    bsc_walk_handle(&walk, &plan, BSC_WALK_CANCEL);
    bsc_walk_handle(&walk, &plan, BSC_WALK_PAUSE);
    assert_false(walk.paused);
    walk_to(&walk, &plan, DRAIN);
    bsc_walk_handle(&walk, &plan, BSC_WALK_PAUSE);
    assert_false(walk.paused);
    assert_int_equal(bsc_walk_handle(&walk, &plan, BSC_WALK_DONE), BSC_ACT_STEP);
}

static void a_stage_that_is_paused_in_its_last_step_ends(void **unused)
{
    (void)unused;
    struct bsc_walk walk;
    struct bsc_plan plan;
    walk_to(&walk, &plan, CHECK);
    plan.count = SPLIT;
    bsc_walk_handle(&walk, &plan, BSC_WALK_PAUSE);
    assert_int_equal(bsc_walk_handle(&walk, &plan, BSC_WALK_DONE), BSC_ACT_FINISH);
    assert_int_equal(walk.status, BSC_ROLLOUT_STAGED);
    assert_false(walk.paused);
}

/* start, check, split 5 %, bake, split 50 %, bake, split 100 %, bake, commit */
static const struct bsc_plan in_steps = {
    .count = 9,
    .steps = {
        { .kind = BSC_STEP_START, .undo = BSC_UNDO_STOP },
        { .kind = BSC_STEP_CHECK },
        { .kind = BSC_STEP_SPLIT, .undo = BSC_UNDO_SPLIT, .weight_bp = 500 },
        { .kind = BSC_STEP_BAKE },
        { .kind = BSC_STEP_SPLIT, .undo = BSC_UNDO_SPLIT, .weight_bp = 5000 },
        { .kind = BSC_STEP_BAKE },
        { .kind = BSC_STEP_SPLIT, .undo = BSC_UNDO_SPLIT, .weight_bp = BSC_WEIGHT_FULL_BP },
        { .kind = BSC_STEP_BAKE },
        { .kind = BSC_STEP_COMMIT },
    },
};

static void step_to(struct bsc_walk *walk, struct bsc_plan *plan, unsigned step)
{
    *walk = (struct bsc_walk){ 0 };
    *plan = in_steps;
    bsc_walk_handle(walk, plan, BSC_WALK_BEGIN);
    while (walk->cursor < step)
        bsc_walk_handle(walk, plan, BSC_WALK_DONE);
}

static void a_promotion_ends_the_watching_and_nothing_else(void **unused)
{
    (void)unused;
    struct bsc_walk walk;
    struct bsc_plan plan;
    for (unsigned step = 0; step < in_steps.count; step++) {
        step_to(&walk, &plan, step);
        bool bakes = plan.steps[step].kind == BSC_STEP_BAKE;
        assert_int_equal(bsc_walk_handle(&walk, &plan, BSC_WALK_PROMOTE),
                         bakes ? BSC_ACT_STEP : BSC_ACT_NOTHING);
        assert_int_equal(walk.cursor, step + bakes);
        assert_int_equal(plan.steps[step].state, bakes ? BSC_STEP_SKIPPED : BSC_STEP_RUNNING);
    }
}

static void a_full_promotion_skips_all_watching_and_no_check(void **unused)
{
    (void)unused;
    for (unsigned paused = 0; paused < 2; paused++)
        for (unsigned step = 0; step < in_steps.count - 1; step++) {
            struct bsc_walk walk;
            struct bsc_plan plan;
            step_to(&walk, &plan, step);
            if (paused) { /* held before the next step */
                bsc_walk_handle(&walk, &plan, BSC_WALK_PAUSE);
                bsc_walk_handle(&walk, &plan, BSC_WALK_DONE);
            }
            bsc_walk_handle(&walk, &plan, BSC_WALK_PROMOTE_FULL);
            assert_false(walk.paused);
            while (walk.status == BSC_ROLLOUT_RUNNING)
                bsc_walk_handle(&walk, &plan, BSC_WALK_DONE);
            assert_int_equal(walk.status, BSC_ROLLOUT_PROMOTED);
            for (unsigned i = 0; i < plan.count; i++) {
                const struct bsc_step *of = &plan.steps[i];
                bool watching = of->kind == BSC_STEP_BAKE ||
                                (of->kind == BSC_STEP_SPLIT && of->weight_bp < BSC_WEIGHT_FULL_BP);
                bool begun = i < step || (i == step && (paused || of->kind != BSC_STEP_BAKE));
                assert_int_equal(of->state, watching && !begun ? BSC_STEP_SKIPPED : BSC_STEP_DONE);
            }
        }
}

/* Bakes done, at the last of three splits; the first start has an undo, the second has none. */
static struct bsc_plan of_three_splits(enum bsc_undo undo)
{
    return (struct bsc_plan){
        .count = 6,
        .steps = { { .kind = BSC_STEP_START, .state = BSC_STEP_DONE, .undo = BSC_UNDO_STOP },
                   { .kind = BSC_STEP_SPLIT,
                     .state = BSC_STEP_DONE,
                     .undo = undo,
                     .weight_bp = 100 },
                   { .kind = BSC_STEP_SPLIT,
                     .state = BSC_STEP_SKIPPED,
                     .undo = undo,
                     .weight_bp = 200 },
                   { .kind = BSC_STEP_BAKE, .state = BSC_STEP_DONE },
                   { .kind = BSC_STEP_SPLIT,
                     .state = BSC_STEP_RUNNING,
                     .undo = undo,
                     .weight_bp = 10000 },
                   { .kind = BSC_STEP_COMMIT } },
    };
}

static void all_the_traffic_goes_back_in_one_undo(void **unused)
{
    (void)unused;
    struct bsc_plan plan = of_three_splits(BSC_UNDO_SPLIT);
    struct bsc_walk walk = { BSC_ROLLOUT_RUNNING, BSC_ROLLOUT_RUNNING, 4, false };
    assert_int_equal(bsc_walk_handle(&walk, &plan, BSC_WALK_FAIL), BSC_ACT_UNDO);
    assert_int_equal(walk.cursor, 4);
    assert_int_equal(bsc_walk_handle(&walk, &plan, BSC_WALK_DONE), BSC_ACT_UNDO);
    assert_int_equal(walk.cursor, 0); /* the start: the splits before are undone with the last */
    assert_int_equal(plan.steps[1].state, BSC_STEP_UNDONE);
    assert_int_equal(plan.steps[2].state, BSC_STEP_SKIPPED);
}

static void shares_go_back_one_after_the_other(void **unused)
{
    (void)unused;
    struct bsc_plan plan = of_three_splits(BSC_UNDO_SHARE);
    struct bsc_walk walk = { BSC_ROLLOUT_RUNNING, BSC_ROLLOUT_RUNNING, 4, false };
    assert_int_equal(bsc_walk_handle(&walk, &plan, BSC_WALK_CANCEL), BSC_ACT_UNDO);
    assert_int_equal(bsc_walk_handle(&walk, &plan, BSC_WALK_DONE), BSC_ACT_UNDO);
    assert_int_equal(walk.cursor, 1);
}

static void a_full_promotion_skips_no_share_that_instances_go_for(void **unused)
{
    (void)unused;
    struct bsc_plan plan = of_three_splits(BSC_UNDO_SHARE);
    struct bsc_walk walk = { BSC_ROLLOUT_RUNNING, BSC_ROLLOUT_RUNNING, 0, false };
    for (unsigned i = 0; i < plan.count; i++)
        plan.steps[i].state = i ? BSC_STEP_PENDING : BSC_STEP_RUNNING;
    bsc_walk_handle(&walk, &plan, BSC_WALK_PROMOTE_FULL);
    assert_int_equal(plan.steps[1].state, BSC_STEP_PENDING);
    assert_int_equal(plan.steps[2].state, BSC_STEP_PENDING);
    assert_int_equal(plan.steps[3].state, BSC_STEP_SKIPPED);
}

static void names_are_read_as_they_are_written(void **unused)
{
    (void)unused;
    enum bsc_rollout_status status;
    for (unsigned i = 0; i < BSC_ROLLOUT_STATUS_COUNT; i++) {
        assert_true(
            bsc_rollout_status_parse(bsc_rollout_status_name((enum bsc_rollout_status)i), &status));
        assert_int_equal(status, i);
    }
    assert_false(bsc_rollout_status_parse("lost", &status));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_run_in_their_order_to_promoted),
        cmocka_unit_test(a_plan_without_a_commit_ends_staged),
        cmocka_unit_test(whatever_ends_a_rollout_early_is_undone_backwards),
        cmocka_unit_test(what_has_no_undo_ends_at_once),
        cmocka_unit_test(an_undo_that_fails_does_not_keep_the_rest_from_being_undone),
        cmocka_unit_test(while_undoing_only_a_rollback_changes_the_ending),
        cmocka_unit_test(an_abort_wins_over_what_would_take_its_place),
        cmocka_unit_test(a_running_rollout_is_not_cut),
        cmocka_unit_test(behind_the_commit_nothing_is_undone),
        cmocka_unit_test(an_event_that_does_not_exist_changes_nothing),
        cmocka_unit_test(a_new_rollout_cuts_the_tail),
        cmocka_unit_test(nothing_moves_a_rollout_that_is_over),
        cmocka_unit_test(any_sequence_of_events_ends_and_ends_once),
        cmocka_unit_test(a_walk_stands_at_a_step_of_its_plan_until_it_is_over),
        cmocka_unit_test(a_pause_lets_the_step_end_and_holds_before_the_next),
        cmocka_unit_test(a_pause_holds_up_no_way_back),
        cmocka_unit_test(what_is_undone_or_promoted_is_not_paused),
        cmocka_unit_test(a_stage_that_is_paused_in_its_last_step_ends),
        cmocka_unit_test(a_promotion_ends_the_watching_and_nothing_else),
        cmocka_unit_test(a_full_promotion_skips_all_watching_and_no_check),
        cmocka_unit_test(all_the_traffic_goes_back_in_one_undo),
        cmocka_unit_test(shares_go_back_one_after_the_other),
        cmocka_unit_test(a_full_promotion_skips_no_share_that_instances_go_for),
        cmocka_unit_test(names_are_read_as_they_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
