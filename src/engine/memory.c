/* SPDX-License-Identifier: Apache-2.0
 * engine/memory.c - the engine's tables: services, their instances and releases.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/internal.h"

struct bsc_service *bsc_service_add(struct bsc_engine *engine, const char *name)
{
    struct bsc_service *service = bsc_alloc(sizeof *service);
    snprintf(service->name, sizeof service->name, "%s", name);
    service->row.name = service->name;
    service->next_ms = INT64_MAX;
    bsc_slots_init(&service->row.slots);
    service->row.generation = 1;
    service->row.weight_bp[BSC_BLUE] = BSC_WEIGHT_FULL_BP;

    size_t number = 0;
    while (number < engine->number_count && engine->numbered[number])
        number++;
    if (number == engine->number_count) {
        engine->numbered = bsc_grow(engine->numbered, &engine->number_capacity,
                                    engine->number_count + 1, sizeof *engine->numbered);
        engine->number_count++;
    }
    engine->numbered[number] = service;
    service->number = (unsigned)number;

    struct bsc_service **at = &engine->services;
    while (*at && strcmp((*at)->name, name) < 0)
        at = &(*at)->next;
    service->next = *at;
    *at = service;
    return service;
}

void bsc_service_delete(struct bsc_engine *engine, struct bsc_service *service)
{
    struct bsc_service **at = &engine->services;
    while (*at != service)
        at = &(*at)->next;
    *at = service->next;
    engine->numbered[service->number] = NULL;
    for (size_t i = 0; i < service->release_count; i++)
        bsc_spec_release((struct bsc_spec *)(uintptr_t)service->releases[i].row.spec);
    bsc_spec_release((struct bsc_spec *)(uintptr_t)service->row.spec);
    free(service->releases);
    free(service->instances);
    bsc_rollout_free(service->rollout);
    free(service);
}

void bsc_service_forget(struct bsc_engine *engine, struct bsc_service *service)
{
    service->gone = true;
    bsc_token waiting[] = { service->traffic_reply, service->check_reply };
    for (unsigned i = 0; i < sizeof waiting / sizeof *waiting; i++)
        bsc_reply(engine, waiting[i], BSC_STATE, 0, "%s was taken out of the configuration",
                  service->name);
    service->traffic_reply = service->check_reply = 0;
    service->dirty = false;
    service->publish_wanted = false;
    for (unsigned slot = 0; slot < BSC_SLOT_COUNT; slot++) {
        struct bsc_record *record = &service->records[slot];
        service->record_dirty[slot] = false;
        if (!record->id ||
            (record->status != BSC_RECORD_LIVE && record->status != BSC_RECORD_READY))
            continue;
        record->status = BSC_RECORD_REPLACED; /* its history outlives the service */
        snprintf(record->reason, sizeof record->reason, "the service was removed");
        struct bsc_change *change = bsc_change_add(engine, BSC_PUT_RECORD);
        change->record.service = service->name;
        change->record.record = *record;
    }
    for (size_t i = 0; i < service->release_count; i++)
        service->releases[i].dirty = false;
    if (service->rollout)
        service->rollout->dirty = false;
    bsc_change_add(engine, BSC_DELETE_SERVICE)->service.name = service->name;
    bsc_touch(engine, service);
}

struct bsc_service *bsc_service_find(const struct bsc_engine *engine, const char *name)
{
    for (struct bsc_service *service = engine->services; service; service = service->next)
        if (!service->gone && !strcmp(service->name, name))
            return service;
    return NULL;
}

const struct bsc_service *bsc_engine_services(const struct bsc_engine *engine)
{
    return engine->services;
}

const struct bsc_service *bsc_engine_service(const struct bsc_engine *engine, const char *name)
{
    return bsc_service_find(engine, name);
}

bool bsc_engine_store_full(const struct bsc_engine *engine)
{
    return engine->store_full;
}

struct bsc_instance *bsc_instance_find(struct bsc_service *service, const char *id)
{
    for (size_t i = 0; i < service->instance_count; i++)
        if (!strcmp(service->instances[i].row.id, id))
            return &service->instances[i];
    return NULL;
}

bool bsc_instance_stays(const struct bsc_instance *instance)
{
    return instance->row.phase != BSC_INSTANCE_DRAINING &&
           instance->row.phase != BSC_INSTANCE_STOPPING;
}

