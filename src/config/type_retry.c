/* SPDX-License-Identifier: Apache-2.0
 * config/type_retry.c - after what a request is sent again: a set of words (see types.h). */
#include <string.h>

#include "config/types.h"

static const char *list_causes(const char *text, struct bsc_arena *arena)
{
    for (unsigned i = 0; bsc_retry_cause_name(i); i++)
        text = bsc_arena_printf(arena, "%s%s%s", text, i ? ", " : "", bsc_retry_cause_name(i));
    return text;
}

static const char *expect_causes(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key;
    return list_causes("a list of ", arena);
}

static bool add_cause(unsigned *causes, const char *word, size_t size)
{
    for (unsigned i = 0; bsc_retry_cause_name(i); i++) {
        const char *name = bsc_retry_cause_name(i);
        if (strlen(name) == size && !memcmp(name, word, size)) {
            *causes |= 1U << i;
            return true;
        }
    }
    return false;
}

/* One text may hold several, between spaces or commas. */
static bool add_causes(unsigned *causes, const char *text)
{
    for (text += strspn(text, " ,"); *text; text += strspn(text, " ,")) {
        size_t size = strcspn(text, " ,");
        if (!add_cause(causes, text, size))
            return false;
        text += size;
    }
    return true;
}

static bool read_causes(struct bsc_reader *reader, const struct bsc_key *key,
                        const struct bsc_node *node, void *base)
{
    unsigned *causes = bsc_key_field(key, base);
    *causes = 0;
    if (node->kind == BSC_NODE_TEXT)
        return add_causes(causes, node->text);
    if (node->kind != BSC_NODE_LIST)
        return false;
    for (const struct bsc_node *item = node->first; item; item = item->next)
        if (item->kind != BSC_NODE_TEXT || !add_cause(causes, item->text, strlen(item->text)))
            bsc_reader_expected(reader, item, key->path, list_causes("one of ", reader->scratch));
    return true;
}

static json_t *write_causes(const struct bsc_key *key, const void *base)
{
    unsigned causes = *(const unsigned *)bsc_key_value(key, base);
    json_t *list = json_array();
    for (unsigned i = 0; bsc_retry_cause_name(i); i++)
        if (causes >> i & 1)
            json_array_append_new(list, json_string(bsc_retry_cause_name(i)));
    return list;
}

static json_t *schema_causes(const struct bsc_key *key)
{
    (void)key;
    json_t *words = json_array();
    for (unsigned i = 0; bsc_retry_cause_name(i); i++) {
        const char *name = bsc_retry_cause_name(i);
        json_array_append_new(words, json_string(name));
        if (name[0] == '5')
            json_array_append_new(words, json_integer(500 + (name[2] - '0')));
    }
    return bsc_schema_either(bsc_schema_text(NULL),
                             bsc_schema_list(json_pack("{s:o}", "enum", words)));
}

const struct bsc_type bsc_type_retry_on = { expect_causes, read_causes, write_causes,
                                            schema_causes };
