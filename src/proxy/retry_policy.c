/* SPDX-License-Identifier: Apache-2.0
 * proxy/retry_policy.c - see retry_policy.h. */
#include "proxy/retry_policy.h"

#include <stdint.h>
#include <string.h>

static const struct {
    const char *name;
    unsigned bit;
} causes[] = {
    { "connect", BSC_RETRY_CONNECT }, { "reset", BSC_RETRY_RESET },
    { "timeout", BSC_RETRY_TIMEOUT }, { "502", BSC_RETRY_502 },
    { "503", BSC_RETRY_503 },         { "504", BSC_RETRY_504 },
};
static const char *const unsafe_words[] = { "never", "keyed", "always" };

/* False: it is none, or out of range. A key that is missing leaves *out as it is. */
static bool read_number(const json_t *object, const char *key, json_int_t least, json_int_t most,
                        unsigned *out)
{
    const json_t *value = json_object_get(object, key);
    if (!value)
        return true;
    json_int_t number = json_integer_value(value);
    *out = (unsigned)number;
    return json_is_integer(value) && number >= least && number <= most;
}

/* A word of a later version is no error: it is a reason that does not occur here. */
static bool read_causes(const json_t *list, unsigned *out)
{
    size_t at;
    const json_t *item;
    if (!list)
        return true;
    *out = 0;
    json_array_foreach((json_t *)(uintptr_t)list, at, item)
    {
        const char *word = json_string_value(item);
        for (size_t i = 0; word && i < sizeof causes / sizeof *causes; i++)
            if (!strcmp(word, causes[i].name))
                *out |= causes[i].bit;
    }
    return json_is_array(list);
}

static bool read_unsafe(const json_t *value, enum bsc_retry_unsafe *out)
{
    const char *word = json_string_value(value);
    for (unsigned i = 0; word && i < 3; i++)
        if (!strcmp(word, unsafe_words[i])) {
            *out = (enum bsc_retry_unsafe)i;
            return true;
        }
    return !value;
}

enum bsc_status bsc_retry_policy_parse(const json_t *object, struct bsc_retry_policy *out,
                                       struct bsc_error *error)
{
    *out = (struct bsc_retry_policy){ .attempts = 3,
                                      .on = BSC_RETRY_CONNECT | BSC_RETRY_RESET,
                                      .body_bytes = BSC_RETRY_BODY_MAX };
    if (!read_number(object, "attempts", 1, BSC_RETRY_ATTEMPTS_MAX, &out->attempts) ||
        !read_number(object, "body_bytes", 0, BSC_RETRY_BODY_MAX, &out->body_bytes) ||
        !read_causes(json_object_get(object, "on"), &out->on) ||
        !read_unsafe(json_object_get(object, "unsafe"), &out->unsafe))
        return bsc_error_set(error, BSC_INVALID, "'retry' has a value that is out of range");
    return BSC_OK;
}
