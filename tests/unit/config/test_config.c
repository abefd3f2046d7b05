/* SPDX-License-Identifier: Apache-2.0
 * What a good bascule.yaml becomes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config.h"

static struct bsc_config *parse_as(const char *file, const char *text)
{
    struct bsc_config_problems problems = { 0 };
    struct bsc_config *config = bsc_config_parse(file, text, strlen(text), &problems);
    for (size_t i = 0; i < problems.count; i++)
        print_error("%s:%u: %s: %s\n", problems.items[i].file, problems.items[i].line,
                    problems.items[i].key, problems.items[i].text);
    bsc_config_problems_deinit(&problems);
    assert_non_null(config);
    return config;
}

static struct bsc_config *parse(const char *text)
{
    return parse_as("/srv/shop/bascule.yaml", text);
}

static void what_is_left_out_has_a_safe_default(void **unused)
{
    (void)unused;
    struct bsc_config *config = parse("services: { web: { command: app } }");
    assert_int_equal(config->listen_http.count, 2);
    assert_string_equal(config->listen_http.items[0], "0.0.0.0:8080");
    assert_string_equal(config->listen_http.items[1], "[::]:8080");
    assert_in_range(config->proxy.workers, 1, 64);
    assert_int_equal(config->port_low, 21000);
    assert_int_equal(config->port_high, 31999);
    assert_int_equal(config->service_count, 1);
    const struct bsc_spec *web = config->services[0];
    assert_string_equal(web->name, "web");
    assert_null(web->version);
    assert_int_equal(web->runtime, BSC_RUNTIME_PROCESS);
    assert_string_equal(web->command.shell, "app");
    assert_string_equal(web->directory, "/srv/shop");
    assert_int_equal(web->route_count, 0);
    assert_int_equal(web->environment.count, 0);
    assert_null(web->user);
    assert_int_equal(web->replicas, 1);
    assert_int_equal(web->restart, BSC_RESTART_ALWAYS);
    assert_int_equal(web->grace_ms, 10000);
    assert_int_equal(web->traffic.balance, BSC_BALANCE_ROUND_ROBIN);
    assert_int_equal(web->traffic.connect_ms, 1000);
    assert_int_equal(web->traffic.answer_ms, 60000);
    assert_int_equal(web->traffic.idle_ms, 60000);
    assert_int_equal(web->traffic.hold_ms, 30000);
    assert_int_equal(web->traffic.hold_max, 1000);
    assert_int_equal(web->health.kind, BSC_PROBE_RUNNING); /* it has no route: a worker */
    assert_int_equal(web->health.running_ms, 5000);
    assert_int_equal(web->deploy.order, BSC_ORDER_START_FIRST);
    assert_null(web->release);
    assert_int_equal(web->depends_on.count, 0);
    assert_null(web->health.host);
    assert_int_equal(web->health.port, 0);
    assert_int_equal(web->health.status_low, 200);
    assert_int_equal(web->health.status_high, 399);
    assert_int_equal(web->health.interval_ms, 1000);
    assert_int_equal(web->health.timeout_ms, 2000);
    assert_int_equal(web->health.rise, 2);
    assert_int_equal(web->health.fall, 3);
    assert_int_equal(web->health.deadline_ms, 60000);
    assert_int_equal(web->health.min_healthy_percent, 100);
    assert_int_equal(web->deploy.strategy, BSC_STRATEGY_BLUE_GREEN);
    assert_int_equal(web->deploy.bake_ms, BSC_BAKE_AUTO);
    assert_int_equal(web->deploy.standby_ms, 600000);
    assert_int_equal(web->deploy.drain_ms, 30000);
    assert_int_equal(web->deploy.switch_ms, 60000);
    assert_null(web->deploy.pre_deploy.command.shell);
    assert_int_equal(web->deploy.pre_deploy.timeout_ms, 600000);
    bsc_config_destroy(config);
}

