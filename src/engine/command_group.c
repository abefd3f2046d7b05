/* SPDX-License-Identifier: Apache-2.0
 * engine/command_group.c - what is asked of all services that are released together.
 *
 * It is done to all of them or to none: every member is looked at before anything is changed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/expand.h"
#include "engine/internal.h"

/* What one member shall become. */
struct member {
    struct bsc_service *service;
    enum bsc_plan_kind kind;
    struct bsc_spec *spec;             /* DEPLOY: counted */
    const struct bsc_release *release; /* ROLLBACK, REVERT */
};

struct members {
    struct member *items;
    size_t count, capacity;
};

static void members_deinit(struct members *members)
{
    for (size_t i = 0; i < members->count; i++)
        bsc_spec_release(members->items[i].spec);
    free(members->items);
}

static void members_add(struct members *members, struct bsc_service *service)
{
    members->items =
        bsc_grow(members->items, &members->capacity, members->count + 1, sizeof *members->items);
    members->items[members->count++] = (struct member){ .service = service };
}

static enum bsc_status members_find(struct bsc_engine *engine, const char *name,
                                    struct members *out, struct bsc_error *error)
{
    bool all = !strcmp(name, BSC_GROUP_ALL);
    for (struct bsc_service *s = engine->services; s; s = s->next) {
        const char *release = s->row.spec->release;
        if (!s->row.removed && (all || (release && !strcmp(release, name))))
            members_add(out, s);
    }
    if (out->count)
        return BSC_OK;
    return bsc_error_set(error, BSC_NOT_FOUND,
                         all ? "there is no service" : "no service has release: %s in the file",
                         name);
}

/* Does a rule, or a lock, stand against it for one of them? */
static enum bsc_status members_allow(const struct bsc_engine *engine, const struct members *members,
                                     enum bsc_command_kind command, struct bsc_error *error)
{
    for (size_t i = 0; i < members->count; i++) {
        const struct bsc_service *service = members->items[i].service;
        struct bsc_ruling ruling =
            bsc_command_rule(command, bsc_service_situation(service), service->row.lock.at_ms != 0);
        if (ruling.status == BSC_OK)
            continue;
        bsc_refusal_error(engine, service, command, ruling, error);
        return ruling.status;
    }
    return BSC_OK;
}

/* "g12, shop: web r13, api r14" */
static void list_rollouts(const struct members *members, const struct bsc_group *group, bool next,
                          struct bsc_text *out)
{
    bsc_text_printf(out, "g%llu, %s:", (unsigned long long)group->id, group->name);
    for (size_t i = 0; i < members->count; i++) {
        const struct bsc_service *service = members->items[i].service;
        bsc_text_printf(
            out, "%s %s r%llu", i ? "," : "", service->name,
            (unsigned long long)(next ? service->row.next.rollout : service->rollout->row.id));
    }
}

static struct bsc_group group_new(struct bsc_engine *engine, const char *name)
{
    struct bsc_group group = { .id = bsc_id_next(engine) };
    snprintf(group.name, sizeof group.name, "%s", name);
    return group;
}

static void begin_all(struct bsc_engine *engine, const struct bsc_event *event,
                      const struct members *members)
{
    struct bsc_group group = group_new(engine, event->release);
    struct bsc_text text = { 0 };
    for (size_t i = 0; i < members->count; i++) {
        const struct member *member = &members->items[i];
        const struct bsc_release *release =
            member->spec ? bsc_release_new(engine, member->service, member->spec) : member->release;
        struct bsc_error error;
        (void)!bsc_rollout_start(engine, member->service, member->kind, release, 0, &group,
                                 event->actor, &error); /* it was tried before */
    }
    list_rollouts(members, &group, false, &text);
    bsc_audit(engine, NULL, 0, "group", event->actor, "%s", bsc_text_get(&text));
    bsc_reply(engine, event->token, BSC_OK, group.id, "%s", bsc_text_get(&text));
    bsc_text_deinit(&text);
}

