/* SPDX-License-Identifier: Apache-2.0
 * cli/stack.h - what is asked of services that are released together.
 */
#ifndef BASCULE_CLI_STACK_H
#define BASCULE_CLI_STACK_H

#include "cli/run.h"

/* The name that --release gives, or --all stands for; NULL: the command is for one service. */
const char *bsc_cli_group(const struct bsc_cli *cli);
/* "/v1/releases/NAME/tail", escaped; the caller frees it. */
char *bsc_cli_group_path(const char *name, const char *tail);
/* How its services stand, in the order of their start. */
int bsc_show_group(struct bsc_cli *cli, const char *name);
/* Prints a line for each change of each service until `id` has ended; returns the exit status. */
int bsc_watch_group(struct bsc_cli *cli, const char *name, const char *id, bool taking_back);

#endif
