/* SPDX-License-Identifier: Apache-2.0
 * Bodies between DATA and the framing of HTTP/1.1, and what a connection may spend. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/h2_body.h"
#include "proxy/h2_calm.h"
#include "proxy/h2_pool.h"

static struct bsc_buffers buffers;

/* Reads everything that is there in pieces of `step`. */
static size_t drain(struct bsc_h2_inbound *inbound, char *out, size_t step, size_t *data_bytes)
{
    size_t used = 0, got, data;
    while ((got = bsc_h2_inbound_read(&buffers, inbound, out + used, step, &data))) {
        used += got;
        *data_bytes += data;
    }
    return used;
}

static void data_without_a_length_is_read_as_chunks_whatever_the_pieces(void **unused)
{
    (void)unused;
    static const char expected[] = "5\r\nhello\r\n11\r\n0123456789abcdefg\r\n0\r\nx: y\r\n\r\n";
    for (size_t step = 1; step < sizeof expected + 1; step++) {
        struct bsc_h2_inbound inbound = { .chunked = true };
        char out[128];
        size_t data_bytes = 0;
        bsc_h2_inbound_put(&buffers, &inbound, "hello", 5);
        size_t used = drain(&inbound, out, step, &data_bytes);
        bsc_h2_inbound_put(&buffers, &inbound, "0123456789abcdefg", 17);
        inbound.trailers = bsc_buffer_lend(&buffers, 64);
        memcpy(inbound.trailers->bytes, "x: y\r\n", 6);
        inbound.trailers->end = 6;
        inbound.ended = true;
        used += drain(&inbound, out + used, step, &data_bytes);
        assert_int_equal(used, sizeof expected - 1);
        assert_memory_equal(out, expected, used);
        assert_int_equal(data_bytes, 22);
        assert_null(inbound.data);
        assert_null(inbound.trailers);
    }
}

static void data_with_a_length_is_read_as_it_is(void **unused)
{
    (void)unused;
    struct bsc_h2_inbound inbound = { .ended = true };
    char out[16];
    size_t data_bytes = 0;
    bsc_h2_inbound_put(&buffers, &inbound, "hello", 5);
    assert_int_equal(drain(&inbound, out, 2, &data_bytes), 5);
    assert_memory_equal(out, "hello", 5);
    assert_int_equal(data_bytes, 5);
}

static void a_whole_window_fits(void **unused)
{
    (void)unused;
    struct bsc_h2_inbound inbound = { .chunked = true };
    char piece[1000] = { 0 }, *out = malloc(70000);
    size_t data_bytes = 0;
    for (size_t i = 0; i < 65535; i += sizeof piece)
        bsc_h2_inbound_put(&buffers, &inbound, piece,
                           65535 - i < sizeof piece ? 65535 - i : sizeof piece);
    assert_int_equal(drain(&inbound, out, 70000, &data_bytes), 65535 + 6 + 2);
    assert_int_equal(data_bytes, 65535);
    free(out);
}

static void chunks_become_data_and_trailers_whatever_the_pieces(void **unused)
{
    (void)unused;
    static const char text[] = "5;x=y\r\nhello\r\n1\r\n!\r\n0\r\na: b\r\nc: d\r\n\r\n";
    for (size_t step = 1; step < sizeof text; step++) {
        struct bsc_h2_outbound outbound = { 0 };
        bsc_h2_outbound_begin(&outbound, BSC_FRAMING_CHUNKED, 0);
        for (size_t at = 0; at < sizeof text - 1; at += step) {
            size_t size = sizeof text - 1 - at < step ? sizeof text - 1 - at : step;
            assert_false(outbound.complete);
            assert_int_equal(bsc_h2_outbound_put(&buffers, &outbound, text + at, size), size);
        }
        assert_true(outbound.complete);
        assert_int_equal(bsc_buffer_size(outbound.data), 6);
        assert_memory_equal(outbound.data->bytes + outbound.data->begin, "hello!", 6);
        assert_int_equal(bsc_buffer_size(outbound.trailers), 14);
        assert_memory_equal(outbound.trailers->bytes, "a: b\r\nc: d\r\n\r\n", 14);
        bsc_buffer_return(&buffers, &outbound.data);
        bsc_buffer_return(&buffers, &outbound.trailers);
    }
}

static void no_trailers_are_none(void **unused)
{
    (void)unused;
    struct bsc_h2_outbound outbound = { 0 };
    bsc_h2_outbound_begin(&outbound, BSC_FRAMING_CHUNKED, 0);
    assert_int_equal(bsc_h2_outbound_put(&buffers, &outbound, "0\r\n\r\n", 5), 5);
    assert_true(outbound.complete);
    assert_null(outbound.trailers);
    assert_null(outbound.data);
}

