/* SPDX-License-Identifier: Apache-2.0
 * adapters/store_commit.c - a list of changes as one transaction.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/mirror_json.h"
#include "adapters/store_internal.h"
#include "config/config.h"

static const char *const sql[BSC_SQL_COUNT] = {
    [BSC_SQL_BEGIN] = "BEGIN IMMEDIATE",
    [BSC_SQL_COMMIT] = "COMMIT",
    [BSC_SQL_PUT_SERVICE] =
        "INSERT INTO services (name, spec, live, stable, traffic, generation, standby_until_ms,"
        " removed, affinity_key, locked_ms, lock_actor, lock_reason,"
        " next_rollout, next_release, next_kind, next_actor, next_group, next_group_name)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO "
        "UPDATE SET"
        " spec = excluded.spec,"
        " live = excluded.live, stable = excluded.stable, traffic = excluded.traffic,"
        " generation = excluded.generation, standby_until_ms = excluded.standby_until_ms,"
        " removed = excluded.removed, affinity_key = excluded.affinity_key,"
        " locked_ms = excluded.locked_ms, lock_actor = excluded.lock_actor,"
        " lock_reason = excluded.lock_reason, next_rollout = excluded.next_rollout,"
        " next_release = excluded.next_release, next_kind = excluded.next_kind,"
        " next_actor = excluded.next_actor, next_group = excluded.next_group,"
        " next_group_name = excluded.next_group_name",
    [BSC_SQL_PUT_SLOT] =
        "INSERT INTO slots (service, slot, state, checked, weight_bp, release, record)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (service, slot) DO UPDATE SET"
        " state = excluded.state, checked = excluded.checked, weight_bp = excluded.weight_bp,"
        " release = excluded.release, record = excluded.record",
    [BSC_SQL_DELETE_SERVICE] = "DELETE FROM services WHERE name = ?",
    [BSC_SQL_PUT_RELEASE] =
        "INSERT INTO releases (id, service, spec, created_ms, live_ms, rejected, once_begun,"
        " once_passed, group_id, image) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET service = excluded.service,"
        " spec = excluded.spec, created_ms = excluded.created_ms, live_ms = excluded.live_ms,"
        " rejected = excluded.rejected, once_begun = excluded.once_begun,"
        " once_passed = excluded.once_passed, group_id = excluded.group_id,"
        " image = excluded.image",
    [BSC_SQL_DELETE_RELEASE] = "DELETE FROM releases WHERE id = ?",
    [BSC_SQL_PUT_INSTANCE] =
        "INSERT INTO instances (id, service, release, slot, position, port, address, phase,"
        " healthy) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
        " service = excluded.service, release = excluded.release, slot = excluded.slot,"
        " position = excluded.position, port = excluded.port, address = excluded.address,"
        " phase = excluded.phase, healthy = excluded.healthy",
    [BSC_SQL_DELETE_INSTANCE] = "DELETE FROM instances WHERE id = ?",
    [BSC_SQL_PUT_ROLLOUT] =
        "INSERT INTO rollouts (" BSC_ROLLOUT_COLUMNS ")"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?"
        ", ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
        " service = excluded.service, kind = excluded.kind, strategy = excluded.strategy,"
        " release = excluded.release, record = excluded.record, slot = excluded.slot,"
        " status = excluded.status, ending = excluded.ending, cursor = excluded.cursor,"
        " started_ms = excluded.started_ms, ended_ms = excluded.ended_ms, actor = excluded.actor,"
        " reason = excluded.reason, error = excluded.error, passed = excluded.passed,"
        " total = excluded.total, paused_ms = excluded.paused_ms,"
        " paused_by = excluded.paused_by, baked_ms = excluded.baked_ms,"
        " before_units = excluded.before_units,"
        " before_errors = excluded.before_errors, before_answers = excluded.before_answers,"
        " before_p50_us = excluded.before_p50_us, before_p90_us = excluded.before_p90_us,"
        " before_p99_us = excluded.before_p99_us, group_id = excluded.group_id,"
        " group_name = excluded.group_name",
    [BSC_SQL_PUT_STEP] =
        "INSERT INTO steps (rollout, position, " BSC_STEP_COLUMNS ")"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (rollout, position) DO UPDATE "
        "SET"
        " kind = excluded.kind, state = excluded.state, undo = excluded.undo,"
        " slot = excluded.slot, hook = excluded.hook, weight_bp = excluded.weight_bp,"
        " instances = excluded.instances, duration_ms = excluded.duration_ms,"
        " timeout_ms = excluded.timeout_ms, item = excluded.item, gate = excluded.gate",
    [BSC_SQL_CUT_STEPS] = "DELETE FROM steps WHERE rollout = ? AND position >= ?",
    [BSC_SQL_PUT_MIRROR] = "INSERT INTO mirrors (rollout, report) VALUES (?, ?)"
                           " ON CONFLICT (rollout) DO UPDATE SET report = excluded.report",
    [BSC_SQL_PUT_RECORD] =
        "INSERT INTO records (service, " BSC_RECORD_COLUMNS ")"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
        " service = excluded.service, slot = excluded.slot, version = excluded.version,"
        " status = excluded.status, deployed_ms = excluded.deployed_ms,"
        " switched_ms = excluded.switched_ms, rolled_back_ms = excluded.rolled_back_ms,"
        " reason = excluded.reason, error = excluded.error",
    [BSC_SQL_PUT_TRIAL] =
        "INSERT INTO trials (rollout, verdict, lost, untaken, over) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (rollout) DO UPDATE SET verdict = excluded.verdict, lost = excluded.lost,"
        " untaken = excluded.untaken, over = excluded.over",
    [BSC_SQL_PUT_FIGURE] =
        "INSERT INTO trial_figures (rollout, candidate, figure, count, sum, squares)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (rollout, candidate, figure) DO UPDATE SET"
        " count = excluded.count, sum = excluded.sum, squares = excluded.squares",
    [BSC_SQL_PUT_USER] =
        "INSERT INTO trial_users (rollout, user, candidate, goals, value) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (rollout, user) DO UPDATE SET goals = excluded.goals, value = excluded.value",
    [BSC_SQL_FORGET_USERS] = "DELETE FROM trial_users WHERE rollout = ?",
    [BSC_SQL_PUT_SOURCE] = "INSERT INTO trial_sources (rollout, source, read) VALUES (?, ?, ?)"
                           " ON CONFLICT (rollout, source) DO UPDATE SET read = excluded.read",
    [BSC_SQL_FORGET_SOURCES] = "DELETE FROM trial_sources WHERE rollout = ?",
    [BSC_SQL_ADD_EVENT] = "INSERT INTO events (" BSC_EVENT_COLUMNS ")"
                          " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    [BSC_SQL_PUT_SETTINGS] =
        "INSERT INTO settings (id, next_id, next_sequence, next_port)"
        " VALUES (1, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET next_id = excluded.next_id,"
        " next_sequence = excluded.next_sequence,"
        " next_port = excluded.next_port",
};

/* A statement being filled, from left to right. The first error stays. */
struct call {
    sqlite3_stmt *statement;
    int code, filled;
};

