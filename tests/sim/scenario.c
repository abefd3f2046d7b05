/* SPDX-License-Identifier: Apache-2.0
 * sim/scenario.c - what users do: they deploy, stage, switch, roll back, abort, apply and so on, at
 * the worst of times.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

enum { VARIANTS = 6 };

struct sim_configs {
    struct bsc_config variants[VARIANTS];
    struct bsc_spec *services[VARIANTS][SIM_SERVICES];
};

static const char *const names[SIM_SERVICES] = { "s0", "s1", "s2" };
static const char *const argv_items[] = { "app", "${PORT}" };
static const char *const shell_hook = "migrate ${VERSION}";
static const char *const blue_targets[] = { "127.0.0.1:9001", "127.0.0.1:9002" };
static const char *const green_targets[] = { "127.0.0.1:9003", "127.0.0.1:9004" };
static const struct bsc_route routes[] = { { "a", "/" }, { "b", "/" }, { "c", "/" }, { "d", "/" } };

static void add_hooks(struct bsc_spec *spec, bool pre, bool undo, bool post)
{
    spec->deploy.pre_deploy.timeout_ms = spec->deploy.post_promote.timeout_ms = 5000;
    if (pre)
        spec->deploy.pre_deploy.command.shell = shell_hook;
    if (pre && undo)
        spec->deploy.pre_deploy.undo.shell = shell_hook;
    if (post)
        spec->deploy.post_promote.command.shell = shell_hook;
}

static void add_late_hooks(struct bsc_spec *spec, bool switched, bool back)
{
    spec->deploy.post_switch.timeout_ms = spec->deploy.on_rollback.timeout_ms = 5000;
    if (switched)
        spec->deploy.post_switch.command.shell = shell_hook;
    if (back)
        spec->deploy.on_rollback.command.shell = shell_hook;
}

/* Each kind, some before any traffic, some before all of it. */
static void add_gate(struct sim *sim, struct bsc_spec *spec, struct bsc_gate gate)
{
    struct bsc_gates *gates = &spec->deploy.gates;
    struct bsc_gate *items = bsc_arena_alloc(&spec->arena, (gates->count + 1) * sizeof *items);
    if (gates->count)
        memcpy(items, gates->items, gates->count * sizeof *items);
    gate.name = "gate";
    gate.when = sim_random(sim, 3) ? BSC_GATE_BEFORE_SWITCH : BSC_GATE_BEFORE_FULL;
    items[gates->count++] = gate;
    gates->items = items;
}

static struct bsc_gate smoke_gate(bool once)
{
    struct bsc_gate gate = { .kind = BSC_GATE_SMOKE, .timeout_ms = 4000, .once = once };
    gate.command.shell = once ? "once" : "smoke";
    return gate;
}

static struct bsc_gate probe_gate(struct sim *sim)
{
    return (struct bsc_gate){ .kind = BSC_GATE_PROBE,
                              .timeout_ms = 20000,
                              .probe = { .path = "/",
                                         .count = 1 + (unsigned)sim_random(sim, 3),
                                         .failure_limit = (unsigned)sim_random(sim, 2),
                                         .interval_ms = 500,
                                         .timeout_ms = 1000 } };
}

static struct bsc_gate approval_gate(struct sim *sim)
{
    static const int64_t limits[] = { 0, 3000, 10000 };
    return (struct bsc_gate){ .kind = BSC_GATE_APPROVAL,
                              .approval = "it is good",
                              .timeout_ms = limits[sim_random(sim, 3)],
                              .on_timeout = sim_random(sim, 2) ? BSC_GATE_ABORT : BSC_GATE_HOLD };
}

static struct bsc_query_list draw_queries(struct sim *sim, struct bsc_arena *arena)
{
    unsigned count = sim_random(sim, 4) ? 0 : 1 + (unsigned)sim_random(sim, 2);
    struct bsc_query_spec *items = bsc_arena_alloc(arena, count * sizeof *items);
    for (unsigned i = 0; i < count; i++)
        items[i] = sim_draw_query(sim);
    return (struct bsc_query_list){ count, count ? items : NULL };
}

static struct bsc_gate query_gate(struct sim *sim, struct bsc_arena *arena)
{
    struct bsc_query_spec *query = bsc_arena_alloc(arena, sizeof *query);
    *query = sim_draw_query(sim);
    return (struct bsc_gate){ .kind = BSC_GATE_QUERY, .timeout_ms = 4000, .query = query };
}

