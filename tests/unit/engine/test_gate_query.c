/* SPDX-License-Identifier: Apache-2.0
 * A gate that asks something outside, in the simulator's world: the source answers as its name says
 * (tests/sim/query.c). */
enum { TURNS = 200000 };

#include "stage.h"

static struct bsc_query_spec query;
static struct bsc_gate gate;

static int set_up(void **unused)
{
    (void)unused;
    struct bsc_spec *spec = stage_open();
    query = (struct bsc_query_spec){
        .name = "good", .interval_ms = 1000, .timeout_ms = 2000, .count = 3, .failure_limit = 3
    };
    assert_true(bsc_accept_parse("< 0.01", &query.accept));
    gate = (struct bsc_gate){
        .name = "errors", .kind = BSC_GATE_QUERY, .query = &query, .timeout_ms = 20000
    };
    spec->deploy.gates = (struct bsc_gates){ 0, &gate };
    spec->deploy.analysis.enabled = false; /* it asks all the same */
    stage_begin();
    deploy("s0", "v1");
    spec->deploy.gates.count = 1;
    return 0;
}

static const struct bsc_rollout *rollout(void)
{
    return service("s0")->rollout;
}

static const struct bsc_query_tally *tally(void)
{
    return &rollout()->gate_query.tally;
}

/* v2, whose gate meets the source `name`. */
static void deploy_v2(const char *name)
{
    query.name = name;
    assert_int_equal(ask(BSC_EVENT_DEPLOY, "s0", "v2"), BSC_OK);
    until_step("s0", BSC_STEP_GATE);
}

static void it_is_passed_when_enough_answers_were_good(void **unused)
{
    (void)unused;
    deploy_v2("good");
    int64_t began_ms = sim->now_ms;
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
    assert_int_equal(tally()->passed, 3);
    assert_true(sim->now_ms - began_ms >= 2000); /* the first at once, then two intervals */
    assert_int_equal(rollout()->query_count, 0); /* no bake asked it */
    assert_string_equal(live_version("s0"), "v2");
}

static void it_fails_before_any_user_meets_the_version(void **unused)
{
    (void)unused;
    deploy_v2("bad");
    assert_int_equal(finish("s0"), BSC_ROLLOUT_FAILED);
    assert_string_equal(rollout()->row.reason,
                        "the gate 'errors' failed: 0.12 is not < 0.01, 3 of 3 failures");
    assert_int_equal(rollout()->row.error, BSC_FAILED);
    assert_string_equal(live_version("s0"), "v1");
}

static void no_data_is_no_pass_and_ends_with_the_gates_time(void **unused)
{
    (void)unused;
    deploy_v2("none");
    int64_t began_ms = sim->now_ms;
    pass_ms(5000);
    assert_non_null(strstr(rollout()->waiting, "the gate 'errors' asks: no data"));
    assert_int_equal(finish("s0"), BSC_ROLLOUT_FAILED);
    assert_true(sim->now_ms - began_ms >= 20000);
    assert_non_null(
        strstr(rollout()->row.reason, "the gate 'errors' did not end in time: no data"));
    assert_int_equal(rollout()->row.error, BSC_TIMEOUT);
    assert_int_equal(tally()->passed, 0);
}

static void a_source_that_hangs_fails_it_too(void **unused)
{
    (void)unused;
    deploy_v2("hangs");
    assert_int_equal(finish("s0"), BSC_ROLLOUT_FAILED);
    assert_non_null(strstr(rollout()->row.reason, "no answer within its time, 0 of 3 passed"));
    assert_int_equal(rollout()->gate_query.token, 0);
    assert_string_equal(live_version("s0"), "v1");
}

static void without_an_answer_it_may_fail_at_once(void **unused)
{
    (void)unused;
    query.on_error = BSC_QUERY_ABORTS;
    deploy_v2("none");
    int64_t began_ms = sim->now_ms;
    assert_int_equal(finish("s0"), BSC_ROLLOUT_FAILED);
    assert_true(sim->now_ms - began_ms < 10000);
}

static void what_is_ignored_is_asked_as_often_as_it_says_and_passed(void **unused)
{
    (void)unused;
    query.on_error = BSC_QUERY_IGNORES;
    deploy_v2("none");
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
    assert_int_equal(tally()->silent, 3);
    assert_int_equal(tally()->passed, 0);
}

static void what_is_ignored_holds_up_nothing_when_the_time_is_over(void **unused)
{
    (void)unused;
    query.on_error = BSC_QUERY_IGNORES;
    query.timeout_ms = 15000; /* two answers do not come in the gate's time, one does not */
    deploy_v2("hangs");
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
    assert_int_equal(tally()->silent, 1);
}

static void a_dry_run_never_fails_it(void **unused)
{
    (void)unused;
    query.dry_run = true;
    query.failure_limit = 1;
    deploy_v2("bad");
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
    assert_int_equal(tally()->failed, 3);
}

static void an_abort_lets_go_of_what_is_asked(void **unused)
{
    (void)unused;
    deploy_v2("hangs");
    pass_ms(500);
    assert_int_not_equal(rollout()->gate_query.token, 0);
    assert_int_equal(ask(BSC_EVENT_ABORT, "s0", NULL), BSC_OK);
    assert_int_equal(rollout()->gate_query.token, 0);
    assert_int_equal(finish("s0"), BSC_ROLLOUT_CANCELLED);
    assert_string_equal(live_version("s0"), "v1");
}

static void a_promotion_does_not_skip_it(void **unused)
{
    (void)unused;
    deploy_v2("bad");
    (void)!ask(BSC_EVENT_PROMOTE, "s0", NULL);
    assert_int_equal(finish("s0"), BSC_ROLLOUT_FAILED);
    assert_string_equal(live_version("s0"), "v1");
}

static void a_pause_lets_it_end_and_nothing_begins_behind_it(void **unused)
{
    (void)unused;
    deploy_v2("good");
    assert_int_equal(ask(BSC_EVENT_PAUSE, "s0", NULL), BSC_OK);
    pass_ms(5000);
    assert_int_equal(tally()->passed, 3);
    assert_string_equal(live_version("s0"), "v1");
    assert_int_equal(ask(BSC_EVENT_RESUME, "s0", NULL), BSC_OK);
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
    assert_int_equal(tally()->passed, 3);
}

static void a_rollback_meets_no_gate(void **unused)
{
    (void)unused;
    deploy_v2("good");
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
    query.name = "bad";
    assert_int_equal(ask(BSC_EVENT_ROLLBACK, "s0", NULL), BSC_OK);
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
    assert_string_equal(live_version("s0"), "v1");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_passed_when_enough_answers_were_good),
        TEST(it_fails_before_any_user_meets_the_version),
        TEST(no_data_is_no_pass_and_ends_with_the_gates_time),
        TEST(a_source_that_hangs_fails_it_too),
        TEST(without_an_answer_it_may_fail_at_once),
        TEST(what_is_ignored_is_asked_as_often_as_it_says_and_passed),
        TEST(what_is_ignored_holds_up_nothing_when_the_time_is_over),
        TEST(a_dry_run_never_fails_it),
        TEST(an_abort_lets_go_of_what_is_asked),
        TEST(a_promotion_does_not_skip_it),
        TEST(a_pause_lets_it_end_and_nothing_begins_behind_it),
        TEST(a_rollback_meets_no_gate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
