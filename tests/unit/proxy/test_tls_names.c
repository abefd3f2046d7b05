/* SPDX-License-Identifier: Apache-2.0
 * Tests of proxy/tls_names.h: which certificate is for a name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/tls_names.h"

static struct bsc_tls_names names;

static int set_up(void **unused)
{
    static const char *const given[] = { "web.test",  "*.Shop.test", "one.shop.test",
                                         "both.test", "both.test",   "*.test" };
    (void)unused;
    names = (struct bsc_tls_names){ 0 };
    for (unsigned i = 0; i < sizeof given / sizeof *given; i++)
        bsc_tls_names_add(&names, given[i], strlen(given[i]), i);
    bsc_tls_names_add(&names, "bad name", 8, 9);
    bsc_tls_names_add(&names, "nul\0.test", 9, 9);
    bsc_tls_names_add(&names, "", 0, 9);
    bsc_tls_names_sort(&names);
    return 0;
}

static int tear_down(void **unused)
{
    (void)unused;
    bsc_tls_names_deinit(&names);
    return 0;
}

static void the_most_exact_certificate_is_chosen(void **unused)
{
    (void)unused;
    static const struct {
        const char *host;
        int certificate; /* -1: none */
    } cases[] = {
        { "web.test", 0 },      { "WEB.Test", 0 },       { "web.test.", 0 },
        { "one.shop.test", 2 }, { "two.shop.test", 1 },  { "a.two.shop.test", -1 },
        { "shop.test", 5 },     { "*.shop.test", -1 },   { ".shop.test", -1 },
        { "test", -1 },         { "other.example", -1 }, { "", -1 },
        { "nul", -1 },          { "bad name", -1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t first, count;
        bool found = bsc_tls_names_find(&names, cases[i].host, &first, &count);
        if (found != (cases[i].certificate >= 0) ||
            (found && (int)names.items[first].certificate != cases[i].certificate))
            fail_msg("'%s'", cases[i].host);
    }
}

static void several_certificates_of_a_name_come_in_their_order(void **unused)
{
    (void)unused;
    size_t first, count;
    assert_true(bsc_tls_names_find(&names, "both.test", &first, &count));
    assert_int_equal(count, 2);
    assert_int_equal(names.items[first].certificate, 3);
    assert_int_equal(names.items[first + 1].certificate, 4);
}

static void a_name_that_is_too_long_is_none(void **unused)
{
    (void)unused;
    char host[300];
    size_t first, count;
    memset(host, 'a', sizeof host - 1);
    host[sizeof host - 1] = '\0';
    assert_false(bsc_tls_names_find(&names, host, &first, &count));
}

int main(void)
{
#define NAMES_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        NAMES_TEST(the_most_exact_certificate_is_chosen),
        NAMES_TEST(several_certificates_of_a_name_come_in_their_order),
        NAMES_TEST(a_name_that_is_too_long_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
