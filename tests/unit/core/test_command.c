/* SPDX-License-Identifier: Apache-2.0
 * Which command wins over what is under way: the table is whole, its rules hold in every cell, and
 * the page that users read shows it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "core/command.h"

static void every_command_has_a_ruling_in_every_situation(void **unused)
{
    (void)unused;
    for (unsigned c = 0; c < BSC_COMMAND_KIND_COUNT; c++) {
        assert_non_null(bsc_command_name((enum bsc_command_kind)c));
        for (unsigned s = 0; s < BSC_SITUATION_COUNT; s++)
            for (unsigned locked = 0; locked < 2; locked++) {
                struct bsc_ruling ruling =
                    bsc_command_rule((enum bsc_command_kind)c, (enum bsc_situation)s, locked);
                assert_int_not_equal(ruling.rule, BSC_RULE_NONE);
                assert_true(ruling.status == BSC_OK || ruling.status == BSC_BUSY ||
                            ruling.status == BSC_STATE || ruling.status == BSC_LOCKED);
                assert_int_equal(ruling.status == BSC_LOCKED, ruling.rule == BSC_RULE_LOCK);
                assert_true(locked || ruling.rule != BSC_RULE_LOCK);
            }
    }
    for (unsigned s = 0; s < BSC_SITUATION_COUNT; s++)
        assert_non_null(bsc_situation_name((enum bsc_situation)s));
    for (unsigned r = BSC_RULE_FREE; r < BSC_RULE_COUNT; r++) {
        assert_true(*bsc_rule_name((enum bsc_rule)r));
        assert_true(*bsc_rule_text((enum bsc_rule)r));
    }
}

static void nothing_holds_up_the_way_back(void **unused)
{
    (void)unused;
    for (unsigned s = 0; s < BSC_SITUATION_COUNT; s++)
        for (unsigned locked = 0; locked < 2; locked++) {
            enum bsc_situation situation = (enum bsc_situation)s;
            bool open = situation != BSC_AT_REST && situation != BSC_TIDYING &&
                        situation != BSC_TIDYING_HOOK;
            assert_int_equal(bsc_command_rule(BSC_COMMAND_ROLLBACK, situation, locked).status,
                             BSC_OK);
            assert_int_equal(bsc_command_rule(BSC_COMMAND_ABORT, situation, locked).status,
                             open ? BSC_OK : BSC_STATE);
        }
}

static void a_lock_refuses_nothing_that_is_not_new(void **unused)
{
    (void)unused;
    for (unsigned c = 0; c < BSC_COMMAND_KIND_COUNT; c++) {
        enum bsc_command_kind command = (enum bsc_command_kind)c;
        bool refused = bsc_command_rule(command, BSC_AT_REST, true).status == BSC_LOCKED;
        bool kept = command == BSC_COMMAND_ABORT || command == BSC_COMMAND_ROLLBACK ||
                    command == BSC_COMMAND_ROLLBACK_TO || command == BSC_COMMAND_PAUSE ||
                    command == BSC_COMMAND_REJECT || command == BSC_COMMAND_CHECK ||
                    command == BSC_COMMAND_TRAFFIC || command == BSC_COMMAND_LOCK ||
                    command == BSC_COMMAND_UNLOCK;
        assert_int_equal(refused, !kept);
        for (unsigned s = 0; refused && s < BSC_SITUATION_COUNT; s++)
            assert_int_equal(bsc_command_rule(command, (enum bsc_situation)s, true).status,
                             BSC_LOCKED);
    }
}

static void write_table(struct bsc_text *out)
{
    bsc_text_puts(out, "| command |");
    for (unsigned s = 0; s < BSC_SITUATION_COUNT; s++)
        bsc_text_printf(out, " %s |", bsc_situation_name((enum bsc_situation)s));
    bsc_text_puts(out, " locked |\n|---|");
    for (unsigned s = 0; s <= BSC_SITUATION_COUNT; s++)
        bsc_text_puts(out, "---|");
    for (unsigned c = 0; c < BSC_COMMAND_KIND_COUNT; c++) {
        enum bsc_command_kind command = (enum bsc_command_kind)c;
        bsc_text_printf(out, "\n| `%s` |", bsc_command_name(command));
        for (unsigned s = 0; s < BSC_SITUATION_COUNT; s++) {
            struct bsc_ruling ruling = bsc_command_rule(command, (enum bsc_situation)s, false);
            const char *name = bsc_rule_name(ruling.rule);
            if (ruling.rule == BSC_RULE_FREE)
                bsc_text_puts(out, " yes |");
            else
                bsc_text_printf(out, " %s: %s |", ruling.status == BSC_OK ? "yes" : "no", name);
        }
        bool locked = bsc_command_rule(command, BSC_AT_REST, true).status == BSC_LOCKED;
        bsc_text_puts(out, locked ? " no: lock |" : " as left |");
    }
    bsc_text_puts(out, "\n");
}

static void the_page_for_users_shows_the_table_and_the_rules(void **unused)
{
    (void)unused;
    char path[512], *page = NULL;
    size_t capacity = 0;
    struct bsc_text table = { 0 };
    const char *source = getenv("BASCULE_SOURCE");
    snprintf(path, sizeof path, "%s/docs/commands-during-a-rollout.md", source ? source : ".");
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_true(getdelim(&page, &capacity, '\0', file) > 0);
    fclose(file);
    write_table(&table);
    if (!strstr(page, bsc_text_get(&table))) {
        puts(bsc_text_get(&table));
        fail_msg("%s does not show the table above", path);
    }
    for (unsigned r = BSC_RULE_WAY_BACK; r < BSC_RULE_COUNT; r++) {
        char rule[160];
        snprintf(rule, sizeof rule, "**%s**: %s", bsc_rule_name((enum bsc_rule)r),
                 bsc_rule_text((enum bsc_rule)r));
        if (!strstr(page, rule))
            fail_msg("%s does not say: %s", path, rule);
    }
    bsc_text_deinit(&table);
    free(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_has_a_ruling_in_every_situation),
        cmocka_unit_test(nothing_holds_up_the_way_back),
        cmocka_unit_test(a_lock_refuses_nothing_that_is_not_new),
        cmocka_unit_test(the_page_for_users_shows_the_table_and_the_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