static void more_than_the_buffer_holds_has_to_wait(void **unused)
{
    (void)unused;
    struct bsc_h2_outbound outbound = { 0 };
    char *bytes = calloc(1, 100000);
    bsc_h2_outbound_begin(&outbound, BSC_FRAMING_LENGTH, 100000);
    assert_int_equal(bsc_h2_outbound_put(&buffers, &outbound, bytes, 100000), BSC_BUFFER_LARGE);
    assert_int_equal(bsc_h2_outbound_put(&buffers, &outbound, bytes, 1), 0);
    bsc_h2_outbound_sent(&buffers, &outbound, 40000);
    assert_int_equal(bsc_h2_outbound_put(&buffers, &outbound, bytes, 100000 - BSC_BUFFER_LARGE),
                     100000 - BSC_BUFFER_LARGE);
    assert_true(outbound.complete);
    bsc_h2_outbound_sent(&buffers, &outbound, 60000);
    assert_null(outbound.data);
    free(bytes);
}

static void more_than_was_announced_is_wrong(void **unused)
{
    (void)unused;
    struct bsc_h2_outbound outbound = { 0 };
    bsc_h2_outbound_begin(&outbound, BSC_FRAMING_LENGTH, 2);
    assert_int_equal(bsc_h2_outbound_put(&buffers, &outbound, "abc", 3), -1);
    bsc_h2_outbound_begin(&outbound, BSC_FRAMING_NONE, 0);
    assert_int_equal(bsc_h2_outbound_put(&buffers, &outbound, "a", 1), -1);
    bsc_h2_outbound_begin(&outbound, BSC_FRAMING_CHUNKED, 0);
    assert_int_equal(bsc_h2_outbound_put(&buffers, &outbound, "x\r\n", 3), -1);
}

static void credit_is_spent_earned_and_filled_by_time(void **unused)
{
    (void)unused;
    struct bsc_h2_calm calm;
    bsc_h2_calm_init(&calm, 0);
    for (int i = 0; i < BSC_H2_CALM_FRAMES; i++)
        assert_true(bsc_h2_calm_frame(&calm, 999));
    assert_false(bsc_h2_calm_frame(&calm, 999));
    assert_true(bsc_h2_calm_reset(&calm, 999)); /* of another credit */
    bsc_h2_calm_earn(&calm, 3);
    assert_true(bsc_h2_calm_frame(&calm, 999));
    assert_true(bsc_h2_calm_frame(&calm, 999));
    assert_false(bsc_h2_calm_frame(&calm, 999));
    assert_true(bsc_h2_calm_frame(&calm, 2000));
    bsc_h2_calm_fill(&calm, INT64_MAX / 2); /* a long time fills it, no more */
    assert_int_equal(calm.frames, BSC_H2_CALM_FRAMES);
    assert_int_equal(calm.resets, BSC_H2_CALM_RESETS);
}

static void memory_of_every_size_comes_back(void **unused)
{
    (void)unused;
    struct bsc_h2_pool pool;
    bsc_h2_pool_init(&pool);
    const nghttp2_mem *mem = &pool.mem;
    for (size_t size = 0; size < 10000; size = size * 2 + 1) {
        char *block = mem->malloc(size, mem->mem_user_data);
        memset(block, 1, size);
        block = mem->realloc(block, size + 5000, mem->mem_user_data);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(block[i], 1);
        mem->free(block, mem->mem_user_data);
        char *zeroed = mem->calloc(size, 3, mem->mem_user_data);
        for (size_t i = 0; i < size * 3; i++)
            assert_int_equal(zeroed[i], 0);
        mem->free(zeroed, mem->mem_user_data);
    }
    mem->free(NULL, mem->mem_user_data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_without_a_length_is_read_as_chunks_whatever_the_pieces),
        cmocka_unit_test(data_with_a_length_is_read_as_it_is),
        cmocka_unit_test(a_whole_window_fits),
        cmocka_unit_test(chunks_become_data_and_trailers_whatever_the_pieces),
        cmocka_unit_test(no_trailers_are_none),
        cmocka_unit_test(more_than_the_buffer_holds_has_to_wait),
        cmocka_unit_test(more_than_was_announced_is_wrong),
        cmocka_unit_test(credit_is_spent_earned_and_filled_by_time),
        cmocka_unit_test(memory_of_every_size_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
