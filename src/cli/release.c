/* SPDX-License-Identifier: Apache-2.0
 * cli/release.c - the commands that begin, end or await a rollout. */
#include <stdlib.h>
#include <string.h>

#include "cli/json.h"
#include "cli/run.h"
#include "cli/stack.h"
#include "cli/watch.h"

/* What is more than a word says over what the command won. */
static void say_done(const struct bsc_cli *cli, const char *done)
{
    struct bsc_text out = { 0 };
    if (cli->output.json || cli->output.quiet || !strchr(done, ' '))
        return;
    bsc_output_add(&cli->output, &out, BSC_STYLE_DIM, done);
    printf("%s\n", bsc_text_get(&out));
    bsc_text_deinit(&out);
}

/* Sends the command and, unless --no-wait is given, watches the rollout that it names. */
static int begin_rollout(struct bsc_cli *cli, const char *action, json_t *take_body,
                         bool taking_back)
{
    int exit_status;
    const char *service = cli->call.arguments[0], *group = bsc_cli_group(cli);
    char *path = group ? bsc_cli_group_path(group, action) : bsc_cli_service_path(service, action);
    json_t *answer =
        bsc_cli_request(cli, "POST", path, take_body, BSC_CLI_TIMEOUT_MS, &exit_status);
    free(path);
    if (!answer)
        return exit_status;
    const char *id = bsc_json_text(answer, "id");
    if (bsc_cli_given(cli, BSC_OPTION_NO_WAIT)) {
        if (cli->output.json)
            bsc_cli_print_json(answer);
        else
            printf("%s\n", id);
        exit_status = BSC_EXIT_DONE;
    } else if (group) {
        say_done(cli, bsc_json_text(answer, "done"));
        exit_status = bsc_watch_group(cli, group, id, taking_back);
    } else {
        say_done(cli, bsc_json_text(answer, "done"));
        exit_status = bsc_watch(
            cli, &(struct bsc_watch_spec){ .service = service,
                                           .rollout = id,
                                           .taking_back = taking_back,
                                           .timeout_ms = cli->call.number[BSC_OPTION_TIMEOUT] });
    }
    json_decref(answer);
    return exit_status;
}

int bsc_run_deploy(struct bsc_cli *cli)
{
    json_t *body = json_pack(
        "{s:s, s:b, s:s*, s:s*, s:s*, s:s*}", "version", cli->call.arguments[1], "supersede",
        (int)bsc_cli_given(cli, BSC_OPTION_SUPERSEDE), "strategy",
        cli->call.text[BSC_OPTION_STRATEGY], "steps", cli->call.text[BSC_OPTION_STEPS], "match",
        cli->call.text[BSC_OPTION_MATCH], "bake", cli->call.text[BSC_OPTION_BAKE]);
    if (bsc_cli_given(cli, BSC_OPTION_STAGE)) /* not of several services */
        json_object_set_new(body, "stage", json_true());
    return begin_rollout(cli, "/deploy", body, false);
}

int bsc_run_retry(struct bsc_cli *cli)
{
    return begin_rollout(cli, "/retry", json_object(), false);
}

int bsc_run_switch(struct bsc_cli *cli)
{
    return begin_rollout(cli, "/switch", json_object(), false);
}

int bsc_run_rollback(struct bsc_cli *cli)
{
    return begin_rollout(cli, "/rollback", json_pack("{s:s?}", "version", cli->call.arguments[1]),
                         true);
}

int bsc_run_abort(struct bsc_cli *cli)
{
    return begin_rollout(cli, "/abort", json_object(), true);
}

int bsc_run_wait(struct bsc_cli *cli)
{
    int exit_status;
    struct bsc_text path = { 0 };
    bsc_text_puts(&path, "/v1/rollouts/");
    bsc_client_escape(&path, cli->call.arguments[0]);
    json_t *rollout =
        bsc_cli_request(cli, "GET", bsc_text_get(&path), NULL, BSC_CLI_TIMEOUT_MS, &exit_status);
    bsc_text_deinit(&path);
    if (!rollout)
        return exit_status;
    exit_status = bsc_watch(
        cli, &(struct bsc_watch_spec){ .service = bsc_json_text(rollout, "service"),
                                       .rollout = bsc_json_text(rollout, "id"),
                                       .timeout_ms = cli->call.number[BSC_OPTION_TIMEOUT] });
    json_decref(rollout);
    return exit_status;
}
