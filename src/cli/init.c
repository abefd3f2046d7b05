/* SPDX-License-Identifier: Apache-2.0
 * cli/init.c - `bascule init`: asks, or takes the answers as options, and writes bascule.yaml. */
#include "cli/init.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/run.h"

enum { PORT = 8080 };

/* A line of the user without its end; false: there is none. */
static bool read_line(char *line, size_t size)
{
    fflush(stdout);
    if (!fgets(line, (int)size, stdin))
        return false;
    line[strcspn(line, "\n")] = '\0';
    return true;
}

static bool ask_yes(const char *question, bool *yes)
{
    char line[64];
    for (;;) {
        printf("%s [y/N] ", question);
        if (!read_line(line, sizeof line))
            return false;
        *yes = line[0] == 'y' || line[0] == 'Y';
        if (*yes || !line[0] || line[0] == 'n' || line[0] == 'N')
            return true;
        puts("Please answer y or n.");
    }
}

/* Asks until a row holds; the last one holds when none does. */
static bool ask_rows(const struct bsc_init_row **out)
{
    bool yes = false;
    for (unsigned i = 0; i < bsc_init_row_count && !yes; i++) {
        if (!bsc_init_is_offered(&bsc_init_rows[i]))
            continue;
        *out = &bsc_init_rows[i];
        if (!ask_yes(bsc_init_rows[i].question, &yes))
            return false;
    }
    return true;
}

/* The answer, or what is proposed. False: no more input. */
static bool ask_text(const char *question, const char *proposed, struct bsc_arena *arena,
                     const char **out)
{
    char line[4096];
    printf("%s [%s] ", question, proposed);
    if (!read_line(line, sizeof line))
        return false;
    *out = bsc_arena_copy(arena, *line ? line : proposed);
    return true;
}

static enum bsc_status ask(struct bsc_cli *cli, struct bsc_init_wish *wish, bool decided,
                           struct bsc_error *error)
{
    const struct bsc_init_row *row = NULL;
    bool fine = true;
    if (!decided && (fine = ask_rows(&row))) {
        assert(row); /* the last one is offered to everybody */
        wish->strategy = row->strategy;
        wish->because = row->because;
    }
    if (fine && !wish->name)
        fine = ask_text("Name of the service?", "web", &cli->place.arena, &wish->name);
    if (fine && !wish->command)
        fine = ask_text("Command that starts an instance?", "python3 app.py", &cli->place.arena,
                        &wish->command);
    return fine ? BSC_OK
                : bsc_error_set(error, BSC_FAILED,
                                "the questions were not answered to the end; "
                                "nothing was written");
}

/* From the options; *decided: the strategy is known. */
static enum bsc_status take_options(const struct bsc_cli *cli, struct bsc_init_wish *wish,
                                    bool *decided, struct bsc_error *error)
{
    const struct bsc_call *call = &cli->call;
    const struct bsc_init_row *row = NULL;
    const char *answers = call->text[BSC_OPTION_ANSWERS];
    *wish = (struct bsc_init_wish){ .name = call->text[BSC_OPTION_NAME],
                                    .command = call->text[BSC_OPTION_COMMAND],
                                    .strategy = call->text[BSC_OPTION_STRATEGY],
                                    .port = bsc_cli_given(cli, BSC_OPTION_PORT)
                                                ? (unsigned)call->number[BSC_OPTION_PORT]
                                                : PORT };
    if (wish->port > UINT16_MAX)
        return bsc_error_set(error, BSC_INVALID, "--port is a port up to 65535, not %u",
                             wish->port);
    if (answers && wish->strategy)
        return bsc_error_set(error, BSC_INVALID, "--answers and --strategy: give one of them");
    if (answers && bsc_init_decide(answers, &row, error))
        return error->status;
    if (row) {
        wish->strategy = row->strategy;
        wish->because = row->because;
    }
    *decided = wish->strategy != NULL;
    return BSC_OK;
}

