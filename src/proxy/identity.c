/* SPDX-License-Identifier: Apache-2.0
 * proxy/identity.c - see identity.h. */
#include "proxy/identity.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/network.h"
#include "proxy/bytes.h"
#include "proxy/cookie.h"
#include "proxy/counters.h"

enum { BUCKETS = 10000 };

static_assert((int)BSC_KEY_BYTES == (int)crypto_shorthash_KEYBYTES, "a key has another size");

static uint64_t hash(const void *bytes, size_t size, const unsigned char *key)
{
    unsigned char out[crypto_shorthash_BYTES];
    uint64_t value;
    crypto_shorthash(out, bytes, size, key);
    memcpy(&value, out, sizeof value);
    return value;
}

uint64_t bsc_identity_hash(const char *bytes, size_t size)
{
    static const unsigned char key[BSC_KEY_BYTES] = BSC_IDENTITY_KEY;
    return hash(bytes, size, key);
}

uint64_t bsc_identity_hash_text(const char *text)
{
    return bsc_identity_hash(text, strlen(text));
}

uint64_t bsc_identity_hash_client(const char *address)
{
    struct bsc_ip ip;
    if (!bsc_ip_parse(address, strlen(address), &ip))
        return bsc_identity_hash_text(address);
    ip = bsc_ip_subscriber(&ip);
    return bsc_identity_hash((const char *)ip.bytes, sizeof ip.bytes);
}

uint32_t bsc_identity_point(uint64_t seed, unsigned index)
{
    uint64_t pair[2] = { seed, index };
    return (uint32_t)(bsc_identity_hash((const char *)pair, sizeof pair) >> 32);
}

uint64_t bsc_identity_user(const unsigned char key[BSC_KEY_BYTES], uint64_t identity)
{
    return hash(&identity, sizeof identity, key);
}

unsigned bsc_identity_bucket_of(uint64_t user)
{
    return (unsigned)(user % BUCKETS);
}

unsigned bsc_identity_bucket(const unsigned char key[BSC_KEY_BYTES], uint64_t identity)
{
    return bsc_identity_bucket_of(bsc_identity_user(key, identity));
}

static bool identity_of_cookies(const struct bsc_service *service, const struct bsc_head *head,
                                const char *bytes, uint64_t *out)
{
    size_t name_size = strlen(service->identity_name);
    if (!bsc_head_has(head, BSC_FIELD_COOKIE))
        return false;
    for (size_t i = 0; i < head->field_count; i++) {
        const struct bsc_field *field = &head->fields[i];
        const char *value = bytes + field->value.at;
        struct bsc_slice found;
        if (field->id != BSC_FIELD_COOKIE || field->alias ||
            !bsc_cookie_find(value, value + field->value.size, service->identity_name, name_size,
                             &found))
            continue;
        *out = bsc_identity_hash(value + found.at, found.size);
        return true;
    }
    return false;
}

static bool identity_of_header(const struct bsc_service *service, const struct bsc_head *head,
                               const char *bytes, uint64_t *out)
{
    size_t name_size = strlen(service->identity_name);
    for (size_t i = 0; i < head->field_count; i++) {
        const struct bsc_field *field = &head->fields[i];
        if (!field->value.size || !bsc_bytes_equal(bytes + field->name.at, field->name.size,
                                                   service->identity_name, name_size))
            continue;
        *out = bsc_identity_hash(bytes + field->value.at, field->value.size);
        return true;
    }
    return false;
}

bool bsc_identity_of(const struct bsc_service *service, const struct bsc_request *request,
                     const char *bytes, const char *client_address, uint64_t *out)
{
    switch (service->identity) {
    case BSC_IDENTITY_NONE:
        return false;
    case BSC_IDENTITY_CLIENT:
        *out = bsc_identity_hash_client(client_address);
        return true;
    case BSC_IDENTITY_HEADER:
        return identity_of_header(service, &request->head, bytes, out);
    case BSC_IDENTITY_COOKIE:
        return identity_of_cookies(service, &request->head, bytes, out);
    case BSC_IDENTITY_PATH:
        break;
    }
    const char *target = bytes + request->target.at;
    const char *query = memchr(target, '?', request->target.size);
    *out = bsc_identity_hash(target, query ? (size_t)(query - target) : request->target.size);
    return true;
}

static void write_value(uint64_t number, char out[static BSC_COOKIE_VALUE_BYTES + 1])
{
    static const char digits[] = "0123456789abcdef";
    for (unsigned i = 0; i < BSC_COOKIE_VALUE_BYTES; i++, number >>= 4)
        out[i] = digits[number & 15];
    out[BSC_COOKIE_VALUE_BYTES] = '\0';
}

uint64_t bsc_identity_of_cookie(uint64_t number)
{
    char value[BSC_COOKIE_VALUE_BYTES + 1];
    write_value(number, value);
    return bsc_identity_hash(value, BSC_COOKIE_VALUE_BYTES);
}

size_t bsc_identity_cookie_line(const struct bsc_service *service, uint64_t number,
                                char out[static BSC_COOKIE_LINE_BYTES])
{
    char value[BSC_COOKIE_VALUE_BYTES + 1];
    write_value(number, value);
    int size = snprintf(out, BSC_COOKIE_LINE_BYTES, "Set-Cookie: %s=%s%s\r\n",
                        service->identity_name, value, service->cookie);
    assert(size > 0 && size < BSC_COOKIE_LINE_BYTES);
    return (size_t)size;
}

bool bsc_identity_may_set_cookie(const struct bsc_response *response, const char *bytes)
{
    static const char name[] = "cache-control";
    for (size_t i = 0; i < response->head.field_count; i++) {
        const struct bsc_field *field = &response->head.fields[i];
        if (!bsc_bytes_equal(bytes + field->name.at, field->name.size, name, sizeof name - 1))
            continue;
        const char *at = bytes + field->value.at, *end = at + field->value.size, *element;
        for (size_t size; bsc_bytes_list_next(&at, end, &element, &size);)
            if (bsc_bytes_equal(element, size, "public", 6) ||
                (size > 9 && bsc_bytes_equal(element, 9, "s-maxage=", 9)))
                return false;
    }
    return true;
}
