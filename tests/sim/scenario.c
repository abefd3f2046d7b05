/* SPDX-License-Identifier: Apache-2.0
 * sim/scenario.c - what users do: they deploy, stage, switch, roll back, abort, apply and so on, at
 * the worst of times.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

enum { VARIANTS = 4 };

struct sim_configs {
    struct bsc_config variants[VARIANTS];
    struct bsc_spec *services[VARIANTS][SIM_SERVICES];
};

static const char *const argv_items[] = { "app", "${PORT}" };
static const char *const shell_hook = "migrate ${VERSION}";
static const char *const blue_targets[] = { "127.0.0.1:9001", "127.0.0.1:9002" };
static const char *const green_targets[] = { "127.0.0.1:9003", "127.0.0.1:9004" };
static const struct bsc_route routes[VARIANTS] = {
    { "a", "/" }, { "b", "/" }, { "c", "/" }, { "d", "/" }
};

static struct bsc_spec *make_spec(unsigned service, unsigned variant)
{
    static const char *const names[] = { "s0", "s1", "s2" };
    struct bsc_spec *spec = bsc_spec_create();
    spec->name = names[service];
    spec->route_count = 1;
    spec->routes = &routes[variant == 2 ? 3 : service];
    spec->replicas = 1 + (service + variant) % 3;
    spec->command.argv = (struct bsc_strings){ 2, argv_items };
    spec->grace_ms = 1000;
    spec->restart = BSC_RESTART_ALWAYS;
    spec->health = (struct bsc_health_spec){ .interval_ms = 1000,
                                             .timeout_ms = 2000,
                                             .deadline_ms = 10000,
                                             .rise = 2,
                                             .fall = 3,
                                             .min_healthy_percent = service ? 100 : 50 };
    spec->deploy = (struct bsc_deploy_spec){ .standby_ms = service == 1 ? 0 : 20000,
                                             .drain_ms = 5000,
                                             .switch_ms = 5000,
                                             .bake_ms = service == 1 ? 3000 : 0 };
    if (service == 1) {
        spec->deploy.pre_deploy.command.shell = spec->deploy.pre_deploy.undo.shell = shell_hook;
        spec->deploy.pre_deploy.timeout_ms = spec->deploy.post_promote.timeout_ms = 5000;
        spec->deploy.post_promote.command.shell = shell_hook;
    }
    if (service == 2) {
        spec->runtime = BSC_RUNTIME_STATIC;
        spec->command = (struct bsc_command){ 0 };
        spec->targets[BSC_BLUE] = (struct bsc_strings){ 1 + variant % 2, blue_targets };
        spec->targets[BSC_GREEN] = (struct bsc_strings){ 2, green_targets };
    }
    return spec;
}

void sim_scenario_init(struct sim *sim)
{
    sim->configs = bsc_alloc(sizeof *sim->configs);
    for (unsigned v = 0; v < VARIANTS; v++) {
        struct bsc_config *config = &sim->configs->variants[v];
        unsigned count = 0;
        for (unsigned s = 0; s < SIM_SERVICES; s++)
            if (v != 3 || s != sim->seed % SIM_SERVICES) /* the last variant lacks one service */
                sim->configs->services[v][count++] = make_spec(s, v);
        *config = (struct bsc_config){ .workers = 1,
                                       .port_low = 20000,
                                       .port_high = 20100,
                                       .service_count = count,
                                       .services = sim->configs->services[v] };
    }
    sim->config = &sim->configs->variants[0];
    sim->next_command = 1;
    struct sim_weather *w = &sim->weather;
    static const unsigned strengths[] = { 0, 1, 10, 100 };
    unsigned bad = strengths[sim_random(sim, 4)];
    w->commit_fails = sim_random(sim, 3) ? 0 : 100 * bad;
    w->load_fails = 1000 * bad;
    w->start_fails = 200 * bad;
    w->port_taken = 1000 * bad;
    w->dies = sim_random(sim, 2) ? 3 * bad : 0;
    w->probe_fails = 300 * bad;
    w->hook_fails = 100000;
    w->crash_at_commit = sim_random(sim, 2) ? 500 * bad : 0;
    w->crash_anywhere = sim_random(sim, 2) ? 20 * bad : 0;
    w->proxy_dies = 10 * bad;
    w->proxy_upgrade = 30 * bad;
    w->proxy_slow = 1000 * bad;
    w->wall_jumps = 10 * bad;
}

