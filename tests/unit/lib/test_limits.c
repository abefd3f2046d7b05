/* SPDX-License-Identifier: Apache-2.0
 * The deployer at its edges: options, arguments, answers that nobody wants, and time that runs out.
 */
#include <string.h>

#include "world.h"

static bool refused(const struct bascule_deployer_ports *ports,
                    const struct bascule_deployer_options *options)
{
    struct bascule_deployer *deployer = bascule_deployer_create(ports, options);
    bool none = deployer == NULL;
    bascule_deployer_destroy(deployer);
    return none;
}

static void a_deployer_without_the_ports_it_needs_is_not_made(void **unused)
{
    (void)unused;
    struct world world = { 0 };
    struct bascule_deployer_ports ports = world_ports(&world);
    assert_true(refused(NULL, NULL));
    ports.check = NULL;
    assert_true(refused(&ports, NULL));
    ports = world_ports(&world);
    ports.switch_to = NULL;
    assert_true(refused(&ports, NULL));
    ports = world_ports(&world);
    ports.now_ms = NULL;
    assert_true(refused(&ports, NULL));
}

static void options_out_of_range_are_refused(void **unused)
{
    (void)unused;
    struct world world = { 0 };
    struct bascule_deployer_ports ports = world_ports(&world);
    assert_true(refused(&ports, &(struct bascule_deployer_options){ .min_healthy_percent = 101 }));
    assert_true(
        refused(&ports, &(struct bascule_deployer_options){ .health_check_timeout_ms = -1 }));
    assert_true(refused(&ports, &(struct bascule_deployer_options){ .switch_timeout_ms = -1 }));
    assert_false(refused(&ports, &(struct bascule_deployer_options){ .min_healthy_percent = 100 }));
}

static void the_ports_that_are_not_needed_may_be_missing(void **unused)
{
    (void)unused;
    struct world world = { 0 };
    struct bascule_deployer_ports ports = world_ports(&world);
    ports.start = NULL;
    ports.stop = NULL;
    world.deployer = bascule_deployer_create(&ports, NULL);
    assert_int_equal(world_release(&world, "v1"), BASCULE_OK);
    assert_int_equal(bascule_cleanup_staging(world.deployer, NULL), BASCULE_OK);
    world_assert_one_live(&world, BASCULE_GREEN);
    world_close(&world);
}

static void the_defaults_are_30_s_three_rounds_100_percent_and_60_s(void **unused)
{
    (void)unused;
    struct world world = { .checks_failing = 1 };
    struct bascule_deployer *deployer = world_open(&world, NULL);
    assert_int_equal(world_deploy(&world, "v1"), BASCULE_OK);
    assert_int_equal(bascule_health_check(deployer, NULL, NULL), BASCULE_HEALTH_CHECK_FAILED);
    assert_int_equal(world.check_limit_ms, 30000);
    assert_int_equal(world.rounds, 3);
    world.checks_failing = 0;
    assert_int_equal(world_release(&world, "v2"), BASCULE_OK);
    assert_int_equal(world.switch_limit_ms, 60000);
    world_close(&world);
}

static void a_share_of_healthy_instances_is_enough_when_told_so(void **unused)
{
    (void)unused;
    struct bascule_deployer_options options = { .min_healthy_percent = 75 };
    struct world world = { .checks_failing = 1 };
    struct bascule_deployer *deployer = world_open(&world, &options);
    assert_int_equal(world_deploy(&world, "v1"), BASCULE_OK);
    struct bascule_check_result result;
    assert_int_equal(bascule_health_check(deployer, &result, NULL), BASCULE_OK);
    assert_true(result.healthy);
    assert_int_equal(result.passed, 3);
    assert_int_equal(result.failed, 1);
    world.checks_failing = 2;
    assert_int_equal(bascule_health_check(deployer, NULL, NULL), BASCULE_HEALTH_CHECK_FAILED);
    world_close(&world);
}

static void check_nothing(void *context, enum bascule_environment environment, int64_t timeout_ms,
                          struct bascule_check_result *out)
{
    (void)context, (void)environment, (void)timeout_ms, (void)out;
}

static void a_check_of_nothing_has_not_passed(void **unused)
{
    (void)unused;
    struct world world = { 0 };
    struct bascule_deployer_ports ports = world_ports(&world);
    ports.check = check_nothing;
    world.deployer = bascule_deployer_create(&ports, NULL);
    assert_int_equal(world_release(&world, "v1"), BASCULE_HEALTH_CHECK_FAILED);
    world_assert_one_live(&world, BASCULE_BLUE);
    world_close(&world);
}

