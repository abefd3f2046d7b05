/* SPDX-License-Identifier: Apache-2.0
 * cli/steer.c - what is asked of a rollout under way: `bascule promote`, `pause`, `resume`,
 * `approve` and `reject`. */
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

static int give_verdict(struct bsc_cli *cli, const char *action)
{
    json_t *body = json_pack("{s:s*}", "comment", cli->call.text[BSC_OPTION_COMMENT]);
    if (body)
        return bsc_cli_do(cli, action, body);
    struct bsc_error error;
    bsc_error_set(&error, BSC_INVALID, "--comment is not UTF-8 text");
    return bsc_cli_fail(&error);
}

int bsc_run_approve(struct bsc_cli *cli)
{
    return give_verdict(cli, "/approve");
}

int bsc_run_reject(struct bsc_cli *cli)
{
    return give_verdict(cli, "/reject");
}
