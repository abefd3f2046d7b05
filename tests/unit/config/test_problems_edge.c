/* SPDX-License-Identifier: Apache-2.0
 * What is wrong with the keys of the edge (limits, trusted proxies, error pages), and what
 * could never be deployed, word for word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"

/* A service that is right but for what is added. */
#define WEB "services:\n  web:\n    command: app\n"

/* `wanted`: a line each, "LINE: KEY: TEXT"; "": there is nothing wrong. */
static void problems_are(const char *text, const char *wanted)
{
    struct bsc_config_problems problems = { 0 };
    struct bsc_text told = { 0 };
    struct bsc_config *config =
        bsc_config_parse("/nowhere/bascule.yaml", text, strlen(text), &problems);
    for (size_t i = 0; i < problems.count; i++)
        bsc_text_printf(&told, "%s%u: %s: %s", i ? "\n" : "", problems.items[i].line,
                        problems.items[i].key, problems.items[i].text);
    assert_string_equal(bsc_text_get(&told), wanted);
    assert_int_equal(!config, *wanted != '\0');
    bsc_config_destroy(config);
    bsc_text_deinit(&told);
    bsc_config_problems_deinit(&problems);
}

static void values_that_the_edge_does_not_take(void **unused)
{
    (void)unused;
    static const struct {
        const char *text, *problems;
    } cases[] = {
        { "proxy: { error_pages: { 503: sorry.txt } }\n" WEB,
          "1: proxy.error_pages.503: expected a file whose name ends in .html or .json, found "
          "'sorry.txt'" },
        { "proxy: { error_pages: { 503: gone.html } }\n" WEB,
          "1: proxy.error_pages.503: file /nowhere/gone.html: No such file or directory" },
        { "proxy: { error_pages: { 200: sorry.html } }\n" WEB,
          "1: proxy.error_pages.200: is no answer of the proxy's; accepted are statuses (503), "
          "classes of them (5xx) and reason words (maintenance)" },
        { "proxy: { limits: { head: 64KiB, body: lots } }\n" WEB,
          "1: proxy.limits.head: expected a size from 1KiB to 32KiB such as 64KiB or 10MiB, found "
          "'64KiB'\n"
          "1: proxy.limits.body: expected a size from 0 to 1024GiB such as 64KiB or 10MiB, found "
          "'lots'" },
        { WEB "    rate_limit: { requests: 10/w, burst: 0 }\n",
          "4: services.web.rate_limit.requests: expected a rate from 1 to 1000000 such as 100/s, "
          "30/m or 1000/h, found '10/w'\n"
          "4: services.web.rate_limit.burst: expected a whole number from 1 to 1000000, found "
          "'0'" },
        { WEB
          "    rate_limit: { paths: [{ path: /a, requests: 5/m }, { path: login, requests: 5 },\n"
          "      { requests: 5/m }, { path: /b },\n"
          "      { path: /a/, requests: 1/s, burst: 2000000 }, { path: /a/, requests: 1/s },\n"
          "      { path: /c, rate: 1/s }] }\n",
          "4: services.web.rate_limit.paths[1].path: expected a path that starts with '/', without "
          "'?', spaces, empty, '.' and '..' segments, found 'login'\n"
          "4: services.web.rate_limit.paths[1].requests: expected a rate from 1 to 1000000 such as "
          "100/s, 30/m or 1000/h, found '5'\n"
          "5: services.web.rate_limit.paths[2].path: is missing\n"
          "5: services.web.rate_limit.paths[3].requests: is missing\n"
          "6: services.web.rate_limit.paths[4].burst: expected a whole number from 1 to 1000000, "
          "found '2000000'\n"
          "6: services.web.rate_limit.paths[5].path: /a has a limit already\n"
          "7: services.web.rate_limit.paths[6].rate: unknown key 'rate'; did you mean path?" },
        { WEB "    rate_limit: { paths: { path: /a, requests: 5/m } }\n",
          "4: services.web.rate_limit.paths: expected a list of maps with path and requests, found "
          "a map" },
        { WEB "    upstream_tls: { server_name: a b, verify: maybe, key: /dev/null/k }\n",
          "4: services.web.upstream_tls.server_name: expected a host name or an address, such as "
          "app.internal or 10.0.0.5, found 'a b'\n"
          "4: services.web.upstream_tls.verify: expected true or false, found 'maybe'\n"
          "4: services.web.upstream_tls.key: file /dev/null/k: Not a directory\n"
          "4: services.web.upstream_tls.key: needs upstream_tls.certificate" },
        { WEB "    upstream_tls: { verify: false, server_name: \"::1\" }\n", "" },
        { WEB "    upstream_tls: true\n", "" },
        { WEB "    upstream_tls: on\n",
          "4: services.web.upstream_tls.enabled: expected true or false, found 'on'" },
        { WEB "    protocol: h2\n    proxy_protocol: v2\n",
          "5: services.web.proxy_protocol: is for a connection of one client, but one of h2 "
          "carries "
          "the requests of many" },
        { "listen: { http: 127.0.0.1:80, proxy_protocol: [\"127.0.0.1:80\", 81] }\n" WEB,
          "1: listen.proxy_protocol: 0.0.0.0:81 is not listened at: give an address of listen.http "
          "or of a service's listen\n"
          "1: listen.proxy_protocol: [::]:81 is not listened at: give an address of listen.http "
          "or of a service's listen" },
        { "listen: { proxy_protocol: yes }\n" WEB,
          "1: listen.proxy_protocol: expected a port (8080) or a numeric address with a port "
          "(127.0.0.1:8080, [::1]:8080), found 'yes'" },
        { "proxy: { trusted: [10.0.0.0/8, 10.0.0.1/8] }\n" WEB,
          "1: proxy.trusted[1]: expected an address (192.0.2.1) or a range of them (10.0.0.0/8, "
          "2001:db8::/32) with no bits set behind its prefix, found '10.0.0.1/8'" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        problems_are(cases[i].text, cases[i].problems);
}

static void rules_and_queries_that_make_no_sense(void **unused)
{
    (void)unused;
    static const struct {
        const char *text, *problems;
    } cases[] = {
        { WEB
          "    errors: { status: [600, 5xx, 500-400], ignore: [{ path: flaky }, { path: /x }],\n"
          "              paths: { path: /x } }\n",
          "4: services.web.errors.status: expected a status (503) or a range of them (500-599), "
          "found '600'\n"
          "4: services.web.errors.status: expected a status (503) or a range of them (500-599), "
          "found '5xx'\n"
          "4: services.web.errors.status: expected a status (503) or a range of them (500-599), "
          "found '500-400'\n"
          "4: services.web.errors.ignore[0].path: expected a path that starts with '/', without "
          "'?', spaces, empty, '.' and '..' segments, found 'flaky'\n"
          "4: services.web.errors.ignore[1].status: is missing\n"
          "5: services.web.errors.paths: expected a list of maps with path and status, found a "
          "map" },
        { WEB "    errors: { status: 5000 }\n",
          "4: services.web.errors.status: expected a list of statuses and ranges of them from 100 "
          "to 599, found '5000'" },
        { WEB "    deploy: { analysis: { queries: [\n"
              "      { name: a, accept: \"< 1\" },\n"
              "      { command: a, http: { url: \"http://a/\" } },\n"
              "      { name: a, command: a, prometheus: { url: \"http://a\", query: b } },\n"
              "      { name: c, prometheus: { url: \"http://a\", query: b } },\n"
              "      { name: d, prometheus: { query: b }, accept: \"< 1\" },\n"
              "      { name: e, http: { url: \"http://a/\" }, accept: \"< 1\" },\n"
              "      { name: f, http: { field: a }, accept: \"< 1\" } ] } }\n",
          "5: services.web.deploy.analysis.queries[0]: needs one of prometheus, command and http\n"
          "6: services.web.deploy.analysis.queries[1]: has no name\n"
          "7: services.web.deploy.analysis.queries[2]: needs one of prometheus, command and http\n"
          "7: services.web.deploy.analysis.queries[2]: is the second one with the name a\n"
          "8: services.web.deploy.analysis.queries[3]: needs accept, to know which numbers pass\n"
          "9: services.web.deploy.analysis.queries[4]: needs prometheus.url and prometheus.query\n"
          "10: services.web.deploy.analysis.queries[5]: has accept, but no http.field to read a "
          "number from\n"
          "11: services.web.deploy.analysis.queries[6]: needs http.url" },
        { WEB "    deploy: { analysis: { queries: [ { name: a, http: { url: \"ftp://a\" },\n"
              "      accept: small, interval: 1ms, on_error: cry, count: 0 } ] } }\n",
          "4: services.web.deploy.analysis.queries[0].http.url: expected an address that begins "
          "with http:// or https://, found 'ftp://a'\n"
          "5: services.web.deploy.analysis.queries[0].accept: expected a comparison with a number "
          "(\"< 0.01\", \"<=\", \">\", \">=\", \"==\") or a range (0.5 .. 2), found 'small'\n"
          "5: services.web.deploy.analysis.queries[0].interval: expected a duration from 100ms to "
          "1d "
          "such as 250ms, 1.5s or 1m30s, found '1ms'\n"
          "5: services.web.deploy.analysis.queries[0].on_error: expected hold or abort or "
          "ignore, found 'cry'\n"
          "5: services.web.deploy.analysis.queries[0].count: expected a whole number from 1 to "
          "10000, found '0'" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        problems_are(cases[i].text, cases[i].problems);
}

static void a_deadline_that_no_version_could_meet(void **unused)
{
    (void)unused;
    static const struct {
        const char *health, *problem;
    } cases[] = {
        { "rise: 3, interval: 5s, deadline: 8s",
          "4: services.web.health.deadline: 3 passes in a row (health.rise), one every 5s "
          "(health.interval), take at least 10s, but a new instance has only 8s "
          "(health.deadline): no version could ever be deployed; accepted is a deadline of more "
          "than 10s" },
        { "rise: 3, interval: 5s, deadline: 10s",
          "4: services.web.health.deadline: 3 passes in a row (health.rise), one every 5s "
          "(health.interval), take at least 10s, but a new instance has only 10s "
          "(health.deadline): no version could ever be deployed; accepted is a deadline of more "
          "than 10s" },
        { "interval: 2m",
          "4: services.web.health.interval: 2 passes in a row (health.rise), one every 2m "
          "(health.interval), take at least 2m, but a new instance has only 1m "
          "(health.deadline): no version could ever be deployed; accepted is a deadline of more "
          "than 2m" },
        { "rise: 100",
          "4: services.web.health.rise: 100 passes in a row (health.rise), one every 1s "
          "(health.interval), take at least 1m39s, but a new instance has only 1m "
          "(health.deadline): no version could ever be deployed; accepted is a deadline of more "
          "than 1m39s" },
        { "rise: 0, deadline: 2s",
          "4: services.web.health.rise: expected a whole number from 1 to 100, found '0'" },
        { "rise: 3, interval: 5s, deadline: 11s", "" },
        { "rise: 1, interval: 1h, timeout: 10m, deadline: 100ms", "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256];
        snprintf(text, sizeof text,
                 "services:\n  web:\n    command: app\n    health: { %s }\n    route: {}\n",
                 cases[i].health);
        problems_are(text, cases[i].problem);
    }
}

#define ONE_OF                                                                                  \
    "4: services.web.deploy.match[0]: is one of header, cookie and address; the first two may " \
    "have a value, or a prefix of it"

static void values_that_no_strategy_takes(void **unused)
{
    (void)unused;
    static const struct {
        const char *text, *problems;
    } cases[] = {
        { WEB "    deploy: { steps: [25, 5] }\n",
          "4: services.web.deploy.steps: expected a list of at most 20 rising percentages below "
          "100 such as [5%, 25%, 50%], down to 0.01%, found a list" },
        { WEB "    deploy: { steps: 0.001 }\n",
          "4: services.web.deploy.steps: expected a list of at most 20 rising percentages below "
          "100 such as [5%, 25%, 50%], down to 0.01%, found '0.001'" },
        { WEB "    deploy: { match: [{ header: X }] }\n",
          "4: services.web.deploy.match: is for strategy: canary, which shows a version to some "
          "users first" },
        { WEB "    deploy: { strategy: canary, match: { header: X } }\n",
          "4: services.web.deploy.match: expected a list of at most 16 rules such as { header: "
          "X-Beta, value: \"yes\" }, { cookie: beta, prefix: a } or { address: 10.0.0.0/8 }, found "
          "a map" },
        { WEB "    deploy: { strategy: canary, match: [{ headr: X }] }\n",
          "4: services.web.deploy.match[0]: 'headr' is no part of a rule; accepted are header, "
          "cookie or address, and value or prefix of the first two" },
        { WEB "    deploy: { strategy: canary, match: [header:X, { cookie: [a] }] }\n",
          "4: services.web.deploy.match[1]: expected a text, found a list" },
        { WEB "    deploy: { strategy: canary, match: [{ value: a }] }\n", ONE_OF },
        { WEB "    deploy: { strategy: canary, match: [{ header: a, cookie: b }] }\n", ONE_OF },
        { WEB "    deploy: { strategy: canary, match: [{ header: a, value: b, prefix: b }] }\n",
          ONE_OF },
        { WEB "    deploy: { strategy: canary, match: [{ address: 10.0.0.0/8, value: b }] }\n",
          ONE_OF },
        { WEB "    deploy: { strategy: canary, match: [{ address: \"::1\", prefix: b }] }\n",
          ONE_OF },
        { WEB "    deploy: { strategy: canary, match: [{ address: 10.0.0.0/33 }] }\n",
          "4: services.web.deploy.match[0]: is no address and no range of them such as "
          "10.0.0.0/8" },
        { WEB "    deploy: { strategy: canary, match: [agent:curl] }\n",
          "4: services.web.deploy.match[0]: begins with none of header:, cookie:, address:" },
        { WEB "    deploy: { strategy: canary, match: [[a]] }\n",
          "4: services.web.deploy.match[0]: is no rule such as { header: X-Beta, value: \"yes\" }, "
          "{ cookie: beta, prefix: a } or { address: 10.0.0.0/8 }" },
        { WEB "    protocol: tcp\n    listen: 5432\n    deploy: { strategy: canary, match: "
              "[address:::1, cookie:a] }\n",
          "6: services.web.deploy.match: 'cookie:a' is for requests of HTTP; of a connection of "
          "TCP only the address is known" },
        { WEB "    deploy: { scale: none }\n",
          "4: services.web.deploy.scale: expected match, full, or a number of instances from 1 to "
          "1000, found 'none'" },
        { WEB "    deploy: { batch: 0 }\n",
          "4: services.web.deploy.batch: expected a number of instances from 1 to 1000, or a "
          "percentage of them such as 25%, one-at-a-time or half-at-a-time, found '0'" },
        { WEB "    deploy: { max_surge: 0% }\n",
          "4: services.web.deploy.max_surge: can't be 0 where deploy.max_unavailable is 0: no "
          "instance could be replaced" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        problems_are(cases[i].text, cases[i].problems);
}

static void values_that_no_ab_test_takes(void **unused)
{
    (void)unused;
    static const struct {
        const char *text, *problems;
    } cases[] = {
        { WEB "    affinity: { header: U }\n    deploy: { strategy: ab }\n",
          "5: services.web.deploy.strategy: ab needs something to decide by: deploy.ab.goals or "
          "deploy.ab.value is missing" },
        { WEB "    deploy: { strategy: ab, ab: { goals: [{ name: a, path: /a }] } }\n",
          "4: services.web.deploy.strategy: ab divides users, and nothing says who they are: "
          "affinity.cookie or affinity.header is missing" },
        { WEB "    deploy: { ab: { goals: [{ name: a, path: /a }], decide: b } }\n",
          "4: services.web.deploy.ab.decide: there is no goal 'b'" },
        { WEB "    deploy: { ab: { decide: value } }\n",
          "4: services.web.deploy.ab.decide: 'value' needs deploy.ab.value.header" },
        { WEB "    deploy: { ab: { goals: [{ name: A, path: /a }] } }\n",
          "4: services.web.deploy.ab.goals[0].name: expected a name of up to 32 of a-z, 0-9, '-' "
          "and '_', a letter first, found 'A'" },
        { WEB "    deploy: { ab: { goals: [{ name: a, path: \"/a*b\" }] } }\n",
          "4: services.web.deploy.ab.goals[0].path: expected a path that starts with '/', without "
          "'?', '#' and spaces; a '*' at its end stands for whatever follows, found '/a*b'" },
        { WEB "    deploy: { ab: { goals: [{ name: a }] } }\n",
          "4: services.web.deploy.ab.goals[0].path: is missing" },
        { WEB "    deploy: { ab: { goals: [{ name: value, path: /a }] } }\n",
          "4: services.web.deploy.ab.goals[0].name: 'value' is the number of deploy.ab.value" },
        { WEB "    deploy: { ab: { goals: [{ name: a, path: /a, header: { A: 1, B: 2 } }] } }\n",
          "4: services.web.deploy.ab.goals[0].header: expected the name of a header field, or a "
          "map of one name to its value, found a map" },
        { WEB "    deploy: { ab: { goals: [{ name: a, path: /a }, { name: a, path: /b }] } }\n",
          "4: services.web.deploy.ab.goals[1]: there is a goal 'a' already" }
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        problems_are(cases[i].text, cases[i].problems);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_that_the_edge_does_not_take),
        cmocka_unit_test(rules_and_queries_that_make_no_sense),
        cmocka_unit_test(a_deadline_that_no_version_could_meet),
        cmocka_unit_test(values_that_no_strategy_takes),
        cmocka_unit_test(values_that_no_ab_test_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