static struct call call_begin(struct bsc_store_writer *writer, enum bsc_statement which)
{
    struct call call = { 0 };
    if (!writer->statements[which])
        call.code = sqlite3_prepare_v3(writer->db, sql[which], -1, SQLITE_PREPARE_PERSISTENT,
                                       &writer->statements[which], NULL);
    call.statement = writer->statements[which];
    return call;
}

static void add_text(struct call *call, const char *text)
{
    if (!call->code)
        call->code = sqlite3_bind_text(call->statement, ++call->filled, text, -1, SQLITE_STATIC);
}

static void add_number(struct call *call, int64_t number)
{
    if (!call->code)
        call->code = sqlite3_bind_int64(call->statement, ++call->filled, number);
}

static void add_real(struct call *call, double number)
{
    if (!call->code)
        call->code = sqlite3_bind_double(call->statement, ++call->filled, number);
}

static void add_error(struct call *call, enum bsc_status error)
{
    add_text(call, error == BSC_OK ? "" : bsc_status_name(error));
}

static void add_reference(struct call *call, uint64_t id) /* 0: none */
{
    if (id)
        add_number(call, (int64_t)id);
    else if (!call->code)
        call->code = sqlite3_bind_null(call->statement, ++call->filled);
}

/* What was bound is borrowed from the caller, so nothing stays bound. */
static int call_end(struct call *call)
{
    if (!call->code) {
        int code = sqlite3_step(call->statement);
        call->code = code == SQLITE_DONE ? SQLITE_OK : code;
    }
    if (call->statement) {
        sqlite3_reset(call->statement);
        sqlite3_clear_bindings(call->statement);
    }
    return call->code;
}

