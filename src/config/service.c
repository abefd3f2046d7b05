/* SPDX-License-Identifier: Apache-2.0
 * config/service.c - a whole service: its keys, and what depends on several of them. */
#include <pwd.h>
#include <string.h>

#include "base/clock.h"
#include "config/keys.h"
#include "core/match.h"
#include "core/plan.h"
#include "core/preview.h"

struct service {
    struct bsc_reader *reader;
    const struct bsc_node *node;
    struct bsc_spec *spec;
    unsigned lines[BSC_KEYS_MAX]; /* where each key was given; 0: it was not */
};

/* Where the key `path` was given; 0: it was not. */
static unsigned given(const struct service *service, const char *path)
{
    return service->lines[bsc_table_find(&bsc_service_keys, path) - bsc_service_keys.keys];
}

/* Where the first key was given whose path starts with `prefix`; 0: none. */
static unsigned given_below(const struct service *service, const char *prefix)
{
    unsigned first = 0;
    for (unsigned i = 0; i < bsc_service_keys.count; i++)
        if (!strncmp(bsc_service_keys.keys[i].path, prefix, strlen(prefix)) && service->lines[i] &&
            (!first || service->lines[i] < first))
            first = service->lines[i];
    return first;
}

static bool has_command(const struct bsc_command *command)
{
    return command->shell || command->argv.count;
}

static bool asks_by_http(const struct service *service)
{
    return given(service, "health.path") || given(service, "health.host") ||
           given(service, "health.status");
}

/* Which of the variants the keys describe. */
static void decide(const struct service *service)
{
    struct bsc_spec *spec = service->spec;
    bool targets = spec->targets[BSC_BLUE].count || spec->targets[BSC_GREEN].count;
    spec->runtime = targets                 ? BSC_RUNTIME_STATIC
                    : spec->container.image ? BSC_RUNTIME_DOCKER
                                            : BSC_RUNTIME_PROCESS;
    if (has_command(&spec->health.command))
        spec->health.kind = BSC_PROBE_COMMAND;
    else if (spec->health.running_ms)
        spec->health.kind = BSC_PROBE_RUNNING;
    else if (spec->speech == BSC_SPEECH_TCP && !asks_by_http(service))
        spec->health.kind = BSC_PROBE_TCP;
    if (!given(service, "upstream_tls.enabled"))
        spec->upstream_tls.enabled = given_below(service, "upstream_tls.") != 0;
}

static void check_upstream_tls(const struct service *service)
{
    struct bsc_reader *reader = service->reader;
    const struct bsc_upstream_tls_spec *tls = &service->spec->upstream_tls;
    unsigned ca = given(service, "upstream_tls.ca");
    if (tls->certificate && !tls->key)
        bsc_reader_problem(reader, given(service, "upstream_tls.certificate"),
                           "upstream_tls.certificate", "needs upstream_tls.key");
    if (tls->key && !tls->certificate)
        bsc_reader_problem(reader, given(service, "upstream_tls.key"), "upstream_tls.key",
                           "needs upstream_tls.certificate");
    if (ca && !tls->verify)
        bsc_reader_problem(reader, ca, "upstream_tls.ca",
                           "is for verifying certificates, but upstream_tls.verify is false");
}

static const char *const target_keys[] = { "targets.blue", "targets.green" };

static bool same_address(const char *a, const char *b)
{
    size_t size = bsc_target_address_size(a);
    return bsc_target_address_size(b) == size && !strncmp(a, b, size);
}

/* Is the address one of the first `count` targets? */
static bool is_among(const char *address, const struct bsc_strings *targets, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (same_address(address, targets->items[i]))
            return true;
    return false;
}

