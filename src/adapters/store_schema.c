/* SPDX-License-Identifier: Apache-2.0
 * adapters/store_schema.c - connections, the layout of the tables and its migrations, and what an
 * error of SQLite means to a user.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapters/store_internal.h"

enum {
    APPLICATION_ID = 0x62736375, /* "bscu": tells our database from any other */
    WRITER_WAIT_MS = 5000,       /* for somebody else's sqlite3 shell; on the thread pool */
    READER_WAIT_MS = 200,        /* on the loop */
};

/* Foreign keys are looked at when the transaction ends, so that changes may come in any order.
 * Names are stored as words: the database is read by people, too, and numbers of enumerations may
 * move. What belongs to history (rollouts, steps, records, events) refers to no service. */
static const char layout_1[] =
    "CREATE TABLE settings (id INTEGER PRIMARY KEY CHECK (id = 1), next_id INTEGER NOT NULL,"
    " next_sequence INTEGER NOT NULL, next_port INTEGER NOT NULL) STRICT;"

    "CREATE TABLE services (name TEXT PRIMARY KEY NOT NULL, spec TEXT NOT NULL,"
    " live TEXT NOT NULL, stable TEXT NOT NULL, traffic TEXT NOT NULL,"
    " generation INTEGER NOT NULL, standby_until_ms INTEGER NOT NULL,"
    " removed INTEGER NOT NULL) STRICT;"

    "CREATE TABLE slots (service TEXT NOT NULL REFERENCES services ON DELETE CASCADE"
    " DEFERRABLE INITIALLY DEFERRED, slot TEXT NOT NULL, state TEXT NOT NULL,"
    " checked INTEGER NOT NULL, weight_bp INTEGER NOT NULL CHECK (weight_bp BETWEEN 0 AND 10000),"
    " release INTEGER REFERENCES releases DEFERRABLE INITIALLY DEFERRED,"
    " record INTEGER REFERENCES records DEFERRABLE INITIALLY DEFERRED,"
    " PRIMARY KEY (service, slot)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX slots_release ON slots (release);"
    "CREATE INDEX slots_record ON slots (record);"

    "CREATE TABLE releases (id INTEGER PRIMARY KEY, service TEXT NOT NULL REFERENCES services"
    " ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED, spec TEXT NOT NULL,"
    " created_ms INTEGER NOT NULL, live_ms INTEGER NOT NULL, rejected INTEGER NOT NULL) STRICT;"
    "CREATE INDEX releases_service ON releases (service);"

    "CREATE TABLE instances (id TEXT PRIMARY KEY NOT NULL, service TEXT NOT NULL"
    " REFERENCES services ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED, release INTEGER NOT NULL"
    " REFERENCES releases DEFERRABLE INITIALLY DEFERRED, slot TEXT NOT NULL,"
    " position INTEGER NOT NULL, port INTEGER NOT NULL, address TEXT NOT NULL,"
    " phase TEXT NOT NULL, healthy INTEGER NOT NULL) STRICT;"
    "CREATE INDEX instances_service ON instances (service);"
    "CREATE INDEX instances_release ON instances (release);"

    "CREATE TABLE rollouts (id INTEGER PRIMARY KEY, service TEXT NOT NULL, kind TEXT NOT NULL,"
    " strategy TEXT NOT NULL, release INTEGER NOT NULL, record INTEGER NOT NULL,"
    " slot TEXT NOT NULL, status TEXT NOT NULL, ending TEXT NOT NULL, cursor INTEGER NOT NULL,"
    " started_ms INTEGER NOT NULL, ended_ms INTEGER NOT NULL, actor TEXT NOT NULL,"
    " reason TEXT NOT NULL) STRICT;"
    "CREATE INDEX rollouts_service ON rollouts (service, id);"
    "CREATE INDEX rollouts_open ON rollouts (service) WHERE ended_ms = 0;"

    "CREATE TABLE steps (rollout INTEGER NOT NULL REFERENCES rollouts ON DELETE CASCADE"
    " DEFERRABLE INITIALLY DEFERRED, position INTEGER NOT NULL, kind TEXT NOT NULL,"
    " state TEXT NOT NULL, undo TEXT NOT NULL, slot TEXT NOT NULL, hook TEXT NOT NULL,"
    " weight_bp INTEGER NOT NULL, instances INTEGER NOT NULL, duration_ms INTEGER NOT NULL,"
    " timeout_ms INTEGER NOT NULL, PRIMARY KEY (rollout, position)) STRICT, WITHOUT ROWID;"

    "CREATE TABLE records (id INTEGER PRIMARY KEY, service TEXT NOT NULL, slot TEXT NOT NULL,"
    " version TEXT NOT NULL, status TEXT NOT NULL, deployed_ms INTEGER NOT NULL,"
    " switched_ms INTEGER NOT NULL, rolled_back_ms INTEGER NOT NULL, reason TEXT NOT NULL) STRICT;"
    "CREATE INDEX records_service ON records (service, id);"

    "CREATE TABLE events (sequence INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, service TEXT,"
    " rollout INTEGER NOT NULL, kind TEXT NOT NULL, actor TEXT NOT NULL, text TEXT NOT NULL)"
    " STRICT;"
    "CREATE INDEX events_service ON events (service, sequence);"
    "CREATE TRIGGER events_stay BEFORE UPDATE ON events BEGIN"
    " SELECT RAISE(ABORT, 'the audit is never changed'); END;"
    "CREATE TRIGGER events_remain BEFORE DELETE ON events BEGIN"
    " SELECT RAISE(ABORT, 'the audit is never deleted'); END;";

