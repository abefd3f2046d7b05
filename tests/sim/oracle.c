/* SPDX-License-Identifier: Apache-2.0
 * sim/oracle.c - the invariants, looked at whenever something could break one.
 *
 * Numbers as in docs/architecture.md: 1 one live slot, 2 no weight without health, 3 nothing is
 * stopped while it is used, 5 every rollout ends once, 6 stored before done, 7 a failed store loses
 * nothing. (4, evidence, concerns strategies that judge.)
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

static const struct bsc_service_row *service_row(struct sim *sim, const char *name)
{
    const struct bsc_stored_state *state = sim_store_state(sim);
    for (unsigned i = 0; i < state->service_count; i++)
        if (!strcmp(state->services[i].name, name))
            return &state->services[i];
    return NULL;
}

static const struct bsc_instance_row *instance_row(struct sim *sim, const char *id)
{
    const struct bsc_stored_state *state = sim_store_state(sim);
    for (unsigned i = 0; i < state->instance_count; i++)
        if (!strcmp(state->instances[i].id, id))
            return &state->instances[i];
    return NULL;
}

/* Where nothing happens to instances they start: whoever waits for them in vain took others for
 * his, or never asked. */
static void check_starts(struct sim *sim)
{
    const struct bsc_stored_state *state = sim_store_state(sim);
    if (!sim->weather.kind)
        return;
    for (unsigned i = 0; i < state->rollout_count; i++) {
        const struct bsc_rollout_row *row = &state->rollouts[i];
        const struct bsc_step *step = row->plan.steps;
        while (step->kind != BSC_STEP_START && step < row->plan.steps + row->plan.count - 1)
            step++;
        bool reached = step->kind == BSC_STEP_START && step->state != BSC_STEP_PENDING &&
                       step[1].state == BSC_STEP_PENDING;
        if (reached && row->walk.status == BSC_ROLLOUT_FAILED)
            sim_fail(sim, "rollout %llu waited in vain for its instances: %s",
                     (unsigned long long)row->id, row->reason);
    }
}

/* While a rollout is paused the candidate never gets more. */
static void check_pause(struct sim *sim, const struct bsc_service_row *row)
{
    const struct bsc_stored_state *state = sim_store_state(sim);
    struct sim_held *held = &sim->held[sim_service_index(row->name)];
    const struct bsc_rollout_row *paused = NULL;
    for (unsigned i = 0; i < state->rollout_count && !paused; i++)
        if (!strcmp(state->rollouts[i].service, row->name) && state->rollouts[i].walk.paused)
            paused = &state->rollouts[i];
    if (!paused) {
        held->rollout = 0;
        return;
    }
    if (paused->walk.status != BSC_ROLLOUT_RUNNING)
        sim_fail(sim, "rollout %llu is paused and %s", (unsigned long long)paused->id,
                 bsc_rollout_status_name(paused->walk.status));
    if (held->rollout == paused->id && row->weight_bp[paused->slot] > held->weight_bp)
        sim_fail(sim, "rollout %llu is paused, and its weight raised from %u to %u",
                 (unsigned long long)paused->id, held->weight_bp, row->weight_bp[paused->slot]);
    *held = (struct sim_held){ paused->id, row->weight_bp[paused->slot] };
}

static void check_abort(struct sim *sim, const struct bsc_rollout_row *row)
{
    enum bsc_rollout_status status = row->walk.status;
    bool went_on = status == BSC_ROLLOUT_RUNNING || status == BSC_ROLLOUT_PROMOTED ||
                   status == BSC_ROLLOUT_STAGED || status == BSC_ROLLOUT_SUPERSEDED;
    if (row->id == sim->aborted[sim_service_index(row->service)] && went_on)
        sim_fail(sim, "rollout %llu was aborted, and is %s", (unsigned long long)row->id,
                 bsc_rollout_status_name(status));
}

/* What was superseded has a successor: one that began, is about to, or was taken back before. */
static void check_superseded(struct sim *sim, const struct bsc_rollout_row *row)
{
    const struct bsc_stored_state *state = sim_store_state(sim);
    const struct bsc_service_row *service = service_row(sim, row->service);
    bool found = service == NULL || service->next.rollout > row->id;
    if (row->walk.status != BSC_ROLLOUT_SUPERSEDED)
        return;
    for (unsigned i = 0; i < state->rollout_count && !found; i++)
        found = state->rollouts[i].id > row->id && state->rollouts[i].service == row->service;
    if (!found)
        sim_fail(sim, "rollout %llu is superseded by nothing", (unsigned long long)row->id);
}