/* What is open is taken back; when all of it is, the members begin. */
static void follow_all(struct bsc_engine *engine, const struct bsc_event *event,
                       const struct members *members)
{
    struct bsc_group group = group_new(engine, event->release);
    const char *actor = event->actor ? event->actor : "bascule";
    char reason[BSC_REASON_BYTES];
    struct bsc_text text = { 0 };
    snprintf(reason, sizeof reason, "superseded by g%llu (%s %s), asked for by %s",
             (unsigned long long)group.id, group.name, event->version, actor);
    for (size_t i = 0; i < members->count; i++) {
        struct bsc_service *service = members->items[i].service;
        (void)bsc_successor_drop(engine, service, BSC_ROLLOUT_SUPERSEDED, reason);
    }
    for (size_t i = 0; i < members->count; i++) {
        struct bsc_service *service = members->items[i].service;
        const struct bsc_release *release =
            bsc_release_new(engine, service, members->items[i].spec);
        bsc_successor_set(engine, service,
                          &(struct bsc_successor){ .group = group,
                                                   .rollout = bsc_id_next(engine),
                                                   .release = release->row.id,
                                                   .kind = members->items[i].kind },
                          actor);
    }
    list_rollouts(members, &group, true, &text);
    bsc_audit(engine, NULL, 0, "supersede", actor, "%s", bsc_text_get(&text));
    bsc_reply(engine, event->token, BSC_OK, group.id, "%s, when what is under way is taken back",
              bsc_text_get(&text));
    for (size_t i = 0; i < members->count; i++)
        if (bsc_rollout_open(members->items[i].service))
            bsc_rollout_event(engine, members->items[i].service, BSC_WALK_SUPERSEDE, reason);
    bsc_text_deinit(&text);
}

static enum bsc_status plan_member(const struct bsc_event *event, struct member *member,
                                   struct bsc_error *error)
{
    const struct bsc_service *service = member->service;
    member->kind = BSC_PLAN_DEPLOY;
    if (bsc_spec_for_version(service->row.spec, event->version, &member->spec, error) != BSC_OK ||
        bsc_deploy_wish_apply(&event->wish, member->spec, error) != BSC_OK)
        return bsc_error_wrap(error, "%s", service->name);
    if (bsc_rollout_open(service)) {
        if (bsc_plan_later(service, member->kind, member->spec, true, error) != BSC_OK)
            return bsc_error_wrap(error, "%s", service->name);
    } else if (bsc_plan_check(service, member->kind, member->spec, true, error) != BSC_OK) {
        return bsc_error_wrap(error, "%s", service->name);
    }
    return BSC_OK;
}

static void deploy_all(struct bsc_engine *engine, const struct bsc_event *event,
                       struct members *members)
{
    enum bsc_command_kind command = bsc_command_of(event);
    struct bsc_error error;
    bool open = false;
    enum bsc_status status = bsc_version_check(event->version ? event->version : "", &error);
    if (status == BSC_OK && event->stage)
        status = bsc_error_set(&error, BSC_INVALID,
                               "services that are released together are not staged: stage them "
                               "one by one, or deploy all of them");
    if (status == BSC_OK && engine->store_full)
        status = bsc_error_set(&error, BSC_NO_SPACE,
                               "the disk is full: nothing can be recorded, so nothing is deployed");
    if (status == BSC_OK)
        status = members_allow(engine, members, command, &error);
    for (size_t i = 0; i < members->count && status == BSC_OK; i++) {
        status = plan_member(event, &members->items[i], &error);
        open = open || bsc_rollout_open(members->items[i].service) ||
               members->items[i].service->row.next.group.id;
    }
    if (status != BSC_OK)
        bsc_reply(engine, event->token, status, 0, "%s", error.text);
    else if (open)
        follow_all(engine, event, members);
    else
        begin_all(engine, event, members);
}

static uint64_t live_group(const struct bsc_service *service)
{
    const struct bsc_release *live =
        bsc_release_find(service, service->row.release[service->row.slots.live]);
    return live ? live->row.group : 0;
}

/* Without a version they go back only from what they went to together. */
static enum bsc_status check_unanimous(const struct members *members, struct bsc_error *error)
{
    uint64_t newest = 0;
    for (size_t i = 0; i < members->count; i++) {
        uint64_t group = live_group(members->items[i].service);
        newest = group > newest ? group : newest;
    }
    for (size_t i = 0; i < members->count; i++)
        if (!newest || live_group(members->items[i].service) != newest)
            return bsc_error_set(error, BSC_NO_ROLLBACK,
                                 "what is live in %s was not released together with the others: "
                                 "say which version all of them shall go back to",
                                 members->items[i].service->name);
    return BSC_OK;
}

