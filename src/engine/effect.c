/* SPDX-License-Identifier: Apache-2.0
 * engine/effect.c - performs effects through the ports.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "core/expand.h"
#include "engine/internal.h"

static const struct bsc_runtime *runtime_of(struct bsc_engine *engine, enum bsc_runtime_kind kind)
{
    return &engine->ports.runtimes[kind];
}

/* The configuration was checked when it was read, so an expansion that fails is logged and left as
 * it stands. */
static const char *expand(struct bsc_arena *arena, const char *text,
                          const struct bsc_variables *variables)
{
    const char *out;
    struct bsc_error error;
    if (!text)
        return NULL;
    if (bsc_expand(arena, text, variables, &out, &error) == BSC_OK)
        return out;
    bsc_log_error("expand '%s': %s", text, error.text);
    return text;
}

static struct bsc_strings expand_all(struct bsc_arena *arena, struct bsc_strings strings,
                                     const struct bsc_variables *variables, unsigned more)
{
    const char **items = bsc_arena_alloc(arena, (strings.count + more + 1) * sizeof *items);
    for (unsigned i = 0; i < strings.count; i++)
        items[i] = expand(arena, strings.items[i], variables);
    return (struct bsc_strings){ strings.count, items };
}

static void add_string(struct bsc_strings *strings, const char *string)
{
    const char **items = (const char **)(uintptr_t)strings->items;
    items[strings->count++] = string;
}

static struct bsc_strings command_argv(struct bsc_arena *arena, const struct bsc_command *command,
                                       const struct bsc_variables *variables)
{
    if (!command->shell)
        return expand_all(arena, command->argv, variables, 0);
    const char **items = bsc_arena_alloc(arena, 4 * sizeof *items);
    items[0] = "/bin/sh";
    items[1] = "-c";
    items[2] = expand(arena, command->shell, variables);
    return (struct bsc_strings){ 3, items };
}

/* What an instance of `service` gets: the file's environment and where it stands. */
static struct bsc_strings environment(struct bsc_arena *arena, const struct bsc_spec *spec,
                                      const struct bsc_service *service,
                                      const struct bsc_variables *variables)
{
    struct bsc_strings all = expand_all(arena, spec->environment, variables, 12);
    add_string(&all, bsc_arena_printf(arena, "SERVICE=%s", service->name));
    add_string(&all, bsc_arena_printf(arena, "SLOT=%s", variables->slot));
    if (variables->version)
        add_string(&all, bsc_arena_printf(arena, "VERSION=%s", variables->version));
    if (variables->port)
        add_string(&all, bsc_arena_printf(arena, "PORT=%s", variables->port));
    if (variables->instance)
        add_string(&all, bsc_arena_printf(arena, "INSTANCE=%s", variables->instance));
    return all;
}

static struct bsc_variables variables_of(struct bsc_arena *arena, const struct bsc_spec *spec,
                                         const struct bsc_instance *instance)
{
    bool inside =
        spec->runtime == BSC_RUNTIME_DOCKER && spec->container.network != BSC_NETWORK_HOST;
    return (struct bsc_variables){
        .version = spec->version,
        .port = bsc_arena_printf(arena, "%u", inside ? spec->container.port : instance->row.port),
        .slot = bsc_slot_name(instance->row.slot),
        .instance = instance->row.id,
    };
}

