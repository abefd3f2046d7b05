/* SPDX-License-Identifier: Apache-2.0
 * The chunked coding, in every pair of pieces and byte by byte. */
#include "pieces.h"

#include "proxy/chunked.h"

static struct bsc_fault fault;

/* Feeds the bytes in pieces that end at `cut` and then every `step` bytes; collects the data. */
static enum bsc_parse feed(const char *bytes, size_t size, size_t cut, size_t step, char *data,
                           size_t *used)
{
    struct bsc_chunked chunked = { 0 };
    enum bsc_parse result = BSC_PARSE_MORE;
    size_t at = 0, data_size = 0;
    for (size_t end = cut; result == BSC_PARSE_MORE; end = end + step < size ? end + step : size) {
        char *copy = exact_copy(bytes + at, end - at);
        size_t inside = 0;
        do {
            struct bsc_chunked_run run;
            result = bsc_chunked_next(&chunked, copy + inside, end - at - inside, &run, &fault);
            assert_true(run.data_size == 0 || run.data_at + run.data_size == run.used);
            memcpy(data + data_size, copy + inside + run.data_at, run.data_size);
            data_size += run.data_size;
            inside += run.used;
        } while (result == BSC_PARSE_MORE && at + inside < end);
        at += inside;
        free(copy);
        if (end == size)
            break;
    }
    data[data_size] = '\0';
    *used = at;
    return result;
}

static enum bsc_parse feed_all_ways(const char *bytes, size_t size, char *data, size_t *used)
{
    static char other[70000];
    enum bsc_parse whole = feed(bytes, size, size, size, data, used);
    for (size_t cut = 0; cut <= size && size < 2048; cut++) {
        size_t other_used;
        assert_int_equal(feed(bytes, size, cut, size, other, &other_used), whole);
        assert_int_equal(other_used, *used);
        assert_string_equal(other, data);
    }
    size_t drip_used, pass_used;
    assert_int_equal(feed(bytes, size, 0, 1, other, &drip_used), whole);
    assert_int_equal(drip_used, *used);
    assert_string_equal(other, data);
    struct bsc_chunked chunked = { 0 };
    uint64_t data_bytes = 0;
    assert_int_equal(bsc_chunked_pass(&chunked, bytes, size, &pass_used, &data_bytes, &fault),
                     whole);
    assert_int_equal(pass_used, *used);
    assert_int_equal(data_bytes, strlen(data));
    return whole;
}

