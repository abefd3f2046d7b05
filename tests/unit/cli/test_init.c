/* SPDX-License-Identifier: Apache-2.0
 * Which strategy is right for whom, and the file that comes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/init.h"
#include "config/config.h"

static void decides(const char *words, const char *strategy)
{
    const struct bsc_init_row *row;
    struct bsc_error error;
    assert_int_equal(bsc_init_decide(words, &row, &error), BSC_OK);
    assert_string_equal(row->strategy, strategy);
}

static void the_first_row_that_holds_decides_whatever_the_order_of_the_words(void **unused)
{
    (void)unused;
    decides("no-downtime", "blue-green");
    decides("few-users-first", "canary");
    decides("tight-budget", "rolling");
    decides("frequent-small-changes", "rolling");
    decides("no-coexistence", "recreate");
    decides("no-downtime,tight-budget", "rolling");
    decides("tight-budget,no-downtime,no-coexistence", "recreate");
    decides("tight-budget,few-users-first", "canary");
}

static void an_unknown_word_is_told_with_those_that_are_known(void **unused)
{
    (void)unused;
    const struct bsc_init_row *row;
    struct bsc_error error;
    assert_int_equal(bsc_init_decide("no-downtime,tight-budgte", &row, &error), BSC_INVALID);
    assert_non_null(strstr(error.text, "not 'tight-budgte'; did you mean tight-budget?"));
    assert_non_null(strstr(error.text, "no-coexistence, "));
    assert_int_equal(bsc_init_decide(",", &row, &error), BSC_INVALID);
}

/* What is written, read back. */
static struct bsc_config *written(const struct bsc_init_wish *wish)
{
    struct bsc_text text = { 0 };
    struct bsc_config_problems problems = { 0 };
    bsc_init_write(wish, &text);
    struct bsc_config *config =
        bsc_config_parse("/nowhere/bascule.yaml", text.data, text.size, &problems);
    for (size_t i = 0; i < problems.count; i++)
        print_message("%s: %u: %s: %s\n", wish->strategy, problems.items[i].line,
                      problems.items[i].key, problems.items[i].text);
    assert_non_null(config);
    bsc_text_deinit(&text);
    bsc_config_problems_deinit(&problems);
    return config;
}

static void every_strategy_that_is_offered_makes_a_valid_file(void **unused)
{
    unsigned offered = 0;
    (void)unused;
    for (unsigned i = 0; i < bsc_init_row_count; i++) {
        const struct bsc_init_row *row = &bsc_init_rows[i];
        if (!bsc_init_is_offered(row))
            continue;
        offered++;
        struct bsc_config *config = written(&(struct bsc_init_wish){
            .name = "shop",
            .command = "python3 app.py",
            .strategy = row->strategy,
            .because = row->because,
            .port = 8080,
        });
        assert_int_equal(config->service_count, 1);
        assert_string_equal(config->services[0]->name, "shop");
        bsc_config_destroy(config);
    }
    assert_true(offered >= 5);
}

static void a_command_is_kept_as_it_was_typed(void **unused)
{
    static const char command[] = "sh -c \"echo \\$HOME # \t'x': y\"";
    (void)unused;
    struct bsc_config *config = written(&(struct bsc_init_wish){
        .name = "web", .command = command, .strategy = "blue-green", .port = 1 });

    assert_string_equal(config->services[0]->command.shell, command);
    bsc_config_destroy(config);
}

static void the_page_for_users_has_the_same_table(void **unused)
{
    static char page[16384];
    char path[512];
    unsigned rows = 0;
    (void)unused;
    snprintf(path, sizeof path, "%s/docs/choosing-a-strategy.md", getenv("BASCULE_SOURCE"));
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    page[fread(page, 1, sizeof page - 1, file)] = '\0';
    fclose(file);
    const char *at = page;
    for (unsigned i = 0; i < bsc_init_row_count; i++) {
        const struct bsc_init_row *row = &bsc_init_rows[i];
        struct bsc_text line = { 0 };
        bsc_text_printf(&line, "| `%s` | %s | %s | %s |\n", row->word, row->question, row->strategy,
                        row->because);
        at = strstr(at, bsc_text_get(&line)); /* in this order */
        assert_non_null(at);
        bsc_text_deinit(&line);
    }
    for (at = page; (at = strstr(at, "\n| `")); at++)
        rows++;
    assert_int_equal(rows, bsc_init_row_count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_row_that_holds_decides_whatever_the_order_of_the_words),
        cmocka_unit_test(an_unknown_word_is_told_with_those_that_are_known),
        cmocka_unit_test(every_strategy_that_is_offered_makes_a_valid_file),
        cmocka_unit_test(a_command_is_kept_as_it_was_typed),
        cmocka_unit_test(the_page_for_users_has_the_same_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
