/* SPDX-License-Identifier: Apache-2.0
 * config/type_scalar.c - numbers, durations, choices and ranges (see types.h). */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "config/address.h"
#include "config/types.h"

static_assert(sizeof(enum bsc_balance) == sizeof(unsigned), "choices are stored as unsigned");

/* Up to nine digits and nothing else. */
static bool parse_whole(const char *text, int64_t *out)
{
    size_t digits = strspn(text, "0123456789");
    if (!digits || digits > 9 || text[digits])
        return false;
    *out = 0;
    for (size_t i = 0; i < digits; i++)
        *out = *out * 10 + (text[i] - '0');
    return true;
}

/* What was stored is read even when a later program wants it otherwise. */
static bool in_range(const struct bsc_reader *reader, const struct bsc_key *key, int64_t value)
{
    return reader->stored || (value >= key->low && value <= key->high);
}

static const char *expect_count(const struct bsc_key *key, struct bsc_arena *arena)
{
    return bsc_arena_printf(arena, "a whole number from %lld to %lld", (long long)key->low,
                            (long long)key->high);
}

static bool read_count(struct bsc_reader *reader, const struct bsc_key *key,
                       const struct bsc_node *node, void *base)
{
    int64_t value;
    if (node->kind != BSC_NODE_TEXT || !parse_whole(node->text, &value) ||
        !in_range(reader, key, value))
        return false;
    *(unsigned *)bsc_key_field(key, base) = (unsigned)value;
    return true;
}

static json_t *write_count(const struct bsc_key *key, const void *base)
{
    return json_integer(*(const unsigned *)bsc_key_value(key, base));
}

static json_t *schema_count(const struct bsc_key *key)
{
    return json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum", (json_int_t)key->low,
                     "maximum", (json_int_t)key->high);
}

const struct bsc_type bsc_type_count = { expect_count, read_count, write_count, schema_count };

static const char *expect_percent(const struct bsc_key *key, struct bsc_arena *arena)
{
    return bsc_arena_printf(arena, "a percentage from %lld to %lld such as 75 or 75%%",
                            (long long)key->low, (long long)key->high);
}

static bool read_percent(struct bsc_reader *reader, const struct bsc_key *key,
                         const struct bsc_node *node, void *base)
{
    char digits[16];
    size_t size = node->kind == BSC_NODE_TEXT ? strlen(node->text) : 0;
    if (!size || size >= sizeof digits)
        return false;
    snprintf(digits, sizeof digits, "%s", node->text);
    if (digits[size - 1] == '%')
        digits[size - 1] = '\0';
    return read_count(reader, key, &(struct bsc_node){ .kind = BSC_NODE_TEXT, .text = digits },
                      base);
}

static json_t *schema_percent(const struct bsc_key *key)
{
    return bsc_schema_either(schema_count(key), bsc_schema_text("^[0-9]{1,3}%?$"));
}

const struct bsc_type bsc_type_percent = { expect_percent, read_percent, write_count,
                                           schema_percent };

static const char *expect_hundredths(const struct bsc_key *key, struct bsc_arena *arena)
{
    return bsc_arena_printf(arena, "a number from %g to %g with at most two decimals",
                            (double)key->low / 100, (double)key->high / 100);
}

/* "1", "1.5", "0.25"; a % behind it changes nothing. */
static bool read_hundredths(struct bsc_reader *reader, const struct bsc_key *key,
                            const struct bsc_node *node, void *base)
{
    int whole, used = 0;
    char decimals[3] = "";
    if (node->kind != BSC_NODE_TEXT || strspn(node->text, "0123456789") < 1 ||
        strspn(node->text, "0123456789") > 5 ||
        sscanf(node->text, "%5d%n.%2[0-9]%n", &whole, &used, decimals, &used) < 1)
        return false;
    const char *rest = node->text + used + (node->text[used] == '%');
    int64_t value = (int64_t)whole * 100;
    if (decimals[0])
        value += (decimals[0] - '0') * 10 + (decimals[1] ? decimals[1] - '0' : 0);
    if (*rest || !in_range(reader, key, value))
        return false;
    *(unsigned *)bsc_key_field(key, base) = (unsigned)value;
    return true;
}

