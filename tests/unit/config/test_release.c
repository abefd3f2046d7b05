/* SPDX-License-Identifier: Apache-2.0
 * What a release takes from a file stays when the file is gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/keys.h"
#include "core/expand.h"

static char folder[] = "/tmp/bsc-release-XXXXXX";

/* What a file names must be there. */
static const struct {
    const char *name, *text;
} files[] = {
    { "ca.pem", "" },
    { "proxy.pem", "" },
    { "proxy.key", "" },
    { "shop.env", "A=1\n" },
    { "closed.html", "closed" },
    { "load.yaml", "url: http://127.0.0.1:1\nrate: 1/s\nduration: 1s\nrequests:\n  - path: /\n" },
};

static const char *path_of(size_t file, char out[static 64])
{
    snprintf(out, 64, "%s/%s", folder, files[file].name);
    return out;
}

static int make_files(void **unused)
{
    (void)unused;
    char path[64];
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        FILE *file = fopen(path_of(i, path), "w");
        assert_non_null(file);
        fputs(files[i].text, file);
        fclose(file);
    }
    return 0;
}

static int remove_files(void **unused)
{
    (void)unused;
    char path[64];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        unlink(path_of(i, path));
    return rmdir(folder);
}

static struct bsc_config *parse(const char *text)
{
    struct bsc_config_problems problems = { 0 };
    char path[64];
    snprintf(path, sizeof path, "%s/bascule.yaml", folder);
    struct bsc_config *config = bsc_config_parse(path, text, strlen(text), &problems);
    for (unsigned i = 0; i < problems.count; i++)
        print_error("%s: %s\n", problems.items[i].key, problems.items[i].text);
    assert_int_equal(problems.count, 0);
    bsc_config_problems_deinit(&problems);
    return config;
}

static struct bsc_spec *named(const struct bsc_config *config, const char *name)
{
    unsigned i = 0;
    while (strcmp(config->services[i]->name, name) != 0)
        i++;
    return config->services[i];
}

/* Is there a value at "deploy.ab.goals.name", in any item of the lists on the way? */
static bool has(const json_t *json, const char *path)
{
    size_t index, size = strcspn(path, ".");
    const json_t *item;
    if (!*path)
        return json && !json_is_null(json);
    json_array_foreach(json, index, item) if (has(item, path)) return true;
    const json_t *child = json_object_getn(json, path, size);
    return child && has(child, path + size + (path[size] == '.'));
}

/* Which keys were seen in one of the releases. */
struct seen {
    bool keys[8][BSC_KEYS_MAX];
};

static const struct {
    const char *below;
    const struct bsc_key_table *table;
} tables[] = {
    { "", &bsc_service_keys },
    { "route", &bsc_route_keys },
    { "rate_limit.paths", &bsc_rate_rule_keys },
    { "errors.paths", &bsc_error_rule_keys },
    { "deploy.gates", &bsc_gate_keys },
    { "deploy.analysis.queries", &bsc_query_keys },
    { "deploy.ab.goals", &bsc_goal_keys },
};

static void look(struct seen *seen, const char *stored)
{
    json_t *json = json_loads(stored, 0, NULL);
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (unsigned k = 0; k < tables[t].table->count; k++) {
            char path[256];
            snprintf(path, sizeof path, "%s%s%s", tables[t].below, *tables[t].below ? "." : "",
                     tables[t].table->keys[k].path);
            seen->keys[t][k] = seen->keys[t][k] || has(json, path);
        }
    json_decref(json);
}

/* A key of tomorrow must stand in one of the services below: else nobody tries what it points to.
 */
static void assert_all_seen(const struct seen *seen)
{
    bool all = true;
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (unsigned k = 0; k < tables[t].table->count; k++) {
            const struct bsc_key *key = &tables[t].table->keys[k];
            if (seen->keys[t][k] || (key->flags & BSC_KEY_ALIAS))
                continue;
            print_error("%s.%s is in none of the services\n", tables[t].below, key->path);
            all = false;
        }
    assert_true(all);
}

