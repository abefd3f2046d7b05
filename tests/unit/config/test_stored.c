/* SPDX-License-Identifier: Apache-2.0
 * The stored form of a specification loses nothing, and differences are told key by key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"
#include "core/expand.h"
#include "core/match.h"

/* A generator of our own, so that a failing seed is the same everywhere. */
static uint64_t state;

static unsigned below(unsigned limit)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(state >> 33) % limit;
}

static const char *random_text(struct bsc_arena *arena)
{
    static const char *const parts[] = { "a",  "B",  "7",   " ",   "\"",      "\\",          "'",
                                         "\n", "\t", "\x1", "$${", "${PORT}", "\xc3\xa4",    "=",
                                         "/",  ".",  ":",   "{",   "-",       "\xe2\x82\xac" };
    const char *text = "x";
    for (unsigned i = below(12); i > 0; i--)
        text = bsc_arena_printf(arena, "%s%s", text, parts[below(sizeof parts / sizeof *parts)]);
    return text;
}

static struct bsc_strings random_strings(struct bsc_arena *arena, unsigned least)
{
    unsigned count = least + below(4);
    const char **items = bsc_arena_alloc(arena, count * sizeof(const char *));
    for (unsigned i = 0; i < count; i++)
        items[i] = random_text(arena);
    return (struct bsc_strings){ count, count ? items : NULL };
}

static struct bsc_strings random_environment(struct bsc_arena *arena)
{
    unsigned count = below(5);
    const char **items = bsc_arena_alloc(arena, count * sizeof(const char *));
    for (unsigned i = 0; i < count; i++)
        items[i] = bsc_arena_printf(arena, "NAME_%u=%s", i, random_text(arena));
    return (struct bsc_strings){ count, count ? items : NULL };
}

static struct bsc_command random_command(struct bsc_arena *arena, bool required)
{
    unsigned kind = below(required ? 2 : 3);
    if (kind == 0)
        return (struct bsc_command){ .shell = random_text(arena) };
    if (kind == 1)
        return (struct bsc_command){ .argv = random_strings(arena, 1) };
    return (struct bsc_command){ 0 };
}

static const char *maybe_text(struct bsc_arena *arena)
{
    return below(2) ? random_text(arena) : NULL;
}

static int64_t random_ms(void)
{
    static const int64_t scales[] = { 1, 1000, 60000, 3600000, 86400000 };
    return (int64_t)below(1000) * scales[below(5)] + below(3);
}

