/* SPDX-License-Identifier: Apache-2.0
 * cli/json.h - reading members of the daemon's answers, forgiving about what is missing.
 */
#ifndef BASCULE_CLI_JSON_H
#define BASCULE_CLI_JSON_H

#include <jansson.h>

/* The string member `key`; "" when there is none. */
static inline const char *bsc_json_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* The version of a rollout or slot: null is what a static service had before its first release. */
static inline const char *bsc_json_version(const json_t *object)
{
    const char *text = json_string_value(json_object_get(object, "version"));
    return text ? text : "what was there before";
}

static inline long long bsc_json_number(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

#endif
