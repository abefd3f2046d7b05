/* SPDX-License-Identifier: Apache-2.0
 * cli/config.c - the commands that read bascule.yaml themselves: config, and serve before it
 * starts anything. */
#include "config/config.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cli/help.h"
#include "cli/run.h"

void bsc_cli_print_problems(FILE *stream, const struct bsc_config_problems *problems,
                            const char *kind)
{
    struct bsc_text out = { 0 };
    for (size_t i = 0; i < problems->count; i++) {
        const struct bsc_config_problem *problem = &problems->items[i];
        bsc_text_add_escaped(&out, problem->file, strlen(problem->file));
        if (problem->line)
            bsc_text_printf(&out, ":%u", problem->line);
        bsc_text_printf(&out, ": %s", kind);
        bsc_text_add_escaped(&out, problem->key, strlen(problem->key));
        bsc_text_puts(&out, *problem->key ? ": " : "");
        bsc_text_add_escaped(&out, problem->text, strlen(problem->text));
        bsc_text_puts(&out, "\n");
    }
    fputs(bsc_text_get(&out), stream);
    bsc_text_deinit(&out);
}

static json_t *list_of(const struct bsc_config_problems *problems)
{
    json_t *list = json_array();
    for (size_t i = 0; i < problems->count; i++) {
        const struct bsc_config_problem *problem = &problems->items[i];
        json_array_append_new(list, json_pack("{s:s, s:i, s:s, s:s}", "file", problem->file, "line",
                                              (int)problem->line, "key", problem->key, "text",
                                              problem->text));
    }
    return list;
}

static void print_problems_json(const struct bsc_config_problems *problems,
                                const struct bsc_config_problems *warnings)
{
    json_t *answer = json_pack("{s:b, s:o, s:o}", "valid", problems->count == 0, "problems",
                               list_of(problems), "warnings", list_of(warnings));
    bsc_cli_print_json(answer);
    json_decref(answer);
}

static int check(struct bsc_cli *cli)
{
    struct bsc_config_problems problems = { 0 }, warnings = { 0 };
    struct bsc_config *config = bsc_config_read(cli->place.config, &problems);
    int exit_status = config ? BSC_EXIT_DONE : BSC_EXIT_USAGE;
    if (config)
        bsc_config_warn(config, cli->place.config, &warnings);
    if (cli->output.json) {
        print_problems_json(&problems, &warnings);
    } else {
        bsc_cli_print_problems(stderr, &warnings, "warning: ");
        bsc_cli_print_problems(stderr, &problems, "");
    }
    if (config && !cli->output.json && !cli->output.quiet)
        printf("%s: no problems, %u service%s\n", cli->place.config, config->service_count,
               config->service_count == 1 ? "" : "s");
    bsc_config_destroy(config);
    bsc_config_problems_deinit(&problems);
    bsc_config_problems_deinit(&warnings);
    return exit_status;
}

int bsc_run_config(struct bsc_cli *cli)
{
    struct bsc_text out = { 0 };
    const char *action = cli->call.arguments[0];
    if (!strcmp(action, "check"))
        return check(cli);
    if (!strcmp(action, "reference"))
        bsc_config_reference(&out);
    else
        bsc_config_schema(&out);
    if (bsc_cli_given(cli, BSC_OPTION_MAN) && !strcmp(action, "reference")) {
        struct bsc_text page = { 0 };
        bsc_help_man_config(bsc_text_get(&out), &page);
        bsc_text_deinit(&out);
        out = page;
    }
    fputs(bsc_text_get(&out), stdout);
    bsc_text_deinit(&out);
    return BSC_EXIT_DONE;
}

/* The folder with all of bascule's programs. */
static const char *find_programs(struct bsc_cli *cli, struct bsc_error *error)
{
    static const char *const names[] = { "bascule-supervisor", "bascule-proxy", "bascule-shim" };
    const char *folder = bsc_place_programs(&cli->place);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *path = bsc_arena_printf(&cli->place.arena, "%s/%s", folder, names[i]);
        if (access(path, X_OK) == -1) {
            bsc_error_errno(error, "%s", path);
            bsc_error_wrap(error, "bascule is not installed completely (see BASCULE_LIBEXEC)");
            return NULL;
        }
    }
    return folder;
}

int bsc_run_serve(struct bsc_cli *cli)
{
    struct bsc_error error;
    struct bsc_place *place = &cli->place;
    struct bsc_config_problems problems = { 0 };
    struct bsc_config *config = bsc_config_read(place->config, &problems);
    bool valid = config != NULL;
    if (!valid)
        bsc_cli_print_problems(stderr, &problems, "");
    bsc_config_destroy(config);
    bsc_config_problems_deinit(&problems);
    if (!valid)
        return BSC_EXIT_USAGE;

    const char *folder = find_programs(cli, &error);
    const char *self = bsc_place_self(place);
    /* The daemon's folder may change, and its messages should name the whole path. */
    const char *state = bsc_place_absolute(place, place->state);
    const char *file = bsc_place_absolute(place, place->config);
    if (!folder || !self)
        return bsc_cli_fail(&error);
    char *program = bsc_arena_printf(&place->arena, "%s/bascule-supervisor", folder);
    const char *const words[] = { program,     "--state", state,          "--config", file,
                                  "--libexec", folder,    "--controller", self,       NULL };
    char *argv[sizeof words / sizeof *words] = { NULL };
    for (size_t i = 0; i < sizeof words / sizeof *words - 1; i++)
        argv[i] = bsc_arena_copy(&place->arena, words[i]);
    execv(program, argv);
    bsc_error_errno(&error, "start %s", program);
    return bsc_cli_fail(&error);
}
