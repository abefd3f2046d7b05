/* SPDX-License-Identifier: Apache-2.0
 * What follows from the counters of a candidate: harm takes it back at once, a canary without
 * evidence waits and fails. Told in the simulator's world, with every invariant looked at. */
enum { TURNS = 200000, ALWAYS = 1000000 };

#include "core/analysis/sample.h"
#include "stage.h"

static struct bsc_sample sample;
static uint64_t latency[2][BSC_HISTOGRAM_BUCKETS];
static struct bsc_baseline before;

static int set_up(void **unused)
{
    (void)unused;
    struct bsc_spec *spec = stage_open();
    spec->deploy.bake_ms = 30000;
    spec->deploy.analysis = (struct bsc_analysis_spec){ .enabled = true,
                                                        .latency = true,
                                                        .alpha_bp = 100,
                                                        .tolerated = 100,
                                                        .slower = 125,
                                                        .before_errors = 200,
                                                        .before_latency = 150,
                                                        .margin = 125,
                                                        .minimum_requests = 100,
                                                        .wait_ms = 20000 };
    memset(latency, 0, sizeof latency);
    sample = (struct bsc_sample){ .at_ms = 1000,
                                  .candidate.latency = latency[0],
                                  .live.latency = latency[1] };
    before = (struct bsc_baseline){ .units = 10000 };
    stage_begin();
    return 0;
}

static const struct bsc_rollout_row *rollout(void)
{
    return &service("s0")->rollout->row;
}

/* v2 is watched beside v1, or after it. */
static void watch_v2(void)
{
    deploy("s0", "v1");
    assert_int_equal(ask(BSC_EVENT_DEPLOY, "s0", "v2"), BSC_OK);
    for (unsigned i = 0; i < TURNS; i++) {
        if (rollout()->plan.steps[rollout()->walk.cursor].kind == BSC_STEP_BAKE &&
            sim_engine_free(sim))
            break;
        sim_turn(sim);
    }
    sample.generation = service("s0")->row.generation;
    sample.weight_bp = service("s0")->row.weight_bp[rollout()->slot];
}

static void watch_a_canary(void)
{
    sim_spec(sim, 0)->deploy.strategy = BSC_STRATEGY_CANARY;
    watch_v2();
    assert_int_equal(sample.weight_bp, 2500);
}

static void tell(const char *name)
{
    while (!sim_engine_free(sim))
        sim_turn(sim);
    bsc_engine_handle(sim->engine, &(struct bsc_event){ .kind = BSC_EVENT_COUNTED,
                                                        .service = name,
                                                        .sample = &sample,
                                                        .baseline = &before });
}

/* So many seconds of 1,000 requests each, with so many errors of each version in a thousand. */
static void pass(unsigned seconds, unsigned candidate, unsigned live)
{
    struct bsc_slot_sample *const slots[] = { &sample.candidate, &sample.live };
    unsigned errors[] = { candidate, live };
    for (unsigned i = 0; i < seconds * 10; i++) {
        for (unsigned v = 0; v < 2; v++) {
            slots[v]->units += 100;
            slots[v]->begun = slots[v]->answered = slots[v]->units;
            slots[v]->errors = slots[v]->units * errors[v] / 1000;
        }
        tell("s0");
        sample.at_ms += 100;
    }
}

static void after_a_switch_harm_takes_the_rollout_back_at_once(void **unused)
{
    (void)unused;
    watch_v2();
    pass(10, 50, 0);
    assert_int_equal(rollout()->before.units, 10000);
    assert_int_equal(finish("s0"), BSC_ROLLOUT_ROLLED_BACK);
    assert_non_null(strstr(rollout()->reason, "v2 fails 5 % of its requests"));
    assert_non_null(strstr(rollout()->reason, "v1 failed 0 % before it"));
    assert_int_equal(rollout()->error, BSC_FAILED);
    assert_int_equal(service("s0")->row.weight_bp[service("s0")->row.stable], BSC_WEIGHT_FULL_BP);
    assert_null(service("s0")->rollout->judge);
    assert_int_equal(service("s0")->rollout->judgement->finding, BSC_FINDING_HARM);
}

