/* SPDX-License-Identifier: Apache-2.0
 * adapters/store_sqlite.c - the store port: hands jobs to the thread pool, their results to the
 * engine, and folds the log back into the database when nothing happens.
 *
 * One job at a time owns the writer. The loop's thread touches it only while no job runs.
 */
#include <assert.h>
#include <stdlib.h>

#include "adapters/store_internal.h"

enum { IDLE_MS = 2000 };

enum job_kind { JOB_NONE, JOB_LOAD, JOB_COMMIT, JOB_TIDY };

struct job {
    enum job_kind kind;
    bsc_token token;
    const struct bsc_change *changes;
    unsigned count;
};

struct bsc_store_sqlite {
    struct bsc_store_writer writer;
    sqlite3 *reader; /* of the loop's thread; NULL until the first question */
    uv_loop_t *loop;
    void (*deliver)(void *argument, const struct bsc_event *event);
    void *argument;

    uv_work_t work;
    struct job job;     /* on the thread pool */
    struct job waiting; /* behind a tidying */
    enum bsc_status status;
    struct bsc_error error;
    struct bsc_store_loaded loaded;

    uv_timer_t idle; /* runs out a while after the last transaction */
    bool full;       /* the engine was told so */
    bool closing;
};

/* --- on the thread pool --- */

/* When it is not open: at first, and after damage. */
static enum bsc_status open_writer(struct bsc_store_writer *writer, struct bsc_error *error)
{
    if (writer->db)
        return BSC_OK;
    enum bsc_status status = bsc_store_settle(writer, error);
    if (status == BSC_NO_SPACE && bsc_store_ballast_free(writer))
        status = bsc_store_settle(writer, error);
    if (!status)
        bsc_store_ballast_make(writer);
    return status;
}

static void work(uv_work_t *handle)
{
    struct bsc_store_sqlite *store = handle->data;
    struct bsc_error ignored;
    switch (store->job.kind) {
    case JOB_LOAD:
        store->status = open_writer(&store->writer, &store->error);
        if (!store->status)
            store->status = bsc_store_read(&store->writer, &store->loaded, &store->error);
        break;
    case JOB_COMMIT:
        store->status = open_writer(&store->writer, &store->error);
        if (!store->status)
            store->status = bsc_store_write(&store->writer, store->job.changes, store->job.count,
                                            &store->error);
        break;
    case JOB_TIDY:
        /* What goes wrong here goes wrong again in the next transaction, which tells it. */
        if (store->writer.db && bsc_store_settle(&store->writer, &ignored) == BSC_OK)
            bsc_store_ballast_make(&store->writer);
        break;
    case JOB_NONE:
        break;
    }
    /* A damaged database is repaired by putting another file in its place. */
    if (store->job.kind != JOB_TIDY && store->status == BSC_CORRUPT) {
        bsc_store_disconnect(&store->writer);
        store->writer.wounded = false;
    }
}

/* --- on the loop --- */

static void submit(struct bsc_store_sqlite *store, struct job job);

static void free_store(uv_handle_t *handle)
{
    struct bsc_store_sqlite *store = handle->data;
    sqlite3_close(store->reader); /* first, so that the writer is the last and cleans up */
    bsc_store_disconnect(&store->writer);
    bsc_store_unclaim(&store->writer);
    free(store);
}

static void on_idle(uv_timer_t *timer)
{
    submit(timer->data, (struct job){ .kind = JOB_TIDY });
}

static void tell(struct bsc_store_sqlite *store, const struct job *job)
{
    struct bsc_event event = {
        .kind = job->kind == JOB_LOAD ? BSC_EVENT_LOADED : BSC_EVENT_COMMITTED,
        .token = job->token,
        .status = store->status,
        .text = store->status ? store->error.text : NULL,
        .full = !store->writer.ballast, /* no job runs now */
    };
    store->full = event.full;
    /* The engine may begin the next job from within. */
    struct bsc_store_loaded loaded = store->loaded;
    store->loaded = (struct bsc_store_loaded){ 0 };
    if (job->kind == JOB_LOAD && !store->status)
        event.state = &loaded.state;
    store->deliver(store->argument, &event);
    bsc_store_loaded_deinit(&loaded);
}

