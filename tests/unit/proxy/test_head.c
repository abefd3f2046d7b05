/* SPDX-License-Identifier: Apache-2.0
 * Forwarded heads and own answers, byte for byte. */
#include "pieces.h"

#include "proxy/forwarded.h"
#include "proxy/head.h"

static struct bsc_request request;
static struct bsc_response response;
static struct bsc_fault fault;
static char out[BSC_HEAD_BYTES + BSC_HEAD_ADDED_BYTES];

static const struct bsc_forwarding with = {
    .client = "192.0.2.7", .scheme = "http", .host = "127.0.0.1:31001", .request_id = "made-by-us"
};

#define ADDED "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\n"
#define FORWARDED(rest) "Forwarded: for=192.0.2.7;proto=http" rest "\r\n"
#define HOST_A ADDED "X-Forwarded-Host: a\r\n" FORWARDED(";host=\"a\"")
#define ID "X-Request-Id: made-by-us\r\n"

static void read_request(const char *bytes)
{
    if (parse_all_ways(0, 0, bytes, strlen(bytes), &request, &fault) != BSC_PARSE_DONE)
        fail_msg("refused (%s): %s", fault.text ? fault.text : "", bytes);
}

/* What is built has these bytes, fits exactly and in nothing smaller, and is read again. */
static void check_request(const char *bytes, const struct bsc_forwarding *forwarding,
                          const char *expected)
{
    struct bsc_request again;
    struct bsc_head_scan scan = { 0 };
    read_request(bytes);
    size_t size = bsc_request_build(&request, bytes, forwarding, out, sizeof out);
    out[size] = '\0';
    assert_string_equal(out, expected);
    assert_true(size <= request.head.bytes + (size_t)BSC_HEAD_ADDED_BYTES);
    assert_int_equal(bsc_request_parse(&scan, out, size, &again, &fault), BSC_PARSE_DONE);
    assert_int_equal(again.head.framing, request.head.framing);
    assert_int_equal(again.head.length, request.head.length);
    assert_int_equal(again.method, request.method);
    for (size_t room = 0; room < size; room++) {
        char *exact = malloc(room + 1);
        assert_int_equal(bsc_request_build(&request, bytes, forwarding, exact, room), 0);
        free(exact);
    }
}

static void forwards(const char *bytes, const char *expected)
{
    check_request(bytes, &with, expected);
}

static void a_request_goes_on_with_what_the_proxy_knows(void **unused)
{
    (void)unused;
    forwards(
        "GET /x?y HTTP/1.1\r\nHost: a\r\nX:  odd \r\ntraceparent: 00-1\r\nCookie: c\r\n\r\n",
        "GET /x?y HTTP/1.1\r\nHost: a\r\nX:  odd \r\ntraceparent: 00-1\r\nCookie: c\r\n" HOST_A ID
        "\r\n");
    forwards("\r\nX-ODD / HTTP/1.1\r\nHost: a\r\n\r\n",
             "X-ODD / HTTP/1.1\r\nHost: a\r\n" HOST_A ID "\r\n");
}

static void what_ends_here_is_dropped(void **unused)
{
    (void)unused;
    forwards(
        "GET / HTTP/1.1\r\nKeep-Alive: 5\r\nHost: a\r\nConnection: close, X-Hop\r\n"
        "Proxy-Connection: close\r\nA: 1\r\nB: 2\r\nX-Hop: 1\r\nProxy-Authorization: secret\r\n"
        "Upgrade: h2c\r\nTrailer: X\r\nC: 3\r\nX-HOP: 2\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\nC: 3\r\n" HOST_A ID "\r\n");
    forwards("GET / HTTP/1.1\r\nConnection: Host, Content-Length\r\nHost: a\r\n"
             "Content-Length: 3\r\n\r\n",
             "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n" HOST_A ID "\r\n");
}

