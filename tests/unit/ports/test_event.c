/* SPDX-License-Identifier: Apache-2.0
 * The words for what a service does with its traffic. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ports/event.h"

static void traffic_is_read_as_it_is_written(void **unused)
{
    (void)unused;
    static const char *const words[] = { "serve", "hold", "maintenance", "stop" };
    for (unsigned i = 0; i < sizeof words / sizeof *words; i++) {
        enum bsc_traffic traffic;
        assert_true(bsc_traffic_parse(words[i], &traffic));
        assert_string_equal(bsc_traffic_name(traffic), words[i]);
    }
}

static void no_other_word_is_accepted(void **unused)
{
    (void)unused;
    enum bsc_traffic traffic = BSC_TRAFFIC_SERVE;
    assert_false(bsc_traffic_parse("", &traffic));
    assert_false(bsc_traffic_parse("Hold", &traffic));
    assert_false(bsc_traffic_parse("stopped", &traffic));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(traffic_is_read_as_it_is_written),
        cmocka_unit_test(no_other_word_is_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
