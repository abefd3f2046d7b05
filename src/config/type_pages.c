/* SPDX-License-Identifier: Apache-2.0
 * config/type_pages.c - pages for errors: files that are read with the configuration (see types.h).
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "config/types.h"
#include "core/configuration.h"

enum { PAGE_BYTES_MAX = 48 * 1024, PAGES_MAX = 64, KEY_BYTES_MAX = 31 };

/* A status, a class of them, or a reason word. */
static bool is_answer(const char *name)
{
    size_t size = strlen(name);
    if (isdigit((unsigned char)name[0]))
        return size == 3 && (name[0] == '4' || name[0] == '5') &&
               (!strcmp(name + 1, "xx") ||
                (isdigit((unsigned char)name[1]) && isdigit((unsigned char)name[2])));
    return size && size <= KEY_BYTES_MAX && strspn(name, "abcdefghijklmnopqrstuvwxyz-") == size;
}

static const char *read_page(struct bsc_reader *reader, const struct bsc_node *item,
                             const char *path)
{
    const char *file = bsc_path_resolve(reader, item->text);
    struct stat found;
    FILE *stream = NULL;
    if (stat(file, &found) == -1)
        bsc_reader_problem(reader, item->line, path, "file %s: %s", file, strerror(errno));
    else if (!S_ISREG(found.st_mode))
        bsc_reader_problem(reader, item->line, path, "%s is not a file", file);
    else if (found.st_size > PAGE_BYTES_MAX)
        bsc_reader_problem(reader, item->line, path, "%s has %lld bytes; up to %d are accepted",
                           file, (long long)found.st_size, PAGE_BYTES_MAX);
    else if (!(stream = fopen(file, "re")))
        bsc_reader_problem(reader, item->line, path, "file %s: %s", file, strerror(errno));
    if (!stream)
        return NULL;
    char *text = bsc_arena_alloc(reader->arena, PAGE_BYTES_MAX + 1);
    size_t size = fread(text, 1, PAGE_BYTES_MAX, stream);
    text[size] = '\0';
    fclose(stream);
    json_t *sound = memchr(text, '\0', size) ? NULL : json_stringn(text, size);
    if (!sound)
        bsc_reader_problem(reader, item->line, path, "%s is no text in UTF-8", file);
    json_decref(sound);
    return sound ? text : NULL;
}

static void read_file(struct bsc_reader *reader, const struct bsc_node *item, const char *path,
                      struct bsc_error_page *page)
{
    const char *dot = item->kind == BSC_NODE_TEXT ? strrchr(item->text, '.') : NULL;
    bool json = dot && !strcmp(dot, ".json"), html = dot && !strcmp(dot, ".html");
    if ((!json && !html) || !bsc_text_is_clean(item->text))
        bsc_reader_expected(reader, item, path, "a file whose name ends in .html or .json");
    else if (json)
        page->json = read_page(reader, item, path);
    else
        page->html = read_page(reader, item, path);
}

/* As write_pages wrote it. */
static void read_texts(struct bsc_reader *reader, const struct bsc_node *child,
                       struct bsc_error_page *page)
{
    for (const struct bsc_node *kind = child->first; kind; kind = kind->next) {
        const char **text = !strcmp(kind->key, "html") ? &page->html : &page->json;
        if (kind->kind == BSC_NODE_TEXT)
            *text = bsc_arena_copy(reader->arena, kind->text);
    }
}

static const char *expect_pages(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "a map of statuses (503), classes of them (5xx) and reason words (maintenance) to files";
}

static bool read_pages(struct bsc_reader *reader, const struct bsc_key *key,
                       const struct bsc_node *node, void *base)
{
    struct bsc_error_pages *pages = bsc_key_field(key, base);
    if (node->kind != BSC_NODE_MAP || node->count > PAGES_MAX)
        return false;
    struct bsc_error_page *items =
        bsc_arena_alloc(reader->arena, node->count * sizeof(struct bsc_error_page));
    *pages = (struct bsc_error_pages){ 0, items };
    for (const struct bsc_node *child = node->first; child; child = child->next) {
        const char *path = bsc_arena_printf(reader->scratch, "%s.%s", key->path, child->key);
        struct bsc_error_page *page = &items[pages->count++];
        *page = (struct bsc_error_page){ .key = bsc_arena_copy(reader->arena, child->key) };
        if (reader->stored)
            read_texts(reader, child, page);
        else if (!is_answer(child->key))
            bsc_reader_problem(reader, child->line, path,
                               "is no answer of the proxy's; accepted are statuses (503), classes "
                               "of them (5xx) and reason words (maintenance)");
        else if (child->kind != BSC_NODE_LIST)
            read_file(reader, child, path, page);
        bool list = !reader->stored && child->kind == BSC_NODE_LIST;
        for (const struct bsc_node *item = list ? child->first : NULL; item; item = item->next)
            read_file(reader, item, path, page);
    }
    return true;
}

/* Texts, because a file can change and keep its name, or go. */
static json_t *write_pages(const struct bsc_key *key, const void *base)
{
    const struct bsc_error_pages *pages = bsc_key_value(key, base);
    if (!pages->count)
        return NULL;
    json_t *map = json_object();
    for (unsigned i = 0; i < pages->count; i++)
        json_object_set_new(
            map, pages->items[i].key,
            json_pack("{s:s*,s:s*}", "html", pages->items[i].html, "json", pages->items[i].json));
    return map;
}

static json_t *schema_pages(const struct bsc_key *key)
{
    (void)key;
    return json_pack("{s:s, s:{s:s}, s:o}", "type", "object", "propertyNames", "pattern",
                     "^([45]([0-9]{2}|xx)|[a-z-]{1,31})$", "additionalProperties",
                     bsc_schema_either(bsc_schema_text("\\.(html|json)$"),
                                       bsc_schema_list(bsc_schema_text("\\.(html|json)$"))));
}

const struct bsc_type bsc_type_pages = { expect_pages, read_pages, write_pages, schema_pages };
