/* SPDX-License-Identifier: Apache-2.0
 * What is wrong with the keys of the edge (limits, trusted proxies, error pages), word for word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"

/* A service that is right but for what is added. */
#define WEB "services:\n  web:\n    command: app\n"

static void values_that_the_edge_does_not_take(void **unused)
{
    (void)unused;
    static const struct {
        const char *text, *problems;
    } cases[] = {
        { "proxy: { error_pages: { 503: sorry.txt } }\n" WEB,
          "1: proxy.error_pages.503: expected a file whose name ends in .html or .json, found "
          "'sorry.txt'" },
        { "proxy: { error_pages: { 503: gone.html } }\n" WEB,
          "1: proxy.error_pages.503: file /nowhere/gone.html: No such file or directory" },
        { "proxy: { error_pages: { 200: sorry.html } }\n" WEB,
          "1: proxy.error_pages.200: is no answer of the proxy's; accepted are statuses (503), "
          "classes of them (5xx) and reason words (maintenance)" },
        { "proxy: { limits: { head: 64KiB, body: lots } }\n" WEB,
          "1: proxy.limits.head: expected a size from 1KiB to 32KiB such as 64KiB or 10MiB, found "
          "'64KiB'\n"
          "1: proxy.limits.body: expected a size from 0 to 1024GiB such as 64KiB or 10MiB, found "
          "'lots'" },
        { WEB "    rate_limit: { requests: 10/w, burst: 0 }\n",
          "4: services.web.rate_limit.requests: expected a rate from 1 to 1000000 such as 100/s, "
          "30/m or 1000/h, found '10/w'\n"
          "4: services.web.rate_limit.burst: expected a whole number from 1 to 1000000, found "
          "'0'" },
        { WEB "    protocol: h2\n    proxy_protocol: v2\n",
          "5: services.web.proxy_protocol: is for a connection of one client, but one of h2 "
          "carries "
          "the requests of many" },
        { "listen: { http: 127.0.0.1:80, proxy_protocol: [\"127.0.0.1:80\", 81] }\n" WEB,
          "1: listen.proxy_protocol: 0.0.0.0:81 is not listened at: give an address of listen.http "
          "or of a service's listen\n"
          "1: listen.proxy_protocol: [::]:81 is not listened at: give an address of listen.http "
          "or of a service's listen" },
        { "listen: { proxy_protocol: yes }\n" WEB,
          "1: listen.proxy_protocol: expected a port (8080) or a numeric address with a port "
          "(127.0.0.1:8080, [::1]:8080), found 'yes'" },
        { "proxy: { trusted: [10.0.0.0/8, 10.0.0.1/8] }\n" WEB,
          "1: proxy.trusted[1]: expected an address (192.0.2.1) or a range of them (10.0.0.0/8, "
          "2001:db8::/32) with no bits set behind its prefix, found '10.0.0.1/8'" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bsc_config_problems problems = { 0 };
        struct bsc_text told = { 0 };
        assert_null(bsc_config_parse("/nowhere/bascule.yaml", cases[i].text, strlen(cases[i].text),
                                     &problems));
        for (size_t k = 0; k < problems.count; k++)
            bsc_text_printf(&told, "%s%u: %s: %s", k ? "\n" : "", problems.items[k].line,
                            problems.items[k].key, problems.items[k].text);
        assert_string_equal(bsc_text_get(&told), cases[i].problems);
        bsc_text_deinit(&told);
        bsc_config_problems_deinit(&problems);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(values_that_the_edge_does_not_take) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
