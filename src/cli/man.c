/* SPDX-License-Identifier: Apache-2.0
 * cli/man.c - bascule(1) out of the tables, in the macros of man(7). */
#include <string.h>

#include "cli/help.h"

void bsc_man_add_char(struct bsc_text *out, char c)
{
    if (c == '\\')
        bsc_text_puts(out, "\\e");
    else if (c == '-')
        bsc_text_puts(out, "\\-");
    else
        bsc_text_add(out, &c, 1);
}

/* Text as it is: leading dots mean something to roff, too. */
static void add_text(struct bsc_text *out, const char *text)
{
    bool line_begins = true;
    for (; *text; text++) {
        if (line_begins && (*text == '.' || *text == '\''))
            bsc_text_puts(out, "\\&");
        if (!strncmp(text, "\n\n", 2))
            bsc_text_puts(out, "\n.PP");
        else
            bsc_man_add_char(out, *text);
        line_begins = *text == '\n';
    }
}

static void add_options(struct bsc_text *out, uint64_t options)
{
    for (unsigned i = 0; i < BSC_OPTION_COUNT; i++) {
        const struct bsc_option_entry *option = &bsc_options[i];
        if (!(options & BSC_OPTION_BIT(i)) || option->hidden)
            continue;
        bsc_text_puts(out, ".TP\n");
        if (option->letter)
            bsc_text_printf(out, "\\fB\\-%c\\fR, ", option->letter);
        bsc_text_puts(out, "\\fB\\-\\-");
        add_text(out, option->name);
        bsc_text_printf(out, "\\fR%s\\fI%s\\fR\n", option->metavar ? " " : "",
                        option->metavar ? option->metavar : "");
        add_text(out, option->help);
        bsc_text_puts(out, ".\n");
    }
}

static void add_command(struct bsc_text *out, const struct bsc_cli_command *command)
{
    struct bsc_text synopsis = { 0 };
    bsc_help_synopsis(command, &synopsis);
    bsc_text_puts(out, ".SS ");
    add_text(out, bsc_text_get(&synopsis) + strlen("bascule "));
    bsc_text_puts(out, "\n");
    bsc_text_deinit(&synopsis);
    add_text(out, command->description);
    bsc_text_puts(out, "\n");
    for (const struct bsc_argument *argument = command->arguments; argument->name; argument++) {
        bsc_text_printf(out, ".TP\n\\fI%s\\fR\n", argument->name);
        add_text(out, argument->help);
        bsc_text_puts(out, "\n");
    }
    add_options(out, command->options);
    bsc_text_puts(out, ".PP\nExamples:\n.nf\n");
    for (const struct bsc_example *example = command->examples; example->line; example++) {
        bsc_text_puts(out, "  ");
        add_text(out, example->line);
        bsc_text_puts(out, *example->text ? "    # " : "");
        add_text(out, example->text);
        bsc_text_puts(out, "\n");
    }
    bsc_text_puts(out, ".fi\n");
}

static void add_environment(struct bsc_text *out)
{
    bsc_text_puts(out, ".SH ENVIRONMENT\n");
    for (unsigned i = 0; i < BSC_OPTION_COUNT; i++)
        if (bsc_options[i].variable) {
            bsc_text_printf(out, ".TP\n.B %s\nThe same as \\fB\\-\\-", bsc_options[i].variable);
            add_text(out, bsc_options[i].name);
            bsc_text_puts(out, "\\fR, which goes before it.\n");
        }
    bsc_text_puts(out, ".TP\n.B BASCULE_LIBEXEC\nWhere `serve` finds bascule\\-supervisor, "
                       "bascule\\-proxy and bascule\\-shim.\n");
}

void bsc_help_man(struct bsc_text *out)
{
    bsc_text_printf(out,
                    ".TH BASCULE 1 \"\" \"bascule %s\" \"User commands\"\n"
                    ".SH NAME\n"
                    "bascule \\- new versions of your services, without losing a request\n"
                    ".SH SYNOPSIS\n"
                    ".B bascule\n.I COMMAND\n[\\fIARGUMENTS\\fR] [\\fIOPTIONS\\fR]\n"
                    ".SH OPTIONS\n"
                    "These work with every command, anywhere on the line.\n",
                    BSC_VERSION);
    add_options(out, bsc_options_everywhere);
    bsc_text_puts(out, ".SH COMMANDS\n");
    for (size_t i = 0; i < bsc_command_count; i++)
        add_command(out, &bsc_commands[i]);
    bsc_text_puts(out, ".SH EXIT STATUS\n");
    for (unsigned i = 0; i < BSC_EXIT_COUNT; i++) {
        bsc_text_printf(out, ".TP\n.B %u\n", i);
        add_text(out, bsc_exit_meanings[i]);
        bsc_text_puts(out, "\n");
    }
    add_environment(out);
    bsc_text_puts(out, ".SH SEE ALSO\n.BR bascule.yaml (5),\n.BR systemctl (1)\n");
}
