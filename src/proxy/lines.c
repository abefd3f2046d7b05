/* SPDX-License-Identifier: Apache-2.0
 * proxy/lines.c - see lines.h. */
#include "proxy/lines.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "proxy/parse.h"
#include "proxy/roster.h"

enum { PROTOCOL = 1 };

void bsc_lines_init(struct bsc_lines *lines)
{
    *lines = (struct bsc_lines){ .options = bsc_options_create() };
}

void bsc_lines_deinit(struct bsc_lines *lines)
{
    bsc_registry_deinit(&lines->now);
    bsc_registry_deinit(&lines->next);
    bsc_routes_destroy(lines->routes);
    bsc_options_destroy(lines->options);
    bsc_options_destroy(lines->next_options);
    bsc_tls_release(lines->tls);
    bsc_tls_release(lines->next_tls);
    free(lines->free_indices);
}

static void free_index(struct bsc_lines *lines, uint32_t index)
{
    lines->free_indices = bsc_grow(lines->free_indices, &lines->free_capacity,
                                   lines->free_count + 1, sizeof *lines->free_indices);
    lines->free_indices[lines->free_count++] = index;
}

void bsc_lines_cancel(struct bsc_lines *lines)
{
    for (size_t i = 0; i < lines->next.count; i++)
        if (!bsc_registry_find(&lines->now, lines->next.entries[i]->name))
            free_index(lines, lines->next.entries[i]->index);
    bsc_registry_deinit(&lines->next);
    bsc_options_destroy(lines->next_options);
    lines->next_options = NULL;
    bsc_tls_release(lines->next_tls);
    lines->next_tls = NULL;
    lines->collecting = false;
}

/* The entry that a line is about: among those collected, or those in force. */
static struct bsc_entry *entry_of(struct bsc_lines *lines, const char *name)
{
    return bsc_registry_find(lines->collecting ? &lines->next : &lines->now, name);
}

