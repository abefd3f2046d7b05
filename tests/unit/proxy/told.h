/* SPDX-License-Identifier: Apache-2.0
 * What a controller says to a proxy, line by line, for tests: each begins with nothing told. */
#ifndef BASCULE_TESTS_PROXY_TOLD_H
#define BASCULE_TESTS_PROXY_TOLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/lines.h"

#define HELLO "{\"hello\":{\"protocol\":1,\"epoch\":4}}"
#define END "{\"seq\":9,\"end\":true}"

static struct bsc_lines lines;
static struct bsc_line line; /* the last one; its update lives until the next */
static struct bsc_error error;

static inline int set_up(void **unused)
{
    (void)unused;
    bsc_lines_init(&lines);
    line = (struct bsc_line){ 0 };
    return 0;
}

static inline int tear_down(void **unused)
{
    (void)unused;
    if (line.update)
        bsc_update_destroy(line.update);
    bsc_lines_deinit(&lines);
    return 0;
}

#define TOLD_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static inline enum bsc_status take(const char *text)
{
    if (line.update)
        bsc_update_destroy(line.update);
    return bsc_lines_take(&lines, text, strlen(text), &line, &error);
}

#endif