/* What is written is a configuration, or the name and the command are wrong. */
static bool is_valid(const struct bsc_text *text, const char *file)
{
    struct bsc_config_problems problems = { 0 };
    struct bsc_config *config = bsc_config_parse(file, text->data, text->size, &problems);
    if (!config)
        bsc_cli_print_problems(stderr, &problems, "");
    bsc_config_problems_deinit(&problems);
    bool valid = config != NULL;
    bsc_config_destroy(config);
    return valid;
}

/* Whole or not at all, and never over a file that is there unless `force`. */
static enum bsc_status save(struct bsc_place *place, const char *file, const struct bsc_text *text,
                            bool force, struct bsc_error *error)
{
    enum bsc_status status = BSC_OK;
    char *temporary = bsc_arena_printf(&place->arena, "%s.XXXXXX", file);
    mode_t mask = umask(0);
    umask(mask);
    int fd = mkstemp(temporary);
    if (fd == -1)
        return bsc_error_errno(error, "write %s", file);
    if (write(fd, text->data, text->size) != (ssize_t)text->size ||
        fchmod(fd, 0666 & ~mask) == -1 || fsync(fd) == -1)
        status = bsc_error_errno(error, "write %s", file);
    else if (force ? rename(temporary, file) == -1 : link(temporary, file) == -1)
        status = errno == EEXIST ? bsc_error_set(error, BSC_INVALID,
                                                 "%s is there already; --force replaces it", file)
                                 : bsc_error_errno(error, "write %s", file);
    close(fd);
    if (status || !force)
        unlink(temporary);
    return status;
}

static void tell(const struct bsc_cli *cli, const struct bsc_init_wish *wish)
{
    const char *file = cli->place.config;
    if (cli->output.json) {
        json_t *view = json_pack("{s:s, s:s, s:s, s:o}", "file", file, "service", wish->name,
                                 "strategy", wish->strategy, "because",
                                 wish->because ? json_string(wish->because) : json_null());
        bsc_cli_print_json(view);
        json_decref(view);
    } else if (!cli->output.quiet) {
        printf("%s: %s with the strategy %s%s%s.\nNext: look at it, then `bascule serve` and "
               "`bascule deploy %s v1`.\n",
               file, wish->name, wish->strategy, wish->because ? ": " : "",
               wish->because ? wish->because : "", wish->name);
    }
}

int bsc_run_init(struct bsc_cli *cli)
{
    struct bsc_init_wish wish;
    struct bsc_error error;
    struct bsc_text text = { 0 };
    bool decided = false, force = bsc_cli_given(cli, BSC_OPTION_FORCE);
    bool terminal = isatty(STDIN_FILENO) && cli->output.live && !cli->output.json;
    const char *file = cli->place.config;
    if (take_options(cli, &wish, &decided, &error))
        return bsc_cli_fail(&error);
    if (!force && access(file, F_OK) == 0) {
        bsc_error_set(&error, BSC_INVALID, "%s is there already; --force replaces it", file);
        return bsc_cli_fail(&error);
    }
    if (!terminal && !decided) {
        bsc_error_set(&error, BSC_INVALID,
                      "give --answers or --strategy, or run it on a terminal, where it asks");
        return bsc_cli_fail(&error);
    }
    if (terminal && ask(cli, &wish, decided, &error))
        return bsc_cli_fail(&error);
    wish.name = wish.name ? wish.name : "web";
    wish.command = wish.command ? wish.command : "python3 app.py";
    bsc_init_write(&wish, &text);
    int exit_status = BSC_EXIT_USAGE;
    if (is_valid(&text, file)) {
        bool saved = save(&cli->place, file, &text, force, &error) == BSC_OK;
        exit_status = saved ? BSC_EXIT_DONE : bsc_cli_fail(&error);
        if (saved)
            tell(cli, &wish);
    }
    bsc_text_deinit(&text);
    return exit_status;
}
