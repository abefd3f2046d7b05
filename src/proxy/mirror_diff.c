/* SPDX-License-Identifier: Apache-2.0
 * proxy/mirror_diff.c - see mirror_diff.h. */
#include "proxy/mirror_diff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/bytes.h"
#include "proxy/chunked.h"
#include "proxy/mirror_plain.h"

enum { VALUES_BYTES = 1024 };

/* An answer, read. */
struct answer {
    struct bsc_response response;
    const char *bytes;
    char *body;
    size_t body_size;
    char *plain; /* the body, when it was compressed and had to be looked at; else NULL */
    enum bsc_coding coding;
};

/* Joins the chunks; false: the body is not whole. */
static bool join_chunks(struct answer *answer, size_t size)
{
    struct bsc_chunked chunked = { 0 };
    size_t at = 0, joined = 0;
    for (;;) {
        struct bsc_chunked_run run;
        struct bsc_fault fault;
        enum bsc_parse parse =
            bsc_chunked_next(&chunked, answer->body + at, size - at, &run, &fault);
        if (parse == BSC_PARSE_REFUSED)
            return false;
        memmove(answer->body + joined, answer->body + at + run.data_at, run.data_size);
        joined += run.data_size;
        at += run.used;
        answer->body_size = joined;
        if (parse == BSC_PARSE_DONE)
            return true;
        if (!run.used)
            return false;
    }
}

static enum bsc_coding coding_of(const struct bsc_head *head, const char *bytes)
{
    enum bsc_coding coding = BSC_CODING_NONE;
    for (unsigned i = 0; i < head->field_count; i++) {
        const struct bsc_field *field = &head->fields[i];
        if (!bsc_bytes_equal(bytes + field->name.at, field->name.size, "content-encoding", 16))
            continue;
        enum bsc_coding found = bsc_coding_of(bytes + field->value.at, field->value.size);
        coding = coding == BSC_CODING_NONE ? found : BSC_CODING_OTHER;
    }
    return coding;
}

static bool read_answer(struct bsc_message message, enum bsc_method method, struct answer *out)
{
    struct bsc_head_scan scan = { 0 };
    struct bsc_fault fault;
    const struct bsc_head *head = &out->response.head;
    if (bsc_response_parse(&scan, message.bytes, message.size, method, &out->response, &fault) !=
        BSC_PARSE_DONE)
        return false;
    size_t left = message.size - head->bytes;
    out->bytes = message.bytes;
    out->body = message.bytes + head->bytes;
    out->body_size = left;
    out->coding = coding_of(head, message.bytes);
    switch ((enum bsc_framing)head->framing) {
    case BSC_FRAMING_NONE:
        out->body_size = 0;
        return true;
    case BSC_FRAMING_LENGTH:
        return left == head->length;
    case BSC_FRAMING_CHUNKED:
        return join_chunks(out, left);
    case BSC_FRAMING_UNTIL_CLOSE:
        break;
    }
    return true;
}

static struct bsc_difference_at *add(struct bsc_differences *out, enum bsc_difference kind,
                                     const char *where)
{
    if (out->count == BSC_DIFFERENCES_MAX)
        return NULL;
    struct bsc_difference_at *place = &out->items[out->count++];
    *place = (struct bsc_difference_at){ .kind = kind };
    bsc_mirror_show(where, strlen(where), place->where, sizeof place->where);
    return place;
}

/* All values of the header, with commas between them, as far as there is room. */
static size_t values_of(const struct answer *answer, const char *name, char out[VALUES_BYTES])
{
    const struct bsc_head *head = &answer->response.head;
    size_t used = 0, size = strlen(name);
    for (unsigned i = 0; i < head->field_count; i++) {
        const struct bsc_field *field = &head->fields[i];
        if (!bsc_bytes_equal(answer->bytes + field->name.at, field->name.size, name, size) ||
            used + field->value.size + 2 > VALUES_BYTES)
            continue;
        if (used) {
            out[used++] = ',';
            out[used++] = ' ';
        }
        memcpy(out + used, answer->bytes + field->value.at, field->value.size);
        used += field->value.size;
    }
    return used;
}

/* What is not UTF-8 can't be told. */
static void show_plain(const char *bytes, size_t size, char *out)
{
    bsc_mirror_show(bytes, size, out, BSC_SHOWN_VALUE_BYTES);
    for (; *out; out++)
        if ((unsigned char)*out >= 0x80)
            *out = '?';
}

static void compare_headers(const struct bsc_mirror_rules *rules, const struct answer *live,
                            const struct answer *candidate, struct bsc_differences *out)
{
    for (unsigned i = 0; i < rules->headers.count; i++) {
        const char *name = rules->headers.items[i];
        char values[2][VALUES_BYTES];
        size_t sizes[2] = { values_of(live, name, values[0]),
                            values_of(candidate, name, values[1]) };
        if (sizes[0] == sizes[1] && !memcmp(values[0], values[1], sizes[0]))
            continue;
        struct bsc_difference_at *place = add(out, BSC_DIFFERS_HEADER, name);
        if (!place)
            return;
        show_plain(values[0], sizes[0], place->live);
        show_plain(values[1], sizes[1], place->candidate);
    }
}

