/* SPDX-License-Identifier: Apache-2.0
 * config/stored.c - a specification as JSON, and what differs between two. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/types.h"

void bsc_spec_write_json(const struct bsc_spec *spec, struct bsc_text *out)
{
    json_t *json = bsc_table_write(&bsc_service_keys, spec);
    char *text = json_dumps(json, JSON_COMPACT);
    assert(text); /* never stored as an empty one: memory ends the process, as everywhere */
    bsc_text_puts(out, text);
    free(text);
    json_decref(json);
}

enum bsc_status bsc_spec_read_json(const char *json, struct bsc_spec **out, struct bsc_error *error)
{
    json_error_t where;
    json_t *root = json_loads(json, JSON_REJECT_DUPLICATES, &where);
    if (!root)
        return bsc_error_set(error, BSC_INVALID, "specification: %s", where.text);
    struct bsc_config_problems problems = { 0 };
    struct bsc_arena scratch;
    bsc_arena_init(&scratch);
    struct bsc_spec *spec = bsc_spec_create();
    struct bsc_reader reader = {
        .arena = &spec->arena,
        .scratch = &scratch,
        .problems = &problems,
        .file = "specification",
        .stored = true,
    };
    bsc_service_read(&reader, bsc_node_from_json(&scratch, root), spec);
    enum bsc_status status = BSC_OK;
    if (problems.count) {
        status = bsc_error_set(error, BSC_INVALID, "specification: %s: %s", problems.items[0].key,
                               problems.items[0].text);
        bsc_spec_release(spec);
    } else {
        *out = spec;
    }
    json_decref(root);
    bsc_config_problems_deinit(&problems);
    bsc_arena_deinit(&scratch);
    return status;
}

static void add_value(struct bsc_text *out, const json_t *value)
{
    enum { SHOWN = 160 };
    char *dumped = NULL;
    const char *text = value ? json_string_value(value) : "none";
    if (!text)
        text = dumped = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    size_t size = strlen(text);
    bsc_text_add_escaped(out, text, size > SHOWN ? SHOWN : size);
    if (size > SHOWN)
        bsc_text_puts(out, "...");
    free(dumped);
}

static const char *find_variable(const struct bsc_strings *strings, const char *variable)
{
    size_t size = strcspn(variable, "=");
    for (unsigned i = 0; i < strings->count; i++)
        if (strcspn(strings->items[i], "=") == size && !strncmp(strings->items[i], variable, size))
            return strings->items[i];
    return NULL;
}

/* Values of variables are often secret, so only their names are told. */
static void diff_environment(const struct bsc_key *key, const struct bsc_strings *old,
                             const struct bsc_strings *new, struct bsc_text *out)
{
    const char *effect = bsc_effect_name(key->effect);
    for (unsigned i = 0; i < old->count; i++) {
        const char *now = find_variable(new, old->items[i]);
        if (!now || strcmp(now, old->items[i]) != 0)
            bsc_text_printf(out, "%s.%.*s: %s (%s)\n", key->path, (int)strcspn(old->items[i], "="),
                            old->items[i], now ? "changed" : "removed", effect);
    }
    for (unsigned i = 0; i < new->count; i++)
        if (!find_variable(old, new->items[i]))
            bsc_text_printf(out, "%s.%.*s: added (%s)\n", key->path,
                            (int)strcspn(new->items[i], "="), new->items[i], effect);
}

/* "key: old -> new (effect)" when they differ. */
static bool diff_value(const struct bsc_key *key, const json_t *before, const json_t *after,
                       struct bsc_text *out)
{
    if (before && after ? json_equal(before, after) : before == after)
        return false;
    bsc_text_printf(out, "%s: ", key->path);
    if (key->flags & BSC_KEY_SECRET) {
        bsc_text_puts(out, !before ? "added" : after ? "changed" : "removed");
    } else {
        add_value(out, before);
        bsc_text_puts(out, " -> ");
        add_value(out, after);
    }
    bsc_text_printf(out, " (%s)\n", bsc_effect_name(key->effect));
    return true;
}

bool bsc_spec_diff(const struct bsc_spec *old, const struct bsc_spec *new, struct bsc_text *out)
{
    bool now = false;
    if (!old) {
        bsc_text_puts(out, "new service\n");
        return true;
    }
    for (unsigned i = 0; i < bsc_service_keys.count; i++) {
        const struct bsc_key *key = &bsc_service_keys.keys[i];
        if (key->flags & (BSC_KEY_ALIAS | BSC_KEY_STORED))
            continue;
        if (key->type == &bsc_type_environment) {
            diff_environment(key, bsc_key_value(key, old), bsc_key_value(key, new), out);
            continue;
        }
        json_t *before = key->type->write(key, old), *after = key->type->write(key, new);
        if (diff_value(key, before, after, out))
            now = now || key->effect == BSC_EFFECT_NOW;
        json_decref(before);
        json_decref(after);
    }
    return now;
}

/* The value at "proxy.timeouts.head" in what bsc_table_write made. */
static const json_t *value_at(const json_t *map, const char *path)
{
    char part[BSC_KEY_BYTES_MAX];
    for (const char *dot; (dot = strchr(path, '.')); path = dot + 1) {
        snprintf(part, sizeof part, "%.*s", (int)(dot - path), path);
        map = json_object_get(map, part);
    }
    return json_object_get(map, path);
}

void bsc_config_diff(struct bsc_text *kept, const struct bsc_config *new, struct bsc_text *out)
{
    json_t *before = json_loadb(bsc_text_get(kept), kept->size, 0, NULL);
    json_t *after = bsc_table_write(&bsc_config_keys, new);
    for (unsigned i = 0; before && i < bsc_config_keys.count; i++) {
        const struct bsc_key *key = &bsc_config_keys.keys[i];
        if (!(key->flags & BSC_KEY_ALIAS))
            diff_value(key, value_at(before, key->path), value_at(after, key->path), out);
    }
    char *text = json_dumps(after, JSON_COMPACT);
    assert(text); /* memory ends the process, as everywhere */
    bsc_text_clear(kept);
    bsc_text_puts(kept, text);
    free(text);
    json_decref(before);
    json_decref(after);
}
