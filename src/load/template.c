/* SPDX-License-Identifier: Apache-2.0
 * load/template.c - see template.h. */
#include "load/template.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum part_kind { LITERAL, RANDOM, CHOICE, USER, KEPT };

struct bsc_load_part {
    enum part_kind kind;
    const char *text; /* LITERAL */
    uint64_t low, high;
    const char **words; /* CHOICE */
    unsigned count;     /* of them; KEPT: the index of the name */
};

uint64_t bsc_load_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* The bias is below (high - low) / 2^64. */
uint64_t bsc_load_random_between(uint64_t *state, uint64_t low, uint64_t high)
{
    assert(low <= high);
    return low + bsc_load_random(state) % (high - low + 1);
}

/* Up to twelve digits at *at, which moves behind them. */
static bool take_number(const char **at, uint64_t *out)
{
    size_t digits = strspn(*at, "0123456789");
    if (!digits || digits > 12)
        return false;
    for (*out = 0; digits > 0; digits--, ++*at)
        *out = *out * 10 + (uint64_t)(**at - '0');
    return true;
}

static bool read_range(const char *text, struct bsc_load_part *out)
{
    out->kind = RANDOM;
    return take_number(&text, &out->low) && *text++ == '-' && take_number(&text, &out->high) &&
           !*text && out->low <= out->high;
}

static bool read_choice(struct bsc_arena *arena, const char *text, struct bsc_load_part *out)
{
    out->kind = CHOICE;
    out->count = 1;
    for (const char *at = text; *at; at++)
        out->count += *at == ',';
    out->words = bsc_arena_alloc(arena, out->count * sizeof *out->words);
    for (unsigned i = 0; i < out->count; i++) {
        size_t size = strcspn(text, ",");
        if (!size)
            return false;
        out->words[i] = bsc_arena_copy_bytes(arena, text, size);
        text += size + (text[size] == ',');
    }
    return true;
}

static bool read_kept(const char *text, const char *const *names, unsigned name_count,
                      struct bsc_load_part *out)
{
    out->kind = KEPT;
    for (out->count = 0; out->count < name_count; out->count++)
        if (!strcmp(names[out->count], text))
            return true;
    return false;
}

static enum bsc_status read_variable(struct bsc_arena *arena, const char *text,
                                     const char *const *names, unsigned name_count,
                                     struct bsc_load_part *out, struct bsc_error *error)
{
    if (!strncmp(text, "random:", 7))
        return read_range(text + 7, out) ? BSC_OK
                                         : bsc_error_set(error, BSC_INVALID,
                                                         "${%s} is no range of whole numbers "
                                                         "such as ${random:1-1000}",
                                                         text);
    if (!strncmp(text, "choice:", 7))
        return read_choice(arena, text + 7, out)
                   ? BSC_OK
                   : bsc_error_set(error, BSC_INVALID,
                                   "${%s} is no list of words such as ${choice:red,green}", text);
    if (!strcmp(text, "user")) {
        out->kind = USER;
        return BSC_OK;
    }
    if (read_kept(text, names, name_count, out))
        return BSC_OK;
    struct bsc_text known = { 0 };
    for (unsigned i = 0; i < name_count; i++)
        bsc_text_printf(&known, ", ${%s}", names[i]);
    bsc_error_set(error, BSC_INVALID,
                  "${%s} is not known; accepted are ${random:1-1000}, ${choice:a,b}, ${user}%s%s",
                  text, bsc_text_get(&known), name_count ? "" : " and names that login.keep keeps");
    bsc_text_deinit(&known);
    return BSC_INVALID;
}

static void add_literal(struct bsc_arena *arena, struct bsc_load_part *parts, unsigned *count,
                        const char *text, size_t size)
{
    if (size)
        parts[(*count)++] =
            (struct bsc_load_part){ .kind = LITERAL,
                                    .text = bsc_arena_copy_bytes(arena, text, size) };
}

enum bsc_status bsc_load_compile(struct bsc_arena *arena, const char *text,
                                 enum bsc_load_escape escape, const char *const *names,
                                 unsigned name_count, struct bsc_load_template *out,
                                 struct bsc_error *error)
{
    unsigned room = 1, count = 0;
    for (const char *at = text; (at = strstr(at, "${")); at += 2)
        room += 2;
    struct bsc_load_part *parts = bsc_arena_alloc(arena, room * sizeof *parts);
    while (*text) {
        const char *open = strstr(text, "${");
        size_t before = open ? (size_t)(open - text) : strlen(text);
        if (open && before && open[-1] == '$') { /* "$${" */
            add_literal(arena, parts, &count, text, before - 1);
            add_literal(arena, parts, &count, "${", 2);
            text = open + 2;
            continue;
        }
        add_literal(arena, parts, &count, text, before);
        if (!open)
            break;
        const char *close = strchr(open, '}');
        if (!close)
            return bsc_error_set(error, BSC_INVALID,
                                 "a ${ is not closed by }; write $${ for a literal one");
        const char *variable = bsc_arena_copy_bytes(arena, open + 2, (size_t)(close - open - 2));
        enum bsc_status status =
            read_variable(arena, variable, names, name_count, &parts[count], error);
        if (status)
            return status;
        count++;
        text = close + 1;
    }
    *out = (struct bsc_load_template){ escape, count, parts };
    return BSC_OK;
}

static void add_outside(enum bsc_load_escape escape, const char *text, struct bsc_text *out)
{
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        bool plain = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                     (byte >= 'a' && byte <= 'z') || strchr("-._~", byte);
        bool control = byte < ' ' || byte == 0x7f;
        if (escape == BSC_LOAD_TARGET && !plain)
            bsc_text_printf(out, "%%%02X", byte);
        else if (escape == BSC_LOAD_JSON && control)
            bsc_text_printf(out, "\\u%04x", byte);
        else if (escape == BSC_LOAD_JSON && (byte == '"' || byte == '\\'))
            bsc_text_printf(out, "\\%c", byte);
        else if (escape != BSC_LOAD_FIELD || !control)
            bsc_text_add(out, text, 1);
    }
}

void bsc_load_render(const struct bsc_load_template *template, const struct bsc_load_values *values,
                     struct bsc_text *out)
{
    for (unsigned i = 0; i < template->count; i++) {
        const struct bsc_load_part *part = &template->parts[i];
        switch (part->kind) {
        case LITERAL:
            bsc_text_puts(out, part->text);
            break;
        case RANDOM:
            bsc_text_printf(
                out, "%llu",
                (unsigned long long)bsc_load_random_between(values->random, part->low, part->high));
            break;
        case CHOICE:
            bsc_text_puts(out,
                          part->words[bsc_load_random_between(values->random, 0, part->count - 1)]);
            break;
        case USER:
            bsc_text_printf(out, "%u", values->user);
            break;
        case KEPT:
            add_outside(template->escape,
                        values->kept[part->count] ? values->kept[part->count] : "", out);
            break;
        }
    }
}

bool bsc_load_is_number(const char *text)
{
    const char *close = strchr(text, '}');
    return !strncmp(text, "${random:", 9) && close && !close[1];
}
