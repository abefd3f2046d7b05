/* SPDX-License-Identifier: Apache-2.0
 * Tests of proxy/blame.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/blame.h"

static enum bsc_status parse(const char *text, struct bsc_blame *out, struct bsc_error *error)
{
    json_t *object = json_loads(text, JSON_DECODE_ANY, NULL);
    enum bsc_status status = bsc_blame_parse(object, out, error);
    json_decref(object);
    return status;
}

static bool blames(const struct bsc_blame *blame, const char *target, unsigned status)
{
    return bsc_blame_has(blame, bsc_blame_find(blame, target, strlen(target)), status);
}

static void without_rules_a_server_error_is_one(void **unused)
{
    (void)unused;
    struct bsc_blame blame;
    struct bsc_error error;
    assert_int_equal(bsc_blame_parse(NULL, &blame, &error), BSC_OK);
    assert_true(blames(&blame, "/", 500));
    assert_true(blames(&blame, "/", 599));
    assert_false(blames(&blame, "/", 499));
    assert_false(blames(&blame, "/", 0));
    bsc_blame_deinit(&blame);
}

static void a_rule_holds_below_its_path_on_a_border_of_segments(void **unused)
{
    (void)unused;
    struct bsc_blame blame;
    struct bsc_error error;
    assert_int_equal(parse("{\"status\":[[500,599]],\"paths\":[{\"path\":\"/login/\","
                           "\"status\":[[401,401]]}]}",
                           &blame, &error),
                     BSC_OK);
    assert_true(blames(&blame, "/login", 401));
    assert_true(blames(&blame, "/login/now?x=1", 401));
    assert_true(blames(&blame, "/login?x=1", 401));
    assert_true(blames(&blame, "/login", 500));
    assert_false(blames(&blame, "/logins", 401));
    assert_false(blames(&blame, "/", 401));
    assert_false(blames(&blame, "*", 401));
    bsc_blame_deinit(&blame);
}

static void rules_of_longer_paths_add_to_those_above_and_ignoring_wins(void **unused)
{
    (void)unused;
    struct bsc_blame blame;
    struct bsc_error error;
    assert_int_equal(parse("{\"status\":[[500,599],[429,429]],"
                           "\"paths\":[{\"path\":\"/a\",\"status\":[[401,401]]},"
                           "{\"path\":\"/a/b\",\"status\":[[404,404]]},"
                           "{\"path\":\"/a/b\",\"status\":[[410,410]]}],"
                           "\"ignore\":[{\"path\":\"/\",\"status\":[[501,501]]},"
                           "{\"path\":\"/a/b/c\",\"status\":[[400,499]]}]}",
                           &blame, &error),
                     BSC_OK);
    assert_true(blames(&blame, "/a", 401));
    assert_false(blames(&blame, "/a", 404));
    assert_true(blames(&blame, "/a/b", 401));
    assert_true(blames(&blame, "/a/b/x", 404));
    assert_true(blames(&blame, "/a/b", 410));
    assert_true(blames(&blame, "/a/b", 429));
    assert_false(blames(&blame, "/a/b/c", 401));
    assert_false(blames(&blame, "/a/b/c", 429));
    assert_true(blames(&blame, "/a/b/c", 503));
    assert_false(blames(&blame, "/x", 501));
    assert_false(blames(&blame, "/a/b/c", 501));
    assert_true(blames(&blame, "/x", 429));
    bsc_blame_deinit(&blame);
}

static void a_rule_that_is_gone_is_that_for_anywhere(void **unused)
{
    (void)unused;
    struct bsc_blame blame;
    struct bsc_error error;
    assert_int_equal(bsc_blame_parse(NULL, &blame, &error), BSC_OK);
    assert_true(bsc_blame_has(&blame, 3, 500));
    assert_false(bsc_blame_has(&blame, 3, 401));
    bsc_blame_deinit(&blame);
}

static void what_is_no_rule_is_refused(void **unused)
{
    (void)unused;
    static const char *const bad[] = {
        "1",
        "{}",
        "{\"status\":500}",
        "{\"status\":[500]}",
        "{\"status\":[[500]]}",
        "{\"status\":[[500,\"x\"]]}",
        "{\"status\":[[99,100]]}",
        "{\"status\":[[100,600]]}",
        "{\"status\":[[200,100]]}",
        "{\"status\":[],\"paths\":[{}]}",
        "{\"status\":[],\"paths\":[{\"path\":\"x\",\"status\":[]}]}",
        "{\"status\":[],\"paths\":[{\"path\":\"/x\"}]}",
        "{\"status\":[],\"ignore\":[{\"path\":\"/x\",\"status\":[[1,2]]}]}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct bsc_blame blame;
        struct bsc_error error;
        assert_int_equal(parse(bad[i], &blame, &error), BSC_INVALID);
        bsc_blame_deinit(&blame);
    }
}

static void there_are_at_most_so_many_rules(void **unused)
{
    (void)unused;
    struct bsc_blame blame;
    struct bsc_error error;
    json_t *list = json_array();
    for (unsigned i = 0; i <= BSC_BLAME_PATHS_MAX; i++)
        json_array_append_new(list, json_pack("{s:s,s:[]}", "path", "/", "status"));
    json_t *object = json_pack("{s:[],s:o}", "status", "paths", list);
    assert_int_equal(bsc_blame_parse(object, &blame, &error), BSC_INVALID);
    bsc_blame_deinit(&blame);
    json_decref(object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_rules_a_server_error_is_one),
        cmocka_unit_test(a_rule_holds_below_its_path_on_a_border_of_segments),
        cmocka_unit_test(rules_of_longer_paths_add_to_those_above_and_ignoring_wins),
        cmocka_unit_test(a_rule_that_is_gone_is_that_for_anywhere),
        cmocka_unit_test(what_is_no_rule_is_refused),
        cmocka_unit_test(there_are_at_most_so_many_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
