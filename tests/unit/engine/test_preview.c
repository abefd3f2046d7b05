/* SPDX-License-Identifier: Apache-2.0
 * What can be looked at before it is live, in the simulator's world. */
enum { TURNS = 200000 };

#include "stage.h"

static struct bsc_gate gate;

static int set_up(void **unused)
{
    (void)unused;
    struct bsc_spec *spec = stage_open();
    spec->preview = (struct bsc_preview_spec){ NULL, "X-Bascule-Preview", "0123456789abcdef" };
    spec->deploy.analysis.enabled = false;
    gate = (struct bsc_gate){
        .name = "smoke", .kind = BSC_GATE_SMOKE, .command.shell = "true", .timeout_ms = 60000
    };
    spec->deploy.gates = (struct bsc_gates){ 0, &gate };
    stage_begin();
    deploy("s0", "v1");
    return 0;
}

/* What the newest publish shows of s0; NULL: nothing. */
static const char *shown(void)
{
    return sim->wanted[0].preview ? bsc_slot_name(sim->wanted[0].preview_slot) : NULL;
}

static enum bsc_slot staging(void)
{
    return bsc_slots_staging(&service("s0")->row.slots);
}

static void stage_v2(void)
{
    assert_int_equal(sim_ask(sim, (struct bsc_event){ .kind = BSC_EVENT_DEPLOY,
                                                      .service = "s0",
                                                      .version = "v2",
                                                      .stage = true }),
                     BSC_OK);
}

static void what_is_staged_can_be_looked_at_until_it_is_switched_to(void **unused)
{
    (void)unused;
    assert_null(shown());
    const char *slot = bsc_slot_name(staging());
    stage_v2();
    assert_int_equal(finish("s0"), BSC_ROLLOUT_STAGED);
    pass_ms(1000);
    assert_string_equal(shown(), slot);
    assert_int_equal(ask(BSC_EVENT_SWITCH, "s0", NULL), BSC_OK);
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
    pass_ms(1000);
    assert_null(shown()); /* nor is the old version, which stands by */
    assert_string_equal(bsc_slot_state_name(service("s0")->row.slots.state[staging()]), "standby");
}

static void nothing_is_shown_before_the_whole_version_is_checked(void **unused)
{
    (void)unused;
    stage_v2();
    for (unsigned i = 0; i < TURNS && bsc_service_busy(service("s0")); i++) {
        if (service("s0")->row.slots.state[staging()] != BSC_SLOT_READY)
            assert_null(shown());
        sim_turn(sim);
    }
    assert_int_equal(service("s0")->rollout->row.walk.status, BSC_ROLLOUT_STAGED);
}

static void an_emptied_slot_is_not_shown(void **unused)
{
    (void)unused;
    stage_v2();
    assert_int_equal(finish("s0"), BSC_ROLLOUT_STAGED);
    assert_int_equal(ask(BSC_EVENT_CLEANUP, "s0", NULL), BSC_OK);
    pass_ms(5000);
    assert_null(shown());
}

static const struct sim_process *smoke(void)
{
    for (unsigned i = 0; i < sim->process_high; i++)
        if (sim->processes[i].used && strstr(sim->processes[i].id->text, "-gate-"))
            return &sim->processes[i];
    return NULL;
}

static void deploy_with_slow_proxies(void)
{
    struct bsc_spec *spec = sim_spec(sim, 0);
    spec->deploy.gates.count = 1;
    sim->weather.proxy_slow = 1000000;
    assert_int_equal(ask(BSC_EVENT_DEPLOY, "s0", "v2"), BSC_OK);
    until_step("s0", BSC_STEP_CHECK);
    for (unsigned i = 0; i < TURNS && !strstr(service("s0")->rollout->waiting, "the preview"); i++)
        sim_turn(sim);
    assert_non_null(strstr(service("s0")->rollout->waiting, "has not acknowledged the preview"));
    for (unsigned g = 0; g < SIM_GENERATIONS; g++)
        if (sim->generations[g].alive) /* so late that much happens before */
            sim->generations[g].adopts_at_ms[0] = sim->now_ms + 5000;
}

