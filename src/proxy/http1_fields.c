/* SPDX-License-Identifier: Apache-2.0
 * Reads field lines and the fields that frame the message or end at this hop. */
#include <string.h>

#include "proxy/bytes.h"
#include "proxy/http1_parts.h"

struct known_name {
    const char *name; /* in lower case */
    enum bsc_field_id id;
};

/* By length, so that an unknown name costs at most a few comparisons of its first letter. */
enum { LONGEST_NAME = 25, NAMES_OF_A_LENGTH = 4 };
static const struct known_name names[LONGEST_NAME + 1][NAMES_OF_A_LENGTH] = {
    [2] = { { "te", BSC_FIELD_TE } },
    [4] = { { "host", BSC_FIELD_HOST } },
    [6] = { { "accept", BSC_FIELD_ACCEPT },
            { "cookie", BSC_FIELD_COOKIE },
            { "expect", BSC_FIELD_EXPECT } },
    [7] = { { "upgrade", BSC_FIELD_UPGRADE }, { "trailer", BSC_FIELD_TRAILER } },
    [9] = { { "forwarded", BSC_FIELD_FORWARDED }, { "x-real-ip", BSC_FIELD_X_FORWARDED } },
    [10] = { { "connection", BSC_FIELD_CONNECTION },
             { "keep-alive", BSC_FIELD_KEEP_ALIVE },
             { "tracestate", BSC_FIELD_TRACESTATE } },
    [11] = { { "traceparent", BSC_FIELD_TRACEPARENT } },
    [12] = { { "x-request-id", BSC_FIELD_X_REQUEST_ID } },
    [14] = { { "content-length", BSC_FIELD_CONTENT_LENGTH } },
    [16] = { { "proxy-connection", BSC_FIELD_PROXY_CONNECTION },
             { "x-bascule-mirror", BSC_FIELD_X_BASCULE_MIRROR },
             { "x-bascule-reason", BSC_FIELD_X_BASCULE_REASON } },
    [17] = { { "transfer-encoding", BSC_FIELD_TRANSFER_ENCODING } },
    [18] = { { "proxy-authenticate", BSC_FIELD_PROXY_AUTHENTICATE } },
    [19] = { { "proxy-authorization", BSC_FIELD_PROXY_AUTHORIZATION } },
    [25] = { { "proxy-authentication-info", BSC_FIELD_PROXY_AUTHENTICATION_INFO } },
};

enum likeness { DIFFERENT, SAME, ALIAS };

#define SMALL UINT64_C(0x2020202020202020)

static inline uint64_t load_small(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word | SMALL;
}

/* For tokens: setting bit 5 makes letters small and maps no other token byte to a letter or '-'. */
static enum likeness compare_name(const char *name, const char *known, size_t size)
{
    if (size >= 8) { /* most names, and most of them are spelled as they should be */
        uint64_t differ = load_small(name + size - 8) ^ load_small(known + size - 8);
        for (size_t i = 0; i + 8 < size; i += 8)
            differ |= load_small(name + i) ^ load_small(known + i);
        if (!differ)
            return SAME;
    }
    enum likeness likeness = SAME;
    for (size_t i = 0; i < size; i++) {
        if ((name[i] | 0x20) == known[i])
            continue;
        if (name[i] != '_' || known[i] != '-')
            return DIFFERENT;
        likeness = ALIAS;
    }
    return likeness;
}

/* What follows "x-forwarded-". */
static enum bsc_field_id forwarded_id(const char *rest, size_t size)
{
    if (bsc_bytes_equal(rest, size, "for", 3))
        return BSC_FIELD_X_FORWARDED_FOR;
    if (bsc_bytes_equal(rest, size, "host", 4))
        return BSC_FIELD_X_FORWARDED_HOST;
    if (bsc_bytes_equal(rest, size, "proto", 5))
        return BSC_FIELD_X_FORWARDED_PROTO;
    return BSC_FIELD_X_FORWARDED;
}

static enum bsc_field_id name_id(const char *name, size_t size, bool *alias)
{
    static const char forwarded[] = "x-forwarded-"; /* ..., whatever follows */
    enum likeness likeness;
    *alias = false;
    if (size > sizeof forwarded - 1 && (name[2] | 0x20) == 'f' &&
        (likeness = compare_name(name, forwarded, sizeof forwarded - 1))) {
        *alias = likeness == ALIAS;
        return forwarded_id(name + sizeof forwarded - 1, size - sizeof forwarded + 1);
    }
    if (size > LONGEST_NAME)
        return BSC_FIELD_OTHER;
    const struct known_name *known = names[size];
    for (size_t i = 0; i < NAMES_OF_A_LENGTH && known[i].name; i++) {
        if ((name[0] | 0x20) == known[i].name[0] &&
            (likeness = compare_name(name, known[i].name, size))) {
            *alias = likeness == ALIAS;
            return known[i].id;
        }
    }
    return BSC_FIELD_OTHER;
}