/* On a full disk nothing new begins, so no transaction would find out that there is room again. */
static void tidied(struct bsc_store_sqlite *store, bool room)
{
    if (!store->full)
        return;
    if (!room) {
        if (!store->job.kind)
            uv_timer_start(&store->idle, on_idle, IDLE_MS, 0);
        return;
    }
    store->full = false;
    store->deliver(store->argument, &(struct bsc_event){ .kind = BSC_EVENT_ROOM });
}

static void on_done(uv_work_t *handle, int unused)
{
    (void)unused;
    struct bsc_store_sqlite *store = handle->data;
    struct job done = store->job, waiting = store->waiting;
    store->job = store->waiting = (struct job){ .kind = JOB_NONE };
    if (store->closing) {
        bsc_store_loaded_deinit(&store->loaded);
        uv_close((uv_handle_t *)&store->idle, free_store);
        return;
    }
    bool room = store->writer.ballast; /* no job runs yet */
    if (waiting.kind)
        submit(store, waiting);
    if (done.kind == JOB_TIDY) {
        tidied(store, room);
        return;
    }
    uv_timer_start(&store->idle, on_idle, IDLE_MS, 0);
    tell(store, &done);
}

static void submit(struct bsc_store_sqlite *store, struct job job)
{
    if (store->job.kind) {
        assert(store->job.kind == JOB_TIDY && !store->waiting.kind && job.kind != JOB_TIDY);
        store->waiting = job;
        return;
    }
    store->job = job;
    uv_timer_stop(&store->idle);
    /* Fails only without a function to run. */
    uv_queue_work(store->loop, &store->work, work, on_done);
}

/* After damage there may be another file by now. Whoever closes a database last removes its log by
 * name, so this comes before the other file has one. */
static void load(void *self, bsc_token token)
{
    struct bsc_store_sqlite *store = self;
    sqlite3_close(store->reader);
    store->reader = NULL;
    submit(self, (struct job){ .kind = JOB_LOAD, .token = token });
}

static void commit(void *self, const struct bsc_change *changes, unsigned count, bsc_token token)
{
    submit(self,
           (struct job){ .kind = JOB_COMMIT, .token = token, .changes = changes, .count = count });
}

static const struct bsc_store_ops ops = { .name = "sqlite", .load = load, .commit = commit };

enum bsc_status bsc_store_sqlite_open(const char *directory, uv_loop_t *loop,
                                      void (*deliver)(void *argument,
                                                      const struct bsc_event *event),
                                      void *argument, struct bsc_store *out,
                                      struct bsc_error *error)
{
    struct bsc_store_sqlite *store = bsc_alloc(sizeof *store);
    store->loop = loop;
    store->deliver = deliver;
    store->argument = argument;
    store->work.data = store->idle.data = store;
    enum bsc_status status = bsc_store_claim(&store->writer, directory, error);
    if (status) {
        bsc_store_unclaim(&store->writer);
        free(store);
        return status;
    }
    uv_timer_init(loop, &store->idle);
    out->ops = &ops;
    out->self = store;
    return BSC_OK;
}

void bsc_store_sqlite_close(struct bsc_store *handle)
{
    struct bsc_store_sqlite *store = handle->self;
    *handle = (struct bsc_store){ 0 };
    store->closing = true;
    store->waiting = (struct job){ .kind = JOB_NONE };
    if (!store->job.kind)
        uv_close((uv_handle_t *)&store->idle, free_store);
    else
        uv_timer_stop(&store->idle);
}

enum bsc_status bsc_store_reader(const struct bsc_store *handle, sqlite3 **out, const char **path,
                                 struct bsc_error *error)
{
    struct bsc_store_sqlite *store = handle->self;
    assert(handle->ops == &ops);
    *path = store->writer.path;
    enum bsc_status status = BSC_OK;
    if (!store->reader)
        status = bsc_store_connect_reader(store->writer.path, &store->reader, error);
    *out = store->reader;
    return status;
}
