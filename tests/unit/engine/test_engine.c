/* SPDX-License-Identifier: Apache-2.0
 * What users rely on, told in the simulator's world with nothing left to chance: the real engine,
 * fake ports, and a test that asks. Every invariant of the simulator is looked at all the while. */
#include <stdio.h>

enum { TURNS = 20000, ALWAYS = 1000000 };

#include "stage.h"

static int set_up(void **unused)
{
    (void)unused;
    stage_open();
    stage_begin();
    return 0;
}

/* What made the newest rollout fail, by name. */
static const char *error_of(const char *name)
{
    const struct bsc_rollout_row *row = &service(name)->rollout->row;
    return row->error == BSC_OK ? "none" : bsc_status_name(row->error);
}

static const char *reason(const char *name)
{
    return service(name)->rollout->row.reason;
}

static void the_first_release_is_live_and_nothing_stands_by(void **unused)
{
    (void)unused;
    deploy("s0", "v1");
    assert_int_equal(service("s0")->row.slots.state[BSC_BLUE], BSC_SLOT_IDLE);
    assert_int_equal(ask(BSC_EVENT_ROLLBACK, "s0", NULL), BSC_NO_ROLLBACK);
    assert_non_null(strstr(sim->answer_text, "has nothing to go back to"));
}

static void an_abort_in_any_step_leaves_the_old_version_live(void **unused)
{
    (void)unused;
    static const enum bsc_step_kind steps[] = { BSC_STEP_HOOK, BSC_STEP_START, BSC_STEP_CHECK,
                                                BSC_STEP_SPLIT, BSC_STEP_BAKE };
    deploy("s1", "v1");
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        assert_int_equal(ask(BSC_EVENT_DEPLOY, "s1", "v2"), BSC_OK);
        until_step("s1", steps[i]);
        assert_int_equal(ask(BSC_EVENT_ABORT, "s1", NULL), BSC_OK);
        assert_int_equal(finish("s1"), BSC_ROLLOUT_CANCELLED);
        assert_string_equal(reason("s1"), "aborted by user");
        assert_string_equal(error_of("s1"), "none");
        assert_string_equal(live_version("s1"), "v1");
        assert_int_equal(service("s1")->row.slots.state[BSC_BLUE], BSC_SLOT_IDLE);
        assert_int_equal(service("s1")->instance_count, 2);
    }
    assert_int_equal(ask(BSC_EVENT_ABORT, "s1", NULL), BSC_STATE);
}

static void a_rollback_to_the_standby_starts_nothing(void **unused)
{
    (void)unused;
    deploy("s0", "v1");
    deploy("s0", "v2");
    assert_int_equal(ask(BSC_EVENT_ROLLBACK, "s0", NULL), BSC_OK);
    assert_int_equal(service("s0")->rollout->row.kind, BSC_PLAN_ROLLBACK);
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
    assert_string_equal(live_version("s0"), "v1");
    const struct bsc_service *of = service("s0");
    assert_int_equal(of->records[of->row.slots.live].status, BSC_RECORD_LIVE);
    assert_string_equal(of->records[of->row.slots.live].version, "v1");
    const struct bsc_record *undone = &of->records[bsc_slots_staging(&of->row.slots)];
    assert_int_equal(undone->status, BSC_RECORD_ROLLED_BACK);
    assert_string_equal(undone->version, "v2");
}

static void a_rollback_beyond_the_standby_starts_the_old_release_again(void **unused)
{
    (void)unused;
    deploy("s0", "v1");
    deploy("s0", "v2");
    pass_ms(30000);
    assert_int_equal(service("s0")->row.slots.state[BSC_GREEN], BSC_SLOT_IDLE);
    assert_int_equal(service("s0")->instance_count, 2); /* the standby's time is over */
    assert_int_equal(ask(BSC_EVENT_ROLLBACK, "s0", NULL), BSC_OK);
    assert_int_equal(service("s0")->rollout->row.kind, BSC_PLAN_REVERT);
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
    assert_string_equal(live_version("s0"), "v1");
}

