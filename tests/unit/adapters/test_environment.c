/* SPDX-License-Identifier: Apache-2.0
 * Environment files are read by Compose's rules, and the later source wins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "adapters/environment.h"

static enum bsc_status read_text(struct bsc_environment *environment, const char *text,
                                 struct bsc_error *error)
{
    return bsc_environment_put_text(environment, "x.env", text, strlen(text), error);
}

static void a_line_means_what_compose_says(void **unused)
{
    (void)unused;
    static const struct {
        const char *text, *item;
    } cases[] = {
        { "A=1", "A=1" },
        { "A = 1 ", "A=1" },
        { "export A=1\r\n", "A=1" },
        { "A=", "A=" },
        { "A=a b # note", "A=a b" },
        { "A=a#b", "A=a#b" },
        { "A=# note", "A=" },
        { "A=b=c", "A=b=c" },
        { "A='x # \\n $B'", "A=x # \\n $B" },
        { "A=\"x\\n\\\"y\\\" \\$B \\z\" # note", "A=x\n\"y\" $B \\z" },
        { "A='one\ntwo'\n", "A=one\ntwo" },
        { "# note\n\n  A=1\n", "A=1" },
        { "a.b-c_1=x", "a.b-c_1=x" },
        { "A=$B ${C}", "A=$B ${C}" },
        { "A=1\nA=2", "A=2" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bsc_environment environment = { 0 };
        assert_int_equal(read_text(&environment, cases[i].text, NULL), BSC_OK);
        assert_int_equal(environment.count, 1);
        assert_string_equal(environment.items[0], cases[i].item);
        assert_null(environment.items[1]);
        bsc_environment_deinit(&environment);
    }
}

static void a_bad_line_is_named_with_its_file_and_number(void **unused)
{
    (void)unused;
    static const struct {
        const char *text, *start;
    } cases[] = {
        { "A=1\nnonsense\n", "x.env:2: expected NAME=VALUE" },
        { "1A=1", "x.env:1: expected NAME=VALUE" },
        { "=1", "x.env:1: expected NAME=VALUE" },
        { "A", "x.env:1: expected NAME=VALUE" },
        { "\nA='x\n\n", "x.env:2: the value's quote is not closed" },
        { "A='x\ny' z\n", "x.env:2: something follows the closing quote" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bsc_environment environment = { 0 };
        struct bsc_error error;
        assert_int_equal(read_text(&environment, cases[i].text, &error), BSC_INVALID);
        assert_memory_equal(error.text, cases[i].start, strlen(cases[i].start));
        bsc_environment_deinit(&environment);
    }
}

static void a_nul_byte_is_refused(void **unused)
{
    (void)unused;
    struct bsc_environment environment = { 0 };
    assert_int_equal(bsc_environment_put_text(&environment, "x.env", "A=\0b", 4, NULL),
                     BSC_INVALID);
    bsc_environment_deinit(&environment);
}

static void the_later_source_wins_in_place(void **unused)
{
    (void)unused;
    struct bsc_environment environment = { 0 };
    bsc_environment_put(&environment, "AB=1");
    bsc_environment_put(&environment, "A=2");
    bsc_environment_put(&environment, "without");
    bsc_environment_set(&environment, "AB", "3");
    assert_int_equal(environment.count, 2);
    assert_string_equal(environment.items[0], "AB=3");
    assert_string_equal(environment.items[1], "A=2");
    bsc_environment_deinit(&environment);
}

static void the_user_decides_on_home_and_names(void **unused)
{
    (void)unused;
    struct bsc_environment environment = { 0 };
    struct bsc_error error;
    assert_int_equal(bsc_environment_put_base(&environment, "daemon", &error), BSC_OK);
    bool found = false;
    for (size_t i = 0; i < environment.count; i++)
        found = found || !strcmp(environment.items[i], "LOGNAME=daemon");
    assert_true(found);
    assert_int_equal(bsc_environment_put_base(&environment, "no-such-user", &error), BSC_INVALID);
    assert_non_null(strstr(error.text, "no-such-user"));
    bsc_environment_deinit(&environment);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_means_what_compose_says),
        cmocka_unit_test(a_bad_line_is_named_with_its_file_and_number),
        cmocka_unit_test(a_nul_byte_is_refused),
        cmocka_unit_test(the_later_source_wins_in_place),
        cmocka_unit_test(the_user_decides_on_home_and_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