static BSC_COLD const char *bad_name(const char *at)
{
    switch (*at) {
    case ' ':
    case '\t':
        return "white space before a field name or a colon";
    case ':':
        return "empty field name";
    default:
        return "invalid character in a field name";
    }
}

/* Reads the field line at `at`; one byte behind `end` can be read. NULL: *why is set. */
static const char *read_field(const char *bytes, const char *at, const char *end,
                              struct bsc_field *field, const char **why)
{
    const char *colon = bsc_bytes_run(at, end, BSC_BYTE_TOKEN);
    if (colon == at || colon == end || *colon != ':') {
        *why = bad_name(colon);
        return NULL;
    }
    const char *value = colon + 1;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    const char *stop = bsc_bytes_value_end(value, end);
    if (stop[0] != '\r' || stop[1] != '\n') {
        *why = stop[0] == '\r' ? "CR without LF" : "control character in a field value";
        return NULL;
    }
    const char *next = stop + 2;
    while (stop > value && (stop[-1] == ' ' || stop[-1] == '\t'))
        stop--;
    field->name = (struct bsc_slice){ (uint16_t)(at - bytes), (uint16_t)(colon - at) };
    field->value = (struct bsc_slice){ (uint16_t)(value - bytes), (uint16_t)(stop - value) };
    field->id = (uint8_t)name_id(at, (size_t)(colon - at), &field->alias);
    field->named = false;
    return next;
}

/* Some fields mean two things to two readers when they come twice, or in disguise. */
static const char *doubtful(const struct bsc_head *head, const struct bsc_field *field)
{
    bool again = bsc_head_has(head, field->id);
    switch ((enum bsc_field_id)field->id) {
    case BSC_FIELD_CONTENT_LENGTH:
        return field->alias ? "Content_Length" : again ? "more than one Content-Length" : NULL;
    case BSC_FIELD_TRANSFER_ENCODING:
        return field->alias ? "Transfer_Encoding"
               : again      ? "more than one Transfer-Encoding"
                            : NULL;
    case BSC_FIELD_HOST:
        return again ? "more than one Host" : NULL;
    default:
        return NULL;
    }
}

/* What Connection says; the fields that it names are marked. */
struct options {
    bool close, keep_alive, upgrade;
};

static void mark_named(const char *bytes, struct bsc_head *head, const char *name, size_t size)
{
    for (size_t i = 0; i < head->field_count; i++) {
        struct bsc_field *field = &head->fields[i];
        if (field->id != BSC_FIELD_HOST &&
            bsc_bytes_equal(bytes + field->name.at, field->name.size, name, size))
            field->named = true;
    }
}

static const char *read_connection(const char *bytes, struct bsc_head *head,
                                   struct options *options)
{
    unsigned count = 0;
    for (size_t i = 0; i < head->field_count; i++) {
        const struct bsc_field *field = &head->fields[i];
        if (field->id != BSC_FIELD_CONNECTION)
            continue;
        const char *at = bytes + field->value.at, *end = at + field->value.size, *name;
        for (size_t size; bsc_bytes_list_next(&at, end, &name, &size);) {
            if (bsc_bytes_run(name, name + size, BSC_BYTE_TOKEN) != name + size)
                return "Connection holds no list of names";
            if (size == 0)
                continue;
            if (++count > BSC_CONNECTION_OPTIONS)
                return "Connection names too many fields";
            if (bsc_bytes_equal(name, size, "close", 5))
                options->close = true;
            else if (bsc_bytes_equal(name, size, "keep-alive", 10))
                options->keep_alive = true;
            else if (bsc_bytes_equal(name, size, "upgrade", 7))
                options->upgrade = true;
            else
                mark_named(bytes, head, name, size);
        }
    }
    return NULL;
}

