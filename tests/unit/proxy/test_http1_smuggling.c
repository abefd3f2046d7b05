/* SPDX-License-Identifier: Apache-2.0
 * Request smuggling: every head that two readers could frame differently is refused, in whatever
 * pieces it arrives. */
#include "pieces.h"

static struct bsc_request request;
static struct bsc_fault fault;

static void refuse(const char *bytes, size_t size)
{
    if (parse_all_ways(0, 0, bytes, size, &request, &fault) != BSC_PARSE_REFUSED ||
        fault.status != 400)
        fail_msg("not refused with 400 but %u: %.*s", fault.status, (int)size, bytes);
    if (strstr(bytes, "HTTP/1.1\r\n") == NULL)
        return;
    /* The same as HTTP/1.0, where fewer fields are needed but none is less doubtful. */
    char *old = exact_copy(bytes, size);
    strstr(old, "HTTP/1.1")[7] = '0';
    if (parse_all_ways(0, 0, old, size, &request, &fault) != BSC_PARSE_REFUSED ||
        fault.status != 400)
        fail_msg("as HTTP/1.0 not refused with 400 but %u: %.*s", fault.status, (int)size, bytes);
    free(old);
}

/* Refuses a POST with these field lines, each of which ends in CRLF. */
static void refuse_fields(const char *fields)
{
    char bytes[1024];
    int size =
        snprintf(bytes, sizeof bytes, "POST / HTTP/1.1\r\nHost: a\r\n%s\r\n0\r\n\r\n", fields);
    refuse(bytes, (size_t)size);
    size = snprintf(bytes, sizeof bytes, "POST / HTTP/1.1\r\n%sHost: a\r\n\r\n0\r\n\r\n", fields);
    refuse(bytes, (size_t)size);
}

