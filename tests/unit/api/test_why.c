/* SPDX-License-Identifier: Apache-2.0
 * why tells what is so, what is wrong, and what can be done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api/view.h"

enum { NOW_MS = 1769860800 };
#define WALL_MS (INT64_C(1000) * NOW_MS)
#define BOOT_MS INT64_C(500000)

struct world {
    struct bsc_spec v1, v2;
    struct bsc_instance instances[2];
    struct bsc_release releases[2];
    struct bsc_rollout rollout;
    struct bsc_service service;
    struct bsc_router_service_figures figures;
    struct bsc_text said;
};

static void put(char *out, size_t size, const char *text)
{
    snprintf(out, size, "%s", text);
}

/* v1 is live in blue with one healthy instance since two minutes. */
static void make_world(struct world *world)
{
    memset(world, 0, sizeof *world);
    struct bsc_service *service = &world->service;
    world->v1.version = "v1";
    world->v2.version = "v2";
    world->releases[0].row =
        (struct bsc_release_row){ .id = 1, .spec = &world->v1, .live_ms = WALL_MS - 120000 };
    world->releases[1].row = (struct bsc_release_row){ .id = 5, .spec = &world->v2 };
    put(world->instances[0].row.id, BSC_ID_BYTES, "web-blue-1-0");
    put(world->instances[0].row.address, BSC_ADDRESS_BYTES, "127.0.0.1:31000");
    world->instances[0].row.phase = BSC_INSTANCE_RUNNING;
    world->instances[0].health.state = BSC_HEALTH_HEALTHY;
    put(service->name, sizeof service->name, "web");
    bsc_slots_init(&service->row.slots);
    service->row.release[BSC_BLUE] = 1;
    service->row.weight_bp[BSC_BLUE] = BSC_WEIGHT_FULL_BP;
    service->instances = world->instances;
    service->instance_count = 1;
    service->releases = world->releases;
    service->release_count = 2;
}

static void add_rollout(struct world *world, enum bsc_rollout_status status, unsigned cursor)
{
    struct bsc_rollout_row *row = &world->rollout.row;
    *row = (struct bsc_rollout_row){ .id = 12,
                                     .service = "web",
                                     .kind = BSC_PLAN_DEPLOY,
                                     .release = 5,
                                     .slot = BSC_GREEN,
                                     .walk = { .status = status, .cursor = cursor },
                                     .actor = "alice" };
    row->plan.count = 2;
    row->plan.steps[0] = (struct bsc_step){
        .kind = BSC_STEP_START, .slot = BSC_GREEN, .undo = BSC_UNDO_STOP, .instances = 1
    };
    row->plan.steps[1] = (struct bsc_step){ .kind = BSC_STEP_CHECK, .slot = BSC_GREEN };
    world->rollout.step_began_ms = BOOT_MS - 12345;
    world->service.rollout = &world->rollout;
    world->service.row.slots.state[BSC_GREEN] = BSC_SLOT_DEPLOYING;
    world->service.row.release[BSC_GREEN] = 5;
}

static void add_line(void *argument, const char *line)
{
    bsc_text_printf(argument, "%s\n", line);
}

static void ask(struct world *world)
{
    bsc_text_clear(&world->said);
    bsc_api_why(&world->service, &world->figures, WALL_MS, BOOT_MS, add_line, &world->said);
}

static void assert_said(const struct world *world, const char *wanted)
{
    if (!strstr(bsc_text_get(&world->said), wanted))
        fail_msg("'%s' is not in:\n%s", wanted, bsc_text_get(&world->said));
}

static void assert_not_said(const struct world *world, const char *unwanted)
{
    if (strstr(bsc_text_get(&world->said), unwanted))
        fail_msg("'%s' is in:\n%s", unwanted, bsc_text_get(&world->said));
}

