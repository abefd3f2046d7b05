/* SPDX-License-Identifier: Apache-2.0
 * proxy/tls_names.c - see tls_names.h. */
#include "proxy/tls_names.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

enum { NAME_BYTES_MAX = 253 };

/* Lower case; false when it is no name. A dot at the end says the same without it. */
static bool fold(const char *name, size_t size, char out[static NAME_BYTES_MAX + 1])
{
    if (size && name[size - 1] == '.')
        size--;
    if (!size || size > NAME_BYTES_MAX)
        return false;
    for (size_t i = 0; i < size; i++) {
        char byte = name[i];
        if (byte >= 'A' && byte <= 'Z')
            byte = (char)(byte - 'A' + 'a');
        if (byte <= ' ' || byte >= 0x7f)
            return false;
        out[i] = byte;
    }
    out[size] = '\0';
    return true;
}

void bsc_tls_names_add(struct bsc_tls_names *names, const char *name, size_t size,
                       unsigned certificate)
{
    char folded[NAME_BYTES_MAX + 1];
    if (!fold(name, size, folded))
        return;
    names->items = bsc_grow(names->items, &names->capacity, names->count + 1, sizeof *names->items);
    names->items[names->count++] =
        (struct bsc_tls_name){ .name = bsc_copy(folded), .certificate = certificate };
}

static int by_name(const void *a, const void *b)
{
    const struct bsc_tls_name *left = a, *right = b;
    int order = strcmp(left->name, right->name);
    return order ? order
                 : (left->certificate > right->certificate) -
                       (left->certificate < right->certificate);
}

void bsc_tls_names_sort(struct bsc_tls_names *names)
{
    if (names->count)
        qsort(names->items, names->count, sizeof *names->items, by_name);
}

static bool find_folded(const struct bsc_tls_names *names, const char *name, size_t *first,
                        size_t *count)
{
    size_t low = 0, high = names->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(names->items[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *first = low;
    while (low < names->count && !strcmp(names->items[low].name, name))
        low++;
    *count = low - *first;
    return *count != 0;
}

bool bsc_tls_names_find(const struct bsc_tls_names *names, const char *host, size_t *first,
                        size_t *count)
{
    char folded[NAME_BYTES_MAX + 1];
    if (!fold(host, strlen(host), folded) || folded[0] == '*')
        return false;
    if (find_folded(names, folded, first, count))
        return true;
    char *dot = strchr(folded, '.');
    if (!dot || dot == folded)
        return false;
    dot[-1] = '*'; /* the last byte of the first label makes room for the star */
    return find_folded(names, dot - 1, first, count);
}

void bsc_tls_names_deinit(struct bsc_tls_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i].name);
    free(names->items);
    *names = (struct bsc_tls_names){ 0 };
}
