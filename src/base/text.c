/* SPDX-License-Identifier: Apache-2.0
 * base/text.c - see text.h. */
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

void bsc_text_deinit(struct bsc_text *text)
{
    free(text->data);
    *text = (struct bsc_text){ 0 };
}

void bsc_text_clear(struct bsc_text *text)
{
    text->size = 0;
    if (text->data)
        text->data[0] = '\0';
}

void bsc_text_add(struct bsc_text *text, const char *bytes, size_t size)
{
    text->data = bsc_grow(text->data, &text->capacity, text->size + size + 1, 1);
    if (size)
        memcpy(text->data + text->size, bytes, size);
    text->size += size;
    text->data[text->size] = '\0';
}

void bsc_text_puts(struct bsc_text *text, const char *string)
{
    bsc_text_add(text, string, strlen(string));
}

void bsc_text_printf(struct bsc_text *text, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (size > 0) {
        text->data = bsc_grow(text->data, &text->capacity, text->size + (size_t)size + 1, 1);
        vsnprintf(text->data + text->size, (size_t)size + 1, format, again);
        text->size += (size_t)size;
    }
    va_end(again);
}

void bsc_text_drop_front(struct bsc_text *text, size_t size)
{
    memmove(text->data, text->data + size, text->size - size + 1);
    text->size -= size;
}

const char *bsc_text_get(const struct bsc_text *text)
{
    return text->data ? text->data : "";
}

/* Length of the well-formed UTF-8 sequence at `s` (RFC 3629 section 4), or 0. */
static size_t utf8_length(const unsigned char *s, size_t size)
{
    size_t length = s[0] < 0x80   ? 1
                    : s[0] < 0xc2 ? 0
                    : s[0] < 0xe0 ? 2
                    : s[0] < 0xf0 ? 3
                    : s[0] < 0xf5 ? 4
                                  : 0;
    if (!length || length > size)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return length;
}

void bsc_text_add_escaped(struct bsc_text *text, const char *string, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)string;
    for (size_t i = 0; i < size;) {
        size_t length = utf8_length(bytes + i, size - i);
        int control = length == 1 ? bytes[i] < 0x20 || bytes[i] == 0x7f
                                  : length == 2 && bytes[i] == 0xc2 && bytes[i + 1] < 0xa0;
        if (length && !control) {
            bsc_text_add(text, string + i, length);
            i += length;
        } else {
            bsc_text_printf(text, "\\x%02x", bytes[i]);
            i++;
        }
    }
}
