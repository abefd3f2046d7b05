/* SPDX-License-Identifier: Apache-2.0
 * Scenario files: what they mean, and what is wrong with them, word for word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "load/scenario.h"

#define REQUEST "requests:\n  - path: /\n"

static struct bsc_load_scenario *read_good(const char *text)
{
    struct bsc_config_problems problems = { 0 };
    struct bsc_load_scenario *scenario =
        bsc_load_scenario_parse("s.yaml", text, strlen(text), &problems);
    if (problems.count)
        print_message("%u: %s: %s\n", problems.items[0].line, problems.items[0].key,
                      problems.items[0].text);
    assert_non_null(scenario);
    bsc_config_problems_deinit(&problems);
    return scenario;
}

static void body_is(const struct bsc_load_request *request, const char *wanted)
{
    uint64_t random = 3;
    struct bsc_load_values values = { .random = &random, .user = 2, .kept = { "a\"b" } };
    struct bsc_text out = { 0 };
    bsc_load_render(&request->body, &values, &out);
    assert_string_equal(bsc_text_get(&out), wanted);
    bsc_text_deinit(&out);
}

static void a_scenario_has_sensible_defaults(void **unused)
{
    (void)unused;
    struct bsc_load_scenario *scenario = read_good("users: 5\n" REQUEST);
    assert_int_equal(scenario->model, BSC_LOAD_CLOSED);
    assert_int_equal(scenario->users, 5);
    assert_int_equal(scenario->think_ms[0], 1000);
    assert_int_equal(scenario->think_ms[1], 5000);
    assert_int_equal(bsc_load_shape_us(&scenario->shape), 30000000);
    assert_int_equal(scenario->timeout_ms, 10000);
    assert_string_equal(scenario->requests[0].method, "GET");
    assert_string_equal(scenario->requests[0].name, "GET /");
    assert_int_equal(scenario->requests[0].weight, 1);
    assert_int_equal(scenario->requests[0].expect[0], 200);
    assert_int_equal(scenario->requests[0].expect[1], 399);
    bsc_load_scenario_destroy(scenario);
}

static void everything_that_a_file_may_say_is_read(void **unused)
{
    (void)unused;
    struct bsc_load_scenario *scenario = read_good(
        "requests:\n" /* may stand before what it uses */
        "  - { name: item, weight: 3, path: \"/items/${random:1-9}\", expect: 404 }\n"
        "  - name: buy\n"
        "    method: POST\n"
        "    path: /buy\n"
        "    headers: { X-Token: \"${token}\" }\n"
        "    json:\n"
        "      id: ${random:5-5}\n"
        "      text: \"${random:5-5}\"\n"
        "      sum: 1.50\n"
        "      code: \"007\"\n"
        "      yes: true\n"
        "      none: ~\n"
        "      list: [1, two, \"3\"]\n"
        "      token: \"<${token}>\"\n"
        "login:\n"
        "  path: /login\n"
        "  body: user=${user}\n"
        "  keep: { token: \"json:data.token\", csrf: \"header:X-Csrf\" }\n"
        "url: https://shop.example/api\n"
        "rate: 600/m\n"
        "max_users: 50\n"
        "stages: [{ duration: 1m, target: 100/s }, { duration: 0s, target: 1000/s }]\n"
        "timeout: 3s\n"
        "tls_verify: false\n"
        "headers: { Accept: text/html }\n"
        "thresholds: { p95: < 500ms, rate: '> 1000/s', errors: < 0.1%, stable: < 25% }\n");
    assert_int_equal(scenario->model, BSC_LOAD_OPEN);
    assert_float_equal(scenario->shape.start, 10, 1e-9);
    assert_float_equal(bsc_load_shape_peak(&scenario->shape), 1000, 1e-9);
    assert_int_equal(scenario->users, 50);
    assert_false(scenario->tls_verify);
    assert_int_equal(scenario->headers.count, 1);
    assert_int_equal(scenario->keep_count, 2);
    assert_true(scenario->keeps[0].json);
    assert_false(scenario->keeps[1].json);
    assert_int_equal(scenario->threshold_count, 4);
    assert_int_equal(scenario->requests[0].weight, 3);
    assert_int_equal(scenario->requests[0].expect[0], 404);
    assert_string_equal(scenario->login.method, "POST");
    body_is(&scenario->login, "user=2");
    body_is(&scenario->requests[1],
            "{\"id\":5,\"text\":\"5\",\"sum\":1.50,\"code\":\"007\",\"yes\":true,\"none\":null,"
            "\"list\":[1,\"two\",\"3\"],\"token\":\"<a\\\"b>\"}");
    bsc_load_scenario_destroy(scenario);
}