static int run(struct bsc_store_writer *writer, enum bsc_statement which)
{
    struct call call = call_begin(writer, which);
    return call_end(&call);
}

static int delete_id(struct bsc_store_writer *writer, enum bsc_statement which, uint64_t id)
{
    struct call call = call_begin(writer, which);
    add_number(&call, (int64_t)id);
    return call_end(&call);
}

static int delete_name(struct bsc_store_writer *writer, enum bsc_statement which, const char *name)
{
    struct call call = call_begin(writer, which);
    add_text(&call, name);
    return call_end(&call);
}

static int put_slot(struct bsc_store_writer *writer, const struct bsc_service_row *row,
                    enum bsc_slot slot)
{
    struct call call = call_begin(writer, BSC_SQL_PUT_SLOT);
    add_text(&call, row->name);
    add_text(&call, bsc_slot_name(slot));
    add_text(&call, bsc_slot_state_name(row->slots.state[slot]));
    add_number(&call, row->slots.checked[slot]);
    add_number(&call, row->weight_bp[slot]);
    add_reference(&call, row->release[slot]);
    add_reference(&call, row->record[slot]);
    return call_end(&call);
}

static int put_service(struct bsc_store_writer *writer, const struct bsc_service_row *row)
{
    struct bsc_text spec = { 0 };
    bsc_spec_write_json(row->spec, &spec);
    struct call call = call_begin(writer, BSC_SQL_PUT_SERVICE);
    add_text(&call, row->name);
    add_text(&call, bsc_text_get(&spec));
    add_text(&call, bsc_slot_name(row->slots.live));
    add_text(&call, bsc_slot_name(row->stable));
    add_text(&call, bsc_traffic_name(row->traffic));
    add_number(&call, (int64_t)row->generation);
    add_number(&call, row->standby_until_ms);
    add_number(&call, row->removed);
    add_text(&call, row->affinity_key);
    add_number(&call, row->lock.at_ms);
    add_text(&call, row->lock.actor);
    add_text(&call, row->lock.reason);
    add_number(&call, (int64_t)row->next.rollout);
    add_number(&call, (int64_t)row->next.release);
    add_text(&call, bsc_plan_kind_name(row->next.kind));
    add_text(&call, row->next.actor);
    add_number(&call, (int64_t)row->next.group.id);
    add_text(&call, row->next.group.name);
    int code = call_end(&call);
    bsc_text_deinit(&spec);
    for (unsigned slot = 0; !code && slot < BSC_SLOT_COUNT; slot++)
        code = put_slot(writer, row, (enum bsc_slot)slot);
    return code;
}

static int put_release(struct bsc_store_writer *writer, const struct bsc_release_row *row)
{
    struct bsc_text spec = { 0 };
    bsc_spec_write_json(row->spec, &spec);
    struct call call = call_begin(writer, BSC_SQL_PUT_RELEASE);
    add_number(&call, (int64_t)row->id);
    add_text(&call, row->service);
    add_text(&call, bsc_text_get(&spec));
    add_number(&call, row->created_ms);
    add_number(&call, row->live_ms);
    add_number(&call, row->rejected);
    add_number(&call, (int64_t)row->once_begun);
    add_number(&call, (int64_t)row->once_passed);
    add_number(&call, (int64_t)row->group);
    add_text(&call, row->image);
    int code = call_end(&call);
    bsc_text_deinit(&spec);
    return code;
}