void sim_aborted(struct sim *sim, uint64_t rollout)
{
    const struct bsc_stored_state *state = sim_store_state(sim);
    for (unsigned i = 0; i < state->rollout_count; i++)
        if (state->rollouts[i].id == rollout) {
            sim->aborted[sim_service_index(state->rollouts[i].service)] = rollout;
            check_abort(sim, &state->rollouts[i]);
        }
}

static const struct bsc_spec *release_spec(struct sim *sim, uint64_t id)
{
    const struct bsc_stored_state *state = sim_store_state(sim);
    for (unsigned i = 0; i < state->release_count; i++)
        if (state->releases[i].id == id)
            return state->releases[i].spec;
    return NULL;
}

/* No data is not success: a watch that leaves the live version some of the traffic does not end
 * well when nobody asked the candidate anything. */
static void check_mirrored(struct sim *sim, const struct bsc_rollout_row *row)
{
    for (unsigned i = 0; i < row->plan.count && !sim->fate.script; i++)
        if (row->plan.steps[i].kind == BSC_STEP_MIRROR &&
            row->plan.steps[i].state == BSC_STEP_DONE &&
            sim_trial_of(sim, row->id) != SIM_TRIAL_GOOD)
            sim_fail(sim, "invariant 4: r%llu passed step %u, and its answers are not alike",
                     (unsigned long long)row->id, i + 1);
}

static void check_evidence(struct sim *sim, const struct bsc_rollout_row *row)
{
    const struct bsc_spec *spec = release_spec(sim, row->release);
    unsigned weight_bp = BSC_WEIGHT_FULL_BP;
    if (!spec || !spec->deploy.analysis.enabled || bsc_spec_is_worker(spec) || sim->fate.script ||
        sim_trial_of(sim, row->id) != SIM_TRIAL_SILENT ||
        (row->kind != BSC_PLAN_DEPLOY && row->kind != BSC_PLAN_SWITCH))
        return;
    for (unsigned i = 0; i < row->plan.count; i++) {
        const struct bsc_step *step = &row->plan.steps[i];
        if (step->kind == BSC_STEP_SPLIT || step->kind == BSC_STEP_MATCH)
            weight_bp = step->weight_bp;
        if (step->kind == BSC_STEP_BAKE && step->state == BSC_STEP_DONE &&
            weight_bp < BSC_WEIGHT_FULL_BP)
            sim_fail(sim, "invariant 4: r%llu passed step %u without a request",
                     (unsigned long long)row->id, i + 1);
    }
}

/* Can what this one answers ever be enough to end a bake or to pass a gate? */
static bool can_pass(const struct bsc_query_spec *query)
{
    bool silent = !strcmp(query->name, "none") || !strcmp(query->name, "hangs");
    return query->dry_run ||
           (strcmp(query->name, "bad") != 0 && (!silent || query->on_error == BSC_QUERY_IGNORES));
}

/* Nor does any watch end well against what others say, or when they say nothing. */
static void check_queries(struct sim *sim, const struct bsc_rollout_row *row)
{
    const struct bsc_spec *spec = release_spec(sim, row->release);
    if (!spec || !spec->deploy.analysis.enabled || sim->fate.script ||
        (row->kind != BSC_PLAN_DEPLOY && row->kind != BSC_PLAN_SWITCH))
        return;
    const struct bsc_query_list *queries = &spec->deploy.analysis.queries;
    for (unsigned i = 0; i < row->plan.count; i++)
        for (unsigned q = 0; q < queries->count; q++)
            if (row->plan.steps[i].kind == BSC_STEP_BAKE &&
                row->plan.steps[i].state == BSC_STEP_DONE && !can_pass(&queries->items[q]))
                sim_fail(sim, "invariant 4: r%llu passed step %u although '%s' never did",
                         (unsigned long long)row->id, i + 1, queries->items[q].name);
}

