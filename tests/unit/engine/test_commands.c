/* SPDX-License-Identifier: Apache-2.0
 * The commands that people give while a rollout is under way, told in the simulator's world with
 * nothing left to chance. Every invariant of the simulator is looked at all the while. */
enum { TURNS = 20000 };

#include "stage.h"

static int set_up(void **unused)
{
    (void)unused;
    stage_open();
    stage_begin();
    return 0;
}

static enum bsc_status lock(const char *reason)
{
    return sim_ask(sim,
                   (struct bsc_event){ .kind = BSC_EVENT_LOCK, .service = "s0", .text = reason });
}

static void assert_said(const char *part)
{
    if (!strstr(sim->answer_text, part))
        fail_msg("'%s' does not say '%s'", sim->answer_text, part);
}

static void a_locked_service_refuses_what_is_new_and_says_who_locked_it_and_why(void **unused)
{
    (void)unused;
    static const enum bsc_event_kind refused[] = { BSC_EVENT_DEPLOY, BSC_EVENT_SWITCH,
                                                   BSC_EVENT_CLEANUP };
    deploy("s0", "v1");
    assert_int_equal(lock("incident 42"), BSC_OK);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        assert_int_equal(ask(refused[i], "s0", "v2"), BSC_LOCKED);
        assert_said("locked by user since 20");
        assert_said("incident 42");
        assert_said("bascule unlock s0");
    }
    deploy("s1", "v1"); /* nobody else's business */
    assert_int_equal(ask(BSC_EVENT_UNLOCK, "s0", NULL), BSC_OK);
    deploy("s0", "v2");
}

static void a_lock_holds_neither_a_rollback_nor_an_abort(void **unused)
{
    (void)unused;
    deploy("s0", "v1");
    deploy("s0", "v2");
    assert_int_equal(lock("incident 42"), BSC_OK);
    assert_int_equal(ask(BSC_EVENT_ROLLBACK, "s0", NULL), BSC_OK);
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
    assert_string_equal(live_version("s0"), "v1");

    assert_int_equal(ask(BSC_EVENT_UNLOCK, "s0", NULL), BSC_OK);
    assert_int_equal(ask(BSC_EVENT_DEPLOY, "s0", "v5"), BSC_OK);
    until_step("s0", BSC_STEP_BAKE);
    assert_int_equal(lock("incident 43"), BSC_OK);
    assert_said("goes on");
    assert_int_equal(ask(BSC_EVENT_ABORT, "s0", NULL), BSC_OK);
    assert_int_equal(finish("s0"), BSC_ROLLOUT_CANCELLED);
    assert_string_equal(live_version("s0"), "v1");
}

static void a_lock_is_that_of_who_locked_first(void **unused)
{
    (void)unused;
    assert_int_equal(lock("incident 42"), BSC_OK);
    assert_int_equal(lock("incident 42"), BSC_OK); /* said twice */
    assert_int_equal(lock("something else"), BSC_LOCKED);
    assert_string_equal(service("s0")->row.lock.reason, "incident 42");
    assert_int_equal(ask(BSC_EVENT_UNLOCK, "s0", NULL), BSC_OK);
    assert_said("is unlocked");
    assert_int_equal(ask(BSC_EVENT_UNLOCK, "s0", NULL), BSC_OK);
    assert_said("is not locked");
}

static void a_lock_needs_a_reason_of_one_line(void **unused)
{
    (void)unused;
    char longest[BSC_LOCK_REASON_BYTES + 1];
    memset(longest, 'x', sizeof longest);
    longest[BSC_LOCK_REASON_BYTES] = '\0';
    assert_int_equal(lock(longest), BSC_INVALID);
    assert_int_equal(lock(""), BSC_INVALID);
    assert_int_equal(lock("  "), BSC_INVALID);
    assert_int_equal(lock("two\nlines"), BSC_INVALID);
    assert_int_equal(service("s0")->row.lock.at_ms, 0);
    longest[BSC_LOCK_REASON_BYTES - 1] = '\0';
    assert_int_equal(lock(longest), BSC_OK);
}

