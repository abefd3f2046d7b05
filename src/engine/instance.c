/* SPDX-License-Identifier: Apache-2.0
 * engine/instance.c - the life of an instance: starting, running, restarting, draining, stopping.
 *
 * An instance's wish is its phase, stored before anything is done about it; what the runtime does
 * is idempotent. So after a crash every instance is simply brought to its phase again.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "engine/internal.h"

static const int64_t backoff_first_ms = 100, backoff_longest_ms = 30000;

/* A fresh proxy starts from the supervisor's snapshot, which follows a publish a little later: no
 * instance is stopped before that, however short its drain. (DRAINED waits for it by itself.) */
static const int64_t snapshot_ms = 1000;

static bool port_taken(const struct bsc_engine *engine, unsigned port)
{
    for (const struct bsc_service *s = engine->services; s; s = s->next)
        for (size_t i = 0; i < s->instance_count; i++)
            if (s->instances[i].row.port == port)
                return true;
    return false;
}

/* The next port of the range that no instance has; 0 when all are taken. */
static unsigned port_next(struct bsc_engine *engine)
{
    unsigned size = engine->port_high - engine->port_low + 1;
    engine->settings_dirty = true;
    for (unsigned i = 0; i < size; i++) {
        unsigned port = engine->settings.next_port;
        if (port < engine->port_low || port > engine->port_high)
            port = engine->port_low;
        engine->settings.next_port = port + 1;
        if (!port_taken(engine, port))
            return port;
    }
    return 0;
}

static void address_set(struct bsc_engine *engine, struct bsc_instance *instance,
                        const struct bsc_spec *spec)
{
    if (spec->runtime == BSC_RUNTIME_STATIC) {
        const char *target = spec->targets[instance->row.slot].items[instance->row.position];
        snprintf(instance->row.address, sizeof instance->row.address, "%.*s",
                 (int)bsc_target_address_size(target), target);
        return;
    }
    if (spec->runtime == BSC_RUNTIME_DOCKER && spec->container.network == BSC_NETWORK_BRIDGE) {
        instance->row.port = 0;
        instance->row.address[0] = '\0'; /* known when it runs */
        return;
    }
    instance->row.port = port_next(engine);
    snprintf(instance->row.address, sizeof instance->row.address, "127.0.0.1:%u",
             instance->row.port);
}

void bsc_instance_start(struct bsc_engine *engine, struct bsc_service *service,
                        struct bsc_instance *instance)
{
    instance->row.phase = BSC_INSTANCE_STARTING;
    instance->dirty = true;
    instance->restart_at_ms = 0;
    struct bsc_effect *effect = bsc_effect_add(engine, BSC_EFFECT_START, service);
    effect->token = instance->runtime_token = bsc_token_next(engine, service);
    snprintf(effect->id, sizeof effect->id, "%s", instance->row.id);
    bsc_touch(engine, service);
}

void bsc_instance_create(struct bsc_engine *engine, struct bsc_service *service,
                         const struct bsc_release *release, enum bsc_slot slot, unsigned position)
{
    struct bsc_instance *instance = bsc_instance_new(service);
    snprintf(instance->row.id, sizeof instance->row.id, "%s-%s-%llu", service->name,
             bsc_slot_name(slot), (unsigned long long)bsc_id_next(engine));
    instance->row.release = release->row.id;
    instance->row.slot = slot;
    instance->row.position = position;
    address_set(engine, instance, release->row.spec);
    bsc_instance_start(engine, service, instance);
}

void bsc_instances_create(struct bsc_engine *engine, struct bsc_service *service,
                          const struct bsc_release *release, enum bsc_slot slot, unsigned count)
{
    unsigned staying = bsc_instances_staying(service, slot);
    for (unsigned position = 0; staying < count; position++)
        if (!bsc_instance_at(service, slot, release->row.id, position)) {
            bsc_instance_create(engine, service, release, slot, position);
            staying++;
        }
}

/* Whatever its tag stands for later, the release keeps the image that it was first started with. */
static void take_image(struct bsc_engine *engine, struct bsc_service *service,
                       const struct bsc_instance *instance, const char *image)
{
    for (size_t i = 0; image && i < service->release_count; i++) {
        struct bsc_release *release = &service->releases[i];
        if (release->row.id != instance->row.release || release->row.image[0] ||
            strlen(image) >= sizeof release->row.image)
            continue;
        snprintf(release->row.image, sizeof release->row.image, "%s", image);
        release->dirty = true;
        bsc_touch(engine, service);
    }
}

