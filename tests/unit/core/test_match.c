/* SPDX-License-Identifier: Apache-2.0
 * Tests of core/match.h: rules that choose users, as they are written and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/match.h"
#include "core/wish.h"

static void a_rule_is_written_as_it_is_read(void **unused)
{
    (void)unused;
    static const struct {
        const char *text;
        struct bsc_match_rule rule;
    } cases[] = {
        { "header:X-Beta=yes", { BSC_MATCH_HEADER, BSC_MATCH_EXACT, "X-Beta", "yes" } },
        { "header:X-Beta^=y;", { BSC_MATCH_HEADER, BSC_MATCH_PREFIX, "X-Beta", "y;" } },
        { "header:X-Beta", { BSC_MATCH_HEADER, BSC_MATCH_PRESENT, "X-Beta", NULL } },
        { "cookie:beta=a=b", { BSC_MATCH_COOKIE, BSC_MATCH_EXACT, "beta", "a=b" } },
        { "cookie:beta^=a b", { BSC_MATCH_COOKIE, BSC_MATCH_PREFIX, "beta", "a b" } },
        { "address:10.0.0.0/8", { BSC_MATCH_ADDRESS, BSC_MATCH_PRESENT, NULL, "10.0.0.0/8" } },
        { "address:2001:db8::1", { BSC_MATCH_ADDRESS, BSC_MATCH_PRESENT, NULL, "2001:db8::1" } },
    };
    struct bsc_arena arena;
    bsc_arena_init(&arena);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bsc_match_rule rule;
        struct bsc_error error;
        char text[BSC_MATCH_TEXT_BYTES];
        const struct bsc_match_rule *wanted = &cases[i].rule;
        assert_int_equal(
            bsc_match_rule_parse(cases[i].text, strlen(cases[i].text), &arena, &rule, &error),
            BSC_OK);
        assert_int_equal(rule.by, wanted->by);
        assert_int_equal(rule.how, wanted->how);
        assert_int_equal(!rule.name, !wanted->name);
        assert_int_equal(!rule.value, !wanted->value);
        if (wanted->name)
            assert_string_equal(rule.name, wanted->name);
        if (wanted->value)
            assert_string_equal(rule.value, wanted->value);
        assert_string_equal(bsc_match_rule_format(&rule, text), cases[i].text);
    }
    bsc_arena_deinit(&arena);
}

static void what_no_request_can_have_is_refused(void **unused)
{
    (void)unused;
    static const struct {
        const char *text, *why;
    } cases[] = {
        { "", "begins with none of header:, cookie:, address:" },
        { "X-Beta=yes", "begins with none" },
        { "headers:X-Beta", "begins with none" },
        { "cooki:beta", "begins with none" },
        { "cookbook:beta", "begins with none" },
        { "header:", "has no name that a header can have" },
        { "header:=yes", "has no name that a header can have" },
        { "header:^=yes", "has no name that a header can have" },
        { "header:X Beta=yes", "has no name that a header can have" },
        { "cookie:b,c", "has no name that a cookie can have" },
        { "header:X-Beta=", "has no value that a header can have: 1 to 256 characters of ASCII "
                            "without blanks around them" },
        { "header:X-Beta= yes", "has no value" },
        { "header:X-Beta=yes ", "has no value" },
        { "header:X-Beta=y\ts", "has no value" },
        { "header:X-Beta=\xc3\xa9", "has no value" },
        { "header:X-Beta^=", "has no value" },
        { "cookie:beta=1;2", ", and without ';'" },
        { "address:", "is no address and no range of them such as 10.0.0.0/8" },
        { "address:10.0.0.1/8", "is no address" },
        { "address:localhost", "is no address" },
    };
    struct bsc_arena arena;
    bsc_arena_init(&arena);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bsc_match_rule rule;
        struct bsc_error error;
        assert_int_equal(
            bsc_match_rule_parse(cases[i].text, strlen(cases[i].text), &arena, &rule, &error),
            BSC_INVALID);
        if (!strstr(error.text, cases[i].why))
            fail_msg("%s: %s", cases[i].text, error.text);
    }
    char longest[400] = "header:X=";
    for (unsigned size = BSC_MATCH_VALUE_MAX; size <= BSC_MATCH_VALUE_MAX + 1; size++) {
        struct bsc_match_rule rule;
        memset(longest + 9, 'v', size);
        assert_int_equal(bsc_match_rule_parse(longest, 9 + size, &arena, &rule, NULL),
                         size == BSC_MATCH_VALUE_MAX ? BSC_OK : BSC_INVALID);
        memset(longest + 7, 'n', size);
        assert_int_equal(
            bsc_match_rule_parse(longest, 7 + BSC_MATCH_NAME_MAX + 1, &arena, &rule, NULL),
            BSC_INVALID);
        memcpy(longest + 7, "X=", 2);
    }
    bsc_arena_deinit(&arena);
}

static void rules_stand_between_semicolons(void **unused)
{
    (void)unused;
    struct bsc_arena arena;
    struct bsc_match_spec match;
    struct bsc_error error;
    bsc_arena_init(&arena);
    assert_int_equal(
        bsc_match_parse(" header:X-Beta=yes ;cookie:beta; address:::1/128", &arena, &match, &error),
        BSC_OK);
    assert_int_equal(match.count, 3);
    assert_string_equal(match.items[0].value, "yes");
    assert_string_equal(match.items[2].value, "::1/128");
    assert_int_equal(bsc_match_parse("header:X-Beta;", &arena, &match, &error), BSC_INVALID);
    assert_string_equal(error.text,
                        "'' begins with none of header:, cookie:, address:; expected rules such as "
                        "header:X-Beta=yes, cookie:beta^=1 or address:10.0.0.0/8 with ';' between "
                        "them");
    char many[256] = "";
    for (unsigned i = 0; i <= BSC_MATCH_RULES_MAX; i++)
        snprintf(many + strlen(many), sizeof many - strlen(many), "%sheader:X%u", i ? ";" : "", i);
    assert_int_equal(bsc_match_parse(many, &arena, &match, &error), BSC_INVALID);
    assert_string_equal(error.text, "more than 16 rules");
    *strrchr(many, ';') = '\0';
    assert_int_equal(bsc_match_parse(many, &arena, &match, &error), BSC_OK);
    assert_int_equal(match.count, BSC_MATCH_RULES_MAX);
    char text[128];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    assert_int_equal(bsc_match_parse(text, &arena, &match, &error), BSC_INVALID);
    assert_non_null(strstr(error.text, "xxx...' begins"));
    bsc_arena_deinit(&arena);
}

static void a_wish_brings_rules_to_a_canary_and_addresses_to_one_of_tcp(void **unused)
{
    (void)unused;
    struct bsc_error error;
    struct bsc_deploy_wish wish = { .match = "header:X-Beta" };
    struct bsc_spec *spec = bsc_spec_create();
    assert_int_equal(bsc_deploy_wish_apply(&wish, spec, &error), BSC_INVALID);
    assert_string_equal(error.text,
                        "match rules are for the strategy canary, and this one is another");
    spec->deploy.strategy = BSC_STRATEGY_CANARY;
    assert_int_equal(bsc_deploy_wish_apply(&wish, spec, &error), BSC_OK);
    assert_int_equal(spec->deploy.match.count, 1);
    spec->speech = BSC_SPEECH_TCP;
    assert_int_equal(bsc_deploy_wish_apply(&wish, spec, &error), BSC_INVALID);
    assert_string_equal(error.text, "'header:X-Beta' is for requests of HTTP; of a connection of "
                                    "TCP only the address is known");
    wish.match = "address:10.0.0.0/8";
    assert_int_equal(bsc_deploy_wish_apply(&wish, spec, &error), BSC_OK);
    wish.match = "address:10.0.0.0/33";
    assert_int_equal(bsc_deploy_wish_apply(&wish, spec, &error), BSC_INVALID);
    bsc_spec_release(spec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rule_is_written_as_it_is_read),
        cmocka_unit_test(what_no_request_can_have_is_refused),
        cmocka_unit_test(rules_stand_between_semicolons),
        cmocka_unit_test(a_wish_brings_rules_to_a_canary_and_addresses_to_one_of_tcp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
