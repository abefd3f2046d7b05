/* SPDX-License-Identifier: Apache-2.0
 * What ports/runtime.h promises, held against every adapter. */
#include "loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapters/runtime_docker.h"
#include "adapters/runtime_process.h"
#include "adapters/runtime_static.h"
#include "base/arena.h"

struct fixture {
    struct loop loop;
    struct bsc_runtime port;
    struct bsc_runtime_process *process; /* or NULL */
    struct bsc_runtime_static *fixed;
    struct bsc_runtime_docker *docker;
};

static int set_up_process(void **state)
{
    struct fixture *fixture = bsc_alloc(sizeof *fixture);
    struct bsc_error error;
    loop_init(&fixture->loop);
    assert_int_equal(bsc_runtime_process_create(&fixture->loop.uv, fixture->loop.directory,
                                                getenv("BASCULE_SHIM"), loop_deliver,
                                                &fixture->loop, &fixture->process, &error),
                     BSC_OK);
    fixture->port = bsc_runtime_process_port(fixture->process);
    *state = fixture;
    return 0;
}

static int set_up_static(void **state)
{
    struct fixture *fixture = bsc_alloc(sizeof *fixture);
    loop_init(&fixture->loop);
    fixture->fixed = bsc_runtime_static_create(&fixture->loop.uv, loop_deliver, &fixture->loop);
    fixture->port = bsc_runtime_static_port(fixture->fixed);
    *state = fixture;
    return 0;
}

/* With the Engine and the image that tests/docker/with_engine makes. */
static int set_up_docker(void **state)
{
    struct fixture *fixture = bsc_alloc(sizeof *fixture);
    struct bsc_error error;
    loop_init(&fixture->loop);
    assert_int_equal(bsc_runtime_docker_create(&fixture->loop.uv, fixture->loop.directory, NULL,
                                               loop_deliver, &fixture->loop, &fixture->docker,
                                               &error),
                     BSC_OK);
    fixture->port = bsc_runtime_docker_port(fixture->docker);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    if (fixture->docker)
        bsc_runtime_docker_destroy(fixture->docker);
    if (fixture->process)
        bsc_runtime_process_destroy(fixture->process);
    if (fixture->fixed)
        bsc_runtime_static_destroy(fixture->fixed);
    loop_deinit(&fixture->loop);
    free(fixture);
    return 0;
}

static void start(struct fixture *fixture, const char *id, bsc_token token)
{
    static const char *const argv[] = { "sleep", "60" };
    static const struct bsc_container_spec container = { .image = "bascule-test:1",
                                                         .pull = BSC_PULL_NEVER,
                                                         .network = BSC_NETWORK_HOST,
                                                         .stop_signal = "SIGKILL" };
    struct bsc_launch launch = { .id = id, .argv = { 2, argv }, .grace_ms = 1000 };
    if (fixture->docker)
        launch.container = &container;
    fixture->loop.inside = true;
    fixture->port.ops->start(fixture->port.self, &launch, token);
    fixture->loop.inside = false;
}

static void stop(struct fixture *fixture, const char *id, bsc_token token)
{
    fixture->loop.inside = true;
    fixture->port.ops->stop(fixture->port.self, id, 1000, token);
    fixture->loop.inside = false;
}

static void list(struct fixture *fixture, bsc_token token)
{
    fixture->loop.inside = true;
    fixture->port.ops->list(fixture->port.self, token);
    fixture->loop.inside = false;
}

static void start_and_wait(struct fixture *fixture, const char *id)
{
    static bsc_token token = 1000;
    start(fixture, id, ++token);
    loop_wait(&fixture->loop, BSC_EVENT_STARTED, token, id);
}

static void stop_and_wait(struct fixture *fixture, const char *id)
{
    static bsc_token token = 2000;
    stop(fixture, id, ++token);
    loop_wait(&fixture->loop, BSC_EVENT_EXITED, token, id);
}

static void a_start_is_answered_by_started_with_a_pid(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, "a", 1);
    const struct loop_event *event = loop_wait(&fixture->loop, BSC_EVENT_STARTED, 1, "a");
    assert_true(event->pid > 0);
    assert_int_equal(event->status, BSC_OK);
    stop_and_wait(fixture, "a");
}

static void starting_what_runs_answers_started_again_with_the_same_pid(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, "a", 1);
    start(fixture, "a", 2); /* while it starts */
    int64_t pid = loop_wait(&fixture->loop, BSC_EVENT_STARTED, 1, "a")->pid;
    assert_int_equal(loop_wait(&fixture->loop, BSC_EVENT_STARTED, 2, "a")->pid, pid);
    start(fixture, "a", 3);
    assert_int_equal(loop_wait(&fixture->loop, BSC_EVENT_STARTED, 3, "a")->pid, pid);
    stop_and_wait(fixture, "a");
}

static void a_stop_is_answered_by_exited_and_is_no_other_news(void **state)
{
    struct fixture *fixture = *state;
    start_and_wait(fixture, "a");
    stop(fixture, "a", 1);
    loop_wait(&fixture->loop, BSC_EVENT_EXITED, 1, "a");
    loop_turn_for(&fixture->loop, 50);
    assert_null(loop_find(&fixture->loop, BSC_EVENT_EXITED, 0, "a"));
}