static void start(struct bsc_engine *engine, const struct bsc_effect *effect)
{
    struct bsc_instance *instance = bsc_instance_find(effect->service, effect->id);
    if (!instance || instance->row.phase != BSC_INSTANCE_STARTING)
        return; /* the same event took the wish back */
    const struct bsc_spec *spec = bsc_instance_spec(effect->service, instance);
    struct bsc_arena arena;
    bsc_arena_init(&arena);
    struct bsc_variables variables = variables_of(&arena, spec, instance);
    struct bsc_launch launch = {
        .id = instance->row.id,
        .argv = command_argv(&arena, &spec->command, &variables),
        .environment = environment(&arena, spec, effect->service, &variables),
        .env_files = expand_all(&arena, spec->env_files, &variables, 0),
        .directory = expand(&arena, spec->directory, &variables),
        .user = spec->user,
        .port = instance->row.port,
        .grace_ms = spec->grace_ms,
    };
    struct bsc_container_spec container = spec->container;
    if (spec->runtime == BSC_RUNTIME_DOCKER) {
        const struct bsc_release *release =
            bsc_release_find(effect->service, instance->row.release);
        container.image = expand(&arena, container.image, &variables);
        container.entrypoint.argv = command_argv(&arena, &container.entrypoint, &variables);
        container.volumes = expand_all(&arena, container.volumes, &variables, 0);
        launch.container = &container;
        launch.directory = container.directory;
        launch.image = release->row.image[0] ? release->row.image : NULL;
        launch.service = effect->service->name;
        launch.slot = variables.slot;
        launch.release = release->row.id;
        launch.position = instance->row.position;
    }
    const struct bsc_runtime *runtime = runtime_of(engine, spec->runtime);
    runtime->ops->start(runtime->self, &launch, effect->token);
    bsc_arena_deinit(&arena);
}

const char *bsc_hook_user(const struct bsc_spec *spec)
{
    return spec->runtime == BSC_RUNTIME_PROCESS ? spec->user : NULL;
}

/* `bascule load`, against the first instance. */
static struct bsc_strings load_argv(const struct bsc_engine *engine, struct bsc_arena *arena,
                                    const struct bsc_spec *spec, const struct bsc_gate *gate,
                                    const char *address)
{
    const char **items = bsc_arena_alloc(arena, 6 * sizeof *items);
    items[0] = engine->ports.program;
    items[1] = "load";
    items[2] = gate->load;
    items[3] = "--url";
    items[4] = !strncmp(address, "unix:", 5)
                   ? address
                   : bsc_arena_printf(arena, "%s://%s", bsc_upstream_tls(spec) ? "https" : "http",
                                      address);
    items[5] = "--json";
    return (struct bsc_strings){ 6, items };
}

/* The addresses of the slot's instances with spaces between, and the first one. */
static const char *addresses(struct bsc_arena *arena, const struct bsc_service *service,
                             enum bsc_slot slot, const char **first)
{
    const char *all = "";
    *first = NULL;
    for (size_t i = 0; i < service->instance_count; i++) {
        const struct bsc_instance *instance = &service->instances[i];
        if (instance->row.slot != slot || !bsc_instance_stays(instance))
            continue;
        if (!*first)
            *first = instance->row.address;
        all = bsc_arena_printf(arena, "%s%s%s", all, *all ? " " : "", instance->row.address);
    }
    return all;
}

/* How a command asks for what is not live yet, as users would: through the proxy. */
static void add_preview(const struct bsc_engine *engine, struct bsc_arena *arena,
                        const struct bsc_service *service, struct bsc_strings *environment)
{
    const struct bsc_preview_spec *preview = &service->row.spec->preview;
    const struct bsc_router *router = &engine->ports.router;
    struct bsc_preview_way way;
    enum bsc_slot slot;
    if (!bsc_preview_slot(service, &slot) ||
        !bsc_preview_find_way(service->row.spec, router->ops->listener, router->self, &way))
        return;
    add_string(environment, bsc_arena_printf(arena, "PREVIEW_URL=%s", way.url));
    add_string(environment, bsc_arena_printf(arena, "PREVIEW_ADDRESS=%s", way.address));
    if (preview->token)
        add_string(environment, bsc_arena_printf(arena, "PREVIEW_HEADER=%s: %s", preview->header,
                                                 preview->token));
}

