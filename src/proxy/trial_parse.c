/* SPDX-License-Identifier: Apache-2.0
 * proxy/trial_parse.c - an A/B test as it comes in the line of a service; see trial.h. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "proxy/trial.h"

enum { TEXT_MAX = 256 };

/* A text that need not be there; false: it is none, or too long. */
static bool take_text(const json_t *object, const char *key, char **out)
{
    const json_t *value = json_object_get(object, key);
    const char *text = json_string_value(value);
    if (value && !json_is_null(value) && (!text || !*text || strlen(text) > TEXT_MAX))
        return false;
    *out = bsc_copy(text);
    return true;
}

static bool take_number(const json_t *object, const char *key, json_int_t most, json_int_t *out)
{
    const json_t *value = json_object_get(object, key);
    *out = json_integer_value(value);
    return json_is_integer(value) && *out >= 0 && *out <= most;
}

static bool take_goal(const json_t *object, struct bsc_watched_goal *out)
{
    json_int_t low, high;
    if (!take_text(object, "path", &out->path) || !out->path ||
        !take_text(object, "method", &out->method) || !take_text(object, "header", &out->header) ||
        !take_text(object, "value", &out->value) || !take_number(object, "status_low", 599, &low) ||
        !take_number(object, "status_high", 599, &high))
        return false;
    out->status_low = (unsigned)low;
    out->status_high = (unsigned)high;
    out->path_size = strlen(out->path);
    out->prefix = out->path[out->path_size - 1] == '*';
    out->path_size -= out->prefix;
    return true;
}

enum bsc_status bsc_trial_rules_parse(const json_t *object, struct bsc_trial_rules **out,
                                      struct bsc_error *error)
{
    const json_t *goals = json_object_get(object, "goals");
    json_int_t id, generation;
    *out = NULL;
    if (!object || json_is_null(object))
        return BSC_OK;
    if (!take_number(object, "id", INT64_MAX, &id) || !id ||
        !take_number(object, "generation", INT64_MAX, &generation) || !json_is_array(goals) ||
        json_array_size(goals) > BSC_GOALS_WATCHED)
        return bsc_error_set(error, BSC_INVALID, "'trial' has a value that is out of range");
    struct bsc_trial_rules *rules = *out = bsc_alloc(sizeof *rules);
    rules->id = (uint64_t)id;
    rules->generation = (uint64_t)generation;
    bool sound = take_text(object, "value_header", &rules->value_header);
    for (size_t i = 0; sound && i < json_array_size(goals); i++)
        sound = take_goal(json_array_get(goals, i), &rules->goals[rules->goal_count++]);
    return sound ? BSC_OK
                 : bsc_error_set(error, BSC_INVALID, "'trial' has a goal that is not complete");
}

void bsc_trial_rules_destroy(struct bsc_trial_rules *rules)
{
    for (unsigned i = 0; rules && i < rules->goal_count; i++) {
        free(rules->goals[i].path);
        free(rules->goals[i].method);
        free(rules->goals[i].header);
        free(rules->goals[i].value);
    }
    if (rules)
        free(rules->value_header);
    free(rules);
}
