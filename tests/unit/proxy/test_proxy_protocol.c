/* SPDX-License-Identifier: Apache-2.0
 * Tests of proxy/proxy_protocol.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "proxy/proxy_protocol.h"

#define V2 "\r\n\r\n\0\r\nQUIT\n"
#define TCP4 "\xc0\x00\x02\x01\x0a\x00\x00\x01\x04\xd2\x00\x50" /* 192.0.2.1, 10.0.0.1 */

static struct bsc_proxy_header header;

static enum bsc_parse parse(const char *bytes, size_t size)
{
    return bsc_proxy_header_parse(bytes, size, &header);
}

/* Every beginning wants more, the whole is done, and what follows is left alone. */
static void is_header(const char *bytes, size_t size, const char *source)
{
    char more[BSC_PROXY_HEADER_BYTES + 64], text[INET6_ADDRSTRLEN];
    for (size_t i = 0; i < size; i++)
        if (parse(bytes, i) != BSC_PARSE_MORE)
            fail_msg("%zu bytes of %zu gave an answer", i, size);
    memcpy(more, bytes, size);
    memcpy(more + size, "GET / HTTP/1.1\r\n", 16);
    assert_int_equal(parse(more, size), BSC_PARSE_DONE);
    assert_int_equal(parse(more, size + 16), BSC_PARSE_DONE);
    assert_int_equal(header.bytes, size);
    assert_int_equal(header.known, source != NULL);
    if (!source)
        return;
    bsc_ip_format(&header.source, text);
    assert_string_equal(text, source);
}

#define IS_HEADER(text, source) is_header(text, sizeof(text) - 1, source)

static void headers_of_version_1_are_read(void **unused)
{
    (void)unused;
    IS_HEADER("PROXY TCP4 192.0.2.1 10.0.0.1 1234 80\r\n", "192.0.2.1");
    IS_HEADER("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255");
    IS_HEADER("PROXY TCP6 2001:db8::1 ::1 0 0\r\n", "2001:db8::1");
    IS_HEADER("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", "192.0.2.1");
    IS_HEADER("PROXY UNKNOWN\r\n", NULL);
    IS_HEADER("PROXY UNKNOWN whatever this may be\r\n", NULL);
}

static void what_is_nearly_version_1_is_refused(void **unused)
{
    (void)unused;
    static const char *const odd[] = {
        "GET / HTTP/1.1\r\n",
        "proxy TCP4 192.0.2.1 10.0.0.1 1234 80\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 1234 80\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 1234 80 \r\n",
        "PROXY TCP4 192.0.2.1  10.0.0.1 1234 80\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 1234\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 1234 65536\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 01 80\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 -1 80\r\n",
        "PROXY TCP4 2001:db8::1 ::1 1 2\r\n",
        "PROXY TCP6 192.0.2.1 10.0.0.1 1 2\r\n",
        "PROXY TCP4 192.0.2.256 10.0.0.1 1 2\r\n",
        "PROXY TCP5 192.0.2.1 10.0.0.1 1 2\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY \r\n",
        "PROXY TCP4\r\n",
    };
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        if (parse(odd[i], strlen(odd[i])) != BSC_PARSE_REFUSED)
            fail_msg("'%s' was not refused", odd[i]);
    char endless[200] = "PROXY UNKNOWN ";
    memset(endless + 14, 'x', sizeof endless - 14);
    assert_int_equal(parse(endless, 106), BSC_PARSE_MORE);
    assert_int_equal(parse(endless, sizeof endless), BSC_PARSE_REFUSED);
}

static void headers_of_version_2_are_read(void **unused)
{
    (void)unused;
    IS_HEADER(V2 "\x21\x11\0\x0c" TCP4, "192.0.2.1");
    IS_HEADER(V2 "\x21\x11\0\x13" TCP4 "\x03\0\x04\1\2\3\4", "192.0.2.1"); /* a TLV is skipped */
    IS_HEADER(V2 "\x20\0\0\0", NULL);
    IS_HEADER(V2 "\x20\x11\0\x0c" TCP4, NULL); /* LOCAL: the addresses mean nothing */
    IS_HEADER(V2 "\x21\0\0\3abc", NULL);
    char v6[16 + 36] = V2 "\x21\x21\0\x24 \1\r\xb8";
    v6[31] = 1;
    is_header(v6, sizeof v6, "2001:db8::1");
    char local[16 + 216] = V2 "\x21\x31\0\xd8/a/socket";
    is_header(local, sizeof local, NULL);
    char large[BSC_PROXY_HEADER_BYTES] = V2 "\x21\x11\x0f\xf0" TCP4;
    is_header(large, sizeof large, "192.0.2.1");
}

static void what_is_nearly_version_2_is_refused(void **unused)
{
    (void)unused;
    static const char odd[][20] = {
        V2 "\x11\x11\0\x0c",   /* another version */
        V2 "\x22\x11\0\x0c",   /* another command */
        V2 "\x21\x11\0\x0b",   /* too short for its family */
        V2 "\x21\x21\0\x23",   /* the same */
        V2 "\x21\x31\0\xd7",   /* the same */
        V2 "\x21\x12\0\x0c",   /* not a stream */
        V2 "\x21\x41\0\x0c",   /* no such family */
        V2 "\x21\x11\x0f\xf1", /* too long */
        "\r\n\r\n\0\r\nQUIT\rxxx",
    };
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        if (parse(odd[i], 16) != BSC_PARSE_REFUSED)
            fail_msg("case %zu was not refused", i);
}

static void what_is_built_is_read_again(void **unused)
{
    (void)unused;
    static const struct {
        const char *source, *target, *v1;
    } cases[] = {
        { "192.0.2.1", "10.0.0.1", "PROXY TCP4 192.0.2.1 10.0.0.1 1234 80\r\n" },
        { "2001:db8::1", "::1", "PROXY TCP6 2001:db8::1 ::1 1234 80\r\n" },
        { "2001:db8::1", "10.0.0.1", "PROXY TCP6 2001:db8::1 ::ffff:10.0.0.1 1234 80\r\n" },
        { NULL, NULL, "PROXY UNKNOWN\r\n" },
    };
    char out[BSC_PROXY_SENT_BYTES];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bsc_proxy_way way = { .known = cases[i].source,
                                     .source_port = 1234,
                                     .target_port = 80 };
        if (way.known) {
            bsc_ip_parse(cases[i].source, strlen(cases[i].source), &way.source);
            bsc_ip_parse(cases[i].target, strlen(cases[i].target), &way.target);
        }
        size_t size = bsc_proxy_header_build(1, &way, out);
        assert_int_equal(size, strlen(cases[i].v1));
        assert_memory_equal(out, cases[i].v1, size);
        is_header(out, size, cases[i].source);
        is_header(out, bsc_proxy_header_build(2, &way, out), cases[i].source);
    }
    struct bsc_proxy_way way = { .known = true, .source_port = 65535, .target_port = 65535 };
    memset(&way.source, 0xff, sizeof way.source);
    memset(&way.target, 0xff, sizeof way.target);
    assert_in_range(bsc_proxy_header_build(1, &way, out), 1, sizeof out - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_of_version_1_are_read),
        cmocka_unit_test(what_is_nearly_version_1_is_refused),
        cmocka_unit_test(headers_of_version_2_are_read),
        cmocka_unit_test(what_is_nearly_version_2_is_refused),
        cmocka_unit_test(what_is_built_is_read_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
