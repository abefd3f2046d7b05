/* SPDX-License-Identifier: Apache-2.0
 * proxy/roles.h - what is spoken on each listening address, as the controller says it.
 *
 * The supervisor hands over sockets by their address and knows nothing of this. An address that was
 * not told of is plain HTTP; when the controller promised to tell of each ("listeners": true in its
 * hello), it is not served before.
 */
#ifndef BASCULE_PROXY_ROLES_H
#define BASCULE_PROXY_ROLES_H

#include <stdbool.h>
#include <stddef.h>

enum { BSC_LISTEN_BYTES = 128, BSC_ROLE_SERVICE_BYTES = 64 };

/* How clients come in at an address. */
struct bsc_role {
    bool tls;
    bool redirect;       /* plain HTTP is answered with the address of the same in https */
    bool proxy_protocol; /* a connection begins with a line of a proxy before us */
    char service[BSC_ROLE_SERVICE_BYTES]; /* of TCP: every connection is its; else empty */
    unsigned short redirect_port;         /* for `redirect`; 0: that of https, 443 */
};

struct bsc_roles {
    struct bsc_role_entry {
        char address[BSC_LISTEN_BYTES];
        struct bsc_role role;
    } * entries;
    size_t count, capacity;
    bool complete; /* every address is told of */
};

void bsc_roles_deinit(struct bsc_roles *roles);
void bsc_roles_put(struct bsc_roles *roles, const char *address, const struct bsc_role *role);
void bsc_roles_remove(struct bsc_roles *roles, const char *address);
/* NULL: it was not told of. */
const struct bsc_role *bsc_roles_find(const struct bsc_roles *roles, const char *address);
/* The role in which the address is served; false: it is not served yet. */
bool bsc_roles_of(const struct bsc_roles *roles, const char *address, struct bsc_role *out);
bool bsc_role_same(const struct bsc_role *a, const struct bsc_role *b);

#endif
