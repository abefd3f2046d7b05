/* SPDX-License-Identifier: Apache-2.0
 * The pages that are made from the key table are the committed ones, and what they show works.
 * BASCULE_UPDATE=1 writes them anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/keys.h"

static const char *path_of(const char *name, char out[static 4096])
{
    const char *source = getenv("BASCULE_SOURCE");
    snprintf(out, 4096, "%s/%s", source ? source : ".", name);
    return out;
}

static void read_file(const char *path, struct bsc_text *out)
{
    char buffer[4096];
    FILE *file = fopen(path, "r");
    if (!file)
        return;
    for (size_t got; (got = fread(buffer, 1, sizeof buffer, file)) > 0;)
        bsc_text_add(out, buffer, got);
    fclose(file);
}

static void is_fresh(const char *name, const struct bsc_text *wanted)
{
    char path[4096];
    struct bsc_text committed = { 0 };
    path_of(name, path);
    if (getenv("BASCULE_UPDATE")) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        assert_int_equal(fwrite(wanted->data, 1, wanted->size, file), wanted->size);
        assert_int_equal(fclose(file), 0);
    }
    read_file(path, &committed);
    if (strcmp(bsc_text_get(&committed), bsc_text_get(wanted)) != 0)
        fail_msg("%s is stale; run this test with BASCULE_UPDATE=1 and commit it", name);
    bsc_text_deinit(&committed);
}

static void the_committed_reference_is_fresh(void **unused)
{
    (void)unused;
    struct bsc_text text = { 0 };
    bsc_config_reference(&text);
    is_fresh("docs/configuration.md", &text);
    bsc_text_deinit(&text);
}

static void the_committed_schema_is_fresh(void **unused)
{
    (void)unused;
    struct bsc_text text = { 0 };
    bsc_config_schema(&text);
    is_fresh("docs/bascule.schema.json", &text);
    bsc_text_deinit(&text);
}

static void the_reference_begins_with_a_configuration_that_works(void **unused)
{
    (void)unused;
    struct bsc_text text = { 0 };
    struct bsc_config_problems problems = { 0 };
    bsc_config_reference(&text);
    const char *begin = strstr(bsc_text_get(&text), "```yaml\n");
    assert_non_null(begin);
    begin += strlen("```yaml\n");
    const char *end = strstr(begin, "```");
    assert_non_null(end);
    struct bsc_config *config =
        bsc_config_parse("/srv/bascule.yaml", begin, (size_t)(end - begin), &problems);
    assert_non_null(config);
    assert_int_equal(config->service_count, 2);
    bsc_config_destroy(config);
    bsc_config_problems_deinit(&problems);
    bsc_text_deinit(&text);
}

/* Where the key is not that itself. */
static void put_what_runs(struct bsc_text *text, const struct bsc_key *key)
{
    const char *what = key->flags & BSC_KEY_IMAGE ? "image" : "command";
    if (strcmp(key->path, what) != 0)
        bsc_text_printf(text, "    %s: app\n", what);
}

