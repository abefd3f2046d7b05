/* SPDX-License-Identifier: Apache-2.0
 * adapters/store_load.c - the state that lives, as one consistent picture.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/mirror_json.h"
#include "adapters/store_internal.h"
#include "config/config.h"

/* One statement whose rows are being read. */
struct reading {
    struct bsc_store_writer *writer;
    struct bsc_store_loaded *loaded;
    struct bsc_error *error;
    sqlite3_stmt *row;
};

static enum bsc_status begin(struct reading *reading, const char *sql)
{
    int code = sqlite3_prepare_v2(reading->writer->db, sql, -1, &reading->row, NULL);
    return code ? bsc_store_error(reading->writer->db, reading->writer->path, code, reading->error,
                                  "read the database")
                : BSC_OK;
}

/* True while there is a row; afterwards *status says whether that was the end. */
static bool next(struct reading *reading, enum bsc_status *status)
{
    if (*status)
        return false;
    int code = sqlite3_step(reading->row);
    if (code == SQLITE_ROW)
        return true;
    if (code != SQLITE_DONE)
        *status = bsc_store_error(reading->writer->db, reading->writer->path, code, reading->error,
                                  "read the database");
    return false;
}

static enum bsc_status end(struct reading *reading, enum bsc_status status)
{
    sqlite3_finalize(reading->row);
    reading->row = NULL;
    return status;
}

static enum bsc_status damaged(struct reading *reading, const char *table, const char *id)
{
    char what[BSC_ID_BYTES + 64];
    snprintf(what, sizeof what, "table %s, row %s: a value that does not belong there", table, id);
    return bsc_store_damaged(reading->writer->path, what, reading->error);
}

static const char *keep(struct reading *reading, int column)
{
    return bsc_arena_copy(&reading->loaded->arena, bsc_column_text(reading->row, column));
}

static enum bsc_status read_spec(struct reading *reading, int column, const char *table,
                                 const char *id, const struct bsc_spec **out)
{
    struct bsc_spec *spec = NULL;
    struct bsc_error why;
    char what[BSC_ERROR_TEXT_BYTES];
    if (bsc_spec_read_json(bsc_column_text(reading->row, column), &spec, &why)) {
        snprintf(what, sizeof what, "table %s, row %s: %.200s", table, id, why.text);
        return bsc_store_damaged(reading->writer->path, what, reading->error);
    }
    *out = spec;
    return BSC_OK;
}

static enum bsc_status read_settings(struct reading *reading)
{
    struct bsc_settings *out = &reading->loaded->state.settings;
    *out = (struct bsc_settings){ .next_id = 1, .next_sequence = 1 };
    enum bsc_status status =
        begin(reading, "SELECT next_id, next_sequence, next_port FROM settings");
    while (next(reading, &status)) {
        out->next_id = (uint64_t)sqlite3_column_int64(reading->row, 0);
        out->next_sequence = (uint64_t)sqlite3_column_int64(reading->row, 1);
        if (!bsc_column_unsigned(reading->row, 2, &out->next_port))
            status = damaged(reading, "settings", "1");
    }
    return end(reading, status);
}

/* One row a service, with the six columns of blue and then those of green. */
static enum bsc_status read_service(struct reading *reading, struct bsc_service_row *out)
{
    sqlite3_stmt *row = reading->row;
    out->name = keep(reading, 0);
    out->generation = (uint64_t)sqlite3_column_int64(row, 5);
    out->standby_until_ms = sqlite3_column_int64(row, 6);
    bool good = bsc_slot_parse(bsc_column_text(row, 2), &out->slots.live) &&
                bsc_slot_parse(bsc_column_text(row, 3), &out->stable) &&
                bsc_traffic_parse(bsc_column_text(row, 4), &out->traffic) &&
                bsc_column_flag(row, 7, &out->removed);
    for (int slot = 0, at = 8; good && slot < BSC_SLOT_COUNT; slot++, at += 5) {
        good = bsc_slot_state_parse(bsc_column_text(row, at), &out->slots.state[slot]) &&
               bsc_column_flag(row, at + 1, &out->slots.checked[slot]) &&
               bsc_column_unsigned(row, at + 2, &out->weight_bp[slot]);
        out->release[slot] = (uint64_t)sqlite3_column_int64(row, at + 3);
        out->record[slot] = (uint64_t)sqlite3_column_int64(row, at + 4);
    }
    size_t key_size = strlen(bsc_column_text(row, 18));
    good = good && bsc_column_copy(row, 18, out->affinity_key, sizeof out->affinity_key) &&
           (!key_size || key_size == sizeof out->affinity_key - 1) &&
           strspn(out->affinity_key, "0123456789abcdef") == key_size;
    out->lock.at_ms = sqlite3_column_int64(row, 19);
    good = good && bsc_column_copy(row, 20, out->lock.actor, sizeof out->lock.actor) &&
           bsc_column_copy(row, 21, out->lock.reason, sizeof out->lock.reason);
    out->next.rollout = (uint64_t)sqlite3_column_int64(row, 22);
    out->next.release = (uint64_t)sqlite3_column_int64(row, 23);
    good = good && bsc_plan_kind_parse(bsc_column_text(row, 24), &out->next.kind) &&
           bsc_column_copy(row, 25, out->next.actor, sizeof out->next.actor) &&
           bsc_column_copy(row, 27, out->next.group.name, sizeof out->next.group.name);
    out->next.group.id = (uint64_t)sqlite3_column_int64(row, 26);
    if (!good)
        return damaged(reading, "services", out->name);
    return read_spec(reading, 1, "services", out->name, &out->spec);
}

