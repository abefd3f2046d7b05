/* SPDX-License-Identifier: Apache-2.0
 * A gate that waits for a person, in the simulator's world: whatever happens meanwhile, and to
 * whoever gave the answer, it is asked for until it was given, and never again after that. */
enum { TURNS = 200000 };

#include "stage.h"

enum { LIMIT_MS = 60000 };
static struct bsc_gate gate;

static int set_up(void **unused)
{
    (void)unused;
    struct bsc_spec *spec = stage_open();
    gate = (struct bsc_gate){ .name = "people",
                              .kind = BSC_GATE_APPROVAL,
                              .approval = "Marketing likes it" };
    spec->deploy.gates = (struct bsc_gates){ 0, &gate };
    stage_begin();
    deploy("s0", "v1");
    spec->deploy.gates.count = 1;
    return 0;
}

static const struct bsc_rollout *rollout(void)
{
    return service("s0")->rollout;
}

static bool waits(void)
{
    const struct bsc_rollout_row *row = &rollout()->row;
    return row->walk.status == BSC_ROLLOUT_RUNNING && row->walk.cursor < row->plan.count &&
           row->plan.steps[row->walk.cursor].kind == BSC_STEP_GATE &&
           row->plan.steps[row->walk.cursor].state == BSC_STEP_RUNNING;
}

/* v2, which nobody has approved yet. */
static void deploy_v2(void)
{
    assert_int_equal(ask(BSC_EVENT_DEPLOY, "s0", "v2"), BSC_OK);
    until_step("s0", BSC_STEP_GATE);
    pass_ms(1000);
    assert_true(waits());
}

/* A new controller that has read all that is stored. */
static void restart(void)
{
    sim_crash(sim);
    for (unsigned i = 0; i < TURNS && (!sim->ready || !sim_engine_free(sim)); i++)
        sim_turn(sim);
}

static void assert_taken_back(enum bsc_rollout_status expected)
{
    assert_int_equal(finish("s0"), expected);
    assert_string_equal(live_version("s0"), "v1");
    assert_int_equal(service("s0")->row.weight_bp[rollout()->row.slot], 0);
    assert_int_equal(ask(BSC_EVENT_APPROVE, "s0", NULL), BSC_STATE);
}

static void it_is_waited_for_by_every_controller(void **unused)
{
    (void)unused;
    deploy_v2();
    for (unsigned i = 0; i < 3; i++) {
        restart();
        pass_ms(i * 3600000);
        assert_true(waits());
        assert_non_null(strstr(rollout()->waiting, "waits for an approval, 'Marketing likes it'"));
        assert_int_equal(service("s0")->row.weight_bp[rollout()->row.slot], 0);
    }
    assert_int_equal(ask(BSC_EVENT_APPROVE, "s0", NULL), BSC_OK);
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
    assert_string_equal(live_version("s0"), "v2");
}

static void what_was_approved_before_a_crash_is_not_asked_again(void **unused)
{
    (void)unused;
    deploy_v2();
    assert_int_equal(ask(BSC_EVENT_APPROVE, "s0", NULL), BSC_OK);
    for (unsigned i = 0; i < 2; i++) {
        restart();
        assert_false(waits());
        assert_int_equal(ask(BSC_EVENT_APPROVE, "s0", NULL), BSC_STATE);
    }
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
}

static void what_was_rejected_before_a_crash_stays_rejected(void **unused)
{
    (void)unused;
    deploy_v2();
    assert_int_equal(ask(BSC_EVENT_REJECT, "s0", NULL), BSC_OK);
    restart();
    assert_taken_back(BSC_ROLLOUT_FAILED);
    assert_non_null(strstr(rollout()->row.reason, "was rejected by user"));
}

/* The power fails while the answer is being written: it is there, or it is asked for again. */
static void an_answer_is_stored_or_was_never_given(void **unused)
{
    (void)unused;
    for (unsigned durable = 0; durable < 2; durable++) {
        const struct bsc_event event = { .kind = BSC_EVENT_APPROVE, .service = "s0" };
        deploy_v2();
        sim->fate.crash_at[0] = sim->commits + 1;
        sim->fate.durable[0] = durable;
        unsigned crashes = sim->crashes;
        struct bsc_event asked = event;
        sim_command(sim, &asked);
        for (unsigned i = 0; i < TURNS && sim->crashes == crashes; i++)
            sim_turn(sim);
        for (unsigned i = 0; i < TURNS && (!sim->ready || !sim_engine_free(sim)); i++)
            sim_turn(sim);
        assert_int_equal(waits(), !durable);
        if (!durable)
            assert_int_equal(ask(BSC_EVENT_APPROVE, "s0", NULL), BSC_OK);
        assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
        assert_string_equal(live_version("s0"), "v2");
        assert_int_equal(ask(BSC_EVENT_ROLLBACK, "s0", NULL), BSC_OK);
        assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
    }
}

static void an_answer_that_the_store_refuses_was_never_given(void **unused)
{
    (void)unused;
    deploy_v2();
    sim->weather.commit_fails = 1000000;
    assert_int_not_equal(ask(BSC_EVENT_APPROVE, "s0", NULL), BSC_OK);
    sim->weather.commit_fails = 0;
    for (unsigned i = 0; i < TURNS && !sim_engine_free(sim); i++)
        sim_turn(sim);
    assert_taken_back(BSC_ROLLOUT_FAILED); /* what can't be recorded is not carried on with */
}

