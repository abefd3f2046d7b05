/* SPDX-License-Identifier: Apache-2.0
 * proxy/preview.c - see preview.h. */
#include "proxy/preview.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "proxy/bytes.h"

enum { HOST_BYTES = 255, NAME_BYTES = 255, VALUE_BYTES = 1024 };

static bool is_name(const char *text)
{
    size_t size = strlen(text);
    return size && size <= NAME_BYTES &&
           bsc_bytes_run(text, text + size, BSC_BYTE_TOKEN) == text + size;
}

/* Not empty: that would be a value that everybody knows. */
static bool is_secret(const char *text)
{
    size_t size = strlen(text);
    for (size_t i = 0; i < size; i++)
        if (text[i] <= ' ' || text[i] >= 0x7f)
            return false;
    return size && size <= VALUE_BYTES;
}

enum bsc_status bsc_preview_parse(const json_t *object, struct bsc_preview **out,
                                  struct bsc_error *error)
{
    const char *host = json_string_value(json_object_get(object, "host"));
    const char *header = json_string_value(json_object_get(object, "header"));
    const char *value = json_string_value(json_object_get(object, "value"));
    const json_t *slot = json_object_get(object, "slot");
    enum bsc_slot shown = BSC_BLUE;
    *out = NULL;
    if (!object)
        return BSC_OK;
    if (host && (!*host || strlen(host) > HOST_BYTES))
        return bsc_error_set(error, BSC_INVALID, "preview: 'host' is no host");
    if (!header != !value || (header && (!is_name(header) || !is_secret(value))))
        return bsc_error_set(error, BSC_INVALID, "preview: no name, or no value, that can be");
    if (slot && (!json_is_string(slot) || !bsc_slot_parse(json_string_value(slot), &shown)))
        return bsc_error_set(error, BSC_INVALID, "preview: 'slot' is no slot");
    struct bsc_preview *preview = *out = bsc_alloc(sizeof *preview);
    *preview = (struct bsc_preview){ .host = bsc_copy(host),
                                     .host_size = host ? strlen(host) : 0,
                                     .header = bsc_copy(header),
                                     .value = bsc_copy(value),
                                     .header_size = header ? strlen(header) : 0,
                                     .value_size = value ? strlen(value) : 0,
                                     .open = slot != NULL,
                                     .slot = shown };
    return BSC_OK;
}

void bsc_preview_destroy(struct bsc_preview *preview)
{
    if (!preview)
        return;
    free(preview->host);
    free(preview->header);
    free(preview->value);
    free(preview);
}

static bool value_fits(const struct bsc_preview *preview, const char *bytes, struct bsc_slice value)
{
    return value.size == preview->value_size &&
           !CRYPTO_memcmp(bytes + value.at, preview->value, preview->value_size);
}

/* Of several fields all must fit. */
static enum bsc_preview_asked ask_by_field(const struct bsc_preview *preview, struct bsc_head *head,
                                           const char *bytes)
{
    enum bsc_preview_asked asked = BSC_PREVIEW_NOT_ASKED;
    for (size_t i = 0; i < head->field_count; i++) {
        struct bsc_field *field = &head->fields[i];
        if (!bsc_bytes_equal(bytes + field->name.at, field->name.size, preview->header,
                             preview->header_size))
            continue;
        field->named = true;
        if (!value_fits(preview, bytes, field->value))
            asked = BSC_PREVIEW_DENIED;
        else if (asked == BSC_PREVIEW_NOT_ASKED)
            asked = BSC_PREVIEW_BY_FIELD;
    }
    return asked;
}

enum bsc_preview_asked bsc_preview_ask(const struct bsc_preview *preview,
                                       struct bsc_request *request, const char *bytes)
{
    struct bsc_slice host = request->host;
    enum bsc_preview_asked asked = BSC_PREVIEW_NOT_ASKED;
    if (preview->header)
        asked = ask_by_field(preview, &request->head, bytes);
    if (asked != BSC_PREVIEW_NOT_ASKED || !preview->host)
        return asked;
    if (host.size && bytes[host.at + host.size - 1] == '.')
        host.size--;
    return bsc_bytes_equal(bytes + host.at, host.size, preview->host, preview->host_size)
               ? BSC_PREVIEW_BY_HOST
               : BSC_PREVIEW_NOT_ASKED;
}