static void a_lock_outlives_the_controller(void **unused)
{
    (void)unused;
    assert_int_equal(lock("incident 42"), BSC_OK);
    int64_t at_ms = service("s0")->row.lock.at_ms;
    sim_crash(sim);
    assert_int_equal(ask(BSC_EVENT_DEPLOY, "s0", "v1"), BSC_LOCKED);
    assert_string_equal(service("s0")->row.lock.actor, "user");
    assert_int_equal(service("s0")->row.lock.at_ms, at_ms);
}

static const struct bsc_rollout *rollout(void)
{
    return service("s0")->rollout;
}

static enum bsc_status promote(bool to_end)
{
    return sim_ask(
        sim, (struct bsc_event){ .kind = BSC_EVENT_PROMOTE, .service = "s0", .to_end = to_end });
}

/* v2 gets all the traffic and is watched. */
static void until_bake(void)
{
    deploy("s0", "v1");
    assert_int_equal(ask(BSC_EVENT_DEPLOY, "s0", "v2"), BSC_OK);
    until_step("s0", BSC_STEP_BAKE);
}

static void a_pause_in_a_bake_stops_its_clock(void **unused)
{
    (void)unused;
    until_bake();
    pass_ms(1000);
    assert_int_equal(ask(BSC_EVENT_PAUSE, "s0", NULL), BSC_OK);
    assert_said("its clock stands still at ");
    int64_t baked_ms = rollout()->row.baked_ms;
    assert_in_range(baked_ms, 500, 2900);
    pass_ms(600000);
    assert_int_equal(rollout()->row.plan.steps[rollout()->row.walk.cursor].kind, BSC_STEP_BAKE);
    assert_non_null(strstr(rollout()->waiting, "paused in step "));
    int64_t resumed_ms = sim->now_ms;
    assert_int_equal(ask(BSC_EVENT_RESUME, "s0", NULL), BSC_OK);
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
    assert_in_range(rollout()->row.ended_ms - resumed_ms - INT64_C(1700000000000), 0,
                    3000 - baked_ms + 500);
}

/* Each of the others' commands is a commit of its own. */
static void the_end_of_a_bake_is_not_overtaken_by_what_others_ask_meanwhile(void **unused)
{
    (void)unused;
    enum { COMMANDS = 60, COMMIT_MS = 8 };
    deploy("s1", "v1");
    until_bake();
    int64_t due_ms = rollout()->step_until_ms;
    pass_ms(due_ms - 100 - sim->now_ms);
    assert_true(sim->now_ms < due_ms);
    for (unsigned i = 0; i < COMMANDS; i++) {
        struct bsc_event event = { .kind = i % 2 ? BSC_EVENT_UNLOCK : BSC_EVENT_LOCK,
                                   .service = "s1",
                                   .text = "incident 42" };
        sim_command(sim, &event);
    }
    while (rollout()->row.plan.steps[rollout()->row.walk.cursor].kind == BSC_STEP_BAKE)
        sim_turn(sim);
    assert_in_range(sim->now_ms, due_ms, due_ms + 2 * COMMIT_MS);
    assert_false(sim_engine_free(sim)); /* most of what was asked is still to be done */
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
}

static void a_pause_between_steps_holds_before_the_next_and_resume_begins_it(void **unused)
{
    (void)unused;
    deploy("s0", "v1");
    assert_int_equal(ask(BSC_EVENT_DEPLOY, "s0", "v2"), BSC_OK);
    until_step("s0", BSC_STEP_START);
    assert_int_equal(ask(BSC_EVENT_PAUSE, "s0", NULL), BSC_OK);
    assert_said("ends, the next one is not begun");
    pass_ms(60000); /* longer than the deadline of any step */
    assert_true(rollout()->row.walk.paused);
    assert_non_null(strstr(rollout()->waiting, "paused before step "));
    assert_int_equal(service("s0")->row.weight_bp[rollout()->row.slot], 0);
    assert_int_equal(ask(BSC_EVENT_PAUSE, "s0", NULL), BSC_OK);
    assert_said("paused already, by user since 20");
    assert_int_equal(ask(BSC_EVENT_RESUME, "s0", NULL), BSC_OK);
    assert_int_equal(ask(BSC_EVENT_RESUME, "s0", NULL), BSC_OK);
    assert_said("is not paused");
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
    assert_string_equal(live_version("s0"), "v2");
}

