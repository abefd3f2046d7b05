/* SPDX-License-Identifier: Apache-2.0
 * Tests of proxy/rules.h: which requests a rule fits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/rules.h"

static struct bsc_rules *rules_of(const char *json)
{
    struct bsc_rules *rules;
    struct bsc_error error;
    json_t *list = json_loads(json, 0, NULL);
    assert_non_null(list);
    assert_int_equal(bsc_rules_parse(list, &rules, &error), BSC_OK);
    json_decref(list);
    return rules;
}

static bool fits(const char *json, const char *fields, const char *address)
{
    char text[512];
    struct bsc_head_scan scan = { 0 };
    struct bsc_request request;
    struct bsc_fault fault;
    snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a.test\r\n%s\r\n", fields);
    assert_int_equal(bsc_request_parse(&scan, text, strlen(text), &request, &fault),
                     BSC_PARSE_DONE);
    struct bsc_rules *rules = rules_of(json);
    bool fit = bsc_rules_fit(rules, &request.head, text, address);
    bsc_rules_release(rules);
    return fit;
}

static void a_header_has_the_value_and_its_name_in_any_case(void **unused)
{
    (void)unused;
    static const char yes[] = "[{\"header\":\"X-Beta\",\"value\":\"yes\"}]";
    assert_true(fits(yes, "x-beta: yes\r\n", "192.0.2.1"));
    assert_true(fits(yes, "X-Beta:  yes \r\n", "192.0.2.1"));
    assert_true(fits(yes, "X-Beta: no\r\nX-Beta: yes\r\n", "192.0.2.1"));
    assert_false(fits(yes, "X-Beta: Yes\r\n", "192.0.2.1"));
    assert_false(fits(yes, "X-Beta: yes!\r\n", "192.0.2.1"));
    assert_false(fits(yes, "X-Beta: ye\r\n", "192.0.2.1"));
    assert_false(fits(yes, "X-Beta:\r\n", "192.0.2.1"));
    assert_false(fits(yes, "X-Bet: yes\r\nX-Beta2: yes\r\n", "192.0.2.1"));
    assert_false(fits(yes, "", "192.0.2.1"));
}

static void a_prefix_begins_the_value(void **unused)
{
    (void)unused;
    static const char team[] = "[{\"header\":\"X-Team\",\"prefix\":\"qa-\"}]";
    assert_true(fits(team, "X-Team: qa-\r\n", "192.0.2.1"));
    assert_true(fits(team, "X-Team: qa-7\r\n", "192.0.2.1"));
    assert_false(fits(team, "X-Team: qa\r\n", "192.0.2.1"));
    assert_false(fits(team, "X-Team: xqa-7\r\n", "192.0.2.1"));
}

static void without_a_value_any_will_do_but_an_empty_one(void **unused)
{
    (void)unused;
    static const char any[] = "[{\"header\":\"X-Beta\"}]", cookie[] = "[{\"cookie\":\"beta\"}]";
    assert_true(fits(any, "X-Beta: 0\r\n", "192.0.2.1"));
    assert_false(fits(any, "X-Beta:\r\n", "192.0.2.1"));
    assert_true(fits(cookie, "Cookie: beta=0\r\n", "192.0.2.1"));
    assert_false(fits(cookie, "Cookie: beta=; x=1\r\n", "192.0.2.1"));
}

static void a_cookie_is_found_among_others_and_its_name_counts_as_written(void **unused)
{
    (void)unused;
    static const char beta[] = "[{\"cookie\":\"beta\",\"value\":\"1\"}]";
    assert_true(fits(beta, "Cookie: beta=1\r\n", "192.0.2.1"));
    assert_true(fits(beta, "Cookie: a=2; beta=1; b=3\r\n", "192.0.2.1"));
    assert_true(fits(beta, "Cookie: a=2\r\nCookie: beta=1\r\n", "192.0.2.1")); /* of HTTP/2 */
    assert_false(fits(beta, "Cookie: Beta=1\r\n", "192.0.2.1"));
    assert_false(fits(beta, "Cookie: xbeta=1; beta2=1\r\n", "192.0.2.1"));
    assert_false(fits(beta, "Cookie: beta=11\r\n", "192.0.2.1"));
    assert_false(fits(beta, "Cookie: a=beta=1\r\n", "192.0.2.1"));
    assert_false(fits(beta, "beta: 1\r\nX-Cookie: beta=1\r\n", "192.0.2.1"));
    assert_false(fits(beta, "", "192.0.2.1"));
}