static void stopping_what_is_gone_answers_exited(void **state)
{
    struct fixture *fixture = *state;
    start_and_wait(fixture, "a");
    stop_and_wait(fixture, "a");
    stop(fixture, "a", 1);
    stop(fixture, "never-there", 2);
    loop_wait(&fixture->loop, BSC_EVENT_EXITED, 1, "a");
    loop_wait(&fixture->loop, BSC_EVENT_EXITED, 2, "never-there");
}

static void a_stop_while_it_starts_ends_it(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, "a", 1);
    stop(fixture, "a", 2);
    loop_wait(&fixture->loop, BSC_EVENT_EXITED, 2, "a");
    list(fixture, 3);
    const struct loop_event *listed = loop_wait(&fixture->loop, BSC_EVENT_LISTED, 3, NULL);
    const struct loop_found *found = loop_found(listed, "a");
    assert_true(!found || found->pid == 0);
}

static void the_list_tells_what_runs_and_not_what_was_forgotten(void **state)
{
    struct fixture *fixture = *state;
    list(fixture, 1);
    assert_int_equal(loop_wait(&fixture->loop, BSC_EVENT_LISTED, 1, NULL)->found_count, 0);
    start_and_wait(fixture, "a");
    start_and_wait(fixture, "b");
    list(fixture, 2);
    const struct loop_event *listed = loop_wait(&fixture->loop, BSC_EVENT_LISTED, 2, NULL);
    assert_int_equal(listed->status, BSC_OK);
    assert_int_equal(listed->found_count, 2);
    assert_true(loop_found(listed, "a")->pid > 0);
    assert_true(loop_found(listed, "b")->pid > 0);
    stop_and_wait(fixture, "a");
    stop_and_wait(fixture, "b");
    fixture->port.ops->forget(fixture->port.self, "a");
    fixture->port.ops->forget(fixture->port.self, "b");
    fixture->port.ops->forget(fixture->port.self, "never-there");
    list(fixture, 3);
    assert_int_equal(loop_wait(&fixture->loop, BSC_EVENT_LISTED, 3, NULL)->found_count, 0);
}

static void what_has_no_output_has_an_empty_tail(void **state)
{
    struct fixture *fixture = *state;
    char text[16] = "not empty";
    fixture->port.ops->tail(fixture->port.self, "never-there", text, sizeof text);
    assert_string_equal(text, "");
    start_and_wait(fixture, "a");
    fixture->port.ops->tail(fixture->port.self, "a", text, sizeof text);
    assert_string_equal(text, "");
    stop_and_wait(fixture, "a");
}

static void many_start_and_stop_at_once(void **state)
{
    struct fixture *fixture = *state;
    char id[16];
    unsigned count = fixture->docker ? 10 : 100; /* an Engine takes a second for each */
    for (unsigned i = 0; i < count; i++) {
        snprintf(id, sizeof id, "i%u", i);
        start(fixture, id, 1 + i);
    }
    for (unsigned i = 0; i < count; i++)
        loop_wait(&fixture->loop, BSC_EVENT_STARTED, 1 + i, NULL);
    for (unsigned i = 0; i < count; i++) {
        snprintf(id, sizeof id, "i%u", i);
        stop(fixture, id, 101 + i);
    }
    for (unsigned i = 0; i < count; i++)
        loop_wait(&fixture->loop, BSC_EVENT_EXITED, 101 + i, NULL);
}

#define AGAINST_DOCKER(test)                                   \
    {                                                          \
        "docker: " #test, test, set_up_docker, tear_down, NULL \
    }
#define AGAINST_BOTH(test)                                        \
    { "process: " #test, test, set_up_process, tear_down, NULL }, \
    {                                                             \
        "static: " #test, test, set_up_static, tear_down, NULL    \
    }

int main(int count, char **words)
{
    const struct CMUnitTest tests[] = {
        AGAINST_BOTH(a_start_is_answered_by_started_with_a_pid),
        AGAINST_BOTH(starting_what_runs_answers_started_again_with_the_same_pid),
        AGAINST_BOTH(a_stop_is_answered_by_exited_and_is_no_other_news),
        AGAINST_BOTH(stopping_what_is_gone_answers_exited),
        AGAINST_BOTH(a_stop_while_it_starts_ends_it),
        AGAINST_BOTH(the_list_tells_what_runs_and_not_what_was_forgotten),
        AGAINST_BOTH(what_has_no_output_has_an_empty_tail),
        AGAINST_BOTH(many_start_and_stop_at_once),
    };
    const struct CMUnitTest docker[] = {
        AGAINST_DOCKER(a_start_is_answered_by_started_with_a_pid),
        AGAINST_DOCKER(starting_what_runs_answers_started_again_with_the_same_pid),
        AGAINST_DOCKER(a_stop_is_answered_by_exited_and_is_no_other_news),
        AGAINST_DOCKER(stopping_what_is_gone_answers_exited),
        AGAINST_DOCKER(a_stop_while_it_starts_ends_it),
        AGAINST_DOCKER(the_list_tells_what_runs_and_not_what_was_forgotten),
        AGAINST_DOCKER(what_has_no_output_has_an_empty_tail),
        AGAINST_DOCKER(many_start_and_stop_at_once),
    };
    if (count > 1 && !strcmp(words[1], "docker"))
        return cmocka_run_group_tests(docker, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
