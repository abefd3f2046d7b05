/* SPDX-License-Identifier: Apache-2.0
 * Where streams can be stopped: between frames of WebSocket, behind an event. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/boundary.h"

static struct bsc_boundary boundary;

static void begin(enum bsc_boundary_kind kind)
{
    boundary = (struct bsc_boundary){ .kind = (uint8_t)kind };
}

static size_t pass(const char *text)
{
    return bsc_boundary_pass(&boundary, text, strlen(text));
}

static size_t pass_bytes(const char *bytes, size_t size)
{
    return bsc_boundary_pass(&boundary, bytes, size);
}

/* A frame with `length` bytes of payload; returns its size. */
static size_t write_frame(char *out, unsigned char opcode, uint64_t length, int length_bytes,
                          bool masked)
{
    size_t at = 0;
    out[at++] = (char)(0x80 | opcode);
    out[at++] = (char)((masked ? 0x80 : 0) | (length_bytes == 8   ? 127
                                              : length_bytes == 2 ? 126
                                                                  : (int)length));
    for (int i = length_bytes - 1; i >= 0; i--)
        out[at++] = (char)(length >> (8 * i));
    for (int i = 0; masked && i < 4; i++)
        out[at++] = 0x55;
    memset(out + at, 0x08, length); /* looks like close frames */
    return at + length;
}

static void every_spelling_of_a_length_is_understood_however_it_is_cut(void **unused)
{
    (void)unused;
    static char bytes[200000];
    static const uint64_t lengths[] = { 0, 1, 125, 126, 300, 65535, 66000 };
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (int bytes_of = 0; bytes_of <= 8; bytes_of = bytes_of ? bytes_of * 4 : 2)
            for (int masked = 0; masked < 2; masked++) {
                if ((bytes_of == 0 && lengths[i] > 125) || (bytes_of == 2 && lengths[i] > 65535))
                    continue;
                size_t size = write_frame(bytes, 2, lengths[i], bytes_of, masked);
                begin(BSC_BOUNDARY_FRAMES);
                for (size_t at = 0; at < size; at++) {
                    assert_true(at == 0 || !bsc_boundary_here(&boundary));
                    assert_int_equal(pass_bytes(bytes + at, 1), 1);
                }
                assert_true(bsc_boundary_here(&boundary));
                assert_false(boundary.closed);
            }
}

static void a_stop_lets_the_frame_end_and_nothing_more_pass(void **unused)
{
    (void)unused;
    char bytes[64];
    size_t size = write_frame(bytes, 1, 10, 0, false);
    size_t both = size + write_frame(bytes + size, 1, 10, 0, false);
    begin(BSC_BOUNDARY_FRAMES);
    assert_int_equal(pass_bytes(bytes, 3), 3);
    boundary.stop = true;
    assert_int_equal(pass_bytes(bytes + 3, both - 3), size - 3);
    assert_true(boundary.reached);
    assert_int_equal(pass_bytes(bytes, 5), 0);
}

static void a_close_frame_is_seen_when_it_is_whole(void **unused)
{
    (void)unused;
    char bytes[64];
    size_t size = write_frame(bytes, 8, 2, 0, true);
    begin(BSC_BOUNDARY_FRAMES);
    assert_int_equal(pass_bytes(bytes, size - 1), size - 1);
    assert_false(boundary.closed);
    assert_int_equal(pass_bytes(bytes + size - 1, 1), 1);
    assert_true(boundary.closed);
    begin(BSC_BOUNDARY_FRAMES);
    assert_int_equal(pass_bytes("\x88\x00", 2), 2);
    assert_true(boundary.closed);
}

static void an_event_ends_with_an_empty_line_of_any_kind(void **unused)
{
    (void)unused;
    static const char *const ends[] = { "\n\n", "\r\n\r\n", "\r\r", "\n\r\n", "\r\n\n" };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        begin(BSC_BOUNDARY_EVENTS);
        assert_true(bsc_boundary_here(&boundary));
        pass("data: a long line before it");
        assert_false(bsc_boundary_here(&boundary));
        pass("\ndata: b");
        pass(ends[i]);
        assert_true(bsc_boundary_here(&boundary));
        pass("d");
        assert_false(bsc_boundary_here(&boundary));
        for (const char *at = ends[i]; *at; at++)
            pass_bytes(at, 1);
        assert_true(bsc_boundary_here(&boundary));
    }
}

static void one_line_end_is_no_event(void **unused)
{
    (void)unused;
    begin(BSC_BOUNDARY_EVENTS);
    pass("data: a\r\n");
    assert_false(bsc_boundary_here(&boundary));
    pass("data: b\r");
    pass("\n");
    assert_false(bsc_boundary_here(&boundary));
}

static void a_stop_lets_the_event_end(void **unused)
{
    (void)unused;
    begin(BSC_BOUNDARY_EVENTS);
    pass("data: a");
    boundary.stop = true;
    assert_int_equal(pass(" b\r\n\r\ndata: c\r\n\r\n"), 6);
    assert_true(boundary.reached);
    begin(BSC_BOUNDARY_EVENTS);
    pass("data: a\n\n");
    boundary.stop = true;
    assert_int_equal(pass("data: c\n\n"), 0);
    assert_true(boundary.reached);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_spelling_of_a_length_is_understood_however_it_is_cut),
        cmocka_unit_test(a_stop_lets_the_frame_end_and_nothing_more_pass),
        cmocka_unit_test(a_close_frame_is_seen_when_it_is_whole),
        cmocka_unit_test(an_event_ends_with_an_empty_line_of_any_kind),
        cmocka_unit_test(one_line_end_is_no_event),
        cmocka_unit_test(a_stop_lets_the_event_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