/* Promotes v2 of a service without a standby, until its v1 is being stopped. */
static void leave_v1_stopping(void)
{
    sim_spec(sim, 0)->deploy.standby_ms = 0;
    deploy("s0", "v1");
    sim->weather.stop_slow = ALWAYS;
    assert_int_equal(ask(BSC_EVENT_DEPLOY, "s0", "v2"), BSC_OK);
    until_step("s0", BSC_STEP_STOP);
    assert_string_equal(live_version("s0"), "v2");
    assert_int_equal(service("s0")->instance_count, 4);
}

static void a_rollback_to_what_is_being_stopped_starts_it_again_when_it_is_gone(void **unused)
{
    (void)unused;
    leave_v1_stopping();
    assert_int_equal(ask(BSC_EVENT_ROLLBACK, "s0", NULL), BSC_OK);
    assert_int_equal(service("s0")->rollout->row.kind, BSC_PLAN_REVERT);
    until_step("s0", BSC_STEP_START);
    assert_int_equal(service("s0")->instance_count, 4); /* none of them an old one of v1 */
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
    assert_string_equal(live_version("s0"), "v1");
}

static void a_deploy_to_a_slot_that_is_being_stopped_waits_until_it_is_empty(void **unused)
{
    (void)unused;
    leave_v1_stopping();
    assert_int_equal(ask(BSC_EVENT_DEPLOY, "s0", "v5"), BSC_OK);
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
    assert_string_equal(live_version("s0"), "v5");
}

static void a_standby_that_is_not_well_is_started_again_by_a_rollback(void **unused)
{
    (void)unused;
    deploy("s0", "v1");
    deploy("s0", "v2");
    for (unsigned i = 0; i < SIM_PROCESSES; i++)
        if (sim->processes[i].used && strstr(sim->processes[i].id->text, "s0-green-"))
            sim->processes[i].doomed = true;
    pass_ms(5000);
    assert_int_equal(ask(BSC_EVENT_ROLLBACK, "s0", NULL), BSC_OK);
    assert_int_equal(service("s0")->rollout->row.kind, BSC_PLAN_REVERT);
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
    assert_string_equal(live_version("s0"), "v1");
}

static void a_version_that_was_rejected_is_gone_back_to_only_by_its_name(void **unused)
{
    (void)unused;
    deploy("s0", "v1");
    deploy("s0", "v2");
    assert_int_equal(ask(BSC_EVENT_ROLLBACK, "s0", NULL), BSC_OK);
    finish("s0");
    assert_int_equal(ask(BSC_EVENT_ROLLBACK, "s0", NULL), BSC_NO_ROLLBACK);
    assert_int_equal(ask(BSC_EVENT_ROLLBACK, "s0", "v2"), BSC_OK);
    finish("s0");
    assert_string_equal(live_version("s0"), "v2");
}

static void a_rollback_asked_for_twice_is_one_rollback(void **unused)
{
    (void)unused;
    deploy("s0", "v1");
    deploy("s0", "v2");
    pass_ms(30000);
    assert_int_equal(ask(BSC_EVENT_ROLLBACK, "s0", NULL), BSC_OK);
    assert_int_equal(ask(BSC_EVENT_ROLLBACK, "s0", NULL), BSC_OK);
    assert_non_null(strstr(sim->answer_text, "is rolling back already"));
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
    assert_string_equal(live_version("s0"), "v1");
}

