/* SPDX-License-Identifier: Apache-2.0
 * A proxy says that it has used up what may be rescued: in time it takes the rollout back, and too
 * late it changes nothing. Told in the simulator's world, with every invariant looked at. */
enum { TURNS = 20000, LONG_MS = 200 };

#include "stage.h"

/* v1 is live, what a candidate fails is rescued, and it is watched. */
static int set_up(void **unused)
{
    (void)unused;
    struct bsc_spec *spec = stage_open();
    spec->deploy.rescue = true;
    spec->deploy.bake_ms = 3000;
    stage_begin();
    return 0;
}

static const struct bsc_rollout_row *rollout(void)
{
    assert_non_null(service("s0")->rollout);
    return &service("s0")->rollout->row;
}

static void until(enum bsc_step_kind kind)
{
    for (unsigned i = 0; i < TURNS; i++) {
        if (rollout()->walk.cursor < rollout()->plan.count &&
            rollout()->plan.steps[rollout()->walk.cursor].kind == kind && sim_engine_free(sim))
            return;
        sim_turn(sim);
    }
    fail_msg("the rollout never comes to the step %s", bsc_step_kind_name(kind));
}

/* A proxy says so of this split, and the engine has time to do something about it. */
static void trip(uint64_t generation)
{
    sim_send(sim, 1,
             &(struct bsc_event){ .kind = BSC_EVENT_TRIPPED,
                                  .id = "s0",
                                  .generation = generation,
                                  .text = "9 of 9 requests failed" });
    pass_ms(LONG_MS);
}

static void watch_v2(void)
{
    deploy("s0", "v1");
    assert_int_equal(ask(BSC_EVENT_DEPLOY, "s0", "v2"), BSC_OK);
    until(BSC_STEP_BAKE);
}

static unsigned weight(enum bsc_slot slot)
{
    return service("s0")->row.weight_bp[slot];
}

static void a_trip_of_the_split_in_force_takes_the_rollout_back(void **unused)
{
    (void)unused;
    watch_v2();
    trip(service("s0")->row.generation);
    assert_int_equal(finish("s0"), BSC_ROLLOUT_ROLLED_BACK);
    assert_string_equal(rollout()->reason, "rescue budget used up: 9 of 9 requests failed");
    assert_int_equal(rollout()->error, BSC_FAILED);
    assert_int_equal(weight(service("s0")->row.stable), BSC_WEIGHT_FULL_BP);
}

static void a_trip_of_an_older_split_changes_nothing(void **unused)
{
    (void)unused;
    watch_v2();
    enum bsc_slot candidate = rollout()->slot;
    uint64_t generation = service("s0")->row.generation;
    trip(generation - 1);
    trip(generation + 1); /* nobody can have seen that one */
    trip(0);
    assert_int_equal(rollout()->walk.status, BSC_ROLLOUT_RUNNING);
    assert_int_equal(service("s0")->row.generation, generation);
    assert_int_equal(weight(candidate), BSC_WEIGHT_FULL_BP);
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
}

/* The proxies' trip ended with the split of the commit; the version is live and stays so. */
static void a_trip_behind_the_commit_is_told_and_changes_nothing(void **unused)
{
    (void)unused;
    watch_v2();
    enum bsc_slot candidate = rollout()->slot;
    uint64_t tried = service("s0")->row.generation;
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
    uint64_t generation = service("s0")->row.generation;
    assert_int_equal(generation, tried + 1);
    for (uint64_t split = tried - 1; split <= generation + 1; split++) {
        trip(split);
        assert_int_equal(rollout()->walk.status, BSC_ROLLOUT_PROMOTED);
        assert_string_equal(rollout()->reason, "");
        assert_int_equal(rollout()->error, BSC_OK);
        assert_int_equal(service("s0")->row.slots.live, candidate);
        assert_int_equal(service("s0")->row.stable, candidate);
        assert_int_equal(service("s0")->row.generation, generation);
        assert_int_equal(weight(candidate), BSC_WEIGHT_FULL_BP);
    }
}

static void a_trip_while_it_is_taken_back_anyway_changes_no_ending(void **unused)
{
    (void)unused;
    watch_v2();
    uint64_t generation = service("s0")->row.generation;
    assert_int_equal(ask(BSC_EVENT_ABORT, "s0", NULL), BSC_OK);
    trip(generation);
    assert_int_equal(finish("s0"), BSC_ROLLOUT_CANCELLED);
    trip(service("s0")->row.generation);
    assert_int_equal(rollout()->walk.status, BSC_ROLLOUT_CANCELLED);
    assert_string_equal(rollout()->reason, "aborted by user");
}

static void a_trip_of_nobody_changes_nothing(void **unused)
{
    (void)unused;
    trip(1); /* nothing was ever deployed */
    deploy("s0", "v1");
    enum bsc_slot live = service("s0")->row.slots.live;
    trip(service("s0")->row.generation); /* the first release: there is nothing to go back to */
    assert_int_equal(rollout()->walk.status, BSC_ROLLOUT_PROMOTED);
    assert_int_equal(service("s0")->row.slots.live, live);
    sim_send(sim, 1, &(struct bsc_event){ .kind = BSC_EVENT_TRIPPED, .id = "nobody" });
    deploy("s0", "v2");
}

static void without_rescue_there_is_no_trip(void **unused)
{
    (void)unused;
    sim_spec(sim, 0)->deploy.rescue = false;
    assert_int_equal(
        sim_ask(sim, (struct bsc_event){ .kind = BSC_EVENT_APPLY, .config = sim->config }), BSC_OK);
    watch_v2();
    trip(service("s0")->row.generation);
    assert_int_equal(rollout()->walk.status, BSC_ROLLOUT_RUNNING);
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
}

#define trip_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        trip_test(a_trip_of_the_split_in_force_takes_the_rollout_back),
        trip_test(a_trip_of_an_older_split_changes_nothing),
        trip_test(a_trip_behind_the_commit_is_told_and_changes_nothing),
        trip_test(a_trip_while_it_is_taken_back_anyway_changes_no_ending),
        trip_test(a_trip_of_nobody_changes_nothing),
        trip_test(without_rescue_there_is_no_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