static struct bsc_entry *add_entry(struct bsc_lines *lines, const char *name)
{
    const struct bsc_entry *known = bsc_registry_find(&lines->now, name);
    uint32_t index = known               ? known->index
                     : lines->free_count ? lines->free_indices[--lines->free_count]
                                         : lines->index_count++;
    return bsc_registry_add(lines->collecting ? &lines->next : &lines->now, name, index);
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

static bool same_routes(const struct bsc_service *a, const struct bsc_service *b)
{
    if (!a || !b || a->route_count != b->route_count)
        return false;
    for (unsigned i = 0; i < a->route_count; i++)
        if (!same_text(a->routes[i].host, b->routes[i].host) ||
            !same_text(a->routes[i].path, b->routes[i].path))
            return false;
    return true;
}

/* Makes a routing table from what is in force now and puts it into the update. */
static enum bsc_status renew_routes(struct bsc_lines *lines, struct bsc_update *update,
                                    struct bsc_error *error)
{
    struct bsc_routes *routes;
    if (bsc_registry_routes(&lines->now, &routes, error))
        return error->status;
    update->old_routes = lines->routes;
    update->routes = lines->routes = routes;
    return BSC_OK;
}

static struct bsc_change *begin_change(struct bsc_line *out, const struct bsc_entry *entry)
{
    if (!out->update)
        out->update = bsc_update_create();
    struct bsc_change *change = bsc_update_add(out->update);
    change->index = entry->index;
    return change;
}

static enum bsc_status take_service(struct bsc_lines *lines, const json_t *object,
                                    struct bsc_line *out, struct bsc_error *error)
{
    const char *name;
    if (bsc_parse_name(object, "name", &name, error))
        return error->status;
    struct bsc_entry *entry = entry_of(lines, name);
    const struct bsc_entry *known = bsc_registry_find(&lines->now, name);
    struct bsc_hold_count *hold = known && known->service
                                      ? bsc_hold_count_acquire(known->service->hold)
                                      : bsc_hold_count_create();
    struct bsc_service *service = bsc_service_create(name, hold);
    if (bsc_parse_service(object, service, error)) {
        bsc_service_release(service);
        return error->status;
    }
    bool fresh = !entry;
    if (fresh)
        entry = add_entry(lines, name);
    struct bsc_service *old = entry->service;
    entry->service = service;
    if (lines->collecting) {
        bsc_service_release(old);
        return BSC_OK;
    }
    struct bsc_change *change = begin_change(out, entry);
    if (!same_routes(old, service) && renew_routes(lines, out->update, error)) {
        entry->service = old;
        bsc_service_release(service);
        if (fresh) {
            free_index(lines, entry->index);
            bsc_registry_remove(&lines->now, entry);
        }
        return error->status;
    }
    bool ring = bsc_roster_wants_ring(service);
    if (entry->roster && ring != bsc_roster_wants_ring(old)) {
        struct bsc_roster *roster = bsc_roster_copy(entry->roster);
        bsc_roster_arrange(roster, ring);
        bsc_roster_release(entry->roster);
        entry->roster = roster;
        change->roster = bsc_roster_acquire(roster);
    }
    bsc_service_release(old);
    change->service = bsc_service_acquire(service);
    return BSC_OK;
}

/* NULL, and `error` says why. */
static struct bsc_entry *find_service(struct bsc_lines *lines, const json_t *object,
                                      struct bsc_error *error)
{
    const char *name;
    if (bsc_parse_name(object, "service", &name, error))
        return NULL;
    struct bsc_entry *entry = entry_of(lines, name);
    if (!entry)
        bsc_error_set(error, BSC_NOT_FOUND, "there is no service %.80s", name);
    return entry;
}

static enum bsc_status take_instances(struct bsc_lines *lines, const json_t *object,
                                      struct bsc_line *out, struct bsc_error *error)
{
    struct bsc_roster *roster;
    struct bsc_entry *entry = find_service(lines, object, error);
    if (!entry || bsc_parse_roster(object, &roster, error))
        return error->status;
    if (!lines->collecting) {
        bsc_roster_settle(roster, entry->roster, entry->service, lines->now_ms);
        bsc_roster_arrange(roster, bsc_roster_wants_ring(entry->service));
    }
    bsc_roster_release(entry->roster);
    entry->roster = roster;
    if (!lines->collecting)
        begin_change(out, entry)->roster = bsc_roster_acquire(roster);
    return BSC_OK;
}

/* All of them or none. */
static enum bsc_status take_splits(struct bsc_lines *lines, const json_t *list,
                                   struct bsc_line *out, struct bsc_error *error)
{
    struct bsc_split split = { 0 };
    if (!json_is_array(list))
        return bsc_error_set(error, BSC_INVALID, "'splits' is no list");
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (!find_service(lines, json_array_get(list, i), error) ||
            bsc_parse_split(json_array_get(list, i), &split, error))
            return error->status;
        bsc_split_deinit(&split);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *object = json_array_get(list, i);
        struct bsc_entry *entry = find_service(lines, object, error);
        if (!entry || bsc_parse_split(object, &split, error))
            return error->status;
        if (entry->has_split)
            bsc_split_succeed(&split, &entry->split);
        bsc_split_set(&entry->split, &split);
        bsc_split_deinit(&split);
        entry->has_split = true;
        if (lines->collecting)
            continue;
        struct bsc_change *change = begin_change(out, entry);
        change->has_split = true;
        bsc_split_set(&change->split, &entry->split);
    }
    return BSC_OK;
}

static enum bsc_status take_remove(struct bsc_lines *lines, const json_t *object,
                                   struct bsc_line *out, struct bsc_error *error)
{
    const char *name;
    if (bsc_parse_name(object, "service", &name, error))
        return error->status;
    struct bsc_entry *entry = entry_of(lines, name);
    if (!entry) /* it is as it should be */
        return BSC_OK;
    bool collecting = lines->collecting;
    if (!collecting)
        begin_change(out, entry)->remove = true;
    if (!collecting || !bsc_registry_find(&lines->now, name))
        free_index(lines, entry->index);
    bsc_registry_remove(collecting ? &lines->next : &lines->now, entry);
    return collecting ? BSC_OK : renew_routes(lines, out->update, error);
}

static struct bsc_roles *roles_of(struct bsc_lines *lines)
{
    return lines->collecting ? &lines->next.roles : &lines->now.roles;
}

static enum bsc_status take_listener(struct bsc_lines *lines, const json_t *object,
                                     struct bsc_line *out, struct bsc_error *error)
{
    struct bsc_role role = { 0 };
    const char *address;
    if (bsc_parse_address(object, &address, error) || bsc_parse_role(object, &role, error))
        return error->status;
    bsc_roles_put(roles_of(lines), address, &role);
    out->listeners = !lines->collecting;
    return BSC_OK;
}

/* What is served there goes on as it is; the supervisor takes the sockets away. */
static enum bsc_status take_remove_listener(struct bsc_lines *lines, const json_t *object,
                                            struct bsc_error *error)
{
    const char *address;
    if (bsc_parse_address(object, &address, error))
        return error->status;
    bsc_roles_remove(roles_of(lines), address);
    return BSC_OK;
}

