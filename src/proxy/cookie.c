/* SPDX-License-Identifier: Apache-2.0
 * proxy/cookie.c - see cookie.h. */
#include "proxy/cookie.h"

#include <string.h>

bool bsc_cookie_find(const char *at, const char *end, const char *name, size_t name_size,
                     struct bsc_slice *out)
{
    const char *begin = at;
    while (at < end) {
        const char *semicolon = memchr(at, ';', (size_t)(end - at));
        const char *stop = semicolon ? semicolon : end;
        if ((size_t)(stop - at) > name_size && at[name_size] == '=' &&
            !memcmp(at, name, name_size)) {
            const char *value = at + name_size + 1;
            while (stop > value && (stop[-1] == ' ' || stop[-1] == '\t'))
                stop--;
            *out = (struct bsc_slice){ (uint16_t)(value - begin), (uint16_t)(stop - value) };
            return stop > value;
        }
        at = semicolon ? semicolon + 1 : end;
        while (at < end && (*at == ' ' || *at == '\t'))
            at++;
    }
    return false;
}
