/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes the chunked coding. The first byte says how the rest is cut. Must hold: pieces and the
 * whole come to one verdict, end and data; data framed anew is decoded to the same. */
#include <stdlib.h>
#include <string.h>

#include "must.h"
#include "proxy/chunked.h"

/* Decodes bytes that come in pieces of `step`; the data goes to `out`. */
static enum bsc_parse decode(const char *bytes, size_t size, size_t step, char *out,
                             size_t *out_size, size_t *used)
{
    struct bsc_chunked chunked = { 0 };
    struct bsc_fault fault;
    enum bsc_parse result = BSC_PARSE_MORE;
    *out_size = *used = 0;
    while (result == BSC_PARSE_MORE && *used < size) {
        size_t piece = size - *used < step ? size - *used : step;
        char *copy = malloc(piece);
        memcpy(copy, bytes + *used, piece);
        struct bsc_chunked_run run;
        result = bsc_chunked_next(&chunked, copy, piece, &run, &fault);
        MUST(run.used <= piece && run.data_at + run.data_size <= run.used);
        MUST(run.used == piece || run.data_size || result != BSC_PARSE_MORE);
        memcpy(out + *out_size, copy + run.data_at, run.data_size);
        *out_size += run.data_size;
        *used += run.used;
        free(copy);
    }
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    size_t step = data[0] ? data[0] : 1;
    const char *bytes = (const char *)data + 1;
    size--;
    char *whole = malloc(size + 64), *pieces = malloc(size + 64);
    size_t whole_size, pieces_size, whole_used, pieces_used, pass_used;
    enum bsc_parse result = decode(bytes, size, size + 1, whole, &whole_size, &whole_used);
    MUST(decode(bytes, size, step, pieces, &pieces_size, &pieces_used) == result);
    MUST(whole_used == pieces_used && whole_size == pieces_size);
    MUST(memcmp(whole, pieces, whole_size) == 0);

    struct bsc_chunked chunked = { 0 };
    struct bsc_fault fault;
    uint64_t data_bytes = 0;
    MUST(bsc_chunked_pass(&chunked, bytes, size, &pass_used, &data_bytes, &fault) == result);
    MUST(pass_used == whole_used && data_bytes == whole_size);

    char *framed = malloc(whole_size + 64);
    size_t at = 0;
    if (whole_size) {
        at = bsc_chunk_frame(framed, whole_size);
        memcpy(framed + at, whole, whole_size);
        at += whole_size;
        memcpy(framed + at, "\r\n", 2);
        at += 2;
    }
    memcpy(framed + at, "0\r\n\r\n", 5);
    at += 5;
    MUST(decode(framed, at, step, pieces, &pieces_size, &pieces_used) == BSC_PARSE_DONE);
    MUST(pieces_used == at && pieces_size == whole_size);
    MUST(memcmp(whole, pieces, whole_size) == 0);
    free(framed);
    free(whole);
    free(pieces);
    return 0;
}
