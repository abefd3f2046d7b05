/* SPDX-License-Identifier: Apache-2.0
 * Tests of proxy/identity.h: who a request is from, and which bucket that is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/balance.h"
#include "proxy/identity.h"

enum { USERS = 200000, BUCKETS = 10000 };

static const unsigned char keys[2][BSC_KEY_BYTES] = { "the first one...", "the second one.." };

static uint64_t user(unsigned number)
{
    char name[32];
    snprintf(name, sizeof name, "user-%u", number);
    return bsc_identity_hash_text(name);
}

static void buckets_are_uniform(void **unused)
{
    (void)unused;
    static unsigned counts[BUCKETS];
    double chi_square = 0, expected = (double)USERS / BUCKETS;
    for (unsigned i = 0; i < USERS; i++) {
        unsigned bucket = bsc_identity_bucket(keys[0], user(i));
        assert_true(bucket < BUCKETS);
        counts[bucket]++;
    }
    for (unsigned i = 0; i < BUCKETS; i++)
        chi_square += (counts[i] - expected) * (counts[i] - expected) / expected;
    /* 9,999 degrees of freedom: a standard deviation is 141.4. */
    assert_true(chi_square > 9999 - 5 * 141.4 && chi_square < 9999 + 5 * 141.4);
}

static enum bsc_slot slot_at(unsigned blue_bp, uint64_t identity, const unsigned char *key)
{
    struct bsc_split split = { .weight_bp = { blue_bp, BUCKETS - blue_bp } };
    return bsc_balance_slot_of(&split, bsc_identity_bucket(key, identity));
}

static void who_is_in_stays_in_while_the_weight_grows_whichever_slot_grows(void **unused)
{
    (void)unused;
    static const unsigned steps_bp[] = { 0, 1, 500, 2500, 5000, 9999, 10000 };
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t identity = user(i);
        bool in_green = false, in_blue = false;
        for (unsigned step = 0; step < sizeof steps_bp / sizeof *steps_bp; step++) {
            bool green = slot_at(BUCKETS - steps_bp[step], identity, keys[0]) == BSC_GREEN;
            bool blue = slot_at(steps_bp[step], identity, keys[0]) == BSC_BLUE;
            assert_true(green || !in_green);
            assert_true(blue || !in_blue);
            in_green = green;
            in_blue = blue;
        }
        assert_true(in_green && in_blue);
    }
}

static void a_slot_of_weight_0_has_nobody_whoever_asks(void **unused)
{
    (void)unused;
    struct bsc_split blue = { .weight_bp = { 10000, 0 } }, green = { .weight_bp = { 0, 10000 } };
    for (unsigned bucket = 0; bucket < BUCKETS; bucket++) {
        assert_int_equal(bsc_balance_slot_of(&blue, bucket), BSC_BLUE);
        assert_int_equal(bsc_balance_slot_of(&green, bucket), BSC_GREEN);
    }
}

static void as_many_are_in_as_the_weight_says(void **unused)
{
    (void)unused;
    unsigned in = 0;
    for (unsigned i = 0; i < USERS; i++)
        in += slot_at(9500, user(i), keys[0]) == BSC_GREEN;
    assert_true(in > USERS * 0.05 - 500 && in < USERS * 0.05 + 500); /* 5 standard deviations */
}

static void another_rollout_begins_with_other_users(void **unused)
{
    (void)unused;
    unsigned first = 0, both = 0;
    for (unsigned i = 0; i < USERS; i++) {
        bool in = slot_at(9500, user(i), keys[0]) == BSC_GREEN;
        first += in;
        both += in && slot_at(9500, user(i), keys[1]) == BSC_GREEN;
    }
    assert_true(both > first * 0.03 && both < first * 0.07); /* by chance alone: 5 % of them */
}

static void the_instance_does_not_depend_on_the_rollout_nor_the_bucket_on_the_instance(
    void **unused)
{
    (void)unused;
    unsigned high = 0, in = 0;
    for (unsigned i = 0; i < USERS; i++) {
        uint64_t identity = user(i);
        if (slot_at(5000, identity, keys[0]) == BSC_GREEN)
            in++, high += identity >> 63;
    }
    assert_true(high > in * 0.48 && high < in * 0.52);
}

/* -- finding it ------------------------------------------------------------------------------- */

static bool find(enum bsc_identity by, const char *name, const char *text, uint64_t *out)
{
    struct bsc_service service = { .identity = by, .identity_name = (char *)(uintptr_t)name };
    struct bsc_head_scan scan = { 0 };
    struct bsc_request request;
    struct bsc_fault fault;
    assert_int_equal(bsc_request_parse(&scan, text, strlen(text), &request, &fault),
                     BSC_PARSE_DONE);
    return bsc_identity_of(&service, &request, text, "192.0.2.1", out);
}

#define REQUEST(fields) "GET /cart?item=1 HTTP/1.1\r\nHost: a\r\n" fields "\r\n"

static void is_identified_by(enum bsc_identity by, const char *name, const char *text,
                             const char *value)
{
    uint64_t found;
    assert_true(find(by, name, text, &found));
    assert_true(found == bsc_identity_hash_text(value));
}

