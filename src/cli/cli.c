/* SPDX-License-Identifier: Apache-2.0
 * cli/cli.c - the entry of the command line, and what all commands share. */
#include "cli/cli.h"

#include <locale.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/complete.h"
#include "cli/help.h"
#include "cli/run.h"

enum bsc_exit bsc_exit_of(enum bsc_status status)
{
    switch (status) {
    case BSC_OK:
        return BSC_EXIT_DONE;
    case BSC_INVALID:
    case BSC_NOT_FOUND: /* an unknown service or rollout was named */
        return BSC_EXIT_USAGE;
    case BSC_BUSY:
    case BSC_LOCKED:
        return BSC_EXIT_BUSY;
    case BSC_UNAVAILABLE:
    case BSC_DENIED:
        return BSC_EXIT_UNREACHABLE;
    default:
        return BSC_EXIT_FAILED;
    }
}

/* The text may hold line ends of ours and anything of others': each line is escaped. */
int bsc_cli_fail(const struct bsc_error *error)
{
    struct bsc_text out = { 0 };
    for (const char *line = error->text;; line++) {
        size_t size = strcspn(line, "\n");
        bsc_text_puts(&out, line == error->text ? "bascule: " : "         ");
        bsc_text_add_escaped(&out, line, size);
        bsc_text_puts(&out, "\n");
        line += size;
        if (!*line)
            break;
    }
    fputs(bsc_text_get(&out), stderr);
    bsc_text_deinit(&out);
    return bsc_exit_of(error->status);
}

void bsc_cli_print_json(const json_t *value)
{
    json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
    putchar('\n');
}

bool bsc_cli_given(const struct bsc_cli *cli, enum bsc_option option)
{
    return cli->call.given[option];
}

bool bsc_cli_time_parse(const char *rfc3339, int64_t *out_ms)
{
    struct tm utc = { 0 };
    const char *rest = strptime(rfc3339, "%Y-%m-%dT%H:%M:%S", &utc);
    if (!rest)
        return false;
    int milliseconds = 0;
    sscanf(rest, ".%3d", &milliseconds);
    *out_ms = (int64_t)timegm(&utc) * 1000 + milliseconds;
    return true;
}

const char *bsc_cli_time(const char *rfc3339, char out[static 32])
{
    struct tm local;
    int64_t wall_ms = 0;
    bool known = bsc_cli_time_parse(rfc3339, &wall_ms);
    time_t seconds = (time_t)(wall_ms / 1000);
    if (!known || !localtime_r(&seconds, &local) || !strftime(out, 32, "%Y-%m-%d %H:%M:%S", &local))
        snprintf(out, 32, "%s", rfc3339);
    return out;
}

void bsc_cli_collect(void *argument, const char *data, size_t size)
{
    bsc_text_add(argument, data, size);
}

char *bsc_cli_service_path(const char *service, const char *tail)
{
    struct bsc_text path = { 0 };
    bsc_text_puts(&path, "/v1/services/");
    bsc_client_escape(&path, service);
    bsc_text_puts(&path, tail);
    return path.data;
}

json_t *bsc_cli_request(struct bsc_cli *cli, const char *method, const char *path,
                        json_t *take_body, int64_t timeout_ms, int *exit_status)
{
    struct bsc_answer answer;
    const struct bsc_request_spec spec = {
        .method = method, .path = path, .body = take_body, .timeout_ms = timeout_ms
    };
    bsc_client_call(&cli->client, &spec, &answer);
    json_decref(take_body);
    if (!answer.status && !answer.body)
        answer.status =
            bsc_error_set(&answer.error, BSC_FAILED, "the daemon's answer to %s is not JSON", path);
    if (!answer.status)
        return answer.body;
    if (cli->output.json && answer.body)
        bsc_cli_print_json(answer.body);
    json_decref(answer.body);
    *exit_status = bsc_cli_fail(&answer.error);
    return NULL;
}

static int fail_usage(const struct bsc_call *call, const struct bsc_error *error)
{
    struct bsc_text out = { 0 };
    bsc_text_puts(&out, "bascule: ");
    bsc_text_add_escaped(&out, error->text, strlen(error->text));
    bsc_text_puts(&out, "\n");
    if (call->command)
        bsc_help_usage(call->command, &out);
    else
        bsc_text_puts(&out, "`bascule help` lists the commands.\n");
    fputs(bsc_text_get(&out), stderr);
    bsc_text_deinit(&out);
    return BSC_EXIT_USAGE;
}

int bsc_cli_main(int argc, char **argv, const struct bsc_cli_hooks *hooks)
{
    struct bsc_cli cli = { 0 };
    struct bsc_error error;
    setlocale(LC_CTYPE, "");
    if (argc > 1 && !strcmp(argv[1], "controller") && hooks->controller)
        return hooks->controller(argc - 1, argv + 1);
    if (argc > 1 && !strcmp(argv[1], BSC_COMPLETE_COMMAND))
        return bsc_complete_run(argc - 2, argv + 2);

    if (bsc_call_parse(argc, argv, &cli.call, &error))
        return fail_usage(&cli.call, &error);
    bsc_place_init(&cli.place, &cli.call, geteuid());
    bsc_output_init(&cli.output, &cli.call);
    cli.client.socket = cli.place.socket;
    int exit_status;
    if (bsc_cli_given(&cli, BSC_OPTION_HELP))
        exit_status = bsc_help_print(cli.call.command);
    else if (bsc_cli_given(&cli, BSC_OPTION_VERSION))
        exit_status = bsc_run_version(&cli);
    else
        exit_status = cli.call.command->run(&cli);
    /* A full disk or a closed pipe must not look like success to a script. */
    if (fflush(stdout) && exit_status == BSC_EXIT_DONE)
        exit_status = BSC_EXIT_FAILED;
    bsc_client_deinit(&cli.client);
    bsc_place_deinit(&cli.place);
    return exit_status;
}