/* The key that has the address `index` of `slot` already; NULL: it is there for the first time. */
static const char *seen_in(const struct bsc_spec *spec, enum bsc_slot slot, unsigned index)
{
    const struct bsc_strings *own = &spec->targets[slot], *blue = &spec->targets[BSC_BLUE];
    if (slot != BSC_BLUE && is_among(own->items[index], blue, blue->count))
        return target_keys[BSC_BLUE];
    return is_among(own->items[index], own, index) ? target_keys[slot] : NULL;
}

static void check_targets(const struct service *service)
{
    struct bsc_reader *reader = service->reader;
    for (unsigned i = 0; i < bsc_service_keys.count; i++)
        if (service->lines[i] && bsc_service_keys.keys[i].flags & BSC_KEY_PROCESS)
            bsc_reader_problem(reader, service->lines[i], bsc_service_keys.keys[i].path,
                               "is for processes that bascule runs, but this service has targets, "
                               "which something else runs");
    for (unsigned slot = 0; slot < BSC_SLOT_COUNT; slot++) {
        const struct bsc_strings *own = &service->spec->targets[slot];
        unsigned line = given(service, target_keys[slot]);
        if (!line)
            bsc_reader_problem(reader, given_below(service, "targets."), target_keys[slot],
                               "is missing: both environments need their addresses");
        for (unsigned i = 0; i < own->count; i++) {
            const char *seen = seen_in(service->spec, slot, i);
            if (seen)
                bsc_reader_problem(reader, line, target_keys[slot],
                                   "has %s, which is already in %s", own->items[i], seen);
        }
    }
}

/* What has a meaning for containers only, and what else must be so for them. */
static void check_image(const struct service *service)
{
    struct bsc_reader *reader = service->reader;
    const struct bsc_spec *spec = service->spec;
    unsigned user = given(service, "user"), expose = given(service, "expose");
    bool image = given(service, "image");
    for (unsigned i = 0; i < bsc_service_keys.count && !image; i++)
        if (service->lines[i] && bsc_service_keys.keys[i].flags & BSC_KEY_IMAGE)
            bsc_reader_problem(reader, service->lines[i], bsc_service_keys.keys[i].path,
                               "is for containers, but this service has no image%s",
                               strcmp(bsc_service_keys.keys[i].path, "working_dir")
                                   ? ""
                                   : "; did you mean directory?");
    if (image && expose && spec->container.network == BSC_NETWORK_HOST)
        bsc_reader_problem(reader, expose, "expose",
                           "is for a container with a network of its own; with network_mode: host "
                           "it must listen where PORT says");
    if (user && spec->user && !image && !getpwnam(spec->user))
        bsc_reader_problem(reader, user, "user", "there is no user '%s' on this machine",
                           spec->user);
}

static void check_runtime(const struct service *service)
{
    struct bsc_reader *reader = service->reader;
    unsigned command = given(service, "command"), targets = given_below(service, "targets.");
    unsigned image = given(service, "image");
    check_image(service);
    if (image && targets)
        bsc_reader_problem(reader, targets > image ? targets : image, "",
                           "has both image and targets; a service is either containers that "
                           "bascule runs, or targets, addresses that something else runs");
    else if (command && targets)
        bsc_reader_problem(reader, targets > command ? targets : command, "",
                           "has both command and targets; a service is either a command that "
                           "bascule runs, or targets, addresses that something else runs");
    else if (targets)
        check_targets(service);
    else if (!command && !image)
        bsc_reader_problem(reader, service->node->line, "",
                           "has neither command (what bascule runs), nor image (the same, in "
                           "containers), nor targets (addresses that something else runs)");
}

