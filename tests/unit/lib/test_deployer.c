/* SPDX-License-Identifier: Apache-2.0
 * The deployer's contract: sixteen tests with fixed names. The same names are held against the
 * running daemon by tests/integration/test_contract.py.
 */
#include <string.h>

#include "crowd.h"

/* Every field of a record but its times, which the tests look at where they matter. */
static void assert_record(const struct bascule_record *record, enum bascule_environment environment,
                          const char *version, enum bascule_record_status status)
{
    assert_int_equal(record->environment, environment);
    assert_string_equal(record->version, version);
    assert_int_equal(record->status, status);
}

static void assert_no_record(const struct world *world)
{
    assert_int_equal(world_history(world, NULL, 0), 0);
}

static void initial_state(void **unused)
{
    (void)unused;
    struct world world = { 0 };
    struct bascule_deployer *deployer = world_open(&world, NULL);
    world_assert_one_live(&world, BASCULE_BLUE);
    assert_int_equal(world_state(&world, BASCULE_GREEN), BASCULE_STATE_IDLE);
    struct bascule_deployment info = { .replicas = 9 };
    assert_true(bascule_deployment_info(deployer, BASCULE_BLUE, &info));
    assert_string_equal(info.version, "");
    assert_int_equal(info.replicas, 0);
    assert_false(bascule_deployment_info(deployer, BASCULE_GREEN, &info));
    assert_no_record(&world);
    world_close(&world);
}

static void look_while_starting(struct world *world)
{
    struct bascule_deployment info;
    assert_int_equal(world_state(world, BASCULE_GREEN), BASCULE_STATE_DEPLOYING);
    assert_true(bascule_deployment_info(world->deployer, BASCULE_GREEN, &info));
    assert_string_equal(info.version, "v1");
    assert_int_equal(info.completed_at_ms, 0);
}

static void deploy_to_staging(void **unused)
{
    (void)unused;
    struct world world = { .start_takes_ms = 700, .on_start = look_while_starting };
    struct bascule_deployer *deployer = world_open(&world, NULL);
    enum bascule_environment where = BASCULE_BLUE;
    assert_int_equal(bascule_deploy(deployer, "v1", "shop/web:v1", 3, &where, NULL), BASCULE_OK);
    assert_int_equal(where, BASCULE_GREEN);
    assert_int_equal(world_state(&world, BASCULE_GREEN), BASCULE_STATE_READY);
    world_assert_one_live(&world, BASCULE_BLUE);

    struct bascule_deployment info;
    assert_true(bascule_deployment_info(deployer, BASCULE_GREEN, &info));
    assert_string_equal(info.version, "v1");
    assert_string_equal(info.image, "shop/web:v1");
    assert_int_equal(info.replicas, 3);
    assert_int_equal(info.started_at_ms, 1000000);
    assert_int_equal(info.completed_at_ms, 1000700);
    assert_false(info.health_check_passed);
    assert_string_equal(world.started.version, "v1");
    assert_string_equal(world.started.image, "shop/web:v1");
    assert_int_equal(world.started.replicas, 3);

    /* over a ready environment */
    assert_int_equal(world_deploy(&world, "v2"), BASCULE_OK);
    struct bascule_record records[4];
    assert_int_equal(world_history(&world, records, 4), 2);
    assert_record(&records[0], BASCULE_GREEN, "v1", BASCULE_RECORD_REPLACED);
    assert_record(&records[1], BASCULE_GREEN, "v2", BASCULE_RECORD_IN_PROGRESS);

    /* over a failed one */
    world.checks_failing = 4;
    assert_int_equal(bascule_health_check(deployer, NULL, NULL), BASCULE_HEALTH_CHECK_FAILED);
    world.checks_failing = 0;
    assert_int_equal(world_deploy(&world, "v3"), BASCULE_OK);
    assert_int_equal(world_state(&world, BASCULE_GREEN), BASCULE_STATE_READY);

    /* over one on standby */
    assert_int_equal(bascule_health_check(deployer, NULL, NULL), BASCULE_OK);
    assert_int_equal(bascule_switch(deployer, NULL), BASCULE_OK);
    assert_int_equal(world_state(&world, BASCULE_BLUE), BASCULE_STATE_STANDBY);
    assert_int_equal(world_deploy(&world, "v4"), BASCULE_OK);
    assert_int_equal(world_state(&world, BASCULE_BLUE), BASCULE_STATE_READY);
    assert_true(bascule_deployment_info(deployer, BASCULE_BLUE, &info));
    assert_string_equal(info.version, "v4");
    world_assert_one_live(&world, BASCULE_GREEN);
    world_close(&world);
}

