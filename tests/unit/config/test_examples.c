/* SPDX-License-Identifier: Apache-2.0
 * The examples' files are accepted as they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "config/config.h"

static void the_examples_have_no_problems(void **unused)
{
    (void)unused;
    static const struct {
        const char *folder;
        unsigned count;
        const char *service; /* the last one by name */
    } examples[] = { { "hello", 1, "web" },
                     { "site", 1, "site" },
                     { "prometheus", 1, "prometheus" },
                     { "shop", 3, "web" } };
    const char *source = getenv("BASCULE_SOURCE");
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        struct bsc_config_problems problems = { 0 };
        char file[4096];
        snprintf(file, sizeof file, "%s/examples/%s/bascule.yaml", source ? source : ".",
                 examples[i].folder);
        struct bsc_config *config = bsc_config_read(file, &problems);
        if (!config)
            fail_msg("%s:%u: %s: %s", file, problems.items[0].line, problems.items[0].key,
                     problems.items[0].text);
        assert_int_equal(config->service_count, examples[i].count);
        assert_string_equal(config->services[examples[i].count - 1]->name, examples[i].service);
        bsc_config_destroy(config);
        bsc_config_problems_deinit(&problems);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_have_no_problems),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