/* A gate whose command failed was not passed, nor one against what others say. */
static void check_gates(struct sim *sim, const struct bsc_rollout_row *row)
{
    const struct bsc_spec *spec = release_spec(sim, row->release);
    for (unsigned i = 0; i < row->plan.count; i++) {
        const struct bsc_step *step = &row->plan.steps[i];
        char id[BSC_ID_BYTES];
        if (step->kind != BSC_STEP_GATE || step->state != BSC_STEP_DONE)
            continue;
        if (spec && step->gate == BSC_GATE_QUERY &&
            !can_pass(spec->deploy.gates.items[step->item].query))
            sim_fail(sim, "r%llu passed gate %u although '%s' never did",
                     (unsigned long long)row->id, i,
                     spec->deploy.gates.items[step->item].query->name);
        snprintf(id, sizeof id, "%s-gate-%llu-%u", row->service, (unsigned long long)row->id, i);
        const struct sim_process *process = sim_process_find(sim, id);
        if (process && (process->running || process->wait_status))
            sim_fail(sim, "r%llu passed gate %s, which %s", (unsigned long long)row->id, id,
                     process->running ? "runs" : "failed");
    }
}

/* Each user once: all that was read is counted, and nothing twice. Nobody wins where nobody came.
 */
static void check_trials(struct sim *sim)
{
    const struct bsc_stored_state *state = sim_store_state(sim);
    for (unsigned i = 0; i < state->trial_count; i++) {
        const struct bsc_trial_row *row = &state->trials[i];
        uint64_t users = row->tally.candidate.users + row->tally.live.users;
        double paid = row->tally.candidate.sum + row->tally.live.sum;
        uint64_t read = row->source_count ? row->sources[0].read : 0;
        if (!row->over && (users != read || users != row->user_count))
            sim_fail(sim, "invariant 7: r%llu counts %llu users and has %u, of %llu",
                     (unsigned long long)row->rollout, (unsigned long long)users, row->user_count,
                     (unsigned long long)read);
        if (fabs(paid - (double)users) > .5)
            sim_fail(sim, "invariant 7: the users of r%llu paid %.0f and not %llu, one each",
                     (unsigned long long)row->rollout, paid, (unsigned long long)users);
        if (!users && row->verdict != BSC_TRIAL_OPEN)
            sim_fail(sim, "invariant 4: r%llu is decided without a user",
                     (unsigned long long)row->rollout);
    }
}

static void check_trial_ended(struct sim *sim, const struct bsc_rollout_row *row)
{
    const struct bsc_spec *spec = release_spec(sim, row->release);
    for (unsigned i = 0; spec && i < row->plan.count; i++)
        if (row->plan.steps[i].kind == BSC_STEP_TRIAL &&
            row->plan.steps[i].state == BSC_STEP_DONE &&
            sim_trial_of(sim, row->id) != SIM_TRIAL_GOOD &&
            spec->deploy.ab.undecided == BSC_UNDECIDED_BACK)
            sim_fail(sim, "invariant 4: r%llu goes on although users did not decide for it",
                     (unsigned long long)row->id);
}

void sim_check_durable(struct sim *sim)
{
    const struct bsc_stored_state *state = sim_store_state(sim);
    check_starts(sim);
    sim_check_groups(sim);
    check_trials(sim);
    for (unsigned i = 0; i < state->rollout_count; i++) {
        check_abort(sim, &state->rollouts[i]);
        check_superseded(sim, &state->rollouts[i]);
        check_evidence(sim, &state->rollouts[i]);
        check_queries(sim, &state->rollouts[i]);
        check_mirrored(sim, &state->rollouts[i]);
        check_gates(sim, &state->rollouts[i]);
        check_trial_ended(sim, &state->rollouts[i]);
    }
    for (unsigned i = 0; i < state->service_count; i++) {
        const struct bsc_service_row *row = &state->services[i];
        unsigned live = 0, records = 0;
        check_pause(sim, row);
        for (unsigned slot = 0; slot < BSC_SLOT_COUNT; slot++)
            live += row->slots.state[slot] == BSC_SLOT_LIVE;
        for (unsigned j = 0; j < state->record_count; j++)
            records += state->records[j].record.status == BSC_RECORD_LIVE &&
                       !strcmp(state->records[j].service, row->name);
        if (live != 1 || row->slots.state[row->slots.live] != BSC_SLOT_LIVE)
            sim_fail(sim, "invariant 1: %s has %u live slots", row->name, live);
        if (row->weight_bp[0] + row->weight_bp[1] != BSC_WEIGHT_FULL_BP)
            sim_fail(sim, "invariant 1: the weights of %s are %u and %u", row->name,
                     row->weight_bp[0], row->weight_bp[1]);
        if (records > 1)
            sim_fail(sim, "%s has %u live records", row->name, records);
        for (unsigned slot = 0; slot < BSC_SLOT_COUNT; slot++)
            if (row->weight_bp[slot] && row->slots.state[slot] != BSC_SLOT_LIVE &&
                !row->slots.checked[slot])
                sim_fail(sim, "invariant 2: %s %s is %s with weight %u", row->name,
                         bsc_slot_name((enum bsc_slot)slot),
                         bsc_slot_state_name(row->slots.state[slot]), row->weight_bp[slot]);
    }
}

