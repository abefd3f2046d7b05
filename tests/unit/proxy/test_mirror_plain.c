/* SPDX-License-Identifier: Apache-2.0
 * Tests of proxy/mirror_plain.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <string.h>
#include <zlib.h>

#include "proxy/mirror_plain.h"

enum { GZIP = 16 + MAX_WBITS, ZLIB = MAX_WBITS, BARE = -MAX_WBITS };

/* Compresses into `out`; returns how much that is. */
static size_t pack(int bits, const char *body, size_t size, char *out, size_t capacity)
{
    z_stream stream = { .next_in = (Bytef *)(uintptr_t)body,
                        .avail_in = (uInt)size,
                        .next_out = (Bytef *)out,
                        .avail_out = (uInt)capacity };
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    deflateEnd(&stream);
    return stream.total_out;
}

static void codings_are_known_by_their_names(void **unused)
{
    (void)unused;
    assert_int_equal(bsc_coding_of("gzip", 4), BSC_CODING_GZIP);
    assert_int_equal(bsc_coding_of("X-GZIP", 6), BSC_CODING_GZIP);
    assert_int_equal(bsc_coding_of("deflate", 7), BSC_CODING_DEFLATE);
    assert_int_equal(bsc_coding_of("identity", 8), BSC_CODING_NONE);
    assert_int_equal(bsc_coding_of("", 0), BSC_CODING_NONE);
    assert_int_equal(bsc_coding_of("br", 2), BSC_CODING_OTHER);
    assert_int_equal(bsc_coding_of("gzip, br", 8), BSC_CODING_OTHER);
}

static void bodies_are_as_they_were_before(void **unused)
{
    (void)unused;
    static const struct {
        enum bsc_coding coding;
        int bits;
    } ways[] = { { BSC_CODING_GZIP, GZIP },
                 { BSC_CODING_DEFLATE, ZLIB },
                 { BSC_CODING_DEFLATE, BARE } };
    static const size_t sizes[] = { 0, 1, 65535, 65536, 65537, 300000, BSC_MIRROR_PLAIN_MAX };
    char *body = test_malloc(BSC_MIRROR_PLAIN_MAX), *packed = test_malloc(BSC_MIRROR_PLAIN_MAX);
    for (size_t i = 0; i < BSC_MIRROR_PLAIN_MAX; i++)
        body[i] = (char)(i * i >> 9);
    for (size_t w = 0; w < sizeof ways / sizeof ways[0]; w++)
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
            size_t size = pack(ways[w].bits, body, sizes[s], packed, BSC_MIRROR_PLAIN_MAX), got;
            char *plain = bsc_mirror_plain(ways[w].coding, packed, size, &got);
            assert_non_null(plain);
            assert_int_equal(got, sizes[s]);
            assert_memory_equal(plain, body, got);
            free(plain);
            assert_null(bsc_mirror_plain(ways[w].coding, packed, size - 1, &got));
        }
    test_free(body);
    test_free(packed);
}

static void what_becomes_too_long_or_is_malformed_is_nothing(void **unused)
{
    (void)unused;
    size_t size = (size_t)BSC_MIRROR_PLAIN_MAX * 8, got;
    char *zeros = test_calloc(1, size), packed[65536];
    size_t least = pack(GZIP, zeros, size, packed, sizeof packed);
    assert_null(bsc_mirror_plain(BSC_CODING_GZIP, packed, least, &got));
    assert_null(bsc_mirror_plain(BSC_CODING_GZIP, "no gzip", 7, &got));
    assert_null(bsc_mirror_plain(BSC_CODING_DEFLATE, "\xff\xff\xff", 3, &got));
    assert_null(bsc_mirror_plain(BSC_CODING_OTHER, "x", 1, &got));
    assert_null(bsc_mirror_plain(BSC_CODING_GZIP, "", 0, &got));
    test_free(zeros);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codings_are_known_by_their_names),
        cmocka_unit_test(bodies_are_as_they_were_before),
        cmocka_unit_test(what_becomes_too_long_or_is_malformed_is_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