static void check_protocol(const struct service *service)
{
    static const char *const listens[] = { "listen", "listen_tls" };
    struct bsc_reader *reader = service->reader;
    unsigned protocol = given(service, "protocol"), count = 0;
    bool tcp = service->spec->speech == BSC_SPEECH_TCP;
    for (size_t i = 0; i < sizeof listens / sizeof *listens; i++) {
        unsigned line = given(service, listens[i]);
        count += line != 0;
        if (line && !tcp)
            bsc_reader_problem(reader, line, listens[i],
                               "is for a service with protocol: tcp; requests of HTTP arrive at "
                               "the listen.%s of the whole file and find a service by its route",
                               i ? "https" : "http");
    }
    if (!tcp)
        return;
    if (!count)
        bsc_reader_problem(reader, protocol, "listen",
                           "is missing: a service with protocol: tcp is found by an address of its "
                           "own, such as listen: 5432");
    for (unsigned i = 0; i < bsc_service_keys.count; i++)
        if (service->lines[i] && bsc_service_keys.keys[i].flags & BSC_KEY_HTTP)
            bsc_reader_problem(reader, service->lines[i], bsc_service_keys.keys[i].path,
                               "is for HTTP, but this service has protocol: tcp");
}

static void check_running(const struct service *service)
{
    static const char *const others[] = { "health.path", "health.host", "health.status",
                                          "health.port", "health.tcp",  "health.command" };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (given(service, others[i]))
            bsc_reader_problem(service->reader, given(service, others[i]), others[i],
                               "asks the instance, but health.running asks nobody; accepted is one "
                               "of them");
}

static void check_health(const struct service *service)
{
    if (given(service, "health.running")) {
        check_running(service);
        return;
    }
    static const char *const http_only[] = { "health.path", "health.host", "health.status" };
    bool tcp = service->spec->health.kind == BSC_PROBE_TCP;
    bool command = service->spec->health.kind == BSC_PROBE_COMMAND;
    unsigned line = given(service, "health.tcp");
    if (command && line)
        bsc_reader_problem(service->reader, line, "health.tcp",
                           "there is a health.command already; accepted is one of path, tcp and "
                           "command");
    for (size_t i = 0; i < sizeof http_only / sizeof *http_only; i++) {
        line = given(service, http_only[i]);
        if (line && (tcp || command))
            bsc_reader_problem(service->reader, line, http_only[i],
                               "is for an HTTP check, but this one is made by %s",
                               command ? "health.command" : "health.tcp");
    }
    line = given(service, "health.port");
    if (line && command)
        bsc_reader_problem(service->reader, line, "health.port",
                           "is for an HTTP or TCP check, but this one is made by health.command");
}

/* The first probe comes at once, each further one of the row after an interval. */
static void check_deadline(const struct service *service)
{
    static const char *const keys[] = { "health.deadline", "health.interval", "health.rise" };
    const struct bsc_health_spec *health = &service->spec->health;
    int64_t least_ms = (health->rise - 1) * health->interval_ms;
    char least[BSC_DURATION_BYTES], interval[BSC_DURATION_BYTES], deadline[BSC_DURATION_BYTES];
    size_t i = 0;
    if (!health->rise || least_ms < health->deadline_ms)
        return; /* or one of them is wrong by itself */
    while (!given(service, keys[i]) && i < sizeof keys / sizeof *keys - 1)
        i++;
    bsc_duration_format(least_ms, least);
    bsc_reader_problem(service->reader, given(service, keys[i]), keys[i],
                       "%u passes in a row (health.rise), one every %s (health.interval), take at "
                       "least %s, but a new instance has only %s (health.deadline): no version "
                       "could ever be deployed; accepted is a deadline of more than %s",
                       health->rise, bsc_duration_format(health->interval_ms, interval), least,
                       bsc_duration_format(health->deadline_ms, deadline), least);
}

static void check_hook(const struct service *service, const char *prefix,
                       const struct bsc_hook_spec *hook)
{
    const char *command = bsc_arena_printf(service->reader->scratch, "%scommand", prefix);
    unsigned line = given_below(service, prefix);
    if (line && !given(service, command))
        bsc_reader_problem(service->reader, line, command, "is missing");
    const char *once = bsc_arena_printf(service->reader->scratch, "%sonce", prefix);
    if (hook->once && (hook->undo.shell || hook->undo.argv.count))
        bsc_reader_problem(service->reader, given(service, once), once,
                           "can't be with an undo: what was undone must be run again");
}