static const char *read_length(const char *bytes, struct bsc_slice value, uint64_t *length)
{
    if (value.size == 0)
        return "Content-Length without a number";
    uint64_t number = 0;
    for (const char *at = bytes + value.at, *end = at + value.size; at < end; at++) {
        if (!bsc_byte_is(*at, BSC_BYTE_DIGIT))
            return "Content-Length is not a number";
        unsigned digit = (unsigned)(*at - '0');
        if (number > INT64_MAX / 10 || number * 10 + digit > INT64_MAX)
            return "Content-Length is too large";
        number = number * 10 + digit;
    }
    *length = number;
    return NULL;
}

/* RFC 9112 section 6.3, without its repairs. */
static const char *read_framing(const char *bytes, struct bsc_head *head)
{
    head->framing = BSC_FRAMING_NONE;
    head->length = 0;
    const struct bsc_field *coding = bsc_head_find(head, BSC_FIELD_TRANSFER_ENCODING);
    const struct bsc_field *length = bsc_head_find(head, BSC_FIELD_CONTENT_LENGTH);
    if (coding && length)
        return "both Content-Length and Transfer-Encoding";
    if (coding && head->minor == 0)
        return "Transfer-Encoding in HTTP/1.0";
    if (coding) {
        if (!bsc_bytes_equal(bytes + coding->value.at, coding->value.size, "chunked", 7))
            return "Transfer-Encoding is not chunked";
        head->framing = BSC_FRAMING_CHUNKED;
    } else if (length) {
        head->framing = BSC_FRAMING_LENGTH;
        return read_length(bytes, length->value, &head->length);
    }
    return NULL;
}

static bool list_has(const char *bytes, struct bsc_slice list, const char *word)
{
    const char *at = bytes + list.at, *end = at + list.size, *element;
    for (size_t size; bsc_bytes_list_next(&at, end, &element, &size);)
        if (bsc_bytes_equal(element, size, word, strlen(word)))
            return true;
    return false;
}

/* One Upgrade field, which Connection asks for. h2c is never offered to an upstream: its requests
 * would run past routing, limits and counters inside the tunnel. */
static void read_upgrade(const char *bytes, struct bsc_head *head)
{
    struct bsc_slice value = { 0, 0 };
    for (size_t i = 0; i < head->field_count; i++) {
        if (head->fields[i].id != BSC_FIELD_UPGRADE || head->fields[i].alias)
            continue;
        if (value.size)
            return;
        value = head->fields[i].value;
    }
    const char *at = bytes + value.at, *end = at + value.size;
    for (const char *byte = at; byte < end; byte++)
        if (!bsc_byte_is(*byte, BSC_BYTE_TOKEN) && !strchr("/, ", *byte))
            return;
    if (value.size && !list_has(bytes, value, "h2c"))
        head->upgrade = value;
}

bool bsc_head_read_fields(const char *bytes, size_t size, struct bsc_head *head,
                          struct bsc_fault *fault)
{
    const char *at = bytes + head->fields_at, *end = bytes + size - 2, *why = NULL;
    head->seen = 0;
    head->field_count = 0;
    head->te_trailers = false;
    while (at <= end && *at != '\r') {
        struct bsc_field *field = &head->fields[head->field_count];
        why = "more than 100 fields";
        if (head->field_count == BSC_HEAD_FIELDS)
            goto refuse;
        at = read_field(bytes, at, end, field, &why);
        if (!at || (why = doubtful(head, field)))
            goto refuse;
        if (!field->alias)
            head->seen |= UINT64_C(1) << field->id;
        head->field_count++;
        if (field->id == BSC_FIELD_TE && list_has(bytes, field->value, "trailers"))
            head->te_trailers = true;
    }
    if (at > end || at[1] != '\n') {
        why = "CR without LF";
        goto refuse;
    }
    head->bytes = (uint16_t)(at + 2 - bytes);
    struct options options = { false, false, false };
    if (bsc_head_has(head, BSC_FIELD_CONNECTION) && (why = read_connection(bytes, head, &options)))
        goto refuse;
    if ((why = read_framing(bytes, head)))
        goto refuse;
    head->keep_alive = !options.close && (head->minor == 1 || options.keep_alive);
    head->upgrade = (struct bsc_slice){ 0, 0 };
    if (options.upgrade && head->minor == 1)
        read_upgrade(bytes, head);
    return true;
refuse:
    bsc_fault_set(fault, 400, why);
    return false;
}

const struct bsc_field *bsc_head_first(const struct bsc_head *head, enum bsc_field_id id)
{
    const struct bsc_field *field = head->fields;
    while (field->id != id || field->alias)
        field++;
    return field;
}
