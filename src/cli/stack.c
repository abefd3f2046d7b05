/* SPDX-License-Identifier: Apache-2.0
 * cli/stack.c - `--release NAME` and `--all`: what is asked of services that are released together,
 * and how they get on.
 */
#include "cli/stack.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/clock.h"
#include "cli/json.h"
#include "core/spec.h"

enum { ASK_MS = 200, SILENCE_MS = 60000 };

const char *bsc_cli_group(const struct bsc_cli *cli)
{
    return bsc_cli_given(cli, BSC_OPTION_ALL) ? BSC_GROUP_ALL : cli->call.text[BSC_OPTION_RELEASE];
}

char *bsc_cli_group_path(const char *name, const char *tail)
{
    struct bsc_text path = { 0 };
    bsc_text_puts(&path, "/v1/releases/");
    bsc_client_escape(&path, name);
    bsc_text_puts(&path, tail);
    return path.data;
}

/* What was told of each service last. */
struct told {
    json_t *lines; /* by service */
};

static const char *line_of(const json_t *rollout)
{
    const char *status = bsc_json_text(rollout, "status");
    const json_t *steps = json_object_get(rollout, "steps");
    const json_t *step = json_array_get(steps, (size_t)bsc_json_number(rollout, "step"));
    bool goes = !strcmp(status, "running");
    return goes && step ? bsc_json_text(step, "text") : status;
}

static void tell(const struct bsc_cli *cli, const struct told *told, const json_t *release)
{
    size_t index;
    const json_t *member;
    json_array_foreach(json_object_get(release, "services"), index, member)
    {
        const char *service = bsc_json_text(member, "service");
        const json_t *rollout = json_object_get(member, "rollout");
        const char *line = line_of(rollout), *reason = bsc_json_text(rollout, "reason");
        char time[BSC_TIME_BYTES];
        if (!strcmp(bsc_json_text(told->lines, service), line))
            continue;
        json_object_set_new(told->lines, service, json_string(line));
        if (cli->output.quiet || cli->output.json)
            continue;
        bool ended = *reason && strcmp(bsc_json_text(rollout, "status"), "running") != 0;
        printf("%s %s: %s%s%s\n", bsc_time_format(bsc_clock_wall_ms(), time), service, line,
               ended ? ": " : "", ended ? reason : "");
        fflush(stdout);
    }
}

static bool ended(const char *status)
{
    return *status && strcmp(status, "running") != 0 && strcmp(status, "undoing") != 0 &&
           strcmp(status, "waiting") != 0;
}

static int conclude(const struct bsc_cli *cli, const json_t *release, bool taking_back)
{
    const char *status = bsc_json_text(release, "status");
    bool back = !strcmp(status, "cancelled") || !strcmp(status, "rolled-back");
    bool wanted = !strcmp(status, "promoted") || (taking_back && back);
    if (cli->output.json)
        bsc_cli_print_json(release);
    else if (!cli->output.quiet)
        printf("%s (%s) is %s\n", bsc_json_text(release, "name"), bsc_json_text(release, "id"),
               status);
    return wanted ? BSC_EXIT_DONE : BSC_EXIT_FAILED;
}

int bsc_watch_group(struct bsc_cli *cli, const char *name, const char *id, bool taking_back)
{
    struct told told = { .lines = json_object() };
    int64_t began_ms = bsc_clock_boot_ms(), heard_ms = began_ms;
    int64_t limit_ms = cli->call.number[BSC_OPTION_TIMEOUT];
    char *path = bsc_cli_group_path(name, "");
    int exit_status = -1;
    while (exit_status == -1) {
        struct bsc_answer answer;
        const struct bsc_request_spec spec = { .method = "GET", .path = path, .timeout_ms = 5000 };
        bsc_client_call(&cli->client, &spec, &answer);
        int64_t now_ms = bsc_clock_boot_ms();
        if (!answer.status) {
            heard_ms = now_ms;
            tell(cli, &told, answer.body);
            if (strcmp(bsc_json_text(answer.body, "id"), id) != 0 ||
                ended(bsc_json_text(answer.body, "status")))
                exit_status = conclude(cli, answer.body, taking_back);
        } else if (now_ms > heard_ms + SILENCE_MS ||
                   (answer.status != BSC_UNAVAILABLE && answer.status != BSC_NO_SPACE)) {
            exit_status = bsc_cli_fail(&answer.error);
        }
        json_decref(answer.body);
        if (exit_status == -1 && limit_ms && now_ms >= began_ms + limit_ms)
            exit_status = BSC_EXIT_TIMEOUT;
        if (exit_status == -1)
            nanosleep(&(struct timespec){ .tv_nsec = ASK_MS * 1000000L }, NULL);
    }
    json_decref(told.lines);
    free(path);
    return exit_status;
}

int bsc_show_group(struct bsc_cli *cli, const char *name)
{
    int exit_status;
    char *path = bsc_cli_group_path(name, "");
    json_t *release = bsc_cli_request(cli, "GET", path, NULL, BSC_CLI_TIMEOUT_MS, &exit_status);
    size_t index;
    const json_t *member;
    free(path);
    if (!release)
        return exit_status;
    if (cli->output.json)
        bsc_cli_print_json(release);
    else if (!cli->output.quiet)
        printf("%s  %s %s\n", name, bsc_json_text(release, "id"), bsc_json_text(release, "status"));
    if (!cli->output.json && !cli->output.quiet)
        json_array_foreach(json_object_get(release, "services"), index, member)
        {
            const json_t *rollout = json_object_get(member, "rollout");
            printf("  %-20s %-12s %s\n", bsc_json_text(member, "service"),
                   bsc_json_text(rollout, "version"), rollout ? line_of(rollout) : "");
        }
    json_decref(release);
    return BSC_EXIT_DONE;
}