static void a_healthy_service_is_said_to_be_so(void **unused)
{
    (void)unused;
    struct world world;
    make_world(&world);
    ask(&world);
    assert_said(&world, "blue is live with v1 since 2026-01-31T11:58:00.000Z (2m ago): 1 of 1 "
                        "instances are healthy.");
    assert_said(&world, "Nothing is wrong.");
    bsc_text_deinit(&world.said);
}

static void an_empty_service_is_told_how_to_begin(void **unused)
{
    (void)unused;
    struct world world;
    make_world(&world);
    world.service.row.release[BSC_BLUE] = 0;
    world.service.instance_count = 0;
    ask(&world);
    assert_said(&world, "nothing was deployed yet");
    assert_said(&world, "`bascule deploy web VERSION` starts it.");
    assert_not_said(&world, "Nothing is wrong.");
    bsc_text_deinit(&world.said);
}

static void a_rollout_tells_its_step_and_what_it_waits_for(void **unused)
{
    (void)unused;
    struct world world;
    make_world(&world);
    add_rollout(&world, BSC_ROLLOUT_RUNNING, 1);
    put(world.rollout.waiting, sizeof world.rollout.waiting, "0 of 1 instances are healthy");
    world.rollout.step_until_ms = BOOT_MS + 48000;
    ask(&world);
    assert_said(&world, "Rollout r12 (deploy of v2 in green, by alice) is running.");
    assert_said(&world, "It is at step 2 of 2");
    assert_said(&world, "for 12s now.");
    assert_said(&world, "It waits: 0 of 1 instances are healthy");
    assert_said(&world, "The step ends at the latest in 48s.");
    assert_said(&world, "`bascule abort web` takes it back.");
    bsc_text_deinit(&world.said);
}

static void a_hook_whose_end_nobody_knows_asks_for_a_person(void **unused)
{
    (void)unused;
    struct world world;
    make_world(&world);
    add_rollout(&world, BSC_ROLLOUT_RUNNING, 0);
    world.rollout.step_unknown = true;
    ask(&world);
    assert_said(&world, "look, then `bascule abort web`.");
    bsc_text_deinit(&world.said);
}

static void the_last_failure_is_told_with_its_reason(void **unused)
{
    (void)unused;
    struct world world;
    make_world(&world);
    add_rollout(&world, BSC_ROLLOUT_FAILED, 2);
    world.rollout.row.ended_ms = WALL_MS - 60000;
    put(world.rollout.row.reason, BSC_REASON_BYTES,
        "not healthy by the deadline; its last output:\nbegin\nno database\n");
    put(world.service.records[BSC_GREEN].reason, BSC_REASON_BYTES, world.rollout.row.reason);
    world.service.row.slots.state[BSC_GREEN] = BSC_SLOT_FAILED;
    ask(&world);
    assert_said(&world, "ended failed 1m ago: not healthy by the deadline; its last "
                        "output:\n  begin\n  no database\n");
    assert_not_said(&world, "It failed:");
    assert_said(&world, "green holds the failed deployment of v2");
    assert_not_said(&world, "Nothing is wrong.");
    bsc_text_deinit(&world.said);
}

static void an_ill_instance_is_named_with_its_last_answer(void **unused)
{
    (void)unused;
    struct world world;
    make_world(&world);
    world.instances[0].health.state = BSC_HEALTH_ILL;
    world.instances[0].health.failures = 4;
    put(world.instances[0].health.last_detail, BSC_PROBE_DETAIL_BYTES, "503 in 3 ms");
    ask(&world);
    assert_said(&world, "Instance web-blue-1-0 at 127.0.0.1:31000 is ill: last probe: 503 in 3 ms "
                        "(4 failed in a row).");
    assert_said(&world, "requests are answered with 503.");
    bsc_text_deinit(&world.said);
}