static void a_pause_outlives_the_controller_wherever_it_holds(void **unused)
{
    (void)unused;
    static const enum bsc_step_kind steps[] = { BSC_STEP_HOOK, BSC_STEP_START, BSC_STEP_CHECK,
                                                BSC_STEP_SPLIT, BSC_STEP_BAKE };
    deploy("s1", "v1");
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        const char *version = i % 2 ? "v1" : "v2";
        assert_int_equal(ask(BSC_EVENT_DEPLOY, "s1", version), BSC_OK);
        until_step("s1", steps[i]);
        assert_int_equal(ask(BSC_EVENT_PAUSE, "s1", NULL), BSC_OK);
        pass_ms(40000);
        unsigned cursor = service("s1")->rollout->row.walk.cursor;
        int64_t baked_ms = service("s1")->rollout->row.baked_ms;
        sim_crash(sim);
        assert_int_equal(ask(BSC_EVENT_PAUSE, "s1", NULL), BSC_OK); /* ready, and said again */
        pass_ms(40000);
        assert_int_equal(service("s1")->rollout->row.walk.cursor, cursor);
        assert_int_equal(service("s1")->rollout->row.baked_ms, baked_ms);
        assert_int_equal(ask(BSC_EVENT_RESUME, "s1", NULL), BSC_OK);
        assert_int_equal(finish("s1"), BSC_ROLLOUT_PROMOTED);
        assert_string_equal(live_version("s1"), version);
        pass_ms(30000);
    }
}

static void abort_and_rollback_win_over_a_pause(void **unused)
{
    (void)unused;
    static const enum bsc_event_kind backs[] = { BSC_EVENT_ABORT, BSC_EVENT_ROLLBACK };
    deploy("s0", "v1");
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(ask(BSC_EVENT_DEPLOY, "s0", "v2"), BSC_OK);
        until_step("s0", i < 2 ? BSC_STEP_START : BSC_STEP_BAKE);
        assert_int_equal(ask(BSC_EVENT_PAUSE, "s0", NULL), BSC_OK);
        pass_ms(i % 2 ? 20000 : 0);
        assert_int_equal(ask(backs[i % 2], "s0", NULL), BSC_OK);
        assert_said("abort and rollback win over everything");
        assert_int_equal(finish("s0"), i % 2 ? BSC_ROLLOUT_ROLLED_BACK : BSC_ROLLOUT_CANCELLED);
        assert_string_equal(live_version("s0"), "v1");
        assert_int_equal(rollout()->row.paused_ms, 0);
    }
}

static void a_version_that_fails_is_taken_back_while_it_is_paused(void **unused)
{
    (void)unused;
    deploy("s0", "v1");
    for (unsigned i = 0; i < 2; i++) { /* held before the split, and in the bake */
        assert_int_equal(ask(BSC_EVENT_DEPLOY, "s0", "v2"), BSC_OK);
        until_step("s0", i ? BSC_STEP_BAKE : BSC_STEP_CHECK);
        assert_int_equal(ask(BSC_EVENT_PAUSE, "s0", NULL), BSC_OK);
        pass_ms(20000);
        assert_true(rollout()->row.walk.paused);
        for (unsigned p = 0; p < sim->process_high; p++)
            if (strstr(sim->processes[p].id->text, bsc_slot_name(rollout()->row.slot)))
                sim->processes[p].doomed = true;
        assert_int_equal(finish("s0"), i ? BSC_ROLLOUT_ROLLED_BACK : BSC_ROLLOUT_FAILED);
        assert_string_equal(live_version("s0"), "v1");
    }
}