/* The name of what went wrong, beside the words. */
static const char layout_2[] = "ALTER TABLE rollouts ADD COLUMN error TEXT NOT NULL DEFAULT '';"
                               "ALTER TABLE rollouts ADD COLUMN passed INTEGER NOT NULL DEFAULT 0;"
                               "ALTER TABLE rollouts ADD COLUMN total INTEGER NOT NULL DEFAULT 0;"
                               "ALTER TABLE records ADD COLUMN error TEXT NOT NULL DEFAULT '';"
                               "ALTER TABLE events ADD COLUMN error TEXT NOT NULL DEFAULT '';";

/* Which users see a new version first. */
static const char layout_3[] =
    "ALTER TABLE services ADD COLUMN affinity_key TEXT NOT NULL DEFAULT '';";

/* Who refuses what is new, since when and why. */
static const char layout_4[] =
    "ALTER TABLE services ADD COLUMN locked_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE services ADD COLUMN lock_actor TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE services ADD COLUMN lock_reason TEXT NOT NULL DEFAULT '';";

/* Who holds a rollout up, since when, and where the clock of its bake stood then. */
static const char layout_5[] =
    "ALTER TABLE rollouts ADD COLUMN paused_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE rollouts ADD COLUMN paused_by TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE rollouts ADD COLUMN baked_ms INTEGER NOT NULL DEFAULT 0;";

/* What the live version was like before the candidate got traffic. */
static const char layout_6[] =
    "ALTER TABLE rollouts ADD COLUMN before_units INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE rollouts ADD COLUMN before_errors INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE rollouts ADD COLUMN before_answers INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE rollouts ADD COLUMN before_p50_us INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE rollouts ADD COLUMN before_p90_us INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE rollouts ADD COLUMN before_p99_us INTEGER NOT NULL DEFAULT 0;";

/* What begins when the rollout under way is taken back. */
static const char layout_7[] =
    "ALTER TABLE services ADD COLUMN next_rollout INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE services ADD COLUMN next_release INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE services ADD COLUMN next_kind TEXT NOT NULL DEFAULT 'deploy';"
    "ALTER TABLE services ADD COLUMN next_actor TEXT NOT NULL DEFAULT '';";

/* Which gate of the release's specification a step is. */
static const char layout_8[] = "ALTER TABLE steps ADD COLUMN item INTEGER NOT NULL DEFAULT 0;"
                               "ALTER TABLE steps ADD COLUMN gate TEXT NOT NULL DEFAULT 'smoke';";

/* What came of the requests that were copied for a rollout (adapters/mirror_json.h). */
static const char layout_9[] =
    "CREATE TABLE mirrors (rollout INTEGER PRIMARY KEY REFERENCES rollouts ON DELETE CASCADE"
    " DEFERRABLE INITIALLY DEFERRED, report TEXT NOT NULL) STRICT;";

/* What runs at most once for a release. */
static const char layout_10[] =
    "ALTER TABLE releases ADD COLUMN once_begun INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE releases ADD COLUMN once_passed INTEGER NOT NULL DEFAULT 0;";

