/* SPDX-License-Identifier: Apache-2.0
 * config/type_list.c - commands, variables and files (see types.h). */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "config/types.h"

static const char *item_path(struct bsc_reader *reader, const struct bsc_key *key,
                             const struct bsc_node *node, unsigned index)
{
    if (node->kind != BSC_NODE_LIST)
        return key->path;
    return bsc_arena_printf(reader->scratch, "%s[%u]", key->path, index);
}

bool bsc_texts_read(struct bsc_reader *reader, const struct bsc_key *key,
                    const struct bsc_node *node, struct bsc_strings *out, const char *expected,
                    const char *(*keep)(struct bsc_reader *reader, const struct bsc_key *key,
                                        const struct bsc_node *item, const char *path))
{
    bool list = node->kind == BSC_NODE_LIST;
    if (!list && node->kind != BSC_NODE_TEXT)
        return false;
    if (list && node->count > BSC_ITEMS_MAX) {
        bsc_reader_problem(reader, node->line, key->path, "has %u entries; %d are accepted",
                           node->count, BSC_ITEMS_MAX);
        return true;
    }
    unsigned count = 0;
    const char **items =
        bsc_arena_alloc(reader->arena, (list ? node->count : 1) * sizeof(const char *));
    const struct bsc_node *item = list ? node->first : node;
    for (unsigned i = 0; item; i++, item = list ? item->next : NULL) {
        const char *path = item_path(reader, key, node, i), *kept = NULL;
        if (item->kind == BSC_NODE_TEXT)
            kept = keep(reader, key, item, path);
        else
            bsc_reader_expected(reader, item, path, expected);
        if (kept)
            items[count++] = kept;
    }
    *out = (struct bsc_strings){ count, count ? items : NULL };
    return true;
}

json_t *bsc_texts_write(const struct bsc_key *key, const void *base)
{
    const struct bsc_strings *strings = bsc_key_value(key, base);
    if (!strings->count)
        return NULL;
    json_t *list = json_array();
    for (unsigned i = 0; i < strings->count; i++)
        json_array_append_new(list, json_string(strings->items[i]));
    return list;
}

json_t *bsc_texts_schema(const struct bsc_key *key)
{
    (void)key;
    return bsc_schema_either(bsc_schema_text(NULL), bsc_schema_list(bsc_schema_text(NULL)));
}

/* Commands. */

static const char *keep_argument(struct bsc_reader *reader, const struct bsc_key *key,
                                 const struct bsc_node *item, const char *path)
{
    if (!bsc_argument_check(reader, key, item, path))
        return NULL;
    return bsc_arena_copy(reader->arena, item->text);
}

static const char *expect_command(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "a command: a list of program and arguments, or one text for /bin/sh";
}

static bool read_command(struct bsc_reader *reader, const struct bsc_key *key,
                         const struct bsc_node *node, void *base)
{
    struct bsc_command *command = bsc_key_field(key, base);
    const struct bsc_node *first = node->kind == BSC_NODE_LIST ? node->first : node;
    if (!first || (first->kind == BSC_NODE_TEXT && !first->text[strspn(first->text, " \t\n")])) {
        if (reader->stored)
            return false;
        bsc_reader_problem(reader, node->line, key->path, "%s, found an empty one",
                           "expected a command");
        return true;
    }
    *command = (struct bsc_command){ 0 };
    if (node->kind != BSC_NODE_TEXT)
        return bsc_texts_read(reader, key, node, &command->argv, "a text", keep_argument);
    command->shell = keep_argument(reader, key, node, key->path);
    return true;
}

static json_t *write_command(const struct bsc_key *key, const void *base)
{
    const struct bsc_command *command = bsc_key_value(key, base);
    if (command->shell)
        return json_string(command->shell);
    return bsc_texts_write(&(struct bsc_key){ 0 }, &command->argv);
}

const struct bsc_type bsc_type_command = { expect_command, read_command, write_command,
                                           bsc_texts_schema };

/* NAME=VALUE. */

