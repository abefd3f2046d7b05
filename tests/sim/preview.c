/* SPDX-License-Identifier: Apache-2.0
 * sim/preview.c - what can be looked at before it is live: only what was checked and could be
 * switched to, as it is stored, and by commands not before every proxy knows.
 */
#include <string.h>

#include "world.h"

/* Of about every other service. */
void sim_draw_preview(const struct sim *sim, struct bsc_spec *spec, unsigned service)
{
    spec->preview.header = "X-Bascule-Preview";
    if (sim->seed >> service & 1)
        spec->preview.token = "0123456789abcdef";
}

static const struct bsc_rollout_row *undoing(struct sim *sim, const char *service)
{
    const struct bsc_stored_state *state = sim_store_state(sim);
    for (unsigned i = 0; i < state->rollout_count; i++)
        if (!strcmp(state->rollouts[i].service, service) &&
            state->rollouts[i].walk.status == BSC_ROLLOUT_UNDOING)
            return &state->rollouts[i];
    return NULL;
}

static bool can_be_switched_to(const struct bsc_slots *slots, enum bsc_slot slot)
{
    return slot != slots->live && slots->state[slot] == BSC_SLOT_READY && slots->checked[slot];
}

void sim_check_preview(struct sim *sim, const struct bsc_service_row *row,
                       const struct bsc_routing *routing)
{
    if (!routing->preview)
        return;
    if (!routing->spec->preview.token)
        sim_fail(sim, "%s can be looked at, and its file gives no way", row->name);
    if (!can_be_switched_to(&row->slots, routing->preview_slot))
        sim_fail(sim, "%s of %s can be looked at, and is not stored as checked and not live",
                 bsc_slot_name(routing->preview_slot), row->name);
    if (undoing(sim, row->name))
        sim_fail(sim, "%s can be looked at while it is taken back", row->name);
}

void sim_check_preview_at_rest(struct sim *sim, const struct bsc_service *service,
                               const struct sim_route *route)
{
    enum bsc_slot staging = bsc_slots_staging(&service->row.slots);
    bool open = service->row.spec->preview.token && !service->row.removed &&
                can_be_switched_to(&service->row.slots, staging);
    if (route->preview != open || (open && route->preview_slot != staging))
        sim_fail(sim, "what of %s can be looked at is not what the store says", service->name);
}

/* Whoever adopts something just now may have begun with an older snapshot. */
void sim_check_preview_command(struct sim *sim, const struct bsc_launch *launch)
{
    unsigned s = sim_service_index(launch->id);
    bool told = false;
    for (unsigned i = 0; i < launch->environment.count; i++)
        told = told || !strncmp(launch->environment.items[i], "PREVIEW_URL=", 12);
    for (unsigned g = 0; told && g < SIM_GENERATIONS; g++)
        if (sim->generations[g].alive && !sim->generations[g].adopts_at_ms[s] &&
            !sim->generations[g].routes[s].preview)
            sim_fail(sim, "%s runs, and proxy %u does not know of the preview", launch->id, g);
}

/* A look, now and then: at what runs. */
void sim_look(struct sim *sim, unsigned g, unsigned s)
{
    const struct sim_route *route = &sim->generations[g].routes[s];
    if (!route->known || !route->preview || sim->now_ms % 3 || sim->terminating)
        return;
    for (unsigned i = 0; i < route->endpoint_count; i++)
        if (route->endpoints[i].slot == route->preview_slot && route->endpoints[i].healthy &&
            sim_process_stopped(route->endpoints[i].id))
            sim_fail(sim, "a look was sent to %s, which bascule had stopped",
                     route->endpoints[i].id->text);
}