static void random_rest(struct bsc_spec *spec)
{
    spec->traffic = (struct bsc_traffic_spec){
        .balance = below(3),
        .hash_header = maybe_text(&spec->arena),
        .hash_cookie = maybe_text(&spec->arena),
        .hash_path = below(2),
        .affinity = { .cookie = maybe_text(&spec->arena),
                      .header = maybe_text(&spec->arena),
                      .client_address = below(2),
                      .ttl_ms = random_ms(),
                      .path = random_text(&spec->arena),
                      .same_site = below(3),
                      .secure = below(2),
                      .http_only = below(2) },
        .slow_start_ms = random_ms(),
        .requests_max = below(1000),
        .queue_max = below(1000),
        .queue_ms = random_ms(),
        .ejection = { .errors = below(100),
                      .min_requests = below(100),
                      .max_percent = below(101),
                      .interval_ms = random_ms(),
                      .time_ms = random_ms() },
        .connect_ms = random_ms(),
        .answer_ms = random_ms(),
        .idle_ms = random_ms(),
        .hold_ms = random_ms(),
        .hold_max = below(100000),
    };
    spec->health.port = below(65536);
    spec->health.status_low = below(600);
    spec->health.status_high = spec->health.status_low + below(100);
    spec->health.interval_ms = random_ms();
    spec->health.timeout_ms = random_ms();
    spec->health.deadline_ms = random_ms();
    spec->health.rise = below(100);
    spec->health.fall = below(100);
    spec->health.min_healthy_percent = below(101);
    spec->deploy.strategy = below(BSC_STRATEGY_COUNT);
    spec->deploy.steps.count = below(5);
    for (unsigned i = 0; i < spec->deploy.steps.count; i++)
        spec->deploy.steps.weight_bp[i] = i * 2000 + 1 + below(1999);
    static const struct bsc_match_rule rules[] = {
        { BSC_MATCH_HEADER, BSC_MATCH_EXACT, "X-Beta", "yes; or no" },
        { BSC_MATCH_COOKIE, BSC_MATCH_PREFIX, "beta", "\"" },
        { BSC_MATCH_ADDRESS, BSC_MATCH_PRESENT, NULL, "10.0.0.0/8" },
        { BSC_MATCH_COOKIE, BSC_MATCH_PRESENT, "beta", NULL },
    };
    spec->deploy.match = (struct bsc_match_spec){ below(5), rules };
    spec->deploy.scale = below(3);
    spec->deploy.scale_instances = spec->deploy.scale == BSC_SCALE_FIXED ? 1 + below(100) : 0;
    spec->deploy.batch = (struct bsc_amount){ 1 + below(100), below(2) };
    spec->deploy.max_surge = (struct bsc_amount){ below(100), below(2) };
    spec->deploy.max_unavailable = (struct bsc_amount){ below(2) * 50, true };
    spec->deploy.bake_ms = random_ms();
    spec->deploy.standby_ms = random_ms();
    spec->deploy.drain_ms = random_ms();
    spec->deploy.switch_ms = random_ms();
    spec->deploy.pre_deploy.timeout_ms = random_ms();
    spec->deploy.post_promote.timeout_ms = random_ms();
    spec->replicas = below(300);
    spec->restart = below(3);
    spec->grace_ms = random_ms();
}

static struct bsc_error_pages random_pages(struct bsc_arena *arena)
{
    static const char *const keys[] = { "503", "5xx", "maintenance" };
    struct bsc_error_page *items = bsc_arena_alloc(arena, 3 * sizeof *items);
    unsigned count = below(4);
    for (unsigned i = 0; i < count; i++)
        items[i] = (struct bsc_error_page){ keys[i], maybe_text(arena), maybe_text(arena) };
    return (struct bsc_error_pages){ count, items };
}

static struct bsc_statuses random_statuses(void)
{
    struct bsc_statuses set = { { 0 } };
    for (unsigned count = below(4); count; count--) {
        unsigned low = BSC_STATUS_LOW + below(400);
        bsc_statuses_add(&set, low, low + below(100));
    }
    return set;
}

static struct bsc_error_rules random_rules(struct bsc_arena *arena)
{
    struct bsc_error_rule *items = bsc_arena_alloc(arena, 3 * sizeof *items);
    unsigned count = below(4);
    for (unsigned i = 0; i < count; i++)
        items[i] = (struct bsc_error_rule){ random_text(arena), random_statuses() };
    return (struct bsc_error_rules){ count, items };
}

static struct bsc_spec *random_spec(void)
{
    struct bsc_spec *spec = bsc_spec_create();
    struct bsc_arena *arena = &spec->arena;
    spec->name = random_text(arena);
    spec->version = maybe_text(arena);
    spec->route_count = below(4);
    struct bsc_route *routes = bsc_arena_alloc(arena, spec->route_count * sizeof *routes);
    for (unsigned i = 0; i < spec->route_count; i++)
        routes[i] = (struct bsc_route){ maybe_text(arena), random_text(arena) };
    spec->routes = spec->route_count ? routes : NULL;
    spec->runtime = below(2);
    if (spec->runtime == BSC_RUNTIME_STATIC) {
        spec->targets[BSC_BLUE] = random_strings(arena, 1);
        spec->targets[BSC_GREEN] = random_strings(arena, 0);
    } else {
        spec->command = random_command(arena, true);
    }
    spec->directory = maybe_text(arena);
    spec->environment = random_environment(arena);
    spec->env_files = random_strings(arena, 0);
    spec->user = maybe_text(arena);
    spec->edge.error_pages = random_pages(arena);
    spec->preview.host = maybe_text(arena);
    spec->preview.header = random_text(arena);
    spec->preview.token = maybe_text(arena);
    spec->errors =
        (struct bsc_errors_spec){ random_statuses(), random_rules(arena), random_rules(arena) };
    spec->health.kind = below(3);
    spec->health.host = maybe_text(arena);
    if (spec->health.kind == BSC_PROBE_HTTP)
        spec->health.path = random_text(arena);
    if (spec->health.kind == BSC_PROBE_COMMAND)
        spec->health.command = random_command(arena, true);
    spec->deploy.pre_deploy.command = random_command(arena, false);
    spec->deploy.pre_deploy.undo = random_command(arena, false);
    spec->deploy.post_promote.command = random_command(arena, false);
    random_rest(spec);
    return spec;
}