/* A file each, with keys of one service. */
static const char *const services[] = {
    "command: [app, --version, \"${VERSION}\"], directory: \"r/${VERSION}\", user: nobody,"
    "environment: { A: \"1\" }, route: { host: a.example, path: /a },"
    "rate_limit: { requests: 9/s, paths: [{ path: /login, requests: 5/m, burst: 2 }] },"
    "affinity: { cookie: c, path: /p }, errors: { status: [500], paths: [{ path: /p, status: "
    "[404] }], ignore: [{ path: /q, status: [503] }] },"
    "health: { path: /health, host: h.example }, deploy: { strategy: canary, match: [{ header: "
    "X-Beta, value: \"yes\" }, { cookie: beta, prefix: b }, { address: 10.0.0.0/8 }],"
    "gates: [{ smoke: [test, \"${VERSION}\"] }, { name: ready, probe: { path: /r, host: "
    "r.example "
    "} }, { approval: people }], analysis: { queries: [{ name: ratio, accept: \"< 0.1\","
    "prometheus: { url: \"http://127.0.0.1:9\", query: q } }] } },"
    "hooks: { pre_deploy: { command: [a], undo: \"b\" }, on_rollback: { command: \"c\" } }",
    "targets: { blue: [\"127.0.0.1:1 weight=2\"], green: [127.0.0.1:2] }, route: { path: / }, "
    "upstream_tls: { server_name: s.example,"
    "verify: true }, balance: hash, hash: { header: X-Key }, deploy: { "
    "strategy: "
    "shadow, shadow: { methods: [GET], compare: { headers: [Content-Type], ignore: [time] } } "
    "}",
    "command: [work], release: shop, depends_on: [db, api], health: { running: 2s },"
    "deploy: { order: stop-first } }, db: { command: [db] }, api: { command: [api]",
    "command: app, route: { path: / }, affinity: { header: X-User }, deploy: { preview: { host: "
    "p.example, header: X-Look, "
    "token: 0123456789abcdef }, strategy: ab, ab: { goals: [{ name: "
    "signup, path: \"/thanks*\", method: POST, status: 201, header: { X-Done: \"yes\" } }, { "
    "name: seen, path: /end }], value: { header: X-Order-Total }, decide: seen } }",
    "command: app, route: { path: / }, env_file: shop.env, limits: { body: 1MiB },"
    "error_pages: { maintenance: closed.html }, health: { command: [look, \"${PORT}\"] },"
    "balance: hash, hash: { cookie: k }, upstream_tls: { ca: ca.pem, certificate: proxy.pem,"
    "key: proxy.key }, hooks: { post_switch: { command: [s] }, post_promote: { command: p } },"
    "deploy: { strategy: rolling, max_surge: 1, gates: [{ load: load.yaml }, { query: {"
    "command: [left], accept: \"> 0\" } }], analysis: { queries: [{ name: a, http: { url: "
    "\"http://127.0.0.1:9/\", field: a.b, status: 200 }, accept: \"< 1\" }, { name: b, "
    "command: [r] "
    "}] } }",
    "targets: { blue: [127.0.0.1:1], green: [127.0.0.1:2] }, protocol: tcp, listen: 5432, "
    "health: { tcp: true }",
    "targets: { blue: [127.0.0.1:1], green: [127.0.0.1:2] }, protocol: tcp, listen_tls: 5433",
    "image: \"shop/web:${VERSION}\", entrypoint: [/init, \"${VERSION}\"], working_dir: /srv,"
    "volumes: [\"media-${VERSION}:/m\"], mem_limit: 64MiB, cpus: 1.5, stop_signal: SIGQUIT",
};

static struct bsc_config *parse_service(const char *service)
{
    char text[4096];
    snprintf(text, sizeof text,
             "tls: { certificates: [{ certificate: proxy.pem, key: proxy.key }] }\n"
             "services: { web: { %s } }",
             service);
    return parse(text);
}

static void assert_written(const struct bsc_spec *spec, const struct bsc_text *expected)
{
    struct bsc_text text = { 0 };
    bsc_spec_write_json(spec, &text);
    assert_string_equal(bsc_text_get(expected), bsc_text_get(&text));
    bsc_text_deinit(&text);
}

/* The file is read anew while releases of the old one, and services in it, live on. */
static void a_release_keeps_nothing_of_its_file(void **unused)
{
    (void)unused;
    struct seen seen = { 0 };
    for (size_t i = 0; i < sizeof services / sizeof *services; i++) {
        struct bsc_config *config = parse_service(services[i]);
        struct bsc_spec *service = bsc_spec_acquire(named(config, "web"));
        struct bsc_spec *release = NULL, *loaded = NULL;
        struct bsc_text said = { 0 }, stored = { 0 };
        assert_int_equal(bsc_spec_for_version(service, "v2", &release, NULL), BSC_OK);
        bsc_spec_write_json(service, &said);
        bsc_spec_write_json(release, &stored);
        bsc_config_destroy(config); /* what it held is overwritten: MALLOC_PERTURB_ */
        assert_written(service, &said);
        bsc_spec_release(service);
        assert_written(release, &stored);
        look(&seen, bsc_text_get(&stored));
        assert_int_equal(bsc_spec_read_json(bsc_text_get(&stored), &loaded, NULL), BSC_OK);
        assert_written(loaded, &stored);
        bsc_spec_release(loaded);
        bsc_spec_release(release);
        bsc_text_deinit(&said);
        bsc_text_deinit(&stored);
    }
    assert_all_seen(&seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_release_keeps_nothing_of_its_file),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