static json_t *write_hundredths(const struct bsc_key *key, const void *base)
{
    char text[32];
    unsigned value = *(const unsigned *)bsc_key_value(key, base);
    snprintf(text, sizeof text, value % 100 ? "%u.%02u" : "%u", value / 100, value % 100);
    return json_string(text);
}

static json_t *schema_hundredths(const struct bsc_key *key)
{
    return bsc_schema_either(json_pack("{s:s, s:f, s:f}", "type", "number", "minimum",
                                       (double)key->low / 100, "maximum", (double)key->high / 100),
                             bsc_schema_text("^[0-9]{1,5}(\\.[0-9]{1,2})?%?$"));
}

const struct bsc_type bsc_type_hundredths = { expect_hundredths, read_hundredths, write_hundredths,
                                              schema_hundredths };

static const char *expect_duration(const struct bsc_key *key, struct bsc_arena *arena)
{
    char low[BSC_DURATION_BYTES], high[BSC_DURATION_BYTES];
    return bsc_arena_printf(arena, "a duration from %s to %s such as 250ms, 1.5s or 1m30s",
                            bsc_duration_format(key->low, low),
                            bsc_duration_format(key->high, high));
}

static bool read_duration(struct bsc_reader *reader, const struct bsc_key *key,
                          const struct bsc_node *node, void *base)
{
    int64_t value;
    if (node->kind != BSC_NODE_TEXT || bsc_duration_parse(node->text, &value, NULL) ||
        !in_range(reader, key, value))
        return false;
    *(int64_t *)bsc_key_field(key, base) = value;
    return true;
}

static json_t *write_duration(const struct bsc_key *key, const void *base)
{
    char text[BSC_DURATION_BYTES];
    return json_string(bsc_duration_format(*(const int64_t *)bsc_key_value(key, base), text));
}

static json_t *schema_duration(const struct bsc_key *key)
{
    (void)key;
    return bsc_schema_either(bsc_schema_text("^([0-9]+(\\.[0-9]+)?(d|h|m|s|ms))+$"),
                             json_pack("{s:i}", "const", 0));
}

const struct bsc_type bsc_type_duration = { expect_duration, read_duration, write_duration,
                                            schema_duration };

static const char *expect_choice(const struct bsc_key *key, struct bsc_arena *arena)
{
    const char *text = "";
    for (const struct bsc_choice *choice = key->choices; choice->name; choice++)
        if (!choice->alias)
            text = bsc_arena_printf(arena, "%s%s%s", text, *text ? " or " : "", choice->name);
    return text;
}

static bool read_choice(struct bsc_reader *reader, const struct bsc_key *key,
                        const struct bsc_node *node, void *base)
{
    (void)reader;
    for (const struct bsc_choice *choice = key->choices; choice->name; choice++)
        if (node->kind == BSC_NODE_TEXT && !strcmp(node->text, choice->name)) {
            *(unsigned *)bsc_key_field(key, base) = choice->value;
            return true;
        }
    return false;
}

static json_t *write_choice(const struct bsc_key *key, const void *base)
{
    unsigned value = *(const unsigned *)bsc_key_value(key, base);
    for (const struct bsc_choice *choice = key->choices; choice->name; choice++)
        if (choice->value == value && !choice->alias)
            return json_string(choice->name);
    return NULL;
}

static json_t *schema_choice(const struct bsc_key *key)
{
    json_t *names = json_array();
    for (const struct bsc_choice *choice = key->choices; choice->name; choice++)
        json_array_append_new(names, json_string(choice->name));
    return json_pack("{s:o}", "enum", names);
}

const struct bsc_type bsc_type_choice = { expect_choice, read_choice, write_choice, schema_choice };

static const char *expect_flag(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "true or false";
}

static bool read_tcp(struct bsc_reader *reader, const struct bsc_key *key,
                     const struct bsc_node *node, void *base)
{
    (void)reader;
    bool yes = node->kind == BSC_NODE_TEXT && !strcmp(node->text, "true");
    if (yes)
        *(enum bsc_probe_kind *)bsc_key_field(key, base) = BSC_PROBE_TCP;
    return yes || (node->kind == BSC_NODE_TEXT && !strcmp(node->text, "false"));
}

