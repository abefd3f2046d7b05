/* SPDX-License-Identifier: Apache-2.0
 * proxy/model.c - see model.h. */
#include "proxy/model.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

static bool last_reference(_Atomic unsigned *references)
{
    return atomic_fetch_sub_explicit(references, 1, memory_order_acq_rel) == 1;
}

static void add_reference(_Atomic unsigned *references)
{
    atomic_fetch_add_explicit(references, 1, memory_order_relaxed);
}

static bool parse_port(const char *text, in_port_t *out)
{
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    unsigned long port = strtoul(text, &end, 10);
    if (*end || port == 0 || port > 65535)
        return false;
    *out = htons((uint16_t)port);
    return true;
}

static bool parse_local(const char *path, struct bsc_instance *out)
{
    size_t size = strlen(path);
    if (size == 0 || size >= sizeof out->address.local.sun_path)
        return false;
    out->address.local.sun_family = AF_UNIX;
    memcpy(out->address.local.sun_path, path, size + 1);
    out->address_size = sizeof out->address.local;
    return true;
}

static bool parse_address(const char *text, struct bsc_instance *out)
{
    if (!strncmp(text, "unix:", 5))
        return parse_local(text + 5, out);
    const char *colon = strrchr(text, ':');
    char host[INET6_ADDRSTRLEN + 2];
    size_t size = colon ? (size_t)(colon - text) : 0;
    if (size == 0 || size >= sizeof host)
        return false;
    memcpy(host, text, size);
    host[size] = '\0';
    if (host[0] == '[' && host[size - 1] == ']') {
        struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)&out->address;
        host[size - 1] = '\0';
        six->sin6_family = AF_INET6;
        out->address_size = sizeof *six;
        return inet_pton(AF_INET6, host + 1, &six->sin6_addr) == 1 &&
               parse_port(colon + 1, &six->sin6_port);
    }
    struct sockaddr_in *four = (struct sockaddr_in *)(void *)&out->address;
    four->sin_family = AF_INET;
    out->address_size = sizeof *four;
    return inet_pton(AF_INET, host, &four->sin_addr) == 1 && parse_port(colon + 1, &four->sin_port);
}

/* malloc does not align to a cache line. */
static struct bsc_instance *alloc_instance(void)
{
    struct bsc_instance *instance = aligned_alloc(_Alignof(struct bsc_instance), sizeof *instance);
    if (!instance)
        abort();
    memset(instance, 0, sizeof *instance);
    return instance;
}