static enum bsc_status read_services(struct reading *reading)
{
    struct bsc_service_row *rows = NULL;
    size_t capacity = 0;
    unsigned count = 0;
    enum bsc_status status = begin(
        reading, "SELECT name, spec, live, stable, traffic, generation, standby_until_ms,"
                 " removed,"
                 " b.state, b.checked, b.weight_bp, b.release, b.record,"
                 " g.state, g.checked, g.weight_bp, g.release, g.record, affinity_key,"
                 " locked_ms, lock_actor, lock_reason,"
                 " next_rollout, next_release, next_kind, next_actor, next_group, next_group_name"
                 " FROM services"
                 " LEFT JOIN slots b ON b.service = name AND b.slot = 'blue'"
                 " LEFT JOIN slots g ON g.service = name AND g.slot = 'green'"
                 " ORDER BY name");
    while (next(reading, &status)) {
        rows = bsc_grow(rows, &capacity, count + 1, sizeof *rows);
        rows[count] = (struct bsc_service_row){ 0 };
        status = read_service(reading, &rows[count]);
        count += !status;
    }
    reading->loaded->state.services = rows;
    reading->loaded->state.service_count = count;
    return end(reading, status);
}

static enum bsc_status read_releases(struct reading *reading)
{
    struct bsc_release_row *rows = NULL;
    size_t capacity = 0;
    unsigned count = 0;
    enum bsc_status status =
        begin(reading, "SELECT id, service, spec, created_ms, live_ms,"
                       " rejected, once_begun, once_passed, group_id, image FROM releases"
                       " WHERE service IN (SELECT name FROM services) ORDER BY id");
    while (next(reading, &status)) {
        rows = bsc_grow(rows, &capacity, count + 1, sizeof *rows);
        struct bsc_release_row *row = &rows[count];
        *row = (struct bsc_release_row){
            .id = (uint64_t)sqlite3_column_int64(reading->row, 0),
            .service = keep(reading, 1),
            .created_ms = sqlite3_column_int64(reading->row, 3),
            .live_ms = sqlite3_column_int64(reading->row, 4),
            .once_begun = (uint64_t)sqlite3_column_int64(reading->row, 6),
            .once_passed = (uint64_t)sqlite3_column_int64(reading->row, 7),
            .group = (uint64_t)sqlite3_column_int64(reading->row, 8),
        };
        snprintf(row->image, sizeof row->image, "%s", bsc_column_text(reading->row, 9));
        const char *id = bsc_column_text(reading->row, 0);
        if (!bsc_column_flag(reading->row, 5, &row->rejected))
            status = damaged(reading, "releases", id);
        else
            status = read_spec(reading, 2, "releases", id, &row->spec);
        count += !status;
    }
    reading->loaded->state.releases = rows;
    reading->loaded->state.release_count = count;
    return end(reading, status);
}

static bool read_instance(struct reading *reading, struct bsc_instance_row *out)
{
    sqlite3_stmt *row = reading->row;
    *out = (struct bsc_instance_row){
        .service = keep(reading, 1),
        .release = (uint64_t)sqlite3_column_int64(row, 2),
    };
    return bsc_column_copy(row, 0, out->id, sizeof out->id) &&
           bsc_slot_parse(bsc_column_text(row, 3), &out->slot) &&
           bsc_column_unsigned(row, 4, &out->position) && bsc_column_unsigned(row, 5, &out->port) &&
           bsc_column_copy(row, 6, out->address, sizeof out->address) &&
           bsc_instance_phase_read(bsc_column_text(row, 7), &out->phase) &&
           bsc_column_flag(row, 8, &out->healthy);
}