static bool truly_healthy(struct sim *sim, const struct bsc_routing *routing, enum bsc_slot slot)
{
    unsigned healthy = 0;
    for (unsigned i = 0; i < routing->endpoint_count; i++) {
        const struct sim_process *process = sim_process_find(sim, routing->endpoints[i].id);
        healthy += routing->endpoints[i].slot == slot && routing->endpoints[i].healthy && process &&
                   !process->doomed;
    }
    return healthy != 0;
}

static bool listed_healthy(const struct bsc_routing *routing, enum bsc_slot slot)
{
    for (unsigned i = 0; i < routing->endpoint_count; i++)
        if (routing->endpoints[i].slot == slot && routing->endpoints[i].healthy)
            return true;
    return false;
}

/* The open rollout of a service, as it is stored. */
static const struct bsc_rollout_row *rollout_row(struct sim *sim, const char *service)
{
    const struct bsc_stored_state *state = sim_store_state(sim);
    for (unsigned i = 0; i < state->rollout_count; i++)
        if (!strcmp(state->rollouts[i].service, service) &&
            !bsc_rollout_ended(state->rollouts[i].walk.status))
            return &state->rollouts[i];
    return NULL;
}

static bool named(const struct bsc_routing *routing, const struct sim_id *id)
{
    for (unsigned i = 0; i < routing->endpoint_count; i++)
        if (!strcmp(routing->endpoints[i].id, id->text))
            return true;
    return false;
}

/* A rolling release takes no healthy instance out of the routing while it is not above what it must
 * keep. On the way back that holds where old instances come up again. */
static void check_capacity(struct sim *sim, const struct bsc_service_row *row,
                           const struct bsc_routing *routing)
{
    const struct sim_route *before = &sim->wanted[sim_service_index(row->name)];
    const struct bsc_rollout_row *rollout = rollout_row(sim, row->name);
    if (!rollout || rollout->strategy != BSC_STRATEGY_ROLLING || !before->known ||
        (rollout->walk.status == BSC_ROLLOUT_UNDOING && !sim->weather.kind))
        return;
    const struct bsc_spec *next = release_spec(sim, rollout->release);
    const struct bsc_spec *old = release_spec(sim, row->release[bsc_slot_other(rollout->slot)]);
    const struct bsc_spec *how = rollout->kind == BSC_PLAN_REVERT ? old : next;
    if (!next || !old || next->runtime == BSC_RUNTIME_STATIC)
        return;
    unsigned healthy = 0, needed = bsc_spec_capacity(how, next->replicas);
    for (unsigned i = 0; i < routing->endpoint_count; i++)
        healthy += routing->endpoints[i].healthy;
    if (needed > old->replicas)
        needed = old->replicas;
    for (unsigned i = 0; i < before->endpoint_count && healthy < needed; i++) {
        const struct sim_endpoint *endpoint = &before->endpoints[i];
        const struct bsc_instance_row *gone = instance_row(sim, endpoint->id->text);
        const struct sim_process *process = endpoint->id->process;
        if (endpoint->healthy && before->weight_bp[endpoint->slot] &&
            !named(routing, endpoint->id) && gone && gone->phase == BSC_INSTANCE_DRAINING &&
            process && process->running) /* who died goes first, and takes nothing along */
            sim_fail(sim, "capacity: %s is taken out and leaves %u healthy instances of %u",
                     endpoint->id->text, healthy, needed);
    }
}

/* Of a service that is recreated, or a worker that is stopped first, two versions never run at
 * once. */
