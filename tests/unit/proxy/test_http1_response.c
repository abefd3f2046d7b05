/* SPDX-License-Identifier: Apache-2.0
 * Response heads: what is read from good ones; bad ones are 502. */
#include "pieces.h"

static struct bsc_response response;
static struct bsc_fault fault;

static void accept_to(enum bsc_method method, const char *bytes)
{
    if (parse_all_ways(1, method, bytes, strlen(bytes), &response, &fault) != BSC_PARSE_DONE)
        fail_msg("refused (%s): %s", fault.text ? fault.text : "", bytes);
}

static void accept(const char *bytes)
{
    accept_to(BSC_METHOD_GET, bytes);
}

static void refuse(const char *bytes)
{
    enum bsc_parse result =
        parse_all_ways(1, BSC_METHOD_GET, bytes, strlen(bytes), &response, &fault);
    if (result != BSC_PARSE_REFUSED || fault.status != 502)
        fail_msg("verdict %d %u: %s", result, fault.status, bytes);
    assert_non_null(fault.text);
}

static void a_status_line_is_read(void **unused)
{
    (void)unused;
    static const char bytes[] = "HTTP/1.1 404 Not  Found\xc3\xa9\r\nA: b\r\n\r\n";
    accept(bytes);
    assert_int_equal(response.status, 404);
    assert_int_equal(response.reason.size, 12);
    assert_memory_equal(bytes + response.reason.at, "Not  Found", 10);
    assert_int_equal(response.head.bytes, sizeof bytes - 1);
    assert_int_equal(response.head.field_count, 1);
    accept("HTTP/1.1 200 \r\n\r\n");
    assert_int_equal(response.reason.size, 0);
    accept("HTTP/1.1 200\r\n\r\n");
    assert_int_equal(response.reason.size, 0);
}

static void other_beginnings_are_garbage(void **unused)
{
    (void)unused;
    static const char *const cases[] = {
        "HTTP/1.1\r\n\r\n",
        "HTTP/1.1 \r\n\r\n",
        "HTTP/1.1 20\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 099 X\r\n\r\n",
        "HTTP/1.1 600 X\r\n\r\n",
        "HTTP/1.1 999 X\r\n\r\n",
        "HTTP/1.1 2x0 X\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/1.1\t200 OK\r\n\r\n",
        "HTTP/1.1 200\tOK\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.2 200 OK\r\n\r\n",
        "HTTP/0.9 200 OK\r\n\r\n",
        "http/1.1 200 OK\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "<html>\r\n\r\n",
        "200 OK\r\n\r\n",
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 O\x01K\r\n\r\n",
        "HTTP/1.1 200 OK\rX\r\n\r\n",
        "HTTP/1.1 200 OK\n\n",
        "HTTP/1.1 200 OK\r\n\n",
        " HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200-OK\r\n\r\n",
        "HTTP/1.1 -20 OK\r\n\r\n",
        "HTTP/1.1 +20 OK\r\n\r\n",
        "\x15\x03\x01\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refuse(cases[i]);
}

static void another_protocol_is_refused_at_its_first_bytes(void **unused)
{
    (void)unused;
    refuse("SSH-2.0-OpenSSH_9.2");
    refuse("HTTP/2");
    refuse("\r");
    refuse("h");
}

static void doubtful_framing_and_fields_are_refused(void **unused)
{
    (void)unused;
    static const char *const cases[] = {
        "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n",
        "Content-Length: 1\r\nContent-Length: 1\r\n",
        "Content-Length: 1, 1\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 9223372036854775808\r\n",
        "Content-Length:\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "A: b\r\n c\r\n",
        "A : b\r\n",
        ": b\r\n",
        "A\r\n",
        "A: \x01\r\n",
        "A: b\n",
        "Connection: a b\r\n",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char bytes[200];
        snprintf(bytes, sizeof bytes, "HTTP/1.1 200 OK\r\n%s\r\n", cases[i]);
        refuse(bytes);
    }
    refuse("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
}

static void the_framing_follows_fields_status_and_method(void **unused)
{
    (void)unused;
    static const struct {
        const char *bytes;
        enum bsc_method method;
        enum bsc_framing framing;
        uint64_t length;
        bool keep_alive;
    } cases[] = {
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", BSC_METHOD_GET, BSC_FRAMING_LENGTH, 5,
          1 },
        { "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", BSC_METHOD_GET, BSC_FRAMING_LENGTH, 0,
          1 },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", BSC_METHOD_GET,
          BSC_FRAMING_CHUNKED, 0, 1 },
        { "HTTP/1.1 200 OK\r\n\r\n", BSC_METHOD_GET, BSC_FRAMING_UNTIL_CLOSE, 0, 0 },
        { "HTTP/1.1 500 X\r\n\r\n", BSC_METHOD_POST, BSC_FRAMING_UNTIL_CLOSE, 0, 0 },
        { "HTTP/1.1 205 X\r\nContent-Length: 0\r\n\r\n", BSC_METHOD_GET, BSC_FRAMING_LENGTH, 0, 1 },
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", BSC_METHOD_HEAD, BSC_FRAMING_NONE, 5, 1 },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", BSC_METHOD_HEAD,
          BSC_FRAMING_NONE, 0, 1 },
        { "HTTP/1.1 200 OK\r\n\r\n", BSC_METHOD_HEAD, BSC_FRAMING_NONE, 0, 1 },
        { "HTTP/1.1 304 X\r\nContent-Length: 5\r\n\r\n", BSC_METHOD_GET, BSC_FRAMING_NONE, 5, 1 },
        { "HTTP/1.1 304 X\r\n\r\n", BSC_METHOD_GET, BSC_FRAMING_NONE, 0, 1 },
        { "HTTP/1.1 204 X\r\n\r\n", BSC_METHOD_GET, BSC_FRAMING_NONE, 0, 1 },
        { "HTTP/1.1 204 X\r\nContent-Length: 0\r\n\r\n", BSC_METHOD_GET, BSC_FRAMING_NONE, 0, 1 },
        { "HTTP/1.1 204 X\r\nContent-Length: 5\r\n\r\n", BSC_METHOD_GET, BSC_FRAMING_NONE, 0, 0 },
        { "HTTP/1.1 204 X\r\nTransfer-Encoding: chunked\r\n\r\n", BSC_METHOD_GET, BSC_FRAMING_NONE,
          0, 0 },
        { "HTTP/1.1 100 Continue\r\n\r\n", BSC_METHOD_GET, BSC_FRAMING_NONE, 0, 1 },
        { "HTTP/1.1 103 Early\r\nLink: x\r\n\r\n", BSC_METHOD_GET, BSC_FRAMING_NONE, 0, 1 },
        { "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", BSC_METHOD_GET, BSC_FRAMING_LENGTH, 5,
          0 },
        { "HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n", BSC_METHOD_GET,
          BSC_FRAMING_LENGTH, 5, 1 },
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n", BSC_METHOD_GET,
          BSC_FRAMING_LENGTH, 5, 0 },
        { "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n", BSC_METHOD_GET,
          BSC_FRAMING_UNTIL_CLOSE, 0, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        accept_to(cases[i].method, cases[i].bytes);
        if (response.head.framing != cases[i].framing || response.head.length != cases[i].length ||
            response.head.keep_alive != cases[i].keep_alive)
            fail_msg("framing %d, length %d, keep-alive %d: %s", response.head.framing,
                     (int)response.head.length, response.head.keep_alive, cases[i].bytes);
    }
}