static enum bsc_status read_instances(struct reading *reading)
{
    struct bsc_instance_row *rows = NULL;
    size_t capacity = 0;
    unsigned count = 0;
    enum bsc_status status =
        begin(reading, "SELECT id, service, release, slot, position, port, address, phase, healthy"
                       " FROM instances WHERE service IN (SELECT name FROM services)"
                       " ORDER BY service, release, position, id");
    while (next(reading, &status)) {
        rows = bsc_grow(rows, &capacity, count + 1, sizeof *rows);
        if (!read_instance(reading, &rows[count++]))
            status = damaged(reading, "instances", bsc_column_text(reading->row, 0));
    }
    reading->loaded->state.instances = rows;
    reading->loaded->state.instance_count = count;
    return end(reading, status);
}

static bool has_release(const struct bsc_stored_state *state, const char *service, uint64_t id)
{
    for (unsigned i = 0; i < state->release_count; i++)
        if (state->releases[i].id == id && !strcmp(state->releases[i].service, service))
            return true;
    return false;
}

/* What the engine goes on with must be there. */
static bool can_go_on(const struct bsc_stored_state *state, const struct bsc_rollout_row *rollout)
{
    if (!bsc_walk_valid(&rollout->walk, &rollout->plan))
        return false;
    if (rollout->walk.status != BSC_ROLLOUT_RUNNING)
        return true;
    if (!has_release(state, rollout->service, rollout->release))
        return false;
    for (unsigned i = 0; i < state->service_count; i++)
        if (!strcmp(state->services[i].name, rollout->service))
            return has_release(state, rollout->service, state->services[i].release[rollout->slot]);
    return false;
}

static enum bsc_status read_rollouts(struct reading *reading)
{
    struct bsc_rollout_row *rows = NULL;
    size_t capacity = 0;
    unsigned count = 0;
    enum bsc_status status =
        begin(reading, "SELECT " BSC_ROLLOUT_COLUMNS " FROM rollouts WHERE id IN ("
                       " SELECT (SELECT max(id) FROM rollouts WHERE service = name"
                       " AND started_ms != 0) FROM services"
                       " UNION SELECT r.id FROM services JOIN rollouts r"
                       " ON r.service = name AND r.ended_ms = 0) ORDER BY id");
    while (next(reading, &status)) {
        rows = bsc_grow(rows, &capacity, count + 1, sizeof *rows);
        if (!bsc_row_rollout(reading->row, &rows[count]))
            status = damaged(reading, "rollouts", bsc_column_text(reading->row, 0));
        rows[count++].service = keep(reading, 1);
    }
    reading->loaded->state.rollouts = rows;
    reading->loaded->state.rollout_count = count;
    status = end(reading, status);
    if (status)
        return status;
    status = begin(reading, "SELECT " BSC_STEP_COLUMNS ", position FROM steps WHERE rollout = ?"
                            " ORDER BY position");
    for (unsigned i = 0; !status && i < count; i++) {
        struct bsc_plan *plan = &rows[i].plan;
        sqlite3_bind_int64(reading->row, 1, (sqlite3_int64)rows[i].id);
        while (next(reading, &status)) {
            if (plan->count == BSC_PLAN_STEPS_MAX ||
                sqlite3_column_int64(reading->row, 11) != plan->count ||
                !bsc_row_step(reading->row, 0, &plan->steps[plan->count]))
                status = damaged(reading, "steps", bsc_column_text(reading->row, 11));
            plan->count++;
        }
        sqlite3_reset(reading->row);
        char id[24];
        snprintf(id, sizeof id, "%llu", (unsigned long long)rows[i].id);
        if (!status && !can_go_on(&reading->loaded->state, &rows[i]))
            status = damaged(reading, "rollouts", id);
    }
    return end(reading, status);
}

