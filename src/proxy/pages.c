/* SPDX-License-Identifier: Apache-2.0
 * proxy/pages.c - see pages.h. */
#include "proxy/pages.h"

#include <stdio.h>
#include <string.h>

static const char *page_of(const struct bsc_pages *pages, const char *key, bool json)
{
    for (unsigned i = 0; i < pages->count; i++) {
        const struct bsc_page *page = &pages->items[i];
        if (!strcmp(page->key, key))
            return json ? page->json : page->html;
    }
    return NULL;
}

const char *bsc_pages_find(const struct bsc_pages *pages, unsigned status, const char *reason,
                           bool json)
{
    char exact[16], class[16];
    const char *found = page_of(pages, reason, json);
    snprintf(exact, sizeof exact, "%u", status);
    snprintf(class, sizeof class, "%uxx", status / 100);
    if (!found)
        found = page_of(pages, exact, json);
    return found ? found : page_of(pages, class, json);
}

struct writer {
    char *out;
    size_t size, capacity;
};

static void put(struct writer *writer, const char *bytes, size_t size)
{
    size_t room = writer->size < writer->capacity ? writer->capacity - writer->size : 0;
    if (room)
        memcpy(writer->out + writer->size, bytes, size < room ? size : room);
    writer->size += size;
}

static void put_escaped(struct writer *writer, const char *text, bool json)
{
    for (; *text; text++) {
        char escaped[16];
        unsigned char byte = (unsigned char)*text;
        bool special = byte < 0x20 || byte >= 0x7f || strchr(json ? "\"\\" : "&<>\"'", byte);
        int size = special ? snprintf(escaped, sizeof escaped, json ? "\\u%04x" : "&#%u;", byte)
                           : snprintf(escaped, sizeof escaped, "%c", byte);
        put(writer, escaped, (size_t)size);
    }
}

/* Puts in what the word at `at` stands for; returns its size, 0 when it is none. */
static size_t put_word(struct writer *writer, const char *at, const struct bsc_page_words *words)
{
    char status[16];
    snprintf(status, sizeof status, "%u", words->status);
    const struct {
        const char *word, *value;
    } known[] = {
        { "{status}", status },
        { "{reason}", words->reason },
        { "{request_id}", words->request_id ? words->request_id : "-" },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        size_t size = strlen(known[i].word);
        if (!strncmp(at, known[i].word, size)) {
            put_escaped(writer, known[i].value, words->json);
            return size;
        }
    }
    return 0;
}

size_t bsc_page_expand(const char *page, const struct bsc_page_words *words, char *out,
                       size_t capacity)
{
    struct writer writer = { out, 0, capacity };
    while (*page) {
        size_t plain = strcspn(page, "{");
        put(&writer, page, plain);
        page += plain;
        if (!*page)
            break;
        size_t word = put_word(&writer, page, words);
        if (!word)
            put(&writer, page, 1);
        page += word ? word : 1;
    }
    return writer.size;
}
