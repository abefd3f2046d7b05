/* SPDX-License-Identifier: Apache-2.0
 * Tests of core/preview.h: which fields may open the way to a version that is not live,
 * and how it is asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/preview.h"

static struct bsc_route routes[] = { { "shop.example", "/" },
                                     { "shop.example", "/api" },
                                     { "www.shop.example", "/" } };

static struct bsc_spec spec_of(const char *host, const char *token)
{
    return (struct bsc_spec){ .route_count = 3,
                              .routes = routes,
                              .preview = { host, "X-Bascule-Preview", token } };
}

static void a_field_with_a_meaning_of_its_own_is_no_way_in(void **unused)
{
    (void)unused;
    assert_true(bsc_preview_header_fits("X-Bascule-Preview"));
    assert_true(bsc_preview_header_fits("Hostess"));
    assert_false(bsc_preview_header_fits("Host"));
    assert_false(bsc_preview_header_fits("CONNECTION"));
    assert_false(bsc_preview_header_fits("x-forwarded-for"));
    assert_false(bsc_preview_header_fits("X-Request-ID"));
}

static void there_is_a_way_by_a_host_or_by_a_token(void **unused)
{
    (void)unused;
    assert_false(bsc_preview_defined(&(struct bsc_preview_spec){ .header = "X-Preview" }));
    assert_true(bsc_preview_defined(&(struct bsc_preview_spec){ .host = "p.example" }));
    assert_true(bsc_preview_defined(&(struct bsc_preview_spec){ .token = "0123456789abcdef" }));
}

static void the_preview_host_has_every_path_once(void **unused)
{
    (void)unused;
    struct bsc_spec spec = spec_of("preview.shop.example", NULL);
    assert_true(bsc_preview_has_path(&spec, 0));
    assert_true(bsc_preview_has_path(&spec, 1));
    assert_false(bsc_preview_has_path(&spec, 2));
}

static void asks(const struct bsc_spec *spec, const char *address, bool tls, const char *url,
                 const char *local)
{
    struct bsc_preview_way way;
    bsc_preview_way(spec, address, tls, &way);
    assert_string_equal(way.url, url);
    assert_string_equal(way.address, local);
}

static void it_is_asked_for_where_the_proxy_listens(void **unused)
{
    (void)unused;
    struct bsc_spec host = spec_of("preview.shop.example", NULL);
    asks(&host, "0.0.0.0:8080", false, "http://preview.shop.example:8080/", "127.0.0.1:8080");
    asks(&host, "0.0.0.0:80", false, "http://preview.shop.example/", "127.0.0.1:80");
    asks(&host, "[::]:443", true, "https://preview.shop.example/", "[::1]:443");
    asks(&host, "192.0.2.7:80", true, "https://preview.shop.example:80/", "192.0.2.7:80");
}

static void without_a_preview_host_it_is_asked_for_as_users_do(void **unused)
{
    (void)unused;
    static struct bsc_route wild[] = { { "*.shop.example", "/a" } }, any[] = { { NULL, "/a" } };
    struct bsc_spec spec = spec_of(NULL, "0123456789abcdef");
    asks(&spec, "0.0.0.0:8080", false, "http://shop.example:8080/", "127.0.0.1:8080");
    spec.routes = wild;
    asks(&spec, "[::1]:8080", false, "http://preview.shop.example:8080/a", "[::1]:8080");
    spec.routes = any;
    asks(&spec, "0.0.0.0:8080", false, "http://127.0.0.1:8080/a", "127.0.0.1:8080");
    asks(&spec, "[::]:443", true, "https://[::1]/a", "[::1]:443");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_field_with_a_meaning_of_its_own_is_no_way_in),
        cmocka_unit_test(there_is_a_way_by_a_host_or_by_a_token),
        cmocka_unit_test(the_preview_host_has_every_path_once),
        cmocka_unit_test(it_is_asked_for_where_the_proxy_listens),
        cmocka_unit_test(without_a_preview_host_it_is_asked_for_as_users_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
