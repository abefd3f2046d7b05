/* SPDX-License-Identifier: Apache-2.0
 * The SQLite store and its directory: one owner at a time, closed to others, not of another time.
 */
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "store_place.h"

static int tear_down(void **unused)
{
    (void)unused;
    remove_directory(directory);
    return 0;
}

static const char *path_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static void make_database(void)
{
    uint64_t n = 0;
    open_store(directory);
    assert_int_equal(numbered_load(&client, &n), BSC_OK);
    assert_int_equal(numbered_commit(&client, n + 1), BSC_OK);
    store_client_close(&client);
}

static void refused(enum bsc_status status, const char *part)
{
    struct store_client other;
    uint64_t n;
    enum bsc_status got = store_client_open(&other, &sqlite, directory, &error);
    if (!got) {
        got = numbered_load(&other, &n);
        snprintf(error.text, sizeof error.text, "%s", other.text);
        store_client_close(&other);
    }
    assert_int_equal(got, status);
    if (!strstr(error.text, part))
        fail_msg("\"%s\" is not in \"%s\"", part, error.text);
}

static void a_second_owner_is_refused_and_told_the_first_one_s_pid(void **unused)
{
    (void)unused;
    char pid[64];
    open_store(directory);
    snprintf(pid, sizeof pid, "(process %ld)", (long)getpid());
    refused(BSC_BUSY, pid);
    assert_int_equal(numbered_commit(&client, 1), BSC_OK);
    store_client_close(&client);
    make_database(); /* free again */
}

static void a_killed_owner_leaves_the_store_free(void **unused)
{
    (void)unused;
    int ends[2];
    char byte;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (!child) {
        open_store(directory);
        byte = 1;
        if (write(ends[1], &byte, 1) != 1)
            _exit(1);
        pause();
    }
    assert_int_equal(read(ends[0], &byte, 1), 1);
    char pid[64];
    snprintf(pid, sizeof pid, "(process %ld)", (long)child);
    refused(BSC_BUSY, pid);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(ends[0]);
    close(ends[1]);
    make_database();
}

