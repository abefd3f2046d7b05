/* SPDX-License-Identifier: Apache-2.0
 * Tests of proxy/edge.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/edge.h"

static enum bsc_status parse_of(const char *service, const char *text, struct bsc_edge *out,
                                struct bsc_error *error)
{
    json_t *object = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(object);
    enum bsc_status status = bsc_edge_parse(object, service, out, error);
    json_decref(object);
    return status;
}

static unsigned found(const struct bsc_edge *edge, const char *target)
{
    unsigned place = bsc_edge_find(edge, target, strlen(target));
    return place ? edge->paths[place - 1].rate.requests : 0;
}

static void without_settings_nothing_is_limited(void **unused)
{
    (void)unused;
    struct bsc_edge edge;
    struct bsc_error error;
    assert_int_equal(bsc_edge_parse(NULL, "web", &edge, &error), BSC_OK);
    assert_int_equal(edge.rate.requests, 0);
    assert_int_equal(edge.path_count, 0);
    assert_int_equal(found(&edge, "/login"), 0);
    bsc_edge_deinit(&edge);
}

static void the_longest_path_holds_on_a_border_of_segments(void **unused)
{
    (void)unused;
    struct bsc_edge edge;
    struct bsc_error error;
    assert_int_equal(
        parse_of("web",
                 "{\"rate_paths\":[{\"path\":\"/login\",\"rate_requests\":5,\"rate_period_s\":60,"
                 "\"rate_burst\":7},{\"path\":\"/login/token/\",\"rate_requests\":2},"
                 "{\"path\":\"/log\",\"rate_requests\":3}]}",
                 &edge, &error),
        BSC_OK);
    assert_int_equal(found(&edge, "/login"), 5);
    assert_int_equal(found(&edge, "/login?user=a"), 5);
    assert_int_equal(found(&edge, "/login/tokens"), 5);
    assert_int_equal(found(&edge, "/login/token"), 2);
    assert_int_equal(found(&edge, "/login/token/new"), 2);
    assert_int_equal(found(&edge, "/log/in"), 3);
    assert_int_equal(found(&edge, "/logins"), 0);
    assert_int_equal(found(&edge, "/"), 0);
    assert_int_equal(found(&edge, "*"), 0);
    const struct bsc_edge_path *login = &edge.paths[bsc_edge_find(&edge, "/login", 6) - 1];
    assert_int_equal(login->rate.period_s, 60);
    assert_int_equal(login->rate.burst, 7);
    bsc_edge_deinit(&edge);
}

static uint64_t scope_of(const char *service, const char *path, const char *rate)
{
    struct bsc_edge edge;
    struct bsc_error error;
    char text[256];
    snprintf(text, sizeof text, "{\"rate_paths\":[{\"path\":\"%s\",%s}]}", path, rate);
    assert_int_equal(parse_of(service, text, &edge, &error), BSC_OK);
    uint64_t scope = edge.paths[0].scope;
    assert_true(scope && scope != edge.scope);
    bsc_edge_deinit(&edge);
    return scope;
}

static void services_paths_and_rates_count_for_themselves(void **unused)
{
    (void)unused;
    static const char five[] = "\"rate_requests\":5", six[] = "\"rate_requests\":6";
    uint64_t scope = scope_of("web", "/login", five);
    assert_true(scope == scope_of("web", "/login/", five)); /* as it is told again */
    assert_true(scope != scope_of("api", "/login", five));
    assert_true(scope != scope_of("web", "/logout", five));
    assert_true(scope != scope_of("web", "/login", six));
}

static void what_is_no_rule_is_refused(void **unused)
{
    (void)unused;
    static const char *const bad[] = {
        "1",
        "{\"rate_requests\":-1}",
        "{\"rate_paths\":{}}",
        "{\"rate_paths\":[1]}",
        "{\"rate_paths\":[{\"rate_requests\":5}]}",
        "{\"rate_paths\":[{\"path\":\"login\",\"rate_requests\":5}]}",
        "{\"rate_paths\":[{\"path\":\"/login\"}]}",
        "{\"rate_paths\":[{\"path\":\"/login\",\"rate_requests\":0}]}",
        "{\"rate_paths\":[{\"path\":\"/login\",\"rate_requests\":\"5/m\"}]}",
        "{\"rate_paths\":[{\"path\":\"/a\",\"rate_requests\":5,\"rate_period_s\":0}]}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct bsc_edge edge;
        struct bsc_error error;
        assert_int_equal(parse_of("web", bad[i], &edge, &error), BSC_INVALID);
        bsc_edge_deinit(&edge);
    }
}

static void there_are_at_most_so_many_rules(void **unused)
{
    (void)unused;
    for (unsigned more = 0; more < 2; more++) {
        struct bsc_edge edge;
        struct bsc_error error;
        json_t *list = json_array();
        for (unsigned i = 0; i < BSC_EDGE_PATHS_MAX + more; i++)
            json_array_append_new(list, json_pack("{s:s,s:i}", "path", "/a", "rate_requests", 1));
        json_t *object = json_pack("{s:o}", "rate_paths", list);
        assert_int_equal(bsc_edge_parse(object, "web", &edge, &error), more ? BSC_INVALID : BSC_OK);
        bsc_edge_deinit(&edge);
        json_decref(object);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_settings_nothing_is_limited),
        cmocka_unit_test(the_longest_path_holds_on_a_border_of_segments),
        cmocka_unit_test(services_paths_and_rates_count_for_themselves),
        cmocka_unit_test(what_is_no_rule_is_refused),
        cmocka_unit_test(there_are_at_most_so_many_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
