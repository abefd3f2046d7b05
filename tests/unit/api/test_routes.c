/* SPDX-License-Identifier: Apache-2.0
 * One table finds a request's handler, checks its input and describes itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/route.h"

static const struct bsc_api_route *find(const char *method, const char *path, char *parameter,
                                        char *methods)
{
    return bsc_api_route_find(method, path, parameter, 64, methods);
}

static void a_path_finds_its_route_and_parameter(void **unused)
{
    (void)unused;
    char parameter[64], methods[BSC_API_METHODS_BYTES];
    const struct bsc_api_route *route = find("POST", "/v1/services/web/deploy", parameter, methods);
    assert_non_null(route);
    assert_string_equal(route->name, "deploy");
    assert_string_equal(parameter, "web");
    route = find("GET", "/v1/rollouts/r12", parameter, methods);
    assert_non_null(route);
    assert_string_equal(parameter, "r12");
    assert_non_null(find("HEAD", "/v1/status", parameter, methods));
    assert_string_equal(parameter, "");
}

static void a_wrong_method_is_told_the_right_ones(void **unused)
{
    (void)unused;
    char parameter[64], methods[BSC_API_METHODS_BYTES];
    assert_null(find("DELETE", "/v1/status", parameter, methods));
    assert_string_equal(methods, "GET, HEAD");
    assert_null(find("GET", "/v1/services/web/traffic", parameter, methods));
    assert_string_equal(methods, "PUT");
}

static void other_paths_are_nowhere(void **unused)
{
    (void)unused;
    char parameter[64], methods[BSC_API_METHODS_BYTES];
    char longest[256] = "/v1/services/";
    memset(longest + 13, 'a', 200);
    const char *const paths[] = { "",
                                  "/",
                                  "/v1",
                                  "/v1/status/",
                                  "/v1/services/",
                                  "/v1/services//deploy",
                                  "/v1/services/web/deploy/x",
                                  "/v1/services/a/b/deploy",
                                  longest };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        assert_null(find("GET", paths[i], parameter, methods));
        assert_string_equal(methods, "");
    }
}

static const struct bsc_api_field *input_of(const char *name)
{
    for (size_t i = 0; i < bsc_api_route_count; i++)
        if (!strcmp(bsc_api_routes[i].name, name))
            return bsc_api_routes[i].input;
    fail_msg("no route %s", name);
    return NULL;
}

static void assert_check(const char *name, const char *json, const char *wanted)
{
    char wrong[256] = "";
    json_t *input = json_loads(json, 0, NULL);
    assert_non_null(input);
    bool good = bsc_api_input_check(input_of(name), input, wrong, sizeof wrong);
    json_decref(input);
    assert_string_equal(wrong, wanted ? wanted : "");
    assert_int_equal(good, !wanted);
}

static void input_is_held_against_its_fields(void **unused)
{
    (void)unused;
    assert_check("deploy", "{\"version\":\"v2\"}", NULL);
    assert_check("deploy", "{\"version\":\"v2\",\"stage\":true}", NULL);
    assert_check("deploy", "{}", "'version' is missing: the version to deploy");
    assert_check("deploy", "{\"version\":2}", "'version' must be a string");
    assert_check("deploy", "{\"version\":null}", "'version' must be a string");
    assert_check("deploy", "{\"version\":\"v2\",\"stage\":1}", "'stage' must be true or false");
    assert_check("deploy", "{\"versoin\":\"v2\"}",
                 "'versoin' is not known here: accepted are version, stage, supersede, "
                 "strategy, steps, match, bake");
    assert_check("deploy", "{\"a\\u001b[31m\":1}",
                 "'a\\x1b[31m' is not known here: accepted are version, stage, supersede, "
                 "strategy, steps, match, bake");
    assert_check("rollback", "{\"version\":null}", NULL);
    assert_check("switch", "{}", NULL);
    assert_check("switch", "{\"x\":1}", "'x' is not known here: nothing is accepted");
    assert_check("putTraffic", "{\"mode\":\"hold\"}", NULL);
    assert_check("putTraffic", "{\"mode\":\"hol\"}",
                 "'mode' must be one of serve|hold|maintenance|stop");
    assert_check("putTraffic", "{\"mode\":\"\"}",
                 "'mode' must be one of serve|hold|maintenance|stop");
}

static void assert_parse(const char *name, const char *key, const char *value, const char *wanted)
{
    char wrong[256] = "";
    json_t *json = bsc_api_input_parse(input_of(name), key, value, wrong, sizeof wrong);
    assert_string_equal(wrong, wanted ? wanted : "");
    assert_int_equal(json != NULL, !wanted);
    json_decref(json);
}

static void a_query_is_read_by_the_type_of_its_fields(void **unused)
{
    (void)unused;
    assert_parse("getHistory", "limit", "5", NULL);
    static const char *const bad[] = { "",   "0",   "1001",
                                       "-1", "+1",  " 1",
                                       "1x", "1e3", "99999999999999999999" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_parse("getHistory", "limit", bad[i],
                     "'limit' must be a whole number from 1 to 1000");
    assert_parse("getEvents", "after", "9223372036854775807", NULL);
    assert_parse("getEvents", "after", "x", "'after' must be a whole number from 0");
    assert_parse("getLogs", "follow", "true", NULL);
    assert_parse("getLogs", "follow", "yes", "'follow' must be true or false");
    assert_parse("getLogs", "slot", "red", "'slot' must be one of blue|green");
    assert_parse("getVersion", "x", "1", "'x' is not known here: nothing is accepted");
}

/* Every "$ref" leads somewhere. */
static void check_references(const json_t *json, const json_t *schemas)
{
    static const char prefix[] = "#/components/schemas/";
    const char *key;
    size_t index;
    json_t *value;
    if (json_is_array(json)) {
        json_array_foreach(json, index, value) check_references(value, schemas);
        return;
    }
    json_object_foreach((json_t *)(uintptr_t)json, key, value)
    {
        if (strcmp(key, "$ref") != 0) {
            check_references(value, schemas);
            continue;
        }
        const char *target = json_string_value(value);
        assert_non_null(target);
        assert_int_equal(strncmp(target, prefix, sizeof prefix - 1), 0);
        assert_non_null(json_object_get(schemas, target + sizeof prefix - 1));
    }
}

static void the_document_describes_every_route(void **unused)
{
    (void)unused;
    json_t *document = bsc_api_openapi();
    assert_non_null(document);
    const json_t *paths = json_object_get(document, "paths");
    size_t operations = 0;
    const char *key;
    json_t *path;
    json_object_foreach((json_t *)(uintptr_t)paths, key, path) operations += json_object_size(path);
    assert_int_equal(operations, bsc_api_route_count);
    check_references(document, json_object_get(json_object_get(document, "components"), "schemas"));
    json_decref(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_finds_its_route_and_parameter),
        cmocka_unit_test(a_wrong_method_is_told_the_right_ones),
        cmocka_unit_test(other_paths_are_nowhere),
        cmocka_unit_test(input_is_held_against_its_fields),
        cmocka_unit_test(a_query_is_read_by_the_type_of_its_fields),
        cmocka_unit_test(the_document_describes_every_route),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