static void what_a_client_says_about_its_way_is_overwritten(void **unused)
{
    (void)unused;
    forwards("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Host: evil\r\n"
             "X-Forwarded-Proto: https\r\nX-Forwarded-Port: 1\r\nX_Forwarded_For: 6.6.6.6\r\n"
             "Forwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nX-FORWARDED-PREFIX: /x\r\n"
             "X-Bascule-Reason: lie\r\n\r\n",
             "GET / HTTP/1.1\r\nHost: a\r\n" HOST_A ID "\r\n");
}

static void what_a_trusted_proxy_says_about_the_way_is_kept_and_added_to(void **unused)
{
    (void)unused;
    struct bsc_forwarding trusting = with;
    trusting.trusted = true;
    trusting.client = "2001:db8::1";
    check_request(
        "GET / HTTP/1.1\r\nX-Forwarded-For: 6.6.6.6\r\nHost: a\r\nX-Forwarded-Host: shop\r\n"
        "x-forwarded-for:  10.0.0.1 \r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\n"
        "Forwarded: for=6.6.6.6\r\nX_Forwarded_For: 7.7.7.7\r\nX-Forwarded-For:\r\n\r\n",
        &trusting,
        "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Host: shop\r\nX-Forwarded-Proto: https\r\n"
        "X-Forwarded-Port: 443\r\nX-Forwarded-For: 6.6.6.6, 10.0.0.1, 2001:db8::1\r\n"
        "Forwarded: for=6.6.6.6, for=\"[2001:db8::1]\";proto=http;host=\"a\"\r\n" ID "\r\n");
    check_request("GET / HTTP/1.1\r\nHost: a\r\nX_Forwarded_Proto: https\r\n\r\n", &trusting,
                  "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 2001:db8::1\r\n"
                  "X-Forwarded-Proto: http\r\nX-Forwarded-Host: a\r\n"
                  "Forwarded: for=\"[2001:db8::1]\";proto=http;host=\"a\"\r\n" ID "\r\n");
}

#define TRACE "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
#define NEW_TRACE "00-00000000000000010000000000000002-0000000000000003-01"

static void a_trace_is_passed_on_or_begun(void **unused)
{
    (void)unused;
    struct bsc_forwarding tracing = with;
    char made[BSC_TRACEPARENT_BYTES];
    bsc_traceparent_write((uint64_t[]){ 1, 2 }, 3, true, made);
    assert_string_equal(made, NEW_TRACE);
    tracing.traceparent = made;
    static const char *const good[] = {
        TRACE,
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-later",
    };
    static const char *const odd[] = {
        TRACE "-later",
        TRACE "x",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        TRACE "\r\ntraceparent: " TRACE,
        "",
    };
    char bytes[400], expected[600];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        snprintf(bytes, sizeof bytes,
                 "GET / HTTP/1.1\r\nHost: a\r\nTraceParent: %s\r\ntracestate: x=1\r\n\r\n",
                 good[i]);
        snprintf(expected, sizeof expected,
                 "GET / HTTP/1.1\r\nHost: a\r\nTraceParent: %s\r\ntracestate: x=1\r\n" HOST_A ID
                 "\r\n",
                 good[i]);
        check_request(bytes, &tracing, expected);
    }
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        snprintf(bytes, sizeof bytes,
                 "GET / HTTP/1.1\r\nHost: a\r\ntraceparent: %s\r\ntracestate: x=1\r\n\r\n", odd[i]);
        check_request(bytes, &tracing,
                      "GET / HTTP/1.1\r\nHost: a\r\n" HOST_A "traceparent: " NEW_TRACE "\r\n" ID
                      "\r\n");
    }
    check_request("GET / HTTP/1.1\r\nHost: a\r\ntracestate: x=1\r\n\r\n", &tracing,
                  "GET / HTTP/1.1\r\nHost: a\r\n" HOST_A "traceparent: " NEW_TRACE "\r\n" ID
                  "\r\n");
}

