/* SPDX-License-Identifier: Apache-2.0
 * Instances as processes: adopted, told truly, and gone without a trace when they are stopped. */
#include "loop.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "adapters/runtime_process.h"
#include "base/arena.h"
#include "base/list.h"

struct fixture {
    struct loop loop;
    struct bsc_runtime_process *runtime;
    struct bsc_runtime port;
};

static void create(struct fixture *fixture)
{
    struct bsc_error error;
    assert_int_equal(bsc_runtime_process_create(&fixture->loop.uv, fixture->loop.directory,
                                                getenv("BASCULE_SHIM"), loop_deliver,
                                                &fixture->loop, &fixture->runtime, &error),
                     BSC_OK);
    fixture->port = bsc_runtime_process_port(fixture->runtime);
}

static int set_up(void **state)
{
    struct fixture *fixture = bsc_alloc(sizeof *fixture);
    loop_init(&fixture->loop);
    create(fixture);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    bsc_runtime_process_destroy(fixture->runtime);
    loop_deinit(&fixture->loop);
    free(fixture);
    return 0;
}

static void restart(struct fixture *fixture)
{
    bsc_runtime_process_destroy(fixture->runtime);
    create(fixture);
}

static void launch(struct fixture *fixture, struct bsc_launch launch, bsc_token token)
{
    if (!launch.grace_ms)
        launch.grace_ms = 2000;
    fixture->port.ops->start(fixture->port.self, &launch, token);
}

/* Starts `script` by sh as instance "a". */
static const struct loop_event *run(struct fixture *fixture, const char *script, bsc_token token)
{
    const char *argv[] = { "sh", "-c", script };
    launch(fixture, (struct bsc_launch){ .id = "a", .argv = { 3, argv } }, token);
    return loop_wait(&fixture->loop, BSC_EVENT_STARTED, token, "a");
}

static const struct loop_event *stop(struct fixture *fixture, int64_t grace_ms, bsc_token token)
{
    fixture->port.ops->stop(fixture->port.self, "a", grace_ms, token);
    return loop_wait(&fixture->loop, BSC_EVENT_EXITED, token, "a");
}

static const struct loop_event *list(struct fixture *fixture, bsc_token token)
{
    fixture->port.ops->list(fixture->port.self, token);
    return loop_wait(&fixture->loop, BSC_EVENT_LISTED, token, NULL);
}

