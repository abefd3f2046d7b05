/* SPDX-License-Identifier: Apache-2.0
 * What a release takes from a file stays when the file is gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"
#include "core/expand.h"

static struct bsc_config *parse(const char *text)
{
    struct bsc_config_problems problems = { 0 };
    struct bsc_config *config =
        bsc_config_parse("/srv/bascule.yaml", text, strlen(text), &problems);
    for (unsigned i = 0; i < problems.count; i++)
        print_error("%s: %s\n", problems.items[i].key, problems.items[i].text);
    assert_int_equal(problems.count, 0);
    bsc_config_problems_deinit(&problems);
    return config;
}

static const struct bsc_spec *named(const struct bsc_config *config, const char *name)
{
    unsigned i = 0;
    while (strcmp(config->services[i]->name, name) != 0)
        i++;
    return config->services[i];
}

/* The file is read anew while releases of the old one live on. */
static void a_release_keeps_nothing_of_its_file(void **unused)
{
    (void)unused;
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
        "command: app, affinity: { header: X-User }, deploy: { strategy: ab, ab: { goals: [{ name: "
        "signup, path: \"/thanks*\", method: POST, status: 201, header: { X-Done: \"yes\" } }, { "
        "name: seen, path: /end }], value: { header: X-Order-Total }, decide: seen } }",
    };
    for (size_t i = 0; i < sizeof services / sizeof *services; i++) {
        char text[4096];
        snprintf(text, sizeof text, "services: { web: { %s } }", services[i]);
        struct bsc_config *config = parse(text);
        struct bsc_spec *release = NULL;
        struct bsc_text before = { 0 }, after = { 0 };
        assert_int_equal(bsc_spec_for_version(named(config, "web"), "v2", &release, NULL), BSC_OK);
        bsc_spec_write_json(release, &before);
        bsc_config_destroy(config); /* what it held is overwritten: MALLOC_PERTURB_ */
        bsc_spec_write_json(release, &after);
        assert_string_equal(bsc_text_get(&before), bsc_text_get(&after));
        struct bsc_text stored = { 0 };
        struct bsc_spec *loaded = NULL;
        assert_int_equal(bsc_spec_read_json(bsc_text_get(&after), &loaded, NULL), BSC_OK);
        bsc_spec_write_json(loaded, &stored);
        assert_string_equal(bsc_text_get(&after), bsc_text_get(&stored));
        bsc_text_deinit(&stored);
        bsc_spec_release(loaded);
        bsc_text_deinit(&before);
        bsc_text_deinit(&after);
        bsc_spec_release(release);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_release_keeps_nothing_of_its_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
