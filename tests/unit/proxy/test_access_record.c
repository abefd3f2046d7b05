/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/access_record.h"

/* 2026-02-03 04:05:06.000000 UTC at boot clock 0. */
static const int64_t wall_us = INT64_C(1770091506) * 1000000;

union one {
    struct bsc_access_record record;
    char bytes[BSC_ACCESS_RECORD_BYTES];
};

static void add(union one *one, enum bsc_access_text kind, const char *text)
{
    bsc_access_add(&one->record, sizeof *one, kind, text, strlen(text));
}

static union one usual(const char *client, const char *target)
{
    union one one = { .record = { .status = 200,
                                  .tries = 1,
                                  .protocol = 11,
                                  .slot = BSC_GREEN,
                                  .whole = true,
                                  .started_us = 1000,
                                  .answered_us = 2500,
                                  .ended_us = 4001,
                                  .bytes_in = 5,
                                  .bytes_out = 99 } };
    add(&one, BSC_ACCESS_CLIENT, client);
    add(&one, BSC_ACCESS_METHOD, "GET");
    add(&one, BSC_ACCESS_HOST, "shop.example");
    add(&one, BSC_ACCESS_TARGET, target);
    return one;
}

static void is(const union one *one, const struct bsc_access_style *style, const char *expected)
{
    struct bsc_text out = { 0 };
    bsc_access_format(&one->record, style, wall_us, &out);
    assert_string_equal(bsc_text_get(&out), expected);
    bsc_text_deinit(&out);
}

static void a_line_of_json_has_what_was_asked_and_what_became_of_it(void **unused)
{
    (void)unused;
    const struct bsc_access_style style = { BSC_ACCESS_JSON, false };
    union one one = usual("192.0.2.7", "/cart?x=1");
    add(&one, BSC_ACCESS_AGENT, "curl/8");
    add(&one, BSC_ACCESS_ID, "abc");
    add(&one, BSC_ACCESS_SERVICE, "web");
    add(&one, BSC_ACCESS_INSTANCE, "web-green-1");
    is(&one, &style,
       "{\"time\":\"2026-02-03T04:05:06.004001Z\",\"client\":\"192.0.2.7\",\"protocol\":"
       "\"HTTP/1.1\",\"tls\":false,\"status\":200,\"whole\":true,\"bytes_in\":5,\"bytes_out\":99,"
       "\"duration_ms\":3.001,\"answer_ms\":1.500,\"slot\":\"green\",\"tries\":1,\"method\":"
       "\"GET\",\"host\":\"shop.example\",\"target\":\"/cart?x=1\",\"service\":\"web\","
       "\"instance\":\"web-green-1\",\"request_id\":\"abc\",\"user_agent\":\"curl/8\"}\n");
}

static void a_rescue_and_a_connection_of_tcp_are_told(void **unused)
{
    (void)unused;
    const struct bsc_access_style json = { BSC_ACCESS_JSON, false };
    const struct bsc_access_style combined = { BSC_ACCESS_COMBINED, false };
    union one one = usual("192.0.2.7", "/");
    one.record.tries = 4;
    one.record.error = true;
    add(&one, BSC_ACCESS_INSTANCE, "web-blue-1");
    add(&one, BSC_ACCESS_RESCUED, "connect_failed");
    is(&one, &json,
       "{\"time\":\"2026-02-03T04:05:06.004001Z\",\"client\":\"192.0.2.7\",\"protocol\":"
       "\"HTTP/1.1\",\"tls\":false,\"status\":200,\"whole\":true,\"bytes_in\":5,\"bytes_out\":99,"
       "\"duration_ms\":3.001,\"answer_ms\":1.500,\"slot\":\"green\",\"tries\":4,\"error\":"
       "true,\"method\":"
       "\"GET\",\"host\":\"shop.example\",\"target\":\"/\",\"instance\":\"web-blue-1\","
       "\"rescued\":\"connect_failed\"}\n");
    one = (union one){ .record = one.record };
    one.record.protocol = 0;
    one.record.whole = false;
    memset(one.record.text_size, 0, sizeof one.record.text_size);
    add(&one, BSC_ACCESS_CLIENT, "192.0.2.7");
    add(&one, BSC_ACCESS_SERVICE, "db");
    add(&one, BSC_ACCESS_REASON, "client-left");
    is(&one, &json,
       "{\"time\":\"2026-02-03T04:05:06.004001Z\",\"client\":\"192.0.2.7\",\"protocol\":"
       "\"TCP\",\"tls\":false,\"status\":200,\"whole\":false,\"bytes_in\":5,\"bytes_out\":99,"
       "\"duration_ms\":3.001,\"answer_ms\":1.500,\"slot\":\"green\",\"tries\":4,\"error\":true,"
       "\"service\":"
       "\"db\",\"reason\":\"client-left\"}\n");
    is(&one, &combined, "192.0.2.7 - - [03/Feb/2026:04:05:06 +0000] \"-\" 200 99 \"-\" \"-\"\n");
}

