/* SPDX-License-Identifier: Apache-2.0
 * The list of gates in a bascule.yaml: what is read, what is stored with a release, what is wrong
 * with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"

#define WEB "services:\n  web:\n    command: app\n"
#define GATES(list) WEB "    deploy: { gates: " list " }\n"

static struct bsc_config *parse(const char *text)
{
    struct bsc_config_problems problems = { 0 };
    struct bsc_config *config =
        bsc_config_parse("/nowhere/bascule.yaml", text, strlen(text), &problems);
    if (!config)
        fail_msg("%s: %s", problems.items[0].key, problems.items[0].text);
    bsc_config_problems_deinit(&problems);
    return config;
}

static void says(const char *text, const char *wanted)
{
    struct bsc_config_problems problems = { 0 };
    char told[512] = "";
    assert_null(bsc_config_parse("/nowhere/bascule.yaml", text, strlen(text), &problems));
    if (problems.count == 1)
        snprintf(told, sizeof told, "%s: %s", problems.items[0].key, problems.items[0].text);
    assert_string_equal(told, wanted);
    bsc_config_problems_deinit(&problems);
}

static void check_gates(const struct bsc_gates *gates)
{
    const struct bsc_gate *items = gates->items;
    assert_int_equal(gates->count, 5);
    assert_int_equal(items[0].kind, BSC_GATE_SMOKE);
    assert_string_equal(items[0].name, "smoke");
    assert_string_equal(items[0].command.shell, "test");
    assert_int_equal(items[0].timeout_ms, 600000);
    assert_true(items[0].once);
    assert_int_equal(items[1].kind, BSC_GATE_PROBE);
    assert_int_equal(items[1].probe.count, 5);
    assert_int_equal(items[1].probe.status_low, 200);
    assert_int_equal(items[1].probe.status_high, 204);
    assert_int_equal(items[1].timeout_ms, 30000);
    assert_int_equal(items[2].kind, BSC_GATE_APPROVAL);
    assert_string_equal(items[2].name, "marketing");
    assert_int_equal(items[2].when, BSC_GATE_BEFORE_FULL);
    assert_int_equal(items[2].on_timeout, BSC_GATE_ABORT);
    assert_int_equal(items[2].timeout_ms, 0);
    assert_string_equal(items[3].name, "smoke-2");
    assert_int_equal(items[3].command.argv.count, 2);
    assert_int_equal(items[4].kind, BSC_GATE_QUERY);
    assert_string_equal(items[4].name, "query");
    assert_string_equal(items[4].query->name, "query");
    assert_string_equal(items[4].query->command.shell, "left");
    assert_string_equal(items[4].query->accept.text, "> 0");
    assert_int_equal(items[4].query->count, 3);
    assert_int_equal(items[4].query->interval_ms, 10000);
    assert_int_equal(items[4].timeout_ms, 600000);
}

static void gates_are_read_and_stored_with_a_release_as_they_are(void **unused)
{
    (void)unused;
    struct bsc_config *config = parse(
        GATES("[ { smoke: test, once: true },"
              " { probe: { path: /ready, count: 5, status: 200-204 }, timeout: 30s },"
              " { approval: yes please, name: marketing, when: before-full, on_timeout: abort },"
              " { smoke: [a, b] }, { query: { command: left, accept: '> 0', count: 3 } } ]"));
    struct bsc_text json = { 0 };
    struct bsc_spec *stored = NULL;
    check_gates(&config->services[0]->deploy.gates);
    bsc_spec_write_json(config->services[0], &json);
    assert_int_equal(bsc_spec_read_json(bsc_text_get(&json), &stored, NULL), BSC_OK);
    check_gates(&stored->deploy.gates);
    bsc_spec_release(stored);
    bsc_text_deinit(&json);
    bsc_config_destroy(config);
}

static void what_is_wrong_with_a_gate_is_told(void **unused)
{
    (void)unused;
#define AT "services.web.deploy.gates"
    static const struct {
        const char *text, *problem;
    } cases[] = {
        { GATES("{ smoke: a }"), AT ": expected a list of maps, each with smoke, probe, approval, "
                                    "load or query, found a map" },
        { GATES("[ { timeout: 1s } ]"), AT "[0]: says not what must be so; accepted is one of "
                                           "smoke, probe, approval, load and query" },
        { GATES("[ { smoke: a, approval: b } ]"),
          AT "[0]: says more than one thing; accepted is one of smoke, probe, approval, load and "
             "query" },
        { GATES("[ { smoke: a, on_timeout: hold } ]"), AT "[0].on_timeout: is for an approval" },
        { GATES("[ { approval: a, once: true } ]"),
          AT "[0].once: is for a smoke or a load test: each rollout is approved anew" },
        { GATES("[ { probe: { path: / }, once: true } ]"),
          AT "[0].once: is for a smoke or a load test: requests may be made again" },
        { GATES("[ { smoke: a, probe: { count: 1 } } ]"), AT "[0].probe.path: is missing" },
        { GATES("[ { query: error-ratio } ]"),
          AT "[0].query: expected a map with one of prometheus, command and http, found "
             "'error-ratio'" },
        { GATES("[ { query: {} } ]"), AT "[0].query: needs one of prometheus, command and http" },
        { GATES("[ { query: { name: x, command: a } } ]"),
          AT "[0].query: has a name, which belongs to the gate" },
        { GATES("[ { query: { prometheus: { url: 'http://p', query: up } } } ]"),
          AT "[0].query: needs accept, to know which numbers pass" },
        { GATES("[ { query: { command: a, counts: 3 } } ]"),
          AT "[0].query.counts: unknown key 'counts'; did you mean count?" },
        { GATES("[ { query: { command: a }, smoke: b } ]"),
          AT "[0]: says more than one thing; accepted is one of smoke, probe, approval, load and "
             "query" },
        { GATES("[ { query: { command: a }, once: true } ]"),
          AT "[0].once: is for a smoke or a load test: requests may be made again" },
        { GATES("[ { query: { command: a, count: 7, interval: 5s }, timeout: 30s } ]"),
          AT "[0].timeout: 30s is too short for query.count: 7, one every 5s" },
        { GATES("[ { smoke: a, name: x }, { smoke: b, name: x } ]"),
          AT "[1].name: there is a gate 'x' already" },
        { GATES("[ { load: missing.yaml } ]"),
          AT "[0].load: file /nowhere/missing.yaml: No such file or directory" },
        { WEB "    deploy: { strategy: recreate, gates: [ { approval: a } ] }\n",
          AT ": has an approval, for which requests would wait with deploy.strategy: recreate" },
        { WEB "    hooks: { pre_deploy: { command: a, undo: b, once: true } }\n",
          "services.web.hooks.pre_deploy.once: can't be with an undo: what was undone must be run "
          "again" },
        { WEB "    hooks: { on_rollback: { once: true } }\n",
          "services.web.hooks.on_rollback.command: is missing" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        says(cases[i].text, cases[i].problem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gates_are_read_and_stored_with_a_release_as_they_are),
        cmocka_unit_test(what_is_wrong_with_a_gate_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