static void check_alone(struct sim *sim, const struct bsc_instance_row *row)
{
    const struct bsc_rollout_row *rollout = rollout_row(sim, row->service);
    const struct bsc_stored_state *state = sim_store_state(sim);
    if (!rollout ||
        (rollout->strategy != BSC_STRATEGY_RECREATE && !sim_stops_first(&rollout->plan)))
        return;
    bool candidate = row->release == rollout->release;
    for (unsigned i = 0; i < state->instance_count; i++) {
        const struct bsc_instance_row *other = &state->instances[i];
        const struct sim_process *process = sim_process_find(sim, other->id);
        if (!process || !process->running || process->foreign ||
            strcmp(other->service, row->service) != 0)
            continue;
        if (candidate ? other->release != rollout->release : other->release == rollout->release)
            sim_fail(sim, "recreate: %s is started while %s of another version runs", row->id,
                     other->id);
    }
}

/* Users are chosen for a candidate that goes forward, and for nobody on the way back. */
static void check_match(struct sim *sim, const struct bsc_service_row *row,
                        const struct bsc_routing *routing)
{
    const struct bsc_rollout_row *rollout = rollout_row(sim, row->name);
    if (!routing->match)
        return;
    if (!rollout || rollout->walk.status != BSC_ROLLOUT_RUNNING)
        sim_fail(sim, "match rules of %s are in force, and its rollout is %s", row->name,
                 rollout ? bsc_rollout_status_name(rollout->walk.status) : "over");
    else if (!bsc_plan_matches(&rollout->plan) || routing->candidate != rollout->slot ||
             routing->generation != row->generation) /* what is given back early has none */
        sim_fail(sim, "invariant 6: match rules of %s are in force, and not stored so", row->name);
    else if (routing->weight_bp[rollout->slot] == BSC_WEIGHT_FULL_BP)
        sim_fail(sim, "match rules of %s are in force with all the traffic", row->name);
}

/* Requests are copied while a step says so, to a candidate that was checked. */
static void check_mirror(struct sim *sim, const struct bsc_service_row *row,
                         const struct bsc_routing *routing)
{
    const struct bsc_stored_state *state = sim_store_state(sim);
    if (!routing->mirror)
        return;
    for (unsigned i = 0; i < state->rollout_count; i++) {
        const struct bsc_rollout_row *rollout = &state->rollouts[i];
        if (rollout->id == routing->rollout && rollout->walk.status == BSC_ROLLOUT_RUNNING &&
            bsc_plan_mirror(&rollout->plan) && row->slots.checked[rollout->slot])
            return;
    }
    sim_fail(sim, "requests of %s are copied, and no stored step says so", row->name);
}

void sim_check_publish(struct sim *sim, const struct bsc_routing *routing)
{
    const struct bsc_service_row *row = service_row(sim, routing->spec->name);
    if (!row) {
        sim_fail(sim, "invariant 6: %s is published before it is stored", routing->spec->name);
        return;
    }
    if (memcmp(routing->weight_bp, row->weight_bp, sizeof row->weight_bp) != 0 &&
        routing->weight_bp[row->stable] != BSC_WEIGHT_FULL_BP)
        sim_fail(sim, "invariant 6: %s gets weights that are not stored and not stable's",
                 row->name);
    if (routing->rescue &&
        (routing->stable != row->stable || !listed_healthy(routing, routing->stable)))
        sim_fail(sim, "%s is rescued by %s, which is not stable or not healthy", row->name,
                 bsc_slot_name(routing->stable));
    check_capacity(sim, row, routing);
    check_match(sim, row, routing);
    check_mirror(sim, row, routing);
    sim_check_preview(sim, row, routing);
    const struct sim_route *before = &sim->wanted[sim_service_index(row->name)];
    for (unsigned i = 0; i < BSC_SLOT_COUNT; i++) {
        enum bsc_slot slot = (enum bsc_slot)i;
        bool chosen = routing->match && !before->match && slot == routing->candidate;
        if (!before->known || slot == row->stable ||
            (routing->weight_bp[slot] <= before->weight_bp[slot] && !chosen))
            continue;
        if (!row->slots.checked[slot])
            sim_fail(sim, "invariant 2: the weight of %s %s is raised, and it is not checked",
                     row->name, bsc_slot_name(slot));
        if (!truly_healthy(sim, routing, slot))
            sim_fail(sim, "invariant 2: the weight of %s %s is raised, and none of it is healthy",
                     row->name, bsc_slot_name(slot));
    }
}

