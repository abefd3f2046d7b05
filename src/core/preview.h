/* SPDX-License-Identifier: Apache-2.0
 * core/preview.h - the way to a version that is not live yet, for people and gates: a host of its
 * own, or a header that nobody else knows the value of.
 *
 * Pure. What is asked for in this way goes to the slot that could be switched to, whatever its
 * weight is, and is counted nowhere.
 */
#ifndef BASCULE_CORE_PREVIEW_H
#define BASCULE_CORE_PREVIEW_H

#include "core/spec.h"

enum {
    BSC_PREVIEW_TOKEN_MIN = 16, /* fewer can be guessed */
    BSC_PREVIEW_TOKEN_MAX = 256,
    BSC_PREVIEW_URL_BYTES = 2560,
    BSC_PREVIEW_ADDRESS_BYTES = 64
};

/* Is there a way at all? */
bool bsc_preview_defined(const struct bsc_preview_spec *preview);

/* False for the fields that the proxy itself reads or writes. */
bool bsc_preview_header_fits(const char *name);

/* The preview host has the paths of the service's routes. True for the first route of each path. */
bool bsc_preview_has_path(const struct bsc_spec *spec, unsigned route);

/* How it is asked for at an address that the proxy listens at. */
struct bsc_preview_way {
    char url[BSC_PREVIEW_URL_BYTES];         /* "http://preview.shop.example:8080/" */
    char address[BSC_PREVIEW_ADDRESS_BYTES]; /* where that is on this machine: "127.0.0.1:8080" */
};

/* `address` is numeric: "0.0.0.0:8080", "[::]:443". Of a service that has a preview and a route. */
void bsc_preview_way(const struct bsc_spec *spec, const char *address, bool tls,
                     struct bsc_preview_way *out);

#endif
