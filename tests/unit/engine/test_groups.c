/* SPDX-License-Identifier: Apache-2.0
 * Services that are released together, in the simulator's world with nothing left to chance: s0,
 * s1, which depends on it, and s2, a worker. Every invariant of the simulator is looked at all the
 * while.
 */
enum { TURNS = 20000 };

#include "stage.h"

static const char *const below[] = { "s0" };

static int set_up(void **unused)
{
    (void)unused;
    stage_open();
    for (unsigned i = 0; i < SIM_SERVICES; i++) {
        struct bsc_spec *spec = sim_spec(sim, i);
        spec->deploy.pre_deploy = spec->deploy.post_promote = (struct bsc_hook_spec){ 0 };
        spec->release = "shop";
    }
    sim_spec(sim, 1)->depends_on = (struct bsc_strings){ 1, below };
    sim_spec(sim, 2)->route_count = 0;
    sim_spec(sim, 2)->deploy.order = BSC_ORDER_STOP_FIRST;
    stage_begin();
    return 0;
}

static enum bsc_status ask_all(enum bsc_event_kind kind, const char *version, bool supersede)
{
    return sim_ask(
        sim, (struct bsc_event){
                 .kind = kind, .release = "shop", .version = version, .supersede = supersede });
}

static void all_end(enum bsc_rollout_status status, const char *version)
{
    static const char *const names[] = { "s0", "s1", "s2" };
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(finish(names[i]), status);
        assert_string_equal(live_version(names[i]), version);
    }
}

static void deploy_all(const char *version)
{
    assert_int_equal(ask_all(BSC_EVENT_DEPLOY, version, false), BSC_OK);
    all_end(BSC_ROLLOUT_PROMOTED, version);
}

static void assert_said(const char *part)
{
    if (!strstr(sim->answer_text, part))
        fail_msg("'%s' does not say '%s'", sim->answer_text, part);
}

static void all_are_promoted_and_go_back_together(void **unused)
{
    (void)unused;
    deploy_all("v1");
    deploy_all("v2");
    assert_int_equal(ask_all(BSC_EVENT_ROLLBACK, NULL, false), BSC_OK);
    all_end(BSC_ROLLOUT_PROMOTED, "v1");
    deploy("s0", "v4");
    assert_int_equal(ask_all(BSC_EVENT_ROLLBACK, NULL, false), BSC_NO_ROLLBACK);
    assert_said("not released together");
    assert_int_equal(ask_all(BSC_EVENT_ROLLBACK, "v1", false), BSC_OK); /* s0 alone is elsewhere */
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
    assert_string_equal(live_version("s0"), "v1");
    assert_int_equal(ask_all(BSC_EVENT_ROLLBACK, "v1", false), BSC_NO_ROLLBACK);
}

static void one_starts_when_what_it_depends_on_is_healthy(void **unused)
{
    (void)unused;
    assert_int_equal(ask_all(BSC_EVENT_DEPLOY, "v1", false), BSC_OK);
    until_step("s1", BSC_STEP_START);
    const struct bsc_rollout_row *row = &service("s0")->rollout->row;
    assert_true(bsc_plan_has_met(&row->plan, row->walk.cursor));
    all_end(BSC_ROLLOUT_PROMOTED, "v1");
}

/* v3 never becomes healthy. */
static void one_that_fails_takes_all_back_and_the_old_worker_comes_again(void **unused)
{
    (void)unused;
    deploy_all("v1");
    assert_int_equal(ask_all(BSC_EVENT_DEPLOY, "v3", false), BSC_OK);
    for (unsigned i = 0; i < 3; i++)
        (void)finish((const char *[]){ "s0", "s1", "s2" }[i]);
    assert_string_equal(live_version("s0"), "v1");
    assert_string_equal(live_version("s1"), "v1");
    assert_string_equal(live_version("s2"), "v1");
    assert_non_null(strstr(service("s1")->rollout->row.reason, "taken back together with"));
    unsigned running = 0;
    for (size_t i = 0; i < service("s2")->instance_count; i++)
        running += service("s2")->instances[i].row.phase == BSC_INSTANCE_RUNNING;
    assert_int_equal(running, 2);
}

