/* SPDX-License-Identifier: Apache-2.0
 * engine/routing.c - what the proxy is told of a service.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/internal.h"

static const int64_t republish_ms = 1000;

bool bsc_weight_set(struct bsc_engine *engine, struct bsc_service *service, enum bsc_slot slot,
                    unsigned weight_bp)
{
    if (service->row.weight_bp[slot] == weight_bp)
        return false;
    service->row.weight_bp[slot] = weight_bp;
    service->row.weight_bp[bsc_slot_other(slot)] = BSC_WEIGHT_FULL_BP - weight_bp;
    service->row.generation++;
    for (size_t i = 0; i < service->instance_count; i++)
        if (service->row.weight_bp[service->instances[i].row.slot])
            service->instances[i].leaving_ms = 0; /* who comes now has the whole time to go */
    bsc_touch_row(engine, service);
    return true;
}

/* With this transaction as the last word, or `early`. */
static bool published_now(const struct bsc_engine *engine, const struct bsc_service *service,
                          bool early)
{
    for (size_t i = 0; i < engine->effect_count; i++) {
        const struct bsc_effect *effect = &engine->effects[i];
        if (effect->kind == BSC_EFFECT_PUBLISH && effect->service == service &&
            (early || (!effect->early && effect->token == service->publish_token)))
            return true;
    }
    return false;
}

/* What the others of its group were told and may not have taken is said again with it: the splits
 * of a group are never in force without one another. */
static void publish_others(struct bsc_engine *engine, const struct bsc_service *service)
{
    uint64_t group = bsc_group_of(service);
    for (struct bsc_service *s = group ? engine->services : NULL; s; s = s->next) {
        if (bsc_group_of(s) != group || bsc_published(s, s->publish_token) ||
            published_now(engine, s, true))
            continue;
        s->publish_wanted = true;
        bsc_touch(engine, s);
    }
}

/* This publish makes good for one that was refused. */
static void make_good(struct bsc_engine *engine, struct bsc_service *service)
{
    if (service->republish_at_ms)
        bsc_instances_drain_anew(engine, service);
    service->republish_at_ms = 0;
}

void bsc_affinity_renew(struct bsc_engine *engine, struct bsc_service *service)
{
    unsigned char key[(BSC_AFFINITY_KEY_BYTES - 1) / 2];
    engine->ports.entropy.ops->fill(engine->ports.entropy.self, key, sizeof key);
    for (size_t i = 0; i < sizeof key; i++)
        snprintf(service->row.affinity_key + 2 * i, 3, "%02x", key[i]);
    bsc_touch_row(engine, service);
}

bsc_token bsc_publish(struct bsc_engine *engine, struct bsc_service *service, bool early)
{
    service->publish_wanted = false;
    if (service->row.removed) /* the proxy knows it no more */
        return service->publish_token;
    /* It is filled when the transaction is durable, so a second one would say the same; and were
     * the first refused, what waits for it would take the second's answer for its own. */
    if (!early && published_now(engine, service, false))
        return service->publish_token;
    struct bsc_effect *effect = bsc_effect_add(engine, BSC_EFFECT_PUBLISH, service);
    effect->token = bsc_token_next(engine, service);
    effect->early = early;
    service->publish_token = effect->token;
    make_good(engine, service);
    publish_others(engine, service);
    bsc_touch(engine, service);
    return effect->token;
}

/* Nobody is sent there any more; when that is so in every generation, the instances drain. */
void bsc_unpublish(struct bsc_engine *engine, struct bsc_service *service)
{
    struct bsc_effect *effect = bsc_effect_add(engine, BSC_EFFECT_REMOVE, service);
    effect->token = service->publish_token = bsc_token_next(engine, service);
    snprintf(effect->id, sizeof effect->id, "%s", service->name);
    make_good(engine, service);
}

bool bsc_published(const struct bsc_service *service, bsc_token token)
{
    return service->acked_token >= token;
}

/* What was published before it was known may have been taken as a change to what was refused. */
void bsc_publish_refused(struct bsc_engine *engine, struct bsc_service *service)
{
    service->doubted_token = service->publish_token;
    service->republish_at_ms = bsc_now(engine) + republish_ms;
    bsc_touch(engine, service);
}

