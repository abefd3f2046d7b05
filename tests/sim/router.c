/* SPDX-License-Identifier: Apache-2.0
 * sim/router.c - proxy generations that take new routes late, die, are upgraded, and send requests.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/analysis/sample.h"
#include "core/mirror.h"
#include "world.h"

static void adopt_later(struct sim *sim, unsigned generation, unsigned service)
{
    bool slow = sim_chance(sim, sim->weather.proxy_slow);
    int64_t delay = 1 + (int64_t)sim_random(sim, slow ? (sim_random(sim, 4) ? 3000 : 9000) : 5);
    sim->generations[generation].adopts_at_ms[service] = sim->now_ms + delay;
}

static void spread(struct sim *sim, unsigned service)
{
    for (unsigned g = 0; g < SIM_GENERATIONS; g++)
        if (sim->generations[g].alive && !sim->generations[g].adopts_at_ms[service])
            adopt_later(sim, g, service);
    if (!sim->snapshot_at_ms[service])
        sim->snapshot_at_ms[service] = sim->now_ms + 20 + (int64_t)sim_random(sim, 30);
}

static struct sim_wait *wait_add(struct sim *sim, bsc_token token, unsigned service)
{
    for (size_t i = 0; i < sizeof sim->waits / sizeof *sim->waits; i++)
        if (!sim->waits[i].token) {
            if (i >= sim->wait_high)
                sim->wait_high = (unsigned)i + 1;
            sim->waits[i] = (struct sim_wait){ .token = token,
                                               .service = service,
                                               .version = sim->wanted[service].version };
            return &sim->waits[i];
        }
    sim_fail(sim, "too many calls of the router wait at once");
    return &sim->waits[0];
}

static void mark_excluded(struct sim *sim, unsigned service, const struct sim_route *route)
{
    for (unsigned i = 0; i < sim->process_high; i++) {
        struct sim_process *process = &sim->processes[i];
        if (!process->used || sim_service_index(process->id->text) != service)
            continue;
        bool named = false;
        for (unsigned j = 0; j < route->endpoint_count; j++)
            named =
                named || (route->endpoints[j].id == process->id && !route->endpoints[j].leaving);
        if (named)
            process->excluded_ms = 0;
        else if (!process->excluded_ms)
            process->excluded_ms = sim->now_ms;
    }
}

static void refuse(struct sim *sim, bsc_token token)
{
    struct bsc_event event = { .kind = BSC_EVENT_PUBLISHED,
                               .token = token,
                               .status = BSC_FAILED,
                               .text = "the proxy has no room for it" };
    sim_send(sim, 1 + (int64_t)sim_random(sim, 20), &event);
}

static void take(struct sim *sim, const struct bsc_routing *routing, bsc_token token)
{
    unsigned service = sim_service_index(routing->spec->name);
    struct sim_route *wanted = &sim->wanted[service];
    uint64_t version = wanted->version + 1;
    if (!wanted->known || !sim_must_serve(sim, service)) { /* a first release may still go back */
        sim->known_since[service] = version;
        sim->served[service] = 0;
    }
    *wanted = (struct sim_route){ .known = true,
                                  .version = version,
                                  .traffic = routing->traffic,
                                  .endpoint_count = routing->endpoint_count };
    wanted->generation = routing->generation;
    wanted->rescue = routing->rescue;
    wanted->stable = routing->stable;
    wanted->watch = routing->watch;
    wanted->mirror = routing->mirror != NULL;
    wanted->candidate = routing->candidate;
    wanted->match = routing->match != NULL;
    wanted->preview = routing->preview;
    wanted->preview_slot = routing->preview_slot;
    wanted->rollout = routing->rollout;
    wanted->counts = routing->trial != NULL;
    if (wanted->counts) /* proxies keep what they found; where it was read to, the engine knows */
        sim->facts[service].read = routing->source_count ? routing->sources[0].read : 0;
    if (wanted->counts && sim->facts[service].trial != routing->rollout)
        sim->facts[service] = (struct sim_facts){ .trial = routing->rollout };
    snprintf(wanted->name, sizeof wanted->name, "%s", routing->spec->name);
    memcpy(wanted->weight_bp, routing->weight_bp, sizeof wanted->weight_bp);
    if (routing->endpoint_count > SIM_ENDPOINTS) {
        sim_fail(sim, "%u endpoints", routing->endpoint_count);
        wanted->endpoint_count = SIM_ENDPOINTS;
    }
    for (unsigned i = 0; i < wanted->endpoint_count; i++) {
        wanted->endpoints[i].id = sim_id(sim, routing->endpoints[i].id);
        wanted->endpoints[i].slot = routing->endpoints[i].slot;
        wanted->endpoints[i].healthy = routing->endpoints[i].healthy;
        wanted->endpoints[i].leaving = routing->endpoints[i].leaving;
    }
    mark_excluded(sim, service, wanted);
    sim->published[service] = true;
    spread(sim, service);
    wait_add(sim, token, service);
}

