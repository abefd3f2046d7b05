/* SPDX-License-Identifier: Apache-2.0
 * proxy/blame.c - see blame.h. */
#include "proxy/blame.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "proxy/prefix.h"

/* A list of [low, high]. */
static enum bsc_status parse_statuses(const json_t *list, struct bsc_statuses *out,
                                      struct bsc_error *error)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *run = json_array_get(list, i);
        const json_t *first = json_array_get(run, 0), *last = json_array_get(run, 1);
        json_int_t low = json_integer_value(first), high = json_integer_value(last);
        if (!json_is_integer(first) || !json_is_integer(last) || low < BSC_STATUS_LOW ||
            high > BSC_STATUS_HIGH || low > high)
            return bsc_error_set(error, BSC_INVALID, "'status' is no list of ranges from %d to %d",
                                 BSC_STATUS_LOW, BSC_STATUS_HIGH);
        bsc_statuses_add(out, (unsigned)low, (unsigned)high);
    }
    if (!json_is_array(list))
        return bsc_error_set(error, BSC_INVALID, "'status' is missing, or no list");
    return BSC_OK;
}

/* The rule of exactly this prefix, which is made when there is none. */
static enum bsc_status add_path(struct bsc_blame *blame, const json_t *rule,
                                struct bsc_error *error)
{
    const char *path = json_string_value(json_object_get(rule, "path"));
    if (!path || *path != '/')
        return bsc_error_set(error, BSC_INVALID, "a rule has no path");
    size_t size = bsc_prefix_size(path);
    unsigned at = 0;
    for (; at < blame->path_count && blame->paths[at].size >= size; at++)
        if (blame->paths[at].size == size && !memcmp(blame->paths[at].prefix, path, size))
            return BSC_OK;
    struct bsc_blame_path *place = &blame->paths[at];
    memmove(place + 1, place, (blame->path_count - at) * sizeof *place);
    *place = (struct bsc_blame_path){ .prefix = bsc_copy(path), .size = size };
    blame->path_count++;
    return BSC_OK;
}

/* Adds the rule's statuses to those of all paths that lie below its own, or takes them away. */
static enum bsc_status apply_rule(struct bsc_blame *blame, const json_t *rule, bool ignored,
                                  struct bsc_error *error)
{
    struct bsc_statuses statuses = { { 0 } };
    const char *prefix = json_string_value(json_object_get(rule, "path"));
    if (parse_statuses(json_object_get(rule, "status"), &statuses, error))
        return bsc_error_wrap(error, "%.80s", prefix);
    for (unsigned i = 0; i < blame->path_count; i++) {
        struct bsc_blame_path *path = &blame->paths[i];
        if (!bsc_prefix_covers(prefix, bsc_prefix_size(prefix), path->prefix, path->size))
            continue;
        if (ignored)
            bsc_statuses_remove_all(&path->statuses, &statuses);
        else
            bsc_statuses_add_all(&path->statuses, &statuses);
    }
    return BSC_OK;
}

static enum bsc_status parse_rules(const json_t *object, struct bsc_blame *out,
                                   struct bsc_error *error)
{
    const json_t *lists[2] = { json_object_get(object, "paths"),
                               json_object_get(object, "ignore") };
    size_t count = json_array_size(lists[0]) + json_array_size(lists[1]);
    if (count > BSC_BLAME_PATHS_MAX)
        return bsc_error_set(error, BSC_INVALID, "more than %d rules", BSC_BLAME_PATHS_MAX);
    if (!count)
        return BSC_OK;
    out->paths = bsc_alloc(count * sizeof *out->paths);
    for (unsigned l = 0; l < 2; l++)
        for (size_t i = 0; i < json_array_size(lists[l]); i++)
            if (add_path(out, json_array_get(lists[l], i), error))
                return error->status;
    for (unsigned i = 0; i < out->path_count; i++)
        out->paths[i].statuses = out->anywhere;
    for (unsigned l = 0; l < 2; l++)
        for (size_t i = 0; i < json_array_size(lists[l]); i++)
            if (apply_rule(out, json_array_get(lists[l], i), l == 1, error))
                return error->status;
    return BSC_OK;
}

enum bsc_status bsc_blame_parse(const json_t *object, struct bsc_blame *out,
                                struct bsc_error *error)
{
    *out = (struct bsc_blame){ .path_count = 0 };
    if (!object) {
        bsc_statuses_add(&out->anywhere, 500, BSC_STATUS_HIGH);
        return BSC_OK;
    }
    if (parse_statuses(json_object_get(object, "status"), &out->anywhere, error) ||
        parse_rules(object, out, error))
        return bsc_error_wrap(error, "errors");
    return BSC_OK;
}

void bsc_blame_deinit(struct bsc_blame *blame)
{
    for (unsigned i = 0; i < blame->path_count; i++)
        free(blame->paths[i].prefix);
    free(blame->paths);
}

unsigned bsc_blame_find(const struct bsc_blame *blame, const char *target, size_t size)
{
    for (unsigned i = 0; i < blame->path_count; i++)
        if (bsc_prefix_covers(blame->paths[i].prefix, blame->paths[i].size, target, size))
            return i + 1;
    return 0;
}