static const char everything[] =
    "listen: { http: [\"127.0.0.1:8081\", \"[0:0::1]:8082\", localhost:8083],\n"
    "          proxy_protocol: localhost:8083 }\n"
    "proxy: { trusted: [10.0.0.0/8, \"::1\"], traceparent: pass, workers: 3, drain: 45s, pool: { "
    "idle: 5s, max: 6 },\n"
    "         limits: { connections: 1000, connections_per_address: 10, head: 16k, line: 4096,\n"
    "                   requests_per_connection: 7, fields: 50, body: 10MiB, body_rate: 2KB,\n"
    "                   read_rate: 3KB, rate_grace: 5s,\n"
    "                   buffers: 1g },\n"
    "         timeouts: { request: 8s, head: 1s, keep_alive: 2s, tunnel: 3s, linger: 400ms } }\n"
    "ports: 21000-21099\n"
    "services:\n"
    "  web:\n"
    "    command: [python3, app.py, \"--port=${PORT}\"]\n"
    "    directory: releases/${VERSION}\n"
    "    environment: { LEVEL: info, N: 1, EMPTY: \"\", LINES: \"a\\nb\" }\n"
    "    env_file: [\"./one-${VERSION}.env\", \"/etc/${SLOT}.env\"]\n"
    "    user: root\n"
    "    replicas: 2\n"
    "    restart: on-failure\n"
    "    stop_grace_period: 1m30s\n"
    "    route: [{ host: Shop.Example, path: /api/ }, { host: \"*.shop.example\" }, {}]\n"
    "    balance: least-requests\n"
    "    proxy_protocol: v2\n"
    "    limits: { body: 1MiB }\n"
    "    rate_limit: { requests: 30/m, burst: 60,\n"
    "                  paths: [{ path: /login/, requests: 5/m, burst: 7 },\n"
    "                          { path: /search, requests: 2/s }] }\n"
    "    errors: { status: [500-599, 429], paths: [{ path: /login/, status: 401 }],\n"
    "              ignore: [{ status: [501, 502-503] }] }\n"
    "    timeouts: { connect: 250ms, answer: 2m, idle: 3m }\n"
    "    hold: { max: 5, timeout: 6s }\n"
    "    health: { path: \"/h?x=1\", host: a.example:81, port: 9000, status: 200,\n"
    "              interval: 1.5s, timeout: 1s, rise: 1, fall: 4, deadline: 10s,\n"
    "              min_healthy_percent: 50% }\n"
    "    deploy: { strategy: blue-green, bake: 30s, standby: 0, drain: 1s,\n"
    "              switch_timeout: 5s }\n"
    "    hooks:\n"
    "      pre_deploy: { command: [./migrate, up], undo: ./migrate down, timeout: 1m }\n"
    "      post_promote: ./announce $HOME $${HOME} ${VERSION}\n";

static void every_key_of_the_proxy_arrives(void **unused)
{
    (void)unused;
    struct bsc_config *config = parse(everything);
    assert_int_equal(config->proxy.workers, 3);
    assert_int_equal(config->proxy.drain_ms, 45000);
    assert_int_equal(config->proxy.trusted.count, 2);
    assert_string_equal(config->proxy.trusted.items[1], "::1");
    assert_int_equal(config->proxy.trace, BSC_TRACE_PASS);
    assert_int_equal(config->proxy.head_ms, 1000);
    assert_int_equal(config->proxy.request_ms, 8000);
    assert_int_equal(config->proxy.connections_max, 1000);
    assert_int_equal(config->proxy.address_connections_max, 10);
    assert_int_equal(config->proxy.requests_max, 7);
    assert_int_equal(config->proxy.head_bytes, 16384);
    assert_int_equal(config->proxy.line_bytes, 4096);
    assert_int_equal(config->proxy.fields_max, 50);
    assert_int_equal(config->proxy.body_bytes, 10 << 20);
    assert_int_equal(config->proxy.body_rate, 2048);
    assert_int_equal(config->proxy.read_rate, 3072);
    assert_int_equal(config->proxy.rate_grace_ms, 5000);
    assert_int_equal(config->proxy.buffer_bytes, 1 << 30);
    assert_int_equal(config->services[0]->edge.body_bytes, 1 << 20);
    assert_int_equal(config->services[0]->edge.rate_requests, 30);
    assert_int_equal(config->services[0]->edge.rate_period_s, 60);
    assert_int_equal(config->services[0]->edge.rate_burst, 60);
    const struct bsc_rate_rules *rates = &config->services[0]->edge.rate_paths;
    assert_int_equal(rates->count, 2);
    assert_string_equal(rates->items[0].path, "/login");
    assert_int_equal(rates->items[0].requests, 5);
    assert_int_equal(rates->items[0].period_s, 60);
    assert_int_equal(rates->items[0].burst, 7);
    assert_string_equal(rates->items[1].path, "/search");
    assert_int_equal(rates->items[1].burst, 0);
    const struct bsc_errors_spec *errors = &config->services[0]->errors;
    assert_true(bsc_statuses_have(&errors->statuses, 429));
    assert_true(bsc_statuses_have(&errors->statuses, 599));
    assert_false(bsc_statuses_have(&errors->statuses, 401));
    assert_int_equal(errors->paths.count, 1);
    assert_string_equal(errors->paths.items[0].path, "/login");
    assert_true(bsc_statuses_have(&errors->paths.items[0].statuses, 401));
    assert_string_equal(errors->ignore.items[0].path, "/");
    assert_true(bsc_statuses_have(&errors->ignore.items[0].statuses, 502));
    assert_int_equal(config->services[0]->edge.proxy_protocol, BSC_PROXY_PROTOCOL_V2);
    assert_int_equal(config->proxy.keep_alive_ms, 2000);
    assert_int_equal(config->proxy.tunnel_ms, 3000);
    assert_int_equal(config->proxy.linger_ms, 400);
    assert_int_equal(config->proxy.pooled_ms, 5000);
    assert_int_equal(config->proxy.pooled_max, 6);
    bsc_config_destroy(config);
}