static void two_framings_are_refused(void **unused)
{
    (void)unused;
    static const char *const cases[] = {
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "content-length: 0\r\ntransfer-encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length:\r\n",
        "Transfer-Encoding: chunked\r\nX: y\r\nContent-Length: x\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: identity\r\n",
        "Content-Length: 5\r\nTransfer-Encoding:\r\n",
        "Connection: Content-Length\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Connection: Transfer-Encoding\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refuse_fields(cases[i]);
}

static void a_doubtful_length_is_refused(void **unused)
{
    (void)unused;
    static const char *const cases[] = {
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\ncontent-length: 05\r\n",
        "Content-Length: 5\r\nX: y\r\nCONTENT-LENGTH: 0\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: 5,6\r\n",
        "Content-Length: 5,\r\n",
        "Content-Length: ,5\r\n",
        "Content-Length:\r\n",
        "Content-Length: \r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -5\r\n",
        "Content-Length: -0\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 5.0\r\n",
        "Content-Length: 5e0\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length: 5\t5\r\n",
        "Content-Length: \"5\"\r\n",
        "Content-Length: 5;\r\n",
        "Content-Length: 5_000\r\n",
        "Content-Length: a\r\n",
        "Content-Length: \xd9\xa5\r\n",
        "Content-Length: 9223372036854775808\r\n",
        "Content-Length: 18446744073709551615\r\n",
        "Content-Length: 18446744073709551621\r\n",
        "Content-Length: 99999999999999999999999999999999\r\n",
        "Content-Length: 5\v\r\n",
        "Content-Length: 5\f\r\n",
        "Content_Length: 5\r\n",
        "Content_length: 5\r\nContent-Length: 5\r\n",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refuse_fields(cases[i]);
}

static void a_doubtful_transfer_coding_is_refused(void **unused)
{
    (void)unused;
    static const char *const cases[] = {
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunkedx\r\n",
        "Transfer-Encoding: chunke\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked,\r\n",
        "Transfer-Encoding: ,chunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: identity, chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding:\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: 'chunked'\r\n",
        "Transfer-Encoding: chunked;q=1\r\n",
        "Transfer-Encoding: chunked ;\r\n",
        "Transfer-Encoding: ch unked\r\n",
        "Transfer-Encoding: chunked\v\r\n",
        "Transfer-Encoding: \fchunked\r\n",
        "Transfer-Encoding: \bchunked\r\n",
        "Transfer-Encoding: \x7f"
        "chunked\r\n",
        "Transfer-Encoding: \xa0"
        "chunked\r\n",
        "Transfer-Encoding: chun\xe2\x84\xaa"
        "ed\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding\t: chunked\r\n",
        " Transfer-Encoding: chunked\r\n",
        "\tTransfer-Encoding: chunked\r\n",
        "X: y\r\n Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
        "Transfer-Encoding: \r\n\tchunked\r\n",
        "Transfer-Encoding\r\n : chunked\r\n",
        "X: y\nTransfer-Encoding: chunked\r\n",
        "X: y\rTransfer-Encoding: chunked\r\n",
        "Transfer_Encoding: chunked\r\n",
        "transfer_encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\r\n",
        "Transfer-Encoding\v: chunked\r\n",
        "Transfer-Encoding\xa0: chunked\r\n",
        "\xef\xbb\xbfTransfer-Encoding: chunked\r\n",
        "\"Transfer-Encoding\": chunked\r\n",
        "Transfer-Encoding chunked\r\n",
        "Transfer-Encoding\r\n",
        "Transfer-Encoding= chunked\r\n",
        "Foo Transfer-Encoding: chunked\r\n",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refuse_fields(cases[i]);
    refuse(BYTES("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"));
}

static void chunked_may_be_spelled_in_any_case_because_codings_have_none(void **unused)
{
    (void)unused;
    assert_int_equal(parse_all_ways(0, 0,
                                    BYTES("POST / HTTP/1.1\r\nHost: a\r\n"
                                          "Transfer-Encoding: \t cHUNKED \t\r\n\r\n"),
                                    &request, &fault),
                     BSC_PARSE_DONE);
    assert_int_equal(request.head.framing, BSC_FRAMING_CHUNKED);
}

static void a_good_length_is_read(void **unused)
{
    (void)unused;
    static const struct {
        const char *text;
        uint64_t length;
    } cases[] = { { "0", 0 }, { "5", 5 }, { "007", 7 }, { "9223372036854775807", INT64_MAX } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char bytes[120];
        int size =
            snprintf(bytes, sizeof bytes,
                     "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\t%s \r\n\r\n", cases[i].text);
        assert_int_equal(parse_all_ways(0, 0, bytes, (size_t)size, &request, &fault),
                         BSC_PARSE_DONE);
        assert_int_equal(request.head.framing, BSC_FRAMING_LENGTH);
        assert_int_equal(request.head.length, cases[i].length);
    }
}

static void lines_that_do_not_end_in_crlf_are_refused(void **unused)
{
    (void)unused;
    refuse(BYTES("GET / HTTP/1.1\nHost: a\r\n\r\n"));
    refuse(BYTES("GET / HTTP/1.1\nHost: a\n\n"));
    refuse(BYTES("GET / HTTP/1.1\r\nHost: a\n\r\n"));
    refuse(BYTES("GET / HTTP/1.1\r\nHost: a\r\n\n"));
    refuse(BYTES("GET / HTTP/1.1\r\nHost: a\n\n"));
    refuse(BYTES("GET / HTTP/1.1\rHost: a\r\n\r\n"));
    refuse(BYTES("GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n"));
    refuse(BYTES("GET / HTTP/1.1\r\nHost: a\r\n\rX: y\r\n\r\n"));
    refuse(BYTES("GET / HTTP/1.1\r\nHost: a\r\n\r\r\n\r\n"));
    refuse(BYTES("GET / HTTP/1.1\r\r\nHost: a\r\n\r\n"));
    refuse(BYTES("GET /\r HTTP/1.1\r\nHost: a\r\n\r\n"));
    refuse(BYTES("GET /\n HTTP/1.1\r\nHost: a\r\n\r\n"));
    refuse(BYTES("GE\rT / HTTP/1.1\r\nHost: a\r\n\r\n"));
    refuse(BYTES("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\r\n\r\n"));
    refuse(BYTES("GET / HTTP/1.1\r\nHost: a\r\nX\r: y\r\n\r\n"));
    refuse(BYTES("GET / HTTP/1.1\r\nHost: a\r\nX\n: y\r\n\r\n"));
}

static void folded_lines_and_odd_names_are_refused(void **unused)
{
    (void)unused;
    static const char *const cases[] = {
        "X: y\r\n z\r\n",  "X: y\r\n\tz\r\n", "X: y\r\n \r\n",    "X : y\r\n",   "X\t: y\r\n",
        ": y\r\n",         ":\r\n",           " : y\r\n",         "X\r\n",       "X y\r\n",
        "X(: y\r\n",       "X[]: y\r\n",      "X{}: y\r\n",       "X\": y\r\n",  "X/: y\r\n",
        "X@: y\r\n",       "X,: y\r\n",       "X;: y\r\n",        "X\\: y\r\n",  "X?=: y\r\n",
        "\xc3\xa9: y\r\n", "X\x01: y\r\n",    "X\x7f: y\r\n",     "X: \x01\r\n", "X: y\x1fz\r\n",
        "X: \x7f\r\n",     "X: \x0b\r\n",     "X: y\x1b[31m\r\n", "=: y\r\n",    "<a>: y\r\n",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refuse_fields(cases[i]);
    refuse(BYTES("GET / HTTP/1.1\r\n Host: a\r\n\r\n"));
}

static void nul_is_refused_wherever_it_stands(void **unused)
{
    (void)unused;
    static const char good[] = "POST /ab HTTP/1.1\r\nHost: ab\r\nX-Abc: d e\r\n"
                               "Content-Length: 0\r\n\r\n";
    static const char end[] = "\r\n\r\n"; /* one is left when the NUL hits the other */
    size_t size = sizeof good - 1;
    for (size_t at = 0; at < size - 1; at++) {
        for (size_t skip = 0; skip < 2; skip++) { /* the NUL before a byte, or in its place */
            char bytes[sizeof good + sizeof end];
            memcpy(bytes, good, at);
            bytes[at] = '\0';
            memcpy(bytes + at + 1, good + at + skip, size - at - skip);
            memcpy(bytes + size + 1 - skip, end, sizeof end - 1);
            enum bsc_parse result =
                parse_all_ways(0, 0, bytes, size + 1 - skip + sizeof end - 1, &request, &fault);
            assert_int_equal(result, BSC_PARSE_REFUSED);
            assert_int_equal(fault.status, 400);
        }
    }
}

/* Put any byte anywhere into a good head: it is refused, or it reads the very same framing and host
 * as before, so no single byte opens a second interpretation. */
static void no_single_byte_changes_the_framing_silently(void **unused)
{
    (void)unused;
    static const char good[] = "POST /a HTTP/1.1\r\nHost: ab\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (size_t at = 0; at < sizeof good - 3; at++) {
        for (int byte = 0; byte < 256; byte++) {
            char bytes[sizeof good];
            memcpy(bytes, good, at);
            bytes[at] = (char)byte;
            memcpy(bytes + at + 1, good + at, sizeof good - 1 - at);
            struct bsc_head_scan scan = { 0 };
            if (bsc_request_parse(&scan, bytes, sizeof bytes, &request, &fault) != BSC_PARSE_DONE)
                continue;
            bool renamed = request.head.fields[1].id != BSC_FIELD_TRANSFER_ENCODING;
            if (request.head.framing != BSC_FRAMING_CHUNKED && !renamed)
                fail_msg("byte %d at %zu", byte, at);
        }
    }
}

static void two_requests_on_one_line_stay_one_or_none(void **unused)
{
    (void)unused;
    refuse(BYTES("GET / HTTP/1.1 GET /admin HTTP/1.1\r\nHost: a\r\n\r\n"));
    refuse(BYTES("GET / HTTP/1.1\r\nHost: a\r\nGET /admin HTTP/1.1\r\nHost: a\r\n\r\n"));
    static const char pipelined[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\n\r\n";
    assert_int_equal(parse_all_ways(0, 0, BYTES(pipelined), &request, &fault), BSC_PARSE_DONE);
    assert_int_equal(request.head.bytes, strstr(pipelined, "GET /b") - pipelined);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_framings_are_refused),
        cmocka_unit_test(a_doubtful_length_is_refused),
        cmocka_unit_test(a_doubtful_transfer_coding_is_refused),
        cmocka_unit_test(chunked_may_be_spelled_in_any_case_because_codings_have_none),
        cmocka_unit_test(a_good_length_is_read),
        cmocka_unit_test(lines_that_do_not_end_in_crlf_are_refused),
        cmocka_unit_test(folded_lines_and_odd_names_are_refused),
        cmocka_unit_test(nul_is_refused_wherever_it_stands),
        cmocka_unit_test(no_single_byte_changes_the_framing_silently),
        cmocka_unit_test(two_requests_on_one_line_stay_one_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