static void what_is_asked_of_one_is_done_to_all(void **unused)
{
    (void)unused;
    deploy_all("v1");
    assert_int_equal(ask_all(BSC_EVENT_DEPLOY, "v2", false), BSC_OK);
    until_step("s1", BSC_STEP_BAKE);
    assert_int_equal(ask(BSC_EVENT_PAUSE, "s1", NULL), BSC_OK);
    pass_ms(20000);
    for (unsigned i = 0; i < 3; i++)
        assert_true(service((const char *[]){ "s0", "s1", "s2" }[i])->rollout->row.walk.paused);
    assert_int_equal(ask(BSC_EVENT_RESUME, "s0", NULL), BSC_OK);
    until_step("s1", BSC_STEP_BAKE);
    assert_int_equal(ask(BSC_EVENT_ABORT, "s2", NULL), BSC_OK);
    all_end(BSC_ROLLOUT_CANCELLED, "v1");
    assert_int_equal(ask_all(BSC_EVENT_PROMOTE, NULL, false), BSC_STATE);
    assert_said("no release of shop is under way");
}

static void a_member_is_not_released_alone_meanwhile(void **unused)
{
    (void)unused;
    assert_int_equal(ask_all(BSC_EVENT_DEPLOY, "v1", false), BSC_OK);
    assert_int_equal(ask(BSC_EVENT_DEPLOY, "s1", "v2"), BSC_BUSY);
    assert_said("it is released as part of shop (g");
    assert_int_equal(sim_ask(sim, (struct bsc_event){ .kind = BSC_EVENT_DEPLOY,
                                                      .service = "s1",
                                                      .version = "v2",
                                                      .supersede = true }),
                     BSC_BUSY);
    assert_int_equal(ask_all(BSC_EVENT_DEPLOY, "v2", false), BSC_BUSY);
    all_end(BSC_ROLLOUT_PROMOTED, "v1");
}

static void a_newer_version_of_all_follows_when_all_are_back(void **unused)
{
    (void)unused;
    deploy_all("v1");
    assert_int_equal(ask_all(BSC_EVENT_DEPLOY, "v2", false), BSC_OK);
    until_step("s0", BSC_STEP_BAKE);
    assert_int_equal(ask_all(BSC_EVENT_DEPLOY, "v4", true), BSC_OK);
    for (unsigned i = 0; i < TURNS && service("s1")->row.next.rollout; i++)
        sim_turn(sim);
    all_end(BSC_ROLLOUT_PROMOTED, "v4");
}

static void the_lock_of_one_stands_against_all(void **unused)
{
    (void)unused;
    sim_ask(sim, (struct bsc_event){ .kind = BSC_EVENT_LOCK, .service = "s1", .text = "incident" });
    assert_int_equal(ask_all(BSC_EVENT_DEPLOY, "v1", false), BSC_LOCKED);
    assert_said("s1 is locked by user");
    assert_null(service("s0")->rollout);
}

static void what_is_no_group_is_told(void **unused)
{
    (void)unused;
    struct bsc_event event = { .kind = BSC_EVENT_DEPLOY, .release = "shpo", .version = "v2" };
    deploy_all("v1");
    assert_int_equal(sim_ask(sim, event), BSC_NOT_FOUND);
    assert_said("no service has release: shpo");
    event.release = "shop";
    event.stage = true;
    assert_int_equal(sim_ask(sim, event), BSC_INVALID);
    event.stage = false;
    event.wish = (struct bsc_deploy_wish){ .has_strategy = true, .strategy = BSC_STRATEGY_ROLLING };
    assert_int_equal(sim_ask(sim, event), BSC_INVALID);
    assert_said("--strategy blue-green");
    assert_string_equal(live_version("s0"), "v1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_are_promoted_and_go_back_together, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_starts_when_what_it_depends_on_is_healthy, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            one_that_fails_takes_all_back_and_the_old_worker_comes_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_asked_of_one_is_done_to_all, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_member_is_not_released_alone_meanwhile, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_newer_version_of_all_follows_when_all_are_back, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_lock_of_one_stands_against_all, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_group_is_told, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
