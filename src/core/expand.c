/* SPDX-License-Identifier: Apache-2.0
 * core/expand.c - see expand.h. */
#include "core/expand.h"

#include <string.h>

static const char accepted[] =
    "${VERSION}, ${SERVICE}, ${PORT}, ${SLOT} and ${INSTANCE} "
    "(\"$${\" stands for a literal \"${\", and $NAME without braces is left to the shell)";

struct part {
    const char *text; /* NULL: an error */
    size_t size;
};

static bool is_variable(const char *name, size_t size, const char *wanted)
{
    return strlen(wanted) == size && !memcmp(name, wanted, size);
}

/* What stands for the "${NAME}" at `at`, whose closing brace is `close`. */
static struct part look_up(const struct bsc_variables *variables, const char *at, const char *close,
                           struct bsc_error *error)
{
    const char *name = at + 2, *value;
    size_t size = (size_t)(close - name);
    if (is_variable(name, size, "VERSION"))
        value = variables->version;
    else if (is_variable(name, size, "SERVICE"))
        value = variables->service;
    else if (is_variable(name, size, "PORT"))
        value = variables->port;
    else if (is_variable(name, size, "SLOT"))
        value = variables->slot;
    else if (is_variable(name, size, "INSTANCE"))
        value = variables->instance;
    else {
        bsc_error_set(error, BSC_INVALID, "unknown variable %.*s; accepted are %s",
                      (int)(close - at + 1 < 64 ? close - at + 1 : 64), at, accepted);
        return (struct part){ NULL, 0 };
    }
    if (value)
        return (struct part){ value, strlen(value) };
    return (struct part){ at, (size_t)(close - at + 1) };
}

/* The next part of `text`: up to the next "$", or what stands for what begins there. */
static struct part next_part(const char **text, const struct bsc_variables *variables,
                             struct bsc_error *error)
{
    const char *at = *text;
    if (!strncmp(at, "$${", 3)) {
        *text = at + 3;
        return variables->slot ? (struct part){ "${", 2 } : (struct part){ at, 3 };
    }
    if (!strncmp(at, "${", 2)) {
        const char *close = strchr(at, '}');
        if (!close) {
            bsc_error_set(error, BSC_INVALID, "\"${\" without \"}\"; accepted are %s", accepted);
            return (struct part){ NULL, 0 };
        }
        *text = close + 1;
        return look_up(variables, at, close, error);
    }
    size_t size = 1 + strcspn(at + 1, "$");
    *text = at + size;
    return (struct part){ at, size };
}

/* Measures what `text` expands to, and writes it where `made` is not null. */
static enum bsc_status expand(const char *text, const struct bsc_variables *variables, char *made,
                              size_t *size, struct bsc_error *error)
{
    *size = 0;
    for (const char *at = text; *at;) {
        struct part part = next_part(&at, variables, error);
        if (!part.text)
            return BSC_INVALID;
        if (made)
            memcpy(made + *size, part.text, part.size);
        *size += part.size;
    }
    return BSC_OK;
}

enum bsc_status bsc_expand(struct bsc_arena *arena, const char *text,
                           const struct bsc_variables *variables, const char **out,
                           struct bsc_error *error)
{
    size_t size;
    enum bsc_status status = expand(text, variables, NULL, &size, error);
    if (status)
        return status;
    char *made = bsc_arena_alloc(arena, size + 1);
    made[size] = '\0';
    *out = made;
    return expand(text, variables, made, &size, error);
}

/* One copy of a specification in the making. */
struct copy {
    struct bsc_arena *arena;
    struct bsc_variables variables;
    struct bsc_error *error;
};

static enum bsc_status expand_text(struct copy *copy, const char **text)
{
    if (!*text)
        return BSC_OK;
    return bsc_expand(copy->arena, *text, &copy->variables, text, copy->error);
}

static enum bsc_status expand_strings(struct copy *copy, struct bsc_strings *strings)
{
    const char **items = bsc_arena_alloc(copy->arena, strings->count * sizeof *items);
    for (unsigned i = 0; i < strings->count; i++) {
        items[i] = strings->items[i];
        enum bsc_status status = expand_text(copy, &items[i]);
        if (status)
            return status;
    }
    strings->items = strings->count ? items : NULL;
    return BSC_OK;
}

static enum bsc_status expand_command(struct copy *copy, struct bsc_command *command)
{
    enum bsc_status status = expand_text(copy, &command->shell);
    return status ? status : expand_strings(copy, &command->argv);
}

static enum bsc_status expand_query(struct copy *copy, const struct bsc_query_spec *from,
                                    struct bsc_query_spec *query)
{
    *query = *from;
    query->name = bsc_arena_copy(copy->arena, from->name);
    query->field = bsc_arena_copy(copy->arena, from->field);
    query->accept.text = bsc_arena_copy(copy->arena, from->accept.text);
    enum bsc_status status = expand_command(copy, &query->command);
    if (!status)
        status = expand_text(copy, &query->url);
    return status ? status : expand_text(copy, &query->query);
}