static void same_text(const char *a, const char *b)
{
    assert_int_equal(a == NULL, b == NULL);
    if (a)
        assert_string_equal(a, b);
}

static void same_strategy(const struct bsc_deploy_spec *a, const struct bsc_deploy_spec *b);

static void same_strings(const struct bsc_strings *a, const struct bsc_strings *b)
{
    assert_int_equal(a->count, b->count);
    for (unsigned i = 0; i < a->count; i++)
        assert_string_equal(a->items[i], b->items[i]);
}

static void same_command(const struct bsc_command *a, const struct bsc_command *b)
{
    same_text(a->shell, b->shell);
    same_strings(&a->argv, &b->argv);
}

/* Compared field by field and not by the table, which might forget one. */
static void same_pages(const struct bsc_error_pages *a, const struct bsc_error_pages *b)
{
    assert_int_equal(a->count, b->count);
    for (unsigned i = 0; i < a->count; i++) {
        assert_string_equal(a->items[i].key, b->items[i].key);
        same_text(a->items[i].html, b->items[i].html);
        same_text(a->items[i].json, b->items[i].json);
    }
}

static void same_error_rules(const struct bsc_error_rules *a, const struct bsc_error_rules *b)
{
    assert_int_equal(a->count, b->count);
    for (unsigned i = 0; i < a->count; i++) {
        same_text(a->items[i].path, b->items[i].path);
        assert_memory_equal(&a->items[i].statuses, &b->items[i].statuses,
                            sizeof a->items[i].statuses);
    }
}

static void same_errors(const struct bsc_errors_spec *a, const struct bsc_errors_spec *b)
{
    assert_memory_equal(&a->statuses, &b->statuses, sizeof a->statuses);
    same_error_rules(&a->paths, &b->paths);
    same_error_rules(&a->ignore, &b->ignore);
}

static void same_instances(const struct bsc_spec *a, const struct bsc_spec *b)
{
    assert_int_equal(a->replicas, b->replicas);
    assert_int_equal(a->restart, b->restart);
    assert_int_equal(a->grace_ms, b->grace_ms);
}

/* Without a field of its own it has the usual one. */
static void same_preview(const struct bsc_preview_spec *a, const struct bsc_preview_spec *b)
{
    same_text(a->host, b->host);
    same_text(a->token, b->token);
    assert_string_equal(a->header ? a->header : "X-Bascule-Preview", b->header);
}

