/* SPDX-License-Identifier: Apache-2.0
 * sim/memory.c - invariant 7 from the other side: whenever nothing is on its way to the store, the
 * engine's memory is what is stored, row by row. What was changed and not written down shows here.
 */
#include <string.h>

#include "engine/internal.h"
#include "world.h"

static bool same_slots(const struct bsc_service_row *a, const struct bsc_service_row *b)
{
    for (unsigned slot = 0; slot < BSC_SLOT_COUNT; slot++)
        if (a->slots.state[slot] != b->slots.state[slot] ||
            a->slots.checked[slot] != b->slots.checked[slot] ||
            a->release[slot] != b->release[slot] || a->record[slot] != b->record[slot] ||
            a->weight_bp[slot] != b->weight_bp[slot])
            return false;
    return a->slots.live == b->slots.live && a->stable == b->stable;
}

static bool same_service(const struct bsc_service_row *a, const struct bsc_service_row *b)
{
    return same_slots(a, b) && a->spec == b->spec && a->standby_until_ms == b->standby_until_ms &&
           a->traffic == b->traffic && a->generation == b->generation && a->removed == b->removed &&
           a->lock.at_ms == b->lock.at_ms && a->next.rollout == b->next.rollout &&
           a->next.release == b->next.release && a->next.kind == b->next.kind &&
           a->next.group.id == b->next.group.id;
}

static bool same_instance(const struct bsc_instance_row *a, const struct bsc_instance_row *b)
{
    return a->release == b->release && a->slot == b->slot && a->position == b->position &&
           a->port == b->port && !strcmp(a->address, b->address) && a->phase == b->phase &&
           a->healthy == b->healthy;
}

static bool same_rollout(const struct bsc_rollout_row *a, const struct bsc_rollout_row *b)
{
    if (a->walk.status != b->walk.status || a->walk.ending != b->walk.ending ||
        a->walk.cursor != b->walk.cursor || a->ended_ms != b->ended_ms ||
        a->plan.count != b->plan.count || a->paused_ms != b->paused_ms ||
        a->walk.paused != b->walk.paused || a->baked_ms != b->baked_ms ||
        a->group.id != b->group.id || strcmp(a->reason, b->reason) != 0)
        return false;
    for (unsigned i = 0; i < a->plan.count; i++)
        if (a->plan.steps[i].state != b->plan.steps[i].state)
            return false;
    return true;
}

static bool same_record(const struct bsc_record *a, const struct bsc_record *b)
{
    return a->slot == b->slot && a->status == b->status && !strcmp(a->version, b->version) &&
           a->deployed_at_ms == b->deployed_at_ms && a->switched_at_ms == b->switched_at_ms &&
           a->rolled_back_at_ms == b->rolled_back_at_ms && !strcmp(a->reason, b->reason);
}

static void check_instances(struct sim *sim, const struct bsc_stored_state *state,
                            const struct bsc_service *service, const char *name)
{
    size_t stored = 0;
    for (unsigned i = 0; i < state->instance_count; i++) {
        const struct bsc_instance_row *row = &state->instances[i];
        if (row->service != name)
            continue;
        stored++;
        bool same = false;
        for (size_t j = 0; !same && j < service->instance_count; j++)
            same = same_instance(&service->instances[j].row, row) &&
                   !strcmp(service->instances[j].row.id, row->id);
        if (!same)
            sim_fail(sim, "invariant 7: instance %s is not what is stored", row->id);
    }
    if (stored != service->instance_count)
        sim_fail(sim, "invariant 7: %s has %zu instances, stored are %zu", service->name,
                 service->instance_count, stored);
}

static void check_releases(struct sim *sim, const struct bsc_stored_state *state,
                           const struct bsc_service *service, const char *name)
{
    size_t stored = 0;
    for (unsigned i = 0; i < state->release_count; i++) {
        const struct bsc_release_row *row = &state->releases[i];
        if (row->service != name)
            continue;
        stored++;
        const struct bsc_release *release = bsc_service_release(service, row->id);
        if (!release || release->row.spec != row->spec || release->row.live_ms != row->live_ms ||
            release->row.rejected != row->rejected || release->row.group != row->group)
            sim_fail(sim, "invariant 7: release %llu is not what is stored",
                     (unsigned long long)row->id);
    }
    if (stored != service->release_count)
        sim_fail(sim, "invariant 7: %s has %zu releases, stored are %zu", service->name,
                 service->release_count, stored);
}

static void check_history(struct sim *sim, const struct bsc_stored_state *state,
                          const struct bsc_service *service)
{
    unsigned i = service->rollout ? state->rollout_count : 0; /* the newest are the last */
    while (i && service->rollout->row.id != state->rollouts[i - 1].id)
        i--;
    if (service->rollout && (!i || !same_rollout(&service->rollout->row, &state->rollouts[i - 1])))
        sim_fail(sim, "invariant 7: rollout %llu is not what is stored",
                 (unsigned long long)service->rollout->row.id);
    for (unsigned slot = 0; slot < BSC_SLOT_COUNT; slot++) {
        const struct bsc_record *record = &service->records[slot];
        i = record->id ? state->record_count : 0;
        while (i && record->id != state->records[i - 1].record.id)
            i--;
        if (record->id && (!i || !same_record(record, &state->records[i - 1].record)))
            sim_fail(sim, "invariant 7: record %llu is not what is stored",
                     (unsigned long long)record->id);
    }
}

static const struct bsc_service_row *stored_service(const struct bsc_stored_state *state,
                                                    const char *name)
{
    for (unsigned i = 0; i < state->service_count; i++)
        if (!strcmp(state->services[i].name, name))
            return &state->services[i];
    return NULL;
}

bool sim_engine_free(const struct sim *sim)
{
    return sim->engine->phase == BSC_PHASE_READY && !sim->engine->commit_token;
}

void sim_check_memory(struct sim *sim)
{
    const struct bsc_stored_state *state = sim_store_state(sim);
    unsigned found = 0;
    if (!sim_engine_free(sim))
        return;
    for (const struct bsc_service *s = sim->engine->services; s; s = s->next) {
        const struct bsc_service_row *row = stored_service(state, s->name);
        found += row != NULL;
        if (!row || !same_service(&s->row, row)) {
            sim_fail(sim, "invariant 7: %s is not what is stored", s->name);
            return;
        }
        check_instances(sim, state, s, row->name);
        check_releases(sim, state, s, row->name);
        check_history(sim, state, s);
    }
    if (found != state->service_count)
        sim_fail(sim, "invariant 7: %u services are stored, memory knows %u of them",
                 state->service_count, found);
}
