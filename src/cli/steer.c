/* SPDX-License-Identifier: Apache-2.0
 * cli/steer.c - what is asked of a rollout under way: `bascule promote`, `pause` and `resume`. */
#include "cli/run.h"

int bsc_run_promote(struct bsc_cli *cli)
{
    return bsc_cli_do(cli, "/promote",
                      json_pack("{s:b}", "full", (int)bsc_cli_given(cli, BSC_OPTION_FULL)));
}

int bsc_run_pause(struct bsc_cli *cli)
{
    return bsc_cli_do(cli, "/pause", json_object());
}

int bsc_run_resume(struct bsc_cli *cli)
{
    return bsc_cli_do(cli, "/resume", json_object());
}
