/* SPDX-License-Identifier: Apache-2.0
 * adapters/store_query.c - history, events and old rollouts for the API: bounded by an index and a
 * limit, so that they may run on the loop.
 */
#include <stdio.h>
#include <stdlib.h>

#include "adapters/store_internal.h"

/* One question being answered. */
struct question {
    sqlite3 *db;
    const char *path;
    sqlite3_stmt *row;
    struct bsc_error *error;
};

static enum bsc_status ask(struct question *question, const struct bsc_store *store,
                           const char *sql, struct bsc_error *error)
{
    *question = (struct question){ .error = error };
    enum bsc_status status = bsc_store_reader(store, &question->db, &question->path, error);
    if (status)
        return status;
    int code = sqlite3_prepare_v2(question->db, sql, -1, &question->row, NULL);
    return code ? bsc_store_error(question->db, question->path, code, error, "read the history")
                : BSC_OK;
}

/* True while there is a row; afterwards *status says whether that was the end. */
static bool next(struct question *question, enum bsc_status *status)
{
    if (*status)
        return false;
    int code = sqlite3_step(question->row);
    if (code == SQLITE_ROW)
        return true;
    if (code != SQLITE_DONE)
        *status = bsc_store_error(question->db, question->path, code, question->error,
                                  "read the history");
    return false;
}

static enum bsc_status damaged(struct question *question, const char *table)
{
    char what[128];
    snprintf(what, sizeof what, "table %s, row %s: a value that does not belong there", table,
             bsc_column_text(question->row, 0));
    return bsc_store_damaged(question->path, what, question->error);
}

static sqlite3_int64 page(unsigned limit)
{
    return limit < BSC_STORE_PAGE_MAX ? limit : BSC_STORE_PAGE_MAX;
}

enum bsc_status bsc_store_history(const struct bsc_store *store, const char *service,
                                  uint64_t before, unsigned limit,
                                  void (*on_record)(void *argument,
                                                    const struct bsc_record *record),
                                  void *argument, struct bsc_error *error)
{
    struct question question;
    struct bsc_record record;
    enum bsc_status status =
        ask(&question, store,
            "SELECT * FROM (SELECT " BSC_RECORD_COLUMNS " FROM records WHERE service = ?1"
            " AND id < ?2 ORDER BY id DESC LIMIT ?3) ORDER BY id",
            error);
    if (!status) {
        sqlite3_bind_text(question.row, 1, service, -1, SQLITE_STATIC);
        sqlite3_bind_int64(question.row, 2, before ? (sqlite3_int64)before : INT64_MAX);
        sqlite3_bind_int64(question.row, 3, page(limit));
    }
    while (next(&question, &status)) {
        if (bsc_row_record(question.row, 0, &record))
            on_record(argument, &record);
        else
            status = damaged(&question, "records");
    }
    sqlite3_finalize(question.row);
    return status;
}

/* The four shapes differ so that each is answered from an index. */
static const char *events_sql(const struct bsc_events_query *query)
{
    if (query->service)
        return query->newest
                   ? "SELECT * FROM (SELECT " BSC_EVENT_COLUMNS " FROM events WHERE service = ?3"
                     " AND sequence > ?1 ORDER BY sequence DESC LIMIT ?2) ORDER BY sequence"
                   : "SELECT " BSC_EVENT_COLUMNS " FROM events WHERE service = ?3"
                     " AND sequence > ?1 ORDER BY sequence LIMIT ?2";
    return query->newest ? "SELECT * FROM (SELECT " BSC_EVENT_COLUMNS " FROM events"
                           " WHERE sequence > ?1 ORDER BY sequence DESC LIMIT ?2) ORDER BY sequence"
                         : "SELECT " BSC_EVENT_COLUMNS " FROM events WHERE sequence > ?1"
                           " ORDER BY sequence LIMIT ?2";
}

enum bsc_status bsc_store_events(const struct bsc_store *store,
                                 const struct bsc_events_query *query,
                                 void (*on_event)(void *argument, const struct bsc_audit_row *row),
                                 void *argument, struct bsc_error *error)
{
    struct question question;
    struct bsc_audit_row event;
    enum bsc_status status = ask(&question, store, events_sql(query), error);
    if (!status) {
        sqlite3_bind_int64(question.row, 1, (sqlite3_int64)query->after);
        sqlite3_bind_int64(question.row, 2, page(query->limit));
        if (query->service)
            sqlite3_bind_text(question.row, 3, query->service, -1, SQLITE_STATIC);
    }
    while (next(&question, &status)) {
        if (bsc_row_event(question.row, &event))
            on_event(argument, &event);
        else
            status = damaged(&question, "events");
    }
    sqlite3_finalize(question.row);
    return status;
}

static enum bsc_status read_plan(struct question *question, uint64_t id, struct bsc_plan *plan)
{
    enum bsc_status status = BSC_OK;
    sqlite3_finalize(question->row);
    int code = sqlite3_prepare_v2(
        question->db, "SELECT " BSC_STEP_COLUMNS " FROM steps WHERE rollout = ? ORDER BY position",
        -1, &question->row, NULL);
    if (code)
        return bsc_store_error(question->db, question->path, code, question->error,
                               "read the history");
    sqlite3_bind_int64(question->row, 1, (sqlite3_int64)id);
    while (next(question, &status))
        if (plan->count == BSC_PLAN_STEPS_MAX ||
            !bsc_row_step(question->row, 0, &plan->steps[plan->count++]))
            status = damaged(question, "steps");
    return status;
}

enum bsc_status bsc_store_rollout(const struct bsc_store *store, uint64_t id,
                                  void (*on_rollout)(void *argument,
                                                     const struct bsc_rollout_row *row),
                                  void *argument, struct bsc_error *error)
{
    struct question question;
    struct bsc_rollout_row *rollout = bsc_alloc(sizeof *rollout);
    char *service = NULL;
    enum bsc_status status =
        ask(&question, store, "SELECT " BSC_ROLLOUT_COLUMNS " FROM rollouts WHERE id = ?", error);
    if (!status)
        sqlite3_bind_int64(question.row, 1, (sqlite3_int64)id);
    if (next(&question, &status)) {
        if (!bsc_row_rollout(question.row, rollout))
            status = damaged(&question, "rollouts");
        rollout->service = service = bsc_copy(rollout->service);
        if (!status)
            status = read_plan(&question, id, &rollout->plan);
    } else if (!status) {
        status = bsc_error_set(error, BSC_NOT_FOUND, "there is no rollout r%llu",
                               (unsigned long long)id);
    }
    if (!status)
        on_rollout(argument, rollout);
    sqlite3_finalize(question.row);
    free(service);
    free(rollout);
    return status;
}
