/* SPDX-License-Identifier: Apache-2.0
 * main.c - the only place that wires the parts together. */
#include "cli/cli.h"

int main(int argc, char **argv)
{
    static const struct bsc_cli_hooks hooks = { 0 };
    return bsc_cli_main(argc, argv, &hooks);
}
