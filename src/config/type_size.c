/* SPDX-License-Identifier: Apache-2.0
 * config/type_size.c - numbers of bytes and rates (see types.h). */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "config/types.h"

static const struct unit {
    const char *name;
    int64_t bytes;
} units[] = { /* Compose's, each 1024 of the one before; the first of a size is how it is written */
              { "GiB", 1 << 30 }, { "MiB", 1 << 20 }, { "KiB", 1 << 10 }, { "B", 1 },
              { "gb", 1 << 30 },  { "mb", 1 << 20 },  { "kb", 1 << 10 },  { "g", 1 << 30 },
              { "m", 1 << 20 },   { "k", 1 << 10 },   { "", 1 }
};

static const char *format_size(int64_t bytes, char out[static 32])
{
    const struct unit *unit = units;
    while (unit->bytes > 1 && (bytes % unit->bytes || !bytes))
        unit++;
    snprintf(out, 32, "%lld%s", (long long)(bytes / unit->bytes), bytes ? unit->name : "");
    return out;
}

static const char *expect_size(const struct bsc_key *key, struct bsc_arena *arena)
{
    char low[32], high[32];
    return bsc_arena_printf(arena, "a size from %s to %s such as 64KiB or 10MiB",
                            format_size(key->low, low), format_size(key->high, high));
}

static bool read_size(struct bsc_reader *reader, const struct bsc_key *key,
                      const struct bsc_node *node, void *base)
{
    const char *text = node->kind == BSC_NODE_TEXT ? node->text : "";
    size_t digits = strspn(text, "0123456789");
    int64_t value = 0;
    if (!digits || digits > 12)
        return false;
    for (size_t i = 0; i < digits; i++)
        value = value * 10 + (text[i] - '0');
    const struct unit *unit = units, *end = units + sizeof units / sizeof *units;
    while (unit < end && strcasecmp(text + digits, unit->name) != 0)
        unit++;
    if (unit == end || value > INT64_MAX / unit->bytes)
        return false;
    value *= unit->bytes;
    if (!reader->stored && (value < key->low || value > key->high))
        return false;
    *(int64_t *)bsc_key_field(key, base) = value;
    return true;
}

static json_t *write_size(const struct bsc_key *key, const void *base)
{
    char text[32];
    int64_t value = *(const int64_t *)bsc_key_value(key, base);
    return value || key->otherwise ? json_string(format_size(value, text)) : NULL;
}

static json_t *schema_size(const struct bsc_key *key)
{
    (void)key;
    return bsc_schema_either(bsc_schema_text("^[0-9]{1,12}([kKmMgG]([iI]?[bB])?|[bB])?$"),
                             json_pack("{s:s, s:i}", "type", "integer", "minimum", 0));
}

const struct bsc_type bsc_type_size = { expect_size, read_size, write_size, schema_size };

/* Two unsigned: how many, and in how many seconds. */
static const struct {
    const char *name;
    unsigned seconds;
} periods[] = { { "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 } };

static const char *expect_rate(const struct bsc_key *key, struct bsc_arena *arena)
{
    return bsc_arena_printf(arena, "a rate from %lld to %lld such as 100/s, 30/m or 1000/h",
                            (long long)key->low, (long long)key->high);
}

static bool read_rate(struct bsc_reader *reader, const struct bsc_key *key,
                      const struct bsc_node *node, void *base)
{
    unsigned *rate = bsc_key_field(key, base);
    const char *text = node->kind == BSC_NODE_TEXT ? node->text : "";
    size_t digits = strspn(text, "0123456789");
    int64_t value = 0;
    if (!digits || digits > 9 || text[digits] != '/')
        return false;
    for (size_t i = 0; i < digits; i++)
        value = value * 10 + (text[i] - '0');
    if (!reader->stored && (value < key->low || value > key->high))
        return false;
    for (size_t i = 0; i < sizeof periods / sizeof *periods; i++)
        if (!strcmp(text + digits + 1, periods[i].name)) {
            rate[0] = (unsigned)value;
            rate[1] = periods[i].seconds;
            return true;
        }
    return false;
}

static json_t *write_rate(const struct bsc_key *key, const void *base)
{
    const unsigned *rate = bsc_key_value(key, base);
    char text[32];
    if (!rate[0])
        return NULL;
    for (size_t i = 0; i < sizeof periods / sizeof *periods; i++)
        if (periods[i].seconds == rate[1])
            snprintf(text, sizeof text, "%u/%s", rate[0], periods[i].name);
    return json_string(text);
}

static json_t *schema_rate(const struct bsc_key *key)
{
    (void)key;
    return bsc_schema_text("^[0-9]{1,9}/[smhd]$");
}

const struct bsc_type bsc_type_rate = { expect_rate, read_rate, write_rate, schema_rate };