static void a_combined_line_is_what_other_servers_write(void **unused)
{
    (void)unused;
    const struct bsc_access_style style = { BSC_ACCESS_COMBINED, false };
    union one one = usual("192.0.2.7", "/cart");
    add(&one, BSC_ACCESS_REFERER, "https://a.example/");
    is(&one, &style,
       "192.0.2.7 - - [03/Feb/2026:04:05:06 +0000] \"GET /cart HTTP/1.1\" 200 99 "
       "\"https://a.example/\" \"-\"\n");
}

static void what_was_no_request_has_no_request_line(void **unused)
{
    (void)unused;
    const struct bsc_access_style style = { BSC_ACCESS_COMBINED, false };
    union one one = { .record = { .status = 400, .slot = BSC_SLOT_COUNT } };
    add(&one, BSC_ACCESS_CLIENT, "::1");
    is(&one, &style, "::1 - - [03/Feb/2026:04:05:06 +0000] \"-\" 400 0 \"-\" \"-\"\n");
}

static void nothing_that_a_client_sent_ends_a_line_or_a_text(void **unused)
{
    (void)unused;
    const struct bsc_access_style json = { BSC_ACCESS_JSON, false };
    const struct bsc_access_style combined = { BSC_ACCESS_COMBINED, false };
    union one one = { .record = { .slot = BSC_SLOT_COUNT } };
    struct bsc_text out = { 0 };
    add(&one, BSC_ACCESS_CLIENT, "192.0.2.7");
    add(&one, BSC_ACCESS_TARGET, "/\x1b[31m\"\\\n\xff");
    bsc_access_format(&one.record, &json, wall_us, &out);
    assert_non_null(strstr(out.data, "\"target\":\"/\\u001b[31m\\u0022\\u005c\\u000a\\u00ff\""));
    bsc_text_clear(&out);
    add(&one, BSC_ACCESS_AGENT, "\"\r\n\x7f");
    bsc_access_format(&one.record, &combined, wall_us, &out);
    assert_non_null(strstr(out.data, " \"\\x22\\x0d\\x0a\\x7f\"\n"));
    bsc_text_deinit(&out);
}

static void addresses_lose_who_but_not_where(void **unused)
{
    (void)unused;
    const struct bsc_access_style style = { BSC_ACCESS_COMBINED, true };
    static const struct {
        const char *address, *expected;
    } cases[] = {
        { "192.0.2.77", "192.0.2.0 - -" },
        { "2001:db8:1:2:3:4:5:6", "2001:db8:1:: - -" },
        { "unknown", "unknown - -" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bsc_text out = { 0 };
        union one one = usual(cases[i].address, "/");
        bsc_access_format(&one.record, &style, wall_us, &out);
        assert_memory_equal(out.data, cases[i].expected, strlen(cases[i].expected));
        bsc_text_deinit(&out);
    }
}

static void texts_are_cut_and_the_record_never_grows_over_its_limit(void **unused)
{
    (void)unused;
    char long_text[3 * BSC_ACCESS_TEXT_BYTES];
    union one one = { .record = { .slot = BSC_SLOT_COUNT } };
    memset(long_text, 'x', sizeof long_text);
    for (unsigned kind = 0; kind < BSC_ACCESS_TEXTS; kind++)
        bsc_access_add(&one.record, sizeof one, kind, long_text, sizeof long_text);
    assert_int_equal(one.record.text_size[BSC_ACCESS_CLIENT], BSC_ACCESS_TEXT_BYTES);
    assert_int_equal(one.record.text_size[BSC_ACCESS_REASON], 0);
    assert_true(one.record.size <= sizeof one + 7);
    assert_int_equal(one.record.size % 8, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_of_json_has_what_was_asked_and_what_became_of_it),
        cmocka_unit_test(a_combined_line_is_what_other_servers_write),
        cmocka_unit_test(what_was_no_request_has_no_request_line),
        cmocka_unit_test(nothing_that_a_client_sent_ends_a_line_or_a_text),
        cmocka_unit_test(addresses_lose_who_but_not_where),
        cmocka_unit_test(a_rescue_and_a_connection_of_tcp_are_told),
        cmocka_unit_test(texts_are_cut_and_the_record_never_grows_over_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