static void an_abort_and_a_rollback_do_not_wait_for_it(void **unused)
{
    (void)unused;
    static const enum bsc_event_kind backs[] = { BSC_EVENT_ABORT, BSC_EVENT_ROLLBACK };
    static const enum bsc_rollout_status ends[] = { BSC_ROLLOUT_CANCELLED,
                                                    BSC_ROLLOUT_ROLLED_BACK };
    for (unsigned i = 0; i < 4; i++) {
        deploy_v2();
        if (i >= 2)
            restart();
        assert_int_equal(ask(backs[i % 2], "s0", NULL), BSC_OK);
        if (i == 3)
            restart();
        assert_taken_back(ends[i % 2]);
    }
}

static void a_newer_version_takes_its_place_and_is_asked_for_anew(void **unused)
{
    (void)unused;
    deploy_v2();
    assert_int_equal(ask(BSC_EVENT_DEPLOY, "s0", "v5"), BSC_BUSY);
    assert_int_equal(sim_ask(sim, (struct bsc_event){ .kind = BSC_EVENT_DEPLOY,
                                                      .service = "s0",
                                                      .version = "v5",
                                                      .supersede = true }),
                     BSC_OK);
    uint64_t next = service("s0")->row.next.rollout;
    for (unsigned i = 0; i < TURNS && !(rollout()->row.id == next && waits()); i++)
        sim_turn(sim);
    restart();
    assert_true(waits());
    assert_int_equal(ask(BSC_EVENT_APPROVE, "s0", NULL), BSC_OK);
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
    assert_string_equal(live_version("s0"), "v5");
}

/* A pause stops the time that it has, and what comes behind it, not the answer. */
static void it_is_given_while_the_rollout_is_paused(void **unused)
{
    (void)unused;
    for (unsigned again = 0; again < 2; again++) {
        deploy_v2();
        assert_int_equal(ask(BSC_EVENT_PAUSE, "s0", NULL), BSC_OK);
        if (again)
            restart();
        assert_true(waits());
        assert_int_equal(ask(BSC_EVENT_APPROVE, "s0", NULL), BSC_OK);
        pass_ms(30000);
        if (again)
            restart();
        assert_true(rollout()->row.walk.paused);
        assert_int_equal(service("s0")->row.weight_bp[rollout()->row.slot], 0);
        assert_int_equal(ask(BSC_EVENT_RESUME, "s0", NULL), BSC_OK);
        assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
        assert_int_equal(ask(BSC_EVENT_ROLLBACK, "s0", NULL), BSC_OK);
        assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
    }
}

static void its_time_stands_still_in_a_pause_and_then_ends_it(void **unused)
{
    (void)unused;
    gate.timeout_ms = LIMIT_MS;
    gate.on_timeout = BSC_GATE_ABORT;
    deploy_v2();
    assert_int_equal(ask(BSC_EVENT_PAUSE, "s0", NULL), BSC_OK);
    pass_ms(10 * LIMIT_MS);
    restart();
    pass_ms(10 * LIMIT_MS);
    assert_true(waits());
    int64_t resumed_ms = sim->now_ms;
    assert_int_equal(ask(BSC_EVENT_RESUME, "s0", NULL), BSC_OK);
    assert_taken_back(BSC_ROLLOUT_FAILED);
    assert_in_range(sim->now_ms - resumed_ms, LIMIT_MS / 2, 2 * LIMIT_MS);
    assert_non_null(
        strstr(rollout()->row.reason, "nobody approved 'Marketing likes it' within 1m"));
    assert_int_equal(rollout()->row.error, BSC_TIMEOUT);
}

static void a_new_controller_gives_it_its_whole_time_again(void **unused)
{
    (void)unused;
    gate.timeout_ms = LIMIT_MS;
    gate.on_timeout = BSC_GATE_ABORT;
    deploy_v2();
    for (unsigned i = 0; i < 3; i++) {
        pass_ms(LIMIT_MS * 2 / 3);
        assert_true(waits());
        restart();
    }
    int64_t began_ms = sim->now_ms;
    assert_taken_back(BSC_ROLLOUT_FAILED);
    assert_in_range(sim->now_ms - began_ms, LIMIT_MS / 2, 2 * LIMIT_MS);
}

static void held_on_it_is_waited_for_beyond_its_time_also_by_a_new_controller(void **unused)
{
    (void)unused;
    gate.timeout_ms = LIMIT_MS;
    gate.on_timeout = BSC_GATE_HOLD;
    deploy_v2();
    for (unsigned i = 0; i < 2; i++) {
        pass_ms(3 * LIMIT_MS);
        assert_true(waits());
        assert_non_null(strstr(rollout()->waiting, "for longer than 1m"));
        restart();
    }
    assert_int_equal(ask(BSC_EVENT_APPROVE, "s0", NULL), BSC_OK);
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
}

static void a_version_that_falls_ill_is_not_waited_for(void **unused)
{
    (void)unused;
    deploy_v2();
    restart();
    for (unsigned p = 0; p < sim->process_high; p++)
        if (strstr(sim->processes[p].id->text, bsc_slot_name(rollout()->row.slot)))
            sim->processes[p].doomed = true;
    assert_taken_back(BSC_ROLLOUT_FAILED);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(it_is_waited_for_by_every_controller),
        CASE(what_was_approved_before_a_crash_is_not_asked_again),
        CASE(what_was_rejected_before_a_crash_stays_rejected),
        CASE(an_answer_is_stored_or_was_never_given),
        CASE(an_answer_that_the_store_refuses_was_never_given),
        CASE(an_abort_and_a_rollback_do_not_wait_for_it),
        CASE(a_newer_version_takes_its_place_and_is_asked_for_anew),
        CASE(it_is_given_while_the_rollout_is_paused),
        CASE(its_time_stands_still_in_a_pause_and_then_ends_it),
        CASE(a_new_controller_gives_it_its_whole_time_again),
        CASE(held_on_it_is_waited_for_beyond_its_time_also_by_a_new_controller),
        CASE(a_version_that_falls_ill_is_not_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
