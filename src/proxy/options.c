/* SPDX-License-Identifier: Apache-2.0
 * proxy/options.c - see options.h. */
#include "proxy/options.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "proxy/http1.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR };
enum { TRUSTED_MAX = 1000 };

/* Times and large sizes have 64 bits, counts are unsigned; by their keys in the line. */
static const struct number {
    const char *key;
    size_t offset;
    bool time;
    json_int_t least, most, otherwise;
} numbers[] = {
#define TIME(name) #name, offsetof(struct bsc_options, name), true
#define COUNT(name) #name, offsetof(struct bsc_options, name), false
    { TIME(head_ms), 1, DAY, 10 * SECOND },
    { TIME(keep_alive_ms), 1, DAY, MINUTE },
    { TIME(tunnel_ms), 1, 30 * (json_int_t)DAY, HOUR },
    { TIME(linger_ms), 1, HOUR, 2 * SECOND },
    { TIME(pooled_ms), 1, DAY, 30 * SECOND },
    { COUNT(pooled_max), 0, 100000, 1024 },
    { COUNT(connections_max), 0, 1000000, 0 },
    { COUNT(address_connections_max), 0, 1000000, 0 },
    { COUNT(requests_max), 0, 1000000000, 0 },
    { COUNT(streams_max), 1, 1000, 100 },
    { COUNT(head_bytes), 1024, BSC_HEAD_BYTES, BSC_HEAD_BYTES },
    { COUNT(line_bytes), 256, BSC_LINE_BYTES, BSC_LINE_BYTES },
    { COUNT(fields_max), 1, BSC_HEAD_FIELDS, BSC_HEAD_FIELDS },
    { TIME(body_bytes), 0, (json_int_t)1 << 50, 0 },
    { TIME(body_rate), 0, 1 << 30, 100 },
    { TIME(read_rate), 0, 1 << 30, 100 },
    { TIME(rate_grace_ms), 1, HOUR, 30 * SECOND },
    { TIME(request_ms), 0, DAY, 0 },
    { TIME(buffer_bytes), 1, (json_int_t)1 << 50, 256 << 20 },
#undef TIME
#undef COUNT
};

static void set(struct bsc_options *options, const struct number *number, json_int_t value)
{
    char *at = (char *)options + number->offset;
    if (number->time)
        *(int64_t *)(void *)at = value;
    else
        *(unsigned *)(void *)at = (unsigned)value;
}

struct bsc_options *bsc_options_create(void)
{
    struct bsc_options *options = bsc_alloc(sizeof *options);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        set(options, &numbers[i], numbers[i].otherwise);
    return options;
}

static enum bsc_status parse_numbers(const json_t *object, struct bsc_options *options,
                                     struct bsc_error *error)
{
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        const json_t *value = json_object_get(object, numbers[i].key);
        json_int_t number = json_integer_value(value);
        if (!value)
            continue;
        if (!json_is_integer(value) || number < numbers[i].least || number > numbers[i].most)
            return bsc_error_set(error, BSC_INVALID, "'%s' is no number from %lld to %lld",
                                 numbers[i].key, (long long)numbers[i].least,
                                 (long long)numbers[i].most);
        set(options, &numbers[i], number);
    }
    return BSC_OK;
}

static enum bsc_status parse_tracing(const json_t *object, struct bsc_options *options,
                                     struct bsc_error *error)
{
    static const char *const words[] = { "sampled", "unsampled", "pass" };
    const json_t *value = json_object_get(object, "traceparent");
    const char *word = json_string_value(value);
    if (!value)
        return BSC_OK;
    for (unsigned i = 0; word && i < sizeof words / sizeof *words; i++)
        if (!strcmp(word, words[i])) {
            options->tracing = (enum bsc_tracing)i;
            return BSC_OK;
        }
    return bsc_error_set(error, BSC_INVALID, "'traceparent' is '%.40s'", word ? word : "no word");
}

static enum bsc_status parse_trusted(const json_t *object, struct bsc_options *options,
                                     struct bsc_error *error)
{
    const json_t *list = json_object_get(object, "trusted");
    size_t count = json_array_size(list);
    if (list && (!json_is_array(list) || count > TRUSTED_MAX))
        return bsc_error_set(error, BSC_INVALID, "'trusted' is no list, or too long");
    options->trusted = bsc_alloc(count * sizeof *options->trusted);
    for (size_t i = 0; i < count; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (!text || !bsc_network_parse(text, &options->trusted[options->trusted_count++]))
            return bsc_error_set(error, BSC_INVALID, "'trusted' has '%.60s'", text ? text : "");
    }
    return BSC_OK;
}

enum bsc_status bsc_options_parse(const json_t *object, struct bsc_options **out,
                                  struct bsc_error *error)
{
    if (!json_is_object(object))
        return bsc_error_set(error, BSC_INVALID, "'options' is no object");
    struct bsc_options *options = bsc_options_create();
    if (parse_numbers(object, options, error) || parse_tracing(object, options, error) ||
        parse_trusted(object, options, error) ||
        bsc_pages_parse(json_object_get(object, "pages"), &options->pages, error)) {
        bsc_options_destroy(options);
        return error->status;
    }
    options->head_limited = options->head_bytes < BSC_HEAD_BYTES ||
                            options->line_bytes < BSC_LINE_BYTES ||
                            options->fields_max < BSC_HEAD_FIELDS;
    *out = options;
    return BSC_OK;
}

void bsc_options_destroy(struct bsc_options *options)
{
    if (!options)
        return;
    bsc_pages_deinit(&options->pages);
    free(options->trusted);
    free(options);
}
