/* SPDX-License-Identifier: Apache-2.0
 * engine/apply.c - a new configuration: checked as a whole, then the listeners, then the services.
 *
 * The router takes the listeners first, because that can fail ("port in use"); only then anything
 * is changed. A configuration that is refused changes nothing.
 */
#include <stdio.h>
#include <string.h>

#include "core/configuration.h"
#include "engine/internal.h"

static const struct bsc_spec *config_spec(const struct bsc_config *config, const char *name)
{
    for (unsigned i = 0; i < config->service_count; i++)
        if (!strcmp(config->services[i]->name, name))
            return config->services[i];
    return NULL;
}

static bool same_strings(const struct bsc_strings *a, const struct bsc_strings *b)
{
    for (unsigned i = 0; a->count == b->count && i < a->count; i++)
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    return a->count == b->count;
}

static bool same_routes(const struct bsc_spec *a, const struct bsc_spec *b)
{
    if (a->route_count != b->route_count || !same_strings(&a->listen, &b->listen) ||
        !same_strings(&a->listen_tls, &b->listen_tls))
        return false;
    for (unsigned i = 0; i < a->route_count; i++) {
        const char *host_a = a->routes[i].host ? a->routes[i].host : "";
        const char *host_b = b->routes[i].host ? b->routes[i].host : "";
        if (strcmp(host_a, host_b) != 0 || strcmp(a->routes[i].path, b->routes[i].path) != 0)
            return false;
    }
    return true;
}

/* What serves a static service before its first release follows the file. */
static bool follows_file(const struct bsc_service *service)
{
    const struct bsc_release *release =
        bsc_release_find(service, service->row.release[service->row.slots.live]);
    return !release || !release->row.spec->version;
}

