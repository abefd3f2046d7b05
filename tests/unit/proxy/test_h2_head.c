/* SPDX-License-Identifier: Apache-2.0
 * Fields of HTTP/2 as heads of HTTP/1.1, and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/h2_fields.h"
#include "proxy/h2_head.h"

struct line {
    const char *name, *value;
};

static struct bsc_buffers buffers;

/* The head that the lines make; false: malformed. */
static bool write_head(struct bsc_h2_head *head, const struct line *lines, bool body)
{
    *head = (struct bsc_h2_head){ 0 };
    for (; lines->name; lines++)
        if (!bsc_h2_request_field(&buffers, head, lines->name, strlen(lines->name), lines->value,
                                  strlen(lines->value)))
            return false;
    return bsc_h2_request_end(&buffers, head, body, "key");
}

static void expect_head(const struct line *lines, bool body, const char *expected)
{
    struct bsc_h2_head head;
    assert_true(write_head(&head, lines, body));
    assert_int_equal(bsc_buffer_size(head.text), strlen(expected));
    assert_memory_equal(head.text->bytes + head.text->begin, expected, strlen(expected));
    bsc_buffer_return(&buffers, &head.text);
}

#define LINES(...) ((const struct line[]){ __VA_ARGS__, { NULL, NULL } })
#define GET                                                           \
    { ":method", "GET" }, { ":scheme", "http" }, { ":path", "/a?b" }, \
    {                                                                 \
        ":authority", "h"                                             \
    }
#define POST                                                        \
    { ":method", "POST" }, { ":scheme", "http" }, { ":path", "/" }, \
    {                                                               \
        ":authority", "h"                                           \
    }

static void a_request_is_written_as_one_of_http_1_1(void **unused)
{
    (void)unused;
    expect_head(LINES(GET, { "x-a", "1" }), false,
                "GET /a?b HTTP/1.1\r\nHost: h\r\nx-a: 1\r\n\r\n");
    expect_head(
        LINES({ ":path", "*" }, { ":method", "OPTIONS" }, { ":scheme", "http" }, { "host", "h" }),
        false, "OPTIONS * HTTP/1.1\r\nhost: h\r\n\r\n");
}