void sim_scenario_deinit(struct sim *sim)
{
    for (unsigned v = 0; v < VARIANTS; v++)
        for (unsigned s = 0; s < sim->configs->variants[v].service_count; s++)
            bsc_spec_release(sim->configs->services[v][s]);
    free(sim->configs);
}

static bool remember(struct sim *sim, bsc_token token)
{
    for (size_t i = 0; i < sizeof sim->open / sizeof *sim->open; i++)
        if (!sim->open[i].token) {
            sim->open[i] = (struct sim_open_command){ token, sim->now_ms };
            return true;
        }
    return false;
}

void sim_replied(struct sim *sim, bsc_token token, const struct bsc_reply *reply)
{
    for (size_t i = 0; i < sizeof sim->open / sizeof *sim->open; i++)
        if (sim->open[i].token == token) {
            sim->open[i].token = 0;
            sim_say(sim, "reply %llu: %s %s", (unsigned long long)token,
                    bsc_status_name(reply->status), reply->text ? reply->text : "");
            return;
        }
    sim_fail(sim, "command %llu was answered twice", (unsigned long long)token);
}

static void command(struct sim *sim, struct bsc_event *event)
{
    static const char *const names[] = { "apply", "deploy", "switch",  "rollback",
                                         "abort", "check",  "cleanup", "traffic" };
    event->token = sim->next_command++;
    if (!remember(sim, event->token))
        return;
    sim_say(sim, "user: %s %s %s%s", names[event->kind], event->service ? event->service : "",
            event->version ? event->version : "", event->stage ? " --stage" : "");
    bsc_engine_handle(sim->engine, event);
}

void sim_scenario_turn(struct sim *sim)
{
    static const char *const services[] = { "s0", "s1", "s2" };
    char version[32];
    struct bsc_event event = { .service = services[sim_random(sim, SIM_SERVICES)],
                               .actor = "user" };
    if (sim_chance(sim, 200) || (sim->full && sim_random(sim, 10) == 0))
        sim->full = !sim->full && sim->weather.commit_fails;
    if (!sim->ready || sim_random(sim, 12))
        return;
    snprintf(version, sizeof version, "v%u", sim->version_count);
    switch (sim_random(sim, 16)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
        snprintf(version, sizeof version, "v%u", ++sim->version_count);
        event.kind = BSC_EVENT_DEPLOY;
        event.version = version;
        event.stage = sim_random(sim, 3) == 0;
        break;
    case 6:
    case 7:
        event.kind = BSC_EVENT_SWITCH;
        break;
    case 8:
        event.kind = BSC_EVENT_ROLLBACK;
        break;
    case 9:
        event.kind = BSC_EVENT_ROLLBACK;
        snprintf(version, sizeof version, "v%u", (unsigned)sim_random(sim, sim->version_count + 1));
        event.version = version;
        break;
    case 10:
    case 11:
        event.kind = BSC_EVENT_ABORT;
        break;
    case 12:
        event.kind = BSC_EVENT_CHECK;
        break;
    case 13:
        event.kind = sim_random(sim, 3) ? BSC_EVENT_CHECK : BSC_EVENT_CLEANUP;
        break;
    case 14:
        event.kind = BSC_EVENT_TRAFFIC;
        event.traffic = sim_random(sim, 3) ? BSC_TRAFFIC_SERVE : BSC_TRAFFIC_HOLD;
        break;
    default:
        event.kind = BSC_EVENT_APPLY;
        event.service = NULL;
        sim->config = event.config = &sim->configs->variants[sim_random(sim, VARIANTS)];
    }
    command(sim, &event);
}