static bool everybody_knows(void)
{
    for (unsigned g = 0; g < SIM_GENERATIONS; g++)
        if (sim->generations[g].alive && !sim->generations[g].routes[0].preview)
            return false;
    return true;
}

static void a_smoke_test_begins_when_every_proxy_knows(void **unused)
{
    (void)unused;
    deploy_with_slow_proxies();
    assert_false(everybody_knows());
    for (unsigned i = 0; i < TURNS && !smoke(); i++)
        sim_turn(sim);
    assert_non_null(smoke());
    assert_true(everybody_knows());
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
}

static void what_is_staged_is_there_when_that_is_said(void **unused)
{
    (void)unused;
    sim->weather.proxy_slow = 1000000;
    stage_v2();
    while (bsc_service_busy(service("s0")))
        sim_turn(sim);
    assert_int_equal(service("s0")->rollout->row.walk.status, BSC_ROLLOUT_STAGED);
    assert_true(everybody_knows());
}

static void an_abort_does_not_wait_for_that(void **unused)
{
    (void)unused;
    deploy_with_slow_proxies();
    assert_null(smoke());
    assert_int_equal(ask(BSC_EVENT_ABORT, "s0", NULL), BSC_OK);
    assert_int_equal(finish("s0"), BSC_ROLLOUT_CANCELLED);
    assert_null(smoke());
    assert_string_equal(live_version("s0"), "v1");
}

static void a_crash_before_it_began_begins_it_once(void **unused)
{
    (void)unused;
    gate.once = true;
    deploy_with_slow_proxies();
    assert_null(smoke());
    sim_crash(sim);
    for (unsigned i = 0; i < TURNS && !sim->ready; i++)
        sim_turn(sim);
    assert_int_equal(finish("s0"), BSC_ROLLOUT_PROMOTED);
    assert_int_equal(sim->once_count, 0); /* a shell's command says nothing of itself */
    assert_string_equal(live_version("s0"), "v2");
}

/* Two addresses, as a router has them. */
static bool listens(void *self, unsigned index, struct bsc_router_listener *out)
{
    const struct bsc_router_listener *list = self;
    *out = list[index];
    return *list[index].address;
}

static void finds(const struct bsc_router_listener *list, const char *url)
{
    static const struct bsc_route route = { "shop.example", "/" };
    const struct bsc_spec spec = { .route_count = 1,
                                   .routes = &route,
                                   .preview = { .host = "p.shop.example" } };
    struct bsc_preview_way way;
    bool found = bsc_preview_find_way(&spec, listens, (void *)(uintptr_t)list, &way);
    assert_int_equal(found, url != NULL);
    if (found)
        assert_string_equal(way.url, url);
}

static void it_is_asked_for_by_https_where_that_is_spoken(void **unused)
{
    (void)unused;
    finds((struct bsc_router_listener[]){ { "0.0.0.0:8080" },
                                          { "0.0.0.0:443", .tls = true },
                                          { "" } },
          "https://p.shop.example/");
    finds((struct bsc_router_listener[]){ { "0.0.0.0:8080" }, { "0.0.0.0:9090" }, { "" } },
          "http://p.shop.example:8080/");
    finds((struct bsc_router_listener[]){ { "0.0.0.0:80", .redirect = true },
                                          { "0.0.0.0:5432", .service = "db" },
                                          { "0.0.0.0:8443", .tls = true, .proxy_protocol = true },
                                          { "" } },
          NULL);
    finds((struct bsc_router_listener[]){ { "" } }, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_staged_can_be_looked_at_until_it_is_switched_to,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_shown_before_the_whole_version_is_checked,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_emptied_slot_is_not_shown, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_smoke_test_begins_when_every_proxy_knows, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_staged_is_there_when_that_is_said, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_abort_does_not_wait_for_that, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_crash_before_it_began_begins_it_once, set_up, tear_down),
        cmocka_unit_test(it_is_asked_for_by_https_where_that_is_spoken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