/* Puts options in force. */
static void renew_options(struct bsc_lines *lines, struct bsc_options *take_options,
                          struct bsc_update *update)
{
    update->old_options = lines->options;
    update->options = lines->options = take_options;
}

static enum bsc_status take_options(struct bsc_lines *lines, const json_t *object,
                                    struct bsc_line *out, struct bsc_error *error)
{
    struct bsc_options *options;
    if (bsc_options_parse(object, &options, error))
        return error->status;
    if (lines->collecting) {
        bsc_options_destroy(lines->next_options);
        lines->next_options = options;
        return BSC_OK;
    }
    out->update = bsc_update_create();
    renew_options(lines, options, out->update);
    return BSC_OK;
}

/* Puts certificates in force. */
static void renew_tls(struct bsc_lines *lines, struct bsc_tls *take_tls, struct bsc_update *update)
{
    bsc_tls_release(lines->tls);
    lines->tls = take_tls;
    update->tls = bsc_tls_acquire(take_tls);
}

static enum bsc_status take_tls(struct bsc_lines *lines, const json_t *object, struct bsc_line *out,
                                struct bsc_error *error)
{
    struct bsc_tls *tls;
    /* One side more, for the thread that sends copies (mirror.h). */
    if (bsc_tls_create(object, lines->worker_count + 1, &tls, error))
        return error->status;
    if (lines->collecting) {
        bsc_tls_release(lines->next_tls);
        lines->next_tls = tls;
        return BSC_OK;
    }
    out->update = bsc_update_create();
    renew_tls(lines, tls, out->update);
    return BSC_OK;
}

/* A collected roster goes on with what is known of the instances. One that stays as it was, after
 * a refused line, is in use and so a new one is made of it. */
static void renew_roster(const struct bsc_lines *lines, struct bsc_entry *entry)
{
    const struct bsc_entry *old = bsc_registry_find(&lines->now, entry->name);
    struct bsc_roster *roster =
        entry->roster ? bsc_roster_copy(entry->roster) : bsc_roster_create(0);
    bsc_roster_settle(roster, old ? old->roster : NULL, entry->service, lines->now_ms);
    bsc_roster_arrange(roster, bsc_roster_wants_ring(entry->service));
    bsc_roster_release(entry->roster);
    entry->roster = roster;
}

/* A split that is told again has tripped as before. */
static void renew_split(const struct bsc_lines *lines, struct bsc_entry *entry)
{
    const struct bsc_entry *old = bsc_registry_find(&lines->now, entry->name);
    if (old && old->has_split)
        bsc_split_succeed(&entry->split, &old->split);
}

static struct bsc_update *whole_update(struct bsc_lines *lines)
{
    struct bsc_update *update = bsc_update_create();
    for (size_t i = 0; i < lines->now.count; i++) {
        const struct bsc_entry *old = lines->now.entries[i];
        if (bsc_registry_find(&lines->next, old->name))
            continue;
        struct bsc_change *change = bsc_update_add(update);
        change->index = old->index;
        change->remove = true;
        free_index(lines, old->index);
    }
    for (size_t i = 0; i < lines->next.count; i++) {
        struct bsc_entry *entry = lines->next.entries[i];
        renew_roster(lines, entry);
        renew_split(lines, entry);
        struct bsc_change *change = bsc_update_add(update);
        change->index = entry->index;
        change->service = bsc_service_acquire(entry->service);
        change->roster = bsc_roster_acquire(entry->roster);
        change->has_split = entry->has_split;
        bsc_split_set(&change->split, &entry->split);
        change->whole = true;
    }
    return update;
}

/* Replaces everything by what was collected. */
static enum bsc_status take_end(struct bsc_lines *lines, struct bsc_line *out,
                                struct bsc_error *error)
{
    struct bsc_routes *routes;
    if (!lines->collecting)
        return bsc_error_set(error, BSC_STATE, "'end' without 'hello'");
    if (bsc_registry_routes(&lines->next, &routes, error))
        return error->status;
    out->update = whole_update(lines);
    out->update->old_routes = lines->routes;
    out->update->routes = lines->routes = routes;
    if (lines->next_options)
        renew_options(lines, lines->next_options, out->update);
    lines->next_options = NULL;
    if (lines->next_tls)
        renew_tls(lines, lines->next_tls, out->update);
    lines->next_tls = NULL;
    bsc_registry_deinit(&lines->now);
    lines->now = lines->next;
    lines->next = (struct bsc_registry){ 0 };
    lines->collecting = false;
    lines->in_force = true;
    out->end = out->listeners = true;
    return BSC_OK;
}

