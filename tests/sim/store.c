/* SPDX-License-Identifier: Apache-2.0
 * sim/store.c - a store that is durable when it says so, and fails when the weather is bad.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

/* Names in rows point into this table, never into the engine. */
static const char *const names[] = { "s0", "s1", "s2" };

struct sim_row_list {
    struct bsc_settings settings;
    struct bsc_service_row *services;
    struct bsc_release_row *releases;
    struct bsc_instance_row *instances;
    struct bsc_rollout_row *rollouts;
    struct bsc_stored_record *records;
    struct bsc_stored_mirror *mirrors;
    size_t service_count, release_count, instance_count, rollout_count, record_count;
    size_t mirror_count, trial_count;
    struct bsc_trial_row *trials;
    size_t capacity[7];
    struct bsc_stored_state state;
};

static const char *own_name(const char *name)
{
    return names[sim_service_index(name)];
}

static struct bsc_spec *counted(const struct bsc_spec *spec)
{
    return bsc_spec_acquire((struct bsc_spec *)(uintptr_t)spec);
}

static void uncount(const struct bsc_spec *spec)
{
    bsc_spec_release((struct bsc_spec *)(uintptr_t)spec);
}

static void free_trial(const struct bsc_trial_row *row)
{
    free((void *)(uintptr_t)row->users);
    free((void *)(uintptr_t)row->sources);
}

void sim_store_init(struct sim *sim)
{
    sim->rows = bsc_alloc(sizeof *sim->rows);
    sim->ballast = true;
}

void sim_store_deinit(struct sim *sim)
{
    struct sim_row_list *rows = sim->rows;
    for (size_t i = 0; i < rows->service_count; i++)
        uncount(rows->services[i].spec);
    for (size_t i = 0; i < rows->release_count; i++)
        uncount(rows->releases[i].spec);
    free(rows->services);
    free(rows->releases);
    free(rows->instances);
    free(rows->rollouts);
    free(rows->records);
    for (size_t i = 0; i < rows->mirror_count; i++)
        free(rows->mirrors[i].report);
    free(rows->mirrors);
    for (size_t i = 0; i < rows->trial_count; i++)
        free_trial(&rows->trials[i]);
    free(rows->trials);
    free(rows);
}

static void put_service(struct sim_row_list *rows, const struct bsc_service_row *row)
{
    size_t i = 0;
    while (i < rows->service_count && strcmp(rows->services[i].name, row->name) != 0)
        i++;
    counted(row->spec);
    if (i < rows->service_count)
        uncount(rows->services[i].spec);
    else
        rows->services = bsc_grow(rows->services, &rows->capacity[0], ++rows->service_count,
                                  sizeof *rows->services);
    rows->services[i] = *row;
    rows->services[i].name = own_name(row->name);
}

static void delete_service(struct sim_row_list *rows, const char *name)
{
    for (size_t i = 0; i < rows->service_count; i++)
        if (!strcmp(rows->services[i].name, name)) {
            uncount(rows->services[i].spec);
            rows->services[i--] = rows->services[--rows->service_count];
        }
    for (size_t i = 0; i < rows->release_count; i++)
        if (!strcmp(rows->releases[i].service, name)) {
            uncount(rows->releases[i].spec);
            rows->releases[i--] = rows->releases[--rows->release_count];
        }
    for (size_t i = 0; i < rows->instance_count; i++)
        if (!strcmp(rows->instances[i].service, name))
            rows->instances[i--] = rows->instances[--rows->instance_count];
}