/* Services that are released together. */
static const char layout_11[] =
    "ALTER TABLE rollouts ADD COLUMN group_id INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE rollouts ADD COLUMN group_name TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE releases ADD COLUMN group_id INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE services ADD COLUMN next_group INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE services ADD COLUMN next_group_name TEXT NOT NULL DEFAULT '';";

/* The figures of A/B tests, their users until they are over, and how far what tells of them was
 * read.
 */
static const char layout_12[] =
    "CREATE TABLE trials (rollout INTEGER PRIMARY KEY, verdict TEXT NOT NULL,"
    " lost INTEGER NOT NULL, untaken INTEGER NOT NULL, over INTEGER NOT NULL) STRICT;"
    "CREATE TABLE trial_figures (rollout INTEGER NOT NULL, candidate INTEGER NOT NULL,"
    " figure TEXT NOT NULL, count INTEGER NOT NULL, sum REAL NOT NULL, squares REAL NOT NULL,"
    " PRIMARY KEY (rollout, candidate, figure)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE trial_users (rollout INTEGER NOT NULL, user INTEGER NOT NULL,"
    " candidate INTEGER NOT NULL, goals INTEGER NOT NULL, value REAL,"
    " PRIMARY KEY (rollout, user)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE trial_sources (rollout INTEGER NOT NULL, source INTEGER NOT NULL,"
    " read INTEGER NOT NULL, PRIMARY KEY (rollout, source)) STRICT, WITHOUT ROWID;";

/* By which the very image of a release is found again. */
static const char layout_13[] = "ALTER TABLE releases ADD COLUMN image TEXT NOT NULL DEFAULT '';";

/* Migration n turns layout n into layout n+1. Layout 0 is the empty database. */
static const char *const migrations[] = { layout_1,  layout_2,  layout_3, layout_4, layout_5,
                                          layout_6,  layout_7,  layout_8, layout_9, layout_10,
                                          layout_11, layout_12, layout_13 };
enum { LAYOUT = sizeof migrations / sizeof *migrations };

/* `.dump`, because the `.recover` of Debian's sqlite3 knows nothing of damaged files; it ends with
 * a ROLLBACK where it met damage, and leaves out the two numbers. */
enum bsc_status bsc_store_damaged(const char *path, const char *what, struct bsc_error *error)
{
    const char *slash = strrchr(path, '/');
    const char *line = strchr(what, '\n'); /* of a check: the first one only names the database */
    return bsc_error_set(
        error, BSC_CORRUPT,
        "the database %s is damaged (%.200s). Traffic goes on with the last routes, nothing can be "
        "released. Copy the directory to a safe place, then repair the database: `cd %.*s; "
        "(sqlite3 bascule.db .dump | sed 's/^ROLLBACK;.*/COMMIT;/'; echo \"PRAGMA user_version=$("
        "sqlite3 bascule.db 'PRAGMA user_version'); PRAGMA application_id=%d;\") | sqlite3 new.db; "
        "rm -f bascule.db-wal bascule.db-shm; "
        "chmod 600 new.db; mv new.db bascule.db`, or put a backup in its place in the same way, "
        "from `rm` on. A bascule that runs uses it within seconds, else start it again",
        path, line ? line + 1 : what, (int)(slash - path), path, (int)APPLICATION_ID);
}

enum bsc_status bsc_store_error(sqlite3 *db, const char *path, int code, struct bsc_error *error,
                                const char *doing)
{
    const char *text = db ? sqlite3_errmsg(db) : sqlite3_errstr(code);
    int number = db ? sqlite3_system_errno(db) : 0;
    int primary = code & 0xff;
    if (primary != SQLITE_IOERR && primary != SQLITE_CANTOPEN)
        number = 0;
    if (primary == SQLITE_FULL || number == ENOSPC || number == EDQUOT)
        return bsc_error_set(error, BSC_NO_SPACE, "%s: no room left on the disk that holds %s",
                             doing, path);
    /* SQLITE_ERROR: our statements are right, so a column or a table is not called as we called it.
     */
    if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB || primary == SQLITE_ERROR ||
        code == SQLITE_IOERR_SHORT_READ)
        return bsc_store_damaged(path, text, error);
    if (primary == SQLITE_NOMEM || code == SQLITE_IOERR_NOMEM)
        return bsc_error_set(error, BSC_NO_MEMORY, "%s: %s", doing, text);
    if (primary == SQLITE_BUSY || primary == SQLITE_LOCKED)
        return bsc_error_set(error, BSC_UNAVAILABLE,
                             "%s: another program has %s locked (%s): is a sqlite3 shell open?",
                             doing, path, text);
    if (primary == SQLITE_READONLY || primary == SQLITE_PERM || number == EACCES ||
        number == EPERM || number == EROFS)
        return bsc_error_set(error, BSC_DENIED, "%s: %s is not writable (%s)", doing, path, text);
    if (number)
        return bsc_error_set(error, BSC_FAILED, "%s: %s: %s: %s", doing, path, text,
                             strerror(number));
    return bsc_error_set(error, BSC_FAILED, "%s: %s: %s", doing, path, text);
}