static void draw_gates(struct sim *sim, struct bsc_spec *spec)
{
    if (sim_random(sim, 3) == 0)
        add_gate(sim, spec, smoke_gate(false));
    if (sim_random(sim, 4) == 0)
        add_gate(sim, spec, smoke_gate(true));
    if (sim_random(sim, 4) == 0)
        add_gate(sim, spec, probe_gate(sim));
    if (sim_random(sim, 4) == 0 && spec->deploy.strategy != BSC_STRATEGY_RECREATE)
        add_gate(sim, spec, approval_gate(sim));
    if (sim_random(sim, 6) == 0)
        add_gate(sim, spec, query_gate(sim, &spec->arena));
}
static const struct bsc_goal_spec goal = { .name = "order", .path = "/order" };

struct bsc_spec *sim_full_spec(struct sim *sim, unsigned service, enum bsc_strategy strategy)
{
    struct bsc_spec *spec = bsc_spec_create();
    spec->name = names[service];
    spec->route_count = 1;
    spec->routes = &routes[service];
    spec->replicas = 2;
    spec->command.argv = (struct bsc_strings){ 2, argv_items };
    spec->grace_ms = 1000;
    spec->restart = BSC_RESTART_ALWAYS;
    spec->health = (struct bsc_health_spec){ .interval_ms = 1000,
                                             .timeout_ms = 2000,
                                             .deadline_ms = 10000,
                                             .rise = 2,
                                             .fall = 3,
                                             .min_healthy_percent = 100 };
    spec->deploy = (struct bsc_deploy_spec){
        .strategy = strategy,
        .standby_ms = 20000,
        .drain_ms = 5000,
        .switch_ms = 5000,
        .bake_ms = 3000,
        .steps = { 1, { 2500 } },
        .batch = { 1, false },
        .analysis = { .wait_ms = 3000 },
        .shadow = { .share_bp = 1000,
                    .duration_ms = 3000,
                    .then = BSC_AFTER_CANARY,
                    .differences_bp = 100,
                    .slower = 200,
                    .minimum = 100 },
        .ab = { .share_bp = 5000,
                .duration_ms = 3000,
                .minimum_users = 20,
                .alpha_bp = 500,
                .goal_count = 1,
                .goals = &goal },
    };
    spec->traffic.affinity.header = "X-User";
    add_hooks(spec, true, true, true);
    if (sim->fate.script != SIM_DRIVEN) {
        add_late_hooks(spec, true, true);
        add_gate(sim, spec, smoke_gate(true));
    }
    if (sim->fate.approval)
        add_gate(sim, spec, (struct bsc_gate){ .kind = BSC_GATE_APPROVAL, .approval = "v" });
    return spec;
}

/* Small numbers, so that every case comes often: steps beside each other, batches that do not
 * divide the whole, room above and below. */
static void draw_strategy(struct sim *sim, struct bsc_deploy_spec *deploy)
{
    static const enum bsc_scale scales[] = { BSC_SCALE_MATCH, BSC_SCALE_FULL, BSC_SCALE_FIXED };
    unsigned weight_bp = 0;
    deploy->strategy = (enum bsc_strategy)sim_random(sim, BSC_STRATEGY_COUNT);
    for (uint64_t i = sim_random(sim, 4); i > 0 && weight_bp < 5000; i--) {
        weight_bp += 1 + (unsigned)sim_random(sim, 4000);
        deploy->steps.weight_bp[deploy->steps.count++] = weight_bp;
    }
    deploy->scale = scales[sim_random(sim, 3)];
    deploy->scale_instances = 1 + (unsigned)sim_random(sim, 3);
    deploy->batch = (struct bsc_amount){ 1 + (unsigned)sim_random(sim, 3), false };
    deploy->max_unavailable = (struct bsc_amount){ (unsigned)sim_random(sim, 2), false };
    deploy->max_surge = (struct bsc_amount){ (unsigned)sim_random(sim, 3), false };
    if (deploy->max_unavailable.number && sim_random(sim, 2))
        deploy->max_surge = (struct bsc_amount){ 0, true }; /* none at all */
    static const struct bsc_match_rule beta = { BSC_MATCH_HEADER, BSC_MATCH_PRESENT, "X", NULL };
    deploy->match = (struct bsc_match_spec){ (unsigned)sim_random(sim, 2), &beta };
    deploy->ab.minimum_users = 20 + 60 * deploy->steps.count; /* some tests take long */
    deploy->ab.undecided = sim_random(sim, 2) ? BSC_UNDECIDED_BACK : BSC_UNDECIDED_KEEP;
    if (deploy->strategy == BSC_STRATEGY_CANARY && !deploy->bake_ms)
        deploy->bake_ms = 1000;
    deploy->shadow.then = (enum bsc_after_shadow)sim_random(sim, 3);
    deploy->shadow.minimum = 1 + (unsigned)sim_random(sim, 200);
}