static void same_spec(const struct bsc_spec *a, const struct bsc_spec *b)
{
    same_text(a->name, b->name);
    same_text(a->version, b->version);
    assert_int_equal(a->route_count, b->route_count);
    for (unsigned i = 0; i < a->route_count; i++) {
        same_text(a->routes[i].host, b->routes[i].host);
        same_text(a->routes[i].path, b->routes[i].path);
    }
    assert_int_equal(a->traffic.balance, b->traffic.balance);
    assert_int_equal(a->traffic.connect_ms, b->traffic.connect_ms);
    assert_int_equal(a->traffic.answer_ms, b->traffic.answer_ms);
    assert_int_equal(a->traffic.idle_ms, b->traffic.idle_ms);
    assert_int_equal(a->traffic.hold_ms, b->traffic.hold_ms);
    assert_int_equal(a->traffic.hold_max, b->traffic.hold_max);
    same_text(a->traffic.hash_header, b->traffic.hash_header);
    same_text(a->traffic.hash_cookie, b->traffic.hash_cookie);
    assert_int_equal(a->traffic.hash_path, b->traffic.hash_path);
    same_text(a->traffic.affinity.cookie, b->traffic.affinity.cookie);
    same_text(a->traffic.affinity.header, b->traffic.affinity.header);
    assert_int_equal(a->traffic.affinity.client_address, b->traffic.affinity.client_address);
    assert_int_equal(a->traffic.affinity.ttl_ms, b->traffic.affinity.ttl_ms);
    same_text(a->traffic.affinity.path, b->traffic.affinity.path);
    assert_int_equal(a->traffic.affinity.same_site, b->traffic.affinity.same_site);
    assert_int_equal(a->traffic.affinity.secure, b->traffic.affinity.secure);
    assert_int_equal(a->traffic.affinity.http_only, b->traffic.affinity.http_only);
    assert_int_equal(a->traffic.slow_start_ms, b->traffic.slow_start_ms);
    assert_int_equal(a->traffic.requests_max, b->traffic.requests_max);
    assert_int_equal(a->traffic.queue_max, b->traffic.queue_max);
    assert_int_equal(a->traffic.queue_ms, b->traffic.queue_ms);
    assert_int_equal(a->traffic.ejection.errors, b->traffic.ejection.errors);
    assert_int_equal(a->traffic.ejection.min_requests, b->traffic.ejection.min_requests);
    assert_int_equal(a->traffic.ejection.max_percent, b->traffic.ejection.max_percent);
    assert_int_equal(a->traffic.ejection.interval_ms, b->traffic.ejection.interval_ms);
    assert_int_equal(a->traffic.ejection.time_ms, b->traffic.ejection.time_ms);
    assert_int_equal(a->runtime, b->runtime);
    same_command(&a->command, &b->command);
    same_text(a->directory, b->directory);
    same_strings(&a->environment, &b->environment);
    same_strings(&a->env_files, &b->env_files);
    same_text(a->user, b->user);
    same_preview(&a->preview, &b->preview);
    same_pages(&a->edge.error_pages, &b->edge.error_pages);
    same_errors(&a->errors, &b->errors);
    same_instances(a, b);
    same_strings(&a->targets[BSC_BLUE], &b->targets[BSC_BLUE]);
    same_strings(&a->targets[BSC_GREEN], &b->targets[BSC_GREEN]);
    assert_int_equal(a->health.kind, b->health.kind);
    same_text(a->health.path, b->health.path);
    same_text(a->health.host, b->health.host);
    assert_int_equal(a->health.port, b->health.port);
    assert_int_equal(a->health.status_low, b->health.status_low);
    assert_int_equal(a->health.status_high, b->health.status_high);
    same_command(&a->health.command, &b->health.command);
    assert_int_equal(a->health.interval_ms, b->health.interval_ms);
    assert_int_equal(a->health.timeout_ms, b->health.timeout_ms);
    assert_int_equal(a->health.deadline_ms, b->health.deadline_ms);
    assert_int_equal(a->health.rise, b->health.rise);
    assert_int_equal(a->health.fall, b->health.fall);
    assert_int_equal(a->health.min_healthy_percent, b->health.min_healthy_percent);
    same_strategy(&a->deploy, &b->deploy);
    assert_int_equal(a->deploy.bake_ms, b->deploy.bake_ms);
    assert_int_equal(a->deploy.standby_ms, b->deploy.standby_ms);
    assert_int_equal(a->deploy.drain_ms, b->deploy.drain_ms);
    assert_int_equal(a->deploy.switch_ms, b->deploy.switch_ms);
    same_command(&a->deploy.pre_deploy.command, &b->deploy.pre_deploy.command);
    same_command(&a->deploy.pre_deploy.undo, &b->deploy.pre_deploy.undo);
    assert_int_equal(a->deploy.pre_deploy.timeout_ms, b->deploy.pre_deploy.timeout_ms);
    same_command(&a->deploy.post_promote.command, &b->deploy.post_promote.command);
    assert_int_equal(a->deploy.post_promote.timeout_ms, b->deploy.post_promote.timeout_ms);
}

