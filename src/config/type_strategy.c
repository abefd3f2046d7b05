/* SPDX-License-Identifier: Apache-2.0
 * config/type_strategy.c - a canary's steps and size, numbers of instances, time to watch
 * (types.h). */
#include <stdio.h>
#include <string.h>

#include "config/types.h"
#include "core/wish.h"

static const char *expect_steps(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key;
    return bsc_arena_printf(arena,
                            "a list of at most %d rising percentages below 100 such as "
                            "[5%%, 25%%, 50%%], down to 0.01%%",
                            BSC_CANARY_STEPS_MAX);
}

static bool read_steps(struct bsc_reader *reader, const struct bsc_key *key,
                       const struct bsc_node *node, void *base)
{
    (void)reader;
    struct bsc_canary_steps *steps = bsc_key_field(key, base);
    if (node->kind == BSC_NODE_TEXT)
        return bsc_canary_steps_parse(node->text, steps, NULL) == BSC_OK;
    *steps = (struct bsc_canary_steps){ 0 };
    if (node->kind != BSC_NODE_LIST)
        return false;
    for (const struct bsc_node *item = node->first; item; item = item->next) {
        unsigned share_bp;
        if (item->kind != BSC_NODE_TEXT ||
            !bsc_share_parse(item->text, strlen(item->text), &share_bp) ||
            !bsc_canary_steps_add(steps, share_bp))
            return false;
    }
    return true;
}

static json_t *write_steps(const struct bsc_key *key, const void *base)
{
    const struct bsc_canary_steps *steps = bsc_key_value(key, base);
    json_t *list = json_array();
    for (unsigned i = 0; i < steps->count; i++) {
        char text[BSC_SHARE_BYTES];
        json_array_append_new(list, json_string(bsc_share_format(steps->weight_bp[i], text)));
    }
    return list;
}

static json_t *schema_steps(const struct bsc_key *key)
{
    (void)key;
    json_t *number = json_pack("{s:s, s:i, s:i}", "type", "number", "exclusiveMinimum", 0,
                               "exclusiveMaximum", 100);
    json_t *text = bsc_schema_text("^[0-9]{1,2}([.][0-9]{1,2})? ?%?$");
    json_t *list = bsc_schema_list(bsc_schema_either(number, text));
    json_object_set_new(list, "maxItems", json_integer(BSC_CANARY_STEPS_MAX));
    return bsc_schema_either(list, bsc_schema_text(NULL));
}

const struct bsc_type bsc_type_steps = { expect_steps, read_steps, write_steps, schema_steps };

/* A whole number up to `most`, of `size` digits. */
static bool parse_number(const char *text, size_t size, int64_t most, unsigned *out)
{
    if (!size || size > 6 || strspn(text, "0123456789") < size)
        return false;
    *out = 0;
    for (size_t i = 0; i < size; i++)
        *out = *out * 10 + (unsigned)(text[i] - '0');
    return *out <= most;
}

static const char *expect_amount(const struct bsc_key *key, struct bsc_arena *arena)
{
    return bsc_arena_printf(arena,
                            "a number of instances from %lld to %lld, or a percentage of "
                            "them such as 25%%%s",
                            (long long)key->low, (long long)key->high,
                            key->low ? ", one-at-a-time or half-at-a-time" : "");
}

/* A zero of a file is kept as a percentage, so that it differs from nothing at all. */
static bool read_amount(struct bsc_reader *reader, const struct bsc_key *key,
                        const struct bsc_node *node, void *base)
{
    struct bsc_amount *amount = bsc_key_field(key, base);
    const char *text = node->kind == BSC_NODE_TEXT ? node->text : "";
    size_t size = strlen(text);
    if (key->low && !strcmp(text, "one-at-a-time")) {
        *amount = (struct bsc_amount){ 1, false };
        return true;
    }
    if (key->low && !strcmp(text, "half-at-a-time")) {
        *amount = (struct bsc_amount){ 50, true };
        return true;
    }
    bool percent = size && text[size - 1] == '%';
    unsigned number;
    if (!parse_number(text, size - percent, percent ? 100 : key->high, &number) ||
        (number < key->low && !reader->stored))
        return false;
    *amount = (struct bsc_amount){ number, percent || (!number && !reader->stored) };
    return true;
}

