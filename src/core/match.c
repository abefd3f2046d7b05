/* SPDX-License-Identifier: Apache-2.0
 * core/match.c - see match.h. */
#include "core/match.h"

#include <stdio.h>
#include <string.h>

#include "base/network.h"

enum { SHOWN = 80 };

static const char *const by_names[BSC_MATCH_BY_COUNT] = { "header", "cookie", "address" };

const char *bsc_match_by_name(enum bsc_match_by by)
{
    return by_names[by];
}

/* RFC 9110 section 5.6.2. */
static bool is_token(const char *text)
{
    static const char letters[] = "!#$%&'*+-.^_`|~0123456789"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    size_t size = strlen(text);
    return size && size <= BSC_MATCH_NAME_MAX && strspn(text, letters) == size;
}

/* What a field or a cookie can have, without the blanks that end it. */
static bool is_value(const char *text, bool cookie)
{
    size_t size = strlen(text);
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < ' ' || (unsigned char)text[i] > '~' ||
            (cookie && text[i] == ';'))
            return false;
    return size && size <= BSC_MATCH_VALUE_MAX && text[0] != ' ' && text[size - 1] != ' ';
}

enum bsc_status bsc_match_rule_check(const struct bsc_match_rule *rule, struct bsc_error *error)
{
    struct bsc_network network;
    if (rule->by == BSC_MATCH_ADDRESS) {
        if (bsc_network_parse(rule->value, &network))
            return BSC_OK;
        return bsc_error_set(error, BSC_INVALID,
                             "is no address and no range of them such as 10.0.0.0/8");
    }
    bool cookie = rule->by == BSC_MATCH_COOKIE;
    if (!is_token(rule->name))
        return bsc_error_set(error, BSC_INVALID, "has no name that a %s can have",
                             by_names[rule->by]);
    if (rule->how != BSC_MATCH_PRESENT && !is_value(rule->value, cookie))
        return bsc_error_set(error, BSC_INVALID,
                             "has no value that a %s can have: 1 to %d characters of ASCII "
                             "without blanks around them%s",
                             by_names[rule->by], BSC_MATCH_VALUE_MAX,
                             cookie ? ", and without ';'" : "");
    return BSC_OK;
}

enum bsc_status bsc_match_rule_parse(const char *text, size_t size, struct bsc_arena *arena,
                                     struct bsc_match_rule *out, struct bsc_error *error)
{
    unsigned by = 0;
    const char *colon = memchr(text, ':', size);
    size_t kind = colon ? (size_t)(colon - text) : 0;
    while (by < BSC_MATCH_BY_COUNT &&
           (strlen(by_names[by]) != kind || strncmp(text, by_names[by], kind) != 0))
        by++;
    if (by == BSC_MATCH_BY_COUNT)
        return bsc_error_set(error, BSC_INVALID, "begins with none of header:, cookie:, address:");
    char *name = bsc_arena_copy_bytes(arena, colon + 1, size - kind - 1);
    *out = (struct bsc_match_rule){ .by = by, .name = name };
    if (by == BSC_MATCH_ADDRESS) {
        *out = (struct bsc_match_rule){ .by = by, .value = name };
        return bsc_match_rule_check(out, error);
    }
    char *equals = strchr(name, '=');
    if (!equals)
        return bsc_match_rule_check(out, error);
    out->how = equals > name && equals[-1] == '^' ? BSC_MATCH_PREFIX : BSC_MATCH_EXACT;
    out->value = equals + 1;
    equals[out->how == BSC_MATCH_PREFIX ? -1 : 0] = '\0';
    return bsc_match_rule_check(out, error);
}

static size_t trim(const char **text, size_t size)
{
    for (; size && **text == ' '; size--)
        ++*text;
    while (size && (*text)[size - 1] == ' ')
        size--;
    return size;
}

enum bsc_status bsc_match_parse(const char *text, struct bsc_arena *arena,
                                struct bsc_match_spec *out, struct bsc_error *error)
{
    struct bsc_match_rule *rules = bsc_arena_alloc(arena, BSC_MATCH_RULES_MAX * sizeof *rules);
    struct bsc_error why;
    *out = (struct bsc_match_spec){ 0, rules };
    for (const char *at = text;; at++) {
        size_t whole = strcspn(at, ";");
        const char *rule = at;
        size_t size = trim(&rule, whole);
        if (out->count == BSC_MATCH_RULES_MAX)
            return bsc_error_set(error, BSC_INVALID, "more than %d rules", BSC_MATCH_RULES_MAX);
        if (bsc_match_rule_parse(rule, size, arena, &rules[out->count++], &why) != BSC_OK)
            return bsc_error_set(error, BSC_INVALID,
                                 "'%.*s%s' %s; expected rules such as header:X-Beta=yes, "
                                 "cookie:beta^=1 or address:10.0.0.0/8 with ';' between them",
                                 (int)(size < SHOWN ? size : SHOWN), rule,
                                 size < SHOWN ? "" : "...", why.text);
        at += whole;
        if (!*at)
            return BSC_OK;
    }
}

enum bsc_status bsc_match_check(const struct bsc_match_spec *match, enum bsc_speech speech,
                                struct bsc_error *error)
{
    char text[BSC_MATCH_TEXT_BYTES];
    for (unsigned i = 0; speech == BSC_SPEECH_TCP && i < match->count; i++)
        if (match->items[i].by != BSC_MATCH_ADDRESS)
            return bsc_error_set(error, BSC_INVALID,
                                 "'%s' is for requests of HTTP; of a connection of TCP only the "
                                 "address is known",
                                 bsc_match_rule_format(&match->items[i], text));
    return BSC_OK;
}

const char *bsc_match_rule_format(const struct bsc_match_rule *rule,
                                  char out[static BSC_MATCH_TEXT_BYTES])
{
    static const char *const hows[] = { "", "=", "^=" };
    const char *kind = by_names[rule->by];
    if (rule->by == BSC_MATCH_ADDRESS)
        snprintf(out, BSC_MATCH_TEXT_BYTES, "%s:%s", kind, rule->value);
    else
        snprintf(out, BSC_MATCH_TEXT_BYTES, "%s:%s%s%s", kind, rule->name, hows[rule->how],
                 rule->how == BSC_MATCH_PRESENT ? "" : rule->value);
    return out;
}
