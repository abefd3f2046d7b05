/* SPDX-License-Identifier: Apache-2.0
 * proxy/rules.c - see rules.h. */
#include "proxy/rules.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "proxy/bytes.h"
#include "proxy/cookie.h"

static bool is_name(const char *text)
{
    size_t size = strlen(text);
    return size && size <= 255 && bsc_bytes_run(text, text + size, BSC_BYTE_TOKEN) == text + size;
}

static enum bsc_status parse_named(const json_t *object, const char *name, struct bsc_rule *out,
                                   struct bsc_error *error)
{
    const char *prefix = json_string_value(json_object_get(object, "prefix"));
    const char *value = json_string_value(json_object_get(object, "value"));
    if (prefix)
        value = prefix;
    if (!is_name(name) || (value && (!*value || strlen(value) > BSC_RULE_VALUE_MAX)))
        return bsc_error_set(error, BSC_INVALID, "no name, or no value, that can be");
    out->name = bsc_copy(name);
    out->name_size = strlen(name);
    out->value = bsc_copy(value);
    out->value_size = value ? strlen(value) : 0;
    out->prefix = prefix != NULL;
    return BSC_OK;
}

static enum bsc_status parse_rule(const json_t *object, struct bsc_rule *out,
                                  struct bsc_error *error)
{
    const char *header = json_string_value(json_object_get(object, "header"));
    const char *cookie = json_string_value(json_object_get(object, "cookie"));
    const char *address = json_string_value(json_object_get(object, "address"));
    out->about = header ? BSC_RULE_HEADER : cookie ? BSC_RULE_COOKIE : BSC_RULE_ADDRESS;
    if (header || cookie)
        return parse_named(object, header ? header : cookie, out, error);
    if (!address || !bsc_network_parse(address, &out->network))
        return bsc_error_set(error, BSC_INVALID, "neither header, cookie nor address range");
    return BSC_OK;
}

enum bsc_status bsc_rules_parse(const json_t *list, struct bsc_rules **out, struct bsc_error *error)
{
    size_t count = json_array_size(list);
    if (!count || count > BSC_RULES_MAX)
        return bsc_error_set(error, BSC_INVALID, "rules: no list of 1 to %d", BSC_RULES_MAX);
    struct bsc_rules *rules = bsc_alloc(sizeof *rules + count * sizeof *rules->items);
    rules->references = 1;
    for (size_t i = 0; i < count; i++) {
        struct bsc_rule *rule = &rules->items[rules->count++];
        if (parse_rule(json_array_get(list, i), rule, error)) {
            bsc_rules_release(rules);
            return bsc_error_wrap(error, "rule %zu", i);
        }
        rules->by_address |= rule->about == BSC_RULE_ADDRESS;
    }
    *out = rules;
    return BSC_OK;
}

struct bsc_rules *bsc_rules_acquire(struct bsc_rules *rules)
{
    if (rules)
        atomic_fetch_add_explicit(&rules->references, 1, memory_order_relaxed);
    return rules;
}

void bsc_rules_release(struct bsc_rules *rules)
{
    if (!rules || atomic_fetch_sub_explicit(&rules->references, 1, memory_order_acq_rel) != 1)
        return;
    for (unsigned i = 0; i < rules->count; i++) {
        free(rules->items[i].name);
        free(rules->items[i].value);
    }
    free(rules);
}

static bool value_fits(const struct bsc_rule *rule, const char *value, size_t size)
{
    if (!rule->value)
        return size > 0;
    if (rule->prefix ? size < rule->value_size : size != rule->value_size)
        return false;
    return !memcmp(value, rule->value, rule->value_size);
}

static bool field_fits(const struct bsc_rule *rule, const struct bsc_field *field,
                       const char *bytes)
{
    const char *value = bytes + field->value.at;
    struct bsc_slice found;
    if (rule->about == BSC_RULE_HEADER)
        return bsc_bytes_equal(bytes + field->name.at, field->name.size, rule->name,
                               rule->name_size) &&
               value_fits(rule, value, field->value.size);
    return field->id == BSC_FIELD_COOKIE && !field->alias &&
           bsc_cookie_find(value, value + field->value.size, rule->name, rule->name_size, &found) &&
           value_fits(rule, value + found.at, found.size);
}

static bool head_fits(const struct bsc_rule *rule, const struct bsc_head *head, const char *bytes)
{
    if (rule->about == BSC_RULE_COOKIE && !bsc_head_has(head, BSC_FIELD_COOKIE))
        return false;
    for (size_t i = 0; i < head->field_count; i++)
        if (field_fits(rule, &head->fields[i], bytes))
            return true;
    return false;
}

bool bsc_rules_fit(const struct bsc_rules *rules, const struct bsc_head *head, const char *bytes,
                   const char *client_address)
{
    struct bsc_ip client;
    bool known = rules->by_address && bsc_ip_parse(client_address, strlen(client_address), &client);
    for (unsigned i = 0; i < rules->count; i++) {
        const struct bsc_rule *rule = &rules->items[i];
        bool address = rule->about == BSC_RULE_ADDRESS;
        if (address ? known && bsc_network_has(&rule->network, &client)
                    : head && head_fits(rule, head, bytes))
            return true;
    }
    return false;
}
