/* SPDX-License-Identifier: Apache-2.0
 * proxy/prefix.h - what lies below a path, on a border of segments; byte by byte, as in routes.h.
 */
#ifndef BASCULE_PROXY_PREFIX_H
#define BASCULE_PROXY_PREFIX_H

#include <stdbool.h>
#include <string.h>

/* Of a prefix without the "/" at its end, so that "/" is empty. */
static inline size_t bsc_prefix_size(const char *path)
{
    size_t size = strlen(path);
    while (size && path[size - 1] == '/')
        size--;
    return size;
}

/* `target` as in struct bsc_request; the whole of it, "*" as well, is below the empty prefix. */
static inline bool bsc_prefix_covers(const char *prefix, size_t prefix_size, const char *target,
                                     size_t size)
{
    return !prefix_size ||
           (size >= prefix_size && !memcmp(target, prefix, prefix_size) &&
            (size == prefix_size || target[prefix_size] == '/' || target[prefix_size] == '?'));
}

#endif