static void an_ill_environment_gets_its_retries(void **unused)
{
    (void)unused;
    struct bascule_deployer_options options = { .health_check_retries = 5 };
    struct world world = { .ill_rounds = 4, .check_takes_ms = 100 };
    struct bascule_deployer *deployer = world_open(&world, &options);
    assert_int_equal(world_deploy(&world, "v1"), BASCULE_OK);
    struct bascule_check_result result;
    assert_int_equal(bascule_health_check(deployer, &result, NULL), BASCULE_OK);
    assert_int_equal(world.rounds, 5);
    assert_int_equal(result.duration_ms, 500);
    world_close(&world);
}

static void retries_end_with_the_time_of_the_check(void **unused)
{
    (void)unused;
    struct bascule_deployer_options options = { .health_check_retries = 9,
                                                .health_check_timeout_ms = 1000 };
    struct world world = { .ill_rounds = 9, .check_takes_ms = 400 };
    struct bascule_deployer *deployer = world_open(&world, &options);
    assert_int_equal(world_deploy(&world, "v1"), BASCULE_OK);
    assert_int_equal(bascule_health_check(deployer, NULL, NULL), BASCULE_HEALTH_CHECK_FAILED);
    assert_int_equal(world.rounds, 3);
    assert_int_equal(world.check_limit_ms, 200); /* what was left for the last one */
    world_close(&world);
}

static void a_check_that_passes_too_late_has_failed(void **unused)
{
    (void)unused;
    struct bascule_deployer_options options = { .health_check_timeout_ms = 1000 };
    struct world world = { .check_takes_ms = 1001 };
    struct bascule_deployer *deployer = world_open(&world, &options);
    assert_int_equal(world_deploy(&world, "v1"), BASCULE_OK);
    struct bascule_check_result result;
    assert_int_equal(bascule_health_check(deployer, &result, NULL), BASCULE_HEALTH_CHECK_FAILED);
    assert_false(result.healthy);
    assert_int_equal(world.rounds, 1);
    world_close(&world);
}

static void only_a_deployment_can_be_checked(void **unused)
{
    (void)unused;
    struct world world = { 0 };
    struct bascule_deployer *deployer = world_open(&world, NULL);
    struct bascule_error error;
    assert_int_equal(bascule_health_check(deployer, NULL, &error), BASCULE_INVALID_STATE);
    assert_non_null(strstr(error.text, "green is idle"));
    assert_int_equal(world.rounds, 0);
    world_close(&world);
}

static void a_standby_that_turns_out_ill_keeps_its_place_in_history(void **unused)
{
    (void)unused;
    struct world world = { 0 };
    struct bascule_deployer *deployer = world_open(&world, NULL);
    assert_int_equal(world_release(&world, "v1"), BASCULE_OK);
    assert_int_equal(world_release(&world, "v2"), BASCULE_OK);
    assert_int_equal(bascule_health_check(deployer, NULL, NULL), BASCULE_OK);
    assert_int_equal(world_state(&world, BASCULE_GREEN), BASCULE_STATE_STANDBY);
    world.checks_failing = 4;
    assert_int_equal(bascule_health_check(deployer, NULL, NULL), BASCULE_HEALTH_CHECK_FAILED);
    assert_int_equal(world_state(&world, BASCULE_GREEN), BASCULE_STATE_FAILED);
    struct bascule_record record;
    assert_int_equal(world_history(&world, &record, 1), 2);
    assert_int_equal(record.status, BASCULE_RECORD_REPLACED);
    assert_int_equal(bascule_rollback(deployer, NULL), BASCULE_ROLLBACK_FAILED);
    world_close(&world);
}