static void health_check(void **unused)
{
    (void)unused;
    struct world world = { .check_takes_ms = 40 };
    struct bascule_deployer *deployer = world_open(&world, NULL);
    assert_int_equal(world_deploy(&world, "v1"), BASCULE_OK);
    struct bascule_check_result result;
    assert_int_equal(bascule_health_check(deployer, &result, NULL), BASCULE_OK);
    assert_true(result.healthy);
    assert_int_equal(result.passed, 4);
    assert_int_equal(result.failed, 0);
    assert_int_equal(result.duration_ms, 40);
    assert_string_equal(result.checks[3].name, "instance-3");
    assert_true(result.checks[3].passed);
    assert_string_equal(result.checks[3].detail, "200");
    struct bascule_deployment info;
    assert_true(bascule_deployment_info(deployer, BASCULE_GREEN, &info));
    assert_true(info.health_check_passed);

    world.checks_failing = 1;
    assert_int_equal(bascule_health_check(deployer, &result, NULL), BASCULE_HEALTH_CHECK_FAILED);
    assert_false(result.healthy);
    assert_int_equal(result.passed, 3);
    assert_int_equal(result.failed, 1);
    assert_false(result.checks[0].passed);
    assert_string_equal(result.checks[0].detail, "503");
    assert_true(bascule_deployment_info(deployer, BASCULE_GREEN, &info));
    assert_false(info.health_check_passed);
    world_close(&world);
}

static void switch_is_an_invalid_state(struct world *world)
{
    struct bascule_error error;
    assert_int_equal(bascule_switch(world->deployer, &error), BASCULE_INVALID_STATE);
    assert_int_equal(error.result, BASCULE_INVALID_STATE);
    assert_true(error.text[0]);
}

static void health_check_required(void **unused)
{
    (void)unused;
    struct world world = { 0 };
    struct bascule_deployer *deployer = world_open(&world, NULL);
    assert_int_equal(world_deploy(&world, "v1"), BASCULE_OK);
    world_assert_unchanged(&world, switch_is_an_invalid_state);

    world.checks_failing = 3;
    struct bascule_error error;
    assert_int_equal(bascule_health_check(deployer, NULL, &error), BASCULE_HEALTH_CHECK_FAILED);
    assert_int_equal(error.result, BASCULE_HEALTH_CHECK_FAILED);
    assert_int_equal(error.environment, BASCULE_GREEN);
    assert_int_equal(error.passed, 1);
    assert_int_equal(error.total, 4);
    assert_non_null(strstr(error.text, "1 of 4"));
    assert_int_equal(world_state(&world, BASCULE_GREEN), BASCULE_STATE_FAILED);
    world_assert_one_live(&world, BASCULE_BLUE);
    struct bascule_record record;
    assert_int_equal(world_history(&world, &record, 1), 1);
    assert_record(&record, BASCULE_GREEN, "v1", BASCULE_RECORD_FAILED);
    world_assert_unchanged(&world, switch_is_an_invalid_state);

    /* One that passed before does not count once a later one failed, or for the next version. */
    world.checks_failing = 0;
    assert_int_equal(world_deploy(&world, "v2"), BASCULE_OK);
    assert_int_equal(bascule_health_check(deployer, NULL, NULL), BASCULE_OK);
    world.checks_failing = 4;
    assert_int_equal(bascule_health_check(deployer, NULL, NULL), BASCULE_HEALTH_CHECK_FAILED);
    world_assert_unchanged(&world, switch_is_an_invalid_state);
    world.checks_failing = 0;
    assert_int_equal(world_deploy(&world, "v3"), BASCULE_OK);
    assert_int_equal(bascule_health_check(deployer, NULL, NULL), BASCULE_OK);
    assert_int_equal(world_deploy(&world, "v4"), BASCULE_OK);
    world_assert_unchanged(&world, switch_is_an_invalid_state);
    world_close(&world);
}