/* The rows of users and sources that a test has, as changes leave them. */
static void put_trial(struct sim *sim, struct sim_row_list *rows, const struct bsc_trial_row *row)
{
    size_t i = 0;
    while (i < rows->trial_count && rows->trials[i].rollout != row->rollout)
        i++;
    if (i == rows->trial_count) {
        rows->trials =
            bsc_grow(rows->trials, &rows->capacity[6], ++rows->trial_count, sizeof *rows->trials);
        rows->trials[i] = (struct bsc_trial_row){ .rollout = row->rollout };
    }
    struct bsc_trial_row *kept = &rows->trials[i];
    if (kept->verdict != BSC_TRIAL_OPEN && row->verdict != kept->verdict)
        sim_fail(sim, "invariant 7: the users of r%llu decided, and then otherwise",
                 (unsigned long long)row->rollout);
    struct bsc_cohort_user *users = (void *)(uintptr_t)kept->users;
    unsigned count = kept->user_count;
    users = bsc_realloc(users, (count + row->user_count + 1) * sizeof *users);
    for (unsigned u = 0; u < row->user_count; u++) {
        unsigned at = 0;
        while (at < count && users[at].key != row->users[u].key)
            at++;
        users[at] = row->users[u];
        count += at == count;
    }
    struct bsc_fact_source *sources = (void *)(uintptr_t)kept->sources;
    sources = bsc_realloc(sources, (row->source_count + 1) * sizeof *sources);
    memcpy(sources, row->sources, row->source_count * sizeof *sources);
    *kept = *row;
    kept->users = users;
    kept->user_count = row->over ? 0 : count;
    kept->sources = sources;
    kept->source_count = row->over ? 0 : row->source_count;
}

static struct bsc_trial_row *copy_trial(const struct bsc_trial_row *row)
{
    struct bsc_trial_row *copy = bsc_alloc(sizeof *copy);
    struct bsc_cohort_user *users = bsc_alloc((row->user_count + 1) * sizeof *users);
    struct bsc_fact_source *sources = bsc_alloc((row->source_count + 1) * sizeof *sources);
    memcpy(users, row->users, row->user_count * sizeof *users);
    memcpy(sources, row->sources, row->source_count * sizeof *sources);
    *copy = *row;
    copy->users = users;
    copy->sources = sources;
    return copy;
}

static void put_release(struct sim_row_list *rows, const struct bsc_release_row *row)
{
    size_t i = 0;
    while (i < rows->release_count && rows->releases[i].id != row->id)
        i++;
    counted(row->spec);
    if (i < rows->release_count)
        uncount(rows->releases[i].spec);
    else
        rows->releases = bsc_grow(rows->releases, &rows->capacity[1], ++rows->release_count,
                                  sizeof *rows->releases);
    rows->releases[i] = *row;
    rows->releases[i].service = own_name(row->service);
}

static void delete_release(struct sim_row_list *rows, uint64_t id)
{
    for (size_t i = 0; i < rows->release_count; i++)
        if (rows->releases[i].id == id) {
            uncount(rows->releases[i].spec);
            rows->releases[i] = rows->releases[--rows->release_count];
            return;
        }
}

static void put_instance(struct sim_row_list *rows, const struct bsc_instance_row *row)
{
    size_t i = 0;
    while (i < rows->instance_count && strcmp(rows->instances[i].id, row->id) != 0)
        i++;
    if (i == rows->instance_count)
        rows->instances = bsc_grow(rows->instances, &rows->capacity[2], ++rows->instance_count,
                                   sizeof *rows->instances);
    rows->instances[i] = *row;
    rows->instances[i].service = own_name(row->service);
}

/* A service that is locked begins nothing but the way back. */
static void check_lock(struct sim *sim, const struct bsc_rollout_row *row)
{
    const struct sim_row_list *rows = sim->rows;
    if (row->kind == BSC_PLAN_ROLLBACK || row->kind == BSC_PLAN_REVERT || !row->started_ms)
        return;
    for (size_t i = 0; i < rows->service_count; i++)
        if (!strcmp(rows->services[i].name, row->service) && rows->services[i].lock.at_ms)
            sim_fail(sim, "rollout %llu of %s begins, which is locked: %s",
                     (unsigned long long)row->id, row->service, rows->services[i].lock.reason);
}

static void put_rollout(struct sim *sim, const struct bsc_rollout_row *row)
{
    struct sim_row_list *rows = sim->rows;
    size_t i = 0;
    while (i < rows->rollout_count && rows->rollouts[i].id != row->id)
        i++;
    if (i == rows->rollout_count) {
        rows->rollouts = bsc_grow(rows->rollouts, &rows->capacity[3], ++rows->rollout_count,
                                  sizeof *rows->rollouts);
        sim->rollouts++;
        check_lock(sim, row);
    } else if (bsc_rollout_ended(rows->rollouts[i].walk.status) &&
               rows->rollouts[i].walk.status != row->walk.status) {
        sim_fail(sim, "invariant 5: rollout %llu was %s and became %s", (unsigned long long)row->id,
                 bsc_rollout_status_name(rows->rollouts[i].walk.status),
                 bsc_rollout_status_name(row->walk.status));
    }
    rows->rollouts[i] = *row;
    rows->rollouts[i].service = own_name(row->service);
}

