/* SPDX-License-Identifier: Apache-2.0
 * Tests of adapters/query_read.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <string.h>

#include <cmocka.h>

#include "adapters/query_read.h"

static struct bsc_answer_read answer;
static char room[BSC_QUERY_ROOM_BYTES];

static void prometheus(unsigned status, const char *body)
{
    bsc_query_read_prometheus(status, body, strlen(body), &answer, room);
}

static void is_none(const char *why)
{
    assert_int_equal(answer.kind, BSC_ANSWER_NONE);
    assert_string_equal(answer.text, why);
}

static void is_number(double number)
{
    assert_int_equal(answer.kind, BSC_ANSWER_NUMBER);
    assert_true(answer.number == number);
}

#define VECTOR(series) \
    "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[" series "]}}"
#define SERIES(value) "{\"metric\":{},\"value\":[1700000000.1," value "]}"

static void one_series_or_a_scalar_is_a_number(void **unused)
{
    (void)unused;
    prometheus(200, VECTOR(SERIES("\"0.12\"")));
    is_number(0.12);
    prometheus(200, VECTOR(SERIES("\"1e-05\"")));
    is_number(1e-5);
    prometheus(200, "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":"
                    "[1,\"3\"]}}");
    is_number(3);
}

static void an_unknown_metric_nan_and_many_series_are_no_data(void **unused)
{
    (void)unused;
    prometheus(200, VECTOR(""));
    is_none("no data: no series matches the query");
    prometheus(200, VECTOR(SERIES("\"NaN\"")));
    is_none("no data: the answer is NaN");
    prometheus(200, VECTOR(SERIES("\"+Inf\"")));
    is_none("no data: the answer is infinite");
    prometheus(200, VECTOR(SERIES("\"1\"") "," SERIES("\"1\"")));
    is_none("2 series match the query; it must make one number of them");
}

static void whatever_else_prometheus_says_is_named(void **unused)
{
    (void)unused;
    prometheus(400, "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"parse error\"}");
    is_none("Prometheus refused the query: parse error");
    prometheus(502, "<html>Bad Gateway</html>");
    is_none("Prometheus answered 502 and nothing that can be read");
    prometheus(200, "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[]}}");
    is_none("Prometheus answered with a matrix, not with one number");
    prometheus(200, "{\"status\":\"success\",\"data\":{}}");
    is_none("Prometheus answered with a thing of no type, not with one number");
    prometheus(200, VECTOR(SERIES("\"\"")));
    is_none("Prometheus answered with no number");
    prometheus(200, VECTOR(SERIES("\"1x\"")));
    is_none("Prometheus answered with no number");
    prometheus(200, VECTOR("{}"));
    is_none("Prometheus answered with no number");
    prometheus(200, "");
    is_none("Prometheus answered 200 and nothing that can be read");
}

static struct bsc_query_spec http_spec(const char *field)
{
    struct bsc_query_spec spec = { .kind = BSC_QUERY_HTTP, .field = field };
    bsc_statuses_add(&spec.statuses, 200, 299);
    return spec;
}

static void http(const char *field, unsigned status, const char *body)
{
    struct bsc_query_spec spec = http_spec(field);
    bsc_query_read_http(&spec, status, body, strlen(body), &answer, room);
}

static void without_a_field_the_status_decides(void **unused)
{
    (void)unused;
    http(NULL, 204, "");
    assert_int_equal(answer.kind, BSC_ANSWER_VERDICT);
    assert_true(answer.passed);
    http(NULL, 503, "");
    assert_false(answer.passed);
    assert_string_equal(answer.text, "answered 503");
}

static void a_field_of_json_is_found_by_its_way(void **unused)
{
    (void)unused;
    http("data.1.ratio", 200, "{\"data\":[{},{\"ratio\":0.5}]}");
    is_number(0.5);
    http("data.1.ratio", 200, "{\"data\":[{},{\"ratio\":\"0.25\"}]}");
    is_number(0.25);
    http("count", 200, "{\"count\":7}");
    is_number(7);
    http("0", 200, "{\"0\":8}");
    is_number(8);
}

static void a_field_that_is_not_there_is_no_data(void **unused)
{
    (void)unused;
    http("data.1.ratio", 200, "{\"data\":[]}");
    is_none("no data: the answer has no field data.1.ratio");
    http("a", 200, "{\"a\":null}");
    is_none("no data: the field a is no number");
    http("a", 200, "{\"a\":\"much\"}");
    is_none("no data: the field a is no number");
    http("a", 200, "{\"a\":\"NaN\"}");
    is_none("no data: the answer is NaN");
    http("a", 200, "nothing");
    is_none("the answer is no JSON");
    http("a", 500, "{\"a\":1}");
    is_none("answered 500");
    char long_name[200];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    http(long_name, 200, "{\"a\":1}");
    assert_int_equal(answer.kind, BSC_ANSWER_NONE);
}

static void command(const char *accept, bool succeeded, const char *detail)
{
    struct bsc_query_spec spec = { .kind = BSC_QUERY_COMMAND, .accept.text = accept };
    bsc_query_read_command(&spec, succeeded, detail, &answer, room);
}

static void a_command_says_a_number_or_its_status_does(void **unused)
{
    (void)unused;
    command("< 1", true, "exited with status 0: 0.5");
    is_number(0.5);
    command(NULL, true, "exited with status 0");
    assert_int_equal(answer.kind, BSC_ANSWER_VERDICT);
    assert_true(answer.passed);
    command(NULL, false, "exited with status 3: too slow");
    assert_int_equal(answer.kind, BSC_ANSWER_VERDICT);
    assert_false(answer.passed);
    assert_string_equal(answer.text, "exited with status 3: too slow");
}

static void a_command_without_a_number_is_no_data(void **unused)
{
    (void)unused;
    command("< 1", true, "exited with status 0");
    is_none("no data: the command wrote nothing");
    command("< 1", true, "exited with status 0: fine");
    is_none("no data: the command wrote no number but fine");
    command("< 1", true, "exited with status 0: nan");
    is_none("no data: the answer is NaN");
    command("< 1", false, "exited with status 1: 0.5");
    is_none("the command exited with status 1: 0.5");
    command(NULL, false, "did not end within 5s");
    is_none("the command did not end within 5s");
    command(NULL, false, "killed by signal 9");
    is_none("the command killed by signal 9");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_series_or_a_scalar_is_a_number),
        cmocka_unit_test(an_unknown_metric_nan_and_many_series_are_no_data),
        cmocka_unit_test(whatever_else_prometheus_says_is_named),
        cmocka_unit_test(without_a_field_the_status_decides),
        cmocka_unit_test(a_field_of_json_is_found_by_its_way),
        cmocka_unit_test(a_field_that_is_not_there_is_no_data),
        cmocka_unit_test(a_command_says_a_number_or_its_status_does),
        cmocka_unit_test(a_command_without_a_number_is_no_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
