/* SPDX-License-Identifier: Apache-2.0
 * The end of a growing, rotating log file is read line by line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/tail.h"

struct place {
    char folder[64], path[96], rotated[96];
    struct bsc_tail tail;
    struct bsc_text out;
};

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    snprintf(place->folder, sizeof place->folder, "/tmp/bascule-tail.XXXXXX");
    if (!mkdtemp(place->folder))
        return -1;
    snprintf(place->path, sizeof place->path, "%s/log", place->folder);
    snprintf(place->rotated, sizeof place->rotated, "%s/log.1", place->folder);
    bsc_tail_init(&place->tail, "web", place->path);
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    bsc_tail_deinit(&place->tail);
    bsc_text_deinit(&place->out);
    unlink(place->path);
    unlink(place->rotated);
    rmdir(place->folder);
    free(place);
    return 0;
}

static void append(const char *path, const char *text)
{
    FILE *file = fopen(path, "a");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void assert_out(struct place *place, const char *wanted)
{
    assert_string_equal(bsc_text_get(&place->out), wanted);
    bsc_text_clear(&place->out);
}

static void the_last_lines_come_with_their_instance(void **state)
{
    struct place *place = *state;
    append(place->path, "one\ntwo\n\nthree\n");
    bsc_tail_last(&place->tail, 3, 4096, &place->out);
    assert_out(place, "web | two\nweb | \nweb | three\n");
}

static void lines_before_the_rotation_count_too(void **state)
{
    struct place *place = *state;
    append(place->rotated, "one\ntwo\n");
    append(place->path, "three\n");
    bsc_tail_last(&place->tail, 2, 4096, &place->out);
    assert_out(place, "web | two\nweb | three\n");
}

static void no_lines_are_none(void **state)
{
    struct place *place = *state;
    append(place->path, "one\n");
    bsc_tail_last(&place->tail, 0, 4096, &place->out);
    assert_out(place, "");
    assert_false(bsc_tail_read(&place->tail, &place->out));
}

static void a_limit_cuts_at_a_line(void **state)
{
    struct place *place = *state;
    append(place->path, "a long first line\ntwo\nthree\n");
    bsc_tail_last(&place->tail, 100, 12, &place->out);
    assert_out(place, "web | two\nweb | three\n");
}

static void what_comes_later_is_read_in_whole_lines(void **state)
{
    struct place *place = *state;
    append(place->path, "one\ntw");
    bsc_tail_last(&place->tail, 10, 4096, &place->out);
    assert_out(place, "web | one\n");
    assert_false(bsc_tail_has_more(&place->tail));
    append(place->path, "o\nthr");
    assert_true(bsc_tail_has_more(&place->tail));
    assert_true(bsc_tail_read(&place->tail, &place->out));
    assert_out(place, "web | two\n");
    bsc_tail_flush(&place->tail, &place->out);
    assert_out(place, "web | thr\n");
}

static void a_file_that_comes_later_is_found(void **state)
{
    struct place *place = *state;
    bsc_tail_last(&place->tail, 10, 4096, &place->out);
    assert_false(bsc_tail_has_more(&place->tail));
    append(place->path, "one\n");
    assert_true(bsc_tail_has_more(&place->tail));
    assert_true(bsc_tail_read(&place->tail, &place->out));
    assert_out(place, "web | one\n");
}

static void a_rotation_loses_nothing(void **state)
{
    struct place *place = *state;
    append(place->path, "one\n");
    bsc_tail_last(&place->tail, 10, 4096, &place->out);
    append(place->path, "two\n");
    assert_int_equal(rename(place->path, place->rotated), 0);
    append(place->path, "three\n");
    while (bsc_tail_read(&place->tail, &place->out))
        ;
    assert_out(place, "web | one\nweb | two\nweb | three\n");
    assert_false(bsc_tail_has_more(&place->tail));
}

static void control_characters_are_escaped_but_tabs_stay(void **state)
{
    struct place *place = *state;
    append(place->path, "\x1b[31mred\tx\r\n\xff\n");
    bsc_tail_last(&place->tail, 10, 4096, &place->out);
    assert_out(place, "web | \\x1b[31mred\tx\nweb | \\xff\n");
}

static void a_line_without_end_is_broken(void **state)
{
    struct place *place = *state;
    FILE *file = fopen(place->path, "w");
    assert_non_null(file);
    for (int i = 0; i < BSC_TAIL_LINE_BYTES + 1; i++)
        fputc('x', file);
    fputs("\nend\n", file);
    assert_int_equal(fclose(file), 0);
    bsc_tail_last(&place->tail, 10, 1 << 20, &place->out);
    const char *second = strchr(bsc_text_get(&place->out), '\n');
    assert_non_null(second);
    assert_int_equal(second - bsc_text_get(&place->out), BSC_TAIL_LINE_BYTES + 6);
    assert_string_equal(second, "\nweb | x\nweb | end\n");
}

static void a_link_is_not_followed(void **state)
{
    struct place *place = *state;
    append(place->rotated, "secret\n");
    assert_int_equal(symlink(place->rotated, place->path), 0);
    bsc_tail_last(&place->tail, 0, 4096, &place->out);
    assert_int_equal(place->tail.fd, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_last_lines_come_with_their_instance, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lines_before_the_rotation_count_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_lines_are_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_limit_cuts_at_a_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_comes_later_is_read_in_whole_lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_comes_later_is_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_rotation_loses_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(control_characters_are_escaped_but_tabs_stay, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_line_without_end_is_broken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_link_is_not_followed, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
