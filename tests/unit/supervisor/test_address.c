/* SPDX-License-Identifier: Apache-2.0
 * Listening addresses are numeric, and the same one is recognised however it is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/address.h"

static struct sockaddr_storage parsed(const char *text)
{
    struct sockaddr_storage address;
    socklen_t size;
    struct bsc_error error;
    assert_int_equal(bsc_address_parse(text, &address, &size, &error), BSC_OK);
    return address;
}

static void numeric_addresses_are_read(void **unused)
{
    (void)unused;
    struct sockaddr_storage four = parsed("127.0.0.1:8080"), six = parsed("[::1]:443");
    assert_int_equal(four.ss_family, AF_INET);
    assert_int_equal(bsc_address_port(&four), 8080);
    assert_int_equal(six.ss_family, AF_INET6);
    assert_int_equal(bsc_address_port(&six), 443);
}

static void anything_else_is_refused(void **unused)
{
    (void)unused;
    static const char *const cases[] = { "",
                                         ":",
                                         "80",
                                         ":80",
                                         "[]:80",
                                         "localhost:80",
                                         "1.2.3.4",
                                         "1.2.3.4:",
                                         "1.2.3.4:0",
                                         "1.2.3.4:65536",
                                         "1.2.3.4:+80",
                                         "1.2.3.4:80 ",
                                         "::1:80",
                                         "[::1]",
                                         "[::1:80",
                                         "[1.2.3.4]:80",
                                         "[::1]:99999999999999999999" };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sockaddr_storage address;
        socklen_t size;
        struct bsc_error error;
        assert_int_equal(bsc_address_parse(cases[i], &address, &size, &error), BSC_INVALID);
        assert_non_null(strstr(error.text, "is not a numeric address"));
    }
}

static void addresses_are_compared_by_value(void **unused)
{
    (void)unused;
    struct sockaddr_storage a = parsed("[0:0::0:1]:80"), b = parsed("[::1]:80"),
                            c = parsed("[::1]:81"), d = parsed("[::]:80"), e = parsed("0.0.0.0:80");
    assert_true(bsc_address_equal(&a, &b));
    assert_false(bsc_address_equal(&b, &c));
    assert_false(bsc_address_equal(&b, &d));
    assert_false(bsc_address_equal(&d, &e));
    assert_true(bsc_address_is_any(&d));
    assert_true(bsc_address_is_any(&e));
    assert_false(bsc_address_is_any(&b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numeric_addresses_are_read),
        cmocka_unit_test(anything_else_is_refused),
        cmocka_unit_test(addresses_are_compared_by_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