/* "(bytes of /users)": bodies of one kind, more or less. */
static void name_bytes(const char *target, char out[static BSC_WHERE_BYTES])
{
    size_t size = *target == '/' ? 1 + strcspn(target + 1, "/?") : strcspn(target, "?");
    snprintf(out, BSC_WHERE_BYTES, "(bytes of %.*s)", (int)(size < 64 ? size : 64), target);
}

static void compare_bytes(const char *target, const struct answer *live,
                          const struct answer *candidate, struct bsc_differences *out)
{
    size_t least = live->body_size < candidate->body_size ? live->body_size : candidate->body_size;
    size_t at = 0;
    char where[BSC_WHERE_BYTES];
    while (at < least && live->body[at] == candidate->body[at])
        at++;
    if (at == live->body_size && at == candidate->body_size)
        return;
    name_bytes(target, where);
    struct bsc_difference_at *place = add(out, BSC_DIFFERS_BODY, where);
    if (!place)
        return;
    snprintf(place->live, sizeof place->live, "%zu bytes", live->body_size);
    snprintf(place->candidate, sizeof place->candidate, "%zu bytes, others from byte %zu on",
             candidate->body_size, at + 1);
}

/* As a whole, told in words. */
static void differ(struct bsc_differences *out, const char *target, const char *live,
                   const char *candidate)
{
    char where[BSC_WHERE_BYTES];
    name_bytes(target, where);
    struct bsc_difference_at *place = add(out, BSC_DIFFERS_BODY, where);
    if (!place)
        return;
    snprintf(place->live, sizeof place->live, "%s", live);
    snprintf(place->candidate, sizeof place->candidate, "%s", candidate);
}

void bsc_mirror_longer(const char *target, size_t live_bytes, struct bsc_differences *out)
{
    char live[BSC_SHOWN_VALUE_BYTES];
    *out = (struct bsc_differences){ 0 };
    snprintf(live, sizeof live, "%zu bytes", live_bytes);
    differ(out, target, live, "(too long to be compared)");
}

static bool same_bytes(const struct answer *live, const struct answer *candidate)
{
    return live->body_size == candidate->body_size &&
           !memcmp(live->body, candidate->body, live->body_size);
}

/* False: it can't be had. */
static bool decode(struct answer *answer)
{
    if (answer->coding == BSC_CODING_NONE || !answer->body_size)
        return true;
    answer->plain =
        bsc_mirror_plain(answer->coding, answer->body, answer->body_size, &answer->body_size);
    answer->body = answer->plain;
    return answer->plain != NULL;
}

static void compare_plain(const struct bsc_mirror_rules *rules, const char *target,
                          const struct answer *live, const struct answer *candidate,
                          struct bsc_differences *out)
{
    const size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL;
    if (rules->body == BSC_MIRROR_BYTES) {
        compare_bytes(target, live, candidate, out);
        return;
    }
    json_t *of_live = json_loadb(live->body, live->body_size, flags, NULL);
    json_t *of_candidate =
        of_live ? json_loadb(candidate->body, candidate->body_size, flags, NULL) : NULL;
    if (of_live && of_candidate)
        bsc_mirror_compare_json(rules, of_live, of_candidate, out);
    else
        compare_bytes(target, live, candidate, out);
    json_decref(of_live);
    json_decref(of_candidate);
}

/* The same in two codings is the same. */
static void compare_bodies(const struct bsc_mirror_rules *rules, const char *target,
                           struct answer *live, struct answer *candidate,
                           struct bsc_differences *out)
{
    bool same_coding = live->coding == candidate->coding;
    if (rules->body == BSC_MIRROR_NOTHING || (same_coding && same_bytes(live, candidate)))
        return;
    if (same_coding && live->coding == BSC_CODING_OTHER && rules->body == BSC_MIRROR_BYTES)
        compare_plain(rules, target, live, candidate, out);
    else if (candidate->coding == BSC_CODING_OTHER || !decode(live))
        out->opaque = true;
    else if (!decode(candidate)) /* malformed, or much longer */
        differ(out, target, "(could be decompressed)", "(could not)");
    else if (!same_bytes(live, candidate))
        compare_plain(rules, target, live, candidate, out);
    free(live->plain);
    free(candidate->plain);
}

bool bsc_mirror_compare(const struct bsc_mirror_rules *rules, enum bsc_method method,
                        const char *target, struct bsc_message live, struct bsc_message candidate,
                        struct bsc_differences *out)
{
    struct answer answers[2] = { 0 };
    *out = (struct bsc_differences){ 0 };
    if (!read_answer(live, method, &answers[0]) || !read_answer(candidate, method, &answers[1]))
        return false;
    unsigned of_live = answers[0].response.status, of_candidate = answers[1].response.status;
    if (of_live != of_candidate) { /* what else differs follows from that */
        struct bsc_difference_at *place = rules->status ? add(out, BSC_DIFFERS_STATUS, "") : NULL;
        if (place) {
            snprintf(place->live, sizeof place->live, "%u", of_live);
            snprintf(place->candidate, sizeof place->candidate, "%u", of_candidate);
        }
        return true;
    }
    compare_headers(rules, &answers[0], &answers[1], out);
    compare_bodies(rules, target, &answers[0], &answers[1], out);
    return true;
}
