/* SPDX-License-Identifier: Apache-2.0
 * tests of cli/table.h and of what is made out of it: help, the manual page, completion */
#include "cli/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cli/complete.h"
#include "cli/help.h"

static void every_command_says_what_it_does_and_shows_it(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < bsc_command_count; i++) {
        const struct bsc_cli_command *command = &bsc_commands[i];
        assert_ptr_equal(bsc_command_find(command->name), command);
        assert_true(strlen(command->summary) > 10 && strlen(command->summary) < 60);
        assert_true(command->summary[strlen(command->summary) - 1] != '.');
        assert_true(strlen(command->description) > 20);
        assert_non_null(command->run);
        assert_non_null(command->examples[0].line);
        for (const struct bsc_example *example = command->examples; example->line; example++)
            assert_non_null(strstr(example->line, "bascule"));
        for (const struct bsc_argument *argument = command->arguments; argument->name; argument++) {
            assert_true(strlen(argument->help) > 5);
            assert_true((argument->value == BSC_VALUE_CHOICE) == (argument->choices != NULL));
        }
    }
}

static void every_option_is_documented_and_belongs_to_a_command(void **unused)
{
    uint64_t used = bsc_options_everywhere;
    (void)unused;
    for (size_t i = 0; i < bsc_command_count; i++) {
        assert_int_equal(bsc_commands[i].options & bsc_options_everywhere, 0);
        used |= bsc_commands[i].options;
    }
    for (unsigned i = 0; i < BSC_OPTION_COUNT; i++) {
        assert_non_null(bsc_options[i].name);
        assert_true(strlen(bsc_options[i].help) > 10);
        assert_true((bsc_options[i].value == BSC_VALUE_CHOICE) == (bsc_options[i].choices != NULL));
        assert_true(used & BSC_OPTION_BIT(i));
    }
}

static void no_command_has_two_options_of_one_letter(void **unused)
{
    (void)unused;
    for (size_t c = 0; c < bsc_command_count; c++) {
        char seen[BSC_OPTION_COUNT + 1] = "";
        uint64_t options = bsc_commands[c].options | bsc_options_everywhere;
        for (unsigned i = 0; i < BSC_OPTION_COUNT; i++) {
            if (!(options & BSC_OPTION_BIT(i)) || !bsc_options[i].letter)
                continue;
            assert_null(strchr(seen, bsc_options[i].letter));
            seen[strlen(seen)] = bsc_options[i].letter;
        }
    }
}

static void help_names_every_command_option_and_exit_status(void **unused)
{
    struct bsc_text page = { 0 };
    (void)unused;
    bsc_help_page(NULL, 80, &page);
    for (size_t i = 0; i < bsc_command_count; i++)
        assert_non_null(strstr(bsc_text_get(&page), bsc_commands[i].summary));
    assert_non_null(strstr(bsc_text_get(&page), "--state DIR"));
    assert_non_null(strstr(bsc_text_get(&page), "BASCULE_STATE"));
    assert_non_null(strstr(bsc_text_get(&page), bsc_exit_meanings[BSC_EXIT_TIMEOUT]));
    bsc_text_deinit(&page);
    for (size_t i = 0; i < bsc_command_count; i++) {
        bsc_help_page(&bsc_commands[i], 80, &page);
        for (unsigned o = 0; o < BSC_OPTION_COUNT; o++) {
            char name[40];
            snprintf(name, sizeof name, "--%s", bsc_options[o].name);
            if (bsc_commands[i].options & BSC_OPTION_BIT(o) && !bsc_options[o].hidden)
                assert_non_null(strstr(bsc_text_get(&page), name));
        }
        bsc_text_deinit(&page);
    }
}

static void help_keeps_to_the_width_of_the_terminal(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < bsc_command_count; i++) {
        struct bsc_text page = { 0 };
        bsc_help_page(&bsc_commands[i], 80, &page);
        for (char *line = strtok(page.data, "\n"); line; line = strtok(NULL, "\n"))
            assert_true(strlen(line) <= 80 || strstr(line, "  # "));
        bsc_text_deinit(&page);
    }
}