/* Says what is wrong with the name, or returns true. */
static bool check_variable(struct bsc_reader *reader, const struct bsc_node *node, const char *path,
                           const char *name, size_t size)
{
    static const char *const ours[] = { "VERSION", "PORT", "SLOT", "INSTANCE", "SERVICE" };
    static const char accepted[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
    char shown[BSC_SHOWN_BYTES];
    struct bsc_node found = { .kind = BSC_NODE_TEXT };
    found.text = bsc_arena_copy_bytes(reader->scratch, name, size);
    if (!size || strspn(found.text, accepted) != size || (name[0] >= '0' && name[0] <= '9')) {
        bsc_reader_problem(reader, node->line, path,
                           "expected a variable's name of letters, digits and '_', found %s",
                           size ? bsc_node_show(&found, shown) : "an empty one");
        return false;
    }
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (!strcmp(found.text, ours[i])) {
            bsc_reader_problem(reader, node->line, path,
                               "%s is set by bascule for each instance and can't be set here",
                               ours[i]);
            return false;
        }
    return true;
}

static const char *keep_variable(struct bsc_reader *reader, const struct bsc_key *key,
                                 const struct bsc_node *item, const char *path)
{
    const char *equals = strchr(item->text, '=');
    if (!reader->stored) {
        if (!equals) {
            bsc_reader_expected(reader, item, path, "NAME=VALUE");
            return NULL;
        }
        if (!check_variable(reader, item, path, item->text, (size_t)(equals - item->text)) ||
            !bsc_argument_check(reader, key, item, path))
            return NULL;
    }
    return bsc_arena_copy(reader->arena, item->text);
}

static const char *expect_environment(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "a map of variables, or a list of NAME=VALUE";
}

static void find_double_variable(struct bsc_reader *reader, const struct bsc_key *key,
                                 const struct bsc_node *node, const struct bsc_strings *variables)
{
    for (unsigned i = 0; i < variables->count; i++) {
        size_t size = strcspn(variables->items[i], "=");
        for (unsigned j = 0; j < i; j++)
            if (strcspn(variables->items[j], "=") == size &&
                !strncmp(variables->items[i], variables->items[j], size)) {
                bsc_reader_problem(reader, node->line, key->path, "has %.*s twice",
                                   (int)(size < 64 ? size : 64), variables->items[i]);
                break;
            }
    }
}

static bool read_environment(struct bsc_reader *reader, const struct bsc_key *key,
                             const struct bsc_node *node, void *base)
{
    struct bsc_strings *out = bsc_key_field(key, base);
    if (node->kind == BSC_NODE_LIST) {
        bool read = bsc_texts_read(reader, key, node, out, "NAME=VALUE", keep_variable);
        if (!reader->stored)
            find_double_variable(reader, key, node, out);
        return read;
    }
    if (node->kind != BSC_NODE_MAP)
        return false;
    if (node->count > BSC_ITEMS_MAX) {
        bsc_reader_problem(reader, node->line, key->path, "has %u variables; %d are accepted",
                           node->count, BSC_ITEMS_MAX);
        return true;
    }
    unsigned count = 0;
    const char **items = bsc_arena_alloc(reader->arena, node->count * sizeof(const char *));
    for (const struct bsc_node *item = node->first; item; item = item->next) {
        const char *path = bsc_arena_printf(reader->scratch, "%s.%s", key->path, item->key);
        if (!check_variable(reader, item, path, item->key, strlen(item->key)))
            continue;
        if (item->kind != BSC_NODE_TEXT)
            bsc_reader_expected(reader, item, path, "a text (\"\" for an empty one)");
        else if (bsc_argument_check(reader, key, item, path))
            items[count++] = bsc_arena_printf(reader->arena, "%s=%s", item->key, item->text);
    }
    *out = (struct bsc_strings){ count, count ? items : NULL };
    return true;
}

static json_t *schema_environment(const struct bsc_key *key)
{
    (void)key;
    json_t *map = json_pack("{s:s, s:{s:[s, s, s]}}", "type", "object", "additionalProperties",
                            "type", "string", "number", "boolean");
    return bsc_schema_either(map, bsc_schema_list(bsc_schema_text("^[A-Za-z_][A-Za-z0-9_]*=")));
}

const struct bsc_type bsc_type_environment = { expect_environment, read_environment,
                                               bsc_texts_write, schema_environment };

/* Files with variables. */

static const char *keep_file(struct bsc_reader *reader, const struct bsc_key *key,
                             const struct bsc_node *item, const char *path)
{
    if (reader->stored)
        return bsc_arena_copy(reader->arena, item->text);
    if (!bsc_text_is_clean(item->text)) {
        bsc_reader_expected(reader, item, path, "the path of a file");
        return NULL;
    }
    if (!bsc_argument_check(reader, key, item, path))
        return NULL;
    const char *file = bsc_path_resolve(reader, item->text);
    struct stat found;
    if (!strstr(file, "${")) {
        if (stat(file, &found) == -1)
            bsc_reader_problem(reader, item->line, path, "file %s: %s", file, strerror(errno));
        else if (!S_ISREG(found.st_mode))
            bsc_reader_problem(reader, item->line, path, "%s is not a file", file);
    }
    return file;
}

static const char *expect_env_files(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "the path of a file, or a list of them";
}

static bool read_env_files(struct bsc_reader *reader, const struct bsc_key *key,
                           const struct bsc_node *node, void *base)
{
    return bsc_texts_read(reader, key, node, bsc_key_field(key, base), "the path of a file",
                          keep_file);
}

const struct bsc_type bsc_type_env_files = { expect_env_files, read_env_files, bsc_texts_write,
                                             bsc_texts_schema };