static void a_promotion_cuts_the_bake_short_and_says_so(void **unused)
{
    (void)unused;
    until_bake();
    int64_t began_ms = sim->now_ms;
    assert_int_equal(promote(false), BSC_OK);
    assert_said("skipped: watch blue for 3s (cut short)");
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
    assert_true(rollout()->row.ended_ms - INT64_C(1700000000000) < began_ms + 2000);
    for (unsigned i = 0; i < rollout()->row.plan.count; i++)
        if (rollout()->row.plan.steps[i].kind == BSC_STEP_BAKE)
            assert_int_equal(rollout()->row.plan.steps[i].state, BSC_STEP_SKIPPED);
}

static void a_full_promotion_from_a_pause_before_the_split_watches_nothing(void **unused)
{
    (void)unused;
    deploy("s0", "v1");
    assert_int_equal(ask(BSC_EVENT_DEPLOY, "s0", "v2"), BSC_OK);
    until_step("s0", BSC_STEP_CHECK);
    assert_int_equal(promote(false), BSC_STATE);
    assert_said("watches nothing yet");
    assert_int_equal(ask(BSC_EVENT_PAUSE, "s0", NULL), BSC_OK);
    pass_ms(20000);
    assert_int_equal(promote(true), BSC_OK);
    assert_said("it is not paused any more; skipped: watch blue for 3s");
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
    assert_string_equal(live_version("s0"), "v2");
}

static enum bsc_status supersede(const char *version)
{
    return sim_ask(sim, (struct bsc_event){ .kind = BSC_EVENT_DEPLOY,
                                            .service = "s0",
                                            .version = version,
                                            .supersede = true });
}

static const struct bsc_rollout_row *stored(uint64_t id)
{
    const struct bsc_stored_state *state = sim_store_state(sim);
    for (unsigned i = 0; i < state->rollout_count; i++)
        if (state->rollouts[i].id == id)
            return &state->rollouts[i];
    fail_msg("rollout %llu is not stored", (unsigned long long)id);
    return NULL;
}

static void finish_all(void)
{
    for (unsigned i = 0; i < TURNS && (service("s0")->row.next.rollout ||
                                       bsc_service_busy(service("s0")) || !sim_engine_free(sim));
         i++)
        sim_turn(sim);
}

static void a_newer_version_supersedes_one_in_any_step_and_only_when_asked_to(void **unused)
{
    (void)unused;
    static const enum bsc_step_kind steps[] = { BSC_STEP_START, BSC_STEP_CHECK, BSC_STEP_SPLIT,
                                                BSC_STEP_BAKE };
    deploy("s0", "v1");
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        assert_int_equal(ask(BSC_EVENT_DEPLOY, "s0", "v2"), BSC_OK);
        until_step("s0", steps[i]);
        uint64_t old = rollout()->row.id;
        assert_int_equal(ask(BSC_EVENT_DEPLOY, "s0", "v5"), BSC_BUSY);
        assert_said("'bascule deploy s0 v5 --supersede' takes v2 back first");
        assert_int_equal(supersede("v5"), BSC_OK);
        assert_said("begins when r");
        finish_all();
        assert_int_equal(stored(old)->walk.status, BSC_ROLLOUT_SUPERSEDED);
        assert_string_equal(live_version("s0"), "v5");
        assert_true(rollout()->row.id > old);
        assert_int_equal(rollout()->row.walk.status, BSC_ROLLOUT_PROMOTED);
        deploy("s0", "v1");
    }
}

