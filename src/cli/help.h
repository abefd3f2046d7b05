/* SPDX-License-Identifier: Apache-2.0
 * cli/help.h - the tables as text for people: help, usage lines, the manual page.
 */
#ifndef BASCULE_CLI_HELP_H
#define BASCULE_CLI_HELP_H

#include "base/text.h"
#include "cli/table.h"

/* "bascule deploy SERVICE VERSION [--stage] ..." */
void bsc_help_synopsis(const struct bsc_cli_command *command, struct bsc_text *out);
/* The synopsis and where to read more, after a mistake. */
void bsc_help_usage(const struct bsc_cli_command *command, struct bsc_text *out);
/* `command` NULL: the overview of all. */
void bsc_help_page(const struct bsc_cli_command *command, unsigned columns, struct bsc_text *out);
/* Prints that page and returns the exit status. */
int bsc_help_print(const struct bsc_cli_command *command);

/* bascule(1), in the man macros. */
void bsc_help_man(struct bsc_text *out);
/* bascule.yaml(5), out of the reference page (bsc_config_reference). */
void bsc_help_man_config(const char *reference, struct bsc_text *out);
/* Backslashes and hyphens mean something to roff. */
void bsc_man_add_char(struct bsc_text *out, char c);

#endif
