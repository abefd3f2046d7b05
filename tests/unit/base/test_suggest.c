/* SPDX-License-Identifier: Apache-2.0
 * tests of base/suggest.h */
#include "base/suggest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void check(const char *typed, const char *const *candidates, const char *expected)
{
    struct bsc_suggestions suggestions;
    bsc_suggest_begin(&suggestions, typed);
    for (; *candidates; candidates++)
        bsc_suggest_offer(&suggestions, *candidates);
    assert_string_equal(bsc_suggest_end(&suggestions), expected);
    bsc_suggest_deinit(&suggestions);
}

static const char *const words[] = { "serve", "status", "switch", "stop", "deploy", NULL };

static void one_typing_error_of_any_kind_is_distance_one(void **unused)
{
    (void)unused;
    assert_int_equal(bsc_suggest_distance("deploy", "deploy"), 0);
    assert_int_equal(bsc_suggest_distance("deplyo", "deploy"), 1);
    assert_int_equal(bsc_suggest_distance("deplo", "deploy"), 1);
    assert_int_equal(bsc_suggest_distance("depploy", "deploy"), 1);
    assert_int_equal(bsc_suggest_distance("deploi", "deploy"), 1);
    assert_int_equal(bsc_suggest_distance("", "abc"), 3);
}

static void a_word_longer_than_the_table_is_far_from_everything(void **unused)
{
    (void)unused;
    assert_int_equal(bsc_suggest_distance("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "deploy"),
                     32);
}

static void a_misspelled_word_suggests_the_right_one(void **unused)
{
    (void)unused;
    check("deplyo", words, "; did you mean deploy?");
}

static void an_ambiguous_beginning_names_all_words_that_begin_so(void **unused)
{
    (void)unused;
    check("s", words, "; did you mean serve, status, switch or stop?");
    check("st", words, "; did you mean status or stop?");
}

static void a_beginning_is_preferred_to_words_that_merely_look_alike(void **unused)
{
    static const char *const options[] = { "state", "stage", NULL };
    (void)unused;
    check("stag", options, "; did you mean stage?");
}

static void only_the_nearest_are_suggested(void **unused)
{
    static const char *const options[] = { "--state", "--stage", NULL };
    (void)unused;
    check("--stagee", options, "; did you mean --stage?");
    check("--stae", options, "; did you mean --state or --stage?");
}

static void nothing_near_suggests_nothing(void **unused)
{
    (void)unused;
    check("frobnicate", words, "");
    check("", words, "");
    check("xyz", words, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_typing_error_of_any_kind_is_distance_one),
        cmocka_unit_test(a_word_longer_than_the_table_is_far_from_everything),
        cmocka_unit_test(a_misspelled_word_suggests_the_right_one),
        cmocka_unit_test(an_ambiguous_beginning_names_all_words_that_begin_so),
        cmocka_unit_test(a_beginning_is_preferred_to_words_that_merely_look_alike),
        cmocka_unit_test(only_the_nearest_are_suggested),
        cmocka_unit_test(nothing_near_suggests_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
