/* SPDX-License-Identifier: Apache-2.0
 * adapters/router_upstreams.c - the ways to speak TLS to instances; see router_internal.h.
 *
 * Instances whose releases name the same files share one way, with a name that a later controller
 * gives it, too. What can't be read does not keep a service from being published: whatever was read
 * last stays in use, also that of an earlier controller. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/router_internal.h"
#include "base/arena.h"

static const char *plain(const char *text)
{
    return text ? text : "";
}

/* FNV-1a over all that makes it what it is; a path holds no newline. */
static void name_way(const struct bsc_upstream_tls_spec *tls, char out[static BSC_WAY_NAME_BYTES])
{
    struct bsc_text all = { 0 };
    uint64_t hash = 0xcbf29ce484222325;
    bsc_text_printf(&all, "%d\n%s\n%s\n%s", tls->verify, plain(tls->ca), plain(tls->certificate),
                    plain(tls->key));
    for (size_t i = 0; i < all.size; i++)
        hash = (hash ^ (unsigned char)all.data[i]) * 0x100000001b3;
    bsc_text_deinit(&all);
    snprintf(out, BSC_WAY_NAME_BYTES, "%016" PRIx64, hash);
}

static struct bsc_upstream_way *find(const struct bsc_router_tls *tls, const char *name)
{
    for (struct bsc_list *at = tls->ways.next; at != &tls->ways; at = at->next) {
        struct bsc_upstream_way *way = BSC_CONTAINER(at, struct bsc_upstream_way, link);
        if (!strcmp(way->name, name))
            return way;
    }
    return NULL;
}

static void watch(struct bsc_upstream_way *way, const char *path)
{
    if (path)
        bsc_file_stamp_init(&way->stamps[way->stamp_count++], path);
}

/* Takes what its files hold now; false, and told, when that can't be used. */
static bool read_way(struct bsc_router_proxy *router, struct bsc_upstream_way *way,
                     struct bsc_text *notes, bool *warns)
{
    struct bsc_error error;
    json_t *object;
    if (bsc_certificates_upstream(&way->tls, &object, notes, warns, &error) != BSC_OK) {
        bsc_error_wrap(&error, "what was read before stays in use");
        bsc_router_tls_report(router, error.status, error.text);
        return false;
    }
    json_object_set_new(object, "name", json_string(way->name));
    json_decref(way->object);
    way->object = object;
    return true;
}

struct bsc_upstream_way *bsc_upstream_way_acquire(struct bsc_router_proxy *router,
                                                  const struct bsc_upstream_tls_spec *tls)
{
    char name[BSC_WAY_NAME_BYTES];
    struct bsc_text notes = { 0 };
    bool warns = false;
    if (!tls)
        return NULL;
    name_way(tls, name);
    struct bsc_upstream_way *way = find(&router->tls, name);
    if (!way) {
        way = bsc_alloc(sizeof *way);
        memcpy(way->name, name, sizeof name);
        bsc_arena_init(&way->arena);
        way->tls = (struct bsc_upstream_tls_spec){
            .enabled = true,
            .verify = tls->verify,
            .ca = tls->ca ? bsc_arena_copy(&way->arena, tls->ca) : NULL,
            .certificate = tls->certificate ? bsc_arena_copy(&way->arena, tls->certificate) : NULL,
            .key = tls->key ? bsc_arena_copy(&way->arena, tls->key) : NULL,
        };
        bsc_list_add_tail(&router->tls.ways, &way->link);
        if (way->tls.verify)
            watch(way, way->tls.ca ? way->tls.ca : bsc_certificates_system());
        watch(way, way->tls.certificate);
        watch(way, way->tls.key);
        (void)read_way(router, way, &notes, &warns);
        router->tls.unsaid = true;
        bsc_router_tls_watch(router);
        bsc_text_deinit(&notes);
    }
    way->holders++;
    return way;
}

/* It is in no list any more. */
static void way_destroy(struct bsc_upstream_way *way)
{
    json_decref(way->object);
    bsc_arena_deinit(&way->arena);
    free(way);
}

void bsc_upstream_way_release(struct bsc_router_proxy *router, struct bsc_upstream_way *way)
{
    if (!way || --way->holders)
        return;
    bsc_list_remove(&way->link);
    way_destroy(way);
    router->tls.unsaid = true;
}

void bsc_upstream_ways_deinit(struct bsc_router_tls *tls)
{
    for (struct bsc_list *link; (link = bsc_list_pop(&tls->ways));)
        way_destroy(BSC_CONTAINER(link, struct bsc_upstream_way, link));
    json_decref(tls->restored);
}

/* What an earlier controller read. */
static json_t *restored(const struct bsc_router_tls *tls, const char *name)
{
    size_t i;
    json_t *item;
    json_array_foreach(tls->restored, i, item)
    {
        if (!strcmp(plain(json_string_value(json_object_get(item, "name"))), name))
            return item;
    }
    return NULL;
}

const json_t *bsc_router_proxy_upstream(void *argument, const struct bsc_upstream_tls_spec *tls)
{
    const struct bsc_router_proxy *router = argument;
    char name[BSC_WAY_NAME_BYTES];
    name_way(tls, name);
    const struct bsc_upstream_way *way = find(&router->tls, name);
    return way && way->object ? way->object : restored(&router->tls, name);
}

json_t *bsc_upstream_ways_list(const struct bsc_router_tls *tls)
{
    json_t *list = json_array();
    for (struct bsc_list *at = tls->ways.next; at != &tls->ways; at = at->next) {
        const struct bsc_upstream_way *way = BSC_CONTAINER(at, struct bsc_upstream_way, link);
        json_t *object = way->object ? way->object : restored(tls, way->name);
        if (object)
            json_array_append(list, object);
    }
    return list;
}

/* What changed is read when it has been quiet for a look. */
static bool look(struct bsc_router_proxy *router, struct bsc_upstream_way *way)
{
    struct bsc_text notes = { 0 };
    bool changed = false, warns = false, read = false;
    for (unsigned i = 0; i < way->stamp_count; i++)
        changed = bsc_file_stamp_changed(&way->stamps[i]) || changed;
    if (way->unsettled && !changed && (read = read_way(router, way, &notes, &warns))) {
        if (way->tls.verify)
            bsc_text_printf(&notes, "instances are verified by %s as it is now\n",
                            way->stamps[0].path);
        bsc_router_tls_report(router, warns ? BSC_INVALID : BSC_OK, bsc_text_get(&notes));
    }
    way->unsettled = changed;
    bsc_text_deinit(&notes);
    return read;
}

void bsc_upstream_ways_look(struct bsc_router_proxy *router)
{
    struct bsc_router_tls *tls = &router->tls;
    for (struct bsc_list *at = tls->ways.next; at != &tls->ways; at = at->next)
        tls->unsaid |= look(router, BSC_CONTAINER(at, struct bsc_upstream_way, link));
    bsc_router_tls_settle(router);
}

/* The part of "127.0.0.1:80" or "[::1]:80" that is an address. */
char *bsc_upstream_server_name(const struct bsc_upstream_tls_spec *tls, const char *address)
{
    const char *colon = strrchr(address, ':');
    if (!tls || tls->server_name)
        return tls ? bsc_copy(tls->server_name) : NULL;
    if (!strncmp(address, "unix:", 5) || !colon)
        return bsc_copy("localhost");
    bool six = *address == '[' && colon > address + 1;
    size_t size = (size_t)(colon - address) - (six ? 2 : 0);
    char *name = bsc_alloc(size + 1);
    memcpy(name, address + six, size);
    return name;
}