static void a_third_version_supersedes_the_second_before_it_began(void **unused)
{
    (void)unused;
    until_bake();
    uint64_t first = rollout()->row.id;
    assert_int_equal(supersede("v5"), BSC_OK);
    uint64_t second = service("s0")->row.next.rollout;
    assert_int_equal(supersede("v6"), BSC_OK);
    uint64_t third = service("s0")->row.next.rollout;
    assert_true(third > second && second > first);
    finish_all();
    assert_int_equal(stored(first)->walk.status, BSC_ROLLOUT_SUPERSEDED);
    assert_int_equal(stored(second)->walk.status, BSC_ROLLOUT_SUPERSEDED);
    assert_int_equal(stored(third)->walk.status, BSC_ROLLOUT_PROMOTED);
    assert_string_equal(live_version("s0"), "v6");
}

static void an_abort_a_lock_or_a_rollback_keeps_the_successor_from_beginning(void **unused)
{
    (void)unused;
    static const enum bsc_rollout_status ends[] = { BSC_ROLLOUT_CANCELLED, BSC_ROLLOUT_ROLLED_BACK,
                                                    BSC_ROLLOUT_SUPERSEDED };
    deploy("s0", "v1");
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(ask(BSC_EVENT_DEPLOY, "s0", "v2"), BSC_OK);
        until_step("s0", BSC_STEP_BAKE);
        uint64_t old = rollout()->row.id;
        assert_int_equal(supersede("v5"), BSC_OK);
        uint64_t next = service("s0")->row.next.rollout;
        assert_true(next > old);
        assert_int_equal(i == 0   ? ask(BSC_EVENT_ABORT, "s0", NULL)
                         : i == 1 ? ask(BSC_EVENT_ROLLBACK, "s0", NULL)
                                  : lock("incident 42"),
                         BSC_OK);
        finish_all();
        sim_crash(sim); /* what never began is not taken for the newest rollout */
        (void)ask(BSC_EVENT_UNLOCK, "s0", NULL);
        assert_int_equal(rollout()->row.id, old);
        assert_int_equal(rollout()->row.walk.status, ends[i]);
        assert_int_equal(stored(next)->walk.status, BSC_ROLLOUT_CANCELLED);
        assert_string_equal(live_version("s0"), "v1");
    }
}

static void a_successor_outlives_the_controller(void **unused)
{
    (void)unused;
    until_bake();
    uint64_t old = rollout()->row.id;
    assert_int_equal(supersede("v5"), BSC_OK);
    sim_crash(sim);
    (void)ask(BSC_EVENT_UNLOCK, "s0", NULL);
    finish_all();
    assert_int_equal(stored(old)->walk.status, BSC_ROLLOUT_SUPERSEDED);
    assert_string_equal(live_version("s0"), "v5");
}

static void a_rollback_to_a_version_wins_over_a_rollout_and_goes_there(void **unused)
{
    (void)unused;
    deploy("s0", "v1");
    deploy("s0", "v2");
    assert_int_equal(ask(BSC_EVENT_DEPLOY, "s0", "v5"), BSC_OK);
    until_step("s0", BSC_STEP_BAKE);
    uint64_t old = rollout()->row.id;
    assert_int_equal(ask(BSC_EVENT_ROLLBACK, "s0", "v9"), BSC_NO_ROLLBACK);
    assert_int_equal(ask(BSC_EVENT_ROLLBACK, "s0", "v1"), BSC_OK);
    finish_all();
    assert_int_equal(stored(old)->walk.status, BSC_ROLLOUT_ROLLED_BACK);
    assert_string_equal(live_version("s0"), "v1");

    assert_int_equal(ask(BSC_EVENT_DEPLOY, "s0", "v6"), BSC_OK);
    until_step("s0", BSC_STEP_BAKE);
    assert_int_equal(ask(BSC_EVENT_ROLLBACK, "s0", "v1"), BSC_OK); /* that is the way back itself */
    assert_int_equal(finish("s0"), BSC_ROLLOUT_ROLLED_BACK);
    assert_string_equal(live_version("s0"), "v1");
}

/* The plan of such a command on s0. */
static enum bsc_status plan(enum bsc_plan_kind kind, const char *version, struct bsc_planned *out)
{
    struct bsc_error error;
    *out = (struct bsc_planned){ .kind = kind };
    enum bsc_status status =
        bsc_engine_plan(sim->engine, "s0", version, &(struct bsc_deploy_wish){ 0 }, out, &error);
    bsc_spec_release(out->spec);
    return status;
}