static void a_failed_check_tells_the_last_answer_and_the_last_lines(void **unused)
{
    (void)unused;
    deploy("s0", "v1");
    assert_int_equal(ask(BSC_EVENT_DEPLOY, "s0", "v3"), BSC_OK); /* never becomes healthy */
    assert_int_equal(finish("s0"), BSC_ROLLOUT_FAILED);
    assert_non_null(strstr(reason("s0"), "health check failed after 10s: 0 of 2 instances"));
    assert_non_null(strstr(reason("s0"), "answered 503; its last output:\nthe last line"));
    assert_string_equal(error_of("s0"), "health-check-failed");
    assert_int_equal(service("s0")->rollout->row.passed, 0);
    assert_int_equal(service("s0")->rollout->row.total, 2);
    const struct bsc_service *of = service("s0");
    assert_int_equal(of->records[bsc_slots_staging(&of->row.slots)].error, BSC_UNHEALTHY);
    assert_string_equal(live_version("s0"), "v1");
}

static void an_instance_that_dies_while_it_is_watched_takes_the_version_back(void **unused)
{
    (void)unused;
    deploy("s0", "v1");
    assert_int_equal(ask(BSC_EVENT_DEPLOY, "s0", "v2"), BSC_OK);
    until_step("s0", BSC_STEP_BAKE);
    sim->weather.dies = ALWAYS;
    sim_turn(sim);
    sim->weather.dies = 0;
    assert_int_equal(finish("s0"), BSC_ROLLOUT_ROLLED_BACK);
    assert_non_null(strstr(reason("s0"), "1 of 2 instances healthy; s0-blue-"));
    assert_string_equal(error_of("s0"), "health-check-failed");
    assert_string_equal(live_version("s0"), "v1");
}

static void a_switch_that_the_proxy_refuses_is_taken_back(void **unused)
{
    (void)unused;
    deploy("s0", "v1");
    sim->weather.publish_refused = ALWAYS;
    assert_int_equal(ask(BSC_EVENT_DEPLOY, "s0", "v2"), BSC_OK);
    until_step("s0", BSC_STEP_SPLIT);
    pass_ms(100);
    sim->weather.publish_refused = 0;
    assert_int_equal(finish("s0"), BSC_ROLLOUT_ROLLED_BACK);
    assert_string_equal(error_of("s0"), "switch-failed");
    assert_string_equal(reason("s0"), "the switch failed: the proxy has no room for it");
    assert_string_equal(live_version("s0"), "v1");

    deploy("s0", "v4");
    sim->weather.publish_refused = ALWAYS;
    assert_int_equal(ask(BSC_EVENT_ROLLBACK, "s0", NULL), BSC_OK);
    pass_ms(100);
    sim->weather.publish_refused = 0;
    assert_int_equal(finish("s0"), BSC_ROLLOUT_ROLLED_BACK);
    assert_string_equal(error_of("s0"), "rollback-failed");
    assert_string_equal(live_version("s0"), "v4");
}

static void while_a_rollout_runs_other_commands_are_refused_with_its_step(void **unused)
{
    (void)unused;
    deploy("s0", "v1");
    assert_int_equal(ask(BSC_EVENT_DEPLOY, "s0", "v2"), BSC_OK);
    until_step("s0", BSC_STEP_CHECK);
    static const enum bsc_event_kind refused[] = { BSC_EVENT_DEPLOY, BSC_EVENT_SWITCH,
                                                   BSC_EVENT_CHECK, BSC_EVENT_CLEANUP };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        assert_int_equal(ask(refused[i], "s0", "v4"), BSC_BUSY);
        assert_non_null(strstr(sim->answer_text, "s0 is busy: rollout r"));
        assert_non_null(strstr(sim->answer_text, "at step 2 of 6, check the health of blue"));
    }
    assert_int_equal(ask(BSC_EVENT_DEPLOY, "s1", "v1"), BSC_OK); /* another service is free */
    assert_int_equal(ask(BSC_EVENT_ROLLBACK, "s0", NULL), BSC_OK);
    assert_int_equal(finish("s0"), BSC_ROLLOUT_ROLLED_BACK);
}