static const char *client_behind(const char *fields)
{
    static char text[INET6_ADDRSTRLEN];
    static const char *const texts[] = { "10.0.0.0/8", "2001:db8::/32" };
    struct bsc_network trusted[2];
    struct bsc_ip ip;
    char bytes[400];
    for (unsigned i = 0; i < 2; i++)
        assert_true(bsc_network_parse(texts[i], &trusted[i]));
    assert_true(bsc_ip_parse("10.9.9.9", 8, &ip));
    snprintf(bytes, sizeof bytes, "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", fields);
    read_request(bytes);
    bsc_forwarded_client(&request, bytes, trusted, 2, &ip);
    bsc_ip_format(&ip, text);
    return text;
}

static void the_client_is_the_right_most_address_that_is_not_trusted(void **unused)
{
    (void)unused;
#define FOR(value) "X-Forwarded-For: " value "\r\n"
    assert_string_equal(client_behind(""), "10.9.9.9");
    assert_string_equal(client_behind(FOR("192.0.2.1")), "192.0.2.1");
    assert_string_equal(client_behind(FOR("6.6.6.6, 192.0.2.1 ,10.0.0.1,\t2001:db8::1")),
                        "192.0.2.1");
    assert_string_equal(client_behind(FOR("6.6.6.6") FOR("192.0.2.1:1234, 10.0.0.1")), "192.0.2.1");
    assert_string_equal(client_behind(FOR("192.0.2.1") FOR("[2001:db8::1]:80") FOR(",,")),
                        "192.0.2.1");
    assert_string_equal(client_behind(FOR("10.0.0.3, 10.0.0.2")), "10.0.0.3");
    assert_string_equal(client_behind(FOR("192.0.2.1, unknown, 10.0.0.2")), "10.0.0.2");
    assert_string_equal(client_behind(FOR("junk")), "10.9.9.9");
    assert_string_equal(client_behind("X_Forwarded_For: 192.0.2.1\r\n"), "10.9.9.9");
}

static void a_sane_request_id_is_kept(void **unused)
{
    (void)unused;
    forwards("GET / HTTP/1.1\r\nHost: a\r\nx-request-id: 0#a~!\r\n\r\n",
             "GET / HTTP/1.1\r\nHost: a\r\nx-request-id: 0#a~!\r\n" HOST_A "\r\n");
    static const char *const odd[] = { "", "a b", "\xc3\xa9", "a\tb" };
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        char bytes[100];
        snprintf(bytes, sizeof bytes, "GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: %s\r\n\r\n",
                 odd[i]);
        forwards(bytes, "GET / HTTP/1.1\r\nHost: a\r\n" HOST_A ID "\r\n");
    }
    forwards("GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: 1\r\nX-Request-Id: 2\r\n\r\n",
             "GET / HTTP/1.1\r\nHost: a\r\n" HOST_A ID "\r\n");
    forwards("GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: 1\r\nX_Request_Id: 2\r\n\r\n",
             "GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: 1\r\n" HOST_A "\r\n");
    forwards("GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: 1\r\nConnection: x-request-id\r\n\r\n",
             "GET / HTTP/1.1\r\nHost: a\r\n" HOST_A ID "\r\n");
    char id[BSC_REQUEST_ID_BYTES + 2], bytes[400], expected[400];
    memset(id, 'i', sizeof id);
    snprintf(bytes, sizeof bytes, "GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: %.*s\r\n\r\n",
             BSC_REQUEST_ID_BYTES, id);
    snprintf(expected, sizeof expected,
             "GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: %.*s\r\n" HOST_A "\r\n",
             BSC_REQUEST_ID_BYTES, id);
    forwards(bytes, expected);
    snprintf(bytes, sizeof bytes, "GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: %.*s\r\n\r\n",
             BSC_REQUEST_ID_BYTES + 1, id);
    forwards(bytes, "GET / HTTP/1.1\r\nHost: a\r\n" HOST_A ID "\r\n");
}