static void check_gates(const struct service *service)
{
    const struct bsc_deploy_spec *deploy = &service->spec->deploy;
    unsigned line = given(service, "deploy.gates");
    for (unsigned i = 0; i < deploy->gates.count; i++) {
        const struct bsc_gate *gate = &deploy->gates.items[i];
        if (gate->kind == BSC_GATE_APPROVAL && deploy->strategy == BSC_STRATEGY_RECREATE)
            bsc_reader_problem(service->reader, line, "deploy.gates",
                               "has an approval, for which requests would wait with "
                               "deploy.strategy: recreate");
        if (gate->kind == BSC_GATE_LOAD && service->spec->speech == BSC_SPEECH_TCP)
            bsc_reader_problem(service->reader, line, "deploy.gates",
                               "has a load test, which is for HTTP, but this service has "
                               "protocol: tcp");
    }
}

/* At most one of the keys; returns how many are given. */
static unsigned check_one_of(const struct service *service, const char *const *keys)
{
    unsigned count = 0;
    for (; *keys; keys++)
        if (given(service, *keys) && ++count > 1)
            bsc_reader_problem(service->reader, given(service, *keys), *keys,
                               "there is another one already; accepted is one of them");
    return count;
}

static void check_balancing(const struct service *service)
{
    static const char *const hashes[] = { "hash.header", "hash.cookie", "hash.path", NULL };
    static const char *const affinities[] = { "affinity.cookie", "affinity.header",
                                              "affinity.client_address", NULL };
    static const char *const attributes[] = { "affinity.ttl", "affinity.path", "affinity.secure",
                                              "affinity.samesite", "affinity.httponly" };
    const struct bsc_affinity_spec *affinity = &service->spec->traffic.affinity;
    struct bsc_reader *reader = service->reader;
    unsigned line = given_below(service, "hash.");
    if (check_one_of(service, hashes) && service->spec->traffic.balance != BSC_BALANCE_HASH)
        bsc_reader_problem(reader, line, "hash", "is for balance: hash");
    line = given_below(service, "affinity.");
    if (line && !check_one_of(service, affinities))
        bsc_reader_problem(reader, line, "affinity",
                           "says not by what; accepted is one of cookie, header and "
                           "client_address");
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++)
        if (given(service, attributes[i]) && !affinity->cookie)
            bsc_reader_problem(reader, given(service, attributes[i]), attributes[i],
                               "is for affinity.cookie");
    if (affinity->same_site == BSC_SAME_SITE_NONE && !affinity->secure)
        bsc_reader_problem(reader, given(service, "affinity.samesite"), "affinity.samesite",
                           "none is refused by browsers without affinity.secure: true");
    if (affinity->path && (strchr(affinity->path, ';') || strlen(affinity->path) > 200))
        bsc_reader_problem(reader, given(service, "affinity.path"), "affinity.path",
                           "expected at most 200 characters without ';'");
}

static void check_rolling(const struct service *service)
{
    const struct bsc_deploy_spec *deploy = &service->spec->deploy;
    unsigned line = given(service, "deploy.max_surge");
    if (line && !deploy->max_surge.number && !deploy->max_unavailable.number)
        bsc_reader_problem(service->reader, line, "deploy.max_surge",
                           "can't be 0 where deploy.max_unavailable is 0: no instance could be "
                           "replaced");
}

static void check_match(const struct service *service)
{
    struct bsc_error error;
    const struct bsc_deploy_spec *deploy = &service->spec->deploy;
    unsigned line = given(service, "deploy.match");
    if (line && deploy->strategy != BSC_STRATEGY_CANARY)
        bsc_reader_problem(service->reader, line, "deploy.match",
                           "is for strategy: canary, which shows a version to some users first");
    else if (line && bsc_match_check(&deploy->match, service->spec->speech, &error))
        bsc_reader_problem(service->reader, line, "deploy.match", "%s", error.text);
}

