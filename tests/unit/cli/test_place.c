/* SPDX-License-Identifier: Apache-2.0
 * tests of cli/place.h */
#include "cli/place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void check(const struct bsc_call *call, uid_t user, const char *state, const char *socket)
{
    struct bsc_place place;
    bsc_place_init(&place, call, user);
    assert_string_equal(place.state, state);
    assert_string_equal(place.socket, socket);
    bsc_place_deinit(&place);
}

static int clear(void **unused)
{
    (void)unused;
    unsetenv("BASCULE_STATE");
    unsetenv("BASCULE_CONFIG");
    unsetenv("XDG_STATE_HOME");
    setenv("HOME", "/nowhere/me", 1);
    return 0;
}

static void root_has_the_machines_folder_and_its_socket_in_run(void **unused)
{
    struct bsc_call call = { 0 };
    (void)unused;
    check(&call, 0, "/var/lib/bascule", "/run/bascule/api.sock");
    call.text[BSC_OPTION_STATE] = "/var/lib/bascule/";
    check(&call, 1000, "/var/lib/bascule", "/run/bascule/api.sock");
}

static void a_folder_that_was_named_holds_the_socket(void **unused)
{
    struct bsc_call call = { 0 };
    (void)unused;
    setenv("BASCULE_STATE", "/nowhere/environment", 1);
    check(&call, 0, "/nowhere/environment", "/nowhere/environment/api.sock");
    call.text[BSC_OPTION_STATE] = "/nowhere/option//";
    check(&call, 1000, "/nowhere/option", "/nowhere/option/api.sock");
}

static void a_user_has_the_xdg_state_folder(void **unused)
{
    struct bsc_call call = { 0 };
    struct bsc_place place;
    (void)unused;
    bsc_place_init(&place, &call, 1000);
    assert_string_equal(place.state, "/nowhere/me/.local/state/bascule");
    bsc_place_deinit(&place);
    setenv("XDG_STATE_HOME", "/nowhere/xdg", 1);
    bsc_place_init(&place, &call, 1000);
    assert_string_equal(place.state, "/nowhere/xdg/bascule");
    bsc_place_deinit(&place);
}

static void the_configuration_is_the_option_then_the_environment_then_the_default(void **unused)
{
    struct bsc_call call = { 0 };
    struct bsc_place place;
    (void)unused;
    bsc_place_init(&place, &call, 0);
    assert_string_equal(place.config, "bascule.yaml");
    bsc_place_deinit(&place);
    setenv("BASCULE_CONFIG", "a.yaml", 1);
    bsc_place_init(&place, &call, 0);
    assert_string_equal(place.config, "a.yaml");
    bsc_place_deinit(&place);
    call.text[BSC_OPTION_CONFIG] = "b.yaml";
    bsc_place_init(&place, &call, 0);
    assert_string_equal(place.config, "b.yaml");
    bsc_place_deinit(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(root_has_the_machines_folder_and_its_socket_in_run, clear),
        cmocka_unit_test_setup(a_folder_that_was_named_holds_the_socket, clear),
        cmocka_unit_test_setup(a_user_has_the_xdg_state_folder, clear),
        cmocka_unit_test_setup(
            the_configuration_is_the_option_then_the_environment_then_the_default, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
