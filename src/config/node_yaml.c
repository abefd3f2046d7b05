/* SPDX-License-Identifier: Apache-2.0
 * config/node_yaml.c - libyaml's events become nodes, within bounds (see node.h).
 *
 * Events and not libyaml's own document, because they show aliases, anchors and tags before
 * anything is built from them: without aliases a file can't grow while it is read.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "config/node.h"

struct build {
    yaml_parser_t parser;
    struct bsc_arena *arena;
    struct bsc_config_problems *problems;
    const char *file;
    const char *text;
    size_t size;
    struct bsc_node *root;
    struct bsc_node *open[BSC_NODE_DEPTH_MAX]; /* the lists and maps that we are in */
    const char *key[BSC_NODE_DEPTH_MAX];       /* in a map: the key whose value comes next */
    size_t key_line;
    unsigned depth, nodes, documents;
    bool stopped;
};

/* Where we are, as "services.web.route[1].path". */
static const char *path_of(const struct build *build)
{
    const char *path = "";
    for (unsigned i = 0; i < build->depth; i++) {
        const struct bsc_node *open = build->open[i];
        bool innermost = i + 1 == build->depth;
        const char *key = innermost ? build->key[i] : build->open[i + 1]->key;
        if (open->kind == BSC_NODE_LIST)
            path = bsc_arena_printf(build->arena, "%s[%u]", path,
                                    innermost ? open->count : open->count - 1);
        else if (key)
            path = bsc_arena_printf(build->arena, "%s%s%s", path, *path ? "." : "", key);
    }
    return path;
}

static void problem(struct build *build, size_t line, const char *format, ...) BSC_PRINTF(3, 4);

static void problem(struct build *build, size_t line, const char *format, ...)
{
    if (build->problems->count > BSC_PROBLEMS_MAX)
        return; /* no more are told */
    char text[BSC_ERROR_TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    bsc_problem_add(build->problems, build->file, (unsigned)line, path_of(build), "%s", text);
}

static void stop(struct build *build)
{
    build->stopped = true;
    build->root = NULL;
}

static size_t line_of_offset(const struct build *build, size_t offset)
{
    size_t line = 1;
    for (size_t i = 0; i < offset && i < build->size; i++)
        line += build->text[i] == '\n';
    return line;
}

/* Line `line` (from 1) without its end; *size is its length. */
static const char *line_at(const struct build *build, size_t line, size_t *size)
{
    const char *at = build->text, *end = build->text + build->size;
    for (; line > 1; line--) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        at = stop ? stop + 1 : end;
    }
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    *size = (size_t)((stop ? stop : end) - at);
    return at;
}

/* The two commonest mistakes have the least helpful messages: "" when it is neither of them. */
static const char *hint(const struct build *build, size_t line)
{
    size_t size, indent = 0;
    const char *at = line_at(build, line, &size);
    while (indent < size && at[indent] == ' ')
        indent++;
    if (indent < size && at[indent] == '\t')
        return "; a tab indents this line, only spaces may";
    if (memmem(at, size, "${", 2))
        return "; inside [ ] and { } a text with ${...} needs quotes";
    if (memmem(at, size, ": >", 3))
        return "; a text that begins with > needs quotes";
    return "";
}

static void syntax_problem(struct build *build)
{
    const yaml_parser_t *parser = &build->parser;
    build->depth = 0; /* the path is that of the last thing understood, so it would mislead */
    if (parser->error == YAML_READER_ERROR) {
        problem(build, line_of_offset(build, parser->problem_offset),
                "is not text in UTF-8 without control characters: %s (byte 0x%02x)",
                parser->problem, (unsigned)parser->problem_value & 0xff);
    } else if (parser->error == YAML_MEMORY_ERROR) {
        problem(build, 0, "out of memory");
    } else {
        size_t line = parser->problem_mark.line + 1;
        char begun[160] = "";
        if (parser->context)
            snprintf(begun, sizeof begun, " %s that began in line %zu", parser->context,
                     parser->context_mark.line + 1);
        problem(build, line, "is not YAML: %s%s%s", parser->problem, begun, hint(build, line));
    }
    stop(build);
}

/* A control character in `text` but for the allowed ones, -1 when there is none. */
static int control_in(const char *text, size_t size, const char *allowed)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (!c || c == 0x7f || (c < ' ' && !strchr(allowed, c)))
            return c;
    }
    return -1;
}

static struct bsc_node *add(struct build *build, enum bsc_node_kind kind, size_t line,
                            const char *text)
{
    struct bsc_node *parent = build->depth ? build->open[build->depth - 1] : NULL;
    const char *key = NULL;
    if (parent && parent->kind == BSC_NODE_MAP) {
        key = build->key[build->depth - 1];
        build->key[build->depth - 1] = NULL;
        line = build->key_line;
    }
    struct bsc_node *node = bsc_node_add(build->arena, parent, kind, key, text);
    node->line = (unsigned)line;
    if (!parent)
        build->root = node;
    if (++build->nodes > BSC_NODES_MAX) {
        build->depth = 0;
        problem(build, line, "has more than %d values", BSC_NODES_MAX);
        stop(build);
    }
    return node;
}

/* True when what comes next in the open map is a key. */
static bool wants_key(const struct build *build)
{
    return build->depth && build->open[build->depth - 1]->kind == BSC_NODE_MAP &&
           !build->key[build->depth - 1];
}