static bool is_command(const char *id)
{
    return strstr(id, "-hook-") || strstr(id, "-gate-");
}

void sim_check_start(struct sim *sim, const struct bsc_launch *launch)
{
    const struct bsc_stored_state *state = sim_store_state(sim);
    if (is_command(launch->id)) {
        sim_check_preview_command(sim, launch);
        enum bsc_step_kind kind = strstr(launch->id, "-hook-") ? BSC_STEP_HOOK : BSC_STEP_GATE;
        for (unsigned i = 0; i < state->rollout_count; i++) {
            const struct bsc_rollout_row *row = &state->rollouts[i];
            if (!bsc_walk_over(&row->walk, &row->plan) &&
                row->plan.steps[row->walk.cursor].kind == kind &&
                !strncmp(row->service, launch->id, 2))
                return;
        }
        sim_fail(sim, "invariant 6: hook %s runs and no stored rollout is there", launch->id);
        return;
    }
    const struct bsc_instance_row *row = instance_row(sim, launch->id);
    if (!row || row->phase != BSC_INSTANCE_STARTING)
        sim_fail(sim, "invariant 6: %s is started and not stored as starting", launch->id);
    if (row)
        check_alone(sim, row);
}

void sim_check_stop(struct sim *sim, const char *id)
{
    const struct bsc_instance_row *row = instance_row(sim, id);
    const struct sim_process *process = sim_process_find(sim, id);
    if (is_command(id))
        return;
    if (row && row->phase != BSC_INSTANCE_STOPPING && !sim->terminating)
        sim_fail(sim, "invariant 6: %s is stopped and not stored as stopping", id);
    if (!process || !process->running || process->stopped || sim->terminating)
        return;
    if (sim_router_reaches(sim, process->id))
        sim_fail(sim, "invariant 3: %s is stopped while a proxy sends requests there", id);
    if (process->id->flying &&
        (!process->excluded_ms ||
         sim->now_ms - process->excluded_ms < sim->drain_ms[sim_service_index(id)] - 100))
        sim_fail(sim,
                 "invariant 3: %s is stopped with %u requests in flight before its drain ended", id,
                 process->id->flying);
}

enum bsc_slot sim_stable(struct sim *sim, unsigned service)
{
    char name[] = { 's', (char)('0' + service), '\0' };
    const struct bsc_service_row *row = service_row(sim, name);
    return row ? row->stable : BSC_BLUE;
}

bool sim_must_serve(struct sim *sim, unsigned service)
{
    char name[] = { 's', (char)('0' + service), '\0' };
    const struct bsc_service_row *row = service_row(sim, name);
    const struct bsc_stored_state *state = sim_store_state(sim);
    if (row && bsc_spec_is_worker(row->spec)) /* nobody asks it anything */
        return false;
    for (unsigned i = 0; sim->weather.kind && row && !row->removed && i < state->release_count; i++)
        if (state->releases[i].id == row->release[row->stable])
            return state->releases[i].live_ms != 0; /* it was promoted by us, so it was healthy */
    return false;
}

void sim_check_stopped(struct sim *sim)
{
    for (unsigned i = 0; i < sim->process_high; i++) {
        const struct sim_process *process = &sim->processes[i];
        if (process->used && process->running && !process->foreign && !process->hook)
            sim_fail(sim, "everything is said to be stopped, and %s runs", process->id->text);
    }
}

static void check_processes(struct sim *sim)
{
    const struct bsc_stored_state *state = sim_store_state(sim);
    for (unsigned i = 0; i < sim->process_high; i++) {
        const struct sim_process *process = &sim->processes[i];
        if (process->used && process->running && !process->foreign &&
            !instance_row(sim, process->id->text))
            sim_fail(sim, "I4: %s runs and nobody knows it", process->id->text);
    }
    for (unsigned i = 0; i < state->instance_count; i++) {
        const struct bsc_instance_row *row = &state->instances[i];
        const struct sim_process *process = sim_process_find(sim, row->id);
        if (row->phase == BSC_INSTANCE_RUNNING && (!process || !process->running))
            sim_fail(sim, "%s is stored as running and does not", row->id);
        if (row->phase == BSC_INSTANCE_DRAINING || row->phase == BSC_INSTANCE_STOPPING)
            sim_fail(sim, "%s never finished stopping", row->id);
    }
}