static void the_command_line_takes_the_place_of_the_file(void **unused)
{
    (void)unused;
    struct bsc_error error;
    struct bsc_load_scenario *scenario = read_good(
        "users: 0\nstages: [{duration: 10s, target: 50}, {duration: 30s, target: 50}]\n" REQUEST);
    assert_int_equal(scenario->users, 50);
    assert_int_equal(bsc_load_scenario_wish(scenario, &(struct bsc_load_wish){ 0 }, &error),
                     BSC_INVALID);
    assert_string_equal(error.text, "the scenario has no url: give --url");
    struct bsc_load_wish wish = { .url = "http://127.0.0.1:1", .duration_ms = 4000 };
    assert_int_equal(bsc_load_scenario_wish(scenario, &wish, &error), BSC_OK);
    assert_int_equal(scenario->shape.stages[0].duration_ms, 1000);
    assert_int_equal(bsc_load_shape_us(&scenario->shape), 4000000);
    wish = (struct bsc_load_wish){ .rate = "20/s" };
    assert_int_equal(bsc_load_scenario_wish(scenario, &wish, &error), BSC_OK);
    assert_int_equal(scenario->model, BSC_LOAD_OPEN);
    assert_int_equal(bsc_load_shape_us(&scenario->shape), 4000000);
    assert_float_equal(bsc_load_shape_at(&scenario->shape, 0), 20, 1e-9);
    wish = (struct bsc_load_wish){ .users = 7 };
    assert_int_equal(bsc_load_scenario_wish(scenario, &wish, &error), BSC_OK);
    assert_int_equal(scenario->model, BSC_LOAD_CLOSED);
    assert_int_equal(scenario->users, 7);
    assert_int_equal(scenario->think_ms[1], 5000);
    static const struct {
        struct bsc_load_wish wish;
        const char *text;
    } bad[] = {
        { { .users = 3, .rate = "1/s" }, "--users and --rate: give one of them" },
        { { .users = 10001 }, "--users: at most 10000" },
        { { .rate = "0/s" }, "--rate is a rate up to 100000/s such as 100/s, not 0/s" },
        { { .url = "ftp://x" },
          "--url: expected a URL such as http://127.0.0.1:8080, "
          "https://shop.example or unix:/run/app.sock, found 'ftp://x'" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(bsc_load_scenario_wish(scenario, &bad[i].wish, &error), BSC_INVALID);
        assert_string_equal(error.text, bad[i].text);
    }
    bsc_load_scenario_destroy(scenario);
}

static void an_address_is_a_url_or_a_socket(void **unused)
{
    static const char *const good[] = { "http://127.0.0.1:8080", "https://shop.example/api",
                                        "http://[::1]:80", "unix:/run/app.sock" };
    static const char *const bad[] = { "",         "127.0.0.1:80", "http://",      "http:///x",
                                       "unix:app", "http://a b",   "http://a?x=1", "file:///etc" };
    (void)unused;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(bsc_load_url_check(good[i], NULL), BSC_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(bsc_load_url_check(bad[i], NULL), BSC_INVALID);
}

static const char *const bad[][2] = {
    { "", "0: : is empty; it must name at least \"requests:\"" },
    { "[a]", "1: : expected a map with url, users, think_time, rate, max_users, duration, "
             "stages, timeout, tls_verify, headers, login, requests and thresholds, found a "
             "list" },
    { "users: 5\n", "0: requests: is missing: at least one request is needed" },
    { REQUEST, "0: : give either users (each waits for an answer, then thinks) or rate (so "
               "many requests a second, however long the answers take)" },
    { "users: 5\nrate: 1/s\n" REQUEST,
      "2: : give either users (each waits for an answer, then thinks) or rate (so many "
      "requests a second, however long the answers take)" },
    { "users: 5\nuser: 6\n" REQUEST, "2: user: unknown key 'user'; did you mean users?" },
    { "users: many\n" REQUEST, "1: users: expected a whole number from 0 to 10000, found 'many'" },
    { "users: 0\n" REQUEST, "1: users: is 0, and there are no stages that change it" },
    { "rate: fast\n" REQUEST,
      "1: rate: expected a rate up to 100000/s such as 100/s or 6000/m, found 'fast'" },
    { "rate: 1/s\nthink_time: 1s\n" REQUEST,
      "2: think_time: goes with users only: a rate says already when requests come" },
    { "users: 1\nthink_time: 5s-1s\n" REQUEST,
      "2: think_time: expected a duration or a range of them, up to 1h, such as 1s-5s, found "
      "'5s-1s'" },
    { "users: 1\nurl: 127.0.0.1\n" REQUEST,
      "2: url: expected a URL such as http://127.0.0.1:8080, https://shop.example or "
      "unix:/run/app.sock, found '127.0.0.1'" },
    { "users: 1\nduration: 1m\nstages: [{duration: 1s, target: 2}]\n" REQUEST,
      "3: stages: do not go with duration: the stages last as long as they last" },
    { "users: 1\nstages:\n  - {target: 2}\n  - {duration: 1s}\n  - {duration: 1s, target: "
      "5/s}\n" REQUEST,
      "3: stages[0].duration: is missing\n"
      "4: stages[1].target: expected a number of users up to 10000, found nothing\n"
      "5: stages[2].target: expected a number of users up to 10000, found '5/s'" },
    { "users: 1\nstages: [{duration: 0s, target: 2}]\n" REQUEST, "2: stages: last no time at all" },
    { "users: 0\nstages: [{duration: 1s, target: 0}]\n" REQUEST,
      "2: stages: bring no load at all" },
    { "users: 1\nrequests:\n  - {path: items}\n  - {method: GET}\n  - {path: /, weight: 0}\n",
      "3: requests[0].path: expected a path that starts with '/', without spaces and '#', "
      "found "
      "'items'\n"
      "4: requests[1].path: is missing: expected a path such as /items/${random:1-1000}" },
    { "users: 1\nrequests:\n  - {path: /, weight: 0}\n", "2: requests: all have the weight 0" },
    { "users: 1\nrequests:\n  - path: /${token}\n    body: a\n    json: {b: 1}\n",
      "3: requests[0].path: ${token} is not known; accepted are ${random:1-1000}, "
      "${choice:a,b}, "
      "${user} and names that login.keep keeps\n"
      "5: requests[0].json: does not go with body: give one" },
    { "users: 1\nheaders: { \"a b\": c, x: [1] }\n" REQUEST,
      "2: headers.a b: is not the name of a header\n"
      "2: headers.x: expected a text of one line, found a list" },
    { "users: 1\nlogin:\n  path: /\n  keep: { a: token, user: \"json:x\" }\n" REQUEST,
      "4: login.keep.a: expected where to find it in the answer: json:FIELD.FIELD or "
      "header:NAME, found 'token'\n"
      "4: login.keep.user: can't be a name: \"user\" and : $ { } have a meaning of their own" },
    { "users: 1\nthresholds: { p94: 1s, p95: fast }\n" REQUEST,
      "2: thresholds.p94: unknown key 'p94'; did you mean p90, p95 or p99?\n"
      "2: thresholds.p95: expected a limit such as \"< 500ms\", found 'fast'" },
};

static void what_is_wrong_is_told_with_its_line_and_what_is_accepted(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct bsc_config_problems problems = { 0 };
        struct bsc_text told = { 0 };
        assert_null(bsc_load_scenario_parse("s.yaml", bad[i][0], strlen(bad[i][0]), &problems));
        for (size_t p = 0; p < problems.count; p++)
            bsc_text_printf(&told, "%s%u: %s: %s", p ? "\n" : "", problems.items[p].line,
                            problems.items[p].key, problems.items[p].text);
        assert_string_equal(bsc_text_get(&told), bad[i][1]);
        bsc_text_deinit(&told);
        bsc_config_problems_deinit(&problems);
    }
}

static void a_rate_that_yaml_takes_for_a_block_is_explained(void **unused)
{
    static const char text[] = "users: 1\n" REQUEST "thresholds:\n  rate: > 1000/s\n";
    (void)unused;
    struct bsc_config_problems problems = { 0 };
    assert_null(bsc_load_scenario_parse("s.yaml", text, sizeof text - 1, &problems));
    assert_non_null(strstr(problems.items[0].text, "a text that begins with > needs quotes"));
    bsc_config_problems_deinit(&problems);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scenario_has_sensible_defaults),
        cmocka_unit_test(everything_that_a_file_may_say_is_read),
        cmocka_unit_test(the_command_line_takes_the_place_of_the_file),
        cmocka_unit_test(an_address_is_a_url_or_a_socket),
        cmocka_unit_test(what_is_wrong_is_told_with_its_line_and_what_is_accepted),
        cmocka_unit_test(a_rate_that_yaml_takes_for_a_block_is_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