/* What is released with others depends on some of those that come before it. */
static void draw_group(struct sim *sim, struct bsc_spec *spec, unsigned service)
{
    static const char *const before[SIM_SERVICES][1] = { { NULL }, { "s0" }, { "s1" } };
    spec->release = sim_random(sim, 3) ? "g" : NULL;
    if (service && sim_random(sim, 2))
        spec->depends_on = (struct bsc_strings){ 1, before[service] };
}

static struct bsc_spec *random_spec(struct sim *sim, unsigned service, bool fixed)
{
    static const int64_t standbys[] = { 0, 3000, 20000, 20000 }, drains[] = { 0, 1000, 5000, 5000 };
    struct bsc_spec *spec = sim_full_spec(sim, service, BSC_STRATEGY_BLUE_GREEN);
    spec->routes = &routes[sim_random(sim, 6) ? service : 3];
    spec->replicas = 1 + (unsigned)sim_random(sim, 4);
    spec->restart = sim_random(sim, 4) ? BSC_RESTART_ALWAYS : BSC_RESTART_ON_FAILURE;
    spec->health.rise = 1 + (unsigned)sim_random(sim, 2);
    spec->health.min_healthy_percent = sim_random(sim, 2) ? 100 : 50;
    spec->deploy.standby_ms = standbys[sim_random(sim, 4)];
    spec->deploy.drain_ms = drains[sim_random(sim, 4)];
    spec->deploy.bake_ms = sim_random(sim, 2) ? 3000 : 0;
    draw_strategy(sim, &spec->deploy);
    spec->deploy.rescue = sim_random(sim, 3) != 0;
    spec->deploy.analysis = (struct bsc_analysis_spec){ .enabled = sim_random(sim, 3) != 0,
                                                        .alpha_bp = 100,
                                                        .tolerated = 100,
                                                        .slower = 125,
                                                        .before_errors = 200,
                                                        .before_latency = 150,
                                                        .minimum_requests = 100,
                                                        .wait_ms = 3000 };
    if (!sim->fate.script)
        spec->deploy.analysis.queries = draw_queries(sim, &spec->arena);
    spec->deploy.pre_deploy = spec->deploy.post_promote = (struct bsc_hook_spec){ 0 };
    spec->deploy.post_switch = spec->deploy.on_rollback = (struct bsc_hook_spec){ 0 };
    spec->deploy.gates = (struct bsc_gates){ 0 };
    draw_gates(sim, spec);
    if (sim_random(sim, 3) == 0)
        add_hooks(spec, sim_random(sim, 4), sim_random(sim, 2), sim_random(sim, 2));
    if (sim_random(sim, 3) == 0)
        add_late_hooks(spec, sim_random(sim, 2), sim_random(sim, 3) != 0);
    draw_group(sim, spec, service);
    sim_draw_preview(sim, spec, service);
    if (!fixed && sim_random(sim, 5) == 0) {
        spec->route_count = 0;
        spec->deploy.order = sim_random(sim, 2) ? BSC_ORDER_START_FIRST : BSC_ORDER_STOP_FIRST;
    }
    if (!fixed && service == 1) {
        spec->runtime = BSC_RUNTIME_DOCKER;
        spec->container = (struct bsc_container_spec){ .image = "shop", .port = 8080 };
    }
    if (fixed) {
        spec->runtime = BSC_RUNTIME_STATIC;
        spec->command = (struct bsc_command){ 0 };
        spec->targets[BSC_BLUE] =
            (struct bsc_strings){ 1 + (unsigned)sim_random(sim, 2), blue_targets };
        spec->targets[BSC_GREEN] = (struct bsc_strings){ 2, green_targets };
    }
    if (spec->deploy.drain_ms < sim->drain_ms[service])
        sim->drain_ms[service] = spec->deploy.drain_ms;
    return spec;
}

