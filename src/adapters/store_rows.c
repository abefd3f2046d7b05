/* SPDX-License-Identifier: Apache-2.0
 * adapters/store_rows.c - columns of the database as fields of the engine's rows.
 *
 * Nothing that is stored is trusted: a name that is unknown or a number that does not fit is told
 * to the caller, who says that the database is damaged.
 */
#include <limits.h>
#include <string.h>

#include "adapters/store_internal.h"

static const char *const phase_texts[BSC_INSTANCE_PHASE_COUNT] = {
    [BSC_INSTANCE_STARTING] = "starting",     [BSC_INSTANCE_RUNNING] = "running",
    [BSC_INSTANCE_RESTARTING] = "restarting", [BSC_INSTANCE_DRAINING] = "draining",
    [BSC_INSTANCE_STOPPING] = "stopping",
};

const char *bsc_instance_phase_text(enum bsc_instance_phase phase)
{
    return phase_texts[phase];
}

bool bsc_instance_phase_read(const char *text, enum bsc_instance_phase *out)
{
    for (unsigned i = 0; i < BSC_INSTANCE_PHASE_COUNT; i++)
        if (!strcmp(text, phase_texts[i])) {
            *out = (enum bsc_instance_phase)i;
            return true;
        }
    return false;
}

const char *bsc_column_text(sqlite3_stmt *row, int column)
{
    const unsigned char *text = sqlite3_column_text(row, column);
    return text ? (const char *)text : "";
}

bool bsc_column_copy(sqlite3_stmt *row, int column, char *out, size_t size)
{
    const char *text = bsc_column_text(row, column);
    size_t length = strlen(text);
    if (length >= size)
        return false;
    memcpy(out, text, length + 1);
    return true;
}

bool bsc_column_unsigned(sqlite3_stmt *row, int column, unsigned *out)
{
    sqlite3_int64 value = sqlite3_column_int64(row, column);
    *out = (unsigned)value;
    return value >= 0 && value <= UINT_MAX;
}

bool bsc_column_flag(sqlite3_stmt *row, int column, bool *out)
{
    sqlite3_int64 value = sqlite3_column_int64(row, column);
    *out = value != 0;
    return value == 0 || value == 1;
}

/* An error's name; "" stands for none. */
static bool column_error(sqlite3_stmt *row, int column, enum bsc_status *out)
{
    const char *name = bsc_column_text(row, column);
    *out = BSC_OK;
    return !*name || bsc_status_parse(name, out);
}

bool bsc_row_record(sqlite3_stmt *row, int at, struct bsc_record *out)
{
    *out = (struct bsc_record){
        .id = (uint64_t)sqlite3_column_int64(row, at),
        .deployed_at_ms = sqlite3_column_int64(row, at + 4),
        .switched_at_ms = sqlite3_column_int64(row, at + 5),
        .rolled_back_at_ms = sqlite3_column_int64(row, at + 6),
    };
    return bsc_slot_parse(bsc_column_text(row, at + 1), &out->slot) &&
           bsc_column_copy(row, at + 2, out->version, sizeof out->version) &&
           bsc_record_status_parse(bsc_column_text(row, at + 3), &out->status) &&
           bsc_column_copy(row, at + 7, out->reason, sizeof out->reason) &&
           column_error(row, at + 8, &out->error);
}

static struct bsc_baseline column_before(sqlite3_stmt *row, int at)
{
    struct bsc_baseline before = { .units = (uint64_t)sqlite3_column_int64(row, at),
                                   .errors = (uint64_t)sqlite3_column_int64(row, at + 1),
                                   .answers = (uint64_t)sqlite3_column_int64(row, at + 2) };
    for (unsigned q = 0; q < BSC_QUANTILES; q++)
        before.quantile_us[q] = (uint64_t)sqlite3_column_int64(row, at + 3 + (int)q);
    return before;
}