static void switch_after_deploy(void **unused)
{
    (void)unused;
    struct world world = { 0 };
    struct bascule_deployer *deployer = world_open(&world, NULL);
    assert_int_equal(world_deploy(&world, "v1"), BASCULE_OK);
    assert_int_equal(bascule_health_check(deployer, NULL, NULL), BASCULE_OK);
    assert_int_equal(bascule_switch(deployer, NULL), BASCULE_OK);
    world_assert_one_live(&world, BASCULE_GREEN);
    assert_int_equal(world_state(&world, BASCULE_BLUE), BASCULE_STATE_STANDBY);
    assert_int_equal(world.switches, 1);
    assert_int_equal(world.stops, 0); /* the old one stays warm */
    world_close(&world);
}

static void switch_without_deploy_fails(void **unused)
{
    (void)unused;
    struct world world = { 0 };
    world_open(&world, NULL);
    world_assert_unchanged(&world, switch_is_an_invalid_state);
    world_close(&world);
}

static void switch_failed(void **unused)
{
    (void)unused;
    struct world world = { 0 };
    struct bascule_deployer *deployer = world_open(&world, NULL);
    assert_int_equal(world_deploy(&world, "v1"), BASCULE_OK);
    assert_int_equal(bascule_health_check(deployer, NULL, NULL), BASCULE_OK);
    world.switch_fails = true;
    struct bascule_error error;
    assert_int_equal(bascule_switch(deployer, &error), BASCULE_SWITCH_FAILED);
    assert_int_equal(error.result, BASCULE_SWITCH_FAILED);
    assert_non_null(strstr(error.text, "the balancer is away"));
    world_assert_one_live(&world, BASCULE_BLUE);
    assert_int_equal(world_state(&world, BASCULE_GREEN), BASCULE_STATE_FAILED);
    struct bascule_record record;
    assert_int_equal(world_history(&world, &record, 1), 1);
    assert_record(&record, BASCULE_GREEN, "v1", BASCULE_RECORD_FAILED);
    assert_int_equal(record.switched_at_ms, 0);
    world.switch_fails = false;
    world_assert_unchanged(&world, switch_is_an_invalid_state);
    world_close(&world);
}

static void switch_timeout(void **unused)
{
    (void)unused;
    struct bascule_deployer_options options = { .switch_timeout_ms = 5000 };
    struct world world = { .switch_takes_ms = 5001 };
    struct bascule_deployer *deployer = world_open(&world, &options);
    assert_int_equal(world_deploy(&world, "v1"), BASCULE_OK);
    assert_int_equal(bascule_health_check(deployer, NULL, NULL), BASCULE_OK);
    struct bascule_error error;
    assert_int_equal(bascule_switch(deployer, &error), BASCULE_TIMEOUT);
    assert_int_equal(error.result, BASCULE_TIMEOUT);
    assert_int_equal(world.switch_limit_ms, 5000);
    world_assert_one_live(&world, BASCULE_BLUE); /* the traffic was sent back, too */
    assert_int_equal(world_state(&world, BASCULE_GREEN), BASCULE_STATE_FAILED);
    struct bascule_record record;
    assert_int_equal(world_history(&world, &record, 1), 1);
    assert_record(&record, BASCULE_GREEN, "v1", BASCULE_RECORD_FAILED);

    world.switch_takes_ms = 5000; /* just in time */
    assert_int_equal(world_release(&world, "v2"), BASCULE_OK);
    world_assert_one_live(&world, BASCULE_GREEN);
    world_close(&world);
}

static void try_everything_busy(struct world *world)
{
    struct bascule_deployer *deployer = world->deployer;
    struct bascule_error error;
    struct bascule_check_result result;
    assert_int_equal(bascule_deploy(deployer, "v9", NULL, 1, NULL, &error),
                     BASCULE_ENVIRONMENT_BUSY);
    assert_int_equal(error.result, BASCULE_ENVIRONMENT_BUSY);
    assert_int_equal(error.environment, BASCULE_GREEN);
    assert_non_null(strstr(error.text, "green"));
    error = (struct bascule_error){ 0 };
    assert_int_equal(bascule_switch(deployer, &error), BASCULE_ENVIRONMENT_BUSY);
    assert_int_equal(error.environment, BASCULE_GREEN);
    assert_int_equal(bascule_health_check(deployer, &result, NULL), BASCULE_ENVIRONMENT_BUSY);
    assert_int_equal(bascule_rollback(deployer, NULL), BASCULE_ENVIRONMENT_BUSY);
    assert_int_equal(bascule_cleanup_staging(deployer, NULL), BASCULE_ENVIRONMENT_BUSY);
    assert_int_equal(bascule_deploy_and_switch(deployer, "v9", NULL, 1, NULL),
                     BASCULE_ENVIRONMENT_BUSY);
}

