/* SPDX-License-Identifier: Apache-2.0
 * The state file says what happened, one key a line, whatever an error text holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "shim/state.h"

static void assert_format(const struct bsc_shim_state *state, const char *expected)
{
    struct bsc_text text = { 0 };
    bsc_shim_state_format(state, &text);
    assert_string_equal(bsc_text_get(&text), expected);
    bsc_text_deinit(&text);
}

static void a_running_instance_has_no_end(void **unused)
{
    (void)unused;
    struct bsc_shim_state state = { .boot_id = "b",
                                    .shim_pid = 4,
                                    .pid = 5,
                                    .phase = BSC_SHIM_RUNNING,
                                    .started_ms = 1700000000000,
                                    .wait_status = -1 };
    assert_format(&state, "boot_id=b\nshim_pid=4\npid=5\nphase=running\n"
                          "started_ms=1700000000000\n");
}

static void an_exited_one_has_its_wait_status(void **unused)
{
    (void)unused;
    struct bsc_shim_state state = { .boot_id = "b",
                                    .shim_pid = 4,
                                    .pid = 5,
                                    .phase = BSC_SHIM_EXITED,
                                    .started_ms = 1,
                                    .exited_ms = 2,
                                    .wait_status = 768 };
    assert_format(&state, "boot_id=b\nshim_pid=4\npid=5\nphase=exited\nstarted_ms=1\n"
                          "exited_ms=2\nwait_status=768\n");
}

static void an_error_stays_one_line(void **unused)
{
    (void)unused;
    struct bsc_shim_state state = { .phase = BSC_SHIM_EXITED,
                                    .wait_status = -1,
                                    .error = "exec /a\nphase=running: No such file" };
    assert_format(&state, "boot_id=\nshim_pid=0\npid=0\nphase=exited\nstarted_ms=0\nexited_ms=0\n"
                          "wait_status=-1\nerror=exec /a\\x0aphase=running: No such file\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_running_instance_has_no_end),
        cmocka_unit_test(an_exited_one_has_its_wait_status),
        cmocka_unit_test(an_error_stays_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