static void a_staged_version_waits_for_its_switch(void **unused)
{
    (void)unused;
    deploy("s0", "v1");
    assert_int_equal(sim_ask(sim, (struct bsc_event){ .kind = BSC_EVENT_DEPLOY,
                                                      .service = "s0",
                                                      .version = "v2",
                                                      .stage = true }),
                     BSC_OK);
    assert_int_equal(finish("s0"), BSC_ROLLOUT_STAGED);
    assert_string_equal(live_version("s0"), "v1");
    assert_int_equal(ask(BSC_EVENT_CHECK, "s0", NULL), BSC_OK);
    assert_int_equal(ask(BSC_EVENT_SWITCH, "s0", NULL), BSC_OK);
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
    assert_string_equal(live_version("s0"), "v2");
    assert_int_equal(ask(BSC_EVENT_SWITCH, "s0", NULL), BSC_STATE);
}

static unsigned leaving(enum bsc_slot slot)
{
    unsigned count = 0;
    for (unsigned i = 0; i < sim->wanted[0].endpoint_count; i++)
        count += sim->wanted[0].endpoints[i].slot == slot && sim->wanted[0].endpoints[i].leaving;
    return count;
}

static void what_lasts_is_told_to_leave_a_version_from_its_drain_on(void **unused)
{
    (void)unused;
    deploy("s0", "v1");
    enum bsc_slot first = service("s0")->row.slots.live, second = bsc_slot_other(first);
    assert_int_equal(ask(BSC_EVENT_DEPLOY, "s0", "v2"), BSC_OK);
    until_step("s0", BSC_STEP_BAKE);
    assert_int_equal(leaving(first) + leaving(second), 0); /* it may yet take the traffic back */
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
    assert_int_equal(leaving(first), 2);
    assert_int_equal(ask(BSC_EVENT_ROLLBACK, "s0", NULL), BSC_OK);
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
    assert_int_equal(leaving(first), 0);
    assert_int_equal(leaving(second), 2);
}

static void what_failed_at_its_switch_is_stopped(void **unused)
{
    (void)unused;
    sim_spec(sim, 0)->deploy.bake_ms = 6000; /* three probes that fail, and some time */
    deploy("s0", "v1");
    for (unsigned at = 0; at < 2; at++) { /* in its check, and when traffic goes there */
        sim_ask(sim,
                (struct bsc_event){
                    .kind = BSC_EVENT_DEPLOY, .service = "s0", .version = "v2", .stage = true });
        assert_int_equal(finish("s0"), BSC_ROLLOUT_STAGED);
        if (at == 1)
            assert_int_equal(ask(BSC_EVENT_SWITCH, "s0", NULL), BSC_OK);
        sim->weather.probe_fails = ALWAYS;
        enum bsc_status status = ask(BSC_EVENT_CHECK, "s0", NULL);
        assert_int_equal(status, at ? BSC_BUSY : BSC_UNHEALTHY);
        if (at == 1)
            assert_int_equal(finish("s0"), BSC_ROLLOUT_ROLLED_BACK);
        sim->weather.probe_fails = 0;
        const struct bsc_service *of = service("s0");
        enum bsc_slot staging = bsc_slots_staging(&of->row.slots);
        assert_int_equal(of->row.slots.state[staging], BSC_SLOT_FAILED);
        assert_string_equal(live_version("s0"), "v1");
        pass_ms(60000);
        assert_int_equal(service("s0")->instance_count, 2);
        assert_int_equal(ask(BSC_EVENT_SWITCH, "s0", NULL), BSC_STATE);
    }
    deploy("s0", "v4");
}

static void a_full_disk_refuses_deploys_records_the_abort_and_recovers(void **unused)
{
    (void)unused;
    deploy("s0", "v1");
    assert_int_equal(ask(BSC_EVENT_DEPLOY, "s0", "v2"), BSC_OK);
    sim->full = true;
    assert_int_equal(finish("s0"), BSC_ROLLOUT_FAILED);
    assert_non_null(strstr(reason("s0"), "the store failed: the disk does not take it"));
    assert_string_equal(error_of("s0"), "disk-full");
    assert_string_equal(live_version("s0"), "v1");
    assert_true(bsc_engine_store_full(sim->engine));
    assert_int_equal(ask(BSC_EVENT_DEPLOY, "s0", "v2"), BSC_NO_SPACE);
    sim->full = false;
    assert_int_equal(ask(BSC_EVENT_TRAFFIC, "s0", NULL), BSC_OK); /* is recorded, with room */
    deploy("s0", "v2");
}