static void after_a_switch_no_harm_is_enough(void **unused)
{
    (void)unused;
    watch_v2();
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
}

static void harm_beside_the_live_version_takes_a_canary_back(void **unused)
{
    (void)unused;
    watch_a_canary();
    pass(20, 500, 0);
    assert_int_equal(finish("s0"), BSC_ROLLOUT_ROLLED_BACK);
    assert_non_null(strstr(rollout()->reason, "at the same time (p = "));
}

static void a_canary_with_enough_requests_and_no_harm_is_promoted(void **unused)
{
    (void)unused;
    watch_a_canary();
    pass(10, 10, 10);
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
}

static void a_canary_that_nobody_asks_waits_and_fails(void **unused)
{
    (void)unused;
    watch_a_canary();
    int64_t began_ms = sim->now_ms;
    assert_int_equal(finish("s0"), BSC_ROLLOUT_ROLLED_BACK);
    assert_true(sim->now_ms - began_ms >= 50000); /* the bake and the wait */
    assert_non_null(strstr(rollout()->reason, "nothing was counted yet"));
    assert_int_equal(rollout()->error, BSC_TIMEOUT);
}

static void until_confident_ends_a_bake_before_its_time(void **unused)
{
    (void)unused;
    sim_spec(sim, 0)->deploy.analysis.until = BSC_UNTIL_CONFIDENT;
    watch_a_canary();
    int64_t began_ms = sim->now_ms;
    unsigned step = rollout()->walk.cursor;
    pass(10, 0, 10);
    assert_true(rollout()->walk.cursor > step);
    assert_true(sim->now_ms - began_ms < 30000);
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
}

static void until_confident_takes_back_what_is_not_shown_in_time(void **unused)
{
    (void)unused;
    sim_spec(sim, 0)->deploy.analysis.until = BSC_UNTIL_CONFIDENT;
    watch_a_canary();
    pass(2, 10, 10);
    assert_int_equal(finish("s0"), BSC_ROLLOUT_ROLLED_BACK);
    assert_non_null(strstr(rollout()->reason, "it is not shown yet"));
    assert_int_equal(rollout()->error, BSC_TIMEOUT);
}

static void a_canary_whose_requests_come_late_is_promoted_then(void **unused)
{
    (void)unused;
    watch_a_canary();
    int64_t until_ms = sim->now_ms + 40000;
    while (sim->now_ms < until_ms)
        sim_turn(sim);
    assert_true(service("s0")->rollout->overtime);
    pass(2, 0, 0);
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
}

static void counters_of_others_change_nothing(void **unused)
{
    (void)unused;
    watch_v2();
    tell("nobody");
    sample.generation--; /* of an older split */
    pass(10, 500, 0);
    assert_null(service("s0")->rollout->judge);
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
    sample.generation = service("s0")->row.generation; /* too late */
    pass(10, 500, 0);
    assert_int_equal(rollout()->walk.status, BSC_ROLLOUT_PROMOTED);
}

/* v2 has only those users whom match rules choose. */
static void watch_the_chosen(void)
{
    static const struct bsc_match_rule beta = { BSC_MATCH_HEADER, BSC_MATCH_PRESENT, "X", NULL };
    sim_spec(sim, 0)->deploy.strategy = BSC_STRATEGY_CANARY;
    sim_spec(sim, 0)->deploy.match = (struct bsc_match_spec){ 1, &beta };
    watch_v2();
    assert_int_equal(sample.weight_bp, 0);
    sample.drawing = BSC_DRAWN_BY_RULE;
}

static bool is_split(void)
{
    return rollout()->plan.steps[rollout()->walk.cursor].kind == BSC_STEP_SPLIT ||
           service("s0")->row.weight_bp[rollout()->slot] > 0;
}

