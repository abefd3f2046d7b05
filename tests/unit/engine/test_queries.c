/* SPDX-License-Identifier: Apache-2.0
 * External queries while a version is watched, in the simulator's world: each source answers as its
 * name says (tests/sim/query.c). */
enum { TURNS = 200000 };

#include "stage.h"

static struct bsc_query_spec queries[2];

static int set_up(void **unused)
{
    (void)unused;
    struct bsc_spec *spec = stage_open();
    spec->deploy.bake_ms = 5000;
    spec->deploy.analysis = (struct bsc_analysis_spec){ .enabled = true,
                                                        .alpha_bp = 100,
                                                        .tolerated = 100,
                                                        .slower = 125,
                                                        .before_errors = 200,
                                                        .before_latency = 150,
                                                        .minimum_requests = 1,
                                                        .queries = { 1, queries },
                                                        .wait_ms = 20000 };
    for (unsigned i = 0; i < 2; i++) {
        queries[i] = (struct bsc_query_spec){ .name = "good",
                                              .url = "http://${SERVICE}.test/${VERSION}",
                                              .interval_ms = 1000,
                                              .timeout_ms = 2000,
                                              .count = 3,
                                              .failure_limit = 3 };
        assert_true(bsc_accept_parse("< 0.01", &queries[i].accept));
    }
    stage_begin();
    return 0;
}

static const struct bsc_rollout *rollout(void)
{
    return service("s0")->rollout;
}

/* v2 after v1, whose own bake is asked about something good. */
static void deploy_v2(void)
{
    struct bsc_query_spec asked = queries[0];
    queries[0].name = "good";
    queries[0].dry_run = false;
    deploy("s0", "v1");
    queries[0] = asked;
    assert_int_equal(ask(BSC_EVENT_DEPLOY, "s0", "v2"), BSC_OK);
}

static void a_good_answer_often_enough_ends_the_bake(void **unused)
{
    (void)unused;
    deploy_v2();
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
    assert_int_equal(rollout()->query_count, 1);
    assert_true(rollout()->queries[0].tally.passed >= 3);
    assert_int_equal(rollout()->queries[0].token, 0);
}

static void a_bake_lasts_until_a_slow_source_has_said_enough(void **unused)
{
    (void)unused;
    queries[0].count = 10;
    deploy_v2();
    until_step("s0", BSC_STEP_BAKE);
    int64_t began_ms = sim->now_ms;
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
    assert_true(sim->now_ms - began_ms >= 10000);
}

static void a_failing_background_analysis_aborts_at_once(void **unused)
{
    (void)unused;
    queries[0].name = "bad";
    deploy_v2();
    until_step("s0", BSC_STEP_BAKE);
    int64_t began_ms = sim->now_ms;
    while (rollout()->row.walk.status == BSC_ROLLOUT_RUNNING)
        sim_turn(sim);
    assert_true(sim->now_ms - began_ms < 5000);
    assert_int_equal(finish("s0"), BSC_ROLLOUT_ROLLED_BACK);
    assert_string_equal(rollout()->row.reason, "bad: 0.12 is not < 0.01, 3 of 3 failures");
    assert_int_equal(rollout()->row.error, BSC_FAILED);
    assert_string_equal(live_version("s0"), "v1");
}

static void a_dry_run_never_aborts(void **unused)
{
    (void)unused;
    queries[0].name = "bad";
    queries[0].dry_run = true;
    deploy_v2();
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
    assert_true(rollout()->queries[0].tally.failed >= 3);
}

static void an_unknown_metric_name_does_not_pass_silently(void **unused)
{
    (void)unused;
    queries[0].name = "none";
    deploy_v2();
    until_step("s0", BSC_STEP_BAKE);
    int64_t began_ms = sim->now_ms;
    pass_ms(8000); /* the bake is over, and it holds */
    assert_true(bsc_service_busy(service("s0")));
    assert_non_null(strstr(rollout()->waiting, "no series matches the query, 0 of 3 passed"));
    assert_int_equal(finish("s0"), BSC_ROLLOUT_ROLLED_BACK);
    assert_true(sim->now_ms - began_ms >= 25000);
    assert_non_null(strstr(rollout()->row.reason, "none: no data"));
    assert_int_equal(rollout()->row.error, BSC_TIMEOUT);
}