/* The simulator looks whether anything still runs when all is said to be stopped. */
static void without_a_store_all_that_runs_is_stopped_and_forgotten_by_nobody(void **unused)
{
    (void)unused;
    deploy("s0", "v1");
    sim->weather.load_fails = sim->weather.commit_fails = ALWAYS;
    /* It may be stored all the same; v3 is never healthy, so that v1 stays live. */
    assert_int_equal(ask(BSC_EVENT_DEPLOY, "s0", "v3"), BSC_FAILED);
    assert_int_equal(ask(BSC_EVENT_DEPLOY, "s0", "v3"), BSC_CORRUPT);
    assert_string_equal(sim->answer_text, "the database can't be read");
    assert_int_equal(sim_ask(sim, (struct bsc_event){ .kind = BSC_EVENT_TERMINATE }), BSC_OK);
    assert_string_equal(sim->answer_text, "whatever ran is stopped");
    sim->weather.load_fails = sim->weather.commit_fails = 0;
    pass_ms(20000);
    assert_string_equal(live_version("s0"), "v1");
    assert_true(service("s0")->instances[0].row.healthy);
}

static void a_hook_that_fails_fails_the_rollout_with_its_last_lines(void **unused)
{
    (void)unused;
    deploy("s1", "v1");
    sim->weather.hook_fails = ALWAYS;
    assert_int_equal(ask(BSC_EVENT_DEPLOY, "s1", "v2"), BSC_OK);
    assert_int_equal(finish("s1"), BSC_ROLLOUT_FAILED);
    assert_non_null(strstr(reason("s1"), "the pre_deploy hook failed: exited with status 1; its "
                                         "last output:\nthe last line"));
    assert_non_null(strstr(reason("s1"), "; then undoing it: the pre_deploy hook failed"));
    assert_string_equal(error_of("s1"), "failed");
    assert_string_equal(live_version("s1"), "v1");
}

static void a_hook_whose_end_nobody_saw_waits_for_a_person(void **unused)
{
    (void)unused;
    deploy("s1", "v1");
    assert_int_equal(ask(BSC_EVENT_DEPLOY, "s1", "v2"), BSC_OK);
    until_step("s1", BSC_STEP_HOOK);
    pass_ms(20);
    for (unsigned i = 0; i < sim->process_high; i++) /* the machine goes down and comes back */
        if (sim->processes[i].hook) {
            sim->processes[i].running = false;
            sim->processes[i].wait_status = BSC_WAIT_UNKNOWN;
        }
    sim_crash(sim);
    pass_ms(10000);
    assert_non_null(strstr(service("s1")->rollout->waiting, "look whether it did its work"));
    assert_int_equal(ask(BSC_EVENT_ABORT, "s1", NULL), BSC_OK);
    assert_int_equal(finish("s1"), BSC_ROLLOUT_CANCELLED);
}

static void an_instance_that_keeps_dying_is_started_less_and_less_often(void **unused)
{
    (void)unused;
    deploy("s0", "v1");
    int64_t pauses[6] = { 0 };
    for (size_t i = 0; i < sizeof pauses / sizeof *pauses; i++) {
        const struct bsc_instance *first = &service("s0")->instances[0];
        sim->weather.dies = ALWAYS;
        for (unsigned j = 0; j < TURNS && first->row.phase != BSC_INSTANCE_RESTARTING; j++)
            sim_turn(sim);
        sim->weather.dies = 0;
        pauses[i] = first->restart_at_ms - sim->now_ms;
        while (service("s0")->instances[0].row.phase != BSC_INSTANCE_RUNNING)
            sim_turn(sim);
    }
    for (size_t i = 0; i < sizeof pauses / sizeof *pauses; i++) {
        assert_true(pauses[i] <= (int64_t)100 << i); /* 100 ms, 200 ms, 400 ms ... */
        assert_true(pauses[i] > ((int64_t)100 << i) - 50);
    }
    pass_ms(5000);
    assert_true(service("s0")->instances[0].row.healthy);
    assert_int_equal(service("s0")->instances[0].exits, 0);
}

