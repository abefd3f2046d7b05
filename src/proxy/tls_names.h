/* SPDX-License-Identifier: Apache-2.0
 * proxy/tls_names.h - which certificates are for a name that a client asks for.
 *
 * Names are as certificates have them: exact, or with `*` as the whole first label, which stands
 * for one label (RFC 9525 section 6.3). Compared without regard to case. Pure.
 */
#ifndef BASCULE_PROXY_TLS_NAMES_H
#define BASCULE_PROXY_TLS_NAMES_H

#include <stdbool.h>
#include <stddef.h>

struct bsc_tls_names {
    struct bsc_tls_name {
        char *name; /* lower case */
        unsigned certificate;
    } * items; /* once sorted: by name, then by certificate */
    size_t count, capacity;
};

/* A name that no host can have is left out. */
void bsc_tls_names_add(struct bsc_tls_names *names, const char *name, size_t size,
                       unsigned certificate);
void bsc_tls_names_sort(struct bsc_tls_names *names);
/* The certificates for `host`, exact ones before wildcards: names->items[*first] and the *count - 1
 * after it. False: there is none. */
bool bsc_tls_names_find(const struct bsc_tls_names *names, const char *host, size_t *first,
                        size_t *count);
void bsc_tls_names_deinit(struct bsc_tls_names *names);

#endif