static enum bsc_status read_mirrors(struct reading *reading)
{
    struct bsc_stored_state *state = &reading->loaded->state;
    struct bsc_stored_mirror *rows = bsc_alloc((state->rollout_count + 1) * sizeof *rows);
    state->mirrors = rows;
    enum bsc_status status = begin(reading, "SELECT report FROM mirrors WHERE rollout = ?");
    for (unsigned i = 0; !status && i < state->rollout_count; i++) {
        sqlite3_bind_int64(reading->row, 1, (sqlite3_int64)state->rollouts[i].id);
        while (next(reading, &status)) {
            struct bsc_stored_mirror *mirror = &rows[state->mirror_count++];
            mirror->rollout = state->rollouts[i].id;
            mirror->report = bsc_alloc(sizeof *mirror->report);
            json_t *report = json_loads(bsc_column_text(reading->row, 0), 0, NULL);
            char id[24];
            snprintf(id, sizeof id, "%llu", (unsigned long long)mirror->rollout);
            if (!bsc_mirror_read(report, mirror->report))
                status = damaged(reading, "mirrors", id);
            json_decref(report);
        }
        sqlite3_reset(reading->row);
    }
    return end(reading, status);
}

static void read_figure(sqlite3_stmt *row, struct bsc_trial_tally *tally)
{
    struct bsc_trial_arm *arm = sqlite3_column_int(row, 0) ? &tally->candidate : &tally->live;
    uint64_t count = (uint64_t)sqlite3_column_int64(row, 2);
    for (unsigned i = 0; bsc_trial_figure_name(i); i++) {
        if (strcmp(bsc_trial_figure_name(i), bsc_column_text(row, 1)) != 0)
            continue;
        if (i >= BSC_FIGURE_GOALS)
            arm->converted[i - BSC_FIGURE_GOALS] = count;
        else if (i == BSC_FIGURE_USERS)
            arm->users = count;
        else
            arm->valued = count;
        arm->sum += sqlite3_column_double(row, 3);
        arm->squares += sqlite3_column_double(row, 4);
    }
}

static enum bsc_status read_figures(struct reading *reading, struct bsc_trial_row *trial)
{
    enum bsc_status status =
        begin(reading, "SELECT candidate, figure, count, sum, squares FROM trial_figures"
                       " WHERE rollout = ?");
    sqlite3_bind_int64(reading->row, 1, (sqlite3_int64)trial->rollout);
    while (next(reading, &status))
        read_figure(reading->row, &trial->tally);
    return end(reading, status);
}

static enum bsc_status read_users(struct reading *reading, struct bsc_trial_row *trial)
{
    struct bsc_cohort_user *users = NULL;
    size_t capacity = 0;
    enum bsc_status status =
        begin(reading, "SELECT user, candidate, goals, value FROM trial_users WHERE rollout = ?");
    sqlite3_bind_int64(reading->row, 1, (sqlite3_int64)trial->rollout);
    while (next(reading, &status)) {
        users = bsc_grow(users, &capacity, trial->user_count + 1, sizeof *users);
        users[trial->user_count++] = (struct bsc_cohort_user){
            .key = (uint64_t)sqlite3_column_int64(reading->row, 0),
            .candidate = sqlite3_column_int(reading->row, 1) != 0,
            .goals = (uint8_t)sqlite3_column_int(reading->row, 2),
            .valued = sqlite3_column_type(reading->row, 3) != SQLITE_NULL,
            .value = sqlite3_column_double(reading->row, 3),
        };
    }
    trial->users = users;
    return end(reading, status);
}

static enum bsc_status read_sources(struct reading *reading, struct bsc_trial_row *trial)
{
    struct bsc_fact_source *sources = NULL;
    size_t capacity = 0;
    enum bsc_status status =
        begin(reading, "SELECT source, read FROM trial_sources WHERE rollout = ?");
    sqlite3_bind_int64(reading->row, 1, (sqlite3_int64)trial->rollout);
    while (next(reading, &status)) {
        sources = bsc_grow(sources, &capacity, trial->source_count + 1, sizeof *sources);
        sources[trial->source_count++] = (struct bsc_fact_source){
            .source = (uint64_t)sqlite3_column_int64(reading->row, 0),
            .read = (uint64_t)sqlite3_column_int64(reading->row, 1),
        };
    }
    trial->sources = sources;
    return end(reading, status);
}

static bool read_trial(sqlite3_stmt *row, struct bsc_trial_row *out)
{
    out->lost = (uint64_t)sqlite3_column_int64(row, 1);
    out->untaken = (uint64_t)sqlite3_column_int64(row, 2);
    out->over = sqlite3_column_int(row, 3) != 0;
    return bsc_trial_verdict_parse(bsc_column_text(row, 0), &out->verdict);
}

