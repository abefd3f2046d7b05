/* SPDX-License-Identifier: Apache-2.0
 * Tests of proxy/preview.h: which requests are for what is not live. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/preview.h"

static const char both[] =
    "{\"host\":\"p.test\",\"header\":\"X-Look\",\"value\":\"0123456789abcdef\","
    "\"slot\":\"green\"}";

static struct bsc_preview *preview_of(const char *json)
{
    struct bsc_preview *preview;
    struct bsc_error error;
    json_t *object = json_loads(json, 0, NULL);
    assert_non_null(object);
    assert_int_equal(bsc_preview_parse(object, &preview, &error), BSC_OK);
    json_decref(object);
    return preview;
}

/* How a request with that host and these fields is taken; the fields that end here go to `ends`. */
static enum bsc_preview_asked ask(const char *json, const char *host, const char *fields,
                                  unsigned *ends)
{
    char text[512];
    struct bsc_head_scan scan = { 0 };
    struct bsc_request request;
    struct bsc_fault fault;
    snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: %s\r\n%s\r\n", host, fields);
    assert_int_equal(bsc_request_parse(&scan, text, strlen(text), &request, &fault),
                     BSC_PARSE_DONE);
    struct bsc_preview *preview = preview_of(json);
    enum bsc_preview_asked asked = bsc_preview_ask(preview, &request, text);
    bsc_preview_destroy(preview);
    for (size_t i = 0; ends && i < request.head.field_count; i++)
        *ends += request.head.fields[i].named;
    return asked;
}

static void the_host_asks_in_any_case(void **unused)
{
    (void)unused;
    assert_int_equal(ask(both, "p.test", "", NULL), BSC_PREVIEW_BY_HOST);
    assert_int_equal(ask(both, "P.Test:8080", "", NULL), BSC_PREVIEW_BY_HOST);
    assert_int_equal(ask(both, "p.test.", "", NULL), BSC_PREVIEW_BY_HOST);
    assert_int_equal(ask(both, "www.p.test", "", NULL), BSC_PREVIEW_NOT_ASKED);
    assert_int_equal(ask(both, "a.test", "", NULL), BSC_PREVIEW_NOT_ASKED);
}

static void the_field_asks_with_its_value_and_ends_here(void **unused)
{
    (void)unused;
    unsigned ends = 0;
    assert_int_equal(ask(both, "a.test", "x-look:  0123456789abcdef \r\nX-Looks: y\r\n", &ends),
                     BSC_PREVIEW_BY_FIELD);
    assert_int_equal(ends, 1);
}

static void another_value_is_denied_also_at_the_host(void **unused)
{
    (void)unused;
    unsigned ends = 0;
    assert_int_equal(ask(both, "a.test", "X-Look: 0123456789abcdeF\r\n", &ends),
                     BSC_PREVIEW_DENIED);
    assert_int_equal(ask(both, "p.test", "X-Look: 0123456789abcdeF\r\n", &ends),
                     BSC_PREVIEW_DENIED);
    assert_int_equal(ends, 2);
    assert_int_equal(ask(both, "a.test", "X-Look:\r\n", NULL), BSC_PREVIEW_DENIED);
    assert_int_equal(ask(both, "a.test", "X-Look: 0123456789abcde\r\n", NULL), BSC_PREVIEW_DENIED);
    assert_int_equal(ask(both, "a.test", "X-Look: 0123456789abcdef0\r\n", NULL),
                     BSC_PREVIEW_DENIED);
}

static void of_several_values_all_must_fit(void **unused)
{
    (void)unused;
    assert_int_equal(
        ask(both, "a.test", "X-Look: 0123456789abcdef\r\nX-Look: 0123456789abcdef\r\n", NULL),
        BSC_PREVIEW_BY_FIELD);
    assert_int_equal(ask(both, "a.test", "X-Look: 0123456789abcdef\r\nX-Look: x\r\n", NULL),
                     BSC_PREVIEW_DENIED);
    assert_int_equal(ask(both, "a.test", "X-Look: x\r\nX-Look: 0123456789abcdef\r\n", NULL),
                     BSC_PREVIEW_DENIED);
}

static void either_may_be_missing(void **unused)
{
    (void)unused;
    static const char host[] = "{\"host\":\"p.test\"}";
    static const char field[] = "{\"header\":\"X-Look\",\"value\":\"0123456789abcdef\"}";
    assert_int_equal(ask(host, "p.test", "", NULL), BSC_PREVIEW_BY_HOST);
    assert_int_equal(ask(host, "a.test", "X-Look: x\r\n", NULL), BSC_PREVIEW_NOT_ASKED);
    assert_int_equal(ask(field, "p.test", "", NULL), BSC_PREVIEW_NOT_ASKED);
    assert_int_equal(ask(field, "p.test", "X-Look: 0123456789abcdef\r\n", NULL),
                     BSC_PREVIEW_BY_FIELD);
}

static void it_is_open_when_it_names_a_slot(void **unused)
{
    (void)unused;
    struct bsc_preview *open = preview_of(both), *closed = preview_of("{\"host\":\"p.test\"}");
    assert_true(open->open);
    assert_int_equal(open->slot, BSC_GREEN);
    assert_false(closed->open);
    bsc_preview_destroy(open);
    bsc_preview_destroy(closed);
}

static void what_would_let_everybody_in_is_refused(void **unused)
{
    (void)unused;
    static const char *const bad[] = {
        "{\"header\":\"X-Look\"}",
        "{\"header\":\"X-Look\",\"value\":\"\"}",
        "{\"header\":\"X-Look\",\"value\":\"a b\"}",
        "{\"header\":\"X-Look\",\"value\":\"a\\u0001\"}",
        "{\"header\":\"X Look\",\"value\":\"0123456789abcdef\"}",
        "{\"value\":\"0123456789abcdef\"}",
        "{\"host\":\"\"}",
        "{\"host\":\"p.test\",\"slot\":\"red\"}",
        "{\"host\":\"p.test\",\"slot\":7}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct bsc_preview *preview;
        struct bsc_error error;
        json_t *object = json_loads(bad[i], 0, NULL);
        assert_int_equal(bsc_preview_parse(object, &preview, &error), BSC_INVALID);
        assert_null(preview);
        assert_null(strstr(error.text, "0123456789abcdef"));
        json_decref(object);
    }
}

static void without_a_preview_there_is_none(void **unused)
{
    (void)unused;
    struct bsc_preview *preview;
    struct bsc_error error;
    assert_int_equal(bsc_preview_parse(NULL, &preview, &error), BSC_OK);
    assert_null(preview);
    bsc_preview_destroy(preview);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_host_asks_in_any_case),
        cmocka_unit_test(the_field_asks_with_its_value_and_ends_here),
        cmocka_unit_test(another_value_is_denied_also_at_the_host),
        cmocka_unit_test(of_several_values_all_must_fit),
        cmocka_unit_test(either_may_be_missing),
        cmocka_unit_test(it_is_open_when_it_names_a_slot),
        cmocka_unit_test(what_would_let_everybody_in_is_refused),
        cmocka_unit_test(without_a_preview_there_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