static void same_amount(struct bsc_amount a, struct bsc_amount b)
{
    assert_int_equal(a.number, b.number);
    assert_int_equal(a.percent, b.percent);
}

static void same_strategy(const struct bsc_deploy_spec *a, const struct bsc_deploy_spec *b)
{
    assert_int_equal(a->strategy, b->strategy);
    assert_int_equal(a->steps.count, b->steps.count);
    for (unsigned i = 0; i < a->steps.count; i++)
        assert_int_equal(a->steps.weight_bp[i], b->steps.weight_bp[i]);
    assert_int_equal(a->match.count, b->match.count);
    for (unsigned i = 0; i < a->match.count; i++) {
        char one[BSC_MATCH_TEXT_BYTES], other[BSC_MATCH_TEXT_BYTES];
        assert_string_equal(bsc_match_rule_format(&a->match.items[i], one),
                            bsc_match_rule_format(&b->match.items[i], other));
    }
    assert_int_equal(a->scale, b->scale);
    assert_int_equal(a->scale_instances, b->scale_instances);
    same_amount(a->batch, b->batch);
    same_amount(a->max_surge, b->max_surge);
    same_amount(a->max_unavailable, b->max_unavailable);
}

static struct bsc_spec *store_and_read(const struct bsc_spec *spec)
{
    struct bsc_text json = { 0 };
    struct bsc_spec *read = NULL;
    struct bsc_error error;
    bsc_spec_write_json(spec, &json);
    if (bsc_spec_read_json(bsc_text_get(&json), &read, &error))
        fail_msg("%s\n%s", error.text, bsc_text_get(&json));
    bsc_text_deinit(&json);
    return read;
}

static void whatever_is_stored_comes_back_exactly(void **unused)
{
    (void)unused;
    for (unsigned seed = 0; seed < 1000; seed++) {
        state = seed;
        struct bsc_spec *spec = random_spec(), *read = store_and_read(spec);
        same_spec(spec, read);
        struct bsc_text before = { 0 }, after = { 0 }, diff = { 0 };
        bsc_spec_write_json(spec, &before);
        bsc_spec_write_json(read, &after);
        assert_string_equal(bsc_text_get(&before), bsc_text_get(&after));
        assert_false(bsc_spec_diff(spec, read, &diff));
        assert_string_equal(bsc_text_get(&diff), "");
        bsc_text_deinit(&before);
        bsc_text_deinit(&after);
        bsc_text_deinit(&diff);
        bsc_spec_release(spec);
        bsc_spec_release(read);
    }
}

static void an_empty_specification_comes_back_empty_but_for_its_health_and_times(void **unused)
{
    (void)unused;
    struct bsc_spec *spec = bsc_spec_create();
    spec->name = "web";
    struct bsc_spec *read = store_and_read(spec);
    same_spec(spec, read);
    bsc_spec_release(spec);
    bsc_spec_release(read);
}

static void what_an_older_program_did_not_know_gets_its_default(void **unused)
{
    (void)unused;
    struct bsc_spec *read = NULL;
    assert_int_equal(
        bsc_spec_read_json("{\"name\":\"web\",\"version\":\"v1\",\"command\":[\"app\"]}", &read,
                           NULL),
        BSC_OK);
    assert_string_equal(read->version, "v1");
    assert_int_equal(read->health.interval_ms, 1000);
    assert_int_equal(read->deploy.standby_ms, 600000);
    bsc_spec_release(read);
}

