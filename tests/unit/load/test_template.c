/* SPDX-License-Identifier: Apache-2.0
 * Texts that differ from request to request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "load/template.h"

static const char *const names[] = { "token", "cart" };

static enum bsc_status compile(struct bsc_arena *arena, const char *text,
                               enum bsc_load_escape escape, struct bsc_load_template *out,
                               struct bsc_error *error)
{
    return bsc_load_compile(arena, text, escape, names, 2, out, error);
}

/* `kept` stands for ${token}. */
static void renders(const char *text, enum bsc_load_escape escape, const char *kept,
                    const char *wanted)
{
    struct bsc_arena arena;
    struct bsc_load_template template;
    struct bsc_error error;
    uint64_t random = 7;
    struct bsc_load_values values = { .random = &random, .user = 12, .kept = { kept } };
    struct bsc_text out = { 0 };
    bsc_arena_init(&arena);
    assert_int_equal(compile(&arena, text, escape, &template, &error), BSC_OK);
    bsc_load_render(&template, &values, &out);
    assert_string_equal(bsc_text_get(&out), wanted);
    bsc_text_deinit(&out);
    bsc_arena_deinit(&arena);
}

static void variables_stand_for_the_user_and_what_was_kept(void **unused)
{
    (void)unused;
    renders("", BSC_LOAD_AS_IS, NULL, "");
    renders("/plain", BSC_LOAD_TARGET, NULL, "/plain");
    renders("u${user}!", BSC_LOAD_AS_IS, NULL, "u12!");
    renders("Bearer ${token}", BSC_LOAD_FIELD, "abc", "Bearer abc");
    renders("<${cart}>", BSC_LOAD_AS_IS, NULL, "<>");
    renders("$$ $x $${user} ${random:5-5}${choice:one}", BSC_LOAD_AS_IS, NULL,
            "$$ $x ${user} 5one");
}

static void what_a_server_sent_cannot_become_something_else(void **unused)
{
    (void)unused;
    renders("/a/${token}", BSC_LOAD_TARGET, "x/../y?z#%\r\n", "/a/x%2F..%2Fy%3Fz%23%25%0D%0A");
    renders("${token}", BSC_LOAD_FIELD, "x\r\nEvil: 1", "xEvil: 1");
    renders("{\"t\":\"${token}\"}", BSC_LOAD_JSON, "a\"b\\c\n", "{\"t\":\"a\\\"b\\\\c\\u000a\"}");
    renders("${token}", BSC_LOAD_AS_IS, "a\"b", "a\"b");
}

static void random_values_fill_their_range_and_nothing_else(void **unused)
{
    (void)unused;
    struct bsc_arena arena;
    struct bsc_load_template number, word;
    struct bsc_error error;
    uint64_t random = 1;
    struct bsc_load_values values = { .random = &random };
    unsigned numbers[4] = { 0 }, reds = 0;
    bsc_arena_init(&arena);
    assert_int_equal(compile(&arena, "${random:2-3}", BSC_LOAD_AS_IS, &number, &error), BSC_OK);
    assert_int_equal(compile(&arena, "${choice:red,green,blue}", BSC_LOAD_AS_IS, &word, &error),
                     BSC_OK);
    for (unsigned i = 0; i < 3000; i++) {
        struct bsc_text out = { 0 };
        bsc_load_render(&number, &values, &out);
        unsigned drawn = (unsigned)atoi(bsc_text_get(&out));
        assert_in_range(drawn, 2, 3);
        numbers[drawn]++;
        bsc_text_clear(&out);
        bsc_load_render(&word, &values, &out);
        reds += !strcmp(bsc_text_get(&out), "red");
        bsc_text_deinit(&out);
    }
    assert_in_range(numbers[2], 1350, 1650);
    assert_in_range(reds, 850, 1150);
    bsc_arena_deinit(&arena);
}

static void what_is_not_known_is_told_with_what_is_accepted(void **unused)
{
    static const char *const bad[][2] = {
        { "${tokn}", "${tokn} is not known; accepted are ${random:1-1000}, ${choice:a,b}, ${user}, "
                     "${token}, ${cart}" },
        { "${user", "a ${ is not closed by }; write $${ for a literal one" },
        { "${random:9-1}", "${random:9-1} is no range of whole numbers such as ${random:1-1000}" },
        { "${random:a-b}", "${random:a-b} is no range of whole numbers such as ${random:1-1000}" },
        { "${random:1-9x}",
          "${random:1-9x} is no range of whole numbers such as ${random:1-1000}" },
        { "${random:1}", "${random:1} is no range of whole numbers such as ${random:1-1000}" },
        { "${choice:}", "${choice:} is no list of words such as ${choice:red,green}" },
        { "${choice:a,,b}", "${choice:a,,b} is no list of words such as ${choice:red,green}" },
    };
    (void)unused;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct bsc_arena arena;
        struct bsc_load_template template;
        struct bsc_error error;
        bsc_arena_init(&arena);
        assert_int_equal(compile(&arena, bad[i][0], BSC_LOAD_AS_IS, &template, &error),
                         BSC_INVALID);
        assert_string_equal(error.text, bad[i][1]);
        bsc_arena_deinit(&arena);
    }
}

static void one_random_number_alone_is_a_number_in_json(void **unused)
{
    (void)unused;
    assert_true(bsc_load_is_number("${random:1-9}"));
    assert_false(bsc_load_is_number("${random:1-9}0"));
    assert_false(bsc_load_is_number("x${random:1-9}"));
    assert_false(bsc_load_is_number("${choice:1,2}"));
    assert_false(bsc_load_is_number("${random:1-9"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variables_stand_for_the_user_and_what_was_kept),
        cmocka_unit_test(what_a_server_sent_cannot_become_something_else),
        cmocka_unit_test(random_values_fill_their_range_and_nothing_else),
        cmocka_unit_test(what_is_not_known_is_told_with_what_is_accepted),
        cmocka_unit_test(one_random_number_alone_is_a_number_in_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
