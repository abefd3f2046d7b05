/* SPDX-License-Identifier: Apache-2.0
 * Service names and versions: what is let in, and how a refusal reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/spec.h"

static const char *repeat(char c, size_t count)
{
    static char text[512];
    memset(text, c, count);
    text[count] = '\0';
    return text;
}

static void a_service_name_is_a_dns_label(void **unused)
{
    (void)unused;
    static const char *const good[] = { "a", "web", "web-2", "a1", "a-b-c" };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(bsc_service_name_check(good[i], NULL), BSC_OK);
    assert_int_equal(bsc_service_name_check(repeat('a', BSC_NAME_MAX), NULL), BSC_OK);
    assert_int_equal(bsc_group_name_check("shop", NULL), BSC_OK);
}

static void any_other_service_name_is_refused(void **unused)
{
    (void)unused;
    static const char *const bad[] = { "",    "Web",   "1web", "-web",  "web-", "we_b",
                                       "a.b", "a/b",   "..",   "web\n", "w b",  "\xc3\xa4",
                                       "{",   "a\x1b", "A",    "a\x7f" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(bsc_service_name_check(bad[i], NULL), BSC_INVALID);
    assert_int_equal(bsc_service_name_check(repeat('a', BSC_NAME_MAX + 1), NULL), BSC_INVALID);
}

static void a_version_may_be_a_tag_a_number_or_a_digest(void **unused)
{
    (void)unused;
    static const char *const good[] = {
        "v2", "1.2.3-rc.1+build", "2026-01-31T12:00", "shop@sha256:ab", "7f3e2a1", "A_b"
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(bsc_version_check(good[i], NULL), BSC_OK);
    assert_int_equal(bsc_version_check(repeat('1', BSC_VERSION_MAX), NULL), BSC_OK);
}

static void a_version_that_could_leave_its_folder_is_refused(void **unused)
{
    (void)unused;
    static const char *const bad[] = { "",    ".",   "..", "a/b",          "/",        "-v", "v 1",
                                       "v\n", "v$1", "v~", "\xe2\x82\xac", "v\x1b[2J", "v\\" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(bsc_version_check(bad[i], NULL), BSC_INVALID);
    assert_int_equal(bsc_version_check(repeat('1', BSC_VERSION_MAX + 1), NULL), BSC_INVALID);
}

static void a_refusal_names_what_was_given_without_its_control_characters(void **unused)
{
    (void)unused;
    struct bsc_error error;
    assert_int_equal(bsc_version_check("v\x1b[2J/1", &error), BSC_INVALID);
    assert_string_equal(error.text, "'v?[2J/1' is not a version: a letter or digit, then up to 127 "
                                    "letters, digits and . _ - + : @");
    assert_int_equal(bsc_service_name_check(repeat('X', 300), &error), BSC_INVALID);
    assert_string_equal(
        error.text,
        "'XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX...' is "
        "not a service name: a letter a-z, then up to 62 of a-z, 0-9 and '-', not ending with '-'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_service_name_is_a_dns_label),
        cmocka_unit_test(any_other_service_name_is_refused),
        cmocka_unit_test(a_version_may_be_a_tag_a_number_or_a_digest),
        cmocka_unit_test(a_version_that_could_leave_its_folder_is_refused),
        cmocka_unit_test(a_refusal_names_what_was_given_without_its_control_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
