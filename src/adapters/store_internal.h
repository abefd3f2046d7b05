/* SPDX-License-Identifier: Apache-2.0
 * adapters/store_internal.h - what the files of the SQLite store share.
 *
 * store_sqlite.c  the port, the thread hand-over, life and death
 * store_files.c   the state directory: lock, modes, ballast
 * store_schema.c  connections, layout, migrations, what an SQLite error means
 * store_commit.c  a list of changes as one transaction
 * store_load.c    the state that lives
 * store_rows.c    rows and columns in both directions
 * store_query.c   history and events for the API
 */
#ifndef BASCULE_ADAPTERS_STORE_INTERNAL_H
#define BASCULE_ADAPTERS_STORE_INTERNAL_H

#include <sqlite3.h>

#include "adapters/store_sqlite.h"

enum bsc_statement {
    BSC_SQL_BEGIN,
    BSC_SQL_COMMIT,
    BSC_SQL_PUT_SERVICE,
    BSC_SQL_PUT_SLOT,
    BSC_SQL_DELETE_SERVICE,
    BSC_SQL_PUT_RELEASE,
    BSC_SQL_DELETE_RELEASE,
    BSC_SQL_PUT_INSTANCE,
    BSC_SQL_DELETE_INSTANCE,
    BSC_SQL_PUT_ROLLOUT,
    BSC_SQL_PUT_STEP,
    BSC_SQL_CUT_STEPS,
    BSC_SQL_PUT_MIRROR,
    BSC_SQL_PUT_RECORD,
    BSC_SQL_ADD_EVENT,
    BSC_SQL_PUT_TRIAL,
    BSC_SQL_PUT_FIGURE,
    BSC_SQL_PUT_USER,
    BSC_SQL_FORGET_USERS,
    BSC_SQL_PUT_SOURCE,
    BSC_SQL_FORGET_SOURCES,
    BSC_SQL_PUT_SETTINGS,
    BSC_SQL_COUNT
};

/* The writing half: used by one job at a time, wherever that runs. */
struct bsc_store_writer {
    char *directory; /* without symbolic links */
    char *path;      /* of the database */
    int lock;
    bool ballast; /* the ballast file has its size */
    sqlite3 *db;  /* NULL after a failure that could not be repaired yet */
    sqlite3_stmt *statements[BSC_SQL_COUNT]; /* prepared when first used */
    /* A transaction failed half-way: its pages may lie in the write-ahead log without having
     * reached the disk, so nothing is read or written before bsc_store_settle. */
    bool wounded;
};

/* --- store_sqlite.c --- */
/* The connection of the loop's thread, opened when first needed. */
enum bsc_status bsc_store_reader(const struct bsc_store *store, sqlite3 **out, const char **path,
                                 struct bsc_error *error) BSC_MUST_CHECK;

/* --- store_files.c --- */
/* Sets directory, path and lock. */
enum bsc_status bsc_store_claim(struct bsc_store_writer *writer, const char *directory,
                                struct bsc_error *error) BSC_MUST_CHECK;
void bsc_store_unclaim(struct bsc_store_writer *writer);
/* Makes the ballast when it is missing and there is ample room for it. */
void bsc_store_ballast_make(struct bsc_store_writer *writer);
/* Gives its blocks back to the disk. Returns false when there were none. */
bool bsc_store_ballast_free(struct bsc_store_writer *writer);

/* --- store_schema.c --- */
void bsc_store_disconnect(struct bsc_store_writer *writer);
/* A second, read-only connection to a database that is already open. */
enum bsc_status bsc_store_connect_reader(const char *path, sqlite3 **out,
                                         struct bsc_error *error) BSC_MUST_CHECK;
/* Makes durable whatever a reader can see, and removes what a failed transaction left behind.
 * After a failure also opens the database afresh. */
enum bsc_status bsc_store_settle(struct bsc_store_writer *writer,
                                 struct bsc_error *error) BSC_MUST_CHECK;
/* Says what the last call on `db` that failed with `code` means to a user. */
enum bsc_status bsc_store_error(sqlite3 *db, const char *path, int code, struct bsc_error *error,
                                const char *doing);
enum bsc_status bsc_store_damaged(const char *path, const char *what, struct bsc_error *error);

/* --- store_commit.c --- */
enum bsc_status bsc_store_write(struct bsc_store_writer *writer, const struct bsc_change *changes,
                                unsigned count, struct bsc_error *error) BSC_MUST_CHECK;

/* --- store_load.c --- */
struct bsc_store_loaded {
    struct bsc_stored_state state;
    struct bsc_arena arena; /* owns the names */
};
enum bsc_status bsc_store_read(struct bsc_store_writer *writer, struct bsc_store_loaded *out,
                               struct bsc_error *error) BSC_MUST_CHECK;
void bsc_store_loaded_deinit(struct bsc_store_loaded *loaded);

/* --- store_rows.c: each takes the columns in the order of its macro, from column `at` on, and
 * returns false when one does not hold what it should. Names point into the statement. --- */
#define BSC_RECORD_COLUMNS \
    "id, slot, version, status, deployed_ms, switched_ms, rolled_back_ms, reason, error"
#define BSC_BEFORE_COLUMNS \
    "before_units, before_errors, before_answers, before_p50_us, before_p90_us, before_p99_us"
#define BSC_ROLLOUT_COLUMNS                                                                    \
    "id, service, kind, strategy, release, record, slot, status, ending, cursor, started_ms, " \
    "ended_ms, actor, reason, error, passed, total, paused_ms, paused_by, "                    \
    "baked_ms, " BSC_BEFORE_COLUMNS ", group_id, group_name"
#define BSC_STEP_COLUMNS \
    "kind, state, undo, slot, hook, weight_bp, instances, duration_ms, timeout_ms, item, gate"
#define BSC_EVENT_COLUMNS "sequence, at_ms, service, rollout, kind, actor, text, error"

const char *bsc_column_text(sqlite3_stmt *row, int column); /* never NULL */
bool bsc_column_copy(sqlite3_stmt *row, int column, char *out, size_t size);
bool bsc_column_unsigned(sqlite3_stmt *row, int column, unsigned *out);
bool bsc_column_flag(sqlite3_stmt *row, int column, bool *out);
bool bsc_row_record(sqlite3_stmt *row, int at, struct bsc_record *out);
bool bsc_row_rollout(sqlite3_stmt *row, struct bsc_rollout_row *out); /* all but the plan */
bool bsc_row_step(sqlite3_stmt *row, int at, struct bsc_step *out);
/* "users", "value", "goal0" ...; NULL behind the last one. */
const char *bsc_trial_figure_name(unsigned figure);
enum { BSC_FIGURE_USERS, BSC_FIGURE_VALUE, BSC_FIGURE_GOALS };
bool bsc_row_event(sqlite3_stmt *row, struct bsc_audit_row *out);
const char *bsc_instance_phase_text(enum bsc_instance_phase phase);
bool bsc_instance_phase_read(const char *text, enum bsc_instance_phase *out);

#endif
