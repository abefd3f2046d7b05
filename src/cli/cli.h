/* SPDX-License-Identifier: Apache-2.0
 * cli/cli.h - the command line: `bascule COMMAND ...`.
 *
 * A client of the controller's HTTP API; it knows nothing of the engine. The one command that is
 * not a client's is given by main.c, which wires the controller.
 */
#ifndef BASCULE_CLI_CLI_H
#define BASCULE_CLI_CLI_H

struct bsc_cli_hooks {
    /* `bascule controller ARGUMENTS`, what the supervisor starts. argv[0] is "controller". */
    int (*controller)(int argc, char **argv);
};

/* Runs one command line and returns the process's exit status. */
int bsc_cli_main(int argc, char **argv, const struct bsc_cli_hooks *hooks);

#endif
