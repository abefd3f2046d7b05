/* SPDX-License-Identifier: Apache-2.0
 * tests of cli/client.h that need no daemon: what its words mean, and what its absence says */
#include "cli/client.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/run.h"

static void every_problem_has_its_status_and_its_exit_status(void **unused)
{
    static const struct {
        const char *type;
        long code;
        enum bsc_status status;
        enum bsc_exit exit;
    } problems[] = {
        { "urn:bascule:environment-busy", 409, BSC_BUSY, BSC_EXIT_BUSY },
        { "urn:bascule:invalid-state", 409, BSC_STATE, BSC_EXIT_FAILED },
        { "urn:bascule:rollback-failed", 409, BSC_NO_ROLLBACK, BSC_EXIT_FAILED },
        { "urn:bascule:health-check-failed", 409, BSC_UNHEALTHY, BSC_EXIT_FAILED },
        { "urn:bascule:invalid", 422, BSC_INVALID, BSC_EXIT_USAGE },
        { "urn:bascule:not-found", 404, BSC_NOT_FOUND, BSC_EXIT_USAGE },
        { "urn:bascule:disk-full", 503, BSC_NO_SPACE, BSC_EXIT_FAILED },
        { "urn:bascule:store-damaged", 503, BSC_CORRUPT, BSC_EXIT_FAILED },
        { "urn:bascule:unavailable", 503, BSC_UNAVAILABLE, BSC_EXIT_UNREACHABLE },
        { "urn:bascule:denied", 403, BSC_DENIED, BSC_EXIT_UNREACHABLE },
        { "urn:bascule:of-a-later-version", 409, BSC_STATE, BSC_EXIT_FAILED },
        { NULL, 413, BSC_INVALID, BSC_EXIT_USAGE },
        { NULL, 500, BSC_FAILED, BSC_EXIT_FAILED },
    };
    (void)unused;
    for (size_t i = 0; i < sizeof problems / sizeof *problems; i++) {
        enum bsc_status status = bsc_problem_status(problems[i].type, problems[i].code);
        assert_int_equal(status, problems[i].status);
        assert_int_equal(bsc_exit_of(status), problems[i].exit);
    }
}

static void a_path_is_escaped_so_that_no_name_leaves_its_place(void **unused)
{
    struct bsc_text out = { 0 };
    (void)unused;
    bsc_client_escape(&out, "a-Z.0_~/../?x=1&y#%\n\xc3\xa9");
    assert_string_equal(bsc_text_get(&out), "a-Z.0_~%2F..%2F%3Fx%3D1%26y%23%25%0A%C3%A9");
    bsc_text_deinit(&out);
}

static void check_absent(const char *socket, enum bsc_status status, int number)
{
    struct bsc_answer answer;
    struct bsc_client client = { .socket = socket };
    const struct bsc_request_spec spec = { .method = "GET", .path = "/v1/version" };
    assert_int_equal(bsc_client_call(&client, &spec, &answer), status);
    assert_false(answer.answered);
    assert_null(answer.body);
    assert_int_equal(answer.error.number, number);
    assert_non_null(strstr(answer.error.text, socket));
    bsc_client_deinit(&client);
}

static void an_absent_daemon_is_said_to_be_absent(void **unused)
{
    (void)unused;
    check_absent("/nowhere/api.sock", BSC_UNAVAILABLE, ENOENT);
}

static void a_path_too_long_for_a_socket_is_said_to_be_so(void **unused)
{
    char path[140] = "/";
    (void)unused;
    memset(path + 1, 'x', sizeof path - 2);
    check_absent(path, BSC_INVALID, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_problem_has_its_status_and_its_exit_status),
        cmocka_unit_test(a_path_is_escaped_so_that_no_name_leaves_its_place),
        cmocka_unit_test(an_absent_daemon_is_said_to_be_absent),
        cmocka_unit_test(a_path_too_long_for_a_socket_is_said_to_be_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
