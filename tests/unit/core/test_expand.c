/* SPDX-License-Identifier: Apache-2.0
 * ${VERSION} and its like, and the specification of a release. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/expand.h"

static const struct bsc_variables all = { "v2", "31001", "green", "web-green-12-0" };
static const struct bsc_variables version_only = { .version = "v2" };

static void expands_to(const char *text, const struct bsc_variables *variables, const char *wanted)
{
    struct bsc_arena arena;
    bsc_arena_init(&arena);
    const char *out = NULL;
    assert_int_equal(bsc_expand(&arena, text, variables, &out, NULL), BSC_OK);
    assert_string_equal(out, wanted);
    bsc_arena_deinit(&arena);
}

static void variables_are_replaced_wherever_they_stand(void **unused)
{
    (void)unused;
    expands_to("", &all, "");
    expands_to("plain", &all, "plain");
    expands_to("${VERSION}", &all, "v2");
    expands_to("a${VERSION}b${VERSION}", &all, "av2bv2");
    expands_to("--listen=127.0.0.1:${PORT} ${SLOT}/${INSTANCE}", &all,
               "--listen=127.0.0.1:31001 green/web-green-12-0");
}

static void variables_without_a_value_yet_are_kept(void **unused)
{
    (void)unused;
    expands_to("${VERSION} on ${PORT}", &version_only, "v2 on ${PORT}");
    expands_to("${SLOT}${INSTANCE}", &version_only, "${SLOT}${INSTANCE}");
}

static void other_dollars_belong_to_the_shell(void **unused)
{
    (void)unused;
    expands_to("$HOME $$ $(date) $", &all, "$HOME $$ $(date) $");
    expands_to("$}{$", &all, "$}{$");
}

static void a_doubled_dollar_stands_for_a_literal_brace_after_both_expansions(void **unused)
{
    (void)unused;
    expands_to("$${HOME:-x} ${VERSION}", &version_only, "$${HOME:-x} v2");
    expands_to("$${HOME:-x} v2", &all, "${HOME:-x} v2");
    expands_to("$$${VERSION}", &all, "$${VERSION}");
    expands_to("$${", &all, "${");
}

static void an_unknown_variable_is_named_with_the_accepted_ones(void **unused)
{
    (void)unused;
    struct bsc_arena arena;
    bsc_arena_init(&arena);
    struct bsc_error error;
    const char *out = NULL;
    static const char *const bad[] = { "${HOME}",     "${}",       "${version}",
                                       "${VERSION }", "${VERSIO}", "${VERSION:-v1}" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(bsc_expand(&arena, bad[i], &all, &out, &error), BSC_INVALID);
    assert_int_equal(bsc_expand(&arena, "x ${HOME} y", &all, &out, &error), BSC_INVALID);
    assert_string_equal(
        error.text,
        "unknown variable ${HOME}; accepted are ${VERSION}, ${SERVICE}, ${PORT}, ${SLOT} and "
        "${INSTANCE} (\"$${\" stands for a literal \"${\", and $NAME without "
        "braces is left to the shell)");
    assert_int_equal(bsc_expand(&arena, "x ${VERSION", &all, &out, &error), BSC_INVALID);
    assert_string_equal(
        error.text,
        "\"${\" without \"}\"; accepted are ${VERSION}, ${SERVICE}, ${PORT}, ${SLOT} and "
        "${INSTANCE} (\"$${\" stands for a literal \"${\", and $NAME without "
        "braces is left to the shell)");
    assert_null(out);
    bsc_arena_deinit(&arena);
}

static struct bsc_strings strings(const char *const *items, unsigned count)
{
    return (struct bsc_strings){ count, items };
}

static const char *const argv[] = { "app", "--release=${VERSION}", "--port=${PORT}" };
static const char *const environment[] = { "RELEASE=${VERSION}", "RAW=$${VERSION}" };
static const char *const env_files[] = { "/srv/${VERSION}/env" };
static const char *const blue[] = { "127.0.0.1:3000" };
static const struct bsc_route routes[] = { { "shop.example", "/" }, { NULL, "/api" } };

static const struct bsc_error_page pages[] = { { "503", "<p>sorry", NULL } };
static const struct bsc_match_rule rules[] = {
    { .by = BSC_MATCH_HEADER, .how = BSC_MATCH_EXACT, .name = "X-Beta", .value = "yes" }
};
static const struct bsc_goal_spec goals[] = { { .name = "order", .path = "/orders" } };

static struct bsc_spec *file_spec(void)
{
    struct bsc_spec *spec = bsc_spec_create();
    spec->name = "web";
    spec->routes = routes;
    spec->route_count = 2;
    spec->command.argv = strings(argv, 3);
    spec->directory = "/srv/${VERSION}";
    spec->environment = strings(environment, 2);
    spec->env_files = strings(env_files, 1);
    spec->targets[BSC_BLUE] = strings(blue, 1);
    spec->health.path = "/health";
    spec->health.command.shell = "test -e ${VERSION}";
    spec->deploy.pre_deploy.command.shell = "migrate ${VERSION}";
    spec->deploy.pre_deploy.undo.shell = "migrate --undo ${VERSION}";
    spec->deploy.post_promote.command.shell = "announce ${VERSION} ${SLOT}";
    spec->deploy.bake_ms = 5000;
    spec->deploy.match = (struct bsc_match_spec){ 1, rules };
    spec->deploy.ab = (struct bsc_ab_spec){ .goal_count = 1, .goals = goals, .decide = "order" };
    spec->edge.error_pages = (struct bsc_error_pages){ 1, pages };
    spec->replicas = 2;
    spec->upstream_tls =
        (struct bsc_upstream_tls_spec){ .enabled = true,
                                        .ca = bsc_arena_copy(&spec->arena, "/ca.pem"),
                                        .server_name = bsc_arena_copy(&spec->arena, "app"),
                                        .certificate = bsc_arena_copy(&spec->arena, "/own.pem"),
                                        .key = bsc_arena_copy(&spec->arena, "/own.key") };
    return spec;
}

static void a_release_has_its_version_everywhere(void **unused)
{
    (void)unused;
    struct bsc_spec *file = file_spec(), *release = NULL;
    assert_int_equal(bsc_spec_for_version(file, "v2", &release, NULL), BSC_OK);
    bsc_spec_release(file); /* the release must not lean on it */
    assert_string_equal(release->name, "web");
    assert_string_equal(release->version, "v2");
    assert_int_equal(release->references, 1);
    assert_int_equal(release->route_count, 2);
    assert_string_equal(release->routes[0].host, "shop.example");
    assert_null(release->routes[1].host);
    assert_string_equal(release->routes[1].path, "/api");
    assert_int_equal(release->command.argv.count, 3);
    assert_string_equal(release->command.argv.items[1], "--release=v2");
    assert_string_equal(release->command.argv.items[2], "--port=${PORT}");
    assert_string_equal(release->directory, "/srv/v2");
    assert_string_equal(release->environment.items[0], "RELEASE=v2");
    assert_string_equal(release->environment.items[1], "RAW=$${VERSION}");
    assert_string_equal(release->env_files.items[0], "/srv/v2/env");
    assert_string_equal(release->targets[BSC_BLUE].items[0], "127.0.0.1:3000");
    assert_int_equal(release->targets[BSC_GREEN].count, 0);
    assert_string_equal(release->health.path, "/health");
    assert_string_equal(release->health.command.shell, "test -e v2");
    assert_string_equal(release->deploy.pre_deploy.command.shell, "migrate v2");
    assert_string_equal(release->deploy.pre_deploy.undo.shell, "migrate --undo v2");
    assert_string_equal(release->deploy.post_promote.command.shell, "announce v2 ${SLOT}");
    assert_null(release->deploy.post_promote.undo.shell);
    assert_int_equal(release->deploy.bake_ms, 5000);
    assert_ptr_not_equal(release->deploy.match.items, rules);
    assert_string_equal(release->deploy.match.items[0].name, "X-Beta");
    assert_ptr_not_equal(release->deploy.ab.goals, goals);
    assert_string_equal(release->deploy.ab.goals[0].path, "/orders");
    assert_null(release->deploy.ab.goals[0].method);
    assert_string_equal(release->deploy.ab.decide, "order");
    assert_ptr_not_equal(release->edge.error_pages.items, pages);
    assert_string_equal(release->edge.error_pages.items[0].html, "<p>sorry");
    assert_int_equal(release->replicas, 2);
    assert_string_equal(bsc_upstream_tls(release)->ca, "/ca.pem");
    assert_string_equal(release->upstream_tls.server_name, "app");
    assert_string_equal(release->upstream_tls.certificate, "/own.pem");
    assert_string_equal(release->upstream_tls.key, "/own.key");
    bsc_spec_release(release);
}