/* Its host is one more route, and collides like any. */
static void claim_preview_routes(const struct service *service, unsigned line)
{
    struct bsc_reader *reader = service->reader;
    const struct bsc_spec *spec = service->spec;
    for (unsigned i = 0; spec->preview.host && i < spec->route_count; i++) {
        if (!spec->routes[i].path || !bsc_preview_has_path(spec, i))
            continue;
        struct bsc_route_claim *claim = bsc_arena_alloc(reader->scratch, sizeof *claim);
        *claim = (struct bsc_route_claim){
            spec->preview.host, spec->routes[i].path, reader->service, "deploy.preview.host", line,
            reader->claims
        };
        reader->claims = claim;
    }
}

static void check_preview(const struct service *service)
{
    static const char *const tokens[] = { "deploy.preview.token", "deploy.preview.token_file",
                                          NULL };
    struct bsc_reader *reader = service->reader;
    const struct bsc_spec *spec = service->spec;
    unsigned line = given_below(service, "deploy.preview.");
    unsigned host = given(service, "deploy.preview.host");
    unsigned header = given(service, "deploy.preview.header");
    if (!line)
        return;
    if (!spec->route_count && spec->speech != BSC_SPEECH_TCP)
        bsc_reader_problem(reader, line, "deploy.preview",
                           "is for a service with a route; of this one the proxy gets no requests");
    if (host && spec->preview.host && spec->preview.host[0] == '*')
        bsc_reader_problem(reader, host, "deploy.preview.host", "can't be a wildcard");
    if (!check_one_of(service, tokens) && header)
        bsc_reader_problem(reader, header, "deploy.preview.header",
                           "needs a deploy.preview.token or a token_file: without a value that is "
                           "secret anybody could ask");
    if (header && spec->preview.header && !bsc_preview_header_fits(spec->preview.header))
        bsc_reader_problem(reader, header, "deploy.preview.header",
                           "%s is a field with a meaning of its own", spec->preview.header);
    claim_preview_routes(service, host);
}

static void check_shadow(const struct service *service)
{
    if (service->spec->deploy.strategy == BSC_STRATEGY_SHADOW &&
        service->spec->speech == BSC_SPEECH_TCP)
        bsc_reader_problem(service->reader, given(service, "deploy.strategy"), "deploy.strategy",
                           "shadow compares answers of HTTP, and this service speaks tcp");
}

/* What we run and the proxy sends nothing. */
static bool works(const struct service *service)
{
    const struct bsc_spec *spec = service->spec;
    return spec->runtime != BSC_RUNTIME_STATIC && !spec->route_count &&
           spec->speech != BSC_SPEECH_TCP;
}

static void check_worker(const struct service *service)
{
    unsigned order = given(service, "deploy.order"), running = given(service, "health.running");
    if (order && !works(service))
        bsc_reader_problem(service->reader, order, "deploy.order",
                           "is for a service without a route; of this one the proxy moves the "
                           "requests from the old version to the new one");
    else if (order && service->spec->deploy.strategy != BSC_STRATEGY_BLUE_GREEN)
        bsc_reader_problem(service->reader, order, "deploy.order",
                           "does not go with deploy.strategy %s",
                           bsc_strategy_name(service->spec->deploy.strategy));
    if (running && !works(service))
        bsc_reader_problem(service->reader, running, "health.running",
                           "is for a service without a route; one that gets requests must answer");
    else if (running && service->spec->health.running_ms >= service->spec->health.deadline_ms)
        bsc_reader_problem(service->reader, running, "health.running",
                           "is longer than health.deadline: no version could ever be deployed");
}