void bsc_publish_tick(struct bsc_engine *engine, struct bsc_service *service)
{
    if (!service->republish_at_ms || service->republish_at_ms > bsc_now(engine))
        return;
    if (service->row.removed)
        bsc_unpublish(engine, service);
    else
        bsc_publish(engine, service, false);
}

/* Instances that are on their way out get nothing new; those that do not run stay listed as not
 * healthy, so that the proxy keeps counting what is in flight there. */
static bool routed(const struct bsc_instance *instance)
{
    return instance->row.phase == BSC_INSTANCE_RUNNING ||
           instance->row.phase == BSC_INSTANCE_RESTARTING;
}

bool bsc_instance_leaves(const struct bsc_service *service, const struct bsc_instance *instance)
{
    const struct bsc_service_row *row = &service->row;
    enum bsc_slot slot = instance->row.slot;
    const struct bsc_rollout_row *rollout =
        bsc_rollout_open(service) ? &service->rollout->row : NULL;
    if (rollout && rollout->release == instance->row.release)
        return false; /* it has come, or shall come back */
    if (rollout && rollout->walk.status == BSC_ROLLOUT_RUNNING &&
        bsc_plan_drains(&rollout->plan, slot))
        return true;
    return slot != row->stable && row->weight_bp[slot] == 0 &&
           row->slots.state[slot] != BSC_SLOT_READY;
}

static unsigned weight_of(const struct bsc_service *service, const struct bsc_instance *instance)
{
    const struct bsc_spec *spec = bsc_instance_spec(service, instance);
    const struct bsc_strings *targets = &spec->targets[instance->row.slot];
    if (spec->runtime != BSC_RUNTIME_STATIC || instance->row.position >= targets->count)
        return 1;
    return bsc_target_weight(targets->items[instance->row.position]);
}

enum bsc_traffic bsc_traffic_in_force(const struct bsc_service *service)
{
    bool held = bsc_rollout_open(service) && bsc_plan_holds(&service->rollout->row.plan);
    return held && service->row.traffic == BSC_TRAFFIC_SERVE ? BSC_TRAFFIC_HOLD
                                                             : service->row.traffic;
}

bool bsc_stable_is_whole(const struct bsc_service *service)
{
    return !bsc_rollout_open(service) ||
           !bsc_plan_reduces(&service->rollout->row.plan, service->row.stable);
}

const struct bsc_match_spec *bsc_match_in_force(const struct bsc_service *service)
{
    if (!bsc_rollout_open(service))
        return NULL;
    assert(service->rollout);
    const struct bsc_rollout_row *row = &service->rollout->row;
    const struct bsc_release *release = bsc_release_find(service, row->release);
    bool matches = release && bsc_walk_matches(&row->walk, &row->plan);
    return matches ? &release->row.spec->deploy.match : NULL;
}

/* The release whose failures the live version answers; NULL: there is none. Of services that are
 * released together an answer of the old version would belong to none of what the others answer. */
static const struct bsc_spec *rescued(const struct bsc_service *service)
{
    if (!bsc_rollout_open(service))
        return NULL;
    const struct bsc_rollout_row *row = &service->rollout->row;
    const struct bsc_release *release = bsc_release_find(service, row->release);
    if ((row->kind != BSC_PLAN_DEPLOY && row->kind != BSC_PLAN_SWITCH) || !release ||
        !release->row.spec->deploy.rescue || bsc_spec_is_worker(release->row.spec) ||
        row->group.id || row->slot == service->row.stable || !bsc_stable_is_whole(service))
        return NULL;
    for (size_t i = 0; i < service->instance_count; i++) {
        const struct bsc_instance_row *instance = &service->instances[i].row;
        if (instance->slot == service->row.stable && instance->healthy &&
            instance->phase == BSC_INSTANCE_RUNNING)
            return release->row.spec;
    }
    return NULL;
}

bool bsc_rescues(const struct bsc_service *service)
{
    return rescued(service) != NULL;
}