static json_t *write_amount(const struct bsc_key *key, const void *base)
{
    const struct bsc_amount *amount = bsc_key_value(key, base);
    if (!amount->number && !amount->percent && !key->otherwise)
        return NULL;
    if (amount->percent)
        return json_sprintf("%u%%", amount->number);
    return json_integer(amount->number);
}

static json_t *schema_amount(const struct bsc_key *key)
{
    json_t *number = json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum",
                               (json_int_t)key->low, "maximum", (json_int_t)key->high);
    return bsc_schema_either(
        number,
        bsc_schema_text(key->low ? "^([0-9]{1,3}%?|(one|half)-at-a-time)$" : "^[0-9]{1,3}%?$"));
}

const struct bsc_type bsc_type_amount = { expect_amount, read_amount, write_amount, schema_amount };

static const char *expect_scale(const struct bsc_key *key, struct bsc_arena *arena)
{
    return bsc_arena_printf(arena, "match, full, or a number of instances from %lld to %lld",
                            (long long)key->low, (long long)key->high);
}

static bool read_scale(struct bsc_reader *reader, const struct bsc_key *key,
                       const struct bsc_node *node, void *base)
{
    (void)reader;
    struct bsc_deploy_spec *deploy = bsc_key_field(key, base);
    const char *text = node->kind == BSC_NODE_TEXT ? node->text : "";
    unsigned number = 0;
    if (!strcmp(text, "match"))
        deploy->scale = BSC_SCALE_MATCH;
    else if (!strcmp(text, "full"))
        deploy->scale = BSC_SCALE_FULL;
    else if (parse_number(text, strlen(text), key->high, &number) && number >= key->low)
        deploy->scale = BSC_SCALE_FIXED;
    else
        return false;
    deploy->scale_instances = number;
    return true;
}

static json_t *write_scale(const struct bsc_key *key, const void *base)
{
    const struct bsc_deploy_spec *deploy = bsc_key_value(key, base);
    if (deploy->scale == BSC_SCALE_FIXED)
        return json_integer(deploy->scale_instances);
    return json_string(deploy->scale == BSC_SCALE_FULL ? "full" : "match");
}

static json_t *schema_scale(const struct bsc_key *key)
{
    json_t *number = json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum",
                               (json_int_t)key->low, "maximum", (json_int_t)key->high);
    return bsc_schema_either(json_pack("{s:[s, s]}", "enum", "match", "full"), number);
}

const struct bsc_type bsc_type_scale = { expect_scale, read_scale, write_scale, schema_scale };

static const char *expect_bake(const struct bsc_key *key, struct bsc_arena *arena)
{
    return bsc_arena_printf(arena, "%s, or auto", bsc_type_duration.expected(key, arena));
}

static bool read_bake(struct bsc_reader *reader, const struct bsc_key *key,
                      const struct bsc_node *node, void *base)
{
    if (node->kind != BSC_NODE_TEXT || strcmp(node->text, "auto") != 0)
        return bsc_type_duration.read(reader, key, node, base);
    *(int64_t *)bsc_key_field(key, base) = BSC_BAKE_AUTO;
    return true;
}

static json_t *write_bake(const struct bsc_key *key, const void *base)
{
    if (*(const int64_t *)bsc_key_value(key, base) == BSC_BAKE_AUTO)
        return json_string("auto");
    return bsc_type_duration.write(key, base);
}

static json_t *schema_bake(const struct bsc_key *key)
{
    return bsc_schema_either(json_pack("{s:s}", "const", "auto"), bsc_type_duration.schema(key));
}

const struct bsc_type bsc_type_bake = { expect_bake, read_bake, write_bake, schema_bake };