/* Would the ground of a rollout of `s` be pulled from under it? */
static bool moves_targets(const struct bsc_service *s, const struct bsc_spec *next)
{
    enum bsc_slot live = s->row.slots.live;
    return follows_file(s) && !same_strings(&s->row.spec->targets[live], &next->targets[live]);
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

/* Users of an A/B test would be others. */
static bool renames_users(const struct bsc_service *s, const struct bsc_spec *next)
{
    const struct bsc_affinity_spec *now = &s->row.spec->traffic.affinity;
    const struct bsc_affinity_spec *then = &next->traffic.affinity;
    return s->rollout->row.strategy == BSC_STRATEGY_AB &&
           !(same_text(now->cookie, then->cookie) && same_text(now->header, then->header));
}

/* Removing or rerouting a service in the middle of a rollout would pull the ground from under it.
 */
static enum bsc_status check(const struct bsc_engine *engine, const struct bsc_config *config,
                             struct bsc_error *error)
{
    for (const struct bsc_service *s = engine->services; s; s = s->next) {
        const struct bsc_spec *next = config_spec(config, s->name);
        if (s->row.removed && next)
            return bsc_error_set(error, BSC_BUSY,
                                 "%s is still being stopped since it was removed: apply again "
                                 "when it is gone",
                                 s->name);
        if (!next && bsc_lock_check(s, error) != BSC_OK)
            return bsc_error_wrap(error, "%s can't be removed", s->name);
        if (!next && bsc_group_awaits(s))
            return bsc_busy_error(engine, s, error);
        if (!bsc_rollout_open(s))
            continue;
        if (!next)
            return bsc_error_set(error, BSC_BUSY,
                                 "%s has a rollout in progress (r%llu) and can't be removed: abort "
                                 "it first",
                                 s->name, (unsigned long long)s->rollout->row.id);
        if (!same_routes(s->row.spec, next))
            return bsc_error_set(error, BSC_BUSY,
                                 "%s has a rollout in progress (r%llu) and can't be rerouted: "
                                 "abort it first",
                                 s->name, (unsigned long long)s->rollout->row.id);
        if (renames_users(s, next))
            return bsc_error_set(error, BSC_BUSY,
                                 "%s has an A/B test in progress (r%llu), and other affinity would "
                                 "make other users of its users: abort it first",
                                 s->name, (unsigned long long)s->rollout->row.id);
        if (moves_targets(s, next))
            return bsc_error_set(error, BSC_BUSY,
                                 "%s has a rollout in progress (r%llu), and what serves meanwhile "
                                 "are the targets of the file, which can't be changed now: abort "
                                 "it first",
                                 s->name, (unsigned long long)s->rollout->row.id);
    }
    return BSC_OK;
}

void bsc_apply_command(struct bsc_engine *engine, const struct bsc_event *event)
{
    struct bsc_error error;
    if (engine->apply) {
        bsc_reply(engine, event->token, BSC_BUSY, 0, "another configuration is being applied");
        return;
    }
    if (check(engine, event->config, &error) != BSC_OK) {
        bsc_reply(engine, event->token, error.status, 0, "%s", error.text);
        return;
    }
    engine->apply = event->config;
    engine->apply_reply = event->token;
    engine->apply_token = bsc_token_next(engine, NULL);
    snprintf(engine->apply_actor, sizeof engine->apply_actor, "%s",
             event->actor ? event->actor : "");
    engine->ports.router.ops->configure(engine->ports.router.self, event->config,
                                        engine->apply_token);
}

static bool keep_target(struct bsc_instance *instance, const struct bsc_release *release,
                        struct bsc_strings targets)
{
    for (unsigned i = 0; i < targets.count; i++)
        if (strlen(instance->row.address) == bsc_target_address_size(targets.items[i]) &&
            !strncmp(targets.items[i], instance->row.address, strlen(instance->row.address))) {
            instance->row.release = release->row.id;
            instance->row.position = i;
            instance->dirty = true;
            return true;
        }
    return false;
}

/* Until a release takes over it is what the file names for its live slot. Addresses that stay keep
 * their health. */
static void follow_targets(struct bsc_engine *engine, struct bsc_service *service)
{
    const struct bsc_spec *spec = service->row.spec;
    enum bsc_slot live = service->row.slots.live;
    if (spec->runtime != BSC_RUNTIME_STATIC || !follows_file(service) || bsc_rollout_open(service))
        return; /* of an open rollout the targets are the same: see moves_targets */
    struct bsc_release *release = bsc_release_new(engine, service, spec);
    service->row.release[live] = release->row.id;
    for (size_t i = 0; i < service->instance_count; i++)
        if (service->instances[i].row.slot == live && bsc_instance_stays(&service->instances[i]))
            keep_target(&service->instances[i], release, spec->targets[live]);
    bsc_instances_retire(engine, service, live, release->row.id);
    for (unsigned i = 0; i < spec->targets[live].count; i++)
        if (!bsc_instance_at(service, live, release->row.id, i))
            bsc_instance_create(engine, service, release, live, i);
    bsc_touch_row(engine, service);
}

static void put_service(struct bsc_engine *engine, const struct bsc_spec *spec,
                        struct bsc_text *lines)
{
    struct bsc_service *service = bsc_service_find(engine, spec->name);
    struct bsc_text diff = { 0 };
    if (service) {
        engine->ports.spec_diff(service->row.spec, spec, &diff);
        if (!diff.size)
            return;
    } else {
        service = bsc_service_add(engine, spec->name);
        bsc_text_puts(&diff, "new\n");
    }
    bsc_spec_release((struct bsc_spec *)(uintptr_t)service->row.spec);
    service->row.spec = bsc_spec_acquire((struct bsc_spec *)(uintptr_t)spec);
    follow_targets(engine, service);
    service->publish_wanted = true;
    bsc_touch_row(engine, service);
    for (char *at = diff.data, *end; *at; at = end + 1) {
        end = strchr(at, '\n');
        if (!end)
            end = at + strlen(at);
        bsc_text_printf(lines, "%s: %.*s\n", service->name, (int)(end - at), at);
        if (!*end)
            break;
    }
    bsc_text_deinit(&diff);
}

static void remove_service(struct bsc_engine *engine, struct bsc_service *service,
                           struct bsc_text *lines)
{
    service->row.removed = true;
    service->publish_wanted = false;
    if (bsc_service_busy(service))
        bsc_rollout_event(engine, service, BSC_WALK_CUT, NULL);
    bsc_text_printf(lines, "%s: removed\n", service->name);
    bsc_audit(engine, service, 0, "removed", engine->apply_actor, "left the configuration");
    bsc_unpublish(engine, service);
    bsc_touch_row(engine, service);
}

/* The changes as one line for the audit. */
static void audit_changes(struct bsc_engine *engine, const struct bsc_text *lines)
{
    struct bsc_text text = { 0 };
    bsc_text_add(&text, lines->data, lines->size - 1);
    for (char *at = text.data; (at = strchr(at, '\n'));)
        *at = ';';
    bsc_audit(engine, NULL, 0, "apply", engine->apply_actor, "%s", text.data);
    bsc_text_deinit(&text);
}

void bsc_apply_configured(struct bsc_engine *engine, const struct bsc_event *event)
{
    const struct bsc_config *config = engine->apply;
    struct bsc_error error;
    struct bsc_text lines = { 0 };
    if (!config || event->token != engine->apply_token)
        return;
    engine->apply = NULL;
    if (event->status != BSC_OK) {
        bsc_reply(engine, engine->apply_reply, event->status, 0, "%s",
                  event->text ? event->text : "");
        return;
    }
    if (check(engine, config, &error) != BSC_OK) { /* a rollout may have begun meanwhile */
        bsc_reply(engine, engine->apply_reply, error.status, 0, "%s", error.text);
        return;
    }
    engine->ports.config_diff(&engine->file, config, &lines);
    engine->port_low = config->port_low;
    engine->port_high = config->port_high;
    for (struct bsc_service *s = engine->services; s; s = s->next)
        if (!s->row.removed && !config_spec(config, s->name))
            remove_service(engine, s, &lines);
    for (unsigned i = 0; i < config->service_count; i++)
        put_service(engine, config->services[i], &lines);
    if (lines.size)
        audit_changes(engine, &lines);
    bsc_reply_lines(engine, engine->apply_reply, BSC_OK, &lines);
    bsc_text_deinit(&lines);
}
