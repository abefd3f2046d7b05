/* SPDX-License-Identifier: Apache-2.0
 * Services whose instances are containers: what bascule.yaml says of them, and what of it is
 * stored. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"
#include "core/expand.h"

#define WEB "services:\n  web:\n    image: \"shop/web:${VERSION}\"\n"

static struct bsc_config *config_of(const char *text)
{
    struct bsc_config_problems problems = { 0 };
    struct bsc_config *config =
        bsc_config_parse("/srv/bascule.yaml", text, strlen(text), &problems);
    if (problems.count)
        fail_msg("%s: %s", problems.items[0].key, problems.items[0].text);
    bsc_config_problems_deinit(&problems);
    return config;
}

static void problem_is(const char *text, const char *wanted)
{
    struct bsc_config_problems problems = { 0 };
    struct bsc_text told = { 0 };
    assert_null(bsc_config_parse("/srv/bascule.yaml", text, strlen(text), &problems));
    for (size_t i = 0; i < problems.count; i++)
        bsc_text_printf(&told, "%s%u: %s: %s", i ? "\n" : "", problems.items[i].line,
                        problems.items[i].key, problems.items[i].text);
    assert_string_equal(bsc_text_get(&told), wanted);
    bsc_text_deinit(&told);
    bsc_config_problems_deinit(&problems);
}

static void an_image_alone_makes_instances_containers(void **unused)
{
    (void)unused;
    struct bsc_config *config = config_of(WEB);
    const struct bsc_spec *web = config->services[0];
    assert_int_equal(web->runtime, BSC_RUNTIME_DOCKER);
    assert_string_equal(web->container.image, "shop/web:${VERSION}");
    assert_int_equal(web->container.pull, BSC_PULL_MISSING);
    assert_int_equal(web->container.network, BSC_NETWORK_BRIDGE);
    assert_int_equal(web->container.port, 8080);
    assert_int_equal(web->container.memory_bytes, 0);
    assert_int_equal(web->container.cpus, 0);
    assert_null(web->user);
    bsc_config_destroy(config);
}

static const char full[] = WEB "    pull_policy: never\n    network_mode: loopback\n"
                               "    expose: 3000\n    entrypoint: [/init]\n"
                               "    working_dir: /srv\n    user: 1000:1000\n"
                               "    volumes: [./media:/m, data:/d:ro]\n"
                               "    mem_limit: 256m\n    cpus: 1.5\n    stop_signal: SIGQUIT\n";

static void check_full(const struct bsc_spec *web)
{
    assert_int_equal(web->runtime, BSC_RUNTIME_DOCKER);
    assert_int_equal(web->container.pull, BSC_PULL_NEVER);
    assert_int_equal(web->container.network, BSC_NETWORK_LOOPBACK);
    assert_int_equal(web->container.port, 3000);
    assert_string_equal(web->container.entrypoint.argv.items[0], "/init");
    assert_string_equal(web->container.directory, "/srv");
    assert_string_equal(web->user, "1000:1000");
    assert_int_equal(web->container.volumes.count, 2);
    assert_string_equal(web->container.volumes.items[0], "/srv/media:/m");
    assert_string_equal(web->container.volumes.items[1], "data:/d:ro");
    assert_int_equal(web->container.memory_bytes, 256 << 20);
    assert_int_equal(web->container.cpus, 150);
    assert_string_equal(web->container.stop_signal, "SIGQUIT");
}

static void all_that_is_said_of_containers_is_read_stored_and_released(void **unused)
{
    (void)unused;
    struct bsc_config *config = config_of(full);
    struct bsc_spec *stored, *release;
    struct bsc_text json = { 0 };
    struct bsc_error error;
    check_full(config->services[0]);
    assert_string_equal(config->services[0]->container.image, "shop/web:${VERSION}");
    assert_int_equal(bsc_spec_for_version(config->services[0], "v2", &release, &error), BSC_OK);
    bsc_config_destroy(config);
    check_full(release);
    assert_string_equal(release->container.image, "shop/web:v2");
    bsc_spec_write_json(release, &json);
    bsc_spec_release(release);
    assert_int_equal(bsc_spec_read_json(bsc_text_get(&json), &stored, &error), BSC_OK);
    bsc_text_deinit(&json);
    check_full(stored);
    assert_string_equal(stored->container.image, "shop/web:v2");
    bsc_spec_release(stored);
}

static void what_makes_no_sense_is_told(void **unused)
{
    (void)unused;
    static const char none[] = "services:\n  web:\n    command: app\n";
    char text[256];
    problem_is("services:\n  web:\n    image: a\n"
               "    targets: { blue: 127.0.0.1:1, green: 127.0.0.1:2 }\n",
               "4: services.web: has both image and targets; a service is either containers that "
               "bascule runs, or targets, addresses that something else runs");
    snprintf(text, sizeof text, "%s    cpus: 2\n    volumes: [a:/b]\n", none);
    problem_is(text, "4: services.web.cpus: is for containers, but this service has no image\n"
                     "5: services.web.volumes: is for containers, but this service has no image");
    snprintf(text, sizeof text, "%s    working_dir: /srv\n", none);
    problem_is(text, "4: services.web.working_dir: is for containers, but this service has no "
                     "image; did you mean directory?");
    problem_is(WEB "    network_mode: host\n    expose: 80\n",
               "5: services.web.expose: is for a container with a network of its own; with "
               "network_mode: host it must listen where PORT says");
}

static void values_that_no_engine_would_take_are_told(void **unused)
{
    (void)unused;
    problem_is("services:\n  web:\n    image: \"a b\"\n",
               "3: services.web.image: expected the name of an image, such as "
               "shop/web:${VERSION}, found 'a b'");
    problem_is("services:\n  web:\n    image: \"a:${VERSIO}\"\n",
               "3: services.web.image: unknown variable ${VERSIO}; accepted are ${VERSION}, "
               "${SERVICE}, ${PORT}, ${SLOT} and ${INSTANCE} (\"$${\" stands for a "
               "literal \"${\", and $NAME without braces is left to the shell)");
    problem_is(WEB "    volumes: [media]\n",
               "4: services.web.volumes[0]: expected SOURCE:TARGET or SOURCE:TARGET:ro, such as "
               "./media:/srv/media, found 'media'");
    problem_is(WEB "    volumes: [\"a:b\"]\n",
               "4: services.web.volumes[0]: expected SOURCE:TARGET or SOURCE:TARGET:ro, such as "
               "./media:/srv/media, found 'a:b'");
    problem_is(WEB "    stop_signal: QUIT\n",
               "4: services.web.stop_signal: expected the name of a signal, such as SIGQUIT, "
               "found 'QUIT'");
    problem_is(WEB "    working_dir: srv\n",
               "4: services.web.working_dir: expected an absolute path in the container, such as "
               "/srv, found 'srv'");
    problem_is(WEB "    cpus: many\n",
               "4: services.web.cpus: expected a number of processors from 0.01 to 1024, found "
               "'many'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_image_alone_makes_instances_containers),
        cmocka_unit_test(all_that_is_said_of_containers_is_read_stored_and_released),
        cmocka_unit_test(what_makes_no_sense_is_told),
        cmocka_unit_test(values_that_no_engine_would_take_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