static void a_damaged_stored_form_is_refused_with_the_reason(void **unused)
{
    (void)unused;
    static const struct {
        const char *json, *text;
    } cases[] = {
        { "", "specification: '[' or '{' expected near end of file" },
        { "{\"name\":", "specification: unexpected token near end of file" },
        { "{\"a\":1,\"a\":2}", "specification: duplicate object key near '\"a\"'" },
        { "[]", "specification: : expected a map with name, version, command, image, pull_policy, "
                "network_mode, expose, entrypoint, working_dir, volumes, mem_limit, cpus, "
                "stop_signal, directory, "
                "environment, env_file, user, replicas, restart, stop_grace_period, route, routes, "
                "balance, hash, affinity, "
                "slow_start, max_requests, queue, ejection, retry, release, depends_on, errors, "
                "protocol, "
                "listen, listen_tls, "
                "proxy_protocol, upstream_tls, limits, "
                "rate_limit, error_pages, targets, timeouts, hold, "
                "health, deploy "
                "and hooks, "
                "found a list" },
        { "{\"nmae\":\"web\"}", "specification: nmae: unknown key 'nmae'; did you mean name?" },
        { "{\"health\":{\"interval\":\"soon\"}}",
          "specification: health.interval: expected a duration from 10ms to 1h such as 250ms, 1.5s "
          "or 1m30s, found 'soon'" },
        { "{\"command\":[]}", "specification: command: expected a command: a list of program and "
                              "arguments, or one text for /bin/sh, found a list" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bsc_spec *read = NULL;
        struct bsc_error error;
        assert_int_equal(bsc_spec_read_json(cases[i].json, &read, &error), BSC_INVALID);
        assert_string_equal(error.text, cases[i].text);
        assert_null(read);
    }
}

static struct bsc_config *parse(const char *text)
{
    struct bsc_config_problems problems = { 0 };
    struct bsc_config *config =
        bsc_config_parse("/srv/bascule.yaml", text, strlen(text), &problems);
    assert_int_equal(problems.count, 0);
    bsc_config_problems_deinit(&problems);
    return config;
}

static bool diff_is(const char *old_text, const char *new_text, const char *wanted)
{
    struct bsc_config *old = parse(old_text), *new = parse(new_text);
    struct bsc_text diff = { 0 };
    bool now = bsc_spec_diff(old->services[0], new->services[0], &diff);
    assert_string_equal(bsc_text_get(&diff), wanted);
    bsc_text_deinit(&diff);
    bsc_config_destroy(old);
    bsc_config_destroy(new);
    return now;
}

static void differences_at_the_top_of_a_file_are_told_against_what_was_kept(void **unused)
{
    (void)unused;
    struct bsc_text kept = { 0 }, diff = { 0 };
    struct bsc_config *old = parse("{ services: {}, proxy: { workers: 2 } }");
    struct bsc_config *new = parse("{ services: {}, proxy: { workers: 3, drain: 1m,\n"
                                   "  timeouts: { head: 2s } }, listen: { http: 127.0.0.1:80 } }");
    bsc_config_diff(&kept, old, &diff); /* what was in force before is not known */
    assert_string_equal(bsc_text_get(&diff), "");
    bsc_config_diff(&kept, old, &diff);
    assert_string_equal(bsc_text_get(&diff), "");
    bsc_config_diff(&kept, new, &diff);
    assert_string_equal(
        bsc_text_get(&diff),
        "listen.http: [\"0.0.0.0:8080\",\"[::]:8080\"] -> [\"127.0.0.1:80\"] (now)\n"
        "proxy.workers: 2 -> 3 (next upgrade)\n"
        "proxy.drain: 30s -> 1m (now)\n"
        "proxy.timeouts.head: 10s -> 2s (now)\n");
    bsc_text_deinit(&kept);
    bsc_text_deinit(&diff);
    bsc_config_destroy(old);
    bsc_config_destroy(new);
}

static void differences_are_told_one_line_a_key_with_when_they_take_effect(void **unused)
{
    (void)unused;
    assert_false(diff_is("services: { web: { command: app, health: { interval: 1s } } }",
                         "services: { web: { command: app, health: { interval: 2s } } }",
                         "health.interval: 1s -> 2s (next release)\n"));
    assert_true(diff_is("services: { web: { command: app } }",
                        "services: { web: { command: [app, -v], replicas: 3, user: root,\n"
                        "  balance: least-requests, route: { path: /a } } }",
                        "command: app -> [\"app\",\"-v\"] (next release)\n"
                        "user: none -> root (next release)\n"
                        "replicas: 1 -> 3 (next release)\n"
                        "route: none -> [{\"path\":\"/a\"}] (now)\n"
                        "balance: round-robin -> least-requests (now)\n"
                        "health.path: none -> / (next release)\n"
                        "health.running: 5s -> 0s (next release)\n"
                        "deploy.order: start-first -> none (next release)\n"));
    assert_false(diff_is("services: { web: { command: app, route: {} } }",
                         "services: { web: { route: {}, targets: { blue: 127.0.0.1:1,\n"
                         "  green: 127.0.0.1:2 } } }",
                         "command: app -> none (next release)\n"
                         "targets.blue: none -> [\"127.0.0.1:1\"] (next release)\n"
                         "targets.green: none -> [\"127.0.0.1:2\"] (next release)\n"));
}

static void differences_never_show_the_value_of_a_variable(void **unused)
{
    (void)unused;
    assert_false(diff_is("services: { web: { command: a, environment: { A: s1, B: s2, C: s3 } } }",
                         "services: { web: { command: a, environment: { C: s3, B: s4, D: s5 } } }",
                         "environment.A: removed (next release)\n"
                         "environment.B: changed (next release)\n"
                         "environment.D: added (next release)\n"));
}

static void a_difference_stays_one_line_whatever_it_holds(void **unused)
{
    (void)unused;
    diff_is("services: { web: { command: app } }", "services: { web: { command: \"a\\nb\\tc\" } }",
            "command: app -> a\\x0ab\\x09c (next release)\n");
}

static void a_new_service_is_told_as_new(void **unused)
{
    (void)unused;
    struct bsc_config *config = parse("services: { web: { command: app } }");
    struct bsc_text diff = { 0 };
    assert_true(bsc_spec_diff(NULL, config->services[0], &diff));
    assert_string_equal(bsc_text_get(&diff), "new service\n");
    bsc_text_deinit(&diff);
    bsc_config_destroy(config);
}

static void a_release_stores_its_expanded_specification(void **unused)
{
    (void)unused;
    struct bsc_config *config =
        parse("services: { web: { command: \"app ${VERSION} ${PORT}\", directory: \"r/${VERSION}\" "
              "} }");
    struct bsc_spec *release = NULL;
    assert_int_equal(bsc_spec_for_version(config->services[0], "v2", &release, NULL), BSC_OK);
    struct bsc_spec *read = store_and_read(release);
    assert_string_equal(read->version, "v2");
    assert_string_equal(read->command.shell, "app v2 ${PORT}");
    assert_string_equal(read->directory, "/srv/r/v2");
    bsc_spec_release(read);
    bsc_spec_release(release);
    bsc_config_destroy(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_is_stored_comes_back_exactly),
        cmocka_unit_test(an_empty_specification_comes_back_empty_but_for_its_health_and_times),
        cmocka_unit_test(what_an_older_program_did_not_know_gets_its_default),
        cmocka_unit_test(a_damaged_stored_form_is_refused_with_the_reason),
        cmocka_unit_test(differences_at_the_top_of_a_file_are_told_against_what_was_kept),
        cmocka_unit_test(differences_are_told_one_line_a_key_with_when_they_take_effect),
        cmocka_unit_test(differences_never_show_the_value_of_a_variable),
        cmocka_unit_test(a_difference_stays_one_line_whatever_it_holds),
        cmocka_unit_test(a_new_service_is_told_as_new),
        cmocka_unit_test(a_release_stores_its_expanded_specification),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
