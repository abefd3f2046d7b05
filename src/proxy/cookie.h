/* SPDX-License-Identifier: Apache-2.0
 * proxy/cookie.h - the value of a cookie (RFC 6265 section 5.4). Pure.
 */
#ifndef BASCULE_PROXY_COOKIE_H
#define BASCULE_PROXY_COOKIE_H

#include "proxy/http1.h"

/* In the value of one Cookie field, from `at` to `end`; `out` is relative to `at`. Of several of
 * that name the first one counts; false: there is none, or it is empty. */
bool bsc_cookie_find(const char *at, const char *end, const char *name, size_t name_size,
                     struct bsc_slice *out);

#endif
