/* SPDX-License-Identifier: Apache-2.0
 * The route table: which rule wins, what is no match, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/routes.h"

enum { NONE = 1000, REFUSED };

static struct bsc_routes *create(const struct bsc_routes_rule *rules, size_t count)
{
    struct bsc_routes *routes = NULL;
    struct bsc_error error;
    if (bsc_routes_create(rules, count, &routes, &error) != BSC_OK)
        fail_msg("%s", error.text);
    return routes;
}

static uint32_t find(const struct bsc_routes *routes, const char *host, const char *target)
{
    uint32_t service = NONE;
    enum bsc_routing routing =
        bsc_routes_find(routes, host, strlen(host), target, strlen(target), &service);
    if (routing == BSC_ROUTING_REFUSED)
        return REFUSED;
    assert_int_equal(routing == BSC_ROUTING_FOUND, service != NONE);
    return service;
}

static void the_longest_prefix_on_a_segment_border_wins(void **unused)
{
    (void)unused;
    static const struct bsc_routes_rule rules[] = {
        { "a", "/", 0 },           { "a", "/api", 1 }, { "a", "/api/v2/", 2 },
        { "a", "/api/v2/x/y", 3 }, { "b", "/api", 4 },
    };
    static const struct {
        const char *host, *target;
        uint32_t service;
    } cases[] = {
        { "a", "/", 0 },
        { "a", "", 0 },
        { "a", "*", 0 },
        { "a", "?q", 0 },
        { "a", "/?/api", 0 },
        { "a", "/ap", 0 },
        { "a", "/api", 1 },
        { "a", "/api/", 1 },
        { "a", "/api/x", 1 },
        { "a", "/api?x", 1 },
        { "a", "/apiary", 0 },
        { "a", "/api2/x", 0 },
        { "a", "/API", 0 },
        { "a", "/api/v", 1 },
        { "a", "/api/v2", 2 },
        { "a", "/api/v2/", 2 },
        { "a", "/api/v2?", 2 },
        { "a", "/api/v22", 1 },
        { "a", "/api/v2/x", 2 },
        { "a", "/api/v2/x/y", 3 },
        { "a", "/api/v2/x/yz", 2 },
        { "a", "/api/v2/x/y/", 3 },
        { "a", "/api//v2", 1 },
        { "a", "//api", 0 },
        { "a", "/api;x", 0 },
        { "a", "/%61pi", 0 },
        { "a", "/api%2fx", 0 },
        { "b", "/api/x", 4 },
        { "b", "/", NONE },
        { "b", "/x?/api", NONE },
        { "c", "/api", NONE },
        { "", "/api", NONE },
    };
    struct bsc_routes *routes = create(rules, sizeof rules / sizeof *rules);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (find(routes, cases[i].host, cases[i].target) != cases[i].service)
            fail_msg("%s%s goes to %u", cases[i].host, cases[i].target,
                     find(routes, cases[i].host, cases[i].target));
    bsc_routes_destroy(routes);
}

static void an_exact_host_wins_over_a_wildcard_over_any(void **unused)
{
    (void)unused;
    static const struct bsc_routes_rule rules[] = {
        { "shop.example", "/", 0 },
        { "*.Example", "/", 1 },
        { NULL, "/", 2 },
        { "*.shop.example", "/", 3 },
        { "www.shop.example", "/only", 4 },
        { "[::1]", "/", 5 },
        { "127.0.0.1", "/", 6 },
    };
    static const struct {
        const char *host;
        uint32_t service;
    } cases[] = {
        { "shop.example", 0 },
        { "SHOP.Example", 0 },
        { "shop.example.", 0 },
        { "other.example", 1 },
        { "OTHER.EXAMPLE", 1 },
        { "example", 2 },
        { "a.shop.example", 3 },
        { "a.b.shop.example", 2 },
        { "a.b.example", 2 },
        { ".example", 2 },
        { "", 2 },
        { ".", 2 },
        { "[::1]", 5 },
        { "127.0.0.1", 6 },
        { "www.shop.example", 3 },
        { "xshop.example", 1 },
        { "shop.example.org", 2 },
    };
    struct bsc_routes *routes = create(rules, sizeof rules / sizeof *rules);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (find(routes, cases[i].host, "/x") != cases[i].service)
            fail_msg("%s goes to %u", cases[i].host, find(routes, cases[i].host, "/x"));
    assert_int_equal(find(routes, "www.shop.example", "/only/x"), 4);
    char host[300];
    memset(host, 'a', sizeof host);
    uint32_t service;
    assert_int_equal(bsc_routes_find(routes, host, sizeof host, "/", 1, &service),
                     BSC_ROUTING_FOUND);
    assert_int_equal(service, 2);
    bsc_routes_destroy(routes);
}

static void a_path_that_climbs_out_of_its_prefix_is_refused(void **unused)
{
    (void)unused;
    static const struct bsc_routes_rule rules[] = { { NULL, "/", 0 }, { NULL, "/api", 1 } };
    static const char *const refused[] = {
        "/..",
        "/../",
        "/.",
        "/./",
        "/api/..",
        "/api/../x",
        "/api/./x",
        "/api/..?q",
        "/api/%2e%2e/x",
        "/api/%2E./x",
        "/api/.%2e/x",
        "/api/%2e/x",
        "/api/..;/x",
        "/api/..;a=b/x",
        "/api/.;/x",
        "/api/..%2fx",
        "/api/..%2Fx",
        "/api%2f..%2fx",
        "/api/..\\x",
        "/api\\..\\x",
        "/api/..%5cx",
        "/api%5C..%5Cx",
        "/api/%2e%2e%2fx",
        "/api/..%3bx/y",
        "/api/%2e%2e;x",
        "/api/x/../../y",
        "//..",
        "/api//../x",
    };
    static const char *const literal[] = {
        "/api/...",       "/api/..x",   "/api/x..",   "/api/.x",   "/api/.well-known/x",
        "/api/a.b",       "/api/?/../", "/api?..",    "/api/%2ex", "/api/%252e%252e/",
        "/api/%2e%2e%2e", "/api/%2",    "/api/%",     "/api/..%2", "/api//x",
        "/api/x;..",      "/api/%2f",   "/api/..%00",
    };
    struct bsc_routes *routes = create(rules, 2);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (find(routes, "a", refused[i]) != REFUSED)
            fail_msg("not refused: %s", refused[i]);
    for (size_t i = 0; i < sizeof literal / sizeof *literal; i++)
        if (find(routes, "a", literal[i]) != 1)
            fail_msg("not found: %s", literal[i]);
    bsc_routes_destroy(routes);
}

static void bad_rules_are_refused_and_named(void **unused)
{
    (void)unused;
    static const struct {
        struct bsc_routes_rule rule;
        enum bsc_status status;
    } cases[] = {
        { { "", "/", 0 }, BSC_INVALID },       { { "a b", "/", 0 }, BSC_INVALID },
        { { "a:80", "/", 0 }, BSC_INVALID },   { { "*", "/", 0 }, BSC_INVALID },
        { { "*.", "/", 0 }, BSC_INVALID },     { { "*a.b", "/", 0 }, BSC_INVALID },
        { { "a.*.b", "/", 0 }, BSC_INVALID },  { { "*.*.b", "/", 0 }, BSC_INVALID },
        { { ".a", "/", 0 }, BSC_INVALID },     { { "*..a", "/", 0 }, BSC_INVALID },
        { { ".", "/", 0 }, BSC_INVALID },      { { "a..b", "/", 0 }, BSC_INVALID },
        { { "a", "", 0 }, BSC_INVALID },       { { "a", "x", 0 }, BSC_INVALID },
        { { "a", "/a?b", 0 }, BSC_INVALID },   { { "a", "/a#b", 0 }, BSC_INVALID },
        { { "a", "/a b", 0 }, BSC_INVALID },   { { "a", "/a//b", 0 }, BSC_INVALID },
        { { "a", "//", 0 }, BSC_INVALID },     { { "a", "/a/../b", 0 }, BSC_INVALID },
        { { "a", "/a/%2e", 0 }, BSC_INVALID }, { { "a", "/\xc3\xa9", 0 }, BSC_INVALID },
        { { "first", "/x", 0 }, BSC_EXISTS },  { { "FIRST.", "/x/", 0 }, BSC_EXISTS },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bsc_routes_rule rules[2] = { { "first", "/x", 0 }, cases[i].rule };
        struct bsc_routes *routes = NULL;
        struct bsc_error error;
        if (bsc_routes_create(rules, 2, &routes, &error) != cases[i].status)
            fail_msg("%s%s", cases[i].rule.host, cases[i].rule.path);
        assert_null(routes);
    }
    static const struct bsc_routes_rule twice[] = { { NULL, "/", 0 }, { NULL, "/", 1 } };
    struct bsc_routes *routes = NULL;
    assert_int_equal(bsc_routes_create(twice, 2, &routes, NULL), BSC_EXISTS);
}

static void an_empty_table_matches_nothing(void **unused)
{
    (void)unused;
    struct bsc_routes *routes = create(NULL, 0);
    assert_int_equal(find(routes, "a", "/"), NONE);
    assert_int_equal(find(routes, "", "/../"), REFUSED);
    bsc_routes_destroy(routes);
    bsc_routes_destroy(NULL);
}

static void ten_thousand_services_are_all_found(void **unused)
{
    (void)unused;
    enum { COUNT = 10000 };
    static struct bsc_routes_rule rules[3 * COUNT];
    static char hosts[COUNT][24], paths[COUNT][24];
    for (uint32_t i = 0; i < COUNT; i++) {
        snprintf(hosts[i], sizeof hosts[i], "s%u.example", i);
        snprintf(paths[i], sizeof paths[i], "/s/%u", i);
        rules[3 * i] = (struct bsc_routes_rule){ hosts[i], "/", i };
        rules[3 * i + 1] = (struct bsc_routes_rule){ hosts[i], "/api", COUNT + i };
        rules[3 * i + 2] = (struct bsc_routes_rule){ NULL, paths[i], 2 * COUNT + i };
    }
    struct bsc_routes *routes = create(rules, 3 * COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        uint32_t service = 0;
        char target[40];
        size_t host_size = strlen(hosts[i]);
        assert_int_equal(bsc_routes_find(routes, hosts[i], host_size, "/apis", 5, &service),
                         BSC_ROUTING_FOUND);
        assert_int_equal(service, i);
        bsc_routes_find(routes, hosts[i], host_size, "/api/x", 6, &service);
        assert_int_equal(service, COUNT + i);
        int size = snprintf(target, sizeof target, "%s/x", paths[i]);
        bsc_routes_find(routes, "other", 5, target, (size_t)size, &service);
        assert_int_equal(service, 2 * COUNT + i);
    }
    bsc_routes_destroy(routes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_prefix_on_a_segment_border_wins),
        cmocka_unit_test(an_exact_host_wins_over_a_wildcard_over_any),
        cmocka_unit_test(a_path_that_climbs_out_of_its_prefix_is_refused),
        cmocka_unit_test(bad_rules_are_refused_and_named),
        cmocka_unit_test(an_empty_table_matches_nothing),
        cmocka_unit_test(ten_thousand_services_are_all_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
