/* SPDX-License-Identifier: Apache-2.0
 * cli/lock.c - `bascule lock` and `bascule unlock`. */
#include "cli/run.h"

int bsc_run_lock(struct bsc_cli *cli)
{
    json_t *body = json_pack("{s:s}", "reason", cli->call.arguments[1]);
    if (body)
        return bsc_cli_do(cli, "/lock", body);
    struct bsc_error error;
    bsc_error_set(&error, BSC_INVALID, "REASON is not UTF-8 text");
    return bsc_cli_fail(&error);
}

int bsc_run_unlock(struct bsc_cli *cli)
{
    return bsc_cli_do(cli, "/unlock", json_object());
}