static int put_instance(struct bsc_store_writer *writer, const struct bsc_instance_row *row)
{
    struct call call = call_begin(writer, BSC_SQL_PUT_INSTANCE);
    add_text(&call, row->id);
    add_text(&call, row->service);
    add_number(&call, (int64_t)row->release);
    add_text(&call, bsc_slot_name(row->slot));
    add_number(&call, row->position);
    add_number(&call, row->port);
    add_text(&call, row->address);
    add_text(&call, bsc_instance_phase_text(row->phase));
    add_number(&call, row->healthy);
    return call_end(&call);
}

static int put_step(struct bsc_store_writer *writer, uint64_t rollout, unsigned position,
                    const struct bsc_step *step)
{
    struct call call = call_begin(writer, BSC_SQL_PUT_STEP);
    add_number(&call, (int64_t)rollout);
    add_number(&call, position);
    add_text(&call, bsc_step_kind_name(step->kind));
    add_text(&call, bsc_step_state_name(step->state));
    add_text(&call, bsc_undo_name(step->undo));
    add_text(&call, bsc_slot_name(step->slot));
    add_text(&call, bsc_hook_name(step->hook));
    add_number(&call, step->weight_bp);
    add_number(&call, step->instances);
    add_number(&call, step->duration_ms);
    add_number(&call, step->timeout_ms);
    add_number(&call, step->item);
    add_text(&call, bsc_gate_kind_name(step->gate));
    return call_end(&call);
}

static void add_before(struct call *call, const struct bsc_baseline *before)
{
    add_number(call, (int64_t)before->units);
    add_number(call, (int64_t)before->errors);
    add_number(call, (int64_t)before->answers);
    for (unsigned q = 0; q < BSC_QUANTILES; q++)
        add_number(call, (int64_t)before->quantile_us[q]);
}

static int put_rollout(struct bsc_store_writer *writer, const struct bsc_rollout_row *row)
{
    struct call call = call_begin(writer, BSC_SQL_PUT_ROLLOUT);
    add_number(&call, (int64_t)row->id);
    add_text(&call, row->service);
    add_text(&call, bsc_plan_kind_name(row->kind));
    add_text(&call, bsc_strategy_name(row->strategy));
    add_number(&call, (int64_t)row->release);
    add_number(&call, (int64_t)row->record);
    add_text(&call, bsc_slot_name(row->slot));
    add_text(&call, bsc_rollout_status_name(row->walk.status));
    add_text(&call, bsc_rollout_status_name(row->walk.ending));
    add_number(&call, row->walk.cursor);
    add_number(&call, row->started_ms);
    add_number(&call, row->ended_ms);
    add_text(&call, row->actor);
    add_text(&call, row->reason);
    add_error(&call, row->error);
    add_number(&call, row->passed);
    add_number(&call, row->total);
    add_number(&call, row->paused_ms);
    add_text(&call, row->paused_by);
    add_number(&call, row->baked_ms);
    add_before(&call, &row->before);
    add_number(&call, (int64_t)row->group.id);
    add_text(&call, row->group.name);
    int code = call_end(&call);
    for (unsigned i = 0; !code && i < row->plan.count; i++)
        code = put_step(writer, row->id, i, &row->plan.steps[i]);
    if (code)
        return code;
    call = call_begin(writer, BSC_SQL_CUT_STEPS);
    add_number(&call, (int64_t)row->id);
    add_number(&call, row->plan.count);
    return call_end(&call);
}

static int put_mirror(struct bsc_store_writer *writer, const struct bsc_stored_mirror *mirror)
{
    json_t *object = bsc_mirror_write(mirror->report);
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    if (!text)
        return SQLITE_NOMEM;
    struct call call = call_begin(writer, BSC_SQL_PUT_MIRROR);
    add_number(&call, (int64_t)mirror->rollout);
    add_text(&call, text);
    int code = call_end(&call);
    free(text);
    return code;
}

