/* SPDX-License-Identifier: Apache-2.0
 * Tests of proxy/budget.h and proxy/retry_policy.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proxy/budget.h"
#include "proxy/retry_policy.h"

static unsigned spend_all(struct bsc_budget *budget)
{
    unsigned count = 0;
    while (bsc_budget_spend(budget))
        count++;
    return count;
}

static void an_empty_budget_has_nothing(void **unused)
{
    (void)unused;
    struct bsc_budget budget = { 0 };
    assert_false(bsc_budget_spend(&budget));
}

static void requests_earn_their_share_and_not_more(void **unused)
{
    (void)unused;
    struct bsc_budget budget = { 0 };
    unsigned spent = 0;
    for (unsigned i = 0; i < 1000; i++) {
        bsc_budget_earn(&budget, BSC_BUDGET_ONE / 5, 256);
        spent += bsc_budget_spend(&budget);
    }
    assert_int_equal(spent, 200);
}

static void no_more_is_saved_than_the_limit(void **unused)
{
    (void)unused;
    struct bsc_budget budget = { 0 };
    for (unsigned i = 0; i < 100000; i++)
        bsc_budget_earn(&budget, BSC_BUDGET_ONE / 10, 20);
    assert_int_equal(spend_all(&budget), 20);
}

static void what_it_begins_with_counts(void **unused)
{
    (void)unused;
    struct bsc_budget budget = { .credit = 3 * BSC_BUDGET_ONE };
    assert_int_equal(spend_all(&budget), 3);
}

static enum bsc_status parse(const char *text, struct bsc_retry_policy *out)
{
    struct bsc_error error;
    json_t *object = json_loads(text, JSON_DECODE_ANY, NULL);
    enum bsc_status status = bsc_retry_policy_parse(object, out, &error);
    json_decref(object);
    return status;
}

static void what_is_not_said_of_retries_has_its_default(void **unused)
{
    (void)unused;
    struct bsc_retry_policy policy;
    struct bsc_error error;
    assert_int_equal(bsc_retry_policy_parse(NULL, &policy, &error), BSC_OK);
    assert_int_equal(policy.attempts, 3);
    assert_int_equal(policy.on, BSC_RETRY_CONNECT | BSC_RETRY_RESET);
    assert_int_equal(policy.body_bytes, 65536);
    assert_int_equal(policy.unsafe, BSC_RETRY_UNSAFE_NEVER);
    assert_int_equal(parse("{\"on\":[],\"attempts\":1}", &policy), BSC_OK);
    assert_int_equal(policy.on, 0);
    assert_int_equal(policy.attempts, 1);
}

static void every_word_of_retries_is_known(void **unused)
{
    (void)unused;
    struct bsc_retry_policy policy;
    assert_int_equal(parse("{\"on\":[\"timeout\",\"502\",\"503\",\"504\",\"later\"],"
                           "\"unsafe\":\"keyed\",\"body_bytes\":0}",
                           &policy),
                     BSC_OK);
    assert_int_equal(policy.on, BSC_RETRY_TIMEOUT | BSC_RETRY_502 | BSC_RETRY_503 | BSC_RETRY_504);
    assert_int_equal(policy.unsafe, BSC_RETRY_UNSAFE_KEYED);
    assert_int_equal(policy.body_bytes, 0);
}

static void retries_out_of_range_are_refused(void **unused)
{
    (void)unused;
    static const char *const bad[] = { "{\"attempts\":0}",       "{\"attempts\":11}",
                                       "{\"attempts\":\"3\"}",   "{\"body_bytes\":65537}",
                                       "{\"body_bytes\":-1}",    "{\"on\":\"connect\"}",
                                       "{\"unsafe\":\"maybe\"}", "{\"unsafe\":1}" };
    struct bsc_retry_policy policy;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(parse(bad[i], &policy), BSC_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_budget_has_nothing),
        cmocka_unit_test(requests_earn_their_share_and_not_more),
        cmocka_unit_test(no_more_is_saved_than_the_limit),
        cmocka_unit_test(what_it_begins_with_counts),
        cmocka_unit_test(what_is_not_said_of_retries_has_its_default),
        cmocka_unit_test(every_word_of_retries_is_known),
        cmocka_unit_test(retries_out_of_range_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