static void a_release_of_a_bad_version_is_refused(void **unused)
{
    (void)unused;
    struct bsc_spec *file = file_spec(), *release = NULL;
    assert_int_equal(bsc_spec_for_version(file, "../v2", &release, NULL), BSC_INVALID);
    struct bsc_error error;
    file->directory = "/srv/${RELEASE}";
    assert_int_equal(bsc_spec_for_version(file, "v2", &release, &error), BSC_INVALID);
    assert_memory_equal(error.text, "service web: unknown variable ${RELEASE}; ", 42);
    assert_null(release);
    bsc_spec_release(file);
}

static void a_specification_lives_until_its_last_release(void **unused)
{
    (void)unused;
    struct bsc_spec *spec = bsc_spec_create();
    assert_ptr_equal(bsc_spec_acquire(spec), spec);
    assert_int_equal(spec->references, 2);
    bsc_spec_release(spec);
    assert_int_equal(spec->references, 1);
    bsc_spec_release(spec);
    bsc_spec_release(NULL);
}

static void the_number_of_instances_depends_on_who_runs_them(void **unused)
{
    (void)unused;
    struct bsc_spec *spec = file_spec();
    assert_int_equal(bsc_spec_instances(spec, BSC_GREEN), 2);
    spec->runtime = BSC_RUNTIME_STATIC;
    assert_int_equal(bsc_spec_instances(spec, BSC_BLUE), 1);
    assert_int_equal(bsc_spec_instances(spec, BSC_GREEN), 0);
    bsc_spec_release(spec);
}