static int put_record(struct bsc_store_writer *writer, const char *service,
                      const struct bsc_record *record)
{
    struct call call = call_begin(writer, BSC_SQL_PUT_RECORD);
    add_text(&call, service);
    add_number(&call, (int64_t)record->id);
    add_text(&call, bsc_slot_name(record->slot));
    add_text(&call, record->version);
    add_text(&call, bsc_record_status_name(record->status));
    add_number(&call, record->deployed_at_ms);
    add_number(&call, record->switched_at_ms);
    add_number(&call, record->rolled_back_at_ms);
    add_text(&call, record->reason);
    add_error(&call, record->error);
    return call_end(&call);
}

static int put_figure(struct bsc_store_writer *writer, uint64_t rollout, bool candidate,
                      unsigned figure, const struct bsc_trial_arm *arm)
{
    bool value = figure == BSC_FIGURE_VALUE;
    struct call call = call_begin(writer, BSC_SQL_PUT_FIGURE);
    add_number(&call, (int64_t)rollout);
    add_number(&call, candidate);
    add_text(&call, bsc_trial_figure_name(figure));
    add_number(&call,
               (int64_t)(value                        ? arm->valued
                         : figure == BSC_FIGURE_USERS ? arm->users
                                                      : arm->converted[figure - BSC_FIGURE_GOALS]));
    add_real(&call, value ? arm->sum : 0);
    add_real(&call, value ? arm->squares : 0);
    return call_end(&call);
}

static int put_user(struct bsc_store_writer *writer, uint64_t rollout,
                    const struct bsc_cohort_user *user)
{
    struct call call = call_begin(writer, BSC_SQL_PUT_USER);
    add_number(&call, (int64_t)rollout);
    add_number(&call, (int64_t)user->key);
    add_number(&call, user->candidate);
    add_number(&call, user->goals);
    if (user->valued)
        add_real(&call, user->value);
    else if (!call.code)
        call.code = sqlite3_bind_null(call.statement, ++call.filled);
    return call_end(&call);
}

static int put_source(struct bsc_store_writer *writer, uint64_t rollout,
                      const struct bsc_fact_source *source)
{
    struct call call = call_begin(writer, BSC_SQL_PUT_SOURCE);
    add_number(&call, (int64_t)rollout);
    add_number(&call, (int64_t)source->source);
    add_number(&call, (int64_t)source->read);
    return call_end(&call);
}

static int put_trial(struct bsc_store_writer *writer, const struct bsc_trial_row *row)
{
    struct call call = call_begin(writer, BSC_SQL_PUT_TRIAL);
    add_number(&call, (int64_t)row->rollout);
    add_text(&call, bsc_trial_verdict_name(row->verdict));
    add_number(&call, (int64_t)row->lost);
    add_number(&call, (int64_t)row->untaken);
    add_number(&call, row->over);
    int code = call_end(&call);
    for (unsigned i = 0; !code && bsc_trial_figure_name(i); i++) {
        code = put_figure(writer, row->rollout, true, i, &row->tally.candidate);
        if (!code)
            code = put_figure(writer, row->rollout, false, i, &row->tally.live);
    }
    for (unsigned i = 0; !code && i < row->user_count; i++)
        code = put_user(writer, row->rollout, &row->users[i]);
    for (unsigned i = 0; !code && i < row->source_count; i++)
        code = put_source(writer, row->rollout, &row->sources[i]);
    if (!code && row->over)
        code = delete_id(writer, BSC_SQL_FORGET_USERS, row->rollout);
    if (!code && row->over)
        code = delete_id(writer, BSC_SQL_FORGET_SOURCES, row->rollout);
    return code;
}

static int add_event(struct bsc_store_writer *writer, const struct bsc_audit_row *row)
{
    struct call call = call_begin(writer, BSC_SQL_ADD_EVENT);
    add_number(&call, (int64_t)row->sequence);
    add_number(&call, row->at_ms);
    add_text(&call, row->service);
    add_number(&call, (int64_t)row->rollout);
    add_text(&call, row->kind);
    add_text(&call, row->actor);
    add_text(&call, row->text);
    add_error(&call, row->error);
    return call_end(&call);
}