static void make_configs(struct sim *sim)
{
    bool fixed[SIM_SERVICES];
    for (unsigned s = 0; s < SIM_SERVICES; s++) {
        fixed[s] = sim_random(sim, 4) == 0;
        sim->drain_ms[s] = 5000;
    }
    for (unsigned v = 0; v < VARIANTS; v++) {
        struct bsc_config *config = &sim->configs->variants[v];
        unsigned count = 0;
        for (unsigned s = 0; s < SIM_SERVICES; s++)
            if (sim->fate.script)
                sim->configs->services[v][count++] = sim_story_spec(sim, s);
            else if (!v || sim_random(sim, 8)) /* now and then one is taken out */
                sim->configs->services[v][count++] = random_spec(sim, s, fixed[s]);
        *config = (struct bsc_config){ .proxy.workers = 1,
                                       .port_low = 20000,
                                       .port_high = 20100,
                                       .service_count = count,
                                       .services = sim->configs->services[v] };
    }
}

static void make_weather(struct sim *sim)
{
    static const unsigned strengths[] = { 0, 1, 10, 100 };
    struct sim_weather *w = &sim->weather;
    unsigned bad = strengths[sim_random(sim, 4)];
    w->hook_fails = 100000;
    w->gate_fails = 100000;
    w->gate_hangs = 100000;
    w->crash_at_commit = sim_random(sim, 2) ? 500 * bad : 0;
    w->crash_anywhere = sim_random(sim, 2) ? 20 * bad : 0;
    w->terminate = sim_random(sim, 4) ? 0 : 5 * bad;
    w->proxy_dies = 10 * bad;
    w->proxy_upgrade = 30 * bad;
    w->proxy_slow = 1000 * bad;
    w->publish_refused = 200 * bad;
    w->trips = 50 * bad;
    w->wall_jumps = 10 * bad;
    w->stop_slow = 2000 * bad;
    w->configure_fails = 200 * bad;
    w->kind = sim_random(sim, 4) == 0;
    if (w->kind)
        return;
    w->commit_fails = sim_random(sim, 3) ? 0 : 100 * bad;
    w->disk_fills = sim_random(sim, 3) ? 0 : 200 + bad;
    w->load_fails = 1000 * bad;
    w->start_fails = 200 * bad;
    w->start_slow = 500 * bad;
    w->port_taken = 1000 * bad;
    w->dies = sim_random(sim, 2) ? 3 * bad : 0;
    w->probe_fails = 300 * bad;
    w->probe_silent = 100 * bad;
}

void sim_scenario_init(struct sim *sim)
{
    sim->configs = bsc_alloc(sizeof *sim->configs);
    make_configs(sim);
    sim->config = &sim->configs->variants[0];
    sim->next_command = 1;
    if (!sim->fate.script)
        make_weather(sim);
}

void sim_scenario_deinit(struct sim *sim)
{
    for (unsigned v = 0; v < VARIANTS; v++)
        for (unsigned s = 0; s < sim->configs->variants[v].service_count; s++)
            bsc_spec_release(sim->configs->services[v][s]);
    free(sim->configs);
}

static bool remember(struct sim *sim, bsc_token token, bool refuse, bool abort)
{
    for (size_t i = 0; i < sizeof sim->open / sizeof *sim->open; i++)
        if (!sim->open[i].token) {
            sim->open[i] = (struct sim_open_command){ token, sim->now_ms, refuse, abort };
            return true;
        }
    return false;
}

void sim_replied(struct sim *sim, bsc_token token, const struct bsc_reply *reply)
{
    for (size_t i = 0; i < sizeof sim->open / sizeof *sim->open; i++)
        if (sim->open[i].token == token) {
            sim->open[i].token = 0;
            sim->answer = reply->status;
            snprintf(sim->answer_text, sizeof sim->answer_text, "%s",
                     reply->text ? reply->text : "");
            if (sim->open[i].refuse && reply->status == BSC_OK)
                sim_fail(sim, "a deploy began although the engine knew that the disk is full");
            if (sim->open[i].abort && reply->status == BSC_OK)
                sim_aborted(sim, reply->rollout);
            if (token == sim->terminating && reply->status == BSC_OK)
                sim->stopped = true;
            else if (token == sim->terminating)
                sim->terminating = 0;
            if (sim->fate.script)
                sim->script_at++; /* whatever the answer: nobody asks again */
            sim_say(sim, "reply %llu: %s %s", (unsigned long long)token,
                    bsc_status_name(reply->status), reply->text ? reply->text : "");
            return;
        }
    sim_fail(sim, "command %llu was answered twice", (unsigned long long)token);
}