static void framing_is_stated_anew(void **unused)
{
    (void)unused;
    forwards("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0042\r\nA: 1\r\n\r\n",
             "POST / HTTP/1.1\r\nHost: a\r\nA: 1\r\nContent-Length: 42\r\n" HOST_A ID "\r\n");
    forwards("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:  CHUNKED\r\nTrailer: X\r\n\r\n",
             "POST / HTTP/1.1\r\nHost: a\r\nTrailer: X\r\n"
             "Transfer-Encoding: chunked\r\n" HOST_A ID "\r\n");
    forwards("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n",
             "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n" HOST_A ID
             "\r\n");
}

static void an_absolute_target_becomes_origin_form_and_gives_the_host(void **unused)
{
    (void)unused;
    static const char expected[] =
        "GET /x?y HTTP/1.1\r\nHost: A:80\r\nB: 1\r\n" ADDED
        "X-Forwarded-Host: A:80\r\n" FORWARDED(";host=\"A:80\"") ID "\r\n";
    forwards("GET http://A:80/x?y HTTP/1.1\r\nHost: a\r\nB: 1\r\n\r\n", expected);
    forwards("GET http://A:80/x?y HTTP/1.0\r\nB: 1\r\n\r\n", expected);
    forwards("GET http://a HTTP/1.1\r\nHost: a\r\n\r\n",
             "GET / HTTP/1.1\r\nHost: a\r\n" HOST_A ID "\r\n");
    forwards("GET http://a?q=/ HTTP/1.1\r\nHost: a\r\n\r\n",
             "GET /?q=/ HTTP/1.1\r\nHost: a\r\n" HOST_A ID "\r\n");
    forwards("OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n",
             "OPTIONS * HTTP/1.1\r\nHost: a\r\n" HOST_A ID "\r\n");
    forwards("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
             "OPTIONS * HTTP/1.1\r\nHost: a\r\n" HOST_A ID "\r\n");
}

static void an_old_request_becomes_a_new_one(void **unused)
{
    (void)unused;
    forwards("GET /x HTTP/1.0\r\nA: 1\r\nConnection: keep-alive\r\n\r\n",
             "GET /x HTTP/1.1\r\nHost: 127.0.0.1:31001\r\nA: 1\r\n" ADDED FORWARDED("") ID "\r\n");
    forwards("GET /x HTTP/1.0\r\nHost: a\r\nTE: trailers\r\n\r\n",
             "GET /x HTTP/1.1\r\nHost: a\r\n" HOST_A ID "\r\n");
    forwards("PUT / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n",
             "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n" HOST_A ID "\r\n");
}

static void expect_upgrade_and_te_go_on_when_they_mean_something(void **unused)
{
    (void)unused;
    forwards("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n",
             "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
             "Content-Length: 1\r\n" HOST_A ID "\r\n");
    forwards("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
             "PUT / HTTP/1.1\r\nHost: a\r\n" HOST_A ID "\r\n");
    forwards("GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\n"
             "Upgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n",
             "GET / HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Key: k\r\nUpgrade: websocket\r\n"
             "Connection: upgrade\r\n" HOST_A ID "\r\n");
    forwards("GET / HTTP/1.1\r\nHost: a\r\nConnection: TE\r\nTE: gzip, Trailers\r\n\r\n",
             "GET / HTTP/1.1\r\nHost: a\r\nConnection: te\r\nTE: trailers\r\n" HOST_A ID "\r\n");
    forwards("GET / HTTP/1.1\r\nHost: a\r\nConnection: TE\r\nTE: gzip\r\n\r\n",
             "GET / HTTP/1.1\r\nHost: a\r\n" HOST_A ID "\r\n");
    struct bsc_forwarding closing = with;
    closing.close = true;
    check_request("GET / HTTP/1.1\r\nHost: a\r\n\r\n", &closing,
                  "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" HOST_A ID "\r\n");
    check_request("GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n", &closing,
                  "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, te\r\n"
                  "TE: trailers\r\n" HOST_A ID "\r\n");
}

