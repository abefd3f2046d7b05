/* SPDX-License-Identifier: Apache-2.0
 * deploy.preview in a bascule.yaml: what is read and stored, what is wrong with it, and that its
 * secret is never told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config.h"
#include "core/expand.h"

#define WEB "services:\n  web:\n    command: app\n    route: [{ host: a.test, path: / }]\n"
#define PREVIEW(map) WEB "    deploy: { preview: " map " }\n"

static struct bsc_config *parse(const char *text)
{
    struct bsc_config_problems problems = { 0 };
    struct bsc_config *config =
        bsc_config_parse("/nowhere/bascule.yaml", text, strlen(text), &problems);
    if (!config)
        fail_msg("%s: %s", problems.items[0].key, problems.items[0].text);
    bsc_config_problems_deinit(&problems);
    return config;
}

static void says(const char *text, const char *wanted)
{
    struct bsc_config_problems problems = { 0 };
    char told[512] = "";
    assert_null(bsc_config_parse("/nowhere/bascule.yaml", text, strlen(text), &problems));
    if (problems.count == 1)
        snprintf(told, sizeof told, "%s: %s", problems.items[0].key, problems.items[0].text);
    assert_string_equal(told, wanted);
    bsc_config_problems_deinit(&problems);
}

static void is_whole(const struct bsc_preview_spec *preview)
{
    assert_string_equal(preview->host, "preview.a.test");
    assert_string_equal(preview->header, "X-Look");
    assert_string_equal(preview->token, "0123456789abcdef");
}

static void it_is_read_and_stored(void **unused)
{
    (void)unused;
    struct bsc_config *config =
        parse(PREVIEW("{ host: Preview.A.test, header: X-Look, token: 0123456789abcdef }"));
    struct bsc_text stored = { 0 };
    struct bsc_spec *again, *release;
    struct bsc_error error;
    is_whole(&config->services[0]->preview);
    bsc_spec_write_json(config->services[0], &stored);
    assert_int_equal(bsc_spec_read_json(bsc_text_get(&stored), &again, &error), BSC_OK);
    is_whole(&again->preview);
    assert_int_equal(bsc_spec_for_version(config->services[0], "v1", &release, &error), BSC_OK);
    bsc_config_destroy(config);
    is_whole(&release->preview);
    bsc_spec_release(release);
    bsc_spec_release(again);
    bsc_text_deinit(&stored);
}

static void without_it_nobody_looks(void **unused)
{
    (void)unused;
    struct bsc_config *config = parse(WEB);
    assert_null(config->services[0]->preview.host);
    assert_null(config->services[0]->preview.token);
    bsc_config_destroy(config);
}

static void the_token_may_stand_in_a_file_of_its_own(void **unused)
{
    (void)unused;
    char path[] = "/tmp/bascule-token-XXXXXX", text[512];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    snprintf(text, sizeof text, PREVIEW("{ token_file: %s }"), path);
    assert_int_equal(write(fd, "0123456789abcdef\n", 17), 17);
    struct bsc_config *config = parse(text);
    assert_string_equal(config->services[0]->preview.token, "0123456789abcdef");
    assert_string_equal(config->services[0]->preview.header, "X-Bascule-Preview");
    bsc_config_destroy(config);
    char twice[512], wanted[256];
    snprintf(twice, sizeof twice, PREVIEW("{ token: fedcba9876543210, token_file: %s }"), path);
    says(twice, "services.web.deploy.preview.token_file: there is another one already; accepted is "
                "one of them");
    assert_int_equal(write(fd, "more\n", 5), 5);
    snprintf(wanted, sizeof wanted,
             "services.web.deploy.preview.token_file: expected %s to hold 16 to 256 visible "
             "characters of ASCII without spaces",
             path);
    says(text, wanted);
    close(fd);
    unlink(path);
    snprintf(wanted, sizeof wanted,
             "services.web.deploy.preview.token_file: file %s: No such file or directory", path);
    says(text, wanted);
}

static void a_weak_token_is_refused_and_not_told(void **unused)
{
    (void)unused;
    says(PREVIEW("{ token: short }"),
         "services.web.deploy.preview.token: expected 16 to 256 visible characters of ASCII "
         "without spaces");
    says(PREVIEW("{ token: \"0123456789 abcdef\" }"),
         "services.web.deploy.preview.token: expected 16 to 256 visible characters of ASCII "
         "without spaces");
}

static void a_header_without_a_secret_would_let_everybody_in(void **unused)
{
    (void)unused;
    says(PREVIEW("{ header: X-Look }"),
         "services.web.deploy.preview.header: needs a deploy.preview.token or a token_file: "
         "without a value that is secret anybody could ask");
    says(PREVIEW("{ header: Host, token: 0123456789abcdef }"),
         "services.web.deploy.preview.header: Host is a field with a meaning of its own");
}

static void the_host_is_a_route_like_any_other(void **unused)
{
    (void)unused;
    says(PREVIEW("{ host: \"*.a.test\" }"),
         "services.web.deploy.preview.host: can't be a wildcard");
    says(PREVIEW("{ host: a.test }"), "services.web.deploy.preview.host: a.test/ is the route of "
                                      "service 'web' (line 4) and of service 'web'");
    says(PREVIEW("{ host: b.test }") "  api: { command: app, route: { host: b.test } }\n",
         "services.api.route: b.test/ is the route of service 'web' (line 5) and of service 'api'");
    bsc_config_destroy(parse(PREVIEW(
        "{ host: b.test }") "  api: { command: app, route: { host: b.test, path: /api } }\n"));
}

static void it_is_for_requests_of_http(void **unused)
{
    (void)unused;
    says("services:\n  jobs: { command: app, deploy: { preview: { host: p.test } } }\n",
         "services.jobs.deploy.preview: is for a service with a route; of this one the proxy gets "
         "no requests");
    says("services:\n  db: { command: app, protocol: tcp, listen: 5432, deploy: { preview: { host: "
         "p.test } } }\n",
         "services.db.deploy.preview.host: is for HTTP, but this service has protocol: tcp");
}

static void a_change_of_the_token_is_told_without_it(void **unused)
{
    (void)unused;
    struct bsc_config *none = parse(PREVIEW("{ host: p.test }")),
                      *one = parse(PREVIEW("{ host: p.test, token: 0123456789abcdef }")),
                      *two = parse(PREVIEW("{ host: p.test, token: fedcba9876543210 }"));
    struct bsc_text out = { 0 };
    assert_true(bsc_spec_diff(none->services[0], one->services[0], &out));
    assert_true(bsc_spec_diff(one->services[0], two->services[0], &out));
    assert_true(bsc_spec_diff(two->services[0], none->services[0], &out));
    assert_string_equal(bsc_text_get(&out), "deploy.preview.token: added (now)\n"
                                            "deploy.preview.token: changed (now)\n"
                                            "deploy.preview.token: removed (now)\n");
    bsc_text_deinit(&out);
    bsc_config_destroy(none);
    bsc_config_destroy(one);
    bsc_config_destroy(two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_read_and_stored),
        cmocka_unit_test(without_it_nobody_looks),
        cmocka_unit_test(the_token_may_stand_in_a_file_of_its_own),
        cmocka_unit_test(a_weak_token_is_refused_and_not_told),
        cmocka_unit_test(a_header_without_a_secret_would_let_everybody_in),
        cmocka_unit_test(the_host_is_a_route_like_any_other),
        cmocka_unit_test(it_is_for_requests_of_http),
        cmocka_unit_test(a_change_of_the_token_is_told_without_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