static void the_framing_is_stated(void **unused)
{
    (void)unused;
    expect_head(LINES(POST), true,
                "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    expect_head(LINES(POST), false, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
    expect_head(LINES(POST, { "content-length", "3" }), true,
                "POST / HTTP/1.1\r\nHost: h\r\ncontent-length: 3\r\n\r\n");
}

static void crumbs_of_a_cookie_are_one_field(void **unused)
{
    (void)unused;
    expect_head(LINES(GET, { "cookie", "a=1" }, { "x", "y" }, { "cookie", "b=2" }, { "z", "" },
                      { "cookie", "c=3" }),
                false,
                "GET /a?b HTTP/1.1\r\nHost: h\r\ncookie: a=1; b=2; c=3\r\nx: y\r\nz: \r\n\r\n");
}

static void a_host_like_the_authority_is_said_once(void **unused)
{
    (void)unused;
    expect_head(LINES(GET, { "host", "H" }), false, "GET /a?b HTTP/1.1\r\nHost: h\r\n\r\n");
    expect_head(LINES(GET, { "host", "i" }), false,
                "GET /a?b HTTP/1.1\r\nHost: h\r\nhost: i\r\n\r\n"); /* which no parser accepts */
}

static void a_websocket_is_asked_for_as_in_http_1_1(void **unused)
{
    (void)unused;
    expect_head(LINES({ ":method", "CONNECT" }, { ":protocol", "websocket" }, { ":scheme", "http" },
                      { ":path", "/w" }, { ":authority", "h" }),
                true,
                "GET /w HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Key: key\r\n\r\n");
    expect_head(LINES({ ":method", "CONNECT" }, { ":authority", "h:1" }), false,
                "CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n"); /* which is refused */
}

static void what_could_be_taken_for_something_else_is_malformed(void **unused)
{
    (void)unused;
    const struct line *const cases[] = {
        LINES(GET, { "connection", "close" }),
        LINES(GET, { "transfer-encoding", "chunked" }),
        LINES(GET, { "keep-alive", "1" }),
        LINES(GET, { "proxy-connection", "x" }),
        LINES(GET, { "upgrade", "x" }),
        LINES(GET, { "te", "gzip" }),
        LINES(GET, { "Upper", "x" }),
        LINES(GET, { "", "x" }),
        LINES(GET, { "a b", "x" }),
        LINES(GET, { "a:", "x" }),
        LINES(GET, { "a", "x\r\nb: c" }),
        LINES(GET, { "a", "x\n" }),
        LINES(GET, { "a", "x\x7f" }),
        LINES(GET, { "a", "1" }, { ":path", "/" }),
        LINES(GET, { ":path", "/b" }),
        LINES(GET, { ":status", "200" }),
        LINES(GET, { ":what", "x" }),
        LINES({ ":method", "GET" }, { ":scheme", "http" }, { ":authority", "h" }),
        LINES({ ":method", "G T" }),
        LINES({ ":path", "a" }),
        LINES({ ":path", "/ HTTP/1.1\r\n" }),
        LINES({ ":path", "http://h/" }),
        LINES({ ":authority", "h\r\n" }),
        LINES({ ":authority", "h h" }),
        LINES({ "a", "b" }),
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bsc_h2_head head;
        if (write_head(&head, cases[i], false))
            fail_msg("case %zu was accepted", i);
        bsc_buffer_return(&buffers, &head.text);
    }
}

/* Whatever comes, the parser sees an end or something that it refuses. */
static void a_head_that_is_too_large_is_refused_for_its_size(void **unused)
{
    (void)unused;
    char *value = malloc(60001);
    memset(value, 'v', 60000);
    value[60000] = '\0';
    const struct line *const cases[] = {
        LINES(GET, { "a", value }),
        LINES(GET, { "a", value }, { "cookie", value }, { "cookie", "b" }),
        LINES(GET, { "cookie", value }, { "cookie", "b" }),
        LINES({ ":method", "GET" }, { ":scheme", "http" }, { ":authority", value },
              { ":path", "/" }),
        LINES({ ":method", value }, { ":path", "/" }, { ":authority", value }),
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bsc_h2_head head;
        struct bsc_head_scan scan = { 0 };
        struct bsc_request request;
        struct bsc_fault fault;
        assert_true(write_head(&head, cases[i], false));
        assert_int_equal(bsc_request_parse(&scan, head.text->bytes + head.text->begin,
                                           bsc_buffer_size(head.text), &request, &fault),
                         BSC_PARSE_REFUSED);
        bsc_buffer_return(&buffers, &head.text);
    }
    struct bsc_h2_head head;
    assert_false(
        write_head(&head, LINES(GET, { "a", value }, { "b", value }, { "c", value }), false));
    bsc_buffer_return(&buffers, &head.text);
    free(value);
}

static void heads_of_answers_come_one_after_the_other(void **unused)
{
    (void)unused;
    struct bsc_h2_head head = { 0 };
    assert_true(bsc_h2_response_field(&buffers, &head, ":status", 7, "103", 3));
    assert_true(bsc_h2_response_field(&buffers, &head, "link", 4, "x", 1));
    assert_true(bsc_h2_response_end(&buffers, &head, true));
    assert_true(bsc_h2_response_field(&buffers, &head, ":status", 7, "200", 3));
    assert_true(bsc_h2_response_end(&buffers, &head, true));
    const char *expected = "HTTP/1.1 103 \r\nlink: x\r\n\r\n"
                           "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_int_equal(bsc_buffer_size(head.text), strlen(expected));
    assert_memory_equal(head.text->bytes + head.text->begin, expected, strlen(expected));
    assert_false(bsc_h2_response_field(&buffers, &head, "early", 5, "x", 1));
    assert_false(bsc_h2_response_field(&buffers, &head, ":status", 7, "20", 2));
    assert_false(bsc_h2_response_field(&buffers, &head, ":status", 7, "101", 3));
    bsc_buffer_return(&buffers, &head.text);
}

static void expect_field(const struct bsc_h2_fields *fields, size_t at, const char *name,
                         const char *value)
{
    const nghttp2_nv *nv = &fields->nv[at];
    assert_int_equal(nv->namelen, strlen(name));
    assert_memory_equal(nv->name, name, nv->namelen);
    assert_int_equal(nv->valuelen, strlen(value));
    assert_memory_equal(nv->value, value, nv->valuelen);
}

static void an_answers_head_is_taken_apart(void **unused)
{
    (void)unused;
    static const char text[] = "HTTP/1.1 200 OK\r\nA: b c \r\nTransfer-Encoding: chunked\r\n"
                               "Connection: close\r\nKeep-Alive: x\r\nUpgrade: y\r\n\r\nbody";
    struct bsc_h2_fields fields;
    assert_int_equal(bsc_h2_response_read(&fields, text, sizeof text - 1), sizeof text - 5);
    assert_int_equal(fields.count, 2);
    expect_field(&fields, 0, ":status", "200");
    expect_field(&fields, 1, "A", "b c");
    assert_int_equal(fields.framing, BSC_FRAMING_CHUNKED);
    assert_false(fields.own);
    assert_int_equal(bsc_h2_response_read(&fields, text, sizeof text - 8), 0);
}

static void a_requests_head_is_taken_apart(void **unused)
{
    (void)unused;
    static const char text[] = "PUT /a?b HTTP/1.1\r\nX: y\r\nHost: h:1\r\nContent-Length: 12\r\n"
                               "Connection: te\r\nTE: trailers\r\n\r\n";
    struct bsc_h2_fields fields;
    assert_int_equal(bsc_h2_request_read(&fields, text, sizeof text - 1), sizeof text - 1);
    assert_int_equal(fields.count, 7);
    expect_field(&fields, 0, ":method", "PUT");
    expect_field(&fields, 1, ":scheme", "http");
    expect_field(&fields, 2, ":path", "/a?b");
    expect_field(&fields, 3, ":authority", "h:1");
    expect_field(&fields, 4, "X", "y");
    expect_field(&fields, 5, "Content-Length", "12");
    expect_field(&fields, 6, "TE", "trailers");
    assert_int_equal(fields.framing, BSC_FRAMING_LENGTH);
    assert_int_equal(fields.length, 12);
}

static void an_own_answer_to_grpc_is_trailers_only(void **unused)
{
    (void)unused;
    static const char text[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 3\r\n"
                               "X-Bascule-Reason: no-instance\r\n\r\nbad";
    struct bsc_h2_fields fields;
    assert_int_equal(bsc_h2_response_read(&fields, text, sizeof text - 1), sizeof text - 4);
    assert_true(fields.own);
    bsc_h2_grpc_answer(&fields);
    assert_int_equal(fields.framing, BSC_FRAMING_NONE);
    expect_field(&fields, 0, ":status", "200");
    expect_field(&fields, 1, "content-type", "application/grpc");
    expect_field(&fields, 2, "grpc-status", "14");
    expect_field(&fields, 3, "grpc-message", "bascule: no-instance");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_written_as_one_of_http_1_1),
        cmocka_unit_test(the_framing_is_stated),
        cmocka_unit_test(crumbs_of_a_cookie_are_one_field),
        cmocka_unit_test(a_host_like_the_authority_is_said_once),
        cmocka_unit_test(a_websocket_is_asked_for_as_in_http_1_1),
        cmocka_unit_test(what_could_be_taken_for_something_else_is_malformed),
        cmocka_unit_test(a_head_that_is_too_large_is_refused_for_its_size),
        cmocka_unit_test(heads_of_answers_come_one_after_the_other),
        cmocka_unit_test(an_answers_head_is_taken_apart),
        cmocka_unit_test(a_requests_head_is_taken_apart),
        cmocka_unit_test(an_own_answer_to_grpc_is_trailers_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