static void answers(const char *bytes, enum bsc_method method, unsigned minor, bool keep_alive,
                    const char *expected)
{
    struct bsc_answering answering = { .minor = (uint8_t)minor, .keep_alive = keep_alive };
    if (parse_all_ways(1, method, bytes, strlen(bytes), &response, &fault) != BSC_PARSE_DONE)
        fail_msg("refused (%s): %s", fault.text ? fault.text : "", bytes);
    size_t size = bsc_response_build(&response, bytes, &answering, out, sizeof out);
    out[size] = '\0';
    assert_string_equal(out, expected);
    for (size_t room = 0; room < size; room++) {
        char *exact = malloc(room + 1);
        assert_int_equal(bsc_response_build(&response, bytes, &answering, exact, room), 0);
        free(exact);
    }
}

static void an_answer_goes_back_with_framing_for_its_client(void **unused)
{
    (void)unused;
    static const char length[] =
        "HTTP/1.1 200 OK\r\nServer: s\r\nContent-Length: 05\r\nA: 1\r\n\r\n";
    answers(length, BSC_METHOD_GET, 1, true,
            "HTTP/1.1 200 OK\r\nServer: s\r\nA: 1\r\nContent-Length: 5\r\n\r\n");
    answers(length, BSC_METHOD_GET, 1, false,
            "HTTP/1.1 200 OK\r\nServer: s\r\nA: 1\r\nContent-Length: 5\r\n"
            "Connection: close\r\n\r\n");
    answers(length, BSC_METHOD_GET, 0, true,
            "HTTP/1.1 200 OK\r\nServer: s\r\nA: 1\r\nContent-Length: 5\r\n"
            "Connection: keep-alive\r\n\r\n");
    answers(length, BSC_METHOD_HEAD, 1, true,
            "HTTP/1.1 200 OK\r\nServer: s\r\nA: 1\r\nContent-Length: 5\r\n\r\n");
    static const char chunked[] =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n";
    answers(chunked, BSC_METHOD_GET, 1, true,
            "HTTP/1.1 200 OK\r\nTrailer: X\r\nTransfer-Encoding: chunked\r\n\r\n");
    answers(chunked, BSC_METHOD_GET, 0, true, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    answers(chunked, BSC_METHOD_HEAD, 1, true, "HTTP/1.1 200 OK\r\n\r\n");
    static const char until_close[] = "HTTP/1.0 200 OK\r\nA: 1\r\n\r\n";
    answers(until_close, BSC_METHOD_GET, 1, true,
            "HTTP/1.1 200 OK\r\nA: 1\r\nTransfer-Encoding: chunked\r\n\r\n");
    answers(until_close, BSC_METHOD_GET, 0, true,
            "HTTP/1.1 200 OK\r\nA: 1\r\nConnection: close\r\n\r\n");
    answers("HTTP/1.1 304 X\r\nContent-Length: 5\r\n\r\n", BSC_METHOD_GET, 1, true,
            "HTTP/1.1 304 X\r\nContent-Length: 5\r\n\r\n");
    answers("HTTP/1.1 204 X\r\nContent-Length: 0\r\n\r\n", BSC_METHOD_GET, 1, true,
            "HTTP/1.1 204 X\r\n\r\n");
    answers("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", BSC_METHOD_GET, 1, true,
            "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n");
}

static void what_ends_here_does_not_reach_the_client(void **unused)
{
    (void)unused;
    answers("HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n"
            "Proxy-Authenticate: Basic\r\nUpgrade: h2,h2c\r\nX-Bascule-Reason: no-route\r\n"
            "Set-Cookie: a\r\nSet-Cookie: b\r\nX_Real_Ip: kept\r\nContent-Length: 0\r\n\r\n",
            BSC_METHOD_GET, 1, true,
            "HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nX_Real_Ip: kept\r\n"
            "Content-Length: 0\r\n\r\n");
}

static void interim_and_switching_answers_pass(void **unused)
{
    (void)unused;
    answers("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x\r\n\r\n", BSC_METHOD_GET, 1,
            false, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    answers("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Accept: x\r\n\r\n",
            BSC_METHOD_GET, 1, false,
            "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\nUpgrade: websocket\r\n"
            "Connection: upgrade\r\n\r\n");
    answers(
        "HTTP/1.1 426 X\r\nConnection: Upgrade\r\nUpgrade: TLS/1.3\r\nContent-Length: 0\r\n\r\n",
        BSC_METHOD_GET, 1, false,
        "HTTP/1.1 426 X\r\nContent-Length: 0\r\nUpgrade: TLS/1.3\r\n"
        "Connection: upgrade, close\r\n\r\n");
}

static void an_own_answer_says_why(void **unused)
{
    (void)unused;
    struct bsc_answer answer = { .status = 503,
                                 .reason = "no-instance",
                                 .text = "no \"web\" <here>\n",
                                 .retry_after_s = 5,
                                 .json = true,
                                 .keep_alive = true,
                                 .minor = 1 };
    static const char json_body[] =
        "{\"status\":503,\"title\":\"Service Unavailable\",\"reason\":\"no-instance\","
        "\"detail\":\"no \\u0022web\\u0022 <here>\\u000a\"}\n";
    char expected[BSC_ANSWER_BYTES];
    snprintf(expected, sizeof expected,
             "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n"
             "Content-Length: %zu\r\nCache-Control: no-store\r\nX-Bascule-Reason: no-instance\r\n"
             "Retry-After: 5\r\n\r\n%s",
             strlen(json_body), json_body);
    assert_int_equal(bsc_answer_build(&answer, out, sizeof out), strlen(expected));
    assert_string_equal(out, expected);
    assert_int_equal(bsc_answer_build(&answer, out, strlen(expected)), 0);

    answer.json = false;
    answer.keep_alive = false;
    answer.retry_after_s = 0;
    size_t size = bsc_answer_build(&answer, out, sizeof out);
    assert_int_equal(size, strlen(out));
    assert_non_null(strstr(out, "\r\nContent-Type: text/html; charset=utf-8\r\n"));
    assert_non_null(strstr(out, "\r\nConnection: close\r\n\r\n<!doctype html>\n"));
    assert_non_null(strstr(out, "<p>no &#34;web&#34; &#60;here&#62;&#10;</p>"));
    assert_null(strstr(out, "Retry-After"));

    answer.head = true;
    size_t head_size = bsc_answer_build(&answer, out, sizeof out);
    assert_true(head_size < size);
    assert_memory_equal(out + head_size - 4, "\r\n\r\n", 4);
}

static void every_own_answer_is_a_response_and_fits(void **unused)
{
    (void)unused;
    char text[600];
    memset(text, '\x01', sizeof text);
    text[sizeof text - 1] = '\0';
    static const unsigned statuses[] = { 400, 404, 408, 413, 414, 417, 429,
                                         431, 500, 501, 502, 503, 504, 505 };
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        for (int json = 0; json < 2; json++) {
            struct bsc_answer answer = { .status = statuses[i],
                                         .reason = "a-word",
                                         .text = text,
                                         .json = json,
                                         .minor = 1,
                                         .retry_after_s = 4000000000u };
            size_t size = bsc_answer_build(&answer, out, BSC_ANSWER_BYTES);
            assert_int_not_equal(size, 0);
            assert_true(*bsc_status_text(statuses[i]));
            assert_int_equal(parse_all_ways(1, BSC_METHOD_GET, out, size, &response, &fault),
                             BSC_PARSE_DONE);
            assert_int_equal(response.status, statuses[i]);
            assert_int_equal(response.head.bytes + response.head.length, size);
        }
    }
}

static void accept_chooses_between_html_and_json(void **unused)
{
    (void)unused;
    static const struct {
        const char *accept;
        bool json;
    } cases[] = {
        { "X: y", false },
        { "Accept: */*", false },
        { "Accept: application/json", true },
        { "Accept: text/plain, Application/JSON ; q=0.5", true },
        { "Accept: application/problem+json", true },
        { "Accept: text/html, application/json", false },
        { "Accept: application/json\r\nAccept: text/html;q=0.1", false },
        { "Accept: application/xhtml+xml, application/json", false },
        { "Accept: application/jsonx", false },
        { "Accept:", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char bytes[200];
        snprintf(bytes, sizeof bytes, "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n", cases[i].accept);
        read_request(bytes);
        assert_int_equal(bsc_request_wants_json(&request, bytes), cases[i].json);
    }
}

static void the_largest_request_fits_with_what_is_added(void **unused)
{
    (void)unused;
    static char bytes[BSC_HEAD_BYTES + 1];
    static const char line[] = "GET http://a HTTP/1.0\r\n";
    char host[256], id[BSC_REQUEST_ID_BYTES + 1];
    memset(host, 'h', sizeof host);
    memset(id, 'i', sizeof id);
    host[255] = id[BSC_REQUEST_ID_BYTES] = '\0';
    memcpy(bytes, line, sizeof line - 1);
    size_t at = sizeof line - 1;
    for (int i = 0; i < 4; i++) {
        size_t rest = BSC_HEAD_BYTES - 2 - at, size = rest < BSC_LINE_BYTES ? rest : BSC_LINE_BYTES;
        memset(bytes + at, 'v', size);
        bytes[at + 1] = ':';
        memcpy(bytes + at + size - 2, "\r\n", 2);
        at += size;
    }
    memcpy(bytes + at, "\r\n", 2);
    struct bsc_head_scan scan = { 0 };
    assert_int_equal(bsc_request_parse(&scan, bytes, at + 2, &request, &fault), BSC_PARSE_DONE);
    struct bsc_forwarding long_ones = { .client = "2001:db8:1111:2222:3333:4444:5555:6666",
                                        .scheme = "https",
                                        .host = host,
                                        .request_id = id };
    assert_int_not_equal(bsc_request_build(&request, bytes, &long_ones, out, sizeof out), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_goes_on_with_what_the_proxy_knows),
        cmocka_unit_test(what_ends_here_is_dropped),
        cmocka_unit_test(what_a_client_says_about_its_way_is_overwritten),
        cmocka_unit_test(what_a_trusted_proxy_says_about_the_way_is_kept_and_added_to),
        cmocka_unit_test(a_trace_is_passed_on_or_begun),
        cmocka_unit_test(the_client_is_the_right_most_address_that_is_not_trusted),
        cmocka_unit_test(a_sane_request_id_is_kept),
        cmocka_unit_test(framing_is_stated_anew),
        cmocka_unit_test(an_absolute_target_becomes_origin_form_and_gives_the_host),
        cmocka_unit_test(an_old_request_becomes_a_new_one),
        cmocka_unit_test(expect_upgrade_and_te_go_on_when_they_mean_something),
        cmocka_unit_test(an_answer_goes_back_with_framing_for_its_client),
        cmocka_unit_test(what_ends_here_does_not_reach_the_client),
        cmocka_unit_test(interim_and_switching_answers_pass),
        cmocka_unit_test(an_own_answer_says_why),
        cmocka_unit_test(every_own_answer_is_a_response_and_fits),
        cmocka_unit_test(accept_chooses_between_html_and_json),
        cmocka_unit_test(the_largest_request_fits_with_what_is_added),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