static void put_mirror(struct sim_row_list *rows, const struct bsc_stored_mirror *mirror)
{
    size_t i = 0;
    while (i < rows->mirror_count && rows->mirrors[i].rollout != mirror->rollout)
        i++;
    if (i == rows->mirror_count) {
        rows->mirrors = bsc_grow(rows->mirrors, &rows->capacity[5], ++rows->mirror_count,
                                 sizeof *rows->mirrors);
        rows->mirrors[i] = (struct bsc_stored_mirror){ .rollout = mirror->rollout };
        rows->mirrors[i].report = bsc_alloc(sizeof *mirror->report);
    }
    *rows->mirrors[i].report = *mirror->report;
}

static void put_record(struct sim_row_list *rows, const char *service,
                       const struct bsc_record *record)
{
    size_t i = 0;
    while (i < rows->record_count && rows->records[i].record.id != record->id)
        i++;
    if (i == rows->record_count)
        rows->records = bsc_grow(rows->records, &rows->capacity[4], ++rows->record_count,
                                 sizeof *rows->records);
    rows->records[i].service = own_name(service);
    rows->records[i].record = *record;
}

static void apply(struct sim *sim, const struct bsc_change *change)
{
    struct sim_row_list *rows = sim->rows;
    switch (change->kind) {
    case BSC_PUT_SERVICE:
        put_service(rows, &change->service);
        break;
    case BSC_DELETE_SERVICE:
        delete_service(rows, change->service.name);
        break;
    case BSC_PUT_RELEASE:
        put_release(rows, &change->release);
        break;
    case BSC_DELETE_RELEASE:
        delete_release(rows, change->release.id);
        break;
    case BSC_PUT_INSTANCE:
        put_instance(rows, &change->instance);
        break;
    case BSC_DELETE_INSTANCE:
        for (size_t i = 0; i < rows->instance_count; i++)
            if (!strcmp(rows->instances[i].id, change->instance.id)) {
                rows->instances[i] = rows->instances[--rows->instance_count];
                break;
            }
        break;
    case BSC_PUT_ROLLOUT:
        put_rollout(sim, change->rollout);
        break;
    case BSC_PUT_MIRROR:
        put_mirror(rows, &change->mirror);
        break;
    case BSC_PUT_TRIAL:
        put_trial(sim, rows, change->trial);
        break;
    case BSC_PUT_RECORD:
        put_record(rows, change->record.service, &change->record.record);
        break;
    case BSC_PUT_SETTINGS:
        rows->settings = change->settings;
        break;
    case BSC_ADD_AUDIT:
    case BSC_CHANGE_KIND_COUNT:
        break;
    }
}

/* A deep copy, because a crash frees the engine's. */
static void keep(struct sim *sim, const struct bsc_change *changes, unsigned count)
{
    sim->commit = bsc_realloc(NULL, (count + 1) * sizeof *sim->commit);
    sim->commit_count = count;
    for (unsigned i = 0; i < count; i++) {
        struct bsc_change *copy = &sim->commit[i];
        *copy = changes[i];
        if (copy->kind == BSC_PUT_SERVICE || copy->kind == BSC_DELETE_SERVICE)
            copy->service.name = own_name(copy->service.name);
        if (copy->kind == BSC_PUT_SERVICE)
            counted(copy->service.spec);
        if (copy->kind == BSC_PUT_RELEASE)
            counted(copy->release.spec);
        if (copy->kind == BSC_PUT_RELEASE || copy->kind == BSC_DELETE_RELEASE)
            copy->release.service = own_name(copy->release.service);
        if (copy->kind == BSC_PUT_INSTANCE || copy->kind == BSC_DELETE_INSTANCE)
            copy->instance.service = own_name(copy->instance.service);
        if (copy->kind == BSC_PUT_RECORD)
            copy->record.service = own_name(copy->record.service);
        if (copy->kind == BSC_PUT_ROLLOUT) {
            copy->rollout = bsc_realloc(NULL, sizeof *copy->rollout);
            *copy->rollout = *changes[i].rollout;
            copy->rollout->service = own_name(copy->rollout->service);
        }
        if (copy->kind == BSC_PUT_MIRROR) {
            copy->mirror.report = bsc_alloc(sizeof *copy->mirror.report);
            *copy->mirror.report = *changes[i].mirror.report;
        }
        if (copy->kind == BSC_PUT_TRIAL)
            copy->trial = copy_trial(changes[i].trial);
    }
}