static void every_key_arrives(void **unused)
{
    (void)unused;
    struct bsc_config *config = parse(everything);
    assert_int_equal(config->listen_http.count, 3);
    assert_string_equal(config->listen_http.items[0], "127.0.0.1:8081");
    assert_string_equal(config->listen_http.items[1], "[::1]:8082");
    assert_string_equal(config->listen_http.items[2], "127.0.0.1:8083");
    assert_int_equal(config->listen_introduced.count, 1);
    assert_string_equal(config->listen_introduced.items[0], "127.0.0.1:8083");
    assert_int_equal(config->port_high, 21099);
    const struct bsc_spec *web = config->services[0];
    assert_int_equal(web->command.argv.count, 3);
    assert_null(web->command.shell);
    assert_string_equal(web->command.argv.items[2], "--port=${PORT}");
    assert_string_equal(web->directory, "/srv/shop/releases/${VERSION}");
    assert_int_equal(web->environment.count, 4);
    assert_string_equal(web->environment.items[1], "N=1");
    assert_string_equal(web->environment.items[2], "EMPTY=");
    assert_string_equal(web->environment.items[3], "LINES=a\nb");
    assert_string_equal(web->env_files.items[0], "/srv/shop/one-${VERSION}.env");
    assert_string_equal(web->env_files.items[1], "/etc/${SLOT}.env");
    assert_string_equal(web->user, "root");
    assert_int_equal(web->replicas, 2);
    assert_int_equal(web->restart, BSC_RESTART_ON_FAILURE);
    assert_int_equal(web->grace_ms, 90000);
    assert_int_equal(web->route_count, 3);
    assert_string_equal(web->routes[0].host, "shop.example");
    assert_string_equal(web->routes[0].path, "/api");
    assert_string_equal(web->routes[1].host, "*.shop.example");
    assert_string_equal(web->routes[1].path, "/");
    assert_null(web->routes[2].host);
    assert_int_equal(web->traffic.balance, BSC_BALANCE_LEAST_REQUESTS);
    assert_int_equal(web->traffic.connect_ms, 250);
    assert_int_equal(web->traffic.hold_max, 5);
    assert_string_equal(web->health.path, "/h?x=1");
    assert_string_equal(web->health.host, "a.example:81");
    assert_int_equal(web->health.port, 9000);
    assert_int_equal(web->health.status_low, 200);
    assert_int_equal(web->health.status_high, 200);
    assert_int_equal(web->health.interval_ms, 1500);
    assert_int_equal(web->health.min_healthy_percent, 50);
    assert_int_equal(web->deploy.standby_ms, 0);
    assert_int_equal(web->deploy.pre_deploy.command.argv.count, 2);
    assert_string_equal(web->deploy.pre_deploy.undo.shell, "./migrate down");
    assert_int_equal(web->deploy.pre_deploy.timeout_ms, 60000);
    assert_string_equal(web->deploy.post_promote.command.shell,
                        "./announce $HOME $${HOME} ${VERSION}");
    bsc_config_destroy(config);
}

static void a_service_with_targets_is_static(void **unused)
{
    (void)unused;
    struct bsc_config *config =
        parse("services:\n"
              "  web:\n"
              "    targets: { blue: [127.0.0.1:3000, \"[::1]:3000\"], green: unix:/run/a.sock }\n"
              "    health: { tcp: true }\n"
              "    routes: { path: /a }\n");
    const struct bsc_spec *web = config->services[0];
    assert_int_equal(web->runtime, BSC_RUNTIME_STATIC);
    assert_int_equal(bsc_spec_instances(web, BSC_BLUE), 2);
    assert_int_equal(bsc_spec_instances(web, BSC_GREEN), 1);
    assert_string_equal(web->targets[BSC_GREEN].items[0], "unix:/run/a.sock");
    assert_int_equal(web->health.kind, BSC_PROBE_TCP);
    assert_null(web->health.path);
    assert_string_equal(web->routes[0].path, "/a");
    bsc_config_destroy(config);
}

