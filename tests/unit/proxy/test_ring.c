/* SPDX-License-Identifier: Apache-2.0
 * Tests of proxy/ring.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <string.h>

#include "proxy/ring.h"

static void records_come_out_as_they_went_in_also_over_the_end(void **unused)
{
    (void)unused;
    struct bsc_ring ring = { .capacity = 64 };
    char out[32];
    assert_false(bsc_ring_look(&ring, 0, out, 1));
    for (uint32_t round = 0; round < 100; round++) {
        uint32_t body = round % 17, size = (uint32_t)sizeof size + body;
        char bytes[32], wanted[32];
        memset(bytes, (int)round, sizeof bytes);
        struct bsc_piece pieces[] = { { &size, sizeof size }, { bytes, body }, { NULL, 0 } };
        assert_true(bsc_ring_put(&ring, pieces, 3));
        uint32_t found;
        assert_true(bsc_ring_look(&ring, 0, &found, sizeof found));
        assert_int_equal(found, size);
        memset(wanted, (int)round, sizeof wanted);
        assert_true(bsc_ring_look(&ring, sizeof found, out, body));
        assert_memory_equal(out, wanted, body);
        bsc_ring_pass(&ring, size);
        assert_false(bsc_ring_look(&ring, 0, &found, sizeof found));
    }
    free(ring.bytes);
}

static void a_full_ring_takes_nothing_and_keeps_what_it_has(void **unused)
{
    (void)unused;
    struct bsc_ring ring = { .capacity = 32 };
    uint32_t size = 16, found;
    char body[12] = "eleven byte";
    struct bsc_piece pieces[] = { { &size, sizeof size }, { body, sizeof body } };
    assert_true(bsc_ring_put(&ring, pieces, 2));
    assert_true(bsc_ring_put(&ring, pieces, 2));
    assert_false(bsc_ring_put(&ring, pieces, 2));
    bsc_ring_pass(&ring, size);
    assert_true(bsc_ring_put(&ring, pieces, 2));
    for (int i = 0; i < 2; i++) {
        assert_true(bsc_ring_look(&ring, 0, &found, sizeof found));
        assert_int_equal(found, 16);
        bsc_ring_pass(&ring, found);
    }
    assert_false(bsc_ring_look(&ring, 0, &found, sizeof found));
    free(ring.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_out_as_they_went_in_also_over_the_end),
        cmocka_unit_test(a_full_ring_takes_nothing_and_keeps_what_it_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