bool bsc_row_rollout(sqlite3_stmt *row, struct bsc_rollout_row *out)
{
    *out = (struct bsc_rollout_row){
        .id = (uint64_t)sqlite3_column_int64(row, 0),
        .service = bsc_column_text(row, 1),
        .release = (uint64_t)sqlite3_column_int64(row, 4),
        .record = (uint64_t)sqlite3_column_int64(row, 5),
        .started_ms = sqlite3_column_int64(row, 10),
        .ended_ms = sqlite3_column_int64(row, 11),
        .paused_ms = sqlite3_column_int64(row, 17),
        .baked_ms = sqlite3_column_int64(row, 19),
        .before = column_before(row, 20),
        .group.id = (uint64_t)sqlite3_column_int64(row, 26),
    };
    out->walk.paused = out->paused_ms != 0;
    return bsc_plan_kind_parse(bsc_column_text(row, 2), &out->kind) &&
           bsc_strategy_parse(bsc_column_text(row, 3), &out->strategy) &&
           bsc_slot_parse(bsc_column_text(row, 6), &out->slot) &&
           bsc_rollout_status_parse(bsc_column_text(row, 7), &out->walk.status) &&
           bsc_rollout_status_parse(bsc_column_text(row, 8), &out->walk.ending) &&
           bsc_column_unsigned(row, 9, &out->walk.cursor) &&
           bsc_column_copy(row, 12, out->actor, sizeof out->actor) &&
           bsc_column_copy(row, 13, out->reason, sizeof out->reason) &&
           column_error(row, 14, &out->error) && bsc_column_unsigned(row, 15, &out->passed) &&
           bsc_column_unsigned(row, 16, &out->total) &&
           bsc_column_copy(row, 18, out->paused_by, sizeof out->paused_by) &&
           bsc_column_copy(row, 27, out->group.name, sizeof out->group.name);
}

bool bsc_row_step(sqlite3_stmt *row, int at, struct bsc_step *out)
{
    *out = (struct bsc_step){
        .duration_ms = sqlite3_column_int64(row, at + 7),
        .timeout_ms = sqlite3_column_int64(row, at + 8),
    };
    return bsc_step_kind_parse(bsc_column_text(row, at), &out->kind) &&
           bsc_step_state_parse(bsc_column_text(row, at + 1), &out->state) &&
           bsc_undo_parse(bsc_column_text(row, at + 2), &out->undo) &&
           bsc_slot_parse(bsc_column_text(row, at + 3), &out->slot) &&
           bsc_hook_parse(bsc_column_text(row, at + 4), &out->hook) &&
           bsc_column_unsigned(row, at + 5, &out->weight_bp) &&
           bsc_column_unsigned(row, at + 6, &out->instances) &&
           bsc_column_unsigned(row, at + 9, &out->item) &&
           bsc_gate_kind_parse(bsc_column_text(row, at + 10), &out->gate);
}

const char *bsc_trial_figure_name(unsigned figure)
{
    static const char *const names[] = { "users", "value", "goal0", "goal1", "goal2", "goal3",
                                         "goal4", "goal5", "goal6", "goal7", NULL };
    return names[figure];
}

bool bsc_row_event(sqlite3_stmt *row, struct bsc_audit_row *out)
{
    *out = (struct bsc_audit_row){
        .sequence = (uint64_t)sqlite3_column_int64(row, 0),
        .at_ms = sqlite3_column_int64(row, 1),
        .service = sqlite3_column_type(row, 2) == SQLITE_NULL ? NULL : bsc_column_text(row, 2),
        .rollout = (uint64_t)sqlite3_column_int64(row, 3),
    };
    return bsc_column_copy(row, 4, out->kind, sizeof out->kind) &&
           bsc_column_copy(row, 5, out->actor, sizeof out->actor) &&
           bsc_column_copy(row, 6, out->text, sizeof out->text) &&
           column_error(row, 7, &out->error);
}
