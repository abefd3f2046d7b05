/* SPDX-License-Identifier: Apache-2.0
 * Tests of proxy/roles.h, and of the lines that bring them. */
#include "told.h"

#define HELLO_ALL "{\"hello\":{\"protocol\":1,\"epoch\":4,\"listeners\":true}}"
#define LISTENER(address, more) "{\"seq\":1,\"listener\":{\"address\":\"" address "\"" more "}}"
#define REMOVE(address) "{\"seq\":2,\"remove-listener\":{\"address\":\"" address "\"}}"

static void begin(const char *hello, const char *listener)
{
    assert_int_equal(take(hello), BSC_OK);
    if (listener)
        assert_int_equal(take(listener), BSC_OK);
    assert_false(line.listeners);
    assert_int_equal(take(END), BSC_OK);
    assert_true(line.listeners);
}

static void an_address_that_was_not_told_of_is_plain(void **unused)
{
    (void)unused;
    struct bsc_role role;
    begin(HELLO, LISTENER("0.0.0.0:8443", ",\"tls\":true,\"service\":null"));
    assert_true(bsc_roles_of(&lines.now.roles, "0.0.0.0:8443", &role));
    assert_true(role.tls);
    assert_true(bsc_roles_of(&lines.now.roles, "0.0.0.0:8080", &role));
    assert_false(role.tls || role.redirect || role.proxy_protocol || role.service[0]);
}

static void when_all_are_told_of_others_are_not_served(void **unused)
{
    (void)unused;
    struct bsc_role role;
    begin(HELLO_ALL, LISTENER("0.0.0.0:80", ",\"redirect\":true,\"redirect_port\":8443"));
    assert_false(bsc_roles_of(&lines.now.roles, "0.0.0.0:8443", &role));
    assert_int_equal(take(LISTENER("0.0.0.0:8443", ",\"tls\":true")), BSC_OK);
    assert_true(line.listeners);
    assert_true(bsc_roles_of(&lines.now.roles, "0.0.0.0:8443", &role));
    assert_true(bsc_roles_of(&lines.now.roles, "0.0.0.0:80", &role));
    assert_true(role.redirect);
    assert_int_equal(role.redirect_port, 8443);
}

static void a_removed_address_and_one_of_an_earlier_whole_are_forgotten(void **unused)
{
    (void)unused;
    begin(HELLO, LISTENER("0.0.0.0:80", ",\"service\":\"db\",\"proxy_protocol\":true"));
    assert_string_equal(bsc_roles_find(&lines.now.roles, "0.0.0.0:80")->service, "db");
    assert_int_equal(take(REMOVE("0.0.0.0:80")), BSC_OK);
    assert_null(bsc_roles_find(&lines.now.roles, "0.0.0.0:80"));
    assert_int_equal(take(REMOVE("0.0.0.0:80")), BSC_OK);
    begin(HELLO, LISTENER("0.0.0.0:81", ""));
    begin(HELLO, NULL);
    assert_null(bsc_roles_find(&lines.now.roles, "0.0.0.0:81"));
}

static void a_refused_line_keeps_the_role_that_was_in_force(void **unused)
{
    (void)unused;
    begin(HELLO, LISTENER("0.0.0.0:443", ",\"tls\":true"));
    assert_int_equal(take(HELLO_ALL), BSC_OK);
    assert_int_equal(take(LISTENER("0.0.0.0:443", ",\"tls\":\"yes\"")), BSC_INVALID);
    assert_int_equal(take(LISTENER("", "")), BSC_INVALID);
    assert_int_equal(take(END), BSC_OK);
    assert_true(bsc_roles_find(&lines.now.roles, "0.0.0.0:443")->tls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TOLD_TEST(an_address_that_was_not_told_of_is_plain),
        TOLD_TEST(when_all_are_told_of_others_are_not_served),
        TOLD_TEST(a_removed_address_and_one_of_an_earlier_whole_are_forgotten),
        TOLD_TEST(a_refused_line_keeps_the_role_that_was_in_force),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