void sim_command(struct sim *sim, struct bsc_event *event)
{
    static const char *const commands[BSC_EVENT_KIND_COUNT] = {
        [BSC_EVENT_APPLY] = "apply",     [BSC_EVENT_DEPLOY] = "deploy",
        [BSC_EVENT_SWITCH] = "switch",   [BSC_EVENT_ROLLBACK] = "rollback",
        [BSC_EVENT_ABORT] = "abort",     [BSC_EVENT_CHECK] = "check",
        [BSC_EVENT_CLEANUP] = "cleanup", [BSC_EVENT_RETRY] = "retry",
        [BSC_EVENT_PROMOTE] = "promote", [BSC_EVENT_PAUSE] = "pause",
        [BSC_EVENT_RESUME] = "resume",   [BSC_EVENT_APPROVE] = "approve",
        [BSC_EVENT_REJECT] = "reject",   [BSC_EVENT_LOCK] = "lock",
        [BSC_EVENT_UNLOCK] = "unlock",   [BSC_EVENT_CONVERT] = "convert",
        [BSC_EVENT_TRAFFIC] = "traffic", [BSC_EVENT_TERMINATE] = "terminate",
    };
    bool refuse = event->kind == BSC_EVENT_DEPLOY && sim->told_full && sim_engine_free(sim);
    event->token = sim->next_command++;
    event->actor = "user";
    if (!remember(sim, event->token, refuse, event->kind == BSC_EVENT_ABORT))
        return;
    if (event->kind == BSC_EVENT_TERMINATE)
        sim->terminating = event->token;
    sim_say(sim, "user: %s %s %s%s", commands[event->kind],
            event->service   ? event->service
            : event->release ? event->release
                             : "",
            event->version ? event->version : "",
            event->supersede ? " --supersede"
            : event->stage   ? " --stage"
                             : "");
    bsc_engine_handle(sim->engine, event);
}

/* The same of several services: of all, or of those that the file releases together. */
static void widen(struct sim *sim, struct bsc_event *event)
{
    static const bool wide[BSC_EVENT_KIND_COUNT] = {
        [BSC_EVENT_DEPLOY] = true,  [BSC_EVENT_ROLLBACK] = true, [BSC_EVENT_ABORT] = true,
        [BSC_EVENT_PROMOTE] = true, [BSC_EVENT_PAUSE] = true,    [BSC_EVENT_RESUME] = true,
    };
    if (!wide[event->kind] || sim_random(sim, 3))
        return;
    event->service = NULL;
    event->release = sim_random(sim, 4) ? "g" : BSC_GROUP_ALL;
    event->stage = false;
    event->wish.has_strategy = sim_random(sim, 4) != 0;
    event->wish.strategy = BSC_STRATEGY_BLUE_GREEN;
}

