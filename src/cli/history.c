/* SPDX-License-Identifier: Apache-2.0
 * cli/history.c - `bascule history`. */
#include <stdlib.h>
#include <string.h>

#include "cli/grid.h"
#include "cli/json.h"
#include "cli/run.h"

static void print_history(const struct bsc_cli *cli, const json_t *records)
{
    static const char *const titles[] = { "ID",       "VERSION", "SLOT",   "STATUS",
                                          "DEPLOYED", "LIVE",    "REASON", NULL };
    struct bsc_grid grid;
    size_t index;
    const json_t *record;
    if (!json_array_size(records)) {
        printf("%s: nothing was deployed %s\n", cli->call.arguments[0],
               bsc_cli_given(cli, BSC_OPTION_BEFORE) ? "before" : "yet");
        return;
    }
    bsc_grid_init(&grid, &cli->output, titles);
    json_array_foreach(records, index, record)
    {
        const char *status = bsc_json_text(record, "status");
        const char *slot = bsc_json_text(record, "environment");
        char deployed[32], live[32], reason[512];
        snprintf(reason, sizeof reason, "%s", bsc_json_text(record, "reason"));
        reason[strcspn(reason, "\n")] = '\0'; /* what follows is an application's output */
        bsc_grid_add(&grid, BSC_STYLE_PLAIN, bsc_json_text(record, "id"));
        bsc_grid_add(&grid, BSC_STYLE_BOLD, bsc_json_text(record, "version"));
        bsc_grid_add(&grid, bsc_style_of(slot), slot);
        bsc_grid_add(&grid, bsc_style_of(status), status);
        bsc_grid_add(&grid, BSC_STYLE_PLAIN,
                     bsc_cli_time(bsc_json_text(record, "deployed_at"), deployed));
        bsc_grid_add(&grid, BSC_STYLE_PLAIN,
                     bsc_cli_time(bsc_json_text(record, "switched_at"), live));
        bsc_grid_add(&grid, BSC_STYLE_PLAIN, reason);
    }
    bsc_grid_print(&grid);
}

int bsc_run_history(struct bsc_cli *cli)
{
    int exit_status;
    struct bsc_text tail = { 0 };
    bsc_text_puts(&tail, "/history");
    if (bsc_cli_given(cli, BSC_OPTION_LINES))
        bsc_text_printf(&tail, "?limit=%lld", (long long)cli->call.number[BSC_OPTION_LINES]);
    if (bsc_cli_given(cli, BSC_OPTION_BEFORE)) {
        bsc_text_puts(&tail, bsc_cli_given(cli, BSC_OPTION_LINES) ? "&before=" : "?before=");
        bsc_client_escape(&tail, cli->call.text[BSC_OPTION_BEFORE]);
    }
    char *path = bsc_cli_service_path(cli->call.arguments[0], bsc_text_get(&tail));
    bsc_text_deinit(&tail);
    json_t *records = bsc_cli_request(cli, "GET", path, NULL, BSC_CLI_TIMEOUT_MS, &exit_status);
    free(path);
    if (!records)
        return exit_status;
    if (cli->output.json)
        bsc_cli_print_json(records);
    else if (!cli->output.quiet)
        print_history(cli, records);
    json_decref(records);
    return BSC_EXIT_DONE;
}