static void a_service_in_rollout_is_not_taken_away(void **unused)
{
    (void)unused;
    static struct bsc_config nothing = { .port_low = 20000, .port_high = 20100 };
    deploy("s0", "v1");
    assert_int_equal(ask(BSC_EVENT_DEPLOY, "s0", "v2"), BSC_OK);
    struct bsc_event apply = { .kind = BSC_EVENT_APPLY, .config = &nothing };
    assert_int_equal(sim_ask(sim, apply), BSC_BUSY);
    assert_non_null(strstr(sim->answer_text, "can't be removed: abort it first"));
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
    assert_int_equal(sim_ask(sim, apply), BSC_OK);
    pass_ms(20000);
    assert_null(bsc_engine_services(sim->engine));
}

static void whoever_waits_for_a_service_that_is_taken_away_is_answered(void **unused)
{
    (void)unused;
    static struct bsc_config nothing = { .port_low = 20000, .port_high = 20100 };
    struct bsc_event traffic = {
        .kind = BSC_EVENT_TRAFFIC, .token = 1000, .service = "s0", .traffic = BSC_TRAFFIC_HOLD
    };
    sim->weather.proxy_slow = ALWAYS; /* the change is not in force when the service goes */
    sim->open[0] = (struct sim_open_command){ .token = traffic.token };
    bsc_engine_handle(sim->engine, &traffic);
    struct bsc_event apply = { .kind = BSC_EVENT_APPLY, .config = &nothing };
    sim_ask(sim, apply);
    assert_null(bsc_engine_services(sim->engine)); /* there were no instances to stop */
    assert_int_equal(sim->open[0].token, 0);
    assert_int_equal(sim->answer, BSC_STATE); /* the later of the two answers */
    assert_string_equal(sim->answer_text, "s0 was taken out of the configuration");
}

static void a_drain_that_follows_a_refused_publish_stops_nothing(void **unused)
{
    (void)unused;
    deploy("s0", "v1");
    deploy("s0", "v2");
    sim->weather.publish_refused = ALWAYS;
    assert_int_equal(ask(BSC_EVENT_CLEANUP, "s0", NULL), BSC_OK);
    pass_ms(5000);
    unsigned draining = 0;
    for (size_t i = 0; i < service("s0")->instance_count; i++)
        draining += service("s0")->instances[i].row.phase == BSC_INSTANCE_DRAINING;
    assert_int_equal(draining, 2);
    sim->weather.publish_refused = 0;
    pass_ms(10000);
    assert_int_equal(service("s0")->instance_count, 2);
}

static const char *running_hook(void)
{
    for (unsigned i = 0; i < sim->process_high; i++)
        if (sim->processes[i].used && sim->processes[i].hook && sim->processes[i].running)
            return sim->processes[i].id->text;
    fail_msg("no hook runs");
    return NULL;
}

/* That a hook has started is told late: the store was read again meanwhile, which numbered the
 * services anew, nobody waits for the hook any more, and it still runs. */
static void a_clock_on_the_wall_that_jumps_ends_no_bake_and_no_standby(void **unused)
{
    (void)unused;
    deploy("s0", "v1");
    for (int hours = -2; hours <= 2; hours += 4) {
        const char *version = hours < 0 ? "v2" : "v5";
        assert_int_equal(ask(BSC_EVENT_DEPLOY, "s0", version), BSC_OK);
        until_step("s0", BSC_STEP_BAKE);
        int64_t began_ms = sim->now_ms;
        sim->wall_offset_ms += hours * INT64_C(3600000);
        assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
        assert_in_range(sim->now_ms - began_ms, 2500, 10000);
        enum bsc_slot old = bsc_slot_other(service("s0")->row.slots.live);
        sim->wall_offset_ms -= hours * INT64_C(3600000);
        pass_ms(1000);
        assert_int_equal(service("s0")->row.slots.state[old], BSC_SLOT_STANDBY);
    }
}