static void chosen_users_must_ask_before_everybody_may(void **unused)
{
    (void)unused;
    watch_the_chosen();
    assert_int_equal(finish("s0"), BSC_ROLLOUT_ROLLED_BACK);
    assert_int_equal(rollout()->error, BSC_TIMEOUT);
}

static void of_chosen_users_nothing_need_be_shown_with_confidence(void **unused)
{
    (void)unused;
    sim_spec(sim, 0)->deploy.analysis.until = BSC_UNTIL_CONFIDENT;
    watch_the_chosen();
    pass(10, 0, 10);
    assert_false(is_split());
    for (unsigned i = 0; i < TURNS && !is_split(); i++)
        sim_turn(sim);
    assert_true(is_split());
}

static void chosen_users_are_compared_with_before(void **unused)
{
    (void)unused;
    watch_the_chosen();
    pass(10, 500, 500);
    assert_int_equal(finish("s0"), BSC_ROLLOUT_ROLLED_BACK);
    assert_non_null(strstr(rollout()->reason, "of its requests of chosen users"));
    assert_non_null(strstr(rollout()->reason, "v1 failed 0 % before it"));
}

static void also_beside_the_coin(void **unused)
{
    (void)unused;
    watch_a_canary();
    sample.has_chosen = true;
    sample.chosen = (struct bsc_slot_sample){ .latency = latency[0] };
    for (unsigned i = 0; i < 10; i++) {
        sample.chosen.units = sample.chosen.begun = sample.chosen.answered += 100;
        sample.chosen.errors = sample.chosen.units / 2;
        pass(1, 0, 0);
    }
    assert_int_equal(finish("s0"), BSC_ROLLOUT_ROLLED_BACK);
    assert_non_null(strstr(rollout()->reason, "v2 fails 50 % of its requests of chosen users"));
    assert_null(service("s0")->rollout->chosen);
}

/* Memory is discarded then, and the rollout is not gone on with. */
static void when_nothing_can_be_stored_chosen_users_go_back(void **unused)
{
    (void)unused;
    watch_the_chosen();
    assert_true(sim->wanted[0].match);
    sim->weather.load_fails = sim->weather.commit_fails = ALWAYS;
    assert_int_equal(ask(BSC_EVENT_PAUSE, "s0", NULL), BSC_FAILED);
    for (unsigned i = 0; i < TURNS && sim->wanted[0].match; i++)
        sim_turn(sim);
    assert_false(sim->wanted[0].match);
    sim->weather.load_fails = sim->weather.commit_fails = 0;
    while (!bsc_engine_services(sim->engine))
        sim_turn(sim);
    assert_int_equal(finish("s0"), BSC_ROLLOUT_ROLLED_BACK);
    assert_false(sim->wanted[0].match);
}

static void without_analysis_counters_change_nothing(void **unused)
{
    (void)unused;
    sim_spec(sim, 0)->deploy.analysis.enabled = false;
    watch_a_canary();
    pass(10, 500, 0);
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(after_a_switch_harm_takes_the_rollout_back_at_once),
        TEST(after_a_switch_no_harm_is_enough),
        TEST(harm_beside_the_live_version_takes_a_canary_back),
        TEST(a_canary_with_enough_requests_and_no_harm_is_promoted),
        TEST(a_canary_that_nobody_asks_waits_and_fails),
        TEST(a_canary_whose_requests_come_late_is_promoted_then),
        TEST(until_confident_ends_a_bake_before_its_time),
        TEST(until_confident_takes_back_what_is_not_shown_in_time),
        TEST(chosen_users_must_ask_before_everybody_may),
        TEST(of_chosen_users_nothing_need_be_shown_with_confidence),
        TEST(chosen_users_are_compared_with_before),
        TEST(also_beside_the_coin),
        TEST(when_nothing_can_be_stored_chosen_users_go_back),
        TEST(counters_of_others_change_nothing),
        TEST(without_analysis_counters_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