static void everything_is_busy(struct world *world)
{
    world_assert_unchanged(world, try_everything_busy);
}

static void cannot_deploy_while_busy(void **unused)
{
    (void)unused;
    struct world world = { .on_start = everything_is_busy };
    struct bascule_deployer *deployer = world_open(&world, NULL);
    assert_int_equal(world_deploy(&world, "v1"), BASCULE_OK);
    assert_null(world.on_start);
    world.on_check = everything_is_busy;
    assert_int_equal(bascule_health_check(deployer, NULL, NULL), BASCULE_OK);
    assert_null(world.on_check);
    world.on_switch = everything_is_busy;
    assert_int_equal(bascule_switch(deployer, NULL), BASCULE_OK);
    assert_null(world.on_switch);
    world_assert_one_live(&world, BASCULE_GREEN);
    world_close(&world);
}

static void deploy_and_switch(void **unused)
{
    (void)unused;
    struct world world = { 0 };
    struct bascule_deployer *deployer = world_open(&world, NULL);
    struct bascule_error error;
    assert_int_equal(bascule_deploy_and_switch(deployer, "v1", "shop/web:v1", 2, &error),
                     BASCULE_OK);
    world_assert_one_live(&world, BASCULE_GREEN);
    struct bascule_deployment info;
    assert_true(bascule_deployment_info(deployer, BASCULE_GREEN, &info));
    assert_string_equal(info.version, "v1");
    assert_true(info.health_check_passed);

    world.checks_failing = 2;
    assert_int_equal(bascule_deploy_and_switch(deployer, "v2", NULL, 2, &error),
                     BASCULE_HEALTH_CHECK_FAILED);
    assert_int_equal(error.result, BASCULE_HEALTH_CHECK_FAILED);
    assert_int_equal(error.passed, 2);
    assert_int_equal(error.total, 4);
    world_assert_one_live(&world, BASCULE_GREEN);
    assert_int_equal(world_state(&world, BASCULE_BLUE), BASCULE_STATE_FAILED);
    assert_int_equal(world.switches, 1);
    assert_true(bascule_deployment_info(deployer, BASCULE_GREEN, &info));
    assert_string_equal(info.version, "v1");
    struct bascule_record records[2];
    assert_int_equal(world_history(&world, records, 2), 2);
    assert_record(&records[0], BASCULE_GREEN, "v1", BASCULE_RECORD_LIVE);
    assert_record(&records[1], BASCULE_BLUE, "v2", BASCULE_RECORD_FAILED);
    world_close(&world);
}

static void double_switch(void **unused)
{
    (void)unused;
    struct world world = { 0 };
    struct bascule_deployer *deployer = world_open(&world, NULL);
    assert_int_equal(world_release(&world, "v1"), BASCULE_OK);
    world_assert_unchanged(&world, switch_is_an_invalid_state);
    assert_int_equal(world_release(&world, "v2"), BASCULE_OK);
    world_assert_one_live(&world, BASCULE_BLUE);
    assert_int_equal(world_state(&world, BASCULE_GREEN), BASCULE_STATE_STANDBY);
    struct bascule_deployment blue, green;
    assert_true(bascule_deployment_info(deployer, BASCULE_BLUE, &blue));
    assert_true(bascule_deployment_info(deployer, BASCULE_GREEN, &green));
    assert_string_equal(blue.version, "v2");
    assert_string_equal(green.version, "v1");
    world_assert_unchanged(&world, switch_is_an_invalid_state);
    world_close(&world);
}

static void rollback(void **unused)
{
    (void)unused;
    struct world world = { 0 };
    struct bascule_deployer *deployer = world_open(&world, NULL);
    assert_int_equal(world_release(&world, "v1"), BASCULE_OK);
    assert_int_equal(bascule_rollback(deployer, NULL), BASCULE_OK); /* blue *was* live */
    world_assert_one_live(&world, BASCULE_BLUE);
    assert_int_equal(world_state(&world, BASCULE_GREEN), BASCULE_STATE_STANDBY);

    assert_int_equal(world_release(&world, "v2"), BASCULE_OK);
    assert_int_equal(world_release(&world, "v3"), BASCULE_OK);
    unsigned starts = world.starts, rounds = world.rounds;
    assert_int_equal(bascule_rollback(deployer, NULL), BASCULE_OK);
    world_assert_one_live(&world, BASCULE_GREEN);
    assert_int_equal(world_state(&world, BASCULE_BLUE), BASCULE_STATE_STANDBY);
    assert_int_equal(world.starts, starts); /* at once: nothing is started, nothing is checked */
    assert_int_equal(world.rounds, rounds);
    struct bascule_deployment info;
    assert_true(bascule_deployment_info(deployer, BASCULE_GREEN, &info));
    assert_string_equal(info.version, "v2");
    world_close(&world);
}

