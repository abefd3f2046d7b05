/* SPDX-License-Identifier: Apache-2.0
 * proxy/pages_parse.c - pages as they come in lines of the controller; see pages.h. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "proxy/pages.h"

static char *copy_page(const json_t *page, const char *kind)
{
    const char *text = json_string_value(json_object_get(page, kind));
    return text && strlen(text) <= BSC_PAGE_BYTES ? bsc_copy(text) : NULL;
}

enum bsc_status bsc_pages_parse(const json_t *list, struct bsc_pages *out, struct bsc_error *error)
{
    size_t count = json_array_size(list);
    if (list && (!json_is_array(list) || count > BSC_PAGES_MAX))
        return bsc_error_set(error, BSC_INVALID, "'pages' is no list, or too long");
    if (!count)
        return BSC_OK;
    out->items = bsc_alloc(count * sizeof *out->items);
    for (size_t i = 0; i < count; i++) {
        const json_t *page = json_array_get(list, i);
        const char *key = json_string_value(json_object_get(page, "for"));
        if (!key || strlen(key) >= BSC_PAGE_KEY_BYTES)
            return bsc_error_set(error, BSC_INVALID, "page %zu is for nothing", i);
        struct bsc_page *made = &out->items[out->count++];
        *made =
            (struct bsc_page){ .html = copy_page(page, "html"), .json = copy_page(page, "json") };
        strncpy(made->key, key, sizeof made->key - 1);
    }
    return BSC_OK;
}

void bsc_pages_deinit(struct bsc_pages *pages)
{
    for (unsigned i = 0; i < pages->count; i++) {
        free(pages->items[i].html);
        free(pages->items[i].json);
    }
    free(pages->items);
    *pages = (struct bsc_pages){ 0 };
}
