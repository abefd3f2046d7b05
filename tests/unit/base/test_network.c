/* SPDX-License-Identifier: Apache-2.0
 * Tests of base/network.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/network.h"

static struct bsc_ip ip(const char *text)
{
    struct bsc_ip result;
    if (!bsc_ip_parse(text, strlen(text), &result))
        fail_msg("%s is no address", text);
    return result;
}

static void addresses_are_read_and_written(void **unused)
{
    (void)unused;
    static const char *const same[] = { "192.0.2.1", "0.0.0.0", "2001:db8::1", "::1", "::" };
    char text[INET6_ADDRSTRLEN];
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        struct bsc_ip read = ip(same[i]);
        bsc_ip_format(&read, text);
        assert_string_equal(text, same[i]);
    }
    struct bsc_ip mapped = ip("::ffff:192.0.2.1");
    bsc_ip_format(&mapped, text);
    assert_string_equal(text, "192.0.2.1");
    static const char *const odd[] = { "",          "1",        "1.2.3",     "1.2.3.4.5",
                                       "256.0.0.1", "01.2.3.4", "a",         "::1%lo",
                                       "1.2.3.4 ",  "[::1]",    "1.2.3.4:80" };
    struct bsc_ip read;
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        if (bsc_ip_parse(odd[i], strlen(odd[i]), &read))
            fail_msg("'%s' was taken", odd[i]);
    assert_false(bsc_ip_parse("1.2.3.4\0", 8, &read));
}

static void a_node_may_have_a_port(void **unused)
{
    (void)unused;
    static const char *const good[] = { "192.0.2.1", "192.0.2.1:1", "2001:db8::1", "[2001:db8::1]",
                                        "[2001:db8::1]:65535" };
    static const char *const odd[] = {
        "[192.0.2.1]", "[2001:db8::1]:", "[2001:db8::1]x", "[]",   "192.0.2.1:",
        "192.0.2.1:x", "unknown",        "_hidden",        "[::1", "192.0.2.1:123456"
    };
    struct bsc_ip read;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(bsc_ip_parse_node(good[i], strlen(good[i]), &read));
        struct bsc_ip wanted = ip(i < 2 ? "192.0.2.1" : "2001:db8::1");
        assert_memory_equal(&read, &wanted, sizeof read);
    }
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        if (bsc_ip_parse_node(odd[i], strlen(odd[i]), &read))
            fail_msg("'%s' was taken", odd[i]);
}

static void a_range_has_the_addresses_of_its_prefix(void **unused)
{
    (void)unused;
    static const struct {
        const char *network, *inside, *outside;
    } cases[] = {
        { "10.0.0.0/8", "10.255.0.1", "11.0.0.0" },
        { "192.168.1.128/25", "192.168.1.255", "192.168.1.127" },
        { "192.0.2.1", "192.0.2.1", "192.0.2.0" },
        { "0.0.0.0/0", "255.1.2.3", "2001:db8::1" },
        { "2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1" },
        { "::1", "::1", "::2" },
        { "::/0", "1.2.3.4", NULL },
        { "::ffff:10.0.0.0/104", "10.1.1.1", "11.1.1.1" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bsc_network network;
        assert_true(bsc_network_parse(cases[i].network, &network));
        struct bsc_ip inside = ip(cases[i].inside);
        assert_true(bsc_network_has(&network, &inside));
        assert_true(bsc_networks_have(&network, 1, &inside));
        assert_false(bsc_networks_have(&network, 0, &inside));
        if (!cases[i].outside)
            continue;
        struct bsc_ip outside = ip(cases[i].outside);
        assert_false(bsc_network_has(&network, &outside));
    }
    static const char *const odd[] = {
        "",   "10.0.0.0/33", "10.0.0.1/8",  "::/129",       "10.0.0.0/", "10.0.0.0/x",
        "/8", "10.0.0.0/08", "10.0.0.0/-1", "10.0.0.0/8/8", "localhost"
    };
    struct bsc_network network;
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        if (bsc_network_parse(odd[i], &network))
            fail_msg("'%s' was taken", odd[i]);
}

static void a_limit_takes_an_ipv6_subscriber_as_one(void **unused)
{
    (void)unused;
    struct bsc_ip a = ip("2001:db8:1:2:3::4"), b = ip("2001:db8:1:2::"), c = ip("192.0.2.1");
    struct bsc_ip whole = bsc_ip_subscriber(&a), other = bsc_ip_subscriber(&c);
    assert_memory_equal(&whole, &b, sizeof b);
    assert_memory_equal(&other, &c, sizeof c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read_and_written),
        cmocka_unit_test(a_node_may_have_a_port),
        cmocka_unit_test(a_range_has_the_addresses_of_its_prefix),
        cmocka_unit_test(a_limit_takes_an_ipv6_subscriber_as_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