static void an_address_is_in_a_range_of_its_own_family(void **unused)
{
    (void)unused;
    static const char four[] = "[{\"address\":\"10.0.0.0/8\"}]";
    static const char six[] = "[{\"address\":\"2001:db8::/32\"},{\"address\":\"::1\"}]";
    assert_true(fits(four, "", "10.255.0.1"));
    assert_false(fits(four, "", "11.0.0.1"));
    assert_false(fits(four, "", "2001:db8::1"));
    assert_false(fits(four, "", "unknown"));
    assert_false(fits(four, "X-Forwarded-For: 10.0.0.1\r\n", "192.0.2.1"));
    assert_true(fits(six, "", "2001:db8:7::1"));
    assert_true(fits(six, "", "::1"));
    assert_false(fits(six, "", "::2"));
    struct bsc_rules *rules = rules_of("[{\"header\":\"X\"},{\"address\":\"10.0.0.0/8\"}]");
    assert_true(bsc_rules_fit(rules, NULL, NULL, "10.0.0.1")); /* a connection of TCP */
    assert_false(bsc_rules_fit(rules, NULL, NULL, "192.0.2.1"));
    bsc_rules_release(rules);
}

static void any_of_the_rules_is_enough(void **unused)
{
    (void)unused;
    static const char all[] = "[{\"header\":\"X-Beta\",\"value\":\"1\"},{\"cookie\":\"beta\"},"
                              "{\"address\":\"10.0.0.0/8\"}]";
    assert_true(fits(all, "X-Beta: 1\r\n", "192.0.2.1"));
    assert_true(fits(all, "X-Beta: 2\r\nCookie: beta=x\r\n", "192.0.2.1"));
    assert_true(fits(all, "X-Beta: 2\r\n", "10.1.1.1"));
    assert_false(fits(all, "X-Beta: 2\r\nCookie: x=beta\r\n", "192.0.2.1"));
}

static void what_is_no_list_of_rules_is_refused(void **unused)
{
    (void)unused;
    static const char *const wrong[] = {
        "[]",
        "{}",
        "[1]",
        "[{}]",
        "[{\"value\":\"x\"}]",
        "[{\"header\":\"\"}]",
        "[{\"header\":\"a b\"}]",
        "[{\"header\":1}]",
        "[{\"header\":\"a\",\"value\":\"\"}]",
        "[{\"cookie\":\"a\",\"prefix\":\"\"}]",
        "[{\"header\":\"a\"},{\"address\":\"10.0.0.1/8\"}]",
        "[{\"address\":\"host\"}]",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct bsc_rules *rules = NULL;
        struct bsc_error error;
        json_t *list = json_loads(wrong[i], 0, NULL);
        assert_int_equal(bsc_rules_parse(list, &rules, &error), BSC_INVALID);
        assert_null(rules);
        json_decref(list);
    }
    struct bsc_rules *rules;
    json_t *list = json_array();
    for (unsigned i = 0; i <= BSC_RULES_MAX; i++)
        json_array_append_new(list, json_pack("{s:s}", "header", "a"));
    assert_int_equal(bsc_rules_parse(list, &rules, &(struct bsc_error){ 0 }), BSC_INVALID);
    json_decref(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_has_the_value_and_its_name_in_any_case),
        cmocka_unit_test(a_prefix_begins_the_value),
        cmocka_unit_test(without_a_value_any_will_do_but_an_empty_one),
        cmocka_unit_test(a_cookie_is_found_among_others_and_its_name_counts_as_written),
        cmocka_unit_test(an_address_is_in_a_range_of_its_own_family),
        cmocka_unit_test(any_of_the_rules_is_enough),
        cmocka_unit_test(what_is_no_list_of_rules_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
