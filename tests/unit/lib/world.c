/* SPDX-License-Identifier: Apache-2.0
 * world.c - see world.h. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

enum { INSTANCES = 4, RECORDS = 64 };

static void call_once(void (**callback)(struct world *world), struct world *world)
{
    void (*call)(struct world * world) = *callback;
    *callback = NULL;
    if (call)
        call(world);
}

static bool start(void *context, enum bascule_environment environment,
                  const struct bascule_deployment *deployment, char *reason, size_t size)
{
    struct world *world = context;
    if (world_state(world, environment) != BASCULE_STATE_DEPLOYING)
        world->wrong++;
    world->starts++;
    world->started = *deployment;
    call_once(&world->on_start, world);
    world->now_ms += world->start_takes_ms;
    if (world->start_fails)
        snprintf(reason, size, "no such image");
    return !world->start_fails;
}

static void stop(void *context, enum bascule_environment environment)
{
    struct world *world = context;
    world->stops++;
    world->stopped = environment;
}

static void check(void *context, enum bascule_environment environment, int64_t timeout_ms,
                  struct bascule_check_result *out)
{
    struct world *world = context;
    (void)environment;
    world->rounds++;
    world->check_limit_ms = timeout_ms;
    call_once(&world->on_check, world);
    world->now_ms += world->check_takes_ms;
    unsigned failing = world->rounds <= world->ill_rounds ? INSTANCES : world->checks_failing;
    for (unsigned i = 0; i < INSTANCES; i++) {
        struct bascule_check *one = &out->checks[i];
        one->passed = i >= failing;
        snprintf(one->name, sizeof one->name, "instance-%u", i);
        snprintf(one->detail, sizeof one->detail, "%s", one->passed ? "200" : "503");
    }
    out->failed = failing;
    out->passed = INSTANCES - failing;
}

static bool switch_to(void *context, enum bascule_environment environment, int64_t timeout_ms,
                      char *reason, size_t size)
{
    struct world *world = context;
    enum bascule_environment live = bascule_live_environment(world->deployer);
    bool back = environment == live;
    /* One is live while another takes its place, and it is not the other one. */
    if (world_state(world, live) != BASCULE_STATE_LIVE ||
        (!back && world_state(world, environment) == BASCULE_STATE_LIVE))
        world->wrong++;
    world->switches++;
    world->switch_limit_ms = timeout_ms;
    call_once(&world->on_switch, world);
    if (back ? world->switch_back_fails : world->switch_fails) {
        snprintf(reason, size, "the balancer is away");
        return false;
    }
    if (!back)
        world->now_ms += world->switch_takes_ms;
    world->traffic = environment;
    return true;
}

static int64_t now_ms(void *context)
{
    struct world *world = context;
    return world->now_ms;
}

struct bascule_deployer_ports world_ports(struct world *world)
{
    return (struct bascule_deployer_ports){ .context = world,
                                            .start = start,
                                            .stop = stop,
                                            .check = check,
                                            .switch_to = switch_to,
                                            .now_ms = now_ms };
}

struct bascule_deployer *world_open(struct world *world,
                                    const struct bascule_deployer_options *options)
{
    struct bascule_deployer_ports ports = world_ports(world);
    world->now_ms = 1000000;
    world->traffic = BASCULE_BLUE;
    world->deployer = bascule_deployer_create(&ports, options);
    assert_non_null(world->deployer);
    return world->deployer;
}

void world_close(struct world *world)
{
    assert_int_equal(world->wrong, 0);
    bascule_deployer_destroy(world->deployer);
    world->deployer = NULL;
}

enum bascule_result world_deploy(struct world *world, const char *version)
{
    return bascule_deploy(world->deployer, version, NULL, 2, NULL, NULL);
}

enum bascule_result world_release(struct world *world, const char *version)
{
    return bascule_deploy_and_switch(world->deployer, version, NULL, 2, NULL);
}

enum bascule_environment_state world_state(const struct world *world,
                                           enum bascule_environment environment)
{
    return bascule_environment_state_of(world->deployer, environment);
}

