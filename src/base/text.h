/* SPDX-License-Identifier: Apache-2.0
 * base/text.h - a growing string. A zeroed struct bsc_text is an empty one.
 */
#ifndef BASCULE_BASE_TEXT_H
#define BASCULE_BASE_TEXT_H

#include <stddef.h>

#include "base/error.h"

struct bsc_text {
    char *data; /* NUL-terminated once anything was added, else NULL */
    size_t size, capacity;
};

void bsc_text_deinit(struct bsc_text *text);
void bsc_text_clear(struct bsc_text *text); /* keeps the memory */
void bsc_text_add(struct bsc_text *text, const char *bytes, size_t size);
void bsc_text_puts(struct bsc_text *text, const char *string);
void bsc_text_printf(struct bsc_text *text, const char *format, ...) BSC_PRINTF(2, 3);
void bsc_text_drop_front(struct bsc_text *text, size_t size);
const char *bsc_text_get(const struct bsc_text *text); /* never NULL */

/* Adds `string` with control characters, DEL and bytes that are not UTF-8 as \xNN, so that what
 * users, applications or networks sent cannot steer a terminal or forge a log line. */
void bsc_text_add_escaped(struct bsc_text *text, const char *string, size_t size);

#endif