/* What a user may ask of a service; `version` is room for a name. */
static void draw_command(struct sim *sim, struct bsc_event *event, char *version, size_t size)
{
    unsigned dice = (unsigned)sim_random(sim, 22);
    if (dice < 6) {
        snprintf(version, size, "v%u", ++sim->version_count);
        event->kind = BSC_EVENT_DEPLOY;
        event->version = version;
        event->stage = sim_random(sim, 3) == 0;
        event->supersede = sim_random(sim, 3) == 0;
    } else if (dice < 8) {
        event->kind = BSC_EVENT_SWITCH;
    } else if (dice < 10) {
        event->kind = BSC_EVENT_ROLLBACK;
        snprintf(version, size, "v%u", (unsigned)sim_random(sim, sim->version_count + 1));
        event->version = dice == 9 ? version : NULL;
    } else if (dice < 12) {
        event->kind = BSC_EVENT_ABORT;
    } else if (dice < 14) {
        event->kind = dice == 12 || sim_random(sim, 3) ? BSC_EVENT_CHECK : BSC_EVENT_CLEANUP;
    } else if (dice < 16) {
        event->kind = sim_random(sim, 3) ? BSC_EVENT_UNLOCK : BSC_EVENT_LOCK;
        event->text = "incident";
    } else if (dice < 20) {
        static const enum bsc_event_kind steers[] = {
            BSC_EVENT_PROMOTE, BSC_EVENT_PAUSE,   BSC_EVENT_PAUSE,  BSC_EVENT_RESUME,
            BSC_EVENT_RETRY,   BSC_EVENT_APPROVE, BSC_EVENT_REJECT,
        };
        event->kind = steers[sim_random(sim, 7)];
        event->to_end = sim_random(sim, 2);
    } else if (dice < 21) {
        event->kind = BSC_EVENT_TRAFFIC;
        event->traffic = sim_random(sim, 3) ? BSC_TRAFFIC_SERVE : BSC_TRAFFIC_HOLD;
    } else {
        event->kind = BSC_EVENT_APPLY;
        event->service = NULL;
        sim->config = event->config = &sim->configs->variants[sim_random(sim, VARIANTS)];
    }
}

void sim_scenario_turn(struct sim *sim)
{
    char version[32];
    struct bsc_event event = { .service = names[sim_random(sim, SIM_SERVICES)] };
    if (sim->full ? sim_random(sim, 40) == 0 : sim_chance(sim, sim->weather.disk_fills)) {
        sim->full = !sim->full;
        sim_say(sim, "the disk %s", sim->full ? "is full" : "has room again");
    }
    if (sim->terminating)
        return;
    if (sim_chance(sim, sim->weather.terminate)) {
        event = (struct bsc_event){ .kind = BSC_EVENT_TERMINATE };
        sim_command(sim, &event);
    } else if (sim->ready && sim_random(sim, 12) == 0) {
        draw_command(sim, &event, version, sizeof version);
        widen(sim, &event);
        sim_command(sim, &event);
    }
}

static bool awaits(const struct bsc_service *s)
{
    const struct bsc_rollout_row *row = s->rollout ? &s->rollout->row : NULL;
    return row && row->walk.status == BSC_ROLLOUT_RUNNING &&
           row->plan.steps[row->walk.cursor].kind == BSC_STEP_GATE &&
           row->plan.steps[row->walk.cursor].gate == BSC_GATE_APPROVAL;
}

static bool calm_down(struct sim *sim, const struct bsc_service *service, enum bsc_event_kind kind)
{
    bool paused = bsc_service_busy(service) && service->rollout->row.walk.paused;
    bool due = kind == BSC_EVENT_UNLOCK   ? service->row.lock.at_ms != 0
               : kind == BSC_EVENT_RESUME ? paused
                                          : awaits(service);
    if (!due)
        return false;
    struct bsc_event event = { .kind = kind, .service = names[sim_service_index(service->name)] };
    sim_command(sim, &event);
    return true;
}

/* Whoever locked or paused something, or is to approve it, comes back in the end; no lock is left
 * when something goes on, because that of one stands against the others that it is released with.
 */
void sim_scenario_calm(struct sim *sim)
{
    static const enum bsc_event_kind kinds[] = { BSC_EVENT_UNLOCK, BSC_EVENT_RESUME,
                                                 BSC_EVENT_APPROVE };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        for (const struct bsc_service *s = bsc_engine_services(sim->engine);
             sim->ready && !sim->terminating && s && sim_engine_free(sim); s = s->next)
            if (calm_down(sim, s, kinds[i]))
                return;
}

struct bsc_spec *sim_spec(struct sim *sim, unsigned service)
{
    return sim->configs->services[0][service];
}

enum bsc_status sim_ask(struct sim *sim, struct bsc_event event)
{
    unsigned turns = 0;
    while (!sim->ready && turns++ < 10000)
        sim_turn(sim);
    bsc_token token = sim->next_command;
    bool waits = true;
    for (sim_command(sim, &event); waits && turns++ < 10000; sim_turn(sim)) {
        waits = false;
        for (size_t i = 0; i < sizeof sim->open / sizeof *sim->open; i++)
            waits = waits || sim->open[i].token == token;
        if (!waits)
            break;
    }
    if (waits)
        sim_fail(sim, "no answer to a command");
    return sim->answer;
}