static const char *path_in(const struct fixture *fixture, const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", fixture->loop.directory, name);
    return path;
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* The number after "KEY=" in the state file of "a". */
static long state_number(const struct fixture *fixture, const char *key)
{
    char line[256];
    long number = -1;
    size_t size = strlen(key);
    FILE *file = fopen(path_in(fixture, "instances/a/state"), "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file))
        if (!strncmp(line, key, size) && line[size] == '=')
            number = atol(line + size + 1);
    fclose(file);
    return number;
}

static bool has_tail(struct loop *loop, const void *argument)
{
    const struct fixture *fixture = BSC_CONTAINER(loop, struct fixture, loop);
    char text[4096];
    fixture->port.ops->tail(fixture->port.self, "a", text, sizeof text);
    return strstr(text, argument) != NULL;
}

static void wait_tail(struct fixture *fixture, const char *text)
{
    loop_until(&fixture->loop, has_tail, text);
}

static bool is_gone(long pid)
{
    char path[64], text[512] = "";
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    int fd = open(path, O_RDONLY);
    if (fd == -1)
        return true;
    ssize_t size = read(fd, text, sizeof text - 1);
    close(fd);
    const char *after = strrchr(text, ')');
    return size <= 0 || !after || after[2] == 'Z';
}

static unsigned open_descriptors(void)
{
    unsigned count = 0;
    DIR *directory = opendir("/proc/self/fd");
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

/* -- ends ------------------------------------------------------------------------------------ */

static void an_end_that_nobody_asked_for_is_told_with_its_status(void **state)
{
    struct fixture *fixture = *state;
    run(fixture, "exit 7", 1);
    const struct loop_event *event = loop_wait(&fixture->loop, BSC_EVENT_EXITED, 0, "a");
    assert_int_equal(WEXITSTATUS(event->wait_status), 7);
    assert_int_equal(event->status, BSC_OK);
    const struct loop_event *listed = list(fixture, 2);
    assert_int_equal(loop_found(listed, "a")->pid, 0);
    assert_int_equal(WEXITSTATUS(loop_found(listed, "a")->wait_status), 7);
}

static void a_command_that_does_not_exist_is_told_with_its_name(void **state)
{
    struct fixture *fixture = *state;
    const char *argv[] = { "/does/not/exist" };
    launch(fixture, (struct bsc_launch){ .id = "a", .argv = { 1, argv } }, 1);
    const struct loop_event *event = loop_wait(&fixture->loop, BSC_EVENT_EXITED, 1, "a");
    assert_int_equal(event->status, BSC_FAILED);
    assert_non_null(strstr(event->text, "/does/not/exist"));
    assert_null(loop_find(&fixture->loop, BSC_EVENT_STARTED, 1, "a"));
    assert_null(loop_find(&fixture->loop, BSC_EVENT_EXITED, 0, "a"));
}

static void a_port_in_use_is_told_before_anything_starts(void **state)
{
    struct fixture *fixture = *state;
    const char *argv[] = { "sleep", "60" };
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    launch(fixture,
           (struct bsc_launch){ .id = "a", .argv = { 2, argv }, .port = ntohs(address.sin_port) },
           1);
    const struct loop_event *event = loop_wait(&fixture->loop, BSC_EVENT_EXITED, 1, "a");
    assert_int_equal(event->status, BSC_EXISTS);
    assert_non_null(strstr(event->text, "in use"));
    close(fd);
}

static void an_unknown_user_and_an_empty_command_are_refused(void **state)
{
    struct fixture *fixture = *state;
    const char *argv[] = { "true" };
    launch(fixture, (struct bsc_launch){ .id = "a", .argv = { 1, argv }, .user = "no-such-user" },
           1);
    const struct loop_event *event = loop_wait(&fixture->loop, BSC_EVENT_EXITED, 1, "a");
    assert_int_equal(event->status, BSC_INVALID);
    assert_non_null(strstr(event->text, "no-such-user"));
    launch(fixture, (struct bsc_launch){ .id = "a" }, 2);
    assert_int_equal(loop_wait(&fixture->loop, BSC_EVENT_EXITED, 2, "a")->status, BSC_INVALID);
    launch(fixture, (struct bsc_launch){ .id = "../a", .argv = { 1, argv } }, 3);
    assert_int_equal(loop_wait(&fixture->loop, BSC_EVENT_EXITED, 3, "../a")->status, BSC_INVALID);
}

static void a_hook_that_takes_too_long_is_told_as_timed_out(void **state)
{
    struct fixture *fixture = *state;
    const char *argv[] = { "sleep", "60" };
    launch(fixture, (struct bsc_launch){ .id = "a", .argv = { 2, argv }, .timeout_ms = 100 }, 1);
    loop_wait(&fixture->loop, BSC_EVENT_STARTED, 1, "a");
    const struct loop_event *event = loop_wait(&fixture->loop, BSC_EVENT_EXITED, 0, "a");
    assert_int_equal(event->status, BSC_TIMEOUT);
}

static void what_ended_can_be_started_again(void **state)
{
    struct fixture *fixture = *state;
    run(fixture, "echo first", 1);
    loop_wait(&fixture->loop, BSC_EVENT_EXITED, 0, "a");
    run(fixture, "echo second; sleep 60", 2);
    wait_tail(fixture, "second");
    assert_true(has_tail(&fixture->loop, "first\nsecond\n"));
    stop(fixture, 1000, 3);
}

/* -- trees ----------------------------------------------------------------------------------- */

static void a_tree_that_ignores_term_is_gone_after_the_grace(void **state)
{
    struct fixture *fixture = *state;
    int64_t pid = run(fixture,
                      "trap '' TERM; (trap '' TERM; setsid sleep 61 & echo $!; sleep 61) & "
                      "echo ready; while :; do sleep 61; done",
                      1)
                      ->pid;
    wait_tail(fixture, "ready");
    char text[256];
    fixture->port.ops->tail(fixture->port.self, "a", text, sizeof text);
    long child = atol(text[0] == 'r' ? text + 6 : text);
    const struct loop_event *event = stop(fixture, 100, 2);
    assert_true(WIFSIGNALED(event->wait_status));
    assert_true(is_gone(pid));
    assert_true(!child || is_gone(child));
}

static void what_a_killed_shim_leaves_behind_is_killed_before_the_end_is_told(void **state)
{
    struct fixture *fixture = *state;
    int64_t pid =
        run(fixture, "setsid sleep 62 & echo $!; sleep 62 & echo $!; echo ready; wait", 1)->pid;
    wait_tail(fixture, "ready");
    char text[256], *rest;
    fixture->port.ops->tail(fixture->port.self, "a", text, sizeof text);
    long first = strtol(text, &rest, 10), second = strtol(rest, NULL, 10);
    assert_false(is_gone(first) || is_gone(second));
    kill((pid_t)state_number(fixture, "shim_pid"), SIGKILL);
    const struct loop_event *event = loop_wait(&fixture->loop, BSC_EVENT_EXITED, 0, "a");
    assert_int_equal(event->wait_status, BSC_WAIT_UNKNOWN);
    assert_string_equal(event->text, "");
    assert_true(is_gone(pid) && is_gone(first) && is_gone(second));
}

static void a_shim_that_does_not_obey_is_killed_with_its_tree(void **state)
{
    struct fixture *fixture = *state;
    int64_t pid = run(fixture, "setsid sleep 63 & echo $!; echo ready; wait", 1)->pid;
    wait_tail(fixture, "ready");
    char text[256];
    fixture->port.ops->tail(fixture->port.self, "a", text, sizeof text);
    kill((pid_t)state_number(fixture, "shim_pid"), SIGSTOP);
    stop(fixture, 0, 2);
    assert_true(is_gone(pid) && is_gone(atol(text)));
}

/* -- adoption -------------------------------------------------------------------------------- */

static void a_new_runtime_finds_what_the_old_one_started(void **state)
{
    struct fixture *fixture = *state;
    int64_t pid = run(fixture, "sleep 64; exit 3", 1)->pid;
    restart(fixture);
    assert_int_equal(loop_found(list(fixture, 2), "a")->pid, pid);
    const char *argv[] = { "false" };
    launch(fixture, (struct bsc_launch){ .id = "a", .argv = { 1, argv } }, 3);
    assert_int_equal(loop_wait(&fixture->loop, BSC_EVENT_STARTED, 3, "a")->pid, pid);
    kill((pid_t)pid, SIGKILL);
    const struct loop_event *event = loop_wait(&fixture->loop, BSC_EVENT_EXITED, 0, "a");
    assert_int_equal(WTERMSIG(event->wait_status), SIGKILL);
    restart(fixture);
    const struct loop_event *listed = list(fixture, 4);
    assert_int_equal(loop_found(listed, "a")->pid, 0);
    assert_int_equal(WTERMSIG(loop_found(listed, "a")->wait_status), SIGKILL);
}

static void a_start_or_a_stop_adopts_without_a_list(void **state)
{
    struct fixture *fixture = *state;
    int64_t pid = run(fixture, "sleep 65", 1)->pid;
    restart(fixture);
    const char *argv[] = { "false" };
    launch(fixture, (struct bsc_launch){ .id = "a", .argv = { 1, argv } }, 2);
    assert_int_equal(loop_wait(&fixture->loop, BSC_EVENT_STARTED, 2, "a")->pid, pid);
    restart(fixture);
    stop(fixture, 1000, 3);
    assert_true(is_gone(pid));
}

static void what_died_while_nobody_looked_is_swept_by_the_list(void **state)
{
    struct fixture *fixture = *state;
    run(fixture, "setsid sleep 66 & echo $!; echo ready; wait", 1);
    wait_tail(fixture, "ready");
    char text[256];
    fixture->port.ops->tail(fixture->port.self, "a", text, sizeof text);
    long shim = state_number(fixture, "shim_pid");
    bsc_runtime_process_destroy(fixture->runtime);
    kill((pid_t)shim, SIGKILL);
    while (!is_gone(shim))
        usleep(1000);
    create(fixture);
    const struct loop_found *found = loop_found(list(fixture, 2), "a");
    assert_int_equal(found->pid, 0);
    assert_int_equal(found->wait_status, BSC_WAIT_UNKNOWN);
    assert_true(is_gone(atol(text)));
    loop_turn_for(&fixture->loop, 50);
    assert_null(loop_find(&fixture->loop, BSC_EVENT_EXITED, 0, "a"));
}

static void what_ran_before_the_machine_restarted_is_told_as_exited(void **state)
{
    struct fixture *fixture = *state;
    mkdir(path_in(fixture, "instances/a"), 0700);
    write_file(path_in(fixture, "instances/a/state"),
               "boot_id=00000000-0000-0000-0000-000000000000\nshim_pid=2\npid=2\nphase=running\n");
    mkdir(path_in(fixture, "instances/half"), 0700);
    mkdir(path_in(fixture, "instances/torn"), 0700);
    write_file(path_in(fixture, "instances/torn/state"), "shim_pid=zwei\n");
    write_file(path_in(fixture, "instances/notes.txt"), "not ours");
    const struct loop_event *listed = list(fixture, 1);
    assert_int_equal(listed->found_count, 3);
    const struct loop_found *found = loop_found(listed, "a");
    assert_int_equal(found->pid, 0);
    assert_int_equal(found->wait_status, BSC_WAIT_UNKNOWN);
    assert_string_equal(found->text, "");
    assert_string_equal(loop_found(listed, "half")->text, "it was never started");
    assert_int_equal(loop_found(listed, "torn")->wait_status, BSC_WAIT_UNKNOWN);
    assert_string_equal(loop_found(listed, "torn")->text, "");
}

static void a_pid_in_a_state_file_is_not_believed(void **state)
{
    struct fixture *fixture = *state;
    char text[512], boot[64];
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY);
    boot[read(fd, boot, sizeof boot - 1)] = '\0';
    close(fd);
    pid_t stranger = fork();
    if (!stranger) {
        pause();
        _exit(0);
    }
    mkdir(path_in(fixture, "instances/a"), 0700);
    snprintf(text, sizeof text, "boot_id=%sshim_pid=%d\npid=%d\nphase=running\n", boot,
             (int)stranger, (int)stranger);
    write_file(path_in(fixture, "instances/a/state"), text);
    assert_int_equal(loop_found(list(fixture, 1), "a")->pid, 0);
    /* Not even when somebody holds the lock. */
    fd = open(path_in(fixture, "instances/a/lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    const struct loop_event *event = stop(fixture, 0, 2);
    assert_non_null(strstr(event->text, "not its shim"));
    close(fd);
    assert_false(is_gone(stranger));
    kill(stranger, SIGKILL);
    waitpid(stranger, NULL, 0);
}

/* -- environment, output, files -------------------------------------------------------------- */

static void the_environment_is_built_from_its_sources(void **state)
{
    struct fixture *fixture = *state;
    char file[256];
    snprintf(file, sizeof file, "%s", path_in(fixture, "web.env"));
    write_file(file, "FROM_FILE=yes\nBOTH=file # which loses\nHOME=/of/the/file\n");
    setenv("SECRET_OF_THE_DAEMON", "x", 1);
    const char *const files[] = { file };
    const char *const own[] = { "BOTH=own", "PORT=1234" };
    const char *const argv[] = { "sh", "-c", "env; pwd; echo ready; sleep 60" };
    launch(fixture,
           (struct bsc_launch){ .id = "a",
                                .argv = { 3, argv },
                                .env_files = { 1, files },
                                .environment = { 2, own },
                                .directory = "/usr" },
           1);
    wait_tail(fixture, "ready\n");
    char text[4096];
    fixture->port.ops->tail(fixture->port.self, "a", text, sizeof text);
    assert_non_null(strstr(text, "FROM_FILE=yes\n"));
    assert_non_null(strstr(text, "BOTH=own\n"));
    assert_non_null(strstr(text, "HOME=/of/the/file\n"));
    assert_non_null(strstr(text, "\n/usr\n"));
    assert_non_null(strstr(text, "PATH="));
    assert_null(strstr(text, "SECRET_OF_THE_DAEMON"));
    unsetenv("SECRET_OF_THE_DAEMON");
    stop(fixture, 1000, 2);
}

static void a_bad_environment_file_is_told_with_file_and_line(void **state)
{
    struct fixture *fixture = *state;
    char file[256];
    snprintf(file, sizeof file, "%s", path_in(fixture, "web.env"));
    write_file(file, "A=1\nthis is not one\n");
    const char *const files[] = { file };
    const char *const argv[] = { "true" };
    launch(fixture,
           (struct bsc_launch){ .id = "a", .argv = { 1, argv }, .env_files = { 1, files } }, 1);
    const struct loop_event *event = loop_wait(&fixture->loop, BSC_EVENT_EXITED, 1, "a");
    assert_int_equal(event->status, BSC_INVALID);
    assert_non_null(strstr(event->text, "web.env:2: "));
}

static void the_tail_is_whole_lines_and_reaches_into_the_rotated_file(void **state)
{
    struct fixture *fixture = *state;
    mkdir(path_in(fixture, "instances/a"), 0700);
    write_file(path_in(fixture, "instances/a/log.1"), "one\ntwo\n");
    write_file(path_in(fixture, "instances/a/log"), "three\nfour\n");
    char text[64], cut[13];
    fixture->port.ops->tail(fixture->port.self, "a", text, sizeof text);
    assert_string_equal(text, "one\ntwo\nthree\nfour\n");
    fixture->port.ops->tail(fixture->port.self, "a", cut, sizeof cut);
    assert_string_equal(cut, "three\nfour\n");
}

static void forgetting_removes_what_is_there_and_follows_no_link(void **state)
{
    struct fixture *fixture = *state;
    char outside[256];
    snprintf(outside, sizeof outside, "%s", path_in(fixture, "outside"));
    mkdir(outside, 0700);
    write_file(path_in(fixture, "outside/kept"), "kept");
    run(fixture, "mkdir -p deep/er; touch deep/er/file; echo ready; sleep 60", 1);
    wait_tail(fixture, "ready");
    assert_int_equal(symlink(outside, path_in(fixture, "instances/a/link")), 0);
    assert_int_equal(symlink(outside, path_in(fixture, "instances/b")), 0);
    fixture->port.ops->forget(fixture->port.self, "a"); /* it runs: not yet */
    assert_int_equal(access(path_in(fixture, "instances/a/state"), F_OK), 0);
    stop(fixture, 1000, 2);
    fixture->port.ops->forget(fixture->port.self, "a");
    fixture->port.ops->forget(fixture->port.self, "b");
    fixture->port.ops->forget(fixture->port.self, "..");
    assert_int_equal(access(path_in(fixture, "instances/a"), F_OK), -1);
    assert_int_equal(access(path_in(fixture, "outside/kept"), F_OK), 0);
}

static void a_directory_that_others_may_write_to_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct bsc_runtime_process *runtime;
    struct bsc_error error;
    assert_int_equal(chmod(path_in(fixture, "instances"), 0777), 0);
    assert_int_equal(bsc_runtime_process_create(&fixture->loop.uv, fixture->loop.directory, "shim",
                                                loop_deliver, NULL, &runtime, &error),
                     BSC_DENIED);
    assert_int_equal(chmod(path_in(fixture, "instances"), 0700), 0);
}

static void no_descriptor_and_no_zombie_is_left(void **state)
{
    struct fixture *fixture = *state;
    while (waitpid(-1, NULL, WNOHANG) > 0) /* adopted ones are not reaped by the runtime */
        ;
    run(fixture, "sleep 60", 1);
    stop(fixture, 1000, 2);
    unsigned before = open_descriptors();
    for (bsc_token token = 3; token < 23; token += 2) {
        run(fixture, "sleep 60", token);
        stop(fixture, 1000, token + 1);
    }
    loop_turn_for(&fixture->loop, 1);
    assert_int_equal(open_descriptors(), before);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        CASE(an_end_that_nobody_asked_for_is_told_with_its_status),
        CASE(a_command_that_does_not_exist_is_told_with_its_name),
        CASE(a_port_in_use_is_told_before_anything_starts),
        CASE(an_unknown_user_and_an_empty_command_are_refused),
        CASE(a_hook_that_takes_too_long_is_told_as_timed_out),
        CASE(what_ended_can_be_started_again),
        CASE(a_tree_that_ignores_term_is_gone_after_the_grace),
        CASE(what_a_killed_shim_leaves_behind_is_killed_before_the_end_is_told),
        CASE(a_shim_that_does_not_obey_is_killed_with_its_tree),
        CASE(a_new_runtime_finds_what_the_old_one_started),
        CASE(a_start_or_a_stop_adopts_without_a_list),
        CASE(what_died_while_nobody_looked_is_swept_by_the_list),
        CASE(what_ran_before_the_machine_restarted_is_told_as_exited),
        CASE(a_pid_in_a_state_file_is_not_believed),
        CASE(the_environment_is_built_from_its_sources),
        CASE(a_bad_environment_file_is_told_with_file_and_line),
        CASE(the_tail_is_whole_lines_and_reaches_into_the_rotated_file),
        CASE(forgetting_removes_what_is_there_and_follows_no_link),
        CASE(a_directory_that_others_may_write_to_is_refused),
        CASE(no_descriptor_and_no_zombie_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
