/* SPDX-License-Identifier: Apache-2.0
 * The shim's command line is read exactly, and a mistake in it is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "shim/options.h"

enum { ARGUMENTS = 24 };

static int split(char *text, char *argv[ARGUMENTS])
{
    int argc = 0;
    for (char *word = strtok(text, " "); word && argc < ARGUMENTS - 1; word = strtok(NULL, " "))
        argv[argc++] = word;
    argv[argc] = NULL;
    return argc;
}

static void every_option_is_taken(void **unused)
{
    (void)unused;
    char text[] = "shim --directory d --id web-1 --grace-ms 5 --log-bytes 2048 --log-files 2 "
                  "--user www --chdir / --timeout-ms 7 --port 8080 -- sh -c --port";
    char *argv[ARGUMENTS];
    struct bsc_shim_options options;
    struct bsc_error error;
    int argc = split(text, argv);
    assert_int_equal(bsc_shim_options_parse(argc, argv, &options, &error), BSC_OK);
    assert_string_equal(options.directory, "d");
    assert_string_equal(options.id, "web-1");
    assert_string_equal(options.user, "www");
    assert_string_equal(options.chdir, "/");
    assert_int_equal(options.grace_ms, 5);
    assert_int_equal(options.timeout_ms, 7);
    assert_int_equal(options.log_bytes, 2048);
    assert_int_equal(options.log_files, 2);
    assert_int_equal(options.port, 8080);
    assert_string_equal(options.command[0], "sh");
    assert_string_equal(options.command[2], "--port");
    assert_null(options.command[3]);
}

static void a_mistake_is_named(void **unused)
{
    (void)unused;
    static const struct {
        const char *line, *expected;
    } cases[] = {
        { "shim", "--directory and --id are needed" },
        { "shim --directory d --id x", "the command is missing" },
        { "shim --directory d --id x --", "the command is missing" },
        { "shim --directory d --id", "--id needs a value" },
        { "shim --frobnicate 1 -- x", "unknown option '--frobnicate'" },
        { "shim --port 0 -- x", "--port: '0' is not a number from 1 to 65535" },
        { "shim --port 80x -- x", "--port: '80x'" },
        { "shim --grace-ms -1 -- x", "--grace-ms: '-1'" },
        { "shim --log-files 99999999999999999999 -- x", "--log-files" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[128], *argv[ARGUMENTS];
        struct bsc_shim_options options;
        struct bsc_error error;
        snprintf(text, sizeof text, "%s", cases[i].line);
        int argc = split(text, argv);
        assert_int_equal(bsc_shim_options_parse(argc, argv, &options, &error), BSC_INVALID);
        assert_non_null(strstr(error.text, cases[i].expected));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_option_is_taken),
        cmocka_unit_test(a_mistake_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
