/* SPDX-License-Identifier: Apache-2.0
 * Command probes are bounded in time, output and processes, and leave nobody behind.
 */
#include "prober_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void the_exit_status_of_a_command_decides(void **unused)
{
    (void)unused;
    struct bsc_health_spec health = health_of_shell("exit 0");
    assert_string_equal(result_of(&health, "", true), "exited with status 0");
    health = health_of_shell("echo first; echo 'no \033[1mdatabase' >&2; exit 3");
    assert_string_equal(result_of(&health, "", false), "exited with status 3: no \\x1b[1mdatabase");
    health = health_of_shell("kill -11 $$");
    assert_string_equal(result_of(&health, "", false), "killed by signal 11");
    static const char *const argv[] = { "sh", "-c", "echo $COLOUR $0 $1; exit 1", "a b", "c" };
    health = health_of(BSC_PROBE_COMMAND);
    health.command.argv = (struct bsc_strings){ 5, argv };
    assert_string_equal(result_of(&health, "", false), "exited with status 1: blue a b c");
}

static void a_command_that_cannot_be_started_says_why(void **unused)
{
    (void)unused;
    static const char *const argv[] = { "/nonexistent/check" };
    struct bsc_health_spec health = health_of(BSC_PROBE_COMMAND);
    health.command.argv = (struct bsc_strings){ 1, argv };
    assert_string_equal(result_of(&health, "", false),
                        "cannot start /nonexistent/check: No such file or directory");
    struct bsc_probe probe = { .id = "x", .address = "", .health = &health, .user = "nobody-here" };
    the.prober.ops->probe(the.prober.self, &probe, 99);
    turn_until(2);
    assert_begins(the.results[1].detail, "cannot run as user nobody-here: ");
}

static void a_command_runs_as_the_instance_s_user_in_its_directory(void **unused)
{
    (void)unused;
    if (geteuid() != 0) {
        print_message("skipped: changing the user needs root\n");
        skip();
    }
    struct bsc_health_spec health = health_of_shell("echo $(id -un) $(pwd); exit 1");
    struct bsc_probe probe = {
        .id = "x", .address = "", .health = &health, .user = "nobody", .directory = "/usr"
    };
    the.prober.ops->probe(the.prober.self, &probe, 1);
    turn_until(1);
    assert_string_equal(the.results[0].detail, "exited with status 1: nobody /usr");
}

static bool gone(const char *pid_file)
{
    char text[32] = "";
    FILE *file = fopen(pid_file, "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file));
    fclose(file);
    long pid = strtol(text, NULL, 10);
    assert_true(pid > 1);
    for (unsigned i = 0; i < 500; i++) { /* its new parent must reap it */
        char path[64], state[256] = "";
        snprintf(path, sizeof path, "/proc/%ld/stat", pid);
        file = fopen(path, "r");
        if (!file)
            return true;
        size_t size = fread(state, 1, sizeof state - 1, file);
        fclose(file);
        if (!size || strstr(state, ") Z "))
            return true;
        usleep(10000);
    }
    return false;
}

static void the_whole_group_is_killed_at_the_time_limit(void **unused)
{
    (void)unused;
    char command[256], file[] = "/tmp/bascule-test-XXXXXX";
    close(mkstemp(file));
    snprintf(command, sizeof command,
             "trap '' TERM; sleep 600 & echo $! > %s; echo waiting; wait; sleep 600", file);
    struct bsc_health_spec health = health_of_shell(command);
    health.timeout_ms = 300;
    assert_string_equal(result_of(&health, "", false), "did not end within 300ms: waiting");
    assert_true(gone(file));
    unlink(file);
}

static void what_a_command_leaves_behind_is_killed(void **unused)
{
    (void)unused;
    char command[256], file[] = "/tmp/bascule-test-XXXXXX";
    close(mkstemp(file));
    snprintf(command, sizeof command, "sleep 600 & echo $! > %s; echo done", file);
    struct bsc_health_spec health = health_of_shell(command);
    assert_string_equal(result_of(&health, "", true), "exited with status 0: done");
    assert_true(gone(file));
    unlink(file);
}

static void endless_output_is_thrown_away(void **unused)
{
    (void)unused;
    struct bsc_health_spec health = health_of_shell("yes 'more and more'");
    health.timeout_ms = 200;
    assert_begins(result_of(&health, "", false), "did not end within 200ms: ");
    health = health_of_shell("head -c 3000000 /dev/zero | tr '\\0' x; echo; echo the end; exit 1");
    assert_string_equal(result_of(&health, "", false), "exited with status 1: the end");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        probe_test(the_exit_status_of_a_command_decides),
        probe_test(a_command_that_cannot_be_started_says_why),
        probe_test(a_command_runs_as_the_instance_s_user_in_its_directory),
        probe_test(the_whole_group_is_killed_at_the_time_limit),
        probe_test(what_a_command_leaves_behind_is_killed),
        probe_test(endless_output_is_thrown_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
