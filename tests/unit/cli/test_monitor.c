/* SPDX-License-Identifier: Apache-2.0
 * What a look at the counters shows, and what an answer of Prometheus says. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/monitor.h"
#include "cli/prometheus.h"

static struct bsc_monitor_counted counted(const char *text, const char *slot)
{
    struct bsc_monitor_counted out = { 0 };
    json_t *answer = json_loads(text, 0, NULL);
    assert_non_null(answer);
    bsc_monitor_read(answer, slot, &out);
    json_decref(answer);
    return out;
}

#define FIRST                                                                             \
    "{\"controller\":7,\"slots\":{\"blue\":{\"requests\":100,\"errors\":50,\"latency\":[" \
    "{\"up_to_us\":1023,\"count\":100}]},\"green\":{\"requests\":0,\"errors\":0,\"latency\":[]}}}"
#define SECOND                                                                                   \
    "{\"controller\":7,\"slots\":{\"blue\":{\"requests\":200,\"errors\":51,\"latency\":["        \
    "{\"up_to_us\":1023,\"count\":200}]},\"green\":{\"requests\":100,\"errors\":9,\"latency\":[" \
    "{\"up_to_us\":2097151,\"count\":100}]}}}"

static void a_look_shows_what_was_in_between_and_not_the_whole(void **unused)
{
    (void)unused;
    struct bsc_monitor_counted before = counted(FIRST, NULL), now = counted(SECOND, NULL);
    struct bsc_monitor_look look = bsc_monitor_between(&before, &now);
    assert_int_equal(look.requests, 200);
    assert_float_equal(look.errors_percent, 5, 1e-9);
    assert_true(look.p95_ms > 1900 && look.p95_ms < 2100);
    before = counted(FIRST, "blue"), now = counted(SECOND, "blue");
    look = bsc_monitor_between(&before, &now);
    assert_int_equal(look.requests, 100);
    assert_float_equal(look.errors_percent, 1, 1e-9);
    assert_true(look.p95_ms < 1.1);
}

static void nothing_in_between_is_not_known(void **unused)
{
    (void)unused;
    struct bsc_monitor_counted now = counted(SECOND, NULL);
    struct bsc_monitor_look look = bsc_monitor_between(&now, &now);
    assert_int_equal(look.requests, 0);
    assert_true(isnan(look.errors_percent) && isnan(look.p95_ms));
}

static void another_controller_counts_from_the_beginning(void **unused)
{
    (void)unused;
    struct bsc_monitor_counted before = counted(SECOND, NULL), now = counted(FIRST, NULL);
    now.controller = 8;
    struct bsc_monitor_look look = bsc_monitor_between(&before, &now);
    assert_int_equal(look.requests, 100);
    assert_float_equal(look.errors_percent, 50, 1e-9);
}

static void one_number_comes_out_of_an_answer_of_prometheus(void **unused)
{
    static const struct {
        const char *answer;
        double value;
    } good[] = {
        { "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{},"
          "\"value\":[1.5,\"0.25\"]}]}}",
          0.25 },
        { "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[1.5,\"+Inf\"]}}",
          INFINITY },
        { "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]}}", NAN },
        { "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[1.5,\"NaN\"]}}",
          NAN },
    };
    (void)unused;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        double value = 0;
        bool known;
        struct bsc_error error;
        assert_int_equal(
            bsc_prometheus_parse(good[i].answer, strlen(good[i].answer), &value, &known, &error),
            BSC_OK);
        assert_int_equal(known, !isnan(good[i].value));
        if (known)
            assert_true(value == good[i].value);
    }
}

static void what_is_no_number_is_told(void **unused)
{
    static const char *const bad[][2] = {
        { "", "not an answer of Prometheus" },
        { "[]", "not an answer of Prometheus" },
        { "{\"status\":\"error\",\"error\":\"parse error: unexpected end\"}",
          "parse error: unexpected end" },
        { "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[]}}",
          "the query gives a matrix; one value is needed" },
        { "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{},{}]}}",
          "the query gives 2 series; one is needed, for example by sum()" },
        { "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{}]}}",
          "the answer has no value" },
        { "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[1,\"x\"]}}",
          "'x' is no value" },
    };
    (void)unused;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        double value;
        bool known;
        struct bsc_error error;
        assert_int_equal(bsc_prometheus_parse(bad[i][0], strlen(bad[i][0]), &value, &known, &error),
                         BSC_FAILED);
        assert_string_equal(error.text, bad[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_look_shows_what_was_in_between_and_not_the_whole),
        cmocka_unit_test(nothing_in_between_is_not_known),
        cmocka_unit_test(another_controller_counts_from_the_beginning),
        cmocka_unit_test(one_number_comes_out_of_an_answer_of_prometheus),
        cmocka_unit_test(what_is_no_number_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