/* One specification a place in which a file may write a variable, with a wrong one in it. */
static void a_wrong_variable_is_found_wherever_it_stands(void **unused)
{
    (void)unused;
    static const char *const wrong[] = { "${VERSON}" };
    const struct bsc_strings list = { 1, wrong };
    const struct bsc_spec specs[] = {
        { .name = "web", .command.shell = wrong[0] },
        { .name = "web", .command.argv = list },
        { .name = "web", .health.command.shell = wrong[0] },
        { .name = "web", .deploy.pre_deploy.command.argv = list },
        { .name = "web", .deploy.pre_deploy.undo.shell = wrong[0] },
        { .name = "web", .deploy.post_promote.command.shell = wrong[0] },
        { .name = "web", .deploy.post_promote.undo.argv = list },
        { .name = "web", .directory = wrong[0] },
        { .name = "web", .environment = list },
        { .name = "web", .env_files = list },
        { .directory = wrong[0] }, /* not named yet */
    };
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
        struct bsc_spec *out = NULL;
        struct bsc_error error;
        assert_int_equal(bsc_spec_for_version(&specs[i], "v1", &out, &error), BSC_INVALID);
        assert_null(out);
        assert_non_null(strstr(error.text, specs[i].name ? "service web" : "service ?"));
        assert_non_null(strstr(error.text, "unknown variable ${VERSON}"));
    }
}

static void a_long_wrong_variable_is_cut_in_the_message(void **unused)
{
    (void)unused;
    char text[200];
    struct bsc_spec spec = { .name = "web", .directory = text }, *out = NULL;
    struct bsc_error error;
    memset(text, 'X', sizeof text);
    memcpy(text, "${", 2);
    memcpy(text + sizeof text - 2, "}", 2);
    assert_int_equal(bsc_spec_for_version(&spec, "v1", &out, &error), BSC_INVALID);
    assert_null(strstr(error.text, "X}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variables_are_replaced_wherever_they_stand),
        cmocka_unit_test(variables_without_a_value_yet_are_kept),
        cmocka_unit_test(other_dollars_belong_to_the_shell),
        cmocka_unit_test(a_doubled_dollar_stands_for_a_literal_brace_after_both_expansions),
        cmocka_unit_test(an_unknown_variable_is_named_with_the_accepted_ones),
        cmocka_unit_test(a_release_has_its_version_everywhere),
        cmocka_unit_test(a_release_of_a_bad_version_is_refused),
        cmocka_unit_test(a_specification_lives_until_its_last_release),
        cmocka_unit_test(the_number_of_instances_depends_on_who_runs_them),
        cmocka_unit_test(a_wrong_variable_is_found_wherever_it_stands),
        cmocka_unit_test(a_long_wrong_variable_is_cut_in_the_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
