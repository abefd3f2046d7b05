/* SPDX-License-Identifier: Apache-2.0
 * tests of cli/parse.h */
#include "cli/parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static char program[] = "bascule";

/* `line` is cut at its spaces; '_' stands for an empty word. */
static enum bsc_status parse(const char *line, struct bsc_call *call, struct bsc_error *error)
{
    static char buffer[256];
    char *argv[16] = { program };
    int argc = 1;
    strncpy(buffer, line, sizeof buffer - 1);
    for (char *word = strtok(buffer, " "); word; word = strtok(NULL, " ")) {
        if (!strcmp(word, "_"))
            *word = '\0';
        argv[argc++] = word;
    }
    return bsc_call_parse(argc, argv, call, error);
}

static void check_fails(const char *line, const char *text)
{
    struct bsc_call call;
    struct bsc_error error;
    assert_int_equal(parse(line, &call, &error), BSC_INVALID);
    assert_string_equal(error.text, text);
}

static void options_may_stand_anywhere(void **unused)
{
    static const char *const lines[] = {
        "--state /s --json deploy web v2 --timeout 90s --stage",
        "deploy --timeout=90s web --stage v2 --json --state=/s",
        "--stage --timeout 90s deploy --json web v2 --state /s",
    };
    (void)unused;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct bsc_call call;
        struct bsc_error error;
        assert_int_equal(parse(lines[i], &call, &error), BSC_OK);
        assert_string_equal(call.command->name, "deploy");
        assert_string_equal(call.arguments[0], "web");
        assert_string_equal(call.arguments[1], "v2");
        assert_int_equal(call.argument_count, 2);
        assert_string_equal(call.text[BSC_OPTION_STATE], "/s");
        assert_true(call.given[BSC_OPTION_JSON] && call.given[BSC_OPTION_STAGE]);
        assert_int_equal(call.number[BSC_OPTION_TIMEOUT], 90000);
        assert_false(call.given[BSC_OPTION_NO_WAIT]);
    }
}

static void letters_may_be_joined_and_belong_to_their_command(void **unused)
{
    struct bsc_call call;
    struct bsc_error error;
    (void)unused;
    assert_int_equal(parse("logs web -qfn5", &call, &error), BSC_OK);
    assert_true(call.given[BSC_OPTION_QUIET] && call.given[BSC_OPTION_FOLLOW]);
    assert_int_equal(call.number[BSC_OPTION_LINES], 5);
    assert_int_equal(parse("apply -f next.yaml", &call, &error), BSC_OK);
    assert_string_equal(call.text[BSC_OPTION_FILE], "next.yaml");
    assert_false(call.given[BSC_OPTION_FOLLOW]);
}

static void after_two_dashes_everything_is_an_argument(void **unused)
{
    struct bsc_call call;
    struct bsc_error error;
    (void)unused;
    assert_int_equal(parse("deploy web -- --json", &call, &error), BSC_OK);
    assert_string_equal(call.arguments[1], "--json");
    assert_false(call.given[BSC_OPTION_JSON]);
}

static void an_unknown_command_or_option_is_refused_with_a_suggestion(void **unused)
{
    (void)unused;
    check_fails("deplyo web v2", "unknown command deplyo; did you mean deploy?");
    check_fails("s", "unknown command s; did you mean switch, status or serve?");
    check_fails("deploy web v2 --stagee", "deploy: unknown option --stagee; did you mean --stage?");
    check_fails("deploy web v2 --no", "deploy: unknown option --no; did you mean --no-color or "
                                      "--no-wait?");
    check_fails("deploy web v2 -x", "deploy: unknown option -x");
    check_fails("deploy web v2 -f", "deploy: unknown option -f");
}

static void names_are_never_abbreviated(void **unused)
{
    (void)unused;
    check_fails("statu", "unknown command statu; did you mean status?");
    check_fails("status --stric", "status: unknown option --stric; did you mean --strict?");
}

static void what_is_missing_or_too_much_is_named(void **unused)
{
    (void)unused;
    check_fails("", "a command is missing");
    check_fails("deploy web", "deploy: VERSION is missing");
    check_fails("deploy web v2 v3", "deploy: one argument too many: v3");
    check_fails("deploy _ v2", "SERVICE is empty");
    check_fails("deploy web v2 --timeout", "--timeout needs a DURATION");
    check_fails("deploy web v2 --stage=yes", "--stage takes no value");
    check_fails("status --stage", "--stage does not go with status");
    check_fails("--stage status", "--stage does not go with status");
    check_fails("--state= status", "--state needs a DIR, not an empty one");
}

static void values_are_checked(void **unused)
{
    struct bsc_call call;
    struct bsc_error error;
    (void)unused;
    check_fails("traffic web holt",
                "MODE is one of serve, hold, maintenance, stop, not holt; did you mean hold?");
    check_fails("logs web --slot red", "--slot is one of blue, green, not red");
    check_fails("logs web -n 0", "--lines is a number between 1 and 100000, not 0");
    check_fails("logs web -n 5x", "--lines is a number between 1 and 100000, not 5x");
    assert_int_equal(parse("wait r1 --timeout soon", &call, &error), BSC_INVALID);
    assert_non_null(strstr(error.text, "--timeout: "));
    assert_non_null(strstr(error.text, "soon"));
}

static void help_is_given_for_an_incomplete_line(void **unused)
{
    struct bsc_call call;
    struct bsc_error error;
    (void)unused;
    assert_int_equal(parse("deploy --help", &call, &error), BSC_OK);
    assert_string_equal(call.command->name, "deploy");
    assert_int_equal(parse("-h", &call, &error), BSC_OK);
    assert_null(call.command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_may_stand_anywhere),
        cmocka_unit_test(letters_may_be_joined_and_belong_to_their_command),
        cmocka_unit_test(after_two_dashes_everything_is_an_argument),
        cmocka_unit_test(an_unknown_command_or_option_is_refused_with_a_suggestion),
        cmocka_unit_test(names_are_never_abbreviated),
        cmocka_unit_test(what_is_missing_or_too_much_is_named),
        cmocka_unit_test(values_are_checked),
        cmocka_unit_test(help_is_given_for_an_incomplete_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