static bool is_live(const struct bsc_service *service, const char *version)
{
    const struct bsc_release *live =
        bsc_release_find(service, service->row.release[service->row.slots.live]);
    return live && live->row.spec->version && !strcmp(live->row.spec->version, version);
}

/* Those that are where they shall go stay. */
static void leave_out_live(struct members *members, const char *version)
{
    size_t kept = 0;
    for (size_t i = 0; i < members->count; i++)
        if (!is_live(members->items[i].service, version))
            members->items[kept++] = members->items[i];
    members->count = kept;
}

static enum bsc_status check_back(struct members *members, const char *version,
                                  struct bsc_error *error)
{
    enum bsc_status status = version ? BSC_OK : check_unanimous(members, error);
    if (version)
        leave_out_live(members, version);
    if (!members->count)
        return bsc_error_set(error, BSC_NO_ROLLBACK, "%s is live in all of them", version);
    for (size_t i = 0; i < members->count && status == BSC_OK; i++) {
        struct member *member = &members->items[i];
        const struct bsc_service *service = member->service;
        if (bsc_rollout_open(service))
            return bsc_error_set(error, BSC_BUSY,
                                 "%s has a rollout of its own (r%llu): abort that first, or wait",
                                 service->name, (unsigned long long)service->rollout->row.id);
        member->release = bsc_rollback_target(service, version, error);
        if (!member->release)
            return BSC_NO_ROLLBACK;
        member->kind = bsc_rollback_kind(service, member->release);
        status = bsc_plan_check(service, member->kind, member->release->row.spec, true, error);
        if (status != BSC_OK)
            return bsc_error_wrap(error, "%s", service->name);
    }
    return status;
}

static void roll_back_all(struct bsc_engine *engine, const struct bsc_event *event,
                          struct members *members)
{
    struct bsc_error error;
    enum bsc_status status = members_allow(engine, members, bsc_command_of(event), &error);
    if (status == BSC_OK)
        status = check_back(members, event->version, &error);
    if (status != BSC_OK)
        bsc_reply(engine, event->token, status, 0, "%s", error.text);
    else
        begin_all(engine, event, members);
}

/* The newest one of that name that is under way; 0: none is. */
static uint64_t under_way(const struct bsc_engine *engine, const char *name)
{
    uint64_t newest = 0;
    for (const struct bsc_service *s = engine->services; s; s = s->next) {
        uint64_t group = bsc_group_of(s);
        if (group > newest && !strcmp(s->rollout->row.group.name, name))
            newest = group;
    }
    return newest;
}

/* One of them, as its own commands would do it, without an answer. */
static void steer_one(struct bsc_engine *engine, struct bsc_service *service,
                      const struct bsc_event *event, struct bsc_ruling ruling)
{
    struct bsc_event silent = *event;
    char reason[BSC_ACTOR_BYTES + 32];
    const char *actor = event->actor ? event->actor : "?";
    silent.token = 0;
    switch (event->kind) {
    case BSC_EVENT_PROMOTE:
        bsc_promote_command(engine, service, &silent, ruling.rule);
        break;
    case BSC_EVENT_PAUSE:
        bsc_pause_command(engine, service, &silent, ruling.rule);
        break;
    case BSC_EVENT_RESUME:
        bsc_resume_command(engine, service, &silent, ruling.rule);
        break;
    default: /* the way back: each of them is told, so none has to follow another */
        snprintf(reason, sizeof reason, "%s by %s",
                 event->kind == BSC_EVENT_ABORT ? "aborted" : "rolled back", actor);
        (void)bsc_successor_drop(engine, service, BSC_ROLLOUT_CANCELLED, reason);
        bsc_rollout_turn(engine, service,
                         event->kind == BSC_EVENT_ABORT ? BSC_WALK_CANCEL : BSC_WALK_ROLL_BACK,
                         reason);
    }
}