static void bodies_are_decoded_and_their_end_is_found(void **unused)
{
    (void)unused;
    static const struct {
        const char *body, *data;
    } cases[] = {
        { "0\r\n\r\n", "" },
        { "00000\r\n\r\n", "" },
        { "5\r\nhello\r\n0\r\n\r\n", "hello" },
        { "5\r\nhello\r\n00000000000000a\r\n, world!\r\n\r\n0\r\n\r\n", "hello, world!\r\n" },
        { "1\r\n\r\r\n1\r\n\n\r\n0\r\n\r\n", "\r\n" },
        { "5\r\n0\r\n\r\n\r\n0\r\n\r\n", "0\r\n\r\n" },
        { "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789" },
        { "3;a\r\nabc\r\n0;b=c;d=\"e; \\\"f\"\r\n\r\n", "abc" },
        { "3;a=\"\"\r\nabc\r\n0\r\n\r\n", "abc" },
        { "0\r\nX-Sum: 1\r\ngrpc-status: 0\r\nEmpty:\r\n\r\n", "" },
        { "0\r\nA-Name-Longer-Than-Any-Forbidden-One: \t x\r\n\r\n", "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char bytes[200], data[200];
        size_t used, body = strlen(cases[i].body);
        int size = snprintf(bytes, sizeof bytes, "%sGET / HTTP/1.1\r\n", cases[i].body);
        if (feed_all_ways(bytes, (size_t)size, data, &used) != BSC_PARSE_DONE)
            fail_msg("%s: %s", fault.text, bytes);
        assert_int_equal(used, body);
        assert_string_equal(data, cases[i].data);
        assert_int_equal(feed_all_ways(bytes, body - 1, data, &used), BSC_PARSE_MORE);
    }
}

static const char *const doubtful[] = {
    "\r\n",
    "\n",
    " 5\r\nhello",
    "5 \r\nhello",
    "5\t\r\nhello",
    "5\nhello",
    "5\r hello",
    "5\r\rhello",
    "0x5\r\nhello",
    "5h\r\nhello",
    "-5\r\nhello",
    "+5\r\nhello",
    "g\r\n",
    ";a\r\n",
    "5\r\nhello\n0\r\n\r\n",
    "5\r\nhello0\r\n\r\n",
    "5\r\nhello\r0\r\n\r\n",
    "5\r\nhello!\r\n",
    "5\r\nhello\n\r\n",
    "4\r\nhello\r\n",
    "00000000000000005\r\nhello",
    "8000000000000000\r\n",
    "ffffffffffffffff\r\n",
    "10000000000000000\r\n",
    "fffffffffffffffff\r\n",
    "0\n",
    "0\r\n\n",
    "0\r\n\rX",
    "0\r\n \r\n",
    "5;\r\nhello",
    "5;;\r\nhello",
    "5; a\r\nhello",
    "5 ;a\r\nhello",
    "5;a \r\nhello",
    "5;a\nhello",
    "5;a\rhello",
    "5;a\r\rhello",
    "5;a=\r\nhello",
    "5;a=b=c\r\nx",
    "5;a=b c\r\nhello",
    "5;a=\"b\r\nhello",
    "5;a=\"b\nc\"\r\nhello",
    "5;a=\"b\"c\r\nhello",
    "5;a=\"\\\nb\"\r\nhello",
    "5;a=\x01\r\nhello",
    "5;a=\x7f\r\nhello",
    "5;=b\r\nhello",
    "5;a=b\"\r\nhello",
    "5,a\r\nhello",

    "0\r\nX\r\n\r\n",
    "0\r\n: y\r\n\r\n",
    "0\r\nX : y\r\n\r\n",
    "0\r\nX: y\n\r\n",
    "0\r\nX: y\rZ\r\n",
    "0\r\nX: y\r\n z\r\n\r\n",
    "0\r\n X: y\r\n\r\n",
    "0\r\nX: \x01\r\n\r\n",
    "0\r\nX: \x7f\r\n\r\n",
    "0\r\nX\x01: y\r\n",
    "0\r\nX: y\r\n\n",
    "0\r\n\r\r\n",
};

static void everything_doubtful_is_refused(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof doubtful / sizeof *doubtful; i++) {
        char data[200];
        size_t used;
        if (feed_all_ways(doubtful[i], strlen(doubtful[i]), data, &used) != BSC_PARSE_REFUSED)
            fail_msg("not refused: %s", doubtful[i]);
        assert_int_equal(fault.status, 400);
        assert_true(used < strlen(doubtful[i]));
    }
    char data[20];
    size_t used;
    assert_int_equal(feed_all_ways(BYTES("\0"
                                         "5\r\nhello"),
                                   data, &used),
                     BSC_PARSE_REFUSED);
    assert_int_equal(feed_all_ways(BYTES("5\0\r\nhello"), data, &used), BSC_PARSE_REFUSED);
}

static void trailers_that_frame_route_or_authorise_are_refused(void **unused)
{
    (void)unused;
    static const char *const names[] = {
        "Content-Length",
        "content_length",
        "Transfer-Encoding",
        "TRANSFER_ENCODING",
        "Host",
        "Connection",
        "Keep-Alive",
        "Proxy-Connection",
        "TE",
        "Trailer",
        "Upgrade",
        "Expect",
        "Authorization",
        "Cookie",
        "Set-Cookie",
        "Content-Type",
        "Content-Encoding",
        "Content-Range",
        "Forwarded",
        "X-Forwarded-For",
        "x_forwarded_proto",
        "X-Bascule-Reason",
        "X-Forwarded-Something-Long-And-Unknown",
        "Proxy-Authorization",
        "Proxy-Authenticate",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char bytes[100], data[100];
        size_t used;
        int size = snprintf(bytes, sizeof bytes, "0\r\nX: y\r\n%s: 1\r\n\r\n", names[i]);
        if (feed_all_ways(bytes, (size_t)size, data, &used) != BSC_PARSE_REFUSED)
            fail_msg("not refused: %s", names[i]);
    }
}

