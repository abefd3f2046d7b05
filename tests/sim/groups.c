/* SPDX-License-Identifier: Apache-2.0
 * sim/groups.c - what must hold of services that are released together: all of them or none.
 */
#include "world.h"

struct members {
    unsigned running, promoted, back; /* back: taken back, or on the way */
    unsigned split, whole;            /* of those that the proxies send something: who has it */
};

static bool has_split(const struct bsc_plan *plan, bool begun)
{
    for (unsigned i = 0; i < plan->count; i++)
        if (plan->steps[i].kind == BSC_STEP_SPLIT &&
            (!begun || plan->steps[i].state != BSC_STEP_PENDING))
            return true;
    return false;
}

bool sim_stops_first(const struct bsc_plan *plan)
{
    for (unsigned i = 0; i < plan->count && plan->steps[i].kind != BSC_STEP_START; i++)
        if (plan->steps[i].kind == BSC_STEP_STOP && plan->steps[i].undo == BSC_UNDO_RESTART)
            return true;
    return false;
}

static struct members members_of(const struct bsc_stored_state *state, uint64_t group)
{
    struct members members = { 0 };
    for (unsigned i = 0; i < state->rollout_count; i++) {
        const struct bsc_rollout_row *row = &state->rollouts[i];
        if (row->group.id != group)
            continue;
        members.running += row->walk.status == BSC_ROLLOUT_RUNNING;
        members.promoted += row->walk.status == BSC_ROLLOUT_PROMOTED;
        members.back +=
            row->walk.status != BSC_ROLLOUT_RUNNING && row->walk.status != BSC_ROLLOUT_PROMOTED;
        members.whole += has_split(&row->plan, false);
        members.split += has_split(&row->plan, true);
    }
    return members;
}

/* In whatever transaction one gets through, all do. */
void sim_check_groups(struct sim *sim)
{
    const struct bsc_stored_state *state = sim_store_state(sim);
    for (unsigned i = 0; i < state->rollout_count; i++) {
        const struct bsc_rollout_row *row = &state->rollouts[i];
        if (!row->group.id)
            continue;
        struct members members = members_of(state, row->group.id);
        if ((members.running != 0) + (members.promoted != 0) + (members.back != 0) > 1)
            sim_fail(sim, "group %llu: %u members run, %u are promoted, %u taken back",
                     (unsigned long long)row->group.id, members.running, members.promoted,
                     members.back);
        if (members.running && members.split && members.split < members.whole)
            sim_fail(sim, "group %llu: %u of %u members have the traffic",
                     (unsigned long long)row->group.id, members.split, members.whole);
    }
}

void sim_check_together(struct sim *sim)
{
    const struct bsc_stored_state *state = sim_store_state(sim);
    for (unsigned i = 0; i < state->rollout_count; i++)
        for (unsigned j = 0; j < i; j++) {
            const struct bsc_rollout_row *a = &state->rollouts[i], *b = &state->rollouts[j];
            const struct sim_route *to_a = &sim->wanted[sim_service_index(a->service)];
            const struct sim_route *to_b = &sim->wanted[sim_service_index(b->service)];
            bool open = !bsc_rollout_ended(a->walk.status) && !bsc_rollout_ended(b->walk.status);
            if (!open || !a->group.id || a->group.id != b->group.id || !to_a->known ||
                !to_b->known || !has_split(&a->plan, false) || !has_split(&b->plan, false))
                continue;
            if (!to_a->weight_bp[a->slot] != !to_b->weight_bp[b->slot])
                sim_fail(sim, "group %llu: the proxies were told %u for %s and %u for %s",
                         (unsigned long long)a->group.id, to_a->weight_bp[a->slot], a->service,
                         to_b->weight_bp[b->slot], b->service);
        }
}