static void deploy_nonsense(struct world *world)
{
    static const char *const versions[] = { NULL, "", "a/b", "..", "v 1", "v\n1", "v\x1b[2J" };
    struct bascule_deployer *deployer = world->deployer;
    struct bascule_error error;
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        assert_int_equal(bascule_deploy(deployer, versions[i], NULL, 1, NULL, &error),
                         BASCULE_INVALID_ARGUMENT);
        assert_int_equal(error.result, BASCULE_INVALID_ARGUMENT);
        assert_true(error.text[0]);
    }
    char longest[BASCULE_IMAGE_BYTES + 1];
    memset(longest, 'a', sizeof longest);
    longest[BASCULE_VERSION_BYTES] = '\0';
    assert_int_equal(bascule_deploy(deployer, longest, NULL, 1, NULL, NULL),
                     BASCULE_INVALID_ARGUMENT);
    longest[BASCULE_VERSION_BYTES] = 'a';
    longest[BASCULE_IMAGE_BYTES] = '\0';
    assert_int_equal(bascule_deploy(deployer, "v1", longest, 1, NULL, NULL),
                     BASCULE_INVALID_ARGUMENT);
    assert_int_equal(bascule_deploy(deployer, "v1", NULL, 0, NULL, &error),
                     BASCULE_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "replicas"));
    assert_int_equal(bascule_deploy_and_switch(deployer, "..", NULL, 1, NULL),
                     BASCULE_INVALID_ARGUMENT);
}

static void an_argument_that_is_wrong_changes_nothing(void **unused)
{
    (void)unused;
    struct world world = { 0 };
    world_open(&world, NULL);
    assert_int_equal(world_deploy(&world, "v1"), BASCULE_OK);
    world_assert_unchanged(&world, deploy_nonsense);
    world_close(&world);
}

static void the_longest_version_and_image_fit(void **unused)
{
    (void)unused;
    struct world world = { 0 };
    struct bascule_deployer *deployer = world_open(&world, NULL);
    char version[BASCULE_VERSION_BYTES] = "", image[BASCULE_IMAGE_BYTES] = "";
    memset(version, 'v', sizeof version - 1);
    memset(image, 'i', sizeof image - 1);
    assert_int_equal(bascule_deploy(deployer, version, image, 1, NULL, NULL), BASCULE_OK);
    struct bascule_deployment info;
    struct bascule_record record;
    assert_true(bascule_deployment_info(deployer, BASCULE_GREEN, &info));
    assert_string_equal(info.version, version);
    assert_string_equal(info.image, image);
    assert_int_equal(world_history(&world, &record, 1), 1);
    assert_string_equal(record.version, version);
    world_close(&world);
}

static void a_start_that_fails_is_told_and_can_be_tried_again(void **unused)
{
    (void)unused;
    struct world world = { .start_fails = true };
    struct bascule_deployer *deployer = world_open(&world, NULL);
    enum bascule_environment where = BASCULE_BLUE;
    struct bascule_error error;
    assert_int_equal(bascule_deploy(deployer, "v1", NULL, 1, &where, &error),
                     BASCULE_DEPLOY_FAILED);
    assert_int_equal(error.environment, BASCULE_GREEN);
    assert_non_null(strstr(error.text, "no such image"));
    assert_int_equal(where, BASCULE_GREEN);
    assert_int_equal(world_state(&world, BASCULE_GREEN), BASCULE_STATE_FAILED);
    struct bascule_deployment info;
    assert_true(bascule_deployment_info(deployer, BASCULE_GREEN, &info));
    assert_int_equal(info.completed_at_ms, 0);
    struct bascule_record record;
    assert_int_equal(world_history(&world, &record, 1), 1);
    assert_int_equal(record.status, BASCULE_RECORD_FAILED);
    assert_int_equal(bascule_switch(deployer, NULL), BASCULE_INVALID_STATE);
    world_assert_one_live(&world, BASCULE_BLUE);
    world.start_fails = false;
    assert_int_equal(world_release(&world, "v1"), BASCULE_OK);
    world_close(&world);
}

static void a_rollback_whose_switch_fails_leaves_what_was(void **unused)
{
    (void)unused;
    struct world world = { 0 };
    struct bascule_deployer *deployer = world_open(&world, NULL);
    assert_int_equal(world_release(&world, "v1"), BASCULE_OK);
    world.switch_fails = true;
    struct bascule_error error;
    assert_int_equal(bascule_rollback(deployer, &error), BASCULE_ROLLBACK_FAILED);
    assert_non_null(strstr(error.text, "the balancer is away"));
    world_assert_one_live(&world, BASCULE_GREEN);
    assert_int_equal(world_state(&world, BASCULE_BLUE), BASCULE_STATE_STANDBY);
    assert_int_equal(world_history(&world, NULL, 0), 1);
    world.switch_fails = false;
    world.switch_takes_ms = 60001;
    assert_int_equal(bascule_rollback(deployer, NULL), BASCULE_TIMEOUT);
    world_assert_one_live(&world, BASCULE_GREEN);
    assert_int_equal(world_state(&world, BASCULE_BLUE), BASCULE_STATE_STANDBY);
    world.switch_takes_ms = 0;
    assert_int_equal(bascule_rollback(deployer, NULL), BASCULE_OK);
    world_assert_one_live(&world, BASCULE_BLUE);
    world_close(&world);
}