void bsc_instance_starting(struct bsc_engine *engine, struct bsc_service *service,
                           struct bsc_instance *instance, const char *text)
{
    snprintf(instance->progress, sizeof instance->progress, "%s", text);
    bsc_step_progress(engine, service);
    bsc_touch(engine, service);
}

void bsc_instance_started(struct bsc_engine *engine, struct bsc_service *service,
                          struct bsc_instance *instance, const struct bsc_event *event)
{
    instance->pid = event->pid;
    instance->runtime_token = 0;
    instance->port_conflicts = 0;
    instance->never_started = false;
    instance->progress[0] = '\0';
    take_image(engine, service, instance, event->image);
    if (instance->row.phase == BSC_INSTANCE_STARTING ||
        instance->row.phase == BSC_INSTANCE_RESTARTING) {
        if (event->address)
            snprintf(instance->row.address, sizeof instance->row.address, "%s", event->address);
        instance->row.phase = BSC_INSTANCE_RUNNING;
        instance->dirty = true;
        bsc_health_init(&instance->health, &bsc_instance_spec(service, instance)->health,
                        bsc_now(engine));
        service->publish_wanted = true;
    }
    bsc_touch(engine, service);
}

void bsc_exit_describe(const struct bsc_event *event, char *out, size_t size)
{
    int status = event->wait_status;
    if (event->text && *event->text)
        snprintf(out, size, "%s", event->text);
    else if (status == BSC_WAIT_UNKNOWN)
        snprintf(out, size, "ended, nobody saw how");
    else if (WIFSIGNALED(status))
        snprintf(out, size, "killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(out, size, "exited with status %d", WEXITSTATUS(status));
}

/* Stopped for good, by wish or because it went by itself on its way out. */
static void finish(struct bsc_engine *engine, struct bsc_service *service,
                   struct bsc_instance *instance)
{
    struct bsc_effect *effect = bsc_effect_add(engine, BSC_EFFECT_FORGET, service);
    effect->runtime = bsc_instance_spec(service, instance)->runtime;
    snprintf(effect->id, sizeof effect->id, "%s", instance->row.id);
    if (instance->probe_token)
        engine->ports.prober.ops->cancel(engine->ports.prober.self, instance->probe_token);
    if (instance->drain_token)
        engine->ports.router.ops->cancel(engine->ports.router.self, instance->drain_token);
    bsc_instance_remove(engine, service, instance);
}

static bool restarts(const struct bsc_spec *spec, const struct bsc_event *event)
{
    switch (spec->restart) {
    case BSC_RESTART_ALWAYS:
        return true;
    case BSC_RESTART_ON_FAILURE:
        return event->wait_status != 0;
    case BSC_RESTART_NEVER:
        break;
    }
    return false;
}

static void exited_unasked(struct bsc_engine *engine, struct bsc_service *service,
                           struct bsc_instance *instance, const struct bsc_event *event)
{
    const struct bsc_spec *spec = bsc_instance_spec(service, instance);
    instance->pid = 0;
    instance->runtime_token = 0;
    if (event->status == BSC_EXISTS && instance->port_conflicts++ < BSC_PORT_TRIES) {
        address_set(engine, instance, spec); /* somebody else's port: try the next one */
        bsc_instance_start(engine, service, instance);
        return;
    }
    bsc_exit_describe(event, instance->last_exit, sizeof instance->last_exit);
    instance->never_started = event->status != BSC_OK;
    instance->exits++;
    instance->row.phase = BSC_INSTANCE_RESTARTING;
    instance->row.healthy = false;
    instance->dirty = true;
    instance->health.state = BSC_HEALTH_UNKNOWN;
    instance->restart_at_ms = INT64_MAX;
    if (restarts(spec, event)) {
        int64_t pause = backoff_first_ms;
        for (unsigned i = 1; i < instance->exits && pause < backoff_longest_ms; i++)
            pause *= 2;
        instance->restart_at_ms =
            bsc_now(engine) + (pause < backoff_longest_ms ? pause : backoff_longest_ms);
    }
    service->publish_wanted = true;
    bsc_audit(engine, service, 0, "exit", NULL, "%s: %s", instance->row.id, instance->last_exit);
    bsc_touch(engine, service);
}

void bsc_instance_exited(struct bsc_engine *engine, struct bsc_service *service,
                         struct bsc_instance *instance, const struct bsc_event *event)
{
    if (event->token && event->token != instance->runtime_token)
        return;                /* of an earlier call: a newer one is under way */
    if (engine->terminating) { /* what runs is stopped, what is wished stays */
        instance->pid = 0;
        instance->runtime_token = 0;
        return;
    }
    if (instance->row.phase == BSC_INSTANCE_STOPPING ||
        instance->row.phase == BSC_INSTANCE_DRAINING)
        finish(engine, service, instance);
    else
        exited_unasked(engine, service, instance, event);
}

static void stop(struct bsc_engine *engine, struct bsc_service *service,
                 struct bsc_instance *instance)
{
    const struct bsc_spec *spec = bsc_instance_spec(service, instance);
    instance->row.phase = BSC_INSTANCE_STOPPING;
    instance->dirty = true;
    struct bsc_effect *effect = bsc_effect_add(engine, BSC_EFFECT_STOP, service);
    effect->runtime = spec->runtime;
    effect->grace_ms = spec->grace_ms;
    effect->token = instance->runtime_token = bsc_token_next(engine, service);
    snprintf(effect->id, sizeof effect->id, "%s", instance->row.id);
    bsc_touch(engine, service);
}

static int64_t drain_end_ms(const struct bsc_engine *engine, const struct bsc_service *service,
                            const struct bsc_instance *instance)
{
    bool left = instance->leaving_ms && bsc_instance_leaves(service, instance);
    int64_t end_ms = (left ? instance->leaving_ms : bsc_now(engine)) +
                     bsc_instance_spec(service, instance)->deploy.drain_ms;
    int64_t soonest_ms = bsc_now(engine) + snapshot_ms;
    return end_ms > soonest_ms ? end_ms : soonest_ms;
}

static void drain(struct bsc_engine *engine, struct bsc_service *service,
                  struct bsc_instance *instance)
{
    instance->row.phase = BSC_INSTANCE_DRAINING;
    instance->row.healthy = false;
    instance->dirty = true;
    instance->drained = instance->drain_confirmed = false;
    instance->drain_until_ms = drain_end_ms(engine, service, instance);
    struct bsc_effect *effect = bsc_effect_add(engine, BSC_EFFECT_DRAIN, service);
    effect->token = instance->drain_token = bsc_token_next(engine, service);
    snprintf(effect->id, sizeof effect->id, "%s", instance->row.id);
    bsc_touch(engine, service);
}

unsigned bsc_instances_staying(const struct bsc_service *service, enum bsc_slot slot)
{
    unsigned count = 0;
    for (size_t i = 0; i < service->instance_count; i++)
        count +=
            service->instances[i].row.slot == slot && bsc_instance_stays(&service->instances[i]);
    return count;
}

unsigned bsc_instances_count(const struct bsc_service *service, enum bsc_slot slot)
{
    unsigned count = 0;
    for (size_t i = 0; i < service->instance_count; i++)
        count += service->instances[i].row.slot == slot;
    return count;
}

/* Published before the drains are asked for, so that a drain counts from then on. */
static void drain_marked(struct bsc_engine *engine, struct bsc_service *service)
{
    bsc_token token = 0;
    for (size_t i = 0; i < service->instance_count; i++) {
        struct bsc_instance *instance = &service->instances[i];
        if (!instance->retire)
            continue;
        instance->retire = false;
        instance->row.phase = BSC_INSTANCE_DRAINING; /* before the publish reads it */
        if (!token)
            token = bsc_publish(engine, service, false);
        instance->drain_publish = token;
        drain(engine, service, instance);
    }
}

void bsc_instances_retire(struct bsc_engine *engine, struct bsc_service *service,
                          enum bsc_slot slot, uint64_t kept)
{
    for (size_t i = 0; i < service->instance_count; i++) {
        struct bsc_instance *instance = &service->instances[i];
        instance->retire = instance->row.slot == slot && (!kept || instance->row.release != kept) &&
                           bsc_instance_stays(instance);
    }
    drain_marked(engine, service);
}

static bool healthy(const struct bsc_instance *instance)
{
    return instance->row.phase == BSC_INSTANCE_RUNNING && instance->row.healthy;
}

/* The one that is missed least: an ill one, else the last one. NULL: none may go. */
static struct bsc_instance *dispensable(struct bsc_service *service, enum bsc_slot slot,
                                        bool healthy_too)
{
    struct bsc_instance *chosen = NULL;
    for (size_t i = 0; i < service->instance_count; i++) {
        struct bsc_instance *instance = &service->instances[i];
        if (instance->row.slot != slot || instance->retire || !bsc_instance_stays(instance) ||
            (healthy(instance) && !healthy_too))
            continue;
        if (!chosen || (healthy(chosen) && !healthy(instance)) ||
            (healthy(chosen) == healthy(instance) && chosen->row.position < instance->row.position))
            chosen = instance;
    }
    return chosen;
}

void bsc_instances_shrink(struct bsc_engine *engine, struct bsc_service *service,
                          enum bsc_slot slot, unsigned left, unsigned healthy_ones)
{
    for (size_t i = 0; i < service->instance_count; i++)
        service->instances[i].retire = false;
    for (unsigned staying = bsc_instances_staying(service, slot); staying > left; staying--) {
        struct bsc_instance *instance = dispensable(service, slot, healthy_ones > 0);
        if (!instance)
            break;
        healthy_ones -= healthy(instance);
        instance->retire = true;
    }
    drain_marked(engine, service);
}

void bsc_instances_leave(struct bsc_engine *engine, struct bsc_service *service, enum bsc_slot slot)
{
    for (size_t i = 0; i < service->instance_count; i++)
        if (service->instances[i].row.slot == slot)
            service->instances[i].leaving_ms = bsc_now(engine);
    bsc_publish(engine, service, false);
}

void bsc_instances_drain_anew(struct bsc_engine *engine, struct bsc_service *service)
{
    for (size_t i = 0; i < service->instance_count; i++) {
        struct bsc_instance *instance = &service->instances[i];
        if (instance->leaving_ms) /* it may have been in what was refused */
            instance->leaving_ms = bsc_now(engine);
        if (instance->row.phase != BSC_INSTANCE_DRAINING ||
            bsc_published(service, instance->drain_publish))
            continue;
        instance->drain_publish = service->publish_token;
        drain(engine, service, instance);
    }
}

void bsc_instances_recover(struct bsc_engine *engine, struct bsc_service *service)
{
    for (size_t i = 0; i < service->instance_count; i++) {
        struct bsc_instance *instance = &service->instances[i];
        instance->retire = instance->row.phase == BSC_INSTANCE_DRAINING;
        if (instance->row.phase == BSC_INSTANCE_STOPPING)
            stop(engine, service, instance);
    }
    drain_marked(engine, service);
}

/* Nothing new goes there in any generation, and what was in flight ended or had its time. That a
 * drain is over says nothing where the publish before it was refused. */
static bool may_stop(const struct bsc_engine *engine, const struct bsc_service *service,
                     const struct bsc_instance *instance)
{
    return bsc_published(service, instance->drain_publish) &&
           (instance->drained || bsc_now(engine) >= instance->drain_until_ms);
}

/* At the deadline of a drain every proxy is asked once more: one that was started meanwhile, from a
 * snapshot that was a little old, may not have acknowledged yet. */
static void confirm_drains(struct bsc_engine *engine, struct bsc_service *service)
{
    bsc_token token = 0;
    for (size_t i = 0; i < service->instance_count; i++) {
        struct bsc_instance *instance = &service->instances[i];
        if (instance->row.phase != BSC_INSTANCE_DRAINING || instance->drained ||
            instance->drain_confirmed || bsc_now(engine) < instance->drain_until_ms)
            continue;
        if (!token && service->row.removed)
            bsc_unpublish(engine, service);
        if (!token)
            token = bsc_publish(engine, service, false);
        if (bsc_now(engine) < instance->drain_until_ms)
            continue; /* that publish made good for one that was refused */
        instance->drain_confirmed = true;
        instance->drain_publish = token;
    }
}

void bsc_instances_tick(struct bsc_engine *engine, struct bsc_service *service)
{
    int64_t now = bsc_now(engine);
    confirm_drains(engine, service);
    for (size_t i = 0; i < service->instance_count; i++) {
        struct bsc_instance *instance = &service->instances[i];
        switch (instance->row.phase) {
        case BSC_INSTANCE_RUNNING:
            bsc_probe_due(engine, service, instance);
            break;
        case BSC_INSTANCE_RESTARTING:
            if (instance->restart_at_ms <= now)
                bsc_instance_start(engine, service, instance);
            break;
        case BSC_INSTANCE_DRAINING:
            if (may_stop(engine, service, instance))
                stop(engine, service, instance);
            break;
        default:
            break;
        }
    }
}

int64_t bsc_instances_next_ms(const struct bsc_service *service)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < service->instance_count; i++) {
        const struct bsc_instance *instance = &service->instances[i];
        int64_t at = INT64_MAX;
        if (instance->row.phase == BSC_INSTANCE_RUNNING && !instance->health.probing)
            at = instance->health.next_probe_ms;
        else if (instance->row.phase == BSC_INSTANCE_RESTARTING)
            at = instance->restart_at_ms;
        else if (instance->row.phase == BSC_INSTANCE_DRAINING &&
                 bsc_published(service, instance->drain_publish))
            at = instance->drain_until_ms;
        if (at < next)
            next = at;
    }
    return next;
}