enum bsc_status bsc_instance_create(const char *id, enum bsc_slot slot, const char *address,
                                    uint32_t gauge, struct bsc_instance **out,
                                    struct bsc_error *error)
{
    struct bsc_instance *instance = alloc_instance();
    if (!parse_address(address, instance)) {
        free(instance);
        return bsc_error_set(error, BSC_INVALID,
                             "instance %.80s: address '%.120s' is neither ADDRESS:PORT, "
                             "[ADDRESS]:PORT nor unix:PATH",
                             id, address);
    }
    instance->references = 1;
    instance->id = bsc_copy(id);
    instance->slot = slot;
    instance->gauge = gauge;
    *out = instance;
    return BSC_OK;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

bool bsc_instance_same(const struct bsc_instance *a, const struct bsc_instance *b)
{
    return a->gauge == b->gauge && a->slot == b->slot && a->h2 == b->h2 && a->tcp == b->tcp &&
           a->address_size == b->address_size &&
           !memcmp(&a->address, &b->address, a->address_size) && !strcmp(a->id, b->id) &&
           same_text(a->tls, b->tls) && same_text(a->server_name, b->server_name);
}

struct bsc_instance *bsc_instance_acquire(struct bsc_instance *instance)
{
    add_reference(&instance->references);
    return instance;
}

void bsc_instance_release(struct bsc_instance *instance)
{
    if (!instance || !last_reference(&instance->references))
        return;
    free(instance->id);
    free(instance->tls);
    free(instance->server_name);
    free(instance);
}

struct bsc_hold_count *bsc_hold_count_create(void)
{
    struct bsc_hold_count *hold = bsc_alloc(sizeof *hold);
    hold->references = 1;
    return hold;
}

struct bsc_hold_count *bsc_hold_count_acquire(struct bsc_hold_count *hold)
{
    add_reference(&hold->references);
    return hold;
}

static void hold_count_release(struct bsc_hold_count *hold)
{
    if (last_reference(&hold->references))
        free(hold);
}

struct bsc_service *bsc_service_create(const char *name, struct bsc_hold_count *take_hold)
{
    struct bsc_service *service = bsc_alloc(sizeof *service);
    service->references = 1;
    service->name = bsc_copy(name);
    service->hold = take_hold;
    return service;
}

struct bsc_service *bsc_service_acquire(struct bsc_service *service)
{
    add_reference(&service->references);
    return service;
}

void bsc_service_release(struct bsc_service *service)
{
    if (!service || !last_reference(&service->references))
        return;
    for (unsigned i = 0; i < service->route_count; i++) {
        free(service->routes[i].host);
        free(service->routes[i].path);
    }
    free(service->routes);
    bsc_edge_deinit(&service->edge);
    bsc_blame_deinit(&service->blame);
    bsc_pages_deinit(&service->pages);
    bsc_mirror_rules_destroy(service->mirror);
    bsc_trial_rules_destroy(service->trial);
    bsc_preview_destroy(service->preview);
    free(service->identity_name);
    free(service->cookie);
    hold_count_release(service->hold);
    free(service->name);
    free(service);
}

struct bsc_update *bsc_update_create(void)
{
    struct bsc_update *update = bsc_alloc(sizeof *update);
    bsc_list_init(&update->node);
    return update;
}

struct bsc_change *bsc_update_add(struct bsc_update *update)
{
    enum { STEP = 16 };
    if (update->change_count % STEP == 0)
        update->changes =
            bsc_realloc(update->changes, (update->change_count + STEP) * sizeof *update->changes);
    struct bsc_change *change = &update->changes[update->change_count++];
    *change = (struct bsc_change){ 0 };
    return change;
}

void bsc_update_serve(struct bsc_update *update, const struct bsc_listen *listen,
                      const struct bsc_role *role)
{
    update->serves =
        bsc_realloc(update->serves, (update->serve_count + 1) * sizeof *update->serves);
    update->serves[update->serve_count++] = (struct bsc_serve){ listen, *role };
}

void bsc_update_destroy(struct bsc_update *update)
{
    for (unsigned i = 0; i < update->change_count; i++) {
        bsc_service_release(update->changes[i].service);
        bsc_roster_release(update->changes[i].roster);
        bsc_split_deinit(&update->changes[i].split);
    }
    bsc_routes_destroy(update->old_routes);
    bsc_options_destroy(update->old_options);
    free(update->changes);
    free(update->serves);
    bsc_tls_release(update->tls);
    free(update->seqs);
    free(update);
}

void bsc_split_set(struct bsc_split *to, const struct bsc_split *from)
{
    struct bsc_rules *old = to->rules;
    *to = *from;
    bsc_rules_acquire(to->rules);
    bsc_rules_release(old);
}

void bsc_split_deinit(struct bsc_split *split)
{
    bsc_rules_release(split->rules);
    split->rules = NULL;
}

void bsc_split_trip(struct bsc_split *split)
{
    bsc_split_deinit(split);
    for (unsigned slot = 0; slot < BSC_SLOT_COUNT; slot++)
        split->weight_bp[slot] = slot == split->stable ? BSC_SPLIT_WHOLE_BP : 0;
    split->tripped = true;
}

void bsc_split_succeed(struct bsc_split *split, const struct bsc_split *old)
{
    if (old->tripped && split->rescue && split->generation == old->generation)
        bsc_split_trip(split);
}