/* The rows of `table` below `prefix`, each in a file of its own with what its example says. */
static void examples_work(const struct bsc_key_table *table, const char *before, const char *indent)
{
    for (unsigned i = 0; i < table->count; i++) {
        const struct bsc_key *key = &table->keys[i];
        const char *example = key->example ? key->example : key->otherwise;
        if (key->flags & BSC_KEY_STORED || !example)
            continue;
        struct bsc_text text = { 0 };
        bsc_text_puts(&text, before);
        if (!strcmp(key->path, "listen") || !strcmp(key->path, "listen_tls") ||
            !strcmp(example, "tcp"))
            bsc_text_puts(&text, "    protocol: tcp\n");
        bool targets = !strncmp(key->path, "targets.", 8);
        if (table == &bsc_service_keys && !targets)
            put_what_runs(&text, key);
        if (!strncmp(key->path, "hash.", 5))
            bsc_text_puts(&text, "    balance: hash\n");
        const char *at = key->path;
        char margin[64];
        snprintf(margin, sizeof margin, "%s", indent);
        for (const char *dot; (dot = strchr(at, '.')); at = dot + 1) {
            bsc_text_printf(&text, "%s%.*s:\n", margin, (int)(dot - at), at);
            strncat(margin, "  ", sizeof margin - strlen(margin) - 1);
        }
        bsc_text_printf(&text, "%s%s: %s\n", margin, at, example);
        if (!strcmp(key->path, "deploy.preview.header"))
            bsc_text_printf(&text, "%stoken: 0123456789abcdef\n", margin);
        if (!strncmp(key->path, "deploy.preview.", 15))
            bsc_text_puts(&text, "    route: {}\n");
        if (!strcmp(key->path, "depends_on"))
            bsc_text_puts(&text, "  db: { command: app }\n  api: { command: app }\n");
        if (!strncmp(key->path, "affinity.", 9) && strcmp(at, "cookie") != 0 &&
            strcmp(at, "header") != 0 && strcmp(at, "client_address") != 0)
            bsc_text_printf(&text, "%scookie: c\n", margin);
        if (!strcmp(key->path, "deploy.match"))
            bsc_text_printf(&text, "%sstrategy: canary\n", margin);
        if (targets)
            bsc_text_printf(&text, "      %s: 127.0.0.1:9\n",
                            strstr(key->path, "blue") ? "green" : "blue");
        if (!strcmp(key->path, "upstream_tls.certificate"))
            bsc_text_printf(&text, "%skey: k\n", margin);
        if (!strcmp(key->path, "upstream_tls.key"))
            bsc_text_printf(&text, "%scertificate: c\n", margin);
        if (!strcmp(key->path, "listen.https") || !strcmp(key->path, "listen_tls"))
            bsc_text_puts(&text, "tls:\n  certificates: { certificate: a, key: b }\n");
        if (!strcmp(key->path, "tls.client_verify"))
            bsc_text_puts(&text, "  client_ca: a\n");
        if (!strcmp(at, "undo") ||
            ((!strcmp(at, "timeout") || !strcmp(at, "once")) && strstr(key->path, "hooks.")))
            bsc_text_printf(&text, "%scommand: hook\n", margin);
        if (!strcmp(key->path, "deploy.ab.decide"))
            bsc_text_printf(&text, "%svalue: { header: X-Order-Total }\n", margin);
        if (table == &bsc_gate_keys && strstr(key->path, "probe.") && strcmp(at, "path") != 0)
            bsc_text_printf(&text, "%spath: /\n", margin);
        else if (table == &bsc_gate_keys && !strcmp(at, "on_timeout"))
            bsc_text_printf(&text, "%sapproval: yes\n", margin);
        else if (table == &bsc_gate_keys && strcmp(at, "smoke") != 0 && strcmp(at, "load") != 0 &&
                 strcmp(at, "approval") != 0 && strcmp(at, "path") != 0)
            bsc_text_printf(&text, "%ssmoke: test\n", margin);
        struct bsc_config_problems problems = { 0 };
        struct bsc_config *config =
            bsc_config_parse("/srv/bascule.yaml", text.data, text.size, &problems);
        for (size_t p = 0; p < problems.count; p++)
            if (strstr(problems.items[p].text, "No such file") == NULL)
                fail_msg("%s: %s\n%s", key->path, problems.items[p].text, text.data);
        bsc_config_destroy(config);
        bsc_config_problems_deinit(&problems);
        bsc_text_deinit(&text);
    }
}

static void every_example_of_the_reference_is_accepted(void **unused)
{
    (void)unused;
    examples_work(&bsc_config_keys, "services: {}\n", "");
    examples_work(&bsc_service_keys, "services:\n  web:\n", "    ");
    examples_work(&bsc_route_keys, "services:\n  web:\n    command: app\n    route:\n", "      ");
}

static void every_key_says_what_it_is_and_what_holds_without_it(void **unused)
{
    (void)unused;
    const struct bsc_key_table *tables[] = { &bsc_config_keys, &bsc_service_keys, &bsc_route_keys };
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (unsigned i = 0; i < tables[t]->count; i++) {
            const struct bsc_key *key = &tables[t]->keys[i];
            assert_non_null(key->text);
            assert_int_equal(key->text[strlen(key->text) - 1], '.');
            assert_true(key->otherwise || key->absent || key->flags & BSC_KEY_STORED);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_committed_reference_is_fresh),
        cmocka_unit_test(the_committed_schema_is_fresh),
        cmocka_unit_test(the_reference_begins_with_a_configuration_that_works),
        cmocka_unit_test(every_example_of_the_reference_is_accepted),
        cmocka_unit_test(every_key_says_what_it_is_and_what_holds_without_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
