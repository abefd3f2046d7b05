/* SPDX-License-Identifier: Apache-2.0
 * engine/command_back.c - the way back, which wins over everything: rollback and abort.
 */
#include <stdio.h>
#include <string.h>

#include "engine/internal.h"

/* The release to go back to: the one named, else the one that was live last and was not taken back.
 * What was there before bascule can't be started again, so it counts only while it stands by.
 * NULL: there is none, and `error` says why. */
const struct bsc_release *bsc_rollback_target(const struct bsc_service *service,
                                              const char *version, struct bsc_error *error)
{
    enum bsc_slot live = service->row.slots.live, staging = bsc_slot_other(live);
    bool standby = service->row.slots.state[staging] == BSC_SLOT_STANDBY;
    const struct bsc_release *best = NULL;
    for (size_t i = 0; i < service->release_count; i++) {
        const struct bsc_release *release = &service->releases[i];
        bool here = standby && service->row.release[staging] == release->row.id;
        if (release->row.id == service->row.release[live] || (!release->row.live_ms && !here) ||
            (!release->row.spec->version && !here))
            continue;
        if (version
                ? !release->row.spec->version || strcmp(release->row.spec->version, version) != 0
                : release->row.rejected)
            continue;
        if (!best || release->row.live_ms >= best->row.live_ms || here)
            best = release;
        if (here)
            break;
    }
    if (best)
        return best;
    const struct bsc_release *standing = bsc_release_find(service, service->row.release[staging]);
    if (!version && standby && standing && standing->row.rejected && standing->row.spec->version)
        bsc_error_set(error, BSC_NO_ROLLBACK,
                      "%s has nothing to go back to but %s, which a rollback took back: "
                      "'bascule rollback %s %s' goes there all the same",
                      service->name, standing->row.spec->version, service->name,
                      standing->row.spec->version);
    else if (version)
        bsc_error_set(error, BSC_NO_ROLLBACK,
                      "%s: no release of version '%s' that was live is kept", service->name,
                      version);
    else
        bsc_error_set(error, BSC_NO_ROLLBACK,
                      "%s has nothing to go back to: no earlier release that was live is kept",
                      service->name);
    return NULL;
}

/* At once when it stands by with enough healthy instances, else it is started again. */
enum bsc_plan_kind bsc_rollback_kind(const struct bsc_service *service,
                                     const struct bsc_release *target)
{
    enum bsc_slot staging = bsc_slots_staging(&service->row.slots);
    unsigned healthy, total;
    if (service->row.slots.state[staging] == BSC_SLOT_STANDBY &&
        service->row.release[staging] == target->row.id &&
        bsc_slot_healthy(service, staging, target->row.id, &healthy, &total))
        return BSC_PLAN_ROLLBACK;
    return BSC_PLAN_REVERT;
}

void bsc_rollback_command(struct bsc_engine *engine, struct bsc_service *service,
                          const struct bsc_event *event, enum bsc_rule rule)
{
    struct bsc_error error;
    char reason[BSC_ACTOR_BYTES + 32];
    if (bsc_rollout_open(service) && event->version) {
        bsc_rollback_over(engine, service, event, rule);
        return;
    }
    if (bsc_rollout_open(service)) {
        unsigned long long id = service->rollout->row.id;
        snprintf(reason, sizeof reason, "rolled back by %s", event->actor ? event->actor : "?");
        (void)bsc_successor_drop(engine, service, BSC_ROLLOUT_CANCELLED, reason);
        if (rule == BSC_RULE_ALREADY) {
            bsc_reply(engine, event->token, BSC_OK, id, "r%llu is rolling back already", id);
            return;
        }
        bsc_reply_ruled(engine, event, BSC_OK, id, rule, "rolling back r%llu", id);
        bsc_rollout_event(engine, service, BSC_WALK_ROLL_BACK, reason);
        return;
    }
    const struct bsc_release *target = bsc_rollback_target(service, event->version, &error);
    if (!target)
        bsc_reply(engine, event->token, error.status, 0, "%s", error.text);
    else
        bsc_command_begin(engine, service, bsc_rollback_kind(service, target), target, event);
}

void bsc_abort_command(struct bsc_engine *engine, struct bsc_service *service,
                       const struct bsc_event *event, enum bsc_rule rule)
{
    unsigned long long id = service->rollout->row.id;
    char reason[BSC_ACTOR_BYTES + 32];
    snprintf(reason, sizeof reason, "aborted by %s", event->actor ? event->actor : "?");
    unsigned long long dropped = bsc_successor_drop(engine, service, BSC_ROLLOUT_CANCELLED, reason);
    if (dropped)
        bsc_reply_ruled(engine, event, BSC_OK, id, BSC_RULE_WAY_BACK,
                        "r%llu is being taken back already, r%llu does not begin", id, dropped);
    else if (rule == BSC_RULE_ALREADY)
        bsc_reply(engine, event->token, BSC_OK, id, "r%llu is being taken back already", id);
    else
        bsc_reply_ruled(engine, event, BSC_OK, id, rule, "aborting r%llu", id);
    bsc_audit(engine, service, id, "abort", event->actor, "asked for");
    bsc_rollout_event(engine, service, BSC_WALK_CANCEL, reason);
}
