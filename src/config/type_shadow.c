/* SPDX-License-Identifier: Apache-2.0
 * config/type_shadow.c - lists of words: methods, headers, fields of JSON (see types.h). */
#include <string.h>

#include "config/types.h"

enum { WORDS_MAX = 64, WORD_MAX = 95 };

/* RFC 9110 section 5.6.2. */
static const char token[] = "!#$%&'*+-.^_`|~0123456789"
                            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
static const char upper[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

static bool is_method(const char *word, size_t size)
{
    return size && strspn(word, upper) >= size && (size != 7 || memcmp(word, "CONNECT", 7) != 0) &&
           (size != 5 || memcmp(word, "TRACE", 5) != 0);
}

static bool is_header(const char *word, size_t size)
{
    return size && strspn(word, token) >= size;
}

static bool is_field(const char *word, size_t size)
{
    return size && word[0] != '.' && word[size - 1] != '.';
}

/* Words between commas or spaces of one text, or of the texts of a list. */
struct words {
    struct bsc_reader *reader;
    const char **items;
    unsigned count;
    bool (*accepts)(const char *word, size_t size);
};

static bool add_words(struct words *words, const char *text)
{
    for (text += strspn(text, " ,"); *text; text += strspn(text, " ,")) {
        size_t size = strcspn(text, " ,");
        if (words->count == WORDS_MAX || size > WORD_MAX || !words->accepts(text, size))
            return false;
        words->items[words->count++] =
            bsc_arena_printf(words->reader->arena, "%.*s", (int)size, text);
        text += size;
    }
    return true;
}

static bool read_words(struct bsc_reader *reader, const struct bsc_key *key,
                       const struct bsc_node *node, void *base,
                       bool (*accepts)(const char *word, size_t size))
{
    struct bsc_strings *out = bsc_key_field(key, base);
    struct words words = { .reader = reader, .accepts = accepts };
    words.items = bsc_arena_alloc(reader->arena, WORDS_MAX * sizeof *words.items);
    if (node->kind == BSC_NODE_TEXT && !add_words(&words, node->text))
        return false;
    if (node->kind != BSC_NODE_TEXT && node->kind != BSC_NODE_LIST)
        return false;
    for (const struct bsc_node *item = node->kind == BSC_NODE_LIST ? node->first : NULL; item;
         item = item->next)
        if (item->kind != BSC_NODE_TEXT || !add_words(&words, item->text))
            return false;
    *out = (struct bsc_strings){ words.count, words.items };
    return true;
}

/* None at all is not the same as the default. */
static json_t *write_words(const struct bsc_key *key, const void *base)
{
    const struct bsc_strings *strings = bsc_key_value(key, base);
    if (!strings->count && !key->otherwise)
        return NULL;
    json_t *list = json_array();
    for (unsigned i = 0; i < strings->count; i++)
        json_array_append_new(list, json_string(strings->items[i]));
    return list;
}

static const char *expect_methods(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "a list of methods such as [GET, HEAD]";
}

static bool read_methods(struct bsc_reader *reader, const struct bsc_key *key,
                         const struct bsc_node *node, void *base)
{
    return read_words(reader, key, node, base, is_method) &&
           (reader->stored || ((const struct bsc_strings *)bsc_key_field(key, base))->count);
}

const struct bsc_type bsc_type_methods = { expect_methods, read_methods, write_words,
                                           bsc_texts_schema };

static const char *expect_headers(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "a list of headers such as [Content-Type, Location]";
}

static bool read_headers(struct bsc_reader *reader, const struct bsc_key *key,
                         const struct bsc_node *node, void *base)
{
    return read_words(reader, key, node, base, is_header);
}

const struct bsc_type bsc_type_headers = { expect_headers, read_headers, write_words,
                                           bsc_texts_schema };

static const char *expect_fields(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "a list of fields such as [user.time, \"items[].id\"]";
}

static bool read_fields(struct bsc_reader *reader, const struct bsc_key *key,
                        const struct bsc_node *node, void *base)
{
    return read_words(reader, key, node, base, is_field);
}

const struct bsc_type bsc_type_fields = { expect_fields, read_fields, write_words,
                                          bsc_texts_schema };
