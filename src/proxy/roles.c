/* SPDX-License-Identifier: Apache-2.0
 * proxy/roles.c - see roles.h. */
#include "proxy/roles.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

void bsc_roles_deinit(struct bsc_roles *roles)
{
    free(roles->entries);
    *roles = (struct bsc_roles){ 0 };
}

static struct bsc_role_entry *find(const struct bsc_roles *roles, const char *address)
{
    for (size_t i = 0; i < roles->count; i++)
        if (!strcmp(roles->entries[i].address, address))
            return &roles->entries[i];
    return NULL;
}

void bsc_roles_put(struct bsc_roles *roles, const char *address, const struct bsc_role *role)
{
    struct bsc_role_entry *entry = find(roles, address);
    if (!entry) {
        roles->entries =
            bsc_grow(roles->entries, &roles->capacity, roles->count + 1, sizeof *entry);
        entry = &roles->entries[roles->count++];
        snprintf(entry->address, sizeof entry->address, "%s", address);
    }
    entry->role = *role;
}

void bsc_roles_remove(struct bsc_roles *roles, const char *address)
{
    struct bsc_role_entry *entry = find(roles, address);
    if (entry)
        *entry = roles->entries[--roles->count];
}

const struct bsc_role *bsc_roles_find(const struct bsc_roles *roles, const char *address)
{
    const struct bsc_role_entry *entry = find(roles, address);
    return entry ? &entry->role : NULL;
}

bool bsc_roles_of(const struct bsc_roles *roles, const char *address, struct bsc_role *out)
{
    const struct bsc_role *role = bsc_roles_find(roles, address);
    *out = role ? *role : (struct bsc_role){ 0 };
    return role || !roles->complete;
}

bool bsc_role_same(const struct bsc_role *a, const struct bsc_role *b)
{
    return a->tls == b->tls && a->redirect == b->redirect &&
           a->proxy_protocol == b->proxy_protocol && a->redirect_port == b->redirect_port &&
           !strcmp(a->service, b->service);
}
