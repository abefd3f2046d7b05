/* SPDX-License-Identifier: Apache-2.0
 * engine/command_next.c - what takes the place of a rollout that is taken back: a newer version, or
 * an older one that somebody wants instead. And trying again what failed.
 *
 * The successor is stored before the way back begins, with an id of its own, so that a crash loses
 * nobody's wish. It begins in the very commit in which the other rollout ends.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/expand.h"
#include "engine/internal.h"

static const char *version_of(const struct bsc_service *service)
{
    const struct bsc_release *release = bsc_release_find(service, service->row.next.release);
    return release ? bsc_version_text(release->row.spec) : "a forgotten release";
}

/* It is history without ever having begun. */
static void never_began(struct bsc_engine *engine, struct bsc_service *service,
                        enum bsc_rollout_status status, const char *reason)
{
    const struct bsc_successor next = service->row.next;
    const struct bsc_release *release = bsc_release_find(service, next.release);
    struct bsc_rollout_row *row = bsc_alloc(sizeof *row);
    *row = (struct bsc_rollout_row){
        .id = next.rollout,
        .service = service->name,
        .kind = next.kind,
        .strategy = release ? release->row.spec->deploy.strategy : BSC_STRATEGY_BLUE_GREEN,
        .release = next.release,
        .slot = bsc_slots_staging(&service->row.slots),
        .walk = { .status = status },
        .ended_ms = bsc_wall(engine),
        .group = next.group,
    };
    snprintf(row->actor, sizeof row->actor, "%s", next.actor);
    snprintf(row->reason, sizeof row->reason, "%s", reason);
    bsc_change_add(engine, BSC_PUT_ROLLOUT)->rollout = row;
    bsc_audit(engine, service, next.rollout, bsc_rollout_status_name(status), NULL,
              "%s, which had not begun: %s", version_of(service), reason);
    service->row.next = (struct bsc_successor){ 0 };
    bsc_touch_row(engine, service);
}

uint64_t bsc_successor_drop(struct bsc_engine *engine, struct bsc_service *service,
                            enum bsc_rollout_status status, const char *reason)
{
    const struct bsc_successor next = service->row.next;
    if (next.rollout)
        never_began(engine, service, status, reason);
    for (struct bsc_service *s = next.group.id ? engine->services : NULL; s; s = s->next)
        if (s->row.next.group.id == next.group.id) /* what follows may not be for all of them */
            never_began(engine, s,
                        status == BSC_ROLLOUT_SUPERSEDED ? BSC_ROLLOUT_CANCELLED : status, reason);
    return next.rollout;
}

bool bsc_successor_begin(struct bsc_engine *engine, struct bsc_service *service)
{
    const struct bsc_successor next = service->row.next;
    struct bsc_release *release = bsc_release_find(service, next.release);
    struct bsc_error error = { .text = "its release is not kept any more" };
    enum bsc_plan_kind kind = next.kind;
    if (!next.rollout || bsc_rollout_open(service))
        return false;
    if (next.group.id)
        return bsc_group_successors_begin(engine, next.group.id);
    if (release && kind == BSC_PLAN_REVERT)
        kind = bsc_rollback_kind(service, release);
    if (!release || bsc_rollout_start(engine, service, kind, release, next.rollout, NULL,
                                      next.actor, &error) != BSC_OK) {
        never_began(engine, service, BSC_ROLLOUT_FAILED, error.text);
        return false;
    }
    service->row.next = (struct bsc_successor){ 0 };
    bsc_touch_row(engine, service);
    return true;
}

void bsc_successor_set(struct bsc_engine *engine, struct bsc_service *service,
                       const struct bsc_successor *next, const char *actor)
{
    service->row.next = *next;
    snprintf(service->row.next.actor, sizeof service->row.next.actor, "%s", actor);
    bsc_touch_row(engine, service);
}

/* The open rollout is taken back with `event`, then `release` follows. */
static void follow(struct bsc_engine *engine, struct bsc_service *service,
                   const struct bsc_event *event, enum bsc_rule rule, enum bsc_plan_kind kind,
                   const struct bsc_release *release)
{
    const struct bsc_rollout_row *row = &service->rollout->row;
    unsigned long long old = row->id, id = bsc_id_next(engine);
    const char *version = bsc_version_text(release->row.spec);
    const char *actor = event->actor ? event->actor : "bascule";
    char reason[BSC_REASON_BYTES];
    snprintf(reason, sizeof reason, "superseded by r%llu (%s), asked for by %s", id, version,
             actor);
    (void)bsc_successor_drop(engine, service, BSC_ROLLOUT_SUPERSEDED, reason);
    bsc_successor_set(
        engine, service,
        &(struct bsc_successor){ .rollout = id, .release = release->row.id, .kind = kind }, actor);
    bsc_audit(engine, service, id, kind == BSC_PLAN_REVERT ? "rollback" : "supersede", actor,
              "%s begins when r%llu is taken back", version, old);
    bsc_reply_ruled(engine, event, BSC_OK, id, rule, "r%llu, %s, begins when r%llu is taken back",
                    id, version, old);
    if (kind == BSC_PLAN_REVERT)
        snprintf(reason, sizeof reason, "rolled back by %s, to %s", actor, version);
    bsc_rollout_event(engine, service,
                      kind == BSC_PLAN_REVERT ? BSC_WALK_ROLL_BACK : BSC_WALK_SUPERSEDE, reason);
}