static void what_started_before_the_store_was_read_again_is_not_forgotten(void **unused)
{
    (void)unused;
    struct bsc_spec *rest[] = { sim_spec(sim, 1), sim_spec(sim, 2) };
    struct bsc_config without_the_first = {
        .port_low = 20000, .port_high = 20100, .service_count = 2, .services = rest
    };
    struct bsc_event apply = { .kind = BSC_EVENT_APPLY, .config = &without_the_first };
    assert_int_equal(sim_ask(sim, apply), BSC_OK);
    assert_int_equal(ask(BSC_EVENT_DEPLOY, "s2", "v1"), BSC_OK);
    until_step("s2", BSC_STEP_HOOK);
    struct bsc_event late = { .kind = BSC_EVENT_STARTED,
                              .token = service("s2")->rollout->step_token,
                              .id = running_hook(),
                              .pid = 1000 };
    sim->weather.commit_fails = sim->weather.stop_slow = ALWAYS;
    assert_int_equal(ask(BSC_EVENT_TRAFFIC, "s1", NULL), BSC_FAILED);
    sim->weather.commit_fails = 0;
    assert_int_equal(finish("s2"), BSC_ROLLOUT_FAILED);
    while (sim->commit)
        sim_turn(sim);
    assert_string_equal(running_hook(), late.id);
    bsc_engine_handle(sim->engine, &late);
    assert_string_equal(running_hook(), late.id);
    pass_ms(20000);
    assert_null(sim_process_find(sim, late.id));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_first_release_is_live_and_nothing_stands_by),
        TEST(an_abort_in_any_step_leaves_the_old_version_live),
        TEST(a_rollback_to_the_standby_starts_nothing),
        TEST(a_rollback_beyond_the_standby_starts_the_old_release_again),
        TEST(a_rollback_to_what_is_being_stopped_starts_it_again_when_it_is_gone),
        TEST(a_deploy_to_a_slot_that_is_being_stopped_waits_until_it_is_empty),
        TEST(a_standby_that_is_not_well_is_started_again_by_a_rollback),
        TEST(a_version_that_was_rejected_is_gone_back_to_only_by_its_name),
        TEST(a_rollback_asked_for_twice_is_one_rollback),
        TEST(a_failed_check_tells_the_last_answer_and_the_last_lines),
        TEST(an_instance_that_dies_while_it_is_watched_takes_the_version_back),
        TEST(a_switch_that_the_proxy_refuses_is_taken_back),
        TEST(while_a_rollout_runs_other_commands_are_refused_with_its_step),
        TEST(a_staged_version_waits_for_its_switch),
        TEST(what_lasts_is_told_to_leave_a_version_from_its_drain_on),
        TEST(what_failed_at_its_switch_is_stopped),
        TEST(a_full_disk_refuses_deploys_records_the_abort_and_recovers),
        TEST(without_a_store_all_that_runs_is_stopped_and_forgotten_by_nobody),
        TEST(a_hook_that_fails_fails_the_rollout_with_its_last_lines),
        TEST(a_hook_whose_end_nobody_saw_waits_for_a_person),
        TEST(an_instance_that_keeps_dying_is_started_less_and_less_often),
        TEST(a_service_in_rollout_is_not_taken_away),
        TEST(whoever_waits_for_a_service_that_is_taken_away_is_answered),
        TEST(a_drain_that_follows_a_refused_publish_stops_nothing),
        TEST(what_started_before_the_store_was_read_again_is_not_forgotten),
        TEST(a_clock_on_the_wall_that_jumps_ends_no_bake_and_no_standby),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