static void an_identity_is_found_in_all_its_places(void **unused)
{
    (void)unused;
    uint64_t client;
    assert_true(find(BSC_IDENTITY_CLIENT, NULL, REQUEST(""), &client));
    assert_true(client == bsc_identity_hash_client("192.0.2.1"));
    is_identified_by(BSC_IDENTITY_PATH, NULL, REQUEST(""), "/cart");
    is_identified_by(BSC_IDENTITY_HEADER, "X-User", REQUEST("x-user:  7 \r\n"), "7");
    is_identified_by(BSC_IDENTITY_COOKIE, "sid", REQUEST("Cookie: sid=abc\r\n"), "abc");
    is_identified_by(BSC_IDENTITY_COOKIE, "sid", REQUEST("Cookie: a=b; sid=abc;c=d\r\n"), "abc");
    is_identified_by(BSC_IDENTITY_COOKIE, "sid", REQUEST("Cookie: xsid=1;  sid=a=b ; c=d\r\n"),
                     "a=b");
    is_identified_by(BSC_IDENTITY_COOKIE, "sid", REQUEST("Cookie: a=b\r\nCookie: sid=abc\r\n"),
                     "abc");
}

static void what_only_looks_like_it_is_no_identity(void **unused)
{
    (void)unused;
    uint64_t found;
    static const char *const cookies[] = { "",
                                           "Cookie: sid=\r\n",
                                           "Cookie: sid\r\n",
                                           "Cookie: xsid=1\r\n",
                                           "Cookie: SID=1\r\n",
                                           "Cookie: a=sid=1\r\n",
                                           "Cookie: sid =1\r\n",
                                           "Cookie: ; ;;\r\n",
                                           "X-Cookie: sid=1\r\n" };
    for (size_t i = 0; i < sizeof cookies / sizeof *cookies; i++) {
        char text[200];
        snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", cookies[i]);
        assert_false(find(BSC_IDENTITY_COOKIE, "sid", text, &found));
    }
    assert_false(find(BSC_IDENTITY_HEADER, "X-User", REQUEST("X-User:\r\n"), &found));
    assert_false(find(BSC_IDENTITY_HEADER, "X-User", REQUEST("X-Users: 1\r\n"), &found));
}

static void a_cookie_of_ours_that_comes_back_is_the_identity_that_it_was_given_for(void **unused)
{
    (void)unused;
    char line[BSC_COOKIE_LINE_BYTES], text[700];
    struct bsc_service service = { .identity = BSC_IDENTITY_COOKIE,
                                   .identity_name = (char *)(uintptr_t) "bsc",
                                   .cookie = (char *)(uintptr_t) "; Path=/; HttpOnly" };
    size_t size = bsc_identity_cookie_line(&service, 0xfedcba9876543210, line);
    assert_int_equal(size, strlen("Set-Cookie: bsc=0123456789abcdef; Path=/; HttpOnly\r\n"));
    assert_memory_equal(line, "Set-Cookie: bsc=0123456789abcdef; Path=/; HttpOnly\r\n", size);
    snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\nCookie: bsc=%.16s\r\n\r\n",
             line + strlen("Set-Cookie: bsc="));
    uint64_t found;
    assert_true(find(BSC_IDENTITY_COOKIE, "bsc", text, &found));
    assert_true(found == bsc_identity_of_cookie(0xfedcba9876543210));
}

static void an_answer_for_shared_caches_gets_no_cookie(void **unused)
{
    (void)unused;
    static const struct {
        const char *field;
        bool may;
    } cases[] = { { "Content-Type: text/html", true },
                  { "Cache-Control: private, max-age=60", true },
                  { "Cache-Control: max-age=60", true },
                  { "Cache-Control: max-age=60, public", false },
                  { "cache-control: S-MaxAge=60", false } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[200];
        struct bsc_head_scan scan = { 0 };
        struct bsc_response response;
        struct bsc_fault fault;
        snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n%s\r\n\r\n",
                 cases[i].field);
        assert_int_equal(
            bsc_response_parse(&scan, text, strlen(text), BSC_METHOD_GET, &response, &fault),
            BSC_PARSE_DONE);
        assert_int_equal(bsc_identity_may_set_cookie(&response, text), cases[i].may);
    }
}

static void an_address_of_ipv6_is_its_subscriber_and_one_of_ipv4_itself(void **unused)
{
    (void)unused;
    uint64_t one = bsc_identity_hash_client("2001:db8:1:2::1");
    assert_true(one == bsc_identity_hash_client("2001:db8:1:2:ffff:eeee:dddd:cccc"));
    assert_true(one != bsc_identity_hash_client("2001:db8:1:3::1"));
    uint64_t four = bsc_identity_hash_client("192.0.2.1");
    assert_true(four != bsc_identity_hash_client("192.0.2.2"));
    assert_true(four == bsc_identity_hash_client("::ffff:192.0.2.1"));
    assert_true(bsc_identity_hash_client("unix") != bsc_identity_hash_client("unix:"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_are_uniform),
        cmocka_unit_test(who_is_in_stays_in_while_the_weight_grows_whichever_slot_grows),
        cmocka_unit_test(a_slot_of_weight_0_has_nobody_whoever_asks),
        cmocka_unit_test(as_many_are_in_as_the_weight_says),
        cmocka_unit_test(another_rollout_begins_with_other_users),
        cmocka_unit_test(
            the_instance_does_not_depend_on_the_rollout_nor_the_bucket_on_the_instance),
        cmocka_unit_test(an_identity_is_found_in_all_its_places),
        cmocka_unit_test(what_only_looks_like_it_is_no_identity),
        cmocka_unit_test(a_cookie_of_ours_that_comes_back_is_the_identity_that_it_was_given_for),
        cmocka_unit_test(an_address_of_ipv6_is_its_subscriber_and_one_of_ipv4_itself),
        cmocka_unit_test(an_answer_for_shared_caches_gets_no_cookie),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