static void a_late_switch_that_can_not_be_taken_back_is_said(void **unused)
{
    (void)unused;
    struct world world = { .switch_takes_ms = 60001, .switch_back_fails = true };
    struct bascule_deployer *deployer = world_open(&world, NULL);
    assert_int_equal(world_deploy(&world, "v1"), BASCULE_OK);
    assert_int_equal(bascule_health_check(deployer, NULL, NULL), BASCULE_OK);
    struct bascule_error error;
    assert_int_equal(bascule_switch(deployer, &error), BASCULE_TIMEOUT);
    assert_non_null(strstr(error.text, "switching back failed: the balancer is away"));
    world_close(&world);
}

static void history_is_read_in_pieces(void **unused)
{
    (void)unused;
    struct world world = { 0 };
    struct bascule_deployer *deployer = world_open(&world, NULL);
    for (unsigned i = 0; i < 40; i++)
        assert_int_equal(world_deploy(&world, i % 2 ? "odd" : "even"), BASCULE_OK);
    struct bascule_record records[3] = { 0 };
    assert_int_equal(bascule_history(deployer, 38, records, 3), 40);
    assert_string_equal(records[0].version, "even");
    assert_string_equal(records[1].version, "odd");
    assert_int_equal(records[2].id, 0);
    assert_int_equal(bascule_history(deployer, 40, records, 3), 40);
    assert_int_equal(bascule_history(deployer, 99, NULL, 0), 40);
    world_close(&world);
}

static void everything_has_a_name(void **unused)
{
    (void)unused;
    static const char *const states[] = {
        "idle", "deploying", "ready", "live", "standby", "failed"
    };
    static const char *const results[] = {
        "ok",
        "environment-busy",
        "health-check-failed",
        "switch-failed",
        "rollback-failed",
        "invalid-state",
        "timeout",
        "invalid-argument",
        "deploy-failed",
    };
    static const char *const statuses[] = { "in-progress", "ready",       "live",
                                            "replaced",    "rolled-back", "failed" };
    assert_string_equal(bascule_environment_name(BASCULE_BLUE), "blue");
    assert_string_equal(bascule_environment_name(BASCULE_GREEN), "green");
    for (unsigned i = 0; i < 6; i++)
        assert_string_equal(bascule_environment_state_name(
                                (enum bascule_environment_state)(i + BASCULE_STATE_IDLE)),
                            states[i]);
    for (unsigned i = 0; i < 9; i++)
        assert_string_equal(bascule_result_name((enum bascule_result)i), results[i]);
    for (unsigned i = 0; i < 6; i++)
        assert_string_equal(bascule_record_status_name((enum bascule_record_status)i), statuses[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deployer_without_the_ports_it_needs_is_not_made),
        cmocka_unit_test(options_out_of_range_are_refused),
        cmocka_unit_test(the_ports_that_are_not_needed_may_be_missing),
        cmocka_unit_test(the_defaults_are_30_s_three_rounds_100_percent_and_60_s),
        cmocka_unit_test(a_share_of_healthy_instances_is_enough_when_told_so),
        cmocka_unit_test(a_check_of_nothing_has_not_passed),
        cmocka_unit_test(an_ill_environment_gets_its_retries),
        cmocka_unit_test(retries_end_with_the_time_of_the_check),
        cmocka_unit_test(a_check_that_passes_too_late_has_failed),
        cmocka_unit_test(only_a_deployment_can_be_checked),
        cmocka_unit_test(a_standby_that_turns_out_ill_keeps_its_place_in_history),
        cmocka_unit_test(an_argument_that_is_wrong_changes_nothing),
        cmocka_unit_test(the_longest_version_and_image_fit),
        cmocka_unit_test(a_start_that_fails_is_told_and_can_be_tried_again),
        cmocka_unit_test(a_rollback_whose_switch_fails_leaves_what_was),
        cmocka_unit_test(a_late_switch_that_can_not_be_taken_back_is_said),
        cmocka_unit_test(history_is_read_in_pieces),
        cmocka_unit_test(everything_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