static enum bsc_status expand_queries(struct copy *copy, struct bsc_query_list *list)
{
    struct bsc_query_spec *items = bsc_arena_alloc(copy->arena, list->count * sizeof *items);
    enum bsc_status status = BSC_OK;
    for (unsigned i = 0; !status && i < list->count; i++)
        status = expand_query(copy, &list->items[i], &items[i]);
    list->items = list->count ? items : NULL;
    return status;
}

static enum bsc_status expand_gates(struct copy *copy, struct bsc_gates *gates)
{
    struct bsc_gate *items = bsc_arena_alloc(copy->arena, gates->count * sizeof *items);
    for (unsigned i = 0; i < gates->count; i++) {
        items[i] = gates->items[i];
        items[i].name = bsc_arena_copy(copy->arena, items[i].name);
        items[i].probe.path = bsc_arena_copy(copy->arena, items[i].probe.path);
        items[i].probe.host = bsc_arena_copy(copy->arena, items[i].probe.host);
        items[i].approval = bsc_arena_copy(copy->arena, items[i].approval);
        items[i].load = bsc_arena_copy(copy->arena, items[i].load);
        enum bsc_status status = expand_command(copy, &items[i].command);
        if (!status && items[i].query) {
            struct bsc_query_spec *query = bsc_arena_alloc(copy->arena, sizeof *query);
            status = expand_query(copy, items[i].query, query);
            items[i].query = query;
        }
        if (status)
            return status;
    }
    gates->items = gates->count ? items : NULL;
    return BSC_OK;
}

/* Everything in which a file may write ${VERSION}: see the key table in src/config. */
static enum bsc_status expand_spec(struct copy *copy, struct bsc_spec *spec)
{
    struct bsc_command *commands[] = {
        &spec->command,
        &spec->container.entrypoint,
        &spec->health.command,
        &spec->deploy.pre_deploy.command,
        &spec->deploy.pre_deploy.undo,
        &spec->deploy.post_promote.command,
        &spec->deploy.post_promote.undo,
        &spec->deploy.post_switch.command,
        &spec->deploy.post_switch.undo,
        &spec->deploy.on_rollback.command,
        &spec->deploy.on_rollback.undo,
    };
    enum bsc_status status = BSC_OK;
    for (size_t i = 0; !status && i < sizeof commands / sizeof *commands; i++)
        status = expand_command(copy, commands[i]);
    if (!status)
        status = expand_text(copy, &spec->directory);
    if (!status)
        status = expand_text(copy, &spec->container.image);
    if (!status)
        status = expand_strings(copy, &spec->container.volumes);
    if (!status)
        status = expand_strings(copy, &spec->environment);
    if (!status)
        status = expand_strings(copy, &spec->env_files);
    if (!status)
        status = expand_queries(copy, &spec->deploy.analysis.queries);
    return status ? status : expand_gates(copy, &spec->deploy.gates);
}

static void copy_error_rules(struct bsc_arena *arena, struct bsc_error_rules *rules)
{
    struct bsc_error_rule *items = bsc_arena_alloc(arena, rules->count * sizeof *items);
    for (unsigned i = 0; i < rules->count; i++) {
        items[i] = rules->items[i];
        items[i].path = bsc_arena_copy(arena, items[i].path);
    }
    rules->items = rules->count ? items : NULL;
}

static void copy_rate_rules(struct bsc_arena *arena, struct bsc_rate_rules *rules)
{
    struct bsc_rate_rule *items = bsc_arena_alloc(arena, rules->count * sizeof *items);
    for (unsigned i = 0; i < rules->count; i++) {
        items[i] = rules->items[i];
        items[i].path = bsc_arena_copy(arena, items[i].path);
    }
    rules->items = rules->count ? items : NULL;
}

static void copy_error_pages(struct bsc_arena *arena, struct bsc_error_pages *pages)
{
    struct bsc_error_page *items = bsc_arena_alloc(arena, pages->count * sizeof *items);
    for (unsigned i = 0; i < pages->count; i++)
        items[i] = (struct bsc_error_page){ .key = bsc_arena_copy(arena, pages->items[i].key),
                                            .html = bsc_arena_copy(arena, pages->items[i].html),
                                            .json = bsc_arena_copy(arena, pages->items[i].json) };
    pages->items = pages->count ? items : NULL;
}

static void copy_match(struct bsc_arena *arena, struct bsc_match_spec *match)
{
    struct bsc_match_rule *items = bsc_arena_alloc(arena, match->count * sizeof *items);
    for (unsigned i = 0; i < match->count; i++) {
        items[i] = match->items[i];
        items[i].name = bsc_arena_copy(arena, items[i].name);
        items[i].value = bsc_arena_copy(arena, items[i].value);
    }
    match->items = match->count ? items : NULL;
}