enum bsc_status bsc_plan_later(const struct bsc_service *service, enum bsc_plan_kind kind,
                               const struct bsc_spec *spec, bool together, struct bsc_error *error)
{
    struct bsc_plan plan;
    struct bsc_slots later;
    const struct bsc_release *stable =
        bsc_release_find(service, service->row.release[service->row.stable]);
    struct bsc_plan_ask ask = { .kind = kind,
                                .spec = spec,
                                .live = stable ? stable->row.spec : NULL,
                                .together = together,
                                .routed = !bsc_spec_is_worker(service->row.spec) };
    bsc_slots_init(&later);
    if (service->row.stable != later.live)
        later = (struct bsc_slots){ .live = service->row.stable,
                                    .state = { BSC_SLOT_IDLE, BSC_SLOT_LIVE } };
    return bsc_plan_compile(&ask, &later, &plan, error);
}

void bsc_supersede_command(struct bsc_engine *engine, struct bsc_service *service,
                           const struct bsc_event *event, enum bsc_rule rule)
{
    enum bsc_plan_kind kind = event->stage ? BSC_PLAN_STAGE : BSC_PLAN_DEPLOY;
    struct bsc_error error;
    struct bsc_spec *spec = NULL;
    if (engine->store_full)
        bsc_reply(engine, event->token, BSC_NO_SPACE, 0,
                  "the disk is full: nothing can be recorded, so nothing is deployed");
    else if (bsc_version_check(event->version ? event->version : "", &error) != BSC_OK ||
             bsc_spec_for_version(service->row.spec, event->version, &spec, &error) != BSC_OK ||
             bsc_deploy_wish_apply(&event->wish, spec, &error) != BSC_OK ||
             bsc_plan_later(service, kind, spec, false, &error) != BSC_OK)
        bsc_reply(engine, event->token, error.status, 0, "%s", error.text);
    else
        follow(engine, service, event, rule, kind, bsc_release_new(engine, service, spec));
    bsc_spec_release(spec);
}

/* The newest release of `version` that was live; NULL: none is kept. */
static const struct bsc_release *once_live(const struct bsc_service *service, const char *version)
{
    const struct bsc_release *best = NULL;
    for (size_t i = 0; i < service->release_count; i++) {
        const struct bsc_release_row *row = &service->releases[i].row;
        if (row->live_ms && row->spec->version && !strcmp(row->spec->version, version) &&
            (!best || row->live_ms > best->row.live_ms))
            best = &service->releases[i];
    }
    return best;
}

void bsc_rollback_over(struct bsc_engine *engine, struct bsc_service *service,
                       const struct bsc_event *event, enum bsc_rule rule)
{
    uint64_t stable = service->row.release[service->row.stable];
    const struct bsc_release *release = bsc_release_find(service, stable);
    if (release && release->row.spec->version &&
        !strcmp(release->row.spec->version, event->version)) { /* the way back leads there */
        struct bsc_event back = *event;
        back.version = NULL;
        bsc_rollback_command(engine, service, &back, rule);
        return;
    }
    release = once_live(service, event->version);
    if (release)
        follow(engine, service, event, rule, BSC_PLAN_REVERT, release);
    else
        bsc_reply(engine, event->token, BSC_NO_ROLLBACK, 0,
                  "%s: no release of version '%s' that was live is kept", service->name,
                  event->version);
}

/* What the newest rollout wanted, and did not get; NULL: there is nothing to try again. */
static const struct bsc_release *failed_release(const struct bsc_service *service,
                                                struct bsc_error *error)
{
    const struct bsc_rollout_row *row = service->rollout ? &service->rollout->row : NULL;
    const struct bsc_release *release = row ? bsc_release_find(service, row->release) : NULL;
    if (!row)
        bsc_error_set(error, BSC_STATE, "%s has no rollout to retry", service->name);
    else if (row->walk.status == BSC_ROLLOUT_PROMOTED || row->walk.status == BSC_ROLLOUT_STAGED)
        bsc_error_set(error, BSC_STATE, "%s has no rollout to retry: r%llu was %s", service->name,
                      (unsigned long long)row->id, bsc_rollout_status_name(row->walk.status));
    else if (row->kind == BSC_PLAN_ROLLBACK || row->kind == BSC_PLAN_REVERT)
        bsc_error_set(error, BSC_STATE,
                      "r%llu was a rollback: 'bascule rollback %s' asks for it again",
                      (unsigned long long)row->id, service->name);
    else if (!release)
        bsc_error_set(error, BSC_STATE, "the release of r%llu is not kept: deploy it",
                      (unsigned long long)row->id);
    else
        return release;
    return NULL;
}

void bsc_retry_command(struct bsc_engine *engine, struct bsc_service *service,
                       const struct bsc_event *event)
{
    struct bsc_error error;
    const struct bsc_release *release = failed_release(service, &error);
    if (!release) {
        bsc_reply(engine, event->token, error.status, 0, "%s", error.text);
        return;
    }
    if (engine->store_full) {
        bsc_reply(engine, event->token, BSC_NO_SPACE, 0,
                  "the disk is full: nothing can be recorded, so nothing is deployed");
        return;
    }
    enum bsc_slot staging = bsc_slots_staging(&service->row.slots);
    enum bsc_plan_kind kind = service->rollout->row.kind;
    bool ready = service->row.slots.state[staging] == BSC_SLOT_READY &&
                 service->row.release[staging] == release->row.id;
    if (kind == BSC_PLAN_SWITCH && !ready) /* what was staged is gone */
        kind = BSC_PLAN_DEPLOY;
    bsc_command_begin(engine, service, kind, release, event);
}