static void run_hook(struct bsc_engine *engine, const struct bsc_effect *effect)
{
    struct bsc_service *service = effect->service;
    const struct bsc_rollout *rollout = service->rollout;
    if (rollout->step_token != effect->token)
        return; /* the same event took the wish back */
    const struct bsc_release *release = bsc_hook_release(service);
    const struct bsc_step *step = &rollout->row.plan.steps[rollout->row.walk.cursor];
    const struct bsc_gate *gate = bsc_gate_current(service);
    const struct bsc_spec *spec = release->row.spec;
    enum bsc_slot slot = release->row.id == rollout->row.release
                             ? rollout->row.slot
                             : bsc_slot_other(rollout->row.slot);
    struct bsc_arena arena;
    bsc_arena_init(&arena);
    struct bsc_variables variables = { .version = spec->version, .slot = bsc_slot_name(slot) };
    const char *first, *all = addresses(&arena, service, slot, &first);
    struct bsc_launch launch = {
        .id = effect->id,
        .argv = gate && gate->kind == BSC_GATE_LOAD
                    ? load_argv(engine, &arena, spec, gate, first ? first : "")
                    : command_argv(&arena, bsc_hook_command(spec, step, effect->undo), &variables),
        .environment = environment(&arena, spec, service, &variables),
        .env_files = expand_all(&arena, spec->env_files, &variables, 0),
        .directory = expand(&arena, spec->directory, &variables),
        .user = bsc_hook_user(spec),
        .grace_ms = spec->grace_ms,
        .timeout_ms = step->timeout_ms,
    };
    add_string(&launch.environment,
               bsc_arena_printf(&arena, "RELEASE=%llu", (unsigned long long)release->row.id));
    if (first) {
        add_string(&launch.environment, bsc_arena_printf(&arena, "ADDRESS=%s", first));
        add_string(&launch.environment, bsc_arena_printf(&arena, "ADDRESSES=%s", all));
    }
    add_preview(engine, &arena, service, &launch.environment);
    const struct bsc_runtime *runtime = runtime_of(engine, BSC_RUNTIME_PROCESS);
    runtime->ops->start(runtime->self, &launch, effect->token);
    bsc_arena_deinit(&arena);
}

void bsc_question_ask(struct bsc_engine *engine, const struct bsc_service *service,
                      const struct bsc_query_spec *query, bsc_token token)
{
    const struct bsc_rollout *rollout = service->rollout;
    const struct bsc_release *release = bsc_release_find(service, rollout->row.release);
    const struct bsc_spec *spec = release->row.spec;
    struct bsc_query_spec expanded = *query;
    struct bsc_arena arena;
    bsc_arena_init(&arena);
    struct bsc_variables variables = { .version = spec->version,
                                       .slot = bsc_slot_name(rollout->row.slot) };
    expanded.url = expand(&arena, query->url, &variables);
    expanded.query = expand(&arena, query->query, &variables);
    expanded.command.argv = expand_all(&arena, query->command.argv, &variables, 0);
    expanded.command.shell = expand(&arena, query->command.shell, &variables);
    struct bsc_question question = {
        .spec = &expanded,
        .id = bsc_arena_printf(&arena, "%s-query-%s", service->name, query->name),
        .environment = environment(&arena, spec, service, &variables),
        .directory = expand(&arena, spec->directory, &variables),
        .user = bsc_hook_user(spec),
    };
    add_preview(engine, &arena, service, &question.environment);
    engine->ports.query.ops->ask(engine->ports.query.self, &question, token);
    bsc_arena_deinit(&arena);
}

/* As the gate at the cursor asks, or in another way: the rollout may be elsewhere by now. */
static bool ask_for_gate(const struct bsc_service *service, struct bsc_health_spec *out)
{
    const struct bsc_gate *gate = bsc_service_busy(service) ? bsc_gate_current(service) : NULL;
    if (!gate || gate->kind != BSC_GATE_PROBE)
        return false;
    *out = (struct bsc_health_spec){ .kind = BSC_PROBE_HTTP,
                                     .path = gate->probe.path,
                                     .host = gate->probe.host,
                                     .status_low = gate->probe.status_low,
                                     .status_high = gate->probe.status_high,
                                     .timeout_ms = gate->probe.timeout_ms };
    return true;
}

static void probe(struct bsc_engine *engine, const struct bsc_effect *effect)
{
    struct bsc_instance *instance = bsc_instance_find(effect->service, effect->id);
    if (!instance)
        return;
    const struct bsc_spec *spec = bsc_instance_spec(effect->service, instance);
    struct bsc_health_spec health = spec->health;
    if (effect->kind == BSC_EFFECT_GATE_PROBE && !ask_for_gate(effect->service, &health))
        return;
    struct bsc_probe request = {
        .id = instance->row.id,
        .address = instance->row.address,
        .health = &health,
        .speech = spec->speech,
        .tls = bsc_upstream_tls(spec),
    };
    struct bsc_arena arena;
    bsc_arena_init(&arena);
    if (health.kind == BSC_PROBE_COMMAND) {
        struct bsc_variables variables = variables_of(&arena, spec, instance);
        health.command.argv = expand_all(&arena, spec->health.command.argv, &variables, 0);
        health.command.shell = expand(&arena, spec->health.command.shell, &variables);
        request.environment = environment(&arena, spec, effect->service, &variables);
        request.directory = expand(&arena, spec->directory, &variables);
        request.user = bsc_hook_user(spec);
        add_string(&request.environment,
                   bsc_arena_printf(&arena, "ADDRESS=%s", instance->row.address));
    }
    engine->ports.prober.ops->probe(engine->ports.prober.self, &request, effect->token);
    bsc_arena_deinit(&arena);
}

