/* SPDX-License-Identifier: Apache-2.0
 * External queries in a file and in the stored form; what is wrong with them is in
 * test_problems_edge.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <string.h>

#include <cmocka.h>

#include "config/config.h"
#include "core/query.h"

static void same_text(const char *a, const char *b)
{
    assert_int_equal(a == NULL, b == NULL);
    if (a)
        assert_string_equal(a, b);
}

static void queries_come_back_as_they_were(void **unused)
{
    (void)unused;
    struct bsc_query_spec items[3] = {
        { .name = "ratio", .kind = BSC_QUERY_PROMETHEUS, .url = "http://p", .query = "up" },
        { .name = "run", .kind = BSC_QUERY_COMMAND, .command.shell = "./run", .dry_run = true },
        { .name = "field", .kind = BSC_QUERY_HTTP, .url = "http://a/", .field = "a.0" },
    };
    assert_true(bsc_accept_parse("< 0.01", &items[0].accept));
    assert_true(bsc_accept_parse("1 .. 2", &items[2].accept));
    bsc_statuses_add(&items[2].statuses, 404, 404);
    for (unsigned i = 0; i < 3; i++) {
        items[i].interval_ms = 1000 + i;
        items[i].timeout_ms = 2000;
        items[i].count = i + 1;
        items[i].failure_limit = 5;
        items[i].on_error = (enum bsc_query_on_error)i;
    }
    struct bsc_spec *spec = bsc_spec_create(), *again = NULL;
    spec->deploy.analysis.queries = (struct bsc_query_list){ 3, items };
    struct bsc_error error;
    struct bsc_text text = { 0 };
    spec->name = "web";
    bsc_spec_write_json(spec, &text);
    assert_int_equal(bsc_spec_read_json(bsc_text_get(&text), &again, &error), BSC_OK);
    const struct bsc_query_list *list = &again->deploy.analysis.queries;
    assert_int_equal(list->count, 3);
    for (unsigned i = 0; i < 3; i++) {
        const struct bsc_query_spec *a = &items[i], *b = &list->items[i];
        same_text(a->name, b->name);
        same_text(a->url, b->url);
        same_text(a->query, b->query);
        same_text(a->field, b->field);
        same_text(a->accept.text, b->accept.text);
        same_text(a->command.shell, b->command.shell);
        assert_int_equal(a->kind, b->kind);
        assert_int_equal(a->interval_ms, b->interval_ms);
        assert_int_equal(a->count, b->count);
        assert_int_equal(a->on_error, b->on_error);
        assert_int_equal(a->dry_run, b->dry_run);
    }
    assert_memory_equal(&list->items[2].statuses, &items[2].statuses, sizeof items[2].statuses);
    assert_true(list->items[0].accept.open && list->items[2].accept.high > 1.5);
    bsc_text_deinit(&text);
    bsc_spec_release(spec);
    bsc_spec_release(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queries_come_back_as_they_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