static void check_service_end(struct sim *sim, const struct bsc_service *service)
{
    const struct bsc_service_row *row = service_row(sim, service->name);
    enum bsc_slot live = service->row.slots.live;
    const struct bsc_release *release = bsc_service_release(service, service->row.release[live]);
    unsigned healthy = 0;
    if (!row) {
        sim_fail(sim, "invariant 7: %s is in memory and not stored", service->name);
        return;
    }
    if (memcmp(&row->slots, &service->row.slots, sizeof row->slots) != 0 ||
        memcmp(row->weight_bp, service->row.weight_bp, sizeof row->weight_bp) != 0 ||
        memcmp(row->release, service->row.release, sizeof row->release) != 0)
        sim_fail(sim, "invariant 7: memory and store differ for %s", service->name);
    if (bsc_service_busy(service))
        sim_fail(sim, "invariant 5: rollout %llu of %s never ends: step %u, %s, waiting: %s",
                 (unsigned long long)service->rollout->row.id, service->name,
                 service->rollout->row.walk.cursor,
                 bsc_rollout_status_name(service->rollout->row.walk.status),
                 service->rollout->waiting);
    if (service->row.weight_bp[live] != BSC_WEIGHT_FULL_BP)
        sim_fail(sim, "%s is live with weight %u", bsc_slot_name(live),
                 service->row.weight_bp[live]);
    for (size_t i = 0; i < service->instance_count; i++)
        if (row->slots.state[service->instances[i].row.slot] == BSC_SLOT_FAILED)
            sim_fail(sim, "%s is kept in %s of %s, which failed", service->instances[i].row.id,
                     bsc_slot_name(service->instances[i].row.slot), service->name);
    for (size_t i = 0; i < service->instance_count; i++)
        healthy += service->instances[i].row.slot == live && service->instances[i].row.healthy;
    if (release && release->row.spec->restart == BSC_RESTART_ALWAYS &&
        healthy < bsc_spec_instances(release->row.spec, live))
        sim_fail(sim, "%s has %u healthy live instances", service->name, healthy);
    const struct sim_route *route = &sim->generations[0].routes[sim_service_index(service->name)];
    for (unsigned g = 0; g < SIM_GENERATIONS; g++)
        if (sim->generations[g].alive && !sim->generations[g].retiring)
            route = &sim->generations[g].routes[sim_service_index(service->name)];
    if (memcmp(route->weight_bp, service->row.weight_bp, sizeof route->weight_bp) != 0)
        sim_fail(sim, "I2: the proxy sends %s elsewhere than the store says", service->name);
    if (route->match)
        sim_fail(sim, "match rules of %s are in force, and no rollout is", service->name);
    sim_check_preview_at_rest(sim, service, route);
    if (route->traffic != service->row.traffic)
        sim_fail(sim, "requests for %s are still held", service->name);
}

void sim_check_end(struct sim *sim)
{
    const struct bsc_stored_state *state = sim_store_state(sim);
    for (unsigned i = 0; i < state->rollout_count; i++)
        if (!bsc_walk_over(&state->rollouts[i].walk, &state->rollouts[i].plan))
            sim_fail(sim, "invariant 5: rollout %llu is stored as %s at step %u",
                     (unsigned long long)state->rollouts[i].id,
                     bsc_rollout_status_name(state->rollouts[i].walk.status),
                     state->rollouts[i].walk.cursor);
    for (const struct bsc_service *s = bsc_engine_services(sim->engine); s; s = s->next)
        check_service_end(sim, s);
    check_processes(sim);
    for (size_t i = 0; i < sizeof sim->open / sizeof *sim->open; i++)
        if (sim->open[i].token)
            sim_fail(sim, "a command asked for at %lld ms was never answered",
                     (long long)sim->open[i].asked_ms);
}

bool sim_at_rest(struct sim *sim)
{
    sim->trial = true;
    sim_check_end(sim);
    sim->trial = false;
    bool rest = !sim->failure[0];
    sim->failure[0] = '\0';
    return rest;
}