static void a_plan_is_told_and_nothing_happens(void **unused)
{
    (void)unused;
    struct bsc_planned out;
    struct bsc_error error;
    assert_int_equal(bsc_engine_plan(sim->engine, "nobody", "v1", NULL, &out, &error),
                     BSC_NOT_FOUND);
    deploy("s0", "v1");
    uint64_t before = service("s0")->rollout->row.id;
    assert_int_equal(plan(BSC_PLAN_DEPLOY, "v2", &out), BSC_OK);
    assert_int_equal(out.strategy, BSC_STRATEGY_BLUE_GREEN);
    assert_int_equal(out.plan.steps[0].kind, BSC_STEP_START);
    assert_int_equal(plan(BSC_PLAN_ROLLBACK, "v9", &out), BSC_NO_ROLLBACK);
    assert_int_equal(service("s0")->rollout->row.id, before);
    deploy("s0", "v2");
    assert_int_equal(plan(BSC_PLAN_ROLLBACK, "v1", &out), BSC_OK);
    assert_int_equal(out.plan.steps[0].kind, BSC_STEP_SPLIT); /* it stands by */
    assert_int_equal(ask(BSC_EVENT_DEPLOY, "s0", "v3"), BSC_OK);
    assert_int_equal(plan(BSC_PLAN_DEPLOY, "v4", &out), BSC_BUSY);
    finish_all();
}

static void a_retry_releases_again_what_was_taken_back(void **unused)
{
    (void)unused;
    assert_int_equal(ask(BSC_EVENT_RETRY, "s0", NULL), BSC_STATE);
    assert_said("has no rollout to retry");
    until_bake();
    uint64_t release = rollout()->row.release, first = rollout()->row.id;
    assert_int_equal(ask(BSC_EVENT_ABORT, "s0", NULL), BSC_OK);
    assert_int_equal(finish("s0"), BSC_ROLLOUT_CANCELLED);
    assert_int_equal(ask(BSC_EVENT_RETRY, "s0", NULL), BSC_OK);
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
    assert_int_equal(rollout()->row.release, release);
    assert_true(rollout()->row.id > first);
    assert_string_equal(live_version("s0"), "v2");
    assert_int_equal(ask(BSC_EVENT_RETRY, "s0", NULL), BSC_STATE);
    assert_said("was promoted");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_locked_service_refuses_what_is_new_and_says_who_locked_it_and_why),
        TEST(a_lock_holds_neither_a_rollback_nor_an_abort),
        TEST(a_lock_is_that_of_who_locked_first),
        TEST(a_lock_needs_a_reason_of_one_line),
        TEST(a_lock_outlives_the_controller),
        TEST(a_pause_in_a_bake_stops_its_clock),
        TEST(the_end_of_a_bake_is_not_overtaken_by_what_others_ask_meanwhile),
        TEST(a_pause_between_steps_holds_before_the_next_and_resume_begins_it),
        TEST(a_pause_outlives_the_controller_wherever_it_holds),
        TEST(abort_and_rollback_win_over_a_pause),
        TEST(a_version_that_fails_is_taken_back_while_it_is_paused),
        TEST(a_promotion_cuts_the_bake_short_and_says_so),
        TEST(a_full_promotion_from_a_pause_before_the_split_watches_nothing),
        TEST(a_newer_version_supersedes_one_in_any_step_and_only_when_asked_to),
        TEST(a_third_version_supersedes_the_second_before_it_began),
        TEST(an_abort_a_lock_or_a_rollback_keeps_the_successor_from_beginning),
        TEST(a_successor_outlives_the_controller),
        TEST(a_rollback_to_a_version_wins_over_a_rollout_and_goes_there),
        TEST(a_plan_is_told_and_nothing_happens),
        TEST(a_retry_releases_again_what_was_taken_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