static enum bsc_status execute(sqlite3 *db, const char *path, const char *sql,
                               struct bsc_error *error)
{
    int code = sqlite3_exec(db, sql, NULL, NULL, NULL);
    return code ? bsc_store_error(db, path, code, error, "open the database") : BSC_OK;
}

/* The first column of the first row, cut to fit. */
static enum bsc_status ask(sqlite3 *db, const char *path, const char *sql, char *out, size_t size,
                           struct bsc_error *error)
{
    sqlite3_stmt *statement = NULL;
    enum bsc_status status = BSC_OK;
    *out = '\0';
    int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (!code)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        snprintf(out, size, "%s", bsc_column_text(statement, 0));
    else if (code != SQLITE_DONE)
        status = bsc_store_error(db, path, code, error, "open the database");
    sqlite3_finalize(statement);
    return status;
}

static enum bsc_status open_connection(const char *path, int flags, int wait_ms, sqlite3 **out,
                                       struct bsc_error *error)
{
    sqlite3 *db = NULL;
    int code = sqlite3_open_v2(
        path, &db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE,
        NULL);
    if (code) {
        enum bsc_status status = bsc_store_error(db, path, code, error, "open the database");
        sqlite3_close(db);
        return status;
    }
    /* Its memory for small objects (120 KiB by default) is not worth having in an idle process. */
    sqlite3_db_config(db, SQLITE_DBCONFIG_LOOKASIDE, NULL, 128, 64);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, (int *)NULL);
    sqlite3_busy_timeout(db, wait_ms);
    *out = db;
    return BSC_OK;
}

enum bsc_status bsc_store_connect_reader(const char *path, sqlite3 **out, struct bsc_error *error)
{
    sqlite3 *db = NULL;
    enum bsc_status status =
        open_connection(path, SQLITE_OPEN_READONLY, READER_WAIT_MS, &db, error);
    if (!status)
        status = execute(db, path, "PRAGMA cache_size = -128; PRAGMA cell_size_check = ON;", error);
    if (status) {
        sqlite3_close(db);
        return status;
    }
    *out = db;
    return BSC_OK;
}

/* Refuses what is not ours, or from a newer bascule. */
static enum bsc_status check_origin(struct bsc_store_writer *writer, long *layout,
                                    struct bsc_error *error)
{
    char answer[256], version[32], application[32], tables[32];
    enum bsc_status status =
        ask(writer->db, writer->path, "PRAGMA user_version", version, sizeof version, error);
    if (!status)
        status = ask(writer->db, writer->path, "PRAGMA application_id", application,
                     sizeof application, error);
    if (!status)
        status = ask(writer->db, writer->path, "SELECT count(*) FROM sqlite_schema", tables,
                     sizeof tables, error);
    if (status)
        return status;
    *layout = strtol(version, NULL, 10);
    bool empty = *layout == 0 && strtol(tables, NULL, 10) == 0;
    if (!empty && (*layout < 1 || strtol(application, NULL, 10) != APPLICATION_ID))
        return bsc_store_damaged(writer->path, "it is not a database of bascule", error);
    if (*layout > LAYOUT)
        return bsc_error_set(error, BSC_NEWER,
                             "the database %s was written by a newer bascule (layout %ld, this one "
                             "knows %d): start the newer bascule again, or move bascule.db, "
                             "bascule.db-wal and bascule.db-shm in %s away and put a copy of "
                             "bascule.db from before the upgrade there. A bascule that runs uses "
                             "it within seconds, else start it again",
                             writer->path, *layout, (int)LAYOUT, writer->directory);
    status = ask(writer->db, writer->path, "PRAGMA quick_check(1)", answer, sizeof answer, error);
    if (!status && strcmp(answer, "ok") != 0)
        status = bsc_store_damaged(writer->path, answer, error);
    return status;
}