static void execute(const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path_of("bascule.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static int layout_now(void)
{
    sqlite3 *db;
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_open(path_of("bascule.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &statement, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int layout = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return layout;
}

static void a_database_of_a_newer_version_is_refused_and_left_alone(void **unused)
{
    (void)unused;
    uint64_t n = 0;
    char back[64];
    make_database();
    snprintf(back, sizeof back, "PRAGMA user_version = %d", layout_now());
    execute("PRAGMA user_version = 99");
    refused(BSC_NEWER, "layout 99");
    refused(BSC_NEWER, "start the newer bascule again");
    execute(back);
    open_store(directory);
    assert_int_equal(numbered_load(&client, &n), BSC_OK);
    assert_int_equal(n, 1);
    store_client_close(&client);
}

static void no_error_is_told(void *argument, const struct bsc_record *record)
{
    assert_int_equal(record->error, BSC_OK);
    ++*(unsigned *)argument;
}

/* The tables and columns of the first layout. */
static const struct {
    const char *table, *columns;
} first_layout[] = {
    { "settings", " id next_id next_sequence next_port " },
    { "services", " name spec live stable traffic generation standby_until_ms removed " },
    { "slots", " service slot state checked weight_bp release record " },
    { "releases", " id service spec created_ms live_ms rejected " },
    { "instances", " id service release slot position port address phase healthy " },
    { "rollouts", " id service kind strategy release record slot status ending cursor started_ms "
                  "ended_ms actor reason " },
    { "steps", " rollout position kind state undo slot hook weight_bp instances duration_ms "
               "timeout_ms " },
    { "records", " id service slot version status deployed_ms switched_ms rolled_back_ms reason " },
    { "events", " sequence at_ms service rollout kind actor text " }
};

static const char *columns_of(const char *table)
{
    for (size_t i = 0; i < sizeof first_layout / sizeof *first_layout; i++)
        if (!strcmp(first_layout[i].table, table))
            return first_layout[i].columns;
    return NULL;
}

/* What came later is dropped again. */
static void as_the_first_layout_was(void)
{
    struct bsc_text drop = { 0 };
    sqlite3 *db = NULL;
    sqlite3_stmt *rows = NULL;
    assert_int_equal(sqlite3_open(path_of("bascule.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT t.name, ' ' || c.name || ' ' FROM sqlite_schema t,"
                                        " pragma_table_info(t.name) c WHERE t.type = 'table'",
                                        -1, &rows, NULL),
                     SQLITE_OK);
    while (sqlite3_step(rows) == SQLITE_ROW) {
        const char *table = (const char *)sqlite3_column_text(rows, 0);
        const char *column = (const char *)sqlite3_column_text(rows, 1);
        const char *columns = columns_of(table);
        if (!columns)
            bsc_text_printf(&drop, "DROP TABLE IF EXISTS %s;", table);
        else if (!strstr(columns, column))
            bsc_text_printf(&drop, "ALTER TABLE %s DROP COLUMN %s;", table, column);
    }
    sqlite3_finalize(rows);
    sqlite3_close(db);
    bsc_text_printf(&drop, "PRAGMA user_version = 1");
    execute(bsc_text_get(&drop));
    bsc_text_deinit(&drop);
}

static void a_database_of_an_older_version_is_brought_up_to_date(void **unused)
{
    (void)unused;
    uint64_t n = 0;
    unsigned records = 0;
    make_database();
    as_the_first_layout_was();
    for (unsigned i = 0; i < 2; i++) { /* the second time there is nothing left to do */
        open_store(directory);
        assert_int_equal(numbered_load(&client, &n), BSC_OK);
        assert_int_equal(n, 1 + i);
        assert_int_equal(numbered_commit(&client, 2 + i), BSC_OK);
        store_client_close(&client);
    }
    open_store(directory);
    assert_int_equal(numbered_load(&client, &n), BSC_OK);
    assert_int_equal(
        bsc_store_history(&client.store, "web", 0, 10, no_error_is_told, &records, &error), BSC_OK);
    assert_int_equal(records, 1);
    store_client_close(&client);
    execute("UPDATE records SET error = 'odd'");
    refused(BSC_CORRUPT, "table records, row 2");
}

static void a_database_of_another_program_is_refused(void **unused)
{
    (void)unused;
    execute("CREATE TABLE theirs (a)");
    assert_int_equal(chmod(path_of("bascule.db"), 0600), 0);
    refused(BSC_CORRUPT, "not a database of bascule");
}

static void values_that_do_not_belong_there_are_named(void **unused)
{
    (void)unused;
    uint64_t n;
    static const char *const cases[][2] = {
        { "UPDATE slots SET state = 'odd'", "table services, row web" },
        { "UPDATE services SET spec = '{'", "table services, row web" },
        { "UPDATE releases SET rejected = 7", "table releases, row 1" },
        { "UPDATE instances SET phase = ''", "table instances, row web-1" },
        { "UPDATE rollouts SET status = 'x'", "table rollouts, row 3" },
        { "UPDATE rollouts SET cursor = 5", "table rollouts, row 3" },
        { "UPDATE rollouts SET status = 'promoted', cursor = 6", "table rollouts, row 3" },
        { "UPDATE rollouts SET release = 2", "table rollouts, row 3" },
        { "UPDATE slots SET release = NULL", "table rollouts, row 3" },
        { "DELETE FROM steps", "table rollouts, row 3" },
        { "DELETE FROM steps WHERE position = 0", "table steps, row 1" },
        { "UPDATE records SET slot = 'red'", "table records, row 2" },
        { "UPDATE instances SET port = -1", "table instances, row web-1" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        make_database();
        execute(cases[i][0]);
        open_store(directory);
        assert_int_equal(numbered_load(&client, &n), BSC_CORRUPT);
        assert_non_null(strstr(client.text, cases[i][1]));
        store_client_close(&client);
        assert_int_equal(unlink(path_of("bascule.db")), 0);
    }
}

static void links_and_files_open_to_others_are_refused(void **unused)
{
    (void)unused;
    static const char *const files[] = { "store.lock", "bascule.db", "ballast" };
    char elsewhere[128];
    make_database();
    snprintf(elsewhere, sizeof elsewhere, "%s", path_of("elsewhere"));
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        assert_int_equal(chmod(path_of(files[i]), 0644), 0);
        refused(BSC_DENIED, "is open to other users");
        assert_int_equal(chmod(path_of(files[i]), 0600), 0);

        assert_int_equal(link(path_of(files[i]), elsewhere), 0);
        refused(BSC_DENIED, "a file with several names");
        assert_int_equal(unlink(path_of(files[i])), 0);
        assert_int_equal(symlink(elsewhere, path_of(files[i])), 0);
        refused(BSC_DENIED, "a symbolic link");
        assert_int_equal(rename(elsewhere, path_of(files[i])), 0);
    }
    make_database();
    assert_int_equal(chmod(directory, 0750), 0);
    refused(BSC_DENIED, "chmod 700");
    assert_int_equal(chmod(directory, 0700), 0);
}

static void what_it_makes_is_closed_to_others(void **unused)
{
    (void)unused;
    static const char *const files[] = { "store.lock", "bascule.db", "bascule.db-wal",
                                         "bascule.db-shm", "ballast" };
    mode_t before = umask(0);
    open_store(directory);
    assert_int_equal(numbered_commit(&client, 1), BSC_OK);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct stat info;
        assert_int_equal(stat(path_of(files[i]), &info), 0);
        assert_int_equal(info.st_mode & 07777, 0600);
    }
    store_client_close(&client);
    umask(before);
}

static void a_directory_that_is_missing_or_none_is_refused(void **unused)
{
    (void)unused;
    char real[64];
    snprintf(real, sizeof real, "%s", directory);
    snprintf(directory, sizeof directory, "%s/missing", real);
    refused(BSC_NOT_FOUND, "missing");
    fclose(fopen(directory, "w"));
    refused(BSC_INVALID, "is not a directory");
    snprintf(directory, sizeof directory, "%s", real);
}

static void a_directory_that_cannot_be_written_is_refused(void **unused)
{
    (void)unused;
    int wait_status;
    if (geteuid() == 0)
        assert_int_equal(chown(directory, 65534, 65534), 0);
    assert_int_equal(chmod(directory, 0500), 0);
    pid_t child = fork();
    if (!child) {
        struct store_client other;
        if (geteuid() == 0 && (setgid(65534) || setuid(65534)))
            _exit(2);
        enum bsc_status status = store_client_open(&other, &sqlite, directory, &error);
        _exit(status == BSC_DENIED && strstr(error.text, "cannot write") ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &wait_status, 0), child);
    assert_int_equal(wait_status, 0);
    if (geteuid() == 0) { /* of somebody else */
        assert_int_equal(chmod(directory, 0700), 0);
        refused(BSC_DENIED, "belongs to user id 65534");
    }
}

/* --- size and speed --- */

static off_t size_of(const char *name)
{
    struct stat info;
    return stat(path_of(name), &info) ? 0 : info.st_size;
}

static void the_log_stays_small_and_is_folded_in_when_nothing_happens(void **unused)
{
    (void)unused;
    open_store(directory);
    for (uint64_t n = 1; n <= 600; n++) {
        assert_int_equal(numbered_commit(&client, n), BSC_OK);
        assert_true(size_of("bascule.db-wal") <= 1024 * 1024);
    }
    assert_true(size_of("bascule.db-wal") > 0);
    int64_t until = bsc_clock_boot_ms() + 20000;
    while (size_of("bascule.db-wal") && bsc_clock_boot_ms() < until)
        uv_run(&client.loop, UV_RUN_ONCE);
    assert_int_equal(size_of("bascule.db-wal"), 0);
    store_client_close(&client);
}

static int compare_times(const void *a, const void *b)
{
    const int64_t *left = a, *right = b;
    return *left < *right ? -1 : *left > *right;
}

static int64_t median_commit_us(uint64_t *n)
{
    enum { TRIES = 41 };
    int64_t times[TRIES];
    for (unsigned i = 0; i < TRIES; i++) {
        int64_t began = bsc_clock_boot_us();
        assert_int_equal(numbered_commit(&client, ++*n), BSC_OK);
        times[i] = bsc_clock_boot_us() - began;
    }
    qsort(times, TRIES, sizeof *times, compare_times);
    return times[TRIES / 2];
}

static void a_long_history_does_not_slow_transactions(void **unused)
{
    (void)unused;
    enum { BATCH = 500, BATCHES = 60 };
    static struct bsc_change changes[3 * BATCH];
    static struct bsc_rollout_row rollouts[BATCH];
    uint64_t n = 0, id = 100000;
    open_store(directory);
    int64_t before = median_commit_us(&n);
    for (unsigned batch = 0; batch < BATCHES; batch++) {
        for (unsigned i = 0; i < BATCH; i++, id++) {
            rollouts[i] = (struct bsc_rollout_row){ .id = id,
                                                    .service = "web",
                                                    .walk.status = BSC_ROLLOUT_FAILED,
                                                    .ended_ms = 1,
                                                    .plan.count = 8 };
            changes[3 * i] = (struct bsc_change){ BSC_PUT_ROLLOUT, .rollout = &rollouts[i] };
            changes[3 * i + 1] =
                (struct bsc_change){ BSC_PUT_RECORD, .record = { "web", { .id = id } } };
            changes[3 * i + 2] = (struct bsc_change){
                BSC_ADD_AUDIT, .audit = { .sequence = id, .service = "web", .text = "something" }
            };
        }
        assert_int_equal(store_client_commit(&client, changes, 3 * BATCH), BSC_OK);
    }
    int64_t after = median_commit_us(&n);
    int64_t began = bsc_clock_boot_us();
    loaded();
    int64_t load = bsc_clock_boot_us() - began;
    print_message("a transaction: %lld us, with 30,000 old rollouts %lld us; loading %lld us\n",
                  (long long)before, (long long)after, (long long)load);
    assert_true(after < 10 * before + 5000);
    store_client_close(&client);
}

int main(void)
{
#define file_test(name) cmocka_unit_test_setup_teardown(name, make_directory, tear_down)
    const struct CMUnitTest tests[] = {
        file_test(a_second_owner_is_refused_and_told_the_first_one_s_pid),
        file_test(a_killed_owner_leaves_the_store_free),
        file_test(a_database_of_a_newer_version_is_refused_and_left_alone),
        file_test(a_database_of_an_older_version_is_brought_up_to_date),
        file_test(a_database_of_another_program_is_refused),
        file_test(values_that_do_not_belong_there_are_named),
        file_test(links_and_files_open_to_others_are_refused),
        file_test(what_it_makes_is_closed_to_others),
        file_test(a_directory_that_is_missing_or_none_is_refused),
        file_test(a_directory_that_cannot_be_written_is_refused),
        file_test(the_log_stays_small_and_is_folded_in_when_nothing_happens),
        file_test(a_long_history_does_not_slow_transactions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