static void publish_together(void *self, const struct bsc_routing *routings,
                             const bsc_token *tokens, unsigned count)
{
    struct sim *sim = self;
    bool known = true;
    for (unsigned i = 0; i < count; i++) {
        sim_check_publish(sim, &routings[i]);
        known = known && sim->wanted[sim_service_index(routings[i].spec->name)].known;
    }
    bool refused = known && sim_chance(sim, sim->weather.publish_refused);
    for (unsigned i = 0; i < count; i++)
        if (refused)
            refuse(sim, tokens[i]);
        else
            take(sim, &routings[i], tokens[i]);
    if (!refused)
        sim_check_together(sim);
}

static void publish(void *self, const struct bsc_routing *routing, bsc_token token)
{
    publish_together(self, routing, &token, 1);
}

static void remove_route(void *self, const char *name, bsc_token token)
{
    struct sim *sim = self;
    unsigned service = sim_service_index(name);
    uint64_t version = sim->wanted[service].version + 1;
    sim->wanted[service] = (struct sim_route){ .version = version };
    mark_excluded(sim, service, &sim->wanted[service]);
    sim->published[service] = true;
    sim->served[service] = 0;
    spread(sim, service);
    wait_add(sim, token, service);
}

static void drain(void *self, const char *const *ids, unsigned count, bsc_token token)
{
    struct sim *sim = self;
    struct sim_wait *wait = wait_add(sim, token, count ? sim_service_index(ids[0]) : 0);
    wait->drain = true;
    for (unsigned i = 0; i < count && i < SIM_ENDPOINTS; i++)
        wait->ids[wait->id_count++] = sim_id(sim, ids[i]);
}

static void cancel(void *self, bsc_token token)
{
    struct sim *sim = self;
    for (size_t i = 0; i < sim->wait_high; i++)
        if (sim->waits[i].token == token)
            sim->waits[i].token = 0;
    sim_cancel_pending(sim, BSC_EVENT_DRAINED, token);
}

static void configure(void *self, const struct bsc_config *config, bsc_token token)
{
    struct sim *sim = self;
    (void)config;
    bool refused = sim_chance(sim, sim->weather.configure_fails);
    struct bsc_event event = { .kind = BSC_EVENT_CONFIGURED,
                               .token = token,
                               .status = refused ? BSC_EXISTS : BSC_OK,
                               .text = refused ? "address in use" : NULL };
    sim_send(sim, 1 + (int64_t)sim_random(sim, 10), &event);
}

static bool listener(void *self, unsigned index, struct bsc_router_listener *out)
{
    (void)self;
    *out = (struct bsc_router_listener){ .address = "127.0.0.1:8080" };
    return index == 0;
}

struct bsc_router sim_router_port(struct sim *sim)
{
    static const struct bsc_router_ops ops = { .name = "sim",
                                               .configure = configure,
                                               .publish = publish,
                                               .publish_together = publish_together,
                                               .remove = remove_route,
                                               .drain = drain,
                                               .cancel = cancel,
                                               .listener = listener };
    return (struct bsc_router){ &ops, sim };
}