static void a_source_that_hangs_holds_the_bake(void **unused)
{
    (void)unused;
    queries[0].name = "hangs";
    deploy_v2();
    assert_int_equal(finish("s0"), BSC_ROLLOUT_ROLLED_BACK);
    assert_non_null(strstr(rollout()->row.reason, "hangs: no answer within its time"));
}

static void without_an_answer_the_version_may_be_taken_back(void **unused)
{
    (void)unused;
    queries[0].name = "none";
    queries[0].on_error = BSC_QUERY_ABORTS;
    deploy_v2();
    assert_int_equal(finish("s0"), BSC_ROLLOUT_ROLLED_BACK);
    assert_non_null(strstr(rollout()->row.reason, "3 of 3 failures"));
}

static void without_an_answer_nothing_may_follow(void **unused)
{
    (void)unused;
    queries[0].name = "none";
    queries[0].on_error = BSC_QUERY_IGNORES;
    deploy_v2();
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
}

static void the_first_that_fails_is_told(void **unused)
{
    (void)unused;
    struct bsc_spec *spec = sim_spec(sim, 0);
    spec->deploy.analysis.queries.count = 2;
    queries[1].name = "bad";
    queries[1].dry_run = true;
    deploy("s0", "v1");
    queries[1].dry_run = false;
    assert_int_equal(ask(BSC_EVENT_DEPLOY, "s0", "v2"), BSC_OK);
    assert_int_equal(finish("s0"), BSC_ROLLOUT_ROLLED_BACK);
    assert_non_null(strstr(rollout()->row.reason, "bad: 0.12"));
}

static void a_rollback_is_asked_about_nothing(void **unused)
{
    (void)unused;
    deploy_v2();
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
    queries[0].name = "bad";
    assert_int_equal(ask(BSC_EVENT_ROLLBACK, "s0", NULL), BSC_OK);
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
    assert_string_equal(live_version("s0"), "v1");
}

static void an_abort_lets_go_of_what_is_asked(void **unused)
{
    (void)unused;
    queries[0].name = "hangs";
    deploy_v2();
    until_step("s0", BSC_STEP_BAKE);
    pass_ms(1500);
    assert_int_not_equal(rollout()->queries[0].token, 0);
    assert_int_equal(ask(BSC_EVENT_ABORT, "s0", NULL), BSC_OK);
    assert_int_equal(rollout()->queries[0].token, 0);
    finish("s0");
    assert_string_equal(live_version("s0"), "v1");
}

static void an_answer_that_comes_while_the_store_works_is_kept(void **unused)
{
    (void)unused;
    char text[] = "no data";
    struct bsc_answer_read answer = { .kind = BSC_ANSWER_NONE, .text = text };
    queries[0].name = "hangs";
    deploy_v2();
    until_step("s0", BSC_STEP_BAKE);
    pass_ms(1500);
    while (!sim_engine_free(sim))
        sim_turn(sim);
    bsc_token token = rollout()->queries[0].token;
    assert_int_not_equal(token, 0);
    bsc_engine_handle(sim->engine, &(struct bsc_event){ .kind = BSC_EVENT_LOCK,
                                                        .service = "s0",
                                                        .actor = "root",
                                                        .text = "incident 42" });
    assert_false(sim_engine_free(sim));
    bsc_engine_handle(
        sim->engine,
        &(struct bsc_event){ .kind = BSC_EVENT_ANSWERED, .token = token, .answer = &answer });
    memset(text, 'x', sizeof text - 1); /* it was lent during the call only */
    answer = (struct bsc_answer_read){ .kind = BSC_ANSWER_VERDICT, .passed = true, .text = text };
    while (!sim_engine_free(sim))
        sim_turn(sim);
    assert_string_equal(rollout()->queries[0].tally.last, "no data");
    assert_int_equal(rollout()->queries[0].tally.passed, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_good_answer_often_enough_ends_the_bake),
        TEST(a_bake_lasts_until_a_slow_source_has_said_enough),
        TEST(a_failing_background_analysis_aborts_at_once),
        TEST(a_dry_run_never_aborts),
        TEST(an_unknown_metric_name_does_not_pass_silently),
        TEST(a_source_that_hangs_holds_the_bake),
        TEST(without_an_answer_the_version_may_be_taken_back),
        TEST(without_an_answer_nothing_may_follow),
        TEST(the_first_that_fails_is_told),
        TEST(a_rollback_is_asked_about_nothing),
        TEST(an_abort_lets_go_of_what_is_asked),
        TEST(an_answer_that_comes_while_the_store_works_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
