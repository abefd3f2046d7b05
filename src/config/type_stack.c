/* SPDX-License-Identifier: Apache-2.0
 * config/type_stack.c - names of services and of groups of them (see types.h). */
#include <string.h>

#include "config/types.h"

static const char *expect_group(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "the name of a group: letters a-z, digits and -";
}

static bool read_group(struct bsc_reader *reader, const struct bsc_key *key,
                       const struct bsc_node *node, void *base)
{
    struct bsc_error error;
    if (node->kind != BSC_NODE_TEXT)
        return false;
    if (!strcmp(node->text, BSC_GROUP_ALL))
        bsc_reader_problem(reader, node->line, key->path,
                           "'" BSC_GROUP_ALL "' stands for all services, in whatever group: give "
                           "this group another name");
    else if (bsc_group_name_check(node->text, &error))
        bsc_reader_problem(reader, node->line, key->path, "%s", error.text);
    *(const char **)bsc_key_field(key, base) = bsc_arena_copy(reader->arena, node->text);
    return true;
}

static json_t *write_group(const struct bsc_key *key, const void *base)
{
    const char *text = *(const char *const *)bsc_key_value(key, base);
    return text ? json_string(text) : NULL;
}

static json_t *schema_group(const struct bsc_key *key)
{
    (void)key;
    return bsc_schema_text("^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$");
}

const struct bsc_type bsc_type_group = { expect_group, read_group, write_group, schema_group };

static const char *expect_named(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "a list of services' names";
}

/* Whether there are such services is seen when all have been read: config/stacks.c. */
static const char *keep_name(struct bsc_reader *reader, const struct bsc_key *key,
                             const struct bsc_node *item, const char *path)
{
    (void)key, (void)path;
    return bsc_arena_copy(reader->arena, item->text);
}

static bool read_named(struct bsc_reader *reader, const struct bsc_key *key,
                       const struct bsc_node *node, void *base)
{
    return bsc_texts_read(reader, key, node, bsc_key_field(key, base), "a service's name",
                          keep_name);
}

const struct bsc_type bsc_type_services_named = { expect_named, read_named, bsc_texts_write,
                                                  bsc_texts_schema };

/* Compose's words of deploy.update_config.order. */
const struct bsc_choice bsc_orders[] = {
    { "start-first", BSC_ORDER_START_FIRST, false },
    { "stop-first", BSC_ORDER_STOP_FIRST, false },
    { "none", BSC_ORDER_NONE, true },
    { NULL, 0, false },
};