static void a_crashing_instance_is_told_with_its_next_start(void **unused)
{
    (void)unused;
    struct world world;
    make_world(&world);
    world.instances[0].row.phase = BSC_INSTANCE_RESTARTING;
    world.instances[0].exits = 3;
    world.instances[0].restart_at_ms = BOOT_MS + 4000;
    put(world.instances[0].last_exit, sizeof world.instances[0].last_exit, "exited with status 1");
    ask(&world);
    assert_said(&world, "Instance web-blue-1-0 exited with status 1 (exit 3 since it was healthy)"
                        "; it is started again in 4s.");
    bsc_text_deinit(&world.said);
}

static void held_traffic_tells_how_it_goes_on(void **unused)
{
    (void)unused;
    struct world world;
    make_world(&world);
    world.service.row.traffic = BSC_TRAFFIC_HOLD;
    ask(&world);
    assert_said(&world, "Traffic is set to hold: requests wait until `bascule traffic web serve`.");
    bsc_text_deinit(&world.said);
}

static void a_standby_and_a_ready_slot_tell_their_next_command(void **unused)
{
    (void)unused;
    struct world world;
    make_world(&world);
    world.service.row.release[BSC_GREEN] = 5;
    world.service.row.slots.state[BSC_GREEN] = BSC_SLOT_STANDBY;
    world.service.row.standby_until_ms = WALL_MS + 60000;
    ask(&world);
    assert_said(&world, "green is standby with v2 until 2026-01-31T12:01:00.000Z");
    assert_said(&world, "`bascule rollback web`");
    world.releases[1].row.rejected = true;
    ask(&world);
    assert_said(&world, "standby with v2, which was taken back, until");
    assert_said(&world, "`bascule rollback web v2`");
    world.service.row.slots.state[BSC_GREEN] = BSC_SLOT_READY;
    ask(&world);
    assert_said(&world, "`bascule switch web`");
    bsc_text_deinit(&world.said);
}

static void what_was_rescued_is_told_by_cause(void **unused)
{
    (void)unused;
    struct world world;
    make_world(&world);
    add_rollout(&world, BSC_ROLLOUT_RUNNING, 1);
    world.figures.rollout = 12;
    ask(&world);
    assert_not_said(&world, "got an answer");
    world.figures.rescues = (struct bsc_router_rescues){
        .status = 3, .no_instance = 1, .connect_failed = 2, .reset = 4, .timed_out = 5
    };
    ask(&world);
    assert_said(&world, "15 requests that v2 failed (3 answered with an error, 1 without an "
                        "instance, 2 not connected, 4 broken off, 5 not answered in time) got an "
                        "answer from blue.");
    assert_not_said(&world, "not tried");
    world.figures.rescues = (struct bsc_router_rescues){ .reset = 1, .failed = 2, .refused = 3 };
    ask(&world);
    assert_said(&world, "1 request that v2 failed (1 broken off) got an answer from blue.");
    assert_said(&world, "2 that v2 failed were failed by blue, too.");
    assert_said(&world, "3 that v2 failed were not tried in blue");
    world.rollout.row.walk.status = BSC_ROLLOUT_ROLLED_BACK;
    ask(&world);
    assert_said(&world, "(1 broken off) got an answer from blue.");
    world.figures.rollout = 11; /* they are another one's */
    ask(&world);
    assert_not_said(&world, "got an answer");
    bsc_text_deinit(&world.said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_healthy_service_is_said_to_be_so),
        cmocka_unit_test(an_empty_service_is_told_how_to_begin),
        cmocka_unit_test(a_rollout_tells_its_step_and_what_it_waits_for),
        cmocka_unit_test(a_hook_whose_end_nobody_knows_asks_for_a_person),
        cmocka_unit_test(the_last_failure_is_told_with_its_reason),
        cmocka_unit_test(an_ill_instance_is_named_with_its_last_answer),
        cmocka_unit_test(a_crashing_instance_is_told_with_its_next_start),
        cmocka_unit_test(held_traffic_tells_how_it_goes_on),
        cmocka_unit_test(a_standby_and_a_ready_slot_tell_their_next_command),
        cmocka_unit_test(what_was_rescued_is_told_by_cause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