static void on_scalar(struct build *build, const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    size_t size = event->data.scalar.length, line = event->start_mark.line + 1;
    bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    bool key = wants_key(build);
    int control = control_in(text, size, key ? "" : "\n\t");
    if (control >= 0)
        problem(build, line, "a %s holds the control character 0x%02x", key ? "key" : "value",
                (unsigned)control);
    char *copy = bsc_arena_copy_bytes(build->arena, text, size);
    for (size_t i = 0; control >= 0 && i < size; i++)
        if (control_in(copy + i, 1, key ? "" : "\n\t") >= 0)
            copy[i] = '?';
    if (key) {
        if (!size)
            problem(build, line, "a key is empty");
        build->key[build->depth - 1] = copy;
        build->key_line = line;
        return;
    }
    bool nothing = plain && (!size || !strcmp(text, "~") || !strcmp(text, "null"));
    add(build, nothing ? BSC_NODE_NOTHING : BSC_NODE_TEXT, line, copy)->quoted = !plain;
}

static void on_begin(struct build *build, enum bsc_node_kind kind, const yaml_event_t *event)
{
    size_t line = event->start_mark.line + 1;
    if (wants_key(build)) {
        problem(build, line, "a list or map can't be a key");
        stop(build);
        return;
    }
    if (build->depth == BSC_NODE_DEPTH_MAX) {
        problem(build, line, "is nested deeper than %d levels", BSC_NODE_DEPTH_MAX);
        stop(build);
        return;
    }
    struct bsc_node *node = add(build, kind, line, NULL);
    if (build->stopped)
        return;
    build->open[build->depth] = node;
    build->key[build->depth] = NULL;
    build->depth++;
}

static int by_key_and_place(const void *a, const void *b)
{
    const struct bsc_node *const *left = a, *const *right = b;
    int order = strcmp((*left)->key, (*right)->key);
    return order ? order : ((*left)->line > (*right)->line) - ((*left)->line < (*right)->line);
}

/* Sorting keeps a map with very many keys from taking quadratic time. */
static void find_duplicates(struct build *build, const struct bsc_node *map)
{
    if (map->count < 2)
        return;
    const struct bsc_node **nodes = bsc_alloc(map->count * sizeof(const struct bsc_node *));
    size_t count = 0;
    for (const struct bsc_node *node = map->first; node; node = node->next)
        nodes[count++] = node;
    qsort(nodes, count, sizeof(const struct bsc_node *), by_key_and_place);
    for (size_t i = 1; i < count; i++)
        if (!strcmp(nodes[i]->key, nodes[i - 1]->key)) {
            build->key[build->depth - 1] = nodes[i]->key;
            problem(build, nodes[i]->line, "is there twice, first in line %u", nodes[i - 1]->line);
            build->key[build->depth - 1] = NULL;
        }
    free(nodes);
}

static void refuse_properties(struct build *build, const yaml_char_t *anchor,
                              const yaml_char_t *tag, size_t line)
{
    if (anchor)
        problem(build, line, "anchors (&name) are not accepted");
    if (tag)
        problem(build, line, "tags (!name) are not accepted");
}

static void on_event(struct build *build, const yaml_event_t *event)
{
    size_t line = event->start_mark.line + 1;
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (++build->documents == 2) {
            problem(build, line, "has a second document (---); only one is accepted");
            stop(build);
        }
        break;
    case YAML_ALIAS_EVENT:
        problem(build, line, "aliases (*name) are not accepted: write the value out");
        if (wants_key(build)) {
            build->key[build->depth - 1] = "*";
            build->key_line = line;
        } else {
            add(build, BSC_NODE_NOTHING, line, NULL);
        }
        break;
    case YAML_SCALAR_EVENT:
        refuse_properties(build, event->data.scalar.anchor, event->data.scalar.tag, line);
        on_scalar(build, event);
        break;
    case YAML_SEQUENCE_START_EVENT:
        refuse_properties(build, event->data.sequence_start.anchor, event->data.sequence_start.tag,
                          line);
        on_begin(build, BSC_NODE_LIST, event);
        break;
    case YAML_MAPPING_START_EVENT:
        refuse_properties(build, event->data.mapping_start.anchor, event->data.mapping_start.tag,
                          line);
        on_begin(build, BSC_NODE_MAP, event);
        break;
    case YAML_MAPPING_END_EVENT:
        find_duplicates(build, build->open[build->depth - 1]);
        build->depth--;
        break;
    case YAML_SEQUENCE_END_EVENT:
        build->depth--;
        break;
    default:
        break;
    }
}

struct bsc_node *bsc_node_from_yaml(struct bsc_arena *arena, const char *file, const char *text,
                                    size_t size, struct bsc_config_problems *problems)
{
    struct build *build = bsc_alloc(sizeof *build);
    *build = (struct build){ .arena = arena, .problems = problems, .file = file };
    build->text = text;
    build->size = size;
    struct bsc_node *root = NULL;
    if (size > BSC_FILE_BYTES_MAX) {
        problem(build, 0, "is %zu bytes long; %d are accepted", size, BSC_FILE_BYTES_MAX);
        goto free_build;
    }
    if (!yaml_parser_initialize(&build->parser)) {
        problem(build, 0, "out of memory");
        goto free_build;
    }
    yaml_parser_set_input_string(&build->parser, (const unsigned char *)text, size);
    yaml_parser_set_encoding(&build->parser, YAML_UTF8_ENCODING);
    for (bool end = false; !end && !build->stopped;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&build->parser, &event)) {
            syntax_problem(build);
            break;
        }
        end = event.type == YAML_STREAM_END_EVENT;
        on_event(build, &event);
        yaml_event_delete(&event);
    }
    root = build->root;
    if (root && root->kind == BSC_NODE_NOTHING)
        root = NULL;
    yaml_parser_delete(&build->parser);
free_build:
    free(build);
    return root;
}