static void rollback_is_refused(struct world *world)
{
    struct bascule_error error;
    assert_int_equal(bascule_rollback(world->deployer, &error), BASCULE_ROLLBACK_FAILED);
    assert_int_equal(error.result, BASCULE_ROLLBACK_FAILED);
    assert_true(error.text[0]);
}

static void rollback_no_previous(void **unused)
{
    (void)unused;
    struct world world = { 0 };
    struct bascule_deployer *deployer = world_open(&world, NULL);
    world_assert_unchanged(&world, rollback_is_refused); /* no switch yet, green is idle */
    assert_int_equal(world_deploy(&world, "v1"), BASCULE_OK);
    world_assert_unchanged(&world, rollback_is_refused); /* merely ready */
    assert_int_equal(bascule_health_check(deployer, NULL, NULL), BASCULE_OK);
    world_assert_unchanged(&world, rollback_is_refused); /* and checked */
    world.checks_failing = 4;
    assert_int_equal(bascule_health_check(deployer, NULL, NULL), BASCULE_HEALTH_CHECK_FAILED);
    world_assert_unchanged(&world, rollback_is_refused); /* failed */

    /* The same after a switch. */
    world.checks_failing = 0;
    assert_int_equal(world_release(&world, "v2"), BASCULE_OK);
    assert_int_equal(world_deploy(&world, "v3"), BASCULE_OK);
    world_assert_unchanged(&world, rollback_is_refused);
    assert_int_equal(bascule_cleanup_staging(deployer, NULL), BASCULE_OK);
    world_assert_unchanged(&world, rollback_is_refused);
    world_assert_one_live(&world, BASCULE_GREEN);
    world_close(&world);
}

static void history_tracking(void **unused)
{
    (void)unused;
    struct world world = { .start_takes_ms = 10, .check_takes_ms = 20, .switch_takes_ms = 30 };
    struct bascule_deployer *deployer = world_open(&world, NULL);
    struct bascule_record records[8];
    assert_no_record(&world);

    /* One record, which check and switch update. */
    assert_int_equal(world_deploy(&world, "v1"), BASCULE_OK);
    assert_int_equal(world_history(&world, records, 8), 1);
    assert_record(&records[0], BASCULE_GREEN, "v1", BASCULE_RECORD_IN_PROGRESS);
    assert_int_equal(records[0].deployed_at_ms, 1000000);
    assert_int_equal(records[0].switched_at_ms, 0);
    uint64_t id = records[0].id;
    assert_int_equal(bascule_health_check(deployer, NULL, NULL), BASCULE_OK);
    assert_int_equal(world_history(&world, records, 8), 1);
    assert_record(&records[0], BASCULE_GREEN, "v1", BASCULE_RECORD_READY);
    assert_int_equal(bascule_switch(deployer, NULL), BASCULE_OK);
    assert_int_equal(world_history(&world, records, 8), 1);
    assert_record(&records[0], BASCULE_GREEN, "v1", BASCULE_RECORD_LIVE);
    assert_int_equal(records[0].id, id);
    assert_int_equal(records[0].deployed_at_ms, 1000000);
    assert_int_equal(records[0].switched_at_ms, 1000060);
    assert_int_equal(records[0].rolled_back_at_ms, 0);

    /* The second replaces the first. */
    assert_int_equal(world_release(&world, "v2"), BASCULE_OK);
    assert_int_equal(world_history(&world, records, 8), 2);
    assert_record(&records[0], BASCULE_GREEN, "v1", BASCULE_RECORD_REPLACED);
    assert_record(&records[1], BASCULE_BLUE, "v2", BASCULE_RECORD_LIVE);
    assert_true(records[1].id > records[0].id);

    /* A rollback adds its own and marks what it undid. */
    int64_t undone_at = world.now_ms + 30;
    assert_int_equal(bascule_rollback(deployer, NULL), BASCULE_OK);
    assert_int_equal(world_history(&world, records, 8), 3);
    assert_record(&records[0], BASCULE_GREEN, "v1", BASCULE_RECORD_REPLACED);
    assert_record(&records[1], BASCULE_BLUE, "v2", BASCULE_RECORD_ROLLED_BACK);
    assert_int_equal(records[1].rolled_back_at_ms, undone_at);
    assert_record(&records[2], BASCULE_GREEN, "v1", BASCULE_RECORD_LIVE);
    assert_int_equal(records[2].switched_at_ms, undone_at);

    /* A failure is recorded, and leaves the live one's record alone. */
    world.checks_failing = 4;
    assert_int_equal(world_release(&world, "v3"), BASCULE_HEALTH_CHECK_FAILED);
    assert_int_equal(world_history(&world, records, 8), 4);
    assert_record(&records[2], BASCULE_GREEN, "v1", BASCULE_RECORD_LIVE);
    assert_record(&records[3], BASCULE_BLUE, "v3", BASCULE_RECORD_FAILED);
    world_close(&world);
}