static void the_manual_page_has_every_command_and_no_line_that_roff_misreads(void **unused)
{
    struct bsc_text page = { 0 };
    (void)unused;
    bsc_help_man(&page);
    for (size_t i = 0; i < bsc_command_count; i++) {
        char section[64];
        snprintf(section, sizeof section, ".SS %s", bsc_commands[i].name);
        assert_non_null(strstr(bsc_text_get(&page), section));
    }
    assert_non_null(strstr(bsc_text_get(&page), ".SH EXIT STATUS"));
    for (char *line = strtok(page.data, "\n"); line; line = strtok(NULL, "\n"))
        if (*line == '.' || *line == '\'')
            assert_non_null(strchr("TSPBInfR", line[1]));
    bsc_text_deinit(&page);
}

static void name_it(void *argument, enum bsc_value value, const struct bsc_call *call,
                    struct bsc_text *out)
{
    (void)argument;
    if (value == BSC_VALUE_SERVICE)
        bsc_text_puts(out, "web\nworker\napi\n");
    else if (value == BSC_VALUE_RELEASE)
        bsc_text_printf(out, "%s-v1\n%s-v2\n", call->arguments[0], call->arguments[0]);
    else if (value == BSC_VALUE_INSTANCE && call->text[BSC_OPTION_STATE])
        bsc_text_printf(out, "in-%s\n", call->text[BSC_OPTION_STATE]);
}

static void check_completion(const char *line, const char *expected)
{
    static const struct bsc_complete_names names = { .add = name_it };
    char buffer[128] = "", *words[12];
    struct bsc_text out = { 0 }, candidates = { 0 };
    int count = 0;
    strncpy(buffer, line, sizeof buffer - 1);
    for (char *rest = buffer, *word; (word = strsep(&rest, " "));)
        words[count++] = word;
    bsc_complete(count, words, &names, &out);
    for (char *found = out.data ? strtok(out.data, "\n") : NULL; found; found = strtok(NULL, "\n"))
        bsc_text_printf(&candidates, "%s%.*s", candidates.size ? " " : "",
                        (int)strcspn(found, "\t"), found);
    assert_string_equal(bsc_text_get(&candidates), expected);
    bsc_text_deinit(&out);
    bsc_text_deinit(&candidates);
}

static void completion_knows_what_can_stand_where(void **unused)
{
    (void)unused;
    check_completion("s", "switch status serve");
    check_completion("deploy ", "web worker api");
    check_completion("deploy w", "web worker");
    check_completion("deploy web ", "web-v1 web-v2");
    check_completion("deploy web web-v1 ", "");
    check_completion("deploy web v2 --sta", "--state --stage");
    check_completion("--json traffic web m", "maintenance");
    check_completion("logs web --slot ", "blue green");
    check_completion("--state DIR logs web --instance ", "in-DIR");
    check_completion("--state=/x logs web --instance ", "in-/x");
    check_completion("apply -f ", ":files");
    check_completion("--state ", ":directories");
    check_completion("help wa", "wait");
    check_completion("completion ", "bash zsh fish");
    check_completion("nonsense --no-c", "--no-color");
}

static void completion_lists_every_command(void **unused)
{
    struct bsc_text all = { 0 };
    (void)unused;
    for (size_t i = 0; i < bsc_command_count; i++)
        bsc_text_printf(&all, "%s%s", i ? " " : "", bsc_commands[i].name);
    check_completion("", bsc_text_get(&all));
    bsc_text_deinit(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_says_what_it_does_and_shows_it),
        cmocka_unit_test(every_option_is_documented_and_belongs_to_a_command),
        cmocka_unit_test(no_command_has_two_options_of_one_letter),
        cmocka_unit_test(help_names_every_command_option_and_exit_status),
        cmocka_unit_test(help_keeps_to_the_width_of_the_terminal),
        cmocka_unit_test(the_manual_page_has_every_command_and_no_line_that_roff_misreads),
        cmocka_unit_test(completion_knows_what_can_stand_where),
        cmocka_unit_test(completion_lists_every_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