static void copy_ab(struct bsc_arena *arena, struct bsc_ab_spec *ab)
{
    struct bsc_goal_spec *items = bsc_arena_alloc(arena, ab->goal_count * sizeof *items);
    for (unsigned i = 0; i < ab->goal_count; i++) {
        items[i] = ab->goals[i];
        items[i].name = bsc_arena_copy(arena, items[i].name);
        items[i].path = bsc_arena_copy(arena, items[i].path);
        items[i].method = bsc_arena_copy(arena, items[i].method);
        items[i].header = bsc_arena_copy(arena, items[i].header);
        items[i].header_value = bsc_arena_copy(arena, items[i].header_value);
    }
    ab->goals = ab->goal_count ? items : NULL;
    ab->value_header = bsc_arena_copy(arena, ab->value_header);
    ab->decide = bsc_arena_copy(arena, ab->decide);
}

static void copy_strings(struct bsc_arena *arena, struct bsc_strings *strings)
{
    const char **items = bsc_arena_alloc(arena, strings->count * sizeof *items);
    for (unsigned i = 0; i < strings->count; i++)
        items[i] = bsc_arena_copy(arena, strings->items[i]);
    strings->items = strings->count ? items : NULL;
}

/* The strings that are not expanded still have to move into the new arena. */
static void copy_rest(struct bsc_spec *spec)
{
    struct bsc_arena *arena = &spec->arena;
    struct bsc_route *routes = bsc_arena_alloc(arena, spec->route_count * sizeof *routes);
    for (unsigned i = 0; i < spec->route_count; i++) {
        routes[i].host = bsc_arena_copy(arena, spec->routes[i].host);
        routes[i].path = bsc_arena_copy(arena, spec->routes[i].path);
    }
    spec->routes = spec->route_count ? routes : NULL;
    spec->release = bsc_arena_copy(arena, spec->release);
    copy_strings(arena, &spec->depends_on);
    copy_strings(arena, &spec->listen);
    copy_strings(arena, &spec->listen_tls);
    spec->name = bsc_arena_copy(arena, spec->name);
    spec->user = bsc_arena_copy(arena, spec->user);
    spec->container.directory = bsc_arena_copy(arena, spec->container.directory);
    spec->container.stop_signal = bsc_arena_copy(arena, spec->container.stop_signal);
    struct bsc_traffic_spec *traffic = &spec->traffic;
    traffic->hash_header = bsc_arena_copy(arena, traffic->hash_header);
    traffic->hash_cookie = bsc_arena_copy(arena, traffic->hash_cookie);
    traffic->affinity.cookie = bsc_arena_copy(arena, traffic->affinity.cookie);
    traffic->affinity.header = bsc_arena_copy(arena, traffic->affinity.header);
    traffic->affinity.path = bsc_arena_copy(arena, traffic->affinity.path);
    struct bsc_upstream_tls_spec *tls = &spec->upstream_tls;
    tls->ca = bsc_arena_copy(arena, tls->ca);
    tls->server_name = bsc_arena_copy(arena, tls->server_name);
    tls->certificate = bsc_arena_copy(arena, tls->certificate);
    tls->key = bsc_arena_copy(arena, tls->key);
    spec->health.path = bsc_arena_copy(arena, spec->health.path);
    spec->health.host = bsc_arena_copy(arena, spec->health.host);
    copy_error_rules(arena, &spec->errors.paths);
    copy_error_rules(arena, &spec->errors.ignore);
    copy_rate_rules(arena, &spec->edge.rate_paths);
    copy_error_pages(arena, &spec->edge.error_pages);
    copy_match(arena, &spec->deploy.match);
    spec->preview.host = bsc_arena_copy(arena, spec->preview.host);
    spec->preview.header = bsc_arena_copy(arena, spec->preview.header);
    spec->preview.token = bsc_arena_copy(arena, spec->preview.token);
    copy_ab(arena, &spec->deploy.ab);
    copy_strings(arena, &spec->deploy.shadow.methods);
    copy_strings(arena, &spec->deploy.shadow.headers);
    copy_strings(arena, &spec->deploy.shadow.ignored);
    for (unsigned slot = 0; slot < BSC_SLOT_COUNT; slot++)
        copy_strings(arena, &spec->targets[slot]);
}

enum bsc_status bsc_spec_for_version(const struct bsc_spec *file, const char *version,
                                     struct bsc_spec **out, struct bsc_error *error)
{
    enum bsc_status status = bsc_version_check(version, error);
    if (status)
        return status;
    struct bsc_spec *spec = bsc_spec_create();
    struct bsc_arena arena = spec->arena;
    *spec = *file;
    spec->arena = arena;
    spec->references = 1;
    copy_rest(spec);
    spec->version = bsc_arena_copy(&spec->arena, version);
    struct copy copy = { &spec->arena, { .version = spec->version, .service = spec->name }, error };
    status = expand_spec(&copy, spec);
    if (status) {
        bsc_error_wrap(error, "service %s", spec->name ? spec->name : "?");
        bsc_spec_release(spec);
        return status;
    }
    *out = spec;
    return BSC_OK;
}