size_t world_history(const struct world *world, struct bascule_record *out, size_t size)
{
    return bascule_history(world->deployer, 0, out, size);
}

size_t world_live_records(const struct world *world)
{
    size_t count = world_history(world, NULL, 0), live = 0;
    struct bascule_record *records = calloc(count + 1, sizeof *records);
    count = world_history(world, records, count);
    for (size_t i = 0; i < count; i++)
        live += records[i].status == BASCULE_RECORD_LIVE;
    free(records);
    return live;
}

void world_assert_one_live(const struct world *world, enum bascule_environment live)
{
    enum bascule_environment staging = live == BASCULE_BLUE ? BASCULE_GREEN : BASCULE_BLUE;
    assert_int_equal(bascule_live_environment(world->deployer), live);
    assert_int_equal(bascule_staging_environment(world->deployer), staging);
    assert_int_equal(world_state(world, live), BASCULE_STATE_LIVE);
    assert_int_not_equal(world_state(world, staging), BASCULE_STATE_LIVE);
    assert_int_equal(world->traffic, live);
    assert_true(world_live_records(world) <= 1);
}

struct seen {
    enum bascule_environment live;
    enum bascule_environment_state states[2];
    bool deployed[2];
    struct bascule_deployment deployments[2];
    enum bascule_environment traffic;
    unsigned starts, stops, rounds, switches;
    size_t record_count;
    struct bascule_record records[RECORDS];
};

static void look(const struct world *world, struct seen *seen)
{
    seen->live = bascule_live_environment(world->deployer);
    for (unsigned i = 0; i < 2; i++) {
        enum bascule_environment environment = (enum bascule_environment)i;
        seen->states[i] = world_state(world, environment);
        seen->deployed[i] =
            bascule_deployment_info(world->deployer, environment, &seen->deployments[i]);
    }
    seen->traffic = world->traffic;
    seen->starts = world->starts;
    seen->stops = world->stops;
    seen->rounds = world->rounds;
    seen->switches = world->switches;
    seen->record_count = world_history(world, seen->records, RECORDS);
    assert_true(seen->record_count <= RECORDS);
}

static void assert_same_deployment(const struct bascule_deployment *a,
                                   const struct bascule_deployment *b)
{
    assert_string_equal(a->version, b->version);
    assert_string_equal(a->image, b->image);
    assert_int_equal(a->replicas, b->replicas);
    assert_int_equal(a->started_at_ms, b->started_at_ms);
    assert_int_equal(a->completed_at_ms, b->completed_at_ms);
    assert_int_equal(a->health_check_passed, b->health_check_passed);
}

static void assert_same_record(const struct bascule_record *a, const struct bascule_record *b)
{
    assert_int_equal(a->id, b->id);
    assert_int_equal(a->environment, b->environment);
    assert_string_equal(a->version, b->version);
    assert_int_equal(a->deployed_at_ms, b->deployed_at_ms);
    assert_int_equal(a->switched_at_ms, b->switched_at_ms);
    assert_int_equal(a->rolled_back_at_ms, b->rolled_back_at_ms);
    assert_int_equal(a->status, b->status);
}

void world_assert_unchanged(struct world *world, void (*act)(struct world *world))
{
    struct seen before, after;
    look(world, &before);
    act(world);
    look(world, &after);
    assert_int_equal(before.live, after.live);
    assert_int_equal(before.traffic, after.traffic);
    assert_int_equal(before.starts, after.starts);
    assert_int_equal(before.stops, after.stops);
    assert_int_equal(before.rounds, after.rounds);
    assert_int_equal(before.switches, after.switches);
    assert_int_equal(before.record_count, after.record_count);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(before.states[i], after.states[i]);
        assert_int_equal(before.deployed[i], after.deployed[i]);
        if (before.deployed[i])
            assert_same_deployment(&before.deployments[i], &after.deployments[i]);
    }
    for (size_t i = 0; i < before.record_count; i++)
        assert_same_record(&before.records[i], &after.records[i]);
}
