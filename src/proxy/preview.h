/* SPDX-License-Identifier: Apache-2.0
 * proxy/preview.h - requests for a version that is not live, by those who may look at it before.
 *
 * A request is one when it asks for the preview host, or has the preview field with the right
 * value. It gets an instance of that slot, or is told why not: never the live version. It is
 * counted in no cell, and what instances do with it is held against nobody.
 */
#ifndef BASCULE_PROXY_PREVIEW_H
#define BASCULE_PROXY_PREVIEW_H

#include <jansson.h>

#include "base/error.h"
#include "core/slots.h"
#include "proxy/http1.h"

/* Immutable, a part of the service that it belongs to. */
struct bsc_preview {
    char *host; /* in lower case; NULL: none */
    size_t host_size;
    char *header, *value; /* both, or none */
    size_t header_size, value_size;
    bool open; /* there is something to be seen ... */
    enum bsc_slot slot;
};

enum bsc_preview_asked {
    BSC_PREVIEW_NOT_ASKED,
    BSC_PREVIEW_BY_HOST,
    BSC_PREVIEW_BY_FIELD, /* under an address that users ask for, too */
    BSC_PREVIEW_DENIED    /* with a wrong value */
};

/* NULL: no preview, *out is NULL. */
enum bsc_status bsc_preview_parse(const json_t *object, struct bsc_preview **out,
                                  struct bsc_error *error) BSC_MUST_CHECK;
void bsc_preview_destroy(struct bsc_preview *preview); /* NULL is allowed */

/* Marks the preview's fields in the head, too: they end here. The value is compared in a time that
 * does not depend on where it differs. */
enum bsc_preview_asked bsc_preview_ask(const struct bsc_preview *preview,
                                       struct bsc_request *request, const char *bytes);

#endif
