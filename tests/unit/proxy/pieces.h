/* SPDX-License-Identifier: Apache-2.0
 * Parses a head in every way that it can arrive: whole, in two pieces cut at each place, and byte
 * by byte. All must come to the same verdict. */
#ifndef BASCULE_TESTS_PROXY_PIECES_H
#define BASCULE_TESTS_PROXY_PIECES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/http1.h"

#define BYTES(literal) (literal), sizeof(literal) - 1

/* A copy that ends where memory ends, as far as the sanitizers know: a read beyond is caught. */
static inline char *exact_copy(const char *bytes, size_t size)
{
    char *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    return copy;
}

static inline enum bsc_parse parse_piece(int response, enum bsc_method method,
                                         struct bsc_head_scan *scan, const char *bytes, size_t size,
                                         void *out, struct bsc_fault *fault)
{
    char *copy = exact_copy(bytes, size);
    enum bsc_parse result = response ? bsc_response_parse(scan, copy, size, method, out, fault)
                                     : bsc_request_parse(scan, copy, size, out, fault);
    free(copy);
    return result;
}

static inline void check_same(const char *bytes, enum bsc_parse a, enum bsc_parse b,
                              const struct bsc_fault *fault_a, const struct bsc_fault *fault_b)
{
    if (a != b || (a == BSC_PARSE_REFUSED && fault_a->status != fault_b->status))
        fail_msg("pieces come to another verdict (%d %u, whole %d %u): %s", b, fault_b->status, a,
                 fault_a->status, bytes);
}

/* The verdict on the whole, after making sure that all pieces agree. *out is that of the whole. */
static inline enum bsc_parse parse_all_ways(int response, enum bsc_method method, const char *bytes,
                                            size_t size, void *out, struct bsc_fault *fault)
{
    static union {
        struct bsc_request request;
        struct bsc_response response;
    } scratch;
    struct bsc_head_scan scan = { 0 };
    struct bsc_fault other = { 0 };
    *fault = (struct bsc_fault){ 0 };
    enum bsc_parse whole = parse_piece(response, method, &scan, bytes, size, out, fault);
    for (size_t cut = 0; cut < size && size < 2048; cut++) {
        struct bsc_head_scan two = { 0 };
        enum bsc_parse result = parse_piece(response, method, &two, bytes, cut, &scratch, &other);
        if (result == BSC_PARSE_MORE)
            result = parse_piece(response, method, &two, bytes, size, &scratch, &other);
        else if (result == BSC_PARSE_DONE) /* a body follows the head */
            assert_true(cut >= scratch.request.head.bytes);
        check_same(bytes, whole, result, fault, &other);
    }
    struct bsc_head_scan drip = { 0 };
    enum bsc_parse result = BSC_PARSE_MORE;
    for (size_t have = 0; have <= size && result == BSC_PARSE_MORE; have++)
        result = parse_piece(response, method, &drip, bytes, have, &scratch, &other);
    check_same(bytes, whole, result, fault, &other);
    return whole;
}

#endif