/* By weight or by rule. */
static bool gets_requests(const struct sim_route *route, enum bsc_slot slot)
{
    return route->weight_bp[slot] || (route->match && slot == route->candidate);
}

bool sim_router_reaches(const struct sim *sim, const struct sim_id *id)
{
    for (unsigned g = 0; g < SIM_GENERATIONS; g++)
        for (unsigned s = 0; sim->generations[g].alive && s < SIM_SERVICES; s++) {
            const struct sim_route *route = &sim->generations[g].routes[s];
            for (unsigned i = 0; route->known && i < route->endpoint_count; i++)
                if (route->endpoints[i].id == id && route->endpoints[i].healthy &&
                    (gets_requests(route, route->endpoints[i].slot) ||
                     (route->preview && route->preview_slot == route->endpoints[i].slot)))
                    return true;
        }
    return false;
}

/* One request through one generation: it must meet a process that runs, or one that died by itself
 * a moment ago. */
static void request(struct sim *sim, unsigned g, unsigned s)
{
    const struct sim_route *route = &sim->generations[g].routes[s];
    if (!route->known || route->traffic != BSC_TRAFFIC_SERVE || sim->terminating)
        return;
    enum bsc_slot slot =
        sim_random(sim, BSC_WEIGHT_FULL_BP) < route->weight_bp[BSC_BLUE] ? BSC_BLUE : BSC_GREEN;
    if (route->match && sim_random(sim, 2))
        slot = route->candidate;
    const struct sim_endpoint *chosen = NULL;
    unsigned seen = 0;
    for (unsigned i = 0; i < route->endpoint_count; i++)
        if (route->endpoints[i].slot == slot && route->endpoints[i].healthy &&
            sim_random(sim, ++seen) == 0)
            chosen = &route->endpoints[i];
    if (!chosen) {
        if (sim->served[s] && route->version >= sim->served[s] && sim_must_serve(sim, s))
            sim_fail(
                sim,
                "I1: a request for s%u found no instance (generation %u, route %llu, served %llu)",
                s, g, (unsigned long long)route->version, (unsigned long long)sim->served[s]);
        return;
    }
    if (!sim->served[s] && route->version >= sim->known_since[s] && slot == sim_stable(sim, s))
        sim->served[s] = route->version;
    if (sim_process_stopped(chosen->id)) {
        sim_fail(sim, "I1: a request was sent to %s, which bascule had stopped", chosen->id->text);
        return;
    }
    sim->requests++;
    sim->flying =
        bsc_grow(sim->flying, &sim->flying_capacity, sim->flying_count + 1, sizeof *sim->flying);
    struct sim_request *flying = &sim->flying[sim->flying_count++];
    *flying = (struct sim_request){ .generation = g, .id = chosen->id };
    flying->ends_ms =
        sim->now_ms + 1 + (int64_t)sim_random(sim, sim_random(sim, 100) ? 300 : 40000);
    chosen->id->flying++;
}

static void end_requests(struct sim *sim)
{
    for (size_t i = 0; i < sim->flying_count; i++) {
        const struct sim_request *flying = &sim->flying[i];
        const struct sim_process *process = flying->id->process;
        if (flying->ends_ms > sim->now_ms && sim->generations[flying->generation].alive &&
            process && process->running)
            continue;
        flying->id->flying--;
        sim->flying[i--] = sim->flying[--sim->flying_count];
    }
}

static bool has_healthy(const struct sim_route *route, enum bsc_slot slot)
{
    for (unsigned i = 0; i < route->endpoint_count; i++)
        if (route->endpoints[i].slot == slot && route->endpoints[i].healthy)
            return true;
    return false;
}

