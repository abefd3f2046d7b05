/* SPDX-License-Identifier: Apache-2.0
 * config/reader.c - see reader.h. */
#include "config/reader.h"

#include <stdio.h>
#include <string.h>

#include "base/suggest.h"
#include "config/keys.h"

void bsc_reader_problem(struct bsc_reader *reader, unsigned line, const char *path,
                        const char *format, ...)
{
    char text[BSC_ERROR_TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    const char *prefix = reader->prefix ? reader->prefix : "";
    size_t size = strlen(prefix);
    if (!*path && size) /* the section itself: "services.web" */
        prefix = bsc_arena_copy_bytes(reader->scratch, prefix, size - 1);
    bsc_problem_add(reader->problems, reader->file, line,
                    bsc_arena_printf(reader->scratch, "%s%s", prefix, path), "%s", text);
}

const char *bsc_reader_enter(struct bsc_reader *reader, const char *path)
{
    const char *before = reader->prefix;
    reader->prefix = bsc_arena_printf(reader->scratch, "%s%s.", before ? before : "", path);
    return before;
}

void bsc_reader_expected(struct bsc_reader *reader, const struct bsc_node *node, const char *path,
                         const char *expected)
{
    char shown[BSC_SHOWN_BYTES];
    bsc_reader_problem(reader, node->line, path, "expected %s, found %s", expected,
                       bsc_node_show(node, shown));
}

const struct bsc_key *bsc_table_find(const struct bsc_key_table *table, const char *path)
{
    for (unsigned i = 0; i < table->count; i++)
        if (!strcmp(table->keys[i].path, path))
            return &table->keys[i];
    return NULL;
}

/* One walk along one table. */
struct walk {
    struct bsc_reader *reader;
    const struct bsc_key_table *table;
    void *base;
    unsigned *lines;
};

static bool accepted(const struct walk *walk, const struct bsc_key *key)
{
    return walk->reader->stored || !(key->flags & BSC_KEY_STORED);
}

/* The names that may stand directly in `section` ("" or "health."), each once. */
static unsigned children_of(const struct walk *walk, const char *section,
                            const char *names[static BSC_KEYS_MAX])
{
    unsigned count = 0;
    size_t size = strlen(section);
    for (unsigned i = 0; i < walk->table->count; i++) {
        const struct bsc_key *key = &walk->table->keys[i];
        if (strncmp(key->path, section, size) != 0 || !accepted(walk, key))
            continue;
        const char *name = key->path + size;
        name = bsc_arena_copy_bytes(walk->reader->scratch, name, strcspn(name, "."));
        if (!count || strcmp(names[count - 1], name) != 0)
            names[count++] = name;
    }
    return count;
}

/* "a, b and c" */
static const char *enumerate(struct bsc_arena *arena, const char *const *names, unsigned count)
{
    const char *text = "";
    for (unsigned i = 0; i < count; i++)
        text = bsc_arena_printf(arena, "%s%s%s", text,
                                !i              ? ""
                                : i + 1 < count ? ", "
                                                : " and ",
                                names[i]);
    return text;
}

/* Words of Compose for which there is another one here, and where a key went that is known in
 * another section. */
static const char *known_elsewhere(const struct walk *walk, const char *section, const char *name)
{
    static const char *const compose[][2] = {
        { "working_dir", "directory" },
        { "healthcheck", "health" },
        { "entrypoint", "command" },
        { "scale", "replicas" },
        { "retries", "fall" },
        { "start_period", "deadline" },
        { "stop_timeout", "stop_grace_period" },
    };
    struct bsc_arena *scratch = walk->reader->scratch;
    for (size_t i = 0; i < sizeof compose / sizeof *compose; i++) {
        const char *path = bsc_arena_printf(scratch, "%s%s", section, compose[i][1]);
        const char *inside = bsc_arena_printf(scratch, "%s.", path);
        if (strcmp(name, compose[i][0]) != 0)
            continue;
        for (unsigned k = 0; k < walk->table->count; k++)
            if (!strcmp(walk->table->keys[k].path, path) ||
                !strncmp(walk->table->keys[k].path, inside, strlen(inside)))
                return compose[i][1];
    }
    for (unsigned i = 0; i < walk->table->count; i++) {
        const char *dot = strrchr(walk->table->keys[i].path, '.');
        if (dot && !strcmp(dot + 1, name) && accepted(walk, &walk->table->keys[i]))
            return walk->table->keys[i].path;
    }
    return NULL;
}

static void unknown_key(const struct walk *walk, const char *section, const struct bsc_node *node)
{
    const char *names[BSC_KEYS_MAX];
    unsigned count = children_of(walk, section, names);
    struct bsc_node name = { .kind = BSC_NODE_TEXT, .text = node->key };
    char shown[BSC_SHOWN_BYTES];
    const char *path = bsc_arena_printf(walk->reader->scratch, "%s%s", section, node->key);
    if (strchr(node->key, '.') && bsc_table_find(walk->table, path)) {
        bsc_reader_problem(walk->reader, node->line, path,
                           "unknown key %s; write its parts as maps, one inside the other",
                           bsc_node_show(&name, shown));
        return;
    }
    struct bsc_suggestions suggestions;
    bsc_suggest_begin(&suggestions, node->key);
    for (unsigned i = 0; i < count; i++)
        bsc_suggest_offer(&suggestions, names[i]);
    const char *meant = bsc_suggest_end(&suggestions);
    const char *elsewhere = *meant ? NULL : known_elsewhere(walk, section, node->key);
    if (elsewhere)
        meant = bsc_arena_printf(walk->reader->scratch, "; did you mean %s?", elsewhere);
    else if (!*meant)
        meant = bsc_arena_printf(walk->reader->scratch, "; accepted are %s",
                                 enumerate(walk->reader->scratch, names, count));
    bsc_reader_problem(walk->reader, node->line, path, "unknown key %s%s",
                       bsc_node_show(&name, shown), meant);
    bsc_suggest_deinit(&suggestions);
}

static void read_key(struct walk *walk, const struct bsc_key *key, const struct bsc_node *node)
{
    struct bsc_reader *reader = walk->reader;
    if (walk->lines)
        walk->lines[key - walk->table->keys] = node->line ? node->line : 1;
    if (!key->type->read(reader, key, node, walk->base))
        bsc_reader_expected(reader, node, key->path, key->type->expected(key, reader->scratch));
}

/* The key that may be written in place of `section`, e.g. "hooks.pre_deploy.": its command. */
static const struct bsc_key *short_key(const struct walk *walk, const char *section)
{
    size_t size = strlen(section);
    for (unsigned i = 0; size && i < walk->table->count; i++) {
        const struct bsc_key *key = &walk->table->keys[i];
        if (key->flags & BSC_KEY_SHORT && !strncmp(key->path, section, size) &&
            !strchr(key->path + size, '.'))
            return key;
    }
    return NULL;
}

static bool is_section(const struct walk *walk, const char *section)
{
    const char *names[BSC_KEYS_MAX];
    return children_of(walk, section, names) > 0;
}

/* Recursion ends with the table: a section is the beginning of a key's path. */
static void read_section(struct walk *walk, const char *section, const struct bsc_node *node)
{
    struct bsc_arena *scratch = walk->reader->scratch;
    const struct bsc_key *instead = short_key(walk, section);
    if (node->kind != BSC_NODE_MAP) {
        const char *names[BSC_KEYS_MAX];
        if (instead && node->kind != BSC_NODE_NOTHING) {
            read_key(walk, instead, node);
            return;
        }
        const char *known = enumerate(scratch, names, children_of(walk, section, names));
        size_t size = strlen(section);
        bsc_reader_expected(walk->reader, node,
                            bsc_arena_copy_bytes(scratch, section, size ? size - 1 : 0),
                            bsc_arena_printf(scratch, "a map with %s", known));
        return;
    }
    for (const struct bsc_node *child = node->first; child; child = child->next) {
        if (walk->reader->problems->count > BSC_PROBLEMS_MAX)
            return; /* no more are told */
        const char *path = bsc_arena_printf(scratch, "%s%s", section, child->key);
        const char *inside = bsc_arena_printf(scratch, "%s.", path);
        const struct bsc_key *key = bsc_table_find(walk->table, path);
        if (strchr(child->key, '.'))
            unknown_key(walk, section, child);
        else if (key && accepted(walk, key))
            read_key(walk, key, child);
        else if (is_section(walk, inside))
            read_section(walk, inside, child);
        else
            unknown_key(walk, section, child);
    }
}

void bsc_table_read(struct bsc_reader *reader, const struct bsc_key_table *table,
                    const struct bsc_node *node, void *base, unsigned *lines)
{
    struct walk walk = { reader, table, base, lines };
    for (unsigned i = 0; i < table->count; i++) {
        const struct bsc_key *key = &table->keys[i];
        struct bsc_node otherwise = { .kind = BSC_NODE_TEXT, .text = key->otherwise };
        if (key->otherwise && !key->type->read(reader, key, &otherwise, base))
            bsc_reader_expected(reader, &otherwise, key->path, "a sensible default");
    }
    read_section(&walk, "", node);
}

json_t *bsc_table_write(const struct bsc_key_table *table, const void *base)
{
    json_t *root = json_object();
    for (unsigned i = 0; i < table->count; i++) {
        const struct bsc_key *key = &table->keys[i];
        json_t *value = key->flags & BSC_KEY_ALIAS ? NULL : key->type->write(key, base);
        if (!value)
            continue;
        json_t *map = root;
        char part[BSC_KEY_BYTES_MAX];
        const char *at = key->path;
        for (const char *dot; (dot = strchr(at, '.')); at = dot + 1) {
            snprintf(part, sizeof part, "%.*s", (int)(dot - at), at);
            json_t *inner = json_object_get(map, part);
            if (!inner) {
                inner = json_object();
                json_object_set_new(map, part, inner);
            }
            map = inner;
        }
        json_object_set_new(map, at, value);
    }
    return root;
}

json_t *bsc_table_write_list(const struct bsc_key_table *table, const void *items, unsigned count,
                             size_t size)
{
    json_t *list = count ? json_array() : NULL;
    for (unsigned i = 0; i < count; i++)
        json_array_append_new(list, bsc_table_write(table, (const char *)items + i * size));
    return list;
}