static void a_health_command_replaces_the_request(void **unused)
{
    (void)unused;
    struct bsc_config *config =
        parse("services: { web: { command: app, health: { command: [check, \"${PORT}\"] } } }");
    assert_int_equal(config->services[0]->health.kind, BSC_PROBE_COMMAND);
    assert_null(config->services[0]->health.path);
    assert_string_equal(config->services[0]->health.command.argv.items[1], "${PORT}");
    bsc_config_destroy(config);
}

static void services_are_sorted_by_name(void **unused)
{
    (void)unused;
    struct bsc_config *config =
        parse("services: { b: { command: x }, c: { command: x }, a: { command: x } }");
    assert_string_equal(config->services[0]->name, "a");
    assert_string_equal(config->services[2]->name, "c");
    bsc_config_destroy(config);
    config = parse("services: {}");
    assert_int_equal(config->service_count, 0);
    bsc_config_destroy(config);
}

static void composes_words_for_restart_are_understood(void **unused)
{
    (void)unused;
    struct bsc_config *config = parse("services:\n"
                                      "  a: { command: x, restart: no }\n"
                                      "  b: { command: x, restart: unless-stopped }\n"
                                      "  c: { command: x, environment: [A=1, B=x=y] }\n");
    assert_int_equal(config->services[0]->restart, BSC_RESTART_NEVER);
    assert_int_equal(config->services[1]->restart, BSC_RESTART_ALWAYS);
    assert_string_equal(config->services[2]->environment.items[1], "B=x=y");
    bsc_config_destroy(config);
}

static void relative_paths_start_at_the_folder_of_the_file(void **unused)
{
    (void)unused;
    static const char text[] = "services: { a: { command: x, directory: \"./r/${VERSION}\" } }";
    char here[4096], wanted[8192];
    assert_non_null(getcwd(here, sizeof here));
    static const char *const cases[][2] = { { "bascule.yaml", "" },
                                            { "./bascule.yaml", "" },
                                            { "conf/bascule.yaml", "/conf" },
                                            { "././conf/bascule.yaml", "/conf" } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bsc_config *config = parse_as(cases[i][0], text);
        snprintf(wanted, sizeof wanted, "%s%s/r/${VERSION}", here, cases[i][1]);
        assert_string_equal(config->services[0]->directory, wanted);
        bsc_config_destroy(config);
    }
    struct bsc_config *config = parse_as("/bascule.yaml", text);
    assert_string_equal(config->services[0]->directory, "/r/${VERSION}");
    bsc_config_destroy(config);
}

static void a_thousand_services_are_read(void **unused)
{
    (void)unused;
    struct bsc_text text = { 0 };
    bsc_text_puts(&text, "services:\n");
    for (int i = 0; i < 1000; i++)
        bsc_text_printf(&text, "  s%d: { command: x, route: { host: s%d.example } }\n", i, i);
    struct bsc_config *config = parse(bsc_text_get(&text));
    assert_int_equal(config->service_count, 1000);
    bsc_config_destroy(config);
    bsc_text_deinit(&text);
}

static void a_file_is_read_from_disk(void **unused)
{
    (void)unused;
    char folder[] = "/tmp/bascule-config-XXXXXX", file[64];
    assert_non_null(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/bascule.yaml", folder);
    FILE *stream = fopen(file, "w");
    assert_non_null(stream);
    fputs("services: { web: { command: app, directory: . } }\n", stream);
    fclose(stream);
    struct bsc_config_problems problems = { 0 };
    struct bsc_config *config = bsc_config_read(file, &problems);
    assert_non_null(config);
    assert_string_equal(config->services[0]->directory, folder);
    bsc_config_destroy(config);
    bsc_config_problems_deinit(&problems);
    unlink(file);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_out_has_a_safe_default),
        cmocka_unit_test(every_key_of_the_proxy_arrives),
        cmocka_unit_test(every_key_arrives),
        cmocka_unit_test(a_service_with_targets_is_static),
        cmocka_unit_test(a_health_command_replaces_the_request),
        cmocka_unit_test(services_are_sorted_by_name),
        cmocka_unit_test(composes_words_for_restart_are_understood),
        cmocka_unit_test(relative_paths_start_at_the_folder_of_the_file),
        cmocka_unit_test(a_thousand_services_are_read),
        cmocka_unit_test(a_file_is_read_from_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