static enum bsc_status migrate(struct bsc_store_writer *writer, long layout,
                               struct bsc_error *error)
{
    for (; layout < LAYOUT; layout++) {
        char after[96];
        snprintf(after, sizeof after,
                 "PRAGMA application_id = %d; PRAGMA user_version = %ld; COMMIT;",
                 (int)APPLICATION_ID, layout + 1);
        enum bsc_status status = execute(writer->db, writer->path, "BEGIN IMMEDIATE", error);
        if (!status)
            status = execute(writer->db, writer->path, migrations[layout], error);
        if (!status)
            status = execute(writer->db, writer->path, after, error);
        if (status)
            return bsc_error_wrap(error, "bring the database from layout %ld to %ld", layout,
                                  layout + 1);
    }
    return BSC_OK;
}

/* Opens, checks and migrates. */
static enum bsc_status connect_writer(struct bsc_store_writer *writer, struct bsc_error *error)
{
    long layout = 0;
    char answer[32];
    enum bsc_status status =
        open_connection(writer->path, SQLITE_OPEN_READWRITE, WRITER_WAIT_MS, &writer->db, error);
    if (status)
        return status;
    /* The log is folded back into the database after 150 pages, so that it stays well below the
     * size of the ballast. */
    status = execute(writer->db, writer->path,
                     "PRAGMA cell_size_check = ON; PRAGMA foreign_keys = ON;"
                     "PRAGMA cache_size = -512; PRAGMA temp_store = MEMORY;",
                     error);
    if (!status)
        status = check_origin(writer, &layout, error);
    if (!status)
        status = ask(writer->db, writer->path, "PRAGMA journal_mode = WAL", answer, sizeof answer,
                     error);
    if (!status && strcmp(answer, "wal") != 0)
        status = bsc_error_set(error, BSC_FAILED,
                               "the file system of %s can't hold a database with a write-ahead log "
                               "(journal mode %s): use a local one",
                               writer->path, answer);
    if (!status)
        status = execute(writer->db, writer->path,
                         "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 150;"
                         "PRAGMA journal_size_limit = 655360;",
                         error);
    if (!status)
        status = migrate(writer, layout, error);
    if (status)
        bsc_store_disconnect(writer);
    return status;
}

void bsc_store_disconnect(struct bsc_store_writer *writer)
{
    for (unsigned i = 0; i < BSC_SQL_COUNT; i++) {
        sqlite3_finalize(writer->statements[i]);
        writer->statements[i] = NULL;
    }
    sqlite3_close(writer->db);
    writer->db = NULL;
}

/* For a disk without room for a checkpoint. SQLite keeps no lock on this file, so closing it here
 * takes none away. */
static enum bsc_status sync_log(const struct bsc_store_writer *writer, struct bsc_error *error)
{
    enum bsc_status status = BSC_OK;
    size_t size = strlen(writer->path) + sizeof "-wal";
    char *path = bsc_alloc(size);
    snprintf(path, size, "%s-wal", writer->path);
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (fd == -1) {
        if (errno != ENOENT)
            status = bsc_error_errno(error, "open %s", path);
    } else {
        if (fsync(fd) == -1)
            status = bsc_error_errno(error, "sync %s", path);
        close(fd);
    }
    free(path);
    return status;
}

/* Two things can be in the log without being durable: transactions that a killed process had
 * written but not synced (SQLite accepts them when it reads the log), and the pages of one whose
 * sync failed (the kernel then takes them for clean, and a second sync of the same pages proves
 * nothing). A checkpoint writes what counts into the database, syncs that, and empties the log. The
 * connection that failed still knows which pages count: so it must be that one, before it closes.
 */
enum bsc_status bsc_store_settle(struct bsc_store_writer *writer, struct bsc_error *error)
{
    enum bsc_status status = BSC_OK;
    if (!writer->db)
        status = connect_writer(writer, error);
    if (status)
        return status;
    int code = sqlite3_wal_checkpoint_v2(writer->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    if (code)
        status = bsc_store_error(writer->db, writer->path, code, error, "settle the database");
    if (status == BSC_NO_SPACE && writer->wounded && bsc_store_ballast_free(writer))
        return bsc_store_settle(writer, error);
    if (!writer->wounded) {
        if (status == BSC_NO_SPACE || status == BSC_UNAVAILABLE)
            status = sync_log(writer, error);
        return status;
    }
    if (status)
        return status;
    bsc_store_disconnect(writer);
    writer->wounded = false;
    return connect_writer(writer, error);
}