static void complete_worker(const struct service *service)
{
    struct bsc_spec *spec = service->spec;
    bool checked = asks_by_http(service) || given(service, "health.port") ||
                   given(service, "health.tcp") || given(service, "health.command");
    if (!works(service))
        return;
    if (spec->deploy.strategy == BSC_STRATEGY_BLUE_GREEN && !given(service, "deploy.order"))
        spec->deploy.order = BSC_ORDER_START_FIRST;
    if (checked || spec->health.running_ms)
        return;
    spec->health.running_ms = 5000;
    spec->health.kind = BSC_PROBE_RUNNING;
}

/* What else the strategy ab needs is asked when it is used: it may be chosen by hand. */
static void check_ab(const struct service *service)
{
    const struct bsc_ab_spec *ab = &service->spec->deploy.ab;
    unsigned line = given(service, "deploy.ab.decide");
    bool value = ab->decide && !strcmp(ab->decide, "value");
    if (value && !ab->value_header)
        bsc_reader_problem(service->reader, line, "deploy.ab.decide",
                           "'value' needs deploy.ab.value.header");
    else if (line && !value && bsc_ab_decides(ab) == ab->goal_count)
        bsc_reader_problem(service->reader, line, "deploy.ab.decide", "there is no goal '%s'",
                           ab->decide ? ab->decide : "");
    line = given(service, "deploy.strategy");
    if (line && service->spec->deploy.strategy == BSC_STRATEGY_AB &&
        !service->spec->traffic.affinity.cookie && !service->spec->traffic.affinity.header)
        bsc_reader_problem(service->reader, line, "deploy.strategy",
                           "ab divides users, and nothing says who they are: affinity.cookie or "
                           "affinity.header is missing");
    else if (line && service->spec->deploy.strategy == BSC_STRATEGY_AB && !ab->goal_count &&
             !ab->value_header)
        bsc_reader_problem(service->reader, line, "deploy.strategy",
                           "ab needs something to decide by: deploy.ab.goals or deploy.ab.value "
                           "is missing");
}

static void complete(const struct service *service)
{
    struct bsc_spec *spec = service->spec;
    complete_worker(service);
    if (!spec->directory)
        spec->directory = bsc_arena_copy(service->reader->arena, service->reader->directory);
    if (spec->health.kind == BSC_PROBE_HTTP && !spec->health.path)
        spec->health.path = "/";
}

void bsc_service_read(struct bsc_reader *reader, const struct bsc_node *node, struct bsc_spec *spec)
{
    struct service service = { .reader = reader, .node = node, .spec = spec };
    bsc_table_read(reader, &bsc_service_keys, node, spec, service.lines);
    decide(&service);
    if (reader->stored || node->kind != BSC_NODE_MAP)
        return;
    complete(&service);
    check_runtime(&service);
    check_protocol(&service);
    check_upstream_tls(&service);
    check_health(&service);
    check_worker(&service);
    check_deadline(&service);
    check_balancing(&service);
    check_rolling(&service);
    check_match(&service);
    check_preview(&service);
    check_shadow(&service);
    check_ab(&service);
    check_hook(&service, "hooks.pre_deploy.", &spec->deploy.pre_deploy);
    check_hook(&service, "hooks.post_switch.", &spec->deploy.post_switch);
    check_hook(&service, "hooks.post_promote.", &spec->deploy.post_promote);
    check_hook(&service, "hooks.on_rollback.", &spec->deploy.on_rollback);
    check_gates(&service);
    if (spec->edge.proxy_protocol && spec->speech == BSC_SPEECH_H2)
        bsc_reader_problem(reader, given(&service, "proxy_protocol"), "proxy_protocol",
                           "is for a connection of one client, but one of h2 carries the requests "
                           "of many");
    unsigned route = given(&service, "route"), routes = given(&service, "routes");
    if (route && routes)
        bsc_reader_problem(reader, routes, "routes",
                           "there is a route already; put all of them into one list");
}
