/* SPDX-License-Identifier: Apache-2.0
 * proxy/mirror_diff.h - in what two answers to the same request differ. Pure.
 *
 * JSON is compared field by field: a field's path has dots between names and [] for every item of a
 * list ("items[].price"), so that there are as many paths as fields, not as values. Bodies that are
 * not JSON are compared as bytes, under the first part of the request's path. What is shown of
 * values is their beginning.
 */
#ifndef BASCULE_PROXY_MIRROR_DIFF_H
#define BASCULE_PROXY_MIRROR_DIFF_H

#include "core/mirror.h"
#include "proxy/http1.h"
#include "proxy/mirror_rules.h"

enum { BSC_DIFFERENCES_MAX = 16 };

struct bsc_differences {
    unsigned count;
    bool opaque; /* the bodies differ, and are coded in a way that is not understood */
    struct bsc_difference_at {
        enum bsc_difference kind;
        char where[BSC_WHERE_BYTES];
        char live[BSC_SHOWN_VALUE_BYTES], candidate[BSC_SHOWN_VALUE_BYTES];
    } items[BSC_DIFFERENCES_MAX];
};

/* An answer as a client of HTTP/1.1 gets it, head and body. */
struct bsc_message {
    char *bytes; /* chunks are joined here */
    size_t size;
};

/* False: one of them is no whole answer. `target` is that of the request. */
bool bsc_mirror_compare(const struct bsc_mirror_rules *rules, enum bsc_method method,
                        const char *target, struct bsc_message live, struct bsc_message candidate,
                        struct bsc_differences *out);

/* The other answer is longer than what is kept: in another way than one of `live_bytes`, the head
 * included. */
void bsc_mirror_longer(const char *target, size_t live_bytes, struct bsc_differences *out);

/* Two values of JSON, at `path`. Adds what differs, each path once. */
void bsc_mirror_compare_json(const struct bsc_mirror_rules *rules, const json_t *live,
                             const json_t *candidate, struct bsc_differences *out);

/* Copies the beginning of `bytes` as readable UTF-8. */
void bsc_mirror_show(const char *bytes, size_t size, char *out, size_t capacity);

#endif
