/* SPDX-License-Identifier: Apache-2.0
 * proxy/forwarded.c - see forwarded.h. */
#include "proxy/forwarded.h"

#include <string.h>

#include "proxy/bytes.h"

const struct bsc_field *bsc_forwarded_field(const struct bsc_head *head, enum bsc_field_id id)
{
    if (!bsc_head_has(head, id))
        return NULL;
    for (size_t i = 0; i < head->field_count; i++) {
        const struct bsc_field *field = &head->fields[i];
        if (field->id == id && !field->alias && !field->named)
            return field;
    }
    return NULL;
}

/* Walks the elements of one field from the right; false: the client is found. */
static bool walk(const char *begin, const char *end, const struct bsc_network *trusted,
                 unsigned count, struct bsc_ip *ip)
{
    while (end > begin) {
        const char *from = end;
        while (from > begin && from[-1] != ',')
            from--;
        const char *at = from, *stop = end;
        while (at < stop && (*at == ' ' || *at == '\t'))
            at++;
        while (stop > at && (stop[-1] == ' ' || stop[-1] == '\t'))
            stop--;
        struct bsc_ip found;
        if (at < stop) {
            if (!bsc_ip_parse_node(at, (size_t)(stop - at), &found))
                return false;
            *ip = found;
            if (!bsc_networks_have(trusted, count, ip))
                return false;
        }
        end = from > begin ? from - 1 : begin;
    }
    return true;
}

void bsc_forwarded_client(const struct bsc_request *request, const char *bytes,
                          const struct bsc_network *trusted, unsigned count, struct bsc_ip *ip)
{
    const struct bsc_head *head = &request->head;
    if (!bsc_head_has(head, BSC_FIELD_X_FORWARDED_FOR))
        return;
    for (size_t i = head->field_count; i--;) {
        const struct bsc_field *field = &head->fields[i];
        if (field->id != BSC_FIELD_X_FORWARDED_FOR || field->alias || field->named)
            continue;
        const char *value = bytes + field->value.at;
        if (!walk(value, value + field->value.size, trusted, count, ip))
            return;
    }
}

/* `size` small hexadecimal digits, with `zero` allowed to be all of them. */
static bool is_hex(const char *at, size_t size, bool zero)
{
    bool only_zero = true;
    for (size_t i = 0; i < size; i++) {
        if (!((at[i] >= '0' && at[i] <= '9') || (at[i] >= 'a' && at[i] <= 'f')))
            return false;
        only_zero = only_zero && at[i] == '0';
    }
    return zero || !only_zero;
}

bool bsc_traceparent_valid(const struct bsc_request *request, const char *bytes)
{
    enum { SIZE = BSC_TRACEPARENT_BYTES - 1 };
    const struct bsc_head *head = &request->head;
    const struct bsc_field *field = bsc_forwarded_field(head, BSC_FIELD_TRACEPARENT);
    if (!field)
        return false;
    for (const struct bsc_field *other = field + 1; other < head->fields + head->field_count;
         other++)
        if (other->id == BSC_FIELD_TRACEPARENT)
            return false;
    const char *at = bytes + field->value.at;
    size_t size = field->value.size;
    if (size < SIZE || !is_hex(at, 2, true) || !memcmp(at, "ff", 2))
        return false;
    bool first_version = !memcmp(at, "00", 2); /* later ones may say more */
    if (size > SIZE && (first_version || at[SIZE] != '-'))
        return false;
    return at[2] == '-' && is_hex(at + 3, 32, false) && at[35] == '-' &&
           is_hex(at + 36, 16, false) && at[52] == '-' && is_hex(at + 53, 2, true);
}

void bsc_traceparent_write(const uint64_t trace[2], uint64_t parent, bool sampled,
                           char out[static BSC_TRACEPARENT_BYTES])
{
    static const char version[] = { '0', '0', '-' };
    memcpy(out, version, sizeof version);
    char *at = bsc_bytes_put_hex(bsc_bytes_put_hex(out + sizeof version, trace[0]), trace[1]);
    *at++ = '-';
    at = bsc_bytes_put_hex(at, parent);
    memcpy(at, sampled ? "-01" : "-00", 4);
}
