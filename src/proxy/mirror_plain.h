/* SPDX-License-Identifier: Apache-2.0
 * proxy/mirror_plain.h - bodies that are compressed, as they were before. Pure.
 *
 * gzip and deflate are known. What a few bytes become is bounded: BSC_MIRROR_PLAIN_MAX of them.
 */
#ifndef BASCULE_PROXY_MIRROR_PLAIN_H
#define BASCULE_PROXY_MIRROR_PLAIN_H

#include <stddef.h>

enum { BSC_MIRROR_PLAIN_MAX = 1024 * 1024 };

enum bsc_coding {
    BSC_CODING_NONE, /* "identity", too */
    BSC_CODING_GZIP,
    BSC_CODING_DEFLATE,
    BSC_CODING_OTHER /* or more than one */
};

/* One value of Content-Encoding (RFC 9110 section 8.4). */
enum bsc_coding bsc_coding_of(const char *value, size_t size);
/* The body without its coding, for the caller to free; NULL: it can't be had, or is too long. */
char *bsc_mirror_plain(enum bsc_coding coding, const char *body, size_t size, size_t *out_size);

#endif