static void drain(struct bsc_engine *engine, const struct bsc_effect *effect)
{
    struct bsc_service *service = effect->service;
    const char **ids = bsc_alloc((service->instance_count + 1) * sizeof *ids);
    unsigned count = 0;
    if (effect->id[0]) {
        ids[count++] = effect->id;
    } else { /* a DRAIN step: the whole slot */
        const struct bsc_rollout *rollout = service->rollout;
        enum bsc_slot slot = rollout->row.plan.steps[rollout->row.walk.cursor].slot;
        for (size_t i = 0; i < service->instance_count; i++)
            if (service->instances[i].row.slot == slot)
                ids[count++] = service->instances[i].row.id;
    }
    engine->ports.router.ops->drain(engine->ports.router.self, ids, count, effect->token);
    free(ids);
}

static void reply(struct bsc_engine *engine, const struct bsc_effect *effect)
{
    struct bsc_reply answer = { .status = effect->status,
                                .text = effect->text,
                                .rollout = effect->rollout };
    const char **lines = NULL;
    if (effect->lines) {
        size_t capacity = 0;
        for (char *at = effect->text, *end; *at; at = end) {
            lines = bsc_grow(lines, &capacity, answer.line_count + 1, sizeof *lines);
            lines[answer.line_count++] = at;
            end = strchr(at, '\n');
            if (!end)
                break;
            *end++ = '\0';
        }
        answer.lines = lines;
        answer.text = answer.line_count ? lines[0] : "";
    }
    engine->ports.notifier.ops->reply(engine->ports.notifier.self, effect->token, &answer);
    free(lines);
}

void bsc_tail(const struct bsc_engine *engine, enum bsc_runtime_kind kind, const char *id,
              char out[static BSC_TAIL_BYTES])
{
    const struct bsc_runtime *runtime = &engine->ports.runtimes[kind];
    out[0] = '\0';
    runtime->ops->tail(runtime->self, id, out, BSC_TAIL_BYTES);
    size_t size = strlen(out);
    while (size && isspace((unsigned char)out[size - 1]))
        out[--size] = '\0';
}

void bsc_effect_perform(struct bsc_engine *engine, struct bsc_effect *effect)
{
    if (effect->performed)
        return;
    effect->performed = true;
    const struct bsc_runtime *runtime = runtime_of(engine, effect->runtime);
    switch (effect->kind) {
    case BSC_EFFECT_START:
        start(engine, effect);
        break;
    case BSC_EFFECT_STOP:
        runtime->ops->stop(runtime->self, effect->id, effect->grace_ms, effect->token);
        break;
    case BSC_EFFECT_FORGET:
        runtime->ops->forget(runtime->self, effect->id);
        break;
    case BSC_EFFECT_PROBE:
    case BSC_EFFECT_GATE_PROBE:
        probe(engine, effect);
        break;
    case BSC_EFFECT_PUBLISH:
        bsc_routing_perform(engine, effect);
        break;
    case BSC_EFFECT_REMOVE:
        engine->ports.router.ops->remove(engine->ports.router.self, effect->id, effect->token);
        break;
    case BSC_EFFECT_DRAIN:
        drain(engine, effect);
        break;
    case BSC_EFFECT_HOOK:
        run_hook(engine, effect);
        break;
    case BSC_EFFECT_REPLY:
        reply(engine, effect);
        break;
    case BSC_EFFECT_AUDIT:
        engine->ports.notifier.ops->audit(engine->ports.notifier.self, effect->audit);
        break;
    }
}
