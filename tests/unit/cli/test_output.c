/* SPDX-License-Identifier: Apache-2.0
 * tests of cli/output.h and cli/screen.h */
#include "cli/output.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/screen.h"

static const struct bsc_output plain = { .unicode = true };
static const struct bsc_output colored = { .color = true, .unicode = true };

static void control_characters_of_others_never_reach_the_terminal(void **unused)
{
    struct bsc_text out = { 0 };
    (void)unused;
    bsc_output_add(&plain, &out, BSC_STYLE_RED, "a\033[2Jb\rc\nd");
    assert_string_equal(bsc_text_get(&out), "a\\x1b[2Jb\\x0dc\\x0ad");
    bsc_text_deinit(&out);
}

static void a_style_is_closed_and_an_empty_text_has_none(void **unused)
{
    struct bsc_text out = { 0 };
    (void)unused;
    bsc_output_add(&colored, &out, BSC_STYLE_RED, "");
    bsc_output_add(&colored, &out, BSC_STYLE_RED, "x");
    bsc_output_printf(&colored, &out, BSC_STYLE_PLAIN, "%d", 5);
    assert_string_equal(bsc_text_get(&out), "\033[31mx\033[0m5");
    bsc_text_deinit(&out);
}

static void tabs_become_spaces_up_to_the_next_stop(void **unused)
{
    struct bsc_text out = { 0 };
    (void)unused;
    bsc_output_add_line(&out, "ab\tc\t\033", 6);
    assert_string_equal(bsc_text_get(&out), "ab      c       \\x1b");
    bsc_text_deinit(&out);
}

static void later_lines_are_indented_and_the_last_line_end_is_dropped(void **unused)
{
    struct bsc_text out = { 0 };
    (void)unused;
    bsc_output_add_lines(&out, "one\ntwo\033\n\n", 2);
    bsc_output_add_lines(&out, "\n", 2);
    assert_string_equal(bsc_text_get(&out), "one\n  two\\x1b");
    bsc_text_deinit(&out);
}

static void cells_count_what_is_seen(void **unused)
{
    (void)unused;
    assert_int_equal(bsc_cells(""), 0);
    assert_int_equal(bsc_cells("abc"), 3);
    assert_int_equal(bsc_cells("\033[1mabc\033[0m"), 3);
    assert_int_equal(bsc_cells("✓ é…"), 4);
    assert_int_equal(bsc_cells("\xff\xfe"), 2);
}

static void a_line_is_cut_with_an_ellipsis_and_its_styles_stay_closed(void **unused)
{
    struct bsc_text out = { 0 };
    (void)unused;
    bsc_text_puts(&out, "kept\n");
    size_t from = out.size;
    bsc_output_add(&colored, &out, BSC_STYLE_BOLD, "abcdef");
    bsc_cells_cut(&colored, &out, from, 4);
    assert_string_equal(bsc_text_get(&out), "kept\n\033[1mabc…\033[0m");
    assert_int_equal(bsc_cells(bsc_text_get(&out) + from), 4);
    bsc_cells_cut(&colored, &out, from, 4);
    assert_int_equal(bsc_cells(bsc_text_get(&out) + from), 4);
    bsc_text_deinit(&out);
}

static void a_line_that_fits_is_left_alone(void **unused)
{
    struct bsc_text out = { 0 };
    (void)unused;
    bsc_text_puts(&out, "abcd");
    bsc_cells_cut(&plain, &out, 0, 4);
    assert_string_equal(bsc_text_get(&out), "abcd");
    bsc_cells_pad(&out, 0, 6);
    assert_string_equal(bsc_text_get(&out), "abcd  ");
    bsc_text_deinit(&out);
}

static void text_is_wrapped_at_words_and_keeps_its_paragraphs(void **unused)
{
    struct bsc_text out = { 0 };
    (void)unused;
    bsc_output_wrap(&out, "one two three four five six\n\nseven", 2, 22);
    assert_string_equal(bsc_text_get(&out), "  one two three four\n  five six\n\n  seven\n");
    bsc_text_deinit(&out);
}

static void elapsed_times_are_short(void **unused)
{
    struct bsc_text out = { 0 };
    (void)unused;
    bsc_output_elapsed(&out, 7449);
    bsc_text_puts(&out, " ");
    bsc_output_elapsed(&out, 65000);
    bsc_text_puts(&out, " ");
    bsc_output_elapsed(&out, (2 * 3600 + 3 * 60) * 1000);
    assert_string_equal(bsc_text_get(&out), "7.4s 1m05s 2h03m");
    bsc_text_deinit(&out);
}

static void a_frame_that_a_narrower_terminal_broke_takes_more_rows(void **unused)
{
    (void)unused;
    assert_int_equal(bsc_screen_rows("", 10), 0);
    assert_int_equal(bsc_screen_rows("one\ntwo\n", 10), 2);
    assert_int_equal(bsc_screen_rows("0123456789\n\n", 10), 2);
    assert_int_equal(bsc_screen_rows("0123456789A\nx\n", 10), 3);
    assert_int_equal(bsc_screen_rows("\033[1m0123456789\033[0m\n", 5), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(control_characters_of_others_never_reach_the_terminal),
        cmocka_unit_test(a_style_is_closed_and_an_empty_text_has_none),
        cmocka_unit_test(tabs_become_spaces_up_to_the_next_stop),
        cmocka_unit_test(later_lines_are_indented_and_the_last_line_end_is_dropped),
        cmocka_unit_test(cells_count_what_is_seen),
        cmocka_unit_test(a_line_is_cut_with_an_ellipsis_and_its_styles_stay_closed),
        cmocka_unit_test(a_line_that_fits_is_left_alone),
        cmocka_unit_test(text_is_wrapped_at_words_and_keeps_its_paragraphs),
        cmocka_unit_test(elapsed_times_are_short),
        cmocka_unit_test(a_frame_that_a_narrower_terminal_broke_takes_more_rows),
    };
    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