/* Those of the rollouts that were read. */
static enum bsc_status read_trials(struct reading *reading)
{
    struct bsc_stored_state *state = &reading->loaded->state;
    struct bsc_trial_row *rows = bsc_alloc((state->rollout_count + 1) * sizeof *rows);
    state->trials = rows;
    enum bsc_status status = BSC_OK;
    for (unsigned i = 0; !status && i < state->rollout_count; i++) {
        struct bsc_trial_row *trial = &rows[state->trial_count];
        *trial = (struct bsc_trial_row){ .rollout = state->rollouts[i].id };
        bool found = false;
        status =
            begin(reading, "SELECT verdict, lost, untaken, over FROM trials WHERE rollout = ?");
        sqlite3_bind_int64(reading->row, 1, (sqlite3_int64)trial->rollout);
        while (next(reading, &status)) {
            found = true;
            if (!read_trial(reading->row, trial))
                status = damaged(reading, "trials", bsc_column_text(reading->row, 0));
        }
        status = end(reading, status);
        if (!found)
            continue;
        state->trial_count++;
        if (!status)
            status = read_figures(reading, trial);
        if (!status)
            status = read_users(reading, trial);
        if (!status)
            status = read_sources(reading, trial);
    }
    return status;
}

static enum bsc_status read_records(struct reading *reading)
{
    struct bsc_stored_record *rows = NULL;
    size_t capacity = 0;
    unsigned count = 0;
    enum bsc_status status =
        begin(reading, "SELECT service, " BSC_RECORD_COLUMNS " FROM records WHERE id IN ("
                       " SELECT record FROM slots WHERE record IS NOT NULL) ORDER BY id");
    while (next(reading, &status)) {
        rows = bsc_grow(rows, &capacity, count + 1, sizeof *rows);
        rows[count].service = keep(reading, 0);
        if (!bsc_row_record(reading->row, 1, &rows[count++].record))
            status = damaged(reading, "records", bsc_column_text(reading->row, 1));
    }
    reading->loaded->state.records = rows;
    reading->loaded->state.record_count = count;
    return end(reading, status);
}

enum bsc_status bsc_store_read(struct bsc_store_writer *writer, struct bsc_store_loaded *out,
                               struct bsc_error *error)
{
    static enum bsc_status (*const parts[])(struct reading *) = {
        read_settings, read_services, read_releases, read_instances,
        read_rollouts, read_mirrors,  read_trials,   read_records,
    };
    struct reading reading = { .writer = writer, .loaded = out, .error = error };
    *out = (struct bsc_store_loaded){ 0 };
    enum bsc_status status = bsc_store_settle(writer, error);
    if (status)
        return status;
    int code = sqlite3_exec(writer->db, "BEGIN", NULL, NULL, NULL);
    if (code)
        return bsc_store_error(writer->db, writer->path, code, error, "read the database");
    for (size_t i = 0; !status && i < sizeof parts / sizeof *parts; i++)
        status = parts[i](&reading);
    sqlite3_exec(writer->db, "ROLLBACK", NULL, NULL, NULL);
    if (status)
        bsc_store_loaded_deinit(out);
    return status;
}

void bsc_store_loaded_deinit(struct bsc_store_loaded *loaded)
{
    struct bsc_stored_state *state = &loaded->state;
    for (unsigned i = 0; i < state->service_count; i++)
        bsc_spec_release((struct bsc_spec *)(uintptr_t)state->services[i].spec);
    for (unsigned i = 0; i < state->release_count; i++)
        bsc_spec_release((struct bsc_spec *)(uintptr_t)state->releases[i].spec);
    free((void *)(uintptr_t)state->services);
    free((void *)(uintptr_t)state->releases);
    free((void *)(uintptr_t)state->instances);
    free((void *)(uintptr_t)state->rollouts);
    for (unsigned i = 0; i < state->mirror_count; i++)
        free(state->mirrors[i].report);
    free((void *)(uintptr_t)state->mirrors);
    for (unsigned i = 0; i < state->trial_count; i++) {
        free((void *)(uintptr_t)state->trials[i].users);
        free((void *)(uintptr_t)state->trials[i].sources);
    }
    free((void *)(uintptr_t)state->trials);
    free((void *)(uintptr_t)state->records);
    bsc_arena_deinit(&loaded->arena);
    *loaded = (struct bsc_store_loaded){ 0 };
}