void sim_store_decide(struct sim *sim, bool durable)
{
    for (unsigned i = 0; i < sim->commit_count; i++) {
        struct bsc_change *change = &sim->commit[i];
        if (durable)
            apply(sim, change);
        if (change->kind == BSC_PUT_SERVICE)
            uncount(change->service.spec);
        if (change->kind == BSC_PUT_RELEASE)
            uncount(change->release.spec);
        if (change->kind == BSC_PUT_ROLLOUT)
            free(change->rollout);
        if (change->kind == BSC_PUT_MIRROR)
            free(change->mirror.report);
        if (change->kind == BSC_PUT_TRIAL) {
            free_trial(change->trial);
            free(change->trial);
        }
    }
    free(sim->commit);
    sim->commit = NULL;
    sim->commit_count = 0;
}

/* A full disk: the ballast goes first, then what fits in its place, then nothing does. */
static enum bsc_status take(struct sim *sim)
{
    if (sim_chance(sim, sim->weather.commit_fails))
        return BSC_FAILED;
    if (!sim->full) {
        sim->ballast = true;
        return BSC_OK;
    }
    if (sim->ballast) {
        sim->ballast = false;
        sim->reserve = 5 + (unsigned)sim_random(sim, 60);
        return BSC_NO_SPACE;
    }
    if (!sim->reserve)
        return BSC_NO_SPACE;
    sim->reserve--;
    return BSC_OK;
}

static void commit(void *self, const struct bsc_change *changes, unsigned count, bsc_token token)
{
    struct sim *sim = self;
    if (sim->commit)
        sim_fail(sim, "invariant 6: two transactions at a time");
    keep(sim, changes, count);
    sim->commits++;
    enum bsc_status status = take(sim);
    struct bsc_event event = { .kind = BSC_EVENT_COMMITTED,
                               .token = token,
                               .status = status,
                               .full = !sim->ballast,
                               .text = status ? "the disk does not take it" : NULL };
    sim_send(sim, (int64_t)sim_random(sim, 8), &event);
    if (sim->commits == sim->fate.crash_at[0] || sim->commits == sim->fate.crash_at[1] ||
        sim_chance(sim, sim->weather.crash_at_commit))
        sim->crash_wanted = true;
}

static void load(void *self, bsc_token token)
{
    struct sim *sim = self;
    bool fails = sim_chance(sim, sim->weather.load_fails);
    struct bsc_event event = { .kind = BSC_EVENT_LOADED,
                               .token = token,
                               .status = fails ? BSC_CORRUPT : BSC_OK,
                               .text = fails ? "the database can't be read" : NULL };
    sim_send(sim, (int64_t)sim_random(sim, 20), &event);
}

struct bsc_store sim_store_port(struct sim *sim)
{
    static const struct bsc_store_ops ops = { "sim", load, commit };
    return (struct bsc_store){ &ops, sim };
}

const struct bsc_stored_state *sim_store_state(struct sim *sim)
{
    struct sim_row_list *rows = sim->rows;
    rows->state = (struct bsc_stored_state){
        .settings = rows->settings,
        .services = rows->services,
        .service_count = (unsigned)rows->service_count,
        .releases = rows->releases,
        .release_count = (unsigned)rows->release_count,
        .instances = rows->instances,
        .instance_count = (unsigned)rows->instance_count,
        .rollouts = rows->rollouts,
        .rollout_count = (unsigned)rows->rollout_count,
        .mirrors = rows->mirrors,
        .mirror_count = (unsigned)rows->mirror_count,
        .trials = rows->trials,
        .trial_count = (unsigned)rows->trial_count,
        .records = rows->records,
        .record_count = (unsigned)rows->record_count,
    };
    return &rows->state;
}
