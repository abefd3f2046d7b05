/* SPDX-License-Identifier: Apache-2.0
 * proxy/mirror_rules.c - see mirror_rules.h. */
#include "proxy/mirror_rules.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

enum { WORDS_MAX = 64, WORD_MAX = 255, WHOLE_BP = 10000 };

static void free_words(struct bsc_words *words)
{
    for (unsigned i = 0; i < words->count; i++)
        free(words->items[i]);
    free(words->items);
}

void bsc_mirror_rules_destroy(struct bsc_mirror_rules *rules)
{
    if (!rules)
        return;
    free_words(&rules->methods);
    free_words(&rules->headers);
    free_words(&rules->ignored);
    free(rules);
}

static bool parse_words(const json_t *list, struct bsc_words *out)
{
    size_t i;
    const json_t *item;
    if (!list)
        return true;
    if (!json_is_array(list) || json_array_size(list) > WORDS_MAX)
        return false;
    out->items = bsc_alloc((json_array_size(list) + 1) * sizeof *out->items);
    json_array_foreach(list, i, item)
    {
        if (!json_is_string(item) || json_string_length(item) > WORD_MAX)
            return false;
        out->items[out->count++] = bsc_copy(json_string_value(item));
    }
    return true;
}

static bool parse(const json_t *object, struct bsc_mirror_rules *out)
{
    static const char *const bodies[] = { "json", "bytes", "none" };
    const char *slot = json_string_value(json_object_get(object, "slot"));
    const char *body = json_string_value(json_object_get(object, "body"));
    json_int_t id = json_integer_value(json_object_get(object, "id"));
    json_int_t share = json_integer_value(json_object_get(object, "share_bp"));
    json_int_t most = json_integer_value(json_object_get(object, "body_bytes"));
    unsigned by = 0;
    while (body && by < 3 && strcmp(body, bodies[by]) != 0)
        by++;
    if (!slot || !bsc_slot_parse(slot, &out->slot) || !body || by == 3 || id <= 0 || share < 0 ||
        share > WHOLE_BP || most < 0 || most > BSC_MIRROR_BODY_MAX)
        return false;
    out->id = (uint64_t)id;
    out->share_bp = (unsigned)share;
    out->body = (enum bsc_mirror_body)by;
    out->body_bytes = (uint32_t)most;
    out->status = json_is_true(json_object_get(object, "status"));
    out->learn = json_is_true(json_object_get(object, "learn"));
    return parse_words(json_object_get(object, "methods"), &out->methods) &&
           parse_words(json_object_get(object, "headers"), &out->headers) &&
           parse_words(json_object_get(object, "ignored"), &out->ignored);
}

enum bsc_status bsc_mirror_rules_parse(const json_t *object, struct bsc_mirror_rules **out,
                                       struct bsc_error *error)
{
    *out = NULL;
    if (!object)
        return BSC_OK;
    struct bsc_mirror_rules *rules = bsc_alloc(sizeof *rules);
    if (!parse(object, rules)) {
        bsc_mirror_rules_destroy(rules);
        return bsc_error_set(error, BSC_INVALID, "'mirror' can't be done");
    }
    *out = rules;
    return BSC_OK;
}
