/* SPDX-License-Identifier: Apache-2.0
 * What a file may say of services that are released together, and of workers, and what not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"

/* Services a, b and c, each with what is said of it; all problems, a line each. */
struct file {
    const char *a, *b, *c, *problems;
};

static void each_is_told(const struct file *files, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char text[1024];
        struct bsc_config_problems problems = { 0 };
        struct bsc_text told = { 0 };
        int size = snprintf(text, sizeof text,
                            "services:\n"
                            "  a: { command: a, %s }\n"
                            "  b: { command: b, %s }\n"
                            "  c: { command: c, %s }\n",
                            files[i].a, files[i].b, files[i].c);
        struct bsc_config *config = bsc_config_parse("/f.yaml", text, (size_t)size, &problems);
        for (size_t p = 0; p < problems.count; p++)
            bsc_text_printf(&told, "%s%u: %s: %s", p ? "\n" : "", problems.items[p].line,
                            problems.items[p].key, problems.items[p].text);
        assert_string_equal(bsc_text_get(&told), files[i].problems);
        assert_int_equal(config != NULL, !*files[i].problems);
        bsc_text_deinit(&told);
        bsc_config_problems_deinit(&problems);
        bsc_config_destroy(config);
    }
}

#define EACH_IS_TOLD(files) each_is_told(files, sizeof(files) / sizeof *(files))

static void services_that_are_not_there(void **unused)
{
    (void)unused;
    static const struct file files[] = {
        { "depends_on: [b, c]", "depends_on: c", "release: shop", "" },
        { "depends_on: [b, web]", "", "", "2: services.a.depends_on: there is no service 'web'" },
        { "", "depends_on: [A]", "",
          "3: services.b.depends_on: there is no service 'A'; did you mean a, b or c?" },
        { "", "depends_on: x", "depends_on: [y, z]",
          "3: services.b.depends_on: there is no service 'x'; did you mean a, b or c?\n"
          "4: services.c.depends_on: there is no service 'y'; did you mean a, b or c?\n"
          "4: services.c.depends_on: there is no service 'z'; did you mean a, b or c?" },
        { "depends_on: { b: {} }", "", "",
          "2: services.a.depends_on: expected a list of services' names, found a map" },
    };
    EACH_IS_TOLD(files);
}

static void circles(void **unused)
{
    (void)unused;
    static const struct file files[] = {
        { "depends_on: [a]", "", "",
          "2: services.a.depends_on: a -> a goes in a circle: none of them could start first" },
        { "depends_on: [b]", "depends_on: [a]", "",
          "3: services.b.depends_on: b -> a -> b goes in a circle: none of them could start "
          "first" },
        { "depends_on: [c]", "depends_on: [a]", "depends_on: [b]",
          "2: services.a.depends_on: a -> c -> b -> a goes in a circle: none of them could start "
          "first" },
        { "", "depends_on: [c]", "depends_on: [a, b]",
          "4: services.c.depends_on: c -> b -> c goes in a circle: none of them could start "
          "first" },
    };
    EACH_IS_TOLD(files);
}

static void names_of_groups(void **unused)
{
    (void)unused;
    static const struct file files[] = {
        { "release: shop", "release: shop", "release: the-other-1", "" },
        { "release: all", "", "",
          "2: services.a.release: 'all' stands for all services, in whatever group: give this "
          "group another name" },
        { "release: Shop", "", "",
          "2: services.a.release: 'Shop' is not a release name: a letter a-z, then up to 62 of "
          "a-z, 0-9 and '-', not ending with '-'" },
        { "release: [shop]", "", "",
          "2: services.a.release: expected the name of a group: letters a-z, digits and -, found a "
          "list" },
    };
    EACH_IS_TOLD(files);
}

static void what_is_for_workers_only(void **unused)
{
    (void)unused;
    static const struct file files[] = {
        { "deploy: { order: stop-first }, health: { running: 2s }",
          "deploy: { order: start-first }", "health: { command: check }", "" },
        { "deploy: { order: stop-first }, route: {}", "", "",
          "2: services.a.deploy.order: is for a service without a route; of this one the proxy "
          "moves the requests from the old version to the new one" },
        { "deploy: { order: stop-first, strategy: rolling }", "", "",
          "2: services.a.deploy.order: does not go with deploy.strategy rolling" },
        { "health: { running: 2s }, route: {}", "", "",
          "2: services.a.health.running: is for a service without a route; one that gets requests "
          "must answer" },
        { "health: { running: 20s, deadline: 10s }", "", "",
          "2: services.a.health.running: is longer than health.deadline: no version could ever be "
          "deployed" },
        { "health: { running: 1s, command: check }", "", "",
          "2: services.a.health.command: asks the instance, but health.running asks nobody; "
          "accepted is one of them" },
        { "health: { running: 1s, tcp: true }", "", "",
          "2: services.a.health.tcp: asks the instance, but health.running asks nobody; accepted "
          "is one of them" },
    };
    EACH_IS_TOLD(files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(services_that_are_not_there),
        cmocka_unit_test(circles),
        cmocka_unit_test(names_of_groups),
        cmocka_unit_test(what_is_for_workers_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
