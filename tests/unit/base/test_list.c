/* SPDX-License-Identifier: Apache-2.0
 * The intrusive ring. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/list.h"

struct item {
    int number;
    struct bsc_list link;
};

static int number_of(struct bsc_list *node)
{
    return BSC_CONTAINER(node, struct item, link)->number;
}

static void nodes_are_taken_off_in_their_order_until_none_is_left(void **unused)
{
    (void)unused;
    struct bsc_list list;
    struct item items[] = { { .number = 1 }, { .number = 2 }, { .number = 3 } };
    bsc_list_init(&list);
    bsc_list_add_tail(&list, &items[1].link);
    bsc_list_add_tail(&list, &items[2].link);
    bsc_list_add_head(&list, &items[0].link);
    for (int wanted = 1; wanted <= 3; wanted++)
        assert_int_equal(number_of(bsc_list_pop(&list)), wanted);
    assert_null(bsc_list_pop(&list));
    assert_true(bsc_list_empty(&list));
}

static void what_was_taken_off_can_be_removed_again_or_added_elsewhere(void **unused)
{
    (void)unused;
    struct bsc_list list, other;
    struct item items[] = { { .number = 1 }, { .number = 2 } };
    bsc_list_init(&list);
    bsc_list_init(&other);
    bsc_list_add_tail(&list, &items[0].link);
    bsc_list_add_tail(&list, &items[1].link);
    struct bsc_list *first = bsc_list_pop(&list);
    bsc_list_remove(first);
    bsc_list_add_tail(&other, first);
    assert_int_equal(number_of(other.next), 1);
    assert_int_equal(number_of(list.next), 2);
    assert_int_equal(number_of(list.previous), 2);
}

static void a_node_is_removed_from_the_middle(void **unused)
{
    (void)unused;
    struct bsc_list list;
    struct item items[] = { { .number = 1 }, { .number = 2 }, { .number = 3 } };
    bsc_list_init(&list);
    for (unsigned i = 0; i < 3; i++)
        bsc_list_add_tail(&list, &items[i].link);
    bsc_list_remove(&items[1].link);
    assert_ptr_equal(items[0].link.next, &items[2].link);
    assert_ptr_equal(items[2].link.previous, &items[0].link);
    assert_true(bsc_list_empty(&items[1].link));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_are_taken_off_in_their_order_until_none_is_left),
        cmocka_unit_test(what_was_taken_off_can_be_removed_again_or_added_elsewhere),
        cmocka_unit_test(a_node_is_removed_from_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