static void cleanup_is_refused(struct world *world)
{
    assert_int_equal(bascule_cleanup_staging(world->deployer, NULL), BASCULE_ENVIRONMENT_BUSY);
}

static void cleanup_while_starting(struct world *world)
{
    world_assert_unchanged(world, cleanup_is_refused);
}

static void cleanup_staging(void **unused)
{
    (void)unused;
    struct world world = { 0 };
    struct bascule_deployer *deployer = world_open(&world, NULL);
    assert_int_equal(world_release(&world, "v1"), BASCULE_OK);
    world.on_start = cleanup_while_starting;
    assert_int_equal(world_deploy(&world, "v2"), BASCULE_OK);
    assert_null(world.on_start);

    assert_int_equal(bascule_cleanup_staging(deployer, NULL), BASCULE_OK);
    assert_int_equal(world_state(&world, BASCULE_BLUE), BASCULE_STATE_IDLE);
    assert_int_equal(world.stops, 1);
    assert_int_equal(world.stopped, BASCULE_BLUE);
    struct bascule_deployment info;
    assert_false(bascule_deployment_info(deployer, BASCULE_BLUE, &info));
    struct bascule_record records[2];
    assert_int_equal(world_history(&world, records, 2), 2);
    assert_record(&records[1], BASCULE_BLUE, "v2", BASCULE_RECORD_REPLACED);
    world_assert_unchanged(&world, rollback_is_refused);

    /* A standby is given up the same way. */
    assert_int_equal(world_release(&world, "v3"), BASCULE_OK);
    assert_int_equal(world_state(&world, BASCULE_GREEN), BASCULE_STATE_STANDBY);
    assert_int_equal(bascule_cleanup_staging(deployer, NULL), BASCULE_OK);
    assert_int_equal(world_state(&world, BASCULE_GREEN), BASCULE_STATE_IDLE);
    world_assert_unchanged(&world, rollback_is_refused);
    world_assert_one_live(&world, BASCULE_BLUE);
    world_close(&world);
}

static void concurrent_safety(void **unused)
{
    (void)unused;
    struct world world = { 0 };
    world_open(&world, NULL);
    struct crowd_results results = crowd_release_at_once(&world);
    assert_int_equal(results.won, 1);
    assert_int_equal(results.busy, CROWD_CALLERS - 1);
    world_assert_one_live(&world, BASCULE_GREEN);
    assert_int_equal(world_history(&world, NULL, 0), 1);
    world_close(&world);

    world = (struct world){ 0 };
    world_open(&world, NULL);
    assert_int_equal(crowd_call_all_sorts(&world), 0);
    world_assert_one_live(&world, bascule_live_environment(world.deployer));
    assert_int_equal(world_live_records(&world), 1);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(initial_state),
        cmocka_unit_test(deploy_to_staging),
        cmocka_unit_test(health_check),
        cmocka_unit_test(health_check_required),
        cmocka_unit_test(switch_after_deploy),
        cmocka_unit_test(switch_without_deploy_fails),
        cmocka_unit_test(switch_failed),
        cmocka_unit_test(switch_timeout),
        cmocka_unit_test(cannot_deploy_while_busy),
        cmocka_unit_test(deploy_and_switch),
        cmocka_unit_test(double_switch),
        cmocka_unit_test(rollback),
        cmocka_unit_test(rollback_no_previous),
        cmocka_unit_test(history_tracking),
        cmocka_unit_test(cleanup_staging),
        cmocka_unit_test(concurrent_safety),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
