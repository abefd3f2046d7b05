/* SPDX-License-Identifier: Apache-2.0
 * config/schema.c - the JSON schema of bascule.yaml, for editors. Made from the key table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/types.h"

json_t *bsc_schema_text(const char *pattern)
{
    json_t *schema = json_pack("{s:s}", "type", "string");
    if (pattern)
        json_object_set_new(schema, "pattern", json_string(pattern));
    return schema;
}

json_t *bsc_schema_list(json_t *items)
{
    return json_pack("{s:s, s:o}", "type", "array", "items", items);
}

json_t *bsc_schema_either(json_t *a, json_t *b)
{
    return json_pack("{s:[o, o]}", "anyOf", a, b);
}

static json_t *schema_of(const struct bsc_key *key)
{
    json_t *schema = key->type->schema(key);
    json_object_set_new(schema, "description", json_string(key->text));
    const char *type = json_string_value(json_object_get(schema, "type"));
    if (key->otherwise && type && !strcmp(type, "integer"))
        json_object_set_new(schema, "default", json_integer(atoll(key->otherwise)));
    else if (key->otherwise)
        json_object_set_new(schema, "default", json_string(key->otherwise));
    return schema;
}

static json_t *object(void)
{
    return json_pack("{s:s, s:{}, s:b}", "type", "object", "properties", "additionalProperties", 0);
}

/* The object inside which the last part of `path` is a property; *name points at that part. */
static json_t *object_of(json_t *root, const char *path, const char **name)
{
    json_t *at = root;
    char part[BSC_KEY_BYTES_MAX];
    for (const char *dot; (dot = strchr(path, '.')); path = dot + 1) {
        snprintf(part, sizeof part, "%.*s", (int)(dot - path), path);
        json_t *properties = json_object_get(at, "properties");
        if (!json_object_get(properties, part))
            json_object_set_new(properties, part, object());
        at = json_object_get(properties, part);
    }
    *name = path;
    return at;
}

json_t *bsc_schema_table(const struct bsc_key_table *table)
{
    json_t *root = object();
    for (unsigned i = 0; i < table->count; i++) {
        const struct bsc_key *part = &table->keys[i];
        const char *name;
        json_t *schema = part->type->schema(part);
        json_object_set_new(schema, "description", json_string(part->text));
        json_t *inside = object_of(root, part->path, &name);
        json_object_set_new(json_object_get(inside, "properties"), name, schema);
    }
    return root;
}

/* `pre_deploy: COMMAND` besides `pre_deploy: { command: COMMAND }`. */
static void accept_short(json_t *root, const struct bsc_key *key)
{
    char section[BSC_KEY_BYTES_MAX];
    const char *name;
    snprintf(section, sizeof section, "%.*s", (int)(strrchr(key->path, '.') - key->path),
             key->path);
    json_t *properties = json_object_get(object_of(root, section, &name), "properties");
    json_t *whole = json_incref(json_object_get(properties, name));
    json_object_set_new(properties, name, bsc_schema_either(whole, schema_of(key)));
}

static json_t *schema_of_table(const struct bsc_key_table *table)
{
    json_t *root = object();
    for (unsigned i = 0; i < table->count; i++) {
        const struct bsc_key *key = &table->keys[i];
        const char *name;
        if (key->flags & BSC_KEY_STORED)
            continue;
        json_t *parent = object_of(root, key->path, &name);
        json_object_set_new(json_object_get(parent, "properties"), name, schema_of(key));
    }
    for (unsigned i = 0; i < table->count; i++)
        if (table->keys[i].flags & BSC_KEY_SHORT)
            accept_short(root, &table->keys[i]);
    return root;
}

void bsc_config_schema(struct bsc_text *out)
{
    json_t *service = schema_of_table(&bsc_service_keys);
    json_t *root =
        json_pack("{s:s, s:s}", "$schema", "https://json-schema.org/draft/2020-12/schema", "title",
                  "bascule.yaml");
    json_t *config = schema_of_table(&bsc_config_keys);
    json_object_update(root, config);
    json_decref(config);
    json_object_set_new(root, "required", json_pack("[s]", "services"));
    json_object_set_new(root, "$defs", json_pack("{s:o}", "service", service));
    char *text = json_dumps(root, JSON_INDENT(2));
    bsc_text_puts(out, text);
    bsc_text_puts(out, "\n");
    free(text);
    json_decref(root);
}