static enum bsc_status take_hello(struct bsc_lines *lines, const json_t *hello,
                                  struct bsc_line *out, struct bsc_error *error)
{
    if (json_integer_value(json_object_get(hello, "protocol")) != PROTOCOL)
        return bsc_error_set(error, BSC_INVALID, "another protocol than %d", PROTOCOL);
    bsc_lines_cancel(lines);
    lines->collecting = true;
    lines->next.roles.complete = json_is_true(json_object_get(hello, "listeners"));
    out->hello = true;
    out->epoch = json_integer_value(json_object_get(hello, "epoch"));
    return BSC_OK;
}

/* A line about `name` was refused while collecting: what is in force stays for it. */
static void keep_old(struct bsc_lines *lines, const char *name)
{
    const struct bsc_entry *old = name ? bsc_registry_find(&lines->now, name) : NULL;
    if (!old)
        return;
    struct bsc_entry *entry = bsc_registry_find(&lines->next, name);
    if (!entry)
        entry = add_entry(lines, name);
    if (!entry->service && old->service)
        entry->service = bsc_service_acquire(old->service);
    if (!entry->roster && old->roster)
        entry->roster = bsc_roster_acquire(old->roster);
    if (!entry->has_split)
        bsc_split_set(&entry->split, &old->split);
    entry->has_split |= old->has_split;
}

static void keep_old_role(struct bsc_lines *lines, const char *address)
{
    const struct bsc_role *old = address ? bsc_roles_find(&lines->now.roles, address) : NULL;
    if (old)
        bsc_roles_put(&lines->next.roles, address, old);
}

static void keep_refused(struct bsc_lines *lines, const json_t *line)
{
    const json_t *split, *splits = json_object_get(line, "splits");
    size_t i;
    keep_old(lines, json_string_value(json_object_get(json_object_get(line, "service"), "name")));
    keep_old(lines,
             json_string_value(json_object_get(json_object_get(line, "instances"), "service")));
    keep_old_role(lines,
                  json_string_value(json_object_get(json_object_get(line, "listener"), "address")));
    json_array_foreach((json_t *)(uintptr_t)splits, i, split)
        keep_old(lines, json_string_value(json_object_get(split, "service")));
}

static enum bsc_status take_object(struct bsc_lines *lines, const json_t *line,
                                   struct bsc_line *out, struct bsc_error *error)
{
    const json_t *value;
    if ((value = json_object_get(line, "hello")))
        return take_hello(lines, value, out, error);
    out->seq = json_integer_value(json_object_get(line, "seq"));
    if (out->seq <= 0)
        return bsc_error_set(error, BSC_INVALID, "a line without 'seq'");
    if (!lines->collecting && !lines->in_force)
        return bsc_error_set(error, BSC_STATE, "a line before 'hello'");
    if ((value = json_object_get(line, "service")))
        return take_service(lines, value, out, error);
    if ((value = json_object_get(line, "instances")))
        return take_instances(lines, value, out, error);
    if ((value = json_object_get(line, "splits")))
        return take_splits(lines, value, out, error);
    if ((value = json_object_get(line, "remove")))
        return take_remove(lines, value, out, error);
    if ((value = json_object_get(line, "listener")))
        return take_listener(lines, value, out, error);
    if ((value = json_object_get(line, "remove-listener")))
        return take_remove_listener(lines, value, error);
    if ((value = json_object_get(line, "options")))
        return take_options(lines, value, out, error);
    if ((value = json_object_get(line, "tls")))
        return take_tls(lines, value, out, error);
    if (json_is_true(json_object_get(line, "end")))
        return take_end(lines, out, error);
    return BSC_OK; /* a kind of line that a later version knows */
}

enum bsc_status bsc_lines_take(struct bsc_lines *lines, const char *text, size_t size,
                               struct bsc_line *out, struct bsc_error *error)
{
    json_error_t reason;
    *out = (struct bsc_line){ 0 };
    json_t *line = json_loadb(text, size, JSON_REJECT_DUPLICATES, &reason);
    if (!json_is_object(line)) {
        json_decref(line);
        return bsc_error_set(error, BSC_INVALID, "no JSON object: %.120s", reason.text);
    }
    enum bsc_status status = take_object(lines, line, out, error);
    if (status) {
        if (lines->collecting)
            keep_refused(lines, line);
        if (out->update)
            bsc_update_destroy(out->update);
        out->update = NULL;
    }
    json_decref(line);
    return status;
}