static void an_interim_response_ends_with_its_head(void **unused)
{
    (void)unused;
    static const char bytes[] = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
    accept(bytes);
    assert_true(bsc_response_interim(&response));
    assert_int_equal(response.head.bytes, strlen("HTTP/1.1 100 Continue\r\n\r\n"));
    accept(bytes + response.head.bytes);
    assert_false(bsc_response_interim(&response));
}

static void switching_protocols_names_the_protocol(void **unused)
{
    (void)unused;
    static const char bytes[] =
        "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    accept(bytes);
    assert_false(bsc_response_interim(&response));
    assert_int_equal(response.head.framing, BSC_FRAMING_NONE);
    assert_int_equal(response.head.upgrade.size, 9);
    refuse("HTTP/1.1 101 X\r\n\r\n");
    refuse("HTTP/1.1 101 X\r\nUpgrade: websocket\r\n\r\n");
    refuse("HTTP/1.0 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
}

static void limits_are_those_of_requests_and_502(void **unused)
{
    (void)unused;
    static char bytes[BSC_HEAD_BYTES + 100];
    char *at = bytes + snprintf(bytes, 100, "HTTP/1.1 200 ");
    memset(at, 'x', BSC_LINE_BYTES - 13);
    memcpy(bytes + BSC_LINE_BYTES, "\r\n\r\n", 5);
    accept(bytes);
    memcpy(bytes + BSC_LINE_BYTES, "x\r\n\r\n", 6);
    refuse(bytes);
    at = bytes + snprintf(bytes, 100, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < BSC_HEAD_FIELDS; i++, at += 4)
        memcpy(at, "a:\r\n", 4);
    memcpy(at, "\r\n", 3);
    accept(bytes);
    memcpy(at, "a:\r\n\r\n", 7);
    refuse(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_status_line_is_read),
        cmocka_unit_test(other_beginnings_are_garbage),
        cmocka_unit_test(another_protocol_is_refused_at_its_first_bytes),
        cmocka_unit_test(doubtful_framing_and_fields_are_refused),
        cmocka_unit_test(the_framing_follows_fields_status_and_method),
        cmocka_unit_test(an_interim_response_ends_with_its_head),
        cmocka_unit_test(switching_protocols_names_the_protocol),
        cmocka_unit_test(limits_are_those_of_requests_and_502),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
