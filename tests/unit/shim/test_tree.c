/* SPDX-License-Identifier: Apache-2.0
 * The shim finds every descendant and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "shim/tree.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void a_name_with_spaces_and_parentheses_does_not_confuse(void **unused)
{
    (void)unused;
    const char *stat = "4242 (a) b (c) R 17 4242 4242 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 987654 "
                       "1000 200\n";
    struct bsc_process process;
    assert_true(bsc_process_parse(stat, &process));
    assert_int_equal(process.pid, 4242);
    assert_int_equal(process.parent, 17);
    assert_int_equal(process.start_ticks, 987654);
}

static void what_is_not_a_stat_line_is_refused(void **unused)
{
    (void)unused;
    static const char *const cases[] = { "", "1", "1 (x", "x (y) R 1 2", "1 (x) R 5 6 7" };
    struct bsc_process process;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_false(bsc_process_parse(cases[i], &process));
}

static struct bsc_process *find(struct bsc_process *list, size_t count, pid_t pid)
{
    for (size_t i = 0; i < count; i++)
        if (list[i].pid == pid)
            return &list[i];
    fail();
    return NULL;
}

static void all_generations_are_marked_and_strangers_are_not(void **unused)
{
    (void)unused;
    /* Also a child with a smaller pid than its parent: pids wrap around. */
    struct bsc_process list[] = { { .pid = 1, .parent = 0 },     { .pid = 100, .parent = 1 },
                                  { .pid = 101, .parent = 100 }, { .pid = 300, .parent = 101 },
                                  { .pid = 50, .parent = 300 },  { .pid = 200, .parent = 1 },
                                  { .pid = 201, .parent = 200 }, { .pid = 102, .parent = 100 } };
    assert_int_equal(bsc_tree_mark(list, COUNT(list), 100), 4);
    static const pid_t in[] = { 101, 300, 50, 102 }, out[] = { 1, 100, 200, 201 };
    for (size_t i = 0; i < COUNT(in); i++)
        assert_true(find(list, COUNT(list), in[i])->in_tree);
    for (size_t i = 0; i < COUNT(out); i++)
        assert_false(find(list, COUNT(list), out[i])->in_tree);
}

static void a_ring_of_parents_ends(void **unused)
{
    (void)unused;
    struct bsc_process list[] = { { .pid = 7, .parent = 8 }, { .pid = 8, .parent = 7 } };
    assert_int_equal(bsc_tree_mark(list, COUNT(list), 100), 0);
    assert_int_equal(bsc_tree_mark(list, 0, 100), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_with_spaces_and_parentheses_does_not_confuse),
        cmocka_unit_test(what_is_not_a_stat_line_is_refused),
        cmocka_unit_test(all_generations_are_marked_and_strangers_are_not),
        cmocka_unit_test(a_ring_of_parents_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
