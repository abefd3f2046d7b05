/* SPDX-License-Identifier: Apache-2.0
 * proxy/pages.h - the user's own pages for answers that the proxy gives itself. Pure.
 *
 * In a page {status}, {reason} and {request_id} are replaced; what is put in is escaped. All other
 * braces stay as they are.
 */
#ifndef BASCULE_PROXY_PAGES_H
#define BASCULE_PROXY_PAGES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum { BSC_PAGES_MAX = 64, BSC_PAGE_KEY_BYTES = 32, BSC_PAGE_BYTES = 48 * 1024 };

struct bsc_page {
    char key[BSC_PAGE_KEY_BYTES]; /* a reason word, "503" or "5xx" */
    char *html, *json;            /* NULL: not of this kind */
};

struct bsc_pages {
    unsigned count;
    struct bsc_page *items;
};

/* What is for this answer, the narrowest first: its reason, its status, its class. NULL: nothing of
 * the kind that is wanted. */
const char *bsc_pages_find(const struct bsc_pages *pages, unsigned status, const char *reason,
                           bool json);

/* The list "pages" of a line (pages_parse.c); NULL: none. What was read is there even on an error.
 */
enum bsc_status bsc_pages_parse(const json_t *list, struct bsc_pages *out,
                                struct bsc_error *error) BSC_MUST_CHECK;
void bsc_pages_deinit(struct bsc_pages *pages);

struct bsc_page_words {
    unsigned status;
    const char *reason;
    const char *request_id; /* NULL: not known */
    bool json;
};
/* Writes what fits and returns the size of the whole. */
size_t bsc_page_expand(const char *page, const struct bsc_page_words *words, char *out,
                       size_t capacity);

#endif