static void fill(const struct bsc_engine *engine, const struct bsc_service *service,
                 struct bsc_routing *out)
{
    const struct bsc_rollout *rollout = service->rollout;
    const struct bsc_spec *release = rescued(service);
    struct bsc_endpoint *endpoints = bsc_alloc((service->instance_count + 1) * sizeof *endpoints);
    *out = (struct bsc_routing){
        .spec = service->row.spec,
        .traffic = bsc_traffic_in_force(service),
        .generation = service->row.generation,
        .weight_bp = { service->row.weight_bp[BSC_BLUE], service->row.weight_bp[BSC_GREEN] },
        .affinity_key = service->row.affinity_key,
        .rescue = release != NULL,
        .rescue_percent = release ? release->deploy.rescue_percent : 0,
        .stable = service->row.stable,
        .watch = bsc_analysis_watches(service),
        .candidate = rollout ? rollout->row.slot : BSC_BLUE,
        /* not when memory is discarded, and the traffic given back before that */
        .match = engine->phase == BSC_PHASE_READY ? bsc_match_in_force(service) : NULL,
        .rollout = rollout && bsc_service_busy(service) ? rollout->row.id : 0,
        .endpoints = endpoints,
    };
    out->mirror = bsc_mirror_in_force(service, &out->mirror_bp);
    out->preview = bsc_preview_slot(service, &out->preview_slot);
    if (bsc_trial_runs(service)) {
        assert(rollout && rollout->trial);
        out->trial = &bsc_release_find(service, rollout->row.release)->row.spec->deploy.ab;
        out->sources = rollout->trial->sources;
        out->source_count = (unsigned)rollout->trial->source_count;
    }
    for (size_t i = 0; i < service->instance_count; i++) {
        const struct bsc_instance *instance = &service->instances[i];
        if (!routed(instance))
            continue;
        endpoints[out->endpoint_count++] = (struct bsc_endpoint){
            .id = instance->row.id,
            .address = instance->row.address,
            .slot = instance->row.slot,
            .speech = bsc_instance_spec(service, instance)->speech,
            .tls = bsc_upstream_tls(bsc_instance_spec(service, instance)),
            .healthy = instance->row.phase == BSC_INSTANCE_RUNNING && instance->row.healthy,
            .leaving = bsc_instance_leaves(service, instance),
            .weight = weight_of(service, instance),
        };
    }
}

/* Of several publishes of a service the newest stands for all: it answers whoever waits. */
static unsigned place_of(const struct bsc_routing *routings, unsigned count,
                         const struct bsc_service *service)
{
    unsigned place = 0;
    while (place < count && routings[place].spec != service->row.spec)
        place++;
    return place;
}

/* What of the same event is to reach the proxies in the same message. What may not precede its
 * record does not. */
static void publish_group(struct bsc_engine *engine, const struct bsc_effect *first, uint64_t group)
{
    const struct bsc_router *router = &engine->ports.router;
    struct bsc_routing *routings = bsc_alloc(engine->effect_count * sizeof *routings);
    bsc_token *tokens = bsc_alloc(engine->effect_count * sizeof *tokens);
    unsigned count = 0;
    for (size_t i = 0; i < engine->effect_count; i++) {
        struct bsc_effect *effect = &engine->effects[i];
        if (effect != first &&
            (effect->kind != BSC_EFFECT_PUBLISH || effect->performed ||
             effect->early != first->early || bsc_group_of(effect->service) != group))
            continue;
        effect->performed = true;
        unsigned place = place_of(routings, count, effect->service);
        if (place == count)
            fill(engine, effect->service, &routings[count++]);
        tokens[place] = effect->token;
    }
    router->ops->publish_together(router->self, routings, tokens, count);
    for (unsigned i = 0; i < count; i++)
        free((void *)(uintptr_t)routings[i].endpoints);
    free(routings);
    free(tokens);
}

void bsc_routing_perform(struct bsc_engine *engine, struct bsc_effect *effect)
{
    const struct bsc_router *router = &engine->ports.router;
    uint64_t group = bsc_group_of(effect->service);
    if (group) {
        publish_group(engine, effect, group);
        return;
    }
    struct bsc_routing routing;
    fill(engine, effect->service, &routing);
    router->ops->publish(router->self, &routing, effect->token);
    free((void *)(uintptr_t)routing.endpoints);
}