struct bsc_instance *bsc_instance_at(struct bsc_service *service, enum bsc_slot slot,
                                     uint64_t release, unsigned position)
{
    for (size_t i = 0; i < service->instance_count; i++) {
        const struct bsc_instance_row *row = &service->instances[i].row;
        if (row->slot == slot && row->release == release && row->position == position &&
            bsc_instance_stays(&service->instances[i]))
            return &service->instances[i];
    }
    return NULL;
}

struct bsc_instance *bsc_instance_new(struct bsc_service *service)
{
    service->instances = bsc_grow(service->instances, &service->instance_capacity,
                                  service->instance_count + 1, sizeof *service->instances);
    struct bsc_instance *instance = &service->instances[service->instance_count++];
    *instance = (struct bsc_instance){ .row.service = service->name };
    return instance;
}

void bsc_instance_remove(struct bsc_engine *engine, struct bsc_service *service,
                         struct bsc_instance *instance)
{
    struct bsc_change *change = bsc_change_add(engine, BSC_DELETE_INSTANCE);
    change->instance = instance->row;
    size_t index = (size_t)(instance - service->instances);
    memmove(instance, instance + 1, (service->instance_count - index - 1) * sizeof *instance);
    service->instance_count--;
    bsc_touch(engine, service);
}

struct bsc_release *bsc_release_find(const struct bsc_service *service, uint64_t id)
{
    for (size_t i = 0; i < service->release_count; i++)
        if (id && service->releases[i].row.id == id)
            return &service->releases[i];
    return NULL;
}

const struct bsc_release *bsc_service_release(const struct bsc_service *service, uint64_t id)
{
    return bsc_release_find(service, id);
}

struct bsc_release *bsc_release_new(struct bsc_engine *engine, struct bsc_service *service,
                                    const struct bsc_spec *spec)
{
    service->releases = bsc_grow(service->releases, &service->release_capacity,
                                 service->release_count + 1, sizeof *service->releases);
    struct bsc_release *release = &service->releases[service->release_count++];
    *release = (struct bsc_release){
        .row = { .id = bsc_id_next(engine),
                 .service = service->name,
                 .spec = bsc_spec_acquire((struct bsc_spec *)(uintptr_t)spec),
                 .created_ms = bsc_wall(engine) },
        .dirty = true,
    };
    bsc_touch(engine, service);
    return release;
}

static bool named(const struct bsc_service *service, uint64_t release)
{
    for (unsigned slot = 0; slot < BSC_SLOT_COUNT; slot++)
        if (service->row.release[slot] == release)
            return true;
    for (size_t i = 0; i < service->instance_count; i++)
        if (service->instances[i].row.release == release)
            return true;
    if (service->row.next.rollout && service->row.next.release == release)
        return true;
    return service->rollout && service->rollout->row.release == release;
}

/* Nobody can go back to what was never live; of the others the one goes that was live least lately.
 */
static struct bsc_release *superfluous(struct bsc_service *service)
{
    struct bsc_release *oldest = NULL;
    size_t kept = 0;
    for (size_t i = 0; i < service->release_count; i++) {
        struct bsc_release *release = &service->releases[i];
        kept += release->row.live_ms != 0;
        if (!named(service, release->row.id) &&
            (!oldest || release->row.live_ms < oldest->row.live_ms))
            oldest = release;
    }
    return oldest && (!oldest->row.live_ms || kept > BSC_RELEASES_KEPT) ? oldest : NULL;
}

void bsc_releases_prune(struct bsc_engine *engine, struct bsc_service *service)
{
    struct bsc_release *release;
    while ((release = superfluous(service))) {
        bsc_change_add(engine, BSC_DELETE_RELEASE)->release =
            (struct bsc_release_row){ .id = release->row.id, .service = service->name };
        bsc_spec_release((struct bsc_spec *)(uintptr_t)release->row.spec);
        size_t behind = service->release_count - (size_t)(release - service->releases) - 1;
        memmove(release, release + 1, behind * sizeof *release);
        service->release_count--;
    }
}

const struct bsc_spec *bsc_instance_spec(const struct bsc_service *service,
                                         const struct bsc_instance *instance)
{
    const struct bsc_release *release = bsc_release_find(service, instance->row.release);
    return release ? release->row.spec : service->row.spec;
}

const char *bsc_version_text(const struct bsc_spec *spec)
{
    return spec->version ? spec->version : "what was there before";
}