/* All to stable, and the engine hears of it; what a dead controller heard comes again. */
static void trip(struct sim *sim, struct sim_route *route)
{
    for (unsigned slot = 0; slot < BSC_SLOT_COUNT; slot++)
        route->weight_bp[slot] = slot == route->stable ? BSC_WEIGHT_FULL_BP : 0;
    route->match = false;
    route->tripped = true;
    sim_say(sim, "%s trips, split %llu", route->name, (unsigned long long)route->generation);
    struct bsc_event event = { .kind = BSC_EVENT_TRIPPED,
                               .id = route->name,
                               .generation = route->generation,
                               .text = "9 of 9 requests failed" };
    sim_send(sim, 1 + (int64_t)sim_random(sim, 20), &event);
}

static void may_trip(struct sim *sim, struct sim_route *route)
{
    if (route->known && route->rescue && !route->tripped &&
        gets_requests(route, bsc_slot_other(route->stable)) && has_healthy(route, route->stable) &&
        sim_chance(sim, sim->weather.trips))
        trip(sim, route);
}

static void adopt(struct sim *sim, struct sim_route *route, const struct sim_route *wanted)
{
    bool again = route->tripped && wanted->rescue && wanted->generation == route->generation;
    *route = *wanted;
    if (again)
        trip(sim, route);
}

static void generation_start(struct sim *sim, unsigned g)
{
    sim->generations[g] = (struct sim_generation){ .alive = true };
    memcpy(sim->generations[g].routes, sim->snapshot, sizeof sim->snapshot);
    for (unsigned s = 0; s < SIM_SERVICES; s++)
        adopt_later(sim, g, s);
}

static void generations_turn(struct sim *sim)
{
    unsigned current = SIM_GENERATIONS, spare = SIM_GENERATIONS;
    for (unsigned g = 0; g < SIM_GENERATIONS; g++) {
        if (!sim->generations[g].alive)
            spare = g;
        else if (!sim->generations[g].retiring)
            current = g;
    }
    if (current == SIM_GENERATIONS) {
        generation_start(sim, 0);
        return;
    }
    if (sim_chance(sim, sim->weather.proxy_dies)) {
        sim_say(sim, "proxy %u dies", current);
        sim->generations[current].alive = false;
        end_requests(sim);
        generation_start(sim, current);
    } else if (spare < SIM_GENERATIONS && sim_chance(sim, sim->weather.proxy_upgrade)) {
        sim_say(sim, "proxy %u replaces %u", spare, current);
        sim->generations[current].retiring = true;
        sim->generations[current].retires_ms = sim->now_ms + 3000;
        generation_start(sim, spare);
    }
    for (unsigned g = 0; g < SIM_GENERATIONS; g++) {
        struct sim_generation *generation = &sim->generations[g];
        if (!generation->alive || !generation->retiring || generation->retires_ms > sim->now_ms)
            continue;
        bool busy = false;
        for (size_t i = 0; i < sim->flying_count; i++)
            busy = busy || sim->flying[i].generation == g;
        generation->alive = busy;
    }
}

static bool wait_over(const struct sim *sim, const struct sim_wait *wait)
{
    for (unsigned g = 0; g < SIM_GENERATIONS; g++)
        if (sim->generations[g].alive &&
            sim->generations[g].routes[wait->service].version < wait->version)
            return false;
    if (wait->drain && sim->snapshot[wait->service].version < wait->version)
        return false;
    for (unsigned i = 0; i < wait->id_count; i++)
        if (wait->ids[i]->flying)
            return false;
    return true;
}

enum sim_trial sim_trial_of(const struct sim *sim, uint64_t rollout)
{
    uint64_t drawn = (sim->seed + rollout) * 0x9e3779b97f4a7c15;
    static const enum sim_trial trials[] = { SIM_TRIAL_GOOD, SIM_TRIAL_GOOD, SIM_TRIAL_BAD,
                                             SIM_TRIAL_SILENT };
    return trials[drawn >> 62];
}