static bool read_flag(struct bsc_reader *reader, const struct bsc_key *key,
                      const struct bsc_node *node, void *base)
{
    (void)reader;
    bool yes = node->kind == BSC_NODE_TEXT && !strcmp(node->text, "true");
    bool no = node->kind == BSC_NODE_TEXT && !strcmp(node->text, "false");
    if (yes || no)
        *(bool *)bsc_key_field(key, base) = yes;
    return yes || no;
}

static json_t *write_flag(const struct bsc_key *key, const void *base)
{
    return json_boolean(*(const bool *)bsc_key_value(key, base));
}

static json_t *write_tcp(const struct bsc_key *key, const void *base)
{
    enum bsc_probe_kind kind = *(const enum bsc_probe_kind *)bsc_key_value(key, base);
    return kind == BSC_PROBE_TCP ? json_true() : NULL;
}

static json_t *schema_flag(const struct bsc_key *key)
{
    (void)key;
    return json_pack("{s:s}", "type", "boolean");
}

const struct bsc_type bsc_type_flag = { expect_flag, read_flag, write_flag, schema_flag };

const struct bsc_type bsc_type_tcp = { expect_flag, read_tcp, write_tcp, schema_flag };

/* "200-399" or "200"; false when it is neither or upside down. */
static bool parse_range(const char *text, int64_t *low, int64_t *high)
{
    char first[16];
    size_t size = strcspn(text, "-");
    if (size >= sizeof first)
        return false;
    memcpy(first, text, size);
    first[size] = '\0';
    const char *second = text[size] ? text + size + 1 : first;
    return parse_whole(first, low) && parse_whole(second, high) && *low <= *high;
}

static bool read_range(struct bsc_reader *reader, const struct bsc_key *key,
                       const struct bsc_node *node, void *base)
{
    int64_t low, high;
    if (node->kind != BSC_NODE_TEXT || !parse_range(node->text, &low, &high) ||
        !in_range(reader, key, low) || !in_range(reader, key, high))
        return false;
    unsigned *field = bsc_key_field(key, base);
    field[0] = (unsigned)low;
    field[1] = (unsigned)high;
    return true;
}

static json_t *write_range(const struct bsc_key *key, const void *base)
{
    const unsigned *field = bsc_key_value(key, base);
    char text[32];
    snprintf(text, sizeof text, field[0] == field[1] ? "%u" : "%u-%u", field[0], field[1]);
    return json_string(text);
}

static const char *expect_statuses(const struct bsc_key *key, struct bsc_arena *arena)
{
    return bsc_arena_printf(arena,
                            "a status or a range of them from %lld to %lld such as 200 or "
                            "200-399",
                            (long long)key->low, (long long)key->high);
}

static json_t *schema_statuses(const struct bsc_key *key)
{
    return bsc_schema_either(schema_count(key),
                             bsc_schema_text("^[1-5][0-9]{2}(-[1-5][0-9]{2})?$"));
}

static_assert(offsetof(struct bsc_health_spec, status_high) ==
                  offsetof(struct bsc_health_spec, status_low) + sizeof(unsigned),
              "a range is two unsigned");
const struct bsc_type bsc_type_statuses = { expect_statuses, read_range, write_range,
                                            schema_statuses };

static const char *expect_ports(const struct bsc_key *key, struct bsc_arena *arena)
{
    return bsc_arena_printf(arena, "a range of ports from %lld to %lld such as 21000-21999",
                            (long long)key->low, (long long)key->high);
}

static json_t *schema_ports(const struct bsc_key *key)
{
    (void)key;
    return bsc_schema_text("^[0-9]+-[0-9]+$");
}

static_assert(offsetof(struct bsc_config, port_high) ==
                  offsetof(struct bsc_config, port_low) + sizeof(unsigned),
              "a range is two unsigned");
const struct bsc_type bsc_type_ports = { expect_ports, read_range, write_range, schema_ports };
