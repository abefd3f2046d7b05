/* SPDX-License-Identifier: Apache-2.0
 * proxy/mirror_json.c - in what two values of JSON differ; see mirror_diff.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/mirror_diff.h"

enum { DEPTH_MAX = 32, PATH_BYTES = 512 };

/* The way to the values that are compared; longer ones are cut, and then share their place. */
struct walk {
    const struct bsc_mirror_rules *rules;
    struct bsc_differences *out;
    unsigned depth;
    size_t size;
    char path[PATH_BYTES];
};

/* The field, or something in it. */
static bool is_ignored(const struct walk *walk)
{
    const struct bsc_words *ignored = &walk->rules->ignored;
    for (unsigned i = 0; i < ignored->count; i++)
        if (!strcmp(ignored->items[i], walk->path))
            return true;
    return false;
}

static size_t utf8_start(const char *bytes, size_t at)
{
    while (at && ((unsigned char)bytes[at] & 0xc0) == 0x80)
        at--;
    return at;
}

void bsc_mirror_show(const char *bytes, size_t size, char *out, size_t capacity)
{
    bool cut = size >= capacity;
    size_t shown = cut ? utf8_start(bytes, capacity - 4) : size;
    for (size_t i = 0; i < shown; i++)
        out[i] = (char)((unsigned char)bytes[i] < 0x20 || bytes[i] == 0x7f ? ' ' : bytes[i]);
    snprintf(out + shown, capacity - shown, "%s", cut ? "..." : "");
}

static void show_value(const json_t *value, char *out, size_t size)
{
    char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    const char *shown = value ? text ? text : "" : "(missing)";
    bsc_mirror_show(shown, strlen(shown), out, size);
    free(text);
}

static struct bsc_difference_at *add_place(struct walk *walk)
{
    struct bsc_differences *out = walk->out;
    char where[BSC_WHERE_BYTES];
    bsc_mirror_show(walk->path, walk->size, where, sizeof where);
    for (unsigned i = 0; i < out->count; i++)
        if (out->items[i].kind == BSC_DIFFERS_BODY && !strcmp(out->items[i].where, where))
            return NULL;
    if (out->count == BSC_DIFFERENCES_MAX)
        return NULL;
    struct bsc_difference_at *place = &out->items[out->count++];
    *place = (struct bsc_difference_at){ .kind = BSC_DIFFERS_BODY };
    memcpy(place->where, where, sizeof where);
    return place;
}

static void add(struct walk *walk, const json_t *live, const json_t *candidate)
{
    struct bsc_difference_at *place = add_place(walk);
    if (!place)
        return;
    show_value(live, place->live, sizeof place->live);
    show_value(candidate, place->candidate, sizeof place->candidate);
}

static void compare(struct walk *walk, const json_t *live, const json_t *candidate);

/* One level down, to what `name` stands for. */
static void compare_below(struct walk *walk, const char *separator, const char *name,
                          const json_t *live, const json_t *candidate)
{
    size_t size = walk->size, room = sizeof walk->path - size;
    int added = snprintf(walk->path + size, room, "%s%s", size ? separator : "", name);
    walk->size += (size_t)added < room ? (size_t)added : room - 1;
    walk->depth++;
    compare(walk, live, candidate);
    walk->depth--;
    walk->size = size;
    walk->path[size] = '\0';
}

static void compare_objects(struct walk *walk, const json_t *live, const json_t *candidate)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)live, name, value)
        compare_below(walk, ".", name, value, json_object_get(candidate, name));
    json_object_foreach((json_t *)(uintptr_t)candidate, name, value)
    {
        if (!json_object_get(live, name))
            compare_below(walk, ".", name, NULL, value);
    }
}

static void compare_lists(struct walk *walk, const json_t *live, const json_t *candidate)
{
    size_t of_live = json_array_size(live), of_candidate = json_array_size(candidate);
    size_t least = of_live < of_candidate ? of_live : of_candidate;
    for (size_t i = 0; i < least; i++)
        compare_below(walk, "", "[]", json_array_get(live, i), json_array_get(candidate, i));
    struct bsc_difference_at *place = of_live != of_candidate ? add_place(walk) : NULL;
    if (!place)
        return;
    snprintf(place->live, sizeof place->live, "%zu items", of_live);
    snprintf(place->candidate, sizeof place->candidate, "%zu items", of_candidate);
}

static bool same_number(const json_t *live, const json_t *candidate)
{
    double difference = json_number_value(live) - json_number_value(candidate);
    return json_is_number(live) && json_is_number(candidate) && !(difference < 0) &&
           !(difference > 0) && !(json_is_integer(live) && json_is_integer(candidate));
}

static void compare(struct walk *walk, const json_t *live, const json_t *candidate)
{
    if (is_ignored(walk))
        return;
    if (walk->depth < DEPTH_MAX && json_is_object(live) && json_is_object(candidate))
        compare_objects(walk, live, candidate);
    else if (walk->depth < DEPTH_MAX && json_is_array(live) && json_is_array(candidate))
        compare_lists(walk, live, candidate);
    else if (!live || !candidate ||
             (!json_equal((json_t *)(uintptr_t)live, (json_t *)(uintptr_t)candidate) &&
              !same_number(live, candidate)))
        add(walk, live, candidate);
}

void bsc_mirror_compare_json(const struct bsc_mirror_rules *rules, const json_t *live,
                             const json_t *candidate, struct bsc_differences *out)
{
    struct walk walk = { .rules = rules, .out = out };
    compare(&walk, live, candidate);
}