/* Requests of half a second, and what the controller hears of them, if one is there. */
static void count(struct sim *sim, unsigned s)
{
    const struct sim_route *wanted = &sim->wanted[s];
    struct sim_counted *counted = &sim->counted[s];
    if (sim->fate.script || !sim->published[s] || !wanted->watch ||
        !gets_requests(wanted, wanted->candidate) || counted->told_ms + 500 > sim->now_ms)
        return;
    if (counted->generation != wanted->generation)
        *counted = (struct sim_counted){ .generation = wanted->generation };
    counted->told_ms = sim->now_ms;
    enum sim_trial trial = sim_trial_of(sim, wanted->rollout);
    counted->units[0] += trial == SIM_TRIAL_SILENT ? 0 : 50;
    counted->units[1] += 50;
    counted->errors += trial == SIM_TRIAL_BAD ? 25 : 0;
    struct bsc_sample sample = { .at_ms = sim->now_ms,
                                 .generation = wanted->generation,
                                 .weight_bp = wanted->weight_bp[wanted->candidate],
                                 .drawing = wanted->weight_bp[wanted->candidate]
                                                ? BSC_DRAWN_BY_COIN
                                                : BSC_DRAWN_BY_RULE,
                                 .candidate = { counted->units[0], counted->errors },
                                 .live = { counted->units[1] } };
    struct bsc_baseline before = { .units = 5000 };
    bsc_engine_handle(sim->engine, &(struct bsc_event){ .kind = BSC_EVENT_COUNTED,
                                                        .service = wanted->name,
                                                        .sample = &sample,
                                                        .baseline = &before });
}

/* Half a second of copied requests. */
static void compare(struct sim *sim, unsigned s)
{
    const struct sim_route *wanted = &sim->wanted[s];
    enum sim_trial trial = sim->fate.script ? SIM_TRIAL_GOOD : sim_trial_of(sim, wanted->rollout);
    if (!sim->published[s] || !wanted->mirror || trial == SIM_TRIAL_SILENT ||
        sim->mirrored_ms[s] + 500 > sim->now_ms)
        return;
    struct bsc_mirror_report report = { .compared = 40, .finding_count = 1 };
    report.findings[0] = (struct bsc_finding_at){ .kind = BSC_DIFFERS_STATUS };
    report.findings[0].first = report.findings[0].count = trial == SIM_TRIAL_BAD ? 20 : 0;
    sim->mirrored_ms[s] = sim->now_ms;
    bsc_engine_handle(sim->engine, &(struct bsc_event){ .kind = BSC_EVENT_MIRRORED,
                                                        .service = wanted->name,
                                                        .rollout = wanted->rollout,
                                                        .report = &report });
}

/* What a user does: they come again, but pay once. */
static struct bsc_trial_fact fact_of(const struct sim_route *wanted, enum sim_trial trial,
                                     uint64_t number, bool again)
{
    bool green = number % 2, better = green == (wanted->candidate == BSC_GREEN);
    return (struct bsc_trial_fact){
        .user = (number + 1) * 0x9e3779b97f4a7c15,
        .candidate = green,
        .goals = (trial == SIM_TRIAL_GOOD) == better,
        .valued = !again,
        .value = !again,
    };
}

/* Twenty users more, and some who were there before; told again until the engine is not busy. */
static void tell_facts(struct sim *sim, unsigned s)
{
    enum { USERS = 20, AGAIN = 5, SOURCE = 77 };
    const struct sim_route *wanted = &sim->wanted[s];
    struct sim_facts *facts = &sim->facts[s];
    enum sim_trial trial = sim_trial_of(sim, wanted->rollout);
    struct bsc_trial_fact items[USERS + AGAIN];
    unsigned count = 0;
    bool taken = false;
    if (sim->fate.script || !sim->published[s] || !wanted->counts || trial == SIM_TRIAL_SILENT ||
        facts->told_ms + 100 > sim->now_ms)
        return;
    facts->told_ms = sim->now_ms;
    facts->written += facts->written == facts->read ? USERS : 0;
    for (uint64_t i = facts->read; i < facts->written; i++)
        items[count++] = fact_of(wanted, trial, i, false);
    for (uint64_t i = 0; i < AGAIN && facts->read; i++)
        items[count++] = fact_of(wanted, trial, 31 * (facts->read + i) % facts->read, true);
    struct bsc_facts told = { .rollout = wanted->rollout,
                              .source = SOURCE,
                              .read = facts->written,
                              .items = items,
                              .count = count,
                              .taken = &taken };
    uint64_t read = facts->written;
    bsc_engine_handle(
        sim->engine,
        &(struct bsc_event){ .kind = BSC_EVENT_FACTS, .service = wanted->name, .facts = &told });
    if (taken)
        facts->read = read;
}

