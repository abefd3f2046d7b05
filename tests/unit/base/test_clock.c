/* SPDX-License-Identifier: Apache-2.0
 * Durations and times are read and written exactly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"

static void a_duration_reads_its_units(void **unused)
{
    (void)unused;
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = { { "0", 0 },       { "0s", 0 },          { "250ms", 250 },   { "1.5s", 1500 },
                  { "2m", 120000 }, { "1h30m", 5400000 }, { "1d", 86400000 }, { "1m0.5s", 60500 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t ms = -1;
        struct bsc_error error;
        assert_int_equal(bsc_duration_parse(cases[i].text, &ms, &error), BSC_OK);
        assert_int_equal(ms, cases[i].ms);
    }
}

static void a_bad_duration_is_refused_and_named(void **unused)
{
    (void)unused;
    static const char *const cases[] = { "",    "s",      "5",      "-1s",
                                         "1 s", "1x",     "1s2m",   "1s1s",
                                         "1.s", "20000d", "1.2.3s", "99999999999999s" };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t ms = -1;
        struct bsc_error error;
        assert_int_equal(bsc_duration_parse(cases[i], &ms, &error), BSC_INVALID);
        assert_int_equal(ms, -1);
    }
}

static void what_is_written_is_read_back(void **unused)
{
    (void)unused;
    static const int64_t cases[] = { 0, 1, 999, 1000, 61001, 90000, 86400000, 93784005 };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[BSC_DURATION_BYTES];
        int64_t ms = -1;
        assert_int_equal(bsc_duration_parse(bsc_duration_format(cases[i], text), &ms, NULL),
                         BSC_OK);
        assert_int_equal(ms, cases[i]);
    }
}

static void a_time_is_written_in_utc(void **unused)
{
    (void)unused;
    char text[BSC_TIME_BYTES];
    assert_string_equal(bsc_time_format(1769860800123, text), "2026-01-31T12:00:00.123Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_duration_reads_its_units),
        cmocka_unit_test(a_bad_duration_is_refused_and_named),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(a_time_is_written_in_utc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