/* What it does not concern, because nothing is watched there or it is so already, is left alone. */
static void steer_all(struct bsc_engine *engine, const struct bsc_event *event,
                      const struct members *members, uint64_t group)
{
    enum bsc_command_kind command = bsc_command_of(event);
    const struct bsc_service *refused = NULL;
    struct bsc_ruling refusal = { BSC_OK, BSC_RULE_NONE };
    struct bsc_error error;
    size_t done = 0;
    bool back = command == BSC_COMMAND_ROLLBACK || command == BSC_COMMAND_ABORT;
    bool locked = false;
    for (size_t i = 0; i < members->count; i++)
        locked = locked || members->items[i].service->row.lock.at_ms;
    for (size_t i = 0; i < members->count; i++) {
        struct bsc_service *service = members->items[i].service;
        struct bsc_ruling ruling =
            bsc_command_rule(command, bsc_service_situation(service), locked);
        if (ruling.status != BSC_OK) {
            refused = !refused || service->row.lock.at_ms ? service : refused;
            refusal = ruling;
            continue;
        }
        if (bsc_rollout_open(service) && (back || ruling.rule != BSC_RULE_ALREADY))
            steer_one(engine, service, event, ruling);
        done++;
    }
    uint64_t shown =
        event->service ? bsc_service_find(engine, event->service)->rollout->row.id : group;
    if (!done) {
        bsc_refusal_error(engine, refused, command, refusal, &error);
        bsc_reply(engine, event->token, error.status, 0, "%s", error.text);
        return;
    }
    bsc_audit(engine, NULL, 0, "group", event->actor, "%s: g%llu, %s", bsc_command_name(command),
              (unsigned long long)group, event->release);
    bsc_reply(engine, event->token, BSC_OK, shown, "%s: all of %s (g%llu)",
              bsc_command_name(command), event->release, (unsigned long long)group);
}

static void steer(struct bsc_engine *engine, const struct bsc_event *event, struct members *members)
{
    /* Who changed groups in the file may still be under way with those of before. */
    uint64_t group = event->service ? bsc_group_of(bsc_service_find(engine, event->service))
                                    : under_way(engine, event->release);
    members->count = 0;
    for (struct bsc_service *s = engine->services; s; s = s->next)
        if (group && bsc_group_of(s) == group)
            members_add(members, s);
    if (group)
        steer_all(engine, event, members, group);
    else
        bsc_reply(engine, event->token, BSC_STATE, 0,
                  "no release of %s is under way that could be "
                  "asked to %s",
                  event->release, bsc_command_name(bsc_command_of(event)));
}

/* One that waits until it may begin does not. */
static bool drop_waiting(struct bsc_engine *engine, const struct bsc_event *event)
{
    for (struct bsc_service *s = engine->services; s; s = s->next) {
        const struct bsc_group group = s->row.next.group;
        char reason[BSC_ACTOR_BYTES + 32];
        if (!group.id || strcmp(group.name, event->release) != 0)
            continue;
        snprintf(reason, sizeof reason, "%s by %s",
                 event->kind == BSC_EVENT_ABORT ? "aborted" : "rolled back",
                 event->actor ? event->actor : "?");
        (void)bsc_successor_drop(engine, s, BSC_ROLLOUT_CANCELLED, reason);
        bsc_reply(engine, event->token, BSC_OK, group.id, "%s (g%llu) does not begin", group.name,
                  (unsigned long long)group.id);
        return true;
    }
    return false;
}

void bsc_group_command(struct bsc_engine *engine, const struct bsc_event *event)
{
    struct bsc_error error;
    struct members members = { 0 };
    enum bsc_command_kind command = bsc_command_of(event);
    bool back = command == BSC_COMMAND_ROLLBACK || command == BSC_COMMAND_ROLLBACK_TO;
    bool open = under_way(engine, event->release) != 0;
    if (!open && (back || command == BSC_COMMAND_ABORT) && !event->version &&
        drop_waiting(engine, event))
        return;
    if (!open && members_find(engine, event->release, &members, &error) != BSC_OK)
        bsc_reply(engine, event->token, error.status, 0, "%s", error.text);
    else if (event->kind == BSC_EVENT_DEPLOY &&
             (members.count || members_find(engine, event->release, &members, &error) == BSC_OK))
        deploy_all(engine, event, &members);
    else if (event->kind == BSC_EVENT_DEPLOY)
        bsc_reply(engine, event->token, error.status, 0, "%s", error.text);
    else if (back && !open)
        roll_back_all(engine, event, &members);
    else if (command == BSC_COMMAND_ROLLBACK_TO)
        bsc_reply(engine, event->token, BSC_BUSY, 0,
                  "%s is under way: 'bascule rollback --release %s' takes that back first",
                  event->release, event->release);
    else
        steer(engine, event, &members);
    members_deinit(&members);
}
