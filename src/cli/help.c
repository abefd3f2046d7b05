/* SPDX-License-Identifier: Apache-2.0
 * cli/help.c - see help.h; the manual page is in man.c. */
#include "cli/help.h"

#include <stdio.h>

#include "cli/output.h"

enum { LABEL_CELLS = 24, WIDEST = 100 };

static void add_option_name(const struct bsc_option_entry *option, struct bsc_text *out)
{
    if (option->letter)
        bsc_text_printf(out, "-%c, ", option->letter);
    bsc_text_printf(out, "--%s%s%s", option->name, option->metavar ? " " : "",
                    option->metavar ? option->metavar : "");
}

void bsc_help_synopsis(const struct bsc_cli_command *command, struct bsc_text *out)
{
    bsc_text_printf(out, "bascule %s", command->name);
    for (const struct bsc_argument *argument = command->arguments; argument->name; argument++)
        bsc_text_printf(out, argument->optional ? " [%s]" : " %s", argument->name);
    for (unsigned i = 0; i < BSC_OPTION_COUNT; i++) {
        if (!(command->options & BSC_OPTION_BIT(i)) || bsc_options[i].hidden)
            continue;
        bsc_text_puts(out, " [");
        if (bsc_options[i].letter)
            bsc_text_printf(out, "-%c", bsc_options[i].letter);
        else
            bsc_text_printf(out, "--%s", bsc_options[i].name);
        if (bsc_options[i].metavar)
            bsc_text_printf(out, " %s", bsc_options[i].metavar);
        bsc_text_puts(out, "]");
    }
}

void bsc_help_usage(const struct bsc_cli_command *command, struct bsc_text *out)
{
    bsc_text_puts(out, "Usage: ");
    bsc_help_synopsis(command, out);
    bsc_text_printf(out, "\nMore: bascule help %s\n", command->name);
}

/* "  label      text", the text wrapped under itself. */
static void add_entry(const char *label, const char *text, unsigned columns, struct bsc_text *out)
{
    size_t from = out->size;
    bsc_text_printf(out, "  %s", label);
    if (bsc_cells(bsc_text_get(out) + from) >= LABEL_CELLS) {
        bsc_text_puts(out, "\n");
        from = out->size;
    }
    bsc_cells_pad(out, from, LABEL_CELLS);
    struct bsc_text wrapped = { 0 };
    bsc_output_wrap(&wrapped, text, LABEL_CELLS, columns);
    bsc_text_puts(out, bsc_text_get(&wrapped) + (*text ? LABEL_CELLS : 0));
    bsc_text_deinit(&wrapped);
}

static void add_options(uint64_t options, unsigned columns, struct bsc_text *out)
{
    for (unsigned i = 0; i < BSC_OPTION_COUNT; i++) {
        if (!(options & BSC_OPTION_BIT(i)) || bsc_options[i].hidden)
            continue;
        struct bsc_text label = { 0 }, text = { 0 };
        add_option_name(&bsc_options[i], &label);
        bsc_text_puts(&text, bsc_options[i].help);
        if (bsc_options[i].variable)
            bsc_text_printf(&text, "; environment: %s", bsc_options[i].variable);
        add_entry(bsc_text_get(&label), bsc_text_get(&text), columns, out);
        bsc_text_deinit(&label);
        bsc_text_deinit(&text);
    }
}

static void add_option_names(uint64_t options, unsigned columns, struct bsc_text *out)
{
    struct bsc_text names = { 0 };
    for (unsigned i = 0; i < BSC_OPTION_COUNT; i++)
        if (options & BSC_OPTION_BIT(i)) {
            bsc_text_puts(&names, names.size ? "  " : "");
            add_option_name(&bsc_options[i], &names);
        }
    bsc_output_wrap(out, bsc_text_get(&names), 2, columns);
    bsc_text_deinit(&names);
}

static void add_command_page(const struct bsc_cli_command *command, unsigned columns,
                             struct bsc_text *out)
{
    struct bsc_text synopsis = { 0 };
    bsc_help_synopsis(command, &synopsis);
    bsc_text_printf(out, "bascule %s - %s\n\nUsage:\n", command->name, command->summary);
    bsc_output_wrap(out, bsc_text_get(&synopsis), 2, columns);
    bsc_text_puts(out, "\n");
    bsc_output_wrap(out, command->description, 0, columns);
    bsc_text_deinit(&synopsis);
    if (command->arguments[0].name)
        bsc_text_puts(out, "\nArguments:\n");
    for (const struct bsc_argument *argument = command->arguments; argument->name; argument++)
        add_entry(argument->name, argument->help, columns, out);
    if (command->options & ~BSC_OPTION_BIT(BSC_OPTION_MAN))
        bsc_text_puts(out, "\nOptions:\n");
    add_options(command->options, columns, out);
    bsc_text_puts(out, "\nOptions of every command (see `bascule help`):\n");
    add_option_names(bsc_options_everywhere, columns, out);
    bsc_text_puts(out, "\nExamples:\n");
    for (const struct bsc_example *example = command->examples; example->line; example++)
        bsc_text_printf(out, "  %-44s%s%s\n", example->line, *example->text ? "  # " : "",
                        example->text);
}

static void add_overview(unsigned columns, struct bsc_text *out)
{
    bsc_text_puts(out, "bascule - new versions of your services, without losing a request\n\n"
                       "Usage:\n  bascule COMMAND [ARGUMENTS] [OPTIONS]\n");
    for (enum bsc_group group = 0; group < BSC_GROUP_COUNT; group++) {
        bsc_text_printf(out, "\n%s:\n", bsc_group_title(group));
        for (size_t i = 0; i < bsc_command_count; i++)
            if (bsc_commands[i].group == group)
                add_entry(bsc_commands[i].name, bsc_commands[i].summary, columns, out);
    }
    bsc_text_puts(out, "\nOptions of every command, anywhere on the line:\n");
    add_options(bsc_options_everywhere, columns, out);
    bsc_text_puts(out, "\nExit status:\n");
    for (unsigned i = 0; i < BSC_EXIT_COUNT; i++) {
        char number[16];
        snprintf(number, sizeof number, "%u", i);
        add_entry(number, bsc_exit_meanings[i], columns, out);
    }
    bsc_text_puts(out, "\n`bascule help COMMAND` explains one, with examples.\n");
}

void bsc_help_page(const struct bsc_cli_command *command, unsigned columns, struct bsc_text *out)
{
    if (command)
        add_command_page(command, columns, out);
    else
        add_overview(columns, out);
}

int bsc_help_print(const struct bsc_cli_command *command)
{
    unsigned columns, rows;
    struct bsc_text page = { 0 };
    bsc_output_size(&columns, &rows);
    bsc_help_page(command, columns < WIDEST ? columns : WIDEST, &page);
    fputs(bsc_text_get(&page), stdout);
    bsc_text_deinit(&page);
    return BSC_EXIT_DONE;
}