static int put_settings(struct bsc_store_writer *writer, const struct bsc_settings *settings)
{
    struct call call = call_begin(writer, BSC_SQL_PUT_SETTINGS);
    add_number(&call, (int64_t)settings->next_id);
    add_number(&call, (int64_t)settings->next_sequence);
    add_number(&call, settings->next_port);
    return call_end(&call);
}

static int apply(struct bsc_store_writer *writer, const struct bsc_change *change)
{
    switch (change->kind) {
    case BSC_PUT_SERVICE:
        return put_service(writer, &change->service);
    case BSC_DELETE_SERVICE:
        return delete_name(writer, BSC_SQL_DELETE_SERVICE, change->service.name);
    case BSC_PUT_RELEASE:
        return put_release(writer, &change->release);
    case BSC_DELETE_RELEASE:
        return delete_id(writer, BSC_SQL_DELETE_RELEASE, change->release.id);
    case BSC_PUT_INSTANCE:
        return put_instance(writer, &change->instance);
    case BSC_DELETE_INSTANCE:
        return delete_name(writer, BSC_SQL_DELETE_INSTANCE, change->instance.id);
    case BSC_PUT_ROLLOUT:
        return put_rollout(writer, change->rollout);
    case BSC_PUT_MIRROR:
        return put_mirror(writer, &change->mirror);
    case BSC_PUT_TRIAL:
        return put_trial(writer, change->trial);
    case BSC_PUT_RECORD:
        return put_record(writer, change->record.service, &change->record.record);
    case BSC_ADD_AUDIT:
        return add_event(writer, &change->audit);
    case BSC_PUT_SETTINGS:
        return put_settings(writer, &change->settings);
    case BSC_CHANGE_KIND_COUNT:
        break;
    }
    return SQLITE_MISUSE;
}

/* Names what refers to something that is not there; SQLite's own text does not. */
static void name_violation(sqlite3 *db, char *out, size_t size)
{
    sqlite3_stmt *check = NULL;
    snprintf(out, size, "record the changes");
    if (!sqlite3_prepare_v2(db, "PRAGMA foreign_key_check", -1, &check, NULL) &&
        sqlite3_step(check) == SQLITE_ROW)
        snprintf(out, size, "record the changes (a row of %s names a missing row of %s)",
                 bsc_column_text(check, 0), bsc_column_text(check, 2));
    sqlite3_finalize(check);
}

enum bsc_status bsc_store_write(struct bsc_store_writer *writer, const struct bsc_change *changes,
                                unsigned count, struct bsc_error *error)
{
    char doing[160] = "record the changes";
    if (writer->wounded || !writer->db) {
        enum bsc_status status = bsc_store_settle(writer, error);
        if (status)
            return status;
    }
    int code = run(writer, BSC_SQL_BEGIN);
    for (unsigned i = 0; !code && i < count; i++)
        code = apply(writer, &changes[i]);
    if (!code) {
        code = run(writer, BSC_SQL_COMMIT);
        if (code == SQLITE_CONSTRAINT_FOREIGNKEY)
            name_violation(writer->db, doing, sizeof doing);
    }
    if (!code) {
        bsc_store_ballast_make(writer);
        return BSC_OK;
    }
    enum bsc_status status = bsc_store_error(writer->db, writer->path, code, error, doing);
    if (!sqlite3_get_autocommit(writer->db))
        sqlite3_exec(writer->db, "ROLLBACK", NULL, NULL, NULL);
    /* After these no sync failed, and this connection passes over what it had written. */
    int primary = code & 0xff;
    writer->wounded =
        primary != SQLITE_CONSTRAINT && primary != SQLITE_BUSY && primary != SQLITE_FULL;
    if (status == BSC_NO_SPACE)
        bsc_store_ballast_free(writer);
    return status;
}