void sim_router_turn(struct sim *sim)
{
    end_requests(sim);
    generations_turn(sim);
    for (unsigned s = 0; s < SIM_SERVICES; s++) {
        for (unsigned g = 0; g < SIM_GENERATIONS; g++) {
            struct sim_generation *generation = &sim->generations[g];
            if (!generation->alive)
                continue;
            if (generation->adopts_at_ms[s] && generation->adopts_at_ms[s] <= sim->now_ms) {
                generation->adopts_at_ms[s] = 0;
                if (sim->published[s])
                    adopt(sim, &generation->routes[s], &sim->wanted[s]);
            }
            may_trip(sim, &generation->routes[s]);
            bool takes = !generation->retiring || generation->retires_ms > sim->now_ms;
            if (takes && !sim->calm)
                request(sim, g, s);
            sim_look(sim, g, s);
        }
        count(sim, s);
        compare(sim, s);
        tell_facts(sim, s);
        if (sim->snapshot_at_ms[s] && sim->snapshot_at_ms[s] <= sim->now_ms) {
            sim->snapshot_at_ms[s] = 0;
            if (sim->published[s])
                sim->snapshot[s] = sim->wanted[s];
        }
    }
    for (size_t i = 0; i < sim->wait_high; i++) {
        struct sim_wait *wait = &sim->waits[i];
        if (!wait->token || !wait_over(sim, wait))
            continue;
        struct bsc_event event = { .kind = wait->drain ? BSC_EVENT_DRAINED : BSC_EVENT_PUBLISHED,
                                   .token = wait->token };
        wait->token = 0;
        sim_send(sim, (int64_t)sim_random(sim, 3), &event);
    }
}

int64_t sim_router_next_ms(const struct sim *sim)
{
    int64_t next = INT64_MAX;
    for (unsigned s = 0; s < SIM_SERVICES; s++) {
        for (unsigned g = 0; g < SIM_GENERATIONS; g++) {
            int64_t at = sim->generations[g].adopts_at_ms[s];
            if (sim->generations[g].alive && at && at < next)
                next = at;
        }
        if (sim->snapshot_at_ms[s] && sim->snapshot_at_ms[s] < next)
            next = sim->snapshot_at_ms[s];
    }
    return next;
}

/* Proxies keep what they have; what was on its way to them or to the supervisor is lost. */
void sim_router_controller_lost(struct sim *sim)
{
    memset(sim->waits, 0, sizeof sim->waits);
    memset(sim->snapshot_at_ms, 0, sizeof sim->snapshot_at_ms);
    memset(sim->published, 0, sizeof sim->published);
    for (unsigned g = 0; g < SIM_GENERATIONS; g++)
        memset(sim->generations[g].adopts_at_ms, 0, sizeof sim->generations[g].adopts_at_ms);
}

void sim_router_stop(struct sim *sim)
{
    while (sim->flying_count)
        sim->flying[--sim->flying_count].id->flying--;
    for (unsigned g = 0; g < SIM_GENERATIONS; g++)
        sim->generations[g] = (struct sim_generation){ 0 };
    for (unsigned s = 0; s < SIM_SERVICES; s++) {
        sim->snapshot[s] = (struct sim_route){ 0 };
        sim->wanted[s].known = false;
        sim->served[s] = 0;
    }
}
