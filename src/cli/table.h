/* SPDX-License-Identifier: Apache-2.0
 * cli/table.h - every command, argument and option, declared once.
 *
 * Parsing, help, completion and the man page are all made out of these tables.
 */
#ifndef BASCULE_CLI_TABLE_H
#define BASCULE_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bsc_cli;

enum bsc_option {
    /* everywhere on the line */
    BSC_OPTION_STATE,
    BSC_OPTION_CONFIG,
    BSC_OPTION_JSON,
    BSC_OPTION_NO_COLOR,
    BSC_OPTION_QUIET,
    BSC_OPTION_HELP,
    BSC_OPTION_VERSION,
    /* with the commands that name them */
    BSC_OPTION_STAGE,
    BSC_OPTION_STRATEGY,
    BSC_OPTION_STEPS,
    BSC_OPTION_MATCH,
    BSC_OPTION_BAKE,
    BSC_OPTION_SUPERSEDE,
    BSC_OPTION_FULL,
    BSC_OPTION_COMMENT,
    BSC_OPTION_ALL,
    BSC_OPTION_RELEASE,
    BSC_OPTION_NO_WAIT,
    BSC_OPTION_TIMEOUT,
    BSC_OPTION_SLOT,
    BSC_OPTION_INSTANCE,
    BSC_OPTION_LINES,
    BSC_OPTION_BEFORE,
    BSC_OPTION_FOLLOW,
    BSC_OPTION_FILE,
    BSC_OPTION_STRICT,
    BSC_OPTION_MAN,
    BSC_OPTION_URL,
    BSC_OPTION_DURATION,
    BSC_OPTION_RATE,
    BSC_OPTION_USERS,
    BSC_OPTION_INTERVAL,
    BSC_OPTION_ERROR_RATE_THRESHOLD,
    BSC_OPTION_LATENCY_THRESHOLD,
    BSC_OPTION_PROMETHEUS,
    BSC_OPTION_ERROR_QUERY,
    BSC_OPTION_LATENCY_QUERY,
    BSC_OPTION_ANSWERS,
    BSC_OPTION_NAME,
    BSC_OPTION_COMMAND,
    BSC_OPTION_PORT,
    BSC_OPTION_FORCE,
    BSC_OPTION_USER,
    BSC_OPTION_GOAL,
    BSC_OPTION_VALUE,
    BSC_OPTION_COUNT
};

#define BSC_OPTION_BIT(option) (UINT64_C(1) << (option))

/* What a value is: how it is checked and how it is completed. */
enum bsc_value {
    BSC_VALUE_NONE, /* a switch */
    BSC_VALUE_FILE,
    BSC_VALUE_DIRECTORY,
    BSC_VALUE_DURATION,
    BSC_VALUE_SECONDS,      /* a duration, or a bare number of seconds */
    BSC_VALUE_MILLISECONDS, /* a duration, or a bare number of milliseconds */
    BSC_VALUE_PERCENT,      /* "1.0" or "1.0%": in millionths */
    BSC_VALUE_STEPS,        /* of a canary: "5,25,50" */
    BSC_VALUE_MATCH,        /* "header:X-Beta=yes; address:10.0.0.0/8" */
    BSC_VALUE_NUMBER,
    BSC_VALUE_CHOICE,
    BSC_VALUE_SERVICE,
    BSC_VALUE_RELEASE, /* a version of the service named before */
    BSC_VALUE_ROLLOUT,
    BSC_VALUE_DEPLOYMENT, /* an id of the history */
    BSC_VALUE_INSTANCE,
    BSC_VALUE_COMMAND,
    BSC_VALUE_WORDS, /* free text */
};

struct bsc_option_entry {
    const char *name;    /* without the dashes */
    char letter;         /* 0: none. Unique among the options of one command */
    const char *metavar; /* NULL: a switch */
    enum bsc_value value;
    const char *const *choices; /* CHOICE: ends with NULL */
    const char *variable;       /* environment variable that gives the default, or NULL */
    bool hidden;
    const char *help;
};

struct bsc_argument {
    const char *name; /* NULL ends the list */
    enum bsc_value value;
    bool optional;
    const char *const *choices;
    const char *help;
};

struct bsc_example {
    const char *line, *text;
};

enum { BSC_ARGUMENTS_MAX = 2, BSC_EXAMPLES_MAX = 4 };

enum bsc_group {
    BSC_GROUP_RELEASE,
    BSC_GROUP_LOOK,
    BSC_GROUP_OPERATE,
    BSC_GROUP_OTHER,
    BSC_GROUP_COUNT
};

struct bsc_cli_command {
    const char *name;
    enum bsc_group group;
    const char *summary;     /* one line, no full stop */
    const char *description; /* paragraphs separated by empty lines */
    struct bsc_argument arguments[BSC_ARGUMENTS_MAX + 1];
    uint64_t options; /* BSC_OPTION_BIT of those besides the ones that work everywhere */
    struct bsc_example examples[BSC_EXAMPLES_MAX + 1];
    int (*run)(struct bsc_cli *cli); /* returns the exit status */
};

extern const struct bsc_option_entry bsc_options[BSC_OPTION_COUNT];
extern const struct bsc_cli_command bsc_commands[];
extern const size_t bsc_command_count;
extern const uint64_t bsc_options_everywhere;

const struct bsc_cli_command *bsc_command_find(const char *name); /* NULL: none */
const char *bsc_group_title(enum bsc_group group);

/* Exit statuses, and what they mean to a script. */
enum bsc_exit {
    BSC_EXIT_DONE,
    BSC_EXIT_FAILED,
    BSC_EXIT_USAGE,
    BSC_EXIT_BUSY,
    BSC_EXIT_UNREACHABLE,
    BSC_EXIT_TIMEOUT,
    BSC_EXIT_COUNT
};
extern const char *const bsc_exit_meanings[BSC_EXIT_COUNT];

#endif