static void extensions_and_trailers_are_bounded(void **unused)
{
    (void)unused;
    static char bytes[70000], data[70000];
    size_t used;
    char *at = bytes;
    memcpy(at, "0;", 2);
    memset(at + 2, 'a', BSC_CHUNK_LINE_BYTES - 1);
    memcpy(at + 1 + BSC_CHUNK_LINE_BYTES, "\r\n\r\n", 5);
    assert_int_equal(feed_all_ways(bytes, strlen(bytes), data, &used), BSC_PARSE_DONE);
    memcpy(at + 1 + BSC_CHUNK_LINE_BYTES, "a\r\n\r\n", 6);
    assert_int_equal(feed_all_ways(bytes, strlen(bytes), data, &used), BSC_PARSE_REFUSED);

    size_t chunks = 0;
    for (at = bytes; chunks < BSC_CHUNK_EXTENSION_BYTES / 100 + 1; chunks++) {
        memcpy(at, "1;", 2);
        memset(at + 2, 'a', 99);
        memcpy(at + 101, "\r\nx\r\n", 5);
        at += 106;
    }
    memcpy(at, "0\r\n\r\n", 6);
    assert_int_equal(feed_all_ways(bytes, strlen(bytes), data, &used), BSC_PARSE_REFUSED);

    memcpy(bytes, "0\r\n", 3);
    memcpy(bytes + 3, "a:", 2);
    memset(bytes + 5, 'b', BSC_CHUNK_TRAILER_BYTES);
    memcpy(bytes + 5 + BSC_CHUNK_TRAILER_BYTES, "\r\n\r\n", 5);
    assert_int_equal(feed_all_ways(bytes, strlen(bytes), data, &used), BSC_PARSE_REFUSED);
    memcpy(bytes + BSC_CHUNK_TRAILER_BYTES - 10, "\r\n\r\n", 5);
    assert_int_equal(feed_all_ways(bytes, strlen(bytes), data, &used), BSC_PARSE_DONE);
}

static void the_largest_size_is_that_of_a_file(void **unused)
{
    (void)unused;
    struct bsc_chunked chunked = { 0 };
    struct bsc_chunked_run run;
    assert_int_equal(bsc_chunked_next(&chunked, BYTES("7fffffffffffffff\r\nab"), &run, &fault),
                     BSC_PARSE_MORE);
    assert_int_equal(run.data_size, 2);
    assert_int_equal(chunked.left, INT64_MAX - 2);
}

static void a_size_line_of_ours_is_hexadecimal(void **unused)
{
    (void)unused;
    static const struct {
        uint64_t size;
        const char *line;
    } cases[] = { { 0, "0\r\n" },
                  { 9, "9\r\n" },
                  { 255, "ff\r\n" },
                  { 0x1234abcd, "1234abcd\r\n" },
                  { UINT64_MAX, "ffffffffffffffff\r\n" } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[BSC_CHUNK_FRAME_BYTES];
        size_t size = bsc_chunk_frame(line, cases[i].size);
        assert_int_equal(size, strlen(cases[i].line));
        assert_memory_equal(line, cases[i].line, size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_are_decoded_and_their_end_is_found),
        cmocka_unit_test(everything_doubtful_is_refused),
        cmocka_unit_test(trailers_that_frame_route_or_authorise_are_refused),
        cmocka_unit_test(extensions_and_trailers_are_bounded),
        cmocka_unit_test(the_largest_size_is_that_of_a_file),
        cmocka_unit_test(a_size_line_of_ours_is_hexadecimal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
