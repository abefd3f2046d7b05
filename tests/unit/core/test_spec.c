/* SPDX-License-Identifier: Apache-2.0
 * What a specification says of its targets, its instances and its retries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/spec.h"

static void a_target_is_an_address_and_may_have_a_weight(void **unused)
{
    (void)unused;
    static const struct {
        const char *text;
        unsigned size, weight;
    } cases[] = {
        { "10.0.0.1:80", 11, 1 },
        { "10.0.0.1:80 weight=7", 11, 7 },
        { "10.0.0.1:80 weight=0", 11, 1 },
        { "10.0.0.1:80 weight=101", 11, 1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(bsc_target_address_size(cases[i].text), cases[i].size);
        assert_int_equal(bsc_target_weight(cases[i].text), cases[i].weight);
    }
}

static void causes_of_retries_have_names_up_to_a_null(void **unused)
{
    (void)unused;
    unsigned count = 0;
    while (bsc_retry_cause_name(count))
        count++;
    assert_int_equal(count, 6);
    assert_string_equal(bsc_retry_cause_name(0), "connect");
}

static void instances_speak_tls_when_they_are_told_to(void **unused)
{
    (void)unused;
    struct bsc_spec spec = { 0 };
    assert_null(bsc_upstream_tls(&spec));
    spec.upstream_tls.enabled = true;
    assert_ptr_equal(bsc_upstream_tls(&spec), &spec.upstream_tls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_target_is_an_address_and_may_have_a_weight),
        cmocka_unit_test(causes_of_retries_have_names_up_to_a_null),
        cmocka_unit_test(instances_speak_tls_when_they_are_told_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
